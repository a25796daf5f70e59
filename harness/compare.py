"""The emulator's truth against a run: the efficiencies that really were, cycle by cycle. Joins; measures nothing.

The emulator writes what really passed as JSON lines, one per uninterrupted current. Its clock and the harness's anchors differ by
as much as a link is slow (times the time scale), so rows are joined by channel, direction and largest overlap in time, never by
equal stamps; several rows may add up to one half cycle.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.charge import COULOMB_PER_AH
from harness.errors import BadInput
from harness.model.records import Record, StepEnded, StepStarted
from harness.model.run import Geometry, Role, RunContext
from harness.units import NANOSECOND

MEAN_FROM_CYCLE = 2
KIND_HALF_CYCLE = "half_cycle"


@dataclass(frozen=True, slots=True)
class HalfCycleWindow:
    """When a step of a half cycle ran, by the harness; ``oxidises`` is the sign its current must have."""

    channel: str
    cycle_count: int
    deposits: bool
    oxidises: bool
    start_nanosecond: int
    end_nanosecond: int


@dataclass(frozen=True, slots=True)
class TrueHalfCycle:
    """One row of the truth: signed charge, + is oxidation at the working electrode."""

    channel: str
    start_nanosecond: int
    end_nanosecond: int
    charge_coulomb: float


@dataclass(frozen=True, slots=True)
class TrueCycle:
    """What really passed in one cycle; ``None`` where no truth was found for that half."""

    cycle_count: int
    true_plating_capacity_ah: float | None
    true_stripping_capacity_ah: float | None
    true_coulombic_efficiency: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """The true cycles of a run, the charge-weighted mean of the whole ones from the second on, and how many rows of the truth on
    this channel fell into no half cycle.
    """

    cycles: tuple[TrueCycle, ...]
    mean_coulombic_efficiency: float | None
    mean_cycles: int
    unmatched: int


def half_cycle_windows(context: RunContext, geometry: Geometry, records: Iterable[Record]) -> list[HalfCycleWindow]:
    """The windows of a run's deposits and removals, from its steps; a step without an end or a duration ends where its record
    does, or never.
    """
    windows: list[HalfCycleWindow] = []
    started: StepStarted | None = None
    for record in records:
        if isinstance(record, StepStarted):
            started = record
        elif isinstance(record, StepEnded) and started is not None and record.step_count == started.step_count:
            if started.role.deposits or started.role.removes:
                windows.append(_window(context, geometry, started, record))
            started = None
    return windows


def true_cycles(truth_path: Path, half_cycles: Sequence[HalfCycleWindow]) -> Truth:
    """The true efficiency of each cycle that ``half_cycles`` names.

    Raises:
        BadInput: the file cannot be read or a line of it is not what the emulator writes.
    """
    channels = {window.channel for window in half_cycles}
    amounts: dict[tuple[int, bool], float] = {}
    unmatched = 0
    for row in read_truth(truth_path):
        if row.channel not in channels:
            continue
        window = _best(row, half_cycles)
        if window is None:
            unmatched += 1
        else:
            key = (window.cycle_count, window.deposits)
            amounts[key] = amounts.get(key, 0.0) + row.charge_coulomb
    cycles = tuple(_cycle(count, amounts) for count in sorted({window.cycle_count for window in half_cycles}))
    mean, number = _mean(cycles)
    return Truth(cycles, mean, number, unmatched)


def read_truth(truth_path: Path) -> list[TrueHalfCycle]:
    """The half cycles in a truth file; lines of another kind are passed over, and so is a last line without its end.

    Raises:
        BadInput: the file cannot be read or a line is not what the emulator writes.
    """
    try:
        text = truth_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(truth_path), f"the truth file cannot be read ({error})") from None
    whole = text[: text.rfind("\n") + 1]
    found = []
    for number, line in enumerate(whole.splitlines(), start=1):
        row = _parsed(line, f"{truth_path}:{number}") if line.strip() else None
        if row is not None:
            found.append(row)
    return found


def _parsed(line: str, where: str) -> TrueHalfCycle | None:
    try:
        content = json.loads(line)
        if not isinstance(content, dict):
            raise BadInput(where, "this line is not a JSON object; it is no truth file")
        if content.get("kind") != KIND_HALF_CYCLE:
            return None
        row = TrueHalfCycle(
            str(content["channel"]),
            int(content["start_unix_time_nanosecond"]),
            int(content["end_unix_time_nanosecond"]),
            float(content["charge_coulomb"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(where, f"this line is not what the emulator writes ({type(error).__name__}: {error})") from None
    if not math.isfinite(row.charge_coulomb) or row.end_nanosecond < row.start_nanosecond:
        raise BadInput(where, "its charge is not finite, or it ends before it starts")
    return row


def _window(context: RunContext, geometry: Geometry, started: StepStarted, ended: StepEnded) -> HalfCycleWindow:
    start = started.anchor_nanosecond
    end = ended.unix_time_nanosecond if ended.duration_second is None else start + round(ended.duration_second * NANOSECOND)
    deposits = started.role.deposits
    return HalfCycleWindow(
        context.channel, started.cycle_count, deposits, _oxidises(started.role, geometry), start, max(end, start + 1)
    )


def _oxidises(role: Role, geometry: Geometry) -> bool:
    """Whether a half cycle's current is positive: charging a full cell is, plating on the working electrode is not."""
    return role.deposits if geometry is Geometry.FULL else role.removes


def _best(row: TrueHalfCycle, windows: Sequence[HalfCycleWindow]) -> HalfCycleWindow | None:
    """The window of the row's channel and direction that it overlaps most; ``None`` when it overlaps none."""
    best, most = None, 0
    for window in windows:
        if window.channel != row.channel or window.oxidises is not (row.charge_coulomb > 0):
            continue
        overlap = min(row.end_nanosecond, window.end_nanosecond) - max(row.start_nanosecond, window.start_nanosecond)
        if overlap > most:
            best, most = window, overlap
    return best


def _cycle(count: int, amounts: dict[tuple[int, bool], float]) -> TrueCycle:
    deposit, removal = (amounts.get((count, deposits)) for deposits in (True, False))
    plating = None if deposit is None else abs(deposit) / COULOMB_PER_AH
    stripping = None if removal is None else abs(removal) / COULOMB_PER_AH
    value = stripping / plating if plating and stripping is not None else None
    return TrueCycle(count, plating, stripping, value)


def _mean(cycles: Sequence[TrueCycle]) -> tuple[float | None, int]:
    used = [cycle for cycle in cycles if cycle.cycle_count >= MEAN_FROM_CYCLE and cycle.true_coulombic_efficiency is not None]
    plated = math.fsum(cycle.true_plating_capacity_ah or 0.0 for cycle in used)
    if plated <= 0.0:
        return None, 0
    return math.fsum(cycle.true_stripping_capacity_ah or 0.0 for cycle in used) / plated, len(used)
