"""Medians of many steps at once, each from at most a few hundred of its rows, evenly spread; and the scatter of a smooth series.

A median of 128 rows is within 0.11 σ of that of all rows, and 128 rows per step are one small matrix where all rows are a sort
of the whole file. Steps of up to 128 rows give the exact median.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MOST_ROWS = 128
STEPS_AT_ONCE = 256
"""Their matrices stay in the processor's cache."""
NORMAL_MEDIAN = 0.6745
"""The median magnitude of normal noise, in σ; a second difference has √6 σ."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Rows [first, stop) of each step, ``stop`` ≤ ``first`` for none."""

    first: Index
    stop: Index


def medians_by_step(steps: Spread, values: Callable[[Index], Array], *, both: bool = True, most_rows: int = MOST_ROWS) -> Array:
    """The median of ``values`` (rows → numbers, NaN where a row does not count) in each step, NaN where no row counts.

    Of an even number the mean of both middle ones, or the upper one.
    """
    found = np.full(steps.first.size, np.nan)
    for part, rows, inside in spread_rows(steps, most_rows):
        found[part] = row_medians(np.where(inside, values(rows), np.nan), both=both)
    return found


def spread_rows(steps: Spread, most_rows: int = MOST_ROWS) -> Iterator[tuple[slice, Index, NDArray[np.bool_]]]:
    """For some hundred steps at a time: which steps, a matrix of their rows, and which of its places hold one."""
    length = np.maximum(steps.stop - steps.first, 0)
    for begin in range(0, length.size, STEPS_AT_ONCE):
        part = slice(begin, begin + STEPS_AT_ONCE)
        own = length[part, None]
        width = min(int(own.max(initial=0)), most_rows)
        if width == 0:
            continue
        offset = np.arange(width)[None, :] * (-(-own // most_rows))
        inside = offset < own
        yield part, np.where(inside, steps.first[part, None] + offset, 0), inside


def row_medians(matrix: Array, *, both: bool = True) -> Array:
    """The median of each row's numbers, NaN left out; of an even number the mean of both middle ones, or the upper one."""
    ordered = np.sort(matrix, axis=1)
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    place = np.arange(count.size)
    upper: Array = ordered[place, np.minimum(count // 2, matrix.shape[1] - 1)]
    if both:
        upper = 0.5 * (upper + ordered[place, np.maximum(count - 1, 0) // 2])
    return upper


def smooth_scatter(values: Array, *, fewest: int) -> float | None:
    """σ of white noise on a smooth series, from its second differences, which no smooth change survives; ``None`` of fewer
    values than ``fewest``, three at least.
    """
    if values.size < max(fewest, 3):
        return None
    return float(np.median(np.abs(np.diff(values, 2)))) / (NORMAL_MEDIAN * math.sqrt(6.0))


def smooth_scatters(
    values: Array, first: Index, stop: Index, *, fewest: int, both: bool = True, most_rows: int = MOST_ROWS
) -> Array:
    """`smooth_scatter` of the rows [first, stop) of each step, from some of them; NaN where a step has fewer than ``fewest``."""

    def bend(rows: Index) -> Array:
        return np.abs(values[rows - 1] - 2 * values[rows] + values[rows + 1])

    inner = Spread(first + 1, np.where(stop - first >= fewest, stop - 1, first + 1))
    return medians_by_step(inner, bend, both=both, most_rows=most_rows) / (NORMAL_MEDIAN * math.sqrt(6.0))
