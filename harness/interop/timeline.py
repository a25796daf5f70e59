"""The time axis of an imported file: what is impossible in it is found and named, and repaired only when asked. No charges.

Files disagree with their clocks: rows that say 0 at a step's first reading, clocks that were set back, exports without a test
time. Time inside a step comes from the instrument's own step time where the file has it; wall time is only ever a last resort,
since a daylight-saving change moves it and moves no coulomb. A row whose time cannot be true belongs to no interval: the rows
beside it are other steps. With the repair it takes the time of the row before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.counting import decimal_resolution
from harness.analysis.integrals import FLAG_BACKWARD, GAP_FACTOR, GAP_SECOND, NOWHERE, Index, Mask, longest_regular
from harness.analysis.missing import all_finite, any_finite, held
from harness.errors import BadInput
from harness.interop.columns import Columns
from harness.interop.finding import Finding

STEP_KEYS = ("step_count", "step_index", "step_id", "half_cycle_count", "cycle_count")
FLAG_DERIVED = "time_derived"
"""The file has no test time: it was put together from step time or wall time."""
FLAG_REPAIRED = "time_repaired"
"""Rows whose time went back took the time of the row before."""
FLAG_JUMP = "clock_jump"
"""A clock of the file jumped while the instrument's own went on; the instrument's was used."""

FIND_BACKWARD = "time_backward"
FIND_SET_BACK = "time_set_back"
FIND_MISSING = "time_missing"
FIND_DERIVED = "time_derived"
FIND_JUMP = "clock_jump"
FIND_APART = "time_disagrees"

STAMP_SECOND = 1e-3
"""No tester's stamps are believed to be finer, however many digits they have."""
UNSORTED_SHARE = 0.25
"""Where more than this share of the rows goes back, the rows are out of order, not their clock."""


RUNS_APART = 0.05
"""Two clocks that come apart at more than this share of the rows run at different rates; neither jumps."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The time of every row.

    ``time_second`` never falls; ``clock_second`` is what to integrate over, the step time where the file has it, NaN where a
    stamp is missing; ``complete`` says that none is. ``step_edge`` says before which rows nothing may be integrated: where a
    step begins, or, at ``broken_rows``, time broke.
    ``flags`` hold for the file, ``flagged_rows`` say which rows have a flag of their own.
    """

    time_second: Array
    clock_second: Array
    complete: bool
    step_second: Array | None
    resolution_second: float
    step_edge: Mask
    broken_rows: Index
    flags: frozenset[str]
    flagged_rows: Mapping[str, Index]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Found:
    """What is put together about one column of time."""

    column: str
    repair: bool
    split: list[Index]
    rows: dict[str, Index]
    findings: list[Finding]
    swapped: Index

    def name(self, kind: str, rows: Index, text: str, *, repaired: bool = False) -> None:
        self.findings.append(Finding(kind, self.column, text, tuple(rows.tolist()), repaired=repaired))


def build_timeline(columns: Columns, where: str, *, repair: bool = False) -> Timeline:
    """The time axis of a file.

    Raises:
        BadInput: there is no column of time, none with a number, or its rows are out of order (and no repair was asked for).
    """
    known = "step_time_second" in columns and columns.complete("step_time_second")
    step = columns["step_time_second"] if known else None
    name, raw = _raw_time(columns, step, where)
    found = _Found(name, repair, [], {}, [], NOWHERE)
    if name != "test_time_second":
        found.name(FIND_DERIVED, np.zeros(0, dtype=np.int64), f"there is no test time; it was put together from {name}")
    filled = _filled(raw, found)
    time = _without_falls(filled, step, found, where)
    edge = _step_edges(columns, raw.size, found.swapped)
    if step is not None and found.swapped.size:
        step = step.copy()
        step[found.swapped] = step[found.swapped - 1]
    complete = step is not None or filled is raw
    clock = time if step is None else step
    if not complete:
        clock = np.where(np.isfinite(raw), time, np.nan)
    if name == "unix_time_second":
        _split_holes(time, found)
    elif "unix_time_second" in columns:
        _find_jumps("unix_time_second", columns["unix_time_second"], time if step is None else step, found)
    if step is not None:
        if name != "step_time_second" and _drifts(time, step, edge):
            _find_jumps(name, time, step, found)
        found.split.clear()
    broken = np.concatenate(found.split or [np.zeros(0, dtype=np.int64)])
    edge[broken] = True
    flags = frozenset({FLAG_DERIVED} if name != "test_time_second" else ())
    resolution = max(decimal_resolution(raw if step is None else step), STAMP_SECOND)
    return Timeline(time, clock, complete, step, resolution, edge, broken, flags, found.rows, tuple(found.findings))


