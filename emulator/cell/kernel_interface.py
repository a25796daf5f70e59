"""What one lithium electrode shows: potential, resistances, how its current divides. It changes nothing but `CRACK_SHARE`.

Three parallel paths (fresh lithium, bulk, pits) share one overpotential, K. N. Wood et al., ACS Cent. Sci. 2 (2016) 790:
W = i0_f (a_f(Q_f) + a0) + i0_b [Q_b > 0] + i0_f a_p(Q_p), η = (2RT/F) asinh(j / 2W).

Layers: a fraction θ of them is intact (resistance R_l), the rest lets current through cracks (R_c): two parallel areas,
1/R = θ/R_l + (1 − θ)/R_c, so that current gathers in the cracks by itself.
"""

from __future__ import annotations

import math

from emulator.cell.state import (
    AREA,
    BULK,
    BULK_FILM_NM,
    CRACK_SHARE,
    DEAD,
    FILM,
    FILM_NM,
    FORMATION_LEFT,
    FRESH,
    INTEGRITY,
    P_CRACK_OHM,
    P_EXCHANGE_BULK,
    P_EXCHANGE_FRESH,
    P_FILM_RESISTIVITY,
    P_FORMATION,
    P_LAYER_OHM,
    P_LOST_RESISTIVITY,
    P_NUCLEATION,
    P_OPEN_CIRCUIT,
    P_OXIDATION_REFERENCE,
    P_OXIDATION_VOLT,
    P_PIT_AREA,
    P_PIT_CHARGE,
    P_SURFACE_FARAD,
    P_THERMAL,
    PITTED,
    SURFACE,
    Vector,
)


def bare(state: Vector, base: int) -> bool:
    """Whether no lithium is left to strip."""
    return state[base + FRESH] == 0.0 and state[base + BULK] == 0.0


def equilibrium_volt(state: Vector, par: Vector, base: int) -> float:
    """Potential against lithium without current: 0 on lithium, above it on a bare surface."""
    if state[base + FRESH] > 0.0 or state[base + BULK] > 0.0:
        return 0.0
    volt = state[base + SURFACE] / par[P_SURFACE_FARAD]
    if state[base + FORMATION_LEFT] > 0.0:
        volt += par[P_OPEN_CIRCUIT] * math.exp(4.0 * (state[base + FORMATION_LEFT] / par[P_FORMATION] - 1.0))
    return volt


def exchange_density(state: Vector, par: Vector, base: int) -> float:
    """W, A/cm²: what all paths together exchange."""
    fresh = par[P_EXCHANGE_FRESH]
    exchange = fresh * (state[base + AREA] + par[P_NUCLEATION])
    if state[base + BULK] > 0.0:
        exchange += par[P_EXCHANGE_BULK]
        if state[base + PITTED] > 0.0:
            exchange += fresh * par[P_PIT_AREA] * (1.0 - math.exp(-state[base + PITTED] / par[P_PIT_CHARGE]))
    return exchange


def film_ohm(state: Vector, par: Vector, base: int) -> float:
    """Ω cm² of the interphase on fresh lithium and on what lies under it, and of the rubble of lost lithium."""
    conductance = state[base + AREA] / state[base + FILM_NM] + 1.0 / state[base + BULK_FILM_NM]
    return par[P_FILM_RESISTIVITY] / conductance + par[P_LOST_RESISTIVITY] * (state[base + DEAD] + state[base + FILM])


def layer_ohm(state: Vector, par: Vector, base: int) -> float:
    """Ω cm² of the protective layers, cracks beside them."""
    whole, intact = par[P_LAYER_OHM], state[base + INTEGRITY]
    if intact >= 1.0 or whole <= par[P_CRACK_OHM]:
        return whole
    return 1.0 / (intact / whole + (1.0 - intact) / par[P_CRACK_OHM])


def potential(state: Vector, par: Vector, base: int, density: float) -> float:
    """Potential against lithium while ``density`` (A/cm², > 0 plates) flows, V."""
    overpotential = 2.0 * par[P_THERMAL] * math.asinh(0.5 * density / exchange_density(state, par, base))
    ohm = film_ohm(state, par, base) + layer_ohm(state, par, base)
    return equilibrium_volt(state, par, base) - overpotential - density * ohm


def stiffness(state: Vector, par: Vector, base: int) -> float:
    """dE/dq of the bare surface, V per C/cm²; 0 where there is lithium."""
    return 1.0 / par[P_SURFACE_FARAD] if bare(state, base) else 0.0


def oxidation_volt(par: Vector, density: float) -> float:
    """Where other reactions carry ``density`` (A/cm², > 0) alone, V against lithium: Tafel, α = 1/2."""
    return par[P_OXIDATION_VOLT] + 2.0 * par[P_THERMAL] * math.log1p(density / par[P_OXIDATION_REFERENCE])


def share_cracks(state: Vector, par: Vector, base: int) -> None:
    """Note how much of the current goes through cracks; to be called when integrity or resistances have changed."""
    state[base + CRACK_SHARE] = 0.0
    if state[base + INTEGRITY] < 1.0 and par[P_LAYER_OHM] > 0.0:
        crack = min(par[P_CRACK_OHM], par[P_LAYER_OHM])
        state[base + CRACK_SHARE] = (1.0 - state[base + INTEGRITY]) * layer_ohm(state, par, base) / crack
