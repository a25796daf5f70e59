"""When a cell's capacity reached its end of life, and where its fade turned: end of life and knee. It predicts neither.

*End of life* EOL_x is the first cycle whose capacity is below x Q_ref and which begins three such in a row, Q_ref being the
median of cycles 3 to 5. A cell that has not got there is a lower bound, never left out.

*The knee* is the n₁ of D. W. Bacon and D. G. Watts (1971):

    y = a₀ + a₁ (n − n₁) + a₂ (n − n₁) tanh((n − n₁)/γ),

two lines of slopes a₁ ∓ a₂ that meet in n₁ over a fixed, small γ; its *onset* is the first of two such bends (the "double" form
of P. Fermín-Cueto et al. 2020). On what a knee is and is not: P. M. Attia et al., J. Electrochem. Soc. 169, 060517 (2022),
doi 10.1149/1945-7111/ac6d13. For given bends the model is linear, so the sum of squares is a function of the bends alone: it is
searched on all of their range and has no starting values to be wrong. The covariance is the Gauss-Newton one at the minimum.
Only cycles until half of the first capacity is gone count: what a cell does after that is no second line.

A knee is refused rather than guessed: from fewer than 20 cycles; where two lines are not better than one by more than 10 in AICc;
where the fade slows down; and within 5 cycles of an end of the data, where it is a lower bound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.analysis.coulombic import FLAG_FORMATION, KIND_CYCLE
from harness.analysis.cycle_table import FLAG_INCOMPLETE
from harness.analysis.estimate import NORMAL_95, Estimate
from harness.analysis.linear import inflation, information, linear_fit
from harness.analysis.spread import smooth_scatter
from harness.errors import AnalysisError
from harness.model.derived import CycleRow
from harness.model.flags import CHARGE_DOUBTS

Array = NDArray[np.float64]

METHOD_VERSION = "fade-1"
STAYS = 3
REFERENCE_CYCLES = (3, 4, 5)
FEWEST_CYCLES = 20
LEAST_GAIN = 10.0
EDGE_CYCLES = 5
GAMMA_CYCLES = 0.5
PAUSES = frozenset({"gap", FLAG_INCOMPLETE}) | CHARGE_DOUBTS
RATE_WINDOW = 5
RATE_CHANGE = 0.1
_GRID = 60
_FLOOR = 1e-7
"""Residuals below this part of the capacity are rounding, here or in the file."""


@dataclass(frozen=True, slots=True, eq=False)
class CapacitySeries:
    """Capacity against cycle, rising, without gaps in the numbers themselves; ``left_out``: cycle → why."""

    cycle: Array
    capacity_ah: Array
    left_out: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Knee:
    """The knee's ``cycle`` and its ``onset``, the slopes before and after it (Ah per cycle) and by how much two lines win."""

    cycle: Estimate
    onset: Estimate
    slope_before: Estimate
    slope_after: Estimate
    gain_aicc: float | None
    cycles: int


def capacity_series(rows: Sequence[CycleRow], *, left_out: Collection[int] = ()) -> CapacitySeries:
    """The capacity that came back (discharge, strip) in each whole cycle of one run.

    Cycles named in ``left_out`` (check-ups, those with impedance) stay out, as do incomplete ones, those in doubt or with a
    pause, and those at another rate (`rate_changes`).

    Raises:
        AnalysisError: there is no row, or the cycles do not rise.
    """
    if not rows:
        raise AnalysisError("there are no cycles")
    mine = [row for row in rows if row.kind == KIND_CYCLE]
    if any(later.cycle_count <= earlier.cycle_count for earlier, later in itertools.pairwise(mine)):
        raise AnalysisError("the cycles of one run must rise")
    reasons: dict[int, str] = dict.fromkeys(left_out, "named by the caller")
    for row in mine:
        if row.stripping_capacity_ah is None or row.plating_capacity_ah is None or PAUSES & set(row.flags.split()):
            reasons.setdefault(row.cycle_count, "incomplete, paused or in doubt")
        elif FLAG_FORMATION in row.flags.split():
            reasons.setdefault(row.cycle_count, "formation")
    kept = [row for row in mine if row.cycle_count not in reasons]
    changed = rate_changes(kept)
    reasons |= {row.cycle_count: "another rate" for row, is_changed in zip(kept, changed, strict=True) if is_changed}
    kept = [row for row, is_changed in zip(kept, changed, strict=True) if not is_changed]
    cycles = np.array([row.cycle_count for row in kept], dtype=np.float64)
    return CapacitySeries(cycles, np.array([row.stripping_capacity_ah for row in kept], dtype=np.float64), reasons)


