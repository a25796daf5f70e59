"""The numbers the equations use, made of a cell's parameters, its counter-electrode, its area and its temperature.

Temperature acts by Arrhenius' law about 25 °C: on resistances of layers, film and electrolyte, on exchange currents, growth of
the film, diffusion in electrolyte and cathode, each with its own energy; and by RT/F. It does not act on open-circuit curves or
on shapes.
"""

from __future__ import annotations

import math
from typing import Literal

from emulator.cell.materials import MATERIALS
from emulator.cell.parameters import CellParameters
from emulator.cell.state import (
    COULOMB_PER_MAH,
    COUNTER_CATHODE,
    COUNTER_FOIL,
    COUNTER_LITHIUM,
    PARAMETER_FIELDS,
    UM_PER_COULOMB,
    Vector,
)

Counter = Literal["Cu", "Li", "NMC532", "NMC811", "LFP", "S"]

REFERENCE_KELVIN = 298.15
VOLT_PER_KELVIN = 8.314462618 / 96485.33212
"""R/F; R/F T is the thermal voltage, and E_a/(R T) is E_a in V over it."""

_NITRATE_FACTOR = 0.02


def faster(activation_ev: float, kelvin: float) -> float:
    """How much faster than at 25 °C a rate of this activation energy is: exp(E_a/R (1/298.15 K − 1/T))."""
    return math.exp(activation_ev / VOLT_PER_KELVIN * (1.0 / REFERENCE_KELVIN - 1.0 / kelvin))


def layers_ohm_cm2(parameters: CellParameters, kelvin: float) -> tuple[float, ...]:
    """Resistance of every layer at a temperature."""
    return tuple(layer.ohm_cm2 / faster(layer.activation_energy_ev, kelvin) for layer in parameters.all_layers())


def effective(parameters: CellParameters, counter: Counter, area_cm2: float, kelvin: float) -> Vector:
    """The parameter vector (`emulator.cell.state.PARAMETER_FIELDS`)."""
    values = {
        **_deposit(parameters, kelvin),
        **_kinetics(parameters, kelvin),
        **_transport(parameters, area_cm2, kelvin),
        **_counter(parameters, counter, kelvin),
        **_chance(parameters),
    }
    return [values.get(name, 0.0) for name in PARAMETER_FIELDS]


def _deposit(parameters: CellParameters, kelvin: float) -> dict[str, float]:
    bare = {
        "diameter": parameters.bare_deposit_diameter_um or parameters.deposit_diameter_um,
        "area": parameters.bare_area_ratio_max or parameters.area_ratio_max,
        "film": parameters.bare_film_thickness_nm or parameters.film_thickness_nm,
    }
    dead, growth = parameters.bare_dead_fraction, parameters.bare_film_growth_nm2_per_second
    quicker = faster(parameters.growth_activation_ev, kelvin)
    return {
        "steepness": 4.0 * UM_PER_COULOMB / parameters.deposit_diameter_um,
        "area_limit": parameters.area_ratio_max,
        "new_film_nm": parameters.film_thickness_nm,
        "dead_fraction": parameters.dead_fraction,
        "growth_nm2_s": parameters.film_growth_nm2_per_second * quicker,
        "bare_steepness": 4.0 * UM_PER_COULOMB / bare["diameter"],
        "bare_area_limit": bare["area"],
        "bare_film_nm": bare["film"],
        "bare_dead_fraction": parameters.dead_fraction if dead is None else dead,
        "bare_growth_nm2_s": (parameters.film_growth_nm2_per_second if growth is None else growth) * quicker,
        "nucleation_area": parameters.nucleation_area_ratio,
        "nucleation_power": parameters.nucleation_exponent,
        "nucleation_volt": parameters.nucleation_reference_volt,
        "corrosion": parameters.corrosion_ma_cm2 * 1e-3 * quicker,
        "formation": (parameters.formation_mah_cm2 + parameters.alloyed_mah_cm2) * COULOMB_PER_MAH,
        "loss_scatter": parameters.loss_scatter,
        "loss_correlation": parameters.loss_correlation,
        "cell_scatter": parameters.cell_scatter,
        "run_in_factor": parameters.run_in_factor,
        "run_in_cycles": parameters.run_in_cycles,
    }


