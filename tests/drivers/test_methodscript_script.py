import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiostat_drivers.errors import ProgramInvalid, WireError
from potentiostat_drivers.methodscript.follower import Follower, point_index, token_of
from potentiostat_drivers.methodscript.models import MODELS, galvanostat_bits, impedance_bit
from potentiostat_drivers.methodscript.script import FIRST_LIMIT_CODE, REASON_CODES, compile_program, out_of_time
from potentiostat_drivers.methodscript.wire import Package, Variable, parse_line
from potentiostat_drivers.program import (
    Command,
    CommandEnded,
    Damaged,
    EndReason,
    Galvanostatic,
    Impedance,
    Limits,
    Potentiostatic,
    Program,
    ProgramEnded,
    Reading,
    Rest,
    Sampling,
    Until,
)

LAST_SECTION = (
    "on_finished:\ntimer_get t\ncell_off\nstore_var w 10i jc\n"
    "pck_start\npck_add k\npck_add n\npck_add t\npck_add b\npck_add w\npck_end\n\n"
)

HIGH = MODELS["es4_hr"]
LIMITS = Limits(-0.5, 4.5, 5e-3, 36_000.0)
REST = Rest(Sampling(10.0), Until(duration_second=600.0), LIMITS)
CHARGE = Galvanostatic(1e-3, Sampling(10.0, 0.005, 1.0), Until(voltage_above_volt=4.3), LIMITS)
HOLD = Potentiostatic(4.3, Sampling(10.0, None, 1.0), Until(duration_second=14_400.0, current_below_ampere=5e-5), LIMITS)
DISCHARGE = dataclasses.replace(CHARGE, current_ampere=-1e-3, until=Until(voltage_below_volt=3.0))
SWEEP = Impedance(200e3, 0.1, 51, 0.01, LIMITS)


def lines_of(*commands: Command) -> list[str]:
    text = compile_program(Program(commands, token=1), HIGH).text.decode("ascii")
    assert text.endswith(LAST_SECTION)
    return text.splitlines()


def block(lines: list[str], start: str, end: str = "endloop") -> list[str]:
    """The lines from the first that begins with ``start`` to the next that is ``end``."""
    first = next(index for index, line in enumerate(lines) if line.startswith(start))
    return lines[first : lines.index(end, first) + 1]


volts = st.floats(-5.9, 5.9, allow_nan=False)
samplings = st.builds(
    lambda interval, change, parts: Sampling(interval, change, interval / parts),
    st.floats(0.1, 600.0),
    st.none() | st.floats(1e-4, 0.1),
    st.integers(1, 10),
)
untils = st.builds(Until, st.none() | st.floats(1.0, 1e6), st.none() | volts, st.none() | volts)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    low = draw(st.floats(-5.9, 5.0))
    limits = Limits(low, draw(st.floats(low + 0.1, 5.99)), draw(st.floats(1e-6, 0.5)), draw(st.floats(1.0, 1e6)))
    current = draw(st.floats(-1.0, 1.0)) * min(limits.current_max_ampere, 0.2)
    voltage = draw(st.floats(limits.voltage_min_volt, limits.voltage_max_volt))
    taper = dataclasses.replace(draw(untils), current_below_ampere=draw(st.none() | st.floats(1e-8, 1e-2)))
    made: list[Command] = [
        Rest(draw(samplings), draw(untils), limits),
        Galvanostatic(current, draw(samplings), draw(untils), limits),
        Potentiostatic(voltage, draw(samplings), taper, limits),
        Impedance(draw(st.floats(100.0, 2e5)), draw(st.floats(0.001, 10.0)), draw(st.integers(2, 99)), 0.01, limits),
    ]
    return draw(st.sampled_from(made))


