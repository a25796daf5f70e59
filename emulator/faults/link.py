"""Faults of the cable: T1 … T6, T13, T14 of the catalogue.

T7, reordering, needs datagrams, which these instruments do not have. Times are of the wall: a cable knows nothing of the
emulator's.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from typing import Annotated, Literal

from pydantic import Field

from emulator.faults.draws import Draws
from emulator.faults.fault import Fault, FaultType, Layer, P, Probability, Second
from emulator.faults.lines import Altered, Choice, Line, LineFault
from emulator.faults.stages import Direction, Forward, Stage
from harness.model.written import Written

_LINE_DEPTH = 10
_TIME_DEPTH = 20
_ALL = (Direction.TO_HOST, Direction.FROM_HOST)


class Held(Fault[P], Stage):
    """Something that holds bytes back. What is held keeps its order, and goes on at once when the fault ends."""

    layer = Layer.LINK
    depth = _TIME_DEPTH

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._waiting: dict[Direction, deque[tuple[float, bytes, Forward]]] = {direction: deque() for direction in _ALL}
        self._last = dict.fromkeys(_ALL, 0.0)
        self.target.wire.add(self)

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.wire.remove(self)
        for direction in _ALL:
            self._release(direction, float("inf"))

    @abstractmethod
    def pieces(self, data: bytes) -> list[tuple[float, bytes]]:
        """``data`` in pieces, each with how many seconds after the piece before it (or after now) it goes on."""

    def to_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.to_host`."""
        self._hold(Direction.TO_HOST, data, forward)

    def from_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.from_host`."""
        self._hold(Direction.FROM_HOST, data, forward)

    def _hold(self, direction: Direction, data: bytes, forward: Forward) -> None:
        loop = asyncio.get_running_loop()
        for after, piece in self.pieces(data):
            due = self._last[direction] = self._due(self._last[direction], loop.time(), after)
            self._waiting[direction].append((due, piece, forward))
            loop.call_at(due, self._release, direction, due)

    def _due(self, last: float, now: float, after: float) -> float:
        return max(last, now) + after

    def _release(self, direction: Direction, until: float) -> None:
        waiting = self._waiting[direction]
        while waiting and waiting[0][0] <= until:
            _, piece, forward = waiting.popleft()
            forward(piece)


class LatencyParameters(Written):
    """``delay`` on each way, and up to ``jitter`` more."""

    delay: Second = 0.05
    jitter: Second = 0.0


class Latency(Held[LatencyParameters]):
    """T1."""

    id = "T1_latency"
    summary = "every byte is late, each way, by a delay and jitter"
    parameters_type = LatencyParameters

    def pieces(self, data: bytes) -> list[tuple[float, bytes]]:
        """See `Held.pieces`."""
        return [(self.parameters.delay + self.parameters.jitter * self.draws.uniform(), data)]

    def _due(self, last: float, now: float, after: float) -> float:
        return max(last, now + after)


class BandwidthParameters(Written):
    """What the cable carries each way."""

    byte_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 11_520.0


class Bandwidth(Held[BandwidthParameters]):
    """T2."""

    id = "T2_bandwidth"
    summary = "the cable carries few bytes per second"
    parameters_type = BandwidthParameters

    def pieces(self, data: bytes) -> list[tuple[float, bytes]]:
        """See `Held.pieces`."""
        return [(len(data) / self.parameters.byte_per_second, data)]


class SplitParameters(Written):
    """Pieces of ``size`` bytes, ``gap`` apart, after gathering for ``hold``."""

    size: Annotated[int, Field(ge=1)] = 1
    gap: Second = 0.0
    hold: Second = 0.0


class Split(Held[SplitParameters]):
    """T3."""

    id = "T3_split"
    summary = "bytes come gathered, then in pieces as small as one byte"
    parameters_type = SplitParameters

    def pieces(self, data: bytes) -> list[tuple[float, bytes]]:
        """See `Held.pieces`."""
        size, gap = self.parameters.size, self.parameters.gap
        starts = range(0, len(data), size)
        return [(gap if start else self.parameters.hold, data[start : start + size]) for start in starts]

    def _due(self, last: float, now: float, after: float) -> float:
        return max(last, now) + after if after != self.parameters.hold else max(last, now + after)


class RequestChoice(Written):
    """How likely each request is to be hit."""

    probability: Probability = 1.0


class DroppedRequest(Fault[RequestChoice], Stage):
    """T4. A request is a command, or a whole script up to its empty line."""

    id = "T4_drop_request"
    layer = Layer.LINK
    summary = "a command or a whole script of the host never arrives"
    parameters_type = RequestChoice
    counted = True
    depth = _LINE_DEPTH

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._partial = b""
        self._script = False
        self.target.wire.add(self)

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.wire.remove(self)

    def from_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.from_host`."""
        self._partial += data
        while (request := self._request()) is not None:
            if self in self.target.wire and self.draws.uniform() < self.parameters.probability:
                self.note(before=request, after=b"")
            else:
                forward(request)
        if self not in self.target.wire and self._partial:
            rest, self._partial = self._partial, b""
            forward(rest)

    def _request(self) -> bytes | None:
        """The next whole request, taken from what has come."""
        begins_script = self._partial.startswith((b"e\n", b"l\n"))
        ending = b"\n\n" if begins_script else b"\n"
        end = self._partial.find(ending)
        if end < 0:
            return None
        end += len(ending)
        request, self._partial = self._partial[:end], self._partial[end:]
        return request


class CableFault(LineFault[Choice]):
    """A change of lines on the cable, so after those of the language."""

    layer = Layer.LINK
    depth = _LINE_DEPTH
    parameters_type = Choice


class DroppedReply(CableFault):
    """T5."""

    id = "T5_drop_reply"
    summary = "a line of the instrument never arrives"

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del line, draws
        return ()


class DuplicatedReply(CableFault):
    """T6."""

    id = "T6_duplicate_reply"
    summary = "a line of the instrument arrives twice"

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return (line, line)


class FlipParameters(Written):
    """How likely each byte is to have one bit flipped."""

    probability: Probability = 0.001
    direction: Literal["to_host", "from_host", "both"] = "to_host"


class BitFlip(Fault[FlipParameters], Stage):
    """T13."""

    id = "T13_bit_flip"
    layer = Layer.LINK
    summary = "single bits of single bytes are flipped"
    parameters_type = FlipParameters
    counted = True
    depth = _LINE_DEPTH

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.wire.add(self)

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.wire.remove(self)

    def to_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.to_host`."""
        forward(self._flipped(data) if self.parameters.direction != "from_host" else data)

    def from_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.from_host`."""
        forward(self._flipped(data) if self.parameters.direction != "to_host" else data)

    def _flipped(self, data: bytes) -> bytes:
        made = b""
        for line in data.splitlines(keepends=True):
            after = flip_bits(line, self.draws, self.parameters.probability) if self in self.target.wire else line
            if after != line:
                self.note(before=line, after=after)
            made += after
        return made


def flip_bits(data: bytes, draws: Draws, probability: float) -> bytes:
    """``data`` with one bit of each byte that is hit flipped."""
    return bytes(byte ^ (1 << draws.below(8)) if draws.uniform() < probability else byte for byte in data)


class GarbageParameters(Choice):
    """How many bytes of garbage come into a line."""

    count: Annotated[int, Field(ge=1, le=1000)] = 3


class Garbage(LineFault[GarbageParameters]):
    """T14. A receiver that lost the frame makes bytes that nobody sent."""

    id = "T14_framing"
    layer = Layer.LINK
    summary = "framing errors put bytes into a line that nobody sent"
    depth = _LINE_DEPTH
    parameters_type = GarbageParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        place = draws.below(len(line) + 1)
        garbage = draws.data(self.parameters.count).replace(b"\n", b"\xfe")
        return (line[:place] + garbage + line[place:],)


FAULTS: tuple[FaultType, ...] = (Latency, Bandwidth, Split, DroppedRequest, DroppedReply, DuplicatedReply, BitFlip, Garbage)
