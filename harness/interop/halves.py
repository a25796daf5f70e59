"""The half cycles of an imported file and their rows: pieces joined, checked, paired, and written down. No files, no clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.coulombic import FLAG_STRIP_INCOMPLETE
from harness.analysis.cycle_table import Cycles, Halves, Mask, Systematic, cycle_rows
from harness.analysis.integrals import Charges, Index
from harness.interop.drive import Drive, drive_of
from harness.interop.half_ends import Ends, end_of_last, missed_cut_off
from harness.interop.measured import Measured
from harness.interop.pairing import Pair, complete, merged, paired_by_count, paired_in_order, usable_counts
from harness.model.derived import CycleRow
from harness.model.run import Geometry

FLAG_COUNTER_MISMATCH = "counter_mismatch"
"""The integral of the current and the instrument's counter differ by more than max(3 σ, 0.2 %)."""
FLAG_CYCLE_COUNT = "cycle_count_unusable"
FLAG_END_UNSEEN = "end_unseen"
"""The file ends in this half with nothing to compare its end with: whether it is whole cannot be told."""

MISMATCH = 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class PairedHalves:
    """n half cycles, rows [first, stop), and the cycles that they make.

    ``first_piece`` is where each begins in `Measured.pieces`; ``systematic`` is what halves of one range share; ``drive`` is how
    hard they were to drive; ``cut_short`` says that the file ends inside the last one; ``flags`` are names of each half's own.
    """

    first_piece: Index
    direction: Index
    first: Index
    stop: Index
    charge: Charges
    systematic: Systematic
    drive: Drive
    cut_short: bool
    flags: list[frozenset[str]]
    pairs: list[Pair]
    flags_of_file: frozenset[str]


def pair_halves(measured: Measured, geometry: Geometry) -> PairedHalves:
    """Half cycles, under the file's own counts where those hold more whole cycles than pairing in order."""
    steps, pieces = measured.steps, measured.pieces
    deposit = 1 if geometry is Geometry.FULL else -1
    direction, flags = steps.direction[pieces], measured.flags
    halves = merged(direction, None)
    pairs = paired_in_order(halves.direction, deposit)
    counts = usable_counts(measured.columns, steps.first)
    if counts is not None and pieces.size:
        own_counts = counts[pieces]
        own = merged(direction, own_counts)
        found = paired_by_count(own.direction, own_counts[own.first_piece], deposit)
        if found is not None and complete(found) >= complete(pairs):
            halves, pairs = own, found
    elif "cycle_count" in measured.columns:
        flags |= {FLAG_CYCLE_COUNT}
    first = steps.first[pieces[halves.first_piece]]
    stop = steps.stop[pieces[np.append(halves.first_piece[1:], pieces.size) - 1]] if pieces.size else first
    charge, mismatch, gain = _charges(measured, halves.first_piece)
    own_flags = _own_flags(measured, first, stop, mismatch)
    ends = Ends(measured.columns.get("voltage_volt"), measured.timeline, halves.direction, stop)
    seen, cut = end_of_last(ends) if pieces.size else (True, False)
    if not seen:
        own_flags[-1] |= {FLAG_END_UNSEEN}
    removals = halves.direction == (0 if geometry is Geometry.SYMMETRIC else -deposit)
    for half in missed_cut_off(ends, removals, np.abs(charge.total_coulomb())).tolist():
        own_flags[half] |= {FLAG_STRIP_INCOMPLETE}
    drive = drive_of(measured, pieces[halves.first_piece], halves.direction, geometry)
    systematic = _with_gain(measured, gain)
    return PairedHalves(
        halves.first_piece, halves.direction, first, stop, charge, systematic, drive, cut, own_flags, pairs, flags
    )


