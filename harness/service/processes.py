"""What each process of a station does with its site file, apart from the daemon, which has a module of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from harness.config import EMBEDDED, InfluxSection, Site
from harness.errors import BadInput, StoreError
from harness.ingest import run_ingest
from harness.rollup import recompute, run_rollup
from harness.service.broker import EmbeddedBroker
from harness.service.broker_file import acknowledgement, broker_settings, describe_broker, forget_broker
from harness.service.daemon import JOURNAL
from harness.service.outlet import due_again
from harness.service.supervisor import Child, ChildFailed, keep_running
from harness.store.derived import DerivedOutbox, DerivedStore
from harness.store.influx import InfluxSettings, InfluxWriter, detect
from harness.stream.journal_reader import JournaledRun, JournalReader
from harness.stream.mqtt import MqttSettings, connection
from harness.stream.publisher import Publisher

DERIVED = "derived.sqlite"
STORE_LOOK_SECOND = 2.0
EVER = "all"
"""The word for a moment before every run."""

log = structlog.get_logger(__name__)


async def run_up(site: Site, stop: asyncio.Event | None = None, *, log_directory: Path | None = None) -> int:
    """Run all processes of a site until ``stop``, SIGTERM or SIGINT; the status to end with.

    With ``log_directory`` each process logs to a file of its own there.
    """
    if stop is None:
        stop = stop_on_signals()
    async with _broker(site):
        try:
            await keep_running(_children(site, log_directory), stop)
        except ChildFailed as failed:
            return failed.status
    return 0


def _children(site: Site, log_directory: Path | None) -> list[Child]:
    names = ["daemon", "rollup", "serve"]
    if site.influx is not None and site.mqtt.acknowledge == "store":
        names.append("ingest")
    return [
        Child(
            name,
            ("harness", name, str(site.path)),
            vital=name == "daemon",
            log=None if log_directory is None else log_directory / f"{name}.log",
        )
        for name in names
    ]


@contextlib.asynccontextmanager
async def _broker(site: Site) -> AsyncIterator[None]:
    """The embedded broker while it is wanted: a child process beside the daemon."""
    if site.mqtt.url != EMBEDDED:
        yield
        return
    site.state_directory.mkdir(parents=True, exist_ok=True)
    async with EmbeddedBroker() as broker:
        describe_broker(site.state_directory, broker.settings)
        try:
            yield
        finally:
            forget_broker(site.state_directory)


async def run_rollup_process(site: Site, *, since: str | None) -> None:
    """Derive, and publish what was derived, until SIGTERM; or derive history ``since`` a moment once more and return.

    Raises:
        BadInput: ``since`` is no moment (see `moment_of`).
    """
    directory = site.state_directory
    directory.mkdir(parents=True, exist_ok=True)
    with DerivedStore(directory / DERIVED) as store:
        if since is not None:
            rows = await asyncio.to_thread(_recompute, site, store, since)
            print(f"{rows} rows were computed anew")
            return
        await _until_stopped(run_rollup(directory / JOURNAL, store), _publish_derived(site, store))


def _recompute(site: Site, store: DerivedStore, since: str) -> int:
    """Derive anew, with a bar on standard error."""
    from rich.console import Console  # noqa: PLC0415 - for this question only
    from rich.progress import Progress  # noqa: PLC0415

    reader = JournalReader(site.state_directory / JOURNAL)
    try:
        moment = moment_of(since, reader.runs())
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task(f"deriving since {since}", total=None)
            return recompute(reader, store, moment, lambda done, of: bar.update(task, completed=done, total=of))
    finally:
        reader.close()


def moment_of(since: str, runs: Sequence[JournaledRun]) -> int | None:
    """``all`` (``None``), an ISO date or time (UTC unless it says otherwise), or a run's start, in nanoseconds of UTC.

    Raises:
        BadInput: it is none of them.
    """
    if since == EVER:
        return None
    started = {run.context.run_id: run.started_nanosecond for run in runs}
    if since in started:
        return started[since]
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        what = f'"{since}" is neither "{EVER}", a date or time like 2026-01-31T12:00, nor a run of this station'
        raise BadInput("--since", what) from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (found - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


async def _publish_derived(site: Site, store: DerivedStore) -> None:
    settings = broker_settings(site)
    if settings is None:
        return
    acknowledge = acknowledgement(site)
    if due_again(site.state_directory / "derived.delivery", acknowledge):
        for context, _, _ in store.runs():
            store.set_delivered(context.run_id, -1)
    outbox = DerivedOutbox(store)
    async with connection(settings) as link:
        await Publisher(outbox, link, station=site.station, acknowledge=acknowledge).run()


async def run_ingest_process(site: Site) -> None:
    """Move batches to the site's InfluxDB until SIGTERM.

    Raises:
        BadInput: the site file names no InfluxDB, or no broker is to be found.
    """
    if site.influx is None:
        raise BadInput(str(site.path), "there is no [influx] section; ingest has nowhere to write")
    settings = broker_settings(site)
    if settings is None:
        raise BadInput(str(site.path), 'mqtt.url is "embedded" and no broker runs; start harness up, or name a broker')
    async with InfluxWriter(influx_settings(site, site.influx)) as writer:
        await _until_stopped(_ingest(site, settings, site.influx, writer))


async def _ingest(site: Site, settings: MqttSettings, influx: InfluxSection, writer: InfluxWriter) -> None:
    """Ingest, once the database is there; a 1.x server is asked to make it."""
    while True:
        try:
            if (await detect(influx.url)).api == "v1":
                await writer.create_database()
            break
        except StoreError as error:
            log.warning("store not ready", reason=str(error))
            await asyncio.sleep(STORE_LOOK_SECOND)
    await run_ingest(settings, writer, station=site.station)


async def run_serve_process(site: Site) -> None:
    """Serve page and data until SIGTERM."""
    from harness.service.control import ControlClient  # noqa: PLC0415 - with the page's framework, for this process only
    from harness.service.server import create_app, new_token, serve  # noqa: PLC0415
    from harness.store.local import LocalStore  # noqa: PLC0415

    journal = site.state_directory / JOURNAL
    while not journal.exists():  # noqa: ASYNC110 - another process makes the file, and tells nobody
        await asyncio.sleep(0.2)
    app = create_app(
        lambda: LocalStore(site.state_directory, engine="adbc"), ControlClient(site.state_directory), token=new_token()
    )
    await serve(app, site.serve.host, site.serve.port, announce=lambda url: log.info("page", url=url))


def influx_settings(site: Site, section: InfluxSection) -> InfluxSettings:
    """The InfluxDB of a site, with its token read."""
    return InfluxSettings(section.url, section.database, site.secret(section.token_file), section.org)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until_stopped(*works: Coroutine[None, None, None]) -> None:
    """Run coroutines until SIGTERM or SIGINT, or until one of them fails."""
    stop = stop_on_signals()
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(work) for work in works]
        await stop.wait()
        for task in working:
            task.cancel()
