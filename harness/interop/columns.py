"""The columns of an imported frame as arrays of numbers, and what its words say of rests, probes and ranges. No computation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from harness.analysis.charge import Array
from harness.analysis.integrals import ONE_RANGE, Index, Mask, Ranges
from harness.analysis.missing import all_finite, any_finite
from harness.errors import BadInput

UNITS = ("second", "ampere", "volt", "ah")
_RESTING = r"(?i)\b(rest|ocv|pause|open.?circuit|idle)\b"
_PROBING = r"(?i)\b(probe|p?g?eis|impedance)\b"


class Columns(Mapping[str, Array]):
    """The columns of a frame that hold numbers, as arrays with NaN for missing values; made when first asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._series = {series.name: series for series in frame if series.dtype.is_numeric() or series.dtype == pl.Null}
        self._made: dict[str, Array] = {}
        self._complete: dict[str, bool] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            series = self._series[name].cast(pl.Float64)
            self._made[name] = (series.fill_null(float("nan")) if series.null_count() else series).to_numpy()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __contains__(self, name: object) -> bool:
        return name in self._series

    def complete(self, name: str) -> bool:
        """Whether no value of a column is missing or infinite; looked at once."""
        if name not in self._complete:
            self._complete[name] = all_finite(self[name])
        return self._complete[name]

    def at(self, name: str, rows: Index) -> Array:
        """A column's values in some rows; whole numbers are not made into an array of numbers for it."""
        series = self._series[name]
        whole = series.dtype.is_integer() and series.null_count() == 0
        values: Array = series.to_numpy()[rows].astype(np.float64) if whole else self[name][rows]
        return values

    def changes(self, name: str) -> Mask:
        """Before which rows but the first the value of a column changes; whole numbers are compared as they are."""
        series = self._series[name]
        whole = series.dtype.is_integer() and series.null_count() == 0
        values = series.to_numpy() if whole else np.nan_to_num(self[name], nan=0.0)
        changed: Mask = values[1:] != values[:-1]
        return changed


def numbers(frame: pl.DataFrame, where: str) -> Columns:
    """The columns that hold numbers.

    Raises:
        BadInput: a column whose name ends in a unit holds text, or there is no current with a number in it.
    """
    columns = Columns(frame)
    for column in frame.columns:
        if column not in columns and column.rsplit("_", 1)[-1] in UNITS:
            raise BadInput(where, f'its column "{column}" holds text where numbers belong')
    if "current_ampere" not in columns:
        raise BadInput(where, 'no column holds the current; it needs "current_ampere" or "Current / A"')
    if not any_finite(columns["current_ampere"]):
        raise BadInput(where, 'its column "current_ampere" holds no number')
    return columns


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What a file's words say of each row, ``None`` where it has no such words."""

    rest: Mask | None = None
    probe: Mask | None = None


def stated_of(frame: pl.DataFrame) -> Stated:
    """Rows whose step's type or role says that they are a rest or a probe."""
    texts = [frame[name] for name in ("step_type", "role") if name in frame.columns and frame[name].dtype == pl.String]
    return Stated(_says(texts, _RESTING), _says(texts, _PROBING))


def ranges_of(columns: Mapping[str, Array]) -> Ranges:
    """The current ranges of a file: their sizes where it states them, else only which rows share one."""
    for name in ("current_range_ampere", "current_range_id"):
        if name in columns:
            values = columns[name]
            if bool((values == values[0]).all()):
                return Ranges(ONE_RANGE.of_row, values[:1] if name == "current_range_ampere" else ONE_RANGE.range_ampere)
            sizes, of_row = np.unique(values, return_inverse=True)
            size = sizes if name == "current_range_ampere" else np.full(sizes.size, np.nan)
            return Ranges(of_row.astype(np.int64) if sizes.size > 1 else ONE_RANGE.of_row, size)
    return ONE_RANGE


def _says(texts: list[pl.Series], pattern: str) -> Mask | None:
    found: Mask | None = None
    for text in texts:
        words = text.unique().drop_nulls()
        saying = words.filter(words.str.replace_all("_", " ").str.contains(pattern))
        mask = text.is_in(saying.implode()).fill_null(value=False).to_numpy()
        found = mask if found is None else found | mask
    return found
