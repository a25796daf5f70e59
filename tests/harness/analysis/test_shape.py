"""The shape of a half cycle: closed forms, its errors against repeated noise, uneven and broken readings, refusals, rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, asymmetry, half_cycle_shape, running_noise, shape_from_row
from harness.analysis.shorts import half_cycle_row, judge_short
from harness.errors import AnalysisError

AMPERE = -1e-3


def plating(time: Array) -> Array:
    """|η| of a half cycle of an hour: a nucleation peak, a plateau that falls a little, arcing at its end."""
    fallen: Array = 0.05 + 0.1 * np.exp(-time / 300.0) - 2e-6 * time + 0.03 * np.exp((time - 3600.0) / 400.0)
    return fallen


def shaped(time: Array, overpotential: Array, *, current: float = AMPERE, open_volt: float = 0.0) -> HalfCycleShape:
    volt = open_volt + overpotential * math.copysign(1.0, current)
    return half_cycle_shape(time, volt, np.full(time.size, current), open_voltage_volt=open_volt)


@pytest.mark.parametrize("current", [1e-3, -1e-3])
@pytest.mark.parametrize("open_volt", [0.0, 0.4])
def test_a_straight_trace_has_its_closed_form(current: float, open_volt: float) -> None:
    """η = a − b t: the median is that at half time, the peak the first reading, the end the last, in both polarities."""
    time = np.linspace(0.0, 3600.0, 361)
    shape = shaped(time, 0.06 - 5e-6 * time, current=current, open_volt=open_volt)
    assert shape.plateau_overpotential_volt.value == pytest.approx(0.051, abs=1e-9)
    assert shape.nucleation_overpotential_volt.value == pytest.approx(0.06, abs=1e-9)
    assert shape.end_overpotential_volt.value == pytest.approx(0.042, abs=1e-9)
    assert shape.arcing_1.value == pytest.approx(0.042 / 0.051 - 1.0, abs=1e-9)
    assert shape.apparent_resistance_ohm.value == pytest.approx(51.0, abs=1e-6)
    assert shape.current_ampere == current
    assert shape.duration_second == 3600.0
    assert shape.flat_1 == pytest.approx(0.4 * 3600.0 * 5e-6 / 0.051, abs=1e-9)
    assert shape.noise_volt == pytest.approx(0.0, abs=1e-12)
    assert shape.jumps == ()
    assert not shape.discharges


def test_terminal_resistance_needs_no_open_voltage() -> None:
    """Median |V/I| is that of the voltage as it is."""
    time = np.linspace(0.0, 100.0, 101)
    shape = half_cycle_shape(time, np.full(101, 3.8), np.full(101, -2e-3), open_voltage_volt=None)
    assert shape.terminal_resistance_ohm == pytest.approx(1900.0)
    assert shape.discharges


@pytest.mark.parametrize(("every", "noise"), [(10.0, 5e-4), (60.0, 5e-5)])
def test_errors_are_those_of_repeated_noise(every: float, noise: float) -> None:
    """Mean σ against the scatter over 1200 noises within 5 %: plateau, end, peak, arcing and resistance."""
    draw = np.random.default_rng(5)
    time = np.arange(0.0, 3600.0 + every, every)
    true = plating(time)
    names = ("plateau_overpotential_volt", "end_overpotential_volt", "arcing_1", "apparent_resistance_ohm")
    found: dict[str, list[Estimate]] = {name: [] for name in names}
    for _ in range(1200):
        shape = shaped(time, true + noise * draw.standard_normal(time.size))
        for name in names:
            found[name].append(getattr(shape, name))
    for name, estimates in found.items():
        values = np.array([one.value for one in estimates])
        stds = np.array([one.std for one in estimates])
        assert np.sqrt(np.mean(stds**2)) == pytest.approx(float(np.std(values)), rel=0.05), name


def test_the_peak_has_the_noise_of_its_reading() -> None:
    """A sharp peak's σ is that of one reading, within 5 % of the scatter over 1200 noises."""
    draw = np.random.default_rng(6)
    time = np.arange(0.0, 3601.0, 60.0)
    peaks = [
        shaped(time, plating(time) + 2e-4 * draw.standard_normal(time.size)).nucleation_overpotential_volt for _ in range(1200)
    ]
    values, stds = np.array([one.value for one in peaks]), np.array([one.std for one in peaks])
    assert np.mean(values) == pytest.approx(plating(np.zeros(1))[0], abs=2e-5)
    assert np.sqrt(np.mean(stds**2)) == pytest.approx(float(np.std(values)), rel=0.05)


