"""The instrument's own charge counters in an imported file, turned into what each row added. They win over any integral.

Three kinds (`harness.analysis.charge`): increments, monotone counters that may reset, signed net counters. A monotone pair counts
each direction by itself, so a direction's charge is asked for by its sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import COULOMB_PER_AH, Array, decimal_resolution, monotone_increments, signed_increments
from harness.interop.timeline import Segment, Timeline

_INCREMENT = ("charge_increment_ah", "net_increment_ah", "capacity_increment_ah")
_PAIRS = (
    ("charging_increment_ah", "discharging_increment_ah"),
    ("step_charging_capacity_ah", "step_discharging_capacity_ah"),
    ("cycle_charging_capacity_ah", "cycle_discharging_capacity_ah"),
    ("charging_capacity_ah", "discharging_capacity_ah"),
)
_NET = ("net_capacity_ah", "cumulative_capacity_ah")


@dataclass(frozen=True, slots=True)
class Counter:
    """What each row added in either direction, in Ah; ``resolution_ah`` is how finely it was written.

    ``rounded_each`` says that every row was rounded by itself, not a running total. ``spills`` says that the last of a half
    cycle's charge may stand in the first row after it.
    """

    name: str
    charging_ah: Array
    discharging_ah: Array
    resolution_ah: float
    rounded_each: bool
    spills: bool

    def signed_ah(self) -> Array:
        """What each row added, signed."""
        opposite = bool(np.array_equal(self.discharging_ah, -self.charging_ah))
        return self.charging_ah if opposite else self.charging_ah - self.discharging_ah

    def charge_ah(self, segment: Segment) -> float:
        """The signed charge of a segment; a counter that spills gives it the next row, where another direction follows.

        The first row of the next segment of the *same* direction holds its own amount, and is not taken from it: what the
        instrument still counted of this one is then part of that one, and of the same half cycle.
        """
        amounts = self.charging_ah if segment.direction > 0 else self.discharging_ah
        charge = float(amounts[segment.first : segment.stop].sum())
        if self.spills and segment.stop < amounts.size and not segment.continues:
            charge += float(amounts[segment.stop])
        return segment.direction * charge


def best_counter(columns: Mapping[str, Array], timeline: Timeline) -> Counter | None:
    """The first counter a file has, in the order increments, pairs of monotone counters, net counters."""
    for name in _INCREMENT:
        if name in columns:
            values = np.nan_to_num(columns[name], nan=0.0)
            return Counter(name, values, -values, decimal_resolution(values, 12), rounded_each=True, spills=False)
    for charging, discharging in _PAIRS:
        if charging in columns and discharging in columns:
            return _pair(columns, charging, discharging, timeline)
    for name in _NET:
        if name in columns and bool(np.isfinite(columns[name]).any()):
            return _net(columns, name, timeline)
    return None


def _pair(columns: Mapping[str, Array], charging: str, discharging: str, timeline: Timeline) -> Counter:
    resolution = min(decimal_resolution(columns[charging], 12), decimal_resolution(columns[discharging], 12))
    if charging.endswith("increment_ah"):
        made = [np.nan_to_num(np.abs(columns[name]), nan=0.0) for name in (charging, discharging)]
        return Counter(charging, made[0], made[1], resolution, rounded_each=True, spills=False)
    made = []
    for name in (charging, discharging):
        values = np.abs(columns[name])
        made.append(monotone_increments(values, _before_first(values, columns, timeline)))
    return Counter(charging, made[0], made[1], resolution, rounded_each=False, spills=True)


def _net(columns: Mapping[str, Array], name: str, timeline: Timeline) -> Counter:
    current = np.nan_to_num(columns["current_ampere"], nan=0.0)
    interval = np.diff(timeline.time_second, prepend=timeline.time_second[0])
    expected = current * interval / COULOMB_PER_AH
    first = columns[name][np.isfinite(columns[name])][0]
    values = signed_increments(columns[name], expected, float(first))
    return Counter(name, values, -values, decimal_resolution(columns[name], 12), rounded_each=False, spills=False)


def _before_first(values: Array, columns: Mapping[str, Array], timeline: Timeline) -> float:
    """The counter before the first row: 0 if that row's own time explains its value, else that value (the file was cut)."""
    first = float(values[0]) if np.isfinite(values[0]) else 0.0
    since = float(timeline.step_second[0]) if timeline.step_second is not None else float(timeline.time_second[0])
    explained = 1.1 * abs(float(np.nan_to_num(columns["current_ampere"][0]))) * since / COULOMB_PER_AH
    return 0.0 if first <= explained else first
