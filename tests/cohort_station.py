"""A station's directory with many cells whose derived rows are given: what a comparison is tested on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import RunEnded, RunStarted
from harness.model.run import RunContext, RunFacts
from harness.store.derived import DerivedStore
from harness.stream.journal import Journal
from tests.facts import FACTS

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_767_225_600 * SECOND


@dataclass(frozen=True)
class MadeRun:
    """One run: of which cell, where, with which facts, what was derived of it, and why it ended (``None``: it runs)."""

    cell: str
    rows: Sequence[DerivedRow]
    facts: RunFacts = FACTS
    channel: str = "a1"
    day: int = 0
    reason: str | None = "completed"

    @property
    def run_id(self) -> str:
        return run_id(self.cell, self.day)

    @property
    def start(self) -> int:
        return START + self.day * 24 * HOUR


def run_id(cell: str, day: int = 0) -> str:
    return f"{cell}-202601{day + 1:02d}t000000"


def made_facts(**changed: object) -> RunFacts:
    return replace(FACTS, **changed)  # type: ignore[arg-type]


def cycle(
    cell: str, count: int, *, plated: float = 1e-3, efficiency: float | None = 0.98, day: int = 0, flags: str = ""
) -> CycleRow:
    """A cycle of four hours. Its efficiency has σ = 1e-3, of which 6e-4 are the offset's."""
    known = efficiency is not None
    return CycleRow(
        run_id=run_id(cell, day),
        cycle_count=count,
        unix_time_nanosecond=START + day * 24 * HOUR + count * 4 * HOUR,
        kind="cycle",
        plating_capacity_ah=plated,
        plating_capacity_ah_std=1e-7,
        stripping_capacity_ah=None if efficiency is None else plated * efficiency,
        stripping_capacity_ah_std=1e-7 if known else None,
        coulombic_efficiency=efficiency,
        coulombic_efficiency_std=1e-3 if known else None,
        coulombic_efficiency_offset_std=6e-4 if known else None,
        plating_resistance_ohm=60.0 + count,
        plating_resistance_ohm_std=0.5,
        stripping_resistance_ohm=50.0 + count,
        stripping_resistance_ohm_std=0.5,
        cycle_duration_second=4 * 3600.0,
        flags=flags,
        method_version="ce-1",
    )


def fit(cell: str, count: int, resistance: float | None, *, day: int = 0, verdict: str = "good") -> ImpedanceFitRow:
    """A spectrum at the end of a cycle, of 1.27 cm²."""
    area = None if resistance is None else 1.27 * resistance
    stamp = START + day * 24 * HOUR + (count * 4 + 3) * HOUR
    shown = (5.0, 0.1, resistance, 0.2, area, 0.3, 1e-3)
    noise = None if resistance is None else 0.05
    row = ImpedanceFitRow(run_id(cell, day), count, stamp, count, *shown, "", "eis-1", verdict=verdict)
    return replace(row, interface_resistance_ohm_noise_std=noise)


def half_cycle(cell: str, count: int, role: str, *, grade: str = "") -> HalfCycleRow:
    """A half cycle of which only the grade of its short is told."""
    nothing = (None,) * 15
    evidence = "[]" if not grade else '[{"sign": "drop"}]'
    return HalfCycleRow(run_id(cell), count, START + count * 4 * HOUR, role, *nothing, grade, evidence, "", "short-2")


def noisy_cycles(cell: str, mean: float, seed: int, cycles: int = 6) -> list[CycleRow]:
    """Cycles whose efficiencies scatter by 8e-4 around ``mean``, the first one poorer."""
    noise = np.random.default_rng(seed).normal(0, 8e-4, cycles)
    first = cycle(cell, 1, efficiency=0.9, flags="formation")
    return [first, *(cycle(cell, n, efficiency=mean + float(noise[n - 1])) for n in range(2, cycles + 1))]


def write_station(directory: Path, runs: Sequence[MadeRun]) -> Path:
    """Journal and derived rows of ``runs`` in ``directory``, which need not exist."""
    directory.mkdir(exist_ok=True)

    async def main() -> None:
        async with Journal(directory / "journal.sqlite") as journal:
            for run in runs:
                context = RunContext("lab", run.channel, run.cell, "build", run.run_id)
                journal.begin_run(context, RunStarted(run.run_id, 0, run.start, run.facts))
                if run.reason is not None:
                    journal.append(RunEnded(run.run_id, 1, run.start + 1, completed=run.reason == "completed", reason=run.reason))
            await journal.flush()

    asyncio.run(main())
    with DerivedStore(directory / "derived.sqlite") as derived:
        for run in runs:
            derived.put(RunContext("lab", run.channel, run.cell, "build", run.run_id), list(run.rows))
    return directory
