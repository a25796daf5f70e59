"""Measure: ``python -m tests.benchmarks [NAME…] [--json FILE]``. One table; nothing is judged, but nothing may be lost."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    bench_analysis,
    bench_cell,
    bench_daemon,
    bench_delivery,
    bench_emulator,
    bench_impedance,
    bench_journal,
    bench_kramers_kronig,
    bench_rollup,
)
from tests.benchmarks.figure import Figure

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "journal": bench_journal.measure,
    "delivery": bench_delivery.measure,
    "daemon": bench_daemon.measure,
    "rollup": bench_rollup.measure,
    "analysis": bench_analysis.measure,
    "impedance": bench_impedance.measure,
    "kramers_kronig": bench_kramers_kronig.measure,
    "emulator": bench_emulator.measure,
    "cell": bench_cell.measure,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one benchmark, and the load before it: how many processes wanted to run, averaged over a minute."""

    name: str
    load: float
    second: float
    figures: list[Figure]


def main() -> None:
    """Run the named benchmarks, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures to this file, too")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f'"{unknown[0]}" is not a benchmark; there are {", ".join(BENCHMARKS)}')
    console = Console(width=None if Console().is_terminal else 160)
    measured = [_measured(name, console) for name in given.names or BENCHMARKS]
    console.print(_table(measured))
    if given.json is not None:
        told = {"machine": machine(), "benchmarks": [asdict(part) for part in measured]}
        given.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _measured(name: str, console: Console) -> Measured:
    load, begun = os.getloadavg()[0], time.monotonic()
    with console.status(f"measuring {name} …"):
        figures = BENCHMARKS[name]()
    return Measured(name, load, time.monotonic() - begun, figures)


def _table(measured: list[Measured]) -> Table:
    table = Table(title=machine(), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("beside what", style="dim", overflow="fold")
    for part in measured:
        table.add_section()
        table.add_row(f"[bold]{part.name}[/bold]", "", "", f"load {part.load:.1f} before it, {part.second:.0f} s")
        for row in part.figures:
            table.add_row(f"  {row.what}", f"[bold cyan]{_shown(row.figure)}[/bold cyan]", row.unit, row.beside)
    return table


def _shown(figure: float) -> str:
    """Three digits or more."""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


if __name__ == "__main__":
    main()
