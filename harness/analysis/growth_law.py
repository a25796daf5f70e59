"""One growth law fitted to one series: its parameters, its likelihood, and when it will have reached a multiple of its start.

`growth` says which laws there are and why; this is how one is fitted. The axis is scaled to end at 1 while fitting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.regression import Regression, regress, rounding, whitened
from harness.errors import AnalysisError

MOST_EXTRAPOLATION = 2.0
"""No statement beyond twice the observed span."""
EXPONENTS = (0.1, 5.0)
"""Where the exponent of a power law is sought: lower is a step at the start, higher one at the end."""
_GRID = np.geomspace(*EXPONENTS, 60)
_PLACES = 2001


class Law(StrEnum):
    """How R depends on x."""

    CONSTANT = "constant"
    LINEAR = "linear"
    SQUARE_ROOT = "square_root"
    POWER = "power"


class Axis(StrEnum):
    """What x is: the name of its column."""

    CYCLE = "cycle_count"
    TIME = "time_second"
    THROUGHPUT = "throughput_ah"


@dataclass(frozen=True, slots=True, eq=False)
class LawFit:
    """One law on one axis. ``parameters``: ``initial`` (R₀, ohm), ``growth`` (k, ohm per xᵐ), ``exponent`` (power only), then one
    per covariate, ohm per its unit. ``increase`` is the growth from the first to the last x, which is known even where k and m
    are not apart. ``refusal`` says why there is none of these.

    ``noise_std`` is the part of each parameter's error that the rows' noise and what is common to them make: how far the law of
    the same rows without noise may be, which wander about it no less. It is empty where the noise is unknown.

    ``delta_aicc`` and ``weight`` are beside the other laws of a report. ``durbin_watson`` is ``None`` for a perfect fit.
    """

    law: Law
    axis: Axis
    covariates: tuple[str, ...]
    parameters: Mapping[str, Estimate]
    increase: Estimate
    aicc: float | None = None
    delta_aicc: float | None = None
    weight: float | None = None
    durbin_watson: float | None = None
    autocorrelation: float | None = None
    refusal: str = ""
    noise_std: Mapping[str, float] = field(default_factory=dict)
    _curve: _Curve | None = field(default=None, repr=False)

    def at(self, place: float) -> Estimate:
        """R on the law at x = ``place``, covariates at their middle; refused beyond twice the observed span."""
        if self._curve is None:
            return Estimate.refused(self.refusal)
        first, last = self._curve.first, self._curve.last
        if not first <= place <= first + MOST_EXTRAPOLATION * (last - first):
            return Estimate.refused(f"{place:g} is beyond twice the observed span ({first:g} to {last:g})")
        return self._curve.at(place)

    def reaches(self, factor: float) -> Estimate:
        """The x at which R = ``factor`` × R₀, with Fieller's interval: every x where the two do not differ significantly.

        A lower bound where the interval has no upper end within twice the observed span; refused where R does not get there.

        Raises:
            AnalysisError: ``factor`` is not above 1.
        """
        if factor <= 1:
            raise AnalysisError(f"a resistance grows to more than 1 × its start; {factor:g} was asked for")
        return Estimate.refused(self.refusal) if self._curve is None else self._curve.crossing(factor)

    def with_common_error(self, relative_std: float) -> LawFit:
        """The same with an error that all rows share, as a fraction of R; the exponent does not feel it."""
        if self._curve is None:
            return self
        resistances = self._curve.fit.coefficients.copy()
        if self.law is Law.POWER:
            resistances[2] = 0.0
        common = relative_std**2 * np.outer(resistances, resistances)
        fit, noise = self._curve.fit, self._curve.fit.noise_covariance
        wider = replace(fit, covariance=fit.covariance + common, noise_covariance=None if noise is None else noise + common)
        return _on_curve(self, replace(self._curve, fit=wider), self.parameters.get("exponent"))

    def __str__(self) -> str:
        name = self.law.value + ("" if self.law is Law.CONSTANT else f" in {self.axis.value}")
        name += "".join(f" + {one}" for one in self.covariates)
        if self.refusal:
            return f"{name}: {self.refusal}"
        watson = "–" if self.durbin_watson is None else f"{self.durbin_watson:.2f}"
        told = ", ".join(f"{key} {_shown(one)}" for key, one in self.parameters.items())
        delta = "" if self.delta_aicc is None else f"ΔAICc {self.delta_aicc:.1f}, weight {self.weight:.2f}, "
        return f"{name}: {delta}Durbin–Watson {watson}; {told}"


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """R = c₀ + c₁ g(x / scale) + covariates; a power law's third coefficient is its exponent."""

    law: Law
    scale: float
    first: float
    last: float
    fit: Regression

    def values(self, places: Array) -> Array:
        """R with the covariates at their middle."""
        columns = _terms(self.law, places / self.scale, self.exponent)
        known: Array = columns @ self.fit.coefficients[: columns.shape[1]]
        return known

    def gradients(self, places: Array) -> Array:
        """The derivatives of R by the coefficients, one row per place."""
        columns = _terms(self.law, places / self.scale, self.exponent)
        if self.law is Law.POWER:
            columns = _with_exponent(columns, places / self.scale, float(self.fit.coefficients[1]))
        return np.pad(columns, ((0, 0), (0, self.fit.coefficients.size - columns.shape[1])))

    @property
    def exponent(self) -> float:
        return float(self.fit.coefficients[2]) if self.law is Law.POWER else 1.0

    def at(self, place: float) -> Estimate:
        where = np.array([place])
        return self.estimate(float(self.values(where)[0]), self.gradients(where)[0])

    def increase(self) -> Estimate:
        ends = np.array([self.first, self.last])
        return self.estimate(float(np.diff(self.values(ends))[0]), np.diff(self.gradients(ends), axis=0)[0])

    def crossing(self, factor: float) -> Estimate:
        if self.fit.coefficients[0] <= 0:
            return Estimate.refused(f"the law begins at {self.fit.coefficients[0]:.3g}, and a multiple of that is no growth")
        end = self.first + MOST_EXTRAPOLATION * (self.last - self.first)
        places = np.linspace(self.first, end, _PLACES)
        above = self.values(places) - factor * self.fit.coefficients[0]
        gradients = self.gradients(places)
        gradients[:, 0] -= factor
        std = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", gradients, self.fit.covariance, gradients), 0.0))
        half = Estimate.student(0.0, 1.0, self.fit.freedom).high or math.inf
        return _crossed(places, above, half * std, half, f"{factor:g} × the start")

    def parameters(self, names: tuple[str, ...]) -> dict[str, tuple[float, Array]]:
        """Each parameter and its derivatives by the coefficients; ``names`` are the covariates'."""
        unit = np.eye(self.fit.coefficients.size)
        known = {"initial": (float(self.fit.coefficients[0]), unit[0])}
        if self.law is not Law.CONSTANT:
            known["growth"] = self._growth()
        if self.law is Law.POWER:
            known["exponent"] = (self.exponent, unit[2])
        first = self.fit.coefficients.size - len(names)
        return known | {name: (float(self.fit.coefficients[first + at]), unit[first + at]) for at, name in enumerate(names)}

    def _growth(self) -> tuple[float, Array]:
        """The parameter k, from that of the scaled axis."""
        power = {Law.SQUARE_ROOT: 0.5}.get(self.law, self.exponent)
        factors = np.zeros(self.fit.coefficients.size)
        factors[1] = self.scale**-power
        value = float(self.fit.coefficients[1] * factors[1])
        if self.law is Law.POWER:
            factors[2] = -value * math.log(self.scale)
        return value, factors

    def estimate(self, value: float, gradient: Array) -> Estimate:
        """A number with the error of the coefficients it depends on."""
        return Estimate.student(value, _length(self.fit.covariance, gradient), self.fit.freedom)


