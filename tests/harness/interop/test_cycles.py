"""Efficiencies of imported files: real ones against other programs' figures, made ones against closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from harness.errors import BadInput
from harness.interop.cycles import AnalyzedCell, analyze_file
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, full_cell, made, saved
from tests.realdata import REALDATA, expected, real


def rows_of(path: Path, geometry: Geometry = Geometry.FULL, current: Literal["point", "mean"] | None = None) -> list[CycleRow]:
    (cell,) = analyze_file(path, geometry=geometry, current=current)
    return cell.rows


def charges(cell: AnalyzedCell) -> list[float]:
    """The signed charges of the half cycles, from the steps that count in them."""
    counting = [step for step in cell.steps if step.cycle_count is not None]
    return [
        sum(step.charge_ah for step in counting if half.rows.start <= step.first < half.rows.stop) for half in cell.half_cycles
    ]


def efficiencies(rows: list[CycleRow]) -> list[float | None]:
    return [row.coulombic_efficiency for row in rows]


@real
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("full_cell_formation_biologic.parquet", [0.76149, 0.98300, 0.98731]),
        ("nacoo2_half_cell_biologic.parquet", [None, 0.86428, 0.93516, 0.92859, 0.92481, 0.92321, 0.92008]),
    ],
)
def test_analysis_of_biologic_files_agrees_with_the_devices_counters(name: str, known: list[float | None]) -> None:
    """Efficiencies of two instruments' own counters, to 1e-5; a lone leading discharge is a row with null."""
    found = efficiencies(rows_of(REALDATA / name))
    assert found == [None if value is None else pytest.approx(value, abs=1e-5) for value in known]


@real
def test_analysis_of_a_neware_file_agrees_with_its_reference_table() -> None:
    """LG M50T: same-cycle efficiencies to 1e-6, null for the lone discharge; its time had to be derived."""
    rows = rows_of(REALDATA / "m50t_neware.parquet")
    known = expected("m50t_neware.parquet")
    assert efficiencies(rows) == [None if value is None else pytest.approx(value, abs=1e-6) for value in known["CE_same_cycle"]]
    assert [row.stripping_capacity_ah for row in rows] == [pytest.approx(value / 1000, rel=1e-6) for value in known["Qd"]]
    assert all("time_derived" in row.flags.split() for row in rows)


@real
def test_analysis_of_an_arbin_file_agrees_with_cellpy_and_ends_in_null() -> None:
    """Silicon against Li: 17 efficiencies to 1e-6, and the cycle that was cut is null, not zero."""
    rows = rows_of(REALDATA / "silicon_half_cell_arbin.parquet", Geometry.DEPOSIT)
    known = expected("silicon_half_cell_arbin.parquet")["CE_percent_cellpy"]
    assert efficiencies(rows[:-1]) == [pytest.approx(value / 100, abs=1e-6) for value in known[:-1]]
    assert rows[-1].coulombic_efficiency is None
    assert "incomplete" in rows[-1].flags.split()
    assert all(row.plating_resistance_ohm is None for row in rows)


@real
def test_analysis_of_a_file_with_broken_times_names_its_rows_and_leaves_them_out() -> None:
    """The 19 first rows that say time 0 are named, and nothing is integrated over them unless their repair is asked for."""
    path = REALDATA / "bdf_time_bug_neware.bdf.csv"
    known = expected("bdf_time_bug_neware.bdf.csv")["repaired_step_charges_Ah"]
    (found,) = analyze_file(path, geometry=Geometry.FULL)
    (repaired,) = analyze_file(path, geometry=Geometry.FULL, repair=True)
    time = pl.read_csv(path)["test_time_second"]
    for cell in (found, repaired):
        (finding,) = [finding for finding in cell.findings if finding.kind == "time_backward"]
        assert len(finding.rows) == 19
        assert all(time[row] == 0 for row in finding.rows)
    assert charges(repaired) == [pytest.approx(value, abs=6e-5) for value in known]
    assert all("time_repaired" in row.flags.split() for row in repaired.rows)
    assert all("backward_time" in row.flags.split() for row in found.rows)
    for lost, whole in zip(charges(found), charges(repaired), strict=True):
        assert 0 < abs(whole) - abs(lost) < 0.02


@real
def test_analysis_finds_the_offset_between_set_and_measured_current() -> None:
    """22.7 nA of 88.8 µA: a standard deviation of 511 ppm of the efficiency, and a flag that says where it comes from."""
    for row in rows_of(REALDATA / "nacoo2_half_cell_biologic.parquet")[1:]:
        assert row.coulombic_efficiency is not None
        assert row.coulombic_efficiency_std == pytest.approx(row.coulombic_efficiency * 511e-6, rel=0.02)
        assert "offset_from_set_current" in row.flags.split()


