"""Faults by themselves: changes of lines as pure functions, stages of the wire, and the engine that begins and ends them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.assembly import make_channel
from emulator.clocks.clock import Clock
from emulator.engine import Engine
from emulator.faults import wire
from emulator.faults.draws import Draws
from emulator.faults.fault import Target
from emulator.faults.lines import Choice, LineFault
from emulator.faults.link import flip_bits
from emulator.faults.registry import FAULTS
from emulator.faults.stages import Direction, Forward, Stage, Wire
from emulator.instruments.methodscript.session import Identity, Session
from emulator.links import TcpLink
from emulator.scenario.file import parse_scenario
from emulator.truth import TruthFile
from harness.errors import BadInput

PACKAGE = b"Pja8001267i;jb8000000i;eb84C4F28u;eb8000000 ;ab80186A0u;ba7F0BDC0n,10,215"
START = 1_767_225_600_000_000_000
PLATE = (
    "var p\nvar c\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\nmeas_loop_cp p c {ampere} 10 {second}\n"
    "pck_start\npck_add p\npck_add c\npck_end\nendloop\non_finished:\ncell_off\n"
)


def altered(fault: str, line: bytes, **parameters: Any) -> tuple[bytes, ...]:
    """What a line fault makes of ``line``, with no station around it."""
    found = FAULTS[fault]
    made = found(found.parameters_type.model_validate(parameters), None, None, Draws(1, "test"))  # type: ignore[arg-type]
    assert isinstance(made, LineFault)
    return tuple(made.alter(line, made.draws))


@pytest.mark.parametrize(
    ("fault", "parameters", "line", "expected"),
    [
        ("P2_truncated", {"keep": 5}, PACKAGE, (b"Pja80",)),
        ("P3_extra_bytes", {"text": "xy"}, b"*", (b"*xy",)),
        ("T5_drop_reply", {}, b"e", ()),
        ("T6_duplicate_reply", {}, b"e", (b"e", b"e")),
        ("P9_bad_field", {"variable": "ab"}, PACKAGE, (PACKAGE.replace(b"80186A0u", b"     nan"),)),
        ("P9_bad_field", {"value": "overflow"}, PACKAGE, (PACKAGE.replace(b"7F0BDC0n", b"FFFFFFFE"),)),
        ("P9_bad_field", {"variable": "cc"}, PACKAGE, (PACKAGE,)),
        ("P10_wrong_scale", {}, PACKAGE, (PACKAGE.replace(b"7F0BDC0n", b"7F0BDC0p"),)),
        ("P10_wrong_scale", {"prefixes": 2}, PACKAGE, (PACKAGE.replace(b"7F0BDC0n", b"7F0BDC0m"),)),
        ("P10_wrong_scale", {"variable": "ja"}, PACKAGE, (PACKAGE,)),
        ("P11_unit_text", {}, b"Pab8000000 ", (b"Pab0,1234",)),
        ("P11_unit_text", {"form": "unit"}, b"Pja8000001i;ab8000000 ", (b"Pja8000001i;ab123.4 mV",)),
        ("P13_partial_package", {"keep": 2}, PACKAGE, (b"Pja8001267i;jb8000000i",)),
        ("P14_unsolicited", {}, b"*", (b"Tself test passed", b"*")),
        ("P14_unsolicited", {"what": "blank"}, b"*", (b"", b"*")),
    ],
)
def test_line_is_altered_as_the_fault_says(
    fault: str, parameters: dict[str, Any], line: bytes, expected: tuple[bytes, ...]
) -> None:
    """The change is a pure function of the line and the fault's own chance."""
    assert altered(fault, line, **parameters) == expected


def test_stale_reply_comes_before_the_next_one() -> None:
    """Only replies go stale; packages and marks pass."""
    stale = wire.Stale(Choice(), None, None, Draws(1))  # type: ignore[arg-type]
    assert [tuple(stale.alter(line, stale.draws)) for line in (b"iEMU1", PACKAGE, b"v01")] == [
        (b"iEMU1",), (PACKAGE,), (b"iEMU1", b"v01"),
    ]  # fmt: skip


@given(st.binary(max_size=200), st.integers(0, 5))
def test_flipped_bits_are_single_and_reproducible(data: bytes, seed: int) -> None:
    """No byte changes by more than one bit, and the same seed hits the same bytes."""
    flipped = flip_bits(data, Draws(seed), 0.3)
    assert all((one ^ other).bit_count() <= 1 for one, other in zip(data, flipped, strict=True))
    assert flipped == flip_bits(data, Draws(seed), 0.3)


class Mark(Stage):
    """Puts its letter behind what passes."""

    def __init__(self, letter: bytes, depth: int) -> None:
        self.letter = letter
        self.depth = depth

    def to_host(self, data: bytes, forward: Forward) -> None:
        forward(data + self.letter)

    def from_host(self, data: bytes, forward: Forward) -> None:
        forward(data + self.letter)


