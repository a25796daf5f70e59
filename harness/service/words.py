"""What the live page says, as text: rows, alarms, links, consequences. Pure: a status and frames in, words out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from harness.clock import iso_from_nanosecond
from harness.model.status import ChannelState, ChannelStatus, LinkStatus, StationStatus
from harness.service.charts import Style
from harness.units import NANOSECOND

NONE = "–"
HOW_TO_START = "harness run start --cell CELL --channel CHANNEL --schedule SCHEDULE"
SILENCE_SECOND = 10.0
"""After so long without news of the daemon the page says so, whatever the reason."""
STALE_SECOND = 60.0
"""A running channel whose last reading is older, in wall time, is marked."""

_ICONS = {
    ChannelState.CONNECTING: "sync",
    ChannelState.IDLE: "radio_button_unchecked",
    ChannelState.RUNNING: "play_arrow",
    ChannelState.PAUSED: "pause",
    ChannelState.STOPPING: "hourglass_bottom",
    ChannelState.LOST: "link_off",
    ChannelState.ALARM: "warning",
}
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))

Cell = str | int | bool | None
Row = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that a person must see from across the room; ``severity`` is ``alarm`` or ``warning``."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before a command is sent."""

    title: str
    consequence: str
    answer: str


def rows(status: StationStatus, cycles: pl.DataFrame, styles: Mapping[str, Style], selected: frozenset[str]) -> list[Row]:
    """One row of the table for each channel; ``cycles`` as `harness.store.base.CYCLES`."""
    efficiencies = last_efficiencies(cycles)
    return [
        _row(channel, status, efficiencies.get(channel.run_id or "", NONE), styles[channel.channel], selected)
        for channel in status.channels
    ]


def last_efficiencies(cycles: pl.DataFrame) -> dict[str, str]:
    """Run id → ``99.12 ± 0.05`` of its last cycle that has an efficiency."""
    known = cycles.filter(pl.col("coulombic_efficiency").is_not_null() & (pl.col("kind") != "reservoir"))
    last = known.group_by("run_id", maintain_order=True).last()
    return {
        run_id: percent(value, std)
        for run_id, value, std in last.select("run_id", "coulombic_efficiency", "coulombic_efficiency_std").rows()
    }


def percent(fraction: float, std: float | None) -> str:
    """A fraction in percent with its standard deviation, both to the digit that the deviation allows."""
    if std is None:
        return f"{fraction * 100:.2f} %"
    digits = 2 if std >= 1e-4 else 3
    return f"{fraction * 100:.{digits}f} ± {std * 100:.{digits}f} %"


def ampere(value: float | None) -> str:
    """A current with the prefix that leaves one to three digits before the point."""
    if value is None:
        return NONE
    if value == 0:
        return "0 A"
    factor, prefix = next(((factor, prefix) for factor, prefix in _PREFIXES if abs(value) >= factor), _PREFIXES[-1])
    return f"{value / factor:.4g} {prefix}A".replace("-", "−")


def volt(value: float | None) -> str:
    """A voltage to 0.1 mV."""
    return NONE if value is None else f"{value:.4f} V".replace("-", "−")


def age(second: float) -> str:
    """How long ago, in one unit."""
    if second < 1:
        return "now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if second >= 2 * size:
            return f"{second / size:.0f} {unit}"
    return f"{second:.0f} s"


def clock(status: StationStatus) -> str:
    """Station time, as everywhere in UTC."""
    return iso_from_nanosecond(status.unix_time_nanosecond).replace("T", "  ").replace("Z", " UTC")


def banners(status: StationStatus | None, daemon_trouble: str, store_trouble: str, silence_second: float) -> list[Banner]:
    """Alarms first, then what is lost."""
    found: list[Banner] = []
    if status is not None:
        alarmed = [channel for channel in status.channels if channel.state is ChannelState.ALARM]
        found += [Banner("alarm", f"Channel {one.channel}{_of_cell(one)}: {one.message or _UNPROVEN}") for one in alarmed]
        if not status.journal_healthy:
            found.append(Banner("alarm", "The journal cannot be written: readings wait in memory, and cells are opened soon."))
    if daemon_trouble or silence_second > SILENCE_SECOND:
        known = "Nothing below is newer than that." if status is not None else "Nothing is known of the channels."
        found.append(Banner("alarm", f"No news of the daemon for {age(silence_second)}. {known} {daemon_trouble}".rstrip()))
    if status is not None:
        found += [Banner("warning", text) for text in _lost(status)]
    if store_trouble:
        found.append(Banner("warning", f"The curves are not up to date. {store_trouble}"))
    return found


