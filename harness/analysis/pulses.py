"""Resistance of a cell from pulses of current: how far the voltage has moved a stated time after the current changed.

R(t) = (V(t₀ + t) − V(t₀⁻)) / (I(t₀ + t) − I(t₀⁻)), with the last reading before the pulse and one reading in it. Nothing is
interpolated or extrapolated: where no reading lies within 5 % of the wanted time there is no number, and what "instantaneous"
means depends on how soon the instrument wrote the first reading, so the time of every reading used is stored beside its value.
σ_R = √2 σ_V / |ΔI| ⊕ |R| σ_ΔI / |ΔI|, where σ_V is not less than the decimal step on which voltages were written, over √12. A
cell that is still relaxing when the pulse comes adds its own drift, which is stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.counting import decimal_resolution
from harness.analysis.estimate import Estimate
from harness.analysis.switches import Record, Switch, record_of, switches, voltage_noise
from harness.errors import AnalysisError

METHOD_VERSION = "pulse-2"

WANTED_SECOND = (0.1, 1.0, 10.0, 30.0)
LONGEST_SECOND = 180.0
"""A current that lasts longer is no pulse."""
TOLERANCE = 0.05
FINEST_DIGITS = 12
READINGS_BEFORE = 20
"""So many, at most, say how noisy the voltage is and how it moves."""


@dataclass(frozen=True, slots=True)
class PulseResistance:
    """R from one reading, ``sample_second`` after the switch; ``wanted_second`` is the time asked for, ``None`` for the first and
    the last reading whatever their times. Without a reading, ``sample_second`` is ``None`` and the resistance a refusal.
    """

    wanted_second: float | None
    sample_second: float | None
    resistance_ohm: Estimate


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse: ``start_second`` is the switch, ``step_ampere`` the change of the current (positive charges the cell).

    ``first`` and ``last`` are of the first and the last reading of the pulse, ``at`` of the wanted times in their order.
    ``start_half_width_second`` says how well the switch is known, ``relaxing_volt_per_second`` how the voltage still moved before
    it (``None`` with fewer than three readings): over t seconds that adds slope × t / ΔI to R.
    """

    start_second: float
    start_half_width_second: float
    duration_second: float
    step_ampere: float
    first: PulseResistance
    last: PulseResistance
    at: tuple[PulseResistance, ...]
    relaxing_volt_per_second: float | None


def pulse_resistances(
    time_second: Array,
    voltage_volt: Array,
    current_ampere: Array,
    *,
    step_time_second: Array | None = None,
    wanted_second: Sequence[float] = WANTED_SECOND,
    longest_second: float = LONGEST_SECOND,
    voltage_std_volt: float | None = None,
    current_step_std_ampere: float | None = None,
) -> list[Pulse]:
    """Every pulse of a record, in order: a current larger than the one before it, of two readings or more, that lasts at most
    ``longest_second``.

    Args:
        time_second: of the readings, rising.
        voltage_volt: of the cell, same length.
        current_ampere: positive charges the cell.
        step_time_second: time since the step began, where the instrument writes it: it says when the current was switched.
        wanted_second: times after the switch.
        longest_second: what lasts longer is no pulse.
        voltage_std_volt: one standard deviation of a reading; without it from the scatter of the last ones before the pulse.
        current_step_std_ampere: of the change of the current; without it from the scatter of the readings, which knows no gain.

    Raises:
        AnalysisError: what `record_of` refuses, or a wanted time that is not positive.
    """
    if wrong := [value for value in wanted_second if not value > 0]:
        raise AnalysisError(f"a pulse resistance after {wrong[0]:g} s was asked for; the time must be positive")
    record = record_of(time_second, voltage_volt, current_ampere, step_time_second)
    return [
        _pulse(record, switch, tuple(wanted_second), voltage_std_volt, current_step_std_ampere)
        for switch in switches(record)
        if _is_pulse(record, switch, longest_second)
    ]


def _is_pulse(record: Record, switch: Switch, longest_second: float) -> bool:
    lasting = float(record.time_second[switch.end - 1]) - switch.second
    return abs(switch.after_ampere) > abs(switch.before_ampere) and lasting <= longest_second and switch.end - switch.first > 1


def _pulse(record: Record, switch: Switch, wanted: tuple[float, ...], voltage_std: float | None, step_std: float | None) -> Pulse:
    noise = voltage_std
    if noise is None and (shown := voltage_noise(record.voltage_volt[_just_before(switch)])) is not None:
        noise = max(shown, decimal_resolution(record.voltage_volt, FINEST_DIGITS) / math.sqrt(12))
    scatter = _current_scatter(record, switch) if step_std is None else step_std
    after = record.time_second[switch.first : switch.end] - switch.second

    def read(place: int, asked: float | None) -> PulseResistance:
        return PulseResistance(asked, float(after[place]), _resistance(record, switch, switch.first + place, noise, scatter))

    def at(asked: float) -> PulseResistance:
        nearest = int(np.argmin(np.abs(after - asked)))
        if abs(float(after[nearest]) - asked) + switch.second_half_width > TOLERANCE * asked * (1 + 1e-9):
            return PulseResistance(asked, None, Estimate.refused(_missing(switch, asked, float(after[nearest]))))
        return read(nearest, asked)

    return Pulse(
        start_second=switch.second,
        start_half_width_second=switch.second_half_width,
        duration_second=float(after[-1]),
        step_ampere=switch.step_ampere,
        first=read(0, None),
        last=read(after.size - 1, None),
        at=tuple(at(asked) for asked in wanted),
        relaxing_volt_per_second=_slope(record, switch),
    )


def _missing(switch: Switch, asked: float, nearest: float) -> str:
    if switch.second_half_width > TOLERANCE * asked:
        return f"when the current was switched is known to ±{switch.second_half_width:.3g} s only"
    return f"no reading lies within {TOLERANCE:.0%} of {asked:g} s after the switch; the nearest is at {nearest:.3g} s"


def _resistance(record: Record, switch: Switch, place: int, noise: float | None, step_std: float) -> Estimate:
    if noise is None:
        return Estimate.refused("the noise of the voltage is unknown: too few readings before the pulse, and none was stated")
    step = float(record.current_ampere[place] - record.current_ampere[switch.before])
    if step == 0.0:
        return Estimate.refused("the current of this reading is still the one before the switch")
    value = float(record.voltage_volt[place] - record.voltage_volt[switch.before]) / step
    return Estimate.normal(value, math.hypot(math.sqrt(2) * noise / step, value * step_std / step))


def _current_scatter(record: Record, switch: Switch) -> float:
    """σ of the difference of two readings of the current, from the scatter within both stretches."""
    parts = (record.current_ampere[switch.begin : switch.before + 1], record.current_ampere[switch.first + 1 : switch.end])
    return math.sqrt(sum(float(np.mean(np.diff(part) ** 2)) / 2 for part in parts if part.size > 1))


def _just_before(switch: Switch) -> slice:
    return slice(max(switch.begin, switch.before + 1 - READINGS_BEFORE), switch.before + 1)


def _slope(record: Record, switch: Switch) -> float | None:
    here = _just_before(switch)
    time, voltage = record.time_second[here], record.voltage_volt[here]
    centred = time - time.mean()
    square = float(centred @ centred)
    return float(centred @ voltage) / square if time.size >= 3 and square > 0 else None
