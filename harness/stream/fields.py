"""The fields of a record as plain values, and back. Knows dataclasses of numbers, text and enumerations; knows no format.

A plain value is an integer, a finite float, a truth value or text; an absent one is left out. The way back takes nothing on
trust: a field of another type, one too many or one too few is refused. Everything here raises `ValueError`, with a sentence.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import NoneType
from typing import TypeVar, get_args, get_type_hints

Plain = int | float | bool | str
Made = TypeVar("Made")

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a dataclass: its plain ``kind``, the enumeration it is a word of, if any, and whether it may be absent."""

    name: str
    kind: type[Plain]
    words: type[StrEnum] | None
    optional: bool


_KNOWN: dict[type, tuple[Field, ...]] = {}


def fields_of(made: type) -> tuple[Field, ...]:
    """The plain fields of a dataclass, in its order. A field that is itself a dataclass is not among them."""
    if made not in _KNOWN:
        hints = get_type_hints(made)
        found = (_field(field.name, hints[field.name]) for field in fields(made))
        _KNOWN[made] = tuple(field for field in found if field is not None)
    return _KNOWN[made]


def to_plain(value: object, without: frozenset[str] = frozenset()) -> dict[str, Plain]:
    """The plain values of a dataclass by name, in its order; absent ones and those in ``without`` are left out.

    Raises:
        ValueError: a number that is not finite or does not fit 64 bits, text that is not Unicode, or a wrong type.
    """
    found: dict[str, Plain] = {}
    for field in fields_of(type(value)):
        item = getattr(value, field.name)
        if item is not None and field.name not in without:
            found[field.name] = _check(field, item)
    return found


def from_plain(made: type[Made], values: Mapping[str, object], rest: Mapping[str, object] | None = None) -> Made:
    """The inverse of `to_plain`; ``rest`` are arguments given as they are.

    Raises:
        ValueError: ``values`` are not the fields of ``made``.
    """
    arguments: dict[str, object] = dict(rest or {})
    known = fields_of(made)
    taken = 0
    for field in known:
        name = field.name
        if name in values:
            arguments[name] = _check(field, values[name])
            taken += 1
        elif name not in arguments:
            if not field.optional:
                raise ValueError(f"a {made.__name__} has no {name}")
            arguments[name] = None
    if taken < len(values):
        surplus = values.keys() - {field.name for field in known}
        raise ValueError(f"a {made.__name__} has no field {min(surplus)!r}")
    return made(**arguments)


def dump_json(values: Mapping[str, Plain]) -> str:
    """One line of ASCII; floats come back to the last bit."""
    return json.dumps(values, allow_nan=False, separators=(",", ":"))


def load_json(text: str | bytes) -> dict[str, object]:
    """The inverse of `dump_json`. Raises `ValueError` for anything but one JSON object of finite numbers."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("the JSON is not an object")  # noqa: TRY004 - one kind of error for bad content
    return found


def _refuse_constant(text: str) -> float:
    raise ValueError(f"the JSON holds {text}, which is not a number")


def _field(name: str, hint: object) -> Field | None:
    parts = [part for part in get_args(hint) if part is not NoneType] or [hint]
    kind = parts[0]
    if not isinstance(kind, type):
        raise TypeError(f"{name} is {hint!r}")
    optional = NoneType in get_args(hint)
    if issubclass(kind, StrEnum):
        return Field(name, str, kind, optional)
    return Field(name, kind, None, optional) if kind in (int, float, bool, str) else None


def _check(field: Field, item: object) -> Plain:
    # Most items are a number or a known word of exactly the right type: they are spared the general way below.
    if type(item) is field.kind:
        if type(item) is float and math.isfinite(item):
            return item
        if type(item) is int and _INTEGER_MIN <= item <= _INTEGER_MAX:
            return item
        if type(item) is str and item.isascii():
            return item if field.words is None else _word(field.words, item)
    return _check_any(field, item)


@functools.cache
def _word(words: type[StrEnum], text: str) -> StrEnum:
    return words(text)


def _check_any(field: Field, item: object) -> Plain:
    if field.kind is float and type(item) is int:
        item = float(item)
    match item:
        case StrEnum() if field.kind is str:
            return item
        case float() if field.kind is float:
            if not math.isfinite(item):
                raise ValueError(f"{field.name} is {item}, which is not a finite number")
            return item
        case bool() if field.kind is bool:
            return item
        case int() if field.kind is int and type(item) is int:
            if not _INTEGER_MIN <= item <= _INTEGER_MAX:
                raise ValueError(f"{field.name} is {item}, which does not fit 64 bits")
            return item
        case str() if field.kind is str:
            if not item.isascii():
                item.encode()
            return item if field.words is None else field.words(item)
        case _:
            raise ValueError(f"{field.name} is {item!r}, expected {field.kind.__name__}")
