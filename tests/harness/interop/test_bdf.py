"""Reading Battery Data Format files: names, units, and files that are none."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from harness.errors import BadInput
from harness.interop.bdf import COLUMN_NOT_USED, cell_name, columns_not_used, read_cells
from harness.interop.column_names import machine_name
from tests.realdata import REALDATA, real


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
        ("Ah", "capacity_ah", 1.0),
        ("time/s", "test_time_second", 1.0),
        ("Ewe/V", "voltage_volt", 1.0),
        ("<I>/mA", "current_ampere", 1e-3),
        ("(Q-Qo)/mA.h", "net_capacity_ah", 1e-3),
        ("-Im(Z)/Ohm", "imaginary_impedance_ohm", -1.0),
        ("control/V/mA", "control_volt_or_milliampere", 1.0),
        ("Voltage (mV)", "voltage_volt", 1e-3),
        ("Current [A]", "current_ampere", 1.0),
        ("Ambient Temperature / °C", "ambient_temperature_celsius", 1.0),
        ("Odd / parsec", "odd_parsec", 1.0),
        ("Re(Z)/kOhm", "real_impedance_ohm", 1e3),
        ("-Im(Z)/kΩ", "imaginary_impedance_ohm", -1e3),
        ("Z' (MOhm)", "real_impedance_ohm", 1e6),
        ("Z'' (MΩ)", "imaginary_impedance_ohm", 1e6),
        ("Z' (mOhm)", "real_impedance_ohm", 1e-3),
        ("Z' / mohm", "real_impedance_ohm", 1e-3),
        ("Re(Z)/µΩ", "real_impedance_ohm", 1e-6),
        ("Re(Z)/uOhm", "real_impedance_ohm", 1e-6),
        ("Re(Z)/\N{OHM SIGN}", "real_impedance_ohm", 1.0),
        ("Z' (ohms)", "real_impedance_ohm", 1.0),
        ("Z'(a)", "real_impedance_ohm", 1.0),
        ("|Z|/kOhm", "absolute_impedance_ohm", 1e3),
        ("Re(Z)/Ohm.cm2", "Re(Z)/Ohm.cm2", 1.0),
        ("-Im(Z)/mV", "im_z_volt", 1e-3),
        ("Z' (MOHM)", "z_mohm", 1.0),
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


TABLE = "Test Time / s{0}Voltage / V{0}Current / A{0}T1 / °C\n0{0}3.5{0}0.001{0}25.5\n60{0}3.6{0}0.001{0}25.5\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("above", ["", "Made by a program\nwith settings : 3\n\n"])
def test_text_of_any_writer_reads_the_same(separator: str, ends: str, encoding: str, above: str, tmp_path: Path) -> None:
    """Separator, line ends, encoding and lines above the heading are found out, not asked for."""
    path = tmp_path / "a.csv"
    path.write_bytes((above + TABLE.format(separator)).replace("\n", ends).encode(encoding))
    ((_, frame),) = read_cells(path)
    assert frame.columns == ["test_time_second", "voltage_volt", "current_ampere", "t1_celsius"]
    assert frame.rows() == [(0, 3.5, 0.001, 25.5), (60, 3.6, 0.001, 25.5)]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_where_they_separate_nothing(separator: str, tmp_path: Path) -> None:
    """A German spreadsheet's numbers are the same numbers."""
    path = tmp_path / "a.csv"
    path.write_text(TABLE.format(separator).replace(".", ","), encoding="utf-8")
    ((_, frame),) = read_cells(path)
    assert frame.rows()[0] == (0, 3.5, 0.001, 25.5)


def test_quoted_decimal_commas_are_read(tmp_path: Path) -> None:
    """In quotes a decimal comma may stand between commas."""
    path = tmp_path / "a.csv"
    path.write_text('test_time_second,voltage_volt\n0,"3,5"\n60,"3,6"\n', encoding="utf-8")
    assert read_cells(path)[0][1]["voltage_volt"].to_list() == [3.5, 3.6]


def test_degree_sign_late_in_a_latin_file_is_read(tmp_path: Path) -> None:
    """A byte that is no UTF-8 may stand behind everything that was looked at."""
    rows = "".join(f"{second},1.0,fine\n" for second in range(40_000)) + "40000,1.0,25 °C\n"
    (tmp_path / "a.csv").write_bytes(("test_time_second,current_ampere,note\n" + rows).encode("cp1252"))
    assert read_cells(tmp_path / "a.csv")[0][1]["note"][-1] == "25 °C"


