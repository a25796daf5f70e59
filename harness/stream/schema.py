"""The journal's tables, and a record as a row of them. Pure: SQL as text, rows as tuples; opens nothing.

``record`` is the hot table: appended in the order of arrival, found by its ``row`` only, no second index (that would cost
fifteen times the written bytes). The columns of samples and impedance points are numbers; their few words (``step_path``,
``role``, ``flags``) are numbers into ``text``. The rare kinds are one line of JSON in ``payload``; the facts of a run stand in
``run``. ``progress`` has what changes in a run, apart from ``run`` so that a commit rewrites one small page. ``landmark`` has
the row of every 256th record of a run, so that a run can be entered anywhere.

A run's records lie between its ``first_row`` and ``last_row``, among those of other runs, in the order of ``seq``.
Statements that return samples or impedance points take (first row, last row, run number) and give the columns of `Sample` or
`ImpedancePoint` but for ``run_id``; ask for windows of at most `WINDOW_ROWS` rows, so that no read pins the write-ahead log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType
from typing import TypeGuard, assert_never

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
from harness.model.run import Role, RunFacts
from harness.stream.fields import dump_json, from_plain, load_json, to_plain

APPLICATION_ID = 0x4C694A31
"""Marks the file as a journal (``LiJ1``)."""

LANDMARK_EVERY = 256
"""How often a record's row is noted. Another number needs another migration."""

WINDOW_ROWS = 100_000
"""How many rows one statement may look at: a few tens of milliseconds."""

PAGE_ROWS = 20_000
"""How many rows one statement may return."""

