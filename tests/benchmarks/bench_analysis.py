"""How long a million rows take, and how right the answer is: 500 Li||Cu cycles of known efficiency; and one spectrum."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from harness.analysis.impedance.fit import fit_impedance
from harness.interop.cycles import analyze_file
from harness.model.run import Geometry
from tests.benchmarks.figure import Figure

CYCLES, EFFICIENCY, CURRENT = 500, 0.965, 6.3e-4


def million_rows() -> pl.DataFrame:
    """1 000 000 rows: plate and strip of 1000 rows each, times 500."""
    half = 1000
    own = np.tile(np.linspace(0.0, 3600.0, half), 2 * CYCLES)
    scale = np.tile(np.repeat([1.0, EFFICIENCY], half), CYCLES)
    steps = np.repeat(np.arange(2 * CYCLES), half)
    step_time = own * scale
    lengths = np.tile([3600.0, 3600.0 * EFFICIENCY], CYCLES)
    begin = np.repeat(np.concatenate(([0.0], np.cumsum(lengths)[:-1])), half)
    sign = np.where(steps % 2 == 0, -1.0, 1.0)
    return pl.DataFrame(
        {
            "test_time_second": begin + step_time,
            "step_time_second": step_time,
            "voltage_volt": 0.05 * sign,
            "current_ampere": CURRENT * sign,
            "cycle_count": steps // 2 + 1,
            "step_count": steps + 1,
            "step_charging_capacity_ah": np.where(sign > 0, CURRENT * step_time / 3600, 0.0),
            "step_discharging_capacity_ah": np.where(sign < 0, CURRENT * step_time / 3600, 0.0),
        }
    )


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """The shortest of several runs, in milliseconds."""
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - begin))
    return min(found)


def measure() -> list[Figure]:
    """Cycle tables of a million rows, and a fit; beside them how far the efficiencies are from the known one."""
    frame, figures = million_rows(), []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        counted, plain = Path(directory) / "counted.parquet", Path(directory) / "plain.parquet"
        frame.write_parquet(counted)
        frame.drop("step_charging_capacity_ah", "step_discharging_capacity_ah").write_parquet(plain)
        for name, path in (("with counters", counted), ("integrals only", plain)):
            spent = best_of(3, partial(analyze_file, path, geometry=Geometry.DEPOSIT))
            rows = analyze_file(path, geometry=Geometry.DEPOSIT)[0].rows
            worst = max(abs((row.coulombic_efficiency or 0.0) / EFFICIENCY - 1) for row in rows)
            assert len(rows) == CYCLES
            beside = f"{len(rows)} cycles, efficiency wrong by at most {worst:.0g}"
            figures.append(Figure(f"cycle table of {frame.height:,} rows, {name}", spent, "ms", beside))
    frequency = np.logspace(5, -1, 57)
    spectrum = 5 + 80 / (1 + (2j * np.pi * frequency * 80 * 3e-6) ** 0.9) + 4 / np.sqrt(2j * np.pi * frequency)
    fit = best_of(3, lambda: fit_impedance(frequency, spectrum))
    return [*figures, Figure("impedance fit of 57 points", fit, "ms", "best of 3")]
