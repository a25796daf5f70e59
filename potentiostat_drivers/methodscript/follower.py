"""From data packages to `Item`s: follows a running program's output. Pure; the other half of `script`.

Each package begins with token, command index, time since the timer's last restart and base; the base is summed here from the
end packages, at their full resolution. The instrument's own, coarser sum is used once, when following begins in the middle.
"""

from __future__ import annotations

import math
from collections import deque
from typing import assert_never

from potentiostat_drivers.errors import WireError
from potentiostat_drivers.methodscript.models import Model
from potentiostat_drivers.methodscript.script import REASON_CODES
from potentiostat_drivers.methodscript.wire import Package, Variable
from potentiostat_drivers.program import (
    FLAG_CURRENT_SET,
    FLAG_HELD,
    FLAG_OVERLOAD,
    FLAG_TIMING,
    FLAG_UNDERLOAD,
    FLAG_VOLTAGE_OVERLOAD,
    FLAG_VOLTAGE_SET,
    Command,
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    ImpedancePoint,
    Item,
    Potentiostatic,
    Program,
    ProgramEnded,
    Reading,
    Rest,
)

_REASONS = {code: reason for reason, code in REASON_CODES.items()}
_HEAD = ("ja", "jb", "eb", "eb")
_END = "jc"
_MEASURED: dict[type[Command], tuple[tuple[str, ...], ...]] = {
    Rest: (("ab",),),
    Galvanostatic: (("ab", "ba"), ("ab", "db")),
    Potentiostatic: (("ab", "ba"), ("da", "ba")),
    Impedance: (("dc", "cc", "cd"),),
}
"""What a reading of each kind of command may hold: what is controlled is told as measured or as set (``da``, ``db``).

The maker's examples of both loops (MethodSCRIPT 1.8, ``MSLoopExample008`` and ``009``) speak of the *set* potential and the *set*
current; which firmware says which type nobody has shown, so both are understood.
"""
_HELD: dict[type[Command], tuple[tuple[str, ...], ...]] = {**_MEASURED, Impedance: ((),)}
"""What the end of each may repeat."""
_MEASURED_KIND = {"da": "ab", "db": "ba"}
_SET_FLAGS = {"da": FLAG_VOLTAGE_SET, "db": FLAG_CURRENT_SET}
_FINE_BASE_SECOND, _FINE_SECOND, _COARSE_SECOND = 1.3e5, 0.1, 5.0
"""The instrument's sum of times has steps of at most 1 ms up to 37 h, then of 1 s; it is compared with ours to within these."""
_REMEMBERED = 256
"""How many readings back one that comes twice, with the same values, is known for what it is."""
_OVERLOAD_BIT = 2
_STATUS_FLAGS = ((1, FLAG_TIMING), (2, FLAG_OVERLOAD), (4, FLAG_UNDERLOAD))


def token_of(package: Package) -> int | None:
    """The token of a package of ours; None for a package of another script."""
    kinds = tuple(variable.kind for variable in package.variables[: len(_HEAD)])
    value = package.variables[0].value if kinds == _HEAD else None
    return None if value is None else int(value)


