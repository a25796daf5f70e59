"""Whether a file's currents are point samples or interval means: its counter says so, else points are assumed. No charges.

Between two rows of a step a counter added mean × interval, or what the trapezoid gives, whichever the current is. Only rows
between which the current changed tell them apart, and only where the difference is more than the counter's rounding.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Array
from harness.analysis.integrals import CurrentKind, Index, blocks_of_steps
from harness.analysis.missing import held
from harness.interop.columns import Columns
from harness.interop.counters import Counter
from harness.interop.finding import Finding
from harness.interop.timeline import Timeline

CURRENT_KIND = "current_kind"

MOST_ROWS = 10_000
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
    current = columns["current_ampere"]
    rows = rows[current[rows] != current[rows - 1]]
    rows = rows[~timeline.step_edge[rows]]
    if counter.uncounted.rows.size:
        rows = rows[~np.isin(rows, counter.uncounted.rows)]
    interval = timeline.time_second[rows] - timeline.time_second[rows - 1]
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


def assumed_points(columns: Columns, timeline: Timeline, first: Index, charge_coulomb: Array) -> Finding | None:
    """The sentence about currents that were taken for points and gave these charges of the steps that begin at the rows
    ``first``, if as means some step's charge were clearly another one.
    """
    time, current, stop = timeline.time_second, columns["current_ampere"], np.append(first[1:], timeline.time_second.size)
    ends = np.nan_to_num(current[np.stack((first, stop - 1))], nan=0.0)
    if not bool((np.abs(ends[0] - ends[1]) > MATTERS * float(np.abs(ends).max())).any()):
        return None
    current = current if columns.complete("current_ampere") else held(current, first)
    apart = float(_by_kind(time, current, first).max())
    largest = float(np.abs(charge_coulomb).max())
    if apart <= MATTERS * largest:
        return None
    most = apart / max(largest, SMALLEST * apart)
    text = (
        f"nothing says whether a current is the value at its stamp or the mean since the row before; points were assumed, and "
        f"means would change the charge of a step by up to {100 * most:.2g} % of the largest"
    )
    return Finding(CURRENT_KIND, "current_ampere", text)


def _by_kind(time: Array, current: Array, first: Index) -> Array:
    """By how much rectangles and trapezoids differ over each step."""
    apart = []
    for steps in blocks_of_steps(first, time.size):
        begin, end = int(first[steps.start]), int(first[steps.stop]) if steps.stop < first.size else time.size
        inside = first[steps] - begin
        amount = np.empty(end - begin)
        np.multiply(np.diff(time[begin:end]), np.diff(current[begin:end]), out=amount[1:])
        amount[inside] = 0.0
        apart.append(0.5 * np.abs(np.add.reduceat(amount, inside)))
    return np.concatenate(apart)
