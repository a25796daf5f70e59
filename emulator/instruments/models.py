"""The instruments that can be emulated: names, windows, limits and ranges, as facts.

Windows and largest currents are the makers' (EmStat4 and Nexus data sheets by way of the project's instrument notes). Not found
in any public source, and therefore our own assumption in this one place: the lowest impedance frequency, the size of the
script memory, and the compliance of Nexus and Pico.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ModelName = Literal["es4_hr", "es4_lr", "mes4hr", "nexus1", "espico"]

OVERLOAD = 2.92
WARNING = 2.46
UNDERLOAD = 0.123
"""Fractions of the nominal range at which an EmStat4 says so."""

SPAN = 3.0
"""The converter covers ± this times the nominal range."""


@dataclass(frozen=True, slots=True)
class Range:
    """A measuring range: the id it has on the wire, and its nominal value (A or V)."""

    wire_id: int
    nominal: float


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of instrument. Voltages in V, currents in A; ranges rise."""

    name: ModelName
    firmware: str
    window: tuple[float, float]
    compliance: float
    largest_current: float
    galvanostat: bool
    largest_frequency_hertz: float
    smallest_frequency_hertz: float
    largest_amplitude_volt: float
    current_ranges: tuple[Range, ...]
    voltage_ranges: tuple[Range, ...]
    script_bytes: int = 16_384

    @property
    def top_voltage_span(self) -> float:
        """What the converter covers in the highest potential range."""
        return max(abs(self.window[0]), abs(self.window[1]))


def _ranges(*pairs: tuple[int, float]) -> tuple[Range, ...]:
    return tuple(Range(wire_id, nominal) for wire_id, nominal in pairs)


_EMSTAT4_LOW = _ranges((3, 1e-9), (6, 1e-8), (9, 1e-7), (12, 1e-6), (15, 1e-5), (18, 1e-4), (21, 1e-3), (24, 1e-2))
_EMSTAT4_HIGH = _ranges((9, 1e-7), (12, 1e-6), (15, 1e-5), (18, 1e-4), (21, 1e-3), (24, 1e-2), (27, 1e-1))
_EMSTAT4_VOLT = _ranges((2, 0.05), (3, 0.1), (4, 0.2), (5, 0.5), (6, 1.0))
_NEXUS = _ranges(
    (16, 1e-10), (0, 1e-9), (1, 1e-8), (2, 1e-7), (3, 1e-6), (4, 1e-5), (5, 1e-4), (8, 1e-3), (9, 1e-2), (10, 1e-1), (11, 1.0)
)
_NEXUS_VOLT = _ranges((3, 1e-3), (2, 1e-2), (1, 0.1), (0, 1.0))
_PICO = _ranges((0, 1e-7), (1, 2e-6), (2, 4e-6), (3, 8e-6), (4, 16e-6), (5, 32e-6), (6, 63e-6), (7, 125e-6), (8, 250e-6))
_PICO = (*_PICO, *_ranges((9, 5e-4), (10, 1e-3), (11, 5e-3)))


def _emstat4(name: ModelName, firmware: str, high: bool) -> Model:  # noqa: FBT001 - the two halves of one family
    return Model(
        name=name,
        firmware=firmware,
        window=(-6.0, 6.0) if high else (-3.0, 3.0),
        compliance=8.0 if high else 5.0,
        largest_current=0.2 if high else 0.03,
        galvanostat=True,
        largest_frequency_hertz=200e3,
        smallest_frequency_hertz=1e-5,
        largest_amplitude_volt=0.9,
        current_ranges=_EMSTAT4_HIGH if high else _EMSTAT4_LOW,
        voltage_ranges=_EMSTAT4_VOLT,
    )


MODELS: dict[ModelName, Model] = {
    "es4_hr": _emstat4("es4_hr", "tes4_hr1500#Mar 12 2026 14:28:01", high=True),
    "es4_lr": _emstat4("es4_lr", "tes4_lr1500#Mar 12 2026 14:28:01", high=False),
    "mes4hr": _emstat4("mes4hr", "tmes4hr1500#Mar 12 2026 14:28:01", high=True),
    "nexus1": Model(
        name="nexus1",
        firmware="tnexus11100#Mar 12 2026 14:28:01",
        window=(-10.0, 10.0),
        compliance=12.0,
        largest_current=1.0,
        galvanostat=True,
        largest_frequency_hertz=1e6,
        smallest_frequency_hertz=1e-5,
        largest_amplitude_volt=0.3,
        current_ranges=_NEXUS,
        voltage_ranges=_NEXUS_VOLT,
    ),
    "espico": Model(
        name="espico",
        firmware="tespico1600#Mar 12 2026 14:28:01",
        window=(-1.7, 2.0),
        compliance=2.2,
        largest_current=5e-3,
        galvanostat=False,
        largest_frequency_hertz=200e3,
        smallest_frequency_hertz=1e-3,
        largest_amplitude_volt=0.3,
        current_ranges=_PICO,
        voltage_ranges=_ranges((0, 2.0)),
    ),
}
