"""What each MethodSCRIPT instrument can do, and its current ranges. Tables only.

The type is told by the first six characters of the firmware reply; galvanostat and impedance are then asked of the
instrument itself (capability bits). Lowest impedance frequencies and compliance are not in readable sources: the lowest
frequency here is a cautious one, and the instrument refuses what it cannot do.
Source: the communication manuals and data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

_BIT_IMPEDANCE = 31
_BIT_GALVANOSTAT_LOOP = 67
_BIT_SET_CURRENT = 68

_PICO_RANGES = {
    0: 100e-9, 1: 2e-6, 2: 4e-6, 3: 8e-6, 4: 16e-6, 5: 32e-6, 6: 63e-6, 7: 125e-6, 8: 250e-6, 9: 500e-6, 10: 1e-3, 11: 5e-3,
    128: 100e-9, 129: 1e-6, 130: 6e-6, 131: 13e-6, 132: 25e-6, 133: 50e-6, 134: 100e-6, 135: 200e-6, 136: 1e-3, 137: 5e-3,
}  # fmt: skip
_EMSTAT4_RANGES = {3: 1e-9, 6: 10e-9, 9: 100e-9, 12: 1e-6, 15: 10e-6, 18: 100e-6, 21: 1e-3, 24: 10e-3, 27: 100e-3}
_NEXUS_DECADES = (1e-9, 10e-9, 100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 1e-3, 10e-3, 100e-3, 1.0)
_NEXUS_RANGES = {16: 100e-12} | dict(enumerate(_NEXUS_DECADES)) | dict(enumerate(_NEXUS_DECADES, start=32))

RANGES = {"espico": _PICO_RANGES, "es4": _EMSTAT4_RANGES, "nexus": _NEXUS_RANGES}
"""Nominal current in ampere by range id, for each family."""


@dataclass(frozen=True, slots=True)
class Model:
    """One type of instrument. ``usable_factor`` is how far above its nominal current a range is trusted."""

    name: str
    family: str
    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    range_min_ampere: float
    range_max_ampere: float
    usable_factor: float
    frequency_min_hertz: float
    frequency_max_hertz: float
    galvanostat: bool

    def nominal_ampere(self, range_id: int | None) -> float | None:
        """The nominal current of a range id; None for one the table does not know."""
        return None if range_id is None else RANGES[self.family].get(range_id)

    def range_for(self, current_ampere: float) -> float:
        """The nominal current of the smallest range that holds ``current_ampere`` (the largest one when none does)."""
        needed = abs(current_ampere) / self.usable_factor
        offered = sorted(nominal for nominal in set(RANGES[self.family].values()) if self._has(nominal))
        return next((nominal for nominal in offered if nominal >= needed), offered[-1])

    def _has(self, nominal: float) -> bool:
        return self.range_min_ampere <= nominal <= self.range_max_ampere


def _pico(name: str) -> Model:
    return Model(name, "espico", -1.7, 2.0, 5e-3, 100e-9, 5e-3, 1.0, 0.016, 200e3, galvanostat=False)


def _low_range(name: str) -> Model:
    return Model(name, "es4", -3.0, 3.0, 30e-3, 1e-9, 10e-3, 2.4, 1e-3, 200e3, galvanostat=True)


def _high_range(name: str) -> Model:
    return Model(name, "es4", -6.0, 6.0, 200e-3, 100e-9, 100e-3, 2.4, 1e-3, 200e3, galvanostat=True)


MODELS = {
    "espico": _pico("EmStat Pico"),
    "senswb": _pico("Sensit Wearable"),
    "es4_lr": _low_range("EmStat4 LR"),
    "es4_hr": _high_range("EmStat4 HR"),
    "mes4lr": _low_range("MultiEmStat4 LR"),
    "mes4hr": _high_range("MultiEmStat4 HR"),
    "nexus1": Model("Nexus", "nexus", -10.0, 10.0, 1.0, 1e-9, 1.0, 1.0, 1e-3, 1e6, galvanostat=True),
}
"""By the six characters the firmware reply begins with, after its echo."""


def galvanostat_bits(capability_bits: int) -> bool:
    """Whether an instrument's script commands include the galvanostat."""
    return _has_bit(capability_bits, _BIT_GALVANOSTAT_LOOP) and _has_bit(capability_bits, _BIT_SET_CURRENT)


def impedance_bit(capability_bits: int) -> bool:
    """Whether an instrument's script commands include the impedance sweep."""
    return _has_bit(capability_bits, _BIT_IMPEDANCE)


def _has_bit(capability_bits: int, bit: int) -> bool:
    return bool(capability_bits >> bit & 1)
