"""Standing still: what is measured twice is compared with noise, and a steady change is taken back to one moment."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.charge import Array
from harness.analysis.impedance.drift import bias_drift, compare_sweeps, repeated_point, spectrum_at
from harness.analysis.impedance.spectrum import Complex, Sweep, sweep_of
from harness.errors import AnalysisError

FREQUENCY = np.geomspace(1e5, 0.1, 31)
TIME = np.cumsum(0.02 + 3 / FREQUENCY)


def impedance_at(time: Array | float) -> Complex:
    """An interface that grows in proportion to time."""
    return np.asarray(5 + (80 + 0.1 * np.asarray(time)) / (1 + (1j * FREQUENCY / 100) ** 0.85), dtype=np.complex128)


def sweeps(later: float = 300.0) -> tuple[Sweep, Sweep]:
    first = sweep_of(FREQUENCY, impedance_at(TIME), TIME)
    return first, sweep_of(FREQUENCY, impedance_at(TIME + later), TIME + later)


def noisy(impedance: Complex, noise: float, generator: np.random.Generator) -> Complex:
    return impedance + noise * np.abs(impedance) * (
        generator.normal(size=impedance.size) + 1j * generator.normal(size=impedance.size)
    )


def test_a_steady_change_is_taken_back_to_any_moment_between() -> None:
    """Exactly, when every point changes in proportion to time; the default is the middle of what lies between."""
    first, second = sweeps()
    for moment in (float(TIME[-1]), 200.0, 300.0):
        found = spectrum_at(first, second, (1e-3, 1e-3), moment)
        assert found.sweep.impedance_ohm == pytest.approx(impedance_at(moment), rel=1e-9)
        assert found.sweep.time_second == pytest.approx(np.full(31, moment))
    middle = spectrum_at(first, second, (1e-3, 1e-3)).moment_second
    assert middle == pytest.approx((TIME[-1] + 300.0 + TIME[0]) / 2)


def test_its_std_is_what_noise_leaves() -> None:
    """Over 4000 pairs of sweeps each part of each point scatters as stated, to 5 % on the mean."""
    generator = np.random.default_rng(8)
    first, second = sweeps()
    drawn = []
    for _ in range(4000):
        one, other = (replace(item, impedance_ohm=noisy(item.impedance_ohm, 2e-3, generator)) for item in (first, second))
        drawn.append(spectrum_at(one, other, (2e-3, 2e-3), 250.0).sweep.impedance_ohm)
    stated = spectrum_at(first, second, (2e-3, 2e-3), 250.0).impedance_std_ohm
    parts = np.array(drawn)
    assert np.std(parts.real, axis=0) == pytest.approx(stated, rel=0.05)
    assert np.std(parts.imag, axis=0) == pytest.approx(stated, rel=0.05)


def test_there_and_back_is_paired_by_frequency() -> None:
    """A rising sweep is compared point by point with a falling one; growth is the mean of ln |Z₂/Z₁|."""
    back = sweep_of(FREQUENCY[::-1], 1.03 * impedance_at(0.0)[::-1])
    found = compare_sweeps(sweep_of(FREQUENCY, impedance_at(0.0)), back, 1e-3)
    assert found.points == 31
    assert found.change_1.value == pytest.approx(math.log(1.03), abs=1e-12)
    assert found.difference_rms_1 == pytest.approx(0.03, abs=1e-12)
    assert found.change_1.std == pytest.approx(1e-3 * math.sqrt(2 / 31), rel=1e-12)
    assert found.probability_1 < 1e-6


def test_noise_alone_is_as_probable_as_it_should_be() -> None:
    """Of 3000 repeated sweeps 5 % fall below a probability of 5 %; the change scatters as its σ says, to 5 %."""
    generator, clean = np.random.default_rng(4), impedance_at(0.0)
    found = []
    for _ in range(3000):
        one, other = (sweep_of(FREQUENCY, noisy(clean, 1e-3, generator)) for _ in range(2))
        found.append(compare_sweeps(one, other, 1e-3))
    assert np.mean([item.probability_1 < 0.05 for item in found]) == pytest.approx(0.05, abs=0.012)
    changes = [item.change_1.value for item in found if item.change_1.value is not None]
    assert np.std(changes) == pytest.approx(1e-3 * math.sqrt(2 / 31), rel=0.05)


def test_the_repeated_point_belongs_to_the_first_in_time() -> None:
    """In a rising sweep that is the lowest frequency."""
    rising = sweep_of(FREQUENCY[::-1], impedance_at(0.0)[::-1], np.arange(31.0))
    found = repeated_point(rising, complex(1.02 * impedance_at(0.0)[-1]), 1e-3)
    assert found.difference_max_hertz == pytest.approx(0.1)
    assert found.change_1.value == pytest.approx(math.log(1.02))
    unstamped = repeated_point(sweep_of(FREQUENCY, impedance_at(0.0)), complex(impedance_at(0.0)[0]), 1e-3)
    assert unstamped.difference_max_hertz == pytest.approx(1e5)
    assert unstamped.probability_1 == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("after", "amplitude", "steady"),
    [
        (0.0149, None, True),
        (0.0151, None, False),
        (0.0151, 0.01, False),
        (0.0190, 0.02, True),
        (0.0049, 1e-3, False),
        (0.0051, 1e-3, True),
    ],
)
def test_the_bias_may_move_by_five_millivolt_or_half_the_amplitude(after: float, amplitude: float | None, steady: bool) -> None:
    """Whichever is more, in either direction."""
    assert bias_drift(0.010, after, amplitude).steady is steady


def test_what_cannot_be_compared_is_said() -> None:
    """One clear error each."""
    first, second = sweeps()
    unstamped = sweep_of(FREQUENCY, impedance_at(0.0))
    other = sweep_of(FREQUENCY * 1.01, impedance_at(0.0))
    with pytest.raises(AnalysisError, match="needs the moment of every point"):
        spectrum_at(first, unstamped, (1e-3, 1e-3))
    with pytest.raises(AnalysisError, match="no moment lies between the two sweeps"):
        spectrum_at(second, first, (1e-3, 1e-3))
    with pytest.raises(AnalysisError, match=r"lies outside .* nothing is extrapolated"):
        spectrum_at(first, second, (1e-3, 1e-3), 1.0)
    with pytest.raises(AnalysisError, match="have 0 frequencies in common; comparing them needs 3"):
        compare_sweeps(first, other, 1e-3)
    with pytest.raises(AnalysisError, match="noise of 0 was given; it must be positive"):
        compare_sweeps(first, second, 0.0)
    with pytest.raises(AnalysisError, match="repeated first frequency has no impedance"):
        repeated_point(first, complex(float("nan"), 0.0), 1e-3)
    with pytest.raises(AnalysisError, match="a bias of nan V before"):
        bias_drift(float("nan"), 0.0)
    with pytest.raises(AnalysisError, match="amplitude of 0 V was given; it must be positive"):
        bias_drift(0.0, 0.0, 0.0)
