"""``harness compare-truth``: a run beside what the emulator knows. Exit status 1 when its expectations do not hold."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

UNMET_STATUS = 1


def compare_truth(
    truth: Annotated[Path, typer.Argument(help="The emulator's truth file.", metavar="TRUTH")],
    run: Annotated[str, typer.Argument(help="A run, or a cell: then its newest run.", metavar="RUN")],
    site: Annotated[
        Path, typer.Option(help="The site file, or a station's directory.", envvar="HARNESS_SITE", metavar="SITE")
    ] = Path("site.toml"),
    figure: Annotated[Path | None, typer.Option(help="Also draw it, to this .png, .svg or .pdf file.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a run with the emulator's truth: efficiency, resistance, records, faults, and what the scenario expects."""
    from harness.comparison.judging import judge  # noqa: PLC0415
    from harness.comparison.run import compare_run  # noqa: PLC0415 - help must not wait for frames
    from harness.comparison.truth_rows import check_channel, read_truth  # noqa: PLC0415
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.compare_figure import draw_comparison  # noqa: PLC0415
    from harness.service.compare_report import comparison_json, comparison_tables, read_run  # noqa: PLC0415
    from harness.service.figures import check_figure_path  # noqa: PLC0415

    if figure is not None:
        check_figure_path(figure)
    rows = read_truth(truth)
    measured, samples = read_run(load_site(site).state_directory if site.suffix == ".toml" else site, run)
    check_channel(rows, measured.context.channel, truth)
    found = compare_run(rows, measured)
    judged = judge(found)
    if as_json:
        print(json.dumps({**comparison_json(found), "judgements": [asdict(one) for one in judged]}, indent=2))
    else:
        console = Console()
        for table in comparison_tables(found, judged):
            console.print(table)
    if figure is not None:
        draw_comparison(found, samples, figure)
    if not all(one.holds for one in judged):
        sys.exit(UNMET_STATUS)
