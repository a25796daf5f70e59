"""What the claims ask of thicknesses: of the lithium (3), and of the multi-layer (4, 5).

The multi-layer's thickness is the sum over its polymer and single-ion-conducting layers, strictly with the alloy layers between
them, uncertainties added in quadrature. A thickness or uncertainty that is not known leaves the sum open at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.model.anode import AnodeBuild, Layer, LayerKind, Thickness
from harness.model.claim_facts import Fact, Reading, layer_label, layers_label, unknown
from harness.model.claim_stack import CORE, core_indices
from harness.model.kleene import lies_within


def lithium_within(build: AnodeBuild, low: float, high: float) -> Fact:
    """Whether the lithium is between ``low`` and ``high`` µm thick."""
    thickness = build.active.thickness
    if thickness is None:
        return unknown("active.thickness")
    if thickness.u_um is None:
        return _without_uncertainty("active.thickness", thickness, low, high)
    return _compared("active.thickness is", thickness.value_um, thickness.u_um, low, high)


def stack_within(build: AnodeBuild, low: float, high: float, reading: Reading) -> Fact:
    """Whether the multi-layer is between ``low`` and ``high`` µm thick."""
    if build.layers is None:
        return unknown("layers")
    layers = build.layers
    for index, layer in enumerate(layers):
        if layer.kind is None:
            return unknown(f"{layer_label(layers, index)}: kind")
    counted = _counted(layers, reading)
    if not counted:
        return Fact(False, "layers holds no polymer or single-ion-conducting layer whose thickness could count")
    return _sum_within(layers, counted, low, high)


def _counted(layers: Sequence[Layer], reading: Reading) -> list[int]:
    core = core_indices(layers)
    kinds = CORE if reading is Reading.BROAD else (*CORE, LayerKind.ALLOY)
    return [index for index in range(core[0], core[-1] + 1) if layers[index].kind in kinds] if core else []


def _sum_within(layers: Sequence[Layer], counted: Sequence[int], low: float, high: float) -> Fact:
    values: dict[int, float] = {}
    stds: dict[int, float] = {}
    for index in counted:
        thickness = layers[index].thickness
        if thickness is None:
            return unknown(f"{layer_label(layers, index)}: thickness")
        if thickness.u_um is None:
            return _without_uncertainty(f"{layer_label(layers, index)}: thickness", thickness, low, high)
        values[index], stds[index] = thickness.value_um, thickness.u_um
    total, std = math.fsum(values.values()), math.hypot(*stds.values())
    if lies_within(total, std, low, high) is not None:
        return _compared(f"{layers_label(counted)}: thickness sums to", total, std, low, high)
    widest = max(stds, key=lambda index: stds[index])
    one = f"{layer_label(layers, widest)}: thickness {micrometre(values[widest], stds[widest])}"
    limit = f"{_limit(total, std, low, high):g} µm"
    return Fact(None, f"{one} makes the sum of {micrometre(total, std)} straddle the limit of {limit}")


def micrometre(value: float, std: float) -> str:
    """``1.2 ± 0.9 µm``."""
    return f"{value:.4g} ± {std:.2g} µm"


def _compared(what: str, value: float, std: float, low: float, high: float) -> Fact:
    shown = f"{what} {micrometre(value, std)}"
    match lies_within(value, std, low, high):
        case True:
            return Fact(True, f"{shown}, within {low:g} to {high:g} µm")
        case False:
            return Fact(False, f"{shown}, outside {low:g} to {high:g} µm")
        case None:
            limit = _limit(value, std, low, high)
            return Fact(None, f"{shown}, which straddles the limit of {limit:g} µm (± 2 standard uncertainties)")


def _limit(value: float, std: float, low: float, high: float) -> float:
    """The limit that is straddled; the lower one where both are."""
    return low if value - 2 * std < low else high


def _without_uncertainty(place: str, thickness: Thickness, low: float, high: float) -> Fact:
    value = f"{thickness.value_um:g} µm"
    return Fact(None, f"{place}.u_um is not known, so {value} cannot be held against {low:g} to {high:g} µm")
