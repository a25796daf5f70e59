"""Half cycles that ended otherwise than their like: a removal that never reached its cut-off, a file that ends inside a half."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from harness.interop.cycles import analyze_frame
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

FLAT, CUT_OFF = 0.03, 0.99
Half = tuple[float, float]
"""How long a removal lasted, and at which voltage it ended."""


def cell(removals: list[Half], *, deposits: list[float] | None = None, rest: float = 600.0) -> pl.DataFrame:
    """Deposits of two hours (or as told), each with a removal whose voltage is flat and rises in the last minute."""
    steps: list[tuple[float, float]] = []
    ends: list[float] = []
    for place, (second, volt) in enumerate(removals):
        steps += [(-CURRENT, 7200.0 if deposits is None else deposits[place]), (0.0, rest), (CURRENT, second), (0.0, rest)]
        ends += [-0.05, 0.0, volt, 0.0]
    kept = [(step, end) for step, end in zip(steps, ends, strict=True) if step[1] > 0]
    frame = made(*(step for step, _ in kept), interval=60.0)
    volts, lengths = np.array([end for _, end in kept]), np.array([step[1] for step, _ in kept])
    own = frame["step_count"].to_numpy() - 1
    flat = np.sign(frame["current_ampere"].to_numpy()) * FLAT
    late = np.clip(1 - (lengths[own] - frame["step_time_second"].to_numpy()) / 50, 0, 1)
    return frame.with_columns(voltage_volt=pl.Series(flat + late * (volts[own] - flat)))


def rows_of(frame: pl.DataFrame) -> list[CycleRow]:
    return analyze_frame("cell", frame, Geometry.DEPOSIT).rows


def told_incomplete(rows: list[CycleRow]) -> list[int]:
    """The counts of the cycles whose removal is said to have ended early."""
    return [row.cycle_count for row in rows if "strip_incomplete" in row.flags.split()]


@pytest.mark.parametrize("columns", [["step_time_second"], ["step_time_second", "step_count"], []])
def test_removal_that_misses_the_cut_off_of_its_siblings_is_named(columns: list[str]) -> None:
    """One of six removals stops at 60 % on its plateau: its cycle says that the efficiency is a lower bound."""
    removals = [(7000.0 + 10 * place, CUT_OFF) for place in range(6)]
    removals[2] = (0.6 * 7200, FLAT)
    rows = rows_of(cell(removals).drop(columns))
    assert told_incomplete(rows) == [3]
    assert rows[2].coulombic_efficiency == pytest.approx(0.6, abs=1e-3)


def test_removals_that_all_end_on_time_are_not_named() -> None:
    """Nothing says that there was a cut-off."""
    assert told_incomplete(rows_of(cell([(6480.0, FLAT)] * 6))) == []


def test_short_removals_of_a_reservoir_are_siblings_of_each_other() -> None:
    """Beside cycles to the cut-off, strips of one charge end where they were programmed to."""
    whole, short = [(7000.0 + 10 * place, CUT_OFF) for place in range(12)], [(1800.0, FLAT)] * 5
    deposits = [7200.0] * 12 + [7200.0] + [1800.0] * 5
    assert told_incomplete(rows_of(cell([*whole, *short, (6900.0, CUT_OFF)], deposits=deposits))) == []


def test_removal_whose_end_was_not_recorded_is_not_judged_by_its_last_row() -> None:
    """Its last rows are missing: nobody saw the voltage at its end."""
    frame = cell([(7000.0 + 10 * place, CUT_OFF) for place in range(6)])
    lost = frame.filter(~((pl.col("step_count") == 11) & (pl.col("step_time_second") > 6800)))
    assert told_incomplete(rows_of(lost)) == []


@pytest.mark.parametrize("volt", [CUT_OFF, 3.0])
def test_file_that_ends_beyond_the_usual_voltage_is_not_cut_short(volt: float) -> None:
    """The final strip of a reservoir reaches the cut-off in the file's last row."""
    removals = [(3600.0, FLAT)] * 10 + [(16000.0, volt)]
    frame = cell(removals, deposits=[18000.0] + [3600.0] * 10, rest=0.0)
    row = rows_of(frame)[-1]
    assert row.coulombic_efficiency is not None
    assert "incomplete" not in row.flags.split()
