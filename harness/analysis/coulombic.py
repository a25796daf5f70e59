"""Coulombic efficiency of a cycle: what was taken off over what was put on, and how surely. Roles decide, never signs.

The numbers are those of `harness.analysis.cycle_table`, here for one cycle at a time; and what rows say together: charge-weighted
means, and the two ways in which the charges of a full cell are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.charge import Accuracy, Charge, columns_of
from harness.analysis.cycle_table import (
    FLAG_FORMATION,
    FLAG_INCOMPLETE,
    FLAG_OFFSET_UNKNOWN,
    KIND_CYCLE,
    METHOD_VERSION,
    Cycles,
    Halves,
    Systematic,
    cycle_rows,
)
from harness.analysis.cycle_table import efficiencies as efficiencies_of
from harness.analysis.estimate import Estimate
from harness.analysis.integrals import Charges
from harness.analysis.resistance import Resistance
from harness.model.derived import CycleRow
from harness.model.flags import CHARGE_DOUBTS
from harness.model.run import Role

__all__ = [
    "FLAG_FORMATION",
    "FLAG_PLATE_LIMITED",
    "FLAG_STRIP_INCOMPLETE",
    "KIND_CYCLE",
    "METHOD_VERSION",
    "Efficiency",
    "HalfCycle",
    "MeanEfficiency",
    "Pairing",
    "cycle_row",
    "efficiency",
    "efficiency_of",
    "is_formation",
    "mean_coulombic_efficiency",
    "pairings",
]

MEAN_FROM_CYCLE = 2
"""The first cycle of a run forms interphases and is kept out of averages, whatever its flags."""

FLAG_STRIP_INCOMPLETE = "strip_incomplete"
"""The removal ended on time, not on voltage: the efficiency is a lower bound."""
FLAG_PLATE_LIMITED = "plate_limited"
"""The deposit ended on voltage before its charge was reached; the efficiency holds for the actual charge."""


@dataclass(frozen=True, slots=True)
class HalfCycle:
    """One half of a cycle. ``whole`` is false when it was cut short, lost or is still running."""

    role: Role
    start_nanosecond: int
    charge: Charge
    whole: bool
    resistance: Resistance | None = None
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Efficiency:
    """An efficiency with its standard deviation and the part of it that no average removes."""

    coulombic_efficiency: float
    coulombic_efficiency_std: float
    coulombic_efficiency_offset_std: float


@dataclass(frozen=True, slots=True)
class MeanEfficiency:
    """Σ Q_strip / Σ Q_plate over ``cycles`` cycles; ``None`` when there was none.

    ``offset_std`` is the part of its σ that comes from the current's offset, which no average removes; ``None`` where that is
    unknown in one of the cycles, and then σ holds the rest only, and no more of it is averaged away.
    """

    coulombic_efficiency: float | None
    coulombic_efficiency_std: float | None
    cycles: int
    offset_std: float | None = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """The two ways to pair the charges of a cycle, which differ in a full cell by what its inventory slipped in between.

    ``same_cycle``: the removal over the deposit before it, Q_removal[n] / Q_deposit[n]: what `CycleRow.coulombic_efficiency` is.
    ``next_removal``: the next cycle's removal over this deposit, Q_removal[n + 1] / Q_deposit[n]: what programs report whose
    cycles begin with the discharge.
    """

    cycle_count: int
    same_cycle: Estimate
    next_removal: Estimate


def efficiency(deposit: Charge, removal: Charge, accuracy: Accuracy) -> Efficiency | None:
    """|Q_removal / Q_deposit| with its uncertainty; ``None`` when a charge is zero."""
    both = columns_of([deposit, removal])
    place = np.arange(2)
    found = efficiencies_of(both.taken(place[:1]), both.taken(place[1:]), Systematic.of(accuracy, both.range_ampere))
    value, std, offset_std = (float(column[0]) for column in (found.value, found.std, found.offset_std))
    return None if math.isnan(value) else Efficiency(value, std, offset_std)


def cycle_row(
    run_id: str,
    cycle_count: int,
    deposit: HalfCycle | None,
    removal: HalfCycle | None,
    accuracy: Accuracy,
    *,
    has_efficiency: bool = True,
    first_cycle: int = 1,
    duration_second: float | None = None,
    flags: Iterable[str] = (),
) -> CycleRow:
    """The row of one cycle; its efficiency is ``None``, never 0, unless both halves are there and whole.

    ``has_efficiency`` is false for symmetric cells; the cycle ``first_cycle`` is flagged ``formation``; ``duration_second`` goes
    from the cycle's first to its last moment; ``flags`` are names found elsewhere. `ValueError` when neither half is given.
    """
    halves = [half for half in (deposit, removal) if half is not None]
    if not halves:
        raise ValueError("a cycle without a deposit and without a removal is no cycle")
    names = frozenset(flags).union(*(half.flags | half.charge.flags for half in halves))
    columns = columns_of([half.charge for half in halves])
    cycles = Cycles(
        [cycle_count],
        [min(half.start_nanosecond for half in halves)],
        np.array([math.nan if duration_second is None else duration_second]),
        _one_half(columns.taken(np.array([0 if deposit is not None else -1])), deposit),
        _one_half(columns.taken(np.array([-1 if removal is None else len(halves) - 1])), removal),
        [names],
    )
    systematic = Systematic.of(accuracy, columns.range_ampere)
    return cycle_rows(run_id, cycles, systematic, has_efficiency=has_efficiency, first_cycle=first_cycle)[0]


def _one_half(charge: Charges, half: HalfCycle | None) -> Halves:
    resistance = half.resistance if half is not None else None
    std = None if resistance is None else resistance.resistance_ohm_std
    return Halves(
        charge,
        np.array([half is not None]),
        np.array([half is not None and half.whole]),
        np.array([math.nan if resistance is None else resistance.resistance_ohm]),
        np.array([math.nan if std is None else std]),
    )


def is_formation(row: CycleRow) -> bool:
    """Whether this is the cell's first deposit and what followed it: it forms interphases and is kept out of averages."""
    return FLAG_FORMATION in row.flags.split()


