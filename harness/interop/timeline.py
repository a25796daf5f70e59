"""The time axis and the steps of an imported file: repaired where it can be, flagged where it was. No charge, no cycles.

Files disagree with their clocks: rows that say 0 at a step's first reading, clocks that were set back, exports without a test
time. Time inside a step comes from the instrument's own step time where the file has it; wall time is only ever a last resort,
since a daylight-saving change moves it and moves no coulomb.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import FLAG_BACKWARD, Array, decimal_resolution
from harness.errors import BadInput

Index = NDArray[np.int64]

STEP_KEYS = ("step_count", "step_index", "step_id", "half_cycle_count", "cycle_count", "frequency_hertz")
FLAG_DERIVED = "time_derived"
"""The file has no test time: it was put together from step time or wall time."""
FLAG_REPAIRED = "time_repaired"
"""Single rows whose time went back took the time of the row before."""
FLAG_DISAGREES = "time_disagrees"
"""Step time and test time differ by more than 1 % over a step."""

WEAKEST_OF_STEP = 1e-3
WEAKEST_OF_FILE = 2e-4
FAINT_CURRENT = 2e-3
FAINT_CHARGE = 1e-3


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stamps that never fall, the step time where it can be trusted, and what had to be done."""

    time_second: Array
    step_second: Array | None
    resolution_second: float
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows [first, stop) of one step and one direction (+1, −1; 0 is rest or probe).

    ``start_second`` and ``end_second`` are its edges on its own ``clock``, ``None`` where nobody states them;
    ``unknown_edge_second`` is the time beside it that belongs to nobody; ``continues`` says that the very next row has the same
    direction.
    """

    first: int
    stop: int
    direction: int
    clock: Array
    start_second: float | None
    end_second: float | None
    unknown_edge_second: float
    continues: bool = False


def build_timeline(columns: Mapping[str, Array], where: str) -> Timeline:
    """The time axis of a file.

    Raises:
        BadInput: there is no column of time.
    """
    step = columns.get("step_time_second")
    step = step if step is not None and bool(np.isfinite(step).all()) else None
    flags = set()
    if "test_time_second" in columns:
        raw = columns["test_time_second"]
    elif step is not None:
        flags.add(FLAG_DERIVED)
        raw = _joined_steps(step, columns)
    elif "unix_time_second" in columns:
        flags.add(FLAG_DERIVED)
        raw = columns["unix_time_second"] - np.nanmin(columns["unix_time_second"])
    else:
        raise BadInput(where, "no column holds a time; it needs test_time_second, step_time_second or unix_time_second")
    time, repairs = repaired_time(raw)
    resolution = decimal_resolution(step if step is not None else raw)
    return Timeline(time, step, resolution, frozenset(flags | repairs))


def repaired_time(time: Array) -> tuple[Array, set[str]]:
    """Stamps that never fall: a single row that went back takes the time of the row before; after a lasting fall the clock goes
    on from where it was. Missing stamps take the time of the row before.
    """
    flags: set[str] = set()
    if not bool(np.isfinite(time).all()):
        held = np.maximum.accumulate(np.where(np.isfinite(time), np.arange(time.size), 0))
        time = np.nan_to_num(time[held], nan=0.0)
        flags.add(FLAG_REPAIRED)
    fall = np.flatnonzero(np.diff(time) < 0) + 1
    if fall.size == 0:
        return time, flags
    time = time.copy()
    single = fall[(fall + 1 >= time.size) | (time[np.minimum(fall + 1, time.size - 1)] >= time[fall - 1])]
    if single.size:
        time[single] = time[single - 1]
        flags.add(FLAG_REPAIRED)
    lasting = np.flatnonzero(np.diff(time) < 0) + 1
    if lasting.size:
        lost = np.zeros_like(time)
        lost[lasting] = time[lasting - 1] - time[lasting]
        time += np.cumsum(lost)
        flags.add(FLAG_BACKWARD)
    return time, flags


def segments(columns: Mapping[str, Array], timeline: Timeline) -> tuple[list[Segment], set[str]]:
    """The file cut where a step, a direction or a probe begins; with flags about clocks that disagree."""
    current = columns["current_ampere"]
    step_edges = _step_edges(columns, current.size)
    direction = _directions(columns, timeline, step_edges)
    edge = step_edges | (np.diff(direction, prepend=direction[0]) != 0)
    edge[0] = True
    first = np.flatnonzero(edge)
    stop = np.append(first[1:], current.size)
    flags: set[str] = set()
    made = []
    for begin, end in zip(first.tolist(), stop.tolist(), strict=True):
        same = bool(end < current.size and direction[end] == direction[begin])
        made.append(replace(_segment(slice(begin, end), int(direction[begin]), timeline, step_edges, flags), continues=same))
    return made, flags


def _joined_steps(step: Array, columns: Mapping[str, Array]) -> Array:
    """Step times laid end to end."""
    edge = _step_edges(columns, step.size)
    starts = np.flatnonzero(edge)
    ends = np.append(starts[1:], step.size) - 1
    lengths = np.concatenate(([0.0], np.cumsum(step[ends])[:-1]))
    joined: Array = step + np.repeat(lengths, np.diff(np.append(starts, step.size)))
    return joined


def _step_edges(columns: Mapping[str, Array], size: int) -> NDArray[np.bool_]:
    """Where a step begins: a step's number changed, its time fell, or a probe began or ended."""
    edge = np.zeros(size, dtype=np.bool_)
    edge[0] = True
    for key in STEP_KEYS:
        if key in columns:
            values = np.nan_to_num(columns[key], nan=0.0)
            numbers = np.sign(values) if key == "frequency_hertz" else values
            edge[1:] |= numbers[1:] != numbers[:-1]
    if "step_time_second" in columns:
        with np.errstate(invalid="ignore"):
            edge[1:] |= np.diff(columns["step_time_second"]) < 0
    return edge


