"""One lithium electrode in closed form: its state, its constants, what can be seen of it, and what it does at rest.

The equations are those of `emulator.cell.kernel_lithium` and `emulator.cell.kernel_interface`, as functions of time instead of
steps. Q is fresh lithium, a(Q) = a_max (1 − exp(−Q/r)) its area, δ the mean thickness of its film, q_s lithium per nm of film,
B the bulk underneath with a film δ_b, corrosion κ (only beside a bare substrate). Without current

  δ² = δ_0² + k t,  Q = Q_0 − q_s a_0 (δ − δ_0) − κ t (the area stays),  δ_b² = δ_b0² + k t,  B = B_0 − q_s (δ_b − δ_b0);

the bulk does the same under a deposit that grows. With current, see `emulator.cell.segments_plating` and
`emulator.cell.segments_stripping`. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from emulator.cell.segments_numbers import Arithmetic, Number, Truth
from emulator.cell.state import FILM_COULOMB_PER_NM


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


@dataclass(slots=True)
class LithiumConstants:
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


@dataclass(slots=True)
class Seen:
    """What the potential depends on, at any times of a segment; ``cover`` is area over thickness of the film on fresh lithium.

    ``bare`` says where there is no lithium (``False``: nowhere); only there do ``surface`` and ``formation_left`` matter. With
    lithium ``surface`` is 0.
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


# -- layers


def crack_share(a: Arithmetic, c: LithiumConstants, integrity: Number) -> Number:
    """The part of the current that goes through cracks of the layers."""
    if not a.some(integrity < 1.0):
        return 0.0 * integrity
    crack = a.larger(a.smaller(c.crack_ohm_cm2, c.layer_ohm_cm2), 1e-300)
    cracked = (integrity < 1.0) & (c.layer_ohm_cm2 > 0.0)
    return a.where(cracked, (1.0 - integrity) * layer_ohm(a, c, integrity) / crack, 0.0)


def layer_ohm(a: Arithmetic, c: LithiumConstants, integrity: Number) -> Number:
    """Ω cm² of the protective layers, cracks beside them."""
    if not a.some(integrity < 1.0):
        return c.layer_ohm_cm2
    whole_ohm = a.larger(c.layer_ohm_cm2, 1e-300)
    beside = 1.0 / (integrity / whole_ohm + (1.0 - integrity) / a.larger(c.crack_ohm_cm2, 1e-300))
    return a.where((integrity >= 1.0) | (c.layer_ohm_cm2 <= c.crack_ohm_cm2), c.layer_ohm_cm2, beside)


# -- rest, and what lies underneath


def film_growth(c: LithiumConstants, e: Electrode) -> Number:
    """The k of δ² = δ_0² + k t, nm²/s: a mean of the layers' and, through cracks, of bare lithium's."""
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
    grown = bound + (e.bulk - bulk)
    return Electrode._make(
        (e.fresh - bound, bulk, e.dead, e.film + grown, *e[4:9], e.grown + grown, e.formation_left, thick, bulk_film_nm, *e[13:])
    )


# -- what can be seen from outside


def potential(a: Arithmetic, c: LithiumConstants, seen: Seen, plating: float, size: Number, layer: Number) -> Number:
    """Against lithium, V, while a current of ``size`` flows; ``plating`` is +1 or −1."""
    density = -plating * size
    area = seen.area + c.nucleation_area
    below = seen.bulk > 0.0
    if a.some(below):
        pits = c.pit_area * (1.0 - a.exp(-seen.pitted / c.pit_charge)) if a.some(seen.pitted > 0.0) else 0.0
        area = area + a.where(below, c.exchange_bulk / c.exchange_fresh + pits, 0.0)
    over = (-plating * 2.0 * c.thermal_volt) * a.asinh(0.5 * size / c.exchange_fresh / area)
    film = (density * c.film_resistivity) / (seen.cover + 1.0 / seen.bulk_film_nm)
    volt = over + film + ((density * c.lost_resistivity) * seen.lost + density * layer)
    if seen.bare is False:
        return volt
    if not a.some(seen.formation_left > 0.0):
        return volt + seen.surface / c.surface_farad
    return volt + a.where(seen.bare, bare_volt(a, c, seen.surface, seen.formation_left), 0.0)


def most_volt(a: Arithmetic, c: LithiumConstants, e: Electrode, layer: Number, size: Number, second: Number) -> Number:
    """What |potential| cannot exceed within ``second`` while there is lithium: no area but that of nuclei, all lithium lost."""
    film = e.bulk_film_nm + film_growth(c, e) * second / (2.0 * e.bulk_film_nm)
    ohm = c.film_resistivity * film + c.lost_resistivity * (e.dead + e.film + size * second) + layer
    return 2.0 * c.thermal_volt * a.asinh(0.5 * size / (c.exchange_fresh * c.nucleation_area)) + size * ohm


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
