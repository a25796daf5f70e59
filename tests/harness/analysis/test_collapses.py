"""Excursions and collapses of quiet traces: synthetic ones, a measured one, and impossible ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Array
from harness.analysis.collapses import find_collapses, find_excursions
from harness.errors import AnalysisError
from tests.realdata import REALDATA, real


def trace(*, lift: float, falls: int, scale: float, seed: int) -> tuple[Array, Array]:
    """200 s at 0.1 V, every 10 s; in their middle a second with readings every ms, a rise with ``falls`` collapses, and noise."""
    draw = np.random.default_rng(seed)
    quiet = np.arange(0.0, 200.0, 10.0)
    busy = np.sort(95.0 + draw.uniform(0.0, 1.0, 400))
    phase = (busy - 95.0) * (falls + 1)
    rise = lift * np.minimum(1.0, 4.0 * (phase % 1.0)) * (0.3 + 0.7 * np.sqrt(phase % 1.0))
    time = np.concatenate((quiet[quiet < 95.0], busy, quiet[quiet > 96.0]))
    volt = np.concatenate((np.full(10, 0.1), 0.12 + rise, np.full(quiet[quiet > 96.0].size, 0.1)))
    return scale * time, volt + 1e-4 * draw.standard_normal(time.size)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 60.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_collapses_are_found_at_every_time_scale(scale: float, sign: float) -> None:
    """Two saw-tooth falls in one excursion, in either polarity; the way back to rest is none."""
    time, volt = trace(lift=0.4, falls=2, scale=scale, seed=1)
    [excursion] = find_excursions(time, sign * volt)
    assert excursion.from_second == pytest.approx(95.0 * scale, abs=0.01 * scale)
    assert len(excursion.collapses) == 2
    for number, collapse in enumerate(excursion.collapses, start=1):
        assert collapse.from_second == pytest.approx((95.0 + number / 3.0) * scale, abs=0.02 * scale)
        assert collapse.before_volt - collapse.after_volt > 0.3
    assert find_collapses(time, sign * volt) == list(excursion.collapses)


@given(st.integers(0, 10_000), st.floats(1e-5, 1e-2))
def test_noise_and_drift_have_no_collapse(seed: int, noise: float) -> None:
    """A quiet trace with noise and drift has nothing that falls within an excursion."""
    time = np.arange(0.0, 2000.0, 10.0)
    volt = 0.3 + 1e-5 * time + noise * np.random.default_rng(seed).standard_normal(time.size)
    assert find_collapses(time, volt) == []


def test_a_rise_without_a_fall_has_none() -> None:
    """An excursion that only goes up and back is one without collapses."""
    time, volt = trace(lift=0.4, falls=0, scale=1.0, seed=2)
    [excursion] = find_excursions(time, volt)
    assert excursion.collapses == ()
    assert excursion.quiet_volt == pytest.approx(0.1, abs=1e-3)


@real
def test_a_measured_excursion_has_its_two_collapses() -> None:
    """Li||Li in ether: one excursion of 1.02 s, 0.663 → 0.257 V within 1.0 ms, 0.386 → 0.257 V within 0.2 ms, and no other."""
    columns = np.genfromtxt(REALDATA / "lili_transient_excerpt.tsv", skip_header=1)
    [excursion] = find_excursions(columns[:, 0], columns[:, 1])
    assert (excursion.from_second, excursion.to_second) == pytest.approx((2545.567, 2546.591), abs=1e-3)
    assert excursion.peak_volt == pytest.approx(0.663, abs=1e-3)
    first, second = excursion.collapses
    assert (first.from_second, first.to_second) == pytest.approx((2546.0231, 2546.0241), abs=1e-4)
    assert (first.before_volt, first.after_volt) == pytest.approx((0.663, 0.257), abs=1e-3)
    assert second.to_second - second.from_second == pytest.approx(2e-4, abs=1e-6)
    assert (second.before_volt, second.after_volt) == pytest.approx((0.386, 0.257), abs=1e-3)


@pytest.mark.parametrize(
    ("time", "volt", "sentence"),
    [
        ([], [], "0 readings are no trace; 5 are needed"),
        ([0.0], [1.0], "1 readings are no trace"),
        ([0.0, 1.0, 2.0, 3.0, 4.0], [np.nan] * 5, "0 readings are no trace"),
        ([0.0, 1.0], [1.0], "two columns of one length"),
        ([0.0, 2.0, 1.0, 3.0, 4.0], [1.0] * 5, "time goes back within the trace"),
    ],
)
def test_impossible_traces_are_one_sentence(time: list[float], volt: list[float], sentence: str) -> None:
    """No answer could belong to them."""
    with pytest.raises(AnalysisError, match=sentence):
        find_collapses(np.array(time), np.array(volt))
