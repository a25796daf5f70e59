import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from potentiostat_drivers.errors import (
    CellFault,
    DeviceFault,
    InstrumentFault,
    NotLicensed,
    PortGone,
    ProgramInvalid,
    Rejected,
    ReplyTimeout,
    WireError,
    WrongInstrument,
)
from potentiostat_drivers.interface import Autonomy, Idle, Instrument, Running, Safe, Unconfirmed
from potentiostat_drivers.methodscript.channel import MethodScriptChannel
from potentiostat_drivers.methodscript.driver import MethodScriptInstrument
from potentiostat_drivers.methodscript.models import MODELS
from potentiostat_drivers.methodscript.script import compile_program
from potentiostat_drivers.program import (
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
from potentiostat_drivers.testing import Gone, Received, ScriptedTransport, Sent, Turn, parse_transcript

WIRE = Path(__file__).parents[1] / "wire" / "methodscript"
SERIAL = "EMU4HR20B0001"
LIMITS = Limits(-0.5, 4.5, 5e-3, 36_000.0)
REST = Rest(Sampling(10.0), Until(duration_second=20.0), LIMITS)
PLATE = Galvanostatic(-1e-3, Sampling(5.0), Until(voltage_below_volt=0.0), LIMITS)
CYCLE = Program((REST, PLATE), token=4711)
MODEL = MODELS["es4_hr"]

CONNECT: tuple[Turn, ...] = parse_transcript((WIRE / "cycle.wire").read_text(encoding="utf-8"))[:12]
OPEN_CELL: tuple[Turn, ...] = (
    Sent(b"e\ncell_off\n\n"),
    Received(b"e\n\n"),
    Sent(
        b"e\nvar p\nset_pgstat_chan 0\nmeas_loop_ocp p 100m 100m\npck_start\npck_add p\npck_end\nendloop\n"
        b"on_finished:\ncell_off\n\n"
    ),
    Received(b"e\nM000B\nPab82DC6C0u\n*\n\n"),
)
PLATING = Program((PLATE,), token=4711)
PLATING_SENT = Sent(compile_program(PLATING, MODEL).text)
PLATING_BEGUN = Received(
    b"e\nPja8001267i;jb8000000i;eb8000000 ;eb8000000 \nM000A\n"
    b"Pja8001267i;jb8000000i;eb84C4F28u;eb8000000 ;ab80186A0u;ba7F0BDC0n,10,215\n"
)
FIRST_READING = Reading(0, 5.001, 0.1, -1e-3, 1e-3)


@dataclass
class StillClock:
    """Waits nothing, and gives ``patience_second`` for whatever the instrument does."""

    patience_second: float = 5.0
    scale: float = 1.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, wall_second: float) -> None:
        del wall_second
        await asyncio.sleep(0)

    def deadline_second(self, instrument_second: float) -> float:
        del instrument_second
        return self.patience_second

    def held(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def watch(self, url: str) -> None:
        del url


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, and see that it leaves no task behind."""

    async def watched() -> None:
        async with asyncio.timeout(20):
            await main
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []

    asyncio.run(watched())


@asynccontextmanager
async def connected(
    *turns: Turn, synchronise: bool = True, serial: str | None = SERIAL, patience_second: float = 5.0
) -> AsyncIterator[MethodScriptChannel]:
    """A channel whose connecting and everything after goes as in ``turns``; leftovers fail."""
    transport = ScriptedTransport([*(CONNECT if synchronise else ()), *turns])
    clock = StillClock(patience_second)
    async with MethodScriptInstrument(transport, clock, serial=serial, synchronise=synchronise) as instrument:
        yield instrument.channels[0]
    assert not transport.is_open
    transport.check_finished()


async def items_of(channel: MethodScriptChannel, program: Program) -> list[Item]:
    async with aclosing(channel.run(program)) as items:
        return [item async for item in items]


async def collect(channel: MethodScriptChannel, program: Program, found: list[Item]) -> None:
    """Run ``program``, keeping what comes before an error."""
    async with aclosing(channel.run(program)) as items:
        async for item in items:
            found.append(item)  # noqa: PERF401 - what came before an error must be kept


async def connecting(*turns: Turn, serial: str | None = SERIAL, patience_second: float = 5.0) -> Instrument:
    """Connect once and leave; what connecting raises comes out."""
    transport = ScriptedTransport(turns)
    try:
        async with MethodScriptInstrument(transport, StillClock(patience_second), serial=serial) as instrument:
            return instrument
    finally:
        assert not transport.is_open
        transport.check_finished()


def test_cycle_transcript_is_sent_and_understood() -> None:
    """The golden transcript of a rest and a current is what goes over the wire, and gives its readings."""

    async def main() -> None:
        turns = parse_transcript((WIRE / "cycle.wire").read_text(encoding="utf-8"))
        async with connected(*turns[12:]) as channel:
            assert await items_of(channel, CYCLE) == [
                Reading(0, 10.0, 3.0, 0.0, None),
                Reading(0, 20.0, 3.0, 0.0, None),
                Reading(0, 20.0, 3.0, 0.0, None, "held"),
                CommandEnded(0, EndReason.DURATION, 20.0, 20.0),
                Reading(1, 25.001, 0.1, -1e-3, 1e-3),
                Reading(1, 30.001, -0.1, -1e-3, 1e-3, "overload"),
                Reading(1, 30.002, -0.1, -1e-3, 1e-3, "held"),
                CommandEnded(1, EndReason.VOLTAGE_BELOW, 10.001, 30.002),
                ProgramEnded(EndReason.COMPLETED),
            ]
            assert await channel.attach() == Idle()

    run(main())


def test_session_transcript_connects() -> None:
    """The session of the manuals connects, with capabilities asked after it."""

    async def main() -> None:
        turns = parse_transcript((WIRE / "session.wire").read_text(encoding="utf-8"))
        transport = ScriptedTransport([*turns[:10], Sent(b"CM\n"), Received(b"C0\n")])
        async with MethodScriptInstrument(transport, StillClock(), serial=None) as instrument:
            assert instrument.identity.model == "EmStat4 HR"
            assert instrument.identity.serial == SERIAL
            assert instrument.identity.firmware == "1500"
            assert not instrument.channels[0].capabilities.galvanostat
        transport.check_finished()

    run(main())


def test_capabilities_come_from_model_and_bits() -> None:
    """The windows are the model's, the modes are the instrument's own answer."""

    async def main() -> None:
        async with connected() as channel:
            able = channel.capabilities
            assert (able.galvanostat, able.impedance) == (True, True)
            assert (able.voltage_min_volt, able.voltage_max_volt, able.current_max_ampere) == (-6.0, 6.0, 0.2)
            assert able.autonomy is Autonomy.PROGRAM
            assert channel.name == SERIAL

    run(main())


def test_real_serial_number_has_unproven_autonomy() -> None:
    """Only emulated instruments are known to go on when nobody listens."""

    async def main() -> None:
        turns = list(CONNECT)
        turns[7] = Received(b"iES4HR20B0008\n")
        transport = ScriptedTransport(turns)
        async with MethodScriptInstrument(transport, StillClock(), serial="ES4HR20B0008") as instrument:
            assert instrument.channels[0].capabilities.autonomy is Autonomy.UNPROVEN
        transport.check_finished()

    run(main())


def test_connecting_stops_what_runs_and_skips_its_output() -> None:
    """A script that runs is aborted; what it says meanwhile is passed over up to its blank line."""

    async def main() -> None:
        stale = b"0000;ba7F0BDC0n,10,215\nPja8000001i\n\xff\xfe\n*\nZ\nPja8000001i\n*\n\n"
        await connecting(Sent(b"\n"), Sent(b"Z\n"), Received(stale), *CONNECT[4:])

    run(main())


def test_connecting_repeats_what_a_half_sent_script_swallowed() -> None:
    """A half-sent script takes the first Z as one of its lines; it is ended, refused, and Z is sent again."""

    async def main() -> None:
        swallowed = (Sent(b"\n"), Sent(b"Z\n"), Sent(b"\n"), Received(b"e!4001: Line 3, Col 1\n"), Sent(b"Z\n"))
        await connecting(*swallowed, Received(b"Z!0006\n"), *CONNECT[4:], patience_second=0.2)

    run(main())


def test_connecting_to_silence_is_a_reply_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrument that says nothing at all is given up, not waited for as for a slow sweep."""
    monkeypatch.setattr("potentiostat_drivers.methodscript.conversation.REPLY_SECOND", 0.05)

    async def main() -> None:
        with pytest.raises(ReplyTimeout, match="no answer to Z"):
            await connecting(Sent(b"\n"), Sent(b"Z\n"), Sent(b"\n"), Sent(b"Z\n"), Sent(b"t\n"))

    run(main())


def test_connecting_waits_for_a_slow_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrument that answers t but not yet Z is measuring a low frequency, and is waited for."""
    monkeypatch.setattr("potentiostat_drivers.methodscript.conversation.REPLY_SECOND", 0.05)

    async def main() -> None:
        busy = (Sent(b"\n"), Sent(b"Z\n"), Sent(b"\n"), Sent(b"Z\n"), Sent(b"t\n"), Received(b"t!0006\n"))
        await connecting(*busy, Received(b"Z\n*\n\nZ!0006\n"), *CONNECT[4:])

    run(main())


def test_wrong_serial_number_ends_before_anything_else() -> None:
    """After another serial number nothing more is sent."""

    async def main() -> None:
        with pytest.raises(WrongInstrument, match=f"serial number is '{SERIAL}', expected 'EMU0'"):
            await connecting(*CONNECT[:8], serial="EMU0")

    run(main())


def test_foreign_family_is_a_wrong_instrument() -> None:
    """A bootloader or another family is refused by name."""

    async def main() -> None:
        with pytest.raises(WrongInstrument, match="expected 'a MethodSCRIPT instrument'"):
            await connecting(*CONNECT[:4], Sent(b"t\n"), Received(b"tespbl1000#x\nR*\n"))

    run(main())


def test_refused_program_happened_to_no_cell() -> None:
    """A refusal carries its code and place, and leaves the channel idle."""

    async def main() -> None:
        async with connected(PLATING_SENT, Received(b"e!4001: Line 1, Col 5\n")) as channel:
            with pytest.raises(Rejected, match=r"line 1, column 5.*nothing happened to the cell") as caught:
                await items_of(channel, PLATING)
            assert caught.value.code == "4001"
            assert await channel.attach() == Idle()

    run(main())


def test_unlicensed_program_says_so() -> None:
    """A missing licence is its own error."""

    async def main() -> None:
        async with connected(PLATING_SENT, Received(b"e!4034\n")) as channel:
            with pytest.raises(NotLicensed):
                await items_of(channel, PLATING)

    run(main())


def test_missing_acceptance_is_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that is neither accepted nor refused may run."""
    monkeypatch.setattr("potentiostat_drivers.methodscript.conversation.REPLY_SECOND", 0.05)

    async def main() -> None:
        async with connected(PLATING_SENT, Received(b"\x11\n")) as channel:
            with pytest.raises(ReplyTimeout, match="no answer to the program"):
                await items_of(channel, PLATING)

    run(main())


def test_silence_of_a_running_program_is_noticed() -> None:
    """A program that says nothing for longer than its interval allows is given up; readings that are none do not count."""

    async def main() -> None:
        nothing = Received(b"Pja8001267i;jb8000000i;eb84C4F28u;eb8000000 ;ab     nan;ba     nan\n" * 3)
        async with connected(PLATING_SENT, Received(b"e\nM000A\n"), nothing, patience_second=0.1) as channel:
            with pytest.raises(ReplyTimeout, match="no answer to a running program"):
                await items_of(channel, PLATING)

    run(main())


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"!0032: Line 17\n", CellFault),
        (b"!0080: Line 17\n\n", CellFault),
        (b"!7FFF\n\n", DeviceFault),
        (b"!0010: Line 3\n", InstrumentFault),
    ],
)
def test_runtime_error_opens_the_cell_first(line: bytes, error: type[InstrumentFault]) -> None:
    """The last section does not run after a runtime error: the cell is opened and shown to be open, then the fault is raised."""

    async def main() -> None:
        found: list[Item] = []
        async with connected(PLATING_SENT, PLATING_BEGUN, Received(line), *OPEN_CELL) as channel:
            with pytest.raises(InstrumentFault) as caught:
                await collect(channel, PLATING, found)
            assert type(caught.value) is error
            assert found == [FIRST_READING]
            assert await channel.attach() == Idle()

    run(main())


