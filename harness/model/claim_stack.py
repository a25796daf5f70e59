"""The multi-layer: whether polymer and single-ion-conducting layers alternate over the lithium, in which order they were made.

The layers are walked from the lithium outwards by a small automaton. Between the lithium and the first polymer or
single-ion-conducting layer only a temporary metal or a gas interlayer may lie; between two of the multi-layer only an alloy.
A layer of unknown kind may be of any, so the automaton is in a *set* of states: if the walk ends well in all of them the layers
alternate, if in none they do not, else it is not known. Strictly the whole stack must alternate; broadly its first layers do,
counted outwards from the lithium, and what lies further out is free.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model.anode import AnodeBuild, Layer, LayerKind
from harness.model.claim_facts import Fact, Reading, is_kind, layer_label, layers_label, spoken, unknown
from harness.model.kleene import Truth, all_of, negated

CORE = (LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING)
"""The kinds a multi-layer is made of."""

_UNDER = (LayerKind.TEMPORARY_METAL, LayerKind.GAS_INTERLAYER)


@dataclass(frozen=True, slots=True)
class _State:
    """After some layers: how many of the multi-layer, the kind of the last, and whether something else has ended it."""

    count: int = 0
    last: LayerKind | None = None
    ended: bool = False


def alternating(build: AnodeBuild, least: int, reading: Reading) -> Fact:
    """Whether at least ``least`` polymer and single-ion-conducting layers alternate over the lithium."""
    layers = build.layers
    if layers is None:
        return unknown("layers")
    states, ends = {_State()}, set[bool]()
    for index, layer in enumerate(layers):
        kinds = list(LayerKind) if layer.kind is None else [layer.kind]
        after = {_after(state, kind, least, reading) for state in states for kind in kinds}
        states = {state for state in after if state is not None}
        if not states:
            return Fact(False, _interruption(layers, index))
        ends |= {False} if None in after else set()
    ends |= {state.count >= least for state in states}
    if ends == {False}:
        return Fact(False, _shortage(layers, f"{least} must alternate"))
    if ends == {True}:
        return Fact(True, _alternation(layers, least if reading is Reading.BROAD else len(layers)))
    return unknown(f"{layer_label(layers, first_unknown_kind(layers) or 0)}: kind")


def _after(state: _State, kind: LayerKind, least: int, reading: Reading) -> _State | None:
    """The state after one more layer; ``None`` where the alternation is broken for good."""
    if reading is Reading.BROAD and state.count >= least:
        return state
    if kind in CORE:
        return None if state.ended or kind is state.last else _State(min(state.count + 1, least), kind)
    if state.count == 0:
        return state if kind in _UNDER else None
    return state if kind is LayerKind.ALLOY else replace(state, ended=True)


def _interruption(layers: Sequence[Layer], index: int) -> str:
    here, layer = layer_label(layers, index), layers[index]
    if not core_indices(layers) and first_unknown_kind(layers) is None:
        return _shortage(layers, "")
    if layer.kind not in CORE:
        where = "between the lithium and the first polymer or single-ion-conducting layer"
        return f"{here}: kind {spoken(layer.kind)} {where} is neither a temporary metal nor a gas interlayer"
    for number in reversed(range(index)):
        if layers[number].kind in CORE:
            return f"{layer_label(layers, number)} and {here}: kind is {spoken(layer.kind)} in both, so they do not alternate"
        if layers[number].kind not in (LayerKind.ALLOY, None):
            inside = f"{layer_label(layers, number)}: kind {spoken(layers[number].kind)}"
            return f"{inside} interrupts the alternation of polymer and single-ion conducting"
    raise AssertionError("a first polymer or single-ion-conducting layer cannot interrupt")


def _shortage(layers: Sequence[Layer], wanted: str) -> str:
    found = core_indices(layers)
    if not layers:
        return "layers is empty: the lithium is bare"
    if not found:
        return f"layers has none of kind polymer or single-ion conducting over the lithium: {layer_label(layers, 0)} is neither"
    verb = "is" if len(found) == 1 else "are"
    return f"only {layers_label(found)} {verb} of kind polymer or single-ion conducting, and {wanted}"


def _alternation(layers: Sequence[Layer], shown: int) -> str:
    found = core_indices(layers)[:shown]
    kinds = ", ".join(spoken(layers[index].kind) for index in found)
    return f"{layers_label(found)} alternate outwards from the lithium: kind {kinds}"


def core_indices(layers: Sequence[Layer]) -> list[int]:
    """Where layers known to be polymer or single-ion conducting stand."""
    return [index for index, layer in enumerate(layers) if layer.kind in CORE]


def first_unknown_kind(layers: Sequence[Layer]) -> int | None:
    """Where the first layer of unknown kind stands, if any."""
    return next((index for index, layer in enumerate(layers) if layer.kind is None), None)


def enough(build: AnodeBuild, least: int) -> Fact:
    """Whether at least ``least`` layers are polymer or single-ion conducting, alternating or not."""
    if build.layers is None:
        return unknown("layers")
    layers, found = build.layers, core_indices(build.layers)
    if len(found) >= least:
        return Fact(True, f"{layers_label(found)}: kind is polymer or single-ion conducting, on the side away from the substrate")
    if len(found) + sum(layer.kind is None for layer in layers) < least:
        return Fact(False, _shortage(layers, f"{least} are needed"))
    return unknown(f"{layer_label(layers, first_unknown_kind(layers) or 0)}: kind")


def under_the_stack(layers: Sequence[Layer], index: int) -> Truth:
    """Whether a layer lies between the lithium and the first polymer or single-ion-conducting layer."""
    return all_of(negated(is_kind(layer, *CORE)) for layer in layers[: index + 1])


def in_order(build: AnodeBuild, least: int, reading: Reading) -> Fact:
    """Whether lithium and layers were made one after the other, from the lithium outwards.

    Without any ``step_no`` the list is the order. Layers of one step were made as listed. A number below that of something
    further in contradicts the list; a number missing among others leaves the order open. Broadly only the layers up to the
    ``least``-th of the multi-layer count.
    """
    layers = build.layers or ()
    made = [("active", build.active.step_no)]
    made += [(layer_label(layers, index), layers[index].step_no) for index in _counted(layers, least, reading)]
    numbered = [(place, number) for place, number in made if number is not None]
    for (inner, earlier), (outer, later) in itertools.pairwise(numbered):
        if later < earlier:
            return Fact(False, f"{outer}: step_no {later} comes before step_no {earlier} of {inner}, which lies further in")
    missing = [place for place, number in made if number is None]
    if numbered and missing:
        return Fact(None, f"{missing[0]}: step_no is not known, while that of {numbered[0][0]} is")
    return Fact(True, "the list is the order of deposition")


def _counted(layers: Sequence[Layer], least: int, reading: Reading) -> range:
    """Broadly: up to the last that the reading asks for, or up to the first whose kind leaves open which that is."""
    if reading is Reading.STRICT:
        return range(len(layers))
    left = least
    for index, layer in enumerate(layers):
        left -= layer.kind in CORE
        if left == 0 or layer.kind is None:
            return range(index + 1)
    return range(len(layers))
