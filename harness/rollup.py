"""From records to derived rows: follows the journal, and writes a `CycleRow` when a cycle is over and a fit when a sweep is.

It owns no truth. Everything it writes can be deleted and computed again (`redo`), and computing it again writes nothing new.
Within a run a cycle's records are kept until it is over; what a restart must read again is therefore remembered per run, as the
``seq`` of the last step before the open cycle (that step's voltage is where a full cell's charge begins).
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_never

import numpy as np

from harness.analysis.charge import Accuracy
from harness.analysis.coulombic import METHOD_VERSION as CYCLE_VERSION
from harness.analysis.impedance.fit import METHOD_VERSION as IMPEDANCE_VERSION
from harness.analysis.impedance.fit import fit_impedance
from harness.analysis.run_cycle import OpenCycle
from harness.clock import SHORTEST_DEADLINE_SECOND
from harness.errors import AnalysisError, JournalError
from harness.model.derived import DerivedRow, ImpedanceFitRow
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
from harness.model.run import RunContext, RunFacts
from harness.store.derived import DerivedStore
from harness.store.derived_schema import key_of
from harness.stream.journal_reader import JournalReader

POSITION = "rollup"
PAGE_ROWS = 5_000
FLAG_NOT_FITTED = "not_fitted"


class RunRollup:
    """What one run's records have told so far. `take` each record in order; it returns the rows to write.

    ``finished_cycle`` is over and gets no row; ``known_cycles`` have their final row in the store, so that the first, shorter row
    of a cycle whose removal has just ended is not written over it when everything is derived again.
    """

    def __init__(
        self,
        context: RunContext,
        facts: RunFacts,
        *,
        finished_cycle: int | None = None,
        known_cycles: frozenset[int] = frozenset(),
    ) -> None:
        self.context = context
        self.next_seq = 0
        self.replay_seq = 0
        self.ended = False
        self._facts = facts
        self._accuracy = Accuracy(offset_of_range=facts.accuracy_offset, gain=facts.accuracy_gain, adc_bits=facts.adc_bits)
        self._finished_cycle = finished_cycle
        self._known_cycles = known_cycles
        self._last_step_seq = 0
        self._cycle: OpenCycle | None = None
        self._sweep: list[ImpedancePoint] = []

    def take(self, record: Record) -> list[DerivedRow]:
        """Use the next record; repeated ones are ignored."""
        if record.seq < self.next_seq:
            return []
        self.next_seq = record.seq + 1
        if isinstance(record, StepStarted | Sample | StepEnded):
            return self._take_step(record)
        if isinstance(record, ImpedancePoint | SweepEnded):
            return self._take_sweep(record)
        rows: list[DerivedRow] = []
        match record:
            case CycleEnded():
                rows = self._end_cycle(record.cycle_count)
            case Incident():
                if self._cycle is not None:
                    self._cycle.take_incident(record)
            case RunEnded():
                self.ended = True
                rows = [] if self._cycle is None else self._end_cycle(self._cycle.cycle_count)
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
        cycle = self._open(record.cycle_count)
        cycle.end_step(record)
        return self._rows(cycle) if record.role.removes and record.cycle_count not in self._known_cycles else []

    def _end_cycle(self, cycle_count: int) -> list[DerivedRow]:
        cycle = self._cycle
        if cycle is None or cycle.cycle_count != cycle_count:
            return []
        self.replay_seq = self._last_step_seq
        rows = self._rows(cycle, over=True)
        self._finished_cycle = cycle_count
        return rows

    def _rows(self, cycle: OpenCycle, *, over: bool = False) -> list[DerivedRow]:
        if cycle.cycle_count == self._finished_cycle:
            return []
        row = cycle.row(self._accuracy, over=over)
        return [] if row is None else [row]

    def _end_sweep(self, record: SweepEnded) -> list[DerivedRow]:
        points = [point for point in self._sweep if point.sweep_count == record.sweep_count]
        self._sweep = []
        if not record.complete or len(points) < record.points or not points:
            return []
        return [fit_row(points, self._facts.area_cm2)]


class Rollup:
    """Moves derived rows on. `advance` reads what is new in the journal and returns how many rows it offered to the store."""

    def __init__(self, reader: JournalReader, store: DerivedStore, *, from_start: bool = False) -> None:
        self._reader = reader
        self._store = store
        self._row = 0 if from_start else store.position(POSITION)
        self._from_start = from_start
        self._runs: dict[str, RunRollup] = {}

    def advance(self) -> int:
        """Use one page of the journal; ``0`` and no movement when there was none."""
        page, row = self._reader.tail(self._row, PAGE_ROWS)
        written: dict[str, tuple[RunContext, list[DerivedRow]]] = {}
        touched: dict[str, int] = {}
        for context, record in page:
            run = self._run(context, record)
            touched.setdefault(context.run_id, run.replay_seq)
            rows = run.take(record)
            if rows:
                written.setdefault(context.run_id, (context, []))[1].extend(rows)
        total = 0
        for context, rows in written.values():
            last = list({key_of(row): row for row in rows}.values())
            self._store.put(context, last)
            total += len(last)
        self._remember(row, touched)
        return total

    def finished(self) -> bool:
        """Whether nothing is left to read now."""
        page, _ = self._reader.tail(self._row, 1)
        return not page

    def _remember(self, row: int, touched: dict[str, int]) -> None:
        """The journal's position first: after a crash between the two, a run is read again from too early, never too late."""
        if row != self._row and not self._from_start:
            self._store.set_position(POSITION, row)
        self._row = row
        for run_id, before in touched.items():
            run = self._runs[run_id]
            if run.replay_seq != before and not self._from_start:
                self._store.set_position(_run_position(run_id), run.replay_seq)
            if run.ended:
                del self._runs[run_id]

    def _run(self, context: RunContext, record: Record) -> RunRollup:
        run = self._runs.get(context.run_id)
        if run is None:
            run = self._runs[context.run_id] = self._resumed(context, record)
        return run

    def _resumed(self, context: RunContext, record: Record) -> RunRollup:
        """The state of a run up to ``record``: empty at its start, else read again from the last step before its open cycle."""
        known = frozenset(
            row.cycle_count
            for row in self._store.cycles(context.run_id)
            if row.cycle_duration_second is not None and row.method_version == CYCLE_VERSION
        )
        if isinstance(record, RunStarted):
            return RunRollup(context, record.facts, known_cycles=known)
        facts = next(run.facts for run in self._reader.runs() if run.context.run_id == context.run_id)
        seq = 0 if self._from_start else self._store.position(_run_position(context.run_id))
        seq = seq if seq <= record.seq else 0
        run = RunRollup(context, facts, finished_cycle=self._cycle_at(context, seq), known_cycles=known)
        _replay(self._reader, run, seq, record.seq)
        return run

    def _cycle_at(self, context: RunContext, seq: int) -> int | None:
        """The cycle of the step that begins at ``seq``, which is over; ``None`` at the run's start."""
        first = self._reader.records(context.run_id, seq, 1) if seq > 0 else []
        return first[0].cycle_count if first and isinstance(first[0], StepStarted) else None


