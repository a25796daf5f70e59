"""The cell on a channel."""

from __future__ import annotations

from typing import Annotated, Self

import pydantic
from pydantic import Field, model_validator

from emulator.cell.parameters import CellParameters, PresetName, preset_parameters
from emulator.scenario.written import Name, NotNegative, Written
from harness.model.run import Geometry

_DEFAULT_EXCESS = {Geometry.DEPOSIT: 0.0, Geometry.SYMMETRIC: 20.0, Geometry.FULL: 4.0}


class CellSettings(Written):
    """A cell on a channel."""

    name: Name | None = None
    geometry: Geometry
    preset: PresetName = "bare_fec"
    area_cm2: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.267
    excess_mah_cm2: NotNegative | None = None
    overrides: Annotated[dict[str, float], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            self.parameters()
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"overrides.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if self.geometry is Geometry.SYMMETRIC and self.excess_mah_cm2 == 0.0:
            raise ValueError("a symmetric cell needs lithium: excess_mah_cm2 must be positive")
        return self

    def parameters(self) -> CellParameters:
        """Preset and overrides together."""
        return preset_parameters(self.preset, self.overrides)

    @property
    def excess(self) -> float:
        """Lithium under the deposit, mAh/cm²."""
        return _DEFAULT_EXCESS[self.geometry] if self.excess_mah_cm2 is None else self.excess_mah_cm2
