"""What the first row of a truth file says: what was asked for, what was drawn, and with which software. Reads; writes nothing."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from emulator.cell.parameters import CellParameters
from emulator.instruments.channel import Channel
from emulator.scenario.cells import CellSettings
from emulator.scenario.file import Scenario, TruthSettings
from emulator.truth import LatentFile, SealedTruth, TruthFile, Value
from harness.errors import BadInput

TRUTH_VERSION = 2
"""Rises when a row of the truth changes its meaning."""


def open_truth(settings: TruthSettings | None, directory: Path, *, blind: bool = False) -> TruthFile:
    """The truth file a scenario in ``directory`` asks for; one that swallows everything when it asks for none.

    ``blind`` seals it until the end; the latent state of samples, which could be looked at meanwhile, is then not kept.
    """
    if settings is None:
        return TruthFile(None)
    path = directory / settings.file
    try:
        if blind:
            return SealedTruth(path)
        return TruthFile(path, LatentFile(path.with_suffix(".latent")) if settings.latent else None)
    except OSError as error:
        raise BadInput("truth.file", f"{path} cannot be written ({error.strerror}); name another file") from None


def scenario_row(scenario: Scenario, channels: Mapping[str, Value], now_nanosecond: int, time_scale: float) -> dict[str, Value]:
    """The first row: ``channels`` as `channel_entry` describes each."""
    expected = scenario.expect
    return {
        "kind": "scenario",
        "truth_version": TRUTH_VERSION,
        "versions": {
            "anode_harness": metadata.version("anode-harness"),
            "python": platform.python_version(),
            "numpy": metadata.version("numpy"),
        },
        "seed": scenario.seed,
        "scenario_sha256": hashlib.sha256(scenario.model_dump_json().encode()).hexdigest(),
        "time_scale": time_scale,
        "unix_time_nanosecond": now_nanosecond,
        "channels": dict(channels),
        "expect": None if expected is None else json.loads(expected.model_dump_json(exclude_none=True)),
    }


def channel_entry(channel: Channel, serial: str, settings: CellSettings, parameters: CellParameters) -> Value:
    """One channel: its cell, the hash of the cell's parameters, and the errors its instrument was given."""
    return {
        "cell": channel.cell_name,
        "serial": serial,
        "model": channel.model.name,
        "geometry": settings.geometry.value,
        "preset": settings.bare_preset if settings.build is None else None,
        "build": None if settings.build is None else settings.build.id,
        "counter": settings.electrode,
        "electrolyte": settings.electrolyte,
        "area_cm2": settings.area_cm2,
        "parameters_sha256": hashlib.sha256(parameters.model_dump_json().encode()).hexdigest(),
        **channel.drawn(),
    }