def _directions(columns: Mapping[str, Array], timeline: Timeline, edge: NDArray[np.bool_]) -> Index:
    """+1, −1 or 0 for each row: 0 is a rest, a probe, or a current too faint to be meant."""
    current = np.nan_to_num(columns["current_ampere"], nan=0.0)
    size = np.abs(current)
    largest = float(size.max(initial=0.0))
    starts = np.flatnonzero(edge)
    lengths = np.diff(np.append(starts, current.size))
    of_step = np.repeat(np.maximum.reduceat(size, starts), lengths)
    direction = np.where(size > np.maximum(WEAKEST_OF_STEP * of_step, WEAKEST_OF_FILE * largest), np.sign(current), 0.0)
    if "frequency_hertz" in columns:
        direction[np.nan_to_num(columns["frequency_hertz"], nan=0.0) > 0] = 0.0
    interval = np.diff(timeline.time_second, append=timeline.time_second[-1])
    charge = np.repeat(np.abs(np.add.reduceat(current * interval, starts)), lengths)
    mean = np.repeat(np.add.reduceat(size, starts) / lengths, lengths)
    faint = (charge < FAINT_CHARGE * float(charge.max(initial=0.0))) & (mean < FAINT_CURRENT * largest)
    direction[faint] = 0.0
    return direction.astype(np.int64)


def _segment(rows: slice, direction: int, timeline: Timeline, step_edges: NDArray[np.bool_], flags: set[str]) -> Segment:
    time = timeline.time_second
    first, stop = int(rows.start), int(rows.stop)
    clock = time[first:stop]
    if direction == 0:
        return Segment(first, stop, direction, clock, None, None, 0.0)
    before = float(time[first] - time[first - 1]) if first else 0.0
    if timeline.step_second is None:
        unknown = before if before > 0 and before <= 3 * _typical_interval(clock) else 0.0
        return Segment(first, stop, direction, clock, None, None, unknown)
    step = timeline.step_second[first:stop]
    if abs((step[-1] - step[0]) - (clock[-1] - clock[0])) > max(0.01 * (clock[-1] - clock[0]), 2.0):
        flags.add(FLAG_DISAGREES)
    since = float(step[0])
    begins = bool(step_edges[first]) and 0 < since <= 1.001 * (before if first else since)
    begins = begins and since <= 3 * _typical_interval(step)
    end = None
    if stop < time.size and bool(step_edges[stop]):
        rest = float(time[stop] - time[stop - 1]) - float(timeline.step_second[stop])
        end = float(step[-1]) + rest if rest > 0 and rest <= 3 * _typical_interval(clock) else None
    return Segment(first, stop, direction, step, 0.0 if begins else None, end, 0.0)


def _typical_interval(clock: Array) -> float:
    interval = np.diff(clock)
    interval = interval[interval > 0]
    return float(np.median(interval)) if interval.size else 0.0