def test_runtime_error_with_a_lost_link_is_unknown() -> None:
    """When the cell could not be opened because the link ended, that is what is raised."""

    async def main() -> None:
        turns = (PLATING_SENT, PLATING_BEGUN, Received(b"!0032: Line 17\n"), OPEN_CELL[0], Gone())
        async with connected(*turns) as channel:
            with pytest.raises(PortGone) as caught:
                await items_of(channel, PLATING)
            assert isinstance(caught.value.__cause__, CellFault)

    run(main())


def test_lost_link_ends_a_program_with_port_gone() -> None:
    """What was read is kept; then the outcome is unknown, and making safe says so without raising."""

    async def main() -> None:
        found: list[Item] = []
        async with connected(PLATING_SENT, PLATING_BEGUN, Gone(), Sent(b"Z\n")) as channel:
            with pytest.raises(PortGone):
                await collect(channel, PLATING, found)
            assert found == [FIRST_READING]
            safety = await channel.make_safe()
            assert isinstance(safety, Unconfirmed)
            assert "the transcript ends the link" in safety.reason

    run(main())


def test_making_safe_overtakes_a_running_program() -> None:
    """Another task aborts: all the program still sends is yielded, and it ends at the time its last section says."""

    async def main() -> None:
        late = (
            b"Pja8001267i;jb8000000i;eb8989E50u;eb8000000 ;ab80186A0u;ba7F0BDC0n,10,215\n"
            b"Z\nPja8001267i;jb8000000i;eb8E4E1C0u;eb8000000 ;ab80186A0u;ba7F0BDC0n,10,215\n*\n"
            b"Pja8001267i;jb8000000i;eb8EC8260u;eb8000000 ;jc800000Ai\n\n"
        )
        turns = (PLATING_SENT, PLATING_BEGUN, Sent(b"Z\n"), Received(late), *OPEN_CELL)
        async with connected(*turns) as channel:
            found: list[Item] = []
            safe: asyncio.Task[Any] | None = None
            async for item in channel.run(PLATING):
                found.append(item)
                safe = safe or asyncio.create_task(channel.make_safe())
            assert safe is not None
            assert await safe == Safe(3.0)
            assert found == [
                FIRST_READING,
                Reading(0, 10.002, 0.1, -1e-3, 1e-3),
                Reading(0, 15.0, 0.1, -1e-3, 1e-3),
                CommandEnded(0, EndReason.ABORTED, 15.499872, 15.499872),
                ProgramEnded(EndReason.ABORTED),
            ]
            assert await channel.attach() == Idle()

    run(main())


