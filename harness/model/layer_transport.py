"""How ions pass through a layer at 25 °C: what was measured on the build, and what is typical of its material otherwise.

Typical values are those of thin films and gels in the literature. Marked [V] are values read in the publication; all others are
orders of magnitude from general knowledge, good enough to see which layer matters, and every use of them is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.model.anode import Component, Conductivity, Layer, LayerKind, Material, MonomerClass, Polymer
from harness.model.claim_facts import spoken
from harness.model.gases import formula_of

BOLTZMANN_EV_PER_KELVIN = 8.617333e-5
REFERENCE_KELVIN = 298.15


@dataclass(frozen=True, slots=True)
class Transport:
    """Conductivity at 25 °C, its activation energy, and the permittivity that sets the arc's frequency."""

    conductivity_s_cm: float
    activation_energy_ev: float
    relative_permittivity: float


_OXIDE_EV, _SULFIDE_EV, _POLYMER_EV = 0.6, 0.35, 0.52
_POLYMER_PERMITTIVITY = 5.0
_SWOLLEN_S_CM = 1e-4
_FULL_SWELLING = 0.3
"""Relative volume taken up at which a layer conducts like a gel."""

_TYPICAL: dict[Material, Transport] = {
    # [V] Bates 1993 (2e-6 S/cm); Xu and Dudney, Put 2016, Nisula 2015: 0.53 to 0.63 eV; the permittivity puts the arc at 217 kHz
    Material.LITHIUM_PHOSPHORUS_OXYNITRIDE: Transport(2e-6, 0.55, 16.6),
    Material.LITHIUM_SILICATE: Transport(1e-8, _OXIDE_EV, 10.0),
    Material.LITHIUM_BORATE: Transport(3e-9, _OXIDE_EV, 10.0),
    Material.LITHIUM_ALUMINATE: Transport(5e-8, _OXIDE_EV, 10.0),
    Material.LITHIUM_PHOSPHATE: Transport(7e-8, _OXIDE_EV, 10.0),
    Material.LITHIUM_LANTHANUM_OXIDE: Transport(4e-7, _OXIDE_EV, 10.0),  # [V] as amorphous Li-La-Zr-O
    Material.LITHIUM_TANTALUM_OXIDE: Transport(1e-7, _OXIDE_EV, 10.0),
    Material.LITHIUM_NIOBIUM_OXIDE: Transport(1e-7, _OXIDE_EV, 10.0),
    Material.LITHIUM_TITANIUM_OXIDE: Transport(1e-8, _OXIDE_EV, 10.0),
    Material.LITHIUM_SILICOSULFIDE: Transport(3e-4, _SULFIDE_EV, 10.0),
    Material.LITHIUM_GERMANOSULFIDE: Transport(4e-5, _SULFIDE_EV, 10.0),
    Material.LITHIUM_BOROSULFIDE: Transport(3e-4, _SULFIDE_EV, 10.0),
    Material.LITHIUM_ALUMINOSULFIDE: Transport(2.5e-7, _SULFIDE_EV, 10.0),
    Material.LITHIUM_PHOSPHOSULFIDE: Transport(3e-4, _SULFIDE_EV, 10.0),
    # products of gas treatments: thin and porous, so that 20 nm are 40 ohm cm2
    Material.LITHIUM_CARBONATE: Transport(5e-8, _OXIDE_EV, 8.0),
    Material.LITHIUM_OXIDE: Transport(5e-8, _OXIDE_EV, 8.0),
    Material.LITHIUM_FLUORIDE: Transport(5e-8, _OXIDE_EV, 8.0),
    Material.LITHIUM_CARBIDE: Transport(5e-8, _OXIDE_EV, 8.0),
    Material.LITHIUM_DITHIONITE: Transport(5e-8, _OXIDE_EV, 8.0),
    Material.LITHIUM_NITRIDE: Transport(1e-3, 0.4, 10.0),
}
_OF_KIND = {
    LayerKind.SINGLE_ION_CONDUCTING: _TYPICAL[Material.LITHIUM_PHOSPHORUS_OXYNITRIDE],
    LayerKind.GAS_INTERLAYER: _TYPICAL[Material.LITHIUM_CARBONATE],
}
_ANY_LAYER = Transport(1e-6, _OXIDE_EV, 10.0)
_GAS_PRODUCT = {
    "CO2": Material.LITHIUM_CARBONATE, "N2": Material.LITHIUM_NITRIDE, "SO2": Material.LITHIUM_DITHIONITE,
    "O2": Material.LITHIUM_OXIDE, "C2H2": Material.LITHIUM_CARBIDE,
}  # fmt: skip
_DRY_S_CM = {
    # with salt, without. [V] polyglycol with salt: 2.8e-6 S/cm at 20 °C, 1.8e-4 at 95 °C, hence 0.52 eV and 4e-6 at 25 °C
    MonomerClass.POLYGLYCOL_ACRYLATE: (4e-6, 1e-8),
    MonomerClass.GLYCOL_ACRYLATE: (1e-6, 1e-8),
    MonomerClass.ALKYL_ACRYLATE: (1e-7, 1e-9),
    MonomerClass.OTHER: (1e-7, 1e-9),
}
_CLASS_IF_UNKNOWN = MonomerClass.GLYCOL_ACRYLATE


