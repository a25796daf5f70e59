"""How often the interval of a growth rate holds the truth: synthetic series, and emulated cells with a spectrum in every cycle.

The truth of an emulated cell is the same law fitted to the fits of its spectra without imperfections: what the law does not
describe of the cell, and what the circuit does not describe of its spectra, is in both. So it is the noise's part of the error
that should hold it in 95 %; the whole interval, which also covers how the cell wanders about the law, holds it more often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from harness.analysis.estimate import Estimate
from harness.analysis.growth import Axis, Law, growth_laws
from harness.analysis.impedance.fit import fit_impedance
from tests.benchmarks.figure import Figure
from tests.studies.generated import GeneratedCell, each_cell

Array = NDArray[np.float64]

WANTED = "0.93 to 0.97"
ROWS = 24
RATE = 0.5
POLARITY = 3.0
NOISE = 0.6
FIRST_CYCLE = 2
"""The first cycle forms the interface: what grows, grows after it."""
CYCLES = ROWS + 1
GAIN = 2e-3
PLATE = {"step": "plate", "current": "1 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}}
REST = {"step": "rest", "for": "10 min"}
EIS = {"step": "eis", "from": "100 kHz", "to": "1 Hz", "points_per_decade": 6, "amplitude": "10 mV", "longest": "30 min"}
STRIP = {"step": "strip", "current": "1 mA/cm^2", "until": {"voltage_above": "1 V"}, "longest": "2 h"}
IMPERFECT = {"offset": 2e-4, "gain": GAIN}
NOISES = {1e-3: WANTED, 5e-3: "reported: noise chooses simpler circuits, which read lower"}
"""Of the modulus; the first is the typical emulated instrument's."""


def study(seeds: int) -> list[Figure]:
    """Coverage of 95 % intervals of growth."""
    figures = [
        Figure(
            f"slope, {ROWS} rows, ρ = {rho:g}{', two polarities' if both else ''}", synthetic(seeds, rho, both=both), "", WANTED
        )
        for both in (False, True)
        for rho in (0.0, 0.3, 0.6)
    ]
    figures.append(Figure(f"k of the root law, {ROWS} rows", synthetic(seeds, 0.0, law=Law.SQUARE_ROOT), "", WANTED))
    figures.append(Figure(f"exponent of the power law, {ROWS} rows", exponents(seeds), "", WANTED))
    for (noise, wanted), (by_noise, whole) in zip(NOISES.items(), emulated(seeds, list(NOISES)), strict=True):
        of = f"Ω per cycle of emulated cells, {ROWS} spectra each, noise {noise:.1%}"
        figures.append(Figure(f"{of}: within the noise's part of the error", by_noise.held, "", wanted))
        figures.append(Figure("median half width beside the median rate", by_noise.half_width, ""))
        figures.append(Figure("within the whole interval", whole.held, "", "more: the cell's wandering is in both"))
        figures.append(Figure("median half width beside the median rate", whole.half_width, ""))
    return figures


