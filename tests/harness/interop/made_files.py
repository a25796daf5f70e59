"""Made measurements of known charges, as frames and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

CURRENT = 1e-3


def made(*steps: tuple[float, float], interval: float = 10.0) -> pl.DataFrame:
    """Steps of (current, duration) as point samples with a step count; the last sample of a step stands at its end."""
    time, current, count, step_time = [], [], [], []
    begin = 0.0
    for number, (value, duration) in enumerate(steps, start=1):
        own = np.append(np.arange(0.0, duration, interval), duration)
        time.append(begin + own)
        step_time.append(own)
        current.append(np.full(own.size, value))
        count.append(np.full(own.size, number))
        begin += duration
    values = np.concatenate(current)
    return pl.DataFrame(
        {
            "test_time_second": np.concatenate(time),
            "step_time_second": np.concatenate(step_time),
            "current_ampere": values,
            "voltage_volt": 3.5 + 50 * values,
            "step_count": np.concatenate(count),
        }
    )


def full_cell() -> pl.DataFrame:
    """Two cycles of 0.90 and 0.98, with rests."""
    return made(
        (0.0, 600.0), (CURRENT, 3600.0), (0.0, 60.0), (-CURRENT, 3240.0), (0.0, 60.0), (CURRENT, 3600.0), (-CURRENT, 3528.0)
    )


def saved(frame: pl.DataFrame, path: Path) -> Path:
    """``frame`` in a Parquet or CSV file."""
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path
