"""The elements of equivalent circuits: the impedance of each, alone and combined, and its derivatives. No circuits, no fitting.

Parameters are kept in two forms: *natural* values, in the units that `Parameter` names, and *internal* ones, in which they
are fitted: the logarithm of everything that is positive, an exponent as it is. Derivatives are by internal parameters, and
follow a tree of `Series` and `Parallel` by the chain rule: those of a sum are the parts', those of branches side by side, Z
= 1 / Σ 1/Z_k, are (Z / Z_k)² dZ_k.

Conventions (those of impedance.py, so that numbers can be compared; ω = 2πf; imaginary parts are negative where capacitive):

=====================  =========================================  ===========================================
element                impedance                                  parameters
=====================  =========================================  ===========================================
`Resistor` R1          R                                          R1 / ohm
`Inductor` L0          jωL                                        L0 / henry
`Capacitor` C1         1 / (jωC)                                  C1 / farad
`ConstantPhase` CPE1   1 / (Q (jω)ⁿ)                              CPE1_Q / ohm⁻¹ sⁿ, CPE1_n / 1
`Warburg` W1           A (1 − j) / √ω, semi-infinite              W1_A / ohm s⁻⁰·⁵
`WarburgShort` Ws1     R tanh√(jωτ) / √(jωτ), transmissive end    Ws1_R / ohm, Ws1_tau / second
`WarburgOpen` Wo1      R coth√(jωτ) / √(jωτ), reflecting end      Wo1_R / ohm, Wo1_tau / second
`Arc` 1                R / (1 + (jωτ)ⁿ), which is R ∥ CPE         R1 / ohm, tau1 / second, n1 / 1
=====================  =========================================  ===========================================

τ of a Warburg element is L²/D. An `Arc` is R ∥ CPE with τⁿ = R Q: the same circle, in parameters that do not trade with each
other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.spectrum import Complex

STEEPEST = 50.0
"""|Re √(jωτ)| beyond which tanh is 1 to the last bit; computed further, its parts overflow."""


class Kind(Enum):
    """How a parameter is fitted."""

    POSITIVE = "positive"
    EXPONENT = "exponent"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a circuit, its unit, and how it is fitted. An element is α times as large with α^``power`` of it."""

    name: str
    unit: str
    power: int
    kind: Kind = Kind.POSITIVE


class Grid:
    """Frequencies, and what every element needs of them: jω and its logarithm."""

    __slots__ = ("jomega", "log_jomega", "omega")

    def __init__(self, omega: Array) -> None:
        self.omega = omega
        self.jomega: Complex = np.asarray(1j * omega, dtype=np.complex128)
        self.log_jomega: Complex = np.log(self.jomega)


