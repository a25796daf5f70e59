"""Files in the Battery Data Format's columns (Parquet or CSV), read into one frame with machine names. Reads; computes nothing.

Columns may carry machine names (``current_ampere``) or labels (``Current / A``); labels in other units of the same kind
(``Current / mA``) are converted. A column nobody knows keeps its name. The same door reads the plain words some testers write
(``Seconds, Amps, Volts``).
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from harness.errors import BadInput

LARGEST_FILE_BYTE = 4 * 2**30

_UNITS = {
    "1": ("", 1.0), "s": ("second", 1.0), "ms": ("second", 1e-3), "min": ("second", 60.0), "h": ("second", 3600.0),
    "V": ("volt", 1.0), "mV": ("volt", 1e-3), "A": ("ampere", 1.0), "mA": ("ampere", 1e-3), "uA": ("ampere", 1e-6),
    "µA": ("ampere", 1e-6), "Ah": ("ah", 1.0), "mAh": ("ah", 1e-3), "A.h": ("ah", 1.0), "mA.h": ("ah", 1e-3),
    "Wh": ("wh", 1.0), "mWh": ("wh", 1e-3), "W": ("watt", 1.0), "ohm": ("ohm", 1.0), "Ohm": ("ohm", 1.0), "Hz": ("hertz", 1.0),
    "deg": ("degree", 1.0), "degC": ("celsius", 1.0), "Pa": ("pascal", 1.0),
}  # fmt: skip
_SUFFIXES = {
    "_milliampere": ("_ampere", 1e-3), "_microampere": ("_ampere", 1e-6), "_millivolt": ("_volt", 1e-3), "_mah": ("_ah", 1e-3),
    "_hour": ("_second", 3600.0), "_minute": ("_second", 60.0), "_nanosecond": ("_second", 1e-9),
}  # fmt: skip
_WORDS = {
    "seconds": "test_time_second",
    "amps": "current_ampere",
    "volts": "voltage_volt",
    "step": "step_index",
    "cycle": "cycle_count",
}
_LABEL = re.compile(r"(?P<name>[^/]+?)\s*/\s*(?P<unit>\S+)")
_CELL_FILE = re.compile(r"[^_]+(?:_[^_]+)*?__(?P<cell>.+?)__\d{8}.*")
_ENDINGS = (".parquet", ".csv", ".tsv", ".txt", ".bdf")


def read_cells(path: Path) -> list[tuple[str, pl.DataFrame]]:
    """The cells in a file, each with its rows in the order of recording and columns under machine names.

    A column ``cell`` (or ``cell_id``) divides the file; otherwise the file is one cell, named by its name
    (``Institution__Cell__YYYYMMDD_XXX`` or the name without its endings).

    Raises:
        BadInput: the file cannot be read, is no table, or holds no row.
    """
    frame = with_machine_names(_read(path), str(path))
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

    Raises:
        BadInput: two columns become one name.
    """
    columns: dict[str, pl.Expr] = {}
    for column in frame.columns:
        name, factor = machine_name(column)
        if name in columns:
            if column.strip() == name:
                raise BadInput(where, f'two columns mean "{name}"; keep one of them')
            continue
        scaled = pl.col(column) if factor == 1.0 else pl.col(column).cast(pl.Float64, strict=False) * factor
        columns[name] = scaled.alias(name)
    return frame.select(list(columns.values()))


def machine_name(column: str) -> tuple[str, float]:
    """The machine name of a column's heading, and the factor that brings its values to that name's unit."""
    text = column.strip().lstrip("\ufeff")
    match = _LABEL.fullmatch(text)
    if match and match["unit"] in _UNITS:
        unit, factor = _UNITS[match["unit"]]
        return "_".join(filter(None, (_snake(match["name"]), unit))), factor
    lower = text.lower()
    if lower in _WORDS:
        return _WORDS[lower], 1.0
    for ending, (unit_ending, factor) in _SUFFIXES.items():
        if lower.endswith(ending):
            return lower.removesuffix(ending) + unit_ending, factor
    return (_snake(text) if " " in text else text), 1.0


def _snake(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")


def _read(path: Path) -> pl.DataFrame:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise BadInput(str(path), "it is a directory; name one file")
        if size > LARGEST_FILE_BYTE:
            raise BadInput(str(path), f"it holds {size / 2**30:.1f} GiB, more than {LARGEST_FILE_BYTE // 2**30}; split it")
        with path.open("rb") as stream:
            head = stream.read(4)
        return pl.read_parquet(path) if head == b"PAR1" or path.suffix == ".parquet" else _read_text(path)
    except OSError as error:
        raise BadInput(str(path), f"it cannot be read ({error.strerror or 'no such file'}); check the path") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError, ValueError) as error:
        raise BadInput(str(path), f"it is no whole Parquet or CSV file ({_first_line(error)}); copy it again") from None


def _read_text(path: Path) -> pl.DataFrame:
    with path.open(encoding="utf-8-sig") as stream:
        heading = stream.readline(65_536)
    separator = max(",;\t", key=heading.count)
    if heading.count(separator) == 0:
        raise BadInput(str(path), "its first line names no columns; it is neither Parquet nor CSV")
    return pl.read_csv(path, separator=separator, infer_schema_length=None, truncate_ragged_lines=False)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by record index, where there is a usable one: exports may come sorted by a clock that went back."""
    if "record_index" not in frame.columns:
        return frame
    index = frame["record_index"]
    usable = index.dtype.is_numeric() and index.null_count() == 0 and index.n_unique() == frame.height
    return frame if not usable or index.is_sorted() else frame.sort("record_index", maintain_order=True)
