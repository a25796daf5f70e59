"""From a `Program` to the text of one script. Pure; sends nothing.

How a program becomes a script
------------------------------
All commands stand in one script, so that the instrument goes from one to the next by itself and a dead host changes nothing.
Between a galvanostatic and a potentiostatic command the cell stays on; only the mode is switched, with the new potential set
before the loop begins. (Whether the output glitches for a moment in that switch is not documented; it is to be seen with an
oscilloscope on a dummy cell.) Rest and impedance open the cell, because they measure the open circuit.

Each command is one measurement loop with its longest time as the loop's own ``run`` argument and both voltage limits tested
at every measurement, before the wanted ends: a sample that passes a limit is a limit, whatever else it passes. The variable
``w`` holds the reason (`REASON_CODES`): it begins as what running out of time means and is overwritten by what is met. After
a hard limit the remaining commands are skipped. The last section opens the cell and sends one more end package, with the
reason *aborted*: whoever listens has seen the real end by then, unless the script was aborted from outside. (That a package may
be sent there follows from the grammar; nobody has shown it on hardware.)

Three packages tell the host what happens, all beginning with token ``k``, command index ``n``, time ``t`` since the timer was
last restarted, and base ``b``, the sum of the times before:

* *start*: nothing else;
* *sample*: potential and current, or for impedance frequency, Z′ and Z″;
* *end*: the reason, then potential and current as last measured.

A time is sent with 27 bits, so microseconds become milliseconds after 134 s and seconds after 37 h. Therefore the timer is
restarted right after it was read for an end package, and whoever listens adds. ``b`` carries the same sum as the
instrument's own float, for a host that comes in the middle.

Thinning: with a check interval below the sampling interval the loop runs at the former, and sends when the next sample is due
or when the potential has left a band around the last one sent. A last measurement that was not sent is sent after the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from potentiostat_drivers.errors import ProgramInvalid
from potentiostat_drivers.methodscript.models import Model
from potentiostat_drivers.methodscript.wire import integer_literal, literal
from potentiostat_drivers.program import (
    Command,
    EndReason,
    Galvanostatic,
    Impedance,
    Potentiostatic,
    Program,
    Rest,
    Sampling,
    Until,
)

REASON_CODES = {
    EndReason.DURATION: 1,
    EndReason.VOLTAGE_ABOVE: 2,
    EndReason.VOLTAGE_BELOW: 3,
    EndReason.CURRENT_BELOW: 4,
    EndReason.SWEEP_DONE: 5,
    EndReason.LIMIT_VOLTAGE_MAX: 6,
    EndReason.LIMIT_VOLTAGE_MIN: 7,
    EndReason.LIMIT_CURRENT: 8,
    EndReason.LIMIT_DURATION: 9,
    EndReason.ABORTED: 10,
}
"""What the reason variable says on the wire; from `FIRST_LIMIT_CODE` on they are hard limits."""
FIRST_LIMIT_CODE = 6

CELL_OFF = b"e\ncell_off\n\n"
"""The script that opens the cell."""
OPEN_CIRCUIT = (
    b"e\nvar p\nset_pgstat_chan 0\nmeas_loop_ocp p 100m 100m\npck_start\npck_add p\npck_end\nendloop\non_finished:\ncell_off\n\n"
)
"""One open-circuit measurement. It is refused while the cell is on, which makes it the proof that the cell is off."""

LONGEST_SCRIPT_BYTE = 12_000
"""Refused beforehand; the instruments' own limit is not documented (their error 4005), usual programs are below 4000."""

_BANDWIDTH_HERTZ = 40.0
_PREFIX = ("k", "n", "t", "b")
_LOWEST_DECADES = 1e-3


@dataclass(frozen=True, slots=True)
class Script:
    """``text`` as it goes to the instrument, from ``e`` to the blank line; ``silence_second`` is, for each command, how long in
    instrument time no line may come before something is wrong.
    """

    text: bytes
    silence_second: tuple[float, ...]
    stop_second: float


