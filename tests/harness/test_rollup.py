"""The rollup: records of a run become rows, once, whenever it is stopped and started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness.analysis import run_sweep
from harness.analysis.coulombic import METHOD_VERSION
from harness.model.derived import CycleRow, DerivedRow
from harness.model.records import CycleEnded, RunStarted, Sample
from harness.model.run import Geometry, Role
from harness.rollup import Rollup, recompute, roll_up_once, run_rollup
from harness.store.derived import DerivedOutbox, DerivedStore
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from tests.run_writer import CURRENT, RunWriter, write


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DerivedStore]:
    with DerivedStore(tmp_path / "derived.sqlite") as made:
        yield made


def rows_of(writer: RunWriter, tmp_path: Path, store: DerivedStore) -> list[CycleRow]:
    write(tmp_path / "journal.sqlite", writer)
    reader = JournalReader(tmp_path / "journal.sqlite")
    roll_up_once(reader, store)
    reader.close()
    return store.cycles(writer.context.run_id)


def seqs(store: DerivedStore, run_id: str) -> list[int]:
    return [seq for seq, _ in store.read(run_id, 0, 10_000)]


def test_rollup_of_a_run_has_its_efficiencies_and_fits(tmp_path: Path, store: DerivedStore) -> None:
    """Each cycle has its efficiency to 1e-12 with 2·CE·σ_o/I, each sweep its resistances."""
    writer = RunWriter("cu-01")
    for number, efficiency in enumerate((0.9, 0.98, 0.985), start=1):
        writer.cycle(number, efficiency, last=number == 3)
    rows = rows_of(writer, tmp_path, store)
    assert [row.cycle_count for row in rows] == [1, 2, 3]
    assert [row.coulombic_efficiency for row in rows] == [pytest.approx(value, rel=1e-12) for value in (0.9, 0.98, 0.985)]
    assert rows[1].coulombic_efficiency_offset_std == pytest.approx(2 * 0.98 * 2e-7 / CURRENT, rel=6e-3)
    assert rows[1].plating_capacity_ah == pytest.approx(CURRENT, rel=1e-12)
    assert rows[1].plating_resistance_ohm == pytest.approx(0.04 / CURRENT, rel=1e-12)
    assert rows[1].cycle_duration_second == pytest.approx(3596.4 + 600 + 41 + 3600 * 0.98, rel=1e-3)
    assert [row.flags for row in rows] == ["formation", "", ""]
    assert {row.method_version for row in rows} == {METHOD_VERSION}
    fits = store.fits("cu-01")
    assert [fit.interface_resistance_ohm for fit in fits] == [pytest.approx(60.0 + n, rel=1e-4) for n in (1, 2, 3)]
    assert fits[0].area_specific_resistance_ohm_cm2 == pytest.approx(61 * 1.27, rel=1e-4)


def test_rollup_stamps_a_cycle_with_its_first_sample(tmp_path: Path, store: DerivedStore) -> None:
    """The stamp of a row is that of the cycle's first sample."""
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9, last=True)
    first = next(record for record in writer.records if isinstance(record, Sample))
    assert rows_of(writer, tmp_path, store)[0].unix_time_nanosecond == first.unix_time_nanosecond


@pytest.mark.parametrize("reason", ["aborted", "lost", "limit_duration", "limit_current"])
def test_rollup_of_an_aborted_strip_is_null(reason: str, tmp_path: Path, store: DerivedStore) -> None:
    """A strip that was aborted, or whose end is unknown, is no efficiency."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration")
    writer.step(Role.STRIP, 1, CURRENT, 1800.0, reason)
    writer.end()
    (row,) = rows_of(writer, tmp_path, store)
    assert row.coulombic_efficiency is None
    assert "incomplete" in row.flags.split()


def test_rollup_of_a_paused_strip_that_went_on_is_whole(tmp_path: Path, store: DerivedStore) -> None:
    """What was stripped before and after a pause adds up."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration")
    writer.step(Role.STRIP, 1, CURRENT, 1800.0, "aborted")
    writer.step(Role.STRIP, 1, CURRENT, 1764.0, "voltage_above")
    writer.end()
    (row,) = rows_of(writer, tmp_path, store)
    assert row.coulombic_efficiency == pytest.approx(0.99, rel=1e-12)