@given(st.lists(commands(), min_size=1, max_size=6), st.integers(1, 2**27 - 1))
def test_every_script_keeps_the_rules_of_the_language(made: list[Command], token: int) -> None:
    """Short lines, no blank inside, balanced blocks, declared variables, literals without a point, the cell off at the end."""
    text = compile_program(Program(tuple(made), token), HIGH).text.decode("ascii")
    assert text.startswith("e\n")
    assert text.endswith("\n" + LAST_SECTION)
    lines = text[:-2].split("\n")
    assert all(lines)
    assert max(map(len, lines)) < 256
    assert "." not in text
    opened = [line.split()[0] for line in lines if line.startswith(("if ", "meas_loop_"))]
    assert lines.count("endif") == opened.count("if")
    assert lines.count("endloop") == len(opened) - opened.count("if")
    declared = {line.split()[1] for line in lines if line.startswith("var ")}
    used = {word for line in lines for word in re.findall(r"(?<![\w-])[a-z](?!\w)", line.partition(" ")[2])}
    assert used <= declared
    assert len(declared) == sum(line.startswith("var ") for line in lines)


@given(commands())
def test_every_loop_is_bounded_and_tests_both_voltage_limits(command: Command) -> None:
    """The longest time is the loop's own; each measurement is compared with both ends of the window, before wanted ends."""
    lines = lines_of(command)
    if isinstance(command, Impedance):
        assert sum(line.startswith(("if p >=", "elseif p <=")) for line in lines) == 2
        assert block(lines, "meas_loop_")[-5].startswith("if t >= ")
        return
    loop = block(lines, "meas_loop_")
    run, reason = out_of_time(command.until, command.limits.duration_max_second)
    assert reason is EndReason.DURATION or command.until.duration_second != run
    breaks = [line.split()[2] for line in loop if line.startswith("store_var w")]
    assert breaks[:2] == ["6i", "7i"]
    if isinstance(command, Potentiostatic):
        assert breaks[2:4] == ["8i", "8i"]
    assert loop.count("breakloop") == len(breaks)


def test_constant_current_then_voltage_keeps_the_cell_on() -> None:
    """Between the two loops the mode is switched with the potential already set, and nothing opens the cell."""
    lines = lines_of(CHARGE, HOLD)
    first, second = lines.index("meas_loop_cp p c 1m 1 36k"), lines.index("meas_loop_ca p c 4300m 1 14400")
    between = lines[first:second]
    assert "cell_off" not in between
    assert between.index("set_pgstat_mode 3") < between.index("set_e 4300m") < between.index("cell_on")
    assert "set_i 0" in lines[:first]


def test_next_current_begins_without_a_gap() -> None:
    """From one constant current to another the new current is set at once; from an open cell the cell closes at zero."""
    lines = lines_of(CHARGE, DISCHARGE, REST, CHARGE)
    assert [line for line in lines if line.startswith("set_i ")] == ["set_i 0", "set_i -1m", "set_i 0"]


def test_later_commands_are_skipped_after_a_limit() -> None:
    """Every command after the first stands behind a test of the reason."""
    lines = lines_of(REST, CHARGE, HOLD)
    assert lines.count(f"if w < {FIRST_LIMIT_CODE}i") == 2
    met = {reason: code for reason, code in REASON_CODES.items() if reason is not EndReason.ABORTED}
    assert all((code >= FIRST_LIMIT_CODE) == reason.is_limit for reason, code in met.items())


def test_timer_restarts_as_it_is_read_for_an_end() -> None:
    """No instruction stands between reading the time of an end and the next command's zero."""
    lines = lines_of(REST, CHARGE, HOLD, SWEEP)
    restarts = [index for index, line in enumerate(lines) if line == "timer_start"]
    assert len(restarts) == 5
    assert all(lines[index - 1] == "timer_get t" for index in restarts[1:])


@pytest.mark.parametrize(
    ("until", "longest", "expected"),
    [
        (None, 60.0, (60.0, EndReason.LIMIT_DURATION)),
        (30.0, 60.0, (30.0, EndReason.DURATION)),
        (60.0, 60.0, (60.0, EndReason.DURATION)),
        (90.0, 60.0, (60.0, EndReason.LIMIT_DURATION)),
    ],
)
def test_running_out_of_time_means(until: float | None, longest: float, expected: tuple[float, EndReason]) -> None:
    """A wanted duration is an end; the longest time is a limit."""
    assert out_of_time(Until(duration_second=until), longest) == expected


def test_zero_is_a_limit_like_any_other() -> None:
    """A window that begins at 0 V and an end at 0 V are tested as such."""
    command = Galvanostatic(0.0, Sampling(5.0), Until(voltage_below_volt=0.0), Limits(0.0, 1.0, 1e-3, 60.0))
    loop = block(lines_of(command), "meas_loop_cp p c 0 5 60")
    assert loop.count("if p <= 0") == 2


