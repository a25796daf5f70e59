"""Coulombic efficiency of a cycle: what was taken off over what was put on, and how surely. Roles decide, never signs.

CE = Q_removal / Q_deposit of one pair, the deposit first. With the errors of `charge`, and s, p for the two halves,
δ ln CE = Σ_ranges [ o (t_s/Q_s − t_p/Q_p) + g (Q_s,range/Q_s − Q_p,range/Q_p) ] + δQ_s/Q_s − δQ_p/Q_p. Charges are signed and
opposite, so on one range the gain cancels and the offset adds: σ_CE = 2 CE σ_o / I for equal currents. That part is the same in
every cycle and is reported by itself, with the converter's step, which at constant current is one more offset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.charge import COULOMB_PER_AH, Accuracy, Charge
from harness.analysis.resistance import Resistance
from harness.model.derived import CycleRow
from harness.model.flags import CHARGE_DOUBTS
from harness.model.run import Role

METHOD_VERSION = "ce-1"
KIND_CYCLE = "cycle"
MEAN_FROM_CYCLE = 2
"""The first cycle forms interphases and is kept out of averages."""

FLAG_INCOMPLETE = "incomplete"
FLAG_STRIP_INCOMPLETE = "strip_incomplete"
"""The removal ended on time, not on voltage: the efficiency is a lower bound."""
FLAG_PLATE_LIMITED = "plate_limited"
"""The deposit ended on voltage before its charge was reached; the efficiency holds for the actual charge."""
FLAG_FORMATION = "formation"
FLAG_ABOVE_ONE = "above_one"
FLAG_OFFSET_UNKNOWN = "offset_unknown"
FLAG_WRONG_SIGN = "wrong_sign"
FLAG_RANGE_CHANGE = "range_change"


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
    """Σ Q_strip / Σ Q_plate over ``cycles`` cycles; ``None`` when there was none."""

    coulombic_efficiency: float | None
    coulombic_efficiency_std: float | None
    cycles: int


def efficiency(deposit: Charge, removal: Charge, accuracy: Accuracy) -> Efficiency | None:
    """|Q_removal / Q_deposit| with its uncertainty (module docstring); ``None`` when a charge is zero."""
    if deposit.charge_coulomb == 0.0 or removal.charge_coulomb == 0.0:
        return None
    value = abs(removal.charge_coulomb / deposit.charge_coulomb)
    constant, gain, random = 0.0, 0.0, 0.0
    shares: dict[float | None, list[float]] = {}
    for sign, half in ((1.0, removal), (-1.0, deposit)):
        random += (half.random_std_coulomb / half.charge_coulomb) ** 2
        for part in half.parts:
            second, share = part.duration_second / half.charge_coulomb, part.charge_coulomb / half.charge_coulomb
            constant += (accuracy.converter_std_ampere(part.range_ampere) * second) ** 2
            sums = shares.setdefault(part.range_ampere, [0.0, 0.0])
            sums[0] += sign * second
            sums[1] += sign * share
    for range_ampere, (second, share) in shares.items():
        constant += ((accuracy.offset_std_ampere(range_ampere) or 0.0) * second) ** 2
        gain += ((accuracy.gain or 0.0) * share) ** 2
    return Efficiency(value, value * math.sqrt(constant + gain + random), value * math.sqrt(constant + gain))


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
    result = _efficiency(deposit, removal, accuracy) if has_efficiency else None
    whole = len(halves) == 2 and all(half.whole for half in halves) and (result is not None or not has_efficiency)
    formation = {FLAG_FORMATION} if deposit is not None and cycle_count == first_cycle else set()
    names = formation.union(
        flags, _row_flags(halves, result, accuracy, whole=whole), *(half.flags | half.charge.flags for half in halves)
    )
    return CycleRow(
        run_id=run_id,
        cycle_count=cycle_count,
        unix_time_nanosecond=min(half.start_nanosecond for half in halves),
        kind=KIND_CYCLE,
        plating_capacity_ah=_capacity(deposit),
        plating_capacity_ah_std=_capacity_std(deposit, accuracy),
        stripping_capacity_ah=_capacity(removal),
        stripping_capacity_ah_std=_capacity_std(removal, accuracy),
        coulombic_efficiency=result.coulombic_efficiency if result else None,
        coulombic_efficiency_std=result.coulombic_efficiency_std if result else None,
        coulombic_efficiency_offset_std=_offset_part(result, halves, accuracy),
        plating_resistance_ohm=_resistance(deposit),
        plating_resistance_ohm_std=_resistance_std(deposit),
        stripping_resistance_ohm=_resistance(removal),
        stripping_resistance_ohm_std=_resistance_std(removal),
        cycle_duration_second=duration_second,
        flags=" ".join(sorted(names)),
        method_version=METHOD_VERSION,
    )


def _efficiency(deposit: HalfCycle | None, removal: HalfCycle | None, accuracy: Accuracy) -> Efficiency | None:
    """The efficiency of two whole halves; ``None`` otherwise."""
    if deposit is None or removal is None or not (deposit.whole and removal.whole):
        return None
    return efficiency(deposit.charge, removal.charge, accuracy)


def mean_coulombic_efficiency(rows: Sequence[CycleRow]) -> MeanEfficiency:
    """The charge-weighted mean Σ Q_strip / Σ Q_plate over the complete cycles from the second on, those left out whose charge is
    in doubt (`harness.model.flags.CHARGE_DOUBTS`).

    Its standard deviation keeps the offset's part whole, since every cycle has the same, and averages only the rest. A cycle
    whose strip ended early stays in: what it left is stripped in the next one, and only the sums are then right (over a reservoir
    block they are its efficiency, (n Q_c + Q_s) / (n Q_c + Q_t) in measured charges).
    """
    used = [
        row
        for row in rows
        if row.kind == KIND_CYCLE
        and row.cycle_count >= MEAN_FROM_CYCLE
        and row.coulombic_efficiency
        and CHARGE_DOUBTS.isdisjoint(row.flags.split())
    ]
    plated = math.fsum(row.plating_capacity_ah or 0.0 for row in used)
    if plated <= 0.0:
        return MeanEfficiency(None, None, 0)
    stripped = math.fsum(row.stripping_capacity_ah or 0.0 for row in used)
    constant, random = 0.0, 0.0
    for row in used:
        weight = (row.plating_capacity_ah or 0.0) / plated
        offset = row.coulombic_efficiency_offset_std or 0.0
        constant += weight * offset
        random += weight**2 * max((row.coulombic_efficiency_std or 0.0) ** 2 - offset**2, 0.0)
    return MeanEfficiency(stripped / plated, math.hypot(constant, math.sqrt(random)), len(used))


def _row_flags(halves: Sequence[HalfCycle], result: Efficiency | None, accuracy: Accuracy, *, whole: bool) -> set[str]:
    flags = set()
    if not whole:
        flags.add(FLAG_INCOMPLETE)
    if result is not None and result.coulombic_efficiency > 1.0:
        flags.add(FLAG_ABOVE_ONE)
    if not all(half.charge.knows_offset(accuracy) for half in halves):
        flags.add(FLAG_OFFSET_UNKNOWN)
    if len({part.range_ampere for half in halves for part in half.charge.parts}) > 1:
        flags.add(FLAG_RANGE_CHANGE)
    signs = {math.copysign(1.0, half.charge.charge_coulomb) for half in halves if half.charge.charge_coulomb != 0.0}
    if len(halves) == 2 and len(signs) == 1:
        flags.add(FLAG_WRONG_SIGN)
    return flags


def _offset_part(result: Efficiency | None, halves: Sequence[HalfCycle], accuracy: Accuracy) -> float | None:
    if result is None or not all(half.charge.knows_offset(accuracy) for half in halves):
        return None
    return result.coulombic_efficiency_offset_std


def _capacity(half: HalfCycle | None) -> float | None:
    return None if half is None else abs(half.charge.charge_coulomb) / COULOMB_PER_AH


def _capacity_std(half: HalfCycle | None, accuracy: Accuracy) -> float | None:
    return None if half is None else half.charge.std_coulomb(accuracy) / COULOMB_PER_AH


def _resistance(half: HalfCycle | None) -> float | None:
    return None if half is None or half.resistance is None else half.resistance.resistance_ohm


def _resistance_std(half: HalfCycle | None) -> float | None:
    return None if half is None or half.resistance is None else half.resistance.resistance_ohm_std