def rate_changes(rows: Sequence[CycleRow]) -> list[bool]:
    """Which cycles ran at another mean rate, charge per time with rests, than the median of the five before and after.

    Check-ups and cycles with a pause or an impedance are such where the others have none. A cycle that is slower and shorter only
    lacked charge: that is fade. An unknown duration says nothing.
    """
    second = np.array([math.nan if row.cycle_duration_second is None else row.cycle_duration_second for row in rows])
    rate = np.array([_charge(row) for row in rows]) / np.where(second > 0, second, np.nan)
    changed = []
    for index, mine in enumerate(rate):
        near = slice(max(0, index - RATE_WINDOW), index + RATE_WINDOW + 1)
        known = np.isfinite(rate[near])
        if not np.isfinite(mine) or int(known.sum()) < 3:
            changed.append(False)
            continue
        ratio = float(mine / np.median(rate[near][known]))
        is_shorter = bool(second[index] < np.median(second[near][known]) * (1 - RATE_CHANGE / 10))
        changed.append(ratio > 1 + RATE_CHANGE or (ratio < 1 - RATE_CHANGE and not is_shorter))
    return changed


def end_of_life(
    cycle: Array, capacity: Array, *, threshold: float = 0.8, reference: float | None = None, stays: int = STAYS
) -> Estimate:
    """EOL: the first cycle with Q/Q_ref < ``threshold`` from which on ``stays`` cycles are below it.

    Args:
        cycle: cycle numbers, rising.
        capacity: of the same length, any unit.
        threshold: x, between 0 and 1.
        reference: Q_ref; ``None``: the median of cycles 3 to 5.
        stays: how many cycles in a row, the first included.

    Returns:
        The cycle, with an interval from the scatter of neighbouring capacities: the same rule applied to capacities and reference
        moved by 1.96 σ. A lower bound where it has not come yet; refused where cycles 3 to 5 are missing.

    Raises:
        AnalysisError: the arrays do not belong together, or the threshold lies outside.
    """
    _check(cycle, capacity)
    if not 0 < threshold < 1:
        raise AnalysisError(f"an end of life lies between 0 and 1 of the first capacity, not at {threshold:g}")
    if reference is None:
        first = capacity[np.isin(cycle, REFERENCE_CYCLES)]
        if first.size == 0:
            return Estimate.refused("none of the cycles 3 to 5, whose median is the reference, is there")
        reference = float(np.median(first))
    if not reference > 0:
        return Estimate.refused(f"the reference capacity is {reference:g}: nothing can fade from it")
    relative = capacity / reference
    found = _stays_below(cycle, relative, threshold, stays)
    if found is None:
        below = "" if relative[-1] >= threshold else f", below {threshold:g} but not yet for {stays} cycles"
        return Estimate.at_least(float(cycle[-1]), f"the end of life has not come by cycle {cycle[-1]:g}{below}")
    std = (smooth_scatter(relative, fewest=5) or 0.0) * math.sqrt(1 + math.pi / 2 / len(REFERENCE_CYCLES))
    low = _stays_below(cycle, relative - NORMAL_95 * std, threshold, stays)
    high = _stays_below(cycle, relative + NORMAL_95 * std, threshold, stays)
    if low is None or high is None:
        return Estimate(found, None, low, None, "its latest cycle lies beyond the data")
    return Estimate(found, (high - low) / (2 * NORMAL_95), low, high)


