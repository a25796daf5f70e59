"""Charge at the edges of steps: held to an edge that a clock names, whatever is missing before it; else counted as unknown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from harness.interop.cycles import analyze_frame
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

T, STEP_T, STEP = pl.col("test_time_second"), pl.col("step_time_second"), pl.col("step_count")
EFFICIENCIES = (0.970, 0.973, 0.976, 0.979)
PLATE, REST = 7200.0, 600.0
STRIP_2 = 7
Change = Callable[[pl.DataFrame], pl.DataFrame]


def plated_and_stripped() -> pl.DataFrame:
    """Cycles of plate, rest, strip, rest, a row every minute and one at each end."""
    steps = [step for part in EFFICIENCIES for step in ((-CURRENT, PLATE), (0.0, REST), (CURRENT, PLATE * part), (0.0, REST))]
    return made(*steps, interval=60.0)


def rows_of(frame: pl.DataFrame) -> list[CycleRow]:
    return analyze_frame("cell", frame, Geometry.DEPOSIT).rows


def errors(rows: list[CycleRow]) -> list[float]:
    """Each efficiency less the true one."""
    found = [row.coulombic_efficiency for row in rows]
    return [value - true for value, true in zip(found, EFFICIENCIES, strict=True) if value is not None]


def within_std(rows: list[CycleRow], most: float = 3.0) -> bool:
    """Whether each efficiency is the true one within some of its σ."""
    std = [row.coulombic_efficiency_std or 0.0 for row in rows]
    return all(abs(error) <= most * own + 1e-12 for error, own in zip(errors(rows), std, strict=True))


def without_end(step: int, second: float) -> Change:
    """The rows of a step's last seconds are missing."""
    end = PLATE * EFFICIENCIES[1] if step == STRIP_2 else PLATE
    return lambda frame: frame.filter(~((step == STEP) & (end - second < STEP_T)))


def without_start(frame: pl.DataFrame) -> pl.DataFrame:
    """The end of the rest before the second strip is missing, and the strip's beginning."""
    return frame.filter(~((STEP == STRIP_2 - 1) & (STEP_T > REST - 100)) & ~((STEP == STRIP_2) & (STEP_T < 1500)))


def dense_first(frame: pl.DataFrame) -> pl.DataFrame:
    """A row every second in a step's first minute, then every three minutes, and none at its end."""
    own = np.concatenate((np.arange(60.0), np.arange(60.0, PLATE, 180.0)))
    parts = []
    for (_,), step in frame.group_by("step_count", maintain_order=True):
        length, begin = float(step["step_time_second"][-1]), float(step["test_time_second"][0])
        time = own[own < length - 1]
        line = step.head(1).select(pl.exclude("test_time_second", "step_time_second"))
        here = pl.DataFrame({"test_time_second": begin + time, "step_time_second": time})
        parts.append(here.join(line, how="cross").select(frame.columns))
    return pl.concat(parts)


LOST: dict[str, tuple[Change, bool]] = {
    "a strip's last 190 s": (without_end(STRIP_2, 190), False),
    "a strip's last 250 s": (without_end(STRIP_2, 250), False),
    "a strip's last 1500 s": (without_end(STRIP_2, 1500), True),
    "a plate's last 1500 s": (without_end(STRIP_2 - 2, 1500), True),
    "a strip's first 1500 s": (without_start, True),
    "no row at the steps' ends": (dense_first, False),
}


@pytest.mark.parametrize("name", LOST)
def test_current_is_held_to_an_edge_that_step_time_names(name: str) -> None:
    """A constant current's charge is I × duration; where more than a regular interval is held, the row says so."""
    change, gap = LOST[name]
    frame = change(plated_and_stripped())
    rows = rows_of(frame)
    assert errors(rows) == [pytest.approx(0.0, abs=1e-9)] * 4
    assert ["gap" in row.flags.split() for row in rows] == [False, gap, False, False]
    std = [row.coulombic_efficiency_std or 0.0 for row in rows]
    assert std[1] > (20 * std[0] if gap else 0.9 * std[0])


@pytest.mark.parametrize("name", LOST)
def test_time_at_an_edge_that_nobody_names_counts_as_unknown(name: str) -> None:
    """Without step time the efficiency is off by what nobody can say, and its σ says by how much."""
    change, gap = LOST[name]
    rows = rows_of(change(plated_and_stripped()).drop("step_time_second"))
    assert within_std(rows)
    assert ["gap" in row.flags.split() for row in rows] == [False, gap, False, False]


def test_edge_of_a_step_that_is_missing_is_not_named() -> None:
    """Where whole steps are missing, the next step's time says nothing of the end of the last one: σ holds the time between."""
    frame = plated_and_stripped().filter(~((STEP == STRIP_2) & (STEP_T > 6000)) & (STEP != STRIP_2 + 1))
    rows = rows_of(frame)
    assert within_std(rows)
    assert "gap" in rows[1].flags.split()


