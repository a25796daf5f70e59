"""Equivalent circuits as objects, and the library of those that have a name. No fitting, no text taken as code.

A circuit is a tree of elements (`elements`, with their conventions) that knows its parameters by name, and which of its
resistances are the interface's. Arcs are numbered from fast to slow where fits begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.elements import (
    Arc,
    Capacitor,
    ConstantPhase,
    Element,
    Grid,
    Inductor,
    Kind,
    Parallel,
    Parameter,
    Resistor,
    Series,
    Warburg,
    WarburgOpen,
    WarburgShort,
)
from harness.analysis.impedance.minimum import Mask
from harness.analysis.impedance.spectrum import Complex
from harness.errors import AnalysisError


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
    def positive(self) -> Mask:
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
