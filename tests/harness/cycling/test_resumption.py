"""What a cut journal says of a run, case by case; whole runs cut anywhere are in `test_runner`."""

from __future__ import annotations

from harness.cycling.plan import CellFacts, ChannelWindow, Plan, bind
from harness.cycling.resumption import bridged_to, resumption_from, told_of
from harness.cycling.stepper import Block, Cursor, command_ended, next_block, start
from harness.model import records
from harness.model.run import Geometry, Role
from harness.model.schedule import parse_schedule
from potentiostat_drivers.program import EndReason

TEXT = """
schedule: a
version: 1
steps:
  - {step: plate, current: 1 mA, for: 1 h}
  - {step: hold, voltage: 0 V, for: 1 h}
  - {step: strip, current: 1 mA, until: {voltage_above: 1 V}, longest: 2 h}
"""
PLAN: Plan = bind(parse_schedule(TEXT, ""), CellFacts(Geometry.DEPOSIT, 1.0), ChannelWindow(-0.5, 4.5, 10e-3, 0.01, 2e5))
RUN = "a-20260101t000000"


def started(stamp: int, index: int, cursor: Cursor) -> records.StepStarted:
    block = next_block(PLAN, start(PLAN), 7)
    assert isinstance(block, Block)
    step = block.steps[index]
    told = told_of(7, start(PLAN), cursor)
    return records.StepStarted(
        RUN, stamp, stamp, stamp, 1, step.step_count, step.step_path, step.step_kind, Role.PLATE, index, told
    )  # fmt: skip


def ended(stamp: int, reason: str, duration: float | None) -> records.StepEnded:
    return records.StepEnded(RUN, stamp, stamp, 1, 1, "plate", Role.PLATE, reason, duration)


def incident(stamp: int, severity: str, kind: str, message: str = "") -> records.Incident:
    return records.Incident(RUN, stamp, stamp, severity, kind, message)


def test_resumption_of_nothing_is_none_unless_paused() -> None:
    """A run that was paused before its first step is paused still."""
    assert resumption_from(PLAN, []) is None
    found = resumption_from(PLAN, [incident(1, "info", "paused")])
    assert found is not None
    assert found.paused
    assert found.token is None
    assert found.cursor == start(PLAN)
    assert resumption_from(PLAN, [incident(1, "info", "paused"), incident(2, "info", "resumed")]) is None


def test_resumption_never_forgets_an_alarm_that_ends_runs() -> None:
    """Cut off right after the alarm, before anything else was written: the run must not go on."""
    for kind in ("limit", "instrument", "software"):
        found = resumption_from(PLAN, [started(1, 0, start(PLAN)), incident(2, "alarm", kind, "too high")])
        assert found is not None
        assert found.stopped == "too high"
    found = resumption_from(PLAN, [started(1, 0, start(PLAN)), incident(2, "alarm", "unconfirmed", "x")])
    assert found is not None
    assert found.stopped == ""


def test_resumption_in_a_second_command_knows_when_the_program_began() -> None:
    """The instrument counts from the start of its program; so must who follows it after a restart."""
    block = next_block(PLAN, start(PLAN), 7)
    assert isinstance(block, Block)
    assert len(block.steps) == 2
    cursor = command_ended(PLAN, start(PLAN), block.steps[0], EndReason.DURATION, 3600.0)
    history: list[records.Record] = [started(1000, 0, start(PLAN)), ended(2000, "duration", 3600.0), started(2001, 1, cursor)]
    found = resumption_from(PLAN, history)
    assert found is not None
    assert (found.command_index, found.program_nanosecond, found.anchor_nanosecond) == (1, 1000, 2001)
    assert found.cursor == cursor


def test_resumption_goes_on_behind_a_bridged_gap() -> None:
    """What was decided about a gap holds after a restart too, although the end of the step in it says nothing."""
    behind = Cursor(block_index=1, step_count=2, cycle_count=1, removed=False)
    history: list[records.Record] = [
        started(1, 0, start(PLAN)),
        ended(2, "lost", None),
        incident(3, "info", "bridged", bridged_to(behind)),
    ]
    found = resumption_from(PLAN, history)
    assert found is not None
    assert (found.cursor, found.block_cursor, found.token) == (behind, behind, None)


def test_resumption_does_not_end_a_cycle_twice() -> None:
    """A cycle whose end is written is not ended again."""
    found = resumption_from(PLAN, [started(1, 0, start(PLAN)), ended(2, "aborted", 5.0), records.CycleEnded(RUN, 3, 3, 1)])
    assert found is not None
    assert found.cycle_count == 0
    assert found.cursor.elapsed_second == 5.0
