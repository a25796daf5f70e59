"""Impedance and regulator: the same state as the direct-current model."""

from __future__ import annotations

import math

import pytest

from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.cell.parameters import preset_parameters


def quiet(_index: int) -> float:
    return 0.0


def cells() -> list[Cell]:
    """One of each geometry, with lithium on both sides and some history."""
    layered = preset_parameters("claim1_stack", {"film_growth_nm2_per_second": 0.0})
    made: list[Cell] = [
        DepositCell(layered, 1.267, quiet),
        SymmetricCell(layered, 1.267, quiet, quiet, 20.0),
        FullCell(layered, 1.267, quiet, 10.0),
    ]
    for cell in made:
        current = -1e-3 if cell.removes_when_oxidising else 1e-3
        cell.advance(current, 3600.0)
        cell.advance(-current, 600.0)
        cell.advance(0.0, 36_000.0)
    return made


@pytest.mark.parametrize("place", range(3))
def test_low_frequency_impedance_is_the_slope_of_the_direct_current_model(place: int) -> None:
    """Z at 1 µHz equals dV/dI of a small stripping current that has flowed long enough, but for the charge it moved."""
    cell = cells()[place]
    expected = cell.elements().impedance(1e-6)
    current, second = 1e-8 if cell.removes_when_oxidising else -1e-8, 3600.0
    before = cell.voltage(0.0)
    cell.advance(current, second)
    loaded = cell.voltage(current)
    cell.advance(0.0, 36_000.0)
    moved = cell.voltage(0.0) - before
    slope = (loaded - before - moved) / current
    assert slope == pytest.approx(expected.real, rel=2e-3)
    assert abs(expected.imag) < 0.02 * expected.real


@pytest.mark.parametrize("place", range(3))
def test_high_frequency_impedance_is_the_series_resistance(place: int) -> None:
    """Without the lead's inductance, Z at very high frequency is what the electrolyte alone has."""
    elements = cells()[place].elements()
    impedance = elements.impedance(1e12) - 1j * 2.0 * math.pi * 1e12 * elements.inductance_henry
    assert impedance.real == pytest.approx(elements.series_ohm, rel=1e-3)
    assert impedance.imag == pytest.approx(0.0, abs=1e-3 * elements.series_ohm)


@pytest.mark.parametrize("place", range(3))
def test_impedance_is_capacitive_in_between(place: int) -> None:
    """Imaginary parts are negative from 10 mHz to 10 kHz, and real parts fall with frequency."""
    elements = cells()[place].elements()
    sweep = [elements.impedance(10.0**power) for power in range(-2, 5)]
    assert all(impedance.imag < 0.0 for impedance in sweep)
    assert sorted((impedance.real for impedance in sweep), reverse=True) == [impedance.real for impedance in sweep]


def test_layers_add_their_resistance() -> None:
    """A layered build shows its layers' resistance in the interface, scaled by the area."""
    bare, layered = (
        DepositCell(preset_parameters("lhce", {"layer_resistance_ohm_cm2": ohm}), 2.0, quiet).elements() for ohm in (0.0, 60.0)
    )
    assert layered.interface_ohm - bare.interface_ohm == pytest.approx(30.0)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("shift", [-0.03, -1e-4, 0.0, 0.02])
def test_regulator_finds_the_current_for_a_voltage(place: int, shift: float) -> None:
    """The current it returns brings the cell to the wanted voltage, now and over a step."""
    cell = cells()[place]
    wanted = cell.voltage(0.0) + shift
    for second in (0.0, 1.0):
        current = cell.current_for(wanted, second, 0.1)
        assert cell.voltage(current, second) == pytest.approx(wanted, abs=1e-8)


def test_regulator_keeps_its_current_limit() -> None:
    """A voltage out of reach gives the limit, with the sign that leads there."""
    cell = cells()[1]
    assert cell.current_for(5.0, 0.0, 0.01) == 0.01
    assert cell.current_for(-5.0, 0.0, 0.01) == -0.01
