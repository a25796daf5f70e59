"""What cells are compared by: one number per cell with its errors, or the reason why a cell has none.

A metric is made of a cell's cycles here and compared in `harness.lab.cohort`. ``std`` is everything that one cell's number may be
off by; ``offset_std`` the part that comes from its channel and is the same in all cells measured there, ``None`` where that is
not known and in no ``std``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from harness.analysis.coulombic import averaged, mean_coulombic_efficiency
from harness.analysis.estimate import Estimate
from harness.analysis.growth import Axis
from harness.errors import BadInput
from harness.lab.cell import CellView, Resistance
from harness.model.derived import CycleRow

SECOND_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One cell's number from ``cycles`` of its cycles; without a ``value``, ``reason`` says why."""

    value: float | None
    std: float | None = None
    offset_std: float | None = 0.0
    cycles: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """``measure`` a cell at a cycle (``None``: all of them, or the latest). ``takes_cycle``: whether it can be asked at one."""

    name: str
    unit: str
    what: str
    measure: Callable[[CellView, int | None], Measured]
    takes_cycle: bool = False


def metric_named(name: str, at_cycle: int | None) -> Metric:
    """The metric of that name.

    Raises:
        BadInput: there is none, or it has no value at a cycle.
    """
    known = {metric.name: metric for metric in METRICS}
    if name not in known:
        raise BadInput("metric", f'"{name}" is not a metric; there are {", ".join([*known, "cycle_life"])}')
    if at_cycle is not None and not known[name].takes_cycle:
        at = [metric.name for metric in METRICS if metric.takes_cycle]
        raise BadInput("at_cycle", f"{name} is of all cycles; at one cycle there are {', '.join(at)}")
    return known[name]


def _efficiency(cell: CellView, _: int | None) -> Measured:
    return _mean_efficiency(cell.cycle_rows())


def _mean_efficiency(rows: Sequence[CycleRow]) -> Measured:
    found = mean_coulombic_efficiency(rows)
    if found.coulombic_efficiency is None:
        return Measured(None, reason="no complete cycle after formation")
    return Measured(found.coulombic_efficiency, found.coulombic_efficiency_std, found.offset_std, found.cycles)


def _inefficiency_per_hour(cell: CellView, _: int | None) -> Measured:
    """(1 − CE) over the mean duration of the same cycles."""
    rows = averaged(cell.cycle_rows())
    lasted = {row.cycle_count: row.cycle_duration_second for row in rows if row.cycle_duration_second}
    mean = _mean_efficiency([row for row in rows if row.cycle_count in lasted])
    if mean.value is None:
        return Measured(None, reason="no cycle with a duration" if rows else mean.reason)
    hour = float(np.mean(list(lasted.values()))) / SECOND_PER_HOUR
    return replace(
        mean,
        value=(1 - mean.value) / hour,
        std=None if mean.std is None else mean.std / hour,
        offset_std=None if mean.offset_std is None else mean.offset_std / hour,
    )


def _growth(cell: CellView, _: int | None) -> Measured:
    report = cell.growth_laws(Resistance.AREA_SPECIFIC)
    return _measured(report.rate(Axis.CYCLE), report.points)


def _resistance(cell: CellView, cycle: int | None) -> Measured:
    name = Resistance.AREA_SPECIFIC.value
    fits = cell.numbered(cell.impedance()).filter(pl.col(name).is_not_null())
    chosen = fits if cycle is None else fits.filter(pl.col("cycle_count") == cycle)
    if chosen.is_empty():
        return Measured(None, reason="no fitted spectrum" + ("" if cycle is None else f" in cycle {cycle}"))
    last = chosen.row(-1, named=True)
    gain = cell.gain_std * last[name]
    return Measured(last[name], math.hypot(last[f"{name}_std"], gain), gain, cycles=1)


def _turnover(cell: CellView, _: int | None) -> Measured:
    rows = cell.cycle_rows()
    return _measured(cell.lithium().turnover, len(rows)) if rows else Measured(None, reason="no cycle")


def _measured(one: Estimate, cycles: int) -> Measured:
    if one.value is None or one.low is None or one.high is None:
        return Measured(None, cycles=cycles, reason=one.refusal)
    return Measured(one.value, one.std, cycles=cycles)


METRICS = (
    Metric("coulombic_efficiency", "", "charge-weighted mean over the complete cycles after formation", _efficiency),
    Metric("coulombic_inefficiency_per_hour", "1/h", "1 − that mean, per hour of a cycle", _inefficiency_per_hour),
    Metric("area_specific_resistance_growth", "Ω cm² per cycle", "slope of the interface's linear growth law", _growth),
    Metric("lithium_turnover", "", "charge plated until the lithium was used up, over the lithium that there was", _turnover),
    Metric("area_specific_resistance", "Ω cm²", "of the last spectrum, or of a cycle", _resistance, takes_cycle=True),
)
