"""What a cycler writes down of one cell: samples and impedance points in the Battery Data Format's machine names, as Parquet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from harness.units import NANOSECOND

SAMPLES = {
    "test_time_second": pl.Float64,
    "step_time_second": pl.Float64,
    "voltage_volt": pl.Float64,
    "current_ampere": pl.Float64,
    "cycle_count": pl.Int64,
    "step_count": pl.Int64,
    "step_path": pl.String,
    "role": pl.String,
    "current_range_ampere": pl.Float64,
}
POINTS = {
    "test_time_second": pl.Float64,
    "step_time_second": pl.Float64,
    "frequency_hertz": pl.Float64,
    "real_impedance_ohm": pl.Float64,
    "imaginary_impedance_ohm": pl.Float64,
    "sweep_count": pl.Int64,
    "cycle_count": pl.Int64,
    "step_count": pl.Int64,
    "step_path": pl.String,
    "role": pl.String,
}


@dataclass(slots=True)
class Recording:
    """Rows of one cell in the order they were taken; tuples in the order of `SAMPLES` and `POINTS`."""

    start_nanosecond: int
    samples: list[tuple[float | int | str, ...]] = field(default_factory=list)
    points: list[tuple[float | int | str, ...]] = field(default_factory=list)

    def write(self, directory: Path, name: str) -> None:
        """Write ``<name>.bdf.parquet`` and, where impedance was measured, ``<name>.impedance.parquet``."""
        self._frame(self.samples, SAMPLES).write_parquet(directory / f"{name}.bdf.parquet")
        if self.points:
            self._frame(self.points, POINTS).write_parquet(directory / f"{name}.impedance.parquet")

    def _frame(self, rows: list[tuple[float | int | str, ...]], columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        frame = pl.DataFrame(rows, schema=pl.Schema(columns), orient="row")
        start = self.start_nanosecond / NANOSECOND
        return frame.with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("record_index"),
            (pl.col("test_time_second") + start).alias("unix_time_second"),
        ).select("record_index", "unix_time_second", *columns)
