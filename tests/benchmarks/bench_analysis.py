"""How long a million rows take: ``python tests/benchmarks/bench_analysis.py``. 500 Li||Cu cycles of known efficiency."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from harness.analysis.impedance import fit_impedance
from harness.interop.cycles import analyze_file
from harness.model.run import Geometry

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


def main() -> None:
    """Print the figures, and how far the efficiencies are from the known one."""
    frame = million_rows()
    with tempfile.TemporaryDirectory() as directory:
        counted, plain = Path(directory) / "counted.parquet", Path(directory) / "plain.parquet"
        frame.write_parquet(counted)
        frame.drop("step_charging_capacity_ah", "step_discharging_capacity_ah").write_parquet(plain)
        for name, path in (("with counters", counted), ("integrals only", plain)):
            spent = best_of(3, partial(analyze_file, path, geometry=Geometry.DEPOSIT))
            ((_, rows),) = analyze_file(path, geometry=Geometry.DEPOSIT)
            worst = max(abs((row.coulombic_efficiency or 0.0) / EFFICIENCY - 1) for row in rows)
            print(f"{frame.height} rows, {len(rows)} cycles, {name}: {spent:.0f} ms, worst error {worst:.1e}")
    frequency = np.logspace(5, -1, 57)
    spectrum = 5 + 80 / (1 + (2j * np.pi * frequency * 80 * 3e-6) ** 0.9) + 4 / np.sqrt(2j * np.pi * frequency)
    print(f"57-point spectrum: {best_of(3, lambda: fit_impedance(frequency, spectrum)):.0f} ms")


if __name__ == "__main__":
    main()