Value = int | float | str | None
Row = tuple[Value, ...]

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE run (
            run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE,
            station TEXT NOT NULL, channel TEXT NOT NULL, cell TEXT NOT NULL, build TEXT NOT NULL,
            started_nanosecond INTEGER NOT NULL, facts TEXT, first_row INTEGER NOT NULL)""",
        """CREATE TABLE progress (
            run INTEGER PRIMARY KEY, last_row INTEGER NOT NULL, last_seq INTEGER NOT NULL,
            last_nanosecond INTEGER NOT NULL, ended INTEGER NOT NULL, delivered INTEGER NOT NULL DEFAULT -1)""",
        "CREATE TABLE text (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        """CREATE TABLE record (
            row INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind INTEGER NOT NULL, seq INTEGER NOT NULL,
            unix_time_nanosecond INTEGER NOT NULL, test_time_second REAL, step_time_second REAL,
            voltage_volt REAL, current_ampere REAL, current_range_ampere REAL,
            frequency_index INTEGER, frequency_hertz REAL, real_impedance_ohm REAL, imaginary_impedance_ohm REAL,
            sweep_count INTEGER, cycle_count INTEGER, step_count INTEGER,
            step_path INTEGER, role INTEGER, flags INTEGER, payload TEXT)""",
    ),
    (
        """CREATE TABLE landmark (
            run INTEGER NOT NULL, seq INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID""",
        "INSERT INTO landmark SELECT run, seq, row FROM record WHERE seq % 256 = 0",
    ),
    (),
)
"""What makes each version of the tables out of the one before; the first out of nothing. In version 3 the tables stayed, but the
facts of a run say more of cell and anode: older software must not take them for damaged.
"""

USER_VERSION = len(MIGRATIONS)

VALUE_COLUMNS = (
    "test_time_second",
    "step_time_second",
    "voltage_volt",
    "current_ampere",
    "current_range_ampere",
    "frequency_index",
    "frequency_hertz",
    "real_impedance_ohm",
    "imaginary_impedance_ohm",
    "sweep_count",
    "cycle_count",
    "step_count",
    "step_path",
    "role",
    "flags",
)
TEXT_COLUMNS = ("step_path", "role", "flags")
RECORD_COLUMNS = ("row", "run", "kind", "seq", "unix_time_nanosecond", *VALUE_COLUMNS, "payload")

SAMPLE_KIND = 1
IMPEDANCE_KIND = 2
_KINDS: dict[int, type[Record]] = {
    0: RunStarted,
    SAMPLE_KIND: Sample,
    IMPEDANCE_KIND: ImpedancePoint,
    3: StepStarted,
    4: SweepEnded,
    5: StepEnded,
    6: CycleEnded,
    7: Incident,
    8: RunEnded,
}
_NUMBERS = {made: number for number, made in _KINDS.items()}
_ROLES = {role.value: role for role in Role}
_SampleRow = tuple[
    int, int, int, int, int, float, float, float, float, float | None, None, None, None, None, None, int, int, int, int, int, None
]
_SAMPLE_TYPES = frozenset((*[int] * 5, *[float] * 4, full, *[NoneType] * 5, *[int] * 5, NoneType) for full in (float, NoneType))
_IDENTITY = frozenset({"run_id", "seq", "unix_time_nanosecond"})


def _select(made: type, kind: int) -> tuple[tuple[str, ...], str]:
    columns = tuple(field.name for field in fields(made) if field.name != "run_id")
    shown = ", ".join(f"{name}_text.text AS {name}" if name in TEXT_COLUMNS else f"record.{name}" for name in columns)
    joins = " ".join(f"CROSS JOIN text AS {name}_text ON {name}_text.id = record.{name}" for name in TEXT_COLUMNS)
    where = f"record.row BETWEEN ? AND ? AND record.run = ? AND record.kind = {kind}"
    return columns, f"SELECT {shown} FROM record {joins} WHERE {where} ORDER BY record.row"  # noqa: S608 - names of ours only


SAMPLE_COLUMNS, SAMPLE_SQL = _select(Sample, SAMPLE_KIND)
IMPEDANCE_COLUMNS, IMPEDANCE_SQL = _select(ImpedancePoint, IMPEDANCE_KIND)

RUN_COLUMNS = (
    "run",
    "run_id",
    "station",
    "channel",
    "cell",
    "build",
    "started_nanosecond",
    "facts",
    "first_row",
    "last_row",
    "last_seq",
    "last_nanosecond",
    "ended",
    "delivered",
)
RUN_SQL = f"SELECT {', '.join(RUN_COLUMNS)} FROM run JOIN progress USING (run) ORDER BY run"  # noqa: S608 - names of ours only
RECORD_SQL = f"SELECT {', '.join(RECORD_COLUMNS)} FROM record"  # noqa: S608 - names of ours only
INSERT_RECORD = f"INSERT INTO record VALUES ({', '.join('?' * len(RECORD_COLUMNS))})"  # noqa: S608 - no values in it


def encode_row(row: int, run: int, record: Record, intern: Callable[[str], int]) -> Row:
    """``record`` as a row of ``record``; ``intern`` gives the number of a text.

    Raises:
        ValueError: it holds what cannot be stored and told: a number that is not finite, text that is not Unicode.
    """
    made = type(record)
    head = (row, run, _NUMBERS[made], record.seq, record.unix_time_nanosecond)
    match record:
        case Sample() | ImpedancePoint():
            values: Mapping[str, Value] = to_plain(record, _IDENTITY)
            shown = [_interned(name, values.get(name), intern) for name in VALUE_COLUMNS]
            return (*head, *shown, None)
        case RunStarted():
            payload = None
        case StepStarted() | SweepEnded() | StepEnded() | CycleEnded() | Incident() | RunEnded():
            payload = dump_json(to_plain(record, _IDENTITY))
        case _:
            assert_never(record)
    return (*head, *(None for _ in VALUE_COLUMNS), payload)


def decode_row(row: Row, run_id: str, text: Callable[[int], str], facts: RunFacts) -> Record:
    """The inverse of `encode_row`; ``facts`` are those of the run.

    Raises:
        ValueError: the row is not one.
    """
    if _is_plain_sample(row) and (sample := _plain_sample(row, run_id, text)) is not None:
        return sample
    _, _, kind, seq, stamp, *values, payload = row
    made = _KINDS.get(kind) if isinstance(kind, int) else None
    if made is None:
        raise ValueError(f"{kind!r} is no kind of record")
    rest: dict[str, object] = {"run_id": run_id, "seq": seq, "unix_time_nanosecond": stamp}
    if made is RunStarted:
        return RunStarted(facts=facts, run_id=run_id, seq=int(seq or 0), unix_time_nanosecond=int(stamp or 0))
    if payload is not None:
        return from_plain(made, load_json(str(payload)), rest)
    plain = {name: value for name, value in zip(VALUE_COLUMNS, values, strict=True) if value is not None}
    for name in TEXT_COLUMNS:
        plain[name] = text(int(plain[name]))
    return from_plain(made, plain, rest)


def _is_plain_sample(row: Row) -> TypeGuard[_SampleRow]:
    return tuple(map(type, row)) in _SAMPLE_TYPES and row[2] == SAMPLE_KIND


def _plain_sample(row: _SampleRow, run_id: str, text: Callable[[int], str]) -> Sample | None:
    """The sample in a row of nothing but finite numbers and known words; ``None`` leaves the row to the general way.

    Nearly every row is such a one, and this takes half the time. A sum of floats is finite only if each of them is.
    """
    _, _, _, seq, stamp, test_time, step_time, voltage, current, full, _, _, _, _, _, cycle, step, *words, _ = row
    path, role_word, flags = map(text, words)
    role = _ROLES.get(role_word)
    finite = math.isfinite(test_time + step_time + voltage + current + (full or 0.0))
    if role is None or not finite or not (path + flags).isascii() or not 0 <= cycle < 2**63 or not 0 <= step < 2**63:
        return None
    return Sample(run_id, seq, stamp, test_time, step_time, voltage, current, cycle, step, path, role, full, flags)


def _interned(name: str, value: Value, intern: Callable[[str], int]) -> Value:
    return intern(str(value)) if name in TEXT_COLUMNS else value
