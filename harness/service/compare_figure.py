"""A run beside the truth, drawn: efficiency and resistance by cycle, deviations, the voltage of one cycle. Joins nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from harness.comparison.run import Beside, FaultComparison, Reaction, TruthComparison
from harness.service.charts import COLOURS, GREY
from harness.service.figures import INK, house_style, new_figure, save_figure
from harness.units import NANOSECOND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURED, TRUE, SERIES, LITHIUM = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[3]
ROLE_SHADES = {"plate": COLOURS[4], "charge": COLOURS[4], "strip": COLOURS[5], "discharge": COLOURS[5]}
LAYOUT = "AB;CD;EE"
MOST_LABELS = 6
NOT_SHOWN = "no value here"

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Series:
    """One quantity by cycle; ``scale`` brings it to the unit of the axis."""

    x: Array
    values: Sequence[Beside]
    scale: float
    colour: str
    marker: str
    name: str

    def of(self, field: str) -> Array:
        """One field of every value, NaN where it is unknown."""
        return _array([getattr(one, field) for one in self.values], self.scale)


def draw_comparison(found: TruthComparison, samples: pl.DataFrame, path: Path) -> None:
    """Draw to the file at ``path``; `BadInput` when it cannot be written."""
    save_figure(comparison_figure(found, samples), path)


def comparison_figure(found: TruthComparison, samples: pl.DataFrame) -> Figure:
    """The figure; ``samples`` hold the run's stamps, cycles, voltages, currents and roles."""
    title = f"{found.run_id} on {found.channel}, measured beside the truth"
    figure, axes = new_figure(LAYOUT, width_inch=13.0, height_inch=10.0, title=title, height_ratios=[3.0, 1.5, 2.6])
    with house_style():
        axes["C"].sharex(axes["A"])
        axes["D"].sharex(axes["B"])
        _efficiency(axes["A"], axes["C"], found)
        _resistance(axes["B"], axes["D"], found)
        _voltage(axes["E"], found, samples)
        for name in ("A", "B"):
            axes[name].tick_params(labelbottom=False)
        for name in ("C", "D"):
            axes[name].set_xlabel("cycle")
            axes[name].locator_params(axis="x", integer=True)
    return figure


# -- by cycle


def _efficiency(above: Axes, below: Axes, found: TruthComparison) -> None:
    """Efficiency where the geometry has one, else the plated charge per area."""
    has_efficiency = any(one.coulombic_efficiency.measured is not None for one in found.cycles)
    values = [one.coulombic_efficiency if has_efficiency else one.plating_capacity_ah for one in found.cycles]
    x = np.array([float(one.cycle_count) for one in found.cycles])
    series = _Series(x, values, 100.0 if has_efficiency else 1e3 / found.area_cm2, MEASURED, "o", "measured ± σ")
    if has_efficiency:
        _other_truths(above, x, found)
    _truth(above, series, "true: charge")
    _measured(above, series)
    above.set_title("Coulombic efficiency" if has_efficiency else "Plated charge")
    above.set_ylabel("CE / %" if has_efficiency else "charge / mAh cm⁻²")
    _focus(above, series)
    _legend(above)
    _deviations(below, [series])


def _other_truths(axes: Axes, x: Array, found: TruthComparison) -> None:
    """The lithium's own efficiency as dots, a reservoir block's where one ended."""
    lithium = _array([one.true_coulombic_efficiency_lithium for one in found.cycles], 100.0)
    axes.plot(x, lithium, color=LITHIUM, linestyle=(0, (1, 1.5)), label="true: lithium's books", zorder=2)
    adams = _array([one.true_coulombic_efficiency_adams for one in found.cycles], 100.0)
    if bool(np.isfinite(adams).any()):
        axes.plot(x, adams, "D", color=COLOURS[5], label="true: reservoir", zorder=3)


def _resistance(above: Axes, below: Axes, found: TruthComparison) -> None:
    x = np.array([float(one.cycle_count) for one in found.sweeps])
    interface = [one.interface_resistance_ohm for one in found.sweeps]
    series = [one.series_resistance_ohm for one in found.sweeps]
    both = [
        _Series(x, interface, found.area_cm2, MEASURED, "o", "interface ± σ"),
        _Series(x, series, found.area_cm2, SERIES, "s", "series ± σ"),
    ]
    for place, one in enumerate(both):
        _truth(above, one, "" if place else "true")
        _measured(above, one)
    above.set_title("Resistance of the cell from impedance")
    above.set_ylabel("R / Ω cm²")
    if x.size:
        above.set_ylim(bottom=0.0)
        _legend(above)
    else:
        _say(above, "no sweep was fitted")
    _deviations(below, both)


