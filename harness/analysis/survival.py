"""Cycle life with cells that have not failed: how many are left, when half are gone, and whether two groups live as long.

A cell that was taken off, is still running or ended for another reason than its anode is censored: it lived at least so long. The
share that survives is the product-limit estimate of Kaplan and Meier with Greenwood's variance, its interval on the scale of
ln(−ln S), where it stays within 0 and 1. The median's interval holds every time at which that of S holds ½ (R. Brookmeyer, J.
Crowley, Biometrics 38, 29 (1982), 10.2307/2530286), and begins while enough cells are watched: a few that are watched for long do
not make the median long. Two groups are compared by the log-rank sum O − E; its p-value comes from
exchanging the cells between the groups in every way while these are few (exact when both groups are censored alike), and from
its normal limit otherwise. The hazard ratio is exp((O − E)/V), with 1/√V as the standard deviation of its logarithm.

Censoring must have nothing to do with the failure to come: a cell taken off because it looked bad is a failure.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.analysis.estimate import NORMAL_95, Estimate
from harness.errors import AnalysisError

METHOD_VERSION = "survival-2"
FEWEST_FOR_RATE = 5
"""Failures below which no hazard is stated."""
FEWEST_FOR_RATIO = 10
TAIL = 0.025
FEWEST_FOR_MEDIAN = 6
"""½⁶ < 0.025."""
MOST_EXCHANGES = 20_000


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long one cell lived (cycles, hours, …), and whether it failed then. ``reason``: what ended it, or the watch over it."""

    cell: str
    duration: float
    failed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalCurve:
    """The share alive after each time at which a cell failed: arrays of one length.

    ``low`` and ``high`` are 95 % at each time by itself, NaN where all have failed. ``censored`` counts by reason. ``hazard`` is
    failures per unit of time under a constant hazard.
    """

    time: Array
    survival: Array
    survival_std: Array
    low: Array
    high: Array
    at_risk: Array
    failures: Array
    cells: int
    censored: Mapping[str, int]
    median: Estimate
    hazard: Estimate
    method_version: str = METHOD_VERSION

    @property
    def half(self) -> float | None:
        """The first time at which no more than half are alive, whether or not the median's interval has two ends."""
        return _first(self.time, self.survival <= 0.5)


@dataclass(frozen=True, slots=True)
class LogRank:
    """``statistic`` = (O − E)²/V of the first group, ``p_value`` two-sided; ``exact`` by exchanges, else by χ² with one degree.

    ``least_p_value`` is the smallest that cells of these numbers could have given. ``hazard_ratio`` is first over second group.
    """

    statistic: float
    p_value: float
    exact: bool
    least_p_value: float
    observed: int
    expected: float
    hazard_ratio: Estimate


def kaplan_meier(lifetimes: Sequence[Lifetime]) -> SurvivalCurve:
    """The curve of one group.

    Raises:
        AnalysisError: there is no cell, or a duration is negative or not finite.
    """
    duration, failed = _arrays(lifetimes)
    time, at_risk, failures = _risk(duration, failed)
    survival = np.cumprod(1 - failures / at_risk).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(failures / (at_risk * (at_risk - failures)))
        half = NORMAL_95 * np.sqrt(greenwood) / np.log(survival)
        low, high = survival ** np.exp(-half), survival ** np.exp(half)
        std = survival * np.sqrt(greenwood)
    gone = survival == 0.0
    low, high, std = (np.where(gone, np.nan, column).astype(np.float64) for column in (low, high, std))
    reasons = Counter(one.reason or "not said" for one in lifetimes if not one.failed)
    median = _median(time, survival, low, high, duration)
    hazard = _hazard(duration, int(failed.sum()))
    return SurvivalCurve(time, survival, std, low, high, at_risk, failures, len(lifetimes), dict(reasons), median, hazard)


def log_rank(first: Sequence[Lifetime], second: Sequence[Lifetime]) -> LogRank:
    """Whether two groups live equally long.

    Raises:
        AnalysisError: a group is empty, a duration is negative or not finite, or no cell has failed.
    """
    sides = [_arrays(group) for group in (first, second)]
    duration, failed = (np.concatenate(column) for column in zip(*sides, strict=True))
    if not bool(failed.any()):
        raise AnalysisError(f"no cell has failed yet: all {failed.size} are censored, and lives cannot be compared")
    mine = np.arange(duration.size) < len(first)
    time, at_risk, failures = _risk(duration, failed)
    own = np.array([np.sum(mine & (duration >= one)) for one in time])
    share = own / at_risk
    spread = np.where(at_risk > 1, failures * share * (1 - share) * (at_risk - failures) / np.maximum(at_risk - 1, 1), 0.0)
    variance, expected, observed = float(spread.sum()), float(failures @ share), int(np.sum(failed[mine]))
    excess = observed - expected
    statistic = excess**2 / variance if variance > 0 else 0.0
    ways = math.comb(duration.size, len(first))
    exact = ways <= MOST_EXCHANGES
    scores = failed - np.array([np.sum((failures / at_risk)[time <= one]) for one in duration])
    p_value = _exchanged(scores, len(first), excess) if exact else _chi_square(statistic)
    least = (2 if 2 * len(first) == duration.size else 1) / ways
    return LogRank(statistic, p_value, exact, least, observed, expected, _hazard_ratio(excess, variance, int(failed.sum())))


