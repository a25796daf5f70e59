"""Fresh lithium and bulk stripped side by side at constant current, in closed form.

J > 0 is the current density, f what dies of the fresh lithium that leaves, δ² = δ_0² + k t its film, E = ∫ a dδ. Shares follow
the exchange currents W_f = F (a(Q) + a_0) and W_b = i_b + F p(P) of fresh lithium and of the bulk with its pits (P charge pitted,
p = p_max (1 − exp(−P/P*))), so (1 − f) dQ / W_f = −dP / W_b: the variables separate, and each side is a logarithm, φ(Q) and κ(P).
With G = ∫ a/(a + a_0) dδ

  φ(Q) + κ(P) = const − (1 − f) q_s G / F,    J t = (1 − f)(Q_0 − Q − q_s E) + P − P_0

hold exactly while the film grows. P follows from Q, and Newton's rule finds Q for a time. The phase ends when one of the two is
gone, at a time that is solved for together with E and G. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from emulator.cell.segments_lithium import Electrode, LithiumConstants, bulk_at
from emulator.cell.segments_numbers import NODES, Arithmetic, Four, Number, Truth, course_at, integrate, until_end, until_nodes
from emulator.cell.state import FILM_COULOMB_PER_NM

_SWEEPS = 80

_PLACES = (*NODES, 1.0)
_GUESS = tuple(
    tuple(float(value) for value in row) for row in np.linalg.inv(np.vander(np.array((0.0, *_PLACES)), 6, increasing=True))[1:]
)


class Sharing(NamedTuple):
    """The phase with fresh lithium and bulk; ``second`` long, 0 where there is none."""

    second: Number
    per_second: Number
    density: Number
    alive: Number
    fresh: Number
    pitted: Number
    invariant: Number
    reach: Number
    limit: Number
    area_sum: Number
    exchange: Number
    exchange_bulk: Number
    exchange_pits: Number
    pit_charge: Number
    bound_1: Number
    bound_2: Number
    bound_3: Number
    bound_4: Number
    drift_1: Number
    drift_2: Number
    drift_3: Number
    drift_4: Number
    guess_1: Number
    guess_2: Number
    guess_3: Number
    guess_4: Number
    guess_5: Number


def share(
    a: Arithmetic, c: LithiumConstants, e: Electrode, both: Truth, terms: tuple[Number, ...], longest: Number
) -> tuple[Sharing, tuple[Number, Number, Number, Number]]:
    """The phase on the cells with ``both``, and (fresh, bulk, pitted, second) at its end."""
    density, alive, growth = terms
    s = _new(a, c, e, density, alive)
    span = a.where(both, a.smaller(longest, alive * e.fresh / density + e.bulk / density), 0.0)
    values: list[Number] = [e.fresh * (1.0 - 0.5 * place) + 0.0 * span for place in _PLACES]
    bounds: tuple[Number, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    drifts, before = bounds, -1.0 + 0.0 * span
    for _ in range(_SWEEPS):
        span, fresh_first = _length(a, s, e, (bounds[4], drifts[4], growth), a.where(both, longest, 0.0), span)
        new = [_next_fresh(a, s, *at) for at in zip(values, (place * span for place in _PLACES), bounds, drifts, strict=True)]
        moved = abs(span - before) > 1e-12 * span
        for old, value in zip(values, new, strict=True):
            moved = moved | (abs(value - old) > 1e-10 * e.fresh)
        values, before = new, span
        rates, drifting = _speeds(a, c, e, values, (growth, span))
        bounds = (*until_nodes(rates, span), until_end(rates, span))
        drifts = (*until_nodes(drifting, span), until_end(drifting, span))
        if not a.some(moved & both):
            break
    guesses = (row[0] * e.fresh + sum(weight * value for weight, value in zip(row[1:], values, strict=True)) for row in _GUESS)
    per_second = 1.0 / a.larger(span, 1e-12)
    s = Sharing(span, per_second, *s[2:14], *integrate(rates, span), *integrate(drifting, span), *guesses)
    return s, _after(a, s, e, both, (fresh_first, values[4], bounds[4], growth, longest))


def _new(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, alive: Number) -> Sharing:
    zero = 0.0 * (density + e.fresh)
    s = Sharing(
        zero,
        zero + 1.0,
        density,
        alive,
        e.fresh,
        e.pitted,
        zero,
        e.reach,
        e.area_limit,
        e.area_limit + c.nucleation_area,
        c.exchange_fresh,
        c.exchange_bulk,
        c.exchange_fresh * c.pit_area,
        c.pit_charge,
        *(zero,) * 13,
    )
    return s._replace(invariant=_of_fresh(a, s, e.fresh) + _of_pitted(a, s, e.pitted))


def _speeds(
    a: Arithmetic, c: LithiumConstants, e: Electrode, values: list[Number], terms: tuple[Number, Number]
) -> tuple[Four, Four]:
    """Rates of E and G: a dδ/dt and a/(a + a_0) dδ/dt at the nodes."""
    growth, span = terms
    rates, drifting = [], []
    for fresh, place in zip(values[:4], NODES, strict=True):
        area = e.area_limit * (1.0 - a.exp(-fresh / e.reach))
        speed = 0.5 * growth / a.sqrt(e.film_nm * e.film_nm + growth * (place * span))
        rates.append(speed * area)
        drifting.append(speed * area / (area + c.nucleation_area))
    return (rates[0], rates[1], rates[2], rates[3]), (drifting[0], drifting[1], drifting[2], drifting[3])


def _after(a: Arithmetic, s: Sharing, e: Electrode, both: Truth, terms: tuple[Any, ...]) -> tuple[Number, Number, Number, Number]:
    fresh_first, fresh, bound, growth, longest = terms
    early = s.second < longest
    fresh = a.where(early & fresh_first, 0.0, fresh)
    pitted = s.pitted + s.density * s.second - s.alive * (s.fresh - fresh - FILM_COULOMB_PER_NM * bound)
    _, below = bulk_at(a, e.bulk, e.bulk_film_nm, growth, s.second)
    left = below - (pitted - s.pitted)
    bulk = a.larger(a.where(early, a.where(fresh_first, left, 0.0), left), 0.0)
    return a.where(both, fresh, e.fresh), a.where(both, bulk, e.bulk), a.where(both, pitted, e.pitted), s.second


def sharing_at(a: Arithmetic, s: Sharing, second: Number) -> tuple[Number, Number]:
    """(fresh, pitted) at times within the phase."""
    x = second * s.per_second
    bound = course_at((s.bound_1, s.bound_2, s.bound_3, s.bound_4), x)
    drift = course_at((s.drift_1, s.drift_2, s.drift_3, s.drift_4), x)
    fresh = s.fresh + x * (s.guess_1 + x * (s.guess_2 + x * (s.guess_3 + x * (s.guess_4 + x * s.guess_5))))
    fresh = a.larger(fresh, 0.0)
    for _ in range(2):
        fresh = _next_fresh(a, s, fresh, second, bound, drift)
    pitted = s.pitted + s.density * second - s.alive * (s.fresh - fresh - FILM_COULOMB_PER_NM * bound)
    return fresh, pitted


def _length(
    a: Arithmetic, s: Sharing, e: Electrode, terms: tuple[Number, ...], longest: Number, span: Number
) -> tuple[Number, Truth]:
    """How long both last, and whether it is the fresh lithium that ends first."""
    bound, drift, growth = terms
    constant = s.invariant - s.alive * FILM_COULOMB_PER_NM * drift / s.exchange
    _, below = bulk_at(a, e.bulk, e.bulk_film_nm, growth, span)
    all_pitted = s.pitted + below
    scaled = (constant - _of_pitted(a, s, all_pitted)) * s.exchange * s.area_sum / (s.alive * s.reach)
    fresh_then = s.reach * a.log((a.exp(scaled) + s.limit) / s.area_sum)
    first_gone = fresh_then <= 0.0
    fresh_then = a.larger(fresh_then, 0.0)
    pitted = a.where(first_gone, _pitted_of(a, s, constant - _of_fresh(a, s, fresh_then)), all_pitted)
    charge = s.alive * (s.fresh - fresh_then - FILM_COULOMB_PER_NM * bound) + pitted - s.pitted
    return a.smaller(longest, a.larger(charge, 0.0) / s.density), first_gone


def _of_fresh(a: Arithmetic, s: Sharing, fresh: Number) -> Number:
    """φ(Q) = ∫ (1 − f) dQ / W_f."""
    return s.alive / (s.exchange * s.area_sum) * (fresh + s.reach * a.log(s.area_sum - s.limit * a.exp(-fresh / s.reach)))


def _of_pitted(a: Arithmetic, s: Sharing, pitted: Number) -> Number:
    """κ(P) = ∫ dP / W_b."""
    flat = s.exchange_bulk + s.exchange_pits
    return (pitted + s.pit_charge * a.log(flat - s.exchange_pits * a.exp(-pitted / s.pit_charge))) / flat


def _pitted_of(a: Arithmetic, s: Sharing, value: Number) -> Number:
    """P where κ(P) is ``value``."""
    flat = s.exchange_bulk + s.exchange_pits
    scaled = flat * value
    return scaled + s.pit_charge * a.log((1.0 + s.exchange_pits * a.exp(-scaled / s.pit_charge)) / flat)


def _next_fresh(a: Arithmetic, s: Sharing, fresh: Number, since: Number, bound: Number, drift: Number) -> Number:
    """One step of Newton's rule towards the fresh lithium at a time."""
    decay = a.exp(-fresh / s.reach)
    free = s.area_sum - s.limit * decay
    value = s.invariant - s.alive * FILM_COULOMB_PER_NM * drift / s.exchange
    value = value - s.alive / (s.exchange * s.area_sum) * (fresh + s.reach * a.log(free))
    flat = s.exchange_bulk + s.exchange_pits
    scaled = flat * value
    beside = s.exchange_pits * a.exp(-scaled / s.pit_charge)
    pitted = scaled + s.pit_charge * a.log((1.0 + beside) / flat)
    below = flat / (1.0 + beside)
    error = s.alive * (s.fresh - fresh - FILM_COULOMB_PER_NM * bound) + pitted - s.pitted - s.density * since
    return a.larger(fresh + error / (s.alive * (1.0 + below / (s.exchange * free))), 0.0)
