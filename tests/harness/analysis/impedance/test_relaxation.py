"""Distributions of relaxation times: arcs that are known are recovered as areas of bands, and what was not swept is refused."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.charge import Array
from harness.analysis.impedance.relaxation import LAMBDAS, choose_regularisation, relaxation_series, relaxations
from harness.analysis.impedance.spectrum import Complex, Sweep, sweep_of
from harness.errors import AnalysisError

FREQUENCY: Array = np.logspace(5.3, -1, 61)
JOMEGA = 2j * np.pi * FREQUENCY
EXACT = np.asarray(5 + 1e-7 * JOMEGA + 30 / (1 + (JOMEGA * 1e-4) ** 0.9) + 50 / (1 + (JOMEGA * 3e-2) ** 0.9))
BANDS = ((2e-6, 2e-3), (2e-3, 0.8))


def noisy(exact: Complex, share: float, generator: np.random.Generator) -> Sweep:
    noise = generator.normal(size=(2, exact.size)) * share
    return sweep_of(FREQUENCY, exact + np.abs(exact) * (noise[0] + 1j * noise[1]))


def test_bands_hold_the_arcs_that_lie_in_them() -> None:
    """Two arcs two and a half decades apart: each to 2 %, both together to 1 %, the resistance in series to 10 %."""
    found = relaxations(noisy(EXACT, 1e-3, np.random.default_rng(1)))
    assert [found.resistance(*band).value for band in BANDS] == pytest.approx([30.0, 50.0], rel=0.02)
    assert found.resistance(2e-6, 0.8).value == pytest.approx(80.0, rel=0.01)
    assert found.series.value == pytest.approx(5.0, rel=0.1)
    assert found.inductance_henry == pytest.approx(1e-7, rel=0.3)
    assert found.residual_rms < 3e-3


def test_a_series_resistance_beyond_the_sweep_is_refused() -> None:
    """An arc of 0.1 µs has its foot above 200 kHz: nothing is left for R∞, and 0 ± 0 Ω would be a claim."""
    found = relaxations(noisy(np.asarray(30 / (1 + JOMEGA * 1e-7) + 50 / (1 + JOMEGA * 3e-2)), 1e-3, np.random.default_rng(1)))
    assert found.series.value is None
    assert "not in this sweep" in found.series.refusal


def test_capacitive_end_is_no_resistance() -> None:
    """A blocking electrode's capacitance in series leaves the arcs where they are."""
    found = relaxations(noisy(EXACT + 1 / (JOMEGA * 0.5), 1e-3, np.random.default_rng(1)))
    assert found.resistance(2e-6, 0.3).value == pytest.approx(80.0, rel=0.03)


def test_series_has_one_regularisation() -> None:
    """λ is chosen on all sweeps together, from the list, and a growing arc grows by as much."""
    generator = np.random.default_rng(2)
    sweeps = [noisy(EXACT + grown / (1 + JOMEGA * 0.03), 1e-3, generator) for grown in (0.0, 10.0, 20.0)]
    found = relaxation_series(sweeps)
    assert {one.regularisation for one in found} == {choose_regularisation(sweeps)}
    assert found[0].regularisation in LAMBDAS
    values = [one.resistance(*BANDS[1]).value for one in found]
    assert values == pytest.approx([50.0, 60.0, 70.0], rel=0.02)


@pytest.mark.parametrize("regularisation", [1e-4, 1e-2])
def test_deviations_are_the_scatter(regularisation: float) -> None:
    """Over 100 spectra the σ of each band, and of both together, is the scatter within three of its standard errors."""
    generator, draws = np.random.default_rng(3), 100
    found = [relaxations(noisy(EXACT, 1e-3, generator), regularisation) for _ in range(draws)]
    for band in (*BANDS, (2e-6, 0.8)):
        told = [one.resistance(*band) for one in found]
        value, std = np.array([(one.value, one.std) for one in told], dtype=np.float64).T
        assert np.sqrt(np.mean(std**2)) == pytest.approx(np.std(value), rel=3 / np.sqrt(2 * draws))


def test_band_beyond_the_sweep_is_refused() -> None:
    """No relaxation slower than the lowest frequency has an area."""
    found = relaxations(noisy(EXACT, 1e-3, np.random.default_rng(1)), 1e-4)
    assert found.resistance(1e-3, 50.0).value is None
    assert "goes beyond" in found.resistance(1e-3, 50.0).refusal
    with pytest.raises(AnalysisError, match="slower"):
        found.resistance(1.0, 0.1)


def test_distribution_refuses_what_it_cannot_answer() -> None:
    """No sweeps, seven points, a λ of zero."""
    sweep = sweep_of(FREQUENCY[:7], EXACT[:7])
    for sweeps, by, complaint in (
        ([], None, "at least one"),
        ([sweep], 1e-3, "7 points"),
        ([sweep_of(FREQUENCY, EXACT)], 0.0, "positive"),
    ):
        with pytest.raises(AnalysisError, match=complaint):
            relaxation_series(sweeps, by)
