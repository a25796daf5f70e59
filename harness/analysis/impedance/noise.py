"""How noisy a spectrum is, with no circuit in mind. Judges no validity, and finds no resistance.

Any impedance that obeys the Kramers-Kronig relations is to 1e-5 a sum of relaxations R_k / (1 + jωτ_k) on a grid of four τ
per decade, a resistance, an inductance and a capacitance, with R_k of either sign (the kernel's spectrum has fallen by
e^(−π²/h) at the grid's spacing h in ln τ). What the best such sum leaves over, by its degrees of freedom, is noise and not
a misfit of a model.
"""

from __future__ import annotations

import math

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.impedance.spectrum import Sweep

PER_DECADE = 4
BEYOND_DECADES = 0.5
MOST_SHARE = 0.6
"""Relaxations for each frequency, at most: some degrees of freedom must be left."""


def relative_noise(sweep: Sweep) -> float:
    """One standard deviation of the real or the imaginary part, relative to |Z|; known with `freedom` degrees of freedom."""
    omega = sweep.omega
    slow, fast, count = _grid(sweep)
    weight = 1.0 / np.abs(sweep.impedance_ohm)
    relaxations = 1.0 / (1.0 + 1j * omega * np.logspace(slow, fast, count)[:, None])
    others = np.stack((np.ones(omega.size, dtype=np.complex128), 1j * omega, 1.0 / (1j * omega)))
    matrix = np.ascontiguousarray(np.concatenate((relaxations, others)) * weight).view(np.float64).T
    matrix /= np.linalg.norm(matrix, axis=0)
    wanted = np.ascontiguousarray(sweep.impedance_ohm * weight).view(np.float64)
    base: Array = np.linalg.qr(matrix)[0]
    left = wanted - base @ (base.T @ wanted)
    return math.sqrt(float(left @ left) / (wanted.size - matrix.shape[1]))


def freedom(sweep: Sweep) -> int:
    """Residuals that are left when the relaxations and what stands beside them are fitted."""
    return 2 * sweep.omega.size - _grid(sweep)[2] - 3


def _grid(sweep: Sweep) -> tuple[float, float, int]:
    """Decades of the slowest and the fastest relaxation, and how many there are."""
    omega = sweep.omega
    slow, fast = math.log10(1.0 / omega[-1]) + BEYOND_DECADES, math.log10(1.0 / omega[0]) - BEYOND_DECADES
    return slow, fast, max(2, min(math.ceil(PER_DECADE * (slow - fast)), int(MOST_SHARE * omega.size)))
