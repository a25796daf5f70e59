"""With perfect instruments the pipeline's efficiency is the charge that crossed the cell, cycle by cycle."""

from __future__ import annotations

import pytest

from harness.comparison.cycles import half_cycle_windows, true_cycles
from harness.query import Lab
from harness.stream.journal_reader import JournalReader
from tests.e2e.conftest import Bench

CLOSE = 1e-5
COUNT = 5
PRESETS = ("bare_lp30", "bare_fec", "claim1_stack", "co_deposited_co2")


@pytest.mark.timeout(180)
def test_perfect_instruments_measure_the_true_efficiency(bench: Bench) -> None:
    """|CE − truth| ≤ 1e-5 for every Li||Cu cycle of four different anodes, truth being the charge that crossed the cell."""
    bench.scale = 2000.0
    cells = {f"a{number}": preset for number, preset in enumerate(PRESETS, start=1)}
    bench.start_emulator(
        [
            {"name": name, "listen": "tcp", "cell": {"geometry": "deposit", "preset": preset, "area_cm2": 1.267}}
            for name, preset in cells.items()
        ]
    )
    bench.write_site()
    for name in cells:
        bench.register(f"cell-{name}")
    bench.start_daemon()
    bench.start("rollup")
    runs = [bench.run_cell(f"cell-{name}", name, "demo-li-cu", COUNT) for name in cells]
    bench.wait_ended(*runs)
    reader = JournalReader(bench.state / "journal.sqlite")
    with Lab.open(bench.state) as lab:
        bench.wait(lambda: lab.store.cycles(runs)["cycle_duration_second"].drop_nulls().len() == COUNT * len(runs))
        for run in reader.runs():
            windows = half_cycle_windows(run.context, run.facts.geometry, reader.all_records(run.context.run_id))
            true = true_cycles(bench.truth, windows)
            found = lab.cell(run.context.cell).cycles()["coulombic_efficiency"].to_list()
            assert len(found) == len(true.cycles) == COUNT
            for measured, cycle in zip(found, true.cycles, strict=True):
                assert measured == pytest.approx(cycle.true_coulombic_efficiency, abs=CLOSE, rel=0.0)
    reader.close()
