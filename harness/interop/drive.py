"""How hard each half cycle of an imported file was to drive: apparent resistances of all of them at once. No charge.

Lithium against lithium or copper is open at 0 V. A file that is called a deposit cell may yet be another one (silicon, sodium):
where the deposit is not driven below 0 V, nothing is plated from the counter electrode's own metal, and the open voltage counts
as unknown. Then V / I is no resistance.

The definitions are those of `harness.analysis.resistance`, taken over at most `MOST_ROWS` rows of a half cycle's first step
(`harness.analysis.spread`). So is the noise of a voltage, from second differences, which no smooth change survives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.integrals import FEWEST_FOR_NOISE, Index
from harness.analysis.resistance import FEWEST_READINGS, MIDDLE, SAME_CURRENT
from harness.analysis.spread import Spread, row_medians, smooth_scatters, spread_rows
from harness.interop.measured import Measured
from harness.model.run import Geometry

MOST_ROWS = 64
"""Of a half cycle: a resistance drifts through it by far more than the median of so many readings scatters, and σ says which."""
SETTLED_ROWS = 20
SETTLED = 0.9
STILL_AT_REST = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """The voltage at which a file's cell is open, ``None`` where it changes or is unknown; and what resistance each half cycle
    has, with its σ, NaN where none can be stated.
    """

    open_voltage_volt: float | None
    resistance_ohm: Array
    std_ohm: Array


def drive_of(measured: Measured, pieces: Index, direction: Index, geometry: Geometry) -> Drive:
    """The drive of half cycles that begin with the steps ``pieces``: V / I where the open voltage is 0, of a full cell what
    answers at once after a rest.
    """
    first, stop = measured.steps.first[pieces], measured.steps.stop[pieces]
    if geometry is Geometry.FULL:
        return Drive(None, *switch_resistances(measured.columns, first, stop))
    resistance, std = apparent_resistances(measured.columns, measured.timeline.clock_second, first, stop)
    deciding = resistance[np.isfinite(resistance) & ((direction < 0) | (geometry is Geometry.SYMMETRIC))]
    lithium = 2 * int(np.count_nonzero(deciding > 0)) > deciding.size
    stated = (resistance > 0) & lithium
    return Drive(0.0 if lithium else None, np.where(stated, resistance, np.nan), np.where(stated, std, np.nan))


def apparent_resistances(columns: Mapping[str, Array], clock: Array, first: Index, stop: Index) -> tuple[Array, Array]:
    """Median V / I over the middle of each step [first, stop) and its σ (`apparent_resistance`), NaN of too few readings;
    negative where no current drives this voltage.
    """
    resistance, std = np.full(first.size, np.nan), np.full(first.size, np.nan)
    if "voltage_volt" not in columns:
        return resistance, std
    for part, rows, inside in spread_rows(Spread(first, stop), MOST_ROWS):
        current = np.where(inside, columns["current_ampere"][rows], np.nan)
        volt, time = columns["voltage_volt"][rows], clock[rows]
        size = np.abs(current)
        typical = row_medians(size)[:, None]
        steady = np.isfinite(volt) & (np.abs(size - typical) <= SAME_CURRENT * typical) & (typical > 0)
        begin = np.min(time, axis=1, initial=np.inf, where=steady, keepdims=True)
        length = np.max(time, axis=1, initial=-np.inf, where=steady, keepdims=True) - begin
        with np.errstate(invalid="ignore"):
            middle = steady & (time >= begin + MIDDLE[0] * length) & (time <= begin + MIDDLE[1] * length)
        values = np.where(middle, volt / np.where(middle, current, 1.0), np.nan)
        count = np.count_nonzero(middle, axis=1)
        centre = row_medians(values)
        scatter = 1.4826 * row_medians(np.abs(values - centre[:, None]))
        usable = count >= FEWEST_READINGS
        resistance[part] = np.where(usable, centre, np.nan)
        std[part] = np.where(usable, 1.2533 * scatter / np.sqrt(np.maximum(count, 1)), np.nan)
    return resistance, std


def switch_resistances(columns: Mapping[str, Array], first: Index, stop: Index) -> tuple[Array, Array]:
    """(V − V_rest) / I at the first settled reading of each step after a rest (`switch_resistance`) and its σ; NaN without
    a rest, or where the voltage did not follow the current.
    """
    nothing = np.full(first.size, np.nan)
    if "voltage_volt" not in columns:
        return nothing, nothing.copy()
    current, volt = columns["current_ampere"], columns["voltage_volt"]
    rows = first[:, None] + np.arange(SETTLED_ROWS)[None, :]
    inside = rows < stop[:, None]
    begun = np.where(inside, np.abs(current[np.minimum(rows, current.size - 1)]), np.nan)
    with np.errstate(invalid="ignore"):
        settled = first + np.argmax(begun >= SETTLED * row_medians(begun)[:, None], axis=1)
        before = np.maximum(first - 1, 0)
        rested = (first > 0) & (np.abs(current[before]) <= STILL_AT_REST * np.abs(current[settled])) & (current[settled] != 0)
        resistance = (volt[settled] - volt[before]) / np.where(rested, current[settled], np.nan)
        resistance = np.where(resistance > 0, resistance, np.nan)
    std = math.sqrt(2) * _voltage_stds(volt, first, stop) / np.abs(np.where(rested, current[settled], np.nan))
    return resistance, np.where(np.isfinite(resistance), std, np.nan)


def _voltage_stds(voltage: Array, first: Index, stop: Index) -> Array:
    """One standard deviation of a reading in each step [first, stop), NaN where the readings are too few to say: its noise,
    or q / √12 of the smallest step q in the file where that is more.
    """
    noise = smooth_scatters(voltage, first, stop, fewest=FEWEST_FOR_NOISE)
    sample = np.unique(voltage[np.isfinite(voltage)][:20_000])
    step = float(np.min(np.diff(sample))) if sample.size > 1 else 0.0
    return np.maximum(noise, step / math.sqrt(12))
