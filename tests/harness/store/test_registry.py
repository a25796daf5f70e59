"""What an id means, revision by revision, whoever asks and whatever version wrote the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import BadInput, Refused, StoreError
from harness.model.anode import AnodeBuild, load_build, ready_builds
from harness.model.cell import Cell
from harness.model.run import Geometry
from harness.store.registry import Library, Registry, cell_from
from harness.store.registry_file import FILE, MIGRATIONS, USER_VERSION
from tests import facts

CELL = Cell(id="cu-01", build="bare", geometry=Geometry.DEPOSIT, counter="Li", area_cm2=1.267)
THICKER = facts.BARE.model_copy(update={"remarks": "measured again"})
SHELF = {"on-the-shelf": facts.STACK.model_copy(update={"id": "on-the-shelf"})}
LIBRARY = Library(names=lambda: list(SHELF), build=SHELF.__getitem__)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry that knows one build."""
    made = Registry(tmp_path, LIBRARY)
    made.put_build(facts.BARE, "ada")
    return made


def test_registry_keeps_a_correction_as_a_new_revision(registry: Registry, tmp_path: Path) -> None:
    """The same facts stay the same revision; other facts are the next one, and the newest is what counts."""
    assert registry.put_cell(CELL, "ada") == 1
    assert registry.put_cell(CELL, "bob") == 1
    corrected = CELL.model_copy(update={"area_cm2": 1.3})
    assert registry.put_cell(corrected, "bob") == 2
    found = Registry(tmp_path).cell("cu-01")
    assert (found.facts, found.revision, found.who, found.why, found.runs) == (corrected, 2, "bob", "", 0)
    assert [one.facts for one in registry.cell_history("cu-01")] == [CELL, corrected]


def test_registry_keeps_builds_with_all_their_facts(registry: Registry, tmp_path: Path) -> None:
    """A build comes back equal, gases, layers and unknowns included, in each of its revisions."""
    assert registry.put_build(facts.STACK, "ada") == 1
    assert registry.put_build(facts.STACK, "bob") == 1
    assert registry.put_build(facts.STACK.model_copy(update={"layers": None}), "bob") == 2
    again = Registry(tmp_path)
    assert [one.facts.layers for one in again.build_history("stack")] == [facts.STACK.layers, None]
    assert [one.facts for one in again.builds()] == [facts.BARE, facts.STACK.model_copy(update={"layers": None})]


def test_registry_keeps_every_ready_build(registry: Registry) -> None:
    """No ready build loses a fact on its way through the file."""
    for name in ready_builds():
        build = load_build(name)
        registry.put_build(build, "ada")
        assert registry.build(build.id).facts == build


def test_registry_wants_a_reason_once_a_run_has_used_it(registry: Registry) -> None:
    """Before any run a correction needs no reason; after one it does, for the cell and for its build, and keeps who and why."""
    registry.put_cell(CELL, "ada")
    registry.put_build(THICKER, "ada")
    pinned = registry.pinned("cu-01")
    registry.use(pinned, "cu-01-20260101t000000")
    registry.use(pinned, "cu-01-20260102t000000")
    corrected = CELL.model_copy(update={"counter": "Cu"})
    with pytest.raises(Refused, match=r"cell cu-01 has been used by a run, so its facts stand; say why .*--why"):
        registry.put_cell(corrected, "bob")
    with pytest.raises(Refused, match="build bare has been used by a run"):
        registry.put_build(facts.BARE, "bob", why="  ")
    assert registry.put_cell(CELL, "bob") == 1
    assert registry.put_cell(corrected, "bob", "the label was misread") == 2
    assert registry.put_build(facts.BARE, "bob", "the first measurement was right") == 3
    old, new = registry.cell_history("cu-01")
    assert (old.facts, old.runs, old.who, old.why) == (CELL, 2, "ada", "")
    assert (new.facts, new.runs, new.who, new.why) == (corrected, 0, "bob", "the label was misread")
    assert [one.runs for one in registry.build_history("bare")] == [0, 2, 0]


