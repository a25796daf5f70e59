"""Files for others: what is written is what was measured, under the names they ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.interop.bdf import read_cells
from harness.interop.column_names import label, machine_name
from harness.interop.export import (
    bdf_frame,
    bdf_name,
    cellpy_cycle_frame,
    cycle_frame,
    pyprobe_frame,
    write_table,
)
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.realdata import REALDATA, real


def row(count: int, efficiency: float | None) -> CycleRow:
    std = None if efficiency is None else 1e-4
    stripped = None if efficiency is None else 0.002 * efficiency
    return CycleRow(
        "c1", count, 1_760_000_000_000_000_000, "cycle", 0.002, 1e-7, stripped, std, efficiency, std, std, None, None, None, None,
        7200.0, "formation" if count == 1 else "", "ce-1",
    )  # fmt: skip


ROWS = [row(1, 0.9), row(2, None), row(3, 0.985)]


def samples(size: int = 5) -> pl.DataFrame:
    values = np.random.default_rng(size).standard_normal((2, size))
    return pl.DataFrame({
        "seq": range(size), "unix_time_nanosecond": [1_760_000_000_000_000_000 + n * 10**9 for n in range(size)],
        "test_time_second": [n * 1.1 for n in range(size)], "voltage_volt": values[0], "current_ampere": values[1] * 1e-3,
        "cycle_count": [1] * size, "step_count": [n // 2 for n in range(size)], "step_path": ["a"] * size,
    })  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
def test_cycle_table_comes_back_with_every_digit(ending: str, tmp_path: Path) -> None:
    """Values, deviations and gaps: what was written is read."""
    frame = cycle_frame(ROWS, area_cm2=1.27)
    write_table(frame, tmp_path / f"a{ending}")
    path = tmp_path / f"a{ending}"
    again = pl.read_csv(path) if ending == ".csv" else pl.read_parquet(path) if ending == ".parquet" else pl.read_json(path)
    assert again.columns == frame.columns
    for name, kind in frame.schema.items():
        if kind.is_numeric():
            assert again[name].to_list() == frame[name].to_list()


def test_cycle_table_has_a_deviation_beside_every_value() -> None:
    """Every estimated ``x`` has its ``x_std``, and areal capacities come with the area."""
    frame = cycle_frame(ROWS, area_cm2=2.0)
    assert frame["areal_plating_capacity_mah_per_cm2"].to_list() == pytest.approx([1.0, 1.0, 1.0])
    assert frame["areal_plating_capacity_mah_per_cm2_std"].to_list() == pytest.approx([5e-5] * 3)
    for name in ("plating_capacity_ah", "stripping_capacity_ah", "coulombic_efficiency", "plating_resistance_ohm"):
        assert f"{name}_std" in frame.columns
    assert cycle_frame([]).columns == cycle_frame(ROWS).columns
    assert cycle_frame([]).schema == cycle_frame(ROWS).schema


@pytest.mark.parametrize(
    ("geometry", "charge", "discharge"),
    [(Geometry.FULL, 0.002, 0.0018), (Geometry.DEPOSIT, 0.0018, 0.002), (Geometry.SYMMETRIC, 0.0018, 0.002)],
)
def test_cellpy_columns_take_charge_and_discharge_from_the_current(geometry: Geometry, charge: float, discharge: float) -> None:
    """A deposit on copper is a discharge there; efficiencies are in percent and stay removal over deposit."""
    first = cellpy_cycle_frame(ROWS, geometry).row(0, named=True)
    assert (first["charge_capacity"], first["discharge_capacity"]) == pytest.approx((charge, discharge))
    assert first["coulombic_difference"] == pytest.approx(charge - discharge)
    assert (first["coulombic_efficiency"], first["coulombic_efficiency_std"]) == pytest.approx((90.0, 0.01))
    assert (first["cycle_num"], first["first_epoch_time_utc"], first["cycle_duration"]) == (1, 1.76e9, 7200.0)
    assert cellpy_cycle_frame(ROWS, geometry)["coulombic_efficiency"][1] is None


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(deadline=None, max_examples=60)
@given(
    data=st.lists(st.tuples(finite, finite, finite), min_size=2, max_size=30),
    labels=st.booleans(),
    ending=st.sampled_from(["csv", "parquet"]),
)
def test_bdf_file_comes_back_bit_for_bit(
    data: list[tuple[float, float, float]], labels: bool, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any numbers, by label or machine name, as text or not: the reader returns the same bits."""
    columns = dict(zip(("test_time_second", "voltage_volt", "current_ampere"), map(list, zip(*data, strict=True)), strict=True))
    frame = pl.DataFrame(columns).with_columns(
        pl.col("test_time_second").abs().sort(), step_count=pl.lit(1), step_type=pl.lit("REST")
    )
    path = tmp_path_factory.mktemp("bdf") / bdf_name("Lab", "cell 7", "20260101", 1, f".bdf.{ending}")
    write_table(bdf_frame(frame, labels=labels), path)
    [(cell, again)] = read_cells(path)
    assert cell == "cell-7"
    assert again.columns == frame.columns
    for name in columns:
        assert again[name].cast(pl.Float64).to_numpy().tobytes() == frame[name].to_numpy().tobytes()