def synthetic(seeds: int, rho: float, *, both: bool = False, law: Law = Law.LINEAR) -> float:
    """How many series have their k within its interval; ``both``: two polarities take turns, 6 Ω apart."""
    held = 0
    for seed in range(seeds):
        rng = np.random.default_rng((seed, round(10 * rho), both))
        cycle = np.repeat(np.arange(1.0, ROWS / 2 + 1), 2) if both else np.arange(1.0, ROWS + 1)
        sign = np.tile([-1.0, 1.0], ROWS // 2)
        value = 20 + RATE * (np.sqrt(cycle) if law is Law.SQUARE_ROOT else cycle) + POLARITY * both * sign
        covariates = {"polarity": sign} if both else {}
        fit = growth_laws(value + NOISE * series(rng, rho), None, cycle=cycle, covariates=covariates).law(law)
        held += fit is not None and holds(fit.parameters["growth"], RATE)
    return held / seeds


def exponents(seeds: int) -> float:
    """How many series of R₀ + k n^1.3 have 1.3 within the interval of m."""
    cycle, held = np.arange(1.0, ROWS + 1), 0
    for seed in range(seeds):
        noise = np.random.default_rng((seed, 99)).normal(0, NOISE, ROWS)
        fit = growth_laws(20 + RATE * cycle**1.3 + noise, None, cycle=cycle).law(Law.POWER)
        held += fit is not None and holds(fit.parameters["exponent"], 1.3)
    return held / seeds


class Coverage(NamedTuple):
    """How many intervals hold the truth, and how wide they are beside it."""

    held: float
    half_width: float

    @classmethod
    def of(cls, measured: Sequence[Estimate], truth: Sequence[Estimate]) -> Self:
        """Cells whose rate the noise-free spectra do not tell are not held."""
        known = [(one, true.value) for one, true in zip(measured, truth, strict=True) if true.value is not None]
        half = np.median([((one.high or 0.0) - (one.low or 0.0)) / 2 for one, _ in known])
        held = sum(holds(one, true) for one, true in known) / len(measured)
        return cls(held, float(half / np.median([true for _, true in known])))


def emulated(seeds: int, noises: Sequence[float]) -> list[tuple[Coverage, Coverage]]:
    """At each noise how often the noise's interval holds the rate of emulated cells, and how often the whole one does."""
    truth = [whole for _, whole in each_cell(scenario("none"), seeds, rates_of)]
    found = []
    for noise in noises:
        measured = each_cell(scenario({**IMPERFECT, "impedance_noise": noise}), seeds, rates_of)
        by_noise, whole = zip(*measured, strict=True)
        found.append((Coverage.of(by_noise, truth), Coverage.of(whole, truth)))
    return found


def rates_of(cell: GeneratedCell) -> tuple[Estimate, Estimate]:
    """Ω per cycle of one cell's interface after its first cycle: with the noise's part of its error, and with all of it."""
    assert cell.points is not None
    fits, fit = [], None
    for _, points in cell.points.group_by("sweep_count", maintain_order=True):
        impedance = points["real_impedance_ohm"].to_numpy() + 1j * points["imaginary_impedance_ohm"].to_numpy()
        fit = fit_impedance(points["frequency_hertz"].to_numpy(), impedance, previous=fit)
        resistance = fit.interface_resistance_ohm, fit.interface_resistance_ohm_std, fit.interface_resistance_ohm_noise_std
        fits.append((points["cycle_count"][0], *resistance))
    cycle, value, std, noise = np.array(fits, dtype=np.float64).T
    early = {"formation": cycle < FIRST_CYCLE}
    report = growth_laws(value, std, cycle=cycle, leave_out=early, noise_std=noise, common_relative_std=GAIN)
    law, whole = report.law(Law.LINEAR), report.rate(Axis.CYCLE)
    if law is None or whole.value is None:
        return whole, whole
    return Estimate.normal(whole.value, law.noise_std["growth"]), whole


def scenario(imperfections: str | Mapping[str, float]) -> dict[str, Any]:
    """Li||Cu whose interface grows by 2 % in a cycle, with a spectrum in each."""
    cycles = {"step": "repeat", "count": CYCLES, "steps": [PLATE, REST, EIS, STRIP]}
    cell = {"name": "cu-01", "geometry": "deposit", "preset": "bare_lp30", "area_cm2": 1.0}
    instrument = {"serial": "EMU1", "imperfections": imperfections, "channels": [{"name": "a1", "cell": cell}]}
    schedule = {"schedule": "growth", "version": 1, "steps": [cycles], "sampling": {"every": "1000 s"}}
    return {"schedule": schedule, "instruments": [instrument]}


def series(rng: np.random.Generator, rho: float) -> Array:
    """Unit errors whose neighbours are correlated by ``rho``."""
    white = rng.standard_normal(ROWS)
    made = white.copy()
    for row in range(1, ROWS):
        made[row] = rho * made[row - 1] + np.sqrt(1 - rho**2) * white[row]
    return made


def holds(one: Estimate, truth: float) -> bool:
    """Whether the interval has two ends and the truth between them."""
    return one.low is not None and one.high is not None and one.low <= truth <= one.high
