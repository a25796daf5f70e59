"""The fit of a named circuit: exact spectra, real ones as other programs fit them, σ against chance, parts that mean nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from harness.analysis.charge import Array
from harness.analysis.impedance import circuit_fit
from harness.analysis.impedance.circuit_fit import COMPATIBLE_EXPONENTS, Weights, capacitance, fit_circuit
from harness.analysis.impedance.circuits import LIBRARY, circuit
from harness.analysis.impedance.correlated import correlated_errors
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from harness.errors import AnalysisError
from tests.realdata import REALDATA, expected, real

FREQUENCY: Array = np.logspace(4.5, -2, 53)
TWO_ARCS = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 2e-5, "CPE1_n": 0.9, "R2": 50.0, "CPE2_Q": 2e-3, "CPE2_n": 0.85}
EXACT: dict[str, dict[str, float]] = {
    "R0-p(R1,CPE1)": {"R0": 5.0, "R1": 80.0, "CPE1_Q": 3e-5, "CPE1_n": 0.9},
    "R0-p(R1,CPE1)-W1": {"R0": 5.0, "R1": 80.0, "CPE1_Q": 3e-5, "CPE1_n": 0.9, "W1_A": 2.0},
    "R0-p(R1,CPE1)-Ws1": {"R0": 5.0, "R1": 80.0, "CPE1_Q": 3e-5, "CPE1_n": 0.9, "Ws1_R": 8.0, "Ws1_tau": 9.0},
    "R0-p(R1,CPE1)-CPE2": {"R0": 5.0, "R1": 80.0, "CPE1_Q": 3e-5, "CPE1_n": 0.9, "CPE2_Q": 0.1, "CPE2_n": 0.7},
    "R0-p(R1,CPE1)-p(R2,CPE2)": TWO_ARCS,
    "R0-p(R1,CPE1)-p(R2,CPE2)-W1": {**TWO_ARCS, "W1_A": 3.0},
    "R0-p(R1,CPE1)-p(R2,CPE2)-Ws1": {**TWO_ARCS, "Ws1_R": 12.0, "Ws1_tau": 20.0},
    "R0-p(R1,CPE1)-p(R2,CPE2)-CPE3": {**TWO_ARCS, "CPE3_Q": 0.2, "CPE3_n": 0.7},
    "R0-p(R1,C1)-p(R2-Wo1,C2)": {"R0": 5.0, "R1": 30.0, "C1": 1e-5, "R2": 20.0, "Wo1_R": 40.0, "Wo1_tau": 90.0, "C2": 2e-3},
}


def example() -> Sweep:
    """The published spectrum's 57 capacitive points."""
    frequency, resistance, reactance = np.loadtxt(REALDATA / "example_spectrum.csv", delimiter=",", unpack=True)
    kept = reactance < 0
    return sweep_of(frequency[kept], resistance[kept] + 1j * reactance[kept])


def noisy(exact: Sweep, share: float, generator: np.random.Generator) -> Sweep:
    noise = generator.normal(size=(2, exact.omega.size)) * share
    return replace(exact, impedance_ohm=exact.impedance_ohm + np.abs(exact.impedance_ohm) * (noise[0] + 1j * noise[1]))


@pytest.mark.parametrize("name", LIBRARY)
def test_exact_spectrum_gives_its_parameters(name: str) -> None:
    """Without noise every circuit of the library comes back to 1e-9, σ with it to nothing."""
    sweep = sweep_of(FREQUENCY, circuit(name).impedance(EXACT[name], FREQUENCY))
    found = fit_circuit(circuit(name), sweep, starts_at_most=15)
    assert found.values == pytest.approx(EXACT[name], rel=1e-9)
    assert found.total.value == pytest.approx(
        EXACT[name]["R0"] + sum(EXACT[name][part] for part in circuit(name).interface), rel=1e-9
    )
    assert found.total.std == pytest.approx(0.0, abs=1e-9)