def test_abort_that_is_not_shown_raises_in_the_program() -> None:
    """A program whose abort could not be confirmed does not end as if its cell were open."""

    async def main() -> None:
        still_on = (*OPEN_CELL[:3], Received(b"e!0014\n"))
        turns = (PLATING_SENT, PLATING_BEGUN, Sent(b"Z\n"), Received(b"Z\n*\n\n"), *still_on * 3)
        async with connected(*turns) as channel:
            items = channel.run(PLATING)
            assert await anext(items) == FIRST_READING
            safety = await channel.make_safe()
            assert isinstance(safety, Unconfirmed)
            assert "still on" in safety.reason
            with pytest.raises(Exception, match="still on"):
                await anext(items)

    run(main())


def test_making_safe_while_acceptance_is_awaited() -> None:
    """A program overtaken before it was accepted ends as aborted, with no readings."""

    async def main() -> None:
        turns = (PLATING_SENT, Sent(b"Z\n"), Received(b"e\nZ\n\n"), *OPEN_CELL)
        async with connected(*turns) as channel:
            program = asyncio.create_task(items_of(channel, PLATING))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await channel.make_safe() == Safe(3.0)
            assert await program == [ProgramEnded(EndReason.ABORTED)]

    run(main())


def test_making_safe_is_idempotent_and_repeats_while_on() -> None:
    """The open-circuit measurement that is refused shows that the cell is on: it is opened again until it is not."""

    async def main() -> None:
        idle = (Sent(b"Z\n"), Received(b"Z!0006\n"))
        on = (*OPEN_CELL[:3], Received(b"e\n!0014: Line 3\n"))
        async with connected(*idle, *on, *OPEN_CELL, *idle, *OPEN_CELL) as channel:
            assert await channel.make_safe() == Safe(3.0)
            assert await channel.make_safe() == Safe(3.0)

    run(main())


