"""Whether a file's currents are point samples or interval means: its counter says so, else points are assumed. No charges.

Between two rows of a step a counter added mean × interval, or what the trapezoid gives, whichever the current is. Only rows
between which the current changed tell them apart, and only where the difference is more than the counter's rounding.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Array
from harness.analysis.integrals import CurrentKind, Index
from harness.interop.columns import Columns
from harness.interop.counters import Counter
from harness.interop.finding import Finding
from harness.interop.timeline import Timeline

CURRENT_KIND = "current_kind"

MOST_ROWS = 50_000
"""Of a long file, rows evenly spread decide."""
ROUNDINGS = 2.0
SMALLEST = 1e-9
"""Of the largest amount between two rows: below it, differences are those of binary numbers."""
MATTERS = 1e-4


def kind_of(columns: Columns, timeline: Timeline, counter: Counter | None) -> CurrentKind | None:
    """Means when the counter's amounts equal mean × interval better than they equal the trapezoid; ``None`` if nothing tells."""
    if counter is None or timeline.time_second.size < 3:
        return None
    rows = np.arange(1, timeline.time_second.size, -(-timeline.time_second.size // MOST_ROWS))
    rows = rows[~timeline.step_edge[rows]]
    current, interval = columns["current_ampere"], timeline.time_second[rows] - timeline.time_second[rows - 1]
    change = np.nan_to_num(interval * (current[rows] - current[rows - 1]), nan=0.0)
    rounding = 0.0 if counter.rounded_each else ROUNDINGS * counter.resolution_ah * COULOMB_PER_AH
    varied = np.abs(change) > 2 * rounding
    rows, interval, change = rows[varied & (change != 0)], interval[varied & (change != 0)], change[varied & (change != 0)]
    if rows.size == 0:
        return None
    rectangle = interval * current[rows]
    amount = counter.added_ah(rows) * COULOMB_PER_AH
    differing = np.abs(change) > SMALLEST * float(np.max(np.abs(rectangle)))
    means = np.abs(rectangle - amount) < np.abs(rectangle - 0.5 * change - amount)
    if not bool(differing.any()):
        return None
    return CurrentKind.MEAN if float(np.mean(means[differing])) > 0.5 else CurrentKind.POINT


def assumed_points(columns: Columns, timeline: Timeline, first: Index) -> Finding | None:
    """The sentence about currents that were taken for points, if as means some step's charge were clearly another one."""
    current = np.nan_to_num(columns["current_ampere"], nan=0.0)
    interval = np.diff(timeline.time_second)
    inside = ~timeline.step_edge[1:]
    inside[first[1:] - 1] = False
    half = _by_step(np.where(inside, 0.5 * interval * np.diff(current), 0.0), first)
    charge = _by_step(np.where(inside, interval * np.abs(current[1:]), 0.0), first)
    largest = float(charge.max(initial=0.0))
    share = np.abs(half[charge > 0]) / np.maximum(charge[charge > 0], 0.01 * largest)
    most = float(share.max(initial=0.0))
    if most <= MATTERS:
        return None
    text = (
        f"nothing says whether a current is the value at its stamp or the mean since the row before; points were assumed, and "
        f"means would change the charge of a step by up to {100 * most:.2g} %"
    )
    return Finding(CURRENT_KIND, "current_ampere", text)


def _by_step(amount: Array, first: Index) -> Array:
    """Sums over the intervals that begin in each step."""
    sums: Array = np.add.reduceat(np.append(amount, 0.0), first)
    return sums
