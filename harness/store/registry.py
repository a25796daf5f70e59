"""The registry of cells: what each id means, revision by revision. A correction is a new revision, with who and when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.clock import iso_from_nanosecond, wall_nanosecond
from harness.errors import BadInput, StoreError
from harness.model.cell import Cell
from harness.model.written import validated

FILE = "registry.sqlite"
_VERSION = 1
_SCHEMA = """
CREATE TABLE cell (
  id TEXT NOT NULL, revision INTEGER NOT NULL, written_at TEXT NOT NULL, who TEXT NOT NULL, facts TEXT NOT NULL,
  PRIMARY KEY (id, revision)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class RegisteredCell:
    """A cell and the revision of its facts."""

    cell: Cell
    revision: int


class Registry:
    """``registry.sqlite`` in a state directory. Short transactions; any process of the station may use it."""

    def __init__(self, state_directory: Path) -> None:
        self._path = state_directory / FILE
        state_directory.mkdir(parents=True, exist_ok=True)
        with closing(self._open()) as database, database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise StoreError(
                    str(self._path), f"it has version {version}, this software knows {_VERSION}; update the software"
                )

    def put(self, cell: Cell, who: str) -> int:
        """Register ``cell``, as a new revision where its facts differ from the last; the revision that now holds."""
        facts = cell.model_dump_json()
        with closing(self._open()) as database, database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute("SELECT revision, facts FROM cell WHERE id = ? ORDER BY revision DESC", (cell.id,)).fetchone()
            if row is not None and row[1] == facts:
                return int(row[0])
            revision = 1 if row is None else int(row[0]) + 1
            written_at = iso_from_nanosecond(wall_nanosecond())
            database.execute("INSERT INTO cell VALUES (?, ?, ?, ?, ?)", (cell.id, revision, written_at, who, facts))
        return revision

    def get(self, cell_id: str) -> RegisteredCell:
        """The newest revision of a cell; `BadInput` naming the known ones if there is none."""
        for known in (cells := self.cells()):
            if known.cell.id == cell_id:
                return known
        names = ", ".join(known.cell.id for known in cells) or "none yet"
        raise BadInput("cell", f'"{cell_id}" is not registered (known: {names}); add it with "harness cell add"')

    def cells(self) -> list[RegisteredCell]:
        """Every cell in its newest revision, by id."""
        query = "SELECT facts, max(revision) FROM cell GROUP BY id ORDER BY id"
        with closing(self._open()) as database:
            return [RegisteredCell(Cell.model_validate_json(facts), revision) for facts, revision in database.execute(query)]

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0, isolation_level=None)


def cell_from(data: object, source: str) -> Cell:
    """A cell as a person describes it, or `BadInput` with the place."""
    return validated(Cell, data, source)
