"""Channels with their cells, put together as a scenario describes them. Opens no port."""

from __future__ import annotations

from collections.abc import Callable

from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.instruments.channel import Channel
from emulator.instruments.models import MODELS
from emulator.noise import Normals
from emulator.scenario.cells import CellSettings
from emulator.scenario.instruments import InstrumentSettings
from emulator.truth import TruthFile


def make_cell(settings: CellSettings, normal: Callable[[str], Callable[[int], float]]) -> Cell:
    """The cell a scenario describes; ``normal(stream)`` gives its streams of random numbers."""
    parameters, area, excess = settings.parameters(), settings.area_cm2, settings.excess
    chance = normal("cracks"), normal("shorts")
    match settings.electrode:
        case "Cu":
            return DepositCell(parameters, area, normal("cell"), excess, chance=chance)
        case "Li":
            return SymmetricCell(parameters, area, normal("cell"), normal("counter"), excess, chance=chance)
        case cathode:
            return FullCell(parameters, area, normal("cell"), excess, cathode, chance=chance)


def make_channel(seed: int, instrument: InstrumentSettings, place: int, truth: TruthFile, now_nanosecond: int) -> Channel:
    """Channel number ``place`` of an instrument, with its cell; all chance comes from the seed and the channel's name."""
    settings = instrument.channels[place]

    def normal(stream: str) -> Callable[[int], float]:
        return Normals(seed, settings.name, stream).value

    return Channel(
        settings.name,
        MODELS[instrument.model],
        make_cell(settings.cell, normal),
        imperfections=instrument.measured_with(),
        normal=normal,
        truth=truth,
        now_nanosecond=now_nanosecond,
        cell_name=settings.cell.name or settings.name,
        calibration=instrument.calibration_of(place),
    )
