"""A schedule in absolute numbers for one emulated cell, one step after the other. Executes nothing.

The harness has a plan of its own (`harness.cycling`), which the emulator may not see: what is true must not come from the code
under test. Both start from the same file, read by `harness.model.schedule`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import BadInput
from harness.model import conditions
from harness.model.conditions import RAISES_VOLTAGE, c_rate_of
from harness.model.run import Geometry, Role
from harness.model.schedule import (
    ConstantCurrentStep,
    DirectedStep,
    HoldStep,
    ImpedanceStep,
    Leaf,
    MeasuredStep,
    RepeatStep,
    RestStep,
    Schedule,
    labels_of,
    roles_of,
)

magnitude_of = functools.lru_cache(maxsize=1024)(conditions.magnitude_of)
"""The same few texts are read again in every pass of a repeat and for every cell of a population."""

_SIGN = {Role.PLATE: -1.0, Role.STRIP: 1.0, Role.CHARGE: 1.0, Role.DISCHARGE: -1.0}


@dataclass(frozen=True, slots=True)
class Until:
    """When a step ends as wanted; infinite or ``None`` is never. Volt, ampere, second."""

    second: float = math.inf
    above_volt: float = math.inf
    below_volt: float = -math.inf
    current_below_ampere: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a ``current_ampere`` (0 at rest, + oxidises the working electrode), else a ``volt``, else ``frequencies``.

    ``longest_second`` and the voltage limits stop the whole schedule.
    """

    path: str
    kind: str
    role: Role
    until: Until
    longest_second: float
    limits_volt: tuple[float, float]
    every_second: float
    change_volt: float
    check_second: float
    current_ampere: float | None = None
    volt: float | None = None
    frequencies: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CellFacts:
    """What a schedule needs to know of a cell; ``capacity_ah`` is what C-rates are of, ``None`` where there is none."""

    geometry: Geometry
    area_cm2: float
    capacity_ah: float | None


def steps_of(schedule: Schedule, facts: CellFacts) -> Iterator[Step]:
    """Every step in turn, repeats unrolled as they come.

    Raises:
        BadInput: with the place in the schedule, for what needs the cell to be known.
    """
    limits = schedule.limits.voltage
    window = (-math.inf, math.inf) if limits is None else (_volt(limits[0], "limits"), _volt(limits[1], "limits"))
    yield from _Binding(schedule, facts, window).unrolled(schedule.steps, "", "steps")


def check(schedule: Schedule, facts: CellFacts) -> None:
    """Raise `BadInput` for what `steps_of` would trip over, without running a repeat more than once."""
    limits = schedule.limits.voltage
    window = (-math.inf, math.inf) if limits is None else (_volt(limits[0], "limits"), _volt(limits[1], "limits"))
    for _ in _Binding(schedule, facts, window, once=True).unrolled(schedule.steps, "", "steps"):
        pass


def _volt(text: str, where: str) -> float:
    return magnitude_of(text, "V", where=where)[0]


