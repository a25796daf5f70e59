"""MethodSCRIPT on the wire: what a line means. No I/O, no waiting, nothing of programs or cells.

The language in one page
------------------------
Everything is ASCII lines ended by a line feed. The host sends commands; the instrument echoes the *first character* of a
command and puts the reply on the same line, so a reply can be told only by its first character: ``i`` is answered by
``iES4HR20B0008``, ``CM`` by ``C3FFF…``, an accepted script by ``e``. A refusal is the echo, ``!`` and four hex digits, and
for scripts a place: ``e!4001: Line 1, Col 5``.

While a script runs its output has no echo: ``P…`` a data package, ``M0007`` … ``*`` a measurement loop, ``C0001`` … ``-`` a
scan, ``L`` … ``+`` a loop, ``T…`` text; an *empty line* says that the script has finished. ``!0032: Line 17`` without an
echo is a runtime error: the script has stopped where it was, its ``on_finished`` part was *not* run, and the cell is as it
was. An empty line sent to an idle instrument is answered by an empty line too, which looks like the end of a script: whoever
starts a script must have drained it before.

A package is ``P`` and variables joined by ``;``. A variable is a two-letter type, seven upper-case hex digits, one prefix
character, then metadata fields joined by ``,``::

    ba48D503Dp,10,288      type ba, 0x48D503D, prefix p, status 0, range 0x88

    value = (0x48D503D − 0x8000000) · 10⁻¹² = −57.847747 µA

The prefix of a plain number is a *space*, which may be the last character of a line: stripping it destroys the package. The
prefix ``i`` marks an integer; five spaces and ``nan`` in place of digits and prefix mark a value that is not a number.
Metadata ``1S`` is a status nibble (1 timing, 2 overload, 4 underload, 8 overload warning), ``2RR`` a range id, ``4N`` the
noise; others are ignored, so that newer firmware can be read.

In scripts numbers have no decimal point: ``4300m`` is 4.3, ``51i`` the integer 51. `literal` writes them.

Source: MethodSCRIPT v1.8 and the EmStat4, EmStat Pico and Nexus communication manuals. The literal bytes both sides of the
wire are tested with are in ``tests/wire/methodscript``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from potentiostat_drivers.errors import WireError

_EXPONENTS = {
    "a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, " ": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "i": 0,
}  # fmt: skip
_PREFIXES = {exponent: prefix.strip() for prefix, exponent in _EXPONENTS.items() if prefix != "i"}
_OFFSET = 0x8000000
_NOT_A_NUMBER = "     nan"
_LARGEST_INTEGER = 2**31 - 1

_VARIABLE = re.compile(r"([a-z]{2})(?:([0-9A-F]{7})([afpnumkMGTPEi ])| {5}nan)((?:,[0-9A-F]{2,})*)")
_ERROR = re.compile(r"([ -~]?)!([0-9A-Fa-f]{4})(?:: ?(.*))?")
_PLACE = re.compile(r"Line (\d{1,6})(?:, ?Col (\d{1,6}))?")
_LOOP = re.compile(r"M([0-9A-F]{4})")
_SCAN = re.compile(r"C(\d{4})")


@dataclass(frozen=True, slots=True)
class Variable:
    """One value of a package, in the SI unit of its ``kind``; ``value`` is None when the instrument sent not-a-number."""

    kind: str
    value: float | None
    status: int | None = None
    range_id: int | None = None
    noise: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A command was accepted: its first character alone."""

    echo: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A command was answered; ``text`` begins with the echo."""

    text: str


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A command was refused; ``line`` and ``column`` are a place in a script, from 1."""

    echo: str
    code: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class RuntimeFault:
    """A running script was stopped by an error; the cell is as it was."""

    code: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LoopStarted:
    """A measurement loop began; ``kind`` is 7 for potentiostatic, 0xA galvanostatic, 0xB open circuit, 0xD impedance."""

    kind: int


@dataclass(frozen=True, slots=True)
class LoopEnded:
    """A measurement loop ended."""


@dataclass(frozen=True, slots=True)
class ScanStarted:
    """A scan began."""

    number: int


@dataclass(frozen=True, slots=True)
class ScanEnded:
    """A scan ended."""


@dataclass(frozen=True, slots=True)
class RepeatStarted:
    """A plain loop began."""


@dataclass(frozen=True, slots=True)
class RepeatEnded:
    """A plain loop ended."""


@dataclass(frozen=True, slots=True)
class Package:
    """One data package."""

    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """What a script said in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty line: the script has finished, or an empty line was sent to an idle instrument."""


