"""Whether a value is missing, wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.missing import all_finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_missing_value_is_seen(bad: float, place: int) -> None:
    """At the beginning, within, at the end."""
    values = np.linspace(-1.0, 1.0, 1000)
    values[place] = bad
    assert not all_finite(values)


@pytest.mark.parametrize("values", [np.zeros(0), np.linspace(-1.0, 1.0, 1000), np.full(3, 1e300), np.full(7, 1e300)[::2]])
def test_finite_values_are_finite(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """However many and however large: a sum of squares that overflows proves nothing."""
    assert all_finite(values)
