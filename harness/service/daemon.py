"""The daemon's process: the order in which things start and stop, its lock, its signals. Small and boring on purpose.

Started: lock, journal, instruments, control port, publisher. Stopped (SIGTERM, SIGINT): every cell opened and verified and
said on the screen, then the journal's last commit, then the rest. A daemon that cannot open its journal makes every channel
safe first and then exits with status 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path

import structlog

from harness.clock import StationClock, leased_clock, nanosecond_from_datetime, wall_nanosecond
from harness.config import ChannelSection, Site
from harness.cycling import rack
from harness.errors import BadInput, JournalError, Refused, StoreError
from harness.lease import QuietLoop, read_address
from harness.model.status import LinkStatus, RunStatus, StationStatus
from harness.service.broker_file import acknowledgement, broker_settings
from harness.service.control import control_server
from harness.service.outlet import Outlet, due_again
from harness.service.station import Station
from harness.store.registry import Registry
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from potentiostat_drivers.interface import Safe, Safety

JOURNAL = "journal.sqlite"
CLOCK = "clock.json"
LOCK = "station.lock"
_KILL_SECOND = 30.0

log = structlog.get_logger(__name__)


def daemon(site: Site) -> None:
    """`run_daemon` in an event loop of its own, which knows when it is quiet if the site's time must know."""
    factory = None if site.clock.control is None else QuietLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run_daemon(site))


async def run_daemon(site: Site) -> None:
    """Run a station until SIGTERM or SIGINT.

    Raises:
        BadInput: an instrument cannot be reached or is the wrong one, while no run waits to be taken up.
        Refused: another daemon has this state directory.
        JournalError, StoreError: the journal or the state directory cannot be used; every channel has been made safe by then.
    """
    directory = site.state_directory
    alarms = _Alarms(site.kill_command)
    try:
        with _lock(directory):
            async with _clock(site) as clock, Journal(directory / JOURNAL) as journal:
                await _run(site, clock, journal, _slots(site, clock, alarms), alarms)
    except* (JournalError, StoreError):
        await _make_all_safe(site, alarms)
        raise


def _slots(site: Site, clock: StationClock, alarms: _Alarms) -> dict[str, rack.Slot]:
    return {section.name: rack.Slot(_settings(section), clock, alarms.cell) for section in site.channel}


async def _run(site: Site, clock: StationClock, journal: Journal, slots: dict[str, rack.Slot], alarms: _Alarms) -> None:
    directory = site.state_directory
    reader = JournalReader(directory / JOURNAL)
    station = Station(
        name=site.station,
        software_version=version("anode-harness"),
        clock=clock,
        journal=journal,
        reader=reader,
        registry=Registry(directory),
        slots=slots,
        on_alarm=alarms.sound,
    )
    unfinished = [run for run in reader.runs() if not run.ended]
    for run in unfinished:
        station.take_up(run)
    stop = asyncio.Event()
    with _on_signals(stop):
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(station.keep(), name="station")
            try:
                failures = await _first_try(station, stop)
                if stop.is_set():
                    await _open_every_cell(station)
                    return
                if failures and not unfinished:
                    raise BadInput(str(site.path), "; ".join(failures))
                for failure in failures:
                    log.warning("not connected", reason=failure)
                async with _outlet(site, station, journal, alarms) as outlet:

                    def status() -> StationStatus:
                        return _status(station, journal, outlet)

                    async with control_server(station, status, directory):
                        log.info("station up", station=site.station, channels=len(slots))
                        await stop.wait()
                        await _open_every_cell(station)
                        await outlet.drain()
            finally:
                keeping.cancel()
                reader.close()