@pytest.mark.parametrize(
    ("plate", "strip", "flag"),
    [
        ("duration", "duration", "strip_incomplete"),
        ("voltage_below", "voltage_above", "plate_limited"),
        ("limit_voltage_min", "voltage_above", "plate_limited"),
    ],
)
def test_rollup_names_halves_that_ended_otherwise(plate: str, strip: str, flag: str, tmp_path: Path, store: DerivedStore) -> None:
    """A strip that ended on time and a plate that ended on voltage have an efficiency and a flag."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, plate)
    writer.step(Role.STRIP, 1, CURRENT, 3500.0, strip)
    writer.end()
    (row,) = rows_of(writer, tmp_path, store)
    assert row.coulombic_efficiency == pytest.approx(3500 / 3600, rel=1e-12)
    assert flag in row.flags.split()


def test_rollup_keeps_probes_and_gaps_apart(tmp_path: Path, store: DerivedStore) -> None:
    """Charge of a probe is in no half cycle; a gap in the run is told by the row of its cycle only."""
    writer = RunWriter("cu-01", offset=None)
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration")
    writer.step(Role.PROBE, 1, CURRENT, 500.0, "duration")
    writer.incident("gap")
    writer.step(Role.STRIP, 1, CURRENT, 3564.0, "voltage_above")
    writer.records.append(CycleEnded(*writer._place(), 1))
    writer.cycle(2, 0.98, last=True)
    rows = rows_of(writer, tmp_path, store)
    assert rows[0].coulombic_efficiency == pytest.approx(0.99, rel=1e-12)
    assert rows[0].flags == "formation gap offset_unknown"
    assert rows[1].flags == "offset_unknown"


def test_rollup_of_a_symmetric_cell_has_no_efficiency(tmp_path: Path, store: DerivedStore) -> None:
    """Li||Li has capacities and resistances, no efficiency."""
    writer = RunWriter("li-01", Geometry.SYMMETRIC)
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration", -0.05)
    writer.step(Role.STRIP, 1, CURRENT, 3600.0, "duration", 0.05)
    writer.end()
    (row,) = rows_of(writer, tmp_path, store)
    assert row.coulombic_efficiency is None
    assert row.flags == "formation"
    assert row.stripping_resistance_ohm == pytest.approx(0.05 / CURRENT, rel=1e-12)


def test_rollup_of_a_full_cell_takes_its_resistance_from_the_rest_before(tmp_path: Path, store: DerivedStore) -> None:
    """The voltage step from rest to charge, over the current, even when the rest ended the cycle before."""
    writer = RunWriter("nmc-01", Geometry.FULL)
    for number in (1, 2):
        writer.step(Role.CHARGE, number, CURRENT, 3600.0, "voltage_above", 3.75)
        writer.step(Role.DISCHARGE, number, -CURRENT, 3500.0, "voltage_below", 3.60)
        writer.step(Role.REST, number, 0.0, 600.0, "duration", 3.70)
        writer.records.append(CycleEnded(*writer._place(), number))
    writer.end()
    rows = rows_of(writer, tmp_path, store)
    assert rows[0].plating_resistance_ohm is None
    assert rows[1].plating_resistance_ohm == pytest.approx(0.05 / CURRENT, rel=1e-9)
    assert rows[1].coulombic_efficiency == pytest.approx(3500 / 3600, rel=1e-12)
    assert rows[1].flags == ""


def test_rollup_of_an_unfinished_sweep_writes_no_fit(tmp_path: Path, store: DerivedStore) -> None:
    """Only a complete sweep is fitted."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration")
    writer.sweep(1, 60.0, complete=False)
    writer.end()
    rows_of(writer, tmp_path, store)
    assert store.fits("cu-01") == []


def test_rollup_says_what_it_could_not_derive(tmp_path: Path, store: DerivedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program is in the log with its run, once, and the rows that it does not touch are there."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9, last=True)
    monkeypatch.setattr(run_sweep, "sweep_row", broken)
    with capture_logs() as told:
        rows = rows_of(writer, tmp_path, store)
    assert [row.coulombic_efficiency for row in rows] == [pytest.approx(0.9)]
    assert [(one["run"], one["what"]) for one in told] == [("cu-01", "sweep 1: ZeroDivisionError: a fault")]


def test_rollup_again_writes_nothing_new(tmp_path: Path, store: DerivedStore) -> None:
    """Rolling up twice and redoing all of it leaves every row under its number."""
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9)
    writer.cycle(2, 0.98, last=True)
    rows = rows_of(writer, tmp_path, store)
    before = seqs(store, "cu-01")
    reader = JournalReader(tmp_path / "journal.sqlite")
    assert roll_up_once(reader, store) == 0
    assert recompute(reader, store) > 0
    assert store.cycles("cu-01") == rows
    assert seqs(store, "cu-01") == before


