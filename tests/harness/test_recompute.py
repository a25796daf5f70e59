"""History derived anew: since a moment, under another version of a method, and as InfluxDB shows it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from harness.analysis import cycle_table, shorts
from harness.analysis.impedance import fit
from harness.cli.main import app
from harness.errors import BadInput
from harness.model.derived import DerivedRow
from harness.model.run import Role
from harness.rollup import bring_up_to_date, recompute, roll_up_once, run_rollup
from harness.service.processes import moment_of
from harness.store.base import Store
from harness.store.derived import DerivedOutbox, DerivedStore
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.store.influx_query import InfluxStore
from harness.store.local import LocalStore
from harness.stream.codec import encode_record
from harness.stream.journal_reader import JournalReader
from tests.run_writer import CURRENT, DAY, START, RunWriter, write
from tests.services import Influxd

CELLS = ("cu-01", "cu-02", "cu-03")
DERIVED: tuple[Callable[[Store, Sequence[str]], pl.DataFrame], ...] = (
    lambda store, runs: store.cycles(runs),
    lambda store, runs: store.impedance_fits(runs),
    lambda store, runs: store.half_cycles(runs),
)


SITE = """
station = "lab"
state = "{}"

[[channel]]
name = "a1"
driver = "methodscript"
url = "socket://127.0.0.1:1"
window = ["-0.5 V", "4.5 V"]
current = "5 mA"
"""


def run_of_two_cycles(cell: str, day: int, *, ended: bool = True) -> RunWriter:
    writer = RunWriter(cell, day=day)
    writer.cycle(1, 0.9)
    writer.cycle(2, 0.98, last=ended)
    return writer


@pytest.fixture(scope="module")
def rolled_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three days, the last one still going on, rolled up."""
    path = tmp_path_factory.mktemp("station")
    for day, cell in enumerate(CELLS):
        write(path / "journal.sqlite", run_of_two_cycles(cell, day, ended=cell != "cu-03"))
    reader = JournalReader(path / "journal.sqlite")
    with DerivedStore(path / "derived.sqlite") as store:
        roll_up_once(reader, store)
    reader.close()
    return path


