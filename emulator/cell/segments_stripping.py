"""One lithium electrode over a segment that strips it at constant current, in closed form.

J > 0 is the current density, f what dies of the fresh lithium that leaves (J' = J/(1 − f)), δ² = δ_0² + k t its film, E = ∫ a dδ.

* First fresh lithium and bulk side by side, where both are there: see `emulator.cell.segments_sharing`.
* Then one of them alone: Q = Q_A − (J' + κ) t − q_s E(t), or B = B_A − J t − q_s (δ_b − δ_bA).
* Then nothing: the surface is charged, until other reactions would carry J (``full``). There a segment ends at the latest.

Each phase ends at a time that is solved for together with E. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.cell.segments_lithium import Electrode, LithiumConstants, Seen, bulk_at, film_growth
from emulator.cell.segments_numbers import NODES, Arithmetic, Course, Number, course_at, integrate, until_end, until_nodes
from emulator.cell.segments_sharing import Sharing, share, sharing_at
from emulator.cell.state import FILM_COULOMB_PER_NM

_SWEEPS = 80
_SETTLED = 3e-3
_NEVER = 1e300
_FIRST, _SECOND, _THIRD, _FOURTH = NODES


@dataclass(slots=True)
class Stripping:
    """A segment with j < 0, from any state. Phases: shared until ``shared``, one alone until ``gone``, then nothing is left."""

    density: Number
    rate: Number
    growth: Number
    corrosion: Number
    shared: Number
    gone: Number
    fresh: Number
    bulk: Number
    total: Number
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
        sharing, after = share(a, c, e, both, (density, alive, growth), second)
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
    total = e.dead + e.film + e.fresh + e.bulk
    full = gone + a.larger(c.surface_farad * highest - e.surface, 0.0) / density
    path = Stripping(
        density, rate, growth, corrosion, shared, gone, e.fresh, e.bulk, total, e.surface, full, e.formation_left,
        film_square, e.bulk_film_nm, e.pitted, e.reach, e.area_limit, fresh, bulk, pitted,
        fresh_second, 1.0 / a.larger(fresh_second, 1e-12), bulk_second, *course,
    )  # fmt: skip
    return path, sharing


def _alone(a: Arithmetic, fresh: Number, terms: tuple[Number, ...], longest: Number) -> tuple[Number, Course]:
    """How long ``fresh`` lasts (at most ``longest``), and E over that time."""
    rate, reach, limit, growth, film_square = terms
    half, inverse, per_nm = 0.5 * growth * limit, -1.0 / reach, FILM_COULOMB_PER_NM
    exp, sqrt = a.exp, a.sqrt
    span = a.smaller(longest, fresh / rate)
    b1 = b2 = b3 = b4 = before = 0.0 * span
    for _ in range(_SWEEPS):
        s1, s2, s3, s4 = _FIRST * span, _SECOND * span, _THIRD * span, _FOURTH * span
        rates = (
            half * (1.0 - exp((fresh - rate * s1 - per_nm * b1) * inverse)) / sqrt(film_square + growth * s1),
            half * (1.0 - exp((fresh - rate * s2 - per_nm * b2) * inverse)) / sqrt(film_square + growth * s2),
            half * (1.0 - exp((fresh - rate * s3 - per_nm * b3) * inverse)) / sqrt(film_square + growth * s3),
            half * (1.0 - exp((fresh - rate * s4 - per_nm * b4) * inverse)) / sqrt(film_square + growth * s4),
        )
        total = until_end(rates, span)
        span = a.smaller(longest, a.larger(fresh - per_nm * total, 0.0) / rate)
        if not a.some(abs(total - before) > _SETTLED * (total + 1e-3)):
            break
        before, (b1, b2, b3, b4) = total, until_nodes(rates, span)
    span = a.smaller(longest, a.larger(fresh - per_nm * until_end(rates, span), 0.0) / rate)
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
    own = left = a.smaller(alone, p.fresh_second)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), own * p.per_second)
    fresh = p.fresh_left - p.rate * own - FILM_COULOMB_PER_NM * bound
    bulk, bulk_film_nm, pitted = p.bulk, p.bulk_film_nm, p.pitted
    if a.some(p.bulk > 0.0):
        left = a.smaller(second, p.gone)
        pitted = p.pitted_then + p.density * a.smaller(alone, p.bulk_second)
        if sharing is not None:
            within = second < p.shared
            fresh_shared, pitted_shared = sharing_at(a, sharing, a.smaller(second, sharing.second))
            fresh, pitted = a.where(within, fresh_shared, fresh), a.where(within, pitted_shared, pitted)
        bulk, bulk_film_nm = _bulk_at(a, p, pitted, second)
    fresh = a.larger(fresh, 0.0)
    lost = p.total - p.density * left - fresh - bulk
    area = p.limit * (1.0 - a.exp(-fresh / p.reach))
    cover = area / a.sqrt(p.film_square + p.growth * left)
    if not a.some(a.latest(second) >= p.gone):
        return Seen(fresh, bulk, lost, area, cover, bulk_film_nm, pitted, False, 0.0, 0.0)
    surface = p.surface + p.density * (second - left)
    return Seen(fresh, bulk, lost, area, cover, bulk_film_nm, pitted, second >= p.gone, surface, p.formation_left)


def _bulk_at(a: Arithmetic, p: Stripping, pitted: Number, second: Number) -> tuple[Number, Number]:
    left = a.smaller(second, p.gone)
    exposed = a.where(p.bulk_left > 0.0, left, a.smaller(left, p.shared))
    bulk_film_nm, below = bulk_at(a, p.bulk, p.bulk_film_nm, p.growth, exposed)
    bulk = a.larger(below - (pitted - p.pitted), 0.0)
    return a.where((second >= p.gone) | (second >= p.shared) & (p.bulk_left <= 0.0), 0.0, bulk), bulk_film_nm


def stripped(a: Arithmetic, path: tuple[Stripping, Sharing | None], e: Electrode, second: Number) -> Electrode:
    """The state ``second`` after the segment began; ``e`` is the one it began with."""
    p, sharing = path
    seen = stripping_at(a, p, sharing, second)
    charge, all_gone = p.density * second, second >= p.gone
    fresh = a.where(all_gone, 0.0, seen.fresh)
    grown = _grown(a, p, sharing, second) + (e.bulk - seen.bulk) - (seen.pitted - e.pitted)
    film = e.film + grown
    left = a.where(e.fresh > 0.0, a.smaller(second, p.gone), 0.0)
    return Electrode._make(
        (
            fresh,
            seen.bulk,
            seen.lost + (seen.fresh - fresh) - film,
            film,
            a.where(all_gone, seen.surface, e.surface),
            e.oxidised,
            e.net - charge,
            e.throughput + charge,
            e.initial,
            e.grown + grown,
            e.formation_left,
            a.sqrt(p.film_square + p.growth * left),
            seen.bulk_film_nm,
            seen.area,
            seen.pitted,
            e.plated,
            e.loss_start,
            0.0 * e.depositing,
            1.0 + 0.0 * e.stripping,
            *e[19:],
        )
    )


def _grown(a: Arithmetic, p: Stripping, sharing: Sharing | None, second: Number) -> Number:
    """What the film on fresh lithium and corrosion took."""
    own = a.smaller(a.larger(second - p.shared, 0.0), p.fresh_second)
    bound = course_at((p.course_1, p.course_2, p.course_3, p.course_4), own * p.per_second)
    if sharing is not None:
        x = a.smaller(second, sharing.second) * sharing.per_second
        bound = bound + course_at((sharing.bound_1, sharing.bound_2, sharing.bound_3, sharing.bound_4), x)
    return FILM_COULOMB_PER_NM * bound + p.corrosion * own
