"""Derived rows: kept by key, told by a number that rises, and delivered until confirmed."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.model.derived import CycleRow, DerivedRow, FitStart, HalfCycleRow, ImpedanceFitRow
from harness.model.run import RunContext
from harness.store.derived import DerivedOutbox, DerivedStore
from harness.stream.codec import decode_derived
from harness.stream.publisher import Outbox

CONTEXT = RunContext("lab3", "a1", "cu-01", "b1", "cu-01-20260101t000000")
ABSENT = (None,) * 12


def cycle(count: int, version: str = "1", efficiency: float | None = 0.99) -> CycleRow:
    row = CycleRow(CONTEXT.run_id, count, 1000 + count, "cycle", *ABSENT, "", version)
    return replace(row, coulombic_efficiency=efficiency, plating_capacity_ah=-0.1 + 0.3)


def fit(sweep: int, version: str = "1", resistance: float | None = 20.0) -> ImpedanceFitRow:
    row = ImpedanceFitRow(CONTEXT.run_id, 3, 2000 + sweep, sweep, *ABSENT[:7], "", version)
    return replace(row, interface_resistance_ohm=resistance)


def half(count: int, role: str = "plate", version: str = "1", plateau: float | None = 0.05) -> HalfCycleRow:
    stamp = 1000 + count + (role == "strip")
    row = HalfCycleRow(CONTEXT.run_id, count, stamp, role, *ABSENT, *ABSENT[:3], "", "[]", "", version)
    return replace(row, plateau_overpotential_volt=plateau)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DerivedStore]:
    with DerivedStore(tmp_path / "derived.sqlite") as opened:
        yield opened


def everything(store: DerivedStore) -> list[tuple[int, DerivedRow]]:
    return store.read(CONTEXT.run_id, 0, 1000)


def test_derived_tables_have_the_fields_of_their_rows(store: DerivedStore, tmp_path: Path) -> None:
    """Columns are the dataclass's fields in its order, and the delivery number."""
    assert store.runs() == []
    with sqlite3.connect(tmp_path / "derived.sqlite") as database:
        for table, made in (("cycle", CycleRow), ("impedance_fit", ImpedanceFitRow), ("half_cycle", HalfCycleRow)):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            assert columns == [*(field.name for field in fields(made)), "seq"], table
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_derived_rows_come_back_as_they_were(store: DerivedStore) -> None:
    """Numbers keep all their bits, and absent ones stay absent."""
    store.put(CONTEXT, [cycle(1), cycle(2, efficiency=None), fit(1), fit(2, resistance=None)])
    assert store.cycles() == [cycle(1), cycle(2, efficiency=None)] == store.cycles(CONTEXT.run_id)
    assert store.fits() == [fit(1), fit(2, resistance=None)] == store.fits(CONTEXT.run_id)
    store.put(CONTEXT, [half(2, "strip"), half(1), half(2, "plate", plateau=None)])
    assert store.half_cycles() == [half(1), half(2, "plate", plateau=None), half(2, "strip")]
    assert store.half_cycles("other") == []
    assert store.cycles("other") == []
    assert store.fits("other") == []


def test_derived_rows_survive_closing(tmp_path: Path) -> None:
    """Rows, numbers, cursor, position and the start of the next fit are in the file."""
    path = tmp_path / "derived.sqlite"
    with DerivedStore(path) as store:
        store.put(CONTEXT, [cycle(1), fit(1)])
        store.set_delivered(CONTEXT.run_id, 0)
        store.set_position("rollup", 77)
        store.put(CONTEXT, [], FitStart(1, "eis-1", "{}"))
        store.put(CONTEXT, [], FitStart(2, "eis-2", "[0.1]"))
    with DerivedStore(path, read_only=True) as again:
        assert again.fit_start(CONTEXT.run_id) == FitStart(2, "eis-2", "[0.1]")
        assert again.fit_start("another") is None
        assert again.runs() == [(CONTEXT, 1, 0)]
        assert again.position("rollup") == 77
        assert again.position("another") == 0
        assert everything(again) == [(0, cycle(1)), (1, fit(1))]


def test_changed_row_gets_a_new_number_and_loses_its_old_one(store: DerivedStore) -> None:
    """What changes is due again under a higher number; what does not change is left alone."""
    store.put(CONTEXT, [cycle(1), cycle(2), fit(1)])
    store.put(CONTEXT, [cycle(1), cycle(2, efficiency=0.98), fit(1)])
    assert everything(store) == [(0, cycle(1)), (2, fit(1)), (3, cycle(2, efficiency=0.98))]
    assert store.runs() == [(CONTEXT, 3, -1)]
    store.put(CONTEXT, [cycle(1), cycle(2, efficiency=0.98), fit(1)])
    assert store.runs() == [(CONTEXT, 3, -1)]


