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


def assumed_points(columns: Columns, timeline: Timeline, first: Index) -> Finding | None:
    """The sentence about currents that were taken for points, if as means some step's charge were clearly another one."""
    time, current, stop = timeline.time_second, columns["current_ampere"], np.append(first[1:], timeline.time_second.size)
    ends = np.nan_to_num(current[np.stack((first, stop - 1))], nan=0.0)
    varied = np.flatnonzero(np.abs(ends[0] - ends[1]) > MATTERS * float(np.abs(ends).max()))
    parts = [_both_ways(time[first[step] : stop[step]], current[first[step] : stop[step]]) for step in varied]
    if not parts:
        return None
    apart, charge = np.array(parts).T
    most = float(apart.max()) / max(float(charge.max()), SMALLEST * float(apart.max()))
    if most <= MATTERS:
        return None
    text = (
        f"nothing says whether a current is the value at its stamp or the mean since the row before; points were assumed, and "
        f"means would change the charge of a step by up to {100 * most:.2g} % of the largest"
    )
    return Finding(CURRENT_KIND, "current_ampere", text)


def _both_ways(time: Array, current: Array) -> tuple[float, float]:
    """By how much rectangles and trapezoids differ over a step, and its charge."""
    interval, current = np.diff(time), np.nan_to_num(current, nan=0.0)
    return abs(float(np.sum(0.5 * interval * np.diff(current)))), float(np.sum(interval * np.abs(current[1:])))
