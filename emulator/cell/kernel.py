"""One step of a whole cell, its voltage, and the current that a voltage needs: plain functions over flat vectors.

``state``, ``par`` and ``normals`` are what `emulator.cell.state` names. The code keeps to scalar indexing and the ``math``
module, so that a compiler of numerical Python (`emulator.cell.compiled`) makes the same numbers of the same source. j > 0
(A/cm²) oxidises the working electrode.

A short is a conductance g across everything inside: j_inside = j − g V(j_inside). Contact and substrate resistance lie outside of
it. The books of the electrodes count j_inside; what goes through the short has a book of its own.
"""

from __future__ import annotations

import math

from emulator.cell import kernel_counter, kernel_events, kernel_interface, kernel_lithium
from emulator.cell.state import (
    CELL_NET,
    CLOCK,
    CONTACT,
    COUNTER_CATHODE,
    COUNTER_LITHIUM,
    DEPOSITS,
    OK,
    OTHER,
    P_COUNTER,
    P_CRACK_EVENTS,
    P_CRACK_PER_CYCLE,
    P_DEAD_STRETCH,
    P_LAYER_OHM,
    P_SERIES_OHM,
    P_SHORT_RATE,
    P_SHUTTLE_RATE,
    P_SIGN,
    PLATED,
    SHIFT,
    SHORT,
    SHORT_CHARGE,
    SHUTTLE,
    STRIPPING,
    TRACKED,
    Vector,
)

LONGEST_STEP_SECOND = 60.0
"""While current flows; film growth and shared stripping are accurate to far below 1e-6 of a half cycle within it."""

_VOLT_TOLERANCE = 1e-9
_DENSITY_TOLERANCE = 1e-12


def advance(state: Vector, par: Vector, normals: Vector, density: float, second: float) -> int:
    """Carry ``density`` for ``second``; the charge that crosses is exactly their product. Returns `OK` or what went wrong."""
    count = 1
    flows = density != 0.0 or state[SHORT] > 0.0 or par[P_SHUTTLE_RATE] > 0.0
    if flows and second > LONGEST_STEP_SECOND:
        count = math.ceil(second / LONGEST_STEP_SECOND)
    part = second / count
    for _ in range(count):
        status = _step(state, par, normals, density, part)
        if status != OK:
            return status
    state[CELL_NET] += density * second
    state[CLOCK] += second
    return OK


def _step(state: Vector, par: Vector, normals: Vector, density: float, second: float) -> int:
    inside = density
    if state[SHORT] > 0.0:
        inside = inside_density(state, par, density, second)
        state[SHORT_CHARGE] += (density - inside) * second
    kernel_counter.remember_decays(state, par, second)
    kernel_counter.diffuse(state, par, inside)
    counter = par[P_COUNTER]
    if counter == COUNTER_CATHODE:
        if par[P_SHUTTLE_RATE] > 0.0:
            charge = kernel_counter.shuttled(state, par, inside, second)
            state[SHUTTLE] += charge
            inside -= charge / second if second > 0.0 else 0.0
        kernel_counter.insert(state, par, inside, second)
    before = state[TRACKED + DEPOSITS] + state[OTHER + DEPOSITS]
    plating = inside * par[P_SIGN]
    status = _plate(state, par, normals, TRACKED, plating, second)
    if status == OK and counter == COUNTER_LITHIUM:
        status = _plate(state, par, normals, OTHER, -plating, second)
    if par[P_DEAD_STRETCH] > 0.0 and state[TRACKED + DEPOSITS] + state[OTHER + DEPOSITS] != before:
        kernel_counter.lengthen(state, par)
    if par[P_SHORT_RATE] > 0.0 and status == OK:
        volt = inner_volt(state, par, inside, 0.0) if state[SHORT] > 0.0 else 0.0
        status = kernel_events.short(state, par, normals, plating, volt, second)
    return status


def _plate(state: Vector, par: Vector, normals: Vector, base: int, plating: float, second: float) -> int:
    """One electrode's step; where a deposit begins, the layers over it suffer first."""
    begins = plating > 0.0 and state[base + STRIPPING] > 0.0
    if begins and par[P_LAYER_OHM] > 0.0 and (par[P_CRACK_PER_CYCLE] > 0.0 or par[P_CRACK_EVENTS] > 0.0):
        status = kernel_events.crack(state, par, normals, base, state[base + PLATED])
        if status != OK:
            return status
    return kernel_lithium.advance(state, par, normals, base, plating, second)


