"""Range, offset, noise and converter steps of an emulated channel."""

from __future__ import annotations

import statistics

import pytest

from emulator.instruments.converter import PERFECT, STATUS_OVERLOAD, STATUS_UNDERLOAD, STATUS_WARNING, Converter, Imperfections
from emulator.instruments.models import MODELS
from emulator.noise import Normals

RANGES = MODELS["es4_hr"].current_ranges


def converter(imperfections: Imperfections, seed: int = 1) -> Converter:
    normal = Normals(seed, "a1", "current").value
    return Converter(RANGES, imperfections, normal, lambda item: imperfections.current_noise * item.nominal)


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
    made.choose(4)
    first = made.read(5e-4) - 5e-4
    assert made.read(-2e-4) + 2e-4 == pytest.approx(first)
    assert first == pytest.approx(made.offsets[4])
    spread = [made.offsets[place] / item.nominal for place, item in enumerate(RANGES)]
    assert len(set(spread)) == len(RANGES)
    assert all(abs(value) < 6.0 * 2e-4 for value in spread)


def test_converter_steps_cover_three_times_the_range() -> None:
    """16 bits over ± 3 mA are steps of 91.6 nA, and nothing beyond the ends."""
    made = converter(Imperfections(offset=0.0, current_noise=0.0))
    made.choose(4)
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
    made.choose(4)
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
