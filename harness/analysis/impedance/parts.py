"""Which parameters of a fitted circuit mean something by themselves. Computes no fit; the sum of the arcs needs no such
question.

Two arcs that overlap trade resistance with each other: three programs give one spectrum's R₂ as 4.4 to 6.4 mΩ, and R₁ + R₂
as 14.7 to 15.2. A resistance stands alone when it is known to 20 %, is not tied to another resistance by a correlation of
0.9, rests on no bound, and all arcs are arcs (an exponent of 0.5 or more: what has less is a diffusion or a row of arcs,
and took from the others).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance.circuits import Circuit
from harness.analysis.impedance.elements import Kind
from harness.analysis.impedance.minimum import Mask

MOST_RELATIVE_STD = 0.2
MOST_CORRELATION = 0.9
LEAST_EXPONENT = 0.5
ON_IT = 1e-9
"""An exponent that rests on that bound would be lower if it might."""
HELD = "it rests on the bound of its range"


@dataclass(frozen=True, slots=True)
class FittedParameter:
    """A parameter of a circuit in the unit of the circuit's list, and whether (``unidentified`` is empty) it means something."""

    value: float
    std: float | None
    unidentified: str

    @property
    def estimate(self) -> Estimate:
        """The number with its interval, or the refusal."""
        if self.unidentified or self.std is None:
            return Estimate.refused(self.unidentified)
        return Estimate.lognormal(self.value, self.std / self.value)


def fitted_parameters(circuit: Circuit, internal: Array, covariance: Array, held: Mask) -> dict[str, FittedParameter]:
    """Every parameter by its name; ``covariance`` is that of the internal ones."""
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    values = circuit.natural(internal)
    natural_std = np.where(circuit.positive, values * std, std)
    reasons = _reasons(circuit, internal, covariance, held)
    return {
        name: FittedParameter(float(values[place]), None if held[place] else float(natural_std[place]), reasons[name])
        for place, name in enumerate(circuit.names)
    }


def correlation(covariance: Array) -> Array:
    """Correlations; zero where a variance is zero."""
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(std > 0, std, math.inf)
    return np.where(np.eye(std.size, dtype=np.bool_), 1.0, covariance / np.outer(scale, scale))


def _reasons(circuit: Circuit, internal: Array, covariance: Array, held: Mask) -> dict[str, str]:
    """By name, why a parameter does not stand alone; what stands beside a resistance that does not, does not either."""
    tied = np.abs(correlation(covariance))
    resistances = [circuit.names.index(name) for name in (circuit.series, *circuit.interface)]
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    flat = _flat_arc(circuit, internal)
    reasons: dict[str, str] = {}
    for _, place in circuit.root.places:
        own = range(place.start, place.stop)
        arcs = [circuit.names.index(name) for name in circuit.interface if circuit.names.index(name) in own]
        for number in own:
            others = [other for other in resistances if other != number] if number in resistances else []
            reasons[circuit.names[number]] = _of_its_own(circuit.names[number], number, others, (std, tied), held)
        shared = next((reason for reason in (flat, *(reasons[circuit.names[arc]] for arc in arcs)) if reason), "")
        if arcs and shared:
            reasons |= {circuit.names[number]: shared for number in own}
    return reasons


def _flat_arc(circuit: Circuit, internal: Array) -> str:
    """Whether an arc is none: what it took belongs to the others, and no one can say how much to which."""
    for _, place in circuit.root.places:
        own = range(place.start, place.stop)
        if any(circuit.names.index(name) in own for name in circuit.interface):
            for number in own:
                if circuit.parameters[number].kind is Kind.EXPONENT and internal[number] <= LEAST_EXPONENT + ON_IT:
                    return f"{circuit.names[number]} is {internal[number]:.2f}, which is no arc: the split is open"
    return ""


def _of_its_own(name: str, number: int, others: list[int], known: tuple[Array, Array], held: Mask) -> str:
    std, tied = known
    if held[number]:
        return HELD
    if std[number] > MOST_RELATIVE_STD:
        return f"{name} is known to {100 * std[number]:.0f} %"
    close = [other for other in others if tied[number, other] > MOST_CORRELATION]
    return f"{name} is correlated with another resistance by {tied[number, close[0]]:.2f}" if close else ""
