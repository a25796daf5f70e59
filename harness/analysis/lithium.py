"""The lithium books of a cell: what there was, what has been turned over and lost, what is left, and when it will run out.

*There was* what `inventory` says of foil or build.

*Turned over*: the figure of merit FOM = Σ Q_plate / Q_Li, live as well as at the end; of a cell that failed because its lithium
was gone, 1 − 1/FOM is the mean efficiency. A short, a dry-out or the end of the test ends the count before the lithium does: then
FOM is a lower bound. With the cathode's lithium counted, FOM_total = Σ Q_plate / (Q_Li + Q_cathode).

*Lost* and *left* depend on what the charges of a geometry can tell:

* ``deposit`` (Li||Cu): a cycle's Q_plate − Q_strip left the counter electrode and did not come back. What the counter loses by
  itself is not seen, so what is left is at most that much. It serves as long as it holds one more plate: excess = left − Q_plate.
* ``full`` with lithium to spare: the charges balance whatever is lost, as long as the excess makes up for it. Only with an
  efficiency of the lithium that was measured elsewhere (reservoir, Li||Cu) a cycle loses Q_charge (1 − CE), and the discharged
  anode is left with Σ (Q_discharge − CE Q_charge) less than it had: what the cathode took up beyond its first charge is in it.
* ``full`` without (anode-free, an inventory of 0): Q_charge − Q_discharge is lost, and the cathode's lithium is what there is.
* ``symmetric``: the schedule sets both charges, and nothing is to be seen but the turnover.

Errors: the offset of a range is the same in all cycles, so its charge adds up with their number, as does the error of a stated
efficiency; that of a gain does so with the sign of Q_plate − Q_strip. The rest adds up in squares. Nobody can split the error of
a capacity whose row has no efficiency: it counts as common.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.analysis.coulombic import FLAG_FORMATION, KIND_CYCLE
from harness.analysis.estimate import NORMAL_95, Estimate
from harness.analysis.excess import Drain, KneeComparison, compare_knee, excess_lasts
from harness.analysis.fade import LEAST_GAIN, capacity_series, knee
from harness.analysis.linear import inflation
from harness.analysis.row_errors import row_errors
from harness.errors import AnalysisError
from harness.model.derived import CycleRow
from harness.model.flags import CHARGE_DOUBTS
from harness.model.run import Geometry

Array = NDArray[np.float64]

METHOD_VERSION = "lithium-2"
FEWEST_CYCLES = 5
DRIFTING = 0.25
"""Losses that change by more than this part of their mean while they are watched predict nothing."""
UNKNOWN = Estimate.refused("not stated")


class Ended(StrEnum):
    """Why the cycles end. Only ``LITHIUM`` (the excess is used up) makes a turnover final."""

    RUNNING = "running"
    LITHIUM = "lithium"
    SHORT = "short"
    DRY_OUT = "dry_out"
    STOPPED = "stopped"


_CENSORED = {
    Ended.RUNNING: "the cell still runs",
    Ended.SHORT: "a short ended it",
    Ended.DRY_OUT: "a dry-out ended it",
    Ended.STOPPED: "the test was ended",
}

_MASKED = "the excess makes up for what is lost: state the lithium's efficiency as measured elsewhere"
_NOTHING_SEEN = "a symmetric cell's charges do not tell its losses"


@dataclass(frozen=True, slots=True, eq=False)
class LithiumLosses:
    """Per cycle, in its order: lithium lost for good, and what its loss and the other electrode drained from the inventory (Ah).

    ``common_ah`` (causes, cycles) is what one σ of each common cause does to a cycle, with its sign: a gain that makes a deposit
    too large makes the removal so, too. The last cycle is missing while it is not over.
    """

    cycle_count: NDArray[np.int64]
    lost_ah: Array
    drained_ah: Array
    random_std_ah: Array
    common_ah: Array

    @property
    def std_ah(self) -> Array:
        """One standard deviation of each cycle's loss."""
        return np.hypot(self.random_std_ah, _together(self.common_ah))

    @property
    def cumulative_ah(self) -> Array:
        """Everything lost up to and with each cycle."""
        return np.cumsum(self.lost_ah)

    @property
    def cumulative_std_ah(self) -> Array:
        """Its standard deviation: what has one cause adds up, the rest in squares."""
        return np.hypot(_together(np.cumsum(self.common_ah, axis=1)), np.sqrt(np.cumsum(self.random_std_ah**2)))


