"""Which readings are missing, by the instrument's own times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cycling.continuity import Continuity
from potentiostat_drivers.program import (
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    ImpedancePoint,
    Item,
    Limits,
    ProgramEnded,
    Reading,
    Rest,
    Sampling,
    Until,
)

LIMITS = Limits(-0.5, 2.0, 2e-3, 36_000.0)
PLATE = Galvanostatic(-1e-3, Sampling(10.0, None, 2.0), Until(duration_second=3600.0), LIMITS)
REST = Rest(Sampling(10.0), Until(duration_second=600.0), LIMITS)
SWEEP = Impedance(1e5, 1.0, 6, 0.01, LIMITS)
ENDED = CommandEnded(0, EndReason.DURATION, 30.0, 30.0)


def reading(second: float, index: int = 0) -> Reading:
    return Reading(index, second, 0.1, -1e-3, 1e-3)


def point(number: int) -> ImpedancePoint:
    return ImpedancePoint(0, float(number), number, 1.0, 1.0, -1.0)


def swept(reason: EndReason = EndReason.SWEEP_DONE) -> CommandEnded:
    return CommandEnded(0, reason, 9.0, 9.0)


def said(items: list[Item], *commands: Galvanostatic | Rest | Impedance, began: bool = True) -> list[str]:
    continuity = Continuity(commands, began=began)
    return [f"{notice.kind}: {notice.sentence}" for item in items for notice in continuity.notices(item)]


@pytest.mark.parametrize(
    ("command", "items", "expected"),
    [
        (PLATE, [reading(0.0), reading(10.0), reading(22.0), ENDED], []),
        (PLATE, [reading(10.0), reading(30.0)], ["gap: readings between 10 s and 30 s of the program are missing"]),
        (PLATE, [reading(20.0)], ["gap: readings between 0 s and 20 s of the program are missing"]),
        (PLATE, [reading(10.0), ENDED], ["gap: readings between 10 s and 30 s of the program are missing"]),
        (REST, [reading(0.0), reading(20.0), reading(30.0)], []),
        (REST, [reading(0.0), reading(30.0)], ["gap: readings between 0 s and 30 s of the program are missing"]),
        (SWEEP, [*map(point, range(6)), swept()], []),
        (SWEEP, [point(0), point(3), point(4), point(5), swept()], ["gap: points 1 to 2 of a sweep are missing"]),
        (SWEEP, [*map(point, range(5)), swept()], ["gap: points 5 to 5 of a sweep are missing"]),
        (SWEEP, [point(1)], ["gap: points 0 to 0 of a sweep are missing"]),
        (SWEEP, [point(0), swept(EndReason.LIMIT_DURATION)], []),
        (PLATE, [Damaged(0, "noise"), Damaged(0, "noise"), reading(1.0), Damaged(0, "more")],
         ["damaged: noise; a reading may be missing", "damaged: more; a reading may be missing"]),
        (PLATE, [ProgramEnded(EndReason.COMPLETED)], []),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(command: Galvanostatic | Rest | Impedance, items: list[Item], expected: list[str]) -> None:
    """A time or a point that the rule of sampling promises and that did not come is a gap; damage is told once in a row."""
    assert said(items, command) == expected


def test_next_command_counts_from_the_end_before_it() -> None:
    """The second command's first reading is due within an interval of the first one's end."""
    second: list[Item] = [reading(30.0, 1), reading(40.0, 1)]
    first: list[Item] = [reading(10.0), reading(20.0), ENDED]
    assert said([*first, *second], PLATE, PLATE) == []
    assert len(said([*first, reading(60.0, 1)], PLATE, PLATE)) == 1


def test_adopted_program_is_judged_from_its_first_item() -> None:
    """What came before following began is another gap, told by whoever lost the link."""
    assert said([reading(2000.0), reading(2010.0)], PLATE, began=False) == []
    assert len(said([reading(2000.0), reading(2030.0)], PLATE, began=False)) == 1


@given(st.lists(st.floats(0.1, 12.0), min_size=1, max_size=50))
def test_nothing_is_missing_where_the_rule_is_kept(gaps: list[float]) -> None:
    """Readings as close as the instrument may send them are never a gap."""
    times = [sum(gaps[: count + 1]) for count in range(len(gaps))]
    assert said([reading(time) for time in times], PLATE) == []
