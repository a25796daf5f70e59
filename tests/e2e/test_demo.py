"""The demo as a newcomer starts it, and everything its data must then be good for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.comparison.cycles import half_cycle_windows, true_cycles
from harness.config import load_site
from harness.model.derived import HalfCycleRow
from harness.model.records import Incident
from harness.model.run import Geometry, RunContext
from harness.query import Lab
from harness.service.demo_figure import draw_demo
from harness.service.demo_report import CellReport
from harness.service.fleet import FLEET, build_of
from harness.store.derived import DerivedOutbox, DerivedStore
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream.codec import encode_derived, encode_record
from harness.stream.journal_reader import JournalReader
from tests.services import Influxd, free_port
from tests.test_dashboards import QUERIES, Influx, rows_of

CYCLES = 10
WITHIN_STD = 3.5
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Demo:
    """What a demo left behind."""

    directory: Path
    output: str
    report: list[dict[str, Any]]

    @property
    def state(self) -> Path:
        return self.directory / "demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """``harness demo --exit --cycles 10 --report report.json`` in an empty directory."""
    where = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "harness", "demo", "--exit", "--cycles", str(CYCLES), "--report", "report.json"]
    done = subprocess.run(
        [*command, "--port", str(free_port())], cwd=where, capture_output=True, text=True, timeout=200, check=False,
        env=os.environ | {"COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((where / "report.json").read_text(encoding="utf-8"))
    return Demo(where / "demo-station", done.stdout, report["cells"])


def test_demo_runs_ten_cells_and_reports_them(demo: Demo) -> None:
    """Every cell has its cycles, impedance, and an efficiency within its error of the truth; Li||Li has none.

    Where a solid layer answers faster than the sweep begins, nobody can say how much of it is in series.
    """
    layered = {one.cell.id for one in FLEET if build_of(one).layers}
    assert len(demo.report) == 10
    for cell in demo.report:
        assert cell["cycles"] == CYCLES
        assert (cell["series_resistance_ohm"] or 0.0) > 0.0 or cell["cell"] in layered
        assert cell["interface_resistance_ohm"] > 0.0
        if cell["cell"].startswith("li-"):
            assert cell["coulombic_efficiency"] is cell["true_coulombic_efficiency"] is None
            continue
        off = abs(cell["coulombic_efficiency"] - cell["true_coulombic_efficiency"])
        assert off <= WITHIN_STD * cell["coulombic_efficiency_std"], cell


def test_demo_prints_the_numbers_it_reports(demo: Demo) -> None:
    """The table on the screen is the report, and fits 80 columns; each cell was opened and verified at the end."""
    for cell in demo.report:
        row = next(line for line in demo.output.splitlines() if line.strip().startswith(cell["cell"]) and "±" in line)
        assert len(row) <= 80
        assert f"{cell['interface_resistance_ohm']:.1f}" in row
    assert demo.output.count("cell open, verified") == 10


def test_every_cycle_is_within_its_error_of_the_truth(demo: Demo) -> None:
    """Instruments with offset, 16 bits and noise: each cycle's efficiency within 3.5 × its own standard deviation."""
    compared = 0
    for cell, found, true in cycles_and_truth(demo.state, demo.directory / "truth.jsonl"):
        for row in found:
            if row["coulombic_efficiency"] is not None and row["cycle_count"] in true:
                off = abs(row["coulombic_efficiency"] - true[row["cycle_count"]])
                assert off <= WITHIN_STD * row["coulombic_efficiency_std"], (cell, row)
                compared += 1
    assert compared >= 9 * CYCLES


