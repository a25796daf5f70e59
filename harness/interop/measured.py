"""The charge of every step of an imported file, and which steps count in cycles. No cycles, no roles beyond the geometry's.

Counters win over integrals where the file has one; both are kept, so that a half cycle can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Accuracy, Array
from harness.analysis.cycle_table import Systematic
from harness.analysis.integrals import (
    FLAG_BACKWARD,
    FLAG_GAP,
    FLAG_MISSING,
    Charges,
    CurrentKind,
    Edges,
    Index,
    Ranges,
    flag_bits,
    integrate,
)
from harness.interop.columns import Columns, Stated, ranges_of
from harness.interop.counters import Counter, best_counter
from harness.interop.current_kinds import assumed_points, kind_of
from harness.interop.edges import shared_edges
from harness.interop.finding import Finding
from harness.interop.offset import Offset, estimate_offsets
from harness.interop.steps import FLAG_DISAGREES, Steps, cut_steps
from harness.interop.timeline import Timeline

FLAG_MINOR = "minor_charge_left_out"
"""Pulses, and half cycles of less than 0.1 % of the largest, count in no cycle."""

MINOR = 1e-3
PULSE = 2e-2
PULSE_SECOND = 35.0
"""Longer than the pulses of a resistance test, shorter than half cycles that are meant."""
NOISE = 1e-6
DEAD_SECOND = 0.5
"""Between two steps a tester may drive nothing for less than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The charges of n steps: by integral and, with a counter, ``counted`` (what the counter saw, spread over the ranges as the
    integral was). ``pieces`` are the steps that count in cycles; ``offsets`` what the file reveals; ``flags`` hold for the file;
    ``assumed`` says what nothing in the file tells.
    """

    columns: Columns
    timeline: Timeline
    steps: Steps
    integral: Charges
    counted: Charges | None
    systematic: Systematic
    offsets: list[Offset]
    pieces: Index
    flags: frozenset[str]
    assumed: Finding | None

    @property
    def charge(self) -> Charges:
        """The better charge of each step."""
        return self.integral if self.counted is None else self.counted


def measure(columns: Columns, timeline: Timeline, stated: Stated, kind: CurrentKind | None, accuracy: Accuracy) -> Measured:
    """Steps, charges and what is known of the instrument. ``kind`` ``None``: as the file's own counter says."""
    steps, apart = cut_steps(columns, timeline, stated)
    if apart.size:
        timeline = replace(timeline, flagged_rows={**timeline.flagged_rows, FLAG_DISAGREES: apart})
    counter, ranges = best_counter(columns, timeline, steps.first), ranges_of(columns)
    told = kind or kind_of(columns, timeline, counter)
    kind = told or CurrentKind.POINT
    if counter is not None and counter.uncounted.rows.size:
        counter = best_counter(columns, timeline, steps.first, kind)
    current = columns["current_ampere"]
    edges = _reaching_back(steps, timeline) if kind is CurrentKind.MEAN else shared_edges(timeline, steps, steps.named, current)
    complete = timeline.complete and columns.complete("current_ampere")
    integral = integrate(timeline.clock_second, current, steps.first, edges, kind=kind, ranges=ranges, complete=complete)
    assumed = None if told or counter else assumed_points(columns, timeline, steps.first, integral.total_coulomb())
    offsets = estimate_offsets(columns, timeline, steps, ranges)
    systematic, names = _systematic(accuracy, ranges, offsets)
    pieces, minor = _without_minor(integral, steps)
    if minor:
        names.add(FLAG_MINOR)
    counted = None
    if counter is not None:
        total = counter.step_ah(steps) + counter.unseen_ah(steps, *_beside_edges(steps, timeline.clock_second, current))
        variance = edges.unknown_variance(current[steps.first], current[steps.stop - 1])
        counted = _counted(integral, counter, steps, total * COULOMB_PER_AH, variance)
    return Measured(columns, timeline, steps, integral, counted, systematic, offsets, pieces, timeline.flags | names, assumed)


