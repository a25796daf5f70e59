"""A circuit that is asked for by its name: fitted to every spectrum that may be believed, printed, and written as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from harness.errors import BadInput
from harness.interop.imported import NO_SPECTRUM, import_file, imported_json
from harness.model.run import Geometry
from harness.service.imported_tables import imported_parts

ONE_ARC = "R0-p(R1,CPE1)"
TRUTH = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 1e-4, "CPE1_n": 0.9}


def spectra(path: Path, *resistances: float, points: int = 37) -> Path:
    """A sweep of the circuit for each R1, with noise of 0.1 %."""
    frequency, rows = np.logspace(5, -1, points), []
    for number, resistance in enumerate(resistances):
        draw = np.random.default_rng(number)
        admittance = 1 / resistance + TRUTH["CPE1_Q"] * (2j * np.pi * frequency) ** TRUTH["CPE1_n"]
        impedance = (TRUTH["R0"] + 1 / admittance) * (1 + 1e-3 * (draw.normal(size=points) + 1j * draw.normal(size=points)))
        rows.append(
            pl.DataFrame(
                {
                    "sweep_count": number,
                    "frequency_hertz": frequency,
                    "real_impedance_ohm": impedance.real,
                    "imaginary_impedance_ohm": impedance.imag,
                }
            )
        )
    pl.concat(rows).write_parquet(path)
    return path


def shown(path: Path, circuit: str) -> str:
    stream = io.StringIO()
    for one in import_file(path, geometry=Geometry.FULL, circuit=circuit):
        for part in imported_parts(one):
            Console(file=stream, width=80, highlight=False).print(part)
    return stream.getvalue()


def test_the_named_circuit_is_fitted_to_every_spectrum(tmp_path: Path) -> None:
    """Its parameters within four of their σ; the family's resistance stands beside them as before."""
    path = spectra(tmp_path / "two.parquet", 30.0, 36.0)
    [cell] = json.loads(json.dumps(imported_json(import_file(path, geometry=Geometry.FULL, circuit=ONE_ARC))))["cells"]
    assert len(cell["spectra"]) == 2
    for one, resistance in zip(cell["spectra"], (30.0, 36.0), strict=True):
        found = one["circuit"]
        assert found["name"] == ONE_ARC
        for name, value in {**TRUTH, "R1": resistance}.items():
            assert abs(found["parameters"][name]["value"] - value) < 4 * found["parameters"][name]["std"]
        assert one["interface_resistance_ohm"] == pytest.approx(resistance, rel=0.02)
    assert '"circuit"' not in json.dumps(imported_json(import_file(path, geometry=Geometry.FULL)))


def test_parameters_are_printed_with_their_units(tmp_path: Path) -> None:
    """A table for each spectrum within 80 columns; more than six are counted."""
    text = shown(spectra(tmp_path / "eight.parquet", *np.linspace(30, 37, 8).tolist()), ONE_ARC)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("R0-p(R1,CPE1) on sweep") == 6
    assert "the circuits of 2 more spectra are in what --json prints" in text
    assert "ohm^-1 s^n" in text


def test_a_refused_spectrum_has_no_circuit(tmp_path: Path) -> None:
    """Six points are refused before anything is fitted, for the reason that the table shows once."""
    path = spectra(tmp_path / "few.parquet", 30.0, points=6)
    [cell] = json.loads(json.dumps(imported_json(import_file(path, geometry=Geometry.FULL, circuit=ONE_ARC))))["cells"]
    [one] = cell["spectra"]
    assert "circuit" not in one
    assert one["circuit_refusal"] == one["refusal"] != ""
    assert "has no such circuit" not in shown(path, ONE_ARC)


def test_unknown_circuits_and_files_without_spectra_are_told(tmp_path: Path) -> None:
    """The name of none lists all; a file of cycles has nothing to fit one to."""
    with pytest.raises(BadInput, match=r'there is no circuit "R0-R1"; there are R0-p\(R1,CPE1\), '):
        import_file(spectra(tmp_path / "one.parquet", 30.0), geometry=Geometry.FULL, circuit="R0-R1")
    cycles = pl.DataFrame({"test_time_second": [0.0, 60.0], "current_ampere": [1e-3, 1e-3], "voltage_volt": [3.5, 3.6]})
    cycles.write_parquet(tmp_path / "cycles.parquet")
    [one] = import_file(tmp_path / "cycles.parquet", geometry=Geometry.FULL, circuit=ONE_ARC)
    assert NO_SPECTRUM in [finding.kind for finding in one.findings]
