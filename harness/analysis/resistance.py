"""Apparent DC resistance of a half cycle: how hard the cell was to drive, from the cycling data alone.

Lithium against lithium (Li||Li, and Li||Cu while lithium is on the copper) is at 0 V when no current flows, so
R = median |V| / |I| over the middle of the half cycle: the nucleation dip at its start and the knee at its end stay out. A full
cell has no such zero while it charges; there the step of the voltage at the start of the current is used,
R = (V(first reading) − V(last reading of the rest before)) / ΔI, which holds what has answered by that reading and nothing later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array

MIDDLE = (0.1, 0.9)
SAME_CURRENT = 0.05
FEWEST_READINGS = 3


@dataclass(frozen=True, slots=True)
class Resistance:
    """A resistance and its standard deviation, ``None`` when the readings are too few to say."""

    resistance_ohm: float
    resistance_ohm_std: float | None


def apparent_resistance(
    time_second: Array, voltage_volt: Array, current_ampere: Array, open_voltage_volt: float = 0.0
) -> Resistance | None:
    """Median (V − V_open) / I over 10–90 % of the time at constant current, ``None`` when fewer than three readings lie there
    or when it is negative: then no current drives this voltage, and ``open_voltage_volt`` is not the cell's open voltage.

    Readings whose current differs by more than 5 % from the median belong to a hold or a ramp and stay out. The standard
    deviation is that of a median, 1.2533 × 1.4826 × MAD / √n; a drift within the half cycle counts as scatter.
    """
    size = np.abs(current_ampere)
    typical = float(np.median(size)) if size.size else 0.0
    if typical <= 0.0:
        return None
    steady = np.isfinite(voltage_volt) & (np.abs(size - typical) <= SAME_CURRENT * typical)
    if not bool(steady.any()):
        return None
    time = time_second[steady]
    first, last = float(time[0]), float(time[-1])
    low, high = (first + share * (last - first) for share in MIDDLE)
    middle = (time >= low) & (time <= high)
    values = (voltage_volt[steady][middle] - open_voltage_volt) / current_ampere[steady][middle]
    if values.size < FEWEST_READINGS:
        return None
    centre = float(np.median(values))
    if centre <= 0.0:
        return None
    scatter = 1.4826 * float(np.median(np.abs(values - centre)))
    return Resistance(centre, 1.2533 * scatter / math.sqrt(values.size))


def switch_resistance(
    rest_voltage_volt: float | None, voltage_volt: float, current_ampere: float, voltage_std_volt: float | None = None
) -> Resistance | None:
    """(V − V_rest) / I at the first reading after a rest; σ = √2 σ_V / |I|. ``None`` without a rest or without a current."""
    if rest_voltage_volt is None or current_ampere == 0.0:
        return None
    std = None if voltage_std_volt is None else math.sqrt(2) * voltage_std_volt / abs(current_ampere)
    return Resistance((voltage_volt - rest_voltage_volt) / current_ampere, std)
