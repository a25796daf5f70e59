"""Growth laws of a resistance: how it rises with cycle, time or throughput, and which law the rows speak for.

R = R₀, R₀ + k x, R₀ + k √x, R₀ + k xᵐ. Fresh interphase on lithium in every cycle makes R linear in the cycle; a film that grows
through itself by diffusion makes it a root of time (E. Peled, J. Electrochem. Soc. 126, 2047 (1979), 10.1149/1.2128859).
Every law is fitted on every axis, and all are shown. The choice is by AICc = n ln(S/n) + 2K n/(n − K − 1), K
counting the scale (Hurvich and Tsai); differences below 2 decide nothing. That likelihood takes the errors as independent: see
``durbin_watson`` beside it; the intervals do not (`regression`).

Two polarities of a symmetric cell alternate, so a law without a polarity term has twice the scatter and a Durbin–Watson near 4:
that term is in every law as soon as both occur. Other covariates (temperature, state of charge) are tried in and out.

The exponent's interval is that of its profile likelihood; the other parameters of the power law have the linearised law's. An
error common to all rows (an instrument's gain) widens R₀ and k but not the ratio that `LawFit.reaches` looks for. Rows weigh
alike, but for those whose σ is more than `LEAST_STD_OF_MEDIAN` × the median: a σ of one spectrum is mostly what models do not
know, which a cell's spectra share, and a noise estimated from one spectrum is smaller where that noise made the resistance
smaller. Intervals hold for a law that was fixed beforehand; the one chosen from many looks a little surer than it is.

Two errors are told. The interval is the whole one: how well the law is known that these rows wander about. ``noise_std`` is the
part of it that the measurement makes: how far the same law of the same cell would be without noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.growth_law import MOST_EXTRAPOLATION, Axis, Law, LawFit, Rows, fit_law
from harness.errors import AnalysisError

__all__ = ["MOST_EXTRAPOLATION", "Axis", "GrowthReport", "Law", "LawFit", "growth_laws"]

METHOD_VERSION = "growth-2"
FEWEST_POINTS = 6
MOST_COVARIATES = 3
POLARITY = "polarity"
LEAST_STD_OF_MEDIAN = 3.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GrowthReport:
    """All laws on all axes, the likeliest first and those that could not be fitted last; or none, for ``refusal``.

    ``left_out`` counts the rows that were not used, by reason.
    """

    fits: tuple[LawFit, ...]
    points: int
    left_out: Mapping[str, int]
    refusal: str = ""
    method_version: str = METHOD_VERSION

    @property
    def best(self) -> LawFit | None:
        """The law with the lowest AICc."""
        return self.fits[0] if self.fits and self.fits[0].aicc is not None else None

    def law(self, law: Law, axis: Axis | None = None) -> LawFit | None:
        """The likeliest fit of one law, on one axis or on any."""
        anywhere = axis is None or law is Law.CONSTANT
        return next((fit for fit in self.fits if fit.law is law and not fit.refusal and (anywhere or fit.axis is axis)), None)

    def rate(self, axis: Axis) -> Estimate:
        """The mean growth per unit of ``axis``: the slope of its linear law, whichever law is the likeliest."""
        fit = self.law(Law.LINEAR, axis)
        if fit is not None:
            return fit.parameters["growth"]
        refused = next((one.refusal for one in self.fits if one.law is Law.LINEAR and one.axis is axis), "")
        return Estimate.refused(self.refusal or refused or f"no {axis.value} is known")

    def __str__(self) -> str:
        left = "".join(f"; {count} left out ({reason})" for reason, count in self.left_out.items())
        return "\n".join([f"{self.points} points{left}" + (f": {self.refusal}" if self.refusal else ""), *map(str, self.fits)])


def growth_laws(
    value: ArrayLike,
    std: ArrayLike | None,
    *,
    cycle: ArrayLike | None = None,
    time_second: ArrayLike | None = None,
    throughput_ah: ArrayLike | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    leave_out: Mapping[str, ArrayLike] | None = None,
    noise_std: ArrayLike | None = None,
    common_relative_std: float = 0.0,
) -> GrowthReport:
    """Every law for the resistances ``value`` (n,) in ohm, on each axis that is given (n,), counted from the cell's start.

    ``std`` are the resistances' own standard deviations, ``None`` for equal weights. ``covariates``: ``polarity`` (its two signs
    are taken as ±1, so that R₀ is their mean) and others by name, which enter as their difference from their mean.
    ``leave_out``: masks of the rows to be kept out, by reason (a failed Kramers–Kronig test, a change of temperature). Rows
    without a finite value, σ, axis or covariate are left out, too. ``noise_std``: the part of ``std`` that noise makes, for
    `LawFit.noise_std` alone, and that only where every row used has one. ``common_relative_std``: an error all rows share.

    Raises:
        AnalysisError: no axis is given, lengths differ, a σ is negative, or there are more than three optional covariates.
    """
    table = _table((value, std, noise_std), _axes(cycle, time_second, throughput_ah), covariates or {})
    kept, left_out = _kept(table, leave_out or {})
    if kept.size < FEWEST_POINTS:
        return GrowthReport((), kept.size, left_out, f"no fit: {kept.size} points, {FEWEST_POINTS} are needed")
    used = table.rows(kept)
    rows = Rows(used.value, _bounded(used.std), used.noise_std if np.isfinite(used.noise_std).all() else None)
    fits = [
        _widened(fit_law(law, axis, used.axes[axis], rows, terms), common_relative_std)
        for law, axis in itertools.product(Law, used.axes)
        for terms in _choices(used.covariates)
        if law is not Law.CONSTANT or axis is next(iter(used.axes))
    ]
    return GrowthReport(_ranked(fits), kept.size, left_out)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    value: Array
    std: Array
    noise_std: Array
    axes: Mapping[Axis, Array]
    covariates: Mapping[str, Array]

    def rows(self, kept: NDArray[np.intp]) -> _Table:
        """Some rows, their covariates made ready for a law: signs as ±1, others around their mean, constant ones gone."""
        axes = {name: column[kept] for name, column in self.axes.items()}
        varying = {name: column[kept] for name, column in self.covariates.items() if np.ptp(column[kept]) > 0}
        ready = {name: np.sign(column) if name == POLARITY else column - column.mean() for name, column in varying.items()}
        return _Table(self.value[kept], self.std[kept], self.noise_std[kept], axes, ready)


def _axes(cycle: ArrayLike | None, time: ArrayLike | None, throughput: ArrayLike | None) -> dict[Axis, Array]:
    given = {Axis.TIME: time, Axis.CYCLE: cycle, Axis.THROUGHPUT: throughput}
    return {axis: _vector(column, axis.value) for axis, column in given.items() if column is not None}


def _vector(column: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(column, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise AnalysisError(f"{name}: a growth law needs numbers") from None


def _table(
    measured: tuple[ArrayLike, ArrayLike | None, ArrayLike | None], axes: dict[Axis, Array], covariates: Mapping[str, ArrayLike]
) -> _Table:
    if not axes:
        raise AnalysisError("a growth law needs an axis; give cycle, time_second or throughput_ah")
    value, std, noise_std = measured
    resistance = _vector(value, "value")
    sigma = np.ones_like(resistance) if std is None else _vector(std, "std")
    noise = np.full_like(resistance, np.nan) if noise_std is None else _vector(noise_std, "noise_std")
    terms = {name: _vector(column, name) for name, column in covariates.items()}
    named = {axis.value: column for axis, column in axes.items()} | terms
    for name, column in {"std": sigma, "noise_std": noise, **named}.items():
        if column.size != resistance.size:
            raise AnalysisError(f"{name} has {column.size} rows and value has {resistance.size}; give one for each")
    if bool(np.any(sigma < 0) or np.any(noise < 0)):
        raise AnalysisError("a standard deviation is negative")
    if len(set(terms) - {POLARITY}) > MOST_COVARIATES:
        raise AnalysisError(f"{len(terms)} covariates are too many to try in and out; choose {MOST_COVARIATES}")
    return _Table(resistance, sigma, noise, axes, terms)


def _kept(table: _Table, leave_out: Mapping[str, ArrayLike]) -> tuple[NDArray[np.intp], dict[str, int]]:
    """The rows to use in the order of the first axis, and how many are not used, each counted under its first reason."""
    kept = np.ones(table.value.size, dtype=np.bool_)
    left_out = {}
    columns = np.vstack([table.value, table.std, *table.axes.values(), *table.covariates.values()])
    for reason, given in {**leave_out, "not measured": ~np.isfinite(columns).all(axis=0)}.items():
        mask: Mask = np.asarray(given, dtype=np.bool_).ravel()
        if mask.size != kept.size:
            raise AnalysisError(f'the mask "{reason}" has {mask.size} rows and value has {kept.size}; give one for each')
        if count := int(np.sum(kept & mask)):
            left_out[reason] = count
        kept &= ~mask
    places = np.flatnonzero(kept)
    return places[np.argsort(next(iter(table.axes.values()))[places], kind="stable")], left_out


def _bounded(std: Array) -> Array | None:
    """No σ below `LEAST_STD_OF_MEDIAN` × the median; ``None`` (equal weights) when most are zero."""
    middle = float(np.median(std))
    return np.maximum(std, LEAST_STD_OF_MEDIAN * middle) if middle > 0 else None


def _choices(covariates: Mapping[str, Array]) -> Iterator[Mapping[str, Array]]:
    """Every choice of the optional covariates, polarity always among them."""
    optional = [name for name in covariates if name != POLARITY]
    for chosen in itertools.product((False, True), repeat=len(optional)):
        wanted = {name for name, taken in zip(optional, chosen, strict=True) if taken} | {POLARITY}
        yield {name: column for name, column in covariates.items() if name in wanted}


def _widened(fit: LawFit, relative_std: float) -> LawFit:
    return fit.with_common_error(relative_std) if relative_std > 0 and not fit.refusal else fit


def _ranked(fits: list[LawFit]) -> tuple[LawFit, ...]:
    known = [fit.aicc for fit in fits if fit.aicc is not None]
    least = min(known, default=0.0)
    total = math.fsum(math.exp(-0.5 * (one - least)) for one in known)
    weighed = [
        fit if fit.aicc is None else replace(fit, delta_aicc=fit.aicc - least, weight=math.exp(-0.5 * (fit.aicc - least)) / total)
        for fit in fits
    ]
    return tuple(sorted(weighed, key=lambda fit: math.inf if fit.aicc is None else fit.aicc))
