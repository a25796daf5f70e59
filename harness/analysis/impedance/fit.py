"""Series and interface resistance of one impedance spectrum, with an error that says how sure the split is. Fits; stores nothing.

Every model is Z = R_s + jωL + Σ arcs + tail. An arc is R ∥ CPE, R / (1 + (jωτ)ⁿ); the tail, where the lowest frequencies show
one, is short-circuited diffusion R_w tanh√(jωτ_w) / √(jωτ_w) or a constant-phase element, and belongs to no interface. What is
reported is the *sum* of the arcs: it is stable where the parts are not (three programs on one spectrum agree on R₁ + R₂ to 3 %,
on R₂ to 40 %). One arc is the picture of a lithium interface; a second one is added only when the data ask for it.

All models of a small family are fitted (logarithmic parameters, modulus weights, analytic Jacobian, several starts) and compared
by χ²/σ² + 2k, with σ the best model's scatter but never below what an instrument can do. The reported resistances are those of
the best model; their variance is the mean over models, by their weights, of each one's own variance (covariance × χ²_ν, widened
for residuals that are not independent) and its squared distance from the best (Burnham and Anderson's averaging of models). To
the interface's a fixed share is added for arcs that overlap so much that no model tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.errors import AnalysisError

METHOD_VERSION = "eis-1"

Spectrum = NDArray[np.complex128]

FEWEST_POINTS = 8
NOISE_FLOOR = 2e-3
"""Relative error of a good instrument: models that fit better than this are equally good."""
MODEL_SHARE = 6e-3
"""What no fit of a few arcs knows of the sum: on cells of four and five overlapping arcs it was off by up to 1.1 %, 0.5 % rms."""
POOR_RESIDUAL = 0.02
POOR_SHARE = 0.2
TAIL_EXPONENT = (0.3, 1.0)
ARC_EXPONENT = (0.3, 1.0)
"""A lower exponent than one arc should have: its parts are then not identified, but the sum of the arcs still is."""
MOST_ARCS = 2
SAME_OPTIMUM = 1e-3
"""Two starts that end this close in cost have found the same optimum, and the others are spared."""
LAYER_HERTZ = 5e4
"""Sweeps that begin above this may see a solid layer as one more, fast arc (LiPON: 0.2 MHz at room temperature)."""
INDUCTIVE_HERTZ = 2e4

FLAG_POOR_FIT = "poor_fit"
FLAG_POORLY_IDENTIFIED = "poorly_identified"
FLAG_NO_SERIES = "no_series_resistance"
"""The arcs took all of the high-frequency end: what is in series is not in this spectrum."""
LEAST_SERIES = 1e-3
FLAG_NO_ARC = "no_arc"
FLAG_OPEN_ARC = "open_arc"
"""The arc's own frequency lies outside the sweep."""


class Tail(StrEnum):
    """What follows the arcs at low frequency."""

    NONE = "none"
    DIFFUSION = "diffusion"
    CONSTANT_PHASE = "constant_phase"


@dataclass(frozen=True, slots=True)
class ImpedanceFit:
    """Resistances of one spectrum, ``None`` where the flags say why. ``residual_rms`` is relative to |Z|; ``arcs`` and ``tail``
    are those of the best model.
    """

    series_resistance_ohm: float | None
    series_resistance_ohm_std: float | None
    interface_resistance_ohm: float | None
    interface_resistance_ohm_std: float | None
    residual_rms: float | None
    arcs: int
    tail: Tail
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Model:
    arcs: int
    tail: Tail
    inductance: bool

    @property
    def size(self) -> int:
        return 1 + self.inductance + 3 * self.arcs + (0 if self.tail is Tail.NONE else 2)


@dataclass(frozen=True, slots=True)
class _Result:
    model: _Model
    parameters: Array
    squares: float
    covariance: Array
    residual: Array


