"""One lithium electrode over a segment of constant current, in closed form: plating, and rest.

The equations are those of `emulator.cell.kernel_lithium`, as functions of time instead of steps. With j > 0 plating, Q fresh
lithium, a(Q) = a_max (1 − exp(−Q/r)) its area, δ the mean thickness of its film, q_s lithium per nm of film, c the film on a
unit of new area times its loss factor, corrosion κ (only beside a bare substrate):

* a bare surface is discharged first (surface / j), then the substrate's first film is formed (formation / j), then
* plating    Q + c a(Q) = Q_0 + c a_0 + (j − κ) t − q_s E(t),  E = ∫ a k/(2δ) dt,  a δ = a_0 δ_0 + δ_new (a − a_0) + E;
* rest       δ² = δ_0² + k t,  Q = Q_0 − q_s a_0 (δ − δ_0) − κ t (the area stays);
* bulk       δ_b² = δ_b0² + k t,  B = B_0 − q_s (δ_b − δ_b0), whatever happens above it;
* stripping  see `emulator.cell.segments_stripping`.

E is the one quantity without a closed form. It is small (q_s E is some 1e-3 of the charge), so its rate at four Gauss-Legendre
points, found by Picard's iteration together with Q, gives it to about 1e-8 of the charge. Each of the algebraic equations
for Q is convex and is solved by Newton's rule.

A path is made by ``begin``-like functions from a state and asked afterwards at any times (`plating_at`): with floats to find where a
segment ends, with arrays for all samples of many segments at once. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from typing import NamedTuple

from emulator.cell.segments_numbers import NODES, Arithmetic, Course, Number, Truth, at_nodes, choose, course_at, integrate, whole
from emulator.cell.state import FILM_COULOMB_PER_NM, UM_PER_COULOMB

_SWEEPS = 60
_SETTLED = 1e-6
_SMALLEST_UM = 0.1
_LARGEST_UM = 50.0


class Electrode(NamedTuple):
    """A state: the fields of `emulator.cell.state.ELECTRODE_FIELDS`, in their order."""

    fresh: Number
    bulk: Number
    dead: Number
    film: Number
    surface: Number
    oxidised: Number
    net: Number
    throughput: Number
    initial: Number
    grown: Number
    formation_left: Number
    film_nm: Number
    bulk_film_nm: Number
    area: Number
    pitted: Number
    plated: Number
    loss_start: Number
    depositing: Number
    stripping: Number
    deposits: Number
    deviation: Number
    loss_factor: Number
    cell_factor: Number
    area_limit: Number
    reach: Number
    new_film_nm: Number
    dead_fraction: Number
    crack_share: Number
    integrity: Number


class LithiumConstants(NamedTuple):
    """The numbers of the equations: those of `emulator.cell.state.PARAMETER_FIELDS` that concern lithium, by their names."""

    thermal_volt: Number
    steepness: Number
    area_limit: Number
    new_film_nm: Number
    dead_fraction: Number
    growth_nm2_s: Number
    bare_steepness: Number
    bare_area_limit: Number
    bare_film_nm: Number
    bare_dead_fraction: Number
    bare_growth_nm2_s: Number
    nucleation_area: Number
    nucleation_power: Number
    nucleation_volt: Number
    exchange_fresh: Number
    exchange_bulk: Number
    pit_area: Number
    pit_charge: Number
    film_resistivity: Number
    lost_resistivity: Number
    layer_ohm_cm2: Number
    crack_ohm_cm2: Number
    corrosion: Number
    surface_farad: Number
    open_circuit_volt: Number
    formation: Number
    oxidation_volt: Number
    oxidation_reference: Number
    loss_scatter: Number
    loss_correlation: Number
    run_in_factor: Number
    run_in_cycles: Number
    crack_per_cycle: Number
    crack_strain_charge: Number


class Seen(NamedTuple):
    """What the potential depends on, at any times of a segment; ``cover`` is area over thickness of the film on fresh lithium.

    ``bare`` says where there is no lithium (``False``: nowhere); only there do ``surface`` and ``formation_left`` matter.
    """

    fresh: Number
    bulk: Number
    lost: Number
    area: Number
    cover: Number
    bulk_film_nm: Number
    pitted: Number
    bare: Truth
    surface: Number
    formation_left: Number


class Plating(NamedTuple):
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
    sum: Number
    surface: Number
    formation_left: Number
    bulk_film_nm: Number


# -- plating


def deposit_begun(a: Arithmetic, c: LithiumConstants, e: Electrode, density: Number, formed: Number, normal: Number) -> Electrode:
    """The state at the begin of a segment with ``density`` > 0, whose deposit begins with it where none goes on.

    ``formed`` is the time left for a deposit, > 0 where one will begin; ``normal`` the standard normal number of that deposit.
    """
    after = e.stripping > 0.0
    if a.some(after):
        worn = a.larger(e.integrity - c.crack_per_cycle * (1.0 + e.plated / c.crack_strain_charge), 0.0)
        closed = e._replace(
            plated=0.0 * e.plated,
            loss_start=e.dead + e.film,
            stripping=0.0 * e.stripping,
            integrity=a.where(c.layer_ohm_cm2 > 0.0, worn, e.integrity),
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
    share = crack_share(a, c, e.integrity)
    intact = 1.0 - share
    steepness = intact * c.steepness + share * c.bare_steepness
    film = (intact * c.steepness * c.new_film_nm + share * c.bare_steepness * c.bare_film_nm) / steepness
    limit = intact * c.area_limit + share * c.bare_area_limit
    dead = intact * c.dead_fraction + share * c.bare_dead_fraction
    reach = limit / (steepness * _nucleated(a, c, density, steepness))
    same = (reach == e.reach) & (limit == e.area_limit)
    area = a.where(same, e.area, limit * (1.0 - a.exp(-e.fresh / reach)))
    return e._replace(
        area=area,
        pitted=0.0 * e.pitted,
        depositing=1.0 + 0.0 * e.depositing,
        deposits=deposits,
        deviation=deviation,
        loss_factor=factor,
        area_limit=limit,
        reach=reach,
        new_film_nm=film,
        dead_fraction=dead,
        crack_share=share,
    )


def _nucleated(a: Arithmetic, c: LithiumConstants, density: Number, steepness: Number) -> Number:
    """How much steeper the area rises for what the first nuclei are: (η/η_ref)^m, sizes between 0.1 and 50 µm."""
    if not a.some(c.nucleation_power > 0.0):
        return 1.0
    volt = 2.0 * c.thermal_volt * a.asinh(0.5 * density / (c.exchange_fresh * c.nucleation_area))
    wanted = steepness * a.exp(c.nucleation_power * a.log(volt / c.nucleation_volt))
    held = a.smaller(4.0 * UM_PER_COULOMB / _SMALLEST_UM, a.larger(4.0 * UM_PER_COULOMB / _LARGEST_UM, wanted))
    return a.where(c.nucleation_power > 0.0, held / steepness, 1.0)


def crack_share(a: Arithmetic, c: LithiumConstants, integrity: Number) -> Number:
    """The part of the current that goes through cracks of the layers."""
    crack = a.larger(a.smaller(c.crack_ohm_cm2, c.layer_ohm_cm2), 1e-300)
    cracked = (integrity < 1.0) & (c.layer_ohm_cm2 > 0.0)
    return a.where(cracked, (1.0 - integrity) * layer_ohm(a, c, integrity) / crack, 0.0)


def layer_ohm(a: Arithmetic, c: LithiumConstants, integrity: Number) -> Number:
    """Ω cm² of the protective layers, cracks beside them."""
    whole_ohm = a.larger(c.layer_ohm_cm2, 1e-300)
    beside = 1.0 / (integrity / whole_ohm + (1.0 - integrity) / a.larger(c.crack_ohm_cm2, 1e-300))
    return a.where((integrity >= 1.0) | (c.layer_ohm_cm2 <= c.crack_ohm_cm2), c.layer_ohm_cm2, beside)


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
        density=density,
        discharged=discharged,
        formed=formed,
        per_second=1.0 / a.larger(span, 1e-12),
        net_density=net_density,
        base=base,
        excess=excess,
        cost=cost,
        new_film_nm=e.new_film_nm,
        reach=e.reach,
        limit=e.area_limit,
        course_1=course[0],
        course_2=course[1],
        course_3=course[2],
        course_4=course[3],
        growth=growth,
        corrosion=corrosion,
        fresh=e.fresh,
        bulk=e.bulk,
        sum=e.dead + e.film + e.fresh + e.bulk - e.surface,
        surface=e.surface,
        formation_left=e.formation_left,
        bulk_film_nm=e.bulk_film_nm,
    )


def _bound_while_plating(a: Arithmetic, e: Electrode, terms: tuple[Number, ...], span: Number) -> Course:
    """E(t) over ``span``: rates at the nodes with what the last sweep knew, until none moves by more than 1e-6.

    A sweep brings the error down by k t/(2 δ²), some hundredths, so what is left then is far smaller still. The first sweep takes
    the E of a film that is new everywhere, a k t/(4 δ_new).
    """
    density, base, excess, cost, growth = terms
    exp, limit, thin = a.exp, e.area_limit, e.new_film_nm
    half, slope, inverse, whole_cost = 0.5 * growth, cost * limit / e.reach, -1.0 / e.reach, cost * limit
    charges = tuple(base + density * (x * span) for x in NODES)
    fresh: list[Number] = list(charges)
    integrals: tuple[Number, ...] = tuple(0.25 / thin * growth * x * span * limit * (1.0 - exp(q * inverse)) for x, q in zip(NODES, charges))
    before = 0.0 * span
    for sweep in range(_SWEEPS):
        rates = []
        for node in range(4):
            charge, bound = fresh[node], integrals[node]
            left = charges[node] - FILM_COULOMB_PER_NM * bound
            decay = exp(charge * inverse)
            charge = charge - (charge + whole_cost * (1.0 - decay) - left) / (1.0 + slope * decay)
            if sweep == 0:
                decay = exp(charge * inverse)
                charge = charge - (charge + whole_cost * (1.0 - decay) - left) / (1.0 + slope * decay)
            fresh[node] = charge
            area = limit * (1.0 - exp(charge * inverse))
            rates.append(half * area * area / (thin * area + excess + bound + 1e-300))
        course = integrate((rates[0], rates[1], rates[2], rates[3]), span)
        total = whole(course)
        if not a.some(abs(total - before) > _SETTLED * (total + 1e-6)):
            break
        before = total
        integrals = at_nodes(course)
    return course


def plating_at(a: Arithmetic, p: Plating, second: Number) -> Seen:
    """The electrode ``second`` after the segment began."""
    since = second - p.formed
    early = a.some(since <= 0.0)
    if early:
        since = a.larger(since, 0.0)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), since * p.per_second)
    fresh, area = _deposited(a, p, p.base + p.net_density * since - FILM_COULOMB_PER_NM * bound)
    cover = area * area / (p.new_film_nm * area + (p.excess + bound + 1e-300))
    bulk_film_nm, bulk = bulk_at(a, p.bulk, p.bulk_film_nm, p.growth, second)
    lost = p.sum + p.density * second - fresh - bulk
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
    return seen._replace(fresh=fresh, lost=lost, bare=bare, surface=surface, formation_left=formation)


def _deposited(a: Arithmetic, p: Plating, total: Number) -> tuple[Number, Number]:
    """Q and a(Q) of Q + c a(Q) = ``total``: two steps of Newton's rule, and the last change of a by its first derivative."""
    inverse, slope, whole_cost = -1.0 / p.reach, p.cost * p.limit / p.reach, p.cost * p.limit
    fresh = total
    decay = a.exp(fresh * inverse)
    fresh = fresh - (fresh + whole_cost * (1.0 - decay) - total) / (1.0 + slope * decay)
    decay = a.exp(fresh * inverse)
    change = (fresh + whole_cost * (1.0 - decay) - total) / (1.0 + slope * decay)
    decay = decay * (1.0 - change * inverse)
    return fresh - change, p.limit * (1.0 - decay)


