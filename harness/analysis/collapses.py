"""Excursions of a voltage that was quiet before and after, and the collapses within them: dendrites that touch.

For traces at constant current without a current column, with readings 0.2 ms to 10 s apart where something happened or did not.

1. The quiet voltage is a running median over time, a tenth of the trace wide: an excursion shorter than half of that does not
   move it, however many readings it has. The quiet scatter is 1.4826 × the median over time of |V − quiet|.
2. An excursion is a stretch outside of quiet ± `OUTSIDE` scatters and ± `OUTSIDE_1` of the quiet voltage.
3. Within it the trace moves in its own way: a typical step between readings, a typical rate. A collapse is a fall whose steps
   are at least `STEP_FACTOR` times the typical step and `RATE_FACTOR` times the typical rate, one after the other. A fall that
   ends in the quiet band is the excursion's end and no collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.steady import quantile_over_time
from harness.errors import AnalysisError

METHOD_VERSION = "collapse-1"

OUTSIDE = 6.0
OUTSIDE_1 = 0.05
STEP_FACTOR = 2.0
RATE_FACTOR = 10.0
FEWEST_READINGS = 5
_GRID = 1000
_QUIET_1 = 0.1


@dataclass(frozen=True, slots=True)
class Collapse:
    """|V| fell from ``before_volt`` to ``after_volt`` between two moments."""

    from_second: float
    to_second: float
    before_volt: float
    after_volt: float


@dataclass(frozen=True, slots=True)
class Excursion:
    """From the first reading away from ``quiet_volt`` to the first one back at it (or the last there is), with its
    ``collapses``.
    """

    from_second: float
    to_second: float
    quiet_volt: float
    peak_volt: float
    collapses: tuple[Collapse, ...]


def find_collapses(time_second: Array, voltage_volt: Array) -> list[Collapse]:
    """The collapses of all excursions, in the order of time; see `find_excursions`."""
    return [collapse for excursion in find_excursions(time_second, voltage_volt) for collapse in excursion.collapses]


def find_excursions(time_second: Array, voltage_volt: Array) -> list[Excursion]:
    """The excursions of a trace.

    Raises:
        AnalysisError: columns of different lengths, fewer than five readings that are numbers, or time that goes back.
    """
    time, volt = _numbers(time_second, voltage_volt)
    size = volt * (1.0 if float(np.median(volt)) >= 0.0 else -1.0)
    quiet = _quiet(time, size)
    scatter = 1.4826 * quantile_over_time(time, np.abs(size - quiet), 0.5)
    outside = np.abs(size - quiet) > np.maximum(OUTSIDE * scatter, OUTSIDE_1 * np.abs(quiet))
    edges = np.diff(np.concatenate(([0], outside.astype(np.int8), [0])))
    stretches = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return [_excursion(time, size, quiet, int(first), int(last)) for first, last in stretches]


def _excursion(time: Array, size: Array, quiet: Array, first: int, last: int) -> Excursion:
    """Readings ``first`` up to ``last``, which is the first one back in the band, if there is one."""
    inside = slice(max(0, first - 1), last)
    end = min(last, time.size - 1)
    peak = float(size[first:last].max())
    return Excursion(float(time[first]), float(time[end]), float(quiet[first]), peak, _collapses(time[inside], size[inside]))


def _collapses(time: Array, size: Array) -> tuple[Collapse, ...]:
    steps, times = np.diff(size), np.diff(time)
    if steps.size < FEWEST_READINGS:
        return ()
    moves = np.abs(steps) > 0.0
    rates = np.abs(steps) / np.maximum(times, np.finfo(float).tiny)
    sharp = steps < -STEP_FACTOR * float(np.median(np.abs(steps[moves])))
    fast = rates > RATE_FACTOR * float(np.median(rates[moves]))
    edges = np.diff(np.concatenate(([0], (sharp & fast).astype(np.int8), [0])))
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return tuple(Collapse(float(time[a]), float(time[b]), float(size[a]), float(size[b])) for a, b in runs)


def _quiet(time: Array, size: Array) -> Array:
    """Running median over time, at every reading: of the values held at equal times, straight between them."""
    from scipy.ndimage import median_filter  # noqa: PLC0415 - the import costs what a query should not wait for

    grid = np.linspace(float(time[0]), float(time[-1]), _GRID)
    held = size[np.searchsorted(time, grid, side="right") - 1]
    middle = median_filter(held, size=2 * round(0.5 * _QUIET_1 * _GRID) + 1, mode="nearest")
    quiet: Array = np.interp(time, grid, middle)
    return quiet


def _numbers(time: Array, volt: Array) -> tuple[Array, Array]:
    time, volt = np.asarray(time, dtype=float), np.asarray(volt, dtype=float)
    if time.ndim != 1 or time.shape != volt.shape:
        raise AnalysisError("time and voltage of a trace must be two columns of one length")
    kept = np.isfinite(time) & np.isfinite(volt)
    time, volt = time[kept], volt[kept]
    if time.size < FEWEST_READINGS:
        raise AnalysisError(f"{time.size} readings are no trace; {FEWEST_READINGS} are needed")
    if bool((np.diff(time) < 0.0).any()):
        raise AnalysisError("time goes back within the trace; sort the readings, or split them there")
    return time, volt
