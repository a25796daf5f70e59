"""The command line: what a person types, and how it answers. Every command is a few lines over the stations of the journey.

Bad input is one sentence on standard error and exit status 2.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from harness.cli import build_registry
from harness.cli.analyze import analyze
from harness.cli.build import build_app
from harness.cli.compare import compare
from harness.cli.compare_truth import compare_truth
from harness.cli.facts import WhereOption, parse_facts
from harness.cli.report import report
from harness.errors import BadInput, HarnessError

if TYPE_CHECKING:
    import polars as pl

    from harness.query import Lab

BAD_INPUT_STATUS = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Cycle lithium-metal cells, keep every reading, and compare anode builds. Start with [bold]harness demo[/bold].",
)
build_registry.register(build_app)
cell_app = typer.Typer(no_args_is_help=True, help="The registry of cells and what they were made from.")
run_app = typer.Typer(no_args_is_help=True, help="Start, pause, resume and stop runs.")
app.add_typer(cell_app, name="cell", rich_help_panel="Cells and runs")
app.add_typer(run_app, name="run", rich_help_panel="Cells and runs")
app.add_typer(build_app, name="build", rich_help_panel="Builds")

console = Console()

SiteArgument = Annotated[Path, typer.Argument(help="The site file.", metavar="SITE")]
SiteOption = build_registry.SiteOption
DEFAULT_SITE = build_registry.DEFAULT_SITE


class Table(StrEnum):
    """What can be queried."""

    RUNS = "runs"
    CELLS = "cells"
    SAMPLES = "samples"
    CYCLES = "cycles"
    HALF_CYCLES = "half-cycles"
    IMPEDANCE = "impedance"
    SPECTRA = "spectra"
    EVENTS = "events"


def main() -> None:
    """Run the command line; the entry point of ``harness``."""
    from potentiostat_drivers.errors import DriverError  # noqa: PLC0415 - help must not wait for drivers

    try:
        app()
    except* (HarnessError, DriverError) as group:
        for error in _leaves(group):
            print(f"harness: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT_STATUS)


def _log_to_stderr() -> None:
    """Logs are for the one who runs the machine; standard output is for what a command says to a person."""
    import structlog  # noqa: PLC0415

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


# -- processes ---------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Start here")
def demo(
    *,
    cycles: Annotated[int, typer.Option(min=3, help="How many cycles each cell runs.")] = 10,
    exit_when_done: Annotated[bool, typer.Option("--exit", help="End when the table is printed.")] = False,
    report: Annotated[Path | None, typer.Option(help="Also write the table's numbers to this JSON file.")] = None,
    directory: Annotated[Path, typer.Option(help="Where the demo station lives.")] = Path("demo-station"),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The live page's port.")] = 8080,
    ideal: Annotated[bool, typer.Option("--ideal", help="Switch the instruments' imperfections off.")] = False,
) -> None:
    """Ten emulated cells of six builds, the whole pipeline, a live page, and what came out beside the truth."""
    from harness.service.demo import run_demo  # noqa: PLC0415
    from harness.service.demo_station import DemoOptions  # noqa: PLC0415

    _log_to_stderr()
    asyncio.run(run_demo(DemoOptions(cycles, exit_when_done, report, directory, port, ideal)))


@app.command(rich_help_panel="Processes")
def up(site: SiteArgument = DEFAULT_SITE) -> None:
    """Start everything a site file asks for, and keep it running until Ctrl-C."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.processes import run_up  # noqa: PLC0415

    _log_to_stderr()
    sys.exit(asyncio.run(run_up(load_site(site))))


@app.command(rich_help_panel="Processes")
def daemon(site: SiteArgument = DEFAULT_SITE) -> None:
    """Own the instruments, run the cells, write the journal."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.daemon import daemon as run  # noqa: PLC0415

    _log_to_stderr()
    run(load_site(site))


@app.command(rich_help_panel="Processes")
def rollup(
    site: SiteArgument = DEFAULT_SITE,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="Compute history anew, then stop: every run, whole, that lasts or ended after a date, a time (UTC), "
            "or the start of a run. all is everything.",
            metavar="WHEN",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", hidden=True, help="The same as --since all.")] = False,
) -> None:
    """Turn closed cycles and sweeps into efficiency, resistance and the signs of a short."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.processes import EVER, run_rollup_process  # noqa: PLC0415

    _log_to_stderr()
    asyncio.run(run_rollup_process(load_site(site), since=EVER if again else since))


@app.command(rich_help_panel="Processes")
def ingest(site: SiteArgument = DEFAULT_SITE) -> None:
    """Move batches from MQTT to InfluxDB; run as many as you need."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.processes import run_ingest_process  # noqa: PLC0415

    _log_to_stderr()
    asyncio.run(run_ingest_process(load_site(site)))


@app.command(rich_help_panel="Processes")
def serve(site: SiteArgument = DEFAULT_SITE) -> None:
    """Serve the live page and the data."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.processes import run_serve_process  # noqa: PLC0415

    _log_to_stderr()
    asyncio.run(run_serve_process(load_site(site)))


# -- cells and runs ----------------------------------------------------------------------------------------------------