def compile_program(program: Program, model: Model) -> Script:
    """The script of ``program`` for ``model``.

    Raises:
        ProgramInvalid: ``model`` cannot hold a command within its own ranges, or the script would be too long.
    """
    for index, command in enumerate(program.commands):
        _check(f"command {index}", command, model)
    lines = ["e", *_declarations(program), "set_pgstat_chan 0", "timer_start"]
    on = False
    for index, command in enumerate(program.commands):
        body = [f"store_var n {index}i jb", *_command(command, model, cell_is_on=on)]
        lines += body if index == 0 else [f"if w < {FIRST_LIMIT_CODE}i", *body, "endif"]
        on = isinstance(command, Galvanostatic | Potentiostatic)
    text = "\n".join([*lines, *_on_finished(), "", ""]).encode("ascii")
    if len(text) > LONGEST_SCRIPT_BYTE:
        raise ProgramInvalid("program", f"its script of {len(text)} bytes is too long; divide it into several programs")
    return Script(text, tuple(_silence(command) for command in program.commands), _stop(program))


def _on_finished() -> list[str]:
    """The cell is opened first, and the time at which that was follows: after an abort it is the only end of its command."""
    return ["on_finished:", "timer_get t", "cell_off", _reason(EndReason.ABORTED), *_package("w")]


def out_of_time(until: Until, duration_max_second: float) -> tuple[float, EndReason]:
    """How long a command may run, and what it means when that time is over."""
    if until.duration_second is not None and until.duration_second <= duration_max_second:
        return until.duration_second, EndReason.DURATION
    return duration_max_second, EndReason.LIMIT_DURATION


def _silence(command: Command) -> float:
    if isinstance(command, Impedance):
        return 30.0 + 3.0 / command.frequency_min_hertz
    return 30.0 + 3.0 * command.sampling.interval_second


def _stop(program: Program) -> float:
    """How long an abort may take: a frequency that is being measured is finished first."""
    sweeps = [3.0 / command.frequency_min_hertz for command in program.commands if isinstance(command, Impedance)]
    return 60.0 + max(sweeps, default=0.0)


def _check(where: str, command: Command, model: Model) -> None:
    limits = command.limits
    if limits.voltage_min_volt < model.voltage_min_volt or limits.voltage_max_volt > model.voltage_max_volt:
        raise ProgramInvalid(
            where,
            f"its voltage window {limits.voltage_min_volt:g} V … {limits.voltage_max_volt:g} V exceeds what {model.name} can "
            f"measure, {model.voltage_min_volt:g} V … {model.voltage_max_volt:g} V",
        )
    match command:
        case Galvanostatic():
            _check_current(where, command.current_ampere, model)
            _check_until(where, command.until, current_is_free=False)
        case Rest():
            _check_until(where, command.until, current_is_free=False)
        case Potentiostatic():
            _check_until(where, command.until, current_is_free=True)
        case Impedance():
            _check_sweep(where, command, model)
        case _:
            assert_never(command)


def _check_current(where: str, current_ampere: float, model: Model) -> None:
    if not model.galvanostat:
        raise ProgramInvalid(where, f"{model.name} has no galvanostat")
    if abs(current_ampere) > model.current_max_ampere:
        raise ProgramInvalid(
            where, f"its current {current_ampere:g} A exceeds the {model.current_max_ampere:g} A of {model.name}"
        )


def _check_until(where: str, until: Until, *, current_is_free: bool) -> None:
    if until.current_below_ampere is not None and not current_is_free:
        raise ProgramInvalid(where, "it cannot end at a current, because its current does not change")
    if until.duration_second is not None and until.duration_second <= 0:
        raise ProgramInvalid(where, f"its duration {until.duration_second:g} s is not positive")


def _check_sweep(where: str, command: Impedance, model: Model) -> None:
    if command.frequency_min_hertz < model.frequency_min_hertz or command.frequency_max_hertz > model.frequency_max_hertz:
        raise ProgramInvalid(
            where,
            f"its frequencies {command.frequency_max_hertz:g} Hz … {command.frequency_min_hertz:g} Hz exceed those of "
            f"{model.name}, {model.frequency_max_hertz:g} Hz … {model.frequency_min_hertz:g} Hz",
        )


