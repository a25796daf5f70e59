"""What a run does next, decided without doing it: the cursor of a plan, and how it moves.

**The cursor is the truth of where a run is**, small and JSON, so that it can be written beside every step and a run can go on
after a crash exactly where it was. Four events move it, and nothing else: a command ended as wanted, a command was cut short,
a program ended as wanted, a program was cut short. `next_block` only looks, so the same cursor always gives the same block.

**The sign of a current is chosen here, and nowhere else** (`_DIRECTION`). A plan holds magnitudes and roles; a Program holds
signed currents. Current > 0 is oxidation at the working electrode. In Li||Cu (``deposit``) and Li||Li (``symmetric``) the working
electrode is the one that is followed, so plating reduces Li⁺ there and is I < 0, stripping I > 0. In a full cell the cathode is
the working electrode: charging oxidises it, I > 0, and plates lithium on the anode; discharging is I < 0. A probe belongs
to no half cycle and keeps the sign its author wrote. Roles, not signs, make cycles and efficiencies.

**Cycles.** ``cycle_count`` is 0 until the first deposit (plate or charge) starts and rises by one with each deposit that is the
first or follows a removal (strip or discharge). Two deposits in a row, a hold, a rest or a sweep belong to the cycle that runs.
``step_count`` rises by one with every command that is started, and never resets: what remains of an interrupted command is a
new command, with a count of its own, in the cycle of the old one.

**Interruptions.** A paused or lost command keeps the time it has run. What remains of it has a duration shorter by that time,
which at constant current *is* the remaining charge, and a longest time shorter by the same, so that neither charge nor
patience is given twice, however often it is cut. Within a program what is over is over: a hold that was cut short goes on as a
hold, without the current before it. Two kinds of command are done again from the start, since half of one is worth nothing:
sweeps, and probes of at most a minute; an interrupted sweep keeps its count and the repetition gets the next.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import assert_never

from pydantic import TypeAdapter

from harness.cycling.plan import Plan
from harness.cycling.plan_tree import Current, Open, PlanStep, Sweep, Voltage, block_at
from harness.cycling.safety import silence_second
from harness.model.run import Geometry, Role
from potentiostat_drivers.program import (
    Command,
    EndReason,
    Galvanostatic,
    Impedance,
    Limits,
    Potentiostatic,
    Program,
    Rest,
)

LONGEST_REDONE_SECOND = 60.0
"""A probe that is to last at most this long is done again after an interruption; a longer one goes on."""

NEGLIGIBLE_SECOND = 1e-6
"""What is shorter than this does not remain."""

_DIRECTION = {
    (Geometry.DEPOSIT, Role.PLATE): -1,
    (Geometry.DEPOSIT, Role.STRIP): +1,
    (Geometry.SYMMETRIC, Role.PLATE): -1,
    (Geometry.SYMMETRIC, Role.STRIP): +1,
    (Geometry.FULL, Role.CHARGE): +1,
    (Geometry.FULL, Role.DISCHARGE): -1,
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a run is: the block, how many of its commands are over, and how long the one that was cut short has run.

    ``removed`` says that the next deposit begins a cycle, ``cut_short`` why the last command did not end as wanted, until its
    program is over.
    """

    block_index: int = 0
    commands_over: int = 0
    elapsed_second: float = 0.0
    step_count: int = 0
    cycle_count: int = 0
    sweep_count: int = 0
    removed: bool = True
    cut_short: EndReason | None = None

    def to_json(self) -> str:
        """The cursor as one line of JSON, exact."""
        return _adapter().dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Cursor:
        """The cursor that `to_json` wrote; `ValueError` for anything else."""
        return _adapter().validate_json(text)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """The context of one command: what every record of it carries. ``sweep_count`` is 0 unless it is a sweep."""

    step_path: str
    step_kind: str
    role: Role
    cycle_count: int
    step_count: int
    command_index: int
    is_sweep: bool
    sweep_points: int
    sweep_count: int


