"""What is said to a MethodSCRIPT instrument and waited for: queries, short scripts, stopping, opening the cell.

Each function is one exchange over a `Link`. None decides when it is needed; the driver does.

Timing facts used here: after a refusal the instrument needs 50 ms before the next command (150 are given); a refusal of ``Z``
with 0006 means that nothing ran; an abort inside an impedance sweep is carried out when the frequency being measured is done.
An empty line ends whatever was half sent; a half-sent script swallows the first ``Z`` as one of its lines and is then refused
as a whole, so ``Z`` is sent a second time when it is not answered.
"""

from __future__ import annotations

import contextlib

from potentiostat_drivers.clock import Clock
from potentiostat_drivers.errors import InstrumentFault, Rejected, ReplyTimeout
from potentiostat_drivers.interface import Safe, Safety, Unconfirmed
from potentiostat_drivers.methodscript.codes import CELL_IS_ON, NOT_NOW, fault, rejection
from potentiostat_drivers.methodscript.link import Deadline, Garbled, Inbox, Link
from potentiostat_drivers.methodscript.script import CELL_OFF, OPEN_CIRCUIT
from potentiostat_drivers.methodscript.wire import Ack, Blank, ErrorReply, Event, Package, Reply, RuntimeFault

REPLY_SECOND = 5.0
"""Wall time for an answer to anything short, and for the acceptance of a script."""
PAUSE_SECOND = 0.15
"""Wall time after a refusal before the next command."""
GRACE_SECOND = 0.1
"""Wall time for the empty line that may or may not follow a runtime error; sources disagree."""
_SHORT_SCRIPT_SECOND = 10.0
_OPENING_ATTEMPTS = 3


async def pause(clock: Clock) -> None:
    """Let an instrument that refused something come to itself."""
    with clock.held():
        await clock.sleep(PAUSE_SECOND)


async def query(link: Link, inbox: Inbox, clock: Clock, command: str, last: str = "") -> list[str]:
    """The reply to ``command``: its lines, up to the first that ends with ``last``. Other output is passed over.

    Raises:
        Rejected: the instrument refused.
        ReplyTimeout: it did not answer.
        PortGone: the link has ended.
    """
    await link.write(f"{command}\n".encode("ascii"))
    deadline = Deadline(REPLY_SECOND)
    lines: list[str] = []
    while not (lines and lines[-1].endswith(last)):
        with clock.held():
            event = await inbox.next(command, deadline)
        if isinstance(event, ErrorReply) and event.echo == command[0]:
            await pause(clock)
            raise rejection(link.url, command, event.code)
        if isinstance(event, Reply) and (lines or event.text.startswith(command[0])):
            lines.append(event.text)
    return lines


async def accepted(link: Link, inbox: Inbox, clock: Clock, request: str) -> None:
    """Wait until a script that was sent is accepted.

    Raises:
        Rejected: the instrument refused it; nothing ran.
        ReplyTimeout: no answer; whether it runs is unknown.
        PortGone, Overtaken: as `Inbox.next`.
    """
    deadline = Deadline(REPLY_SECOND)
    while True:
        with clock.held():
            event = await inbox.next(request, deadline)
        if event == Ack("e"):
            return
        if isinstance(event, ErrorReply) and event.echo == "e":
            await pause(clock)
            raise rejection(link.url, request, event.code, event.line, event.column)


async def execute(link: Link, inbox: Inbox, clock: Clock, script: bytes, request: str) -> list[Package]:
    """Run a short script to its end and return its packages.

    Raises:
        Rejected: it was refused.
        InstrumentFault: it was stopped while it ran.
        ReplyTimeout, PortGone: the outcome is unknown.
    """
    await link.write(script)
    await accepted(link, inbox, clock, request)
    deadline = Deadline(clock.deadline_second(_SHORT_SCRIPT_SECOND))
    packages: list[Package] = []
    while True:
        event = await inbox.next(request, deadline)
        match event:
            case Package():
                packages.append(event)
            case Blank():
                return packages
            case RuntimeFault(code, line):
                await pass_grace(inbox, clock)
                await pause(clock)
                raise fault(link.url, code, line)
            case _:
                pass


