"""∫ I dt of many steps at once: rows and where steps begin in, one charge per step out. No roles, no accuracy, no counters.

Rows of one step are either *point samples* (the current at their stamp) or *interval means* (the mean since the row before); the
rule for each stands in `harness.analysis.charge`. The rows of all steps lie in one array, and every rule is one pass over it:
intervals that lead from one step into the next are set to zero first, so no rule can bridge an edge, and sums by step are
`np.add.reduceat`. What only few steps have (a hole, a change of range, a missing value) is looked at only where it was seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.analysis.missing import all_finite
from harness.analysis.spread import smooth_scatters

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Bits = NDArray[np.uint8]
Mask = NDArray[np.bool_]

ROWS_AT_ONCE = 131_072

GAP_SECOND = 60.0
GAP_FACTOR = 10.0
LARGEST_FALL = 7.5
"""Neighbours that differ by more than this factor are a switch, not a tail."""
SMALLEST_FALL = 1e-4
"""Below this the trapezoid and the logarithmic mean agree to 1e-9."""
FEWEST_FOR_NOISE = 8
NOISE_ROWS = 64
"""Of a step: its noise is known to a fifth then, and is the least part of a charge's error."""
HELD_CHANGE = 0.01
"""A current that was held over a hole of which nobody saw the other side may have moved by this share."""

FLAG_GAP = "gap"
FLAG_MISSING = "missing_values"
FLAG_BACKWARD = "backward_time"
FLAG_DUPLICATE = "duplicate_time"
FLAG_EMPTY = "no_samples"
FLAGS = (FLAG_GAP, FLAG_MISSING, FLAG_BACKWARD, FLAG_DUPLICATE, FLAG_EMPTY)
"""The names of the bits in `Charges.flags`, lowest first."""
_GAP, _MISSING, _BACKWARD, _DUPLICATE, _EMPTY = (1 << bit for bit in range(len(FLAGS)))


class CurrentKind(StrEnum):
    """What a row's current is: the value at its stamp, or the mean since the row before."""

    POINT = "point"
    MEAN = "mean"


@dataclass(frozen=True, slots=True, eq=False)
class Charges:
    """The charges of n steps on r current ranges.

    ``range_ampere`` (r) is NaN for a range of unknown size; ``coulomb`` (n, r) is signed; ``second`` (n, r) the time for which a
    range's offset was integrated; ``random_std_coulomb`` (n) what differs from step to step; ``flags`` (n) bits of `FLAGS`.
    """

    range_ampere: Array
    coulomb: Array
    second: Array
    random_std_coulomb: Array
    flags: Bits

    def joined(self, starts: Index) -> Charges:
        """Sums of neighbouring steps, each from one of ``starts`` to the next: random errors add in squares."""
        return Charges(
            self.range_ampere,
            np.add.reduceat(self.coulomb, starts, axis=0),
            np.add.reduceat(self.second, starts, axis=0),
            np.sqrt(np.add.reduceat(self.random_std_coulomb**2, starts)),
            np.bitwise_or.reduceat(self.flags, starts),
        )

    def taken(self, rows: Index) -> Charges:
        """The charges of some steps; −1 takes none: no charge, no time, no flag."""
        there = rows >= 0
        column = there[:, None]
        return Charges(
            self.range_ampere,
            np.where(column, self.coulomb[rows], 0.0),
            np.where(column, self.second[rows], 0.0),
            np.where(there, self.random_std_coulomb[rows], 0.0),
            np.where(there, self.flags[rows], 0).astype(np.uint8),
        )

    def total_coulomb(self) -> Array:
        """The charge over all ranges (n)."""
        total: Array = self.coulomb.sum(axis=1)
        return total


def flag_names(bits: int) -> frozenset[str]:
    """The names in one value of `Charges.flags`."""
    return frozenset(name for place, name in enumerate(FLAGS) if bits >> place & 1)


def longest_regular(interval: Array) -> float:
    """Above this an interval is a hole: max(10 × the median, 60 s), but never what an instrument does regularly."""
    interval = interval[interval > 0]
    if interval.size < 2:
        return math.inf
    limit = max(GAP_FACTOR * float(np.median(interval)), GAP_SECOND)
    return max(limit, 1.5 * float(np.quantile(interval, 0.98, method="lower")))


