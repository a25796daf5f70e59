"""Is every reading there? Pure judgement of the instrument's own times: the rule of sampling says when the next must have come.

A reading is sent every interval at the latest, the end of a command follows within one interval, and sweeps count their points.
What lies between two items further apart than that was lost on its way, whatever lost it. Readings that the instrument sent
early, because the voltage moved, cannot be missed that way; what is left of the series then still keeps the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentiostat_drivers.program import (
    Command,
    CommandEnded,
    Damaged,
    EndReason,
    Impedance,
    ImpedancePoint,
    Item,
    ProgramEnded,
    Reading,
)

_SLACK_SECOND = 0.5
"""How much later than its interval a reading may be stamped: statements of a script take milliseconds."""
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Notice:
    """What must be written down: ``kind`` of the incident, and a sentence."""

    kind: str
    sentence: str


class Continuity:
    """Looks at the items of one program in order. ``began`` is false when following it begins in the middle."""

    def __init__(self, commands: Sequence[Command], *, began: bool = True) -> None:
        self._commands = tuple(commands)
        self._index = 0
        self._last: float | None = 0.0 if began else None
        self._point = -1 if began else None
        self._damaged = False

    def notices(self, item: Item) -> tuple[Notice, ...]:
        """What is to be written down about ``item``: what was lost right before it, or the first of what is damaged in a row."""
        if isinstance(item, Damaged):
            first, self._damaged = not self._damaged, True
            return (Notice("damaged", f"{item.what}; a reading may be missing"),) if first else ()
        self._damaged = False
        what = self._missing(item)
        return () if what is None else (Notice("gap", what),)

    def _missing(self, item: Reading | ImpedancePoint | CommandEnded | ProgramEnded) -> str | None:
        match item:
            case ProgramEnded():
                return None
            case Reading():
                found = self._late(item.command_index, item.step_time_second)
                self._last = item.step_time_second
            case ImpedancePoint():
                found = self._skipped(item)
                self._last = item.step_time_second
            case CommandEnded():
                found = self._end(item)
                self._index, self._last, self._point = item.command_index + 1, item.step_time_second, -1
        return found

    def _late(self, index: int, second: float) -> str | None:
        if index != self._index:
            self._index, self._last, self._point = index, None, None
        command, last = self._commands[min(index, len(self._commands) - 1)], self._last
        if last is None or isinstance(command, Impedance):
            return None
        longest = (command.sampling.interval_second + command.sampling.check_second) * (1.0 + _SLACK) + _SLACK_SECOND
        if second - last <= longest:
            return None
        return f"readings between {last:g} s and {second:g} s of the program are missing"

    def _skipped(self, point: ImpedancePoint) -> str | None:
        if point.command_index != self._index:
            self._index, self._point = point.command_index, None
        before, self._point = self._point, point.point_index
        if before is None or point.point_index <= before + 1:
            return None
        return f"points {before + 1} to {point.point_index - 1} of a sweep are missing"

    def _end(self, ended: CommandEnded) -> str | None:
        command = self._commands[min(ended.command_index, len(self._commands) - 1)]
        if not isinstance(command, Impedance):
            return self._late(ended.command_index, ended.step_time_second)
        done = -1 if self._point is None else self._point
        if ended.reason is not EndReason.SWEEP_DONE or done == command.points - 1:
            return None
        return f"points {done + 1} to {command.points - 1} of a sweep are missing"
