"""Growth laws: closed forms to rounding, the right law chosen, intervals that hold, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.analysis.estimate import Estimate
from harness.analysis.growth import Axis, GrowthReport, Law, growth_laws
from harness.errors import AnalysisError
from tests.realdata import expected, real
from tests.studies.study_growth import emulated

Array = NDArray[np.float64]
CYCLES = np.arange(1.0, 31.0)
ALL = np.ones(30, dtype=np.bool_)


def bounds(one: Estimate) -> tuple[float, float]:
    assert one.low is not None
    assert one.high is not None
    return one.low, one.high


def holds(one: Estimate, truth: float) -> bool:
    low, high = bounds(one)
    return low <= truth <= high


@pytest.mark.parametrize(
    ("value", "law", "growth"),
    [
        (20 + 0.5 * CYCLES, Law.LINEAR, 0.5),
        (20 + 3.0 * np.sqrt(CYCLES), Law.SQUARE_ROOT, 3.0),
        (20 + 0.2 * CYCLES**1.5, Law.POWER, 0.2),
    ],
)
def test_closed_forms_are_found_to_rounding(value: Array, law: Law, growth: float) -> None:
    """Without noise the law that made the values is chosen, with its parameters, and where it will be is known."""
    report = growth_laws(value, None, cycle=CYCLES)
    best = report.best
    assert best is not None
    assert best.law is law
    assert best.parameters["initial"].value == pytest.approx(20.0, rel=1e-9)
    assert best.parameters["growth"].value == pytest.approx(growth, rel=1e-9)
    assert best.increase.value == pytest.approx(value[-1] - value[0], rel=1e-9)
    power = report.law(Law.POWER)
    assert power is not None
    assert power.parameters["exponent"].value == pytest.approx({Law.LINEAR: 1.0, Law.SQUARE_ROOT: 0.5}.get(law, 1.5), rel=1e-7)


def test_a_flat_series_is_constant() -> None:
    """Noise around a constant is best told by a constant, and its growth is not significant."""
    report = growth_laws(20 + np.random.default_rng(5).normal(0, 0.3, 30), None, cycle=CYCLES)
    assert report.best is not None
    assert report.best.law is Law.CONSTANT
    assert holds(report.rate(Axis.CYCLE), 0.0)


def test_every_law_on_every_axis_is_shown() -> None:
    """Constant once, three laws on three axes, with and without the temperature; weights sum to one, the best first."""
    rng = np.random.default_rng(2)
    report = growth_laws(
        20 + 0.5 * CYCLES + rng.normal(0, 0.3, 30),
        np.full(30, 0.3),
        cycle=CYCLES,
        time_second=3600 * CYCLES + rng.normal(0, 600, 30),
        throughput_ah=1e-3 * CYCLES,
        covariates={"temperature_celsius": rng.normal(25, 1, 30)},
    )
    assert len(report.fits) == 2 * (1 + 3 * 3)
    assert sum(fit.weight or 0.0 for fit in report.fits) == pytest.approx(1.0)
    assert [fit.delta_aicc for fit in report.fits] == sorted(fit.delta_aicc or 0.0 for fit in report.fits)
    assert report.fits[0].delta_aicc == 0.0
    assert "linear in cycle_count" in str(report)


def symmetric(seed: int, noise: float = 0.2) -> tuple[Array, Array, Array]:
    """Both half cycles of 15 cycles: cycle, polarity, resistance that grows by 0.4 Ω and is 3 Ω apart."""
    cycle, sign = np.repeat(np.arange(1.0, 16.0), 2), np.tile([-1.0, 1.0], 15)
    return cycle, sign, 20 + 0.4 * cycle + 1.5 * sign + np.random.default_rng(seed).normal(0, noise, 30)


def test_two_polarities_must_be_told_apart() -> None:
    """The term is in every law as soon as both occur; without it the residuals alternate and the interval is far wider."""
    cycle, sign, value = symmetric(3)
    report = growth_laws(value, None, cycle=cycle, covariates={"polarity": sign})
    assert {fit.covariates for fit in report.fits} == {("polarity",)}
    best = report.law(Law.LINEAR)
    assert best is not None
    assert holds(best.parameters["polarity"], 1.5)
    naive = growth_laws(value, None, cycle=cycle).law(Law.LINEAR)
    assert naive is not None
    assert (naive.durbin_watson or 0.0) > 3.5
    plain = growth_laws(value[::2], None, cycle=cycle[::2], covariates={"polarity": sign[::2]})
    assert {fit.covariates for fit in plain.fits} == {()}


@pytest.mark.parametrize("law", [Law.LINEAR, Law.SQUARE_ROOT])
def test_growth_is_as_sure_as_it_says(law: Law) -> None:
    """The interval of k holds the truth in 93–97 % of series; so does that of when R will have doubled."""
    rng = np.random.default_rng(4)
    shape = CYCLES if law is Law.LINEAR else np.sqrt(CYCLES)
    truth = 20 + 0.8 * shape
    doubled = 20 / 0.8 if law is Law.LINEAR else (20 / 0.8) ** 2
    # Two standard deviations of a count of 400 are 2.2 %.
    draws, held, crossed = 400, 0, 0
    for _ in range(draws):
        report = growth_laws(truth + rng.normal(0, 0.5, 30), None, cycle=CYCLES)
        fit = report.law(law)
        assert fit is not None
        held += holds(fit.parameters["growth"], 0.8)
        if law is Law.LINEAR:
            crossed += holds(fit.reaches(2.0), doubled)
    assert 0.93 - 0.022 <= held / draws <= 0.97 + 0.022
    if law is Law.LINEAR:
        assert 0.93 - 0.022 <= crossed / draws <= 0.97 + 0.022


def test_the_exponent_is_as_sure_as_it_says() -> None:
    """The profile's interval of m holds the truth in 93–97 % of series."""
    rng = np.random.default_rng(6)
    truth, draws, held = 20 + 0.3 * CYCLES**1.3, 300, 0
    for _ in range(draws):
        fit = growth_laws(truth + rng.normal(0, 0.3, 30), None, cycle=CYCLES).law(Law.POWER)
        assert fit is not None
        held += holds(fit.parameters["exponent"], 1.3)
    assert 0.93 - 0.025 <= held / draws <= 0.97 + 0.025


