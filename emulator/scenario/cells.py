"""The cell on a channel.

By preset and geometry, as in ``{geometry: deposit, preset: bare_fec}``, or by what it is made of::

    cell: {build: three-layers-tin, counter: NMC811, electrolyte: ether, area_cm2: 1.267, excess_mah_cm2: 4,
           temperature_celsius: 25, overrides: {cathode_capacity_mah_cm2: 3}}

``build`` is a ready build's name, a file beside the scenario, or a build written out. ``counter``
is Cu (a deposit grows on copper under the build's layers), Li (the build on both sides), or the cathode of a full cell: NMC532,
NMC811, LFP, S. ``excess_mah_cm2`` is the lithium under the deposit; without it that of the build, none on copper.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import Field, field_validator, model_validator

from emulator.cell.effective import Counter
from emulator.cell.layers import BARE, Electrolyte, cell_parameters
from emulator.cell.parameters import CellParameters, PresetName, preset_parameters
from emulator.scenario.written import Name, NotNegative
from harness.errors import BadInput
from harness.model.anode import AnodeBuild, load_build, parse_build, ready_builds
from harness.model.anode_parameters import anode_parameters
from harness.model.run import Geometry
from harness.model.written import Written, read_yaml, wrong
from harness.model.yaml_text import Plain, complaint

_DEFAULT_EXCESS = {Geometry.DEPOSIT: 0.0, Geometry.SYMMETRIC: 20.0, Geometry.FULL: 4.0}
_ELECTRODE: dict[Geometry, Counter] = {Geometry.DEPOSIT: "Cu", Geometry.SYMMETRIC: "Li", Geometry.FULL: "NMC811"}
_ZERO_CELSIUS_KELVIN = 273.15


class CellSettings(Written):
    """A cell on a channel: by ``geometry`` and ``preset``, or by ``build``, ``counter`` and ``electrolyte``."""

    name: Name | None = None
    geometry: Geometry
    preset: PresetName | None = None
    build: AnodeBuild | None = None
    counter: Counter | None = None
    electrolyte: Electrolyte | None = None
    temperature_celsius: Annotated[float, Field(gt=-70, lt=120, allow_inf_nan=False)] = 25.0
    area_cm2: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.267
    excess_mah_cm2: NotNegative | None = None
    overrides: Annotated[dict[str, float], Field(default_factory=dict)]

    @model_validator(mode="before")
    @classmethod
    def _geometry_of_the_counter(cls, written: object) -> object:
        """A counter-electrode settles the geometry; copper where a build says nothing else."""
        if not isinstance(written, dict) or "geometry" in written:
            return written
        counter = written.get("counter", "Cu" if "build" in written else None)
        known = {"Cu": Geometry.DEPOSIT, "Li": Geometry.SYMMETRIC}
        return written if counter is None else {**written, "geometry": known.get(str(counter), Geometry.FULL)}

    @field_validator("build", mode="before")
    @classmethod
    def _build_in_full(cls, written: object) -> object:
        """A ready build by its name; of one written out, the first complaint with its place in it."""
        try:
            if isinstance(written, str):
                return load_build(written)
            return AnodeBuild.model_validate(written) if isinstance(written, dict) else written
        except pydantic.ValidationError as error:
            bad = complaint(error, written)
            raise wrong(bad.what, bad.where) from None
        except BadInput as bad:
            raise wrong(bad.what, "" if isinstance(written, str) else bad.where) from None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.preset is not None and (self.build is not None or self.electrolyte is not None):
            raise wrong("a preset says all that build and electrolyte say; give one or the other", "preset")
        if self.electrode not in _FITTING[self.geometry]:
            raise wrong(f"{self.counter} makes no cell of geometry {self.geometry.value}; leave the geometry out", "counter")
        try:
            self.parameters()
        except pydantic.ValidationError as error:
            bad = complaint(error, self.overrides)
            raise wrong(bad.what, f"overrides.{bad.where}") from None
        if self.geometry is Geometry.SYMMETRIC and self.excess == 0.0:
            raise ValueError("a symmetric cell needs lithium: excess_mah_cm2 must be positive")
        return self

    def parameters(self) -> CellParameters:
        """Preset, or build in its electrolyte, and overrides together."""
        overrides = {"temperature_kelvin": self.temperature_celsius + _ZERO_CELSIUS_KELVIN, **self.overrides}
        if self.build is not None:
            return cell_parameters(anode_parameters(self.build), self.electrolyte or "fec", overrides)
        return preset_parameters(self.bare_preset, overrides)

    @property
    def bare_preset(self) -> PresetName:
        """The preset that says what its lithium does, but for a build."""
        return self.preset or BARE[self.electrolyte or "fec"]

    @property
    def electrode(self) -> Counter:
        """What stands opposite (or, in a full cell, the cathode)."""
        return self.counter or _ELECTRODE[self.geometry]

    @property
    def excess(self) -> float:
        """Lithium under the deposit, mAh/cm²."""
        if self.excess_mah_cm2 is not None:
            return self.excess_mah_cm2
        if self.build is not None and self.geometry is not Geometry.DEPOSIT:
            return anode_parameters(self.build).lithium_mah_cm2
        return _DEFAULT_EXCESS[self.geometry]


def with_build(channel: dict[str, Plain], directory: Path) -> dict[str, Plain]:
    """A channel as YAML made it, with the build in a file in the place of the file's name.

    Raises:
        BadInput: the file cannot be read, or is not a build; with the place in it.
    """
    cell = channel.get("cell")
    name = cell.get("build") if isinstance(cell, dict) else None
    if not isinstance(cell, dict) or not isinstance(name, str) or name in ready_builds():
        return channel
    path = directory / name
    if not path.is_file():
        return channel
    content = read_yaml(path)
    parse_build(path.read_text(encoding="utf-8"), str(path))
    return channel | {"cell": cell | {"build": content}}


_FITTING: dict[Geometry, tuple[Counter, ...]] = {
    Geometry.DEPOSIT: ("Cu",),
    Geometry.SYMMETRIC: ("Li",),
    Geometry.FULL: ("NMC532", "NMC811", "LFP", "S"),
}
