"""Which readings let a cell go on, and which do not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cycling.safety import (
    Envelope,
    Judge,
    Ok,
    State,
    Trip,
    TripKind,
    Verdict,
    check,
    command_over,
    silence_second,
)
from potentiostat_drivers.program import (
    FLAG_HELD,
    Command,
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    ImpedancePoint,
    Limits,
    Potentiostatic,
    ProgramEnded,
    Reading,
    Rest,
    Sampling,
    Until,
)

ENVELOPE = Envelope(-0.5, 4.5, 5e-3)
LIMITS = Limits(0.0, 2.0, 2e-3, 7200.0)
SAMPLING = Sampling(60.0, 5e-3, 2.0)
STRIP = Galvanostatic(1e-3, SAMPLING, Until(voltage_above_volt=1.0), LIMITS)
PLATE = Galvanostatic(-1e-3, SAMPLING, Until(duration_second=3600.0), replace(LIMITS, voltage_min_volt=-0.5))
REST = Rest(SAMPLING, Until(duration_second=1800.0), LIMITS)
HOLD = Potentiostatic(1.0, SAMPLING, Until(current_below_ampere=1e-4), LIMITS)
SWEEP = Impedance(1e5, 1.0, 26, 0.01, LIMITS)


def reading(volt: float, ampere: float, second: float = 10.0, flags: str = "") -> Reading:
    return Reading(0, second, volt, ampere, 1e-2, flags)


def judged(command: Command, *readings: Reading) -> list[Verdict]:
    """The verdicts on readings in a row, up to the first trip."""
    state, verdicts = State(), list[Verdict]()
    for one in readings:
        verdict = check(one, command, ENVELOPE, state)
        verdicts.append(verdict)
        if isinstance(verdict, Trip):
            break
        state = verdict.state
    return verdicts


def trip(verdicts: list[Verdict]) -> Trip:
    assert isinstance(verdicts[-1], Trip)
    return verdicts[-1]


@pytest.mark.parametrize(
    ("command", "bad", "kind", "what"),
    [
        (STRIP, reading(math.nan, 1e-3), TripKind.NOT_A_NUMBER, "a reading is nan V, 0.001 A"),
        (STRIP, reading(0.1, math.inf), TripKind.NOT_A_NUMBER, "a reading is 0.1 V, inf A"),
        (STRIP, reading(0.1, 1e-3, math.nan), TripKind.NOT_A_NUMBER, "stamped nan s"),
        (STRIP, reading(-0.26, 1e-3), TripKind.VOLTAGE, "the voltage is -0.26 V, outside 0 V … 2 V"),
        (PLATE, reading(2.26, -1e-3), TripKind.VOLTAGE, "the voltage is 2.26 V, outside -0.5 V … 2 V"),
        (HOLD, reading(1.0, 3.1e-3), TripKind.CURRENT, "the current is 0.0031 A, over 0.002 A"),
        (HOLD, reading(1.0, -3.1e-3), TripKind.CURRENT, "the current is -0.0031 A, over 0.002 A"),
        (STRIP, reading(0.1, -0.6e-3), TripKind.REVERSED, "the current is -0.0006 A, against the 0.001 A commanded"),
        (PLATE, reading(0.1, 0.6e-3), TripKind.REVERSED, "the current is 0.0006 A, against the -0.001 A commanded"),
        (STRIP, reading(0.1, 1e-3, 7213.0), TripKind.OVERRUN, "command 0 still runs after 7213 s of 7200 s"),
        (PLATE, reading(0.1, -1e-3, 3613.0), TripKind.OVERRUN, "command 0 still runs after 3613 s of 3600 s"),
    ],
)
def test_check_trips_at_once(command: Command, bad: Reading, kind: TripKind, what: str) -> None:
    """What no noise explains needs no second reading."""
    verdicts = judged(command, bad)
    assert trip(verdicts).kind is kind
    assert what in trip(verdicts).sentence
    assert trip(verdicts).sentence.endswith("the cell must be opened")


@pytest.mark.parametrize(
    ("command", "suspect", "kind"),
    [
        (STRIP, reading(-0.01, 1e-3), TripKind.VOLTAGE),
        (PLATE, reading(2.1, -1e-3), TripKind.VOLTAGE),
        (HOLD, reading(1.0, 2.1e-3), TripKind.CURRENT),
        (STRIP, reading(0.1, -0.2e-3), TripKind.REVERSED),
        (STRIP, reading(0.1, 1e-6), TripKind.MISMATCH),
        (STRIP, reading(0.1, 1.14e-3), TripKind.MISMATCH),
        (PLATE, reading(0.1, -0.86e-3), TripKind.MISMATCH),
        (REST, reading(0.1, 0.1e-3), TripKind.NOT_OPEN),
        (STRIP, reading(1.00002, 1e-3), TripKind.END_MISSED),
        (HOLD, reading(1.0, 0.0), TripKind.END_MISSED),
    ],
)
def test_check_trips_at_the_third_suspect_reading_in_a_row(command: Command, suspect: Reading, kind: TripKind) -> None:
    """The instrument has its chance; three in a row show that it did not take it."""
    good = reading(0.5, 0.5e-3 if command == HOLD else getattr(command, "current_ampere", 0.0))
    assert trip(judged(command, suspect, suspect, suspect)).kind is kind
    assert len(judged(command, suspect, suspect, suspect)) == 3
    assert all(isinstance(verdict, Ok) for verdict in judged(command, suspect, suspect, good, suspect, suspect, good))


def test_check_lets_a_steep_end_of_stripping_pass() -> None:
    """The reading that reached the cut-off may lie volts beyond the limit: the instrument ends on it; if not, it is tripped."""
    beyond = reading(4.4, 1e-3)
    assert isinstance(judged(STRIP, beyond)[0], Ok)
    assert trip(judged(STRIP, beyond, beyond, beyond)).kind is TripKind.VOLTAGE


def test_check_adds_no_strike_for_a_held_reading() -> None:
    """The stamp of an end repeats the last measurement."""
    suspect = reading(1.2, 1e-3)
    held = replace(suspect, flags=f"timing_error {FLAG_HELD}")
    assert all(isinstance(verdict, Ok) for verdict in judged(STRIP, suspect, suspect, held, held))


def test_check_lets_a_voltage_rest_just_below_its_end() -> None:
    """What a shorted cell converges to may read as the end for ever, by the last digit that is sent."""
    assert all(isinstance(verdict, Ok) for verdict in judged(STRIP, *[reading(1.0, 1e-3)] * 10))


def test_check_takes_zero_for_a_value() -> None:
    """A lower limit of 0 V is a limit, a current limit of 0 A as well."""
    assert trip(judged(STRIP, *[reading(-1e-6, 1e-3)] * 3)).kind is TripKind.VOLTAGE
    closed = replace(ENVELOPE, current_max_ampere=0.0)
    verdict = check(reading(0.1, 1e-6), HOLD, closed, State())
    assert isinstance(verdict, Trip)
    assert verdict.kind is TripKind.CURRENT


@given(st.floats(0.0, 0.999), st.floats(0.9e-3, 1.1e-3), st.floats(0, 7200))
def test_check_passes_what_is_inside(volt: float, ampere: float, second: float) -> None:
    """Inside the limits, in the commanded direction and in time, there is never a strike."""
    assert check(reading(volt, ampere, second), STRIP, ENVELOPE, State()) == Ok(State())


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(0, 7200), st.sampled_from([STRIP, PLATE, REST, HOLD]))
def test_check_never_passes_three_of_a_reading_outside_the_limits(
    volt: float, ampere: float, second: float, command: Command
) -> None:
    """Whatever else it says, a voltage outside or a current over the limits does not go on."""
    limits = command.limits
    outside = (
        not limits.voltage_min_volt <= volt <= limits.voltage_max_volt or not abs(ampere) <= limits.current_max_ampere * 1.02
    )
    one = reading(volt, ampere, min(second, 1700.0))
    if outside:
        assert isinstance(judged(command, one, one, one)[-1], Trip)


@given(st.floats(max_value=-0.2501, allow_nan=False) | st.floats(min_value=2.2501, allow_nan=False))
def test_check_trips_at_once_beyond_the_reaction_margin(volt: float) -> None:
    """Beyond the margin a rest needs no second reading."""
    assert isinstance(check(reading(volt, 0.0), REST, ENVELOPE, State()), Trip)


@given(st.floats(), st.floats(), st.floats(0, 2000), st.integers(0, 3), st.text(max_size=8))
def test_check_always_answers(volt: float, ampere: float, second: float, index: int, flags: str) -> None:
    """Whatever a driver yields, there is a verdict with a sentence or a state."""
    commands = (STRIP, REST, HOLD, SWEEP)
    verdict = check(Reading(index, second, volt, ampere, None, flags), commands[index], ENVELOPE, State())
    assert verdict.sentence if isinstance(verdict, Trip) else verdict.state.strikes <= 1


def test_judge_knows_when_each_command_began() -> None:
    """The time of a command counts from the end of the one before it."""
    judge = Judge(ENVELOPE, (PLATE, HOLD, REST))
    assert isinstance(judge.check(Reading(0, 3599.0, 0.1, -1e-3, None)), Ok)
    assert isinstance(judge.check(CommandEnded(0, EndReason.DURATION, 3600.0, 3600.0)), Ok)
    assert isinstance(judge.check(Reading(1, 3600.0 + 7211.9, 1.0, 5e-4, None)), Ok)
    overrun = judge.check(Reading(1, 3600.0 + 7212.1, 1.0, 5e-4, None))
    assert isinstance(overrun, Trip)
    assert overrun.kind is TripKind.OVERRUN
    assert isinstance(judge.check(ProgramEnded(EndReason.COMPLETED)), Ok)


def test_judge_learns_of_a_command_whose_beginning_it_missed() -> None:
    """An adopted program is found in the middle; its command counts from the first reading seen."""
    judge = Judge(ENVELOPE, (PLATE, HOLD))
    assert isinstance(judge.check(Reading(1, 9000.0, 1.0, 5e-4, None)), Ok)
    assert isinstance(judge.check(Reading(1, 9000.0 + 7213.0, 1.0, 5e-4, None)), Trip)


def test_judge_trips_on_a_command_the_program_does_not_have() -> None:
    """A reading of the fourth command of a program of two is of another program."""
    verdict = Judge(ENVELOPE, (PLATE, HOLD)).check(Reading(3, 1.0, 1.0, 5e-4, None))
    assert isinstance(verdict, Trip)
    assert verdict.sentence.startswith("a reading of command 3 came from a program of 2")


def test_judge_gives_impedance_points_three_chances() -> None:
    """One frequency without a number is noise; three in a row, or a sweep without end, are not."""
    judge = Judge(ENVELOPE, (SWEEP,))
    good, bad = ImpedancePoint(0, 5.0, 0, 1e5, 10.0, -1.0), ImpedancePoint(0, 6.0, 1, 1e4, math.nan, -1.0)
    assert all(isinstance(judge.check(point), Ok) for point in (bad, bad, good, bad, bad))
    verdict = judge.check(bad)
    assert isinstance(verdict, Trip)
    assert "an impedance reads nan" in verdict.sentence
    late = Judge(ENVELOPE, (SWEEP,)).check(replace(good, step_time_second=7211.0))
    assert isinstance(late, Trip)
    assert late.kind is TripKind.OVERRUN


def test_command_over_begins_the_next() -> None:
    """The end of a command is the beginning of the next, without strikes."""
    assert command_over(CommandEnded(1, EndReason.DURATION, 10.0, 25.0)) == State(2, 25.0, 0)


def test_silence_second_is_the_rule_of_the_house() -> None:
    """3 × interval + 30 s, for impedance + 3/f_min."""
    assert silence_second(60.0) == 210.0
    assert silence_second(0.0) == 30.0
    assert silence_second(60.0, 0.1) == pytest.approx(240.0, rel=1e-12)


HELD = Reading(0, 3600.0, 1.0, 1e-3, 1e-3, FLAG_HELD)


@pytest.mark.parametrize(
    ("command", "reason", "held", "duration", "what"),
    [
        (STRIP, EndReason.VOLTAGE_ABOVE, replace(HELD, voltage_volt=1e-3), 3600.0, "above, but its last voltage is 0.001 V"),
        (STRIP, EndReason.VOLTAGE_ABOVE, HELD, 3600.0, None),
        (STRIP, EndReason.VOLTAGE_ABOVE, replace(HELD, voltage_volt=0.996), 3600.0, None),
        (STRIP, EndReason.VOLTAGE_ABOVE, replace(HELD, voltage_volt=1e-3, flags=""), 3600.0, None),
        (STRIP, EndReason.LIMIT_VOLTAGE_MIN, replace(HELD, voltage_volt=0.5), 3600.0, "its last voltage is 0.5 V"),
        (STRIP, EndReason.LIMIT_VOLTAGE_MIN, replace(HELD, voltage_volt=-0.01), 3600.0, None),
        (PLATE, EndReason.DURATION, HELD, 3587.0, "after 3587 s of 3600 s"),
        (PLATE, EndReason.DURATION, HELD, 3589.0, None),
        (PLATE, EndReason.ABORTED, HELD, 5.0, None),
    ],
)  # fmt: skip
def test_end_that_contradicts_its_last_reading_is_a_trip(
    command: Command, reason: EndReason, held: Reading, duration: float, what: str | None
) -> None:
    """An instrument whose words and numbers disagree is not believed; what agrees within one look is."""
    judge = Judge(ENVELOPE, (command,))
    judge.check(held)
    verdict = judge.check(CommandEnded(0, reason, duration, duration))
    if what is None:
        assert isinstance(verdict, Ok)
    else:
        assert isinstance(verdict, Trip)
        assert verdict.kind is TripKind.CONTRADICTION
        assert what in verdict.sentence


def test_damaged_line_is_no_reason_to_open_the_cell() -> None:
    """It is told elsewhere; what is judged is what can be read."""
    judge = Judge(ENVELOPE, (STRIP,))
    assert isinstance(judge.check(Damaged(0, "noise")), Ok)
