"""Leases: who must have nothing left to do before time may jump. Decides; sends and sleeps nothing.

A leaseholder says ``wait``: "I have dealt with these bytes and sent those, and do nothing before ``until`` unless I hear
something". That holds as long as both counts are what the ports say: bytes on their way, in either direction, make it void, and
time stands until the holder has spoken again. ``hold`` takes it back at once.

The rule for everybody else, in `Leases.situation`:

* nobody has come yet                          time stands at its start
* a leaseholder does not wait                  time stands
* every leaseholder waits                      time jumps
* … but a client without a lease is connected  time runs at the clock's scale: it cannot say that it waits, so it neither is run
                                               past nor can it stop anybody; a leaseholder that is busy stops it as well
* there is no lease (any more)                 time runs at the clock's scale

A lease may come with a slack: what a running script says may then be heard by that much emulated time later, so that a holder
need not be asked about every line. Replies and the ends of scripts never wait: whatever a holder does upon those it does at their
moment. What it does upon a reading (a limit of its own, say) it does within the slack. No moment that a holder waits for comes
while it has something to hear.

A lease ends when its holder gives it back, when its stream closes, or when nothing was heard of it for ``keep_alive_second`` of
wall time: a client that crashed cannot stop the world, and one that lives is not run past.
"""

from __future__ import annotations

import asyncio
import enum
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

NEVER = 1 << 63
LOST_SECOND = 10.0
"""After so much wall time, bytes that have not arrived count as lost: no port is waited for longer."""


class Situation(enum.Enum):
    """What time may do now."""

    STANDING = enum.auto()
    HELD = enum.auto()
    JUMPING = enum.auto()
    PACING = enum.auto()


@dataclass(frozen=True, slots=True)
class Unheard:
    """What was sent to a port: how many bytes in all by then, when, and whether it is the output of a script that goes on."""

    sent_bytes: int
    nanosecond: int
    running: bool