def test_uneven_readings_weigh_as_much_as_their_time() -> None:
    """A thousand readings crowded into one second of a peak in the middle do not move the plateau."""
    even = np.linspace(0.0, 3600.0, 121)
    crowd = np.linspace(1800.1, 1801.1, 1000)
    time = np.sort(np.concatenate((even, crowd)))
    trace = np.where((time > 1800.0) & (time < 1802.0), 0.2, 0.05)
    plateau = shaped(time, trace).plateau_overpotential_volt
    assert plateau.value == pytest.approx(0.05, abs=1e-6)


def test_a_hold_and_a_pause_stay_out() -> None:
    """The tail of a constant voltage and readings without current change nothing and leave a flag."""
    time = np.linspace(0.0, 3600.0, 361)
    volt, current = 0.05 + 0.0 * time, np.full(361, 1e-3)
    alone = half_cycle_shape(time, volt, current, open_voltage_volt=0.0)
    tail = np.linspace(3610.0, 9000.0, 200)
    later = np.concatenate((time, tail))
    held = half_cycle_shape(
        later,
        np.concatenate((volt, np.full(200, 0.08))),
        np.concatenate((current, 1e-3 * np.exp(-(tail - 3600.0) / 1500.0))),
        open_voltage_volt=0.0,
    )
    assert held.flags == {"held"}
    assert alone.flags == frozenset()
    assert held.plateau_overpotential_volt.value == alone.plateau_overpotential_volt.value
    current[100:110] = 0.0
    assert half_cycle_shape(time, volt, current, open_voltage_volt=0.0).plateau_overpotential_volt.value == pytest.approx(0.05)


@given(st.permutations(range(40)), st.integers(1, 10))
def test_repeated_readings_change_nothing(order: list[int], count: int) -> None:
    """Readings that come twice, and ones without a number, leave every value."""
    time = np.arange(40.0)
    volt = 0.05 + 1e-3 * np.sin(np.array(order, dtype=float))
    twice = np.sort(np.concatenate((np.arange(40), order[:count])))
    gaps_time, gaps_volt = np.append(time[twice], 50.0), np.append(volt[twice], np.nan)
    one = half_cycle_shape(time, volt, np.full(40, 1e-3), open_voltage_volt=0.0)
    other = half_cycle_shape(gaps_time, gaps_volt, np.full(gaps_time.size, 1e-3), open_voltage_volt=0.0)
    assert other == one


def test_a_full_cell_says_what_can_be_said() -> None:
    """Without an open voltage there is no overpotential; with a rest before, there is the resistance that answers at once."""
    time = np.linspace(0.0, 3600.0, 361)
    volt, current = 3.7 + 1e-4 * time, np.full(361, 2e-3)
    bare = half_cycle_shape(time, volt, current, open_voltage_volt=None)
    for one in (bare.plateau_overpotential_volt, bare.arcing_1, bare.end_overpotential_volt, bare.nucleation_overpotential_volt):
        assert one == Estimate.refused("the open voltage under load is not known")
    assert bare.apparent_resistance_ohm.refusal == "the open voltage under load is not known, and no rest came before"
    assert bare.flags == {"open_voltage_unknown"}
    assert bare.noise_volt == pytest.approx(0.0, abs=1e-12)
    rested = half_cycle_shape(time, volt, current, open_voltage_volt=None, rest_voltage_volt=3.6)
    assert rested.apparent_resistance_ohm.value == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("volt", "current", "name", "refusal"),
    [
        (0.05, np.full(3, 1e-3), "plateau_overpotential_volt", "3 readings at constant current, 5 are needed"),
        (0.05, np.zeros(20), "plateau_overpotential_volt", "no current flowed"),
        (0.05, 1e-3 * np.exp(-np.arange(200.0) / 50.0), "apparent_resistance_ohm", "no current was constant"),
        (-0.05, np.full(20, 1e-3), "plateau_overpotential_volt", "the voltage opposes the current: this is not its open voltage"),
        (0.05, np.full(50, 1e-3), "nucleation_overpotential_volt", "no peak stands out before the plateau"),
    ],
)
def test_refusals_say_why(volt: float, current: Array, name: str, refusal: str) -> None:
    """What cannot be told is refused in one clause."""
    shape = half_cycle_shape(np.arange(float(current.size)), np.full(current.size, volt), current, open_voltage_volt=0.0)
    assert getattr(shape, name) == Estimate.refused(refusal)


