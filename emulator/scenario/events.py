"""What goes wrong on purpose: when, where, what, and for how long.

::

    events:
      - {at: {channel: a1, time: "3 h"}, do: T10_refuse, for: {wall: "5 s"}}
      - {at: {channel: a2, cycle: 6, step: plate, q: 0.4}, do: {C1_soft_short: {conductance_s_cm2: 5e-4}}, for: {cycles: 3}}
      - {when: "dead_mah_cm2 > 1.0", channel: a3, once: true, do: T5_drop_reply, for: {count: 7}}
      - {at: {channel: a1, message: 40}, do: P2_truncated, for: {count: 1}}
      - {every: {mean: "2 h", stream: chaos}, do: [T1_latency, {T13_bit_flip: {probability: 1e-4}}], for: {duration: "30 s"}}
      - {name: stuck, at: {channel: a1, time: "3 h"}, do: I20_relay_stuck}
      - {at: {channel: a1, time: "4 h"}, clear: stuck}

``time`` counts from the emulator's start, in its time; ``cycle`` counts the cell's deposits from 1, ``q`` is what that half
cycle has moved, mAh/cm²; ``message`` counts lines from 1 (``direction: to_host``, the default, or ``from_host``). ``channel``
beside the trigger says where it acts (one or a list; for ``when`` and ``every`` the default is every channel, for ``at`` its
own); ``every`` picks one of them each time. ``when`` acts each time the condition becomes true, with ``once`` only the first
time. ``for`` is a ``count`` of acts, a ``duration`` in the emulator's time or on the ``wall``, or a number of ``cycles``. A fault
that lasts without ``for`` needs another event that clears it by name.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, SerializeAsAny, Tag, ValidationError, model_validator

from emulator.faults.fault import Lasting, Second
from emulator.faults.registry import FAULTS
from emulator.faults.stages import Direction
from emulator.scenario.predicates import WrittenPredicate
from emulator.scenario.written import Name, NotNegative
from harness.model.written import Written, wrong
from harness.model.yaml_text import complaint, joined

Positive = Annotated[int, Field(ge=1)]


class Moment(Written):
    """A moment of the emulator's time."""

    channel: Name
    time: Second


class Place(Written):
    """A place in a cell's life: its n-th deposit or the removal after it, and what that half cycle has moved."""

    channel: Name
    cycle: Positive
    step: Literal["plate", "strip", "charge", "discharge"] = "plate"
    q: NotNegative = 0.0

    @property
    def removes(self) -> bool:
        """Whether lithium goes."""
        return self.step in ("strip", "discharge")


class Message(Written):
    """Right before a message passes."""

    channel: Name
    message: Positive
    direction: Direction = Direction.TO_HOST


class Every(Written):
    """At random, with a mean time between two; ``stream`` names the sequence of chance."""

    mean: Annotated[Second, Field(gt=0)]
    stream: Name = "chaos"


class Counted(Written):
    """So many acts."""

    count: Positive


class ForTime(Written):
    """So long in the emulator's time."""

    duration: Annotated[Second, Field(gt=0)]


class ForWall(Written):
    """So long on the wall."""

    wall: Annotated[Second, Field(gt=0)]


class ForCycles(Written):
    """Until the cell has begun so many more deposits."""

    cycles: Positive


