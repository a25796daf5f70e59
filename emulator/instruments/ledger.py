"""The truth a channel writes: one row per uninterrupted direction of current, one per sweep. It moves no charge.

A row opens when a current begins or turns and is written when it turns again, stops, or the emulator ends. The wire tells the
emulator neither run nor cycle, so a row carries its channel and its two moments, and whoever compares joins by them.

Charges that crossed the cell carry the instrument's sign (+ is oxidation at the working electrode, C of the whole cell). Books
are those of the electrode that is followed, mAh/cm², lithium deposited on it being positive:

* ``books_before`` and ``books_after``: fresh, bulk, dead and film lithium, the charge stored on its bare surface and that of
  other reactions, at the row's start and end; and the charge that went past the electrode, through a short or by a shuttle
  (of the instrument's sign, per cm²);
* ``residual_mah_cm2``: what the books gained less what reached the electrode, Δ(fresh + bulk + dead + film − surface − other)
  − (Q − Δ short − Δ shuttle). Not zero is a fault of the model, never of the cell;
* ``sei_``, ``dead_``, ``reconnected_lithium_mah_cm2``: gains of film and dead lithium while this current flowed, and dead
  lithium that came back to life since the row before; ``calendar_lithium_mah_cm2``: film gained at rest since the row before.
  Summed over the rows of a channel they are everything that was lost up to the last row's end.

The three efficiencies are those of `emulator.instruments.efficiencies`, ``null`` where ``not_applicable`` says why.
"""

from __future__ import annotations

from emulator.cell.cells import Cell, FullCell, SymmetricCell
from emulator.cell.impedance import Elements
from emulator.instruments.efficiencies import (
    BOTH_LITHIUM,
    EXHAUSTED_MAH_CM2,
    IS_DEPOSIT,
    NO_RESERVOIR_CELL,
    Account,
    Efficiency,
)
from emulator.instruments.sweep_truth import resistances, sweep_row
from emulator.truth import TruthFile, Value

COULOMB_PER_MAH = 3.6

_BOOKS = {
    "fresh_lithium_mah_cm2": "fresh_lithium_coulomb",
    "bulk_lithium_mah_cm2": "bulk_lithium_coulomb",
    "dead_lithium_mah_cm2": "dead_lithium_coulomb",
    "film_lithium_mah_cm2": "film_lithium_coulomb",
    "surface_charge_mah_cm2": "surface_charge_coulomb",
    "other_reactions_mah_cm2": "other_reactions_coulomb",
    "short_charge_mah_cm2": "short_coulomb",
    "shuttle_charge_mah_cm2": "shuttle_coulomb",
}
_LITHIUM = ("fresh_lithium_mah_cm2", "bulk_lithium_mah_cm2", "dead_lithium_mah_cm2", "film_lithium_mah_cm2")
_LOST = ("dead_lithium_mah_cm2", "film_lithium_mah_cm2")
_LESS = ("surface_charge_mah_cm2", "other_reactions_mah_cm2")
_PAST = ("short_charge_mah_cm2", "shuttle_charge_mah_cm2")

Books = dict[str, float]


