"""A circuit that is asked for by its name: fitted to every spectrum that may be believed, printed, and written as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from harness.analysis.impedance.circuit_fit import CircuitFit, fit_circuit
from harness.errors import BadInput
from harness.interop import judged
from harness.interop.imported import NO_SPECTRUM, import_file, imported_json
from harness.model.run import Geometry
from harness.service.imported_tables import imported_parts

ONE_ARC = "R0-p(R1,CPE1)"
TRUTH = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 1e-4, "CPE1_n": 0.9}


def spectra(path: Path, *resistances: float, points: int = 37, inductive: Collection[int] = ()) -> Path:
    """A sweep of the circuit for each R1, with noise of 0.1 %; some with a cable of 10 µH."""
    frequency, rows = np.logspace(5, -1, points), []
    for number, resistance in enumerate(resistances):
        draw = np.random.default_rng(number)
        admittance = 1 / resistance + TRUTH["CPE1_Q"] * (2j * np.pi * frequency) ** TRUTH["CPE1_n"]
        cable = 2j * np.pi * frequency * 1e-5 * (number in inductive)
        impedance = (TRUTH["R0"] + cable + 1 / admittance) * (
            1 + 1e-3 * (draw.normal(size=points) + 1j * draw.normal(size=points))
        )
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


def shown(path: Path, circuit: str, area_cm2: float | None = None) -> str:
    stream = io.StringIO()
    for one in import_file(path, geometry=Geometry.FULL, circuit=circuit, area_cm2=area_cm2):
        for part in imported_parts(one):
            Console(file=stream, width=80, highlight=False).print(part)
    return stream.getvalue()


def told(path: Path) -> dict[str, Any]:
    cells = imported_json(import_file(path, geometry=Geometry.FULL, circuit=ONE_ARC))
    [cell] = json.loads(json.dumps(cells, allow_nan=False))["cells"]
    return dict(cell)


def test_the_named_circuit_is_fitted_to_every_spectrum(tmp_path: Path) -> None:
    """Its parameters within four of their σ; the family's resistance stands beside them as before."""
    path = spectra(tmp_path / "two.parquet", 30.0, 36.0)
    cell = told(path)
    assert len(cell["spectra"]) == 2
    for one, resistance in zip(cell["spectra"], (30.0, 36.0), strict=True):
        found = one["circuit"]
        assert (found["name"], found["flags"]) == (ONE_ARC, [])
        assert found["rms"] == pytest.approx(1.4e-3, rel=0.3)
        assert [one["unit"] for one in found["parameters"].values()] == ["ohm", "ohm", "ohm^-1 s^n", "1"]
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


@pytest.mark.parametrize("inductive", [{0}, {1}, {0, 2}])
def test_a_cable_that_comes_and_goes_changes_no_circuit(inductive: set[int], tmp_path: Path) -> None:
    """Where the fast end is inductive L0 is in series, where it is not there is none; every spectrum has its fit."""
    path = spectra(tmp_path / "cables.parquet", 30.0, 31.0, 32.0, inductive=inductive)
    cell = told(path)
    found = [one["circuit"] for one in cell["spectra"]]
    assert {number for number, one in enumerate(found) if "L0" in one["parameters"]} == inductive
    assert [one["parameters"]["R1"]["value"] for one in found] == pytest.approx([30.0, 31.0, 32.0], rel=0.01)
    assert all("poor_fit" not in one["flags"] for one in found)


