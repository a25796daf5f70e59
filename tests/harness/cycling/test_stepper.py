"""The stepper on plans small enough to read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cycling import stepper
from harness.cycling.plan import CellFacts, ChannelWindow, Plan, bind
from harness.model.run import Geometry, Role
from harness.model.schedule import parse_schedule, ready_schedule, with_count
from potentiostat_drivers.program import EndReason, Galvanostatic, Impedance, Potentiostatic, Rest

WINDOW = ChannelWindow(-0.5, 4.5, 10e-3, 0.01, 2e5)
LI_CU = CellFacts(Geometry.DEPOSIT, 1.0)
FULL = CellFacts(Geometry.FULL, 1.0, 2e-3)
PLATE = "{step: plate, current: 1 mA, until: {charge: 1 mAh}}"
STRIP = "{step: strip, current: 1 mA, until: {voltage_above: 1 V}, longest: 2 h}"
SWEEP = "{step: eis, from: 1 kHz, to: 1 Hz, points_per_decade: 5, amplitude: 10 mV, longest: 100 s}"


def planned(*steps: str, facts: CellFacts = LI_CU) -> Plan:
    listed = "".join(f"  - {step}\n" for step in steps)
    return bind(parse_schedule(f"schedule: a\nversion: 1\nsteps:\n{listed}", ""), facts, WINDOW)


def block(plan: Plan, cursor: stepper.Cursor) -> stepper.Block:
    found = stepper.next_block(plan, cursor, 7)
    assert isinstance(found, stepper.Block)
    return found


def went(plan: Plan, cursor: stepper.Cursor) -> stepper.Cursor:
    """The cursor after the next block ended as wanted."""
    doing = block(plan, cursor)
    for step in doing.steps:
        cursor = stepper.command_ended(plan, cursor, step, EndReason.DURATION, 1.0)
    after = stepper.block_ended(plan, cursor, doing, EndReason.COMPLETED)
    assert isinstance(after, stepper.Cursor)
    return after


def cut(plan: Plan, cursor: stepper.Cursor, second: float) -> stepper.Cursor:
    """The cursor after the first command of the next block was aborted."""
    doing = block(plan, cursor)
    cursor = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.ABORTED, second)
    after = stepper.block_ended(plan, cursor, doing, EndReason.ABORTED)
    assert isinstance(after, stepper.Cursor)
    return after


@pytest.mark.parametrize(
    ("geometry", "kinds", "signs"),
    [
        (Geometry.DEPOSIT, ("plate", "strip"), (-1, 1)),
        (Geometry.SYMMETRIC, ("plate", "strip"), (-1, 1)),
        (Geometry.FULL, ("charge", "discharge"), (1, -1)),
    ],
)
def test_next_block_chooses_the_sign_by_role_and_geometry(
    geometry: Geometry, kinds: tuple[str, str], signs: tuple[int, int]
) -> None:
    """Plating reduces lithium at the working electrode; charging oxidises the cathode, which is it in a full cell."""
    plan = planned(*(f"{{step: {kind}, current: 1 mA, for: 1 h}}" for kind in kinds), facts=CellFacts(geometry, 1.0))
    cursor = stepper.start(plan)
    for sign in signs:
        command = block(plan, cursor).program.commands[0]
        assert isinstance(command, Galvanostatic)
        assert command.current_ampere == sign * 1e-3
        cursor = went(plan, cursor)


def test_next_block_leaves_a_probe_as_written_and_zero_without_a_sign() -> None:
    """A probe has the sign of its author; 0 A is 0 A, not −0 A."""
    plan = planned("{step: cc, role: probe, current: -1 mA, for: 10 s}", "{step: plate, current: 0 A, for: 10 s}")
    probe = block(plan, stepper.start(plan)).program.commands[0]
    zero = block(plan, went(plan, stepper.start(plan))).program.commands[0]
    assert isinstance(probe, Galvanostatic)
    assert isinstance(zero, Galvanostatic)
    assert probe.current_ampere == -1e-3
    assert str(zero.current_ampere) == "0.0"


def test_next_block_follows_the_ready_li_cu_schedule() -> None:
    """Rest is cycle 0, each plating opens a cycle, and every fifth cycle has a sweep."""
    plan = bind(with_count(parse_schedule(ready_schedule("li-cu-plate-strip"), ""), 6), LI_CU, WINDOW)
    cursor, seen = stepper.start(plan), []
    while isinstance(found := stepper.next_block(plan, cursor, 1), stepper.Block):
        seen += [(step.step_path, step.cycle_count, step.step_count, step.sweep_count) for step in found.steps]
        cursor = went(plan, cursor)
    expected = [("rest", 0)]
    for cycle in range(1, 7):
        kinds = ["plate", "rest", "eis", "strip"] if cycle in {1, 6} else ["plate", "rest", "strip"]
        expected += [(f"cycle[{cycle}]/{kind}", cycle) for kind in kinds]
    assert [(path, cycle) for path, cycle, _, _ in seen] == expected
    assert [count for _, _, count, _ in seen] == list(range(1, len(seen) + 1))
    assert [sweep for *_, sweep in seen if sweep] == [1, 2]


def test_next_block_joins_current_and_hold_in_one_program() -> None:
    """The cell is not opened between charging and holding."""
    plan = planned(
        "{step: charge, current: 1C, until: {voltage_above: 4.2 V}, longest: 2 h}",
        "{step: hold, voltage: 4.2 V, until: {current_below: C/20}, longest: 1 h}",
        facts=FULL,
    )
    doing = block(plan, stepper.start(plan))
    assert [type(command) for command in doing.program.commands] == [Galvanostatic, Potentiostatic]
    assert [(step.command_index, step.role, step.cycle_count, step.step_count) for step in doing.steps] == [
        (0, Role.CHARGE, 1, 1), (1, Role.CHARGE, 1, 2)
    ]  # fmt: skip
    assert isinstance(stepper.next_block(plan, went(plan, stepper.start(plan)), 1), stepper.Finished)


def test_next_block_looks_only() -> None:
    """The same cursor gives the same block, and the token is the caller's."""
    plan = planned(PLATE)
    assert block(plan, stepper.start(plan)) == block(plan, stepper.start(plan))
    assert block(plan, stepper.start(plan)).program.token == 7


