"""Abrupt changes: what is one, how large it is, and what only looks like one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.jumps import Jump, find_jumps, resolution, white_noise

TIME = np.arange(0.0, 3601.0, 30.0)


@pytest.mark.parametrize("size", [-0.01, 0.01])
@pytest.mark.parametrize("slope", [-2e-5, 0.0, 2e-5])
def test_a_step_on_a_line_has_its_size(size: float, slope: float) -> None:
    """One jump, exact to 1e-9, between the two readings around it, whatever the slope of the line."""
    [jump] = find_jumps(TIME, 0.1 + slope * TIME + np.where(TIME > 1500.0, size, 0.0))
    assert jump.change_volt == pytest.approx(size, abs=1e-9)
    assert (jump.from_second, jump.to_second) == (1500.0, 1530.0)
    assert jump.kept_1 == pytest.approx(1.0, abs=1e-6)
    assert jump.cusp_volt == pytest.approx(0.0, abs=1e-9)


@given(
    st.floats(-0.1, 0.1),
    st.floats(20.0, 3000.0),
    st.floats(-0.05, 0.05),
    st.floats(0.5, 3.0),
    st.sampled_from([5.0, 30.0, 60.0, 90.0]),
)
def test_smooth_traces_have_none(size: float, decay: float, bend: float, power: float, every: float) -> None:
    """Exponentials and powers, rising or falling, however steep: no fall beyond what their own rates explain by a hundredth."""
    time = np.arange(0.0, 3601.0, every)
    trace = size * np.exp(-time / decay) + bend * (time / 3600.0) ** power
    span = float(np.ptp(trace))
    assert all(abs(jump.change_volt) < 0.12 * span for jump in find_jumps(time, trace))


def test_a_jump_scatters_as_it_says() -> None:
    """Over 2000 noises its size scatters by no more than its σ, and it is seldom missed at ten times the noise."""
    draw = np.random.default_rng(3)
    found: list[Jump] = []
    for _ in range(2000):
        trace = 0.1 + np.where(TIME > 1500.0, -0.01, 0.0) + 5e-4 * draw.standard_normal(TIME.size)
        found.extend(jump for jump in find_jumps(TIME, trace) if jump.from_second == 1500.0)
    values = np.array([jump.change_volt for jump in found])
    assert len(found) > 1980
    assert float(np.std(values)) <= 1.05 * float(np.mean([jump.change_std_volt for jump in found]))


def test_noise_alone_makes_none() -> None:
    """10⁵ readings of white noise and of a random walk have no jump but by rare chance."""
    draw = np.random.default_rng(4)
    for trace in (draw.standard_normal((800, 121)), np.cumsum(draw.standard_normal((800, 121)), axis=1)):
        count = sum(len(find_jumps(TIME, row)) for row in trace)
        assert count <= 8


def test_a_spike_is_not_kept() -> None:
    """One low reading is undone at the next."""
    jumps = find_jumps(TIME, 0.1 - 0.02 * (TIME == 1500.0))
    assert jumps
    assert all(abs(jump.kept_1) < 0.1 for jump in jumps if jump.change_volt < 0.0)


def test_the_tip_of_a_peak_is_told_from_a_step() -> None:
    """Behind a steep rise the curve bends down by more than it falls at once."""
    trace = 0.1 + np.where(TIME < 900.0, -1e-3 * (900.0 - TIME), 0.03 * np.exp(-(TIME - 900.0) / 60.0) - 0.03)
    for jump in find_jumps(TIME, trace):
        assert jump.change_volt > 0.0 or jump.cusp_volt > -1.5 * jump.change_volt


def test_nothing_is_judged_across_a_gap() -> None:
    """A change that nobody saw is none."""
    seen = (TIME < 1200.0) | (TIME > 1800.0)
    assert find_jumps(TIME[seen], np.where(TIME > 1500.0, 0.05, 0.1)[seen]) == []


@pytest.mark.parametrize("count", range(8))
def test_few_readings_have_none(count: int) -> None:
    """Fewer than eight say nothing about a rate on both sides."""
    assert find_jumps(np.arange(float(count)), np.arange(float(count)) % 2) == []


@pytest.mark.parametrize("steps", [np.full(2001, 1.0), np.tile([1.0, 5.0, 0.2], 667)])
def test_white_noise_is_that_of_the_readings(steps: np.ndarray) -> None:
    """σ of noise on a parabola, within 5 %, for even and for uneven times; a few steps do not raise it."""
    draw = np.random.default_rng(7)
    time = np.cumsum(steps)
    scale = time / time[-1]
    trace = 0.05 * scale**2 + 3e-4 * draw.standard_normal(time.size) + np.where(scale > 0.5, 0.1, 0.0)
    assert white_noise(time, trace) == pytest.approx(3e-4, rel=0.05)


def test_a_coarse_converter_has_the_noise_of_its_step() -> None:
    """Equal readings but for a few: √1/12 of the step; a single one may be the cell's own; of four nothing is known."""
    place = np.arange(100)
    value = np.where(place > 50, 2e-3, 1e-3) + 1e-3 * (place == 70)
    assert white_noise(place.astype(float), value) == pytest.approx(1e-3 / math.sqrt(12.0))
    assert resolution(value) == pytest.approx(1e-3)
    assert resolution(np.where(place > 50, 2e-3, 1e-3)) == 0.0
    assert white_noise(np.arange(4.0), np.arange(4.0)) is None


def test_times_that_repeat_do_no_harm() -> None:
    """Readings of one moment have no rate; the noise of the others stands."""
    time = np.repeat(np.arange(500.0), 2)
    noise = white_noise(time, np.random.default_rng(9).standard_normal(1000))
    assert noise is None or noise >= 0.0
    assert find_jumps(time, np.full(1000, 0.1)) == []