class Ledger:
    """The account of one channel. ``charge_coulomb`` is all that closed rows have moved."""

    __slots__ = (
        "_account", "_books_before", "_books_last", "_cell", "_cell_name", "_channel", "_charge", "_direction", "_start",
        "_truth", "charge_coulomb",
    )  # fmt: skip

    def __init__(self, channel: str, cell_name: str, cell: Cell, truth: TruthFile, now_nanosecond: int) -> None:
        self._channel = channel
        self._cell_name = cell_name
        self._cell = cell
        self._truth = truth
        self._direction = 0
        self._charge = 0.0
        self._start = now_nanosecond
        self._books_last = self._books_before = self._books()
        self._account = Account.of(_connected(self._books_last))
        self.charge_coulomb = 0.0

    # -- while current flows

    def direct(self, current: float, now_nanosecond: int) -> None:
        """From this moment ``current`` flows; a change of direction closes the row."""
        direction = (current > 0.0) - (current < 0.0)
        if direction == self._direction:
            return
        self.close(now_nanosecond)
        self._direction = direction

    @property
    def open_coulomb(self) -> float:
        """What the present direction of current has moved so far, signed. Whoever takes a step back puts this back too."""
        return self._charge

    @open_coulomb.setter
    def open_coulomb(self, coulomb: float) -> None:
        self._charge = coulomb

    @property
    def account(self) -> Account:
        """What has passed so far in the present pair and block, for whoever keeps the whole state."""
        return self._account

    def carry(self, coulomb: float) -> None:
        """So much has crossed the cell."""
        self._charge += coulomb

    def sample(self, now_nanosecond: int, voltage_volt: float, current_ampere: float) -> None:
        """A reading is taken, of these true values; their state goes to the latent file, where one is kept."""
        if self._truth.latent is not None:
            self._truth.latent.add(
                {
                    "unix_time_nanosecond": now_nanosecond,
                    "channel": self._channel,
                    "true_voltage_volt": voltage_volt,
                    "true_current_ampere": current_ampere,
                    **self._cell.latent(),
                }
            )

    def close(self, now_nanosecond: int) -> None:
        """Write what this direction of current has moved so far, if anything; what follows begins here."""
        charge, self._charge = self._charge, 0.0
        books = self._books()
        if charge != 0.0 and self._direction != 0:
            self.charge_coulomb += charge
            self._truth.append(self._row(charge, books, now_nanosecond))
            self._books_last = books
        self._books_before = books
        self._start = now_nanosecond

    def write_sweep(
        self, technique: str, start_nanosecond: int, now_nanosecond: int, frequencies: list[float], elements: Elements
    ) -> None:
        """The truth of a sweep: the state it started from."""
        if not frequencies:
            return
        row: dict[str, Value] = {
            "kind": "impedance",
            "channel": self._channel,
            "cell": self._cell_name,
            "technique": technique,
            "start_unix_time_nanosecond": start_nanosecond,
            "end_unix_time_nanosecond": now_nanosecond,
        }
        self._truth.append(row | sweep_row(elements, frequencies))

    # -- rows

    def _row(self, charge: float, books: Books, now_nanosecond: int) -> dict[str, Value]:
        removes = (charge > 0.0) == self._cell.removes_when_oxidising
        size = abs(charge) / COULOMB_PER_MAH / self._cell.area
        deposited = -size if removes else size
        sign = -1.0 if self._cell.removes_when_oxidising else 1.0
        before, last = self._books_before, self._books_last
        found = self._efficiencies(size, books, removes=removes)
        row: dict[str, Value] = {
            "kind": "half_cycle",
            "channel": self._channel,
            "cell": self._cell_name,
            "direction": "oxidation" if charge > 0.0 else "reduction",
            "deposits": not removes,
            "start_unix_time_nanosecond": self._start,
            "end_unix_time_nanosecond": now_nanosecond,
            "charge_coulomb": charge,
            "deposit_count": self._cell.tracked().deposits,
            "net_charge_coulomb": self._cell.net_coulomb,
            "deposited_mah_cm2": deposited,
            "residual_mah_cm2": _lithium(books) - _lithium(before) - deposited + sign * _past(before, books),
            **_losses(last, before, books),
            "lithium_exhausted": _connected(books) < EXHAUSTED_MAH_CM2,
        }
        row |= {f"coulombic_efficiency_{name}": one.value for name, one in found.items()}
        row["not_applicable"] = {name: one.reason for name, one in found.items() if one.value is None}
        row |= {"books_before": dict(before), "books_after": dict(books), "latent": dict(self._cell.latent())}
        return row | resistances(self._cell.elements())

    def _efficiencies(self, size: float, books: Books, *, removes: bool) -> dict[str, Efficiency]:
        account, before = self._account, self._books_before
        if not removes:
            account.deposit(size, _sum_of(books, _LITHIUM) - _sum_of(before, _LITHIUM), _sum_of(before, _LOST))
            return dict.fromkeys(("external", "lithium", "adams"), Efficiency(None, IS_DEPOSIT))
        account.remove(size)
        adams, external = account.adams(_connected(books)), account.external()
        if isinstance(self._cell, SymmetricCell):
            external = Efficiency(None, BOTH_LITHIUM)
        if isinstance(self._cell, SymmetricCell | FullCell):
            adams = Efficiency(None, NO_RESERVOIR_CELL)
        return {"external": external, "lithium": account.lithium(_sum_of(books, _LOST)), "adams": adams}

    def _books(self) -> Books:
        found, factor = self._cell.books(), 1.0 / COULOMB_PER_MAH / self._cell.area
        return {name: found.get(key, 0.0) * factor for name, key in _BOOKS.items()}


def _lithium(books: Books) -> float:
    """Everything that reached the electrode: lithium in every form, less what was only stored or spent elsewhere."""
    return _sum_of(books, _LITHIUM) - _sum_of(books, _LESS)


def _sum_of(books: Books, names: tuple[str, ...]) -> float:
    return sum(books[name] for name in names)


def _past(before: Books, after: Books) -> float:
    """What flowed past the electrode, oxidation positive."""
    return sum(after[name] - before[name] for name in _PAST)


def _connected(books: Books) -> float:
    return books["fresh_lithium_mah_cm2"] + books["bulk_lithium_mah_cm2"]


def _losses(last: Books, before: Books, after: Books) -> dict[str, Value]:
    """What was lost and came back since the row before: at rest from ``last`` to ``before``, then with current."""
    film, dead = "film_lithium_mah_cm2", "dead_lithium_mah_cm2"
    parts = (before[dead] - last[dead], after[dead] - before[dead])
    return {
        "sei_lithium_mah_cm2": after[film] - before[film],
        "calendar_lithium_mah_cm2": before[film] - last[film],
        "dead_lithium_mah_cm2": sum(max(part, 0.0) for part in parts),
        "reconnected_lithium_mah_cm2": sum(max(-part, 0.0) for part in parts),
    }
