"""Files with every fault there is: each gives the right numbers, or a flag or a sentence that names what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from harness.analysis.charge import Accuracy
from harness.errors import BadInput
from harness.interop.cycles import AnalyzedCell, analyze_frame
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, full_cell, made

ROW = pl.int_range(pl.len())
AMPERE, T, STEP_T = pl.col("current_ampere"), pl.col("test_time_second"), pl.col("step_time_second")
PAIRS = ("step_charging_capacity_ah", "step_discharging_capacity_ah")
Change = Callable[[pl.DataFrame], pl.DataFrame]


def analyzed(frame: pl.DataFrame, *, repair: bool = False, accuracy: Accuracy | None = None) -> AnalyzedCell:
    return analyze_frame("cell", frame, Geometry.FULL, repair=repair, accuracy=accuracy)


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    """With step counters."""
    amount = AMPERE * STEP_T / 3600
    zero = pl.lit(0.0)
    return frame.with_columns(pl.max_horizontal(amount, zero).alias(PAIRS[0]), pl.max_horizontal(-amount, zero).alias(PAIRS[1]))


def without_step_time(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop("step_time_second")


def with_wall_time(frame: pl.DataFrame, jump: float) -> pl.DataFrame:
    """Wall time that jumps by so much in the discharge of the first cycle."""
    return frame.with_columns(unix_time_second=1.7e9 + T + pl.when(ROW > 500).then(jump).otherwise(0.0))


RIGHT: dict[str, tuple[Change, str]] = {
    "time in hours said to be seconds": (lambda f: f.with_columns(T * 3600, STEP_T * 3600), ""),
    "test time alone in other units": (lambda f: f.with_columns(T * 3600), "time_disagrees"),
    "wall time an hour ahead": (lambda f: with_wall_time(f, 3600.0), "clock_jump"),
    "wall time an hour back": (lambda f: with_wall_time(f, -3600.0), "clock_jump"),
    "wall and step time": (lambda f: with_wall_time(f, 3600.0).drop("test_time_second"), "clock_jump time_derived"),
    "a hole at constant current": (lambda f: f.filter(~ROW.is_between(150, 250)), "gap"),
    "test time that begins again at each step": (lambda f: without_step_time(f.with_columns(test_time_second=STEP_T)),
                                                 "backward_time"),
    "every row twice": (lambda f: pl.concat([f, f]).sort("step_count", "step_time_second"), "duplicate_time"),
    "currents missing here and there": (
        lambda f: f.with_columns(current_ampere=pl.when(ROW % 11 == 0).then(math.nan).otherwise(AMPERE)), "missing_values"),
    "a counter that resets inside a step": (
        lambda f: counted(f).with_columns(
            pl.when(STEP_T > 1800).then(pl.col(PAIRS) - CURRENT / 2).otherwise(pl.col(PAIRS)).clip(0.0)), ""),
    "a counter in the wrong unit": (lambda f: counted(f).with_columns(pl.col(PAIRS) / 1000), "counter_mismatch"),
    "a counter that never counted": (lambda f: counted(f).with_columns(pl.col(PAIRS) * 0), ""),
    "no voltage": (lambda f: f.drop("voltage_volt"), ""),
    "a voltage without a number": (lambda f: f.with_columns(voltage_volt=pl.lit(None, dtype=pl.Float64)), "end_unseen"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_fault_leaves_the_efficiencies_right_and_its_flag(name: str) -> None:
    """The charge does not depend on the fault, which is named where it can be seen."""
    change, flags = RIGHT[name]
    cell = analyzed(change(full_cell()))
    assert [row.coulombic_efficiency for row in cell.rows] == [pytest.approx(0.9, rel=1e-9), pytest.approx(0.98, rel=1e-9)]
    assert set(flags.split()) <= set(" ".join(row.flags for row in cell.rows).split())


WRONG: dict[str, tuple[Change, str]] = {
    "coarse counts": (lambda f: counted(f).with_columns((pl.col(PAIRS) / 1.3e-4).round() * 1.3e-4), "counter_mismatch"),
    "wall time alone, jumping": (lambda f: with_wall_time(f, 3600.0).drop("test_time_second", "step_time_second"), "clock_jump"),
    "a time far ahead": (
        lambda f: without_step_time(f.with_columns(pl.when(ROW == 300).then(1e6).otherwise(T).alias("test_time_second"))),
        "backward_time"),
    "half the file": (lambda f: f.head(f.height // 2), "end_unseen"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_fault_that_costs_charge_is_flagged_and_never_made_up_for(name: str) -> None:
    """What cannot be known is not guessed: less charge or a rounded one, with the flag."""
    change, flag = WRONG[name]
    cell = analyzed(change(full_cell()))
    row = cell.rows[0]
    assert flag in row.flags.split()
    assert row.coulombic_efficiency is not None
    assert 0.8 < row.coulombic_efficiency < 0.91


@pytest.mark.parametrize("place", ["charge", "discharge"])
@pytest.mark.parametrize("value", [0.0, -5.0, 1e7])
def test_fault_of_one_stamp_is_named_and_repaired_only_when_asked(place: str, value: float) -> None:
    """One impossible time: its row is named, its two intervals are lost and counted as unknown; the repair gives them back."""
    at = 300 if place == "charge" else 600
    frame = without_step_time(full_cell())
    broken = frame.with_columns(test_time_second=pl.when(at == ROW).then(value).otherwise(T))
    lost, repaired = analyzed(broken), analyzed(broken, repair=True)
    for cell, done in ((lost, False), (repaired, True)):
        (finding,) = cell.findings
        assert (finding.kind, finding.column, finding.rows, finding.repaired) == (
            "time_backward",
            "test_time_second",
            (at,),
            done,
        )
    assert repaired.rows[0].coulombic_efficiency == pytest.approx(0.9, rel=1e-9)
    assert "time_repaired" in repaired.rows[0].flags.split()
    charge = CURRENT * 20 / 3600
    found = lost.rows[0]
    shorter = found.plating_capacity_ah if place == "charge" else found.stripping_capacity_ah
    std = found.plating_capacity_ah_std if place == "charge" else found.stripping_capacity_ah_std
    whole = repaired.rows[0].plating_capacity_ah if place == "charge" else repaired.rows[0].stripping_capacity_ah
    assert shorter is not None
    assert whole is not None
    assert std is not None
    assert whole - shorter == pytest.approx(charge, rel=1e-6)
    assert std == pytest.approx(charge / math.sqrt(12), rel=0.01)
    assert "backward_time" in found.flags.split()


def test_shuffled_rows_are_refused_and_sorted_on_request() -> None:
    """Rows out of order are no clock that went back: one sentence, or with the repair the right efficiencies and a finding."""
    shuffled = without_step_time(full_cell()).sample(fraction=1.0, shuffle=True, seed=4)
    with pytest.raises(BadInput, match="not in the order of time"):
        analyzed(shuffled)
    cell = analyzed(shuffled, repair=True)
    assert [row.coulombic_efficiency for row in cell.rows] == [pytest.approx(0.9, rel=1e-9), pytest.approx(0.98, rel=1e-9)]
    assert [finding.kind for finding in cell.findings] == ["rows_sorted"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.with_columns(current_ampere=pl.lit(math.nan)), "holds no number"),
        (lambda f: without_step_time(f).with_columns(test_time_second=pl.lit(None, dtype=pl.Float64)), "holds no number"),
        (lambda f: f.with_columns(AMPERE.cast(pl.String)), "holds text"),
        (lambda f: f.drop("current_ampere"), "no column holds the current"),
    ],
)
def test_file_without_an_answer_is_refused_in_a_sentence(change: Change, sentence: str) -> None:
    """There is no efficiency without a current and a time."""
    with pytest.raises(BadInput, match=sentence):
        analyzed(change(full_cell()))


@pytest.mark.parametrize("rows", [1, 2, 61, 62])
def test_file_of_a_few_rows_has_no_efficiency(rows: int) -> None:
    """Beginnings of a file are no cycle: nothing, or a row with null."""
    cell = analyzed(full_cell().head(rows))
    assert [row.coulombic_efficiency for row in cell.rows] == [None] * len(cell.rows)


def relaxing(frame: pl.DataFrame) -> pl.DataFrame:
    """Rests whose voltage goes on towards the middle: down after a charge, up after a discharge."""
    way = pl.when(pl.col("step_count") == 3).then(-1.0).otherwise(1.0)
    rest = 3.5 + way * 0.05 * (STEP_T / 600).clip(0, 1)
    return frame.with_columns(voltage_volt=pl.when(AMPERE == 0).then(rest).otherwise(pl.col("voltage_volt")))


@pytest.mark.parametrize("offset", [5e-6, -5e-6, 1.5e-5, -1.5e-5])
@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("form", ["plain", "relaxing", "stated", "no steps"])
def test_measured_rest_is_no_half_cycle_whatever_the_offset(offset: float, noise: float, form: str) -> None:
    """Up to 1.5 % of the current in every rest: two cycles, the rests apart, and an efficiency that is off by the offset only."""
    frame = full_cell()
    frame = relaxing(frame) if form in ("relaxing", "no steps") else frame
    if form == "stated":
        words = pl.when(AMPERE == 0).then(pl.lit("Rest")).otherwise(pl.lit("CC"))
        frame = frame.with_columns(step_type=words)
    if form == "no steps":
        frame = frame.drop("step_count", "step_time_second")
    scatter = pl.Series(noise * np.random.default_rng(1).normal(size=frame.height))
    cell = analyzed(frame.with_columns(AMPERE + offset + scatter))
    assert len(cell.rows) == 2
    for row, true in zip(cell.rows, (0.9, 0.98), strict=True):
        assert row.coulombic_efficiency == pytest.approx(
            true * (CURRENT - offset) / (CURRENT + offset), rel=5e-4 if noise else 1e-6
        )
    assert cell.rest_charge_ah.value == pytest.approx(offset * 720 / 3600, rel=0.05)


def test_slow_current_is_no_rest() -> None:
    """Cycles at 1 % of a first fast one are cycles: nothing speaks for rests, and each sign follows one direction."""
    frame = made((CURRENT, 3600.0), (-CURRENT, 3300.0), (CURRENT / 100, 3.6e5), (-CURRENT / 100, 3.5e5), interval=600.0)
    rows = analyzed(frame.drop("voltage_volt")).rows
    assert [row.coulombic_efficiency for row in rows] == [pytest.approx(33 / 36, rel=1e-9), pytest.approx(35 / 36, rel=1e-9)]


def test_pulses_are_kept_apart_from_the_half_cycle_they_interrupt() -> None:
    """Ten-second pulses against the discharge end no half cycle; their charge is a number of its own."""
    pulse = ((-CURRENT, 648.0), (0.0, 60.0), (-2 * CURRENT, 10.0), (0.0, 40.0), (1.5 * CURRENT, 10.0), (0.0, 60.0))
    cell = analyzed(made((CURRENT, 3600.0), *(pulse * 5), interval=1.0))
    assert [row.coulombic_efficiency for row in cell.rows] == [pytest.approx(5 * 668 / 3600, rel=1e-9)]
    assert cell.probe_charge_ah.value == pytest.approx(5 * 15e-3 / 3600, rel=1e-9)
    assert "minor_charge_left_out" in cell.rows[0].flags


@pytest.mark.parametrize("form", ["steps", "one step", "no steps"])
def test_voltage_held_after_a_current_is_one_half_cycle(form: str) -> None:
    """CC then CV, as two steps, as one, or without steps: the tail counts log-linearly to the charge."""
    time = np.arange(0.0, 3601.0, 30.0)
    tail = made((0.0, 3600.0), interval=30.0).with_columns(
        T + 3600.0, current_ampere=pl.Series(CURRENT * np.exp(-time / 900)), voltage_volt=pl.lit(4.2), step_count=pl.lit(2)
    )
    after = made((0.0, 600.0), (-CURRENT, 4000.0)).with_columns(T + 7200.0, pl.col("step_count") + 2)
    frame = pl.concat([made((CURRENT, 3600.0)), tail.select(after.columns).cast(after.schema), after])
    if form != "steps":
        one = pl.when(pl.col("step_count") <= 2).then(1).otherwise(pl.col("step_count"))
        frame = frame.with_columns(step_count=one).drop("step_time_second", *(["step_count"] if form == "no steps" else []))
    charge = CURRENT * (3600 + 900 * (1 - math.exp(-4)))
    row = analyzed(frame).rows[0]
    assert row.plating_capacity_ah == pytest.approx(charge / 3600, rel=1e-9 if form == "steps" else 1e-6)


def test_accuracy_that_is_given_wins_over_what_rests_reveal() -> None:
    """σ comes from the accuracy that is stated; the offset found in the rests is reported beside it, with its own σ."""
    scatter = pl.Series(1e-8 * np.random.default_rng(3).normal(size=full_cell().height))
    frame = full_cell().with_columns(AMPERE + 2e-7 + scatter, current_range_ampere=pl.lit(1e-2))
    alone, told = analyzed(frame), analyzed(frame, accuracy=Accuracy(offset_of_range=1e-4))
    for cell in (alone, told):
        assert cell.offset_ampere.value == pytest.approx(2e-7, rel=0.05)
        assert cell.offset_ampere.std is not None
        assert 0 < cell.offset_ampere.std < 1e-8
    for cell, offset, known in ((alone, 2e-7, True), (told, 1e-6, False)):
        row = cell.rows[1]
        assert row.coulombic_efficiency is not None
        assert row.coulombic_efficiency_std == pytest.approx(2 * row.coulombic_efficiency * offset / CURRENT, rel=0.05)
        assert ("offset_from_rest" in row.flags.split()) == known


def test_rests_on_another_range_reveal_nothing() -> None:
    """An offset belongs to its range: rests measured on another one leave it unknown."""
    frame = full_cell().with_columns(AMPERE + 2e-7, current_range_ampere=pl.when(AMPERE == 0).then(1e-3).otherwise(1e-2))
    cell = analyzed(frame)
    assert cell.offset_ampere.value is None
    assert all("offset_unknown" in row.flags.split() for row in cell.rows)


def test_range_change_brings_a_new_offset_and_gain() -> None:
    """A half cycle on a range of its own: gain no longer cancels, and the row says so."""
    frame = full_cell().with_columns(current_range_ampere=pl.when(AMPERE < 0).then(1e-2).otherwise(1e-3))
    row = analyzed(frame, accuracy=Accuracy(offset_of_range=1e-5, gain=1e-3)).rows[0]
    assert row.coulombic_efficiency == pytest.approx(0.9, rel=1e-9)
    gain, offset, second = 2e-6, (1e-5 * 1e-3 / CURRENT) ** 2 + (1e-5 * 1e-2 / CURRENT) ** 2, (3600.0**-2 + 3240.0**-2) / 12
    expected = 0.9 * math.sqrt(gain + offset + second)
    assert row.coulombic_efficiency_std == pytest.approx(expected, rel=1e-9)
    assert "range_change" in row.flags.split()


def test_analyzed_cell_tells_steps_halves_and_flags() -> None:
    """Steps add up to the rows, half cycles are slices of the columns, and what all rows share is said once."""
    cell = analyzed(full_cell())
    assert [step.role.value for step in cell.steps] == ["rest", "charge", "rest", "discharge", "rest", "charge", "discharge"]
    assert [step.cycle_count for step in cell.steps] == [None, 1, None, 1, None, 2, 2]
    assert [step.charge_ah for step in cell.steps if step.cycle_count == 1] == [pytest.approx(1e-3), pytest.approx(-9e-4)]
    assert [(half.role.value, half.cycle_count) for half in cell.half_cycles] == [
        ("charge", 1), ("discharge", 1), ("charge", 2), ("discharge", 2),
    ]  # fmt: skip
    for half in cell.half_cycles:
        assert np.all(cell.columns["current_ampere"][half.rows] == (CURRENT if half.role.value == "charge" else -CURRENT))
    assert cell.rest_charge_ah.value == 0.0
    assert cell.probe_charge_ah.refusal == "the file has no probe and no pulse"
    assert cell.shared_flags() == {"offset_unknown"}
