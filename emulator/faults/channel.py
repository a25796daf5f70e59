"""Faults of the instrument: ranges, leads, relays, clocks, counters."""

from __future__ import annotations

from emulator.faults.fault import Fault, FaultType, Layer, NoParameters


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


FAULTS: tuple[FaultType, ...] = (RelayStuck,)
