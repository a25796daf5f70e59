"""An imported file cut into steps of one direction: charging, discharging, or neither (a rest, a probe). No charge, no cycles.

A rest that the instrument measured shows its offset, not zero. What a file states of a step (its type, its role, a set current of
zero) is believed as long as the current is faint; where it states nothing, a faint current is a rest's when it is noise about
zero, when it carries next to nothing, or when the voltage moves against it, as no driven cell does; and then at every step that
shows the same current, as also when the same current follows charges and discharges alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.integrals import Index, Mask
from harness.analysis.missing import held
from harness.analysis.spread import smooth_scatter
from harness.interop.columns import Columns, Stated
from harness.interop.edges import Cuts, NamedEdges, named_edges
from harness.interop.timeline import Timeline

FLAG_DISAGREES = "time_disagrees"
"""Step time and test time differ by more than 1 % over a step."""

WEAKEST_OF_STEP = 1e-3
WEAKEST_OF_FILE = 2e-4
FAINT = 0.05
"""Below this share of the file's largest current a step may be a rest."""
REVEALED = 0.02
"""Below this one it may be found to be a rest by its voltage."""
FAINT_CURRENT = 2e-3
FAINT_CHARGE = 1e-3
SAME_OFFSET = 0.15
FEWEST_ROWS = 10
FEWEST_FOR_A_MOVE = 5
SMALLEST_MOVE_VOLT = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Steps(Cuts):
    """Steps of one direction: rows [first, stop), +1, −1 or 0 (rest or probe), and their edges on `Timeline.clock_second`.

    ``continues`` says that the very next row has the same direction.
    """

    probe: Mask
    continues: Mask
    named: NamedEdges


def cut_steps(columns: Columns, timeline: Timeline, stated: Stated) -> tuple[Steps, Index]:
    """The file cut where a step, a direction or a probe begins; with the first rows of those over which the clocks disagree."""
    edge = timeline.step_edge.copy()
    current = columns["current_ampere"]
    current = current if columns.complete("current_ampere") else held(current, np.flatnonzero(edge))
    probe = _probes(columns, stated)
    if probe is not None:
        edge[1:] |= probe[1:] != probe[:-1]
    pieces, direction = _directions(columns, timeline, current, np.flatnonzero(edge), stated)
    if probe is not None:
        direction[probe[pieces]] = 0
    kept = edge[pieces] | (np.diff(direction, prepend=9) != 0)
    first, direction = pieces[kept], direction[kept]
    stop = np.append(first[1:], current.size)
    same = np.append(direction[1:] == direction[:-1], [False])
    is_probe = np.zeros(first.size, dtype=np.bool_) if probe is None else probe[first]
    cuts = Cuts(first, stop, direction, timeline.step_edge[first], _missing_before(columns, first))
    named = named_edges(timeline, cuts)
    steps = Steps(first, stop, direction, cuts.begins, cuts.missing, is_probe, same, named)
    return steps, first[_disagreeing(timeline, first, stop) & (direction != 0)]


def _probes(columns: Columns, stated: Stated) -> Mask | None:
    probe = stated.probe
    if "frequency_hertz" in columns:
        sounding = np.nan_to_num(columns["frequency_hertz"], nan=0.0) > 0
        probe = sounding if probe is None else probe | sounding
    return probe


def _directions(columns: Columns, timeline: Timeline, current: Array, starts: Index, stated: Stated) -> tuple[Index, Index]:
    """Pieces of steps and the direction of each: whole steps where the current has one sign, else runs of one kind of current."""
    low, high = np.minimum.reduceat(current, starts), np.maximum.reduceat(current, starts)
    size = np.maximum(-low, high)
    largest = float(size.max())
    threshold = np.maximum(WEAKEST_OF_STEP * size, WEAKEST_OF_FILE * largest)
    mixed = (low <= threshold) & (high >= -threshold) & (size > FAINT * largest)
    pieces = _split_mixed(current, starts, mixed, threshold, FAINT * largest)
    if pieces.size > starts.size:
        low, high = np.minimum.reduceat(current, pieces), np.maximum.reduceat(current, pieces)
        size = np.maximum(-low, high)
    direction = np.where(high > -low, 1, -1)
    direction[size <= WEAKEST_OF_FILE * largest] = 0
    faint = (size < FAINT * largest) & (direction != 0)
    if bool(faint.any()):
        found = _faint_directions(columns, _faint_pieces(timeline.time_second, current, pieces, FAINT * largest), stated, largest)
        direction[faint] = found[faint]
    return pieces, direction.astype(np.int64)


