"""Emulated half cycles, in one of them a short of a stated size: the emulator's cell and instrument, no formula of the test's.

Scenarios' events need a port and a host. Here the cycler itself puts a conductance into the cell while it carries out a schedule:
chosen at the short's onset so that it takes the stated share of the current there, and constant until it is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from emulator.assembly import make_channel
from emulator.generation.cycler import Cycler
from emulator.generation.generate import START_NANOSECOND
from emulator.generation.recording import SAMPLES, Recording
from emulator.generation.schedule import CellFacts, steps_of
from emulator.instruments.channel import Channel
from emulator.scenario.file import parse_scenario
from emulator.truth import TruthFile
from harness.model.run import Geometry
from harness.model.schedule import parse_schedule


@dataclass(frozen=True, slots=True)
class Short:
    """In step number ``step`` (from 1), from ``begin`` to ``end`` of what the step lasts without it, ``share`` of the current."""

    step: int
    begin_second: float
    end_second: float
    share: float


class ShortingCycler(Cycler):
    """A cycler of a cell that shorts at a moment of a step."""

    def __init__(self, channel: Channel, recording: Recording, short: Short | None) -> None:
        super().__init__(channel, recording)
        self.short = short
        self.conductance = 0.0
        self.leaked_coulomb = 0.0

    def _advance_to(self, second: float) -> None:
        short = self.short
        if short is not None and self.counts.step == short.step:
            for moment, share in ((short.begin_second, short.share), (short.end_second, 0.0)):
                if self._elapsed < moment <= second:
                    super()._advance_to(moment)
                    self._set(share)
        super()._advance_to(second)

    def _set(self, share: float) -> None:
        cell, current = self.channel.cell, self.channel.current
        if share and not self.conductance:
            inside = (1.0 - share) * current
            self.conductance = abs(share * current / cell.voltage(inside)) / cell.area
        cell.set_short(self.conductance if share else 0.0)
        self._seen = (-1.0, 0.0, 0.0)


def cycled(scenario: Mapping[str, Any], seed: int, short: Short | None = None) -> tuple[pl.DataFrame, float]:
    """Samples of the scenario's one cell, and the charge that went through shorts, C."""
    made = parse_scenario({**scenario, "seed": seed}, "scenario")
    schedule = parse_schedule(json.dumps(scenario["schedule"]), "schedule")
    instrument = made.instruments[0]
    channel = make_channel(seed, instrument, 0, TruthFile(None), START_NANOSECOND)
    settings = instrument.channels[0].cell
    capacity = settings.parameters().cathode_capacity_mah_cm2 * settings.area_cm2 * 1e-3
    facts = CellFacts(settings.geometry, settings.area_cm2, capacity if settings.geometry is Geometry.FULL else None)
    recording = Recording(START_NANOSECOND)
    ShortingCycler(channel, recording, short).run(steps_of(schedule, facts))
    frame = pl.DataFrame(recording.samples, schema=pl.Schema(SAMPLES), orient="row")
    return frame, channel.cell.latent()["short_mah_cm2"] * 3.6 * settings.area_cm2
