"""``python -m emulator generate scenario.yaml --out DIR``: measurements and their truth without any wire.

Every cell of the scenario goes through the scenario's ``schedule`` on its own channel, new and undisturbed: a scenario that
begins with a snapshot is refused, and events do not happen. ``DIR`` gets ``<cell>.bdf.parquet`` and,
where impedance is measured, ``<cell>.impedance.parquet`` in the Battery Data Format's machine names, and ``truth.jsonl``. The
same scenario gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.assembly import make_channel
from emulator.generation.cycler import Cycler
from emulator.generation.recording import Recording
from emulator.generation.schedule import CellFacts, check, steps_of
from emulator.instruments.channel import Channel
from emulator.noise import Normals
from emulator.provenance import channel_entry, scenario_row
from emulator.scenario.cells import CellSettings
from emulator.scenario.clock import utc_nanosecond
from emulator.scenario.file import Scenario, read_scenario
from emulator.scenario.instruments import InstrumentSettings
from emulator.scenario.population import member
from emulator.truth import LatentFile, TruthFile, Value
from harness.errors import BadInput
from harness.model.run import Geometry
from harness.model.schedule import Schedule, parse_schedule, ready_schedule, ready_schedules
from harness.model.written import validated

START_NANOSECOND = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, where the scenario's clock has no start: what is generated must not depend on today."""

TRUTH_NAME = "truth.jsonl"
LATENT_NAME = "truth.latent"


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written."""

    cells: int
    samples: int
    stopped: dict[str, str]
    events: int

    def lines(self, out: Path) -> Iterator[str]:
        """What a person is told."""
        yield f"{self.cells} cells, {self.samples} samples in {out}"
        for name, reason in self.stopped.items():
            yield f"{name} stopped early: {reason}"
        if self.events:
            yield f"the scenario's {self.events} events did not happen: they need a port and a host"


@dataclass(frozen=True, slots=True)
class _Seat:
    """One cell on a channel of its own."""

    instrument: InstrumentSettings
    place: int

    @property
    def cell(self) -> CellSettings:
        return self.instrument.channels[self.place].cell

    @property
    def name(self) -> str:
        return self.cell.name or self.instrument.channels[self.place].name


def run(scenario_path: Path, out: Path) -> Generated:
    """Write everything into ``out``, which must be empty or absent.

    Raises:
        BadInput: one sentence about the scenario, its schedule or the directory.
    """
    scenario = read_scenario(scenario_path)
    schedule = _schedule(scenario, scenario_path)
    _begins_anew(scenario, scenario_path)
    seats = list(_seats(scenario))
    _check(schedule, seats)
    _prepare(out)
    latent = scenario.truth is not None and scenario.truth.latent
    truth = TruthFile(out / TRUTH_NAME, LatentFile(out / LATENT_NAME) if latent else None)
    try:
        return _generate(scenario, schedule, seats, truth, out)
    finally:
        truth.close()


def _generate(scenario: Scenario, schedule: Schedule, seats: list[_Seat], truth: TruthFile, out: Path) -> Generated:
    start = START_NANOSECOND if scenario.clock.start is None else utc_nanosecond(scenario.clock.start)
    entries: dict[str, Value] = {}
    for seat in seats:
        channel = make_channel(scenario.seed, seat.instrument, seat.place, TruthFile(None), start)
        entries[channel.name] = channel_entry(channel, seat.instrument.serial_of(seat.place), seat.cell, seat.cell.parameters())
    truth.append(scenario_row(scenario, entries, start, 1.0))
    samples, stopped = 0, {}
    for seat in seats:
        channel = make_channel(scenario.seed, seat.instrument, seat.place, truth, start)
        recording = Recording(start)
        reason = _cycle(channel, recording, schedule, seat)
        recording.write(out, seat.name)
        samples += len(recording.samples)
        if reason != "completed":
            stopped[seat.name] = reason
    return Generated(len(seats), samples, stopped, len(scenario.events))


def _cycle(channel: Channel, recording: Recording, schedule: Schedule, seat: _Seat) -> str:
    """Fast path: `emulator.cell.segments` may take the place of the channel here, cell by cell or for many at once."""
    return Cycler(channel, recording).run(steps_of(schedule, _facts(seat)))


# -- what is asked for


def _schedule(scenario: Scenario, path: Path) -> Schedule:
    written = scenario.schedule
    if written is None:
        raise BadInput(f"{path}: schedule", f"it is missing; name a ready one ({', '.join(ready_schedules())}) or write one")
    if isinstance(written, dict):
        return validated(Schedule, written, f"{path}: schedule")
    if written in ready_schedules():
        return parse_schedule(ready_schedule(written), written)
    file = path.parent / written
    try:
        return parse_schedule(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError):
        ready = ", ".join(ready_schedules())
        raise BadInput(f"{path}: schedule", f'"{written}" is neither a ready schedule ({ready}) nor a readable file') from None


def _begins_anew(scenario: Scenario, path: Path) -> None:
    for number, instrument in enumerate(scenario.instruments):
        for place, channel in enumerate(instrument.channels):
            if channel.start_from is not None:
                where = f"{path}: instruments[{number}].channels[{place}].start_from"
                raise BadInput(where, "a generated cell is always a new one; leave it out, or serve the scenario")


def _seats(scenario: Scenario) -> Iterator[_Seat]:
    """Every cell on a channel of its own; of a population, every member."""
    population = scenario.population
    for instrument in scenario.instruments:
        for place, channel in enumerate(instrument.channels):
            if population is None:
                yield _Seat(instrument, place)
                continue
            for number in range(1, population.count + 1):
                name = f"{channel.cell.name or channel.name}-{number:04d}"
                cell = member(population, channel.cell, name, functools.partial(_draw, scenario.seed, name))
                one = channel.model_copy(update={"name": f"{channel.name}-{number:04d}", "cell": cell})
                channels = (*instrument.channels[:place], one, *instrument.channels[place + 1 :])
                yield _Seat(instrument.model_copy(update={"channels": channels}), place)


def _draw(seed: int, cell: str, parameter: str) -> float:
    """The standard normal number of a cell for one parameter."""
    return Normals(seed, cell, f"population/{parameter}").value(0)


def _facts(seat: _Seat) -> CellFacts:
    cell = seat.cell
    capacity = cell.parameters().cathode_capacity_mah_cm2 * cell.area_cm2 * 1e-3
    return CellFacts(cell.geometry, cell.area_cm2, capacity if cell.geometry is Geometry.FULL else None)


def _check(schedule: Schedule, seats: list[_Seat]) -> None:
    names = [seat.name for seat in seats]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadInput("instruments", f'two cells are called "{twice[0]}", and each needs a file of its own')
    for geometry in {seat.cell.geometry for seat in seats}:
        check(schedule, _facts(next(seat for seat in seats if seat.cell.geometry is geometry)))


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise BadInput("--out", f"{out} is not empty; name another directory")
    except OSError as error:
        raise BadInput("--out", f"{out} cannot be used ({error.strerror})") from None
