"""Which gas a text means, and whether it is of claim 17's group."""

from __future__ import annotations

import pytest

from harness.model.anode import Gas
from harness.model.gases import formula_of, is_carbon_dioxide, is_claimed, is_hydrocarbon
from harness.model.kleene import Truth


@pytest.mark.parametrize(
    ("species", "formula"),
    [
        ("CO2", "CO2"), ("co2", "CO2"), ("CO₂", "CO2"), (" carbon  dioxide ", "CO2"), ("Acetylene", "C2H2"), ("n2", "N2"),
        ("sulphur dioxide", "SO2"), ("CH4", "CH4"), ("methane", "CH4"), ("C2Hx", "C2Hx"), ("Ar", "Ar"), ("N2O", "N2O"),
        ("process gas", None), ("propene", None), ("CO2/N2", None), ("Xy3", None), ("?", None),
    ],
)  # fmt: skip
def test_formula_is_read_from_formulas_and_usual_names(species: str, formula: str | None) -> None:
    """Anything else names no formula."""
    assert formula_of(species) == formula


@pytest.mark.parametrize(("species", "truth"), [("carbon dioxide", True), ("CO", False), ("C2H4", False), ("process gas", None)])
def test_carbon_dioxide_is_told_from_others(species: str, truth: Truth) -> None:
    """What is no formula may be any gas."""
    assert is_carbon_dioxide(species) is truth


@pytest.mark.parametrize(
    ("species", "flag", "hydrocarbon", "claimed"),
    [
        ("CO2", None, False, True), ("N2", None, False, True), ("SO2", None, False, True), ("C2H2", None, True, True),
        ("C2H4", None, True, True), ("CH4", None, True, True), ("C10H22", None, True, True), ("C2Hx", None, True, True),
        ("O2", None, False, False), ("O2", True, False, False), ("CO", None, False, False), ("C2H6O", None, False, False),
        ("H2", None, False, False), ("CCl4", None, False, False),
        ("propene", True, True, True), ("propene", None, None, None), ("process gas", False, False, None),
    ],
)  # fmt: skip
def test_claimed_group_is_closed(species: str, flag: bool | None, hydrocarbon: Truth, claimed: Truth) -> None:
    """Five gases and the hydrocarbons as a class; the formula counts before the flag."""
    gas = Gas(species=species, hydrocarbon=flag)
    assert is_hydrocarbon(gas) is hydrocarbon
    assert is_claimed(gas) is claimed
