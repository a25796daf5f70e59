"""Test one sweep against the Kramers–Kronig relations by what only a valid spectrum can be: a sum of passive-looking parts.

A linear, causal, stable system that stands still has an impedance whose real and imaginary parts determine each other, and so has
every sum Ẑ = R₀ + Σ R_k / (1 + jωτ_k) + jωL + 1/(jωC), whatever the signs of its R_k. With the τ_k fixed, spaced evenly on a
logarithmic scale, Ẑ is linear in the rest, and one least-squares problem weighted with 1/|Z| tells how near to Z such a sum can
come (Boukamp, J. Electrochem. Soc. 142, 1885 (1995), 10.1149/1.2044210). What is left, Δ = (Z − Ẑ)/|Z|, is noise when the
spectrum is valid. Real and imaginary part are fitted together, with L and C: a fit of the real part alone, or without C, condemns
good spectra of batteries.

How many parts: too few leave a residual of their own, and that is no fault of the spectrum. The published rule (Schönleber,
Klotz, Ivers-Tiffée, Electrochim. Acta 131, 20 (2014), 10.1016/j.electacta.2014.01.034) adds parts until
μ = 1 − Σ|R_k<0| / Σ R_k≥0 falls to a limit, and stops far too early on some good spectra; `kramers_kronig_by_mu` has it, for
comparison with other programs. Here the number is the smallest M for which the scatter s_M = √(Σ|Δ|²/(2n − M − 3)) has stopped
falling: s_M ≤ 1.05 s of the densest grid, so that at most a third of the noise can be lack of parts. The grid reaches half a
decade beyond the sweep on both sides (what happens outside bends what is seen inside) and is never denser than five parts per
decade, nor has more numbers than there are frequencies. M parts with d per decade can be wrong by 3 exp(−π² d / 2 ln 10) of a
single ideal arc, whose poles lie π/2 away from the real axis of ln ω: 3.4, 0.5, 0.05 and 0.01 % for 2, 3, 4 and 5. The
``resolution_1`` of the densest grid says what a sparse sweep can show at all.

The test sees what changes or wanders within decades of frequency. It cannot see a drift that is slow beside the sweep, nor a
non-linearity whose first harmonic is again the response of some linear system.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.spectrum import Complex, Sweep
from harness.errors import AnalysisError

METHOD_VERSION = "kk-1"

FEWEST_POINTS = 8
LEAST_SPAN = 10.0
BEYOND = math.sqrt(10.0)
"""The time constants reach this factor beyond the sweep's own."""
DENSEST_PER_DECADE = 5.0
STOPPED_FALLING = 1.05
FINE_ENOUGH = 1e-4
"""A scatter below any instrument's: no further parts are looked for."""


class Part(StrEnum):
    """What is fitted: one part of the impedance, from which the other follows, or both."""

    REAL = "real"
    IMAGINARY = "imaginary"
    COMPLEX = "complex"


@dataclass(frozen=True, slots=True, eq=False)
class KramersKronig:
    """What a sum of ``order`` parts leaves of one sweep; arrays in the order of the sweep.

    ``residual_1`` is (Z − Ẑ)/|Z|; ``residual_rms_1`` and ``residual_max_1`` are of its modulus, the latter at
    ``residual_max_hertz``. ``noise_1`` is one standard deviation of each part of it, with the freedom of the fit taken out, and
    ``resolution_1`` what the densest grid cannot follow of an ideal arc (0 by the published rule, which does not ask).
    ``runs_probability_1`` is how probable so few changes of sign are in random residuals (Wald and Wolfowitz), ``lag_one_1`` the
    correlation of neighbours.
    """

    order: int
    mu: float
    residual_rms_1: float
    residual_max_1: float
    residual_max_hertz: float
    noise_1: float
    resolution_1: float
    runs_probability_1: float
    lag_one_1: float
    fitted_ohm: Complex
    residual_1: Complex


