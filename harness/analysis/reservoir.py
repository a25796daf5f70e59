"""Reservoir efficiency: what a deposit that is never used up until the end gives back. From measured charges, never nominal ones.

A *block* deposits a reservoir Q_t on a bare electrode, removes and deposits a short charge Q_c n times, and strips what is left,
Q_s, to the cut-off. With everything measured,

    CE = (Σ Q_strip,i + Q_s) / (Σ Q_plate,i + Q_t)      (nominally (n Q_c + Q_s) / (n Q_c + Q_t)),

the same whether a short cycle begins with its strip or with its plate: B. D. Adams, J. Zheng, X. Ren, W. Xu, J.-G. Zhang, Adv.
Energy Mater. 8, 1702097 (2018), doi 10.1002/aenm.201702097, after D. Aurbach, Y. Gofer and J. Langzam (1989). It holds while the
reservoir lasts; a block can show no less than n Q_c / (n Q_c + Q_t), which is Q_s = 0. What the lithium loses while it waits is
in the number, so the hours stand beside it.

Only the electrode that was bare before and after counts, so that a block is found by how strips end: it opens with a strip that
took off less than nine tenths of what lay there, and as much as the next plate puts on; it goes on while strips end on charge or
time (or, where nobody says how they ended, while they repeat the first), and closes with the first one that reached the cut-off.

The errors are those of `coulombic.efficiency` with all plates as one deposit and all strips as one removal: on one range the
offset stays whole, σ = 2 CE σ_o / I, while the error of the last cut-off is divided by n Q_c + Q_t.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Accuracy, Charge, RangePart, total_charge
from harness.analysis.coulombic import FLAG_STRIP_INCOMPLETE, Efficiency, HalfCycle, efficiency
from harness.analysis.cycle_table import FLAG_ABOVE_ONE, FLAG_INCOMPLETE, FLAG_OFFSET_UNKNOWN
from harness.analysis.estimate import Estimate
from harness.analysis.row_errors import RowErrors, row_errors
from harness.errors import AnalysisError
from harness.model.derived import CycleRow
from harness.model.run import Role

METHOD_VERSION = "reservoir-2"

FLAG_FEWER = "fewer_than_programmed"
FLAG_RAN_OUT = "reservoir_ran_out"
FLAG_CUT_SHORT = "no_final_strip"

SAME_CHARGE = 5e-3
"""Charges within this fraction of each other were programmed alike."""
RESERVED = 0.9
"""A strip of less than this share of what was deposited may have left the rest on purpose."""


class End(StrEnum):
    """What ended a half cycle. ``TIME`` is ``CHARGE`` at constant current: either way lithium may have been left."""

    VOLTAGE = "voltage"
    CHARGE = "charge"
    TIME = "time"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BlockHalf:
    """One half cycle and how it ended; a hold belongs to the half it follows. ``end_nanosecond``: when its cycle was over."""

    half: HalfCycle
    end: End = End.UNKNOWN
    cycle_count: int = 0
    end_nanosecond: int | None = None


@dataclass(frozen=True, slots=True)
class ReservoirBlock:
    """One block. ``cycles`` is n, counted; where plates (or strips) in a row came joined, the first (last) short one counts as
    part of the reservoir (of the final strip), which changes n and Q_t but no sum.

    ``coulombic_efficiency`` is a lower bound where the reservoir ran out, and refused where the block is not whole;
    ``offset_std`` is the part of its σ that no repetition removes, ``None`` when the offset is unknown. ``conditioning`` is the
    cycle before the block. Capacities in Ah. ``lowest_1`` = n Q_c / (n Q_c + Q_t).
    """

    first_cycle: int
    last_cycle: int
    start_nanosecond: int
    cycles: int
    plated_ah: Estimate
    stripped_ah: Estimate
    reservoir_ah: float
    short_ah: float
    final_ah: float
    coulombic_efficiency: Estimate
    offset_std: float | None
    lowest_1: float
    conditioning: Estimate
    duration_hour: float | None
    flags: frozenset[str]


def reservoir_efficiency(deposits: Sequence[Charge], removals: Sequence[Charge], accuracy: Accuracy) -> Efficiency:
    """(Σ Q_strip + Q_s) / (Σ Q_plate + Q_t) of one block with its uncertainty: all charges in, whichever they are.

    Raises:
        AnalysisError: one of them is empty or adds up to nothing.
    """
    found = efficiency(total_charge(deposits), total_charge(removals), accuracy) if deposits and removals else None
    if found is None:
        raise AnalysisError("a reservoir efficiency needs charge that was deposited and charge that was removed")
    return found


def lowest_efficiency(cycles: int, short: float, reservoir: float) -> float:
    """The least that a block of n = ``cycles`` can show, with Q_s = 0: n Q_c / (n Q_c + Q_t).

    Raises:
        AnalysisError: a charge or the number of cycles is not positive.
    """
    if cycles < 1 or not short > 0 or not reservoir > 0:
        raise AnalysisError("a reservoir block has one short cycle or more, and its charges are positive")
    return cycles * short / (cycles * short + reservoir)


def reservoir_blocks(
    halves: Sequence[BlockHalf], accuracy: Accuracy, *, programmed_cycles: int | None = None
) -> list[ReservoirBlock]:
    """Every reservoir block among ``halves``, which stand in the order of time; no block, no entry.

    ``programmed_cycles`` is the schedule's n: fewer are flagged, and it settles whether a last strip shorter than Q_c was the
    final one. Rests and probes among ``halves`` are passed over.

    Raises:
        AnalysisError: the half cycles are not in the order of time.
    """
    if any(later.half.start_nanosecond < earlier.half.start_nanosecond for earlier, later in itertools.pairwise(halves)):
        raise AnalysisError("half cycles must stand in the order of time")
    pairs = _pairs(halves)
    leaves: list[bool] = []
    for index in range(len(pairs)):
        leaves.append(_leaves_lithium(pairs, index, after_reserve=bool(leaves) and leaves[-1]))
    blocks, index = [], 0
    while index < len(pairs):
        first = index
        if leaves[first] and _is_reservoir(pairs, first):
            while index < len(pairs) - 1 and leaves[index]:
                index += 1
            before = pairs[first - 1] if first else None
            after = pairs[index + 1] if index + 1 < len(pairs) else None
            closed = bool(pairs[index].removals) and not leaves[index]
            blocks.append(_block(pairs[first : index + 1], before, after, accuracy, programmed_cycles, closed=closed))
        index += 1
    return blocks


def blocks_of_rows(rows: Sequence[CycleRow], *, programmed_cycles: int | None = None) -> list[ReservoirBlock]:
    """The blocks among the cycles of one run, in their order. A strip of a run ended on time where its row says so.

    The halves err as `row_errors` reads it from their rows; the gain is that of all deposits together.

    Raises:
        AnalysisError: the rows are not in the order of time.
    """
    told = any(FLAG_STRIP_INCOMPLETE in row.flags.split() for row in rows)
    known = all(row.coulombic_efficiency is None or row.coulombic_efficiency_offset_std is not None for row in rows)
    errors = row_errors(rows)
    accuracy = Accuracy(offset_ampere=1.0 if known else None, gain=_gain_of(errors))
    halves = [half for place, row in enumerate(rows) for half in _halves(row, errors, place, accuracy, told=told)]
    return reservoir_blocks(halves, accuracy, programmed_cycles=programmed_cycles)


# -- from halves to blocks


@dataclass(slots=True)
class _Pair:
    """Deposits without a removal between them, and the removals that follow; both as they came."""

    deposits: list[BlockHalf]
    removals: list[BlockHalf] = field(default_factory=list)

    @property
    def deposited(self) -> float:
        return _size(self.deposits)

    @property
    def removed(self) -> float:
        return _size(self.removals)


def _pairs(halves: Sequence[BlockHalf]) -> list[_Pair]:
    pairs: list[_Pair] = []
    for one in halves:
        if one.half.role.deposits:
            if not pairs or pairs[-1].removals:
                pairs.append(_Pair([]))
            pairs[-1].deposits.append(one)
        elif one.half.role.removes and pairs:
            pairs[-1].removals.append(one)
    return pairs


def _leaves_lithium(pairs: Sequence[_Pair], index: int, *, after_reserve: bool) -> bool:
    pair = pairs[index]
    if not pair.removals:
        return False
    end = pair.removals[-1].end
    if end is not End.UNKNOWN:
        return end is not End.VOLTAGE
    if index + 1 == len(pairs):
        return False
    return _alike(pair.removed, pairs[index - 1].removed) if after_reserve else _is_reservoir(pairs, index)


def _is_reservoir(pairs: Sequence[_Pair], index: int) -> bool:
    """Whether a strip took a part of what was there that the next plate, if it came, puts on again."""
    pair, after = pairs[index], pairs[index + 1] if index + 1 < len(pairs) else None
    return pair.removed < RESERVED * pair.deposited and (after is None or _alike(pair.removed, after.deposited))


def _block(
    pairs: Sequence[_Pair],
    before: _Pair | None,
    after: _Pair | None,
    accuracy: Accuracy,
    programmed: int | None,
    *,
    closed: bool,
) -> ReservoirBlock:
    deposits = [half for pair in pairs for half in pair.deposits]
    removals = [half for pair in pairs for half in pair.removals]
    short = _short_charge(pairs)
    cycles = min(len(deposits), len(removals)) - 1 if removals else 0
    reservoir, final = _size(deposits[:1]), _size(removals[-1:])
    ran_out = closed and _ran_out(final, short, cycles, programmed, after)
    value, found = _efficiency(deposits, removals, accuracy, cycles, closed=closed, ran_out=ran_out)
    knows = all(one.half.charge.knows_offset(accuracy) for one in (*deposits, *removals))
    found_out = {
        FLAG_FEWER: programmed is not None and cycles < programmed,
        FLAG_RAN_OUT: ran_out,
        FLAG_CUT_SHORT: not closed,
        FLAG_ABOVE_ONE: value.value is not None and value.value > 1.0,
        FLAG_OFFSET_UNKNOWN: not knows,
    }
    return ReservoirBlock(
        first_cycle=deposits[0].cycle_count,
        last_cycle=(removals or deposits)[-1].cycle_count,
        start_nanosecond=deposits[0].half.start_nanosecond,
        cycles=cycles,
        plated_ah=_sum(deposits, accuracy),
        stripped_ah=_sum(removals, accuracy),
        reservoir_ah=reservoir,
        short_ah=short,
        final_ah=final,
        coulombic_efficiency=value,
        offset_std=found.coulombic_efficiency_offset_std if found is not None and knows else None,
        lowest_1=lowest_efficiency(max(cycles, 1), short, reservoir),
        conditioning=_conditioning(before, accuracy),
        duration_hour=_hours(deposits[0], (removals or deposits)[-1]),
        flags=_flags_of((*deposits, *removals)) | {name for name, holds in found_out.items() if holds},
    )


def _flags_of(halves: Sequence[BlockHalf]) -> frozenset[str]:
    """Those of the halves, but for what is the rule within a block: short strips, and more stripped than plated in one cycle."""
    names = {name for half in halves for name in half.half.flags | half.half.charge.flags}
    return frozenset(names - {FLAG_STRIP_INCOMPLETE, FLAG_ABOVE_ONE})


def _short_charge(pairs: Sequence[_Pair]) -> float:
    """Q_c: the median of the short plates and strips, so neither the reservoir nor the final strip."""
    halves = [half for pair in pairs for half in (*pair.deposits, *pair.removals)]
    return statistics.median(_size([half]) for half in halves[1:-1] or halves[1:])


def _ran_out(final: float, short: float, cycles: int, programmed: int | None, after: _Pair | None) -> bool:
    """Whether the strip that reached the cut-off was a short one: less than Q_c came, and the short cycles went on."""
    if final >= short * (1 - SAME_CHARGE) or (programmed is not None and cycles >= programmed):
        return False
    return after is not None and _alike(after.deposited, short)


def _efficiency(
    deposits: Sequence[BlockHalf], removals: Sequence[BlockHalf], accuracy: Accuracy, cycles: int, *, closed: bool, ran_out: bool
) -> tuple[Estimate, Efficiency | None]:
    if not closed:
        return Estimate.refused("the block has no final strip to the cut-off: what it left is unknown"), None
    if not all(half.half.whole for half in (*deposits, *removals)):
        return Estimate.refused("a half cycle of the block was cut short or lost"), None
    found = reservoir_efficiency([half.half.charge for half in deposits], [half.half.charge for half in removals], accuracy)
    if ran_out:
        reason = f"the reservoir ran out in short cycle {cycles + 1}: its strip reached the cut-off before its charge"
        return Estimate.at_least(found.coulombic_efficiency, reason), found
    return Estimate.normal(found.coulombic_efficiency, found.coulombic_efficiency_std), found


def _conditioning(before: _Pair | None, accuracy: Accuracy) -> Estimate:
    if before is None or not before.removals:
        return Estimate.refused("no cycle to the cut-off came before the block")
    if not all(half.half.whole for half in (*before.deposits, *before.removals)):
        return Estimate.refused("the cycle before the block was cut short")
    charges = [[half.half.charge for half in side] for side in (before.deposits, before.removals)]
    found = reservoir_efficiency(charges[0], charges[1], accuracy)
    return Estimate.normal(found.coulombic_efficiency, found.coulombic_efficiency_std)


def _sum(halves: Sequence[BlockHalf], accuracy: Accuracy) -> Estimate:
    charge = total_charge([half.half.charge for half in halves])
    return Estimate.normal(abs(charge.charge_coulomb) / COULOMB_PER_AH, charge.std_coulomb(accuracy) / COULOMB_PER_AH)


def _size(halves: Sequence[BlockHalf]) -> float:
    return math.fsum(abs(half.half.charge.charge_coulomb) for half in halves) / COULOMB_PER_AH


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_CHARGE * max(one, other)


def _hours(first: BlockHalf, last: BlockHalf) -> float | None:
    seconds = last.half.charge.duration_second if last.end_nanosecond is None else 0.0
    end = last.half.start_nanosecond if last.end_nanosecond is None else last.end_nanosecond
    return ((end - first.half.start_nanosecond) / 1e9 + seconds) / 3600.0


# -- from rows to halves


def _halves(row: CycleRow, errors: RowErrors, place: int, accuracy: Accuracy, *, told: bool) -> list[BlockHalf]:
    flags = frozenset(row.flags.split())
    strip_end = End.UNKNOWN if not told else End.TIME if FLAG_STRIP_INCOMPLETE in flags else End.VOLTAGE
    end = None if row.cycle_duration_second is None else row.unix_time_nanosecond + round(row.cycle_duration_second * 1e9)
    whole = FLAG_INCOMPLETE not in flags
    halves = []
    for role, sign, capacity, std, offset, how in (
        (Role.PLATE, -1.0, errors.deposit, errors.deposit_std, errors.deposit_offset, End.CHARGE),
        (Role.STRIP, 1.0, errors.removal, errors.removal_std, errors.removal_offset, strip_end),
    ):
        if capacity[place] > 0.0:
            columns = (sign * capacity, np.nan_to_num(std), np.nan_to_num(offset), errors.random)
            charge = _charge_of(*(float(column[place]) * COULOMB_PER_AH for column in columns), accuracy=accuracy)
            half = HalfCycle(role, row.unix_time_nanosecond, charge, whole, flags=flags)
            halves.append(BlockHalf(half, how, row.cycle_count, end))
    return halves


def _charge_of(coulomb: float, std: float, offset: float, random: float, *, accuracy: Accuracy) -> Charge:
    """A charge that errs as the row says (coulomb): in common by the offset (as 1 A × seconds) and the gain, the rest at random.

    Where the row does not tell them apart (NaN), all that the gain leaves of its σ is the offset's.
    """
    if math.isnan(random):
        rest = math.sqrt(max(std**2 - ((accuracy.gain or 0.0) * coulomb) ** 2, 0.0))
        offset, random = (0.0, rest) if accuracy.offset_ampere is None else (rest, 0.0)
    return Charge(coulomb, 0.0, random, (RangePart(None, coulomb, offset),))


def _gain_of(errors: RowErrors) -> float:
    """The gain of all deposits of a run together."""
    told = np.isfinite(errors.random)
    deposited = float(errors.deposit[told].sum())
    return float(errors.gain[told] @ errors.deposit[told]) / deposited if deposited > 0.0 else 0.0