def test_registry_pins_what_holds_when_it_is_asked(registry: Registry) -> None:
    """A correction made between asking and using changes nothing of what a run pins."""
    registry.put_cell(CELL, "ada")
    pinned = registry.pinned("cu-01")
    registry.put_build(THICKER, "ada")
    registry.use(pinned, "r")
    assert (pinned.cell.facts, pinned.build.facts, pinned.build.revision) == (CELL, facts.BARE, 1)
    assert [one.runs for one in registry.build_history("bare")] == [1, 0]
    assert registry.pinned("cu-01").build.revision == 2


def test_registry_registers_a_ready_build_with_the_first_cell_that_names_it(registry: Registry) -> None:
    """A ready build needs no registering; once it is registered, its registered facts count."""
    registry.put_cell(CELL.model_copy(update={"build": "on-the-shelf"}), "ada")
    assert registry.build("on-the-shelf").facts == SHELF["on-the-shelf"]
    own = SHELF["on-the-shelf"].model_copy(update={"remarks": "ours"})
    registry.put_build(own, "ada")
    registry.put_cell(CELL.model_copy(update={"id": "cu-02", "build": "on-the-shelf"}), "ada")
    assert registry.pinned("cu-02").build.facts == own


def test_registry_names_what_it_knows(registry: Registry) -> None:
    """An unknown cell or build is bad input that says which are known; a refused cell leaves nothing behind."""
    with pytest.raises(BadInput, match=r'"gold" is neither registered \(known: bare\) nor a ready build .*harness build add'):
        registry.put_cell(CELL.model_copy(update={"build": "gold"}), "ada")
    assert registry.cells() == []
    registry.put_cell(CELL, "ada")
    with pytest.raises(BadInput, match=r'"cu-02" is not registered \(known: cu-01\)'):
        registry.cell("cu-02")
    with pytest.raises(BadInput, match=r'"gold" is not registered \(known: bare\)'):
        registry.build("gold")


def test_registry_gives_a_replicate_number_once(registry: Registry) -> None:
    """Two cells of one build and batch cannot be the same replicate; another batch, or a correction of the cell itself, can."""
    first = CELL.model_copy(update={"batch": "nov", "replicate": 1})
    registry.put_cell(first, "ada")
    registry.put_cell(first.model_copy(update={"area_cm2": 1.0}), "ada")
    registry.put_cell(first.model_copy(update={"id": "cu-02", "batch": "dec"}), "ada")
    with pytest.raises(BadInput, match="replicate: 1 of build bare, batch nov is cell cu-01 already; take another number"):
        registry.put_cell(first.model_copy(update={"id": "cu-03"}), "ada")


def old_file(directory: Path, *rows: tuple[str, int, str]) -> None:
    """A file as version 1 wrote it."""
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as database:
        for statement in MIGRATIONS[0]:
            database.execute(statement)
        database.execute("PRAGMA user_version = 1")
        for cell, revision, text in rows:
            database.execute("INSERT INTO cell VALUES (?, ?, '2026-01-01T00:00:00Z', 'ada', ?)", (cell, revision, text))


OLD = (
    '{"id":"cu-01","build":"stack-7","geometry":"deposit","counter":"Li","area_cm2":%s,'
    '"nominal_capacity_ah":null,"description":""}'
)


def test_registry_upgrades_a_file_of_version_1(tmp_path: Path) -> None:
    """Cells keep their revisions and count as used; the builds they name are there, with nothing known of them but the id."""
    old_file(tmp_path, ("cu-01", 1, OLD % "1.267"), ("cu-01", 2, OLD % "1.3"))
    registry = Registry(tmp_path)
    assert [one.facts.area_cm2 for one in registry.cell_history("cu-01")] == [1.267, 1.3]
    cell = CELL.model_copy(update={"build": "stack-7", "area_cm2": 1.3})
    assert registry.cell("cu-01").facts == cell
    assert registry.put_cell(cell, "bob") == 2
    with pytest.raises(Refused, match="cell cu-01 has been used"):
        registry.put_cell(CELL.model_copy(update={"build": "stack-7"}), "bob")
    build = registry.pinned("cu-01").build
    assert build.facts == AnodeBuild.model_validate({"id": "stack-7", "active": {}, "layers": None})
    assert (build.revision, build.who, build.why) == (1, "harness", "a cell named it before builds were registered")
    known = facts.STACK.model_copy(update={"id": "stack-7"})
    assert registry.put_build(known, "bob", "described at last") == 2
    assert Registry(tmp_path).build("stack-7").facts == known