@dataclass(frozen=True, slots=True, eq=False)
class LithiumBooks:
    """One cell's books at its last cycle (Ah, and turnovers as numbers). What a geometry cannot tell is refused with its reason.

    ``knee_cycle`` is when the excess is predicted to be used up; ``doubted_cycles`` are summed, but their charge is in doubt.
    """

    geometry: Geometry
    ended: Ended
    cycles: int
    inventory_ah: Estimate
    throughput_ah: Estimate
    turnover: Estimate
    turnover_total: Estimate
    mean_efficiency: Estimate
    lost_ah: Estimate
    left_ah: Estimate
    knee_cycle: Estimate
    losses: LithiumLosses | None
    doubted_cycles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KneeReview:
    """A knee as predicted, as it came, and how the two compare. Both are cycles."""

    predicted: Estimate
    observed: Estimate
    comparison: KneeComparison


@dataclass(frozen=True, slots=True)
class BuildLithium:
    """The books of all cells of one build together; ``censored`` of its ``cells`` have no final turnover."""

    cells: int
    censored: int
    inventory_ah: Estimate
    throughput_ah: Estimate
    lost_ah: Estimate
    turnover: Estimate


def lithium_losses(rows: Sequence[CycleRow], geometry: Geometry, *, efficiency: Estimate | None = None) -> LithiumLosses | None:
    """What the charges tell of each cycle's lithium (module docstring); ``None`` where they tell nothing (symmetric).

    ``efficiency`` is that of the lithium, for a full cell with lithium to spare; its interval counts, so that one from few cells
    (Student's) is as wide as it must be. Without it Q_charge − Q_discharge is the loss.
    A cycle whose removal has not begun is left out; one that was cut short counts with what passed; a removal that comes before
    any deposit moves lithium and loses none.

    Raises:
        AnalysisError: there is no cycle, or the efficiency is not one.
    """
    mine = [row for row in rows if row.kind == KIND_CYCLE]
    if not mine:
        raise AnalysisError("there are no cycles")
    if geometry is Geometry.SYMMETRIC:
        return None
    used = [row for row in mine if row.stripping_capacity_ah is not None]
    errors = row_errors(used)
    deposit, removal = np.nan_to_num(errors.deposit), np.nan_to_num(errors.removal)
    net, random = deposit - removal, math.sqrt(2) * np.nan_to_num(errors.random)
    whole = np.nan_to_num(errors.deposit_std) + np.nan_to_num(errors.removal_std)
    offset = np.where(np.isnan(errors.random), whole, np.nan_to_num(errors.deposit_offset + errors.removal_offset))
    common = np.vstack((offset, errors.gain * net))
    counts, begun = np.array([row.cycle_count for row in used], dtype=np.int64), np.isfinite(errors.deposit)
    if efficiency is None or geometry is Geometry.DEPOSIT:
        return LithiumLosses(counts, np.where(begun, net, 0.0), net, random, common)
    value, std = _stated(efficiency)
    common = np.vstack((common, deposit * std))
    return LithiumLosses(counts, deposit * (1 - value), removal - value * deposit, random, common)


def lithium_books(
    rows: Sequence[CycleRow],
    geometry: Geometry,
    inventory_ah: Estimate = UNKNOWN,
    *,
    cathode_ah: Estimate = UNKNOWN,
    efficiency: Estimate | None = None,
    ended: Ended = Ended.RUNNING,
) -> LithiumBooks:
    """The books of one cell from the cycles of its runs, in the order of time; other kinds of rows are passed over.

    ``inventory_ah`` is the anode's lithium (see `inventory`), ``Estimate.exact(0)`` for anode-free; ``cathode_ah`` that of a full
    cell's cathode as built; ``efficiency`` that of the lithium, where the charges of a full cell do not tell it.

    Raises:
        AnalysisError: there is no cycle, an inventory is negative, or the efficiency is not one.
    """
    _check(inventory_ah, cathode_ah)
    mine = [row for row in rows if row.kind == KIND_CYCLE]
    is_masked = geometry is Geometry.FULL and inventory_ah.value != 0.0 and efficiency is None
    losses = None if is_masked else lithium_losses(mine, geometry, efficiency=efficiency)
    throughput = _throughput(mine)
    source = cathode_ah if inventory_ah.value == 0.0 else inventory_ah
    turnover = _turnover(throughput, inventory_ah, ended)
    untold = Estimate.refused(_NOTHING_SEEN if geometry is Geometry.SYMMETRIC else _MASKED)
    return LithiumBooks(
        geometry=geometry,
        ended=ended,
        cycles=len(mine),
        inventory_ah=inventory_ah,
        throughput_ah=throughput,
        turnover=turnover,
        turnover_total=_turnover(throughput, _sum((inventory_ah, cathode_ah)), ended),
        mean_efficiency=_mean_efficiency(turnover),
        lost_ah=untold if losses is None else _last(losses),
        left_ah=untold if losses is None else _left(losses, source),
        knee_cycle=untold if losses is None else predict_knee(mine, losses, geometry, inventory_ah),
        losses=losses,
        doubted_cycles=tuple(row.cycle_count for row in mine if CHARGE_DOUBTS & set(row.flags.split())),
    )