def test_regular_sampling_without_an_end_row_leaves_both_edges_unknown() -> None:
    """Rows every 300 s that know nothing of steps: errors over σ have a mean square near 1."""
    generator, found = np.random.default_rng(4), []
    for _ in range(40):
        lengths = [PLATE + 300 * generator.random(), 1200 * (0.5 + generator.random())]
        parts = generator.uniform(0.95, 0.99, 4)
        steps = [
            s for part in parts for s in ((-CURRENT, lengths[0]), (0.0, lengths[1]), (CURRENT, lengths[0] * part), (0.0, 777.0))
        ]
        ends = np.cumsum([second for _, second in steps])
        time = np.arange(300 * generator.random(), ends[-1], 300.0)
        step = np.searchsorted(ends, time, side="right")
        frame = pl.DataFrame(
            {
                "test_time_second": time,
                "current_ampere": np.array([value for value, _ in steps])[step],
                "voltage_volt": 3.5 + 50 * np.array([value for value, _ in steps])[step],
                "step_count": step + 1,
            }
        )
        for row, part in zip(rows_of(frame)[1:], parts[1:], strict=True):
            assert row.coulombic_efficiency is not None
            assert row.coulombic_efficiency_std is not None
            found.append((row.coulombic_efficiency - part) / row.coulombic_efficiency_std)
    assert 0.85 < float(np.sqrt(np.mean(np.square(found)))) < 1.15


@pytest.mark.parametrize("second", [190.0, 1500.0])
@pytest.mark.parametrize("kind", ["step", "ever", "net", "increment"])
def test_counter_that_ends_short_of_a_named_edge_is_carried_on_to_it(kind: str, second: float) -> None:
    """A counter that begins again in the next step has not seen what the lost rows held; one that goes on has."""
    frame = without_end(STRIP_2, second)(counted(plated_and_stripped(), kind))
    rows = rows_of(frame)
    assert errors(rows) == [pytest.approx(0.0, abs=1e-7)] * 4
    assert ["gap" in row.flags.split() for row in rows] == [False, second > 600, False, False]
    assert not any("counter_mismatch" in row.flags.split() for row in rows)


def counted(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """``frame`` with a counter of one kind that saw all charge."""
    own = pl.col("current_ampere") * STEP_T / 3600
    added = (own - own.shift(1, fill_value=0.0).over("step_count")).alias("added")
    up, down = (pl.max_horizontal(sign * pl.col("added"), pl.lit(0.0)) for sign in (1.0, -1.0))
    columns = {
        "step": {
            "step_charging_capacity_ah": pl.max_horizontal(own, pl.lit(0.0)),
            "step_discharging_capacity_ah": pl.max_horizontal(-own, pl.lit(0.0)),
        },
        "ever": {"charging_capacity_ah": up.cum_sum(), "discharging_capacity_ah": down.cum_sum()},
        "net": {"net_capacity_ah": pl.col("added").cum_sum()},
        "increment": {"charge_increment_ah": pl.col("added")},
    }
    return frame.with_columns(added).with_columns(**columns[kind]).drop("added")


def swapped(frame: pl.DataFrame, row: int) -> pl.DataFrame:
    """Two neighbouring rows stand in each other's place."""
    order = np.arange(frame.height)
    order[[row, row + 1]] = row + 1, row
    return frame[order]


@pytest.mark.parametrize("steps", ["with step time", "without"])
def test_two_rows_in_each_others_place_cost_no_charge(steps: str) -> None:
    """The time over both is known, and a constant current's charge with it; the other cycles say nothing of it."""
    frame = swapped(plated_and_stripped(), 50)
    rows = rows_of(frame if steps == "with step time" else frame.drop("step_time_second"))
    assert errors(rows) == [pytest.approx(0.0, abs=1e-9)] * 4
    assert ["backward_time" in row.flags.split() for row in rows] == [True, False, False, False]
    assert not any("time_disagrees" in row.flags.split() for row in rows)


def test_clock_set_back_inside_a_step_widens_the_error_by_the_interval_lost() -> None:
    """Without step time nobody knows what passed when the clock was set back: at least an interval did."""
    frame = plated_and_stripped().drop("step_time_second")
    back = pl.when(pl.int_range(pl.len()) >= 60).then(500.0).otherwise(0.0)
    rows = rows_of(frame.with_columns(T - back))
    assert within_std(rows, 1.01)
    assert errors(rows)[1:] == [pytest.approx(0.0, abs=1e-9)] * 3
    assert (rows[0].coulombic_efficiency_std or 0.0) < 60 / PLATE * 1.1
