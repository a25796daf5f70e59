"""Shorts: each sign by itself, the grades they make, what is kept of them, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, half_cycle_shape
from harness.analysis.short_signs import Evidence, ImpedanceState, ShortContext, usual_second
from harness.analysis.short_words import short_sentence
from harness.analysis.shorts import ShortVerdict, evidence_from_json, judge_short
from harness.errors import AnalysisError

TIME = np.arange(0.0, 3601.0, 30.0)
NORMAL = Estimate.normal


def half(overpotential: Array | float, *, noise: float = 2e-5, seed: int = 0, time: Array = TIME) -> HalfCycleShape:
    """A deposit at −1 mA with this |η| and white noise."""
    draw = np.random.default_rng(seed)
    volt = -(np.zeros(time.size) + overpotential) + noise * draw.standard_normal(time.size)
    return half_cycle_shape(time, volt, np.full(time.size, -1e-3), open_voltage_volt=0.0)


def full(volt: Array, current: float, rest: float) -> HalfCycleShape:
    noise = 1e-4 * np.random.default_rng(1).standard_normal(TIME.size)
    return half_cycle_shape(TIME, volt + noise, np.full(TIME.size, current), open_voltage_volt=None, rest_voltage_volt=rest)


def signs(verdict: ShortVerdict) -> list[str]:
    return [one.sign for one in verdict.evidence]


def within(first: float, last: float) -> Array:
    inside: Array = ((first < TIME) & (last >= TIME)).astype(float)
    return inside


SOUND = [half(0.06, seed=seed) for seed in range(1, 6)]
ARCED = [half(0.06 + 0.03 * (TIME / 3600.0) ** 8, seed=seed) for seed in range(1, 6)]


def test_a_sound_half_cycle_has_no_sign() -> None:
    """Nothing is seen and nothing is kept."""
    verdict = judge_short(half(0.06), SOUND)
    assert verdict == ShortVerdict("", ())
    assert verdict.evidence_json() == ""


@pytest.mark.parametrize(("part", "grade"), [(0.05, ""), (0.12, "suspect"), (0.5, "suspect")])
def test_a_fall_that_lasts_is_two_signs(part: float, grade: str) -> None:
    """A fall from 8 % on, and the lower resistance after it, with its size and the readings that show it."""
    verdict = judge_short(half(0.06 * (1.0 - part * within(1500.0, 2400.0))), SOUND)
    assert verdict.grade == grade
    if grade:
        fall, lower = verdict.evidence
        assert (fall.sign, lower.sign) == ("abrupt_fall", "resistance_fall")
        assert fall.value == pytest.approx(part, abs=2e-3)
        assert (fall.from_second, fall.to_second) == (1500.0, 1530.0)
        assert (lower.from_second, lower.to_second) == (1530.0, 2430.0)


@pytest.mark.parametrize(
    "trace",
    [
        0.06 * (1.0 - 0.5 * within(1490.0, 1500.0)),
        0.06 * (1.0 - 0.5 * within(3550.0, 3700.0)),
        0.06 * (1.0 - 0.5 * (TIME > 1500.0) * np.minimum(1.0, (TIME - 1500.0) / 900.0)),
        0.06 + 0.06 * np.exp(-TIME / 100.0),
        0.06 + 0.3 * within(-1.0, 0.0),
        0.06 + 0.02 * within(-1.0, 30.0),
    ],
    ids=["a spike", "the end", "a slow fall", "nucleation", "a first reading", "nucleation between two readings"],
)
def test_what_is_no_fall(trace: Array) -> None:
    """Spikes, the last moments, slow changes and the beginning of a half cycle are no sign."""
    assert judge_short(half(trace), SOUND).grade == ""


def test_a_change_of_current_explains_a_fall() -> None:
    """A voltage that falls with the current is none."""
    current = -1e-3 * (1.0 - 0.03 * within(1500.0, 4000.0))
    shape = half_cycle_shape(TIME, -0.06 * (1.0 - 0.2 * within(1500.0, 4000.0)), current, open_voltage_volt=0.0)
    assert judge_short(shape, SOUND).grade == ""


@pytest.mark.parametrize(
    ("current", "sign", "healed", "grade"),
    [(1e-3, 1.0, True, "suspect"), (1e-3, 1.0, False, "suspect"), (-1e-3, -1.0, True, "suspect"), (-1e-3, -1.0, False, "")],
)
def test_full_cells_fall_in_both_directions(current: float, sign: float, *, healed: bool, grade: str) -> None:
    """A short lowers the voltage of a full cell always; a discharging one may fall by itself, but not come back."""
    dip = within(1500.0, 2100.0 if healed else 4000.0)
    verdict = judge_short(full(3.7 + sign * (0.05 + 2e-5 * TIME) - 0.012 * dip, current, 3.7), [])
    assert verdict.grade == grade


def test_a_charge_that_goes_on_rising_has_passed_no_peak() -> None:
    """A short slows the rise of a charging voltage; the far side of a peak does not rise."""
    rising = 3.75 + 1.9e-4 * (TIME - 0.45 * np.maximum(TIME - 1500.0, 0.0))
    assert judge_short(full(rising - 0.006 * within(1500.0, 4000.0), 1e-3, 3.7), []).grade == "suspect"
    assert judge_short(full(rising, 1e-3, 3.7), []).grade == ""


def test_a_half_cycle_that_never_ends_is_judged_by_the_usual_length() -> None:
    """A short that takes all of the current in the end keeps a strip from its cut-off: what is abrupt in an hour is not so in a
    day.
    """
    time = np.arange(0.0, 86401.0, 30.0)
    volt = 0.06 * (1.0 - 0.2 * ((time > 1500.0) & (time <= 3600.0))) + 0.24 * (time > 3600.0)
    volt += 2e-5 * np.random.default_rng(3).standard_normal(time.size)
    steady = (time, volt, np.full(time.size, 1e-3))
    assert judge_short(half_cycle_shape(*steady, open_voltage_volt=0.0), SOUND).grade == ""
    seen = half_cycle_shape(*steady, open_voltage_volt=0.0, usual_second=usual_second(SOUND))
    verdict = judge_short(seen, SOUND)
    assert verdict.grade == "suspect"
    assert (verdict.evidence[0].from_second, verdict.evidence[0].to_second) == (1500.0, 1530.0)
    assert usual_second([]) is None


def test_the_return_from_a_fall_shows_what_began_before_the_current() -> None:
    """A discharging voltage that rises was lower until then; without anything healthy that does so it counts like the fall."""
    volt = 3.65 - 2e-5 * TIME - 0.012 * (TIME <= 900.0)
    verdict = judge_short(full(volt, -1e-3, 3.7), [])
    assert verdict.grade == "suspect"
    assert signs(verdict) == ["abrupt_return", "resistance_fall"]
    assert (verdict.evidence[1].from_second, verdict.evidence[1].to_second) == (0.0, 900.0)
    assert "the voltage came back by" in told(lambda: verdict)


def discharge(charge: float = 1.0, dip: float = 0.0, *, current: float = -1e-3) -> HalfCycleShape:
    """A discharge from 3.7 V at rest by 50 Ω; a last part of it lower by ``dip``, and ``charge`` of the usual time."""
    time = TIME * charge
    noise = 1e-4 * np.random.default_rng(2).standard_normal(time.size)
    volt = 3.7 + 50.0 * current - 2e-5 * time - dip * (time >= 2000.0) + noise
    return half_cycle_shape(time, volt, np.full(time.size, current), open_voltage_volt=None, rest_voltage_volt=3.7)


SHORTED = discharge(0.9, 0.0125)
"""A quarter of the current over the last 0.38 of the time: 0.096 of the charge, which came to 0.9 of the usual."""


@pytest.mark.parametrize(
    ("shape", "usual", "efficiency", "grade"),
    [
        (SHORTED, [discharge(), discharge()], 0.9, "suspect"),
        (SHORTED, [discharge()], 0.9, ""),
        (SHORTED, [discharge(0.91), discharge(1.0)], 0.9, ""),
        (SHORTED, [discharge(1.1), discharge()], 0.9, ""),
        (SHORTED, [discharge(current=-2e-3), discharge(current=-2e-3)], 0.9, ""),
        (SHORTED, [discharge(), discharge()], 0.99, ""),
        (SHORTED, [discharge(), discharge()], None, ""),
        (discharge(0.98, 0.0125), [discharge(), discharge()], 0.9, ""),
        (discharge(0.9), [discharge(), discharge()], 0.9, ""),
    ],
    ids=[
        "a short", "one discharge is no usual", "as small as an earlier one", "they become smaller anyway", "another current",
        "what was charged came back", "not known what was charged", "too little is missing", "no fall",
    ],
)  # fmt: skip
def test_a_fall_that_lasts_until_a_discharge_ends_needs_the_charge_that_a_short_takes(
    shape: HalfCycleShape, usual: list[HalfCycleShape], efficiency: float | None, grade: str
) -> None:
    """At least half of it must be missing beside the usual and in the efficiency; a kind of lithium that runs out takes none."""
    known = None if efficiency is None else NORMAL(efficiency, 1e-3)
    verdict = judge_short(shape, usual, ShortContext(coulombic_efficiency=known))
    assert verdict.grade == grade
    if grade:
        fall, missing = verdict.evidence
        assert (fall.sign, missing.sign) == ("abrupt_fall", "charge_missing")
        assert missing.value == pytest.approx(1 / 0.9 - 1)
        assert missing.threshold == pytest.approx(0.5 * 0.25 * (1 - 2000 / 3240), rel=0.1)
        assert "charge is missing, 11.1% of what came, as if taken by a short from 0.56" in told(lambda: verdict)


def test_a_discharge_that_ended_on_time_misses_no_charge() -> None:
    """Its efficiency is a lower bound: what did not come may have been left."""
    bound = Estimate(0.9, 1e-3, 0.898, None, "the removal ended on time")
    assert judge_short(SHORTED, [discharge(), discharge()], ShortContext(coulombic_efficiency=bound)).grade == ""


def test_a_lower_resistance_of_the_whole_needs_size_certainty_and_suddenness() -> None:
    """A fall by a fifth of the median counts; one within the usual scatter, or that was going on, does not."""
    assert signs(judge_short(half(0.045), SOUND)) == ["resistance_fall"]
    assert signs(judge_short(half(0.05), SOUND)) == []
    scattered = [half(0.06 * factor) for factor in (0.8, 1.2, 0.9, 1.3, 1.0)]
    assert signs(judge_short(half(0.045), scattered)) == []
    falling = [half(0.06 * 0.85**count) for count in range(5)]
    assert signs(judge_short(half(0.06 * 0.85**5), falling)) == []
    assert signs(judge_short(half(0.045), SOUND[:2])) == []


def test_a_short_that_stays_is_not_the_usual() -> None:
    """Half cycles with a grade are no measure for later ones."""
    shorted = [replace(half(0.045, seed=seed), short_grade="suspect") for seed in range(6, 16)]
    assert signs(judge_short(half(0.045), [*SOUND, *shorted])) == ["resistance_fall"]


def test_a_rectangular_trace_after_arcing_is_a_sign() -> None:
    """Flat to the end, where the end used to rise; arcing that goes on, or never was, is none."""
    assert signs(judge_short(half(0.058), ARCED)) == ["rectangular"]
    assert signs(judge_short(half(0.06 + 0.03 * (TIME / 3600.0) ** 8), ARCED)) == []
    assert signs(judge_short(half(0.058), SOUND)) == []


def test_noise_counts_beside_that_of_the_first_half_cycles() -> None:
    """Five times and more; a coarse converter's step is no noise."""
    assert signs(judge_short(half(0.06, noise=2e-4), SOUND)) == ["noise"]
    assert signs(judge_short(half(0.06, noise=6e-5), SOUND)) == []
    coarse = half(np.round((0.06 + 1e-4 * np.sin(TIME)) / 1e-3) * 1e-3, noise=0.0)
    assert signs(judge_short(coarse, SOUND)) == []


