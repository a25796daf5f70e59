"""Layers over the lithium: resistance, arcs, temperature, cracks; and what a build makes of a cell."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from emulator.cell import cycling, state
from emulator.cell.cells import DepositCell, SymmetricCell
from emulator.cell.effective import VOLT_PER_KELVIN
from emulator.cell.impedance import Arc
from emulator.cell.layers import cell_parameters
from emulator.cell.parameters import CellParameters, preset_parameters
from emulator.cell.state import COULOMB_PER_MAH
from emulator.noise import Normals
from harness.model.anode import load_build
from harness.model.anode_parameters import AnodeParameters, LayerParameters, anode_parameters

Recorder = Callable[[str, object], None]

STEADY = {"loss_scatter": 0.0, "cell_scatter": 0.0, "run_in_factor": 1.0}
BARE = replace(anode_parameters(load_build("bare-foil")), crack_hazard_per_cycle=0.0)


def quiet(_index: int) -> float:
    return 0.0


def lipon(thickness_um: float) -> LayerParameters:
    return LayerParameters("LiPON", thickness_um, 2e-6, 0.55, 16.6)


def stack(*layers: LayerParameters, **factors: Any) -> AnodeParameters:
    return replace(BARE, layers=layers, **factors)


def layered(*layers: LayerParameters, **overrides: float) -> CellParameters:
    return cell_parameters(stack(*layers), "fec", {**STEADY, **overrides})


def layer_arcs(cell: DepositCell) -> list[Arc]:
    return [arc for arc in cell.elements().arcs if arc.name.endswith("layers")]


def peak_hertz(arc: Arc) -> float:
    """Where −Im Z of an arc is largest, by golden section on the logarithm of frequency."""

    def capacitive(power: float) -> float:
        return -complex(arc.ohm / (1.0 + (1j * 2.0 * math.pi * 10.0**power * arc.second) ** arc.exponent)).imag

    low, high = 0.0, 9.0
    for _ in range(80):
        first, second = high - 0.618034 * (high - low), low + 0.618034 * (high - low)
        low, high = (first, high) if capacitive(first) < capacitive(second) else (low, second)
    return float(10.0**low)


@pytest.mark.parametrize("thickness_um", [0.3, 1.0, 2.0])
def test_lipon_has_fifty_ohm_per_micrometre_and_its_arc_where_it_belongs(thickness_um: float, record_property: Recorder) -> None:
    """2e-6 S/cm: 50 Ω cm² per µm on the cell, arc at 217 kHz ± 1 % (ε_r 16.6) whatever the thickness and the area."""
    cell = DepositCell(layered(lipon(thickness_um)), 2.0, quiet)
    bare = DepositCell(layered(), 2.0, quiet)
    (arc,) = layer_arcs(cell)
    record_property(f"ohm cm2 of {thickness_um:g} um", arc.ohm * 2.0)
    record_property(f"arc of {thickness_um:g} um, kHz", peak_hertz(arc) / 1e3)
    assert arc.ohm * 2.0 == pytest.approx(50.0 * thickness_um, rel=1e-12)
    assert peak_hertz(arc) == pytest.approx(217e3, rel=0.01)
    added = (cell.voltage(1e-6) - cell.voltage(-1e-6)) - (bare.voltage(1e-6) - bare.voltage(-1e-6))
    assert added / 2e-6 * 2.0 == pytest.approx(50.0 * thickness_um, rel=1e-6)


def test_lipon_follows_its_activation_energy(record_property: Recorder) -> None:
    """The slope of ln R over 1/T of the layer, 0 … 60 °C on the cell model, is its activation energy, 0.53 … 0.63 eV."""
    cell = DepositCell(layered(lipon(1.0)), 1.0, quiet)
    ohms = {}
    for kelvin in (273.15, 298.15, 333.15):
        cell.set_temperature(kelvin)
        (arc,) = layer_arcs(cell)
        ohms[kelvin] = arc.ohm
        record_property(f"ohm cm2 at {kelvin:g} K", arc.ohm)
        record_property(f"arc at {kelvin:g} K, kHz", peak_hertz(arc) / 1e3)
    slope = VOLT_PER_KELVIN * math.log(ohms[273.15] / ohms[333.15]) / (1.0 / 273.15 - 1.0 / 333.15)
    record_property("activation energy, eV", slope)
    assert slope == pytest.approx(0.55, abs=1e-6)
    assert 0.53 <= slope <= 0.63
    assert 296.0 < ohms[273.15] < 355.0
    assert 5.0 < ohms[333.15] < 6.5


@pytest.mark.parametrize("name", ["three-layers", "five-layers-plasma-co2", "three-layers-tin"])
def test_every_layer_of_a_build_is_an_arc(name: str) -> None:
    """Each layer that ions must pass shows with its own resistance and frequency; together they are the build's."""
    anode = anode_parameters(load_build(name))
    cell = DepositCell(cell_parameters(anode, "ether"), 1.0, quiet)
    arcs = layer_arcs(cell)
    assert [arc.ohm for arc in arcs] == pytest.approx([layer.resistance_ohm_cm2 for layer in anode.layers])
    for arc, layer in zip(arcs, anode.layers, strict=True):
        assert peak_hertz(arc) == pytest.approx(layer.arc_hertz, rel=1e-3)
    assert cell.latent()["layer_resistance_ohm_cm2"] == pytest.approx(anode.resistance_ohm_cm2)


