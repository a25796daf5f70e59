"""What chance does to a cell: cracks of the layers, and shorts that come and go.

Chance is spent, not thrown: every event waits until the hazard that has passed exceeds an exponential number drawn beforehand
from the cell's own stream, so neither the length of steps nor the number of pollers changes when it happens (to a step).

Cracks: each deposit takes h_c (1 + Q v / (ε_max L)) off the intact fraction θ (Q the charge plated by the one before, L the
polymer's thickness), and an event, where its time has come, takes more.

Shorts while plating, λ = λ0 exp((j − j_c)/j_s) (1 − θ) (Q_f + Q_d)/Q_ref (θ = 0 without layers); they close with
μ = μ0 (1 + (g V/j_fuse)²), a fuse, and at once when no fresh lithium is left to bridge with. Forms and values are assumptions.
"""

from __future__ import annotations

import math

from emulator.cell import kernel_interface
from emulator.cell.state import (
    CRACK_DRAWS,
    CRACK_WAIT,
    DEAD,
    FRESH,
    INTEGRITY,
    NORMALS_EXHAUSTED,
    OK,
    P_CRACK_EVENTS,
    P_CRACK_PER_CYCLE,
    P_CRACK_SIZE,
    P_CRACK_STRAIN_CHARGE,
    P_LAYER_OHM,
    P_SHORT_CHARGE,
    P_SHORT_CLOSE_RATE,
    P_SHORT_CONDUCTANCE,
    P_SHORT_CRITICAL,
    P_SHORT_FUSE,
    P_SHORT_RATE,
    P_SHORT_SPREAD,
    P_SHORT_STEEPNESS,
    SHORT,
    SHORT_DRAWS,
    SHORT_RANDOM,
    SHORT_WAIT,
    STREAM_CRACK,
    STREAM_SHORT,
    STREAMS,
    TRACKED,
    Vector,
)

_STEEPEST = 50.0


def crack(state: Vector, par: Vector, normals: Vector, base: int, plated: float) -> int:
    """What the deposit that begins does to the layers, after one of ``plated`` C/cm²."""
    loss = par[P_CRACK_PER_CYCLE] * (1.0 + plated / par[P_CRACK_STRAIN_CHARGE])
    if par[P_CRACK_EVENTS] > 0.0:
        if state[CRACK_DRAWS] == 0.0 and not _draw(state, normals, CRACK_WAIT, CRACK_DRAWS, STREAM_CRACK):
            return NORMALS_EXHAUSTED
        state[CRACK_WAIT] -= par[P_CRACK_EVENTS]
        if state[CRACK_WAIT] <= 0.0:
            loss += par[P_CRACK_SIZE]
            if not _draw(state, normals, CRACK_WAIT, CRACK_DRAWS, STREAM_CRACK):
                return NORMALS_EXHAUSTED
    state[base + INTEGRITY] = max(0.0, state[base + INTEGRITY] - loss)
    kernel_interface.share_cracks(state, par, base)
    return OK


def short(state: Vector, par: Vector, normals: Vector, plating: float, volt: float, second: float) -> int:
    """Let the hazard of ``second`` pass, while ``plating`` A/cm² deposit and ``volt`` lies across the cell."""
    if state[SHORT] > 0.0 and state[SHORT_RANDOM] == 0.0:
        return OK
    if state[SHORT_DRAWS] == 0.0 and not _draw(state, normals, SHORT_WAIT, SHORT_DRAWS, STREAM_SHORT):
        return NORMALS_EXHAUSTED
    if state[SHORT] > 0.0:
        return _close(state, par, normals, volt, second)
    if plating <= 0.0:
        return OK
    open_part = 1.0 - state[TRACKED + INTEGRITY] if par[P_LAYER_OHM] > 0.0 else 1.0
    steep = math.exp(min(_STEEPEST, (plating - par[P_SHORT_CRITICAL]) / par[P_SHORT_STEEPNESS]))
    thick = (state[TRACKED + FRESH] + state[TRACKED + DEAD]) / par[P_SHORT_CHARGE]
    state[SHORT_WAIT] -= par[P_SHORT_RATE] * steep * open_part * thick * second
    if state[SHORT_WAIT] > 0.0:
        return OK
    return _begin_short(state, par, normals)


def _close(state: Vector, par: Vector, normals: Vector, volt: float, second: float) -> int:
    through = state[SHORT] * volt / par[P_SHORT_FUSE]
    state[SHORT_WAIT] -= par[P_SHORT_CLOSE_RATE] * (1.0 + through * through) * second
    if state[SHORT_WAIT] > 0.0 and state[TRACKED + FRESH] > 0.0:
        return OK
    state[SHORT] = state[SHORT_RANDOM] = 0.0
    return OK if _draw(state, normals, SHORT_WAIT, SHORT_DRAWS, STREAM_SHORT) else NORMALS_EXHAUSTED


def _begin_short(state: Vector, par: Vector, normals: Vector) -> int:
    place = STREAMS * int(state[SHORT_DRAWS]) + STREAM_SHORT
    if place >= len(normals):
        return NORMALS_EXHAUSTED
    state[SHORT] = par[P_SHORT_CONDUCTANCE] * math.exp(par[P_SHORT_SPREAD] * normals[place])
    state[SHORT_DRAWS] += 1.0
    state[SHORT_RANDOM] = 1.0
    return OK if _draw(state, normals, SHORT_WAIT, SHORT_DRAWS, STREAM_SHORT) else NORMALS_EXHAUSTED


def _draw(state: Vector, normals: Vector, wait: int, draws: int, stream: int) -> bool:
    """The hazard to live through until the next event: exponential, made of a normal number by way of its tail."""
    place = STREAMS * int(state[draws]) + stream
    if place >= len(normals):
        return False
    state[wait] = -math.log(0.5 * math.erfc(normals[place] / math.sqrt(2.0)))
    state[draws] += 1.0
    return True