def spectrum(series: float, interface: float, low: float | None = None, std: float = 0.1) -> ImpedanceState:
    return ImpedanceState(NORMAL(series, std), NORMAL(interface, std), None if low is None else NORMAL(low, std))


@pytest.mark.parametrize(
    ("context", "sign"),
    [
        (ShortContext(spectrum(10.0, 60.0), spectrum(7.5, 60.0)), "impedance_fall"),
        (ShortContext(spectrum(10.0, 60.0), spectrum(10.0, 40.0)), "impedance_fall"),
        (ShortContext(spectrum(10.0, 60.0), spectrum(10.0, 59.0, 50.0)), "impedance_fall"),
        (ShortContext(spectrum(10.0, 60.0), spectrum(9.0, 55.0, 70.0)), None),
        (ShortContext(spectrum(10.0, 60.0, std=5.0), spectrum(7.5, 45.0, std=5.0)), None),
        (ShortContext(spectrum(10.0, 60.0)), None),
        (
            ShortContext(relaxation_volt_per_second=-4e-5, usual_relaxation_volt_per_second=(1e-5, 1.1e-5, 0.9e-5)),
            "fast_relaxation",
        ),
        (ShortContext(relaxation_volt_per_second=2e-5, usual_relaxation_volt_per_second=(1e-5, 1.1e-5, 0.9e-5)), None),
        (ShortContext(relaxation_volt_per_second=4e-5, usual_relaxation_volt_per_second=(1e-5, 3e-5, 0.1e-5)), None),
        (ShortContext(relaxation_volt_per_second=4e-5), None),
        (ShortContext(coulombic_efficiency=NORMAL(1.01, 0.002)), "charge_surplus"),
        (ShortContext(coulombic_efficiency=NORMAL(1.01, 0.004)), None),
        (ShortContext(coulombic_efficiency=Estimate.refused("incomplete")), None),
    ],
)
def test_signs_from_elsewhere_need_size_and_certainty(context: ShortContext, sign: str | None) -> None:
    """Impedance, rest and charge speak where they were measured, and only beyond their errors."""
    assert signs(judge_short(half(0.06), SOUND, context)) == ([] if sign is None else [sign])


