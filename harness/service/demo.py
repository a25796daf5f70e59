"""``harness demo``: ten emulated cells and the whole pipeline behind ports, then what came out beside the truth.

The demo is an ordinary station: `demo_station` writes a scenario and a site file, and the same code runs that a lab runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.config import Site
from harness.errors import HarnessError
from harness.model.schedule import ready_schedule
from harness.model.status import ChannelStatus, StationStatus
from harness.service import demo_station
from harness.service.control import ControlClient, ControlUnavailable
from harness.service.demo_figure import draw_demo
from harness.service.demo_report import CellReport, read_reports, report_table
from harness.service.fleet import FLEET
from harness.service.processes import run_up, stop_on_signals
from harness.service.station import RunRequest

FIGURE = "builds.png"
_SETTLE_SECOND = 30.0


@dataclass(frozen=True, slots=True)
class _Running:
    """The station's processes, and the wish to stop them."""

    stop: asyncio.Event
    up: asyncio.Task[int]

    def check(self) -> None:
        """Raise if the station ended by itself."""
        if self.up.done():
            raise HarnessError(f"the station ended with status {self.up.result()}; its logs lie beside its site file")


async def run_demo(options: demo_station.DemoOptions) -> None:
    """Run the demo; returns when it is done, or on Ctrl-C."""
    console = Console()
    demo_station.check(options)
    directory = demo_station.fresh_directory(options.directory)
    stop = stop_on_signals()
    origin = datetime.now(UTC)
    async with demo_station.emulator(directory, origin, ideal=options.ideal) as ports:
        site = demo_station.write_site(directory, ports, origin, options)
        demo_station.register(site)
        async with asyncio.TaskGroup() as tasks:
            up = tasks.create_task(run_up(site, stop, log_directory=directory), name="up")
            try:
                await _show(console, site, options, _Running(stop, up))
            finally:
                stop.set()


async def _show(console: Console, site: Site, options: demo_station.DemoOptions, running: _Running) -> None:
    client = ControlClient(site.state_directory)
    await _until_up(client, running)
    page = f"http://127.0.0.1:{site.serve.port}"
    what = f"[bold]{len(FLEET)} cells, {options.cycles} cycles each[/]"
    console.print(f"{what} · time × {demo_station.SCALE:g} · watch them at [link]{page}[/link]")
    runs = await _start_runs(client, options)
    if not await _progress(console, client, options.cycles, runs, running):
        return
    reports = await _settled_reports(site, options.cycles, runs, running)
    console.print(report_table(reports))
    if options.report is not None:
        options.report.write_text(
            json.dumps({"cells": [asdict(report) for report in reports]}, indent=2) + "\n", encoding="utf-8"
        )
        console.print(f"the same numbers are in {options.report}")
    figure = site.path.parent / FIGURE
    await asyncio.to_thread(draw_demo, site, reports, runs, figure)
    console.print(f"builds compared, truth beside measurement: {figure}", soft_wrap=True)
    if not options.exit_when_done:
        console.print(f"The cells go on cycling; the page stays at [link]{page}[/link] until Ctrl-C.")
        await running.stop.wait()


async def _until_up(client: ControlClient, running: _Running) -> None:
    async with asyncio.timeout(demo_station.START_SECOND):
        while not running.stop.is_set():
            running.check()
            with contextlib.suppress(ControlUnavailable):
                await client.status()
                return
            await asyncio.sleep(0.1)


async def _start_runs(client: ControlClient, options: demo_station.DemoOptions) -> dict[str, str]:
    """Start every cell; the run of each cell."""
    count = options.cycles if options.exit_when_done else None
    return {
        one.cell.id: await client.start(RunRequest(one.cell.id, one.channel, one.schedule, ready_schedule(one.schedule), count))
        for one in FLEET
    }


async def _progress(console: Console, client: ControlClient, cycles: int, runs: dict[str, str], running: _Running) -> bool:
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
            one.cell.id: progress.add_task(f"{one.cell.id:<13}[dim]{one.cell.build}[/]", total=cycles, live="") for one in FLEET
        }
        while not running.stop.is_set():
            running.check()
            with contextlib.suppress(ControlUnavailable):
                status = await client.status()
                finished = dict(_finished_cycles(status, runs, cycles))
                for one in FLEET:
                    progress.update(bars[one.cell.id], completed=finished[one.cell.id], live=_live(status, one.channel))
                if all(count >= cycles for count in finished.values()):
                    return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await running.stop.wait()
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


async def _settled_reports(site: Site, cycles: int, runs: dict[str, str], running: _Running) -> list[CellReport]:
    """The table's rows, once the rollup has caught up with the cycles asked for."""
    deadline = asyncio.get_running_loop().time() + _SETTLE_SECOND
    while True:
        reports = await asyncio.to_thread(read_reports, site, cycles, runs)
        settled = all(report.cycles >= cycles for report in reports)
        if settled or running.stop.is_set() or asyncio.get_running_loop().time() > deadline:
            return reports
        await asyncio.sleep(0.2)
