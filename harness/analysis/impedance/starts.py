"""Where the fit of a circuit begins, and the box it stays in, both from the spectrum alone. Fits nothing but linear amplitudes.

Of the parameters only times and exponents are hard to guess. Arcs are therefore laid out over the sweep in several ways,
exponents begin at 0.85, and the sizes of all parts in series, in which the impedance is linear, are those of the best sum
(non-negative least squares, weighted by the modulus).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.circuits import Circuit
from harness.analysis.impedance.elements import (
    Arc,
    Capacitor,
    ConstantPhase,
    Element,
    Grid,
    Inductor,
    Kind,
    Parallel,
    Resistor,
    Series,
    Warburg,
    WarburgOpen,
    WarburgShort,
)
from harness.analysis.impedance.spectrum import Sweep

PLACES = (0.08, 0.23, 0.38, 0.53, 0.68, 0.83)
"""Where arcs may begin, as shares of the sweep from its fast end, in decades."""
ARC_EXPONENT = 0.85
TAIL_EXPONENT = 0.6
LEAST_PART = 1e-4
"""A part that the best sum does without begins at this share of |Z|."""
SMALLEST, LARGEST = 1e-8, 1e3
"""Of the largest |Z|: what a resistance may be."""
FASTER, SLOWER = 0.08, 1.0
"""An arc's τ lies between 1/ω of the fast end times the one and of the slow end times the other."""


def box(
    circuit: Circuit, sweep: Sweep, exponents: tuple[float, float], *, slowest_second: float = math.inf
) -> tuple[Array, Array]:
    """The least and largest internal parameters; ``slowest_second`` is a limit for the τ of arcs."""
    size = float(np.abs(sweep.impedance_ohm).max())
    fast, slow = 1.0 / float(sweep.omega[0]), 1.0 / float(sweep.omega[-1])
    lower, upper = [], []
    for parameter in circuit.parameters:
        if parameter.kind is Kind.EXPONENT:
            low, high = exponents
        elif parameter.unit == "second" and parameter.name.startswith("tau"):
            low, high = math.log(FASTER * fast), math.log(max(min(SLOWER * slow, slowest_second), fast))
        elif parameter.unit == "second":
            low, high = math.log(0.05 * slow), math.log(1e4 * slow)
        elif parameter.unit == "henry":
            low, high = math.log(SMALLEST * size * fast), math.log(LARGEST * size * fast)
        elif parameter.power < 0:
            low, high = math.log(fast / size) - 12.0, math.log(slow / size) + 14.0
        else:
            low, high = math.log(SMALLEST * size), math.log(LARGEST * size)
        lower.append(low)
        upper.append(high)
    return np.array(lower), np.array(upper)


def starting_points(circuit: Circuit, sweep: Sweep, count: int, grid: Grid) -> list[Array]:
    """At most ``count`` internal parameter vectors, the arcs laid out differently in each."""
    arcs = sum(isinstance(part, Arc | Parallel) for part in circuit.root.parts)
    layouts = list(combinations(places(sweep), arcs))
    chosen = np.unique(np.linspace(0, len(layouts) - 1, min(count, len(layouts))).astype(int))
    return [start_with(circuit, sweep, [(time, ARC_EXPONENT) for time in layouts[place]], grid) for place in chosen]


def places(sweep: Sweep) -> list[float]:
    """The values of ln τ at which an arc may begin."""
    fast, slow = -math.log(sweep.omega[0]), -math.log(sweep.omega[-1])
    return [fast + share * (slow - fast) for share in PLACES]


def start_with(circuit: Circuit, sweep: Sweep, arcs: Sequence[tuple[float, float]], grid: Grid) -> Array:
    """Arcs of these (ln τ, n), every part as large as the best sum of them all wants it."""
    slow = -math.log(sweep.omega[-1])
    given = iter(arcs)
    unit: list[float] = []
    for part in circuit.root.parts:
        log_tau, exponent = next(given) if isinstance(part, Arc | Parallel) else (slow, TAIL_EXPONENT)
        unit += _unit(part, log_tau, exponent, slow)
    internal = np.array(unit)
    powers = np.array([parameter.power for parameter in circuit.parameters])
    for (_, place), size in zip(circuit.root.places, _sizes(circuit, sweep, unit, grid), strict=True):
        internal[place] += powers[place] * math.log(size)
    return internal


def _sizes(circuit: Circuit, sweep: Sweep, unit: list[float], grid: Grid) -> Array:
    from scipy.optimize import nnls  # noqa: PLC0415 - the import alone costs 0.2 s, and only fits need it

    weight = 1.0 / np.abs(sweep.impedance_ohm)
    rows = np.empty((len(unit), weight.size), dtype=np.complex128)
    columns = np.array([part.evaluate(unit[place], grid, rows[place]) * weight for part, place in circuit.root.places])
    matrix = np.ascontiguousarray(columns).view(np.float64).T
    norms = np.linalg.norm(matrix, axis=0)
    wanted = np.ascontiguousarray(sweep.impedance_ohm * weight).view(np.float64)
    amounts = np.asarray(nnls(matrix / norms, wanted)[0]) / norms
    sizes: Array = np.maximum(amounts, LEAST_PART * math.sqrt(weight.size) / norms)
    return sizes


def _unit(part: Element, log_tau: float, exponent: float, slow: float) -> list[float]:
    """Internal parameters of a part of about one ohm with this time and exponent."""
    match part:
        case Arc():
            return [0.0, log_tau, exponent]
        case Resistor() | Inductor() | Warburg():
            return [0.0]
        case Capacitor():
            return [log_tau]
        case ConstantPhase():
            return [exponent * log_tau, exponent]
        case WarburgShort() | WarburgOpen():
            return [0.0, slow]
        case Series() | Parallel():
            return [value for inner in part.parts for value in _unit(inner, log_tau, exponent, slow)]
        case _:
            raise TypeError(f"{type(part).__name__} is no element")
