"""The demo's fleet: which cells hang on which emulated instrument, as data.

``preset`` names an anode of the emulator; ``build`` is what a person would call it. Areas are those of a 12.7 mm disc.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.cell import Cell
from harness.model.run import Geometry

AREA_CM2 = 1.267
FULL_CELL_CAPACITY_AH = 2.5e-3
INSTRUMENTS = ("EMU4HR0001", "EMU4HR0002")


@dataclass(frozen=True, slots=True)
class DemoCell:
    """One cell of the demo: its channel, its anode, and the ready schedule it runs."""

    channel: str
    instrument: str
    preset: str
    schedule: str
    cell: Cell


def _demo_cell(place: str, geometry: Geometry, name: str, build: str, preset: str, description: str) -> DemoCell:  # noqa: PLR0917 - a row
    """A row of the table below; ``place`` is the channel, whose letter names the instrument."""
    full = geometry is Geometry.FULL
    cell = Cell(
        id=name,
        build=build,
        geometry=geometry,
        counter="NMC811" if full else "Li",
        area_cm2=AREA_CM2,
        nominal_capacity_ah=FULL_CELL_CAPACITY_AH if full else None,
        description=description,
    )
    return DemoCell(place, INSTRUMENTS["ab".index(place[0])], preset, _SCHEDULES[geometry], cell)


_SCHEDULES = {Geometry.DEPOSIT: "demo-li-cu", Geometry.SYMMETRIC: "demo-li-li", Geometry.FULL: "demo-full-cell"}

FLEET = (
    _demo_cell("a1", Geometry.DEPOSIT, "cu-bare-1", "bare-foil", "bare_fec", "bare lithium foil, carbonate with FEC"),
    _demo_cell("a2", Geometry.DEPOSIT, "cu-stack-1", "claim-1-stack", "claim1_stack", "polymer, LiPON and polymer on foil"),
    _demo_cell("a3", Geometry.DEPOSIT, "cu-stack-2", "claim-1-stack", "claim1_stack", "a replicate of cu-stack-1"),
    _demo_cell("a4", Geometry.DEPOSIT, "cu-co2-1", "co2-deposited", "co_deposited_co2", "lithium co-deposited with CO2"),
    _demo_cell("b1", Geometry.DEPOSIT, "cu-ether-1", "bare-ether", "bare_ether", "bare lithium foil, 1 M ether"),
    _demo_cell("b2", Geometry.SYMMETRIC, "li-stack-1", "claim-1-stack", "claim1_stack", "Li||Li with the stack on both sides"),
    _demo_cell("b3", Geometry.FULL, "nmc-bare-1", "bare-foil", "bare_fec", "Li||NMC with bare foil"),
    _demo_cell("b4", Geometry.FULL, "nmc-stack-1", "claim-1-stack", "claim1_stack", "Li||NMC with the stack"),
)
