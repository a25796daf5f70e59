"""The stepper over arbitrary schedules and interruptions, against an oracle that unrolls everything."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cycling import stepper
from harness.cycling.plan import CellFacts, ChannelWindow, Plan, bind
from harness.model.run import Geometry, Role
from harness.model.schedule import Schedule
from potentiostat_drivers.program import Command, EndReason, Galvanostatic, Impedance, Potentiostatic, Rest

WINDOW = ChannelWindow(-0.5, 4.5, 10e-3, 0.01, 2e5)
Written = dict[str, object]


def leaf_kinds(geometry: Geometry) -> tuple[str, str]:
    return ("charge", "discharge") if geometry is Geometry.FULL else ("plate", "strip")


@st.composite
def leaves(draw: st.DrawFn, geometry: Geometry) -> list[Written]:
    """A step, with the holds that belong to it."""
    into, out = leaf_kinds(geometry)
    kind = draw(st.sampled_from([into, out, "rest", "eis", "cc", "cv"]))
    second = draw(st.integers(5, 5000))
    current = draw(st.sampled_from(["1 mA", "0.3 mA/cm^2", "C/7"]))
    match kind:
        case "rest":
            return [{"step": "rest", "for": f"{second} s"}]
        case "eis":
            return [
                {"step": "eis", "from": "1 kHz", "to": "1 Hz", "points_per_decade": 3, "amplitude": "5 mV", "longest": "60 s"}
            ]
        case "cc":
            role = draw(st.sampled_from([into, out, "probe"]))
            step: Written = {"step": "cc", "role": role, "current": current, "for": f"{second} s"}
        case "cv":
            step = {"step": "cv", "role": draw(st.sampled_from([into, out])), "voltage": "1 V", "for": f"{second} s"}
        case _:
            rises = kind in {"strip", "charge"}
            ends: list[Written] = [
                {"charge": "0.7 mAh"},
                {"duration": f"{second} s"},
                {"voltage_above" if rises else "voltage_below": "1 V"},
            ]
            step = {"step": kind, "current": current, "until": draw(st.sampled_from(ends)), "longest": "1000 h"}
    holds: list[Written] = [{"step": "hold", "voltage": "1 V", "for": f"{second} s"}] * draw(st.integers(0, 2))
    return [step, *holds]


def step_lists(geometry: Geometry, depth: int, *, repeated: bool) -> st.SearchStrategy[list[Written]]:
    everies = st.integers(1, 4) if repeated else st.none()
    groups: st.SearchStrategy[list[Written]] = st.builds(_with_every, leaves(geometry), everies)
    if depth > 0:
        inner = step_lists(geometry, depth - 1, repeated=True)
        repeats = st.builds(
            lambda count, steps, every: _with_every([{"step": "repeat", "count": count, "steps": steps}], every),
            st.integers(1, 4), inner, everies,
        )  # fmt: skip
        groups = st.one_of(groups, repeats)
    return st.lists(groups, min_size=1, max_size=3).map(lambda lists: [step for steps in lists for step in steps])


def _with_every(steps: list[Written], every: int | None) -> list[Written]:
    return steps if every is None else [{**steps[0], "every": every}, *steps[1:]]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Plan, list[Written]]:
    geometry = draw(st.sampled_from(list(Geometry)))
    steps = draw(step_lists(geometry, 2, repeated=False))
    schedule = Schedule.model_validate({"schedule": "a", "version": 1, "steps": steps})
    return bind(schedule, CellFacts(geometry, 1.3, 2e-3), WINDOW), steps


def unrolled(steps: list[Written]) -> Iterator[list[Written]]:
    """Every block of a run in turn, found by simply going through it."""
    yield from _pass(steps, 1)


def _pass(steps: list[Written], number: int) -> Iterator[list[Written]]:
    due = False
    group: list[Written] = []
    for step in steps:
        if step["step"] == "hold":
            if due:
                group.append(step)
            continue
        if group:
            yield group
        group = []
        every = step.get("every", 1)
        assert isinstance(every, int)
        due = (number - 1) % every == 0
        if not due:
            continue
        if step["step"] == "repeat":
            count, inner = step["count"], step["steps"]
            assert isinstance(count, int)
            assert isinstance(inner, list)
            for inner_number in range(1, count + 1):
                yield from _pass(inner, inner_number)
            due = False
        else:
            group = [step]
    if group:
        yield group


def roles(block: list[Written]) -> list[Role]:
    kind = str(block[0]["step"])
    role = Role.PROBE if kind == "eis" else Role(str(block[0].get("role", kind)))
    return [role] * len(block)


def cycles(kinds: list[Role]) -> list[int]:
    """The cycle of every step by the rule: up with each deposit that is the first or follows a removal."""
    deposits = 0
    counts: list[int] = []
    last = ""
    for role in kinds:
        now = "deposit" if role.deposits else "removal" if role.removes else last
        deposits += role.deposits and (deposits == 0 or last == "removal")
        counts.append(deposits)
        last = now
    return counts


def wanted_end(command: Command) -> EndReason:
    match command:
        case Impedance():
            return EndReason.SWEEP_DONE
        case Rest() | Galvanostatic() | Potentiostatic():
            return EndReason.VOLTAGE_ABOVE if command.until.duration_second is None else EndReason.DURATION


@given(schedules())
@settings(max_examples=80, deadline=None)
def test_run_does_exactly_the_unrolled_schedule(made: tuple[Plan, list[Written]]) -> None:
    """Every schedule ends after as many blocks as it has, each in its turn, with the counts of the rule."""
    plan, steps = made
    expected = list(unrolled(steps))
    cursor, seen = stepper.start(plan), list[stepper.PlannedStep]()
    for number, group in enumerate(expected):
        assert cursor.block_index == number
        block = stepper.next_block(plan, cursor, 1)
        assert isinstance(block, stepper.Block)
        assert [step.step_kind for step in block.steps] == [step["step"] for step in group]
        for step in block.steps:
            cursor = stepper.command_ended(plan, cursor, step, EndReason.DURATION, 1.0)
        seen += block.steps
        after = stepper.block_ended(plan, cursor, block, EndReason.COMPLETED)
        assert isinstance(after, stepper.Cursor)
        cursor = after
    assert isinstance(stepper.next_block(plan, cursor, 1), stepper.Finished)
    assert plan.totals.block_count == len(expected)
    assert plan.totals.step_count == len(seen)
    wanted = [role for group in expected for role in roles(group)]
    assert [step.role for step in seen] == wanted
    assert [step.cycle_count for step in seen] == cycles(wanted)
    assert [step.step_count for step in seen] == list(range(1, len(seen) + 1))
    sweeps = [step.sweep_count for step in seen if step.is_sweep]
    assert sweeps == list(range(1, plan.totals.sweep_count + 1))


@given(schedules())
@settings(max_examples=60, deadline=None)
def test_every_command_is_bounded(made: tuple[Plan, list[Written]]) -> None:
    """Each command has a longest time and limits inside the channel's window, and signed current as its role demands."""
    plan, _ = made
    cursor = stepper.start(plan)
    while isinstance(block := stepper.next_block(plan, cursor, 1), stepper.Block):
        for step, command in zip(block.steps, block.program.commands, strict=True):
            assert 0 < command.limits.duration_max_second < math.inf
            assert WINDOW.voltage_min_volt <= command.limits.voltage_min_volt < command.limits.voltage_max_volt
            assert command.limits.voltage_max_volt <= WINDOW.voltage_max_volt
            assert 0 < command.limits.current_max_ampere <= WINDOW.current_max_ampere
            if isinstance(command, Galvanostatic) and step.role is not Role.PROBE:
                oxidises = step.role in {Role.STRIP, Role.CHARGE}
                assert (command.current_ampere > 0) is oxidises
        held = [step.command_index for step in block.steps if step.step_kind == "hold"]
        assert 0 not in held
        assert block.silence_second >= 30
        after = stepper.block_ended(plan, cursor, block, EndReason.COMPLETED)
        assert isinstance(after, stepper.Cursor)
        cursor = after


