"""Equivalent circuits as objects: the impedance of one and its derivatives, exactly. No fitting, no text taken as code.

A circuit is a tree of elements in `Series` and `Parallel`. Its parameters are kept in two forms: *natural* values, in the units
that `Circuit.parameters` names, and *internal* ones, in which it is fitted: the logarithm of everything that is positive, an
exponent as it is. Derivatives are by internal parameters, and follow the tree by the chain rule: those of a sum are the parts',
those of branches side by side, Z = 1 / Σ 1/Z_k, are (Z / Z_k)² dZ_k.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.spectrum import Complex
from harness.errors import AnalysisError

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
class Series:
    """Parts one after the other."""

    parts: tuple[Element, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the parts, in order."""
        return tuple(parameter for part in self.parts for parameter in part.parameters)

    @cached_property
    def places(self) -> tuple[tuple[Element, slice], ...]:
        """Every part with the place of its parameters."""
        return _places(self.parts)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """The sum."""
        value: Complex = np.zeros(grid.omega.size, dtype=np.complex128)
        for part, place in self.places:
            value += part.evaluate(internal[place], grid, rows[place])
        return value


@dataclass(frozen=True)
class Parallel:
    """Branches side by side."""

    parts: tuple[Element, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the branches, in order."""
        return tuple(parameter for part in self.parts for parameter in part.parameters)

    @cached_property
    def places(self) -> tuple[tuple[Element, slice], ...]:
        """Every branch with the place of its parameters."""
        return _places(self.parts)

    def evaluate(self, internal: Sequence[float], grid: Grid, rows: Complex) -> Complex:
        """1 / Σ 1/Z_k; the branches' derivatives are multiplied by (Z / Z_k)²."""
        admittances = [1.0 / part.evaluate(internal[place], grid, rows[place]) for part, place in self.places]
        value: Complex = 1.0 / np.sum(admittances, axis=0)
        for (_, place), admittance in zip(self.places, admittances, strict=True):
            share = value * admittance
            rows[place] *= share * share
        return value


@dataclass(frozen=True)
class Circuit:
    """A named circuit: its elements, and which of its resistances are in series with everything and which the interface's."""

    name: str
    root: Series
    series: str
    interface: tuple[str, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All of them, in the order of every array of parameters."""
        return self.root.parameters

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def positive(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which parameters are fitted as logarithms."""
        return np.array([parameter.kind is Kind.POSITIVE for parameter in self.parameters])

    @cached_property
    def exponents(self) -> tuple[int, ...]:
        """The places of the exponents."""
        return tuple(np.flatnonzero(~self.positive).tolist())

    def evaluate(self, internal: Array, grid: Grid) -> tuple[Complex, Complex]:
        """Z (n) and its derivatives by the internal parameters (parameters × n)."""
        rows = np.empty((len(self.parameters), grid.omega.size), dtype=np.complex128)
        return self.root.evaluate(internal.tolist(), grid, rows), rows

    def impedance(self, values: Mapping[str, float], frequency_hertz: Array) -> Complex:
        """Z at natural parameter values.

        Raises:
            AnalysisError: a parameter is missing, unknown, or not positive; a frequency is not positive.
        """
        frequency = np.asarray(frequency_hertz, dtype=np.float64)
        if not np.all(frequency > 0):
            raise AnalysisError("an impedance was asked for at a frequency that is not positive")
        return self.evaluate(self.internal(values), Grid(2 * np.pi * frequency))[0]

    def internal(self, values: Mapping[str, float]) -> Array:
        """The internal parameters of natural ones.

        Raises:
            AnalysisError: one is missing, unknown, or not positive.
        """
        if unknown := sorted(set(values) ^ set(self.names)):
            raise AnalysisError(f"{self.name} has the parameters {', '.join(self.names)}; look at {', '.join(unknown)}")
        natural = np.array([values[name] for name in self.names], dtype=np.float64)
        if not np.all(natural > 0):
            raise AnalysisError(f"every parameter of {self.name} is positive; {self.names[int(np.argmin(natural))]} is not")
        return np.where(self.positive, np.log(natural), natural)

    def natural(self, internal: Array) -> Array:
        """Natural values of internal parameters, in the order of ``parameters``."""
        return np.where(self.positive, np.exp(np.where(self.positive, internal, 0.0)), internal)

    def with_inductance(self) -> Circuit:
        """The same with a cable's inductance L0 in series."""
        if "L0" in self.names:
            return self
        return Circuit(f"L0-{self.name}", Series((Inductor("L0"), *self.root.parts)), self.series, self.interface)


def arcs_and_tail(arcs: int, *tail: Element, inductance: bool = False) -> Circuit:
    """R0, ``arcs`` arcs R_i / (1 + (jωτ_i)ⁿ), and what follows them at low frequency."""
    parts: tuple[Element, ...] = (Resistor("R0"), *(Arc(str(number)) for number in range(1, arcs + 1)), *tail)
    names = ["R0", *(f"Arc{number}" for number in range(1, arcs + 1)), *(part.parameters[0].name.split("_")[0] for part in tail)]
    made = Circuit("-".join(names), Series(parts), "R0", tuple(f"R{number}" for number in range(1, arcs + 1)))
    return made.with_inductance() if inductance else made


def circuit(name: str) -> Circuit:
    """A circuit of the library by its name.

    Raises:
        AnalysisError: there is none of that name.
    """
    found = LIBRARY.get(name)
    if found is None:
        raise AnalysisError(f'there is no circuit "{name}"; there are {", ".join(LIBRARY)}')
    return found


def _places(parts: tuple[Element, ...]) -> tuple[tuple[Element, slice], ...]:
    ends = np.cumsum([0, *(len(part.parameters) for part in parts)]).tolist()
    return tuple((part, slice(begin, end)) for part, (begin, end) in zip(parts, pairwise(ends), strict=True))


def _root_and_tangent(log_tau: float, grid: Grid) -> tuple[Complex, Complex]:
    """√(jωτ) and its hyperbolic tangent, which is 1 where the root is large."""
    root: Complex = np.exp(0.5 * (grid.log_jomega + log_tau))
    bearable = np.where(root.real > STEEPEST, STEEPEST, root)
    return root, np.tanh(bearable)


def _rc(number: int) -> Parallel:
    return Parallel((Resistor(f"R{number}"), Capacitor(f"C{number}")))


def _rq(number: int) -> Parallel:
    return Parallel((Resistor(f"R{number}"), ConstantPhase(f"CPE{number}")))


def _made(name: str, *parts: Element, arcs: int) -> Circuit:
    return Circuit(name, Series((Resistor("R0"), *parts)), "R0", tuple(f"R{number}" for number in range(1, arcs + 1)))


_ONE, _TWO = "R0-p(R1,CPE1)", "R0-p(R1,CPE1)-p(R2,CPE2)"
_RANDLES = Parallel((Series((Resistor("R2"), WarburgOpen("Wo1"))), Capacitor("C2")))
LIBRARY: dict[str, Circuit] = {
    made.name: made
    for made in (
        _made(_ONE, _rq(1), arcs=1),
        _made(f"{_ONE}-W1", _rq(1), Warburg("W1"), arcs=1),
        _made(f"{_ONE}-Ws1", _rq(1), WarburgShort("Ws1"), arcs=1),
        _made(f"{_ONE}-CPE2", _rq(1), ConstantPhase("CPE2"), arcs=1),
        _made(_TWO, _rq(1), _rq(2), arcs=2),
        _made(f"{_TWO}-W1", _rq(1), _rq(2), Warburg("W1"), arcs=2),
        _made(f"{_TWO}-Ws1", _rq(1), _rq(2), WarburgShort("Ws1"), arcs=2),
        _made(f"{_TWO}-CPE3", _rq(1), _rq(2), ConstantPhase("CPE3"), arcs=2),
        _made("R0-p(R1,C1)-p(R2-Wo1,C2)", _rc(1), _RANDLES, arcs=2),
    )
}
"""Li||Li: two arcs and a short Warburg; Li||Cu before plating: one arc and a CPE; full cells: two arcs and a Warburg or a CPE."""
