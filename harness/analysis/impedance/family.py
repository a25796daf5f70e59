"""The small family of circuits that any cell's spectrum is compared with, and the fit of them all. Judges nothing, averages
nothing.

Every member is R0 + jωL + one to three arcs + a tail: nothing, diffusion to a place of fixed concentration, a
constant-phase element, or both. Residuals are relative to |Z|. To them come as many weak ones as there are exponents, (n −
0.85) / 0.15 for arcs and (n − 0.6) / 0.2 for tails, each as heavy as one residual of `PRIOR_SHARE`: where a spectrum does
not say how depressed an arc is, an arc of a real interface is taken, and the fit has one answer instead of a valley.

Arcs may be no slower than `SLOWEST_ARC_SECOND`, or an arc would do what diffusion does; what speaks for a slower one is asked
in `rivals`.

From a previous spectrum's family every member begins where it ended, and a member that after a few steps is far behind is left
there. Without it, a member of k arcs begins with the arcs of that of k − 1, and one more at each of several places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance import starts
from harness.analysis.impedance.circuits import Circuit, arcs_and_tail
from harness.analysis.impedance.elements import ConstantPhase, Element, Grid, WarburgShort
from harness.analysis.impedance.minimum import Function, Minimum, minimum
from harness.analysis.impedance.spectrum import Sweep

MOST_ARCS = 3
EXPONENTS = (0.3, 1.0)
SLOWEST_ARC_SECOND = 0.25
"""0.6 Hz. Interfaces of lithium and of cathodes answer faster at all but low temperatures, diffusion slower."""
PRIOR_SHARE = 1e-3
ARC_PRIOR, TAIL_PRIOR = (0.85, 0.15), (0.6, 0.2)
SCORE_SHARE = 4e-3
"""Models whose residuals are smaller than this compare as if they had it. It is larger than noise, so that not the noise of one
spectrum decides between circuits, and no larger than what circuits of a few elements can promise."""
CLOSE, LEAST_NOISE, MOST_NOISE = 1e-2, 1e-4, 1e-3
"""Fits end this many standard deviations from their best, those being of the spectrum's own noise within limits."""
FIRST_STEPS, MOST_STEPS, MOST_STEPS_FROM_PREVIOUS = 20, 300, 150
FEW_STEPS = 8
PLAUSIBLE = 1.5
"""Members whose residuals are up to this many times the best one's (or the share below which they compare alike) may be true."""
WORSE, JUMP = 1.5, 1.2
"""A family that fits this many times worse than the one it began from, or has grown by as much as that, begins anew."""
_TAILS: tuple[tuple[Element, ...], ...] = (
    (),
    (WarburgShort("Ws1"),),
    (ConstantPhase("CPE1"),),
    (WarburgShort("Ws1"), ConstantPhase("CPE1")),
)
INDUCTIVE_HERTZ = 2e4
"""A cable's inductance belongs to sweeps that begin above this, and to those that show it."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A circuit and where its fit ended; ``squares`` are those of the spectrum alone, ``penalty`` those of the weak residuals."""

    circuit: Circuit
    minimum: Minimum
    squares: float
    penalty: float

    @property
    def size(self) -> int:
        """Parameters."""
        return len(self.circuit.parameters)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Every member's fit of one sweep, in the order of `members_for`, and the limit that arcs had."""

    members: tuple[Member, ...]
    rms: float
    slowest_second: float


class MemberFit:
    """One circuit's residuals on one sweep, and the ``box`` of its internal parameters."""

    __slots__ = ("_box", "_circuit", "_enough", "_function", "_size")

    def __init__(self, circuit: Circuit, sweep: Sweep, grid: Grid, box: tuple[Array, Array], noise: float) -> None:
        self._circuit = circuit
        self._box = box
        self._size = 2 * sweep.omega.size
        self._enough = (CLOSE * min(max(noise, LEAST_NOISE), MOST_NOISE)) ** 2
        self._function = _residuals(circuit, sweep, grid)

    def member(self, start: Array, most_steps: int) -> Member:
        """Where a fit from ``start`` ends."""
        found = minimum(self._function, start, *self._box, enough=self._enough, most_steps=most_steps)
        seen, weak = found.residual[: self._size], found.residual[self._size :]
        return Member(self._circuit, found, float(seen @ seen), float(weak @ weak))


def fitted_family(sweep: Sweep, noise: float, previous: Family | None = None) -> Family:
    """The fits of all members to a sweep of this relative ``noise``, from where those of a ``previous`` one ended."""
    circuits = members_for(sweep)
    before = [member.circuit for member in previous.members] if previous is not None else []
    if previous is not None and before in (circuits, members_for(sweep, inductance=True)):
        found = _from_previous(sweep, noise, before, previous)
        grown = total_ohm(found) / total_ohm(previous)
        if found.rms <= max(WORSE * previous.rms, SCORE_SHARE) and 1.0 / JUMP <= grown <= JUMP:
            return found
    return fitted_anew(sweep, noise, circuits, SLOWEST_ARC_SECOND)


def fitted_anew(sweep: Sweep, noise: float, circuits: Sequence[Circuit], slowest_second: float) -> Family:
    """The fits of these members from several beginnings, no arc slower than ``slowest_second``."""
    grid = Grid(sweep.omega)
    found: list[Member] = []
    for circuit in circuits:
        fit = MemberFit(circuit, sweep, grid, starts.box(circuit, sweep, EXPONENTS, slowest_second=slowest_second), noise)
        tried = [fit.member(start, FIRST_STEPS) for start in _starts(circuit, sweep, grid, _smaller(circuit, found))]
        best = min(tried, key=lambda member: member.minimum.cost)
        found.append(best if best.minimum.converged else fit.member(best.minimum.place, MOST_STEPS))
    return _family(found, sweep, slowest_second)


