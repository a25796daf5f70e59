"""What a runner has in hand: the program that runs on its channel, and what people are shown of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cycling import stepper
from harness.model.run import Role
from harness.units import NANOSECOND
from potentiostat_drivers.program import EndReason


@dataclass(frozen=True, slots=True)
class Live:
    """Where a run is, for people: the step, and the last reading."""

    step_path: str | None = None
    role: Role | None = None
    cycle_count: int | None = None
    voltage_volt: float | None = None
    current_ampere: float | None = None
    unix_time_nanosecond: int | None = None


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
    def is_last(self) -> bool:
        """Whether no command follows in the program."""
        return self.index == len(self.block.steps) - 1

    def next(self, start_second: float) -> Doing:
        """The next command of the program, which began ``start_second`` after the program."""
        return replace(self, index=self.index + 1, command_start_second=start_second, points=0, over=None)

    def stamp(self, step_time_second: float) -> int:
        """The station time of an instrument's time."""
        return self.anchor_nanosecond + round(step_time_second * NANOSECOND)
