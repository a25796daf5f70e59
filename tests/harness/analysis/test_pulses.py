"""Pulse resistance: the formula, which reading it used, and refusal where there is none."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from harness.analysis.charge import Array
from harness.analysis.pulses import Pulse, pulse_resistances
from harness.errors import AnalysisError
from tests.realdata import REALDATA, expected, real

R0, R1, TAU = 20.0, 8.0, 2.0


def record(interval: float = 0.1, current: float = 2e-3, rest_interval: float = 1.0) -> tuple[Array, Array, Array]:
    """A rest of 60 s, a pulse of 10 s over R₀ + R₁ ∥ C₁, a rest: the last reading of a step lies at its very end."""
    rest = np.arange(0.0, 60.0 + 1e-9, rest_interval)
    pulse = 60.0 + np.arange(1, round(10.0 / interval) + 1) * interval
    after = 70.0 + np.arange(1, 31) * 1.0
    time = np.concatenate((rest, pulse, after))
    flowing = np.concatenate((np.zeros(rest.size), np.full(pulse.size, current), np.zeros(after.size)))
    return time, 3.7 + flowing * (R0 + R1 * (1 - np.exp(-(time - 60.0) / TAU))), flowing


def single(found: list[Pulse]) -> Pulse:
    [pulse] = found
    return pulse


@pytest.mark.parametrize("current", [2e-3, -2e-3])
def test_the_resistance_is_that_of_the_reading_at_the_wanted_time(current: float) -> None:
    """R₀ + R₁ (1 − exp(−t/τ)) to 1e-9 for charge and discharge; 30 s into a pulse of 10 s there is nothing."""
    pulse = single(pulse_resistances(*record(current=current), voltage_std_volt=1e-5))
    assert pulse.step_ampere == pytest.approx(current)
    assert pulse.start_second == pytest.approx(60.0)
    assert pulse.duration_second == pytest.approx(10.0)
    for entry, wanted in zip((pulse.first, *pulse.at[:3], pulse.last), (0.1, 0.1, 1.0, 10.0, 10.0), strict=True):
        assert entry.sample_second == pytest.approx(wanted)
        assert entry.resistance_ohm.value == pytest.approx(R0 + R1 * (1 - math.exp(-wanted / TAU)), rel=1e-9)
    assert pulse.at[3].sample_second is None
    assert pulse.at[3].resistance_ohm.value is None
    assert pulse.at[3].resistance_ohm.refusal == "no reading lies within 5% of 30 s after the switch; the nearest is at 10 s"


def test_std_is_the_scatter_of_the_resistance() -> None:
    """Over 3000 noisy records, with the noise of both quantities stated, to 5 %."""
    generator = np.random.default_rng(2)
    time, voltage, current = record()
    values, stds = [], []
    for _ in range(3000):
        noisy_voltage = voltage + 2e-5 * generator.normal(size=time.size)
        noisy_current = current + 2e-6 * generator.normal(size=time.size)
        found = single(
            pulse_resistances(
                time, noisy_voltage, noisy_current, voltage_std_volt=2e-5, current_step_std_ampere=2e-6 * math.sqrt(2)
            )
        )
        assert found.at[2].resistance_ohm.value is not None
        values.append(found.at[2].resistance_ohm.value)
        stds.append(found.at[2].resistance_ohm.std)
    assert np.mean(np.array(stds, dtype=np.float64)) == pytest.approx(np.std(values), rel=0.05)


def test_noise_that_is_not_stated_is_seen_before_the_pulse() -> None:
    """The mean of σ² over 400 records is that of the stated noise, to 10 %: each sees only twenty readings."""
    generator = np.random.default_rng(3)
    time, voltage, current = record()
    squares = []
    for _ in range(400):
        found = single(pulse_resistances(time, voltage + 1e-4 * generator.normal(size=time.size), current))
        squares.append((found.last.resistance_ohm.std or 0.0) ** 2)
    assert np.mean(squares) == pytest.approx(2 * (1e-4 / 2e-3) ** 2, rel=0.1)


def test_a_rest_that_reads_the_same_is_no_surer_than_its_digits() -> None:
    """Voltages of 1 mV that never change at rest leave √2 · 1 mV / √12 of each resistance, and not nothing."""
    time, voltage, current = record()
    pulse = single(pulse_resistances(time, np.round(voltage, 3), current))
    assert pulse.last.resistance_ohm.std == pytest.approx(math.sqrt(2 / 12) * 1e-3 / 2e-3)


def test_the_moment_of_the_switch_is_the_last_reading_before_or_the_steps_own_or_unknown() -> None:
    """A rest that is logged more rarely than the pulse hides the switch, unless the step's own clock says it."""
    time, voltage, current = record(rest_interval=7.0)
    assert time[8] == 56.0
    unknown = single(pulse_resistances(time, voltage, current, voltage_std_volt=1e-5))
    assert [unknown.start_second, unknown.start_half_width_second] == pytest.approx([60.05, 0.05])
    assert unknown.at[0].resistance_ohm.refusal == "when the current was switched is known to ±0.05 s only"
    assert unknown.at[2].sample_second == pytest.approx(9.95)
    own = np.where((time > 60) & (time <= 70), time - 60, 0.0)
    known = single(pulse_resistances(time, voltage, current, step_time_second=own, voltage_std_volt=1e-5))
    assert [known.start_second, known.start_half_width_second] == pytest.approx([60.0, 0.0])