def test_an_exponent_that_nothing_bounds_is_refused() -> None:
    """Where hardly anything grows, the power law says which side of its exponent is open, or both."""
    value = 20 + np.random.default_rng(8).normal(0, 1, 30)
    fit = growth_laws(value, None, cycle=CYCLES).law(Law.POWER)
    assert fit is not None
    exponent = fit.parameters["exponent"]
    assert exponent.refusal.startswith("the points")
    assert exponent.low is None or exponent.high is None


def test_reaching_is_refused_beyond_twice_the_span() -> None:
    """A slow growth gets a lower bound, a multiple that was there before the first point none, a factor of one an error."""
    value = 20 + 0.02 * CYCLES + np.random.default_rng(9).normal(0, 0.1, 30)
    linear = growth_laws(value, None, cycle=CYCLES).law(Law.LINEAR)
    assert linear is not None
    far = linear.reaches(3.0)
    assert (far.low, far.high) == (59.0, None)
    assert "not reached within twice the observed span" in far.refusal
    assert linear.at(60.0).refusal.startswith("60 is beyond twice the observed span")
    early = growth_laws(1 + 5 * CYCLES, None, cycle=CYCLES).law(Law.LINEAR)
    assert early is not None
    assert early.reaches(1.5).refusal == "1.5 × the start was reached before the first point"
    below = growth_laws(5 * CYCLES - 2, None, cycle=CYCLES).law(Law.LINEAR)
    assert below is not None
    assert below.reaches(2.0).refusal == "the law begins at -2, and a multiple of that is no growth"
    with pytest.raises(AnalysisError, match="more than 1 × its start"):
        linear.reaches(1.0)


def test_a_common_gain_widens_resistances_and_not_their_ratio() -> None:
    """1 % of gain adds 1 % to R₀ and k in square, and nothing to when R doubles."""
    value = 20 + 0.8 * CYCLES + np.random.default_rng(10).normal(0, 0.2, 30)
    fits = [growth_laws(value, None, cycle=CYCLES, common_relative_std=gain).law(Law.LINEAR) for gain in (0.0, 0.01)]
    assert fits[0] is not None
    assert fits[1] is not None
    for name in ("initial", "growth"):
        before, after = fits[0].parameters[name], fits[1].parameters[name]
        assert after.std == pytest.approx(np.hypot(before.std or 0.0, 0.01 * (before.value or 0.0)))
    assert bounds(fits[1].reaches(2.0)) == pytest.approx(bounds(fits[0].reaches(2.0)), rel=1e-4)


