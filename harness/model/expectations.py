"""What a scenario expects of whoever runs it: the emulator writes it into the truth, ``harness compare-truth`` judges it.

::

    expect: {records_lost: 0, duplicate_points: 0, ce_abs_error_max: 2.0e-4, ce_deviation_max: 3, soft_short_flagged: [a2]}

Each line left out is not judged. They hold for every run that is compared with the truth, over its whole length.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.model.written import Written

Amount = Annotated[int, Field(ge=0)]
Most = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Channel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Expectations(Written):
    """The ``expect`` block.

    ``records_lost`` and ``duplicate_points`` are exact numbers; ``cycles_min`` counts cycles with an efficiency;
    ``ce_abs_error_max`` is |measured − true external efficiency| as a fraction and ``ce_deviation_max`` the same in standard
    deviations, in every cycle; ``resistance_deviation_max`` is that of series and interface resistance in every sweep;
    ``residual_max_mah_cm2`` is for the emulator's own books; ``completed`` says whether the run came to its plan's end;
    ``incidents`` are kinds that must occur and ``no_incidents`` kinds that must not; ``soft_short_flagged`` names exactly the
    channels that must carry a flag of a short.
    """

    records_lost: Amount | None = None
    duplicate_points: Amount | None = None
    cycles_min: Amount | None = None
    ce_abs_error_max: Most | None = None
    ce_deviation_max: Most | None = None
    resistance_deviation_max: Most | None = None
    residual_max_mah_cm2: Most | None = None
    completed: bool | None = None
    incidents: tuple[Word, ...] | None = None
    no_incidents: tuple[Word, ...] | None = None
    soft_short_flagged: tuple[Channel, ...] | None = None

    @property
    def stated(self) -> tuple[str, ...]:
        """The names of the expectations that are stated."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)
