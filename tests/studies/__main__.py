"""Prove figures on many cells: ``python -m tests.studies [NAME…] [--seeds N]``. Tests repeat them with few.

A study compares what the analysis says of emulated or synthetic cells with what is known of them: how often a 95 % interval holds
the truth, how wide a σ is beside the scatter, how many shorts are found. Each prints its figures, each with what is wanted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figure import Figure

HERE = Path(__file__).parent


def main() -> None:
    """Run the named studies, or all of them."""
    names = sorted(path.stem.removeprefix("study_") for path in HERE.glob("study_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.studies", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many cells (1000)")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in names]:
        parser.error(f'"{unknown[0]}" is not a study; there are {", ".join(names)}')
    console = Console(width=None if sys.stdout.isatty() else 160)
    for name in given.names or names:
        begun = time.monotonic()
        figures: list[Figure] = importlib.import_module(f"tests.studies.study_{name}").study(given.seeds)
        table = Table(
            title=f"{name}: {given.seeds} seeds, {time.monotonic() - begun:.0f} s", box=box.SIMPLE_HEAD, title_justify="left"
        )
        for heading in ("what", "figure", "unit", "wanted"):
            table.add_column(heading, justify="right" if heading == "figure" else "left")
        for row in figures:
            table.add_row(row.what, f"{row.figure:.4g}", row.unit, row.beside)
        console.print(table)


if __name__ == "__main__":
    main()
