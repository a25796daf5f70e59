"""What lies between and opposite: concentration in the electrolyte, the cathode, a thick lithium foil.

Electrolyte: three modes of finite-length diffusion. s_k relaxes to w_k j / j_lim with τ_k = τ / (π n_k)², n_k = k + 1/2,
w_k = 2 / (π n_k)² and τ = L²/D, exact for a piecewise constant current; the weight of all higher modes follows without delay,
so that the steady state is exact. η_c = 2 (1 − t+) (RT/F) ln((2 − c)/c) with c = 1 − s, that is 4 (1 − t+) (RT/F) artanh(s); s
is held below 0.999. Dead lithium lengthens the path (S. Xu et al. 2019: a second layer that restricts transport as the
separator does): τ grows with the square of `STRETCH`, j_lim falls with it. Drying out takes conductance and limiting current
in proportion.

Cathode: lithium content x, falling with j > 0 (oxidation), its surface ahead of the mean by five relaxations of a sphere (see
`emulator.cell.materials`), exact for a piecewise constant current; Butler-Volmer with α = 1/2 and j0(x_surface). What the ends of
x do not take is carried by other reactions and counted.

Sulfur: long polysulfides (the first quarter of x) are reduced at the lithium and come back (Y. V. Mikhaylik and J. R. Akridge,
J. Electrochem. Soc. 151 (2004) A1969): a current k_s Q_high past the terminals, from the lithium to the sulfur, loaded or not.
"""

from __future__ import annotations

import math

from emulator.cell.materials import (
    DIFFUSION_RATES,
    DIFFUSION_WEIGHTS,
    HIGH_PLATEAU,
    HIGHEST_STOICHIOMETRY,
    LOWEST_STOICHIOMETRY,
    exchange_ratio,
    open_circuit_slope,
    open_circuit_volt,
)
from emulator.cell.state import (
    CATHODE_1,
    CATHODE_2,
    CATHODE_3,
    CATHODE_4,
    CATHODE_5,
    CATHODE_OTHER,
    DEAD,
    ELECTROLYTE_1,
    ELECTROLYTE_2,
    ELECTROLYTE_3,
    OTHER,
    P_CATHODE_CAPACITY,
    P_CATHODE_DECAY,
    P_CATHODE_EXCHANGE,
    P_CATHODE_TIME,
    P_CONCENTRATION_VOLT,
    P_COUNTER_EXCHANGE,
    P_COUNTER_FILM,
    P_DEAD_STRETCH,
    P_DECAY,
    P_DECAY_SECOND,
    P_DECAY_STRETCH,
    P_ELECTROLYTE_OHM,
    P_ELECTROLYTE_TIME,
    P_LIMITING,
    P_MATERIAL,
    P_SHUTTLE_RATE,
    P_THERMAL,
    STOICHIOMETRY,
    STRETCH,
    TRACKED,
    WETTED,
    Vector,
)

MODES = (0.5, 1.5, 2.5)
_WEIGHT_1, _WEIGHT_2, _WEIGHT_3 = WEIGHTS = tuple(2.0 / (math.pi * n) ** 2 for n in MODES)
REST = 1.0 - sum(WEIGHTS)
_RATE_1, _RATE_2, _RATE_3 = RATES = tuple((math.pi * n) ** 2 for n in MODES)
_HIGHEST_SHIFT = 0.999

_SPHERE_1, _SPHERE_2, _SPHERE_3, _SPHERE_4, _SPHERE_5 = DIFFUSION_WEIGHTS
_DECAY_1, _DECAY_2, _DECAY_3, _DECAY_4, _DECAY_5 = DIFFUSION_RATES


