"""What the report's figures are drawn with: one plot on a sheet, marks with errors, and columns as numbers. Draws no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from harness.service.figures import house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

WIDTH_INCH, HEIGHT_INCH = 7.6, 4.4
MARK: Any = {"fmt": "o", "markersize": 4.5, "elinewidth": 1.0, "capsize": 0, "linestyle": "none"}


def sheet(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """One plot with its title and the names of its axes."""
    figure, axes = new_figure("A", width_inch=WIDTH_INCH, height_inch=HEIGHT_INCH)
    with house_style():
        axes["A"].set_title(title)
        axes["A"].set_xlabel(x)
        axes["A"].set_ylabel(y)
    return figure, axes["A"]


def column(frame: pl.DataFrame, name: str) -> Array:
    """A column as floats, NaN where it is null."""
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def has_flag(frame: pl.DataFrame, *names: str) -> NDArray[np.bool_]:
    """Which rows carry one of the flags."""
    return np.array([not set(names).isdisjoint(flags.split()) for flags in frame["flags"].to_list()])
