"""Lithium books against emulated cells: losses, reservoir efficiency, and knees that were predicted before they came.

Every cell has its own instrument (offset and gain drawn, both stated as one σ) and its own losses, which differ by 10 % from cell
to cell and scatter from cycle to cycle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.analysis.charge import Accuracy, step_charge, total_charge
from harness.analysis.coulombic import HalfCycle, cycle_row
from harness.analysis.estimate import Estimate
from harness.analysis.excess import Drain, Verdict, compare_knee, excess_lasts
from harness.analysis.fade import Array, capacity_series, end_of_life, knee
from harness.analysis.lithium import lithium_books, lithium_losses
from harness.analysis.reservoir import blocks_of_rows
from harness.model.derived import CycleRow
from harness.model.run import Geometry, Role
from tests.benchmarks.figure import Figure
from tests.studies.generated import GeneratedCell, each_cell

OFFSET, GAIN, BITS = 1e-4, 2e-4, 18
ACCURACY = Accuracy(offset_of_range=OFFSET, gain=GAIN, adc_bits=BITS)
IMPERFECT = {"base": "none", "offset": OFFSET, "gain": GAIN, "adc_bits": BITS}
SAMPLING = {"every": "600 s", "on_change": "1 V", "check": "600 s"}
WANTED = "93 … 97"
CUT_OFF_VOLT = 0.9

SHORT, RESERVOIR, MEASURED_CYCLES = 1.0, 3.0, 12
LOSS_SCATTER, LOSS_CORRELATION = 0.1, 0.6
"""Those of the emulated cell: from deposit to deposit."""
CYCLE_SCATTER = LOSS_SCATTER * math.sqrt((1 + LOSS_CORRELATION) / (1 - LOSS_CORRELATION))

EXCESS, EXCESS_STD, COMPANIONS, WATCHED = 2.0, 0.05, 6, 15
CHARGE_MAH, CURRENT_MA = 2.1, 2.4
"""What the full cell's cathode gives, and the current it is cycled with."""

Content = dict[str, Any]


