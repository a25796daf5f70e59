"""One lithium electrode: where every coulomb of lithium is, and what it costs to move it.

Plain functions on one block of a flat state (``base`` is `TRACKED` or `OTHER`). j > 0 plates lithium (A/cm²), charges are C/cm².
The books are

* ``fresh``    mossy or columnar lithium deposited since,
* ``bulk``     the foil or reservoir underneath (zero on a bare substrate),
* ``dead``     metallic lithium that lost contact,
* ``film``     lithium bound in the interphase,
* ``surface``  charge stored on the lithium-free surface between 0 V and the oxidation potential (to be reduced back first),
* ``oxidised`` charge passed by other reactions once lithium is exhausted (electrolyte and copper oxidation), so that a
  galvanostatic current is always carried and always counted.

Conservation, tested at every step: fresh + bulk + dead + film − surface − oxidised = initial + ∫ j dt.

Stripping divides between the paths of `emulator.cell.kernel_interface` by their part of W. True area:
a_f = a_max (1 − exp(−k Q_f / a_max)), k = 4 v / d. On a substrate the first nuclei may set the size of all: with nucleation
power m, d = d_ref (η_ref / η)^m, and m = 1 is the r ~ 1/η of A. Pei et al., Nano Lett. 17 (2017) 1132.

Losses have a geometric cause: each new unit of true area binds δ0 q_s of lithium (q_s = 2.7e-4 mAh/cm² per nm, LiF basis), the
film thickens with sqrt(time), and a fraction of what is stripped dies. Plating solves Q_f + δ0 q_s a_f(Q_f) = old + charge, so
the loss of a half cycle does not depend on how it was cut into steps. ``film_nm`` is the mean over the area.

A share s of the current goes through cracks of the layers and deposits lithium as on bare lithium: true area per charge and
dead fraction are the means weighted by s, the new film the mean over the new area, so that the loss is that of both parts.
"""

from __future__ import annotations

import math

from emulator.cell import kernel_interface
from emulator.cell.state import (
    AREA,
    AREA_LIMIT,
    BOOKS_WRONG,
    BULK,
    BULK_FILM_NM,
    CELL_FACTOR,
    CRACK_SHARE,
    DEAD,
    DEAD_FRACTION,
    DEPOSITING,
    DEPOSITS,
    DEVIATION,
    FILM,
    FILM_COULOMB_PER_NM,
    FILM_NM,
    FORMATION_LEFT,
    FRESH,
    GROWN,
    INITIAL,
    INTEGRITY,
    LOSS_FACTOR,
    LOSS_START,
    NET,
    NEW_FILM_NM,
    NORMALS_EXHAUSTED,
    OK,
    OXIDISED,
    P_AREA_LIMIT,
    P_BARE_AREA_LIMIT,
    P_BARE_DEAD,
    P_BARE_FILM,
    P_BARE_GROWTH,
    P_BARE_STEEPNESS,
    P_CELL_SCATTER,
    P_CORROSION,
    P_DEAD,
    P_EXCHANGE_BULK,
    P_EXCHANGE_FRESH,
    P_FORMATION,
    P_GROWTH,
    P_LOSS_CORRELATION,
    P_LOSS_SCATTER,
    P_NEW_FILM,
    P_NUCLEATION,
    P_NUCLEATION_POWER,
    P_NUCLEATION_VOLT,
    P_PIT_AREA,
    P_PIT_CHARGE,
    P_RUN_IN_CYCLES,
    P_RUN_IN_FACTOR,
    P_STEEPNESS,
    P_SURFACE_FARAD,
    P_THERMAL,
    PITTED,
    PLATED,
    REACH,
    STREAM_OTHER,
    STREAM_TRACKED,
    STREAMS,
    STRIPPING,
    SURFACE,
    THROUGHPUT,
    TRACKED,
    UM_PER_COULOMB,
    Vector,
)

_TRACE = 1e-7
_TOLERANCE = 1e-9
_SMALLEST_UM = 0.1
_LARGEST_UM = 50.0


