"""What stands between a cell and a number: range, offset, gain, drift, pick-up, noise, and the steps of the converter.

One reading of ``x`` in the range r with nominal value n_r, at t seconds after the channel's start, ΔT from 298.15 K:

    seen    = x (1 + g_r + γ ΔT) + o_r + n_r (ω ΔT + w(t)) + a sin(2π f t + φ) + σ z_i
    reading = round(seen / q) q, held within ± span_r,       q = 2 span_r / 2^bits,  span_r = 3 n_r

o_r, g_r and φ are drawn once for each range; w is `Wander`; z_i is number i of this quantity's own stream, i the index of the
sample. So a reading is a pure function of (seed, channel, quantity, i, t, x), and how often anybody asks changes nothing.

A range found by autoranging is left above 2.46 and below 0.123 times its nominal value. For ``range_gap_second`` after that
there is no valid sample: a reading is ``nan``, or (``glitch``) the new range's with an error of ``range_glitch`` n_r z and the
status *overload*. That is one sample, unless the gap is longer than the sampling interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from emulator.instruments.models import OVERLOAD, SPAN, UNDERLOAD, WARNING, Range
from emulator.instruments.wander import Wander
from emulator.truth import Value

STATUS_TIMING = 1
STATUS_OVERLOAD = 2
STATUS_UNDERLOAD = 4
STATUS_WARNING = 8

STANDARD_KELVIN = 298.15
MAINS_RATE = 1.0 - 6e-4
"""Mains are never exact: at 49.97 Hz no usual sampling interval is a whole number of periods, so a hum is seen as one."""

Streams = Callable[[str], Callable[[int], float]]
"""A channel's streams of standard normal numbers, by name."""

RangeChange = Literal["glitch", "nan"]


@dataclass(frozen=True, slots=True)
class Imperfections:
    """What is wrong with an instrument. The defaults are those of a scenario that says nothing; `TYPICAL` has everything on.

    Fractions are of a range's nominal value unless they are said to be of the reading; drawn ones are one standard deviation.

    ======================  =========  ===============  =========================================================================
    field                   default    typical          meaning (range of real instruments)
    ======================  =========  ===============  =========================================================================
    offset                  2e-4       2e-4             drawn for each range (1e-5 … 1e-3). An efficiency is off by 2 o / I
    gain                    0          2e-4             of the reading, drawn for each range (1e-5 … 1e-3)
    adc_bits                16         16               converter steps over ± 3 × nominal (14 … 24); 0: none
    voltage_noise_volt      5e-5       5e-5             white (2e-5 … 1e-4 V)
    current_noise           1e-5       1e-5             white (1e-5 … 1e-4)
    impedance_noise         1e-3       1e-3             of the modulus, on both parts
    offset_per_kelvin       0          5e-6             drift of every offset (1e-6 … 2e-5)
    gain_per_kelvin         0          5e-6             of the reading (1e-6 … 2e-5)
    wander                  0          5e-6             1/f: equal power in every octave of frequency (1e-6 … 1e-4)
    pickup_volt             0          2e-5             mains, amplitude (1e-6 … 1e-3 V)
    pickup_current          0          1e-5             mains, amplitude (1e-6 … 1e-3)
    mains_hertz             50         50               50 or 60
    range_gap_second        0          0.02             no valid sample after a change of range (0.01 … 0.05 s); 0: ideal
    range_change            glitch     glitch           what a sample in the gap is: ``glitch`` or ``nan``
    range_glitch            0.05       0.05             error of a glitch
    jitter_second           0          2e-3             of the moment of a sample (1e-3 … 5e-3 s); the instrument stamps it right
    clock_ppm               0          50               rate of the instrument's clock, drawn (20 … 100)
    relay_second            0          0.01             the cell opens so much after the order (0.002 … 1 s), the current flows on
    wires                   4          4                2: the voltage is sensed at the instrument, leads included
    lead_ohm                0          0.1              of each current lead (0.05 … 1 Ω)
    contact_ohm             0          0.05             between sense clip and cell (0.01 … 5 Ω), always in the voltage
    leakage_ampere          0          1e-10            flows through the cell always, unseen by the ammeter (1e-11 … 1e-9 A)
    compliance              abort      abort            beyond it: ``abort`` (error 0032) or ``clip`` (the current gives way)
    overshoot               0          0.05             of a potentiostat, of the step it makes (0 … 0.3)
    regulator_second        0.02       0.02             how fast an overshoot dies away (0.005 … 0.05 s)
    ======================  =========  ===============  =========================================================================
    """

    offset: float = 2e-4
    gain: float = 0.0
    adc_bits: int = 16
    voltage_noise_volt: float = 5e-5
    current_noise: float = 1e-5
    impedance_noise: float = 1e-3
    offset_per_kelvin: float = 0.0
    gain_per_kelvin: float = 0.0
    wander: float = 0.0
    pickup_volt: float = 0.0
    pickup_current: float = 0.0
    mains_hertz: float = 50.0
    range_gap_second: float = 0.0
    range_change: RangeChange = "glitch"
    range_glitch: float = 0.05
    jitter_second: float = 0.0
    clock_ppm: float = 0.0
    relay_second: float = 0.0
    wires: Literal[2, 4] = 4
    lead_ohm: float = 0.0
    contact_ohm: float = 0.0
    leakage_ampere: float = 0.0
    compliance: Literal["abort", "clip"] = "abort"
    overshoot: float = 0.0
    regulator_second: float = 0.02


