"""Sixteen cells through the whole pipeline, each with the imperfections of its own channel: stated intervals hold the truth."""

from __future__ import annotations

import pytest

from harness.analysis.coulombic import MeanEfficiency
from harness.analysis.estimate import NORMAL_95
from harness.analysis.lithium import LithiumBooks
from harness.comparison.run import Beside, CycleComparison, TruthComparison, compare_run
from harness.comparison.truth_rows import read_truth
from harness.query import Lab
from harness.service.compare_report import read_run
from tests.e2e.conftest import Bench

CHANNELS, CYCLES = 16, 6
OFFSET = 2e-4
LEAST_HOLDING = 13
"""Of sixteen independent 95 % intervals, thirteen or more hold in 99.3 of 100 runs."""


@pytest.mark.timeout(300)
def test_intervals_hold_the_truth_through_the_wire(bench: Bench) -> None:
    """Efficiency, charge, lithium lost, interface: of 16 channels with an offset each, at least 13 hold each truth."""
    bench.slack_second = 2.0
    names = [f"a{number:02d}" for number in range(1, CHANNELS + 1)]
    cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.267}
    bench.start_emulator(
        [{"name": name, "listen": "tcp", "cell": cell} for name in names],
        imperfections={"offset": OFFSET, "gain": 2e-4, "adc_bits": 18},
    )
    bench.write_site(channel='accuracy = { offset = "0.02 %", gain = "0.02 %" }')
    for name in names:
        bench.register(f"cell-{name}")
    bench.start_daemon()
    bench.start("rollup")
    runs = [bench.run_cell(f"cell-{name}", name, "demo-li-cu", CYCLES) for name in names]
    bench.wait_ended(*runs, second=200.0)
    with Lab.open(bench.state) as lab:
        bench.wait(lambda: lab.store.cycles(runs)["cycle_duration_second"].drop_nulls().len() == CYCLES * len(runs))
        bench.wait(lambda: lab.store.impedance_fits(runs).height == CYCLES * len(runs))
        means = {name: lab.coulombic_efficiency(f"cell-{name}") for name in names}
        books = {name: lab.cell(f"cell-{name}").lithium() for name in names}
    truth = read_truth(bench.truth)
    found = {name: compare_run(truth, read_run(bench.state, f"cell-{name}")[0]) for name in names}
    held = {
        "mean efficiency": [mean_is_held(means[name], found[name]) for name in names],
        "lithium lost": [loss_is_held(books[name], found[name].cycles[-1]) for name in names],
        "plated charge": [is_held(found[name].cycles[-1].plating_capacity_ah) for name in names],
        "interface resistance": [is_held(found[name].sweeps[-1].interface_resistance_ohm) for name in names],
    }
    assert {what: sum(each) for what, each in held.items() if sum(each) < LEAST_HOLDING} == {}


def mean_is_held(mean: MeanEfficiency, found: TruthComparison) -> bool:
    """Whether the 95 % interval of a cell's mean efficiency holds the true one."""
    assert mean.coulombic_efficiency is not None
    assert found.mean_true_coulombic_efficiency is not None
    difference = abs(mean.coulombic_efficiency - found.mean_true_coulombic_efficiency)
    return difference <= NORMAL_95 * (mean.coulombic_efficiency_std or 0.0)


def loss_is_held(books: LithiumBooks, last: CycleComparison) -> bool:
    """Whether the 95 % interval of the lithium lost in the last cycle holds what was plated and did not come back."""
    assert books.losses is not None
    assert books.losses.cycle_count[-1] == last.cycle_count
    plated, efficiency = last.plating_capacity_ah.true_low, last.coulombic_efficiency.true_low
    assert plated is not None
    assert efficiency is not None
    return bool(abs(books.losses.lost_ah[-1] - plated * (1 - efficiency)) <= NORMAL_95 * books.losses.std_ah[-1])


def is_held(one: Beside) -> bool:
    """Whether the 95 % interval of a value holds its truth."""
    assert one.deviation is not None
    return abs(one.deviation) <= NORMAL_95