def test_two_signs_are_suspect_and_three_likely() -> None:
    """The grade counts signs, whichever they are."""
    surplus = ShortContext(coulombic_efficiency=NORMAL(1.05, 0.002))
    assert judge_short(half(0.045), SOUND).grade == ""
    assert judge_short(half(0.045), SOUND, surplus).grade == "suspect"
    assert judge_short(half(0.045, noise=3e-4), SOUND, surplus).grade == "likely"


@pytest.mark.parametrize(
    ("shape", "context", "sign"),
    [
        (half(1.1e-4, noise=1e-7), ShortContext(lead_resistance_ohm=0.1), "hard_at_the_leads"),
        (half(1e-3), ShortContext(), "hard_no_voltage"),
        (half(0.06 * (1.0 - 0.98 * within(1500.0, 4000.0))), ShortContext(), "hard_no_voltage"),
    ],
)
def test_a_hard_short_shows_by_itself(shape: HalfCycleShape, context: ShortContext, sign: str) -> None:
    """The leads' resistance, next to none beside the usual, or a fall to next to nothing."""
    verdict = judge_short(shape, SOUND, context)
    assert verdict.grade == "hard"
    assert verdict.evidence[0].sign == sign


def test_low_resistances_without_comparison_are_no_hard_short() -> None:
    """A good cell at a small current is not shorted for having a low voltage."""
    assert judge_short(half(1e-3), []).grade == ""
    assert judge_short(half(1e-3), [half(1.1e-3)] * 5, ShortContext(lead_resistance_ohm=0.1)).grade == ""