def roll_up_once(reader: JournalReader, store: DerivedStore) -> int:
    """Derive everything the journal holds beyond the remembered position; how many rows were offered to the store.

    Idempotent: the store keeps unchanged rows as they are.
    """
    return _advance_to_end(Rollup(reader, store))


def redo(reader: JournalReader, store: DerivedStore) -> int:
    """Derive everything again from the first record, without moving the position that following goes on from."""
    return _advance_to_end(Rollup(reader, store, from_start=True))


async def run_rollup(journal: Path, store: DerivedStore, *, poll_second: float = 0.5) -> None:
    """Follow the journal at ``journal``, which need not exist yet, until cancelled; look every ``poll_second`` of wall time.

    Reading, fitting and writing happen in a thread of their own.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="rollup")
    try:
        reader = await _opened(thread, journal, poll_second)
        try:
            rollup = await loop.run_in_executor(thread, Rollup, reader, store)
            while True:
                await loop.run_in_executor(thread, rollup.advance)
                if await loop.run_in_executor(thread, rollup.finished):
                    await asyncio.sleep(poll_second)
        finally:
            await loop.run_in_executor(thread, reader.close)
    finally:
        thread.shutdown(wait=False)


async def _opened(thread: ThreadPoolExecutor, journal: Path, poll_second: float) -> JournalReader:
    """The journal, once its maker has made it: a file that stays without tables for a deadline is no journal."""
    loop = asyncio.get_running_loop()
    while not await loop.run_in_executor(thread, journal.exists):  # noqa: ASYNC110 - its maker tells nobody
        await asyncio.sleep(poll_second)
    until = loop.time() + SHORTEST_DEADLINE_SECOND
    while True:
        try:
            return await loop.run_in_executor(thread, JournalReader, journal)
        except JournalError:
            if loop.time() >= until:
                raise
        await asyncio.sleep(poll_second)


def fit_row(points: list[ImpedancePoint], area_cm2: float) -> ImpedanceFitRow:
    """The fit of one complete sweep; a sweep that cannot be fitted is a row with no numbers and the flag ``not_fitted``."""
    frequency = np.array([point.frequency_hertz for point in points])
    impedance = np.array([complex(point.real_impedance_ohm, point.imaginary_impedance_ohm) for point in points])
    first = points[0]
    series = series_std = interface = interface_std = rms = None
    flags = {name for point in points for name in point.flags.split()}
    try:
        fit = fit_impedance(frequency, impedance)
    except AnalysisError:
        flags.add(FLAG_NOT_FITTED)
    else:
        series, series_std = fit.series_resistance_ohm, fit.series_resistance_ohm_std
        interface, interface_std = fit.interface_resistance_ohm, fit.interface_resistance_ohm_std
        rms = fit.residual_rms
        flags |= fit.flags
    return ImpedanceFitRow(
        run_id=first.run_id,
        cycle_count=first.cycle_count,
        unix_time_nanosecond=first.unix_time_nanosecond,
        sweep_count=first.sweep_count,
        series_resistance_ohm=series,
        series_resistance_ohm_std=series_std,
        interface_resistance_ohm=interface,
        interface_resistance_ohm_std=interface_std,
        area_specific_resistance_ohm_cm2=_times(interface, area_cm2),
        area_specific_resistance_ohm_cm2_std=_times(interface_std, area_cm2),
        residual_rms=rms,
        flags=" ".join(sorted(flags)),
        method_version=IMPEDANCE_VERSION,
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None or not math.isfinite(value) else value * factor


def _advance_to_end(rollup: Rollup) -> int:
    total = 0
    while True:
        total += rollup.advance()
        if rollup.finished():
            return total


def _run_position(run_id: str) -> str:
    return f"{POSITION}:{run_id}"


def _replay(reader: JournalReader, run: RunRollup, from_seq: int, until_seq: int) -> None:
    """Give a run its records ``from_seq`` … ``until_seq`` − 1 again; what they derive is in the store already."""
    seq = from_seq
    while seq < until_seq:
        records = reader.records(run.context.run_id, seq, min(PAGE_ROWS, until_seq - seq))
        if not records:
            break
        for record in records:
            run.take(record)
        seq = records[-1].seq + 1
    run.replay_seq = max(run.replay_seq, from_seq)
