"""For those who write a driver: a transport that plays a transcript, and the checks every driver must pass.

`ScriptedTransport` makes a driver test a transcript: what the driver sends must be what the transcript says, in order and to
the byte, and what is left over at the end fails. `CONFORMANCE` is the contract of `interface`, as a table of checks that are
run against a real port, with an instrument or its emulation behind it.

::

    for check in CONFORMANCE.values():
        await check(lambda: open_instrument("methodscript", url, clock, serial=None))
"""

from __future__ import annotations

import ast
import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from potentiostat_drivers.errors import PortGone, ProgramInvalid
from potentiostat_drivers.interface import Capabilities, Channel, Idle, Instrument, Safe, Unconfirmed
from potentiostat_drivers.lines import LineSplitter
from potentiostat_drivers.program import (
    FLAG_HELD,
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    ImpedancePoint,
    Item,
    Limits,
    Potentiostatic,
    Program,
    ProgramEnded,
    Reading,
    Rest,
    Sampling,
    Until,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """The driver must send exactly this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """The instrument sends this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """The link ends here."""


Turn = Sent | Received | Gone


def parse_transcript(text: str) -> tuple[Turn, ...]:
    """The turns of a ``.wire`` file: ``> bytes`` sent by the host, ``< bytes`` by the instrument, with Python escapes. Other
    lines are comments or vectors and are passed over.
    """
    turns: list[Turn] = []
    for line in text.splitlines():
        mark, _, escaped = line.partition(" ")
        if mark in {"<", ">"}:
            data = ast.literal_eval('b"' + escaped.replace('"', '\\"') + '"')
            turns.append(Sent(data) if mark == ">" else Received(data))
    return tuple(turns)


class ScriptedTransport:
    """A `LineTransport` that plays ``turns``. What is not sent as written raises `AssertionError` in the driver and again at
    the end, so that no ``except`` of the driver can hide it.
    """

    url = "scripted://"

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = list(turns)
        self._arrived: asyncio.Queue[bytes | PortGone | None] = asyncio.Queue()
        self._complaint: str | None = None
        self.is_open = False

    async def open(self) -> None:
        """Play what the instrument says before it is asked."""
        self.is_open = True
        self._play()

    async def write(self, data: bytes, timeout_second: float = 5.0) -> None:
        """Compare ``data`` with the transcript, then play what follows."""
        del timeout_second
        while data:
            expected = self._turns[0] if self._turns else None
            if not isinstance(expected, Sent) or not (data.startswith(expected.data) or expected.data.startswith(data)):
                self._complaint = self._complaint or f"sent {data!r}, the transcript has {expected!r}"
                raise AssertionError(self._complaint)
            length = min(len(data), len(expected.data))
            data, rest = data[length:], expected.data[length:]
            self._turns[:1] = [Sent(rest)] if rest else []
            self._play()

    async def lines(self) -> AsyncIterator[bytes]:
        """What the instrument says, line by line."""
        splitter = LineSplitter()
        while (arrived := await self._arrived.get()) is not None:
            if isinstance(arrived, PortGone):
                raise arrived
            for line in splitter.feed(arrived):
                yield line

    async def close(self) -> None:
        """End the lines."""
        self.is_open = False
        self._arrived.put_nowait(None)

    def check_finished(self) -> None:
        """Raise `AssertionError` if anything was sent otherwise than written, or is left over."""
        if self._complaint is not None:
            raise AssertionError(self._complaint)
        if self._turns:
            raise AssertionError(f"{len(self._turns)} turns of the transcript were never played, first {self._turns[0]!r}")

    def _play(self) -> None:
        while self._turns and not isinstance(self._turns[0], Sent):
            turn = self._turns.pop(0)
            self._arrived.put_nowait(
                turn.data if isinstance(turn, Received) else PortGone(self.url, "the transcript ends the link")
            )


Opener = Callable[[], Instrument]
"""Makes an instrument that has not been entered yet; called once per check."""
Check = Callable[[Opener], Awaitable[None]]

_SAMPLING = Sampling(interval_second=5.0)
_SECOND = 20.0


async def check_identity(opener: Opener) -> None:
    """An instrument says who it is, and its channels what they can do."""
    async with opener() as instrument:
        identity = instrument.identity
        _require(all((identity.model, identity.serial, identity.firmware)), f"the identity is incomplete: {identity}")
        names = [channel.name for channel in instrument.channels]
        _require(bool(names) and len(set(names)) == len(names), f"channels need different names: {names}")
        for channel in instrument.channels:
            able = channel.capabilities
            _require(able.voltage_min_volt < able.voltage_max_volt, f"{channel.name}: the voltage window is empty")
            _require(able.current_max_ampere > 0, f"{channel.name}: no current is possible")


async def check_opened_idle(opener: Opener) -> None:
    """After opening with synchronisation nothing runs."""
    async with opener() as instrument:
        for channel in instrument.channels:
            _require(await channel.attach() == Idle(), f"{channel.name}: something runs after opening")


async def check_safe_twice(opener: Opener) -> None:
    """Making an idle channel safe is confirmed, and so is doing it again."""
    async with opener() as instrument:
        for channel in instrument.channels:
            for _ in range(2):
                await _safe(channel)


async def check_rest(opener: Opener) -> None:
    """A rest gives readings at its interval with the current of an open cell, and ends by its duration."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        items = await _all(channel, Program((_rest(channel),), token=11))
        readings = [item for item in items if isinstance(item, Reading)]
        _require(len(readings) >= 3, f"{len(readings)} readings of a rest of {_SECOND} s at 5 s are too few")
        _require(all(reading.current_ampere == 0.0 for reading in readings), "an open cell has a current")
        _check_grammar(items, (EndReason.DURATION,), EndReason.COMPLETED)


async def check_back_to_back(opener: Opener) -> None:
    """Commands follow each other in one program: constant current, constant voltage at the voltage found, rest."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        voltage = await _safe(channel)
        hold = Potentiostatic(voltage, _SAMPLING, Until(duration_second=_SECOND), _limits(channel))
        current = Galvanostatic(0.0, _SAMPLING, Until(duration_second=_SECOND), _limits(channel))
        commands = (current, hold, _rest(channel)) if channel.capabilities.galvanostat else (hold, _rest(channel))
        items = await _all(channel, Program(commands, token=12))
        _check_grammar(items, (EndReason.DURATION,) * len(commands), EndReason.COMPLETED)


async def check_limit(opener: Opener) -> None:
    """A voltage outside a command's window ends the whole program with that limit; later commands do not run."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        voltage = await _safe(channel)
        able = channel.capabilities
        limits = Limits(able.voltage_min_volt, (able.voltage_min_volt + voltage) / 2.0, able.current_max_ampere, 3600.0)
        outside = Rest(_SAMPLING, Until(duration_second=_SECOND), limits)
        items = await _all(channel, Program((outside, _rest(channel)), token=13))
        _check_grammar(items, (EndReason.LIMIT_VOLTAGE_MAX,), EndReason.LIMIT_VOLTAGE_MAX)


async def check_longest_time(opener: Opener) -> None:
    """A command without a wanted end is stopped by its longest time, and says so."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        able = channel.capabilities
        limits = Limits(able.voltage_min_volt, able.voltage_max_volt, able.current_max_ampere, _SECOND)
        items = await _all(channel, Program((Rest(_SAMPLING, Until(), limits),), token=14))
        _check_grammar(items, (EndReason.LIMIT_DURATION,), EndReason.LIMIT_DURATION)


async def check_overtaking(opener: Opener) -> None:
    """Making safe from another task ends a running program; what was read before is kept, and the next program runs."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        able = channel.capabilities
        limits = Limits(able.voltage_min_volt, able.voltage_max_volt, able.current_max_ampere, 30 * 86_400.0)
        endless = Program((Rest(_SAMPLING, Until(), limits),), token=15)
        items: list[Item] = []
        safe: asyncio.Task[float] | None = None
        async with aclosing(channel.run(endless)) as running:
            async for item in running:
                items.append(item)
                safe = safe or asyncio.create_task(_safe(channel), name="making safe")
        _require(safe is not None, "a program ended without an item")
        if safe is not None:
            await safe
        _check_grammar(items, (EndReason.ABORTED,), EndReason.ABORTED)
        _check_grammar(await _all(channel, Program((_rest(channel),), token=16)), (EndReason.DURATION,), EndReason.COMPLETED)


async def check_refusal(opener: Opener) -> None:
    """A window the instrument cannot hold is refused before anything is sent."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        able = channel.capabilities
        limits = Limits(able.voltage_min_volt - 1.0, able.voltage_max_volt + 1.0, able.current_max_ampere, 3600.0)
        try:
            await _all(channel, Program((Rest(_SAMPLING, Until(), limits),), token=17))
        except ProgramInvalid:
            return
        raise AssertionError("a window beyond the instrument's own was accepted")


async def check_impedance(opener: Opener) -> None:
    """A sweep gives every point once, from the highest frequency to the lowest. Passed over by those who cannot."""
    async with opener() as instrument:
        channel = instrument.channels[0]
        if not channel.capabilities.impedance:
            return
        sweep = Impedance(1000.0, 10.0, 5, 0.01, _limits(channel))
        items = await _all(channel, Program((sweep,), token=18))
        points = [item for item in items if isinstance(item, ImpedancePoint)]
        _require([point.point_index for point in points] == list(range(5)), f"the points are numbered {points}")
        expected = [1000.0 * 10.0 ** (-2.0 * index / 4) for index in range(5)]
        for point, frequency in zip(points, expected, strict=True):
            _require(math.isclose(point.frequency_hertz, frequency, rel_tol=0.01), f"{point} is not at {frequency} Hz")
        _check_grammar(items, (EndReason.SWEEP_DONE,), EndReason.COMPLETED)


CONFORMANCE: dict[str, Check] = {
    "identity": check_identity,
    "opened_idle": check_opened_idle,
    "safe_twice": check_safe_twice,
    "rest": check_rest,
    "back_to_back": check_back_to_back,
    "limit": check_limit,
    "longest_time": check_longest_time,
    "overtaking": check_overtaking,
    "refusal": check_refusal,
    "impedance": check_impedance,
}
"""Every check by name. Each opens the instrument anew, and leaves it idle with its cell open."""


def _require(condition: bool, complaint: str) -> None:  # noqa: FBT001 - an assertion that -O does not remove
    if not condition:
        raise AssertionError(complaint)


def _limits(channel: Channel) -> Limits:
    able: Capabilities = channel.capabilities
    return Limits(able.voltage_min_volt, able.voltage_max_volt, able.current_max_ampere, 3600.0)


def _rest(channel: Channel) -> Rest:
    return Rest(_SAMPLING, Until(duration_second=_SECOND), _limits(channel))


async def _safe(channel: Channel) -> float:
    """The open-circuit voltage of a channel that was made safe."""
    match await channel.make_safe():
        case Safe(voltage):
            return 0.0 if voltage is None else voltage
        case Unconfirmed(reason):
            raise AssertionError(f"{channel.name} could not be made safe: {reason}")


async def _all(channel: Channel, program: Program) -> list[Item]:
    async with aclosing(channel.run(program)) as items:
        return [item async for item in items]


def _check_grammar(items: list[Item], reasons: tuple[EndReason, ...], ended: EndReason) -> None:
    """Commands in order, each ended once after its readings; times never go back; the program's end is last, and one."""
    _require(not any(isinstance(item, Damaged) for item in items), f"something came that cannot be used: {items}")
    ends = [item for item in items if isinstance(item, CommandEnded)]
    _require([end.reason for end in ends] == list(reasons), f"the commands ended as {ends}, expected {reasons}")
    _require(items[-1] == ProgramEnded(ended), f"the last item is {items[-1]}, expected the program's end by {ended}")
    _require(sum(isinstance(item, ProgramEnded) for item in items) == 1, "the program ended more than once")
    times = [item.step_time_second for item in items if not isinstance(item, ProgramEnded | Damaged)]
    _require(times == sorted(times), f"the instrument's time went back: {times}")
    indices = [item.command_index for item in items if not isinstance(item, ProgramEnded)]
    _require(indices == sorted(indices), f"commands are mixed up: {indices}")
    for end in ends:
        _require(end.duration_second >= 0, f"{end} has a negative duration")
    for before, item in itertools.pairwise(items):
        if isinstance(before, Reading) and FLAG_HELD in before.flags.split():
            _require(isinstance(item, CommandEnded), f"a held reading is followed by {item}, not by its command's end")
