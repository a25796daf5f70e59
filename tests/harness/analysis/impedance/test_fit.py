"""The impedance fit: exact spectra, noisy spectra of several arcs, and honesty about what a spectrum does not hold."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.analysis.impedance.fit import (
    FLAG_NO_ARC,
    FLAG_NO_SERIES,
    FLAG_OPEN_ARC,
    FLAG_POORLY_IDENTIFIED,
    Spectrum,
    Tail,
    _evaluate,
    _Model,
    fit_impedance,
)
from harness.errors import AnalysisError
from tests.realdata import REALDATA, real

FREQUENCY = np.logspace(math.log10(2e5), -1, 61)
JOMEGA: NDArray[np.complex128] = np.asarray(2j * math.pi * FREQUENCY, dtype=np.complex128)


def arc(resistance: float, capacitance: float, exponent: float) -> Spectrum:
    return np.asarray(resistance / (1 + (JOMEGA * resistance * capacitance) ** exponent))


def diffusion(resistance: float, second: float) -> Spectrum:
    root = np.sqrt(JOMEGA * second)
    return np.asarray(resistance * np.tanh(root) / root)


def test_fit_of_one_exact_arc_recovers_it() -> None:
    """Noiseless R_s + R ∥ CPE comes back to 1e-6, with one arc and no tail."""
    found = fit_impedance(FREQUENCY, 5.0 + arc(80.0, 3e-6, 0.9))
    assert found.series_resistance_ohm == pytest.approx(5.0, rel=1e-6)
    assert found.interface_resistance_ohm == pytest.approx(80.0, rel=1e-6)
    assert (found.arcs, found.tail, found.flags) == (1, Tail.NONE, frozenset())


def test_fit_does_not_depend_on_the_order_of_frequencies() -> None:
    """Sweeps up and sweeps down give the same numbers."""
    spectrum = 5.0 + arc(80.0, 3e-6, 0.9)
    down, up = fit_impedance(FREQUENCY, spectrum), fit_impedance(FREQUENCY[::-1], spectrum[::-1])
    assert down == up


def test_fit_sees_through_inductance_and_diffusion() -> None:
    """A cable's inductance and a diffusion tail are in no interface."""
    exact = 5.0 + 2e-7 * JOMEGA + arc(80.0, 3e-6, 0.9) + diffusion(6.0, 2.0)
    found = fit_impedance(FREQUENCY, exact)
    assert found.interface_resistance_ohm == pytest.approx(80.0, rel=2e-3)
    assert found.series_resistance_ohm == pytest.approx(5.0, rel=2e-3)
    assert found.tail is Tail.DIFFUSION


@pytest.mark.parametrize("tail", list(Tail))
@pytest.mark.parametrize("arcs", [1, 2, 3])
def test_fit_jacobian_is_the_derivative_of_the_model(arcs: int, tail: Tail) -> None:
    """Every analytic derivative equals its central difference to 1e-6 of the row's size."""
    model = _Model(arcs, tail, inductance=True)
    omega = 2 * math.pi * FREQUENCY
    start = [math.log(5.0), math.log(1e-6)]
    for index in range(arcs):
        start += [math.log(30.0 + index), -8.0 + 3 * index, 0.7 + 0.1 * index]
    start += {Tail.NONE: [], Tail.DIFFUSION: [1.0, 0.3], Tail.CONSTANT_PHASE: [1.0, 0.6]}[tail]
    parameters: Array = np.array(start)
    rows = _evaluate(model, parameters, omega)[1]
    assert rows.shape == (model.size, omega.size)
    for index in range(model.size):
        step = np.zeros(model.size)
        step[index] = 1e-6
        numeric = (_evaluate(model, parameters + step, omega)[0] - _evaluate(model, parameters - step, omega)[0]) / 2e-6
        scale = float(np.abs(rows[index]).max())
        assert float(np.abs(rows[index] - numeric).max()) < 1e-6 * scale + 1e-7


