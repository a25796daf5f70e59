"""A plan: a schedule bound to one cell on one channel. Absolute numbers only, still folded (`harness.cycling.plan_tree`).

What needs the cell or the channel to be known is checked here: areal units and C-rates, which steps a geometry has, and that
every set-point and cut-off lies inside the hard limits, and those inside the channel's window. Cut-offs lie *strictly* inside:
one at a limit would stop the run where a step should end.

Charge ends become times. At constant current Q = I·t, so a charge Q ends after Q/|I|: the instrument's own clock ends the
step, which every instrument can do, and what had not passed when a step was interrupted is the time that remains. The charge
that counts for efficiency is still the integral of the measured current.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from harness.cycling.plan_tree import (
    Act,
    Current,
    Open,
    PlanBlock,
    PlanItem,
    PlanRepeat,
    PlanStep,
    Sweep,
    Totals,
    Voltage,
    totals_of,
)
from harness.errors import BadInput
from harness.model import conditions
from harness.model.conditions import RAISES_VOLTAGE, c_rate_of, magnitude_of
from harness.model.run import Geometry, Role
from harness.model.schedule import (
    ConstantCurrentStep,
    ConstantVoltageStep,
    DirectedStep,
    HoldStep,
    ImpedanceStep,
    Leaf,
    MeasuredStep,
    OnGap,
    RepeatStep,
    RestStep,
    Schedule,
    labels_of,
    roles_of,
)
from harness.model.yaml_text import joined
from potentiostat_drivers.program import Sampling, Until


@dataclass(frozen=True, slots=True)
class CellFacts:
    """What a schedule needs to know of a cell."""

    geometry: Geometry
    area_cm2: float
    nominal_capacity_ah: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelWindow:
    """What a channel may do to a cell; frequencies are 0 where it measures no impedance."""

    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    frequency_min_hertz: float = 0.0
    frequency_max_hertz: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """The hard limits of every command of the plan."""

    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule in absolute numbers for one cell on one channel. ``name`` is the schedule's."""

    name: str
    version: int
    on_gap: OnGap
    facts: CellFacts
    limits: PlanLimits
    items: tuple[PlanItem, ...]
    totals: Totals

    @property
    def longest_command_second(self) -> float:
        """The longest time that any one command may take."""
        return self.totals.command_longest_second

    def to_json(self) -> str:
        """The plan as JSON text, exact to the last bit of every number."""
        return _adapter().dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Plan:
        """The plan that `to_json` wrote; `ValueError` for anything else."""
        return _adapter().validate_json(text)


def bind(schedule: Schedule, facts: CellFacts, window: ChannelWindow) -> Plan:
    """``schedule`` in absolute numbers for the cell ``facts`` on a channel with ``window``.

    Raises:
        BadInput: with the place in the file and both numbers that do not agree.
    """
    limits = _Binding(facts, window, schedule.sampling, PlanLimits(-math.inf, math.inf, math.inf)).limits_of(schedule.limits)
    items = _Binding(facts, window, schedule.sampling, limits).items_of(schedule.steps, "steps")
    return Plan(schedule.schedule, schedule.version, schedule.on_gap, facts, limits, items, totals_of(items))


def longest_for(duration_second: float, check_second: float) -> float:
    """The longest time of a step with a wanted duration: 2 % for the clocks, two looks at the end, and 10 s.

    Only an instrument that misses its own end comes this far, and then the step has over-run by no more than this.
    """
    return duration_second * 1.02 + 2 * check_second + 10.0


