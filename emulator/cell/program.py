"""Whole segments without a wire: constant current, constant voltage, rest, and programs of them. For data without instruments.

Where a limit is met, the length of the last step is found by bisection on time from the state before it, so that the charge is
that of the moment and nothing is counted that did not flow. Positive counts are samples written; a negative one is − the status
that `emulator.cell.kernel.advance` returned. Why a segment ended stands in ``state[ENDED]``, its length in ``state[ELAPSED]``.
"""

from __future__ import annotations

from emulator.cell import kernel
from emulator.cell.state import (
    BY_CURRENT,
    BY_EXHAUSTION,
    BY_FULL_BUFFER,
    BY_HIGH_VOLT,
    BY_LOW_VOLT,
    BY_TIME,
    ELAPSED,
    ENDED,
    NO_PROGRESS,
    OK,
    OTHER,
    OXIDISED,
    TRACKED,
    Vector,
)

CURRENT, HOLD, REST = 0.0, 1.0, 2.0
"""First number of a program's step: (mode, level, second, low, high, end density); a level is A/cm² or V."""
STEP_SIZE = 6
RESULT_SIZE = 4
"""What `run_program` keeps of a step: why it ended, its seconds, its charge (C/cm²), its last voltage."""

_SPLITS = 60
_SHORTEST_SECOND = 1e-9
_SMALLEST_PART = 2.0**-12
_GROW = 0.4
_CHANGE = 0.1
"""Of the current, within a part of a hold."""


def run_segment(
    state: Vector,
    par: Vector,
    normals: Vector,
    density: float,
    second: float,
    cutoff_low: float,
    cutoff_high: float,
    interval: float,
    out_time: Vector,
    out_volt: Vector,
) -> int:
    """Carry ``density`` for at most ``second``, a sample every ``interval`` and at the end; returns how many.

    ``cutoff_high`` ends it while oxidising, ``cutoff_low`` while reducing, and so does a lithium electrode without lithium.
    """
    ended = _outside(kernel.voltage(state, par, density), density, cutoff_low, cutoff_high)
    elapsed, count = 0.0, 0
    saved = state.copy()
    while elapsed < second and ended == BY_TIME:
        if count >= len(out_time):
            ended = BY_FULL_BUFFER
            break
        until = min((count + 1) * interval, second)
        saved[:] = state
        status = kernel.advance(state, par, normals, density, until - elapsed)
        if status != OK:
            return -status
        volt = kernel.voltage(state, par, density)
        ended = _outside(volt, density, cutoff_low, cutoff_high)
        if ended == BY_TIME and _oxidised(state) > _oxidised(saved):
            ended = BY_EXHAUSTION
        if ended in (BY_LOW_VOLT, BY_HIGH_VOLT):
            until = elapsed + _shorten(state, saved, par, normals, density, until - elapsed, cutoff_low, cutoff_high)
            volt = kernel.voltage(state, par, density)
        elapsed = until
        out_time[count], out_volt[count] = elapsed, volt
        count += 1
    state[ENDED], state[ELAPSED] = float(ended), elapsed
    return count


def _outside(volt: float, density: float, low: float, high: float) -> int:
    if density > 0.0 and volt >= high:
        return BY_HIGH_VOLT
    if density < 0.0 and volt <= low:
        return BY_LOW_VOLT
    return BY_TIME


def _oxidised(state: Vector) -> float:
    return state[TRACKED + OXIDISED] + state[OTHER + OXIDISED]


def _shorten(
    state: Vector, saved: Vector, par: Vector, normals: Vector, density: float, second: float, low: float, high: float
) -> float:
    """Bring ``state`` from ``saved`` to the first moment outside the limits; returns its time."""
    inside, outside = 0.0, second
    for _ in range(_SPLITS):
        if outside - inside <= _SHORTEST_SECOND:
            break
        middle = 0.5 * (inside + outside)
        state[:] = saved
        kernel.advance(state, par, normals, density, middle)
        if _outside(kernel.voltage(state, par, density), density, low, high) == BY_TIME:
            inside = middle
        else:
            outside = middle
    state[:] = saved
    kernel.advance(state, par, normals, density, outside)
    return outside


