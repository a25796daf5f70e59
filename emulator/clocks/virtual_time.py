"""Time that does not flow: it stands still while anything is being done, and then jumps to the next moment somebody waits for.

A jump is made only when the event loop is quiet (`emulator.clocks.quiet`), so everything that happens at a moment is finished
before time moves on; of those who wait for the same moment one after another goes on, in a fixed order. Nothing in here depends
on how fast the machine is: with the same commands at the same simulated moments every byte comes out the same.

A channel that was let go on, and is the only one, may run ahead up to the next moment of any other (`free_until`). Channels do
not touch each other, so where the leases allow a slack it may run ahead of other channels by that, though of no event.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from abc import abstractmethod
from dataclasses import dataclass, field

from emulator.clocks.clock import EVENT, NANOSECOND, QUANTUM_SECOND, Clock, Mode, Waiter, resolve
from emulator.clocks.leases import Leases, Situation
from emulator.clocks.quiet import QuietLoop
from emulator.links import Link

NEVER = 1 << 63


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """What stands in the agenda: a moment, whose turn it is then, and who waits."""

    nanosecond: int
    place: int
    number: int
    future: asyncio.Future[None] = field(compare=False)
    waiter: Waiter = field(compare=False)


@dataclass(slots=True, eq=False)
class VirtualClock(Clock):
    """What both kinds share: the agenda, and the jump."""

    _now: int = field(default=0, init=False)
    _agenda: list[_Entry] = field(default_factory=list, init=False)
    _count: int = field(default=0, init=False)
    _sole: Waiter | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._now = self.start_nanosecond

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let time move when ``loop`` is quiet; it must be a `QuietLoop`."""
        if not isinstance(loop, QuietLoop):
            raise TypeError("time that jumps needs a QuietLoop")
        loop.when_quiet(self.quiet)

    @property
    def eager(self) -> bool:
        """See `Clock`."""
        return True

    @property
    def flows(self) -> bool:
        """See `Clock`."""
        return False

    def now_nanosecond(self) -> int:
        """See `Clock.now_nanosecond`."""
        return self._now

    async def wait(self, waiter: Waiter, nanosecond: int | None) -> None:
        """See `Waiter.until`. One that waits for the present moment takes its turn."""
        if self._sole is not waiter:
            self._sole = None
        future = waiter.future = asyncio.get_running_loop().create_future()
        if nanosecond is not None:
            self._count += 1
            heapq.heappush(self._agenda, _Entry(nanosecond, waiter.place, self._count, future, waiter))
        try:
            await future
        finally:
            waiter.future = None
            future.cancel()

    def free_until(self, waiter: Waiter) -> int:
        """See `Clock.free_until`."""
        if self._sole is not waiter:
            return self.now_nanosecond()
        others, slack = self._next_moment() - 1, self._slack()
        if slack:
            others = max(others, min(self._now + slack, self._next_event() - 1))
        return max(self._now, min(self._gate(), others))

    def reached(self, nanosecond: int) -> None:
        """See `Clock.reached`; one that has run ahead does not take the others with it."""
        self._now = max(self._now, min(nanosecond, self._next_moment() - 1))

    def disturbed(self) -> None:
        """See `Clock.disturbed`."""
        self._sole = None

    def tick_nanosecond(self, wall_second: float) -> int | None:  # noqa: ARG002 - time does not pass by itself
        """See `Clock.tick_nanosecond`."""
        return None

    def note_lag(self, channel: str, simulated_second: float) -> None:
        """See `Clock.note_lag`: nobody can be behind a time that waits for him."""

    def quiet(self) -> bool:
        """Nothing is left to do at this moment: let the next one go on. Whether somebody was."""
        self._sole = None
        gate = self._gate()
        if self._next_moment() > gate:
            return self._arrived(gate)
        entry = heapq.heappop(self._agenda)
        self._now = max(self._now, entry.nanosecond)
        self._sole = entry.waiter
        resolve(entry.future)
        return True

    def _next_moment(self) -> int:
        while self._agenda and self._agenda[0].future.done():
            heapq.heappop(self._agenda)
        return self._agenda[0].nanosecond if self._agenda else NEVER

    def _next_event(self) -> int:
        return min((entry.nanosecond for entry in self._agenda if entry.waiter.name == EVENT), default=NEVER)

    def _slack(self) -> int:
        """By how much a channel may run ahead of others."""
        return 0

    @abstractmethod
    def _gate(self) -> int:
        """Up to which moment time may go by itself now."""

    @abstractmethod
    def _arrived(self, gate: int) -> bool:
        """Nobody waits for a moment up to ``gate``; whether that makes anybody go on."""

    def _wanted_ratio(self) -> float | None:
        return None


