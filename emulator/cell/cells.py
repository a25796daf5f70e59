"""Whole cells: a state, the numbers its equations use, an area, and the sign of the current.

Here the instrument's sign and units meet the model's, once: current > 0 (A) oxidises the working electrode.

* `DepositCell`    Li||Cu: lithium comes down on the working electrode at I < 0; the counter is thick lithium foil, whose kinetics
                   are constant and whose inventory is never short, so it keeps no books.
* `SymmetricCell`  Li||Li: two full electrodes; the working one plates at I < 0.
* `FullCell`       lithium against an insertion cathode or sulfur, which is the working electrode; charging (I > 0) plates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emulator.cell import kernel_counter, kernel_interface, kernel_lithium, latent, spectrum, state
from emulator.cell.effective import Counter, effective
from emulator.cell.engine import PYTHON, Engine
from emulator.cell.impedance import Elements
from emulator.cell.lithium import Lithium
from emulator.cell.materials import MATERIALS, MaterialName
from emulator.cell.parameters import CellParameters
from emulator.cell.state import COULOMB_PER_MAH, OTHER, STREAMS, TRACKED, Vector

_PLENTY_MAH_CM2 = 20.0
_ROWS_AHEAD = 64
_DRY = 1e-3
_STIFF_VOLT_CM2_PER_COULOMB = 1.0

Normal = Callable[[int], float]
Chance = tuple[Normal, Normal]
"""The streams of cracks and of shorts."""


class BooksDoNotBalance(ArithmeticError):
    """A step lost or invented charge: a fault of the model, never of the cell."""


def no_chance(_index: int) -> float:
    """A stream of random numbers for a cell without chance."""
    return 0.0


NO_CHANCE: Chance = (no_chance, no_chance)


class Cell:
    """Currents in A (> 0 oxidises the working electrode), voltages in V, areas in cm².

    ``normals`` are the cell's own streams of standard normal numbers: losses of the followed electrode (number 0 is the
    difference between cells, n ≥ 1 belongs to the n-th deposit), of the other lithium electrode, cracks, shorts.
    """

    __slots__ = ("_engine", "_normals", "_par", "_state", "_streams", "area", "counter_electrode", "parameters")

    def __init__(
        self,
        counter: Counter,
        parameters: CellParameters,
        area_cm2: float,
        normals: tuple[Normal, Normal, Normal, Normal],
        lithium_mah_cm2: float,
        *,
        engine: Engine = PYTHON,
    ) -> None:
        self.counter_electrode: Counter = counter
        self.parameters = parameters
        self.area = area_cm2
        self._engine = engine
        self._streams = normals
        self._normals = engine.vector(())
        self._extend()
        self._par = engine.vector(effective(parameters, counter, area_cm2, parameters.temperature_kelvin))
        self._state = engine.vector([0.0] * state.STATE_SIZE)
        self._prepare(lithium_mah_cm2)

    def _prepare(self, lithium_mah_cm2: float) -> None:
        made, par = self._state, self._par
        alloyed = min(self.parameters.alloyed_mah_cm2, lithium_mah_cm2) * COULOMB_PER_MAH
        bulk = lithium_mah_cm2 * COULOMB_PER_MAH - alloyed
        for base, stream in ((TRACKED, 0), (OTHER, 1)):
            kernel_lithium.prepare(made, par, base, bulk, alloyed, self._streams[stream](0))
        made[state.TEMPERATURE] = self.parameters.temperature_kelvin
        made[state.STRETCH] = made[state.WETTED] = 1.0
        if self.counter_electrode in MATERIALS:
            made[state.STOICHIOMETRY] = self.first_stoichiometry

    @property
    def first_stoichiometry(self) -> float:
        """Lithium content the cathode was built with; 0 where there is none."""
        if self.counter_electrode not in MATERIALS:
            return 0.0
        given = self.parameters.cathode_stoichiometry
        return MATERIALS[self.counter_electrode].fresh if given is None else given

    def _extend(self) -> None:
        """More rows of random numbers; number n is the same whenever it is made."""
        first = len(self._normals) // STREAMS
        rows = [[stream(index) for stream in self._streams] for index in range(first, first + 4 * _ROWS_AHEAD)]
        self._normals = self._engine.vector([*self._normals, *(number for row in rows for number in row)])

    # -- what an instrument does to it

    def advance(self, current: float, second: float) -> None:
        """Carry ``current`` for ``second``; the charge that crosses is exactly their product.

        Raises:
            BooksDoNotBalance: the charge that passed is not in the books.
        """
        density = current / self.area
        before = self._state.copy()
        while (status := self._engine.advance(self._state, self._par, self._normals, density, second)) == state.NORMALS_EXHAUSTED:
            self._extend()
            self._state[:] = before
        self._check(status)

    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """Voltage while ``current`` flows; with ``ahead_second``, an estimate of it after that time (for a regulator)."""
        return self._engine.voltage_ahead(self._state, self._par, current / self.area, ahead_second)

    def current_for(self, volt: float, second: float, limit: float, guess: float = 0.0) -> float:
        """The current that brings the cell to ``volt`` within ``second``, held within ± ``limit`` (A)."""
        area = self.area
        return self._engine.current_for(self._state, self._par, volt, second, limit / area, guess / area) * area

    def stiff(self) -> bool:
        """Whether a regulator must go in small steps: on a bare surface, or at a steep end of the cathode."""
        if self.counter_electrode == "Li" and kernel_interface.bare(self._state, OTHER):
            return True
        if self.counter_electrode in MATERIALS:
            steep = abs(kernel_counter.cathode_slope(self._state, self._par))
            if steep > _STIFF_VOLT_CM2_PER_COULOMB * self._par[state.P_CATHODE_CAPACITY]:
                return True
        return kernel_interface.bare(self._state, TRACKED)

    @property
    def net_coulomb(self) -> float:
        """Charge that crossed the terminals, oxidation positive."""
        return float(self._state[state.CELL_NET]) * self.area

    @property
    def removes_when_oxidising(self) -> bool:
        """Whether I > 0 takes lithium from the electrode that is followed."""
        return self._par[state.P_SIGN] < 0.0

    def execute(self, run: Callable[[Engine, Vector, Vector, Vector], int]) -> int:
        """What ``run`` returns of engine, state, parameters and random numbers: a count, or − a status.

        It is run from the same state again, with more random numbers, as long as it lacks them.

        Raises:
            BooksDoNotBalance: the charge that passed is not in the books.
        """
        before = self._state.copy()
        while (count := run(self._engine, self._state, self._par, self._normals)) == -state.NORMALS_EXHAUSTED:
            self._extend()
            self._state[:] = before
        self._check(-count)
        return count

    def vector(self, values: Sequence[float]) -> Vector:
        """``values`` as its engine takes them."""
        return self._engine.vector(values)

    def read(self, index: int) -> float:
        """One number of its state."""
        return float(self._state[index])

    def _check(self, status: int) -> None:
        if status == state.BOOKS_WRONG:
            raise BooksDoNotBalance(f"after {self._state[state.CLOCK]!r} s the books do not hold the charge that passed")

    # -- what happens to it

    def set_temperature(self, kelvin: float) -> None:
        """The cell is at ``kelvin`` from now on, everywhere.

        Raises:
            ValueError: not a temperature.
        """
        if not 0.0 < kelvin < 1000.0:
            raise ValueError(f"{kelvin!r} K is no temperature of a cell")
        self._state[state.TEMPERATURE] = kelvin
        self._set_parameters()
        for base in (TRACKED, OTHER):
            kernel_interface.share_cracks(self._state, self._par, base)

    def _set_parameters(self) -> None:
        kelvin = float(self._state[state.TEMPERATURE])
        self._par[:] = self._engine.vector(effective(self.parameters, self.counter_electrode, self.area, kelvin))

    def set_short(self, conductance_s_cm2: float) -> None:
        """Put a short of this conductance inside the cell, until it is set again; 0 takes it away."""
        self._state[state.SHORT] = _not_negative(conductance_s_cm2, "conductance")
        self._state[state.SHORT_RANDOM] = 0.0

    def set_contact_resistance(self, ohm: float) -> None:
        """Resistance outside of everything else, Ω of the whole cell."""
        self._state[state.CONTACT] = _not_negative(ohm, "resistance") * self.area

    def set_integrity(self, fraction: float) -> None:
        """The intact fraction of the layers, on every lithium electrode that has them."""
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"{fraction!r} is no fraction; integrity lies between 0 and 1")
        for base in (TRACKED, OTHER):
            self._state[base + state.INTEGRITY] = fraction
            kernel_interface.share_cracks(self._state, self._par, base)

    def dry_out(self, wetted: float = _DRY) -> None:
        """Sudden death: of the electrolyte's conductance and limiting current only ``wetted`` is left (1: as before)."""
        if not 0.0 < wetted <= 1.0:
            raise ValueError(f"{wetted!r} is no wetted fraction; it lies above 0 and up to 1")
        self._state[state.WETTED] = wetted

    def set_potential_shift(self, volt: float) -> None:
        """Every measured voltage is off by ``volt`` (a reference that drifted)."""
        self._state[state.SHIFT] = volt

    # -- what really is

    def tracked(self) -> Lithium:
        """The electrode whose lithium is followed: where a deposit grows."""
        return Lithium(self._state, self._par, TRACKED)

    def other(self) -> Lithium:
        """The other lithium electrode of a symmetric cell."""
        return Lithium(self._state, self._par, OTHER)

    def elements(self) -> Elements:
        """The parts of its impedance, now."""
        return spectrum.elements(self._state, self._par, self.parameters, self.area)

    def books(self) -> dict[str, float]:
        """Where the charge is, C of the whole cell."""
        return latent.books(self._state, self._par, self.area)

    def latent(self) -> dict[str, float]:
        """Everything about its state that no instrument can read, by name with unit."""
        return latent.latent(self._state, self._par, self.area)

    def snapshot(self) -> bytes:
        """Its whole state."""
        return state.to_bytes(self._state)

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot`, of a cell made alike; what follows is what would have followed.

        Raises:
            state.NotASnapshot: other bytes.
        """
        self._state[:] = self._engine.vector(state.from_bytes(data))
        self._set_parameters()


def _not_negative(value: float, what: str) -> float:
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no {what}; it is zero or more")
    return value


class DepositCell(Cell):
    """Li||Cu, copper working. ``bulk_mah_cm2`` of lithium may lie on the copper already."""

    __slots__ = ()

    def __init__(
        self,
        parameters: CellParameters,
        area_cm2: float,
        normal: Normal,
        bulk_mah_cm2: float = 0.0,
        *,
        chance: Chance = NO_CHANCE,
        engine: Engine = PYTHON,
    ) -> None:
        super().__init__("Cu", parameters, area_cm2, (normal, no_chance, *chance), bulk_mah_cm2, engine=engine)


class SymmetricCell(Cell):
    """Li||Li with ``bulk_mah_cm2`` of lithium on each side."""

    __slots__ = ()

    def __init__(
        self,
        parameters: CellParameters,
        area_cm2: float,
        normal: Normal,
        counter_normal: Normal,
        bulk_mah_cm2: float = _PLENTY_MAH_CM2,
        *,
        chance: Chance = NO_CHANCE,
        engine: Engine = PYTHON,
    ) -> None:
        super().__init__("Li", parameters, area_cm2, (normal, counter_normal, *chance), bulk_mah_cm2, engine=engine)


class FullCell(Cell):
    """Lithium against a cathode, which is working. ``excess_mah_cm2`` of lithium lie under the anode; 0 is an anode-free cell."""

    __slots__ = ()

    def __init__(
        self,
        parameters: CellParameters,
        area_cm2: float,
        normal: Normal,
        excess_mah_cm2: float,
        cathode: MaterialName = "NMC811",
        *,
        chance: Chance = NO_CHANCE,
        engine: Engine = PYTHON,
    ) -> None:
        super().__init__(cathode, parameters, area_cm2, (normal, no_chance, *chance), excess_mah_cm2, engine=engine)
