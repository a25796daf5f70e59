"""What goes wrong on purpose, and when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emulator.scenario.written import Duration, Name, Written
from harness.units import parse_quantity


class Moment(Written):
    """When and where an event happens; ``time`` from the emulator's start, simulated."""

    channel: Name
    time: Duration

    @property
    def second(self) -> float:
        """``time`` in seconds."""
        return parse_quantity(self.time, "s")


class Event(Written):
    """Something that goes wrong on purpose."""

    at: Moment
    do: Literal["link_drop", "runtime_error", "stuck_on", "release"]
    for_: Annotated[Duration, Field(alias="for")] = "0 s"
    code: Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")] = "0032"

    @property
    def duration_second(self) -> float:
        """How long a dropped link accepts nobody, wall seconds."""
        return parse_quantity(self.for_, "s")
