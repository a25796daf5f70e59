"""The instrument's counters, whichever kind a file has: every step's charge, with resets where a step begins or inside it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.interop.cycles import AnalyzedCell, analyze_frame
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

STEPS = st.lists(st.tuples(st.sampled_from([CURRENT, -CURRENT, CURRENT / 2, 0.0]), st.integers(3, 40)), min_size=2, max_size=8)
KINDS = ("step", "cycle", "ever", "net", "increments", "increment pair")


def recorded(steps: list[tuple[float, int]]) -> pl.DataFrame:
    """Steps whose first row stands one interval after their beginning, as some testers record them, with what each row added."""
    frame = made(*((current, 10.0 * rows) for current, rows in steps)).filter(pl.col("step_time_second") > 0)
    return frame.with_columns(added=pl.col("current_ampere") * 10.0 / 3600, cycle_count=(pl.col("step_count") + 1) // 2)


def with_counter(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """``frame`` with one kind of counter in place of its ``added``."""
    up, down = (pl.max_horizontal(sign * pl.col("added"), pl.lit(0.0)) for sign in (1.0, -1.0))
    over = {"step": ("step_count",), "cycle": ("cycle_count",)}
    columns = {
        "net": {"net_capacity_ah": pl.col("added").cum_sum()},
        "increments": {"charge_increment_ah": pl.col("added")},
        "increment pair": {"charging_increment_ah": up, "discharging_increment_ah": down},
        "ever": {"charging_capacity_ah": up.cum_sum(), "discharging_capacity_ah": down.cum_sum()},
    }
    if kind in over:
        names = (f"{kind}_charging_capacity_ah", f"{kind}_discharging_capacity_ah")
        columns[kind] = {name: part.cum_sum().over(*over[kind]) for name, part in zip(names, (up, down), strict=True)}
    return frame.with_columns(**columns[kind]).drop("added")


def step_charges(cell: AnalyzedCell) -> dict[int, float]:
    """The charge by the step's number, pieces of one direction together."""
    found: dict[int, float] = {}
    for step in cell.steps:
        number = int(cell.columns["step_count"][step.first])
        found[number] = found.get(number, 0.0) + step.charge_ah
    return found


@settings(max_examples=60)
@given(STEPS, st.sampled_from(KINDS))
def test_counter_of_any_kind_gives_every_steps_charge(steps: list[tuple[float, int]], kind: str) -> None:
    """Long and short steps, of either direction and at rest: no row is lost at a reset, and none is counted twice."""
    steps = [(CURRENT, 30), *steps, (-CURRENT, 30)]
    cell = analyze_frame("cell", with_counter(recorded(steps), kind), Geometry.FULL)
    assert all(step.counted for step in cell.steps)
    expected = {number: current * rows * 10.0 / 3600 for number, (current, rows) in enumerate(steps, start=1)}
    assert step_charges(cell) == {number: pytest.approx(charge, rel=1e-9, abs=1e-12) for number, charge in expected.items()}


def test_counter_that_lags_is_read_in_the_first_row_after_its_step() -> None:
    """What a tester still counts of a step may stand in the next row only, which is a rest's: it belongs to the step."""
    frame = with_counter(recorded([(CURRENT, 30), (0.0, 5), (-CURRENT, 28), (0.0, 5)]), "ever")
    late = frame.with_columns(pl.col("charging_capacity_ah", "discharging_capacity_ah").shift(1, fill_value=0.0))
    row = analyze_frame("cell", late, Geometry.FULL).rows[0]
    assert row.coulombic_efficiency == pytest.approx(28 / 30, rel=1e-9)
    assert "counter_mismatch" not in row.flags


@pytest.mark.parametrize("kind", ["point", "mean"])
def test_increments_tell_what_a_current_is(kind: str) -> None:
    """Where a current falls, increments equal its mean times the interval or the area under its points; the file says which."""
    time = np.arange(0.0, 3001.0, 30.0)
    current = CURRENT * np.exp(-time / 900)
    means = np.append(current[0], 0.5 * (current[1:] + current[:-1]))
    seen = current if kind == "point" else means
    charge = pl.DataFrame(
        {"test_time_second": time, "current_ampere": seen, "charge_increment_ah": np.append(0.0, means[1:]) * 30 / 3600}
    )
    (step,) = analyze_frame("cell", charge, Geometry.FULL).steps
    assert step.charge_ah == pytest.approx(float(np.sum(means[1:])) * 30 / 3600, rel=1e-9)
    assert "counter_mismatch" not in analyze_frame("cell", charge, Geometry.FULL).rows[0].flags


ROW_OF_STEP = pl.int_range(pl.len()).over("step_count")
MISSING = {"one": ROW_OF_STEP == 400, "the last": ROW_OF_STEP == 999, "several": ROW_OF_STEP.is_between(700, 720)}