@real
def test_published_spectrum_is_fitted_as_others_do() -> None:
    """Two arcs and a Warburg element, modulus weights: parameters to 1e-4 and σ to the digits of an independent fit."""
    known = expected("example_spectrum.csv")["R0-p(R1,CPE1)-p(R2,CPE2)-W1 modulus weight (57 points)"]
    found = fit_circuit(circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1"), example())
    theirs = ("R0", "R2", "CPE2_Q", "CPE2_n", "R1", "CPE1_Q", "CPE1_n", "W1_A")
    assert [found.values[name] for name in theirs] == pytest.approx(known["p"], rel=1e-4)
    assert [found.parameters[name].std for name in theirs] == pytest.approx(known["sigma"], rel=5e-3)
    assert 100 * found.rms == pytest.approx(known["rms_percent"], abs=5e-4)
    assert "correlated with another resistance" in found.part("R1").refusal
    assert found.total.refusal == ""


@real
def test_randles_circuit_reaches_the_optimum_where_another_stalled() -> None:
    """Unit weights: half the sum of squares is not above that of a correct fit."""
    found = fit_circuit(circuit("R0-p(R1,C1)-p(R2-Wo1,C2)"), example(), weights=Weights.UNIT)
    assert found.cost <= 1.4449e-5
    assert "not_converged" not in found.flags


def test_an_exponent_on_its_bound_opens_the_split() -> None:
    """An arc of n = 0.42 may not go below 0.5: its resistance, and the other's, say nothing by themselves; the sum may."""
    frequency = np.logspace(5, -2, 71)
    jomega = 2j * np.pi * frequency
    arcs = 1 / (1 / 20 + 2e-3 * jomega**0.42) + 1 / (1 / 40 + 2e-2 * jomega**0.95)
    found = fit_circuit(circuit("R0-p(R1,CPE1)-p(R2,CPE2)"), sweep_of(frequency, (3 + arcs).astype(np.complex128)))
    for name in ("R1", "R2", "CPE1_n"):
        assert "no arc: the split is open" in found.part(name).refusal


def test_an_inductance_that_came_or_went_begins_anew() -> None:
    """The previous fit had a cable in series, or this sweep has one: no other circuit, and as good a fit as from nothing."""
    frequency, one_arc = np.logspace(5, -1, 43), circuit("R0-p(R1,CPE1)")
    known = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 1e-4, "CPE1_n": 0.9}
    plain = sweep_of(frequency, one_arc.impedance(known, frequency))
    cabled = sweep_of(frequency, one_arc.with_inductance().impedance({"L0": 1e-5, **known}, frequency))
    for before, now in ((plain, cabled), (cabled, plain)):
        found = fit_circuit(one_arc, now, previous=fit_circuit(one_arc, before))
        assert found.values == pytest.approx(fit_circuit(one_arc, now).values)
        assert "begun_anew" in found.flags


@real
def test_four_spectra_of_a_full_cell_give_the_sum_but_not_the_parts() -> None:
    """R₁ + R₂ within twice the listed σ; an exponent near 0.4 leaves R₁ and R₂ unidentified, with the reason."""
    known = expected("nmc_graphite_peis_biologic.parquet")
    frame = pl.read_parquet(REALDATA / "nmc_graphite_peis_biologic.parquet")
    for number, group in enumerate(frame.partition_by("spectrum_count", maintain_order=True)):
        spectrum = group["real_impedance_ohm"].to_numpy() + 1j * group["imaginary_impedance_ohm"].to_numpy()
        sweep = sweep_of(group["frequency_hertz"].to_numpy(), spectrum)
        found = fit_circuit(circuit("R0-p(R1,CPE1)-p(R2,CPE2)-CPE3"), sweep, exponents=COMPATIBLE_EXPONENTS)
        assert found.interface.value == pytest.approx(known["R1_plus_R2_fit"][number], abs=2 * known["sigma"][number])
        for part in ("R1", "R2"):
            assert found.part(part).value is None
            assert "no arc: the split is open" in found.part(part).refusal


