"""Apparent DC resistance: closed forms, and what is left out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.analysis.estimate import Estimate
from harness.analysis.resistance import apparent_resistance, area_specific, cross_check, switch_resistance
from harness.errors import AnalysisError


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


@pytest.mark.parametrize(("volt", "current"), [(3.69, 1e-3), (3.71, -1e-3), (3.70, 1e-3), (float("nan"), 1e-3)])
def test_switch_resistance_is_nothing_where_the_voltage_did_not_follow(volt: float, current: float) -> None:
    """Down while it is charged, up while it is discharged, or not at all: no resistance."""
    assert switch_resistance(3.70, volt, current, 1e-4) is None


def test_area_specific_is_the_resistance_times_the_area_per_interface() -> None:
    """R A and R A / 2 to 1e-9, σ from both against 200 000 draws within 5 %."""
    generator = np.random.default_rng(1)
    resistance = Estimate.normal(50.0, 2.0)
    found = area_specific(resistance, 1.54, 0.05, interfaces=2)
    drawn = generator.normal(50.0, 2.0, 200_000) * generator.normal(1.54, 0.05, 200_000) / 2
    assert found.value == pytest.approx(38.5, rel=1e-9)
    assert found.std == pytest.approx(float(np.std(drawn)), rel=0.05)
    assert found.low is not None
    assert found.high is not None
    assert np.mean((drawn > found.low) & (drawn < found.high)) == pytest.approx(0.95, abs=0.005)
    assert area_specific(resistance, 2.0) == Estimate.normal(100.0, 4.0)


def test_area_specific_keeps_refusals_and_bounds() -> None:
    """A refusal passes through, a lower bound is scaled, the area that nobody entered is refused."""
    assert area_specific(Estimate.refused("no arc"), 1.0).refusal == "no arc"
    assert area_specific(Estimate.at_least(10.0, "open arc"), 2.0) == Estimate.at_least(20.0, "open arc")
    assert "EC-Lab writes where none was entered" in area_specific(Estimate.exact(1.0), 0.001).refusal


@pytest.mark.parametrize(
    ("area", "std", "interfaces"), [(0.0, 0.0, 1), (-1.0, 0.0, 1), (float("nan"), 0.0, 1), (1.0, -0.1, 1), (1.0, 0.0, 0)]
)
def test_an_area_that_is_none_is_an_error(area: float, std: float, interfaces: int) -> None:
    """Zero, negative, not a number; no interface."""
    with pytest.raises(AnalysisError, match="all must be positive"):
        area_specific(Estimate.exact(1.0), area, std, interfaces=interfaces)


@pytest.mark.parametrize(
    ("dc", "agrees", "reason"),
    [
        (Estimate.normal(56.0, 2.0), True, r"DC is 1\.02 × the impedance's series and interface resistance"),
        (Estimate.normal(75.0, 2.0), False, "slow processes, diffusion above all"),
        (Estimate.normal(30.0, 1.0), False, "charge transfer driven out of its linear range"),
        (Estimate.refused("no rest"), None, "no DC resistance: no rest"),
        (Estimate.normal(-5.0, 1.0), None, "both must be positive"),
    ],
)
def test_cross_check_compares_dc_with_the_sum_of_the_impedances(dc: Estimate, agrees: bool | None, reason: str) -> None:
    """55 ± 1 Ω in all."""
    found = cross_check(dc, Estimate.normal(55.0, 1.0))
    assert found.agrees is agrees
    assert re.search(reason, found.reason)


def test_cross_check_agrees_in_95_percent_of_cells_that_agree() -> None:
    """And its σ of the ratio is the scatter, to 5 %."""
    generator = np.random.default_rng(2)
    dc, total = (generator.normal(55.0, std, 3000) for std in (1.5, 1.0))
    found = [
        cross_check(Estimate.normal(one, 1.5), Estimate.normal(two, 1.0))
        for one, two in zip(dc.tolist(), total.tolist(), strict=True)
    ]
    assert np.mean([item.agrees is True for item in found]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([item.ratio_1.std or 0.0 for item in found]) == pytest.approx(
        np.std([item.ratio_1.value or 0.0 for item in found]), rel=0.05
    )
