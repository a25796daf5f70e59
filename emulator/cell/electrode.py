"""One lithium electrode: where every coulomb of lithium is, and what it costs to move it.

Inside this module j > 0 plates lithium (A/cm²) and charges are C/cm². The books are

* ``fresh``    mossy or columnar lithium deposited since,
* ``bulk``     the foil or reservoir underneath (zero on a bare substrate),
* ``dead``     metallic lithium that lost contact,
* ``film``     lithium bound in the interphase,
* ``surface``  charge stored on the lithium-free surface between 0 V and the oxidation potential (to be reduced back first),
* ``oxidised`` charge passed by other reactions once lithium is exhausted (electrolyte and copper oxidation), so that a
  galvanostatic current is always carried and always counted.

Conservation, tested at every step: fresh + bulk + dead + film − surface − oxidised = initial + ∫ j dt.

Kinetics: three parallel paths (fresh lithium, bulk, pits) share one overpotential, Wood et al. 2016:
W = i0_f (a_f(Q_f) + a0) + i0_b [Q_b > 0] + i0_f a_p(Q_p), η = (2RT/F) asinh(j / 2W), share of a path = its part of W.
True area: a_f = a_max (1 − exp(−k Q_f / a_max)), k = 4 v / d.

Losses have a geometric cause: each new unit of true area binds δ0 q_s of lithium (q_s = 2.7e-4 mAh/cm² per nm, LiF basis), the
film thickens with sqrt(time), and a fraction of what is stripped dies. Plating solves Q_f + δ0 q_s a_f(Q_f) = old + charge, so
the loss of a half cycle does not depend on how it was cut into steps. ``film_nm`` is the mean over the area.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from emulator.cell.parameters import CellParameters

THERMAL_VOLT = 8.314462618 * 298.15 / 96485.33212
"""RT/F at 25 °C."""

COULOMB_PER_MAH = 3.6
_UM_PER_COULOMB = 4.85 / COULOMB_PER_MAH
_FILM_COULOMB_PER_NM = 2.7e-4 * COULOMB_PER_MAH
_TRACE = 1e-7
_TOLERANCE = 1e-9


class BooksDoNotBalance(ArithmeticError):
    """A step lost or invented charge: a fault of the model, never of the cell."""


class LithiumElectrode:
    """State and equations of one electrode. ``bulk_mah_cm2`` of lithium lie under it; 0 is a bare substrate.

    ``normal(n)`` gives the n-th standard normal number of this electrode's own stream: n = 0 is the difference between
    cells, n ≥ 1 belongs to the n-th deposit.
    """

    __slots__ = (
        "_area_max",
        "_area_per_charge",
        "_cell_factor",
        "_deviation",
        "_exchange_bulk",
        "_exchange_fresh",
        "_formation_total",
        "_initial",
        "_layer",
        "_lost_resistivity",
        "_new_film",
        "_normal",
        "_nucleation",
        "_oxidation_reference",
        "_pit_area",
        "_pit_charge",
        "_reach",
        "_resistivity",
        "_surface_farad",
        "area",
        "bulk",
        "bulk_film_nm",
        "dead",
        "depositing",
        "deposits",
        "film",
        "film_nm",
        "formation_left",
        "fresh",
        "loss_factor",
        "loss_start",
        "net",
        "oxidised",
        "parameters",
        "pitted",
        "plated",
        "stripping",
        "surface",
        "throughput",
    )

    def __init__(self, parameters: CellParameters, bulk_mah_cm2: float, normal: Callable[[int], float]) -> None:
        self.parameters = parameters
        self._set_constants(parameters, normal)
        self.bulk = bulk_mah_cm2 * COULOMB_PER_MAH
        self._initial = self.bulk
        self.fresh = self.dead = self.film = self.surface = self.oxidised = 0.0
        self.net = self.throughput = 0.0
        self.formation_left = self._formation_total if self.bulk == 0.0 else 0.0
        self.film_nm = self.bulk_film_nm = self._new_film
        self.area = self.pitted = self.plated = self.loss_start = 0.0
        self.depositing = self.stripping = False
        self.deposits = 0
        self._deviation = 0.0
        self.loss_factor = self._cell_factor

    def _set_constants(self, parameters: CellParameters, normal: Callable[[int], float]) -> None:
        self._area_max = parameters.area_ratio_max
        self._new_film = parameters.film_thickness_nm
        self._area_per_charge = 4.0 * _UM_PER_COULOMB / parameters.deposit_diameter_um
        self._reach = self._area_max / self._area_per_charge
        self._nucleation = parameters.nucleation_area_ratio
        self._exchange_fresh = parameters.exchange_current_fresh_ma_cm2 * 1e-3
        self._exchange_bulk = parameters.exchange_current_bulk_ma_cm2 * 1e-3
        self._pit_area = parameters.pit_area_ratio_max
        self._pit_charge = parameters.pit_charge_mah_cm2 * COULOMB_PER_MAH
        self._resistivity = parameters.film_resistivity_ohm_cm2_per_nm
        self._lost_resistivity = parameters.lost_lithium_resistance_ohm_cm2_per_mah_cm2 / COULOMB_PER_MAH
        self._layer = parameters.layer_resistance_ohm_cm2
        self._surface_farad = parameters.surface_capacitance_mf_cm2 * 1e-3
        self._formation_total = parameters.formation_mah_cm2 * COULOMB_PER_MAH
        self._oxidation_reference = parameters.oxidation_current_ma_cm2 * 1e-3
        self._normal = normal
        self._cell_factor = math.exp(parameters.cell_scatter * normal(0))

    # -- what happens in a step

    def advance(self, density: float, second: float) -> None:
        """Carry ``density`` (A/cm², > 0 plates) for ``second``.

        Raises:
            BooksDoNotBalance: the charge that passed is not in the books.
        """
        area_before = self.area
        charge = density * second
        if charge > 0.0:
            self._plate(charge)
        elif charge < 0.0:
            self._strip(-charge, -density)
        if second > 0.0:
            self._grow_film(second, area_before)
        self.net += charge
        self.throughput += abs(charge)
        books = self.fresh + self.bulk + self.dead + self.film - self.surface - self.oxidised
        if abs(books - self._initial - self.net) > _TOLERANCE * (1e-3 + self._initial + self.throughput):
            raise BooksDoNotBalance(f"books hold {books!r} C/cm2, expected {self._initial + self.net!r} C/cm2")

    def _plate(self, charge: float) -> None:
        if self.stripping:
            self.stripping = False
            self.close_cycle()
        if self.surface > 0.0:
            used = min(charge, self.surface)
            self.surface -= used
            charge -= used
        self.plated += charge
        if self.formation_left > 0.0 and charge > 0.0:
            used = min(charge, self.formation_left)
            self.formation_left -= used
            self.film += used
            charge -= used
        if charge > 0.0:
            self._deposit(charge)

    def _deposit(self, charge: float) -> None:
        if not self.depositing:
            self._begin_deposit()
        cost = self.loss_factor * self._new_film * _FILM_COULOMB_PER_NM
        reach, steepness, area_max = self._reach, self._area_per_charge, self._area_max
        target = self.fresh + cost * self.area + charge
        fresh = self.fresh + charge / (1.0 + cost * steepness * (1.0 - self.area / area_max))
        for _ in range(50):
            decay = math.exp(-fresh / reach)
            change = (fresh + cost * area_max * (1.0 - decay) - target) / (1.0 + cost * steepness * decay)
            fresh -= change
            if abs(change) <= 1e-14 * (fresh + charge):
                break
        self.film += charge - (fresh - self.fresh)
        self.fresh = fresh
        area = area_max * (1.0 - math.exp(-fresh / reach))
        if area > 0.0:
            self.film_nm = self._new_film + (self.film_nm - self._new_film) * min(1.0, self.area / area)
        self.area = area

    def _begin_deposit(self) -> None:
        """A new deposit after a removal: its own loss, log-normal around the run-in, correlated with the one before."""
        parameters = self.parameters
        self.depositing = True
        self.deposits += 1
        correlation = parameters.loss_correlation
        fresh_part = math.sqrt(1.0 - correlation * correlation) * self._normal(self.deposits)
        self._deviation = correlation * self._deviation + fresh_part
        run_in = 1.0 + (parameters.run_in_factor - 1.0) * math.exp(-self.deposits / parameters.run_in_cycles)
        scatter = parameters.loss_scatter
        self.loss_factor = self._cell_factor * run_in * math.exp(scatter * self._deviation - 0.5 * scatter * scatter)
        self.pitted = 0.0

    def _strip(self, charge: float, density: float) -> None:
        self.depositing = False
        self.stripping = True
        dead = min(0.5, self.loss_factor * self.parameters.dead_fraction)
        if self.bulk > 0.0 and self.fresh > 0.0:
            charge = self._strip_shared(charge, dead)
        if charge > 0.0 and self.bulk > 0.0:
            charge -= self._take_bulk(charge)
        if charge > 0.0 and self.fresh > 0.0:
            charge -= self._take_fresh(charge, dead)
        if charge > 0.0:
            self._oxidise(charge, density)

    def _strip_shared(self, charge: float, dead: float) -> float:
        """Fresh lithium and bulk dissolve side by side, in steps of at most a quarter of what is fresh; returns the rest.

        The last traces of either are taken alone, so that the number of steps is bounded.
        """
        while charge > 0.0:
            available = self.fresh * (1.0 - dead)
            if available <= _TRACE:
                return charge - self._take_fresh(charge, dead)
            if self.bulk <= _TRACE:
                return charge - self._take_bulk(charge)
            share = self._fresh_share(self.area, self.pitted)
            step = min(charge, 0.25 * available / share, 0.5 * self.bulk / (1.0 - share))
            middle = self.fresh - 0.5 * share * step / (1.0 - dead)
            middle_area = self._area_max * (1.0 - math.exp(-middle / self._reach))
            share = self._fresh_share(middle_area, self.pitted + 0.5 * (1.0 - share) * step)
            taken = self._take_fresh(share * step, dead)
            charge -= taken + self._take_bulk(step - taken)
        return 0.0

    def _take_bulk(self, charge: float) -> float:
        """Strip up to ``charge`` of bulk lithium; returns what was there to strip."""
        used = min(charge, self.bulk)
        self.bulk -= used
        self.pitted += used
        return used

    def _fresh_share(self, area: float, pitted: float) -> float:
        fresh = self._exchange_fresh * (area + self._nucleation)
        pits = self._exchange_fresh * self._pit_area * (1.0 - math.exp(-pitted / self._pit_charge))
        return fresh / (fresh + self._exchange_bulk + pits)

    def _take_fresh(self, charge: float, dead: float) -> float:
        """Strip up to ``charge`` of fresh lithium; returns what was there to strip."""
        removed = charge / (1.0 - dead)
        if removed >= self.fresh:
            taken = self.fresh * (1.0 - dead)
            self.dead += self.fresh - taken
            self.fresh = self.area = 0.0
            return taken
        self.fresh -= removed
        self.dead += removed - charge
        self.area = self._area_max * (1.0 - math.exp(-self.fresh / self._reach))
        return charge

    def _oxidise(self, charge: float, density: float) -> None:
        highest = self._surface_farad * self.oxidation_volt(density)
        stored = min(charge, max(0.0, highest - self.surface))
        self.surface += stored
        self.oxidised += charge - stored

    def oxidation_volt(self, density: float) -> float:
        """Where other reactions carry ``density`` (A/cm², > 0) alone, V against lithium: Tafel, α = 1/2."""
        return self.parameters.oxidation_volt + 2.0 * THERMAL_VOLT * math.log1p(density / self._oxidation_reference)

    def _grow_film(self, second: float, area_before: float) -> None:
        growth = self.parameters.film_growth_nm2_per_second * second
        if self.fresh > 0.0:
            thicker = math.sqrt(self.film_nm * self.film_nm + growth)
            bound = _FILM_COULOMB_PER_NM * 0.5 * (self.area + area_before) * (thicker - self.film_nm)
            bound = min(bound, self.fresh)
            self.fresh -= bound
            self.film += bound
            self.film_nm = thicker
        if self.bulk > 0.0:
            thicker = math.sqrt(self.bulk_film_nm * self.bulk_film_nm + growth)
            bound = min(_FILM_COULOMB_PER_NM * (thicker - self.bulk_film_nm), self.bulk)
            self.bulk -= bound
            self.film += bound
            self.bulk_film_nm = thicker

    # -- what can be seen from outside

    @property
    def bare(self) -> bool:
        """Whether no lithium is left to strip."""
        return self.fresh == 0.0 and self.bulk == 0.0

    @property
    def equilibrium_volt(self) -> float:
        """Potential against lithium without current: 0 on lithium, above it on a bare surface."""
        if self.fresh > 0.0 or self.bulk > 0.0:
            return 0.0
        volt = self.surface / self._surface_farad
        if self.formation_left > 0.0:
            volt += self.parameters.open_circuit_volt * math.exp(4.0 * (self.formation_left / self._formation_total - 1.0))
        return volt

    @property
    def exchange_density(self) -> float:
        """W, A/cm²: what all paths together exchange."""
        exchange = self._exchange_fresh * (self.area + self._nucleation)
        if self.bulk > 0.0:
            exchange += self._exchange_bulk
            if self.pitted > 0.0:
                exchange += self._exchange_fresh * self._pit_area * (1.0 - math.exp(-self.pitted / self._pit_charge))
        return exchange

    @property
    def film_resistance(self) -> float:
        """Ω cm² of the interphase on fresh lithium and on what lies under it, and of the rubble of lost lithium."""
        conductance = self.area / self.film_nm + 1.0 / self.bulk_film_nm
        return self._resistivity / conductance + self._lost_resistivity * (self.dead + self.film)

    @property
    def layer_resistance(self) -> float:
        """Ω cm² of the protective layers."""
        return self._layer

    def potential(self, density: float) -> float:
        """Potential against lithium while ``density`` (A/cm², > 0 plates) flows, V."""
        overpotential = 2.0 * THERMAL_VOLT * math.asinh(0.5 * density / self.exchange_density)
        return self.equilibrium_volt - overpotential - density * (self.film_resistance + self._layer)

    def stiffness(self) -> float:
        """dE/dq of the bare surface, V per C/cm²; 0 where there is lithium."""
        return 1.0 / self._surface_farad if self.bare else 0.0

    def lithium_efficiency(self) -> float | None:
        """1 − lithium lost / charge plated (without what only discharged a bare surface), since the present deposit began.

        ``None`` before the first.
        """
        if self.plated <= 0.0:
            return None
        return 1.0 - (self.dead + self.film - self.loss_start) / self.plated

    def close_cycle(self) -> None:
        """From here on, `lithium_efficiency` counts a new deposit."""
        self.plated = 0.0
        self.loss_start = self.dead + self.film
