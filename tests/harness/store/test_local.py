"""The embedded store beside a journal that is being written."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.errors import JournalError
from harness.model.records import RunStarted, Sample
from harness.model.run import Role, RunContext, RunFacts
from harness.store.base import CYCLES, HALF_CYCLES, IMPEDANCE_FITS, RUNS, SAMPLES
from harness.store.local import LocalStore
from harness.store.sqlite_frames import Engine
from harness.stream import schema
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader

CONTEXT = RunContext("lab3", "a1", "cu-01", "b1", "cu-01-20260101t000000")
START = 1_767_225_600_000_000_000

SUBPROCESS = """
import sys
from pathlib import Path
from harness.store.local import LocalStore
from harness.store.sqlite_frames import Engine
store = LocalStore(Path(sys.argv[1]), engine="adbc")
seen = 0
for line in sys.stdin:
    frame = store.samples([line.strip()], after_seq=seen)
    seen = seen if frame.is_empty() else frame["seq"][-1]
    print(frame.height, seen, flush=True)
"""


def sample(seq: int) -> Sample:
    current_range = 1e-3 if seq % 5 == 0 else None
    return Sample(
        CONTEXT.run_id, seq, START + seq, seq / 7, seq / 7, seq / 3, -1e-3, 1, 1, "plate", Role.PLATE, current_range, ""
    )


def facts_of(directory: Path) -> RunFacts:
    reader = JournalReader(directory / "journal.sqlite")
    facts = reader.runs()[0].facts
    reader.close()
    return replace(facts, description="")


@pytest.fixture(scope="module")
def copied(station: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that only one SQLite library opens."""
    return Path(shutil.copytree(station[0], tmp_path_factory.mktemp("copy") / "station"))


@pytest.fixture
def local(station: tuple[Path, list[str]]) -> Iterator[LocalStore]:
    store = LocalStore(station[0])
    yield store
    store.close()


def test_both_engines_give_the_same_frames(local: LocalStore, copied: Path) -> None:
    """The Arrow driver takes types from first values; ours come out as declared nevertheless, also where all is null."""
    arrow = LocalStore(copied, engine="adbc")
    run_ids = local.runs()["run_id"].to_list()
    assert_frame_equal(local.runs(), arrow.runs(), check_exact=True)
    for ids in (run_ids, run_ids[:1], []):
        assert_frame_equal(local.samples(ids), arrow.samples(ids), check_exact=True)
        assert_frame_equal(local.samples(ids, after_seq=4), arrow.samples(ids, after_seq=4), check_exact=True)
        assert_frame_equal(local.impedance(ids), arrow.impedance(ids), check_exact=True)
        assert_frame_equal(local.events(ids), arrow.events(ids), check_exact=True)
        assert_frame_equal(local.cycles(ids), arrow.cycles(ids), check_exact=True)
        assert_frame_equal(local.impedance_fits(ids), arrow.impedance_fits(ids), check_exact=True)
    arrow.close()


def test_samples_are_those_of_the_reader(local: LocalStore, station: tuple[Path, list[str]]) -> None:
    """Row by row a frame holds the records themselves."""
    run_id = CONTEXT.run_id
    reader = JournalReader(station[0] / "journal.sqlite")
    records = [record for record in reader.all_records(run_id) if isinstance(record, Sample)]
    reader.close()
    assert [Sample(*row) for row in local.samples([run_id]).iter_rows()] == records
    assert len(records) == 8


def test_events_name_the_incident_and_leave_absent_fields_null(local: LocalStore) -> None:
    """An incident's own kind has its own column, since kind is that of the record."""
    events = local.events([CONTEXT.run_id])
    assert events["kind"].to_list()[:3] == ["run_started", "step_started", "step_ended"]
    incidents = events.filter(pl.col("kind") == "incident")
    assert incidents["incident"].to_list() == ["link_lost", "gap"]
    assert incidents["message"].to_list()[1] == ""
    assert incidents["role"].null_count() == 2
    assert events.filter(pl.col("kind") == "step_ended")["duration_second"].to_list() == [12.5, None]
    assert events.filter(pl.col("kind") == "sweep_ended")["complete"].to_list() == [True, False]