def inner_volt(state: Vector, par: Vector, density: float, ahead_second: float) -> float:
    """Voltage across everything a short can bridge while ``density`` flows there, now or after ``ahead_second`` of it.

    Ahead, diffusion and charges are those of then; the area and film of lithium are those of now.
    """
    ahead = ahead_second > 0.0
    if ahead:
        kernel_counter.remember_decays(state, par, ahead_second)
        relative = kernel_counter.shift_ahead(state, par, density)
    else:
        relative = kernel_counter.shift(state, par, density)
    plating = density * par[P_SIGN]
    volt = kernel_counter.electrolyte_volt(state, par, density, relative)
    volt -= par[P_SIGN] * kernel_interface.potential(state, par, TRACKED, plating)
    counter = par[P_COUNTER]
    if counter == COUNTER_CATHODE:
        surface = kernel_counter.surface_ahead(state, par, density, ahead_second) if ahead else kernel_counter.surface(state)
        volt += kernel_counter.cathode_potential(par, density, surface)
    elif counter == COUNTER_LITHIUM:
        volt -= kernel_interface.potential(state, par, OTHER, -plating)
    else:
        volt += kernel_counter.foil_volt(par, density)
    if ahead:
        stiff = kernel_interface.stiffness(state, par, TRACKED)
        if counter == COUNTER_LITHIUM:
            stiff += kernel_interface.stiffness(state, par, OTHER)
        volt += density * ahead_second * stiff
    return volt


def inside_density(state: Vector, par: Vector, density: float, ahead_second: float) -> float:
    """j_inside while ``density`` flows through the terminals and a short beside it.

    x + g V(x) − j rises with x by at least as much as x, which gives the bracket; regula falsi with the Illinois rule.
    """
    leak = state[SHORT]
    error = leak * inner_volt(state, par, 0.0, ahead_second) - density
    low, high = min(0.0, -error), max(0.0, -error)
    low_error = low + leak * inner_volt(state, par, low, ahead_second) - density
    high_error = high + leak * inner_volt(state, par, high, ahead_second) - density
    trial, side = low, 0
    for _ in range(100):
        if high_error - low_error <= 0.0 or high - low < 1e-16:
            break
        trial = (low * high_error - high * low_error) / (high_error - low_error)
        error = trial + leak * inner_volt(state, par, trial, ahead_second) - density
        if abs(error) < _DENSITY_TOLERANCE + 1e-9 * abs(density):
            break
        if error > 0.0:
            high, high_error = trial, error
            low_error *= 0.5 if side == 1 else 1.0
            side = 1
        else:
            low, low_error = trial, error
            high_error *= 0.5 if side == -1 else 1.0
            side = -1
    return trial


def voltage(state: Vector, par: Vector, density: float) -> float:
    """Voltage at the terminals while ``density`` flows, now."""
    return voltage_ahead(state, par, density, 0.0)


def voltage_ahead(state: Vector, par: Vector, density: float, second: float) -> float:
    """The same, an estimate of it after ``second`` (for a regulator)."""
    inside = inside_density(state, par, density, second) if state[SHORT] > 0.0 else density
    outside = density * (state[CONTACT] + par[P_SERIES_OHM])
    return inner_volt(state, par, inside, second) + outside + state[SHIFT]


def current_for(state: Vector, par: Vector, volt: float, second: float, limit: float, guess: float) -> float:
    """The density that brings the terminals to ``volt`` within ``second``, held within ± ``limit``.

    Secants from ``guess`` first; where they do not arrive within the limit, a bracket, which closes because voltage rises with
    current: regula falsi with the Illinois rule.
    """
    last = min(max(guess, -limit), limit)
    last_error = voltage_ahead(state, par, last, second) - volt
    trial = last + (1e-3 * limit if last == 0.0 else -1e-3 * last)
    for _ in range(8):
        error = voltage_ahead(state, par, trial, second) - volt
        if abs(error) < _VOLT_TOLERANCE:
            return trial
        if error == last_error:
            break
        last, last_error, trial = trial, error, trial - error * (trial - last) / (error - last_error)
        if abs(trial) > limit:
            break
    return _bracketed(state, par, volt, second, limit)


def _bracketed(state: Vector, par: Vector, volt: float, second: float, limit: float) -> float:
    low, high = -limit, limit
    low_error = voltage_ahead(state, par, low, second) - volt
    if low_error >= 0.0:
        return low
    high_error = voltage_ahead(state, par, high, second) - volt
    if high_error <= 0.0:
        return high
    trial, side = 0.0, 0
    for _ in range(200):
        error = voltage_ahead(state, par, trial, second) - volt
        if abs(error) < _VOLT_TOLERANCE or high - low < _DENSITY_TOLERANCE:
            break
        if error > 0.0:
            high, high_error = trial, error
            low_error *= 0.5 if side == 1 else 1.0
            side = 1
        else:
            low, low_error = trial, error
            high_error *= 0.5 if side == -1 else 1.0
            side = -1
        trial = (low * high_error - high * low_error) / (high_error - low_error)
    return trial
