"""A scenario brought to life: channels, their cells, their ports, one process, one event loop.

`serve` runs until it is cancelled; then open half cycles are written to the truth and the ports are closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.assembly import make_channel
from emulator.clock import Clock
from emulator.engine import Engine
from emulator.faults.fault import Target
from emulator.instruments.methodscript.session import Identity, Session
from emulator.links import Link, PtyLink, TcpLink
from emulator.provenance import channel_entry, open_truth, scenario_row
from emulator.scenario.clock import utc_nanosecond
from emulator.scenario.file import Scenario
from emulator.scenario.instruments import ChannelSettings, InstrumentSettings
from emulator.truth import TruthFile, Value
from emulator.wire import Wire


@dataclass(frozen=True, slots=True)
class Station:
    """One channel with its port."""

    session: Session
    link: Link
    wire: Wire
    settings: ChannelSettings


def make_clock(scenario: Scenario, started_nanosecond: int) -> Clock:
    """The scenario's clock; its origin is the process's start unless the file gives one."""
    settings = scenario.clock
    start = 0 if settings.start is None else utc_nanosecond(settings.start)
    origin = started_nanosecond if settings.origin is None else utc_nanosecond(settings.origin)
    return Clock(settings.scale, start, origin)


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
    scenario: Scenario, directory: Path, ports: Path | None, told: Callable[[str], None], started_nanosecond: int = 0
) -> None:
    """Serve a scenario until cancelled. ``told`` gets one line per channel when all ports are open."""
    started = started_nanosecond or time.time_ns()
    clock = make_clock(scenario, started)
    truth = open_truth(scenario.truth, directory)
    stations = [
        make_station(scenario, instrument, place, clock, truth)
        for instrument in scenario.instruments
        for place in range(len(instrument.channels))
    ]
    try:
        for station in stations:
            await station.link.open()
        truth.append(first_row(scenario, stations, clock))
        _tell(stations, ports, told)
        await _live(scenario, stations, clock, truth)
    finally:
        for station in stations:
            station.session.channel.close_row()
            station.link.close()
        truth.close()


async def _live(scenario: Scenario, stations: list[Station], clock: Clock, truth: TruthFile) -> None:
    targets = make_targets(scenario, stations, clock)
    engine = Engine(scenario.events, targets, seed=scenario.seed, clock=clock, truth=truth)
    engine.start(clock.now_nanosecond())
    async with asyncio.TaskGroup() as group:
        for station in stations:
            group.create_task(station.session.run(), name=f"channel {station.settings.name}")
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


def _tell(stations: list[Station], ports: Path | None, told: Callable[[str], None]) -> None:
    table = {station.settings.name: {"url": station.link.url, "serial": station.session.identity.serial} for station in stations}
    if ports is not None:
        write_atomically(ports, json.dumps(table, indent=1) + "\n")
    for name, entry in table.items():
        told(f"{name} {entry['url']} {entry['serial']}")


def write_atomically(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` so that nobody ever reads half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
