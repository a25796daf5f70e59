"""Values as the instrument writes them: the finest prefix that keeps the mantissa below 2^27.

Seven hexadecimal digits of mantissa + 0x8000000, then one prefix character; a space is the prefix for one, ``i`` an integer.
"""

from __future__ import annotations

import math

Number = float | int

_OFFSET = 0x8000000
_PREFIXES = tuple(zip("afpnum kMGTPE", range(-18, 21, 3), strict=True))
_TABLE = tuple(
    (_OFFSET * 10.0**power, 10.0 ** (-power) if power < 0 else 1.0 / 10.0**power, prefix) for prefix, power in _PREFIXES
)
_NOT_A_NUMBER = "     nan"

PREFIX_POWER: dict[str, int] = {prefix: power for prefix, power in _PREFIXES if prefix != " "}
"""Powers of ten of the prefixes a literal may carry."""


def encode_value(value: Number) -> str:
    """The eight characters of a value."""
    if isinstance(value, int):
        return f"{(value + _OFFSET) & 0xFFFFFFF:07X}i"
    if value == 0.0:
        return "8000000 "
    if not math.isfinite(value):
        return _NOT_A_NUMBER
    size = abs(value)
    for limit, factor, prefix in _TABLE:
        if size < limit:
            mantissa = round(value * factor)
            if -_OFFSET < mantissa < _OFFSET:
                return f"{mantissa + _OFFSET:07X}{prefix}"
    return _NOT_A_NUMBER


def encode_metadata(status: int, range_id: int) -> str:
    """Status nibble and range id, as they follow a value."""
    return f",1{status:X},2{range_id:02X}"
