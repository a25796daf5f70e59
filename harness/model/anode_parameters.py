"""What a build means for a cell, as numbers: lithium inventory, layer resistances, and factors on the bare electrode's losses.

Used by ``harness build diff`` and by the emulator, which is why it lives here and not with the emulated cell. Every value that no
measurement of the build backs is an assumption and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.model.anode import (
    ActiveLithium,
    AnodeBuild,
    CoDeposition,
    Layer,
    LayerKind,
    Material,
    Substrate,
    SubstrateClass,
)
from harness.model.anode_effects import Effect, crack_hazard_per_cycle, effects
from harness.model.claim_facts import layer_label, listed, spoken
from harness.model.layer_transport import transport

FARADAY_COULOMB_PER_MOL = 96485.33212
VACUUM_PERMITTIVITY_FARAD_PER_CM = 8.8541878e-14
LITHIUM_MAH_CM2_PER_UM = 0.534 / 6.94 * FARADAY_COULOMB_PER_MOL / 3.6 * 1e-4
"""0.534 g/cm3 × F / (6.94 g/mol): the areal capacity of 1 µm of lithium, 0.206 mAh/cm2."""


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """One layer at 25 °C. The arc's frequency is σ/(2π ε0 ε_r), whatever the thickness."""

    name: str
    thickness_um: float
    conductivity_s_cm: float
    activation_energy_ev: float
    relative_permittivity: float

    @property
    def resistance_ohm_cm2(self) -> float:
        """L/σ."""
        return self.thickness_um * 1e-4 / self.conductivity_s_cm

    @property
    def arc_hertz(self) -> float:
        """Where the layer's arc peaks."""
        return self.conductivity_s_cm / (2 * math.pi * VACUUM_PERMITTIVITY_FARAD_PER_CM * self.relative_permittivity)


@dataclass(frozen=True, slots=True)
class AnodeParameters:
    """Factors multiply what the same electrolyte does to bare lithium; 1 changes nothing.

    ``lithium_mah_cm2`` is what was put there; ``alloyed_mah_cm2`` of it goes into metals and cycles no more. ``layers`` are those
    that ions must pass, from the lithium outwards: alloys and temporary metals are not among them. ``polymer_thickness_um`` is
    that of all polymer layers, which stretch before they crack.
    """

    lithium_mah_cm2: float
    lithium_mah_cm2_std: float
    alloyed_mah_cm2: float
    layers: tuple[LayerParameters, ...]
    substrate_resistance_ohm: float
    deposit_diameter_factor: float
    dead_fraction_factor: float
    film_growth_factor: float
    film_thickness_factor: float
    exchange_current_factor: float
    nucleation_area_factor: float
    crack_hazard_per_cycle: float
    polymer_thickness_um: float
    assumptions: tuple[str, ...]

    @property
    def cyclable_mah_cm2(self) -> float:
        """What is left of the lithium when the metals have taken theirs."""
        return max(0.0, self.lithium_mah_cm2 - self.alloyed_mah_cm2)

    @property
    def resistance_ohm_cm2(self) -> float:
        """Of all layers."""
        return math.fsum(layer.resistance_ohm_cm2 for layer in self.layers)


