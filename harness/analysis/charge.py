"""How much charge passed in a step, and how surely. Arrays in, numbers out; no roles and no cycles.

A charge is ∫ I dt over one step, and three kinds of rows ask for three rules:

* *Point samples* hold the current at their stamp: the trapezoid between neighbours, and the logarithmic mean
  Δt (I₁ − I₂) / ln(I₁ / I₂) where a constant-voltage tail decays (the trapezoid over-counts an exponential by Δt²/12τ²).
* *Interval means* hold the mean since the row before: the rectangle. A trapezoid over them costs 0.04–0.06 % of an efficiency.
* *Counters* saw every conversion of the instrument and win over both where they exist. Increments are summed; monotone counters
  give Σ ΔC, and after a reset the new value itself, first row included; signed net counters give Σ ΔC.

No rule bridges the edge of a step: the first value is held back to the step's start and the last one on to its end where those
times are known, so a constant current gives I × duration exactly; an edge nobody knows counts as uncertainty.

The model of the instrument is I_read = (1 + g) I + o + noise, with g and o constant per range. So
σ_Q² = (Q σ_g)² + (σ_o t)² + (q_I t/√12)² + (I δt/√12)² + σ_I² Σ Δt² + gaps and edges. The first three are the same at every use
of a range; they are kept apart (by range) because they cancel or add between half cycles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COULOMB_PER_AH = 3600.0
CONVERTER_SPAN = 6.0
"""A converter covers ±3 × the nominal range."""
GAP_SECOND = 60.0
GAP_FACTOR = 10.0
LARGEST_FALL = 7.5
"""Neighbours that differ by more than this factor are a switch, not a tail."""

FLAG_GAP = "gap"
FLAG_MISSING = "missing_values"
FLAG_BACKWARD = "backward_time"
FLAG_DUPLICATE = "duplicate_time"
FLAG_EMPTY = "no_samples"


class CurrentKind(StrEnum):
    """What a row's current is: the value at its stamp, or the mean since the row before."""

    POINT = "point"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What is known of an instrument, one standard deviation each; ``None`` is unknown and never zero.

    ``offset_of_range`` is a fraction of the range, ``offset_ampere`` the same already in ampere (it wins), ``gain`` a fraction of
    the reading; ``adc_bits`` cover ±3 × the range.
    """

    offset_of_range: float | None = None
    offset_ampere: float | None = None
    gain: float | None = None
    adc_bits: int | None = None

    def offset_std_ampere(self, range_ampere: float | None) -> float | None:
        """The offset's standard deviation on a range, ``None`` when nothing says."""
        if self.offset_ampere is not None:
            return self.offset_ampere
        if self.offset_of_range is None or range_ampere is None:
            return None
        return self.offset_of_range * range_ampere

    def converter_std_ampere(self, range_ampere: float | None) -> float:
        """One converter step / √12: what rounding can hide of a constant current."""
        if self.adc_bits is None or range_ampere is None:
            return 0.0
        return CONVERTER_SPAN * range_ampere / float(2**self.adc_bits) / math.sqrt(12)


@dataclass(frozen=True, slots=True)
class RangePart:
    """What passed on one current range: signed charge, and the time for which its offset was integrated."""

    range_ampere: float | None
    charge_coulomb: float
    duration_second: float


@dataclass(frozen=True, slots=True)
class Charge:
    """A signed charge (+ is oxidation at the working electrode) with what its uncertainty is made of.

    ``random_std_coulomb`` holds what differs from step to step: timing, noise, resolution, gaps and unknown edges.
    """

    charge_coulomb: float
    duration_second: float
    random_std_coulomb: float
    parts: tuple[RangePart, ...]
    flags: frozenset[str] = field(default_factory=frozenset)

    def std_coulomb(self, accuracy: Accuracy) -> float:
        """One standard deviation of the charge on an instrument of this accuracy (module docstring)."""
        variance = self.random_std_coulomb**2
        for part in self.parts:
            variance += ((accuracy.gain or 0.0) * part.charge_coulomb) ** 2
            variance += ((accuracy.offset_std_ampere(part.range_ampere) or 0.0) * part.duration_second) ** 2
            variance += (accuracy.converter_std_ampere(part.range_ampere) * part.duration_second) ** 2
        return math.sqrt(variance)

    def knows_offset(self, accuracy: Accuracy) -> bool:
        """Whether every part's offset is known."""
        return all(accuracy.offset_std_ampere(part.range_ampere) is not None for part in self.parts)


EMPTY = Charge(0.0, 0.0, 0.0, (), frozenset({FLAG_EMPTY}))


