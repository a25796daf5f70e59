"""What every store answers, and the exact columns of its frames: the one place where they are declared.

A store is read-only. `LocalStore` reads a station's own directory, `InfluxStore` its copy in InfluxDB, `HttpStore` a data
server: the same question gives the same frame from each of them, down to the order of the rows and the last bit of a float.
Column names and types of records and derived rows are those of their dataclasses, so that a field has one spelling.

Rows are sorted by the start of their run, then by run, then as a run goes on (``seq``, ``cycle_count`` or ``sweep_count``).
A run id that the store does not know contributes no rows. Absent is null, never NaN.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from types import NoneType, UnionType
from typing import Protocol, get_args, get_type_hints

import polars as pl

from harness.model.anode_facts import claim_name, verdict_words
from harness.model.claims import CLAIMS
from harness.model.derived import CycleRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import ImpedancePoint, Incident, Record, Sample
from harness.model.run import RunContext, RunFacts

Kind = type[pl.DataType]

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

_TYPES: dict[type, Kind] = {int: pl.Int64, float: pl.Float64, bool: pl.Boolean}

ALL_SEQ = -1
"""``after_seq`` for everything: the first ``seq`` of a run is 0."""


def columns_of(record: type) -> dict[str, Kind]:
    """Names and types of the columns that hold the dataclass ``record``: enumerations and text are strings."""
    hints = get_type_hints(record)
    return {field.name: _column_type(hints[field.name]) for field in fields(record)}


def _column_type(hint: object) -> Kind:
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    return _TYPES.get(hint, pl.String) if isinstance(hint, type) else pl.String


_DOCUMENTS = ("schedule_text", "plan", "anode", "findings")
_CLAIM_COLUMNS = tuple(map(claim_name, CLAIMS))
_FACT_COLUMNS = {name: kind for name, kind in columns_of(RunFacts).items() if name not in _DOCUMENTS}

FACTS = tuple(_FACT_COLUMNS)
"""The facts of a run that are columns: all but the documents, which `Store.documents` gives."""

_RUN_COLUMNS: dict[str, Kind] = {
    "run_id": pl.String,
    "station": pl.String,
    "channel": pl.String,
    "cell": pl.String,
    "build": pl.String,
    "started_nanosecond": pl.Int64,
    "ended_nanosecond": pl.Int64,
    "completed": pl.Boolean,
    "reason": pl.String,
    **_FACT_COLUMNS,
    **dict.fromkeys(_CLAIM_COLUMNS, pl.String),
}
RUNS = pl.Schema(_RUN_COLUMNS)
"""One row per run. The end, ``completed`` and ``reason`` are null while it lasts. ``claim_1`` … ``claim_20`` are the strict
verdicts on its build (``meets``, ``does_not``, ``cannot_tell``), null for a run that pinned none."""

DOCUMENTS = pl.Schema({"run_id": pl.String, **dict.fromkeys(_DOCUMENTS, pl.String)})
"""What a run pins whole: its schedule as written and resolved, its anode's build and the findings of the claims as JSON."""

SAMPLES = pl.Schema(columns_of(Sample))
"""One row per `Sample`."""

IMPEDANCE = pl.Schema(columns_of(ImpedancePoint))
"""One row per `ImpedancePoint`."""

CONTEXT: dict[str, Kind] = {"run_id": pl.String, "channel": pl.String, "cell": pl.String, "build": pl.String}

_EVENT_COLUMNS: dict[str, Kind] = {
    **CONTEXT,
    "seq": pl.Int64,
    "unix_time_nanosecond": pl.Int64,
    "kind": pl.String,
    "cycle_count": pl.Int64,
    "step_count": pl.Int64,
    "step_path": pl.String,
    "step_kind": pl.String,
    "role": pl.String,
    "reason": pl.String,
    "duration_second": pl.Float64,
    "sweep_count": pl.Int64,
    "points": pl.Int64,
    "complete": pl.Boolean,
    "completed": pl.Boolean,
    "severity": pl.String,
    "incident": pl.String,
    "message": pl.String,
}
EVENTS = pl.Schema(_EVENT_COLUMNS)
"""One row per record that is neither a sample nor an impedance point. ``kind`` is the record's name in snake case
(``step_ended``), ``incident`` the kind of an `Incident`; what a record does not have is null."""

CYCLES = pl.Schema({**CONTEXT, **columns_of(CycleRow)})
"""One row per `CycleRow` of the newest method version."""

IMPEDANCE_FITS = pl.Schema({**CONTEXT, **columns_of(ImpedanceFitRow)})
"""One row per `ImpedanceFitRow` of the newest method version."""

HALF_CYCLES = pl.Schema({**CONTEXT, **columns_of(HalfCycleRow)})
"""One row per `HalfCycleRow` of the newest method version, the deposit of a cycle before its removal."""


class Store(Protocol):
    """The questions a store answers. Every call raises `StoreError` or `JournalError` when it cannot be answered whole."""

    def runs(self) -> pl.DataFrame:
        """Every run, as `RUNS`."""

    def documents(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What ``run_ids`` pinned whole, as `DOCUMENTS`."""

    def samples(self, run_ids: Sequence[str], *, after_seq: int = ALL_SEQ) -> pl.DataFrame:
        """The samples of ``run_ids`` with a ``seq`` above ``after_seq``, as `SAMPLES`."""

    def impedance(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance points of ``run_ids``, as `IMPEDANCE`."""

    def events(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What happened in ``run_ids``, as `EVENTS`."""

    def cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The cycles of ``run_ids``, as `CYCLES`."""

    def impedance_fits(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance fits of ``run_ids``, as `IMPEDANCE_FITS`."""

    def half_cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The half cycles of ``run_ids``, as `HALF_CYCLES`."""

    def close(self) -> None:
        """Let go of files and connections; the store answers nothing afterwards."""


Ended = tuple[int, bool, str]
"""When a run ended, whether it was completed, and why."""


def run_row(context: RunContext, started_nanosecond: int, ended: Ended | None, facts: RunFacts) -> list[object]:
    """One row of `RUNS`."""
    known = [getattr(facts, name) for name in FACTS]
    where = (context.run_id, context.station, context.channel, context.cell, context.build)
    return [*where, started_nanosecond, *(ended or (None, None, None)), *known, *verdict_words(facts.findings).values()]


def run_frame(rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    """Rows of `run_row` as `RUNS`, in the order of their starts."""
    return pl.DataFrame(rows, RUNS, orient="row").sort("started_nanosecond", "run_id")


def document_row(run_id: str, facts: RunFacts) -> list[str | None]:
    """One row of `DOCUMENTS`."""
    return [run_id, *(getattr(facts, name) for name in _DOCUMENTS)]


def in_order(known: pl.DataFrame, run_ids: Sequence[str]) -> list[str]:
    """Those of ``run_ids`` that are in the frame of runs ``known``, each once, in its order."""
    wanted = set(run_ids)
    return [run_id for run_id in known["run_id"].to_list() if run_id in wanted]


def event_row(context: RunContext, record: Record) -> list[object]:
    """One row of `EVENTS`: the fields that a record has, and null for the others."""
    known = {name: getattr(record, name, None) for name in EVENTS}
    known |= {"channel": context.channel, "cell": context.cell, "build": context.build}
    known |= {"kind": _CAPITAL.sub("_", type(record).__name__).lower()}
    known |= {"incident": record.kind if isinstance(record, Incident) else None}
    return [value.value if isinstance(value, StrEnum) else value for value in known.values()]
