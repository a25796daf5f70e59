"""Records of one run become rows: half cycles and what speaks for a short in them, the same wherever a run is taken up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis import run_half_cycle, run_sweep
from harness.analysis.run_cycle import OpenCycle
from harness.analysis.run_half_cycle import FLAG_NOT_SHAPED
from harness.analysis.run_rows import KnownRows, RunRows
from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import CycleEnded, Record, RunStarted, Sample
from harness.model.run import Geometry, Role
from harness.store.derived_schema import key_of
from tests.run_writer import CURRENT, RunWriter, facts

SHARES = [0.001, *(index / 50 for index in range(1, 51))]
Rows = dict[tuple[object, ...], DerivedRow]


def trace(height: float, *, falls_at: float = 2.0) -> Callable[[float], float]:
    """An overpotential that nucleates, settles and arcs a little, read with noise; a third of it is gone from ``falls_at`` on."""

    def at(share: float) -> float:
        noise = 2e-5 * ((share * 7919) % 1.0 - 0.5)
        healthy = height * (1 + 0.4 * math.exp(-share / 0.02) + 0.05 * share) + noise
        return 0.65 * healthy if share >= falls_at else healthy

    return at


def resting(rate: float) -> Callable[[float], float]:
    """A voltage that goes down by ``rate`` in V/s through half an hour."""
    return lambda share: 4.1 - 1800 * rate * share


def negative(voltage: Callable[[float], float]) -> Callable[[float], float]:
    return lambda share: -voltage(share)


def cycle(writer: RunWriter, number: int, *, efficiency: float = 0.98, height: float = 0.05, falls_at: float = 2.0,
          resistance: float | None = None) -> None:  # fmt: skip
    """A cycle of Li||Cu; a sweep between its halves where a ``resistance`` is given."""
    writer.step(Role.PLATE, number, -CURRENT, 3600.0, "duration", negative(trace(height, falls_at=falls_at)), SHARES)
    writer.step(Role.REST, number, 0.0, 600.0, "duration", 0.0)
    if resistance is not None:
        writer.sweep(number, resistance)
    writer.step(Role.STRIP, number, CURRENT, 3600.0 * efficiency, "voltage_above", trace(height), SHARES)
    writer.records.append(CycleEnded(*writer._place(), number))


def rows_of(records: Sequence[Record], geometry: Geometry = Geometry.DEPOSIT, restarts: Collection[int] = ()) -> Rows:
    """The last row of each key; before the records ``restarts`` the run is taken up again from what was stored."""
    first = records[0]
    assert isinstance(first, RunStarted)
    context = RunWriter(first.run_id).context
    rows: Rows = {}
    run = RunRows(context, facts(geometry))
    for record in records:
        if record.seq in restarts:
            run = taken_up(records, run, rows, geometry)
        rows |= {key_of(row): row for row in run.take(record)}
    return rows


def taken_up(records: Sequence[Record], run: RunRows, rows: Rows, geometry: Geometry) -> RunRows:
    stored = list(rows.values())
    known = KnownRows(
        [row for row in stored if isinstance(row, CycleRow)],
        [row for row in stored if isinstance(row, ImpedanceFitRow)],
        [row for row in stored if isinstance(row, HalfCycleRow)],
        run.fit_start,
    )
    assert not known.stale
    begin = run.replay_seq
    finished = getattr(records[begin], "cycle_count", None)
    again = RunRows(run.context, facts(geometry), known, resumed=True, finished_cycle=finished)
    for record in records[begin : run.next_seq]:
        again.take(record)
    return again


def half(rows: Rows, number: int, role: Role) -> HalfCycleRow:
    row = rows["half_cycle", number, role.value]
    assert isinstance(row, HalfCycleRow)
    return row


def signs(row: HalfCycleRow) -> set[str]:
    return {one["sign"] for one in json.loads(row.short_evidence)} if row.short_evidence else set()


def test_half_cycle_is_a_row_when_its_step_ends() -> None:
    """Its charge, overpotentials and stamp are there before the cycle is over."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration", negative(trace(0.05)), SHARES)
    rows = rows_of(writer.records)
    assert set(rows) == {("half_cycle", 1, "plate")}
    row = half(rows, 1, Role.PLATE)
    first = next(record for record in writer.records if isinstance(record, Sample))
    assert row.unix_time_nanosecond == first.unix_time_nanosecond
    assert row.capacity_ah == pytest.approx(CURRENT, rel=1e-12)
    assert row.capacity_ah_std is not None
    assert row.current_ampere == -CURRENT
    assert row.plateau_overpotential_volt == pytest.approx(0.05 * 1.025, rel=1e-3)
    assert row.nucleation_overpotential_volt == pytest.approx(0.07, rel=0.05)
    assert row.apparent_resistance_ohm == pytest.approx(0.05 * 1.025 / CURRENT, rel=1e-3)
    assert (row.short_grade, row.short_evidence, row.flags, row.refusals) == ("", "", "", "")