def step_charge(
    time_second: Array,
    current_ampere: Array,
    *,
    start_second: float | None = None,
    end_second: float | None = None,
    kind: CurrentKind = CurrentKind.POINT,
    range_ampere: Array | float | None = None,
    time_resolution_second: float = 0.0,
    unknown_edge_second: float = 0.0,
) -> Charge:
    """The charge of one step.

    Args:
        time_second: stamps on the instrument's clock, as recorded; repeated and backward ones add nothing, the latter flagged.
        current_ampere: the readings, same length.
        start_second: when the step began; the first value is held back to it. ``None``: at the first stamp.
        end_second: when it ended; the last value is held on to it. ``None``: at the last stamp.
        kind: what a reading is.
        range_ampere: the range of each reading or of all, NaN or ``None`` where unknown.
        time_resolution_second: the finest time the instrument states.
        unknown_edge_second: time at the step's edges of which nobody says which step it belongs to.
    """
    valid = np.isfinite(time_second) & np.isfinite(current_ampere)
    flags = set() if bool(valid.all()) else {FLAG_MISSING}
    ranges = np.broadcast_to(np.nan if range_ampere is None else np.asarray(range_ampere, dtype=np.float64), time_second.shape)
    time, current, ranges = time_second[valid], current_ampere[valid], ranges[valid]
    if time.size == 0:
        return EMPTY
    limit = _longest_regular_interval(time)
    time, current, ranges = _with_edges(time, current, ranges, start_second, end_second)
    interval = np.diff(time)
    flags |= _time_flags(interval, limit, edges=(start_second, end_second))
    interval = np.maximum(interval, 0.0)
    amount = _rectangles(interval, current) if kind is CurrentKind.MEAN else _between_points(interval, current)
    variance = _gap_variance(interval, current, limit) + _noise_std(current) ** 2 * float(np.sum(interval**2))
    variance += ((float(current[-1]) * time_resolution_second) ** 2 + (float(current[0]) * unknown_edge_second) ** 2) / 12
    owner = ranges[1:] if kind is CurrentKind.MEAN else ranges[:-1]
    parts = _by_range(amount, interval, owner)
    return Charge(float(amount.sum()), float(interval.sum()), math.sqrt(variance), parts, frozenset(flags))


def counted_charge(
    increment_ah: Array,
    duration_second: float,
    *,
    resolution_ah: float = 0.0,
    readings: int = 1,
    range_ampere: float | None = None,
) -> Charge:
    """The charge a counter saw: the sum of its signed increments.

    ``readings`` is how many roundings of ``resolution_ah`` the sum holds: 1 for the difference of a counter, all rows for
    increments that were rounded one by one.
    """
    coulomb = float(np.nansum(increment_ah)) * COULOMB_PER_AH
    random = resolution_ah * COULOMB_PER_AH * math.sqrt(max(readings, 1) / 12)
    return Charge(coulomb, duration_second, random, (RangePart(range_ampere, coulomb, duration_second),))


def total_charge(charges: Sequence[Charge]) -> Charge:
    """The sum of several steps' charges: parts of one range join, random errors add in squares."""
    joined: dict[float | None, tuple[float, float]] = {}
    for charge in charges:
        for part in charge.parts:
            coulomb, second = joined.get(part.range_ampere, (0.0, 0.0))
            joined[part.range_ampere] = (coulomb + part.charge_coulomb, second + part.duration_second)
    filled = [charge for charge in charges if charge.parts]
    return Charge(
        math.fsum(charge.charge_coulomb for charge in charges),
        math.fsum(charge.duration_second for charge in charges),
        math.sqrt(math.fsum(charge.random_std_coulomb**2 for charge in charges)),
        tuple(RangePart(key, *value) for key, value in joined.items()),
        frozenset().union(*(charge.flags for charge in (filled or charges))),
    )


def monotone_increments(counter: Array, before_first: float = 0.0) -> Array:
    """ΔC of a counter that only rises and may reset: after a reset the new value itself, so that no row is lost.

    A fall to less than half is a reset; a smaller one is jitter and is kept as the negative difference it is. Missing values
    repeat the one before. ``before_first`` is the counter's value before the first row.
    """
    filled = _forward_filled(counter, before_first)
    previous = np.concatenate(([before_first], filled[:-1]))
    return np.where(filled < 0.5 * previous, filled, filled - previous)


def signed_increments(counter: Array, expected: Array, before_first: float) -> Array:
    """ΔC of a signed net counter; where it jumps by what the current cannot explain, it was reset and the new value counts.

    ``expected`` is each row's own estimate of its increment (current × interval), in the counter's unit.
    """
    filled = _forward_filled(counter, before_first)
    difference = np.diff(filled, prepend=before_first)
    span = float(np.max(np.abs(filled), initial=0.0))
    jump = np.abs(difference - expected) > 10 * np.abs(expected) + 0.01 * span
    return np.where(jump & (np.abs(filled) < 0.01 * span + 10 * np.abs(expected)), filled, difference)