PERFECT = Imperfections(offset=0.0, gain=0.0, adc_bits=0, voltage_noise_volt=0.0, current_noise=0.0, impedance_noise=0.0)
TYPICAL = Imperfections(
    gain=2e-4,
    offset_per_kelvin=5e-6,
    gain_per_kelvin=5e-6,
    wander=5e-6,
    pickup_volt=2e-5,
    pickup_current=1e-5,
    range_gap_second=0.02,
    jitter_second=2e-3,
    clock_ppm=50.0,
    relay_second=0.01,
    lead_ohm=0.1,
    contact_ohm=0.05,
    leakage_ampere=1e-10,
    overshoot=0.05,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a calibration says of one range in place of what would be drawn: ``offset`` and ``noise`` absolute, ``gain`` a factor;
    ``None`` is not said.
    """

    offset: float | None = None
    gain: float | None = None
    noise: float | None = None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What faults add for a while: absolute ``offset``, ``noise`` and ``pickup``, a ``gain`` of the reading; ``top`` is the part
    of the span that is left; ``stuck`` keeps the range; ``frozen`` repeats a reading and ``dead`` reads 0.
    """

    offset: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    pickup: float = 0.0
    top: float = 1.0
    stuck: bool = False
    frozen: bool = False
    dead: bool = False


UNDISTURBED = Disturbance()


class Quantity:
    """What a converter measures: its ``name`` (and that of its streams), and how large noise and pick-up are in a range."""

    __slots__ = ("name", "noise", "pickup", "top_span")

    def __init__(
        self, name: str, noise: Callable[[Range], float], pickup: Callable[[Range], float], top_span: float | None = None
    ) -> None:
        self.name = name
        self.noise = noise
        self.pickup = pickup
        self.top_span = top_span


def current(imperfections: Imperfections) -> Quantity:
    """The current: noise and pick-up in proportion to the range."""
    return Quantity(
        "current",
        lambda item: imperfections.current_noise * item.nominal,
        lambda item: imperfections.pickup_current * item.nominal,
    )


def voltage(imperfections: Imperfections, top_span: float) -> Quantity:
    """The voltage: noise and pick-up the same in every range; the highest one covers ± ``top_span``."""
    return Quantity("voltage", lambda _item: imperfections.voltage_noise_volt, lambda _item: imperfections.pickup_volt, top_span)


class Converter:
    """The measuring side of one quantity on one channel. ``second`` tells the seconds since the channel's start.

    ``doubtful`` says that the latest reading was at the end of the converter, or none because the range had just changed.
    """

    __slots__ = (
        "_bits",
        "_disturbance",
        "_frozen",
        "_gain",
        "_imperfections",
        "_index",
        "_kelvin",
        "_noise",
        "_noises",
        "_normal",
        "_offset",
        "_phases",
        "_pickup",
        "_quantity",
        "_second",
        "_settled",
        "_slow",
        "_step",
        "_top",
        "_wander",
        "doubtful",
        "gains",
        "offsets",
        "range",
        "ranges",
        "tops",
    )

    def __init__(
        self,
        ranges: tuple[Range, ...],
        imperfections: Imperfections,
        quantity: Quantity,
        *,
        streams: Streams,
        second: Callable[[], float],
        known: Mapping[float, Known] | None = None,
    ) -> None:
        """``streams`` hold this quantity's own: first (after one unused) its offsets, then one number for each sample; the gains,
        phases and the wander have theirs. ``known`` is by nominal value.
        """
        self.ranges = ranges
        self._imperfections = imperfections
        self._quantity = quantity
        self._second = second
        self._bits = imperfections.adc_bits
        self._normal = normal = streams(quantity.name)
        gain_normal, phase_normal = streams(f"{quantity.name} gain"), streams(f"{quantity.name} phase")
        said = [(known or {}).get(item.nominal, Known()) for item in ranges]
        self.gains = tuple(
            1.0 + imperfections.gain * gain_normal(place) if one.gain is None else one.gain for place, one in enumerate(said)
        )
        self.offsets = tuple(
            item.nominal * imperfections.offset * normal(1 + place) if one.offset is None else one.offset
            for place, (item, one) in enumerate(zip(ranges, said, strict=True))
        )
        self._noises = tuple(
            quantity.noise(item) if one.noise is None else one.noise for item, one in zip(ranges, said, strict=True)
        )
        self._phases = tuple(phase_normal(place) for place in range(len(ranges)))
        self.tops = tuple(SPAN * item.nominal for item in ranges)
        if quantity.top_span is not None:
            self.tops = (*self.tops[:-1], quantity.top_span)
        self._wander = Wander(quantity.name, streams) if imperfections.wander else None
        self._index = 1 + len(ranges)
        self._kelvin = 0.0
        self._disturbance = UNDISTURBED
        self._settled = -1.0
        self._frozen: float | None = None
        self.doubtful = False
        self.range = len(ranges) - 1
        self._prepare()

    # -- what changes how it reads

    def choose(self, place: int) -> None:
        """Switch to the range at ``place``."""
        if place != self.range and not self._disturbance.stuck:
            self.range = place
            self._prepare()

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
        place = min(max(place, lowest), highest)
        if place != self.range:
            before = self.range
            self.choose(place)
            if self.range != before and self._imperfections.range_gap_second:
                self._settled = self._second() + self._imperfections.range_gap_second

    def warm_to(self, kelvin: float) -> None:
        """The instrument's temperature, for the drifts."""
        self._kelvin = kelvin - STANDARD_KELVIN
        self._prepare()

    @property
    def disturbance(self) -> Disturbance:
        """What faults add now."""
        return self._disturbance

    def disturb(self, disturbance: Disturbance) -> None:
        """Faults add this from now on; frozen is the first reading after that."""
        if not disturbance.frozen:
            self._frozen = None
        self._disturbance = disturbance
        self._prepare()

    def _prepare(self) -> None:
        """Everything that is constant until the range, the temperature or a fault changes."""
        made, place, fault = self._imperfections, self.range, self._disturbance
        nominal = self.ranges[place].nominal
        self._gain = self.gains[place] + made.gain_per_kelvin * self._kelvin + fault.gain
        self._offset = self.offsets[place] + nominal * made.offset_per_kelvin * self._kelvin + fault.offset
        self._noise = math.hypot(self._noises[place], fault.noise)
        self._pickup = self._quantity.pickup(self.ranges[place]) + fault.pickup
        self._step = self.tops[place] * 2.0 ** (1 - self._bits) if self._bits else 0.0
        self._top = self.tops[place] * fault.top
        timed = bool(self._wander or self._pickup or made.range_gap_second)
        self._slow = timed or fault.frozen or fault.dead

    # -- readings

    def read(self, value: float) -> float:
        """One sample of ``value``."""
        index = self._index
        self._index = index + 1
        seen = value * self._gain + self._offset
        if self._noise:
            seen += self._noise * self._normal(index)
        if self._slow:
            seen += self._timed(index)
        step, top = self._step, self._top
        if -top <= seen <= top:
            self.doubtful = False
            if step:
                seen = round(seen / step) * step
        else:
            self.doubtful = True
            seen = -top if seen < -top else min(seen, top)
        return self._held(seen) if self._slow else seen

    def _timed(self, index: int) -> float:
        """What depends on the moment: wander, mains, the gap after a change of range."""
        second, nominal = self._second(), self.ranges[self.range].nominal
        more = 0.0
        if self._wander is not None:
            more += self._imperfections.wander * nominal * self._wander.at(second)
        if self._pickup:
            turn = math.fmod(self._imperfections.mains_hertz * MAINS_RATE * second, 1.0) + self._phases[self.range]
            more += self._pickup * math.sin(2.0 * math.pi * turn)
        if second < self._settled:
            silent = self._imperfections.range_change == "nan"
            more += math.nan if silent else self._imperfections.range_glitch * nominal * self._normal(index)
        return more

    def _held(self, seen: float) -> float:
        self.doubtful |= self._second() < self._settled
        if self._disturbance.dead:
            return 0.0
        if not self._disturbance.frozen:
            return seen
        if self._frozen is None:
            self._frozen = seen
        return self._frozen

    def status(self, value: float) -> int:
        """The status nibble for ``value`` in the present range."""
        nominal, size = self.ranges[self.range].nominal, abs(value)
        if self.doubtful or size > OVERLOAD * nominal:
            return STATUS_OVERLOAD | STATUS_WARNING
        if size > WARNING * nominal:
            return STATUS_WARNING
        return STATUS_UNDERLOAD if size < UNDERLOAD * nominal else 0

    def by_range(self, values: Sequence[float]) -> dict[str, Value]:
        """One value for each range, by its nominal value."""
        return {f"{item.nominal:g}": value for item, value in zip(self.ranges, values, strict=True)}