class Element(Protocol):
    """A part of a circuit with two ends."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its numbers, in the order in which they are given."""

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Z at every frequency; ``rows`` (one per parameter) is filled with the derivatives by the internal parameters."""


@dataclass(frozen=True)
class Resistor:
    """R."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """R."""
        return (Parameter(self.label, "ohm", 1),)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:  # noqa: ARG002 - the same at all of them
        """R, its own derivative by ln R."""
        rows[0] = math.exp(internal[0])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class Inductor:
    """A coil, or the cable."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """L."""
        return (Parameter(self.label, "henry", 1),)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Z is its own derivative by ln L."""
        np.multiply(grid.jomega, math.exp(internal[0]), out=rows[0])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class Capacitor:
    """C."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """C."""
        return (Parameter(self.label, "farad", -1),)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """The derivative by ln C is −Z."""
        np.divide(-math.exp(-internal[0]), grid.jomega, out=rows[0])
        value: Complex = -rows[0]
        return value


@dataclass(frozen=True)
class ConstantPhase:
    """A capacitance that is spread out: the same phase at every frequency."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Q and n."""
        return (Parameter(f"{self.label}_Q", "ohm^-1 s^n", -1), Parameter(f"{self.label}_n", "1", 0, Kind.EXPONENT))

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Derivatives: −Z by ln Q, −Z ln(jω) by n."""
        value: Complex = np.exp(-internal[0] - internal[1] * grid.log_jomega)
        np.negative(value, out=rows[0])
        np.multiply(rows[0], grid.log_jomega, out=rows[1])
        return value


@dataclass(frozen=True)
class Warburg:
    """Diffusion without end."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """A."""
        return (Parameter(f"{self.label}_A", "ohm s^-0.5", 1),)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Z is its own derivative by ln A; (1 − j) / √ω is √2 / √(jω)."""
        np.multiply(np.exp(-0.5 * grid.log_jomega), math.sqrt(2.0) * math.exp(internal[0]), out=rows[0])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class WarburgShort:
    """Diffusion over a finite length to a place of fixed concentration: at low frequency the resistance R."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """R and τ."""
        return (Parameter(f"{self.label}_R", "ohm", 1), Parameter(f"{self.label}_tau", "second", 0))

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Derivatives: Z by ln R; with t = tanh x and x = √(jωτ), (R/2) (1 − t² − t/x) by ln τ."""
        root, tangent = _root_and_tangent(internal[1], grid)
        size = math.exp(internal[0])
        ratio = tangent / root
        np.multiply(ratio, size, out=rows[0])
        np.multiply(1.0 - tangent * tangent - ratio, 0.5 * size, out=rows[1])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class WarburgOpen:
    """Diffusion over a finite length to a wall: at low frequency a capacitance τ/R."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """R and τ."""
        return (Parameter(f"{self.label}_R", "ohm", 1), Parameter(f"{self.label}_tau", "second", 0))

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Derivatives: Z by ln R; with c = coth x, (R/2) (1 − c² − c/x) by ln τ."""
        root, tangent = _root_and_tangent(internal[1], grid)
        size, cotangent = math.exp(internal[0]), 1.0 / tangent
        ratio = cotangent / root
        np.multiply(ratio, size, out=rows[0])
        np.multiply(1.0 - cotangent * cotangent - ratio, 0.5 * size, out=rows[1])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class Arc:
    """R ∥ CPE by its own time constant: R / (1 + (jωτ)ⁿ)."""

    label: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """R, τ and n."""
        return (
            Parameter(f"R{self.label}", "ohm", 1),
            Parameter(f"tau{self.label}", "second", 0),
            Parameter(f"n{self.label}", "1", 0, Kind.EXPONENT),
        )

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """Derivatives, with u = (jωτ)ⁿ: Z by ln R, −n Z u/(1 + u) by ln τ, −Z u/(1 + u) ln(jωτ) by n."""
        logarithm = grid.log_jomega + internal[1]
        power = np.exp(internal[2] * logarithm)
        below = 1.0 / (1.0 + power)
        np.multiply(below, math.exp(internal[0]), out=rows[0])
        slope = rows[0] * (below - 1.0)
        np.multiply(slope, internal[2], out=rows[1])
        np.multiply(slope, logarithm, out=rows[2])
        value: Complex = rows[0]
        return value


@dataclass(frozen=True)
class _Composed:
    """Several parts and the place of each one's parameters."""

    parts: tuple[Element, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the parts, in order."""
        return tuple(parameter for part in self.parts for parameter in part.parameters)

    @cached_property
    def places(self) -> tuple[tuple[Element, slice], ...]:
        """Every part with the place of its parameters."""
        ends = np.cumsum([0, *(len(part.parameters) for part in self.parts)]).tolist()
        return tuple((part, slice(begin, end)) for part, (begin, end) in zip(self.parts, pairwise(ends), strict=True))


@dataclass(frozen=True)
class Series(_Composed):
    """Parts one after the other."""

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """The sum."""
        value: Complex = np.zeros(grid.omega.size, dtype=np.complex128)
        for part, place in self.places:
            value += part.evaluate(internal[place], grid, rows[place])
        return value


@dataclass(frozen=True)
class Parallel(_Composed):
    """Branches side by side."""

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """1 / Σ 1/Z_k; the branches' derivatives are multiplied by (Z / Z_k)²."""
        admittances = [1.0 / part.evaluate(internal[place], grid, rows[place]) for part, place in self.places]
        value: Complex = 1.0 / np.sum(admittances, axis=0)
        for (_, place), admittance in zip(self.places, admittances, strict=True):
            share = value * admittance
            rows[place] *= share * share
        return value


def _root_and_tangent(log_tau: float, grid: Grid) -> tuple[Complex, Complex]:
    """√(jωτ) and its hyperbolic tangent, which is 1 where the root is large."""
    root: Complex = np.exp(0.5 * (grid.log_jomega + log_tau))
    bearable = np.where(root.real > STEEPEST, STEEPEST, root)
    return root, np.tanh(bearable)