def test_missing_values_in_words_are_missing(tmp_path: Path) -> None:
    """What programs write for no number is no number, and no text."""
    (tmp_path / "a.csv").write_text("test_time_second,voltage_volt\n0,1.5\n1,NaN\n2,--\n3,n/a\n4,1.6\n")
    assert read_cells(tmp_path / "a.csv")[0][1]["voltage_volt"].fill_nan(None).to_list() == [1.5, None, None, None, 1.6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3\n2,3,4\n", "holds numbers and no names"),
        ("1 2 3\n2 3 4\n", "separated by spaces"),
        ("test_time_second,current_ampere\n0,one\n1,2\n", '"current_ampere" holds text where numbers belong ("one" in row 1)'),
        ("Current / mA,Test Time / s\n1,0\nlots,1\n", '("lots" in row 2)'),
        ("some words\nand more words\n", "no line names its columns"),
        ("\n \n", "empty"),
    ],
)
def test_text_that_cannot_be_understood_says_why(text: str, said: str, tmp_path: Path) -> None:
    """Each with the one sentence that helps."""
    (tmp_path / "a.csv").write_text(text)
    assert said in complaint(tmp_path / "a.csv")


def test_moments_become_seconds(tmp_path: Path) -> None:
    """A column of dates is the Unix time."""
    moment = pl.datetime_range(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 1, tzinfo=UTC), "30s", eager=True)
    pl.DataFrame({"Date Time": moment, "current_ampere": [1.0, 1.0, 1.0]}).write_parquet(tmp_path / "a.parquet")
    frame = read_cells(tmp_path / "a.parquet")[0][1]
    assert frame["unix_time_second"].to_list() == [1767225600.0, 1767225630.0, 1767225660.0]


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("Ewe/V", "Ecell/V", "voltage_volt"),
        ("I/mA", "<I>/mA", "current_ampere"),
        ("voltage_volt", "Voltage / mV", "voltage_volt"),
    ],
)
def test_second_column_of_one_meaning_keeps_its_heading(first: str, second: str, name: str, tmp_path: Path) -> None:
    """The first is used, as an EC-Lab export often holds two; the finding names the one that is not."""
    pl.DataFrame({"time/s": [0.0, 1.0], first: [1.0, 2.0], second: [3.0, 4.0]}).write_parquet(tmp_path / "a.parquet")
    ((_, frame),) = read_cells(tmp_path / "a.parquet")
    assert frame.columns == ["test_time_second", name, second]
    assert frame[name].to_list() == [machine_name(first)[1] * value for value in (1.0, 2.0)]
    assert frame[second].to_list() == [3.0, 4.0]
    [finding] = columns_not_used(frame)
    assert (finding.kind, finding.column) == (COLUMN_NOT_USED, second)
    assert finding.text == f'"{second}" is not used: an earlier column gives {name} too'


def test_columns_of_one_meaning_each_are_all_used(tmp_path: Path) -> None:
    """A column that nobody knows is no second one."""
    columns = {"Test Time / s": [0.0], "Voltage / V": [3.0], "Current / mA": [1.0], "Colour": ["red"], "unix_time_second": [1.0]}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    assert columns_not_used(read_cells(tmp_path / "a.parquet")[0][1]) == []


@pytest.mark.parametrize(
    "columns", [("Ewe/V", "voltage_volt"), ("Test Time / h", "test_time_hour", "Test Time / s", "test_time_hour ")]
)
def test_second_column_whose_heading_is_taken_is_refused(columns: tuple[str, ...], tmp_path: Path) -> None:
    """It can keep no heading that another column has."""
    pl.DataFrame({column: [1.0, 2.0] for column in columns}).write_parquet(tmp_path / "a.parquet")
    assert complaint(tmp_path / "a.parquet").endswith(f'two columns mean "{machine_name(columns[0])[0]}"; keep one of them')


@real
def test_table_without_a_current_is_read_for_what_it_holds() -> None:
    """EC-Lab's two columns, time and voltage, under their machine names."""
    ((name, frame),) = read_cells(REALDATA / "lili_transient_excerpt.tsv")
    assert (name, frame.columns, frame.height) == ("lili_transient_excerpt", ["test_time_second", "voltage_volt"], 138)
