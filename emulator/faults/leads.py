"""Faults of the leads, the relay and the output: I6 … I10, I15 and I20 of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from emulator.faults.cell import CellsSwapped
from emulator.faults.fault import Fault, FaultType, Layer, NoParameters, Second
from emulator.instruments.leads import Sense
from harness.model.written import Written

Part = Annotated[float, Field(gt=0, le=1)]

_SENSE = {"float": Sense.FLOATING, "high": Sense.HIGH, "low": Sense.LOW}


class ChannelsSwapped(CellsSwapped):
    """I6. The same as C9, but with the current on; put right when it ends."""

    id = "I6_channels_swapped"
    layer = Layer.INSTRUMENT
    summary = "the cables of two channels are exchanged"


class SenseParameters(Written):
    """What an open input does: it floats around 0 V and picks up ``noise_volt``, or is driven to one of its rails."""

    how: Literal["float", "high", "low"] = "float"
    noise_volt: Annotated[float, Field(ge=0, le=10)] = 0.02


class SenseOpen(Fault[SenseParameters]):
    """I7."""

    id = "I7_sense_open"
    layer = Layer.INSTRUMENT
    summary = "a sense lead is off: the voltage floats or goes to a rail"
    parameters_type = SenseParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._set(_SENSE[self.parameters.how], self.parameters.noise_volt)

    def end(self) -> None:
        """See `Fault.end`."""
        self._set(Sense.CELL, 0.0)

    def _set(self, sense: Sense, noise_volt: float) -> None:
        channel = self.channel
        channel.leads.sense = sense
        channel.leads.look()
        channel.voltmeter.disturb(replace(channel.voltmeter.disturbance, noise=noise_volt))
        channel.refresh()


class CurrentOpen(Fault[NoParameters]):
    """I8. The sense leads still see the cell; with two wires they see the rail, which is I7."""

    id = "I8_current_open"
    layer = Layer.INSTRUMENT
    summary = "a current lead is off: no current flows, whatever is set"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._set(is_open=True)

    def end(self) -> None:
        """See `Fault.end`."""
        self._set(is_open=False)

    def _set(self, *, is_open: bool) -> None:
        self.channel.leads.open = is_open
        self.channel.leads.look()
        self.channel.refresh()


class Reversed(Fault[NoParameters]):
    """I9."""

    id = "I9_reversed"
    layer = Layer.INSTRUMENT
    summary = "the leads are exchanged: plating strips, and the voltage has the other sign"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._set(-1.0)

    def end(self) -> None:
        """See `Fault.end`."""
        self._set(1.0)

    def _set(self, polarity: float) -> None:
        self.channel.close_row()
        self.channel.leads.polarity = polarity
        self.channel.leads.look()
        self.channel.refresh()


class BounceParameters(Written):
    """How long each opening lasts, how many there are, and how far apart they begin; seen at the moments of samples."""

    open: Second = 0.02
    times: Annotated[int, Field(ge=1)] = 3
    every: Second = 5.0


class RelayBounce(Fault[BounceParameters]):
    """I10."""

    id = "I10_relay_bounce"
    layer = Layer.INSTRUMENT
    ticks = True
    summary = "the relay of the cell opens for moments although nobody asked"
    parameters_type = BounceParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._done = 0

    def tick(self, second: float) -> None:
        """See `Fault.tick`."""
        given = self.parameters
        if self._done < given.times and second >= self._done * given.every:
            self._done += 1
            self.channel.interrupt(given.open)
            self.note(facts={"opened_second": given.open})


class DeratedParameters(Written):
    """What is left of the largest current."""

    fraction: Part = 0.1


class Derated(Fault[DeratedParameters]):
    """I15."""

    id = "I15_derated"
    layer = Layer.INSTRUMENT
    summary = "the instrument is too hot, and gives less current than it is told"
    parameters_type = DeratedParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._set(self.parameters.fraction)

    def end(self) -> None:
        """See `Fault.end`."""
        self._set(1.0)

    def _set(self, fraction: float) -> None:
        self.channel.derating = fraction
        self.channel.refresh()


class RelayStuck(Fault[NoParameters]):
    """``cell_off`` has no effect any more."""

    id = "I20_relay_stuck"
    layer = Layer.INSTRUMENT
    summary = "the relay of the cell stays closed although it was opened"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.stuck_on = True

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.stuck_on = False


FAULTS: tuple[FaultType, ...] = (
    ChannelsSwapped, SenseOpen, CurrentOpen, Reversed, RelayBounce, Derated, RelayStuck,
)  # fmt: skip
