"""Files in the Battery Data Format's columns (Parquet or text), read into one frame with machine names. Reads; computes nothing.

Columns may carry machine names (``current_ampere``) or labels (``Current / A``, ``Current (A)``); labels in other units of the
same kind (``Current / mA``) are converted. A column nobody knows keeps its name. Of two that mean the same (``Ewe/V`` and
``Ecell/V`` of EC-Lab) the first is used; the other keeps its name, too, and a finding says so. The same door reads the plain
words some testers write (``Seconds, Amps, Volts``) and EC-Lab's headings (``time/s``, ``Ewe/V``, ``(Q-Qo)/mA.h``).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from harness.errors import BadInput
from harness.interop.column_names import NUMERIC_ENDINGS, machine_name
from harness.interop.finding import Finding
from harness.interop.ndax import ENDINGS as NEWARE_ENDINGS
from harness.interop.ndax import read_neware
from harness.interop.text_table import read_text_table

LARGEST_FILE_BYTE = 4 * 2**30
COLUMN_NOT_USED = "column_not_used"

_CELL_FILE = re.compile(r"[^_]+(?:_[^_]+)*?__(?P<cell>.+?)__\d{8}.*")
_ENDINGS = (".parquet", ".csv", ".tsv", ".txt", ".bdf", ".mpt", ".z", *NEWARE_ENDINGS)
_NO_NUMBER = ("", "nan", "-nan", "na", "n/a", "null", "none", "-", "--", "inf", "-inf", "ovld", "overload")


def read_cells(path: Path) -> list[tuple[str, pl.DataFrame]]:
    """The cells in a file, each with its rows in the order of recording and columns under machine names.

    A column ``cell`` (or ``cell_id``) divides the file; otherwise the file is one cell, named by its name
    (``Institution__Cell__YYYYMMDD_XXX`` or the name without its endings).

    Raises:
        BadInput: the file cannot be read, is no table, or holds no row.
    """
    frame = _numeric(with_machine_names(_read(path), str(path)), str(path))
    if frame.height == 0:
        raise BadInput(str(path), "it holds no row; export the measurement again")
    for name in ("cell", "cell_id"):
        if name in frame.columns and frame[name].n_unique() > 1:
            groups = frame.partition_by(name, maintain_order=True)
            return [(str(group[name][0]), _ordered(group)) for group in groups]
        if name in frame.columns and frame[name][0] is not None:
            return [(str(frame[name][0]), _ordered(frame))]
    return [(cell_name(path), _ordered(frame))]


def cell_name(path: Path) -> str:
    """The cell a file is about, from its name."""
    stem = path.name
    while stem.lower().endswith(_ENDINGS):
        stem = stem[: stem.rindex(".")]
    match = _CELL_FILE.fullmatch(stem)
    return match["cell"] if match else stem


def with_machine_names(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """``frame`` with labels and foreign units turned into machine names and their units.

    Of several columns that mean one name the first has it; the others keep their headings and values (`columns_not_used`).

    Raises:
        BadInput: a column keeps a heading that another has already, or one in a foreign unit holds text.
    """
    columns: dict[str, pl.Series] = {}
    for column in frame.columns:
        name, factor = machine_name(column)
        meant = name
        if name in columns:
            name, factor = column.strip(), 1.0
        if name in columns:
            raise BadInput(where, f'two columns mean "{meant}"; keep one of them')
        series = frame[column].alias(name)
        if factor != 1.0:
            series = (_parsed(series, where) if series.dtype == pl.String else series.cast(pl.Float64)) * factor
        columns[name] = series
    return pl.DataFrame(list(columns.values()))


def columns_not_used(frame: pl.DataFrame) -> list[Finding]:
    """The columns of a frame that was read which mean what an earlier one gives, each with its sentence."""
    meant = {column: machine_name(column)[0] for column in frame.columns}
    return [
        Finding(COLUMN_NOT_USED, column, f'"{column}" is not used: an earlier column gives {name} too')
        for column, name in meant.items()
        if name != column and name in meant
    ]


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.is_dir():
            raise BadInput(str(path), "it is a directory; name one file")
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTE:
            raise BadInput(str(path), f"it holds {size / 2**30:.1f} GiB, more than {LARGEST_FILE_BYTE // 2**30}; split it")
        if path.suffix.lower() in NEWARE_ENDINGS:
            return read_neware(path)
        with path.open("rb") as stream:
            head = stream.read(4)
        return pl.read_parquet(path) if head == b"PAR1" or path.suffix.lower() == ".parquet" else read_text_table(path)
    except OSError as error:
        raise BadInput(str(path), f"it cannot be read ({error.strerror or 'no such file'}); check the path") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError, ValueError) as error:
        raise BadInput(str(path), f"it is no whole Parquet or CSV file ({_first_line(error)}); copy it again") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _numeric(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """``frame`` with text in numbers' columns read as numbers, and moments as seconds since 1970.

    Raises:
        BadInput: a cell of such a column holds something else; the sentence names the first.
    """
    made = []
    for name, dtype in frame.schema.items():
        if dtype.is_temporal():
            made.append(_seconds(frame[name]).alias(name if name.endswith("_second") else "unix_time_second"))
        elif dtype == pl.Boolean or isinstance(dtype, pl.Decimal) or not (dtype == pl.String and name.endswith(NUMERIC_ENDINGS)):
            made.append(frame[name].cast(pl.Float64) if isinstance(dtype, pl.Decimal) else frame[name])
        else:
            made.append(_parsed(frame[name], where))
    unique = {series.name: series for series in made}
    return pl.DataFrame(list(unique.values()))


def _seconds(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.Duration):
        return series.dt.total_nanoseconds().cast(pl.Float64) / 1e9
    if series.dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / 1e9
    return series.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6


def _parsed(series: pl.Series, where: str) -> pl.Series:
    text = series.str.strip_chars().str.to_lowercase()
    text = text.set(text.is_in(_NO_NUMBER), None)
    commas = bool(text.str.contains(r"^[-+]?\d*,\d+(e[-+]?\d+)?$").fill_null(value=True).all())
    number = (text.str.replace(",", ".", literal=True) if commas else text).cast(pl.Float64, strict=False)
    wrong = np.flatnonzero((number.is_null() & text.is_not_null()).to_numpy())
    if wrong.size:
        shown = str(series[int(wrong[0])])[:40]
        raise BadInput(
            where, f'its column "{series.name}" holds text where numbers belong ("{shown}" in row {int(wrong[0]) + 1})'
        )
    return number


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by record index, where there is a usable one: exports may come sorted by a clock that went back."""
    if "record_index" not in frame.columns:
        return frame
    index = frame["record_index"]
    usable = index.dtype.is_numeric() and index.null_count() == 0 and index.n_unique() == frame.height
    return frame if not usable or index.is_sorted() else frame.sort("record_index", maintain_order=True)
