"""When a step ends, how often it is recorded, and within which limits: the parts of a step that are quantities.

Quantities stay the text their author wrote, checked here to be a quantity of the right kind, and become numbers only when a
schedule is bound to a cell: areal units need its area, C-rates its capacity. Zero is a value; absent is ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

from harness.errors import BadInput
from harness.model.run import Role
from harness.model.written import Written, wrong
from harness.units import parse_quantity

_C_RATE = re.compile(r"\s*(?P<times>\d+\.?\d*|\.\d+)?\s*C\s*(?:/\s*(?P<over>\d+\.?\d*|\.\d+))?\s*")


def magnitude_of(text: object, *units: str, where: str = "") -> tuple[float, str]:
    """The magnitude of ``text`` in the first of ``units`` it is of the kind of, and that unit.

    Raises:
        BadInput: it is no quantity, or of no such kind.
    """
    for unit in units:
        try:
            return parse_quantity(text, unit, where), unit
        except BadInput as complaint:
            last = complaint
            if not complaint.what.endswith(f"something like {unit}"):
                raise
    raise BadInput(where, last.what.replace(f"like {units[-1]}", f"like {' or '.join(units)}")) from None


def c_rate_of(text: object) -> float | None:
    """Currents per capacity, 1/h: 0.333 for ``C/3``, 2 for ``2C``; ``None`` if ``text`` is no C-rate."""
    found = _C_RATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    over = float(found["over"] or 1)
    return float(found["times"] or 1) / over if over > 0 else None


def _written(check: Callable[[object], None]) -> BeforeValidator:
    def validate(text: object) -> object:
        try:
            check(text)
        except BadInput as complaint:
            raise wrong(complaint.what) from None
        return text

    return BeforeValidator(validate)


def _check_duration(text: object) -> None:
    if magnitude_of(text, "s")[0] <= 0:
        raise BadInput("", f'"{text}" is not a time that can pass; write one longer than 0 s')


def _check_magnitude(*units: str) -> Callable[[object], None]:
    def check(text: object) -> None:
        if magnitude_of(text, *units)[0] < 0:
            raise BadInput("", f'"{text}" is negative; write the magnitude')

    return check


def _check_positive(*units: str) -> Callable[[object], None]:
    def check(text: object) -> None:
        if magnitude_of(text, *units)[0] <= 0:
            raise BadInput("", f'"{text}" must be more than 0')

    return check


def _check_voltage(text: object) -> None:
    magnitude_of(text, "V")


def _check_current(text: object) -> None:
    if c_rate_of(text) is not None:
        return
    try:
        magnitude_of(text, "A/cm^2", "A")
    except BadInput as complaint:
        raise BadInput("", f'{complaint.what}, or a C-rate such as "C/3"') from None


def _check_current_magnitude(text: object) -> None:
    _check_current(text)
    if c_rate_of(text) is None:
        _check_magnitude("A/cm^2", "A")(text)


Duration = Annotated[str, _written(_check_duration)]
Voltage = Annotated[str, _written(_check_voltage)]
VoltageChange = Annotated[str, _written(_check_positive("V"))]
Current = Annotated[str, _written(_check_current)]
CurrentMagnitude = Annotated[str, _written(_check_current_magnitude)]
Charge = Annotated[str, _written(_check_positive("A*h/cm^2", "A*h"))]
Frequency = Annotated[str, _written(_check_positive("Hz"))]


class Until(Written):
    """The wanted ends of a step; the first one reached wins. ``charge`` ends constant current only, where it is a time."""

    duration: Duration | None = None
    voltage_above: Voltage | None = None
    voltage_below: Voltage | None = None
    current_below: CurrentMagnitude | None = None
    charge: Charge | None = None

    @property
    def stated(self) -> tuple[str, ...]:
        """The names of the ends that are stated."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


class Sampling(Written):
    """How often readings come: every so long, earlier when the voltage has moved, and how often ends are tested."""

    every: Duration | None = None
    on_change: VoltageChange | None = None
    check: Duration | None = None


DEFAULT_SAMPLING = Sampling(every="60 s", on_change="5 mV", check="2 s")
"""For what neither step nor schedule says."""


class Limits(Written):
    """Hard limits of every step: reaching one stops the run. What is absent is the channel's."""

    voltage: Annotated[list[Voltage], Field(min_length=2, max_length=2)] | None = None
    current: CurrentMagnitude | None = None


RAISES_VOLTAGE = {Role.STRIP: True, Role.CHARGE: True, Role.PLATE: False, Role.DISCHARGE: False}
"""Which way a role's current moves the voltage between working and counter electrode, in every geometry."""


def check_ends(kind: str, role: Role, until: Until) -> None:
    """Raise `BadInput` about the first end that a step of ``kind`` and ``role`` cannot reach or that makes no sense."""
    for name in until.stated:
        sentence = _objection(kind, role, name)
        if sentence is not None:
            raise BadInput(f"until.{name}", sentence)


def _objection(kind: str, role: Role, name: str) -> str | None:
    constant_current = kind not in {"rest", "hold", "cv"}
    match name:
        case "charge" if not constant_current:
            return f"charge ends only steps of constant current, where it is a time; a {kind} step ends at a duration" + (
                "" if kind == "rest" else " or current_below"
            )
        case "current_below" if kind not in {"hold", "cv"}:
            return f"the current of a {kind} step does not fall by itself; current_below ends only hold and cv steps"
        case "voltage_above" | "voltage_below" if kind in {"hold", "cv"}:
            return f"the voltage of a {kind} step is constant; it ends at current_below or a duration"
        case "voltage_below" if constant_current and RAISES_VOLTAGE.get(role) is True:
            return f"a {role} current raises the voltage, so it cannot end below one; use voltage_above"
        case "voltage_above" if constant_current and RAISES_VOLTAGE.get(role) is False:
            return f"a {role} current lowers the voltage, so it cannot end above one; use voltage_below"
        case _:
            return None
