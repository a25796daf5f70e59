"""Cells compared by what they were made from, from a station's directory and on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from harness.analysis.coulombic import mean_coulombic_efficiency
from harness.cli.main import app
from harness.errors import AnalysisError, BadInput
from harness.lab.cohort import CELLS, GROUPS, LIFE_GROUPS, LIFE_PAIRS, PAIRS
from harness.lab.metrics import METRICS
from harness.model.run import Geometry, RunFacts
from harness.query import Lab
from tests.cohort_station import MadeRun, cycle, fit, half_cycle, made_facts, noisy_cycles, write_station

FOIL, STACK = made_facts(batch="foil", replicate=1), made_facts(batch="stack", replicate=1)


def growing(cell: str, rate: float, seed: int, cycles: int = 8) -> list[Any]:
    noise = np.random.default_rng(seed).normal(0, 0.2, cycles)
    return [fit(cell, n, 20 + rate * n + float(noise[n - 1])) for n in range(1, cycles + 1)]


def fading(cell: str, last: int, cycles: int) -> list[Any]:
    """Capacity that falls to a half after cycle ``last``."""
    return [cycle(cell, n, efficiency=0.97 if n <= last else 0.5) for n in range(1, cycles + 1)]


def made(cell: str, mean: float, rate: float, seed: int, *, facts: RunFacts, channel: str) -> MadeRun:
    return MadeRun(cell, [*noisy_cycles(cell, mean, seed), *growing(cell, rate, seed)], facts, channel)


RUNS = [
    *(made(f"foil-{n}", 0.975 + 2e-3 * n, 1.0 + 0.1 * n, n, facts=FOIL, channel=f"a{n}") for n in range(3)),
    *(made(f"stack-{n}", 0.99 + 1e-3 * n, 0.3, 9 + n, facts=STACK, channel="b1") for n in range(3)),
    MadeRun("new-0", [cycle("new-0", 1, flags="formation"), fit("new-0", 1, 20.0)], STACK, "c1", reason=None),
    MadeRun("odd-0", noisy_cycles("odd-0", 0.97, 99), made_facts(), "c2"),
    MadeRun("lone-0", noisy_cycles("lone-0", 0.97, 98), made_facts(batch="lone"), "c3"),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_station(tmp_path_factory.mktemp("lab") / "station", RUNS)


@pytest.fixture
def lab(directory: Path) -> Iterator[Lab]:
    with Lab.open(directory) as opened:
        yield opened


def test_efficiency_by_batch_has_the_cells_as_its_unit(lab: Lab) -> None:
    """Groups, pairs and cells as declared; each cell's value is its mean, and those without one say why."""
    found = lab.compare("batch", "coulombic_efficiency", baseline="foil")
    assert (found.groups.schema, found.pairs.schema, found.cells.schema) == (GROUPS, PAIRS, CELLS)
    assert dict(found.groups.select("group", "cells").iter_rows()) == {"foil": 3, "lone": 1, "stack": 3}
    assert found.groups.filter(group="foil")["cycles"].item() == 15
    for name, value in found.cells.filter("used").select("cell", "value").iter_rows():
        assert value == mean_coulombic_efficiency(lab.cell(name).cycle_rows()).coulombic_efficiency
    reasons = dict(found.cells.filter(~pl.col("used")).select("cell", "reason").iter_rows())
    assert reasons == {"new-0": "no complete cycle after formation", "odd-0": "no batch is known"}
    [pair] = found.pairs.filter(group="stack").to_dicts()
    assert pair["difference"] == pytest.approx(0.991 - 0.977, abs=5e-4)
    assert pair["difference_low"] > 0.0
    assert found.pairs.filter(group="lone")["note"].item() == '1 cell in "lone": nothing can be said about spread'
    assert found.notes == ("stack-0, stack-1, stack-2 share the offset of channel b1 (EMU0001)",)


def test_a_shared_offset_widens_the_group_that_shares_it(lab: Lab) -> None:
    """Three cells on one channel do not average its offset away: 6e-4 stay in their mean."""
    means = {row["group"]: row for row in lab.compare("batch", "coulombic_efficiency").groups.to_dicts()}
    assert means["stack"]["mean_std"] > 6e-4


def test_inefficiency_is_per_hour_of_a_cycle(lab: Lab) -> None:
    """1 − CE over four hours, its errors with it."""
    efficiency, per_hour = (
        lab.compare("batch", name).cells.filter("used") for name in ("coulombic_efficiency", "coulombic_inefficiency_per_hour")
    )
    assert per_hour["value"].to_numpy() == pytest.approx((1 - efficiency["value"].to_numpy()) / 4)
    for name in ("value_std", "value_offset_std"):
        assert per_hour[name].to_numpy() == pytest.approx(efficiency[name].to_numpy() / 4)