@real
def test_inductive_points_are_modelled() -> None:
    """The published spectrum with its nine inductive points gets an inductor, and says so."""
    frequency, resistance, reactance = np.loadtxt(REALDATA / "example_spectrum.csv", delimiter=",", unpack=True)
    found = fit_circuit(circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1"), sweep_of(frequency, resistance + 1j * reactance))
    assert circuit_fit.FLAG_INDUCTANCE_ADDED in found.flags
    assert found.values["L0"] == pytest.approx(1.7e-7, rel=0.1)
    assert found.rms < 0.013


def test_deviations_are_those_of_chance() -> None:
    """Over 2000 noisy spectra the scatter of R0, of the sum and of an exponent is the σ that a fit gives, within 5 %."""
    generator = np.random.default_rng(5)
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    exact = sweep_of(FREQUENCY[::2], chosen.impedance(TWO_ARCS, FREQUENCY[::2]))
    begin = fit_circuit(chosen, exact)
    found, given = [], []
    for _ in range(2000):
        fit = fit_circuit(chosen, noisy(exact, 0.002, generator), previous=replace(begin, rms=1.0))
        found.append((fit.series.value, fit.interface.value, fit.total.value, fit.values["CPE2_n"]))
        given.append((fit.series.std, fit.interface.std, fit.total.std, fit.parameters["CPE2_n"].std))
    scatter = np.std(np.array(found, dtype=np.float64), axis=0)
    assert np.sqrt(np.mean(np.array(given, dtype=np.float64) ** 2, axis=0)) == pytest.approx(scatter, rel=0.05)


def test_fit_from_a_previous_one_is_not_trapped_by_a_jump() -> None:
    """A cell whose arcs have moved by two decades is begun anew, and fitted as from nothing."""
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    before = fit_circuit(chosen, sweep_of(FREQUENCY, chosen.impedance(TWO_ARCS, FREQUENCY)))
    moved = {**TWO_ARCS, "R1": 3.0, "CPE1_Q": 1e-2, "R2": 400.0, "CPE2_Q": 1e-4}
    after = fit_circuit(chosen, sweep_of(FREQUENCY, chosen.impedance(moved, FREQUENCY)), previous=before)
    assert after.interface.value == pytest.approx(403.0, rel=1e-6)


def test_capacitances_by_both_formulas() -> None:
    """τ/R for Hsu and Mansfeld, smaller for Brug, both the capacitance itself where n is 1; σ by the chain rule, 5 %."""
    chosen = circuit("R0-p(R1,CPE1)")
    exact = sweep_of(FREQUENCY, chosen.impedance(EXACT[chosen.name], FREQUENCY))
    fit = fit_circuit(chosen, exact)
    assert capacitance(fit, 1).value == pytest.approx((80.0 * 3e-5) ** (1 / 0.9) / 80.0, rel=1e-8)
    brug = 3e-5 ** (1 / 0.9) * (1 / 5.0 + 1 / 80.0) ** ((0.9 - 1) / 0.9)
    assert capacitance(fit, 1, "brug").value == pytest.approx(brug, rel=1e-8)
    assert circuit_fit.hsu_mansfeld_capacitance(7.0, 3e-6, 1.0) == pytest.approx(3e-6)
    assert circuit_fit.brug_capacitance(2.0, 7.0, 3e-6, 1.0) == pytest.approx(3e-6)
    generator = np.random.default_rng(8)
    for formula in ("hsu_mansfeld", "brug"):
        fits = [fit_circuit(chosen, noisy(exact, 0.003, generator), previous=replace(fit, rms=1.0)) for _ in range(2500)]
        found = [capacitance(one, 1, formula) for one in fits]
        scatter = np.std([one.value for one in found if one.value is not None])
        assert np.mean([one.std for one in found if one.std is not None]) == pytest.approx(scatter, rel=0.05)


@pytest.mark.parametrize("shared", [1, 3, 5])
def test_correlated_errors_are_the_scatter(shared: int) -> None:
    """σ is the scatter of 2500 spectra within 5 % (root mean square), whether noise is independent or every few neighbours share
    it; the intervals hold the truth in 93–97 %.
    """
    generator, draws = np.random.default_rng(30 + shared), 2500
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    exact = sweep_of(FREQUENCY, chosen.impedance(TWO_ARCS, FREQUENCY))
    begin = replace(fit_circuit(chosen, exact), rms=1.0)
    found = []
    for _ in range(draws):
        raw = generator.normal(size=(2, FREQUENCY.size + shared - 1)) * 0.003
        noise = np.array([np.convolve(row, np.ones(shared) / math.sqrt(shared), "valid") for row in raw])
        sweep = replace(exact, impedance_ohm=exact.impedance_ohm * (1 + noise[0] + 1j * noise[1]))
        one = correlated_errors(fit_circuit(chosen, sweep, previous=begin), sweep)["interface"]
        found.append((one.value, one.std, one.low, one.high))
    value, std, low, high = np.array(found, dtype=np.float64).T
    assert np.sqrt(np.mean(std**2)) == pytest.approx(np.std(value), rel=0.05)
    truth = TWO_ARCS["R1"] + TWO_ARCS["R2"]
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97


@pytest.mark.parametrize(("points", "complaint"), [(2, "too few"), (3, "too few")])
def test_fit_refuses_too_few_points(points: int, complaint: str) -> None:
    """More parameters than residuals."""
    chosen = circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    with pytest.raises(AnalysisError, match=complaint):
        fit_circuit(chosen, sweep_of(FREQUENCY[:points], chosen.impedance(TWO_ARCS, FREQUENCY[:points])))


def test_fit_refuses_the_previous_fit_of_another_circuit() -> None:
    """Its parameters would mean something else."""
    one, two = circuit("R0-p(R1,CPE1)"), circuit("R0-p(R1,CPE1)-W1")
    sweep = sweep_of(FREQUENCY, one.impedance(EXACT[one.name], FREQUENCY))
    with pytest.raises(AnalysisError, match="previous fit"):
        fit_circuit(two, sweep, previous=fit_circuit(one, sweep, starts_at_most=2))


def test_capacitance_refuses_what_is_not_there() -> None:
    """No such arc, no such formula."""
    chosen = circuit("R0-p(R1,CPE1)-W1")
    sweep = sweep_of(FREQUENCY, chosen.impedance(EXACT[chosen.name], FREQUENCY))
    fit = fit_circuit(chosen, sweep, starts_at_most=2)
    with pytest.raises(AnalysisError, match="no R2 beside"):
        capacitance(fit, 2)
    with pytest.raises(AnalysisError, match="no formula"):
        capacitance(fit, 1, "guess")


def test_arcs_are_numbered_from_fast_to_slow() -> None:
    """From nothing R1 is the faster of two equal arcs, whatever the noise; a series keeps the numbers that it began with."""
    chosen, generator = circuit("R0-p(R1,CPE1)-p(R2,CPE2)"), np.random.default_rng(0)
    true = {"R0": 5.0, "R1": 40.0, "CPE1_Q": 1e-4**0.9 / 40, "CPE1_n": 0.9, "R2": 25.0, "CPE2_Q": 0.02**0.9 / 25, "CPE2_n": 0.9}
    frequency = np.geomspace(2e5, 0.1, 51)
    exact = sweep_of(frequency, chosen.impedance(true, frequency))
    for _ in range(30):
        found = fit_circuit(chosen, noisy(exact, 0.003, generator))
        for name, value in {"R1": 40.0, "R2": 25.0}.items():
            assert found.values[name] == pytest.approx(value, abs=4 * (found.parameters[name].std or 0.0))
    exchanged = {**true, **{name.replace("1", "2"): true[name] for name in ("R1", "CPE1_Q", "CPE1_n")}}
    exchanged |= {name.replace("2", "1"): true[name] for name in ("R2", "CPE2_Q", "CPE2_n")}
    before = replace(found, internal=chosen.internal(exchanged))
    assert fit_circuit(chosen, exact, previous=before).values["R1"] == pytest.approx(25.0, rel=1e-6)