def test_stages_are_passed_from_the_instrument_outwards() -> None:
    """The language first and the cable last on the way out, the other way round on the way in."""
    way = Wire()
    out, into = list[bytes](), list[bytes]()
    way.connect(out.append, into.append)
    cable, language = Mark(b"c", 10), Mark(b"l", 0)
    way.add(cable)
    way.add(language)
    way.to_host(b"1")
    way.from_host(b"2")
    way.remove(cable)
    way.to_host(b"3")
    assert (out, into) == ([b"1lc", b"3l"], [b"2cl"])


@given(st.lists(st.sampled_from([b"a\n", b"bb\n", b"c", b"d\n\ne\nf"]), max_size=12), st.integers(1, 8))
def test_awaited_message_is_told_right_before_it_passes(parts: list[bytes], count: int) -> None:
    """Whatever pieces the lines come in, the act lies between message n - 1 and message n, and no byte is lost."""
    way, out = Wire(), list[bytes]()
    way.connect(out.append, out.append)
    way.await_message(Direction.TO_HOST, count, lambda: out.append(b"!"))
    for part in parts:
        way.to_host(part)
    whole = b"".join(parts)
    passed = b"".join(out)
    assert passed.replace(b"!", b"") == whole
    if b"!" in passed:
        assert passed[: passed.index(b"!")].count(b"\n") == count - 1
    else:
        assert whole.count(b"\n") < count or whole.split(b"\n")[count - 1 :] in ([], [b""])


class Station:
    """One channel in this process, with its engine."""

    def __init__(self, target: Target, said: bytearray, truth: Path) -> None:
        self.target = target
        self.said = said
        self._truth = truth

    async def run(self, ampere: str, second: int) -> list[bytes]:
        """The lines of a constant current."""
        self.said.clear()
        self.target.wire.from_host(f"e\n{PLATE.format(ampere=ampere, second=second)}\n".encode())
        async with asyncio.timeout(15):
            while not self.said.endswith(b"\n\n"):  # noqa: ASYNC110 - the session answers by plain calls
                await asyncio.sleep(0.001)
        return bytes(self.said).split(b"\n")

    def faults(self) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self._truth.read_text().splitlines()]
        return [row for row in rows if row["kind"] == "fault"]

    def told(self) -> list[tuple[str, str, str]]:
        return [(row["fault"], row["phase"], row.get("why", "")) for row in self.faults()]


@pytest.fixture
def station(tmp_path: Path) -> Callable[..., Any]:
    """Opens a `Station` at 100 000 times real time with the given events."""

    @asynccontextmanager
    async def opened(*events: dict[str, Any], seed: int = 1) -> AsyncIterator[Station]:
        channel = {"name": "a1", "cell": {"geometry": "deposit", "area_cm2": 1.0}}
        instruments = [{"serial": "EMU1", "imperfections": "none", "channels": [channel]}]
        scenario = parse_scenario({"seed": seed, "instruments": instruments, "events": list(events)})
        clock = Clock(1e5, START, time.time_ns())
        path = tmp_path / f"truth-{time.time_ns()}.jsonl"
        truth = TruthFile(path)
        said, way, targets = bytearray(), Wire(), dict[str, Target]()
        made = make_channel(seed, scenario.instruments[0], 0, truth, clock.now_nanosecond())
        session = Session(made, Identity("EMU1CH001", "EMU1"), clock, way.to_host)
        way.connect(said.extend, session.received)
        targets["a1"] = Target("a1", session, TcpLink(), way, clock, targets, ("a1",))
        engine = Engine(scenario.events, targets, seed=seed, clock=clock, truth=truth)
        try:
            engine.start(clock.now_nanosecond())
        except BadInput:
            truth.close()
            raise
        tasks = [asyncio.create_task(session.run()), asyncio.create_task(engine.run())]
        try:
            yield Station(targets["a1"], said, path)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            truth.close()

    return opened


def packages(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line.startswith(b"P")]


def test_event_at_a_place_of_a_cycle_happens_there_to_the_sample(station: Callable[..., Any]) -> None:
    """Second deposit, 0.1 mAh/cm² of it: the same three readings are hit in every run, as was asked."""
    event = {"at": {"channel": "a1", "cycle": 2, "step": "plate", "q": 0.1}, "do": "T5_drop_reply", "for": {"count": 3}}

    async def main() -> tuple[list[float], list[tuple[str, str, str]]]:
        async with station(event) as made:
            assert len(packages(await made.run("-500u", 1800))) == 180
            await made.run("500u", 900)
            assert len(packages(await made.run("-500u", 1800))) == 177
            start = made.target.channel.base_nanosecond
            acts = [row["unix_time_nanosecond"] - start for row in made.faults() if row["phase"] == "act"]
            return [round(moment / 1e9) for moment in acts], made.told()

    moments, told = asyncio.run(main())
    assert moments == [730, 740, 750]
    assert asyncio.run(main())[0] == moments
    begin, *acts, end = told
    assert begin == ("T5_drop_reply", "begin", "")
    assert acts == [("T5_drop_reply", "act", "")] * 3
    assert end == ("T5_drop_reply", "end", "count")