def _truth(axes: Axes, series: _Series, label: str) -> None:
    """A line where the truth is a point, a band where it is an interval."""
    low, high = series.of("true_low"), series.of("true_high")
    if bool(np.any(high > low)):
        axes.fill_between(series.x, low, high, color=TRUE, alpha=0.25, linewidth=0, label=label or None, zorder=1)
    else:
        axes.plot(series.x, low, color=TRUE, label=label or None, zorder=2)


def _measured(axes: Axes, series: _Series) -> None:
    axes.errorbar(
        series.x, series.of("measured"), yerr=np.nan_to_num(series.of("std")), fmt=series.marker, color=series.colour,
        label=series.name, capsize=2.5, elinewidth=1.2, markeredgecolor="white", markeredgewidth=0.7, markersize=6.0, zorder=4,
    )  # fmt: skip


def _deviations(axes: Axes, groups: Sequence[_Series]) -> None:
    """Differences in standard deviations, with the band in which 95 % of them should be."""
    axes.axhspan(-2.0, 2.0, color=GREY, alpha=0.13, linewidth=0)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    highest = 3.0
    for place, series in enumerate(groups):
        y = _array([one.deviation for one in series.values], 1.0)
        shifted = series.x + 0.12 * (place - 0.5 * (len(groups) - 1))
        axes.vlines(shifted, 0.0, np.nan_to_num(y), color=series.colour, linewidth=1.4)
        axes.plot(shifted, y, series.marker, color=series.colour, markeredgecolor="white", markeredgewidth=0.7)
        highest = max(highest, float(np.max(np.nan_to_num(np.abs(y)), initial=0.0)) * 1.15)
    axes.set_ylim(-highest, highest)
    axes.set_ylabel("off / σ")


def _legend(axes: Axes) -> None:
    """On the line of the title, where no value can be under it."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=4, columnspacing=0.9, handletextpad=0.4, borderpad=0.2)


def _focus(axes: Axes, series: _Series) -> None:
    """Leave outliers (a first cycle of 60 %) out of the range, and say so; error bars stay whole."""
    measured, std = series.of("measured"), np.nan_to_num(series.of("std"))
    known = np.isfinite(measured)
    if np.count_nonzero(known) < 5:
        return
    lower, upper = np.quantile(measured[known], [0.25, 0.75])
    reach = max(4.0 * float(upper - lower), 4.0 * float(np.median(std[known])))
    inside = known & (measured >= lower - reach) & (measured <= upper + reach)
    outside = int(np.count_nonzero(known & ~inside))
    if outside:
        ends = np.concatenate((measured[inside] - std[inside], measured[inside] + std[inside], series.of("true_low")[inside]))
        margin = 0.12 * float(np.nanmax(ends) - np.nanmin(ends))
        axes.set_ylim(float(np.nanmin(ends)) - margin, float(np.nanmax(ends)) + margin)
        axes.text(
            0.99, 0.02, f"{outside} measured outside", transform=axes.transAxes, ha="right", va="bottom", color=GREY, fontsize=9
        )


# -- by time


def _voltage(axes: Axes, found: TruthComparison, samples: pl.DataFrame) -> None:
    """One cycle: the first one in which something was done on purpose, else the middle one."""
    count = interesting_cycle(found, samples)
    cycle = samples.filter(pl.col("cycle_count") == count).sort("unix_time_nanosecond")
    axes.set_ylabel("E / V")
    if cycle.is_empty():
        _say(axes, "no reading is stored")
        return
    stamps = cycle["unix_time_nanosecond"].to_numpy()
    hours = (stamps - stamps[0]) / NANOSECOND / 3600.0
    axes.set_title(f"Voltage of cycle {count}")
    axes.set_xlabel("time in the cycle / h")
    roles = cycle["role"].to_list()
    _shade(axes, hours, roles)
    _trace(axes, hours, cycle["voltage_volt"].to_numpy(), roles)
    first, last = int(stamps[0]), int(stamps[-1])
    _mark_faults(axes, [one for one in found.faults if _meets(one, first, last)], first, last)
    reactions = [*(one for fault in found.faults for one in fault.reactions), *found.unexplained]
    _mark_reactions(axes, [one for one in reactions if first <= one.unix_time_nanosecond <= last], first)


def _trace(axes: Axes, hours: Array, volt: Array, roles: Sequence[str]) -> None:
    """The voltage, broken between steps; what lasts for less than 1 % of the time may leave the picture."""
    total = max(float(hours[-1]), 1e-9)
    breaks = [index for index in range(1, len(roles)) if roles[index] != roles[index - 1]]
    axes.plot(np.insert(hours, breaks, np.nan), np.insert(volt, breaks, np.nan), color=INK, linewidth=1.3, zorder=3)
    axes.set_xlim(0.0, total)
    order = np.argsort(volt)
    passed = np.cumsum(np.diff(hours, append=hours[-1])[order])
    low, high = (
        float(volt[order][min(int(np.searchsorted(passed, share * passed[-1])), volt.size - 1)]) for share in (0.01, 0.99)
    )
    margin = max(0.35 * (high - low), 0.02)
    if float(volt.max() - volt.min()) < 2.0 * (high - low):
        low, high, margin = float(volt.min()), float(volt.max()), 0.4 * margin
    low, high = low - margin, high + margin
    axes.set_ylim(low, high)
    if float(volt.max()) > high or float(volt.min()) < low:
        sentence = f"goes from {float(volt.min()):.2f} V to {float(volt.max()):.2f} V"
        axes.text(1.0, 1.02, sentence, transform=axes.transAxes, ha="right", va="bottom", color=GREY, fontsize=9)


def interesting_cycle(found: TruthComparison, samples: pl.DataFrame) -> int:
    """The cycle to show."""
    begins = (
        samples.filter(pl.col("cycle_count") > 0)
        .group_by("cycle_count")
        .agg(pl.col("unix_time_nanosecond").min().alias("first"), pl.col("unix_time_nanosecond").max().alias("last"))
        .sort("cycle_count")
    )
    if begins.is_empty():
        return 0
    for fault in sorted(found.faults, key=lambda one: one.start_nanosecond):
        met = begins.filter((pl.col("first") <= fault.start_nanosecond) & (pl.col("last") >= fault.start_nanosecond))
        if not met.is_empty():
            return int(met["cycle_count"][0])
    return int(begins["cycle_count"][begins.height // 2])


def _shade(axes: Axes, hours: Array, roles: Sequence[str]) -> None:
    """A faint colour behind each step with current, and its role's name at the top."""
    edges = [0, *(index for index in range(1, len(roles)) if roles[index] != roles[index - 1]), len(roles)]
    for first, stop in itertools.pairwise(edges):
        begin, end = float(hours[first]), float(hours[stop - 1])
        colour = ROLE_SHADES.get(roles[first])
        if colour is not None:
            axes.axvspan(begin, end, color=colour, alpha=0.14, linewidth=0, zorder=0)
        if end - begin > 0.04 * float(hours[-1] - hours[0]):
            axes.text(
                0.5 * (begin + end), 0.97, roles[first], transform=axes.get_xaxis_transform(), ha="center", va="top", color=GREY,
                fontsize=9,
            )  # fmt: skip