class Follower:
    """What a program's packages say, in the order they come.

    Args:
        program: what was sent.
        model: whose range ids the packages carry; None when the instrument could not be asked.
        adopting: following begins in the middle, so that earlier commands may be missing.
    """

    def __init__(self, program: Program, model: Model | None, *, adopting: bool = False) -> None:
        self._program = program
        self._model = model
        self._adopting = adopting
        self._index = 0
        self._base_second = 0.0
        self._start_second: float | None = None
        self._last_second: float | None = None
        self._reason: EndReason | None = None
        self._heard: deque[tuple[float, tuple[Variable, ...]]] = deque(maxlen=_REMEMBERED)

    @property
    def command_index(self) -> int:
        """The command that runs now, as far as is known."""
        return min(self._index, len(self._program.commands) - 1)

    def take(self, package: Package) -> tuple[Item, ...]:
        """What ``package`` says: nothing, a reading, a point, the end of a command, or that it cannot be used.

        A package is taken as it was asked for or not at all: with a variable more or less it is `Damaged`, for what is left of a
        reading can look like the start of a command.

        Raises:
            WireError: it is not a package of this program, or the end of a command was lost before it.
        """
        if self._is_stump(package):
            return (self.damaged(f"a package that does not say where it belongs: {_shown(package).decode()}"),)
        index, time_second, base_second, rest = self._head(package)
        if index < self._index:
            return ()
        if self._adopting:
            self._adopting = False
            self._index, self._base_second, self._start_second = index, base_second, 0.0
        elif index > self._index or self._restarted(time_second, base_second):
            raise WireError(f"the end of command {self._index} is missing before a package of command {index}", _shown(package))
        kinds = tuple(variable.kind for variable in rest)
        measured = _MEASURED[type(self._program.commands[index])]
        if kinds == () and self._start_second is None:
            self._start_second = time_second
            self._last_second = None
            self._heard.clear()
            return ()
        if kinds in measured:
            return self._sample(time_second, rest)
        if kinds[:1] == (_END,) and kinds[1:] in ((), *_HELD[type(self._program.commands[index])]):
            return self._end(time_second, rest)
        return (self.damaged(f"a package that holds something else than was asked for: {_shown(package).decode()}"),)

    def damaged(self, what: str) -> Damaged:
        """Something unusable came while the present command ran."""
        return Damaged(self.command_index, what)

    def finished(self) -> tuple[Item, ...]:
        """The script has finished by itself, or was stopped by someone else.

        Raises:
            WireError: nothing was said of how its last command ended, so whether it runs on is unknown.
        """
        reason = self._reason
        if reason is None or not (reason.is_limit or reason is EndReason.ABORTED or self._index == len(self._program.commands)):
            raise WireError(f"the program is said to be over, but not how its command {self.command_index} ended", b"")
        if reason is EndReason.ABORTED:
            return self.aborted()
        return (ProgramEnded(reason if reason.is_limit else EndReason.COMPLETED),)

    def aborted(self) -> tuple[Item, ...]:
        """The script was stopped from outside. Its last section says when; without that the time of the last package is known."""
        if self._index >= len(self._program.commands) or (self._reason is not None and self._reason.is_limit):
            return (ProgramEnded(EndReason.ABORTED),)
        if self._start_second is None:
            return (ProgramEnded(EndReason.ABORTED),)
        last = self._start_second if self._last_second is None else self._last_second
        ended = CommandEnded(self._index, EndReason.ABORTED, _clean(last - self._start_second), self._in_program(last))
        return (ended, ProgramEnded(EndReason.ABORTED))

    def _head(self, package: Package) -> tuple[int, float, float, tuple[Variable, ...]]:
        if token_of(package) != self._program.token:
            raise WireError("a package belongs to another program", _shown(package))
        _, index, time_second, base_second = (_known(variable, package) for variable in package.variables[: len(_HEAD)])
        if not 0 <= index < len(self._program.commands):
            raise WireError(f"a package of command {index:g}, which the program does not have", _shown(package))
        return int(index), time_second, base_second, package.variables[len(_HEAD) :]

    def _restarted(self, time_second: float, base_second: float) -> bool:
        """Whether the timer was restarted since the last package, so that an end was lost.

        Otherwise the last section's package, just after that restart, would make a command that has ended one that was aborted
        as it began.
        """
        coarse = _COARSE_SECOND if base_second >= _FINE_BASE_SECOND else _FINE_SECOND
        backwards = self._last_second is not None and time_second < self._last_second - _FINE_SECOND
        return base_second > self._base_second + coarse and (backwards or self._start_second is not None)

    def _is_stump(self, package: Package) -> bool:
        """Whether it begins as a package of this program does, and what follows the token is cut off or no number."""
        head = package.variables[: len(_HEAD)]
        kinds = tuple(variable.kind for variable in head)
        ours = head[0].value == self._program.token and kinds == _HEAD[: len(kinds)]
        return ours and (len(kinds) < len(_HEAD) or any(variable.value is None for variable in head))

    def _sample(self, time_second: float, rest: tuple[Variable, ...]) -> tuple[Item, ...]:
        if self._last_second is not None and time_second <= self._last_second:
            if (time_second, rest) in self._heard:
                return ()
            raise WireError(f"the instrument's clock went back from {self._last_second:g} s to {time_second:g} s", b"")
        self._heard.append((time_second, rest))
        item = self._item(time_second, rest, "")
        if item is None:
            return (self.damaged(f"a reading without a number at {self._in_program(time_second):g} s"),)
        self._last_second = time_second
        return (item,)

    def _end(self, time_second: float, rest: tuple[Variable, ...]) -> tuple[Item, ...]:
        reason = _REASONS.get(int(rest[0].value or 0))
        if reason is None:
            raise WireError("a command ended for a reason that is none", repr(rest[0]).encode())
        item = self._item(time_second, rest[1:], FLAG_HELD) if len(rest) > 1 else None
        start = self._start_second or 0.0
        ended = CommandEnded(self._index, reason, _clean(time_second - start), self._in_program(time_second))
        self._base_second = self._in_program(time_second)
        self._index += 1
        self._reason = reason
        self._start_second = None
        self._last_second = None
        self._heard.clear()
        return (ended,) if item is None else (item, ended)

    def _in_program(self, time_second: float) -> float:
        return _clean(self._base_second + time_second)

    def _item(self, time_second: float, rest: tuple[Variable, ...], flag: str) -> Item | None:
        """None where the instrument measured nothing: a value that is not a number is no reading."""
        values = {_MEASURED_KIND.get(variable.kind, variable.kind): variable for variable in rest}
        told = [_SET_FLAGS[variable.kind] for variable in rest if variable.kind in _SET_FLAGS]
        flags = " ".join(filter(None, [flag, *told, *_flags(rest)]))
        command = self._program.commands[self._index]
        step_time = self._in_program(time_second)
        match command:
            case Impedance():
                return self._point(command, step_time, values, flags)
            case Rest() | Galvanostatic() | Potentiostatic():
                return self._reading(command, step_time, values, flags)
            case _:
                assert_never(command)

    def _reading(self, command: Command, step_time: float, values: dict[str, Variable], flags: str) -> Reading | None:
        voltage = values["ab"].value if "ab" in values else None
        current = values.get("ba")
        if voltage is None:
            return None
        if isinstance(command, Rest):
            return Reading(self._index, step_time, voltage, 0.0, None, flags)
        if current is None or current.value is None:
            return None
        nominal = None if self._model is None else self._model.nominal_ampere(current.range_id)
        return Reading(self._index, step_time, voltage, current.value, nominal, flags)

    def _point(self, command: Impedance, step_time: float, values: dict[str, Variable], flags: str) -> ImpedancePoint | None:
        frequency, real, imaginary = (values[kind].value if kind in values else None for kind in ("dc", "cc", "cd"))
        if frequency is None or real is None or imaginary is None or frequency <= 0:
            return None
        return ImpedancePoint(self._index, step_time, point_index(command, frequency), frequency, real, imaginary, flags)


