"""A channel through everything that goes wrong with its link, its relay and its journal, beside other channels."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.cycling import rack
from harness.cycling.runner import Phase
from harness.errors import JournalError, Refused
from harness.model import records
from harness.model.status import ChannelState
from harness.service.station import Station
from potentiostat_drivers.interface import Autonomy, Capabilities, Identity, Idle, Safe


class MakeBench(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Any]: ...


def test_backoff_stays_bounded_for_ever() -> None:
    """An instrument that is away for weeks is asked at most every 30 s, and its slot lives on."""
    assert rack.backoff_second(1) == 1.0
    assert rack.backoff_second(100_000) == rack.LONGEST_BACKOFF_SECOND


def test_start_is_refused_while_the_link_is_down_and_begins_nothing(bench: MakeBench) -> None:
    """A run that was refused is not in the journal, so that no restart can take it up."""

    async def main() -> None:
        async with bench() as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE and made.slot().identity is not None)
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            with pytest.raises(Refused, match="not connected"):
                await made.start()
            assert made.journal.contexts() == []

    asyncio.run(main())


def test_idle_instrument_that_goes_away_is_noticed(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at an idle channel tells a lost link, and the next connection ends the outage."""
    monkeypatch.setattr(rack, "LOOK_EVERY_SECOND", 0.2)

    async def main() -> None:
        async with bench() as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().outage.start_nanosecond is not None)
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().outage.end_nanosecond is not None)
            assert made.alarms == []

    asyncio.run(main())


@pytest.mark.parametrize("on_gap", ["abort", "adopt"])
def test_stop_while_the_link_is_down_ends_the_run_and_opens_the_cell_afterwards(bench: MakeBench, on_gap: str) -> None:
    """The command neither hangs nor is lost: the run ends at once, and the cell is opened when the instrument answers."""

    async def main() -> None:
        async with bench() as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            run = await made.start(on_gap)
            await made.plating()
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            async with asyncio.timeout(2.0):
                await made.station.stop(run, "somebody")
            assert made.runner.phase is Phase.ENDED
            with pytest.raises(Refused, match="is over"):
                await made.station.pause(run, "somebody")
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().runner is None)
            assert isinstance(await made.slot().make_safe(), Safe)
            ended = made.records(run)[-1]
            assert isinstance(ended, records.RunEnded)
            assert ended.reason == "somebody stopped the run"
            assert "unconfirmed" in made.incidents(run)
            assert len(made.half_cycles()) == 1

    asyncio.run(main())


def test_pause_while_the_link_is_down_is_kept_and_never_adopts(bench: MakeBench) -> None:
    """A paused run's program is not followed after the gap but stopped, and what remains of it is done after `resume`."""

    async def main() -> None:
        async with bench(scale=1500.0) as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            run = await made.start("adopt")
            await made.plating()
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            await made.station.pause(run, "somebody")
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().state is ChannelState.PAUSED)
            assert not made.runner.pending
            assert await made.slot()._channel.attach() == Idle()
            assert len(made.half_cycles()) == 1
            await made.station.resume(run, "somebody")
            await made.until(lambda: made.slot().runner is None)
            plated = [row["charge_coulomb"] for row in made.half_cycles() if row["direction"] == "reduction"]
            assert sum(plated) == pytest.approx(-3.6, rel=0.05)

    asyncio.run(main())


def test_stop_beats_a_pause_given_at_the_same_time(bench: MakeBench) -> None:
    """Of two commands at once neither is lost, whichever came first."""

    async def main() -> None:
        async with bench(channels=2) as made:
            await made.until(lambda: all(slot.state is ChannelState.IDLE for slot in made.station.slots.values()))
            for channel, commands in (("a1", ("stop", "pause")), ("a2", ("pause", "stop"))):
                run = await made.start("continue", channel=channel)
                runner = made.slot(channel).runner
                assert runner is not None
                await made.until(lambda runner=runner: runner.live.voltage_volt is not None)
                async with asyncio.timeout(10.0):
                    await asyncio.gather(*(getattr(made.station, command)(run, "somebody") for command in commands))
                assert runner.phase is Phase.ENDED
                assert runner.ending_sentence == "somebody stopped the run"

    asyncio.run(main())


