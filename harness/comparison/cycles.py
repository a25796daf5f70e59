"""The emulator's truth against a run: the efficiencies that really were, cycle by cycle. Joins; measures nothing.

The emulator writes what really passed as JSON lines, one per uninterrupted current. Its clock and the harness's anchors differ by
as much as a link is slow (times the time scale), so rows are joined by channel, direction and largest overlap in time, never by
equal stamps; several rows may add up to one half cycle. Clocks that were set apart are brought together first (`clock_shift`).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import COULOMB_PER_AH
from harness.comparison.truth_rows import TrueHalfCycle, read_truth
from harness.model.records import Record, StepEnded, StepStarted
from harness.model.run import Geometry, Role, RunContext
from harness.units import NANOSECOND

MEAN_FROM_CYCLE = 2

COVERED = 0.9999
"""With so much of the windows covered, the clocks agree."""
NEARLY = 0.1
"""Shifts whose cover differs by less may be the same one, imprecisely."""
MOST_ANCHORS = 8
MOST_TRIES = 4000


@dataclass(frozen=True, slots=True)
class HalfCycleWindow:
    """When a step of a half cycle ran, by the harness; ``oxidises`` is the sign its current must have."""

    channel: str
    cycle_count: int
    deposits: bool
    oxidises: bool
    start_nanosecond: int
    end_nanosecond: int


@dataclass(frozen=True, slots=True)
class TrueCycle:
    """What really passed in one cycle; ``None`` where no truth was found for that half."""

    cycle_count: int
    true_plating_capacity_ah: float | None
    true_stripping_capacity_ah: float | None
    true_coulombic_efficiency: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """The true cycles of a run, the charge-weighted mean of the whole ones from the second on, and how many rows of the truth on
    this channel fell into no half cycle.
    """

    cycles: tuple[TrueCycle, ...]
    mean_coulombic_efficiency: float | None
    mean_cycles: int
    unmatched: int


def half_cycle_windows(context: RunContext, geometry: Geometry, records: Iterable[Record]) -> list[HalfCycleWindow]:
    """The windows of a run's deposits and removals, from its steps; a step without an end or a duration ends where its record
    does, or never.
    """
    windows: list[HalfCycleWindow] = []
    started: StepStarted | None = None
    for record in records:
        if isinstance(record, StepStarted):
            started = record
        elif isinstance(record, StepEnded) and started is not None and record.step_count == started.step_count:
            if started.role.deposits or started.role.removes:
                windows.append(_window(context, geometry, started, record))
            started = None
    return windows


def true_cycles(truth_path: Path, half_cycles: Sequence[HalfCycleWindow]) -> Truth:
    """The true efficiency of each cycle that ``half_cycles`` names.

    Raises:
        BadInput: the file cannot be read or a line of it is not what the emulator writes.
    """
    rows = read_truth(truth_path).half_cycles
    return joined(rows, half_cycles, clock_shift(rows, half_cycles))


def joined(rows: Iterable[TrueHalfCycle], half_cycles: Sequence[HalfCycleWindow], shift_nanosecond: int = 0) -> Truth:
    """The true efficiency of each cycle that ``half_cycles`` names, from ``rows`` whose clock is ``shift_nanosecond`` ahead."""
    channels = {window.channel for window in half_cycles}
    index = WindowIndex(half_cycles)
    amounts: dict[tuple[int, bool], float] = {}
    unmatched = 0
    for row in rows:
        if row.channel not in channels:
            continue
        window = index.of(row, shift_nanosecond)
        if window is None:
            unmatched += 1
        else:
            key = (window.cycle_count, window.deposits)
            amounts[key] = amounts.get(key, 0.0) + row.charge_coulomb
    cycles = tuple(_cycle(count, amounts) for count in sorted({window.cycle_count for window in half_cycles}))
    mean, number = _mean(cycles)
    return Truth(cycles, mean, number, unmatched)


def clock_shift(rows: Sequence[TrueHalfCycle], windows: Sequence[HalfCycleWindow]) -> int:
    """Nanoseconds by which the emulator's clock is ahead of the run's: what is to be taken from the rows' stamps.

    Among the shifts that bring a row's start onto a window's (and none at all), the smallest that covers nearly as much of the
    windows as any; then the best one close to it. In regular cycling, clocks that differ by a whole cycle cannot be told from
    clocks that agree, which is why the smallest is taken.
    """
    channels = {window.channel for window in windows}
    mine = [row for row in rows if row.channel in channels]
    if not mine or not windows:
        return 0
    lengths = [window.end_nanosecond - window.start_nanosecond for window in windows]
    spans = _by_direction(mine, windows)
    if _covered(spans, 0) >= COVERED * sum(lengths):
        return 0
    some = windows[:: max(1, len(windows) // MOST_ANCHORS)]
    tries = {0, *(row.start_nanosecond - window.start_nanosecond for row in mine for window in some)}
    scored = [(_covered(spans, shift), shift) for shift in sorted(tries, key=abs)[:MOST_TRIES]]
    best = max(score for score, _ in scored)
    near = next(shift for score, shift in scored if score >= (1.0 - NEARLY) * best)
    return max((score, -abs(shift), shift) for score, shift in scored if abs(shift - near) <= 0.5 * min(lengths))[2]


def _window(context: RunContext, geometry: Geometry, started: StepStarted, ended: StepEnded) -> HalfCycleWindow:
    start = started.anchor_nanosecond
    end = ended.unix_time_nanosecond if ended.duration_second is None else start + round(ended.duration_second * NANOSECOND)
    deposits = started.role.deposits
    return HalfCycleWindow(
        context.channel, started.cycle_count, deposits, _oxidises(started.role, geometry), start, max(end, start + 1)
    )


def _oxidises(role: Role, geometry: Geometry) -> bool:
    """Whether a half cycle's current is positive: charging a full cell is, plating on the working electrode is not."""
    return role.deposits if geometry is Geometry.FULL else role.removes


