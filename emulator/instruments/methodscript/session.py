"""The command layer: what an idle or running instrument answers, byte for byte, to the lines of its host.

The first character of a command is echoed and the reply follows on the same line. While a script runs only ``Z Y h H`` act; any
other command is refused with 0006 (whether hardware answers ``t`` then is unproven). File commands are refused with 0083: this
instrument has no storage. Registers and firmware loading are not recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from emulator.clocks.clock import Clock
from emulator.instruments.channel import Channel
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptRefused
from emulator.instruments.methodscript.execution import Execution
from emulator.instruments.methodscript.parser import parse_script
from emulator.instruments.methodscript.syntax import Script

LONGEST_LINE = 256
LANGUAGE_VERSION = "01.09.00"

_IDLE_TICK_SECOND = 0.2
_STATEMENT_BITS = (28, 30, 31, 52, 62, 63, 64, 67, 68, 70, 91)
_GALVANOSTAT_BITS = (67, 68, 70)
_COMMAND_BITS = (36, 37, 38, 43, 60, 96, 97, 98, 99)
_WHILE_RUNNING = frozenset({"Z", "Y", "h", "H"})

Refusal = Callable[[str, bool], str | None]
"""An error code for a line, or None to go on; the flag says that a whole script was loaded by that command."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the instrument says it is: ``serial`` of the channel, ``chassis`` of the whole."""

    serial: str
    chassis: str


def capability_bits(bits: tuple[int, ...]) -> str:
    """A capability field: bit n stands for command n."""
    return f"{sum(1 << bit for bit in bits):X}"


