"""A whole station in this process: real runners, rack, journal and driver, and the emulator behind a cable that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.scenario.file import parse_scenario
from emulator.server import serve
from harness.clock import StationClock, nanosecond_from_datetime
from harness.cycling import rack
from harness.cycling.runner import ChannelRunner
from harness.model import records
from harness.model.cell import Cell
from harness.model.run import Geometry
from harness.service.station import RunRequest, Station
from harness.store.registry import Registry
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from tests import facts

AREA_CM2 = 1.0
PATIENCE_SECOND = 20.0
PROGRAM = """
schedule: bench
version: 1
on_gap: {on_gap}
sampling: {{every: 10 s, check: 2 s}}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - {{step: plate, current: 0.5 mA, until: {{charge: 1 mAh}}}}
  - {{step: rest, for: 10 min}}
  - {{step: strip, current: 0.5 mA, until: {{voltage_above: 1 V}}, longest: 4 h}}
"""


class Cable:
    """A TCP port in front of the emulator's, to be pulled and plugged in again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.connections = 0

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"socket://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def pull(self) -> None:
        self._plugged.clear()
        for writer in self._writers:
            writer.transport.abort()

    def plug(self) -> None:
        self._plugged.set()

    def close(self) -> None:
        self.pull()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._plugged.is_set():
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        mine = {writer, far_writer}
        if not self._plugged.is_set():
            for one in mine:
                one.transport.abort()
            return
        self.connections += 1
        self._writers |= mine
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._writers -= mine


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.transport.abort()


@dataclass
class Bench:
    """The station and everything around it."""

    station: Station
    journal: Journal
    cables: dict[str, Cable]
    truth: Path
    alarms: list[tuple[str, str]] = field(default_factory=list)

    def slot(self, name: str = "a1") -> rack.Slot:
        return self.station.slots[name]

    @property
    def runner(self) -> ChannelRunner:
        runner = self.slot().runner
        assert runner is not None
        return runner

    async def start(self, on_gap: str = "abort", text: str = PROGRAM, channel: str = "a1") -> str:
        request = RunRequest(f"cell-{channel}", channel, "bench", text.format(on_gap=on_gap))
        return await self.station.start_run(request)

    async def until(self, condition: Callable[[], bool], second: float = PATIENCE_SECOND) -> None:
        deadline = time.monotonic() + second
        while not condition():
            assert time.monotonic() < deadline, (
                f"not within {second} s: {[vars_of(slot) for slot in self.station.slots.values()]}"
            )
            await asyncio.sleep(0.01)

    async def plating(self) -> None:
        await self.until(lambda: self.runner.live.role == "plate" and self.runner.live.voltage_volt is not None)

    def records(self, run_id: str) -> list[records.Record]:
        return list(self.station.reader.all_records(run_id))

    def incidents(self, run_id: str) -> list[str]:
        return [record.kind for record in self.records(run_id) if isinstance(record, records.Incident)]

    def half_cycles(self) -> list[dict[str, Any]]:
        lines = self.truth.read_text(encoding="utf-8").splitlines()
        return [row for line in lines if (row := json.loads(line))["kind"] == "half_cycle"]


def vars_of(slot: rack.Slot) -> tuple[object, ...]:
    return slot.settings.name, slot.state, slot.message, None if slot.runner is None else slot.runner.phase


MakeBench = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def bench(tmp_path: Path) -> MakeBench:
    """Opens a `Bench` of one channel or more, at 500 times real time."""

    @asynccontextmanager
    async def opened(
        *, scale: float = 500.0, channels: int = 1, events: str = "", flush_second: float = 0.5, **station: Any
    ) -> AsyncIterator[Bench]:
        origin = datetime.now(UTC)
        names = [f"a{number + 1}" for number in range(channels)]
        scenario = parse_scenario(_scenario(scale, origin, names, json.loads(events or "[]")))
        ports = tmp_path / "ports.json"
        started = nanosecond_from_datetime(origin)
        emulator = asyncio.create_task(serve(scenario, tmp_path, ports, lambda _: None, started), name="emulator")
        while not ports.exists():  # noqa: ASYNC110 - the emulator says it by a file
            await asyncio.sleep(0.01)
        told = json.loads(ports.read_text(encoding="utf-8"))
        clock = StationClock(scale, nanosecond_from_datetime(origin - timedelta(days=60)), started)
        alarms: list[tuple[str, str]] = []

        def alarm(where: str, what: str) -> None:
            alarms.append((where, what))

        cables = {name: Cable(int(told[name]["url"].rpartition(":")[2])) for name in names}
        slots = {
            name: rack.Slot(_settings(name, await cables[name].open(), told[name]["serial"]), clock, alarm) for name in names
        }
        registry = Registry(tmp_path)
        registry.put_build(facts.BARE, "somebody")
        for name in names:
            cell = Cell(id=f"cell-{name}", build="bare", geometry=Geometry.DEPOSIT, counter="Li", area_cm2=AREA_CM2)
            registry.put_cell(cell, "somebody")
        async with Journal(tmp_path / "journal.sqlite", flush_deadline_second=flush_second) as journal:
            reader = JournalReader(tmp_path / "journal.sqlite")
            made = Station("bench", "1", clock, journal, reader, registry, slots, alarm, **station)
            keeping = asyncio.create_task(made.keep(), name="station")
            try:
                yield Bench(made, journal, cables, tmp_path / "truth.jsonl", alarms)
                assert not keeping.done()
            finally:
                keeping.cancel()
                await asyncio.wait([keeping])
                reader.close()
                for cable in cables.values():
                    cable.close()
                emulator.cancel()
                await asyncio.wait([emulator])

    return opened


def _scenario(scale: float, origin: datetime, names: list[str], events: list[dict[str, Any]]) -> dict[str, Any]:
    cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": AREA_CM2}
    return {
        "seed": 1,
        "clock": {"scale": scale, "start": (origin - timedelta(days=60)).isoformat(), "origin": origin.isoformat()},
        "truth": {"file": "truth.jsonl"},
        "instruments": [
            {"serial": "EMU4HR0001", "imperfections": "none", "channels": [{"name": name, "cell": cell} for name in names]}
        ],
        "events": events,
    }


def _settings(name: str, url: str, serial: str) -> rack.ChannelSettings:
    return rack.ChannelSettings(name, "methodscript", url, serial, -1.0, 4.6, 10e-3)
