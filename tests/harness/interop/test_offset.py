"""The offset that set currents reveal, whatever the gain and whichever currents the two directions have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from harness.interop.cycles import AnalyzedCell, analyze_frame
from harness.model.run import Geometry
from tests.harness.interop.made_files import made

GAIN = 1e-3
NOISE_AMPERE = 1e-8


def measured(*steps: tuple[float, float], offset_ampere: float, seed: int) -> AnalyzedCell:
    """Steps of set currents, read by an instrument with a gain, an offset and noise."""
    frame = made(*steps, interval=30.0)
    noise = pl.Series(np.random.default_rng(seed).normal(0.0, NOISE_AMPERE, frame.height))
    target = pl.col("current_ampere")
    read = target * (1 + GAIN) + offset_ampere + noise
    return analyze_frame("cell", frame.with_columns(read, control_current_ampere=target), Geometry.DEPOSIT)


@pytest.mark.parametrize("offset_ampere", [0.0, 2e-8])
@pytest.mark.parametrize(
    "steps",
    [
        [(-1e-3, 3600.0), (0.2e-3, 18000.0)] * 5,
        [(-1e-3, 3600.0), (1e-3, 1800.0), (0.2e-3, 9000.0)] * 5,
    ],
    ids=["unequal", "several"],
)
def test_offset_is_free_of_the_gain(steps: list[tuple[float, float]], offset_ampere: float) -> None:
    """Plating at 1 mA, stripping at 0.2 mA or at both, a gain of 1e-3: the estimates scatter about the truth as they say."""
    found = [measured(*steps, offset_ampere=offset_ampere, seed=seed).offset_ampere for seed in range(40)]
    values, stds = np.array([[one.value, one.std] for one in found], dtype=float).T
    assert abs(float(values.mean()) - offset_ampere) < 4 * float(values.std(ddof=1)) / 40**0.5
    assert float(values.std(ddof=1)) == pytest.approx(float(np.sqrt(np.mean(stds**2))), rel=0.35)
    assert float(values.std(ddof=1)) < 1e-9


def test_offset_of_equal_currents_is_the_half_sum() -> None:
    """Both directions at 1 mA, half an hour each: the mean of all that was read beside the set current."""
    steps = [(-1e-3, 1800.0), (1e-3, 1800.0)] * 3
    cell = measured(*steps, offset_ampere=5e-8, seed=1)
    left = cell.columns["current_ampere"] - cell.columns["control_current_ampere"]
    bounds = [0, *(np.flatnonzero(np.diff(cell.columns["step_count"])) + 1).tolist(), left.size]
    mean = float(np.mean([left[first + 1 : stop].mean() for first, stop in pairwise(bounds)]))
    assert cell.offset_ampere.value == pytest.approx(mean, rel=1e-9)