Event = (
    Ack
    | Reply
    | ErrorReply
    | RuntimeFault
    | LoopStarted
    | LoopEnded
    | ScanStarted
    | ScanEnded
    | RepeatStarted
    | RepeatEnded
    | Package
    | Text
    | Blank
)

_MARKS: dict[str, Event] = {
    "": Blank(),
    "*": LoopEnded(),
    "-": ScanEnded(),
    "L": RepeatStarted(),
    "+": RepeatEnded(),
}


def parse_line(line: bytes) -> Event:
    """What one line, without its line feed, means.

    Raises:
        WireError: it is not printable ASCII, or a package that cannot be read.
    """
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        raise WireError("a line is not ASCII", line) from None
    if not all(" " <= character <= "~" for character in text):
        raise WireError("a line holds control characters", line)
    if (mark := _MARKS.get(text)) is not None:
        return mark
    if (error := _ERROR.fullmatch(text)) is not None:
        return _error(error)
    return _output_or_reply(text, line)


def parse_variable(text: str) -> Variable:
    """One variable of a package.

    Raises:
        WireError: ``text`` is not one.
    """
    match = _VARIABLE.fullmatch(text)
    if match is None:
        raise WireError("a package variable cannot be read", text.encode("ascii", "replace"))
    kind, digits, prefix, metadata = match.groups()
    fields = {field[0]: int(field[1:], 16) for field in metadata.split(",")[1:]}
    value = None if digits is None else _scaled(digits, prefix)
    return Variable(kind, value, fields.get("1"), fields.get("2"), fields.get("4"))


def parse_scalar(text: str) -> float | None:
    """The eight characters of a value; None for not-a-number.

    Raises:
        WireError: ``text`` is not one.
    """
    if text == _NOT_A_NUMBER:
        return None
    if re.fullmatch(r"[0-9A-F]{7}[afpnumkMGTPEi ]", text) is None:
        raise WireError("a value cannot be read", text.encode("ascii", "replace"))
    return _scaled(text[:7], text[7])


def literal(value: float) -> str:
    """``value`` as a script writes it: an integer and a prefix, rounded to the finest prefix that fits 32 bits with sign
    (a relative error below 3e-7), then written with the coarsest prefix that keeps the same value.

    Raises:
        ValueError: it is not finite, or beyond what any prefix can hold.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written in a script")
    exact = Decimal(repr(float(value)))
    for exponent in sorted(_PREFIXES):
        mantissa = int(exact.scaleb(-exponent).to_integral_value(ROUND_HALF_EVEN))
        if abs(mantissa) <= _LARGEST_INTEGER:
            return _shortest(mantissa, exponent)
    raise ValueError(f"{value} is too large for a script")


def integer_literal(value: int) -> str:
    """``value`` as an integer of a script."""
    return f"{value}i"


def _shortest(mantissa: int, exponent: int) -> str:
    if mantissa == 0:
        return "0"
    while mantissa % 1000 == 0 and exponent < max(_PREFIXES):
        mantissa //= 1000
        exponent += 3
    return f"{mantissa}{_PREFIXES[exponent]}"


def _scaled(digits: str, prefix: str) -> float:
    """Division by an exact power of ten rounds once; multiplication by its inverse would round twice."""
    mantissa = int(digits, 16) - _OFFSET
    exponent = _EXPONENTS[prefix]
    return mantissa / 10**-exponent if exponent < 0 else float(mantissa * 10**exponent)


def _error(match: re.Match[str]) -> Event:
    echo, code, where = match.groups()
    place = _PLACE.search(where or "")
    line = int(place[1]) if place else None
    column = int(place[2]) if place and place[2] else None
    if not echo:
        return RuntimeFault(code.upper(), line)
    return ErrorReply(echo, code.upper(), line, column)


def _output_or_reply(text: str, line: bytes) -> Event:
    if text.startswith("P"):
        return _package(text, line)
    if text.startswith("T"):
        return Text(text[1:])
    if (loop := _LOOP.fullmatch(text)) is not None:
        return LoopStarted(int(loop[1], 16))
    if (scan := _SCAN.fullmatch(text)) is not None:
        return ScanStarted(int(scan[1]))
    if len(text) == 1:
        return Ack(text)
    return Reply(text)


def _package(text: str, line: bytes) -> Package:
    try:
        return Package(tuple(parse_variable(variable) for variable in text[1:].split(";")))
    except WireError:
        raise WireError("a package cannot be read", line) from None
