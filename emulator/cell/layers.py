"""What an anode build does to a cell: its parameters on top of those of bare lithium in an electrolyte.

The build's own numbers (lithium, layers, substrate, factors on the losses of bare lithium, crack hazard) come from
`harness.model.anode_parameters`, which also says which of them are assumptions. Here they become the parameters of the cell:

* every layer is an area resistance L/σ and an area capacitance ε0 ε_r / L, so that its arc lies at σ/(2π ε0 ε_r), whatever its
  thickness, and moves with its own activation energy;
* the factors act on what deposits under intact layers; what cracks let through is bare lithium in the same electrolyte;
* true area saturates sooner where the deposit is coarser: its limit falls as the diameter rises.
"""

from __future__ import annotations

import re
from typing import Literal

from emulator.cell.parameters import CellParameters, LayerResistance, PresetName, preset_parameters
from harness.model.anode_parameters import AnodeParameters

Electrolyte = Literal["lp30", "fec", "ether", "lhce"]

BARE: dict[Electrolyte, PresetName] = {"lp30": "bare_lp30", "fec": "bare_fec", "ether": "bare_ether", "lhce": "lhce"}
"""The preset of bare lithium in each electrolyte."""

_VACUUM_FARAD_PER_CM = 8.8541878128e-14
_CM_PER_UM = 1e-4
_THINNEST_POLYMER_UM = 0.1
_LARGEST_FRACTION = 0.99


def cell_parameters(
    anode: AnodeParameters, electrolyte: Electrolyte, overrides: dict[str, float] | None = None
) -> CellParameters:
    """The parameters of a cell with this anode, ``overrides`` on top.

    Raises:
        pydantic.ValidationError: an override has an unknown name or an impossible value.
    """
    bare = preset_parameters(BARE[electrolyte])
    coarser = anode.deposit_diameter_factor
    values: dict[str, object] = {
        **bare.model_dump(),
        "deposit_diameter_um": bare.deposit_diameter_um * coarser,
        "area_ratio_max": bare.area_ratio_max / max(1.0, coarser),
        "dead_fraction": min(_LARGEST_FRACTION, bare.dead_fraction * anode.dead_fraction_factor),
        "film_growth_nm2_per_second": bare.film_growth_nm2_per_second * anode.film_growth_factor,
        "film_thickness_nm": bare.film_thickness_nm * anode.film_thickness_factor,
        "exchange_current_fresh_ma_cm2": bare.exchange_current_fresh_ma_cm2 * anode.exchange_current_factor,
        "exchange_current_bulk_ma_cm2": bare.exchange_current_bulk_ma_cm2 * anode.exchange_current_factor,
        "nucleation_area_ratio": bare.nucleation_area_ratio * anode.nucleation_area_factor,
        "bare_deposit_diameter_um": bare.deposit_diameter_um,
        "bare_area_ratio_max": bare.area_ratio_max,
        "bare_dead_fraction": bare.dead_fraction,
        "bare_film_thickness_nm": bare.film_thickness_nm,
        "bare_film_growth_nm2_per_second": bare.film_growth_nm2_per_second,
        "layers": layers(anode),
        "crack_per_cycle": min(_LARGEST_FRACTION, anode.crack_hazard_per_cycle) if anode.layers else 0.0,
        "polymer_thickness_um": max(_THINNEST_POLYMER_UM, anode.polymer_thickness_um),
        "alloyed_mah_cm2": anode.alloyed_mah_cm2,
        "substrate_resistance_ohm": anode.substrate_resistance_ohm,
    }
    return CellParameters.model_validate({**values, **(overrides or {})})


def layers(anode: AnodeParameters) -> tuple[LayerResistance, ...]:
    """Its layers, from the lithium outwards, with names that can name an arc."""
    return tuple(
        LayerResistance(
            name=f"{place}_{re.sub(r'[^a-z0-9]+', '_', layer.name.lower()).strip('_')}_layers",
            ohm_cm2=layer.resistance_ohm_cm2,
            farad_cm2=_VACUUM_FARAD_PER_CM * layer.relative_permittivity / (layer.thickness_um * _CM_PER_UM),
            activation_energy_ev=layer.activation_energy_ev,
        )
        for place, layer in enumerate(anode.layers, start=1)
    )
