"""An anode build as the claims describe it: substrate, lithium, the ordered layers over it, and how each was made.

Written by people in YAML. A field that is absent or ``null`` is *unknown*, and stays so: nothing is guessed into it. What is
known to be absent is written down: ``layers: []`` is bare lithium, ``co_deposition: none`` a deposition without gas,
``cure: none`` an uncured polymer, ``salt: none`` one without salt. Thicknesses carry their standard uncertainty. Builds ready to
use lie in ``harness/builds``. No verdicts and no physics here: see `harness.model.claims` and `harness.model.anode_parameters`.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from harness.errors import BadInput
from harness.model.cell import Identifier
from harness.model.written import Written, wrong
from harness.model.yaml_text import complaint, load_mapping, located

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
StepNumber = Annotated[int, Field(ge=1)]
LithiumMethod = Literal["thermal", "e_beam", "sputter", "flash", "electrodeposition", "extrusion", "lamination", "other"]


class SubstrateClass(StrEnum):
    """What lies under the lithium: the seven classes of claims 15 and 19, another one, or nothing (a free-standing foil)."""

    METAL_FOIL = "metal_foil"
    POLYMER_FILM = "polymer_film"
    METALLIZED_POLYMER_FILM = "metallized_polymer_film"
    CONDUCTIVE_POLYMER_FILM = "conductive_polymer_film"
    POLYMER_FILM_CONDUCTIVE_COATING = "polymer_film_conductive_coating"
    CONDUCTIVE_POLYMER_FILM_METAL_COATING = "conductive_polymer_film_metal_coating"
    POLYMER_FILM_DISPERSED_PARTICLES = "polymer_film_dispersed_particles"
    OTHER = "other"
    NONE = "none"


class LayerKind(StrEnum):
    """What a layer is for."""

    POLYMER = "polymer"
    SINGLE_ION_CONDUCTING = "single_ion_conducting"
    ALLOY = "alloy"
    TEMPORARY_METAL = "temporary_metal"
    GAS_INTERLAYER = "gas_interlayer"
    OTHER = "other"


class MonomerClass(StrEnum):
    """The monomer classes of claim 9, or another."""

    ALKYL_ACRYLATE = "alkyl_acrylate"
    GLYCOL_ACRYLATE = "glycol_acrylate"
    POLYGLYCOL_ACRYLATE = "polyglycol_acrylate"
    OTHER = "other"


class Material(StrEnum):
    """What a layer is made of: the glasses of claim 7, the metals of claim 6, products of gas treatments, or other."""

    LITHIUM_SILICATE = "lithium_silicate"
    LITHIUM_BORATE = "lithium_borate"
    LITHIUM_ALUMINATE = "lithium_aluminate"
    LITHIUM_PHOSPHATE = "lithium_phosphate"
    LITHIUM_PHOSPHORUS_OXYNITRIDE = "lithium_phosphorus_oxynitride"
    LITHIUM_SILICOSULFIDE = "lithium_silicosulfide"
    LITHIUM_GERMANOSULFIDE = "lithium_germanosulfide"
    LITHIUM_LANTHANUM_OXIDE = "lithium_lanthanum_oxide"
    LITHIUM_TANTALUM_OXIDE = "lithium_tantalum_oxide"
    LITHIUM_NIOBIUM_OXIDE = "lithium_niobium_oxide"
    LITHIUM_TITANIUM_OXIDE = "lithium_titanium_oxide"
    LITHIUM_BOROSULFIDE = "lithium_borosulfide"
    LITHIUM_ALUMINOSULFIDE = "lithium_aluminosulfide"
    LITHIUM_PHOSPHOSULFIDE = "lithium_phosphosulfide"
    ZINC = "zinc"
    MAGNESIUM = "magnesium"
    TIN = "tin"
    ALUMINIUM = "aluminium"
    COPPER = "copper"
    SILVER = "silver"
    GOLD = "gold"
    LITHIUM_CARBONATE = "lithium_carbonate"
    LITHIUM_OXIDE = "lithium_oxide"
    LITHIUM_NITRIDE = "lithium_nitride"
    LITHIUM_FLUORIDE = "lithium_fluoride"
    LITHIUM_CARBIDE = "lithium_carbide"
    LITHIUM_DITHIONITE = "lithium_dithionite"
    OTHER = "other"


class Thickness(Written):
    """``value_um`` with its standard uncertainty ``u_um`` (``null``: not known; then no range test is certain)."""

    value_um: Positive
    u_um: NotNegative | None = None
    how: Literal["profilometer", "SEM", "QCM", "weight", "nominal"] | None = None


class Substrate(Written):
    """What the lithium was deposited on. A sheet resistance matters where the current is collected at the edge."""

    class_: Annotated[SubstrateClass | None, Field(alias="class")]
    material: str | None = None
    thickness_um: Positive | None = None
    sheet_resistance_ohm_sq: NotNegative | None = None


class Gas(Written):
    """One gas by formula (``CO2``, ``N2``, ``C2H2``, ``C2H4``, ``SO2``, ``CH4``, …).

    ``hydrocarbon`` settles claim 17 for a gas whose formula does not.
    """

    species: Annotated[str, Field(min_length=1)]
    hydrocarbon: bool | None = None
    flow_sccm: NotNegative | None = None
    partial_pressure_pa: NotNegative | None = None


class CoDeposition(Written):
    """Gases present while the lithium was deposited. ``in_situ`` is false when they were let in afterwards."""

    in_situ: bool | None = None
    gases: tuple[Gas, ...] | None = None


def _gases_or_none(written: object, _: ValidatorFunctionWrapHandler) -> CoDeposition | Literal["none"] | None:
    """Told apart by hand, because the complaints of a union name its members, which stand in no file."""
    return None if written is None else "none" if written == "none" else CoDeposition.model_validate(written)


class ActiveLithium(Written):
    """The active lithium: deposited on the substrate, or a foil. ``areal_capacity_mah_cm2`` was measured, if given."""

    origin: Literal["deposited", "foil"] | None = None
    method: LithiumMethod | None = None
    material: Literal["Li", "Li_alloy"] | None = None
    thickness: Thickness | None = None
    areal_capacity_mah_cm2: Positive | None = None
    co_deposition: Annotated[CoDeposition | Literal["none"] | None, WrapValidator(_gases_or_none)] = None
    step_no: StepNumber | None = None


class Component(Written):
    """A part of a layer. ``glass`` is null where nobody knows whether it is amorphous; ``fraction`` is by weight."""

    material: Material
    formula: str | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    glass: bool | None = None


class Monomer(Written):
    """A monomer the polymer was made from."""

    name: str
    class_: Annotated[MonomerClass | None, Field(alias="class")] = None


class Polymer(Written):
    """How a polymer layer was made. ``swelling`` is the relative volume taken up in the electrolyte."""

    cross_linked: bool | None = None
    cure: Literal["e_beam", "uv", "thermal", "none"] | None = None
    monomers: tuple[Monomer, ...] | None = None
    salt: str | None = None
    swelling: NotNegative | None = None


class GasTreatment(Written):
    """The gas treatment that made an interlayer."""

    species: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    plasma: bool | None = None
    power_w: NotNegative | None = None
    time_second: NotNegative | None = None
    pressure_pa: NotNegative | None = None


class Conductivity(Written):
    """Measured ionic conductivity of a layer, and how it depends on temperature.

    The bounds leave room for every solid, and refuse other units: mS/cm for S/cm, °C for K, kJ/mol for eV.
    """

    value_s_cm: Annotated[float, Field(gt=0, lt=100)]
    temperature_k: Annotated[float, Field(ge=100, le=2000)] = 298.15
    activation_energy_ev: Annotated[float, Field(ge=0, le=5)] | None = None


class Layer(Written):
    """One layer. The list runs from the lithium outwards and is the order of deposition, unless ``step_no`` says otherwise."""

    kind: LayerKind | None
    name: str | None = None
    step_no: StepNumber | None = None
    thickness: Thickness | None = None
    composition: tuple[Component, ...] | None = None
    polymer: Polymer | None = None
    gas: GasTreatment | None = None
    conductivity: Conductivity | None = None
    fate: Literal["permanent", "dissolves", "alloys"] | None = None

    @model_validator(mode="after")
    def _details_fit_the_kind(self) -> Self:
        for detail, kind in (("polymer", LayerKind.POLYMER), ("gas", LayerKind.GAS_INTERLAYER)):
            if getattr(self, detail) is not None and self.kind not in (kind, None):
                raise wrong(f'"{detail}" belongs to a layer of kind {kind.value}; this one is {self.kind}')
        return self


class ProcessStep(Written):
    """One step of making it, in order of ``step_no``; layers and lithium refer to it."""

    step_no: StepNumber
    what: Annotated[str, Field(min_length=1)]
    operator: str | None = None
    made_at: date | None = None
    equipment: str | None = None


class Lot(Written):
    """A material's lot."""

    material: str
    supplier: str | None = None
    lot: str | None = None


