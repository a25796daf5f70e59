"""The shape of every half cycle of an analysed file, and whether it shows a short. Judges; reads no file.

Lithium against lithium or copper is open at 0 V. A file that is called a deposit cell may yet be another one (silicon, sodium):
where the deposit is not driven below 0 V, nothing is plated from the counter electrode's own metal, and the open voltage counts
as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.coulombic import efficiency_of
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, half_cycle_shape
from harness.analysis.short_signs import ShortContext
from harness.analysis.shorts import ShortVerdict, judge_short
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
    open_volt = 0.0 if _lithium(cell) else None
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


def _lithium(cell: AnalyzedCell) -> bool:
    """Whether both electrodes are lithium, or copper that lithium is plated on."""
    if cell.geometry is Geometry.FULL:
        return False
    voltage = cell.columns["voltage_volt"]
    sign = {Role.PLATE: -1.0, Role.STRIP: 1.0}
    halves = [span for span in cell.half_cycles if cell.geometry is Geometry.SYMMETRIC or span.role.deposits]
    driven = [
        float(np.nanmedian(voltage[span.rows])) * sign[span.role] for span in halves if np.isfinite(voltage[span.rows]).any()
    ]
    return bool(driven) and float(np.median(driven)) > 0.0


def _of_removal(span: HalfSpan, efficiency: dict[int, Estimate]) -> Estimate | None:
    return None if span.role.deposits else efficiency.get(span.cycle_count)
