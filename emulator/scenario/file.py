"""The scenario file: which instruments are there, what cells hang on them, how time runs, and what goes wrong.

::

    seed: 1
    clock: {scale: 1000, start: 2026-01-01T00:00:00Z, origin: 2026-11-23T13:00:00Z}   # origin: default this process's start
    truth: {file: truth.jsonl, latent: false}        # relative to the scenario file; absent: no truth is written
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
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
import yaml
from pydantic import Field, model_validator

from emulator.scenario.clock import ClockSettings
from emulator.scenario.events import Event
from emulator.scenario.instruments import InstrumentSettings
from emulator.scenario.written import Written
from harness.errors import BadInput

_LARGEST_BYTES = 1 << 20
_DEEPER = re.compile(r"([a-z0-9_]+(?:\[\d+\]|\.[a-z0-9_]+)+): (.+)", re.DOTALL)


class TruthSettings(Written):
    """Where the truth is written; with ``latent``, the state of every sample too, in a directory beside it."""

    file: str
    latent: bool = False


class Scenario(Written):
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
