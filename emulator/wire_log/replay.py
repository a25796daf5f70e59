"""A recorded conversation played again: as the instrument for a host, or as the host for an instrument. Strict in both.

As the instrument it says what was said as soon as it has heard what was heard before, byte for byte; the first byte that differs
is shown and ends it. As the host it says everything in its order, and shows every line of the answers that differs. Only the
order counts, the moments of the log do not; so the host's side is played well against time that flows as it did, or stands.

Inputs are wire logs (`emulator.wire_log.log`) and transcripts (``.wire``: ``> `` what the host says, ``< `` what it hears,
escaped).
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from emulator.wire_log.log import Direction, read_log
from harness.errors import BadInput

ANSWER_SECOND = 30.0
"""How long the next line of an answer may take, in wall time."""
_READ_BYTES = 65_536
_SIGNS = {"> ": Direction.FROM_HOST, "< ": Direction.TO_HOST}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says before the other does."""

    direction: Direction
    data: bytes


@dataclass(slots=True)
class Outcome:
    """How a replay went: ``turns`` of ``of`` were played, and whether all went as recorded."""

    turns: int = 0
    of: int = 0
    faithful: bool = False


def read_conversation(path: Path) -> list[Turn]:
    """The turns of a wire log or transcript, pieces of one side joined.

    Raises:
        BadInput: the file is neither.
    """
    turns: list[Turn] = []
    for direction, data in _transcript(path) if path.suffix == ".wire" else _pieces(path):
        if turns and turns[-1].direction is direction:
            turns[-1] = Turn(direction, turns[-1].data + data)
        else:
            turns.append(Turn(direction, data))
    if not turns:
        raise BadInput(str(path), "holds no conversation")
    return turns


async def play_instrument(path: Path, port: int, told: Callable[[str], None], outcome: Outcome) -> None:
    """Serve the conversation to one host on 127.0.0.1, once. ``told`` gets the address, and then what went wrong, if anything."""
    turns = read_conversation(path)
    outcome.of = len(turns)
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            complaint = await _instrument(turns, reader, writer, outcome)
            told(complaint or f"the conversation went as recorded, {len(turns)} turns")
            outcome.faithful = complaint is None
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        told(f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await done.wait()


async def play_host(path: Path, url: str, told: Callable[[str], None]) -> int:
    """Say what the host said and compare the answers; 0 when they are the same, 1 when not.

    Raises:
        BadInput: ``url`` is no socket, or nobody answers there.
    """
    turns = read_conversation(path)
    target = urlsplit(url)
    if target.scheme != "socket" or target.hostname is None or target.port is None:
        raise BadInput("--as-client", f'"{url}" is not of the form socket://HOST:PORT')
    try:
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
    except OSError as error:
        raise BadInput("--as-client", f"nobody answers at {url} ({error.strerror})") from None
    with contextlib.closing(writer):
        complaints = await _host(turns, reader, writer)
    for complaint in complaints:
        told(complaint)
    told(
        f"{len(turns)} turns, {len(complaints)} of them answered otherwise"
        if complaints
        else f"{len(turns)} turns, all as recorded"
    )
    return 1 if complaints else 0


async def _instrument(
    turns: list[Turn], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outcome: Outcome
) -> str | None:
    heard = b""
    for number, turn in enumerate(turns):
        if turn.direction is Direction.TO_HOST:
            writer.write(turn.data)
            await writer.drain()
            outcome.turns = number + 1
            continue
        while len(heard) < len(turn.data) and turn.data.startswith(heard):
            data = await reader.read(_READ_BYTES)
            if not data:
                return f"turn {number + 1}: the host left; it had still to say {_shown(turn.data[len(heard) :])}"
            heard += data
        if not heard.startswith(turn.data):
            return f"turn {number + 1}: the host deviates\n{_difference(turn.data, heard)}"
        heard = heard[len(turn.data) :]
        outcome.turns = number + 1
    return f"after the last turn the host still said {_shown(heard)}" if heard else None


async def _host(turns: list[Turn], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[str]:
    complaints = []
    for number, turn in enumerate(turns, 1):
        if turn.direction is Direction.FROM_HOST:
            writer.write(turn.data)
            await writer.drain()
            continue
        answered = await _answer(reader, turn.data)
        if answered != turn.data:
            complaints.append(f"turn {number}: the answer differs\n{_difference(turn.data, answered)}")
    return complaints


async def _answer(reader: asyncio.StreamReader, recorded: bytes) -> bytes:
    """As many lines as were recorded, or what there is after a while."""
    answered = b""
    try:
        for line in recorded.splitlines(keepends=True):
            async with asyncio.timeout(ANSWER_SECOND):
                answered += await (reader.readuntil(b"\n") if line.endswith(b"\n") else reader.readexactly(len(line)))
    except asyncio.IncompleteReadError as error:
        answered += error.partial
    except TimeoutError:
        pass
    return answered


def _difference(recorded: bytes, now: bytes) -> str:
    lines = difflib.unified_diff(
        [_shown(line) for line in recorded.splitlines(keepends=True)],
        [_shown(line) for line in now.splitlines(keepends=True)],
        "recorded",
        "now",
        n=1,
        lineterm="",
    )
    return "\n".join(f"  {line}" for line in lines)


def _shown(data: bytes) -> str:
    return repr(data)[2:-1]


def _pieces(path: Path) -> list[tuple[Direction, bytes]]:
    return [(piece.direction, piece.data) for piece in read_log(path)[1]]


def _transcript(path: Path) -> list[tuple[Direction, bytes]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"the transcript cannot be read ({error})") from None
    return [(_SIGNS[line[:2]], _unescaped(line[2:])) for line in lines if line[:2] in _SIGNS]


def _unescaped(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")
