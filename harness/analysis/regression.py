"""Linear regression on a series whose errors may follow one another: coefficients with the covariance that they deserve.

Rows are in the order in which they were measured. With X and y divided by the stated standard deviations (only their ratios
count: the scale is estimated from the residuals), the errors are a stationary first-order autoregression of unknown ρ. Plain
least squares is right at ρ = 0 only; its slope holds the truth in 70 % instead of 95 % of series of 40 rows at ρ = 0.6, and the
Newey–West widening by lag 1 brings that to 75 %, because half of one lag is too little of the sum over all lags. Therefore ρ is
neither ignored nor plugged in but averaged over: each ρ of a grid gives generalised least squares b(ρ) with covariance V(ρ), its
weight is the restricted likelihood (the likelihood of the residuals alone)

    w(ρ) ∝ π(ρ) (1 − ρ²)^½ |XᵀPX|^−½ S(ρ)^−ν/2,    P = (1 − ρ²) Σ(ρ)⁻¹ (tridiagonal),  ν = rows − coefficients,

and the answer is b = Σ w b(ρ), V = Σ w [V(ρ) + (b(ρ) − b)(b(ρ) − b)ᵀ] with Student's t of ν degrees. π puts `INDEPENDENT` on
ρ = 0 and spreads the rest evenly over ±0.95. Coverage of the 95 % interval of a slope, by simulation: 95–98 % for independent
errors, 94–96 % at ρ = 0.3, 93–96 % at ρ = 0.6 from 20 rows on. Fewer rows do not show a strong correlation: 89–91 % at ρ = 0.6.

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
    ``autocorrelation`` the mean of ρ over its weights.
    """

    coefficients: Array
    covariance: Array
    freedom: int
    squares: float
    durbin_watson: float | None
    autocorrelation: float

    def combined(self, factors: Array) -> Estimate:
        """``factors`` · coefficients."""
        std = math.sqrt(max(float(factors @ self.covariance @ factors), 0.0))
        return Estimate.student(float(factors @ self.coefficients), std, self.freedom)

    def coefficient(self, place: int) -> Estimate:
        """One coefficient."""
        return Estimate.student(float(self.coefficients[place]), math.sqrt(self.covariance[place, place]), self.freedom)


def regress(design: Array, value: Array, std: Array | None = None) -> Regression:
    """``value`` (n,) on the columns of ``design`` (n, p), rows weighted 1/``std``².

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
    shift, spread, rho = _averaged(orthonormal, residual, rounding(weighted))
    inverse = np.linalg.inv(triangle)
    squares = float(residual @ residual)
    return Regression(
        coefficients=inverse @ (projected + shift),
        covariance=inverse @ spread @ inverse.T,
        freedom=rows - columns,
        squares=max(squares, rounding(weighted)),
        durbin_watson=float(np.sum(np.diff(residual) ** 2)) / squares if squares > rounding(weighted) else None,
        autocorrelation=rho,
    )


def whitened(rows: Array, rho: float) -> Array:
    """Rows (n, …) of a series with autocorrelation ``rho``, made independent."""
    white = rows.copy()
    white[0] = rows[0] * math.sqrt(1 - rho**2)
    white[1:] = rows[1:] - rho * rows[:-1]
    return white


def rounding(weighted: Array) -> float:
    """How large the squares of a perfect fit's residuals may be."""
    return max(float(weighted.size * (np.finfo(float).eps * np.linalg.norm(weighted)) ** 2), np.finfo(float).tiny)


def _averaged(orthonormal: Array, residual: Array, least: float) -> tuple[Array, Array, float]:
    """What averaging over ρ adds to the coefficients of orthonormal columns, their covariance, and the mean of ρ.

    XᵀPX is a polynomial of ρ, so that every ρ costs only p × p numbers; working on residuals keeps a perfect fit perfect.
    """
    rows, columns = orthonormal.shape
    both = np.column_stack([orthonormal, residual])
    whole, ends = both.T @ both, np.outer(both[0], both[0]) + np.outer(both[-1], both[-1])
    beside = both[:-1].T @ both[1:]
    rho = _RHO[:, None, None]
    normal = (1 + rho**2) * whole - rho**2 * ends - rho * (beside + beside.T)
    gram, right, left_over = normal[:, :columns, :columns], normal[:, :columns, columns], normal[:, columns, columns]
    inverse = np.linalg.inv(gram)
    shifts = np.einsum("kij,kj->ki", inverse, right)
    freedom = rows - columns
    squares = np.maximum(left_over - np.einsum("ki,ki->k", right, shifts), least)
    log_weight = np.log(_PRIOR) + 0.5 * (np.log(1 - _RHO**2) - np.linalg.slogdet(gram)[1] - freedom * np.log(squares))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    shift = weight @ shifts
    apart = shifts - shift
    within = np.einsum("k,kij->ij", weight * squares / freedom, inverse)
    return shift, within + np.einsum("k,ki,kj->ij", weight, apart, apart), float(weight @ _RHO)