numbers = st.floats(allow_nan=False, allow_infinity=False)
evidence = st.builds(Evidence, st.text(max_size=20), numbers, numbers, st.none() | numbers, st.none() | numbers)


@given(st.lists(evidence, max_size=7))
def test_evidence_goes_through_its_text(given_evidence: list[Evidence]) -> None:
    """What is stored is what was seen."""
    verdict = ShortVerdict("suspect", tuple(given_evidence))
    assert evidence_from_json(verdict.evidence_json()) == verdict.evidence


@pytest.mark.parametrize("text", ["nonsense", '[{"sign": "noise"}]', "[1]", "3"])
def test_other_text_is_no_evidence(text: str) -> None:
    """One sentence."""
    with pytest.raises(AnalysisError, match="this is no evidence of a short"):
        evidence_from_json(text)


def told(make: Callable[[], ShortVerdict]) -> str:
    verdict = make()
    return short_sentence(verdict.grade, verdict.evidence, role="plate", cycle_count=12, duration_second=3600.0)


def test_a_person_is_told_in_one_sentence() -> None:
    """Grade, half cycle, every sign with size and place."""
    assert told(lambda: judge_short(half(0.06), SOUND)) == "no sign of a short in plate 12"
    dip = 0.06 * (1.0 - 0.25 * within(1500.0, 2400.0))
    assert told(lambda: judge_short(half(dip), SOUND)) == (
        "suspect short in plate 12: the voltage fell by 25% of what drives the cell within 30 s at 0.42 of the step; "
        "the apparent resistance was 25% lower from 0.42 to 0.68 of the step"
    )
    assert told(lambda: judge_short(half(0.045), SOUND)) == (
        "a single sign, which is no verdict, in plate 12: the apparent resistance was 25% lower"
    )
    surplus = ShortContext(coulombic_efficiency=NORMAL(1.05, 0.002))
    assert "105.00% of the lithium came back, and its error explains 100.80%" in told(
        lambda: judge_short(half(0.06), SOUND, surplus)
    )
