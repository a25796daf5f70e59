"""``harness demo``: eight emulated cells and the whole pipeline behind ports, then a table of what came out beside the truth.

The demo is an ordinary station: it writes a scenario and a site file, starts the emulator as a process of its own, and runs
the same code a lab runs. It alone also reads the emulator's truth file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from harness.analysis.coulombic import mean_coulombic_efficiency
from harness.compare import Truth, half_cycle_windows, true_cycles
from harness.config import Site, load_site
from harness.errors import BadInput, HarnessError
from harness.model.run import Geometry
from harness.model.schedule import ready_schedule
from harness.model.status import ChannelStatus, StationStatus
from harness.query import Lab, cycle_rows
from harness.service.control import ControlClient, ControlUnavailable
from harness.service.daemon import JOURNAL
from harness.service.fleet import FLEET, INSTRUMENTS, DemoCell
from harness.service.processes import run_up
from harness.service.station import RunRequest
from harness.service.tables import headed, plus_minus
from harness.store.registry import Registry
from harness.stream.journal_reader import JournaledRun, JournalReader

SCALE = 2500.0
"""Emulated seconds per second: ten cycles of the slowest cell in about a minute."""
PLANNED = timedelta(days=30)
"""How far in the past the demo's time begins, so that no stamp lies in the future."""
MARKER = ".demo"
_START_SECOND = 60.0
_SETTLE_SECOND = 30.0
_OFFSET = 0.0002
_ADC_BITS = 16


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose."""

    cycles: int
    exit_when_done: bool
    report: Path | None
    directory: Path
    port: int
    ideal: bool


@dataclass(frozen=True, slots=True)
class CellReport:
    """What the demo found for one cell, beside the truth. Resistances are those of the last sweep."""

    cell: str
    build: str
    cycles: int
    coulombic_efficiency: float | None
    coulombic_efficiency_std: float | None
    true_coulombic_efficiency: float | None
    series_resistance_ohm: float | None
    series_resistance_ohm_std: float | None
    interface_resistance_ohm: float | None
    interface_resistance_ohm_std: float | None


async def run_demo(options: DemoOptions) -> None:
    """Run the demo; returns when it is done, or on Ctrl-C."""
    console = Console()
    directory = _fresh_directory(options.directory)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    origin = datetime.now(UTC)
    async with _emulator(directory, origin, ideal=options.ideal) as ports:
        site = _write_site(directory, ports, origin, options)
        _register(site)
        async with asyncio.TaskGroup() as tasks:
            up = tasks.create_task(run_up(site, stop, log_directory=directory), name="up")
            try:
                await _show(console, site, options, stop, up)
            finally:
                stop.set()


async def _show(console: Console, site: Site, options: DemoOptions, stop: asyncio.Event, up: asyncio.Task[int]) -> None:
    client = ControlClient(site.state_directory)
    await _until_up(client, stop, up)
    page = f"http://127.0.0.1:{site.serve.port}"
    console.print(
        f"[bold]{len(FLEET)} cells, {options.cycles} cycles each[/] · time × {SCALE:g} · watch them at [link]{page}[/link]"
    )
    runs = await _start_runs(client, options)
    if not await _progress(console, client, options, runs, stop):
        return
    reports = await _reports(site, options, runs, stop)
    console.print(_table(reports))
    if options.report is not None:
        options.report.write_text(
            json.dumps({"cells": [asdict(report) for report in reports]}, indent=2) + "\n", encoding="utf-8"
        )
        console.print(f"the same numbers are in {options.report}")
    if not options.exit_when_done:
        console.print(f"The cells go on cycling; the page stays at [link]{page}[/link] until Ctrl-C.")
        await stop.wait()


# -- before -------------------------------------------------------------------------------------------------------------


def _fresh_directory(directory: Path) -> Path:
    if directory.exists():
        if not (directory / MARKER).exists():
            raise BadInput("--directory", f"{directory} exists and is no demo station; name another or remove it")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / MARKER).touch()
    return directory.absolute()


@asynccontextmanager
async def _emulator(directory: Path, origin: datetime, *, ideal: bool) -> AsyncIterator[dict[str, dict[str, str]]]:
    """The emulator as a process; yields each channel's address and serial number."""
    scenario, ports = directory / "scenario.yaml", directory / "ports.json"
    scenario.write_text(yaml.safe_dump(_scenario(origin, ideal=ideal), sort_keys=False), encoding="utf-8")
    arguments = ("-m", "emulator", str(scenario), "--ports", str(ports))
    with (directory / "emulator.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=output, stderr=output, start_new_session=True
        )
    try:
        async with asyncio.timeout(_START_SECOND):
            while not ports.exists():
                if process.returncode is not None:
                    raise HarnessError(f"the emulator ended with status {process.returncode}; see {directory / 'emulator.log'}")
                await asyncio.sleep(0.05)
        yield json.loads(ports.read_text(encoding="utf-8"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _scenario(origin: datetime, *, ideal: bool) -> dict[str, object]:
    return {
        "seed": 1,
        "clock": {"scale": SCALE, "start": (origin - PLANNED).isoformat(), "origin": origin.isoformat()},
        "truth": {"file": "truth.jsonl"},
        "instruments": [
            {
                "serial": serial,
                "model": "es4_hr",
                "imperfections": "none" if ideal else {"offset": _OFFSET, "gain": 0.0, "adc_bits": _ADC_BITS},
                "channels": [_channel(one) for one in FLEET if one.instrument == serial],
            }
            for serial in INSTRUMENTS
        ],
    }


def _channel(one: DemoCell) -> dict[str, object]:
    cell = {"geometry": one.cell.geometry.value, "preset": one.preset, "area_cm2": one.cell.area_cm2}
    return {"name": one.channel, "listen": "tcp", "cell": cell}


def _write_site(directory: Path, ports: dict[str, dict[str, str]], origin: datetime, options: DemoOptions) -> Site:
    path = directory / "site.toml"
    lines = [
        'station = "demo"',
        "[clock]",
        f"scale = {SCALE}",
        f"start = {(origin - PLANNED).isoformat()}",
        f"origin = {origin.isoformat()}",
        "[serve]",
        f"port = {options.port}",
    ]
    for one in FLEET:
        port = ports[one.channel]
        lines += [
            "[[channel]]",
            f'name = "{one.channel}"',
            'driver = "methodscript"',
            f'url = "{port["url"]}"',
            f'serial = "{port["serial"]}"',
            'window = ["-1 V", "4.6 V"]',
            'current = "10 mA"',
        ]
        if not options.ideal:
            lines += [f'accuracy = {{ offset = "{_OFFSET * 100:g} %", gain = "0 %" }}', f"adc_bits = {_ADC_BITS}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_site(path)


def _register(site: Site) -> None:
    registry = Registry(site.state_directory)
    for one in FLEET:
        registry.put(one.cell, "demo")


# -- while it runs ------------------------------------------------------------------------------------------------------


async def _until_up(client: ControlClient, stop: asyncio.Event, up: asyncio.Task[int]) -> None:
    async with asyncio.timeout(_START_SECOND):
        while not stop.is_set():
            if up.done():
                raise HarnessError(f"the station ended with status {up.result()} before it was up")
            with contextlib.suppress(ControlUnavailable):
                await client.status()
                return
            await asyncio.sleep(0.1)


async def _start_runs(client: ControlClient, options: DemoOptions) -> dict[str, str]:
    """Start every cell; the run of each cell."""
    count = options.cycles if options.exit_when_done else None
    return {
        one.cell.id: await client.start(RunRequest(one.cell.id, one.channel, one.schedule, ready_schedule(one.schedule), count))
        for one in FLEET
    }


async def _progress(
    console: Console, client: ControlClient, options: DemoOptions, runs: dict[str, str], stop: asyncio.Event
) -> bool:
    """Show the cells' cycles until each has finished as many as were asked for; whether that happened."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[live]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {
            one.cell.id: progress.add_task(f"{one.cell.id:<13}[dim]{one.cell.build}[/]", total=options.cycles, live="")
            for one in FLEET
        }
        while not stop.is_set():
            with contextlib.suppress(ControlUnavailable):
                status = await client.status()
                finished = dict(_finished_cycles(status, runs, options.cycles))
                for one in FLEET:
                    progress.update(bars[one.cell.id], completed=finished[one.cell.id], live=_live(status, one.channel))
                if all(count >= options.cycles for count in finished.values()):
                    return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await stop.wait()
    return False


def _finished_cycles(status: StationStatus, runs: dict[str, str], asked: int) -> Iterator[tuple[str, int]]:
    ended = {run.run_id for run in status.runs if run.ended}
    running = {channel.run_id: channel for channel in status.channels}
    for cell, run_id in runs.items():
        channel = running.get(run_id)
        if run_id in ended or channel is None:
            yield cell, asked
        else:
            yield cell, min(asked, max(0, (channel.cycle_count or 0) - 1))


def _live(status: StationStatus, name: str) -> str:
    channel: ChannelStatus | None = next((one for one in status.channels if one.channel == name), None)
    if channel is None or channel.voltage_volt is None or channel.run_id is None:
        return "" if channel is None else channel.state.value
    return f"{channel.role or '':<9} {channel.voltage_volt:+8.4f} V"


# -- after --------------------------------------------------------------------------------------------------------------


async def _reports(site: Site, options: DemoOptions, runs: dict[str, str], stop: asyncio.Event) -> list[CellReport]:
    """The table's rows, once the rollup has caught up with the cycles asked for."""
    deadline = asyncio.get_running_loop().time() + _SETTLE_SECOND
    while True:
        reports = await asyncio.to_thread(_read_reports, site, options, runs)
        settled = all(report.cycles >= options.cycles for report in reports)
        if settled or stop.is_set() or asyncio.get_running_loop().time() > deadline:
            return reports
        await asyncio.sleep(0.2)


def _read_reports(site: Site, options: DemoOptions, runs: dict[str, str]) -> list[CellReport]:
    truth = site.path.parent / "truth.jsonl"
    reader = JournalReader(site.state_directory / JOURNAL)
    try:
        journaled = {run.context.run_id: run for run in reader.runs()}
        with Lab.open(site.state_directory) as lab:
            return [
                _read_report(lab, _truth_of(truth, reader, journaled[runs[one.cell.id]], options.cycles), one, options.cycles)
                for one in FLEET
            ]
    finally:
        reader.close()


def _truth_of(path: Path, reader: JournalReader, run: JournaledRun, cycles: int) -> Truth:
    windows = half_cycle_windows(run.context, run.facts.geometry, reader.all_records(run.context.run_id))
    return true_cycles(path, [window for window in windows if window.cycle_count <= cycles])


def _read_report(lab: Lab, truth: Truth, one: DemoCell, cycles: int) -> CellReport:
    view = lab.cell(one.cell.id)
    finished = view.cycles().filter(pl.col("cycle_count").is_between(1, cycles))
    has_efficiency = one.cell.geometry is not Geometry.SYMMETRIC and finished.height > 1
    mean = mean_coulombic_efficiency(cycle_rows(finished)) if has_efficiency else None
    fits = view.impedance().filter(pl.col("cycle_count") <= cycles)
    last = fits.row(-1, named=True) if fits.height else {}
    return CellReport(
        cell=one.cell.id,
        build=one.cell.build,
        cycles=finished.height,
        coulombic_efficiency=None if mean is None else mean.coulombic_efficiency,
        coulombic_efficiency_std=None if mean is None else mean.coulombic_efficiency_std,
        true_coulombic_efficiency=truth.mean_coulombic_efficiency if has_efficiency else None,
        series_resistance_ohm=last.get("series_resistance_ohm"),
        series_resistance_ohm_std=last.get("series_resistance_ohm_std"),
        interface_resistance_ohm=last.get("interface_resistance_ohm"),
        interface_resistance_ohm_std=last.get("interface_resistance_ohm_std"),
    )


def _table(reports: list[CellReport]) -> Table:
    columns = ("n #", "CE %", "true %", "off/σ #", "series Ω", "interface Ω")
    table = headed(
        "Coulombic efficiency (CE) over n cycles, beside the truth; resistances of the last sweep",
        "cell",
        "build",
        *columns,
        tight=True,
    )
    for report in reports:
        table.add_row(
            report.cell,
            report.build,
            str(report.cycles),
            plus_minus(report.coulombic_efficiency, report.coulombic_efficiency_std, 100.0, 2),
            plus_minus(report.true_coulombic_efficiency, None, 100.0, 2),
            _deviation(report),
            plus_minus(report.series_resistance_ohm, report.series_resistance_ohm_std, digits=2),
            plus_minus(report.interface_resistance_ohm, report.interface_resistance_ohm_std, digits=1),
        )
    return table


def _deviation(report: CellReport) -> str:
    found, true, std = report.coulombic_efficiency, report.true_coulombic_efficiency, report.coulombic_efficiency_std
    if found is None or true is None or not std:
        return "–"
    return f"{(found - true) / std:+.1f}"
