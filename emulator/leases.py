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

A lease ends when its holder gives it back, when its stream closes, or when nothing was heard of it for ``keep_alive_second`` of
wall time: a client that crashed cannot stop the world, and one that lives is not run past.
"""

from __future__ import annotations

import asyncio
import enum
import secrets
import time
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
    """What a leaseholder hears: the time, how many bytes had been sent to each port by then, and which ``hold`` this answers."""

    now_nanosecond: int
    sent_bytes: dict[str, int]
    answers: int | None = None


@dataclass(slots=True, eq=False)
class Lease:
    """One leaseholder. ``channels`` are those it may be connected to; ``news`` is what it has not been told yet."""

    holder: str
    channels: frozenset[str]
    keep_alive_second: float
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    waiting: bool = False
    until: int | None = None
    traffic: dict[str, Traffic] = field(default_factory=dict)
    news: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)
    heard: float = field(default_factory=time.monotonic)
    spoke: float = field(default_factory=time.monotonic)
    asks: int | None = None
    told: dict[str, int] = field(default_factory=dict)

    def wait(self, until: int | None, traffic: Mapping[str, Traffic]) -> None:
        """The holder has nothing to do before ``until``, given this traffic: it knows of the bytes it has received."""
        self.waiting, self.until, self.traffic = True, until, dict(traffic)
        self.told = self.told | {name: counted.received_bytes for name, counted in traffic.items()}
        self.renew()
        self.spoke = self.heard

    def hold(self, number: int = 0) -> None:
        """The holder has something to do, and asks what time it is; the answer bears the number."""
        self.waiting, self.asks = False, number
        self.renew()

    def renew(self) -> None:
        """The holder lives."""
        self.heard = time.monotonic()


class Leases:
    """All leases, and the ports they are about. ``ports`` is filled by whoever opens them."""

    def __init__(self) -> None:
        self.ports: dict[str, Port] = {}
        self.held: dict[str, Lease] = {}
        self._begun = False

    def take(self, holder: str, channels: frozenset[str] | None, keep_alive_second: float) -> Lease:
        """A new lease; its holder is busy until it says otherwise. ``None`` stands for every channel."""
        lease = Lease(holder, frozenset(self.ports) if channels is None else channels, keep_alive_second)
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

    def next_until(self) -> int:
        """The first moment at which a waiting leaseholder wants to go on."""
        return min((lease.until for lease in self.held.values() if lease.waiting and lease.until is not None), default=NEVER)

    def reach(self, now: int) -> bool:
        """It is ``now``: holders that waited for it go on. Whether there was one."""
        due = [lease for lease in self.held.values() if lease.waiting and lease.until is not None and lease.until <= now]
        for lease in due:
            lease.waiting = False
            self._tell(lease, now)
        return bool(due)

    def tell(self, now: int) -> bool:
        """Tell the time to those who asked or were sent something since; whether there was one."""
        listening = [lease for lease in self.held.values() if lease.asks is not None or lease.told != self.sent(lease)]
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
        lease.news.put_nowait(Told(now, lease.told, lease.asks))
        lease.asks = None

    def sent(self, lease: Lease) -> dict[str, int]:
        """How many bytes have been sent to each port the holder may be connected to."""
        return {name: port.sent_bytes for name, port in self.ports.items() if name in lease.channels and port.present}

    def _waits(self, lease: Lease) -> bool:
        return lease.waiting and (not self._owed(lease) or time.monotonic() > lease.spoke + LOST_SECOND)

    def _owed(self, lease: Lease) -> bool:
        """Whether bytes are on their way between this holder and a port of its."""
        for name, counted in lease.traffic.items():
            port = self.ports.get(name)
            if port is None or not port.present:
                return True
            if counted.received_bytes != port.sent_bytes or counted.sent_bytes != port.received_bytes:
                return True
        return False

    def _foreign(self) -> bool:
        """Whether somebody is connected to a port that no lease covers."""
        covered = frozenset[str]().union(*(lease.channels for lease in self.held.values()))
        return any(port.present and name not in covered for name, port in self.ports.items())

    def _expire(self) -> None:
        now = time.monotonic()
        for lease in list(self.held.values()):
            if now > lease.heard + lease.keep_alive_second:
                del self.held[lease.name]
