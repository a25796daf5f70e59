"""Faults of what is measured: I1 … I5 of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from emulator.faults.fault import Fault, FaultType, Layer
from emulator.instruments.converter import Converter
from harness.model.written import Written

_SECOND_PER_HOUR = 3600.0

Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Part = Annotated[float, Field(gt=0, le=1)]


class Which(Written):
    """Which quantity is meant."""

    quantity: Literal["current", "voltage", "both"] = "both"


W = TypeVar("W", bound=Which)


class _Measuring(Fault[W]):
    """A fault of one converter, or of both."""

    layer: ClassVar[Layer] = Layer.INSTRUMENT

    def converters(self) -> Iterable[Converter]:
        """Those that are meant."""
        channel, which = self.channel, self.parameters.quantity
        return [one for name, one in (("current", channel.ammeter), ("voltage", channel.voltmeter)) if which in (name, "both")]


class SaturatedParameters(Which):
    """Which part of the converter's span is left."""

    quantity: Literal["current", "voltage", "both"] = "current"
    top: Part = 0.1


class Saturated(_Measuring[SaturatedParameters]):
    """I1. What does not fit reads as the end of the span, with the status *overload*."""

    id = "I1_saturated"
    summary = "the converter saturates within its range, and says overload"
    parameters_type = SaturatedParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        for one in self.converters():
            one.disturb(replace(one.disturbance, top=self.parameters.top))

    def end(self) -> None:
        """See `Fault.end`."""
        for one in self.converters():
            one.disturb(replace(one.disturbance, top=1.0))


class StuckParameters(Written):
    """Where it is stuck: the present range, or the smallest that names ``at_ampere``."""

    at_ampere: Annotated[float, Field(gt=0)] | None = None


class RangeStuck(Fault[StuckParameters]):
    """I2. The instrument tells the range that it has, not the one it was told."""

    id = "I2_range_stuck"
    layer = Layer.INSTRUMENT
    summary = "the current range does not follow what it is told"
    parameters_type = StuckParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        ammeter = self.channel.ammeter
        if self.parameters.at_ampere is not None:
            ammeter.choose(ammeter.place_for(self.parameters.at_ampere))
        ammeter.disturb(replace(ammeter.disturbance, stuck=True))

    def end(self) -> None:
        """See `Fault.end`."""
        ammeter = self.channel.ammeter
        ammeter.disturb(replace(ammeter.disturbance, stuck=False))


class ShiftParameters(Written):
    """A step at once, and a drift; gains are of the reading."""

    current_ampere: Number = 0.0
    current_gain: Number = 0.0
    current_ampere_per_hour: Number = 0.0
    voltage_volt: Number = 0.0
    voltage_gain: Number = 0.0
    voltage_volt_per_hour: Number = 0.0


class Shift(Fault[ShiftParameters]):
    """I3."""

    id = "I3_offset"
    layer = Layer.INSTRUMENT
    ticks = True
    summary = "offset or gain make a step, or drift"
    parameters_type = ShiftParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.tick(0.0)

    def tick(self, second: float) -> None:
        """See `Fault.tick`."""
        given, hours = self.parameters, second / _SECOND_PER_HOUR
        ammeter, voltmeter = self.channel.ammeter, self.channel.voltmeter
        amperes = given.current_ampere + given.current_ampere_per_hour * hours
        volts = given.voltage_volt + given.voltage_volt_per_hour * hours
        ammeter.disturb(replace(ammeter.disturbance, offset=amperes, gain=given.current_gain))
        voltmeter.disturb(replace(voltmeter.disturbance, offset=volts, gain=given.voltage_gain))

    def end(self) -> None:
        """See `Fault.end`."""
        for one in (self.channel.ammeter, self.channel.voltmeter):
            one.disturb(replace(one.disturbance, offset=0.0, gain=0.0))


class NoiseParameters(Written):
    """White noise (one standard deviation) and the amplitude of the mains."""

    voltage_volt: NotNegative = 0.02
    current_ampere: NotNegative = 0.0
    mains_volt: NotNegative = 0.0
    mains_ampere: NotNegative = 0.0


class NoiseBurst(Fault[NoiseParameters]):
    """I4."""

    id = "I4_noise"
    layer = Layer.INSTRUMENT
    summary = "noise or mains pick-up comes upon the readings"
    parameters_type = NoiseParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        given, channel = self.parameters, self.channel
        channel.ammeter.disturb(replace(channel.ammeter.disturbance, noise=given.current_ampere, pickup=given.mains_ampere))
        channel.voltmeter.disturb(replace(channel.voltmeter.disturbance, noise=given.voltage_volt, pickup=given.mains_volt))

    def end(self) -> None:
        """See `Fault.end`."""
        for one in (self.channel.ammeter, self.channel.voltmeter):
            one.disturb(replace(one.disturbance, noise=0.0, pickup=0.0))


class DeadParameters(Which):
    """Whether it repeats its last value or says zero."""

    how: Literal["frozen", "zero"] = "frozen"


class Dead(_Measuring[DeadParameters]):
    """I5. It answers, and what it says means nothing; one that does not answer is a fault of the link."""

    id = "I5_dead"
    summary = "the converter repeats one value, or reads zero"
    parameters_type = DeadParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        frozen = self.parameters.how == "frozen"
        for one in self.converters():
            one.disturb(replace(one.disturbance, frozen=frozen, dead=not frozen))

    def end(self) -> None:
        """See `Fault.end`."""
        for one in self.converters():
            one.disturb(replace(one.disturbance, frozen=False, dead=False))


FAULTS: tuple[FaultType, ...] = (Saturated, RangeStuck, Shift, NoiseBurst, Dead)