def test_inefficiency_takes_the_hours_of_the_cycles_it_is_of(tmp_path: Path) -> None:
    """A cycle that stood open for two days is in no mean, and its hours are in none."""
    open_one = replace(cycle("a-0", 7, flags="incomplete", efficiency=None), cycle_duration_second=48 * 3600.0)
    runs = [MadeRun("a-0", [*(cycle("a-0", n) for n in range(1, 7)), open_one], made_facts(batch="a"))]
    runs.append(MadeRun("b-0", [cycle("b-0", n) for n in range(1, 7)], made_facts(batch="b"), "a2"))
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.compare("batch", "coulombic_inefficiency_per_hour").cells
    assert found["value"].to_list() == pytest.approx([0.005, 0.005])


def test_an_unknown_offset_is_said_and_not_zero(tmp_path: Path) -> None:
    """Cells on instruments of which nobody knows the offset may differ by it."""
    runs = [
        MadeRun(cell, [replace(row, coulombic_efficiency_offset_std=None) for row in noisy_cycles(cell, 0.98, place)],
                made_facts(batch=cell[0]), f"a{place}")
        for place, cell in enumerate(("a-0", "a-1", "b-0", "b-1"))
    ]  # fmt: skip
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.compare("batch", "coulombic_efficiency")
    assert found.cells["value_offset_std"].to_list() == [None] * 4
    assert found.notes[-1].startswith("nothing says the current's offset of a-0, a-1, b-0, b-1")


def test_a_resistance_errs_by_the_instruments_gain(tmp_path: Path) -> None:
    """It is the same in all spectra of a channel, and in no fit's error."""
    facts = {group: made_facts(batch=group, accuracy_gain=0.02) for group in "ab"}
    runs = [MadeRun(f"{group}-0", [cycle(f"{group}-0", 1), fit(f"{group}-0", 1, 40.0)], facts[group], group) for group in "ab"]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        cells = lab.compare("batch", "area_specific_resistance").cells
    assert cells["value_offset_std"].to_list() == pytest.approx([0.02 * 40 * 1.27] * 2)
    assert cells["value_std"].to_list() == pytest.approx([math.hypot(0.3, 0.02 * 40 * 1.27)] * 2)


def test_growth_is_the_slope_of_each_cell(lab: Lab) -> None:
    """Ω cm² per cycle; a cell with too few spectra has the reason of its refusal."""
    found = lab.compare("batch", "area_specific_resistance_growth")
    means = dict(found.groups.select("group", "mean").iter_rows())
    assert means == {"foil": pytest.approx(1.27 * 1.1, abs=0.06), "stack": pytest.approx(1.27 * 0.3, abs=0.06)}
    reasons = dict(found.cells.filter(~pl.col("used")).select("cell", "reason").iter_rows())
    assert reasons["new-0"] == "no fit: 1 points, 6 are needed"


def test_cells_of_two_geometries_are_not_compared(tmp_path: Path) -> None:
    """An efficiency of a full cell is another quantity than one of a half cell; the refusal says what to do."""
    full = made_facts(batch="stack", geometry=Geometry.FULL)
    runs = [MadeRun("half-0", noisy_cycles("half-0", 0.97, 1), FOIL), MadeRun("full-0", noisy_cycles("full-0", 0.999, 2), full)]
    write_station(tmp_path / "mixed", runs)
    with Lab.open(tmp_path / "mixed") as lab, pytest.raises(AnalysisError, match=r"deposit \(half-0\).*geometry=deposit"):
        lab.compare("batch", "coulombic_efficiency")


@pytest.mark.parametrize(("at_cycle", "expected"), [(None, 28.0), (2, 22.0)])
def test_resistance_is_asked_for_at_a_cycle_or_the_latest(lab: Lab, at_cycle: int | None, expected: float) -> None:
    """Ω cm² of the last spectrum, or of one cycle; a cell without is left out."""
    found = lab.compare("batch", "area_specific_resistance", at_cycle=at_cycle, cell=["foil-0", "foil-1", "stack-0", "stack-1"])
    assert found.cells.filter(cell="foil-0")["value"].item() == pytest.approx(1.27 * expected, abs=1.0)
    assert found.unit == "Ω cm²"