def predict_knee(rows: Sequence[CycleRow], losses: LithiumLosses, geometry: Geometry, inventory_ah: Estimate) -> Estimate:
    """The cycle at which the excess is used up if cycles go on to drain what those after the formation did on average.

    Refused without an inventory or with none to spare, below five such cycles, where the drain changes by more than a quarter of
    itself while it is watched, and where nothing is left or lost.
    """
    left = _left(losses, inventory_ah)
    if left.value is None:
        return left
    if inventory_ah.value == 0.0:
        return Estimate.refused("without lithium to spare there is no knee: the capacity fades from the first cycle on")
    formed = {row.cycle_count for row in rows if FLAG_FORMATION in row.flags.split()}
    chosen = ~np.isin(losses.cycle_count, list(formed))
    count = int(chosen.sum())
    if count < FEWEST_CYCLES:
        return Estimate.refused(f"{count} cycles after the formation are fewer than {FEWEST_CYCLES}")
    drained, common = losses.drained_ah[chosen], float(_together(losses.common_ah[:, chosen].mean(axis=1)))
    mean = float(drained.mean())
    place = np.arange(count) - 0.5 * (count - 1)
    slope = float(place @ drained / (place @ place))
    residual = drained - mean - slope * place
    slope_std = math.sqrt(float(residual @ residual) / (count - 2) / float(place @ place))
    if abs(slope) * count > DRIFTING * abs(mean) and abs(slope) > 3 * slope_std:
        return Estimate.refused(f"the loss per cycle still changes: by {slope * count / mean:+.0%} over {count} cycles")
    scatter = float(drained.std(ddof=1)) * inflation(drained - mean, 1)
    plate = float(np.nanmean([row.plating_capacity_ah for row in rows if row.plating_capacity_ah]))
    excess = left.value - (plate if geometry is Geometry.DEPOSIT else 0.0)
    alone = math.hypot(inventory_ah.std or 0.0, math.sqrt(float(np.sum(losses.random_std_ah**2))))
    drain = Drain(mean, common, scatter, count, count - 1)
    shared = float(_together(losses.common_ah.sum(axis=1)))
    return excess_lasts(
        excess, drain, excess_std=alone, excess_common_std=shared, after=max(float(losses.cycle_count[-1]), float(len(rows)))
    )


def review_knee(
    rows: Sequence[CycleRow],
    geometry: Geometry,
    inventory_ah: Estimate,
    *,
    efficiency: Estimate | None = None,
    left_out: Collection[int] = (),
) -> KneeReview:
    """The knee of one run's capacity beside the prediction that the cycles before half of it would have made; without a knee,
    beside that of all cycles. A straight fade shows that it has not come yet.

    Raises:
        AnalysisError: there is no whole cycle, they do not rise, an inventory is negative, or the efficiency is not one.
    """
    series = capacity_series(rows, left_out=left_out)
    if not series.cycle.size:
        raise AnalysisError("no cycle is whole")
    found = knee(series.cycle, series.capacity_ah)
    came = found.cycle
    until = math.inf if came.value is None or came.high is None else came.value / 2
    watched = [row for row in rows if row.cycle_count <= until]
    predicted = lithium_books(watched or rows, geometry, inventory_ah, efficiency=efficiency).knee_cycle
    if found.gain_aicc is not None and found.gain_aicc <= LEAST_GAIN:
        came = Estimate.at_least(float(series.cycle[-1]), came.refusal)
    return KneeReview(predicted, came, compare_knee(predicted, came))


