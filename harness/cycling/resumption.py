"""Where a run was when its journal ends: written beside every step, read back after a crash. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.cycling.plan import Plan
from harness.cycling.stepper import Cursor, Finished, Stopped, block_ended, command_ended, next_block
from harness.model import records
from potentiostat_drivers.program import EndReason

LOST = "lost"
"""The reason of a step whose end nobody saw."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What the journal knows of a run that did not end.

    ``block_cursor`` is where the last program began, ``cursor`` where it had come to; ``token`` is ``None`` when its end was
    seen. ``anchor_nanosecond`` is the start of the command that ran last, ``step_time_second`` the last time heard of in it.
    ``stopped`` is why the run must not go on, where it had come to that.
    """

    block_cursor: Cursor
    cursor: Cursor
    token: int | None
    anchor_nanosecond: int
    command_index: int
    step_time_second: float
    paused: bool
    cycle_count: int
    stopped: str = ""


def told_of(token: int, block_cursor: Cursor, cursor: Cursor) -> str:
    """What `records.StepStarted.program` holds: enough to build the very program again, and to go on behind it."""
    return json.dumps({"token": token, "block": json.loads(block_cursor.to_json()), "cursor": json.loads(cursor.to_json())})


def resumption_from(plan: Plan, history: Sequence[records.Record]) -> Resumption | None:
    """Where a run of ``plan`` was; ``None`` if no step had begun. ``history`` are its records in order."""
    started: records.StepStarted | None = None
    ended: records.StepEnded | None = None
    paused = False
    step_time = 0.0
    for record in history:
        match record:
            case records.StepStarted():
                started, ended, step_time = record, None, 0.0
            case records.StepEnded():
                ended = record
            case records.Sample() | records.ImpedancePoint():
                step_time = record.step_time_second
            case records.Incident(kind="paused" | "resumed"):
                paused = record.kind == "paused"
            case _:
                pass
    if started is None:
        return None
    told = json.loads(started.program)
    known = Resumption(
        block_cursor=Cursor.from_json(json.dumps(told["block"])),
        cursor=Cursor.from_json(json.dumps(told["cursor"])),
        token=int(told["token"]),
        anchor_nanosecond=started.anchor_nanosecond,
        command_index=started.command_index,
        step_time_second=step_time,
        paused=paused,
        cycle_count=started.cycle_count,
    )
    return known if ended is None else _after(plan, known, ended)


def _after(plan: Plan, known: Resumption, ended: records.StepEnded) -> Resumption:
    """``known`` moved over the end of its last step, as the runner moved before it was cut off."""
    block = next_block(plan, known.block_cursor, known.token or 1)
    if isinstance(block, Finished):
        return replace(known, token=None)
    reason = EndReason.ABORTED if ended.reason == LOST else EndReason(ended.reason)
    lasted = known.step_time_second if ended.duration_second is None else ended.duration_second
    cursor = command_ended(plan, known.cursor, block.steps[known.command_index], reason, lasted)
    cut = reason is EndReason.ABORTED or reason.is_limit
    if not cut and known.command_index < len(block.steps) - 1:
        began = ended.unix_time_nanosecond
        return replace(known, cursor=cursor, command_index=known.command_index + 1, anchor_nanosecond=began, step_time_second=0.0)
    following = block_ended(plan, cursor, block, reason)
    if isinstance(following, Stopped):
        return replace(known, cursor=cursor, token=None, stopped=following.sentence)
    return replace(known, block_cursor=following, cursor=following, token=None)