def decimal_resolution(values: Array, finest: int = 9) -> float:
    """The coarsest decimal step (1, 0.1, … 10⁻ᶠⁱⁿᵉˢᵗ) on which all values lie, 0 when they lie on none: how finely a file was
    written. Values that went through single precision are judged with its rounding.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0
    sample = finite[:: max(1, finite.size // 2000)]
    single = bool(np.all(sample.astype(np.float32) == sample))
    rounding = float(np.finfo(np.float32 if single else np.float64).eps)
    for digits in range(finest + 1):
        scaled = np.abs(sample) * 10.0**digits
        tolerance = 1e-6 + 2 * rounding * scaled
        if float(tolerance.max()) > 0.1:
            break
        nearest = np.round(scaled)
        if bool(np.all((np.abs(scaled - nearest) <= tolerance) & ((nearest > 0) | (scaled == 0)))):
            return float(10.0**-digits)
    return 0.0


def _with_edges(
    time: Array, current: Array, ranges: Array, start_second: float | None, end_second: float | None
) -> tuple[Array, Array, Array]:
    first = [] if start_second is None or start_second >= time[0] else [0]
    last = [] if end_second is None or end_second <= time[-1] else [-1]
    if not first and not last:
        return time, current, ranges
    head = [float(start_second)] if first and start_second is not None else []
    tail = [float(end_second)] if last and end_second is not None else []
    return (
        np.concatenate((head, time, tail)),
        np.concatenate((current[first], current, current[last])),
        np.concatenate((ranges[first], ranges, ranges[last])),
    )


def _longest_regular_interval(time: Array) -> float:
    """Above this an interval is a hole: max(10 × the median, 60 s), but never what an instrument does regularly."""
    interval = np.diff(time)
    if float(interval.max(initial=0.0)) <= GAP_SECOND:
        return GAP_SECOND
    interval = interval[interval > 0]
    if interval.size < 2:
        return math.inf
    limit = max(GAP_FACTOR * float(np.median(interval)), GAP_SECOND)
    regular = float(np.quantile(interval, 0.98, method="lower"))
    return max(limit, 1.5 * regular)


def _time_flags(interval: Array, limit: float, edges: tuple[float | None, float | None]) -> set[str]:
    flags = set()
    if bool(np.any(interval < 0)):
        flags.add(FLAG_BACKWARD)
    known = (1 if edges[0] is not None else 0, interval.size - (1 if edges[1] is not None else 0))
    if bool(np.any(interval[known[0] : known[1]] == 0)):
        flags.add(FLAG_DUPLICATE)
    if bool(np.any(interval > limit)):
        flags.add(FLAG_GAP)
    return flags


def _rectangles(interval: Array, current: Array) -> Array:
    return interval * current[1:]


def _between_points(interval: Array, current: Array) -> Array:
    """Trapezoids, and logarithmic means where the magnitude falls three intervals running (or to the step's edge)."""
    amount = 0.5 * interval * (current[:-1] + current[1:])
    magnitude = np.abs(current)
    falling = (magnitude[1:] < magnitude[:-1]) & (interval > 0)
    if not bool(falling.any()):
        return amount
    padded = np.concatenate(([True], falling, [True]))
    tail = falling & padded[:-2] & padded[2:] & (current[1:] * current[:-1] > 0)
    tail &= magnitude[:-1] < LARGEST_FALL * magnitude[1:]
    fall = np.log(current[:-1][tail] / current[1:][tail])
    exact = fall > 1e-4
    mean = 0.5 * (current[:-1][tail] + current[1:][tail])
    mean[exact] = (current[:-1][tail][exact] - current[1:][tail][exact]) / fall[exact]
    amount[tail] = interval[tail] * mean
    return amount


def _gap_variance(interval: Array, current: Array, limit: float) -> float:
    hole = interval > limit
    return float(np.sum((interval[hole] * np.diff(current)[hole]) ** 2)) / 12


def _noise_std(current: Array) -> float:
    """White noise from second differences, which no smooth change survives: median |I₋ − 2 I + I₊| / (0.6745 √6)."""
    if current.size < 8:
        return 0.0
    bend = np.abs(np.diff(current, 2))
    middle = bend.size // 2
    return float(np.partition(bend, middle)[middle]) / (0.6745 * math.sqrt(6))


def _by_range(amount: Array, interval: Array, owner: Array) -> tuple[RangePart, ...]:
    if owner.size == 0:
        return ()
    if bool(np.all(owner == owner[0])) or bool(np.all(np.isnan(owner))):
        return (RangePart(_range(float(owner[0])), float(amount.sum()), float(interval.sum())),)
    parts = []
    for value in np.unique(owner):
        mine = np.isnan(owner) if math.isnan(value) else owner == value
        parts.append(RangePart(_range(float(value)), float(amount[mine].sum()), float(interval[mine].sum())))
    return tuple(parts)


def _range(value: float) -> float | None:
    return None if math.isnan(value) else value


def _forward_filled(values: Array, before_first: float) -> Array:
    present = np.isfinite(values)
    if bool(present.all()):
        return values
    index = np.maximum.accumulate(np.where(present, np.arange(values.size), -1))
    filled = values[np.maximum(index, 0)]
    filled[index < 0] = before_first
    return filled
