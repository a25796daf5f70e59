"""End of life and knee: dates with intervals that hold, bounds where the cell has not got there, and refusals with reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.fade import Array, capacity_series, end_of_life, knee, rate_changes
from harness.errors import AnalysisError
from tests.measured_rows import measured_rows

N = np.arange(1.0, 121.0)
GAMMA = 0.5


def bent(cycle: Array, at: float, before: float = -5e-4, after: float = -1e-2) -> Array:
    """A Bacon-Watts curve."""
    away = cycle - at
    return np.asarray(1 + 0.5 * (after + before) * away + 0.5 * (after - before) * away * np.tanh(away / GAMMA))


def test_a_knee_without_noise_is_found_exactly() -> None:
    """Its place to 1e-6 cycles, its slopes to 1e-9, whatever the unit of capacity."""
    found = knee(N, 4e-3 * bent(N, 70.3))
    assert found.cycle.value == pytest.approx(70.3, abs=1e-6)
    assert found.slope_before.value == pytest.approx(-2e-6, rel=1e-6)
    assert found.slope_after.value == pytest.approx(-4e-5, rel=1e-9)
    assert "one bend" in found.onset.refusal


def test_the_interval_of_a_knee_holds_it_in_95_percent_of_series() -> None:
    """400 series with white noise: 93 to 97 %, and its σ is their scatter within 5 %."""
    noise = np.random.default_rng(4)
    found = [knee(N[::2], bent(N[::2], 70.0) + noise.normal(0.0, 4e-3, 60)).cycle for _ in range(400)]
    held = [one.low is not None and one.high is not None and one.low <= 70.0 <= one.high for one in found]
    assert 0.93 <= np.mean(held) <= 0.97
    values, stds = (np.array([getattr(one, name) for one in found]) for name in ("value", "std"))
    assert float(np.sqrt(np.mean(stds**2))) == pytest.approx(float(values.std()), rel=0.05)


def test_the_onset_is_the_first_of_two_bends() -> None:
    """Found where the fade turns twice; its interval holds it in 93 to 97 % of 200 series."""
    value = 1 - 5e-4 * N - 4e-3 * np.clip(N - 50, 0, None) - 1e-2 * np.clip(N - 85, 0, None)
    noise = np.random.default_rng(5)
    found = [knee(N, value + noise.normal(0.0, 2e-3, N.size)) for _ in range(200)]
    onsets = [(one.onset.low or 0.0, one.onset.high or 0.0) for one in found]
    assert 0.93 <= np.mean([low <= 50 <= high for low, high in onsets]) <= 0.97
    assert all((one.onset.value or 0.0) < (one.cycle.value or 0.0) < 85 for one in found)


@pytest.mark.parametrize(
    ("cycle", "value", "reason"),
    [
        (N[:19], bent(N[:19], 10.0), "19 cycles are fewer than 20"),
        (N, 1 - 1e-3 * N, "not better than one"),
        (N, 1 - 1e-3 * N + np.random.default_rng(6).normal(0.0, 1e-3, N.size), "not better than one"),
        (N, bent(N, 60.0, -1e-2, -1e-3), "the fade slows down at cycle 60"),
        (N, bent(N, 4.0), "within 5 cycles of the first"),
    ],
)
def test_a_knee_that_the_data_do_not_show_is_refused(cycle: Array, value: Array, reason: str) -> None:
    """One clause says why."""
    found = knee(cycle, value)
    assert found.cycle.value is None
    assert reason in found.cycle.refusal


def test_a_knee_at_the_end_of_the_data_is_a_lower_bound() -> None:
    """It may go on from there: at least five cycles before the last."""
    found = knee(N, bent(N, 117.0))
    assert (found.cycle.value, found.cycle.high) == (115.0, None)
    assert found.onset.value is None


def test_what_comes_after_half_of_the_capacity_moves_no_knee() -> None:
    """A cell that went on to nothing has the knee it had at its end of life."""
    value = bent(N, 60.0)
    short = value > 0.5
    long = np.where(short, value, value * np.exp(-0.05 * (N - N[short][-1])))
    assert knee(N, long).cycle.value == pytest.approx(60.0, abs=1e-6)


def test_end_of_life_is_the_first_of_three_cycles_below() -> None:
    """A single dip does not count; the reference is the median of cycles 3 to 5."""
    value = np.where(N < 90, 1.0, 0.79)
    value[[2, 40, 41]] = [1.2, 0.5, 0.5]
    found = end_of_life(N, value)
    assert (found.value, found.low, found.high, found.refusal) == (90.0, 90.0, 90.0, "")


@given(first=st.floats(0.5, 0.95), second=st.floats(0.5, 0.95))
def test_a_lower_threshold_is_never_reached_earlier(first: float, second: float) -> None:
    """EOL is monotone in x, censored or not."""
    value = bent(N, 70.0)
    low, high = (end_of_life(N, value, threshold=x) for x in sorted((first, second)))
    assert low.value is not None
    assert high.value is not None
    assert low.value >= high.value


def test_the_interval_of_an_end_of_life_holds_it() -> None:
    """At least 95 % of 1000 noisy series; the common shift is the cautious reading of scatter."""
    noise = np.random.default_rng(7)
    value = 1 - 2e-3 * N
    truth = end_of_life(N, value).value or 0.0
    found = [end_of_life(N, value + noise.normal(0.0, 2e-3, N.size)) for _ in range(1000)]
    held = [one.low is not None and one.high is not None and one.low <= truth <= one.high for one in found]
    assert np.mean(held) >= 0.95
    assert np.median([one.std for one in found]) < 4.0


@pytest.mark.parametrize(
    ("value", "bound", "reason"),
    [
        (np.ones(N.size), 120.0, "has not come by cycle 120"),
        (np.where(N < 119, 1.0, 0.5), 120.0, "not yet for 3 cycles"),
    ],
)
def test_an_end_of_life_that_has_not_come_is_a_lower_bound(value: Array, bound: float, reason: str) -> None:
    """Censored, never left out."""
    found = end_of_life(N, value)
    assert (found.value, found.high) == (bound, None)
    assert reason in found.refusal


def test_an_end_of_life_without_its_reference_is_refused() -> None:
    """Cycles 3 to 5 were left out; a stated reference helps."""
    late = N[10:]
    assert "cycles 3 to 5" in end_of_life(late, bent(late, 70.0)).refusal
    assert end_of_life(late, bent(late, 70.0), reference=1.0).value is not None
    assert "nothing can fade" in end_of_life(N, np.zeros(N.size)).refusal
    assert knee(N, np.zeros(N.size)).cycle.value is None


def test_check_ups_pauses_and_sweeps_stay_out_of_the_series() -> None:
    """By flag, by rate, or because the caller names them; each with its reason."""
    rows = measured_rows([1e-3] * 30, [0.98e-3] * 30, flags=["gap" if place == 7 else "" for place in range(30)])
    rows[14] = replace(rows[14], cycle_duration_second=2.0 * (rows[14].cycle_duration_second or 0.0))
    rows[19] = replace(rows[19], stripping_capacity_ah=None)
    series = capacity_series(rows, left_out={25})
    assert series.left_out == {
        1: "formation", 8: "incomplete, paused or in doubt", 15: "another rate", 20: "incomplete, paused or in doubt",
        25: "named by the caller",
    }  # fmt: skip
    assert series.cycle.size == 25
    assert series.capacity_ah == pytest.approx(0.98e-3)
    assert rate_changes([replace(row, cycle_duration_second=None) for row in rows]) == [False] * 30


def test_a_collapse_is_fade_and_no_other_rate() -> None:
    """A cell that suddenly holds a tenth is slower with its rests, but not for longer: end of life finds it."""
    capacity = [1e-3] * 30 + [1e-4] * 3
    rows = measured_rows(capacity, [0.98 * one for one in capacity])
    assert not any(rate_changes(rows))
    series = capacity_series(rows)
    assert end_of_life(series.cycle, series.capacity_ah).value == 31.0
    fast = [
        replace(row, cycle_duration_second=0.5 * (row.cycle_duration_second or 0.0)) if row.cycle_count == 9 else row
        for row in rows
    ]
    assert [row.cycle_count for row, changed in zip(rows, rate_changes(fast), strict=True) if changed] == [9]


def test_bad_input_is_one_clear_error_each() -> None:
    """Empty, of two lengths, not finite, not rising, impossible thresholds and widths."""
    value = bent(N, 70.0)
    for cycle, capacity, match in (
        (N[:0], value[:0], "not empty"),
        (N[:9], value, "of one length"),
        (N, np.full(N.size, np.nan), "not a finite number"),
        (N[::-1], value, "must rise"),
    ):
        for call in (knee, end_of_life):
            with pytest.raises(AnalysisError, match=match):
                call(cycle, capacity)
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        end_of_life(N, value, threshold=80.0)
    with pytest.raises(AnalysisError, match="must be positive"):
        knee(N, value, gamma=0.0)
    with pytest.raises(AnalysisError, match="no cycles"):
        capacity_series([])
    rows = measured_rows([1e-3] * 3, [1e-3] * 3)
    with pytest.raises(AnalysisError, match="must rise"):
        capacity_series(rows[::-1])