def _length(covariance: Array, gradient: Array) -> float:
    """The standard deviation of what has this gradient."""
    return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Resistances in their order, the σ by which they weigh (``None``: alike), and each one's own noise (``None``: unknown)."""

    value: Array
    std: Array | None = None
    noise_std: Array | None = None

    def regress(self, columns: Array, added: Array | float = 0.0) -> Regression:
        """The resistances, with something ``added``, on some columns."""
        return regress(columns, self.value + added, self.std, self.noise_std)


def fit_law(law: Law, axis: Axis, place: Array, rows: Rows, covariates: Mapping[str, Array]) -> LawFit:
    """Fit one law to rows at the places x; ``covariates`` are columns ready for a linear term."""
    names, size = tuple(covariates), rows.value.size
    count = {Law.CONSTANT: 1, Law.POWER: 3}.get(law, 2) + len(names) + 1
    if refusal := _refusal(law, axis, place, count):
        return _refused(law, axis, names, refusal)
    extra = np.column_stack([*covariates.values()]) if names else np.empty((size, 0))
    scale = float(np.abs(place).max()) or 1.0
    try:
        if law is Law.POWER:
            fit, exponent, squares = _fit_power(place / scale, rows, extra)
        else:
            fit, exponent = rows.regress(np.column_stack([_terms(law, place / scale, 1.0), extra])), None
            squares = fit.squares
    except AnalysisError as error:
        return _refused(law, axis, names, str(error))
    curve = _Curve(law, scale, float(place.min()), float(place.max()), fit)
    aicc = size * math.log(squares / size) + 2 * count * size / (size - count - 1)
    known = LawFit(law, axis, names, {}, curve.increase(), aicc, None, None, fit.durbin_watson, fit.autocorrelation)
    return _on_curve(known, curve, exponent)