def lacking(kind: str, rows: pl.Expr, *, current_too: bool = False, seed: int = 0) -> AnalyzedCell:
    """Ten cycles of equal halves, 1000 rows each, rests between; the counter is missing in some rows of each deposit."""
    frame = recorded([(-CURRENT, 1000), (0.0, 20), (CURRENT, 1000), (0.0, 20)] * 10)
    noise = pl.Series(np.random.default_rng(seed).normal(0.0, 1e-3 * CURRENT, frame.height))
    driven = pl.col("current_ampere") != 0
    frame = frame.with_columns(pl.when(driven).then(pl.col("current_ampere") + noise).otherwise(0.0).alias("current_ampere"))
    frame = with_counter(frame.with_columns(added=pl.col("current_ampere") * 10.0 / 3600), kind)
    names = [name for name in frame.columns if name.endswith("_ah")] + ["current_ampere"] * current_too
    gone = rows & (pl.col("current_ampere") < 0)
    lacking = frame.with_columns(pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in names)
    return analyze_frame("cell", lacking, Geometry.DEPOSIT)


@pytest.mark.parametrize("current_too", [False, True], ids=["counter", "current too"])
@pytest.mark.parametrize("rows", MISSING)
@pytest.mark.parametrize("kind", ["increments", "increment pair", "step", "net"])
def test_counter_that_is_missing_gives_way_to_the_current(kind: str, rows: str, current_too: bool) -> None:
    """What no other row holds is taken from the current and said; what the next row holds needs neither."""
    whole, cell = lacking(kind, pl.lit(value=False)), lacking(kind, MISSING[rows], current_too=current_too)
    lost = kind.startswith("increment") or rows == "the last"
    for row, known in zip(cell.rows, whole.rows, strict=True):
        assert row.coulombic_efficiency is not None
        assert row.coulombic_efficiency_std is not None
        assert row.coulombic_efficiency == pytest.approx(known.coulombic_efficiency, abs=4 * row.coulombic_efficiency_std)
        assert row.coulombic_efficiency_std < 2e-4
        assert ("missing_values" in row.flags.split()) == lost
        assert "missing_values" not in known.flags.split()
        assert "counter_mismatch" not in row.flags.split()


def test_increments_missing_where_no_current_is_driven_lose_nothing() -> None:
    """A pair that is empty in the other direction, and increments that are empty at rest, are no missing values."""
    frame = with_counter(recorded([(-CURRENT, 100), (0.0, 20), (CURRENT, 100), (0.0, 20)]), "increment pair")
    pair = frame.with_columns(pl.when(pl.col(name) > 0).then(pl.col(name)) for name in frame.columns if name.endswith("_ah"))
    (row,) = analyze_frame("cell", pair, Geometry.DEPOSIT).rows
    assert row.coulombic_efficiency == pytest.approx(1.0, rel=1e-9)
    assert "missing_values" not in row.flags.split()


def test_error_of_what_the_current_says_holds_its_difference_from_the_counter() -> None:
    """A current read 5 % too high beside increments of which one in ten is missing: the charge errs by half a percent."""
    frame = with_counter(recorded([(-CURRENT, 100), (0.0, 20), (CURRENT, 100), (0.0, 20)]), "increments")
    gone = (pl.int_range(pl.len()) % 10 == 5) & (pl.col("current_ampere") < 0)
    frame = frame.with_columns(
        pl.col("current_ampere") * 1.05, pl.when(gone).then(None).otherwise("charge_increment_ah").alias("charge_increment_ah")
    )
    step = analyze_frame("cell", frame, Geometry.DEPOSIT).steps[0]
    assert step.charge_ah == pytest.approx(-1.005 * CURRENT * 1000 / 3600, rel=1e-6)
    assert step.charge_ah_std == pytest.approx(0.005 * CURRENT * 1000 / 3600, rel=0.1)


def test_increments_of_means_are_filled_with_means() -> None:
    """A decaying mean, every tenth increment missing: the file still says that it is one, and the sum is as if none were."""
    time = np.arange(0.0, 3001.0, 30.0)
    current = CURRENT * np.exp(-time / 900)
    means = np.append(current[0], 0.5 * (current[1:] + current[:-1]))
    added = np.append(0.0, means[1:]) * 30 / 3600
    gone = np.where(np.arange(time.size) % 10 == 7, np.nan, added)
    frame = pl.DataFrame({"test_time_second": time, "current_ampere": means, "charge_increment_ah": gone})
    (step,) = analyze_frame("cell", frame, Geometry.FULL).steps
    assert step.charge_ah == pytest.approx(float(added.sum()), rel=1e-9)
