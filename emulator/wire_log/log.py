r"""A wire log: what passed between one channel and its host, as JSON lines with the simulated moment of each piece.

::

    {"kind": "wire log", "version": 1, "channel": "a1", "serial": "EMU1CH001", "model": "es4_hr", "seed": 1}
    {"nanosecond": 1767225600000000000, "direction": "from_host", "text": "t\n"}
    {"nanosecond": 1767225600000000000, "direction": "to_host", "text": "tes4_hr1500#…\nR*\n"}

``text`` where all bytes are printable ASCII or line ends, else ``hex``. Pieces are as they passed; whoever compares joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import IO, Literal, Self, TypeVar

import pydantic
from pydantic import model_validator

from harness.errors import BadInput
from harness.model.written import Written

Line = TypeVar("Line", bound=Written)

_TEXT = frozenset(b"\n\r\t") | frozenset(range(0x20, 0x7F))


class Direction(StrEnum):
    """Which way a piece went."""

    FROM_HOST = "from_host"
    TO_HOST = "to_host"


class Head(Written):
    """The first line: whose conversation it is."""

    kind: Literal["wire log"] = "wire log"
    version: Literal[1] = 1
    channel: str
    serial: str
    model: str
    seed: int


class Piece(Written):
    """Bytes that passed at once."""

    nanosecond: int
    direction: Direction
    text: str | None = None
    hex: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.text is None) == (self.hex is None):
            raise ValueError("a piece has either text or hex")
        if self.hex is not None:
            bytes.fromhex(self.hex)
        elif self.text is not None and not self.text.isascii():
            raise ValueError("text is ASCII; write other bytes as hex")
        return self

    @property
    def data(self) -> bytes:
        """The bytes."""
        return bytes.fromhex(self.hex) if self.hex is not None else (self.text or "").encode("ascii")


def piece(nanosecond: int, direction: Direction, data: bytes) -> Piece:
    """Bytes in the form that can be read best."""
    if _TEXT.issuperset(data):
        return Piece(nanosecond=nanosecond, direction=direction, text=data.decode("ascii"))
    return Piece(nanosecond=nanosecond, direction=direction, hex=data.hex())


class WireLog:
    """A log being written; every piece is flushed."""

    def __init__(self, path: Path, head: Head, now_nanosecond: Callable[[], int]) -> None:
        self._now = now_nanosecond
        self._file: IO[str] = path.open("w", encoding="utf-8")
        self._write(head)

    def note(self, direction: Direction, data: bytes) -> None:
        """Bytes pass now."""
        self._write(piece(self._now(), direction, data))

    def close(self) -> None:
        """Nothing after this."""
        self._file.close()

    def _write(self, line: Written) -> None:
        self._file.write(line.model_dump_json(exclude_none=True) + "\n")
        self._file.flush()


def read_log(path: Path) -> tuple[Head, list[Piece]]:
    """A whole log.

    Raises:
        BadInput: the file cannot be read, or a line of it is not one of a wire log's.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"the wire log cannot be read ({error})") from None
    if not lines:
        raise BadInput(str(path), "is empty; a wire log begins with a line about its channel")
    return _line(path, 1, lines[0], Head), [_line(path, number, line, Piece) for number, line in enumerate(lines[1:], 2)]


def _line(path: Path, number: int, line: str, kind: type[Line]) -> Line:
    try:
        return kind.model_validate_json(line)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(
            f"{path}:{number}", f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from None