def test_making_safe_does_not_take_a_stale_blank_line_for_an_end() -> None:
    """A blank line that belongs to what was before is not the end of the script that opens the cell."""

    async def main() -> None:
        idle = (Sent(b"Z\n"), Received(b"Z!0006\n"), OPEN_CELL[0], Received(b"\n\ne\n\n"))
        async with connected(*idle, *OPEN_CELL[2:]) as channel:
            assert await channel.make_safe() == Safe(3.0)

    run(main())


def test_program_beyond_the_model_is_refused_before_sending() -> None:
    """Nothing is sent of a program the instrument cannot hold."""

    async def main() -> None:
        wide = Program((Rest(Sampling(10.0), Until(), Limits(-7.0, 7.0, 1e-3, 60.0)),), token=1)
        async with connected() as channel:
            with pytest.raises(ProgramInvalid, match=r"exceeds what EmStat4 HR can measure, -6 V … 6 V"):
                await items_of(channel, wide)

    run(main())


def test_garbled_reading_is_passed_over_and_a_lost_end_is_not() -> None:
    """One damaged line costs one reading; a command whose end was lost is an error."""

    async def main() -> None:
        program = Program((PLATE, PLATE), token=4711)
        sent = Sent(compile_program(program, MODEL).text)
        damaged = b"Pja8001267i;jb80000\n" + b"Pja8001267i;jb8000001i;eb8000000 ;eb8989E50u\n"
        async with connected(sent, PLATING_BEGUN, Received(damaged)) as channel:
            found: list[Item] = []
            with pytest.raises(WireError, match="the end of command 0 is missing"):
                await collect(channel, program, found)
            assert found == [FIRST_READING, Damaged(0, "a package cannot be read: b'Pja8001267i;jb80000'")]

    run(main())


