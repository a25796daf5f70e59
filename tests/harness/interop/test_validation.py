"""Columns that lie are found by a second witness; files that tell the truth are left in peace."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.generation import generate
from harness.interop import validation
from harness.interop.bdf import read_cells
from harness.interop.finding import Finding
from harness.interop.validation import repaired, validate
from tests.realdata import REALDATA, real

CURRENT = 0.0015
CYCLING = sorted(path.name for path in REALDATA.glob("*") if path.name.endswith((".parquet", ".csv", ".tsv")))
WITNESSED = (
    "full_cell_formation_biologic.parquet", "nacoo2_half_cell_biologic.parquet", "m50t_neware.parquet",
    "silicon_half_cell_arbin.parquet", "hppc_discharge.csv",
)  # fmt: skip
PREFERRED_TIME = ("test_time_second", "step_time_second")


def measured(cycles: int = 3, every: float = 10.0, resistance: float = 20.0) -> pl.DataFrame:
    """A cell with every witness there is: three clocks, counters, energies, power, a set current, and names of steps."""
    rows: list[dict[str, Any]] = []
    now, step, net, energy = 0.0, 0, 0.0, 0.0
    for count in range(1, cycles + 1):
        for sign, word, length in ((0, "rest", 600.0), (1, "CC_CHG", 3600.0), (0, "rest", 600.0), (-1, "CC_DCH", 3500.0)):
            step += 1
            for second in np.arange(0.0, length + every / 2, every):
                current = sign * CURRENT
                voltage = 3.5 + 0.4 * net / CURRENT + resistance * current
                if second > 0:
                    net += current * every / 3600
                    energy += voltage * current * every / 3600
                rows.append({
                    "test_time_second": now + second, "step_time_second": second, "unix_time_second": 1.76e9 + now + second,
                    "voltage_volt": voltage, "current_ampere": current, "control_current_ampere": current,
                    "cycle_count": count, "step_count": step, "step_type": word, "net_capacity_ah": net,
                    "net_energy_wh": energy, "power_watt": voltage * current,
                    "step_charging_capacity_ah": max(current, 0.0) * second / 3600,
                    "step_discharging_capacity_ah": max(-current, 0.0) * second / 3600,
                })  # fmt: skip
            now += length
    return pl.DataFrame(rows)


WHOLE = measured()
COUNTERS = [name for name in WHOLE.columns if name.endswith("_ah")]


def times(frame: pl.DataFrame, factors: Mapping[str, float]) -> pl.DataFrame:
    return frame.with_columns(pl.col(name) * factor for name, factor in factors.items())


def accusing(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.kind != validation.UNCHECKED]


def test_a_truthful_file_is_left_in_peace() -> None:
    """Every witness agrees, every column is checked, and nothing is said."""
    assert validate(WHOLE) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"test_time_second": 3600.0}, {"test_time_second": 1 / 3600}, {"step_time_second": 60.0}, {"unix_time_second": 1e3},
        {"test_time_second": 3600.0, "step_time_second": 3600.0}, {"current_ampere": 1e-3}, {"current_ampere": 1e3},
        {"control_current_ampere": 1e3}, {"voltage_volt": 1e3}, {"power_watt": 1e3}, {"net_energy_wh": 1e-3},
        {"net_capacity_ah": 1e-3}, dict.fromkeys(COUNTERS, 1e-3), dict.fromkeys(COUNTERS, 3600.0),
        {"current_ampere": 1e-3, "voltage_volt": 1e3}, {"step_charging_capacity_ah": 1e3},
    ],
)  # fmt: skip
def test_wrong_units_are_named_with_their_factors(wrong: dict[str, float]) -> None:
    """Where everything is witnessed, exactly the columns that lie are accused, each with the factor that sets it right."""
    findings = validate(times(WHOLE, wrong))
    assert {finding.kind for finding in findings} == {validation.UNIT}
    assert {finding.column: finding.factor for finding in findings} == pytest.approx({k: 1 / v for k, v in wrong.items()})


@pytest.mark.parametrize("wrong", [{"test_time_second": 3600.0}, dict.fromkeys(COUNTERS, 1e-3), {"current_ampere": -1.0}])
def test_repair_does_what_it_says_and_only_when_asked(wrong: dict[str, float]) -> None:
    """The repaired frame is the true one, the findings say what was done, and the frame given is not touched."""
    lying = times(WHOLE, wrong)
    frame, told = repaired(lying, validate(lying))
    for name in WHOLE.columns:
        if name != "step_type":
            assert frame[name].to_numpy() == pytest.approx(WHOLE[name].to_numpy(), rel=1e-12)
    assert all(finding.repaired and "multiplied by" in finding.text for finding in told)
    assert lying["voltage_volt"].equals(WHOLE["voltage_volt"])


def test_likely_units_say_the_other_reading_and_are_not_repaired() -> None:
    """One counter and one current cannot tell which of them is wrong by a thousand: both are said, nothing is changed."""
    lying = times(WHOLE, {"net_capacity_ah": 1e-3}).select(
        "test_time_second", "voltage_volt", "current_ampere", "net_capacity_ah"
    )
    [finding] = accusing(validate(lying))
    assert (finding.kind, finding.column) == (validation.UNIT_LIKELY, "net_capacity_ah")
    assert finding.factor == pytest.approx(1e3)
    assert "or current_ampere is 1000 times too large" in finding.text
    frame, [told, *_] = repaired(lying, [finding])
    assert frame.equals(lying)
    assert not told.repaired


def test_a_column_without_a_witness_is_unchecked_and_not_accused() -> None:
    """Time, current and voltage alone: nobody can say, and the file is told so."""
    bare = WHOLE.select("test_time_second", "voltage_volt", "current_ampere")
    for frame in (bare, times(bare, {"test_time_second": 3600.0})):
        findings = validate(frame)
        assert {finding.kind for finding in findings} == {validation.UNCHECKED}
        assert {finding.column for finding in findings} == {"test_time_second", "voltage_volt", "current_ampere"}


@pytest.mark.parametrize("ratio", [1.13, 0.964])
def test_a_factor_that_is_no_units_is_told_as_measured(ratio: float) -> None:
    """A counter that is off by 13 % has no other unit; the ratio is given."""
    findings = validate(
        times(WHOLE.drop("step_charging_capacity_ah", "step_discharging_capacity_ah"), {"net_capacity_ah": 1 / ratio})
    )
    [finding] = accusing(findings)
    assert (finding.kind, finding.column) == (validation.MISMATCH, "net_capacity_ah")
    assert finding.factor == pytest.approx(ratio, rel=1e-6)


def test_a_count_of_cycles_in_radians_is_recognised() -> None:
    """2π, 4π, 6π are 1, 2, 3; other fractions are only fractions."""
    for written in (2 * math.pi, 6.283):
        [finding] = validate(lying := times(WHOLE, {"cycle_count": written}))
        assert finding.kind == validation.COUNT_UNIT
        assert finding.factor == pytest.approx(1 / (2 * math.pi))
        assert repaired(lying, [finding])[0]["cycle_count"].to_list() == WHOLE["cycle_count"].to_list()
    [finding] = validate(times(WHOLE, {"cycle_count": 1.5}))
    assert finding.kind == validation.COUNT_FRACTION
    assert finding.rows[0] == 0


def test_a_counter_that_begins_anew_inside_a_step_is_named_with_its_row() -> None:
    """A reset in the middle of a charge is no new step."""
    step = WHOLE.filter(pl.col("step_count") == 2)
    lost = float(step["step_charging_capacity_ah"][180])
    row = 61 + 180
    fallen = pl.when((pl.int_range(pl.len()) >= row) & (pl.col("step_count") == 2)).then(lost).otherwise(0.0)
    findings = validate(WHOLE.with_columns(pl.col("step_charging_capacity_ah") - fallen))
    [finding] = [finding for finding in findings if finding.kind == validation.RESET]
    assert (finding.column, finding.rows) == ("step_charging_capacity_ah", (row,))


def test_a_counter_in_lumps_is_called_coarse() -> None:
    """Charge that is written in steps of 13 % of a half cycle says so."""
    lump = 0.13 * CURRENT
    lumps = WHOLE.with_columns((pl.col("net_capacity_ah") / lump).round() * lump)
    [finding] = validate(lumps)
    assert (finding.kind, finding.column) == (validation.COARSE, "net_capacity_ah")
    assert "lumps of 0.000195 Ah, 12% of the largest step's charge" in finding.text


def test_single_steps_that_differ_are_named() -> None:
    """One step of twelve in which the counter stood still for half the time."""
    still = pl.when((pl.col("step_count") == 6) & (pl.col("step_time_second") > 1800)).then(CURRENT / 2)
    frame = WHOLE.with_columns(still.otherwise("step_charging_capacity_ah").alias("step_charging_capacity_ah"))
    [finding] = validate(frame)
    assert (finding.kind, finding.column) == (validation.STEP_MISMATCH, "step_charging_capacity_ah")
    assert finding.rows == (int(WHOLE["step_count"].search_sorted(6)),)


@pytest.mark.parametrize(
    "kept", [["step_type"], ["net_capacity_ah"], ["step_charging_capacity_ah", "step_discharging_capacity_ah"]]
)
def test_a_current_of_the_wrong_sign_is_found_by_what_it_does_to_the_voltage(kept: list[str]) -> None:
    """Whatever else the file holds: a positive current must raise the voltage."""
    frame = WHOLE.select("test_time_second", "voltage_volt", "current_ampere", "step_count", *kept)
    assert accusing(validate(frame)) == []
    [finding] = accusing(validate(times(frame, {"current_ampere": -1.0})))
    assert (finding.kind, finding.column, finding.factor) == (validation.SIGN, "current_ampere", -1.0)


def test_a_net_counter_of_the_wrong_sign_is_accused_and_not_the_current() -> None:
    """The voltage stands by the current."""
    [finding] = validate(times(WHOLE, {"net_capacity_ah": -1.0}))
    assert (finding.kind, finding.column, finding.factor) == (validation.SIGN, "net_capacity_ah", -1.0)


def test_exchanged_counters_are_found() -> None:
    """Charging and discharging counters under each other's names."""
    names = {
        "step_charging_capacity_ah": "step_discharging_capacity_ah",
        "step_discharging_capacity_ah": "step_charging_capacity_ah",
    }
    findings = validate(WHOLE.rename(names))
    assert {(finding.kind, finding.column) for finding in findings} == {(validation.SIGN, name) for name in names}