def test_nothing_starts_once_the_station_stops(bench: MakeBench) -> None:
    """After the cells were opened for the daemon's end no command can close one again."""

    async def main() -> None:
        async with bench(channels=2) as made:
            await made.until(lambda: all(slot.state is ChannelState.IDLE for slot in made.station.slots.values()))
            run = await made.start("continue")
            await made.plating()
            outcomes = await made.station.shut_down()
            assert all(isinstance(outcome, Safe) for outcome in outcomes.values())
            with pytest.raises(Refused, match="is stopping"):
                await made.station.resume(run, "somebody")
            with pytest.raises(Refused, match="is stopping"):
                await made.start(channel="a2")
            assert made.runner.phase is Phase.PAUSED

    asyncio.run(main())


def test_journal_that_fails_for_a_moment_stops_nothing(bench: MakeBench, tmp_path: Path) -> None:
    """A flush that is not done in time delays the next program; the run goes on with all its records."""

    async def main() -> None:
        async with bench(scale=4000.0, flush_second=0.2) as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            run = await made.start()
            await made.plating()
            blocker = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            await made.until(lambda: made.runner.live.role == "rest")
            await made.until(lambda: made.journal.failing_for_second > 1.0)
            assert made.runner.phase is Phase.RUNNING
            blocker.execute("ROLLBACK")
            blocker.close()
            await made.until(lambda: made.slot().runner is None)
            await made.journal.flush()
            history = made.records(run)
            assert [record.seq for record in history] == list(range(len(history)))
            assert isinstance(history[-1], records.RunEnded)
            assert history[-1].completed

    asyncio.run(main())


def test_journal_that_fails_for_too_long_ends_runs_and_opens_cells(bench: MakeBench, tmp_path: Path) -> None:
    """Past the patience every run ends and every cell opens, one alarm is told, and no new run can begin."""

    async def main() -> None:
        async with bench(channels=2, journal_patience_second=1.5) as made:
            await made.until(lambda: all(slot.state is ChannelState.IDLE for slot in made.station.slots.values()))
            run = await made.start("continue")
            await made.plating()
            blocker = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            await made.until(lambda: made.slot().runner is None and bool(made.alarms))
            assert len(made.half_cycles()) == 1
            with pytest.raises(JournalError):
                await made.start("continue", channel="a2")
            await made.until(lambda: made.slot("a2").runner is None)
            blocker.execute("ROLLBACK")
            blocker.close()
            await made.until(lambda: made.journal.failing_for_second == 0.0)
            assert [where for where, _ in made.alarms] == ["bench"]
            await made.journal.flush()
            assert all(isinstance(made.records(one.run_id)[-1], records.RunEnded) for one in made.journal.contexts())
            assert isinstance(made.records(run)[-1], records.RunEnded)
            assert len(made.half_cycles()) == 1

    asyncio.run(main())


def test_stuck_relay_alarms_once_until_the_cell_is_shown_to_be_open(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening is repeated while it cannot be shown; meanwhile the channel is in alarm and takes no run."""
    monkeypatch.setattr(rack, "LOOK_EVERY_SECOND", 0.3)
    events = [
        {"name": "stuck", "at": {"channel": "a1", "time": "1500 s"}, "do": "I20_relay_stuck"},
        {"at": {"channel": "a1", "time": "4500 s"}, "clear": "stuck"},
    ]

    async def main() -> None:
        async with bench(events=json.dumps(events), channels=2) as made:
            await made.until(lambda: all(slot.state is ChannelState.IDLE for slot in made.station.slots.values()))
            run = await made.start("continue")
            await made.until(lambda: '"I20_relay_stuck"' in made.truth.read_text())
            async with asyncio.timeout(15.0):
                await made.station.stop(run, "somebody")
            await made.until(lambda: made.slot().state is ChannelState.ALARM)
            with pytest.raises(Refused, match=r"already running|in alarm"):
                await made.start("continue")
            assert made.slot("a2").state is ChannelState.IDLE
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            assert '"phase":"end"' in made.truth.read_text()
            assert [where for where, _ in made.alarms] == ["a1"]
            assert "unconfirmed" in made.incidents(run)
            assert made.slot().runner is None

    asyncio.run(main())


SHORT = """
schedule: short
version: 1
on_gap: {on_gap}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - {{step: plate, current: 0.5 mA, for: 5 min}}
  - {{step: rest, for: 10 min}}
"""


def test_instrument_out_of_reach_alarms_once_its_program_should_be_over(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a program may run a lost link is a warning; when it must have ended and nobody saw it, the cell is unconfirmed."""
    monkeypatch.setattr(rack, "LOOK_EVERY_SECOND", 0.3)

    async def main() -> None:
        async with bench() as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            run = await made.start("continue", SHORT)
            await made.plating()
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.ALARM)
            over = made.runner.over_nanosecond
            assert over is not None
            assert made.station.clock.now_nanosecond() > over
            made.cables["a1"].plug()
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            assert [where for where, _ in made.alarms] == ["a1"]
            assert "unconfirmed" in made.incidents(run)

    asyncio.run(main())


