"""Where the current of a record changes from one steady value to another, and when exactly. No resistances.

A record knows a switch only by its neighbours. Where the instrument wrote down at least as often just before the switch as after
it (instruments write a last reading when a step ends), the last reading before is the moment. Where a step's own clock is given
it says the moment. Otherwise the switch lies within one interval before the first reading: then the middle is taken and half of
the interval stated. A single reading in between two steady currents is of neither (it straddles the switch) and belongs to no
stretch; its current is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.errors import AnalysisError

EDGE_SHARE = 0.02
"""A change of the current by more than this share of the larger of two neighbours is a switch, …"""
FLOOR_SHARE = 1e-3
"""… if it is more than this share of the largest in the record and …"""
NOISE_FACTOR = 8.0
"""… this many times the record's typical step from reading to reading, too: below lies the noise of a rest."""


@dataclass(frozen=True, slots=True)
class Record:
    """Readings in the order of time, all finite, as `record_of` makes it."""

    time_second: Array
    voltage_volt: Array
    current_ampere: Array
    step_time_second: Array | None


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: readings ``begin`` to ``before`` (last) hold the current ``before_ampere``, ``first`` to ``end`` (not
    included) ``after_ampere``; it happened at ``second``, give or take ``second_half_width``.
    """

    begin: int
    before: int
    first: int
    end: int
    second: float
    second_half_width: float
    before_ampere: float
    after_ampere: float

    @property
    def step_ampere(self) -> float:
        """The change of the current."""
        return self.after_ampere - self.before_ampere


def record_of(time_second: Array, voltage_volt: Array, current_ampere: Array, step_time_second: Array | None = None) -> Record:
    """What was measured, checked; readings with a missing value are left out.

    Raises:
        AnalysisError: lengths differ, fewer than three usable readings, or time runs backward.
    """
    columns = [np.asarray(column, dtype=np.float64).ravel() for column in (time_second, voltage_volt, current_ampere)]
    if len({column.size for column in columns}) > 1:
        sizes = ", ".join(str(column.size) for column in columns)
        raise AnalysisError(f"time, voltage and current have {sizes} values; give one of each for every reading")
    valid = np.all(np.isfinite(columns), axis=0)
    if int(valid.sum()) < 3:
        raise AnalysisError(f"a record of {int(valid.sum())} usable readings was given; a change of current needs three")
    time, voltage, current = (column[valid] for column in columns)
    if bool(np.any(np.diff(time) < 0)):
        place = int(np.argmax(np.diff(time) < 0))
        raise AnalysisError(f"time runs backward after {time[place]:g} s; sort the readings, or split the record there")
    own = None if step_time_second is None else np.asarray(step_time_second, dtype=np.float64).ravel()[valid]
    return Record(time, voltage, current, own)


def switches(record: Record) -> list[Switch]:
    """Every switch of the record from one steady current to another, in order."""
    current = record.current_ampere
    largest = float(np.max(np.abs(current)))
    if largest == 0.0:
        return []
    size, change = np.abs(current), np.abs(np.diff(current))
    floor = max(FLOOR_SHARE * largest, NOISE_FACTOR * float(np.median(change)))
    edges = np.flatnonzero(change > np.maximum(EDGE_SHARE * np.maximum(size[1:], size[:-1]), floor)) + 1
    starts, ends = np.concatenate(([0], edges)), np.concatenate((edges, [current.size]))
    steady = _steady(starts, ends, current)
    found = []
    for left, right in zip(np.flatnonzero(steady)[:-1], np.flatnonzero(steady)[1:], strict=True):
        begin, before, first, end = int(starts[left]), int(ends[left]) - 1, int(ends[left]), int(ends[right])
        second, half_width = _moment(record, before, first)
        values = (float(np.median(current[begin : before + 1])), float(np.median(current[starts[right] : end])))
        found.append(Switch(begin, before, first, end, second, half_width, *values))
    return found


def _steady(starts: NDArray[np.intp], ends: NDArray[np.intp], current: Array) -> NDArray[np.bool_]:
    """All stretches but single readings whose current lies between their neighbours'."""
    steady = np.ones(starts.size, dtype=np.bool_)
    for place in np.flatnonzero(ends - starts == 1):
        here = int(starts[place])
        if 0 < here < current.size - 1:
            low, high = sorted((current[here - 1], current[here + 1]))
            steady[place] = not low < current[here] < high
    return steady


def _moment(record: Record, before: int, first: int) -> tuple[float, float]:
    time = record.time_second
    if record.step_time_second is not None and np.isfinite(own := record.step_time_second[first]):
        return float(np.clip(time[first] - own, time[before], time[first])), 0.0
    gap = float(time[first] - time[before])
    later = int(np.searchsorted(time, time[first], side="right"))
    interval = float(time[later] - time[first]) if later < time.size else gap
    if gap <= 1.01 * interval:
        return float(time[before]), 0.0
    return float(time[first]) - interval / 2, interval / 2


def voltage_noise(voltage_volt: Array) -> float | None:
    """One standard deviation of a reading in a stretch, from second differences (a slope and a slow bend drop out), but not less
    than the finest step seen / √12. ``None`` with fewer than five readings.
    """
    if voltage_volt.size < 5:
        return None
    bends = np.diff(voltage_volt, n=2)
    steps = np.abs(np.diff(np.unique(voltage_volt)))
    finest = float(steps.min()) / np.sqrt(12) if steps.size else 0.0
    return float(max(np.sqrt(np.mean(bends**2) / 6), finest))