def kramers_kronig(sweep: Sweep) -> KramersKronig:
    """The test with the complex fit, C and L, and as many parts as the spectrum asks for (module docstring).

    Raises:
        AnalysisError: fewer than 8 points, or frequencies that span less than a decade.
    """
    _check(sweep)
    omega, weight, target = _weighted(sweep)
    fastest, slowest = 1 / (BEYOND * omega[0]), BEYOND / omega[-1]
    decades = math.log10(slowest / fastest)
    most = min(math.ceil(DENSEST_PER_DECADE * decades) + 1, np.unique(omega).size - 3)
    wanted = max(STOPPED_FALLING * _scatter(omega, weight, target, np.geomspace(fastest, slowest, most)), FINE_ENOUGH)
    for order in range(1, most):
        times = np.geomspace(fastest, slowest, order)
        if _scatter(omega, weight, target, times) <= wanted:
            break
    else:
        order, times = most, np.geomspace(fastest, slowest, most)
    numbers = _solved(_design(omega, weight, times, capacitance=True), target)
    resolution = 3 * math.exp(-(math.pi**2) * (most - 1) / (2 * math.log(10) * decades))
    return _result(sweep, times, numbers, capacitance=True, resolution=resolution)


def kramers_kronig_by_mu(
    sweep: Sweep, *, cutoff: float = 0.85, part: Part = Part.REAL, capacitance: bool = False, most: int = 50
) -> KramersKronig:
    """The published rule: the first M with μ ≤ ``cutoff``, at most ``most``, with time constants from 1/ω_max to 1/ω_min.
    There are never more numbers than frequencies.

    An inductance always belongs to the sum, a capacitance when asked for. A fit of the real part finds both afterwards, from what
    is left of the imaginary one; a fit of the imaginary part finds R₀ as the mean of what is left of the real one, weighted
    with 1/|Z|² (Boukamp 1995, equation 7). Other programs may state M, μ and residuals by this rule; for a verdict use
    `kramers_kronig`.

    Raises:
        AnalysisError: as `kramers_kronig`.
    """
    _check(sweep)
    omega, weight, target = _weighted(sweep)
    for order in range(1, max(1, min(most, np.unique(omega).size - 3)) + 1):
        times = np.geomspace(1 / omega[0], 1 / omega[-1], order) if order > 1 else 1 / omega[-1:]
        numbers = _numbers(_design(omega, weight, times, capacitance=capacitance), target, part, 2 + capacitance)
        if _mu(numbers[2 + capacitance :]) <= cutoff:
            break
    return _result(sweep, times, numbers, capacitance=capacitance, resolution=0.0)


def _check(sweep: Sweep) -> None:
    size = np.unique(sweep.frequency_hertz).size
    if size < FEWEST_POINTS:
        raise AnalysisError(f"a spectrum of {size} frequencies was given; a Kramers–Kronig test needs {FEWEST_POINTS}")
    if sweep.frequency_hertz[0] < LEAST_SPAN * sweep.frequency_hertz[-1]:
        raise AnalysisError("the spectrum spans less than a decade of frequency, too little for a Kramers–Kronig test")


def _weighted(sweep: Sweep) -> tuple[Array, Array, Array]:
    weight = 1 / np.abs(sweep.impedance_ohm)
    scaled = sweep.impedance_ohm * weight
    return sweep.omega, weight, np.concatenate((scaled.real, scaled.imag))


def _design(omega: Array, weight: Array, times: Array, *, capacitance: bool) -> Array:
    """Columns R₀, L, 1/C where asked for, then one per time constant; rows first of the real, then of the imaginary part."""
    first = 2 + capacitance
    matrix = np.zeros((2, omega.size, first + times.size))
    matrix[0, :, 0] = weight
    matrix[1, :, 1] = omega * weight
    if capacitance:
        matrix[1, :, 2] = -weight / omega
    reduced = omega[:, None] * times
    matrix[0, :, first:] = weight[:, None] / (1 + reduced**2)
    matrix[1, :, first:] = -reduced * matrix[0, :, first:]
    return matrix.reshape(2 * omega.size, -1)