def test_a_repeated_stamp_does_not_make_the_switch_certain() -> None:
    """The first reading twice: the interval is that to the next other stamp."""
    time, voltage, current = record(rest_interval=7.0)
    place = int(np.argmax(current > 0))
    twice = [np.insert(column, place, column[place]) for column in (time, voltage, current)]
    pulse = single(pulse_resistances(*twice, voltage_std_volt=1e-5))
    assert [pulse.start_second, pulse.start_half_width_second] == pytest.approx([60.05, 0.05])


def test_a_reading_that_straddles_the_switch_gives_its_own_resistance() -> None:
    """Half of the current in the first reading: the voltage there belongs to half of it, and the base is the rest."""
    time, voltage, current = record()
    place = int(np.argmax(current > 0))
    current[place] /= 2
    voltage[place] = 3.7 + current[place] * R0
    pulse = single(pulse_resistances(time, voltage, current, voltage_std_volt=1e-5))
    assert pulse.first.resistance_ohm.value == pytest.approx(R0, rel=1e-9)
    assert pulse.last.resistance_ohm.value == pytest.approx(R0 + R1 * (1 - math.exp(-10 / TAU)), rel=1e-9)


def test_a_cell_that_still_relaxes_is_said_so() -> None:
    """The slope before the pulse, in volt per second."""
    time, voltage, current = record()
    pulse = single(pulse_resistances(time, voltage + 1e-5 * time, current))
    assert pulse.relaxing_volt_per_second.value == pytest.approx(1e-5, rel=1e-6)
    assert pulse.last.drift_ohm.value == pytest.approx(1e-5 * 10.0 / 2e-3, rel=1e-6)


def test_the_slope_before_a_pulse_is_as_sure_as_it_says() -> None:
    """Of 2000 noisy rests the 95 % interval holds the slope in 95 %, within three standard errors."""
    generator = np.random.default_rng(6)
    time, voltage, current = record()
    held = 0
    for _ in range(2000):
        noisy = voltage + 1e-5 * time + 1e-4 * generator.standard_normal(time.size)
        slope = single(pulse_resistances(time, noisy, current)).relaxing_volt_per_second
        assert slope.low is not None
        assert slope.high is not None
        held += slope.low <= 1e-5 <= slope.high
    assert abs(held / 2000 - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 2000)


def test_a_silent_rest_on_a_converters_codes_is_no_surer_than_them() -> None:
    """Codes of a third of a millivolt are no decimal ones; the record shows them where it moves."""
    time, voltage, current = record()
    codes = np.round(voltage * 3000) / 3000
    pulse = single(pulse_resistances(time, codes, current))
    assert pulse.last.resistance_ohm.std == pytest.approx(math.sqrt(2 / 12) / 3000 / 2e-3, rel=0.01)