@dataclass
class Bench:
    """An instrument that passes charge exactly and is interrupted at random; it knows what each step would have needed."""

    chance: random.Random
    ends: dict[int, float] = field(default_factory=dict)
    charge: dict[int, float] = field(default_factory=dict)
    short: dict[int, bool] = field(default_factory=dict)

    def lasts(self, key: int, command: Command) -> float:
        """How long the command goes on by itself: to its duration, or to a cut-off that lies where it lies."""
        if isinstance(command, Impedance):
            return 20.0
        if command.until.duration_second is not None:
            return command.until.duration_second
        return self.ends.setdefault(key, self.chance.uniform(10.0, 9000.0))

    def is_redone(self, key: int, step: stepper.PlannedStep, needs: float) -> bool:
        """Whether the step is worth nothing by halves: known when it is first seen, whole."""
        return step.role is Role.PROBE and self.short.setdefault(key, needs <= 60)

    def passed(self, key: int, command: Command, second: float) -> None:
        if isinstance(command, Galvanostatic):
            self.charge[key] = self.charge.get(key, 0.0) + command.current_ampere * second
        if key in self.ends:
            self.ends[key] -= second


def run_interrupted(plan: Plan, bench: Bench) -> tuple[dict[int, float], dict[int, float]]:
    """Charge passed and charge wanted by command number, over a whole run with interruptions and restarts of the host."""
    cursor, wanted, budget = stepper.start(plan), dict[int, float](), 60
    while True:
        cursor = stepper.Cursor.from_json(cursor.to_json())
        block = stepper.next_block(plan, cursor, 1)
        if isinstance(block, stepper.Finished):
            return bench.charge, wanted
        number = cursor.block_index * 10 + cursor.commands_over
        reason = EndReason.COMPLETED
        for offset, (step, command) in enumerate(zip(block.steps, block.program.commands, strict=True)):
            key = number + offset
            needs = bench.lasts(key, command)
            if isinstance(command, Galvanostatic):
                wanted.setdefault(key, command.current_ampere * needs)
            ran = needs
            if budget > 0 and bench.chance.random() < 0.4:
                budget -= 1
                reason, ran = EndReason.ABORTED, needs * bench.chance.random()
            if not (bench.is_redone(key, step, needs) and reason is EndReason.ABORTED):
                bench.passed(key, command, ran)
            ended = reason if reason is EndReason.ABORTED else wanted_end(command)
            cursor = stepper.command_ended(plan, cursor, step, ended, ran)
            cursor = stepper.Cursor.from_json(cursor.to_json())
            if reason is EndReason.ABORTED:
                break
        after = stepper.block_ended(plan, cursor, block, reason)
        assert isinstance(after, stepper.Cursor)
        cursor = after


