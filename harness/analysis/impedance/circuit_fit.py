"""The fit of one named circuit to one sweep: parameters, covariance, and the sum of the arcs before its parts. Chooses no
circuit.

Residuals are weighted: by the modulus (1/|Z|, the error of an instrument that auto-ranges), not at all, or each part by
itself. The optimum is the best of several starts (`starts`), found with the analytic Jacobian (`minimum`); from a previous
fit the search begins there, and goes no further when the fit is as good as that one was. From nothing, equal arcs are numbered
from fast to slow; from a previous fit they keep their numbers.

σ is that of the linearised model, (JᵀJ)⁻¹ χ²_ν: the residual itself says how large errors are, and they are taken as
independent. Where a model leaves a pattern in its residuals, or neighbours share their noise, that is too little, and
`correlated.correlated_errors` says how much it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance import parts, starts
from harness.analysis.impedance.circuits import Circuit
from harness.analysis.impedance.elements import Arc, ConstantPhase, Element, Grid, Parallel, Resistor
from harness.analysis.impedance.minimum import Function, Minimum, minimum
from harness.analysis.impedance.spectrum import Complex, Sweep
from harness.errors import AnalysisError

METHOD_VERSION = "circuit-1"

EXPONENTS = (0.5, 1.0)
COMPATIBLE_EXPONENTS = (0.3, 1.0)
"""What fits of other programs allow. An arc below 0.5 is then in the sum, and not identified as a part."""
WORSE = 1.5
"""A fit from the previous one is begun anew when its residuals are this many times larger."""
LEAST_COMPONENT = 0.01
"""Of |Z|: proportional weights take no component as smaller."""
FLAG_INDUCTANCE_ADDED = "inductance_added"
"""The sweep has inductive points and the circuit had no inductor: L0 was put in series."""
FLAG_NOT_CONVERGED = "not_converged"
FLAG_BEGUN_ANEW = "begun_anew"
FLAG_ON_A_BOUND = "on_a_bound"


class Weights(StrEnum):
    """What a residual is divided by: |Z|, nothing, or the real part for the real and the imaginary for the imaginary."""

    MODULUS = "modulus"
    UNIT = "unit"
    PROPORTIONAL = "proportional"


@dataclass(frozen=True, slots=True, eq=False)
class CircuitFit:
    """A circuit's optimum on one sweep. ``internal``, ``covariance`` (of the internal parameters) and ``correlation`` are
    in the order of ``circuit.parameters``; ``cost`` is half the weighted sum of squares, ``rms`` the root mean square of
    the weighted residual of a point.
    """

    circuit: Circuit
    weights: Weights
    internal: Array
    covariance: Array
    cost: float
    rms: float
    freedom: int
    parameters: dict[str, parts.FittedParameter]
    flags: frozenset[str]

    @property
    def correlation(self) -> Array:
        """Correlations of the internal parameters."""
        return parts.correlation(self.covariance)

    @property
    def values(self) -> dict[str, float]:
        """Natural parameters by name."""
        return {name: parameter.value for name, parameter in self.parameters.items()}

    @property
    def series(self) -> Estimate:
        """R0."""
        return self._sum((self.circuit.series,))

    @property
    def interface(self) -> Estimate:
        """The sum of the arcs' resistances."""
        return self._sum(self.circuit.interface)

    @property
    def total(self) -> Estimate:
        """R0 and the arcs."""
        return self._sum((self.circuit.series, *self.circuit.interface))

    def part(self, name: str) -> Estimate:
        """One parameter by itself, or why it says nothing by itself."""
        return self.parameters[name].estimate

    def impedance(self, frequency_hertz: Array) -> Complex:
        """Z of the fit."""
        return self.circuit.impedance(self.values, frequency_hertz)

    def _sum(self, names: Sequence[str]) -> Estimate:
        """Σ R with gᵀ C g, g = R for logarithmic parameters."""
        places = [self.circuit.names.index(name) for name in names]
        gradient = np.zeros(self.internal.size)
        gradient[places] = np.exp(self.internal[places])
        value = float(gradient.sum())
        return Estimate.student(value, math.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0)), self.freedom)


