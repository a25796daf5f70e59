"""The shape of every half cycle of an analysed file, and whether it shows a short. Judges; reads no file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.analysis.coulombic import efficiency_of
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, half_cycle_shape
from harness.analysis.short_signs import ShortContext
from harness.analysis.shorts import ShortVerdict, judge_short
from harness.errors import AnalysisError
from harness.interop.cycles import AnalyzedCell, HalfSpan
from harness.model.run import Role


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
    open_volt = cell.open_voltage_volt
    efficiency = {row.cycle_count: efficiency_of(row) for row in cell.rows}
    history: dict[Role, list[HalfCycleShape]] = {}
    made = []
    for span in cell.half_cycles:
        rows = span.rows
        try:
            shape = half_cycle_shape(
                cell.time_second[rows], voltage[rows], cell.columns["current_ampere"][rows], open_voltage_volt=open_volt
            )
        except AnalysisError:
            continue
        context = ShortContext(coulombic_efficiency=_of_removal(span, efficiency) if open_volt is not None else None)
        earlier = history.setdefault(span.role, [])
        verdict = judge_short(shape, earlier, context)
        earlier.append(replace(shape, short_grade=verdict.grade))
        made.append(JudgedHalf(span, shape, verdict))
    return made


def _of_removal(span: HalfSpan, efficiency: dict[int, Estimate]) -> Estimate | None:
    return None if span.role.deposits else efficiency.get(span.cycle_count)
