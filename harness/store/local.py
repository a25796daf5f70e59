"""The embedded store: a station's own directory, read while the daemon writes.

Measured data come straight from the journal's tables, in statements of at most 20 000 rows, so that the writer can empty its log
between them; derived rows come from ``derived.sqlite``, which the rollup makes when it first runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import polars as pl

from harness.errors import JournalError
from harness.model.derived import DerivedRow
from harness.model.records import Record, RunEnded
from harness.model.run import RunContext, RunFacts
from harness.store.base import (
    ALL_SEQ,
    CYCLES,
    DOCUMENTS,
    EVENTS,
    HALF_CYCLES,
    IMPEDANCE,
    IMPEDANCE_FITS,
    SAMPLES,
    Ended,
    document_row,
    event_row,
    run_frame,
    run_row,
)
from harness.store.derived import DerivedStore
from harness.store.sqlite_frames import Engine, open_frames
from harness.stream import codec, schema

JOURNAL_NAME = "journal.sqlite"
DERIVED_NAME = "derived.sqlite"

_RUN_TEXTS = frozenset({"run_id", "station", "channel", "cell", "build", "facts"})
_RUN_SCHEMA = pl.Schema({name: pl.String if name in _RUN_TEXTS else pl.Int64 for name in schema.RUN_COLUMNS})
_EVENT_SCHEMA = pl.Schema({"seq": pl.Int64, "unix_time_nanosecond": pl.Int64, "kind": pl.Int64, "payload": pl.String})
_EVENTS = """
SELECT seq, unix_time_nanosecond, kind, payload FROM record
WHERE row BETWEEN ? AND ? AND run = ? AND kind NOT IN (?, ?) ORDER BY row
"""
_VERSION = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
_VERSION_SCHEMA = pl.Schema({"application_id": pl.Int64, "user_version": pl.Int64})
_LANDMARK = "SELECT row FROM landmark WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
_LANDMARK_SCHEMA = pl.Schema({"row": pl.Int64})


class _Run(NamedTuple):
    """A run as the journal's table of runs has it."""

    number: int
    context: RunContext
    started_nanosecond: int
    facts: RunFacts
    first_row: int
    last_row: int
    ended: bool


