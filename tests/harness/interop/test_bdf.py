"""Reading Battery Data Format files: names, units, and files that are none."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from harness.errors import BadInput
from harness.interop.bdf import cell_name, machine_name, read_cells


@pytest.mark.parametrize(
    ("heading", "name", "factor"),
    [
        ("Test Time / s", "test_time_second", 1.0),
        ("Voltage / V", "voltage_volt", 1.0),
        ("Current / mA", "current_ampere", 1e-3),
        ("Cycle Count / 1", "cycle_count", 1.0),
        ("Step Charging Capacity / mAh", "step_charging_capacity_ah", 1e-3),
        ("Ambient Temperature / degC", "ambient_temperature_celsius", 1.0),
        ("test_time_hour", "test_time_second", 3600.0),
        ("unix_time_nanosecond", "unix_time_second", 1e-9),
        ("current_ampere", "current_ampere", 1.0),
        ("Amps", "current_ampere", 1.0),
        ("Odd / parsec", "odd_parsec", 1.0),
    ],
)
def test_machine_name_of_a_heading(heading: str, name: str, factor: float) -> None:
    """Labels, machine names and plain words come to one spelling and one unit."""
    assert machine_name(heading) == (name, factor)


@pytest.mark.parametrize(
    ("file", "cell"),
    [
        ("Empa__gen6_02__20250116_001.bdf.parquet", "gen6_02"),
        ("plain.csv", "plain"),
        ("a.b.bdf.csv", "a.b"),
        ("x__y.parquet", "x__y"),
    ],
)
def test_cell_name_of_a_file(file: str, cell: str) -> None:
    """Institution and date are not the cell."""
    assert cell_name(Path(file)) == cell


def test_read_orders_rows_by_their_index(tmp_path: Path) -> None:
    """Rows sorted by a clock come back in the order of recording."""
    pl.DataFrame({"record_index": [2, 1, 3], "current_ampere": [0.2, 0.1, 0.3]}).write_parquet(tmp_path / "a.parquet")
    ((_, frame),) = read_cells(tmp_path / "a.parquet")
    assert frame["current_ampere"].to_list() == [0.1, 0.2, 0.3]


def test_read_of_a_csv_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Spreadsheets put a byte order mark first; it is in no name."""
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfTest Time / s,Current / A\n0,1\n1,1\n")
    ((_, frame),) = read_cells(tmp_path / "a.csv")
    assert frame.columns == ["test_time_second", "current_ampere"]


def complaint(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_cells(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + bytes(200), b"\xff\xfe\x00\x01", b"one line of prose", b"a,b\n1,2,3\n"]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_read_of_what_is_no_table_is_one_sentence(content: bytes, suffix: str, tmp_path: Path) -> None:
    """Whatever the bytes: `BadInput` with the path, in one line."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    message = complaint(path)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_read_of_a_truncated_parquet_is_one_sentence(tmp_path: Path) -> None:
    """A Parquet file that was cut anywhere is refused in one line."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"test_time_second": [float(n) for n in range(2000)], "current_ampere": [1.0] * 2000}).write_parquet(path)
    whole = path.read_bytes()
    for size in random.Random(3).sample(range(len(whole)), 40):
        path.write_bytes(whole[:size])
        assert "\n" not in complaint(path)


def test_read_of_a_table_without_rows_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    """No rows, no file, a directory: each has its sentence."""
    (tmp_path / "a.csv").write_text("test_time_second,current_ampere\n")
    assert "no row" in complaint(tmp_path / "a.csv")
    assert "cannot be read" in complaint(tmp_path / "none.parquet")
    assert "directory" in complaint(tmp_path)
