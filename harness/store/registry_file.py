"""The registry's file: its tables, how an old file becomes a new one, and short transactions. Knows no cells and no builds.

``cell`` and ``build`` have one row per revision. ``used`` says which run began with which revision; rows of version 1, which
did not keep count, count as used by the run ``""``, and the builds that their cells name became builds of which nothing else
is known. Triggers keep everybody, also a person with another tool, from changing what was written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.errors import StoreError

FILE = "registry.sqlite"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE cell (
            id TEXT NOT NULL, revision INTEGER NOT NULL, written_at TEXT NOT NULL, who TEXT NOT NULL, facts TEXT NOT NULL,
            PRIMARY KEY (id, revision)) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE cell ADD COLUMN why TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE build (
            id TEXT NOT NULL, revision INTEGER NOT NULL, written_at TEXT NOT NULL, who TEXT NOT NULL, facts TEXT NOT NULL,
            why TEXT NOT NULL, PRIMARY KEY (id, revision)) WITHOUT ROWID""",
        """CREATE TABLE used (
            kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, run_id TEXT NOT NULL, used_at TEXT NOT NULL,
            PRIMARY KEY (kind, id, revision, run_id)) WITHOUT ROWID""",
        """INSERT INTO build
            SELECT json_extract(facts, '$.build'), 1, min(written_at), 'harness',
                json_object('id', json_extract(facts, '$.build'), 'active', json('{}'), 'layers', NULL),
                'a cell named it before builds were registered'
            FROM cell GROUP BY json_extract(facts, '$.build')""",
        "INSERT INTO used SELECT 'cell', id, revision, '', written_at FROM cell",
        "INSERT INTO used SELECT 'build', id, revision, '', written_at FROM build",
        *(
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'what was written stands'); END"
            for table in ("cell", "build", "used")
            for verb in ("UPDATE", "DELETE")
        ),
    ),
)
"""What makes each version of the tables out of the one before; the first out of nothing."""

USER_VERSION = len(MIGRATIONS)


class RegistryFile:
    """``registry.sqlite`` in a state directory. Any process of the station may use it; nobody holds it for long.

    Raises:
        StoreError: on opening and in every call, when the file cannot be used.
    """

    def __init__(self, state_directory: Path) -> None:
        self._path = state_directory / FILE
        state_directory.mkdir(parents=True, exist_ok=True)
        with self.reading() as database:
            version = _version(database)
        if version > USER_VERSION:
            raise StoreError(
                str(self._path), f"it has version {version}, this software knows {USER_VERSION}; update the software"
            )
        if version < USER_VERSION:
            with self.transaction() as database:
                _migrate(database)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The one writer of this moment; what was done is kept at the end, all or nothing."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent look."""
        with self._open() as database:
            database.execute("BEGIN")
            yield database

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=5.0, isolation_level=None)) as database:
                yield database
        except sqlite3.Error as error:
            raise StoreError(str(self._path), f"the registry of builds and cells cannot be used ({error})") from error


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection) -> None:
    """Bring the tables up to date, unless another process has just done so."""
    for migration in MIGRATIONS[_version(database) :]:
        for statement in migration:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {USER_VERSION}")