@pytest.mark.parametrize(
    ("time", "volt", "current", "sentence"),
    [
        ([], [], [], "a half cycle needs readings"),
        ([0.0, 1.0], [math.nan, math.nan], [1.0, 1.0], "none of these has a time, a voltage and a current"),
        ([0.0, 1.0], [1.0], [1.0, 1.0], "three columns of one length"),
        ([0.0, 2.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], "time goes back from 2 s to 1 s"),
    ],
)
def test_impossible_readings_are_one_sentence(time: list[float], volt: list[float], current: list[float], sentence: str) -> None:
    """No answer could belong to them."""
    with pytest.raises(AnalysisError, match=sentence):
        half_cycle_shape(np.array(time), np.array(volt), np.array(current), open_voltage_volt=0.0)


def test_one_reading_is_a_shape_without_numbers() -> None:
    """A half cycle that ended at once is refused, not an error."""
    shape = half_cycle_shape(np.zeros(1), np.ones(1), np.ones(1), open_voltage_volt=0.0)
    assert shape.plateau_overpotential_volt.refusal == "1 readings at constant current, 5 are needed"
    assert judge_short(shape, []).grade == ""


def test_asymmetry_compares_opposite_polarities() -> None:
    """2 (a − b)/(a + b), with the error of both; same polarity and missing plateaus are refused."""
    time = np.linspace(0.0, 3600.0, 361)
    draw = np.random.default_rng(1)
    one = shaped(time, 0.06 + 1e-4 * draw.standard_normal(361))
    other = shaped(time, 0.05 + 1e-4 * draw.standard_normal(361), current=1e-3)
    found = asymmetry(one, other)
    assert found.value == pytest.approx(2.0 / 11.0, abs=1e-3)
    assert found.std is not None
    assert found.std == pytest.approx(4.0 * math.hypot(0.05, 0.06) * 1.2533e-4 / math.sqrt(289) / 0.11**2, rel=0.3)
    assert asymmetry(one, one).refusal == "the two half cycles are not of opposite polarity"


def test_noise_is_that_about_the_running_median() -> None:
    """A step leaves none, a spike its own size among twenty readings."""
    assert running_noise(np.repeat([0.0, 1.0], 20)) == 0.0
    assert running_noise(np.eye(1, 24, 12)[0]) == pytest.approx(math.sqrt(1.0 / 20.0))
    assert running_noise(np.zeros(4)) is None


def test_a_row_gives_the_shape_back() -> None:
    """What a row holds is as it was; what it does not is missing."""
    time = np.arange(0.0, 3601.0, 60.0)
    draw = np.random.default_rng(2)
    shape = shaped(time, plating(time) + 1e-4 * draw.standard_normal(time.size))
    verdict = judge_short(shape, [])
    charge = Estimate.normal(1e-3, 1e-7)
    facts: dict[str, Any] = {"run_id": "r", "cycle_count": 3, "unix_time_nanosecond": 5, "role": "plate", "capacity_ah": charge}
    row = half_cycle_row(shape, verdict, **facts, flags=frozenset({"gap"}))
    assert row.flags == "gap"
    assert row.method_version == "shape-2 short-2"
    again = shape_from_row(row)
    for name in ("plateau_overpotential_volt", "arcing_1", "apparent_resistance_ohm", "noise_volt", "current_ampere"):
        assert getattr(again, name) == getattr(shape, name)
    assert half_cycle_row(again, verdict, **facts) == row


def test_a_refused_row_gives_a_refused_shape_back() -> None:
    """Values that are missing for want of an open voltage say so again."""
    time = np.arange(0.0, 3601.0, 60.0)
    shape = half_cycle_shape(time, np.full(time.size, 3.7), np.full(time.size, 1e-3), open_voltage_volt=None)
    verdict = judge_short(shape, [])
    row = half_cycle_row(
        shape, verdict, run_id="r", cycle_count=1, unix_time_nanosecond=0, role="charge", capacity_ah=Estimate.refused("none")
    )
    assert shape_from_row(row).plateau_overpotential_volt.refusal == "the open voltage under load is not known"
    assert not shape_from_row(row).open_voltage_known
