"""Faults of the wire."""

from __future__ import annotations

from emulator.faults.fault import FaultType

FAULTS: tuple[FaultType, ...] = ()
