"""The one table of faults: id as scenarios write it → what happens."""

from __future__ import annotations

import itertools

from emulator.faults import cell, channel, link, port, wire
from emulator.faults.fault import FaultType

FAULTS: dict[str, FaultType] = {
    fault.id: fault for fault in itertools.chain(link.FAULTS, port.FAULTS, wire.FAULTS, channel.FAULTS, cell.FAULTS)
}
