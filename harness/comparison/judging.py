"""What a scenario expects, judged: each line of its ``expect`` block against a comparison with the truth. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.comparison.run import TruthComparison, worst
from harness.model.expectations import Expectations
from harness.model.written import validated

FLAGS_OF_SHORT = frozenset({"soft_short", "soft_short_suspect", "soft_short_likely"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """One expectation: what was wanted, what was found, and whether it holds. What could not be found does not hold."""

    name: str
    expected: str
    found: str
    holds: bool


def judge(comparison: TruthComparison) -> list[Judgement]:
    """Every stated expectation, in the order of the model; none when the scenario expects nothing.

    Raises:
        BadInput: the truth holds an ``expect`` block that is none.
    """
    if comparison.expect is None:
        return []
    expected = validated(Expectations, comparison.expect, "the truth's expect block")
    return [_JUDGES[name](name, getattr(expected, name), comparison) for name in expected.stated]


Judge = Callable[[str, object, TruthComparison], Judgement]


def _exactly(found: Callable[[TruthComparison], object]) -> Judge:
    def judged(name: str, expected: object, comparison: TruthComparison) -> Judgement:
        value = found(comparison)
        return Judgement(name, f"= {expected}", "unknown" if value is None else str(value), value == expected)

    return judged


def _at_most(found: Callable[[TruthComparison], float | None]) -> Judge:
    def judged(name: str, expected: object, comparison: TruthComparison) -> Judgement:
        value, limit = found(comparison), float(str(expected))
        return Judgement(
            name, f"≤ {limit:g}", "unknown" if value is None else f"{value:.3g}", value is not None and value <= limit
        )

    return judged


def _at_least(found: Callable[[TruthComparison], int]) -> Judge:
    def judged(name: str, expected: object, comparison: TruthComparison) -> Judgement:
        value, limit = found(comparison), int(str(expected))
        return Judgement(name, f"≥ {limit}", str(value), value >= limit)

    return judged


def _incidents(*, wanted: bool) -> Judge:
    def judged(name: str, expected: object, comparison: TruthComparison) -> Judgement:
        kinds = set(expected) if isinstance(expected, tuple) else set()
        met = {one.kind for fault in comparison.faults for one in fault.reactions} | {one.kind for one in comparison.unexplained}
        wrong = sorted(kinds - met) if wanted else sorted(kinds & met)
        shown = ", ".join(wrong) or "none"
        return Judgement(name, ", ".join(sorted(kinds)), f"{'missing' if wanted else 'present'}: {shown}", not wrong)

    return judged


def _short(name: str, expected: object, comparison: TruthComparison) -> Judgement:
    """Whether this run's channel is flagged, and whether it should be."""
    channels = expected if isinstance(expected, tuple) else ()
    flagged = any(FLAGS_OF_SHORT & set(cycle.flags.split()) for cycle in comparison.cycles)
    wanted = comparison.channel in channels
    words = {True: "flagged", False: "not flagged"}
    return Judgement(name, words[wanted], words[flagged], flagged is wanted)


def _worst_resistance(comparison: TruthComparison) -> float | None:
    both = [(sweep.series_resistance_ohm, sweep.interface_resistance_ohm) for sweep in comparison.sweeps]
    return worst([one.deviation for pair in both for one in pair])


_JUDGES: dict[str, Judge] = {
    "records_lost": _exactly(lambda found: found.records.lost),
    "duplicate_points": _exactly(lambda found: found.records.duplicates),
    "cycles_min": _at_least(lambda found: sum(one.coulombic_efficiency.measured is not None for one in found.cycles)),
    "ce_abs_error_max": _at_most(lambda found: worst([one.coulombic_efficiency.difference for one in found.cycles])),
    "ce_deviation_max": _at_most(lambda found: worst([one.coulombic_efficiency.deviation for one in found.cycles])),
    "resistance_deviation_max": _at_most(_worst_resistance),
    "residual_max_mah_cm2": _at_most(lambda found: found.residual_max_mah_cm2),
    "completed": _exactly(lambda found: found.completed),
    "incidents": _incidents(wanted=True),
    "no_incidents": _incidents(wanted=False),
    "soft_short_flagged": _short,
}
