"""The main facts of an anode by which cells are chosen and compared, and the findings of its claims as text. Decides nothing.

The facts are words, so that they can be tags: what is not known is ``unknown``, which is an answer like any other.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.anode import ActiveLithium, AnodeBuild
from harness.model.claims import CLAIMS, ClaimFinding, Finding, Verdict

UNKNOWN = "unknown"
_BANDS = ((20.0, "2_to_20um"), (50.0, "20_to_50um"), (100.0, "50_to_100um"))


@dataclass(frozen=True, slots=True)
class AnodeFacts:
    """What a run pins of its anode. Numbers that are not known are ``None``."""

    substrate: str
    lithium_origin: str
    lithium_thickness_um: float | None
    layer_count: int | None
    co_deposition_gas: str


def anode_facts(build: AnodeBuild) -> AnodeFacts:
    """The main facts of ``build``."""
    substrate, active = build.substrate, build.active
    return AnodeFacts(
        substrate=UNKNOWN if substrate is None or substrate.class_ is None else substrate.class_.value,
        lithium_origin=active.origin or UNKNOWN,
        lithium_thickness_um=None if active.thickness is None else active.thickness.value_um,
        layer_count=None if build.layers is None else len(build.layers),
        co_deposition_gas=_co_deposition_gas(active),
    )


def thickness_band(thickness_um: float | None) -> str:
    """A thickness of lithium as a word; the bands end at 2, 20, 50 and 100 µm, each with its upper end."""
    if thickness_um is None:
        return UNKNOWN
    if thickness_um < 2.0:
        return "under_2um"
    return next((word for limit, word in _BANDS if thickness_um <= limit), "over_100um")


def findings_text(findings: Sequence[ClaimFinding]) -> str:
    """Findings as one line of JSON."""
    return json.dumps([_plain(finding) for finding in findings], separators=(",", ":"))


def findings_from(text: str) -> tuple[ClaimFinding, ...]:
    """The inverse of `findings_text`. Raises `ValueError` for anything else."""
    try:
        return tuple(_finding(row) for row in json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the findings are not what this software writes ({error!r})") from error


def verdict_words(text: str | None) -> dict[str, str | None]:
    """The strict verdict of each claim (``claim_1`` … ``claim_20``) in findings; ``None`` where there are none."""
    found = {} if text is None else dict(_strict_words(text))
    return {claim_name(claim): found.get(claim) for claim in CLAIMS}


def claim_name(claim: int) -> str:
    """``claim_12``: the tag and the column of a claim's verdict."""
    return f"claim_{claim}"


@functools.lru_cache(maxsize=256)
def _strict_words(text: str) -> tuple[tuple[int, str], ...]:
    """Cells of one build share their findings, and every list of runs asks for them."""
    return tuple((finding.claim, finding.strict.verdict.value) for finding in findings_from(text))


def _co_deposition_gas(active: ActiveLithium) -> str:
    """Formulas joined by ``+``; ``none`` for a foil, a deposition without gas, and gases that were let in afterwards."""
    known = active.co_deposition
    if active.origin == "foil" or known == "none":
        return "none"
    if known is None:
        return UNKNOWN
    if known.in_situ is False or known.gases == ():
        return "none"
    if known.in_situ is None or known.gases is None:
        return UNKNOWN
    return "+".join(sorted({gas.species for gas in known.gases}))


def _plain(finding: ClaimFinding) -> dict[str, object]:
    readings = {"strict": finding.strict, "broad": finding.broad}
    told = {name: [one.verdict.value, one.reason] for name, one in readings.items() if one is not None}
    return {"claim": finding.claim, **told}


def _finding(row: dict[str, object]) -> ClaimFinding:
    claim, strict, broad = row["claim"], row["strict"], row.get("broad")
    if type(claim) is not int:
        raise ValueError(f"{claim!r} is not the number of a claim")
    return ClaimFinding(claim, _reading(strict), None if broad is None else _reading(broad))


def _reading(found: object) -> Finding:
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[1], str):
        raise ValueError(f"{found!r} is not a verdict and its reason")
    return Finding(Verdict(found[0]), found[1])
