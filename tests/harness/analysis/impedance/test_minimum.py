"""The bounded least squares: the optimum of scipy's, and the walls of the box."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from harness.analysis.charge import Array
from harness.analysis.impedance.circuit_fit import Weights, residuals
from harness.analysis.impedance.circuits import circuit
from harness.analysis.impedance.elements import Grid
from harness.analysis.impedance.minimum import minimum
from harness.analysis.impedance.spectrum import sweep_of
from harness.analysis.impedance.starts import box, starting_points

LINE: Array = np.linspace(0.0, 3.0, 20)


def straight(parameters: Array) -> tuple[Array, Array]:
    """Residuals of 1 + 2x against a line."""
    return parameters[0] + parameters[1] * LINE - (1.0 + 2.0 * LINE), np.stack((np.ones(20), LINE))


def test_minimum_of_a_line_is_exact() -> None:
    """A linear problem ends at its solution."""
    found = minimum(straight, np.array([-4.0, 9.0]), np.array([-10.0, -10.0]), np.array([10.0, 10.0]))
    assert found.place == pytest.approx([1.0, 2.0], abs=1e-12)
    assert found.converged
    assert not found.held.any()


def test_minimum_rests_on_a_wall_with_the_rest_at_its_best() -> None:
    """With the slope bounded by 1.5 the offset is that of the best line of slope 1.5, and the slope is said to be held."""
    found = minimum(straight, np.array([-4.0, 0.0]), np.array([-10.0, -10.0]), np.array([10.0, 1.5]))
    assert found.place == pytest.approx([1.0 + 0.5 * 1.5, 1.5], abs=1e-9)
    assert found.held.tolist() == [False, True]


@pytest.mark.parametrize("seed", range(6))
def test_minimum_is_that_of_a_general_optimiser(seed: int) -> None:
    """From the same start on a noisy spectrum of two arcs and diffusion, scipy's trust region ends at the same parameters."""
    generator = np.random.default_rng(seed)
    frequency = np.logspace(4, -2, 49)
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1")
    values = np.array([0.016, 0.005, 0.4, 0.9, 0.0103, 4.4, 0.85, 0.0028]) * np.exp(0.05 * generator.normal(size=8))
    exact = chosen.impedance(dict(zip(chosen.names, values.tolist(), strict=True)), frequency)
    noise = generator.normal(size=(2, 49)) * 0.005
    sweep = sweep_of(frequency, exact * (1 + noise[0] + 1j * noise[1]))
    grid = Grid(sweep.omega)
    function, (lower, upper) = residuals(chosen, sweep, Weights.MODULUS, grid), box(chosen, sweep, (0.5, 1.0))
    start = starting_points(chosen, sweep, 8, grid)[seed]
    ours = minimum(function, start, lower, upper)
    theirs = least_squares(
        lambda place: function(place)[0],
        ours.place + 0.05,
        jac=lambda place: function(place)[1].T,
        bounds=(lower - 1e-9, upper + 0.1),
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-14,
    )
    assert ours.converged
    assert ours.cost <= theirs.cost * (1 + 1e-9)