@dataclass(frozen=True, slots=True)
class _Binding:
    """What the numbers of a schedule depend on."""

    facts: CellFacts
    window: ChannelWindow
    sampling: conditions.Sampling
    limits: PlanLimits

    def limits_of(self, written: conditions.Limits) -> PlanLimits:
        window = self.window
        low, high, current = window.voltage_min_volt, window.voltage_max_volt, window.current_max_ampere
        if written.voltage is not None:
            low, high = (magnitude_of(text, "V", where=f"limits.voltage[{i}]")[0] for i, text in enumerate(written.voltage))
            for index, volt in enumerate((low, high)):
                self._refuse_outside_window(volt, f"limits.voltage[{index}]")
            if not low < high:
                raise BadInput("limits.voltage", f"{low:g} V … {high:g} V is empty; write the lower voltage first")
        if written.current is not None:
            current = self.current_of(written.current, "limits.current")
            if current <= 0:
                raise BadInput("limits.current", f"{current:g} A leaves no current; write a magnitude above 0")
            self._refuse_above_channel(current, "limits.current")
        return PlanLimits(low, high, current)

    def items_of(self, steps: Sequence[Leaf | RepeatStep], where: str) -> tuple[PlanItem, ...]:
        """The items of a list of steps: repeats, and blocks of a step with the holds behind it."""
        items: list[PlanItem] = []
        for index, (step, role, label) in enumerate(zip(steps, roles_of(steps), labels_of(steps), strict=True)):
            place = joined(where, index)
            if isinstance(step, RepeatStep):
                items.append(PlanRepeat(label, step.count, self.items_of(step.steps, f"{place}.steps"), step.every or 1))
                continue
            planned = self.step_of(step, role or Role.REST, label, place)
            last = items[-1] if items else None
            if isinstance(step, HoldStep) and isinstance(last, PlanBlock):
                _refuse_turn(planned, last.steps[-1])
                items[-1] = PlanBlock((*last.steps, planned), last.every)
            else:
                items.append(PlanBlock((planned,), step.every or 1))
        return tuple(items)

    def step_of(self, step: Leaf, role: Role, label: str, where: str) -> PlanStep:
        """One step; every complaint located below ``where``."""
        try:
            _refuse_geometry(step.step, role, self.facts.geometry)
            if isinstance(step, ImpedanceStep):
                return self._sweep_of(step, label, where)
            act = self._act_of(step, role)
            sampling = self._sampling_of(step.sampling)
            until = self._until_of(step, act)
            longest = _longest_of(step, until, sampling)
        except BadInput as bad:
            raise bad.inside(where) from None
        return PlanStep(label, step.step, role, where, act, sampling, until, longest)

    def current_of(self, text: str, where: str) -> float:
        """Ampere, signed as written, of an absolute, areal or C-rate current."""
        rate = c_rate_of(text)
        if rate is not None:
            capacity = self.facts.nominal_capacity_ah
            if capacity is None:
                raise BadInput(
                    where,
                    f'"{text}" needs the nominal capacity of the cell, which has none; add it there, or write mA or mA/cm^2',
                )
            return rate * capacity
        magnitude, unit = magnitude_of(text, "A/cm^2", "A", where=where)
        return magnitude * self.facts.area_cm2 if unit == "A/cm^2" else magnitude

    def _charge_of(self, text: str) -> float:
        magnitude, unit = magnitude_of(text, "A*h/cm^2", "A*h", where="until.charge")
        return magnitude * self.facts.area_cm2 if unit == "A*h/cm^2" else magnitude

    def _act_of(self, step: MeasuredStep, role: Role) -> Act:
        match step:
            case RestStep():
                return Open()
            case DirectedStep() | ConstantCurrentStep():
                current = self.current_of(step.current, "current")
                self._refuse_above_channel(abs(current), "current")
                if abs(current) > self.limits.current_max_ampere:
                    raise BadInput(
                        "current", f"{current:g} A exceeds the schedule's own limit of {self.limits.current_max_ampere:g} A"
                    )
                return Current(current if role is Role.PROBE else abs(current))
            case HoldStep() | ConstantVoltageStep():
                return Voltage(self._inside(step.voltage, "voltage"))

    def _inside(self, text: str, where: str) -> float:
        """A voltage strictly inside the hard limits, and those are inside the channel's window."""
        volt = magnitude_of(text, "V", where=where)[0]
        self._refuse_outside_window(volt, where)
        low, high = self.limits.voltage_min_volt, self.limits.voltage_max_volt
        if not low < volt < high:
            raise BadInput(
                where,
                f"{volt:g} V is not inside the hard limits {low:g} V … {high:g} V, which would stop the run before or there",
            )
        return volt

    def _until_of(self, step: MeasuredStep, act: Act) -> Until:
        until, durations = step.until, []
        if step.duration is not None:
            durations.append(magnitude_of(step.duration, "s")[0])
        if until.charge is not None and isinstance(act, Current):
            charge = self._charge_of(until.charge)
            if act.current_ampere == 0:
                raise BadInput("until.charge", f"{charge:g} Ah is never reached at a current of 0 A")
            durations.append(3600 * charge / abs(act.current_ampere))
        above, below, taper = until.voltage_above, until.voltage_below, until.current_below
        return Until(
            duration_second=min(durations, default=None),
            voltage_above_volt=None if above is None else self._inside(above, "until.voltage_above"),
            voltage_below_volt=None if below is None else self._inside(below, "until.voltage_below"),
            current_below_ampere=None if taper is None else self.current_of(taper, "until.current_below"),
        )

    def _sampling_of(self, written: conditions.Sampling) -> Sampling:
        """The step's sampling over the schedule's over the default; a check never longer than the interval it is within."""
        layers = (written, self.sampling, conditions.DEFAULT_SAMPLING)
        every = magnitude_of(_first(*(layer.every for layer in layers)), "s")[0]
        change = magnitude_of(_first(*(layer.on_change for layer in layers)), "V")[0]
        check = magnitude_of(_first(*(layer.check for layer in layers)), "s")[0]
        return Sampling(every, change, min(check, every))

    def _sweep_of(self, step: ImpedanceStep, label: str, where: str) -> PlanStep:
        high = magnitude_of(step.frequency_from, "Hz")[0]
        low = magnitude_of(step.frequency_to, "Hz")[0]
        longest = magnitude_of(step.longest, "s")[0]
        for name, frequency in (("from", high), ("to", low)):
            self._refuse_frequency(frequency, name)
        points = max(2, round(step.points_per_decade * math.log10(high / low)) + 1)
        periods = sum(1 / _frequency(high, low, points, index) for index in range(points))
        if longest < periods:
            raise BadInput(
                "longest", f"{longest:g} s is too short: one period of each of the {points} points takes {periods:.4g} s"
            )
        sweep = Sweep(high, low, points, magnitude_of(step.amplitude, "V")[0])
        return PlanStep(label, step.step, Role.PROBE, where, sweep, self._sampling_of(conditions.Sampling()), Until(), longest)

    def _refuse_frequency(self, frequency: float, where: str) -> None:
        low, high = self.window.frequency_min_hertz, self.window.frequency_max_hertz
        if high <= 0:
            raise BadInput("step", "the channel measures no impedance; leave eis out or use another channel")
        if not low <= frequency <= high:
            raise BadInput(where, f"{frequency:g} Hz is outside what the channel measures, {low:g} Hz … {high:g} Hz")

    def _refuse_outside_window(self, volt: float, where: str) -> None:
        low, high = self.window.voltage_min_volt, self.window.voltage_max_volt
        if not low <= volt <= high:
            raise BadInput(where, f"{volt:g} V is outside the window of the channel, {low:g} V … {high:g} V")

    def _refuse_above_channel(self, current: float, where: str) -> None:
        if current > self.window.current_max_ampere:
            raise BadInput(where, f"{current:g} A exceeds what the channel may pass, {self.window.current_max_ampere:g} A")


