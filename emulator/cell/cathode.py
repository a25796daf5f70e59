"""An NMC-like insertion cathode: stoichiometry x, one relaxation for diffusion, symmetric kinetics.

The open-circuit curve is a polynomial of our own through the usual values of a nickel-rich NMC (4.45 V at x = 0.2, 3.58 V at
x = 0.9), valid there, with steep exponential ends: a stated shape, not a measured material. j > 0 oxidises (x falls), A/cm².
"""

from __future__ import annotations

import math

from emulator.cell.electrode import COULOMB_PER_MAH, THERMAL_VOLT
from emulator.cell.parameters import CellParameters

LOWEST_STOICHIOMETRY = 0.03
HIGHEST_STOICHIOMETRY = 0.995


def open_circuit_volt(stoichiometry: float) -> float:
    """U(x), V against lithium, falling with x."""
    x = stoichiometry
    middle = 4.82227431 + x * (-1.4151565 + x * (-3.61169361 + x * (7.82447874 - 4.18712295 * x)))
    return middle + 0.05 * math.exp((0.15 - x) / 0.03) - 0.3 * math.exp((x - 0.985) / 0.012)


class Cathode:
    """State and equations of the positive electrode. ``other`` is charge carried by side reactions at the ends of x."""

    __slots__ = (
        "_decay",
        "_decay_second",
        "_exchange",
        "_shift",
        "_time",
        "capacity",
        "initial",
        "lag",
        "other",
        "stoichiometry",
    )

    def __init__(self, parameters: CellParameters) -> None:
        self.capacity = parameters.cathode_capacity_mah_cm2 * COULOMB_PER_MAH
        self.initial = self.stoichiometry = parameters.cathode_stoichiometry
        self.lag = self.other = 0.0
        self._exchange = parameters.cathode_exchange_current_ma_cm2 * 1e-3
        self._shift = parameters.cathode_diffusion_shift_cm2_per_ma * 1e3
        self._time = parameters.cathode_diffusion_time_second
        self._decay, self._decay_second = 1.0, 0.0

    def advance(self, density: float, second: float) -> None:
        """Carry ``density`` for ``second``."""
        wanted = self.stoichiometry - density * second / self.capacity
        self.stoichiometry = max(LOWEST_STOICHIOMETRY, min(HIGHEST_STOICHIOMETRY, wanted))
        self.other += (self.stoichiometry - wanted) * self.capacity
        if second != self._decay_second:
            self._decay, self._decay_second = math.exp(-second / self._time), second
        goal = -density * self._shift
        self.lag = goal + (self.lag - goal) * self._decay

    def potential(self, density: float, ahead: float = 0.0) -> float:
        """V against lithium while ``density`` flows, ``ahead`` (C/cm², > 0 oxidises) from now."""
        surface = self.stoichiometry + self.lag - ahead / self.capacity
        surface = max(LOWEST_STOICHIOMETRY, min(1.0, surface))
        return open_circuit_volt(surface) + 2.0 * THERMAL_VOLT * math.asinh(0.5 * density / self._exchange)

    def charge_transfer_resistance(self) -> float:
        """RT / (F i0), Ω cm²."""
        return THERMAL_VOLT / self._exchange

    def relaxation(self) -> tuple[float, float]:
        """(Ω cm², s) of the diffusion around the present surface stoichiometry."""
        surface = max(LOWEST_STOICHIOMETRY, min(1.0, self.stoichiometry + self.lag))
        slope = (open_circuit_volt(surface - 1e-4) - open_circuit_volt(surface + 1e-4)) / 2e-4
        return slope * self._shift, self._time