class WindowIndex:
    """Windows by channel and direction, so that a row meets only those it could overlap."""

    def __init__(self, windows: Iterable[HalfCycleWindow]) -> None:
        self._windows: dict[tuple[str, bool], list[HalfCycleWindow]] = {}
        for window in sorted(windows, key=lambda one: one.start_nanosecond):
            self._windows.setdefault((window.channel, window.oxidises), []).append(window)
        self._ends = {
            key: list(itertools.accumulate((one.end_nanosecond for one in found), max)) for key, found in self._windows.items()
        }

    def of(self, row: TrueHalfCycle, shift_nanosecond: int = 0) -> HalfCycleWindow | None:
        """The window of the row's channel and direction that it overlaps most; ``None`` when it overlaps none."""
        key = (row.channel, row.charge_coulomb > 0)
        windows = self._windows.get(key, [])
        start, end = row.start_nanosecond - shift_nanosecond, row.end_nanosecond - shift_nanosecond
        best, most = None, 0
        for window in itertools.islice(windows, bisect.bisect_right(self._ends.get(key, []), start), None):
            if window.start_nanosecond >= end:
                break
            overlap = min(end, window.end_nanosecond) - max(start, window.start_nanosecond)
            if overlap > most:
                best, most = window, overlap
        return best


Spans = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def _by_direction(rows: Sequence[TrueHalfCycle], windows: Sequence[HalfCycleWindow]) -> Spans:
    """For each direction the (start, end) of the rows, and those of the windows, both sorted by start."""
    found: Spans = []
    for oxidises in (False, True):
        true = [(row.start_nanosecond, row.end_nanosecond) for row in rows if (row.charge_coulomb > 0) is oxidises]
        seen = [(window.start_nanosecond, window.end_nanosecond) for window in windows if window.oxidises is oxidises]
        if true and seen:
            found.append((np.array(sorted(true)), np.array(sorted(seen))))
    return found


def _covered(spans: Spans, shift: int) -> int:
    """How much of the windows the shifted rows cover, ns: each window against all rows that could meet it."""
    total = 0
    for true, seen in spans:
        start, end = true[:, 0] - shift, true[:, 1] - shift
        total += int(np.sum(_before(start, end, seen[:, 1]) - _before(start, end, seen[:, 0])))
    return total


def _before(start: NDArray[np.int64], end: NDArray[np.int64], moment: NDArray[np.int64]) -> NDArray[np.int64]:
    """How much of the spans, which do not overlap, lies before each moment."""
    passed = np.concatenate(([0], np.cumsum(end - start)))
    begun = np.searchsorted(start, moment, side="right")
    last = np.maximum(begun - 1, 0)
    open_part = np.where(begun > 0, np.maximum(end[last] - moment, 0), 0)
    before: NDArray[np.int64] = passed[begun] - open_part
    return before


def _cycle(count: int, amounts: dict[tuple[int, bool], float]) -> TrueCycle:
    deposit, removal = (amounts.get((count, deposits)) for deposits in (True, False))
    plating = None if deposit is None else abs(deposit) / COULOMB_PER_AH
    stripping = None if removal is None else abs(removal) / COULOMB_PER_AH
    value = stripping / plating if plating and stripping is not None else None
    return TrueCycle(count, plating, stripping, value)


def _mean(cycles: Sequence[TrueCycle]) -> tuple[float | None, int]:
    used = [cycle for cycle in cycles if cycle.cycle_count >= MEAN_FROM_CYCLE and cycle.true_coulombic_efficiency is not None]
    plated = math.fsum(cycle.true_plating_capacity_ah or 0.0 for cycle in used)
    if plated <= 0.0:
        return None, 0
    return math.fsum(cycle.true_stripping_capacity_ah or 0.0 for cycle in used) / plated, len(used)