def test_half_cycle_that_was_paused_has_all_its_charge_and_the_shape_of_its_longer_part() -> None:
    """What was plated before and after adds up; the voltage on both sides of a pause is no one trace."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 900.0, "aborted", negative(trace(0.02)), SHARES)
    writer.step(Role.REST, 1, 0.0, 600.0, "duration", 0.0)
    writer.step(Role.PLATE, 1, -CURRENT, 2700.0, "duration", negative(trace(0.05, falls_at=0.5)), SHARES)
    row = half(rows_of(writer.records), 1, Role.PLATE)
    first = next(record for record in writer.records if isinstance(record, Sample))
    assert row.unix_time_nanosecond == first.unix_time_nanosecond
    assert row.capacity_ah == pytest.approx(CURRENT, rel=1e-12)
    assert row.duration_second == pytest.approx(2700.0, rel=2e-3)
    [fall] = [one for one in json.loads(row.short_evidence) if one["sign"] == "abrupt_fall"]
    assert 900 + 600 + 0.47 * 2700 < fall["from_second"] < fall["to_second"] < 900 + 600 + 0.53 * 2700
    assert "incomplete" not in row.flags.split()


def test_half_cycle_that_was_cut_short_says_so() -> None:
    """It has a shape, and the flag of a half cycle that is not whole."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 1800.0, "lost", negative(trace(0.05)), SHARES)
    writer.end()
    row = half(rows_of(writer.records), 1, Role.PLATE)
    assert "incomplete" in row.flags.split()
    assert row.plateau_overpotential_volt is not None


def test_half_cycle_without_a_shape_is_a_row_with_reasons() -> None:
    """Two readings have no plateau: every number that is missing has its reason, and the charge stays."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration", -0.05, (0.5, 1.0))
    row = half(rows_of(writer.records), 1, Role.PLATE)
    missing = {"nucleation_overpotential_volt", "plateau_overpotential_volt", "arcing_1", "apparent_resistance_ohm"}
    assert missing <= set(json.loads(row.refusals))
    assert all(getattr(row, name) is None for name in json.loads(row.refusals))
    assert row.capacity_ah == pytest.approx(CURRENT, rel=1e-12)


def test_spectrum_after_a_deposit_speaks_for_or_against_a_short_in_it() -> None:
    """The deposit's row is written again when its cycle is over, with what the spectrum says."""
    writer = RunWriter("cu-01")
    for number, resistance in enumerate((60.0, 60.0, 30.0), start=1):
        cycle(writer, number, resistance=resistance)
    writer.end()
    rows = rows_of(writer.records)
    assert signs(half(rows, 2, Role.PLATE)) == set()
    assert signs(half(rows, 3, Role.PLATE)) == {"impedance_fall"}
    assert signs(half(rows, 3, Role.STRIP)) == set()


def test_more_charge_back_than_was_put_there_is_a_sign_in_the_removal() -> None:
    """An efficiency above 1 speaks against the half cycle that took the charge out."""
    writer = RunWriter("cu-01")
    cycle(writer, 1)
    cycle(writer, 2, efficiency=1.05)
    rows = rows_of(writer.records)
    assert signs(half(rows, 2, Role.STRIP)) == {"charge_surplus"}
    assert signs(half(rows, 2, Role.PLATE)) == set()


