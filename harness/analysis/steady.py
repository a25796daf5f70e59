"""The readings of a half cycle that were taken at its constant current, and medians over their time.

What is left out: readings that are not numbers, all but the last of several with one time stamp, and those whose current differs
by more than 5 % from the one that carried most of the charge (the tail of a hold, a ramp, a pause), or from a larger one that
carried a quarter of that: a hold whose current stays up, as beside a short, may carry more than what came before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.jumps import white_noise
from harness.errors import AnalysisError

SAME_CURRENT_1 = 0.05
TRULY_SAME_1 = 0.01
LEAST_CONSTANT_1 = 0.5
"""Of the charge at about that current: so much must be at truly the same, or the current drifts through it (a hold)."""
FEWEST_READINGS = 5
CARRIED_1 = 0.25
"""Of the most charge at one current: a larger current that carried so much is the half cycle's."""

_BIN = 0.02
_ROUNDING = 1e-13
"""Of the largest value: less noise than this is that of the numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """Readings at constant current, in rising time. ``held`` says that others were left out; ``refusal`` is why nothing can be
    said of them, "" where something can. ``current_ampere`` is the median, with its sign; ``None`` where no current is constant.
    """

    time_second: Array
    voltage_volt: Array
    current_readings_ampere: Array
    current_ampere: float | None
    held: bool
    refusal: str

    @property
    def duration_second(self) -> float | None:
        """From the first reading to the last one."""
        return float(self.time_second[-1] - self.time_second[0]) if self.time_second.size else None


def steady_readings(time_second: Array, voltage_volt: Array, current_ampere: Array) -> Steady:
    """The readings at constant current.

    Raises:
        AnalysisError: columns of different lengths, no reading with a finite time, voltage and current, or time that goes back.
    """
    time, volt, current = _numbers(time_second, voltage_volt, current_ampere)
    typical, share = _typical(time, np.abs(current))
    if typical == 0.0:
        return Steady(time, volt, current, None, held=False, refusal="no current flowed")
    same = np.abs(np.abs(current) - typical) <= SAME_CURRENT_1 * typical
    forward = math.copysign(1.0, float(np.median(current[same])))
    same &= current * forward > 0.0
    held = not bool(same.all())
    time, volt, current = time[same], volt[same], current[same]
    if share < LEAST_CONSTANT_1:
        return Steady(time, volt, current, None, held, "no current was constant")
    few = f"{time.size} readings at constant current, {FEWEST_READINGS} are needed" if time.size < FEWEST_READINGS else ""
    return Steady(time, volt, current, float(np.median(current)), held, few)


def between(time_second: Array, low_1: float, high_1: float) -> slice:
    """The readings from one part of the time to another, both included."""
    first, last = float(time_second[0]), float(time_second[-1])
    low, high = first + low_1 * (last - first), first + high_1 * (last - first)
    return slice(int(np.searchsorted(time_second, low)), int(np.searchsorted(time_second, high, side="right")))


def time_weights(time_second: Array) -> Array:
    """The time each reading stands for: half of the intervals on both sides, in sum 1; equal where there is no time."""
    edges = np.concatenate((time_second[:1], 0.5 * (time_second[1:] + time_second[:-1]), time_second[-1:]))
    weights = np.diff(edges)
    total = float(weights.sum())
    return weights / total if total > 0.0 else np.full(time_second.size, 1.0 / time_second.size)


def quantile_over_time(time_second: Array, value: Array, level: float) -> float:
    """The value below which ``value`` is for ``level`` of the time, straight between readings in the order of size."""
    order = np.argsort(value, kind="stable")
    weights = time_weights(time_second)[order]
    return float(np.interp(level, np.cumsum(weights) - 0.5 * weights, value[order]))


def median_over_time(time_second: Array, value: Array) -> tuple[float, float | None]:
    """The median and its standard deviation, ``None`` of fewer than five readings.

    The median m solves Σ w_i ψ(m − x_i) = 1/2 with a step ψ that rises over the distance D between neighbouring readings, so that
    Var m = Σ w_i² Var ψ_i / (Σ w_i E ψ_i')². Readings are a trend s_i and noise σ, and ψ is taken as the normal distribution of
    κ = D/√3: with h = (m − s)/√(κ² + σ²), Var ψ = Φ(h) − 2 T(h, κ/√(κ² + 2σ²)) − Φ(h)², T Owen's function. A flat trend gives
    1.2533 σ/√n; one that is steep beside the noise 0.7 σ, for only the two readings around the middle decide there. What the
    fitted trend has of the noise is taken out of the density and, where the trend is flat, put back to the variance. Where no
    reading lies within reach of the median, it is somewhere between its neighbours.
    """
    from scipy.special import ndtr, owens_t  # noqa: PLC0415 - the import costs what a query should not wait for

    median = quantile_over_time(time_second, value, 0.5)
    noise = white_noise(time_second, value)
    if noise is None or noise <= _ROUNDING * float(np.abs(value).max()):
        return median, noise
    weights, (trend, fitted) = time_weights(time_second), _trend(time_second, value)
    part = 1.0 / value.size
    apart = 0.5 * (quantile_over_time(time_second, trend, 0.5 + part) - quantile_over_time(time_second, trend, 0.5 - part))
    apart = part / _density(median - trend, weights, math.hypot(noise, apart))
    ramp = apart / math.sqrt(3.0)
    wide = math.hypot(noise, ramp)
    away = (median - trend) / wide
    below = ndtr(away)
    spread = below - 2.0 * owens_t(away, ramp / math.sqrt(ramp**2 + 2.0 * noise**2)) - below**2
    flat = noise**2 / (noise**2 + float(np.var(trend)))
    spread += flat * fitted * (noise / wide) ** 2 * np.exp(-(away**2)) / (2.0 * math.pi)
    density = _density(median - trend, weights, math.sqrt(wide**2 - fitted * noise**2))
    variance = float(np.sum(weights**2 * spread))
    if variance <= 0.0:
        return median, 0.5 * (
            quantile_over_time(time_second, value, 0.5 + part) - quantile_over_time(time_second, value, 0.5 - part)
        )
    return median, math.sqrt(variance) / density


def _density(away: Array, weights: Array, wide: float) -> float:
    """Density at 0 of weights spread normally by ``wide``."""
    density = float(np.sum(weights * np.exp(-0.5 * (away / wide) ** 2))) / (wide * math.sqrt(2.0 * math.pi))
    return max(density, 1e-9 / wide)


def _trend(time: Array, value: Array) -> tuple[Array, float]:
    """The polynomial through the readings by least squares, of one degree for six of them and up to the seventh; and the part of
    the readings' noise power that it has taken up.
    """
    from numpy.polynomial import legendre  # noqa: PLC0415 - nothing else needs it

    degree = min(7, max(1, time.size // 6))
    scaled = 2.0 * (time - time[0]) / max(float(time[-1] - time[0]), float(np.finfo(float).tiny)) - 1.0
    terms = legendre.legvander(scaled, degree)
    fitted: Array = terms @ np.linalg.lstsq(terms.T @ terms, terms.T @ value, rcond=None)[0]
    return fitted, (degree + 1) / time.size


def _numbers(time: Array, volt: Array, current: Array) -> tuple[Array, Array, Array]:
    columns = [np.asarray(column, dtype=float) for column in (time, volt, current)]
    if any(column.ndim != 1 or column.size != columns[0].size for column in columns):
        raise AnalysisError("time, voltage and current of a half cycle must be three columns of one length")
    kept = np.isfinite(columns[0]) & np.isfinite(columns[1]) & np.isfinite(columns[2])
    time, volt, current = (column[kept] for column in columns)
    if not time.size:
        raise AnalysisError("a half cycle needs readings; none of these has a time, a voltage and a current")
    steps = np.diff(time)
    if bool((steps < 0.0).any()):
        place = int(np.argmax(steps < 0.0))
        raise AnalysisError(
            f"time goes back from {time[place]:g} s to {time[place + 1]:g} s; sort the readings, or split them there"
        )
    last = np.append(steps > 0.0, True)
    return time[last], volt[last], current[last]


def _typical(time: Array, size: Array) -> tuple[float, float]:
    """The half cycle's |current|, and how much of the charge within 5 % of it is within 1 %."""
    charge = time_weights(time) * size
    if not bool((charge > 0.0).any()):
        return 0.0, 0.0
    flows = size > 0.0
    bins = np.round(np.log(size[flows]) / _BIN).astype(int)
    names, members = np.unique(bins, return_inverse=True)
    carried = np.bincount(members, weights=charge[flows])
    best = names[np.flatnonzero(carried >= CARRIED_1 * carried.max())[-1]]
    typical = float(np.median(size[flows][np.abs(bins - best) <= 1]))
    away = np.abs(size - typical) / typical
    return typical, float(charge[away <= TRULY_SAME_1].sum() / charge[away <= SAME_CURRENT_1].sum())
