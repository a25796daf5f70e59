"""Which instruments there are, with their channels, imperfections and calibrations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from emulator.instruments.calibration import UNCALIBRATED, Calibration
from emulator.instruments.converter import PERFECT, TYPICAL, Imperfections, Known, RangeChange
from emulator.instruments.models import MODELS, ModelName, Range
from emulator.scenario.cells import CellSettings, with_build
from emulator.scenario.written import Name, Serial
from harness.errors import BadInput
from harness.model.written import Written, read_yaml, validated, wrong
from harness.model.yaml_text import Plain
from harness.units import parse_quantity

_DEFAULT = Imperfections()
_BASES = {"none": PERFECT, "typical": TYPICAL}
_NEAREST = 1e-6
_LISTENING = re.compile(r"pty|tcp(?::([0-9]{1,5}))?")
_LAST_PORT = 65_535


Thousandth = Annotated[float, Field(ge=0, le=1e-3, allow_inf_nan=False)]
Tenth = Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False)]
One = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Ten = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Thousand = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class ImperfectionSettings(Written):
    """See `emulator.instruments.converter.Imperfections`, whose defaults these are; what no instrument has is refused.

    Written as ``none``, as ``typical``, or as a mapping, which may say ``base: none`` or ``base: typical`` and then only what
    differs from that.
    """

    offset: Tenth = _DEFAULT.offset
    gain: Tenth = _DEFAULT.gain
    adc_bits: Annotated[int, Field(ge=0, le=32)] = _DEFAULT.adc_bits
    voltage_noise_volt: One = _DEFAULT.voltage_noise_volt
    current_noise: Tenth = _DEFAULT.current_noise
    impedance_noise: One = _DEFAULT.impedance_noise
    offset_per_kelvin: Thousandth = _DEFAULT.offset_per_kelvin
    gain_per_kelvin: Thousandth = _DEFAULT.gain_per_kelvin
    wander: Tenth = _DEFAULT.wander
    pickup_volt: One = _DEFAULT.pickup_volt
    pickup_current: Tenth = _DEFAULT.pickup_current
    mains_hertz: Literal[50, 60] = 50
    range_gap_second: One = _DEFAULT.range_gap_second
    range_change: RangeChange = _DEFAULT.range_change
    range_glitch: Ten = _DEFAULT.range_glitch
    jitter_second: Tenth = _DEFAULT.jitter_second
    clock_ppm: Thousand = _DEFAULT.clock_ppm
    relay_second: Ten = _DEFAULT.relay_second
    wires: Literal[2, 4] = _DEFAULT.wires
    lead_ohm: Thousand = _DEFAULT.lead_ohm
    contact_ohm: Thousand = _DEFAULT.contact_ohm
    leakage_ampere: Annotated[float, Field(ge=-1e-6, le=1e-6, allow_inf_nan=False)] = _DEFAULT.leakage_ampere
    compliance: Literal["abort", "clip"] = _DEFAULT.compliance
    overshoot: One = _DEFAULT.overshoot
    regulator_second: Annotated[float, Field(gt=0, le=1.0)] = _DEFAULT.regulator_second

    @model_validator(mode="before")
    @classmethod
    def _named(cls, raw: object) -> object:
        if isinstance(raw, str):
            raw = {"base": raw}
        if not isinstance(raw, dict) or "base" not in raw:
            return raw
        base = raw["base"]
        if base not in _BASES:
            raise wrong(f'"{base}" is no set of imperfections; write none or typical, or what they are')
        return asdict(_BASES[base]) | {key: value for key, value in raw.items() if key != "base"}

    def numbers(self) -> Imperfections:
        """As an instrument takes them."""
        return Imperfections(**self.model_dump())


def _in(unit: str, *, positive: bool = False) -> BeforeValidator:
    def parse(text: object) -> float:
        try:
            value = parse_quantity(text, unit)
        except BadInput as bad:
            raise wrong(bad.what) from None
        if positive and value < 0.0:
            raise wrong(f'"{text}" is negative')
        return value

    return BeforeValidator(parse)


Gain = Annotated[float, Field(gt=0.5, lt=1.5)]


class CurrentRange(Written):
    """What a calibration says of one current range."""

    range: Annotated[float, _in("A")]
    offset: Annotated[float, _in("A")] | None = None
    gain: Gain | None = None
    noise: Annotated[float, _in("A", positive=True)] | None = None


class VoltageRange(Written):
    """What a calibration says of one voltage range."""

    range: Annotated[float, _in("V")]
    offset: Annotated[float, _in("V")] | None = None
    gain: Gain | None = None
    noise: Annotated[float, _in("V", positive=True)] | None = None


class CalibrationSettings(Written):
    """A channel's calibration: its true errors, so that whoever determines them can be tested. What is not said is drawn.

    ::

        current:
          - {range: 1 mA, offset: 0.21 uA, gain: 1.0002, noise: 12 nA}     # reading = gain × value + offset, noise 1 σ
        voltage:
          - {range: 1 V, offset: -0.1 mV, gain: 0.9999, noise: 50 uV}
    """

    current: tuple[CurrentRange, ...] = ()
    voltage: tuple[VoltageRange, ...] = ()

    def of(self, model: ModelName) -> Calibration:
        """As an instrument of ``model`` takes it.

        Raises:
            BadInput: it says something of a range that the model does not have.
        """
        made = MODELS[model]
        return Calibration(
            _by_range("current", self.current, made.current_ranges), _by_range("voltage", self.voltage, made.voltage_ranges)
        )


def _by_range(quantity: str, said: Sequence[CurrentRange | VoltageRange], ranges: tuple[Range, ...]) -> dict[float, Known]:
    found: dict[float, Known] = {}
    for place, one in enumerate(said):
        nominal = next((item.nominal for item in ranges if abs(item.nominal / one.range - 1.0) < _NEAREST), None)
        if nominal is None or nominal in found:
            offered = ", ".join(f"{item.nominal:g}" for item in ranges)
            what = "stands twice" if nominal in found else f"is no range of this model, whose ranges are {offered}"
            raise BadInput(f"{quantity}[{place}].range", f"{one.range:g} {what}")
        found[nominal] = Known(one.offset, one.gain, one.noise)
    return found


class StartSettings(Written):
    """A state to start from: ``snapshot`` is a file of `emulator.snapshots.snapshot`, relative to the scenario."""

    snapshot: Annotated[str, Field(min_length=1)]


def _listening(text: str) -> str:
    found = _LISTENING.fullmatch(text)
    if found is None or not 0 < int(found[1] or 1) <= _LAST_PORT:
        raise wrong(f'"{text}" is no place to listen; write tcp (a free port), tcp:5001 (1 to {_LAST_PORT}) or pty')
    return text


class ChannelSettings(Written):
    """A channel of an instrument. In a file ``calibration`` is the name of another one, which `with_calibrations` reads."""

    name: Name
    listen: Annotated[str, AfterValidator(_listening)] = "tcp"
    serial: Serial | None = None
    calibration: CalibrationSettings | None = None
    start_from: StartSettings | None = None
    cell: CellSettings


class InstrumentSettings(Written):
    """An instrument with its channels."""

    serial: Serial
    model: ModelName = "es4_hr"
    imperfections: ImperfectionSettings = ImperfectionSettings()
    channels: Annotated[tuple[ChannelSettings, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _calibrations(self) -> Self:
        for place in range(len(self.channels)):
            try:
                self.calibration_of(place)
            except BadInput as bad:
                raise ValueError(f"channels[{place}].calibration.{bad.where}: {bad.what}") from None
        return self

    def serial_of(self, place: int) -> str:
        """What channel number ``place`` (from 0) answers to ``i``."""
        return self.channels[place].serial or f"{self.serial}CH{place + 1:03d}"

    def calibration_of(self, place: int) -> Calibration:
        """The calibration of channel number ``place`` (from 0)."""
        said = self.channels[place].calibration
        return UNCALIBRATED if said is None else said.of(self.model)

    def measured_with(self) -> Imperfections:
        """The imperfections as numbers."""
        return self.imperfections.numbers()


def with_calibrations(raw: dict[str, Plain], directory: Path) -> dict[str, Plain]:
    """A scenario as YAML made it, with the content of its calibration and build files in the place of their names.

    Raises:
        BadInput: a file cannot be read, is not YAML, or is no calibration or build; with the place in it.
    """
    return _each(raw, "instruments", lambda one: _each(one, "channels", lambda channel: _filled(channel, directory)))


def _filled(channel: dict[str, Plain], directory: Path) -> dict[str, Plain]:
    return with_build(_calibrated(channel, directory), directory)


def _each(raw: dict[str, Plain], key: str, change: Callable[[dict[str, Plain]], dict[str, Plain]]) -> dict[str, Plain]:
    """``raw`` with ``change`` made to every mapping in its list ``key``, where there are any."""
    found = raw.get(key)
    if not isinstance(found, list):
        return raw
    return raw | {key: [change(one) if isinstance(one, dict) else one for one in found]}


def _calibrated(raw: dict[str, Plain], directory: Path) -> dict[str, Plain]:
    name = raw.get("calibration")
    if not isinstance(name, str):
        return raw
    path = directory / name
    content = read_yaml(path)
    validated(CalibrationSettings, content, str(path))
    return raw | {"calibration": content}