def test_factors_of_a_build_act_under_its_layers() -> None:
    """The factors multiply what the electrolyte does to bare lithium; without any the cell is the bare preset's."""
    parameters = cell_parameters(stack(lipon(1.0), dead_fraction_factor=0.5, deposit_diameter_factor=2.0), "ether")
    bare = preset_parameters("bare_ether")
    assert parameters.dead_fraction == 0.5 * bare.dead_fraction
    assert parameters.deposit_diameter_um == 2.0 * bare.deposit_diameter_um
    assert parameters.bare_dead_fraction == bare.dead_fraction
    same = cell_parameters(BARE, "ether").model_dump()
    assert {name: same[name] for name in ("deposit_diameter_um", "dead_fraction", "film_thickness_nm", "layers")} == {
        name: bare.model_dump()[name] for name in ("deposit_diameter_um", "dead_fraction", "film_thickness_nm", "layers")
    }


def loss_of_a_cycle(integrity: float, **overrides: float) -> tuple[float, DepositCell]:
    """Lithium lost per lithium plated in the second of two cycles."""
    anode = stack(lipon(1.2), dead_fraction_factor=0.2, deposit_diameter_factor=4.0, film_growth_factor=0.2)
    cell = DepositCell(cell_parameters(anode, "fec", {**STEADY, **overrides}), 1.0, quiet)
    cell.set_integrity(integrity)
    cycling.run(cell, (cycling.Carry(-5e-4, 7200.0), cycling.Carry(5e-4, 1e6, high_volt=1.0)), 2, 60.0)
    kept = cell.tracked().lithium_efficiency()
    assert kept is not None
    return 1.0 - kept, cell


def test_cracks_take_the_current_and_with_it_the_protection(record_property: Recorder) -> None:
    """1/R = θ/R_l + (1 − θ)/R_c; losses are those of both parts weighted by current, so falling R and falling CE go together."""
    protected, whole = loss_of_a_cycle(1.0)
    bare, _ = loss_of_a_cycle(0.0)
    for integrity in (0.99, 0.9, 0.5):
        loss, cell = loss_of_a_cycle(integrity)
        ohm = 1.0 / (integrity / 60.0 + (1.0 - integrity) / 5.0)
        share = (1.0 - integrity) / 5.0 * ohm
        record_property(f"integrity {integrity:g}: ohm cm2, share of current, loss", (ohm, share, loss))
        assert cell.latent()["layer_resistance_ohm_cm2"] == pytest.approx(ohm)
        assert cell.latent()["crack_current_fraction"] == pytest.approx(share)
        assert sum(arc.ohm for arc in layer_arcs(cell)) == pytest.approx(ohm)
        assert loss == pytest.approx(protected + share * (bare - protected), rel=0.04)
    unlayered = DepositCell(cell_parameters(BARE, "fec", STEADY), 1.0, quiet)
    cycling.run(unlayered, (cycling.Carry(-5e-4, 7200.0), cycling.Carry(5e-4, 1e6, high_volt=1.0)), 2, 60.0)
    kept = unlayered.tracked().lithium_efficiency()
    assert kept is not None
    assert bare == pytest.approx(1.0 - kept, rel=1e-3)
    assert whole.latent()["crack_current_fraction"] == 0.0


