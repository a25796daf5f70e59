"""Cycles of constant current as an imperfect instrument reports them: rows for the analyses that start from rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Accuracy, Charge, RangePart
from harness.analysis.coulombic import HalfCycle, cycle_row
from harness.model.derived import CycleRow
from harness.model.run import Role

RANGE_AMPERE = 1e-3
REST_SECOND = 600.0


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is stated of an instrument (one σ each), and what this one does; ``random_coulomb`` is drawn for every half."""

    offset_ampere: float = 0.0
    gain: float = 0.0
    random_coulomb: float = 0.0
    true_offset_ampere: float = 0.0
    true_gain: float = 0.0
    noise: np.random.Generator | None = None

    @property
    def accuracy(self) -> Accuracy:
        return Accuracy(offset_ampere=self.offset_ampere, gain=self.gain)

    def drawn(self, noise: np.random.Generator) -> Instrument:
        """One instrument of this kind."""
        offset, gain = noise.normal(0.0, self.offset_ampere), noise.normal(0.0, self.gain)
        return Instrument(self.offset_ampere, self.gain, self.random_coulomb, offset, gain, noise)

    def charge(self, ampere_hour: float, current_ampere: float) -> Charge:
        """A charge of the sign of the current, as it is read."""
        second = ampere_hour * 3600.0 / abs(current_ampere)
        read = ((1 + self.true_gain) * current_ampere + self.true_offset_ampere) * second
        read += self.noise.normal(0.0, self.random_coulomb) if self.noise is not None else 0.0
        return Charge(read, second, self.random_coulomb, (RangePart(RANGE_AMPERE, read, second),))


def measured_rows(
    deposits_ah: Sequence[float],
    removals_ah: Sequence[float],
    *,
    instrument: Instrument | None = None,
    current_ampere: float = 1e-3,
    deposit_sign: int = -1,
    flags: Sequence[str] | None = None,
) -> list[CycleRow]:
    """One row per deposit and removal, one after another with a rest after each cycle. ``flags``: more of them, per row."""
    using, start, rows = instrument or Instrument(), 0.0, []
    for index, (deposit, removal) in enumerate(zip(deposits_ah, removals_ah, strict=True)):
        stamp = round(start * 1e9)
        halves = [
            HalfCycle(Role.PLATE, stamp, using.charge(deposit, deposit_sign * current_ampere), whole=True),
            HalfCycle(Role.STRIP, stamp, using.charge(removal, -deposit_sign * current_ampere), whole=True),
        ]
        duration = (deposit + removal) * 3600.0 / current_ampere + REST_SECOND
        more = flags[index].split() if flags is not None else []
        rows.append(
            cycle_row(
                "cell-20260101t000000", index + 1, halves[0], halves[1], using.accuracy, duration_second=duration, flags=more
            )
        )  # fmt: skip
        start += duration
    return rows
