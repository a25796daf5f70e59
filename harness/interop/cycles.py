"""Coulombic efficiencies of an imported file: roles from the declared geometry, halves from steps and the current's direction.

Cycles are the file's own where each of its counts holds at most one deposit and one removal, in that order; otherwise halves are
paired as they come, each deposit with the removal after it (cycle 0 is a removal that comes first). A half without its partner is
a row with no efficiency. Counters win over integrals, and integrals check them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from harness.analysis.charge import (
    COULOMB_PER_AH,
    FLAG_BACKWARD,
    FLAG_GAP,
    Accuracy,
    Array,
    Charge,
    CurrentKind,
    counted_charge,
    step_charge,
    total_charge,
)
from harness.analysis.coulombic import HalfCycle, cycle_row
from harness.analysis.estimate import Estimate
from harness.analysis.resistance import Resistance, apparent_resistance, switch_resistance
from harness.errors import BadInput
from harness.interop.bdf import read_cells
from harness.interop.counters import Counter, best_counter
from harness.interop.finding import Finding
from harness.interop.offset import estimate_offset
from harness.interop.timeline import Segment, Timeline, build_timeline, segments
from harness.model.derived import CycleRow
from harness.model.run import Geometry, Role

FLAG_COUNTER_MISMATCH = "counter_mismatch"
"""The integral of the current and the instrument's counter differ by more than max(3 σ, 0.2 %)."""
FLAG_MINOR = "minor_charge_left_out"
"""Half cycles of less than 0.1 % of the largest were pulses or noise and count in no cycle."""
FLAG_CYCLE_COUNT = "cycle_count_unusable"

MISMATCH = 2e-3
MINOR = 1e-3
NOISE = 1e-6
SAME_END_VOLT = 0.02

