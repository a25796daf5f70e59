"""What else the two ends of a spectrum may be: the rise at low frequency one more arc instead of a tail, and the fast end with
an inductance that no point shows. Averages nothing.

A sweep that ends before an arc has closed shows the same rise as one that ends in diffusion. The family (`family`) takes it
for diffusion; its best member with the tail exchanged for an arc of an interface's exponent is the rival. The arc's apex may
lie anywhere in the sweep, and below it while it is faster than `SLOWEST_SECOND`: any tail that bends looks like the beginning
of a slower one. Likewise, where a sweep begins below the frequencies of a cable's inductance, the best member with one is a
rival.

A rival inside the sweep that leaves at most half the residual over shows what the family lacks, and the family is fitted anew
with arcs as slow as the sweep, or with the inductance. A rival of about the family's quality may be true as well: the two are
then as likely as each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.impedance import family, starts
from harness.analysis.impedance.circuits import arcs_and_tail
from harness.analysis.impedance.elements import ConstantPhase, Element, Grid
from harness.analysis.impedance.family import Family, Member
from harness.analysis.impedance.spectrum import Sweep

POOR_RMS, PAYS = 0.02, 0.5
LEFT_OUT_SHARE = 0.05
"""Of the interface: a tail that is larger (|Z| at the lowest frequency) may be an arc of a third of it, six times below the
sweep."""
SLOWEST_SECOND = 2.5
"""0.06 Hz. What answers more slowly is diffusion, in full cells nearly always."""
LEAST_EXPONENT = 0.7
"""Of a rival's arc: with less it is diffusion."""
BEGUN_INDUCTANCE = 0.01
"""Of |Z| at the highest frequency."""
BEGUN_SHIFTS = (0.0, -2.3)
"""A rival's arc begins at the sweep's end, and a decade inside it."""
STEPS = 40
_TAILS: tuple[tuple[Element, ...], ...] = ((), (ConstantPhase("CPE1"),))


def contested_family(sweep: Sweep, noise: float, previous: Family | None = None) -> tuple[Family, list[Member]]:
    """The fits of all members (`family.fitted_family`), and the rivals that may be true beside them."""
    found = family.fitted_family(sweep, noise, previous)
    inductive = _inductive(found, sweep, noise)
    if _decides(inductive, found, sweep):
        circuits = family.members_for(sweep, inductance=True)
        found = _better(found, family.fitted_anew(sweep, noise, circuits, found.slowest_second))
    slow = _with_slow_arc(found, sweep, noise)
    inside = [rival for rival in slow if _slowest(rival) <= -math.log(sweep.omega[-1])]
    if math.isfinite(found.slowest_second) and (_decides(inside, found, sweep) or found.rms > POOR_RMS):
        circuits = [member.circuit for member in found.members]
        found = _better(found, family.fitted_anew(sweep, noise, circuits, math.inf))
        slow = _with_slow_arc(found, sweep, noise)
    return found, family.plausible([*inductive, *slow], sweep.omega.size, beside=found.members)


def best_member(found: Family, sweep: Sweep) -> Member:
    """That with the least score."""
    variance = family.score_variance(found.members, 2 * sweep.omega.size)
    return min(found.members, key=lambda member: family.score(member, variance))


def tail_share(member: Member, sweep: Sweep) -> float:
    """The tail's |Z| at the lowest frequency beside the sum of the arcs."""
    grid, names, place = Grid(sweep.omega[-1:]), member.circuit.names, member.minimum.place
    tail = 0j
    for part, own in member.circuit.root.places:
        if "_" in names[own.start]:
            rows = np.empty((own.stop - own.start, 1), dtype=np.complex128)
            tail += complex(part.evaluate(place[own].tolist(), grid, rows)[0])
    return abs(tail) / math.fsum(math.exp(place[names.index(name)]) for name in member.circuit.interface)


def _decides(rivals: Sequence[Member], found: Family, sweep: Sweep) -> bool:
    """Whether one leaves so much less over than the family that this is no chance, and more than circuits promise."""
    left = math.sqrt(min((rival.squares for rival in rivals), default=math.inf) / sweep.omega.size)
    return found.rms > family.SCORE_SHARE and left < PAYS * found.rms


def _slowest(member: Member) -> float:
    """The largest ln τ of its arcs."""
    names = member.circuit.names
    return max(float(member.minimum.place[names.index(f"tau{arc[1:]}")]) for arc in member.circuit.interface)


def _better(found: Family, other: Family) -> Family:
    return other if other.rms < PAYS * found.rms else found


def _inductive(found: Family, sweep: Sweep, noise: float) -> list[Member]:
    """The best member with an inductance, where the family has none."""
    best = best_member(found, sweep)
    circuit = best.circuit.with_inductance()
    if circuit is best.circuit or len(circuit.parameters) >= sweep.omega.size:
        return []
    begun = math.log(BEGUN_INDUCTANCE * abs(sweep.impedance_ohm[0]) / sweep.omega[0])
    fit = family.MemberFit(circuit, sweep, Grid(sweep.omega), starts.box(circuit, sweep, family.EXPONENTS), noise)
    return [fit.member(np.concatenate(([begun], best.minimum.place)), STEPS)]


def _with_slow_arc(found: Family, sweep: Sweep, noise: float) -> list[Member]:
    """The best member with an arc in place of a tail of some size, and what remains of the tail, if it names the arc's time."""
    best = best_member(found, sweep)
    if tail_share(best, sweep) <= LEFT_OUT_SHARE:
        return []
    variance = family.score_variance(found.members, 2 * sweep.omega.size)
    tried = [rival for tail in _TAILS for rival in _closed(best, tail, sweep, noise)]
    return sorted(tried, key=lambda rival: family.score(rival, variance))[:1]


def _closed(best: Member, tail: tuple[Element, ...], sweep: Sweep, noise: float) -> Iterator[Member]:
    names, place = best.circuit.names, best.minimum.place
    count = len(best.circuit.interface) + 1
    circuit = arcs_and_tail(count, *tail, inductance="L0" in names)
    if len(circuit.parameters) >= sweep.omega.size:
        return
    grid, box = Grid(sweep.omega), starts.box(circuit, sweep, family.EXPONENTS)
    time, slow = circuit.names.index(f"tau{count}"), -math.log(sweep.omega[-1])
    box[0][time] = min(math.log(family.SLOWEST_ARC_SECOND), slow)
    box[1][time] = max(slow, math.log(SLOWEST_SECOND))
    box[0][time + 1] = LEAST_EXPONENT
    known = [(float(place[names.index(f"tau{number}")]), float(place[names.index(f"n{number}")])) for number in range(1, count)]
    fit = family.MemberFit(circuit, sweep, grid, box, noise)
    starting = [starts.start_with(circuit, sweep, [*known, (slow + shift, starts.ARC_EXPONENT)], grid) for shift in BEGUN_SHIFTS]
    rival = min((fit.member(start, STEPS) for start in starting), key=lambda member: member.minimum.cost)
    if not rival.minimum.held[time]:
        yield rival
