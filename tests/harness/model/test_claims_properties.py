"""What must hold for the verdicts of any build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.anode import AnodeBuild, Layer, LayerKind, Thickness, load_build, ready_builds
from harness.model.claims import CLAIMS, ClaimFinding, Finding, Verdict, assess
from tests.strategies import CORE_KINDS, alternating_layers, builds, layers, single_gaps, with_gaps

MEETS, DOES_NOT, CANNOT_TELL = Verdict.MEETS, Verdict.DOES_NOT, Verdict.CANNOT_TELL
IMPLICATIONS = [
    *((claim, 1) for claim in range(2, 16)),
    (5, 4),
    (12, 11),
    (14, 13),
    *((claim, 16) for claim in range(17, 21)),
    (18, 16),
    (13, 16),
    (14, 18),
]
CERTAINTIES = {MEETS: {MEETS, CANNOT_TELL}, DOES_NOT: {DOES_NOT, CANNOT_TELL}, CANNOT_TELL: {CANNOT_TELL}}
READY = st.sampled_from([load_build(name) for name in ready_builds()])
OPPOSITE = {LayerKind.POLYMER: LayerKind.SINGLE_ION_CONDUCTING, LayerKind.SINGLE_ION_CONDUCTING: LayerKind.POLYMER}


def readings(found: ClaimFinding) -> tuple[Finding, Finding]:
    """Strict and broad; one and the same where there is one."""
    return found.strict, found.broad or found.strict


def verdicts(build: AnodeBuild) -> list[tuple[Verdict, Verdict]]:
    return [(strict.verdict, broad.verdict) for strict, broad in map(readings, assess(build))]


def assert_only_certainty_was_lost(before: AnodeBuild, after: AnodeBuild) -> None:
    for claim, old, new in zip(CLAIMS, verdicts(before), verdicts(after), strict=True):
        for was, now in zip(old, new, strict=True):
            assert now in CERTAINTIES[was], claim


@given(builds())
def test_all_claims_are_found_in_order(build: AnodeBuild) -> None:
    """Twenty findings, two readings where the wording allows two, and each build says the same twice."""
    found = assess(build)
    assert tuple(finding.claim for finding in found) == CLAIMS
    assert {finding.claim for finding in found if finding.broad is None} == {16, 17, 18, 19}
    assert assess(build) == found


@given(builds())
def test_reasons_are_one_sentence(build: AnodeBuild) -> None:
    """Every reason says something, on one line, and names a place in the file."""
    for found in assess(build):
        for finding in readings(found):
            reason = finding.reason
            assert reason == " ".join(reason.split())
            assert not reason.endswith((".", ":", ","))
            assert any(place in reason for place in ("layers", "active", "substrate")), reason


@given(builds())
def test_dependent_claims_imply_their_parents(build: AnodeBuild) -> None:
    """What meets a narrower claim meets the wider one, and what misses the wider misses the narrower, in the same reading."""
    found = [None, *verdicts(build)]
    for narrow, wide in IMPLICATIONS:
        for inner, outer in zip(found[narrow] or (), found[wide] or (), strict=True):
            assert inner is not MEETS or outer is MEETS, (narrow, wide)
            assert outer is not DOES_NOT or inner is DOES_NOT, (narrow, wide)


@given(builds())
def test_strict_reading_asks_more_than_broad(build: AnodeBuild) -> None:
    """Except for thickness (4, 5), where the readings count different layers."""
    for claim, (strict, broad) in zip(CLAIMS, verdicts(build), strict=True):
        if claim not in (4, 5):
            assert strict is not MEETS or broad is MEETS, claim
            assert broad is not DOES_NOT or strict is DOES_NOT, claim


@given(build=builds() | READY, data=st.data())
def test_a_fact_made_unknown_turns_no_verdict_around(build: AnodeBuild, data: st.DataObject) -> None:
    """Verdicts only move towards cannot tell."""
    assert_only_certainty_was_lost(build, data.draw(with_gaps(build)))


@given(build=builds() | READY, factor=st.floats(min_value=1, max_value=100) | st.none(), more=st.sampled_from([0.0, 0.05, 1.0]))
def test_a_wider_uncertainty_turns_no_verdict_around(build: AnodeBuild, factor: float | None, more: float) -> None:
    """Verdicts only move towards cannot tell, also where an uncertainty becomes unknown."""

    def wider(thickness: Thickness | None) -> Thickness | None:
        if thickness is None or thickness.u_um is None:
            return thickness
        return thickness.model_copy(update={"u_um": None if factor is None else thickness.u_um * factor + more})

    stack = tuple(layer.model_copy(update={"thickness": wider(layer.thickness)}) for layer in build.layers or ())
    active = build.active.model_copy(update={"thickness": wider(build.active.thickness)})
    assert_only_certainty_was_lost(build, build.model_copy(update={"layers": stack, "active": active}))


@given(build=builds(alternating_layers()), data=st.data())
def test_an_outer_alternating_layer_never_loses_claim_1(build: AnodeBuild, data: st.DataObject) -> None:
    """More of the same is still three or more."""
    stack = build.layers or ()
    kind = stack[-1].kind
    assert kind is not None
    numbers = [number for number in (build.active.step_no, *(layer.step_no for layer in stack)) if number is not None]
    added = data.draw(layers(st.just(OPPOSITE[kind]))).model_copy(update={"step_no": max(numbers) if numbers else None})
    taller = build.model_copy(update={"layers": (*stack, added)})
    for before, after in zip(verdicts(build)[0], verdicts(taller)[0], strict=True):
        assert after is before


@given(build=builds(alternating_layers()), data=st.data())
def test_two_adjacent_layers_of_a_kind_lose_the_strict_reading(build: AnodeBuild, data: st.DataObject) -> None:
    """Wherever the second is put; the broad reading is lost only within the first three."""
    stack = list(build.layers or ())
    core = [index for index, layer in enumerate(stack) if layer.kind in OPPOSITE]
    place = data.draw(st.sampled_from(core))
    stack.insert(place, stack[place])
    strict, broad = verdicts(build.model_copy(update={"layers": tuple(stack)}))[0]
    assert strict is DOES_NOT
    if place >= core[2]:
        assert broad is verdicts(build)[0][1]
    else:
        assert broad is DOES_NOT


@given(half=st.lists(layers(CORE_KINDS), max_size=3), middle=layers(CORE_KINDS), build=builds(), data=st.data())
def test_reversing_a_symmetric_stack_changes_nothing(
    half: list[Layer], middle: Layer, build: AnodeBuild, data: st.DataObject
) -> None:
    """A stack whose kinds read the same from both sides gets the same verdicts in both directions, whatever else differs."""
    other_half = [data.draw(layers(st.just(layer.kind or LayerKind.OTHER))) for layer in reversed(half)]
    stack = (*half, middle, *other_half)
    plain = build.active.model_copy(update={"step_no": None})
    found = [verdicts(build.model_copy(update={"layers": order, "active": plain})) for order in (stack, stack[::-1])]
    assert found[0] == found[1]


@given(builds(), st.sampled_from(["layers", "substrate"]))
def test_an_unknown_part_leaves_its_claims_open_or_lost(build: AnodeBuild, part: str) -> None:
    """Without layers nobody meets claims 1 to 15; without substrate nobody meets 15, 16 or 19."""
    gone = verdicts(build.model_copy(update={part: None}))
    for claim in range(1, 16) if part == "layers" else (15, 16, 19):
        assert MEETS not in gone[claim - 1]


@pytest.mark.parametrize("name", ready_builds())
def test_every_single_gap_in_a_ready_build_turns_no_verdict_around(name: str) -> None:
    """One after the other, each known fact of each build."""
    build = load_build(name)
    for gapped in single_gaps(build):
        assert_only_certainty_was_lost(build, gapped)


@pytest.mark.parametrize("kind", [None, *LayerKind])
def test_every_kind_of_lone_layer_is_assessed(kind: LayerKind | None) -> None:
    """One layer is never three."""
    build = AnodeBuild.model_validate({"id": "a", "active": {"origin": "foil"}, "layers": [{"kind": kind}]})
    assert verdicts(build)[0] == (DOES_NOT, DOES_NOT)
