"""Linear regression on a series whose errors may follow one another: coefficients with the covariance that they deserve.

Rows are in the order in which they were measured. With X and y divided by the stated standard deviations (only their ratios
count: the scale is estimated from the residuals), the errors are a stationary first-order autoregression of unknown ρ. The
coefficients are those of plain least squares, b = (XᵀX)⁻¹Xᵀy, which need no ρ; their error does. As if ρ were 0, the interval of
a slope holds the truth in 70 % instead of 95 % of series of 40 rows at ρ = 0.6, and the Newey–West widening by lag 1 brings that
to 75 %, because half of one lag is too little of the sum over all lags. Therefore ρ is neither ignored nor plugged in: of a grid,
each ρ weighs as its restricted likelihood (the likelihood of the residuals alone)

    w(ρ) ∝ π(ρ) (1 − ρ²)^½ |XᵀPX|^−½ S(ρ)^−ν/2,    P = (1 − ρ²) Σ(ρ)⁻¹ (tridiagonal),  ν = rows − coefficients,

with S(ρ) the squares that generalised least squares leaves, and V = Σ w(ρ) S(ρ)/ν · (XᵀX)⁻¹ XᵀP⁻¹X (XᵀX)⁻¹ with Student's t
of ν degrees. π puts `INDEPENDENT` on ρ = 0 and spreads the rest evenly over ±0.95. Coverage of the 95 % interval of a slope, by
simulation: 95–98 % for independent errors, 94–97 % at ρ = 0.3, 94–96 % at ρ = 0.6 from 24 rows on. Fewer rows do not show a
strong correlation (89–91 % at ρ = 0.6), and of ρ = 0.9 forty do not show enough (88 %). Generalised least squares averaged over
ρ would scatter 1–7 % less where the errors are such a series; where the law is not quite that of the rows it follows the ρ of
their difference, and more noise gets into b.

V is the whole error: noise, and how far the rows are from the law. What the rows' noise alone does to b, where it is known, is
told apart: N = (XᵀX)⁻¹ Xᵀ diag(σ²) X (XᵀX)⁻¹, how far b of the same rows without noise may be. Rows that lie on the law more
closely than their noise allows do so by chance: V is then raised by what N has beyond it in any direction.

It knows no laws and no units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.errors import AnalysisError

INDEPENDENT = 0.3
"""Prior weight of independent errors."""
_RHO = np.linspace(-0.95, 0.95, 39)
_PRIOR = np.full(39, (1 - INDEPENDENT) / 39) + np.where(np.arange(39) == 19, INDEPENDENT, 0.0)
_RANK = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """``coefficients`` (p,) and ``covariance`` (p, p) for Student's t with ``freedom`` degrees.

    ``squares`` are the weighted residuals squared of plain least squares, ``durbin_watson`` their Σ(eᵢ − eᵢ₋₁)² / Σeᵢ² (2 when
    they are independent, towards 0 when they drift, towards 4 when they alternate; ``None`` when nothing is left over), and
    ``autocorrelation`` the mean of ρ over its weights. ``noise_covariance`` (p, p) is what the rows' noise has in it, ``None``
    where that is unknown.
    """

    coefficients: Array
    covariance: Array
    freedom: int
    squares: float
    durbin_watson: float | None
    autocorrelation: float
    noise_covariance: Array | None = None

    def coefficient(self, place: int) -> Estimate:
        """One coefficient."""
        return Estimate.student(float(self.coefficients[place]), math.sqrt(self.covariance[place, place]), self.freedom)


def regress(design: Array, value: Array, std: Array | None = None, noise_std: Array | None = None) -> Regression:
    """``value`` (n,) on the columns of ``design`` (n, p), rows weighted 1/``std``²; ``noise_std`` (n,) is each row's own noise.

    Raises:
        AnalysisError: there are not more rows than columns, or the columns cannot be told apart.
    """
    rows, columns = design.shape
    if rows <= columns:
        raise AnalysisError(f"{rows} rows cannot give {columns} coefficients and their error")
    root = np.ones(rows) if std is None else np.median(std) / std
    orthonormal, triangle = np.linalg.qr(design * root[:, None])
    size = np.abs(np.diag(triangle))
    if not bool(np.all(size > _RANK * np.linalg.norm(triangle, axis=0))):
        raise AnalysisError("two terms of the law run alike in these rows, so that neither can be told from the other")
    weighted = value * root
    projected = orthonormal.T @ weighted
    residual = weighted - orthonormal @ projected
    spread, rho = _averaged(orthonormal, residual, rounding(weighted))
    inverse = np.linalg.inv(triangle)
    squares = float(residual @ residual)
    shares = inverse @ (orthonormal * root[:, None]).T
    noise = None if noise_std is None else (shares * noise_std**2) @ shares.T
    return Regression(
        coefficients=inverse @ projected,
        covariance=_not_below(inverse @ spread @ inverse.T, noise),
        freedom=rows - columns,
        squares=max(squares, rounding(weighted)),
        durbin_watson=float(np.sum(np.diff(residual) ** 2)) / squares if squares > rounding(weighted) else None,
        autocorrelation=rho,
        noise_covariance=noise,
    )


def _not_below(whole: Array, part: Array | None) -> Array:
    """``whole``, raised in every direction in which ``part`` of it has more."""
    if part is None:
        return whole
    excess, directions = np.linalg.eigh(part - whole)
    raised: Array = whole + (directions * np.maximum(excess, 0.0)) @ directions.T
    return raised


def whitened(rows: Array, rho: float) -> Array:
    """Rows (n, …) of a series with autocorrelation ``rho``, made independent."""
    white = rows.copy()
    white[0] = rows[0] * math.sqrt(1 - rho**2)
    white[1:] = rows[1:] - rho * rows[:-1]
    return white


def rounding(weighted: Array) -> float:
    """How large the squares of a perfect fit's residuals may be."""
    return max(float(weighted.size * (np.finfo(float).eps * np.linalg.norm(weighted)) ** 2), np.finfo(float).tiny)