def build_lithium(books: Sequence[LithiumBooks]) -> BuildLithium:
    """The sums over the cells of one build. Thickness and area err alike in all of them; instruments and cycles do not.

    Raises:
        AnalysisError: there is no cell.
    """
    if not books:
        raise AnalysisError("a build without cells has no books")
    inventory = _sum([one.inventory_ah for one in books])
    throughput, lost = (_sum([getattr(one, name) for one in books], alike=False) for name in ("throughput_ah", "lost_ah"))
    censored = [one for one in books if one.ended is not Ended.LITHIUM]
    ended = censored[0].ended if censored else Ended.LITHIUM
    return BuildLithium(len(books), len(censored), inventory, throughput, lost, _turnover(throughput, inventory, ended))


def _check(*inventories: Estimate) -> None:
    if any(one.value is not None and not (one.value >= 0 and math.isfinite(one.value)) for one in inventories):
        raise AnalysisError("a cell cannot hold less than no lithium")


def _stated(efficiency: Estimate) -> tuple[float, float]:
    if efficiency.value is None or not 0 < efficiency.value <= 1:
        raise AnalysisError(f"the lithium's efficiency must be a fraction above 0 and up to 1, not {efficiency.value}")
    if efficiency.low is None or efficiency.high is None:
        return efficiency.value, efficiency.std or 0.0
    return efficiency.value, (efficiency.high - efficiency.low) / (2 * NORMAL_95)


def _together(causes: Array) -> Array:
    """One σ of independent causes, down the first axis."""
    std: Array = np.sqrt(np.sum(causes**2, axis=0))
    return std


def _throughput(rows: Sequence[CycleRow]) -> Estimate:
    errors = row_errors([row for row in rows if row.plating_capacity_ah is not None])
    if not errors.deposit.size:
        return Estimate.refused("nothing was deposited")
    stds = np.nan_to_num(errors.deposit_std)
    random = np.minimum(np.nan_to_num(errors.random), stds)
    common = np.sqrt(stds**2 - random**2)
    return Estimate.normal(float(errors.deposit.sum()), math.hypot(float(common.sum()), float(np.sqrt(np.sum(random**2)))))


def _turnover(throughput: Estimate, inventory: Estimate, ended: Ended) -> Estimate:
    if inventory.value is None or throughput.value is None:
        return Estimate.refused(f"the lithium that there was is not known ({inventory.refusal or throughput.refusal})")
    if inventory.value == 0.0:
        return Estimate.refused("the anode began without lithium: count the cathode's")
    value = throughput.value / inventory.value
    std = value * math.hypot((throughput.std or 0.0) / (throughput.value or 1.0), (inventory.std or 0.0) / inventory.value)
    if ended is Ended.LITHIUM:
        return Estimate.normal(value, std)
    return Estimate(value, std, value - NORMAL_95 * std, None, _CENSORED[ended])


def _mean_efficiency(turnover: Estimate) -> Estimate:
    """1 − 1/FOM; where the turnover is a lower bound, so is this."""
    if turnover.value is None or turnover.std is None or turnover.low is None:
        return turnover
    if turnover.low <= 1:
        return Estimate.refused("less than the lithium that there was has been turned over")
    value, std = 1 - 1 / turnover.value, turnover.std / turnover.value**2
    high = None if turnover.high is None else 1 - 1 / turnover.high
    return Estimate(value, std, 1 - 1 / turnover.low, high, turnover.refusal)


def _last(losses: LithiumLosses) -> Estimate:
    if not losses.cycle_count.size:
        return Estimate.refused("no cycle is over")
    return Estimate.normal(float(losses.cumulative_ah[-1]), float(losses.cumulative_std_ah[-1]))


def _left(losses: LithiumLosses, inventory: Estimate) -> Estimate:
    if inventory.value is None:
        return Estimate.refused(f"the lithium that there was is not known ({inventory.refusal})")
    if not losses.cycle_count.size:
        return inventory
    std = math.hypot(inventory.std or 0.0, float(losses.cumulative_std_ah[-1]))
    return Estimate.normal(inventory.value - float(losses.drained_ah.sum()), std)


def _sum(parts: Sequence[Estimate], *, alike: bool = True) -> Estimate:
    """The sum, its σ from parts that err ``alike`` or each by itself; refused where a part is."""
    missing = next((part for part in parts if part.value is None), None)
    if missing is not None:
        return Estimate.refused(missing.refusal)
    stds = [part.std or 0.0 for part in parts]
    return Estimate.normal(math.fsum(part.value or 0.0 for part in parts), math.fsum(stds) if alike else math.hypot(*stds))
