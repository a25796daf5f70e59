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


def shown(path: Path, area_cm2: float | None = None, geometry: Geometry = Geometry.FULL) -> str:
    stream = io.StringIO()
    [one] = import_file(path, geometry=geometry, area_cm2=area_cm2)
    for part in imported_parts(one):
        Console(file=stream, width=80, highlight=False).print(part)
    return stream.getvalue()


def test_pulses_have_the_resistances_of_their_times() -> None:
    """R + R₁ (1 − exp(−t/τ)) after 1, 10 and 30 s, of both polarities; half cycles of an hour are no pulses."""
    found, _ = pulses_of(analyze_frame("cell", answering(made(*HPPC, interval=1.0)), Geometry.FULL))
    assert [(pulse.start_second, round(pulse.step_ampere / CURRENT, 9)) for pulse in found] == [(4800.0, 4.0), (4870.0, -4.0)]
    for pulse, times in zip(found, ((1.0, 10.0, 30.0), (1.0, 10.0)), strict=True):
        values = {one.wanted_second: one.resistance_ohm.value for one in pulse.at if one.resistance_ohm.value is not None}
        assert values == {time: pytest.approx(SERIES + ARC * (1 - np.exp(-time / TAU)), rel=1e-9) for time in times}


@pytest.mark.parametrize("size", [1.0, 3.0])
@pytest.mark.parametrize("geometry", [Geometry.FULL, Geometry.SYMMETRIC])
def test_pulses_between_short_steps_are_all_found(size: float, geometry: Geometry) -> None:
    """Those that pass enough charge to count as half cycles, too: of nine pairs none is missing."""
    pair = ((-size * CURRENT, 10.0), (0.0, 40.0), (0.75 * size * CURRENT, 10.0), (0.0, 60.0), (-CURRENT, 360.0), (0.0, 600.0))
    found, told = pulses_of(analyze_frame("cell", answering(made((0.0, 600.0), *(pair * 9), interval=1.0)), geometry))
    assert [pulse.step_ampere / CURRENT for pulse in found] == pytest.approx([-size, 0.75 * size] * 9)
    assert told == []


def test_a_file_of_two_pulses_is_about_them() -> None:
    """Nothing else passes charge, but two are no cycling."""
    steps = ((0.0, 600.0), (4 * CURRENT, 10.0), (0.0, 300.0), (-4 * CURRENT, 10.0), (0.0, 300.0))
    found, told = pulses_of(analyze_frame("cell", answering(made(*steps, interval=1.0)), Geometry.FULL))
    assert (len(found), told) == (2, [])


def test_short_half_cycles_are_no_pulses() -> None:
    """Cycles of a minute each way are what such a file is about, whatever rests stand between them, and it is told."""
    cycles = ((CURRENT, 60.0), (0.0, 30.0), (-CURRENT, 58.0), (0.0, 30.0)) * 6
    cell = analyze_frame("cell", answering(made((0.0, 100.0), *cycles, interval=1.0)), Geometry.FULL)
    assert len(cell.rows) == 6
    found, [told] = pulses_of(cell)
    assert found == []
    assert told.text == "12 half cycles of at most 180 s pass most of the charge: they are cycles, not pulses"


def test_sweeps_of_frequencies_are_no_pulses() -> None:
    """A row of an impedance has a current of its own, which is no step."""
    frame = answering(made(*HPPC, interval=1.0))
    sounding = pl.col("step_count").is_in([4, 6])
    cell = analyze_frame("cell", frame.with_columns(frequency_hertz=pl.when(sounding).then(1e3)), Geometry.FULL)
    assert pulses_of(cell) == ([], [])


@pytest.mark.parametrize("column", ["voltage_volt", "current_ampere"])
def test_a_missing_reading_is_no_pulse(column: str) -> None:
    """One lost row in a rest changes nothing; a file without a voltage has no resistances."""
    frame = answering(made(*HPPC, interval=1.0))
    lost = frame.with_columns(pl.when(pl.int_range(pl.len()) != 300).then(column).alias(column))
    found = [pulses_of(analyze_frame("cell", one, Geometry.FULL)) for one in (frame, lost)]
    assert found[0] == found[1]
    assert len(found[0][0]) == 2
    assert pulses_of(analyze_frame("cell", frame.drop("voltage_volt"), Geometry.FULL)) == ([], [])


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
    for slope, told in ((2e-5, ""), (2e-4, "it would be up to 3 % of a resistance")):
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


def test_a_silent_cell_is_not_called_relaxing(tmp_path: Path) -> None:
    """Readings every 10 ms of a cell that does not move: twenty of them have a slope that a whole pulse's time has not."""
    path = tmp_path / "fast.parquet"
    steps = ((0.0, 30.0), (4 * CURRENT, 10.0), (0.0, 30.0)) * 8
    frame = made(*steps, interval=0.01)
    noise = 2e-4 * np.random.default_rng(4).standard_normal(frame.height)
    answering(frame).with_columns(pl.col("voltage_volt") + pl.Series(noise)).write_parquet(path)
    assert "relaxing" not in shown(path)


def test_an_old_reading_before_a_pulse_counts_in_its_drift(tmp_path: Path) -> None:
    """The last reading of the rest is 100 s old: 0.1 mV/s make 10 mV of 0.2 V before the pulse begins."""
    frame = answering(made(*HPPC, interval=1.0), 1e-4)
    resting = pl.col("step_count") == 3
    sparse = frame.filter(~resting | (pl.col("step_time_second") % 100 == 0) & (pl.col("step_time_second") < 600))
    path = tmp_path / "sparse.parquet"
    sparse.write_parquet(path)
    [one] = import_file(path, geometry=Geometry.FULL)
    pulse = one.pulses[0]
    assert pulse.before_second == pytest.approx(100.0)
    assert pulse.first.drift_ohm.value == pytest.approx(1e-4 * 100.0 / PULSE[0], rel=1e-3)
    assert "relaxing" in shown(path)


def test_a_dash_has_its_reason(tmp_path: Path) -> None:
    """Too few readings before the pulse to see the noise, though there is one at every wanted time."""
    frame = answering(made(*HPPC, interval=1.0))
    path = tmp_path / "few.parquet"
    frame.filter((pl.col("step_count") != 3) | (pl.col("step_time_second") % 300 == 0)).write_parquet(path)
    text = " ".join(shown(path).split())
    assert "1 s / Ω 10 s / Ω 30 s / Ω" in text
    assert "or too few before it to see the noise" in text


def test_pulses_of_a_symmetric_cell_say_whose_they_are(tmp_path: Path) -> None:
    """Per area as of one electrode, they are still of both interfaces."""
    path = tmp_path / "sym.parquet"
    answering(made(*HPPC, interval=1.0)).write_parquet(path)
    assert "of the whole cell, which has two electrodes" in shown(path, 1.27, Geometry.SYMMETRIC)
