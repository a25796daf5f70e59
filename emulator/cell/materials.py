"""The materials of counter-electrodes: open-circuit curves, solid diffusion, exchange currents, capacity.

The functions of one number (`open_circuit_volt`, `open_circuit_slope`, `exchange_ratio`) stay within what a compiler of
numerical Python takes: floats, the ``math`` module and the whole-number kinds below. The plural ones are the same on arrays.

x is the lithium content of the material, 0 to 1; U(x) falls with x. Sources, and where each curve holds:

* NMC532   the curve PyBaMM ships in its set "Xu2019" (S. Xu et al., J. Electrochem. Soc. 166 (2019) A3456; the curve itself is
           from Mohtat et al. 2020), with that set's c_max, D, radius, volume fraction and rate constant; x from 0.09 to 0.96.
* NMC811   the curve and constants of the LG M50 cathode, C.-H. Chen et al., J. Electrochem. Soc. 167 (2020) 080534; 0.27 to 0.91.
* LFP      the ends of Afshar et al., arXiv:1709.03970, on a plateau set to 3.42 V; constants as PyBaMM's set "Prada2013".
           One curve for both directions: no hysteresis, no two-phase kinetics.
* sulfur   a stated shape, not a measurement: plateaus at 2.35 V and 2.10 V that hold a quarter and three quarters of the
           charge (S8 to Li2S4, Li2S4 to Li2S), a dip of 30 mV where the second begins; its spheres stand for the delay of a
           porous electrode, with 300 s. The dip does not know the direction of the current.

Beyond those ranges every curve gets a steep exponential end (a stated shape; below 0.01 mV inside them), so that a voltage limit
is met before the material is empty or full.

Diffusion in a sphere (radius r, τ = r²/D) under a constant current density j (A/cm², > 0 puts lithium in) moves the surface
ahead of the mean by  x_surface − x = (j τ / 3 Q) Σ w_k (1 − exp(−ρ_k t/τ)),  Q the capacity (C/cm²), where exactly
w_k = 2/λ_k² and ρ_k = λ_k² with tan λ_k = λ_k (Crank, The Mathematics of Diffusion, §6.3). The first two relaxations are
those; the third stands for the modes 3 and 4, the fourth for 5 to 10, the fifth for all others. A group keeps the sum of its
w and of its w/ρ, so Σ w = 1/5 and Σ w/ρ = 1/175 stay exact, and five relaxations do what some 400 modes do (at 2C
0.02 mV RMSE from PyBaMM's single-particle model, 100 shells; five modes cut off there 0.38 mV).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MaterialName = Literal["NMC532", "NMC811", "LFP", "S"]

NMC532 = 0
NMC811 = 1
LFP = 2
SULFUR = 3

LOWEST_STOICHIOMETRY = 0.002
HIGHEST_STOICHIOMETRY = 0.998
"""Where a mean or a surface is held; the curves are steep long before."""

HIGH_PLATEAU = 0.25
"""Up to this x sulfur is dissolved as long polysulfides, the ones that shuttle."""

_FARADAY = 96485.33212


def open_circuit_volt(kind: int, x: float) -> float:
    """U(x) of a material, V against lithium; x between the lowest and the highest stoichiometry."""
    if kind == NMC532:
        volt = 4.3452 + x * (-1.6518 + x * (1.6225 + x * (-2.0843 + x * (3.5146 - 2.2166 * x))))
        return volt - 0.5623e-4 * math.exp(109.451 * x - 100.006) + 0.2 * math.exp((0.02 - x) / 0.006)
    if kind == NMC811:
        volt = 4.4875 - 0.8090 * x - 0.0428 * math.tanh(18.5138 * (x - 0.5542))
        volt += 17.5842 * math.tanh(15.9308 * (x - 0.3120)) - 17.7326 * math.tanh(15.7890 * (x - 0.3117))
        return volt + 0.2 * math.exp((0.02 - x) / 0.006) - 0.4 * math.exp((x - 0.985) / 0.007)
    if kind == LFP:
        volt = 3.43013 - 0.020269 * x + 0.5 * math.exp(-150.0 * x) - 0.9 * math.exp(30.0 * (x - 1.0))
        return volt + 0.2 * math.exp((0.004 - x) / 0.002) - 0.2 * math.exp((x - 0.992) / 0.003)
    dip = (x - 0.28) / 0.03
    volt = 2.23 - 0.125 * math.tanh((x - 0.235) / 0.02) - 0.01 * x - 0.03 * math.exp(-dip * dip)
    return volt + 0.2 * math.exp((0.01 - x) / 0.004) - 0.4 * math.exp((x - 0.985) / 0.008)


def open_circuit_slope(kind: int, x: float) -> float:
    """dU/dx of a material, V; negative but for sulfur behind its dip."""
    if kind == NMC532:
        slope = -1.6518 + x * (3.245 + x * (-6.2529 + x * (14.0584 - 11.083 * x)))
        return slope - 0.5623e-4 * 109.451 * math.exp(109.451 * x - 100.006) - 0.2 / 0.006 * math.exp((0.02 - x) / 0.006)
    if kind == NMC811:
        first, second = math.tanh(15.9308 * (x - 0.3120)), math.tanh(15.7890 * (x - 0.3117))
        third = math.tanh(18.5138 * (x - 0.5542))
        slope = -0.8090 - 0.0428 * 18.5138 * (1.0 - third * third)
        slope += 17.5842 * 15.9308 * (1.0 - first * first) - 17.7326 * 15.7890 * (1.0 - second * second)
        return slope - 0.2 / 0.006 * math.exp((0.02 - x) / 0.006) - 0.4 / 0.007 * math.exp((x - 0.985) / 0.007)
    if kind == LFP:
        slope = -0.020269 - 75.0 * math.exp(-150.0 * x) - 27.0 * math.exp(30.0 * (x - 1.0))
        return slope - 100.0 * math.exp((0.004 - x) / 0.002) - 0.2 / 0.003 * math.exp((x - 0.992) / 0.003)
    dip, step = (x - 0.28) / 0.03, math.tanh((x - 0.235) / 0.02)
    slope = -6.25 * (1.0 - step * step) - 0.01 + 2.0 * dip * math.exp(-dip * dip)
    return slope - 50.0 * math.exp((0.01 - x) / 0.004) - 50.0 * math.exp((x - 0.985) / 0.008)


def exchange_ratio(x: float) -> float:
    """j0 at the surface content x over j0 at one half: 2 sqrt(x (1 − x))."""
    return 2.0 * math.sqrt(x * (1.0 - x))


def open_circuit_volts(kind: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """`open_circuit_volt` of every element of ``x``."""
    if kind == NMC532:
        volt = 4.3452 + x * (-1.6518 + x * (1.6225 + x * (-2.0843 + x * (3.5146 - 2.2166 * x))))
        return volt - 0.5623e-4 * np.exp(109.451 * x - 100.006) + 0.2 * np.exp((0.02 - x) / 0.006)
    if kind == NMC811:
        volt = 4.4875 - 0.8090 * x - 0.0428 * np.tanh(18.5138 * (x - 0.5542))
        volt += 17.5842 * np.tanh(15.9308 * (x - 0.3120)) - 17.7326 * np.tanh(15.7890 * (x - 0.3117))
        return volt + 0.2 * np.exp((0.02 - x) / 0.006) - 0.4 * np.exp((x - 0.985) / 0.007)
    if kind == LFP:
        volt = 3.43013 - 0.020269 * x + 0.5 * np.exp(-150.0 * x) - 0.9 * np.exp(30.0 * (x - 1.0))
        return volt + 0.2 * np.exp((0.004 - x) / 0.002) - 0.2 * np.exp((x - 0.992) / 0.003)
    dip = (x - 0.28) / 0.03
    volt = 2.23 - 0.125 * np.tanh((x - 0.235) / 0.02) - 0.01 * x - 0.03 * np.exp(-dip * dip)
    return volt + 0.2 * np.exp((0.01 - x) / 0.004) - 0.4 * np.exp((x - 0.985) / 0.008)


def exchange_ratios(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """`exchange_ratio` of every element of ``x``."""
    return 2.0 * np.sqrt(x * (1.0 - x))


def sphere_roots(count: int) -> tuple[float, ...]:
    """The first ``count`` positive solutions of tan λ = λ; the k-th lies just below (k + 1/2) π."""
    roots = []
    for index in range(1, count + 1):
        root = (index + 0.5) * math.pi
        for _ in range(60):
            root = index * math.pi + math.atan(root)
        roots.append(root)
    return tuple(roots)


def _relaxations(groups: tuple[tuple[int, int], ...]) -> Iterator[tuple[float, float]]:
    """(w, ρ) of every group of modes, first to last inclusive and counted from 1, and of all that remain."""
    squares = [root * root for root in sphere_roots(groups[-1][1])]
    left_weight, left_moment = 1.0 / 5.0, 1.0 / 175.0
    for first, last in groups:
        weight = math.fsum(2.0 / square for square in squares[first - 1 : last])
        moment = math.fsum(2.0 / (square * square) for square in squares[first - 1 : last])
        left_weight, left_moment = left_weight - weight, left_moment - moment
        yield weight, weight / moment
    yield left_weight, left_weight / left_moment


_PAIRS = tuple(_relaxations(((1, 1), (2, 2), (3, 4), (5, 10))))

DIFFUSION_WEIGHTS: tuple[float, ...] = tuple(weight for weight, _ in _PAIRS)
"""w_k of the five relaxations of a sphere; their sum is 1/5."""

DIFFUSION_RATES: tuple[float, ...] = tuple(rate for _, rate in _PAIRS)
"""ρ_k, per τ: relaxation k decays with exp(−ρ_k t / τ)."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the equations need to know of one material.

    ``concentration_mol_m3`` lithium at x = 1 in the solid, ``fraction`` of the electrode's volume that is it, ``exchange_a_m2``
    on the spheres' own surface at x = 1/2 in the electrolyte of its source (1 to 1.2 mol/l), ``lowest_volt`` and
    ``highest_volt`` the usual limits of cycling against lithium, ``fresh`` the x it has when a cell is built.
    """

    name: MaterialName
    kind: int
    concentration_mol_m3: float
    fraction: float
    radius_um: float
    diffusivity_cm2_s: float
    exchange_a_m2: float
    lowest_volt: float
    highest_volt: float
    fresh: float

    @property
    def diffusion_time_second(self) -> float:
        """τ = r²/D."""
        radius_cm = self.radius_um * 1e-4
        return radius_cm * radius_cm / self.diffusivity_cm2_s

    @property
    def capacity_mah_cm2_per_um(self) -> float:
        """From x = 0 to x = 1, per µm of electrode: F c ε."""
        return _FARADAY * self.concentration_mol_m3 * 1e-6 * self.fraction * 1e-4 / 3.6

    def thickness_um(self, capacity_mah_cm2: float) -> float:
        """The electrode that holds ``capacity_mah_cm2`` from x = 0 to x = 1."""
        return capacity_mah_cm2 / self.capacity_mah_cm2_per_um

    def exchange_ma_cm2(self, capacity_mah_cm2: float) -> float:
        """j0 at x = 1/2 per cm² of cell: that of the spheres times their surface, 3 ε L / r."""
        surface = 3.0 * self.fraction * self.thickness_um(capacity_mah_cm2) / self.radius_um
        return 0.1 * self.exchange_a_m2 * surface


MATERIALS: dict[MaterialName, Material] = {
    "NMC532": Material("NMC532", NMC532, 48230.0, 0.518, 5.3, 1e-10, 4.2382, 3.5, 4.2, 0.96),
    "NMC811": Material("NMC811", NMC811, 63104.0, 0.665, 5.22, 4e-11, 3.4123, 2.8, 4.2, 0.91),
    "LFP": Material("LFP", LFP, 22806.0, 0.374, 0.05, 5.9e-14, 0.2370, 2.5, 3.8, 0.98),
    "S": Material("S", SULFUR, 129130.0, 0.30, 1.0, 3.3e-11, 0.10, 1.8, 2.7, 0.01),
}
