"""A state in the words of the truth: books in coulombs of the cell, everything else per cm², each name with its unit.

What is said of the other lithium electrode of a symmetric cell begins with ``counter_``.
"""

from __future__ import annotations

from emulator.cell import kernel_counter, kernel_interface, state
from emulator.cell.state import COULOMB_PER_MAH, COUNTER_CATHODE, COUNTER_LITHIUM, OTHER, TRACKED, Vector

_BOOKS = (
    ("fresh_lithium_coulomb", state.FRESH),
    ("bulk_lithium_coulomb", state.BULK),
    ("dead_lithium_coulomb", state.DEAD),
    ("film_lithium_coulomb", state.FILM),
    ("surface_charge_coulomb", state.SURFACE),
    ("other_reactions_coulomb", state.OXIDISED),
)
_ELECTRODE = (
    ("fresh_mah_cm2", state.FRESH, COULOMB_PER_MAH),
    ("bulk_mah_cm2", state.BULK, COULOMB_PER_MAH),
    ("dead_mah_cm2", state.DEAD, COULOMB_PER_MAH),
    ("film_mah_cm2", state.FILM, COULOMB_PER_MAH),
    ("grown_mah_cm2", state.GROWN, COULOMB_PER_MAH),
    ("surface_mah_cm2", state.SURFACE, COULOMB_PER_MAH),
    ("oxidised_mah_cm2", state.OXIDISED, COULOMB_PER_MAH),
    ("film_nm", state.FILM_NM, 1.0),
    ("bulk_film_nm", state.BULK_FILM_NM, 1.0),
    ("area_ratio", state.AREA, 1.0),
    ("integrity", state.INTEGRITY, 1.0),
    ("crack_current_fraction", state.CRACK_SHARE, 1.0),
    ("deposit_count", state.DEPOSITS, 1.0),
)
_CELL = (
    ("clock_second", state.CLOCK, 1.0),
    ("net_mah_cm2", state.CELL_NET, COULOMB_PER_MAH),
    ("temperature_kelvin", state.TEMPERATURE, 1.0),
    ("short_s_cm2", state.SHORT, 1.0),
    ("short_mah_cm2", state.SHORT_CHARGE, COULOMB_PER_MAH),
    ("potential_shift_volt", state.SHIFT, 1.0),
    ("wetted_fraction", state.WETTED, 1.0),
    ("diffusion_stretch", state.STRETCH, 1.0),
)


def books(values: Vector, par: Vector, area_cm2: float) -> dict[str, float]:
    """Where the charge is, C of the whole cell."""
    found = _electrode_books(values, TRACKED, "", area_cm2)
    if par[state.P_COUNTER] == COUNTER_LITHIUM:
        found |= _electrode_books(values, OTHER, "counter_", area_cm2)
    if par[state.P_COUNTER] == COUNTER_CATHODE:
        inside = values[state.STOICHIOMETRY] * par[state.P_CATHODE_CAPACITY]
        found["cathode_lithium_coulomb"] = float(inside) * area_cm2
        found["cathode_other_reactions_coulomb"] = float(values[state.CATHODE_OTHER]) * area_cm2
        found["shuttle_coulomb"] = float(values[state.SHUTTLE]) * area_cm2
    return {**found, "short_coulomb": float(values[state.SHORT_CHARGE]) * area_cm2}


def _electrode_books(values: Vector, base: int, prefix: str, area_cm2: float) -> dict[str, float]:
    return {f"{prefix}{name}": float(values[base + field]) * area_cm2 for name, field in _BOOKS}


def latent(values: Vector, par: Vector, area_cm2: float) -> dict[str, float]:
    """Everything that no instrument can read."""
    found = _electrode(values, par, TRACKED, "")
    if par[state.P_COUNTER] == COUNTER_LITHIUM:
        found |= _electrode(values, par, OTHER, "counter_")
    if par[state.P_COUNTER] == COUNTER_CATHODE:
        found["cathode_stoichiometry"] = float(values[state.STOICHIOMETRY])
        found["cathode_surface_stoichiometry"] = float(kernel_counter.surface(values))
        found["cathode_other_mah_cm2"] = float(values[state.CATHODE_OTHER]) / COULOMB_PER_MAH
        found["shuttle_mah_cm2"] = float(values[state.SHUTTLE]) / COULOMB_PER_MAH
    found |= {name: float(values[field]) / unit for name, field, unit in _CELL}
    found["electrolyte_resistance_ohm_cm2"] = float(kernel_counter.electrolyte_ohm(values, par))
    found["contact_resistance_ohm"] = float(values[state.CONTACT]) / area_cm2
    return found


def _electrode(values: Vector, par: Vector, base: int, prefix: str) -> dict[str, float]:
    found = {name: float(values[base + field]) / unit for name, field, unit in _ELECTRODE}
    found["layer_resistance_ohm_cm2"] = float(kernel_interface.layer_ohm(values, par, base))
    found["film_resistance_ohm_cm2"] = float(kernel_interface.film_ohm(values, par, base))
    transfer = par[state.P_THERMAL] / kernel_interface.exchange_density(values, par, base)
    found["charge_transfer_resistance_ohm_cm2"] = float(transfer)
    found["lithium_exhausted"] = float(kernel_interface.bare(values, base))
    return {f"{prefix}{name}": value for name, value in found.items()}
