"""When the steps of an imported file began and ended, as its clocks say, and what is left unknown. Edges out; no charges.

A row's step time names when its step began, and so when the step before it ended, if no step is missing between: to such an
edge the current is held, however far it is. Where nobody names the edge between two rows, it lies anywhere between them: each
step is held to the middle, and the whole time counts as unknown, (I Δt)² / 12, on either side. Between steps of one direction it
does not matter whose the time was. Where more time passed than rows of either step lie apart, a rest may have gone unrecorded as
well as rows lost: nothing is held, and the charge is anything from none to I Δt, (I Δt)² / 3. Where a clock broke, nothing is
held either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.integrals import GAP_SECOND, Edges, Index, Mask, longest_regular
from harness.analysis.spread import Spread, medians_by_step
from harness.interop.timeline import Timeline

ROUNDED = 1.001
"""Two clocks of one instrument differ by less than this factor."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Where n steps lie: rows [first, stop) and their directions; before which of them a step of the instrument ``begins``, and
    whether one is ``missing`` before them.
    """

    first: Index
    stop: Index
    direction: Index
    begins: Mask
    missing: Mask


@dataclass(frozen=True, slots=True, eq=False)
class NamedEdges:
    """The edges that clocks name; where they do not, ``before_second`` and ``after_second`` say how long nobody knows whose the
    time was.
    """

    edges: Edges
    before_second: Array
    after_second: Array


def named_edges(timeline: Timeline, cuts: Cuts) -> NamedEdges:
    """What the clocks say of each step's beginning and its end; nothing is said of rests and probes."""
    time, step, first, stop = timeline.time_second, timeline.step_second, cuts.first, cuts.stop
    driven, nothing = cuts.direction != 0, np.full(first.size, np.nan)
    before = np.where(first > 0, time[first] - time[first - 1], 0.0)
    after = np.append(before[1:], time[-1] - time[stop[-1] - 1])
    broken = np.isin(first, timeline.broken_rows)
    if step is None:
        edges = Edges(nothing, nothing, np.zeros(first.size), timeline.resolution_second)
        return NamedEdges(edges, np.where(driven, before, 0.0), np.where(driven, after, 0.0))
    since = step[first]
    begun = cuts.begins & (since >= 0) & ((first == 0) | (since <= ROUNDED * before) | (since == 0))
    left = np.append(before[1:] - since[1:], 0.0)
    ended = np.append(cuts.begins[1:] & ~cuts.missing[1:] & ~broken[1:], [True])
    edges = Edges(
        np.where(driven & begun & (since > 0), 0.0, nothing),
        np.where(driven & ended & (left > 0), step[stop - 1] + left, nothing),
        np.zeros(first.size),
        timeline.resolution_second,
    )
    return NamedEdges(edges, np.where(driven & ~begun, before, 0.0), np.where(driven & ~ended, np.maximum(left, 0.0), 0.0))


def shared_edges(timeline: Timeline, cuts: Cuts, named: NamedEdges, current: Array) -> Edges:
    """The edges of steps of point samples: those that nobody names in the middle, with the time that is unknown."""
    before, after, edges = named.before_second, named.after_second, named.edges
    if not bool((before > 0).any() or (after > 0).any() or timeline.broken_rows.size):
        return edges
    clock, first, stop = timeline.clock_second, cuts.first, cuts.stop
    broken = np.isin(first, timeline.broken_rows)
    irregular = _irregular(timeline.time_second, cuts, np.maximum(before, np.append(0.0, after[:-1])))
    joined = np.append(False, (cuts.direction[1:] == cuts.direction[:-1]) & (cuts.direction[1:] != 0))
    joined &= (before > 0) & ~broken
    held = np.where(broken | irregular, 0.0, 0.5)
    start, end = held * before, np.append(held[1:], [0.0]) * after
    size = np.abs(current[first])
    change = np.abs(current[first] - current[first - 1]) / np.where(size > 0, size, 1.0)
    unseen = np.where(irregular & ~broken, 2.0, 1.0)
    unknown = before * np.where(joined & ~irregular, np.minimum(change, 1.0), unseen)
    unknown = np.where(broken & (before <= 0), _lost(timeline, cuts), unknown)
    quiet = np.append((joined | (broken & (cuts.direction != 0)))[1:], [False])
    return replace(
        edges,
        start_second=np.where(start > 0, clock[first] - start, edges.start_second),
        end_second=np.where(end > 0, clock[stop - 1] + end, edges.end_second),
        unknown_second=unknown,
        unknown_end_second=np.where(quiet, 0.0, after * np.append(unseen[1:], [1.0])),
        unseen=(irregular & (before > 0)) | np.append(irregular[1:] & (after[:-1] > 0), [False]),
    )


def _irregular(time: Array, cuts: Cuts, passed: Array) -> Mask:
    """Before which steps more time ``passed`` than lies between rows on either side of the edge."""
    found = np.zeros(cuts.first.size, dtype=np.bool_)
    for place in np.flatnonzero(passed > GAP_SECOND):
        sides = [slice(cuts.first[side], cuts.stop[side]) for side in (place - 1, place) if side >= 0]
        limits = [longest_regular(np.diff(time[side])) for side in sides]
        known = [limit for limit in limits if np.isfinite(limit)]
        found[place] = bool(known) and passed[place] > max(known)
    return found


def _lost(timeline: Timeline, cuts: Cuts) -> Array:
    """Where the clock was set back inside a step, one interval is lost: the unknown time with such a deviation."""
    inside = np.append(False, cuts.direction[1:] == cuts.direction[:-1]) & (cuts.direction != 0)
    return np.where(inside, 12**0.5 * _typical(timeline.time_second, cuts.first, cuts.stop, inside), 0.0)


def _typical(clock: Array, first: Index, stop: Index, wanted: Mask) -> Array:
    """The median interval of each wanted step, repeated stamps left out; 0 elsewhere."""

    def intervals(rows: Index) -> Array:
        passed = clock[rows + 1] - clock[rows]
        return np.where(passed > 0, passed, np.nan)

    found = np.zeros(first.size)
    if bool(wanted.any()):
        medians = medians_by_step(Spread(first[wanted], stop[wanted] - 1), intervals)
        found[wanted] = np.nan_to_num(medians, nan=0.0)
    return found
