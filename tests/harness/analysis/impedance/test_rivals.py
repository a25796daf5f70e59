"""What the ends of a spectrum may be: slow arcs that are seen, slow arcs that are cut, and inductances that no point shows."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.charge import Array
from harness.analysis.impedance.fit import FLAG_OPEN_ARC, FLAG_TAIL_LEFT_OUT, ImpedanceFit, fit_impedance
from harness.analysis.impedance.spectrum import Complex


def frequencies(highest: float, lowest: float) -> Array:
    """Eight per decade."""
    return np.geomspace(highest, lowest, round(8 * np.log10(highest / lowest)) + 1)


def arc(jomega: Complex, resistance: float, second: float, exponent: float) -> Complex:
    return np.asarray(resistance / (1 + (jomega * second) ** exponent))


def diffusion(jomega: Complex, resistance: float, second: float) -> Complex:
    root = np.sqrt(jomega * second)
    return np.asarray(resistance * np.tanh(root) / root)


def two_arcs(lowest: float, slow: float = 1.0) -> tuple[Array, Complex]:
    """60 Ω at 1.6 kHz and 30 Ω that take ``slow`` seconds."""
    frequency = frequencies(2e5, lowest)
    jomega: Complex = np.asarray(2j * np.pi * frequency)
    return frequency, 5.0 + arc(jomega, 60.0, 1e-4, 0.85) + arc(jomega, 30.0, slow, 0.85)


def noisy(exact: Complex, share: float, seed: int) -> Complex:
    noise = np.random.default_rng(seed).normal(size=(2, exact.size)) * share
    return np.asarray(exact + np.abs(exact) * (noise[0] + 1j * noise[1]), dtype=np.complex128)


def off(value: float | None, true: float, std: float | None) -> float:
    """Standard deviations from the truth, of a number there must be."""
    assert value is not None
    assert std is not None
    return abs(value - true) / std


@pytest.mark.parametrize("lowest", [0.1, 0.01])
@pytest.mark.parametrize("seed", [0, 1])
def test_slow_arc_inside_the_sweep_is_an_arc(lowest: float, seed: int) -> None:
    """Its apex at 0.16 Hz, which no tail describes: the interface is both arcs, to a few percent, and nothing is left out."""
    frequency, exact = two_arcs(lowest)
    found = fit_impedance(frequency, noisy(exact, 0.002, seed))
    assert off(found.interface_resistance_ohm, 90.0, found.interface_resistance_ohm_std) < 3
    assert found.interface_resistance_ohm == pytest.approx(90.0, rel=0.05)
    assert FLAG_TAIL_LEFT_OUT not in found.flags


def test_slow_arc_that_grows_is_found_from_the_spectrum_before() -> None:
    """The spectrum before had no slow arc; the one after begins where this one ended, and stays."""
    frequency, exact = two_arcs(0.1)
    before = fit_impedance(frequency, 5.0 + arc(np.asarray(2j * np.pi * frequency), 80.0, 1e-4, 0.85))
    grown = fit_impedance(frequency, noisy(exact, 0.002, 1), previous=before)
    later = fit_impedance(frequency, noisy(exact, 0.002, 2), previous=grown)
    for found in (grown, later):
        assert off(found.interface_resistance_ohm, 90.0, found.interface_resistance_ohm_std) < 3


@pytest.mark.parametrize("seed", range(4))
def test_arc_that_the_sweep_cuts_is_in_the_deviation_and_in_a_flag(seed: int) -> None:
    """The sweep ends a decade above the apex, where a tail describes the rise as well."""
    frequency, exact = two_arcs(1.0)
    found = fit_impedance(frequency, noisy(exact, 0.002, seed))
    assert FLAG_TAIL_LEFT_OUT in found.flags
    assert off(found.interface_resistance_ohm, 90.0, found.interface_resistance_ohm_std) < 2.5
    assert off(found.series_resistance_ohm, 5.0, found.series_resistance_ohm_std) < 3


@pytest.mark.parametrize("seed", range(4))
def test_arc_that_is_cut_above_diffusion_is_not_silently_lost(seed: int) -> None:
    """Two arcs and diffusion, cut at 10 Hz: no interface, or one whose deviation holds the truth; with the flag in any case."""
    frequency = frequencies(2e5, 10.0)
    jomega: Complex = np.asarray(2j * np.pi * frequency)
    exact = 5.0 + arc(jomega, 60.0, 2e-4, 0.85) + arc(jomega, 25.0, 0.02, 0.9) + diffusion(jomega, 20.0, 30.0)
    found = fit_impedance(frequency, noisy(exact, 0.001, seed))
    if found.interface_resistance_ohm is None:
        assert FLAG_OPEN_ARC in found.flags
    else:
        assert FLAG_TAIL_LEFT_OUT in found.flags
        assert off(found.interface_resistance_ohm, 85.0, found.interface_resistance_ohm_std) < 3


@pytest.mark.parametrize(("resistance", "flagged"), [(0.0, False), (1.0, False), (30.0, True)])
def test_tail_is_named_where_it_is_not_small(resistance: float, flagged: bool) -> None:
    """Diffusion beside an interface of 80 Ω."""
    frequency = frequencies(2e5, 0.1)
    jomega: Complex = np.asarray(2j * np.pi * frequency)
    found = fit_impedance(frequency, noisy(5.0 + arc(jomega, 80.0, 2e-4, 0.9) + diffusion(jomega, resistance, 20.0), 0.001, 3))
    assert (FLAG_TAIL_LEFT_OUT in found.flags) is flagged
    assert off(found.interface_resistance_ohm, 80.0, found.interface_resistance_ohm_std) < 3


def without_inductive_points(inductance: float, share: float, seed: int) -> ImpedanceFit:
    """20 mΩ and an arc of 30 mΩ from 2 kHz downwards."""
    frequency = frequencies(2e3, 0.05)
    jomega: Complex = np.asarray(2j * np.pi * frequency)
    exact = 0.02 + inductance * jomega + arc(jomega, 0.03, 1e-3, 0.8) + 0.003 / np.sqrt(jomega)
    return fit_impedance(frequency, noisy(np.asarray(exact), share, seed))


@pytest.mark.parametrize(("inductance", "share"), [(2e-7, 1e-3), (2e-7, 1e-2), (2e-8, 1e-3), (0.0, 1e-3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_inductance_that_no_point_shows_is_in_the_deviation(inductance: float, share: float, seed: int) -> None:
    """Below the frequencies of a cable's inductance the series resistance and the total are right within their σ."""
    found = without_inductive_points(inductance, share, seed)
    assert off(found.series_resistance_ohm, 0.02, found.series_resistance_ohm_std) < 3
    assert off(found.total_resistance_ohm, 0.05, found.total_resistance_ohm_std) < 3