def _refusal(law: Law, axis: Axis, place: Array, count: int) -> str:
    if place.size < count + 2:
        return f"{place.size} points are too few to compare a law of {count} parameters; {count + 2} are needed"
    if law is Law.CONSTANT:
        return ""
    if np.ptp(place) == 0:
        return f"all points have the same {axis.value}"
    if law is not Law.LINEAR and bool(np.any(place < 0)):
        return f"a power needs a {axis.value} that is nowhere negative"
    return ""


def _refused(law: Law, axis: Axis, names: tuple[str, ...], reason: str) -> LawFit:
    return LawFit(law, axis, names, {}, Estimate.refused(reason), refusal=reason)


def _on_curve(fit: LawFit, curve: _Curve, exponent: Estimate | None) -> LawFit:
    """``fit`` with the parameters of a curve, but for the exponent, which has its own interval."""
    parameters = curve.parameters(fit.covariates)
    estimates = {name: curve.estimate(*one) for name, one in parameters.items()}
    if exponent is not None:
        estimates["exponent"] = exponent
    noise = curve.fit.noise_covariance
    alone = {} if noise is None else {name: _length(noise, gradient) for name, (_, gradient) in parameters.items()}
    return replace(fit, parameters=estimates, noise_std=alone, increase=curve.increase(), _curve=curve)


def _terms(law: Law, scaled: Array, exponent: float) -> Array:
    """The columns that R is linear in."""
    one = np.ones_like(scaled)
    if law is Law.CONSTANT:
        return one[:, None]
    return np.column_stack([one, scaled ** (0.5 if law is Law.SQUARE_ROOT else exponent)])


def _with_exponent(columns: Array, scaled: Array, growth: float) -> Array:
    """A power law's columns and its derivative by the exponent, k uᵐ ln u, which is 0 at u = 0."""
    logarithm = np.log(np.where(scaled > 0, scaled, 1.0))
    return np.column_stack([columns, growth * columns[:, 1] * logarithm])


def _fit_power(scaled: Array, rows: Rows, extra: Array) -> tuple[Regression, Estimate, float]:
    """The power law: its exponent by profile, everything else by the law linearised there, and the residuals squared.

    The profile is taken twice: as if errors were independent, for the likelihood, and with the autocorrelation found there.
    """
    root = np.ones_like(rows.value) if rows.std is None else np.median(rows.std) / rows.std
    white = _Profile(scaled, rows.value, root, extra, 0.0)
    rho = _linearised(scaled, rows, extra, white.coefficients).autocorrelation
    best = _Profile(scaled, rows.value, root, extra, rho)
    fit = _linearised(scaled, rows, extra, best.coefficients)
    return replace(fit, coefficients=best.coefficients), best.interval(), max(white.squares, rounding(rows.value * root))


def _linearised(scaled: Array, rows: Rows, extra: Array, start: Array) -> Regression:
    columns = _with_exponent(_terms(Law.POWER, scaled, float(start[2])), scaled, float(start[1]))
    return rows.regress(np.column_stack([columns, extra]), start[2] * columns[:, 2])


