"""The demo's fleet: which cells hang on which emulated instrument, and what each was built from, as data.

Every build is a ready one, but for ``five-layers``, which shows a build described here. All cells have one electrolyte, so
that they differ as their builds do; areas are those of a 12.7 mm disc.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.model.anode import AnodeBuild, LayerKind, load_build, ready_builds
from harness.model.cell import Cell
from harness.model.run import Geometry
from harness.model.written import json_of

AREA_CM2 = 1.267
FULL_CELL_CAPACITY_AH = 3.4e-3
INSTRUMENTS = ("EMU4HR0001", "EMU4HR0002")
ELECTROLYTE = "1 M LiPF6 EC:EMC + 10 % FEC"
EMULATED_ELECTROLYTE = "fec"
BATCH = "demo"

_FIVE_LAYERS = "five-layers"
_SCHEDULES = {Geometry.DEPOSIT: "demo-li-cu", Geometry.SYMMETRIC: "demo-li-li", Geometry.FULL: "demo-full-cell"}
_COUNTERS = {Geometry.DEPOSIT: "Cu", Geometry.SYMMETRIC: "Li", Geometry.FULL: "NMC811"}


@dataclass(frozen=True, slots=True)
class DemoCell:
    """One cell of the demo: its channel, its anode, and the ready schedule it runs."""

    channel: str
    instrument: str
    schedule: str
    cell: Cell


def build_of(one: DemoCell) -> AnodeBuild:
    """The build of a cell's anode."""
    return _five_layers() if one.cell.build == _FIVE_LAYERS else load_build(one.cell.build)


def emulated(one: DemoCell) -> dict[str, object]:
    """The cell as a scenario of the emulator says it: a ready build by its name, another one in full."""
    build = one.cell.build if one.cell.build in ready_builds() else json.loads(json_of(build_of(one)))
    return {
        "name": one.cell.id,
        "build": build,
        "counter": one.cell.counter,
        "electrolyte": EMULATED_ELECTROLYTE,
        "area_cm2": one.cell.area_cm2,
    }


def _five_layers() -> AnodeBuild:
    """The five layers of the ready build without the interlayer under them, to see what the interlayer does."""
    whole = load_build("five-layers-plasma-co2")
    layers = tuple(layer for layer in whole.layers or () if layer.kind is not LayerKind.GAS_INTERLAYER)
    changes = {"id": _FIVE_LAYERS, "title": "Five layers on deposited lithium", "layers": layers}
    return whole.model_copy(update=changes)


def _demo_cell(place: str, geometry: Geometry, name: str, build: str) -> DemoCell:
    """A row of the table below; ``place`` is the channel, whose letter names the instrument."""
    cell = Cell(
        id=name,
        build=build,
        geometry=geometry,
        counter=_COUNTERS[geometry],
        area_cm2=AREA_CM2,
        nominal_capacity_ah=FULL_CELL_CAPACITY_AH if geometry is Geometry.FULL else None,
        electrolyte=ELECTROLYTE,
        electrolyte_volume_ul=40.0,
        separator="Celgard 2325",
        stack_pressure_kpa=100.0,
        batch=f"{BATCH}-{name.split('-', maxsplit=1)[0]}",
        replicate=int(name.rpartition("-")[2]),
    )
    return DemoCell(place, INSTRUMENTS["ab".index(place[0])], _SCHEDULES[geometry], cell)


FLEET = (
    _demo_cell("a1", Geometry.DEPOSIT, "cu-foil-1", "bare-foil"),
    _demo_cell("a2", Geometry.DEPOSIT, "cu-bare-1", "bare-deposited"),
    _demo_cell("a3", Geometry.DEPOSIT, "cu-stack-1", "three-layers"),
    _demo_cell("a4", Geometry.DEPOSIT, "cu-stack-2", "three-layers"),
    _demo_cell("a5", Geometry.DEPOSIT, "cu-five-1", _FIVE_LAYERS),
    _demo_cell("b1", Geometry.DEPOSIT, "cu-plasma-1", "five-layers-plasma-co2"),
    _demo_cell("b2", Geometry.DEPOSIT, "cu-co2-1", "co2-deposited"),
    _demo_cell("b3", Geometry.SYMMETRIC, "li-stack-1", "three-layers"),
    _demo_cell("b4", Geometry.FULL, "nmc-bare-1", "bare-deposited"),
    _demo_cell("b5", Geometry.FULL, "nmc-stack-1", "three-layers"),
)
