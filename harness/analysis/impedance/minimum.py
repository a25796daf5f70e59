"""The least sum of squares of a smooth function inside a box: Levenberg and Marquardt's method, small and quick. Knows no
circuits.

A fit of a spectrum has some 120 residuals and 10 parameters; a general optimiser spends most of its time on its own
book-keeping. Here a step costs the function, JᵀJ, and the solution of a system of that size or two. Parameters that rest on
a bound with the gradient pushing outward are held; those that a step would carry out of the box go to its wall, and the
others' step is computed anew. Damping follows Nielsen (K. Madsen, H. B. Nielsen and O. Tingleff, "Methods for Non-Linear
Least Squares Problems", Technical University of Denmark 2004, §3.2) on Marquardt's scale, the diagonal of JᵀJ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array

ORTHOGONAL = 1e-7
"""The largest cosine between the residual and a column of J at the end: far below a standard deviation's effect, 1/√n."""
EXACT = 1e-28
"""A mean square that is rounding: there is nothing left to fit."""
LEAST_GAIN = 1e-13
MOST_STEPS = 200
_FIRST_DAMPING = 1e-3
_MOST_DAMPING = 1e12
_LEAST_FACTOR, _LEAST_DAMPING = 0.1, 1e-13

Function = Callable[[Array], tuple[Array, Array]]
"""Residuals (m), and their derivatives (parameters × m)."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """Where it is (n), the residuals (m) and their derivatives (n × m) there, and which parameters are held by a bound (n)."""

    place: Array
    residual: Array
    jacobian: Array
    held: Mask
    converged: bool
    steps: int

    @property
    def cost(self) -> float:
        """Half the sum of squares."""
        return 0.5 * float(self.residual @ self.residual)


def minimum(
    function: Function, start: Array, lower: Array, upper: Array, *, enough: float = 0.0, most_steps: int = MOST_STEPS
) -> Minimum:
    """The minimum of ½ Σ r² that is reached from ``start`` (put inside the box first).

    It is close enough when a whole step would lessen the sum of squares by less than ``enough``: with ε² times the variance
    of a residual the parameters are within ε standard deviations of their best (Bates and Watts 1981). Without it the
    search goes on until the residual is orthogonal to J.
    """
    place = np.clip(start, lower, upper)
    residual, jacobian = function(place)
    square = float(residual @ residual)
    damping, growth = _FIRST_DAMPING, 2.0
    for step in range(most_steps):
        gradient, curvature = jacobian @ residual, jacobian @ jacobian.T
        held = ((place <= lower) & (gradient > 0)) | ((place >= upper) & (gradient < 0))
        if _stationary(gradient, curvature.diagonal(), square, residual.size, held):
            return Minimum(place, residual, jacobian, held, True, step)
        by, cut = _step(gradient, curvature, damping, held, (lower - place, upper - place))
        promised = -float(by @ (2.0 * gradient + curvature @ by))
        if not cut and damping <= _FIRST_DAMPING and promised <= enough:
            return Minimum(place, residual, jacobian, held, True, step)
        moved = np.clip(place + by, lower, upper)
        new_residual, new_jacobian = function(moved)
        gained = square - float(new_residual @ new_residual)
        if gained > 0:
            place, residual, jacobian, square = moved, new_residual, new_jacobian, square - gained
            damping = max(damping * max(_LEAST_FACTOR, 1.0 - (2.0 * gained / max(promised, gained) - 1.0) ** 3), _LEAST_DAMPING)
            growth = 2.0
        else:
            damping *= growth
            growth *= 2.0
        if damping > _MOST_DAMPING or (not cut and max(gained, promised) <= LEAST_GAIN * square):
            return Minimum(place, residual, jacobian, held, True, step)
    return Minimum(place, residual, jacobian, held, False, most_steps)


def _stationary(gradient: Array, scale: Array, square: float, size: int, held: Mask) -> bool:
    """Whether no free parameter's derivative points along the residual, or there is no residual."""
    if square <= EXACT * size:
        return True
    bound = ORTHOGONAL * np.sqrt(scale * square)
    return bool(np.all(held | (np.abs(gradient) <= bound)))


def _step(gradient: Array, curvature: Array, damping: float, held: Mask, box: tuple[Array, Array]) -> tuple[Array, bool]:
    """The damped step inside the box, and whether the box cut it; solved in units in which JᵀJ has ones on its diagonal."""
    scale = np.sqrt(curvature.diagonal())
    scale[scale == 0.0] = 1.0
    matrix = curvature / (scale[:, None] * scale)
    matrix.flat[:: scale.size + 1] += damping
    wanted, down, up = -gradient / scale, box[0] * scale, box[1] * scale
    fixed, by, cut = held.copy(), np.zeros(gradient.size), False
    for _ in range(gradient.size):
        by = _solved(matrix, wanted, fixed, by)
        out = ~fixed & ((by < down) | (by > up))
        if not out.any():
            break
        by[out] = np.where(by[out] < down[out], down[out], up[out])
        fixed |= out
        cut = True
    return by / scale, cut


def _solved(matrix: Array, wanted: Array, fixed: Mask, by: Array) -> Array:
    """The solution for what is free, with what is ``fixed`` left as ``by`` has it."""
    if not fixed.any():
        return np.asarray(np.linalg.solve(matrix, wanted), dtype=np.float64)
    reduced = matrix.copy()
    reduced[fixed] = 0.0
    reduced[:, fixed] = 0.0
    reduced[fixed, fixed] = 1.0
    right = wanted - matrix[:, fixed] @ by[fixed]
    right[fixed] = by[fixed]
    return np.asarray(np.linalg.solve(reduced, right), dtype=np.float64)