class Deed(Written):
    """One fault with its parameters, as the registry's class takes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    parameters: SerializeAsAny[Written]


def _kind(*keys: str) -> Discriminator:
    """Which of several forms is written, by the key that only it has."""

    def choose(found: object) -> str | None:
        given = found if isinstance(found, dict) else dict(found) if isinstance(found, Written) else {}
        return next((f"by {key}" for key in keys if key in given), None)

    return Discriminator(choose)


def _has_one(*keys: str) -> BeforeValidator:
    offered = f"{', '.join(keys[:-1])} and {keys[-1]}"

    def check(found: object) -> object:
        if isinstance(found, dict) and sum(key in found for key in keys) != 1:
            raise wrong(f"it needs one of {offered}")
        if not isinstance(found, dict | Written):
            raise wrong(f"{found!r} does not fit; it should hold keys and values, one of {offered} among them")
        return found

    return BeforeValidator(check)


def _deeds(written: object) -> tuple[Deed, ...]:
    items = written if isinstance(written, list | tuple) else [written]
    if not items:
        raise wrong("it names no fault")
    deeds: list[Deed] = []
    for place, item in enumerate(items):
        if isinstance(item, Deed):
            deeds.append(item)
            continue
        where: tuple[int, ...] = (place,) if isinstance(written, list | tuple) else ()
        deeds += [_deed(item, None, where)] if isinstance(item, str) else _of_mapping(item, where)
    return tuple(deeds)


def _of_mapping(item: object, where: tuple[int, ...]) -> list[Deed]:
    if not isinstance(item, dict) or not item:
        raise wrong(f"{item!r} is not a fault; write its id, or its id and its parameters", joined(*where))
    return [_deed(key, parameters, where) for key, parameters in item.items()]


def _deed(fault: str, parameters: object, where: tuple[int, ...]) -> Deed:
    found = FAULTS.get(fault)
    if found is None:
        raise wrong(f'there is no fault "{fault}"; one of {", ".join(sorted(FAULTS))}', joined(*where))
    given = {} if parameters is None else parameters
    try:
        return Deed(fault=fault, parameters=found.parameters_type.model_validate(given))
    except ValidationError as error:
        bad = complaint(error, given)
        raise wrong(bad.what, joined(*where, fault, bad.where)) from None


def _names(written: object) -> object:
    return [written] if isinstance(written, str) else written


At = Annotated[
    Annotated[Moment, Tag("by time")] | Annotated[Place, Tag("by cycle")] | Annotated[Message, Tag("by message")],
    _kind("time", "cycle", "message"),
    _has_one("time", "cycle", "message"),
]
For = Annotated[
    Annotated[Counted, Tag("by count")]
    | Annotated[ForTime, Tag("by duration")]
    | Annotated[ForWall, Tag("by wall")]
    | Annotated[ForCycles, Tag("by cycles")],
    _kind("count", "duration", "wall", "cycles"),
    _has_one("count", "duration", "wall", "cycles"),
]


class Event(Written):
    """Something that goes wrong on purpose, or is cleared."""

    name: Name | None = None
    at: At | None = None
    when: WrittenPredicate | None = None
    every: Every | None = None
    once: bool = False
    channel: Annotated[tuple[Name, ...], BeforeValidator(_names)] = ()
    do: Annotated[tuple[Deed, ...], BeforeValidator(_deeds)] = ()
    clear: Name | None = None
    for_: Annotated[For | None, Field(alias="for")] = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if sum(trigger is not None for trigger in (self.at, self.when, self.every)) != 1:
            raise wrong("it needs exactly one of at, when and every")
        if bool(self.do) == (self.clear is not None):
            raise wrong("it needs either do or clear")
        if self.clear is not None and (self.for_ is not None or self.name is not None):
            raise wrong("what clears has no name and no for")
        self._check_end()
        return self

    def _check_end(self) -> None:
        for deed in self.do:
            fault = FAULTS[deed.fault]
            lasts = fault.lasting is Lasting.LASTING
            if lasts and self.for_ is None and self.name is None:
                what = f"{deed.fault} lasts and has no end; say for how long, or give it a name and an event that clears it"
                raise wrong(what, "for")
            if not lasts and self.for_ is not None and len(self.do) == 1:
                raise wrong(f"{deed.fault} is over in an instant; it has no end to say", "for")
            if isinstance(self.for_, Counted) and lasts and not fault.counted:
                raise wrong(f"{deed.fault} does not act message by message; say a duration", "for.count")

    @property
    def lasting(self) -> tuple[str, ...]:
        """The ids of those of its faults that last."""
        return tuple(deed.fault for deed in self.do if FAULTS[deed.fault].lasting is Lasting.LASTING)
