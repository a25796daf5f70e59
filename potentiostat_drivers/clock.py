"""The clock a driver is given: real time, or an emulated instrument's scaled time.

This is the one module of the package that reads the system clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

SHORTEST_DEADLINE_SECOND = 5.0
"""No deadline is shorter than this in wall time, however fast the instrument's time runs."""


class Clock(Protocol):
    """Wall time for links, instrument time for what the instrument does."""

    @property
    def scale(self) -> float:
        """Instrument seconds per wall second; 1 for real instruments."""

    def monotonic(self) -> float:
        """Wall seconds from an arbitrary origin, never backwards."""

    async def sleep(self, wall_second: float) -> None:
        """Wait in wall time."""

    def deadline_second(self, instrument_second: float) -> float:
        """How long to wait, in wall seconds, for something that takes ``instrument_second`` on the instrument."""

    def held(self) -> AbstractContextManager[None]:
        """Wall time is waited for: a pause on the wire, a reply that is due at once. An emulator's time may stand meanwhile."""

    def watch(self, url: str) -> Callable[[str, bytes], None] | None:
        """Who is told of every byte of a new connection to ``url``, as a `potentiostat_drivers.transport.Hook`; often nobody."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The system's clock, with the instrument's time running ``scale`` times as fast."""

    scale: float = 1.0

    def monotonic(self) -> float:
        """Wall seconds from an arbitrary origin."""
        return time.monotonic()

    async def sleep(self, wall_second: float) -> None:
        """Wait in wall time."""
        await asyncio.sleep(wall_second)

    def deadline_second(self, instrument_second: float) -> float:
        """The wall time of ``instrument_second``, never under `SHORTEST_DEADLINE_SECOND`."""
        return max(SHORTEST_DEADLINE_SECOND, instrument_second / self.scale)

    def held(self) -> AbstractContextManager[None]:
        """Nothing stands still."""
        return contextlib.nullcontext()

    def watch(self, url: str) -> Callable[[str, bytes], None] | None:
        """Nobody."""
        del url
        return None
