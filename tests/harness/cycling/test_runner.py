"""One run over the real driver and the emulator: what it records, and what it does when it is interrupted."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pytest

from harness.cycling import rack
from harness.cycling.plan import Plan
from harness.cycling.resumption import resumption_from
from harness.cycling.stepper import Finished, next_block
from harness.model import records
from harness.model.status import ChannelState

HOLDING = """
schedule: holding
version: 1
on_gap: {on_gap}
sampling: {{every: 10 s, check: 2 s}}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - {{step: plate, current: 0.5 mA, for: 10 min}}
  - {{step: hold, voltage: -0.03 V, for: 40 min, longest: 50 min}}
  - {{step: rest, for: 2 min}}
  - step: repeat
    name: cycle
    count: 2
    steps:
      - {{step: strip, current: 0.5 mA, until: {{voltage_above: 1 V}}, longest: 4 h}}
      - {{step: plate, current: 0.5 mA, for: 5 min}}
"""


class MakeBench(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Any]: ...


async def idle(made: Any) -> None:
    await made.until(lambda: made.slot().state is ChannelState.IDLE)


def steps(history: list[records.Record]) -> list[tuple[int, str, str]]:
    return [(one.step_count, one.step_path, one.reason) for one in history if isinstance(one, records.StepEnded)]


def test_run_is_recorded_whole_and_resumes_from_every_prefix(bench: MakeBench) -> None:
    """Cut anywhere, the journal says where the run was: never before a step that is over, never behind one that is not."""

    async def main() -> tuple[list[records.Record], Plan]:
        async with bench(scale=4000.0) as made:
            await idle(made)
            run = await made.start(text=HOLDING)
            plan = made.runner.plan
            await made.until(lambda: made.slot().runner is None)
            await made.journal.flush()
            return made.records(run), plan

    history, plan = asyncio.run(main())
    ended = history[-1]
    assert isinstance(ended, records.RunEnded)
    assert ended.completed
    assert [record.seq for record in history] == list(range(len(history)))
    assert all(early.unix_time_nanosecond < late.unix_time_nanosecond for early, late in itertools.pairwise(history))
    assert [reason for _, _, reason in steps(history)] == [
        "duration", "duration", "duration", "voltage_above", "duration", "voltage_above", "duration",
    ]  # fmt: skip
    for length in range(len(history)):
        prefix = history[:length]
        begun = [record for record in prefix if isinstance(record, records.StepStarted)]
        over = steps(prefix)
        found = resumption_from(plan, prefix)
        if not begun:
            assert found is None
            continue
        assert found is not None
        assert found.stopped == ""
        assert found.cursor.step_count == len(over)
        following = next_block(plan, found.block_cursor, found.token or 1)
        if found.token is None:
            assert len(over) == len(begun)
        elif not isinstance(following, Finished):
            due = following.steps[found.command_index]
            assert due.step_count == len(over) + 1
            assert found.program_nanosecond <= found.anchor_nanosecond
    whole = resumption_from(plan, history)
    assert whole is not None
    assert isinstance(next_block(plan, whole.cursor, 1), Finished)


def test_adopted_second_command_keeps_the_time_of_its_program(bench: MakeBench) -> None:
    """After a gap in the second command of a program its stamps neither jump ahead nor does its own time."""

    async def main() -> None:
        async with bench(scale=200.0) as made:
            await idle(made)
            run = await made.start("adopt", HOLDING)
            await made.until(lambda: (made.runner.live.step_path or "").endswith("hold"))
            before = len(made.records(run))
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().runner is None or made.runner.live.role == "rest")
            await made.journal.flush()
            now = made.station.clock.now_nanosecond()
            history = made.records(run)
            assert "gap" in made.incidents(run)
            later = [record for record in history[before:] if isinstance(record, records.Sample)]
            held = [sample for sample in later if sample.step_path.endswith("hold")]
            assert held
            assert all(0.0 <= sample.step_time_second <= 2400.0 + 5.0 for sample in held)
            assert all(sample.unix_time_nanosecond <= now for sample in later)
            over = [record for record in history if isinstance(record, records.StepEnded) and record.step_path.endswith("hold")]
            assert [record.reason for record in over] == ["duration"]
            assert over[0].duration_second == pytest.approx(2400.0, abs=5.0)

    asyncio.run(main())


@pytest.mark.parametrize("on_gap", ["abort", "continue", "adopt"])
def test_link_lost_twice_never_plates_twice(bench: MakeBench, on_gap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cable is pulled again while the gap is cleared up, even in the opening of the cell: nothing is plated twice."""
    monkeypatch.setattr(rack, "LOOK_EVERY_SECOND", 0.3)

    async def main() -> None:
        async with bench(scale=1000.0) as made:
            await idle(made)
            run = await made.start(on_gap)
            await made.plating()
            cable = made.cables["a1"]
            for _ in range(2):
                connections = cable.connections
                cable.pull()
                await made.until(lambda: made.slot().state in (ChannelState.LOST, ChannelState.ALARM))
                cable.plug()
                await made.until(lambda connections=connections: cable.connections > connections)
            await made.until(lambda: made.slot().runner is None, 30.0)
            await made.journal.flush()
            ended = made.records(run)[-1]
            assert isinstance(ended, records.RunEnded)
            plated = -sum(row["charge_coulomb"] for row in made.half_cycles() if row["direction"] == "reduction")
            assert "gap" in made.incidents(run)
            assert ended.completed is (on_gap != "abort")
            assert 0.0 < plated < 3.6 * 1.05

    asyncio.run(main())


def test_paused_run_behind_a_gap_resumes_where_it_was(bench: MakeBench) -> None:
    """Paused while the link was down, then cut off: the journal knows that the step went on in the gap."""

    async def main() -> None:
        async with bench() as made:
            await idle(made)
            run = await made.start("continue")
            await made.plating()
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            await made.station.pause(run, "somebody")
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().state is ChannelState.PAUSED and not made.runner.pending)
            await made.journal.flush()
            found = resumption_from(made.runner.plan, made.records(run))
            assert found is not None
            assert found.paused
            assert found.token is None
            assert found.cursor == made.runner._cursor
            heard = [record for record in made.records(run) if isinstance(record, records.Sample)]
            assert found.cursor.commands_over == 1 or found.cursor.elapsed_second > heard[-1].step_time_second

    asyncio.run(main())


def test_runtime_error_ends_the_run_with_the_cell_open(bench: MakeBench) -> None:
    """A script that the instrument stops: the cell is opened and verified, and the run ends with an incident."""
    events = [{"at": {"channel": "a1", "time": "1500 s"}, "do": {"P7_runtime_error": {"code": "0032"}}}]

    async def main() -> None:
        async with bench(events=json.dumps(events)) as made:
            await idle(made)
            run = await made.start("continue")
            await made.until(lambda: made.slot().runner is None)
            await made.journal.flush()
            assert "instrument" in made.incidents(run)
            ended = made.records(run)[-1]
            assert isinstance(ended, records.RunEnded)
            assert not ended.completed
            assert "0032" in ended.reason
            assert made.alarms == []
            assert len(made.half_cycles()) == 1
            await made.until(lambda: made.slot().state is ChannelState.IDLE)

    asyncio.run(main())
