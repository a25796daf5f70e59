"""Curves in bounded memory: recent readings whole, older ones the coarser the older they are. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Stamps = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Trace:
    """One value of one run against time, at most ``capacity`` points.

    When it is full, its older half is thinned to half as many points that keep the extremes: a run of months and a run of
    minutes cost the same, and both show their shape.
    """

    def __init__(self, capacity: int = 4000) -> None:
        self._capacity = capacity
        self._stamps: Stamps = np.empty(0, np.int64)
        self._values: Values = np.empty(0, np.float64)

    def __len__(self) -> int:
        return len(self._stamps)

    def extend(self, stamps: Stamps, values: Values) -> None:
        """Append readings; ``stamps`` are nanoseconds, rising, and later than all before."""
        self._stamps = np.concatenate([self._stamps, stamps])
        self._values = np.concatenate([self._values, values])
        while len(self._stamps) > self._capacity:
            half = len(self._stamps) // 2
            older = decimated(self._stamps[:half], self._values[:half], half // 2)
            self._stamps = np.concatenate([older[0], self._stamps[half:]])
            self._values = np.concatenate([older[1], self._values[half:]])

    def last_stamp(self) -> int | None:
        """The newest stamp, ``None`` before any."""
        return int(self._stamps[-1]) if len(self._stamps) else None

    def since(self, stamp: int | None, points: int) -> tuple[Stamps, Values]:
        """About ``points`` points from ``stamp`` on (all for ``None``), extremes kept."""
        first = 0 if stamp is None else int(np.searchsorted(self._stamps, stamp))
        return decimated(self._stamps[first:], self._values[first:], points)


def decimated(stamps: Stamps, values: Values, points: int) -> tuple[Stamps, Values]:
    """At most ``points`` + 2 of the given points: the lowest and the highest of each bucket, the first and the last."""
    count = len(stamps)
    if count <= max(points, 4):
        return stamps, values
    buckets = max(points // 2, 1)
    size = -(-count // buckets)
    padded = np.append(values, np.full(size * buckets - count, values[-1])).reshape(buckets, size)
    starts = np.arange(buckets) * size
    picked = np.concatenate([starts + padded.argmin(axis=1), starts + padded.argmax(axis=1), [0, count - 1]])
    kept = np.unique(np.minimum(picked, count - 1))
    return stamps[kept], values[kept]