def test_bdf_of_journal_readings_has_the_required_columns_first() -> None:
    """Nanoseconds become seconds, sequence numbers the record's index."""
    frame = bdf_frame(samples(), labels=True)
    assert frame.columns[:3] == ["Test Time / s", "Voltage / V", "Current / A"]
    assert frame["Unix Time / s"].to_list() == [1.76e9 + n for n in range(5)]
    assert frame["Record Index / 1"].to_list() == list(range(5))
    assert bdf_frame(samples()).columns[:3] == ["test_time_second", "voltage_volt", "current_ampere"]


def test_bdf_without_a_required_column_is_refused() -> None:
    """The sentence names it."""
    with pytest.raises(BadInput, match="voltage_volt"):
        bdf_frame(samples().drop("voltage_volt"))


@pytest.mark.parametrize(
    "name",
    ["test_time_second", "step_count", "step_type", "step_id", "temperature_t1_celsius", "dc_internal_resistance_ohm", "role",
     "imaginary_impedance_ohm", "step_discharging_energy_wh", "applied_pressure_pascal", "odd", "schedule_cycle_count"],
)  # fmt: skip
def test_every_label_leads_back_to_its_name(name: str) -> None:
    """A label is only given where the reader understands it."""
    assert machine_name(label(name)) == (name, 1.0)


def test_file_name_holds_institution_cell_and_day() -> None:
    """What would divide the name becomes a hyphen; what is no day is refused."""
    assert bdf_name("My Lab", "a/b__c", "20260102", 7) == "My-Lab__a-b-c__20260102_007.bdf.parquet"
    for wrong in (("", "c", "20260102", 1), ("L", "c", "2026-01-02", 1), ("L", "c", "20260102", 1000)):
        with pytest.raises(BadInput, match="YYYYMMDD"):
            bdf_name(*wrong)


def test_pyprobe_columns_are_the_required_ones() -> None:
    """Types and names of its format; events count the steps, capacity is net and begins at 0."""
    frame = pyprobe_frame(samples())
    assert frame.columns == ["Date", "Time [s]", "Step", "Cycle", "Event", "Current [A]", "Voltage [V]", "Capacity [Ah]"]
    assert frame["Event"].to_list() == [0, 0, 1, 1, 2]
    assert frame["Time [s]"][0] == 0.0
    current = samples()["current_ampere"].to_numpy()
    assert frame["Capacity [Ah]"][-1] == pytest.approx(np.trapezoid(current, dx=1.1) / 3600)
    assert pyprobe_frame(samples().drop("step_count", "cycle_count", "unix_time_nanosecond")).columns[0] == "Time [s]"


def test_pyprobe_capacity_is_the_instruments_own_where_it_has_one() -> None:
    """A counter wins over the trapezoid."""
    frame = samples().with_columns(net_capacity_ah=pl.Series([0.0, 1e-6, 2e-6, 4e-6, 3e-6]))
    assert pyprobe_frame(frame)["Capacity [Ah]"].to_list() == pytest.approx([0.0, 1e-6, 2e-6, 4e-6, 3e-6], abs=1e-18)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
def test_table_that_cannot_be_written_says_why(tmp_path: Path, ending: str) -> None:
    """A folder that is not there is named as the reason, whoever writes."""
    with pytest.raises(BadInput, match=r"--out: .* cannot be written \(.*[Nn]o such file"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "absent" / f"a{ending}")


def test_table_of_another_ending_is_refused(tmp_path: Path) -> None:
    """The endings that can be written are named."""
    with pytest.raises(BadInput, match=r"\.csv, \.parquet, \.json"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "a.xlsx")


@real
def test_real_file_survives_the_round_trip(tmp_path: Path) -> None:
    """10 261 rows of an Arbin, as labelled text and back: the same bits."""
    frame = pl.read_parquet(REALDATA / "silicon_half_cell_arbin.parquet")
    write_table(bdf_frame(frame, labels=True), tmp_path / "a.bdf.csv")
    [(_, again)] = read_cells(tmp_path / "a.bdf.csv")
    for name in frame.columns:
        assert again[name].cast(frame.schema[name]).equals(frame[name])
