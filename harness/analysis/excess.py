"""When the lithium that a cell has to spare runs out: the predicted knee, and whether the one that came is it. No rows, no files.

While there is excess A, a cycle's removal is complete however poor the lithium; each cycle drains L of it, and after n = A/L
cycles the capacity turns. An excess of Q_Li − Q_c that loses L = Q_c (1 − CE) lasts (Q_Li − Q_c)/(Q_c (1 − CE)) cycles, and
counted until the last of the lithium N = Q_Li/(Q_c (1 − CE)), which is a turnover N Q_c/Q_Li = 1/(1 − CE).

The interval is E. C. Fieller's for a ratio: the n for which A − n L is not farther from zero than z of its standard deviations,

    σ² = σ_A² + (C + n c)² + n s² + n² s²/m,

with σ_A of the excess alone, C and c the errors of excess and drain with a common cause (an offset, an efficiency that came from
elsewhere), s the scatter of one cycle's drain and m the cycles it was seen in. It is skewed, and open where no drain is sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from harness.analysis.estimate import NORMAL_95, Estimate
from harness.errors import AnalysisError

COUNTED_STD = 1 / math.sqrt(12)
"""A knee that is a cycle's number came somewhere in that cycle."""


@dataclass(frozen=True, slots=True)
class Drain:
    """What a cycle takes, in the unit of the excess: ``value`` L, ``common_std`` c, the scatter ``cycle_std`` s of one cycle, and
    ``cycles`` m whose mean L is (0: L has no such error). ``freedom``: degrees with which s was estimated, 0 where it is known.
    """

    value: float
    common_std: float = 0.0
    cycle_std: float = 0.0
    cycles: int = 0
    freedom: int = 0


class Verdict(StrEnum):
    """How a knee that came stands to its prediction."""

    AGREES = "agrees"
    EARLIER = "earlier"
    LATER = "later"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class KneeComparison:
    """``deviation_sigma`` = (observed − predicted) / σ, with the σ of that side; ``sentence`` says it to a person."""

    verdict: Verdict
    deviation_sigma: float | None
    sentence: str


def excess_lasts(
    excess: float, drain: Drain, *, excess_std: float = 0.0, excess_common_std: float = 0.0, after: float = 0.0
) -> Estimate:
    """After how many cycles the excess is used up, counted from ``after``: A/L with Fieller's interval (module docstring).

    Refused where nothing is left or nothing drains; without an upper end where the drain is not surely more than none.

    Raises:
        AnalysisError: a number is not finite, or a standard deviation is negative.
    """
    numbers = (excess, excess_std, excess_common_std, drain.value, drain.common_std, drain.cycle_std, after)
    if not all(map(math.isfinite, numbers)) or min(excess_std, excess_common_std, drain.common_std, drain.cycle_std) < 0:
        raise AnalysisError("excess, drain and their standard deviations must be finite, and no standard deviation negative")
    if excess <= 0:
        return Estimate.refused("there is no excess lithium left")
    if drain.value <= 0:
        return Estimate.refused("the cycles show no loss of lithium: nothing says when it will run out")
    quantile = _quantile(drain)
    seen = drain.cycle_std**2 / drain.cycles if drain.cycles else 0.0
    constant = excess_std**2 + excess_common_std**2
    linear = 2 * excess_common_std * drain.common_std + drain.cycle_std**2
    square = drain.common_std**2 + seen
    count = excess / drain.value
    std = math.sqrt(constant + linear * count + square * count**2) / drain.value
    low, high = _roots(
        drain.value**2 - quantile**2 * square,
        2 * excess * drain.value + quantile**2 * linear,
        excess**2 - quantile**2 * constant,
    )
    reason = "" if high is not None else "the loss per cycle is not surely more than none: it may last for ever"
    return Estimate(after + count, std, after + max(low, 0.0), None if high is None else after + high, reason)


def compare_knee(predicted: Estimate, observed: Estimate) -> KneeComparison:
    """Whether the knee that came is the predicted one, at 95 %.

    An ``observed`` without error is the number of the cycle in which it came, one half less in the middle; a lower bound (it has
    not come yet) decides only when it lies above the whole prediction.
    """
    if predicted.value is None or predicted.low is None:
        return KneeComparison(Verdict.UNDECIDED, None, f"nothing was predicted: {predicted.refusal}")
    if observed.value is None or (observed.low is None and observed.high is None):
        return KneeComparison(Verdict.UNDECIDED, None, f"no knee was found: {observed.refusal}")
    if observed.high is None:
        if predicted.high is not None and observed.value > predicted.high:
            return _compared(Verdict.LATER, predicted, observed.value, _deviation(predicted, observed.value, 0.0))
        return KneeComparison(Verdict.UNDECIDED, None, f"it has not come by cycle {observed.value:.0f}")
    counted = not observed.std
    at = observed.value - 0.5 if counted else observed.value
    deviation = _deviation(predicted, at, COUNTED_STD if counted else observed.std or 0.0)
    verdict = Verdict.AGREES if abs(deviation) <= NORMAL_95 else Verdict.LATER if deviation > 0 else Verdict.EARLIER
    return _compared(verdict, predicted, observed.value, deviation)


def _quantile(drain: Drain) -> float:
    """Student's where the scatter was estimated from few cycles."""
    if not drain.cycle_std or drain.freedom < 1:
        return NORMAL_95
    return Estimate.student(0.0, 1.0, drain.freedom).high or NORMAL_95


def _roots(square: float, linear: float, constant: float) -> tuple[float, float | None]:
    """Both roots of square x² − linear x + constant; the upper one is ``None`` where there is none above the lower."""
    inside = math.sqrt(max(linear**2 - 4 * square * constant, 0.0))
    low = 2 * constant / (linear + inside)
    return low, (linear + inside) / (2 * square) if square > 0 else None


def _deviation(predicted: Estimate, at: float, std: float) -> float:
    value, low = predicted.value or 0.0, predicted.low or 0.0
    above = math.inf if predicted.high is None else predicted.high - value
    half = value - low if at < value else above
    spread = math.hypot(half / NORMAL_95, std)
    return (at - value) / spread if spread > 0 else math.copysign(math.inf, at - value) if at != value else 0.0


def _compared(verdict: Verdict, predicted: Estimate, observed: float, deviation: float) -> KneeComparison:
    high = "…" if predicted.high is None else f"{predicted.high:.0f}"
    words = {Verdict.AGREES: "as", Verdict.EARLIER: "earlier than", Verdict.LATER: "later than"}[verdict]
    said = f"the knee of cycle {observed:.0f} came {words} predicted, {predicted.value:.0f} ({predicted.low:.0f} … {high})"
    return KneeComparison(verdict, deviation, f"{said}: {deviation:+.1f} σ")
