"""What the demo found, cell by cell, beside the emulator's truth. Reads; nothing else in the harness reads the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.table import Table

from harness.analysis.coulombic import mean_coulombic_efficiency
from harness.comparison.cycles import Truth, half_cycle_windows, true_cycles
from harness.config import Site
from harness.model.run import Geometry
from harness.query import Lab, cycle_rows
from harness.service.daemon import JOURNAL
from harness.service.fleet import FLEET, DemoCell
from harness.service.tables import headed, plus_minus
from harness.stream.journal_reader import JournaledRun, JournalReader


@dataclass(frozen=True, slots=True)
class CellReport:
    """What the demo found for one cell, beside the truth. Resistances are those of the last sweep."""

    cell: str
    build: str
    cycles: int
    coulombic_efficiency: float | None
    coulombic_efficiency_std: float | None
    true_coulombic_efficiency: float | None
    series_resistance_ohm: float | None
    series_resistance_ohm_std: float | None
    interface_resistance_ohm: float | None
    interface_resistance_ohm_std: float | None


def read_reports(site: Site, cycles: int, runs: dict[str, str]) -> list[CellReport]:
    """The first ``cycles`` cycles of every cell of the fleet; ``runs`` are the runs by cell."""
    truth = site.path.parent / "truth.jsonl"
    reader = JournalReader(site.state_directory / JOURNAL)
    try:
        journaled = {run.context.run_id: run for run in reader.runs()}
        with Lab.open(site.state_directory) as lab:
            return [
                _read_report(lab, _truth_of(truth, reader, journaled[runs[one.cell.id]], cycles), one, cycles) for one in FLEET
            ]
    finally:
        reader.close()


def _truth_of(path: Path, reader: JournalReader, run: JournaledRun, cycles: int) -> Truth:
    windows = half_cycle_windows(run.context, run.facts.geometry, reader.all_records(run.context.run_id))
    return true_cycles(path, [window for window in windows if window.cycle_count <= cycles])


def _read_report(lab: Lab, truth: Truth, one: DemoCell, cycles: int) -> CellReport:
    view = lab.cell(one.cell.id)
    finished = view.cycles().filter(pl.col("cycle_count").is_between(1, cycles))
    has_efficiency = one.cell.geometry is not Geometry.SYMMETRIC and finished.height > 1
    mean = mean_coulombic_efficiency(cycle_rows(finished)) if has_efficiency else None
    fits = view.impedance().filter(pl.col("cycle_count") <= cycles)
    last = fits.row(-1, named=True) if fits.height else {}
    return CellReport(
        cell=one.cell.id,
        build=one.cell.build,
        cycles=finished.height,
        coulombic_efficiency=None if mean is None else mean.coulombic_efficiency,
        coulombic_efficiency_std=None if mean is None else mean.coulombic_efficiency_std,
        true_coulombic_efficiency=truth.mean_coulombic_efficiency if has_efficiency else None,
        series_resistance_ohm=last.get("series_resistance_ohm"),
        series_resistance_ohm_std=last.get("series_resistance_ohm_std"),
        interface_resistance_ohm=last.get("interface_resistance_ohm"),
        interface_resistance_ohm_std=last.get("interface_resistance_ohm_std"),
    )


def report_table(reports: list[CellReport]) -> Table:
    """What the demo prints; fits 80 columns."""
    columns = ("n #", "CE %", "true %", "off/σ #", "interface Ω")
    table = headed(
        "Coulombic efficiency (CE) over n cycles, beside the truth; the last sweep's interface",
        "cell",
        "build",
        *columns,
        tight=True,
    )
    for report in reports:
        table.add_row(
            report.cell,
            report.build,
            str(report.cycles),
            plus_minus(report.coulombic_efficiency, report.coulombic_efficiency_std, 100.0, 2),
            plus_minus(report.true_coulombic_efficiency, None, 100.0, 2),
            _deviation(report),
            plus_minus(report.interface_resistance_ohm, report.interface_resistance_ohm_std, digits=1),
        )
    return table


def _deviation(report: CellReport) -> str:
    found, true, std = report.coulombic_efficiency, report.true_coulombic_efficiency, report.coulombic_efficiency_std
    if found is None or true is None or not std:
        return "–"
    return f"{(found - true) / std:+.1f}"
