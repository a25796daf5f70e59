"""What speaks for a short, in one sentence for a person."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.short_signs import Evidence

_NOTHING = "no sign of a short"
_FORMS = {
    "abrupt_fall": "the voltage fell by {value:.0%} of what drives the cell{where}",
    "abrupt_fall_volt": "the voltage fell by {millivolt:.3g} mV{where}",
    "abrupt_return": "the voltage came back by {value:.0%} of what drives the cell{where}",
    "abrupt_return_volt": "the voltage came back by {millivolt:.3g} mV{where}",
    "resistance_fall": "the apparent resistance was {value:.0%} lower{span}",
    "resistance_fall_volt": "the voltage stayed {millivolt:.3g} mV lower{span}",
    "rectangular": "the trace is flat to its end, and earlier ones were not",
    "impedance_fall": "a resistance of the impedance fell by {value:.0%}",
    "fast_relaxation": "at rest the voltage went {value:.3g} times as fast as usual",
    "charge_surplus": "{value:.2%} of the lithium came back, and its error explains {threshold:.2%}",
    "charge_missing": "charge is missing, {value:.1%} of what came, as if taken by a short{span}",
    "noise": "the voltage is {value:.3g} times as noisy as in the first half cycles",
    "hard_at_the_leads": "{value:.3g} Ω between the leads are their own resistance",
    "hard_no_voltage": "next to no voltage is left while the current flows{span}",
}


def short_sentence(
    grade: str, evidence: Sequence[Evidence], *, role: str, cycle_count: int, duration_second: float | None
) -> str:
    """One sentence: the grade, the half cycle, and every sign with its size and place."""
    half = f"{role} {cycle_count}"
    if not evidence:
        return f"{_NOTHING} in {half}"
    head = f"{grade} short in {half}" if grade else f"a single sign, which is no verdict, in {half}"
    return f"{head}: {'; '.join(_clause(one, duration_second) for one in evidence)}"


def _clause(one: Evidence, duration: float | None) -> str:
    form = _FORMS.get(one.sign, one.sign.replace("_", " ") + " of {value:.3g}")
    where, span = _where(one, duration), _span(one, duration)
    return form.format(value=one.value, millivolt=1e3 * one.value, threshold=one.threshold, where=where, span=span)


def _where(one: Evidence, duration: float | None) -> str:
    if one.from_second is None or one.to_second is None:
        return ""
    within = f" within {one.to_second - one.from_second:.3g} s"
    return f"{within} at {one.from_second / duration:.2f} of the step" if duration else within


def _span(one: Evidence, duration: float | None) -> str:
    if one.from_second is None or one.to_second is None or not duration:
        return ""
    first, last = one.from_second / duration, one.to_second / duration
    return "" if first <= 0.0 and last >= 1.0 else f" from {first:.2f} to {last:.2f} of the step"
