"""The one channel of a MethodSCRIPT instrument: runs programs, follows them, and makes the cell safe.

Safety as it is kept here: the instrument holds every limit and time of a whole program by itself (`script`); a runtime error
leaves the cell as it was, so the cell is opened explicitly before the fault is raised; `Channel.make_safe` takes the port from
a running `run`, aborts, opens the cell and proves it; nothing but resynchronisation and identification is sent before the
serial number agrees. A reply that does not come leaves the outcome unknown and is an exception, never a guess.

Autonomy is `UNPROVEN` for hardware: whether a script goes on when nobody reads the USB endpoint is to be shown on each firmware.
Emulated instruments (serial numbers beginning with ``EMU``) are known to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from potentiostat_drivers.clock import Clock
from potentiostat_drivers.errors import DriverError, PortGone, Rejected, ReplyTimeout, WireError, WrongInstrument
from potentiostat_drivers.interface import (
    Attachment,
    Autonomy,
    Capabilities,
    Identity,
    Idle,
    Running,
    Safe,
    Safety,
    Unconfirmed,
)
from potentiostat_drivers.methodscript.codes import NOT_NOW, fault
from potentiostat_drivers.methodscript.conversation import (
    REPLY_SECOND,
    accepted,
    open_cell,
    pass_grace,
    pause,
    query,
    stop,
)
from potentiostat_drivers.methodscript.follower import Follower, token_of
from potentiostat_drivers.methodscript.link import Deadline, Garbled, Inbox, Link, Overtaken
from potentiostat_drivers.methodscript.models import MODELS, Model, galvanostat_bits, impedance_bit
from potentiostat_drivers.methodscript.script import Script, compile_program
from potentiostat_drivers.methodscript.wire import Blank, ErrorReply, Event, LoopStarted, Package, Reply, RuntimeFault
from potentiostat_drivers.program import Damaged, Item, Program, ProgramEnded

_UNKNOWN_STOP_SECOND = 360.0
"""How long, in instrument time, the abort of a program of which nothing is known may take: three periods of 10 mHz and 60 s."""
_TOKEN_SECOND = 90.0
"""How long, in instrument time, a running program is watched for a package with its token."""
_IDLE_SECOND = 10.0
"""How long, in instrument time, an instrument that answers like an idle one must stay silent to be taken for one."""

_NOTHING_KNOWN = Capabilities(
    galvanostat=False,
    impedance=False,
    voltage_min_volt=0.0,
    voltage_max_volt=0.0,
    current_max_ampere=0.0,
    frequency_min_hertz=0.0,
    frequency_max_hertz=0.0,
    autonomy=Autonomy.UNPROVEN,
)


class MethodScriptChannel:
    """The one channel of a port. Made and connected by `MethodScriptInstrument`."""

    def __init__(self, link: Link, clock: Clock, serial: str | None) -> None:
        self._link = link
        self._clock = clock
        self._expected_serial = serial
        self._model: Model | None = None
        self._galvanostat = False
        self._impedance = False
        self._identified = False
        self._stop_second = _UNKNOWN_STOP_SECOND
        self._may_run = True
        self._seen: list[Package] = []
        self._taking = asyncio.Lock()
        self.identity = Identity("", "", "")

    @property
    def name(self) -> str:
        """The serial number."""
        return self.identity.serial or self._expected_serial or self._link.url

    @property
    def capabilities(self) -> Capabilities:
        """What the instrument can do; nothing, as long as a running program keeps it from being asked."""
        model = self._model
        if model is None:
            return _NOTHING_KNOWN
        return Capabilities(
            galvanostat=self._galvanostat and model.galvanostat,
            impedance=self._impedance,
            voltage_min_volt=model.voltage_min_volt,
            voltage_max_volt=model.voltage_max_volt,
            current_max_ampere=model.current_max_ampere,
            frequency_min_hertz=model.frequency_min_hertz,
            frequency_max_hertz=model.frequency_max_hertz,
            autonomy=Autonomy.PROGRAM if self.identity.serial.startswith("EMU") else Autonomy.UNPROVEN,
        )

    async def connect(self, *, synchronise: bool) -> None:
        """Stop whatever runs and identify, or only ask for the firmware.

        Raises:
            ReplyTimeout, PortGone, WireError, WrongInstrument: as `interface.Instrument` says.
        """
        inbox = self._link.take()
        if not synchronise:
            await self._ask_firmware_only(inbox)
            return
        await self._link.write(b"\n")
        await stop(self._link, inbox, self._clock, _UNKNOWN_STOP_SECOND)
        self._may_run = False
        await self._identify(inbox)

    async def run(self, program: Program) -> AsyncGenerator[Item]:
        """Send ``program`` and yield what it says; see `interface.Channel.run`.

        Raises:
            ProgramInvalid: the instrument cannot hold it; nothing was sent.
            Rejected: the instrument refused it; nothing happened to the cell.
            InstrumentFault: it was stopped by an error, and the cell was then opened.
            ReplyTimeout, PortGone, WireError: the outcome is unknown.
        """
        async with self._taking:
            model = self._model
            if model is None or not self._identified:
                model = await self._identify(self._link.take())
            script = compile_program(program, model)
            inbox = self._link.take()
            self._may_run, self._stop_second = True, script.stop_second
            await self._link.write(script.text)
        async with contextlib.aclosing(self._run(program, model, script, inbox)) as items:
            async for item in items:
                yield item

    async def adopt(self, program: Program) -> AsyncGenerator[Item]:
        """Follow ``program``, which `attach` found running; see `interface.Channel.adopt`.

        As soon as it has ended the instrument is identified, if it could not be asked before. The start of a command that had
        begun before is taken as the last restart of the instrument's timer, which is some milliseconds early.
        """
        script = compile_program(program, self._model or _most_able_model())
        self._stop_second = script.stop_second
        follower = Follower(program, self._model, adopting=True)
        seen, self._seen = self._seen, []
        for package in seen:
            for item in follower.take(package):
                yield item
        async with contextlib.aclosing(self._follow(self._link.current, follower, script)) as items:
            async for item in items:
                if isinstance(item, ProgramEnded) and not self._identified:
                    await self._identify_alone()
                yield item

    async def attach(self) -> Attachment:
        """Say whether a program runs; see `interface.Channel.attach`.

        Raises:
            WrongInstrument: nothing runs, and the serial number is another.
            ReplyTimeout, PortGone: it could not be found out.
        """
        if not self._may_run:
            return Idle()
        inbox = self._link.current
        try:
            attachment = await self._watch(inbox)
            if isinstance(attachment, Idle) and not self._identified:
                await self._identify(inbox)
        except Overtaken as overtaken:
            if overtaken.failure is not None:
                raise overtaken.failure from None
            return Idle()
        self._may_run = isinstance(attachment, Running)
        return attachment

    async def make_safe(self) -> Safety:
        """Stop whatever runs, open the cell and prove it; see `interface.Channel.make_safe`."""
        async with self._taking:
            earlier = self._link.current
            inbox = self._link.take()
            failure: DriverError | None = PortGone(self._link.url, "opening the cell was interrupted")
            try:
                safety = await self._stop_and_open(inbox, earlier)
                failure = None if isinstance(safety, Safe) else DriverError(safety.reason)
            except DriverError as error:
                failure = error
                safety = Unconfirmed(str(error))
            finally:
                earlier.put(Overtaken(failure))
        return safety

    async def _stop_and_open(self, inbox: Inbox, earlier: Inbox) -> Safety:
        await stop(self._link, inbox, self._clock, self._stop_second, earlier)
        if not self._identified:
            await self._identify(inbox)
        safety = await open_cell(self._link, inbox, self._clock)
        if isinstance(safety, Safe):
            self._may_run = False
        return safety

    async def _run(self, program: Program, model: Model, script: Script, inbox: Inbox) -> AsyncGenerator[Item]:
        follower = Follower(program, model)
        try:
            await accepted(self._link, inbox, self._clock, "the program")
        except Rejected as refused:
            self._may_run = refused.code == NOT_NOW
            raise
        except Overtaken as overtaken:
            for item in _after(overtaken, follower):
                yield item
            return
        async with contextlib.aclosing(self._follow(inbox, follower, script)) as items:
            async for item in items:
                yield item

    async def _follow(self, inbox: Inbox, follower: Follower, script: Script) -> AsyncGenerator[Item]:
        """The items of a running program, until its script has finished or someone has stopped it."""
        quiet = self._quiet(script, follower)
        while True:
            try:
                event = await inbox.next("a running program", quiet)
            except Overtaken as overtaken:
                items = _after(overtaken, follower)
                break
            if isinstance(event, RuntimeFault):
                await self._open_after_fault(inbox, event)
            if isinstance(event, Blank):
                self._may_run = False
                items = follower.finished()
                break
            items = _said(event, follower)
            if any(not isinstance(item, Damaged) for item in items) or _is_verified(event):
                quiet = self._quiet(script, follower)
            for item in items:
                yield item
        for item in items:
            yield item

    def _quiet(self, script: Script, follower: Follower) -> Deadline:
        """Until when the next verified line must come."""
        return Deadline(self._clock.deadline_second(script.silence_second[follower.command_index]))

    async def _open_after_fault(self, inbox: Inbox, event: RuntimeFault) -> None:
        """The script has stopped where it was, without its last section: open the cell, then raise the fault."""
        raised = fault(self._link.url, event.code, event.line)
        with contextlib.suppress(Overtaken):
            await pass_grace(inbox, self._clock)
        async with self._taking:
            taken = self._link.take()
            try:
                await pause(self._clock)
                safety = await open_cell(self._link, taken, self._clock)
            except PortGone as error:
                raise error from raised
            except DriverError as error:
                raise raised from error
        self._may_run = not isinstance(safety, Safe)
        raise raised

    async def _watch(self, inbox: Inbox) -> Attachment:
        """Whether output comes, and whether questions are answered as an idle instrument answers them."""
        if (token := self._seen_token()) is not None:
            return Running(token)
        await self._link.write(b"t\n\n")
        deadline = Deadline(self._clock.deadline_second(_IDLE_SECOND))
        running, idle = False, False
        while True:
            try:
                event = await inbox.next("t", deadline)
            except ReplyTimeout as error:
                silence = error
                break
            if isinstance(event, Package):
                self._seen.append(event)
                return Running(token_of(event))
            if _says_running(event) and not running:
                running, deadline = True, Deadline(self._clock.deadline_second(_TOKEN_SECOND))
            idle = idle or isinstance(event, Blank)
        if running:
            return Running(None)
        if idle:
            return Idle()
        raise silence

    def _seen_token(self) -> int | None:
        tokens = [token for package in self._seen if (token := token_of(package)) is not None]
        return tokens[-1] if tokens else None

    async def _ask_firmware_only(self, inbox: Inbox) -> None:
        """Output of a running program is kept for `attach` and `adopt`."""
        await self._link.write(b"t\n")
        deadline = Deadline(REPLY_SECOND)
        lines: list[str] = []
        while not (lines and lines[-1].endswith("*")):
            event = await inbox.next("t", deadline)
            if isinstance(event, Package):
                self._seen.append(event)
            if isinstance(event, ErrorReply) and event.echo == "t":
                await pause(self._clock)
                return
            if isinstance(event, Reply) and (lines or event.text.startswith("t")):
                lines.append(event.text)
        self._learn_model(lines[0])

    async def _identify_alone(self) -> None:
        async with self._taking:
            await self._identify(self._link.take())

    async def _identify(self, inbox: Inbox) -> Model:
        """Ask who answers, compare the serial number, then ask what it can do."""
        link, clock = self._link, self._clock
        model = self._learn_model((await query(link, inbox, clock, "t", last="*"))[0])
        serial = (await query(link, inbox, clock, "i"))[0][1:]
        if self._expected_serial is not None and serial != self._expected_serial:
            raise WrongInstrument(link.url, "serial number", self._expected_serial, serial)
        await query(link, inbox, clock, "v")
        bits = _capability_bits((await query(link, inbox, clock, "CM"))[0])
        self._galvanostat, self._impedance = galvanostat_bits(bits), impedance_bit(bits)
        self.identity = Identity(self.identity.model, serial, self.identity.firmware)
        self._identified = True
        return model

    def _learn_model(self, reply: str) -> Model:
        """The type is six characters after the echo, the firmware the digits after them."""
        model = MODELS.get(reply[1:7])
        if model is None:
            raise WrongInstrument(self._link.url, "family", "a MethodSCRIPT instrument", reply)
        firmware = reply[7:].partition("#")[0]
        self._model = model
        self.identity = Identity(model.name, self.identity.serial, firmware)
        return model


def _after(overtaken: Overtaken, follower: Follower) -> tuple[Item, ...]:
    if overtaken.failure is not None:
        raise overtaken.failure
    return follower.aborted()


def _said(event: Event | Garbled, follower: Follower) -> tuple[Item, ...]:
    match event:
        case Package():
            return follower.take(event)
        case Garbled(error):
            return (follower.damaged(str(error)),)
        case _:
            return ()


def _is_verified(event: Event | Garbled) -> bool:
    """Whether a line that gave no item still shows a healthy program: its start of a loop, not a reading that is none."""
    return isinstance(event, LoopStarted)


def _says_running(event: Event | Garbled) -> bool:
    return isinstance(event, ErrorReply) and event.echo == "t" and event.code == NOT_NOW


def _most_able_model() -> Model:
    """A program that was accepted when it was sent is only timed, not checked, while the instrument cannot be asked."""
    return MODELS["nexus1"]


def _capability_bits(reply: str) -> int:
    try:
        return int(reply[1:], 16)
    except ValueError:
        raise WireError("the capability reply is not hexadecimal", reply.encode("ascii", "replace")) from None