def fit_impedance(frequency_hertz: Array, impedance_ohm: Spectrum) -> ImpedanceFit:
    """Fit one spectrum (any order of frequencies; imaginary part negative where capacitive).

    Raises:
        AnalysisError: fewer than 8 usable points, or frequencies that do not span a decade.
    """
    frequency, impedance = _usable(frequency_hertz, impedance_ohm)
    omega = 2 * math.pi * frequency
    inductance = bool(frequency[0] >= INDUCTIVE_HERTZ or np.any(impedance[:3].imag > 0))
    found: list[_Result] = []
    most = MOST_ARCS + (1 if frequency[0] >= LAYER_HERTZ else 0)
    for arcs in range(1, most + 1):
        family = [_Model(arcs, tail, inductance) for tail in Tail]
        bearable = [model for model in family if model.size <= frequency.size]
        results = [_fit(model, omega, impedance) for model in bearable]
        found += [result for result in results if result is not None]
        if found and _rms(min(found, key=lambda result: result.squares)) <= NOISE_FLOOR:
            break
    if not found:
        raise AnalysisError("no model of the impedance could be fitted; look at the spectrum")
    return _judged(found, omega)


def _usable(frequency_hertz: Array, impedance_ohm: Spectrum) -> tuple[Array, Spectrum]:
    valid = np.isfinite(frequency_hertz) & np.isfinite(impedance_ohm) & (frequency_hertz > 0) & (np.abs(impedance_ohm) > 0)
    order = np.argsort(frequency_hertz[valid])[::-1]
    frequency, impedance = frequency_hertz[valid][order], impedance_ohm[valid][order]
    if frequency.size < FEWEST_POINTS:
        raise AnalysisError(f"a spectrum of {frequency.size} usable points was given; a fit needs {FEWEST_POINTS}")
    if frequency[0] < 10 * frequency[-1]:
        raise AnalysisError("the spectrum spans less than a decade of frequency; measure a wider one")
    return frequency, impedance


def _rms(result: _Result) -> float:
    """Root mean square of |Z_fit − Z| / |Z|."""
    return math.sqrt(2 * result.squares / result.residual.size)


def _evaluate(model: _Model, parameters: Array, omega: Array) -> tuple[Spectrum, Spectrum]:
    """Z and its derivatives by every parameter (rows), all resistances, times and the inductance being logarithms.

    d/dln τ of an arc is −R n u / (1 + u)² and d/dn is −R u ln(jωτ) / (1 + u)², with u = (jωτ)ⁿ.
    """
    value: Spectrum = np.full(omega.size, math.exp(parameters[0]), dtype=np.complex128)
    rows: list[Spectrum] = [value.copy()]
    place = 1
    if model.inductance:
        inductive = np.asarray(1j * omega * math.exp(parameters[place]), dtype=np.complex128)
        value += inductive
        rows.append(inductive)
        place += 1
    for _ in range(model.arcs):
        resistance, logarithm = math.exp(parameters[place]), np.log(1j * omega) + parameters[place + 1]
        exponent = parameters[place + 2]
        power = np.exp(exponent * logarithm)
        arc = resistance / (1 + power)
        slope = -arc * power / (1 + power)
        value += arc
        rows += [arc, exponent * slope, slope * logarithm]
        place += 3
    if model.tail is not Tail.NONE:
        tail, by_amount, by_shape = _tail(model.tail, float(parameters[place]), float(parameters[place + 1]), omega)
        value += tail
        rows += [by_amount, by_shape]
    return value, np.array(rows)


def _tail(kind: Tail, amount: float, shape: float, omega: Array) -> tuple[Spectrum, Spectrum, Spectrum]:
    if kind is Tail.CONSTANT_PHASE:
        logarithm = np.log(1j * omega / omega[-1])
        value = math.exp(amount) * np.exp(-shape * logarithm)
        return value, value, -value * logarithm
    root = np.sqrt(1j * omega * math.exp(shape))
    tangent = np.tanh(root)
    value = math.exp(amount) * tangent / root
    return value, value, 0.5 * math.exp(amount) * ((1 - tangent**2) - tangent / root)