def plated(a: Arithmetic, p: Plating, e: Electrode, second: Number) -> Electrode:
    """The state ``second`` after the segment began; ``e`` is the one it began with."""
    seen = plating_at(a, p, second)
    charge = p.density * second
    since = a.larger(second - p.formed, 0.0)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), since * p.per_second)
    bound_below = e.bulk - seen.bulk
    return e._replace(
        fresh=seen.fresh,
        bulk=seen.bulk,
        film=seen.lost - e.dead,
        surface=seen.surface,
        net=e.net + charge,
        throughput=e.throughput + charge,
        grown=e.grown + FILM_COULOMB_PER_NM * bound + p.corrosion * since + bound_below,
        formation_left=seen.formation_left,
        film_nm=a.where(since > 0.0, seen.area / a.larger(seen.cover, 1e-300), e.film_nm),
        bulk_film_nm=seen.bulk_film_nm,
        area=seen.area,
        plated=e.plated + charge - (e.surface - seen.surface),
    )


# -- rest, and what lies underneath


def film_growth(c: LithiumConstants, e: Electrode) -> Number:
    """k of δ² = δ_0² + k t, nm²/s: a mean of the layers' and, through cracks, of bare lithium's."""
    return c.growth_nm2_s + e.crack_share * (c.bare_growth_nm2_s - c.growth_nm2_s)