def test_long_currents_and_rests_are_no_pulses() -> None:
    """A current that lasts, a return to rest, a single reading, and nothing at all."""
    time, voltage, current = record()
    assert pulse_resistances(time, voltage, current, longest_second=5.0) == []
    assert pulse_resistances(time, voltage, np.zeros(time.size)) == []
    spike = np.zeros(time.size)
    spike[30] = 1e-3
    assert pulse_resistances(time, voltage, spike) == []


def test_a_small_pulse_is_found_beside_a_large_current() -> None:
    """A hundredth of a current that flows for hours elsewhere in the record, with a rest that is not quite zero."""
    time, voltage, current = record()
    current = current + np.random.default_rng(1).normal(scale=2e-5, size=time.size)
    hours = np.arange(100.0, 7300.0, 10.0)
    whole = (
        np.concatenate((time, hours)),
        np.concatenate((voltage, np.full(hours.size, 3.9))),
        np.concatenate((current, np.full(hours.size, 0.2))),
    )
    assert single(pulse_resistances(*whole)).last.resistance_ohm.value == pytest.approx(R0 + R1, rel=0.05)


def test_unknown_noise_is_a_refusal() -> None:
    """Too few readings before the pulse to see it, and none stated."""
    pulse = single(pulse_resistances(*(column[57:] for column in record())))
    assert (
        pulse.last.resistance_ohm.refusal
        == "the noise of the voltage is unknown: too few readings before the pulse, and none was stated"
    )
    assert pulse.relaxing_volt_per_second.value is not None


@real
def test_pulses_of_a_real_record_are_found_and_agree_with_another_program() -> None:
    """All nine charge pulses, first and last reading, to 1e-5; the nine discharge pulses are found, too."""
    rows = pl.read_csv(REALDATA / "hppc_discharge.csv")
    found = pulse_resistances(*(rows[name].to_numpy() for name in ("Seconds", "Volts", "Amps")))
    wanted = expected("hppc_discharge.csv")["charge pulses 10 s"]
    charging = [pulse for pulse in found if pulse.step_ampere > 0]
    assert (len(charging), len(found)) == (9, 18)
    assert [pulse.first.resistance_ohm.value for pulse in charging] == pytest.approx(wanted["Ohms_1"], rel=1e-5)
    assert [pulse.last.resistance_ohm.value for pulse in charging] == pytest.approx(wanted["Ohms_N"], rel=1e-5)
    assert [pulse.at[2].resistance_ohm.value for pulse in charging] == pytest.approx(wanted["Ohms_N"], rel=1e-5)


@pytest.mark.parametrize(
    ("time", "voltage", "current", "sentence"),
    [
        ([], [], [], "a record of 0 usable readings was given; a change of current needs three"),
        ([0.0], [1.0], [0.0], "a record of 1 usable readings"),
        ([0.0, 1.0, 2.0], [math.nan] * 3, [0.0] * 3, "a record of 0 usable readings"),
        ([0.0, 2.0, 1.0], [1.0] * 3, [0.0] * 3, "time runs backward after 2 s; sort the readings, or split the record there"),
        ([0.0, 1.0, 2.0], [1.0] * 2, [0.0] * 3, "time, voltage and current have 3, 2, 3 values"),
    ],
)
def test_what_is_no_record_is_an_error(time: list[float], voltage: list[float], current: list[float], sentence: str) -> None:
    """One clear sentence each."""
    with pytest.raises(AnalysisError, match=sentence):
        pulse_resistances(np.array(time), np.array(voltage), np.array(current))


def test_a_time_that_is_not_positive_is_an_error() -> None:
    """Zero seconds after the switch is no reading."""
    with pytest.raises(AnalysisError, match=r"after 0 s was asked for; the time must be positive"):
        pulse_resistances(*record(), wanted_second=(0.0,))