class Port(Protocol):
    """What a lease must know of a port: bytes written to and read from its present connection."""

    sent_bytes: int
    received_bytes: int

    @property
    def present(self) -> bool:
        """Whether a client is there."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of one connection, as its host counts them."""

    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a leaseholder hears: the time, how many bytes had been sent to each port by then, which ``hold`` this answers, and
    which of the moments it waited for have come.
    """

    now_nanosecond: int
    sent_bytes: dict[str, int]
    answers: int | None
    over: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Lease:
    """One leaseholder. ``channels`` are those it may be connected to; ``news`` is what it has not been told yet."""

    holder: str
    channels: frozenset[str]
    keep_alive_second: float
    slack_nanosecond: int = 0
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    waiting: bool = False
    untils: dict[str, int] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    news: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)
    heard: float = field(default_factory=time.monotonic)
    spoke: float = field(default_factory=time.monotonic)
    asks: int | None = None
    told: dict[str, int] = field(default_factory=dict)

    def wait(self, untils: Mapping[str, int], traffic: Mapping[str, Traffic]) -> None:
        """The holder has nothing to do before the first of ``untils`` (moments by a name of its own), given this traffic."""
        self.waiting, self.untils, self.traffic = True, dict(untils), dict(traffic)
        self.told = self.told | {name: counted.received_bytes for name, counted in traffic.items()}
        self.renew()
        self.spoke = self.heard

    def hold(self, number: int = 0) -> None:
        """The holder has something to do, and asks what time it is; the answer bears the number."""
        self.waiting, self.asks = False, number
        self.renew()

    @property
    def until(self) -> int:
        """When it wants to go on by itself."""
        return min(self.untils.values(), default=NEVER) if self.waiting else NEVER

    def renew(self) -> None:
        """The holder lives."""
        self.heard = time.monotonic()


class Leases:
    """All leases, and the ports they are about. ``ports`` is filled by whoever opens them."""

    def __init__(self) -> None:
        self.ports: dict[str, Port] = {}
        self.held: dict[str, Lease] = {}
        self._unheard: dict[str, deque[Unheard]] = {}
        self._begun = False

    def take(self, holder: str, channels: frozenset[str] | None, keep_alive_second: float, slack_nanosecond: int = 0) -> Lease:
        """A new lease; its holder is busy until it says otherwise. ``None`` stands for every channel."""
        lease = Lease(holder, frozenset(self.ports) if channels is None else channels, keep_alive_second, slack_nanosecond)
        self.held[lease.name] = lease
        self._begun = True
        return lease

    def give_back(self, lease: Lease) -> None:
        """A lease ends."""
        self.held.pop(lease.name, None)

    def situation(self) -> Situation:
        """What time may do now."""
        self._expire()
        foreign = self._foreign()
        if not self._begun and not foreign:
            return Situation.STANDING
        self._begun = True
        if not all(self._waits(lease) for lease in self.held.values()):
            return Situation.HELD
        return Situation.PACING if foreign or not self.held else Situation.JUMPING

    def note_sent(self, name: str, nanosecond: int, *, running: bool) -> None:
        """Bytes were just sent to a port."""
        said = self._unheard.setdefault(name, deque())
        if said and said[-1].sent_bytes > self.ports[name].sent_bytes:
            said.clear()
        if any(name in lease.channels for lease in self.held.values()):
            said.append(Unheard(self.ports[name].sent_bytes, nanosecond, running))

    @property
    def unheard(self) -> bool:
        """Whether a holder has still to hear something, so that nothing it waits for in vain has come."""
        return any(self._unheard.values())

    def slack_nanosecond(self) -> int:
        """The smallest slack of all holders."""
        return min((lease.slack_nanosecond for lease in self.held.values()), default=0)

    def unheard_until(self) -> int:
        """Up to which moment time may go before somebody has heard what was said to him."""
        first = min((said[0].nanosecond for said in self._unheard.values() if said), default=NEVER)
        return min(first + self.slack_nanosecond(), NEVER - 1)

    def next_until(self) -> int:
        """The first moment at which a waiting leaseholder wants to go on."""
        return min((lease.until for lease in self.held.values()), default=NEVER)

    def reach(self, now: int) -> bool:
        """It is ``now``: holders that waited for it go on. Whether there was one."""
        due = [lease for lease in self.held.values() if lease.until <= now]
        for lease in due:
            lease.waiting = False
            self._tell(lease, now)
        return bool(due)

    def tell(self, now: int) -> bool:
        """Tell the time to those who asked or were sent something since; whether there was one."""
        listening = [lease for lease in self.held.values() if lease.asks is not None or self._is_news(lease)]
        for lease in listening:
            self._tell(lease, now)
        return bool(listening)

    def look_again_second(self) -> float:
        """After how much wall time the situation may change by itself."""
        now = time.monotonic()
        seconds = [max(lease.heard + lease.keep_alive_second - now, 0.0) for lease in self.held.values()]
        owed = [lease for lease in self.held.values() if lease.waiting and self._owed(lease)]
        seconds += [max(lease.spoke + LOST_SECOND - now, 0.0) for lease in owed]
        return min(seconds, default=float("inf")) + 0.001

    def _tell(self, lease: Lease, now: int) -> None:
        lease.told = self.sent(lease)
        over = tuple(name for name, until in lease.untils.items() if until <= now)
        lease.news.put_nowait(Told(now, lease.told, lease.asks, over))
        lease.asks = None

    def sent(self, lease: Lease) -> dict[str, int]:
        """How many bytes have been sent to each port the holder may be connected to."""
        return {name: port.sent_bytes for name, port in self.ports.items() if name in lease.channels and port.present}

    def _is_news(self, lease: Lease) -> bool:
        """Whether a holder was sent something that time stands still for."""
        return lease.told != self.sent(lease) and not (lease.waiting and not self._owed(lease))

    def _waits(self, lease: Lease) -> bool:
        return lease.waiting and (not self._owed(lease) or time.monotonic() > lease.spoke + LOST_SECOND)

    def _owed(self, lease: Lease) -> bool:
        """Whether bytes are on their way between this holder and a port of its."""
        for name, counted in lease.traffic.items():
            port = self.ports.get(name)
            if port is None or not port.present:
                return True
            if counted.sent_bytes != port.received_bytes or self._unheard_end(name, port, counted.received_bytes):
                return True
        return False

    def _unheard_end(self, name: str, port: Port, heard: int) -> bool:
        """Whether something is on its way to a host that no slack is given to."""
        said = self._unheard.get(name)
        while said and said[0].sent_bytes <= heard:
            said.popleft()
        if heard == port.sent_bytes:
            return False
        return not said or not self.slack_nanosecond() or not all(one.running for one in said)

    def _foreign(self) -> bool:
        """Whether somebody is connected to a port that no lease covers."""
        covered = frozenset[str]().union(*(lease.channels for lease in self.held.values()))
        return any(port.present and name not in covered for name, port in self.ports.items())

    def _expire(self) -> None:
        now = time.monotonic()
        for lease in list(self.held.values()):
            if now > lease.heard + lease.keep_alive_second:
                del self.held[lease.name]