def bulk_at(a: Arithmetic, bulk: Number, film_nm: Number, growth: Number, second: Number) -> tuple[Number, Number]:
    """Film and charge of what lies underneath, ``second`` later without a current from it; a bare substrate's film stays."""
    if not a.some(bulk > 0.0):
        return film_nm, bulk
    thick = a.sqrt(film_nm * film_nm + a.where(bulk > 0.0, growth, 0.0) * second)
    return thick, a.larger(bulk - FILM_COULOMB_PER_NM * (thick - film_nm), 0.0)


def rested(a: Arithmetic, c: LithiumConstants, e: Electrode, second: Number) -> Electrode:
    """The state after ``second`` without current."""
    growth = film_growth(c, e)
    thick = a.sqrt(e.film_nm * e.film_nm + a.where(e.fresh > 0.0, growth, 0.0) * second)
    corroded = a.where((e.bulk > 0.0) | (e.fresh <= 0.0), 0.0, c.corrosion) * second
    bound = a.smaller(FILM_COULOMB_PER_NM * e.area * (thick - e.film_nm) + corroded, e.fresh)
    bulk_film_nm, bulk = bulk_at(a, e.bulk, e.bulk_film_nm, growth, second)
    bound_below = e.bulk - bulk
    return e._replace(
        fresh=e.fresh - bound,
        bulk=bulk,
        film=e.film + bound + bound_below,
        grown=e.grown + bound + bound_below,
        film_nm=thick,
        bulk_film_nm=bulk_film_nm,
    )


