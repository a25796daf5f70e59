"""The emulator's time: sim = start + (wall − origin) × scale, the same rule as in the harness's site file; scale 1 is wall time.

Simulated time is never stretched: when the machine cannot keep up, channels fall behind, catch up as fast as they can, and
the clock says so on standard error and in `Clock.worst_lag_second`.
"""

from __future__ import annotations

import sys
import time

NANOSECOND = 1_000_000_000
_TELL_LAG_SECOND = 1.0
_TELL_EVERY_SECOND = 10.0


class Clock:
    """``start_nanosecond`` is the simulated UTC time at the wall time ``origin_nanosecond``."""

    def __init__(self, scale: float = 1.0, start_nanosecond: int = 0, origin_nanosecond: int = 0) -> None:
        self.scale = scale
        self._start = start_nanosecond
        self._origin = origin_nanosecond
        self.worst_lag_second = 0.0
        self._next_complaint = 0.0

    def now_nanosecond(self) -> int:
        """Simulated UTC time."""
        wall = time.time_ns()
        if self.scale == 1.0:
            return wall
        return self._start + round((wall - self._origin) * self.scale)

    def second_since(self, nanosecond: int) -> float:
        """Simulated seconds since a simulated moment."""
        return (self.now_nanosecond() - nanosecond) / NANOSECOND

    def wall_second(self, simulated_second: float) -> float:
        """How long that takes on the wall."""
        return simulated_second / self.scale

    def note_lag(self, channel: str, simulated_second: float) -> None:
        """``channel`` is that far behind; more than a wall second of it is told, every ten seconds at most."""
        lag = simulated_second / self.scale
        self.worst_lag_second = max(self.worst_lag_second, lag)
        if lag > _TELL_LAG_SECOND and time.monotonic() >= self._next_complaint:
            self._next_complaint = time.monotonic() + _TELL_EVERY_SECOND
            print(
                f"cannot keep up: {channel} is {lag:.1f} s of wall time behind ({simulated_second:.0f} s simulated); "
                "samples stay right but late, choose a smaller clock.scale",
                file=sys.stderr,
                flush=True,
            )
