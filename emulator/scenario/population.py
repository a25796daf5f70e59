"""Many cells from one: how many, and which of their numbers differ from cell to cell.

::

    population:
      count: 1000                                     # of every channel's cell: cu-01-0001, cu-01-0002, …
      vary:
        dead_fraction: {scatter: 0.2}                 # log-normal, relative standard deviation, around the cell's own value
        area_cm2: {uniform: [1.1, 1.3]}
        electrolyte_resistance_ohm_cm2: {choose: [8, 14]}

What may vary: the numbers of `CellParameters`, ``area_cm2`` and ``excess_mah_cm2``. Every value is a pure function of
(seed, cell, name), so that a cell of the population does not depend on how many others there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from emulator.cell.parameters import CellParameters
from emulator.scenario.cells import CellSettings
from harness.errors import BadInput
from harness.model.written import Written
from harness.model.yaml_text import complaint

Finite = Annotated[float, Field(allow_inf_nan=False)]
OF_THE_CELL = frozenset({"area_cm2", "excess_mah_cm2"})


class Variation(Written):
    """How one number differs: exactly one of the three."""

    scatter: Annotated[float, Field(ge=0, le=10)] | None = None
    uniform: tuple[Finite, Finite] | None = None
    choose: Annotated[tuple[Finite, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        stated = [name for name in ("scatter", "uniform", "choose") if getattr(self, name) is not None]
        if len(stated) != 1:
            raise ValueError(f"state one of scatter, uniform and choose, not {len(stated)} of them")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError(f"uniform: {self.uniform[0]:g} … {self.uniform[1]:g} is empty; write the lower number first")
        return self

    def drawn(self, base: float, normal: float) -> float:
        """The value that belongs to a standard normal number; ``base`` is the cell's own."""
        if self.scatter is not None:
            spread = math.sqrt(math.log1p(self.scatter**2))
            return base * math.exp(spread * normal - 0.5 * spread**2)
        share = 0.5 * math.erfc(-normal / math.sqrt(2.0))
        if self.uniform is not None:
            return self.uniform[0] + share * (self.uniform[1] - self.uniform[0])
        choices = self.choose or (base,)
        return choices[min(int(share * len(choices)), len(choices) - 1)]


class Population(Written):
    """``count`` cells in place of each."""

    count: Annotated[int, Field(ge=1, le=100_000)]
    vary: Annotated[dict[str, Variation], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = OF_THE_CELL | {
            name for name, field in CellParameters.model_fields.items() if field.annotation in (float, float | None)
        }
        for name in self.vary:
            if name not in known:
                raise ValueError(f'vary.{name}: there is no number "{name}" of a cell that could vary')
        return self


def member(population: Population, settings: CellSettings, name: str, normal: Callable[[str], float]) -> CellSettings:
    """The cell called ``name``: ``normal(parameter)`` is its standard normal number for each parameter that varies.

    Raises:
        BadInput: a value that was drawn is impossible for a cell.
    """
    parameters = settings.parameters()
    changed: dict[str, object] = {"name": name}
    overrides = dict(settings.overrides)
    for parameter, variation in sorted(population.vary.items()):
        base = settings.excess if parameter == "excess_mah_cm2" else getattr(settings, parameter, None)
        base = base if parameter in OF_THE_CELL else getattr(parameters, parameter)
        value = variation.drawn(float(str(base or 0.0)), normal(parameter))
        if parameter in OF_THE_CELL:
            changed[parameter] = value
        else:
            overrides[parameter] = value
    drawn = {**settings.model_dump(by_alias=True), **changed, "overrides": overrides}
    try:
        return CellSettings.model_validate(drawn)
    except ValidationError as error:
        what = complaint(error, drawn)
        raise BadInput("population.vary", f"the draw for {name} is no possible cell ({what}); vary less") from None
