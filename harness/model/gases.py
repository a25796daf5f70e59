"""Gases by formula: which one a text means, and whether it is of claim 17's closed group."""

from __future__ import annotations

import re

from harness.model.anode import Gas
from harness.model.kleene import Truth

CARBON_DIOXIDE = "CO2"

CLAIMED_GASES = frozenset({CARBON_DIOXIDE, "C2H2", "N2", "C2H4", "SO2"})
"""Those of claim 17 that are named; the group is closed by the hydrocarbons as a class."""

_NAMES = {
    "carbon dioxide": CARBON_DIOXIDE, "acetylene": "C2H2", "nitrogen": "N2", "ethylene": "C2H4", "ethene": "C2H4",
    "sulfur dioxide": "SO2", "sulphur dioxide": "SO2", "methane": "CH4", "ethane": "C2H6", "propane": "C3H8",
    "argon": "Ar", "oxygen": "O2", "hydrogen": "H2", "water": "H2O",
}  # fmt: skip
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ELEMENTS = "H|He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|Ti|Cr|Fe|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Mo|Sn|Sb|Te|I|Xe|W"
_FORMULA = re.compile(rf"(?:(?:{_ELEMENTS})\d*)+")
_HYDROCARBON = re.compile(r"C\d*H(?:\d+|x)")


def formula_of(species: str) -> str | None:
    """``CO2`` of ``co2``, ``CO₂`` and ``carbon dioxide``; ``None`` where the text is neither a formula nor a name known here."""
    text = " ".join(species.translate(_SUBSCRIPTS).split())
    if text.casefold() in _NAMES:
        return _NAMES[text.casefold()]
    for formula in CLAIMED_GASES:
        if text.casefold() == formula.casefold():
            return formula
    return text if _FORMULA.fullmatch(text) or _HYDROCARBON.fullmatch(text) else None


def is_carbon_dioxide(species: str) -> Truth:
    """Whether it is CO2; not known for a text that names no formula."""
    formula = formula_of(species)
    return None if formula is None else formula == CARBON_DIOXIDE


def is_hydrocarbon(gas: Gas) -> Truth:
    """By formula; where that says nothing, as ``hydrocarbon`` of the gas says."""
    formula = formula_of(gas.species)
    return gas.hydrocarbon if formula is None else _HYDROCARBON.fullmatch(formula) is not None


def is_claimed(gas: Gas) -> Truth:
    """Whether the gas is of claim 17's group. A name that is no formula may mean any gas, unless it is called a hydrocarbon."""
    formula = formula_of(gas.species)
    if formula in CLAIMED_GASES or is_hydrocarbon(gas):
        return True
    return None if formula is None else False
