"""A comparison of groups of cells for people at a terminal, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl
from rich.table import Table

from harness.lab.cohort import Comparison
from harness.lab.life import LIFE
from harness.service.tables import headed

Row = dict[str, float | int | str | bool | None]


def cohort_json(found: Comparison) -> dict[str, object]:
    """Everything of a comparison but its curves."""
    frames: dict[str, pl.DataFrame] = {"groups": found.groups, "pairs": found.pairs, "cells": found.cells}
    return {
        "by": found.by,
        "metric": found.metric,
        "unit": found.unit,
        "baseline": found.baseline,
        **{name: frame.to_dicts() for name, frame in frames.items()},
        "notes": list(found.notes),
        "method_version": found.method_version,
    }


def cohort_tables(found: Comparison) -> Iterator[Table | str]:
    """The groups, the pairs, and the cells that have no part in them."""
    title = f"{found.metric}{f' / {found.unit}' if found.unit else ''} by {found.by}"
    if found.metric == LIFE:
        yield _life_groups(title, found.groups)
        yield _life_pairs(found.pairs)
    else:
        yield _groups(title, found.groups)
        yield _pairs(found.pairs)
        yield "[dim]Intervals are 95 %, each of one comparison; Holm's p holds for all of them together.[/]"
    left = found.cells.filter(~pl.col("used"))
    for row in left.iter_rows(named=True):
        yield f"[yellow]left out[/] {row['cell']}: {row['reason']}"
    yield from found.notes


def _groups(title: str, frame: pl.DataFrame) -> Table:
    table = headed(title, "group", "cells #", "cycles #", "mean #", "95 % #", "between cells #", "note")
    for row in frame.iter_rows(named=True):
        table.add_row(
            row["group"], str(row["cells"]), str(row["cycles"]), *_interval(row, "mean"), _number(row["between_std"]), row["note"]
        )
    return table


def _pairs(frame: pl.DataFrame) -> Table:
    table = headed("", "pair", "difference #", "95 % #", "ratio #", "p #", "Holm's p #", "could be seen #", "note")
    for row in frame.iter_rows(named=True):
        table.add_row(
            f"{row['group']} − {row['baseline']}",
            *_interval(row, "difference"),
            _number(row["ratio"]),
            *(_probability(row[name]) for name in ("p_value", "p_value_holm")),
            "–" if row["detectable_difference"] is None else f"±{_number(row['detectable_difference'])}",
            row["note"],
        )
    return table


def _life_groups(title: str, frame: pl.DataFrame) -> Table:
    table = headed(title, "group", "cells #", "failed #", "median #", "95 % #", "censored", "note")
    for row in frame.iter_rows(named=True):
        table.add_row(
            row["group"], str(row["cells"]), str(row["failed"]), *_interval(row, "median"), row["censored"] or "–", row["note"]
        )
    return table


def _life_pairs(frame: pl.DataFrame) -> Table:
    table = headed("", "pair", "log-rank p #", "Holm's p #", "least p #", "hazard ratio #", "95 % #", "note")
    for row in frame.iter_rows(named=True):
        probabilities = (_probability(row[name]) for name in ("p_value", "p_value_holm", "least_p_value"))
        table.add_row(f"{row['group']} / {row['baseline']}", *probabilities, *_interval(row, "hazard_ratio"), row["note"])
    return table


def _interval(row: Row, name: str) -> tuple[str, str]:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if not isinstance(low, float):
        return _number(value), "–"
    if not isinstance(high, float):
        return _number(value), f"≥ {_number(low)}"
    half = (high - low) / 2
    decimals = min(max(1 - math.floor(math.log10(half)), 0), 9) if half > 0 else 4
    return _number(value, decimals), f"{low:.{decimals}f} to {high:.{decimals}f}"


def _number(value: float | str | None, decimals: int | None = None) -> str:
    """As many decimals as an interval leaves meaning to, else four figures."""
    if value is None:
        return "–"
    return f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"


def _probability(value: float | None) -> str:
    return "–" if value is None else "< 0.0001" if value < 1e-4 else f"{value:.2g}"