class AnodeBuild(Written):
    """One way of building an anode, in one revision. Equal facts are equal builds.

    ``source`` says where the facts come from (a notebook page, a supplier's sheet); ``files`` name raw data that belong to it.
    """

    id: Identifier
    title: str = ""
    source: str | None = None
    operator: str | None = None
    made_at: date | None = None
    substrate: Substrate | None = None
    active: ActiveLithium
    layers: tuple[Layer, ...] | None
    process: tuple[ProcessStep, ...] = ()
    lots: tuple[Lot, ...] = ()
    files: tuple[str, ...] = ()
    remarks: str = ""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.substrate is not None and self.substrate.class_ is SubstrateClass.NONE and self.active.origin == "deposited":
            raise BadInput("substrate.class", 'lithium cannot be deposited on nothing; "none" goes with a foil')
        numbers = [step.step_no for step in self.process]
        if numbers != sorted(set(numbers)):
            raise BadInput("process", "the steps must stand in rising order of step_no, each once")
        used = {"active": self.active.step_no} | {f"layers[{i}]": layer.step_no for i, layer in enumerate(self.layers or ())}
        for where, number in used.items():
            if numbers and number is not None and number not in numbers:
                raise BadInput(f"{where}.step_no", f"the process has no step {number}")
        return self