def test_a_circuit_that_does_not_describe_a_spectrum_says_so(tmp_path: Path) -> None:
    """One arc for two is a poor fit, in the table and in JSON; per area it is not, and that is told."""
    frequency = np.logspace(5, -1, 37)
    impedance = 5 + 30 / (1 + 2j * np.pi * frequency * 1e-4) + 50 / (1 + 2j * np.pi * frequency * 1e-1)
    columns = {"frequency_hertz": frequency, "real_impedance_ohm": impedance.real, "imaginary_impedance_ohm": impedance.imag}
    path = tmp_path / "two-arcs.parquet"
    pl.DataFrame(columns).write_parquet(path)
    [one] = import_file(path, geometry=Geometry.FULL, circuit=ONE_ARC, area_cm2=1.27)
    assert one.spectra[0].named is not None
    assert "poor_fit" in told(path)["spectra"][0]["circuit"]["flags"]
    assert f"residuals {100 * one.spectra[0].named.rms:.2g} % of |Z|" in shown(path, ONE_ARC)
    text = shown(path, ONE_ARC, 1.27)
    assert "the circuit does not describe the sweep" in text
    assert "circuits are of the whole cell, not per area" in text


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[CircuitFit | None]:
    """From which fit each one began."""
    previous_ones: list[CircuitFit | None] = []

    def watched(*given: Any, previous: CircuitFit | None = None) -> CircuitFit:
        previous_ones.append(previous)
        return fit_circuit(*given, previous=previous)

    monkeypatch.setattr(judged, "fit_circuit", watched)
    return previous_ones


def test_each_spectrum_begins_where_the_one_before_ended(handed: list[CircuitFit | None], tmp_path: Path) -> None:
    """The second fit is handed the first one's."""
    [one] = import_file(spectra(tmp_path / "two.parquet", 30.0, 31.0), geometry=Geometry.FULL, circuit=ONE_ARC)
    assert handed[0] is None
    assert handed[1] is not None
    assert one.spectra[0].named is not None
    assert handed[1].internal is one.spectra[0].named.internal


@pytest.mark.filterwarnings("error")
def test_an_infinite_reading_is_left_out_in_silence(tmp_path: Path) -> None:
    """No warning of arithmetic reaches a terminal; the point is a finding."""
    path = spectra(tmp_path / "one.parquet", 30.0)
    first = pl.int_range(pl.len()) == 3
    pl.read_parquet(path).with_columns(
        imaginary_impedance_ohm=pl.when(first).then(float("inf")).otherwise("imaginary_impedance_ohm")
    ).write_parquet(path)
    [one] = import_file(path, geometry=Geometry.FULL)
    assert "1 point without an impedance left out" in [finding.text for finding in one.findings]


def test_a_poor_fit_is_no_place_to_begin(handed: list[CircuitFit | None], tmp_path: Path) -> None:
    """Two arcs that one cannot describe, then one arc: its fit begins from nothing."""
    frequency = np.logspace(5, -1, 37)
    two = 5 + 30 / (1 + 2j * np.pi * frequency * 1e-4) + 50 / (1 + 2j * np.pi * frequency * 1e-1)
    names = ("frequency_hertz", "real_impedance_ohm", "imaginary_impedance_ohm")
    first = pl.DataFrame(dict(zip(names, (frequency, two.real, two.imag), strict=True))).with_columns(sweep_count=0)
    second = pl.read_parquet(spectra(tmp_path / "one.parquet", 30.0)).with_columns(sweep_count=1)
    pl.concat([first, second], how="diagonal_relaxed").write_parquet(tmp_path / "both.parquet")
    import_file(tmp_path / "both.parquet", geometry=Geometry.FULL, circuit=ONE_ARC)
    assert handed == [None, None]


def test_a_dead_sweep_costs_only_itself(tmp_path: Path) -> None:
    """The two beside it are analysed, and it is told."""
    path = spectra(tmp_path / "three.parquet", 30.0, 31.0, 32.0)
    dead = pl.col("sweep_count") == 1
    names = ["real_impedance_ohm", "imaginary_impedance_ohm"]
    pl.read_parquet(path).with_columns(pl.when(~dead).then(pl.col(name)).alias(name) for name in names).write_parquet(path)
    [one] = import_file(path, geometry=Geometry.FULL)
    assert [spectrum.spectrum.sweep_count for spectrum in one.spectra] == [0, 2]
    assert "a sweep was left out: a spectrum of 0 usable points was given; this needs 2 (sweep 1)" in [
        f.text for f in one.findings
    ]


def test_a_refused_spectrum_has_no_circuit(tmp_path: Path) -> None:
    """Six points are refused before anything is fitted, for the reason that the table shows once."""
    path = spectra(tmp_path / "few.parquet", 30.0, points=6)
    cell = told(path)
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