def test_thinned_loop_measures_often_and_sends_seldom() -> None:
    """The loop runs at the check interval; sending waits for the sampling interval or a move of the voltage."""
    lines = lines_of(CHARGE)
    loop = block(lines, "meas_loop_cp p c 1m 1 36k")
    assert "add_var y 9500m" in loop
    assert "add_var u 5m" in loop
    assert "sub_var l 5m" in loop
    after = lines[lines.index("endloop") + 1]
    assert after == "if t > x"


def test_usual_program_fits() -> None:
    """A cycle with charge, hold, discharge and a sweep, all thinned, stays below 4 kB."""
    script = compile_program(Program((CHARGE, HOLD, DISCHARGE, SWEEP), token=2**27 - 1), HIGH)
    assert len(script.text) < 4096
    assert script.silence_second == (60.0, 60.0, 60.0, 60.0)
    assert script.stop_second == 90.0


@pytest.mark.parametrize(
    ("command", "model", "why"),
    [
        (
            dataclasses.replace(CHARGE, current_ampere=0.25, limits=Limits(0.0, 4.0, 1.0, 60.0)),
            "es4_hr",
            "0.25 A exceeds the 0.2 A",
        ),
        (dataclasses.replace(CHARGE, limits=Limits(-0.5, 2.0, 5e-3, 60.0)), "espico", "has no galvanostat"),
        (REST, "es4_lr", "exceeds what EmStat4 LR can measure, -3 V … 3 V"),
        (dataclasses.replace(SWEEP, frequency_max_hertz=500e3), "es4_hr", "frequencies 500000 Hz … 0.1 Hz exceed"),
        (dataclasses.replace(SWEEP, frequency_min_hertz=1e-5), "nexus1", "exceed those of Nexus"),
        (dataclasses.replace(REST, until=Until(current_below_ampere=1e-6)), "es4_hr", "its current does not change"),
        (dataclasses.replace(CHARGE, until=Until(current_below_ampere=1e-6)), "es4_hr", "its current does not change"),
        (dataclasses.replace(REST, until=Until(duration_second=0.0)), "es4_hr", "duration 0 s is not positive"),
    ],
)
def test_program_beyond_an_instrument_is_invalid(command: Command, model: str, why: str) -> None:
    """What the instrument cannot hold is refused with the command and the reason."""
    with pytest.raises(ProgramInvalid, match=why) as caught:
        compile_program(Program((command,), token=1), MODELS[model])
    assert caught.value.where == "command 0"


def test_program_that_is_too_long_is_invalid() -> None:
    """A script beyond any script memory is refused beforehand."""
    with pytest.raises(ProgramInvalid, match="is too long; divide it"):
        compile_program(Program((CHARGE,) * 30, token=1), HIGH)


@pytest.mark.parametrize(
    ("model", "current", "nominal"),
    [("es4_hr", 2.4e-3, 1e-3), ("es4_hr", -2.5e-3, 1e-2), ("es4_hr", 0.2, 0.1), ("es4_hr", 0.0, 100e-9), ("nexus1", 0.5, 1.0),
     ("espico", 4e-3, 5e-3), ("es4_lr", 30e-3, 10e-3)],
)  # fmt: skip
def test_smallest_range_that_holds_a_current(model: str, current: float, nominal: float) -> None:
    """The range is the smallest whose trusted part holds the current, the largest where none does."""
    assert MODELS[model].range_for(current) == nominal


def test_capability_bits_of_the_manual() -> None:
    """The sample reply of the manual has galvanostat and impedance; an instrument without them says so."""
    bits = int("3FFFFBFE8FFFFFFFFFFFFFFFFFFFFBFFFFE", 16)
    assert galvanostat_bits(bits)
    assert impedance_bit(bits)
    assert not galvanostat_bits(1 << 67)
    assert not impedance_bit(1 << 30)


PROGRAM = Program((REST, CHARGE, SWEEP), token=7)
HEAD = "Pja8000007i;jb800000"


def package(text: str) -> Package:
    made = parse_line(text.encode("ascii"))
    assert isinstance(made, Package)
    return made


