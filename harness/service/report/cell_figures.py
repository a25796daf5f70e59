"""One cell's figures: efficiency, capacity, voltage, overpotential, impedance and its growth. Draws frames; computes no result.

Every function takes frames in the columns of `harness.store.base` and gives a figure, or ``None`` when there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from harness.analysis.coulombic import FLAG_FORMATION
from harness.analysis.impedance.relaxation import Relaxations
from harness.lab.spectra import Spectrum, chosen
from harness.model.flags import CHARGE_DOUBTS
from harness.service.charts import COLOURS, GREY
from harness.service.figures import INK, house_style
from harness.service.report.drawing import MARK, Array, column, has_flag, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = 6
"""How many cycles or spectra are drawn above each other, the first and the last among them."""
CURVE_POINTS = 400
DEPOSITS = ("plate", "charge")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A fitted curve with its 95 % band: arrays of one length."""

    name: str
    x: Array
    middle: Array
    low: Array
    high: Array


def efficiency_figure(cycles: pl.DataFrame, mean: tuple[float, float] | None) -> Figure | None:
    """CE of every cycle with its standard deviation: settled cycles filled, formation and doubted ones hollow."""
    known = cycles.filter(pl.col("coulombic_efficiency").is_not_null())
    if known.is_empty():
        return None
    apart = has_flag(known, FLAG_FORMATION, *CHARGE_DOUBTS)
    figure, axes = sheet("Coulombic efficiency", "cycle", "CE / %")
    count, value, std = (column(known, name) for name in ("cycle_count", "coulombic_efficiency", "coulombic_efficiency_std"))
    with house_style():
        if mean is not None:
            axes.axhspan(*(100 * (mean[0] + side * mean[1]) for side in (-1, 1)), color=COLOURS[0], alpha=0.12, linewidth=0)
            axes.axhline(100 * mean[0], color=COLOURS[0], linewidth=1.0, label="charge-weighted mean ± σ")
        for place, name, face in ((~apart, "cycle ± σ", COLOURS[0]), (apart, "formation or in doubt", "white")):
            if bool(place.any()):
                errors = 100 * np.nan_to_num(std[place])
                axes.errorbar(
                    count[place], 100 * value[place], errors, **MARK, color=COLOURS[0], markerfacecolor=face, label=name
                )
        _focus(axes, 100 * value[~apart], 100 * np.nan_to_num(std[~apart]))
        _say_outside(axes, count, 100 * value)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="best")
    return figure


def capacity_figure(cycles: pl.DataFrame, area_cm2: float) -> Figure | None:
    """What was deposited and what was taken off again, per area."""
    if cycles.is_empty():
        return None
    figure, axes = sheet("Areal capacity", "cycle", "Q / mAh cm⁻²")
    with house_style():
        for number, name in enumerate(("plating", "stripping")):
            known = cycles.filter(pl.col(f"{name}_capacity_ah").is_not_null())
            value, std = (1e3 * column(known, f"{name}_capacity_ah{end}") / area_cm2 for end in ("", "_std"))
            label = "deposited" if name == "plating" else "removed"
            axes.errorbar(column(known, "cycle_count"), value, np.nan_to_num(std), **MARK, color=COLOURS[number], label=label)
        axes.set_ylim(0.0, 1.12 * axes.get_ylim()[1])
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="lower left")
    return figure


def voltage_figure(samples: pl.DataFrame, area_cm2: float) -> Figure | None:
    """Voltage against the charge that has passed in the half cycle, for a few cycles from the first to the last."""
    moving = samples.filter(pl.col("role").is_in(["plate", "strip", "charge", "discharge"]))
    counts = sorted(set(moving["cycle_count"].to_list()))
    if not counts:
        return None
    figure, axes = sheet("Voltage profiles", "Q in the half cycle / mAh cm⁻²", "E / V")
    picked = [counts[place] for place in chosen(len(counts), CURVES)]
    with house_style():
        for colour, count in zip(_ramp(len(picked)), picked, strict=True):
            for number, half in enumerate(_halves(moving.filter(pl.col("cycle_count") == count))):
                charge, voltage = _profile(half)
                label = f"cycle {count}" if number == 0 else None
                axes.plot(1e3 * charge / area_cm2, voltage, color=colour, linewidth=1.3, label=label)
        axes.legend(loc="best")
    return figure