def _scatter(omega: Array, weight: Array, target: Array, times: Array) -> float:
    matrix = _design(omega, weight, times, capacitance=True)
    basis = np.linalg.qr(matrix / np.linalg.norm(matrix, axis=0))[0]
    left = target - basis @ (basis.T @ target)
    return math.sqrt(float(left @ left) / (target.size - matrix.shape[1]))


def _solved(matrix: Array, target: Array) -> Array:
    """Least squares by QR of columns of one length: inductance and capacitance differ by ten orders of magnitude."""
    length = np.linalg.norm(matrix, axis=0)
    basis, upper = np.linalg.qr(matrix / length)
    return np.asarray(np.linalg.solve(upper, basis.T @ target) / length)


def _numbers(matrix: Array, target: Array, part: Part, first: int) -> Array:
    """R₀, L, 1/C where there is one, and the R_k, from the part that is fitted; ``first`` is the place of the first R_k."""
    if part is Part.COMPLEX:
        return _solved(matrix, target)
    half = target.size // 2
    (real, imaginary), (real_target, imaginary_target) = matrix.reshape(2, half, -1), target.reshape(2, half)
    numbers = np.zeros(matrix.shape[1])
    if part is Part.REAL:
        resistive = np.r_[0, first : matrix.shape[1]]
        numbers[resistive] = _solved(real[:, resistive], real_target)
        numbers[1:first] = _solved(imaginary[:, 1:first], imaginary_target - imaginary @ numbers)
    else:
        numbers[1:] = _solved(imaginary[:, 1:], imaginary_target)
        numbers[0] = _solved(real[:, :1], real_target - real @ numbers)[0]
    return numbers


def _mu(resistances: Array) -> float:
    negative, positive = -float(resistances[resistances < 0].sum()), float(resistances[resistances >= 0].sum())
    if positive == 0.0:
        return 1.0 if negative == 0.0 else -math.inf
    return 1 - negative / positive


def _result(sweep: Sweep, times: Array, numbers: Array, *, capacitance: bool, resolution: float) -> KramersKronig:
    one = np.ones(sweep.omega.size)
    real, imaginary = (_design(sweep.omega, one, times, capacitance=capacitance) @ numbers).reshape(2, -1)
    fitted = real + 1j * imaginary
    residual = (sweep.impedance_ohm - fitted) / np.abs(sweep.impedance_ohm)
    size = np.abs(residual)
    freedom = max(2 * size.size - numbers.size, 1)
    worst = int(np.argmax(size))
    return KramersKronig(
        order=times.size,
        mu=_mu(numbers[2 + capacitance :]),
        residual_rms_1=math.sqrt(float(np.mean(size**2))),
        residual_max_1=float(size[worst]),
        residual_max_hertz=float(sweep.frequency_hertz[worst]),
        noise_1=math.sqrt(float(np.sum(size**2)) / freedom),
        resolution_1=resolution,
        runs_probability_1=_runs_probability(residual),
        lag_one_1=_lag_one(residual),
        fitted_ohm=fitted,
        residual_1=residual,
    )


def _runs_probability(residual: Complex) -> float:
    """Probability of this few runs of equal sign, or fewer, in both parts together; normal approximation."""
    runs, expected, variance = 0.0, 0.0, 0.0
    for part in (residual.real, residual.imag):
        above = part > 0
        count, positive = part.size, int(above.sum())
        pairs = 2.0 * positive * (count - positive)
        runs += 1 + int(np.sum(above[1:] != above[:-1]))
        expected += 1 + pairs / count
        variance += pairs * (pairs - count) / (count**2 * (count - 1))
    if variance <= 0.0:
        return 1.0
    return 0.5 * math.erfc(-(runs + 0.5 - expected) / math.sqrt(2 * variance))


def _lag_one(residual: Complex) -> float:
    """Σ Re(Δ_i Δ*_i+1) / Σ |Δ_i|²."""
    square = float(np.sum(np.abs(residual) ** 2))
    return float(np.sum((residual[1:] * residual[:-1].conj()).real)) / square if square > 0.0 else 0.0