def held() -> pl.DataFrame:
    """Each charge ends in a hold at 4.2 V, with a current that decays."""
    charge = pl.col("step_type") == "CC_CHG"
    late = charge & (pl.col("step_time_second") > 1800)
    return WHOLE.select(
        "test_time_second", "voltage_volt", "current_ampere", "step_count", "step_time_second", "step_type"
    ).with_columns(
        step_count=pl.col("step_count") * 2 + late.cast(pl.Int64),
        voltage_volt=pl.when(late).then(4.2).otherwise("voltage_volt"),
        current_ampere=pl.when(late)
        .then(CURRENT * (-(pl.col("step_time_second") - 1800) / 600).exp())
        .otherwise("current_ampere"),
    )


def test_a_control_column_of_two_meanings_is_found() -> None:
    """Milliampere in steps of constant current, volt in holds: the rows in volt are named."""
    frame = held()
    volt = frame["voltage_volt"] == 4.2
    control = pl.when(volt).then("voltage_volt").otherwise(pl.col("current_ampere") * 1e3)
    [finding] = accusing(validate(frame.with_columns(control.alias("control_volt_or_milliampere"))))
    assert (finding.kind, finding.rows) == (validation.MIXED_CONTROL, tuple(np.flatnonzero(volt.to_numpy()).tolist()))