def overpotential_figure(halves: pl.DataFrame) -> Figure | None:
    """Nucleation and plateau overpotential of every half cycle; a cross where something speaks for a short."""
    names = {"plateau_overpotential_volt": "plateau", "nucleation_overpotential_volt": "nucleation"}
    if halves.is_empty() or all(halves[name].null_count() == halves.height for name in names):
        return None
    figure, axes = sheet("Overpotential", "cycle", "η / mV")
    with house_style():
        for number, (name, word) in enumerate(names.items()):
            for deposits, face in ((True, COLOURS[number]), (False, "white")):
                mine = halves.filter(pl.col(name).is_not_null() & (pl.col("role").is_in(DEPOSITS) == deposits))
                if mine.is_empty():
                    continue
                label = f"{word}, {'deposit' if deposits else 'removal'}"
                errors = 1e3 * np.nan_to_num(column(mine, f"{name}_std"))
                axes.errorbar(
                    column(mine, "cycle_count"), 1e3 * column(mine, name), errors, **MARK,
                    color=COLOURS[number], markerfacecolor=face, label=label,
                )  # fmt: skip
        shorted = halves.filter((pl.col("short_grade") != "") & pl.col("plateau_overpotential_volt").is_not_null())
        if not shorted.is_empty():
            place = (column(shorted, "cycle_count"), 1e3 * column(shorted, "plateau_overpotential_volt"))
            axes.plot(*place, "x", color=COLOURS[1], markersize=9, label="short suspected")
        axes.set_ylim(bottom=0.0)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="best", ncols=2)
    return figure


def nyquist_figure(spectra: Sequence[Spectrum], area_cm2: float) -> Figure | None:
    """A few spectra from the first to the last, on equal axes; cut-short sweeps stay out."""
    whole = [spectrum for spectrum in spectra if spectrum.complete]
    if not whole:
        return None
    figure, axes = sheet("Impedance", "Re Z / Ω cm²", "−Im Z / Ω cm²")
    picked = [whole[place] for place in chosen(len(whole), CURVES)]
    with house_style():
        for colour, spectrum in zip(_ramp(len(picked)), picked, strict=True):
            real, imaginary = spectrum.real_impedance_ohm * area_cm2, -spectrum.imaginary_impedance_ohm * area_cm2
            axes.plot(real, imaginary, "o-", color=colour, markersize=3, linewidth=1.0, label=f"cycle {spectrum.cycle_count}")
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.set_aspect("equal", adjustable="datalim")
        axes.legend(loc="best")
    return figure


def relaxation_figure(found: Sequence[tuple[Spectrum, Relaxations]], area_cm2: float) -> Figure | None:
    """Distributions of relaxation times within their sweeps: the area under a stretch of one is its resistance."""
    if not found:
        return None
    figure, axes = sheet("Relaxation times", "τ / s", "γ(ln τ) / Ω cm²")
    with house_style():
        for colour, (spectrum, one) in zip(_ramp(len(found)), found, strict=True):
            seen = (one.tau_second >= one.fastest_second) & (one.tau_second <= one.slowest_second)
            height = area_cm2 * one.gamma_ohm[seen]
            axes.step(
                one.tau_second[seen], height, where="mid", color=colour, linewidth=1.2, label=f"cycle {spectrum.cycle_count}"
            )
        axes.set_xscale("log")
        axes.set_ylim(bottom=0.0)
        axes.legend(loc="best")
    return figure


