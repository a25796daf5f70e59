"""Regression on series whose errors may follow one another: exact where it must be, and as sure as it says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.analysis import regression
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


def test_coefficients_are_those_of_plain_least_squares() -> None:
    """However the errors follow one another: numpy's own least squares of weighted rows gives the same."""
    value, std = 20 + 0.5 * NUMBERS + noise(1, 24, 0.8)[0], np.where(NUMBERS > 20, 5.0, 1.0)
    known = np.linalg.lstsq(LINE / std[:, None], value / std, rcond=None)[0]
    assert regress(LINE, value, std).coefficients == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.8])
def test_variance_of_a_mean_is_that_of_a_series(monkeypatch: pytest.MonkeyPatch, rho: float) -> None:
    """Where ρ is known, the mean of n rows has S/ν Σ ρ^|i−j| / (n² (1 − ρ²)), S being what whitening leaves."""
    monkeypatch.setattr(regression, "_PRIOR", np.where(np.isclose(regression._RHO, rho), 1.0, 1e-300))
    value, rows = noise(1, 24, rho)[0], np.arange(24)
    found = regress(np.ones((24, 1)), value)
    white, one = whitened(value, rho), whitened(np.ones(24), rho)
    squares = float(np.sum((white - one * (one @ white) / (one @ one)) ** 2))
    correlations = rho ** np.abs(rows[:, None] - rows[None, :]) / (1 - rho**2)
    assert found.covariance[0, 0] == pytest.approx(squares / 23 * float(correlations.sum()) / 24**2, rel=1e-9)


def test_noise_alone_moves_coefficients_as_it_says() -> None:
    """Σ aᵢ² σᵢ² of the rows' shares aᵢ, and so in 20 000 draws, within 2 %; rows wander about the law and are not part of it."""
    sigma = np.linspace(0.1, 2.0, 24)
    wandering = 20 + 0.5 * NUMBERS + np.sin(NUMBERS / 4)
    drawn = wandering + sigma * np.random.default_rng(3).standard_normal((20_000, 24))
    shares = np.linalg.pinv(LINE)
    found = regress(LINE, wandering, noise_std=sigma).noise_covariance
    assert found is not None
    assert found == pytest.approx(shares @ np.diag(sigma**2) @ shares.T, rel=1e-9)
    assert np.sqrt(np.diag(found)) == pytest.approx((drawn @ shares.T).std(axis=0), rel=0.02)
    assert regress(LINE, wandering).noise_covariance is None


def test_a_whole_error_is_never_less_than_its_noise() -> None:
    """Rows on a perfect line with noise of their own are as unsure as that noise, in every combination of the coefficients; and
    where they wander, noise widens nothing.
    """
    sigma = np.full(24, 0.3)
    for value in (20 + 0.5 * NUMBERS, 20 + 0.5 * NUMBERS + noise(1, 24, 0.0)[0] * 0.2):
        found = regress(LINE, value, noise_std=sigma)
        assert found.noise_covariance is not None
        assert np.linalg.eigvalsh(found.covariance - found.noise_covariance).min() > -1e-12
    wandering = 20 + 0.5 * NUMBERS + 5 * np.sin(NUMBERS / 4)
    assert regress(LINE, wandering, noise_std=sigma).covariance == pytest.approx(regress(LINE, wandering).covariance)


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
