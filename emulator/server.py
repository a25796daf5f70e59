"""A scenario brought to life: channels, their cells, their ports, one process, one event loop.

`serve` runs until it is cancelled; then open half cycles are written to the truth, the ports are closed, and how fast time has
run is said. Stepped and self-advancing time need `emulator.quiet.QuietLoop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from emulator.assembly import make_channel
from emulator.clocks.clock import Clock, Mode, SpeedReport
from emulator.clocks.virtual_time import SelfAdvancingClock, SteppedClock, VirtualClock
from emulator.control_port import server as control
from emulator.engine import Engine
from emulator.faults.fault import Target
from emulator.faults.stages import Wire
from emulator.instruments.methodscript.session import Identity, Session
from emulator.links import PtyLink, TcpLink
from emulator.provenance import channel_entry, open_truth, scenario_row
from emulator.scenario.clock import utc_nanosecond
from emulator.scenario.file import Scenario
from emulator.scenario.instruments import InstrumentSettings
from emulator.snapshots import snapshot
from emulator.station import Station
from emulator.truth import TruthFile, Value
from emulator.wire_log.log import Direction, Head, WireLog
from harness.errors import BadInput


@dataclass(frozen=True, slots=True)
class _Serving:
    """How a scenario is served.

    ``ports`` is where the channels' addresses are written as JSON, with the control port's under `control.ENTRY` (mode 0600);
    without it there is no control port. ``record`` is a directory for wire logs. ``blind`` seals the truth until the end.
    """

    directory: Path
    ports: Path | None = None
    started_nanosecond: int = 0
    blind: bool = False
    record: Path | None = None


def make_clock(scenario: Scenario, started_nanosecond: int) -> Clock:
    """The scenario's clock; the origin of scaled time is the process's start unless the file gives one."""
    settings = scenario.clock
    start = 0 if settings.start is None else utc_nanosecond(settings.start)
    origin = started_nanosecond if settings.origin is None else utc_nanosecond(settings.origin)
    match settings.runs:
        case Mode.REAL | Mode.SCALED:
            return Clock(settings.scale, start, origin)
        case Mode.STEPPED:
            return SteppedClock(start_nanosecond=start)
        case Mode.SELF_ADVANCING:
            return SelfAdvancingClock(settings.scale, start)
        case _:
            assert_never(settings.runs)


def make_station(scenario: Scenario, instrument: InstrumentSettings, place: int, clock: Clock, truth: TruthFile) -> Station:
    """Channel number ``place`` of an instrument."""
    settings = instrument.channels[place]
    channel = make_channel(scenario.seed, instrument, place, truth, clock.now_nanosecond())
    link = PtyLink() if settings.listen == "pty" else TcpLink(int(settings.listen.partition(":")[2] or 0))
    wire = Wire()
    session = Session(
        channel,
        Identity(instrument.serial_of(place), instrument.serial),
        clock,
        wire.to_host,
        ready=link.ready if scenario.reader_absent == "stall" else None,
        blank_after_fault=scenario.blank_after_runtime_error,
        say_set_points=scenario.loops_say == "set",
    )
    wire.connect(link.send, session.received)
    link.received, link.lost = wire.from_host, session.lost
    return Station(session, link, wire, settings)


def first_row(scenario: Scenario, stations: list[Station], clock: Clock) -> dict[str, Value]:
    """The first row of the truth: what was drawn, and a hash of what was asked for."""
    channels: dict[str, Value] = {}
    for station in stations:
        channel, cell = station.session.channel, station.settings.cell
        channels[channel.name] = channel_entry(channel, station.session.identity.serial, cell, cell.parameters())
    return scenario_row(scenario, channels, clock.now_nanosecond(), clock.scale)


async def serve(
    scenario: Scenario,
    directory: Path,
    ports: Path | None,
    told: Callable[[str], None],
    started_nanosecond: int = 0,
    *,
    blind: bool = False,
    record: Path | None = None,
) -> None:
    """Serve a scenario of ``directory`` until cancelled. ``told`` gets one line per channel when all ports are open, and a last
    one about the speed; that goes to standard error when time could not be kept up with.

    Raises:
        BadInput: a file that the scenario names cannot be used.
    """
    await _serve(scenario, _Serving(directory, ports, started_nanosecond, blind=blind, record=record), told)


async def _serve(scenario: Scenario, serving: _Serving, told: Callable[[str], None]) -> None:
    clock = make_clock(scenario, serving.started_nanosecond or time.time_ns())
    if isinstance(clock, VirtualClock):
        clock.attach(asyncio.get_running_loop())
    truth = open_truth(scenario.truth, serving.directory, blind=serving.blind)
    stations = [
        make_station(scenario, instrument, place, clock, truth)
        for instrument in scenario.instruments
        for place in range(len(instrument.channels))
    ]
    async with contextlib.AsyncExitStack() as life:
        life.callback(truth.close)
        for station in stations:
            _start_from(station, serving.directory, clock)
            if serving.record is not None:
                life.callback(_record(station, serving.record, scenario.seed, clock).close)
            await station.link.open()
            life.callback(station.link.close)
            life.callback(station.session.channel.close_row)
        truth.append(first_row(scenario, stations, clock))
        clock.begin()
        engine = Engine(scenario.events, make_targets(scenario, stations, clock), seed=scenario.seed, clock=clock, truth=truth)
        engine.start(clock.now_nanosecond())
        life.callback(lambda: _tell_speed(clock.report(), told))
        address = await life.enter_async_context(_control(scenario, serving, stations, clock, engine))
        _tell(stations, serving.ports, address, told)
        await _live(stations, engine)


def _start_from(station: Station, directory: Path, clock: Clock) -> None:
    """Give a channel the state its scenario says it starts from."""
    start = station.settings.start_from
    if start is None:
        return
    where = f"instruments: channel {station.name}: start_from.snapshot"
    kept = snapshot.read(directory / start.snapshot)
    try:
        snapshot.restore(kept, station.session.channel, station.settings.cell, clock.now_nanosecond())
    except snapshot.SnapshotRefused as refusal:
        raise BadInput(where, str(refusal)) from None


def _record(station: Station, directory: Path, seed: int, clock: Clock) -> WireLog:
    """Have everything that passes at a channel's port written down."""
    directory.mkdir(parents=True, exist_ok=True)
    session, link = station.session, station.link
    head = Head(channel=station.name, serial=session.identity.serial, model=session.channel.model.name, seed=seed)
    log = WireLog(directory / f"{station.name}.jsonl", head, lambda: clock.speaking_nanosecond or clock.now_nanosecond())
    link.onlookers.append(lambda direction, data: log.note(Direction(direction), data))
    return log


