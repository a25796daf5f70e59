"""The one reader of the system clock. Wall time for links and deadlines, station time for everything a cell does.

Station time is UTC in integer nanoseconds. With ``scale`` 1 it is the system's; with any other scale (emulated instruments
only) it is ``start + (wall − origin) × scale``, the same rule and numbers as in the emulator's scenario, so that both agree
to the accuracy of the system clock.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.units import NANOSECOND

SHORTEST_DEADLINE_SECOND = 5.0
"""No deadline is shorter than this in wall time, however fast the station's time runs."""


@dataclass(frozen=True, slots=True)
class StationClock:
    """A station's time. ``start_nanosecond`` is the station time at the wall time ``origin_nanosecond``."""

    scale: float = 1.0
    start_nanosecond: int = 0
    origin_nanosecond: int = 0

    def now_nanosecond(self) -> int:
        """Station time now, nanoseconds since 1970 UTC. It may jump when the system clock does: never integrate over it."""
        wall = time.time_ns()
        if self.scale == 1.0:
            return wall
        return self.start_nanosecond + round((wall - self.origin_nanosecond) * self.scale)

    def monotonic(self) -> float:
        """Wall seconds from an arbitrary origin, never backwards."""
        return time.monotonic()

    async def sleep(self, wall_second: float) -> None:
        """Wait in wall time."""
        await asyncio.sleep(wall_second)

    def deadline_second(self, instrument_second: float) -> float:
        """Wall seconds to wait for something that takes ``instrument_second`` of station time."""
        return max(SHORTEST_DEADLINE_SECOND, instrument_second / self.scale)


def wall_nanosecond() -> int:
    """The system's UTC time in nanoseconds."""
    return time.time_ns()


def iso_from_nanosecond(unix_time_nanosecond: int) -> str:
    """``2026-01-01T00:00:00Z`` for a stamp, to the second."""
    return datetime.fromtimestamp(unix_time_nanosecond // NANOSECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nanosecond_from_datetime(moment: datetime) -> int:
    """Integer nanoseconds of an aware datetime."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NANOSECOND + delta.microseconds * 1000
