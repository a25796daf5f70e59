"""A cell's rows as the analysis takes them: numbered through all its runs, put together, and which cycles are of another kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, asymmetry, shape_from_row
from harness.model.derived import CycleRow, HalfCycleRow, ImpedanceFitRow
from harness.model.run import Role

Array = npt.NDArray[np.float64]
Row = TypeVar("Row", CycleRow, HalfCycleRow, ImpedanceFitRow)


def cycle_rows(frame: pl.DataFrame) -> list[CycleRow]:
    """The rows of a frame of cycles, as what the analysis takes."""
    return rows_of(frame, CycleRow)


def rows_of(frame: pl.DataFrame, kind: type[Row]) -> list[Row]:
    """The rows of a frame of the store, each as what was derived."""
    return [kind(*row) for row in frame.select([field.name for field in fields(kind)]).iter_rows()]


def throughput(cycles: pl.DataFrame, stamps: npt.NDArray[np.int64]) -> Array:
    """The charge (both ways) of the cycles that had begun by each stamp, Ah."""
    both = cycles.select(pl.sum_horizontal("plating_capacity_ah", "stripping_capacity_ah")).to_series().to_numpy()
    total = np.concatenate(([0.0], np.cumsum(both)))
    known: Array = total[np.searchsorted(cycles["unix_time_nanosecond"].to_numpy(), stamps, side="right")]
    return known


def apparent_resistances(cycles: pl.DataFrame) -> pl.DataFrame:
    """Both apparent resistances of each cycle, one row each: plating is −1, stripping +1."""
    halves = [
        cycles.select(
            "run_id",
            "cycle_count",
            "unix_time_nanosecond",
            pl.col(f"{half}_resistance_ohm").alias("apparent_resistance_ohm"),
            pl.col(f"{half}_resistance_ohm_std").alias("apparent_resistance_ohm_std"),
            pl.lit(sign).alias("polarity"),
        ).with_row_index("place")
        for half, sign in (("plating", -1.0), ("stripping", 1.0))
    ]
    return pl.concat(halves).sort("place", "polarity")


def spectrum_resistances(fits: pl.DataFrame) -> pl.DataFrame:
    """The fits of spectra, which have no polarity, with the noise of the area-specific resistance, too."""
    area = pl.col("area_specific_resistance_ohm_cm2") / pl.col("interface_resistance_ohm")
    noise = pl.col("interface_resistance_ohm_noise_std") * area
    return fits.with_columns(noise.alias("area_specific_resistance_ohm_cm2_noise_std"), polarity=pl.lit(0.0))


def last_asymmetry(halves: pl.DataFrame) -> tuple[int, Estimate] | None:
    """The last cycle that says how much more overpotential its deposit takes than its removal, and how much
    (`harness.analysis.shape.asymmetry`); none where no cycle says it.
    """
    shapes: dict[tuple[str, int], dict[bool, HalfCycleShape]] = {}
    for row in rows_of(halves, HalfCycleRow):
        shapes.setdefault((row.run_id, row.cycle_count), {})[Role(row.role).removes] = shape_from_row(row)
    pairs = [(count, pair) for (_, count), pair in shapes.items() if len(pair) == 2]
    found = ((count, asymmetry(pair[False], pair[True])) for count, pair in reversed(pairs))
    return next(((count, one) for count, one in found if one.value is not None), None)


def last_resistances(cycles: pl.DataFrame, fits: pl.DataFrame) -> tuple[Estimate, Estimate]:
    """The last spectrum's total resistance, and the apparent one of the deposit (else the removal) of its cycle, first."""
    known = fits.filter(pl.col("total_resistance_ohm").is_not_null())
    if known.is_empty():
        refused = Estimate.refused("no spectrum holds one")
        return refused, refused
    fit = known.row(-1, named=True)
    its = (pl.col("run_id") == fit["run_id"]) & (pl.col("cycle_count") == fit["cycle_count"])
    told = apparent_resistances(cycles.filter(its)).filter(pl.col("apparent_resistance_ohm").is_not_null())
    apparent = Estimate.refused("no half cycle of its cycle holds one")
    if not told.is_empty():
        apparent = _known(told.row(0, named=True), "apparent_resistance_ohm")
    return apparent, _known(fit, "total_resistance_ohm")


def _known(row: Mapping[str, Any], name: str) -> Estimate:
    std = row[f"{name}_std"]
    return Estimate(row[name], None, None, None, "its error is not known") if std is None else Estimate.normal(row[name], std)


def swept_cycles(fits: pl.DataFrame, cycles: pl.DataFrame) -> frozenset[int]:
    """The cycles with a sweep, where fewer than half have one: a sweep is a pause, and they are not like the others.

    Where sweeps come as often as that they belong to the schedule, and none is named.
    """
    swept = frozenset(fits["cycle_count"].to_list())
    return swept if 2 * len(swept) < cycles.height else frozenset()
