"""How the emulator's time runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from emulator.clocks.clock import Mode
from harness.model.written import Written


class ClockSettings(Written):
    """See `emulator.clocks.clock`. Scaled time is ``start`` + (wall − ``origin``) × ``scale``; stepped and self-advancing time
    begin at ``start``, and in the latter clients without a lease get ``scale``. Without a ``mode`` it is scaled, or real at
    scale 1.
    """

    mode: Mode | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    start: AwareDatetime | None = None
    origin: AwareDatetime | None = None

    @property
    def runs(self) -> Mode:
        """The mode, said or meant."""
        return self.mode or (Mode.REAL if self.scale == 1.0 else Mode.SCALED)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.runs in (Mode.REAL, Mode.STEPPED) and self.scale != 1.0:
            raise ValueError(f"scale: {self.runs.value} time has no scale; leave it out")
        if self.runs is not Mode.REAL and self.scale != 1.0 and self.start is None:
            raise ValueError("a scale other than 1 needs a start, for example 2026-01-01T00:00:00Z")
        if self.runs in (Mode.STEPPED, Mode.SELF_ADVANCING):
            if self.start is None:
                raise ValueError(f"{self.runs.value} time needs a start, for example 2026-01-01T00:00:00Z")
            if self.origin is not None:
                raise ValueError(f"origin: {self.runs.value} time does not follow the wall's; leave it out")
        return self


def utc_nanosecond(moment: datetime) -> int:
    """Integer nanoseconds since 1970 of an aware moment."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
