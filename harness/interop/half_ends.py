"""At which voltage half cycles ended, and which of them ended otherwise than their like. No charges are computed.

A voltage is compared in the direction in which the current drives it: what ends beyond its like was not cut short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.integrals import Index, Mask
from harness.interop.timeline import Timeline

SAME_END_VOLT = 0.02
SAME_CHARGE = 0.01
FEWEST_ALIKE = 3
"""So many removals of one charge that end alike were programmed to end so, as the short ones of a reservoir are."""
FEWEST_AT_CUT_OFF = 2
SEEN = 1.5
"""The end was seen when it is no more than so many of the last intervals after the last row."""
LAST_INTERVALS = 9


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Where n half cycles end: the row after the last one of each, ``stop``, and its direction."""

    voltage_volt: Array | None
    timeline: Timeline
    direction: Index
    stop: Index

    def driven_volt(self) -> Array:
        """The last voltage of each in the direction of its current, NaN where there is none."""
        if self.voltage_volt is None:
            return np.full(self.stop.size, np.nan)
        return self.voltage_volt[self.stop - 1] * self.direction


def end_of_last(ends: Ends) -> tuple[bool, bool]:
    """Whether the file's last half was seen to its end, and whether it was cut: where nothing follows it, the earlier ones of its
    kind say at which voltage it would have ended.
    """
    direction, volt = ends.direction, ends.driven_volt()
    if int(ends.stop[-1]) < ends.timeline.time_second.size:
        return True, False
    turns = np.append(direction[1:] != direction[:-1], [False])
    earlier = volt[turns & (direction == direction[-1])]
    earlier = earlier[np.isfinite(earlier)]
    if earlier.size == 0:
        return False, False
    return True, bool(_short_of(volt[-1:], earlier)[0])


def missed_cut_off(ends: Ends, removals: Mask, charge_coulomb: Array) -> Index:
    """The removals that ended before the voltage at which most others do, unless several alike ended on one charge."""
    chosen = np.flatnonzero(removals)
    volt = ends.driven_volt()[chosen]
    known = np.isfinite(volt)
    chosen, volt = chosen[known], volt[known]
    if chosen.size <= FEWEST_AT_CUT_OFF:
        return chosen[:0]
    short = _short_of(volt, volt)
    if not bool(short.any()) or int(np.count_nonzero(~short)) < FEWEST_AT_CUT_OFF:
        return chosen[:0]
    charge = charge_coulomb[chosen]
    found = []
    for place in np.flatnonzero(short):
        alike = short & (np.abs(charge - charge[place]) <= SAME_CHARGE * charge[place])
        if int(np.count_nonzero(alike)) < FEWEST_ALIKE and _seen(ends, int(ends.stop[chosen[place]])):
            found.append(place)
    return chosen[np.array(found, dtype=np.int64)]


def _short_of(volt: Array, others: Array) -> Mask:
    """Which ended clearly before the others, provided that those end alike."""
    typical = float(np.median(others))
    spread = float(np.median(np.abs(others - typical)))
    found: Mask = volt < typical - (SAME_END_VOLT + 3 * spread)
    return found & (spread < SAME_END_VOLT)


def _seen(ends: Ends, stop: int) -> bool:
    """Whether the end of the half before the row ``stop`` is no further from its last row than rows lie apart there."""
    time, step = ends.timeline.time_second, ends.timeline.step_second
    if stop >= time.size:
        return False
    since = 0.0 if step is None or not bool(ends.timeline.step_edge[stop]) else float(step[stop])
    intervals = np.diff(time[max(stop - 1 - LAST_INTERVALS, 0) : stop])
    intervals = intervals[intervals > 0]
    return intervals.size > 0 and time[stop] - since - time[stop - 1] <= SEEN * float(np.median(intervals))