def prepare(state: Vector, par: Vector, base: int, bulk: float, bound: float, normal: float) -> None:
    """A new electrode: ``bulk`` C/cm² under it, ``bound`` in a film or alloy; ``normal`` is what sets it apart from others."""
    state[base + BULK] = bulk
    state[base + FILM] = bound
    state[base + INITIAL] = bulk + bound
    state[base + LOSS_START] = bound
    state[base + FORMATION_LEFT] = par[P_FORMATION] if bulk == 0.0 else 0.0
    state[base + INTEGRITY] = 1.0
    state[base + FILM_NM] = state[base + BULK_FILM_NM] = par[P_NEW_FILM]
    state[base + CELL_FACTOR] = state[base + LOSS_FACTOR] = math.exp(par[P_CELL_SCATTER] * normal)
    kernel_interface.share_cracks(state, par, base)
    _shape(state, par, base, 0.0)


# -- what happens in a step


def advance(state: Vector, par: Vector, normals: Vector, base: int, density: float, second: float) -> int:
    """Carry ``density`` (A/cm², > 0 plates) for ``second``; returns `OK`, `BOOKS_WRONG` or `NORMALS_EXHAUSTED`."""
    area_before = state[base + AREA]
    charge = density * second
    if charge > 0.0:
        if not _plate(state, par, normals, base, charge, density):
            return NORMALS_EXHAUSTED
    elif charge < 0.0:
        _strip(state, par, base, -charge, -density)
    if second > 0.0:
        _grow_film(state, par, base, second, area_before)
    net = state[base + NET] + charge
    throughput = state[base + THROUGHPUT] + abs(charge)
    state[base + NET] = net
    state[base + THROUGHPUT] = throughput
    initial = state[base + INITIAL]
    books = state[base + FRESH] + state[base + BULK] + state[base + DEAD] + state[base + FILM]
    books -= state[base + SURFACE] + state[base + OXIDISED]
    if abs(books - initial - net) > _TOLERANCE * (1e-3 + initial + throughput):
        return BOOKS_WRONG
    return OK


def _plate(state: Vector, par: Vector, normals: Vector, base: int, charge: float, density: float) -> bool:
    if state[base + STRIPPING] > 0.0:
        state[base + STRIPPING] = 0.0
        close_cycle(state, base)
    if state[base + SURFACE] > 0.0:
        used = min(charge, state[base + SURFACE])
        state[base + SURFACE] -= used
        charge -= used
    state[base + PLATED] += charge
    if charge > 0.0 and state[base + FORMATION_LEFT] > 0.0:
        used = min(charge, state[base + FORMATION_LEFT])
        state[base + FORMATION_LEFT] -= used
        state[base + FILM] += used
        charge -= used
    if charge > 0.0:
        if state[base + DEPOSITING] == 0.0 and not _begin_deposit(state, par, normals, base, density):
            return False
        _deposit(state, base, charge)
    return True


def close_cycle(state: Vector, base: int) -> None:
    """From here on, losses are counted for a new deposit."""
    state[base + PLATED] = 0.0
    state[base + LOSS_START] = state[base + DEAD] + state[base + FILM]


def _deposit(state: Vector, base: int, charge: float) -> None:
    """Newton's rule for Q_f + c a_f(Q_f) = old + charge, c the film on a unit of new area."""
    cost = state[base + LOSS_FACTOR] * state[base + NEW_FILM_NM] * FILM_COULOMB_PER_NM
    old, area = state[base + FRESH], state[base + AREA]
    reach, limit = state[base + REACH], state[base + AREA_LIMIT]
    steepness = limit / reach
    target = old + cost * area + charge
    fresh = old + charge / (1.0 + cost * steepness * (1.0 - area / limit))
    for _ in range(50):
        decay = math.exp(-fresh / reach)
        change = (fresh + cost * limit * (1.0 - decay) - target) / (1.0 + cost * steepness * decay)
        fresh -= change
        if abs(change) <= 1e-14 * (fresh + charge):
            break
    state[base + FILM] += charge - (fresh - old)
    state[base + FRESH] = fresh
    new = limit * (1.0 - math.exp(-fresh / reach))
    if new > 0.0:
        thin = state[base + NEW_FILM_NM]
        state[base + FILM_NM] = thin + (state[base + FILM_NM] - thin) * min(1.0, area / new)
    state[base + AREA] = new


