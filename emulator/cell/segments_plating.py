"""One lithium electrode over a segment that plates it at constant current, in closed form.

j > 0 is the current density; Q, a(Q), δ, q_s, κ as in `emulator.cell.segments_lithium`, c the film on a unit of new area times
the loss factor of this deposit. A bare surface is discharged first (surface / j), then the substrate's first film is formed
(formation / j), and then

  Q + c a(Q) = Q_0 + c a_0 + (j − κ) t − q_s E(t),    E = ∫ a k/(2δ) dt,    a δ = a_0 δ_0 + δ_new (a − a_0) + E.

E is the one quantity without a closed form. It is small (q_s E is some 1e-3 of the charge), so its rate at four Gauss-Legendre
points, found by Picard's iteration, gives it to about 1e-7 of the charge. The equation for Q is convex: Newton's rule.

A path (`plate`) is made from a state and asked afterwards at any times (`plating_at`): with floats to find where a segment ends,
with arrays for all samples of many segments at once. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emulator.cell.segments_lithium import Electrode, LithiumConstants, Seen, bulk_at, crack_share, film_growth
from emulator.cell.segments_numbers import (
    NODES,
    Arithmetic,
    Course,
    Number,
    choose,
    course_at,
    integrate,
    until_end,
    until_nodes,
)
from emulator.cell.state import FILM_COULOMB_PER_NM, UM_PER_COULOMB

_SWEEPS = 60
_SETTLED = 3e-4
_SMALLEST_UM = 0.1
_LARGEST_UM = 50.0


@dataclass(slots=True)
class Plating:
    """A segment with j > 0, from any state: times in s, charges in C/cm², thicknesses in nm."""

    density: Number
    discharged: Number
    formed: Number
    per_second: Number
    net_density: Number
    base: Number
    excess: Number
    cost: Number
    new_film_nm: Number
    reach: Number
    limit: Number
    course_1: Number
    course_2: Number
    course_3: Number
    course_4: Number
    growth: Number
    corrosion: Number
    fresh: Number
    bulk: Number
    total: Number
    surface: Number
    formation_left: Number
    bulk_film_nm: Number


def deposit_begun(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, formed: Number, normal: Number) -> Electrode:
    """The state at the begin of a segment with ``density`` > 0, whose deposit begins with it where none goes on.

    ``formed`` is the time left for a deposit, > 0 where one will begin; ``normal`` the standard normal number of that deposit.
    """
    after = e.stripping > 0.0
    if a.some(after):
        worn = a.larger(e.integrity - c.crack_per_cycle * (1.0 + e.plated / c.crack_strain_charge), 0.0)
        integrity = a.where(c.layer_ohm_cm2 > 0.0, worn, e.integrity)
        closed = Electrode._make(
            (*e[:15], 0.0 * e.plated, e.dead + e.film, e.depositing, 0.0 * e.stripping, *e[19:28], integrity)
        )
        e = choose(a, after, closed, e)
    begins = (e.depositing == 0.0) & (formed > 0.0)
    if not a.some(begins):
        return e
    return choose(a, begins, _begin(a, c, e, density, normal), e)


def _begin(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, normal: Number) -> Electrode:
    deposits = e.deposits + 1.0
    correlation = c.loss_correlation
    deviation = correlation * e.deviation + a.sqrt(1.0 - correlation * correlation) * normal
    run_in = 1.0 + (c.run_in_factor - 1.0) * a.exp(-deposits / c.run_in_cycles)
    factor = e.cell_factor * run_in * a.exp(c.loss_scatter * deviation - 0.5 * c.loss_scatter * c.loss_scatter)
    share, steepness, film, limit, dead = _mixed(a, c, e.integrity)
    reach = limit / (steepness * _nucleated(a, c, density, steepness))
    same = (reach == e.reach) & (limit == e.area_limit)
    area = a.where(same, e.area, limit * (1.0 - a.exp(-e.fresh / reach)))
    return Electrode._make(
        (
            *e[:13],
            area,
            0.0 * e.pitted,
            e.plated,
            e.loss_start,
            1.0 + 0.0 * e.depositing,
            e.stripping,
            deposits,
            deviation,
            factor,
            e.cell_factor,
            limit,
            reach,
            film,
            dead,
            share,
            e.integrity,
        )
    )


def _mixed(a: Arithmetic, c: LithiumConstants, integrity: Number) -> tuple[Number, Number, Number, Number, Number]:
    """Share of cracks in the current; with it as the weight: area per charge, new film, limit of the area, what dies."""
    share = crack_share(a, c, integrity)
    if not a.some(share > 0.0):
        return share, c.steepness, c.new_film_nm, c.area_limit, c.dead_fraction
    intact = 1.0 - share
    steepness = intact * c.steepness + share * c.bare_steepness
    film = (intact * c.steepness * c.new_film_nm + share * c.bare_steepness * c.bare_film_nm) / steepness
    limit = intact * c.area_limit + share * c.bare_area_limit
    return share, steepness, film, limit, intact * c.dead_fraction + share * c.bare_dead_fraction


def _nucleated(a: Arithmetic, c: LithiumConstants, density: Number, steepness: Number) -> Number:
    """How much steeper the area rises for what the first nuclei are: (η/η_ref)^m, sizes between 0.1 and 50 µm."""
    if not a.some(c.nucleation_power > 0.0):
        return 1.0
    volt = 2.0 * c.thermal_volt * a.asinh(0.5 * density / (c.exchange_fresh * c.nucleation_area))
    wanted = steepness * a.exp(c.nucleation_power * a.log(volt / c.nucleation_volt))
    held = a.smaller(4.0 * UM_PER_COULOMB / _SMALLEST_UM, a.larger(4.0 * UM_PER_COULOMB / _LARGEST_UM, wanted))
    return a.where(c.nucleation_power > 0.0, held / steepness, 1.0)


def plate(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, second: Number) -> Plating:
    """The path of ``second`` at ``density`` > 0 from the state ``e``, whose deposit has begun (`deposit_begun`)."""
    discharged = a.smaller(second, e.surface / density)
    formed = a.smaller(second, discharged + e.formation_left / density)
    span = second - formed
    corrosion = a.where(e.bulk > 0.0, 0.0, c.corrosion)
    growth = film_growth(c, e)
    cost = e.loss_factor * e.new_film_nm * FILM_COULOMB_PER_NM
    base = e.fresh + cost * e.area
    excess = (e.film_nm - e.new_film_nm) * e.area
    net_density = density - corrosion
    course = _bound_while_plating(a, e, (net_density, base, excess, cost, growth), span)
    return Plating(
        density,
        discharged,
        formed,
        1.0 / a.larger(span, 1e-12),
        net_density,
        base,
        excess,
        cost,
        e.new_film_nm,
        e.reach,
        e.area_limit,
        *course,
        growth,
        corrosion,
        e.fresh,
        e.bulk,
        e.dead + e.film + e.fresh + e.bulk - e.surface,
        e.surface,
        e.formation_left,
        e.bulk_film_nm,
    )


def _bound_while_plating(a: Arithmetic, e: Electrode, terms: tuple[Number, ...], span: Number) -> Course:
    """E(t) over ``span``: rates at the nodes with what the last sweep knew, until the whole hardly moves.

    A sweep brings the error down by k t/(2 δ²), some hundredths, so what is left then is far smaller still. The first takes the
    E of a film that is new everywhere, a k t/(4 δ_new), and one step of Newton's rule towards Q; later a follows what E changes.
    """
    density, base, excess, cost, growth = terms
    limit, thin = e.area_limit, e.new_film_nm
    half, slope, excess = 0.5 * growth, limit / e.reach, excess + 1e-300
    guess, inverse = 0.25 / thin * growth * limit * span, -1.0 / e.reach
    whole_cost, start = cost * limit, []
    for place in NODES:
        total = base + density * (place * span)
        decay = a.exp(total * inverse)
        bound = guess * place * (1.0 - decay)
        less = (whole_cost * (1.0 - decay) + FILM_COULOMB_PER_NM * bound) / (1.0 + cost * slope * decay)
        ahead = -less * inverse
        decay = decay * (1.0 + ahead * (1.0 + 0.5 * ahead))
        steep = slope * decay
        start.append((bound, limit * (1.0 - decay), FILM_COULOMB_PER_NM * steep / (1.0 + cost * steep)))
    (b1, a1, m1), (b2, a2, m2), (b3, a3, m3), (b4, a4, m4) = start
    before = 0.0 * span
    for _ in range(_SWEEPS):
        rates = (
            half * a1 * a1 / (thin * a1 + (excess + b1)),
            half * a2 * a2 / (thin * a2 + (excess + b2)),
            half * a3 * a3 / (thin * a3 + (excess + b3)),
            half * a4 * a4 / (thin * a4 + (excess + b4)),
        )
        total = until_end(rates, span)
        if not a.some(abs(total - before) > _SETTLED * (total + 1e-3)):
            break
        before = total
        n1, n2, n3, n4 = until_nodes(rates, span)
        a1, a2, a3, a4 = a1 - m1 * (n1 - b1), a2 - m2 * (n2 - b2), a3 - m3 * (n3 - b3), a4 - m4 * (n4 - b4)
        b1, b2, b3, b4 = n1, n2, n3, n4
    return integrate(rates, span)


def plating_at(a: Arithmetic, p: Plating, second: Number) -> Seen:
    """The electrode ``second`` after the segment began."""
    since = second - p.formed
    early = a.some(a.earliest(since) <= 0.0)
    if early:
        since = a.larger(since, 0.0)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), since * p.per_second)
    fresh, area = deposited(a, p.reach, p.limit, p.cost, p.base + p.net_density * since - FILM_COULOMB_PER_NM * bound)
    cover = area * area / (p.new_film_nm * area + ((p.excess + 1e-300) + bound))
    bulk_film_nm, bulk = bulk_at(a, p.bulk, p.bulk_film_nm, p.growth, second)
    lost = (p.total - bulk) + p.density * second - fresh
    seen = Seen(fresh, bulk, lost, area, cover, bulk_film_nm, 0.0, False, 0.0, 0.0)
    return _not_yet(a, p, second, seen) if early else seen


def _not_yet(a: Arithmetic, p: Plating, second: Number, seen: Seen) -> Seen:
    """What is seen with times before the deposit among the others."""
    passed = p.density * second
    surface = a.larger(p.surface - passed, 0.0)
    formation = a.smaller(a.larger(p.formation_left - a.larger(passed - p.surface, 0.0), 0.0), p.formation_left)
    before = second <= p.formed
    fresh = a.where(before, p.fresh, seen.fresh)
    lost = seen.lost + surface + (seen.fresh - fresh)
    bare = before & (p.fresh <= 0.0) & (p.bulk <= 0.0)
    return replace(seen, fresh=fresh, lost=lost, bare=bare, surface=surface, formation_left=formation)


def deposited(a: Arithmetic, reach: Number, limit: Number, cost: Number, total: Number) -> tuple[Number, Number]:
    """Q and a(Q) of Q + c a(Q) = ``total``: two steps of Newton's rule, and the last change of a by its first derivative."""
    inverse, whole_cost = -1.0 / reach, cost * limit
    slope = -whole_cost * inverse
    decay = a.exp(total * inverse)
    fresh = total - whole_cost * (1.0 - decay) / (1.0 + slope * decay)
    decay = a.exp(fresh * inverse)
    change = (fresh - total + whole_cost * (1.0 - decay)) / (1.0 + slope * decay)
    return fresh - change, limit - limit * decay * (1.0 - change * inverse)


def plated(a: Arithmetic, p: Plating, e: Electrode, second: Number) -> Electrode:
    """The state ``second`` after the segment began; ``e`` is the one it began with."""
    seen = plating_at(a, p, second)
    charge = p.density * second
    since = a.larger(second - p.formed, 0.0)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), since * p.per_second)
    grown = FILM_COULOMB_PER_NM * bound + p.corrosion * since + (e.bulk - seen.bulk)
    film_nm = a.where(since > 0.0, seen.area / a.larger(seen.cover, 1e-300), e.film_nm)
    return Electrode._make(
        (
            seen.fresh,
            seen.bulk,
            e.dead,
            seen.lost - e.dead,
            seen.surface,
            e.oxidised,
            e.net + charge,
            e.throughput + charge,
            e.initial,
            e.grown + grown,
            seen.formation_left,
            film_nm,
            seen.bulk_film_nm,
            seen.area,
            e.pitted,
            e.plated + charge - (e.surface - seen.surface),
            *e[16:],
        )
    )
