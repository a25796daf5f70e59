"""A cell's spectra as arrays, and the distributions of their relaxation times. Nothing here is stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from harness.analysis.impedance.relaxation import FEWEST_POINTS, Relaxations, relaxation_series
from harness.analysis.impedance.spectrum import sweep_of
from harness.errors import AnalysisError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """One sweep, in the order it was measured: three arrays of one length, in hertz and ohm.

    ``imaginary_impedance_ohm`` is negative when capacitive. ``complete`` is false for a sweep that was cut short or is still
    running. ``unix_time_nanosecond`` is the stamp of its first point.
    """

    run_id: str
    sweep_count: int
    cycle_count: int
    unix_time_nanosecond: int
    frequency_hertz: Array
    real_impedance_ohm: Array
    imaginary_impedance_ohm: Array
    complete: bool


def spectra_of(points: pl.DataFrame, events: pl.DataFrame) -> list[Spectrum]:
    """The sweeps of some runs in the order they were measured."""
    whole = set(events.filter(pl.col("complete")).select("run_id", "sweep_count").iter_rows())
    return [_spectrum(sweep, whole) for sweep in points.partition_by("run_id", "sweep_count", maintain_order=True)]


def relaxations_of(
    spectra: Sequence[Spectrum], left_out: Collection[tuple[str, int]], most: int
) -> list[tuple[Spectrum, Relaxations]]:
    """The distributions of at most so many whole spectra, evenly spread, with one regularisation; ``left_out`` names some by run
    and sweep that are not to be among them.
    """
    known = []
    for one in spectra:
        if not one.complete or (one.run_id, one.sweep_count) in left_out:
            continue
        with suppress(AnalysisError):
            impedance = one.real_impedance_ohm + 1j * one.imaginary_impedance_ohm
            known.append((one, sweep_of(one.frequency_hertz, impedance, fewest=FEWEST_POINTS)))
    picked = [known[place] for place in chosen(len(known), most)]
    found = relaxation_series([sweep for _, sweep in picked]) if picked else []
    return [(one, relaxations) for (one, _), relaxations in zip(picked, found, strict=True)]


def chosen(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, max(0, min(count, most)))})


def _spectrum(sweep: pl.DataFrame, whole: set[tuple[str, int]]) -> Spectrum:
    identity = (str(sweep["run_id"][0]), int(sweep["sweep_count"][0]))
    return Spectrum(
        *identity,
        int(sweep["cycle_count"][0]),
        int(sweep["unix_time_nanosecond"][0]),
        sweep["frequency_hertz"].to_numpy(),
        sweep["real_impedance_ohm"].to_numpy(),
        sweep["imaginary_impedance_ohm"].to_numpy(),
        complete=identity in whole,
    )