def _begin_deposit(state: Vector, par: Vector, normals: Vector, base: int, density: float) -> bool:
    """A new deposit after a removal: its own loss, log-normal around the run-in, correlated with the one before."""
    deposits = state[base + DEPOSITS] + 1.0
    place = STREAMS * int(deposits) + (STREAM_TRACKED if base == TRACKED else STREAM_OTHER)
    if place >= len(normals):
        return False
    state[base + DEPOSITING] = 1.0
    state[base + DEPOSITS] = deposits
    correlation = par[P_LOSS_CORRELATION]
    fresh_part = math.sqrt(1.0 - correlation * correlation) * normals[place]
    deviation = correlation * state[base + DEVIATION] + fresh_part
    state[base + DEVIATION] = deviation
    run_in = 1.0 + (par[P_RUN_IN_FACTOR] - 1.0) * math.exp(-deposits / par[P_RUN_IN_CYCLES])
    scatter = par[P_LOSS_SCATTER]
    state[base + LOSS_FACTOR] = state[base + CELL_FACTOR] * run_in * math.exp(scatter * deviation - 0.5 * scatter * scatter)
    state[base + PITTED] = 0.0
    kernel_interface.share_cracks(state, par, base)
    _shape(state, par, base, density)
    return True


def _shape(state: Vector, par: Vector, base: int, density: float) -> None:
    """Fix how the deposit that begins at ``density`` will grow; what is left of the last one takes its shape."""
    steepness, limit = par[P_STEEPNESS], par[P_AREA_LIMIT]
    film, dead = par[P_NEW_FILM], par[P_DEAD]
    share = state[base + CRACK_SHARE]
    if share > 0.0:
        intact = 1.0 - share
        mixed = intact * steepness + share * par[P_BARE_STEEPNESS]
        film = (intact * steepness * film + share * par[P_BARE_STEEPNESS] * par[P_BARE_FILM]) / mixed
        limit = intact * limit + share * par[P_BARE_AREA_LIMIT]
        dead = intact * dead + share * par[P_BARE_DEAD]
        steepness = mixed
    if par[P_NUCLEATION_POWER] > 0.0 and density > 0.0:
        volt = 2.0 * par[P_THERMAL] * math.asinh(0.5 * density / (par[P_EXCHANGE_FRESH] * par[P_NUCLEATION]))
        steepness *= (volt / par[P_NUCLEATION_VOLT]) ** par[P_NUCLEATION_POWER]
        steepness = min(4.0 * UM_PER_COULOMB / _SMALLEST_UM, max(4.0 * UM_PER_COULOMB / _LARGEST_UM, steepness))
    reach = limit / steepness
    state[base + NEW_FILM_NM] = film
    state[base + DEAD_FRACTION] = dead
    if reach != state[base + REACH] or limit != state[base + AREA_LIMIT]:
        state[base + REACH], state[base + AREA_LIMIT] = reach, limit
        state[base + AREA] = limit * (1.0 - math.exp(-state[base + FRESH] / reach))


def _strip(state: Vector, par: Vector, base: int, charge: float, density: float) -> None:
    state[base + DEPOSITING] = 0.0
    state[base + STRIPPING] = 1.0
    dead = min(0.5, state[base + LOSS_FACTOR] * state[base + DEAD_FRACTION])
    if state[base + BULK] > 0.0 and state[base + FRESH] > 0.0:
        charge = _strip_shared(state, par, base, charge, dead)
    if charge > 0.0 and state[base + BULK] > 0.0:
        charge -= _take_bulk(state, base, charge)
    if charge > 0.0 and state[base + FRESH] > 0.0:
        charge -= _take_fresh(state, base, charge, dead)
    if charge > 0.0:
        highest = par[P_SURFACE_FARAD] * kernel_interface.oxidation_volt(par, density)
        stored = min(charge, max(0.0, highest - state[base + SURFACE]))
        state[base + SURFACE] += stored
        state[base + OXIDISED] += charge - stored


