"""The store that reads InfluxDB, in InfluxQL: the one language that 1.x, 2.x and 3.x all answer.

Measured data come as CSV, which is fast but hides every error of a query, even one that breaks off in the middle. So the end
of a CSV is believed only when a small query in JSON, which does tell errors, finds nothing after it. All else comes as JSON.
Values are bound as parameters; the names in a statement are those of our own columns.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence

import httpx
import polars as pl
from polars.exceptions import PolarsError

from harness.errors import StoreError
from harness.model.run import RunContext, RunFacts
from harness.store.base import (
    ALL_SEQ,
    CONTEXT,
    CYCLES,
    DOCUMENTS,
    EVENTS,
    HALF_CYCLES,
    IMPEDANCE,
    IMPEDANCE_FITS,
    SAMPLES,
    Ended,
    document_row,
    in_order,
    run_frame,
    run_row,
)
from harness.store.influx import InfluxSettings, quoted_identifier, unreachable
from harness.stream.codec import ABSENT, decode_facts

PAGE_ROWS = 200_000
_BEFORE_ALL_NANOSECOND = -1
_EMPTY_PAGES = 3
"""So often in a row a CSV may be empty although there are rows: once may be a row that has just come."""
_TAGS = ("station", "channel", "cell", "build", "run")

Value = int | float | str | bool | None
Parameters = Mapping[str, str | int]


class InfluxStore:
    """Reads one database of an InfluxDB. One connection is kept open."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        # A lab's InfluxDB is on its own network: a proxy for the internet would not find it.
        self._client = httpx.Client(headers=settings.headers, timeout=settings.timeout_second, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def runs(self) -> pl.DataFrame:
        """Every run whose start has arrived, as `RUNS`."""
        ended: dict[Value, Ended] = {}
        for row in self._rows("event", ("run", "completed", "reason"), "kind", "run_ended"):
            ended[row["run"]] = (_number(row["time"]), row["completed"] is True, str(row["reason"]))
        begun = self._begun()
        return run_frame([run_row(context, stamp, ended.get(context.run_id), facts) for context, stamp, facts in begun])

    def documents(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What ``run_ids`` pinned whole, as `DOCUMENTS`."""
        wanted = set(run_ids)
        begun = sorted(self._begun() if wanted else [], key=lambda one: (one[1], one[0].run_id))
        rows = [document_row(context.run_id, facts) for context, _, facts in begun if context.run_id in wanted]
        return pl.DataFrame(rows, DOCUMENTS, orient="row")

    def samples(self, run_ids: Sequence[str], *, after_seq: int = ALL_SEQ) -> pl.DataFrame:
        """The samples of ``run_ids`` above ``after_seq``, as `SAMPLES`."""
        return self._measured("sample", run_ids, SAMPLES, after_seq)

    def impedance(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance points of ``run_ids``, as `IMPEDANCE`."""
        return self._measured("spectrum", run_ids, IMPEDANCE, ALL_SEQ)

    def events(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What happened in ``run_ids``, as `EVENTS`."""
        return self._table("event", run_ids, EVENTS, ("seq",))

    def cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The cycles of ``run_ids``, as `CYCLES`."""
        return self._derived("cycle", run_ids, CYCLES, ("cycle_count",))

    def impedance_fits(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance fits of ``run_ids``, as `IMPEDANCE_FITS`."""
        return self._derived("impedance_fit", run_ids, IMPEDANCE_FITS, ("sweep_count",))

    def half_cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The half cycles of ``run_ids``, as `HALF_CYCLES`."""
        return self._derived("half_cycle", run_ids, HALF_CYCLES, ("cycle_count", "unix_time_nanosecond"))

    def _begun(self) -> list[tuple[RunContext, int, RunFacts]]:
        """Every run whose start has arrived: who it was, when it began, and what it pinned."""
        found = []
        for row in self._rows("event", (*_TAGS, "facts"), "kind", "run_started"):
            station, channel, cell, build, run_id = (str(row[tag] or "") for tag in _TAGS)
            context = RunContext(station, channel, cell, build, run_id)
            found.append((context, _number(row["time"]), self._facts(row["facts"])))
        return found

    def _measured(self, measurement: str, run_ids: Sequence[str], schema: pl.Schema, after_seq: int) -> pl.DataFrame:
        frames = [schema.to_frame()]
        for run_id in self._ordered(run_ids):
            frames += self._pages(measurement, run_id, schema, after_seq)
        return pl.concat(frames)

    def _pages(self, measurement: str, run_id: str, schema: pl.Schema, after_seq: int) -> list[pl.DataFrame]:
        pages: list[pl.DataFrame] = []
        columns = [name for name in schema if name not in ("run_id", "unix_time_nanosecond")]
        where = '"run" = $run AND time > $after' + (' AND "seq" > $seq' if after_seq != ALL_SEQ else "")
        bound: dict[str, str | int] = {"run": run_id, "after": _BEFORE_ALL_NANOSECOND}
        if after_seq != ALL_SEQ:
            bound["seq"] = after_seq
        empty = 0
        while empty < _EMPTY_PAGES:
            page = self._page(_statement(columns, measurement, where, PAGE_ROWS), bound, run_id, schema)
            if not page.is_empty():
                pages.append(page)
                bound["after"] = int(page["unix_time_nanosecond"][-1])
            if page.height < PAGE_ROWS and not self._json(_statement(["seq"], measurement, where, 1), bound):
                return pages
            empty = empty + 1 if page.is_empty() else 0
        raise StoreError(self._settings.url, f"reading {measurement} of run {run_id} breaks off; look at the log of InfluxDB")

    def _page(self, statement: str, bound: Parameters, run_id: str, schema: pl.Schema) -> pl.DataFrame:
        answer = self._ask(statement, bound, "application/csv")
        if not answer.content:
            return schema.to_frame()
        names = {"unix_time_nanosecond": "time"}
        types = {names.get(name, name): kind for name, kind in schema.items()}
        try:
            read = pl.read_csv(io.BytesIO(answer.content), schema_overrides=types, infer_schema=False)
        except PolarsError as error:
            raise StoreError(self._settings.url, f"it answered with an unreadable table ({error})") from error
        columns = [pl.col(names.get(name, name)).alias(name) for name in schema if name != "run_id"]
        # Go writes empty text as nothing; no text of a measured row is ever absent.
        return read.select(pl.lit(run_id).alias("run_id"), *columns).with_columns(pl.col(pl.String).fill_null(""))

    def _derived(self, measurement: str, run_ids: Sequence[str], schema: pl.Schema, keys: Sequence[str]) -> pl.DataFrame:
        """A table of derived rows: a value that its row's `ABSENT` names is an older one, which InfluxDB could not forget.

        No text of a derived row is ever absent; a point of an earlier version lacks what was added since.
        """
        found = self._table(measurement, run_ids, pl.Schema([*schema.items(), (ABSENT, pl.String())]), keys)
        names = pl.col(ABSENT).fill_null("").str.split(" ")
        given = [pl.when(~names.list.contains(name)).then(pl.col(name)).alias(name) for name in schema]
        return found.select(given).with_columns(pl.col(pl.String).fill_null(""))

    def _table(self, measurement: str, run_ids: Sequence[str], schema: pl.Schema, keys: Sequence[str]) -> pl.DataFrame:
        names = {"run_id": "run", "unix_time_nanosecond": "time"}
        asked = [names.get(name, name) for name in schema if name != "unix_time_nanosecond"]
        frames = [schema.to_frame()]
        for run_id in self._ordered(run_ids):
            rows = self._rows(measurement, asked, "run", run_id)
            if rows:
                data = {name: [_typed(row[names.get(name, name)], kind) for row in rows] for name, kind in schema.items()}
                frames.append(pl.DataFrame(data, schema).with_columns(pl.col(list(CONTEXT)).fill_null("")).sort(keys))
        return pl.concat(frames)

    def _rows(self, measurement: str, columns: Sequence[str], key: str, value: str) -> list[dict[str, Value]]:
        """Every point of ``measurement`` whose ``key`` is ``value``, by column; absent is ``None``."""
        # A point is found only if one of the asked fields is in it, and seq is in all of them.
        chosen = columns if "seq" in columns else ("seq", *columns)
        return self._json(_statement(chosen, measurement, quoted_identifier(key) + " = $value"), {"value": value})

    def _facts(self, text: Value) -> RunFacts:
        try:
            return decode_facts(str(text))
        except ValueError as error:
            raise StoreError(
                self._settings.url, f"the facts of a run cannot be read ({error}); they were written by another"
            ) from error

    def _ordered(self, run_ids: Sequence[str]) -> list[str]:
        return in_order(self.runs(), run_ids) if run_ids else []

    def _json(self, statement: str, bound: Parameters) -> list[dict[str, Value]]:
        answer = self._ask(statement, bound, "application/json")
        rows: list[dict[str, Value]] = []
        try:
            for line in answer.text.rstrip().split("\n"):
                document = json.loads(line, parse_int=_integer)
                for result in [document, *document.get("results", [])]:
                    if "error" in result:
                        raise StoreError(self._settings.url, f"a query was refused: {result['error']}")
                    for series in result.get("series", []):
                        rows += [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(self._settings.url, f"it answered with an unreadable result ({error})") from error
        return rows

    def _ask(self, statement: str, bound: Parameters, accept: str) -> httpx.Response:
        settings = self._settings
        query = {"db": settings.database, "q": statement, "params": json.dumps(bound), "epoch": "ns", "chunked": "true"}
        try:
            answer = self._client.get(settings.at("/query"), params=query, headers={"Accept": accept})
        except httpx.HTTPError as error:
            raise unreachable(settings.url, error) from error
        if answer.status_code != httpx.codes.OK:
            raise StoreError(settings.url, f"a query was answered with HTTP {answer.status_code}: {answer.text[:500].strip()}")
        return answer


def _statement(columns: Sequence[str], measurement: str, where: str, limit: int | None = None) -> str:
    chosen = ", ".join(quoted_identifier(column) for column in columns)
    parts = ["SELECT", chosen, "FROM", quoted_identifier(measurement), "WHERE", where, "ORDER BY time"]
    return " ".join(parts if limit is None else [*parts, "LIMIT", str(limit)])


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a stamp")
    return value


def _integer(text: str) -> int | float:
    """A number without a point: InfluxDB writes a float so when it is whole, and one of them has a sign to keep."""
    return -0.0 if text == "-0" else int(text)


def _typed(value: Value, kind: pl.DataType) -> Value:
    return float(value) if kind == pl.Float64 and isinstance(value, int) else value
