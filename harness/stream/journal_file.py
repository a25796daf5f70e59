"""The journal's file, open for writing: made, migrated, appended to, checkpointed. Blocking; used by the writer thread only.

A commit may fail, and what has become of it may be unknown: the disk may have kept what it refused to confirm. So after any
failure the connection is thrown away, and the next one asks the file how far it goes. Rows carry their numbers from the moment
they are queued, a commit is all or nothing, and rows the file already has are left out: trying again is always right.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import JournalError
from harness.stream import schema

_OPENING_SECOND = 5.0
_BUSY_MILLISECOND = 50

_ADD_RUN = "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_TEXT = "INSERT INTO text VALUES (?, ?)"
_ADD_LANDMARK = "INSERT INTO landmark VALUES (?, ?, ?)"
_SET_PROGRESS = """
INSERT INTO progress (run, last_row, last_seq, last_nanosecond, ended) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run) DO UPDATE SET last_row = excluded.last_row, last_seq = excluded.last_seq,
    last_nanosecond = excluded.last_nanosecond, ended = excluded.ended
"""
_SET_DELIVERED = "UPDATE progress SET delivered = ? WHERE run = ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """One record on its way to the file, with the rows of other tables that must come with it."""

    row: int
    run: int
    run_id: str
    seq: int
    unix_time_nanosecond: int
    ended: bool
    values: schema.Row
    texts: tuple[tuple[int, str], ...]
    run_row: schema.Row | None
    queued_at: float


class JournalFile:
    """The one connection that writes.

    Raises:
        JournalError: on opening, the file cannot be opened, is not a journal, or is of a later version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_row = 0
        try:
            self._database: sqlite3.Connection | None = self._connect("rwc")
            self._last_row = self._found_last_row(self._database)
        except sqlite3.Error as error:
            raise self._error(f"the journal cannot be opened ({error})") from error

    def rows(self, sql: str) -> list[schema.Row]:
        """All rows of a statement, while opening."""
        if self._database is None:
            raise self._error("it is closed")
        return self._database.execute(sql).fetchall()

    @property
    def last_row(self) -> int:
        """The number of the last durable row; 0 for none."""
        return self._last_row

    def commit(self, entries: Sequence[Entry], delivered: Mapping[int, int]) -> None:
        """Make ``entries`` and the cursors ``delivered`` (by run number) durable, all or none.

        Raises:
            JournalError: it is not known whether they are; call again with at least the same entries.
        """
        try:
            database = self._reopened() if self._database is None else self._database
            self._commit(database, [entry for entry in entries if entry.row > self._last_row], delivered)
        except (sqlite3.Error, JournalError) as error:
            self._drop()
            what = error.what if isinstance(error, JournalError) else f"a commit failed ({error})"
            raise self._error(what) from error
        if entries:
            self._last_row = entries[-1].row

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, unless a reader is in the way: then the next time."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.OperationalError):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Checkpoint and close."""
        self.checkpoint()
        self._drop()

    def _commit(self, database: sqlite3.Connection, entries: list[Entry], delivered: Mapping[int, int]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(_ADD_TEXT, [text for entry in entries for text in entry.texts])
        database.executemany(_ADD_RUN, [entry.run_row for entry in entries if entry.run_row is not None])
        database.executemany(schema.INSERT_RECORD, [entry.values for entry in entries])
        landmarks = [(entry.run, entry.seq, entry.row) for entry in entries if entry.seq % schema.LANDMARK_EVERY == 0]
        database.executemany(_ADD_LANDMARK, landmarks)
        database.executemany(_SET_PROGRESS, _progress(entries))
        database.executemany(_SET_DELIVERED, [(through, run) for run, through in delivered.items()])
        database.execute("COMMIT")

    def _reopened(self) -> sqlite3.Connection:
        database = self._connect("rw")
        found = self._found_last_row(database)
        if found < self._last_row:
            database.close()
            raise self._error(f"it ends at row {found}, but row {self._last_row} was written: it was replaced or restored")
        self._last_row = found
        self._database = database
        return database

    def _drop(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_OPENING_SECOND, check_same_thread=False)
        try:
            self._prepare(database)
        except (sqlite3.Error, JournalError):
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = _number(database, "PRAGMA user_version")
        tables = _number(database, "SELECT count(*) FROM sqlite_master")
        if tables > 0 and _number(database, "PRAGMA application_id") != schema.APPLICATION_ID:
            raise self._error("it is a database, but not a journal; name another file")
        if version > schema.USER_VERSION:
            raise self._error(
                f"its tables have version {version}, this software knows {schema.USER_VERSION}; update the software"
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(version, schema.USER_VERSION):
            _migrate(database, number)
        database.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECOND}")

    def _found_last_row(self, database: sqlite3.Connection) -> int:
        return _number(database, "SELECT coalesce(max(row), 0) FROM record")

    def _error(self, what: str) -> JournalError:
        return JournalError(str(self._path), what)


def _migrate(database: sqlite3.Connection, number: int) -> None:
    database.execute("BEGIN IMMEDIATE")
    for statement in schema.MIGRATIONS[number]:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {number + 1}")
    database.execute("COMMIT")


def _progress(entries: Sequence[Entry]) -> Iterable[tuple[int, int, int, int, bool]]:
    last = {entry.run: entry for entry in entries}
    return [(entry.run, entry.row, entry.seq, entry.unix_time_nanosecond, entry.ended) for entry in last.values()]


def _number(database: sqlite3.Connection, sql: str) -> int:
    return int(database.execute(sql).fetchone()[0])