def test_a_current_taken_from_a_control_column_is_found() -> None:
    """Where the current is the voltage, it is none."""
    frame = held()
    volt = frame["voltage_volt"] == 4.2
    lying = frame.with_columns(
        pl.when(volt).then(pl.col("voltage_volt") / 1e3).otherwise("current_ampere").alias("current_ampere")
    )
    assert [finding.kind for finding in accusing(validate(lying))] == [validation.CURRENT_IS_VOLTAGE]
    assert accusing(validate(frame)) == []


@settings(deadline=None, max_examples=60)
@given(
    every=st.sampled_from([7.0, 20.0, 60.0, 300.0]),
    resistance=st.floats(0.1, 200.0),
    scale=st.sampled_from([1e-6, 1e-3, 1.0]),
    dropped=st.sets(st.sampled_from(WHOLE.columns)),
    noise=st.sampled_from([0.0, 1e-4]),
)
def test_no_truthful_file_is_accused(every: float, resistance: float, scale: float, dropped: set[str], noise: float) -> None:
    """Sparse or dense, large or small, with any columns missing and a noisy voltage: nothing is said against it."""
    frame = measured(2, every, resistance)
    charges = {name: scale for name in frame.columns if name.endswith(("_ah", "_ampere", "_wh", "_watt"))}
    frame = times(frame, charges).drop(dropped)
    if "voltage_volt" in frame.columns:
        frame = frame.with_columns(pl.col("voltage_volt") + noise * np.random.default_rng(1).standard_normal(frame.height))
    assert accusing(validate(frame)) == []


