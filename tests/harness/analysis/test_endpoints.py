"""High-precision coulometry: ends, slippages, their identity and signs, σ against drawn instruments, and what stays out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.endpoints import QUANTITIES, TRANSIENT_CYCLES, slippages, trend
from harness.errors import AnalysisError
from harness.interop.cycles import analyze_file
from harness.model.run import Geometry
from tests.measured_rows import Instrument, measured_rows
from tests.realdata import REALDATA, real

CAPACITY = st.floats(1e-4, 10.0)
PAIRS = st.lists(st.tuples(CAPACITY, CAPACITY), min_size=2, max_size=30)
GEOMETRIES = {Geometry.FULL: 1, Geometry.DEPOSIT: -1}


def cells(deposits: list[float], removals: list[float], geometry: Geometry, **extra: object) -> pl.DataFrame:
    return slippages(measured_rows(deposits, removals, deposit_sign=GEOMETRIES[geometry], **extra), geometry)  # type: ignore[arg-type]


@given(pairs=PAIRS, geometry=st.sampled_from(sorted(GEOMETRIES)))
def test_fade_is_the_difference_of_the_slippages(pairs: list[tuple[float, float]], geometry: Geometry) -> None:
    """Δ_d − Δ_c = Q_{n−1} − Q_n of what comes back, and the ends' differences are the slippages; in both geometries."""
    found = cells([one for one, _ in pairs], [one for _, one in pairs], geometry).filter(pl.col("capacity_fade_ah").is_not_null())
    charge, discharge = found["charge_endpoint_slippage_ah"].to_numpy(), found["discharge_endpoint_slippage_ah"].to_numpy()
    assert discharge - charge == pytest.approx(found["capacity_fade_ah"].to_numpy(), abs=1e-12)
    place = found["cycle_count"].to_numpy()
    follows = np.flatnonzero(np.diff(place) == 1)
    for name, slip in (("charge", charge), ("discharge", discharge)):
        ends = found[f"{name}_endpoint_ah"].to_numpy()
        assert np.diff(ends)[follows] == pytest.approx(slip[1:][follows], abs=1e-9)


def test_a_full_cell_slips_up_by_what_it_loses() -> None:
    """Q_c 1.00, 0.99 and Q_d 0.98, 0.97 Ah: ends 1.00, 0.02, 1.01, 0.04; Δ_d = Q_c − Q_d, CE = 1 − Δ_d/Q_c."""
    found = cells([1.0, 0.99], [0.98, 0.97], Geometry.FULL, current_ampere=1.0)
    assert found["charge_endpoint_ah"].to_list() == pytest.approx([1.0, 1.01])
    assert found["discharge_endpoint_ah"].to_list() == pytest.approx([0.02, 0.04])
    last = found.row(1, named=True)
    assert last["charge_endpoint_slippage_ah"] == pytest.approx(0.01)
    assert last["discharge_endpoint_slippage_ah"] == pytest.approx(0.02)
    assert 1 - last["discharge_endpoint_slippage_ah"] / 0.99 == pytest.approx(0.97 / 0.99)
    hour = 0.99 + 0.97 + 1 / 6
    assert last["coulombic_inefficiency_per_hour"] == pytest.approx(0.02 / 0.99 / hour)
    assert last["discharge_parasitic_current_ampere"] == pytest.approx(0.02 / hour)
    assert last["charge_parasitic_current_ampere"] == pytest.approx(0.01 / hour)


def test_lithium_on_copper_slips_down_by_what_it_loses() -> None:
    """The deposit is I < 0: the axis goes to −1, back to −0.02, to −1.01, to −0.04; CE = 1 + Δ_c/Q_plate."""
    found = cells([1.0, 0.99], [0.98, 0.97], Geometry.DEPOSIT)
    assert found["discharge_endpoint_ah"].to_list() == pytest.approx([-1.0, -1.01])
    assert found["charge_endpoint_ah"].to_list() == pytest.approx([-0.02, -0.04])
    last = found.row(1, named=True)
    assert last["charge_endpoint_slippage_ah"] == pytest.approx(-0.02)
    assert last["discharge_endpoint_slippage_ah"] == pytest.approx(-0.01)
    assert 1 + last["charge_endpoint_slippage_ah"] / 0.99 == pytest.approx(0.97 / 0.99)


@pytest.mark.parametrize("geometry", sorted(GEOMETRIES))
def test_std_agrees_with_simulated_instruments(geometry: Geometry) -> None:
    """Every quantity's σ, offset included, within 5 %; the offset's part is what identical instruments would share."""
    noise = np.random.default_rng(8)
    kind = Instrument(offset_ampere=2e-7, gain=1e-3, random_coulomb=2e-3)
    found = [cells([1e-3] * 3, [0.97e-3] * 3, geometry, instrument=kind.drawn(noise)).tail(1) for _ in range(1600)]
    drawn = pl.concat(found)
    for name in QUANTITIES:
        stated = math.sqrt(float(np.mean(drawn[f"{name}_std"].to_numpy() ** 2)))
        assert stated == pytest.approx(float(drawn[name].to_numpy().std()), rel=0.05), name
    offset = float(drawn["charge_endpoint_slippage_ah_offset_std"][0])
    assert offset == pytest.approx(2e-7 * 1.97, rel=0.02)
    assert float(drawn["capacity_fade_ah_offset_std"][0]) < 1e-3 * offset