def run_hold(
    state: Vector,
    par: Vector,
    normals: Vector,
    volt: float,
    second: float,
    end_density: float,
    limit: float,
    interval: float,
    out_time: Vector,
    out_density: Vector,
    out_mean: Vector,
) -> int:
    """Hold ``volt`` for at most ``second`` or until |j| falls to ``end_density``, within ± ``limit``; returns how many samples.

    In parts within which it changes little flows the current that has the voltage at the part's end: nothing overshoots where a
    curve is steep. ``out_density`` is the current at a sample's time, ``out_mean`` the mean since the sample before.
    """
    now = kernel.current_for(state, par, volt, 0.0, limit, 0.0)
    elapsed, begun, charge, part, count = 0.0, 0.0, 0.0, interval, 0
    ended = BY_CURRENT if abs(now) <= end_density else BY_TIME
    while elapsed < second and ended == BY_TIME:
        if count >= len(out_time):
            ended = BY_FULL_BUFFER
            break
        left = min((count + 1) * interval, second) - elapsed
        step, later, part = _part(state, par, volt, now, limit, part, left, _SMALLEST_PART * interval)
        if abs(later) <= end_density:
            step, later = _release(state, par, volt, now, limit, step, later, end_density)
            ended = BY_CURRENT
        status = kernel.advance(state, par, normals, later, step)
        if status != OK:
            return -status
        charge, elapsed, now = charge + later * step, elapsed + step, later
        if ended == BY_CURRENT or left - step <= _SHORTEST_SECOND:
            now = kernel.current_for(state, par, volt, 0.0, limit, later)
            out_time[count], out_density[count], out_mean[count] = elapsed, now, charge / (elapsed - begun)
            begun, charge, count = elapsed, 0.0, count + 1
    state[ENDED], state[ELAPSED] = float(ended), elapsed
    return count


def _part(
    state: Vector, par: Vector, volt: float, now: float, limit: float, part: float, left: float, smallest: float
) -> tuple[float, float, float]:
    """A step of ``part`` within what is ``left``, halved until the current changes little within it.

    Returns its length, the current that has the voltage at its end, and what to try next.
    """
    allowed = _CHANGE * (abs(now) + 1e-3 * limit)
    wanted = min(part, left)
    step, later = wanted, kernel.current_for(state, par, volt, wanted, limit, now)
    while step > smallest and abs(later - now) > allowed:
        step *= 0.5
        later = kernel.current_for(state, par, volt, step, limit, now)
    if step < wanted:
        return step, later, step
    return step, later, max(part, 2.0 * step) if abs(later - now) <= _GROW * allowed else part


def _release(
    state: Vector, par: Vector, volt: float, now: float, limit: float, second: float, later: float, end_density: float
) -> tuple[float, float]:
    """When the current, ``now`` at first and ``later`` after ``second``, has fallen to its end; and what it is then."""
    early, late = 0.0, second
    early_error, late_error = abs(now) - end_density, abs(later) - end_density
    middle, side = second, 0
    for _ in range(_SPLITS):
        if abs(abs(later) - end_density) <= 1e-6 * end_density or late_error >= early_error:
            break
        middle = (early * late_error - late * early_error) / (late_error - early_error)
        later = kernel.current_for(state, par, volt, middle, limit, later)
        error = abs(later) - end_density
        if error > 0.0:
            early, early_error = middle, error
            late_error *= 0.5 if side == 1 else 1.0
            side = 1
        else:
            late, late_error = middle, error
            early_error *= 0.5 if side == -1 else 1.0
            side = -1
    return middle, later


def run_program(
    state: Vector,
    par: Vector,
    normals: Vector,
    steps: Vector,
    repeats: int,
    interval: float,
    out_result: Vector,
    out_time: Vector,
    out_first: Vector,
    out_second: Vector,
) -> int:
    """Run a list of steps (`STEP_SIZE` numbers each) ``repeats`` times; returns how many samples were computed.

    ``out_result`` takes `RESULT_SIZE` numbers per step; the samples of each step overwrite those of the one before in the other
    three, which must hold the longest. A step that fills them returns − `NO_PROGRESS`.
    """
    per_repeat = len(steps) // STEP_SIZE
    total = 0
    for index in range(repeats * per_repeat):
        place = (index % per_repeat) * STEP_SIZE
        mode, level, second = steps[place], steps[place + 1], steps[place + 2]
        if mode == HOLD:
            count = run_hold(
                state, par, normals, level, second, steps[place + 5], steps[place + 4], interval, out_time, out_first, out_second
            )
            charge, volt = _integral(out_time, out_second, count), level
        else:
            low, high = steps[place + 3], steps[place + 4]
            count = run_segment(state, par, normals, level, second, low, high, interval, out_time, out_first)
            charge, volt = level * state[ELAPSED], out_first[count - 1] if count > 0 else 0.0
        if count < 0:
            return count
        if state[ENDED] == BY_FULL_BUFFER:
            return -NO_PROGRESS
        result = index * RESULT_SIZE
        out_result[result], out_result[result + 1] = state[ENDED], state[ELAPSED]
        out_result[result + 2], out_result[result + 3] = charge, volt
        total += count
    return total


def _integral(times: Vector, means: Vector, count: int) -> float:
    """Charge of ``count`` samples of a hold."""
    charge, begun = 0.0, 0.0
    for sample in range(count):
        charge += means[sample] * (times[sample] - begun)
        begun = times[sample]
    return charge