# -- what can be seen from outside


def potential(a: Arithmetic, c: LithiumConstants, seen: Seen, plating: float, size: Number, layer: Number) -> Number:
    """Against lithium, V, while a current of ``size`` flows; ``plating`` is +1 or −1."""
    exchange = c.exchange_fresh * (seen.area + c.nucleation_area)
    below = seen.bulk > 0.0
    if a.some(below):
        pits = c.pit_area * (1.0 - a.exp(-seen.pitted / c.pit_charge)) if a.some(seen.pitted > 0.0) else 0.0
        exchange = exchange + a.where(below, c.exchange_bulk + c.exchange_fresh * pits, 0.0)
    ohm = c.film_resistivity / (seen.cover + 1.0 / seen.bulk_film_nm) + c.lost_resistivity * seen.lost + layer
    over = 2.0 * c.thermal_volt * a.asinh(0.5 * size / exchange) + size * ohm
    if seen.bare is False:
        return -plating * over
    return a.where(seen.bare, bare_volt(a, c, seen.surface, seen.formation_left), 0.0) - plating * over


def bare_volt(a: Arithmetic, c: LithiumConstants, surface: Number, formation_left: Number) -> Number:
    """Potential of a surface without lithium at rest."""
    volt = surface / c.surface_farad
    if not a.some(formation_left > 0.0):
        return volt
    first = c.open_circuit_volt * a.exp(4.0 * (formation_left / a.larger(c.formation, 1e-300) - 1.0))
    return volt + a.where(formation_left > 0.0, first, 0.0)


def rest_volt(a: Arithmetic, c: LithiumConstants, e: Electrode) -> Number:
    """Potential without current: 0 on lithium."""
    return a.where((e.fresh > 0.0) | (e.bulk > 0.0), 0.0, bare_volt(a, c, e.surface, e.formation_left))
