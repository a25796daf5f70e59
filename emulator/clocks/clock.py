"""The emulator's time, and how one waits in it. Who lives in emulated time asks a clock, never the system.

``real``             wall time
``scaled``           sim = start + (wall − origin) × scale, the same rule as in the harness's site file
``stepped``          stands still until it is told to advance: `emulator.virtual_time.SteppedClock`
``self_advancing``   jumps to the next moment when everybody waits: `emulator.virtual_time.SelfAdvancingClock`

Simulated time is never stretched: when the machine cannot keep up with real or scaled time, channels fall behind, catch up as
fast as they can, and the clock says so on standard error, in `Clock.report` and when the emulator ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum

NANOSECOND = 1_000_000_000
EVENT = ""
"""The name of whatever waits and is no channel: no channel runs past it."""
QUANTUM_SECOND = 0.005
"""Shortest sleep in wall time, so that many things are done at once."""
_TELL_LAG_SECOND = 1.0
_TELL_EVERY_SECOND = 10.0


class Mode(StrEnum):
    """How time runs."""

    REAL = "real"
    SCALED = "scaled"
    STEPPED = "stepped"
    SELF_ADVANCING = "self_advancing"


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """How fast time has run: wall seconds of lag by channel (worst and present), simulated seconds per wall second reached by the
    slowest channel (``achieved_ratio``) and asked for (``wanted_ratio``, ``None`` where time runs as fast as it can).
    """

    mode: Mode
    simulated_second: float
    wall_second: float
    achieved_ratio: float
    wanted_ratio: float | None
    worst_lag_second: float
    worst_lag_second_by_channel: dict[str, float]
    present_lag_second_by_channel: dict[str, float]

    @property
    def kept_up(self) -> bool:
        """Whether no channel ever was noticeably behind."""
        return self.worst_lag_second < _TELL_LAG_SECOND

    def sentence(self) -> str:
        """For people."""
        wanted = "as fast as it can" if self.wanted_ratio is None else f"{self.wanted_ratio:g} wanted"
        said = f"{self.simulated_second:.0f} s simulated in {self.wall_second:.1f} s: × {self.achieved_ratio:.4g}, {wanted}"
        if self.kept_up:
            return said
        worst = max(self.worst_lag_second_by_channel, key=lambda name: self.worst_lag_second_by_channel[name])
        return f"{said}; could not keep up: {worst} was {self.worst_lag_second:.1f} s of wall time behind"


@dataclass(slots=True)
class _Lag:
    worst_second: float = 0.0
    present_second: float = 0.0


class Waiter:
    """One party that waits: a channel or an event. It waits for one thing at a time, and whoever wants to can end that."""

    __slots__ = ("_clock", "future", "name", "place")

    def __init__(self, clock: Clock, name: str, place: int) -> None:
        self._clock = clock
        self.name = name
        self.place = place
        self.future: asyncio.Future[None] | None = None

    async def until(self, nanosecond: int | None) -> None:
        """Return at a simulated moment (at once if it has passed), ``None`` for never, or earlier after `poke`."""
        await self._clock.wait(self, nanosecond)

    def poke(self) -> None:
        """End the present wait, if there is one."""
        if self.future is not None:
            self._clock.disturbed()
            resolve(self.future)


@dataclass(slots=True, eq=False)
class Clock:
    """Real and scaled time. ``start_nanosecond`` is the simulated UTC time at the wall time ``origin_nanosecond``.

    ``eager``: what a channel says is sent at the moment it is said, since somebody's reaction may be waited for. ``flows``: time
    goes on when nobody asks for it. ``speaking_nanosecond`` is, while a running script says something, the moment it says it.
    """

    scale: float = 1.0
    start_nanosecond: int = 0
    origin_nanosecond: int = 0
    speaking_nanosecond: int | None = field(default=None, init=False)
    worst_lag_second: float = field(default=0.0, init=False)
    _lags: dict[str, _Lag] = field(default_factory=dict, init=False)
    _places: dict[str, int] = field(default_factory=dict, init=False)
    _next_complaint: float = field(default=0.0, init=False)
    _begun_wall: float = field(default_factory=time.monotonic, init=False)
    _begun: int | None = field(default=None, init=False)

    @property
    def mode(self) -> Mode:
        """How this clock's time runs."""
        return Mode.REAL if self.scale == 1.0 else Mode.SCALED

    @property
    def eager(self) -> bool:
        """See above."""
        return False

    @property
    def flows(self) -> bool:
        """See above."""
        return True

    # -- what time it is

    def now_nanosecond(self) -> int:
        """Simulated UTC time."""
        wall = time.time_ns()
        if self.scale == 1.0:
            return wall
        return self.start_nanosecond + round((wall - self.origin_nanosecond) * self.scale)

    def second_since(self, nanosecond: int) -> float:
        """Simulated seconds since a simulated moment."""
        return (self.now_nanosecond() - nanosecond) / NANOSECOND

    def wall_second(self, simulated_second: float) -> float:
        """How long that takes on the wall, at the clock's scale."""
        return simulated_second / self.scale

    # -- waiting

    def waiter(self, name: str) -> Waiter:
        """A party that waits. Of those that wait for the same moment, the one whose name was heard first goes first."""
        return Waiter(self, name, self._places.setdefault(name, len(self._places)))

    async def wait_until(self, nanosecond: int, waiter: Waiter | None = None) -> None:
        """Return at a simulated moment and no earlier: an event's, unless ``waiter`` is somebody else."""
        waiter = waiter or self.waiter(EVENT)
        while self.now_nanosecond() < nanosecond:
            await waiter.until(nanosecond)

    async def wait(self, waiter: Waiter, nanosecond: int | None) -> None:
        """See `Waiter.until`."""
        self._lag(waiter.name).present_second = 0.0
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        future = loop.create_future()
        if nanosecond is not None:
            ahead = nanosecond - self.now_nanosecond()
            if ahead <= 0:
                return
            timer = loop.call_later(max(QUANTUM_SECOND, ahead / NANOSECOND / self.scale), resolve, future)
        waiter.future = future
        try:
            await future
        finally:
            waiter.future = None
            if timer is not None:
                timer.cancel()

    def free_until(self, waiter: Waiter) -> int:  # noqa: ARG002 - other clocks look at it
        """Up to which moment ``waiter``, running now, may go on without waiting."""
        return self.now_nanosecond()

    def reached(self, nanosecond: int) -> None:
        """The party that runs now has gone on to ``nanosecond``, within `free_until`."""

    def disturbed(self) -> None:
        """Something else than the passing of time makes a party go on."""

    def tick_nanosecond(self, wall_second: float) -> int | None:
        """The moment ``wall_second`` from now, for those who follow the time for nobody in particular; ``None`` if none need."""
        return self.now_nanosecond() + round(wall_second * self.scale * NANOSECOND)

    # -- keeping up

    def begin(self) -> None:
        """What `report` reports begins here."""
        self._begun, self._begun_wall = self.now_nanosecond(), time.monotonic()

    def note_lag(self, channel: str, simulated_second: float) -> None:
        """``channel`` is that far behind; more than a wall second of it is told, every ten seconds at most."""
        second = simulated_second / self.scale
        lag = self._lag(channel)
        lag.present_second = second
        lag.worst_second = max(lag.worst_second, second)
        self.worst_lag_second = max(self.worst_lag_second, second)
        if second > _TELL_LAG_SECOND and time.monotonic() >= self._next_complaint:
            self._next_complaint = time.monotonic() + _TELL_EVERY_SECOND
            print(
                f"cannot keep up: {channel} is {second:.1f} s of wall time behind ({simulated_second:.0f} s simulated); "
                "samples stay right but late, choose a smaller clock.scale",
                file=sys.stderr,
                flush=True,
            )

    def _lag(self, channel: str) -> _Lag:
        lag = self._lags.get(channel)
        if lag is None:
            lag = self._lags[channel] = _Lag()
        return lag

    def report(self) -> SpeedReport:
        """How fast time has run since `begin`."""
        begun = self.now_nanosecond() if self._begun is None else self._begun
        wall = max(time.monotonic() - self._begun_wall, 1e-9)
        present = {name: lag.present_second for name, lag in self._lags.items() if name}
        simulated = self.second_since(begun) - max(present.values(), default=0.0) * self.scale
        return SpeedReport(
            mode=self.mode,
            simulated_second=simulated,
            wall_second=wall,
            achieved_ratio=simulated / wall,
            wanted_ratio=self._wanted_ratio(),
            worst_lag_second=self.worst_lag_second,
            worst_lag_second_by_channel={name: lag.worst_second for name, lag in self._lags.items() if name},
            present_lag_second_by_channel=present,
        )

    def _wanted_ratio(self) -> float | None:
        return self.scale


def resolve(future: asyncio.Future[None]) -> None:
    """Let whoever awaits ``future`` go on."""
    if not future.done():
        future.set_result(None)