def test_follower_adds_the_times_of_restarted_timers() -> None:
    """Command times are summed from the end packages, not from the instrument's coarse base."""
    follower = Follower(PROGRAM, HIGH)
    assert follower.take(package(f"{HEAD}0i;eb8000001m;eb8000000 ")) == ()
    held, ended = follower.take(package(f"{HEAD}0i;eb8000259 ;eb8000000 ;jc8000001i;ab8000003 "))
    assert held == Reading(0, 601.0, 3.0, 0.0, None, "held")
    assert ended == CommandEnded(0, EndReason.DURATION, 600.999, 601.0)
    assert follower.take(package(f"{HEAD}1i;eb8000002m;eb8000250 ")) == ()
    (reading,) = follower.take(package(f"{HEAD}1i;eb8000005 ;eb8000250 ;ab8000003 ;ba8000001m,14,212"))
    assert reading == Reading(1, 606.0, 3.0, 1e-3, 1e-4, "underload")


@pytest.mark.parametrize(
    ("command", "text", "voltage_volt", "nominal_ampere"),
    [
        (CHARGE, "ab8000003 ;ba8000001m,14,212", 3.0, 1e-4),
        (CHARGE, "ab8000003 ;db8000001m", 3.0, None),
        (HOLD, "ab8000003 ;ba8000001m,14,212", 3.0, 1e-4),
        (HOLD, "da8000003 ;ba8000001m,14,212", 3.0, 1e-4),
    ],
)
def test_follower_takes_what_is_controlled_as_measured_or_as_set(
    command: Command, text: str, voltage_volt: float, nominal_ampere: float | None
) -> None:
    """The potential of a hold and the current of a charge are understood as measured and as set, in readings and at the end."""
    follower = Follower(Program((command,), token=7), HIGH)
    follower.take(package(f"{HEAD}0i;eb8000001m;eb8000000 "))
    (reading,) = follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;{text}"))
    assert isinstance(reading, Reading)
    assert (reading.voltage_volt, reading.current_ampere, reading.current_range_ampere) == (voltage_volt, 1e-3, nominal_ampere)
    assert ("voltage_set" in reading.flags.split()) == ("da" in text)
    assert ("current_set" in reading.flags.split()) == ("db" in text)
    held, ended = follower.take(package(f"{HEAD}0i;eb8000006 ;eb8000000 ;jc8000001i;{text}"))
    assert isinstance(held, Reading)
    assert isinstance(ended, CommandEnded)


@pytest.mark.parametrize(
    ("command", "text"), [(CHARGE, "da8000003 ;ba8000001m"), (HOLD, "ab8000003 ;db8000001m"), (REST, "da8000003 ")]
)
def test_follower_takes_no_set_point_for_a_measurement(command: Command, text: str) -> None:
    """What is not controlled must have been measured: a set value in its place is damage."""
    follower = Follower(Program((command,), token=7), HIGH)
    follower.take(package(f"{HEAD}0i;eb8000001m;eb8000000 "))
    (damaged,) = follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;{text}"))
    assert isinstance(damaged, Damaged)


def test_follower_passes_over_what_comes_twice() -> None:
    """A package that arrives twice is one reading, an end that arrives twice one end."""
    follower = Follower(PROGRAM, HIGH)
    sample = package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab8000003 ")
    end = package(f"{HEAD}0i;eb8000258 ;eb8000000 ;jc8000001i;ab8000003 ")
    assert len(follower.take(sample)) == 1
    assert follower.take(sample) == ()
    assert len(follower.take(end)) == 2
    assert follower.take(end) == ()


def test_follower_knows_a_clock_that_went_back_from_what_comes_twice() -> None:
    """The same time with another value is no repetition: nothing after it could be dated, so it is an error."""
    follower = Follower(PROGRAM, HIGH)
    follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab8000003 "))
    follower.take(package(f"{HEAD}0i;eb800000A ;eb8000000 ;ab8000003 "))
    assert follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab8000003 ")) == ()
    with pytest.raises(WireError, match="the instrument's clock went back from 10 s to 5 s"):
        follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab8000004 "))


