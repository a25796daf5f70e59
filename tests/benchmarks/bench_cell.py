"""How fast is the cell model: closed form and step kernel, plain and compiled, beside PyBaMM's half cell?

All times are processor time of one thread, the least of several runs with the median beside it, so that other work on the
machine counts as little as it can.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.cell import compiled, cycling, state
from emulator.cell.cells import Cell, DepositCell, Normal, no_chance
from emulator.cell.effective import effective
from emulator.cell.engine import PYTHON, Engine
from emulator.cell.parameters import preset_parameters
from emulator.cell.segments import Batch, Step, cycle
from emulator.noise import Normals
from tests.benchmarks.figure import Figure

CYCLES = 200
LI_CU = (
    Step(-1.0, 3600.0, lowest_volt=-0.5, points=198),
    Step(0.0, 300.0, points=4),
    Step(1.0, 7200.0, highest_volt=1.0, points=198),
)
"""1 mAh/cm² at 1 mA/cm² and back to 1 V: 400 points a cycle."""

CHANNELS, HERTZ = 256, 10
C_AMPERE = 2.4e-3
LI_NMC = (
    cycling.Carry(-C_AMPERE / 2, 4 * 3600.0, low_volt=3.5),
    cycling.Carry(0.0, 600.0),
    cycling.Carry(C_AMPERE / 2, 4 * 3600.0, high_volt=4.2),
    cycling.Hold(4.2, 4 * 3600.0, end_current=C_AMPERE / 20, limit=C_AMPERE),
    cycling.Carry(0.0, 600.0),
)
"""The cycle of `tests.benchmarks.pybamm_cycles`, a sample a minute."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor time of a few runs, s."""

    runs: list[float]

    @property
    def least(self) -> float:
        return min(self.runs)

    def beside(self) -> str:
        """The median, in ms."""
        return f"median {statistics.median(self.runs) * 1e3:,.1f} ms of {len(self.runs)}"


def spent(work: Callable[[], object], runs: int) -> Spent:
    """What ``work`` takes."""
    seconds = []
    for _ in range(runs):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return Spent(seconds)


def chance(name: str) -> tuple[Normal, Normal, Normal, Normal]:
    """The streams of a cell of this name."""
    return Normals(1, name, "cell").value, no_chance, no_chance, no_chance


def li_cu(cells: int) -> Batch:
    """Li||Cu cells that differ by chance."""
    parameters = preset_parameters("bare_fec")
    streams = [Normals(1, f"c{index}", "cell").value for index in range(cells)]
    made = [DepositCell(parameters, 1.0, stream) for stream in streams]
    par = effective(parameters, "Cu", 1.0, 298.15)
    return Batch([par] * cells, [state.from_bytes(cell.snapshot()) for cell in made], [(one, one) for one in streams])


def li_nmc(engine: Engine) -> Cell:
    """Plenty of lithium against the cathode of PyBaMM's set "Xu2019" (42 µm of NMC532, 1.54 cm²)."""
    parameters = preset_parameters("bare_fec", {"cathode_capacity_mah_cm2": 2.812, "cathode_stoichiometry": 0.096})
    return Cell("NMC532", parameters, 1.54, chance("bench"), 100.0, engine=engine)


def closed_form() -> list[Figure]:
    """One cell, and 64."""
    points = sum(step.points for step in LI_CU)
    one, many = li_cu(1), li_cu(64)
    cycle(one, LI_CU, 3)
    alone, together = spent(lambda: cycle(one, LI_CU, CYCLES), 15), spent(lambda: cycle(many, LI_CU, CYCLES), 5)
    what = f"{CYCLES} cycles of Li||Cu in closed form"
    return [
        Figure(what, alone.least * 1e3, "ms", f"{points} points a cycle, no compiler; 30 wanted; {alone.beside()}"),
        Figure(f"64 × {what}", together.least, "s", f"{points} points a cycle, no compiler; 1 wanted; {together.beside()}"),
    ]


def kernel_tick(engine: Engine) -> Figure:
    """A second of many channels that deposit, tenth by tenth: each step, and the voltage after it."""
    parameters = preset_parameters("claim1_stack")
    cells = [Cell("Cu", parameters, 1.0, chance(f"c{index}"), 0.0, engine=engine) for index in range(CHANNELS)]

    def second() -> None:
        for _ in range(HERTZ):
            for cell in cells:
                cell.advance(-1e-3, 1.0 / HERTZ)
                cell.voltage(-1e-3)

    for cell in cells:
        cell.advance(-1e-3, 300.0)
    second()
    took = spent(second, 7)
    beside = f"{CHANNELS} channels at {HERTZ} Hz; below 100 keeps up; {took.beside()}"
    return Figure(f"step kernel ({engine.name})", took.least * 100.0, "% of a core", beside)


def kernel_cycles(engine: Engine, runs: int) -> tuple[Spent, int, float]:
    """The Li||NMC cycles: time, points, simulated seconds."""
    counts, simulated = [0], [0.0]

    def work() -> None:
        outcomes, counts[0] = cycling.run(li_nmc(engine), LI_NMC, CYCLES, 60.0)
        simulated[0] = sum(outcome.duration_second for outcome in outcomes)

    work()
    took = spent(work, runs)
    return took, counts[0], simulated[0]


def pybamm_cycles(runs: int) -> dict[str, Any] | None:
    """What PyBaMM took, or ``None`` where it is not installed."""
    if importlib.util.find_spec("pybamm") is None:
        return None
    program = Path(__file__).with_name("pybamm_cycles.py")
    environment = {**os.environ, "PYBAMM_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, str(program), str(CYCLES), str(runs)], capture_output=True, text=True, check=True, env=environment
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def against_pybamm() -> list[Figure]:
    """The same cycles, in the same run; each engine that is there."""
    theirs = pybamm_cycles(5)
    figures = []
    least = None
    if theirs is None:
        figures.append(Figure("PyBaMM", 0.0, "s", 'not installed: pip install "anode-harness[pybamm]"'))
    else:
        least = min(theirs["second"])
        beside = f"{theirs['points']:,} points, {theirs['simulated_second']:,.0f} s; {Spent(theirs['second']).beside()}"
        figures.append(Figure(f"{CYCLES} cycles of Li||NMC, PyBaMM {theirs['version']} SPMe", least, "s", beside))
    for engine, runs in ((PYTHON, 5), *(((compiled.engine(), 9),) if compiled.installed() else ())):
        took, points, simulated = kernel_cycles(engine, runs)
        ratio = "" if least is None else f"{least / took.least:,.1f} × PyBaMM; "
        beside = f"{ratio}{points:,} points, {simulated:,.0f} s; {took.beside()}"
        figures.append(Figure(f"{CYCLES} cycles of Li||NMC, step kernel ({engine.name})", took.least * 1e3, "ms", beside))
    if not compiled.installed():
        figures.append(Figure("compiled kernel", 0.0, "ms", 'not installed: pip install "anode-harness[compiled]"'))
    return figures


def measure() -> list[Figure]:
    """Everything."""
    ticks = [kernel_tick(PYTHON), *([kernel_tick(compiled.engine())] if compiled.installed() else [])]
    return [*closed_form(), *ticks, *against_pybamm()]
