"""Coulombic efficiencies of an imported file: roles from the declared geometry, halves from steps and the current's direction.

How times, steps, counters, offsets and pairs are found stands in the modules of those names. Here they meet: counters win over
integrals and integrals check them, what passed in rests and probes is kept apart, and a half without its partner is a row with
no efficiency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from harness.analysis.charge import COULOMB_PER_AH, Accuracy, Array
from harness.analysis.cycle_table import Mask, charge_std_coulomb, knows_offset
from harness.analysis.estimate import Estimate
from harness.analysis.integrals import CurrentKind
from harness.errors import BadInput
from harness.interop.bdf import read_cells
from harness.interop.columns import Columns, numbers, stated_of
from harness.interop.finding import Finding
from harness.interop.halves import PairedHalves, pair_halves, rows_of
from harness.interop.measured import Measured, measure
from harness.interop.timeline import build_timeline, out_of_order
from harness.model.derived import CycleRow
from harness.model.run import Geometry, Role

SORTED = "rows_sorted"

_ROLES = {
    Geometry.FULL: {1: Role.CHARGE, -1: Role.DISCHARGE, 0: Role.REST},
    Geometry.DEPOSIT: {-1: Role.PLATE, 1: Role.STRIP, 0: Role.REST},
    Geometry.SYMMETRIC: {-1: Role.PLATE, 1: Role.STRIP, 0: Role.REST},
}


class StepCharge(NamedTuple):
    """What passed in one step: rows [first, stop) of one direction. ``charge_ah`` is signed, + charges the test object.

    ``role`` may be rest (leak and offset) or probe (impedance, pulses): those charges are in no half cycle. ``cycle_count`` is
    that of the cycle it counts in, ``None`` for rests, probes and what was too small to count. ``counted`` says that the
    instrument's counter gave the charge.
    """

    role: Role
    cycle_count: int | None
    first: int
    stop: int
    charge_ah: float
    charge_ah_std: float
    duration_second: float
    counted: bool


class HalfSpan(NamedTuple):
    """The rows of one half cycle, rests between its steps included."""

    role: Role
    cycle_count: int
    rows: slice


@dataclass(frozen=True, slots=True, eq=False)
class AnalyzedCell:
    """Everything that was computed of one cell of a file.

    ``columns`` are the numbers by machine name, one value per row; ``time_second`` the time that was used, which never falls;
    ``half_cycles`` are slices of both. ``rest_charge_ah`` and ``probe_charge_ah`` are the sums that passed outside of half
    cycles. ``offset_ampere`` is the current offset the file itself reveals (on the range cycled on longest); the charges are not
    corrected for it. ``open_voltage_volt`` is ``None`` where it changes or is unknown (`harness.interop.drive`).
    """

    name: str
    geometry: Geometry
    area_cm2: float | None
    rows: list[CycleRow]
    steps: list[StepCharge]
    half_cycles: list[HalfSpan]
    rest_charge_ah: Estimate
    probe_charge_ah: Estimate
    offset_ampere: Estimate
    findings: list[Finding]
    columns: Mapping[str, Array]
    time_second: Array
    open_voltage_volt: float | None

    def shared_flags(self) -> frozenset[str]:
        """The flags that every row has: worth saying once."""
        sets = [frozenset(row.flags.split()) for row in self.rows]
        return sets[0].intersection(*sets[1:]) if len(sets) > 1 else frozenset()


def analyze_file(
    path: Path,
    *,
    geometry: Geometry,
    area_cm2: float | None = None,
    current: Literal["point", "mean"] | None = None,
    accuracy: Accuracy | None = None,
    repair: bool = False,
) -> list[AnalyzedCell]:
    """The cycles of every cell in a Parquet or CSV file with Battery Data Format columns.

    Args:
        path: the file.
        geometry: what a positive current does; never guessed.
        area_cm2: of the electrode, when known: must be positive; charges and efficiencies do not depend on it.
        current: what a row's current is. ``None``: the mean since the row before when the file's own counter says so,
            else the value at the stamp.
        accuracy: what is known of the instrument; where it says no offset, the one that the file itself reveals is used.
        repair: give rows with an impossible time that of the row before, and put shuffled rows in order. Without it nothing is
            integrated over the first and the second are refused.

    Raises:
        BadInput: the file is unreadable, lacks a current or a time, or its rows are out of order.
    """
    if area_cm2 is not None and not (math.isfinite(area_cm2) and area_cm2 > 0):
        raise BadInput("area_cm2", f"{area_cm2!r} is not a positive area")
    kind = None if current is None else CurrentKind(current)
    return [
        analyze_frame(name, frame, geometry, kind, str(path), area_cm2=area_cm2, accuracy=accuracy, repair=repair)
        for name, frame in read_cells(path)
    ]


def analyze_frame(
    name: str,
    frame: pl.DataFrame,
    geometry: Geometry,
    kind: CurrentKind | None = None,
    where: str = "",
    *,
    area_cm2: float | None = None,
    accuracy: Accuracy | None = None,
    repair: bool = False,
) -> AnalyzedCell:
    """The cycles of one cell's rows (columns under machine names, in the order of recording).

    Raises:
        BadInput: there is no current, no time, or no finite number in one of them, or the rows are out of order.
    """
    frame, findings = _in_order(frame) if repair else (frame, [])
    columns = numbers(frame, where)
    timeline = build_timeline(columns, where, repair=repair)
    measured = measure(columns, timeline, stated_of(frame), kind, accuracy or Accuracy())
    halves = pair_halves(measured, geometry)
    resting = (measured.steps.direction == 0) & ~measured.steps.probe
    counts = {half: count for count, *pair in halves.pairs for half in pair if half >= 0}
    return AnalyzedCell(
        name,
        geometry,
        area_cm2,
        rows_of(name, measured, halves, geometry),
        _step_charges(measured, halves, counts, geometry),
        _half_spans(halves, counts, geometry),
        _outside(measured, resting, "the file has no rest"),
        _outside(measured, ~resting & ~_counting(measured), "the file has no probe and no pulse"),
        _longest_used(measured),
        [*findings, *timeline.findings, *([] if measured.assumed is None else [measured.assumed])],
        columns,
        timeline.time_second,
        halves.drive.open_voltage_volt,
    )


def _in_order(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Shuffled rows in the order of their test time, those of one time by their steps."""
    if "test_time_second" not in frame.columns or not frame["test_time_second"].dtype.is_numeric():
        return frame, []
    if not out_of_order(Columns(frame)["test_time_second"]):
        return frame, []
    keys = [key for key in ("test_time_second", "step_count", "cycle_count", "step_time_second") if key in frame.columns]
    text = "its rows were put in the order of time"
    return frame.sort(keys, maintain_order=True), [Finding(SORTED, "test_time_second", text, repaired=True)]


