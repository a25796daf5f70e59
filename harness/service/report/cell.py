"""One cell's report: what it is, what its numbers are, how sure they are, and what could not be computed and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from harness.analysis.coulombic import MeanEfficiency, mean_coulombic_efficiency
from harness.analysis.resistance import interfaces_of
from harness.clock import iso_from_nanosecond
from harness.lab.cell import CellView
from harness.lab.rows import last_asymmetry
from harness.model.run import Geometry
from harness.service.report import cell_figures
from harness.service.report.cell_sections import (
    coulometry_section,
    fade_section,
    growth_section,
    lithium_section,
    reservoir_section,
    shorts_section,
)
from harness.service.report.document import Document, Grid, Headline, Picture, Section, picture
from harness.service.report.wording import NONE, estimate_text, interval_text, with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCIDENTS_SHOWN = 40
_FACTS = {
    "build": "build", "geometry": "geometry", "counter": "counter electrode", "substrate": "substrate",
    "lithium_origin": "lithium", "layer_count": "layers", "co_deposition_gas": "gas", "electrolyte": "electrolyte",
    "electrolyte_volume_ul": "electrolyte / µL", "separator": "separator", "batch": "batch", "replicate": "replicate",
}  # fmt: skip


def cell_document(view: CellView) -> Document:
    """The report of one cell, from everything that its store knows of it."""
    run = view.runs().row(-1, named=True)
    cycles, fits = view.numbered(view.cycles()), view.numbered(view.impedance())
    mean = mean_coulombic_efficiency(view.cycle_rows())
    area_cm2 = float(run["area_cm2"])
    sections = [
        Section("Efficiency and capacity", _efficiency_sentences(view, mean), list(_efficiency_pictures(cycles, mean, area_cm2))),
        _voltage_section(view, area_cm2),
        growth_section(view, fits, area_cm2),
        coulometry_section(view),
        lithium_section(view),
        reservoir_section(view),
        fade_section(view),
        shorts_section(view),
        Section("Cycles", (), (), _cycle_grid(cycles), folded=True),
        _incident_section(view.events()),
    ]
    return Document(
        title=view.cell,
        subtitle=_subtitle(view.runs(), cycles),
        facts=list(_facts(run)),
        headlines=list(_headlines(view, mean, fits, cycles)),
        sections=[section for section in sections if section is not None],
        methods=_methods(cycles, fits, view.half_cycles()),
    )


_PROFILES = "Deposit and removal of a few cycles, the last one darkest."
_EFFICIENCY = "Error bars are one standard deviation; the offset's part is common to all cycles."
_CAPACITY = "What was deposited, and what was taken off again."
_OVERPOTENTIAL = "Magnitudes against the open voltage of lithium; of a full cell there are none."
_RULE = "Efficiency is the charge removed over the charge deposited before it. Formation and doubted cycles are in no average."


def _subtitle(runs: pl.DataFrame, cycles: pl.DataFrame) -> str:
    begun = iso_from_nanosecond(int(runs["started_nanosecond"][0]))[:10]
    ended = runs["ended_nanosecond"][-1]
    until = "still running" if ended is None else f"until {iso_from_nanosecond(int(ended))[:10]}, {runs['reason'][-1]}"
    where = ", ".join(dict.fromkeys(runs["channel"].to_list()))
    return f"{cycles.height} cycles on {where} from {begun}, {until}"


def _facts(run: dict[str, object]) -> Iterator[tuple[str, str]]:
    """What is known of the cell, in words; what is not known stays out."""
    for name, words in _FACTS.items():
        if run[name] is not None:
            yield words, str(run[name]).replace("_", " ")
    yield "area", f"{run['area_cm2']:g} cm²"
    if run["lithium_thickness_um"] is not None:
        yield "lithium thickness", f"{run['lithium_thickness_um']:g} µm"
    met = [name.removeprefix("claim_") for name, verdict in run.items() if name.startswith("claim_") and verdict == "meets"]
    yield "meets claims", ", ".join(met) or "none"
    yield "schedule", str(run["schedule_name"])
    yield "instrument", f"{run['instrument_model']} {run['instrument_serial']}"


def _efficiency_headline(mean: MeanEfficiency) -> Headline:
    name = "Coulombic efficiency, charge-weighted"
    if mean.coulombic_efficiency is None:
        return Headline(name, NONE, "no complete cycle from the second on")
    value = with_error(mean.coulombic_efficiency, mean.coulombic_efficiency_std, "%", 100.0)
    offset = "leaves out the current's offset, which is unknown" if mean.offset_std is None else "holds the current's offset"
    return Headline(name, value, f"of {mean.cycles} cycles; the error {offset}, and no average removes it")


def _headlines(view: CellView, mean: MeanEfficiency, fits: pl.DataFrame, cycles: pl.DataFrame) -> Iterator[Headline]:
    if view.geometry is not Geometry.SYMMETRIC:
        yield _efficiency_headline(mean)
    name = "area_specific_resistance_ohm_cm2"
    known = fits.filter(pl.col(name).is_not_null())
    if not known.is_empty():
        first, last = known.row(0, named=True), known.row(-1, named=True)
        detail = (
            f"in cycle {last['cycle_count']}; {with_error(first[name], first[f'{name}_std'])} in cycle {first['cycle_count']}"
        )
        each = "Resistance of each interface" if interfaces_of(view.geometry) > 1 else "Interface resistance"
        std = math.hypot(last[f"{name}_std"], view.gain_std * last[name])
        yield Headline(each, with_error(last[name], std, "Ω cm²"), detail)
    if cycles.height:
        turnover = view.lithium().turnover
        yield Headline("Lithium turnover", estimate_text(turnover), interval_text(turnover))
    shorted = view.shorts().height
    yield Headline("Cycles", str(cycles.height), f"{shorted or 'no'} half cycles look shorted")


def _efficiency_sentences(view: CellView, mean: MeanEfficiency) -> tuple[str, ...]:
    if view.geometry is Geometry.SYMMETRIC:
        return ("A symmetric cell has no efficiency: its schedule sets both charges.",)
    if mean.coulombic_efficiency is None:
        return ("No efficiency is stated: no cycle from the second on has both halves whole and its charge beyond doubt.",)
    return (_RULE,)


def _efficiency_pictures(cycles: pl.DataFrame, mean: MeanEfficiency, area_cm2: float) -> Iterator[Picture]:
    known = None
    if mean.coulombic_efficiency is not None:
        known = (mean.coulombic_efficiency, mean.coulombic_efficiency_std or 0.0)
    return _pictures(
        [
            (
                cell_figures.efficiency_figure(cycles, known),
                _EFFICIENCY,
            ),
            (cell_figures.capacity_figure(cycles, area_cm2), _CAPACITY),
        ]
    )


def _voltage_section(view: CellView, area_cm2: float) -> Section:
    drawn = [
        (cell_figures.voltage_figure(view.numbered(view.samples()), area_cm2), _PROFILES),
        (cell_figures.overpotential_figure(view.numbered(view.half_cycles())), _OVERPOTENTIAL),
    ]
    return Section("Voltage", _voltage_sentences(view), list(_pictures(drawn)))


def _voltage_sentences(view: CellView) -> tuple[str, ...]:
    """How unlike both directions are, where overpotentials are known: of two lithium electrodes, how unlike they have become."""
    found = last_asymmetry(view.numbered(view.half_cycles()))
    if found is None or found[1].value is None:
        return ()
    more = "more" if found[1].value > 0 else "less"
    share = with_error(abs(found[1].value), found[1].std, "%", 100.0)
    return (f"In cycle {found[0]} the deposit takes {share} {more} overpotential than the removal, of the mean of both.",)


def _pictures(drawn: list[tuple[Figure | None, str]]) -> Iterator[Picture]:
    return (picture(figure, caption) for figure, caption in drawn if figure is not None)


def _cycle_grid(cycles: pl.DataFrame) -> Grid:
    columns = ("cycle", "deposited / mAh", "removed / mAh", "CE / %", "R deposit / Ω", "R removal / Ω", "hours", "flags")
    rows = [
        (
            str(row["cycle_count"]),
            with_error(row["plating_capacity_ah"], row["plating_capacity_ah_std"], scale=1e3),
            with_error(row["stripping_capacity_ah"], row["stripping_capacity_ah_std"], scale=1e3),
            with_error(row["coulombic_efficiency"], row["coulombic_efficiency_std"], scale=100.0),
            with_error(row["plating_resistance_ohm"], row["plating_resistance_ohm_std"]),
            with_error(row["stripping_resistance_ohm"], row["stripping_resistance_ohm_std"]),
            NONE if row["cycle_duration_second"] is None else f"{row['cycle_duration_second'] / 3600:.2f}",
            str(row["flags"]).replace("_", " "),
        )
        for row in cycles.iter_rows(named=True)
    ]
    return Grid(columns, rows, frozenset({7}))


def _incident_section(events: pl.DataFrame) -> Section | None:
    incidents = events.filter(pl.col("incident").is_not_null() & (pl.col("severity") != "info"))
    if incidents.is_empty():
        return None
    rows = [
        (iso_from_nanosecond(row["unix_time_nanosecond"]), str(row["severity"]), str(row["message"]))
        for row in incidents.head(_INCIDENTS_SHOWN).iter_rows(named=True)
    ]
    told = "" if incidents.height <= _INCIDENTS_SHOWN else f"The first {_INCIDENTS_SHOWN} of {incidents.height}."
    grid = Grid(("when", "severity", "what"), rows, frozenset({0, 1, 2}))
    return Section("What went wrong", (told,) if told else (), (), grid, folded=True)


def _methods(*frames: pl.DataFrame) -> list[str]:
    versions = sorted({version for frame in frames for version in frame["method_version"].to_list()})
    return [f"Methods: {', '.join(versions)}. Every ± is one standard deviation unless an interval is named."]
