"""1/f noise as a pure function of time: a wander that can be asked for any moment, in any order, and always answers the same.

w(t) = Σ_k [(1 − u) n_k(j) + u n_k(j + 1)],  j = ⌊t / T_k⌋,  u = t / T_k − j,  T_k = T_0 2^k,

with n_k a stream of standard normal numbers. Every term is a random walk that forgets after T_k and adds the same variance, so an
octave of frequency holds the same power from 1/T_0 down to 1/T_K (pink noise by summed octaves, after Voss and McCartney).
"""

from __future__ import annotations

import math
from collections.abc import Callable

SHORTEST_SECOND = 8.0
OCTAVES = 17
"""From 8 s to 6 days."""


class Wander:
    """The wander of one quantity of a channel; one standard deviation of each octave is 1 at its knots."""

    __slots__ = ("_terms",)

    def __init__(self, name: str, streams: Callable[[str], Callable[[int], float]]) -> None:
        self._terms = [_Term(SHORTEST_SECOND * 2.0**k, streams(f"{name} wander {k}")) for k in range(OCTAVES)]

    def at(self, second: float) -> float:
        """The value ``second`` (≥ 0) after the channel's start."""
        return math.fsum(term.at(second) for term in self._terms)


class _Term:
    """One octave. The knots on both sides of the last moment are kept."""

    __slots__ = ("_from", "_normal", "_period", "_slope", "_start", "_until")

    def __init__(self, period_second: float, normal: Callable[[int], float]) -> None:
        self._period = period_second
        self._normal = normal
        self._from = self._until = -1.0
        self._start = self._slope = 0.0

    def at(self, second: float) -> float:
        if not self._from <= second < self._until:
            place = int(second // self._period)
            self._from, self._until = place * self._period, (place + 1) * self._period
            self._start = self._normal(place)
            self._slope = (self._normal(place + 1) - self._start) / self._period
        return self._start + self._slope * (second - self._from)
