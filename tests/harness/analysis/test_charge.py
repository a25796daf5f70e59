"""The charge of a step: closed forms, the rules at its edges, and what its uncertainty promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.analysis.charge import Accuracy, step_charge, total_charge
from harness.analysis.counting import RunningTotal, decimal_resolution, signed_increments
from harness.analysis.integrals import (
    FLAG_BACKWARD,
    FLAG_DUPLICATE,
    FLAG_EMPTY,
    FLAG_GAP,
    FLAG_MISSING,
    CurrentKind,
)


def test_charge_of_a_constant_current_is_current_times_duration() -> None:
    """Held back to the start and on to the end, irregular samples of a constant current give I·t to 1e-12."""
    time = np.array([0.3, 1.0, 2.5, 2.6, 7.0, 9.1])
    charge = step_charge(time, np.full(6, -6.3e-4), start_second=0.0, end_second=10.0)
    assert charge.charge_coulomb == pytest.approx(-6.3e-3, rel=1e-12)
    assert charge.duration_second == pytest.approx(10.0, rel=1e-12)
    assert charge.flags == frozenset()


def test_charge_of_a_ramp_is_the_trapezoid() -> None:
    """A rising current is integrated by the trapezoid, which is exact for a straight line."""
    time = np.array([0.0, 1.0, 4.0, 10.0])
    assert step_charge(time, 2.0 * time).charge_coulomb == pytest.approx(100.0, rel=1e-12)


@pytest.mark.parametrize("interval", [10.0, 60.0, 200.0])
def test_charge_of_an_exponential_tail_is_exact_at_any_sampling(interval: float) -> None:
    """A decaying tail is integrated log-linearly: exact, where the trapezoid over-counts by Δt²/12τ²."""
    tau, amplitude = 300.0, 1e-3
    time = np.arange(0.0, 1201.0, interval)
    current = amplitude * np.exp(-time / tau)
    exact = amplitude * tau * (1 - math.exp(-float(time[-1]) / tau))
    assert step_charge(time, current).charge_coulomb == pytest.approx(exact, rel=1e-9)
    trapezoid = float(np.sum(interval * 0.5 * (current[1:] + current[:-1])))
    assert trapezoid / exact - 1 == pytest.approx(interval**2 / 12 / tau**2, rel=0.02)


def test_charge_of_a_switch_is_not_taken_for_a_tail() -> None:
    """A fall by a factor of a thousand between two samples is a switch and gets the trapezoid."""
    charge = step_charge(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1e-3]))
    assert charge.charge_coulomb == pytest.approx(1.0 + 0.5 * 1.001, rel=1e-12)


def test_charge_of_interval_means_is_the_rectangle() -> None:
    """The mean since the row before, times that interval, is the charge of a row; the first row reaches back to the start."""
    time, mean = np.array([1.0, 3.0, 4.0]), np.array([2.0, 5.0, 7.0])
    charge = step_charge(time, mean, start_second=0.0, kind=CurrentKind.MEAN)
    assert charge.charge_coulomb == pytest.approx(2.0 + 10.0 + 7.0, rel=1e-12)


def test_charge_counts_duplicate_and_backward_stamps_once() -> None:
    """A repeated stamp adds nothing, a backward one adds nothing, and both are flagged."""
    charge = step_charge(np.array([0.0, 1.0, 1.0, 2.0]), np.ones(4))
    assert (charge.charge_coulomb, charge.flags) == (2.0, frozenset({FLAG_DUPLICATE}))
    charge = step_charge(np.array([0.0, 1.0, 0.5, 1.5]), np.ones(4))
    assert (charge.charge_coulomb, charge.flags) == (2.0, frozenset({FLAG_BACKWARD}))


def test_charge_leaves_missing_values_out() -> None:
    """Rows without a number are left out and flagged; without any row there is no charge."""
    charge = step_charge(np.array([0.0, 1.0, 2.0]), np.array([1.0, math.nan, 1.0]))
    assert (charge.charge_coulomb, charge.flags) == (2.0, frozenset({FLAG_MISSING}))
    assert step_charge(np.array([]), np.array([])).flags == {FLAG_EMPTY}


def test_charge_over_a_hole_is_flagged_and_widened_only_when_the_current_changed() -> None:
    """A hole of ten minutes in a 1 s record is flagged; at constant current the charge is as sure as without it."""
    time = np.concatenate((np.arange(100.0), 700.0 + np.arange(100.0)))
    steady = step_charge(time, np.full(200, 1e-3))
    assert steady.flags == {FLAG_GAP}
    assert steady.charge_coulomb == pytest.approx(0.799, rel=1e-12)
    assert steady.random_std_coulomb == 0.0
    fallen = step_charge(time, np.where(time < 500, 1e-3, 0.5e-3))
    assert fallen.random_std_coulomb == pytest.approx(601 * 0.5e-3 / math.sqrt(12), rel=1e-9)


def test_charge_of_slow_regular_sampling_has_no_hole() -> None:
    """Sampling that is slow throughout is no hole, however slow."""
    assert step_charge(np.arange(0.0, 6000.0, 300.0), np.ones(20)).flags == frozenset()


def test_charge_is_kept_apart_by_range() -> None:
    """Each interval belongs to the range of the reading that begins it."""
    ranges = np.array([1e-3, 1e-3, 1e-4, 1e-4])
    charge = step_charge(np.arange(4.0), np.ones(4), range_ampere=ranges)
    assert {part.range_ampere: part.duration_second for part in charge.parts} == {1e-3: 2.0, 1e-4: 1.0}
    both = total_charge([charge, charge])
    assert {part.range_ampere: part.charge_coulomb for part in both.parts} == {1e-3: 4.0, 1e-4: 2.0}


def test_charge_std_is_the_formula() -> None:
    """Gain, offset and converter step enter as Q σ_g, σ_o t and q t/√12."""
    charge = step_charge(np.array([0.0, 7200.0]), np.full(2, 6.3e-4), range_ampere=1e-3)
    accuracy = Accuracy(offset_of_range=2e-4, gain=2e-4, adc_bits=16)
    step = 6e-3 / 2**16
    expected = math.sqrt((charge.charge_coulomb * 2e-4) ** 2 + (2e-7 * 7200) ** 2 + (step * 7200) ** 2 / 12)
    assert step == pytest.approx(92e-9, rel=0.01)
    assert charge.std_coulomb(accuracy) == pytest.approx(expected, rel=1e-12)


def test_charge_std_agrees_with_a_simulated_instrument() -> None:
    """10 000 simulated instruments scatter as the formula says, to 5 %."""
    generator = np.random.default_rng(20)
    time = np.arange(0.0, 721.0, 10.0)
    sigma, gain, offset, resolution = 2e-5, 1e-3, 3e-7, 4.0
    errors = []
    for _ in range(10_000):
        reading = (1 + gain * generator.normal()) * 1e-3 + offset * generator.normal()
        end = 720.0 + resolution * (generator.random() - 0.5)
        noise = sigma * generator.normal(size=time.size)
        errors.append(np.sum(np.diff(time) * 0.5 * (noise[1:] + noise[:-1])) + reading * end - 0.72)
    current = 1e-3 + sigma * generator.normal(size=time.size)
    accuracy = Accuracy(offset_ampere=offset, gain=gain)
    stds = [
        step_charge(time, 1e-3 + sigma * generator.normal(size=time.size), time_resolution_second=resolution).std_coulomb(
            accuracy
        )
        for _ in range(200)
    ]
    assert current.size == time.size
    assert float(np.mean(stds)) == pytest.approx(float(np.std(errors)), rel=0.05)


def test_running_total_loses_no_row_at_a_reset() -> None:
    """After a reset the new value itself counts, first row included; a missing value repeats the one before."""
    counter = np.array([0.1, 0.3, 0.5, 0.02, 0.1, math.nan, 0.4, 0.0, 0.2])
    whole = np.array([0]), np.array([counter.size])
    assert float(RunningTotal.of(counter).added(*whole)[0]) == pytest.approx(0.5 + 0.4 + 0.2, rel=1e-12)
    assert float(RunningTotal.of(counter, 0.1).added(*whole)[0]) == pytest.approx(0.4 + 0.4 + 0.2, rel=1e-12)


@given(
    st.lists(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=20), min_size=1, max_size=6),
)
def test_running_total_recovers_what_was_counted(blocks: list[list[float]]) -> None:
    """Whatever the amounts, the increments add up to them, as long as a reset is a fall to less than half."""
    counters = [np.cumsum(block) for block in blocks]
    total = 0.0
    kept: list[NDArray[np.float64]] = []
    last = 0.0
    for counter in counters:
        if kept and counter[0] >= 0.5 * last:
            break
        kept.append(counter)
        total += float(counter[-1])
        last = float(counter[-1])
    counter = np.concatenate(kept)
    assert float(RunningTotal.of(counter).added(np.array([0]), np.array([counter.size]))[0]) == pytest.approx(total, rel=1e-9)
    each = RunningTotal.of(counter).added(np.arange(counter.size), np.arange(counter.size) + 1)
    assert float(each.sum()) == pytest.approx(total, rel=1e-9)


def test_signed_increments_see_a_reset_that_the_current_cannot_explain() -> None:
    """A net counter set back to zero adds its new value, not the jump."""
    counter = np.array([0.0, 1.0, 2.0, 3.0, 0.0, -1.0, -2.0])
    expected = np.array([0.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0])
    assert signed_increments(counter, expected, 0.0).tolist() == [0.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0]


@pytest.mark.parametrize(
    ("values", "resolution"),
    [([1.0, 2.0, 30.0], 1.0), ([0.1, 0.25], 0.01), ([0.0, 2e-7, 5e-7], 1e-7), ([math.pi, math.e], 0.0), ([], 0.0)],
)
def test_decimal_resolution_is_the_coarsest_step_all_values_share(values: list[float], resolution: float) -> None:
    """Numbers written to a decimal place betray it; others betray nothing."""
    assert decimal_resolution(np.array(values)) == pytest.approx(resolution)


def test_decimal_resolution_sees_through_single_precision() -> None:
    """9340.1 written as a 32-bit float still has a resolution of 0.1."""
    single = np.arange(0.0, 9000.0, 13.1).astype(np.float32).astype(np.float64)
    assert decimal_resolution(single) == pytest.approx(0.1)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(-1e-2, 1e-2)), min_size=2, max_size=50),
    st.integers(1, 48),
)
def test_charge_is_additive_where_a_step_is_cut_at_a_reading(rows: list[tuple[float, float]], place: int) -> None:
    """Cut at one of its readings, a step's two parts pass the charge of the whole, tails apart."""
    time = np.cumsum([row[0] for row in rows])
    current = np.array([row[1] for row in rows])
    cut = min(place, time.size - 1)
    kind = CurrentKind.MEAN
    whole = step_charge(time, current, kind=kind).charge_coulomb
    parts = [step_charge(time[: cut + 1], current[: cut + 1], kind=kind), step_charge(time[cut:], current[cut:], kind=kind)]
    assert total_charge(parts).charge_coulomb == pytest.approx(whole, rel=1e-9, abs=1e-12)


NUMBERS = st.one_of(st.floats(-1e30, 1e30), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=400)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30))
def test_charge_is_finite_whatever_the_columns_hold(rows: list[tuple[float, float]]) -> None:
    """Missing, infinite and absurd numbers give a finite charge and a finite uncertainty, without a warning."""
    charge = step_charge(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
    assert math.isfinite(charge.charge_coulomb)
    assert math.isfinite(charge.random_std_coulomb)


def test_last_reading_of_an_ended_step_may_be_said_twice() -> None:
    """An instrument that repeats its last reading at the end of a step has no odd clock; one that repeats another has."""
    current = np.full(4, 1e-3)
    twice = step_charge(np.array([0.0, 1.0, 2.0, 2.0]), current, start_second=0.0, end_second=2.0)
    within = step_charge(np.array([0.0, 1.0, 1.0, 2.0]), current, start_second=0.0, end_second=2.0)
    assert twice.flags == frozenset()
    assert within.flags == {FLAG_DUPLICATE}
    assert twice.charge_coulomb == within.charge_coulomb == pytest.approx(2e-3, rel=1e-12)