def test_newest_method_version_is_the_one_written_last(store: DerivedStore) -> None:
    """Versions stand side by side in the file; questions and publisher get the last one, whatever its name."""
    store.put(CONTEXT, [cycle(1, "9"), cycle(2, "9"), fit(1, "9")])
    store.put(CONTEXT, [cycle(1, "10", 0.5), fit(1, "10", 7.0)])
    assert store.cycles() == [cycle(1, "10", 0.5), cycle(2, "9")]
    assert store.fits() == [fit(1, "10", 7.0)]
    assert everything(store) == [(1, cycle(2, "9")), (3, cycle(1, "10", 0.5)), (4, fit(1, "10", 7.0))]


def test_version_that_is_written_again_is_the_newest_again(store: DerivedStore) -> None:
    """Software that was set back computes its own rows anew, and they count although they have not changed."""
    for version in ("9", "10", "9"):
        store.put(CONTEXT, [cycle(1, version)])
    assert everything(store) == [(2, cycle(1, "9"))]


def test_each_half_of_a_cycle_has_its_own_newest_version(store: DerivedStore) -> None:
    """A half cycle is named by its cycle and its role: its twin is not superseded with it."""
    store.put(CONTEXT, [half(1, "plate", "9"), half(1, "strip", "9")])
    store.put(CONTEXT, [half(1, "strip", "10", plateau=None)])
    assert store.half_cycles() == [half(1, "plate", "9"), half(1, "strip", "10", plateau=None)]


def test_put_keeps_all_rows_or_none(store: DerivedStore) -> None:
    """A row of another run spoils the whole call, and nothing of it stays."""
    stranger = replace(cycle(2), run_id="other-20260101t000000")
    with pytest.raises(StoreError, match="a row of other-20260101t000000 was given"):
        store.put(CONTEXT, [cycle(1), stranger])
    assert store.runs() == []
    store.put(CONTEXT, [cycle(1)])
    assert everything(store) == [(0, cycle(1))]


@settings(deadline=None, max_examples=25)
@given(
    puts=st.lists(st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 2)), max_size=6), max_size=6),
    limit=st.integers(1, 4),
)
def test_reading_in_pages_meets_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, puts: list[list[tuple[bool, int, int]]], limit: int
) -> None:
    """However rows are written over, numbers rise without repeating, the last is there, and pages of any size give all rows."""
    with DerivedStore(tmp_path_factory.mktemp("derived") / "derived.sqlite") as store:
        newest: dict[tuple[bool, int], DerivedRow] = {}
        for put in puts:
            rows = [cycle(n, efficiency=value / 7) if is_cycle else fit(n, resistance=value / 7) for is_cycle, n, value in put]
            store.put(CONTEXT, rows)
            newest |= {(is_cycle, n): row for (is_cycle, n, _), row in zip(put, rows, strict=True)}
        found: list[tuple[int, DerivedRow]] = []
        while page := store.read(CONTEXT.run_id, found[-1][0] + 1 if found else 0, limit):
            assert len(page) <= limit
            found += page
        numbers = [seq for seq, _ in found]
        assert numbers == sorted(set(numbers))
        assert sorted(map(repr, newest.values())) == sorted(repr(row) for _, row in found)
        if found:
            assert store.runs() == [(CONTEXT, numbers[-1], -1)]


def test_read_only_store_waits_for_no_writer_and_writes_nothing(store: DerivedStore, tmp_path: Path) -> None:
    """A reader sees what was put by another, and cannot put."""
    store.put(CONTEXT, [cycle(1)])
    with DerivedStore(tmp_path / "derived.sqlite", read_only=True) as reader:
        store.put(CONTEXT, [cycle(2)])
        assert reader.cycles() == [cycle(1), cycle(2)]
        with pytest.raises(StoreError, match="readonly"):
            reader.put(CONTEXT, [cycle(3)])


