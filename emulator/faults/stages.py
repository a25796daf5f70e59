"""Between a session and its link: what faults do to the bytes on their way, stage after stage.

Towards the host a byte passes the stages of the language first, then those of the cable; towards the instrument the other way
round. Without a stage a send is one call. A stage that holds bytes back keeps the ``forward`` it was given, so that what
was held goes on along the way it had begun, whatever is added or removed meanwhile.
"""

from __future__ import annotations

import enum
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass

Forward = Callable[[bytes], None]


class Direction(enum.StrEnum):
    """Which way a message goes."""

    TO_HOST = "to_host"
    FROM_HOST = "from_host"


class Stage(ABC):  # noqa: B024 - both ways pass by default
    """Something bytes pass through. The smaller ``depth``, the nearer to the instrument."""

    depth = 0

    def to_host(self, data: bytes, forward: Forward) -> None:
        """Bytes of the instrument; whole lines, unless a stage nearer to it has cut them."""
        forward(data)

    def from_host(self, data: bytes, forward: Forward) -> None:
        """Bytes of the host, in whatever pieces they came."""
        forward(data)


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is done right before message number ``count`` (from 1) passes."""

    count: int
    act: Callable[[], None]


class Wire:
    """The way between a session and its link, with the stages of the faults that last now. `connect` gives it both ends."""

    def __init__(self) -> None:
        self._ends: dict[Direction, Forward] = dict.fromkeys(Direction, _nowhere)
        self._ways = dict(self._ends)
        self._stages: list[Stage] = []
        self._counts = dict.fromkeys(Direction, 0)
        self._awaited: dict[Direction, list[Awaited]] = {direction: [] for direction in Direction}

    def connect(self, link_send: Forward, session_received: Forward) -> None:
        """From now on bytes arrive there."""
        self._ends = {Direction.TO_HOST: link_send, Direction.FROM_HOST: session_received}
        self._connect()

    def to_host(self, data: bytes) -> None:
        """The instrument says ``data``."""
        self._pass(Direction.TO_HOST, data)

    def from_host(self, data: bytes) -> None:
        """The host says ``data``."""
        self._pass(Direction.FROM_HOST, data)

    def add(self, stage: Stage) -> None:
        """Put ``stage`` in, outside of those of the same depth."""
        self._stages.append(stage)
        self._stages.sort(key=lambda item: item.depth)
        self._connect()

    def remove(self, stage: Stage) -> None:
        """Take ``stage`` out; what it holds goes on along its own way."""
        if stage in self._stages:
            self._stages.remove(stage)
            self._connect()

    def __contains__(self, stage: Stage) -> bool:
        return any(item is stage for item in self._stages)

    def inject(self, direction: Direction, data: bytes) -> None:
        """Bytes that nobody sent, past every stage."""
        self._ends[direction](data)

    def await_message(self, direction: Direction, count: int, act: Callable[[], None]) -> None:
        """``act`` right before message number ``count`` (from 1, since the emulator's start) passes."""
        self._awaited[direction].append(Awaited(count, act))
        self._awaited[direction].sort(key=lambda item: item.count)

    def _pass(self, direction: Direction, data: bytes) -> None:
        while self._awaited[direction]:
            place = self._awaited_place(direction, data)
            if place:
                self._ways[direction](data[:place])
            data = data[place:]
            if not data:
                return
            self._awaited[direction].pop(0).act()
        self._ways[direction](data)

    def _awaited_place(self, direction: Direction, data: bytes) -> int:
        """Where in ``data`` the next awaited message begins; its length when it is not in there."""
        missing = self._awaited[direction][0].count - 1 - self._counts[direction]
        place = 0
        while missing > 0 and (end := data.find(b"\n", place)) >= 0:
            self._counts[direction] += 1
            missing -= 1
            place = end + 1
        return len(data) if missing > 0 else place

    def _connect(self) -> None:
        outward, inward = self._ends[Direction.TO_HOST], self._ends[Direction.FROM_HOST]
        for stage in reversed(self._stages):
            outward = _through(stage.to_host, outward)
        for stage in self._stages:
            inward = _through(stage.from_host, inward)
        self._ways = {Direction.TO_HOST: outward, Direction.FROM_HOST: inward}


def _nowhere(_data: bytes) -> None:
    """Not connected yet."""


def _through(transform: Callable[[bytes, Forward], None], forward: Forward) -> Forward:
    return lambda data: transform(data, forward)
