"""The embedded store of derived rows, and the outbox from which they are published.

One SQLite file beside the journal; the rollup is its only writer. It can be deleted and computed again.

A row's key is (run, quantity, what it is of, method version), where the quantity is the table (see `derived_schema`). Each row
written gets the next ``seq`` of its run. A row that is computed again and has changed is written anew under a *new* ``seq``, and
the old ``seq`` vanishes: unlike a journal's, these numbers have holes. What the publisher needs still holds:

* numbers only rise, and the highest number of a run always belongs to a row that is there;
* a number that is missing between two that `DerivedStore.read` returns, or before the first, is superseded for ever by a
  higher one, so that a batch that ends with row ``n`` settles every number up to ``n``, returned or not.

Of a row that stands there in several method versions the one written last is the newest. The others stay in the file, but
`DerivedStore.read` leaves them out: they are superseded, too, and where the last write wins none may come after its successor.

A row that is computed again and has not changed is not written: nothing is published twice without need.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Self, TypeVar

from harness.errors import StoreError
from harness.model.derived import CycleRow, DerivedRow, FitStart, HalfCycleRow, ImpedanceFitRow
from harness.model.run import RunContext
from harness.store.derived_schema import ALL_TABLES, MIGRATIONS, TABLES, USER_VERSION
from harness.stream.codec import Kind, encode_derived

_BUSY_SECOND = 10.0

_ADD_RUN = """
INSERT INTO run VALUES (?, ?, ?, ?, ?, -1, -1)
ON CONFLICT (run_id) DO NOTHING
"""

Row = TypeVar("Row", CycleRow, ImpedanceFitRow, HalfCycleRow)


class DerivedStore:
    """Derived rows at ``path``. Calls are short, and may come from any thread.

    Raises:
        StoreError: on opening and in every call, when the file cannot be used.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        with self._complaining("opening"):
            self._database = _connect(path, read_only=read_only)
            try:
                version = _prepared(self._database, read_only=read_only)
            except sqlite3.Error:
                self._database.close()
                raise
        if version != USER_VERSION:
            self._database.close()
            cure = "delete the file" if version > USER_VERSION else "start its rollup once, which brings it up to date"
            raise StoreError(str(path), f"its tables have version {version}, this software knows {USER_VERSION}; {cure}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def put(self, context: RunContext, rows: Sequence[DerivedRow], start: FitStart | None = None) -> None:
        """Keep ``rows`` of one run, all or none, each in place of the row with the same key; unchanged rows are left alone.

        With them goes the ``start`` of the run's next fit. It is published to nobody.
        """
        with self._complaining("writing"), self._transaction() as database:
            known = (context.run_id, context.station, context.channel, context.cell, context.build)
            database.execute(_ADD_RUN, known)
            seq = int(database.execute("SELECT last_seq FROM run WHERE run_id = ?", (context.run_id,)).fetchone()[0])
            for row in rows:
                if row.run_id != context.run_id:
                    raise StoreError(str(self.path), f"a row of {row.run_id} was given as one of {context.run_id}")
                seq += _write(database, row, seq + 1)
            if start is not None:
                values = (context.run_id, *astuple(start))
                database.execute("INSERT OR REPLACE INTO fit_start VALUES (?, ?, ?, ?)", values)
            database.execute("UPDATE run SET last_seq = ? WHERE run_id = ?", (seq, context.run_id))
        for listener in self._listeners:
            listener()

    def cycles(self, run_id: str | None = None) -> list[CycleRow]:
        """The cycles of one run, or of all, in the newest method version."""
        return self._newest(CycleRow, run_id)

    def fits(self, run_id: str | None = None) -> list[ImpedanceFitRow]:
        """The impedance fits of one run, or of all, in the newest method version."""
        return self._newest(ImpedanceFitRow, run_id)

    def half_cycles(self, run_id: str | None = None) -> list[HalfCycleRow]:
        """The half cycles of one run, or of all, in the newest method version."""
        return self._newest(HalfCycleRow, run_id)

    def fit_start(self, run_id: str) -> FitStart | None:
        """Where the next fit of a run begins; ``None`` before its first."""
        rows = self._select("SELECT sweep_count, method_version, text FROM fit_start WHERE run_id = ?", (run_id,))
        return FitStart(*rows[0]) if rows else None

    def position(self, name: str) -> int:
        """How far the reader ``name`` has come in what it follows; 0 at first."""
        rows = self._select("SELECT row FROM position WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def set_position(self, name: str, row: int) -> None:
        """Remember that ``name`` has come to ``row``."""
        with self._complaining("writing"), self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (name, row))

    def runs(self) -> list[tuple[RunContext, int, int]]:
        """Every run with its last seq and the last delivered one, −1 for none."""
        rows = self._select("SELECT station, channel, cell, build, run_id, last_seq, delivered_seq FROM run ORDER BY run_id", ())
        return [(RunContext(*row[:5]), int(row[5]), int(row[6])) for row in rows]

    def read(self, run_id: str, from_seq: int, limit: int) -> list[tuple[int, DerivedRow]]:
        """At most ``limit`` newest rows of seq ``from_seq`` or more, in its order; about holes see the head of this module."""
        found: list[tuple[int, DerivedRow]] = []
        for made, table in ALL_TABLES.items():
            found += [(row[-1], made(*row[:-1])) for row in self._select(table.read, (run_id, from_seq, limit))]
        return sorted(found, key=lambda pair: pair[0])[:limit]

    def set_delivered(self, run_id: str, through: int) -> None:
        """Remember that every row up to the seq ``through`` is stored; a smaller number makes later ones due again."""
        with self._complaining("writing"), self._transaction() as database:
            database.execute("UPDATE run SET delivered_seq = ? WHERE run_id = ?", (through, run_id))

    def commits_elsewhere(self) -> int:
        """A number that changes when another connection, also of another process, has written to the file."""
        return int(self._select("PRAGMA data_version", ())[0][0])

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every `put`, in the thread of its caller."""
        self._listeners.append(listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` no more."""
        self._listeners.remove(listener)

    def _newest(self, made: type[Row], run_id: str | None) -> list[Row]:
        return [made(*row[:-1]) for row in self._select(ALL_TABLES[made].newest, (run_id,))]

    def _select(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._complaining("reading"), self._lock:
            return self._database.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _complaining(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(str(self.path), f"{what} derived rows failed ({error}); check the disk and the file") from error


class DerivedOutbox:
    """What the publisher takes derived rows from: each row as a line, under its delivery ``seq``. Made in an event loop.

    What another process writes into the same file is seen within ``look_second``; what this one does, at once.
    """

    kind: Kind = "derived"

    def __init__(self, store: DerivedStore, *, look_second: float = 1.0) -> None:
        self._store = store
        self._look_second = look_second
        self._seen = store.commits_elsewhere()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        store.add_listener(self._wake)

    def close(self) -> None:
        """Listen no more; the store stays open."""
        self._store.remove_listener(self._wake)

    def runs(self) -> list[tuple[RunContext, int, int]]:
        """Every run with its last and its last delivered seq, −1 for none."""
        return self._store.runs()

    def read(self, run_id: str, from_seq: int, limit: int) -> list[tuple[int, str]]:
        """At most ``limit`` lines from the seq ``from_seq`` on; a missing seq is superseded and needs no delivery."""
        context = next(context for context, _, _ in self._store.runs() if context.run_id == run_id)
        return [(seq, encode_derived(context, row, seq)) for seq, row in self._store.read(run_id, from_seq, limit)]

    def set_delivered(self, run_id: str, through: int) -> None:
        """Every row up to the seq ``through`` is stored."""
        self._store.set_delivered(run_id, through)

    async def wait(self) -> None:
        """Return when something was put since the last call; at once if it already was. For one waiter."""
        while not self._changed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_second):
                    await self._changed.wait()
            found = await asyncio.to_thread(self._store.commits_elsewhere)
            if found != self._seen:
                self._seen = found
                break
        self._changed.clear()

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECOND, check_same_thread=False)


def _prepared(database: sqlite3.Connection, *, read_only: bool) -> int:
    """The version of the tables, which are made where there are none and brought up to date where they are older."""
    version = _version(database)
    if read_only or version >= USER_VERSION:
        return version
    database.execute("BEGIN IMMEDIATE")
    before = version = _version(database)  # another process may have been first
    while version < USER_VERSION:
        script, version = (TABLES, USER_VERSION) if version == 0 else (MIGRATIONS[version], version + 1)
        for statement in script.split(";"):
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {version}")
    database.execute("COMMIT")
    if before == 0:
        # The log comes after the tables, so that a file that is not empty has them.
        database.execute("PRAGMA journal_mode = WAL")
    return version


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _write(database: sqlite3.Connection, row: DerivedRow, seq: int) -> int:
    """Write ``row`` as ``seq``; the number of rows written, 0 if the very same one stands there and is the newest."""
    table, values = ALL_TABLES[type(row)], astuple(row)
    key = (row.run_id, *(getattr(row, name) for name in table.key), row.method_version)
    found = database.execute(table.find, key).fetchone()
    if found is not None and found[:-1] == values:
        return 0
    database.execute(table.add, (*values, seq))
    return 1
