"""The demo's builds compared in one figure: efficiency and interface resistance, truth beside measurement. Measures nothing.

Above, cycle by cycle: marks are measured, lines are the truth. Below, one row per cell, rows of one build together: what the
marks come to, with their error bars, and the truth as a bar. The rows' colours are the legend of the marks above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.resistance import interfaces_of
from harness.comparison.run import Beside, TruthComparison, compare_run
from harness.comparison.truth_rows import read_truth
from harness.config import Site
from harness.model.run import Geometry
from harness.service.charts import COLOURS, GREY
from harness.service.compare_report import read_run
from harness.service.demo_report import CellReport
from harness.service.figures import FAINT, INK, house_style, new_figure, save_figure
from harness.service.fleet import FLEET, DemoCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "D", "^")
TITLE = "Lithium anode builds compared: measured, beside the emulator's truth"

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Row:
    """One cell: what was found, and how it is drawn."""

    cell: DemoCell
    report: CellReport
    found: TruthComparison
    colour: str
    marker: str
    place: float

    @property
    def sweeps(self) -> list[Beside]:
        """Interface resistances, one per sweep."""
        return [sweep.interface_resistance_ohm for sweep in self.found.sweeps]

    @property
    def area_cm2(self) -> float:
        """What makes an interface resistance that of one electrode per area."""
        return self.found.area_cm2 / interfaces_of(Geometry(self.found.geometry))


def draw_demo(site: Site, reports: Sequence[CellReport], runs: dict[str, str], path: Path) -> None:
    """Draw the fleet's ``reports`` to the file at ``path``; ``runs`` are the runs by cell."""
    truth = read_truth(site.path.parent / "truth.jsonl")
    found = {cell: compare_run(truth, read_run(site.state_directory, run)[0]) for cell, run in runs.items()}
    save_figure(demo_figure(list(_rows(reports, found))), path)


def _rows(reports: Sequence[CellReport], found: dict[str, TruthComparison]) -> Iterator[_Row]:
    """The fleet with a colour per build, a marker per cell of it, and a row of its own, a gap after each build."""
    known = {report.cell: report for report in reports}
    builds = list(dict.fromkeys(one.cell.build for one in FLEET))
    place = 0.0
    for number, build in enumerate(builds):
        for turn, one in enumerate(one for one in FLEET if one.cell.build == build):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[turn % len(MARKERS)]
            yield _Row(one, known[one.cell.id], found[one.cell.id], colour, marker, place)
            place += 1.0
        place += 1.0


def demo_figure(rows: Sequence[_Row]) -> Figure:
    """The figure of ``rows``."""
    figure, axes = new_figure("AB;CD", width_inch=13.5, height_inch=10.0, title=TITLE, height_ratios=[1.0, 1.15])
    with house_style():
        _efficiency_by_cycle(axes["A"], rows)
        _resistance_by_cycle(axes["B"], rows)
        _efficiency_by_cell(axes["C"], rows)
        _resistance_by_cell(axes["D"], rows)
        for name in ("A", "B"):
            axes[name].set_xlabel("cycle")
            axes[name].locator_params(axis="x", integer=True)
    return figure


def _efficiency_by_cycle(axes: Axes, rows: Sequence[_Row]) -> None:
    """Half cells only: a full cell's efficiency says little of its lithium while there is more of it than is cycled."""
    drawn = [row for row in rows if row.cell.cell.counter == "Cu"]
    for row in drawn:
        settled = [one for one in row.found.cycles if one.cycle_count > 1]
        cycles = np.array([float(one.cycle_count) for one in settled])
        _curve(axes, row, cycles, [one.coulombic_efficiency for one in settled], 100.0)
    axes.margins(y=0.14)
    axes.set_title("Coulombic efficiency of Li||Cu from the second cycle on")
    axes.set_ylabel("CE / %")
    _key(axes)


def _resistance_by_cycle(axes: Axes, rows: Sequence[_Row]) -> None:
    for row in rows:
        cycles = np.array([float(one.cycle_count) for one in row.found.sweeps])
        _curve(axes, row, cycles, row.sweeps, row.area_cm2)
    axes.set_ylim(0.0, 1.1 * axes.get_ylim()[1])
    axes.set_title("Interface resistance of every sweep")
    _interval_key(axes)
    axes.set_ylabel("R / Ω cm²")


def _curve(axes: Axes, row: _Row, x: Array, values: Sequence[Beside], scale: float) -> None:
    """Marks for what was measured; a line for a true value, a band for a true interval."""
    low, high = (_array([getattr(one, name) for one in values], scale) for name in ("true_low", "true_high"))
    if bool(np.any(high > low)):
        axes.fill_between(x, low, high, color=row.colour, alpha=0.1, linewidth=0, zorder=1)
    else:
        axes.plot(x, low, color=row.colour, linewidth=1.3, alpha=0.75, zorder=2)
    measured, std = (_array([getattr(one, name) for one in values], scale) for name in ("measured", "std"))
    axes.errorbar(x, measured, yerr=np.nan_to_num(std), fmt=row.marker, color=row.colour, **_MARK)