@dataclass(frozen=True, slots=True)
class _Binding:
    schedule: Schedule
    facts: CellFacts
    window: tuple[float, float]
    once: bool = False

    def unrolled(self, steps: Sequence[Leaf | RepeatStep], prefix: str, where: str, turn: int = 0) -> Iterator[Step]:
        """The steps of one pass, those that come in it."""
        for index, (step, role, label) in enumerate(zip(steps, roles_of(steps), labels_of(steps), strict=True)):
            if not self.once and turn % (step.every or 1):
                continue
            place = f"{where}[{index}]"
            if isinstance(step, RepeatStep):
                for count in range(1 if self.once else step.count):
                    yield from self.unrolled(step.steps, f"{prefix}{label}[{count + 1}]/", f"{place}.steps", count)
                continue
            try:
                yield self._step(step, role or Role.REST, prefix + label)
            except BadInput as bad:
                raise bad.inside(place) from None

    def _step(self, step: Leaf, role: Role, path: str) -> Step:
        self._refuse_role(role)
        sampling = self._sampling(conditions.Sampling() if isinstance(step, ImpedanceStep) else step.sampling)
        if isinstance(step, ImpedanceStep):
            longest = magnitude_of(step.longest, "s", where="longest")[0]
            return Step(path, step.step, role, Until(), longest, self.window, *sampling, frequencies=_frequencies(step))
        current = volt = None
        match step:
            case RestStep():
                current = 0.0
            case DirectedStep() | ConstantCurrentStep():
                size = self._current(step.current, "current")
                current = size if role is Role.PROBE else abs(size) * _SIGN[role]
            case _:
                volt = _volt(step.voltage, "voltage")
        until = self._until(step, role, current)
        longest = math.inf if step.longest is None else magnitude_of(step.longest, "s", where="longest")[0]
        return Step(path, step.step, role, until, longest, self.window, *sampling, current_ampere=current, volt=volt)

    def _refuse_role(self, role: Role) -> None:
        full = self.facts.geometry is Geometry.FULL
        wrong = {Role.PLATE, Role.STRIP} if full else {Role.CHARGE, Role.DISCHARGE}
        if role in wrong:
            raise BadInput("step", f"a {self.facts.geometry} cell has no {role}; choose a schedule for this geometry")

    def _current(self, text: str, where: str) -> float:
        rate = c_rate_of(text)
        if rate is not None:
            if self.facts.capacity_ah is None:
                raise BadInput(where, f'"{text}" needs a capacity, and only a full cell has one; write mA or mA/cm^2')
            return rate * self.facts.capacity_ah
        magnitude, unit = magnitude_of(text, "A/cm^2", "A", where=where)
        return magnitude * self.facts.area_cm2 if unit == "A/cm^2" else magnitude

    def _until(self, step: MeasuredStep, role: Role, current: float | None) -> Until:
        until, seconds = step.until, [math.inf]
        if step.duration is not None:
            seconds.append(magnitude_of(step.duration, "s", where="until.duration")[0])
        if until.charge is not None and current is not None:
            magnitude, unit = magnitude_of(until.charge, "A*h/cm^2", "A*h", where="until.charge")
            if current == 0.0:
                raise BadInput("until.charge", f'"{until.charge}" is never reached at a current of 0 A')
            seconds.append(3600.0 * magnitude * (self.facts.area_cm2 if unit == "A*h/cm^2" else 1.0) / abs(current))
        taper = None if until.current_below is None else self._current(until.current_below, "until.current_below")
        rises = RAISES_VOLTAGE.get(role)
        return Until(
            min(seconds),
            math.inf if until.voltage_above is None or rises is False else _volt(until.voltage_above, "until.voltage_above"),
            -math.inf if until.voltage_below is None or rises is True else _volt(until.voltage_below, "until.voltage_below"),
            taper if isinstance(step, HoldStep) or current is None else None,
        )

    def _sampling(self, written: conditions.Sampling) -> tuple[float, float, float]:
        """(every, on_change, check) of the step over those of the schedule over the default."""
        found = []
        for name, unit in (("every", "s"), ("on_change", "V"), ("check", "s")):
            layers = (written, self.schedule.sampling, conditions.DEFAULT_SAMPLING)
            text = next(getattr(layer, name) for layer in layers if getattr(layer, name) is not None)
            found.append(magnitude_of(text, unit)[0])
        return found[0], found[1], min(found[2], found[0])


def _frequencies(step: ImpedanceStep) -> tuple[float, ...]:
    high, low = magnitude_of(step.frequency_from, "Hz")[0], magnitude_of(step.frequency_to, "Hz")[0]
    count = max(2, round(step.points_per_decade * math.log10(high / low)) + 1)
    return tuple(high * math.pow(low / high, index / (count - 1)) for index in range(count))
