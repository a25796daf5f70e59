"""Whether a cell stood still while it was measured, and what its impedance was at one moment when it did not. No verdicts.

A sweep takes minutes to hours, nearly all of it at its lowest frequencies. A cell that changes meanwhile gives points of
different cells, and when it changes slowly they still obey Kramers and Kronig. What shows it is a second look: at the bias, at
the first frequency, or at all frequencies. Two looks that differ also say what the impedance was between them: the points of one
frequency are read along *time* and interpolated to a moment common to all (Stoynov's way to see a system that evolves). The
interpolation is linear, which holds while the change between the two sweeps is small or steady; its error from curvature is not
in the stated σ.

Noise is one standard deviation of real and imaginary part, relative to |Z|: `KramersKronig.noise_1` of the same sweep serves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance.spectrum import Sweep
from harness.errors import AnalysisError

METHOD_VERSION = "drift-1"

STEADY_BIAS_VOLT = 5e-3
STEADY_SHARE_OF_AMPLITUDE = 0.5
SAME_FREQUENCY = 1e-3
FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class BiasDrift:
    """How far the bias has moved over a sweep, and how far it may."""

    change_volt: float
    limit_volt: float

    @property
    def steady(self) -> bool:
        """Whether it has stayed within the limit."""
        return abs(self.change_volt) < self.limit_volt


@dataclass(frozen=True, slots=True)
class Repetition:
    """What was measured twice, second against first.

    ``change_1`` is the mean of ln |Z₂/Z₁|, signed: the growth. ``difference_rms_1`` and ``difference_max_1`` are of
    |Z₂ − Z₁| / |Z₁|, the latter at ``difference_max_hertz``. ``probability_1`` is how probable so large a difference is from
    noise alone (χ² of both parts of all ``points``).
    """

    change_1: Estimate
    difference_rms_1: float
    difference_max_1: float
    difference_max_hertz: float
    probability_1: float
    points: int


@dataclass(frozen=True, slots=True, eq=False)
class MomentSpectrum:
    """A spectrum as it was at one moment; ``impedance_std_ohm`` is of each part of each point."""

    moment_second: float
    sweep: Sweep
    impedance_std_ohm: Array


def bias_drift(before_volt: float, after_volt: float, amplitude_volt: float | None = None) -> BiasDrift:
    """The change of the bias beside its limit: 5 mV, or half the amplitude where that is more.

    Raises:
        AnalysisError: a voltage that is not a number, or an amplitude that is not positive.
    """
    if not (math.isfinite(before_volt) and math.isfinite(after_volt)):
        raise AnalysisError(f"a bias of {before_volt:g} V before and {after_volt:g} V after a sweep was given; give two numbers")
    if amplitude_volt is not None and not amplitude_volt > 0:
        raise AnalysisError(f"an amplitude of {amplitude_volt:g} V was given; it must be positive")
    return BiasDrift(after_volt - before_volt, max(STEADY_BIAS_VOLT, STEADY_SHARE_OF_AMPLITUDE * (amplitude_volt or 0.0)))


def compare_sweeps(first: Sweep, second: Sweep, noise_1: float) -> Repetition:
    """Two sweeps at the same frequencies: there and back, or again. Points without a partner within 0.1 % are left out.

    Raises:
        AnalysisError: fewer than three frequencies in common, or a noise that is not positive.
    """
    places, partners = _paired(first, second)
    return _repetition(first.frequency_hertz[places], first.impedance_ohm[places], second.impedance_ohm[partners], noise_1)


def repeated_point(sweep: Sweep, repeated_ohm: complex, noise_1: float) -> Repetition:
    """The first frequency measured once more at the end; the first is the earliest by time, or else the highest.

    Raises:
        AnalysisError: a repetition that is not a number other than zero, or a noise that is not positive.
    """
    if not (np.isfinite(repeated_ohm) and abs(repeated_ohm) > 0):
        raise AnalysisError("the repeated first frequency has no impedance; give what was measured, or nothing")
    place = 0 if sweep.time_second is None else int(np.argmin(sweep.time_second))
    here = slice(place, place + 1)
    return _repetition(sweep.frequency_hertz[here], sweep.impedance_ohm[here], np.array([repeated_ohm]), noise_1)


def spectrum_at(first: Sweep, second: Sweep, noise_1: tuple[float, float], moment_second: float | None = None) -> MomentSpectrum:
    """Z(ω, t) = Z₁ + (t − t₁)/(t₂ − t₁) (Z₂ − Z₁), frequency by frequency, for one moment of all.

    ``noise_1`` is that of either sweep; σ² = ((1 − a) σ₁|Z₁|)² + (a σ₂|Z₂|)² with a the fraction of the way. Without a
    ``moment_second`` it is the middle of the time that lies between the two points of every frequency.

    Raises:
        AnalysisError: moments are missing, fewer than three frequencies in common, no moment lies between the two points of
            every frequency, or the one asked for does not.
    """
    if first.time_second is None or second.time_second is None:
        raise AnalysisError("the spectrum of one moment needs the moment of every point of both sweeps")
    places, partners = _paired(first, second)
    begin, end = first.time_second[places], second.time_second[partners]
    earliest, latest = float(begin.max()), float(end.min())
    if not earliest < latest:
        raise AnalysisError("no moment lies between the two sweeps; give the earlier one first, and one that had ended")
    moment = (earliest + latest) / 2 if moment_second is None else moment_second
    if not earliest <= moment <= latest:
        raise AnalysisError(f"{moment:g} s lies outside {earliest:g} to {latest:g} s, and nothing is extrapolated")
    way = (moment - begin) / (end - begin)
    one, other = first.impedance_ohm[places], second.impedance_ohm[partners]
    std = np.hypot((1 - way) * noise_1[0] * np.abs(one), way * noise_1[1] * np.abs(other))
    sweep = Sweep(first.frequency_hertz[places], one + way * (other - one), np.full(way.size, moment), np.arange(way.size))
    return MomentSpectrum(moment, sweep, std)


def _paired(first: Sweep, second: Sweep) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rising = -second.frequency_hertz
    right = np.clip(np.searchsorted(rising, -first.frequency_hertz), 1, max(rising.size - 1, 1))
    candidates = np.stack((right - 1, np.minimum(right, rising.size - 1)))
    distance = np.abs(np.log(second.frequency_hertz[candidates] / first.frequency_hertz))
    nearest = candidates[np.argmin(distance, axis=0), np.arange(first.frequency_hertz.size)]
    places = np.flatnonzero(distance.min(axis=0) <= SAME_FREQUENCY)
    if places.size < FEWEST_PAIRS:
        raise AnalysisError(f"the two sweeps have {places.size} frequencies in common; comparing them needs {FEWEST_PAIRS}")
    return places, nearest[places]


def _repetition(
    frequency_hertz: Array, first: NDArray[np.complex128], second: NDArray[np.complex128], noise_1: float
) -> Repetition:
    """Under noise alone Σ |Z₂/Z₁ − 1|² / 2σ² is χ² with two degrees of freedom for every point."""
    from scipy.special import gammaincc  # noqa: PLC0415 - the import costs what most analyses need not wait for

    if not noise_1 > 0:
        raise AnalysisError(f"a noise of {noise_1:g} was given; it must be positive")
    ratio = second / first
    difference = np.abs(ratio - 1)
    worst = int(np.argmax(difference))
    statistic = float(np.sum(difference**2)) / (2 * noise_1**2)
    return Repetition(
        change_1=Estimate.normal(float(np.mean(np.log(np.abs(ratio)))), noise_1 * math.sqrt(2 / ratio.size)),
        difference_rms_1=math.sqrt(float(np.mean(difference**2))),
        difference_max_1=float(difference[worst]),
        difference_max_hertz=float(frequency_hertz[worst]),
        probability_1=float(gammaincc(ratio.size, statistic / 2)),
        points=ratio.size,
    )
