"""Sand's time and the limiting current, as ratios to what a cell was asked for; and where an overpotential runs away.

In a dilute binary electrolyte a current J above the limiting one empties the salt at the electrode after Sand's time
τ = π D (z F c₀ / 2 J t_a)², t_a = 1 − t₊; the charge until then is J τ. Below J_lim = 2 z F D c₀ / (t_a L) between electrodes L
apart a steady profile forms first and τ never comes, whatever its value (Bai, Li, Brushett, Bazant, Energy Environ. Sci. 9, 3221
(2016), 10.1039/C6EE01674J). Thin separators are mostly in that case. So τ / t_plate and J / J_lim are given, with σ from those of
D, c₀, t₊, J and L, and a statement of what they allow to be said; there is no verdict. L is the path: the separator's thickness
times its tortuosity, D and c₀ those of the liquid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.errors import AnalysisError

METHOD_VERSION = "sand-1"

FARADAY = 96485.33212
"""C/mol, exact in the SI to the digits given."""
LITRE_CM3 = 1000.0
ONSET_FACTOR = 5.0
NUCLEATION_SHARE = 0.1
SUSTAINED = 3
WINDOWS = 50
READINGS_PER_WINDOW = 5
FEWEST_READINGS = 60


@dataclass(frozen=True, slots=True)
class Electrolyte:
    """A dilute binary electrolyte, each number with its σ: salt diffusion coefficient in cm²/s, concentration in mol/l, and the
    transference number of the cation of ``charge_number``.
    """

    diffusion_cm2_per_second: Estimate
    concentration_molar: Estimate
    transference_number_1: Estimate
    charge_number: int = 1


@dataclass(frozen=True, slots=True)
class SandTime:
    """τ, the charge until it, τ over the plating time, J over the limiting current, and what these allow to be said."""

    sand_time_second: Estimate
    sand_capacity_mah_per_cm2: Estimate
    time_ratio_1: Estimate
    current_ratio_1: Estimate
    statement: str


def sand_time(
    electrolyte: Electrolyte, current_density_ma_per_cm2: Estimate, plating_second: float, path_cm: Estimate | None = None
) -> SandTime:
    """Both ratios for a deposit of ``plating_second`` at a current density; without a path there is no limiting current.

    Raises:
        AnalysisError: a number is missing or not positive, or the transference number is not below 1.
    """
    diffusion, diffusion_error = _known("the diffusion coefficient", electrolyte.diffusion_cm2_per_second)
    molar, molar_error = _known("the concentration", electrolyte.concentration_molar)
    density, density_error = _known("the current density", current_density_ma_per_cm2)
    transference, transference_error = _known("the transference number", electrolyte.transference_number_1)
    if not transference < 1:
        raise AnalysisError(f"a transference number of {transference:g} was given; it must lie below 1")
    if not plating_second > 0:
        raise AnalysisError(f"a plating time of {plating_second:g} s was given; it must be positive")
    anion = 1 - transference
    anion_error = transference_error * transference / anion
    charge = electrolyte.charge_number * FARADAY * molar / LITRE_CM3
    time = math.pi * diffusion * (charge / (2 * 1e-3 * density * anion)) ** 2
    spread = math.hypot(diffusion_error, 2 * molar_error, 2 * density_error, 2 * anion_error)
    capacity_spread = math.hypot(diffusion_error, 2 * molar_error, density_error, 2 * anion_error)
    if path_cm is None:
        ratio = Estimate.refused("the path between the electrodes is not known")
    else:
        path, path_error = _known("the path", path_cm)
        limiting = 2e3 * charge * diffusion / (anion * path)
        ratio = Estimate.lognormal(
            density / limiting, math.hypot(density_error, diffusion_error, molar_error, anion_error, path_error)
        )
    return SandTime(
        sand_time_second=Estimate.lognormal(time, spread),
        sand_capacity_mah_per_cm2=Estimate.lognormal(density * time / 3600, capacity_spread),
        time_ratio_1=Estimate.lognormal(time / plating_second, spread),
        current_ratio_1=ratio,
        statement=_statement(ratio),
    )


def depletion_onset(time_second: Array, overpotential_volt: Array) -> Estimate:
    """When dη/dt begins to exceed five times its plateau value, η being positive, and stays there for three windows.

    Slopes are those of straight lines through windows of a fiftieth of the half cycle, or of five readings where that is more;
    the plateau value is their median over all but the first tenth, which is nucleation. Where that is smaller than noise lets be
    seen, five σ of a window's slope take its place. σ of the moment is the window's width / √12.

    Args:
        time_second: of one half cycle at constant current, rising.
        overpotential_volt: its magnitude, positive in the direction of the current.

    Returns:
        The moment in seconds, or a refusal: no such onset, or too few readings.

    Raises:
        AnalysisError: lengths differ, or time does not rise.
    """
    time, eta = np.asarray(time_second, dtype=np.float64), np.asarray(overpotential_volt, dtype=np.float64)
    if time.size != eta.size:
        raise AnalysisError(f"{time.size} times and {eta.size} overpotentials were given; give one for each")
    valid = np.isfinite(time) & np.isfinite(eta)
    time, eta = time[valid], eta[valid]
    if time.size < FEWEST_READINGS:
        return Estimate.refused(f"{time.size} readings were given; an onset needs {FEWEST_READINGS}")
    if bool(np.any(np.diff(time) <= 0)):
        raise AnalysisError("time does not rise from reading to reading; sort the half cycle, and leave repeated rows out")
    middle, slope, slope_std, level = _slopes(time, eta)
    if middle.size < SUSTAINED:
        return Estimate.refused("the readings lie too unevenly in time for slopes along the half cycle")
    later = middle >= time[0] + NUCLEATION_SHARE * (time[-1] - time[0])
    plateau = float(np.median(slope[later]))
    steep = later & (slope > np.maximum(ONSET_FACTOR * abs(plateau), plateau + ONSET_FACTOR * slope_std)) & (level > 0)
    runs = np.convolve(steep, np.ones(SUSTAINED), mode="valid") >= SUSTAINED
    if not bool(runs.any()):
        return Estimate.refused(f"dη/dt nowhere stays above {ONSET_FACTOR:g} times its plateau value")
    width = float(np.median(np.diff(middle)))
    return Estimate.normal(float(middle[int(np.argmax(runs))]), width / math.sqrt(12))


def _known(what: str, estimate: Estimate) -> tuple[float, float]:
    """Value and relative σ."""
    if estimate.value is None or estimate.std is None or not estimate.value > 0:
        raise AnalysisError(f"{what} must be a positive number with its uncertainty, not {estimate.value}")
    return estimate.value, estimate.std / estimate.value


def _statement(ratio: Estimate) -> str:
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return f"Sand's time holds above the limiting current only, and whether J is above it is not known: {ratio.refusal}"
    shown = f"J is {ratio.value:.2g} of the limiting current (95 %: {ratio.low:.2g} to {ratio.high:.2g})"
    if ratio.high < 1:
        return f"{shown}: below it the salt is never used up, and Sand's time does not apply"
    if ratio.low > 1:
        return f"{shown}: above it the salt is used up after Sand's time"
    return f"{shown}: whether Sand's time applies cannot be told"


def _slopes(time: Array, eta: Array) -> tuple[Array, Array, float, Array]:
    """Middle, slope and mean of every window of equal duration with three readings or more; one σ for all slopes, the median."""
    windows = min(WINDOWS, time.size // READINGS_PER_WINDOW)
    edges = np.linspace(time[0], time[-1], windows + 1)
    places = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, windows - 1)
    count = np.bincount(places, minlength=windows).astype(np.float64)
    some = np.maximum(count, 1)
    middle, level = (np.bincount(places, weights=values, minlength=windows) / some for values in (time, eta))
    along, above = time - middle[places], eta - level[places]
    square = np.bincount(places, weights=along**2, minlength=windows)
    kept = (count >= 3) & (square > 0)
    slope = np.bincount(places, weights=along * above, minlength=windows) / np.where(kept, square, 1.0)
    left = np.bincount(places, weights=(above - slope[places] * along) ** 2, minlength=windows)
    std = np.sqrt(left[kept] / (count[kept] - 2) / square[kept])
    return middle[kept], slope[kept], float(np.median(std)) if std.size else math.inf, level[kept]