def test_cycles_that_do_not_compare_are_left_out_with_what_they_touch() -> None:
    """A pause, a check-up and a cycle the caller names: the ends go on, the slippages to and from them are null."""
    rows = measured_rows([1e-3] * 30, [0.98e-3] * 30, flags=["gap" if place == 7 else "" for place in range(30)])
    rows[14] = replace(rows[14], cycle_duration_second=2.0 * (rows[14].cycle_duration_second or 0.0))
    found = slippages(rows, Geometry.DEPOSIT, left_out={25})
    assert found.filter(pl.col("left_out") != "").select("cycle_count", "left_out").rows() == [
        (8, "gap"), (15, "rate_change"), (25, "named"),
    ]  # fmt: skip
    missing = found.filter(pl.col("capacity_fade_ah").is_null())["cycle_count"].to_list()
    assert missing == [1, 8, 9, 15, 16, 25, 26]
    assert found["charge_endpoint_ah"].to_list() == pytest.approx([-0.02e-3 * (place + 1) for place in range(30)])


def test_the_axis_begins_anew_after_what_is_unknown() -> None:
    """A cycle without its removal, and a number that is missing."""
    rows = measured_rows([1e-3] * 9, [0.98e-3] * 9)
    rows[3] = replace(rows[3], stripping_capacity_ah=None, flags="incomplete")
    found = slippages([*rows[:6], *rows[7:]], Geometry.FULL)
    assert found["discharge_endpoint_ah"].to_list() == pytest.approx(
        [0.02e-3, 0.04e-3, 0.06e-3, None, 0.02e-3, 0.04e-3, 0.02e-3, 0.04e-3]
    )
    assert found["capacity_fade_ah"].is_null().to_list() == [True, False, False, True, True, False, True, False]


def transient(noise: np.random.Generator, limit: float = 2e-5, size: float = 1e-4, std: float = 1e-7) -> pl.DataFrame:
    """Losses of limit + size/√n of 1 mAh."""
    count = np.arange(1, 41)
    loss = (limit + size / np.sqrt(count)) * 1e-3 + noise.normal(0.0, std, count.size) * 1e-3
    return cells([1e-3] * 40, list(1e-3 - loss), Geometry.FULL)


def test_trend_finds_the_law_and_its_limit() -> None:
    """1/√n is told from a line, its limit and last value hold the truth, and the first five cycles stay out."""
    found = trend(transient(np.random.default_rng(9)), "discharge_endpoint_slippage_ah")
    assert (found.model, found.cycles) == ("root", 40 - TRANSIENT_CYCLES)
    assert found.settled.low < 2e-8 < found.settled.high  # type: ignore[operator]
    assert found.last.low < 2e-8 + 1e-7 / math.sqrt(40) < found.last.high  # type: ignore[operator]
    line = trend(cells([1e-3] * 20, [1e-3 - 1e-8 * n for n in range(20)], Geometry.FULL), "discharge_endpoint_slippage_ah")
    assert line.model == "linear"
    assert line.slope.value == pytest.approx(1e-8, rel=1e-6)
    assert line.settled.refusal == "a line has no limit"


def test_intervals_of_a_trend_hold_the_truth_in_95_percent() -> None:
    """The slope of white noise in 1000 series: 93 to 97 %."""
    noise = np.random.default_rng(10)
    frame = cells([1e-3] * 25, [0.98e-3] * 25, Geometry.FULL)
    held = 0
    for _ in range(1000):
        value = pl.Series("capacity_fade_ah", 1e-6 * np.arange(25) + noise.normal(0.0, 1e-5, 25))
        slope = trend(frame.with_columns(value), "capacity_fade_ah", after=0)
        held += slope.model != "linear" or (slope.slope.low or 0.0) <= 1e-6 <= (slope.slope.high or 0.0)
    assert 930 <= held <= 970


def test_a_trend_of_few_cycles_is_refused() -> None:
    """Eight cycles leave three."""
    found = trend(cells([1e-3] * 8, [0.98e-3] * 8, Geometry.FULL), "coulombic_inefficiency_per_hour")
    assert found.last.refusal == "3 cycles after the first 5 are fewer than 6"


@real
def test_identity_holds_on_a_measured_full_cell() -> None:
    """A commercial cell, 8 cycles: the residual of Δ_d − Δ_c − fade stays below 1e-9 mAh; the slow cycle is left out."""
    [cell] = analyze_file(REALDATA / "m50t_neware.parquet", geometry=Geometry.FULL)
    rows = cell.rows
    found = slippages(rows, Geometry.FULL)
    residual = found["discharge_endpoint_slippage_ah"] - found["charge_endpoint_slippage_ah"] - found["capacity_fade_ah"]
    assert residual.drop_nulls().len() >= 5
    assert float(residual.abs().max()) < 1e-12  # type: ignore[arg-type]
    assert found["left_out"].to_list()[:2] == ["incomplete", "rate_change"]


def test_bad_input_is_one_clear_error_each() -> None:
    """Empty, out of order, symmetric, and quantities that are none."""
    rows = measured_rows([1e-3] * 3, [0.98e-3] * 3)
    with pytest.raises(AnalysisError, match="no cycles"):
        slippages([], Geometry.FULL)
    with pytest.raises(AnalysisError, match="must rise"):
        slippages(rows[::-1], Geometry.FULL)
    with pytest.raises(AnalysisError, match="nothing slips"):
        slippages(rows, Geometry.SYMMETRIC)
    for quantity, after in (("capacity", 5), ("capacity_fade_ah", -1)):
        with pytest.raises(AnalysisError, match="is no trend"):
            trend(slippages(rows, Geometry.FULL), quantity, after=after)
    alone = slippages(rows[:1], Geometry.FULL)
    assert alone["capacity_fade_ah"].to_list() == [None]
