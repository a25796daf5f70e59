"""Apparent DC resistance of a half cycle: how hard the cell was to drive; any resistance per area, and beside impedance.

Lithium against lithium (Li||Li, and Li||Cu while lithium is on the copper) is at 0 V when no current flows, so
R = median |V| / |I| over the middle of the half cycle: the nucleation dip at its start and the knee at its end stay out. A full
cell has no such zero while it charges; there the step of the voltage at the start of the current is used,
R = (V(first reading) − V(last reading of the rest before)) / ΔI, which holds what has answered by that reading and nothing later.

Any resistance becomes area-specific as R A / m, in Ω cm², with m the interfaces it is shared by: 2 for a symmetric cell, whose
two faces are alike, so that the result is that of one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import NORMAL_95, Estimate
from harness.errors import AnalysisError
from harness.model.run import Geometry

METHOD_VERSION = "resistance-3"

MIDDLE = (0.1, 0.9)
SAME_CURRENT = 0.05
FEWEST_READINGS = 3
UNSET_AREA_CM2 = 1e-3
"""What EC-Lab writes for an electrode whose area nobody has entered."""


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
    """(V − V_rest) / I at the first reading after a rest; σ = √2 σ_V / |I|. ``None`` without a rest or without a current,
    or where it is not positive: the voltage did not follow the current.
    """
    if rest_voltage_volt is None or current_ampere == 0.0:
        return None
    resistance = (voltage_volt - rest_voltage_volt) / current_ampere
    if not resistance > 0.0:
        return None
    std = None if voltage_std_volt is None else math.sqrt(2) * voltage_std_volt / abs(current_ampere)
    return Resistance(resistance, std)


def interfaces_of(geometry: Geometry) -> int:
    """How many alike interfaces share a cell's resistance: two where both electrodes are the same."""
    return 2 if geometry is Geometry.SYMMETRIC else 1


def area_specific(resistance_ohm: Estimate, area_cm2: float, area_std_cm2: float = 0.0, *, interfaces: int = 1) -> Estimate:
    """R A / ``interfaces`` in Ω cm², σ = value × (σ_R/R ⊕ σ_A/A); a refusal stays one, a bound stays a bound.

    An area of exactly 0.001 cm² is refused: it is what EC-Lab writes where none was entered.

    Raises:
        AnalysisError: an area or a number of interfaces that is not positive, or a negative uncertainty.
    """
    if not (math.isfinite(area_cm2) and area_cm2 > 0 and area_std_cm2 >= 0 and interfaces >= 1):
        raise AnalysisError(
            f"an area of {area_cm2:g} ± {area_std_cm2:g} cm² with {interfaces} interfaces was given; all must be positive"
        )
    if area_cm2 == UNSET_AREA_CM2:
        return Estimate.refused("the area is 0.001 cm², which EC-Lab writes where none was entered")
    if resistance_ohm.value is None:
        return resistance_ohm
    factor = area_cm2 / interfaces
    value = factor * resistance_ohm.value
    low, high = (None if bound is None else factor * bound for bound in (resistance_ohm.low, resistance_ohm.high))
    if resistance_ohm.std is None:
        return Estimate(value, None, low, high, resistance_ohm.refusal)
    by_area = value * area_std_cm2 / area_cm2
    if low is not None and high is not None:
        low, high = value - math.hypot(value - low, NORMAL_95 * by_area), value + math.hypot(high - value, NORMAL_95 * by_area)
    return Estimate(value, math.hypot(factor * resistance_ohm.std, by_area), low, high, resistance_ohm.refusal)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A DC resistance over the one that impedance sees: ``agrees`` when the interval of the ratio holds 1, ``None`` when there is
    nothing to compare; the ``reason`` in words either way.
    """

    ratio_1: Estimate
    agrees: bool | None
    reason: str


def cross_check(dc: Estimate, total: Estimate) -> Agreement:
    """R_dc / (R_s + R_i), with what usually stands behind a difference; ``total`` is the sum, which a spectrum tells better
    than its parts.

    A plateau or a long pulse holds diffusion, too, and a large current the falling resistance of charge transfer; a pulse's
    reading after a few times the interface's time constant is what should agree.
    """
    named = (("DC resistance", dc), ("resistance by impedance", total))
    missing = [f"no {name}: {item.refusal}" for name, item in named if item.value is None or item.std is None]
    if missing or dc.value is None or total.value is None:
        return Agreement(Estimate.refused("; ".join(missing)), None, "; ".join(missing))
    if not (total.value > 0 and dc.value > 0):
        reason = f"{dc.value:.4g} Ω by a direct current and {total.value:.4g} Ω by impedance have no ratio; both must be positive"
        return Agreement(Estimate.refused(reason), None, reason)
    relative = math.hypot((dc.std or 0.0) / dc.value, (total.std or 0.0) / total.value)
    ratio = Estimate.lognormal(dc.value / total.value, relative)
    return Agreement(ratio, *_agreement(ratio, relative))


def _agreement(ratio: Estimate, relative_std: float) -> tuple[bool, str]:
    value = ratio.value or 0.0
    shown = f"DC is {value:.3g} × the impedance's series and interface resistance (95 %: {ratio.low:.3g} to {ratio.high:.3g})"
    if abs(math.log(value)) <= NORMAL_95 * relative_std:
        return True, shown
    if value > 1:
        return False, f"{shown}: slow processes, diffusion above all, answer to a direct current only, or the cell has changed"
    return (
        False,
        f"{shown}: charge transfer driven out of its linear range, current past the interface (a short), or a changed cell",
    )
