"""What the columns of a file say of each other: each pair of witnesses gives one ratio that is 1 where both tell the truth.

The charge of a step is ∫ I dt and what its counter gained; its energy ∫ V I dt and what the energy counter gained; power is V I;
a step's length stands in step time, test time and wall time; a set current beside the measured one. All are compared *inside*
steps, from their first row to their last, so that no edge has to be known, and a step counts with the charge that passed in it.
Nothing here decides which column is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from harness.analysis.charge import COULOMB_PER_AH, Array
from harness.interop.columns import Columns
from harness.interop.timeline import STEP_KEYS

TIMES = ("test_time_second", "step_time_second", "unix_time_second")
CALENDAR_SECOND = (6.3e8, 2.84e9)
"""Wall times of measurements lie between 1990 and 2060."""
LARGEST_VOLT = 10.0
"""No single cell is above this for half of its file."""
LEAST_SHARE = 1e-3
CHUNK = 50
_CLOCK_UNITS = (60.0, 1e3, 3600.0, 1e6, 1e9)


@dataclass(frozen=True, slots=True)
class Witness:
    """One comparison: the columns in ``powers`` multiply (to these powers) to ``ratio``, and to 1 if all are true.

    ``log_std`` is how far the logarithm of the ratio may be off without a lie: sparse rows, rounding.
    """

    what: str
    powers: Mapping[str, int]
    ratio: float
    log_std: float


@dataclass(frozen=True, slots=True, eq=False)
class StepRows:
    """A file cut where its numbered steps or the current's direction change: ``first`` rows, and which intervals lie inside."""

    edge: NDArray[np.bool_]
    first: NDArray[np.intp]
    inside: NDArray[np.bool_]
    numbered: bool

    def sums(self, interval: Array) -> Array:
        """Per step, the sum of a quantity of intervals (one per row, that to the row before)."""
        return np.asarray(np.add.reduceat(np.where(self.inside, interval, 0.0), self.first), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class StepAmounts:
    """Per step: what the current says (signed, ± ``bracket``) and what a counter says (signed), in the counter's unit.

    ``lump`` is the smallest amount by which the counter ever moves.
    """

    expected: Array
    bracket: Array
    counted: Array
    lump: float

    def usable(self) -> NDArray[np.bool_]:
        """Steps that hold enough for a verdict, and whose rows are dense enough for one."""
        largest = float(np.max(np.abs(self.expected), initial=0.0))
        counted = float(np.max(np.abs(self.counted), initial=0.0))
        size = np.maximum(np.abs(self.expected) / (largest or 1.0), np.abs(self.counted) / (counted or 1.0))
        usable: NDArray[np.bool_] = (size > LEAST_SHARE) & (self.bracket < 0.2 * np.abs(self.expected)) & (self.expected != 0)
        return usable


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A file's numbers, the words beside them, its steps, the clock its charges are integrated over, what each counter says."""

    columns: Mapping[str, Array]
    words: Mapping[str, pl.Series]
    steps: StepRows
    time: str | None
    amounts: Mapping[str, StepAmounts]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """Everything a frame with machine names can be asked for."""
        columns = numbers_of(frame)
        words = {name: frame[name] for name in frame.columns if frame.schema[name] == pl.String}
        steps = step_rows(columns, frame.height)
        time = next((name for name in TIMES if name in columns), None)
        amounts = {}
        if time is not None and "current_ampere" in columns:
            energies = counter_columns(columns, "_wh") if "voltage_volt" in columns else []
            for counter in [*counter_columns(columns), *energies]:
                amounts[counter] = _step_amounts(columns, steps, time, counter)
        return cls(columns, words, steps, time, amounts)


def numbers_of(frame: pl.DataFrame) -> dict[str, Array]:
    """The columns that hold numbers, missing ones as NaN; a column of nothing is left out."""
    return {name: values for name, values in Columns(frame).items() if bool(np.isfinite(values).any())}


def step_rows(columns: Mapping[str, Array], size: int) -> StepRows:
    """Where the steps of ``size`` rows begin; probes (rows with a frequency) lie inside none."""
    edge = np.zeros(size, dtype=np.bool_)
    edge[0] = True
    for key in STEP_KEYS:
        if key in columns:
            values = np.nan_to_num(columns[key])
            edge[1:] |= values[1:] != values[:-1]
    current = columns.get("current_ampere")
    if current is not None:
        sign = np.sign(np.nan_to_num(current))
        edge[1:] |= sign[1:] != sign[:-1]
    if "step_time_second" in columns:
        edge[1:] |= np.diff(np.nan_to_num(columns["step_time_second"])) < 0
    inside = ~edge
    if "frequency_hertz" in columns:
        inside &= ~(np.nan_to_num(columns["frequency_hertz"]) > 0)
    numbered = any(key in columns for key in ("step_count", "step_index", "step_id"))
    return StepRows(edge, np.flatnonzero(edge), inside, numbered)


def witnesses(evidence: Evidence) -> list[Witness]:
    """Every comparison the file allows."""
    columns = evidence.columns
    found = [*_clocks(columns, evidence.steps), *_absolute(columns), *_counters(evidence)]
    if "current_ampere" in columns:
        found += [*_power(columns), *_set_current(columns)]
    return found


def counter_columns(columns: Mapping[str, Array], unit: str = "_ah") -> list[str]:
    """The charge (or, with ``_wh``, energy) counters a file has."""
    return [name for name in columns if name.endswith(unit) and "std" not in name and bool(np.isfinite(columns[name]).any())]


def side_of(counter: str) -> int:
    """+1 or −1 for a counter of one direction by its name, 0 for one of both."""
    return -1 if "discharg" in counter else 1 if "charging" in counter else 0


def gained(values: Array, counter: str) -> Array:
    """What each row added to a counter: a fall by more than half is a reset and adds nothing."""
    if "increment" in counter:
        return np.nan_to_num(values)
    filled = np.nan_to_num(values)
    added = np.diff(filled, prepend=filled[0])
    magnitude = np.abs(filled)
    before = np.concatenate((magnitude[:1], magnitude[:-1]))
    return np.where((magnitude < 0.5 * before) & (np.abs(added) > 0.5 * before), 0.0, added)


def middle(values: Array) -> float:
    """The median of some thousands of the rows, evenly spread."""
    return float(np.nanmedian(values[:: max(1, values.size // 5000)]))


def _step_amounts(columns: Mapping[str, Array], steps: StepRows, time: str, counter: str) -> StepAmounts:
    """What the current and a counter say of every step."""
    flow = columns["current_ampere"]
    if counter.endswith("_wh"):
        flow = flow * columns["voltage_volt"]
    interval = np.diff(columns[time], prepend=columns[time][0])
    flow = np.nan_to_num(flow)
    interval = np.where(np.isfinite(interval) & (interval > 0), interval, 0.0) / COULOMB_PER_AH
    before = np.concatenate((flow[:1], flow[:-1]))
    added = gained(columns[counter], counter)
    moved = np.abs(added[np.abs(added) > 1e-9 * float(np.nanmax(np.abs(columns[counter]), initial=0.0))])
    return StepAmounts(
        steps.sums(interval * (flow + before) / 2),
        steps.sums(interval * np.abs(flow - before)) / 2,
        steps.sums(added),
        float(np.min(moved, initial=np.inf)) if moved.size else 0.0,
    )


def _clocks(columns: Mapping[str, Array], steps: StepRows) -> Iterator[Witness]:
    """Lengths of short stretches on two clocks each: their median is blind to a clock that jumps once."""
    present = [name for name in TIMES if name in columns]
    for place, one in enumerate(present):
        for other in present[place + 1 :]:
            starts = np.flatnonzero(steps.edge | (np.arange(steps.edge.size) % CHUNK == 0))
            spans = []
            for name in (one, other):
                interval = np.diff(columns[name], prepend=columns[name][0])
                spans.append(np.add.reduceat(np.where(steps.inside & np.isfinite(interval), interval, 0.0), starts))
            both = (spans[0] > 0) & (spans[1] > 0)
            if bool(both.any()):
                log, weight = np.log(spans[0][both] / spans[1][both]), spans[1][both]
                yield Witness(f"{one} against {other}", {one: 1, other: -1}, math.exp(_median(log, weight)), 0.0)


def _absolute(columns: Mapping[str, Array]) -> Iterator[Witness]:
    """Columns that nature itself witnesses: the calendar, and the voltage no cell reaches."""
    if "unix_time_second" in columns:
        typical = middle(columns["unix_time_second"])
        scales = [1.0, *(value for unit in _CLOCK_UNITS for value in (unit, 1 / unit))]
        fitting = [scale for scale in scales if CALENDAR_SECOND[0] < typical / scale < CALENDAR_SECOND[1]]
        if fitting and fitting[0] != 1.0:
            yield Witness("unix_time_second against the calendar", {"unix_time_second": 1}, fitting[0], 0.0)
    if "voltage_volt" in columns:
        typical = middle(np.abs(columns["voltage_volt"]))
        if LARGEST_VOLT < typical <= LARGEST_VOLT * 1e3:
            yield Witness("voltage_volt against what a cell can have", {"voltage_volt": 1}, 1e3, 0.0)


def _counters(evidence: Evidence) -> Iterator[Witness]:
    for counter, amounts in evidence.amounts.items():
        usable = amounts.usable() & (amounts.counted != 0)
        if not bool(usable.any()) or evidence.time is None:
            continue
        expected, counted = np.abs(amounts.expected[usable]), np.abs(amounts.counted[usable])
        spread = float(np.sum(amounts.bracket[usable]) / np.sum(expected)) + 2 * amounts.lump / float(np.max(counted))
        ratio = math.exp(_median(np.log(expected / counted), counted))
        powers = {"current_ampere": 1, evidence.time: 1, counter: -1}
        if counter.endswith("_wh"):
            powers["voltage_volt"] = 1
        yield Witness(f"{counter} against the integral over {evidence.time}", powers, ratio, spread)


def _power(columns: Mapping[str, Array]) -> Iterator[Witness]:
    if "power_watt" in columns and "voltage_volt" in columns:
        power, product = np.abs(columns["power_watt"]), np.abs(columns["voltage_volt"] * columns["current_ampere"])
        ratio = _common_ratio(power, product)
        if ratio is not None:
            yield Witness("power_watt against V × I", {"power_watt": 1, "voltage_volt": -1, "current_ampere": -1}, ratio, 0.0)


def _set_current(columns: Mapping[str, Array]) -> Iterator[Witness]:
    for name in ("control_current_ampere", "set_current_ampere"):
        if name in columns:
            ratio = _common_ratio(np.abs(columns["current_ampere"]), np.abs(columns[name]))
            if ratio is not None:
                yield Witness(f"current_ampere against {name}", {"current_ampere": 1, name: -1}, ratio, 0.0)


def _common_ratio(one: Array, other: Array) -> float | None:
    """The median ratio of two columns, ``None`` unless most of the rows that hold something agree on it within 5 %."""
    largest = float(np.nanmax(one, initial=0.0)), float(np.nanmax(other, initial=0.0))
    with np.errstate(invalid="ignore"):
        valid = (one > 0.02 * largest[0]) & (other > 0.02 * largest[1])
    if int(valid.sum()) < 3:
        return None
    log = np.log(one[valid] / other[valid])
    common = float(np.median(log))
    return math.exp(common) if float(np.mean(np.abs(log - common) < 0.05)) > 0.5 else None


def _median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, 0.5 * running[-1])])