def test_fit_of_two_arcs_covers_their_sum() -> None:
    """For lithium with a film, a charge transfer and diffusion, at 0.2 % noise, the sum of the arcs lies within three standard
    deviations in 7 of 8 spectra or the spectrum is flagged, and is never off by more than 5 %.
    """
    generator = np.random.default_rng(11)
    covered, errors = 0, []
    for _ in range(8):
        film, transfer = generator.uniform(15, 100), generator.uniform(5, 60)
        exact = generator.uniform(3, 20) + 1e-7 * JOMEGA + arc(film, 10 ** generator.uniform(-6, -5.3), 0.85)
        exact = exact + arc(transfer, 10 ** generator.uniform(-4, -3.4), 0.8) + diffusion(generator.uniform(1, 8), 2.0)
        noise = generator.normal(size=(2, FREQUENCY.size))
        found = fit_impedance(FREQUENCY, exact * (1 + 0.002 * (noise[0] + 1j * noise[1])))
        assert found.interface_resistance_ohm is not None
        assert found.interface_resistance_ohm_std is not None
        error = found.interface_resistance_ohm - film - transfer
        errors.append(abs(error) / (film + transfer))
        covered += abs(error) <= 3 * found.interface_resistance_ohm_std or bool(found.flags)
    assert covered >= 7
    assert max(errors) < 0.05


def test_fit_of_a_half_seen_arc_says_so() -> None:
    """An arc far below the lowest frequency is not identified: no number or a flag, never a confident number."""
    frequency = FREQUENCY[FREQUENCY > 1e3]
    spectrum = (5.0 + arc(80.0, 1e-4, 0.9))[FREQUENCY > 1e3]
    found = fit_impedance(frequency, spectrum)
    if found.interface_resistance_ohm is None:
        assert FLAG_NO_ARC in found.flags
    else:
        assert found.flags & {FLAG_POORLY_IDENTIFIED, FLAG_OPEN_ARC}


@pytest.mark.parametrize("size", [0, 3, 7])
def test_fit_refuses_too_few_points(size: int) -> None:
    """Fewer than eight points are no spectrum."""
    with pytest.raises(AnalysisError, match="usable points"):
        fit_impedance(FREQUENCY[:size], np.ones(size, dtype=np.complex128))


def test_fit_refuses_a_narrow_sweep() -> None:
    """Less than a decade of frequency cannot show an arc."""
    with pytest.raises(AnalysisError, match="decade"):
        fit_impedance(np.linspace(1.0, 5.0, 20), np.ones(20, dtype=np.complex128))


def test_module_imports_without_scipy() -> None:
    """Importing the module does not import scipy, which takes longer than everything else."""
    code = "import sys, harness.analysis.impedance.fit; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@real
def test_fit_of_real_spectra_follows_the_growth_of_a_real_cell() -> None:
    """NMC811||graphite over 71 days: R₁ + R₂ of an independent fit, within three of our standard deviations and 4 %."""
    frame = pl.read_parquet(REALDATA / "nmc_graphite_peis_biologic.parquet")
    expected = [10.53, 35.0, 56.35, 79.86]
    for group, value in zip(frame.partition_by("spectrum_count", maintain_order=True), expected, strict=True):
        spectrum = group["real_impedance_ohm"].to_numpy() + 1j * group["imaginary_impedance_ohm"].to_numpy()
        found = fit_impedance(group["frequency_hertz"].to_numpy(), spectrum)
        assert found.interface_resistance_ohm is not None
        assert found.interface_resistance_ohm_std is not None
        assert found.interface_resistance_ohm == pytest.approx(value, rel=0.04)
        assert abs(found.interface_resistance_ohm - value) <= 3 * found.interface_resistance_ohm_std
        assert (found.series_resistance_ohm is None) == (FLAG_NO_SERIES in found.flags)
        assert found.series_resistance_ohm is None or (found.series_resistance_ohm_std or 0.0) > 0.01