def knee(cycle: Array, capacity: Array, *, gamma: float = GAMMA_CYCLES) -> Knee:
    """The knee of a capacity series (module docstring); what cannot be said is refused, with the reason.

    Raises:
        AnalysisError: the arrays do not belong together, or ``gamma`` is not positive.
    """
    _check(cycle, capacity)
    if not gamma > 0:
        raise AnalysisError(f"the knee's half width must be positive, not {gamma:g} cycles")
    cycle, capacity = _until_half(cycle, capacity)
    count = int(cycle.size)
    if count < FEWEST_CYCLES:
        return _no_knee(f"{count} cycles are fewer than {FEWEST_CYCLES}", None, count)
    scale = float(np.max(np.abs(capacity))) or 1.0
    value = capacity / scale
    place = _best_bends(cycle, value, gamma, 1)
    design = _design(cycle, place, gamma)
    line = linear_fit(design[:, :2], value)
    bent = linear_fit(design, value)
    gain = information(line.sum_of_squares, count, 2) - information(bent.sum_of_squares, count, 4)
    if line.sum_of_squares < count * _FLOOR**2:
        gain = 0.0
    if gain <= LEAST_GAIN:
        return _no_knee(f"two lines are not better than one (ΔAICc {gain:.1f}, more than {LEAST_GAIN:g} is wanted)", gain, count)
    if bent.value[2] >= 0:
        return _no_knee(f"the fade slows down at cycle {place[0]:.0f}: no knee", gain, count)
    slopes = [_slope(bent.value, bent.covariance, bent.freedom - 1, sign, scale) for sign in (-1.0, 1.0)]
    at, std = float(place[0]), _bend_std(cycle, value, place, gamma, 0)
    estimate = _dated(at, std, cycle)
    onset = _onset(cycle, value, bent.sum_of_squares, gamma) if estimate.std is not None else Estimate.refused(estimate.refusal)
    return Knee(estimate, onset, slopes[0], slopes[1], gain, count)


# -- end of life


def _stays_below(cycle: Array, relative: Array, threshold: float, stays: int) -> float | None:
    below = relative < threshold
    if below.size < stays:
        return None
    run = np.lib.stride_tricks.sliding_window_view(below, stays).all(axis=1)
    return float(cycle[int(np.argmax(run))]) if bool(run.any()) else None


def _until_half(cycle: Array, capacity: Array) -> tuple[Array, Array]:
    """The cycles before three in a row are below half of the median of the first five."""
    end = _stays_below(cycle, capacity, 0.5 * float(np.median(capacity[:5])), STAYS)
    used = cycle < (math.inf if end is None else end)
    return cycle[used], capacity[used]


# -- knee


def _design(cycle: Array, places: Array, gamma: float) -> Array:
    """Columns 1, n − n₁, and (n − n_k) tanh((n − n_k)/γ) of every bend."""
    away = cycle[:, None] - places[None, :]
    return np.column_stack((np.ones(cycle.size), away[:, 0], away * np.tanh(away / gamma)))