@real
def test_analysis_knows_interval_means_by_their_increments(tmp_path: Path) -> None:
    """Without its counters, and told that the current is a mean, the rectangle gives what the counter gave, to 1e-6."""
    frame = pl.read_parquet(REALDATA / "full_cell_formation_biologic.parquet").drop("net_capacity_ah", "charge_increment_ah")
    path = saved(frame, tmp_path / "a.parquet")
    assert efficiencies(rows_of(path, current="mean")) == [pytest.approx(v, abs=1e-5) for v in (0.76149, 0.98300, 0.98731)]
    assert efficiencies(rows_of(path, current="point"))[0] == pytest.approx(0.7611, abs=2e-4)


@real
def test_analysis_flags_a_current_in_the_wrong_unit(tmp_path: Path) -> None:
    """A current divided by a thousand no longer agrees with the counter, which wins."""
    frame = pl.read_parquet(REALDATA / "m50t_neware.parquet").with_columns(pl.col("current_ampere") / 1000)
    rows = rows_of(saved(frame, tmp_path / "a.parquet"))
    assert all("counter_mismatch" in row.flags.split() for row in rows)
    assert rows[2].coulombic_efficiency == pytest.approx(0.999513, abs=1e-6)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_analysis_of_a_made_full_cell_is_exact(suffix: str, tmp_path: Path) -> None:
    """Constant currents by point samples: efficiencies to 1e-9 from Parquet and CSV alike."""
    rows = rows_of(saved(full_cell(), tmp_path / f"cell.{suffix}"))
    assert efficiencies(rows) == [pytest.approx(0.90, rel=1e-9), pytest.approx(0.98, rel=1e-9)]
    assert [row.cycle_count for row in rows] == [1, 2]
    assert rows[0].plating_resistance_ohm == pytest.approx(50.0, rel=1e-9)
    assert rows[0].flags == "formation offset_unknown"


def test_analysis_takes_roles_from_the_geometry(tmp_path: Path) -> None:
    """The same file as a deposit cell begins with a removal, and as a symmetric one has no efficiency."""
    path = saved(full_cell(), tmp_path / "cell.parquet")
    rows = rows_of(path, Geometry.DEPOSIT)
    assert [row.cycle_count for row in rows] == [0, 1, 2]
    assert efficiencies(rows) == [None, pytest.approx(3600 / 3240, rel=1e-9), None]
    assert efficiencies(rows_of(path, Geometry.SYMMETRIC)) == [None, None, None]


def test_analysis_uses_the_files_own_cycle_counts(tmp_path: Path) -> None:
    """Counts that hold one deposit and then one removal are kept, whatever number they begin with."""
    counts = pl.when(pl.col("step_count") <= 5).then(7).otherwise(8).alias("cycle_count")
    rows = rows_of(saved(full_cell().with_columns(counts), tmp_path / "cell.parquet"))
    assert [row.cycle_count for row in rows] == [7, 8]
    assert "formation" in rows[0].flags.split()


@pytest.mark.parametrize("scale", [0.0, 6.283185307179586])
def test_analysis_pairs_halves_where_counts_cannot_be_used(scale: float, tmp_path: Path) -> None:
    """A count that never changes, or is in radians, gives way to pairing."""
    counts = ((pl.col("step_count") > 5).cast(pl.Float64) * scale + scale + 1.0 * (scale == 0)).alias("cycle_count")
    rows = rows_of(saved(full_cell().with_columns(counts), tmp_path / "cell.parquet"))
    assert efficiencies(rows) == [pytest.approx(0.90, rel=1e-9), pytest.approx(0.98, rel=1e-9)]


def test_analysis_of_labels_and_milliampere_is_the_same(tmp_path: Path) -> None:
    """Labels instead of machine names, mA instead of A, semicolons instead of commas."""
    frame = full_cell().select(
        pl.col("test_time_second").alias("Test Time / s"),
        pl.col("voltage_volt").alias("Voltage / V"),
        (pl.col("current_ampere") * 1000).alias("Current / mA"),
        pl.col("step_count").alias("Step Count / 1"),
    )
    path = tmp_path / "Lab__cell-7__20260101_001.bdf.csv"
    frame.write_csv(path, separator=";")
    (cell,) = analyze_file(path, geometry=Geometry.FULL)
    assert cell.name == "cell-7"
    assert efficiencies(cell.rows) == [pytest.approx(0.90, rel=1e-9), pytest.approx(0.98, rel=1e-9)]


