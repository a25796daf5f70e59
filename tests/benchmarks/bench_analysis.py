"""How long a million rows take, and how right the answer is: 500 Li||Cu cycles of known efficiency."""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from harness.interop.cycles import analyze_file, analyze_frame
from harness.model.run import Geometry
from tests.benchmarks.figure import Figure
from tests.benchmarks.peers import interpreter_with

CYCLES, EFFICIENCY, CURRENT = 500, 0.965, 6.3e-4
REPEATS = 7


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
    """Cycle tables of a million rows beside other programs', with how far the efficiencies are from the known one."""
    frame = million_rows()
    plain = frame.drop("step_charging_capacity_ah", "step_discharging_capacity_ah")
    noise = np.random.default_rng(1).normal(size=frame.height)
    noisy = plain.with_columns(
        pl.col("current_ampere") * (1 + 1e-4 * pl.Series(noise)), pl.col("voltage_volt") + pl.Series(1e-5 * noise)
    )
    figures = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for name, rows in (("with counters", frame), ("integrals only", plain), ("integrals only, noisy", noisy)):
            path = Path(directory) / "rows.parquet"
            rows.write_parquet(path)
            spent = best_of(REPEATS, partial(analyze_frame, "cell", rows, Geometry.DEPOSIT))
            table = analyze_frame("cell", rows, Geometry.DEPOSIT).rows
            assert len(table) == CYCLES
            worst = max(abs((row.coulombic_efficiency or 0.0) / EFFICIENCY - 1) for row in table)
            beside = f"at most 30; {len(table)} cycles with σ, efficiency wrong by at most {worst:.0g}"
            figures.append(Figure(f"cycle table of {frame.height:,} rows, {name}", spent, "ms", beside))
            spent = best_of(REPEATS, partial(analyze_file, path, geometry=Geometry.DEPOSIT))
            figures.append(Figure(f"the same from Parquet, {name}", spent, "ms", "at most 100"))
        frame.write_parquet(path)
        figures += peers(path)
    return figures


def peers(path: Path) -> list[Figure]:
    """The same table by other programs, where an interpreter has them."""
    interpreter = interpreter_with("pyprobe")
    if interpreter is None:
        return [Figure("the same by PyProBE and cellpy", math.nan, "", "no interpreter in HARNESS_PEERS has them")]
    script = Path(__file__).with_name("peer_cycle_table.py")
    run = subprocess.run([interpreter, str(script), str(path)], check=True, capture_output=True, text=True, timeout=600)
    found: dict[str, dict[str, float]] = json.loads(run.stdout.strip().splitlines()[-1])
    return [
        Figure(
            f"the same by {name}, in memory", its["milliseconds"], "ms", f"{its['cycles']:.0f} cycles, CE {its['efficiency']:.4f}"
        )
        for name, its in found.items()
    ]
