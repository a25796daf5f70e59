"""What can be read of one lithium electrode of a cell, by name. It changes nothing."""

from __future__ import annotations

from emulator.cell import kernel_interface
from emulator.cell.state import (
    AREA,
    BULK,
    DEAD,
    DEPOSITS,
    FILM,
    FILM_NM,
    FRESH,
    INTEGRITY,
    LOSS_START,
    OXIDISED,
    PLATED,
    SURFACE,
    Vector,
)


class Lithium:
    """A window on the block at ``base``. Charges in C/cm²."""

    __slots__ = ("_base", "_par", "_state")

    def __init__(self, state: Vector, par: Vector, base: int) -> None:
        self._state = state
        self._par = par
        self._base = base

    def read(self, field: int) -> float:
        """The number at one of the indices of `emulator.cell.state`."""
        return float(self._state[self._base + field])

    @property
    def fresh(self) -> float:
        """Lithium deposited since the cell was made and still in contact."""
        return self.read(FRESH)

    @property
    def bulk(self) -> float:
        """Lithium underneath."""
        return self.read(BULK)

    @property
    def dead(self) -> float:
        """Metallic lithium out of contact."""
        return self.read(DEAD)

    @property
    def film(self) -> float:
        """Lithium bound in the interphase."""
        return self.read(FILM)

    @property
    def surface(self) -> float:
        """Charge on the bare surface."""
        return self.read(SURFACE)

    @property
    def oxidised(self) -> float:
        """Charge of other reactions after the lithium was exhausted."""
        return self.read(OXIDISED)

    @property
    def film_nm(self) -> float:
        """Mean thickness of the film on fresh lithium."""
        return self.read(FILM_NM)

    @property
    def area(self) -> float:
        """True area of fresh lithium, cm² per cm²."""
        return self.read(AREA)

    @property
    def integrity(self) -> float:
        """Intact fraction of the layers; 1 where there are none."""
        return self.read(INTEGRITY)

    @property
    def deposits(self) -> int:
        """How many deposits have begun."""
        return int(self.read(DEPOSITS))

    @property
    def bare(self) -> bool:
        """Whether no lithium is left to strip."""
        return kernel_interface.bare(self._state, self._base)

    @property
    def exchange_density(self) -> float:
        """W, A/cm²."""
        return float(kernel_interface.exchange_density(self._state, self._par, self._base))

    @property
    def film_ohm_cm2(self) -> float:
        """Ω cm² of film and lost lithium."""
        return float(kernel_interface.film_ohm(self._state, self._par, self._base))

    @property
    def layer_ohm_cm2(self) -> float:
        """Ω cm² of the layers, with what goes through their cracks."""
        return float(kernel_interface.layer_ohm(self._state, self._par, self._base))

    def lithium_efficiency(self) -> float | None:
        """1 − lithium lost / charge plated (without what only discharged a bare surface), since the present deposit began.

        ``None`` before the first.
        """
        plated = self.read(PLATED)
        if plated <= 0.0:
            return None
        return 1.0 - (self.dead + self.film - self.read(LOSS_START)) / plated
