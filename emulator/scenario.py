"""The scenario file: which instruments are there, what cells hang on them, how time runs, and what goes wrong.

::

    seed: 1
    clock: {scale: 1000, start: 2026-01-01T00:00:00Z, origin: 2026-11-23T13:00:00Z}   # origin: default this process's start
    truth: {file: truth.jsonl}                       # relative to the scenario file; absent: no truth is written
    reader_absent: drop                              # or stall: a script waits in pck_end until somebody reads
    blank_after_runtime_error: true                  # sources disagree about hardware
    instruments:
      - serial: EMU4HR0001                           # must begin with EMU
        model: es4_hr                                # es4_hr es4_lr mes4hr nexus1 espico
        imperfections: none                          # or any of {offset, gain, adc_bits, voltage_noise_volt, current_noise,
        channels:                                    #            impedance_noise}
          - name: a1
            listen: tcp                              # tcp (a free port), tcp:5001, or pty
            serial: EMU4HR0001CH001                  # default: the instrument's serial and CH001, CH002, …
            cell: {name: cu-01, geometry: deposit, preset: bare_fec, area_cm2: 1.267, excess_mah_cm2: 4, overrides: {…}}
    events:
      - {at: {channel: a1, time: "2 h"}, do: runtime_error, code: "0032"}
      - {at: {channel: a1, time: "3 h"}, do: link_drop, for: "5 s"}      # wall time
      - {at: {channel: a1, time: "3 h"}, do: stuck_on}                   # cell_off has no effect any more
      - {at: {channel: a1, time: "4 h"}, do: release}                    # … and has again

``excess_mah_cm2`` is the lithium under the deposit: on each side of a symmetric cell (default 20), on the anode of a full
cell (default 4; 0 is anode-free), on the copper of a deposit cell (default 0). ``overrides`` are names of `CellParameters`.
Event times count from the start of the emulator, in simulated time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
import yaml
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from emulator.cell.parameters import CellParameters, PresetName, preset_parameters
from emulator.instruments.converter import PERFECT, Imperfections
from emulator.instruments.models import ModelName
from harness.errors import BadInput
from harness.model.run import Geometry
from harness.units import parse_quantity

_LARGEST_BYTES = 1 << 20
_DEEPER = re.compile(r"([a-z0-9_]+(?:\[\d+\]|\.[a-z0-9_]+)+): (.+)", re.DOTALL)
_DEFAULT_EXCESS = {Geometry.DEPOSIT: 0.0, Geometry.SYMMETRIC: 20.0, Geometry.FULL: 4.0}


def _second(text: str) -> str:
    try:
        value = parse_quantity(text, "s")
    except BadInput as bad:
        raise ValueError(bad.what) from None
    if value < 0:
        raise ValueError(f'"{text}" is negative; a time counts forward')
    return text


def _emulated_serial(text: str) -> str:
    if not (text.startswith("EMU") and text.isascii() and text.isalnum()):
        raise ValueError(f'"{text}" is not an emulated serial number; begin with EMU and use letters and digits')
    return text


Duration = Annotated[str, AfterValidator(_second)]
Serial = Annotated[str, AfterValidator(_emulated_serial)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClockSettings(_Written):
    """Simulated time is ``start`` + (wall − ``origin``) × ``scale``."""

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    start: AwareDatetime | None = None
    origin: AwareDatetime | None = None

    @model_validator(mode="after")
    def _start_of_scaled_time(self) -> Self:
        if self.scale != 1.0 and self.start is None:
            raise ValueError("a scale other than 1 needs a start, for example 2026-01-01T00:00:00Z")
        return self


class TruthSettings(_Written):
    """Where the truth is written."""

    file: str


class ImperfectionSettings(_Written):
    """See `emulator.instruments.converter.Imperfections`."""

    offset: NotNegative = Imperfections().offset
    gain: NotNegative = Imperfections().gain
    adc_bits: Annotated[int, Field(ge=0, le=32)] = Imperfections().adc_bits
    voltage_noise_volt: NotNegative = Imperfections().voltage_noise_volt
    current_noise: NotNegative = Imperfections().current_noise
    impedance_noise: NotNegative = Imperfections().impedance_noise


class CellSettings(_Written):
    """A cell on a channel."""

    name: Name | None = None
    geometry: Geometry
    preset: PresetName = "bare_fec"
    area_cm2: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.267
    excess_mah_cm2: NotNegative | None = None
    overrides: dict[str, float] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            self.parameters()
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"overrides.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if self.geometry is Geometry.SYMMETRIC and self.excess_mah_cm2 == 0.0:
            raise ValueError("a symmetric cell needs lithium: excess_mah_cm2 must be positive")
        return self

    def parameters(self) -> CellParameters:
        """Preset and overrides together."""
        return preset_parameters(self.preset, self.overrides)

    @property
    def excess(self) -> float:
        """Lithium under the deposit, mAh/cm²."""
        return _DEFAULT_EXCESS[self.geometry] if self.excess_mah_cm2 is None else self.excess_mah_cm2


class ChannelSettings(_Written):
    """A channel of an instrument."""

    name: Name
    listen: Annotated[str, Field(pattern=r"^(tcp(:\d{1,5})?|pty)$")] = "tcp"
    serial: Serial | None = None
    cell: CellSettings


class InstrumentSettings(_Written):
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


class Moment(_Written):
    """When and where an event happens; ``time`` from the emulator's start, simulated."""

    channel: Name
    time: Duration

    @property
    def second(self) -> float:
        """``time`` in seconds."""
        return parse_quantity(self.time, "s")


