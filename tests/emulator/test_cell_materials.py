"""Counter-electrode materials: curves, slopes, diffusion in a sphere, capacities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emulator.cell import materials
from emulator.cell.materials import MATERIALS, Material

EVERY = list(MATERIALS.values())
CONTENT = np.linspace(materials.LOWEST_STOICHIOMETRY, materials.HIGHEST_STOICHIOMETRY, 997)


@pytest.mark.parametrize("material", EVERY, ids=lambda material: material.name)
def test_arrays_equal_numbers(material: Material) -> None:
    """The form for arrays gives the voltage and the exchange of the form for one number."""
    one_by_one = [materials.open_circuit_volt(material.kind, float(x)) for x in CONTENT]
    np.testing.assert_allclose(materials.open_circuit_volts(material.kind, CONTENT), one_by_one, rtol=1e-14)
    exchange = [materials.exchange_ratio(float(x)) for x in CONTENT]
    np.testing.assert_allclose(materials.exchange_ratios(CONTENT), exchange, rtol=1e-14)


@pytest.mark.parametrize("material", EVERY, ids=lambda material: material.name)
def test_slope_is_the_derivative(material: Material) -> None:
    """The slope is what a central difference of the curve says."""
    step = 1e-6
    for x in CONTENT[::7]:
        beside = [materials.open_circuit_volt(material.kind, float(x) + sign * step) for sign in (1.0, -1.0)]
        assert materials.open_circuit_slope(material.kind, float(x)) == pytest.approx(
            (beside[0] - beside[1]) / (2 * step), rel=1e-6
        )


@pytest.mark.parametrize("material", EVERY, ids=lambda material: material.name)
def test_limits_are_met_inside(material: Material) -> None:
    """Both usual voltage limits lie on the curve before the material is empty or full, and a new electrode lies between them."""
    volts = materials.open_circuit_volts(material.kind, CONTENT)
    assert volts[0] > material.highest_volt > material.lowest_volt > volts[-1]
    assert material.lowest_volt < materials.open_circuit_volt(material.kind, material.fresh) < material.highest_volt


@pytest.mark.parametrize("material", EVERY[:3], ids=lambda material: material.name)
def test_insertion_curves_fall(material: Material) -> None:
    """U falls with the lithium content everywhere."""
    assert np.all(np.diff(materials.open_circuit_volts(material.kind, CONTENT)) < 0.0)


@pytest.mark.parametrize(
    ("kind", "x", "volt"),
    [
        (materials.NMC532, 0.1, 4.194489994),
        (materials.NMC532, 0.4, 3.8779605760000004),
        (materials.NMC532, 0.9, 3.650386680645693),
        (materials.NMC811, 0.27, 4.272957605316414),
        (materials.NMC811, 0.5, 3.9719586564036504),
        (materials.NMC811, 0.9, 3.568200281643513),
        (materials.LFP, 0.1, 3.4056732529494687 + 0.02243),
        (materials.LFP, 0.9, 3.3446495384689223 + 0.02243),
    ],
)
def test_curve_passes_its_source(kind: int, x: float, volt: float) -> None:
    """The steep ends move no point of a source's curve (as PyBaMM 26.10.1.1 evaluates it) by more than 0.01 mV."""
    assert materials.open_circuit_volt(kind, x) == pytest.approx(volt, abs=1e-5)


def test_sulfur_has_two_plateaus() -> None:
    """2.35 V over the first quarter of the charge, 2.10 V over the rest, each within 10 mV."""
    assert np.all(np.abs(materials.open_circuit_volts(materials.SULFUR, np.linspace(0.03, 0.18, 50)) - 2.35) < 0.01)
    assert np.all(np.abs(materials.open_circuit_volts(materials.SULFUR, np.linspace(0.35, 0.94, 50)) - 2.10) < 0.01)


def test_sulfur_dips_between_its_plateaus() -> None:
    """Behind the first plateau the curve has a minimum, then rises by 5 to 40 mV onto the second."""
    between = materials.open_circuit_volts(materials.SULFUR, np.linspace(0.2, 0.5, 301))
    deepest = int(np.argmin(between))
    assert 0 < deepest < 300
    assert 0.005 < between[deepest:].max() - between[deepest] < 0.04


def test_sphere_roots_solve_their_equation() -> None:
    """Tan λ = λ, the first root is 4.4934."""
    roots = materials.sphere_roots(12)
    assert roots[0] == pytest.approx(4.493409457909064, abs=1e-12)
    for root in roots:
        assert math.sin(root) == pytest.approx(root * math.cos(root), abs=1e-11)


def test_five_relaxations_are_a_sphere() -> None:
    """Their sum and first moment are exact; the surface leads within 2 % of the final lead, 0.4 % after τ/1000."""
    weights, rates = np.array(materials.DIFFUSION_WEIGHTS), np.array(materials.DIFFUSION_RATES)
    assert weights.sum() == pytest.approx(1 / 5, rel=1e-14)
    assert (weights / rates).sum() == pytest.approx(1 / 175, rel=1e-13)
    squares = np.array(materials.sphere_roots(2000)) ** 2
    for time in np.geomspace(1e-5, 1.0, 60):
        true = 1 / 5 - float(np.sum(2 / squares * np.exp(-squares * time)))
        ours = float(np.sum(weights * -np.expm1(-rates * time)))
        assert ours == pytest.approx(true, abs=(0.02 if time < 1e-3 else 0.004) / 5)


def test_capacity_follows_thickness() -> None:
    """42 µm of the NMC532 electrode hold 2.81 mAh/cm² from empty to full, and exchange 5.2 mA/cm²."""
    material = MATERIALS["NMC532"]
    assert 42.0 * material.capacity_mah_cm2_per_um == pytest.approx(2.812, abs=1e-3)
    assert material.thickness_um(42.0 * material.capacity_mah_cm2_per_um) == pytest.approx(42.0)
    assert material.exchange_ma_cm2(2.8122) == pytest.approx(5.22, abs=0.01)
    assert material.diffusion_time_second == pytest.approx(2809.0)
