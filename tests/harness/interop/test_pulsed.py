"""Pulses of an analysed file: all that there are, none that is a half cycle, and what a person and a program read of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from harness.interop.cycles import analyze_frame
from harness.interop.imported import import_file, imported_json
from harness.interop.pulsed import pulses_of
from harness.model.run import Geometry
from harness.service.imported_tables import imported_parts
from tests.harness.interop.made_files import CURRENT, made

SERIES, ARC, TAU = 20.0, 30.0, 5.0
PULSE = (4 * CURRENT, 30.0)
HPPC = ((0.0, 600.0), (-CURRENT, 3600.0), (0.0, 600.0), PULSE, (0.0, 40.0), (-PULSE[0], 10.0), (0.0, 600.0), (CURRENT, 3500.0))


def answering(frame: pl.DataFrame, slope: float = 0.0) -> pl.DataFrame:
    """A cell at 3.6 V that answers with a resistance and an arc, both at rest before each step; ``slope`` in V/s goes on."""
    grown = SERIES + ARC * (1 - (-pl.col("step_time_second") / TAU).exp())
    return frame.with_columns(voltage_volt=3.6 + grown * pl.col("current_ampere") + slope * pl.col("test_time_second"))


def shown(path: Path, area_cm2: float | None = None) -> str:
    stream = io.StringIO()
    [one] = import_file(path, geometry=Geometry.FULL, area_cm2=area_cm2)
    for part in imported_parts(one):
        Console(file=stream, width=80, highlight=False).print(part)
    return stream.getvalue()


def test_pulses_have_the_resistances_of_their_times() -> None:
    """R + R₁ (1 − exp(−t/τ)) after 1, 10 and 30 s, of both polarities; half cycles of an hour are no pulses."""
    found = pulses_of(analyze_frame("cell", answering(made(*HPPC, interval=1.0)), Geometry.FULL))
    assert [(pulse.start_second, round(pulse.step_ampere / CURRENT, 9)) for pulse in found] == [(4800.0, 4.0), (4870.0, -4.0)]
    for pulse, times in zip(found, ((1.0, 10.0, 30.0), (1.0, 10.0)), strict=True):
        values = {one.wanted_second: one.resistance_ohm.value for one in pulse.at if one.resistance_ohm.value is not None}
        assert values == {time: pytest.approx(SERIES + ARC * (1 - np.exp(-time / TAU)), rel=1e-9) for time in times}


def test_short_half_cycles_are_no_pulses() -> None:
    """Cycles of a minute each way are what such a file is about, whatever rests stand between them."""
    cycles = ((CURRENT, 60.0), (0.0, 30.0), (-CURRENT, 58.0), (0.0, 30.0)) * 6
    cell = analyze_frame("cell", answering(made((0.0, 100.0), *cycles, interval=1.0)), Geometry.FULL)
    assert len(cell.rows) == 6
    assert pulses_of(cell) == []


def test_sweeps_of_frequencies_are_no_pulses() -> None:
    """A row of an impedance has a current of its own, which is no step."""
    frame = answering(made(*HPPC, interval=1.0))
    sounding = pl.col("step_count").is_in([4, 6])
    cell = analyze_frame("cell", frame.with_columns(frequency_hertz=pl.when(sounding).then(1e3)), Geometry.FULL)
    assert pulses_of(cell) == []


@pytest.mark.parametrize("column", ["voltage_volt", "current_ampere"])
def test_a_missing_reading_is_no_pulse(column: str) -> None:
    """One lost row in a rest changes nothing; a file without a voltage has no resistances."""
    frame = answering(made(*HPPC, interval=1.0))
    lost = frame.with_columns(pl.when(pl.int_range(pl.len()) != 300).then(column).alias(column))
    found = [pulses_of(analyze_frame("cell", one, Geometry.FULL)) for one in (frame, lost)]
    assert found[0] == found[1] != []
    assert pulses_of(analyze_frame("cell", frame.drop("voltage_volt"), Geometry.FULL)) == []


def test_pulses_are_printed_and_written(tmp_path: Path) -> None:
    """A row for each, within 80 columns, areal where the area is known; everything about them in JSON."""
    path = tmp_path / "hppc.parquet"
    answering(made(*HPPC, interval=1.0)).write_parquet(path)
    text = shown(path)
    assert max(map(len, text.splitlines())) <= 80
    assert "1 s / Ω 10 s / Ω 30 s / Ω" in text
    assert "1    4800.0         4  25.438   45.940   49.926" in text
    assert "2    4870.0        -4  25.438   45.940        —" in text
    assert "relaxing" not in text
    assert f"{1.27 * 25.438:.3f}" in shown(path, area_cm2=1.27)
    [cell] = json.loads(json.dumps(imported_json(import_file(path, geometry=Geometry.FULL)), allow_nan=False))["cells"]
    assert [pulse["step_ampere"] for pulse in cell["pulses"]] == pytest.approx([PULSE[0], -PULSE[0]])
    assert cell["pulses"][0]["at"][1]["resistance_ohm"]["value"] == pytest.approx(25.438, abs=1e-3)


def test_a_drift_before_a_pulse_is_told(tmp_path: Path) -> None:
    """20 µV/s add 0.6 mV to the 0.2 V after 30 s, which is little; ten times that is not."""
    for slope, told in ((2e-5, ""), (2e-4, "it is up to 3 % of a resistance")):
        path = tmp_path / f"{slope}.parquet"
        answering(made(*HPPC, interval=1.0), slope).write_parquet(path)
        text = " ".join(shown(path).split())
        assert told in text
        assert ("relaxing" in text) is bool(told)


def test_slow_readings_give_their_own_times(tmp_path: Path) -> None:
    """Readings every 7 s are at no wanted time; the first and the last are shown, with how late they are. Many are counted."""
    path = tmp_path / "slow.parquet"
    answering(made((0.0, 600.0), *((4 * CURRENT, 27.0), (0.0, 300.0)) * 45, interval=7.0)).write_parquet(path)
    text = " ".join(shown(path).split())
    assert "first / Ω last / Ω" in text
    assert "last: at most 27 s after it" in text
    assert "5 more pulses are in what --json prints" in text
