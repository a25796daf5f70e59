"""From records to derived rows: follows the journal, and keeps beside it what `run_rows` derives from each run.

It owns no truth. Everything it writes can be deleted and computed again (`recompute`), and computing it again writes nothing new.
Within a run a cycle's records are kept until it is over; what a restart must read again is therefore remembered per run, as the
``seq`` of the last step before the open cycle (that step's voltage is where a full cell's charge begins). A run whose stored rows
are of another method version is derived from its beginning, so that its rows are of one kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from harness.analysis.run_rows import KnownRows, RunRows
from harness.clock import SHORTEST_DEADLINE_SECOND
from harness.errors import JournalError
from harness.model.derived import DerivedRow
from harness.model.records import Record, RunStarted, StepStarted
from harness.model.run import RunContext
from harness.store.derived import DerivedStore
from harness.store.derived_schema import key_of
from harness.stream.journal_reader import JournaledRun, JournalReader

POSITION = "rollup"
PAGE_ROWS = 5_000

log = structlog.get_logger(__name__)


class Rollup:
    """Moves derived rows on. `advance` reads what is new in the journal and returns how many rows it offered to the store."""

    def __init__(self, reader: JournalReader, store: DerivedStore) -> None:
        self._reader = reader
        self._store = store
        self._row = store.position(POSITION)
        self._runs: dict[str, RunRows] = {}

    def advance(self) -> int:
        """Use one page of the journal; ``0`` and no movement when there was none."""
        page, row = self._reader.tail(self._row, PAGE_ROWS)
        touched: dict[str, int] = {}
        found: list[tuple[RunContext, DerivedRow]] = []
        for context, record in page:
            run = self._runs.get(context.run_id)
            if run is None:
                run, missed = self._resumed(context, record)
                self._runs[context.run_id] = run
                found += [(context, one) for one in missed]
            touched.setdefault(context.run_id, run.replay_seq)
            found += [(context, one) for one in run.take(record)]
        _tell_faults(self._runs)
        total = _put(self._store, self._runs, found)
        self._remember(row, touched)
        return total

    def finished(self) -> bool:
        """Whether nothing is left to read now."""
        page, _ = self._reader.tail(self._row, 1)
        return not page

    def _remember(self, row: int, touched: dict[str, int]) -> None:
        """The journal's position first: after a crash between the two, a run is read again from too early, never too late."""
        if row != self._row:
            self._store.set_position(POSITION, row)
        self._row = row
        for run_id, before in touched.items():
            run = self._runs[run_id]
            if run.replay_seq != before:
                self._store.set_position(_run_position(run_id), run.replay_seq)
            if run.ended:
                del self._runs[run_id]

    def _resumed(self, context: RunContext, record: Record) -> tuple[RunRows, list[DerivedRow]]:
        """The state of a run up to ``record``, and the rows that are missing before it.

        The state is empty at the run's start, else read again from the last step before its open cycle.
        """
        known = known_rows(self._store, context.run_id)
        if isinstance(record, RunStarted):
            return RunRows(context, record.facts, known), []
        facts = next(run.facts for run in self._reader.runs() if run.context.run_id == context.run_id)
        if known.stale:
            run = RunRows(context, facts)
            return run, _replay(self._reader, run, 0, record.seq)
        seq = self._store.position(_run_position(context.run_id))
        seq = seq if seq <= record.seq else 0
        run = RunRows(context, facts, known, resumed=True, finished_cycle=self._cycle_at(context, seq))
        _replay(self._reader, run, seq, record.seq)
        run.replay_seq = max(run.replay_seq, seq)
        return run, []

    def _cycle_at(self, context: RunContext, seq: int) -> int | None:
        """The cycle of the step that begins at ``seq``, which is over; ``None`` at the run's start."""
        first = self._reader.records(context.run_id, seq, 1) if seq > 0 else []
        return first[0].cycle_count if first and isinstance(first[0], StepStarted) else None


def roll_up_once(reader: JournalReader, store: DerivedStore) -> int:
    """Derive everything the journal holds beyond the remembered position; how many rows were offered to the store.

    Idempotent: the store keeps unchanged rows as they are.
    """
    rollup = Rollup(reader, store)
    total = 0
    while True:
        total += rollup.advance()
        if rollup.finished():
            return total