def parse_build(text: str, source: str) -> AnodeBuild:
    """The build in the YAML ``text``; ``source`` (a file name, or "") begins every complaint.

    Raises:
        BadInput: with the place in the file, what stands there, and what instead.
    """
    data = load_mapping(text, source)
    try:
        return AnodeBuild.model_validate(data)
    except ValidationError as error:
        raise complaint(error, data, source) from None
    except BadInput as bad:
        raise BadInput(located(bad.where, source), bad.what) from None


def ready_builds() -> list[str]:
    """The names of the builds that come with the harness."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shelf().iterdir() if entry.name.endswith(".yaml"))


def ready_build(name: str) -> str:
    """The text of a ready build; `BadInput` names those there are."""
    if name not in ready_builds():
        raise BadInput("build", f'"{name}" is not a ready build; there are {", ".join(ready_builds())}')
    return _shelf().joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load_build(name_or_file: str) -> AnodeBuild:
    """The ready build of that name, else the build in the file; `BadInput` if it is neither, or not a build."""
    if name_or_file in ready_builds():
        return parse_build(ready_build(name_or_file), f"{name_or_file}.yaml")
    try:
        text = Path(name_or_file).read_text(encoding="utf-8")
    except OSError:
        shown = f'"{name_or_file}" is neither a ready build (harness build list shows them) nor a file that can be read'
        raise BadInput("build", shown) from None
    except UnicodeDecodeError:
        raise BadInput("build", f'"{name_or_file}" is not UTF-8 text') from None
    return parse_build(text, name_or_file)


def _shelf() -> Traversable:
    return resources.files("harness").joinpath("builds")
