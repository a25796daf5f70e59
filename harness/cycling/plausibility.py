"""Can this reading be believed? Pure judgement of what `safety` has let pass, by what went before it.

`safety` asks whether a cell is in danger; here it is asked whether what is read is true, for a limit held on a false voltage
holds nothing. Two answers. A *doubt* is a flag on the reading (`harness.model.flags`): the number is kept and says so. A *trip*
ends the run: the voltmeter shows that it does not see the cell, or the program is not the one that was recorded.

* ``current_off``    a constant current is more than 4 σ of the instrument's accuracy from the one commanded; ``potential_off``, a
  potential is 10 mV off. (One that is off by a tenth is a matter of `safety`.)
* ``clock``          the instrument counts more time than has passed here: its charges are too large.
* ``noisy``          the voltage has turned four times by 5 mV or more within 64 readings of one command. By 0.25 V: trip.
* ``voltage_step``   more than 20 mV between two readings, and less than a tenth of it in the two before and the two after.
* ``unresponsive``   the current changed by at least half and 0.1 mA, and the voltage did not move in that direction, as across
  any resistance of 1 Ω it must: not at once by 0.1 mV and five times the noise, nor in the mean of eight readings by
  twice its error and what the slope before explains. Twice in a row: trip. A lead is off, the voltmeter is dead, or the noise
  is larger than all it measures.
* ``frozen``         so many equal voltages in a row while current flows as these readings would not give by chance once in 10⁴
  (at least 10); once in 10⁹ and 30 of them: trip.
* A time that lies before the last one of the same program: trip, for the program runs a second time.

Noise alone ends no run: a cell with dendrites is noisy too. What is not seen: two cells swapped that are alike; swapped leads of
a symmetric cell; a step of the current's offset that is within the accuracy; a clock that jumps by less than one interval.
Readings that are missing are `continuity`'s.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.cycling.safety import Trip, TripKind
from harness.model import flags
from harness.units import NANOSECOND
from potentiostat_drivers.program import FLAG_HELD, Command, Galvanostatic, Impedance, Potentiostatic, Reading, Rest

_SIGMAS = 4.0
_LEAST_OF_RANGE = 5e-4
_LEAST_OF_READING = 2e-4
"""What converter steps and noise make of a perfect reading, of its range and of itself."""
_OFF_POTENTIAL_VOLT = 0.01
_AT_LIMIT = 0.95
_WINDOW = 16
_TURNS, _WITHIN = 4, 64
_NOISE_VOLT = 5e-3
_USELESS_VOLT = 0.25
_STEP_VOLT = 0.02
_STEP_FACTOR = 10.0
_STEP_FROM = 8
_RESPONSE_AMPERE = 1e-4
_RESPONSE_VOLT = 1e-4
_MEAN_OF = 8
_EQUALS_FLAGGED, _EQUALS_TRIPPED = 10, 30
_RARE, _IMPOSSIBLE = math.log(1e-4), math.log(1e-9)
_CLOCK_SECOND, _CLOCK_RATE = 10.0, 5e-4
_REPEATED_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One standard deviation of a current: a part of the range, and of the reading."""

    offset_of_range: float = 1e-3
    gain: float = 1e-3


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is said of one reading: its flags, those that are new in this program in words, and why the cell must be opened."""

    flags: tuple[str, ...] = ()
    news: tuple[str, ...] = ()
    trip: Trip | None = None

    def marked(self, reading: Reading) -> Reading:
        """The reading with these flags."""
        return replace(reading, flags=" ".join(filter(None, [reading.flags, *self.flags]))) if self.flags else reading


_NONE = Doubt()


class Doubts:
    """The readings of one run, in order, whatever program they belong to. ``last_second`` is the latest time of this program."""

    def __init__(self, accuracy: Accuracy) -> None:
        self._accuracy = accuracy
        self._begun_nanosecond: int | None = None
        self._command: Command | None = None
        self._last: Reading | None = None
        self._found: tuple[str, ...] = ()
        self._volts: deque[float] = deque(maxlen=_WINDOW)
        self._count = 0
        self._response = _Response()
        self._noise, self._useless = _Turns(_NOISE_VOLT), _Turns(_USELESS_VOLT)
        self._equals = _Equals()
        self._told: set[str] = set()
        self.last_second = 0.0

    def begin_program(self, now_nanosecond: int) -> None:
        """A new program is sent; its time begins at 0."""
        self._begun_nanosecond = now_nanosecond
        self.last_second = 0.0
        self._command = None
        self._told.clear()

    def take_up(self, begun_nanosecond: int, last_second: float) -> None:
        """Follow a program that was sent at that moment, and heard of until ``last_second``."""
        self._begun_nanosecond, self.last_second = begun_nanosecond, last_second

    def forget(self) -> None:
        """The cell was left alone, or something was missed: what the voltage was tells nothing of what it is."""
        self._last = self._command = None
        self._volts.clear()
        self._response = _Response()

    def look(self, reading: Reading, command: Command, now_nanosecond: int) -> Doubt:
        """What is to be said of ``reading``, heard at that station time."""
        if reading.step_time_second < self.last_second - _REPEATED_SECOND:
            return self._repeated(reading)
        self.last_second = max(self.last_second, reading.step_time_second)
        if isinstance(command, Impedance):
            return _NONE
        if FLAG_HELD in reading.flags:
            return self._doubt(self._found, None) if self._found else _NONE
        if command is not self._command:
            self._begin(command)
        self._volts.append(reading.voltage_volt)
        found = list(_off_setpoint(reading, command, self._accuracy, first=self._count == 0))
        if self._is_ahead(reading, now_nanosecond):
            found.append(flags.CLOCK)
        trip = None
        judged = self._response.take(reading, command, self._count), self._of_equals(reading, command), self._of_shape()
        for flag, tripped in judged:
            found += flag
            trip = trip or tripped
        self._last, self._found, self._count = reading, tuple(found), self._count + 1
        return self._doubt(found, trip) if found or trip else _NONE

    def _doubt(self, found: Sequence[str], trip: Trip | None) -> Doubt:
        news = [flag for flag in found if flag not in self._told]
        self._told.update(news)
        return Doubt(tuple(found), tuple(f"{flag}: {flags.DOUBTS[flag]}" for flag in news), trip)

    def _begin(self, command: Command) -> None:
        if self._last is not None:
            self._response.begin(self._last.current_ampere, tuple(self._volts))
        self._command, self._count = command, 0
        self._noise.begin()
        self._useless.begin()
        self._volts.clear()

    def _is_ahead(self, reading: Reading, now_nanosecond: int) -> bool:
        """Whether the instrument counts more time than there was, beyond 10 s and 500 ppm; a reading is never from the future."""
        if self._begun_nanosecond is None:
            return False
        passed = (now_nanosecond - self._begun_nanosecond) / NANOSECOND
        return reading.step_time_second > passed * (1.0 + _CLOCK_RATE) + _CLOCK_SECOND

    def _repeated(self, reading: Reading) -> Doubt:
        what = (
            f"a reading of {reading.step_time_second:g} s came after one of {self.last_second:g} s: the program runs a second "
            "time, or the instrument's clock was set back; the cell must be opened"
        )
        return self._doubt((flags.CLOCK,), Trip(TripKind.REPEATED, what))

    def _of_equals(self, reading: Reading, command: Command) -> tuple[tuple[str, ...], Trip | None]:
        if isinstance(command, Rest | Potentiostatic):
            return (), None
        count, chance = self._equals.take(reading.voltage_volt)
        if count < _EQUALS_FLAGGED or chance > _RARE:
            return (), None
        if count < _EQUALS_TRIPPED or chance > _IMPOSSIBLE:
            return (flags.FROZEN,), None
        what = f"{count} readings in a row are {reading.voltage_volt:g} V to the last digit while current flows"
        return (flags.FROZEN,), Trip(TripKind.FROZEN, f"{what}, as of a dead voltmeter or a short; the cell must be opened")

    def _of_shape(self) -> tuple[tuple[str, ...], Trip | None]:
        volts = self._volts
        if self._count < _STEP_FROM:
            return (), None
        found = []
        if _is_step(tuple(volts)[-6:]):
            found.append(flags.VOLTAGE_STEP)
        if self._useless.turned(volts[-1]):
            what = f"the voltage goes up and down by more than {_USELESS_VOLT:g} V, and no limit can be held on it"
            return (*found, flags.NOISY), Trip(TripKind.NOISE, f"{what}; the cell must be opened")
        if self._noise.turned(volts[-1]):
            found.append(flags.NOISY)
        return tuple(found), None


class _Turns:
    """How often a voltage has turned by a ``level`` and more; a smooth curve does once or twice in a command."""

    __slots__ = ("_count", "_extreme", "_level", "_rises", "_turns")

    def __init__(self, level: float) -> None:
        self._level = level
        self.begin()

    def begin(self) -> None:
        """Forget everything: a command begins."""
        self._extreme = math.nan
        self._rises: bool | None = None
        self._count = 0
        self._turns: deque[int] = deque(maxlen=_TURNS)

    def turned(self, volt: float) -> bool:
        """Whether, with ``volt``, there were too many turns lately."""
        self._count += 1
        if self._rises is None:
            self._extreme = volt if math.isnan(self._extreme) else self._extreme
            if abs(volt - self._extreme) >= self._level:
                self._rises, self._extreme = volt > self._extreme, volt
        elif (volt > self._extreme) == self._rises:
            self._extreme = volt
        elif abs(volt - self._extreme) >= self._level:
            self._turns.append(self._count)
            self._rises, self._extreme = not self._rises, volt
        return len(self._turns) == _TURNS and self._count - self._turns[0] < _WITHIN


class _Response:
    """Whether the voltage follows changes of the current: what came before the present command, and how it was answered."""

    __slots__ = ("_after", "_ampere", "_before", "_open", "_silent", "_unresponsive")

    def __init__(self) -> None:
        self._ampere = 0.0
        self._before: tuple[float, ...] = ()
        self._after: list[float] = []
        self._open = False
        self._silent = 0
        self._unresponsive = False

    def begin(self, ampere: float, volts: tuple[float, ...]) -> None:
        """A command begins; ``ampere`` and ``volts`` are the last ones of the command before it."""
        self._ampere, self._before, self._after, self._open = ampere, volts, [], bool(volts)

    def take(self, reading: Reading, command: Command, count: int) -> tuple[tuple[str, ...], Trip | None]:
        """Judge reading ``count`` of a command; nothing is asked of a potentiostat, whose voltage is not an answer."""
        if self._open and not isinstance(command, Potentiostatic):
            self._after.append(reading.voltage_volt)
            answer = self._answered(reading.current_ampere)
            if answer or count >= _MEAN_OF - 1:
                self._open = False
            if answer:
                self._silent, self._unresponsive = 0, False
            elif answer is False and not self._open:
                self._silent, self._unresponsive = self._silent + 1, True
        if not self._unresponsive:
            return (), None
        if self._silent < 2:
            return (flags.UNRESPONSIVE,), None
        what = "the voltage did not follow the current, twice in a row: it is not the cell's; the cell must be opened"
        return (flags.UNRESPONSIVE,), Trip(TripKind.UNRESPONSIVE, what)

    def _answered(self, ampere: float) -> bool | None:
        """``None`` where the change of the current was too small to tell."""
        change = ampere - self._ampere
        if abs(change) < max(_RESPONSE_AMPERE, 0.5 * max(abs(ampere), abs(self._ampere))):
            return None
        sign, noise, before = math.copysign(1.0, change), _scatter(self._before), self._before[-_MEAN_OF:]
        if sign * (self._after[-1] - before[-1]) >= max(_RESPONSE_VOLT, 5.0 * noise) and len(self._after) <= 2:
            return True
        level, explained = _level(before, noise)
        error = noise * math.sqrt(1.0 / len(self._after) + 1.0 / len(before))
        moved = sign * (_mean(self._after) - level)
        return len(self._after) == _MEAN_OF and moved >= max(_RESPONSE_VOLT, 2.0 * error) + explained


def _level(volts: tuple[float, ...], noise: float) -> tuple[float, float]:
    """Where a series ends, and by how much that may be wrong for its slope, where it has one beyond its noise."""
    half = len(volts) // 2
    if not half:
        return volts[-1], 0.0
    early, late = _mean(volts[:half]), _mean(volts[-half:])
    apart = len(volts) - half
    slope = (late - early) / apart
    if abs(late - early) <= 3.0 * noise * math.sqrt(2.0 / half):
        return _mean(volts), 0.0
    return late + 0.5 * (half - 1) * slope, 0.5 * len(volts) * abs(slope)


def _mean(volts: Sequence[float]) -> float:
    return sum(volts) / len(volts)


class _Equals:
    """How many voltages in a row were equal, and how likely that is of these readings."""

    __slots__ = ("_count", "_equal", "_run", "_volt")

    def __init__(self) -> None:
        self._volt = math.nan
        self._run = 0
        self._equal = self._count = 0

    def take(self, volt: float) -> tuple[int, float]:
        """How often ``volt`` has now come in a row, and the logarithm of the chance, by the readings before."""
        if volt != self._volt:
            self._equal += max(self._run - 1, 0)
            self._count += self._run
            self._volt, self._run = volt, 1
            return 1, 0.0
        self._run += 1
        return self._run, (self._run - 1) * math.log((self._equal + 1.0) / (self._count + 2.0))


def _off_setpoint(reading: Reading, command: Command, accuracy: Accuracy, *, first: bool) -> tuple[str, ...]:
    """Whether a regulated quantity is not what it was told to be; a potential may need until the second reading."""
    match command:
        case Galvanostatic():
            wanted = command.current_ampere
            scale = abs(wanted) if reading.current_range_ampere is None else reading.current_range_ampere
            allowed = max(_SIGMAS * accuracy.offset_of_range, _LEAST_OF_RANGE) * scale
            allowed += max(_SIGMAS * accuracy.gain, _LEAST_OF_READING) * abs(wanted)
            return (flags.CURRENT_OFF,) if abs(reading.current_ampere - wanted) > allowed else ()
        case Potentiostatic():
            limited = abs(reading.current_ampere) > _AT_LIMIT * command.limits.current_max_ampere
            off = not first and not limited and abs(reading.voltage_volt - command.voltage_volt) > _OFF_POTENTIAL_VOLT
            return (flags.POTENTIAL_OFF,) if off else ()
        case Rest() | Impedance():
            return ()


def _scatter(volts: tuple[float, ...]) -> float:
    """White noise of a few voltages, by second differences, which no smooth change survives."""
    bends = [abs(one - 2.0 * two + three) for one, two, three in zip(volts, volts[1:], volts[2:], strict=False)]
    return statistics.median(bends) / (0.6745 * math.sqrt(6.0)) if bends else 0.0


def _is_step(volts: tuple[float, ...]) -> bool:
    """Whether the middle one of the five moves between six voltages stands alone."""
    if len(volts) < 6:
        return False
    moves = [abs(later - early) for early, later in itertools.pairwise(volts)]
    return moves[2] > _STEP_VOLT and max(moves[0], moves[1], moves[3], moves[4]) < moves[2] / _STEP_FACTOR
