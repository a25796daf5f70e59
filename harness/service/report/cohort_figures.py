"""A cohort's figures: every cell beside its group's mean, and its cells cycle by cycle. Draws; computes no result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from harness.analysis.coulombic import FLAG_FORMATION
from harness.analysis.survival import SurvivalCurve
from harness.lab.cohort import Comparison
from harness.service.charts import COLOURS
from harness.service.figures import house_style, new_figure
from harness.service.report.drawing import MARK, WIDTH_INCH, column, has_flag, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_INCH = 0.27
TITLE_INCH = 1.1


def colours_of(groups: Sequence[str]) -> dict[str, str]:
    """A colour for each group, in their order: one map for all figures of a page."""
    return {group: COLOURS[place % len(COLOURS)] for place, group in enumerate(groups)}


def means_figure(title: str, unit: str, scale: float, found: Comparison, colours: Mapping[str, str]) -> Figure:
    """One row per cell with its error, and under each group's cells its mean with the 95 % interval, in its colour."""
    used = found.cells.filter(pl.col("used")).sort("cell")
    rows = used.height + 2 * found.groups.height
    figure, plots = new_figure("A", width_inch=WIDTH_INCH, height_inch=TITLE_INCH + ROW_INCH * rows)
    axes, ticks, place = plots["A"], [], 0.0
    with house_style():
        for group in found.groups.iter_rows(named=True):
            colour = colours[group["group"]]
            for cell in used.filter(pl.col("group") == group["group"]).iter_rows(named=True):
                error = None if cell["value_std"] is None else scale * cell["value_std"]
                axes.errorbar(scale * cell["value"], place, xerr=error, **MARK, color=colour, markerfacecolor="white")
                ticks.append((place, cell["cell"]))
                place += 1.0
            _draw_mean(axes, group, scale, place, colour)
            ticks.append((place, f"{group['group']}: mean of {group['cells']}"))
            place += 2.0
        _name_rows(axes, ticks)
        axes.set_title(title)
        axes.set_xlabel(unit)
    return figure


def cycles_figure(
    title: str,
    unit: str,
    frame: pl.DataFrame,
    name: str,
    groups: Mapping[str, str],
    *,
    colours: Mapping[str, str],
    scale: float = 1.0,
) -> Figure:
    """The column ``name`` of every cell against cycle, times ``scale``, in the colour of the cell's group."""
    figure, axes = sheet(title, "cycle", unit)
    told: set[str] = set()
    settled = frame.filter(pl.Series(~has_flag(frame, FLAG_FORMATION))).filter(pl.col(name).is_not_null())
    with house_style():
        for (cell,), mine in settled.partition_by("cell", as_dict=True, maintain_order=True).items():
            group = groups.get(str(cell))
            if group is None:
                continue
            label = None if group in told else group
            told.add(group)
            values = scale * column(mine, name)
            axes.plot(column(mine, "cycle_count"), values, "o-", color=colours[group], markersize=3, linewidth=0.9, label=label)
        axes.locator_params(axis="x", integer=True)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def survival_figure(curves: Mapping[str, SurvivalCurve], colours: Mapping[str, str]) -> Figure:
    """The share of cells still alive against cycle, each group in its colour with its 95 % band."""
    figure, axes = sheet("Cycle life (Kaplan and Meier)", "cycle", "share of cells alive")
    with house_style():
        for group, curve in curves.items():
            cycle, alive, low, high = (
                np.concatenate(([start], np.nan_to_num(values)))
                for start, values in ((0.0, curve.time), (1.0, curve.survival), (1.0, curve.low), (1.0, curve.high))
            )
            axes.step(cycle, alive, where="post", color=colours[group], label=f"{group} ({curve.cells})")
            axes.fill_between(cycle, low, high, step="post", color=colours[group], alpha=0.12, linewidth=0)
        axes.set_ylim(0.0, 1.03)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="best")
    return figure


def _draw_mean(axes: Axes, group: Mapping[str, Any], scale: float, place: float, colour: str) -> None:
    """The group's mean as a diamond on its 95 % interval; without an interval the diamond is hollow."""
    mean, low, high = group["mean"], group["mean_low"], group["mean_high"]
    if mean is None:
        return
    known = low is not None and high is not None
    if known:
        axes.plot([scale * low, scale * high], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt")
    axes.plot(scale * mean, place, "D", color=colour, markersize=7, markerfacecolor=colour if known else "white")


def _name_rows(axes: Axes, ticks: Sequence[tuple[float, str]]) -> None:
    """Rows from above, their names at the left, those of means in bold."""
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    for label, (_, name) in zip(axes.get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if ": mean of " in name else "normal")
    axes.set_ylim(ticks[-1][0] + 0.7, -0.7)
    axes.grid(visible=False, axis="y")
