"""What stands between a cell and a number: range, offset, gain, noise, and the steps of the converter.

reading = round((value (1 + gain) + offset_range + noise) / step) × step, step = 2 × 3 × nominal / 2^bits, clipped at its ends.
The offset of a range and the gain of a channel are drawn once; noise belongs to the sample's index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emulator.instruments.models import OVERLOAD, SPAN, UNDERLOAD, WARNING, Range

STATUS_OVERLOAD = 2
STATUS_UNDERLOAD = 4
STATUS_WARNING = 8


@dataclass(frozen=True, slots=True)
class Imperfections:
    """Fractions of the nominal range (``offset``, ``current_noise``) or of the reading (``gain``), one standard deviation.

    ``adc_bits`` 0 is a converter without steps.
    """

    offset: float = 2e-4
    gain: float = 0.0
    adc_bits: int = 16
    voltage_noise_volt: float = 5e-5
    current_noise: float = 1e-5
    impedance_noise: float = 1e-3


PERFECT = Imperfections(offset=0.0, gain=0.0, adc_bits=0, voltage_noise_volt=0.0, current_noise=0.0, impedance_noise=0.0)


class Converter:
    """The measuring side of one quantity on one channel. ``noise`` is absolute for a given range."""

    __slots__ = ("_bits", "_index", "_noise", "_noise_of", "_normal", "gain", "offsets", "range", "ranges", "tops")

    def __init__(
        self,
        ranges: tuple[Range, ...],
        imperfections: Imperfections,
        normal: Callable[[int], float],
        noise: Callable[[Range], float],
        top_span: float | None = None,
    ) -> None:
        """``normal`` is this quantity's own stream: first the gain and the offsets, then one number per sample."""
        self.ranges = ranges
        self._bits = imperfections.adc_bits
        self.gain = 1.0 + imperfections.gain * normal(0)
        self.offsets = tuple(item.nominal * imperfections.offset * normal(1 + place) for place, item in enumerate(ranges))
        self.tops = tuple(SPAN * item.nominal for item in ranges)
        if top_span is not None:
            self.tops = (*self.tops[:-1], top_span)
        self._noise_of = noise
        self._normal = normal
        self._index = 1 + len(ranges)
        self.range = len(ranges) - 1
        self._noise = noise(ranges[-1])

    def choose(self, place: int) -> None:
        """Switch to the range at ``place``."""
        if place != self.range:
            self.range = place
            self._noise = self._noise_of(self.ranges[place])

    def place_for(self, value: float) -> int:
        """The smallest range whose nominal value is at least |``value``|, else the largest."""
        for place, item in enumerate(self.ranges):
            if item.nominal >= abs(value) * (1.0 - 1e-9):
                return place
        return len(self.ranges) - 1

    def settle(self, value: float, lowest: int, highest: int) -> None:
        """Autoranging with hysteresis: up above the warning level, down below the underload level."""
        size, place = abs(value), self.range
        while place < highest and size > WARNING * self.ranges[place].nominal:
            place += 1
        while place > lowest and size < UNDERLOAD * self.ranges[place].nominal:
            place -= 1
        self.choose(min(max(place, lowest), highest))

    def read(self, value: float) -> float:
        """One sample of ``value``."""
        place, index = self.range, self._index
        self._index = index + 1
        seen = value * self.gain + self.offsets[place]
        if self._noise:
            seen += self._noise * self._normal(index)
        top = self.tops[place]
        if self._bits:
            step = top * 2.0 ** (1 - self._bits)
            seen = round(seen / step) * step
        return -top if seen < -top else min(seen, top)

    def status(self, value: float) -> int:
        """The status nibble for ``value`` in the present range."""
        nominal, size = self.ranges[self.range].nominal, abs(value)
        if size > OVERLOAD * nominal:
            return STATUS_OVERLOAD | STATUS_WARNING
        if size > WARNING * nominal:
            return STATUS_WARNING
        return STATUS_UNDERLOAD if size < UNDERLOAD * nominal else 0
