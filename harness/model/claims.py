"""The twenty claims, decided for a build: *meets*, *does not*, or *cannot tell*, each with the reason in one sentence.

This is a data model of the claims' wording, not legal advice. Each claim is a test of its own and, if it depends on another, the
conjunction with that one in the same reading. What is not known in the build decides nothing: see `harness.model.kleene`.

Where the wording leaves room, it is read like this, strictly | broadly:

* 1, 2: the whole stack alternates | its first three (four) layers do. Under it only temporary metals and gas interlayers lie,
  between its layers only alloys. The list is the order of deposition unless ``step_no`` contradicts it; where some of it is
  numbered and some not, the order is open.
* 3, 4, 5: value ± 2 standard uncertainties inside, outside, or straddling; without an uncertainty nothing is certain. The sum of
  the multi-layer counts alloys between its layers | does not.
* 6: the alloy lies directly on the first layer | between any two that differ.
* 7: every single-ion-conducting layer comprises a listed glass | one does. What nobody calls a glass is not known to be one.
* 8, 9: every polymer layer, in both readings.
* 17: all gases are of the closed group; any hydrocarbon is. 14 and 18: CO2 is among the gases.
* 20: three alternating layers | two of polymer and single-ion conducting. A product has no order of steps.
* Lithium alloys count as lithium.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.model import claim_layers, claim_lithium, claim_thickness
from harness.model.anode import AnodeBuild
from harness.model.claim_facts import Fact, Reading, every
from harness.model.claim_stack import alternating, enough, in_order
from harness.model.kleene import Truth

CLAIMS = tuple(range(1, 21))

WORDING = {
    1: "three or more alternating polymer and single-ion-conducting layers, made on deposited lithium or a lithium foil",
    2: "as 1, with four or more layers",
    3: "as 1, the lithium 2 to 100 µm thick",
    4: "as 1, the multi-layer 0.5 to 10 µm thick",
    5: "as 1, the multi-layer 1 to 5 µm thick",
    6: "as 1, with an alloy layer of Zn, Mg, Sn or Al between a polymer and a single-ion-conducting layer",
    7: "as 1, the single-ion-conducting layer comprising a glass of the list",
    8: "as 1, the polymer cross-linked",
    9: "as 1, the polymer made from alkyl, glycol or polyglycol acrylate",
    10: "as 1, with a temporary protective metal on the lithium, before the layers",
    11: "as 1, with an intermediate layer made by a gas, before the layers",
    12: "as 1, with an intermediate layer made by a plasma of CO2, before the layers",
    13: "as 1, the lithium co-deposited in situ with gases",
    14: "as 13, the gas being CO2",
    15: "as 1, the substrate of one of seven classes",
    16: "lithium co-deposited in situ with one or more gases, on a substrate",
    17: "as 16, every gas one of CO2, acetylene, nitrogen, ethylene, sulfur dioxide and hydrocarbons",
    18: "as 16, the gas being CO2",
    19: "as 16, the substrate of one of seven classes",
    20: "as 16, with a multi-layer on the lithium",
}
"""What each claim asks, in our words."""

SUBJECTS = (
    "three layers", "four layers", "lithium 2-100 µm", "stack 0.5-10 µm", "stack 1-5 µm", "alloy between", "listed glass",
    "cross-linked", "acrylate", "temporary metal", "gas interlayer", "CO2 plasma", "co-deposited", "with CO2", "substrate",
    "co-deposited", "listed gases", "with CO2", "substrate", "multi-layer",
)  # fmt: skip
"""The same in two words, in order: 1 to 15 are the method with a multi-layer, 16 to 20 the product with gases."""


PARENTS = dict.fromkeys(range(2, 16), 1) | {14: 13} | dict.fromkeys(range(17, 21), 16)
"""The claim that each dependent claim builds on."""


class Verdict(StrEnum):
    """What can be said of a build and a claim."""

    MEETS = "meets"
    DOES_NOT = "does_not"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and why, in one sentence naming layer and field."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """What is found for one claim. ``broad`` is there where the wording allows two readings; ``strict`` counts otherwise."""

    claim: int
    strict: Finding
    broad: Finding | None = None


def assess(build: AnodeBuild) -> tuple[ClaimFinding, ...]:
    """The findings for all twenty claims, in order. Claims 16 to 19 have one reading, all others two."""
    strict, broad = (_decide(build, reading) for reading in (Reading.STRICT, Reading.BROAD))
    return tuple(
        ClaimFinding(claim, _finding(strict[claim]), None if claim in _ONE_READING else _finding(broad[claim]))
        for claim in CLAIMS
    )


def _method(build: AnodeBuild, reading: Reading) -> Fact:
    facts = (claim_lithium.lithium_on_substrate(build), alternating(build, 3, reading), in_order(build, 3, reading))
    return every(facts, facts[1].sentence)


def _four_layers(build: AnodeBuild, reading: Reading) -> Fact:
    facts = (alternating(build, 4, reading), in_order(build, 4, reading))
    return every(facts, facts[0].sentence)


def _multilayer(build: AnodeBuild, reading: Reading) -> Fact:
    return alternating(build, 3, reading) if reading is Reading.STRICT else enough(build, 2)


_TESTS: dict[int, Callable[[AnodeBuild, Reading], Fact]] = {
    1: _method,
    2: _four_layers,
    3: lambda build, _: claim_thickness.lithium_within(build, 2.0, 100.0),
    4: lambda build, reading: claim_thickness.stack_within(build, 0.5, 10.0, reading),
    5: lambda build, reading: claim_thickness.stack_within(build, 1.0, 5.0, reading),
    6: claim_layers.alloy_between,
    7: claim_layers.glass,
    8: lambda build, _: claim_layers.cross_linked(build),
    9: lambda build, _: claim_layers.acrylate(build),
    10: lambda build, _: claim_layers.temporary_metal(build),
    11: lambda build, _: claim_layers.gas_interlayer(build),
    12: lambda build, _: claim_layers.plasma_interlayer(build),
    13: lambda build, _: claim_lithium.co_deposited(build),
    14: lambda build, _: claim_lithium.with_carbon_dioxide(build),
    15: lambda build, _: claim_lithium.claimed_substrate(build),
    16: lambda build, _: claim_lithium.co_deposited(build),
    17: lambda build, _: claim_lithium.with_claimed_gases(build),
    18: lambda build, _: claim_lithium.with_carbon_dioxide(build),
    19: lambda build, _: claim_lithium.claimed_substrate(build),
    20: _multilayer,
}
_ONE_READING = frozenset({16, 17, 18, 19})
_VERDICTS: dict[Truth, Verdict] = {True: Verdict.MEETS, False: Verdict.DOES_NOT, None: Verdict.CANNOT_TELL}


def _decide(build: AnodeBuild, reading: Reading) -> dict[int, Fact]:
    decided: dict[int, Fact] = {}
    for claim in CLAIMS:
        own = _TESTS[claim](build, reading)
        if claim in PARENTS:
            own = every((_inherited(PARENTS[claim], decided[PARENTS[claim]]), own), own.sentence)
        decided[claim] = own
    return decided


def _inherited(parent: int, fact: Fact) -> Fact:
    """What a parent hands down, with its own reason; a grandparent's is not wrapped again."""
    if fact.sentence.startswith("claim "):
        return fact
    state = "cannot be told" if fact.truth is None else "is not met"
    return Fact(fact.truth, f"claim {parent} {state}: {fact.sentence}")


def _finding(fact: Fact) -> Finding:
    return Finding(_VERDICTS[fact.truth], fact.sentence)
