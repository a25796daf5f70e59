"""What passed in rows of an imported file whose charge counter says nothing: by the current of the row, as the integral has it.

An increment that is missing is lost for ever. A total loses nothing by a missing value, for the next one holds it, unless its
step ends before that: the total may begin again there, or goes on in another half cycle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Array
from harness.analysis.integrals import NOWHERE, CurrentKind, Index, Mask
from harness.analysis.missing import filled_forward, held
from harness.interop.columns import Columns
from harness.interop.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class Uncounted:
    """Rows whose counter is missing, in rising order; what passed in each by its current (signed), and its error."""

    rows: Index
    added_ah: Array
    std_ah: Array

    def taken(self, chosen: Mask) -> Uncounted:
        """Some of the rows."""
        return Uncounted(self.rows[chosen], self.added_ah[chosen], self.std_ah[chosen])

    def joined(self, other: Uncounted) -> Uncounted:
        """The rows of both, which share none."""
        if not other.rows.size:
            return self
        both = (np.concatenate((getattr(self, name), getattr(other, name))) for name in ("rows", "added_ah", "std_ah"))
        rows, added, std = both
        order = np.argsort(rows)
        return Uncounted(rows[order], added[order], std[order])


NOTHING = Uncounted(NOWHERE, np.zeros(0), np.zeros(0))


def passed_in(rows: Index, columns: Columns, timeline: Timeline, starts: Index, kind: CurrentKind) -> Uncounted:
    """What passed since the row before each of ``rows``; steps begin at the rows ``starts``.

    A missing current is the mean of its neighbours in the step. The error is (Δt ΔI)/√12 over what the current did, and as much
    as (Δt I)/√12 in a step's first row where no step time says how much of the interval is its own.
    """
    current = columns["current_ampere"]
    before = after = current
    if not columns.complete("current_ampere"):
        before = held(current, starts)
        after = held(current[::-1], current.size - np.append(starts[1:], current.size)[::-1])[::-1]
    begins = starts[np.searchsorted(starts, rows, side="right") - 1] == rows
    earlier = np.where(begins, rows, rows - 1)
    own, previous = (0.5 * (before[place] + after[place]) for place in (rows, earlier))
    time, step = timeline.time_second, timeline.step_second
    second = np.where((rows == 0) | np.isin(rows, timeline.broken_rows), 0.0, time[rows] - time[rows - 1])
    if step is not None:
        second = np.where(begins, np.minimum(second, step[rows]), second)
    change = np.abs(after[rows] - before[earlier])
    if kind is CurrentKind.POINT and step is None:
        previous, change = np.where(begins, 0.0, previous), np.where(begins, np.abs(own), change)
    value = own if kind is CurrentKind.MEAN else 0.5 * (own + previous)
    return Uncounted(rows, second * value / COULOMB_PER_AH, second * change / (12**0.5 * COULOMB_PER_AH))


def lost_by_total(values: Array, starts: Index) -> Index:
    """The rows whose total is missing and of whose step no later row has one."""
    known, row = np.isfinite(values), np.arange(values.size)
    following = np.minimum.accumulate(np.where(known, row, values.size)[::-1])[::-1]
    stops = np.append(starts[1:], values.size)
    lost: Index = np.flatnonzero(following >= np.repeat(stops, stops - starts))
    return lost


def carried_on(values: Array, before_first: float, rows: Index, added_ah: Array) -> Array:
    """A total whose missing values repeat the one before, but for ``rows``, which add ``added_ah`` to it."""
    passed = np.zeros(values.size)
    passed[rows] = added_ah
    passed = np.cumsum(passed)
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(values.size), -1))
    return filled_forward(values, before_first) + passed - np.where(last >= 0, passed[last], 0.0)