HEAD = "Pja8001267i;jb8000000i;eb8989E50u;eb8000000 "


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Pja8001267i;jb80000", "cannot be read"),
        ("Pja8001267i;jb8000000i", "does not say where it belongs"),
        (f"{HEAD};ab80186A0u;ba7F0BDC0n".replace("8989E50u", "     nan"), "does not say where it belongs"),
        (HEAD, "something else than was asked for"),
        (f"{HEAD};ab80186A0u", "something else than was asked for"),
        (f"{HEAD};ab80186A0u;ba7F0BDC0n,10,215;ba8000000 ", "something else than was asked for"),
        (f"{HEAD};jc8000003i;ab80186A0u", "something else than was asked for"),
        (f"{HEAD};ab     nan;ba7F0BDC0n,10,215", "without a number at 10.002 s"),
        (f"{HEAD};ab80186A0u;ba     nan", "without a number at 10.002 s"),
        (f"{HEAD};ab0,1000u;ba7F0BDC0n", "cannot be read"),
        ("\xfe\xff", "not ASCII"),
    ],
)
def test_line_that_cannot_be_used_is_told(line: str, what: str) -> None:
    """No reading is lost without a word, and what is left of a package is never taken for another kind of package."""

    async def main() -> None:
        ended = b"Pja8001267i;jb8000000i;eb8E4E1C0u;eb8000000 ;jc8000003i;ab80186A0u;ba7F0BDC0n,10,215\n\n"
        received = PLATING_BEGUN.data + line.encode("latin-1") + b"\n*\n" + ended
        async with connected(PLATING_SENT, Received(received)) as channel:
            first, damaged, held, command, program = await items_of(channel, PLATING)
            assert first == FIRST_READING
            assert isinstance(damaged, Damaged)
            assert what in damaged.what
            assert held == Reading(0, 15.0, 0.1, -1e-3, 1e-3, "held")
            assert command == CommandEnded(0, EndReason.VOLTAGE_BELOW, 15.0, 15.0)
            assert program == ProgramEnded(EndReason.COMPLETED)

    run(main())


