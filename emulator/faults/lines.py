"""What faults that change lines share: which lines, how often, and the stage that does it. The change itself is pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

from emulator.faults.draws import Draws
from emulator.faults.fault import Fault, Probability
from emulator.faults.stages import Forward, Stage
from harness.model.written import Written

Line = bytes
"""One line without its line feed."""
Altered = Sequence[Line]
"""What goes on instead of a line: none, one or several lines."""

_MARKS = (b"", b"*", b"-", b"L", b"+")


class Choice(Written):
    """Which lines of the instrument are meant, and how likely each is to be hit."""

    only: Literal["any", "package", "reply"] = "any"
    containing: str = ""
    probability: Probability = 1.0

    def meant(self, line: Line) -> bool:
        """Whether ``line`` may be hit."""
        return self.containing.encode("ascii", "replace") in line and self.only in ("any", kind_of(line))


C = TypeVar("C", bound=Choice)


def kind_of(line: Line) -> str:
    """``package``, ``mark`` for a line that structures the output (an empty one among them), else ``reply``."""
    if line.startswith(b"P"):
        return "package"
    return "mark" if line in _MARKS or (line.startswith(b"M") and len(line) == 5) else "reply"


def lines_of(data: bytes) -> Iterator[tuple[Line, bool]]:
    """The lines of ``data``, and whether each is ended by a line feed."""
    *whole, rest = data.split(b"\n")
    for line in whole:
        yield line, True
    if rest:
        yield rest, False


class LineFault(Fault[C], Stage):
    """A fault that puts other lines in the place of the instrument's lines. Each line it changes is one act."""

    counted = True
    depth = 0

    @abstractmethod
    def alter(self, line: Line, draws: Draws) -> Altered:
        """What goes on instead of ``line``; the same line alone where nothing happens to it."""

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.wire.add(self)

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.wire.remove(self)

    def to_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.to_host`."""
        made: list[bytes] = []
        for line, whole in lines_of(data):
            made.append(self._passed(line) if whole else line)
        if passed := b"".join(made):
            forward(passed)

    def _passed(self, line: Line) -> bytes:
        before = line + b"\n"
        if not self.hits(line):
            return before
        after = b"".join(item + b"\n" for item in self.alter(line, self.draws))
        if after != before:
            self.note(before=before, after=after)
        return after

    def hits(self, line: Line) -> bool:
        """Whether it is this line's turn. One that was ended by its own last act, in the middle of a batch, hits no more."""
        choice = self.parameters
        if self not in self.target.wire or not choice.meant(line):
            return False
        return choice.probability >= 1.0 or self.draws.uniform() < choice.probability