_MARK: Any = {
    "markersize": 5.5, "markeredgecolor": "white", "markeredgewidth": 0.7, "elinewidth": 1.1, "capsize": 0.0, "zorder": 4,
}  # fmt: skip


def _efficiency_by_cell(axes: Axes, rows: Sequence[_Row]) -> None:
    for row in rows:
        report = row.report
        if report.coulombic_efficiency is None:
            axes.annotate("symmetric: no efficiency", (0.5, row.place), xycoords=("axes fraction", "data"), va="center",
                          ha="center", fontsize=8.5, color=GREY)  # fmt: skip
            continue
        true = report.true_coulombic_efficiency
        std = report.coulombic_efficiency_std
        _point(axes, row, Beside(report.coulombic_efficiency, std, true, true), 100.0)
    _name_rows(axes, rows)
    axes.set_title("Mean efficiency by build")
    axes.set_xlabel("CE / %")


def _resistance_by_cell(axes: Axes, rows: Sequence[_Row]) -> None:
    for row in rows:
        if row.sweeps:
            first, last = (one.measured for one in (row.sweeps[0], row.sweeps[-1]))
            if first is not None and last is not None:
                area = row.area_cm2
                axes.plot([first * area, last * area], [row.place] * 2, color=row.colour, linewidth=1.0, alpha=0.6, zorder=2)
                axes.plot(first * area, row.place, "o", color="white", markeredgecolor=row.colour, markersize=4.0, zorder=3)
            _point(axes, row, row.sweeps[-1], row.area_cm2)
    _name_rows(axes, rows)
    axes.tick_params(labelleft=False)
    axes.set_xlim(left=0.0)
    axes.set_title("Interface resistance, first sweep (small) to last")
    axes.set_xlabel("R / Ω cm²")


def _point(axes: Axes, row: _Row, value: Beside, scale: float) -> None:
    """The truth as a bar as high as the row, or as two with what is between them; what was measured as a mark with its error."""
    if value.true_low is not None and value.true_high is not None:
        low, high = value.true_low * scale, value.true_high * scale
        axes.vlines([low, high], row.place - 0.36, row.place + 0.36, color=INK, linewidth=1.4, zorder=3)
        axes.fill_between([low, high], row.place - 0.3, row.place + 0.3, color=INK, alpha=0.1, linewidth=0, zorder=1)
    if value.measured is not None:
        error = (value.std or 0.0) * scale
        axes.errorbar(
            value.measured * scale, row.place, xerr=error, fmt=row.marker, color=row.colour, **_MARK | {"markersize": 7.5}
        )


def _name_rows(axes: Axes, rows: Sequence[_Row]) -> None:
    """The cell of each row, the first row on top; over the rows of each build its name, and a stripe behind every other build."""
    axes.set_yticks([row.place for row in rows], [row.cell.cell.id for row in rows])
    for number, build in enumerate(dict.fromkeys(row.cell.cell.build for row in rows)):
        mine = [row for row in rows if row.cell.cell.build == build]
        top, bottom = mine[0].place - 1.1, mine[-1].place + 0.5
        if number % 2 == 0:
            axes.axhspan(top - 0.2, bottom + 0.2, color=FAINT, alpha=0.45, linewidth=0, zorder=0)
        axes.annotate(build, (0.015, top + 0.35), xycoords=("axes fraction", "data"), va="center", color=mine[0].colour,
                      fontweight="bold", fontsize=9.5)  # fmt: skip
    axes.set_ylim(rows[-1].place + 0.7, rows[0].place - 1.3)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _key(axes: Axes) -> None:
    """What marks and lines are, whatever their colour; which colour is which build, the rows below say."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - see `harness.service.figures`

    mark = Line2D([], [], linestyle="", marker="o", color=GREY, markeredgecolor="white", markersize=6.5, label="measured ± σ")
    line = Line2D([], [], color=GREY, linewidth=1.3, label="true")
    axes.legend(handles=[mark, line], loc="lower right", ncols=2)


def _interval_key(axes: Axes) -> None:
    """Why a resistance can have an interval for a truth."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - see `harness.service.figures`

    why = "true interval: an arc lies across the sweep's upper end"
    axes.legend(handles=[Patch(color=GREY, alpha=0.25, linewidth=0, label=why)], loc="upper right")


def _array(values: Sequence[float | None], scale: float) -> Array:
    return np.array([np.nan if value is None else value * scale for value in values], dtype=np.float64)