def _counting(measured: Measured) -> Mask:
    """Which steps count in cycles."""
    counting = np.zeros(measured.steps.first.size, dtype=np.bool_)
    counting[measured.pieces] = True
    return counting


def _half_spans(halves: PairedHalves, counts: Mapping[int, int], geometry: Geometry) -> list[HalfSpan]:
    roles = map(_ROLES[geometry].__getitem__, halves.direction.tolist())
    own = map(counts.__getitem__, range(halves.direction.size))
    rows = map(slice, halves.first.tolist(), halves.stop.tolist())
    return list(map(HalfSpan, roles, own, rows))


def _step_charges(measured: Measured, halves: PairedHalves, counts: Mapping[int, int], geometry: Geometry) -> list[StepCharge]:
    steps, charge = measured.steps, measured.charge
    roles, cycle = _ROLES[geometry], dict.fromkeys(range(steps.first.size))
    owner = np.repeat(np.arange(halves.first.size), np.diff(np.append(halves.first_piece, measured.pieces.size)))
    cycle |= {step: counts[half] for step, half in zip(measured.pieces.tolist(), owner.tolist(), strict=True)}
    probe = steps.probe | ((steps.direction != 0) & ~_counting(measured))
    columns = (
        [Role.PROBE if probing else roles[sign] for probing, sign in zip(probe.tolist(), steps.direction.tolist(), strict=True)],
        cycle.values(),
        steps.first.tolist(),
        steps.stop.tolist(),
        (charge.total_coulomb() / COULOMB_PER_AH).tolist(),
        (charge_std_coulomb(charge, measured.systematic) / COULOMB_PER_AH).tolist(),
        charge.second.sum(axis=1).tolist(),
        repeat(measured.counted is not None),
    )
    return list(map(StepCharge, *columns))


def _outside(measured: Measured, chosen: Mask, nothing: str) -> Estimate:
    """The charge that passed in steps that count in no cycle; their offsets are one, so their errors add. Where the offset is
    unknown, nobody knows its σ: then there is only the value.
    """
    steps = np.flatnonzero(chosen)
    if steps.size == 0:
        return Estimate.refused(nothing)
    total = measured.charge.taken(steps).joined(np.zeros(1, dtype=np.int64))
    value = float(total.total_coulomb()[0]) / COULOMB_PER_AH
    if not bool(knows_offset(total, measured.systematic)[0]):
        return Estimate(value, None, None, None, "the offset of the current is unknown")
    return Estimate.normal(value, float(charge_std_coulomb(total, measured.systematic)[0]) / COULOMB_PER_AH)


def _longest_used(measured: Measured) -> Estimate:
    """The offset of the range that was cycled on longest."""
    second = measured.integral.second[measured.pieces].sum(axis=0)
    found = sorted(measured.offsets, key=lambda offset: -float(second[offset.range_place]))
    return found[0].ampere if found else Estimate.refused("neither a set current nor measured rests on the same range reveal it")
