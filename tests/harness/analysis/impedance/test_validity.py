"""Verdicts: good spectra are good, everything else has its reason in words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.analysis.impedance.spectrum import Complex, sweep_of
from harness.analysis.impedance.validity import SLOW_DRIFT_UNSEEN, Verdict, judge_spectrum
from harness.errors import AnalysisError
from tests.real_spectra import ageing_spectra, example_spectrum, zplot_spectrum
from tests.realdata import real
from tests.studies import study_validity

FREQUENCY = np.geomspace(1e6, 0.1, 57)


def spectrum(noise: float = 1e-3, seed: int = 1) -> Complex:
    generator = np.random.default_rng(seed)
    clean = 5 + 80 / (1 + (1j * FREQUENCY / 100) ** 0.85) + 4 / np.sqrt(1j * FREQUENCY)
    parts = generator.normal(size=57) + 1j * generator.normal(size=57)
    return np.asarray(clean + noise * np.abs(clean) * parts, dtype=np.complex128)


def off_at(place: int, share: float) -> Complex:
    impedance = spectrum()
    impedance[place] *= 1 + share
    return impedance


def test_a_good_spectrum_is_good_and_says_what_was_not_looked_at() -> None:
    """No reasons; a note that a slow drift cannot be excluded, until something was given that would show it."""
    found = judge_spectrum(sweep_of(FREQUENCY, spectrum()))
    assert (found.verdict, found.reason) == (Verdict.GOOD, "")
    assert found.notes == (SLOW_DRIFT_UNSEEN,)
    watched = judge_spectrum(sweep_of(FREQUENCY, spectrum()), bias_before=0.001, bias_after=0.002, rest_second=600.0)
    assert watched.verdict is Verdict.GOOD
    assert watched.notes == ("the cell had rested for 10 min; lithium is not at rest for 30 min after plating",)


@real
def test_good_real_spectra_are_good() -> None:
    """Six measured elsewhere, one of them with an inductance."""
    for sweep in [*ageing_spectra(), example_spectrum(), zplot_spectrum()]:
        found = judge_spectrum(sweep)
        assert (found.verdict, found.reasons) == (Verdict.GOOD, ())


def test_inductive_points_are_no_fault() -> None:
    """They stay, and the note says that a fit must model them."""
    found = judge_spectrum(sweep_of(FREQUENCY, np.asarray(spectrum() + 2j * np.pi * FREQUENCY * 2e-6)))
    assert found.verdict is Verdict.GOOD
    assert found.usable.frequency_hertz.size == 57
    assert any("points are inductive: a fit must have an inductance" in note for note in found.notes)


@pytest.mark.parametrize(
    ("impedance", "verdict", "reason"),
    [
        (off_at(30, 0.03), Verdict.SUSPECT, r"Kramers–Kronig leaves 2\.\d% at 178 Hz"),
        (spectrum().real + 1.2j * spectrum().imag, Verdict.REFUSED, r"Kramers–Kronig leaves \d\.\d% rms, at most 11\.\d% at"),
        (spectrum(1e-4).real + 1.012j * spectrum(1e-4).imag, Verdict.SUSPECT, r"\(0\.\d\d% rms\) is systematic, not noise"),
        (spectrum().conj(), Verdict.REFUSED, r"turned over, the imaginary part is valid: it must be negative where the cell"),
        (spectrum() - 6.0, Verdict.REFUSED, r"the real part is below zero at .* Hz, which no passive cell has"),
        (
            np.where(FREQUENCY > 2e5, spectrum() - 6.5, spectrum()),
            Verdict.SUSPECT,
            r"^the real part is below zero above 100 kHz; 9 points there are left out$",
        ),
    ],
)
def test_what_is_wrong_is_said(impedance: Complex, verdict: Verdict, reason: str) -> None:
    """An outlier, parts that do not belong together, systematic residuals, negative resistances."""
    found = judge_spectrum(sweep_of(FREQUENCY, impedance))
    assert found.verdict is verdict
    assert re.search(reason, found.reason), found.reason


def test_a_sparse_sweep_is_not_blamed_for_its_sparseness() -> None:
    """Two points per decade cannot follow an ideal arc: suspect, with that reason, never refused."""
    frequency = np.geomspace(1e5, 1.0, 11)
    found = judge_spectrum(sweep_of(frequency, np.asarray(5 + 80 / (1 + 1j * frequency / 300), dtype=np.complex128)))
    assert found.verdict is Verdict.SUSPECT
    assert "so few points per decade leave that of a valid arc, too" in found.reason


def test_a_sweep_that_ended_early_is_suspect_or_too_short() -> None:
    """Thirty points can be tested; five cannot."""
    found = judge_spectrum(sweep_of(FREQUENCY[:30], spectrum()[:30]), planned_points=57)
    assert found.verdict is Verdict.SUSPECT
    assert found.reason == "the sweep ended after 30 of 57 points, the lowest at 237 Hz"
    short = judge_spectrum(sweep_of(FREQUENCY[:5], spectrum()[:5]))
    assert short.verdict is Verdict.REFUSED
    assert short.reason == "5 usable points are too few, or too near, for any test"
    assert short.kramers_kronig is None


def test_a_cell_that_did_not_stand_still_is_seen_by_a_second_look() -> None:
    """Bias, first point and second sweep, each with what it showed; small changes and noise pass, large ones are refused."""
    sweep = sweep_of(FREQUENCY, spectrum())
    moved = judge_spectrum(sweep, bias_before=0.0, bias_after=0.012, amplitude_volt=0.01)
    assert moved.reason == "the bias moved by +12.0 mV during the sweep, more than 5 mV"
    again = judge_spectrum(sweep, repeated_first=complex(1.03 * spectrum()[0]))
    assert (again.verdict, again.reason) == (
        Verdict.SUSPECT,
        "the repeated first frequency differs by 3.0% from the first, which noise does not explain",
    )
    assert judge_spectrum(sweep, repeated_first=complex(1.003 * spectrum()[0])).verdict is Verdict.GOOD
    assert judge_spectrum(sweep, again=sweep_of(FREQUENCY, spectrum(seed=2))).verdict is Verdict.GOOD
    grown = judge_spectrum(sweep, again=sweep_of(FREQUENCY, 1.2 * spectrum(seed=2)))
    assert grown.verdict is Verdict.REFUSED
    assert grown.reason.startswith("the second sweep differs by 20.")


@pytest.mark.parametrize(
    ("frequency", "impedance", "sentence"),
    [
        ([1.0], [1 - 1j], "a spectrum of 1 usable points was given; this needs 2"),
        ([10.0, -1.0], [1 - 1j, 2 - 1j], "point 2 of a spectrum has the frequency -1 Hz; it must be positive"),
        ([10.0, 1.0], [complex(float("nan"), 0), complex(0, float("nan"))], "a spectrum of 0 usable points"),
    ],
)
def test_what_is_no_spectrum_is_an_error(frequency: list[float], impedance: list[complex], sentence: str) -> None:
    """One point, a negative frequency, nothing but missing values."""
    with pytest.raises(AnalysisError, match=sentence):
        judge_spectrum(sweep_of(np.array(frequency), np.array(impedance)))


def test_unsorted_points_are_judged_as_sorted_ones() -> None:
    """Order does not matter."""
    shuffled = np.random.default_rng(3).permutation(57)
    one, other = (judge_spectrum(sweep_of(FREQUENCY[place], spectrum()[place])) for place in (np.arange(57), shuffled))
    assert one.kramers_kronig is not None
    assert other.kramers_kronig is not None
    assert one.kramers_kronig.residual_rms_1 == other.kramers_kronig.residual_rms_1


def test_few_healthy_sweeps_are_doubted_and_what_moves_is_seen() -> None:
    """The study's figures with few seeds: no doubts about healthy cells; growth, a loose contact and 200 mV are found."""
    figures = {figure.what: figure.figure for figure in [*study_validity.healthy(24), *study_validity.growing(25)]}
    assert figures["of them not good"] == 0.0
    for how in ("Kramers–Kronig alone", "the first point again", "a second sweep"):
        assert figures[f"interface + 0% in the sweep, not good by {how}"] == 0.0
    assert figures["interface + 2% in the sweep, not good by Kramers–Kronig alone"] == 0.0
    assert figures["interface + 10% in the sweep, not good by the first point again"] == 100.0
    assert figures["interface + 2% in the sweep, not good by a second sweep"] == 100.0
    disturbed = {figure.what: figure.figure for figure in study_validity.disturbed(25)}
    assert disturbed["contact jumps by 2 Ω of 95, not good"] >= 90.0
    assert disturbed["amplitude 10 mV, not good"] == 0.0
    assert disturbed["amplitude 200 mV, not good"] == 100.0
    before, after, inside = (figure.figure for figure in study_validity.corrected(25))
    assert after < before / 20
    assert inside == pytest.approx(95.0, abs=2.0)


def test_pulse_and_interrupt_of_emulated_cells_agree_with_their_impedance() -> None:
    """The line in √t leaves diffusion out: within 1 % on the mean of 12 cells; a pulse of 1 s holds 2 % of it."""
    figures = {figure.what: figure.figure for figure in study_validity.direct(12)}
    assert figures["R by interrupt over R_s + R_i, mean"] == pytest.approx(1.0, abs=0.01)
    assert figures["interrupt agrees with impedance"] >= 75.0
    assert 1.005 < figures["R by pulse after 1 s over R_s + R_i, mean"] < 1.03
