"""Survival with censoring: published remissions, scipy, exact small samples, and what is refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.survival import Lifetime, kaplan_meier, log_rank
from harness.errors import AnalysisError

# Weeks of remission of 42 children (E. J. Freireich et al., Blood 21, 699 (1963)); a minus is a remission that lasted on.
TREATED = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def lives(weeks: list[int]) -> list[Lifetime]:
    return [Lifetime(f"c{n}", abs(one), one > 0, "relapse" if one > 0 else "still in remission") for n, one in enumerate(weeks)]


def censored(weeks: list[int]) -> stats.CensoredData:
    return stats.CensoredData.right_censored(np.abs(weeks), np.array(weeks) < 0)


def test_published_remissions_are_reproduced() -> None:
    """The textbook's figures: 0.857, 0.753, 0.448 at 6, 10 and 23 weeks; medians 23 and 8; log-rank 16.79."""
    curve = kaplan_meier(lives(TREATED))
    found = dict(zip(curve.time.tolist(), curve.survival.tolist(), strict=True))
    assert [round(found[week], 3) for week in (6.0, 10.0, 23.0)] == [0.857, 0.753, 0.448]
    assert curve.censored == {"still in remission": 12}
    assert curve.median.refusal == "the median is 23, but too few cells have failed to bound it from above"
    assert (curve.half, curve.median.low) == (23.0, 13.0)
    placebo = kaplan_meier(lives(PLACEBO)).median
    assert (placebo.value, placebo.low, placebo.high) == (8.0, 4.0, 11.0)
    test = log_rank(lives(TREATED), lives(PLACEBO))
    assert test.statistic == pytest.approx(16.79, abs=0.005)
    assert (test.observed, round(test.expected, 2), test.exact) == (9, 19.25, False)


@given(st.lists(st.integers(1, 30).map(lambda one: one if one % 3 else -one), min_size=3, max_size=25))
def test_curve_and_interval_are_those_of_scipy(weeks: list[int]) -> None:
    """At every time of a failure, survival and its log-log interval, while anyone is left."""
    curve = kaplan_meier(lives(weeks))
    if not curve.time.size:
        return
    known = stats.ecdf(censored(weeks)).sf
    places = np.searchsorted(known.quantiles, curve.time)
    assert curve.survival == pytest.approx(known.probabilities[places])
    left = (curve.survival > 0) & (curve.survival < 1)
    with warnings.catch_warnings(action="ignore"):  # of scipy, where all have failed
        interval = known.confidence_interval(method="log-log")
    assert curve.low[left] == pytest.approx(interval.low.probabilities[places][left])
    assert curve.high[left] == pytest.approx(interval.high.probabilities[places][left])


def test_log_rank_is_that_of_scipy() -> None:
    """Statistic and p-value of large groups."""
    test, known = log_rank(lives(TREATED), lives(PLACEBO)), stats.logrank(censored(TREATED), censored(PLACEBO))
    assert test.statistic == pytest.approx(known.statistic**2)
    assert test.p_value == pytest.approx(known.pvalue)


def test_small_groups_are_exchanged() -> None:
    """Three cells beside three give no p below 0.1, whatever they did; its share is counted over all 20 choices."""
    test = log_rank(lives([1, 2, 3]), lives([11, 12, -13]))
    assert test.exact
    assert (test.p_value, test.least_p_value) == pytest.approx((0.1, 0.1))
    mixed = lives([1, 12, 3, 11, 2, -13])
    excesses = [
        abs(one.observed - one.expected)
        for chosen in itertools.combinations(range(6), 3)
        for one in [log_rank([mixed[n] for n in chosen], [mixed[n] for n in range(6) if n not in chosen])]
    ]
    own = log_rank(mixed[:3], mixed[3:])
    assert own.p_value == pytest.approx(np.mean(np.array(excesses) >= abs(own.observed - own.expected) - 1e-9))


def test_exchanges_keep_their_level() -> None:
    """Of groups that do not differ, at most 5 % are found to, with 5 cells each of which a third is censored."""
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(600):
        life, watch = rng.exponential(10, 10), rng.exponential(20, 10)
        made = [Lifetime(str(n), min(one, end), one < end) for n, (one, end) in enumerate(zip(life, watch, strict=True))]
        found += log_rank(made[:5], made[5:]).p_value <= 0.05
    assert found / 600 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_median_interval_holds() -> None:
    """The median's interval holds the true one in at least 93 % of groups of 20 with a fifth censored."""
    rng = np.random.default_rng(2)
    truth, held = 100 * np.log(2) ** (1 / 3), 0
    for _ in range(400):
        life, watch = 100 * rng.weibull(3, 20), rng.uniform(60, 300, 20)
        made = [Lifetime(str(n), min(one, end), one < end) for n, (one, end) in enumerate(zip(life, watch, strict=True))]
        median = kaplan_meier(made).median
        held += (median.low or 0.0) <= truth <= (median.high or np.inf)
    assert held / 400 >= 0.93


