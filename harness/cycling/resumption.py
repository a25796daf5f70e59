"""Where a run was when its journal ends: written beside every step, read back after a crash. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.cycling.plan import Plan
from harness.cycling.stepper import Cursor, Finished, Stopped, block_ended, command_ended, next_block, start
from harness.model import records
from potentiostat_drivers.program import EndReason

LOST = "lost"
"""The reason of a step whose end nobody saw."""
_BRIDGED = "the run goes on behind the gap at "


@dataclass(frozen=True, slots=True)
class Resumption:
    """What the journal knows of a run that did not end.

    ``block_cursor`` is where the last program began, ``cursor`` where it had come to; ``token`` is ``None`` when its end was
    seen. ``anchor_nanosecond`` is the start of the command that ran last, ``program_nanosecond`` that of its program,
    ``step_time_second`` the last time heard of in it, ``points`` its impedance points. ``stopped`` is why the run must not go
    on, where it had come to that.
    """

    block_cursor: Cursor
    cursor: Cursor
    token: int | None
    anchor_nanosecond: int
    command_index: int
    step_time_second: float
    paused: bool
    cycle_count: int
    program_nanosecond: int = 0
    points: int = 0
    stopped: str = ""


def told_of(token: int, block_cursor: Cursor, cursor: Cursor) -> str:
    """What `records.StepStarted.program` holds: enough to build the very program again, and to go on behind it."""
    return json.dumps({"token": token, "block": json.loads(block_cursor.to_json()), "cursor": json.loads(cursor.to_json())})


def bridged_to(cursor: Cursor) -> str:
    """What the incident ``bridged`` says: where a run goes on behind a gap, since the end of the step in it tells too little."""
    return _BRIDGED + cursor.to_json()


def resumption_from(plan: Plan, history: Sequence[records.Record]) -> Resumption | None:
    """Where a run of ``plan`` was; ``None`` if nothing had happened yet. ``history`` are its records in order.

    An alarm that ends runs ends this one too, though its last records were cut off: nobody goes on after a limit by accident.
    """
    heard = _Heard()
    for record in history:
        heard.take(record)
    if heard.started is None:
        nothing = Resumption(start(plan), start(plan), None, 0, 0, 0.0, heard.paused, 0)
        return nothing if heard.paused else None
    told = json.loads(heard.started.program)
    known = Resumption(
        block_cursor=Cursor.from_json(json.dumps(told["block"])),
        cursor=Cursor.from_json(json.dumps(told["cursor"])),
        token=int(told["token"]),
        anchor_nanosecond=heard.started.anchor_nanosecond,
        command_index=heard.started.command_index,
        step_time_second=heard.step_time_second,
        paused=heard.paused,
        cycle_count=heard.cycle_count,
        program_nanosecond=heard.program_nanosecond,
        points=heard.points,
        stopped=heard.stopped,
    )
    if heard.bridged is not None:
        return replace(known, block_cursor=heard.bridged, cursor=heard.bridged, token=None)
    return known if heard.ended is None else _after(plan, known, heard.ended)


@dataclass(slots=True)
class _Heard:
    """What matters of a history, gathered record by record. ``cycle_count`` is 0 once the end of that cycle is written."""

    started: records.StepStarted | None = None
    ended: records.StepEnded | None = None
    bridged: Cursor | None = None
    paused: bool = False
    stopped: str = ""
    step_time_second: float = 0.0
    points: int = 0
    program_nanosecond: int = 0
    cycle_count: int = 0

    def take(self, record: records.Record) -> None:
        """Add the next record."""
        match record:
            case records.StepStarted():
                if record.command_index == 0:
                    self.program_nanosecond = record.anchor_nanosecond
                self.started, self.ended, self.bridged, self.step_time_second, self.points = record, None, None, 0.0, 0
                self.cycle_count = record.cycle_count
            case records.StepEnded():
                self.ended = record
            case records.CycleEnded():
                self.cycle_count = 0
            case records.Sample():
                self.step_time_second = record.step_time_second
            case records.ImpedancePoint():
                self.step_time_second, self.points = record.step_time_second, self.points + 1
            case records.Incident(kind="paused" | "resumed"):
                self.paused = record.kind == "paused"
            case records.Incident(kind="bridged"):
                self.bridged = Cursor.from_json(record.message.removeprefix(_BRIDGED))
            case records.Incident(severity="alarm", kind="limit" | "instrument" | "software"):
                self.stopped = record.message
            case _:
                pass


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
        return replace(known, cursor=cursor, command_index=known.command_index + 1, anchor_nanosecond=began)
    following = block_ended(plan, cursor, block, reason)
    if isinstance(following, Stopped):
        return replace(known, cursor=cursor, token=None, stopped=known.stopped or following.sentence)
    return replace(known, block_cursor=following, cursor=following, token=None)
