"""The real impedance spectra among the real measurements, as sweeps."""

from __future__ import annotations

import numpy as np
import polars as pl

from harness.analysis.impedance.spectrum import Sweep, sweep_of
from tests.realdata import REALDATA


def example_spectrum() -> Sweep:
    """The capacitive points of ``example_spectrum.csv``."""
    frequency, real, imaginary = np.loadtxt(REALDATA / "example_spectrum.csv", delimiter=",").T
    kept = imaginary < 0
    return sweep_of(frequency[kept], real[kept] + 1j * imaginary[kept])


def zplot_spectrum() -> Sweep:
    """``circuit3_eis_1.z``: what follows the comments, frequency first, Z′ and Z″ in the fifth and sixth column."""
    lines = (REALDATA / "circuit3_eis_1.z").read_text(encoding="utf-8", errors="replace").splitlines()
    rows = np.loadtxt(lines[lines.index("End Comments") + 1 :])
    return sweep_of(rows[:, 0], rows[:, 4] + 1j * rows[:, 5])


def ageing_spectra() -> list[Sweep]:
    """The four spectra of one cell in ``nmc_graphite_peis_biologic.parquet``, with the moments of their points."""
    points = pl.read_parquet(REALDATA / "nmc_graphite_peis_biologic.parquet")
    sweeps = []
    for part in points.partition_by("spectrum_count", maintain_order=True):
        impedance = part["real_impedance_ohm"].to_numpy() + 1j * part["imaginary_impedance_ohm"].to_numpy()
        sweeps.append(sweep_of(part["frequency_hertz"].to_numpy(), impedance, part["test_time_second"].to_numpy()))
    return sweeps