_THICKNESS_UM = {
    LayerKind.POLYMER: 1.0, LayerKind.SINGLE_ION_CONDUCTING: 0.5, LayerKind.ALLOY: 0.1, LayerKind.TEMPORARY_METAL: 0.1,
    LayerKind.GAS_INTERLAYER: 0.02,
}  # fmt: skip
_ANY_THICKNESS_UM = 0.5
_PLASMA_INTERLAYER_UM = 0.01
_LITHIUM_UM, _LITHIUM_UM_STD, _RELATIVE_STD = 50.0, 10.0, 0.05
_METALS = (LayerKind.ALLOY, LayerKind.TEMPORARY_METAL)
_UPTAKE_MAH_CM2_PER_UM = {
    # fully lithiated: LiAl, Li22Sn5, Li9Ag4, Li15Au4, from density and molar mass; Mg and Zn dissolve and take little
    Material.ALUMINIUM: 0.268, Material.TIN: 0.726, Material.SILVER: 0.586, Material.GOLD: 0.985,
    Material.MAGNESIUM: 0.0, Material.ZINC: 0.0, Material.COPPER: 0.0,
}  # fmt: skip
_SHEET_OHM_SQ = {
    SubstrateClass.METAL_FOIL: 0.0,
    SubstrateClass.METALLIZED_POLYMER_FILM: 0.17,  # 100 nm of copper
    SubstrateClass.CONDUCTIVE_POLYMER_FILM_METAL_COATING: 0.17,
    SubstrateClass.POLYMER_FILM_CONDUCTIVE_COATING: 10.0,
    SubstrateClass.CONDUCTIVE_POLYMER_FILM: 30.0,
    SubstrateClass.POLYMER_FILM_DISPERSED_PARTICLES: 100.0,
}


def anode_parameters(build: AnodeBuild) -> AnodeParameters:
    """The parameters of ``build``; what is unknown takes the typical value of its kind and is named in ``assumptions``."""
    told: list[str] = []
    layers, found = build.layers or (), effects(build)
    lithium, std = _inventory(build.active, told)

    def product(factor: Callable[[Effect], float]) -> float:
        return math.prod(map(factor, found))

    parameters = AnodeParameters(
        lithium_mah_cm2=lithium,
        lithium_mah_cm2_std=std,
        alloyed_mah_cm2=_alloyed(layers, told),
        layers=tuple(_layer(layers, index, told) for index, layer in enumerate(layers) if layer.kind not in _METALS),
        substrate_resistance_ohm=_substrate_ohm(build.substrate, told),
        deposit_diameter_factor=product(lambda effect: effect.deposit_diameter),
        dead_fraction_factor=product(lambda effect: effect.dead_fraction),
        film_growth_factor=product(lambda effect: effect.film_growth),
        film_thickness_factor=product(lambda effect: effect.film_thickness),
        exchange_current_factor=product(lambda effect: effect.exchange_current),
        nucleation_area_factor=product(lambda effect: effect.nucleation_area),
        crack_hazard_per_cycle=_crack_hazard(layers, told),
        polymer_thickness_um=math.fsum(_thickness_um(layer)[0] for layer in layers if layer.kind is LayerKind.POLYMER),
        assumptions=(),
    )
    return replace(parameters, assumptions=(*told, *_open_questions(build), *(effect.sentence() for effect in found)))


def _inventory(active: ActiveLithium, told: list[str]) -> tuple[float, float]:
    """Areal capacity and its standard uncertainty: as measured, else from the thickness."""
    measured, thickness = active.areal_capacity_mah_cm2, active.thickness
    if measured is not None:
        told.append(f"active.areal_capacity_mah_cm2: standard uncertainty taken as {_RELATIVE_STD:.0%}")
        return measured, measured * _RELATIVE_STD
    if thickness is None:
        told.append(f"active.thickness is not known: taken as {_LITHIUM_UM:g} ± {_LITHIUM_UM_STD:g} µm")
        return _LITHIUM_UM * LITHIUM_MAH_CM2_PER_UM, _LITHIUM_UM_STD * LITHIUM_MAH_CM2_PER_UM
    std = thickness.u_um
    if std is None:
        std = thickness.value_um * _RELATIVE_STD
        told.append(f"active.thickness.u_um is not known: taken as {_RELATIVE_STD:.0%} of the thickness")
    return thickness.value_um * LITHIUM_MAH_CM2_PER_UM, std * LITHIUM_MAH_CM2_PER_UM


