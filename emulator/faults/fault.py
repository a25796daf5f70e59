"""What a fault is, and where it acts. The contract for every fault in this package.

A fault is made for one activation on one channel, begins, and (if it lasts) ends; in between it may act many times. It tells
the truth what it did by `Fault.note`: the bytes before and after where it changed bytes, and whatever else is a fact. All of
its chance comes from ``draws``, which is a pure function of the scenario's seed, the event and the activation.
"""

from __future__ import annotations

import enum
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BeforeValidator, Field

from emulator.clocks.clock import Clock
from emulator.faults.draws import Draws
from emulator.faults.stages import Wire
from emulator.instruments.channel import Channel
from emulator.instruments.methodscript.session import Session
from emulator.links import Link
from emulator.truth import Value
from harness.errors import BadInput
from harness.model.written import Written, wrong
from harness.units import parse_quantity


class Layer(enum.StrEnum):
    """How far from the cell a fault acts."""

    LINK = "link"
    WIRE = "wire"
    INSTRUMENT = "instrument"
    CELL = "cell"


class Lasting(enum.Enum):
    """How a fault ends."""

    INSTANT = "instant"
    """It happens and is over; ``for`` and ``clear`` make no sense."""
    LASTING = "lasting"
    """It stays until it is ended: the scenario must say how."""


def _second(text: object) -> float:
    try:
        value = parse_quantity(text, "s")
    except BadInput as bad:
        raise wrong(bad.what) from None
    if value < 0.0:
        raise wrong(f'"{text}" is negative; a time counts forward')
    return value


Second = Annotated[float, BeforeValidator(_second)]
"""A duration written as a quantity, in seconds."""
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]


class NoParameters(Written):
    """A fault that needs no numbers."""


@dataclass(frozen=True, slots=True)
class Target:
    """One channel with everything around it. ``neighbours`` are all channels of the station by name, this one among them;
    ``chassis`` are the names of those that share its instrument.
    """

    name: str
    session: Session
    link: Link
    wire: Wire
    clock: Clock
    neighbours: Mapping[str, Target]
    chassis: tuple[str, ...]

    @property
    def channel(self) -> Channel:
        """The potentiostat with its cell."""
        return self.session.channel


class Note(Protocol):
    """Tells the truth that a fault acted; one call is one unit of ``for: {count: n}``."""

    def __call__(self, *, before: bytes | None = None, after: bytes | None = None, facts: dict[str, Value] | None = None) -> None:
        """``before`` and ``after`` are the bytes as they were and as they went on; equal ones are not worth a call."""


P = TypeVar("P", bound=Written)


class Fault(ABC, Generic[P]):
    """One activation of a fault on one channel.

    Class facts: ``id`` as scenarios write it (catalogue number and a word), ``layer``, ``lasting``, ``summary`` (one sentence for
    the table), ``parameters_type``, ``counted`` (whether each `note` is an act that ``for: {count: n}`` counts), ``ticks``
    (whether `tick` does anything), and ``links`` (the kinds of port on which it can happen).
    """

    id: ClassVar[str]
    layer: ClassVar[Layer]
    summary: ClassVar[str]
    lasting: ClassVar[Lasting] = Lasting.LASTING
    parameters_type: ClassVar[type[Written]] = NoParameters
    counted: ClassVar[bool] = False
    ticks: ClassVar[bool] = False
    links: ClassVar[frozenset[str]] = frozenset({"tcp", "pty"})

    def __init__(self, parameters: P, target: Target, note: Note, draws: Draws) -> None:
        self.parameters = parameters
        self.target = target
        self.note = note
        self.draws = draws

    def begin(self) -> None:
        """Make it happen. Called at the moment of the event, with the channel's cell at that moment."""

    def end(self) -> None:
        """Make it stop; never called for one that does not last. Must work from any state."""

    def tick(self, second: float) -> None:
        """The channel has reached ``second`` (emulator's time) after `begin`. For drifts and ramps; called at every sample."""

    @property
    def channel(self) -> Channel:
        """The potentiostat it acts on."""
        return self.target.channel


AnyFault = Fault[Any]
FaultType = type[Fault[Any]]
Scheduled = Callable[[], None]
