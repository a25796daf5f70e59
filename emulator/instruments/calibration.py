"""What a calibration of one channel says: offset, gain and noise of each range, in place of what chance would give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.instruments.converter import Known


@dataclass(frozen=True, slots=True)
class Calibration:
    """By nominal value of the range, A and V."""

    current: Mapping[float, Known] = field(default_factory=dict)
    voltage: Mapping[float, Known] = field(default_factory=dict)


UNCALIBRATED = Calibration()
