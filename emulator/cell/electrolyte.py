"""Concentration polarisation between the electrodes: three modes of finite-length diffusion.

s_k relaxes to w_k j / j_lim with τ_k = τ / n_k², n_k = k + 1/2 (τ the ``diffusion_time_second`` divided by π²), exact for a
piecewise constant current. The weight of all higher modes follows without delay, so that the steady state is exact.
η_c = 2 (1 − t+) (RT/F) ln((2 − c)/c) with c = 1 − s, that is 4 (1 − t+) (RT/F) artanh(s); s is held below 0.999.
"""

from __future__ import annotations

import math

from emulator.cell.electrode import THERMAL_VOLT
from emulator.cell.parameters import CellParameters

_MODES = (0.5, 1.5, 2.5)
_WEIGHTS = tuple(2.0 / (math.pi * n) ** 2 for n in _MODES)
_REST = 1.0 - sum(_WEIGHTS)
_HIGHEST = 0.999


class Electrolyte:
    """State of the modes; j is the current density through the cell (A/cm²), either sign."""

    __slots__ = ("_decay", "_decay_second", "_first", "_limit", "_second", "_third", "_times", "_volt", "resistance")

    def __init__(self, parameters: CellParameters) -> None:
        self.resistance = parameters.electrolyte_resistance_ohm_cm2
        self._limit = parameters.limiting_current_ma_cm2 * 1e-3
        self._times = tuple(parameters.diffusion_time_second / (math.pi * n) ** 2 for n in _MODES)
        self._volt = 4.0 * (1.0 - parameters.transference_number) * THERMAL_VOLT
        self._first = self._second = self._third = 0.0
        self._decay = (1.0, 1.0, 1.0)
        self._decay_second = 0.0

    def advance(self, density: float, second: float) -> None:
        """Let ``density`` flow for ``second``."""
        if second != self._decay_second:
            self._decay = (
                math.exp(-second / self._times[0]),
                math.exp(-second / self._times[1]),
                math.exp(-second / self._times[2]),
            )
            self._decay_second = second
        relative = density / self._limit
        goal = _WEIGHTS[0] * relative
        self._first = goal + (self._first - goal) * self._decay[0]
        goal = _WEIGHTS[1] * relative
        self._second = goal + (self._second - goal) * self._decay[1]
        goal = _WEIGHTS[2] * relative
        self._third = goal + (self._third - goal) * self._decay[2]

    def volt(self, density: float) -> float:
        """Concentration polarisation plus ohmic drop while ``density`` flows, V, of its sign."""
        shift = self._first + self._second + self._third + _REST * density / self._limit
        shift = max(-_HIGHEST, min(_HIGHEST, shift))
        return self._volt * math.atanh(shift) + density * self.resistance

    def relaxations(self) -> tuple[tuple[float, float], ...]:
        """(Ω cm², s) of every mode around zero current; the rest without delay is the pair with 0 s."""
        total = self._volt / self._limit
        pairs = tuple((total * weight, time) for weight, time in zip(_WEIGHTS, self._times, strict=True))
        return (*pairs, (total * _REST, 0.0))
