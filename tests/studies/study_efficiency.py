"""Coulombic efficiencies of emulated cells against their truth: how often the 95 % interval holds it, and how wide it is.

Every cell has its own instrument, whose offset and gain are drawn from what is said of its accuracy. The cycles of one cell share
their offset, so one cycle of each cell is a sample: its last, whatever the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from harness.analysis.charge import Accuracy
from harness.analysis.coulombic import efficiency_of
from harness.interop.cycles import analyze_frame
from harness.model.run import Geometry
from tests.benchmarks.figure import Figure
from tests.studies.generated import GeneratedCell, each_cell

PLATE = {"step": "plate", "current": "1 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}}
STRIP = {"step": "strip", "current": "1 mA/cm^2", "until": {"voltage_above": "1 V"}, "longest": "2 h"}
REST = {"step": "rest", "for": "10 min"}
CHARGE = {"step": "charge", "current": "C/2", "until": {"voltage_above": "4.2 V"}, "longest": "4 h"}
HOLD = {"step": "hold", "voltage": "4.2 V", "until": {"current_below": "C/10"}, "longest": "9 h"}
DISCHARGE = {"step": "discharge", "current": "C/2", "until": {"voltage_below": "3 V"}, "longest": "4 h"}
SAMPLING = {"every": "30 s"}

CELLS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "Li||Cu, bare_fec": ({"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0}, [PLATE, REST, STRIP]),
    "Li||Cu, lhce, 1.5 cm²": ({"geometry": "deposit", "preset": "lhce", "area_cm2": 1.5}, [PLATE, STRIP, REST]),
    "full cell, CCCV": (
        {"geometry": "full", "preset": "bare_fec", "area_cm2": 1.0, "excess_mah_cm2": 4},
        [CHARGE, HOLD, DISCHARGE],
    ),
}
INSTRUMENTS = {
    "offset 2e-4 of range, 16 bit": {"offset": 2e-4, "gain": 0.0, "adc_bits": 16, "current_noise": 1e-5},
    "offset 5e-5, gain 2e-4, noise 1e-4": {"offset": 5e-5, "gain": 2e-4, "adc_bits": 18, "current_noise": 1e-4},
}


def scenario(cell: str, instrument: str) -> dict[str, Any]:
    """Two cycles of one of ``CELLS`` on one of ``INSTRUMENTS``."""
    what, steps = CELLS[cell]
    repeat = {"step": "repeat", "count": 2, "steps": steps}
    channels = [{"name": "a1", "cell": {"name": "cell", **what}}]
    return {
        "schedule": {"schedule": "study", "version": 1, "steps": [repeat], "sampling": SAMPLING},
        "instruments": [{"serial": "EMU1", "imperfections": {"base": "none", **INSTRUMENTS[instrument]}, "channels": channels}],
    }


def deviation(known: Mapping[str, Any], geometry: Geometry, cell: GeneratedCell) -> tuple[float, float]:
    """(measured − true) / σ of the last cycle's efficiency, and σ."""
    accuracy = Accuracy(offset_of_range=known["offset"], gain=known["gain"], adc_bits=known["adc_bits"])
    last = analyze_frame(cell.name, cell.samples, geometry, accuracy=accuracy).rows[-1]
    found = efficiency_of(last)
    true = [row["coulombic_efficiency_external"] for row in cell.truth["half_cycle"] if not row["deposits"]][-1]
    assert found.value is not None
    assert found.std is not None
    return (found.value - true) / found.std, found.std


def study(seeds: int) -> list[Figure]:
    """Each kind of cell on each kind of instrument."""
    figures = []
    for cell, (what, _) in CELLS.items():
        for instrument, known in INSTRUMENTS.items():
            found = each_cell(scenario(cell, instrument), seeds, partial(deviation, known, Geometry(what["geometry"])))
            held = sum(abs(off) <= 1.959964 for off, _ in found) / len(found)
            scatter = math.sqrt(sum(off**2 for off, _ in found) / len(found))
            std = sum(std for _, std in found) / len(found)
            figures += [
                Figure(f"{cell}; {instrument}: truth within 95 %", 100 * held, "%", "93 to 97"),
                Figure(f"{cell}; {instrument}: scatter / σ", scatter, "", f"1; σ is {1e6 * std:.0f} ppm"),
            ]
    return figures
