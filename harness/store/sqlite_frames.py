"""Statements on an SQLite file that somebody else is writing, answered as frames of declared columns. Read-only.

Two libraries can do it. The standard library's is right everywhere. The Arrow driver (adbc) is twice as fast, but brings an
SQLite of its own, and two SQLite libraries on one file in one process drop each other's locks: it is for processes in which
nothing else opens the file. Both read in autocommit: a snapshot that outlived its statement would keep the write-ahead log from
being emptied.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, assert_never

import adbc_driver_manager
import adbc_driver_sqlite.dbapi
import polars as pl

from harness.errors import JournalError

Engine = Literal["sqlite3", "adbc"]

_BUSY_SECOND = 5.0
_SAMPLE_VALUES = {"Int64": "0", "Float64": "0.0", "String": "''"}


class FrameReader(Protocol):
    """One file. Calls may come from any thread; each raises `JournalError` when it cannot be answered."""

    def select(self, sql: str, parameters: Sequence[int], schema: pl.Schema) -> pl.DataFrame:
        """The rows of ``sql``, whose columns are those of ``schema``, in its order."""

    def close(self) -> None:
        """Close the file."""


def open_frames(path: Path, engine: Engine) -> FrameReader:
    """A reader of the file at ``path``; see the head of this module for ``engine``."""
    match engine:
        case "sqlite3":
            return _StandardReader(path)
        case "adbc":
            return _ArrowReader(path)
        case _:
            assert_never(engine)


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


class _StandardReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        uri = _read_only(path)
        try:
            self._database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECOND, check_same_thread=False)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error

    def select(self, sql: str, parameters: Sequence[int], schema: pl.Schema) -> pl.DataFrame:
        try:
            with self._lock:
                rows = self._database.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self._path, error) from error
        if not rows:
            return schema.to_frame()
        columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
        return pl.DataFrame([pl.Series(name, values, dtype=kind) for (name, kind), values in columns])

    def close(self) -> None:
        with self._lock:
            self._database.close()


class _ArrowReader:
    """The driver takes a column's type from its first value, and any type from none: a row of ours goes first, and is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._database = adbc_driver_sqlite.dbapi.connect(_read_only(path), autocommit=True)
        except adbc_driver_manager.Error as error:
            raise _unreadable(path, error) from error

    def select(self, sql: str, parameters: Sequence[int], schema: pl.Schema) -> pl.DataFrame:
        first = ", ".join(f"{_SAMPLE_VALUES[str(kind)]} AS {name}" for name, kind in schema.items())
        statement = f"SELECT {first} UNION ALL SELECT * FROM ({sql})"  # noqa: S608 - names of ours only
        try:
            with self._lock, self._database.cursor() as cursor:
                cursor.execute(statement, tuple(parameters))
                found = pl.DataFrame(cursor.fetch_polars())
        except adbc_driver_manager.Error as error:
            raise _unreadable(self._path, error) from error
        return found.slice(1).cast(schema)

    def close(self) -> None:
        with self._lock:
            self._database.close()


def _unreadable(path: Path, error: Exception) -> JournalError:
    return JournalError(str(path), f"it cannot be read ({error}); check that the path is that of a station and its disk")