def _averaged(orthonormal: Array, residual: Array, least: float) -> tuple[Array, float]:
    """The covariance of the coefficients of orthonormal columns, averaged over ρ, and the mean of ρ.

    XᵀPX is a polynomial of ρ, and so is XᵀP⁻¹X but for a factor: every ρ costs only p × p numbers.
    """
    rows, columns = orthonormal.shape
    both = np.column_stack([orthonormal, residual])
    whole, ends = both.T @ both, np.outer(both[0], both[0]) + np.outer(both[-1], both[-1])
    beside = both[:-1].T @ both[1:]
    rho = _RHO[:, None, None]
    normal = (1 + rho**2) * whole - rho**2 * ends - rho * (beside + beside.T)
    gram, right, left_over = normal[:, :columns, :columns], normal[:, :columns, columns], normal[:, columns, columns]
    freedom = rows - columns
    squares = np.maximum(left_over - np.einsum("ki,ki->k", right, np.linalg.solve(gram, right[..., None])[..., 0]), least)
    log_weight = np.log(_PRIOR) + 0.5 * (np.log(1 - _RHO**2) - np.linalg.slogdet(gram)[1] - freedom * np.log(squares))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    lags = _products_by_lag(orthonormal)
    powers = _RHO[:, None] ** np.arange(rows) / (1 - _RHO[:, None] ** 2)
    return np.einsum("k,kn,nij->ij", weight * squares / freedom, powers, lags, optimize=True), float(weight @ _RHO)


def _products_by_lag(columns: Array) -> Array:
    """Σᵢ (xᵢ xᵢ₊ₖᵀ + xᵢ₊ₖ xᵢᵀ) of the rows x for every lag k (n, p, p), the first of them once."""
    rows = columns.shape[0]
    waves = np.fft.rfft(columns, 2 * rows, axis=0)
    products = np.fft.irfft(waves.conj()[:, :, None] * waves[:, None, :], 2 * rows, axis=0)[:rows]
    products[1:] += products[1:].transpose(0, 2, 1)
    return np.asarray(products, dtype=np.float64)