def remember_decays(state: Vector, par: Vector, second: float) -> None:
    """Keep exp(−t/τ) of every mode for steps of ``second``, until another length or another stretch is asked for."""
    stretch = state[STRETCH]
    if second == par[P_DECAY_SECOND] and stretch == par[P_DECAY_STRETCH]:
        return
    par[P_DECAY_SECOND], par[P_DECAY_STRETCH] = second, stretch
    relative = second / (par[P_ELECTROLYTE_TIME] * stretch * stretch)
    par[P_DECAY] = math.exp(-_RATE_1 * relative)
    par[P_DECAY + 1] = math.exp(-_RATE_2 * relative)
    par[P_DECAY + 2] = math.exp(-_RATE_3 * relative)
    relative = second / par[P_CATHODE_TIME]
    par[P_CATHODE_DECAY] = math.exp(-_DECAY_1 * relative)
    par[P_CATHODE_DECAY + 1] = math.exp(-_DECAY_2 * relative)
    par[P_CATHODE_DECAY + 2] = math.exp(-_DECAY_3 * relative)
    par[P_CATHODE_DECAY + 3] = math.exp(-_DECAY_4 * relative)
    par[P_CATHODE_DECAY + 4] = math.exp(-_DECAY_5 * relative)


# -- the electrolyte


def limiting_density(state: Vector, par: Vector) -> float:
    """j_lim now, A/cm²."""
    return par[P_LIMITING] * state[WETTED] / state[STRETCH]


def electrolyte_ohm(state: Vector, par: Vector) -> float:
    """Ω cm² of the electrolyte now."""
    return par[P_ELECTROLYTE_OHM] / state[WETTED]


def diffuse(state: Vector, par: Vector, density: float) -> None:
    """Let ``density`` flow through the electrolyte for the time of `remember_decays`."""
    relative = density / limiting_density(state, par)
    goal = _WEIGHT_1 * relative
    state[ELECTROLYTE_1] = goal + (state[ELECTROLYTE_1] - goal) * par[P_DECAY]
    goal = _WEIGHT_2 * relative
    state[ELECTROLYTE_2] = goal + (state[ELECTROLYTE_2] - goal) * par[P_DECAY + 1]
    goal = _WEIGHT_3 * relative
    state[ELECTROLYTE_3] = goal + (state[ELECTROLYTE_3] - goal) * par[P_DECAY + 2]


def lengthen(state: Vector, par: Vector) -> None:
    """Let the diffusion path be as long as dead lithium makes it now."""
    state[STRETCH] = 1.0 + par[P_DEAD_STRETCH] * (state[TRACKED + DEAD] + state[OTHER + DEAD])


def shift(state: Vector, par: Vector, density: float) -> float:
    """Relative shift of concentration at the electrodes while ``density`` flows, now."""
    modes = state[ELECTROLYTE_1] + state[ELECTROLYTE_2] + state[ELECTROLYTE_3]
    return modes + REST * density / limiting_density(state, par)


def shift_ahead(state: Vector, par: Vector, density: float) -> float:
    """The same after ``density`` has flowed for the time of `remember_decays`."""
    relative = density / limiting_density(state, par)
    first, second, third = _WEIGHT_1 * relative, _WEIGHT_2 * relative, _WEIGHT_3 * relative
    modes = first + (state[ELECTROLYTE_1] - first) * par[P_DECAY]
    modes += second + (state[ELECTROLYTE_2] - second) * par[P_DECAY + 1]
    modes += third + (state[ELECTROLYTE_3] - third) * par[P_DECAY + 2]
    return modes + REST * relative


def electrolyte_volt(state: Vector, par: Vector, density: float, relative: float) -> float:
    """Concentration polarisation of a relative shift plus ohmic drop while ``density`` flows, V, of its sign."""
    relative = max(-_HIGHEST_SHIFT, min(_HIGHEST_SHIFT, relative))
    return par[P_CONCENTRATION_VOLT] * math.atanh(relative) + density * electrolyte_ohm(state, par)


def foil_volt(par: Vector, density: float) -> float:
    """What a thick lithium foil of constant kinetics adds while ``density`` flows, V, of its sign."""
    return 2.0 * par[P_THERMAL] * math.asinh(0.5 * density / par[P_COUNTER_EXCHANGE]) + density * par[P_COUNTER_FILM]


# -- the cathode