def test_text_says_groups_pairs_and_who_is_left_out(lab: Lab) -> None:
    """What printing a comparison gives is readable by itself."""
    text = str(lab.compare("batch", "coulombic_efficiency", baseline="foil"))
    assert text.startswith("coulombic_efficiency by batch\nfoil  cells 3  cycles 15  mean 0.97")
    assert "\nstack − foil  difference 0.01" in text
    assert "left out: odd-0 (no batch is known)" in text


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"by": "colour", "metric": "coulombic_efficiency"}, BadInput, 'by: cells have no column "colour"; they have cell, '),
        ({"by": "batch", "metric": "beauty"}, BadInput, 'metric: "beauty" is not a metric; there are coulombic_efficiency, '),
        (
            {"by": "batch", "metric": "coulombic_efficiency", "at_cycle": 3},
            BadInput,
            "at_cycle: coulombic_efficiency is of all cycles",
        ),
        ({"by": "batch", "metric": "cycle_life", "at_cycle": 3}, BadInput, "at_cycle: cycle_life is of all cycles"),
        (
            {"by": "geometry", "metric": "coulombic_efficiency"},
            AnalysisError,
            "a comparison needs two groups; all 8 cells are in",
        ),
        ({"by": "geometry", "metric": "cycle_life"}, AnalysisError, "a comparison needs two groups; all 9 cells are in"),
        ({"by": "batch", "metric": "coulombic_efficiency", "baseline": "x"}, AnalysisError, 'the baseline "x" is not a group'),
        ({"by": "batch", "metric": "cycle_life", "baseline": "x"}, AnalysisError, 'the baseline "x" is not a group'),
        ({"by": "batch", "metric": "cycle_life"}, AnalysisError, "no cell has failed yet: all 8 are censored"),
        (
            {"by": "claim_1", "metric": "coulombic_efficiency"},
            AnalysisError,
            "there are no cells; left out: foil-0 (no claim_1 is known)",
        ),
    ],
)
def test_what_cannot_be_compared_says_so(lab: Lab, asked: dict[str, Any], error: type[Exception], sentence: str) -> None:
    """One sentence for each mistake."""
    with pytest.raises(error) as caught:
        lab.compare(**asked)
    assert sentence in str(caught.value)


def test_lives_are_compared_with_their_censoring(tmp_path: Path) -> None:
    """Faded and shorted cells failed, running and stopped ones are censored with their reason; the log-rank is exact."""
    runs = [
        *(MadeRun(f"foil-{n}", fading(f"foil-{n}", 8 + n, 14 + n), FOIL) for n in range(4)),
        *(MadeRun(f"stack-{n}", fading(f"stack-{n}", 40, 20), STACK, reason=None if n else "stopped") for n in range(3)),
        MadeRun("stack-3", [*fading("stack-3", 40, 20), half_cycle("stack-3", 17, "plate", grade="hard")], STACK),
    ]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.compare("batch", "cycle_life", baseline="foil")
    assert (found.groups.schema, found.pairs.schema) == (LIFE_GROUPS, LIFE_PAIRS)
    lives = {row["cell"]: (row["value"], row["reason"]) for row in found.cells.to_dicts()}
    assert lives["foil-0"] == (9.0, "capacity below 80%")
    assert lives["stack-3"] == (17.0, "hard short")
    assert lives["stack-0"] == (20.0, "stopped")
    groups = {row["group"]: row for row in found.groups.to_dicts()}
    foil = groups["foil"]
    assert (foil["failed"], foil["median"], foil["median_low"], foil["median_high"]) == (4, 10.0, None, None)
    assert "the median is 10; fewer than 6 cells do not bound the median" in foil["note"]
    assert (groups["stack"]["failed"], groups["stack"]["censored"]) == (1, "1 stopped, 2 running")
    [pair] = found.pairs.to_dicts()
    assert pair["least_p_value"] == pytest.approx(2 / 70)
    assert pair["p_value"] == pytest.approx(2 / 70)
    assert "too few for a ratio of hazards" in pair["note"]
    assert found.curves is not None
    assert found.curves["foil"].time.tolist() == [9.0, 10.0, 11.0, 12.0]


def test_command_prints_tables_and_json(directory: Path) -> None:
    """The effect, its interval and what could have been seen on the screen; every frame as JSON."""
    asked = ["compare", "--by", "batch", "--metric", "coulombic_efficiency", "--baseline", "foil", "--source", str(directory)]
    shown = CliRunner().invoke(app, asked, env={"COLUMNS": "160"})
    assert shown.exit_code == 0, shown.output
    for part in ("coulombic_efficiency by batch", "stack − foil", "could be seen", "left out odd-0: no batch is known"):
        assert part in shown.stdout
    whole = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert {row["group"] for row in whole["pairs"]} == {"stack", "lone"}
    chosen = CliRunner().invoke(app, [*asked, "--json", "--where", "channel=c3"])
    assert str(chosen.exception).startswith("a comparison needs two groups; all 1 cells are in one group")


def test_every_metric_says_what_it_is() -> None:
    """Names are unique, and each has a sentence."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.what for metric in METRICS)


def test_a_cell_of_which_nothing_can_be_made_is_left_out(tmp_path: Path) -> None:
    """Where the analysis of one cell fails, the others are still compared, and its sentence is the reason."""
    runs = [
        MadeRun(f"{batch}-{n}", fading(f"{batch}-{n}", 8, 14), made_facts(batch=batch))
        for batch in ("foil", "stack")
        for n in (0, 1)
    ]
    runs.append(MadeRun("foil-2", [], FOIL))
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.compare("batch", "cycle_life")
        assert found.cells.filter(~pl.col("used")).select("cell", "reason").rows() == [("foil-2", "no cycle")]
        with pytest.raises(AnalysisError, match="a comparison needs two groups; there are no cells; left out: foil-0"):
            lab.compare("batch", "lithium_turnover")
