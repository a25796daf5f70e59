"""A small station in a thread: a real journal that grows, derived rows, and a control port that speaks the daemon's language."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from harness.model.derived import CycleRow, DerivedRow, ImpedanceFitRow
from harness.model.records import Incident, RunStarted, Sample
from harness.model.run import Role, RunContext
from harness.model.status import ChannelState, ChannelStatus, LinkStatus, RunStatus, StationStatus
from harness.service.control import FILE, TOKEN_HEADER, ControlAddress, write_secret
from harness.store.derived import DerivedStore
from harness.store.local import DERIVED_NAME, JOURNAL_NAME
from harness.stream.journal import Journal
from tests import facts

START = 1_768_348_800_000_000_000  # 2026-01-14T00:00:00Z
SECOND = 1_000_000_000
SAMPLE_SECOND = 120
CYCLE_SAMPLES = 75
BUILDS = ("bare-cu", "gold-5nm", "lipon-20nm", "n2-plasma")
CURRENT = 565e-6
FACTS = replace(facts.FACTS, time_scale=600.0)


@dataclass(slots=True)
class SmallCell:
    """One channel with a Li||Cu cell: plate for an hour, strip to the cut-off, rest."""

    number: int
    channel: str
    cell: str
    build: str
    state: ChannelState = ChannelState.RUNNING
    message: str = ""
    seq: int = 0
    ticks: int = 0
    last: Sample | None = None

    @property
    def run_id(self) -> str:
        return f"{self.cell}-20260114t000000"

    @property
    def context(self) -> RunContext:
        return RunContext("lab3", self.channel, self.cell, self.build, self.run_id)

    def start(self) -> RunStarted:
        self.seq = 1
        return RunStarted(self.run_id, 0, START - SECOND, FACTS)

    def sample(self) -> Sample:
        cycle, place = divmod(self.ticks, CYCLE_SAMPLES)
        role, voltage = _voltage(place + self.number % 5, 0.028 + 0.0012 * (self.number % 8) + 0.0009 * cycle)
        current = {Role.PLATE: -CURRENT, Role.STRIP: CURRENT}.get(role, 0.0)
        second = float(self.ticks * SAMPLE_SECOND)
        step = {Role.PLATE: 0, Role.STRIP: 1}.get(role, 2)
        made = Sample(self.run_id, self.seq, START + round(second * SECOND) + self.number, second, place * 120.0,
                      voltage + 2e-4 * math.sin(17.0 * self.ticks + self.number), current, cycle + 1, step,
                      f"steps[2].repeat[{step}]", role, 1e-3, "")  # fmt: skip
        self.seq += 1
        self.ticks += 1
        self.last = made
        return made

    def cycle_rows(self, cycle: int) -> list[DerivedRow]:
        level = 0.978 + 0.004 * (self.number % 4) + 0.0004 * (self.number % 3)
        efficiency = level - 0.09 * math.exp(-cycle / 1.2) + 0.0009 * math.sin(9.0 * cycle + 3.0 * self.number)
        resistance = 32.0 + 6.0 * (self.number % 4) + (0.5 + 0.35 * (self.number % 5)) * cycle
        stamp = START + cycle * CYCLE_SAMPLES * SAMPLE_SECOND * SECOND
        std = 6e-4 + 2e-4 * (self.number % 3)
        plated = CURRENT
        return [
            CycleRow(self.run_id, cycle, stamp, "cycle", plated, 1e-7, plated * efficiency, 1e-7, efficiency, std, std / 2,
                     55.0, 0.4, 52.0, 0.4, 9000.0, "", "1"),
            ImpedanceFitRow(self.run_id, cycle, stamp + 1, cycle, 4.2, 0.05, resistance, 0.9, resistance * 1.13, 1.0, 0.01,
                            "", "1"),
        ]  # fmt: skip

    def status(self) -> ChannelStatus:
        at_work = self.state not in (ChannelState.IDLE, ChannelState.CONNECTING)
        last = self.last if at_work else None
        return ChannelStatus(
            channel=self.channel,
            driver="methodscript",
            url="socket://127.0.0.1:1",
            serial=f"EMU{self.number:04d}",
            state=self.state,
            message=self.message,
            cell=self.cell if at_work else None,
            build=self.build if at_work else None,
            run_id=self.run_id if at_work else None,
            schedule="li-cu-cycling" if at_work else None,
            step_path=None if last is None else last.step_path,
            role=None if last is None else last.role.value,
            cycle_count=None if last is None else last.cycle_count,
            voltage_volt=None if last is None else last.voltage_volt,
            current_ampere=None if last is None else last.current_ampere,
            unix_time_nanosecond=None if last is None else last.unix_time_nanosecond,
        )


def _voltage(place: int, polarisation: float) -> tuple[Role, float]:
    if place < 30:
        return Role.PLATE, -polarisation * (1.0 + 1.3 * math.exp(-place / 1.5))
    if place < 60:
        return Role.STRIP, polarisation * (1.0 + 0.25 * math.exp(-(place - 30) / 3.0)) + 0.28 * math.exp((place - 59) / 1.2)
    return Role.REST, 0.28 * math.exp(-(place - 59) / 2.0) + 0.004


@dataclass(slots=True)
class SmallStation:
    """A journal, derived rows and a control port, in a thread of its own. ``commands`` is what was asked of the daemon."""

    directory: Path
    cells: list[SmallCell]
    history: int = 14 * CYCLE_SAMPLES
    period_second: float = 0.2
    links: tuple[LinkStatus, ...] = (LinkStatus(name="broker", connected=True), LinkStatus(name="influx", connected=True))
    commands: list[tuple[str, str, str]] = field(default_factory=list)
    refusal: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    _halt: Callable[[], None] = lambda: None
    _done: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """The thread's work."""
        asyncio.run(self._live())

    def halt(self) -> None:
        self._halt()

    async def _live(self) -> None:
        halted = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._halt = functools.partial(_call, loop, halted.set)
        async with Journal(self.directory / JOURNAL_NAME) as journal:
            derived = DerivedStore(self.directory / DERIVED_NAME)
            runner = await self._listen(journal)
            try:
                await self._begin(journal, derived)
                self.ready.set()
                while not halted.is_set():
                    self._grow(journal, derived)
                    await _pause(halted, self.period_second)
            finally:
                await runner.cleanup()
                derived.close()
                (self.directory / FILE).unlink(missing_ok=True)

    async def _begin(self, journal: Journal, derived: DerivedStore) -> None:
        working = [one for one in self.cells if one.state not in (ChannelState.IDLE, ChannelState.CONNECTING)]
        for one in working:
            journal.begin_run(one.context, one.start())
        for _ in range(self.history):
            for one in working:
                journal.append(one.sample())
            await asyncio.sleep(0)
        for one in working:
            rows = [row for cycle in range(1, self.history // CYCLE_SAMPLES + 1) for row in one.cycle_rows(cycle)]
            if rows:
                derived.put(one.context, rows)
            self._done[one.cell] = self.history // CYCLE_SAMPLES
            if one.state is not ChannelState.RUNNING:
                severity = "alarm" if one.state is ChannelState.ALARM else "info"
                journal.append(Incident(one.run_id, one.seq, START + 10**18, severity, one.state.value, one.message))
        await journal.flush()

    def _grow(self, journal: Journal, derived: DerivedStore) -> None:
        for one in self.cells:
            if one.state is ChannelState.RUNNING:
                made = one.sample()
                journal.append(made)
                closed = made.cycle_count - 1
                if closed > self._done.get(one.cell, 0):
                    derived.put(one.context, one.cycle_rows(closed))
                    self._done[one.cell] = closed

    async def _listen(self, journal: Journal) -> web.AppRunner:
        token = "of-this-test"

        async def show(request: web.Request) -> web.Response:
            assert request.headers[TOKEN_HEADER] == token
            return web.Response(text=self._status(journal).model_dump_json(), content_type="application/json")

        async def command(request: web.Request) -> web.Response:
            assert request.headers[TOKEN_HEADER] == token
            action, run_id = request.match_info["action"], request.match_info["run_id"]
            if self.refusal:
                return web.json_response({"what": self.refusal}, status=409)
            self.commands.append((action, run_id, str((await request.json())["who"])))
            one = next(one for one in self.cells if one.run_id == run_id)
            one.state = {"pause": ChannelState.PAUSED, "resume": ChannelState.RUNNING}.get(action, ChannelState.IDLE)
            return web.json_response({"run_id": run_id})

        application = web.Application()
        application.router.add_get("/status", show)
        application.router.add_post("/runs/{run_id}/{action:pause|resume|stop}", command)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = ControlAddress(url=f"http://127.0.0.1:{runner.addresses[0][1]}", token=token, pid=os.getpid())
        write_secret(self.directory / FILE, address.model_dump_json())
        return runner

    def _status(self, journal: Journal) -> StationStatus:
        newest = max((one.last.unix_time_nanosecond for one in self.cells if one.last is not None), default=START)
        runs = tuple(
            RunStatus(run_id=one.run_id, channel=one.channel, cell=one.cell, ended=False,
                      journaled=journal.committed_seq(one.run_id), sent=one.seq - 1, confirmed=journal.committed_seq(one.run_id))
            for one in self.cells if one.seq
        )  # fmt: skip
        return StationStatus(
            station="lab3",
            software_version="0.1.0",
            unix_time_nanosecond=newest + 30 * SECOND,
            time_scale=600.0,
            journal_healthy=True,
            channels=tuple(one.status() for one in self.cells),
            runs=runs,
            links=self.links,
        )


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """In ``loop``, if it still runs."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)


async def _pause(halted: asyncio.Event, second: float) -> None:
    try:
        async with asyncio.timeout(second):
            await halted.wait()
    except TimeoutError:
        return


def small_cells(count: int) -> list[SmallCell]:
    return [
        SmallCell(number, f"{'abcdefgh'[number // 8]}{number % 8 + 1}", f"cu-{number + 1:02d}", BUILDS[number % len(BUILDS)])
        for number in range(count)
    ]


@dataclass(slots=True)
class Served:
    """A station, and the data server's process that shows it."""

    station: SmallStation
    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        """End the server; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=15)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


@contextlib.contextmanager
def living(station: SmallStation) -> Iterator[SmallStation]:
    """Let ``station`` live in a thread."""
    thread = threading.Thread(target=station.run, name="small-station", daemon=True)
    thread.start()
    try:
        assert station.ready.wait(20), "the small station did not start"
        yield station
    finally:
        station.halt()
        thread.join(15)


@contextlib.contextmanager
def serving(station: SmallStation) -> Iterator[Served]:
    """Let ``station`` live and a data server show it; warnings are errors in the server too."""
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    command = [sys.executable, "-W", "error", str(Path(__file__).parent / "page_server.py"), str(station.directory)]
    with living(station):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=station.directory)
        assert process.stdout is not None
        made = Served(station, process, process.stdout.readline().strip())
        try:
            assert made.url, "the data server did not start"
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Eight channels that run, and the server that shows them."""
    with serving(SmallStation(tmp_path_factory.mktemp("station"), small_cells(8))) as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Callable[[SmallStation], Served]]:
    """Serve a station of one's own; it ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda station: stack.enter_context(serving(station))


@pytest.fixture(scope="session")
def small_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStation]:
    """Three channels whose journal grows, without a data server."""
    with living(SmallStation(tmp_path_factory.mktemp("small"), small_cells(3), history=4 * CYCLE_SAMPLES)) as made:
        yield made


@pytest.fixture
def make_station(tmp_path: Path) -> Callable[..., SmallStation]:
    """A station of so many cells, in a directory of its own, that does not live yet."""

    def make(count: int, *, history: int = 80, period_second: float = 0.2, links: tuple[LinkStatus, ...] = ()) -> SmallStation:
        return SmallStation(tmp_path, small_cells(count), history, period_second, links)

    return make