def resistance_figure(fits: pl.DataFrame, law: Curve | None = None) -> Figure | None:
    """Interface resistance of every spectrum against cycle, and its growth law."""
    name = "area_specific_resistance_ohm_cm2"
    known = fits.filter(pl.col(name).is_not_null())
    if known.is_empty():
        return None
    figure, axes = sheet("Interface resistance", "cycle", "R / Ω cm²")
    with house_style():
        if law is not None:
            axes.fill_between(law.x, law.low, law.high, color=COLOURS[0], alpha=0.13, linewidth=0)
            axes.plot(law.x, law.middle, color=COLOURS[0], linewidth=1.2, label=law.name)
        errors = np.nan_to_num(column(known, f"{name}_std"))
        axes.errorbar(column(known, "cycle_count"), column(known, name), errors, **MARK, color=COLOURS[0], label="fit ± σ")
        axes.set_ylim(0.0, 1.12 * axes.get_ylim()[1])
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="lower left")
    return figure


def slippage_figure(frame: pl.DataFrame) -> Figure | None:
    """How far the ends of charge and discharge move from cycle to cycle; ``frame`` is one of `harness.analysis.endpoints`."""
    names = [f"{name}_endpoint_slippage_ah" for name in ("charge", "discharge")]
    if all(frame[name].null_count() == frame.height for name in names):
        return None
    figure, axes = sheet("Slippage of the ends", "cycle", "Δ / µAh per cycle")
    with house_style():
        for number, name in enumerate(names):
            known = frame.filter(pl.col(name).is_not_null())
            errors = 1e6 * np.nan_to_num(column(known, f"{name}_std"))
            place, label = column(known, "cycle_count"), f"end of {name.partition('_')[0]}"
            axes.errorbar(place, 1e6 * column(known, name), errors, **MARK, color=COLOURS[number], label=label)
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="best")
    return figure


def _ramp(count: int) -> list[str]:
    """Colours from light to dark, the last one ink: later is darker."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex  # noqa: PLC0415 - see `harness.service.figures`

    ramp = LinearSegmentedColormap.from_list("later", [COLOURS[4], COLOURS[0], INK])
    return [to_hex(ramp(place)) for place in np.linspace(0.0, 1.0, max(count, 2))][-count:]


def _focus(axes: Axes, value: Array, std: Array) -> None:
    """Let the settled values fill the plot; what lies outside is said at its edge."""
    if value.size < 3:
        return
    low, high = float(np.min(value - 2 * std)), float(np.max(value + 2 * std))
    margin = 0.12 * max(high - low, 0.02)
    axes.set_ylim(low - margin, high + margin)


def _say_outside(axes: Axes, count: Array, value: Array) -> None:
    """Name what lies outside the plot at the edge where it would be."""
    low, high = axes.get_ylim()
    for below, edge, where, align in ((True, low, value < low, "bottom"), (False, high, value > high, "top")):
        outside = [f"cycle {round(cycle)}: {one:.1f} %" for cycle, one in zip(count[where], value[where], strict=True)]
        if outside:
            more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""
            text = f"{'↓' if below else '↑'} {', '.join(outside[:3])}{more}"
            axes.text(0.99, edge, text, transform=axes.get_yaxis_transform(), ha="right", va=align, fontsize=8.5, color=GREY)


def _halves(samples: pl.DataFrame) -> list[pl.DataFrame]:
    """The deposit and the removal of one cycle, those with readings."""
    deposits = pl.col("role").is_in(DEPOSITS)
    return [half for half in (samples.filter(deposits), samples.filter(~deposits)) if not half.is_empty()]


def _profile(half: pl.DataFrame) -> tuple[Array, Array]:
    """Charge in ampere-hours from the half cycle's first reading, and voltage; no more points than can be seen."""
    current, step, own = column(half, "current_ampere"), column(half, "step_count"), column(half, "step_time_second")
    interval = np.where(np.diff(step, prepend=step[0]) != 0, own, np.diff(own, prepend=0.0))
    charge = np.cumsum(np.abs(current) * np.maximum(interval, 0.0)) / 3600
    stride = max(1, half.height // CURVE_POINTS)
    places = np.unique(np.append(np.arange(0, half.height, stride), half.height - 1))
    return charge[places], column(half, "voltage_volt")[places]
