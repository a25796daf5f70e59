"""One impedance for one state: Z(ω) of the elements a cell says it is made of.

Inside, Z_i = R + Σ R_i / (1 + (jωτ_i)^n_i) + Σ R_k / (1 + jωτ_k): series resistance, depressed arcs (ZARC), and relaxations
(the modes of diffusion in electrolyte and cathode). A short shunts all of that; leads and contacts lie outside:
Z = jωL + R_c + 1 / (1/Z_i + G). The imaginary part is negative when capacitive. Every R is the slope of the direct-current
model at zero current, so the low-frequency end equals dV/dI of the same cell (but for the charge that a slow current moves).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arc:
    """A resistance with a constant-phase element across it; ``second`` is its time constant, ``exponent`` its depression."""

    name: str
    ohm: float
    second: float
    exponent: float


@dataclass(frozen=True, slots=True)
class Elements:
    """What the impedance of a cell is made of, in Ω of the whole cell. ``relaxations`` are (Ω, s)."""

    inductance_henry: float
    series_ohm: float
    arcs: tuple[Arc, ...]
    relaxations: tuple[tuple[float, float], ...]
    contact_ohm: float = 0.0
    shunt_siemens: float = 0.0

    @property
    def interface_ohm(self) -> float:
        """All arcs together."""
        return math.fsum(arc.ohm for arc in self.arcs)

    @property
    def diffusion_ohm(self) -> float:
        """All relaxations together."""
        return math.fsum(ohm for ohm, _ in self.relaxations)

    @property
    def direct_ohm(self) -> float:
        """The limit of low frequency: dV/dI of the cell."""
        inner = self.series_ohm + self.interface_ohm + self.diffusion_ohm
        return self.contact_ohm + inner / (1.0 + self.shunt_siemens * inner)

    def impedance(self, frequency_hertz: float) -> complex:
        """Z in Ω at one frequency."""
        omega = 2.0 * math.pi * frequency_hertz
        inner = complex(self.series_ohm)
        for arc in self.arcs:
            if arc.ohm > 0.0:
                inner += arc.ohm / (1.0 + (1j * omega * arc.second) ** arc.exponent)
        for ohm, second in self.relaxations:
            inner += ohm / (1.0 + 1j * omega * second)
        if self.shunt_siemens > 0.0:
            inner /= 1.0 + self.shunt_siemens * inner
        return complex(self.contact_ohm, omega * self.inductance_henry) + inner


def zarc(name: str, ohm_cm2: float, farad_per_cm2: float, exponent: float, area_cm2: float) -> Arc:
    """The arc of an areal resistance and capacitance on ``area_cm2``; τ = R C does not depend on the area."""
    return Arc(name, ohm_cm2 / area_cm2, ohm_cm2 * farad_per_cm2, exponent)