def _split_mixed(current: Array, starts: Index, mixed: Mask, threshold: Array, faint: float) -> Index:
    """The starts of steps, those of ``mixed`` ones cut further where the current is strong, faint or none, and + or −."""
    if not bool(mixed.any()):
        return starts
    lengths = np.diff(np.append(starts, current.size))
    rows = np.flatnonzero(np.repeat(mixed, lengths))
    value = current[rows]
    size = np.abs(value)
    none = np.maximum(np.repeat(threshold[mixed], lengths[mixed]), 6 * _noise(value[size < faint]))
    kind = np.sign(value) * ((size > none).astype(np.int64) + (size > faint))
    change = rows[1:][(kind[1:] != kind[:-1]) & (rows[1:] == rows[:-1] + 1)]
    return np.union1d(starts, change)


def _noise(values: Array) -> float:
    return smooth_scatter(values, fewest=FEWEST_ROWS) or 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Pieces of steps: rows [first, stop), mean, scatter and mean magnitude of the current, and the charge's magnitude."""

    first: Index
    stop: Index
    mean: Array
    scatter: Array
    size: Array
    charge: Array
    noise: float


def _faint_pieces(time: Array, current: Array, first: Index, faint: float) -> _Pieces:
    """Pieces with the white noise of the readings below ``faint``."""
    stop = np.append(first[1:], current.size)
    lengths = stop - first
    mean = np.add.reduceat(current, first) / lengths
    scatter = np.sqrt(np.maximum(np.add.reduceat(current**2, first) / lengths - mean**2, 0.0))
    charge = np.abs(np.add.reduceat(current * np.diff(time, append=time[-1]), first))
    size = np.abs(current)
    return _Pieces(first, stop, mean, scatter, np.add.reduceat(size, first) / lengths, charge, _noise(current[size < faint]))


def _faint_directions(columns: Columns, pieces: _Pieces, stated: Stated, largest: float) -> Index:
    """+1, −1 or 0 for each piece, provided that its current is faint (module docstring)."""
    mean, lengths = pieces.mean, pieces.stop - pieces.first
    after = np.where(pieces.size >= FAINT * largest, np.sign(mean), 0.0)
    strong = np.maximum.accumulate(np.where(after != 0, np.arange(mean.size), -1))
    after = np.where(strong >= 0, after[strong], 0.0)
    resting = (pieces.size < FAINT_CURRENT * largest) & (pieces.charge < FAINT_CHARGE * float(pieces.charge.max()))
    resting |= (np.abs(mean) < 3 * pieces.scatter / np.sqrt(lengths)) & (lengths >= FEWEST_ROWS)
    if stated.rest is not None:
        resting |= stated.rest[pieces.first]
    steady = pieces.scatter < np.maximum(0.1 * np.abs(mean), max(3 * WEAKEST_OF_FILE * largest, 1.5 * pieces.noise))
    if "control_current_ampere" in columns:
        resting |= steady & ~np.logical_or.reduceat(columns["control_current_ampere"] != 0, pieces.first)
    steady &= np.abs(mean) < REVEALED * largest
    resting |= steady & (_moves(columns.get("voltage_volt"), pieces.first, pieces.stop) * np.sign(mean) < 0)
    near = SAME_OFFSET * np.abs(mean) + 3 * pieces.noise / np.sqrt(lengths)
    after_both = _alike(mean, near, steady & (after > 0)) & _alike(mean, near, steady & (after < 0))
    resting |= steady & (after_both | _alike(mean, near, resting & steady))
    return np.where(resting, 0, np.where(mean > 0, 1, -1))


def _alike(mean: Array, near: Array, shown: Mask) -> Mask:
    """Where a current is within ``near`` of that of one of the pieces that are ``shown``."""
    known = np.sort(mean[shown & (mean != 0)])
    found: Mask = np.searchsorted(known, mean + near, side="right") > np.searchsorted(known, mean - near)
    return found


def _moves(voltage: Array | None, first: Index, stop: Index) -> Array:
    """+1 or −1 where the voltage ends clearly higher or lower than it began, 0 elsewhere."""
    if voltage is None:
        return np.zeros(first.size)
    move = np.where(stop - first >= FEWEST_FOR_A_MOVE, voltage[stop - 1] - voltage[first], 0.0)
    move = np.nan_to_num(move, nan=0.0)
    limit = max(SMALLEST_MOVE_VOLT, 6 * _noise(voltage[np.isfinite(voltage)]))
    return np.where(np.abs(move) > limit, np.sign(move), 0.0)


def _disagreeing(timeline: Timeline, first: Index, stop: Index) -> Mask:
    """In which steps step time and test time do not pass alike."""
    time, step = timeline.time_second, timeline.step_second
    if step is None:
        return np.zeros(first.size, dtype=np.bool_)
    passed = time[stop - 1] - time[first]
    found: Mask = np.abs(step[stop - 1] - step[first] - passed) > np.maximum(0.01 * passed, 2.0)
    return found


def _missing_before(columns: Columns, first: Index) -> Mask:
    """Before which steps the file's own count of them leaves one out."""
    missing = np.zeros(first.size, dtype=np.bool_)
    if "step_count" in columns:
        missing[1:] = np.abs(columns.at("step_count", first[1:]) - columns.at("step_count", first[1:] - 1)) > 1
    return missing