def test_rest_after_a_half_cycle_of_a_full_cell_speaks_for_it() -> None:
    """A voltage that goes down ten times as fast as in the rests before it is a sign; a rest elsewhere is none of its."""
    writer = RunWriter("nmc-01", Geometry.FULL)
    for number in range(1, 7):
        rate = 1e-5 if number == 6 else 1e-6 * (1 + number / 100)
        writer.step(Role.CHARGE, number, CURRENT, 3600.0, "voltage_above", lambda share: 3.7 + 0.5 * share, SHARES)
        writer.step(Role.REST, number, 0.0, 1800.0, "duration", resting(rate), SHARES)
        writer.step(Role.DISCHARGE, number, -CURRENT, 3500.0, "voltage_below", lambda share: 4.1 - 0.5 * share, SHARES)
        writer.records.append(CycleEnded(*writer._place(), number))
    rows = rows_of(writer.records, Geometry.FULL)
    assert half(rows, 1, Role.CHARGE).relaxation_volt_per_second == pytest.approx(1.01e-6, rel=1e-6)
    assert half(rows, 1, Role.DISCHARGE).relaxation_volt_per_second is None
    assert "fast_relaxation" in signs(half(rows, 6, Role.CHARGE))
    assert "fast_relaxation" not in signs(half(rows, 5, Role.CHARGE))
    assert "open_voltage_unknown" in half(rows, 1, Role.CHARGE).flags.split()


@pytest.fixture(scope="module")
def shorted() -> list[Record]:
    """Nine cycles, four sweeps; a third of the voltage is gone at once in the seventh deposit, and from its start in the last."""
    writer = RunWriter("cu-01")
    for number in range(1, 10):
        resistance = 60.0 - 12 * (number > 7) if number in (1, 2, 7, 8) else None
        cycle(
            writer,
            number,
            height=0.033 if number == 9 else 0.05 - 0.0005 * number,
            falls_at=0.6 if number == 7 else 2.0,
            resistance=resistance,
        )
    writer.end()
    return writer.records


@pytest.fixture(scope="module")
def expected(shorted: list[Record]) -> Rows:
    return rows_of(shorted)


def test_half_cycles_are_judged_by_those_before_them(expected: Rows) -> None:
    """The one with the short is graded, the one that is lower than usual has a sign, and the healthy ones have none."""
    grades = {number: half(expected, number, Role.PLATE).short_grade for number in range(1, 10)}
    assert grades.pop(7) in ("suspect", "likely")
    assert set(grades.values()) == {""}
    assert signs(half(expected, 9, Role.PLATE)) == {"resistance_fall"}
    assert signs(half(expected, 6, Role.PLATE)) == set()


@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_run_that_is_taken_up_again_anywhere_has_the_same_rows(
    shorted: list[Record], expected: Rows, data: st.DataObject
) -> None:
    """Bit for bit: half cycles judged by stored ones, fits begun from stored ones, and cycles."""
    restarts = data.draw(st.sets(st.integers(1, len(shorted) - 1), min_size=1, max_size=4))
    found = rows_of(shorted, restarts=restarts)
    assert found == expected
    assert repr(sorted(found.items(), key=repr)) == repr(sorted(expected.items(), key=repr))


def test_known_rows_are_stale_when_a_cycle_has_no_half_cycles(expected: Rows) -> None:
    """Rows of a version that knew no half cycles are derived again."""
    cycles = [row for row in expected.values() if isinstance(row, CycleRow)]
    halves = [row for row in expected.values() if isinstance(row, HalfCycleRow)]
    assert not KnownRows(cycles, [], halves).stale
    assert KnownRows(cycles).stale
    assert FLAG_NOT_SHAPED not in halves[0].flags


@pytest.mark.parametrize(("geometry", "area_cm2"), [(Geometry.DEPOSIT, 1.27), (Geometry.SYMMETRIC, 0.635)])
def test_resistance_per_area_is_that_of_one_interface(geometry: Geometry, area_cm2: float) -> None:
    """Two like electrodes share what a symmetric cell has."""
    writer = RunWriter("cell-01", geometry)
    writer.sweep(1, 60.0)
    [row] = [row for row in rows_of(writer.records, geometry).values() if isinstance(row, ImpedanceFitRow)]
    assert row.area_specific_resistance_ohm_cm2 == pytest.approx(60.0 * area_cm2, rel=1e-3)


