"""Reading the journal while its writer writes: every answer is a few short statements, and no snapshot outlives one.

The connection is read-only, so that it never checkpoints, and reads in autocommit. Records of one run lie among those of the
others; where the last question about a run ended is remembered, so that following a run costs what is new, not what is there.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import JournalError
from harness.model.records import Record
from harness.model.run import RunContext, RunFacts
from harness.stream import codec, schema

_BUSY_SECOND = 5.0
_RECORDS = f"{schema.RECORD_SQL} WHERE row BETWEEN ? AND ? AND run = ? AND seq >= ? ORDER BY row LIMIT ?"
_TAIL = f"{schema.RECORD_SQL} WHERE row > ? ORDER BY row LIMIT ?"
_LANDMARK = "SELECT row FROM landmark WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
_RUN = schema.RUN_SQL.replace("ORDER BY run", "WHERE run_id = ?")
_RUN_BY_NUMBER = schema.RUN_SQL.replace("ORDER BY run", "WHERE run = ?")


@dataclass(frozen=True, slots=True)
class JournaledRun:
    """A run as the journal has it; ``ended`` when its `RunEnded` is there, ``first_row`` its place for `JournalReader.tail`."""

    context: RunContext
    facts: RunFacts
    started_nanosecond: int
    last_seq: int
    last_nanosecond: int
    ended: bool
    first_row: int


@dataclass(frozen=True, slots=True)
class _Found:
    number: int
    run: JournaledRun
    last_row: int
    delivered: int


class JournalReader:
    """The journal at ``path``, read-only. Calls may come from any thread, one after the other.

    Raises:
        JournalError: the file is absent or not a journal; and in every call, when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._texts: dict[int, str] = {}
        self._facts: dict[int, RunFacts] = {}
        self._contexts: dict[int, RunContext] = {}
        self._hints: dict[str, tuple[int, int]] = {}
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            self._database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECOND, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._error(f"there is no journal that could be opened ({error})") from error
        try:
            self._check_version()
        except JournalError:
            self._database.close()
            raise

    def runs(self) -> list[JournaledRun]:
        """Every run, oldest first."""
        return [found.run for found in self._found(schema.RUN_SQL)]

    def records(self, run_id: str, from_seq: int = 0, limit: int = schema.PAGE_ROWS) -> list[Record]:
        """At most ``limit`` records of a run from ``from_seq`` on, in order; none of a run that is not there."""
        found = self._found(_RUN, run_id)
        if not found or limit <= 0:
            return []
        limit = min(limit, schema.PAGE_ROWS)
        run = found[0]
        rows: list[schema.Row] = []
        start = self._start_row(run, from_seq)
        while start <= run.last_row and len(rows) < limit:
            end = start + schema.WINDOW_ROWS - 1
            rows += self._select(_RECORDS, start, min(end, run.last_row), run.number, from_seq, limit - len(rows))
            start = end + 1
        if rows:
            self._hints[run_id] = (_integer(rows[-1][3]) + 1, _integer(rows[-1][0]) + 1)
        return [self._record(row) for row in rows]

    def all_records(self, run_id: str, from_seq: int = 0) -> Iterator[Record]:
        """Every record of a run from ``from_seq`` on, read in pages."""
        page = self.records(run_id, from_seq)
        while page:
            yield from page
            page = self.records(run_id, page[-1].seq + 1)

    def tail(self, after_row: int, limit: int = schema.PAGE_ROWS) -> tuple[list[tuple[RunContext, Record]], int]:
        """At most ``limit`` records of all runs after the position ``after_row``, as they were written, and the new position."""
        rows = self._select(_TAIL, after_row, min(limit, schema.PAGE_ROWS))
        found = [(self._context(_integer(row[1])), self._record(row)) for row in rows]
        return found, _integer(rows[-1][0]) if rows else after_row

    def position(self) -> int:
        """Where the journal ends now, for `tail`; 0 when it is empty."""
        return _integer(self._select("SELECT coalesce(max(row), 0) FROM record")[0][0])

    def delivered(self) -> dict[str, int]:
        """The publisher's cursor of every run, as last committed; −1 if nothing was delivered."""
        return {found.run.context.run_id: found.delivered for found in self._found(schema.RUN_SQL)}

    def close(self) -> None:
        """Close the file, once a call from another thread has returned."""
        with self._lock:
            self._database.close()

    def _check_version(self) -> None:
        application = self._select("PRAGMA application_id")[0][0]
        version = _integer(self._select("PRAGMA user_version")[0][0])
        if application != schema.APPLICATION_ID:
            raise self._error("it is not a journal; name another file")
        if version != schema.USER_VERSION:
            newer = version > schema.USER_VERSION
            cure = "update the software" if newer else "start its daemon once, which brings it up to date"
            raise self._error(f"its tables have version {version}, this software reads {schema.USER_VERSION}; {cure}")

    def _start_row(self, run: _Found, from_seq: int) -> int:
        seq, row = self._hints.get(run.run.context.run_id, (-1, 0))
        if 0 <= from_seq - seq < schema.LANDMARK_EVERY and seq >= 0:
            return row
        found = self._select(_LANDMARK, run.number, from_seq)
        return _integer(found[0][0]) if found else run.run.first_row

    def _record(self, row: schema.Row) -> Record:
        number = _integer(row[1])
        context = self._context(number)
        try:
            return schema.decode_row(row, context.run_id, self._text, self._facts[number])
        except (ValueError, KeyError) as error:
            raise self._error(f"row {row[0]} is damaged ({error}); restore the file from a copy") from error

    def _context(self, number: int) -> RunContext:
        if number not in self._contexts and not self._found(_RUN_BY_NUMBER, number):
            raise self._error(f"run number {number} has records but no beginning; restore the file from a copy")
        return self._contexts[number]

    def _text(self, number: int) -> str:
        if number not in self._texts:
            found = self._select("SELECT id, text FROM text WHERE id > ?", max(self._texts, default=0))
            self._texts.update((_integer(key), str(text)) for key, text in found)
        return self._texts[number]

    def _found(self, sql: str, *parameters: schema.Value) -> list[_Found]:
        rows = self._select(sql, *parameters)
        return [self._one_run(dict(zip(schema.RUN_COLUMNS, row, strict=True))) for row in rows]

    def _one_run(self, values: dict[str, schema.Value]) -> _Found:
        number = _integer(values["run"])
        if number not in self._facts:
            names = {name: str(values[name]) for name in ("station", "channel", "cell", "build", "run_id")}
            self._facts[number] = self._decoded_facts(str(values["facts"]), names["run_id"])
            self._contexts[number] = RunContext(**names)
        started, seq, last = (_integer(values[name]) for name in ("started_nanosecond", "last_seq", "last_nanosecond"))
        first, last_row, delivered = (_integer(values[name]) for name in ("first_row", "last_row", "delivered"))
        run = JournaledRun(self._contexts[number], self._facts[number], started, seq, last, bool(values["ended"]), first)
        return _Found(number, run, last_row, delivered)

    def _decoded_facts(self, text: str, run_id: str) -> RunFacts:
        try:
            return codec.decode_facts(text)
        except ValueError as error:
            raise self._error(f"the facts of run {run_id} are damaged ({error}); restore the file from a copy") from error

    def _select(self, sql: str, *parameters: schema.Value) -> list[schema.Row]:
        try:
            with self._lock:
                return self._database.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._error(f"reading the journal failed ({error})") from error

    def _error(self, what: str) -> JournalError:
        return JournalError(str(self._path), what)


def _integer(value: schema.Value) -> int:
    """``value``, of a column that holds integers only."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not an integer")
    return value