def fit_circuit(
    circuit: Circuit,
    sweep: Sweep,
    *,
    weights: Weights = Weights.MODULUS,
    starts_at_most: int = 8,
    previous: CircuitFit | None = None,
    exponents: tuple[float, float] = EXPONENTS,
) -> CircuitFit:
    """Fit ``circuit``; where the sweep has inductive points (Z″ > 0 at its fast end), an inductor L0 belongs to it. From a fit
    that differs by that alone the search begins anew.

    Raises:
        AnalysisError: the sweep has too few points for the circuit, or ``previous`` is of another one.
    """
    flags = set()
    if sweep.impedance_ohm[0].imag > 0 and "L0" not in circuit.names:
        circuit = circuit.with_inductance()
        flags.add(FLAG_INDUCTANCE_ADDED)
    if 2 * sweep.omega.size <= len(circuit.parameters):
        raise AnalysisError(f"{circuit.name} has {len(circuit.parameters)} parameters; {sweep.omega.size} points are too few")
    grid = Grid(sweep.omega)
    function, box = residuals(circuit, sweep, weights, grid), starts.box(circuit, sweep, exponents)
    best = None
    if previous is not None and previous.circuit != circuit:
        if previous.circuit.with_inductance() != circuit.with_inductance():
            raise AnalysisError(f"the previous fit is of {previous.circuit.name}, this one of {circuit.name}")
        flags.add(FLAG_BEGUN_ANEW)
    elif previous is not None:
        best = minimum(function, previous.internal, *box)
        if _rms(best) > WORSE * previous.rms:
            flags.add(FLAG_BEGUN_ANEW)
    if best is None or FLAG_BEGUN_ANEW in flags:
        tried = [minimum(function, start, *box) for start in starts.starting_points(circuit, sweep, starts_at_most, grid)]
        begun = _fast_to_slow(circuit, min(tried, key=lambda found: found.cost))
        best = begun if best is None or begun.cost < best.cost else best
    return _result(circuit, weights, best, flags)


def residuals(circuit: Circuit, sweep: Sweep, weights: Weights, grid: Grid) -> Function:
    """(Z_fit − Z) × weight, real and imaginary parts in turn, with derivatives."""
    measured = sweep.impedance_ohm
    modulus = np.abs(measured)
    factor = np.ones(2 * measured.size)
    if weights is Weights.MODULUS:
        factor = np.repeat(1.0 / modulus, 2)
    elif weights is Weights.PROPORTIONAL:
        factor = 1.0 / np.maximum(np.abs(measured.view(np.float64)), LEAST_COMPONENT * np.repeat(modulus, 2))

    def function(internal: Array) -> tuple[Array, Array]:
        value, rows = circuit.evaluate(internal, grid)
        return (value - measured).view(np.float64) * factor, rows.view(np.float64) * factor

    return function


def hsu_mansfeld_capacitance(resistance: float, amount: float, exponent: float) -> float:
    """C = (Q R)^(1/n) / R in farad, of R ∥ CPE whose time constants are distributed normal to the surface, as in a film.

    Hsu and Mansfeld 2001; named so by B. Hirschorn et al., Electrochim. Acta 55 (2010) 6218. It is τ / R of an `Arc`.
    """
    return float((amount * resistance) ** (1.0 / exponent) / resistance)


def brug_capacitance(series: float, resistance: float, amount: float, exponent: float) -> float:
    """C = Q^(1/n) (1/R_s + 1/R)^((n − 1)/n) in farad, of R ∥ CPE whose time constants are distributed along the surface.

    Brug, van den Eeden, Sluyters-Rehbach and Sluyters 1984; named so by Hirschorn et al. 2010.
    """
    return float(amount ** (1.0 / exponent) * (1.0 / series + 1.0 / resistance) ** ((exponent - 1.0) / exponent))


