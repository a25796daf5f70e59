"""Hypothesis strategies that several test files share: anode builds, with gaps anywhere."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.model.anode import (
    ActiveLithium,
    AnodeBuild,
    CoDeposition,
    Component,
    Gas,
    GasTreatment,
    Layer,
    LayerKind,
    Material,
    Monomer,
    MonomerClass,
    Polymer,
    Substrate,
    SubstrateClass,
    Thickness,
)

TRUTHS = st.sampled_from([True, False, None])
WHETHER = st.booleans()
STEP_NUMBERS = st.integers(min_value=1, max_value=30)
SPECIES = st.sampled_from(["CO2", "N2", "C2H2", "C2H4", "SO2", "CH4", "C3H8", "O2", "Ar", "process gas"])
KINDS = st.sampled_from(LayerKind)
CORE_KINDS = st.sampled_from([LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING])
MATERIALS = st.sampled_from([
    Material.LITHIUM_PHOSPHORUS_OXYNITRIDE, Material.LITHIUM_BORATE, Material.LITHIUM_PHOSPHOSULFIDE, Material.TIN,
    Material.ZINC, Material.COPPER, Material.LITHIUM_CARBONATE, Material.OTHER,
])  # fmt: skip


def _in_tenths(low: int, high: int) -> st.SearchStrategy[float]:
    """Decimals as people write them; limits are hit exactly."""
    return st.integers(min_value=low, max_value=high).map(lambda number: number / 10)


def thicknesses(low: int = 1, high: int = 50) -> st.SearchStrategy[Thickness]:
    """``low`` to ``high`` tenths of a µm, sometimes of unknown uncertainty."""
    return st.builds(Thickness, value_um=_in_tenths(low, high), u_um=st.none() | _in_tenths(0, 5))


def _substrates() -> st.SearchStrategy[Substrate]:
    classes = st.none() | st.sampled_from([kind for kind in SubstrateClass if kind is not SubstrateClass.NONE])
    return classes.map(lambda kind: Substrate.model_validate({"class": kind}))


def _co_depositions() -> st.SearchStrategy[CoDeposition]:
    gases = st.lists(st.builds(Gas, species=SPECIES, hydrocarbon=TRUTHS), max_size=3).map(tuple)
    return st.builds(CoDeposition, in_situ=TRUTHS, gases=st.none() | gases)


def active_lithium() -> st.SearchStrategy[ActiveLithium]:
    """Lithium of any origin."""
    return st.builds(
        ActiveLithium,
        origin=st.sampled_from(["deposited", "deposited", "foil", None]),
        thickness=st.none() | thicknesses(10, 1100),
        co_deposition=st.none() | st.just("none") | _co_depositions(),
    )


@st.composite
def layers(draw: st.DrawFn, kinds: st.SearchStrategy[LayerKind] = KINDS) -> Layer:
    """A layer of one of ``kinds``, with details that fit it."""
    kind = draw(kinds)
    components = st.builds(Component, material=MATERIALS, glass=TRUTHS)
    classes = st.none() | st.sampled_from(MonomerClass)
    monomers = classes.map(lambda kind: Monomer.model_validate({"name": "monomer", "class": kind}))
    polymers = st.builds(Polymer, cross_linked=TRUTHS, monomers=st.none() | st.lists(monomers, max_size=2).map(tuple))
    gases = st.builds(GasTreatment, species=st.none() | st.lists(SPECIES, max_size=2).map(tuple), plasma=TRUTHS)
    return Layer(
        kind=kind,
        name=draw(st.sampled_from([None, "inner", "outer\n coat"])),
        thickness=draw(st.none() | thicknesses()),
        composition=draw(st.none() | st.lists(components, max_size=2).map(tuple)),
        polymer=draw(st.none() | polymers) if kind is LayerKind.POLYMER else None,
        gas=draw(st.none() | gases) if kind is LayerKind.GAS_INTERLAYER else None,
    )


@st.composite
def alternating_layers(draw: st.DrawFn, least: int = 3, most: int = 6) -> list[Layer]:
    """Polymer and single-ion-conducting layers in turn, sometimes over an interlayer, sometimes with an alloy between."""
    first, second = draw(st.permutations([LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING]))
    under = draw(st.lists(layers(st.sampled_from([LayerKind.TEMPORARY_METAL, LayerKind.GAS_INTERLAYER])), max_size=2))
    made: list[Layer] = []
    for number in range(draw(st.integers(min_value=least, max_value=most))):
        has_alloy = draw(WHETHER)
        if made and has_alloy:
            made.append(draw(layers(st.just(LayerKind.ALLOY))))
        made.append(draw(layers(st.just((first, second)[number % 2]))))
    return [*under, *made]


@st.composite
def builds(draw: st.DrawFn, stacks: st.SearchStrategy[list[Layer]] | None = None) -> AnodeBuild:
    """Any build, or one with a layer list of ``stacks``; what is unknown stands anywhere."""
    any_stack = st.one_of(alternating_layers(), alternating_layers(1, 6), st.lists(layers(), max_size=6))
    stack = draw(any_stack if stacks is None else stacks)
    numbers: list[int] | list[None] = [None] * (len(stack) + 1)
    if draw(st.integers(min_value=0, max_value=3)) == 0:
        numbers = draw(st.lists(STEP_NUMBERS, min_size=len(stack) + 1, max_size=len(stack) + 1))
        numbers = sorted(numbers) if draw(WHETHER) else numbers
    active = draw(active_lithium()).model_copy(update={"step_no": numbers[0]})
    numbered = tuple(layer.model_copy(update={"step_no": number}) for layer, number in zip(stack, numbers[1:], strict=True))
    substrate = draw(st.none() | _substrates())
    return AnodeBuild(id="a", substrate=substrate, active=active, layers=numbered)


@st.composite
def with_gaps(draw: st.DrawFn, whole: AnodeBuild) -> AnodeBuild:
    """``whole`` with one to three of its known facts made unknown. ``step_no`` is none: without it the list is the order."""
    build = whole
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        data = build.model_dump(mode="json", by_alias=True)
        found = _gaps(data, ())
        if not found:
            break
        path = draw(st.sampled_from(found))
        _at(data, path[:-1])[path[-1]] = None  # type: ignore[index]  # a mapping, as _gaps found it
        build = AnodeBuild.model_validate(data)
    return build


_NEVER_UNKNOWN = {
    "id",
    "title",
    "active",
    "species",
    "material",
    "value_um",
    "name",
    "step_no",
    "process",
    "lots",
    "files",
    "remarks",
}


def _gaps(data: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    """The paths of known facts that may be unknown. The gases of a treatment are one fact, each gas of a deposition is not."""
    if isinstance(data, list):
        return [gap for index, part in enumerate(data) for gap in _gaps(part, (*path, index))]
    if not isinstance(data, dict):
        return []
    here = [(*path, key) for key, part in data.items() if part is not None and _may_be_unknown(key, path)]
    return here + [gap for key, part in data.items() for gap in _gaps(part, (*path, key))]


def _may_be_unknown(key: str, path: tuple[str | int, ...]) -> bool:
    is_list_of_gases = key == "species" and "gas" in path
    return is_list_of_gases or key not in _NEVER_UNKNOWN


def _at(data: object, path: tuple[str | int, ...]) -> object:
    here = data
    for part in path:
        here = here[part]  # type: ignore[index]  # as _gaps found it
    return here