_ROLES = {
    Geometry.FULL: {1: Role.CHARGE, -1: Role.DISCHARGE},
    Geometry.DEPOSIT: {-1: Role.PLATE, 1: Role.STRIP},
    Geometry.SYMMETRIC: {-1: Role.PLATE, 1: Role.STRIP},
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """One segment with current: its integral, what its unknown edges add, and what the counter saw (ampere-hours)."""

    segment: Segment
    integral: Charge
    edge_std_coulomb: float
    counted_ah: float

    @property
    def direction(self) -> int:
        return self.segment.direction


@dataclass(frozen=True, slots=True)
class _Half:
    pieces: list[_Piece]
    charge: Charge
    count: int | None
    flags: frozenset[str] = frozenset()

    @property
    def direction(self) -> int:
        return self.pieces[0].direction

    @property
    def first(self) -> int:
        return self.pieces[0].segment.first

    @property
    def stop(self) -> int:
        return self.pieces[-1].segment.stop


@dataclass(frozen=True, slots=True)
class _Table:
    """One cell's columns with everything found out about them."""

    columns: Mapping[str, Array]
    timeline: Timeline
    counter: Counter | None
    kind: CurrentKind
    geometry: Geometry
    accuracy: Accuracy
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class StepCharge:
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


@dataclass(frozen=True, slots=True)
class HalfSpan:
    """The rows of one half cycle, rests between its steps included."""

    role: Role
    cycle_count: int
    rows: slice


@dataclass(frozen=True, slots=True, eq=False)
class AnalyzedCell:
    """Everything that was computed of one cell of a file.

    ``columns`` are the numbers by machine name, one value per row, with the time that was used as ``test_time_second``;
    ``half_cycles`` are slices of them. ``rest_charge_ah`` and ``probe_charge_ah`` are the sums that passed outside of half
    cycles. ``offset_ampere`` is the current offset the file itself reveals; the charges are not corrected for it.
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
        current: what a row's current is. ``None``: the mean since the row before when the file's own charge increments say so,
            else the value at the stamp.
        accuracy: what is known of the instrument; the offset that the file itself reveals is used where this says none.
        repair: give rows with an impossible time that of the row before. Without it nothing is integrated over them.

    Raises:
        BadInput: the file is unreadable or lacks a current or a time.
    """
    if area_cm2 is not None and not (math.isfinite(area_cm2) and area_cm2 > 0):
        raise BadInput("area_cm2", f"{area_cm2!r} is not a positive area")
    kind = None if current is None else CurrentKind(current)
    return [
        analyze_frame(name, frame, geometry, kind, str(path), area_cm2=area_cm2, accuracy=accuracy or Accuracy(), repair=repair)
        for name, frame in read_cells(path)
    ]


def analysis_json(cells: Sequence[AnalyzedCell]) -> dict[str, object]:
    """What `analyze_file` found, in the shape that is written as JSON."""
    return {
        "cells": [
            {
                "cell": cell.name,
                "cycles": [
                    {
                        "cycle_count": row.cycle_count,
                        "coulombic_efficiency": row.coulombic_efficiency,
                        "coulombic_efficiency_std": row.coulombic_efficiency_std,
                        "flags": row.flags.split(),
                    }
                    for row in cell.rows
                ],
            }
            for cell in cells
        ]
    }


def analyze_frame(
    name: str,
    frame: pl.DataFrame,
    geometry: Geometry,
    kind: CurrentKind | None = None,
    where: str = "",
    *,
    area_cm2: float | None = None,
    accuracy: Accuracy = Accuracy(),  # noqa: B008 - frozen
    repair: bool = False,  # noqa: ARG001 - a file's times are still repaired unasked
) -> AnalyzedCell:
    """The cycles of one cell's rows (columns under machine names, in the order of recording).

    Raises:
        BadInput: there is no current, no time, or no finite number in one of them.
    """
    columns = _numbers(frame, where)
    timeline = build_timeline(columns, where)
    cuts, flags = segments(columns, timeline)
    counter = best_counter(columns, timeline)
    offset, offset_flags = estimate_offset(columns, timeline, cuts)
    table = _Table(
        columns, timeline, counter, kind or _kind_of(columns, timeline, counter), geometry,
        accuracy if offset is None or accuracy.offset_ampere is not None else replace(accuracy, offset_ampere=offset),
        timeline.flags | flags | offset_flags,
    )  # fmt: skip
    pieces, minor = _without_minor([_piece(table, cut) for cut in cuts if cut.direction != 0])
    table = replace(table, flags=table.flags | ({FLAG_MINOR} if minor else set()))
    rows, halves = _rows(name, table, pieces)
    nothing = Estimate.refused("it was not computed")
    return AnalyzedCell(name, geometry, area_cm2, rows, [], halves, nothing, nothing, nothing, [], columns)


def _numbers(frame: pl.DataFrame, where: str) -> dict[str, Array]:
    columns = {}
    for column in frame.columns:
        series = frame[column]
        if series.dtype.is_numeric() or series.dtype == pl.Null:
            columns[column] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        elif column.rsplit("_", 1)[-1] in ("second", "ampere", "volt", "ah"):
            raise BadInput(where, f'its column "{column}" holds text where numbers belong')
    if "current_ampere" not in columns:
        raise BadInput(where, 'no column holds the current; it needs "current_ampere" or "Current / A"')
    if not bool(np.isfinite(columns["current_ampere"]).any()):
        raise BadInput(where, 'its column "current_ampere" holds no number')
    return columns


def _kind_of(columns: Mapping[str, Array], timeline: Timeline, counter: Counter | None) -> CurrentKind:
    """Interval means when the increments equal mean × interval, row by row, better than they equal the trapezoid."""
    if counter is None or not counter.rounded_each or timeline.time_second.size < 3:
        return CurrentKind.POINT
    interval = np.diff(timeline.time_second)
    current = np.nan_to_num(columns["current_ampere"], nan=0.0)
    amount = counter.signed_ah()[1:] * COULOMB_PER_AH
    rectangle = np.abs(interval * current[1:] - amount)
    trapezoid = np.abs(0.5 * interval * (current[1:] + current[:-1]) - amount)
    differing = np.abs(current[1:] - current[:-1]) * interval > 1e-9 * float(np.max(np.abs(amount), initial=0.0))
    better = rectangle[differing] < trapezoid[differing]
    return CurrentKind.MEAN if better.size and float(np.mean(better)) > 0.5 else CurrentKind.POINT


def _piece(table: _Table, segment: Segment) -> _Piece:
    current = table.columns["current_ampere"][segment.first : segment.stop]
    start, edge = segment.start_second, segment.unknown_edge_second
    if table.kind is CurrentKind.MEAN:
        edge = 0.0
        if start is None and segment.first:
            before = table.timeline.time_second[segment.first - 1]
            start = float(segment.clock[0] - (table.timeline.time_second[segment.first] - before))
    integral = step_charge(
        segment.clock,
        current,
        start_second=start,
        end_second=segment.end_second,
        kind=table.kind,
        time_resolution_second=table.timeline.resolution_second,
    )
    edge_std = abs(float(np.nan_to_num(current[0]))) * edge / math.sqrt(12)
    return _Piece(segment, integral, edge_std, 0.0 if table.counter is None else table.counter.charge_ah(segment))


def _half(table: _Table, pieces: list[_Piece], count: int | None) -> _Half:
    """The charge of joined pieces: the counter's, checked by the integral, or the integral's."""
    inside = total_charge([piece.integral for piece in pieces])
    edges = math.sqrt(math.fsum(piece.edge_std_coulomb**2 for piece in pieces))
    integral = replace(inside, random_std_coulomb=math.hypot(inside.random_std_coulomb, edges))
    if table.counter is None:
        return _Half(pieces, integral, count)
    rows = sum(piece.segment.stop - piece.segment.first for piece in pieces)
    counted = counted_charge(
        np.array([piece.counted_ah for piece in pieces]),
        integral.duration_second,
        resolution_ah=table.counter.resolution_ah,
        readings=rows if table.counter.rounded_each else 1,
    )
    random = math.hypot(counted.random_std_coulomb, inside.random_std_coulomb)
    counted = replace(counted, random_std_coulomb=random, flags=integral.flags & {FLAG_GAP, FLAG_BACKWARD})
    return _Half(pieces, counted, count, frozenset(_mismatch(integral, counted)))


def _mismatch(integral: Charge, counted: Charge) -> set[str]:
    if counted.charge_coulomb == 0.0:
        return {FLAG_COUNTER_MISMATCH} if integral.charge_coulomb != 0.0 else set()
    std = math.hypot(integral.random_std_coulomb, counted.random_std_coulomb) / abs(counted.charge_coulomb)
    differs = abs(integral.charge_coulomb / counted.charge_coulomb - 1) > max(3 * std, MISMATCH)
    return {FLAG_COUNTER_MISMATCH} if differs else set()


def _without_minor(pieces: list[_Piece]) -> tuple[list[_Piece], bool]:
    """The pieces whose uninterrupted direction passed a thousandth of the largest; and whether more than noise is gone."""
    sums: list[float] = []
    runs: list[int] = []
    for index, piece in enumerate(pieces):
        if index == 0 or piece.direction != pieces[index - 1].direction:
            sums.append(0.0)
        sums[-1] += abs(piece.integral.charge_coulomb)
        runs.append(len(sums) - 1)
    largest = max(sums, default=0.0)
    kept = [piece for piece, run in zip(pieces, runs, strict=True) if sums[run] >= MINOR * largest]
    left = max((charge for charge in sums if charge < MINOR * largest), default=0.0)
    return kept, left > NOISE * largest


def _rows(name: str, table: _Table, pieces: list[_Piece]) -> tuple[list[CycleRow], list[HalfSpan]]:
    in_order = _merged(table, pieces, counts=None)
    pairs = _paired(in_order, table.geometry)
    counts = _usable_counts(table)
    flags = set(table.flags)
    if counts is not None:
        own = _by_count(_merged(table, pieces, counts), table.geometry)
        if own is not None and _complete(own) >= _complete(pairs):
            pairs = own
    elif "cycle_count" in table.columns:
        flags.add(FLAG_CYCLE_COUNT)
    first = min((count for count, deposit, _ in pairs if deposit is not None), default=1)
    rows, spans = [], []
    for count, deposit, removal in pairs:
        known = [half for half in (deposit, removal) if half is not None]
        begin, end = known[0].first, known[-1].stop - 1
        rows.append(
            cycle_row(
                name,
                count,
                _public(table, deposit, pieces),
                _public(table, removal, pieces),
                table.accuracy,
                has_efficiency=table.geometry is not Geometry.SYMMETRIC,
                first_cycle=first,
                duration_second=float(table.timeline.time_second[end] - table.timeline.time_second[begin]),
                flags=flags,
            )
        )
        spans += [HalfSpan(_role(half, table.geometry), count, slice(half.first, half.stop)) for half in known]
    return rows, spans


_Pair = tuple[int, _Half | None, _Half | None]


def _merged(table: _Table, pieces: list[_Piece], counts: Array | None) -> list[_Half]:
    """Neighbouring pieces of one direction (and one count, where counts matter) joined to halves."""
    groups: list[tuple[tuple[int, int | None], list[_Piece]]] = []
    for piece in pieces:
        count = None if counts is None else int(counts[piece.segment.first])
        if groups and groups[-1][0] == (piece.direction, count):
            groups[-1][1].append(piece)
        else:
            groups.append(((piece.direction, count), [piece]))
    return [_half(table, joined, count) for (_, count), joined in groups]


def _paired(halves: list[_Half], geometry: Geometry) -> list[_Pair]:
    pairs: list[_Pair] = []
    for half in halves:
        if _role(half, geometry).deposits:
            pairs.append((pairs[-1][0] + 1 if pairs else 1, half, None))
        elif pairs and pairs[-1][2] is None:
            pairs[-1] = (*pairs[-1][:2], half)
        else:
            pairs.append((pairs[-1][0] + 1 if pairs else 0, None, half))
    return pairs


def _by_count(halves: list[_Half], geometry: Geometry) -> list[_Pair] | None:
    """The file's own cycles, ``None`` where a count holds two of a kind or a removal before its deposit."""
    found: dict[int, list[_Half | None]] = {}
    for half in halves:
        place = 0 if _role(half, geometry).deposits else 1
        slots = found.setdefault(half.count or 0, [None, None])
        if slots[place] is not None or (place == 0 and slots[1] is not None):
            return None
        slots[place] = half
    return [(count, slots[0], slots[1]) for count, slots in found.items()]


def _complete(pairs: Sequence[_Pair]) -> int:
    return sum(deposit is not None and removal is not None for _, deposit, removal in pairs)


def _usable_counts(table: _Table) -> Array | None:
    counts = table.columns.get("cycle_count")
    if counts is None or not bool(np.isfinite(counts).all()) or not bool(np.all(counts == np.round(counts))):
        return None
    return counts if bool(np.all(np.diff(counts) >= 0)) and counts[0] >= 0 else None


def _role(half: _Half, geometry: Geometry) -> Role:
    return _ROLES[geometry][half.direction]


def _public(table: _Table, half: _Half | None, all_pieces: list[_Piece]) -> HalfCycle | None:
    if half is None:
        return None
    first = half.first
    unix = table.columns.get("unix_time_second")
    stamp = float(table.timeline.time_second[first] if unix is None or not np.isfinite(unix[first]) else unix[first])
    whole = not _cut_short(table, half, all_pieces)
    resistance = _resistance(table, half)
    return HalfCycle(_role(half, table.geometry), round(stamp * 1e9), half.charge, whole, resistance, half.flags)


def _cut_short(table: _Table, half: _Half, all_pieces: list[_Piece]) -> bool:
    """Whether the file ends inside this half: nothing follows it, and the earlier ones of its kind ended at another voltage."""
    voltage = table.columns.get("voltage_volt")
    last = half.stop
    if voltage is None or last < voltage.size:
        return False
    ends = []
    for index, piece in enumerate(all_pieces[:-1]):
        if piece.direction == half.direction and all_pieces[index + 1].direction != half.direction:
            ends.append(float(voltage[piece.segment.stop - 1]))
    if not ends:
        return False
    typical = float(np.median(ends))
    spread = float(np.median(np.abs(np.asarray(ends) - typical)))
    return spread < SAME_END_VOLT and abs(float(voltage[last - 1]) - typical) > SAME_END_VOLT + 3 * spread


def _resistance(table: _Table, half: _Half) -> Resistance | None:
    voltage = table.columns.get("voltage_volt")
    if voltage is None:
        return None
    piece = half.pieces[0].segment
    current = table.columns["current_ampere"]
    if table.geometry is not Geometry.FULL:
        rows = slice(piece.first, piece.stop)
        return apparent_resistance(piece.clock, voltage[rows], current[rows])
    begun = np.abs(current[piece.first : min(piece.stop, piece.first + 20)])
    settled = piece.first + int(np.argmax(begun >= 0.9 * float(np.median(begun))))
    if piece.first == 0 or abs(current[piece.first - 1]) > 1e-3 * abs(current[settled]):
        return None
    std = _voltage_std(voltage)
    return switch_resistance(float(voltage[piece.first - 1]), float(voltage[settled]), float(current[settled]), std)


def _voltage_std(voltage: Array) -> float:
    """One standard deviation of a voltage from its smallest step in the file, q / √12."""
    sample = np.unique(voltage[np.isfinite(voltage)][:20_000])
    step = float(np.min(np.diff(sample))) if sample.size > 1 else 0.0
    return step / math.sqrt(12)