def total_ohm(found: Family) -> float:
    """R0 and the arcs of the member with the least residuals."""
    best = min(found.members, key=lambda member: member.squares)
    names = (best.circuit.series, *best.circuit.interface)
    return math.fsum(math.exp(best.minimum.place[best.circuit.names.index(name)]) for name in names)


def members_for(sweep: Sweep, *, inductance: bool = False) -> list[Circuit]:
    """The circuits that a sweep of this many points can carry, with an ``inductance`` even where no point shows one."""
    inductance = bool(inductance or sweep.frequency_hertz[0] >= INDUCTIVE_HERTZ or np.any(sweep.impedance_ohm[:3].imag > 0))
    return [circuit for circuit in _MEMBERS[inductance] if len(circuit.parameters) < sweep.omega.size]


def member_circuits() -> dict[str, Circuit]:
    """Every circuit that may be a member, by its name."""
    return {circuit.name: circuit for circuits in _MEMBERS.values() for circuit in circuits}


def score_variance(found: Sequence[Member], residuals: int) -> float:
    """The variance of one residual by which members are compared."""
    return max(min(member.squares / max(residuals - member.size, 1) for member in found), SCORE_SHARE**2)


def plausible(found: Sequence[Member], points: int, *, beside: Sequence[Member] = ()) -> list[Member]:
    """The members that may be true, in the light of those ``beside`` them."""
    best = max(min(member.squares for member in (*found, *beside)), SCORE_SHARE**2 * points)
    return [member for member in found if member.squares <= PLAUSIBLE**2 * best]


def score(member: Member, variance: float) -> float:
    """χ² + 2k, Akaike's criterion with a known variance."""
    return (member.squares + member.penalty) / variance + 2.0 * member.size


def _from_previous(sweep: Sweep, noise: float, circuits: Sequence[Circuit], previous: Family) -> Family:
    """The best member of before first; who is not plausible after a few steps is not followed to its end."""
    grid = Grid(sweep.omega)
    order = sorted(range(len(circuits)), key=lambda place: previous.members[place].squares)
    found: dict[int, Member] = {}
    for place in order:
        start = previous.members[place].minimum.place
        box = starts.box(circuits[place], sweep, EXPONENTS, slowest_second=previous.slowest_second)
        fit = MemberFit(circuits[place], sweep, grid, box, noise)
        member = fit.member(start, FEW_STEPS)
        if not member.minimum.converged and member in plausible([*found.values(), member], sweep.omega.size):
            member = fit.member(member.minimum.place, MOST_STEPS_FROM_PREVIOUS)
        found[place] = member
    return _family([found[place] for place in range(len(circuits))], sweep, previous.slowest_second)


def _family(found: Sequence[Member], sweep: Sweep, slowest_second: float) -> Family:
    rms = math.sqrt(min(member.squares for member in found) / sweep.omega.size)
    return Family(tuple(found), rms, slowest_second)


def _smaller(circuit: Circuit, found: Sequence[Member]) -> Member | None:
    """The member with one arc fewer and, where there are points enough for it, the same tail."""
    fewer = [member for member in found if len(member.circuit.interface) == len(circuit.interface) - 1]
    tail = circuit.root.parts[-1]
    return next((member for member in fewer if member.circuit.root.parts[-1] == tail), fewer[0] if fewer else None)


def _starts(circuit: Circuit, sweep: Sweep, grid: Grid, smaller: Member | None) -> Iterator[Array]:
    """The arcs of the ``smaller`` member, and one more at each of several places."""
    known: list[tuple[float, float]] = []
    if smaller is not None:
        names, place = smaller.circuit.names, smaller.minimum.place
        known = [
            (float(place[names.index(f"tau{arc[1:]}")]), float(place[names.index(f"n{arc[1:]}")]))
            for arc in smaller.circuit.interface
        ]
    for log_tau in starts.places(sweep):
        yield starts.start_with(circuit, sweep, sorted([*known, (log_tau, starts.ARC_EXPONENT)]), grid)


def _residuals(circuit: Circuit, sweep: Sweep, grid: Grid) -> Function:
    """(Z_fit − Z) / |Z|, real and imaginary parts in turn, and then the weak ones of the exponents."""
    measured, seen = sweep.impedance_ohm, 2 * sweep.omega.size
    factor = np.repeat(1.0 / np.abs(measured), 2)
    exponents = list(circuit.exponents)
    priors = [TAIL_PRIOR if "_" in circuit.names[place] else ARC_PRIOR for place in exponents]
    middle, width = np.array([prior[0] for prior in priors]), np.array([prior[1] / PRIOR_SHARE for prior in priors])
    weak = np.zeros((len(circuit.parameters), len(exponents)))
    weak[exponents, range(len(exponents))] = 1.0 / width

    def function(internal: Array) -> tuple[Array, Array]:
        value, rows = circuit.evaluate(internal, grid)
        residual, slopes = np.empty(seen + len(exponents)), np.empty((internal.size, seen + len(exponents)))
        np.multiply((value - measured).view(np.float64), factor, out=residual[:seen])
        np.multiply(rows.view(np.float64), factor, out=slopes[:, :seen])
        residual[seen:], slopes[:, seen:] = (internal[exponents] - middle) / width, weak
        return residual, slopes

    return function


_MEMBERS: dict[bool, list[Circuit]] = {
    inductance: [arcs_and_tail(arcs, *tail, inductance=inductance) for arcs in range(1, MOST_ARCS + 1) for tail in _TAILS]
    for inductance in (False, True)
}
