"""Many spectra of one cell fitted as one: the same circuit for all, each fit from the one before. Fits no growth law.

Where every spectrum chooses its circuit anew, a change of circuit looks like a change of the cell. Here one circuit is
chosen for all, by Akaike's criterion on the evidence of some of the spectra taken together, and every spectrum is then
fitted from its predecessor's result. A spectrum that this does not lead to a fit as good as its predecessor's (a short, a
new electrolyte, another cell on the channel) is begun anew, so that no later one is trapped in an old optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance import circuit_fit
from harness.analysis.impedance.circuit_fit import CircuitFit, Weights, fit_circuit
from harness.analysis.impedance.circuits import LIBRARY, Circuit
from harness.analysis.impedance.spectrum import Sweep
from harness.errors import AnalysisError

METHOD_VERSION = "eis-series-1"

WITNESSES = 7
"""So many spectra of a series, evenly spread over it, choose the circuit."""
SCORE_SHARE = 2e-3
"""Circuits whose residuals are smaller than this, relative to |Z|, are equally good."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesFit:
    """The fits of a series, in the order of its sweeps, and by how much each circuit's pooled score exceeds the chosen one's."""

    circuit: Circuit
    fits: tuple[CircuitFit, ...]
    scores: dict[str, float]

    @property
    def series_resistance_ohm(self) -> Array:
        """R0 of every spectrum; ``…_std`` beside it."""
        return self._values("series")

    @property
    def series_resistance_ohm_std(self) -> Array:
        """One standard deviation each."""
        return self._deviations("series")

    @property
    def interface_resistance_ohm(self) -> Array:
        """The sum of the arcs."""
        return self._values("interface")

    @property
    def interface_resistance_ohm_std(self) -> Array:
        """One standard deviation each."""
        return self._deviations("interface")

    @property
    def total_resistance_ohm(self) -> Array:
        """R0 and the arcs."""
        return self._values("total")

    @property
    def total_resistance_ohm_std(self) -> Array:
        """One standard deviation each."""
        return self._deviations("total")

    @property
    def parts(self) -> dict[str, tuple[Array, Array]]:
        """Arc resistances (values, σ) that are identified in every spectrum of the series."""
        names = [name for name in self.circuit.interface if not self.unidentified(name)]
        return {
            name: (
                np.array([fit.parameters[name].value for fit in self.fits]),
                np.array([fit.parameters[name].std for fit in self.fits], dtype=np.float64),
            )
            for name in names
        }

    @property
    def flags(self) -> tuple[frozenset[str], ...]:
        """Of every spectrum."""
        return tuple(fit.flags for fit in self.fits)

    def unidentified(self, name: str) -> str:
        """Why a part has no series, with the first spectrum that says so; "" when it has."""
        for number, fit in enumerate(self.fits, 1):
            if fit.parameters[name].unidentified:
                return f"spectrum {number}: {fit.parameters[name].unidentified}"
        return ""

    def _values(self, name: str) -> Array:
        return np.array([getattr(fit, name).value for fit in self.fits])

    def _deviations(self, name: str) -> Array:
        return np.array([getattr(fit, name).std for fit in self.fits])


def fit_series(
    sweeps: Sequence[Sweep],
    *,
    circuits: Sequence[Circuit] = tuple(LIBRARY.values()),
    weights: Weights = Weights.MODULUS,
    exponents: tuple[float, float] = circuit_fit.EXPONENTS,
) -> SeriesFit:
    """Fit ``sweeps`` in their order with that of ``circuits`` that describes them best together.

    Where any of the sweeps has inductive points, an inductor belongs to the circuit of all.

    Raises:
        AnalysisError: no sweeps, no circuits, or sweeps with too few points for every circuit.
    """
    if not sweeps or not circuits:
        raise AnalysisError("a series needs at least one sweep and one circuit")
    fewest = min(sweep.omega.size for sweep in sweeps)
    bearable = [circuit for circuit in circuits if len(circuit.parameters) + 1 < 2 * fewest]
    if not bearable:
        raise AnalysisError(f"a sweep of the series has {fewest} points: too few for any of the circuits")
    if any(sweep.impedance_ohm[0].imag > 0 for sweep in sweeps):
        bearable = [circuit.with_inductance() for circuit in bearable]
    circuit, scores = _chosen(sweeps, bearable, weights, exponents)
    fits: list[CircuitFit] = []
    for sweep in sweeps:
        fits.append(fit_circuit(circuit, sweep, weights=weights, exponents=exponents, previous=fits[-1] if fits else None))
    return SeriesFit(circuit, tuple(fits), scores)


def _chosen(
    sweeps: Sequence[Sweep], circuits: Sequence[Circuit], weights: Weights, exponents: tuple[float, float]
) -> tuple[Circuit, dict[str, float]]:
    """The circuit with the least Σ (χ² + 2k), the variance of a spectrum's χ² being that of the best circuit's residuals."""
    if len(circuits) == 1:
        return circuits[0], {circuits[0].name: 0.0}
    witnesses = [sweeps[place] for place in np.unique(np.linspace(0, len(sweeps) - 1, WITNESSES).round().astype(int))]
    pooled = np.zeros(len(circuits))
    for sweep in witnesses:
        fits = [fit_circuit(circuit, sweep, weights=weights, exponents=exponents) for circuit in circuits]
        floor = SCORE_SHARE**2 * (1.0 if weights is not Weights.UNIT else float(np.mean(np.abs(sweep.impedance_ohm) ** 2)))
        variance = max(min(2.0 * fit.cost / fit.freedom for fit in fits), floor)
        pooled += [2.0 * fit.cost / variance + 2.0 * len(fit.circuit.parameters) for fit in fits]
    best = int(np.argmin(pooled))
    return circuits[best], {circuit.name: float(excess) for circuit, excess in zip(circuits, pooled - pooled[best], strict=True)}
