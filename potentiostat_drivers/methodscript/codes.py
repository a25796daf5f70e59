"""Error codes of MethodSCRIPT instruments: what they mean, and which of our errors they are.

Source: the communication manuals and the table in palmsens-sdk's ``comm_registry.py`` (facts, re-typed).
"""

from __future__ import annotations

from potentiostat_drivers.errors import CellFault, DeviceFault, InstrumentFault, NotLicensed, Rejected

NOT_NOW = "0006"
"""The communication mode does not allow this command: nothing to abort, or a script is running."""
CELL_IS_ON = frozenset({"0014", "4028"})
"""An open-circuit measurement was asked for with the cell switched on: this proves that it is on."""

_MEANINGS = {
    "0003": "command not recognised",
    "0006": "not possible in the present communication mode",
    "0007": "unexpected argument",
    "0008": "line too long",
    "0009": "timed out",
    "000C": "no script loaded",
    "000F": "potential not valid",
    "0010": "a variable became not-a-number or infinite",
    "0011": "frequency not valid",
    "0012": "amplitude not valid",
    "0014": "open-circuit measurement with the cell on",
    "001B": "not supported",
    "001F": "not licensed",
    "0021": "potentiostat mode not valid",
    "0023": "not possible in the present potentiostat mode",
    "0024": "too many measured variables",
    "0026": "file error",
    "0027": "file exists",
    "0028": "division by zero",
    "002B": "frame check failed",
    "002C": "frame check failed",
    "002D": "frame check failed",
    "0032": "critical cell overload, measurement aborted",
    "0047": "file system not mounted",
    "004B": "argument too short",
    "004C": "argument format",
    "0052": "overrun on a communication interface",
    "0058": "timing error in a fast measurement, possibly caused by communication",
    "005A": "requested timing cannot be met",
    "006D": "hexadecimal number expected",
    "006E": "decimal number expected",
    "0080": "counter electrode oscillating",
    "4001": "unknown script command",
    "4004": "unexpected character",
    "4005": "script too large for the script memory",
    "4009": "stored script is from an older firmware",
    "400B": "nested measurement loops",
    "400C": "not supported in this situation",
    "400D": "scopes too deep",
    "400E": "scope has no effect here",
    "400F": "array index out of range",
    "4018": "script ended unexpectedly",
    "401A": "not allowed inside a loop",
    "401B": "package commands out of order",
    "401C": "too many variables in a package",
    "4026": "variable declared twice",
    "4027": "the cell must be on",
    "4028": "the cell must be off",
    "402A": "variable-name memory full",
    "402B": "variable name not valid",
    "402C": "variable name not valid",
    "4032": "potential or its range cannot be set inside an active loop",
    "4033": "current or its range cannot be set inside an active loop",
    "4034": "not licensed",
    "4036": "only allowed inside loops",
    "4037": "number too large",
    "4039": "number not readable",
    "4041": "comparison not possible",
    "4204": "argument must be positive",
    "4205": "argument out of bounds",
    "4207": "argument of the wrong type",
    "420B": "undeclared variable",
    "7FFF": "fatal error, the instrument must be reset",
}
_NOT_LICENSED = frozenset({"001F", "4034"})
_OF_THE_CELL = frozenset({"0032", "0080"})
_OF_THE_DEVICE = frozenset({"7FFF"})


def meaning(code: str) -> str:
    """What ``code`` says, in words."""
    return _MEANINGS.get(code, "a code the manuals do not explain")


def rejection(url: str, request: str, code: str, line: int | None = None, column: int | None = None) -> Rejected:
    """The error of a refused request, with the place in the script where there is one."""
    place = "" if line is None else f", line {line}" if column is None else f", line {line}, column {column}"
    kind = NotLicensed if code in _NOT_LICENSED else Rejected
    return kind(url, request, code, meaning(code) + place)


def fault(url: str, code: str, line: int | None = None) -> InstrumentFault:
    """The error of a script that was stopped while it ran."""
    place = "" if line is None else f", line {line}"
    kind = CellFault if code in _OF_THE_CELL else DeviceFault if code in _OF_THE_DEVICE else InstrumentFault
    return kind(url, code, meaning(code) + place)
