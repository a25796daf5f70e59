"""What to do with a run whose link was lost: pure decisions, taken once the instrument answers again.

The instrument held its program alone meanwhile. Its lost readings stay lost and the gap is said in the data; what may not
happen is that a cell is polarised twice, or a half cycle counted that nobody saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from potentiostat_drivers.interface import Attachment, Idle, Running
from potentiostat_drivers.program import Command, EndReason, Galvanostatic, Impedance, Potentiostatic, Rest

OnGap = Literal["abort", "continue", "adopt"]


@dataclass(frozen=True, slots=True)
class Adopt:
    """The recorded program is the one still running: follow it."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Stop what runs and go on with what remains."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop what runs and end the run."""


def decide(on_gap: OnGap, attachment: Attachment, token: int | None) -> Adopt | GoOn | GiveUp:
    """What to do, given the schedule's wish, what the instrument does now, and the token of the recorded program."""
    match on_gap:
        case "abort":
            return GiveUp()
        case "continue":
            return GoOn()
        case "adopt":
            adoptable = isinstance(attachment, Running) and token is not None and attachment.token == token
            return Adopt() if adoptable else GoOn()
        case _:
            assert_never(on_gap)


def outcome_of_gap(command: Command, attachment: Attachment, elapsed_second: float) -> tuple[EndReason, float]:
    """How far ``command`` came in a gap, ``elapsed_second`` after its start: the reason it ended, and its duration.

    An instrument that is idle has ended the command by itself: by its own end where that is a time that has passed, else by
    a condition nobody saw. One that still ran was stopped now, so the command lasted until now.
    """
    wanted = longest_second(command)
    if isinstance(attachment, Idle) or elapsed_second >= wanted:
        return EndReason.DURATION, min(elapsed_second, wanted)
    return EndReason.ABORTED, elapsed_second


def longest_second(command: Command) -> float:
    """The longest time ``command`` can last by its own ends."""
    match command:
        case Rest() | Galvanostatic() | Potentiostatic():
            duration = command.until.duration_second
            longest = command.limits.duration_max_second
            return longest if duration is None else min(duration, longest)
        case Impedance():
            return command.limits.duration_max_second
        case _:
            assert_never(command)
