"""Medians over time of readings that are no smooth trace: two levels, ramps without noise, single excursions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.steady import median_over_time, steady_readings

SHAPES = st.sampled_from(["levels", "ramp", "turns", "excursion"])


@settings(deadline=None)
@given(st.integers(5, 60), st.sampled_from([1e-6, 1e-3, 0.1, 10.0]), st.sampled_from([1e-9, 1e-6, 1e-4]), SHAPES)
def test_median_of_any_trace_has_a_deviation(size: int, step: float, noise: float, shape: str) -> None:
    """However far the readings lie apart beside their noise, the median is one of their range and its deviation a number."""
    time = np.arange(size, dtype=np.float64)
    trace = {
        "levels": np.where(time < size // 2, 0.0, step),
        "ramp": step * time,
        "turns": step * (time % 2),
        "excursion": np.where(time == size // 2, step, 0.0),
    }[shape]
    value = 0.1 + trace + np.random.default_rng(size).normal(0.0, noise, size)
    median, std = median_over_time(time, value)
    assert value.min() <= median <= value.max()
    assert std is None or (math.isfinite(std) and std >= 0.0)


def test_a_hold_that_carries_more_is_not_the_half_cycle() -> None:
    """Beside a short the current of a hold stays up; the larger, constant one before it is the half cycle's."""
    time = np.arange(0.0, 36_001.0, 30.0)
    current = np.where(time <= 3600.0, 5e-4, 2e-4)
    found = steady_readings(time, np.full(time.size, 4.0), current)
    assert (found.current_ampere, found.duration_second, found.held) == (5e-4, 3600.0, True)