def flag_bits(names: frozenset[str]) -> int:
    """The value of `Charges.flags` that says ``names``; others have no bit."""
    return sum(1 << place for place, name in enumerate(FLAGS) if name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """What is known of n steps' edges, on the clock of their rows; NaN is unknown.

    The first value is held back to ``start_second``, the last one on to ``end_second``; ``unknown_second`` is time before a step
    of which nobody says whose it is, ``unknown_end_second`` likewise after it. ``unseen`` says that there more time passed than
    lies between rows. ``resolution_second`` is the finest time the instrument states.
    """

    start_second: Array
    end_second: Array
    unknown_second: Array
    resolution_second: float = 0.0
    unknown_end_second: Array | None = None
    unseen: Mask | None = None

    def taken(self, steps: slice | Mask) -> Edges:
        """The edges of some steps."""
        return Edges(
            self.start_second[steps],
            self.end_second[steps],
            self.unknown_second[steps],
            self.resolution_second,
            None if self.unknown_end_second is None else self.unknown_end_second[steps],
            None if self.unseen is None else self.unseen[steps],
        )

    def unknown_variance(self, first_ampere: Array, last_ampere: Array) -> Array:
        """What the unknown times add to the variance of each charge, (I Δt)² / 12."""
        variance = (first_ampere * self.unknown_second) ** 2
        if self.unknown_end_second is not None:
            variance += (last_ampere * self.unknown_end_second) ** 2
        return variance / 12


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The current range of every row: its place in ``range_ampere`` (NaN where only that it is another one is known). Of a single
    range ``of_row`` says nothing.
    """

    of_row: Index
    range_ampere: Array

    def taken(self, rows: slice | Mask) -> Ranges:
        """The ranges of some rows."""
        return self if self.range_ampere.size == 1 else Ranges(self.of_row[rows], self.range_ampere)


@dataclass(frozen=True, slots=True, eq=False)
class _Readings:
    time: Array
    current: Array
    kind: CurrentKind
    ranges: Ranges


NOWHERE = np.zeros(0, dtype=np.int64)
ONE_RANGE = Ranges(np.zeros(1, dtype=np.int64), np.array([np.nan]))


def integrate(
    time_second: Array,
    current_ampere: Array,
    starts: Index,
    edges: Edges,
    *,
    kind: CurrentKind = CurrentKind.POINT,
    ranges: Ranges = ONE_RANGE,
    complete: bool | None = None,
) -> Charges:
    """The charges of the n steps that begin at the rows ``starts`` (ascending, the first is 0) and reach to the next one.

    Time and current have one value per row. Repeated and backward stamps add nothing. Rows without a finite time or current
    (``complete`` says that there are none; else they are looked for) are left out and flagged; a step without any other row is
    flagged ``no_samples``, and one whose first or last row lacks only its current still reaches to its stamp.
    """
    readings = _Readings(time_second, current_ampere, kind, ranges)
    if complete if complete is not None else all_finite(time_second) and all_finite(current_ampere):
        return _integrate_whole(readings, starts, edges)
    valid = np.isfinite(time_second) & np.isfinite(current_ampere)
    kept = np.add.reduceat(valid, starts, dtype=np.int64)
    lengths = np.diff(np.append(starts, valid.size))
    filled = kept > 0
    flags = np.where(filled, np.where(kept < lengths, _MISSING, 0), _EMPTY).astype(np.uint8)
    size, count = ranges.range_ampere.size, starts.size
    found = Charges(ranges.range_ampere, np.zeros((count, size)), np.zeros((count, size)), np.zeros(count), flags)
    if not bool(filled.any()):
        return found
    begins = np.concatenate(([0], np.cumsum(kept[filled])[:-1]))
    readings = _Readings(time_second[valid], current_ampere[valid], kind, ranges.taken(valid))
    part = _integrate_whole(readings, begins, _with_stamps(edges, time_second, valid, starts).taken(filled))
    found.coulomb[filled], found.second[filled] = part.coulomb, part.second
    found.random_std_coulomb[filled] = part.random_std_coulomb
    found.flags[filled] |= part.flags
    return found


def _with_stamps(edges: Edges, time: Array, valid: Mask, starts: Index) -> Edges:
    """Edges that, unless known, reach to the stamps of a step's first and last row where these lack their current."""
    stops = np.append(starts[1:], time.size) - 1
    first, last = time[starts], time[stops]
    begins = np.isnan(edges.start_second) & np.isfinite(first) & ~valid[starts]
    ends = np.isnan(edges.end_second) & np.isfinite(last) & ~valid[stops]
    return replace(
        edges,
        start_second=np.where(begins, first, edges.start_second),
        end_second=np.where(ends, last, edges.end_second),
    )


def blocks_of_steps(starts: Index, size: int) -> list[slice]:
    """Steps of ``size`` rows in all, so many at a time as stay in the processor's cache."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, size, ROWS_AT_ONCE)))
    return [slice(begin, end) for begin, end in pairwise([*cuts.tolist(), starts.size]) if end > begin]


def _integrate_whole(readings: _Readings, starts: Index, edges: Edges) -> Charges:
    """`integrate` where every row is finite and every step has one."""
    size = readings.time.size
    stops = np.append(starts[1:], size)
    blocks = blocks_of_steps(starts, size)
    parts = [_integrate_block(readings, starts[block], stops[block], edges.taken(block)) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    return Charges(
        readings.ranges.range_ampere,
        np.concatenate([part.coulomb for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.random_std_coulomb for part in parts]),
        np.concatenate([part.flags for part in parts]),
    )


def _integrate_block(readings: _Readings, starts: Index, stops: Index, edges: Edges) -> Charges:
    begin, end = int(starts[0]), int(stops[-1])
    time, current = readings.time[begin:end], readings.current[begin:end]
    kind, ranges = readings.kind, readings.ranges.taken(slice(begin, end))
    starts, stops = starts - begin, stops - begin
    interval, flags = _intervals(time, starts, stops, np.isfinite(edges.end_second))
    doubt = np.zeros(starts.size)
    if kind is CurrentKind.MEAN:
        amount = _rectangles(interval, current)
    else:
        amount, row, bend = _between_points(interval, current, stops)
        np.add.at(doubt, np.searchsorted(starts, row, side="right") - 1, bend)
    head = np.fmax(time[starts] - edges.start_second, 0.0)
    tail = np.fmax(edges.end_second - time[stops - 1], 0.0)
    first, last = current[starts], current[stops - 1]
    coulomb, second = _by_range(amount, interval, starts, kind, ranges)
    place = np.arange(starts.size)
    for rows, value, held in ((starts, first, head), (stops - 1, last, tail)):
        owner = ranges.of_row[rows] if ranges.range_ampere.size > 1 else np.zeros_like(rows)
        coulomb[place, owner] += value * held
        second[place, owner] += held
    stamped = np.maximum(np.abs(first), np.abs(last)) * edges.resolution_second
    variance = doubt**2 + stamped**2 / 12 + edges.unknown_variance(first, last)
    if edges.unseen is not None:
        flags[edges.unseen] |= _GAP
    variance += _holes(interval, current, starts, flags, np.stack((head, tail)))
    noise = _noise_variance(current, starts, stops)
    if bool(noise.any()):
        variance += noise * (np.add.reduceat(interval**2, starts) + head**2 + tail**2)
    return Charges(ranges.range_ampere, coulomb, second, np.sqrt(variance), flags)


def _intervals(time: Array, starts: Index, stops: Index, ended: Mask) -> tuple[Array, Bits]:
    """The time from each row to the next one of its step, never negative, 0 after its last; and what was odd.

    The last reading of a step that is known to have ``ended`` may be said twice.
    """
    interval = np.empty(time.size)
    np.subtract(time[1:], time[:-1], out=interval[:-1])
    interval[stops - 1] = 0.0
    flags = np.zeros(starts.size, dtype=np.uint8)
    if interval.size - int(np.count_nonzero(interval)) > starts.size:
        said_twice = ended & (stops - starts > 1) & (interval[stops - 2] == 0)
        flags[np.add.reduceat(interval == 0, starts, dtype=np.int64) > 1 + said_twice] |= _DUPLICATE
    if float(interval.min()) < 0:
        flags[np.logical_or.reduceat(interval < 0, starts)] |= _BACKWARD
        np.maximum(interval, 0.0, out=interval)
    return interval, flags


def _rectangles(interval: Array, current: Array) -> Array:
    amount = np.zeros_like(interval)
    np.multiply(interval[:-1], current[1:], out=amount[:-1])
    return amount


def _between_points(interval: Array, current: Array, stops: Index) -> tuple[Array, Index, Array]:
    """Trapezoids, and logarithmic means where the magnitude falls three intervals running (or to the step's edge).

    With the rows at which a tail begins or ends, and by how much the two rules differ there: neither is known to hold.
    """
    amount = np.empty_like(interval)
    np.add(current[1:], current[:-1], out=amount[:-1])
    amount[-1] = 0.0
    amount *= interval
    amount *= 0.5
    size = np.abs(current)
    falling = np.zeros(current.size + 1, dtype=np.bool_)
    np.less((1 + SMALLEST_FALL) * size[1:], size[:-1], out=falling[1:-1])
    falling[stops] = False
    if not bool(falling.any()):
        return amount, NOWHERE, np.zeros(0)
    near = falling.copy()
    near[0] = near[stops] = True
    tail, logarithmic = _logarithmic(interval, current, np.flatnonzero(falling[1:-1] & near[:-2] & near[2:]))
    amount[tail] = logarithmic
    lone, logarithmic = _logarithmic(interval, current, np.flatnonzero(falling[1:-1] & (near[:-2] != near[2:])))
    return amount, lone, np.abs(amount[lone] - logarithmic)


def _logarithmic(interval: Array, current: Array, rows: Index) -> tuple[Index, Array]:
    """Those of ``rows`` from which the current falls as a tail does, and their charge by the logarithmic mean."""
    here, after = current[rows], current[rows + 1]
    rows = rows[(here * after > 0) & (np.abs(here) < LARGEST_FALL * np.abs(after))]
    here, after = current[rows], current[rows + 1]
    return rows, interval[rows] * (here - after) / np.log(here / after)


def _by_range(amount: Array, interval: Array, starts: Index, kind: CurrentKind, ranges: Ranges) -> tuple[Array, Array]:
    """Sums by step and range: an interval of means is owned by the row that ends it, one of points by the row that begins it."""
    size = ranges.range_ampere.size
    if size == 1:
        return np.add.reduceat(amount, starts)[:, None], np.add.reduceat(interval, starts)[:, None]
    owner = np.append(ranges.of_row[1:], ranges.of_row[-1:]) if kind is CurrentKind.MEAN else ranges.of_row
    key = owner + size * np.repeat(np.arange(starts.size), np.diff(np.append(starts, amount.size)))
    shape = (starts.size, size)
    sums = (np.asarray(np.bincount(key, weight, starts.size * size), dtype=np.float64) for weight in (amount, interval))
    return next(sums).reshape(shape), next(sums).reshape(shape)


def _holes(interval: Array, current: Array, starts: Index, flags: Bits, held: Array) -> Array:
    """What holes in the record add to the variance of each step: (Δt ΔI)² / 12, nothing where the current stayed.

    Where a value is ``held`` (2, n) over more than an interval, only one side of the hole was seen: ΔI is then how far the step's
    current moved, and `HELD_CHANGE` at the least.
    """
    variance = np.zeros(starts.size)
    if max(float(interval.max()), float(held.max())) <= GAP_SECOND:
        return variance
    longest = np.maximum(np.maximum.reduceat(interval, starts), held.max(axis=0))
    stops = np.append(starts[1:], interval.size)
    for step in np.flatnonzero(longest > GAP_SECOND):
        own = interval[starts[step] : stops[step] - 1]
        limit = longest_regular(own)
        hole = own > limit
        if longest[step] > limit:
            flags[step] |= _GAP
            value = current[starts[step] : stops[step]]
            variance[step] = float(np.sum((own[hole] * np.diff(value)[hole]) ** 2)) / 12
            beyond = held[:, step][held[:, step] > limit]
            change = max(float(np.ptp(value)), HELD_CHANGE * float(np.max(np.abs(value))))
            variance[step] += float(np.sum((beyond * change) ** 2)) / 12
    return variance


def _noise_variance(current: Array, starts: Index, stops: Index) -> Array:
    """White noise from second differences, squared; 0 where the readings are too few to say."""
    scatter = smooth_scatters(current, starts, stops, fewest=FEWEST_FOR_NOISE, both=False, most_rows=NOISE_ROWS)
    noise: Array = np.nan_to_num(scatter, nan=0.0) ** 2
    return noise
