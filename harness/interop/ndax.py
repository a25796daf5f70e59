"""Neware's own files (``.ndax``, ``.nda``), read into one frame with machine names. The one door to fastnda, which is optional.

fastnda gives milliampere and a step's *net* charge; here they become ampere, and the tester's two step counters where a step
goes one way only (else ``step_net_capacity_ah`` stays what it is). Cycles are the tester's own counts. Time is the sum of step
times: wall clocks are set back, and a file's own total time is not in every version. Versions that fastnda has not seen in real
files are read without a word; what comes out is checked by `harness.interop.validation` like every other file.
"""

from __future__ import annotations

import importlib
import logging
import warnings
import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from harness.errors import BadInput

ENDINGS = (".ndax", ".nda")

_NAMES = {
    "index": ("record_index", 1.0), "voltage_V": ("voltage_volt", 1.0), "current_mA": ("current_ampere", 1000.0),
    "unix_time_s": ("unix_time_second", 1.0), "step_time_s": ("step_time_second", 1.0),
    "total_time_s": ("test_time_second", 1.0), "cycle_count": ("cycle_count", 1.0), "step_count": ("step_count", 1.0),
    "step_index": ("step_index", 1.0), "step_type": ("step_type", 1.0), "capacity_mAh": ("step_net_capacity_ah", 1000.0),
    "energy_mWh": ("step_net_energy_wh", 1000.0),
}  # fmt: skip
_ENDINGS_OF_UNITS = {"_V": ("_volt", 1.0), "_mA": ("_ampere", 1000.0), "_degC": ("_celsius", 1.0), "_bar": ("_pascal", 1e-5)}
_SPLIT = {"step_net_capacity_ah": "step_{}_capacity_ah", "step_net_energy_wh": "step_{}_energy_wh"}
_DAMAGED = (LookupError, ArithmeticError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, pl.exceptions.PolarsError)
"""What fastnda and what it stands on raise about bytes that make no sense."""


def read_neware(path: Path) -> pl.DataFrame:
    """Every record of a Neware file.

    Raises:
        BadInput: fastnda is not installed, or the file is none of Neware's, of a version nobody reads, or damaged.
        OSError: the file cannot be read.
    """
    try:
        fastnda: Any = importlib.import_module("fastnda")
    except ImportError:
        raise BadInput(str(path), 'Neware files need fastnda; install it with: pip install "anode-harness[neware]"') from None
    logging.getLogger("fastnda").setLevel(logging.CRITICAL)
    with path.open("rb"):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame: pl.DataFrame = fastnda.read(path, cycle_mode="raw")
    except NotImplementedError as error:
        raise BadInput(str(path), f"{error}; export it from BTSDA as CSV") from None
    except _DAMAGED as error:
        said = " ".join(str(error).split())[:100]
        raise BadInput(str(path), f"it is no whole Neware file ({said}); copy it again") from None
    return _machine_named(frame)


def _machine_named(frame: pl.DataFrame) -> pl.DataFrame:
    made = []
    for column in frame.columns:
        name, divisor = _NAMES.get(column) or _auxiliary(column)
        if frame.schema[column].is_float():
            # Single precision goes over with the digits it has, so that 0.1 mA is 1e-4 A and not 1.00000001e-4 A.
            exact = pl.col(column).cast(pl.String).cast(pl.Float64) if frame.schema[column] == pl.Float32 else pl.col(column)
            made.append((exact / divisor).alias(name))
        else:
            made.append((pl.col(column).cast(pl.String) if column == "step_type" else pl.col(column)).alias(name))
    named = frame.select(made)
    for net, both in _SPLIT.items():
        if net in named.columns and "step_count" in named.columns and _one_way(named, net):
            sides = [(pl.col(net) * sign).clip(lower_bound=0.0).alias(both.format(word)) for word, sign in _SIDES]
            named = named.with_columns(sides).drop(net)
    return named


_SIDES = (("charging", 1.0), ("discharging", -1.0))


def _auxiliary(column: str) -> tuple[str, float]:
    for ending, (unit, factor) in _ENDINGS_OF_UNITS.items():
        if column.endswith(ending):
            return column.removesuffix(ending) + unit, factor
    return column, 1.0


def _one_way(frame: pl.DataFrame, net: str) -> bool:
    """Whether no step counts in both directions."""
    signs = frame.group_by("step_count").agg((pl.col(net) > 0).any().alias("up"), (pl.col(net) < 0).any().alias("down"))
    return not bool((signs["up"] & signs["down"]).any())
