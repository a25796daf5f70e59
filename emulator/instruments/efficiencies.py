"""Three true efficiencies of one electrode, kept row by row of the ledger: what the wire shows, what the lithium says, and Adams.

With deposit and removal as one *pair* (a deposit begins a pair when a removal came before it):

* **external**  CE = Σ Q_removed / Σ Q_deposited of the pair: the charges that crossed the cell, as a perfect coulometer sees
  them.
* **lithium**   CE = 1 − (Q_dead + Q_SEI lost since the pair began) / Q_Li, Q_Li being the lithium the electrode gained in any
  form (the deposited charge but for what a bare surface or a short took): what is really gone, rests between included.
* **Adams**     CE = (Σ Q_c,i + Q_s) / (Σ Q_c,i + Q_t) over a *reservoir block*: from a bare electrode through two or more
  deposits to the bare electrode again (Adams et al., Adv. Energy Mater. 8, 1702097 (2018); the measured form of
  (n Q_c + Q_s) / (n Q_c + Q_t)). It exists at the end of a block only.

Where a definition does not apply there is a sentence instead of a number.
"""

from __future__ import annotations

from dataclasses import dataclass

EXHAUSTED_MAH_CM2 = 1e-3
"""With less metal than this still connected, an electrode counts as bare."""

FAINT_MAH_CM2 = 1e-4
"""A charge below this belongs to a sweep or a regulator: it is counted, and begins no pair."""

IS_DEPOSIT = "lithium is being deposited: an efficiency belongs to a removal"
NO_DEPOSIT = "nothing was deposited before this removal"
BOTH_LITHIUM = "both electrodes are lithium: the schedule sets both charges"
NO_RESERVOIR_CELL = "a reservoir is deposited on a bare electrode, and this cell has none"
LITHIUM_BEFORE = "lithium lay on the electrode before the first deposit: the block has no beginning"
NOT_USED_UP = "the reservoir is not used up yet"
ONE_DEPOSIT = "the block holds one deposit only: that is conventional cycling"


@dataclass(frozen=True, slots=True)
class Efficiency:
    """A number, or the reason why there is none."""

    value: float | None
    reason: str = ""


@dataclass(slots=True)
class Account:
    """What has passed in the present pair and in the present reservoir block, mAh/cm²."""

    removed_last: bool = True
    pair_deposited: float = 0.0
    pair_removed: float = 0.0
    pair_lithium: float = 0.0
    pair_lost_before: float = 0.0
    block_deposited: float = 0.0
    block_removed: float = 0.0
    block_deposits: int = 0
    block_open: bool = True

    @classmethod
    def of(cls, connected_mah_cm2: float) -> Account:
        """The account of an electrode that holds so much metal before anything has passed."""
        return cls(block_open=connected_mah_cm2 < EXHAUSTED_MAH_CM2)

    def deposit(self, charge: float, lithium: float, lost_before: float) -> None:
        """So much was deposited, of which so much became lithium; so much had been lost by its beginning."""
        if self.removed_last and charge >= FAINT_MAH_CM2:
            self.pair_deposited = self.pair_removed = self.pair_lithium = 0.0
            self.pair_lost_before = lost_before
            self.removed_last = False
            self.block_deposits += 1
        self.pair_deposited += charge
        self.pair_lithium += lithium
        self.block_deposited += charge

    def remove(self, charge: float) -> None:
        """So much was removed."""
        self.removed_last = self.removed_last or charge >= FAINT_MAH_CM2
        self.pair_removed += charge
        self.block_removed += charge

    def external(self) -> Efficiency:
        """After a removal: that of the pair."""
        if self.pair_deposited < FAINT_MAH_CM2:
            return Efficiency(None, NO_DEPOSIT)
        return Efficiency(self.pair_removed / self.pair_deposited)

    def lithium(self, lost: float) -> Efficiency:
        """After a removal by whose end so much was lost: that of the pair."""
        if self.pair_lithium < FAINT_MAH_CM2:
            return Efficiency(None, NO_DEPOSIT)
        return Efficiency(1.0 - (lost - self.pair_lost_before) / self.pair_lithium)

    def adams(self, connected_mah_cm2: float) -> Efficiency:
        """After a removal that left so much metal: that of the block, which ends when the electrode is bare."""
        if connected_mah_cm2 >= EXHAUSTED_MAH_CM2:
            return Efficiency(None, NOT_USED_UP if self.block_open else LITHIUM_BEFORE)
        found = self._block()
        self.block_deposited = self.block_removed = 0.0
        self.block_deposits = 0
        self.block_open = True
        return found

    def _block(self) -> Efficiency:
        if not self.block_open:
            return Efficiency(None, LITHIUM_BEFORE)
        if self.block_deposits == 0:
            return Efficiency(None, NO_DEPOSIT)
        if self.block_deposits == 1:
            return Efficiency(None, ONE_DEPOSIT)
        return Efficiency(self.block_removed / self.block_deposited)
