"""Range, offset, gain, drift, noise and converter steps of an emulated channel."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.instruments.converter import (
    MAINS_RATE,
    PERFECT,
    STATUS_OVERLOAD,
    STATUS_UNDERLOAD,
    STATUS_WARNING,
    TYPICAL,
    UNDISTURBED,
    Converter,
    Disturbance,
    Imperfections,
    Known,
    current,
    voltage,
)
from emulator.instruments.models import MODELS
from emulator.instruments.wander import OCTAVES, SHORTEST_SECOND, Wander
from emulator.noise import Normals

RANGES = MODELS["es4_hr"].current_ranges
MILLIAMPERE = 4


class Watch:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.second = 0.0

    def __call__(self) -> float:
        return self.second


def streams(seed: int = 1) -> Callable[[str], Callable[[int], float]]:
    return lambda stream: Normals(seed, "a1", stream).value


def converter(imperfections: Imperfections, seed: int = 1, watch: Watch | None = None) -> Converter:
    made = Converter(RANGES, imperfections, current(imperfections), streams=streams(seed), second=watch or Watch())
    made.choose(MILLIAMPERE)
    return made


def test_noise_belongs_to_the_index_and_to_nothing_else() -> None:
    """A number of a stream is the same in whatever order numbers are asked for; streams differ."""
    stream = Normals(1, "a1", "current")
    forward = [stream.value(index) for index in (0, 5000, 9000)]
    backward = [stream.value(index) for index in (9000, 5000, 0)]
    assert forward == backward[::-1]
    assert forward[0] != Normals(1, "a2", "current").value(0)
    assert statistics.pstdev([stream.value(index) for index in range(8192)]) == pytest.approx(1.0, abs=0.03)


def test_offset_is_drawn_once_per_range() -> None:
    """Readings of a range share their offset, ranges have their own in proportion to their nominal value."""
    made = converter(Imperfections(current_noise=0.0, adc_bits=0))
    first = made.read(5e-4) - 5e-4
    assert made.read(-2e-4) + 2e-4 == pytest.approx(first)
    assert first == pytest.approx(made.offsets[MILLIAMPERE])
    spread = [made.offsets[place] / item.nominal for place, item in enumerate(RANGES)]
    assert len(set(spread)) == len(RANGES)
    assert all(abs(value) < 6.0 * 2e-4 for value in spread)


def test_converter_steps_cover_three_times_the_range() -> None:
    """16 bits over ± 3 mA are steps of 91.6 nA, and nothing beyond the ends."""
    made = converter(Imperfections(offset=0.0, current_noise=0.0))
    step = 6e-3 / 2**16
    assert made.read(1e-3) / step == pytest.approx(round(1e-3 / step))
    assert made.read(1e-3) == pytest.approx(1e-3, abs=step / 2)
    assert (made.read(1.0), made.read(-1.0)) == (3e-3, -3e-3)


def test_perfect_converter_changes_nothing() -> None:
    """Without imperfections a reading is the value."""
    assert converter(PERFECT).read(1.23456789e-3) == 1.23456789e-3


@pytest.mark.parametrize(
    ("value", "status"),
    [(1e-3, 0), (0.1e-3, STATUS_UNDERLOAD), (2.5e-3, STATUS_WARNING), (2.95e-3, STATUS_OVERLOAD | STATUS_WARNING)],
)
def test_status_tells_how_the_range_fits(value: float, status: int) -> None:
    """The status nibble follows the thresholds of the EmStat4."""
    made = converter(PERFECT)
    assert made.status(value) == status


def test_autoranging_stays_within_its_limits() -> None:
    """It goes up for large values, down for small ones, never outside."""
    made = converter(PERFECT)
    made.settle(1e-7, 3, 5)
    assert made.range == 3
    made.settle(50e-3, 3, 5)
    assert made.range == 5
    made.settle(2e-3, 3, 5)
    assert made.range == 5
    made.settle(1e-3, 3, 5)
    assert made.range == 4


def test_range_for_a_value_is_the_smallest_that_names_it() -> None:
    """Nominal values count, as set_range takes them."""
    made = converter(PERFECT)
    assert [RANGES[made.place_for(value)].nominal for value in (1e-3, 1.1e-3, 0.0, 5.0)] == [1e-3, 1e-2, 1e-7, 1e-1]


reads = st.lists(st.tuples(st.floats(-3e-3, 3e-3), st.integers(0, len(RANGES) - 1), st.floats(0.0, 1e6)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=40)
@given(reads, st.data())
def test_reading_is_a_function_of_its_index_its_moment_and_its_value(
    done: list[tuple[float, int, float]], data: st.DataObject
) -> None:
    """Whatever was read before, in whatever ranges, at whatever moments: sample i of a value at a moment is the same number."""
    watch, other = Watch(), Watch()
    first, second = converter(TYPICAL, watch=watch), converter(TYPICAL, watch=other)
    readings = []
    for value, place, moment in done:
        first.choose(place)
        watch.second = moment
        readings.append(first.read(value))
    index = data.draw(st.integers(0, len(done) - 1))
    for junk in data.draw(st.lists(st.floats(-1e-3, 1e-3), min_size=index, max_size=index)):
        other.second = data.draw(st.floats(0.0, 1e6))
        second.read(junk)
    value, place, other.second = done[index]
    second.choose(place)
    assert second.read(value) == readings[index]


def test_gain_and_offset_belong_to_a_range() -> None:
    """Each range has its own of both, the same in every converter of this seed."""
    made = converter(TYPICAL)
    assert len(set(made.gains)) == len(set(made.offsets)) == len(RANGES)
    assert (made.gains, made.offsets) == (converter(TYPICAL).gains, converter(TYPICAL).offsets)
    quiet = converter(replace(PERFECT, gain=2e-4, offset=2e-4))
    for place, value in ((4, 1e-3), (5, 1e-3)):
        quiet.choose(place)
        assert quiet.read(value) == pytest.approx(value * made.gains[place] + made.offsets[place], rel=1e-12)


def test_calibration_takes_the_place_of_what_is_drawn() -> None:
    """Offset, gain and noise of a named range are those of the calibration; the others stay drawn."""
    known = {1e-3: Known(offset=2e-7, gain=1.0003, noise=0.0)}
    made = Converter(RANGES, Imperfections(adc_bits=0), current(Imperfections()), streams=streams(), second=Watch(), known=known)
    made.choose(MILLIAMPERE)
    assert made.read(5e-4) == pytest.approx(5e-4 * 1.0003 + 2e-7, rel=1e-12)
    assert made.offsets[5] == converter(Imperfections()).offsets[5]


def test_temperature_moves_offset_and_gain() -> None:
    """10 K at 5 ppm/K: 50 ppm of the range, and 50 ppm of the reading."""
    made = converter(replace(PERFECT, offset_per_kelvin=5e-6, gain_per_kelvin=5e-6))
    made.warm_to(308.15)
    assert made.read(0.0) == pytest.approx(5e-5 * 1e-3)
    assert made.read(1e-3) - made.read(0.0) == pytest.approx(1e-3 * (1 + 5e-5), rel=1e-12)


def test_pickup_is_a_sine_of_the_mains() -> None:
    """A quarter of a period later the square is the rest of the amplitude's; a whole one later it is the same."""
    watch = Watch()
    made = converter(replace(PERFECT, pickup_current=1e-3, mains_hertz=50.0), watch=watch)
    readings = []
    period = 1.0 / (50.0 * MAINS_RATE)
    for watch.second in (100.0, 100.0 + period / 4.0, 100.0 + period):
        readings.append(made.read(0.0))
    assert math.hypot(readings[0], readings[1]) == pytest.approx(1e-6, rel=1e-8)
    assert readings[2] == pytest.approx(readings[0], abs=1e-12)


