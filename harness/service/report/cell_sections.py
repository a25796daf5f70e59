"""What follows from a cell's rows, as sections of its report: coulometry, lithium, fade, growth, shorts. Computes nothing itself.

A section says what was found with its interval, and of what was not found why. A cell of which nothing of the kind can be said
(a symmetric cell has no efficiency to slip) has no such section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from harness.analysis.endpoints import trend
from harness.analysis.estimate import Estimate
from harness.analysis.growth import GrowthReport
from harness.analysis.growth_law import Axis, Law, LawFit
from harness.analysis.resistance import interfaces_of
from harness.analysis.short_words import short_sentence
from harness.analysis.shorts import evidence_from_json
from harness.errors import AnalysisError
from harness.lab.cell import CellView
from harness.lab.spectra import Spectrum
from harness.model.run import Geometry
from harness.service.report import cell_figures
from harness.service.report.cell_figures import Curve
from harness.service.report.document import Grid, Picture, Section, picture
from harness.service.report.wording import decimals, estimate_text, interval_text, with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MILLI = 1e3
ALL_OF_IT = 0.9
LAWS_SHOWN = 12
CURVE_POINTS = 80
_NYQUIST = "A few spectra of the whole cell from the first to the last, the last one darkest."
_RELAXATIONS = (
    "Without any circuit, of the whole cell: the area under a stretch of a curve is the resistance of the processes with these "
    "times, of diffusion, too, at the slow end. One smoothing holds for all curves; the heights of narrow peaks are its own."
)
_NOT_RELAXING = "No relaxation times are shown: every spectrum is refused, too short, or has an arc that reaches beyond it."
_TRENDS = {"linear": "a + b n", "root": "a + b/√n"}
ESTIMATES = ("quantity", "value", "95 %, or why it is no more")


def coulometry_section(view: CellView) -> Section | None:
    """Slippages of the ends of half cycles and the inefficiency per hour, with their trend after the transient."""
    if view.geometry is Geometry.SYMMETRIC:
        return None
    try:
        frame = view.numbered(view.slippages())
    except AnalysisError:
        return None
    rate = trend(frame, "coulombic_inefficiency_per_hour")
    per_hour = {"inefficiency per hour, last cycle": rate.last, "… settling at": rate.settled}
    rows = [_line(name, one, "10⁻⁶/h", 1e6) for name, one in per_hour.items()]
    ends = {name: trend(frame, f"{name}_endpoint_slippage_ah").last for name in ("charge", "discharge")}
    rows += [_line(f"{name} endpoint slippage, last cycle", last, "µAh", 1e6) for name, last in ends.items()]
    pictures = _drawn(cell_figures.slippage_figure(frame), "How far each end moves from cycle to cycle.")
    told = f"Trend {_TRENDS[rate.model]} over {rate.cycles} cycles" if rate.model else "No trend is stated"
    note = f"{told}; paused, incomplete and doubted cycles and those at another rate are left out."
    return Section("Ends of the half cycles", (note,), pictures, _estimates(rows))


def lithium_section(view: CellView) -> Section | None:
    """Inventory, turnover, what was lost and is left, and when the excess is predicted to run out."""
    try:
        books = view.lithium()
    except AnalysisError:
        return None
    rows = [
        _line("lithium that can cycle", books.inventory_ah, "mAh", MILLI),
        _line("plated so far", books.throughput_ah, "mAh", MILLI),
        _line("turnover (plated over lithium that there was)", books.turnover),
        _line("average efficiency that this means", books.mean_efficiency, "%", 100.0),
        _line("lithium lost", books.lost_ah, "mAh", MILLI),
        _line("lithium left", books.left_ah, "mAh", MILLI),
        _line("cycle in which the excess runs out", books.knee_cycle),
    ]
    doubted = f" {len(books.doubted_cycles)} cycles whose charge is in doubt are summed, too." if books.doubted_cycles else ""
    return Section("Lithium", (f"The cell's count of lithium: {books.ended.value}.{doubted}",), (), _estimates(rows))


def fade_section(view: CellView) -> Section | None:
    """End of life and knee of the capacity that came back."""
    try:
        fade = view.fade()
    except AnalysisError:
        return None
    rows = [
        _line(f"end of life ({fade.threshold:.0%} of its first capacity), cycle", fade.end_of_life),
        _line("knee, cycle", fade.knee.cycle),
        _line("its onset, cycle", fade.knee.onset),
    ]
    return Section("End of life and knee", _knee_sentences(view), (), _estimates(rows))


def _knee_sentences(view: CellView) -> tuple[str, ...]:
    """A knee that has come beside what the first cycles would have predicted."""
    try:
        review = view.knee_review()
    except AnalysisError:
        return ()
    return (review.comparison.sentence,) if review.observed.high is not None else ()


def growth_section(view: CellView, fits: pl.DataFrame, area_cm2: float) -> Section | None:
    """Spectra, the resistance they give, its growth law with all of its rivals, and what was said of each spectrum; ``fits`` are
    numbered.
    """
    if fits.is_empty():
        return None
    report = view.growth_laws()
    before = view.cycles_before()

    def numbered(one: Spectrum) -> Spectrum:
        return replace(one, cycle_count=one.cycle_count + before[one.run_id])

    pictures = _drawn(cell_figures.nyquist_figure(list(map(numbered, view.spectra())), area_cm2), _NYQUIST)
    relaxations = [(numbered(spectrum), found) for spectrum, found in view.relaxations(cell_figures.CURVES)]
    pictures += _drawn(cell_figures.relaxation_figure(relaxations, area_cm2), _RELAXATIONS)
    interfaces = interfaces_of(view.geometry)
    law = _curve(report, fits["cycle_count"], area_cm2 / interfaces)
    drawn = cell_figures.resistance_figure(fits, law)
    whose = ", of one of the two electrodes" if interfaces > 1 else ""
    pictures += _drawn(drawn, f"Sum of all arcs ± σ{whose}" + ("; the band is the law's 95 %." if law else "."))
    told = _growth_sentences(report, fits, area_cm2 / interfaces)
    beside = view.dc_beside_impedance()
    told += [] if beside.agrees is None else [f"In the last cycle with a spectrum, {beside.reason}."]
    told += [_NOT_RELAXING] if pictures and not relaxations else []
    return Section("Impedance and its growth", told, pictures, _laws(report))


def shorts_section(view: CellView) -> Section | None:
    """The half cycles that look shorted."""
    if view.half_cycles().is_empty():
        return None
    found = view.numbered(view.shorts())
    if found.is_empty():
        return Section("Shorts", ("No half cycle shows two signs of a short.",))
    shown = found.select("cycle_count", "role", "short_grade", "short_evidence", "duration_second")
    rows = [
        (short_sentence(grade, evidence_from_json(text), role=role, cycle_count=count, duration_second=second),)
        for count, role, grade, text, second in shown.iter_rows()
    ]
    told = f"{found.height} half cycles show two signs of a short or more. Their charge is part of every sum above."
    return Section("Shorts", (told,), (), Grid(("what speaks for a short",), rows, frozenset({0})))


def reservoir_section(view: CellView) -> Section | None:
    """Efficiencies of reservoir blocks, where the schedule has any."""
    blocks = view.reservoir()
    if not blocks:
        return None
    columns = ("cycles", "short cycles", "plated / mAh", "stripped / mAh", "efficiency / %", ESTIMATES[2], "hours")
    rows = [
        (
            f"{block.first_cycle}–{block.last_cycle}",
            str(block.cycles),
            estimate_text(block.plated_ah, scale=MILLI),
            estimate_text(block.stripped_ah, scale=MILLI),
            estimate_text(block.coulombic_efficiency, scale=100.0),
            interval_text(block.coulombic_efficiency, scale=100.0).removeprefix("95 %: "),
            "–" if block.duration_hour is None else f"{block.duration_hour:.1f}",
        )
        for block in blocks
    ]
    note = "All lithium stripped over all lithium plated in a block, from measured charges; the cycle before it conditions."
    return Section("Reservoir efficiency", (note,), (), Grid(columns, rows, frozenset({5})))


def _line(name: str, one: Estimate, unit: str = "", scale: float = 1.0) -> tuple[str, str, str]:
    return name, estimate_text(one, unit, scale), interval_text(one, unit, scale).removeprefix("95 %: ")


def _estimates(rows: Sequence[tuple[str, str, str]]) -> Grid:
    return Grid(ESTIMATES, rows, frozenset({0, 2}))


def _drawn(figure: Figure | None, caption: str) -> list[Picture]:
    return [] if figure is None else [picture(figure, caption)]


def _curve(report: GrowthReport, counts: pl.Series, area_cm2: float) -> Curve | None:
    """The likeliest law of the cycle with its band, for the figure."""
    fit = next((one for one in report.fits if one.axis is Axis.CYCLE and not one.refusal), None)
    if fit is None:
        return None
    cycles = np.linspace(counts.to_numpy().min(), counts.to_numpy().max(), CURVE_POINTS)
    found = [fit.at(float(cycle)) for cycle in cycles]
    middle, low, high = (area_cm2 * np.array([getattr(one, name) for one in found]) for name in ("value", "low", "high"))
    return Curve(_law_name(fit), cycles, middle, low, high)


def _growth_sentences(report: GrowthReport, fits: pl.DataFrame, area_cm2: float) -> list[str]:
    told = [_slope_sentence(report, area_cm2)]
    told += [f"{count} spectra are left out ({reason})." for reason, count in report.left_out.items() if count]
    noise = fits["interface_resistance_ohm_noise_std"].drop_nulls()
    if noise.len():
        told.append(f"Of the last error {area_cm2 * noise[-1]:.2g} Ω cm² are noise; the rest is what models do not know.")
    doubted = [row for row in fits.iter_rows(named=True) if row["verdict"] not in ("", "good")]
    if doubted:
        words = [f"cycle {row['cycle_count']} {row['verdict']} ({row['verdict_reason']})" for row in doubted]
        told.append(f"Spectra in doubt: {'; '.join(words[:LAWS_SHOWN])}{' …' if len(words) > LAWS_SHOWN else ''}.")
    return told


def _slope_sentence(report: GrowthReport, area_cm2: float) -> str:
    """How fast the interface changes, and which part of that error is the measurement's."""
    slope, law = report.rate(Axis.CYCLE), report.law(Law.LINEAR, Axis.CYCLE)
    if slope.value is None or law is None:
        return f"No rate of growth is stated: {slope.refusal}."
    ohm = area_cm2 * abs(slope.value)
    unit, scale = ("Ω", area_cm2) if ohm >= 1 else ("mΩ", MILLI * area_cm2)
    size = with_error(abs(slope.value), slope.std, f"{unit} cm² per cycle", scale)
    told = f"The interface {'grows' if slope.value >= 0 else 'falls'} by {size}, the slope of the straight line"
    noise = scale * law.noise_std.get("growth", 0.0)
    if not noise > 0:
        return f"{told}."
    if noise > ALL_OF_IT * scale * (slope.std or 0.0):
        return f"{told}; noise and gain explain that error."
    return f"{told}; noise and gain alone would leave ± {noise:.{decimals(noise)}f}, the rest is how the spectra wander about it."


def _laws(report: GrowthReport) -> Grid | None:
    """Every law that was fitted, the likeliest first."""
    fitted = [fit for fit in report.fits if not fit.refusal][:LAWS_SHOWN]
    if not fitted:
        return None
    rows = [
        (
            _law_name(fit),
            "–" if fit.delta_aicc is None else f"{fit.delta_aicc:.1f}",
            "–" if fit.weight is None else f"{fit.weight:.2f}",
            "; ".join(f"{name} {estimate_text(one)}" for name, one in fit.parameters.items()),
            "–" if fit.durbin_watson is None else f"{fit.durbin_watson:.2f}",
        )
        for fit in fitted
    ]
    return Grid(("law", "ΔAICc", "weight", "parameters / Ω", "Durbin–Watson"), rows, frozenset({0, 3}))


def _law_name(fit: LawFit) -> str:
    name = fit.law.value if fit.law.value == "constant" else f"{fit.law.value} in {fit.axis.value}"
    return " + ".join([name, *fit.covariates]).replace("_", " ")
