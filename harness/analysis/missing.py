"""Missing values of a column: whether there are any, and what to put in their place. What is not finite is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def all_finite(values: Array) -> bool:
    """Whether no value is missing or infinite: where the sum of squares is finite all are, and it costs less than to look."""
    with np.errstate(over="ignore"):
        squares = np.dot(values, values)
    return bool(np.isfinite(squares)) or bool(np.isfinite(values).all())


def any_finite(values: Array) -> bool:
    """Whether there is a number among the values; a few of them say so mostly."""
    return bool(np.isfinite(values[::997]).any()) or bool(np.isfinite(values).any())


def held(values: Array, starts: Index) -> Array:
    """``values`` with the one before in its step in place of each that is missing or infinite, or else the one after; 0 where a
    step (from one of ``starts`` to the next) has none.
    """
    known, row = np.isfinite(values), np.arange(values.size)
    lengths = np.diff(np.append(starts, values.size))
    before = np.maximum.accumulate(np.where(known, row, -1))
    after = np.minimum.accumulate(np.where(known, row, values.size)[::-1])[::-1]
    place = np.where(before >= np.repeat(starts, lengths), before, after)
    there = place < np.repeat(starts + lengths, lengths)
    return np.where(there, values[np.where(there, place, 0)], 0.0)


def filled_forward(values: Array, before_first: float) -> Array:
    """``values`` with the one before in place of each that is missing, ``before_first`` before there is any."""
    if all_finite(values):
        return values
    present = np.isfinite(values)
    index = np.maximum.accumulate(np.where(present, np.arange(values.size), -1))
    filled = values[np.maximum(index, 0)]
    filled[index < 0] = before_first
    return filled
