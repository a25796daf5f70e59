"""A scenario that goes on from snapshots: another scenario's text with ``start_from`` in the channels they are for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from emulator.scenario.file import Scenario, parse_scenario, read_scenario
from emulator.scenario.instruments import ChannelSettings, with_calibrations
from emulator.snapshots import snapshot
from harness.errors import BadInput
from harness.model.anode import ready_builds
from harness.model.schedule import ready_schedules


def branched(scenario: Path, snapshots: list[Path], channel: str | None, out: Path | None) -> str:
    """The text of a scenario in which each snapshot's channel (or ``channel``, for a single one) starts from it.

    Paths are relative to ``out``, or to ``scenario`` without it.

    Raises:
        BadInput: a file cannot be used, a channel is missing, or its cell is another one.
    """
    if channel is not None and len(snapshots) != 1:
        raise BadInput("--channel", "names one channel; give one snapshot with it")
    base = read_scenario(scenario)
    home, folder = scenario.resolve().parent, (out or scenario).resolve().parent
    kept = {path: snapshot.read(path) for path in snapshots}
    starts = {channel or one.content.origin.channel: path for path, one in kept.items()}
    for name, path in starts.items():
        _check(_settings(base, name), kept[path], path)
    raw = yaml.safe_load(scenario.read_text(encoding="utf-8"))
    if isinstance(raw.get("schedule"), str) and raw["schedule"] not in ready_schedules():
        raw["schedule"] = _moved(raw["schedule"], home, folder)
    for entry in (entry for instrument in raw["instruments"] for entry in instrument["channels"]):
        _move_files(entry, home, folder)
        if entry["name"] in starts:
            entry["start_from"] = {"snapshot": os.path.relpath(starts[entry["name"]].resolve(), folder)}
    parse_scenario(with_calibrations(raw, folder))
    return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=120)


def _move_files(channel: dict[str, Any], home: Path, folder: Path) -> None:
    """Name the files of a channel, which lie relative to ``home``, as they lie from ``folder``."""
    if isinstance(channel.get("calibration"), str):
        channel["calibration"] = _moved(channel["calibration"], home, folder)
    if "start_from" in channel:
        channel["start_from"] = {"snapshot": _moved(channel["start_from"]["snapshot"], home, folder)}
    build = channel["cell"].get("build")
    if isinstance(build, str) and build not in ready_builds():
        channel["cell"]["build"] = _moved(build, home, folder)


def _moved(name: str, home: Path, folder: Path) -> str:
    return name if Path(name).is_absolute() else os.path.relpath(home / name, folder)


def _settings(scenario: Scenario, name: str) -> ChannelSettings:
    for instrument in scenario.instruments:
        for settings in instrument.channels:
            if settings.name == name:
                return settings
    raise BadInput("--channel", f'the scenario has no channel "{name}" to go on from that snapshot')


def _check(settings: ChannelSettings, kept: snapshot.Snapshot, path: Path) -> None:
    if (difference := snapshot.difference(kept, settings.cell)) is not None:
        raise BadInput(str(path), difference)
