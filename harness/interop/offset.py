"""The current offset an imported file itself reveals: measured against set current, or rests that were measured.

With the set current of both directions the gain drops out: the mean of (measured − set) is o + g I in one direction and o − g I
in the other, and their half sum is o. Rests reveal it only where the instrument measured them (they are not exactly zero) on the
range the cell was cycled on, which the file must say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.charge import Array
from harness.interop.timeline import Segment, Timeline

FLAG_FROM_SET = "offset_from_set_current"
FLAG_FROM_REST = "offset_from_rest"

FEWEST_ROWS = 10
LARGEST_SHARE = 0.05


def estimate_offset(
    columns: Mapping[str, Array], timeline: Timeline, cuts: Sequence[Segment]
) -> tuple[float | None, frozenset[str]]:
    """The magnitude of the offset in ampere, taken as its standard deviation, and a flag that says where it comes from."""
    set_current = columns.get("control_current_ampere")
    if set_current is not None:
        found = _from_set_current(columns["current_ampere"], set_current, timeline, cuts)
        if found is not None:
            return abs(found), frozenset({FLAG_FROM_SET})
    for name in ("current_range_id", "current_range_ampere"):
        if name in columns:
            found = _from_rests(columns["current_ampere"], columns[name], timeline, cuts)
            if found is not None:
                return abs(found), frozenset({FLAG_FROM_REST})
    return None, frozenset()


def _from_set_current(current: Array, target: Array, timeline: Timeline, cuts: Sequence[Segment]) -> float | None:
    """Half the sum of both directions' time-weighted means of measured − set; first rows straddle the switch and stay out."""
    means: dict[int, list[tuple[float, float]]] = {1: [], -1: []}
    for cut in cuts:
        if cut.direction == 0 or cut.stop - cut.first < FEWEST_ROWS:
            continue
        rows = slice(cut.first + 1, cut.stop)
        interval = np.diff(timeline.time_second[cut.first : cut.stop])
        difference = current[rows] - target[rows]
        usable = np.isfinite(difference) & (target[rows] != 0.0) & (interval > 0)
        usable &= np.abs(difference) <= LARGEST_SHARE * np.abs(target[rows])
        if int(usable.sum()) >= FEWEST_ROWS and 2 * int(usable.sum()) > usable.size:
            second = float(interval[usable].sum())
            means[cut.direction].append((float(np.sum(difference[usable] * interval[usable])), second))
    if not means[1] or not means[-1]:
        return None
    sides = [sum(amount for amount, _ in means[side]) / sum(second for _, second in means[side]) for side in (1, -1)]
    return 0.5 * (sides[0] + sides[1])


def _from_rests(current: Array, ranges: Array, timeline: Timeline, cuts: Sequence[Segment]) -> float | None:
    cycled = {float(ranges[cut.stop - 1]) for cut in cuts if cut.direction != 0}
    amount, second, measured = 0.0, 0.0, False
    for cut in cuts:
        if cut.direction != 0 or cut.stop - cut.first < FEWEST_ROWS or float(ranges[cut.stop - 1]) not in cycled:
            continue
        values = current[cut.first + 1 : cut.stop]
        interval = np.diff(timeline.time_second[cut.first : cut.stop])
        valid = np.isfinite(values)
        amount += float(np.sum(values[valid] * interval[valid]))
        second += float(np.sum(interval[valid]))
        measured |= bool(np.any(values[valid] != 0.0))
    return amount / second if measured and second > 0 else None
