"""A condition on what nobody can measure: ``dead_mah_cm2 > 1.0``, ``temperature_kelvin >= 308 K``. Parsed, never run as code."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from harness.errors import BadInput
from harness.model.written import wrong
from harness.units import parse_quantity

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*(<=|>=|<|>)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]{1,3})?)\s*(.{0,30}?)\s*")
_UNITS = (
    ("_kelvin", "K"), ("_nm", "nm"), ("_s_cm2", "S/cm^2"), ("_mah_cm2", "mAh/cm^2"), ("_ohm_cm2", "ohm*cm^2"), ("_ohm", "ohm"),
    ("_volt", "V"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Predicate:
    """``name`` of the latent state, compared with ``threshold`` in that name's own unit."""

    text: str
    name: str
    comparison: str
    threshold: float

    def holds(self, latent: Mapping[str, float]) -> bool:
        """Whether it is so; `KeyError` for a cell that has no such state."""
        return _OPERATORS[self.comparison](latent[self.name], self.threshold)


def parse_predicate(text: object) -> Predicate:
    """The predicate that ``text`` writes; a pydantic complaint for anything else."""
    if isinstance(text, Predicate):
        return text
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        raise wrong(f'"{text}" is not a condition; write a latent state, one of < <= > >=, and a number: "dead_mah_cm2 > 1.0"')
    name, comparison, number, unit = match.groups()
    try:
        value = parse_quantity(f"{number} {unit}", unit_of(name)) if unit else float(number)
    except (BadInput, ValueError) as error:
        raise wrong(error.what if isinstance(error, BadInput) else f'"{number}" is not a number') from None
    return Predicate(text, name, comparison, value)


def unit_of(name: str) -> str:
    """The unit in which a latent state is kept, by the end of its name; "" for a bare number."""
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


WrittenPredicate = Annotated[Predicate, BeforeValidator(parse_predicate)]
