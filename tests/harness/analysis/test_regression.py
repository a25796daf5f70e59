"""Regression on series whose errors may follow one another: exact where it must be, and as sure as it says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.analysis.regression import regress, whitened
from harness.errors import AnalysisError

Array = NDArray[np.float64]
NUMBERS = np.arange(24.0)
LINE = np.column_stack([np.ones(24), NUMBERS])
POLARITY = np.where(NUMBERS % 2 > 0, 1.0, -1.0)


def noise(draws: int, rows: int, rho: float) -> Array:
    """Series (draws, rows) of unit variance whose neighbours are correlated by ``rho``."""
    white = np.random.default_rng(11).standard_normal((draws, rows))
    series = np.empty_like(white)
    series[:, 0] = white[:, 0]
    for row in range(1, rows):
        series[:, row] = rho * series[:, row - 1] + np.sqrt(1 - rho**2) * white[:, row]
    return series


def test_a_perfect_line_is_found_without_error() -> None:
    """Coefficients to rounding, no residual to judge by, and intervals of no width beside the values."""
    found = regress(LINE, 20 + 0.5 * NUMBERS)
    assert found.coefficients == pytest.approx([20.0, 0.5], rel=1e-12)
    assert found.durbin_watson is None
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx([0, 0], abs=1e-12)


def test_weights_are_those_of_the_stated_errors() -> None:
    """With independent rows of unlike σ the weighted mean is Σ y/σ² / Σ 1/σ², whatever the scale of σ."""
    value, std = np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])
    for scale in (1.0, 1e3):
        squares = regress(np.ones((3, 1)), value, scale * std).squares
        assert squares == pytest.approx(np.sum(((value - 16 / 9) / std) ** 2))


def test_white_series_have_white_signs() -> None:
    """Whitening with the right ρ leaves independent rows of the innovations' variance."""
    made = whitened(noise(4000, 24, 0.6).T, 0.6)
    assert float(np.var(made)) == pytest.approx(1 - 0.6**2, rel=0.02)
    assert float(np.mean(made[1:] * made[:-1])) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("with_polarity", [False, True])
def test_slopes_hold_their_truth(rho: float, with_polarity: bool) -> None:
    """The 95 % interval of a slope holds 0.5 in 93–97 % of series, whether rows are independent or follow one another."""
    design = np.column_stack([LINE, POLARITY]) if with_polarity else LINE
    truth = np.array([20.0, 0.5, 3.0])[: design.shape[1]]
    draws, held = 1500, 0
    for errors in noise(draws, 24, rho):
        one = regress(design, design @ truth + errors).coefficient(1)
        assert one.low is not None
        assert one.high is not None
        held += one.low <= 0.5 <= one.high
    # Two standard deviations of a count of 1500 are 1.1 %.
    assert 0.93 - 0.011 <= held / draws <= 0.97 + 0.011


def test_correlation_is_seen_where_it_is() -> None:
    """Drifting errors have a Durbin–Watson below 2 and a positive ρ, alternating ones the contrary."""
    for rho, below in ((0.7, True), (-0.7, False)):
        found = regress(LINE, 20 + 0.5 * NUMBERS + noise(1, 24, rho)[0])
        assert found.durbin_watson is not None
        assert (found.durbin_watson < 1.5) is below
        assert (found.autocorrelation > 0.2) is below


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        (np.ones((2, 2)), "2 rows cannot give 2 coefficients and their error"),
        (np.ones((5, 2)), "two terms of the law run alike in these rows"),
        (np.column_stack([np.ones(5), np.zeros(5)]), "two terms of the law run alike in these rows"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(design: Array, sentence: str) -> None:
    """Too few rows and columns that run alike are one sentence each."""
    with pytest.raises(AnalysisError, match=sentence):
        regress(design, np.arange(float(design.shape[0])))
