"""The noise of a spectrum without a circuit: what was added is what is found, and nothing where nothing was."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.impedance.noise import relative_noise
from harness.analysis.impedance.spectrum import sweep_of

FREQUENCY = np.logspace(5, -1, 49)
JOMEGA = 2j * np.pi * FREQUENCY
EXACT = 5 + 1e-7 * JOMEGA + 30 / (1 + (JOMEGA * 2e-4) ** 0.85) + 50 / (1 + (JOMEGA * 2e-2) ** 0.8) + 3 / np.sqrt(JOMEGA)


@pytest.mark.parametrize("share", [3e-4, 1e-3, 1e-2])
def test_noise_is_what_was_added(share: float) -> None:
    """Over 200 spectra its mean square is that of what was added, within 4 % (a tenth of a point of scatter each)."""
    generator = np.random.default_rng(1)
    found = []
    for _ in range(200):
        noise = generator.normal(size=(2, FREQUENCY.size)) * share
        found.append(relative_noise(sweep_of(FREQUENCY, EXACT + np.abs(EXACT) * (noise[0] + 1j * noise[1]))))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(share, rel=0.04)
    assert np.std(found) < 0.12 * share


def test_noise_of_an_exact_spectrum_is_none() -> None:
    """Depressed arcs, diffusion and inductance leave less than 2e-5 of |Z|."""
    assert relative_noise(sweep_of(FREQUENCY, EXACT)) < 2e-5
