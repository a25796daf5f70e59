"""What a station of 64 channels costs: the daemon alone, and then the whole station with broker, store, rollup and page.

Sixteen emulated instruments of four channels, 64 cells that plate, one reading per second each, in real time. CPU time is that of
each process alone; how late the daemon's event loop wakes a task is measured inside it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import yaml

from harness.model.anode import ActiveLithium, AnodeBuild
from harness.model.cell import Cell
from harness.model.run import Geometry
from harness.service.station import RunRequest
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.store.registry import Registry
from harness.stream.journal_reader import JournalReader
from tests.benchmarks.bench_delivery import counted, ready
from tests.benchmarks.figure import Figure, percentile
from tests.benchmarks.usage import Usage, cpu_percent, usage_of
from tests.e2e.conftest import Bench
from tests.services import Influxd, Mosquitto, new_influxd, new_mosquitto

INSTRUMENTS, CHANNELS_EACH = 16, 4
CHANNELS = INSTRUMENTS * CHANNELS_EACH
SETTLE_SECOND = 3.0
WINDOW_SECOND = 30.0
_STOP_SECOND = 20.0
_AREA_CM2 = 1.267
SCHEDULE = """
schedule: one-hertz
version: 1
sampling: {every: 1 s, check: 1 s}
limits: {voltage: [-0.5 V, 3.3 V]}
steps:
  - {step: plate, current: 0.5 mA/cm^2, until: {charge: 2 mAh/cm^2}}
"""


def measure() -> list[Figure]:
    """The daemon alone, then the whole station."""
    return [*_daemon_alone(), *_whole_station()]


class Fleet(Bench):
    """A bench of sixteen instruments in real time, and a daemon with a probe in it."""

    @property
    def lateness(self) -> Path:
        """Where the probe writes."""
        return self.directory / "lateness.json"

    def start_fleet(self) -> None:
        """Serve all instruments, with their imperfections."""
        instruments = [
            {
                "serial": f"EMU4HR{number:04d}",
                "model": "es4_hr",
                "channels": [_channel(number, place) for place in range(CHANNELS_EACH)],
            }
            for number in range(INSTRUMENTS)
        ]
        scenario = self.directory / "scenario.yaml"
        scenario.write_text(yaml.safe_dump({"seed": 1, "instruments": instruments}, sort_keys=False), encoding="utf-8")
        ports = self.directory / "ports.json"
        self.emulator = self._spawn("emulator", "-m", "emulator", str(scenario), "--ports", str(ports))
        self.wait_ports(ports)

    def start_probed_daemon(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it answers."""
        program = Path(__file__).with_name("probed_daemon.py")
        daemon = self._spawn("daemon", str(program), str(self.site), str(self.lateness))
        self.wait(lambda: self._answers(daemon))
        return daemon

    def start_runs(self) -> list[str]:
        """Register a cell for every channel and start them all; the runs."""
        registry = Registry(self.state)
        registry.put_build(AnodeBuild(id="bare-foil", active=ActiveLithium(origin="foil"), layers=()), "bench")
        for channel in self.ports:
            cell = Cell(id=f"cu-{channel}", build="bare-foil", geometry=Geometry.DEPOSIT, counter="Li", area_cm2=_AREA_CM2)
            registry.put_cell(cell, "bench")

        async def start() -> list[str]:
            requests = [RunRequest(f"cu-{channel}", channel, "one-hertz", SCHEDULE) for channel in self.ports]
            return list(await asyncio.gather(*map(self.client.start, requests)))

        runs = asyncio.run(start())
        self.wait(lambda: all(channel.voltage_volt is not None for channel in self.status().channels))
        return runs

    def stop_runs(self, runs: Sequence[str]) -> None:
        """End them all and wait until every record is confirmed."""

        async def stop() -> None:
            await asyncio.gather(*(self.client.stop(run, "bench") for run in runs))

        asyncio.run(stop())
        self.wait(lambda: all(run.ended and run.confirmed == run.journaled for run in self.status().runs))

    def journaled(self) -> int:
        """How many records the journal has."""
        with closing(JournalReader(self.state / "journal.sqlite")) as reader:
            return reader.position()

    def end_all(self) -> None:
        """End every process, the youngest first."""
        for process in reversed(self.processes):
            self.end(process)


def _channel(number: int, place: int) -> dict[str, object]:
    """Channel ``place`` of instrument ``number``, as a scenario says it."""
    cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": _AREA_CM2}
    return {"name": f"a{number * CHANNELS_EACH + place}", "listen": "tcp", "cell": cell}


