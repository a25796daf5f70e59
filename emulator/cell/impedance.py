"""One impedance for one state: Z(ω) of the elements a cell says it is made of.

Z = jωL + R + Σ R_i / (1 + (jωτ_i)^n_i) + Σ R_k / (1 + jωτ_k): series resistance, depressed arcs (ZARC), and relaxations
(the modes of finite-length diffusion, in electrolyte and cathode). The imaginary part is negative when capacitive. Every R
is the slope of the direct-current model at zero current, so the low-frequency end equals dV/dI of the same cell.
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

    @property
    def interface_ohm(self) -> float:
        """All arcs together."""
        return math.fsum(arc.ohm for arc in self.arcs)

    @property
    def diffusion_ohm(self) -> float:
        """All relaxations together."""
        return math.fsum(ohm for ohm, _ in self.relaxations)

    def impedance(self, frequency_hertz: float) -> complex:
        """Z in Ω at one frequency."""
        omega = 2.0 * math.pi * frequency_hertz
        total = complex(self.series_ohm, omega * self.inductance_henry)
        for arc in self.arcs:
            if arc.ohm > 0.0:
                total += arc.ohm / (1.0 + (1j * omega * arc.second) ** arc.exponent)
        for ohm, second in self.relaxations:
            total += ohm / (1.0 + 1j * omega * second)
        return total


def zarc(name: str, ohm_cm2: float, farad_per_cm2: float, exponent: float, area_cm2: float) -> Arc:
    """The arc of an areal resistance and capacitance on ``area_cm2``; τ = R C does not depend on the area."""
    return Arc(name, ohm_cm2 / area_cm2, ohm_cm2 * farad_per_cm2, exponent)