def out_of_order(time: Array) -> bool:
    """Whether rows are shuffled rather than a clock set back: more than a quarter of them go back."""
    known = time[np.isfinite(time)]
    return known.size > 3 and int(np.count_nonzero(known[1:] < known[:-1])) > UNSORTED_SHARE * known.size


def _raw_time(columns: Columns, step: Array | None, where: str) -> tuple[str, Array]:
    if "test_time_second" in columns:
        name, raw = "test_time_second", columns["test_time_second"]
    elif step is not None:
        name, raw = "step_time_second", _joined_steps(step, columns)
    elif "unix_time_second" in columns:
        name, raw = "unix_time_second", columns["unix_time_second"]
        raw = raw - np.min(raw, initial=np.inf, where=np.isfinite(raw))
    else:
        raise BadInput(where, "no column holds a time; it needs test_time_second, step_time_second or unix_time_second")
    if not any_finite(raw):
        raise BadInput(where, f'its column "{name}" holds no number')
    return name, raw


def _filled(raw: Array, found: _Found) -> Array:
    """Stamps with the one before in place of each missing one (the first known one at the beginning)."""
    if all_finite(raw):
        return raw
    known = np.isfinite(raw)
    rows = np.flatnonzero(~known)
    found.name(FIND_MISSING, rows, f"{rows.size} rows have no time and were left out")
    return held(raw, np.zeros(1, dtype=np.int64))


def _without_falls(time: Array, step: Array | None, found: _Found, where: str) -> Array:
    """Stamps that never fall: a single row that went back (or ahead) takes the time of the row before; after a lasting fall the
    clock goes on from where it was. Neither is integrated over, unless the single rows are to be repaired. Rows in each other's
    place lose nothing: the time of both is known.
    """
    fall = np.flatnonzero(time[1:] < time[:-1]) + 1
    if fall.size == 0:
        return time
    if out_of_order(time):
        raise BadInput(where, f"its rows are not in the order of time ({fall.size} of {time.size} go back); sort them or repair")
    time = time.copy()
    found.swapped = swapped = _swapped(time, fall, step)
    if swapped.size:
        time[swapped] = time[swapped - 1]
        found.name(FIND_BACKWARD, swapped, f"{swapped.size} rows stand in the place of the one before; the time of both was used")
        found.rows[FLAG_BACKWARD] = swapped
        fall = np.flatnonzero(time[1:] < time[:-1]) + 1
    single = _single_rows(time, fall) if fall.size else fall
    if single.size:
        time[single] = time[single - 1]
        done = "took the time of the row before" if found.repair else "nothing was integrated over them"
        found.name(FIND_BACKWARD, single, f"{single.size} rows have an impossible time; {done}", repaired=found.repair)
        flag = FLAG_REPAIRED if found.repair else FLAG_BACKWARD
        found.rows[flag] = np.union1d(found.rows.get(flag, single), single)
        if not found.repair:
            found.split += [single, single[single + 1 < time.size] + 1]
    lasting = np.flatnonzero(time[1:] < time[:-1]) + 1
    if lasting.size:
        found.name(FIND_SET_BACK, lasting, f"the clock was set back {lasting.size} times; nothing was integrated across")
        found.rows[FLAG_BACKWARD] = np.union1d(found.rows.get(FLAG_BACKWARD, lasting), lasting)
        found.split.append(lasting)
        lost = np.zeros_like(time)
        lost[lasting] = time[lasting - 1] - time[lasting]
        time += np.cumsum(lost)
    return time


