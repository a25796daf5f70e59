"""When the excess runs out: check values, intervals that hold, bounds and refusals, and what a knee that came says of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.estimate import Estimate
from harness.analysis.excess import Drain, Verdict, compare_knee, excess_lasts
from harness.errors import AnalysisError


def test_excess_over_drain_is_the_number_of_cycles() -> None:
    """Q_Li 20, Q_c 2, CE 0.98: 500 cycles until the last of it, and 450 until a plate of 2 is no longer there."""
    assert excess_lasts(20.0, Drain(2 * 0.02)).value == pytest.approx(500.0, rel=1e-12)
    found = excess_lasts(18.0, Drain(2 * 0.02), after=3.0)
    assert (found.value, found.std, found.low, found.high) == pytest.approx((453.0, 0.0, 453.0, 453.0), rel=1e-12)


@pytest.mark.parametrize(
    "kind", [dict.fromkeys(("alone",), 0.3), {"common": 0.004}, {"cycle": 0.15}, {"alone": 0.2, "common": 0.003, "cycle": 0.1}]
)
def test_the_interval_holds_in_95_percent_and_its_std_is_the_scatter(kind: dict[str, float]) -> None:
    """Excess 10, drain 0.1: stated errors drawn 4000 times; 93 to 97 %, σ within 5 % (to first order: where it is small)."""
    noise = np.random.default_rng(11)
    held, values, stds = 0, [], []
    for _ in range(4000):
        alone, common = noise.normal(0.0, kind.get("alone", 0.0)), noise.normal(0.0, kind.get("common", 0.0))
        true_excess, true_drain = 10.0 + alone + 5 * common, 0.1 - common
        steps = noise.normal(true_drain, kind.get("cycle", 0.0), 400) if kind.get("cycle") else np.full(400, true_drain)
        truth = float(np.interp(true_excess, np.cumsum(steps), np.arange(1, 401)))
        drain = Drain(0.1, kind.get("common", 0.0), kind.get("cycle", 0.0))
        found = excess_lasts(10.0, drain, excess_std=kind.get("alone", 0.0), excess_common_std=5 * kind.get("common", 0.0))
        held += (found.low or 0.0) <= truth <= (found.high or math.inf)
        values.append(truth)
        stds.append(found.std)
    assert 0.93 <= held / 4000 <= 0.97
    if "cycle" not in kind:
        assert stds[0] == pytest.approx(float(np.std(values)), rel=0.05)


def test_scatter_seen_in_few_cycles_widens_the_interval() -> None:
    """Both the mean's own error and Student's quantile count."""
    drains = [Drain(0.1, cycle_std=0.02), Drain(0.1, cycle_std=0.02, cycles=6), Drain(0.1, cycle_std=0.02, cycles=6, freedom=5)]
    found = [excess_lasts(10.0, drain) for drain in drains]
    widths = [(one.high or math.inf) - (one.low or 0.0) for one in found]
    assert widths == sorted(widths)
    assert widths[2] > 1.2 * widths[1] > 1.2 * widths[0]


def test_a_loss_that_may_be_none_has_no_latest_cycle() -> None:
    """CE that could be 1 within its error: at least, and why."""
    found = excess_lasts(10.0, Drain(0.1, common_std=0.06))
    assert found.high is None
    assert found.low == pytest.approx(10 / (0.1 + 1.96 * 0.06), rel=1e-3)
    assert "not surely more than none" in found.refusal


@pytest.mark.parametrize(
    ("excess", "drain", "reason"), [(0.0, 0.1, "no excess"), (1.0, 0.0, "show no loss"), (1.0, -0.1, "show no loss")]
)
def test_nothing_left_and_nothing_lost_are_refused(excess: float, drain: float, reason: str) -> None:
    """One clause says why."""
    assert reason in excess_lasts(excess, Drain(drain)).refusal


PREDICTED = Estimate(50.0, 4.0, 44.0, 60.0)


@pytest.mark.parametrize(
    ("observed", "verdict", "sigma"),
    [
        (Estimate.exact(50.5), Verdict.AGREES, 0.0),
        (Estimate.normal(58.0, 1.0), Verdict.AGREES, 8 / math.hypot(10 / 1.959964, 1.0)),
        (Estimate.normal(70.0, 0.5), Verdict.LATER, 20 / math.hypot(10 / 1.959964, 0.5)),
        (Estimate.exact(40.5), Verdict.EARLIER, -10 / math.hypot(6 / 1.959964, 1 / math.sqrt(12))),
        (Estimate.at_least(80.0, "runs"), Verdict.LATER, 30 / (10 / 1.959964)),
        (Estimate.at_least(55.0, "runs"), Verdict.UNDECIDED, None),
        (Estimate.refused("no knee"), Verdict.UNDECIDED, None),
    ],
)
def test_a_knee_that_came_is_compared_in_sigma(observed: Estimate, verdict: Verdict, sigma: float | None) -> None:
    """With the σ of the side on which it lies; what has not come yet decides only beyond the whole prediction."""
    found = compare_knee(PREDICTED, observed)
    assert found.verdict is verdict
    assert found.deviation_sigma == (None if sigma is None else pytest.approx(sigma, rel=1e-4, abs=1e-12))
    assert found.sentence


def test_without_a_prediction_nothing_is_compared() -> None:
    """The prediction's own reason stands in the sentence."""
    found = compare_knee(Estimate.refused("no thickness"), Estimate.exact(5.0))
    assert (found.verdict, found.sentence) == (Verdict.UNDECIDED, "nothing was predicted: no thickness")


@pytest.mark.parametrize("drain", [Drain(math.nan), Drain(0.1, -1.0), Drain(0.1, cycle_std=-1.0)])
def test_bad_input_is_one_clear_error(drain: Drain) -> None:
    """Not finite, or a negative σ."""
    with pytest.raises(AnalysisError, match="must be finite"):
        excess_lasts(10.0, drain)
