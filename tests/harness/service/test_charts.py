"""The plots' options hold the numbers they were given, within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.service import charts
from harness.store.base import CYCLES, IMPEDANCE_FITS


def cycles(efficiencies: Sequence[float | None], run: str = "r1", kind: str = "cycle") -> pl.DataFrame:
    rows = [
        {"run_id": run, "cell": f"cell-{run}", "cycle_count": number, "kind": kind, "coulombic_efficiency": value,
         "coulombic_efficiency_std": None if number == 2 else 0.001}
        for number, value in enumerate(efficiencies, start=1)
    ]  # fmt: skip
    return pl.DataFrame(rows, CYCLES, strict=False) if rows else CYCLES.to_frame()


def series(options: charts.Options) -> list[dict[str, Any]]:
    found = options["series"]
    assert isinstance(found, list)
    return found


def test_styles_of_ninety_six_channels_are_all_different() -> None:
    """Colour, dash and symbol together tell 96 channels apart, so that no meaning hangs on colour alone."""
    assert len({charts.style_of(position) for position in range(96)}) == 96


def test_efficiency_plot_is_in_percent_with_error_bars_where_known() -> None:
    """Values are percent against cycle; each known std is one bar; a cycle without efficiency or a reservoir is no point."""
    frame = pl.concat([cycles([0.95, 0.98, None, 0.99]), cycles([0.5], kind="reservoir")])
    (curve,) = charts.efficiency_curves(frame, {"r1": charts.style_of(0), "unknown": charts.style_of(1)})
    options, _ = charts.by_cycle_options([curve], "%")
    values, bars = series(options)
    assert values["data"] == [[1, 95.0], [2, 98.0], [4, 99.0]]
    assert bars["data"] == [[1, 94.9], [1, 95.1], [1, charts.BREAK], [4, 98.9], [4, 99.1], [4, charts.BREAK]]
    assert values["name"] == bars["name"] == "cell-r1"


def test_range_leaves_an_outlier_out_and_counts_it() -> None:
    """A first cycle of 60 % does not flatten the rest, and the note can say that it is not shown."""
    (curve,) = charts.efficiency_curves(cycles([0.60] + [0.99 + 0.001 * (k % 3) for k in range(30)]), {"r1": charts.style_of(0)})
    options, outside = charts.by_cycle_options([curve], "%")
    axis = options["yAxis"]
    assert isinstance(axis, dict)
    assert outside == 1
    assert 98.0 <= axis["min"] <= 98.9
    assert 99.3 <= axis["max"] <= 100.0
    marks = (axis["max"] - axis["min"]) / axis["interval"]
    assert marks == pytest.approx(round(marks), abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 47.11, -3.0, 1e-6, 1e9])
def test_range_of_equal_values_is_not_empty(level: float) -> None:
    """A single value, or many equal ones, still have a range around them."""
    curve = charts.Curve("a", charts.style_of(0), np.array([1.0, 2.0]), np.array([level, level]), np.array([np.nan, np.nan]))
    options, outside = charts.by_cycle_options([curve], "Ω")
    axis = options["yAxis"]
    assert isinstance(axis, dict)
    assert axis["min"] <= level <= axis["max"]
    assert axis["min"] < axis["max"]
    assert outside == 0


def test_plots_of_many_runs_stay_within_the_budget() -> None:
    """64 runs of 1000 cycles do not make a plot of 64 000 points, and the newest cycle of each is drawn."""
    frame = pl.concat([cycles([0.99] * 1000, run=f"r{number}") for number in range(64)])
    curves = charts.efficiency_curves(frame, {f"r{number}": charts.style_of(number) for number in range(64)})
    assert len(curves) == 64
    assert sum(len(curve.x) for curve in curves) <= charts.POINT_BUDGET
    assert all(curve.x[-1] == 1000 for curve in curves)


def test_voltage_plot_has_the_datas_own_time_in_utc() -> None:
    """Stamps become milliseconds of the station's time, drawn as UTC wherever the browser is."""
    stamps = np.array([1_768_348_800_000_000_000, 1_768_348_801_000_000_000])
    options = charts.voltage_options([("cu-01", charts.style_of(9), stamps, np.array([0.123456789, -0.5]))])
    (drawn,) = series(options)
    assert drawn["data"] == [[1_768_348_800_000, 0.12346], [1_768_348_801_000, -0.5]]
    assert drawn["lineStyle"]["type"] == "dashed"
    assert options["useUTC"] is True


def test_plots_of_nothing_are_empty() -> None:
    """No run, no fit: options without series, and no error."""
    assert charts.resistance_curves(IMPEDANCE_FITS.to_frame(), {"r1": charts.style_of(0)}) == []
    options, outside = charts.by_cycle_options([], "Ω")
    assert (series(options), outside) == ([], 0)
    assert series(charts.voltage_options([])) == []