class _Profile:
    """A power law's residuals as a function of its exponent alone: at each, the other coefficients are least squares."""

    def __init__(self, scaled: Array, value: Array, root: Array, extra: Array, rho: float) -> None:
        self._scaled, self._root, self._extra, self._rho = scaled, root, extra, rho
        self._right = whitened(value * root, rho)
        self.freedom = value.size - 3 - extra.shape[1]
        self.grid = np.array([self.solved(exponent)[1] for exponent in _GRID])
        self.exponent, self.known, self.squares = self._best()

    def solved(self, exponent: float) -> tuple[Array, float]:
        """The other coefficients at ``exponent``, and the residuals squared."""
        left = self._whitened(_terms(Law.POWER, self._scaled, exponent))
        known = np.linalg.lstsq(left, self._right, rcond=None)[0].astype(np.float64)
        return known, float(np.sum((self._right - left @ known) ** 2))

    @property
    def coefficients(self) -> Array:
        """R₀, k, m and the covariates' at the best exponent."""
        return np.array([*self.known[:2], self.exponent, *self.known[2:]])

    def interval(self) -> Estimate:
        """Every exponent whose residuals are not significantly larger than the least."""
        from scipy.optimize import brentq  # noqa: PLC0415 - the import costs what a query should not wait for

        half = Estimate.student(0.0, 1.0, self.freedom).high or math.inf
        limit = self.squares * (1 + half**2 / self.freedom)
        below = _GRID[(self.grid > limit) & (self.exponent > _GRID)]
        over = _GRID[(self.grid > limit) & (self.exponent < _GRID)]
        ends = [side[place] if side.size else None for side, place in ((below, -1), (over, 0))]
        found = [
            None if end is None else float(brentq(lambda one: self.solved(one)[1] - limit, end, self.exponent)) for end in ends
        ]
        return _exponent(self.exponent, found[0], found[1], half)

    def _best(self) -> tuple[float, Array, float]:
        """The least of the grid, made exact by a search between its neighbours and one step of Newton and Gauss."""
        from scipy.optimize import minimize_scalar  # noqa: PLC0415 - the import costs what a query should not wait for

        place = int(np.argmin(self.grid))
        around = (float(_GRID[max(place - 1, 0)]), float(_GRID[min(place + 1, _GRID.size - 1)]))
        search = minimize_scalar(lambda one: self.solved(one)[1], bounds=around, method="bounded", options={"xatol": 1e-10})
        found = float(search.x)
        known, squares = self.solved(found)
        left = self._whitened(_with_exponent(_terms(Law.POWER, self._scaled, found), self._scaled, float(known[1])))
        finer = float(np.linalg.lstsq(left, self._right + found * left[:, 2], rcond=None)[0][2])
        if around[0] <= finer <= around[1] and self.solved(finer)[1] <= squares:
            return finer, *self.solved(finer)
        return found, known, squares

    def _whitened(self, columns: Array) -> Array:
        return whitened(np.column_stack([columns, self._extra]) * self._root[:, None], self._rho)


def _exponent(best: float, low: float | None, high: float | None, half: float) -> Estimate:
    if low is not None and high is not None:
        return Estimate(best, (high - low) / (2 * half), low, high)
    if low is not None:
        return Estimate.at_least(low, f"the points bound the exponent only from below (sought up to {EXPONENTS[1]:g})")
    if high is not None:
        return Estimate(high, None, None, high, f"the points bound the exponent only from above (sought from {EXPONENTS[0]:g})")
    return Estimate.refused("the points do not bound the exponent")


def _crossed(places: Array, above: Array, margin: Array, half: float, what: str) -> Estimate:
    """Where ``above`` comes through zero, with the places at which it is within ``margin`` of it."""
    if above[0] >= 0:
        return Estimate.refused(f"{what} was reached before the first point")
    value, low, high = (_upward(places, one) for one in (above, above + margin, above - margin))
    end = float(places[-1])
    if low is None:
        return Estimate.at_least(end, f"{what} is not reached within twice the observed span")
    if value is None:
        return Estimate.at_least(low, f"the law does not reach {what} within twice the observed span")
    if high is None:
        return Estimate.at_least(low, f"when {what} is reached has no upper limit within twice the observed span")
    return Estimate(value, (high - low) / (2 * half), low, high)


def _upward(places: Array, height: Array) -> float | None:
    """The first place at which ``height`` is not below zero, between the two points around it."""
    reached = np.flatnonzero(height >= 0)
    if not reached.size:
        return None
    after = int(reached[0])
    if after == 0:
        return float(places[0])
    return float(np.interp(0.0, height[after - 1 : after + 1], places[after - 1 : after + 1]))


def _shown(one: Estimate) -> str:
    if one.low is None or one.high is None:
        return one.refusal if one.value is None else f"{one.value:.4g} ({one.refusal})"
    return f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g})"
