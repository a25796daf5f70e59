"""Resistance of a cell from pulses of current: how far the voltage has moved a stated time after the current changed.

R(t) = (V(t₀ + t) − V(t₀⁻)) / (I(t₀ + t) − I(t₀⁻)), with the last reading before the pulse and one reading in it. Nothing is
interpolated or extrapolated: where no reading lies within 5 % of the wanted time there is no number, and what "instantaneous"
means depends on how soon the instrument wrote the first reading, so the time of every reading used is stored beside its value.
σ_R = √2 σ_V / |ΔI| ⊕ |R| σ_ΔI / |ΔI|, where σ_V is not less than the step on which voltages lie, over √12. A cell that is still
relaxing when the pulse comes adds its own drift from the last reading before it on, which is stated and not corrected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.counting import decimal_resolution
from harness.analysis.estimate import Estimate
from harness.analysis.jumps import resolution
from harness.analysis.linear import linear_fit
from harness.analysis.switches import Record, Switch, record_of, switches, voltage_noise
from harness.errors import AnalysisError

METHOD_VERSION = "pulse-2"

WANTED_SECOND = (0.1, 1.0, 10.0, 30.0)
LONGEST_SECOND = 180.0
"""A current that lasts longer is no pulse."""
TOLERANCE = 0.05
FINEST_DIGITS = 12
READINGS_BEFORE = 20
"""So many, at most, say how noisy the voltage is."""
FEWEST_FOR_A_SLOPE = 5
"""So many readings, or those of a time as long as the pulse, say how the voltage moves before it."""


@dataclass(frozen=True, slots=True)
class PulseResistance:
    """R from one reading, ``sample_second`` after the switch; ``wanted_second`` is the time asked for, ``None`` for the first and
    the last reading whatever their times. Without a reading, ``sample_second`` is ``None`` and the resistance a refusal.

    ``drift_ohm`` is the part that is none of the pulse's if the voltage went on moving as it did before.
    """

    wanted_second: float | None
    sample_second: float | None
    resistance_ohm: Estimate
    drift_ohm: Estimate


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse: ``start_second`` is the switch, ``step_ampere`` the change of the current (positive charges the cell).

    ``first`` and ``last`` are of the first and the last reading of the pulse, ``at`` of the wanted times in their order.
    ``start_half_width_second`` says how well the switch is known, ``before_second`` how long before it the last reading was that
    all are compared with, ``relaxing_volt_per_second`` how the voltage still moved then.
    """

    start_second: float
    start_half_width_second: float
    duration_second: float
    step_ampere: float
    first: PulseResistance
    last: PulseResistance
    at: tuple[PulseResistance, ...]
    before_second: float
    relaxing_volt_per_second: Estimate


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
    errors = _Errors.of(record, voltage_std_volt, current_step_std_ampere)
    return [
        _pulse(record, switch, tuple(wanted_second), errors)
        for switch in switches(record)
        if _is_pulse(record, switch, longest_second)
    ]


def _is_pulse(record: Record, switch: Switch, longest_second: float) -> bool:
    lasting = float(record.time_second[switch.end - 1]) - switch.second
    return abs(switch.after_ampere) > abs(switch.before_ampere) and lasting <= longest_second and switch.end - switch.first > 1


@dataclass(frozen=True, slots=True)
class _Errors:
    """One standard deviation of a voltage and of a change of current, where they are stated; and the least of a voltage, from the
    steps on which the record's lie, decimal ones or a converter's.
    """

    voltage_volt: float | None
    current_step_ampere: float | None
    least_volt: float

    @classmethod
    def of(cls, record: Record, voltage: float | None, current_step: float | None) -> Self:
        step = max(decimal_resolution(record.voltage_volt, FINEST_DIGITS), resolution(record.voltage_volt))
        return cls(voltage, current_step, step / math.sqrt(12))

    def noise(self, record: Record, switch: Switch) -> float | None:
        """Of the voltage, as stated or as the readings before the switch show it; ``None`` where they are too few."""
        if self.voltage_volt is not None:
            return self.voltage_volt
        shown = voltage_noise(record.voltage_volt[_just_before(record, switch, READINGS_BEFORE)])
        return None if shown is None else max(shown, self.least_volt)

    def step(self, record: Record, switch: Switch) -> float:
        """Of the difference of two readings of the current, as stated or from the scatter within both stretches."""
        if self.current_step_ampere is not None:
            return self.current_step_ampere
        parts = (record.current_ampere[switch.begin : switch.before + 1], record.current_ampere[switch.first + 1 : switch.end])
        return math.sqrt(sum(float(np.mean(np.diff(part) ** 2)) / 2 for part in parts if part.size > 1))


def _pulse(record: Record, switch: Switch, wanted: tuple[float, ...], errors: _Errors) -> Pulse:
    noise, step_std = errors.noise(record, switch), errors.step(record, switch)
    after = record.time_second[switch.first : switch.end] - switch.second
    before = switch.second - float(record.time_second[switch.before])
    slope = _slope(record, switch, float(after[-1]))

    def read(place: int, asked: float | None) -> PulseResistance:
        resistance = _resistance(record, switch, switch.first + place, noise, step_std)
        drift = slope.scaled((before + float(after[place])) / switch.step_ampere)
        return PulseResistance(asked, float(after[place]), resistance, drift)

    def at(asked: float) -> PulseResistance:
        nearest = int(np.argmin(np.abs(after - asked)))
        if abs(float(after[nearest]) - asked) + switch.second_half_width > TOLERANCE * asked * (1 + 1e-9):
            none = Estimate.refused(_missing(switch, asked, float(after[nearest])))
            return PulseResistance(asked, None, none, none)
        return read(nearest, asked)

    return Pulse(
        start_second=switch.second,
        start_half_width_second=switch.second_half_width,
        duration_second=float(after[-1]),
        step_ampere=switch.step_ampere,
        first=read(0, None),
        last=read(after.size - 1, None),
        at=tuple(at(asked) for asked in wanted),
        before_second=before,
        relaxing_volt_per_second=slope,
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


def _just_before(record: Record, switch: Switch, fewest: int, second: float = 0.0) -> slice:
    """The last readings before a switch: those of so much time, ``fewest`` at the least where the stretch has them."""
    end = switch.before + 1
    longer = int(np.searchsorted(record.time_second[:end], record.time_second[switch.before] - second))
    return slice(max(switch.begin, min(longer, end - fewest)), end)


def _slope(record: Record, switch: Switch, second: float) -> Estimate:
    """How the voltage moved over as much time before a switch as the pulse then took, in V/s."""
    here = _just_before(record, switch, FEWEST_FOR_A_SLOPE, second)
    time, voltage = record.time_second[here], record.voltage_volt[here]
    try:
        line = linear_fit(np.column_stack((np.ones(time.size), time - time.mean())), voltage)
    except AnalysisError:
        return Estimate.refused("fewer than three readings before the pulse show no slope")
    return Estimate.student(float(line.value[1]), float(line.std[1]), line.freedom)
