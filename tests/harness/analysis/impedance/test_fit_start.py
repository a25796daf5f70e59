"""Where a fit ended, as text."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.impedance.fit import fit_impedance
from harness.analysis.impedance.fit_start import start_from, start_text
from harness.analysis.impedance.spectrum import Complex
from harness.errors import AnalysisError

FREQUENCY = np.geomspace(1e5, 0.1, 37)


def spectrum(resistance: float, seed: int) -> Complex:
    """One depressed arc, with 0.1 % of noise."""
    noise = np.random.default_rng(seed).normal(0.0, 1e-3, (2, FREQUENCY.size))
    impedance = 5 + resistance / (1 + (2j * np.pi * FREQUENCY * resistance * 3e-6) ** 0.9)
    return np.asarray(impedance * (1 + noise[0] + 1j * noise[1]), dtype=np.complex128)


def test_fit_begun_from_text_is_the_fit_begun_from_the_one_before() -> None:
    """To the last bit, and it is not the fit that was begun anew."""
    before = fit_impedance(FREQUENCY, spectrum(60.0, 1))
    begun = fit_impedance(FREQUENCY, spectrum(63.0, 2), previous=before)
    again = fit_impedance(FREQUENCY, spectrum(63.0, 2), previous=start_from(start_text(before.family)))
    assert repr(again) == repr(begun)
    assert start_text(again.family) == start_text(begun.family)
    assert start_text(fit_impedance(FREQUENCY, spectrum(63.0, 2)).family) != start_text(begun.family)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1.0]", '[0.1, 0.2, [["R0-none", [1.0], 0.1, 0.1]]]', '[0.1, 0.2, [["R0"]]]'])
def test_other_text_is_no_start(text: str) -> None:
    """One error, which shows the text."""
    with pytest.raises(AnalysisError, match="this is not where a fit ended"):
        start_from(text)
