"""Resistances of imported half cycles: their errors are those that they scatter by, and none is stated that means nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from harness.interop.cycles import analyze_frame
from harness.interop.half_cycles import judged_halves
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, full_cell, made

NOISE_VOLT = 1e-4


def noisy(frame: pl.DataFrame, seed: int, noise_volt: float = NOISE_VOLT) -> pl.DataFrame:
    noise = pl.Series(np.random.default_rng(seed).normal(0.0, noise_volt, frame.height))
    return frame.with_columns(pl.col("voltage_volt") + noise)


def full_rows(frame: pl.DataFrame) -> list[CycleRow]:
    return analyze_frame("cell", frame, Geometry.FULL).rows


@pytest.mark.parametrize("step_volt", [None, 1e-4, 1e-3], ids=["floats", "a step of one σ", "a step of ten σ"])
def test_error_of_a_switch_resistance_is_what_it_scatters_by(step_volt: float | None) -> None:
    """50 Ω at 1 mA, 0.1 mV of noise on a slope, as it is or rounded: σ within 7 % of the scatter, and none too small."""
    found = []
    for seed in range(200):
        frame = noisy(full_cell().with_columns(pl.col("voltage_volt") + 1e-5 * pl.col("test_time_second")), seed)
        if step_volt is not None:
            frame = frame.with_columns((pl.col("voltage_volt") / step_volt).round() * step_volt)
        first, second = full_rows(frame)
        found.append(
            [
                (first.plating_resistance_ohm, first.plating_resistance_ohm_std),
                (first.stripping_resistance_ohm, first.stripping_resistance_ohm_std),
                (second.plating_resistance_ohm, second.plating_resistance_ohm_std),
            ]
        )
    values, stds = np.moveaxis(np.array(found, dtype=float), 2, 0)
    scatter, stated = float(np.sqrt(np.mean(values.var(axis=0, ddof=1)))), float(np.sqrt(np.mean(stds**2)))
    assert stated > 0.93 * scatter
    if step_volt is None:
        assert stated == pytest.approx(scatter, rel=0.07)


def test_error_of_a_switch_resistance_is_unknown_of_few_readings() -> None:
    """A charge of four readings says nothing of their noise."""
    frame = noisy(made((0.0, 600.0), (CURRENT, 3600.0), (0.0, 60.0), (-CURRENT, 3600.0), interval=1200.0), 1)
    row = full_rows(frame)[0]
    assert row.plating_resistance_ohm == pytest.approx(50.0, abs=1.0)
    assert row.plating_resistance_ohm_std is None


def test_switch_resistance_is_not_stated_where_the_voltage_did_not_follow() -> None:
    """A charge that begins below the voltage at rest: no resistance, and that of the discharge stays."""
    frame = full_cell().with_columns(pl.col("voltage_volt") - 0.1 * (pl.col("current_ampere") > 0))
    row = full_rows(frame)[0]
    assert row.plating_resistance_ohm is None
    assert row.plating_resistance_ohm_std is None
    assert row.stripping_resistance_ohm == pytest.approx(50.0, rel=1e-9)


def half_cell(lowest_volt: float) -> pl.DataFrame:
    """Three cycles of a host that takes lithium up from 0.4 V down to ``lowest_volt``, and gives it away above 0.5 V."""
    frame = made(*[(-CURRENT, 3600.0), (0.0, 60.0), (CURRENT, 3500.0), (0.0, 60.0)] * 3)
    done = pl.col("step_time_second") / 3600
    taking = 0.4 - (0.4 - lowest_volt) * done
    volt = pl.when(pl.col("current_ampere") < 0).then(taking).otherwise(0.5 + 0.2 * done)
    return noisy(frame.with_columns(voltage_volt=volt), 1)


def test_no_resistance_is_stated_where_the_open_voltage_is_unknown() -> None:
    """A silicon-like cell that was called a deposit cell: neither half has a resistance, and its efficiency stays."""
    cell = analyze_frame("cell", half_cell(0.05), Geometry.DEPOSIT)
    assert cell.open_voltage_volt is None
    for row in cell.rows:
        assert row.plating_resistance_ohm is None
        assert row.stripping_resistance_ohm is None
        assert row.stripping_resistance_ohm_std is None
        assert row.coulombic_efficiency == pytest.approx(3500 / 3600, rel=1e-9)
    assert not any(half.shape.open_voltage_known for half in judged_halves(cell))


@pytest.mark.parametrize("geometry", [Geometry.DEPOSIT, Geometry.SYMMETRIC])
def test_lithium_is_open_at_nothing(geometry: Geometry) -> None:
    """Driven below 0 V one way and above it the other: V / I of both halves, as their shapes have it."""
    frame = made(*[(-CURRENT, 3600.0), (0.0, 60.0), (CURRENT, 3600.0), (0.0, 60.0)] * 3)
    cell = analyze_frame("cell", noisy(frame.with_columns(voltage_volt=80.0 * pl.col("current_ampere")), 1), geometry)
    assert cell.open_voltage_volt == 0.0
    for row in cell.rows:
        assert row.plating_resistance_ohm == pytest.approx(80.0, abs=0.1)
        assert row.stripping_resistance_ohm == pytest.approx(80.0, abs=0.1)
    for half in judged_halves(cell):
        assert half.shape.apparent_resistance_ohm.value == pytest.approx(80.0, abs=0.1)