def _best_bends(cycle: Array, value: Array, gamma: float, bends: int) -> Array:
    """The bends (rising) with the smallest sum of squares: a grid over all of the range, then ever finer around the best."""
    low, high = float(cycle[0]), float(cycle[-1])
    points = min(_GRID // bends, int(cycle.size))
    places = np.linspace(low, high, points + 2)[1:-1]
    grids = [places] * bends
    step = (high - low) / (points + 1)
    least = float(np.median(np.diff(cycle)))
    best = _best_on(grids, cycle, value, gamma, least)
    while step > 1e-8 * (high - low):
        grids = [np.clip(np.linspace(at - step, at + step, 9), low, high) for at in best]
        best = _best_on(grids, cycle, value, gamma, least)
        step /= 3.0
    return best


def _best_on(grids: Sequence[Array], cycle: Array, value: Array, gamma: float, least: float) -> Array:
    """The point of a grid with the smallest sum of squares, all of its least squares at once; bends keep ``least`` apart."""
    points = np.stack([axis.ravel() for axis in np.meshgrid(*grids, indexing="ij")], axis=1)
    points = points[np.all(np.diff(points, axis=1) >= 2 * least, axis=1)] if len(grids) > 1 else points
    middle, half = 0.5 * (cycle[0] + cycle[-1]), 0.5 * (cycle[-1] - cycle[0])
    away = cycle[None, :, None] - points[:, None, :]
    bent = away * np.tanh(away / gamma) / half
    base = np.broadcast_to(np.column_stack((np.ones(cycle.size), (cycle - middle) / half)), (len(points), cycle.size, 2))
    basis = np.linalg.qr(np.concatenate((base, bent), axis=2)).Q
    explained = np.sum(np.einsum("gnp,n->gp", basis, value - value.mean()) ** 2, axis=1)
    best: Array = points[int(np.argmax(explained))]
    return best


def _bend_std(cycle: Array, value: Array, places: Array, gamma: float, which: int) -> tuple[float, int]:
    """One standard deviation of one bend, and its degrees of freedom: (JᵀJ)⁻¹ s², widened where residuals are correlated."""
    design = _design(cycle, places, gamma)
    fit = linear_fit(design, value)
    away = (cycle[:, None] - places[None, :]) / gamma
    bend = -(np.tanh(away) + away / np.cosh(np.clip(away, -300, 300)) ** 2) * fit.value[2:][None, :]
    jacobian = np.column_stack((design, bend))
    freedom = cycle.size - jacobian.shape[1]
    scale = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.pinv((jacobian / scale).T @ (jacobian / scale), rcond=1e-14)
    place = design.shape[1] + which
    std = math.sqrt(fit.sum_of_squares / freedom * float(inverse[place, place])) / float(scale[place])
    return std * inflation(fit.residual, jacobian.shape[1]), int(freedom)


def _dated(at: float, std: tuple[float, int], cycle: Array) -> Estimate:
    if at < cycle[0] + EDGE_CYCLES:
        return Estimate.refused(f"it would be within {EDGE_CYCLES} cycles of the first one")
    if at > cycle[-1] - EDGE_CYCLES:
        return Estimate.at_least(float(cycle[-1] - EDGE_CYCLES), f"it is within {EDGE_CYCLES} cycles of the last one")
    return Estimate.student(at, *std)


def _onset(cycle: Array, value: Array, single: float, gamma: float) -> Estimate:
    places = _best_bends(cycle, value, gamma, 2)
    double = linear_fit(_design(cycle, places, gamma), value)
    gain = information(single, cycle.size, 4) - information(double.sum_of_squares, cycle.size, 6)
    if gain <= LEAST_GAIN or single < cycle.size * _FLOOR**2:
        return Estimate.refused(f"one bend describes the fade (ΔAICc of two {gain:.1f}): the onset is the knee")
    if double.value[2] >= 0 or double.value[3] >= 0:
        return Estimate.refused("of two bends one slows the fade down: no onset")
    return _dated(float(places[0]), _bend_std(cycle, value, places, gamma, 0), cycle)


def _slope(value: Array, covariance: Array, freedom: int, sign: float, scale: float) -> Estimate:
    row = np.array([0.0, 1.0, sign])
    return Estimate.student(scale * float(row @ value), scale * math.sqrt(float(row @ covariance @ row)), freedom)


def _no_knee(reason: str, gain: float | None, cycles: int) -> Knee:
    refused = Estimate.refused(reason)
    return Knee(refused, refused, refused, refused, gain, cycles)


def _check(cycle: Array, capacity: Array) -> None:
    if cycle.size == 0 or cycle.shape != capacity.shape or cycle.ndim != 1:
        raise AnalysisError("cycles and capacities must be two lists of one length, and not empty")
    if not (np.isfinite(cycle).all() and np.isfinite(capacity).all()):
        raise AnalysisError("a cycle or a capacity is not a finite number")
    if not (np.diff(cycle) > 0).all():
        raise AnalysisError("the cycles must rise")


def _charge(row: CycleRow) -> float:
    if row.plating_capacity_ah is None or row.stripping_capacity_ah is None:
        return math.nan
    return row.plating_capacity_ah + row.stripping_capacity_ah