@pytest.fixture
def station(rolled_up: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(rolled_up, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def store(station: Path) -> Iterator[DerivedStore]:
    with DerivedStore(station / "derived.sqlite") as opened:
        yield opened


@pytest.fixture
def reader(station: Path) -> Iterator[JournalReader]:
    opened = JournalReader(station / "journal.sqlite")
    yield opened
    opened.close()


def take_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the methods are of another version, whose fit has no answer for these sweeps."""
    monkeypatch.setattr(cycle_table, "METHOD_VERSION", "ce-next")
    monkeypatch.setattr(fit, "METHOD_VERSION", "eis-next")
    monkeypatch.setattr(shorts, "METHOD_VERSION", "short-next")
    monkeypatch.setattr(fit, "FEWEST_POINTS", 100)


def rows_of(store: DerivedStore, run_id: str) -> list[DerivedRow]:
    return [row for _, row in store.read(run_id, 0, 1000)]


@pytest.mark.parametrize(
    ("since", "anew"),
    [(None, CELLS), (START, CELLS), (START + DAY // 2, CELLS[1:]), (START + DAY, CELLS[1:]), (START + 9 * DAY, CELLS[2:])],
)
def test_recompute_takes_whole_runs_that_last_or_ended_later(
    store: DerivedStore,
    reader: JournalReader,
    monkeypatch: pytest.MonkeyPatch,
    since: int | None,
    anew: tuple[str, ...],
) -> None:
    """Every row of such a run is of the new version, the other runs are left alone, and following goes on from where it was."""
    positions = [store.position("rollup"), *(store.position(f"rollup:{cell}") for cell in CELLS)]
    assert all(positions)
    before = {cell: rows_of(store, cell) for cell in CELLS}
    take_another_version(monkeypatch)
    rows = recompute(reader, store, since)
    for cell in CELLS:
        found = rows_of(store, cell)
        assert len(found) == len(before[cell])
        assert all("-next" in row.method_version for row in found) == (cell in anew)
        assert (found == before[cell]) == (cell not in anew)
    assert rows == sum(len(before[cell]) for cell in anew)
    assert positions == [store.position("rollup"), *(store.position(f"rollup:{cell}") for cell in CELLS)]
    assert roll_up_once(reader, store) == 0


def test_recompute_leaves_cycles_that_are_not_over_to_who_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that says what is known of an open cycle so far must not come after the final one of a process that follows."""
    writer = run_of_two_cycles("cu-01", 0, ended=False)
    writer.step(Role.PLATE, 3, -CURRENT, 3600.0, "duration")
    write(tmp_path / "journal.sqlite", writer)
    reader = JournalReader(tmp_path / "journal.sqlite")
    with DerivedStore(tmp_path / "derived.sqlite") as store:
        roll_up_once(reader, store)
        take_another_version(monkeypatch)
        assert recompute(reader, store) == 8
        assert {row.cycle_count: "next" in row.method_version for row in store.half_cycles()} == {1: True, 2: True, 3: False}
    reader.close()


def test_runs_that_ended_under_another_version_are_brought_up_to_date_once(
    store: DerivedStore, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of their rows are of the new version, as those of a run that lasts are with its next record; then nothing is left."""
    before = {cell: rows_of(store, cell) for cell in CELLS}
    ended = {run.context.run_id for run in reader.runs() if run.ended}
    take_another_version(monkeypatch)
    assert sum(bring_up_to_date(reader, store)) == sum(len(before[cell]) for cell in ended)
    for cell in CELLS:
        assert all("-next" in row.method_version for row in rows_of(store, cell)) == (cell in ended)
    assert list(bring_up_to_date(reader, store)) == []


def test_who_follows_brings_older_runs_up_to_date(station: Path, store: DerivedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of the program does not wait for a record of a run that has ended."""
    take_another_version(monkeypatch)

    async def main() -> None:
        outbox = DerivedOutbox(store)
        follower = asyncio.create_task(run_rollup(station / "journal.sqlite", store, poll_second=0.01))
        async with asyncio.timeout(30):
            while any("-next" not in row.method_version for row in rows_of(store, CELLS[0])):
                await outbox.wait()
        outbox.close()
        follower.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await follower

    asyncio.run(main())


def test_recompute_tells_how_far_it_is(store: DerivedStore, reader: JournalReader) -> None:
    """It begins with the first record of the first run that is chosen, and ends with the last record."""
    told: list[tuple[int, int]] = []
    recompute(reader, store, START + DAY, lambda done, of: told.append((done, of)))
    records = sum(run.last_seq + 1 for run in reader.runs() if run.context.run_id != "cu-01")
    assert told[-1] == (records, records)
    assert recompute(reader, store, START, lambda done, of: told.append((done, of))) > 0
    assert told[-1] == (reader.position(), reader.position())


def test_run_that_goes_on_under_another_version_is_derived_from_its_beginning(
    station: Path, store: DerivedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are of one kind, and the same as if the version had never been another."""
    rest = run_of_two_cycles("cu-03", 2, ended=False)
    known = len(rest.records)
    rest.cycle(3, 0.97, last=True)
    take_another_version(monkeypatch)
    write(station / "journal.sqlite", rest, part=slice(known, None))
    reader = JournalReader(station / "journal.sqlite")
    roll_up_once(reader, store)
    found = rows_of(store, "cu-03")
    assert all("-next" in row.method_version for row in found)
    with DerivedStore(station / "anew.sqlite") as anew:
        roll_up_once(reader, anew)
        assert sorted(map(repr, rows_of(anew, "cu-03"))) == sorted(map(repr, found))
    reader.close()


def published(store: DerivedStore, settings: InfluxSettings) -> None:
    """What is due goes to InfluxDB, and is due no more."""

    async def main() -> None:
        outbox = DerivedOutbox(store)
        async with InfluxWriter(settings) as writer:
            await writer.create_database()
            for context, last, delivered in outbox.runs():
                lines = [line for _, line in outbox.read(context.run_id, delivered + 1, 1000)]
                assert await writer.write(lines) == []
                outbox.set_delivered(context.run_id, last)
        outbox.close()

    asyncio.run(main())


def starts_published(reader: JournalReader, settings: InfluxSettings) -> None:
    """InfluxDB knows of a run by its start."""

    async def main() -> None:
        async with InfluxWriter(settings) as writer:
            await writer.create_database()
            for run in reader.runs():
                [first] = reader.records(run.context.run_id, 0, 1)
                assert await writer.write(encode_record(run.context, first).split("\n")) == []

    asyncio.run(main())


@pytest.mark.service
def test_recomputed_history_is_what_influx_shows(
    station: Path, store: DerivedStore, reader: JournalReader, influxd: Influxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a new version take the place of the old ones in InfluxDB, and values that the new one refuses are gone."""
    settings = InfluxSettings(influxd.url, "recomputed")
    starts_published(reader, settings)
    published(store, settings)
    local, influx = LocalStore(station), InfluxStore(settings)
    assert influx.impedance_fits(CELLS)["interface_resistance_ohm"].null_count() == 0
    take_another_version(monkeypatch)
    recompute(reader, store, START + DAY)
    published(store, settings)
    for ask in DERIVED:
        assert_frame_equal(ask(local, CELLS), ask(influx, CELLS))
    fits = influx.impedance_fits(CELLS)
    assert fits["method_version"].str.contains("next").to_list() == [False] * 2 + [True] * 4
    assert fits["interface_resistance_ohm"].is_null().to_list() == [False] * 2 + [True] * 4
    local.close()
    influx.close()


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("all", None),
        ("2023-11-15", START),
        ("2023-11-16T00:00", START + DAY),
        ("2023-11-15T01:00+01:00", START),
        ("2023-11-15T00:00:00Z", START),
        ("cu-02", START + DAY),
    ],
)
def test_moment_is_a_word_a_time_or_the_start_of_a_run(reader: JournalReader, since: str, moment: int | None) -> None:
    """Times are UTC unless they say otherwise."""
    assert moment_of(since, reader.runs()) == moment


@pytest.mark.parametrize("since", ["yesterday", "", "cu-99", "2023-13-01", "12:00"])
def test_moment_that_is_none_is_bad_input(reader: JournalReader, since: str) -> None:
    """The sentence says what would be one."""
    with pytest.raises(BadInput, match=f'--since: "{since}" is neither "all", a date or time like 2026-01-31T12:00, nor a run'):
        moment_of(since, reader.runs())


@pytest.mark.parametrize(("option", "rows"), [(["--since", "cu-02"], 16), (["--since", "all"], 24), (["--again"], 24)])
def test_rollup_command_computes_history_anew_and_stops(station: Path, option: list[str], rows: int) -> None:
    """It says how many rows were computed, and shows on standard error how far it is."""
    (station / "site.toml").write_text(SITE.format(station))
    done = CliRunner().invoke(app, ["rollup", str(station / "site.toml"), *option])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{rows} rows were computed anew\n"
    assert "deriving since" in done.stderr
    assert "100%" in done.stderr