def test_demo_draws_its_builds_beside_the_truth(demo: Demo, tmp_path: Path) -> None:
    """The figure lies where the closing lines say, is a picture, and names every build and every cell of it."""
    [line] = [line for line in demo.output.splitlines() if line.startswith("builds compared")]
    assert Path(line.rpartition(": ")[2]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    site = load_site(demo.directory / "site.toml")
    with Lab.open(demo.state) as lab:
        runs = dict(lab.runs().select("cell", "run_id").iter_rows())
    draw_demo(site, [CellReport(**report) for report in demo.report], runs, tmp_path / "builds.svg")
    drawn = (tmp_path / "builds.svg").read_text(encoding="utf-8")
    for one in FLEET:
        assert f">{one.cell.id}<" in drawn
        assert f">{one.cell.build}<" in drawn


def test_demo_cells_are_chosen_by_what_their_builds_are(demo: Demo) -> None:
    """The claims' verdicts and the builds' facts choose cells, and each cell shows the build it was made from."""
    stacked = ["cu-five-1", "cu-plasma-1", "cu-stack-1", "cu-stack-2", "li-stack-1", "nmc-stack-1"]
    with Lab.open(demo.state) as lab:
        assert lab.cells(claim=1)["cell"].to_list() == stacked
        assert lab.cells(claim=12)["cell"].to_list() == ["cu-plasma-1"]
        assert lab.cells(claim=16)["cell"].to_list() == ["cu-co2-1"]
        assert lab.cells(claim=1, verdict="does_not", counter="Cu")["cell"].to_list() == ["cu-bare-1", "cu-co2-1", "cu-foil-1"]
        assert lab.cells(substrate="none")["cell"].to_list() == ["cu-foil-1"]
        assert lab.cells(layer_count=5, counter="Cu")["cell"].to_list() == ["cu-five-1"]
        for one in FLEET:
            assert lab.cell(one.cell.id).anode == build_of(one)


@pytest.mark.parametrize(
    ("where", "status", "said"),
    [
        (("claim_12=meets",), 0, ["cu-plasma-1"]),
        (("claim_1=does_not", "counter=Cu"), 0, ["cu-bare-1", "cu-co2-1", "cu-foil-1"]),
        (("claim_1=maybe",), 2, "say one of meets, does_not, cannot_tell"),
        (("shoe=41",), 2, 'cells have no column "shoe"'),
        (("claim_1",), 2, "is not FACT=VALUE"),
    ],
)
def test_cells_are_chosen_on_the_command_line(demo: Demo, where: tuple[str, ...], status: int, said: str | list[str]) -> None:
    """``harness query … --where`` chooses by verdict and by facts of the build, in every table."""
    chosen = [part for fact in where for part in ("--where", fact)]
    command = [sys.executable, "-m", "harness", "query", "cycles", *chosen, "--source", "site.toml", "--out", "chosen.json"]
    done = subprocess.run(command, cwd=demo.directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    if isinstance(said, str):
        assert said in done.stderr
    else:
        rows = json.loads((demo.directory / "chosen.json").read_text(encoding="utf-8"))
        assert sorted({row["cell"] for row in rows}) == said


@pytest.mark.parametrize("cell", ["cu-stack-1", "li-stack-1", "nmc-stack-1"])
def test_a_run_compares_with_the_truth_record_by_record(demo: Demo, cell: str) -> None:
    """``harness compare-truth`` joins every half cycle and sweep, finds nothing lost, and draws it."""
    command = [sys.executable, "-m", "harness", "compare-truth", "truth.jsonl", cell, "--json", "--figure", f"{cell}.png"]
    done = subprocess.run(command, cwd=demo.directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["records"]["lost"], found["records"]["duplicates"]) == (0, 0)
    assert (found["rows_without_window"], found["half_cycles_without_truth"], found["faults"]) == (0, 0, [])
    assert found["residual_max_mah_cm2"] < 1e-6
    assert len(found["cycles"]) == len(found["sweeps"]) == CYCLES
    for cycle in found["cycles"]:
        assert cycle["plating_capacity_ah"]["difference"] is not None
        assert abs(cycle["coulombic_efficiency"]["deviation"] or 0.0) <= WITHIN_STD
    assert all(sweep["interface_resistance_ohm"]["difference"] is not None for sweep in found["sweeps"])
    assert (demo.directory / f"{cell}.png").stat().st_size > 50_000


def cycles_and_truth(state: Path, truth: Path) -> Iterator[tuple[str, list[dict[str, Any]], dict[int, float]]]:
    """For each cell with an efficiency: its cycle table, and the true efficiency by cycle."""
    reader = JournalReader(state / "journal.sqlite")
    try:
        with Lab.open(state) as lab:
            for run in reader.runs():
                if run.facts.geometry is Geometry.SYMMETRIC:
                    continue
                windows = half_cycle_windows(run.context, run.facts.geometry, reader.all_records(run.context.run_id))
                cycles = true_cycles(truth, windows).cycles
                true = {c.cycle_count: c.true_coulombic_efficiency for c in cycles if c.true_coulombic_efficiency is not None}
                yield run.context.cell, lab.cell(run.context.cell).cycles().to_dicts(), true
    finally:
        reader.close()


@pytest.fixture(scope="module")
def demo_database(demo: Demo, influxd: Influxd) -> Iterator[Influx]:
    """The demo's journal and derived rows in InfluxDB, as ingest would have written them."""
    asyncio.run(fill(demo.state, InfluxSettings(influxd.url, "demo")))
    database = Influx(influxd.url, "demo")
    yield database
    database.close()


async def fill(state: Path, settings: InfluxSettings) -> None:
    reader = JournalReader(state / "journal.sqlite")
    lines = [line for run in reader.runs() for record in reader.all_records(run.context.run_id)
             for line in encode_record(run.context, record).splitlines()]  # fmt: skip
    reader.close()
    lines += mishaps(time.time_ns() - 30 * 86_400 * 10**9)
    with DerivedStore(state / "derived.sqlite", read_only=True) as store:
        outbox = DerivedOutbox(store)
        lines += [line for context, last, _ in store.runs() for _, line in outbox.read(context.run_id, 0, last + 1)]
        outbox.close()
    async with InfluxWriter(settings) as writer:
        await writer.create_database()
        assert await writer.write(lines) == []


def mishaps(stamp: int) -> list[str]:
    """A warning, an alarm and a short, which a demo that went well has not: their panels must have something to show."""
    run = "mishap-20260101t000000"
    context = RunContext("demo", "a1", "mishap", "bare-foil", run)
    records = [Incident(run, 0, stamp, "warning", "link_lost", "gone"), Incident(run, 1, stamp + 1, "alarm", "limit", "high")]
    short = HalfCycleRow(run, 1, stamp, "plate", *(None,) * 15, "suspect", '[{"sign":"noise"}]', "", "1")
    return [*(encode_record(context, record) for record in records), encode_derived(context, short, 0)]


@pytest.mark.service
@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_every_panel_has_rows_after_a_demo(
    demo: Demo, demo_database: Influx, name: str, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    """Every query of every dashboard brings rows from the demo's data."""
    query = target["query"]
    with Lab.open(demo.state) as lab:
        run = lab.cell("cu-foil-1").runs().row(0, named=True)
    bounds = f"time >= {run['started_nanosecond'] - 10**15}ns AND time <= {run['ended_nanosecond'] + 10**15}ns"
    substitutes = {
        "$timeFilter": bounds, "${claim}": "1", "$first_cycle": "2", "$__interval_ms": "600000", "$__interval": "10m",
        "$sweep": "1", "$cell": "cu-foil-1", "$run": run["run_id"],
    }  # fmt: skip
    query = re.sub(r"\$\{\w+:regex\}", ".*", query)
    for variable, value in substitutes.items():
        query = query.replace(variable, value)
    assert not re.search(r"\$\w", query), query
    assert rows_of(demo_database.ask(query)), f"{name}, {panel['title']}: no rows for {query}"
