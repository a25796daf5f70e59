"""The columns of an imported frame as arrays of numbers, and what its words say of rests, probes and ranges. No computation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from harness.analysis.charge import Array
from harness.analysis.integrals import ONE_RANGE, Ranges
from harness.errors import BadInput
from harness.interop.steps import Mask, Stated

UNITS = ("second", "ampere", "volt", "ah")
_RESTING = r"(?i)\b(rest|ocv|pause|open.?circuit|idle)\b"
_PROBING = r"(?i)\b(probe|p?g?eis|impedance)\b"


def numbers(frame: pl.DataFrame, where: str) -> dict[str, Array]:
    """The columns that hold numbers, missing ones as NaN.

    Raises:
        BadInput: a column whose name ends in a unit holds text, or there is no current with a number in it.
    """
    columns = {}
    for column in frame.columns:
        series = frame[column]
        if series.dtype.is_numeric() or series.dtype == pl.Null:
            columns[column] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        elif column.rsplit("_", 1)[-1] in UNITS:
            raise BadInput(where, f'its column "{column}" holds text where numbers belong')
    if "current_ampere" not in columns:
        raise BadInput(where, 'no column holds the current; it needs "current_ampere" or "Current / A"')
    if not bool(np.isfinite(columns["current_ampere"]).any()):
        raise BadInput(where, 'its column "current_ampere" holds no number')
    return columns


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