def link_chips(status: StationStatus) -> list[tuple[bool, str]]:
    """The health of the links in a few words each, instruments together, then of the journal and of its delivery."""
    chips = [(link.connected, link_text(link)) for link in status.links if not _is_instrument(link)]
    instruments = [link for link in status.links if _is_instrument(link)]
    lost = sum(not link.connected for link in instruments)
    if instruments:
        counted = f"{len(instruments)} channel{'s' if len(instruments) > 1 else ''}"
        chips.append((not lost, f"{lost} of {counted} lost" if lost else f"{counted} connected"))
    chips.append((status.journal_healthy, "journal healthy" if status.journal_healthy else "journal not written"))
    chips.append((True, waiting(status)))
    return chips


def link_text(link: LinkStatus) -> str:
    """A link's health in a few words."""
    if link.connected:
        return f"{link.name} connected"
    since = "" if link.last_outage_start_nanosecond is None else f" since {_hour(link.last_outage_start_nanosecond)}"
    return f"{link.name} lost{since}"


def waiting(status: StationStatus) -> str:
    """How many records are in the journal and not confirmed yet."""
    count = sum(max(0, run.journaled - run.confirmed) for run in status.runs)
    return "all records delivered" if count == 0 else f"{count} records to deliver"


def question(action: str, row: Mapping[str, Cell]) -> Question:
    """What to ask before ``action`` is done to the run in ``row``."""
    cell, channel, step = row["cell"], row["channel"], row["step"]
    match action:
        case "pause":
            return Question(
                f"Pause cell {cell} on channel {channel}?",
                f"The cell is opened now and rests. Its schedule waits at {step}, with what remains of this step, until "
                "somebody resumes it.",
                f"Pause {cell}",
            )
        case "resume":
            return Question(
                f"Resume cell {cell} on channel {channel}?",
                f"Current flows through the cell again: the schedule goes on at {step} with what remains of that step.",
                f"Resume {cell}",
            )
        case _:
            return Question(
                f"Stop the run of cell {cell} on channel {channel}?",
                "The cell is opened and the run ends for good: it cannot be resumed, only a new run can be started. "
                "What was measured stays.",
                f"Stop {cell}",
            )


_INSTRUMENT = "channel "
"""How the daemon names the link to a channel's instrument."""
_UNPROVEN = "the cell could not be shown to be open; treat it as polarised"


def _row(channel: ChannelStatus, status: StationStatus, efficiency: str, style: Style, selected: frozenset[str]) -> Row:
    reading = channel.unix_time_nanosecond
    second = None if reading is None else max(0, status.unix_time_nanosecond - reading) / NANOSECOND
    running = channel.state is ChannelState.RUNNING
    stale = running and second is not None and second > STALE_SECOND * max(1.0, status.time_scale)
    return {
        "channel": channel.channel,
        "colour": style.colour,
        "dash": {"solid": "none", "dashed": "7 4", "dotted": "2 3"}[style.dash],
        "selected": channel.channel in selected,
        "driver": channel.driver,
        "cell": channel.cell or NONE,
        "build": channel.build or "",
        "state": channel.state.value,
        "icon": _ICONS[channel.state],
        "message": channel.message,
        "schedule": channel.schedule or "",
        "step": channel.step_path or NONE,
        "role": channel.role or "",
        "cycle": NONE if channel.cycle_count is None else channel.cycle_count,
        "voltage": volt(channel.voltage_volt),
        "current": ampere(channel.current_ampere),
        "efficiency": efficiency,
        "age": NONE if second is None else age(second),
        "stale": stale,
        "run_id": channel.run_id,
        "can_pause": running and channel.run_id is not None,
        "can_resume": channel.state is ChannelState.PAUSED,
        "can_stop": channel.run_id is not None and channel.state is not ChannelState.STOPPING,
    }


def _lost(status: StationStatus) -> list[str]:
    """Lost channels, then lost links that no channel's own banner has told of."""
    lost = [
        f"Channel {channel.channel}{_of_cell(channel)}: link lost, the cell counts as polarised. {channel.message}".rstrip()
        for channel in status.channels
        if channel.state is ChannelState.LOST
    ]
    told = {f"{_INSTRUMENT}{one.channel}" for one in status.channels if one.state in (ChannelState.LOST, ChannelState.ALARM)}
    untold = [link for link in status.links if not link.connected and link.name not in told]
    return lost + [f"{link_text(link)}: {link.last_outage_reason or 'no reason known'}" for link in untold]


def _is_instrument(link: LinkStatus) -> bool:
    return link.name.startswith(_INSTRUMENT)


def _of_cell(channel: ChannelStatus) -> str:
    return f", cell {channel.cell}" if channel.cell else ""


def _hour(stamp: int) -> str:
    return iso_from_nanosecond(stamp)[11:19] + " UTC"
