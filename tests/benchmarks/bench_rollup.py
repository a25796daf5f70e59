"""The rollup: records per second while nothing is fitted, and how far it falls behind when every channel's sweep ends at once.

Beside each figure stands what the same records cost to read, which is the least that any follower of the journal pays.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from harness.model.run import Role
from harness.rollup import roll_up_once
from harness.store.derived import DerivedStore
from harness.stream.journal_reader import JournalReader
from tests.benchmarks.figure import Figure
from tests.run_writer import CURRENT, RunWriter, write

RUNS = 16
CYCLES = 5
SHARES = [(index + 1) / 400 for index in range(400)]


def measure() -> list[Figure]:
    """All figures of the rollup."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        return [_cycling(directory / "cycling"), *_sweeping(directory / "sweeping")]


def _cycling(directory: Path) -> Figure:
    writers = [RunWriter(f"cu-{number:02d}") for number in range(RUNS)]
    for writer in writers:
        for cycle in range(1, CYCLES + 1):
            writer.step(Role.PLATE, cycle, -CURRENT, 7200.0, "duration", lambda share: -0.05 - 0.01 * share, SHARES)
            writer.step(Role.STRIP, cycle, CURRENT, 7100.0, "voltage_above", lambda share: 0.05 + 0.01 * share, SHARES)
        writer.end()
    second, reading, rows = _rolled_up(directory, writers)
    assert rows == RUNS * CYCLES * 3
    records = sum(len(writer.records) for writer in writers)
    beside = f"{RUNS} runs, {CYCLES} cycles of 800 readings, {rows} rows; reading alone: {records / reading:,.0f}"
    return Figure("rollup, no sweeps", records / second, "records/s", beside)


def _sweeping(directory: Path) -> list[Figure]:
    """All runs sweep at once: first without an earlier fit to begin from, then with one."""
    writers = [RunWriter(f"cu-{number:02d}") for number in range(RUNS)]
    figures = []
    for sweep, what in ((1, "first sweep of every run"), (2, "next sweep of every run")):
        for number, writer in enumerate(writers):
            writer.sweep(sweep, 60.0 + number + 0.5 * sweep)
        begun = 0 if sweep == 1 else len(writers[0].records) // 2 + 1
        second, _, rows = _rolled_up(directory, writers, slice(begun, None))
        assert rows == RUNS
        figures.append(
            Figure(f"rollup, {what}", 1000 * second / RUNS, "ms/sweep", f"{RUNS} sweeps of 41 points in {second:.2f} s")
        )
    return figures


def _rolled_up(directory: Path, writers: list[RunWriter], part: slice = slice(None)) -> tuple[float, float, int]:
    """Seconds for deriving, seconds for reading the same, and rows."""
    directory.mkdir(exist_ok=True)
    write(directory / "journal.sqlite", *writers, part=part)
    with closing(JournalReader(directory / "journal.sqlite")) as reader, DerivedStore(directory / "derived.sqlite") as store:
        row, begun = store.position("rollup"), time.perf_counter()
        while (page := reader.tail(row))[0]:
            row = page[1]
        reading, before = time.perf_counter() - begun, len(_rows(store))
        begun = time.perf_counter()
        roll_up_once(reader, store)
        return time.perf_counter() - begun, reading, len(_rows(store)) - before


def _rows(store: DerivedStore) -> list[object]:
    return [*store.cycles(), *store.fits(), *store.half_cycles()]