def test_page_seams_lose_nothing(local: LocalStore, station: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of any size give the same frame, although runs lie among each other."""
    run_ids = local.runs()["run_id"].to_list()
    whole = [local.samples(run_ids), local.impedance(run_ids), local.events(run_ids), local.samples(run_ids, after_seq=6)]
    assert station[1]
    for rows in (1, 2, 7, 100):
        monkeypatch.setattr(schema, "PAGE_ROWS", rows)
        again = [local.samples(run_ids), local.impedance(run_ids), local.events(run_ids), local.samples(run_ids, after_seq=6)]
        for one, other in zip(whole, again, strict=True):
            assert_frame_equal(one, other, check_exact=True)


def test_store_without_derived_rows_has_empty_frames(station: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Before the rollup has run its frames are empty, and when it has made its file they are not."""
    shutil.copy(station[0] / "journal.sqlite", tmp_path)
    store = LocalStore(tmp_path)
    run_ids = store.runs()["run_id"].to_list()
    assert_frame_equal(store.cycles(run_ids), CYCLES.to_frame())
    assert_frame_equal(store.impedance_fits(run_ids), IMPEDANCE_FITS.to_frame())
    assert_frame_equal(store.half_cycles(run_ids), HALF_CYCLES.to_frame())
    (tmp_path / "derived.sqlite").touch()
    assert store.cycles(run_ids).is_empty()
    shutil.copy(station[0] / "derived.sqlite", tmp_path)
    assert store.cycles(run_ids).height == 8
    assert store.impedance_fits(run_ids).height == 6
    store.close()


def test_live_page_reads_only_what_is_new(station: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Following a run while it is written, by both engines, meets every sample once, in order."""
    facts = facts_of(station[0])

    async def main() -> list[int]:
        follower = subprocess.Popen(  # noqa: ASYNC220 - a fork takes no time worth waiting for
            [sys.executable, "-c", SUBPROCESS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert follower.stdin is not None
        assert follower.stdout is not None
        heights: list[int] = []
        try:
            async with Journal(tmp_path / "journal.sqlite") as journal:
                journal.begin_run(CONTEXT, RunStarted(CONTEXT.run_id, 0, START, facts))
                await journal.flush()
                store = LocalStore(tmp_path)
                assert_frame_equal(store.samples([CONTEXT.run_id]), SAMPLES.to_frame())
                for last in range(300, 3001, 300):
                    for seq in range(last - 299, last + 1):
                        journal.append(sample(seq))
                    await journal.flush()
                    new = store.samples([CONTEXT.run_id], after_seq=last - 300)
                    assert [Sample(*row) for row in new.iter_rows()] == [sample(seq) for seq in range(last - 299, last + 1)]
                    follower.stdin.write(CONTEXT.run_id + "\n")
                    follower.stdin.flush()
                    height, seen = (await asyncio.to_thread(follower.stdout.readline)).split()
                    assert int(seen) == last
                    heights.append(int(height))
                assert store.runs()["ended_nanosecond"].to_list() == [None]
                store.close()
        finally:
            follower.communicate(timeout=20)
        return heights

    assert asyncio.run(main()) == [300] * 10


def test_journal_without_runs_is_an_empty_frame(tmp_path: Path) -> None:
    """A station that never ran anything has runs of the declared columns, and none."""

    async def main() -> None:
        async with Journal(tmp_path / "journal.sqlite"):
            pass

    asyncio.run(main())
    store = LocalStore(tmp_path)
    assert_frame_equal(store.runs(), RUNS.to_frame())
    store.close()


@pytest.mark.parametrize("engine", ["sqlite3", "adbc"])
def test_unusable_journal_is_named(tmp_path: Path, engine: Engine) -> None:
    """A directory without journal, a file that is none and one of another version are JournalErrors with the path."""
    path = tmp_path / "journal.sqlite"
    with pytest.raises(JournalError, match=str(path)):
        LocalStore(tmp_path, engine=engine)
    path.write_bytes(b"this is no database at all, though it has some length" * 30)
    with pytest.raises(JournalError, match=str(path)):
        LocalStore(tmp_path, engine=engine)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE other (a)")
    with pytest.raises(JournalError, match="not a journal"):
        LocalStore(tmp_path, engine=engine)
    with database:
        database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="version 99"):
        LocalStore(tmp_path, engine=engine)
