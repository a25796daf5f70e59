"""Faults of the instrument, all of them: what it measures, its leads, and the machine itself."""

from __future__ import annotations

import itertools

from emulator.faults import device, leads, measuring
from emulator.faults.fault import FaultType

FAULTS: tuple[FaultType, ...] = tuple(itertools.chain(measuring.FAULTS, leads.FAULTS, device.FAULTS))

CANNOT_BE_SHOWN = {
    "I19": "an open auxiliary thermocouple: scripts of ours read no auxiliary input, so nothing of it reaches a host",
}
"""Of the catalogue, what no instrument of this family can show, and why."""
