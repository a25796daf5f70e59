"""What the claims ask of lithium and substrate: origin (1), co-deposition with gases (13, 14, 16 to 18), substrate (15, 19)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.anode import AnodeBuild, CoDeposition, Gas, SubstrateClass
from harness.model.claim_facts import Fact, every, listed, some, spoken, unknown
from harness.model.gases import is_carbon_dioxide, is_claimed
from harness.model.kleene import Truth

SUBSTRATES = frozenset(SubstrateClass) - {SubstrateClass.OTHER, SubstrateClass.NONE}
"""The seven classes of claims 15 and 19."""

_GASES = "active.co_deposition.gases"


def lithium_on_substrate(build: AnodeBuild) -> Fact:
    """Step (a) of claim 1: lithium deposited on a substrate, or a lithium foil."""
    if build.active.origin == "foil":
        return Fact(True, "active.origin is foil")
    return _deposited(build)


def _deposited(build: AnodeBuild) -> Fact:
    """Deposited on a substrate that is described, if only by its presence."""
    match build.active.origin:
        case None:
            return unknown("active.origin")
        case "foil":
            return Fact(False, "active.origin is foil, so nothing was deposited on a substrate")
        case "deposited":
            return unknown("substrate") if build.substrate is None else Fact(True, "active.origin is deposited")


def co_deposited(build: AnodeBuild) -> Fact:
    """Claims 13 and 16: lithium deposited on a substrate while one or more gases were there."""
    return every((_deposited(build), _in_situ(build.active.co_deposition)), _shown_gases(build))


def _in_situ(co_deposition: CoDeposition | str | None) -> Fact:
    if co_deposition is None:
        return unknown("active.co_deposition")
    if isinstance(co_deposition, str):
        return Fact(False, "active.co_deposition is none: no gas was there while the lithium was deposited")
    return every((_while_depositing(co_deposition), _some_gas(co_deposition)), "")


def _while_depositing(co_deposition: CoDeposition) -> Fact:
    if co_deposition.in_situ is None:
        return unknown("active.co_deposition.in_situ")
    return Fact(co_deposition.in_situ, "active.co_deposition.in_situ is false: the gas came after the lithium")


def _some_gas(co_deposition: CoDeposition) -> Fact:
    if co_deposition.gases is None:
        return unknown(_GASES)
    return Fact(bool(co_deposition.gases), f"{_GASES} is empty")


def _shown_gases(build: AnodeBuild) -> str:
    return f"{_GASES}: lithium was deposited in situ with {_names(_gases(build) or ())}"


def _names(gases: Sequence[Gas]) -> str:
    return listed([" ".join(gas.species.split()) for gas in gases])


def _gases(build: AnodeBuild) -> tuple[Gas, ...] | None:
    """The gases of the deposition; none where there was no co-deposition, ``None`` where nobody knows."""
    co_deposition = build.active.co_deposition
    return () if co_deposition == "none" else None if co_deposition is None else co_deposition.gases


def with_carbon_dioxide(build: AnodeBuild) -> Fact:
    """Claims 14 and 18: CO2 is among the gases."""
    gases = _gases(build)
    if gases is None:
        return unknown(_GASES)
    facts = (_gas_fact(index, gas, is_carbon_dioxide(gas.species), "CO2") for index, gas in enumerate(gases))
    return some(facts, f"{_GASES} has no CO2")


def with_claimed_gases(build: AnodeBuild) -> Fact:
    """Claim 17: every gas is of the closed group."""
    gases = _gases(build)
    if gases is None:
        return unknown(_GASES)
    group = "of the group CO2, acetylene, nitrogen, ethylene, sulfur dioxide, hydrocarbons"
    facts = (_gas_fact(index, gas, is_claimed(gas), group) for index, gas in enumerate(gases))
    return every(facts, f"{_GASES}: {_names(gases)} {'is' if len(gases) == 1 else 'are'} {group}")


def _gas_fact(index: int, gas: Gas, truth: Truth, what: str) -> Fact:
    place, name = f"{_GASES}[{index}].species", f'"{_names([gas])}"'
    if truth is None:
        return Fact(None, f"{place} {name} is no formula, so it cannot be told whether it is {what}")
    return Fact(truth, f"{place} is {what}" if truth else f"{place} {name} is not {what}")


def claimed_substrate(build: AnodeBuild) -> Fact:
    """Claims 15 and 19: the substrate is of one of the seven classes."""
    if build.substrate is None:
        return unknown("substrate")
    if build.substrate.class_ is None:
        return unknown("substrate.class")
    claimed = build.substrate.class_ in SUBSTRATES
    which = "one of the seven classes" if claimed else "not one of the seven classes"
    return Fact(claimed, f"substrate.class is {spoken(build.substrate.class_)}, {which}")