def test_fault_in_one_run_stays_in_its_slot(bench: MakeBench) -> None:
    """A run that cannot go on for a fault of ours ends with an alarm; its slot and the others live on."""

    async def main() -> None:
        async with bench(channels=2, scale=2000.0) as made:
            await made.until(lambda: all(slot.state is ChannelState.IDLE for slot in made.station.slots.values()))
            other = await made.start("continue", channel="a2")
            run = await made.start("continue")
            made.runner._cursor = replace(made.runner._cursor, step_count=99)
            await made.until(lambda: made.slot().runner is None)
            assert "software" in made.incidents(run)
            assert isinstance(made.records(run)[-1], records.RunEnded)
            assert made.slot("a2").runner.recorder.context.run_id == other
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            await made.start("continue")

    asyncio.run(main())


def test_scaled_time_is_refused_on_a_real_instrument(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrument that does not show an emulated serial number is never served in scaled time, however late it answers."""
    monkeypatch.setattr(rack, "EMULATED", "SIM")

    async def main() -> None:
        async with bench() as made:
            assert made.station.slots["a1"].settings.serial == "EMU4HR0001CH001"
            failure = await made.slot().first_try()
            assert failure is not None
            assert "time is scaled by 500" in failure
            assert made.slot().identity is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("autonomy", "longest", "proven", "watchdog", "refused"),
    [
        (Autonomy.NONE, 60.0, None, False, False),
        (Autonomy.NONE, 61.0, None, False, True),
        (Autonomy.NONE, 61.0, None, True, False),
        (Autonomy.LEASE, 61.0, None, False, True),
        (Autonomy.UNPROVEN, 61.0, None, False, True),
        (Autonomy.UNPROVEN, 61.0, "1.5", False, True),
        (Autonomy.UNPROVEN, 61.0, "1.6", False, False),
        (Autonomy.STEP, 1e6, None, False, False),
        (Autonomy.PROGRAM, 1e6, None, False, False),
    ],
)
def test_autonomy_decides_who_may_run_unattended(
    autonomy: Autonomy, longest: float, proven: str | None, watchdog: bool, refused: bool
) -> None:
    """What a dead host would leave running is refused unless somebody vouches for it, for this very firmware."""
    settings = rack.ChannelSettings(
        "a1", "methodscript", "x", None, -1.0, 1.0, 1e-3, autonomy_proven=proven, hardware_watchdog=watchdog
    )
    capabilities = Capabilities(True, True, -1.0, 1.0, 1e-3, 0.1, 1e5, autonomy)
    identity = Identity("es4_hr", "X1", "1.6")
    if refused:
        with pytest.raises(Refused):
            rack.check_autonomy(settings, capabilities, identity, longest)
    else:
        rack.check_autonomy(settings, capabilities, identity, longest)


def test_station_keeps_its_patience_by_default() -> None:
    """Readings wait in memory for 60 s at most."""
    assert Station.__dataclass_fields__["journal_patience_second"].default == 60.0
