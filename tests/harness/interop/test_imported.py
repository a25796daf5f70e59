"""One call per file: whatever it holds is analysed, whatever is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.analysis.impedance.fit import fit_impedance
from harness.errors import BadInput
from harness.interop.bdf import COLUMN_NOT_USED
from harness.interop.imported import COLLAPSE, NO_CURRENT, NO_CYCLES, SHORT, import_file, imported_json
from harness.interop.spectra import read_spectra
from harness.model.run import Geometry
from tests.realdata import REALDATA, expected, real

BASE = {"cycle_count", "coulombic_efficiency", "coulombic_efficiency_std", "flags"}


def cycling(count: int = 2) -> pl.DataFrame:
    """Charges of an hour at 1 mA and discharges of 98 % of it, every 60 s."""
    rows = []
    for cycle in range(count):
        begin = cycle * 10_000.0
        rows += [(begin + n * 60, 3.5 + n / 100, 1e-3, 2 * cycle) for n in range(61)]
        rows += [(begin + 3600 + n * 56, 4.0 - n / 100, -1e-3, 2 * cycle + 1) for n in range(64)]
    return pl.DataFrame(rows, ["test_time_second", "voltage_volt", "current_ampere", "step_count"], orient="row")


def sweep() -> pl.DataFrame:
    omega = 2 * np.pi * np.logspace(5, -1, 37)
    z = 5 + 30 / (1 + (1j * omega * 1e-3) ** 0.9)
    return pl.DataFrame({"frequency_hertz": omega / 2 / np.pi, "real_impedance_ohm": z.real, "imaginary_impedance_ohm": z.imag})


def saved(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path)
    return path


def told(path: Path, **more: Any) -> dict[str, Any]:
    [cell] = json.loads(json.dumps(imported_json(import_file(path, **{"geometry": Geometry.FULL, **more})), allow_nan=False))[
        "cells"
    ]
    return dict(cell)


def test_json_keeps_its_old_keys_and_says_the_rest(tmp_path: Path) -> None:
    """What programs read before is where it was; steps, findings, the mean and both pairings stand beside it."""
    cell = told(saved(cycling(), tmp_path / "c.parquet"), area_cm2=1.5)
    assert (cell["cell"], cell["geometry"], cell["area_cm2"]) == ("c", "full", 1.5)
    assert all(set(cycle) >= BASE for cycle in cell["cycles"])
    assert [cycle["coulombic_efficiency"] for cycle in cell["cycles"]] == pytest.approx([0.98] * 2, rel=1e-3)
    assert cell["cycles"][0]["next_removal_efficiency"] == pytest.approx(0.98, rel=1e-3)
    assert cell["cycles"][1]["next_removal_efficiency"] is None
    assert cell["mean_coulombic_efficiency"]["cycles"] == 1
    assert [round(step["charge_ah"] * 1e6) for step in cell["steps"]] == [1000, -980, 1000, -980]
    assert {finding["kind"] for finding in cell["findings"]} == {"unchecked"}


def test_second_voltage_of_an_export_is_named(tmp_path: Path) -> None:
    """EC-Lab writes that of the electrode and that of the cell: the first is used, and it is said."""
    cell = told(
        saved(cycling().rename({"voltage_volt": "Ewe/V"}).with_columns(pl.lit(1.0).alias("Ecell/V")), tmp_path / "c.parquet")
    )
    assert [finding["column"] for finding in cell["findings"] if finding["kind"] == COLUMN_NOT_USED] == ["Ecell/V"]


def test_missing_efficiency_is_null_with_its_reason(tmp_path: Path) -> None:
    """A lone discharge: never 0, never NaN; flags are a list, and the refusal is in words."""
    first = told(saved(cycling().filter(pl.col("step_count") > 0), tmp_path / "c.parquet"))["cycles"][0]
    assert first["coulombic_efficiency"] is None
    assert {"incomplete", "offset_unknown"} <= set(first["flags"])
    assert first["refusal"] == "nothing was deposited in this cycle"


def test_file_of_spectra_and_cycles_gives_both(tmp_path: Path) -> None:
    """Sweeps among readings are fitted, and are in no half cycle."""
    both = pl.concat([cycling(), sweep().with_columns(current_ampere=pl.lit(0.0), test_time_second=pl.lit(2e4))], how="diagonal")
    cell = told(saved(both, tmp_path / "c.parquet"), area_cm2=2.0)
    assert len(cell["cycles"]) == 2
    [spectrum] = cell["spectra"]
    assert spectrum["verdict"] == "good"
    assert spectrum["interface_resistance_ohm"] == pytest.approx(30.0, rel=1e-2)
    assert spectrum["area_specific_resistance_ohm_cm2"] == pytest.approx(2 * spectrum["interface_resistance_ohm"])


@pytest.mark.parametrize(("geometry", "share"), [(Geometry.SYMMETRIC, 0.5), (Geometry.DEPOSIT, 1.0), (Geometry.FULL, 1.0)])
def test_two_interfaces_of_a_symmetric_cell_share_its_resistance(tmp_path: Path, geometry: Geometry, share: float) -> None:
    """Per area it is that of one of them."""
    [spectrum] = told(saved(sweep(), tmp_path / "c.parquet"), geometry=geometry, area_cm2=2.0)["spectra"]
    assert spectrum["area_specific_resistance_ohm_cm2"] == pytest.approx(2.0 * share * spectrum["interface_resistance_ohm"])


def test_spectra_beside_a_current_of_nothing_are_still_read(tmp_path: Path) -> None:
    """Why there are no cycles is a finding, not a failure."""
    empty = sweep().with_columns(current_ampere=pl.lit(float("nan")), test_time_second=pl.Series(np.arange(37.0)))
    cell = told(saved(empty, tmp_path / "c.parquet"))
    assert cell["cycles"] == []
    assert len(cell["spectra"]) == 1
    assert NO_CYCLES in {finding["kind"] for finding in cell["findings"]}


def test_spectrum_too_short_for_a_fit_says_why(tmp_path: Path) -> None:
    """Five points have no circuit."""
    [spectrum] = told(saved(sweep().head(5), tmp_path / "c.parquet"))["spectra"]
    assert "interface_resistance_ohm" not in spectrum
    assert spectrum["refusal"]


def test_refused_spectrum_has_no_resistances(tmp_path: Path) -> None:
    """Kramers–Kronig forbids a fit, as it does in a run: the reason stands where the numbers would."""
    torn = sweep().with_columns(real_impedance_ohm=pl.col("real_impedance_ohm") + pl.Series(5.0 * (np.arange(37) % 2)))
    [spectrum] = told(saved(torn, tmp_path / "c.parquet"), area_cm2=2.0)["spectra"]
    assert spectrum["verdict"] == "refused"
    assert "Kramers–Kronig leaves" in spectrum["refusal"]
    assert not {"interface_resistance_ohm", "total_resistance_ohm", "area_specific_resistance_ohm_cm2"} & set(spectrum)


@real
def test_file_without_a_current_is_read_for_what_it_holds() -> None:
    """Time and voltage of a Li||Li cell: one sentence says what is missing."""
    [one] = import_file(REALDATA / "lili_transient_excerpt.tsv", geometry=Geometry.SYMMETRIC)
    assert one.cell is None
    assert one.frame.height == 138
    assert one.findings[0].kind == NO_CURRENT
    assert "no column holds the current" in one.findings[0].text

    [collapse] = [finding for finding in one.findings if finding.kind == COLLAPSE]
    assert "collapses 2 times" in collapse.text


def symmetric(shorted: bool) -> pl.DataFrame:
    """Twelve half cycles of an hour on a resistance of 50 Ω; in the last one half of the current takes another way from 0.4 h."""
    rows, noise = [], np.random.default_rng(2)
    for half in range(12):
        sign = 1.0 if half % 2 else -1.0
        for second in range(0, 3601, 10):
            lost = 0.5 if shorted and half == 11 and second > 1440 else 1.0
            volt = sign * 0.05 * lost + 2e-5 * noise.standard_normal()
            rows.append((half * 3600.0 + second + half, volt, sign * 1e-3, half))
    return pl.DataFrame(rows, ["test_time_second", "voltage_volt", "current_ampere", "step_count"], orient="row")


@pytest.mark.parametrize("shorted", [False, True])
def test_half_cycle_that_shorts_is_named(shorted: bool, tmp_path: Path) -> None:
    """Only where there is a short, with its signs in the finding and in the JSON."""
    cell = told(saved(symmetric(shorted), tmp_path / "c.parquet"), geometry=Geometry.SYMMETRIC)
    assert len(cell["half_cycles"]) == 12
    assert cell["half_cycles"][0]["plateau_overpotential_volt"] == pytest.approx(0.05, rel=1e-3)
    shorts = [finding for finding in cell["findings"] if finding["kind"] == SHORT]
    assert [half["short_grade"] != "" for half in cell["half_cycles"]] == [False] * 11 + [shorted]
    assert ["strip 6" in finding["text"] for finding in shorts] == [True] * shorted


@real
@pytest.mark.parametrize("name", ["silicon_half_cell_arbin.parquet", "m50t_neware.parquet", "nacoo2_half_cell_biologic.parquet"])
@pytest.mark.parametrize("geometry", [Geometry.FULL, Geometry.DEPOSIT])
def test_no_real_cell_is_accused_of_a_short(name: str, geometry: Geometry) -> None:
    """Whatever the geometry is said to be: cells that are not lithium against lithium are not judged as if they were."""
    assert SHORT not in {finding["kind"] for finding in told(REALDATA / name, geometry=geometry)["findings"]}


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (cycling().select("test_time_second"), "no column holds the current"),
        (cycling().select("voltage_volt"), "no column holds the current"),
        (cycling().select("current_ampere"), "no column holds the time"),
        (cycling().head(1), "1 row of c"),
        (cycling().with_columns(current_ampere=pl.lit(None, dtype=pl.Float64)), "holds no number"),
        (cycling().sample(fraction=1.0, shuffle=True, seed=1), "not in the order of time"),
    ],
)
def test_file_of_nothing_is_one_sentence(frame: pl.DataFrame, said: str, tmp_path: Path) -> None:
    """Each says what it needs."""
    with pytest.raises(BadInput, match=said) as caught:
        import_file(saved(frame, tmp_path / "c.parquet"), geometry=Geometry.FULL)
    assert "\n" not in str(caught.value)


def test_zero_area_is_refused(tmp_path: Path) -> None:
    """An area must be positive."""
    with pytest.raises(BadInput, match="positive area"):
        import_file(saved(cycling(), tmp_path / "c.parquet"), geometry=Geometry.FULL, area_cm2=0.0)


def test_repair_of_a_unit_gives_the_true_numbers_and_says_so(tmp_path: Path) -> None:
    """Time × 3600 beside a step time that tells the truth: the integral is right again."""
    whole = cycling().with_columns(
        step_time_second=pl.col("test_time_second") - pl.col("test_time_second").first().over("step_count")
    )
    lying = saved(whole.with_columns(pl.col("test_time_second") * 3600), tmp_path / "c.parquet")
    assert [finding["kind"] for finding in told(lying)["findings"] if finding["column"] == "test_time_second"] == ["unit"]
    cell = told(lying, repair=True)
    unit = next(finding for finding in cell["findings"] if finding["kind"] == "unit")
    assert (unit["column"], unit["repaired"], unit["factor"]) == ("test_time_second", True, pytest.approx(1 / 3600))
    assert cell["cycles"][0]["cycle_duration_second"] == pytest.approx(3600 + 63 * 56)


@real
def test_file_with_broken_times_names_its_rows_and_is_repaired_when_asked() -> None:
    """Nineteen rows; nothing is integrated over them, and with the repair the charges are those of the reference."""
    path = REALDATA / "bdf_time_bug_neware.bdf.csv"
    found = told(path)
    [broken] = [finding for finding in found["findings"] if finding["kind"] == "time_backward"]
    assert len(broken["rows"]) == 19
    assert not broken["repaired"]
    mended = told(path, repair=True)
    wanted = expected("bdf_time_bug_neware.bdf.csv")["repaired_step_charges_Ah"]
    charges = [step["charge_ah"] for step in mended["steps"] if step["role"] in {"charge", "discharge"}]
    assert charges == pytest.approx(wanted, abs=6e-5)


@real
def test_four_real_spectra_are_judged_and_fitted() -> None:
    """NMC811||graphite over 71 days: all good, with the resistances of the default fit, per area where it is known."""
    cell = told(REALDATA / "nmc_graphite_peis_biologic.parquet", area_cm2=1.539)
    assert [spectrum["verdict"] for spectrum in cell["spectra"]] == ["good"] * 4
    for spectrum, read in zip(cell["spectra"], read_spectra(REALDATA / "nmc_graphite_peis_biologic.parquet"), strict=True):
        fit = fit_impedance(read.sweep.frequency_hertz, read.sweep.impedance_ohm)
        assert spectrum["interface_resistance_ohm"] == fit.interface_resistance_ohm
        assert spectrum["area_specific_resistance_ohm_cm2"] == pytest.approx(1.539 * spectrum["interface_resistance_ohm"])


@real
def test_both_pairings_of_a_real_full_cell() -> None:
    """LG M50T: the next discharge over the charge, as its tester's program reports it."""
    cell = told(REALDATA / "m50t_neware.parquet")
    wanted = expected("m50t_neware.parquet")["CE_Qd_next_over_Qc"]
    found = [cycle["next_removal_efficiency"] for cycle in cell["cycles"]]
    assert found == [None if value is None else pytest.approx(value, abs=1e-6) for value in wanted]
