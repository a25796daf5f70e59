"""Resistance without a circuit: the distribution of relaxation times of a spectrum, and what it holds in stated bands of τ.

    Z(ω) = R∞ + jωL + 1/(jωC) + ∫ γ(ln τ) / (1 + jωτ) d ln τ,      γ ≥ 0

on a grid of τ from a decade before the sweep to one after it, with Tikhonov's λ |γ″|² (the second difference) and
non-negative least squares, relative to |Z| (Wan, Saccoccio, Chen and Ciucci 2015 have the same with smooth basis functions;
here γ is a step on each interval). The resistance of a band is ∫ γ d ln τ over it: an area, which λ moves little, where
peaks and their heights are λ's.

λ is chosen once for a series, by the smallest error in predicting points left out, every tenth one of each spectrum, ten
times over (cross-validation), among the half powers of ten from 1e-8 to 1. σ comes from solving again, `DRAWS` times, with
`MORE_NOISE` of the spectrum's own noise laid on it once more: γ cannot be negative, so that it follows much noise less than it
follows a little. That is 0.93 to 1.07 of the scatter of repetition for λ from 1e-5 to 1e-2, on a spectrum of two arcs and two
others (linear propagation says up to 1.6, as much noise again 0.87). The smoothing's bias is not in it.

Valid for spectra of linear, stationary cells whose imaginary part is capacitive but for an inductance in series. It is the
number to fall back on when no circuit fits; what it calls a band may hold an arc, a part of one, or diffusion. An infinite
diffusion has no band: at the slow end γ is whatever the last points ask, and only bands inside the sweep are answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance.noise import relative_noise
from harness.analysis.impedance.spectrum import Sweep
from harness.errors import AnalysisError

METHOD_VERSION = "drt-2"

PER_DECADE = 8
LAMBDAS: Array = np.logspace(-8.0, 0.0, 17)
FOLDS = 10
FEWEST_POINTS = 8
DRAWS = 200
MORE_NOISE = 0.75
_OTHERS = 3
"""R∞, L and 1/C stand before γ."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxations:
    """γ (ohm) on a grid of ``tau_second`` (rising), what stands beside it, and how well it fits, relative to |Z|."""

    tau_second: Array
    gamma_ohm: Array
    gamma_covariance: Array
    series: Estimate
    inductance_henry: float
    residual_rms: float
    regularisation: float
    fastest_second: float
    slowest_second: float

    def resistance(self, fastest_second: float, slowest_second: float) -> Estimate:
        """∫ γ d ln τ between two τ in ohm; refused where the sweep does not reach."""
        if not 0 < fastest_second < slowest_second:
            raise AnalysisError("a band of relaxation times goes from a positive one to a slower one")
        if fastest_second < 0.999 * self.fastest_second or slowest_second > 1.001 * self.slowest_second:
            return Estimate.refused(
                f"the sweep shows {self.fastest_second:.2g} to {self.slowest_second:.2g} s, and the band goes beyond"
            )
        share = self._overlap(math.log(fastest_second), math.log(slowest_second))
        return Estimate.normal(float(share @ self.gamma_ohm), math.sqrt(max(float(share @ self.gamma_covariance @ share), 0.0)))

    def _overlap(self, begin: float, end: float) -> Array:
        """The length of each grid interval that lies in the band."""
        places = np.log(self.tau_second)
        half = 0.5 * (places[1] - places[0])
        lengths: Array = np.maximum(np.minimum(places + half, end) - np.maximum(places - half, begin), 0.0)
        return lengths


def relaxations(sweep: Sweep, regularisation: float | None = None) -> Relaxations:
    """The distribution of one sweep, with λ given or chosen on it alone.

    Raises:
        AnalysisError: fewer than 8 points, or a λ that is not positive.
    """
    chosen = choose_regularisation([sweep]) if regularisation is None else regularisation
    return relaxation_series([sweep], chosen)[0]


def relaxation_series(sweeps: Sequence[Sweep], regularisation: float | None = None) -> list[Relaxations]:
    """The distributions of a series with one λ for all.

    Raises:
        AnalysisError: no sweeps, one of fewer than 8 points, or a λ that is not positive.
    """
    _checked(sweeps)
    chosen = choose_regularisation(sweeps) if regularisation is None else regularisation
    if not chosen > 0:
        raise AnalysisError(f"a regularisation of {chosen:g} was given; it must be positive")
    return [_distribution(sweep, chosen) for sweep in sweeps]


