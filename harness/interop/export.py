"""Results and readings as files for others: cycle tables, Battery Data Format, and the columns cellpy and PyProBE ask for.

Every value keeps its standard deviation (``x``, ``x_std``), efficiencies stay fractions; only where a program's own format asks
for percent does a frame hold percent, and its function says so. Nothing is computed anew.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from harness.errors import BadInput
from harness.interop.column_names import label
from harness.interop.columns import Columns
from harness.interop.counters import best_counter
from harness.interop.timeline import build_timeline
from harness.model.derived import CycleRow
from harness.model.run import Geometry

_REQUIRED = ("test_time_second", "voltage_volt", "current_ampere")
_RENAMED = {"unix_time_nanosecond": ("unix_time_second", 1e-9), "seq": ("record_index", 1.0)}
_PLACE_IN_NAME = re.compile(r"[^0-9A-Za-z.\-]+")


def cycle_frame(rows: Sequence[CycleRow], *, area_cm2: float | None = None) -> pl.DataFrame:
    """Cycle rows as a table of ``x`` and ``x_std``, with areal capacities where the area is known."""
    frame = pl.DataFrame([dataclasses.astuple(row) for row in rows], schema=_cycle_schema(), orient="row")
    if area_cm2 is None:
        return frame
    areal = [
        (pl.col(f"{side}_capacity_ah{ending}") * (1e3 / area_cm2)).alias(f"areal_{side}_capacity_mah_per_cm2{ending}")
        for side in ("plating", "stripping")
        for ending in ("", "_std")
    ]
    return frame.with_columns(areal)


def cellpy_cycle_frame(rows: Sequence[CycleRow], geometry: Geometry) -> pl.DataFrame:
    """Cycle rows under cellpy-core's CycleTable names (definition of 2025-10-03); ``coulombic_efficiency`` is in **percent**.

    Charge and discharge are the test object's (a positive current charges), so a lithium deposit on copper is a discharge there;
    the efficiency is that of the removal over the deposit in every geometry.
    """
    charge, discharge = ("plating", "stripping") if geometry is Geometry.FULL else ("stripping", "plating")
    columns = {
        "cycle_num": pl.col("cycle_count"),
        "first_epoch_time_utc": pl.col("unix_time_nanosecond") / 1e9,
        "cycle_duration": pl.col("cycle_duration_second"),
        "charge_capacity": pl.col(f"{charge}_capacity_ah"),
        "discharge_capacity": pl.col(f"{discharge}_capacity_ah"),
        "coulombic_difference": pl.col(f"{charge}_capacity_ah") - pl.col(f"{discharge}_capacity_ah"),
        "coulombic_efficiency": pl.col("coulombic_efficiency") * 100,
        "coulombic_efficiency_std": pl.col("coulombic_efficiency_std") * 100,
    }
    return cycle_frame(rows).select(**columns)


def bdf_frame(samples: pl.DataFrame, *, labels: bool = False) -> pl.DataFrame:
    """Readings with Battery Data Format columns, its three required ones first: machine names, or labels with units.

    Raises:
        BadInput: the time, the voltage or the current is missing.
    """
    named = samples.select(
        (pl.col(name) * _RENAMED[name][1] if _RENAMED[name][1] != 1.0 else pl.col(name)).alias(_RENAMED[name][0])
        if name in _RENAMED and _RENAMED[name][0] not in samples.columns
        else pl.col(name)
        for name in samples.columns
    )
    for name in _REQUIRED:
        if name not in named.columns:
            raise BadInput("samples", f'a Battery Data Format file needs the column "{name}"')
    ordered = named.select(*_REQUIRED, *(name for name in named.columns if name not in _REQUIRED))
    return ordered.rename({name: label(name) for name in ordered.columns}) if labels else ordered


def bdf_name(institution: str, cell: str, day: str, number: int, ending: str = ".bdf.parquet") -> str:
    """``Institution__Cell__YYYYMMDD_XXX`` with its ending; what a file name cannot hold becomes a hyphen.

    Raises:
        BadInput: a part is empty, or the day is not YYYYMMDD.
    """
    parts = [_PLACE_IN_NAME.sub("-", part).strip("-") for part in (institution, cell)]
    if not all(parts) or not re.fullmatch(r"\d{8}", day) or not 0 <= number <= 999:
        raise BadInput(
            "name", "a Battery Data Format file is named by an institution, a cell, a day YYYYMMDD and a number below 1000"
        )
    return f"{parts[0]}__{parts[1]}__{day}_{number:03d}{ending}"


def pyprobe_frame(samples: pl.DataFrame) -> pl.DataFrame:
    """Readings under the names PyProBE requires: Time, Step, Cycle, Event, Current, Voltage and net Capacity.

    Its capacity is the instrument's own counter where the readings have one, else the trapezoid.

    Raises:
        BadInput: the time, the voltage or the current is missing.
    """
    named = bdf_frame(samples)
    columns = Columns(named)
    timeline = build_timeline(columns, "samples")
    counter = best_counter(columns, timeline, np.flatnonzero(timeline.step_edge))
    current = np.nan_to_num(columns["current_ampere"])
    interval = np.diff(timeline.time_second, prepend=timeline.time_second[:1])
    before = np.concatenate((current[:1], current[:-1]))
    added = interval * (current + before) / 2 / 3600 if counter is None else counter.added_ah(np.arange(current.size))
    step = next((name for name in ("step_index", "step_count", "step_id") if name in columns), None)
    steps = pl.lit(1, pl.Int64) if step is None else pl.col(step).cast(pl.Int64)
    events = next((name for name in ("step_count", "step_index", "step_id") if name in columns), None)
    begins = pl.lit(0, pl.Int64) if events is None else (pl.col(events).diff().fill_null(0) != 0).cum_sum().cast(pl.Int64)
    made = named.select(
        pl.Series("Time [s]", timeline.time_second - timeline.time_second[0]),
        steps.alias("Step"),
        (pl.col("cycle_count").cast(pl.Int64) if "cycle_count" in columns else pl.lit(1, pl.Int64)).alias("Cycle"),
        begins.alias("Event"),
        pl.col("current_ampere").alias("Current [A]"),
        pl.col("voltage_volt").alias("Voltage [V]"),
        pl.Series("Capacity [Ah]", np.cumsum(added)),
    )
    if "unix_time_second" not in columns:
        return made
    return made.insert_column(0, (named["unix_time_second"] * 1e6).cast(pl.Int64).cast(pl.Datetime("us")).alias("Date"))


def write_table(frame: pl.DataFrame, path: Path, where: str = "--out") -> None:
    """Write a frame as CSV, Parquet or JSON, by the ending of ``path``. Numbers come back bit for bit.

    Raises:
        BadInput: the ending is none of these, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": frame.write_csv,
        ".parquet": frame.write_parquet,
        ".json": frame.write_json,
    }
    if path.suffix.lower() not in writers:
        raise BadInput(where, f'"{path}" ends in none of {", ".join(writers)}')
    try:
        writers[path.suffix.lower()](path)
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())
        raise BadInput(where, f"{path} cannot be written ({why})") from None


def _cycle_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """The columns of a cycle row with their types, which a table of no cycles has, too."""
    kinds = {"str": pl.String, "int": pl.Int64}
    return {field.name: kinds.get(str(field.type), pl.Float64) for field in dataclasses.fields(CycleRow)}
