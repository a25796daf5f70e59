"""Kramers–Kronig: what is a sum of parts leaves nothing, what is not leaves much, and published results come out again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Array
from harness.analysis.impedance.kramers_kronig import Part, kramers_kronig, kramers_kronig_by_mu
from harness.analysis.impedance.spectrum import Complex, Sweep, sweep_of
from harness.errors import AnalysisError
from tests.real_spectra import ageing_spectra, example_spectrum, zplot_spectrum
from tests.realdata import expected, real

FREQUENCY = np.geomspace(1e5, 1e-1, 49)


def arc(frequency: Array, resistance: float, hertz: float, exponent: float) -> Complex:
    return np.asarray(resistance / (1 + (1j * frequency / hertz) ** exponent), dtype=np.complex128)


def noisy(impedance: Complex, noise: float, seed: int) -> Complex:
    """Noise of the modulus on both parts."""
    generator = np.random.default_rng(seed)
    parts = generator.normal(size=impedance.size) + 1j * generator.normal(size=impedance.size)
    return impedance + np.abs(impedance) * noise * parts


@given(
    st.floats(0.1, 100.0),
    st.lists(st.tuples(st.floats(1.0, 200.0), st.floats(-1.5, 5.5), st.floats(0.5, 1.0)), min_size=1, max_size=3),
    st.sampled_from(["none", "capacitor", "warburg", "inductor"]),
)
def test_a_spectrum_of_arcs_leaves_less_than_any_instrument_sees(
    series: float, arcs: list[tuple[float, float, float]], tail: str
) -> None:
    """Depressed arcs in and around the sweep, with a tail or an inductance, are followed to 0.1 % without noise."""
    impedance = series + sum(arc(FREQUENCY, size, 10**place, exponent) for size, place, exponent in arcs)
    impedance = (
        impedance
        + {
            "none": 0.0,
            "capacitor": 1 / (2j * np.pi * FREQUENCY * 0.05),
            "warburg": 10 / np.sqrt(1j * FREQUENCY),
            "inductor": 2j * np.pi * FREQUENCY * 1e-6,
        }[tail]
    )
    assert kramers_kronig(sweep_of(FREQUENCY, impedance)).residual_max_1 < 1e-3


def test_the_elements_of_the_sum_leave_nothing() -> None:
    """A resistance, an inductance and a capacitance are followed to 1e-9."""
    impedance = 5 + 2j * np.pi * FREQUENCY * 1e-6 + 1 / (2j * np.pi * FREQUENCY * 1e-3)
    found = kramers_kronig(sweep_of(FREQUENCY, impedance))
    assert found.residual_max_1 < 1e-9
    assert found.order == 1


def test_the_noise_is_found_with_the_freedom_of_the_fit_taken_out() -> None:
    """The mean stated noise of 300 spectra is the one they were given, to 5 %; its residuals look random."""
    truth = 5 + arc(FREQUENCY, 60, 800, 0.85) + arc(FREQUENCY, 30, 5, 0.8)
    found = [kramers_kronig(sweep_of(FREQUENCY, noisy(truth, 1e-3, seed))) for seed in range(300)]
    assert math.sqrt(np.mean([item.noise_1**2 for item in found])) == pytest.approx(1e-3, rel=0.05)
    assert np.mean([item.runs_probability_1 < 0.05 for item in found]) <= 0.05
    assert abs(np.mean([item.lag_one_1 for item in found])) < 0.2


def test_parts_that_contradict_each_other_are_seen() -> None:
    """An imaginary part 10 % too large, as of another system, leaves percents; too few signs change to be random."""
    truth = 5 + arc(FREQUENCY, 80, 100, 0.85)
    found = kramers_kronig(sweep_of(FREQUENCY, noisy(truth.real + 1.1j * truth.imag, 1e-4, 1)))
    assert found.residual_rms_1 > 0.01
    assert found.runs_probability_1 < 1e-3
    assert found.lag_one_1 > 0.5


def test_what_a_sparse_sweep_can_show_is_stated() -> None:
    """The stated resolution bounds what ideal arcs leave anywhere inside the sweep, from two to five parts per decade."""
    for per_decade in (3, 4, 5, 7, 10):
        frequency = np.geomspace(1e5, 1e-1, 6 * per_decade + 1)
        for place in np.linspace(0.0, 4.0, 9):
            found = kramers_kronig(sweep_of(frequency, 5 + arc(frequency, 80, 10**place, 1.0)))
            assert found.residual_max_1 < max(1.5 * found.resolution_1, 5e-4)


def test_the_order_of_points_does_not_matter() -> None:
    """A rising sweep gives what the falling one gives; residuals are in the order of the sweep."""
    impedance = noisy(5 + arc(FREQUENCY, 80, 100, 0.85), 1e-3, 3)
    falling, rising = (kramers_kronig(sweep_of(FREQUENCY[::step], impedance[::step])) for step in (1, -1))
    assert rising.residual_1.tolist() == falling.residual_1.tolist()
    assert rising.fitted_ohm + rising.residual_1 * np.abs(impedance) == pytest.approx(impedance)


@real
def test_the_published_rule_gives_the_published_result() -> None:
    """Real part, no capacitance, c = 0.69: M, μ and the ends of the fit as the rule's own authors' program has them."""
    wanted = expected("circuit3_eis_1.z")["linKK c=0.69 real"]
    found = kramers_kronig_by_mu(zplot_spectrum(), cutoff=0.69)
    assert found.order == wanted["M"]
    assert found.mu == pytest.approx(wanted["mu"], rel=1e-11)
    for place, key in ((0, "Zfit_first"), (-1, "Zfit_last")):
        assert [found.fitted_ohm[place].real, found.fitted_ohm[place].imag] == pytest.approx(wanted[key], rel=2e-9)


@real
def test_the_published_rule_with_both_parts_and_a_capacitance() -> None:
    """M, μ and the largest residual of one part that another program has."""
    wanted = expected("example_spectrum.csv")["linKK complex + C"]
    found = kramers_kronig_by_mu(example_spectrum(), part=Part.COMPLEX, capacitance=True)
    largest = max(np.abs(found.residual_1.real).max(), np.abs(found.residual_1.imag).max())
    assert found.order == wanted["M"]
    assert found.mu == pytest.approx(wanted["mu"], abs=5e-4)
    assert 100 * largest == pytest.approx(wanted["max_residual_percent"], abs=5e-4)


@real
def test_good_spectra_are_good_where_the_published_rule_condemns_one() -> None:
    """All four spectra of an ageing cell leave under 1 %; by μ the last one leaves more than 30 % with five parts."""
    spectra = ageing_spectra()
    assert max(kramers_kronig(sweep).residual_max_1 for sweep in spectra) < 0.01
    trap = kramers_kronig_by_mu(spectra[3], part=Part.COMPLEX, capacitance=True)
    assert trap.order == 5
    assert trap.residual_max_1 > 0.3
    assert kramers_kronig(example_spectrum()).residual_max_1 < 0.01
    assert kramers_kronig(zplot_spectrum()).residual_max_1 < 0.01


@pytest.mark.parametrize("part", list(Part))
@pytest.mark.parametrize("capacitance", [False, True])
def test_every_mode_of_the_published_rule_follows_a_valid_spectrum(part: Part, capacitance: bool) -> None:
    """Whichever part is fitted, the other one follows, once C is there where the spectrum has one."""
    impedance = 5 + arc(FREQUENCY, 80, 100, 0.9) + 2j * np.pi * FREQUENCY * 1e-7
    if capacitance:
        impedance = impedance + 1 / (2j * np.pi * FREQUENCY * 0.1)
    found = kramers_kronig_by_mu(sweep_of(FREQUENCY, impedance), cutoff=0.5, part=part, capacitance=capacitance)
    assert found.residual_max_1 < 0.02


def test_the_published_rule_stops_at_its_largest_number() -> None:
    """A cutoff that is never reached ends at ``most``."""
    sweep = sweep_of(FREQUENCY, 5 + arc(FREQUENCY, 80, 100, 0.9))
    assert kramers_kronig_by_mu(sweep, cutoff=-math.inf, most=7).order == 7


def test_nothing_but_negative_resistances_is_far_below_any_cutoff() -> None:
    """A spectrum turned over has μ = −∞ with its first part, and stops there."""
    sweep = sweep_of(FREQUENCY, 100 - arc(FREQUENCY, 80, 100, 0.9))
    found = kramers_kronig_by_mu(sweep)
    assert (found.order, found.mu) == (1, -math.inf)


@pytest.mark.parametrize(
    ("frequency", "sentence"),
    [
        (np.geomspace(1e5, 1.0, 7), "of 7 frequencies was given; a Kramers–Kronig test needs 8"),
        (np.full(20, 10.0), "of 1 frequencies was given"),
        (np.geomspace(9.0, 1.0, 20), "less than a decade"),
    ],
)
def test_what_cannot_be_tested_is_said(frequency: Array, sentence: str) -> None:
    """Too few points, or too narrow a sweep."""
    sweep: Sweep = sweep_of(frequency, 5 + arc(frequency, 80, 3, 0.9))
    for test in (kramers_kronig, kramers_kronig_by_mu):
        with pytest.raises(AnalysisError, match=sentence):
            test(sweep)