def _fit(model: _Model, omega: Array, impedance: Spectrum) -> _Result | None:
    """The best of several starts, or ``None`` when none converges."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - the import alone costs 0.2 s, and only fits need it

    weight = 1 / np.abs(impedance)

    def residual(parameters: Array) -> Array:
        difference = (_evaluate(model, parameters, omega)[0] - impedance) * weight
        return np.concatenate((difference.real, difference.imag))

    def jacobian(parameters: Array) -> Array:
        rows = _evaluate(model, parameters, omega)[1] * weight
        return np.concatenate((rows.real, rows.imag), axis=1).T

    lower, upper = _bounds(model, omega, impedance)
    best = None
    for start in _starts(model, omega, impedance):
        inside = np.clip(start, lower + 1e-6, upper - 1e-6)
        found = least_squares(residual, inside, jac=jacobian, bounds=(lower, upper), x_scale=1.0, max_nfev=80)
        if not np.isfinite(found.cost):
            continue
        again = best is not None and abs(found.cost - best.cost) <= SAME_OPTIMUM * best.cost
        if best is None or found.cost < best.cost:
            best = found
        if again:
            break
    if best is None:
        return None
    left = np.asarray(best.fun)
    freedom = max(left.size - model.size, 1)
    matrix = np.asarray(best.jac)
    covariance = np.linalg.pinv(matrix.T @ matrix, rcond=1e-12) * float(left @ left) / freedom * _correlation_factor(left)
    return _Result(model, np.asarray(best.x), float(left @ left), covariance, left)


def _correlation_factor(residual: Array) -> float:
    """(1 + ρ)/(1 − ρ) for the lag-one correlation along frequency: neighbours that err together are fewer than they look."""
    half = residual.size // 2
    parts = np.stack((residual[:half], residual[half:]))
    square = float(np.sum(parts**2))
    if square == 0.0:
        return 1.0
    rho = float(np.clip(np.sum(parts[:, 1:] * parts[:, :-1]) / square, 0.0, 0.9))
    return (1 + rho) / (1 - rho)


def _bounds(model: _Model, omega: Array, impedance: Spectrum) -> tuple[Array, Array]:
    size = float(np.abs(impedance).max())
    small, large = math.log(1e-6 * size), math.log(1e3 * size)
    fast = -math.log(omega[0]) - (2.5 if model.inductance else 0.5)
    slow = -math.log(omega[-1]) - 0.7
    lower, upper = [small], [large]
    if model.inductance:
        lower.append(math.log(1e-13))
        upper.append(math.log(1e-3))
    for _ in range(model.arcs):
        lower += [small, fast, ARC_EXPONENT[0]]
        upper += [large, slow, ARC_EXPONENT[1]]
    if model.tail is not Tail.NONE:
        lower += [small, TAIL_EXPONENT[0] if model.tail is Tail.CONSTANT_PHASE else -math.log(omega[-1]) - 3.0]
        upper += [large, TAIL_EXPONENT[1] if model.tail is Tail.CONSTANT_PHASE else -math.log(omega[-1]) + 9.0]
    return np.array(lower), np.array(upper)


def _starts(model: _Model, omega: Array, impedance: Spectrum) -> list[Array]:
    """Arcs placed at the peak of −Z″ and at thirds of the sweep, with the spectrum's width shared among them."""
    capacitive = impedance.imag < 0
    series = max(float(impedance.real[capacitive].min(initial=impedance.real.max())), 1e-3 * float(np.abs(impedance).max()))
    width = max(float(impedance.real.max()) - series, 0.05 * series)
    slowest, fastest = -math.log(omega[-1]), -math.log(omega[0])
    peak = -math.log(float(omega[int(np.argmax(-impedance.imag))]))
    thirds = [fastest + share * (slowest - fastest) for share in (0.3, 0.5, 0.7)]
    places = [[peak], [thirds[0]], [thirds[1]], [thirds[2]]]
    if model.arcs == 2:
        places = [[peak - 3.0, peak], [peak, peak + 2.5], [thirds[0], thirds[2]]]
    if model.arcs == 3:
        places = [[fastest, thirds[0], thirds[1]], [peak - 3.0, peak, peak + 3.0]]
    made = []
    for times in places:
        start = [math.log(series)] + ([math.log(1e-7)] if model.inductance else [])
        for time in times:
            start += [math.log(width / len(times)), time, 0.85]
        if model.tail is not Tail.NONE:
            start += [math.log(0.2 * width), 0.6 if model.tail is Tail.CONSTANT_PHASE else slowest]
        made.append(np.array(start))
    return made