def capacitance(fit: CircuitFit, number: int, formula: str = "hsu_mansfeld") -> Estimate:
    """Capacitance of R‹number› ∥ CPE‹number› by ``formula`` (``hsu_mansfeld`` or ``brug``), σ from the covariance.

    Raises:
        AnalysisError: the circuit has no such arc, or there is no such formula.
    """
    names = (fit.circuit.series, f"R{number}", f"CPE{number}_Q", f"CPE{number}_n")
    if not any(_is_arc(part, number) for part in fit.circuit.root.parts):
        raise AnalysisError(f"{fit.circuit.name} has no R{number} beside a CPE{number}")
    if formula not in {"hsu_mansfeld", "brug"}:
        raise AnalysisError(f'there is no formula "{formula}" for a capacitance; there are hsu_mansfeld and brug')
    places = [fit.circuit.names.index(name) for name in names]
    series, resistance, amount, exponent = (fit.parameters[name].value for name in names)
    if formula == "hsu_mansfeld":
        value = hsu_mansfeld_capacitance(resistance, amount, exponent)
        slopes = [0.0, 1.0 / exponent - 1.0, 1.0 / exponent, -math.log(amount * resistance) / exponent**2]
    else:
        value = brug_capacitance(series, resistance, amount, exponent)
        both, power = 1.0 / series + 1.0 / resistance, (exponent - 1.0) / exponent
        slopes = [-power / (series * both), -power / (resistance * both), 1.0 / exponent]
        slopes.append((math.log(both) - math.log(amount)) / exponent**2)
    gradient = np.zeros(fit.internal.size)
    gradient[places] = slopes
    return Estimate.lognormal(value, math.sqrt(max(float(gradient @ fit.covariance @ gradient), 0.0)))


def _is_arc(part: Element, number: int) -> bool:
    return isinstance(part, Parallel) and part.parts == (Resistor(f"R{number}"), ConstantPhase(f"CPE{number}"))


def _fast_to_slow(circuit: Circuit, found: Minimum) -> Minimum:
    """The same minimum with arcs of the same kind, which may change places, in the order of their time constants."""
    order = np.arange(found.place.size)
    arcs = [(part, place) for part, place in circuit.root.places if isinstance(part, Arc | Parallel)]
    for kind in {_kind(part) for part, _ in arcs}:
        alike = [place for part, place in arcs if _kind(part) == kind]
        times = [_log_time(circuit, found.place, place) for place in alike]
        if None not in times:
            for place, source in zip(alike, np.argsort(np.array(times, dtype=np.float64), kind="stable"), strict=True):
                order[place] = np.arange(found.place.size)[alike[source]]
    return replace(found, place=found.place[order], jacobian=found.jacobian[order], held=found.held[order])


def _kind(part: Element) -> tuple[str, ...]:
    """What an arc is made of."""
    return tuple(type(inner).__name__ for inner in part.parts) if isinstance(part, Parallel) else (type(part).__name__,)


def _log_time(circuit: Circuit, internal: Array, place: slice) -> float | None:
    """The logarithm of the τ of an arc: its own, R C of R ∥ C, (R Q)^(1/n) of R ∥ CPE; ``None`` of anything else."""
    units = [parameter.unit for parameter in circuit.parameters[place]]
    values = internal[place].tolist()
    match units:
        case ["ohm", "second", "1"]:
            return float(values[1])
        case ["ohm", "farad"]:
            return float(values[0] + values[1])
        case ["ohm", "ohm^-1 s^n", "1"]:
            return float((values[0] + values[1]) / values[2])
        case _:
            return None


def _rms(found: Minimum) -> float:
    """Of complex points, of which each has two residuals."""
    return math.sqrt(4.0 * found.cost / found.residual.size)


def _result(circuit: Circuit, weights: Weights, found: Minimum, flags: set[str]) -> CircuitFit:
    if not found.converged:
        flags.add(FLAG_NOT_CONVERGED)
    if found.held.any():
        flags.add(FLAG_ON_A_BOUND)
    freedom = found.residual.size - int((~found.held).sum())
    covariance = parameter_covariance(found.jacobian, found.held) * (2.0 * found.cost / freedom)
    parameters = parts.fitted_parameters(circuit, found.place, covariance, found.held)
    rms = _rms(found)
    return CircuitFit(circuit, weights, found.place, covariance, found.cost, rms, freedom, parameters, frozenset(flags))


def parameter_covariance(jacobian: Array, held: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """(JᵀJ)⁻¹ of what is free, zero for what is held."""
    scale = np.linalg.norm(jacobian, axis=1)
    scale[held | (scale == 0.0)] = math.inf
    scaled = jacobian / scale[:, None]
    inverse: Array = np.linalg.pinv(scaled @ scaled.T, rcond=1e-14, hermitian=True)
    return inverse / np.outer(scale, scale)
