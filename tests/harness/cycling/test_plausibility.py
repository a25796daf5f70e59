"""Which readings are believed, which are flagged, and which end a run."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cycling.plausibility import Accuracy, Doubt, Doubts
from harness.cycling.safety import TripKind
from harness.model import flags
from potentiostat_drivers.program import (
    FLAG_HELD,
    Command,
    Galvanostatic,
    Impedance,
    Limits,
    Potentiostatic,
    Reading,
    Rest,
    Sampling,
    Until,
)

LIMITS = Limits(-0.5, 2.0, 2e-3, 1e6)
SAMPLING = Sampling(10.0, 5e-3, 2.0)
PLATE = Galvanostatic(-1e-3, SAMPLING, Until(duration_second=3600.0), LIMITS)
STRIP = Galvanostatic(1e-3, SAMPLING, Until(voltage_above_volt=1.0), LIMITS)
REST = Rest(SAMPLING, Until(duration_second=1800.0), LIMITS)
HOLD = Potentiostatic(1.0, SAMPLING, Until(duration_second=1800.0), LIMITS)
SWEEP = Impedance(1e5, 1.0, 26, 0.01, LIMITS)
NOISE = random.Random(1)


class Run:
    """Readings 10 s apart, heard at once."""

    def __init__(self, accuracy: Accuracy = Accuracy(2e-4, 0.0)) -> None:  # noqa: B008 - frozen
        self.doubts = Doubts(accuracy)
        self.doubts.begin_program(0)
        self.second = 0.0
        self.found: list[Doubt] = []

    def read(self, command: Command, *volts: float, ampere: float | None = None, step: float = 10.0, late: float = 0.0) -> Doubt:
        current = getattr(command, "current_ampere", 0.0) if ampere is None else ampere
        for volt in volts:
            self.second += step
            reading = Reading(0, self.second, volt, current, 1e-3)
            self.found.append(self.doubts.look(reading, command, round((self.second + late) * 1e9)))
        return self.found[-1]

    @property
    def flags(self) -> set[str]:
        return {flag for doubt in self.found for flag in doubt.flags}

    @property
    def trips(self) -> list[TripKind]:
        return [doubt.trip.kind for doubt in self.found if doubt.trip is not None]


def smooth(start: float, end: float, count: int) -> list[float]:
    return [start + (end - start) * place / (count - 1) for place in range(count)]


def noisy(volt: float, size: float, count: int) -> list[float]:
    return [volt + NOISE.gauss(0.0, size) for _ in range(count)]


def test_healthy_cycles_raise_no_doubt() -> None:
    """Plating, rest, stripping to a steep end and rest again, with 50 µV of noise and 16 bits: not one flag."""
    run = Run()
    for _ in range(3):
        run.read(REST, *(volt + NOISE.gauss(0.0, 5e-5) for volt in smooth(2.5, 2.4, 30)))
        run.read(PLATE, *(volt + NOISE.gauss(0.0, 5e-5) for volt in [-0.15, *smooth(-0.08, -0.05, 300)]), ampere=-1.0002e-3)
        run.read(REST, *(volt + NOISE.gauss(0.0, 5e-5) for volt in smooth(-0.002, 0.0, 30)))
        run.read(STRIP, *(volt + NOISE.gauss(0.0, 5e-5) for volt in [*smooth(0.05, 0.07, 300), 0.09, 0.2, 1.6]))
        run.read(HOLD, *noisy(1.0, 5e-5, 20), ampere=1e-5)
    assert (run.flags, run.trips) == (set(), [])


@pytest.mark.parametrize(("ampere", "doubted"), [(-1.0009e-3, False), (-1.0011e-3, True), (-0.9989e-3, True), (-0.5e-3, True)])
def test_current_off_its_setpoint_is_flagged(ampere: float, doubted: bool) -> None:
    """Four times 0.02 % of 1 mA are 0.8 µA, and 0.2 µA for the gain; ten times that where nobody knows more."""
    run = Run()
    run.read(PLATE, -0.05, -0.051, ampere=ampere)
    assert (flags.CURRENT_OFF in run.flags) == doubted
    unknown = Run(Accuracy())
    unknown.read(PLATE, -0.05, ampere=ampere)
    assert (flags.CURRENT_OFF in unknown.flags) == (ampere == -0.5e-3)


@pytest.mark.parametrize(
    ("volts", "ampere", "doubted"),
    [([1.2, 1.0], 1e-4, False), ([1.0, 1.02], 1e-4, True), ([1.0, 1.02], 2e-3, False)],
)
def test_potential_off_its_setpoint_is_flagged(volts: list[float], ampere: float, doubted: bool) -> None:
    """Not the first reading, which the regulator may need, and not at the limit of the current."""
    run = Run()
    run.read(HOLD, *volts, ampere=ampere)
    assert (flags.POTENTIAL_OFF in run.flags) == doubted


def test_doubt_is_told_once_in_a_program() -> None:
    """Every reading is flagged, and there is one sentence."""
    run = Run()
    run.read(PLATE, -0.05, -0.051, -0.052, ampere=-2e-3)
    assert [doubt.flags for doubt in run.found] == [(flags.CURRENT_OFF,)] * 3
    assert [len(doubt.news) for doubt in run.found] == [1, 0, 0]
    run.doubts.begin_program(0)
    run.second = 0.0
    assert run.read(PLATE, -0.05, ampere=-2e-3).news
    reading = run.found[0].marked(Reading(0, 1.0, 0.0, 0.0, None, "overload"))
    assert reading.flags == "overload current_off"


def test_held_reading_is_not_doubted() -> None:
    """It repeats what was judged already."""
    run = Run()
    run.read(PLATE, -0.05)
    held = Reading(0, 15.0, -0.05, -5e-3, 1e-3, FLAG_HELD)
    assert run.doubts.look(held, PLATE, 15_000_000_000) == Doubt()


def test_clock_ahead_of_the_station_is_flagged() -> None:
    """A reading cannot come from the future, but for 10 s and 500 ppm."""
    run = Run()
    run.read(PLATE, -0.05)
    assert run.read(PLATE, -0.05, late=-9.0).flags == ()
    assert run.read(PLATE, -0.05, late=-11.0).flags == (flags.CLOCK,)


def test_program_that_runs_again_is_ended() -> None:
    """A time before the last one of the same program is another execution of it; a new program begins at 0."""
    run = Run()
    run.read(PLATE, -0.05, -0.051)
    run.doubts.forget()
    run.second = 0.0
    run.read(PLATE, -0.05)
    assert run.trips == [TripKind.REPEATED]
    run.doubts.forget()
    run.doubts.begin_program(0)
    run.second = 0.0
    assert run.read(PLATE, -0.05) == Doubt()


def test_voltage_that_does_not_follow_is_flagged_then_ends_the_run() -> None:
    """An open sense lead or a dead voltmeter: seen at the end of a plating, stopped before a stripping goes on."""
    run = Run()
    run.read(PLATE, *smooth(-0.08, -0.05, 20))
    run.read(REST, *[-0.05] * 12)
    assert (run.flags, run.trips) == ({flags.UNRESPONSIVE}, [])
    run.read(STRIP, *[-0.05] * 8)
    assert run.trips == [TripKind.UNRESPONSIVE]


def test_voltage_that_follows_late_is_believed() -> None:
    """The first reading may come before the voltage has moved; the second may not."""
    run = Run()
    run.read(PLATE, *smooth(-0.08, -0.05, 20))
    run.read(REST, -0.05, -0.001, 0.0)
    run.read(STRIP, 0.0, 0.05)
    assert (run.flags, run.trips) == (set(), [])


@pytest.mark.parametrize("between", [SWEEP, None])
def test_response_is_judged_across_a_sweep_but_not_across_a_pause(between: Command | None) -> None:
    """A pause is no evidence: nobody knows what the cell did."""
    run = Run()
    run.read(PLATE, *smooth(-0.08, -0.05, 20))
    if between is None:
        run.doubts.forget()
    run.read(REST, *[-0.05] * 8)
    assert (flags.UNRESPONSIVE in run.flags) == (between is not None)


def test_floating_voltage_does_not_follow() -> None:
    """Noise around 0 V goes up as often as down; only its mean shows that nothing answers."""
    run = Run()
    run.read(PLATE, *smooth(-0.08, -0.05, 20))
    for command in (PLATE, REST, STRIP):
        run.read(command, *noisy(0.0, 2e-2, 40))
    assert TripKind.UNRESPONSIVE in run.trips


def test_cell_answers_through_noise() -> None:
    """50 mV of answer are seen in 20 mV of noise, over and over."""
    run = Run()
    for _ in range(20):
        run.read(PLATE, *noisy(-0.05, 2e-2, 40))
        run.read(REST, *noisy(0.0, 2e-2, 20))
        run.read(STRIP, *noisy(0.05, 2e-2, 40))
        run.read(REST, *noisy(0.0, 2e-2, 20))
    assert run.trips == []


def test_small_currents_prove_nothing() -> None:
    """20 µA through 5 Ω are 0.1 mV: no response is to be expected."""
    run = Run()
    tiny = replace(PLATE, current_ampere=-2e-5)
    run.read(tiny, *[-0.05, -0.0501] * 5)
    run.read(REST, *[-0.05, -0.0501] * 5)
    assert run.flags == set()


@given(st.floats(1.0, 1e3), st.floats(1e-4, 1.0), st.floats(-3.0, 5.0))
def test_any_resistance_above_an_ohm_responds(ohm: float, ampere: float, volt: float) -> None:
    """Whatever the cell is, an ohmic part is enough."""
    run = Run(Accuracy())
    on = Galvanostatic(ampere, SAMPLING, Until(duration_second=10.0), LIMITS)
    run.read(REST, volt, volt)
    run.read(on, volt + ohm * ampere * 1.001, volt + ohm * ampere * 1.001)
    assert flags.UNRESPONSIVE not in run.flags


def test_frozen_voltage_is_flagged_then_ends_the_run() -> None:
    """After readings that never repeated, ten equal ones are a doubt and thirty are proof."""
    run = Run()
    run.read(STRIP, *noisy(0.05, 5e-5, 100))
    run.read(STRIP, *[0.05] * 9)
    assert run.flags == set()
    run.read(STRIP, 0.05, 0.05)
    assert (run.flags, run.trips) == ({flags.FROZEN}, [])
    run.read(STRIP, *[0.05] * 20)
    assert set(run.trips) == {TripKind.FROZEN}


def test_coarse_converter_is_not_taken_for_a_frozen_one() -> None:
    """Where nine readings of ten repeat the one before, thirty equal ones are nothing."""
    run = Run()
    for place in range(40):
        run.read(STRIP, *[0.05 + place * 1e-3] * 10)
    run.read(STRIP, *[0.2] * 40)
    assert run.trips == []
    assert flags.FROZEN not in run.flags


def test_rest_may_stand_still() -> None:
    """Nothing flows, nothing needs to move."""
    run = Run()
    run.read(REST, *noisy(0.0, 5e-5, 50), *[0.0] * 200)
    assert run.flags == set()


def test_noise_is_flagged_and_ends_the_run_where_limits_drown_in_it() -> None:
    """20 mV are a doubt of what was measured, 1 V makes every limit a matter of luck."""
    run = Run()
    run.read(PLATE, *noisy(-0.05, 2e-2, 40))
    assert flags.NOISY in run.flags
    assert run.trips == []
    run.read(PLATE, *noisy(-0.05, 1.0, 40))
    assert TripKind.NOISE in run.trips


@pytest.mark.parametrize("command", [REST, PLATE])
def test_step_of_the_voltage_is_flagged(command: Command) -> None:
    """50 mV in one reading and quiet before and after: no cell does that, a voltmeter or a short does."""
    run = Run()
    run.read(command, *smooth(0.1, 0.101, 10), *smooth(0.151, 0.152, 10))
    assert flags.VOLTAGE_STEP in run.flags
    assert sum(flags.VOLTAGE_STEP in doubt.flags for doubt in run.found) == 1


@given(st.floats(0.05, 1.5), st.floats(5.0, 200.0), st.floats(-1.0, 1.0))
def test_relaxation_is_no_step(height: float, constant: float, end: float) -> None:
    """However fast it decays."""
    run = Run()
    run.read(REST, *(end + height * math.exp(-10.0 * place / constant) for place in range(40)))
    assert flags.VOLTAGE_STEP not in run.flags


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40))
def test_any_voltages_are_judged(volts: list[float]) -> None:
    """Nothing is raised, whatever is read."""
    run = Run()
    for command in (PLATE, REST, HOLD, STRIP):
        if volts:
            run.read(command, *volts)
    assert run.flags <= set(flags.DOUBTS)
