"""A state in the words of the truth: books in coulombs of the cell; latent state per cm², each name with its unit.

Latent charges are named ``Q_…`` and are mAh/cm². Those of the other lithium electrode are ``Q_counter_…``, and what else is said
of it begins with ``counter_``.
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
_CHARGES = (
    ("fresh", state.FRESH),
    ("bulk", state.BULK),
    ("dead", state.DEAD),
    ("sei", state.FILM),
    ("grown", state.GROWN),
    ("surface", state.SURFACE),
    ("other", state.OXIDISED),
)
_ELECTRODE = (
    ("film_nm", state.FILM_NM),
    ("bulk_film_nm", state.BULK_FILM_NM),
    ("area_ratio", state.AREA),
    ("integrity", state.INTEGRITY),
    ("crack_current_fraction", state.CRACK_SHARE),
    ("deposit_count", state.DEPOSITS),
)
_CELL = (
    ("clock_second", state.CLOCK, 1.0),
    ("Q_net", state.CELL_NET, COULOMB_PER_MAH),
    ("temperature_kelvin", state.TEMPERATURE, 1.0),
    ("short_s_cm2", state.SHORT, 1.0),
    ("Q_short", state.SHORT_CHARGE, COULOMB_PER_MAH),
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
        found["Q_cathode_other"] = float(values[state.CATHODE_OTHER]) / COULOMB_PER_MAH
        found["Q_shuttle"] = float(values[state.SHUTTLE]) / COULOMB_PER_MAH
    found |= {name: float(values[field]) / unit for name, field, unit in _CELL}
    found["electrolyte_resistance_ohm_cm2"] = float(kernel_counter.electrolyte_ohm(values, par))
    found["contact_resistance_ohm"] = float(values[state.CONTACT]) / area_cm2
    return found


def _electrode(values: Vector, par: Vector, base: int, prefix: str) -> dict[str, float]:
    found = {name: float(values[base + field]) for name, field in _ELECTRODE}
    found["layer_resistance_ohm_cm2"] = float(kernel_interface.layer_ohm(values, par, base))
    found["film_resistance_ohm_cm2"] = float(kernel_interface.film_ohm(values, par, base))
    transfer = par[state.P_THERMAL] / kernel_interface.exchange_density(values, par, base)
    found["charge_transfer_resistance_ohm_cm2"] = float(transfer)
    found["lithium_exhausted"] = float(kernel_interface.bare(values, base))
    charges = {f"Q_{prefix}{name}": float(values[base + field]) / COULOMB_PER_MAH for name, field in _CHARGES}
    return {**charges, **{f"{prefix}{name}": value for name, value in found.items()}}
