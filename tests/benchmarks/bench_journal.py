"""The journal: rows per second in a burst, how long a row takes to be durable while 640 arrive per second, and reading.

Beside each figure of writing stands plain ``sqlite3`` with the same rows, the same log and the same synchronisation: what the
journal's checks, numbering, queue and thread cost on top of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from harness.model.records import Sample
from harness.stream import schema
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from tests.benchmarks.figure import Figure, percentile
from tests.benchmarks.many_runs import RUNS, begin_runs, context_of, samples_of_all

BURST_PER_RUN = 2000
COMMIT_ROWS = 5000
PACED_SECOND = 10
TICK_SECOND = 0.1
GROUPED_TICK_SECOND = 0.01
GROUPED_SECOND = 5
_PATIENCE_SECOND = 60.0


def measure() -> list[Figure]:
    """All figures of the journal."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        samples = samples_of_all(BURST_PER_RUN)
        return [
            *_burst(directory / "burst.sqlite", directory / "plain.sqlite", samples),
            *asyncio.run(_paced(directory / "paced.sqlite", directory / "plain-paced.sqlite")),
            *asyncio.run(_grouped(directory / "grouped.sqlite")),
            *_reading(directory / "burst.sqlite", samples),
        ]


def _burst(path: Path, plain_path: Path, samples: list[Sample]) -> list[Figure]:
    ours = len(samples) / asyncio.run(_fill(path, samples))
    rows = _rows(samples)
    with closing(_plain(plain_path)) as plain:
        begun = time.perf_counter()
        for first in range(0, len(rows), COMMIT_ROWS):
            _commit(plain, rows[first : first + COMMIT_ROWS])
        bare = len(rows) / (time.perf_counter() - begun)
        assert plain.execute("SELECT count(*) FROM record").fetchone()[0] == len(rows)
    beside = f"plain sqlite3 executemany, {COMMIT_ROWS} rows per commit: {bare:,.0f} rows/s, ratio {ours / bare:.2f}"
    return [
        Figure(f"journal, burst of {len(samples):,} rows of {RUNS} runs", ours, "rows/s", beside),
        Figure(
            "journal, size", path.stat().st_size / len(samples), "B/row", f"plain: {plain_path.stat().st_size / len(rows):.0f}"
        ),
    ]


async def _fill(path: Path, samples: list[Sample]) -> float:
    """Seconds for appending and flushing ``samples``."""
    async with Journal(path, flush_deadline_second=_PATIENCE_SECOND) as journal:
        begin_runs(journal)
        await journal.flush()
        begun = time.perf_counter()
        for first in range(0, len(samples), 1000):
            for sample in samples[first : first + 1000]:
                journal.append(sample)
            await asyncio.sleep(0)
        await journal.flush()
        return time.perf_counter() - begun


async def _paced(path: Path, plain_path: Path) -> list[Figure]:
    """Commits of 64 rows, ten per second; the plain ones take turns with ours, so that both see the same machine."""
    ours: list[float] = []
    bare: list[float] = []
    log_bytes: list[int] = []
    log = path.with_name(f"{path.name}-wal")
    with closing(_plain(plain_path)) as plain:
        async with Journal(path, flush_deadline_second=_PATIENCE_SECOND) as journal:
            begin_runs(journal)
            await journal.flush()
            begun = time.perf_counter()
            for tick in range(round(PACED_SECOND / TICK_SECOND)):
                samples = samples_of_all(1, tick + 1, seed=tick)
                rows = _rows(samples, tick * RUNS)
                ours.append(await _flush_millisecond(journal, samples))
                bare.append(await asyncio.to_thread(_commit, plain, rows))
                log_bytes.append(log.stat().st_size)
                await asyncio.sleep(max(0.0, begun + (tick + 1) * TICK_SECOND - time.perf_counter()))
    rate = round(RUNS / TICK_SECOND)
    return [
        Figure(f"flush at {rate} rows/s, p50", percentile(ours, 50), "ms", f"plain commit {percentile(bare, 50):.1f} ms"),
        Figure(f"flush at {rate} rows/s, p99", percentile(ours, 99), "ms", f"plain commit {percentile(bare, 99):.1f} ms"),
        Figure("write-ahead log, largest", max(log_bytes) / 1e6, "MB", "emptied every 5 s"),
    ]


