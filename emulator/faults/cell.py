"""Faults of the cell and of what it stands in: C1 … C6, C8, C9, C11 of the catalogue.

C7 (gas, pressure) is not in the cell model. C10 (a mislabelled area or mass) needs no fault: register another area than the
scenario's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emulator.faults.fault import Fault, FaultType, Lasting, Layer, Name, NoParameters
from harness.model.written import Written

_ZERO_CELSIUS_KELVIN = 273.15
_SECOND_PER_MINUTE = 60.0
_SECOND_PER_HOUR = 3600.0

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class ShortParameters(Written):
    """What leads past the electrolyte."""

    conductance_s_cm2: Positive = 5e-4


class SoftShort(Fault[ShortParameters]):
    """C1."""

    id = "C1_soft_short"
    layer = Layer.CELL
    summary = "a dendrite leaks current past the electrolyte, and may heal"
    parameters_type = ShortParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.cell.set_short(self.parameters.conductance_s_cm2)

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.cell.set_short(0.0)


class HardShortParameters(Written):
    """See `ShortParameters`."""

    conductance_s_cm2: Positive = 2.0


class HardShort(Fault[HardShortParameters]):
    """C2."""

    id = "C2_hard_short"
    layer = Layer.CELL
    summary = "the electrodes touch: more than 1 S/cm²"
    parameters_type = HardShortParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.cell.set_short(self.parameters.conductance_s_cm2)

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.cell.set_short(0.0)


class DryOut(Fault[NoParameters]):
    """C3."""

    id = "C3_dry_out"
    layer = Layer.CELL
    lasting = Lasting.INSTANT
    summary = "the electrolyte is used up: sudden death"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.cell.dry_out()


class ContactParameters(Written):
    """What comes in series."""

    resistance_ohm: Positive = 50.0


class Contact(Fault[ContactParameters]):
    """C4."""

    id = "C4_contact"
    layer = Layer.CELL
    summary = "a contact becomes bad"
    parameters_type = ContactParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.cell.set_contact_resistance(self.parameters.resistance_ohm)

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.cell.set_contact_resistance(0.0)


class DriftParameters(Written):
    """A step at once, then a drift."""

    step_volt: Number = 0.0
    drift_volt_per_hour: Number = 0.005


class ReferenceDrift(Fault[DriftParameters]):
    """C5."""

    id = "C5_reference_drift"
    layer = Layer.CELL
    ticks = True
    summary = "the potential of the reference drifts"
    parameters_type = DriftParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.tick(0.0)

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.cell.set_potential_shift(0.0)

    def tick(self, second: float) -> None:
        """See `Fault.tick`."""
        drift = self.parameters.drift_volt_per_hour * second / _SECOND_PER_HOUR
        self.channel.cell.set_potential_shift(self.parameters.step_volt + drift)


class ChamberParameters(Written):
    """Where the temperature goes, and how fast; ``normal_celsius`` is where it comes from and goes back to, at once."""

    to_celsius: Annotated[float, Field(ge=-60, le=150)] = 35.0
    ramp_kelvin_per_minute: Positive = 1.0
    normal_celsius: Annotated[float, Field(ge=-60, le=150)] = 25.0


class Chamber(Fault[ChamberParameters]):
    """C6. Name all channels of the chamber in the event."""

    id = "C6_chamber"
    layer = Layer.CELL
    ticks = True
    summary = "the chamber fails, and the temperature runs away"
    parameters_type = ChamberParameters

    def end(self) -> None:
        """See `Fault.end`."""
        self._set(self.parameters.normal_celsius)

    def tick(self, second: float) -> None:
        """See `Fault.tick`."""
        given = self.parameters
        whole = given.to_celsius - given.normal_celsius
        part = min(abs(whole), given.ramp_kelvin_per_minute * second / _SECOND_PER_MINUTE)
        celsius = given.normal_celsius + (part if whole > 0 else -part)
        self._set(celsius)

    def _set(self, celsius: float) -> None:
        """Cell and instrument stand in it together."""
        self.channel.cell.set_temperature(celsius + _ZERO_CELSIUS_KELVIN)
        self.channel.warm_to(celsius + _ZERO_CELSIUS_KELVIN)


class CrackParameters(Written):
    """Which part of the area stays intact."""

    integrity: Annotated[float, Field(ge=0, le=1)] = 0.5


class Crack(Fault[CrackParameters]):
    """C8."""

    id = "C8_crack"
    layer = Layer.CELL
    lasting = Lasting.INSTANT
    summary = "the stack of layers cracks"
    parameters_type = CrackParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.cell.set_integrity(self.parameters.integrity)


class SwapParameters(Written):
    """The other channel."""

    with_: Annotated[Name, Field(alias="with")]


class CellsSwapped(Fault[SwapParameters]):
    """C9. Somebody puts the cells back wrongly; put right when it ends."""

    id = "C9_wrong_cell"
    layer = Layer.CELL
    summary = "the cells of two channels are exchanged"
    parameters_type = SwapParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._exchange()

    def end(self) -> None:
        """See `Fault.end`."""
        self._exchange()

    def _exchange(self) -> None:
        mine, other = self.channel, self.target.neighbours[self.parameters.with_].channel
        mine.exchange_cell(other)


class PowerCut(Fault[NoParameters]):
    """C11. The instrument is off: its cells open, its scripts lost, its ports gone; the cells age on. All of its channels."""

    id = "C11_power_cut"
    layer = Layer.CELL
    summary = "the power is cut for long: ports and scripts are gone, the cells age on"

    def begin(self) -> None:
        """See `Fault.begin`."""
        for name in self.target.chassis:
            other = self.target.neighbours[name]
            other.link.unplug()
            other.session.power_off()

    def end(self) -> None:
        """See `Fault.end`."""
        for name in self.target.chassis:
            other = self.target.neighbours[name]
            other.session.power_on()
            other.link.plug()


FAULTS: tuple[FaultType, ...] = (
    SoftShort, HardShort, DryOut, Contact, ReferenceDrift, Chamber, Crack, CellsSwapped, PowerCut,
)  # fmt: skip