def at_reference(conductivity_s_cm: float, kelvin: float, activation_energy_ev: float) -> float:
    """The conductivity at 25 °C of one measured at ``kelvin``: σ·exp(Ea/k (1/T − 1/298.15 K))."""
    steps = activation_energy_ev / BOLTZMANN_EV_PER_KELVIN * (1 / kelvin - 1 / REFERENCE_KELVIN)
    return conductivity_s_cm * math.exp(steps)


def transport(layer: Layer) -> tuple[Transport, str, tuple[str, ...]]:
    """What carries the current: the numbers, what they are typical of, and which of them were not measured."""
    typical, of_what = _typical(layer)
    measured = layer.conductivity
    if measured is None:
        missing = (f"conductivity {typical.conductivity_s_cm:.2g} S/cm", f"activation energy {typical.activation_energy_ev:g} eV")
        return typical, of_what, (*missing, _permittivity(typical))
    used, missing_energy = _from_measured(measured, typical)
    return used, of_what, (*missing_energy, _permittivity(typical))


def _from_measured(measured: Conductivity, typical: Transport) -> tuple[Transport, tuple[str, ...]]:
    energy = measured.activation_energy_ev
    taken = typical.activation_energy_ev if energy is None else energy
    conductivity = at_reference(measured.value_s_cm, measured.temperature_k, taken)
    missing = (f"activation energy {taken:g} eV",) if energy is None else ()
    return Transport(conductivity, taken, typical.relative_permittivity), missing


def _permittivity(typical: Transport) -> str:
    return f"relative permittivity {typical.relative_permittivity:g}"


def _typical(layer: Layer) -> tuple[Transport, str]:
    if layer.kind is LayerKind.POLYMER:
        return _typical_polymer(layer.polymer or Polymer())
    material = _main_material(layer.composition) or _gas_product(layer)
    if material in _TYPICAL:
        return _TYPICAL[material], spoken(material)
    if layer.kind in _OF_KIND:
        return _OF_KIND[layer.kind], f"a layer of kind {spoken(layer.kind)}"
    return _ANY_LAYER, "any thin layer"


def _main_material(composition: tuple[Component, ...] | None) -> Material | None:
    """The one with the largest stated share, else the first."""
    return max(composition, key=lambda part: part.fraction or 0.0).material if composition else None


def _gas_product(layer: Layer) -> Material | None:
    species = (layer.gas.species if layer.gas else None) or ()
    known = [_GAS_PRODUCT[formula] for name in species if (formula := formula_of(name)) in _GAS_PRODUCT]
    return known[0] if known else None


def _typical_polymer(polymer: Polymer) -> tuple[Transport, str]:
    """Between dry and swollen the conductivity is interpolated on a logarithmic scale; the less conducting monomer counts."""
    classes = [monomer.class_ or _CLASS_IF_UNKNOWN for monomer in polymer.monomers or ()] or [_CLASS_IF_UNKNOWN]
    has_salt = polymer.salt != "none"
    slowest = min(classes, key=lambda kind: _DRY_S_CM[kind])
    dry = _DRY_S_CM[slowest][0 if has_salt else 1]
    share = min(1.0, swelling_of(polymer) / _FULL_SWELLING)
    kind = "polymer" if slowest is MonomerClass.OTHER else spoken(slowest)
    of_what = f"a {'salted' if has_salt else 'salt-free'} {kind} swollen by {swelling_of(polymer):g} of its volume"
    return Transport(dry ** (1 - share) * _SWOLLEN_S_CM**share, _POLYMER_EV, _POLYMER_PERMITTIVITY), of_what


def swelling_of(polymer: Polymer) -> float:
    """Relative volume of electrolyte taken up; cross-linking reduces it two to five times where it was not measured."""
    if polymer.swelling is not None:
        return polymer.swelling
    return {True: 0.1, False: 0.3, None: 0.2}[polymer.cross_linked]
