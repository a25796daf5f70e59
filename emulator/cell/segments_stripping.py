"""One lithium electrode over a segment that strips it at constant current, in closed form.

J > 0 is the current density, f what dies of the fresh lithium that leaves (J' = J/(1 − f)), δ² = δ_0² + k t its film, E = ∫ a dδ.

* Fresh lithium and bulk side by side. Shares follow the exchange currents W_f = F (a(Q) + a_0) and W_b = i_b + F p(P) of fresh
  lithium and of the bulk with its pits (P charge pitted, p = p_max (1 − exp(−P/P*))), so (1 − f) dQ / W_f = −dP / W_b: the
  variables separate, each side is a logarithm (φ(Q) and κ(P) below), and
  with G(t) = ∫ a/(a + a_0) dδ     φ(Q) + κ(P) = const − (1 − f) q_s G / F,     J t = (1 − f)(Q_0 − Q − q_s E) + P − P_0
  hold exactly while the film grows. P follows from Q, and Newton's rule finds Q for a time.
* Then one of them alone: Q = Q_A − (J' + κ) t − q_s E(t), or B = B_A − J t − q_s (δ_b − δ_bA).
* Then nothing: the surface is charged, until other reactions would carry J (``full``). There a segment ends at the latest.

Each phase ends at a time that is solved for together with E (and G). All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emulator.cell.segments_lithium import Electrode, LithiumConstants, Seen, bulk_at, film_growth
from emulator.cell.segments_numbers import (
    NODES,
    Arithmetic,
    Course,
    Four,
    Number,
    Truth,
    course_at,
    integrate,
    until_end,
    until_nodes,
)
from emulator.cell.state import FILM_COULOMB_PER_NM

_SWEEPS = 80
_SETTLED = 3e-3
_NEVER = 1e300

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


class Stripping(NamedTuple):
    """A segment with j < 0, from any state. Phases: shared until ``shared``, one alone until ``gone``, then nothing is left."""

    density: Number
    rate: Number
    growth: Number
    corrosion: Number
    shared: Number
    gone: Number
    fresh: Number
    bulk: Number
    sum: Number
    surface: Number
    full: Number
    formation_left: Number
    film_square: Number
    bulk_film_nm: Number
    pitted: Number
    reach: Number
    limit: Number
    fresh_left: Number
    bulk_left: Number
    pitted_then: Number
    fresh_second: Number
    per_second: Number
    bulk_second: Number
    course_1: Number
    course_2: Number
    course_3: Number
    course_4: Number


def strip(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, second: Number) -> tuple[Stripping, Sharing | None]:
    """The path of ``second`` at ``density`` > 0 (taking lithium away) from the state ``e``."""
    alive = 1.0 - a.smaller(e.loss_factor * e.dead_fraction, 0.5)
    growth = film_growth(c, e)
    corrosion = a.where(e.bulk > 0.0, 0.0, c.corrosion)
    both = (e.fresh > 0.0) & (e.bulk > 0.0)
    sharing, after = None, (e.fresh, e.bulk, e.pitted, 0.0 * second)
    if a.some(both):
        sharing, after = _share(a, c, e, both, (density, alive, growth), second)
    fresh, bulk, pitted, shared = after
    film_square = e.film_nm * e.film_nm
    rate = density / alive + corrosion
    terms = (rate, e.reach, e.area_limit, growth, film_square + growth * shared)
    fresh_second, course = _alone(a, fresh, terms, second - shared)
    bulk_film_nm, _ = bulk_at(a, e.bulk, e.bulk_film_nm, growth, shared)
    bulk_second = _bulk_alone(a, bulk, bulk_film_nm, density, growth, a.where(fresh > 0.0, 0.0, second - shared))
    gone = shared + fresh_second + bulk_second
    gone = a.where(gone < second, gone, _NEVER)
    highest = c.oxidation_volt + 2.0 * c.thermal_volt * a.log(1.0 + density / c.oxidation_reference)
    path = Stripping(
        density=density,
        rate=rate,
        growth=growth,
        corrosion=corrosion,
        shared=shared,
        gone=gone,
        fresh=e.fresh,
        bulk=e.bulk,
        sum=e.dead + e.film + e.fresh + e.bulk,
        surface=e.surface,
        full=gone + a.larger(c.surface_farad * highest - e.surface, 0.0) / density,
        formation_left=e.formation_left,
        film_square=film_square,
        bulk_film_nm=e.bulk_film_nm,
        pitted=e.pitted,
        reach=e.reach,
        limit=e.area_limit,
        fresh_left=fresh,
        bulk_left=bulk,
        pitted_then=pitted,
        fresh_second=fresh_second,
        per_second=1.0 / a.larger(fresh_second, 1e-12),
        bulk_second=bulk_second,
        course_1=course[0],
        course_2=course[1],
        course_3=course[2],
        course_4=course[3],
    )
    return path, sharing


def _alone(a: Arithmetic, fresh: Number, terms: tuple[Number, ...], longest: Number) -> tuple[Number, Course]:
    """How long ``fresh`` lasts (at most ``longest``), and E over that time."""
    rate, reach, limit, growth, film_square = terms
    half, inverse = 0.5 * growth * limit, -1.0 / reach
    span = a.smaller(longest, fresh / rate)
    bounds: Four = (0.0, 0.0, 0.0, 0.0)
    before = 0.0 * span
    for _ in range(_SWEEPS):
        speeds = []
        for place, bound in zip(NODES, bounds, strict=True):
            since = place * span
            left = fresh - rate * since - FILM_COULOMB_PER_NM * bound
            speeds.append(half * (1.0 - a.exp(left * inverse)) / a.sqrt(film_square + growth * since))
        rates = (speeds[0], speeds[1], speeds[2], speeds[3])
        total = until_end(rates, span)
        span = a.smaller(longest, a.larger(fresh - FILM_COULOMB_PER_NM * total, 0.0) / rate)
        if not a.some(abs(total - before) > _SETTLED * (total + 1e-3)):
            break
        before, bounds = total, until_nodes(rates, span)
    total = until_end(rates, span)
    span = a.smaller(longest, a.larger(fresh - FILM_COULOMB_PER_NM * total, 0.0) / rate)
    return span, integrate(rates, span)


def _bulk_alone(a: Arithmetic, bulk: Number, film_nm: Number, density: Number, growth: Number, longest: Number) -> Number:
    """How long ``bulk`` lasts alone, at most ``longest``."""
    span = a.smaller(longest, bulk / density)
    if not a.some((bulk > 0.0) & (span > 0.0)):
        return 0.0 * span
    for _ in range(4):
        thick = a.sqrt(film_nm * film_nm + growth * span)
        left = a.larger(bulk - FILM_COULOMB_PER_NM * (thick - film_nm), 0.0)
        span = a.smaller(longest, left / density)
    return span


def stripping_at(a: Arithmetic, p: Stripping, sharing: Sharing | None, second: Number) -> Seen:
    """The electrode ``second`` after the segment began."""
    alone = second if sharing is None else a.larger(second - p.shared, 0.0)
    own = a.smaller(alone, p.fresh_second)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), own * p.per_second)
    fresh = p.fresh_left - p.rate * own - FILM_COULOMB_PER_NM * bound
    bulk, bulk_film_nm, pitted = p.bulk, p.bulk_film_nm, p.pitted
    if a.some(p.bulk > 0.0):
        pitted = p.pitted_then + p.density * a.smaller(alone, p.bulk_second)
        if sharing is not None:
            within = second < p.shared
            fresh_shared, pitted_shared = _sharing_at(a, sharing, a.smaller(second, sharing.second))
            fresh, pitted = a.where(within, fresh_shared, fresh), a.where(within, pitted_shared, pitted)
        bulk, bulk_film_nm = _bulk_at(a, p, pitted, second)
    fresh = a.larger(fresh, 0.0)
    bare, surface, left = False, 0.0, second
    after = second >= p.gone
    if a.some(after):
        left = a.smaller(second, p.gone)
        fresh, bulk = a.where(after, 0.0, fresh), a.where(after, 0.0, bulk)
        bare, surface = after, p.surface + p.density * (second - left)
    lost = p.sum - p.density * left - fresh - bulk
    area = p.limit * (1.0 - a.exp(-fresh / p.reach))
    cover = area / a.sqrt(p.film_square + p.growth * left)
    return Seen(fresh, bulk, lost, area, cover, bulk_film_nm, pitted, bare, surface, p.formation_left)


def _bulk_at(a: Arithmetic, p: Stripping, pitted: Number, second: Number) -> tuple[Number, Number]:
    left = a.smaller(second, p.gone)
    exposed = a.where(p.bulk_left > 0.0, left, a.smaller(left, p.shared))
    bulk_film_nm, below = bulk_at(a, p.bulk, p.bulk_film_nm, p.growth, exposed)
    bulk = a.larger(below - (pitted - p.pitted), 0.0)
    return a.where((second >= p.shared) & (p.bulk_left <= 0.0), 0.0, bulk), bulk_film_nm


def stripped(a: Arithmetic, path: tuple[Stripping, Sharing | None], e: Electrode, second: Number) -> Electrode:
    """The state ``second`` after the segment began; ``e`` is the one it began with."""
    p, sharing = path
    seen = stripping_at(a, p, sharing, second)
    charge = p.density * second
    grown = _grown(a, p, sharing, second) + (e.bulk - seen.bulk) - (seen.pitted - e.pitted)
    film = e.film + grown
    left = a.where(e.fresh > 0.0, a.smaller(second, p.gone), 0.0)
    return e._replace(
        fresh=seen.fresh,
        bulk=seen.bulk,
        dead=seen.lost - film,
        film=film,
        surface=a.where(second >= p.gone, seen.surface, e.surface),
        net=e.net - charge,
        throughput=e.throughput + charge,
        grown=e.grown + grown,
        film_nm=a.sqrt(p.film_square + p.growth * left),
        bulk_film_nm=seen.bulk_film_nm,
        area=seen.area,
        pitted=seen.pitted,
        depositing=0.0 * e.depositing,
        stripping=1.0 + 0.0 * e.stripping,
    )


def _grown(a: Arithmetic, p: Stripping, sharing: Sharing | None, second: Number) -> Number:
    """What the film on fresh lithium and corrosion took."""
    own = a.smaller(a.larger(second - p.shared, 0.0), p.fresh_second)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), own * p.per_second)
    if sharing is not None:
        x = a.smaller(second, sharing.second) * sharing.per_second
        bound = bound + course_at((sharing.bound_1, sharing.bound_2, sharing.bound_3, sharing.bound_4), x)
    return FILM_COULOMB_PER_NM * bound + p.corrosion * own


# -- fresh lithium and bulk side by side


def _share(
    a: Arithmetic, c: LithiumConstants, e: Electrode, both: Truth, terms: tuple[Number, ...], longest: Number
) -> tuple[Sharing, tuple[Number, Number, Number, Number]]:
    """The phase, and (fresh, bulk, pitted, second) at its end."""
    density, alive, growth = terms
    zero = 0.0 * (longest + e.fresh + density)
    nothing = (zero,) * 13
    pits = c.exchange_fresh * c.pit_area
    area_sum = e.area_limit + c.nucleation_area
    phase = Sharing(
        zero, zero + 1.0, density, alive, e.fresh, e.pitted, zero, e.reach, e.area_limit, area_sum,
        c.exchange_fresh, c.exchange_bulk, pits, c.pit_charge, *nothing,
    )  # fmt: skip
    phase = phase._replace(invariant=_of_fresh(a, phase, e.fresh) + _of_pitted(a, phase, e.pitted))
    span = a.where(both, a.smaller(longest, alive * e.fresh / density + e.bulk / density), 0.0)
    values: list[Number] = [e.fresh * (1.0 - 0.5 * place) + zero for place in _PLACES]
    bounds: tuple[Number, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    drifts: tuple[Number, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    before = zero - 1.0
    four: Four = (zero, zero, zero, zero)
    drifting: Four = (zero, zero, zero, zero)
    first_gone = both
    for _ in range(_SWEEPS):
        span, first_gone = _shared_span(a, phase, e, (bounds[4], drifts[4], growth), a.where(both, longest, 0.0), span)
        rates, drift_rates = [], []
        moved = abs(span - before) > 1e-12 * span
        for node, place in enumerate(_PLACES):
            since = place * span
            value = _next_fresh(a, phase, values[node], since, bounds[node], drifts[node])[0]
            moved = moved | (abs(value - values[node]) > 1e-10 * phase.fresh)
            values[node] = value
            area = e.area_limit * (1.0 - a.exp(-values[node] / e.reach))
            speed = 0.5 * growth / a.sqrt(e.film_nm * e.film_nm + growth * since)
            rates.append(speed * area)
            drift_rates.append(speed * area / (area + c.nucleation_area))
        four, drifting = (
            (rates[0], rates[1], rates[2], rates[3]),
            (drift_rates[0], drift_rates[1], drift_rates[2], drift_rates[3]),
        )
        bounds = (*until_nodes(four, span), until_end(four, span))
        drifts = (*until_nodes(drifting, span), until_end(drifting, span))
        if not a.some(moved & both):
            break
        before = span
    guesses = tuple(
        row[0] * phase.fresh + sum(weight * value for weight, value in zip(row[1:], values, strict=True)) for row in _GUESS
    )
    bound, drift = integrate(four, span), integrate(drifting, span)
    phase = Sharing(span, 1.0 / a.larger(span, 1e-12), *phase[2:14], *bound, *drift, *guesses)
    return phase, _after_sharing(a, phase, e, both, first_gone, (values[4], bounds[4], growth, longest))


def _after_sharing(
    a: Arithmetic, phase: Sharing, e: Electrode, both: Truth, first_gone: Truth, terms: tuple[Number, ...]
) -> tuple[Number, Number, Number, Number]:
    fresh, bound, growth, longest = terms
    early = phase.second < longest
    fresh = a.where(early & first_gone, 0.0, fresh)
    pitted = phase.pitted + phase.density * phase.second - phase.alive * (phase.fresh - fresh - FILM_COULOMB_PER_NM * bound)
    _, below = bulk_at(a, e.bulk, e.bulk_film_nm, growth, phase.second)
    bulk = a.where(early, a.where(first_gone, below - (pitted - phase.pitted), 0.0), below - (pitted - phase.pitted))
    return (
        a.where(both, fresh, e.fresh),
        a.where(both, a.larger(bulk, 0.0), e.bulk),
        a.where(both, pitted, e.pitted),
        phase.second,
    )


def _sharing_at(a: Arithmetic, s: Sharing, second: Number) -> tuple[Number, Number]:
    """(fresh, pitted) at times within the phase."""
    x = second * s.per_second
    bound = course_at((s.bound_1, s.bound_2, s.bound_3, s.bound_4), x)
    drift = course_at((s.drift_1, s.drift_2, s.drift_3, s.drift_4), x)
    fresh = s.fresh + x * (s.guess_1 + x * (s.guess_2 + x * (s.guess_3 + x * (s.guess_4 + x * s.guess_5))))
    fresh = a.larger(fresh, 0.0)
    for _ in range(2):
        fresh, _ = _next_fresh(a, s, fresh, second, bound, drift)
    pitted = s.pitted + s.density * second - s.alive * (s.fresh - fresh - FILM_COULOMB_PER_NM * bound)
    return fresh, pitted


def _shared_span(
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


def _next_fresh(a: Arithmetic, s: Sharing, fresh: Number, since: Number, bound: Number, drift: Number) -> tuple[Number, Number]:
    """One step of Newton's rule towards the fresh lithium at a time, and the charge pitted before it."""
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
    return a.larger(fresh + error / (s.alive * (1.0 + below / (s.exchange * free))), 0.0), pitted
