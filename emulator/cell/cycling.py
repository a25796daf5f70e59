"""Cycling a cell without an instrument: segments and programs in amperes and volts, as arrays. For generated data and benchmarks.

What is computed and how limits are met: see `emulator.cell.program`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from emulator.cell import program, state
from emulator.cell.cells import Cell

Array = NDArray[np.float64]

_ANY_VOLT = 1e3


class Ending(IntEnum):
    """Why a segment ended."""

    TIME = state.BY_TIME
    LOW_VOLT = state.BY_LOW_VOLT
    HIGH_VOLT = state.BY_HIGH_VOLT
    EXHAUSTION = state.BY_EXHAUSTION
    CURRENT = state.BY_CURRENT


@dataclass(frozen=True, slots=True)
class Carry:
    """``current`` A (0: rest) for at most ``second`` or until the voltage leaves the window in its direction."""

    current: float
    second: float
    low_volt: float = -_ANY_VOLT
    high_volt: float = _ANY_VOLT


@dataclass(frozen=True, slots=True)
class Hold:
    """``volt`` for at most ``second`` or until |current| has fallen to ``end_current``, within ± ``limit`` A."""

    volt: float
    second: float
    end_current: float
    limit: float


Step = Carry | Hold


@dataclass(frozen=True, slots=True)
class Trace:
    """One segment: samples from its start (not the start itself), how it ended, after how long, with what charge (A s)."""

    second: Array
    voltage_volt: Array
    current_ampere: Array
    ending: Ending
    duration_second: float
    charge_coulomb: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is kept of a step of a program: how it ended, duration, charge (A s), last voltage."""

    ending: Ending
    duration_second: float
    charge_coulomb: float
    voltage_volt: float


def trace(cell: Cell, step: Step, interval_second: float) -> Trace:
    """Carry out one step, a sample every ``interval_second`` and at the end."""
    room = _room((step,), interval_second)
    times, first, means = (cell.vector([0.0] * room) for _ in range(3))
    area = cell.area
    match step:
        case Carry(current, second, low, high):
            count = cell.execute(
                lambda engine, *vectors: engine.run_segment(
                    *vectors, current / area, second, low, high, interval_second, times, first
                )
            )
            volts, currents = np.array(first[:count]), np.full(count, current)
            charge = current * cell.read(state.ELAPSED)
        case Hold(volt, second, end, limit):
            count = cell.execute(
                lambda engine, *vectors: engine.run_hold(
                    *vectors, volt, second, end / area, limit / area, interval_second, times, first, means
                )
            )
            volts, currents = np.full(count, volt), np.array(first[:count]) * area
            charge = float(np.sum(np.diff(np.array(times[:count]), prepend=0.0) * np.array(means[:count]))) * area
    ending = Ending(int(cell.read(state.ENDED)))
    return Trace(np.array(times[:count]), volts, currents, ending, cell.read(state.ELAPSED), charge)


def run(cell: Cell, steps: Sequence[Step], repeats: int, interval_second: float) -> tuple[list[Outcome], int]:
    """Carry out ``steps`` ``repeats`` times; what came of each, and how many samples were computed on the way."""
    area, room = cell.area, _room(steps, interval_second)
    listed = cell.vector([number for step in steps for number in _numbers(step, area)])
    results = cell.vector([0.0] * (program.RESULT_SIZE * len(steps) * repeats))
    buffers = tuple(cell.vector([0.0] * room) for _ in range(3))
    times, first, second = buffers
    count = cell.execute(
        lambda engine, *vectors: engine.run_program(*vectors, listed, repeats, interval_second, results, times, first, second)
    )
    rows = np.array(results).reshape(-1, program.RESULT_SIZE).tolist()
    return [Outcome(Ending(int(why)), seconds, charge * area, volt) for why, seconds, charge, volt in rows], count


def _room(steps: Sequence[Step], interval_second: float) -> int:
    return max(math.ceil(step.second / interval_second) for step in steps) + 2


def _numbers(step: Step, area: float) -> tuple[float, ...]:
    match step:
        case Carry(current, second, low, high):
            return program.CURRENT, current / area, second, low, high, 0.0
        case Hold(volt, second, end, limit):
            return program.HOLD, volt, second, 0.0, limit / area, end / area
