"""``harness compare``: groups of cells beside each other, by what they were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.cli.facts import WhereOption, parse_facts

_METRICS = (
    "coulombic_efficiency",
    "coulombic_inefficiency_per_hour",
    "area_specific_resistance_growth",
    "area_specific_resistance",
    "lithium_turnover",
    "cycle_life",
)
"""`harness.lab.metrics.METRICS` and the cycle life, written out: help must not wait for frames."""


def compare(
    *,
    by: Annotated[str, typer.Option(help="A fact of build or cell, or a claim: substrate, batch, claim_12, …", metavar="FACT")],
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(_METRICS)}.")],
    baseline: Annotated[str | None, typer.Option(help="Compare every group with this one; else every pair.")] = None,
    at_cycle: Annotated[int | None, typer.Option(min=0, help="The metric at this cycle instead of the latest.")] = None,
    where: WhereOption = None,
    source: Annotated[str, typer.Option(help="Site file, state directory, influxdb://… or http://…")] = "site.toml",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare groups of cells: effect with its interval, p-value, and what difference could have been seen."""
    from harness.query import Lab  # noqa: PLC0415 - help must not wait for frames
    from harness.service.cohort_tables import cohort_json, cohort_tables  # noqa: PLC0415

    with Lab.connect(source) if "://" in source else Lab.open(Path(source)) as lab:
        found = lab.compare(by, metric, baseline=baseline, at_cycle=at_cycle, **parse_facts(where or []))
    if as_json:
        print(json.dumps(cohort_json(found), indent=2))
        return
    console = Console()
    for part in cohort_tables(found):
        console.print(part, highlight=False)