def _alloyed(layers: Sequence[Layer], told: list[str]) -> float:
    """Lithium that metals take up for good; a mixed layer by its shares, which are taken as shares of its volume."""
    taken = 0.0
    for index, layer in enumerate(layers):
        if layer.kind not in _METALS:
            continue
        uptake, here = _uptake(layer), layer_label(layers, index)
        thickness, is_known = _thickness_um(layer)
        taken += uptake * thickness
        size = "" if is_known else f"thickness taken as {thickness:g} µm, "
        amount = f"{uptake * thickness:.2g} mAh/cm2 of lithium, fully lithiated" if uptake else "no lithium"
        told.append(f"{here}: {size}assumed to take up {amount}")
    return taken


def _uptake(layer: Layer) -> float:
    components = layer.composition or ()
    even = 1 / len(components) if components else 0.0
    return math.fsum((part.fraction or even) * _UPTAKE_MAH_CM2_PER_UM.get(part.material, 0.0) for part in components)


def _layer(layers: Sequence[Layer], index: int, told: list[str]) -> LayerParameters:
    layer, here = layers[index], layer_label(layers, index)
    numbers, of_what, assumed = transport(layer)
    thickness, is_known = _thickness_um(layer)
    if not is_known:
        told.append(f"{here}: thickness is not known: taken as {thickness:g} µm")
    told.append(f"{here}: {listed(assumed)} assumed, as typical of {of_what}")
    return LayerParameters(
        name=" ".join((layer.name or spoken(layer.kind)).split()),
        thickness_um=thickness,
        conductivity_s_cm=numbers.conductivity_s_cm,
        activation_energy_ev=numbers.activation_energy_ev,
        relative_permittivity=numbers.relative_permittivity,
    )


def _thickness_um(layer: Layer) -> tuple[float, bool]:
    """The thickness, and whether it is known. What a plasma makes is denser and thinner than what a gas alone makes."""
    if layer.thickness is not None:
        return layer.thickness.value_um, True
    if layer.kind is LayerKind.GAS_INTERLAYER and layer.gas is not None and layer.gas.plasma:
        return _PLASMA_INTERLAYER_UM, False
    return (_ANY_THICKNESS_UM if layer.kind is None else _THICKNESS_UM.get(layer.kind, _ANY_THICKNESS_UM)), False


def _substrate_ohm(substrate: Substrate | None, told: list[str]) -> float:
    """A disc contacted at its edge: R_sq/8π, lumped. Where the substrate does not conduct, the lithium carries the current."""
    if substrate is None:
        told.append("substrate is not known: taken as without resistance")
        return 0.0
    sheet = substrate.sheet_resistance_ohm_sq
    if sheet is None:
        kind = substrate.class_
        sheet = 0.0 if kind is None else _SHEET_OHM_SQ.get(kind, 0.0)
        if kind is not SubstrateClass.NONE:
            told.append(f"substrate.sheet_resistance_ohm_sq: {sheet:g} ohm/sq assumed, as typical of a {spoken(kind)}")
    return sheet / (8 * math.pi)


def _crack_hazard(layers: Sequence[Layer], told: list[str]) -> float:
    hazard = crack_hazard_per_cycle(layers)
    if hazard:
        told.append(f"layers: crack hazard {hazard:.2g} per cycle assumed; it falls with every layer and with cross-linking")
    return hazard


def _open_questions(build: AnodeBuild) -> list[str]:
    """Unknown facts that were taken as making no difference."""
    co_deposition = build.active.co_deposition
    open_ones = {
        "layers": build.layers is None,
        "active.co_deposition": co_deposition is None and build.active.origin != "foil",
        "active.co_deposition.in_situ": isinstance(co_deposition, CoDeposition) and co_deposition.in_situ is None,
        "active.co_deposition.gases": isinstance(co_deposition, CoDeposition) and co_deposition.gases is None,
    }
    return [f"{place} is not known: taken as making no difference" for place, is_open in open_ones.items() if is_open]
