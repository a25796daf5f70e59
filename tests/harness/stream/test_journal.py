"""The journal against a real file system: cut logs, killed processes, full disks, old files."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.errors import JournalError
from harness.model.records import (
    CycleEnded,
    ImpedancePoint,
    Incident,
    Record,
    RunEnded,
    RunStarted,
    Sample,
    StepEnded,
    StepStarted,
    SweepEnded,
)
from harness.model.run import Role, RunContext
from harness.stream import schema
from harness.stream.codec import encode_facts
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader

MakeContext = Callable[[str], RunContext]
MakeStarted = Callable[[str], RunStarted]
MakeSample = Callable[[str, int], Sample]

RUN = "cu-01"
OTHER = "cu-02"


def every_kind(started: RunStarted) -> list[Record]:
    """A short run with every kind of record."""
    run_id, at = started.run_id, started.unix_time_nanosecond
    return [
        started,
        StepStarted(run_id, 1, at + 1, at + 1, 0, 1, "steps[0]", "cc", Role.PLATE, 0, '{"token": 5}'),
        Sample(run_id, 2, at + 2, 0.1, 0.1, -0.05, -0.001, 1, 1, "steps[0]", Role.PLATE, 0.001, "overload"),
        Sample(run_id, 3, at + 3, 0.2, 0.2, 1 / 3, -1e-300, 1, 1, "steps[0]", Role.PLATE, None, ""),
        ImpedancePoint(run_id, 4, at + 4, 1.0, 0.5, 0, 1e5, 5.5, -0.25, 1, 1, 2, "steps[1]", Role.PROBE, ""),
        SweepEnded(run_id, 5, at + 5, 1, 1, 2, 1, complete=True),
        StepEnded(run_id, 6, at + 6, 1, 2, "steps[1]", Role.PROBE, "sweep_done", None),
        CycleEnded(run_id, 7, at + 7, 1),
        Incident(run_id, 8, at + 8, "warning", "link_lost", 'it said "no"\n…'),
        RunEnded(run_id, 9, at + 9, completed=True, reason="completed"),
    ]


def size_of(path: Path) -> int:
    """The file's bytes."""
    return path.stat().st_size