class LocalStore:
    """The station in ``directory``. Calls may come from any thread.

    ``engine="adbc"`` is faster, and only for processes in which nothing else opens this journal: not the daemon's.

    Raises:
        JournalError: on opening and in every call, when the journal is absent, of another version or unreadable.
    """

    def __init__(self, directory: Path, *, engine: Engine = "sqlite3") -> None:
        self._path = directory / JOURNAL_NAME
        self._derived_path = directory / DERIVED_NAME
        self._derived: DerivedStore | None = None
        self._lock = threading.Lock()
        self._facts: dict[str, RunFacts] = {}
        self._frames = open_frames(self._path, engine)
        try:
            self._check_version()
        except JournalError:
            self._frames.close()
            raise

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        if self._derived is not None:
            self._derived.close()

    def runs(self) -> pl.DataFrame:
        """Every run, as `RUNS`."""
        return run_frame([run_row(run.context, run.started_nanosecond, self._ended(run), run.facts) for run in self._runs()])

    def documents(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What ``run_ids`` pinned whole, as `DOCUMENTS`."""
        rows = [document_row(run.context.run_id, run.facts) for run in self._wanted(run_ids)]
        return pl.DataFrame(rows, DOCUMENTS, orient="row")

    def samples(self, run_ids: Sequence[str], *, after_seq: int = ALL_SEQ) -> pl.DataFrame:
        """The samples of ``run_ids`` above ``after_seq``, as `SAMPLES`."""
        return self._measured(schema.SAMPLE_SQL, schema.SAMPLE_COLUMNS, run_ids, SAMPLES, after_seq)

    def impedance(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance points of ``run_ids``, as `IMPEDANCE`."""
        return self._measured(schema.IMPEDANCE_SQL, schema.IMPEDANCE_COLUMNS, run_ids, IMPEDANCE, ALL_SEQ)

    def events(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What happened in ``run_ids``, as `EVENTS`."""
        rows = [event_row(run.context, record) for run in self._wanted(run_ids) for record in self._event_records(run)]
        return pl.DataFrame(rows, EVENTS, orient="row")

    def cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The cycles of ``run_ids``, as `CYCLES`."""
        return self._derived_frame(run_ids, CYCLES, DerivedStore.cycles)

    def impedance_fits(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance fits of ``run_ids``, as `IMPEDANCE_FITS`."""
        return self._derived_frame(run_ids, IMPEDANCE_FITS, DerivedStore.fits)

    def half_cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The half cycles of ``run_ids``, as `HALF_CYCLES`."""
        return self._derived_frame(run_ids, HALF_CYCLES, DerivedStore.half_cycles)

    def _derived_frame(
        self, run_ids: Sequence[str], shape: pl.Schema, ask: Callable[[DerivedStore, str], Sequence[DerivedRow]]
    ) -> pl.DataFrame:
        derived = self._derived_store()
        if derived is None:
            return shape.to_frame()
        rows = [
            {"channel": run.context.channel, "cell": run.context.cell, "build": run.context.build, **asdict(row)}
            for run in self._wanted(run_ids)
            for row in ask(derived, run.context.run_id)
        ]
        return pl.DataFrame(rows, shape)

    def _measured(
        self, sql: str, columns: Sequence[str], run_ids: Sequence[str], shape: pl.Schema, after_seq: int
    ) -> pl.DataFrame:
        page_schema = pl.Schema({name: shape[name] for name in columns})
        frames = [shape.to_frame()]
        for run in self._wanted(run_ids):
            for first, last in _windows(self._start_row(run, after_seq), run.last_row):
                page = self._frames.select(sql, (first, last, run.number), page_schema)
                frames.append(page.select(pl.lit(run.context.run_id).alias("run_id"), pl.all()))
        found = pl.concat(frames).select(list(shape))
        return found if after_seq == ALL_SEQ else found.filter(pl.col("seq") > after_seq)

    def _event_records(self, run: _Run, first_row: int | None = None) -> Iterator[Record]:
        start = run.first_row if first_row is None else first_row
        for first, last in _windows(start, run.last_row):
            kinds = (schema.SAMPLE_KIND, schema.IMPEDANCE_KIND)
            page = self._frames.select(_EVENTS, (first, last, run.number, *kinds), _EVENT_SCHEMA)
            for seq, stamp, kind, payload in page.iter_rows():
                yield self._event_record(run, (seq, stamp, kind, payload))

    def _event_record(self, run: _Run, values: tuple[int, int, int, str | None]) -> Record:
        seq, stamp, kind, payload = values
        row = (0, run.number, kind, seq, stamp, *(None for _ in schema.VALUE_COLUMNS), payload)
        try:
            return schema.decode_row(row, run.context.run_id, str, run.facts)
        except ValueError as error:
            what = f"run {run.context.run_id}, seq {seq} is damaged ({error}); restore the file from a copy"
            raise JournalError(str(self._path), what) from error

    def _ended(self, run: _Run) -> Ended | None:
        """The end of a run is its last record."""
        if not run.ended:
            return None
        last = next(iter(self._event_records(run, run.last_row)), None)
        return (last.unix_time_nanosecond, last.completed, last.reason) if isinstance(last, RunEnded) else None

    def _start_row(self, run: _Run, after_seq: int) -> int:
        if after_seq == ALL_SEQ:
            return run.first_row
        found = self._frames.select(_LANDMARK, (run.number, after_seq), _LANDMARK_SCHEMA)
        return run.first_row if found.is_empty() else int(found["row"][0])

    def _wanted(self, run_ids: Sequence[str]) -> list[_Run]:
        if not run_ids:
            return []
        known = {run.context.run_id: run for run in self._runs()}
        order = sorted(known.values(), key=lambda run: (run.started_nanosecond, run.context.run_id))
        wanted = set(run_ids)
        return [run for run in order if run.context.run_id in wanted]

    def _runs(self) -> list[_Run]:
        found = self._frames.select(schema.RUN_SQL, (), _RUN_SCHEMA)
        return [self._one_run(values) for values in found.iter_rows(named=True)]

    def _one_run(self, values: dict[str, object]) -> _Run:
        names = {name: str(values[name]) for name in ("station", "channel", "cell", "build", "run_id")}
        number, started, first, last = (int(str(values[name])) for name in ("run", "started_nanosecond", "first_row", "last_row"))
        facts = self._decoded(names["run_id"], str(values["facts"]))
        return _Run(number, RunContext(**names), started, facts, first, last, bool(values["ended"]))

    def _decoded(self, run_id: str, text: str) -> RunFacts:
        if run_id not in self._facts:
            try:
                self._facts[run_id] = codec.decode_facts(text)
            except ValueError as error:
                what = f"the facts of run {run_id} are damaged ({error}); restore the file from a copy"
                raise JournalError(str(self._path), what) from error
        return self._facts[run_id]

    def _derived_store(self) -> DerivedStore | None:
        with self._lock:
            if self._derived is None and self._derived_path.is_file() and self._derived_path.stat().st_size > 0:
                self._derived = DerivedStore(self._derived_path, read_only=True)
            return self._derived

    def _check_version(self) -> None:
        application, version = self._frames.select(_VERSION, (), _VERSION_SCHEMA).row(0)
        if application != schema.APPLICATION_ID:
            raise JournalError(str(self._path), "it is not a journal; name the directory of a station")
        if version != schema.USER_VERSION:
            cure = "update the software" if version > schema.USER_VERSION else "start its daemon once, which brings it up to date"
            raise JournalError(str(self._path), f"its tables have version {version}, this reads {schema.USER_VERSION}; {cure}")


def _windows(first_row: int, last_row: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows small enough for one statement."""
    for start in range(first_row, last_row + 1, schema.PAGE_ROWS):
        yield start, min(start + schema.PAGE_ROWS - 1, last_row)
