"""The instrument's own charge counters in an imported file, turned into what each step added. They win over any integral.

Three kinds (`harness.analysis.charge`): increments, monotone counters that may reset, signed net counters. A monotone pair counts
each direction by itself, so a direction's charge is asked for by its sign. What a missing value loses is put in its place by the
current (`harness.interop.uncounted`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Array
from harness.analysis.counting import RunningTotal, decimal_resolution, signed_increments
from harness.analysis.integrals import CurrentKind, Index
from harness.interop.columns import Columns
from harness.interop.steps import Steps
from harness.interop.timeline import Timeline
from harness.interop.uncounted import NOTHING, Uncounted, carried_on, lost_by_total, passed_in

_INCREMENT = ("charge_increment_ah", "net_increment_ah", "capacity_increment_ah")
_PAIRS = (
    ("charging_increment_ah", "discharging_increment_ah"),
    ("step_charging_capacity_ah", "step_discharging_capacity_ah"),
    ("cycle_charging_capacity_ah", "cycle_discharging_capacity_ah"),
    ("charging_capacity_ah", "discharging_capacity_ah"),
)
_NET = ("net_capacity_ah", "cumulative_capacity_ah")
UNEXPLAINED = 0.1
"""A first row's counter is its own when current × time explains it but for this share."""