def _mark_faults(axes: Axes, faults: Sequence[FaultComparison], first: int, last: int) -> None:
    for place, fault in enumerate(faults):
        begin = (fault.start_nanosecond - first) / NANOSECOND / 3600.0
        end = fault.start_nanosecond if fault.end_nanosecond is None else min(fault.end_nanosecond, last)
        axes.axvspan(begin, max((end - first) / NANOSECOND / 3600.0, begin), color=TRUE, alpha=0.2, linewidth=0, zorder=1)
        axes.axvline(begin, color=TRUE, linewidth=1.2, zorder=2)
        if place < MOST_LABELS:
            axes.annotate(
                fault.fault, (begin, 0.06 + 0.08 * place), xycoords=axes.get_xaxis_transform(), xytext=(4, 0), color=TRUE,
                textcoords="offset points", fontsize=9, fontweight="bold",
            )  # fmt: skip


def _mark_reactions(axes: Axes, reactions: Sequence[Reaction], first: int) -> None:
    """A triangle where the run noted an incident."""
    hours = [(one.unix_time_nanosecond - first) / NANOSECOND / 3600.0 for one in reactions]
    if not hours:
        return
    axes.plot(hours, [0.0] * len(hours), "^", color=LITHIUM, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5)
    for place, (hour, one) in enumerate(zip(hours, reactions, strict=True)):
        if place < MOST_LABELS:
            axes.annotate(
                one.kind, (hour, 0.0), xycoords=axes.get_xaxis_transform(), xytext=(5, 5 + 11 * (place % 3)), color=LITHIUM,
                textcoords="offset points", fontsize=9,
            )  # fmt: skip


def _meets(fault: FaultComparison, first: int, last: int) -> bool:
    end = fault.start_nanosecond if fault.end_nanosecond is None else fault.end_nanosecond
    return end >= first and fault.start_nanosecond <= last


def _say(axes: Axes, sentence: str) -> None:
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _array(values: Sequence[float | None], scale: float) -> Array:
    return np.array([math.nan if value is None else value * scale for value in values], dtype=np.float64)
