"""Which instruments there are, with their channels and imperfections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emulator.instruments.converter import PERFECT, Imperfections
from emulator.instruments.models import ModelName
from emulator.scenario.cells import CellSettings
from emulator.scenario.written import Name, NotNegative, Serial, Written


class ImperfectionSettings(Written):
    """See `emulator.instruments.converter.Imperfections`."""

    offset: NotNegative = Imperfections().offset
    gain: NotNegative = Imperfections().gain
    adc_bits: Annotated[int, Field(ge=0, le=32)] = Imperfections().adc_bits
    voltage_noise_volt: NotNegative = Imperfections().voltage_noise_volt
    current_noise: NotNegative = Imperfections().current_noise
    impedance_noise: NotNegative = Imperfections().impedance_noise


class StartSettings(Written):
    """A state to start from: ``snapshot`` is a file of `emulator.snapshot`, relative to the scenario."""

    snapshot: Annotated[str, Field(min_length=1)]


class ChannelSettings(Written):
    """A channel of an instrument."""

    name: Name
    listen: Annotated[str, Field(pattern=r"^(tcp(:\d{1,5})?|pty)$")] = "tcp"
    serial: Serial | None = None
    start_from: StartSettings | None = None
    cell: CellSettings


class InstrumentSettings(Written):
    """An instrument with its channels."""

    serial: Serial
    model: ModelName = "es4_hr"
    imperfections: ImperfectionSettings | Literal["none"] = ImperfectionSettings()
    channels: Annotated[tuple[ChannelSettings, ...], Field(min_length=1)]

    def serial_of(self, place: int) -> str:
        """What channel number ``place`` (from 0) answers to ``i``."""
        return self.channels[place].serial or f"{self.serial}CH{place + 1:03d}"

    def measured_with(self) -> Imperfections:
        """The imperfections as numbers."""
        return PERFECT if isinstance(self.imperfections, str) else Imperfections(**self.imperfections.model_dump())