def test_what_fails_to_be_derived_keeps_nothing_else_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One deposit, one sweep and one cycle of three break the program: the other rows come as ever, and each fault is named."""
    writer = RunWriter("cu-01")
    for number in (1, 2, 3):
        cycle(writer, number, resistance=60.0)
    wanted = rows_of(writer.records)

    def broken(derive: Callable[..., Any], poisoned: Callable[..., bool]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            return 1 / 0 if poisoned(*given) else derive(*given, **named)

        return call

    half, sweep, row = run_half_cycle.half_cycle_row, run_sweep.sweep_row, OpenCycle.row
    monkeypatch.setattr(
        run_half_cycle, "half_cycle_row", broken(half, lambda _, count, one, *__: count == 2 and one.role.deposits)
    )
    monkeypatch.setattr(run_sweep, "sweep_row", broken(sweep, lambda points, *_: points[0].sweep_count == 2))
    monkeypatch.setattr(OpenCycle, "row", broken(row, lambda open_cycle, *_: open_cycle.cycle_count == 2))
    run = RunRows(writer.context, facts())
    found = {key_of(one): one for record in writer.records for one in run.take(record)}
    missing = set(wanted) - set(found)
    assert missing == {("cycle", 2), ("half_cycle", 2, "plate"), ("impedance_fit", 2)}
    faulty = ("cycle 2", "deposit of cycle 2", "sweep 2")
    assert set(run.faults) == {f"{what}: ZeroDivisionError: division by zero" for what in faulty}
    assert found["cycle", 3] == wanted["cycle", 3]


def test_strip_that_a_short_keeps_from_its_end_is_judged_by_the_usual_length() -> None:
    """It lasts a day at what the short lets through; a fifth of the overpotential was gone at once in its first hour."""
    writer = RunWriter("cu-01")
    for number in (1, 2, 3):
        cycle(writer, number)
    writer.step(Role.PLATE, 4, -CURRENT, 3600.0, "duration", negative(trace(0.05)), SHARES)
    day, every = 86_400.0, 30.0
    shares = [*(every * count / day for count in range(1, 121)), *(count / 50 for count in range(3, 51))]
    fallen = trace(0.05, falls_at=1500.0 / day)
    writer.step(Role.STRIP, 4, CURRENT, day, "duration", lambda share: fallen(share) if share <= 3600 / day else 0.3, shares)
    row = half(rows_of(writer.records), 4, Role.STRIP)
    assert row.short_grade != ""
    assert "abrupt_fall" in signs(row)


def test_hold_that_carries_more_charge_is_not_the_half_cycle() -> None:
    """Beside a short its current stays up; the shape is that of the larger current before it."""
    writer = RunWriter("nmc-01", Geometry.FULL)
    writer.step(Role.CHARGE, 1, CURRENT, 3600.0, "voltage_above", lambda share: 3.6 + 0.5 * share, SHARES)
    writer.step(Role.CHARGE, 1, 0.4 * CURRENT, 36_000.0, "duration", lambda _: 4.1, SHARES)
    row = half(rows_of(writer.records, Geometry.FULL), 1, Role.CHARGE)
    assert row.current_ampere == CURRENT
    assert row.duration_second == pytest.approx(3600.0, rel=2e-3)
    assert row.capacity_ah == pytest.approx(5 * CURRENT, rel=1e-3)


@pytest.mark.parametrize(("offset", "flag", "found"), [(2e-4, False, {"charge_surplus"}), (None, True, set())])
def test_unknown_offset_is_said_of_a_half_cycle_and_no_surplus_is_certain(
    offset: float | None, flag: bool, found: set[str]
) -> None:
    """What the offset may do to an efficiency is in no error where nobody knows it."""
    writer = RunWriter("cu-01", offset=offset)
    cycle(writer, 1, efficiency=1.05)
    run = RunRows(writer.context, facts(offset=offset))
    rows = {key_of(row): row for record in writer.records for row in run.take(record)}
    row = half(rows, 1, Role.STRIP)
    assert ("offset_unknown" in row.flags.split()) == flag
    assert signs(row) == found
