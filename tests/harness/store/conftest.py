"""A station with everything in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.claims import Verdict
from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow
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
from harness.store.derived import DerivedStore
from harness.stream import codec
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from tests import facts

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND

FACTS = replace(facts.FACTS, description='layer "A", 5 nm\nsecond line, Ω \\ %', accuracy_offset=None)
MOVED, FIRST, OTHER, EMPTY, STATION = (
    RunContext("lab3", "b2", "cu-01", "b1", "cu-01-20260102t000000"),
    RunContext("lab3", "a1", "cu-01", "b1", "cu-01-20260101t000000"),
    RunContext("lab3", "a2", "li-07", "b2", "li-07-20260101t000000"),
    RunContext("lab3", "a3", "nmc-1", "b3", "nmc-1-20260101t000001"),
    RunContext("lab3", "station", "station", "none", "station-20260101t000000"),
)
PINNED = {
    MOVED: facts.with_build(FACTS, facts.BARE, {1: Verdict.DOES_NOT, 3: Verdict.DOES_NOT}),
    OTHER: facts.with_build(FACTS, facts.STACK, {1: Verdict.MEETS, 2: Verdict.DOES_NOT, 14: Verdict.MEETS}),
    EMPTY: facts.with_build(FACTS, facts.STACK, {1: Verdict.MEETS, 2: Verdict.MEETS}),
}
"""What those runs pinned that this version began; the others were begun by the first."""
ODD_NUMBERS = (0.1 + 0.2, -0.0, 5e-324, -1.7976931348623157e308, 1e-300, 3.0, -2.0e-9, 1 / 3)


def measured(run_id: str, begin: int, *, ended: bool) -> list[Record]:
    """A run with every kind of record: absent values, empty text, and numbers with all their bits."""
    made: list[Record] = []
    at = ("cycle[1].plate", Role.PLATE)

    def identity() -> tuple[str, int, int]:
        seq = len(made) + 1
        return run_id, seq, begin + seq * SECOND

    run, seq, stamp = identity()
    made.append(StepStarted(run, seq, stamp, stamp - 7, 1, 1, *at[:1], "cc", at[1], 0, '{"commands": [1, "a b"]}'))
    for index, number in enumerate(ODD_NUMBERS):
        current_range = None if index < 3 else 1e-3
        made.append(
            Sample(
                *identity(), float(index), number, number, -number, 1, 1, *at, current_range, "" if index % 2 else "held overload"
            )
        )
    made.append(StepEnded(*identity(), 1, 1, *at, "duration", 12.5))
    for sweep, points in ((1, 12), (2, 3)):
        for index in range(points):
            frequency = 1e5 / 10 ** (index / 3)
            made.append(
                ImpedancePoint(
                    *identity(), 40.0, 1.0 + index, index, frequency, 5 + 1 / 7, -index / 7, sweep, 1, 2, "eis", Role.PROBE, ""
                )
            )
        made.append(SweepEnded(*identity(), sweep, 1, 2, points, points == 12))
    made.append(StepEnded(*identity(), 1, 2, "eis", Role.PROBE, "lost", None))
    made.append(CycleEnded(*identity(), 1))
    made.append(Incident(*identity(), "warning", "link_lost", 'no answer: "E5", try\nagain\\ é\x85 Ω'))
    made.append(Incident(*identity(), "info", "gap", ""))
    if ended:
        made.append(RunEnded(*identity(), completed=True, reason="completed"))
    return made


def all_records() -> list[tuple[RunContext, list[Record]]]:
    """Runs in the order in which they are begun, which is not that of their starts."""
    day = 86_400 * SECOND
    found: list[tuple[RunContext, list[Record]]] = [(MOVED, measured(MOVED.run_id, START + day, ended=False))]
    found += [(run, measured(run.run_id, START, ended=True)) for run in (FIRST, OTHER)]
    found.append((EMPTY, []))
    found.append((STATION, [Incident(STATION.run_id, 1, START + 1, "alarm", "disk", "nearly full")]))
    return found


def cycle_row(run_id: str, cycle_count: int, begin: int) -> CycleRow:
    whole = cycle_count < 4
    return CycleRow(
        run_id,
        cycle_count,
        begin + cycle_count * SECOND,
        "cycle",
        1e-3 * (1 + cycle_count / 7),
        1e-7,
        0.99e-3 * (1 + cycle_count / 7) if whole else None,
        1e-7 if whole else None,
        0.99 if whole else None,
        1e-3 if whole else None,
        8e-4 if whole else None,
        30.0,
        None,
        None,
        None,
        7200.0 if whole else None,
        "" if whole else "incomplete",
        "1",
    )


def fit_row(run_id: str, sweep: int, begin: int) -> ImpedanceFitRow:
    found = sweep != 3
    resistance = 20.0 + sweep / 3 if found else None
    area = None if resistance is None else 1.27 * resistance
    stamp = begin + sweep * SECOND
    spread = 0.1 if found else None
    flags = "" if found else "no_arc"
    row = ImpedanceFitRow(run_id, sweep, stamp, sweep, 5.0, 0.01, resistance, spread, area, spread, 1e-3, flags, "1")
    return replace(row, verdict="suspect", kramers_kronig_rms_1=1 / 3, kramers_kronig_order=7) if sweep == 1 else row


def half_row(run_id: str, cycle_count: int, role: Role, begin: int) -> HalfCycleRow:
    stamp = begin + cycle_count * SECOND + (500 if role.removes else 0)
    shape = (-6.3e-4, 1e-3 / 7, 1e-7, 3600.0, 0.1 + 0.2, 1e-3, 0.05, 1e-4, 0.06, 1e-4, None if role.removes else -0.0, None)
    evidence = '[{"sign":"drop","value":0.2}]' if cycle_count == 2 else "[]"
    grade = "suspect" if cycle_count == 2 else ""
    return HalfCycleRow(run_id, cycle_count, stamp, role.value, *shape, 1e-5, 79.0, 0.5, grade, evidence, "", "shape-1")


def derived_rows(run_id: str, begin: int) -> list[DerivedRow]:
    cycles: list[DerivedRow] = [cycle_row(run_id, count, begin) for count in (1, 2, 3, 4)]
    fits = [fit_row(run_id, sweep, begin) for sweep in (1, 2, 3)]
    return cycles + fits + [half_row(run_id, count, role, begin) for count in (1, 2) for role in (Role.STRIP, Role.PLATE)]


async def write_journal(path: Path) -> None:
    async with Journal(path) as journal:
        for context, records in all_records():
            begin = START + SECOND if context is EMPTY else START
            if context is MOVED:
                begin += 86_400 * SECOND
            description = f"{context.cell}: {FACTS.description}"
            pinned = replace(PINNED.get(context, FACTS), description=description)
            journal.begin_run(context, RunStarted(context.run_id, 0, begin, pinned))
            for record in records:
                journal.append(record)
        await journal.flush()


def published_lines(path: Path) -> list[str]:
    """The points that a publisher makes of the journal, every one a line of its own."""
    reader = JournalReader(path)
    lines: list[str] = []
    for run in reader.runs():
        encoded = [(record.seq, codec.encode_record(run.context, record)) for record in reader.all_records(run.context.run_id)]
        lines += [line for batch in codec.split_batches(run.context.run_id, encoded) for line in batch.lines]
    reader.close()
    return lines


@pytest.fixture(scope="session")
def station(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A station's directory, and the same as lines for InfluxDB."""
    directory = tmp_path_factory.mktemp("station")
    asyncio.run(write_journal(directory / "journal.sqlite"))
    lines = published_lines(directory / "journal.sqlite")
    with DerivedStore(directory / "derived.sqlite") as derived:
        for context, begin in ((MOVED, START + 86_400 * SECOND), (FIRST, START)):
            rows = derived_rows(context.run_id, begin)
            derived.put(context, rows)
            lines += [codec.encode_derived(context, row, seq) for seq, row in derived.read(context.run_id, 0, 100)]
    return directory, lines
