"""One half cycle of a run as a row: its shape, and what speaks for a short in it. Takes readings and rows, gives a row.

What is usual comes from the rows of earlier half cycles, what the cycle and its spectra say from theirs: nothing counts that no
row holds, so that a run that is taken up again judges as one that never stopped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import shape, shorts
from harness.analysis.charge import COULOMB_PER_AH, Accuracy, Array, Charge
from harness.analysis.coulombic import known_efficiency
from harness.analysis.cycle_table import FLAG_INCOMPLETE, FLAG_OFFSET_UNKNOWN
from harness.analysis.estimate import Estimate
from harness.analysis.run_cycle import HalfReadings
from harness.analysis.shape import HalfCycleShape, half_cycle_shape, shape_from_row
from harness.analysis.short_signs import ImpedanceState, ShortContext, usual_second
from harness.analysis.shorts import ShortVerdict, judge_short
from harness.errors import AnalysisError
from harness.model.derived import CycleRow, HalfCycleRow, ImpedanceFitRow

FLAG_NOT_SHAPED = "not_shaped"
FEWEST_RELAXATION_READINGS = 4
CERTAIN = 2.0
"""Deviations by which a rest's rate counts as lower, and the usual ones as higher: at rest most of it may be noise."""
NUMBERS = (
    "nucleation_overpotential_volt",
    "plateau_overpotential_volt",
    "end_overpotential_volt",
    "arcing_1",
    "apparent_resistance_ohm",
)


def method_version() -> str:
    """Of a half cycle's row, which is superseded when either of its two methods is."""
    return f"{shape.METHOD_VERSION} {shorts.METHOD_VERSION}"


class EarlierHalves:
    """The half cycles of one polarity that are over, oldest first: of each what its row holds.

    ``relaxations`` are the rates of their rests, each as high as its error allows.
    """

    def __init__(self, rows: Iterable[HalfCycleRow] = ()) -> None:
        self.shapes: list[HalfCycleShape] = []
        self.relaxations: list[float] = []
        for row in rows:
            self.add(row)

    def add(self, row: HalfCycleRow) -> None:
        """One more is over."""
        self.shapes.append(shape_from_row(row))
        if row.relaxation_volt_per_second is not None:
            self.relaxations.append(row.relaxation_volt_per_second + CERTAIN * (row.relaxation_volt_per_second_std or 0.0))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a half cycle: earlier ones of its polarity, the row of its cycle, the run's fits so far in order."""

    earlier: EarlierHalves
    cycle: CycleRow | None = None
    fits: Sequence[ImpedanceFitRow] = ()


def half_cycle_row(run_id: str, cycle_count: int, half: HalfReadings, accuracy: Accuracy, around: Surroundings) -> HalfCycleRow:
    """The row of one half cycle. Readings that have no shape make a row without numbers, with the flag ``not_shaped``."""
    relaxation = relaxation_rate(half.relaxation_second, half.relaxation_volt)
    flags = set(half.flags | half.charge.flags) | (set() if half.whole else {FLAG_INCOMPLETE})
    flags |= set() if half.charge.knows_offset(accuracy) else {FLAG_OFFSET_UNKNOWN}
    try:
        found = half_cycle_shape(
            half.time_second,
            half.voltage_volt,
            half.current_ampere,
            open_voltage_volt=half.open_voltage_volt,
            rest_voltage_volt=half.rest_voltage_volt,
            usual_second=usual_second(around.earlier.shapes),
        )
    except AnalysisError as error:
        found, verdict = _nothing(str(error)), ShortVerdict("", ())
        flags.add(FLAG_NOT_SHAPED)
    else:
        verdict = _placed(judge_short(found, around.earlier.shapes, _context(half, relaxation, around)), half.begin_second)
    row = shorts.half_cycle_row(
        found,
        verdict,
        run_id=run_id,
        cycle_count=cycle_count,
        unix_time_nanosecond=half.unix_time_nanosecond,
        role=half.role.value,
        capacity_ah=_capacity(half.charge, accuracy),
        flags=frozenset(flags),
    )
    refusals = {name: one.refusal for name in NUMBERS if (one := getattr(found, name)).value is None}
    rate, rate_std = (None, None) if relaxation is None else relaxation
    return replace(
        row,
        relaxation_volt_per_second=rate,
        relaxation_volt_per_second_std=rate_std,
        refusals=json.dumps(refusals, ensure_ascii=False) if refusals else "",
    )


def relaxation_rate(time_second: Array, voltage_volt: Array) -> tuple[float, float] | None:
    """|dV/dt| ± σ over the second half of a rest's time, by least squares; ``None`` when fewer than four readings lie there."""
    if time_second.size == 0:
        return None
    late = time_second >= 0.5 * (time_second[0] + time_second[-1])
    time, voltage = time_second[late], voltage_volt[late]
    if time.size < FEWEST_RELAXATION_READINGS or time[-1] <= time[0]:
        return None
    centred, spread = time - time.mean(), voltage - voltage.mean()
    squares = float(np.dot(centred, centred))
    rate = float(np.dot(centred, spread)) / squares
    residual = spread - rate * centred
    return abs(rate), math.sqrt(float(np.dot(residual, residual)) / (time.size - 2) / squares)


def _placed(verdict: ShortVerdict, begin_second: float) -> ShortVerdict:
    """The same, with its readings' times counted from the start of the half cycle instead of that of the judged step."""

    def later(second: float | None) -> float | None:
        return None if second is None else second + begin_second

    moved = [replace(one, from_second=later(one.from_second), to_second=later(one.to_second)) for one in verdict.evidence]
    return ShortVerdict(verdict.grade, tuple(moved))


def _capacity(charge: Charge, accuracy: Accuracy) -> Estimate:
    return Estimate.normal(abs(charge.charge_coulomb) / COULOMB_PER_AH, charge.std_coulomb(accuracy) / COULOMB_PER_AH)


def _context(half: HalfReadings, relaxation: tuple[float, float] | None, around: Surroundings) -> ShortContext:
    before = [row for row in around.fits if row.unix_time_nanosecond < half.unix_time_nanosecond]
    after = around.fits[len(before) :]
    cycle = around.cycle if half.role.removes else None
    return ShortContext(
        impedance_before=_state(before[-1]) if before else None,
        impedance_after=_state(after[0]) if after else None,
        relaxation_volt_per_second=None if relaxation is None else max(relaxation[0] - CERTAIN * relaxation[1], 0.0),
        usual_relaxation_volt_per_second=tuple(around.earlier.relaxations),
        coulombic_efficiency=None if cycle is None else known_efficiency(cycle),
    )


def _state(fit: ImpedanceFitRow) -> ImpedanceState:
    return ImpedanceState(
        _known(fit.series_resistance_ohm, fit.series_resistance_ohm_std),
        _known(fit.interface_resistance_ohm, fit.interface_resistance_ohm_std),
    )


def _known(value: float | None, std: float | None) -> Estimate:
    return Estimate.refused("the row has none") if value is None or std is None else Estimate.normal(value, std)


def _nothing(reason: str) -> HalfCycleShape:
    none = Estimate.refused(reason)
    return HalfCycleShape(None, None, 0, none, none, none, none, none, None)
