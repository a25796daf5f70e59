"""What parts of a scenario share: durations, names, serial numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from harness.errors import BadInput
from harness.units import parse_quantity


def _second(text: str) -> str:
    try:
        value = parse_quantity(text, "s")
    except BadInput as bad:
        raise ValueError(bad.what) from None
    if value < 0:
        raise ValueError(f'"{text}" is negative; a time counts forward')
    return text


def _emulated_serial(text: str) -> str:
    if not (text.startswith("EMU") and text.isascii() and text.isalnum()):
        raise ValueError(f'"{text}" is not an emulated serial number; begin with EMU and use letters and digits')
    return text


Duration = Annotated[str, AfterValidator(_second)]
Serial = Annotated[str, AfterValidator(_emulated_serial)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