def recompute(
    reader: JournalReader,
    store: DerivedStore,
    since_nanosecond: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Derive anew every run, whole, that lasts or ended after ``since_nanosecond`` (``None``: all of them); how many rows.

    The position that following goes on from stays, and so do the rows of cycles that are not over: they are for who follows.
    ``progress`` is told how many records of the journal were read, of how many.
    """
    chosen = [run for run in reader.runs() if since_nanosecond is None or not run.ended or run.last_nanosecond > since_nanosecond]
    total = 0
    for rows, done, of in _deriving(reader, store, chosen):
        total += rows
        if progress is not None:
            progress(done, of)
    return total


def _deriving(reader: JournalReader, store: DerivedStore, chosen: Sequence[JournaledRun]) -> Iterator[tuple[int, int, int]]:
    """Derive runs anew, a page of the journal at a time: how many rows, and how many records were read of how many."""
    runs = {run.context.run_id: RunRows(run.context, run.facts, early=False) for run in chosen}
    first = row = min((run.first_row for run in chosen), default=0) - 1
    last = reader.position() if chosen else row
    while row < last:
        page, row = reader.tail(row, PAGE_ROWS)
        mine = [(context, record) for context, record in page if context.run_id in runs]
        rows = _put(store, runs, [(context, one) for context, record in mine for one in runs[context.run_id].take(record)])
        _tell_faults(runs)
        yield rows, min(row, last) - first, last - first


def bring_up_to_date(reader: JournalReader, store: DerivedStore) -> Iterator[int]:
    """Derive anew every run that has ended and has rows of another method version, a page at a time: how many rows.

    A run that lasts is derived from its beginning when its next record comes.
    """
    stale = [run for run in reader.runs() if run.ended and known_rows(store, run.context.run_id).stale]
    if stale:
        log.info("deriving anew", runs=[run.context.run_id for run in stale])
    for rows, _, _ in _deriving(reader, store, stale):
        yield rows


def known_rows(store: DerivedStore, run_id: str) -> KnownRows:
    """What the store has of a run."""
    return KnownRows(store.cycles(run_id), store.fits(run_id), store.half_cycles(run_id), store.fit_start(run_id))


async def run_rollup(journal: Path, store: DerivedStore, *, poll_second: float = 0.5) -> None:
    """Follow the journal at ``journal``, which need not exist yet, until cancelled; look every ``poll_second`` of wall time.

    While nothing new comes, runs that have ended and are of another method version are derived anew, once. Reading, fitting and
    writing happen in a thread of their own.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="rollup")
    try:
        reader = await _opened(thread, journal, poll_second)
        try:
            rollup = await loop.run_in_executor(thread, Rollup, reader, store)
            older = bring_up_to_date(reader, store)
            while True:
                await loop.run_in_executor(thread, rollup.advance)
                if await loop.run_in_executor(thread, rollup.finished):
                    page = await loop.run_in_executor(thread, next, older, None)
                    await asyncio.sleep(poll_second if page is None else 0.0)
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


def _put(store: DerivedStore, runs: Mapping[str, RunRows], found: Iterable[tuple[RunContext, DerivedRow]]) -> int:
    """Keep rows, of each the last, with where the next fit of their run begins; how many rows."""
    written: dict[str, tuple[RunContext, dict[object, DerivedRow]]] = {}
    for context, row in found:
        written.setdefault(context.run_id, (context, {}))[1][key_of(row)] = row
    for context, rows in written.values():
        store.put(context, list(rows.values()), runs[context.run_id].fit_start)
    return sum(len(rows) for _, rows in written.values())


def _tell_faults(runs: Mapping[str, RunRows]) -> None:
    """Log what could not be derived. A version that mends the fault has another method version, and derives it."""
    for run_id, run in runs.items():
        for fault in run.faults:
            log.error("not derived", run=run_id, what=fault)
        run.faults.clear()


def _run_position(run_id: str) -> str:
    return f"{POSITION}:{run_id}"


def _replay(reader: JournalReader, run: RunRows, from_seq: int, until_seq: int) -> list[DerivedRow]:
    """Give a run its records ``from_seq`` … ``until_seq`` − 1 again; what they derive."""
    rows: list[DerivedRow] = []
    seq = from_seq
    while seq < until_seq:
        records = reader.records(run.context.run_id, seq, min(PAGE_ROWS, until_seq - seq))
        if not records:
            break
        for record in records:
            rows += run.take(record)
        seq = records[-1].seq + 1
    return rows