def _strip_shared(state: Vector, par: Vector, base: int, charge: float, dead: float) -> float:
    """Fresh lithium and bulk dissolve side by side, in steps of at most a quarter of what is fresh; returns the rest.

    The last traces of either are taken alone, so that the number of steps is bounded.
    """
    while charge > 0.0:
        fresh, bulk = state[base + FRESH], state[base + BULK]
        available = fresh * (1.0 - dead)
        if available <= _TRACE:
            return charge - _take_fresh(state, base, charge, dead)
        if bulk <= _TRACE:
            return charge - _take_bulk(state, base, charge)
        share = _fresh_share(par, state[base + AREA], state[base + PITTED])
        step = min(charge, 0.25 * available / share, 0.5 * bulk / (1.0 - share))
        middle = fresh - 0.5 * share * step / (1.0 - dead)
        middle_area = state[base + AREA_LIMIT] * (1.0 - math.exp(-middle / state[base + REACH]))
        share = _fresh_share(par, middle_area, state[base + PITTED] + 0.5 * (1.0 - share) * step)
        taken = _take_fresh(state, base, share * step, dead)
        charge -= taken + _take_bulk(state, base, step - taken)
    return 0.0


def _take_bulk(state: Vector, base: int, charge: float) -> float:
    """Strip up to ``charge`` of bulk lithium; returns what was there to strip."""
    used = min(charge, state[base + BULK])
    state[base + BULK] -= used
    state[base + PITTED] += used
    return used


def _fresh_share(par: Vector, area: float, pitted: float) -> float:
    exchange = par[P_EXCHANGE_FRESH]
    fresh = exchange * (area + par[P_NUCLEATION])
    pits = exchange * par[P_PIT_AREA] * (1.0 - math.exp(-pitted / par[P_PIT_CHARGE]))
    return fresh / (fresh + par[P_EXCHANGE_BULK] + pits)


def _take_fresh(state: Vector, base: int, charge: float, dead: float) -> float:
    """Strip up to ``charge`` of fresh lithium; returns what was there to strip."""
    removed = charge / (1.0 - dead)
    fresh = state[base + FRESH]
    if removed >= fresh:
        taken = fresh * (1.0 - dead)
        state[base + DEAD] += fresh - taken
        state[base + FRESH] = state[base + AREA] = 0.0
        return taken
    state[base + FRESH] = fresh - removed
    state[base + DEAD] += removed - charge
    state[base + AREA] = state[base + AREA_LIMIT] * (1.0 - math.exp(-(fresh - removed) / state[base + REACH]))
    return charge


def _grow_film(state: Vector, par: Vector, base: int, second: float, area_before: float) -> None:
    """δ² grows by k t on fresh lithium and on the bulk; beside a bare substrate lithium also corrodes at a constant rate."""
    share = state[base + CRACK_SHARE]
    growth = (par[P_GROWTH] + share * (par[P_BARE_GROWTH] - par[P_GROWTH])) * second
    if state[base + FRESH] > 0.0:
        thick = state[base + FILM_NM]
        thicker = math.sqrt(thick * thick + growth)
        bound = FILM_COULOMB_PER_NM * 0.5 * (state[base + AREA] + area_before) * (thicker - thick)
        if state[base + BULK] == 0.0:
            bound += par[P_CORROSION] * second
        bound = min(bound, state[base + FRESH])
        state[base + FRESH] -= bound
        state[base + FILM] += bound
        state[base + GROWN] += bound
        state[base + FILM_NM] = thicker
    if state[base + BULK] > 0.0:
        thick = state[base + BULK_FILM_NM]
        thicker = math.sqrt(thick * thick + growth)
        bound = min(FILM_COULOMB_PER_NM * (thicker - thick), state[base + BULK])
        state[base + BULK] -= bound
        state[base + FILM] += bound
        state[base + GROWN] += bound
        state[base + BULK_FILM_NM] = thicker
