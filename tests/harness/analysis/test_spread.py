"""The scatter of a smooth series: white noise comes back, what is smooth does not count, and few values say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.spread import smooth_scatter


def test_noise_on_a_smooth_change_comes_back() -> None:
    """σ within 2 % of 20 000 readings on a decay and a slope; one that moves in a step is no noise."""
    place = np.arange(20_000)
    noise = np.random.default_rng(1).normal(0.0, 0.02, place.size)
    smooth = np.exp(-place / 5000) + 1e-4 * place + (place > 9000)
    assert smooth_scatter(smooth + noise, fewest=3) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(("count", "fewest", "told"), [(7, 8, False), (8, 8, True), (2, 0, False), (0, 0, False), (3, 0, True)])
def test_few_values_say_nothing(count: int, fewest: int, *, told: bool) -> None:
    """Fewer than are asked for, or than have a second difference."""
    assert (smooth_scatter(np.arange(count, dtype=np.float64), fewest=fewest) is not None) is told