def test_hazard_is_failures_over_time_lived() -> None:
    """With its χ² interval; refused below five failures, and the ratio of two below ten."""
    curve = kaplan_meier([Lifetime(str(n), 10.0 + n, failed=True) for n in range(5)])
    assert curve.hazard.value == pytest.approx(5 / 60)
    assert curve.hazard.low == pytest.approx(stats.chi2.ppf(0.025, 10) / 120)
    assert curve.hazard.high == pytest.approx(stats.chi2.ppf(0.975, 12) / 120)
    assert kaplan_meier(lives([1, 2, 3, 4])).hazard.refusal == "4 failures are too few for a hazard; 5 are needed"
    few = log_rank(lives([1, 2, 3, 4]), lives([5, 6, 7, 8]))
    assert few.hazard_ratio.refusal == "8 failures are too few for a ratio of hazards; 10 are needed"
    ratio = log_rank(lives(TREATED), lives(PLACEBO)).hazard_ratio
    assert ratio.value == pytest.approx(np.exp((9 - 19.2505) / 6.2570), rel=1e-3)


def test_a_group_that_has_not_failed_has_a_lower_bound() -> None:
    """All censored: the median is at least the last time at which six were watched, 0.5⁶ < 0.025, with the reasons kept."""
    ends = [12.0, 30.0, 40.0, 50.0, 60.0, 70.0, 900.0]
    curve = kaplan_meier([Lifetime(str(end), end, failed=False, reason="running" if end > 40 else "") for end in ends])
    assert (curve.median.low, curve.median.high, curve.median.refusal) == (
        30.0,
        None,
        "more than half of the cells have not failed",
    )
    assert curve.censored == {"not said": 3, "running": 4}
    assert curve.time.size == 0


@pytest.mark.parametrize(
    ("weeks", "told"),
    [
        ([-1000, -10, -10, -10, -10], "more than half of the cells have not failed"),
        ([-40], "more than half of the cells have not failed"),
        ([5, 6, 7], "the median is 6"),
        ([7], "the median is 7"),
    ],
)
def test_too_few_cells_bound_no_median(weeks: list[int], told: str) -> None:
    """Five cells outlive their median with a chance of 3 %, three with 12 %, and one with ½."""
    median = kaplan_meier(lives(weeks)).median
    assert (median.value, median.low) == (None, None)
    assert median.refusal == f"{told}; fewer than 6 cells do not bound the median"


WATCHES = {
    "one of 8 for long": [400] + [20] * 7,
    "6 of 40 for long": [400] * 6 + [20] * 34,
    "6 of 100 when a third has failed": [400] * 6 + [70] * 94,
    "6 until they fail": [10_000] * 6,
    "one after another": list(range(60, 144, 3)),
}


@pytest.mark.parametrize("watch", WATCHES.values(), ids=WATCHES)
def test_lower_bound_of_a_median_holds_whoever_is_watched_for_long(watch: list[int]) -> None:
    """Exponential lives with a median of 100: above it in no more than 2.5 % of 2000 groups, and three σ of their number."""
    drawn = np.random.default_rng(3).exponential(100 / np.log(2), (2000, len(watch)))
    lived, failed = np.minimum(drawn, watch).tolist(), (drawn < watch).tolist()
    lows = [
        kaplan_meier([Lifetime("", *one) for one in zip(*group, strict=True)]).median.low
        for group in zip(lived, failed, strict=True)
    ]
    wrong = np.mean([low is not None and low > 100 for low in lows])
    assert wrong <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 2000)


def test_what_cannot_be_compared_is_an_error() -> None:
    """Nobody, a life below zero or without end, and two groups in which nobody failed are one sentence each."""
    alive = [Lifetime("a", 12.0, failed=False)]
    with pytest.raises(AnalysisError, match="at least one cell"):
        kaplan_meier([])
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(AnalysisError, match='"b" lived'):
            kaplan_meier([*alive, Lifetime("b", wrong, failed=True)])
    with pytest.raises(AnalysisError, match="no cell has failed yet: all 2 are censored"):
        log_rank(alive, alive)