@dataclass(slots=True, eq=False)
class SteppedClock(VirtualClock):
    """Advances only when told. What runs out of time waits; so does a host with a deadline of its own."""

    _target: int = field(default=0, init=False)
    _asked: asyncio.Future[None] | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        VirtualClock.__post_init__(self)
        self._target = self._now

    @property
    def mode(self) -> Mode:
        """See `Clock.mode`."""
        return Mode.STEPPED

    async def advance_to(self, nanosecond: int) -> None:
        """Let time go on to ``nanosecond``; return when everything up to then has happened.

        Raises:
            ValueError: that moment has passed.
        """
        async with self._turn:
            if nanosecond < self._now:
                raise ValueError(f"it is {self._now} already, and time does not go back to {nanosecond}")
            self._target = nanosecond
            self._asked = asyncio.get_running_loop().create_future()
            try:
                await self._asked
            finally:
                self._asked, self._target = None, self._now

    def _gate(self) -> int:
        return self._target

    def _arrived(self, gate: int) -> bool:
        self._now = gate
        if self._asked is None or self._asked.done():
            return False
        resolve(self._asked)
        return True


@dataclass(slots=True, eq=False)
class SelfAdvancingClock(VirtualClock):
    """Jumps when every leaseholder waits, stands still while one does not, and runs at ``scale`` for those without a lease.

    The rule is `emulator.leases.Leases.situation`.
    """

    leases: Leases = field(default_factory=Leases, kw_only=True)
    _paced_from: tuple[int, int] | None = field(default=None, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    @property
    def mode(self) -> Mode:
        """See `Clock.mode`."""
        return Mode.SELF_ADVANCING

    def now_nanosecond(self) -> int:
        """See `Clock.now_nanosecond`."""
        if self._paced_from is None:
            return self._now
        since, wall = self._paced_from
        return max(self._now, since + round((time.monotonic_ns() - wall) * self.scale))

    def quiet(self) -> bool:
        """See `VirtualClock.quiet`; first every leaseholder hears what it must know."""
        self.settle()
        if self.leases.tell(self.now_nanosecond()):
            return True
        due = self.leases.next_until()
        if due < self._next_moment() and due <= self._gate():
            if self.leases.unheard:
                return self._arrived(due)
            self._now = max(self._now, due)
            return self.leases.reach(self._now)
        return VirtualClock.quiet(self)

    def free_until(self, waiter: Waiter) -> int:
        """See `Clock.free_until`."""
        return max(self.now_nanosecond(), min(VirtualClock.free_until(self, waiter), self.leases.next_until() - 1))

    def look_on(self, name: str, link: Link) -> None:
        """A port that leases are about, before it is opened."""

        def note(direction: str, _data: bytes) -> None:
            if direction == "to_host":
                moment = self.speaking_nanosecond
                self.leases.note_sent(name, self._now if moment is None else moment, running=moment is not None)

        self.leases.ports[name] = link
        link.onlookers.append(note)

    def settle(self) -> None:
        """Begin or end the time that runs by itself, as the situation is now."""
        pacing = self.leases.situation() is Situation.PACING
        if pacing and self._paced_from is None:
            self._paced_from = (self._now, time.monotonic_ns())
        elif not pacing and self._paced_from is not None:
            self._now, self._paced_from = self.now_nanosecond(), None

    def _gate(self) -> int:
        match self.leases.situation():
            case Situation.JUMPING:
                return self.leases.unheard_until()
            case Situation.PACING:
                return self.now_nanosecond()
            case Situation.STANDING | Situation.HELD:
                return -1

    def _slack(self) -> int:
        return self.leases.slack_nanosecond()

    def _arrived(self, gate: int) -> bool:
        second = self.leases.look_again_second()
        due = min(self._next_moment(), self.leases.next_until())
        if self._paced_from is not None and due < NEVER:
            second = min(second, max(QUANTUM_SECOND, (due - gate) / NANOSECOND / self.scale))
        return second < float("inf") and self._look_in(second)

    def _look_in(self, second: float) -> bool:
        """Have the loop ask again after so many wall seconds; whether it had to be told."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + second:
                return False
            self._timer.cancel()
        self._timer = loop.call_later(second, self._looked)
        return True

    def _looked(self) -> None:
        self._timer = None