@dataclass(frozen=True, slots=True)
class Block:
    """What to do next: one program, the steps that are its commands, and how long silence may last meanwhile."""

    steps: tuple[PlannedStep, ...]
    program: Program
    silence_second: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The cursor has reached the end of the plan. Only this is completion."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The plan must not go on."""

    reason: EndReason
    sentence: str


def start(plan: Plan) -> Cursor:
    """Where a run of ``plan`` begins."""
    if plan.totals.block_count < 1:
        raise ValueError(f"the plan {plan.name} has no blocks")
    return Cursor()


def next_block(plan: Plan, cursor: Cursor, token: int) -> Block | Finished:
    """What is to be done at ``cursor``, with ``token`` on its program. Looks only: the same arguments give the same block."""
    if cursor.block_index >= plan.totals.block_count:
        return Finished()
    placed = block_at(plan.items, cursor.block_index)
    planned: list[PlannedStep] = []
    commands: list[Command] = []
    counted, elapsed = cursor, cursor.elapsed_second
    for index, step in enumerate(placed.block.steps[cursor.commands_over :]):
        counted = _counted(counted, step.role, is_sweep=isinstance(step.act, Sweep))
        planned.append(_planned(placed.prefix + step.label, step, counted, index))
        commands.append(_command(plan, step, elapsed))
        elapsed = 0.0
    silence = max(_silence(step) for step in placed.block.steps[cursor.commands_over :])
    return Block(tuple(planned), Program(tuple(commands), token), silence)


def command_ended(plan: Plan, cursor: Cursor, step: PlannedStep, reason: EndReason, duration_second: float) -> Cursor:
    """The cursor after ``step`` ended for ``reason``, ``duration_second`` after its own start.

    Raises:
        ValueError: ``step`` is not the command that is due, or the duration is not a time.
    """
    counted = _counted(cursor, step.role, is_sweep=step.is_sweep)
    if counted.step_count != step.step_count:
        raise ValueError(f"step {step.step_count} ({step.step_path}) ended, but step {counted.step_count} was due")
    if not (math.isfinite(duration_second) and duration_second >= 0):
        raise ValueError(f"step {step.step_count} ({step.step_path}) ended after {duration_second} s")
    if reason is not EndReason.ABORTED and not reason.is_limit:
        return replace(counted, commands_over=cursor.commands_over + 1, elapsed_second=0.0, cut_short=None)
    due = block_at(plan.items, cursor.block_index).block.steps[cursor.commands_over]
    elapsed = 0.0 if _is_redone(due) else cursor.elapsed_second + duration_second
    wanted = due.until.duration_second
    if wanted is not None and not _is_redone(due) and wanted - elapsed <= NEGLIGIBLE_SECOND:
        return replace(counted, commands_over=cursor.commands_over + 1, elapsed_second=0.0, cut_short=reason)
    return replace(counted, elapsed_second=elapsed, cut_short=reason)


def block_ended(plan: Plan, cursor: Cursor, block: Block, reason: EndReason) -> Cursor | Stopped:
    """The cursor after the program of ``block`` ended, or why the plan must not go on.

    A hard limit, in the program or in one of its commands, stops. An aborted program stays where its commands came to; call
    `command_ended` for the one that ran, with the time it had, or it counts as not begun. Any other end is a wanted one, and
    commands whose end was not reported (readings lost while the link was) are over with it.

    Raises:
        ValueError: ``block`` is not the one at ``cursor``.
    """
    first, last = block.steps[0].step_count, block.steps[-1].step_count
    if not first - 1 <= cursor.step_count <= last:
        raise ValueError(f"a block of steps {first} to {last} ended, but the run is at step {cursor.step_count}")
    cause = reason if cursor.cut_short is None or reason.is_limit else cursor.cut_short
    if cause.is_limit:
        return _stopped(block, cursor, cause)
    settled = replace(cursor, cut_short=None)
    steps = block_at(plan.items, cursor.block_index).block.steps
    if cause is not EndReason.ABORTED:
        for unreported in block.steps[max(0, cursor.step_count + 1 - first) :]:
            settled = _counted(settled, unreported.role, is_sweep=unreported.is_sweep)
    elif cursor.commands_over < len(steps):
        outlived = steps[cursor.commands_over].longest_second - cursor.elapsed_second <= NEGLIGIBLE_SECOND
        return _stopped(block, cursor, EndReason.LIMIT_DURATION) if outlived else settled
    return replace(settled, block_index=cursor.block_index + 1, commands_over=0, elapsed_second=0.0)


