"""Is the cell allowed to go on? Pure judgement of one item from an instrument, before anything is stored.

This is the second line. The first is the instrument, which tests every limit each ``check_second`` and ends the program by
itself; what is judged here is whether it *did*. So this module must neither be faster than the instrument, or every steep end
of a half cycle would be an alarm, nor trust it. Two tiers:

* **Suspect**: a reading outside the limits, past the command's wanted end, against the commanded direction, with current in a
  rest, or with a constant current that is not the commanded one (a lead that is off, a scale that is wrong). One such reading
  may be noise, or the very reading on which the instrument is about to act. ``strikes`` of them in a row are not: the
  instrument had its chance and did nothing.
* **At once**: a voltage more than ``reaction_volt`` outside the limits, a current ``hard_factor`` times the largest allowed,
  a current reversed to more than half of the commanded one, a reading that is not a number, a command that outlives its time.

``reaction_volt`` is the reaction margin, explicit: how far a voltage may run past a limit between two looks of the instrument
without that being proof of a fault. Exempt from it, but not from the strikes, is a reading that has reached the command's own
wanted end: at the end of stripping the voltage rises by volts within one look (the double layer alone is left to charge),
and that reading is the one the instrument ends on. A reading flagged ``held`` repeats the last measurement as the stamp of an
end that already happened, and adds no strike.

What an instrument says of an end is held against the reading it ended on: a command that ended because its voltage was above
1 V, with 1 mV as its last reading, shows that one of the two is wrong, and then nothing of this instrument can be believed.

Zero is a value. Limits are those of the command and of the channel, whichever is tighter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from potentiostat_drivers.program import (
    FLAG_HELD,
    FLAG_VOLTAGE_OVERLOAD,
    Command,
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    ImpedancePoint,
    Item,
    Potentiostatic,
    ProgramEnded,
    Reading,
    Rest,
    Until,
)

_WIRE_VOLT = 1e-5
"""A voltage just below its end may read as the end itself, since it comes with finitely many digits."""
SILENCE_SECOND = 30.0
"""What is added to three intervals before silence counts as loss."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a channel may do to any cell, and how its readings are judged. See the essay above."""

    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    reaction_volt: float = 0.25
    reaction_second: float = 10.0
    end_volt: float = 0.005
    current_tolerance: float = 0.02
    hard_factor: float = 1.5
    reversed_fraction: float = 0.1
    rest_fraction: float = 0.01
    mismatch_fraction: float = 0.1
    range_fraction: float = 0.003
    strikes: int = 3


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered between items: which command runs, since when, the last reading, suspect ones in a row."""

    command_index: int = 0
    started_second: float = 0.0
    strikes: int = 0
    last: Reading | None = field(default=None, compare=False)


class TripKind(StrEnum):
    """Why a cell must be made safe."""

    NOT_A_NUMBER = "not_a_number"
    VOLTAGE = "voltage"
    CURRENT = "current"
    REVERSED = "reversed"
    MISMATCH = "mismatch"
    CONTRADICTION = "contradiction"
    NOT_OPEN = "not_open"
    END_MISSED = "end_missed"
    OVERRUN = "overrun"
    UNRESPONSIVE = "unresponsive"
    FROZEN = "frozen"
    NOISE = "noise"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Ok:
    """Go on, with this to remember."""

    state: State


@dataclass(frozen=True, slots=True)
class Trip:
    """Make the cell safe now."""

    kind: TripKind
    sentence: str


Verdict = Ok | Trip


@dataclass(frozen=True, slots=True)
class _Suspicion:
    kind: TripKind
    what: str
    at_once: bool


def check(item: Reading | ImpedancePoint, command: Command, envelope: Envelope, state: State) -> Verdict:
    """Judge one item of ``command``; the verdict carries the state for the next one."""
    if item.command_index != state.command_index:
        state = State(item.command_index, item.step_time_second, 0)
    if isinstance(item, Reading):
        state = replace(state, last=item)
    suspicion = _of_time(item, command, envelope, state)
    if suspicion is None:
        suspicion = _of_point(item) if isinstance(item, ImpedancePoint) else _of_reading(item, command, envelope)
    if suspicion is None:
        return Ok(replace(state, strikes=0))
    if suspicion.at_once:
        return Trip(suspicion.kind, f"{suspicion.what}; the cell must be opened")
    if FLAG_HELD in item.flags.split():
        return Ok(state)
    strikes = state.strikes + 1
    if strikes >= envelope.strikes:
        return Trip(suspicion.kind, f"{suspicion.what}, after {strikes} suspect readings in a row; the cell must be opened")
    return Ok(replace(state, strikes=strikes))


def check_end(ended: CommandEnded, command: Command, envelope: Envelope, state: State) -> Verdict:
    """Judge the end of ``command``: whether its reason agrees with the last reading and with the time."""
    last = state.last if state.command_index == ended.command_index else None
    what = _contradiction(ended, command, envelope, last)
    if what is None:
        return Ok(command_over(ended))
    return Trip(TripKind.CONTRADICTION, f"command {ended.command_index} ended by {ended.reason.value}, but {what}; look at it")


def command_over(ended: CommandEnded) -> State:
    """The state after ``ended``: the next command has just begun."""
    return State(ended.command_index + 1, ended.step_time_second, 0)


def silence_second(interval_second: float, frequency_min_hertz: float | None = None) -> float:
    """After how long without a reading the instrument must be asked: 3 × interval + 30 s, for impedance + 3/f_min."""
    sweep = 0.0 if frequency_min_hertz is None else 3.0 / frequency_min_hertz
    return 3.0 * interval_second + SILENCE_SECOND + sweep


def is_number(item: Item) -> bool:
    """Whether the journal can hold ``item``; what is not a number is judged by `safety` and not kept."""
    values: tuple[float, ...]
    match item:
        case Reading():
            values = (item.step_time_second, item.voltage_volt, item.current_ampere)
        case ImpedancePoint():
            values = (item.step_time_second, item.frequency_hertz, item.real_impedance_ohm, item.imaginary_impedance_ohm)
        case CommandEnded() | ProgramEnded() | Damaged():
            return True
    return all(map(math.isfinite, values))


class Judge:
    """`check` for all items of one program, with the state kept."""

    def __init__(self, envelope: Envelope, commands: Sequence[Command]) -> None:
        self._envelope = envelope
        self._commands = tuple(commands)
        self._state = State()

    def check(self, item: Item) -> Verdict:
        """The verdict on ``item``; a command index beyond the program is a trip, for then it is another program that runs."""
        match item:
            case ProgramEnded() | Damaged():
                return Ok(self._state)
            case CommandEnded() | Reading() | ImpedancePoint():
                if not 0 <= item.command_index < len(self._commands):
                    what = "the end" if isinstance(item, CommandEnded) else "a reading"
                    sentence = f"{what} of command {item.command_index} came from a program of {len(self._commands)}"
                    return Trip(TripKind.OVERRUN, f"{sentence}; the cell must be opened")
                verdict = _judged(item, self._commands[item.command_index], self._envelope, self._state)
                if isinstance(verdict, Ok):
                    self._state = verdict.state
                return verdict
            case _:
                assert_never(item)


def _floor(reading: Reading, envelope: Envelope) -> float:
    """What any current may be off by, A: of its range, or of the channel where the range is unknown."""
    if reading.current_range_ampere is None:
        return envelope.rest_fraction * envelope.current_max_ampere
    return envelope.range_fraction * reading.current_range_ampere


def _judged(item: CommandEnded | Reading | ImpedancePoint, command: Command, envelope: Envelope, state: State) -> Verdict:
    if isinstance(item, CommandEnded):
        return check_end(item, command, envelope, state)
    return check(item, command, envelope, state)


def _contradiction(ended: CommandEnded, command: Command, envelope: Envelope, last: Reading | None) -> str | None:
    if isinstance(command, Impedance):
        return None
    until, limits = command.until, command.limits
    if ended.reason is EndReason.DURATION and until.duration_second is not None:
        early = until.duration_second - ended.duration_second
        if early > command.sampling.check_second + envelope.reaction_second:
            return f"after {ended.duration_second:g} s of {until.duration_second:g} s"
    bounds = {
        EndReason.VOLTAGE_ABOVE: (until.voltage_above_volt, 1.0),
        EndReason.LIMIT_VOLTAGE_MAX: (limits.voltage_max_volt, 1.0),
        EndReason.VOLTAGE_BELOW: (until.voltage_below_volt, -1.0),
        EndReason.LIMIT_VOLTAGE_MIN: (limits.voltage_min_volt, -1.0),
    }
    bound, sign = bounds.get(ended.reason, (None, 1.0))
    if last is None or FLAG_HELD not in last.flags.split() or bound is None:
        return None
    short = sign * (bound - last.voltage_volt)
    return f"its last voltage is {last.voltage_volt:g} V" if short > envelope.end_volt else None


def _of_time(item: Reading | ImpedancePoint, command: Command, envelope: Envelope, state: State) -> _Suspicion | None:
    if not math.isfinite(item.step_time_second):
        return _Suspicion(TripKind.NOT_A_NUMBER, f"a reading is stamped {item.step_time_second} s", at_once=True)
    longest, look = command.limits.duration_max_second, 0.0
    if not isinstance(command, Impedance):
        look = command.sampling.check_second
        if command.until.duration_second is not None:
            longest = min(longest, command.until.duration_second)
    lasted = item.step_time_second - state.started_second
    if lasted <= longest + look + envelope.reaction_second:
        return None
    return _Suspicion(
        TripKind.OVERRUN, f"command {item.command_index} still runs after {lasted:g} s of {longest:g} s", at_once=True
    )


def _of_point(point: ImpedancePoint) -> _Suspicion | None:
    values = (point.frequency_hertz, point.real_impedance_ohm, point.imaginary_impedance_ohm)
    if all(map(math.isfinite, values)):
        return None
    return _Suspicion(
        TripKind.NOT_A_NUMBER, f"an impedance reads {values[1]:g} {values[2]:+g}j Ω at {values[0]:g} Hz", at_once=False
    )


def _of_reading(reading: Reading, command: Command, envelope: Envelope) -> _Suspicion | None:
    if not (math.isfinite(reading.voltage_volt) and math.isfinite(reading.current_ampere)):
        return _Suspicion(
            TripKind.NOT_A_NUMBER, f"a reading is {reading.voltage_volt} V, {reading.current_ampere} A", at_once=True
        )
    ended = not isinstance(command, Impedance) and _has_ended(reading, command)
    found = [
        _of_voltage(reading, command, envelope, ended=ended),
        _of_current(reading, command, envelope),
        _of_direction(reading, command, envelope),
    ]
    if not isinstance(command, Impedance) and _has_ended(reading, command, _WIRE_VOLT):
        what = (
            f"command {reading.command_index} goes on at {reading.voltage_volt:g} V, {reading.current_ampere:g} A, past its end"
        )
        found.append(_Suspicion(TripKind.END_MISSED, what, at_once=False))
    suspicions = [suspicion for suspicion in found if suspicion is not None]
    return next((suspicion for suspicion in suspicions if suspicion.at_once), suspicions[0] if suspicions else None)


def _has_ended(reading: Reading, command: Rest | Galvanostatic | Potentiostatic, beyond_volt: float = 0.0) -> bool:
    """Whether the instrument ends ``command`` on this reading by a wanted end, passed by ``beyond_volt``."""
    until: Until = command.until
    above, below, taper = until.voltage_above_volt, until.voltage_below_volt, until.current_below_ampere
    return (
        (above is not None and reading.voltage_volt >= above + beyond_volt)
        or (below is not None and reading.voltage_volt <= below - beyond_volt)
        or (taper is not None and abs(reading.current_ampere) < taper)
    )


def _of_voltage(reading: Reading, command: Command, envelope: Envelope, *, ended: bool) -> _Suspicion | None:
    low = max(envelope.voltage_min_volt, command.limits.voltage_min_volt)
    high = min(envelope.voltage_max_volt, command.limits.voltage_max_volt)
    outside = max(low - reading.voltage_volt, reading.voltage_volt - high)
    if outside <= 0:
        blind = FLAG_VOLTAGE_OVERLOAD in reading.flags.split()
        what = "the voltmeter is overloaded, and no limit can be held on what it says"
        return _Suspicion(TripKind.VOLTAGE, what, at_once=False) if blind else None
    what = f"the voltage is {reading.voltage_volt:g} V, outside {low:g} V … {high:g} V"
    return _Suspicion(TripKind.VOLTAGE, what, at_once=outside > envelope.reaction_volt and not ended)


def _of_current(reading: Reading, command: Command, envelope: Envelope) -> _Suspicion | None:
    largest = min(envelope.current_max_ampere, command.limits.current_max_ampere)
    found = abs(reading.current_ampere)
    if found <= largest * (1 + envelope.current_tolerance):
        return None
    what = f"the current is {reading.current_ampere:g} A, over {largest:g} A"
    return _Suspicion(TripKind.CURRENT, what, at_once=found > largest * envelope.hard_factor)


def _of_direction(reading: Reading, command: Command, envelope: Envelope) -> _Suspicion | None:
    found = reading.current_ampere
    match command:
        case Rest():
            if abs(found) <= envelope.rest_fraction * envelope.current_max_ampere:
                return None
            return _Suspicion(
                TripKind.NOT_OPEN, f"a current of {found:g} A flows in a rest, where the cell is open", at_once=False
            )
        case Galvanostatic():
            return _of_constant(reading, command.current_ampere, envelope)
        case Potentiostatic() | Impedance():
            return None
        case _:
            assert_never(command)


def _of_constant(reading: Reading, wanted: float, envelope: Envelope) -> _Suspicion | None:
    found = reading.current_ampere
    if found * wanted < 0 and abs(found) > envelope.reversed_fraction * abs(wanted):
        what = f"the current is {found:g} A, against the {wanted:g} A commanded"
        return _Suspicion(TripKind.REVERSED, what, at_once=abs(found) > abs(wanted) / 2)
    allowed = envelope.mismatch_fraction * abs(wanted) + _floor(reading, envelope)
    if abs(found - wanted) <= allowed:
        return None
    return _Suspicion(TripKind.MISMATCH, f"the current is {found:g} A, not the {wanted:g} A commanded", at_once=False)
