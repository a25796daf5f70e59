"""What an instrument is asked to do, and what it says while doing it. No imports of ours but errors.

A `Program` is one or more `Command`s that run back to back without opening the cell between them. Signs: current > 0 is
oxidation at the working electrode; imaginary impedance is negative when capacitive. A command without a longest time is
refused here, so that no instrument is ever given one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from potentiostat_drivers.errors import ProgramInvalid

NO_FLAGS = ""
"""Flags are names joined by one space; none is the empty string."""

FLAG_HELD = "held"
"""The instrument's own stamp of a command's end, carrying the last values it measured."""
FLAG_OVERLOAD = "overload"
FLAG_UNDERLOAD = "underload"
FLAG_VOLTAGE_OVERLOAD = "voltage_overload"
"""The voltmeter is at its end, or its range has just changed: what it says is no voltage."""
FLAG_TIMING = "timing_error"
FLAG_CURRENT_SET = "current_set"
FLAG_VOLTAGE_SET = "voltage_set"
"""The instrument told what it was set to, in place of what it measured."""


class EndReason(StrEnum):
    """Why a command or program ended; ``limit_*`` means a hard limit, not the wanted end."""

    DURATION = "duration"
    VOLTAGE_ABOVE = "voltage_above"
    VOLTAGE_BELOW = "voltage_below"
    CURRENT_BELOW = "current_below"
    SWEEP_DONE = "sweep_done"
    LIMIT_VOLTAGE_MAX = "limit_voltage_max"
    LIMIT_VOLTAGE_MIN = "limit_voltage_min"
    LIMIT_CURRENT = "limit_current"
    LIMIT_DURATION = "limit_duration"
    ABORTED = "aborted"
    COMPLETED = "completed"

    @property
    def is_limit(self) -> bool:
        """Whether a hard limit was reached, so that the plan must not go on as if nothing had happened."""
        return self.value.startswith("limit_")


@dataclass(frozen=True, slots=True)
class Sampling:
    """When the instrument sends a reading, and how often it looks at its end conditions.

    A reading is sent every ``interval_second``, and earlier when the voltage has moved by ``voltage_change_volt``. End
    conditions and limits are tested every ``check_interval_second`` (default: every ``interval_second``), in the instrument.
    """

    interval_second: float
    voltage_change_volt: float | None = None
    check_interval_second: float | None = None

    @property
    def check_second(self) -> float:
        """The interval at which the instrument measures and tests."""
        return self.interval_second if self.check_interval_second is None else self.check_interval_second


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits of one command. Reaching one ends the program; 0 is a value like any other."""

    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    duration_max_second: float


@dataclass(frozen=True, slots=True)
class Until:
    """The wanted ends of a command; the first one reached wins, ``None`` is absent.

    ``current_below_ampere`` is a magnitude: the taper of a constant-voltage command.
    """

    duration_second: float | None = None
    voltage_above_volt: float | None = None
    voltage_below_volt: float | None = None
    current_below_ampere: float | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Cell open; its voltage is recorded."""

    sampling: Sampling
    until: Until
    limits: Limits


@dataclass(frozen=True, slots=True)
class Galvanostatic:
    """Constant current."""

    current_ampere: float
    sampling: Sampling
    until: Until
    limits: Limits


@dataclass(frozen=True, slots=True)
class Potentiostatic:
    """Constant voltage."""

    voltage_volt: float
    sampling: Sampling
    until: Until
    limits: Limits


@dataclass(frozen=True, slots=True)
class Impedance:
    """Potentiostatic impedance around the open-circuit voltage measured just before, from high to low frequency.

    ``points`` frequencies are spaced evenly in the logarithm, both ends included. ``amplitude_volt`` is RMS.
    """

    frequency_max_hertz: float
    frequency_min_hertz: float
    points: int
    amplitude_volt: float
    limits: Limits


Command = Rest | Galvanostatic | Potentiostatic | Impedance


@dataclass(frozen=True, slots=True)
class Program:
    """Commands run back to back. ``token`` (1 … 2**27 − 1) marks every reading of this program on the wire, so that after a
    lost link a driver can tell whether this very program is still the one that runs.
    """

    commands: tuple[Command, ...]
    token: int

    def __post_init__(self) -> None:
        check_program(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """One DC reading. ``step_time_second`` counts from the start of the *program*, on the instrument's clock.

    ``current_ampere`` is 0.0 while the cell is open: that is the state of a relay, not a measurement.
    """

    command_index: int
    step_time_second: float
    voltage_volt: float
    current_ampere: float
    current_range_ampere: float | None
    flags: str = NO_FLAGS


@dataclass(frozen=True, slots=True)
class ImpedancePoint:
    """One frequency of a sweep; ``imaginary_impedance_ohm`` is negative when capacitive."""

    command_index: int
    step_time_second: float
    point_index: int
    frequency_hertz: float
    real_impedance_ohm: float
    imaginary_impedance_ohm: float
    flags: str = NO_FLAGS


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """A command ended; ``duration_second`` is the instrument's own, from the command's start to its end, and
    ``step_time_second`` is where that end lies in the program.
    """

    command_index: int
    reason: EndReason
    duration_second: float
    step_time_second: float


@dataclass(frozen=True, slots=True)
class ProgramEnded:
    """The last item of every program: the cell is open."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Damaged:
    """Something of the running program came that cannot be used: one reading at most is missing here. ``what`` says what."""

    command_index: int
    what: str


Item = Reading | ImpedancePoint | Damaged | CommandEnded | ProgramEnded


def check_program(program: Program) -> None:
    """Raise `ProgramInvalid` unless every command ends by itself and lies within its own limits."""
    if not program.commands:
        raise ProgramInvalid("program", "it has no command")
    if not 0 < program.token < 2**27:
        raise ProgramInvalid("program", f"token {program.token} is not between 1 and 2**27 - 1")
    for index, command in enumerate(program.commands):
        _check_command(f"command {index}", command)


def _check_command(where: str, command: Command) -> None:
    limits = command.limits
    if not (math.isfinite(limits.duration_max_second) and limits.duration_max_second > 0):
        raise ProgramInvalid(where, "it has no longest time; every command needs one")
    if not limits.voltage_min_volt < limits.voltage_max_volt:
        raise ProgramInvalid(where, f"its voltage window {limits.voltage_min_volt:g} V … {limits.voltage_max_volt:g} V is empty")
    if isinstance(command, Galvanostatic) and abs(command.current_ampere) > limits.current_max_ampere:
        raise ProgramInvalid(
            where, f"its current {command.current_ampere:g} A exceeds its own limit {limits.current_max_ampere:g} A"
        )
    if isinstance(command, Potentiostatic) and not limits.voltage_min_volt <= command.voltage_volt <= limits.voltage_max_volt:
        raise ProgramInvalid(where, f"its voltage {command.voltage_volt:g} V lies outside its own window")
    if isinstance(command, Impedance):
        _check_sweep(where, command)
    elif not 0 < command.sampling.check_second <= command.sampling.interval_second:
        raise ProgramInvalid(where, "its sampling intervals must be positive, and the check interval the shorter one")


def _check_sweep(where: str, command: Impedance) -> None:
    if not 0 < command.frequency_min_hertz < command.frequency_max_hertz:
        raise ProgramInvalid(where, "its lowest frequency must be positive and below its highest")
    if command.points < 2 or command.amplitude_volt <= 0:
        raise ProgramInvalid(where, "it needs at least 2 points and a positive amplitude")