def test_layers_crack_with_every_deposit(record_property: Recorder) -> None:
    """dθ per cycle is −h_c (1 + Q v / (ε_max L)) with the charge of the deposit before; θ stays at zero."""
    overrides = {"crack_per_cycle": 0.01, "polymer_thickness_um": 2.0, "polymer_strain_max": 1.0, "formation_mah_cm2": 0.0}
    cell = DepositCell(layered(lipon(1.0), **overrides), 1.0, quiet)
    steps = (cycling.Carry(-5e-4, 7200.0), cycling.Carry(5e-4, 1e6, high_volt=1.0))
    cycling.run(cell, steps, 5, 60.0)
    lost = 1.0 - cell.tracked().integrity
    record_property("integrity lost in four cycles", lost)
    assert lost == pytest.approx(4 * 0.01 * (1.0 + 4.85 / 2.0), rel=2e-3)
    cycling.run(cell, steps, 40, 60.0)
    assert cell.tracked().integrity == 0.0
    assert cell.latent()["layer_resistance_ohm_cm2"] == pytest.approx(5.0)


def test_crack_events_come_at_random_with_their_mean(record_property: Recorder) -> None:
    """Events at 0.2 per cycle come about every fifth cycle, each of its size, at other cycles in other cells."""
    overrides = {"crack_event_per_cycle": 0.2, "crack_event_size": 1e-3}
    counts = []
    for seed in range(20):
        chance = (Normals(seed, "a1", "cracks").value, quiet)
        cell = DepositCell(layered(lipon(1.0), **overrides), 1.0, quiet, chance=chance)
        for _ in range(41):
            cell.advance(-5e-4, 600.0)
            cell.advance(5e-4, 300.0)
        counts.append(round((1.0 - cell.tracked().integrity) / 1e-3))
    mean = sum(counts) / len(counts)
    record_property("events in 40 cycles", mean)
    assert mean == pytest.approx(8.0, abs=3.0 * math.sqrt(8.0 / len(counts)))
    assert len(set(counts)) > 5


def test_alloying_lithium_is_in_the_books_from_the_start() -> None:
    """Lithium that metals take up never cycles: bound in a foil's film, or reduced first on copper."""
    parameters = cell_parameters(stack(lipon(0.3), alloyed_mah_cm2=0.1), "fec", STEADY)
    foil = SymmetricCell(parameters, 1.0, quiet, quiet, 5.0).latent()
    assert (foil["bulk_mah_cm2"], foil["film_mah_cm2"]) == pytest.approx((4.9, 0.1))
    copper = DepositCell(parameters, 1.0, quiet)
    copper.advance(-1e-3, 0.3 * COULOMB_PER_MAH / 1e-3)
    assert copper.latent()["film_mah_cm2"] > 0.1 + parameters.formation_mah_cm2
    assert copper.read(state.TRACKED + state.FORMATION_LEFT) == 0.0


def test_substrate_resistance_is_outside_of_every_arc() -> None:
    """A sheet's resistance adds to the real part at every frequency and to the voltage, as ohms of the cell."""
    plain, sheet = (
        DepositCell(cell_parameters(stack(substrate_resistance_ohm=ohm), "fec", STEADY), 2.0, quiet) for ohm in (0.0, 7.0)
    )
    for power in range(-3, 7):
        assert cmath.isclose(sheet.elements().impedance(10.0**power) - plain.elements().impedance(10.0**power), 7.0)
    assert sheet.voltage(1e-3) - plain.voltage(1e-3) == pytest.approx(7e-3)


def test_symmetric_cell_falls_with_temperature(record_property: Recorder) -> None:
    """Li||Li under 60 Ω cm² of layers: area resistance falls by more than an order of magnitude from 0 to 60 °C."""
    cell = SymmetricCell(preset_parameters("claim1_stack", STEADY), 1.0, quiet, quiet)
    found = []
    for celsius in (0.0, 10.0, 25.0, 40.0, 60.0):
        cell.set_temperature(celsius + 273.15)
        found.append(cell.elements().direct_ohm)
        assert (cell.voltage(1e-8) - cell.voltage(-1e-8)) / 2e-8 < cell.elements().direct_ohm * 1.0001
    record_property("ohm cm2 at 0, 10, 25, 40, 60 C", found)
    assert found == sorted(found, reverse=True)
    assert 20.0 < found[0] / found[-1] < 80.0