@cell_app.command("add")
def cell_add(
    file: Annotated[Path, typer.Argument(help="YAML: id, build, geometry, counter, area_cm2, …")],
    why: build_registry.WhyOption = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Register a cell, or a correction of one as a new revision."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.model.written import read_yaml  # noqa: PLC0415
    from harness.store.registry import Registry, cell_from  # noqa: PLC0415

    state = load_site(site).state_directory
    described = cell_from(read_yaml(file), str(file))
    revision = Registry(state).put_cell(described, getpass.getuser(), why)
    console.print(f"{described.id} is registered, revision {revision}")


@cell_app.command("list")
def cell_list(site: SiteOption = DEFAULT_SITE) -> None:
    """Show the registered cells."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.tables import cell_table  # noqa: PLC0415
    from harness.store.registry import Registry  # noqa: PLC0415

    console.print(cell_table(Registry(load_site(site).state_directory).cells()))


@cell_app.command("history")
def cell_history(
    cell: Annotated[str, typer.Argument(help="A registered cell's id.", metavar="ID")], site: SiteOption = DEFAULT_SITE
) -> None:
    """Show every revision of a cell: when, by whom, why, what changed, and how many runs began with it."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.tables import history_table  # noqa: PLC0415
    from harness.store.registry import Registry  # noqa: PLC0415

    revisions = Registry(load_site(site).state_directory).cell_history(cell)
    console.print(history_table(f"Cell {cell}", revisions))


@run_app.command("start")
def run_start(
    cell: Annotated[str, typer.Option(help="A registered cell.")],
    channel: Annotated[str, typer.Option(help="A channel of the site.")],
    schedule: Annotated[str, typer.Option(help="A ready schedule's name, or a YAML file.")],
    count: Annotated[int | None, typer.Option(min=1, help="Replace the count of the outermost repeat.")] = None,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Start a cell on a channel under a schedule."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.control import ControlClient  # noqa: PLC0415
    from harness.service.station import RunRequest  # noqa: PLC0415

    client = ControlClient(load_site(site).state_directory)
    request = RunRequest(cell, channel, schedule, _schedule_text(schedule), count)
    console.print(asyncio.run(client.start(request)))


def _schedule_text(name: str) -> str:
    from harness.model.schedule import ready_schedule, ready_schedules  # noqa: PLC0415

    if name in ready_schedules():
        return ready_schedule(name)
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        ready = ", ".join(ready_schedules())
        raise BadInput("--schedule", f'"{name}" is neither a readable file nor a ready schedule ({ready})') from None


def _command(action: str, run: str, site: Path) -> None:
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.control import ControlClient  # noqa: PLC0415

    client = ControlClient(load_site(site).state_directory)
    actions = {"pause": client.pause, "resume": client.resume, "stop": client.stop}
    asyncio.run(actions[action](run, getpass.getuser()))


@run_app.command("pause")
def run_pause(run: Annotated[str, typer.Argument(metavar="RUN")], site: SiteOption = DEFAULT_SITE) -> None:
    """Open the run's cell; its step keeps what remains."""
    _command("pause", run, site)


@run_app.command("resume")
def run_resume(run: Annotated[str, typer.Argument(metavar="RUN")], site: SiteOption = DEFAULT_SITE) -> None:
    """Go on with a paused run."""
    _command("resume", run, site)


@run_app.command("stop")
def run_stop(run: Annotated[str, typer.Argument(metavar="RUN")], site: SiteOption = DEFAULT_SITE) -> None:
    """Open the run's cell and end the run for good."""
    _command("stop", run, site)


@app.command(rich_help_panel="Cells and runs")
def status(
    site: SiteOption = DEFAULT_SITE, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show channels, how far each run's records have come, and each link's last outage."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.control import ControlClient  # noqa: PLC0415
    from harness.service.tables import status_tables  # noqa: PLC0415

    now = asyncio.run(ControlClient(load_site(site).state_directory).status())
    if as_json:
        print(now.model_dump_json(indent=2))
        return
    for table in status_tables(now):
        console.print(table)


# -- numbers -----------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Numbers")
def query(
    table: Annotated[Table, typer.Argument(help="What to show.")],
    cell: Annotated[str | None, typer.Option(help="Only this cell.")] = None,
    where: WhereOption = None,
    source: Annotated[str, typer.Option(help="Site file, state directory, influxdb://… or http://…")] = "site.toml",
    out: Annotated[Path | None, typer.Option(help="Write to this .csv, .parquet or .json file instead of the screen.")] = None,
) -> None:
    """Ask for samples, cycles, impedance or events, on the screen or as a file."""
    from harness.interop.export import write_table  # noqa: PLC0415
    from harness.query import Lab  # noqa: PLC0415
    from harness.service.tables import show_frame  # noqa: PLC0415

    with Lab.connect(source) if "://" in source else Lab.open(Path(source)) as lab:
        frame = _frame(lab, table, cell, parse_facts(where or []))
    if out is None:
        show_frame(console, frame)
    else:
        write_table(frame, out)


def _frame(lab: Lab, table: Table, cell: str | None, facts: dict[str, Any]) -> pl.DataFrame:
    asked = lab.runs() if cell is None else lab.cell(cell).runs()
    cells = lab.cells(**facts)
    asked = asked.join(cells.select("cell"), on="cell", how="semi")
    runs = asked["run_id"].to_list()
    frames = {
        Table.RUNS: lambda: asked,
        Table.CELLS: lambda: cells.join(asked.select("cell"), on="cell", how="semi"),
        Table.SAMPLES: lambda: lab.store.samples(runs),
        Table.CYCLES: lambda: lab.store.cycles(runs),
        Table.HALF_CYCLES: lambda: lab.store.half_cycles(runs),
        Table.IMPEDANCE: lambda: lab.store.impedance_fits(runs),
        Table.SPECTRA: lambda: lab.store.impedance(runs),
        Table.EVENTS: lambda: lab.store.events(runs),
    }
    return frames[table]()


app.command("analyze", rich_help_panel="Numbers")(analyze)
app.command("compare", rich_help_panel="Numbers")(compare)
app.command("report", rich_help_panel="Numbers")(report)
app.command("compare-truth", rich_help_panel="Numbers")(compare_truth)