def efficiency_of(row: CycleRow) -> Estimate:
    """The efficiency of a row with its interval, or why it has none; without an upper end where its strip is incomplete."""
    if row.coulombic_efficiency is not None and row.coulombic_efficiency_std is not None:
        return _removed(row, Estimate.normal(row.coulombic_efficiency, row.coulombic_efficiency_std))
    if row.plating_capacity_ah is None:
        return Estimate.refused("nothing was deposited in this cycle")
    if row.stripping_capacity_ah is None:
        return Estimate.refused("nothing was removed in this cycle")
    return Estimate.refused("one of its halves is not whole" if FLAG_INCOMPLETE in row.flags.split() else "the cell has none")


def known_efficiency(row: CycleRow) -> Estimate:
    """`efficiency_of` without a deviation where the offset of the current is unknown: what may come of it is in none."""
    if FLAG_OFFSET_UNKNOWN not in row.flags.split() or row.coulombic_efficiency is None:
        return efficiency_of(row)
    unknown = Estimate(row.coulombic_efficiency, None, None, None, "the offset of the current is unknown")
    return unknown if efficiency_of(row).high is not None else replace(unknown, low=row.coulombic_efficiency)


def _removed(row: CycleRow, ratio: Estimate) -> Estimate:
    """A ratio of what the removal of ``row`` took off: only its lower end where that ended on time."""
    if FLAG_STRIP_INCOMPLETE not in row.flags.split():
        return ratio
    return replace(ratio, high=None, refusal="the removal ended on time, not on voltage: more may have come off")


def pairings(rows: Sequence[CycleRow]) -> list[Pairing]:
    """Both pairings of each cycle, in the order of ``rows``; the second needs a whole cycle with the next count after it.

    Rows keep no charge apart from its cycle, so the uncertainty of the second is put together from both cycles': the part that
    is the same in all of them is their mean, of the rest each gives half its variance.
    """
    after = {row.cycle_count: row for row in rows if row.kind == KIND_CYCLE}
    return [
        Pairing(row.cycle_count, efficiency_of(row), _next_over_this(row, after.get(row.cycle_count + 1)))
        for row in rows
        if row.kind == KIND_CYCLE
    ]


def _next_over_this(row: CycleRow, following: CycleRow | None) -> Estimate:
    if following is None:
        return Estimate.refused("no cycle follows it")
    parts = [_relative_parts(row), _relative_parts(following)]
    if parts[0] is None or not row.plating_capacity_ah:
        return Estimate.refused("this cycle is not whole")
    if parts[1] is None or following.stripping_capacity_ah is None:
        return Estimate.refused("the next cycle is not whole")
    value = following.stripping_capacity_ah / row.plating_capacity_ah
    constant = 0.5 * (parts[0][0] + parts[1][0])
    return _removed(following, Estimate.normal(value, value * math.sqrt(constant**2 + 0.5 * (parts[0][1] + parts[1][1]))))


def _relative_parts(row: CycleRow) -> tuple[float, float] | None:
    """The part of an efficiency's relative error that is the same in every cycle, and the variance of the rest."""
    if not row.coulombic_efficiency or row.coulombic_efficiency_std is None:
        return None
    constant = (row.coulombic_efficiency_offset_std or 0.0) / row.coulombic_efficiency
    return constant, max((row.coulombic_efficiency_std / row.coulombic_efficiency) ** 2 - constant**2, 0.0)


def mean_coulombic_efficiency(rows: Sequence[CycleRow]) -> MeanEfficiency:
    """The charge-weighted mean Σ Q_strip / Σ Q_plate over the complete cycles after formation, those left out whose charge is in
    doubt (`harness.model.flags.CHARGE_DOUBTS`).

    Its standard deviation keeps the offset's part whole, since every cycle has the same, and averages only the rest. A cycle
    whose strip ended early stays in: what it left is stripped in the next one, and only the sums are then right (over a reservoir
    block they are its efficiency, (n Q_c + Q_s) / (n Q_c + Q_t) in measured charges).
    """
    used = averaged(rows)
    plated = math.fsum(row.plating_capacity_ah or 0.0 for row in used)
    if plated <= 0.0:
        return MeanEfficiency(None, None, 0)
    stripped = math.fsum(row.stripping_capacity_ah or 0.0 for row in used)
    constant, random, known = 0.0, 0.0, True
    for row in used:
        weight, std = (row.plating_capacity_ah or 0.0) / plated, row.coulombic_efficiency_std or 0.0
        known &= row.coulombic_efficiency_offset_std is not None
        common = std if row.coulombic_efficiency_offset_std is None else row.coulombic_efficiency_offset_std
        constant += weight * common
        random += weight**2 * max(std**2 - common**2, 0.0)
    return MeanEfficiency(stripped / plated, math.hypot(constant, math.sqrt(random)), len(used), constant if known else None)


def averaged(rows: Sequence[CycleRow]) -> list[CycleRow]:
    """The cycles that `mean_coulombic_efficiency` is made of."""
    return [
        row
        for row in rows
        if row.kind == KIND_CYCLE
        and row.cycle_count >= MEAN_FROM_CYCLE
        and not is_formation(row)
        and row.coulombic_efficiency
        and CHARGE_DOUBTS.isdisjoint(row.flags.split())
    ]