@dataclass(frozen=True, slots=True, eq=False)
class Counter:
    """What was added in either direction, in Ah: row by row, or as a running total. ``resolution_ah`` is how finely it was
    written, ``uncounted`` what the current says where the counter is missing; it is in either direction's amounts.

    ``discharging_ah`` is ``None`` for a counter with a sign.
    """

    name: str
    charging_ah: Array | RunningTotal
    discharging_ah: Array | RunningTotal | None
    resolution_ah: float
    uncounted: Uncounted = field(default=NOTHING)

    @property
    def rounded_each(self) -> bool:
        """Whether every row was rounded by itself, not a running total."""
        return self.name.endswith("increment_ah")

    def added_ah(self, rows: Index) -> Array:
        """What each of some rows added, signed."""
        rising = _added_in(self.charging_ah, rows)
        return rising if self.discharging_ah is None else rising - _added_in(self.discharging_ah, rows)

    def step_ah(self, steps: Steps) -> Array:
        """The signed charge of each step. The last of a half cycle's charge may stand in the first row after it, where a running
        total has no sign: that row then belongs to it.

        The first row of the next step of the *same* direction holds its own amount, and is not taken from it: what the
        instrument still counted of this one is then part of that one, and of the same half cycle.
        """
        if self.discharging_ah is None:
            return _added(self.charging_ah, steps.first, steps.stop)
        spilt = (steps.stop < _size(self.charging_ah)) & ~steps.continues & (steps.direction != 0) & (not self.rounded_each)
        stop = steps.stop + spilt
        rising = _added(self.charging_ah, steps.first, np.where(steps.direction > 0, stop, steps.stop))
        falling = _added(self.discharging_ah, steps.first, np.where(steps.direction < 0, stop, steps.stop))
        return np.where(steps.direction > 0, rising, np.where(steps.direction < 0, -falling, rising - falling))

    def unseen_ah(self, steps: Steps, held_ah: Array, own_ah: Array) -> Array:
        """The part of ``held_ah``, what passed between each step's last row and its named end, that `step_ah` lacks.

        The first row after the end tells whether the counter went on: it then added that amount beside ``own_ah``, what passed
        since the next step began. A pair's row after the end is in `step_ah` already, and so is that of a next step of the same
        direction in its own charge.
        """
        there = (steps.stop < _size(self.charging_ah)) & (held_ah != 0)
        if not bool(there.any()):
            return np.zeros_like(held_ah)
        row = np.where(there, steps.stop, 0)
        added = self.added_ah(row) - own_ah
        went_on = np.abs(added - held_ah) < np.abs(added)
        in_next = self.discharging_ah is not None and not self.rounded_each
        return np.where(there & ~(went_on & (steps.continues | in_next)), held_ah, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """What a missing value is replaced by: ``starts`` are the first rows of steps."""

    columns: Columns
    timeline: Timeline
    starts: Index
    kind: CurrentKind

    def passed_in(self, rows: Index) -> Uncounted:
        return passed_in(rows, self.columns, self.timeline, self.starts, self.kind)


def best_counter(columns: Columns, timeline: Timeline, starts: Index, kind: CurrentKind = CurrentKind.POINT) -> Counter | None:
    """The first counter a file has, in the order increments, pairs of monotone counters, net counters.

    Where a value is missing, ``kind`` says what the current is from which it is put together, and ``starts`` where steps begin.
    """
    file = _File(columns, timeline, starts, kind)
    for name in _INCREMENT:
        if _counted(columns, name):
            values, lost = _increments(file, name)
            return Counter(name, values, None, decimal_resolution(columns[name], 12), lost)
    for charging, discharging in _PAIRS:
        both = charging in columns and discharging in columns
        if both and (_counted(columns, charging) or _counted(columns, discharging)):
            return _pair(file, charging, discharging)
    for name in _NET:
        if _counted(columns, name):
            return _net(file, name)
    return None


def _counted(columns: Columns, name: str) -> bool:
    """Whether it counted at all: a column of zeros is no counter."""
    values = columns.get(name)
    return values is not None and any(bool(np.any(np.isfinite(some) & (some != 0))) for some in (values[::997], values))


def _increments(file: _File, name: str, sign: float = 0.0) -> tuple[Array, Uncounted]:
    """Increments, with what the current says in place of missing ones; those of one direction where ``sign`` names it."""
    values = file.columns[name] if not sign else np.abs(file.columns[name])
    if file.columns.complete(name):
        return values, NOTHING
    lost = file.passed_in(np.flatnonzero(~np.isfinite(values)))
    values = values.copy()
    values[lost.rows] = np.maximum(sign * lost.added_ah, 0.0) if sign else lost.added_ah
    return values, lost.taken(values[lost.rows] != 0)


def _pair(file: _File, charging: str, discharging: str) -> Counter:
    resolution = min(decimal_resolution(file.columns[name], 12) for name in (charging, discharging))
    made = _increments if charging.endswith("increment_ah") else _running
    (rising, lost), (falling, also_lost) = made(file, charging, 1.0), made(file, discharging, -1.0)
    return Counter(charging, rising, falling, resolution, lost.joined(also_lost))


def _running(file: _File, name: str, sign: float) -> tuple[RunningTotal, Uncounted]:
    """The total of one counter of a pair, whichever sign its program gives it; ``sign`` is that of the current it counts."""
    values, timeline, lost = file.columns[name], file.timeline, NOTHING
    counts_up = float(values.min()) >= 0
    if not counts_up:
        values = np.abs(values)
    before = _before_first(values, file)
    if not counts_up and not file.columns.complete(name):
        lost = file.passed_in(lost_by_total(values, file.starts))
        lost = lost.taken(sign * lost.added_ah > 0)
        values = carried_on(values, before, lost.rows, np.abs(lost.added_ah))
    edges = np.flatnonzero(timeline.step_edge[1:]) + 1
    passed = timeline.time_second[edges] - timeline.time_second[edges - 1]
    current = file.columns["current_ampere"]
    expected = np.maximum(np.nan_to_num(sign * current[edges], nan=0.0), 0.0) * passed / COULOMB_PER_AH
    return RunningTotal.of(values, before, edges, expected), lost


def _net(file: _File, name: str) -> Counter:
    values, time, lost = file.columns[name], file.timeline.time_second, NOTHING
    current = np.nan_to_num(file.columns["current_ampere"], nan=0.0)
    expected = current * np.diff(time, prepend=time[0]) / COULOMB_PER_AH
    first = float(values[np.isfinite(values)][0])
    own = float(current[0]) * _since(file.timeline) / COULOMB_PER_AH
    before = 0.0 if abs(first - own) <= UNEXPLAINED * abs(own) else first
    if not file.columns.complete(name):
        lost = file.passed_in(lost_by_total(values, file.starts))
        lost = lost.taken(lost.added_ah != 0)
        values = carried_on(values, before, lost.rows, lost.added_ah)
    return Counter(name, signed_increments(values, expected, before), None, decimal_resolution(file.columns[name], 12), lost)


def _before_first(values: Array, file: _File) -> float:
    """The counter before the first row: 0 if that row's own time explains its value, else that value (the file was cut)."""
    first = float(values[0]) if np.isfinite(values[0]) else 0.0
    explained = abs(float(np.nan_to_num(file.columns["current_ampere"][0]))) * _since(file.timeline) / COULOMB_PER_AH
    return 0.0 if first <= (1 + UNEXPLAINED) * explained else first


def _since(timeline: Timeline) -> float:
    """The time that the first row says has passed before it."""
    return float(timeline.time_second[0] if timeline.step_second is None else timeline.step_second[0])


def _size(counter: Array | RunningTotal) -> int:
    return counter.values.size if isinstance(counter, RunningTotal) else counter.size


def _added_in(counter: Array | RunningTotal, rows: Index) -> Array:
    """What a counter added in each of some rows."""
    return counter.added(rows, rows + 1) if isinstance(counter, RunningTotal) else counter[rows]


def _added(counter: Array | RunningTotal, first: Index, stop: Index) -> Array:
    """What a counter added in the rows [first, stop) of each step; rows that overlap the next step's are counted in both."""
    if isinstance(counter, RunningTotal):
        return counter.added(first, stop)
    sums: Array = np.add.reduceat(counter, first)
    over = stop > np.append(first[1:], counter.size)
    sums[over] += counter[stop[over] - 1]
    return sums