def test_block_silence_is_three_intervals_and_half_a_minute_and_three_periods_in_a_sweep() -> None:
    """3 × interval + 30 s, for impedance + 3/f_min."""
    plan = planned("{step: rest, for: 1 h, sampling: {every: 10 s}}", SWEEP)
    assert block(plan, stepper.start(plan)).silence_second == 60
    assert block(plan, went(plan, stepper.start(plan))).silence_second == 3 * 60 + 30 + 3


def test_interruption_leaves_the_remaining_charge_and_patience() -> None:
    """After 1000 s and 600 s of an hour, 2000 s remain, of the longest time as well."""
    plan = planned(PLATE)
    cursor = cut(plan, cut(plan, stepper.start(plan), 1000.0), 600.0)
    doing = block(plan, cursor)
    command = doing.program.commands[0]
    assert isinstance(command, Galvanostatic)
    assert command.until.duration_second == pytest.approx(2000, rel=1e-12)
    whole = block(plan, stepper.start(plan)).program.commands[0].limits.duration_max_second
    assert command.limits.duration_max_second == pytest.approx(whole - 1600, rel=1e-12)
    assert (doing.steps[0].step_count, doing.steps[0].cycle_count) == (3, 1)


def test_interruption_of_a_hold_goes_on_as_a_hold() -> None:
    """What is over in a program is over, and the hold becomes the first command of its own."""
    plan = planned(
        "{step: charge, current: 1C, until: {voltage_above: 4.2 V}, longest: 2 h}",
        "{step: hold, voltage: 4.2 V, for: 1 h}",
        facts=FULL,
    )
    cursor = stepper.start(plan)
    doing = block(plan, cursor)
    cursor = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.VOLTAGE_ABOVE, 3000.0)
    cursor = stepper.command_ended(plan, cursor, doing.steps[1], EndReason.ABORTED, 600.0)
    after = stepper.block_ended(plan, cursor, doing, EndReason.ABORTED)
    assert isinstance(after, stepper.Cursor)
    (command,) = block(plan, after).program.commands
    assert isinstance(command, Potentiostatic)
    assert command.until.duration_second == 3000
    assert block(plan, after).steps[0].command_index == 0
    assert block(plan, after).steps[0].step_count == 3


def test_interruption_at_the_very_end_does_not_begin_again() -> None:
    """A command whose time is up is over, even if it was aborted there."""
    plan = planned(PLATE, STRIP)
    assert block(plan, cut(plan, stepper.start(plan), 3600.0)).steps[0].step_kind == "strip"


def test_interruption_before_anything_ran_changes_nothing() -> None:
    """A program that was never sent is still due, with the same counts."""
    plan = planned(PLATE)
    cursor = stepper.start(plan)
    assert stepper.block_ended(plan, cursor, block(plan, cursor), EndReason.ABORTED) == cursor


def test_interruption_after_the_last_command_moves_on() -> None:
    """Aborted between the last command's end and the program's: nothing is done twice."""
    plan = planned(PLATE, STRIP)
    cursor = stepper.start(plan)
    doing = block(plan, cursor)
    cursor = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.DURATION, 3600.0)
    after = stepper.block_ended(plan, cursor, doing, EndReason.ABORTED)
    assert isinstance(after, stepper.Cursor)
    assert block(plan, after).steps[0].step_kind == "strip"


