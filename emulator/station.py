"""One channel with everything around it: what the emulator serves, and what the control port looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from emulator.faults.stages import Wire
from emulator.instruments.methodscript.session import Session
from emulator.links import Link
from emulator.scenario.instruments import ChannelSettings


class Faults(Protocol):
    """What goes wrong when somebody says so. Both raise `harness.errors.BadInput` with the place in what was said."""

    def begin(self, asked: object) -> str:
        """Begin what ``asked`` describes, as an event of a scenario does without its moment; the id it can be ended by."""

    def clear(self, name: str) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Station:
    """One channel with its port."""

    session: Session
    link: Link
    wire: Wire
    settings: ChannelSettings

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.settings.name