def plating(imperfections: str) -> dict[str, object]:
    steps = [
        {"step": "plate", "current": "1 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}},
        {"step": "rest", "for": "10 min"},
        {"step": "strip", "current": "1 mA/cm^2", "until": {"voltage_above": "1 V"}, "longest": "2 h"},
    ]
    cell = {"name": "cu-01", "geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0}
    instrument = {"serial": "EMU1", "imperfections": imperfections, "channels": [{"name": "a1", "cell": cell}]}
    schedule = {"schedule": "test", "version": 1, "steps": [{"step": "repeat", "count": 3, "steps": steps}]}
    return {"seed": 3, "schedule": schedule, "instruments": [instrument]}


@pytest.mark.parametrize("imperfections", ["none", "typical"])
def test_no_emulated_cell_is_accused(imperfections: str, tmp_path: Path) -> None:
    """Lithium on copper with an instrument's noise, offset and gain."""
    (tmp_path / "a.yaml").write_text(json.dumps(plating(imperfections)), encoding="utf-8")
    generate.run(tmp_path / "a.yaml", tmp_path / "out")
    [(_, frame)] = read_cells(tmp_path / "out" / "cu-01.bdf.parquet")
    assert accusing(validate(frame)) == []


@real
@pytest.mark.parametrize("name", [name for name in CYCLING if name != "example_spectrum.csv"])
def test_no_real_file_is_accused_of_what_it_did_not_do(name: str) -> None:
    """The columns of real measurements tell the truth about their units and signs."""
    [(_, frame)] = read_cells(REALDATA / name)
    assert accusing(validate(frame)) == []


@real
@pytest.mark.parametrize("name", WITNESSED)
@pytest.mark.parametrize("every", [3, 40])
def test_no_real_file_is_accused_when_rows_are_missing(name: str, every: int) -> None:
    """Every third or fortieth row of the truth is still the truth, as far as sparse rows can say (increments are not)."""
    [(_, frame)] = read_cells(REALDATA / name)
    thin = frame.gather_every(every).drop([column for column in frame.columns if "increment" in column])
    assert accusing(validate(thin)) == []


@real
@pytest.mark.parametrize("name", WITNESSED)
@pytest.mark.parametrize("lie", ["time", "charge", "current", "sign"])
def test_copies_of_real_files_that_lie_are_caught_with_their_factor(name: str, lie: str) -> None:
    """Time × 3600, charge ÷ 1000, current ÷ 1000, current × −1."""
    [(_, frame)] = read_cells(REALDATA / name)
    time = next(column for column in PREFERRED_TIME if column in frame.columns)
    lies = {
        "time": ({time: 3600.0}, 1 / 3600),
        "charge": (dict.fromkeys([column for column in frame.columns if column.endswith("_ah")], 1e-3), 1e3),
        "current": ({"current_ampere": 1e-3}, 1e3),
        "sign": ({"current_ampere": -1.0}, -1.0),
    }
    factors, wanted = lies[lie]
    findings = accusing(validate(times(frame, factors)))
    assert {finding.column for finding in findings} == set(factors)
    assert [finding.factor for finding in findings] == [pytest.approx(wanted)] * len(findings)


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(), WHOLE.head(0), WHOLE.head(1), WHOLE.head(2), WHOLE.select("step_type"),
        WHOLE.with_columns(current_ampere=pl.lit(None, dtype=pl.Float64)), WHOLE.with_columns(voltage_volt=pl.lit(math.nan)),
        WHOLE.with_columns(current_ampere=pl.lit(0.0)), WHOLE.with_columns(test_time_second=pl.lit(0.0)),
    ],
)  # fmt: skip
def test_files_of_nearly_nothing_are_judged_without_complaint(frame: pl.DataFrame) -> None:
    """Nothing to say is no error."""
    assert isinstance(validate(frame), list)
