"""Error codes of the language, and the two ways they come: refused before anything ran, or met while running."""

from __future__ import annotations

from typing import Final

UNKNOWN_COMMAND: Final = "0003"
WRONG_MODE: Final = "0006"
UNEXPECTED_ARGUMENT: Final = "0007"
LINE_TOO_LONG: Final = "0008"
NO_SCRIPT: Final = "000C"
POTENTIAL_INVALID: Final = "000F"
NOT_A_NUMBER: Final = "0010"
FREQUENCY_INVALID: Final = "0011"
AMPLITUDE_INVALID: Final = "0012"
OPEN_CIRCUIT_WITH_CELL_ON: Final = "0014"
NOT_SUPPORTED: Final = "001B"
MODE_INVALID: Final = "0021"
INVALID_IN_MODE: Final = "0023"
DIVISION_BY_ZERO: Final = "0028"
CRITICAL_OVERLOAD: Final = "0032"
ARGUMENT_MISSING: Final = "004B"
FILES_NOT_SUPPORTED: Final = "0083"
UNKNOWN_STATEMENT: Final = "4001"
BAD_CHARACTER: Final = "4004"
SCRIPT_TOO_LARGE: Final = "4005"
NESTED_MEASUREMENT: Final = "400B"
WRONG_PLACE: Final = "400C"
ARRAY_INDEX: Final = "400F"
SCOPE_TOO_DEEP: Final = "400D"
ENDED_UNEXPECTEDLY: Final = "4018"
NOT_INSIDE_LOOP: Final = "401A"
PACKET_SEQUENCE: Final = "401B"
PACKET_TOO_LONG: Final = "401C"
DUPLICATE_VARIABLE: Final = "4026"
NEEDS_CELL_ON: Final = "4027"
BAD_NAME: Final = "402B"
POTENTIAL_IN_LOOP: Final = "4032"
CURRENT_IN_LOOP: Final = "4033"
ONLY_INSIDE_LOOPS: Final = "4036"
OVERFLOW: Final = "4037"
BAD_LITERAL: Final = "4039"
NO_COMPARISON: Final = "4041"
MUST_BE_POSITIVE: Final = "4204"
OUT_OF_BOUNDS: Final = "4205"
WRONG_DATATYPE: Final = "4207"
UNDECLARED: Final = "420B"


class ScriptRefused(Exception):
    """A script that cannot run: ``code`` at ``line`` and ``column``, both from 1 (the column after the offending word)."""

    def __init__(self, code: str, line: int, column: int) -> None:
        super().__init__(f"{code}: Line {line}, Col {column}")
        self.code = code
        self.line = line
        self.column = column


class ScriptFault(Exception):
    """A script that failed while running: ``code`` at ``line``. The cell stays as it is."""

    def __init__(self, code: str, line: int) -> None:
        super().__init__(f"{code}: Line {line}")
        self.code = code
        self.line = line