@pytest.mark.parametrize(("metadata", "flags"), [("", ""), (",12,205", "voltage_overload"), (",11,205", "")])
def test_follower_tells_an_overloaded_voltmeter(metadata: str, flags: str) -> None:
    """The status of a potential is told apart from that of the current, for limits are held on it."""
    follower = Follower(PROGRAM, HIGH)
    (reading,) = follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab8000003 {metadata}"))
    assert isinstance(reading, Reading)
    assert reading.flags == flags


def test_follower_ends_completed_limited_or_aborted() -> None:
    """How a finished script ended follows from its last end package."""
    follower = Follower(Program((REST,), token=7), HIGH)
    assert follower.aborted() == (ProgramEnded(EndReason.ABORTED),)
    follower.take(package(f"{HEAD}0i;eb8000000 ;eb8000000 "))
    cut_short = (CommandEnded(0, EndReason.ABORTED, 0.0, 0.0), ProgramEnded(EndReason.ABORTED))
    assert follower.aborted() == cut_short
    with pytest.raises(WireError, match="not how its command 0 ended"):
        follower.finished()
    follower.take(package(f"{HEAD}0i;eb8000258 ;eb8000000 ;jc8000001i;ab8000003 "))
    assert follower.finished() == (ProgramEnded(EndReason.COMPLETED),)
    limited = Follower(PROGRAM, HIGH)
    limited.take(package(f"{HEAD}0i;eb8000258 ;eb8000000 ;jc8000007i;ab7FFFFFF "))
    assert limited.finished() == (ProgramEnded(EndReason.LIMIT_VOLTAGE_MIN),)
    assert limited.aborted() == (ProgramEnded(EndReason.ABORTED),)


def test_follower_gives_no_reading_for_what_is_not_a_number() -> None:
    """Not-a-number is no value and no reading, and it is told; the end of the command still counts."""
    follower = Follower(PROGRAM, HIGH)
    (damaged,) = follower.take(package(f"{HEAD}0i;eb8000005 ;eb8000000 ;ab     nan"))
    assert damaged == Damaged(0, "a reading without a number at 5 s")
    ended = follower.take(package(f"{HEAD}0i;eb8000258 ;eb8000000 ;jc8000001i;ab     nan"))
    assert ended == (CommandEnded(0, EndReason.DURATION, 600.0, 600.0),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Pja8000008i;jb8000000i;eb8000000 ;eb8000000 ", "another program"),
        ("Pab8000000 ;ba8000000 ", "another program"),
        (f"{HEAD}5i;eb8000000 ;eb8000000 ", "command 5, which the program does not have"),
        (f"{HEAD}2i;eb8000000 ;eb8000000 ", "the end of command 0 is missing"),
        (f"{HEAD}0i;eb8000000 ;eb8000000 ;jc8000063i", "a reason that is none"),
    ],
)
def test_follower_refuses_what_does_not_belong(text: str, why: str) -> None:
    """A package of another program, or one that shows a loss, is an error and not a reading."""
    with pytest.raises(WireError, match=why):
        Follower(PROGRAM, HIGH).take(package(text))


def test_follower_tells_a_package_that_does_not_say_where_it_belongs() -> None:
    """A time that is no number dates nothing: what came is damaged, not a reading, and no other program's."""
    (damaged,) = Follower(PROGRAM, HIGH).take(package(f"{HEAD}0i;eb     nan;eb8000000 ;ab8000003 "))
    assert isinstance(damaged, Damaged)
    assert "does not say where it belongs" in damaged.what


def test_token_is_found_only_on_packages_of_ours() -> None:
    """A foreign script's package has no token."""
    assert token_of(package(f"{HEAD}0i;eb8000000 ;eb8000000 ")) == 7
    assert token_of(package("Peb8000000 ;ab8000000 ")) is None
    assert token_of(Package((Variable("ja", 7.0),))) is None


@given(st.integers(2, 200), st.data())
def test_point_index_is_found_from_a_rounded_frequency(points: int, data: st.DataObject) -> None:
    """The instrument's own frequency, off by up to a tenth of a point, still tells which point it is."""
    sweep = dataclasses.replace(SWEEP, points=points)
    index = data.draw(st.integers(0, points - 1))
    off = data.draw(st.floats(-0.1, 0.1))
    ratio = sweep.frequency_min_hertz / sweep.frequency_max_hertz
    assert point_index(sweep, sweep.frequency_max_hertz * ratio ** ((index + off) / (points - 1))) == index