def _arrays(lifetimes: Sequence[Lifetime]) -> tuple[Array, Array]:
    if not lifetimes:
        raise AnalysisError("a survival needs at least one cell")
    duration = np.array([one.duration for one in lifetimes], dtype=np.float64)
    if not bool(np.all(np.isfinite(duration) & (duration >= 0))):
        wrong = next(one for one in lifetimes if not 0 <= one.duration < math.inf)
        raise AnalysisError(f'"{wrong.cell}" lived {wrong.duration:g}; a life is zero or longer')
    return duration, np.array([one.failed for one in lifetimes], dtype=np.float64)


def _risk(duration: Array, failed: Array) -> tuple[Array, Array, Array]:
    """The times of failures, how many cells were alive just before each, and how many failed; censored cells die after failed."""
    time = np.unique(duration[failed > 0])
    at_risk = np.array([np.sum(duration >= one) for one in time], dtype=np.float64)
    failures = np.array([np.sum(failed[duration == one]) for one in time], dtype=np.float64)
    return time, at_risk, failures


def _median(time: Array, survival: Array, low: Array, high: Array, duration: Array) -> Estimate:
    value = _first(time, survival <= 0.5)
    watched = _watched(duration, time, survival)
    told = "more than half of the cells have not failed" if value is None else f"the median is {value:g}"
    if watched is None:
        return Estimate.refused(f"{told}; fewer than {FEWEST_FOR_MEDIAN} cells do not bound the median")
    begun, ended = _first(time, low <= 0.5), _first(time, high < 0.5)
    least = watched if begun is None else min(begun, watched)
    if value is None:
        return Estimate.at_least(least, told)
    if ended is None:
        return Estimate.at_least(least, f"{told}, but too few cells have failed to bound it from above")
    return Estimate(value, (ended - least) / (2 * NORMAL_95), least, ended)


def _watched(duration: Array, time: Array, survival: Array) -> float | None:
    """The last time at which it is known that half are alive: with n at risk, (½/S)ⁿ ≤ 0.025; ``None`` if there is none.

    Had the median come earlier, each of them would have outlived it with a chance below ½/S. Where none has failed, n is six.
    """
    ends = np.unique(duration)
    at_risk = duration.size - np.searchsorted(np.sort(duration), ends)
    before = np.concatenate(([1.0], survival))[np.searchsorted(time, ends)]
    known = np.flatnonzero((0.5 / before) ** at_risk <= TAIL)
    return float(ends[known[-1]]) if known.size else None


def _first(time: Array, reached: NDArray[np.bool_]) -> float | None:
    places = np.flatnonzero(reached)
    return float(time[places[0]]) if places.size else None


def _hazard(duration: Array, failures: int) -> Estimate:
    """Failures over the time lived, with the χ² interval of a constant hazard; not for a wear that comes with age."""
    lived = float(duration.sum())
    if failures < FEWEST_FOR_RATE or lived == 0.0:
        return Estimate.refused(f"{failures} failures are too few for a hazard; {FEWEST_FOR_RATE} are needed")
    from scipy.special import chdtri  # noqa: PLC0415 - the import costs what a query should not wait for

    low, high = (float(chdtri(2 * failures + more, tail)) / (2 * lived) for more, tail in ((0, 0.975), (2, 0.025)))
    return Estimate(failures / lived, math.sqrt(failures) / lived, low, high)


def _hazard_ratio(excess: float, variance: float, failures: int) -> Estimate:
    if failures < FEWEST_FOR_RATIO or variance == 0.0:
        return Estimate.refused(f"{failures} failures are too few for a ratio of hazards; {FEWEST_FOR_RATIO} are needed")
    return Estimate.lognormal(math.exp(excess / variance), 1 / math.sqrt(variance))


def _exchanged(scores: Array, size: int, excess: float) -> float:
    """The share of all choices of ``size`` cells whose scores sum as far from zero as the group's."""
    chosen = np.array(list(itertools.combinations(range(scores.size), size)))
    sums = np.abs(scores[chosen].sum(axis=1))
    return float(np.mean(sums >= abs(excess) - 1e-9))


def _chi_square(statistic: float) -> float:
    return math.erfc(math.sqrt(statistic / 2))
