"""A run's pen: gives every record its ``seq`` and its stamp, and hands it to the journal. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from harness.cycling.doing import Doing
from harness.cycling.resumption import LOST
from harness.cycling.stepper import PlannedStep
from harness.model import records
from harness.model.run import RunContext, RunFacts
from harness.units import NANOSECOND
from potentiostat_drivers.interface import Safe, Safety, Unconfirmed
from potentiostat_drivers.program import EndReason, ImpedancePoint, Reading

log = structlog.get_logger(__name__)


class Journal(Protocol):
    """What a recorder needs of the journal."""

    def begin_run(self, context: RunContext, started: records.RunStarted) -> None:
        """Register a run and queue its first record."""

    def append(self, record: records.Record) -> None:
        """Queue a record; never blocks."""

    async def flush(self) -> None:
        """Return when all that was queued is durable."""


@dataclass(slots=True)
class Recorder:
    """Writes one run. ``seq`` rises by one, stamps by at least 1 ns; a resumed run goes on where its journal ends."""

    journal: Journal
    context: RunContext
    now_nanosecond: Callable[[], int]
    started_nanosecond: int
    next_seq: int = 0
    last_nanosecond: int = 0
    over: bool = False

    def begin(self, facts: RunFacts) -> None:
        """Write the run's first record."""
        run_id, seq, stamp = self._place(self.started_nanosecond)
        self.started_nanosecond = stamp
        self.journal.begin_run(self.context, records.RunStarted(run_id, seq, stamp, facts))

    def step_started(self, step: PlannedStep, program: str, wanted_nanosecond: int) -> int:
        """A step is about to be sent, or has begun within its program; the stamp that anchors its times."""
        run_id, seq, stamp = self._place(wanted_nanosecond)
        self.journal.append(
            records.StepStarted(
                run_id, seq, stamp, stamp, step.cycle_count, step.step_count, step.step_path, step.step_kind, step.role,
                step.command_index, program,
            )
        )  # fmt: skip
        return stamp

    def sample(self, step: PlannedStep, reading: Reading, step_time_second: float, wanted_nanosecond: int) -> int:
        """One reading in its context; its stamp."""
        run_id, seq, stamp = self._place(wanted_nanosecond)
        self.journal.append(
            records.Sample(
                run_id, seq, stamp, self._test_time(stamp), step_time_second, reading.voltage_volt, reading.current_ampere,
                step.cycle_count, step.step_count, step.step_path, step.role, reading.current_range_ampere, reading.flags,
            )
        )  # fmt: skip
        return stamp

    def point(self, step: PlannedStep, point: ImpedancePoint, step_time_second: float, wanted_nanosecond: int) -> None:
        """One frequency of a sweep in its context."""
        run_id, seq, stamp = self._place(wanted_nanosecond)
        self.journal.append(
            records.ImpedancePoint(
                run_id, seq, stamp, self._test_time(stamp), step_time_second, point.point_index, point.frequency_hertz,
                point.real_impedance_ohm, point.imaginary_impedance_ohm, step.sweep_count, step.cycle_count, step.step_count,
                step.step_path, step.role, point.flags,
            )
        )  # fmt: skip

    def step_over(self, doing: Doing, reason: EndReason | None, duration_second: float | None) -> None:
        """How the step whose command runs ended, and its sweep, whole or not; ``None`` for what nobody saw."""
        step = doing.step
        wanted = None if duration_second is None else doing.stamp(doing.command_start_second + duration_second)
        if step.is_sweep:
            complete = reason is EndReason.SWEEP_DONE and doing.points == step.sweep_points
            run_id, seq, stamp = self._place(wanted)
            self.journal.append(
                records.SweepEnded(
                    run_id, seq, stamp, step.sweep_count, step.cycle_count, step.step_count, doing.points, complete
                )
            )  # fmt: skip
        run_id, seq, stamp = self._place(wanted)
        self.journal.append(
            records.StepEnded(
                run_id, seq, stamp, step.cycle_count, step.step_count, step.step_path, step.role,
                LOST if reason is None else reason.value, duration_second,
            )
        )  # fmt: skip

    def cycle_ended(self, cycle_count: int) -> None:
        """All steps of a cycle are over; stamped right after the last record, whose moment that was."""
        run_id, seq, stamp = self._place(self.last_nanosecond + 1)
        self.journal.append(records.CycleEnded(run_id, seq, stamp, cycle_count))

    def incident(self, severity: str, kind: str, message: str) -> None:
        """Something a person may ask about later, stamped now. What happens after the end of a run is only logged."""
        if self.over:
            log.warning("after the end of a run", run=self.context.run_id, kind=kind, what=message)
            return
        run_id, seq, stamp = self._place(None)
        self.journal.append(records.Incident(run_id, seq, stamp, severity, kind, message))

    def safety(self, outcome: Safety) -> None:
        """What an attempt to open the cell showed."""
        match outcome:
            case Safe():
                self.incident("info", "made_safe", "the cell is open, and the instrument showed it")
            case Unconfirmed():
                self.incident("alarm", "unconfirmed", f"the cell may be polarised: {outcome.reason}")
            case _:
                assert_never(outcome)

    def run_ended(self, reason: str, *, completed: bool) -> None:
        """The run is over."""
        self.over = True
        run_id, seq, stamp = self._place(None)
        self.journal.append(records.RunEnded(run_id, seq, stamp, completed, reason))

    async def flush(self) -> None:
        """Return when everything written so far is durable."""
        await self.journal.flush()

    def _place(self, wanted_nanosecond: int | None) -> tuple[str, int, int]:
        wanted = self.now_nanosecond() if wanted_nanosecond is None else wanted_nanosecond
        seq, stamp = self.next_seq, max(wanted, self.last_nanosecond + 1)
        self.next_seq, self.last_nanosecond = seq + 1, stamp
        return self.context.run_id, seq, stamp

    def _test_time(self, stamp: int) -> float:
        return (stamp - self.started_nanosecond) / NANOSECOND
