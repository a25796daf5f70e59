"""Half cycles of imported files are judged by all that a live run knows of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from harness.analysis.charge import Accuracy
from harness.interop.cycles import analyze_frame
from harness.interop.half_cycles import JudgedHalf, judged_halves
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

REST_VOLT = 3.7
KNOWN = Accuracy(offset_ampere=1e-6)
CYCLE = [(CURRENT, 3600.0), (0.0, 60.0), (-CURRENT, 3600.0), (0.0, 60.0)]


def full_cell_frame(steps: Sequence[tuple[float, float]], shorted_step: int | None = None) -> pl.DataFrame:
    """A cell of 50 Ω whose voltage moves with the charge; a quarter of the current takes another way from 2000 s of a step on."""
    frame = made(*steps)
    moves = 2e-5 * pl.col("step_time_second") * pl.col("current_ampere").sign()
    lost = 0.25 * 50.0 * CURRENT * (pl.col("step_time_second") >= 2000.0) * (pl.col("step_count") == (shorted_step or 0))
    noise = pl.Series(np.random.default_rng(2).normal(0.0, 1e-4, frame.height))
    return frame.with_columns(voltage_volt=REST_VOLT + 50.0 * pl.col("current_ampere") + moves - lost + noise)


def judged(frame: pl.DataFrame, geometry: Geometry = Geometry.FULL, accuracy: Accuracy | None = None) -> list[JudgedHalf]:
    return judged_halves(analyze_frame("cell", frame, geometry, accuracy=accuracy))


def signs(half: JudgedHalf) -> list[str]:
    return [one.sign for one in half.verdict.evidence]


@pytest.mark.parametrize("shorted", [True, False])
def test_charge_that_a_short_took_until_a_discharge_ended_is_missed(shorted: bool) -> None:
    """Three discharges of an hour, then one that falls at once and lasts 0.9 of it: the efficiency and the rest before tell."""
    steps = [*CYCLE * 3, (CURRENT, 3600.0), (0.0, 60.0), (-CURRENT, 3240.0), (0.0, 60.0)]
    halves = judged(full_cell_frame(steps, 15 if shorted else None))
    assert [half.verdict.grade for half in halves] == [""] * 7 + ["suspect" if shorted else ""]
    assert signs(halves[-1]) == (["abrupt_fall", "charge_missing"] if shorted else [])
    assert halves[-1].shape.apparent_resistance_ohm.value == pytest.approx(50.0, abs=0.6)


def test_rest_voltage_of_another_current_is_no_switch() -> None:
    """A discharge after a rest that begins with a tenth of its current: what answers at once when that begins was not seen."""
    slow = [(CURRENT, 3600.0), (0.0, 60.0), (-0.1 * CURRENT, 600.0), (-CURRENT, 3500.0), (0.0, 60.0)]
    known = [half.shape.apparent_resistance_ohm.value is not None for half in judged(full_cell_frame([(0.0, 60.0), *slow * 2]))]
    assert known == [True, False, True, False]


def test_voltage_under_current_is_no_rest() -> None:
    """A discharge that follows its charge at once, or a rest of which the last voltage is missing: nothing to compare with."""
    halves = judged(full_cell_frame([(0.0, 60.0), (CURRENT, 3600.0), (-CURRENT, 3600.0), (0.0, 60.0)]))
    assert [half.shape.apparent_resistance_ohm.value is not None for half in halves] == [True, False]
    frame = full_cell_frame([(0.0, 60.0), *CYCLE])
    begins = pl.col("step_count") != pl.col("step_count").shift(-1)
    gone = begins & (pl.col("current_ampere") == 0)
    halves = judged(frame.with_columns(pl.when(gone).then(None).otherwise(pl.col("voltage_volt")).alias("voltage_volt")))
    assert [half.shape.apparent_resistance_ohm.value for half in halves] == [None, None]


@pytest.mark.parametrize(
    ("open_volt", "accuracy", "found"),
    [(0.0, KNOWN, ["charge_surplus"]), (0.0, None, []), (0.4, KNOWN, [])],
    ids=["lithium on copper", "unknown offset", "host"],
)
def test_surplus_is_a_sign_where_its_error_is_known(open_volt: float, accuracy: Accuracy | None, found: list[str]) -> None:
    """More comes back than was put there: a host may have held some before, and an unknown offset makes as much."""
    frame = made(*[(-CURRENT, 3600.0), (0.0, 60.0), (CURRENT, 3700.0), (0.0, 60.0)] * 2)
    noise = pl.Series(np.random.default_rng(2).normal(0.0, 1e-4, frame.height))
    frame = frame.with_columns(voltage_volt=open_volt + 50.0 * pl.col("current_ampere") + noise)
    assert [signs(half) for half in judged(frame, Geometry.DEPOSIT, accuracy)] == [[], found] * 2


def test_strip_that_never_ends_is_judged_by_the_usual_length() -> None:
    """Three strips of an hour, then one of a day: a fifth of its voltage is gone at once in its first hour."""
    frame = made(*[(-CURRENT, 3600.0), (0.0, 60.0), (CURRENT, 3600.0), (0.0, 60.0)] * 3, (-CURRENT, 3600.0), (CURRENT, 86_400.0))
    second, last = pl.col("step_time_second"), pl.col("step_count") == pl.col("step_count").max()
    fallen = 1.0 - 0.2 * (last & (second >= 1500.0) & (second < 3600.0)) + 4.0 * (last & (second >= 3600.0))
    noise = pl.Series(np.random.default_rng(2).normal(0.0, 2e-5, frame.height))
    halves = judged(frame.with_columns(voltage_volt=60.0 * pl.col("current_ampere") * fallen + noise), Geometry.DEPOSIT)
    assert [half.verdict.grade for half in halves] == [""] * 7 + ["suspect"]
    assert signs(halves[-1])[:2] == ["abrupt_fall", "resistance_fall"]
