"""Linear least squares: values, covariance and comparison of models, tested against closed forms and drawn noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.linear import inflation, information, linear_fit
from harness.errors import AnalysisError

N = np.arange(20, dtype=np.float64)
LINE = np.column_stack((np.ones(N.size), N))


def test_a_line_without_noise_is_found_exactly() -> None:
    """Value to 1e-12, and nothing left over."""
    fit = linear_fit(LINE, 3.0 - 0.25 * N)
    assert fit.value == pytest.approx([3.0, -0.25], rel=1e-12)
    assert fit.sum_of_squares < 1e-20


@pytest.mark.parametrize("std", [None, np.where(N < 10, 0.1, 0.3)], ids=["equal", "weighted"])
def test_covariance_agrees_with_the_scatter_of_drawn_series(std: np.ndarray | None) -> None:
    """σ of slope and of the line at its end within 5 %, and of the right size whatever scale is stated."""
    noise = np.random.default_rng(2)
    size = np.full(N.size, 0.2) if std is None else std
    fits = [linear_fit(LINE, 1.0 + N + noise.normal(0.0, size), None if std is None else 7.0 * std) for _ in range(4000)]
    slopes = np.array([fit.value[1] for fit in fits])
    stated = math.sqrt(np.mean([fit.covariance[1, 1] for fit in fits]))
    assert stated == pytest.approx(float(slopes.std()), rel=0.05)
    ends = np.array([fit.at(LINE[-1])[0] for fit in fits])
    assert math.sqrt(np.mean([fit.at(LINE[-1])[1] ** 2 for fit in fits])) == pytest.approx(float(ends.std()), rel=0.05)


def test_information_is_the_corrected_criterion() -> None:
    """AICc of a textbook case, and infinite where there are too few points."""
    assert information(2.0, 20, 2) == pytest.approx(20 * math.log(0.1) + 6 + 24 / 16, rel=1e-12)
    assert information(2.0, 4, 2) == math.inf


def test_inflation_widens_correlated_residuals_only() -> None:
    """White residuals keep their errors in 19 of 20 series; those of an autoregression of 0.6 are widened to about 2."""
    noise = np.random.default_rng(3)
    white = noise.normal(size=(400, 60))
    kept = [inflation(one - one.mean(), 1) == 1.0 for one in white]
    assert 0.9 < np.mean(kept) <= 1.0
    walk = white.copy()
    for place in range(1, 60):
        walk[:, place] += 0.6 * walk[:, place - 1]
    assert float(np.median([inflation(one - one.mean(), 1) for one in walk])) == pytest.approx(2.0, rel=0.15)


def test_bad_input_is_one_clear_error_each() -> None:
    """Too few points, and columns that depend on each other."""
    with pytest.raises(AnalysisError, match="2 points cannot decide 2 parameters"):
        linear_fit(LINE[:2], N[:2])
    with pytest.raises(AnalysisError, match="do not tell the parameters"):
        linear_fit(np.column_stack((np.ones(20), np.ones(20))), N)