def point_index(command: Impedance, frequency_hertz: float) -> int:
    """Which point of a sweep has this frequency, from 0 at the highest."""
    decades = math.log(command.frequency_max_hertz / command.frequency_min_hertz)
    position = math.log(command.frequency_max_hertz / frequency_hertz) / decades * (command.points - 1)
    return min(max(round(position), 0), command.points - 1)


def _clean(second: float) -> float:
    """To the nanosecond, which is finer than any instrument tells, and without the noise of binary sums."""
    return round(second, 9)


def _flags(variables: tuple[Variable, ...]) -> list[str]:
    """What the status of any of ``variables`` says; an overload of the potential is told apart, for limits are held on it."""
    status, potential = 0, 0
    for variable in variables:
        if variable.kind == "ab":
            potential |= variable.status or 0
        else:
            status |= variable.status or 0
    found = [flag for bit, flag in _STATUS_FLAGS if status & bit]
    return [*found, FLAG_VOLTAGE_OVERLOAD] if potential & _OVERLOAD_BIT else found


def _known(variable: Variable, package: Package) -> float:
    if variable.value is None:
        raise WireError("a package does not say where it belongs", _shown(package))
    return variable.value


def _shown(package: Package) -> bytes:
    return ";".join(f"{variable.kind}={variable.value}" for variable in package.variables).encode()
