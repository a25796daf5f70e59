"""Series and interface resistance of one impedance spectrum, with an error that says how sure the split is. Fits; stores
nothing.

A family of circuits R0 + jωL + arcs + tail is fitted (`family`), and what is reported is the mean over it (`averaging`) of
the series resistance R0, of the interface, the *sum* of the arcs, and of both together. The sum is stable where the parts
are not, and the total where an arc runs beyond the highest frequency and no one can say how much of it is in series. The
tail belongs to no interface.

``…_noise_std`` is what the noise of the spectrum (`noise`) makes of it: the scatter about the fit of the same spectrum without
noise. ``…_std`` holds that, how far models of nearly the same quality lie from the mean, how far `rivals` lie that may be
true as well (a tail that may be an arc, an inductance that no point shows), and `MODEL_SHARE` of the value for what none of
them knows. Where diffusion sets in before the slowest arc has closed (full cells), the sum was 1 to 9 % low, up to three of
these σ.

How the family, the weak priors, `SCORE_SHARE` and `SLOWEST_ARC_SECOND` were chosen: in view were emulated Li||Li and Li||Cu
cells of six presets and one layered build, full cells with NMC811, NMC532 and LFP, 0 and 45 °C, at 0.1 % noise. The first
criterion was the coverage of 95 % intervals about the noise-free fit, the second the bias against the emulator's arcs. The
real spectra of the tests moved none of them. Other presets, builds, temperatures, noise and sweeps were kept aside and
judge: `tests/studies/study_resistance.py` prints both groups apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance import averaging, family, noise, parts, rivals
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from harness.errors import AnalysisError

METHOD_VERSION = "eis-3"

Spectrum = NDArray[np.complex128]

FEWEST_POINTS = 8
POOR_RESIDUAL = 0.02
POOR_SHARE = 0.2
LEAST_SERIES, LEAST_ARC = 1e-3, 2e-3
BETTER_WITH_A_MODEL = 0.8
STUDENT = 1.21
"""1.96 σ (1 + 1.21/ν) hold 95 % where the noise is known with ν degrees of freedom: Student's t to first order, (z² + 1) / 4ν."""
OPEN_SHARE, REFUSED_SHARE = 0.1, 0.2
MODEL_SHARE = 5e-3
"""On emulated cells of four and five overlapping arcs the sum was off by so much where all plausible models agreed."""

FLAG_POOR_FIT = "poor_fit"
FLAG_POORLY_IDENTIFIED = "poorly_identified"
FLAG_NO_SERIES = "no_series_resistance"
"""Arcs took the high-frequency end, or run beyond it: what is in series is not in this spectrum."""
FLAG_NO_ARC = "no_arc"
FLAG_OPEN_ARC = "open_arc"
"""The frequency of an arc of some size lies outside the sweep; where it is at the slow end, there is no interface resistance."""

FLAG_TAIL_LEFT_OUT = "tail_left_out"
"""The rise at low frequency is in no resistance and not small beside the interface. An arc that has not closed looks alike."""


class Tail(StrEnum):
    """What follows the arcs at low frequency."""

    NONE = "none"
    DIFFUSION = "diffusion"
    CONSTANT_PHASE = "constant_phase"
    BOTH = "diffusion_and_constant_phase"


@dataclass(frozen=True, slots=True)
class ImpedanceFit:
    """Resistances of one spectrum, ``None`` where the flags say why. ``residual_rms`` and ``noise`` are relative to |Z|.

    ``arcs``, ``tail``, ``circuit`` and ``parameters`` are those of the heaviest model. ``family`` is where the next
    spectrum's fit begins.
    """

    series_resistance_ohm: float | None
    series_resistance_ohm_std: float | None
    interface_resistance_ohm: float | None
    interface_resistance_ohm_std: float | None
    total_resistance_ohm: float | None
    total_resistance_ohm_std: float | None
    series_resistance_ohm_noise_std: float | None
    interface_resistance_ohm_noise_std: float | None
    total_resistance_ohm_noise_std: float | None
    residual_rms: float
    noise: float
    arcs: int
    tail: Tail
    circuit: str
    parameters: dict[str, parts.FittedParameter]
    flags: frozenset[str]
    family: family.Family = field(repr=False, compare=False)

    @property
    def interface(self) -> Estimate:
        """The interface resistance, Ω."""
        value, std = self.interface_resistance_ohm, self.interface_resistance_ohm_std
        return Estimate.refused("the spectrum does not hold it") if value is None or std is None else Estimate.normal(value, std)


def fit_impedance(
    frequency_hertz: Array, impedance_ohm: Spectrum, *, previous: ImpedanceFit | family.Family | None = None
) -> ImpedanceFit:
    """Fit one spectrum (any order of frequencies; imaginary part negative where capacitive), from where the ``previous``
    one ended.

    Raises:
        AnalysisError: lengths differ, a frequency is not positive, fewer than 8 usable points, or less than a decade of them.
    """
    sweep = usable(frequency_hertz, impedance_ohm)
    share = noise.relative_noise(sweep)
    begin = previous.family if isinstance(previous, ImpedanceFit) else previous
    found, others = rivals.contested_family(sweep, share, begin)
    return _judged(sweep, found, others, share)


