"""The one reader of the system clock. Wall time for links and deadlines, station time for everything a cell does.

Station time is UTC in integer nanoseconds. With ``scale`` 1 it is the system's; with any other scale (emulated instruments
only) it is ``start + (wall − origin) × scale``, the same rule and numbers as in the emulator's scenario, so that both agree
to the accuracy of the system clock. A `LeasedClock` (emulated instruments only) has the emulator's own time, which jumps while
the station has nothing to do: see `harness.lease`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.lease import EmulatorAddress, Lease
from harness.units import NANOSECOND

SHORTEST_DEADLINE_SECOND = 5.0
"""No deadline is shorter than this in wall time, however fast the station's time runs."""
LONGEST_LEASED_SECOND = 60.0
"""How long, in wall time, an instrument whose time advances by itself may stay silent whatever it does."""


@dataclass(frozen=True, slots=True)
class StationClock:
    """A station's time. ``start_nanosecond`` is the station time at the wall time ``origin_nanosecond``."""

    scale: float = 1.0
    start_nanosecond: int = 0
    origin_nanosecond: int = 0

    @property
    def emulated(self) -> bool:
        """Whether this is no time for real instruments."""
        return self.scale != 1.0

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

    # -- what matters only where time can be made to stand

    def standing(self) -> AbstractAsyncContextManager[int]:
        """Something is begun that a stamp belongs to: gives station time, which stands still meanwhile if it can."""
        return contextlib.nullcontext(self.now_nanosecond())

    def latest_nanosecond(self) -> int:
        """A station time that is not behind what was just received: for judging what claims to be later than now."""
        return self.now_nanosecond()

    def held(self) -> AbstractContextManager[None]:
        """Wall time is waited for: station time stands still meanwhile, if it can."""
        return contextlib.nullcontext()

    def timeout(self, instrument_second: float) -> AbstractAsyncContextManager[object]:
        """Raises `TimeoutError` when so much station time has passed, and at least `SHORTEST_DEADLINE_SECOND` of wall time."""
        return asyncio.timeout(self.deadline_second(instrument_second))

    def watch(self, url: str) -> Callable[[str, bytes], None] | None:
        """Who is to be told of the bytes of a new connection, if anybody: see `potentiostat_drivers.transport.Hook`."""
        del url
        return None

    def forget(self, url: str) -> None:
        """The connection to ``url`` has ended."""


@dataclass(frozen=True, slots=True)
class LeasedClock(StationClock):
    """The time of an emulator that advances by itself, as fast as both can."""

    lease: Lease = field(kw_only=True)

    @property
    def emulated(self) -> bool:
        """See `StationClock.emulated`."""
        return True

    def now_nanosecond(self) -> int:
        """Station time, no older than the last thing heard; `standing` waits for the time itself."""
        return self.lease.now_nanosecond

    def deadline_second(self, instrument_second: float) -> float:
        """Wall seconds for something on the instrument, as the last resort: time is let go, and `timeout` the real deadline."""
        return min(max(SHORTEST_DEADLINE_SECOND, instrument_second), LONGEST_LEASED_SECOND)

    def latest_nanosecond(self) -> int:
        """See `StationClock.latest_nanosecond`; beyond any doubt where what was received has come before the time it was sent."""
        return self.lease.latest_nanosecond

    def standing(self) -> AbstractAsyncContextManager[int]:
        """See `StationClock.standing`."""
        return self.lease.standing()

    def held(self) -> AbstractContextManager[None]:
        """See `StationClock.held`."""
        return self.lease.held()

    def timeout(self, instrument_second: float) -> AbstractAsyncContextManager[object]:
        """See `StationClock.timeout`; no time passes while this station is busy, so it needs no shortest wall time."""
        return self.lease.timeout(instrument_second)

    def watch(self, url: str) -> Callable[[str, bytes], None] | None:
        """See `StationClock.watch`."""
        return self.lease.watch(url)

    def forget(self, url: str) -> None:
        """See `StationClock.forget`."""
        self.lease.forget(url)


@asynccontextmanager
async def leased_clock(address: EmulatorAddress, holder: str, slack_second: float = 0.0) -> AsyncIterator[LeasedClock]:
    """A clock with a lease of its own while the context lasts; needs `harness.lease.QuietLoop`.

    Raises:
        BadInput: the emulator gives none.
    """
    lease = Lease(address, holder, slack_second)
    async with lease.living():
        yield LeasedClock(lease=lease)


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
