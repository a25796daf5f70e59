"""A cell: what was built, and how it is wired."""

from __future__ import annotations

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


class Cell(Written):
    """One physical cell. ``counter`` is the other electrode (``Cu``, ``Li``, ``NMC811``, …); ``build`` the anode's build id.

    ``nominal_capacity_ah`` is what ``C/3`` refers to; absent when C-rates make no sense for the cell.
    """

    id: Identifier
    build: Identifier
    geometry: Geometry
    counter: str
    area_cm2: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    nominal_capacity_ah: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    description: str = ""