def replace_by(path: Path, older: Path) -> None:
    """Put ``older`` where a journal is."""
    for name in ("", "-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)
    shutil.copy(older, path)


def everything(path: Path) -> list[Record]:
    """All records in the file, in the order of their rows."""
    reader = JournalReader(path)
    try:
        found: list[Record] = []
        page, position = reader.tail(0)
        while page:
            found += [record for _, record in page]
            page, position = reader.tail(position)
        return found
    finally:
        reader.close()


def test_journal_gives_every_kind_of_record_back(tmp_path: Path, context: MakeContext, started: MakeStarted) -> None:
    """What was flushed is read back equal, by run and by position, and the run's state is known."""
    path = tmp_path / "journal.sqlite"
    records = every_kind(started(RUN))

    async def main() -> None:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            for record in records[1:]:
                journal.append(record)
            assert journal.committed_seq(RUN) == -1
            await journal.flush()
            assert journal.committed_seq(RUN) == 9
            assert journal.failing_for_second == 0.0

    asyncio.run(main())
    reader = JournalReader(path)
    assert reader.records(RUN) == records
    assert reader.tail(0) == ([(context(RUN), record) for record in records], 10)
    assert reader.tail(4, limit=2)[0] == [(context(RUN), record) for record in records[4:6]]
    assert reader.position() == 10
    run = reader.runs()[0]
    assert (run.context, run.last_seq, run.ended) == (context(RUN), 9, True)
    assert (run.started_nanosecond, run.last_nanosecond) == (records[0].unix_time_nanosecond, records[9].unix_time_nanosecond)
    first = records[0]
    assert isinstance(first, RunStarted)
    assert run.facts == first.facts
    reader.close()


def test_journal_refuses_what_would_make_it_wrong(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """A hole, a repetition, a stamp that does not rise, an unknown run, a NaN: refused at once, and nothing is kept of it."""

    async def main() -> None:
        async with Journal(tmp_path / "journal.sqlite") as journal:
            with pytest.raises(JournalError, match="unknown"):
                journal.append(sample(RUN, 1))
            journal.begin_run(context(RUN), started(RUN))
            good = sample(RUN, 1)
            still = Sample(RUN, 1, started(RUN).unix_time_nanosecond, 0, 0, 0, 0, 0, 0, "", Role.REST, None, "")
            nan = Sample(RUN, 1, good.unix_time_nanosecond, 0, 0, float("nan"), 0, 0, 0, "new text", Role.REST, None, "")
            foreign = Incident(RUN, 1, good.unix_time_nanosecond, "info", "x", "\ud800")
            for bad, why in (
                (sample(RUN, 2), "its next is 1"),
                (sample(RUN, 0), "its next is 1"),
                (still, "does not rise"),
                (nan, "voltage_volt is nan"),
                (foreign, "surrogates"),
            ):
                with pytest.raises(JournalError, match=why):
                    journal.append(bad)
            with pytest.raises(JournalError, match="known"):
                journal.begin_run(context(RUN), started(RUN))
            with pytest.raises(JournalError, match="a tag holds no"):
                journal.begin_run(RunContext("s", "c", 'a"b', "x", OTHER), started(OTHER))
            with pytest.raises(JournalError, match="another"):
                journal.begin_run(context(OTHER), started("cu-03"))
            journal.append(good)
            journal.append(RunEnded(RUN, 2, good.unix_time_nanosecond + 1, completed=True, reason=""))
            with pytest.raises(JournalError, match="over"):
                journal.append(sample(RUN, 3))
            await journal.flush()
            assert journal.committed_seq(RUN) == 2
        with pytest.raises(JournalError, match="closed"):
            journal.append(sample(RUN, 3))

    asyncio.run(main())
    assert everything(tmp_path / "journal.sqlite")[1] == sample(RUN, 1)


def test_journal_goes_on_where_it_ended(tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample) -> None:
    """Opened again, it knows every run's next seq, its cursor and its texts."""
    path = tmp_path / "journal.sqlite"

    async def first() -> None:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            journal.begin_run(context(OTHER), started(OTHER))
            for seq in range(1, 5):
                journal.append(sample(RUN, seq))
            await journal.flush()
            journal.set_delivered(RUN, 2)
            with pytest.raises(JournalError, match="no record 5"):
                journal.set_delivered(RUN, 5)

    async def second() -> None:
        async with Journal(path) as journal:
            assert journal.committed_seq(RUN) == 4
            assert journal.delivered() == {RUN: 2, OTHER: -1}
            assert journal.contexts() == [context(RUN), context(OTHER)]
            with pytest.raises(JournalError, match="its next is 5"):
                journal.append(sample(RUN, 4))
            journal.append(sample(RUN, 5))
            journal.append(sample(OTHER, 1))

    asyncio.run(first())
    asyncio.run(second())
    reader = JournalReader(path)
    assert [record.seq for record in reader.records(RUN)] == [0, 1, 2, 3, 4, 5]
    assert reader.records(OTHER) == [started(OTHER), sample(OTHER, 1)]
    assert reader.delivered() == {RUN: 2, OTHER: -1}
    reader.close()


def test_journal_recovers_a_prefix_from_a_log_cut_anywhere(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Whatever of the log's end is lost, what remains are whole commits from the first on, never a hole."""
    path = tmp_path / "journal.sqlite"
    log = Path(f"{path}-wal")
    sizes: list[int] = []

    async def main() -> None:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 31):
                journal.append(sample(RUN, seq))
                if seq % 3 == 0:
                    await journal.flush()
                    sizes.append(size_of(log))
            for name in ("", "-wal"):
                shutil.copy(f"{path}{name}", f"{path}.copy{name}")

    asyncio.run(main())
    whole = Path(f"{path}.copy-wal").read_bytes()
    expected: list[Record] = [started(RUN), *(sample(RUN, seq) for seq in range(1, 31))]
    cuts = {
        *range(0, len(whole), 211),
        *range(len(whole) - 300, len(whole) + 1),
        *(size + d for size in sizes for d in (-1, 0, 1)),
    }
    cut_path, cut_log = tmp_path / "cut.sqlite", tmp_path / "cut.sqlite-wal"
    for cut in sorted(cuts):
        shutil.copy(f"{path}.copy", cut_path)
        cut_log.write_bytes(whole[:cut])
        Path(f"{cut_path}-shm").unlink(missing_ok=True)
        commits = sum(size <= cut for size in sizes)
        try:
            found = everything(cut_path)
        except JournalError:
            assert commits == 0
            continue
        assert found == expected[: len(found)]
        assert len(found) == (commits * 3 + 1 if commits else 0)


KILLED = """
import asyncio, random, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from harness.model.records import RunStarted, Sample
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.stream.journal import Journal

async def main():
    chance = random.Random(int(sys.argv[2]))
    facts = RunFacts(Geometry.DEPOSIT, 1.0, None, 1, 1, *["x"] * 10, None, None, None, 1.0)
    async with Journal(Path(sys.argv[1])) as journal:
        next_seq = journal.committed_seq("r") + 1
        if next_seq == 0:
            journal.begin_run(RunContext("s", "c", "c", "b", "r"), RunStarted("r", 0, 1, facts))
            next_seq = 1
        while True:
            for _ in range(chance.randrange(1, 200)):
                values = (0.0, 0.0, next_seq / 3, 0.0, 0, 0, f"p{next_seq % 50}", Role.REST, None, "")
                journal.append(Sample("r", next_seq, next_seq + 1, *values))
                next_seq += 1
            await journal.flush()
            print(next_seq - 1, flush=True)

asyncio.run(main())
"""


def test_journal_keeps_every_flushed_record_when_its_process_is_killed(tmp_path: Path) -> None:
    """Killed at a random moment, again and again on one file: nothing that was flushed is missing, and there is no hole."""
    path = tmp_path / "journal.sqlite"
    chance = random.Random(7)
    root = str(Path(__file__).parents[3])
    for attempt in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(attempt), root], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        flushed = -1
        for _ in range(chance.randrange(1, 40)):
            flushed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        flushed = max([flushed, *(int(line) for line in rest if line)])
        found = everything(path)
        assert [record.seq for record in found] == list(range(len(found)))
        assert len(found) > flushed


def test_journal_commits_by_itself_and_together(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Records become durable without being flushed, many in one commit, and a waiter is told."""
    path = tmp_path / "journal.sqlite"

    async def main() -> float:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            await journal.wait_committed()
            began = time.monotonic()
            for seq in range(1, 1001):
                journal.append(sample(RUN, seq))
            async with asyncio.timeout(10):
                while journal.committed_seq(RUN) < 1000:
                    await journal.wait_committed()
            return time.monotonic() - began

    duration = asyncio.run(main())
    assert duration < 2.0
    assert len(everything(path)) == 1001


def test_journal_waits_out_a_file_that_cannot_be_written(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """While another process holds the file, records wait in order and the journal says so; afterwards all of them are there."""
    path = tmp_path / "journal.sqlite"

    async def main() -> None:
        async with Journal(path, flush_deadline_second=0.5) as journal:
            journal.begin_run(context(RUN), started(RUN))
            await journal.flush()
            blocker = sqlite3.connect(path, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            for seq in range(1, 50):
                journal.append(sample(RUN, seq))
            with pytest.raises(JournalError, match=r"nothing was committed for 0\.5 s .*locked"):
                await journal.flush()
            assert journal.failing_for_second > 0.0
            assert journal.committed_seq(RUN) == 0
            blocker.execute("ROLLBACK")
            blocker.close()
            async with asyncio.timeout(10):
                while journal.committed_seq(RUN) < 49:
                    await journal.wait_committed()
            assert journal.failing_for_second == 0.0

    asyncio.run(main())
    assert everything(path) == [started(RUN), *(sample(RUN, seq) for seq in range(1, 50))]


def test_journal_says_what_was_lost_when_it_must_close_unwritten(
    tmp_path: Path, context: MakeContext, started: MakeStarted
) -> None:
    """Closing with a file that cannot be written ends after the deadline with an error that counts the records."""
    path = tmp_path / "journal.sqlite"

    async def main() -> None:
        async with Journal(path, flush_deadline_second=0.3) as journal:
            journal.begin_run(context(RUN), started(RUN))
            await journal.flush()
            blocker = sqlite3.connect(path, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            journal.append(Incident(RUN, 1, started(RUN).unix_time_nanosecond + 1, "info", "x", "y"))

    with pytest.raises(JournalError, match=r"1 records were lost at the end .*locked"):
        asyncio.run(main())


FULL_DISK = """
import asyncio, json, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from harness.errors import JournalError
from harness.model.records import Incident, RunStarted
from harness.model.run import Geometry, RunContext, RunFacts
from harness.stream.journal import Journal

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    facts = RunFacts(Geometry.DEPOSIT, 1.0, None, 1, 1, *["x"] * 10, None, None, None, 1.0)
    async with Journal(Path(sys.argv[1]), flush_deadline_second=0.6) as journal:
        journal.begin_run(RunContext("s", "c", "c", "b", "r"), RunStarted("r", 0, 1, facts))
        await journal.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        seq = 0
        failure = ""
        while not failure:
            for _ in range(20):
                seq += 1
                journal.append(Incident("r", seq, seq + 1, "info", "x", "y" * 1000))
            try:
                await journal.flush()
            except JournalError as error:
                failure = error.what
        failing = journal.failing_for_second
        before = journal.committed_seq("r")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        while journal.committed_seq("r") < seq:
            await journal.wait_committed()
        print(json.dumps({"failure": failure, "failing": failing, "before": before, "last": seq}))

asyncio.run(main())
"""


def test_journal_survives_a_disk_that_was_full_for_a_while(tmp_path: Path) -> None:
    """When the file cannot grow, records wait; when it can again, all of them are written once and in order."""
    path = tmp_path / "journal.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(Path(__file__).parents[3])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["failing"] > 0.0
    assert told["failure"].startswith("nothing was committed for 0.6 s")
    assert 0 < told["before"] < told["last"]
    assert [record.seq for record in everything(path)] == list(range(told["last"] + 1))


def test_journal_does_not_go_on_in_another_file(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """When the file is replaced by an older copy under a failing writer, it keeps failing rather than leave a hole."""
    path = tmp_path / "journal.sqlite"

    async def empty() -> None:
        async with Journal(path):
            pass

    async def main() -> None:
        async with Journal(path, flush_deadline_second=0.5) as journal:
            journal.begin_run(context(RUN), started(RUN))
            journal.append(sample(RUN, 1))
            await journal.flush()
            blocker = sqlite3.connect(path, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            journal.append(sample(RUN, 2))
            with pytest.raises(JournalError, match="locked"):
                await journal.flush()
            blocker.close()
            replace_by(path, Path(f"{path}.old"))
            with pytest.raises(JournalError, match="replaced or restored"):
                await journal.flush()

    asyncio.run(empty())
    shutil.copy(path, f"{path}.old")
    with pytest.raises(JournalError, match="1 records were lost"):
        asyncio.run(main())
    assert everything(path) == []


def test_journal_migrates_an_old_file(tmp_path: Path, started: MakeStarted, sample: MakeSample) -> None:
    """A file of the first version is brought up to date on opening, keeps its records, and can be entered anywhere."""
    path = tmp_path / "journal.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("BEGIN")
    for statement in schema.MIGRATIONS[0]:
        old.execute(statement)
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    texts: dict[str, int] = {}
    records: list[Record] = [started(RUN), *(sample(RUN, seq) for seq in range(1, 600))]
    for row, record in enumerate(records, start=1):
        values = schema.encode_row(row, 1, record, lambda text: texts.setdefault(text, len(texts) + 1))
        old.execute(schema.INSERT_RECORD, values)
    old.executemany("INSERT INTO text VALUES (?, ?)", [(number, text) for text, number in texts.items()])
    facts = encode_facts(started(RUN).facts)
    old.execute("INSERT INTO run VALUES (1, ?, 'lab3', 'a1', 'cu', 'bare', 1, ?, 1)", (RUN, facts))
    old.execute("INSERT INTO progress VALUES (1, 600, 599, ?, 0, 42)", (records[-1].unix_time_nanosecond,))
    old.execute("COMMIT")
    old.close()
    with pytest.raises(JournalError, match=f"version 1, this software reads {schema.USER_VERSION}; start its daemon once"):
        JournalReader(path)

    async def main() -> None:
        async with Journal(path) as journal:
            assert journal.delivered() == {RUN: 42}
            journal.append(sample(RUN, 600))

    asyncio.run(main())
    reader = JournalReader(path)
    assert reader.records(RUN) == [*records, sample(RUN, 600)]
    assert reader.records(RUN, 555, 3) == [sample(RUN, seq) for seq in (555, 556, 557)]
    reader.close()
    check = sqlite3.connect(path)
    assert check.execute("SELECT seq, row FROM landmark ORDER BY seq").fetchall() == [(0, 1), (256, 257), (512, 513)]
    assert check.execute("PRAGMA user_version").fetchone() == (schema.USER_VERSION,)
    check.close()


@pytest.mark.parametrize("what", ["later", "foreign", "noise", "directory"])
def test_journal_refuses_a_file_that_is_none(tmp_path: Path, what: str) -> None:
    """A later version, another database, no database, no directory: each is refused with a sentence, and left alone."""
    path = tmp_path / "journal.sqlite"
    if what == "directory":
        path = tmp_path / "absent" / "journal.sqlite"
    elif what == "noise":
        path.write_bytes(b"not a database, but long enough to look at" * 100)
    else:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("CREATE TABLE t (a)")
        if what == "later":
            database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            database.execute("PRAGMA user_version = 99")
        database.close()
    before = path.read_bytes() if path.exists() else None

    async def main() -> None:
        async with Journal(path):
            pass

    with pytest.raises(JournalError):
        asyncio.run(main())
    with pytest.raises(JournalError):
        JournalReader(path)
    assert (path.read_bytes() if path.exists() else None) == before


def test_reader_enters_interleaved_runs_anywhere(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Each run comes back whole and alone from any seq on, in pages of any size, also while new records arrive."""
    path = tmp_path / "journal.sqlite"
    runs = [f"cu-{number}" for number in range(5)]
    chance = random.Random(3)

    async def main() -> None:
        async with Journal(path) as journal:
            length = dict.fromkeys(runs, 0)
            for run_id in runs:
                journal.begin_run(context(run_id), started(run_id))
            reader: JournalReader | None = None
            for _ in range(4):
                for _ in range(700):
                    run_id = chance.choice(runs)
                    length[run_id] += 1
                    journal.append(sample(run_id, length[run_id]))
                await journal.flush()
                reader = reader or JournalReader(path)
                for run_id in runs:
                    for _ in range(8):
                        start, limit = chance.randrange(length[run_id] + 3), chance.randrange(1, 400)
                        found = reader.records(run_id, start, limit)
                        wanted = range(start, min(start + limit, length[run_id] + 1))
                        assert [record.seq for record in found] == list(wanted)
                        assert all(record == sample(run_id, record.seq) for record in found if record.seq)
                    assert [record.seq for record in reader.all_records(run_id)] == list(range(length[run_id] + 1))
            assert reader is not None
            assert reader.records("cu-9") == []
            reader.close()

    asyncio.run(main())


def test_sample_sql_gives_the_columns_of_samples(tmp_path: Path, context: MakeContext, started: MakeStarted) -> None:
    """The statements that other readers use give exactly the fields of samples and impedance points."""
    path = tmp_path / "journal.sqlite"
    records = every_kind(started(RUN))

    async def main() -> None:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            for record in records[1:]:
                journal.append(record)

    asyncio.run(main())
    database = sqlite3.connect(path)
    run = dict(zip(schema.RUN_COLUMNS, database.execute(schema.RUN_SQL).fetchone(), strict=True))
    where = (run["first_row"], run["last_row"], run["run"])
    samples = [dict(zip(schema.SAMPLE_COLUMNS, row, strict=True)) for row in database.execute(schema.SAMPLE_SQL, where)]
    points = [dict(zip(schema.IMPEDANCE_COLUMNS, row, strict=True)) for row in database.execute(schema.IMPEDANCE_SQL, where)]
    database.close()
    assert [{"run_id": RUN, **row} for row in samples + points] == [asdict(record) for record in records[2:5]]
    assert schema.SAMPLE_COLUMNS[:5] == ("seq", "unix_time_nanosecond", "test_time_second", "step_time_second", "voltage_volt")


def test_journal_row_of_a_sample_stays_small(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """A sample takes less than 100 bytes of disk: months of a full rack must fit."""
    path = tmp_path / "journal.sqlite"

    async def main() -> None:
        async with Journal(path) as journal:
            journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 20_001):
                journal.append(sample(RUN, seq))

    asyncio.run(main())
    assert path.stat().st_size / 20_000 < 100
