"""Which columns lie, when their witnesses disagree: the fewest columns whose being in a wrong unit explains every ratio.

Disagreements are equations in logarithms: ln(ratio) = Σ power × ln(error of the column). A set of columns explains them if
factors between units of the column's own kind solve all of them. Columns that are written by one hand (all counters of charge,
all clocks) count once when they err alike. Explanations of one size are told apart by how people err; where that does not decide,
all of them are said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.interop.witnesses import TIMES, Witness

LARGEST_SET = 3
TOLERANCE = 0.1
"""A measured factor is a unit's if it is within 10 % of it: charges differ by a few percent for other reasons."""
FOUND = 0.02
"""Ratios within 2 % of 1 are no matter of units."""

_UNITS: Mapping[str, Mapping[float, float]] = {
    "second": {3600.0: 1.0, 60.0: 0.8, 1e3: 0.7, 1e6: 0.3, 1e9: 0.3},
    "ampere": {1e3: 1.0, 1e6: 0.5},
    "ah": {1e3: 1.0, 3600.0: 0.5, 3.6: 0.4, 1e6: 0.3},
    "wh": {1e3: 1.0, 3600.0: 0.5, 3.6: 0.4, 1e6: 0.3},
    "volt": {1e3: 1.0},
    "watt": {1e3: 1.0, 1e6: 0.3},
}
"""Factors between units of a kind, either way, with how often they are met."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """``errors``: by column, how many times too large its values are. ``weight``: how often people err like this."""

    errors: Mapping[str, float]
    weight: float


def disagreeing(found: Sequence[Witness]) -> list[Witness]:
    """The witnesses whose ratio is not 1."""
    return [witness for witness in found if abs(math.log(witness.ratio)) > FOUND + witness.log_std]


def explanations(found: Sequence[Witness]) -> list[Explanation]:
    """Every smallest explanation of all ratios by wrong units, the likeliest first; none where no units explain them."""
    if not any(abs(math.log(witness.ratio)) > math.log(2) for witness in found):
        return []
    groups = _groups(found)
    for size in range(1, LARGEST_SET + 1):
        made = [one for chosen in itertools.combinations(groups, size) for one in _solved(chosen, found)]
        if made:
            return sorted(_distinct(made), key=lambda one: -one.weight)
    return []


def kind_of(column: str) -> str:
    """The unit a column's name ends in."""
    return column.rsplit("_", 1)[-1]


def _groups(found: Sequence[Witness]) -> list[tuple[str, ...]]:
    """The columns that can err alone, and the sets that err together."""
    columns = sorted({column for witness in found for column in witness.powers})
    together = [tuple(column for column in columns if kind_of(column) == kind) for kind in ("ah", "wh")]
    together.append(tuple(column for column in columns if column in TIMES))
    return [*((column,) for column in columns), *(group for group in together if len(group) > 1)]


def _solved(chosen: tuple[tuple[str, ...], ...], found: Sequence[Witness]) -> Iterator[Explanation]:
    """The explanation in which each group errs by one factor, if it holds."""
    members = [column for group in chosen for column in group]
    if len(set(members)) < len(members):
        return
    design = np.array(
        [[sum(witness.powers.get(column, 0) for column in group) for group in chosen] for witness in found], dtype=float
    )
    wanted = np.array([math.log(witness.ratio) for witness in found])
    slack = np.array([TOLERANCE + witness.log_std for witness in found])
    solution, _, rank, _ = np.linalg.lstsq(design, wanted, rcond=None)
    if rank < len(chosen):
        return
    errors, weight = {}, 1.0
    for group, log in zip(chosen, solution, strict=True):
        near = _nearest(kind_of(group[0]), float(log))
        if near is None:
            return
        errors.update(dict.fromkeys(group, near[0]))
        weight *= near[1]
    exact = design @ np.log([errors[group[0]] for group in chosen])
    if bool(np.all(np.abs(exact - wanted) <= slack)):
        yield Explanation(errors, weight)


def _nearest(kind: str, log: float) -> tuple[float, float] | None:
    units = _UNITS.get(kind, {})
    near = min(units, key=lambda unit: abs(abs(log) - math.log(unit)), default=None)
    if near is None or abs(abs(log) - math.log(near)) > 2 * TOLERANCE:
        return None
    return (near if log > 0 else 1 / near), units[near]


def _distinct(made: Sequence[Explanation]) -> list[Explanation]:
    seen: dict[tuple[tuple[str, float], ...], Explanation] = {}
    for one in made:
        seen.setdefault(tuple(sorted(one.errors.items())), one)
    return list(seen.values())