def _declarations(program: Program) -> list[str]:
    names = [*_PREFIX, "w", "p", "c"]
    begun = [f"store_var k {program.token}i ja", "store_var b 0 eb"]
    samplings = [command.sampling for command in program.commands if not isinstance(command, Impedance)]
    if any(_thinned(sampling) for sampling in samplings):
        names += ["x", "y", "u", "l"]
        begun += ["store_var u 0 ab", "store_var l 0 ab"]
    if any(isinstance(command, Impedance) for command in program.commands):
        names += ["f", "r", "i"]
    return [*(f"var {name}" for name in names), *begun]


def _command(command: Command, model: Model, *, cell_is_on: bool) -> list[str]:
    match command:
        case Rest():
            return _rest(command)
        case Galvanostatic():
            return _galvanostatic(command, model, cell_is_on=cell_is_on)
        case Potentiostatic():
            return _potentiostatic(command, model)
        case Impedance():
            return _impedance(command, model)
        case _:
            assert_never(command)


def _rest(command: Rest) -> list[str]:
    interval, run, reason = _timing(command)
    head = f"meas_loop_ocp p {literal(interval)} {literal(run)}"
    return ["cell_off", *_measured(command, head, ("p",), reason)]


def _galvanostatic(command: Galvanostatic, model: Model, *, cell_is_on: bool) -> list[str]:
    interval, run, reason = _timing(command)
    current = literal(command.current_ampere)
    low, high = literal(command.limits.voltage_min_volt), literal(command.limits.voltage_max_volt)
    head = f"meas_loop_cp p c {current} {literal(interval)} {literal(run)}"
    return [
        "set_pgstat_mode 6",
        f"set_max_bandwidth {literal(_BANDWIDTH_HERTZ)}",
        f"set_range_minmax ab {low} {high}",
        f"set_autoranging ab {low} {high}",
        f"set_range db {literal(model.range_for(command.current_ampere))}",
        f"set_i {current if cell_is_on else '0'}",
        "cell_on",
        *_measured(command, head, ("p", "c"), reason),
    ]


def _potentiostatic(command: Potentiostatic, model: Model) -> list[str]:
    interval, run, reason = _timing(command)
    potential = literal(command.voltage_volt)
    head = f"meas_loop_ca p c {potential} {literal(interval)} {literal(run)}"
    lowest = command.until.current_below_ampere
    return [
        "set_pgstat_mode 3",
        f"set_max_bandwidth {literal(_BANDWIDTH_HERTZ)}",
        *_current_ranges(model, command.limits.current_max_ampere, lowest),
        f"set_e {potential}",
        "cell_on",
        *_measured(command, head, ("p", "c"), reason),
    ]


def _impedance(command: Impedance, model: Model) -> list[str]:
    limits = command.limits
    sweep = (
        f"meas_loop_eis f r i {literal(command.amplitude_volt)} {literal(command.frequency_max_hertz)} "
        f"{literal(command.frequency_min_hertz)} {integer_literal(command.points)} p"
    )
    return [
        "cell_off",
        _reason(EndReason.SWEEP_DONE),
        *_start(),
        "meas 100m p ab",
        f"if p >= {literal(limits.voltage_max_volt)}",
        _reason(EndReason.LIMIT_VOLTAGE_MAX),
        f"elseif p <= {literal(limits.voltage_min_volt)}",
        _reason(EndReason.LIMIT_VOLTAGE_MIN),
        "else",
        "set_pgstat_mode 3",
        f"set_max_bandwidth {literal(command.frequency_max_hertz)}",
        *_current_ranges(model, limits.current_max_ampere, None),
        "set_e p",
        "cell_on",
        sweep,
        "timer_get t",
        *_package("f", "r", "i"),
        *_break_if(f"t >= {literal(limits.duration_max_second)}", EndReason.LIMIT_DURATION),
        "endloop",
        "cell_off",
        "endif",
        *_end(()),
    ]


def _current_ranges(model: Model, highest_ampere: float, lowest_ampere: float | None) -> list[str]:
    """The instrument starts in the range of the largest allowed current and finds smaller ones by itself."""
    high = model.range_for(min(highest_ampere, model.current_max_ampere))
    low = model.range_for(high * _LOWEST_DECADES if lowest_ampere is None else min(lowest_ampere / 10.0, high))
    return [f"set_range ba {literal(high)}", f"set_autoranging ba {literal(low)} {literal(high)}"]