def _kinetics(parameters: CellParameters, kelvin: float) -> dict[str, float]:
    quicker = faster(parameters.exchange_activation_ev, kelvin)
    return {
        "thermal_volt": VOLT_PER_KELVIN * kelvin,
        "exchange_fresh": parameters.exchange_current_fresh_ma_cm2 * 1e-3 * quicker,
        "exchange_bulk": parameters.exchange_current_bulk_ma_cm2 * 1e-3 * quicker,
        "pit_area": parameters.pit_area_ratio_max,
        "pit_charge": parameters.pit_charge_mah_cm2 * COULOMB_PER_MAH,
        "film_resistivity": parameters.film_resistivity_ohm_cm2_per_nm / faster(parameters.film_activation_ev, kelvin),
        "lost_resistivity": parameters.lost_lithium_resistance_ohm_cm2_per_mah_cm2
        / COULOMB_PER_MAH
        / faster(parameters.electrolyte_activation_ev, kelvin),
        "layer_ohm_cm2": math.fsum(layers_ohm_cm2(parameters, kelvin)),
        "crack_ohm_cm2": parameters.crack_resistance_ohm_cm2 / faster(parameters.electrolyte_activation_ev, kelvin),
        "surface_farad": parameters.surface_capacitance_mf_cm2 * 1e-3,
        "open_circuit_volt": parameters.open_circuit_volt,
        "oxidation_volt": parameters.oxidation_volt,
        "oxidation_reference": parameters.oxidation_current_ma_cm2 * 1e-3,
        "counter_exchange": parameters.counter_exchange_current_ma_cm2 * 1e-3 * quicker,
        "counter_film_ohm_cm2": parameters.counter_film_resistance_ohm_cm2 / faster(parameters.film_activation_ev, kelvin),
    }


def _transport(parameters: CellParameters, area_cm2: float, kelvin: float) -> dict[str, float]:
    quicker = faster(parameters.electrolyte_activation_ev, kelvin)
    return {
        "electrolyte_ohm_cm2": parameters.electrolyte_resistance_ohm_cm2 / quicker,
        "limiting": parameters.limiting_current_ma_cm2 * 1e-3 * quicker,
        "electrolyte_time": parameters.diffusion_time_second / quicker,
        "concentration_volt": 4.0 * (1.0 - parameters.transference_number) * VOLT_PER_KELVIN * kelvin,
        "dead_stretch": parameters.dead_layer_stretch_per_mah_cm2 / COULOMB_PER_MAH,
        "series_ohm_cm2": parameters.substrate_resistance_ohm * area_cm2,
    }


def _counter(parameters: CellParameters, counter: Counter, kelvin: float) -> dict[str, float]:
    if counter not in MATERIALS:
        kind = COUNTER_FOIL if counter == "Cu" else COUNTER_LITHIUM
        return {"counter": kind, "sign": -1.0, "cathode_capacity": 1.0, "cathode_time": 1.0}
    material = MATERIALS[counter]
    quicker = faster(parameters.cathode_activation_ev, kelvin)
    capacity = parameters.cathode_capacity_mah_cm2
    exchange = parameters.cathode_exchange_current_ma_cm2
    time = parameters.cathode_diffusion_time_second
    shuttle = parameters.shuttle_per_second * (_NITRATE_FACTOR if parameters.lithium_nitrate else 1.0)
    return {
        "counter": COUNTER_CATHODE,
        "material": float(material.kind),
        "sign": 1.0,
        "cathode_capacity": capacity * COULOMB_PER_MAH,
        "cathode_exchange": (material.exchange_ma_cm2(capacity) if exchange is None else exchange) * 1e-3 * quicker,
        "cathode_time": (material.diffusion_time_second if time is None else time) / quicker,
        "shuttle_rate": shuttle * quicker if counter == "S" else 0.0,
    }


def _chance(parameters: CellParameters) -> dict[str, float]:
    strained = parameters.polymer_strain_max * parameters.polymer_thickness_um / UM_PER_COULOMB
    return {
        "crack_per_cycle": parameters.crack_per_cycle,
        "crack_strain_charge": strained,
        "crack_event_per_cycle": parameters.crack_event_per_cycle,
        "crack_event_size": parameters.crack_event_size,
        "short_rate": parameters.short_onset_per_second,
        "short_critical": parameters.short_critical_ma_cm2 * 1e-3,
        "short_steepness": parameters.short_steepness_ma_cm2 * 1e-3,
        "short_charge": parameters.short_charge_mah_cm2 * COULOMB_PER_MAH,
        "short_conductance": parameters.short_conductance_s_cm2,
        "short_spread": parameters.short_spread,
        "short_close_rate": parameters.short_close_per_second,
        "short_fuse": parameters.short_fuse_ma_cm2 * 1e-3,
    }
