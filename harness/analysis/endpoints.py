"""High-precision coulometry: where on the axis of all charge each half cycle ends, how those ends slip, and what that costs.

The axis is X(t) = ∫ I dt in the sense of the battery data format: what charges the test object counts up. Its ends are q_c (after
the charging direction) and q_d (after the other), and the *slippages* are Δ_n = q_n − q_{n−1} of one kind. By geometry:

* ``full``: the charge deposits and comes first. Δ_d,n = Q_c,n − Q_d,n, Δ_c,n = Q_c,n − Q_d,n−1; both are positive where charge
  is lost. CE = 1 − Δ_d/Q_c.
* ``deposit`` (Li||Cu): the deposit is I < 0 and comes first, so the axis falls by what is lost. Δ_c,n = Q_strip,n − Q_plate,n,
  Δ_d,n = Q_strip,n−1 − Q_plate,n; both are negative where lithium is lost. CE = 1 + Δ_c/Q_plate.
* ``symmetric``: the schedule sets both charges, and there is nothing to read from their ends.

In both, the capacity that comes back fades by Q_{n−1} − Q_n = Δ_d,n − Δ_c,n, an identity. (1 − CE) per hour and the mean
parasitic currents Δ/t take the time from the end of one cycle to the end of the next, rests included. Method and reading: A. J.
Smith, J. C. Burns, D. Xiong and J. R. Dahn, J. Electrochem. Soc. 158, A1136 (2011), on lithium-ion cells; impedance rise and loss
of active material slip ends, too (arXiv 2508.02878).

A slippage needs absolute accuracy: σ(Δ) = √2 σ_Q from what differs between half cycles, and σ_o t from the offset, in common to
all cycles, which a fade loses but for the change of t (see `row_errors`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.analysis.coulombic import KIND_CYCLE
from harness.analysis.estimate import Estimate
from harness.analysis.fade import PAUSES, rate_changes
from harness.analysis.linear import LinearFit, inflation, information, linear_fit
from harness.analysis.row_errors import RowErrors, row_errors
from harness.errors import AnalysisError
from harness.model.derived import CycleRow
from harness.model.run import Geometry

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

METHOD_VERSION = "endpoints-2"
TRANSIENT_CYCLES = 5
"""The first cycles of a run fill overhangs and form films; trends begin after them."""
FEWEST_POINTS = 6

QUANTITIES = (
    "charge_endpoint_slippage_ah",
    "discharge_endpoint_slippage_ah",
    "capacity_fade_ah",
    "coulombic_inefficiency_per_hour",
    "charge_parasitic_current_ampere",
    "discharge_parasitic_current_ampere",
)
"""Each has ``_std`` (everything) and ``_offset_std`` (the part in common to all cycles, which no average removes) beside it."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How a quantity goes on with the cycle n: y = a + b n (``linear``) or y = a + b/√n (``root``), the better by AICc.

    ``last`` is the model at the last cycle used; ``settled`` its limit a, of ``root`` only; ``slope`` b. Intervals take the
    scatter about the line, widened where neighbours resemble each other, and all but ``slope`` the common offset.
    """

    model: str
    last: Estimate
    settled: Estimate
    slope: Estimate
    aicc: dict[str, float]
    cycles: int


def slippages(rows: Sequence[CycleRow], geometry: Geometry, *, left_out: Collection[int] = ()) -> pl.DataFrame:
    """One line per cycle of one run: its ends on the axis, their slippages, fade, inefficiency per hour and parasitic currents.

    Columns: ``cycle_count``, ``charge_endpoint_ah``, ``discharge_endpoint_ah`` (from 0 before the first deposit),
    ``cycle_period_second``, `QUANTITIES` with ``_std`` and ``_offset_std`` (null where the offset is unknown), ``left_out``. The
    axis is summed over everything that is known, but a quantity is null where a cycle it needs was ``left_out``: incomplete,
    paused or in doubt, at another rate than its neighbours (`fade.rate_changes`, which sees check-ups and lone sweeps), or named
    by the caller (cycles with impedance); ``left_out`` says which. After a missing cycle or half the axis begins anew.

    Raises:
        AnalysisError: there is no cycle, they do not rise, or the cell is symmetric.
    """
    import polars as pl  # noqa: PLC0415 - half of this module's import time, for its one frame

    mine = [row for row in rows if row.kind == KIND_CYCLE]
    _check(mine, geometry)
    reasons = _reasons(mine, left_out)
    errors = row_errors(mine)
    sign = 1.0 if geometry is Geometry.FULL else -1.0
    usable = np.array([not reason for reason in reasons])
    follows = usable & np.concatenate(([False], usable[:-1] & (np.diff([row.cycle_count for row in mine]) == 1)))
    first, second = _ends(errors, mine, sign)
    period = _periods(mine)
    columns = {
        "cycle_count": [row.cycle_count for row in mine],
        "charge_endpoint_ah": first if sign > 0 else second,
        "discharge_endpoint_ah": second if sign > 0 else first,
        "cycle_period_second": period,
        **_quantities(errors, period, sign, usable, follows),
        "left_out": reasons,
    }
    return pl.DataFrame(columns, nan_to_null=True)


def trend(frame: pl.DataFrame, quantity: str, *, after: int = TRANSIENT_CYCLES) -> Trend:
    """The trend of one of `QUANTITIES` in a frame of `slippages`, over the cycles later than the first ``after``.

    Refused (every `Estimate` says why) with fewer than six cycles left.

    Raises:
        AnalysisError: there is no such quantity, or ``after`` is negative.
    """
    if quantity not in QUANTITIES or after < 0:
        raise AnalysisError(f'"{quantity}" after {after} cycles is no trend; there are {", ".join(QUANTITIES)}')
    used = frame.filter((frame["cycle_count"] > after) & frame[quantity].is_not_null())
    count = used.height
    if count < FEWEST_POINTS:
        refused = Estimate.refused(f"{count} cycles after the first {after} are fewer than {FEWEST_POINTS}")
        return Trend("", refused, refused, refused, {}, count)
    cycle, value = used["cycle_count"].to_numpy().astype(np.float64), used[quantity].to_numpy()
    common = float(used[f"{quantity}_offset_std"].mean() or 0.0)  # type: ignore[arg-type]
    designs = {"linear": np.column_stack((np.ones(count), cycle)), "root": np.column_stack((np.ones(count), cycle**-0.5))}
    fits = {name: linear_fit(design, value) for name, design in designs.items()}
    aicc = {name: information(fit.sum_of_squares, count, 2) for name, fit in fits.items()}
    model = min(aicc, key=lambda name: aicc[name])
    fit = fits[model]
    last = _estimate(fit, designs[model][-1], common)
    limit = _estimate(fit, np.array([1.0, 0.0]), common) if model == "root" else Estimate.refused("a line has no limit")
    return Trend(model, last, limit, _estimate(fit, np.array([0.0, 1.0]), 0.0), aicc, count)


def _check(rows: Sequence[CycleRow], geometry: Geometry) -> None:
    if geometry is Geometry.SYMMETRIC:
        raise AnalysisError("the ends of a symmetric cell's half cycles are set by its schedule: nothing slips")
    if not rows:
        raise AnalysisError("there are no cycles")
    if any(later.cycle_count <= earlier.cycle_count for earlier, later in itertools.pairwise(rows)):
        raise AnalysisError("the cycles of one run must rise")


def _reasons(rows: Sequence[CycleRow], left_out: Collection[int]) -> list[str]:
    changed = rate_changes(rows)
    reasons = []
    for row, is_changed in zip(rows, changed, strict=True):
        named = PAUSES & set(row.flags.split())
        if row.plating_capacity_ah is None or row.stripping_capacity_ah is None or named:
            reasons.append(" ".join(sorted(named)) or "incomplete")
        else:
            reasons.append("named" if row.cycle_count in left_out else "rate_change" if is_changed else "")
    return reasons


def _ends(errors: RowErrors, rows: Sequence[CycleRow], sign: float) -> tuple[Array, Array]:
    """After deposit and after removal; ``sign`` is what a deposit does to the axis. Missing halves begin it anew."""
    count = np.array([row.cycle_count for row in rows])
    whole = np.isfinite(errors.deposit) & np.isfinite(errors.removal)
    new = ~whole | np.concatenate(([False], ~whole[:-1] | (np.diff(count) != 1)))
    net = np.where(whole, errors.deposit - errors.removal, 0.0)
    total = np.cumsum(net)
    start = np.maximum.accumulate(np.where(new, np.arange(count.size), 0))
    before = np.where(start > 0, total[start - 1], 0.0)
    after_removal = sign * (total - before)
    return np.where(whole, after_removal + sign * errors.removal, np.nan), np.where(whole, after_removal, np.nan)


def _periods(rows: Sequence[CycleRow]) -> Array:
    """From the end of the cycle before to the end of each; the first, and one after a hole, has its own duration."""
    duration = np.array([math.nan if row.cycle_duration_second is None else row.cycle_duration_second for row in rows])
    end = np.array([row.unix_time_nanosecond - rows[0].unix_time_nanosecond for row in rows]) / 1e9 + duration
    count = np.array([row.cycle_count for row in rows])
    period = np.concatenate(([duration[0]], np.diff(end)))
    known = np.concatenate(([False], np.diff(count) == 1)) & (np.nan_to_num(period) > 0)
    found = np.where(known, period, duration)
    return np.where(found > 0, found, np.nan)


def _quantities(errors: RowErrors, period: Array, sign: float, usable: Mask, follows: Mask) -> dict[str, Array]:
    deposit, removal = errors.deposit, errors.removal
    same = sign * (deposit - removal)
    across = sign * (deposit - _before(removal))
    common_same = np.hypot(errors.deposit_offset + errors.removal_offset, errors.gain * same)
    common_across = np.hypot(errors.deposit_offset + _before(errors.removal_offset), errors.gain * across)
    random_same = math.sqrt(2) * errors.random
    random_across = np.hypot(errors.random, _before(errors.random))
    fade = (_before(removal) - removal, random_across)
    fade_common = np.abs(_before(errors.removal_offset) - errors.removal_offset)
    hour = period / 3600.0
    lost = (deposit - removal) / np.where(deposit > 0, deposit, np.nan) / hour
    names = ("discharge", "charge") if sign > 0 else ("charge", "discharge")
    within, between = (f"{names[0]}_endpoint_slippage_ah", f"{names[1]}_endpoint_slippage_ah")
    found = {
        within: (same, random_same, common_same, follows),
        between: (across, random_across, common_across, follows),
        "capacity_fade_ah": (*fade, fade_common, follows),
        "coulombic_inefficiency_per_hour": (lost, errors.ratio_random / hour, errors.ratio_offset / hour, usable),
        f"{names[0]}_parasitic_current_ampere": (same / hour, random_same / hour, common_same / hour, follows),
        f"{names[1]}_parasitic_current_ampere": (across / hour, random_across / hour, common_across / hour, follows),
    }
    columns: dict[str, Array] = {}
    for name in QUANTITIES:
        value, random, common, there = found[name]
        columns[name] = np.where(there, value, np.nan)
        columns[f"{name}_std"] = np.where(there, np.hypot(random, np.nan_to_num(common)), np.nan)
        columns[f"{name}_offset_std"] = np.where(there, common, np.nan)
    return columns


def _before(values: Array) -> Array:
    return np.concatenate(([np.nan], values[:-1]))


def _estimate(fit: LinearFit, row: Array, common: float) -> Estimate:
    """Scatter and common part together, with the scatter's degrees of freedom for its share (Welch-Satterthwaite)."""
    value, std = fit.at(row)
    std *= inflation(fit.residual, row.size)
    total = math.hypot(std, common)
    freedom = fit.freedom * (total / std) ** 4 if std > 0 else math.inf
    return Estimate.student(value, total, min(freedom, 1e9))
