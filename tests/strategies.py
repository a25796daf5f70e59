"""Hypothesis strategies that several test files share: anode builds, with gaps anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar

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

Part = TypeVar("Part")

TRUTHS = (True, False, None)
WHETHER = st.booleans()
KINDS = st.sampled_from(LayerKind)
CORE_KINDS = st.sampled_from([LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING])
_STEP_NUMBERS = st.integers(min_value=1, max_value=30)
_NAMES = st.sampled_from([None, "inner", "outer\n coat"])


def _some_of(parts: Sequence[Part], most: int = 2) -> list[tuple[Part, ...] | None]:
    """Unknown, none, and every choice of up to ``most``."""
    return [None, *(chosen for count in range(most + 1) for chosen in itertools.product(parts, repeat=count))]


def _thicknesses(values: Iterable[float]) -> st.SearchStrategy[Thickness | None]:
    """Decimals as people write them, so that limits are hit exactly."""
    stds = (None, 0.0, 0.1, 0.2, 0.5)
    return st.sampled_from([None, *(Thickness(value_um=value, u_um=std) for value in values for std in stds)])


# Everything below is made once and sampled from: drawing part by part is too slow for hundreds of builds.
_SPECIES = ("CO2", "N2", "C2H2", "SO2", "CH4", "O2", "Ar", "process gas")
_MATERIALS = (
    Material.LITHIUM_PHOSPHORUS_OXYNITRIDE, Material.LITHIUM_BORATE, Material.TIN, Material.COPPER, Material.LITHIUM_CARBONATE,
    Material.OTHER,
)  # fmt: skip
_CLASSES = (None, *MonomerClass)
_MONOMERS = [Monomer.model_validate({"name": "monomer", "class": kind}) for kind in _CLASSES]
_COMPONENTS = [Component(material=material, glass=glass) for material in _MATERIALS for glass in TRUTHS]
_GASES = [*(Gas(species=name) for name in _SPECIES), *(Gas(species="vapour", hydrocarbon=flag) for flag in TRUTHS)]
_SUBSTRATES = [Substrate.model_validate({"class": kind}) for kind in (None, *SubstrateClass) if kind is not SubstrateClass.NONE]

_COMPOSITION = st.sampled_from(_some_of(_COMPONENTS))
_POLYMER = st.sampled_from(
    [None, *(Polymer(cross_linked=linked, monomers=some) for linked in TRUTHS for some in _some_of(_MONOMERS))]
)
_TREATMENT = st.sampled_from([None, *(GasTreatment(species=some, plasma=lit) for some in _some_of(_SPECIES) for lit in TRUTHS)])
_CO_DEPOSITION: st.SearchStrategy[CoDeposition | Literal["none"] | None] = st.sampled_from(
    [None, "none", *(CoDeposition(in_situ=in_situ, gases=some) for in_situ in TRUTHS for some in _some_of(_GASES))]
)
_SUBSTRATE = st.sampled_from([None, *_SUBSTRATES])
_LAYER_THICKNESS = _thicknesses(number / 10 for number in range(1, 51))
_LITHIUM = st.builds(
    ActiveLithium,
    origin=st.sampled_from(["deposited", "deposited", "foil", None]),
    thickness=_thicknesses((1.0, 1.9, 2.0, 2.4, 25.0, 99.9, 100.0, 101.0, 120.0)),
    co_deposition=_CO_DEPOSITION,
)


@st.composite
def layers(draw: st.DrawFn, kinds: st.SearchStrategy[LayerKind] = KINDS) -> Layer:
    """A layer of one of ``kinds``, with details that fit it."""
    kind = draw(kinds)
    return Layer(
        kind=kind,
        name=draw(_NAMES),
        thickness=draw(_LAYER_THICKNESS),
        composition=draw(_COMPOSITION),
        polymer=draw(_POLYMER) if kind is LayerKind.POLYMER else None,
        gas=draw(_TREATMENT) if kind is LayerKind.GAS_INTERLAYER else None,
    )


_OF_KIND = {kind: layers(st.just(kind)) for kind in LayerKind}
_UNDER = st.lists(layers(st.sampled_from([LayerKind.TEMPORARY_METAL, LayerKind.GAS_INTERLAYER])), max_size=2)


@st.composite
def alternating_layers(draw: st.DrawFn, least: int = 3, most: int = 6) -> list[Layer]:
    """Polymer and single-ion-conducting layers in turn, sometimes over an interlayer, sometimes with an alloy between."""
    first, second = draw(st.permutations([LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING]))
    under = draw(_UNDER)
    made: list[Layer] = []
    for number in range(draw(st.integers(min_value=least, max_value=most))):
        has_alloy = draw(WHETHER)
        if made and has_alloy:
            made.append(draw(_OF_KIND[LayerKind.ALLOY]))
        made.append(draw(_OF_KIND[(first, second)[number % 2]]))
    return [*under, *made]


_ANY_STACK = st.one_of(alternating_layers(), alternating_layers(1, 6), st.lists(layers(), max_size=6))


@st.composite
def builds(draw: st.DrawFn, stacks: st.SearchStrategy[list[Layer]] = _ANY_STACK) -> AnodeBuild:
    """Any build, or one with a layer list of ``stacks``; what is unknown stands anywhere."""
    stack = draw(stacks)
    numbers: list[int] | list[None] = [None] * (len(stack) + 1)
    if draw(st.integers(min_value=0, max_value=3)) == 0:
        numbers = draw(st.lists(_STEP_NUMBERS, min_size=len(stack) + 1, max_size=len(stack) + 1))
        numbers = sorted(numbers) if draw(WHETHER) else numbers
    active = draw(_LITHIUM).model_copy(update={"step_no": numbers[0]})
    numbered = tuple(layer.model_copy(update={"step_no": number}) for layer, number in zip(stack, numbers[1:], strict=True))
    return AnodeBuild(id="a", substrate=draw(_SUBSTRATE), active=active, layers=numbered)


def single_gaps(whole: AnodeBuild) -> Iterator[AnodeBuild]:
    """``whole`` with each of its known facts made unknown in turn. ``step_no`` is none: without it the list is the order."""
    for path in _gaps(_written(whole), ()):
        yield _without(whole, path)


@st.composite
def with_gaps(draw: st.DrawFn, whole: AnodeBuild) -> AnodeBuild:
    """``whole`` with up to three of its known facts made unknown."""
    build = whole
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        paths = _gaps(_written(build), ())
        build = _without(build, draw(st.sampled_from(paths))) if paths else build
    return build


def _written(build: AnodeBuild) -> dict[str, Any]:
    return build.model_dump(mode="json", by_alias=True)


def _without(build: AnodeBuild, path: tuple[str | int, ...]) -> AnodeBuild:
    data: Any = _written(build)
    here = data
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = None
    return AnodeBuild.model_validate(data)


_NEVER_UNKNOWN = {
    "id", "title", "active", "species", "material", "value_um", "name", "step_no", "process", "what", "lots", "files", "remarks",
    "value_s_cm", "temperature_k",
}  # fmt: skip


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
