"""What the claims ask of single layers: alloy (6), glass (7), polymer (8, 9), and what lies under the multi-layer (10 to 12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.model.anode import AnodeBuild, Component, Layer, LayerKind, Material, MonomerClass
from harness.model.claim_facts import Fact, Reading, every, is_kind, layer_label, layers_label, listed, some, spoken, unknown
from harness.model.claim_stack import core_indices, first_unknown_kind, under_the_stack
from harness.model.gases import is_carbon_dioxide

GLASSES = frozenset({
    Material.LITHIUM_SILICATE, Material.LITHIUM_BORATE, Material.LITHIUM_ALUMINATE, Material.LITHIUM_PHOSPHATE,
    Material.LITHIUM_PHOSPHORUS_OXYNITRIDE, Material.LITHIUM_SILICOSULFIDE, Material.LITHIUM_GERMANOSULFIDE,
    Material.LITHIUM_LANTHANUM_OXIDE, Material.LITHIUM_TANTALUM_OXIDE, Material.LITHIUM_NIOBIUM_OXIDE,
    Material.LITHIUM_TITANIUM_OXIDE, Material.LITHIUM_BOROSULFIDE, Material.LITHIUM_ALUMINOSULFIDE,
    Material.LITHIUM_PHOSPHOSULFIDE,
})  # fmt: skip
ALLOY_METALS = frozenset({Material.ZINC, Material.MAGNESIUM, Material.TIN, Material.ALUMINIUM})
ACRYLATES = frozenset({MonomerClass.ALKYL_ACRYLATE, MonomerClass.GLYCOL_ACRYLATE, MonomerClass.POLYGLYCOL_ACRYLATE})

LayerTest = Callable[[Sequence[Layer], int], Fact]
"""Whether something holds for one of the layers."""


def alloy_between(build: AnodeBuild, reading: Reading) -> Fact:
    """Claim 6: an alloy of Zn, Mg, Sn or Al between a polymer and a single-ion-conducting layer.

    Strictly it lies directly on the first layer of the multi-layer, broadly between any two that differ.
    """
    if build.layers is None:
        return unknown("layers")
    layers = build.layers
    facts = [_alloy_here(layers, index, reading) for index in _not_surely_other(layers, LayerKind.ALLOY)]
    return _some_layer(facts, "layers has none of kind alloy between a polymer and a single-ion-conducting layer")


def _alloy_here(layers: Sequence[Layer], index: int, reading: Reading) -> Fact:
    metal = _has_alloy_metal(layers, index)
    holding = f"{metal.sentence}, between a polymer and a single-ion-conducting layer"
    return every((metal, _lies_between(layers, index, reading)), holding)


def _lies_between(layers: Sequence[Layer], index: int, reading: Reading) -> Fact:
    """Where an alloy stands in the multi-layer; known only if every kind is."""
    if (gap := first_unknown_kind(layers)) is not None:
        return unknown(f"{layer_label(layers, gap)}: kind")
    here, core = layer_label(layers, index), core_indices(layers)
    below = [number for number in core if number < index]
    above = [number for number in core if number > index]
    if not below or not above:
        return Fact(False, f"{here}: kind alloy has no polymer or single-ion-conducting layer {'above' if below else 'below'} it")
    around = layers_label([below[-1], above[0]])
    for number in range(below[-1] + 1, above[0]):
        if layers[number].kind is not LayerKind.ALLOY:
            parting = f"{layer_label(layers, number)}: kind {spoken(layers[number].kind)}"
            return Fact(False, f"{parting} lies beside the alloy between {around}")
    if layers[below[-1]].kind is layers[above[0]].kind:
        return Fact(False, f"{here}: kind alloy lies between {around}, which are both {spoken(layers[above[0]].kind)}")
    if reading is Reading.STRICT and len(below) > 1:
        return Fact(False, f"{here}: kind alloy lies between {around}, not directly on the first layer, layers[{core[0]}]")
    return Fact(True, here)


def _has_alloy_metal(layers: Sequence[Layer], index: int) -> Fact:
    here, components = layer_label(layers, index), layers[index].composition
    if components is None:
        return unknown(f"{here}: composition")
    metals = [spoken(part.material) for part in components if part.material in ALLOY_METALS]
    if not metals:
        return Fact(False, f"{here}: composition names none of zinc, magnesium, tin and aluminium")
    return Fact(True, f"{here}: composition has {listed(metals)}")


def glass(build: AnodeBuild, reading: Reading) -> Fact:
    """Claim 7: every single-ion-conducting layer (strictly) or some (broadly) comprises a glass of the list."""
    if build.layers is None:
        return unknown("layers")
    kind = LayerKind.SINGLE_ION_CONDUCTING
    if reading is Reading.STRICT:
        return _each(build.layers, kind, _is_glass, "composition comprises a glass of the list")
    layers = build.layers
    glasses = ((index, _is_glass(layers, index)) for index in _not_surely_other(layers, kind))
    facts = [every((_of_kind(layers, index, kind), fact), fact.sentence) for index, fact in glasses]
    return _some_layer(facts, "layers has none of kind single-ion conducting")


def _is_glass(layers: Sequence[Layer], index: int) -> Fact:
    here, components = layer_label(layers, index), layers[index].composition
    if components is None:
        return unknown(f"{here}: composition")
    named = ((number, part) for number, part in enumerate(components) if part.material in GLASSES)
    facts = [_component_is_glass(f"{here}: composition[{number}]", part) for number, part in named]
    return some(facts, facts[0].sentence if facts else f"{here}: composition names no glass of the list")


def _component_is_glass(place: str, component: Component) -> Fact:
    if component.glass is None:
        return unknown(f"{place}.glass of the {spoken(component.material)}")
    state = "is a glass" if component.glass else "is not a glass"
    return Fact(component.glass, f"{place}, {spoken(component.material)}, {state}")


def cross_linked(build: AnodeBuild) -> Fact:
    """Claim 8: every polymer layer is cross-linked."""
    if build.layers is None:
        return unknown("layers")
    return _each(build.layers, LayerKind.POLYMER, _is_cross_linked, "polymer.cross_linked is true")


def _is_cross_linked(layers: Sequence[Layer], index: int) -> Fact:
    place, polymer = f"{layer_label(layers, index)}: polymer.cross_linked", layers[index].polymer
    if polymer is None or polymer.cross_linked is None:
        return unknown(place)
    return Fact(polymer.cross_linked, f"{place} is {'true' if polymer.cross_linked else 'false'}")


def acrylate(build: AnodeBuild) -> Fact:
    """Claim 9: every polymer layer is made from an alkyl, glycol or polyglycol acrylate, among others perhaps."""
    if build.layers is None:
        return unknown("layers")
    holding = "polymer.monomers has an alkyl, glycol or polyglycol acrylate"
    return _each(build.layers, LayerKind.POLYMER, _has_acrylate, holding)


def _has_acrylate(layers: Sequence[Layer], index: int) -> Fact:
    place, polymer = f"{layer_label(layers, index)}: polymer.monomers", layers[index].polymer
    if polymer is None or polymer.monomers is None:
        return unknown(place)
    facts = [
        unknown(f"{place}[{number}].class") if monomer.class_ is None else Fact(monomer.class_ in ACRYLATES, place)
        for number, monomer in enumerate(polymer.monomers)
    ]
    return some(facts, f"{place} has no alkyl, glycol or polyglycol acrylate")


def temporary_metal(build: AnodeBuild) -> Fact:
    """Claim 10: a temporary metal between the lithium and the multi-layer."""
    return _under(build, LayerKind.TEMPORARY_METAL, ())


def gas_interlayer(build: AnodeBuild) -> Fact:
    """Claim 11: a layer made by a gas treatment, between the lithium and the multi-layer."""
    return _under(build, LayerKind.GAS_INTERLAYER, ())


def plasma_interlayer(build: AnodeBuild) -> Fact:
    """Claim 12: such a layer, made by a plasma of CO2."""
    return _under(build, LayerKind.GAS_INTERLAYER, (_is_plasma, _is_of_carbon_dioxide))


def _is_plasma(layers: Sequence[Layer], index: int) -> Fact:
    place, treatment = f"{layer_label(layers, index)}: gas.plasma", layers[index].gas
    if treatment is None or treatment.plasma is None:
        return unknown(place)
    return Fact(treatment.plasma, f"{place} is {'true' if treatment.plasma else 'false'}")


def _is_of_carbon_dioxide(layers: Sequence[Layer], index: int) -> Fact:
    place, treatment = f"{layer_label(layers, index)}: gas.species", layers[index].gas
    if treatment is None or treatment.species is None:
        return unknown(place)
    facts = (Fact(is_carbon_dioxide(name), f'{place} has "{" ".join(name.split())}"') for name in treatment.species)
    found = some(facts, f"{place} has no CO2")
    return Fact(None, f"{found.sentence}, which is no formula") if found.truth is None else found


def _under(build: AnodeBuild, kind: LayerKind, tests: Sequence[LayerTest]) -> Fact:
    if build.layers is None:
        return unknown("layers")
    layers = build.layers
    facts = [_under_here(layers, index, kind, tests) for index in _not_surely_other(layers, kind)]
    return _some_layer(facts, f"layers has none of kind {spoken(kind)} between the lithium and {_first_of_stack(layers)}")


def _first_of_stack(layers: Sequence[Layer]) -> str:
    core = core_indices(layers)
    return f"{layer_label(layers, core[0])}, the first of the multi-layer" if core else "a multi-layer"


def _under_here(layers: Sequence[Layer], index: int, kind: LayerKind, tests: Sequence[LayerTest]) -> Fact:
    here = layer_label(layers, index)
    details = [test(layers, index) for test in tests]
    told = listed([f"kind is {spoken(kind)}", *(fact.sentence.removeprefix(f"{here}: ") for fact in details)])
    holding = f"{here}: between the lithium and the multi-layer, {told}"
    return every((_of_kind(layers, index, kind), _lies_under(layers, index), *details), holding)


def _lies_under(layers: Sequence[Layer], index: int) -> Fact:
    truth = under_the_stack(layers, index)
    if truth is None:
        return unknown(f"{layer_label(layers, first_unknown_kind(layers) or 0)}: kind")
    kind = layers[index].kind
    what = "whatever its kind, it" if kind is None else f"kind {spoken(kind)}"
    return Fact(truth, f"{layer_label(layers, index)}: {what} does not lie between the lithium and the multi-layer")


def _of_kind(layers: Sequence[Layer], index: int, kind: LayerKind) -> Fact:
    truth = is_kind(layers[index], kind)
    here = layer_label(layers, index)
    return unknown(f"{here}: kind") if truth is None else Fact(truth, f"{here}: kind is {spoken(layers[index].kind)}")


def _not_surely_other(layers: Sequence[Layer], kind: LayerKind) -> list[int]:
    return [index for index, layer in enumerate(layers) if layer.kind in (kind, None)]


def _each(layers: Sequence[Layer], kind: LayerKind, test: LayerTest, holding: str) -> Fact:
    """Whether ``test`` holds for every layer of ``kind``; one of unknown kind counts unless the test holds for it anyway."""
    facts: list[Fact] = []
    for index in _not_surely_other(layers, kind):
        fact = test(layers, index)
        is_open = layers[index].kind is None and fact.truth is not True
        facts.append(unknown(f"{layer_label(layers, index)}: kind") if is_open else fact)
    sure = [index for index, layer in enumerate(layers) if layer.kind is kind]
    places = layer_label(layers, sure[0]) if len(sure) == 1 else layers_label(sure)
    return every(facts, f"{places}: {holding}" if sure else f"layers has none known to be of kind {spoken(kind)}")


def _some_layer(facts: Sequence[Fact], absent: str) -> Fact:
    """Whether one of the layers will do; if none, each that might have says why it does not, ``absent`` where there is none."""
    return some(facts, "; ".join(fact.sentence for fact in facts) or absent)
