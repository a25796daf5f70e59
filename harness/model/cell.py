"""A cell: what was built, and how it is wired."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from harness.errors import BadInput
from harness.model.run import Geometry, check_identifier
from harness.model.written import Written, wrong


def _identifier(text: str) -> str:
    try:
        return check_identifier(text, "")
    except BadInput as bad:
        raise wrong(bad.what) from None


Identifier = Annotated[str, AfterValidator(_identifier)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class Cell(Written):
    """One physical cell. ``counter`` is the other electrode (``Cu``, ``Li``, ``NMC811``, …); ``build`` the anode's build id.

    ``nominal_capacity_ah`` is what ``C/3`` refers to; absent when C-rates make no sense for the cell. Cells that were made
    together share a ``batch``; cells of one build and batch that are meant to be equal are numbered by ``replicate``.
    """

    id: Identifier
    build: Identifier
    geometry: Geometry
    counter: Text
    area_cm2: Positive
    nominal_capacity_ah: Positive | None = None
    electrolyte: Text | None = None
    electrolyte_volume_ul: Positive | None = None
    separator: Text | None = None
    stack_pressure_kpa: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    assembled_at: date | None = None
    batch: Identifier | None = None
    replicate: Annotated[int, Field(ge=1)] | None = None
    description: str = ""