def test_rows_are_left_out_by_reason_and_counted() -> None:
    """A failed spectrum, a change of temperature and a missing value are not used; each row counts under its first reason."""
    value = 20 + 0.5 * CYCLES
    value[4], value[7], value[9] = 90.0, np.nan, 5.0
    masks = {"failed Kramers–Kronig test": CYCLES == 5, "temperature changed": (CYCLES == 10) | (CYCLES == 5)}
    report = growth_laws(value, None, cycle=CYCLES, leave_out=masks)
    assert report.points == 27
    assert report.left_out == {"failed Kramers–Kronig test": 1, "temperature changed": 1, "not measured": 1}
    assert report.rate(Axis.CYCLE).value == pytest.approx(0.5)
    assert "1 left out (temperature changed)" in str(report)


def test_only_a_far_less_certain_row_counts_less() -> None:
    """A σ of a thousandth of the others' buys no weight, one of thrice theirs costs none; one of 300 times takes it all."""
    value = 20 + 0.5 * CYCLES + np.random.default_rng(12).normal(0, 0.3, 30)
    plain, certain, doubtful, hopeless, without = (
        growth_laws(value[rows], None if std is None else np.where(CYCLES == 16, std, 0.3)[rows], cycle=CYCLES[rows])
        for std, rows in ((None, ALL), (3e-4, ALL), (0.9, ALL), (90.0, ALL), (None, CYCLES != 16))
    )
    assert certain.rate(Axis.CYCLE) == plain.rate(Axis.CYCLE) == doubtful.rate(Axis.CYCLE)
    assert hopeless.rate(Axis.CYCLE).value == pytest.approx(without.rate(Axis.CYCLE).value, rel=1e-5)
    assert hopeless.rate(Axis.CYCLE).value != pytest.approx(plain.rate(Axis.CYCLE).value, rel=1e-5)


def test_noise_is_told_apart_from_wandering_about_the_law() -> None:
    """Rows that bend widen the interval; the noise's part is Σ aᵢ² σ² of the rows' shares, and the common gain's beside it."""
    value = 20 + 0.5 * CYCLES + 2 * np.sin(CYCLES / 5)
    plain, gained = (
        growth_laws(value, None, cycle=CYCLES, noise_std=np.full(30, 0.3), common_relative_std=gain).law(Law.LINEAR)
        for gain in (0.0, 0.01)
    )
    assert plain is not None
    assert gained is not None
    known = 0.3 / np.sqrt(np.sum((CYCLES - CYCLES.mean()) ** 2))
    slope = plain.parameters["growth"]
    assert slope.std is not None
    assert slope.std > 5 * known
    assert plain.noise_std["growth"] == pytest.approx(known)
    assert gained.noise_std["growth"] == pytest.approx(np.hypot(known, 0.01 * (slope.value or 0.0)))
    assert set(plain.noise_std) == {"initial", "growth"}


@pytest.mark.parametrize("law", [Law.LINEAR, Law.SQUARE_ROOT, Law.POWER])
def test_noise_of_every_law_is_what_repeating_shows(law: Law) -> None:
    """The same rows measured 400 times: each parameter scatters by its noise's σ, within four standard errors of that."""
    truth = 20 + 0.8 * (np.sqrt(CYCLES) if law is Law.SQUARE_ROOT else CYCLES**1.3 if law is Law.POWER else CYCLES)
    rng, sigma, drawn = np.random.default_rng(21), np.linspace(0.1, 0.3, 30), []
    for _ in range(400):
        fit = growth_laws(truth + sigma * rng.standard_normal(30), None, cycle=CYCLES, noise_std=sigma).law(law)
        assert fit is not None
        drawn.append([[one.value, fit.noise_std[name]] for name, one in fit.parameters.items()])
    values, stated = np.array(drawn, dtype=np.float64).transpose(2, 0, 1)
    assert np.median(stated, axis=0) == pytest.approx(values.std(axis=0), rel=4 / np.sqrt(800))