def _swapped(time: Array, fall: Index, step: Array | None) -> Index:
    """Rows earlier than the one before, by step time too, where either order of the two stands between their neighbours."""
    fall = fall[(fall >= 2) & (fall + 1 < time.size)]
    fall = fall[(time[fall] >= time[fall - 2]) & (time[fall - 1] <= time[fall + 1])]
    return fall if step is None else fall[(step[fall] < step[fall - 1]) & (step[fall] >= step[fall - 2])]


def _single_rows(time: Array, fall: Index) -> Index:
    """Rows that alone are out of line: too early between two in order, or too late between two in order."""
    after = time[np.minimum(fall + 1, time.size - 1)]
    low = (fall + 1 >= time.size) | (after >= time[fall - 1])
    high = ~low & (fall >= 2) & (time[fall] >= time[np.maximum(fall - 2, 0)])
    return np.unique(np.concatenate((fall[low], fall[high] - 1)))


def _find_jumps(name: str, clock: Array, own: Array, found: _Found) -> None:
    """Rows at which one of the file's clocks jumped while the instrument's ``own`` went on."""
    if clock.size < 3:
        return
    ahead = clock - own
    with np.errstate(invalid="ignore"):
        far = np.flatnonzero(np.abs(ahead[1:] - ahead[:-1]) > GAP_SECOND) + 1
    far = far[own[far] >= own[far - 1]]
    if far.size == 0:
        return
    passed = np.diff(own)
    typical = float(np.median(passed[passed > 0])) if bool((passed > 0).any()) else 0.0
    rows = far[np.abs(ahead[far] - ahead[far - 1]) > GAP_FACTOR * typical]
    if rows.size > RUNS_APART * own.size:
        found.findings.append(
            Finding(FIND_APART, name, f"{name} does not run at the rate of the instrument's clock, which was used")
        )
    elif rows.size:
        found.rows[FLAG_JUMP] = np.union1d(found.rows.get(FLAG_JUMP, rows), rows)
        text = f"{name} jumps {rows.size} times while the instrument's clock goes on, which was used"
        found.findings.append(Finding(FIND_JUMP, name, text, tuple(rows.tolist())))


def _split_holes(time: Array, found: _Found) -> None:
    """Wall time alone cannot tell a hole in the record from a jump of the clock: neither is integrated over."""
    passed = np.diff(time)
    rows = np.flatnonzero(passed > longest_regular(passed)) + 1
    if rows.size:
        found.rows[FLAG_JUMP] = np.union1d(found.rows.get(FLAG_JUMP, rows), rows)
        found.split.append(rows)
        found.name(FIND_JUMP, rows, f"the clock jumps or rows are missing at {rows.size} places; nothing was integrated across")


def _drifts(time: Array, step: Array, edge: Mask) -> bool:
    """Whether two clocks come apart within a step, by enough to look for a jump."""
    first = np.flatnonzero(edge)
    last = np.append(first[1:], time.size) - 1
    return bool(np.any(np.abs((time[last] - time[first]) - (step[last] - step[first])) > GAP_SECOND))


def _joined_steps(step: Array, columns: Columns) -> Array:
    """Step times laid end to end."""
    starts = np.flatnonzero(_step_edges(columns, step.size))
    ends = np.append(starts[1:], step.size) - 1
    lengths = np.concatenate(([0.0], np.cumsum(step[ends])[:-1]))
    joined: Array = step + np.repeat(lengths, np.diff(np.append(starts, step.size)))
    return joined


def _step_edges(columns: Columns, size: int, swapped: Index = NOWHERE) -> Mask:
    """Where a step begins: a step's number changed, its time fell (but for ``swapped`` rows), or a probe began or ended."""
    edge = np.zeros(size, dtype=np.bool_)
    edge[0] = True
    for key in STEP_KEYS:
        if key in columns:
            edge[1:] |= columns.changes(key)
    if "frequency_hertz" in columns:
        sounding = columns["frequency_hertz"] > 0
        edge[1:] |= sounding[1:] != sounding[:-1]
    if "step_time_second" in columns:
        time = columns["step_time_second"]
        fell = time[1:] < time[:-1]
        fell[swapped - 1] = False
        edge[1:] |= fell
    return edge
