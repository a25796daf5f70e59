"""Whole cells: electrodes, electrolyte and the sign of the current, in the three geometries a test channel meets.

Here the instrument's sign meets the model's, once: current > 0 oxidises the working electrode.

* `DepositCell`    Li||Cu: lithium comes down on the working electrode at I < 0; the counter is thick lithium foil, whose kinetics
                   are constant and whose inventory is never short, so it keeps no books.
* `SymmetricCell`  Li||Li: two full electrodes; the working one plates at I < 0.
* `FullCell`       Li||NMC: the cathode is the working electrode; charging (I > 0) plates the anode.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from emulator.cell.cathode import Cathode
from emulator.cell.electrode import THERMAL_VOLT, LithiumElectrode
from emulator.cell.electrolyte import Electrolyte
from emulator.cell.impedance import Arc, Elements, zarc
from emulator.cell.parameters import CellParameters

LONGEST_STEP_SECOND = 60.0
"""While current flows; film growth and shared stripping are accurate to far below 1e-6 of a half cycle within it."""

_PLENTY_MAH_CM2 = 20.0
_CURRENT_TOLERANCE = 1e-12


class Cell(ABC):
    """What every geometry can do. Currents in A (> 0 oxidises the working electrode), voltages in V, areas in cm²."""

    __slots__ = ("area", "electrolyte", "net_coulomb", "parameters")

    def __init__(self, parameters: CellParameters, area_cm2: float) -> None:
        self.parameters = parameters
        self.area = area_cm2
        self.electrolyte = Electrolyte(parameters)
        self.net_coulomb = 0.0

    def advance(self, current: float, second: float) -> None:
        """Carry ``current`` for ``second``; the charge that crosses is exactly their product."""
        density = current / self.area
        self.net_coulomb += current * second
        if current == 0.0 or second <= LONGEST_STEP_SECOND:
            self._step(density, second)
            return
        count = math.ceil(second / LONGEST_STEP_SECOND)
        for _ in range(count):
            self._step(density, second / count)

    @abstractmethod
    def _step(self, density: float, second: float) -> None: ...

    @abstractmethod
    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """Voltage while ``current`` flows; with ``ahead_second``, an estimate of it after that time (for a regulator)."""

    @abstractmethod
    def elements(self) -> Elements:
        """The parts of its impedance, now."""

    @abstractmethod
    def tracked(self) -> LithiumElectrode:
        """The electrode whose lithium is followed: where a deposit grows."""

    @abstractmethod
    def books(self) -> dict[str, float]:
        """Where the charge is, C of the whole cell."""

    @property
    @abstractmethod
    def removes_when_oxidising(self) -> bool:
        """Whether I > 0 takes lithium from the tracked electrode."""

    def current_for(self, volt: float, second: float, limit: float, guess: float = 0.0) -> float:
        """The current that brings the cell to ``volt`` within ``second``, held within ± ``limit`` (A).

        Voltage rises with current, so a bracket always closes: regula falsi with the Illinois rule.
        """
        low, high = -limit, limit
        low_error = self.voltage(low, second) - volt
        if low_error >= 0.0:
            return low
        high_error = self.voltage(high, second) - volt
        if high_error <= 0.0:
            return high
        trial, side = min(max(guess, low), high), 0
        for _ in range(100):
            error = self.voltage(trial, second) - volt
            if abs(error) < 1e-9 or high - low < _CURRENT_TOLERANCE:
                break
            if error > 0.0:
                high, high_error = trial, error
                low_error *= 0.5 if side == 1 else 1.0
                side = 1
            else:
                low, low_error = trial, error
                high_error *= 0.5 if side == -1 else 1.0
                side = -1
            trial = (low * high_error - high * low_error) / (high_error - low_error)
        return trial

    def stiff(self) -> bool:
        """Whether a regulator must go in small steps: a bare surface charges within fractions of a second."""
        return self.tracked().bare

    def _electrode_books(self, electrode: LithiumElectrode, prefix: str = "") -> dict[str, float]:
        area = self.area
        return {
            f"{prefix}fresh_lithium_coulomb": electrode.fresh * area,
            f"{prefix}bulk_lithium_coulomb": electrode.bulk * area,
            f"{prefix}dead_lithium_coulomb": electrode.dead * area,
            f"{prefix}film_lithium_coulomb": electrode.film * area,
            f"{prefix}surface_charge_coulomb": electrode.surface * area,
            f"{prefix}other_reactions_coulomb": electrode.oxidised * area,
        }

    def _lithium_arcs(self, electrode: LithiumElectrode, prefix: str) -> tuple[Arc, ...]:
        parameters, area = self.parameters, self.area
        true_area = electrode.area + 1.0
        transfer = THERMAL_VOLT / electrode.exchange_density
        return (
            zarc(f"{prefix}layers", electrode.layer_resistance, parameters.layer_capacitance_uf_cm2 * 1e-6, 0.95, area),
            zarc(f"{prefix}film", electrode.film_resistance, parameters.film_capacitance_uf_cm2 * true_area * 1e-6, 0.85, area),
            zarc(f"{prefix}charge_transfer", transfer, parameters.double_layer_uf_cm2 * true_area * 1e-6, 0.8, area),
        )

    def _assembled(self, arcs: tuple[Arc, ...], extra: tuple[tuple[float, float], ...] = ()) -> Elements:
        relaxations = (*self.electrolyte.relaxations(), *extra)
        return Elements(
            inductance_henry=self.parameters.inductance_henry,
            series_ohm=(self.electrolyte.resistance + sum(ohm for ohm, second in relaxations if second == 0.0)) / self.area,
            arcs=arcs,
            relaxations=tuple((ohm / self.area, second) for ohm, second in relaxations if second > 0.0),
        )


class DepositCell(Cell):
    """Li||Cu, copper working. ``bulk_mah_cm2`` of lithium may lie on the copper already."""

    __slots__ = ("_counter_exchange", "_counter_film", "electrode")

    def __init__(
        self, parameters: CellParameters, area_cm2: float, normal: Callable[[int], float], bulk_mah_cm2: float = 0.0
    ) -> None:
        super().__init__(parameters, area_cm2)
        self.electrode = LithiumElectrode(parameters, bulk_mah_cm2, normal)
        self._counter_exchange = parameters.counter_exchange_current_ma_cm2 * 1e-3
        self._counter_film = parameters.counter_film_resistance_ohm_cm2

    def _step(self, density: float, second: float) -> None:
        self.electrode.advance(-density, second)
        self.electrolyte.advance(density, second)

    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """See `Cell.voltage`."""
        density = current / self.area
        volt = self.electrode.potential(-density) + self.electrolyte.volt(density)
        volt += 2.0 * THERMAL_VOLT * math.asinh(0.5 * density / self._counter_exchange) + density * self._counter_film
        if ahead_second:
            volt += density * ahead_second * self.electrode.stiffness()
        return volt

    def elements(self) -> Elements:
        """See `Cell.elements`."""
        parameters, area = self.parameters, self.area
        transfer = THERMAL_VOLT / self._counter_exchange
        counter = (
            zarc("counter_film", self._counter_film, parameters.film_capacitance_uf_cm2 * 1e-6, 0.85, area),
            zarc("counter_charge_transfer", transfer, parameters.double_layer_uf_cm2 * 1e-6, 0.8, area),
        )
        return self._assembled((*self._lithium_arcs(self.electrode, ""), *counter))

    def tracked(self) -> LithiumElectrode:
        """See `Cell.tracked`."""
        return self.electrode

    def books(self) -> dict[str, float]:
        """See `Cell.books`."""
        return self._electrode_books(self.electrode)

    @property
    def removes_when_oxidising(self) -> bool:
        """See `Cell.removes_when_oxidising`."""
        return True


class SymmetricCell(Cell):
    """Li||Li with ``bulk_mah_cm2`` of lithium on each side."""

    __slots__ = ("counter", "electrode")

    def __init__(
        self,
        parameters: CellParameters,
        area_cm2: float,
        normal: Callable[[int], float],
        counter_normal: Callable[[int], float],
        bulk_mah_cm2: float = _PLENTY_MAH_CM2,
    ) -> None:
        super().__init__(parameters, area_cm2)
        self.electrode = LithiumElectrode(parameters, bulk_mah_cm2, normal)
        self.counter = LithiumElectrode(parameters, bulk_mah_cm2, counter_normal)

    def _step(self, density: float, second: float) -> None:
        self.electrode.advance(-density, second)
        self.counter.advance(density, second)
        self.electrolyte.advance(density, second)

    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """See `Cell.voltage`."""
        density = current / self.area
        volt = self.electrode.potential(-density) - self.counter.potential(density) + self.electrolyte.volt(density)
        if ahead_second:
            volt += density * ahead_second * (self.electrode.stiffness() + self.counter.stiffness())
        return volt

    def elements(self) -> Elements:
        """See `Cell.elements`."""
        return self._assembled((*self._lithium_arcs(self.electrode, ""), *self._lithium_arcs(self.counter, "counter_")))

    def tracked(self) -> LithiumElectrode:
        """See `Cell.tracked`."""
        return self.electrode

    def books(self) -> dict[str, float]:
        """See `Cell.books`."""
        return {**self._electrode_books(self.electrode), **self._electrode_books(self.counter, "counter_")}

    def stiff(self) -> bool:
        """See `Cell.stiff`; either side may be bare."""
        return self.electrode.bare or self.counter.bare

    @property
    def removes_when_oxidising(self) -> bool:
        """See `Cell.removes_when_oxidising`."""
        return True


class FullCell(Cell):
    """Li||NMC, cathode working. ``excess_mah_cm2`` of lithium lie under the anode; 0 is an anode-free cell."""

    __slots__ = ("anode", "cathode")

    def __init__(
        self, parameters: CellParameters, area_cm2: float, normal: Callable[[int], float], excess_mah_cm2: float
    ) -> None:
        super().__init__(parameters, area_cm2)
        self.anode = LithiumElectrode(parameters, excess_mah_cm2, normal)
        self.cathode = Cathode(parameters)

    def _step(self, density: float, second: float) -> None:
        self.anode.advance(density, second)
        self.cathode.advance(density, second)
        self.electrolyte.advance(density, second)

    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """See `Cell.voltage`."""
        density = current / self.area
        ahead = density * ahead_second
        volt = self.cathode.potential(density, ahead) - self.anode.potential(density) + self.electrolyte.volt(density)
        if ahead_second:
            volt += ahead * self.anode.stiffness()
        return volt

    def elements(self) -> Elements:
        """See `Cell.elements`."""
        transfer = self.cathode.charge_transfer_resistance()
        farad = self.parameters.cathode_capacitance_uf_cm2 * 1e-6
        arc = zarc("cathode_charge_transfer", transfer, farad, 0.85, self.area)
        return self._assembled((*self._lithium_arcs(self.anode, ""), arc), (self.cathode.relaxation(),))

    def tracked(self) -> LithiumElectrode:
        """See `Cell.tracked`."""
        return self.anode

    def books(self) -> dict[str, float]:
        """See `Cell.books`."""
        inside = self.cathode.stoichiometry * self.cathode.capacity * self.area
        other = self.cathode.other * self.area
        return {
            **self._electrode_books(self.anode),
            "cathode_lithium_coulomb": inside,
            "cathode_other_reactions_coulomb": other,
        }

    @property
    def removes_when_oxidising(self) -> bool:
        """See `Cell.removes_when_oxidising`."""
        return False