@pytest.mark.parametrize(
    "ending",
    [
        b"\n",
        b"*\n\n",
        b"*\nPja8001267i;jb8000000i;eb8000064u;eb84C4F28u;jc800000Ai\n\n",
    ],
)
def test_end_that_was_not_heard_is_an_unknown_outcome(ending: bytes) -> None:
    """A blank line alone ends no program, and the last section's stamp is not taken for an abort as the command began."""

    async def main() -> None:
        found: list[Item] = []
        async with connected(PLATING_SENT, PLATING_BEGUN, Received(ending)) as channel:
            with pytest.raises(WireError, match=r"not how its command 0 ended|the end of command 0 is missing"):
                await collect(channel, PLATING, found)
            assert found == [FIRST_READING]

    run(main())


def test_refusal_because_something_runs_leaves_the_channel_running() -> None:
    """0006 says that a script runs: the channel does not count as idle."""

    async def main() -> None:
        busy = (PLATING_SENT, Received(b"e!0006\n"), Sent(b"t\n\n"), Received(b"t!0006\n"))
        async with connected(*busy, patience_second=0.1) as channel:
            with pytest.raises(Rejected):
                await items_of(channel, PLATING)
            assert await channel.attach() == Running(None)

    run(main())


def test_impedance_points_are_numbered_by_frequency() -> None:
    """Z″ keeps its sign, points are numbered from the highest frequency, and a sweep has no held reading."""

    async def main() -> None:
        program = Program((Impedance(1000.0, 10.0, 3, 0.01, LIMITS),), token=1)
        head = "Pja8000001i;jb8000000i;eb"
        lines = (
            "e",
            f"{head}8000000 ;eb8000000 ",
            "M000D",
            f"{head}80F4240u;eb8000000 ;dc80003E8 ;cc8000032 ,10,215;cd7FFFFF6 ,10,215",
            f"{head}81E8480u;eb8000000 ;dc8000064 ;cc8000064 ,11,215;cd7FFFFEC ,10,215",
            f"{head}82DC6C0u;eb8000000 ;dc800000A ;cc80000C8 ,10,215;cd7FFFFF6 ,10,215",
            "*",
            f"{head}82DC6C0u;eb8000000 ;jc8000005i",
            "",
            "",
        )
        async with connected(Sent(compile_program(program, MODEL).text), Received("\n".join(lines).encode())) as channel:
            assert await items_of(channel, program) == [
                ImpedancePoint(0, 1.0, 0, 1000.0, 50.0, -10.0),
                ImpedancePoint(0, 2.0, 1, 100.0, 100.0, -20.0, "timing_error"),
                ImpedancePoint(0, 3.0, 2, 10.0, 200.0, -10.0),
                CommandEnded(0, EndReason.SWEEP_DONE, 3.0, 3.0),
                ProgramEnded(EndReason.COMPLETED),
            ]

    run(main())


