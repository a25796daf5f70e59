"""What layers and gases do to the losses of lithium: factors on the same electrolyte's bare lithium. All are assumptions.

No publication gives them for exactly the claimed stacks. They are set from the nearest analogues: hybrid organic and inorganic
artificial films on lithium (Kozen 2017: over 300 cycles at 1 mA/cm2), lithium phosphorus oxynitride on lithium, lithium alloys
(recrystallised Li-Mg; lower nucleation overpotential, Yan 2016), CO2 present while lithium is deposited (doubles the cycle
life; present only later it does nothing, Osaka et al.), CO2, N2 and O2 treated lithium in sulfur cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from harness.model.anode import AnodeBuild, Layer, LayerKind, Material
from harness.model.claim_facts import layer_label
from harness.model.claim_stack import CORE, under_the_stack
from harness.model.gases import CARBON_DIOXIDE, formula_of, is_hydrocarbon


@dataclass(frozen=True, slots=True)
class Effect:
    """Factors on what the electrolyte does to bare lithium; 1 changes nothing. ``because`` says what brings them about."""

    deposit_diameter: float = 1.0
    dead_fraction: float = 1.0
    film_growth: float = 1.0
    film_thickness: float = 1.0
    exchange_current: float = 1.0
    nucleation_area: float = 1.0
    because: str = ""

    def factors(self) -> dict[str, float]:
        """The factors by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "because"}

    def sentence(self) -> str:
        """``layers[0] (tin): assumed to multiply nucleation area by 5``."""
        changed = (f"{name.replace('_', ' ')} by {factor:.2g}" for name, factor in self.factors().items() if factor != 1.0)
        return f"{self.because}: assumed to multiply {', '.join(changed)}"


_STACK = (
    Effect(),
    Effect(deposit_diameter=1.5, dead_fraction=0.6, film_growth=0.7),
    Effect(deposit_diameter=2.0, dead_fraction=0.45, film_growth=0.5),
    Effect(deposit_diameter=2.7, dead_fraction=0.3, film_growth=0.38),
    Effect(deposit_diameter=3.1, dead_fraction=0.26, film_growth=0.32),
    Effect(deposit_diameter=3.5, dead_fraction=0.23, film_growth=0.27),
    Effect(deposit_diameter=4.0, dead_fraction=0.2, film_growth=0.25),
)
"""By number of layers that alternate; more protect no better."""

_LINKED_GROWTH = 0.8
"""Less solvent reaches the lithium through a cross-linked polymer."""

_NUCLEATION = {
    Material.MAGNESIUM: 20.0, Material.ZINC: 20.0, Material.SILVER: 20.0, Material.GOLD: 20.0,
    Material.ALUMINIUM: 5.0, Material.TIN: 5.0,
}  # fmt: skip
_TEMPORARY_METAL_FILM = 0.5
_INTERLAYER_GROWTH, _CO2_PLASMA_GROWTH = 0.5, 0.3
_GASES = {
    CARBON_DIOXIDE: Effect(deposit_diameter=1.6, dead_fraction=0.5, film_growth=0.45, exchange_current=1.5),
    "N2": Effect(deposit_diameter=1.4, dead_fraction=0.6, film_growth=0.5, exchange_current=2.0),
    "SO2": Effect(deposit_diameter=1.3, dead_fraction=0.6, film_growth=0.5, exchange_current=1.3),
}
_HYDROCARBON = Effect(deposit_diameter=1.2, dead_fraction=0.7, film_growth=0.6, exchange_current=1.2)
_OTHER_GAS = Effect(dead_fraction=0.8, film_growth=0.8)
_FIRST_CRACK_PER_CYCLE = 0.01
_CRACK_PER_LAYER = math.sqrt(0.3)
"""Each pair of layers must crack through by itself: 0.3 of the hazard per pair."""

_CROSS_LINKED_CRACKS = 0.5


def effects(build: AnodeBuild) -> list[Effect]:
    """Everything that changes the losses, each with what brings it about."""
    layers = build.layers or ()
    single = (_effect_of(layers, index) for index in range(len(layers)))
    return [effect for effect in (_of_gases(build), *single, _of_stack(layers)) if set(effect.factors().values()) != {1.0}]


def alternations(layers: Sequence[Layer]) -> int:
    """How many polymer and single-ion-conducting layers take turns; two of a kind on each other protect and crack as one."""
    return len(list(itertools.groupby(layer.kind for layer in layers if layer.kind in CORE)))


def crack_hazard_per_cycle(layers: Sequence[Layer]) -> float:
    """How likely a spot cracks through within a cycle: less with every layer, and with cross-linking. Without layers: 0."""
    count = alternations(layers)
    linked = _CROSS_LINKED_CRACKS if _is_cross_linked(layers) else 1.0
    return _FIRST_CRACK_PER_CYCLE * _CRACK_PER_LAYER ** (count - 1) * linked if count else 0.0


def _is_cross_linked(layers: Sequence[Layer]) -> bool:
    polymers = [layer for layer in layers if layer.kind is LayerKind.POLYMER]
    return bool(polymers) and all(layer.polymer is not None and layer.polymer.cross_linked is True for layer in polymers)


def _of_stack(layers: Sequence[Layer]) -> Effect:
    count = alternations(layers)
    best = _STACK[min(count, len(_STACK) - 1)]
    growth = best.film_growth * (_LINKED_GROWTH if _is_cross_linked(layers) else 1.0)
    because = f"layers ({'one protecting layer' if count == 1 else f'a multi-layer of {count}'})"
    return Effect(best.deposit_diameter, best.dead_fraction, growth, because=because)


def _effect_of(layers: Sequence[Layer], index: int) -> Effect:
    layer, because = layers[index], layer_label(layers, index)
    touches_lithium = under_the_stack(layers, index) is not False
    match layer.kind:
        case LayerKind.ALLOY:
            metals = [part.material for part in layer.composition or ()]
            return Effect(nucleation_area=max((_NUCLEATION.get(metal, 1.0) for metal in metals), default=1.0), because=because)
        case LayerKind.TEMPORARY_METAL if touches_lithium:
            return Effect(film_thickness=_TEMPORARY_METAL_FILM, because=because)
        case LayerKind.GAS_INTERLAYER if touches_lithium:
            return Effect(film_growth=_CO2_PLASMA_GROWTH if _is_co2_plasma(layer) else _INTERLAYER_GROWTH, because=because)
        case _:
            return Effect()


def _is_co2_plasma(layer: Layer) -> bool:
    species = (layer.gas.species if layer.gas else None) or ()
    return layer.gas is not None and layer.gas.plasma is True and CARBON_DIOXIDE in map(formula_of, species)


def _of_gases(build: AnodeBuild) -> Effect:
    """That of the gas which helps most. Gas let in after the deposition does nothing, nor does one that may have been."""
    co_deposition = build.active.co_deposition
    if co_deposition is None or co_deposition == "none" or not co_deposition.in_situ or not co_deposition.gases:
        return Effect()
    single = []
    for gas in co_deposition.gases:
        known = _HYDROCARBON if is_hydrocarbon(gas) else _OTHER_GAS
        single.append(_GASES.get(formula_of(gas.species) or "", known))
    best = min(single, key=lambda effect: effect.dead_fraction)
    return Effect(**best.factors(), because="active.co_deposition")
