"""Least squares of models that are linear in their parameters: values, covariance, and how well models compare. No physics.

With weights 1/σ² the covariance is s² (XᵀWX)⁻¹; s² comes from the residuals, so a σ that is wrong by a common factor does no
harm. Small samples are compared by the corrected information criterion of C. M. Hurvich and C.-L. Tsai (1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import AnalysisError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """``value`` (p,), its ``covariance`` (p, p) from the residuals, weighted ``residual`` (n,), and their sum of squares."""

    value: Array
    covariance: Array
    residual: Array
    sum_of_squares: float
    freedom: int

    @property
    def std(self) -> Array:
        """One standard deviation of each value."""
        return np.sqrt(np.diag(self.covariance))

    def at(self, row: Array) -> tuple[float, float]:
        """The model at the design ``row`` (p,), and its standard deviation."""
        return float(row @ self.value), math.sqrt(max(float(row @ self.covariance @ row), 0.0))


def linear_fit(design: Array, value: Array, std: Array | None = None) -> LinearFit:
    """The fit of ``value`` (n,) by ``design`` (n, p), weighted with 1/``std``² where it is given.

    Raises:
        AnalysisError: there are no more points than parameters, or the columns of the design depend on each other.
    """
    count, parameters = design.shape
    if count <= parameters:
        raise AnalysisError(f"{count} points cannot decide {parameters} parameters and their scatter")
    weight = np.ones(count) if std is None else float(np.mean(std)) / std
    scaled = design * weight[:, None]
    found, _, rank, _ = np.linalg.lstsq(scaled, value * weight, rcond=None)
    if rank < parameters:
        raise AnalysisError("the points do not tell the parameters of the model apart")
    residual = value * weight - scaled @ found
    squares = float(residual @ residual)
    covariance = np.linalg.inv(scaled.T @ scaled) * squares / (count - parameters)
    return LinearFit(np.asarray(found, dtype=np.float64), covariance, residual, squares, count - parameters)


def information(sum_of_squares: float, points: int, parameters: int) -> float:
    """AICc = n ln(S/n) + 2k + 2k(k + 1)/(n − k − 1) with k = ``parameters`` + 1 for the variance; ∞ where that has no meaning."""
    count = parameters + 1
    if points - count - 1 <= 0:
        return math.inf
    floor = np.finfo(np.float64).tiny
    return points * math.log(max(sum_of_squares, floor) / points) + 2 * count + 2 * count * (count + 1) / (points - count - 1)


def inflation(residual: Array, parameters: int) -> float:
    """By what factor standard errors grow because neighbouring residuals resemble each other: √((1 + ρ)/(1 − ρ)), never below 1.

    ρ, the correlation of neighbours, is corrected for what ``parameters`` fitted ones take out of it (−p/n), and counts only
    where it exceeds what independent residuals show in one of twenty series (1.645/√n).
    """
    count, squares = residual.size, float(residual @ residual)
    if count < 8 or squares == 0.0:
        return 1.0
    raw = float(residual[1:] @ residual[:-1]) / squares
    correlation = min(raw + parameters / count, 0.95)
    return math.sqrt((1 + correlation) / (1 - correlation)) if correlation > 1.645 / math.sqrt(count) else 1.0