def test_interruption_redoes_sweeps_and_short_probes() -> None:
    """Half a sweep or half a pulse is worth nothing; a long probe goes on."""
    plan = planned(
        SWEEP, "{step: cc, role: probe, current: 1 mA, for: 10 s}", "{step: cc, role: probe, current: 1 mA, for: 100 s}"
    )
    swept = cut(plan, stepper.start(plan), 50.0)
    again = block(plan, swept)
    assert isinstance(again.program.commands[0], Impedance)
    assert again.program.commands[0].limits.duration_max_second == 100
    assert (again.steps[0].sweep_count, again.steps[0].sweep_points) == (2, 16)
    pulsed = cut(plan, went(plan, swept), 9.0)
    short = block(plan, pulsed).program.commands[0]
    assert isinstance(short, Galvanostatic)
    assert short.until.duration_second == 10
    long = block(plan, cut(plan, went(plan, pulsed), 90.0)).program.commands[0]
    assert isinstance(long, Galvanostatic)
    assert long.until.duration_second == 10


def test_block_ended_stops_when_an_interrupted_step_has_outlived_its_longest_time() -> None:
    """A strip that was given its two hours in pieces gets no third."""
    plan = planned(STRIP)
    cursor = cut(plan, stepper.start(plan), 5000.0)
    doing = block(plan, cursor)
    cursor = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.ABORTED, 2200.0)
    stopped = stepper.block_ended(plan, cursor, doing, EndReason.ABORTED)
    assert isinstance(stopped, stepper.Stopped)
    assert stopped.reason is EndReason.LIMIT_DURATION


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        (EndReason.LIMIT_VOLTAGE_MAX, "plate (step 1): the voltage reached the hard limit of 4.5 V"),
        (EndReason.LIMIT_VOLTAGE_MIN, "plate (step 1): the voltage reached the hard limit of -0.5 V"),
        (EndReason.LIMIT_CURRENT, "plate (step 1): the current reached the hard limit of 0.01 A"),
        (EndReason.LIMIT_DURATION, "plate (step 1): it had not ended as wanted within its longest time of 3686 s"),
    ],
)
def test_block_ended_stops_at_a_hard_limit(reason: EndReason, what: str) -> None:
    """A hard limit ends the plan with a sentence, whichever of command and program said it."""
    plan = planned(PLATE, STRIP)
    doing = block(plan, stepper.start(plan))
    cursor = stepper.command_ended(plan, stepper.start(plan), doing.steps[0], reason, 100.0)
    for said in (reason, EndReason.COMPLETED, EndReason.ABORTED):
        stopped = stepper.block_ended(plan, cursor, doing, said)
        assert stopped == stepper.Stopped(reason, f"{what}; the run stops, look at the cell before starting another")
    assert stepper.block_ended(plan, stepper.start(plan), doing, reason) == stopped


def test_block_ended_counts_commands_whose_end_was_lost() -> None:
    """A program that ended as wanted took all its commands with it, seen or not."""
    plan = planned(PLATE, "{step: hold, voltage: -0.1 V, for: 1 h}", STRIP)
    cursor = stepper.start(plan)
    after = stepper.block_ended(plan, cursor, block(plan, cursor), EndReason.COMPLETED)
    assert after == went(plan, cursor)


def test_block_ended_believes_an_aborted_command_over_its_program() -> None:
    """A program said to be complete with a command cut short goes on with what remains."""
    plan = planned(PLATE, STRIP)
    cursor = stepper.start(plan)
    doing = block(plan, cursor)
    cursor = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.ABORTED, 600.0)
    after = stepper.block_ended(plan, cursor, doing, EndReason.COMPLETED)
    assert isinstance(after, stepper.Cursor)
    assert block(plan, after).steps[0].step_kind == "plate"


def test_events_out_of_turn_are_refused() -> None:
    """An end that is not the one due, or no time, is a fault of the caller and says so."""
    plan = planned(PLATE, STRIP)
    cursor = stepper.start(plan)
    doing = block(plan, cursor)
    over = stepper.command_ended(plan, cursor, doing.steps[0], EndReason.DURATION, 3600.0)
    with pytest.raises(ValueError, match=r"step 1 \(plate\) ended, but step 2 was due"):
        stepper.command_ended(plan, over, doing.steps[0], EndReason.DURATION, 3600.0)
    with pytest.raises(ValueError, match="ended after nan s"):
        stepper.command_ended(plan, cursor, doing.steps[0], EndReason.ABORTED, float("nan"))
    after = went(plan, went(plan, cursor))
    with pytest.raises(ValueError, match="a block of steps 1 to 1 ended, but the run is at step 2"):
        stepper.block_ended(plan, after, doing, EndReason.COMPLETED)


def test_cursor_refuses_what_is_no_cursor() -> None:
    """Only what `to_json` wrote is read."""
    cursor = replace(stepper.Cursor(), elapsed_second=0.1 + 0.2, cut_short=EndReason.ABORTED)
    assert stepper.Cursor.from_json(cursor.to_json()) == cursor
    with pytest.raises(ValueError, match="JSON"):
        stepper.Cursor.from_json("{")


def test_next_block_rests_with_the_cell_open() -> None:
    """A rest is a rest command with the hard limits of the plan."""
    plan = planned("{step: rest, for: 1 h}")
    command = block(plan, stepper.start(plan)).program.commands[0]
    assert isinstance(command, Rest)
    assert (command.limits.voltage_min_volt, command.limits.voltage_max_volt) == (-0.5, 4.5)