@contextmanager
def _fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        fleet = Fleet(Path(directory), scale=1.0)
        try:
            fleet.start_fleet()
            yield fleet
        finally:
            fleet.end_all()


class _Window:
    """What several processes use while it lasts."""

    def __init__(self, fleet: Fleet, processes: dict[str, int]) -> None:
        self._fleet = fleet
        self._processes = processes
        self.percent: dict[str, float] = {}
        self.usage: dict[str, Usage] = {}
        self.records_per_second = 0.0
        self.begun = self.ended = 0.0

    def watch(self) -> None:
        """Let the station settle, then watch it."""
        time.sleep(SETTLE_SECOND)
        before = {name: usage_of(pid) for name, pid in self._processes.items()}
        rows, self.begun = self._fleet.journaled(), time.monotonic()
        time.sleep(WINDOW_SECOND)
        self.ended = time.monotonic()
        self.records_per_second = (self._fleet.journaled() - rows) / (self.ended - self.begun)
        self.usage = {name: usage_of(pid) for name, pid in self._processes.items()}
        self.percent = {name: cpu_percent(before[name], self.usage[name]) for name in self._processes}

    def daemon_figures(self, title: str) -> list[Figure]:
        """The daemon's rows, once it has ended."""
        late = [late for at, late in json.loads(self._fleet.lateness.read_text()) if self.begun <= at <= self.ended]
        tail = f"p99 {percentile(late, 99):.1f}, worst {max(late):.1f}"
        return [
            Figure(f"{title}, CPU", self.percent["daemon"], "% of a core", f"{self.records_per_second:.1f} rows/s journaled"),
            Figure(f"{title}, memory", self.usage["daemon"].resident_megabyte, "MB", "resident"),
            Figure(f"{title}, event loop late, p50", percentile(late, 50), "ms", tail),
        ]

    def others(self, *names: str) -> list[Figure]:
        """One row for each of the other processes."""
        return [
            Figure(f"  beside it: {name}, CPU", self.percent[name], "% of a core", f"{self.usage[name].resident_megabyte:.0f} MB")
            for name in names
        ]


def _daemon_alone() -> list[Figure]:
    with _fleet() as fleet:
        fleet.write_site()
        daemon = fleet.start_probed_daemon()
        fleet.start_runs()
        assert fleet.emulator is not None
        window = _Window(fleet, {"daemon": daemon.pid, "emulator": fleet.emulator.pid})
        window.watch()
        fleet.end(daemon)
        return [*window.daemon_figures(f"daemon alone, {CHANNELS} × 1 Hz"), *window.others("emulator")]


def _whole_station() -> list[Figure]:
    with ExitStack() as stack:
        fleet = stack.enter_context(_fleet())
        influxd, mosquitto = _servers(stack, fleet.directory)
        fleet.write_site(
            f'[mqtt]\nurl = "{mosquitto.url}"\n[influx]\nurl = "{influxd.url}"\ndatabase = "harness"\n[serve]\nport = 0'
        )
        asyncio.run(_create(influxd))
        daemon = fleet.start_probed_daemon()
        processes = {"daemon": daemon.pid} | {name: fleet.start(name).pid for name in ("ingest", "rollup", "serve")}
        ready(fleet.directory / "ingest.log", fleet.processes[-3], "ingest subscribed")
        runs = fleet.start_runs()
        for server in (mosquitto, influxd):
            assert server.process is not None
            processes[type(server).__name__.lower()] = server.process.pid
        window = _Window(fleet, processes)
        window.watch()
        fleet.stop_runs(runs)
        assert counted(influxd, "harness") == _samples(fleet), "InfluxDB has not what the journal has"
        fleet.end(daemon)
        figures = window.daemon_figures("daemon in a whole station")
        return [*figures, *window.others("ingest", "rollup", "serve", "mosquitto", "influxd")]


def _servers(stack: ExitStack, directory: Path) -> tuple[Influxd, Mosquitto]:
    for name in ("influxd", "mosquitto"):
        (directory / name).mkdir()
    influxd = new_influxd(directory / "influxd")
    stack.callback(influxd.stop)
    mosquitto = new_mosquitto(directory / "mosquitto")
    stack.callback(mosquitto.stop)
    return influxd, mosquitto


async def _create(influxd: Influxd) -> None:
    async with InfluxWriter(InfluxSettings(influxd.url, "harness")) as writer:
        await writer.create_database()


def _samples(fleet: Fleet) -> int:
    """How many samples the journal has."""
    from harness.store.local import LocalStore  # noqa: PLC0415

    store = LocalStore(fleet.state)
    return store.samples(store.runs()["run_id"].to_list()).height
