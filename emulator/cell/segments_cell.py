"""A whole cell over one segment of constant current, in closed form: path, voltage at any time, end, and the state then.

What is between the electrodes and what happens on each of them depends on the current alone, so a segment's path is made once
and asked at any times. j > 0 (A/cm²) oxidises the working electrode. All functions take an `Arithmetic` first; in `ARRAYS` every
number is one per cell, and the direction of the current is the same for all.

A segment ends at the latest when other reactions than those of lithium would carry the current (`BY_EXHAUSTION`). Where a limit
of voltage could be met while there is lithium (a bound says where not), it is looked for at 64 times of the segment and at the
ends of its phases; with a cathode, whose voltage hardly turns, at 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from emulator.cell import segments_counter, segments_lithium, segments_plating, segments_stripping
from emulator.cell.segments_counter import Between, CounterConstants, Diffusion, Insertion
from emulator.cell.segments_lithium import Electrode, LithiumConstants
from emulator.cell.segments_numbers import SCALARS, Arithmetic, Number, Truth, choose, crossing
from emulator.cell.segments_plating import Plating
from emulator.cell.segments_sharing import Sharing
from emulator.cell.segments_stripping import Stripping
from emulator.cell.state import BY_EXHAUSTION, BY_HIGH_VOLT, BY_LOW_VOLT, BY_TIME

_TOLERANCE_VOLT = 1e-10
_LOOKS, _FEW_LOOKS = 64, 12
_NO_LIMITS = (math.inf, -math.inf)
_EXHAUSTED, _TIMED = float(BY_EXHAUSTION), float(BY_TIME)


@dataclass(frozen=True, slots=True)
class Geometry:
    """What all cells of a batch have in common: a lithium counter-electrode, or a cathode's material, or (neither) a foil."""

    lithium_counter: bool
    material: int | None


@dataclass(slots=True)
class CellState:
    """State of a cell. ``other`` is ``None`` where the counter-electrode is not lithium with books of its own."""

    tracked: Electrode
    other: Electrode | None
    between: Between


@dataclass(slots=True)
class CellConstants:
    """The numbers of the equations."""

    lithium: LithiumConstants
    counter: CounterConstants


@dataclass(slots=True)
class ElectrodePath:
    """What one electrode does in a segment: one of three; ``start`` is its state, ``begun`` with the deposit that begins."""

    start: Electrode
    begun: Electrode
    layer: Number
    plating: Plating | None
    stripping: Stripping | None
    sharing: Sharing | None


@dataclass(slots=True)
class Path:
    """What a cell does in a segment in which ``size`` flows, oxidising the working electrode where ``flow`` is +1."""

    flow: int
    size: Number
    tracked: ElectrodePath
    other: ElectrodePath | None
    diffusion: Diffusion
    insertion: Insertion | None
    state: CellState


Draw = Callable[[Number], Number]
"""The standard normal number of the deposit after so many."""


def begin(
    a: Arithmetic,
    geometry: Geometry,
    c: CellConstants,
    state: CellState,
    density: Number,
    second: Number,
    draws: tuple[Draw, Draw],
) -> Path:
    """The path of at most ``second`` at ``density`` from ``state``."""
    size = abs(density)
    flow = 0 if not a.some(size > 0.0) else 1 if a.some(density > 0.0) else -1
    direction = flow if geometry.material is not None else -flow
    tracked = _electrode(a, c.lithium, state.tracked, direction, size, second, draws[0])
    other = None
    if state.other is not None:
        other = _electrode(a, c.lithium, state.other, -direction, size, second, draws[1])
    between = _lengthened(a, c.counter, state, tracked, other)
    foil = flow and state.other is None and geometry.material is None
    level = segments_counter.foil_volt(a, c.counter, density) if foil else 0.0
    diffusion = segments_counter.diffuse(c.counter, between, density, level)
    insertion = None if geometry.material is None else segments_counter.insert(c.counter, between, density)
    if between is not state.between:
        state = replace(state, between=between)
    return Path(flow, size, tracked, other, diffusion, insertion, state)