async def _flush_millisecond(journal: Journal, samples: Iterable[Sample]) -> float:
    for sample in samples:
        journal.append(sample)
    begun = time.perf_counter()
    await journal.flush()
    return 1e3 * (time.perf_counter() - begun)


async def _grouped(path: Path) -> list[Figure]:
    """How long a row waits for the group commit when nobody asks for a flush."""
    waiting: deque[tuple[str, int, float]] = deque()
    waited: list[float] = []
    async with Journal(path, flush_deadline_second=_PATIENCE_SECOND) as journal:
        begin_runs(journal)
        await journal.flush()
        following = asyncio.create_task(_follow(journal, waiting, waited))
        samples = samples_of_all(round(GROUPED_SECOND / TICK_SECOND))
        begun = time.perf_counter()
        for place, sample in enumerate(samples):
            due = begun + place // 6 * GROUPED_TICK_SECOND  # 600 rows per second, a few at a time
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            journal.append(sample)
            waiting.append((sample.run_id, sample.seq, time.perf_counter()))
        await journal.flush()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return [
        Figure("from append to durable, p50", percentile(waited, 50), "ms", "600 rows/s, group commit every 100 ms"),
        Figure("from append to durable, p99", percentile(waited, 99), "ms", "design: at most 200 ms"),
    ]


async def _follow(journal: Journal, waiting: deque[tuple[str, int, float]], waited: list[float]) -> None:
    while True:
        await journal.wait_committed()
        now = time.perf_counter()
        while waiting and journal.committed_seq(waiting[0][0]) >= waiting[0][1]:
            waited.append(1e3 * (now - waiting.popleft()[2]))


def _reading(path: Path, samples: list[Sample]) -> list[Figure]:
    with closing(JournalReader(path)) as reader:
        begun = time.perf_counter()
        of_one = sum(1 for _ in reader.all_records(context_of(7).run_id))
        one_rate = of_one / (time.perf_counter() - begun)
        begun, position, found = time.perf_counter(), 0, 0
        while position < reader.position():
            page, position = reader.tail(position)
            found += len(page)
        tail_rate = found / (time.perf_counter() - begun)
    assert of_one == BURST_PER_RUN + 1
    assert found == len(samples) + RUNS
    return [
        Figure("reading all runs as records", tail_rate, "records/s", "what rollup does"),
        Figure(f"reading one run of {RUNS}", one_rate, "records/s", f"finds it among {found:,} rows"),
    ]


def _rows(samples: list[Sample], before: int = 0) -> list[schema.Row]:
    """``samples`` as rows of the journal's own table, numbered from ``before`` + 1."""
    texts: dict[str, int] = {}
    runs = {context_of(run).run_id: run + 1 for run in range(RUNS)}

    def intern(text: str) -> int:
        return texts.setdefault(text, len(texts) + 1)

    return [schema.encode_row(before + place, runs[sample.run_id], sample, intern) for place, sample in enumerate(samples, 1)]


def _plain(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(schema.RECORD_COLUMNS[1:])
    database.execute(f"CREATE TABLE record (row INTEGER PRIMARY KEY, {columns})")
    return database


def _commit(database: sqlite3.Connection, rows: list[schema.Row]) -> float:
    """Milliseconds that one transaction with ``rows`` takes."""
    begun = time.perf_counter()
    database.execute("BEGIN IMMEDIATE")
    database.executemany(schema.INSERT_RECORD, rows)
    database.execute("COMMIT")
    return 1e3 * (time.perf_counter() - begun)
