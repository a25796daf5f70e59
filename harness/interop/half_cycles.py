"""The shape of every half cycle of an analysed file, and whether it shows a short. Judges; reads no file.

What a live run knows beside the readings is taken from the file: the voltage of a rest right before, and a removal's efficiency.
The latter not of a deposit cell whose open voltage is unknown: a host may give what it held before. Where the offset of the
current is unknown, nobody knows an efficiency's error, and no surplus is certain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice, takewhile

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.coulombic import known_efficiency
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, half_cycle_shape
from harness.analysis.short_signs import ShortContext, usual_second
from harness.analysis.shorts import ShortVerdict, judge_short
from harness.analysis.steady import SAME_CURRENT_1
from harness.errors import AnalysisError
from harness.interop.cycles import AnalyzedCell, HalfSpan
from harness.model.run import Geometry, Role


@dataclass(frozen=True, slots=True)
class JudgedHalf:
    """One half cycle, its shape, and the verdict on a short in it."""

    span: HalfSpan
    shape: HalfCycleShape
    verdict: ShortVerdict


def judged_halves(cell: AnalyzedCell) -> list[JudgedHalf]:
    """Every half cycle with enough readings of a voltage, in the order of the file; earlier ones of its role are its history."""
    voltage = cell.columns.get("voltage_volt")
    if voltage is None:
        return []
    told = cell.rows if cell.geometry is Geometry.FULL or cell.open_voltage_volt is not None else []
    efficiency = {row.cycle_count: known_efficiency(row) for row in told}
    place = {step.first: number for number, step in enumerate(cell.steps)}
    history: dict[Role, list[HalfCycleShape]] = {}
    made = []
    for span in cell.half_cycles:
        rows, earlier = span.rows, history.setdefault(span.role, [])
        try:
            shape = half_cycle_shape(
                cell.time_second[rows],
                voltage[rows],
                cell.columns["current_ampere"][rows],
                open_voltage_volt=cell.open_voltage_volt,
                rest_voltage_volt=_rest_voltage(cell, rows, place[rows.start], voltage),
                usual_second=usual_second(earlier),
            )
        except AnalysisError:
            continue
        context = ShortContext(coulombic_efficiency=_of_removal(span, efficiency))
        verdict = judge_short(shape, earlier, context)
        earlier.append(replace(shape, short_grade=verdict.grade))
        made.append(JudgedHalf(span, shape, verdict))
    return made


def _rest_voltage(cell: AnalyzedCell, rows: slice, first_step: int, voltage: Array) -> float | None:
    """The voltage at which the cell rested right before a half cycle, if it then began with the current of most of its charge."""
    if first_step == 0 or cell.steps[first_step - 1].role is not Role.REST or not np.isfinite(voltage[rows.start - 1]):
        return None
    own = list(takewhile(lambda step: step.first < rows.stop, islice(cell.steps, first_step, None)))
    most = max((step for step in own if step.cycle_count is not None), key=lambda step: abs(step.charge_ah))
    first, other = (step.charge_ah / step.duration_second if step.duration_second > 0 else 0.0 for step in (own[0], most))
    return float(voltage[rows.start - 1]) if abs(first - other) <= SAME_CURRENT_1 * abs(other) else None


def _of_removal(span: HalfSpan, efficiency: dict[int, Estimate]) -> Estimate | None:
    return efficiency.get(span.cycle_count) if span.role.removes else None
