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
from harness.analysis.estimate import NORMAL_95
from harness.analysis.impedance.fit import (
    FLAG_NO_ARC,
    FLAG_NO_SERIES,
    FLAG_OPEN_ARC,
    FLAG_POORLY_IDENTIFIED,
    ImpedanceFit,
    Spectrum,
    Tail,
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
    """Noiseless R_s + R ∥ CPE comes back to 1e-5, by which weak priors and the family's other members move it, with one arc."""
    found = fit_impedance(FREQUENCY, 5.0 + arc(80.0, 3e-6, 0.9))
    assert found.series_resistance_ohm == pytest.approx(5.0, rel=1e-5)
    assert found.interface_resistance_ohm == pytest.approx(80.0, rel=1e-5)
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


def lithium(generator: np.random.Generator) -> tuple[Spectrum, float]:
    """A cell with a film, a charge transfer and diffusion; and the sum of its arcs."""
    film, transfer = generator.uniform(15, 100), generator.uniform(5, 60)
    exact = generator.uniform(3, 20) + 1e-7 * JOMEGA + arc(film, 10 ** generator.uniform(-6, -5.3), 0.85)
    exact = exact + arc(transfer, 10 ** generator.uniform(-4, -3.4), 0.8) + diffusion(generator.uniform(1, 8), 2.0)
    return exact, film + transfer


def noisy(exact: Spectrum, share: float, generator: np.random.Generator) -> Spectrum:
    noise = generator.normal(size=(2, exact.size)) * share
    return np.asarray(exact + np.abs(exact) * (noise[0] + 1j * noise[1]), dtype=np.complex128)


def test_fit_of_two_arcs_is_near_their_sum() -> None:
    """For eight such cells at 0.2 % noise the sum is never off by more than 3 %, nor by more than three σ of noise and models."""
    generator = np.random.default_rng(11)
    for _ in range(8):
        exact, true = lithium(generator)
        found = fit_impedance(FREQUENCY, noisy(exact, 0.002, generator))
        assert found.interface_resistance_ohm == pytest.approx(true, rel=0.03)
        std = found.interface_resistance_ohm_std or 0.0
        assert abs((found.interface_resistance_ohm or 0.0) - true) <= 3 * std


def test_intervals_hold_what_the_fit_says_without_noise() -> None:
    """Three cells, 50 noisy spectra each, fitted from the noise-free fit: 95 % intervals of series, interface and total hold its
    numbers in 90 to 99 % (the study does a thousand).
    """
    generator = np.random.default_rng(4)
    held = []
    for _ in range(3):
        exact, _ = lithium(generator)
        true = fit_impedance(FREQUENCY[::2], exact[::2])
        for _ in range(50):
            found = fit_impedance(FREQUENCY[::2], noisy(exact[::2], 0.001, generator), previous=true)
            held.append(
                [
                    abs(value - wanted) <= NORMAL_95 * std
                    for value, std, wanted in zip(*numbers(found), numbers(true)[0], strict=True)
                ]
            )
    share = np.mean(held, axis=0)
    assert np.all((share > 0.9) & (share < 0.995))


def numbers(fit: ImpedanceFit) -> tuple[list[float], list[float]]:
    """Series, interface and total resistance, all of which there must be, and the σ of their noise."""
    values = (fit.series_resistance_ohm, fit.interface_resistance_ohm, fit.total_resistance_ohm)
    deviations = [getattr(fit, f"{name}_resistance_ohm_noise_std") for name in ("series", "interface", "total")]
    return [value for value in values if value is not None], [std for std in deviations if std is not None]


def test_fit_from_the_previous_one_is_the_fit_from_nothing() -> None:
    """A cell that has grown by a tenth: the same numbers to a tenth of σ from either beginning."""
    generator = np.random.default_rng(2)
    exact, _ = lithium(generator)
    before = fit_impedance(FREQUENCY, noisy(exact, 0.001, generator))
    later = noisy(exact + 0.1 * (exact - 5.0), 0.001, generator)
    after, anew = fit_impedance(FREQUENCY, later, previous=before), fit_impedance(FREQUENCY, later)
    for value, wanted, std in zip(numbers(after)[0], *numbers(anew), strict=True):
        assert value == pytest.approx(wanted, abs=0.1 * std)


def test_fit_from_the_previous_one_is_not_trapped_by_a_jump() -> None:
    """Another cell on the channel is fitted as from nothing."""
    generator = np.random.default_rng(9)
    before = fit_impedance(FREQUENCY, 5.0 + arc(30.0, 1e-6, 0.9) + arc(20.0, 1e-4, 0.8))
    other = noisy(12.0 + arc(300.0, 1e-4, 0.85), 0.001, generator)
    after, anew = fit_impedance(FREQUENCY, other, previous=before), fit_impedance(FREQUENCY, other)
    assert after.interface_resistance_ohm == pytest.approx(anew.interface_resistance_ohm, rel=1e-3)
    assert after.interface_resistance_ohm == pytest.approx(300.0, rel=5e-3)


def test_fit_names_its_circuit_and_what_of_it_is_identified() -> None:
    """One arc's parameters stand for themselves, with σ; the row that is stored needs names and numbers."""
    generator = np.random.default_rng(1)
    found = fit_impedance(FREQUENCY, noisy(5.0 + 2e-7 * JOMEGA + arc(80.0, 3e-6, 0.9), 0.001, generator))
    assert found.circuit == "L0-R0-Arc1"
    assert set(found.parameters) == {"L0", "R0", "R1", "tau1", "n1"}
    for name, value in {"L0": 2e-7, "R0": 5.0, "R1": 80.0, "tau1": 2.4e-4, "n1": 0.9}.items():
        parameter = found.parameters[name]
        assert parameter.unidentified == ""
        assert parameter.std is not None
        assert abs(parameter.value - value) <= 3.5 * parameter.std


@pytest.mark.parametrize(
    ("spectrum", "series", "interface"),
    [
        (np.full(FREQUENCY.size, 5.0, dtype=np.complex128), 5.0, None),
        (5.0 + 1e6 / JOMEGA**0.9 * 1e-3, 5.0, None),
        (1.0 / (JOMEGA * 1e-3), None, None),
        (-5.0 - arc(30.0, 3e-5, 0.9), None, None),
        (1e9 * (5.0 + arc(80.0, 3e-6, 0.9)), 5e9, 80e9),
        (1e-3 * (5.0 + arc(80.0, 3e-6, 0.9)), 5e-3, 80e-3),
    ],
    ids=["resistor", "blocking", "capacitor", "wrong sign", "gigaohm", "milliohm"],
)
def test_fit_of_strange_spectra_says_what_is_in_them(spectrum: Spectrum, series: float | None, interface: float | None) -> None:
    """A resistance that is not in a spectrum is refused with a flag; size does not matter."""
    found = fit_impedance(FREQUENCY, spectrum)
    for value, wanted in ((found.series_resistance_ohm, series), (found.interface_resistance_ohm, interface)):
        assert value is None if wanted is None else value == pytest.approx(wanted, rel=1e-4)
    assert bool(found.flags) == (series is None or interface is None)


def test_fit_of_the_fewest_points_takes_the_circuits_they_carry() -> None:
    """Eight points: only circuits with fewer parameters."""
    frequency = np.logspace(4, 0, 8)
    exact = np.asarray(5.0 + 80.0 / (1 + (2j * math.pi * frequency * 1e-3) ** 0.9), dtype=np.complex128)
    found = fit_impedance(frequency, exact)
    assert found.interface_resistance_ohm == pytest.approx(80.0, rel=1e-3)
    assert found.interface_resistance_ohm_noise_std == pytest.approx(0.0, abs=0.01)
    assert found.interface_resistance_ohm_std == pytest.approx(0.4, abs=0.01)


def test_fit_refuses_a_series_resistance_beyond_the_sweep() -> None:
    """A layer that answers at 2 MHz hides what is in series from a sweep to 200 kHz; the total stays."""
    found = fit_impedance(FREQUENCY, 2.0 + arc(60.0, 1.3e-9, 0.95) + arc(40.0, 4e-5, 0.9))
    assert found.series_resistance_ohm is None or found.series_resistance_ohm == pytest.approx(62.0, rel=0.02)
    assert found.total_resistance_ohm == pytest.approx(102.0, rel=0.01)


def test_fit_of_a_half_seen_arc_says_so() -> None:
    """An arc far below the lowest frequency is not identified: no number with its reason, never a confident number."""
    frequency = FREQUENCY[FREQUENCY > 1e3]
    spectrum = (5.0 + arc(80.0, 1e-4, 0.9))[FREQUENCY > 1e3]
    found = fit_impedance(frequency, spectrum)
    if found.interface_resistance_ohm is None:
        assert found.flags & {FLAG_NO_ARC, FLAG_OPEN_ARC}
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


@pytest.mark.parametrize(
    ("frequency", "impedance", "complaint"),
    [
        (FREQUENCY, np.full(FREQUENCY.size, np.nan, dtype=np.complex128), "0 usable points"),
        (-FREQUENCY, np.ones(FREQUENCY.size, dtype=np.complex128), "must be positive"),
        (FREQUENCY[1:], np.ones(FREQUENCY.size, dtype=np.complex128), "give one for each"),
        (FREQUENCY[:1], np.ones(1, dtype=np.complex128), "1 usable points"),
    ],
)
def test_fit_refuses_what_is_no_spectrum(frequency: Array, impedance: Spectrum, complaint: str) -> None:
    """Nothing measured, a negative frequency, unequal lengths, one point."""
    with pytest.raises(AnalysisError, match=complaint):
        fit_impedance(frequency, impedance)


def test_module_imports_without_scipy() -> None:
    """Importing the module does not import scipy, which takes longer than everything else."""
    code = "import sys, harness.analysis.impedance.fit; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@real
def test_fit_of_real_spectra_follows_the_growth_of_a_real_cell() -> None:
    """NMC811||graphite over 71 days: R₁ + R₂ of an independent fit, within twice the σ of noise and models, and the total, where
    it does not matter what is in series, within 1 %.
    """
    frame = pl.read_parquet(REALDATA / "nmc_graphite_peis_biologic.parquet")
    expected, series, previous = [10.53, 35.0, 56.35, 79.86], [2.34, 0.48, 0.07, 0.0], None
    for group, value, beside in zip(frame.partition_by("spectrum_count", maintain_order=True), expected, series, strict=True):
        spectrum = group["real_impedance_ohm"].to_numpy() + 1j * group["imaginary_impedance_ohm"].to_numpy()
        found = previous = fit_impedance(group["frequency_hertz"].to_numpy(), spectrum, previous=previous)
        std = found.interface_resistance_ohm_std or 0.0
        assert found.interface_resistance_ohm == pytest.approx(value, abs=2 * std)
        assert found.interface_resistance_ohm == pytest.approx(value, rel=0.08)
        assert found.total_resistance_ohm == pytest.approx(value + beside, rel=0.01)
        assert (found.series_resistance_ohm is None) == (FLAG_NO_SERIES in found.flags)