async def pass_grace(inbox: Inbox, clock: Clock) -> None:
    """Let the empty line after a runtime error pass, if there is one."""
    deadline = Deadline(GRACE_SECOND)
    with clock.held(), contextlib.suppress(ReplyTimeout):
        while not isinstance(await inbox.next("", deadline), Blank):
            pass


async def stop(link: Link, inbox: Inbox, clock: Clock, stop_second: float, earlier: Inbox | None = None) -> None:
    """Abort whatever runs, and return when nothing does.

    Args:
        link: the port.
        inbox: the conversation that stops.
        clock: whose instrument time scales ``stop_second``.
        stop_second: how long, in instrument time, the abort of a running script may take.
        earlier: the conversation whose program may run: it gets what that program still sends.

    Raises:
        ReplyTimeout: no answer; something may still run.
        PortGone: the link has ended.
    """
    patience = clock.deadline_second(stop_second)
    await link.write(b"Z\n")
    if await _stopped(inbox, clock, reply_second=min(REPLY_SECOND, patience), patience_second=patience, earlier=earlier):
        return
    await link.write(b"\n")
    await link.write(b"Z\n")
    if await _stopped(inbox, clock, reply_second=REPLY_SECOND, patience_second=patience, earlier=earlier):
        return
    await link.write(b"t\n")
    alive = await inbox.next("Z", Deadline(REPLY_SECOND))
    if await _stopped(inbox, clock, reply_second=patience, patience_second=patience, earlier=earlier, first=alive):
        return
    raise ReplyTimeout(link.url, "Z", patience)


async def open_cell(link: Link, inbox: Inbox, clock: Clock) -> Safety:
    """Open the cell of an idle instrument, and prove it by an open-circuit measurement, which is refused while the cell is on.

    Raises:
        Rejected, InstrumentFault, ReplyTimeout, PortGone: neither could be done.
    """
    for _ in range(_OPENING_ATTEMPTS):
        await execute(link, inbox, clock, CELL_OFF, "cell_off")
        try:
            packages = await execute(link, inbox, clock, OPEN_CIRCUIT, "the open-circuit measurement")
        except (Rejected, InstrumentFault) as error:
            if error.code not in CELL_IS_ON:
                raise
            continue
        voltages = [variable.value for package in packages for variable in package.variables if variable.kind == "ab"]
        return Safe(voltages[-1] if voltages else None)
    return Unconfirmed(f"{link.url}: the instrument says after {_OPENING_ATTEMPTS} attempts that the cell is still on")


async def _stopped(
    inbox: Inbox,
    clock: Clock,
    *,
    reply_second: float,
    patience_second: float,
    earlier: Inbox | None,
    first: Event | Garbled | None = None,
) -> bool:
    """Whether ``Z`` was answered within ``reply_second``, and then also carried out."""
    deadline = Deadline(reply_second)
    event = first
    while True:
        if event == Ack("Z"):
            await _finished(inbox, patience_second, earlier)
            return True
        if isinstance(event, ErrorReply) and event.echo == "Z" and event.code == NOT_NOW:
            await pause(clock)
            inbox.drain()
            return True
        if event is not None and earlier is not None:
            earlier.put(event)
        try:
            with clock.held():
                event = await inbox.next("Z", deadline)
        except ReplyTimeout:
            return False


async def _finished(inbox: Inbox, patience_second: float, earlier: Inbox | None) -> None:
    """Wait for the end of an aborted script; what it still sends, the end of its command among it, belongs to its program."""
    deadline = Deadline(patience_second)
    while not isinstance(event := await inbox.next("Z", deadline), Blank):
        if earlier is not None and isinstance(event, Package):
            earlier.put(event)
