"""Whether a file's currents are point samples or interval means, as its counters say, and how sure its charges are then."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from harness.interop.cycles import AnalyzedCell, analyze_frame
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

TAU, CC, CV = 300.0, 7200.0, 1800.0
CHARGE = CURRENT * (CC + TAU * (1 - math.exp(-CV / TAU)))
Q = "charge_coulomb"


def charged_and_discharged(*, mean: bool, interval: float = 60.0, count: int = 3) -> pl.DataFrame:
    """Cycles of CC, CV, rest and a discharge of 99 %: the current as points or means, with the charge since the step began."""
    steps = ((CURRENT, CC), (CURRENT, CV), (0.0, 600.0), (-CURRENT, 0.99 * CHARGE / CURRENT), (0.0, 600.0)) * count
    frame = made(*steps, interval=interval)
    tail = (pl.col("step_count") % 5 == 2, pl.col("step_time_second"))
    decay = pl.when(tail[0]).then((-tail[1] / TAU).exp()).otherwise(1.0)
    passed = pl.when(tail[0]).then(TAU * (1 - (-tail[1] / TAU).exp())).otherwise(tail[1])
    frame = frame.with_columns((pl.col("current_ampere") * passed).alias(Q), current_ampere=pl.col("current_ampere") * decay)
    if mean:
        since = pl.col("step_time_second").diff().over("step_count")
        rise = pl.col(Q).diff().over("step_count") / since
        frame = frame.with_columns(current_ampere=rise).filter(pl.col("step_time_second") > 0)
    return frame


def counted(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """``frame`` with a counter of one kind, and without its charges."""
    added = pl.col(Q) - pl.col(Q).shift(1, fill_value=0.0).over("step_count")
    frame = frame.with_columns((pl.col(Q) / 3600).alias("own"), added=added / 3600)
    up, down = (pl.max_horizontal(sign * pl.col("added"), pl.lit(0.0)) for sign in (1.0, -1.0))
    pair = [pl.max_horizontal(sign * pl.col("own"), pl.lit(0.0)) for sign in (1.0, -1.0)]
    columns = {
        "step": {"step_charging_capacity_ah": pair[0], "step_discharging_capacity_ah": pair[1]},
        "ever": {"charging_capacity_ah": up.cum_sum(), "discharging_capacity_ah": down.cum_sum()},
        "net": {"net_capacity_ah": pl.col("added").cum_sum()},
        "increment": {"charge_increment_ah": pl.col("added")},
        "": {},
    }
    return frame.with_columns(**columns[kind]).drop(Q, "own", "added")


def analyzed(frame: pl.DataFrame) -> AnalyzedCell:
    return analyze_frame("cell", frame, Geometry.FULL)


@pytest.mark.parametrize("kind", ["step", "ever", "net", "increment"])
@pytest.mark.parametrize("mean", [False, True])
def test_counter_of_any_kind_tells_means_from_points(kind: str, *, mean: bool) -> None:
    """A healthy file agrees with its counter whichever its currents are, and nothing has to be assumed."""
    cell = analyzed(counted(charged_and_discharged(mean=mean), kind))
    assert [row.coulombic_efficiency for row in cell.rows] == [pytest.approx(0.99, abs=1e-6)] * 3
    assert not any("counter_mismatch" in row.flags.split() for row in cell.rows)
    assert [finding for finding in cell.findings if finding.kind == "current_kind"] == []


@pytest.mark.parametrize("mean", [False, True])
def test_points_are_said_to_be_assumed_where_it_matters(*, mean: bool) -> None:
    """A tail without a counter would have another charge if its currents were means; a constant current would not."""
    tail = analyzed(counted(charged_and_discharged(mean=mean), ""))
    assert [finding.column for finding in tail.findings if finding.kind == "current_kind"] == ["current_ampere"]
    constant = made((CURRENT, 3600.0), (0.0, 60.0), (-CURRENT, 3500.0))
    noise = pl.Series(1e-3 * CURRENT * np.random.default_rng(2).normal(size=constant.height))
    assert analyzed(constant).findings == []
    assert analyzed(constant.with_columns(pl.col("current_ampere") + noise)).findings == []


def test_a_missing_current_hides_no_tail() -> None:
    """What means would change a charge by is of the whole tail, with the reading before in place of one that is missing."""
    whole = counted(charged_and_discharged(mean=False), "")
    holed = whole.with_columns(current_ampere=pl.when(pl.int_range(pl.len()) % 50 != 7).then("current_ampere"))
    said = [[one.text for one in analyzed(frame).findings if one.kind == "current_kind"] for frame in (whole, holed)]
    assert said[0] == said[1] != []


def test_no_time_makes_no_share_of_a_charge() -> None:
    """Rows of one stamp hold no charge of which another kind of current could be a share."""
    frame = pl.DataFrame({"test_time_second": [5.0] * 4, "current_ampere": [1e-3, 2e-3, 3e-3, 4e-3]})
    assert [finding.kind for finding in analyzed(frame).findings] == []


@pytest.mark.parametrize("stamps", ["as recorded", "random"])
def test_charge_is_never_known_for_certain(stamps: str) -> None:
    """Stamps that lie on no decimal step and rows at every edge still leave a clock's own error."""
    frame = counted(charged_and_discharged(mean=False), "").drop("step_count", "step_time_second")
    if stamps == "random":
        shift = np.random.default_rng(1).uniform(0, 20, frame.height)
        frame = frame.with_columns(test_time_second=pl.col("test_time_second") * math.pi + pl.Series(shift).sort() / 7)
    for row in analyzed(frame).rows:
        assert row.plating_capacity_ah_std is not None
        assert row.stripping_capacity_ah_std is not None
        assert row.coulombic_efficiency_std is not None
        assert min(row.plating_capacity_ah_std, row.stripping_capacity_ah_std, row.coulombic_efficiency_std) > 1e-11


def test_error_of_a_charge_covers_what_its_two_witnesses_differ_by() -> None:
    """A counter in the wrong unit leaves the efficiency alone and no charge sure; one that lost counts leaves neither."""
    whole = counted(charged_and_discharged(mean=False), "step")
    names = [name for name in whole.columns if name.endswith("_ah")]
    scaled = analyzed(whole.with_columns(pl.col(names) * 1000)).rows
    for row in scaled:
        assert "counter_mismatch" in row.flags.split()
        assert row.plating_capacity_ah is not None
        assert row.plating_capacity_ah_std is not None
        assert row.plating_capacity_ah - CHARGE / 3600 < 1.01 * row.plating_capacity_ah_std
        assert row.coulombic_efficiency == pytest.approx(0.99, abs=1e-6)
        assert row.coulombic_efficiency_std is not None
        assert 2e-5 < row.coulombic_efficiency_std < 1e-3
    late = (pl.col("step_count") == 9) & (pl.col("step_time_second") > 3000)
    lost = analyzed(whole.with_columns(pl.when(late).then(pl.col(names) * 0.9).otherwise(pl.col(names)))).rows[1]
    assert lost.coulombic_efficiency is not None
    assert lost.coulombic_efficiency_std is not None
    assert 0.99 - lost.coulombic_efficiency == pytest.approx(lost.coulombic_efficiency_std, rel=0.05)