class Session:
    """One channel's command layer. `received` takes bytes from the host, ``send`` takes bytes to it; neither blocks.

    `run` is the channel's life: it executes scripts, and lets time pass for a cell that was left polarised.
    """

    def __init__(
        self,
        channel: Channel,
        identity: Identity,
        clock: Clock,
        send: Callable[[bytes], None],
        *,
        ready: Callable[[], Awaitable[bool]] | None = None,
        blank_after_fault: bool = True,
        say_set_points: bool = False,
    ) -> None:
        self.channel = channel
        self.identity = identity
        self._clock = clock
        self._send = send
        self.ready = ready
        self.refusal: Refusal | None = None
        self.fail_next: str | None = None
        self.powered = True
        self._blank_after_fault = blank_after_fault
        self._say_set_points = say_set_points
        self._partial = b""
        self._loading: list[str] | None = None
        self._load_command = ""
        self._loaded_bytes = 0
        self._script: Script | None = None
        self._stored: Script | None = None
        self._waiting: Script | None = None
        self._start = asyncio.Event()
        self._resting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        clock.waiter(channel.name)
        self.execution: Execution | None = None
        self.running = asyncio.Event()
        self.iterations = 0

    # -- the channel's life

    async def run(self) -> None:
        """Execute what is started, for ever."""
        while True:
            await self._idle()
            script, self._waiting = self._waiting, None
            execution = self.execution
            if script is None or execution is None:
                continue
            await execution.run()
            self.iterations += execution.iterations
            self.execution = None
            self.running.clear()
            self._settle()

    async def rested(self, good: Callable[[], bool]) -> None:
        """Return at a moment when no script runs and ``good`` holds. It does not outlast the caller's next ``await``."""
        if self.execution is None and good():
            return
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting.append((good, settled))
        await settled

    def _settle(self) -> None:
        """A script has ended: let those go on who waited for it, before the host's next word is heard."""
        self._resting = [(good, settled) for good, settled in self._resting if not settled.done()]
        for good, settled in self._resting:
            if good():
                settled.set_result(None)

    async def _idle(self) -> None:
        while True:
            tick = _IDLE_TICK_SECOND if self.channel.polarised and self._clock.flows else None
            try:
                async with asyncio.timeout(tick):
                    await self._start.wait()
            except TimeoutError:
                self.channel.begin(self._clock.now_nanosecond())
                continue
            self._start.clear()
            return

    @property
    def loaded(self) -> Script | None:
        """The script that was loaded last."""
        return self._script

    # -- power

    def power_off(self) -> None:
        """The supply fails: the script, what was loaded and half a line are gone, and the relay of the cell falls open."""
        self.powered = False
        self.lost()
        self._script = self._waiting = None
        if self.execution is not None:
            self.execution.kill()
        self.channel.switch_off()

    def power_on(self) -> None:
        """The supply is back: idle, with the cell open."""
        self.powered = True

    # -- bytes in

    def lost(self) -> None:
        """The host is gone: half a line or half a script is forgotten, a running script is not."""
        self._partial = b""
        self._loading = None

    def received(self, data: bytes) -> None:
        """Bytes from the host."""
        if not self.powered:
            return
        self._clock.disturbed()
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r").decode("latin-1"))
        if len(self._partial) > 4 * LONGEST_LINE:
            self._partial = self._partial[: 4 * LONGEST_LINE]

    def _line(self, line: str) -> None:
        if self._loading is not None:
            self._load(line)
        elif not line:
            if self.execution is None:
                self._send(b"\n")
        elif len(line) >= LONGEST_LINE:
            self._refuse(line, codes.LINE_TOO_LONG)
        elif self.refusal is not None and (code := self.refusal(line, False)) is not None:
            self._refuse(line, code)
        elif self.execution is not None:
            self._while_running(line, self.execution)
        else:
            self._command(line)

    def _reply(self, text: str) -> None:
        self._send(f"{text}\n".encode("ascii", "replace"))

    def _refuse(self, line: str, code: str) -> None:
        self._reply(f"{line[0]}!{code}")

    # -- commands

    def _while_running(self, line: str, execution: Execution) -> None:
        if line not in _WHILE_RUNNING:
            self._refuse(line, codes.WRONG_MODE)
            return
        execution.flush()
        self._reply(line)
        match line:
            case "Z":
                execution.abort()
            case "Y":
                execution.skip()
            case "h":
                execution.halt()
            case _:
                execution.resume()

    def _command(self, line: str) -> None:
        match line:
            case "t" | "i" | "m" | "v" | "CC" | "CM":
                self._reply(self._fact(line))
            case "e" | "l":
                self._loading, self._load_command, self._loaded_bytes = [], line, 0
            case "r" | "Fmscr" | "Lmscr":
                self._stored_script(line)
            case "Z" | "Y" | "h" | "H" | "R":
                self._refuse(line, codes.WRONG_MODE)
            case _:
                files = line.startswith("fs_") or line in ("e_fs", "l_fs")
                self._refuse(line, codes.FILES_NOT_SUPPORTED if files else codes.UNKNOWN_COMMAND)

    def _fact(self, line: str) -> str:
        lacking = () if self.channel.model.galvanostat else _GALVANOSTAT_BITS
        return {
            "t": f"{self.channel.model.firmware}\nR*",
            "i": f"i{self.identity.serial}",
            "m": f"m{self.identity.chassis}",
            "v": f"v{LANGUAGE_VERSION}",
            "CC": f"C{capability_bits(_COMMAND_BITS)}",
            "CM": f"C{capability_bits(tuple(bit for bit in _STATEMENT_BITS if bit not in lacking))}",
        }[line]

    def _stored_script(self, line: str) -> None:
        if line == "Lmscr":
            self._script = self._stored or self._script
        if (self._stored if line == "Lmscr" else self._script) is None:
            self._refuse(line, codes.NO_SCRIPT)
            return
        self._reply(line[0])
        if line == "Fmscr":
            self._stored = self._script
        elif line == "r" and self._script is not None:
            self.execute(self._script)

    # -- scripts

    def _load(self, line: str) -> None:
        if self._loading is None:
            return
        if line:
            self._loaded_bytes += len(line) + 1
            self._loading.append(line if self._loaded_bytes <= self.channel.model.script_bytes else "")
            return
        lines, self._loading = self._loading, None
        command = self._load_command
        try:
            script = self._parsed(lines)
        except ScriptRefused as refused:
            self._reply(f"{command}!{refused.code}: Line {refused.line}, Col {refused.column}")
            return
        if self.refusal is not None and (code := self.refusal(command, True)) is not None:
            self._reply(f"{command}!{code}: Line 1, Col 1")
            return
        self._script = script
        self._reply(command)
        if command == "e":
            self.execute(script)

    def _parsed(self, lines: list[str]) -> Script:
        if self._loaded_bytes > self.channel.model.script_bytes:
            raise ScriptRefused(codes.SCRIPT_TOO_LARGE, 1 + lines.index(""), 1)
        for number, line in enumerate(lines, 1):
            if len(line) >= LONGEST_LINE:
                raise ScriptRefused(codes.LINE_TOO_LONG, number, LONGEST_LINE)
        return parse_script("\n".join(lines))

    def execute(self, script: Script) -> None:
        """Begin ``script`` now."""
        self.channel.begin(self._clock.now_nanosecond())
        self.execution = Execution(
            script,
            self.channel,
            self._clock,
            self._send,
            ready=self.ready,
            blank_after_fault=self._blank_after_fault,
            say_set_points=self._say_set_points,
        )
        if self.fail_next is not None:
            self.execution.fail(self.fail_next)
            self.fail_next = None
        self._waiting = script
        self.running.set()
        self._start.set()
