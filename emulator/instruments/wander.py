"""1/f noise as a pure function of time: a wander that can be asked for any moment, in any order, and always answers the same.

w(t) = Σ_k [(1 − u) n_k(j) + u n_k(j + 1)],  j = ⌊t / T_k⌋,  u = t / T_k − j,  T_k = T_0 2^k,

with n_k a stream of standard normal numbers. Every term is a random walk that forgets after T_k and adds the same variance, so an
octave of frequency holds the same power from 1/T_0 down to 1/T_K (pink noise by summed octaves, after Voss and McCartney).
"""

from __future__ import annotations

from collections.abc import Callable

SHORTEST_SECOND = 8.0
OCTAVES = 17
"""From 8 s to 6 days."""


class Wander:
    """The wander of one quantity of a channel; one standard deviation of each octave is 1 at its knots.

    Every T_k is a multiple of T_0, so between two knots of the shortest octave the sum is a straight line, which is kept.
    """

    __slots__ = ("_from", "_slope", "_start", "_streams", "_until")

    def __init__(self, name: str, streams: Callable[[str], Callable[[int], float]]) -> None:
        self._streams = [streams(f"{name} wander {k}") for k in range(OCTAVES)]
        self._from = self._until = -1.0
        self._start = self._slope = 0.0

    def at(self, second: float) -> float:
        """The value ``second`` (≥ 0) after the channel's start."""
        if not self._from <= second < self._until:
            place = int(second // SHORTEST_SECOND)
            self._from, self._until = place * SHORTEST_SECOND, (place + 1) * SHORTEST_SECOND
            self._start = self._knot(place)
            self._slope = (self._knot(place + 1) - self._start) / SHORTEST_SECOND
        return self._start + self._slope * (second - self._from)

    def _knot(self, place: int) -> float:
        """The sum of all octaves at ``place`` T_0."""
        total = 0.0
        for octave, normal in enumerate(self._streams):
            whole, rest = divmod(place, 1 << octave)
            part = rest / (1 << octave)
            total += (1.0 - part) * normal(whole) + (part * normal(whole + 1) if rest else 0.0)
        return total
