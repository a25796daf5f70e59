"""The instrument's own clock: it runs at 1 + ε of true time, may jump, and its samples come a little early or late.

Everything an instrument says of time is counted on it; what it waits for, too. It knows no cell: it is told how many true
seconds of the present program have passed.
"""

from __future__ import annotations

from emulator.instruments.converter import Imperfections, Streams

_LARGEST_JITTER = 0.25


class Timer:
    """State of a channel's clock; ``rate`` is 1 + ε."""

    def __init__(self, imperfections: Imperfections, streams: Streams) -> None:
        self.rate = 1.0 + imperfections.clock_ppm * 1e-6 * streams("clock")(0)
        self._jitter_second = imperfections.jitter_second
        self._jitter_normal = streams("jitter")
        self._jitter_index = 0
        self._shift = self._zero = 0.0

    def start(self, elapsed: float) -> None:
        """Count from 0."""
        self._zero = elapsed + self._shift

    def second(self, elapsed: float) -> float:
        """What it shows."""
        return (elapsed + self._shift - self._zero) * self.rate

    def shift(self, second: float) -> None:
        """Jump; what loops wait for is not moved."""
        self._shift += second

    def rebase(self, elapsed: float) -> None:
        """From now on true seconds are counted from ``elapsed``."""
        self._zero -= elapsed

    def jitter(self, interval_second: float) -> float:
        """How much too late the next sample is taken (s, mostly below zero as often as above)."""
        if not self._jitter_second:
            return 0.0
        self._jitter_index += 1
        bound = _LARGEST_JITTER * interval_second
        return min(max(self._jitter_second * self._jitter_normal(self._jitter_index), -bound), bound)
