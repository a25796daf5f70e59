"""A series of spectra as one call: one circuit, growth followed, jumps survived, parts only where all spectra identify them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.charge import Array
from harness.analysis.impedance.circuits import LIBRARY, circuit
from harness.analysis.impedance.series import fit_series
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from harness.errors import AnalysisError

FREQUENCY: Array = np.logspace(4.5, -1.5, 43)
CANDIDATES = [circuit("R0-p(R1,CPE1)"), circuit("R0-p(R1,CPE1)-W1"), circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1")]


def aged(growth: float, generator: np.random.Generator) -> Sweep:
    """A cell whose second arc has grown."""
    values = {
        "R0": 5.0,
        "R1": 30.0,
        "CPE1_Q": 2e-5,
        "CPE1_n": 0.9,
        "R2": 20.0 * growth,
        "CPE2_Q": 5e-3,
        "CPE2_n": 0.9,
        "W1_A": 1.0,
    }
    exact = circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1").impedance(values, FREQUENCY)
    noise = generator.normal(size=(2, FREQUENCY.size)) * 0.001
    return sweep_of(FREQUENCY, exact + np.abs(exact) * (noise[0] + 1j * noise[1]))


def test_series_follows_growth_with_one_circuit() -> None:
    """Twenty spectra of a growing arc: the right circuit for all, sums within 3.5 σ, and both parts identified."""
    generator = np.random.default_rng(3)
    growth = np.linspace(1.0, 3.0, 20)
    found = fit_series([aged(one, generator) for one in growth], circuits=CANDIDATES)
    assert found.circuit.name == "R0-p(R1,CPE1)-p(R2,CPE2)-W1"
    assert min(excess for name, excess in found.scores.items() if name != found.circuit.name) > 100
    assert np.all(np.abs(found.interface_resistance_ohm - (30.0 + 20.0 * growth)) <= 3.5 * found.interface_resistance_ohm_std)
    assert np.all(np.abs(found.total_resistance_ohm - (35.0 + 20.0 * growth)) <= 3.5 * found.total_resistance_ohm_std)
    assert np.all(np.abs(found.series_resistance_ohm - 5.0) <= 3.5 * found.series_resistance_ohm_std)
    assert set(found.parts) == {"R1", "R2"}
    values, deviations = found.parts["R2"]
    assert np.all(np.abs(values - 20.0 * growth) <= 3.5 * deviations)
    assert found.flags == (frozenset(),) * 20


def test_series_survives_a_jump() -> None:
    """A spectrum of something else in between does not spoil those after it."""
    generator = np.random.default_rng(4)
    sweeps = [aged(1.0, generator) for _ in range(3)]
    other = circuit("R0-p(R1,CPE1)").impedance({"R0": 1.0, "R1": 2.0, "CPE1_Q": 1e-3, "CPE1_n": 0.8}, FREQUENCY)
    found = fit_series([*sweeps, sweep_of(FREQUENCY, other), *sweeps], circuits=CANDIDATES[2:])
    assert found.interface_resistance_ohm[4:] == pytest.approx(found.interface_resistance_ohm[:3], rel=1e-4)
    assert found.interface_resistance_ohm[3] == pytest.approx(2.0, rel=0.02)


def test_series_says_which_spectrum_leaves_a_part_unidentified() -> None:
    """With arcs that overlap entirely the parts are left out, with the first spectrum that says why."""
    values = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 2e-5, "CPE1_n": 0.8, "R2": 20.0, "CPE2_Q": 4e-5, "CPE2_n": 0.8}
    generator = np.random.default_rng(6)
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    exact = chosen.impedance(values, FREQUENCY)
    noise = generator.normal(size=(2, FREQUENCY.size)) * 0.002
    found = fit_series([sweep_of(FREQUENCY, exact + np.abs(exact) * (noise[0] + 1j * noise[1]))], circuits=[chosen])
    assert found.parts == {}
    assert found.unidentified("R1").startswith("spectrum 1: ")
    assert found.interface_resistance_ohm == pytest.approx([50.0], rel=0.02)


def test_series_refuses_nothing() -> None:
    """No sweeps, no circuits, sweeps of too few points."""
    sweep = sweep_of(FREQUENCY[:2], np.array([1 - 1j, 2 - 2j]))
    for sweeps, circuits, complaint in (
        ([], CANDIDATES, "at least one"),
        ([sweep], [], "at least one"),
        ([sweep], list(LIBRARY.values()), "few"),
    ):
        with pytest.raises(AnalysisError, match=complaint):
            fit_series(sweeps, circuits=circuits)