def test_unknown_noise_is_not_taken_for_none() -> None:
    """Without a noise for every row that is used there is none for the law."""
    value = 20 + 0.5 * CYCLES
    for noise in (None, np.where(CYCLES == 3, np.nan, 0.1)):
        fit = growth_laws(value, None, cycle=CYCLES, noise_std=noise).law(Law.LINEAR)
        assert fit is not None
        assert fit.noise_std == {}
    skipped = growth_laws(value, None, cycle=CYCLES, noise_std=np.where(CYCLES == 3, np.nan, 0.1), leave_out={"odd": CYCLES == 3})
    fit = skipped.law(Law.LINEAR)
    assert fit is not None
    assert fit.noise_std["growth"] > 0


@given(st.permutations(range(30)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    """Rows are put in the order of their axis first."""
    value = 20 + 0.5 * CYCLES + np.sin(CYCLES)
    fits = [growth_laws(value[rows], None, cycle=CYCLES[rows]).law(Law.LINEAR) for rows in (list(range(30)), order)]
    assert fits[0] is not None
    assert fits[1] is not None
    assert fits[0].parameters == fits[1].parameters


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"value": [], "cycle": []}, "no fit: 0 points, 6 are needed"),
        ({"value": [1.0], "cycle": [1.0]}, "no fit: 1 points, 6 are needed"),
        ({"value": [np.nan] * 9, "cycle": range(9)}, "no fit: 0 points, 6 are needed"),
        ({"value": [1.0, 2, 3, 4, 5], "cycle": range(5)}, "no fit: 5 points, 6 are needed"),
    ],
)
def test_too_few_points_are_no_fit(given: dict[str, Any], sentence: str) -> None:
    """Below six usable rows there is a sentence and no law."""
    report = growth_laws(given.pop("value"), None, **given)
    assert (report.refusal, report.fits, report.best) == (sentence, (), None)
    assert report.rate(Axis.CYCLE).refusal == sentence


def test_an_axis_without_span_has_no_law() -> None:
    """Rows at one place can only be averaged; an axis nobody gave is said so."""
    report = growth_laws(20 + CYCLES, None, cycle=np.full(30, 4.0))
    assert report.rate(Axis.CYCLE).refusal == "all points have the same cycle_count"
    assert report.rate(Axis.TIME).refusal == "no time_second is known"
    assert report.best is not None
    assert report.best.law is Law.CONSTANT
    negative = growth_laws(20 + CYCLES, None, cycle=CYCLES - 10)
    assert [fit.refusal for fit in negative.fits if fit.law is Law.POWER] == [
        "a power needs a cycle_count that is nowhere negative"
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "needs an axis"),
        ({"cycle": range(29)}, "cycle_count has 29 rows and value has 30"),
        ({"cycle": CYCLES, "std": -np.ones(30)}, "a standard deviation is negative"),
        ({"cycle": CYCLES, "noise_std": -np.ones(30)}, "a standard deviation is negative"),
        ({"cycle": CYCLES, "noise_std": np.ones(2)}, "noise_std has 2 rows and value has 30"),
        ({"cycle": CYCLES, "covariates": {"a": range(3)}}, "a has 3 rows"),
        ({"cycle": CYCLES, "covariates": dict.fromkeys("abcd", CYCLES)}, "4 covariates are too many"),
        ({"cycle": CYCLES, "leave_out": {"bad": [True]}}, 'the mask "bad" has 1 rows'),
        ({"cycle": ["one"] * 30}, "cycle_count: a growth law needs numbers"),
    ],
)
def test_input_that_is_none_is_an_error(given: dict[str, Any], sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(AnalysisError, match=sentence):
        growth_laws(20 + 0.5 * CYCLES, given.pop("std", None), **given)


def test_rates_of_emulated_cells_hold_those_of_their_perfect_spectra() -> None:
    """Two cells with a spectrum in every cycle: the rate without imperfections is as near as noise says, and the whole interval
    is wider.
    """
    [(by_noise, whole)] = emulated(2, [1e-3])
    assert by_noise.held == whole.held == 1.0
    assert 0.01 < by_noise.half_width < whole.half_width < 0.2


@real
def test_four_spectra_of_a_real_cell_are_no_law() -> None:
    """NMC811||graphite over 71 days: four points are too few for a law."""
    known = expected("nmc_graphite_peis_biologic.parquet")
    day = np.array([3.525, 28.66, 51.84, 74.39])
    report: GrowthReport = growth_laws(known["R1_plus_R2_fit"], known["sigma"], time_second=86400 * day)
    assert report.refusal == "no fit: 4 points, 6 are needed"