def test_registry_upgrades_an_old_file_without_cells(tmp_path: Path) -> None:
    """A file in which nothing was registered yet is upgraded too."""
    old_file(tmp_path)
    registry = Registry(tmp_path)
    assert (registry.builds(), registry.cells()) == ([], [])


@pytest.mark.parametrize("table", ["cell", "build", "used"])
@pytest.mark.parametrize("change", ["UPDATE {} SET revision = 7", "DELETE FROM {}"])
def test_registry_cannot_be_rewritten_with_another_tool(registry: Registry, tmp_path: Path, table: str, change: str) -> None:
    """What was written stands, whoever opens the file."""
    registry.put_cell(CELL, "ada")
    registry.use(registry.pinned("cu-01"), "r")
    with (
        closing(sqlite3.connect(tmp_path / FILE)) as database,
        pytest.raises(sqlite3.IntegrityError, match="what was written stands"),
    ):
        database.execute(change.format(table))
    assert (registry.cell("cu-01").revision, registry.cell("cu-01").runs) == (1, 1)


def test_registry_is_read_while_another_process_writes(registry: Registry, tmp_path: Path) -> None:
    """Opening and reading a file that is up to date waits for no writer."""
    registry.put_cell(CELL, "ada")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert Registry(tmp_path).cell("cu-01").facts == CELL


def test_registry_of_newer_software_is_refused(tmp_path: Path) -> None:
    """A file of a later version is left alone."""
    Registry(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=f"it has version 99, this software knows {USER_VERSION}; update"):
        Registry(tmp_path)


def test_registry_that_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    """A directory in the file's place, or a file that is no database, is one sentence."""
    (tmp_path / "a" / FILE).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / FILE).write_text("no database" * 100)
    for name in ("a", "b"):
        with pytest.raises(StoreError, match="the registry of builds and cells cannot be used"):
            Registry(tmp_path / name)


@pytest.mark.parametrize(
    ("described", "complaint"),
    [
        ({"area_cm2": 0}, "cell.yaml: area_cm2: 0 does not fit: input should be greater than 0"),
        ({"geometry": "half"}, "cell.yaml: geometry:"),
        ({"id": "Cu 01"}, 'cell.yaml: id: "Cu 01" is not an id'),
        ({"mass": 3}, "cell.yaml: mass: this key is not known here"),
        ({"electrolyte_volume_ul": "-40"}, "cell.yaml: electrolyte_volume_ul:"),
        ({"stack_pressure_kpa": "inf"}, "cell.yaml: stack_pressure_kpa:"),
        ({"assembled_at": "yesterday"}, "cell.yaml: assembled_at:"),
        ({"batch": "B 7"}, 'cell.yaml: batch: "B 7" is not an id'),
        ({"replicate": 0}, "cell.yaml: replicate: 0 does not fit"),
        ({"counter": ""}, "cell.yaml: counter:"),
    ],
)
def test_cell_complaint_names_its_place(described: dict[str, object], complaint: str) -> None:
    """What is wrong with a cell's description is said with its place."""
    whole = {"id": "cu-01", "build": "b", "geometry": "deposit", "counter": "Li", "area_cm2": 1.2} | described
    with pytest.raises(BadInput) as caught:
        cell_from(whole, "cell.yaml")
    assert complaint in str(caught.value)


def test_cell_takes_all_that_is_known_of_it() -> None:
    """Everything but id, build, geometry, counter and area may be left out, and everything may be said."""
    least = {"id": "cu-01", "build": "b", "geometry": "deposit", "counter": "Li", "area_cm2": "1.2"}
    assert cell_from(least, "").electrolyte is None
    more = {"electrolyte": "1 M LiFSI DME", "electrolyte_volume_ul": "40", "separator": "PP", "stack_pressure_kpa": "120",
            "assembled_at": "2026-11-25", "batch": "nov", "replicate": 3, "nominal_capacity_ah": "0.0025"}  # fmt: skip
    cell = cell_from(least | more, "")
    assert Cell.model_validate_json(cell.model_dump_json()) == cell
    assert str(cell.assembled_at) == "2026-11-25"
