"""A referee from outside: the closed form against PyBaMM's half cell, where PyBaMM is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emulator.cell import state
from emulator.cell.cells import FullCell, no_chance
from emulator.cell.effective import effective
from emulator.cell.materials import MATERIALS
from emulator.cell.parameters import CellParameters
from emulator.cell.segments import Batch, Step, segment, voltages

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pybamm") is None, reason='PyBaMM is not installed: pip install "anode-harness[pybamm]"'
)

RATES = ("0.1", "0.5", "1.0", "2.0")
C_RATE_MA_CM2 = 2.4 / 1.54
CUTOFF_VOLT = 3.5
ELECTROLYTE_OHM_CM2 = 2.6
"""One number for all rates: what PyBaMM's DFN adds to its SPM."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
Recorder = Callable[[str, object], None]


@pytest.fixture(scope="module")
def curves() -> dict[str, dict[str, Curve]]:
    """Model, rate: (time, voltage) without the first instant."""
    program = Path(__file__).with_name("pybamm_half_cell.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True, timeout=110)
    read = json.loads(done.stdout)
    return {
        model: {rate: (np.array(curve["time"][1:]), np.array(curve["volt"][1:])) for rate, curve in rates.items()}
        for model, rates in read.items()
    }


def xu2019(electrolyte_ohm_cm2: float) -> Batch:
    """The set "Xu2019": lithium of 7.06 mA/cm² (3.5e-8 F c_Li^0.7 c_e^0.3) without any film, NMC532 of 42 µm."""
    parameters = CellParameters(
        exchange_current_bulk_ma_cm2=0.1 * 3.5e-8 * 96485.33212 * (1.0 / 1.3e-5) ** 0.7 * 1000.0**0.3,
        exchange_current_fresh_ma_cm2=1e-9,
        pit_area_ratio_max=0.0,
        film_resistivity_ohm_cm2_per_nm=0.0,
        film_growth_nm2_per_second=0.0,
        lost_lithium_resistance_ohm_cm2_per_mah_cm2=0.0,
        electrolyte_resistance_ohm_cm2=electrolyte_ohm_cm2,
        limiting_current_ma_cm2=1e9,
        cathode_capacity_mah_cm2=42.0 * MATERIALS["NMC532"].capacity_mah_cm2_per_um,
        cathode_stoichiometry=4631.0 / 48230.0,
        cell_scatter=0.0,
    )
    cell = FullCell(parameters, 1.54, no_chance, 100.0, "NMC532")
    par = effective(parameters, "NMC532", cell.area, 298.15)
    return Batch([par], [state.from_bytes(cell.snapshot())], [(no_chance, no_chance)])


def misfit(curve: Curve, rate: str, electrolyte_ohm_cm2: float) -> tuple[float, float, float]:
    """RMSE and largest difference in mV over the time both discharge, and our capacity over theirs, − 1."""
    time, volt = curve
    batch = xu2019(electrolyte_ohm_cm2)
    step = Step(-float(rate) * C_RATE_MA_CM2, 3.0 * 3600.0 / float(rate), lowest_volt=CUTOFF_VOLT)
    trace, _ = segment(batch, step)
    end = float(trace.elapsed_second[0, 0])
    there = time <= end
    difference = voltages(batch, step, time[there])[0] - volt[there]
    return float(np.sqrt(np.mean(difference**2)) * 1e3), float(np.max(np.abs(difference)) * 1e3), end / float(time[-1]) - 1.0


@pytest.mark.parametrize("rate", RATES)
def test_single_particle_model_agrees(curves: dict[str, dict[str, Curve]], rate: str, record_property: Recorder) -> None:
    """PyBaMM's SPM, 100 shells: RMSE below 0.5 mV from the first sample to 3.5 V, capacity within 0.1 %."""
    rmse, worst, capacity = misfit(curves["SPM"][rate], rate, 1e-9)
    record_property("rmse_millivolt", round(rmse, 4))
    record_property("worst_millivolt", round(worst, 3))
    record_property("capacity_part", round(capacity, 6))
    assert rmse < 0.5
    assert abs(capacity) < 1e-3


@pytest.mark.parametrize("rate", RATES)
def test_porous_electrode_model_agrees(curves: dict[str, dict[str, Curve]], rate: str, record_property: Recorder) -> None:
    """PyBaMM's DFN, with one resistance fitted for all rates: RMSE at most 1 mV, capacity within 0.5 %."""
    rmse, worst, capacity = misfit(curves["DFN"][rate], rate, ELECTROLYTE_OHM_CM2)
    record_property("rmse_millivolt", round(rmse, 4))
    record_property("worst_millivolt", round(worst, 3))
    record_property("capacity_part", round(capacity, 6))
    assert rmse <= 1.0
    assert abs(capacity) < 5e-3
