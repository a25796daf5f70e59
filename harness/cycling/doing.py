"""What a runner has in hand: the program that runs on its channel, and what people are shown of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cycling import stepper
from harness.cycling.recovery import longest_second
from harness.model.run import Role
from harness.units import NANOSECOND
from potentiostat_drivers.program import Command, EndReason, Reading


@dataclass(frozen=True, slots=True)
class Live:
    """Where a run is, for people: the step, and the last reading."""

    step_path: str | None = None
    role: Role | None = None
    cycle_count: int | None = None
    voltage_volt: float | None = None
    current_ampere: float | None = None
    unix_time_nanosecond: int | None = None

    def after(self, reading: Reading, unix_time_nanosecond: int) -> Live:
        """The same step, with a newer reading."""
        volt, ampere = reading.voltage_volt, reading.current_ampere
        return replace(self, voltage_volt=volt, current_ampere=ampere, unix_time_nanosecond=unix_time_nanosecond)


@dataclass(frozen=True, slots=True)
class Doing:
    """The program that is being done: its block, the command that runs, and where times count from.

    ``anchor_nanosecond`` is the station time at which the instrument's times are zero, ``command_start_second`` where the
    command that runs begins in them. ``over`` is why the command ended, where it did and no other follows it. ``gap`` is what
    became of it while the link was lost, as it was found before the cell was opened.
    """

    block: stepper.Block
    index: int
    anchor_nanosecond: int
    command_start_second: float = 0.0
    points: int = 0
    over: EndReason | None = None
    gap: tuple[EndReason, float] | None = None

    @property
    def step(self) -> stepper.PlannedStep:
        """The step whose command runs."""
        return self.block.steps[self.index]

    @property
    def command(self) -> Command:
        """The command that runs."""
        return self.block.program.commands[self.index]

    @property
    def is_last(self) -> bool:
        """Whether no command follows in the program."""
        return self.index == len(self.block.steps) - 1

    @property
    def over_nanosecond(self) -> int:
        """By when, in station time, an instrument that keeps its limits has ended the whole program."""
        longest = sum(longest_second(command) for command in self.block.program.commands)
        return self.stamp(longest + self.block.silence_second)

    def next(self, start_second: float) -> Doing:
        """The next command of the program, which began ``start_second`` after the program."""
        return replace(self, index=self.index + 1, command_start_second=start_second, points=0, over=None)

    def elapsed_second(self, now_nanosecond: int) -> float:
        """How long the command has run by a station time."""
        return max(now_nanosecond - self.stamp(self.command_start_second), 0) / NANOSECOND

    def stamp(self, step_time_second: float) -> int:
        """The station time of an instrument's time."""
        return self.anchor_nanosecond + round(step_time_second * NANOSECOND)
