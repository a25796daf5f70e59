"""The cycle table of a Parquet file by other programs, each timed: ``python peer_cycle_table.py FILE`` prints them as JSON.

Run by an interpreter that has them (``HARNESS_PEERS``); those that are missing are left out. They get the file's columns under
their own names, and the charge counters they ask for, before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import polars as pl

REPEATS = 3
Result = TypeVar("Result")


def pyprobe(frame: pl.DataFrame) -> dict[str, float]:
    """PyProBE's `cycling.summary`: capacities and an efficiency per cycle."""
    from pyprobe.analysis import cycling  # type: ignore[import-not-found] # noqa: PLC0415 - may be missing
    from pyprobe.filters import Experiment  # type: ignore[import-not-found] # noqa: PLC0415

    second = pl.col("test_time_second").diff().fill_null(0.0)
    renamed = frame.select(
        pl.col("test_time_second").alias("Time [s]"),
        ((pl.col("step_count") - 1) % 2 + 1).alias("Step"),
        (pl.col("cycle_count") - 1).alias("Cycle"),
        (pl.col("step_count") - 1).alias("Event"),
        pl.col("current_ampere").alias("Current [A]"),
        pl.col("voltage_volt").alias("Voltage [V]"),
        (pl.col("current_ampere") * second / 3600).cum_sum().alias("Capacity [Ah]"),
    )

    def work() -> pl.DataFrame:
        experiment = Experiment(lf=renamed.lazy(), info={}, column_definitions={}, cycle_info=[])
        table: pl.DataFrame = cycling.summary(experiment).data
        return table

    spent, table = timed(work)
    return {"milliseconds": spent, "cycles": table.height, "efficiency": float(table["Coulombic Efficiency"][table.height // 2])}


def cellpy(frame: pl.DataFrame) -> dict[str, float]:
    """Cellpy's step table and summary."""
    import pandas as pd  # type: ignore[import-untyped] # noqa: PLC0415 - may be missing
    from cellpy.readers.cellreader import CellpyCell  # type: ignore[import-not-found] # noqa: PLC0415

    cell = CellpyCell(initialize=True)
    names = cell.headers_normal
    counters = {
        names.charge_capacity_txt: "step_charging_capacity_ah",
        names.discharge_capacity_txt: "step_discharging_capacity_ah",
    }
    columns = {
        names.data_point_txt: pl.int_range(1, pl.len() + 1),
        names.test_time_txt: pl.col("test_time_second"),
        names.step_time_txt: pl.col("step_time_second"),
        names.cycle_index_txt: pl.col("cycle_count"),
        names.step_index_txt: (pl.col("step_count") - 1) % 2 + 1,
        names.sub_step_index_txt: pl.lit(1),
        names.current_txt: pl.col("current_ampere"),
        names.voltage_txt: pl.col("voltage_volt"),
        names.internal_resistance_txt: pl.lit(0.0),
        **{name: pl.col(own).cum_max().over("cycle_count") for name, own in counters.items()},
    }
    made = frame.select(expression.alias(name) for name, expression in columns.items())
    raw = pd.DataFrame({name: made[name].to_numpy() for name in made.columns})
    raw[names.datetime_txt] = pd.to_datetime(raw[names.test_time_txt], unit="s")

    def work() -> Any:
        cell.data.raw = raw.copy()
        cell.cycle_mode = "anode"
        cell.make_step_table()
        cell.make_summary()
        return cell.data.summary

    spent, table = timed(work, 1)
    efficiency = table["coulombic_efficiency"]
    return {"milliseconds": spent, "cycles": len(efficiency), "efficiency": float(efficiency.iloc[len(efficiency) // 2]) / 100}


def timed(work: Callable[[], Result], repeats: int = REPEATS) -> tuple[float, Result]:
    """The shortest of several runs, in milliseconds, and what the last one gave."""
    spent = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        spent.append(1e3 * (time.perf_counter() - begin))
    return min(spent), result


def main() -> None:
    """Time every program that is installed."""
    frame = pl.read_parquet(sys.argv[1])
    found = {}
    warnings.simplefilter("ignore")
    for program in (pyprobe, cellpy):
        try:
            found[program.__name__] = program(frame)
        except ImportError:
            continue
    print(json.dumps(found))


if __name__ == "__main__":
    main()
