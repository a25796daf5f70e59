"""The registry of anode builds and of the cells made from them: what each id means, revision by revision.

A correction is a new revision, with who and when; once a run has used a build or a cell, also with why. Nothing is ever
overwritten: a run pins the revisions it began with.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from harness.clock import iso_from_nanosecond, wall_nanosecond
from harness.errors import BadInput, Refused
from harness.model.anode import AnodeBuild, load_build, ready_builds
from harness.model.cell import Cell
from harness.model.written import json_of, validated
from harness.store.registry_file import RegistryFile

Facts = TypeVar("Facts", Cell, AnodeBuild)


@dataclass(frozen=True, slots=True)
class Library:
    """Builds that need no registering: they are registered when a cell names one."""

    names: Callable[[], Sequence[str]]
    build: Callable[[str], AnodeBuild]


READY = Library(ready_builds, load_build)


@dataclass(frozen=True, slots=True)
class Registered(Generic[Facts]):
    """One revision. ``why`` is "" where nobody had to say it; ``runs`` counts the runs that began with this revision."""

    facts: Facts
    revision: int
    written_at: str
    who: str
    why: str
    runs: int


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a run pins: a cell and its build in the revisions that hold when it starts."""

    cell: Registered[Cell]
    build: Registered[AnodeBuild]


class Registry:
    """The registry of one station. Short transactions; any process of the station may use it.

    Raises:
        StoreError: on opening and in every call, when its file cannot be used.
    """

    def __init__(self, state_directory: Path, library: Library = READY) -> None:
        self._file = RegistryFile(state_directory)
        self._library = library

    def put_build(self, build: AnodeBuild, who: str, why: str = "") -> int:
        """Register ``build``, as a new revision where its facts differ from the last; the revision that now holds.

        Raises:
            Refused: a run has used it and ``why`` is not given.
        """
        with self._file.transaction() as database:
            return _put(database, build, who, why)

    def put_cell(self, cell: Cell, who: str, why: str = "") -> int:
        """Register ``cell`` likewise, and on the way the ready build it names.

        Raises:
            BadInput: its build is neither registered nor ready, or another cell has its place among the replicates.
            Refused: a run has used it and ``why`` is not given.
        """
        with self._file.transaction() as database:
            self._ensure_build(database, cell.build, who)
            _check_replicate(database, cell)
            return _put(database, cell, who, why)

    def build(self, build_id: str) -> Registered[AnodeBuild]:
        """The newest revision of a build; `BadInput` naming the known ones if there is none."""
        return self.build_history(build_id)[-1]

    def build_history(self, build_id: str) -> list[Registered[AnodeBuild]]:
        """Every revision of a build, oldest first; `BadInput` if there is none."""
        with self._file.reading() as database:
            return _history(database, AnodeBuild, build_id)

    def builds(self) -> list[Registered[AnodeBuild]]:
        """Every build in its newest revision, by id."""
        with self._file.reading() as database:
            return _newest(database, AnodeBuild)

    def cell(self, cell_id: str) -> Registered[Cell]:
        """The newest revision of a cell; `BadInput` naming the known ones if there is none."""
        return self.cell_history(cell_id)[-1]

    def cell_history(self, cell_id: str) -> list[Registered[Cell]]:
        """Every revision of a cell, oldest first; `BadInput` if there is none."""
        with self._file.reading() as database:
            return _history(database, Cell, cell_id)

    def cells(self) -> list[Registered[Cell]]:
        """Every cell in its newest revision, by id."""
        with self._file.reading() as database:
            return _newest(database, Cell)

    def pinned(self, cell_id: str) -> Pinned:
        """A cell and its build as they hold now; `BadInput` naming the known cells if there is none."""
        with self._file.reading() as database:
            cell = _history(database, Cell, cell_id)[-1]
            return Pinned(cell, _history(database, AnodeBuild, cell.facts.build)[-1])

    def use(self, pinned: Pinned, run_id: str) -> None:
        """Note that ``run_id`` begins with these revisions; call it before the run is in the journal.

        A run that then does not begin leaves nothing behind but the demand that the next correction says why.
        """
        now = iso_from_nanosecond(wall_nanosecond())
        with self._file.transaction() as database:
            for one in (pinned.cell, pinned.build):
                named = (_table(type(one.facts)), one.facts.id, one.revision, run_id, now)
                database.execute("INSERT OR IGNORE INTO used VALUES (?, ?, ?, ?, ?)", named)

    def _ensure_build(self, database: sqlite3.Connection, build_id: str, who: str) -> None:
        if database.execute("SELECT 1 FROM build WHERE id = ?", (build_id,)).fetchone() is not None:
            return
        if build_id in self._library.names():
            _put(database, self._library.build(build_id), who, "")
            return
        known = ", ".join(_ids(database, "build")) or "none yet"
        raise BadInput(
            "build",
            f'"{build_id}" is neither registered (known: {known}) nor a ready build (harness build list shows them); '
            'describe it with "harness build add" first',
        )