def _lengthened(
    a: Arithmetic, c: CounterConstants, state: CellState, tracked: ElectrodePath, other: ElectrodePath | None
) -> Between:
    """With a deposit that begins, the way of the salt becomes as long as dead lithium makes it."""
    if not a.some(c.dead_stretch > 0.0):
        return state.between
    began = tracked.begun.deposits != tracked.start.deposits
    dead = tracked.start.dead
    if other is not None:
        began = began | (other.begun.deposits != other.start.deposits)
        dead = dead + other.start.dead
    return state.between._replace(stretch=a.where(began, 1.0 + c.dead_stretch * dead, state.between.stretch))


def _electrode(
    a: Arithmetic, c: LithiumConstants, e: Electrode, direction: int, size: Number, second: Number, draw: Draw
) -> ElectrodePath:
    layer = segments_lithium.layer_ohm(a, c, e.integrity)
    if direction == 0:
        return ElectrodePath(e, e, layer, None, None, None)
    if direction < 0:
        stripping, sharing = segments_stripping.strip(a, c, e, size, second)
        return ElectrodePath(e, e, layer, None, stripping, sharing)
    for_deposit = second - (e.surface + e.formation_left) / size
    begun = segments_plating.deposit_begun(a, c, e, size, for_deposit, draw(e.deposits))
    layer = segments_lithium.layer_ohm(a, c, begun.integrity)
    return ElectrodePath(e, begun, layer, segments_plating.plate(a, c, begun, size, second), None, None)


# -- voltage


def voltage(a: Arithmetic, geometry: Geometry, c: CellConstants, path: Path, second: Number) -> Number:
    """At the terminals, ``second`` after the segment began (times broadcast against the cells)."""
    volt = segments_counter.electrolyte_volt(a, c.counter, path.diffusion, second)
    tracked = _potential(a, c.lithium, path.tracked, path.size, second)
    if path.insertion is not None and geometry.material is not None:
        return volt + segments_counter.cathode_volt(a, c.counter, path.insertion, geometry.material, second) - tracked
    if path.other is not None:
        return volt + tracked - _potential(a, c.lithium, path.other, path.size, second)
    return volt + tracked


def _potential(a: Arithmetic, c: LithiumConstants, path: ElectrodePath, size: Number, second: Number) -> Number:
    if path.plating is not None:
        seen = segments_plating.plating_at(a, path.plating, second)
        return segments_lithium.potential(a, c, seen, 1.0, size, path.layer)
    if path.stripping is not None:
        seen = segments_stripping.stripping_at(a, path.stripping, path.sharing, second)
        return segments_lithium.potential(a, c, seen, -1.0, size, path.layer)
    return segments_lithium.rest_volt(a, c, path.start)


# -- the end


def finish(
    a: Arithmetic, geometry: Geometry, c: CellConstants, path: Path, second: Number, limit: float
) -> tuple[Number, Number]:
    """When the segment ends and why; ``limit`` is the highest voltage where it oxidises, else the lowest (infinite for none)."""
    latest = second
    for electrode in (path.tracked, path.other):
        if electrode is not None and electrode.stripping is not None:
            latest = a.smaller(latest, electrode.stripping.full)
    ended = a.where(latest < second, _EXHAUSTED, _TIMED)
    if not path.flow or limit in _NO_LIMITS:
        return latest, ended
    sign = float(path.flow)

    def beyond(when: Number) -> Number:
        return sign * (voltage(a, geometry, c, path, when) - limit)

    times = _times(a, geometry, c, path, latest, sign * limit)
    if not times:
        return latest, ended
    found, bracket, errors = _bracket(a, beyond, latest, times)
    if not a.some(found):
        return latest, ended
    end = crossing(a, beyond, bracket, errors, _TOLERANCE_VOLT)
    return end, a.where(found, float(BY_HIGH_VOLT if path.flow > 0 else BY_LOW_VOLT), ended)


