"""Numbers in reports: rounded to their error, bounds and refusals told apart from values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.estimate import Estimate
from harness.service.report.wording import estimate_text, interval_text, with_error


@pytest.mark.parametrize(
    ("value", "std", "unit", "scale", "text"),
    [
        (0.972914, 0.000284, "%", 100.0, "97.291 ± 0.028 %"),
        (0.972914, 0.000384, "%", 100.0, "97.29 ± 0.04 %"),
        (79.13, 0.47, "Ω cm²", 1.0, "79.1 ± 0.5 Ω cm²"),
        (79.13, 12.0, "", 1.0, "79 ± 12"),
        (1234.5, 360.0, "", 1.0, "1234 ± 360"),
        (0.5, None, "V", 1.0, "0.5 V"),
        (0.5, 0.0, "", 1.0, "0.5"),
        (-1.5, 0.25, "", 1.0, "−1.50 ± 0.25"),
        (None, None, "V", 1.0, "–"),
    ],
)
def test_number_is_rounded_to_its_error(value: float | None, std: float | None, unit: str, scale: float, text: str) -> None:
    """Two digits of an error that begins with 1 or 2, one of any other; the value ends where its error does."""
    assert with_error(value, std, unit, scale) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e5))
def test_rounding_stays_within_a_fifth_of_the_error(value: float, std: float) -> None:
    """What is shown differs from what is meant by less than a fifth of the error."""
    shown, _, error = with_error(value, std).partition(" ± ")
    assert abs(float(shown.replace("−", "-")) - value) <= max(0.2 * std, 0.51)
    assert abs(float(error) - std) <= max(0.2 * std, 0.51)


@pytest.mark.parametrize(
    ("estimate", "text", "interval"),
    [
        (Estimate.normal(10.0, 0.5), "10.0 ± 0.5 h", "95 %: 9.0 … 11.0 h"),
        (Estimate.at_least(12.0, "it still runs"), "≥ 12 h", "it still runs"),
        (Estimate.refused("5 points are too few"), "–", "5 points are too few"),
        (Estimate.exact(3.0), "3 h", ""),
        (Estimate(4.0, None, None, 4.0, "upper bound"), "≤ 4 h", "upper bound"),
    ],
)
def test_estimate_says_what_it_is(estimate: Estimate, text: str, interval: str) -> None:
    """A value has its error, a bound its sign, a refusal its reason."""
    assert (estimate_text(estimate, "h"), interval_text(estimate, "h")) == (text, interval)