FIRST_TABLES = """
CREATE TABLE run (
    run_id TEXT PRIMARY KEY, station TEXT NOT NULL, channel TEXT NOT NULL, cell TEXT NOT NULL, build TEXT NOT NULL,
    last_seq INTEGER NOT NULL, delivered_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE cycle (
    run_id TEXT NOT NULL, cycle_count INTEGER NOT NULL, unix_time_nanosecond INTEGER NOT NULL, kind TEXT NOT NULL,
    plating_capacity_ah REAL, plating_capacity_ah_std REAL, stripping_capacity_ah REAL, stripping_capacity_ah_std REAL,
    coulombic_efficiency REAL, coulombic_efficiency_std REAL, coulombic_efficiency_offset_std REAL,
    plating_resistance_ohm REAL, plating_resistance_ohm_std REAL,
    stripping_resistance_ohm REAL, stripping_resistance_ohm_std REAL,
    cycle_duration_second REAL, flags TEXT NOT NULL, method_version TEXT NOT NULL,
    seq INTEGER NOT NULL, PRIMARY KEY (run_id, cycle_count, method_version), UNIQUE (run_id, seq)
) WITHOUT ROWID;
CREATE TABLE impedance_fit (
    run_id TEXT NOT NULL, cycle_count INTEGER NOT NULL, unix_time_nanosecond INTEGER NOT NULL, sweep_count INTEGER NOT NULL,
    series_resistance_ohm REAL, series_resistance_ohm_std REAL,
    interface_resistance_ohm REAL, interface_resistance_ohm_std REAL,
    area_specific_resistance_ohm_cm2 REAL, area_specific_resistance_ohm_cm2_std REAL,
    residual_rms REAL, flags TEXT NOT NULL, method_version TEXT NOT NULL,
    seq INTEGER NOT NULL, PRIMARY KEY (run_id, sweep_count, method_version), UNIQUE (run_id, seq)
) WITHOUT ROWID;
CREATE TABLE position (name TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    """A file as the first version wrote it, with a cycle and a fit that were delivered."""
    path = tmp_path / "derived.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(FIRST_TABLES)
        names = (CONTEXT.run_id, CONTEXT.station, CONTEXT.channel, CONTEXT.cell, CONTEXT.build)
        database.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, 4, 4)", names)
        database.execute(f"INSERT INTO cycle VALUES ({','.join('?' * 19)})", (*astuple(cycle(1)), 3))
        database.execute(f"INSERT INTO impedance_fit VALUES ({','.join('?' * 14)})", (*astuple(fit(1))[:13], 4))
        database.execute("INSERT INTO position VALUES ('rollup', 77)")
    database.close()
    return path


def test_store_of_the_first_version_is_brought_up_to_date(first_version: Path) -> None:
    """Rows, numbers and positions stay, what the first version did not know is empty, and all of it is due again."""
    with DerivedStore(first_version) as store:
        assert everything(store) == [(3, cycle(1)), (4, fit(1))]
        assert store.runs() == [(CONTEXT, 4, -1)]
        assert store.position("rollup") == 77
        judged = replace(fit(2), verdict="good", kramers_kronig_order=9, parameters='{"r0":[5.0,0.1,true]}')
        store.put(CONTEXT, [judged, half(1), fit(1)])
        assert store.fits() == [fit(1), judged]
        assert everything(store) == [(3, cycle(1)), (4, fit(1)), (5, judged), (6, half(1))]
    with DerivedStore(first_version) as again:
        assert again.runs() == [(CONTEXT, 6, -1)]
        assert again.half_cycles() == [half(1)]


def test_store_of_the_first_version_is_not_read_before(first_version: Path) -> None:
    """A reader cannot bring a file up to date: it says who can."""
    with pytest.raises(StoreError, match="version 1, this software knows 2; start its rollup once"):
        DerivedStore(first_version, read_only=True)


def test_store_of_another_version_is_refused(tmp_path: Path) -> None:
    """A file of later software is named with both versions and left alone."""
    path = tmp_path / "derived.sqlite"
    DerivedStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="version 99"):
        DerivedStore(path)


@pytest.mark.parametrize("content", [None, b"not a database, but long enough to be looked at as if it were one" * 20])
def test_store_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that is absent or no database is a StoreError with its path."""
    path = tmp_path / "derived.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=str(path)):
        DerivedStore(path, read_only=True)


def test_outbox_gives_lines_that_decode_to_the_rows(store: DerivedStore) -> None:
    """Each line carries its number, and nothing is lost in it; a confirmed number is remembered."""

    async def main() -> None:
        outbox: Outbox = DerivedOutbox(store)
        store.put(CONTEXT, [cycle(1), fit(1), cycle(2, efficiency=None)])
        assert outbox.kind == "derived"
        assert outbox.runs() == [(CONTEXT, 2, -1)]
        lines = outbox.read(CONTEXT.run_id, 1, 10)
        assert [seq for seq, _ in lines] == [1, 2]
        assert [decode_derived(line) for _, line in lines] == [
            (CONTEXT, fit(1), 1),
            (CONTEXT, cycle(2, efficiency=None), 2),
        ]
        outbox.set_delivered(CONTEXT.run_id, 2)
        assert outbox.runs() == [(CONTEXT, 2, 2)]

    asyncio.run(main())


def test_outbox_wakes_for_a_put_of_any_thread(store: DerivedStore) -> None:
    """A put in another thread ends the wait, one before it ends it at once, and one is not told twice."""

    async def main() -> None:
        outbox = DerivedOutbox(store, look_second=60.0)
        store.put(CONTEXT, [cycle(1)])
        await asyncio.wait_for(outbox.wait(), 5.0)
        waiting = asyncio.create_task(outbox.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        thread = threading.Thread(target=store.put, args=(CONTEXT, [cycle(2)]))
        thread.start()
        await asyncio.wait_for(waiting, 5.0)
        thread.join()
        outbox.close()

    asyncio.run(main())


def test_outbox_sees_what_another_connection_wrote(store: DerivedStore, tmp_path: Path) -> None:
    """A rollup that is another process wakes the publisher too."""

    async def main() -> None:
        outbox = DerivedOutbox(store, look_second=0.01)
        with DerivedStore(tmp_path / "derived.sqlite") as another:
            another.put(CONTEXT, [cycle(1)])
            await asyncio.wait_for(outbox.wait(), 5.0)
            assert outbox.runs() == [(CONTEXT, 0, -1)]
            waiting = asyncio.create_task(outbox.wait())
            another.put(CONTEXT, [cycle(2)])
            await asyncio.wait_for(waiting, 5.0)
        outbox.close()

    asyncio.run(main())
