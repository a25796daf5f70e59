"""What differs between two builds is found field by field, with the verdicts and parameters that follow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from harness.model.anode import AnodeBuild, load_build
from harness.model.build_difference import BuildDifference, difference
from harness.model.claim_facts import Reading
from harness.model.claims import Verdict, assess
from tests.strategies import builds


def stack(*layers: dict[str, Any]) -> AnodeBuild:
    return AnodeBuild.model_validate({"id": "a", "active": {"origin": "foil"}, "layers": list(layers)})


def polymer(name: str, value_um: float = 1.0) -> dict[str, Any]:
    return {"kind": "polymer", "name": name, "thickness": {"value_um": value_um}}


GLASS = {"kind": "single_ion_conducting", "name": "glass", "thickness": {"value_um": 1.0}}


@given(builds())
def test_a_build_does_not_differ_from_itself(build: AnodeBuild) -> None:
    """Nothing, whatever it is called."""
    renamed = build.model_copy(update={"id": "other", "title": "another", "remarks": "a remark"})
    assert difference(build, renamed) == BuildDifference((), (), ())


@given(builds(), builds())
def test_difference_turns_around(one: AnodeBuild, other: AnodeBuild) -> None:
    """Backwards the same verdicts and parameters change, the other way."""
    there, back = difference(one, other), difference(other, one)
    assert {(change.claim, change.readings, change.after) for change in there.verdicts} == {
        (change.claim, change.readings, change.before) for change in back.verdicts
    }
    assert {(change.name, change.before, change.after) for change in there.parameters} == {
        (change.name, change.after, change.before) for change in back.parameters
    }
    assert bool(there.facts) is bool(back.facts)
    assert bool(there.facts) or not there.verdicts


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (stack(GLASS, polymer("p")), stack(GLASS, polymer("p", 2.0)), {"layers[1].thickness.value_um": (1.0, 2.0)}),
        (stack(GLASS), stack(GLASS, polymer("p")), {"layers[1]": (None, "polymer")}),
        (stack(polymer("p"), GLASS), stack(GLASS), {"layers[0]": ("polymer", None)}),
        (stack(GLASS), stack(polymer("p")), {"layers[0]": ("single_ion_conducting", None), "layers[0] ": (None, "polymer")}),
        (stack(GLASS, polymer("p")), stack(GLASS, polymer("q")), {"layers[1].name": ("p", "q")}),
    ],
)
def test_facts_are_found_layer_by_layer(before: AnodeBuild, after: AnodeBuild, expected: dict[str, Any]) -> None:
    """A layer put in or left out is one change; one of another kind is gone here and come there."""
    facts = difference(before, after).facts
    shown = [tuple(side["kind"] if isinstance(side, dict) else side for side in (fact.before, fact.after)) for fact in facts]
    assert [fact.path for fact in facts] == [path.strip() for path in expected]
    assert shown == list(expected.values())


def test_verdicts_are_joined_where_both_readings_agree() -> None:
    """A change in one reading names it; claims with one reading name none."""
    found = {
        change.claim: change
        for change in difference(load_build("co2-deposited-three-layers"), load_build("misses-20-two-layers")).verdicts
    }
    assert found[20].readings == (Reading.STRICT,)
    assert found[1].readings == (Reading.STRICT, Reading.BROAD)
    assert (found[1].before.verdict, found[1].after.verdict) == (Verdict.MEETS, Verdict.DOES_NOT)
    (change,) = difference(load_build("co2-deposited"), load_build("misses-18-nitrogen")).verdicts
    assert (change.claim, change.readings) == (18, ())
    assert change.after == assess(load_build("misses-18-nitrogen"))[17].strict


def test_parameters_name_the_layer() -> None:
    """Whole cell first; a layer in both builds field by field, one in a single build by its resistance."""
    thin, thick = stack(GLASS, polymer("p"), polymer("p")), stack(GLASS, polymer("p"), polymer("p", 2.0))
    changes = {change.name: change.after for change in difference(thin, thick).parameters}
    assert changes["p (2): thickness_um"] == 2.0
    assert changes["polymer_thickness_um"] == 3.0
    assert not any(name.startswith(("glass", "p: ")) for name in changes)
    (gone,) = [change for change in difference(thin, stack(GLASS)).parameters if change.name.startswith("p:")]
    assert gone.before is not None
    assert gone.after is None
