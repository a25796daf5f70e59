"""Intervals of a circuit fit from its own residuals, neighbours kept together. Slow beside a covariance: hundreds of fits.

Blocks of neighbouring residuals are drawn with replacement and laid on the fitted spectrum; every such spectrum is fitted
from the original optimum (Künsch 1989: blocks keep the correlation that a covariance takes as
none).
"""

from __future__ import annotations

import math

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance import circuit_fit, starts
from harness.analysis.impedance.circuit_fit import CircuitFit
from harness.analysis.impedance.elements import Grid
from harness.analysis.impedance.minimum import minimum
from harness.analysis.impedance.spectrum import Sweep
from harness.errors import AnalysisError


def block_bootstrap(
    fit: CircuitFit, sweep: Sweep, *, draws: int = 200, seed: int = 0, exponents: tuple[float, float] = circuit_fit.EXPONENTS
) -> dict[str, Estimate]:
    """``series``, ``interface`` and ``total`` resistance with σ and a 95 % interval; blocks are of the cube root of the points.

    Raises:
        AnalysisError: fewer than 40 draws, which give no interval.
    """
    if draws < 40:
        raise AnalysisError(f"{draws} draws give no 95 % interval; take 40 or more")
    generator = np.random.default_rng(seed)
    grid = Grid(sweep.omega)
    box = starts.box(fit.circuit, sweep, exponents)
    function = circuit_fit.residuals(fit.circuit, sweep, fit.weights, grid)
    left = function(fit.internal)[0]
    spread = left * math.sqrt(left.size / fit.freedom)
    names = fit.circuit.names
    interface = [names.index(name) for name in fit.circuit.interface]
    found = []
    for _ in range(draws):
        drawn = _blocks(spread, generator)

        def shifted(internal: Array, drawn: Array = drawn) -> tuple[Array, Array]:
            residual, rows = function(internal)
            return residual - left + drawn, rows

        place = minimum(shifted, fit.internal, *box).place
        series, arcs = math.exp(place[names.index(fit.circuit.series)]), float(np.exp(place[interface]).sum())
        found.append((series, arcs, series + arcs))
    values = (fit.series.value, fit.interface.value, fit.total.value)
    return {
        name: _estimate(value, np.array(column))
        for name, value, column in zip(("series", "interface", "total"), values, zip(*found, strict=True), strict=True)
    }


def _blocks(left: Array, generator: np.random.Generator) -> Array:
    """Residuals (real and imaginary part in turn) of whole blocks of points, the ends joined, about their mean."""
    points = (left - left.mean()).reshape(-1, 2)
    size = max(1, round(len(points) ** (1.0 / 3.0)))
    begins = generator.integers(0, len(points), math.ceil(len(points) / size))
    chosen = (begins[:, None] + np.arange(size)).ravel()[: len(points)] % len(points)
    drawn: Array = points[chosen].ravel()
    return drawn


def _estimate(value: float | None, drawn: Array) -> Estimate:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(value, float(drawn.std(ddof=1)), float(low), float(high))