def _longest_of(step: MeasuredStep, until: Until, sampling: Sampling) -> float:
    wanted = until.duration_second
    if step.longest is None:
        if wanted is None:
            raise BadInput("longest", "it is missing: without a duration or a charge this step may never end")
        return longest_for(wanted, sampling.check_second)
    longest = magnitude_of(step.longest, "s")[0]
    if wanted is not None and longest < wanted:
        raise BadInput("longest", f"{longest:g} s is shorter than the {wanted:g} s the step is to take")
    return longest


def _refuse_geometry(kind: str, role: Role, geometry: Geometry) -> None:
    full = geometry is Geometry.FULL
    if role in (Role.CHARGE, Role.DISCHARGE) and not full:
        raise BadInput(
            "step" if kind == role else "role", f"a {geometry} cell has no {role}; write {'plate' if role.deposits else 'strip'}"
        )
    if role in (Role.PLATE, Role.STRIP) and full:
        raise BadInput(
            "step" if kind == role else "role",
            f"a {geometry} cell has no {role}; write {'charge' if role.deposits else 'discharge'}",
        )


def _refuse_turn(hold: PlanStep, before: PlanStep) -> None:
    """A hold short of the voltage its step went to would turn the current round, against its role."""
    if not isinstance(hold.act, Voltage):
        return
    cut_off = before.until.voltage_above_volt if RAISES_VOLTAGE.get(before.role) else before.until.voltage_below_volt
    if cut_off is None or before.role is Role.PROBE:
        return
    turned = hold.act.voltage_volt < cut_off if RAISES_VOLTAGE[before.role] else hold.act.voltage_volt > cut_off
    if turned:
        raise BadInput(
            f"{hold.where}.voltage",
            f"{hold.act.voltage_volt:g} V after a {before.role} to {cut_off:g} V turns the current round; hold at {cut_off:g} V",
        )


def _frequency(high: float, low: float, points: int, index: int) -> float:
    """Frequency ``index`` of ``points`` spaced evenly in the logarithm, from high to low."""
    return high * math.pow(low / high, index / (points - 1))


def _first(*texts: str | None) -> str:
    return next(text for text in texts if text is not None)


@functools.cache
def _adapter() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)