async def _first_try(station: Station, stop: asyncio.Event) -> list[str]:
    """What could not be reached at the first attempt; nothing when somebody stops the daemon before that is known."""
    trying = asyncio.create_task(station.first_try(), name="first-try")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({trying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return trying.result() if trying.done() else []
    finally:
        trying.cancel()
        stopping.cancel()


def _outlet(site: Site, station: Station, journal: Journal, alarms: _Alarms) -> Outlet:
    acknowledge = acknowledgement(site)
    if due_again(site.state_directory / "records.delivery", acknowledge):
        for context in journal.contexts():
            journal.set_delivered(context.run_id, -1)
    return Outlet(
        broker_settings(site),
        station=site.station,
        acknowledge=acknowledge,
        clock=station.clock,
        journal=journal,
        journal_path=site.state_directory / JOURNAL,
        channels=station.channel_status,
        alarms=alarms.waiting,
        on_refused=station.note_refused,
    )


async def _open_every_cell(station: Station) -> None:
    print(f"{station.name}: opening every cell …", flush=True)
    _print_outcomes(await station.shut_down())


def _print_outcomes(outcomes: dict[str, Safety]) -> None:
    for name, outcome in outcomes.items():
        if isinstance(outcome, Safe):
            measured = "" if outcome.open_circuit_voltage_volt is None else f" at {outcome.open_circuit_voltage_volt:.3f} V"
            print(f"  {name}: cell open, verified{measured}", flush=True)
        else:
            print(f"  {name}: NOT CONFIRMED, treat the cell as polarised: {outcome.reason}", flush=True)


async def _make_all_safe(site: Site, alarms: _Alarms) -> None:
    """Open every cell without a journal, and say what each channel showed."""
    print(f"{site.station}: opening every cell, for the journal cannot be used …", flush=True)
    slots = _slots(site, StationClock(site.clock.scale), alarms)
    async with asyncio.TaskGroup() as tasks:
        keeping = [tasks.create_task(slot.keep(), name=f"slot[{name}]") for name, slot in slots.items()]
        outcomes = await asyncio.gather(*(_connect_and_make_safe(slot) for slot in slots.values()))
        for task in keeping:
            task.cancel()
    _print_outcomes(dict(zip(slots, outcomes, strict=True)))


async def _connect_and_make_safe(slot: rack.Slot) -> Safety:
    await slot.first_try()
    return await slot.make_safe()


def _status(station: Station, journal: Journal, outlet: Outlet) -> StationStatus:
    return StationStatus(
        station=station.name,
        software_version=station.software_version,
        unix_time_nanosecond=station.clock.now_nanosecond(),
        time_scale=station.clock.scale,
        journal_healthy=journal.failing_for_second == 0.0,
        channels=station.channel_status(),
        runs=_run_status(station, journal, outlet),
        links=(*outlet.links(), *_instrument_links(station)),
    )


def _run_status(station: Station, journal: Journal, outlet: Outlet) -> tuple[RunStatus, ...]:
    return tuple(
        RunStatus(
            run_id=run.context.run_id,
            channel=run.context.channel,
            cell=run.context.cell,
            ended=run.ended,
            journaled=journal.committed_seq(run.context.run_id),
            sent=outlet.sent(run.context.run_id),
            confirmed=outlet.confirmed(run.context.run_id),
        )
        for run in station.reader.runs()
    )


def _instrument_links(station: Station) -> Iterator[LinkStatus]:
    for name, slot in station.slots.items():
        yield slot.outage.status(f"channel {name}")


class _Alarms:
    """Where alarms go: log and waiting MQTT messages; and for a cell that may be polarised the site's kill command."""

    def __init__(self, kill_command: str | None) -> None:
        self.waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=1000)
        self._kill_command = kill_command

    def sound(self, where: str, sentence: str) -> None:
        """Raise an alarm about ``where``."""
        log.error("alarm", where=where, what=sentence)
        with contextlib.suppress(asyncio.QueueFull):
            self.waiting.put_nowait((where, sentence))

    def cell(self, channel: str, sentence: str) -> None:
        """Raise the alarm of a channel whose cell may be polarised; called once until its cell is shown to be open."""
        self.sound(channel, sentence)
        if self._kill_command is not None:
            asyncio.get_running_loop().run_in_executor(None, self._kill, self._kill_command, channel)

    def _kill(self, command: str, channel: str) -> None:
        try:
            done = subprocess.run([*shlex.split(command), channel], timeout=_KILL_SECOND, check=False)  # noqa: S603 - the site's own
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            log.error("kill command failed", command=command, channel=channel, reason=str(error))
        else:
            log.error("kill command ran", command=command, channel=channel, status=done.returncode)


@asynccontextmanager
async def _clock(site: Site) -> AsyncIterator[StationClock]:
    if site.clock.control is None:
        yield station_clock(site)
        return
    address = read_address(site.path.parent / site.clock.control)
    async with leased_clock(address, f"station {site.station}", site.clock.slack_second) as clock:
        yield clock


def station_clock(site: Site) -> StationClock:
    """The clock of a site. With a scale, ``origin`` is the site file's or that of this state directory's first start."""
    section = site.clock
    if section.scale == 1.0 or section.start is None:
        return StationClock()
    if section.origin is not None:
        origin = nanosecond_from_datetime(section.origin)
    else:
        origin = _kept_origin(site.state_directory / CLOCK)
    return StationClock(section.scale, nanosecond_from_datetime(section.start), origin)


def _kept_origin(path: Path) -> int:
    try:
        if not path.exists():
            path.write_text(json.dumps({"origin_nanosecond": wall_nanosecond()}), encoding="utf-8")
        return int(json.loads(path.read_text(encoding="utf-8"))["origin_nanosecond"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(str(path), f"the station's clock cannot be kept or read ({error})") from error


def _settings(section: ChannelSection) -> rack.ChannelSettings:
    accuracy = section.accuracy
    return rack.ChannelSettings(
        name=section.name,
        driver=section.driver,
        url=section.url,
        serial=section.serial,
        voltage_min_volt=section.window[0],
        voltage_max_volt=section.window[1],
        current_max_ampere=section.current,
        accuracy_offset=None if accuracy is None else accuracy.offset,
        accuracy_gain=None if accuracy is None else accuracy.gain,
        adc_bits=section.adc_bits,
        autonomy_proven=section.autonomy_proven,
        hardware_watchdog=section.hardware_watchdog,
    )


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """One daemon per state directory: an exclusive transaction on an empty database, which ends with the process."""
    database = _locked(directory)
    try:
        yield
    finally:
        database.close()


def _locked(directory: Path) -> sqlite3.Connection:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(directory / LOCK, timeout=0.0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(str(directory), f"the state directory cannot be used ({error})") from error
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Refused(
                f"{directory}: another daemon is running here; stop it first, or name another state directory"
            ) from None
        raise StoreError(str(directory), f"the state directory cannot be locked ({error})") from error
    return database


@contextmanager
def _on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