def rows_of(name: str, measured: Measured, halves: PairedHalves, geometry: Geometry) -> list[CycleRow]:
    """The rows of a file's cycles."""
    if not halves.pairs:
        return []
    count = [pair[0] for pair in halves.pairs]
    deposit, removal = (np.array([pair[place] for pair in halves.pairs]) for place in (1, 2))
    begin = np.where(deposit >= 0, halves.first[deposit], halves.first[removal])
    end = np.where(removal >= 0, halves.stop[removal], halves.stop[deposit]) - 1
    time = measured.timeline.time_second
    whole = np.ones(halves.first.size, dtype=np.bool_)
    whole[-1] = not halves.cut_short
    cycles = Cycles(
        count,
        _stamps(measured, begin),
        time[end] - time[begin],
        _half(halves, whole, deposit),
        _half(halves, whole, removal),
        _flags_of_pairs(halves),
    )
    first = min((number for number, half, _ in halves.pairs if half >= 0), default=1)
    efficient = geometry is not Geometry.SYMMETRIC
    return cycle_rows(name, cycles, halves.systematic, has_efficiency=efficient, first_cycle=first)


def _charges(measured: Measured, first_piece: Index) -> tuple[Charges, Mask, float]:
    """The charge of each half: the counter's, checked by the integral, or the integral's; and where the two do not agree.

    The error of the charge then holds what they differ by: as a gain where most halves do, by the ratio that these share, which
    is no error of an efficiency; the rest is each half's own.
    """
    integral = measured.integral.taken(measured.pieces).joined(first_piece)
    if measured.counted is None:
        return integral, np.zeros(first_piece.size, dtype=np.bool_), 0.0
    counted = measured.counted.taken(measured.pieces).joined(first_piece)
    both, seen = integral.total_coulomb(), counted.total_coulomb()
    std = np.hypot(integral.random_std_coulomb, counted.random_std_coulomb)
    mismatch = np.abs(both - seen) > np.maximum(3 * std, MISMATCH * np.abs(seen))
    if not bool(mismatch.any()):
        return counted, mismatch, 0.0
    ratio = both[seen != 0] / seen[seen != 0]
    gain = float(np.median(ratio)) if 2 * int(np.count_nonzero(mismatch)) > mismatch.size else 1.0
    gain = gain or 1.0
    random = np.hypot(counted.random_std_coulomb, np.where(mismatch, both - gain * seen, 0.0)) / abs(gain)
    return replace(counted, random_std_coulomb=random), mismatch, abs(gain - 1.0)


def _with_gain(measured: Measured, gain: float) -> Systematic:
    """What is known of the instrument, its gain no surer than its counter and its current agree."""
    return replace(measured.systematic, gain_1=float(np.hypot(measured.systematic.gain_1, gain))) if gain else measured.systematic


def _own_flags(measured: Measured, first: Index, stop: Index, mismatch: Mask) -> list[frozenset[str]]:
    """Names of each half's own: a counter that disagrees, and what is odd about the time of one of its rows."""
    masks = {FLAG_COUNTER_MISMATCH: mismatch}
    for name, rows in measured.timeline.flagged_rows.items():
        masks[name] = np.searchsorted(rows, stop) > np.searchsorted(rows, first)
    if not any(bool(mask.any()) for mask in masks.values()):
        return [frozenset()] * first.size
    table = zip(*(mask.tolist() for mask in masks.values()), strict=True)
    return [frozenset(name for name, there in zip(masks, line, strict=True) if there) for line in table]


def _flags_of_pairs(halves: PairedHalves) -> list[frozenset[str]]:
    own, of_file = halves.flags, halves.flags_of_file
    if not any(own):
        return [of_file] * len(halves.pairs)
    return [of_file.union(*(own[half] for half in pair[1:] if half >= 0)) for pair in halves.pairs]


def _half(halves: PairedHalves, whole: Mask, chosen: Index) -> Halves:
    drive = halves.drive
    return Halves(halves.charge.taken(chosen), chosen >= 0, whole[chosen], drive.resistance_ohm[chosen], drive.std_ohm[chosen])


def _stamps(measured: Measured, rows: Index) -> list[int]:
    stamp = measured.timeline.time_second[rows]
    unix = measured.columns.get("unix_time_second")
    if unix is not None:
        stamp = np.where(np.isfinite(unix[rows]), unix[rows], stamp)
    stamps: list[int] = np.rint(stamp * 1e9).astype(np.int64).tolist()
    return stamps
