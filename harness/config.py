"""The site file: what hangs on this station, and where its data go. Values only; nothing here opens anything.

Imported by service, cli and query alone: lower stations are given values, not the site.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.errors import BadInput
from harness.model.cell import Identifier
from harness.model.written import Ampere, Fraction, Volt, Written, validated, wrong

EMBEDDED = "embedded"


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise wrong(f"{moment.isoformat()} has no time zone; write for example 2026-01-01T00:00:00Z")
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_aware)]


class ClockSection(Written):
    """``scale`` other than 1 is for emulated instruments only, and then ``start`` says what time it is at ``origin``.

    ``mode = "leased"``, for emulated instruments only too: the time of an emulator that advances by itself; ``control`` is the
    ports file it writes, with address and token of its control port. ``slack_second`` of emulated time may pass before a reading
    of a program that goes on is looked at: the larger, the faster.
    """

    mode: Literal["wall", "leased"] = "wall"
    control: Path | None = None
    slack_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    start: Moment | None = None
    origin: Moment | None = None

    @model_validator(mode="after")
    def _scaled_time_has_a_start(self) -> Self:
        if self.scale != 1.0 and self.start is None:
            raise wrong("a scale other than 1 needs start = <UTC time> beside it")
        if (self.mode == "leased") != (self.control is not None):
            raise wrong('mode = "leased" and control = "<the emulator\'s ports file>" belong together')
        if self.mode == "leased" and (self.scale != 1.0 or self.start is not None or self.origin is not None):
            raise wrong("leased time is the emulator's; leave scale, start and origin out")
        return self


class MqttSection(Written):
    """The broker. ``acknowledge = "broker"`` is for a Telegraf in ingest's place."""

    url: str = EMBEDDED
    acknowledge: Literal["store", "broker"] = "store"
    user: str | None = None
    password_file: Path | None = None


class InfluxSection(Written):
    """The InfluxDB that ingest writes to and dashboards read from."""

    url: str
    database: str = "harness"
    org: str = ""
    token_file: Path | None = None


class ServeSection(Written):
    """Where the page and the data server listen."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class Accuracy(Written):
    """One standard deviation of the current: offset as a fraction of the range, gain as a fraction of the reading."""

    offset: Fraction
    gain: Fraction


class ChannelSection(Written):
    """One channel. ``window`` and ``current`` are what this channel may ever do to a cell.

    ``autonomy_proven`` names the firmware on which somebody has seen the instrument open the cell by itself.
    """

    name: Identifier
    driver: str
    url: str
    serial: str | None = None
    window: tuple[Volt, Volt]
    current: Ampere
    accuracy: Accuracy | None = None
    adc_bits: Annotated[int, Field(ge=8, le=32)] | None = None
    autonomy_proven: str | None = None
    hardware_watchdog: bool = False

    @model_validator(mode="after")
    def _window_is_not_empty(self) -> Self:
        if self.window[0] >= self.window[1]:
            raise wrong(f"window [{self.window[0]:g} V, {self.window[1]:g} V] is empty; write the lower voltage first")
        if self.current <= 0:
            raise wrong("current must be positive: it is the largest magnitude this channel may pass")
        return self


class SiteFile(Written):
    """The site file as it is written."""

    station: Identifier
    state: Path | None = None
    clock: ClockSection = ClockSection()
    mqtt: MqttSection = MqttSection()
    influx: InfluxSection | None = None
    serve: ServeSection = ServeSection()
    kill_command: str | None = None
    channel: tuple[ChannelSection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _channels_are_distinct(self) -> Self:
        names = [channel.name for channel in self.channel]
        urls = [channel.url for channel in self.channel]
        for what, values in (("name", names), ("url", urls)):
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise wrong(f'two channels have the {what} "{twice}"; one port serves one channel')
        return self


class Site(SiteFile):
    """A site file and where it stands: relative paths in it are relative to it."""

    path: Path

    @property
    def state_directory(self) -> Path:
        """Where journal, registry and the rest live."""
        return self.path.parent / (self.state or self.station)

    def secret(self, file: Path | None) -> str | None:
        """The text of a secret file, which nobody else may read.

        Raises:
            BadInput: the file is absent, or others can read it.
        """
        if file is None:
            return None
        location = self.path.parent / file
        try:
            if location.stat().st_mode & 0o077:
                raise BadInput(str(location), "it holds a secret and others can read it; chmod 600 it")
            return location.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInput(str(location), f"the secret cannot be read ({error.strerror}); make it a file of mode 0600") from None


def load_site(path: Path) -> Site:
    """The site file at ``path``.

    Raises:
        BadInput: it cannot be read, is no TOML, or something in it is wrong; the sentence says where.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(str(path), f"the site file cannot be read ({error.strerror}); name an existing file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"this is not TOML: {error}") from None
    return Site(path=path.absolute(), **dict(validated(SiteFile, data, str(path))))