def test_truth_holds_the_bytes_as_they_were_and_as_they_went_on(station: Callable[..., Any]) -> None:
    """Every act is told with cause, parameters and both sides of the change, in hex."""
    event = {"at": {"channel": "a1", "message": 5}, "do": {"P2_truncated": {"keep": 3}}, "for": {"count": 1}}

    async def main() -> tuple[list[bytes], list[dict[str, Any]]]:
        async with station(event) as made:
            return await made.run("-500u", 100), made.faults()

    lines, (begin, act, end) = asyncio.run(main())
    assert (begin["cause"], begin["parameters"]["keep"]) == ("message 5 to_host", 3)
    assert bytes.fromhex(act["after"]) == lines[4] + b"\n"
    assert bytes.fromhex(act["before"]).startswith(lines[4])
    assert len(bytes.fromhex(act["before"])) > 20
    assert (end["phase"], end["why"], end["activation"]) == ("end", "count", 1)


def test_event_by_latent_state_happens_each_time_it_becomes_true(station: Callable[..., Any]) -> None:
    """Lithium passes the threshold in every deposit; with ``once`` only the first counts."""
    when = {"when": "fresh_mah_cm2 > 0.05", "do": "C3_dry_out"}

    async def main(event: dict[str, Any]) -> list[tuple[str, str, str]]:
        async with station(event) as made:
            for _ in range(2):
                await made.run("-100u", 3600)
                await made.run("100u", 3600)
            return list(made.told())

    assert asyncio.run(main(when)) == [("C3_dry_out", "begin", "")] * 2
    assert asyncio.run(main(when | {"once": True})) == [("C3_dry_out", "begin", "")]


def test_condition_on_a_state_that_no_cell_has_is_refused(station: Callable[..., Any]) -> None:
    """The complaint names the event and the states there are."""

    async def main() -> None:
        with pytest.raises(BadInput, match=r"events\[0\]\.when: the cell of a1 has no state .*dead_mah_cm2"):
            async with station({"when": "magic > 1", "do": "C3_dry_out"}):
                raise AssertionError("it was taken")

    asyncio.run(main())


def test_chance_is_the_same_for_the_same_seed(station: Callable[..., Any]) -> None:
    """Moments of a random fault are a function of seed and stream, and come about as often as was asked."""
    event = {"every": {"mean": "600 s", "stream": "chaos"}, "do": "T6_duplicate_reply", "for": {"duration": "20 s"}}

    async def main(seed: int) -> list[int]:
        async with station(event, seed=seed) as made:
            lines = await made.run("-100u", 36_000)
            rows = packages(lines)
            return [index for index, (one, other) in enumerate(itertools.pairwise(rows)) if one == other]

    first = asyncio.run(main(1))
    assert 40 < len(first) < 240
    assert first != asyncio.run(main(2))


def test_fault_for_a_duration_and_one_cleared_by_name_end_then(station: Callable[..., Any]) -> None:
    """Both ends lie at the first sample at or after their moment, and are told with their reason."""
    at = {"channel": "a1", "time": "1000 s"}

    async def main() -> list[dict[str, Any]]:
        async with station(
            {"at": at, "do": "T6_duplicate_reply", "for": {"duration": "500 s"}},
            {"name": "leak", "at": at, "do": "C1_soft_short"},
            {"at": {"channel": "a1", "time": "3000 s"}, "clear": "leak"},
        ) as made:
            await made.run("-100u", 7200)
            assert made.target.channel.cell.latent()["short_s_cm2"] == 0.0
            return [row for row in made.faults() if row["phase"] != "act"]

    rows = asyncio.run(main())
    moments = {(row["fault"], row["phase"]): row["unix_time_nanosecond"] for row in rows}
    begun = moments["C1_soft_short", "begin"]
    assert moments["T6_duplicate_reply", "begin"] == begun
    assert 500.0 <= (moments["T6_duplicate_reply", "end"] - begun) / 1e9 <= 520.0
    assert 2000.0 <= (moments["C1_soft_short", "end"] - begun) / 1e9 <= 2020.0
    assert [row["why"] for row in rows if row["phase"] == "end"] == ["duration", "cleared, 3000 s after the start"]


def test_power_cut_loses_the_script_and_opens_the_cell(station: Callable[..., Any]) -> None:
    """Nothing is said while the power is off, not even an end; afterwards the instrument is idle with its cell open."""
    event = {"at": {"channel": "a1", "time": "2000 s"}, "do": "C11_power_cut", "for": {"duration": "1000 s"}}

    async def main() -> None:
        async with station(event) as made:
            made.target.wire.from_host(f"e\n{PLATE.format(ampere='-100u', second=36_000)}\n".encode())
            async with asyncio.timeout(15):
                while ("C11_power_cut", "end", "duration") not in made.told():  # noqa: ASYNC110 - told by a file
                    await asyncio.sleep(0.001)
            assert not made.said.endswith(b"\n\n")
            assert not made.target.channel.polarised
            made.said.clear()
            made.target.wire.from_host(b"i\n")
            assert bytes(made.said) == b"iEMU1CH001\n"
            made.target.link.close()

    asyncio.run(main())