def _reaching_back(steps: Steps, timeline: Timeline) -> Edges:
    """Steps of interval means: the first one reaches back to the row before, whoever that belongs to."""
    time, clock = timeline.time_second, timeline.clock_second
    since = np.where(steps.first > 0, time[steps.first] - time[steps.first - 1], np.nan)
    start = steps.named.edges.start_second
    return replace(steps.named.edges, start_second=np.where(np.isnan(start), clock[steps.first] - since, start))


def _systematic(accuracy: Accuracy, ranges: Ranges, offsets: list[Offset]) -> tuple[Systematic, set[str]]:
    """What is known of the instrument on each range: as was said, else as the file reveals; with the names of what was used."""
    stated = Systematic.of(accuracy, ranges.range_ampere)
    offset, names = stated.offset_ampere.copy(), set()
    for found in offsets:
        if np.isnan(offset[found.range_place]):
            offset[found.range_place] = found.left_in_ampere
            names.add(found.flag)
    return replace(stated, offset_ampere=offset), names


def _counted(integral: Charges, counter: Counter, steps: Steps, total: Array, edge_variance: Array) -> Charges:
    """The counter's charges, on each range the share that the integral has there.

    A counter has seen what lies at a step's edges, but not what passed after a step's last row if it begins again in the next
    one. It has seen no less noise than its instrument has, of which only the record tells; so beside its resolution the
    integral's own random error stays, but for the edges. Where the counter is missing, the current stands in its place: with its
    error there, and with what the current and the counter differ by over the whole step.
    """
    whole = integral.total_coulomb()
    share = integral.coulomb / np.where(whole != 0, whole, 1.0)[:, None]
    share[whole == 0, 0] = 1.0
    rows = steps.stop - steps.first if counter.rounded_each else np.ones(steps.first.size)
    noise = np.maximum(integral.random_std_coulomb**2 - np.nan_to_num(edge_variance, nan=0.0), 0.0)
    random = np.sqrt(noise + (counter.resolution_ah * COULOMB_PER_AH) ** 2 * rows / 12)
    flags = integral.flags & np.uint8(flag_bits(frozenset({FLAG_GAP, FLAG_BACKWARD})))
    lost = counter.uncounted
    if lost.rows.size:
        owner = np.searchsorted(steps.first, lost.rows, side="right") - 1
        flags[owner] |= np.uint8(flag_bits(frozenset({FLAG_MISSING})))
        amount, variance = (np.bincount(owner, part, steps.first.size) for part in (np.abs(lost.added_ah), lost.std_ah**2))
        apart = amount * (np.abs(total / np.where(whole != 0, whole, np.inf)) - 1)
        random = np.sqrt(random**2 + (apart**2 + variance) * COULOMB_PER_AH**2)
    return replace(integral, coulomb=share * total[:, None], random_std_coulomb=random, flags=flags)


def _beside_edges(steps: Steps, clock: Array, current: Array) -> tuple[Array, Array]:
    """In Ah: what passed from each step's last row to its named end, and from there to the first row after it."""
    tail = np.fmax(steps.named.edges.end_second - clock[steps.stop - 1], 0.0)
    tail[tail < DEAD_SECOND] = 0.0
    head = np.fmax(clock[steps.first] - steps.named.edges.start_second, 0.0)
    held = np.nan_to_num(current[steps.stop - 1] * tail, nan=0.0)
    own = np.nan_to_num(current[steps.first] * head, nan=0.0)
    return held / COULOMB_PER_AH, np.append(own[1:], [0.0]) / COULOMB_PER_AH


def _without_minor(integral: Charges, steps: Steps) -> tuple[Index, bool]:
    """The steps whose uninterrupted direction passed more than a pulse or noise; and whether more than noise is left out."""
    driven = np.flatnonzero(steps.direction)
    if driven.size == 0:
        return driven, False
    starts = np.flatnonzero(np.diff(steps.direction[driven], prepend=9))
    charge = np.add.reduceat(np.abs(integral.total_coulomb()[driven]), starts)
    second = np.add.reduceat(integral.second[driven].sum(axis=1), starts)
    largest = float(charge.max())
    minor = (charge < MINOR * largest) | ((charge < PULSE * largest) & (second <= PULSE_SECOND))
    lengths = np.diff(np.append(starts, driven.size))
    left = float(np.max(charge, initial=0.0, where=minor))
    return driven[np.repeat(~minor, lengths)], left > NOISE * largest