def _times(a: Arithmetic, geometry: Geometry, c: CellConstants, path: Path, latest: Number, limit: float) -> list[Number]:
    """Where to look for a crossing, the last first; none where there can be none."""
    electrodes = [electrode for electrode in (path.tracked, path.other) if electrode is not None]
    gone = [a.smaller(one.stripping.gone, latest) for one in electrodes if one.stripping is not None]
    if geometry.material is None and not a.some(_most(a, c, path, latest, electrodes) >= limit):
        return _descending(a, [one for one in gone if a.some(one < latest)])
    turns = [
        a.smaller(time, latest) for one in electrodes if one.plating for time in (one.plating.discharged, one.plating.formed)
    ]
    turns += [a.smaller(one.stripping.shared, latest) for one in electrodes if one.stripping is not None]
    looks = _LOOKS if geometry.material is None else _FEW_LOOKS
    even = [latest * ((index + 1.0) / (looks + 1.0)) for index in range(looks)]
    return [*_descending(a, [*turns, *gone, *even]), 0.0 * latest]


def _most(a: Arithmetic, c: CellConstants, path: Path, latest: Number, electrodes: list[ElectrodePath]) -> Number:
    """What the size of the voltage cannot exceed as long as there is lithium on both sides."""
    most = segments_counter.most_volt(a, c.counter, path.diffusion)
    for electrode in electrodes:
        most = most + segments_lithium.most_volt(a, c.lithium, electrode.begun, electrode.layer, path.size, latest)
    return most


def _bracket(
    a: Arithmetic, beyond: Callable[[Number], Number], latest: Number, times: list[Number]
) -> tuple[Truth, tuple[Number, Number], tuple[Number, Number]]:
    """Whether a limit is crossed, and the first of the intervals between ``times`` in which it is, with the errors at its ends.

    Where none is, the interval is the point ``latest``; where the first of the times lies beyond the limit, it is that.
    """
    later, later_error = latest, beyond(latest)
    found = later_error >= 0.0
    low, high, low_error, high_error = later, later, later_error, later_error
    for time in times:
        if a is SCALARS and time == later:
            continue
        error = beyond(time)
        here = (error < 0.0) & (later_error >= 0.0)
        low, low_error = a.where(here, time, low), a.where(here, error, low_error)
        high, high_error = a.where(here, later, high), a.where(here, later_error, high_error)
        found = found | (error >= 0.0)
        later, later_error = time, error
    at_once = later_error >= 0.0
    low, low_error = a.where(at_once, later, low), a.where(at_once, later_error, low_error)
    high, high_error = a.where(at_once, later, high), a.where(at_once, later_error, high_error)
    return found, (low, high), (low_error, high_error)


def _descending(a: Arithmetic, times: list[Number]) -> list[Number]:
    """Sorted cell by cell, on numbers and arrays alike."""
    if a is SCALARS:
        return sorted(times, reverse=True)
    ordered = list(times)
    for end in range(len(ordered) - 1, 0, -1):
        for index in range(end):
            one, two = ordered[index], ordered[index + 1]
            ordered[index], ordered[index + 1] = a.larger(one, two), a.smaller(one, two)
    return ordered


def after(a: Arithmetic, c: CellConstants, path: Path, second: Number) -> CellState:
    """The state ``second`` after the segment began."""
    state = path.state
    between = segments_counter.diffused(a, path.diffusion, state.between, second)
    if path.insertion is not None:
        between = segments_counter.inserted(a, c.counter, path.insertion, between, second)
    tracked = _electrode_after(a, c.lithium, path.tracked, second)
    other = None if path.other is None else _electrode_after(a, c.lithium, path.other, second)
    return CellState(tracked, other, between)


def _electrode_after(a: Arithmetic, c: LithiumConstants, path: ElectrodePath, second: Number) -> Electrode:
    if path.plating is not None:
        done = segments_plating.plated(a, path.plating, path.begun, second)
        early = (second <= path.plating.formed) & (path.begun.deposits != path.start.deposits)
        if not a.some(early):
            return done
        closed = segments_plating.deposit_begun(a, c, path.start, path.plating.density, 0.0 * second, 0.0)
        return choose(a, early, segments_plating.plated(a, path.plating, closed, second), done)
    if path.stripping is not None:
        return segments_stripping.stripped(a, (path.stripping, path.sharing), path.start, second)
    return segments_lithium.rested(a, c, path.start, second)
