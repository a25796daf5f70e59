"""Tables for people at a terminal. Views only: percent and areal units live here, nowhere below."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import polars as pl
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from harness.clock import iso_from_nanosecond
from harness.model.cell import Cell
from harness.model.status import ChannelStatus, LinkStatus, RunStatus, StationStatus
from harness.store.registry import Facts, Registered

_STATE_STYLE = {"running": "green", "idle": "dim", "paused": "yellow", "lost": "bold red", "alarm": "bold white on red"}
_ROWS_SHOWN = 40
_NUMERIC = (" V", "mA", "mAh", "Ω", "%", "#", "seq", "cm²")


def plus_minus(value: float | None, std: float | None, scale: float = 1.0, digits: int = 3) -> str:
    """``98.412 ± 0.041``; an en dash where there is no value."""
    if value is None:
        return "–"
    shown = f"{value * scale:.{digits}f}"
    return shown if std is None else f"{shown} ± {std * scale:.{digits}f}"


def headed(title: str, *columns: str, tight: bool = False) -> Table:
    """An empty table; columns whose head ends with a unit hold numbers, and ``#`` marks counts. ``tight`` fits 80 columns.

    Where there is no room its cells wrap, the widest first: a number or a name that lost its end would be another one.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=not tight,
        padding=(0, 0 if tight else 1),
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.endswith(_NUMERIC) else "left"
        table.add_column(column.removesuffix(" #"), justify=justify, overflow="fold")
    return table


def status_tables(status: StationStatus) -> Iterator[Table]:
    """Channels, runs and links of a station."""
    now = iso_from_nanosecond(status.unix_time_nanosecond)
    scale = "" if status.time_scale == 1.0 else f", emulated time × {status.time_scale:g}"
    journal = "" if status.journal_healthy else ", THE JOURNAL CANNOT BE WRITTEN"
    yield _channel_table(f"Station {status.station} · {now}{scale}{journal}", status.channels)
    yield _run_table(status.runs)
    yield _link_table(status.links)


def _channel_table(title: str, channels: Iterable[ChannelStatus]) -> Table:
    table = headed(title, "channel", "serial", "state", "cell", "step", "cycle #", "voltage / V", "current / mA", "message")
    for channel in channels:
        style = _STATE_STYLE.get(channel.state.value, "")
        table.add_row(
            channel.channel,
            channel.serial or "–",
            f"[{style}]{channel.state.value}[/]" if style else channel.state.value,
            channel.cell or "–",
            channel.step_path or "–",
            "–" if channel.cycle_count is None else str(channel.cycle_count),
            "–" if channel.voltage_volt is None else f"{channel.voltage_volt:.4f}",
            "–" if channel.current_ampere is None else f"{channel.current_ampere * 1e3:.4f}",
            channel.message,
        )
    return table


def _run_table(runs: Iterable[RunStatus]) -> Table:
    table = headed("Records", "run", "channel", "state", "journaled seq", "sent seq", "confirmed seq")
    for run in runs:
        state = "ended" if run.ended else "open"
        table.add_row(run.run_id, run.channel, state, str(run.journaled), str(run.sent), str(run.confirmed))
    return table


def _link_table(links: Iterable[LinkStatus]) -> Table:
    table = headed("Links", "link", "state", "last outage", "until", "reason")
    for link in links:
        start, end = link.last_outage_start_nanosecond, link.last_outage_end_nanosecond
        table.add_row(
            link.name,
            "[green]up[/]" if link.connected else "[bold red]down[/]",
            "–" if start is None else iso_from_nanosecond(start),
            "–" if end is None else iso_from_nanosecond(end),
            link.last_outage_reason,
        )
    return table


def cell_table(cells: Iterable[Registered[Cell]]) -> Table:
    """The registered cells; ``nov #2`` is the second replicate of the batch."""
    heads = ("cell", "build", "batch", "geometry", "counter", "area / cm²", "rev #", "runs #", "description")
    table = headed("Cells", *heads, tight=True)
    for known in cells:
        cell = known.facts
        table.add_row(
            cell.id,
            cell.build,
            " ".join([*([cell.batch] if cell.batch else []), *([f"#{cell.replicate}"] if cell.replicate else [])]) or "–",
            cell.geometry.value,
            cell.counter,
            f"{cell.area_cm2:g}",
            str(known.revision),
            str(known.runs),
            cell.description,
        )
    return table


def history_table(title: str, revisions: Sequence[Registered[Facts]]) -> Table:
    """Every revision of a build or a cell: who, when, why, what changed, and how many runs began with it."""
    table = headed(title, "revision #", "when", "who", "runs #", "changed", "why")
    for place, one in enumerate(revisions):
        changed = ", ".join(_changed(revisions[place - 1].facts, one.facts)) if place else ""
        table.add_row(str(one.revision), one.written_at, one.who, str(one.runs), changed, one.why)
    return table


def _changed(before: BaseModel, after: BaseModel) -> list[str]:
    return [name for name in type(after).model_fields if getattr(before, name) != getattr(after, name)]


def show_frame(console: Console, frame: pl.DataFrame) -> None:
    """Print the last rows of a frame, as many columns as fit; what is the same in all rows is said once, above."""
    same = {name: frame[name][0] for name in frame.columns if frame.height > 1 and frame[name].n_unique() == 1}
    shown = frame.drop([*same, *(name for name in frame.columns if name.endswith("_std") and name[:-4] in frame.columns)])
    columns = {name: _column(frame.tail(_ROWS_SHOWN), name) for name in shown.columns}
    widths = {name: max(map(len, [*_broken(name).split(), *texts])) + 3 for name, texts in columns.items()}
    fitting = [name for name, end in zip(columns, itertools.accumulate(widths.values()), strict=True) if end <= console.width]
    rows = f"{frame.height} rows" + (f", the last {_ROWS_SHOWN}" if frame.height > _ROWS_SHOWN else "")
    told = "; ".join(f"{name} {_text(value)}" for name, value in same.items() if value not in (None, ""))
    console.print(f"[bold]{rows}[/]" + (f"\n[dim]{told}[/]" if told else ""), highlight=False)
    table = headed("", *map(_broken, fitting))
    for texts in zip(*(columns[name] for name in fitting), strict=True):
        table.add_row(*texts)
    console.print(table)
    if hidden := [name for name in columns if name not in fitting]:
        console.print(f"[dim]not shown for want of room: {', '.join(hidden)}; see them all with --out FILE[/]", highlight=False)


def _column(frame: pl.DataFrame, name: str) -> list[str]:
    """A column's values as text, each with its standard deviation where the frame has it."""
    if name == "unix_time_nanosecond":
        return [iso_from_nanosecond(value) for value in frame[name]]
    texts = [_text(value) for value in frame[name]]
    if f"{name}_std" not in frame.columns:
        return texts
    return [text if std is None else f"{text} ± {std:.2g}" for text, std in zip(texts, frame[f"{name}_std"], strict=True)]


def _broken(name: str) -> str:
    """A long name that may stand in several lines."""
    return name.replace("_", "_\n") if len(name) > 12 else name


def _text(value: object) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
