"""What a person reads of a file measured elsewhere: nothing twice, nothing cut off, every dash with its reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from harness.interop.imported import import_file
from harness.model.run import Geometry
from harness.service.imported_tables import FLAGS, imported_parts, rows_in_words


def cycling(fade: float) -> pl.DataFrame:
    """A charge and a discharge right after each other, three times; the last discharge is missing."""
    rows = []
    for cycle in range(3):
        begin = cycle * 3600 * (1 + fade)
        rows += [(begin + n * 60, 3.5, 1e-3, 2 * cycle) for n in range(61)]
        if cycle < 2:
            rows += [(begin + 3600 + n * 60 * fade, 3.4, -1e-3, 2 * cycle + 1) for n in range(61)]
    return pl.DataFrame(rows, ["test_time_second", "voltage_volt", "current_ampere", "step_count"], orient="row")


def shown(frame: pl.DataFrame, path: Path, geometry: Geometry = Geometry.FULL, width: int = 80) -> str:
    frame.write_parquet(path)
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    for one in import_file(path, geometry=geometry, area_cm2=1.27):
        for part in imported_parts(one):
            console.print(part)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_table_fits_and_says_each_flag_once(width: int, tmp_path: Path) -> None:
    """No line is longer than the screen; what all rows share stands once, what one row has is its footnote."""
    text = shown(cycling(0.98), tmp_path / "cell-3.parquet", width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.startswith("cell-3 · full cell · 305 rows · 5.0 h · 1.27 cm²")
    flat = " ".join(text.split())
    for sentence in (
        "nothing says the current's offset",
        "first cycle, left out",
        "lacks a whole half",
        "next discharge: that of",
    ):
        assert flat.count(sentence) == 1
    assert "98.0000" in text


def test_dash_has_a_footnote(tmp_path: Path) -> None:
    """The row without an efficiency carries the mark of the sentence that says why."""
    lines = shown(cycling(0.98), tmp_path / "a.parquet").splitlines()
    assert "mAh/cm²" in "".join(lines[:3])
    row = next(line for line in lines if line.lstrip().startswith("3 "))
    note = next(line for line in lines if "lacks a whole half" in line)
    assert "—" in row
    assert row.rstrip()[-1] == note[0]


def test_symmetric_cell_has_no_efficiency_column(tmp_path: Path) -> None:
    """Li||Li has none, and nobody promises one."""
    text = shown(cycling(1.0), tmp_path / "a.parquet", Geometry.SYMMETRIC)
    assert "plated / mAh" in text
    assert "efficiency" not in text
    assert "next discharge" not in text


def test_rows_are_counted_as_people_do() -> None:
    """From 1, three of them by name, and how many there are."""
    assert rows_in_words([]) == ""
    assert rows_in_words([6]) == "row 7"
    assert rows_in_words([2, 7, 11]) == "rows 3, 8, 12"
    assert rows_in_words(range(2, 21)) == "rows 3, 4, 5 … (19)"


def test_every_flag_has_its_words() -> None:
    """Flags of the analysis that could stand in a table are said in words."""
    from harness.analysis import coulombic, cycle_table, integrals  # noqa: PLC0415
    from harness.analysis.impedance import fit  # noqa: PLC0415
    from harness.interop import halves, measured, offset, steps, timeline  # noqa: PLC0415

    modules = (coulombic, cycle_table, integrals, fit, halves, measured, offset, steps, timeline)
    flags = {value for module in modules for name, value in vars(module).items() if name.startswith("FLAG_")}
    assert flags - set(FLAGS) == set()


def test_refused_spectrum_shows_its_reason_once_and_no_number(tmp_path: Path) -> None:
    """A torn sweep has dashes for resistances, and one footnote."""
    omega = 2 * np.pi * np.logspace(5, -1, 37)
    z = 5 + 30 / (1 + (1j * omega * 1e-3) ** 0.9) + 5.0 * (np.arange(37) % 2)
    columns = {"frequency_hertz": omega / 2 / np.pi, "real_impedance_ohm": z.real, "imaginary_impedance_ohm": z.imag}
    flat = " ".join(shown(pl.DataFrame(columns), tmp_path / "a.parquet").split())
    assert flat.count("Kramers–Kronig leaves") == 1
    assert "— — — refused¹ ¹" in flat


@pytest.mark.parametrize(("geometry", "said"), [(Geometry.SYMMETRIC, True), (Geometry.DEPOSIT, False)])
def test_resistances_of_a_symmetric_cell_are_said_to_be_the_cells(geometry: Geometry, said: bool, tmp_path: Path) -> None:
    """Per area each of its electrodes has half of the interface's."""
    omega = 2 * np.pi * np.logspace(5, -1, 37)
    z = 5 + 30 / (1 + (1j * omega * 1e-3) ** 0.9)
    columns = {"frequency_hertz": omega / 2 / np.pi, "real_impedance_ohm": z.real, "imaginary_impedance_ohm": z.imag}
    flat = " ".join(shown(pl.DataFrame(columns), tmp_path / "a.parquet", geometry).split())
    assert ("each of its two electrodes has half" in flat) == said