def choose_regularisation(sweeps: Sequence[Sweep]) -> float:
    """The λ of `LAMBDAS` that predicts left-out points of all sweeps best.

    Raises:
        AnalysisError: no sweeps, or one of fewer than 8 points.
    """
    _checked(sweeps)
    errors = np.zeros(LAMBDAS.size)
    for sweep in sweeps:
        matrix, wanted = _system(sweep)
        point = np.arange(wanted.size) // 2
        for fold in range(FOLDS):
            left_out = point % FOLDS == fold
            if left_out.any():
                errors += [_prediction_error(matrix, wanted, left_out, regularisation) for regularisation in LAMBDAS.tolist()]
    return float(LAMBDAS[int(np.argmin(errors))])


def _checked(sweeps: Sequence[Sweep]) -> None:
    if not sweeps:
        raise AnalysisError("a series needs at least one sweep")
    fewest = min(sweep.omega.size for sweep in sweeps)
    if fewest < FEWEST_POINTS:
        raise AnalysisError(f"a spectrum of {fewest} points was given; a distribution needs {FEWEST_POINTS}")


def _grid(sweep: Sweep) -> Array:
    fastest, slowest = -math.log10(sweep.omega[0]) - 1.0, -math.log10(sweep.omega[-1]) + 1.0
    return np.logspace(fastest, slowest, math.ceil(PER_DECADE * (slowest - fastest)) + 1)


def _system(sweep: Sweep) -> tuple[Array, Array]:
    """Columns (R∞, L, 1/C, γ …) in units in which the unknowns are of the size of |Z|, and the data; relative to |Z|."""
    omega, tau = sweep.omega, _grid(sweep)
    size = float(np.abs(sweep.impedance_ohm).max())
    spacing = math.log(tau[1] / tau[0])
    others = np.stack((np.ones(omega.size, dtype=np.complex128), 1j * omega / omega[0], omega[-1] / (1j * omega)))
    columns = np.concatenate((others, spacing / (1.0 + 1j * omega * tau[:, None])))
    weight = size / np.abs(sweep.impedance_ohm)
    matrix = np.ascontiguousarray(columns * weight).view(np.float64).T
    return matrix, np.ascontiguousarray(sweep.impedance_ohm / np.abs(sweep.impedance_ohm)).view(np.float64)


def _roughness(count: int) -> Array:
    """Second differences of γ, which is zero beyond its grid."""
    rows = np.zeros((count + 2, _OTHERS + count))
    for place in range(count):
        rows[place : place + 3, _OTHERS + place] = (1.0, -2.0, 1.0)
    return rows


def _solved(matrix: Array, wanted: Array, regularisation: float) -> Array:
    from scipy.optimize import nnls  # noqa: PLC0415 - the import alone costs 0.2 s, and only fits need it

    rough = math.sqrt(regularisation) * _roughness(matrix.shape[1] - _OTHERS)
    stacked = np.concatenate((matrix, rough))
    solution: Array = nnls(stacked, np.concatenate((wanted, np.zeros(len(rough)))), maxiter=50 * stacked.shape[1])[0]
    return solution


def _redrawn(matrix: Array, wanted: Array, noise_1: float, regularisation: float) -> Array:
    """Solutions (draws, unknowns) of the data with more noise on it; the draws are always the same."""
    draws = noise_1 * np.random.default_rng(0).standard_normal((DRAWS, wanted.size))
    return np.array([_solved(matrix, wanted + noise, regularisation) for noise in draws])


def _prediction_error(matrix: Array, wanted: Array, left_out: np.ndarray[tuple[int], np.dtype[np.bool_]], by: float) -> float:
    solution = _solved(matrix[~left_out], wanted[~left_out], by)
    return float(np.sum((matrix[left_out] @ solution - wanted[left_out]) ** 2))


def _distribution(sweep: Sweep, regularisation: float) -> Relaxations:
    matrix, wanted = _system(sweep)
    size = float(np.abs(sweep.impedance_ohm).max())
    solution = _solved(matrix, wanted, regularisation)
    left = matrix @ solution - wanted
    redrawn = _redrawn(matrix, wanted, MORE_NOISE * relative_noise(sweep), regularisation)
    covariance = (size / MORE_NOISE) ** 2 * np.cov(redrawn, rowvar=False)
    series = Estimate.normal(size * float(solution[0]), math.sqrt(float(covariance[0, 0])))
    if not solution[0] > 0:
        series = Estimate.refused("the relaxations took the high-frequency end: the series resistance is not in this sweep")
    return Relaxations(
        tau_second=_grid(sweep),
        gamma_ohm=size * solution[_OTHERS:],
        gamma_covariance=covariance[_OTHERS:, _OTHERS:],
        series=series,
        inductance_henry=size * float(solution[1]) / float(sweep.omega[0]),
        residual_rms=math.sqrt(float(left @ left) / sweep.omega.size),
        regularisation=regularisation,
        fastest_second=1.0 / float(sweep.omega[0]),
        slowest_second=1.0 / float(sweep.omega[-1]),
    )
