"""Abrupt changes in a voltage under constant current: where a trace leaves the lines before and after itself.

A healthy trace may be steep, curved or noisy, but it is smooth on the scale of a hundredth of its length. So the change
across a narrow span is compared with what the rates on both sides of it lead to expect:

    J = mean after − mean before − (distance of the means) × rate,

with that of the two rates, the one before or the one after, which explains more of the change. On a smooth curve, convex or
concave, the change lies between the two, so J is zero or of the other sign, however steep the curve is. What J scatters by is
estimated twice and the larger one believed: from the white noise of the readings, and from the J of the whole trace, which
knows of wander, too. Means are taken over equal times, not over equal numbers of readings: an instrument that records on
change crowds its readings where something happens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.analysis.charge import Array

Places = npt.NDArray[np.intp]

SPAN_1 = 0.01
"""Of the trace: a change within this is abrupt."""
FEWEST_READINGS = 8
SIGNIFICANT = 5.0
STILL_1 = 0.5
"""Of the rate before: a voltage that rises on so fast has passed no peak."""
_FAR = 3.0
"""Rates reach this many spans to either side."""
_GAP = 5.0
_NEIGHBOURS = (-2, -1, 1, 2)
_KEPT = 0.8
_KEPT_GAUSS = 1.5115
"""σ over the root mean square of normal deviations without the largest fifth of them."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The voltage went from ``before_volt`` to ``after_volt`` between two readings, which hold most of it.

    ``change_volt`` ± ``change_std_volt`` is what no rate around it explains. ``cusp_volt``: how much less the voltage rises after
    it than before, over the reach of the rates (0 where it goes on rising by more than `STILL_1`); where that is much more than
    the change, this is the tip of a peak. ``kept_1``:
    the part of the change that is left beyond that reach; near 0 for a spike of one reading.
    """

    from_second: float
    to_second: float
    before_volt: float
    after_volt: float
    change_volt: float
    change_std_volt: float
    cusp_volt: float
    kept_1: float


def white_noise(time_second: Array, value: Array) -> float | None:
    """σ of readings that are independent noise on a curve, smooth over five of them; ``None`` of fewer.

    Each reading against the cubic through the two before and the two after it, r_i = x_i − Σ c_k x_k, has the variance
    σ² (1 + Σ c_k²). The largest fifth is left out (steps, spikes, corners) and made up for. At least √1/12 of a converter's step:
    where nearly all readings are equal, that is all one knows.
    """
    size = value.size
    if size < 5:
        return None
    inner = slice(2, size - 2)
    rest, variance = value[inner].copy(), np.ones(size - 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        for place in _NEIGHBOURS:
            weight = np.ones(size - 4)
            for other in _NEIGHBOURS:
                if other != place:
                    from_other = time_second[2 + place : size - 2 + place] - time_second[2 + other : size - 2 + other]
                    weight *= (time_second[inner] - time_second[2 + other : size - 2 + other]) / from_other
            rest -= weight * value[2 + place : size - 2 + place]
            variance += weight**2
        scaled = np.sort(np.abs(rest) / np.sqrt(variance))
    scaled = scaled[np.isfinite(scaled)]
    kept = scaled[: max(1, round(_KEPT * scaled.size))]
    noise = _KEPT_GAUSS * float(np.sqrt(np.mean(kept**2))) if kept.size else 0.0
    return max(noise, resolution(value) / math.sqrt(12.0))


def resolution(value: Array) -> float:
    """The converter's step: the smallest difference between neighbouring readings, where a fifth of them or more are equal.

    0 where fewer are equal, for then the noise shows by itself, and where fewer than three differ, which may be real.
    """
    steps = np.abs(np.diff(value))
    moves = steps[steps > 0.0]
    repeats = steps.size - moves.size
    return float(moves.min()) if moves.size >= 3 and repeats >= 0.2 * steps.size else 0.0


def find_jumps(time_second: Array, voltage_volt: Array) -> list[Jump]:
    """The abrupt changes of a trace with rising time, in the order of time; none of fewer than `FEWEST_READINGS` readings.

    A change across a gap in the readings (five times the usual interval and more than the span) is not judged: nobody saw it.
    Nor is one before the second reading or after the last but one, where no rate is known.
    """
    noise = white_noise(time_second, voltage_volt)
    if time_second.size < FEWEST_READINGS or noise is None:
        return []
    scan = _Scan.of(time_second, voltage_volt, noise)
    found: list[Jump] = []
    size = np.abs(scan.change) / scan.std
    while float(size.max()) > SIGNIFICANT:
        place = int(np.argmax(size))
        jump = scan.jump(place)
        found.append(jump)
        low, high = jump.from_second - 2.0 * scan.span, jump.to_second + 2.0 * scan.span
        size[(scan.time[scan.last] >= low) & (scan.time[scan.first] <= high)] = 0.0
        size[max(0, place - 2) : place + 3] = 0.0
    return sorted(found, key=lambda jump: jump.from_second)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """Every place of a trace at which a jump could be: after reading ``first`` and before reading ``last``."""

    time: Array
    volt: Array
    span: float
    first: Places
    last: Places
    change: Array
    std: Array
    cusp: Array
    kept: Array

    @classmethod
    def of(cls, time: Array, volt: Array, noise: float) -> _Scan:
        span = SPAN_1 * float(time[-1] - time[0])
        first = np.arange(1, time.size - 2)
        last = np.maximum(first + 1, np.searchsorted(time, time[first] + 0.5 * span, side="right") - 1)
        last = np.minimum(last, time.size - 2)
        means = _Means(time, volt)
        before = means.over(np.searchsorted(time, time[first] - span), first)
        after = means.over(last, np.searchsorted(time, time[last] + span, side="right") - 1)
        earlier, later = means.around(time[first], -_FAR * span, first - 1), means.around(time[last], _FAR * span, last + 1)
        rate_before, rate_after = before.rate_from(earlier), later.rate_from(after)
        distance = after.second - before.second
        raw = after.value - before.value
        fall = raw - np.minimum(rate_before, rate_after) * distance
        rise = raw - np.maximum(rate_before, rate_after) * distance
        change = np.where(fall < 0.0, fall, np.where(rise > 0.0, rise, 0.0))
        seen = time[last] - time[first] <= max(_GAP * float(np.median(np.diff(time))), span)
        usual = 1.4826 * float(np.median(np.abs(raw - 0.5 * (rate_before + rate_after) * distance)))
        white = noise * np.sqrt(1.0 / before.count + 1.0 / after.count)
        rounding = 16.0 * float(np.finfo(float).eps) * float(np.abs(volt).max())
        std = np.maximum(np.maximum(white, usual), max(rounding, float(np.finfo(float).tiny)))
        bend = np.maximum(rate_before - np.maximum(rate_after, 0.0), 0.0)
        cusp = np.where(rate_after < STILL_1 * rate_before, bend, 0.0) * _FAR * span
        beyond = means.around(time[last], 2.0 * _FAR * span, last + 1)
        onward = np.where(beyond.second > later.second, beyond.rate_from(later), rate_before)
        onward = np.where(change < 0.0, np.maximum(onward, rate_before), np.minimum(onward, rate_before))
        left = later.value - before.value - onward * (later.second - before.second)
        kept = np.divide(left, change, out=np.zeros(change.shape), where=change != 0.0)
        return cls(time, volt, span, first, last, np.where(seen, change, 0.0), std, cusp, kept)

    def jump(self, place: int) -> Jump:
        """The jump at ``place``, narrowed to the readings between which most of it happens, which may be beside it."""
        first, last = int(self.first[place]), int(self.last[place])
        moves = np.sign(self.change[place]) * np.diff(self.volt[first - 1 : last + 2])
        inside = moves[1:-1]
        if inside.max() >= 0.5 * abs(self.change[place]):
            step = first + int(np.argmax(inside))
        else:
            first, last, step = first - 1, last + 1, first - 1 + int(np.argmax(moves))
        low, high, wanted = step, step + 1, 0.9 * abs(float(self.change[place]))
        while abs(float(self.volt[high] - self.volt[low])) < wanted and (low > first or high < last):
            low, high = max(first, low - 1), min(last, high + 1)
        return Jump(
            float(self.time[low]),
            float(self.time[high]),
            float(self.volt[low]),
            float(self.volt[high]),
            float(self.change[place]),
            float(self.std[place]),
            float(self.cusp[place]),
            float(self.kept[place]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Mean:
    second: Array
    value: Array
    count: Places

    def rate_from(self, earlier: _Mean) -> Array:
        """Rate from ``earlier`` to here; 0 where both are of one moment."""
        gap = self.second - earlier.second
        return np.divide(self.value - earlier.value, gap, out=np.zeros(gap.shape), where=gap > 0.0)


class _Means:
    """Means of neighbouring readings by cumulative sums."""

    def __init__(self, time: Array, volt: Array) -> None:
        self._sorted = time
        self._time = np.concatenate(([0.0], np.cumsum(time - time[0])))
        self._volt = np.concatenate(([0.0], np.cumsum(volt - volt[0])))
        self._origin = float(time[0]), float(volt[0])

    def over(self, first: Places, last: Places) -> _Mean:
        """Of readings ``first`` to ``last``, both included."""
        count = last - first + 1
        second = (self._time[last + 1] - self._time[first]) / count
        return _Mean(second + self._origin[0], (self._volt[last + 1] - self._volt[first]) / count + self._origin[1], count)

    def around(self, moment: Array, away: float, nearest: Places) -> _Mean:
        """Of the readings from ``moment + away`` on outwards, for a third of ``away``; ``nearest`` where there is none."""
        low, high = moment + min(away, 4.0 / 3.0 * away), moment + max(away, 4.0 / 3.0 * away)
        first = np.searchsorted(self._sorted, low)
        last = np.searchsorted(self._sorted, high, side="right") - 1
        first, last = np.minimum(first, self._sorted.size - 1), np.maximum(last, 0)
        none = (last < first) | ((first > nearest) if away < 0.0 else (last < nearest))
        return self.over(np.where(none, nearest, first), np.where(none, nearest, last))
