"""Everything that is asked of an item before it is stored, in one place and order. Pure; decides nothing itself.

May it be believed (`plausibility`), is the cell in danger (`safety`), is one missing before it (`continuity`)? A danger is told
before a doubt that would also open the cell, for it is what a person must read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.cycling.continuity import Continuity, Notice
from harness.cycling.plausibility import Doubts
from harness.cycling.safety import Envelope, Judge, Trip, is_number
from potentiostat_drivers.program import Command, Item, ProgramEnded, Reading


@dataclass(frozen=True, slots=True)
class Heard:
    """An item as it is to be stored, what is to be written down about it, and why the cell must be opened, if it must."""

    item: Item
    storable: bool
    notices: tuple[Notice, ...]
    trip: Trip | None


class Witness:
    """Hears the items of one program in order. ``began`` is false when following it begins in the middle."""

    def __init__(self, commands: Sequence[Command], envelope: Envelope, doubts: Doubts, *, began: bool) -> None:
        self._commands = tuple(commands)
        self._judge = Judge(envelope, self._commands)
        self._continuity = Continuity(self._commands, began=began)
        self._doubts = doubts

    def hear(self, item: Item, now_nanosecond: int) -> Heard:
        """What is to be done about ``item``, heard at that station time."""
        notices: tuple[Notice, ...] = ()
        doubted: Trip | None = None
        if isinstance(item, Reading) and 0 <= item.command_index < len(self._commands):
            doubt = self._doubts.look(item, self._commands[item.command_index], now_nanosecond)
            item, doubted = doubt.marked(item), doubt.trip
            notices = tuple(Notice("doubt", sentence) for sentence in doubt.news)
        verdict = self._judge.check(item)
        trip = verdict if isinstance(verdict, Trip) else doubted
        if trip is None:
            notices += self._continuity.notices(item)
        return Heard(item, self._is_storable(item), notices, trip)

    def _is_storable(self, item: Item) -> bool:
        """Whether it is of this program and all numbers; an end of the whole program always is."""
        return isinstance(item, ProgramEnded) or (is_number(item) and 0 <= item.command_index < len(self._commands))
