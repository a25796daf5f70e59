"""A cohort's report: its cells grouped by one fact and compared by every metric that has a value. Computes nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from harness.analysis.estimate import Estimate
from harness.errors import AnalysisError
from harness.lab.cohort import Comparison, Member, compare_cells
from harness.lab.life import LIFE
from harness.lab.metrics import METRICS, Metric
from harness.query import Lab
from harness.service.report import cohort_figures
from harness.service.report.document import Document, Grid, Headline, Picture, Section, picture
from harness.service.report.wording import NONE, estimate_text, interval_text

_SCALES = {"coulombic_efficiency": (100.0, "%"), "coulombic_inefficiency_per_hour": (1e6, "10⁻⁶/h")}
_MEANS = "Cells ± σ; diamonds are means of groups on their 95 % interval."
_CYCLE_COLUMNS = (
    ("Coulombic efficiency", "CE / %", "coulombic_efficiency", 100.0),
    ("Interface resistance", "R / Ω cm²", "area_specific_resistance_ohm_cm2", 1.0),
)


def cohort_document(lab: Lab, cells: Sequence[str], by: str) -> Document:
    """The report of ``cells`` compared by the column ``by`` of `harness.query.Lab.cells`.

    Raises:
        BadInput: there is no such column or cell.
        AnalysisError: no metric has a value in two groups.
    """
    members = lab.members(by, cell=list(cells))
    found, refused = _compared(members, by)
    if not found:
        raise AnalysisError("; ".join(dict.fromkeys(refused.values())))
    groups = _groups(found)
    colours = cohort_figures.colours_of(list(dict.fromkeys(groups.values())))
    sections = [_metric_section(metric, comparison, colours) for metric, comparison in found]
    sections.append(Section("Cycle by cycle", (), list(_cycle_pictures(members, groups, colours))))
    sections += list(_life_section(members, by, colours))
    sections += list(_refusals(refused))
    counted = {group: sum(own == group for own in groups.values()) for group in colours}
    return Document(
        title=f"Cells by {by.replace('_', ' ')}",
        subtitle=f"{len(groups)} cells in {len(counted)} groups",
        facts=[(group.replace("_", " "), f"{count} cells") for group, count in counted.items()],
        headlines=[_headline(metric, comparison) for metric, comparison in found[:4]],
        sections=sections,
        methods=["The cell is the unit: cycles of one cell count as one answer. Intervals are 95 %, each of one comparison."],
    )


def _compared(members: Sequence[Member], by: str) -> tuple[list[tuple[Metric, Comparison]], dict[str, str]]:
    """Every metric that can be compared, and why the others cannot."""
    found, refused = [], {}
    for metric in METRICS:
        try:
            found.append((metric, compare_cells(members, by, metric.name)))
        except AnalysisError as error:
            refused[metric.name] = str(error)
    return found, refused


def _groups(found: Sequence[tuple[Metric, Comparison]]) -> dict[str, str]:
    """The group of every cell that has one."""
    frame = pl.concat([comparison.cells for _, comparison in found]).filter(pl.col("group").is_not_null())
    return dict(frame.select("cell", "group").unique(maintain_order=True).sort("cell").iter_rows())


def _metric_section(metric: Metric, found: Comparison, colours: Mapping[str, str]) -> Section:
    scale, unit = _SCALES.get(metric.name, (1.0, metric.unit))
    title = metric.name.replace("_", " ").capitalize()
    drawn = cohort_figures.means_figure(title, unit, scale, found, colours)
    left = [f"{row['cell']} is left out: {row['reason']}." for row in found.cells.filter(~pl.col("used")).iter_rows(named=True)]
    sentences = [f"{title}: {metric.what}.", *found.notes, *left, *_silent(found)]
    return Section(
        title,
        sentences,
        [picture(drawn, _MEANS)],
        _pairs(found, scale, unit),
    )


def _pairs(found: Comparison, scale: float, unit: str) -> Grid | None:
    columns = (
        "pair",
        f"difference / {unit}" if unit else "difference",
        "95 %",
        "ratio",
        "p",
        "Holm's p",
        "could be seen",
        "note",
    )
    rows = [
        (
            f"{row['group']} − {row['baseline']}",
            estimate_text(_difference(row), scale=scale),
            interval_text(_difference(row), scale=scale).removeprefix("95 %: "),
            NONE if row["ratio"] is None else f"{row['ratio']:.3g}",
            *(NONE if row[name] is None else f"{row[name]:.2g}" for name in ("p_value", "p_value_holm")),
            NONE if row["detectable_difference"] is None else f"± {scale * row['detectable_difference']:.2g}",
            str(row["note"] or ""),
        )
        for row in _told(found).iter_rows(named=True)
    ]
    return Grid(columns, rows, frozenset({0, 7})) if rows else None


def _told(found: Comparison) -> pl.DataFrame:
    """The pairs of which something can be said."""
    return found.pairs.filter(pl.col("difference").is_not_null())


def _silent(found: Comparison) -> list[str]:
    """Why nothing can be said of the others, once for each reason."""
    silent = found.pairs.filter(pl.col("difference").is_null())["note"].unique(maintain_order=True)
    return [f"Not every pair can be compared: {'; '.join(silent.to_list())}."] if silent.len() else []


def _difference(row: Mapping[str, Any]) -> Estimate:
    return Estimate(*(row[f"difference{end}"] for end in ("", "_std", "_low", "_high")))


def _headline(metric: Metric, found: Comparison) -> Headline:
    """The pair that differs most surely, or the two groups when none can be told."""
    scale, unit = _SCALES.get(metric.name, (1.0, metric.unit))
    name = metric.name.replace("_", " ").capitalize()
    known = found.pairs.filter(pl.col("p_value").is_not_null()).sort("p_value")
    if known.is_empty():
        return Headline(name, NONE, "no pair of groups can be compared")
    row = known.row(0, named=True)
    return Headline(
        name,
        estimate_text(_difference(row), unit, scale),
        f"{row['group']} − {row['baseline']}; Holm's p {row['p_value_holm']:.2g}",
    )


def _cycle_pictures(members: Sequence[Member], groups: Mapping[str, str], colours: Mapping[str, str]) -> Iterator[Picture]:
    views = [member.cell for member in members if member.cell.cell in groups]
    frames = (
        pl.concat([view.numbered(view.cycles()) for view in views]),
        pl.concat([view.numbered(view.impedance()) for view in views]),
    )
    for frame, (title, unit, name, scale) in zip(frames, _CYCLE_COLUMNS, strict=True):
        if frame[name].null_count() < frame.height:
            drawn = cohort_figures.cycles_figure(title, unit, frame, name, groups, colours=colours, scale=scale)
            yield picture(drawn, "One line per cell.")


def _life_section(members: Sequence[Member], by: str, colours: Mapping[str, str]) -> Iterator[Section]:
    try:
        found = compare_cells(members, by, LIFE)
    except AnalysisError as error:
        yield Section("Cycle life", (f"Lives are not compared: {error}.",))
        return
    drawn = cohort_figures.survival_figure(found.curves or {}, colours)
    yield Section("Cycle life", found.notes, [picture(drawn, "Bands are 95 % at each cycle by itself.")])


def _refusals(refused: dict[str, str]) -> Iterator[Section]:
    if refused:
        yield Section("Not compared", [f"{name.replace('_', ' ')}: {why}." for name, why in refused.items()], folded=True)