@pytest.mark.parametrize(("change", "lost"), [("glitch", False), ("nan", True)])
def test_change_of_range_costs_one_sample(change: str, lost: bool) -> None:
    """Right after it a reading is none, or wrong and flagged; when the gap is over it is right again."""
    watch = Watch()
    made = converter(replace(PERFECT, range_gap_second=0.02, range_change=change), watch=watch)  # type: ignore[arg-type]
    made.settle(1e-4, 0, 6)
    assert made.range == 3
    spoilt = made.read(1e-4)
    assert math.isnan(spoilt) if lost else 1e-8 < abs(spoilt - 1e-4) < 1e-4
    assert made.status(1e-4) & STATUS_OVERLOAD
    watch.second = 0.021
    assert (made.read(1e-4), made.status(1e-4)) == (1e-4, 0)


def test_wander_has_the_same_power_in_every_octave() -> None:
    """The structure function of 1/f noise rises with the logarithm of the lag: equal steps per octave."""
    wander = Wander("current", streams(3))
    count, spacing = 60_000, SHORTEST_SECOND / 2.0
    values = [wander.at(place * spacing) for place in range(count)]

    def structure(lag: int) -> float:
        return statistics.fmean((values[place + lag] - values[place]) ** 2 for place in range(0, count - lag, 7))

    steps = [structure(2 ** (k + 1)) - structure(2**k) for k in range(3, 8)]
    assert all(0.5 * statistics.fmean(steps) < step < 1.7 * statistics.fmean(steps) for step in steps)
    assert max(map(abs, values)) < 4.0 * math.sqrt(OCTAVES)


def test_voltage_noise_is_the_same_in_every_range() -> None:
    """Volts are volts; the highest range covers the instrument's window."""
    made = Converter(MODELS["es4_hr"].voltage_ranges, PERFECT, voltage(PERFECT, 6.0), streams=streams(), second=Watch())
    assert (made.read(5.9), made.doubtful) == (5.9, False)
    assert (made.read(7.0), made.doubtful) == (6.0, True)


@pytest.mark.parametrize(
    ("disturbance", "reading"),
    [
        (Disturbance(offset=1e-5), 5.1e-4),
        (Disturbance(gain=0.1), 5.5e-4),
        (Disturbance(top=0.1), 3e-4),
        (Disturbance(frozen=True), 2e-4),
        (Disturbance(dead=True), 0.0),
    ],
)
def test_disturbance_does_what_it_says_and_goes_again(disturbance: Disturbance, reading: float) -> None:
    """A fault's part is added while it lasts, and nothing of it stays."""
    made = converter(PERFECT)
    made.disturb(disturbance)
    made.read(2e-4)
    assert made.read(5e-4) == pytest.approx(reading, rel=1e-6)
    made.disturb(UNDISTURBED)
    assert made.read(5e-4) == pytest.approx(5e-4, rel=1e-6)


def test_stuck_range_does_not_follow() -> None:
    """It is asked for another and stays."""
    made = converter(PERFECT)
    made.disturb(Disturbance(stuck=True))
    made.choose(6)
    made.settle(1e-1, 0, 6)
    assert made.range == MILLIAMPERE
