"""A run's records as the rows they derive: what is open is held, and becomes a row when it is over. Reads and stores nothing.

Rows follow from the records of the run alone. One that needs an earlier row takes from it what the row holds and no more (a fit
also takes the `FitStart` that is kept beside the rows), so that it makes no difference whether that was derived a moment ago or
comes from a store: a run that is taken up again anywhere derives the same rows, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from harness.analysis import cycle_table, run_half_cycle, run_sweep
from harness.analysis.charge import Accuracy
from harness.analysis.resistance import interfaces_of
from harness.analysis.run_cycle import OpenCycle
from harness.model.derived import CycleRow, DerivedRow, FitStart, HalfCycleRow, ImpedanceFitRow
from harness.model.records import (
    CycleEnded,
    ImpedancePoint,
    Incident,
    Record,
    RunEnded,
    RunStarted,
    Sample,
    StepEnded,
    StepStarted,
    SweepEnded,
)
from harness.model.run import Role, RunContext, RunFacts

Derived = TypeVar("Derived")


class KnownRows:
    """The newest rows of one run that are stored. They are ``stale`` when some are of another method version, or not there."""

    def __init__(
        self,
        cycles: Sequence[CycleRow] = (),
        fits: Sequence[ImpedanceFitRow] = (),
        half_cycles: Sequence[HalfCycleRow] = (),
        start: FitStart | None = None,
    ) -> None:
        own = [row for row in cycles if row.method_version == cycle_table.METHOD_VERSION]
        self.finished = frozenset(row.cycle_count for row in own if row.cycle_duration_second is not None)
        self.fits = {row.sweep_count: row for row in fits if row.method_version == run_sweep.method_version()}
        self.halves = [row for row in half_cycles if row.method_version == run_half_cycle.method_version()]
        halved = {row.cycle_count for row in self.halves}
        self.start = start if start is not None and start.method_version == run_sweep.method_version() else None
        fitted = [count for count, row in self.fits.items() if run_sweep.is_fitted(row)]
        begins = (self.start.sweep_count if self.start is not None else None) == max(fitted, default=None)
        others = len(own) < len(cycles) or len(self.fits) < len(fits) or len(self.halves) < len(half_cycles)
        self.stale = others or not begins or any(row.cycle_count not in halved for row in cycles)


class RunRows:
    """What one run's records have told so far. `take` each record in order; it returns the rows to write.

    Rows of a cycle are given early, as far as they are known, and again when it is over: not of a cycle that has its final row
    among ``known``, and none at all without ``early``. With ``resumed`` the records begin not with the run but with the last step
    of the cycle ``finished_cycle``, which is over (``None``: with the first of all); then the known rows also stand for the
    records before, and are not given again.

    ``faults`` says what could not be derived because the program failed at it: no row comes of that, and the others do.
    """

    def __init__(
        self,
        context: RunContext,
        facts: RunFacts,
        known: KnownRows | None = None,
        *,
        early: bool = True,
        resumed: bool = False,
        finished_cycle: int | None = None,
    ) -> None:
        self.context = context
        self.faults: list[str] = []
        self.next_seq = 0
        self.replay_seq = 0
        self.ended = False
        self._facts = facts
        self._accuracy = Accuracy(offset_of_range=facts.accuracy_offset, gain=facts.accuracy_gain, adc_bits=facts.adc_bits)
        self._known = known or KnownRows()
        self._early = early
        self._finished_cycle = finished_cycle
        self._fits = dict(self._known.fits) if resumed else {}
        self.fit_start = self._known.start if resumed else None
        over = [row for row in self._known.halves if row.cycle_count <= finished_cycle] if finished_cycle is not None else []
        self._halves = {
            deposits: run_half_cycle.EarlierHalves(row for row in over if Role(row.role).deposits == deposits)
            for deposits in (True, False)
        }
        self._now_nanosecond = 0
        self._last_step_seq = 0
        self._cycle: OpenCycle | None = None
        self._sweep: list[ImpedancePoint] = []

    def take(self, record: Record) -> list[DerivedRow]:
        """Use the next record; repeated ones are ignored."""
        if record.seq < self.next_seq:
            return []
        self.next_seq = record.seq + 1
        self._now_nanosecond = record.unix_time_nanosecond
        rows: list[DerivedRow] = []
        match record:
            case StepStarted() | Sample() | StepEnded():
                rows = self._take_step(record)
            case ImpedancePoint() | SweepEnded():
                rows = self._take_sweep(record)
            case CycleEnded():
                rows = self._end_cycle(record.cycle_count)
            case RunEnded():
                self.ended = True
                rows = [] if self._cycle is None else self._end_cycle(self._cycle.cycle_count)
            case Incident():
                if self._cycle is not None:
                    self._cycle.take_incident(record)
            case RunStarted():
                pass
            case _:
                assert_never(record)
        return rows

    def _take_step(self, record: StepStarted | Sample | StepEnded) -> list[DerivedRow]:
        match record:
            case StepStarted():
                return self._start_step(record)
            case Sample():
                self._open(record.cycle_count).take_sample(record)
                return []
            case StepEnded():
                return self._end_step(record)
            case _:
                assert_never(record)

    def _take_sweep(self, record: ImpedancePoint | SweepEnded) -> list[DerivedRow]:
        match record:
            case ImpedancePoint():
                self._sweep.append(record)
                return []
            case SweepEnded():
                return self._end_sweep(record)
            case _:
                assert_never(record)

    def _open(self, cycle_count: int) -> OpenCycle:
        if self._cycle is None or self._cycle.cycle_count != cycle_count:
            before = self._cycle.last_rest_voltage if self._cycle is not None else None
            self._cycle = OpenCycle(self.context.run_id, cycle_count, self._facts.geometry, rest_voltage_volt=before)
        return self._cycle

    def _start_step(self, record: StepStarted) -> list[DerivedRow]:
        passed = self._cycle is not None and self._cycle.cycle_count != record.cycle_count
        rows = self._end_cycle(self._cycle.cycle_count) if passed and self._cycle is not None else []
        self._last_step_seq = record.seq
        self._open(record.cycle_count).start_step(record)
        return rows

    def _end_step(self, record: StepEnded) -> list[DerivedRow]:
        """What the half cycle that ended with this step has to say already; it may still go on with another step."""
        cycle = self._open(record.cycle_count)
        cycle.end_step(record)
        final = cycle.cycle_count in self._known.finished or cycle.cycle_count == self._finished_cycle
        if final or not self._early or not (record.role.deposits or record.role.removes):
            return []
        row = self._cycle_row(cycle, over=False) if record.role.removes else None
        half = self._half_row(cycle, row, deposits=record.role.deposits)
        return [one for one in (row, half) if one is not None]

    def _end_cycle(self, cycle_count: int) -> list[DerivedRow]:
        cycle = self._cycle
        if cycle is None or cycle.cycle_count != cycle_count:
            return []
        self.replay_seq = self._last_step_seq
        if cycle_count == self._finished_cycle:
            return []
        self._finished_cycle = cycle_count
        row = self._cycle_row(cycle, over=True)
        rows: list[DerivedRow] = [] if row is None else [row]
        for deposits in (True, False):
            half = self._half_row(cycle, row, deposits=deposits)
            if half is not None:
                self._halves[deposits].add(half)
                rows.append(half)
        return rows

    def _cycle_row(self, cycle: OpenCycle, *, over: bool) -> CycleRow | None:
        return self._unless_faulty(f"cycle {cycle.cycle_count}", lambda: cycle.row(self._accuracy, over=over))

    def _half_row(self, cycle: OpenCycle, row: CycleRow | None, *, deposits: bool) -> HalfCycleRow | None:
        """A half cycle, judged by what is known now: the spectrum after a deposit comes later, and its row is written again."""
        fits = [fit for _, fit in sorted(self._fits.items()) if fit.unix_time_nanosecond <= self._now_nanosecond]
        around = run_half_cycle.Surroundings(self._halves[deposits], row, fits)

        def derived() -> HalfCycleRow | None:
            half = cycle.readings(deposits=deposits)
            if half is None:
                return None
            return run_half_cycle.half_cycle_row(self.context.run_id, cycle.cycle_count, half, self._accuracy, around)

        return self._unless_faulty(f"{'deposit' if deposits else 'removal'} of cycle {cycle.cycle_count}", derived)

    def _end_sweep(self, record: SweepEnded) -> list[DerivedRow]:
        points = [point for point in self._sweep if point.sweep_count == record.sweep_count]
        self._sweep = []
        if record.sweep_count in self._fits or not record.complete or len(points) < record.points or not points:
            return []
        area_cm2, interfaces = self._facts.area_cm2, interfaces_of(self._facts.geometry)
        found = self._unless_faulty(
            f"sweep {record.sweep_count}",
            lambda: run_sweep.sweep_row(points, area_cm2, self.fit_start, interfaces=interfaces),
        )
        if found is None:
            return []
        row, self.fit_start = found
        self._fits[record.sweep_count] = row
        return [row]

    def _unless_faulty(self, what: str, derive: Callable[[], Derived]) -> Derived | None:
        try:
            return derive()
        except Exception as error:  # noqa: BLE001 - one number that cannot be had must not keep all others from being made
            self.faults.append(f"{what}: {type(error).__name__}: {error}")
            return None