def study(seeds: int) -> list[Figure]:
    """How often the 95 % intervals hold what happened, of ``seeds`` cells each; of full cells, each with its six, a fifth."""
    return [*losses(seeds), *reservoirs(seeds), *own_knees(seeds), *full_knees(max(seeds // 5, 1))]


# -- lithium lost


def losses(seeds: int) -> list[Figure]:
    """Of Li||Cu, cycles 2 to 8: what the books say is gone against the film and the dead lithium that really are."""
    steps = [repeat(8, plate(0.5), {"step": "rest", "for": "10 min"}, strip())]
    found = each_cell(scenario(steps), seeds, _lost)
    single = [held for one in found for held in one[:-1]]
    return [
        _share("lithium lost in one cycle, Li||Cu", single),
        _share("lithium lost in seven cycles together, Li||Cu", [one[-1] for one in found]),
    ]


def _lost(cell: GeneratedCell) -> list[bool]:
    """Per cycle from the second on, and of all of them at last, whether the interval holds the truth."""
    area, truth = 1.0, cell.truth["half_cycle"]
    gone = np.array([_gone(row) for row in truth]).reshape(-1, 2).sum(axis=1)[1:] * area * 1e-3
    found = lithium_losses(rows_of(cell)[1:], Geometry.DEPOSIT)
    if found is None:
        return []
    pairs = [
        *zip(found.lost_ah, gone, found.std_ah, strict=True),
        (found.cumulative_ah[-1], gone.sum(), found.cumulative_std_ah[-1]),
    ]
    return [bool(abs(value - true) <= 1.96 * std) for value, true, std in pairs]


def _gone(row: Mapping[str, Any]) -> float:
    lost = row["sei_lithium_mah_cm2"] + row["dead_lithium_mah_cm2"] + row["calendar_lithium_mah_cm2"]
    return float(lost - row["reconnected_lithium_mah_cm2"])


# -- reservoir


def reservoirs(seeds: int) -> list[Figure]:
    """The efficiency of a block of five short cycles on 4 mAh/cm² against the charges that really crossed the cell."""
    steps = [plate(2), strip(), plate(4), repeat(5, strip(1), plate(1)), strip()]
    found = each_cell(scenario(steps), seeds, _block)
    return [_share("reservoir efficiency", found)]


def _block(cell: GeneratedCell) -> bool:
    [truth] = [row["coulombic_efficiency_adams"] for row in cell.truth["half_cycle"] if row["coulombic_efficiency_adams"]]
    [found] = blocks_of_rows(rows_of(cell), programmed_cycles=5)
    return _holds(found.coulombic_efficiency, truth)


# -- the knee of a reservoir that is cycled until it is gone


def own_knees(seeds: int) -> list[Figure]:
    """Li||Cu with little lithium: an efficiency from one block predicts when the next reservoir of the same cell runs out."""
    block = [plate(RESERVOIR), repeat(MEASURED_CYCLES, strip(SHORT), plate(SHORT))]
    steps = [plate(RESERVOIR), strip(), *block, strip(), plate(RESERVOIR), repeat(60, strip(SHORT), plate(SHORT))]
    found = each_cell(scenario(steps, preset="bare_lp30"), seeds, _own_knee)
    verdicts = [verdict for verdict, _ in found]
    return [
        _share("knee of Li||Cu with 3 mAh/cm² as predicted", [verdict == Verdict.AGREES for verdict in verdicts]),
        Figure("half width of its prediction", 100 * float(np.median([width for _, width in found])), "%"),
    ]


def _own_knee(cell: GeneratedCell) -> tuple[str, float]:
    """The verdict on the knee that came, and the half width of its prediction relative to it."""
    rows = rows_of(cell)
    measured, exhausted = blocks_of_rows(rows)
    efficiency = measured.coulombic_efficiency
    value, std = efficiency.value or 0.0, efficiency.std or 0.0
    loss = SHORT * (1 - value)
    predicted = excess_lasts(
        value * RESERVOIR - SHORT,
        Drain(loss, SHORT * std, CYCLE_SCATTER * loss, MEASURED_CYCLES),
        excess_common_std=RESERVOIR * std,
    )
    came = Estimate.exact(float(exhausted.last_cycle - exhausted.first_cycle))
    return compare_knee(predicted, came).verdict, _width(predicted)


# -- the knee of a full cell


def full_knees(seeds: int) -> list[Figure]:
    """Li||NMC811 with 2 ± 0.1 mAh/cm² to spare: six Li||Cu cells give the efficiency, 15 cycles and the foil the rest."""
    made = each_cell(companion(), COMPANIONS * seeds, _companion)
    efficiencies = [made[place : place + COMPANIONS] for place in range(0, len(made), COMPANIONS)]
    watched = each_cell(full_cell(), seeds, _full, first=1_000_001)
    truths, agreed, widths = [], [], []
    for values, (rows, exhausted) in zip(efficiencies, watched, strict=True):
        spread = float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / COMPANIONS)
        efficiency = Estimate.student(float(np.mean(values)), spread, COMPANIONS - 1)
        inventory = Estimate.normal(EXCESS * 1e-3, EXCESS * EXCESS_STD * 1e-3)
        predicted = lithium_books(rows[:WATCHED], Geometry.FULL, inventory, efficiency=efficiency).knee_cycle
        truths.append(compare_knee(predicted, Estimate.exact(exhausted)).verdict == Verdict.AGREES)
        agreed.append(compare_knee(predicted, knee(*_series(rows)).cycle).verdict == Verdict.AGREES)
        widths.append(_width(predicted))
    return [
        _share("cycle in which a full cell's lithium is gone, predicted in cycle 15", truths),
        _share("knee of its capacity (Bacon-Watts) as predicted", agreed, ""),
        Figure("half width of its prediction", 100 * float(np.median(widths)), "%"),
    ]


def companion() -> Content:
    """A reservoir test with the full cell's charge and current."""
    block = [plate(2 * CHARGE_MAH, CURRENT_MA), repeat(8, strip(CHARGE_MAH, CURRENT_MA), plate(CHARGE_MAH, CURRENT_MA))]
    return scenario([plate(CHARGE_MAH, CURRENT_MA), strip(None, CURRENT_MA), *block, strip(None, CURRENT_MA)])


def full_cell() -> Content:
    """The cell of the ready scenario ``knee``, at a constant C/2."""
    steps: list[Content] = [
        {"step": "charge", "current": "C/2", "until": {"voltage_above": "4.2 V"}, "longest": "4 h"},
        {"step": "rest", "for": "10 min"},
        {"step": "discharge", "current": "C/2", "until": {"voltage_below": "3 V"}, "longest": "4 h"},
    ]
    made = scenario([repeat(75, *steps)], geometry="full", excess_mah_cm2=EXCESS)
    return made | {"population": {"count": 1, "vary": {"excess_mah_cm2": {"scatter": EXCESS_STD}}}}


def _companion(cell: GeneratedCell) -> float:
    [found] = blocks_of_rows(rows_of(cell))
    return found.coulombic_efficiency.value or math.nan


def _full(cell: GeneratedCell) -> tuple[list[CycleRow], float]:
    """Its rows until half of its capacity is gone, and the cycle in which the lithium was."""
    removals = [row for row in cell.truth["half_cycle"] if not row["deposits"]]
    exhausted = next((place for place, row in enumerate(removals, 1) if row["lithium_exhausted"]), len(removals))
    rows = rows_of(cell)
    half = end_of_life(*_series(rows), threshold=0.5)
    return [row for row in rows if row.cycle_count <= (half.value or math.inf)], float(exhausted)


def _series(rows: Sequence[CycleRow]) -> tuple[Array, Array]:
    found = capacity_series(rows)
    return found.cycle, found.capacity_ah


# -- scenarios and rows


def plate(mah_cm2: float, current: float = 1.0) -> Content:
    """A deposit of so much, at so many mA/cm²."""
    return {"step": "plate", "current": f"{current} mA/cm^2", "until": {"charge": f"{mah_cm2} mAh/cm^2"}}


def strip(mah_cm2: float | None = None, current: float = 1.0) -> Content:
    """A removal of so much, or of what is there: in either case no further than to 1 V."""
    until = {"voltage_above": "1 V"} | ({} if mah_cm2 is None else {"charge": f"{mah_cm2} mAh/cm^2"})
    return {"step": "strip", "current": f"{current} mA/cm^2", "until": until, "longest": "20 h"}


def repeat(count: int, *steps: Content) -> Content:
    """Steps, so many times."""
    return {"step": "repeat", "count": count, "steps": list(steps)}


def scenario(steps: Sequence[Content], preset: str = "bare_fec", geometry: str = "deposit", **cell: object) -> Content:
    """One cell of 1 cm² on an imperfect instrument."""
    made = {"name": "cell", "geometry": geometry, "preset": preset, "area_cm2": 1.0, **cell}
    instrument = {"serial": "EMU1", "imperfections": IMPERFECT, "channels": [{"name": "a1", "cell": made}]}
    schedule = {"schedule": "study", "version": 1, "sampling": SAMPLING, "steps": list(steps)}
    return {"schedule": schedule, "instruments": [instrument]}


@dataclass(slots=True)
class _Open:
    """The charges of a cycle so far, and whether its last removal ended below the cut-off."""

    deposit: list[HalfCycle]
    removal: list[HalfCycle]
    second: float = 0.0
    left: bool = False


def rows_of(cell: GeneratedCell) -> list[CycleRow]:
    """Its cycles with the accuracy that its instrument states."""
    cycles: dict[int, _Open] = {}
    for step in cell.samples.partition_by("step_count", maintain_order=True):
        open_cycle = cycles.setdefault(int(step["cycle_count"][0]), _Open([], []))
        role, time = Role(str(step["role"][0])), step["step_time_second"].to_numpy()
        open_cycle.second += float(time[-1])
        if not (role.deposits or role.removes):
            continue
        charge = step_charge(time, step["current_ampere"].to_numpy(), range_ampere=step["current_range_ampere"].to_numpy())
        half = HalfCycle(role, round(float(step["unix_time_second"][0]) * 1e9), charge, whole=True)
        (open_cycle.deposit if role.deposits else open_cycle.removal).append(half)
        open_cycle.left = role is Role.STRIP and float(step["voltage_volt"][-1]) < CUT_OFF_VOLT
    return [_row(count, one) for count, one in cycles.items() if one.deposit or one.removal]


def _row(count: int, cycle: _Open) -> CycleRow:
    flags = ["strip_incomplete"] if cycle.left else []
    halves = [_joined(side) for side in (cycle.deposit, cycle.removal)]
    return cycle_row("cell", count, halves[0], halves[1], ACCURACY, duration_second=cycle.second, flags=flags)


def _joined(halves: Sequence[HalfCycle]) -> HalfCycle | None:
    if not halves:
        return None
    return HalfCycle(halves[0].role, halves[0].start_nanosecond, total_charge([half.charge for half in halves]), whole=True)


def _holds(found: Estimate, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def _width(found: Estimate) -> float:
    if found.value is None or found.low is None or found.high is None:
        return math.nan
    return (found.high - found.low) / 2 / found.value


def _share(what: str, held: Sequence[bool], wanted: str = WANTED) -> Figure:
    return Figure(f"{what}: interval holds it", 100 * float(np.mean(held)), "%", wanted)