def insert(state: Vector, par: Vector, density: float, second: float) -> None:
    """Carry ``density`` (> 0 takes lithium out) for ``second``, the time of `remember_decays`."""
    wanted = state[STOICHIOMETRY] - density * second / par[P_CATHODE_CAPACITY]
    held = max(LOWEST_STOICHIOMETRY, min(HIGHEST_STOICHIOMETRY, wanted))
    state[STOICHIOMETRY] = held
    if held != wanted:
        state[CATHODE_OTHER] += (held - wanted) * par[P_CATHODE_CAPACITY]
    flux = -density * par[P_CATHODE_TIME] / (3.0 * par[P_CATHODE_CAPACITY])
    goal = _SPHERE_1 * flux
    state[CATHODE_1] = goal + (state[CATHODE_1] - goal) * par[P_CATHODE_DECAY]
    goal = _SPHERE_2 * flux
    state[CATHODE_2] = goal + (state[CATHODE_2] - goal) * par[P_CATHODE_DECAY + 1]
    goal = _SPHERE_3 * flux
    state[CATHODE_3] = goal + (state[CATHODE_3] - goal) * par[P_CATHODE_DECAY + 2]
    goal = _SPHERE_4 * flux
    state[CATHODE_4] = goal + (state[CATHODE_4] - goal) * par[P_CATHODE_DECAY + 3]
    goal = _SPHERE_5 * flux
    state[CATHODE_5] = goal + (state[CATHODE_5] - goal) * par[P_CATHODE_DECAY + 4]


def surface(state: Vector) -> float:
    """Lithium content at the surface of the cathode's particles."""
    x = state[STOICHIOMETRY] + state[CATHODE_1] + state[CATHODE_2] + state[CATHODE_3] + state[CATHODE_4] + state[CATHODE_5]
    return max(LOWEST_STOICHIOMETRY, min(HIGHEST_STOICHIOMETRY, x))


def surface_ahead(state: Vector, par: Vector, density: float, second: float) -> float:
    """The same after ``density`` (> 0 takes lithium out) has flowed for ``second``, the time of `remember_decays`."""
    flux = -density * par[P_CATHODE_TIME] / (3.0 * par[P_CATHODE_CAPACITY])
    x = state[STOICHIOMETRY] - density * second / par[P_CATHODE_CAPACITY] + 0.2 * flux
    x += (state[CATHODE_1] - _SPHERE_1 * flux) * par[P_CATHODE_DECAY]
    x += (state[CATHODE_2] - _SPHERE_2 * flux) * par[P_CATHODE_DECAY + 1]
    x += (state[CATHODE_3] - _SPHERE_3 * flux) * par[P_CATHODE_DECAY + 2]
    x += (state[CATHODE_4] - _SPHERE_4 * flux) * par[P_CATHODE_DECAY + 3]
    x += (state[CATHODE_5] - _SPHERE_5 * flux) * par[P_CATHODE_DECAY + 4]
    return max(LOWEST_STOICHIOMETRY, min(HIGHEST_STOICHIOMETRY, x))


def cathode_exchange(par: Vector, x: float) -> float:
    """j0 at the surface content ``x``, A/cm² of cell."""
    return par[P_CATHODE_EXCHANGE] * exchange_ratio(x)


def cathode_potential(par: Vector, density: float, x: float) -> float:
    """V against lithium while ``density`` flows and the surface holds ``x``."""
    volt = open_circuit_volt(int(par[P_MATERIAL]), x)
    return volt + 2.0 * par[P_THERMAL] * math.asinh(0.5 * density / cathode_exchange(par, x))


def cathode_slope(state: Vector, par: Vector) -> float:
    """−dU/dx at the surface, V."""
    return -open_circuit_slope(int(par[P_MATERIAL]), surface(state))


def shuttled(state: Vector, par: Vector, density: float, second: float) -> float:
    """C/cm² that polysulfides carry from the lithium to the sulfur in ``second`` while ``density`` charges or discharges.

    dQ_high/dt = j − k_s Q_high in closed form; none below the high plateau.
    """
    rate = par[P_SHUTTLE_RATE]
    high = (HIGH_PLATEAU - state[STOICHIOMETRY]) * par[P_CATHODE_CAPACITY]
    if high < 0.0:
        if density <= 0.0 or density * second <= -high:
            return 0.0
        second += high / density
        high = 0.0
    steady = density / rate
    later = steady + (high - steady) * math.exp(-rate * second)
    if later < 0.0:
        second = math.log1p(-high / steady) / rate
        later = 0.0
    return max(0.0, density * second - (later - high))
