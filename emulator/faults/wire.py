"""Faults of the language: P2, P3, P5 … P11, P13, P14 of the catalogue.

P1 (checksum), P4 (transaction id) and P12 (sequence counter) have no counterpart in this language: it has none of the three.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from emulator.faults.draws import Draws
from emulator.faults.fault import Fault, FaultType, Lasting, Layer
from emulator.faults.lines import Altered, Choice, Line, LineFault, kind_of
from emulator.instruments.methodscript import codes
from harness.model.written import Written

_VARIABLE_BYTES = 10
_PREFIXES = b"afpnum kMGTPE"

P = TypeVar("P", bound=Written)

ErrorCode = Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")]
VariableType = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class CutParameters(Choice):
    """How many bytes are left of a line; none given: a number by chance."""

    keep: Annotated[int, Field(ge=0)] | None = None


class Truncated(LineFault[CutParameters]):
    """P2. The line feed comes; the end of the line does not."""

    id = "P2_truncated"
    layer = Layer.WIRE
    summary = "a line ends too early"
    parameters_type = CutParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        keep = self.parameters.keep
        return (line[: draws.below(max(len(line), 1)) if keep is None else keep],)


class ExtraParameters(Choice):
    """What is appended."""

    text: Annotated[str, Field(min_length=1, max_length=200)] = ";ba8000000"


class Extra(LineFault[ExtraParameters]):
    """P3."""

    id = "P3_extra_bytes"
    layer = Layer.WIRE
    summary = "a line goes on after its end"
    parameters_type = ExtraParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return (line + self.parameters.text.encode("ascii", "replace"),)


class RefusalParameters(Written):
    """``commands``: first characters that are refused; none given: all of them."""

    commands: tuple[Annotated[str, Field(min_length=1, max_length=1)], ...] = ()


class Refusing(Fault[P]):
    """The session asks `_refusal` about every command and script, and refuses with the code it gives."""

    layer = Layer.WIRE
    counted = True

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.session.refusal = self._refusal

    def end(self) -> None:
        """See `Fault.end`."""
        if self.target.session.refusal == self._refusal:
            self.target.session.refusal = None

    @abstractmethod
    def _refusal(self, line: str, script: bool) -> str | None:  # noqa: FBT001 - the session's signature
        """The code with which ``line``, the beginning of a script or a command, is refused; ``None``: it is not."""


class CommandRefused(Refusing[RefusalParameters]):
    """Commands are refused with ``code``, whatever they are."""

    parameters_type = RefusalParameters
    code = codes.WRONG_MODE

    def _refusal(self, line: str, script: bool) -> str | None:  # noqa: FBT001 - the session's signature
        if script or (self.parameters.commands and line[0] not in self.parameters.commands):
            return None
        self.note(facts={"refused": line[:1], "code": self.code})
        return self.code


class UnknownCommand(CommandRefused):
    """P5."""

    id = "P5_unknown_command"
    summary = "commands are not known to the instrument (0003)"
    code = codes.UNKNOWN_COMMAND


class Busy(CommandRefused):
    """P6. While it lasts even ``Z`` can be refused, although a script runs."""

    id = "P6_busy"
    summary = "commands are refused as if the instrument were busy (0006)"


class LoadErrorParameters(Written):
    """With which code scripts are refused."""

    code: ErrorCode = codes.UNKNOWN_STATEMENT


class LoadError(Refusing[LoadErrorParameters]):
    """P7, before anything ran."""

    id = "P7_load_error"
    summary = "a script is refused with an error code when it was loaded"
    parameters_type = LoadErrorParameters

    def _refusal(self, line: str, script: bool) -> str | None:  # noqa: FBT001 - the session's signature
        if not script:
            return None
        self.note(facts={"refused": line, "code": self.parameters.code})
        return self.parameters.code


class RuntimeErrorParameters(Written):
    """With which code a running script stops."""

    code: ErrorCode = codes.CRITICAL_OVERLOAD


class RuntimeFault(Fault[RuntimeErrorParameters]):
    """P7, while it runs: its last section is not executed and the cell stays as it is. Waits for a script if none runs."""

    id = "P7_runtime_error"
    layer = Layer.WIRE
    lasting = Lasting.INSTANT
    summary = "a running script stops with an error code, the cell still on"
    parameters_type = RuntimeErrorParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        session = self.target.session
        if session.execution is not None:
            session.execution.fail(self.parameters.code)
        else:
            session.fail_next = self.parameters.code


class Stale(LineFault[Choice]):
    """P8. Before each reply the one before it comes once more."""

    id = "P8_stale_reply"
    layer = Layer.WIRE
    summary = "the reply to an earlier query comes before the reply to this one"
    parameters_type = Choice
    _last: Line = b""

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        if kind_of(line) != "reply":
            return (line,)
        before, self._last = self._last, line
        return (before, line) if before else (line,)


class FieldParameters(Choice):
    """Which variable of a package (``ab`` potential, ``ba`` current, …), and what stands there."""

    only: Literal["any", "package", "reply"] = "package"
    variable: VariableType = "ba"
    value: Literal["nan", "overflow", "minus_zero"] = "nan"


_VALUES = {"nan": b"     nan", "overflow": b"FFFFFFFE", "minus_zero": b"8000000a"}


class BadField(LineFault[FieldParameters]):
    """P9."""

    id = "P9_bad_field"
    layer = Layer.WIRE
    summary = "a value is not a number, or beyond every range"
    parameters_type = FieldParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return (with_value(line, self.parameters.variable, _VALUES[self.parameters.value]),)


class ScaleParameters(Choice):
    """By how many prefixes a variable is off: 1 makes it a thousand times too large, -1 too small."""

    only: Literal["any", "package", "reply"] = "package"
    variable: VariableType = "ba"
    prefixes: Annotated[int, Field(ge=-4, le=4)] = -1


class WrongScale(LineFault[ScaleParameters]):
    """P10."""

    id = "P10_wrong_scale"
    layer = Layer.WIRE
    summary = "after a change of firmware a quantity comes with another prefix"
    parameters_type = ScaleParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return (with_prefix(line, self.parameters.variable, self.parameters.prefixes),)


class UnitParameters(Choice):
    """How a value is written."""

    only: Literal["any", "package", "reply"] = "package"
    form: Literal["decimal_comma", "unit"] = "decimal_comma"


class UnitText(LineFault[UnitParameters]):
    """P11. Values as people write them."""

    id = "P11_unit_text"
    layer = Layer.WIRE
    summary = "values are written with a decimal comma or a unit"
    parameters_type = UnitParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        if not line.startswith(b"P"):
            return (line.replace(b".", b","),)
        text = b"0,1234" if self.parameters.form == "decimal_comma" else b"123.4 mV"
        *rest, last = line[1:].split(b";")
        return (b"P" + b";".join((*rest, last[:2] + text)),)


class PartialParameters(Choice):
    """How many variables of a package are left."""

    only: Literal["any", "package", "reply"] = "package"
    keep: Annotated[int, Field(ge=1)] = 4


class Partial(LineFault[PartialParameters]):
    """P13. Well formed, but the rest of its variables is missing."""

    id = "P13_partial_package"
    layer = Layer.WIRE
    summary = "a package lacks its last variables and is well formed without them"
    parameters_type = PartialParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return (b";".join(line.split(b";")[: self.parameters.keep]),)


class UnsolicitedParameters(Choice):
    """What comes before each line: a line of text, an empty line, bytes of flow control within it, or a foreign package."""

    what: Literal["text", "blank", "flow_control", "foreign_package", "reply"] = "text"


_UNSOLICITED: dict[str, tuple[bytes, ...]] = {
    "text": (b"Tself test passed",),
    "blank": (b"",),
    "foreign_package": (b"Pda8000000 ;ba8000000 ,10,215",),
    "reply": (b"tes4_hr1500#Mar 12 2026 14:28:01", b"R*"),
}


class Unsolicited(LineFault[UnsolicitedParameters]):
    """P14."""

    id = "P14_unsolicited"
    layer = Layer.WIRE
    summary = "lines or bytes come that nobody asked for"
    parameters_type = UnsolicitedParameters

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        if self.parameters.what == "flow_control":
            place = draws.below(len(line) + 1)
            return (line[:place] + b"\x13\x11" + line[place:],)
        return (*_UNSOLICITED[self.parameters.what], line)


def with_value(line: Line, variable: str, value: bytes) -> Line:
    """``line`` with the eight characters of every value of that type replaced; as it is where there is none."""
    return _each(line, variable, lambda field: field[:2] + value + field[_VARIABLE_BYTES:])


def with_prefix(line: Line, variable: str, prefixes: int) -> Line:
    """``line`` with the prefix of every value of that type moved; integers and not-a-number stay."""

    def moved(field: bytes) -> bytes:
        place = _PREFIXES.find(field[9:10])
        if place < 0 or not re.fullmatch(rb"[0-9A-F]{7}", field[2:9]):
            return field
        wanted = min(max(place + prefixes, 0), len(_PREFIXES) - 1)
        return field[:9] + _PREFIXES[wanted : wanted + 1] + field[10:]

    return _each(line, variable, moved)


def _each(line: Line, variable: str, change: Callable[[bytes], bytes]) -> Line:
    if not line.startswith(b"P"):
        return line
    wanted = variable.encode("ascii")
    fields = [change(field) if field.startswith(wanted) else field for field in line[1:].split(b";")]
    return b"P" + b";".join(fields)


FAULTS: tuple[FaultType, ...] = (
    Truncated, Extra, UnknownCommand, Busy, LoadError, RuntimeFault, Stale, BadField, WrongScale, UnitText, Partial, Unsolicited,
)  # fmt: skip