def _counted(cursor: Cursor, role: Role, *, is_sweep: bool) -> Cursor:
    """``cursor`` with the counts of one more started command."""
    begins = role.deposits and cursor.removed
    return replace(
        cursor,
        step_count=cursor.step_count + 1,
        cycle_count=cursor.cycle_count + begins,
        sweep_count=cursor.sweep_count + is_sweep,
        removed=role.removes or (cursor.removed and not role.deposits),
    )


def _planned(path: str, step: PlanStep, counted: Cursor, index: int) -> PlannedStep:
    sweep = step.act if isinstance(step.act, Sweep) else None
    return PlannedStep(
        step_path=path,
        step_kind=step.kind,
        role=step.role,
        cycle_count=counted.cycle_count,
        step_count=counted.step_count,
        command_index=index,
        is_sweep=sweep is not None,
        sweep_points=0 if sweep is None else sweep.points,
        sweep_count=0 if sweep is None else counted.sweep_count,
    )


def _command(plan: Plan, step: PlanStep, elapsed_second: float) -> Command:
    """The command of what remains of ``step`` after ``elapsed_second``."""
    wanted = step.until.duration_second
    until = replace(step.until, duration_second=None if wanted is None else wanted - elapsed_second)
    limits = Limits(
        plan.limits.voltage_min_volt,
        plan.limits.voltage_max_volt,
        plan.limits.current_max_ampere,
        step.longest_second - elapsed_second,
    )
    match step.act:
        case Open():
            return Rest(step.sampling, until, limits)
        case Current(current):
            return Galvanostatic(_signed(plan.facts.geometry, step.role, current), step.sampling, until, limits)
        case Voltage(voltage):
            return Potentiostatic(voltage, step.sampling, until, limits)
        case Sweep(high, low, points, amplitude):
            return Impedance(high, low, points, amplitude, limits)
        case _:
            assert_never(step.act)


def _signed(geometry: Geometry, role: Role, current_ampere: float) -> float:
    if role is Role.PROBE or current_ampere == 0:
        return current_ampere
    return _DIRECTION[geometry, role] * current_ampere


def _is_redone(step: PlanStep) -> bool:
    wanted = step.until.duration_second
    lasts = step.longest_second if wanted is None else wanted
    return isinstance(step.act, Sweep) or (step.role is Role.PROBE and lasts <= LONGEST_REDONE_SECOND)


def _silence(step: PlanStep) -> float:
    lowest = step.act.frequency_min_hertz if isinstance(step.act, Sweep) else None
    return silence_second(step.sampling.interval_second, lowest)


def _stopped(block: Block, cursor: Cursor, reason: EndReason) -> Stopped:
    step = next((step for step in block.steps if step.step_count >= cursor.step_count), block.steps[-1])
    command = block.program.commands[step.command_index]
    limits = command.limits
    match reason:
        case EndReason.LIMIT_VOLTAGE_MAX:
            what = f"the voltage reached the hard limit of {limits.voltage_max_volt:g} V"
        case EndReason.LIMIT_VOLTAGE_MIN:
            what = f"the voltage reached the hard limit of {limits.voltage_min_volt:g} V"
        case EndReason.LIMIT_CURRENT:
            what = f"the current reached the hard limit of {limits.current_max_ampere:g} A"
        case _:
            what = f"it had not ended as wanted within its longest time of {limits.duration_max_second:g} s"
    return Stopped(
        reason, f"{step.step_path} (step {step.step_count}): {what}; the run stops, look at the cell before starting another"
    )


@functools.cache
def _adapter() -> TypeAdapter[Cursor]:
    return TypeAdapter(Cursor)
