"""A scenario brought to life: channels, their cells, their ports, one process, one event loop.

`serve` runs until it is cancelled; then open half cycles are written to the truth, the ports are closed, and how fast time has
run is said. Stepped and self-advancing time need `emulator.quiet.QuietLoop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from emulator import control, snapshot
from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.clock import Clock, Mode, SpeedReport
from emulator.faults import carry_out
from emulator.instruments.channel import Channel
from emulator.instruments.methodscript.session import Identity, Session
from emulator.instruments.models import MODELS
from emulator.links import PtyLink, TcpLink
from emulator.noise import Normals
from emulator.scenario.cells import CellSettings
from emulator.scenario.clock import utc_nanosecond
from emulator.scenario.file import Scenario
from emulator.scenario.instruments import InstrumentSettings
from emulator.station import Station
from emulator.truth import SealedTruth, TruthFile, Value
from emulator.virtual_time import SelfAdvancingClock, SteppedClock, VirtualClock
from emulator.wire_log import Direction, Head, WireLog
from harness.errors import BadInput
from harness.model.run import Geometry


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


def make_cell(settings: CellSettings, normal: Callable[[str], Callable[[int], float]]) -> Cell:
    """The cell a scenario describes; ``normal(stream)`` gives its streams of random numbers."""
    parameters, area = settings.parameters(), settings.area_cm2
    match settings.geometry:
        case Geometry.DEPOSIT:
            return DepositCell(parameters, area, normal("cell"), settings.excess)
        case Geometry.SYMMETRIC:
            return SymmetricCell(parameters, area, normal("cell"), normal("counter"), settings.excess)
        case Geometry.FULL:
            return FullCell(parameters, area, normal("cell"), settings.excess)
        case _:
            assert_never(settings.geometry)


def make_station(scenario: Scenario, instrument: InstrumentSettings, place: int, clock: Clock, truth: TruthFile) -> Station:
    """Channel number ``place`` of an instrument."""
    settings = instrument.channels[place]

    def normal(stream: str) -> Callable[[int], float]:
        return Normals(scenario.seed, settings.name, stream).value

    channel = Channel(
        settings.name,
        MODELS[instrument.model],
        make_cell(settings.cell, normal),
        imperfections=instrument.measured_with(),
        normal=normal,
        truth=truth,
        now_nanosecond=clock.now_nanosecond(),
        cell_name=settings.cell.name or settings.name,
    )
    link = PtyLink() if settings.listen == "pty" else TcpLink(int(settings.listen.partition(":")[2] or 0))
    session = Session(
        channel,
        Identity(instrument.serial_of(place), instrument.serial),
        clock,
        link.send,
        ready=link.ready if scenario.reader_absent == "stall" else None,
        blank_after_fault=scenario.blank_after_runtime_error,
    )
    link.received, link.lost = session.received, session.lost
    return Station(session, link, settings)


def scenario_row(scenario: Scenario, stations: list[Station], clock: Clock) -> dict[str, Value]:
    """The first row of the truth: what was drawn, and a hash of what was asked for."""
    channels: dict[str, Value] = {}
    for station in stations:
        channel = station.session.channel
        parameters = station.settings.cell.parameters().model_dump_json()
        channels[channel.name] = {
            "cell": channel.cell_name,
            "serial": station.session.identity.serial,
            "model": channel.model.name,
            "geometry": station.settings.cell.geometry.value,
            "preset": station.settings.cell.preset,
            "area_cm2": station.settings.cell.area_cm2,
            "parameters_sha256": hashlib.sha256(parameters.encode()).hexdigest(),
            "current_offset_ampere": {
                f"{item.nominal:g}": offset for item, offset in zip(channel.ammeter.ranges, channel.ammeter.offsets, strict=True)
            },
            "voltage_offset_volt": {
                f"{item.nominal:g}": offset
                for item, offset in zip(channel.voltmeter.ranges, channel.voltmeter.offsets, strict=True)
            },
            "current_gain": channel.ammeter.gain,
            "voltage_gain": channel.voltmeter.gain,
        }
    return {
        "kind": "scenario",
        "seed": scenario.seed,
        "scenario_sha256": hashlib.sha256(scenario.model_dump_json().encode()).hexdigest(),
        "time_scale": scenario.clock.scale,
        "unix_time_nanosecond": clock.now_nanosecond(),
        "channels": channels,
    }


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
    truth = _truth(scenario, serving)
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
        truth.append(scenario_row(scenario, stations, clock))
        clock.begin()
        life.callback(lambda: _tell_speed(clock.report(), told))
        address = await life.enter_async_context(_control(scenario, serving, stations, clock))
        _tell(stations, serving.ports, address, told)
        await _live(scenario, stations, clock, truth)


def _truth(scenario: Scenario, serving: _Serving) -> TruthFile:
    path = None if scenario.truth is None else serving.directory / scenario.truth.file
    return SealedTruth(path) if serving.blind else TruthFile(path)


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
    scenario: Scenario, serving: _Serving, stations: list[Station], clock: Clock
) -> AsyncIterator[control.Address | None]:
    by_name = {station.name: station for station in stations}
    if isinstance(clock, SelfAdvancingClock):
        for station in stations:
            clock.look_on(station.name, station.link)
    if serving.ports is None:
        yield None
        return
    about = control.Controlled(scenario.seed, clock, by_name, faults=None, blind=serving.blind)
    async with control.control_port(about) as address:
        yield address


async def _live(scenario: Scenario, stations: list[Station], clock: Clock, truth: TruthFile) -> None:
    begun = clock.now_nanosecond()
    by_name = {station.settings.name: station for station in stations}
    async with asyncio.TaskGroup() as group:
        for station in stations:
            group.create_task(station.session.run(), name=f"channel {station.settings.name}")
        for event in scenario.events:
            station = by_name[event.at.channel]
            group.create_task(
                carry_out(event, station.session, station.link, clock=clock, started_nanosecond=begun, truth=truth),
                name=f"{event.do} {event.at.channel}",
            )


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
