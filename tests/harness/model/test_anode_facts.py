"""The words by which anodes are compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.anode import AnodeBuild
from harness.model.anode_facts import (
    AnodeFacts,
    anode_facts,
    findings_from,
    findings_text,
    thickness_band,
    verdict_words,
)
from harness.model.claims import CLAIMS, ClaimFinding, Finding, Verdict

FINDING = st.builds(Finding, st.sampled_from(Verdict), st.text())
FINDINGS = st.tuples(*[st.builds(ClaimFinding, st.just(claim), FINDING, st.none() | FINDING) for claim in CLAIMS])


def build(active: dict[str, Any], **rest: Any) -> AnodeBuild:
    return AnodeBuild.model_validate({"id": "b", "active": active, "layers": None} | rest)


def test_facts_of_nothing_known_are_unknown() -> None:
    """What is not known is a word, or an absent number."""
    assert anode_facts(build({})) == AnodeFacts("unknown", "unknown", None, None, "unknown")
    assert anode_facts(build({}, substrate={"class": None})).substrate == "unknown"


def test_facts_are_the_build_s_own() -> None:
    """What is known is said in the build's own words."""
    told = build({"origin": "deposited", "thickness": {"value_um": 20}}, substrate={"class": "metal_foil"},
                 layers=[{"kind": "polymer"}, {"kind": "alloy"}])  # fmt: skip
    assert anode_facts(told) == AnodeFacts("metal_foil", "deposited", 20.0, 2, "unknown")


@pytest.mark.parametrize(
    ("active", "gas"),
    [
        ({"origin": "foil"}, "none"),
        ({"origin": "deposited"}, "unknown"),
        ({"origin": "deposited", "co_deposition": "none"}, "none"),
        ({"co_deposition": {"in_situ": True, "gases": [{"species": "SO2"}, {"species": "CO2"}]}}, "CO2+SO2"),
        ({"co_deposition": {"in_situ": False, "gases": [{"species": "CO2"}]}}, "none"),
        ({"co_deposition": {"in_situ": True, "gases": []}}, "none"),
        ({"co_deposition": {"in_situ": True}}, "unknown"),
        ({"co_deposition": {"gases": [{"species": "CO2"}]}}, "unknown"),
    ],
)
def test_gas_is_what_was_there_while_lithium_was_deposited(active: dict[str, Any], gas: str) -> None:
    """Gases let in afterwards are none; where nobody knows, it is unknown."""
    assert anode_facts(build(active)).co_deposition_gas == gas


@pytest.mark.parametrize(
    ("thickness_um", "band"),
    [(None, "unknown"), (1.99, "under_2um"), (2.0, "2_to_20um"), (20.0, "2_to_20um"), (20.1, "20_to_50um"), (50.0, "20_to_50um"),
     (100.0, "50_to_100um"), (100.1, "over_100um")],
)  # fmt: skip
def test_thickness_band_keeps_the_ends_of_claim_3_inside(thickness_um: float | None, band: str) -> None:
    """2 µm and 100 µm belong to the range that the claim names."""
    assert thickness_band(thickness_um) == band


@given(FINDINGS)
def test_findings_come_back_from_their_text(findings: tuple[ClaimFinding, ...]) -> None:
    """Every verdict and reason survives, and the strict verdict is the word of its claim."""
    text = findings_text(findings)
    assert "\n" not in text
    assert findings_from(text) == findings
    assert verdict_words(text) == {f"claim_{one.claim}": one.strict.verdict for one in findings}


def test_no_findings_have_no_words() -> None:
    """A run that pinned none has no verdict on any claim."""
    assert set(verdict_words(None).values()) == {None}
