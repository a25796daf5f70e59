r"""InfluxDB line protocol: one point as one line, and back. Knows the format; knows nothing of records.

``measurement,tag=text,… field=value,… stamp``. Integers end in ``i``, floats never do, text is quoted, the stamp is in
nanoseconds. In quoted text only ``"`` and ``\`` are escaped, so that a newline stands for itself and a point may span lines of a
file: `split_points` knows. Tags hold no quote, backslash or control character, which no server reads back as written.
Everything here raises `ValueError`, with a sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.stream.fields import Plain

_UNFIT_IN_TAGS = re.compile(r'["\\\x00-\x1f\x7f]')
_TO_ESCAPE = re.compile(r"([,= ])")
_TO_ESCAPE_IN_TEXT = re.compile(r'(["\\])')
_ESCAPE = r"\\\1"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_WORD = r'(?:[^\\,= "\x00-\x1f\x7f]|\\[,= ])+'
_HEAD = re.compile(rf"({_WORD})((?:,{_WORD}={_WORD})*) ")
_TAG = re.compile(rf",({_WORD})=({_WORD})")
_FIELD = re.compile(rf'({_WORD})=(?:("[^"\\]*(?:\\["\\][^"\\]*)*")|([^", \n]+))([, ])')
_INTEGER = re.compile(r"-?[0-9]{1,19}i")
_FLOAT = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:e[-+]?[0-9]{1,4})?")
_STAMP = re.compile(r"-?[0-9]{1,19}")
_TRUTH = {"true": True, "false": False}
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Point:
    """One line, taken apart."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Plain]
    unix_time_nanosecond: int


def tag_text(tags: Mapping[str, str]) -> str:
    """``,name=value`` for each tag that is not empty (an empty tag is the same as none)."""
    return "".join(f",{name}={_tag_value(name, value)}" for name, value in tags.items() if value)


def tag_safe(text: str) -> str:
    """``text`` with what a tag cannot hold replaced by ``_``."""
    return _UNFIT_IN_TAGS.sub("_", text).encode("ascii", "replace").decode().replace("?", "_").strip()


def field_text(values: Iterable[tuple[str, Plain]]) -> str:
    """``name=value,…``; the names must be plain words."""
    return ",".join([f"{name}={_field_value(name, value)}" for name, value in values])


def parse_point(line: str) -> Point:
    """The inverse of the above: strict, one line, nothing before or after it."""
    head = _HEAD.match(line)
    if head is None:
        raise ValueError(f"{line[:80]!r} does not begin with a measurement and its tags")
    tags = {_unescape(name): _unescape(value) for name, value in _TAG.findall(head[2])}
    values: dict[str, Plain] = {}
    position, separator = head.end(), ","
    while separator == ",":
        found = _FIELD.match(line, position)
        if found is None:
            raise ValueError(f"{line[position : position + 80]!r} is not a field")
        name = _unescape(found[1])
        if name in values:
            raise ValueError(f"the field {name!r} stands there twice")
        values[name] = _unescape(found[2][1:-1]) if found[2] is not None else _number(found[3])
        position, separator = found.end(), found[4]
    return Point(_unescape(head[1]), tags, values, _stamp(line[position:]))


def split_points(text: str) -> list[str]:
    """The points of a payload: split at newlines that are not inside quoted text; empty lines are left out."""
    points: list[str] = []
    waiting = ""
    for part in text.split("\n"):
        piece = f"{waiting}\n{part}" if waiting else part
        if _inside_text(piece):
            waiting = piece
            continue
        waiting = ""
        if piece:
            points.append(piece)
    if waiting:
        raise ValueError(f"{waiting[-80:]!r} ends inside quoted text")
    return points


def _inside_text(piece: str) -> bool:
    bare = _ESCAPED.sub("", piece) if "\\" in piece else piece
    return bare.count('"') % 2 == 1


def _tag_value(name: str, value: str) -> str:
    if _UNFIT_IN_TAGS.search(value):
        raise ValueError(f"{name} is {value!r}; a tag holds no quote, backslash or control character")
    value.encode()
    return _TO_ESCAPE.sub(_ESCAPE, value)


def _field_value(name: str, value: Plain) -> str:
    # Most values are finite floats: spared the patterns below.
    if type(value) is float and math.isfinite(value):
        return float.__repr__(value)
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}, which is not a finite number")
            return float.__repr__(value)
        case int():
            return f"{value}i"
        case StrEnum():
            return f'"{value.value}"'
        case str():
            return f'"{_TO_ESCAPE_IN_TEXT.sub(_ESCAPE, value)}"' if '"' in value or "\\" in value else f'"{value}"'


def _number(text: str) -> Plain:
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return _checked(int(text[:-1]))
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    raise ValueError(f"{text[:80]!r} is not a value")


def _stamp(text: str) -> int:
    if not _STAMP.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a stamp")
    return _checked(int(text))


def _checked(value: int) -> int:
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
