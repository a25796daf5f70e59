"""A cell: what was built, and how it is wired."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.model.run import Geometry, check_identifier


def _identifier(text: str) -> str:
    return check_identifier(text, "")


Identifier = Annotated[str, AfterValidator(_identifier)]


class Cell(BaseModel):
    """One physical cell. ``counter`` is the other electrode (``Cu``, ``Li``, ``NMC811``, …); ``build`` the anode's build id.

    ``nominal_capacity_ah`` is what ``C/3`` refers to; absent when C-rates make no sense for the cell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Identifier
    build: Identifier
    geometry: Geometry
    counter: str
    area_cm2: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    nominal_capacity_ah: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    description: str = ""