class Event(_Written):
    """Something that goes wrong on purpose."""

    at: Moment
    do: Literal["link_drop", "runtime_error", "stuck_on", "release"]
    for_: Annotated[Duration, Field(alias="for")] = "0 s"
    code: Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")] = "0032"

    @property
    def duration_second(self) -> float:
        """How long a dropped link accepts nobody, wall seconds."""
        return parse_quantity(self.for_, "s")


class Scenario(_Written):
    """A whole scenario file."""

    seed: Annotated[int, Field(ge=0)] = 1
    clock: ClockSettings = ClockSettings()
    truth: TruthSettings | None = None
    reader_absent: Literal["drop", "stall"] = "drop"
    blank_after_runtime_error: bool = True
    instruments: Annotated[tuple[InstrumentSettings, ...], Field(min_length=1)]
    events: tuple[Event, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [channel.name for instrument in self.instruments for channel in instrument.channels]
        serials = [item.serial_of(place) for item in self.instruments for place in range(len(item.channels))]
        for kind, values in (("channel name", names), ("serial", serials)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f'the {kind} "{twice[0]}" stands twice; each must be unique')
        for place, event in enumerate(self.events):
            if event.at.channel not in names:
                raise ValueError(f'events[{place}].at.channel: there is no channel "{event.at.channel}"')
        return self


def read_scenario(path: Path) -> Scenario:
    """The scenario in a YAML file.

    Raises:
        BadInput: one sentence with the place in the file.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror})") from None
    if len(text) > _LARGEST_BYTES:
        raise BadInput(str(path), "is larger than 1 MiB; a scenario is not")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise BadInput(str(path), "uses a YAML alias; write the values out")
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"is not YAML: {' '.join(str(error).split())}") from None
    return parse_scenario(raw)


def parse_scenario(raw: object) -> Scenario:
    """The scenario in what YAML made of a file.

    Raises:
        BadInput: one sentence with the place in the file.
    """
    try:
        return Scenario.model_validate(raw)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where, what = _path(first["loc"]), first["msg"].removeprefix("Value error, ")
        deeper = _DEEPER.fullmatch(what)
        if deeper is not None:
            where, what = f"{where}.{deeper[1]}" if where else deeper[1], deeper[2]
        raise BadInput(where or "scenario", what) from None


def _path(location: tuple[int | str, ...]) -> str:
    made = ""
    for part in location:
        if isinstance(part, int):
            made += f"[{part}]"
        elif part not in ("ImperfectionSettings", "literal['none']"):
            made += f".{part}" if made else part
    return made


def utc_nanosecond(moment: datetime) -> int:
    """Integer nanoseconds since 1970 of an aware moment."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