def _timing(command: Rest | Galvanostatic | Potentiostatic) -> tuple[float, float, EndReason]:
    run, reason = out_of_time(command.until, command.limits.duration_max_second)
    return min(command.sampling.check_second, run), run, reason


def _thinned(sampling: Sampling) -> bool:
    return sampling.check_second < sampling.interval_second


def _measured(
    command: Rest | Galvanostatic | Potentiostatic, head: str, measured: tuple[str, ...], reason: EndReason
) -> list[str]:
    """The loop of a DC command between its start and end packages."""
    thinned = _thinned(command.sampling)
    send = _send_when_due(command.sampling, measured) if thinned else _package(*measured)
    return [
        _reason(reason),
        *(["store_var x 0 eb", "store_var y 0 eb"] if thinned else []),
        *_start(),
        head,
        "timer_get t",
        *send,
        *_limits(command),
        *_wanted_ends(command.until),
        "endloop",
        *(["if t > x", *_package(*measured), "endif"] if thinned else []),
        *_end(measured),
    ]


def _send_when_due(sampling: Sampling, measured: tuple[str, ...]) -> list[str]:
    """Half a check interval of tolerance keeps a sample that is due from being found due one check later. A potential that has
    left its band makes the sample due at once.
    """
    pause = literal(sampling.interval_second - sampling.check_second / 2.0)
    sent = ["if t >= y", *_package(*measured), "copy_var t x", "copy_var t y", f"add_var y {pause}"]
    if sampling.voltage_change_volt is None:
        return [*sent, "endif"]
    change = literal(sampling.voltage_change_volt)
    return [
        *("if p >= u", "store_var y 0 eb", "endif", "if p <= l", "store_var y 0 eb", "endif"),
        *sent,
        *("copy_var p u", f"add_var u {change}", "copy_var p l", f"sub_var l {change}", "endif"),
    ]


def _limits(command: Rest | Galvanostatic | Potentiostatic) -> list[str]:
    limits = command.limits
    lines = _break_if(f"p >= {literal(limits.voltage_max_volt)}", EndReason.LIMIT_VOLTAGE_MAX)
    lines += _break_if(f"p <= {literal(limits.voltage_min_volt)}", EndReason.LIMIT_VOLTAGE_MIN)
    if isinstance(command, Potentiostatic):
        lines += _break_if(f"c >= {literal(limits.current_max_ampere)}", EndReason.LIMIT_CURRENT)
        lines += _break_if(f"c <= {literal(-limits.current_max_ampere)}", EndReason.LIMIT_CURRENT)
    return lines


def _wanted_ends(until: Until) -> list[str]:
    lines: list[str] = []
    if until.voltage_above_volt is not None:
        lines += _break_if(f"p >= {literal(until.voltage_above_volt)}", EndReason.VOLTAGE_ABOVE)
    if until.voltage_below_volt is not None:
        lines += _break_if(f"p <= {literal(until.voltage_below_volt)}", EndReason.VOLTAGE_BELOW)
    if until.current_below_ampere is not None:
        inner = _break_if(f"c >= {literal(-until.current_below_ampere)}", EndReason.CURRENT_BELOW)
        lines += [f"if c <= {literal(until.current_below_ampere)}", *inner, "endif"]
    return lines


def _break_if(condition: str, reason: EndReason) -> list[str]:
    return [f"if {condition}", _reason(reason), "breakloop", "endif"]


def _reason(reason: EndReason) -> str:
    return f"store_var w {REASON_CODES[reason]}i jc"


def _start() -> list[str]:
    return ["timer_get t", *_package()]


def _end(measured: tuple[str, ...]) -> list[str]:
    """The timer restarts in the same breath as it is read, so that no time falls between two commands."""
    return ["timer_get t", "timer_start", *_package("w", *measured), "add_var b t"]


def _package(*names: str) -> list[str]:
    return ["pck_start", *(f"pck_add {name}" for name in (*_PREFIX, *names)), "pck_end"]
