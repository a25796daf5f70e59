"""The scenario file: which instruments are there, what cells hang on them, how time runs, and what goes wrong.

::

    seed: 1
    clock: {scale: 1000, start: 2026-01-01T00:00:00Z, origin: 2026-11-23T13:00:00Z}   # origin: default this process's start
    # or {mode: stepped, start: …}, advanced on the control port; or {mode: self_advancing, start: …}, which jumps while every
    # leaseholder waits, and runs at its scale (default 1) for clients without a lease
    truth: {file: truth.jsonl, latent: false}        # relative to the scenario file; absent: no truth is written
    reader_absent: drop                              # or stall: a script waits in pck_end until somebody reads
    blank_after_runtime_error: true                  # sources disagree about hardware
    loops_say: measured                              # or set: what CA says of its potential and CP of its current; likewise
    instruments:
      - serial: EMU4HR0001                           # must begin with EMU
        model: es4_hr                                # es4_hr es4_lr mes4hr nexus1 espico
        imperfections: none                          # none, typical, or some of `emulator.instruments.converter.Imperfections`,
        channels:                                    # as in {base: typical, adc_bits: 18}
          - name: a1
            listen: tcp                              # tcp (a free port), tcp:5001, or pty
            serial: EMU4HR0001CH001                  # default: the instrument's serial and CH001, CH002, …
            calibration: a1.yaml                     # beside this file: see `emulator.scenario.instruments.CalibrationSettings`
            start_from: {snapshot: a1.snapshot}      # a file that the control port gave; default: a fresh cell
            cell: {name: cu-01, build: three-layers-tin, counter: Cu, electrolyte: fec}     # see `emulator.scenario.cells`
    events: [...]                                    # see `emulator.scenario.events`
    schedule: demo-li-cu                             # for `generate` only: a ready schedule, a file beside this one, or a mapping
    population: {count: 100, vary: {…}}              # for `generate` only: see `emulator.scenario.population`
    expect: {records_lost: 0, ce_deviation_max: 3}   # see `harness.model.expectations`

A cell without a build has ``{geometry: deposit, preset: bare_fec, area_cm2: 1.267, excess_mah_cm2: 4, overrides: {…}}``:
``excess_mah_cm2`` is the lithium under the deposit: on each side of a symmetric cell (default 20), on the anode of a full
cell (default 4; 0 is anode-free), on the copper of a deposit cell (default 0). ``overrides`` are names of `CellParameters`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emulator.faults.registry import FAULTS
from emulator.scenario.clock import ClockSettings
from emulator.scenario.events import Event
from emulator.scenario.instruments import ChannelSettings, InstrumentSettings, with_calibrations
from emulator.scenario.population import Population
from harness.errors import BadInput
from harness.model.expectations import Expectations
from harness.model.written import Written, read_yaml, validated, wrong
from harness.model.yaml_text import located

_DEEPER = re.compile(r"([a-z0-9_]+(?:\[\d+\]|\.[a-z0-9_]+)+): (.+)", re.DOTALL)


class TruthSettings(Written):
    """Where the truth is written; with ``latent``, the state of every sample too, in a directory beside it."""

    file: Annotated[str, Field(min_length=1)]
    latent: bool = False


class Scenario(Written):
    """A whole scenario file."""

    seed: Annotated[int, Field(ge=0)] = 1
    clock: ClockSettings = ClockSettings()
    truth: TruthSettings | None = None
    reader_absent: Literal["drop", "stall"] = "drop"
    blank_after_runtime_error: bool = True
    loops_say: Literal["measured", "set"] = "measured"
    instruments: Annotated[tuple[InstrumentSettings, ...], Field(min_length=1)]
    events: tuple[Event, ...] = ()
    schedule: str | dict[str, object] | None = None
    population: Population | None = None
    expect: Expectations | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        seen: dict[tuple[str, str], str] = {}
        for number, instrument in enumerate(self.instruments):
            for place, channel in enumerate(instrument.channels):
                where = f"instruments[{number}].channels[{place}]"
                for key, value in (("name", channel.name), ("serial", instrument.serial_of(place))):
                    first = seen.setdefault((key, value), where)
                    if first != where:
                        raise wrong(f'"{value}" is the {key} of {first} too; each must be unique', f"{where}.{key}")
        return self

    @property
    def channels(self) -> dict[str, ChannelSettings]:
        """All channels by name."""
        return {channel.name: channel for instrument in self.instruments for channel in instrument.channels}


def read_scenario(path: Path) -> Scenario:
    """The scenario in a YAML file.

    Raises:
        BadInput: one sentence with the place in the file.
    """
    return parse_scenario(with_calibrations(read_yaml(path), path.parent), str(path))


def parse_scenario(raw: object, source: str = "") -> Scenario:
    """The scenario in what YAML made of the file ``source``.

    Raises:
        BadInput: one sentence with the place in the file.
    """
    try:
        scenario = validated(Scenario, raw, source)
    except BadInput as bad:
        deeper = _DEEPER.fullmatch(bad.what)
        if deeper is None:
            raise
        raise BadInput(f"{bad.where}.{deeper[1]}", deeper[2]) from None
    for where, what in _mistakes(scenario):
        raise BadInput(located(where, source), what)
    return scenario


def _mistakes(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What no part of a scenario can know alone: places and sentences."""
    names = [event.name for event in scenario.events if event.name is not None]
    cleared = {event.clear for event in scenario.events}
    for place, event in enumerate(scenario.events):
        where = f"events[{place}]"
        yield from _unknown_channels(scenario, event, where)
        if event.clear is not None and event.clear not in names:
            yield f"{where}.clear", f'no event is named "{event.clear}"'
        if event.name is not None and names.count(event.name) > 1:
            yield f"{where}.name", f'the name "{event.name}" stands twice; each must be unique'
        if event.lasting and event.for_ is None and event.name not in cleared:
            what = f"{event.lasting[0]} lasts and has no end; say for how long, or add an event that clears {event.name}"
            yield f"{where}.for", what


def _unknown_channels(scenario: Scenario, event: Event, where: str) -> Iterator[tuple[str, str]]:
    known = scenario.channels
    trigger = () if event.at is None else (event.at.channel,)
    for key, names in ((f"{where}.at.channel", trigger), (f"{where}.channel", event.channel)):
        for name in names:
            if name not in known:
                yield key, f'there is no channel "{name}"'
    for name in event.channel or trigger or tuple(known):
        kind = "pty" if name in known and known[name].listen == "pty" else "tcp"
        for deed in event.do:
            if kind not in FAULTS[deed.fault].links:
                yield f"{where}.do", f"{deed.fault} cannot happen on channel {name}, which listens on {kind}"
