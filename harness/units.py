"""The one door to pint: text with units in, plain SI-named floats out.

Nothing below the edges (site file, schedules, command line, query results) sees a pint object.
"""

from __future__ import annotations

import functools
import math
import re
from tokenize import TokenError
from typing import TYPE_CHECKING

from harness.errors import BadInput

if TYPE_CHECKING:
    import pint

NANOSECOND = 1_000_000_000
"""Nanoseconds in a second: stamps are integers of them."""

_PARSER_ERRORS = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, SyntaxError, AssertionError, TokenError)
"""What pint's parser raises about text that is no quantity: its own errors are `ValueError` or `AttributeError`."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"
_UNIT = r"[A-Za-zµμΩ°%]+(?:\s?(?:\^|\*\*)\s?-?\d|[²³])?"
_QUANTITY = re.compile(rf"\s*{_NUMBER}\s*(?:{_UNIT}(?:\s?[*/·]\s?{_UNIT}|\s{_UNIT})*)?\s*")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d")
_LONGEST_TEXT = 60


@functools.cache
def registry() -> pint.UnitRegistry[float]:
    """The registry of this process, made on first use (it takes a third of a second)."""
    import pint  # noqa: PLC0415 - the import alone costs 0.2 s, and only edges need it

    made: pint.UnitRegistry[float] = pint.UnitRegistry(cache_folder=None)
    return made


def parse_quantity(text: object, unit: str, where: str = "") -> float:
    """The magnitude in ``unit`` of a quantity written by a person, such as ``"0.5 mA/cm^2"``.

    Stricter than a calculator: one number, then a unit; a sign is an ASCII hyphen, for a typographic minus is easily lost.

    Raises:
        BadInput: not text, no number, a decimal comma, an unknown unit, a unit of another kind, or not finite.
    """
    import pint  # noqa: PLC0415 - see registry()

    if not isinstance(text, str):
        raise BadInput(where, f'{text!r} has no unit; write it as text, for example "1 {unit}"')
    if _DECIMAL_COMMA.match(text):
        raise BadInput(where, f'"{text}" is not a quantity (decimal comma?); write a decimal point')
    if len(text) > _LONGEST_TEXT or not _QUANTITY.fullmatch(text):
        hint = ' (write the minus as "-")' if text.lstrip()[:1] in {"−", "–"} else ""
        shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
        raise BadInput(where, f'"{shown}" is not a quantity{hint}; expected a number and a unit such as {unit}')
    try:
        magnitude = float(registry().Quantity(text).to(unit).magnitude)
    except pint.UndefinedUnitError as error:
        names = ", ".join(error.unit_names)
        raise BadInput(where, f'"{text}" has an unknown unit, "{names}"; expected something like {unit}') from None
    except pint.DimensionalityError as error:
        found = "no unit" if error.units1 == registry().dimensionless else f"the unit {error.units1}"
        raise BadInput(where, f'"{text}" has {found}; expected something like {unit}') from None
    except _PARSER_ERRORS as error:
        raise BadInput(where, f'"{text}" is not a quantity; expected a number and a unit such as {unit}') from error
    if not math.isfinite(magnitude):
        raise BadInput(where, f'"{text}" is not a finite number')
    return magnitude


def has_kind(text: str, unit: str) -> bool:
    """Whether ``text`` is a quantity of the same kind as ``unit``."""
    try:
        parse_quantity(text, unit)
    except BadInput:
        return False
    return True


def quantity(magnitude: float, unit: str) -> pint.Quantity[float]:
    """A pint quantity for a query's result."""
    return registry().Quantity(magnitude, unit)