@contextlib.asynccontextmanager
async def _control(
    scenario: Scenario, serving: _Serving, stations: list[Station], clock: Clock, engine: Engine
) -> AsyncIterator[control.Address | None]:
    by_name = {station.name: station for station in stations}
    if isinstance(clock, SelfAdvancingClock):
        for station in stations:
            clock.look_on(station.name, station.link)
    if serving.ports is None:
        yield None
        return
    about = control.Controlled(scenario.seed, clock, by_name, faults=engine, blind=serving.blind)
    async with control.control_port(about) as address:
        yield address


async def _live(stations: list[Station], engine: Engine) -> None:
    async with asyncio.TaskGroup() as group:
        for station in stations:
            group.create_task(station.session.run(), name=f"channel {station.name}")
        group.create_task(engine.run(), name="events")


def make_targets(scenario: Scenario, stations: list[Station], clock: Clock) -> dict[str, Target]:
    """Every channel as faults see it."""
    targets: dict[str, Target] = {}
    chassis = {
        channel.name: tuple(other.name for other in instrument.channels)
        for instrument in scenario.instruments
        for channel in instrument.channels
    }
    for station in stations:
        name = station.settings.name
        targets[name] = Target(name, station.session, station.link, station.wire, clock, targets, chassis[name])
    return targets


def _tell(stations: list[Station], ports: Path | None, address: control.Address | None, told: Callable[[str], None]) -> None:
    table = {station.name: {"url": station.link.url, "serial": station.session.identity.serial} for station in stations}
    if ports is not None:
        secret = {} if address is None else {control.ENTRY: {"url": address.url, "token": address.token}}
        write_secret(ports, json.dumps(table | secret, indent=1) + "\n")
    for name, entry in table.items():
        told(f"{name} {entry['url']} {entry['serial']}")


def _tell_speed(report: SpeedReport, told: Callable[[str], None]) -> None:
    if report.kept_up:
        told(report.sentence())
    else:
        print(report.sentence(), file=sys.stderr, flush=True)


def write_secret(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, for nobody else to read (mode 0600), so that nobody ever reads half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