def whole_rows(path: Path, writers: Sequence[RunWriter]) -> list[DerivedRow]:
    path.mkdir()
    write(path / "journal.sqlite", *writers)
    with DerivedStore(path / "derived.sqlite") as made:
        return rows_after_rollup(path / "journal.sqlite", made)


def rows_after_rollup(journal: Path, store: DerivedStore) -> list[DerivedRow]:
    reader = JournalReader(journal)
    roll_up_once(reader, store)
    reader.close()
    return [*store.cycles(), *store.fits(), *store.half_cycles()]


def test_rollup_stopped_anywhere_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """Killed and started again after every few records of two interleaved runs, it derives the very same rows."""
    writers = [RunWriter("cu-01"), RunWriter("nmc-01", Geometry.FULL)]
    for writer in writers:
        writer.cycle(1, 0.9)
        writer.cycle(2, 0.98)
        writer.cycle(3, 0.97, last=True)
    expected = whole_rows(tmp_path / "whole", writers)
    assert len(expected) == 6 + 6 + 12
    path = tmp_path / "journal.sqlite"
    size = len(writers[0].records)
    for start in range(0, size, 17):
        write(path, *writers, part=slice(start, start + 17))
        with DerivedStore(tmp_path / "derived.sqlite") as store:
            found = rows_after_rollup(path, store)
    assert repr(found) == repr(expected)


def test_rollup_killed_before_it_remembers_its_position_writes_the_same(tmp_path: Path, store: DerivedStore) -> None:
    """Rows that are there and a position that is old: everything is derived again and nothing changes."""
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9)
    writer.cycle(2, 0.98, last=True)
    rows = rows_of(writer, tmp_path, store)
    before = seqs(store, "cu-01")
    store.set_position("rollup", 3)
    roll_up_once(JournalReader(tmp_path / "journal.sqlite"), store)
    assert store.cycles("cu-01") == rows
    assert seqs(store, "cu-01") == before


def test_rollup_writes_a_row_as_soon_as_the_strip_ends(tmp_path: Path, store: DerivedStore) -> None:
    """The efficiency is there when the removal is, before the next cycle begins."""
    writer = RunWriter("cu-01")
    writer.step(Role.PLATE, 1, -CURRENT, 3600.0, "duration")
    writer.step(Role.STRIP, 1, CURRENT, 3564.0, "voltage_above")
    (row,) = rows_of(writer, tmp_path, store)
    assert row.coulombic_efficiency == pytest.approx(0.99, rel=1e-12)
    assert row.cycle_duration_second is None


def test_rollup_moves_in_pages(tmp_path: Path, store: DerivedStore) -> None:
    """An empty journal moves nothing; a full one is read to its end."""
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9, last=True)
    write(tmp_path / "journal.sqlite", writer)
    rollup = Rollup(JournalReader(tmp_path / "journal.sqlite"), store)
    assert not rollup.finished()
    assert rollup.advance() > 0
    assert rollup.finished()
    assert rollup.advance() == 0


def test_run_rollup_follows_a_journal_until_cancelled(tmp_path: Path) -> None:
    """It waits for the journal to appear, follows it and ends when it is told to."""
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9)
    writer.cycle(2, 0.98, last=True)

    async def main() -> list[CycleRow]:
        store = DerivedStore(tmp_path / "derived.sqlite")
        outbox = DerivedOutbox(store)
        task = asyncio.create_task(run_rollup(tmp_path / "journal.sqlite", store, poll_second=0.01))
        await asyncio.sleep(0)
        async with Journal(tmp_path / "journal.sqlite") as journal:
            for record in writer.records:
                if isinstance(record, RunStarted):
                    journal.begin_run(writer.context, record)
                else:
                    journal.append(record)
        async with asyncio.timeout(20):
            while True:
                await outbox.wait()
                rows = store.cycles("cu-01")
                if len(rows) == 2 and rows[1].cycle_duration_second is not None:
                    break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        outbox.close()
        store.close()
        return rows

    assert [row.coulombic_efficiency for row in asyncio.run(main())] == [pytest.approx(0.9), pytest.approx(0.98)]
