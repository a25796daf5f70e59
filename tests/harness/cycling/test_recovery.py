"""The decisions after a lost link, as a table."""

from __future__ import annotations

import pytest

from harness.cycling.recovery import Adopt, GiveUp, GoOn, OnGap, decide, longest_second, outcome_of_gap
from potentiostat_drivers.interface import Attachment, Idle, Running
from potentiostat_drivers.program import EndReason, Galvanostatic, Impedance, Limits, Rest, Sampling, Until

LIMITS = Limits(-0.5, 3.3, 1e-2, 4000.0)
PLATE = Galvanostatic(-1e-3, Sampling(10.0), Until(duration_second=3600.0), LIMITS)
STRIP = Galvanostatic(1e-3, Sampling(10.0), Until(voltage_above_volt=1.0), LIMITS)


@pytest.mark.parametrize(
    ("on_gap", "attachment", "decision"),
    [
        ("abort", Idle(), GiveUp()),
        ("abort", Running(7), GiveUp()),
        ("continue", Idle(), GoOn()),
        ("continue", Running(7), GoOn()),
        ("adopt", Running(7), Adopt()),
        ("adopt", Running(8), GoOn()),
        ("adopt", Running(None), GoOn()),
        ("adopt", Idle(), GoOn()),
    ],
)
def test_decide_adopts_only_the_recorded_program(on_gap: OnGap, attachment: Attachment, decision: object) -> None:
    """Only a running program with the recorded token is followed, and only where the schedule wishes it."""
    assert decide(on_gap, attachment, 7) == decision


@pytest.mark.parametrize(
    ("command", "attachment", "elapsed", "outcome"),
    [
        (PLATE, Running(7), 1000.0, (EndReason.ABORTED, 1000.0)),
        (PLATE, Running(None), 3600.0, (EndReason.DURATION, 3600.0)),
        (PLATE, Idle(), 9000.0, (EndReason.DURATION, 3600.0)),
        (STRIP, Idle(), 500.0, (EndReason.DURATION, 500.0)),
        (STRIP, Running(7), 500.0, (EndReason.ABORTED, 500.0)),
    ],
)
def test_outcome_of_gap_counts_what_the_instrument_did_alone(
    command: Galvanostatic, attachment: Attachment, elapsed: float, outcome: tuple[EndReason, float]
) -> None:
    """Idle: it ended by itself. Still running: it was stopped now, unless its time was over."""
    assert outcome_of_gap(command, attachment, elapsed) == outcome


def test_longest_second_is_the_tighter_of_end_and_limit() -> None:
    """A command lasts at most its wanted duration and at most its limit; a sweep has only the limit."""
    assert longest_second(PLATE) == 3600.0
    assert longest_second(STRIP) == 4000.0
    assert longest_second(Rest(Sampling(10.0), Until(duration_second=0.0), LIMITS)) == 0.0
    assert longest_second(Impedance(1e3, 1.0, 5, 0.01, LIMITS)) == 4000.0