def _judged(results: Sequence[_Result], omega: Array) -> ImpedanceFit:
    count = results[0].residual.size
    freedom = max(count - max(result.model.size for result in results), 1)
    variance = max(min(result.squares for result in results) / freedom, NOISE_FLOOR**2)
    scores = np.array([result.squares / variance + 2 * result.model.size for result in results])
    weights = np.exp(-0.5 * (scores - scores.min()))
    weights /= weights.sum()
    best = results[int(np.argmin(scores))]
    series = [_series(result) for result in results]
    interface = [_interface(result) for result in results]
    chosen_interface = _interface(best)[0]
    interface_std = math.hypot(_averaged_std(weights, interface, chosen_interface), MODEL_SHARE * chosen_interface)
    chosen_series = _series(best)[0]
    rms = _rms(best)
    flags = _flags(best, omega, rms, interface_std / chosen_interface)
    has_series, has_arc = FLAG_NO_SERIES not in flags, FLAG_NO_ARC not in flags
    return ImpedanceFit(
        series_resistance_ohm=chosen_series if has_series else None,
        series_resistance_ohm_std=_averaged_std(weights, series, chosen_series) if has_series else None,
        interface_resistance_ohm=chosen_interface if has_arc else None,
        interface_resistance_ohm_std=interface_std if has_arc else None,
        residual_rms=rms,
        arcs=best.model.arcs,
        tail=best.model.tail,
        flags=flags,
    )


def _averaged_std(weights: Array, values: Sequence[tuple[float, float]], centre: float) -> float:
    return math.sqrt(sum(w * (std**2 + (value - centre) ** 2) for w, (value, std) in zip(weights.tolist(), values, strict=True)))


def _series(result: _Result) -> tuple[float, float]:
    value = math.exp(result.parameters[0])
    return value, value * math.sqrt(max(float(result.covariance[0, 0]), 0.0))


def _interface(result: _Result) -> tuple[float, float]:
    """Σ R and its standard deviation, gᵀ C g with g = R for logarithmic parameters."""
    first = 1 + result.model.inductance
    places = [first + 3 * arc for arc in range(result.model.arcs)]
    gradient = np.zeros(result.parameters.size)
    gradient[places] = np.exp(result.parameters[places])
    return float(gradient.sum()), math.sqrt(max(float(gradient @ result.covariance @ gradient), 0.0))


def _flags(best: _Result, omega: Array, rms: float, share: float) -> frozenset[str]:
    flags = set()
    if rms > POOR_RESIDUAL:
        flags.add(FLAG_POOR_FIT)
    if share > POOR_SHARE:
        flags.add(FLAG_POORLY_IDENTIFIED)
    first = 1 + best.model.inductance
    total = _interface(best)[0]
    if math.exp(best.parameters[0]) < LEAST_SERIES * total:
        flags.add(FLAG_NO_SERIES)
    if total < NOISE_FLOOR * math.exp(best.parameters[0]):
        flags.add(FLAG_NO_ARC)
    for arc in range(best.model.arcs):
        resistance, time = math.exp(best.parameters[first + 3 * arc]), math.exp(best.parameters[first + 3 * arc + 1])
        if resistance > 0.1 * total and not 1 / omega[0] <= time <= 1 / omega[-1]:
            flags.add(FLAG_OPEN_ARC)
    return frozenset(flags)