def usable(frequency_hertz: Array, impedance_ohm: Spectrum) -> Sweep:
    """The sweep, if a circuit can be fitted to it.

    Raises:
        AnalysisError: it cannot; see `fit_impedance`.
    """
    sweep = sweep_of(frequency_hertz, impedance_ohm, fewest=FEWEST_POINTS)
    if sweep.frequency_hertz[0] < 10 * sweep.frequency_hertz[-1]:
        raise AnalysisError("the spectrum spans less than a decade of frequency; measure a wider one")
    return sweep


def _judged(sweep: Sweep, found: family.Family, others: Sequence[family.Member], free_of_models: float) -> ImpedanceFit:
    share, freedom = _noise(sweep, found, free_of_models)
    noisy = averaging.averaged(found.members, share * (1.0 + STUDENT / freedom), sweep.omega.size)
    mean = averaging.contested(noisy, others)
    best = found.members[mean.best]
    series, interface, total = mean.value.tolist()
    series_noise, interface_noise, total_noise = mean.std.tolist()
    series_std, interface_std, total_std = np.sqrt(mean.std**2 + mean.spread**2 + (MODEL_SHARE * mean.value) ** 2).tolist()
    beyond = _open_arcs(best, sweep)
    flags = _flags(mean, found.rms, beyond, rivals.tail_share(best, sweep))
    has_series, has_arc = FLAG_NO_SERIES not in flags, FLAG_NO_ARC not in flags and not beyond.slow
    return ImpedanceFit(
        series_resistance_ohm=series if has_series else None,
        series_resistance_ohm_std=series_std if has_series else None,
        interface_resistance_ohm=interface if has_arc else None,
        interface_resistance_ohm_std=interface_std if has_arc else None,
        total_resistance_ohm=None if beyond.slow else total,
        total_resistance_ohm_std=None if beyond.slow else total_std,
        series_resistance_ohm_noise_std=series_noise if has_series else None,
        interface_resistance_ohm_noise_std=interface_noise if has_arc else None,
        total_resistance_ohm_noise_std=None if beyond.slow else total_noise,
        residual_rms=math.sqrt(best.squares / sweep.omega.size),
        noise=share,
        arcs=len(best.circuit.interface),
        tail=_tail(best),
        circuit=best.circuit.name,
        parameters=_parameters(best, share, 2 * sweep.omega.size),
        flags=flags,
        family=found,
    )


def _noise(sweep: Sweep, found: family.Family, free_of_models: float) -> tuple[float, int]:
    """The noise without a model, or where a coarse sweep has left too little for that, what the best circuit leaves over;
    and how many degrees of freedom it has.
    """
    residuals = 2 * sweep.omega.size
    best = min(found.members, key=lambda member: member.squares / (residuals - member.size))
    left = math.sqrt(best.squares / (residuals - best.size))
    if left < BETTER_WITH_A_MODEL * free_of_models:
        return left, residuals - best.size
    return free_of_models, noise.freedom(sweep)


def _flags(mean: averaging.Average, rms: float, beyond: _Open, tail_share: float) -> frozenset[str]:
    series, interface, _ = mean.value.tolist()
    found = {
        FLAG_POOR_FIT: rms > POOR_RESIDUAL,
        FLAG_POORLY_IDENTIFIED: math.hypot(mean.std[1], mean.spread[1]) > POOR_SHARE * interface,
        FLAG_NO_SERIES: series < LEAST_SERIES * interface or beyond.fast,
        FLAG_NO_ARC: interface < LEAST_ARC * series,
        FLAG_OPEN_ARC: beyond.anywhere,
        FLAG_TAIL_LEFT_OUT: tail_share > rivals.LEFT_OUT_SHARE,
    }
    return frozenset(name for name, holds in found.items() if holds)


@dataclass(frozen=True, slots=True)
class _Open:
    """Whether arcs of some size are outside the sweep; one at the slow end is too large to name an interface; and one at
    the fast end too large to name what is in series, or nothing is left for it.
    """

    anywhere: bool
    slow: bool
    fast: bool


def _open_arcs(best: family.Member, sweep: Sweep) -> _Open:
    names, place = best.circuit.names, best.minimum.place
    resistances = np.exp([place[names.index(name)] for name in best.circuit.interface])
    times = [names.index(f"tau{name[1:]}") for name in best.circuit.interface]
    fastest, slowest = -math.log(sweep.omega[0]), -math.log(sweep.omega[-1])
    middle = 0.5 * (fastest + slowest)
    slow = np.array([place[time] > slowest or (bool(best.minimum.held[time]) and place[time] > middle) for time in times])
    fast = np.array([place[time] < fastest for time in times])
    share = resistances / resistances.sum()
    beside = resistances / math.exp(place[names.index(best.circuit.series)])
    return _Open(
        anywhere=bool(np.any((slow | fast) & (share > OPEN_SHARE))),
        slow=bool(np.any(slow & (share > REFUSED_SHARE))),
        fast=bool(np.any(fast & (beside > REFUSED_SHARE)) or best.minimum.held[names.index(best.circuit.series)]),
    )


def _tail(best: family.Member) -> Tail:
    diffusion, phase = "Ws1_R" in best.circuit.names, "CPE1_Q" in best.circuit.names
    if diffusion:
        return Tail.BOTH if phase else Tail.DIFFUSION
    return Tail.CONSTANT_PHASE if phase else Tail.NONE


def _parameters(best: family.Member, share: float, residuals: int) -> dict[str, parts.FittedParameter]:
    influence = averaging.influence(best)[:, :residuals]
    return parts.fitted_parameters(best.circuit, best.minimum.place, share**2 * influence @ influence.T, best.minimum.held)
