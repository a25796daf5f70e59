"""How the emulator's time runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from emulator.scenario.written import Written


class ClockSettings(Written):
    """Simulated time is ``start`` + (wall − ``origin``) × ``scale``."""

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    start: AwareDatetime | None = None
    origin: AwareDatetime | None = None

    @model_validator(mode="after")
    def _start_of_scaled_time(self) -> Self:
        if self.scale != 1.0 and self.start is None:
            raise ValueError("a scale other than 1 needs a start, for example 2026-01-01T00:00:00Z")
        return self


def utc_nanosecond(moment: datetime) -> int:
    """Integer nanoseconds since 1970 of an aware moment."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