def cell_from(data: object, source: str) -> Cell:
    """A cell as a person describes it, or `BadInput` with the place."""
    return validated(Cell, data, source)


def _table(made: type[Cell | AnodeBuild]) -> str:
    return "cell" if made is Cell else "build"


def _put(database: sqlite3.Connection, facts: Facts, who: str, why: str) -> int:
    table = _table(type(facts))
    history = _rows(database, type(facts), facts.id)
    if history and history[-1].facts == facts:
        return history[-1].revision
    used = sum(one.runs for one in history)
    if used and not why.strip():
        raise Refused(
            f"{table} {facts.id} has been used by a run, so its facts stand; say why they are corrected (--why), "
            "and they become a new revision"
        )
    revision = history[-1].revision + 1 if history else 1
    written_at = iso_from_nanosecond(wall_nanosecond())
    database.execute(
        f"INSERT INTO {table} (id, revision, written_at, who, facts, why) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - one of two
        (facts.id, revision, written_at, who, json_of(facts), why.strip()),
    )
    return revision


def _rows(database: sqlite3.Connection, made: type[Facts], wanted: str | None = None) -> list[Registered[Facts]]:
    """Every revision of one id or of all, by id and revision."""
    table = _table(made)
    found = database.execute(
        f"""SELECT facts, revision, written_at, who, why,
            (SELECT count(*) FROM used WHERE kind = '{table}' AND used.id = one.id AND used.revision = one.revision)
        FROM {table} AS one WHERE ?1 IS NULL OR id = ?1 ORDER BY id, revision""",  # noqa: S608 - one of two
        (wanted,),
    )
    return [Registered(made.model_validate_json(facts), *rest) for facts, *rest in found]


def _history(database: sqlite3.Connection, made: type[Facts], wanted: str) -> list[Registered[Facts]]:
    found = _rows(database, made, wanted)
    if found:
        return found
    table = _table(made)
    names = ", ".join(_ids(database, table)) or "none yet"
    raise BadInput(table, f'"{wanted}" is not registered (known: {names}); add it with "harness {table} add"')


def _newest(database: sqlite3.Connection, made: type[Facts]) -> list[Registered[Facts]]:
    return list({one.facts.id: one for one in _rows(database, made)}.values())


def _ids(database: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[0]) for row in database.execute(f"SELECT DISTINCT id FROM {table} ORDER BY id")]  # noqa: S608 - one of two


def _check_replicate(database: sqlite3.Connection, cell: Cell) -> None:
    """Two cells are never the same replicate of one build and batch."""
    if cell.replicate is None:
        return
    for other in _newest(database, Cell):
        place = (other.facts.build, other.facts.batch, other.facts.replicate)
        if other.facts.id != cell.id and place == (cell.build, cell.batch, cell.replicate):
            batch = "" if cell.batch is None else f", batch {cell.batch}"
            raise BadInput(
                "replicate",
                f"{cell.replicate} of build {cell.build}{batch} is cell {other.facts.id} already; take another number",
            )