def test_limit_ends_the_program() -> None:
    """A hard limit skips what follows, and the program says which one it was."""

    async def main() -> None:
        program = Program((PLATE, Potentiostatic(0.1, Sampling(5.0), Until(duration_second=60.0), LIMITS)), token=4711)
        ended = b"*\nPja8001267i;jb8000000i;eb84C4F28u;eb8000000 ;jc8000006i;ab80186A0u;ba7F0BDC0n,10,215\n\n"
        async with connected(Sent(compile_program(program, MODEL).text), PLATING_BEGUN, Received(ended)) as channel:
            items = await items_of(channel, program)
            assert items[-2:] == [
                CommandEnded(0, EndReason.LIMIT_VOLTAGE_MAX, 5.001, 5.001),
                ProgramEnded(EndReason.LIMIT_VOLTAGE_MAX),
            ]

    run(main())


def test_attach_finds_the_running_program_and_adopt_follows_it() -> None:
    """Without synchronising only t is sent; the token tells the program, and its readings go on in program time."""

    async def main() -> None:
        lost = b"0186A0u;ba7F0BDC0n,10,215\nPja8001267i;jb8000001i;eb84C4F28u;eb9312D00u;ab80186A0u;ba7F0BDC0n,10,215\n"
        ended = (
            b"Pja8001267i;jb8000001i;eb8989A68u;eb9312D00u;ab7FE7960u;ba7F0BDC0n,10,215\n*\n"
            b"Pja8001267i;jb8000001i;eb8989E50u;eb9312D00u;jc8000003i;ab7FE7960u;ba7F0BDC0n,10,215\n\n"
        )
        turns = (Sent(b"t\n"), Received(lost + b"t!0006\n" + ended), *CONNECT[4:], Sent(b"Z\n"), Received(b"Z!0006\n"))
        async with connected(*turns, *OPEN_CELL, synchronise=False) as channel:
            assert channel.capabilities.voltage_max_volt == 0.0
            assert await channel.attach() == Running(4711)
            items = [item async for item in channel.adopt(CYCLE)]
            assert items == [
                Reading(1, 25.001, 0.1, -1e-3, None),
                Reading(1, 30.001, -0.1, -1e-3, None),
                Reading(1, 30.002, -0.1, -1e-3, None, "held"),
                CommandEnded(1, EndReason.VOLTAGE_BELOW, 10.002, 30.002),
                ProgramEnded(EndReason.COMPLETED),
            ]
            assert channel.name == SERIAL
            assert channel.capabilities.galvanostat
            assert await channel.make_safe() == Safe(3.0)

    run(main())


def test_attach_to_an_idle_instrument_compares_the_serial_number() -> None:
    """Where nothing runs the instrument is identified, and another serial number is refused."""

    async def main() -> None:
        firmware = (Sent(b"t\n"), Received(b"tes4_hr1500#Mar 12 2026 14:28:01\nR*\n"))
        idle = (Sent(b"t\n\n"), Received(b"tes4_hr1500#Mar 12 2026 14:28:01\nR*\n\n"))
        async with connected(*firmware, *idle, *CONNECT[4:], synchronise=False, patience_second=0.1) as channel:
            assert await channel.attach() == Idle()
        async with connected(*firmware, *idle, *CONNECT[4:8], synchronise=False, patience_second=0.1, serial="EMU0") as channel:
            with pytest.raises(WrongInstrument):
                await channel.attach()

    run(main())


def test_attach_without_a_package_in_time_knows_no_token() -> None:
    """A program that runs but says nothing in time is running, with its token unknown."""

    async def main() -> None:
        turns = (Sent(b"t\n"), Received(b"t!0006\n"), Sent(b"t\n\n"), Received(b"t!0006\n"))
        async with connected(*turns, synchronise=False, patience_second=0.1) as channel:
            assert await channel.attach() == Running(None)

    run(main())


def test_unsynchronised_instrument_is_identified_before_a_program() -> None:
    """No program is sent to an instrument whose serial number was never compared."""

    async def main() -> None:
        firmware = (Sent(b"t\n"), Received(b"tes4_hr1500#Mar 12 2026 14:28:01\nR*\n"))
        async with connected(*firmware, *CONNECT[4:8], synchronise=False, serial="EMU0") as channel:
            with pytest.raises(WrongInstrument):
                await items_of(channel, PLATING)

    run(main())
