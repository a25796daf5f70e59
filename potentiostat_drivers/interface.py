"""What an instrument and a channel can do: the contract every driver keeps and `testing.conformance` checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from potentiostat_drivers.program import Item, Program


class Autonomy(StrEnum):
    """What a dead host leaves behind."""

    PROGRAM = "program"
    """The instrument holds limits and time of a whole program; the cell ends open."""
    STEP = "step"
    """The same, for one command at a time."""
    LEASE = "lease"
    """It goes on for a bounded time."""
    NONE = "none"
    """The host must loop; a dead host leaves the cell as it was."""
    UNPROVEN = "unproven"
    """It should hold programs, but nobody has shown it on hardware."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: compared with the site file before any program is sent."""

    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do. Windows in volt and ampere, frequencies in hertz."""

    galvanostat: bool
    impedance: bool
    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    frequency_min_hertz: float
    frequency_max_hertz: float
    autonomy: Autonomy


@dataclass(frozen=True, slots=True)
class Safe:
    """The cell is open, and the instrument proved it."""

    open_circuit_voltage_volt: float | None = None


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The cell must be treated as polarised; ``reason`` says what could not be shown."""

    reason: str


Safety = Safe | Unconfirmed


@dataclass(frozen=True, slots=True)
class Idle:
    """No program runs."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program runs; ``token`` is the one on its readings, ``None`` when none was seen in time."""

    token: int | None


Attachment = Idle | Running


class Channel(Protocol):
    """One socket on an instrument. One caller at a time, except `make_safe`, which overtakes everything."""

    @property
    def name(self) -> str:
        """The instrument's own name of the channel."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; valid after connecting."""

    def run(self, program: Program) -> AsyncGenerator[Item]:
        """Send ``program`` and yield what it says; the last item is `ProgramEnded`.

        Raises `Rejected` (nothing happened to the cell), `InstrumentFault` (the cell was opened and that was verified or
        an `Unconfirmed` is to be expected from `make_safe`), `ReplyTimeout` and `PortGone` (the outcome is unknown).
        Closing the generator early does not stop the instrument: call `make_safe`.
        """

    def adopt(self, program: Program) -> AsyncGenerator[Item]:
        """Follow ``program``, which `attach` found running, without stopping it; readings lost meanwhile are lost."""

    async def attach(self) -> Attachment:
        """Say whether a program runs, without touching it."""

    async def make_safe(self) -> Safety:
        """Open the cell from any state and verify it. Idempotent; never raises for a lost link but says `Unconfirmed`."""


class Instrument(Protocol):
    """A connected instrument. An async context manager: entering connects and identifies, leaving closes the port.

    Entering sends only what identifies; with ``synchronise`` true (the default of `opening.open_instrument`) it also stops
    whatever runs. Raises `PortUnavailable`, `ReplyTimeout`, `WireError` or `WrongInstrument`.
    """

    @property
    def identity(self) -> Identity:
        """Who answered."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Its channels, in the instrument's order."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...
