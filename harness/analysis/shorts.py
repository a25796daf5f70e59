"""Whether a half cycle shows a short: two of its signs make it suspect, three likely; a hard short shows by itself.

The signs, their sizes and how certain they must be: `harness.analysis.short_signs`. Transient shorts are common where nothing
looks wrong, and a flat, rectangular trace may be one: S. Menkin et al., Faraday Discuss. (2024), 10.1039/D3FD00101F; M. J.
Counihan et al., Joule 8 (2024) 64. No sign is a proof: a contact that becomes better lowers the resistance as abruptly. What a
half cycle cannot show by itself: a short that is there before the current begins (one sign, beside earlier half cycles), one
during a hold of the voltage, one between two of few readings, and one that is still there when a discharge ends, which takes
two earlier discharges and the cycle's efficiency to be told from a kind of lithium that runs out.

A hard short leaves no cell between the leads: |V/I| is their resistance within a fifth, or next to nothing beside what the cell
had, or the voltage falls to next to nothing while the current flows.

What is usual is taken from earlier half cycles without a grade, so that a short that stays does not become the usual.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from harness.analysis import short_signs
from harness.analysis.estimate import Estimate
from harness.analysis.shape import METHOD_VERSION as SHAPE_VERSION
from harness.analysis.shape import HalfCycleShape
from harness.analysis.short_signs import Evidence, ShortContext
from harness.errors import AnalysisError
from harness.model.derived import HalfCycleRow

METHOD_VERSION = "short-2"

SUSPECT, LIKELY = 2, 3
LEADS_1 = 0.2
NEXT_TO_NOTHING_1 = 0.05
NO_CONTEXT = ShortContext()


@dataclass(frozen=True, slots=True)
class ShortVerdict:
    """``grade``: "" (nothing, or a single sign), ``suspect``, ``likely`` or ``hard``; ``evidence`` has each sign that was
    seen.
    """

    grade: str
    evidence: tuple[Evidence, ...]

    def evidence_json(self) -> str:
        """The evidence as text, "" where there is none."""
        return json.dumps([asdict(one) for one in self.evidence]) if self.evidence else ""


def judge_short(shape: HalfCycleShape, history: Sequence[HalfCycleShape], context: ShortContext = NO_CONTEXT) -> ShortVerdict:
    """The verdict on one half cycle; ``history`` has the earlier ones of the same polarity, oldest first, with their grades.

    Signs for which something is missing (too few earlier half cycles, no spectrum, no rest) are not seen: they speak neither
    for a short nor against one. `suspect` or more counts as found.
    """
    usual = short_signs.usual_halves(history)
    found = short_signs.falls(shape)
    draining = short_signs.draining_fall(shape, usual, context.coulombic_efficiency)
    seen = (
        short_signs.abrupt_fall(shape, found if draining is None else [*found, draining[0]]),
        short_signs.resistance_fall(shape, usual, found),
        short_signs.rectangular(shape, usual),
        short_signs.impedance_fall(context),
        short_signs.fast_relaxation(context),
        short_signs.charge_surplus(context),
        None if draining is None else draining[1],
        short_signs.noise(shape, history),
    )
    evidence = tuple(one for one in seen if one is not None)
    hard = _hard(shape, usual, found, context)
    if hard is not None:
        return ShortVerdict("hard", (hard, *evidence))
    grade = "likely" if len(evidence) >= LIKELY else "suspect" if len(evidence) >= SUSPECT else ""
    return ShortVerdict(grade, evidence)


def half_cycle_row(
    shape: HalfCycleShape,
    verdict: ShortVerdict,
    *,
    run_id: str,
    cycle_count: int,
    unix_time_nanosecond: int,
    role: str,
    capacity_ah: Estimate,
    flags: frozenset[str] = frozenset(),
) -> HalfCycleRow:
    """What is stored of a half cycle; ``flags`` are added to the shape's own. `harness.analysis.shape.shape_from_row` reads
    it.
    """
    return HalfCycleRow(
        run_id,
        cycle_count,
        unix_time_nanosecond,
        role,
        shape.current_ampere,
        capacity_ah.value,
        capacity_ah.std,
        shape.duration_second,
        shape.nucleation_overpotential_volt.value,
        shape.nucleation_overpotential_volt.std,
        shape.plateau_overpotential_volt.value,
        shape.plateau_overpotential_volt.std,
        shape.end_overpotential_volt.value,
        shape.end_overpotential_volt.std,
        shape.arcing_1.value,
        shape.arcing_1.std,
        shape.noise_volt,
        shape.apparent_resistance_ohm.value,
        shape.apparent_resistance_ohm.std,
        verdict.grade,
        verdict.evidence_json(),
        " ".join(sorted(shape.flags | flags)),
        f"{SHAPE_VERSION} {METHOD_VERSION}",
    )


def evidence_from_json(text: str) -> tuple[Evidence, ...]:
    """The evidence of `ShortVerdict.evidence_json`.

    Raises:
        AnalysisError: other text.
    """
    try:
        return tuple(Evidence(**one) for one in json.loads(text)) if text else ()
    except (ValueError, TypeError) as error:
        raise AnalysisError(f"this is no evidence of a short ({error}): {text[:80]!r}") from None


def _resistance_to_zero(shape: HalfCycleShape) -> float | None:
    """|V / I| of a shape from a row, which is its apparent resistance where the cell is at 0 V without a current."""
    return shape.apparent_resistance_ohm.value if shape.open_voltage_known else None


def _hard(
    shape: HalfCycleShape, usual: Sequence[HalfCycleShape], found: Sequence[short_signs.Fall], context: ShortContext
) -> Evidence | None:
    resistance, leads = shape.terminal_resistance_ohm, context.lead_resistance_ohm
    if resistance is not None and leads is not None and leads > 0.0 and resistance <= (1.0 + LEADS_1) * leads:
        return short_signs.whole("hard_at_the_leads", shape, resistance, (1.0 + LEADS_1) * leads)
    before = [one.terminal_resistance_ohm or _resistance_to_zero(one) for one in usual]
    known = [one for one in before if one is not None]
    if resistance is not None and known and resistance <= NEXT_TO_NOTHING_1 * float(np.median(known)):
        return short_signs.whole("hard_no_voltage", shape, resistance, NEXT_TO_NOTHING_1 * float(np.median(known)))
    for fall in found:
        left = fall.jump.after_volt / fall.jump.before_volt
        if fall.jump.change_volt < 0.0 and left <= NEXT_TO_NOTHING_1:
            return short_signs.at("hard_no_voltage", shape, left, NEXT_TO_NOTHING_1, (fall.jump.from_second, fall.until_second))
    return None
