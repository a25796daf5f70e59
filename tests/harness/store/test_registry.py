from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.errors import BadInput, StoreError
from harness.model.cell import Cell
from harness.model.run import Geometry
from harness.store.registry import FILE, Registry, cell_from

CELL = Cell(id="cu-01", build="stack-7", geometry=Geometry.DEPOSIT, counter="Li", area_cm2=1.267)


def test_registry_keeps_a_correction_as_a_new_revision(tmp_path: Path) -> None:
    """The same facts stay the same revision; other facts are the next one, and the newest is what counts."""
    registry = Registry(tmp_path)
    assert registry.put(CELL, "ada") == 1
    assert registry.put(CELL, "ada") == 1
    corrected = CELL.model_copy(update={"area_cm2": 1.3})
    assert registry.put(corrected, "ada") == 2
    found = Registry(tmp_path).get("cu-01")
    assert (found.cell, found.revision) == (corrected, 2)


def test_registry_names_the_cells_it_knows(tmp_path: Path) -> None:
    """An unknown cell is bad input that says which are known."""
    registry = Registry(tmp_path)
    registry.put(CELL, "ada")
    with pytest.raises(BadInput, match=r'"cu-02" is not registered \(known: cu-01\)'):
        registry.get("cu-02")


def test_registry_of_newer_software_is_refused(tmp_path: Path) -> None:
    """A file of a later version is left alone."""
    Registry(tmp_path)
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="it has version 99, this software knows 1"):
        Registry(tmp_path)


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"area_cm2": 0}, "cell.yaml: area_cm2: 0 does not fit: input should be greater than 0"),
        ({"geometry": "half"}, "cell.yaml: geometry:"),
        ({"id": "Cu 01"}, 'cell.yaml: id: "Cu 01" is not an id'),
        ({"mass": 3}, "cell.yaml: mass: this key is not known here"),
    ],
)
def test_cell_complaint_names_its_place(facts: dict[str, object], complaint: str) -> None:
    """What is wrong with a cell's description is said with its place."""
    described = {"id": "cu-01", "build": "b", "geometry": "deposit", "counter": "Li", "area_cm2": 1.2} | facts
    with pytest.raises(BadInput) as caught:
        cell_from(described, "cell.yaml")
    assert complaint in str(caught.value)