def test_analysis_divides_a_file_of_several_cells(tmp_path: Path) -> None:
    """Each value of the column ``cell`` is a cell of its own, in the order in which they come."""
    frame = pl.concat([full_cell().with_columns(cell=pl.lit(name)) for name in ("b", "a")])
    found = analyze_file(saved(frame, tmp_path / "x.parquet"), geometry=Geometry.FULL)
    assert [cell.name for cell in found] == ["b", "a"]
    assert all(len(cell.rows) == 2 for cell in found)


def test_analysis_without_steps_cuts_where_the_current_turns(tmp_path: Path) -> None:
    """A file without step columns loses at most the interval at each turn, and its error says so."""
    rows = rows_of(saved(full_cell().drop("step_count", "step_time_second"), tmp_path / "cell.parquet"))
    for row, value in zip(rows, (0.90, 0.98), strict=True):
        assert row.coulombic_efficiency is not None
        assert row.coulombic_efficiency_std is not None
        assert abs(row.coulombic_efficiency - value) <= max(4 * row.coulombic_efficiency_std, 1e-9)


def test_analysis_of_resetting_counters_loses_no_row(tmp_path: Path) -> None:
    """Step counters that begin above zero in each step give the whole charge."""
    frame = full_cell().with_columns(amount=pl.col("current_ampere") * (pl.col("step_time_second") + 0.5) / 3600)
    frame = frame.with_columns(
        step_charging_capacity_ah=pl.max_horizontal("amount", pl.lit(0.0)),
        step_discharging_capacity_ah=pl.max_horizontal(-pl.col("amount"), pl.lit(0.0)),
    ).drop("amount")
    rows = rows_of(saved(frame, tmp_path / "cell.parquet"))
    assert rows[0].plating_capacity_ah == pytest.approx(CURRENT * 3600.5 / 3600, rel=1e-9)
    assert efficiencies(rows) == [pytest.approx(3240.5 / 3600.5, rel=1e-9), pytest.approx(3528.5 / 3600.5, rel=1e-9)]


def test_analysis_keeps_impedance_out_of_the_half_cycle(tmp_path: Path) -> None:
    """Rows with a frequency are a probe: their charge is in no half cycle."""
    frame = full_cell().with_columns(frequency_hertz=pl.when(pl.col("step_count") == 3).then(10.0).otherwise(0.0))
    frame = frame.with_columns(current_ampere=pl.when(pl.col("step_count") == 3).then(CURRENT).otherwise("current_ampere"))
    assert efficiencies(rows_of(saved(frame, tmp_path / "a.parquet"))) == [pytest.approx(0.90), pytest.approx(0.98)]


def test_analysis_of_a_clock_that_jumps_moves_no_coulomb(tmp_path: Path) -> None:
    """Test time that jumps an hour inside a step, with step time going on: the charge is the step time's."""
    jump = pl.when(pl.int_range(pl.len()) > 200).then(3600.0).otherwise(0.0)
    rows = rows_of(saved(full_cell().with_columns(pl.col("test_time_second") + jump), tmp_path / "a.parquet"))
    assert efficiencies(rows) == [pytest.approx(0.90, rel=1e-9), pytest.approx(0.98, rel=1e-9)]
    assert "time_disagrees" in rows[0].flags.split()


def test_analysis_of_a_file_cut_inside_a_discharge_is_null_there(tmp_path: Path) -> None:
    """The last discharge ends at another voltage than the ones before, with nothing after it: it was cut."""
    frame = made((CURRENT, 3600.0), (-CURRENT, 3500.0), (CURRENT, 3600.0), (-CURRENT, 3500.0))
    falling = pl.when(pl.col("current_ampere") < 0).then(4.0 - pl.col("step_time_second") / 3500).otherwise(4.0)
    frame = frame.with_columns(voltage_volt=falling)
    assert efficiencies(rows_of(saved(frame, tmp_path / "whole.parquet")))[1] == pytest.approx(3500 / 3600, rel=1e-9)
    cut = rows_of(saved(frame.head(frame.height - 100), tmp_path / "cut.parquet"))
    assert cut[1].coulombic_efficiency is None
    assert "incomplete" in cut[1].flags.split()


@pytest.mark.parametrize("area", [0.0, -1.0, float("nan")])
def test_analysis_refuses_an_area_that_is_none(area: float, tmp_path: Path) -> None:
    """An area must be positive."""
    with pytest.raises(BadInput, match="positive area"):
        analyze_file(saved(full_cell(), tmp_path / "a.parquet"), geometry=Geometry.FULL, area_cm2=area)


@pytest.mark.parametrize("missing", ["current_ampere", "test_time_second"])
def test_analysis_refuses_a_file_without_current_or_time(missing: str, tmp_path: Path) -> None:
    """The sentence names the column that is needed."""
    path = saved(full_cell().drop(missing, "step_time_second"), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=missing):
        analyze_file(path, geometry=Geometry.FULL)
