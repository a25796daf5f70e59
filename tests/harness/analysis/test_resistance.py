"""Apparent DC resistance: closed forms, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.resistance import apparent_resistance, switch_resistance


def test_apparent_resistance_is_the_plateau_over_the_current() -> None:
    """The nucleation dip at the start and the knee at the end do not move the median."""
    time = np.linspace(0.0, 1000.0, 201)
    voltage = np.full(201, -0.05)
    voltage[:15] = -0.4
    voltage[-15:] = -1.0
    found = apparent_resistance(time, voltage, np.full(201, -1e-3))
    assert found is not None
    assert found.resistance_ohm == pytest.approx(50.0, rel=1e-12)
    assert found.resistance_ohm_std == pytest.approx(0.0, abs=1e-12)


def test_apparent_resistance_std_covers_the_scatter_of_the_median() -> None:
    """Over many noisy half cycles the median scatters as its standard deviation says, to 10 %."""
    generator = np.random.default_rng(5)
    time, current = np.linspace(0.0, 1.0, 401), np.full(401, 1e-3)
    found = [apparent_resistance(time, 0.05 + 1e-3 * generator.normal(size=401), current) for _ in range(600)]
    values = [(item.resistance_ohm, item.resistance_ohm_std or 0.0) for item in found if item is not None]
    assert np.mean([std for _, std in values]) == pytest.approx(np.std([value for value, _ in values]), rel=0.1)


def test_apparent_resistance_leaves_the_hold_out() -> None:
    """Readings whose current tapers belong to a hold."""
    time = np.arange(20.0)
    current = np.where(time < 12, 1e-3, 1e-4)
    voltage = np.where(time < 12, 0.1, 0.2)
    found = apparent_resistance(time, voltage, current)
    assert found is not None
    assert found.resistance_ohm == pytest.approx(100.0, rel=1e-12)


@pytest.mark.parametrize("current", [[0.0] * 6, [1e-3] * 6, []])
def test_apparent_resistance_is_nothing_without_a_driven_voltage(current: list[float]) -> None:
    """No current, a voltage against the current, or no reading: no resistance."""
    size = len(current)
    assert apparent_resistance(np.arange(float(size)), np.full(size, -0.1), np.array(current)) is None


def test_switch_resistance_is_the_voltage_step_over_the_current() -> None:
    """From the last voltage at rest to the first under current; nothing without a rest."""
    found = switch_resistance(3.70, 3.75, 1e-3, 1e-4)
    assert found is not None
    assert found.resistance_ohm == pytest.approx(50.0, rel=1e-9)
    assert found.resistance_ohm_std == pytest.approx(0.1414, rel=1e-3)
    assert switch_resistance(None, 3.75, 1e-3) is None
    assert switch_resistance(3.7, 3.75, 0.0) is None