@given(schedules(), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_interruptions_neither_lose_nor_double_charge(made: tuple[Plan, list[Written]], seed: int) -> None:
    """However often a run is cut short and its cursor written and read, each step passes what it was to pass."""
    plan, _ = made
    passed, wanted = run_interrupted(plan, Bench(random.Random(seed)))
    assert passed.keys() == wanted.keys()
    for key, charge in wanted.items():
        # An interruption within 1 µs of the end counts as the end.
        assert math.isclose(passed[key], charge, rel_tol=1e-9, abs_tol=10e-3 * 2e-6)


@given(schedules(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_interruptions_change_no_cycle(made: tuple[Plan, list[Written]], seed: int) -> None:
    """What remains of a step belongs to the cycle the step belonged to; step counts have no holes."""
    plan, steps = made
    chance = random.Random(seed)
    expected = list(unrolled(steps))
    truth = cycles([role for group in expected for role in roles(group)])
    starts = [sum(map(len, expected[:number])) for number in range(len(expected))]
    cursor, count, budget = stepper.start(plan), 0, 40
    while isinstance(block := stepper.next_block(plan, cursor, 1), stepper.Block):
        first = starts[cursor.block_index] + cursor.commands_over
        assert [step.cycle_count for step in block.steps] == truth[first : first + len(block.steps)]
        reason = EndReason.COMPLETED
        for step, command in zip(block.steps, block.program.commands, strict=True):
            count += 1
            assert step.step_count == count
            if budget > 0 and chance.random() < 0.4:
                budget, reason = budget - 1, EndReason.ABORTED
            ended = reason if reason is EndReason.ABORTED else wanted_end(command)
            cursor = stepper.command_ended(plan, cursor, step, ended, 0.1)
            if reason is EndReason.ABORTED:
                break
        after = stepper.block_ended(plan, cursor, block, reason)
        assert isinstance(after, stepper.Cursor)
        cursor = after
    assert cursor.cycle_count == (truth[-1] if truth else 0)
