"""The current offset an imported file itself reveals: measured against set current, or rests that were measured.

With the set current of both directions the gain drops out: the mean m of (measured − set) is o + g I₊ in one direction and
o − g |I₋| in the other, so that o = (|I₋| m₊ + |I₊| m₋) / (|I₊| + |I₋|), with I the mean set currents; the half sum where these
are equal. Rests reveal it only where the instrument measured them (they are not exactly zero) on the
range the cell was cycled on, which the file must say. What scatters from half cycle to half cycle, or from rest to rest, is the
estimate's own standard error.

Charges are never corrected for it. An effect that is known and left in counts whole in the uncertainty of what it acts on
(GUM, JCGM 100:2008, F.2.4.5): σ_o² = o² + σ(o)².
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.counting import decimal_resolution
from harness.analysis.estimate import Estimate
from harness.analysis.integrals import Index, Ranges
from harness.interop.steps import Steps
from harness.interop.timeline import Timeline

FLAG_FROM_SET = "offset_from_set_current"
FLAG_FROM_REST = "offset_from_rest"

FEWEST_ROWS = 10
LARGEST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Offset:
    """The offset on one current range (its place in `Ranges.range_ampere`), and the flag that says where it comes from."""

    range_place: int
    ampere: Estimate
    flag: str

    @property
    def left_in_ampere(self) -> float:
        """What leaving it in may do to a current: √(o² + σ(o)²)."""
        return math.hypot(self.ampere.value or 0.0, self.ampere.std or 0.0)


def estimate_offsets(columns: Mapping[str, Array], timeline: Timeline, steps: Steps, ranges: Ranges) -> list[Offset]:
    """The offsets of the ranges on which the cell was cycled, as far as the file reveals them; the set current goes first."""
    long = (steps.stop - steps.first >= FEWEST_ROWS) & ~steps.probe
    place = _range_of_steps(steps, ranges)
    driven = long & (steps.direction != 0)
    set_current = columns.get("control_current_ampere")
    against_set = None if set_current is None else _against_set(columns["current_ampere"], set_current, timeline, steps)
    known_ranges = any(name in columns for name in ("current_range_id", "current_range_ampere"))
    resting = _at_rest(columns["current_ampere"], timeline, steps) if known_ranges else None
    resolution = decimal_resolution(columns["current_ampere"], 12) / math.sqrt(12)
    offsets = []
    for own in np.unique(place[driven]).tolist():
        mine = place == own
        found = None if against_set is None else _without_gain(*against_set, steps.direction, driven & mine)
        flag = FLAG_FROM_SET
        if found is None and resting is not None:
            found, flag = _mean_of_rests(*resting, long & mine & (steps.direction == 0)), FLAG_FROM_REST
        if found is not None:
            value, std, freedom = found
            std = math.hypot(std, resolution)
            ampere = Estimate.student(value, std, freedom) if freedom >= 1 else Estimate.normal(value, std)
            offsets.append(Offset(own, ampere, flag))
    return offsets


def _range_of_steps(steps: Steps, ranges: Ranges) -> Index:
    """The range each step ends on."""
    return np.zeros_like(steps.first) if ranges.range_ampere.size == 1 else ranges.of_row[steps.stop - 1]


def _weights(timeline: Timeline, steps: Steps) -> Array:
    """The time before each row, 0 for a step's first row: it straddles the switch and stays out."""
    weight = np.diff(timeline.time_second, prepend=timeline.time_second[0])
    weight[steps.first] = 0.0
    return weight


def _against_set(current: Array, target: Array, timeline: Timeline, steps: Steps) -> tuple[Array, Array, Array]:
    """Each step's time-weighted means of measured − set and of set, NaN where too few rows say, and the time of both."""
    weight = _weights(timeline, steps)
    difference = current - target
    with np.errstate(invalid="ignore"):
        usable = (target != 0.0) & (weight > 0) & (np.abs(difference) <= LARGEST_SHARE * np.abs(target))
    weight = np.where(usable, weight, 0.0)
    count = np.add.reduceat(usable, steps.first, dtype=np.int64)
    second = np.add.reduceat(weight, steps.first)
    enough = (count >= FEWEST_ROWS) & (2 * count > steps.stop - steps.first)
    safe = np.where(second > 0, second, 1.0)
    means = (np.add.reduceat(np.where(usable, values, 0.0) * weight, steps.first) / safe for values in (difference, target))
    return np.where(enough, next(means), np.nan), np.where(enough, next(means), np.nan), np.where(enough, second, 0.0)


def _without_gain(
    mean: Array, set_ampere: Array, second: Array, direction: Index, chosen: np.ndarray
) -> tuple[float, float, float] | None:
    """The offset of the line through both directions (module docstring), its standard error, and its degrees of freedom.

    What scatters is what the line leaves: several currents of one direction are no scatter.
    """
    sides = [chosen & (direction == sign) & np.isfinite(mean) for sign in (1, -1)]
    if not all(bool(side.any()) for side in sides):
        return None
    (high, high_set), (low, low_set) = (
        [float(np.average(values[side], weights=second[side])) for values in (mean, set_ampere)] for side in sides
    )
    part = -low_set / (high_set - low_set)
    left = mean - (high - low) / (high_set - low_set) * set_ampere
    (_, high_std, high_freedom), (_, low_std, low_freedom) = (_weighted(left[side], second[side]) for side in sides)
    value = part * high + (1 - part) * low
    return value, math.hypot(part * high_std, (1 - part) * low_std), high_freedom + low_freedom


def _weighted(values: Array, second: Array) -> tuple[float, float, float]:
    """A mean weighted by time, its standard error from the scatter of ``values``, and its degrees of freedom."""
    share = second / second.sum()
    mean = float(np.sum(share * values))
    if values.size < 2:
        return mean, 0.0, 0.0
    scatter = float(np.sum(share * (values - mean) ** 2)) / (1 - float(np.sum(share**2)))
    return mean, math.sqrt(scatter * float(np.sum(share**2))), values.size - 1.0


def _at_rest(current: Array, timeline: Timeline, steps: Steps) -> tuple[Array, Array, Array]:
    """Each step's time-weighted mean current, its standard error from the noise, and the time; NaN where nothing was measured."""
    weight = np.where(np.isfinite(current), _weights(timeline, steps), 0.0)
    value = np.nan_to_num(current, nan=0.0)
    second = np.add.reduceat(weight, steps.first)
    measured = np.logical_or.reduceat((value != 0.0) & (weight > 0), steps.first) & (second > 0)
    safe = np.where(second > 0, second, 1.0)
    mean = np.add.reduceat(value * weight, steps.first) / safe
    scatter = np.maximum(np.add.reduceat(value**2 * weight, steps.first) / safe - mean**2, 0.0)
    error = np.sqrt(scatter * np.add.reduceat(weight**2, steps.first)) / safe
    return np.where(measured, mean, np.nan), error, second


def _mean_of_rests(mean: Array, error: Array, second: Array, chosen: np.ndarray) -> tuple[float, float, float] | None:
    """The mean over measured rests; its error is their scatter, or the noise within where that is larger."""
    mine = chosen & np.isfinite(mean)
    if not bool(mine.any()):
        return None
    value, std, freedom = _weighted(mean[mine], second[mine])
    share = second[mine] / second[mine].sum()
    noise = math.sqrt(float(np.sum((share * error[mine]) ** 2)))
    return (value, std, freedom) if std > noise else (value, noise, 0.0)
