"""Half cycles of an imported file, and which deposit belongs to which removal. Directions and counts in, pairs out; no charges.

Cycles are the file's own where each of its counts holds at most one deposit and one removal, in that order; otherwise halves are
paired as they come, each deposit with the removal after it (cycle 0 is a removal that comes first).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.integrals import Index
from harness.interop.columns import Columns

Pair = tuple[int, int, int]
"""A cycle's count, and the places of its deposit and its removal among the halves, −1 for none."""


@dataclass(frozen=True, slots=True, eq=False)
class HalfCycles:
    """n half cycles, each of neighbouring pieces with current: where its pieces begin among them, and its direction."""

    first_piece: Index
    direction: Index


def merged(direction: Index, counts: Index | None) -> HalfCycles:
    """Neighbouring pieces of one direction (and one count, where counts are given) joined to halves."""
    new = np.diff(direction, prepend=9) != 0
    if counts is not None:
        new |= np.diff(counts, prepend=-1) != 0
    first = np.flatnonzero(new)
    return HalfCycles(first, direction[first])


def paired_in_order(direction: Index, deposit_direction: int) -> list[Pair]:
    """Each deposit with the removal after it."""
    pairs: list[Pair] = []
    for place, sign in enumerate(direction.tolist()):
        if sign == deposit_direction:
            pairs.append((pairs[-1][0] + 1 if pairs else 1, place, -1))
        elif pairs and pairs[-1][2] == -1:
            pairs[-1] = (*pairs[-1][:2], place)
        else:
            pairs.append((pairs[-1][0] + 1 if pairs else 0, -1, place))
    return pairs


def paired_by_count(direction: Index, counts: Index, deposit_direction: int) -> list[Pair] | None:
    """The file's own cycles, ``None`` where a count holds two of a kind or a removal before its deposit."""
    found: dict[int, list[int]] = {}
    for place, (sign, count) in enumerate(zip(direction.tolist(), counts.tolist(), strict=True)):
        slot = 0 if sign == deposit_direction else 1
        slots = found.setdefault(count, [-1, -1])
        if slots[slot] != -1 or (slot == 0 and slots[1] != -1):
            return None
        slots[slot] = place
    return [(count, slots[0], slots[1]) for count, slots in found.items()]


def complete(pairs: list[Pair]) -> int:
    """How many pairs have both."""
    return sum(deposit >= 0 and removal >= 0 for _, deposit, removal in pairs)


def usable_counts(columns: Columns, first: Index) -> Index | None:
    """The file's cycle count of each step, where they are whole numbers that never fall. ``first``: the steps' first rows; a
    step ends where a count changes, so these say it all.
    """
    if "cycle_count" not in columns:
        return None
    counts = columns.at("cycle_count", first)
    if not bool(np.isfinite(counts).all()) or not bool(np.all(counts == np.rint(counts))):
        return None
    return counts.astype(np.int64) if counts[0] >= 0 and bool(np.all(counts[1:] >= counts[:-1])) else None
