"""The measurement loops: when they sample, what they put into their variables, and how they end.

Sample k of a loop is taken k × interval after its start, on the instrument's clock and but for its jitter; the loop ends ``run``
after its start, without a sample there. A sweep takes max(2 periods, 20 ms) per frequency, and an abort waits for the frequency
at hand. What a halt or a stall takes is added.

CA says the potential and CP the current as measured (``ab``, ``ba``), or as set (``da``, ``db``): the maker's examples of both
loops, and other people's instruments, say that it is the set one; nobody has shown it to us on hardware.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from emulator.instruments.channel import Mode
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptFault
from emulator.instruments.methodscript.machine import ABORT, BREAK, GO, Machine, Stop, Timed
from emulator.instruments.methodscript.syntax import Literal, Measure, Operand, Variable
from emulator.instruments.methodscript.wire import Number, encode_metadata

_SHORTEST_POINT_SECOND = 0.02
_PERIODS_PER_POINT = 2.0
_MOST_POINTS = 1000

LOOP_IDS = {
    "meas_loop_cp": "M000A",
    "meas_loop_ca": "M0007",
    "meas_loop_ocp": "M000B",
    "meas_loop_eis": "M000D",
    "meas_loop_geis": "M000E",
}

Sampler = Callable[[], None]


def compile_measurement(machine: Machine, node: Measure, body: Timed | None, plain: Callable[[], int]) -> Timed:
    """The loop as a generator function. ``body`` is given when the body takes time, else ``plain`` is used."""
    match node.name:
        case "meas_loop_cp" | "meas_loop_ca" | "meas_loop_ocp":
            return _sampled(machine, node, body, plain)
        case _:
            return _sweep(machine, node, body, plain)


def _sampled(machine: Machine, node: Measure, body: Timed | None, plain: Callable[[], int]) -> Timed:
    channel = machine.channel
    sampler = _sampler(machine, node)

    def run() -> Generator[float, None, int]:
        interval, last = _prepare(machine, node)
        machine.line(LOOP_IDS[node.name])
        start = channel.elapsed
        signal = GO
        for count in range(max(1, math.ceil(last / interval - 1e-9)) + 1):
            due = start + min(count * interval, last)
            if count and due < start + last:
                due += channel.timer.jitter(interval)
            yield due
            if channel.elapsed > due:
                start += channel.elapsed - due
                due = channel.elapsed
            if machine.interrupted():
                signal = _end_early(machine)
                break
            channel.advance(due)
            if count and count * interval >= last * (1.0 - 1e-12):
                break
            sampler()
            signal = plain() if body is None else (yield from body())
            if signal:
                break
        machine.line("*")
        return ABORT if signal == ABORT else GO

    return run


def _end_early(machine: Machine) -> int:
    if machine.stop is Stop.ABORT:
        return ABORT
    machine.stop = Stop.NONE
    return GO


def _prepare(machine: Machine, node: Measure) -> tuple[float, float]:
    """Check and apply what the loop was given; (interval, run) in true seconds."""
    channel, line = machine.channel, node.line
    numbers = [number_of(machine, operand, line) for operand in node.operands if not _is_destination(node, operand)]
    interval, last = numbers[-2], numbers[-1]
    if interval <= 0.0 or last <= 0.0:
        raise ScriptFault(codes.MUST_BE_POSITIVE, line)
    interval, last = interval / channel.timer.rate, last / channel.timer.rate
    if node.name == "meas_loop_ocp":
        if channel.polarised:
            raise ScriptFault(codes.OPEN_CIRCUIT_WITH_CELL_ON, line)
        return interval, last
    if not channel.polarised:
        raise ScriptFault(codes.NEEDS_CELL_ON, line)
    if node.name == "meas_loop_cp":
        set_current(machine, numbers[0], line)
        if channel.mode != Mode.GALVANOSTAT:
            raise ScriptFault(codes.INVALID_IN_MODE, line)
    else:
        set_potential(machine, numbers[0], line)
        if channel.mode == Mode.GALVANOSTAT:
            raise ScriptFault(codes.INVALID_IN_MODE, line)
    channel.refresh()
    return interval, last


def _sampler(machine: Machine, node: Measure) -> Sampler:
    channel, line = machine.channel, node.line
    potential = slot_of(node.operands[0])
    compliance, voltmeter = channel.model.compliance, channel.voltmeter
    values, types, metas = machine.values, machine.types, machine.metas
    if node.name == "meas_loop_ocp":
        return lambda: machine.measure_voltage(potential)
    current = slot_of(node.operands[1])

    def sample() -> None:
        volt = channel.read_voltage()
        if channel.terminal_volt > compliance or channel.terminal_volt < -compliance:
            raise ScriptFault(codes.CRITICAL_OVERLOAD, line)
        values[potential] = volt
        types[potential] = "ab"
        metas[potential] = machine.voltage_meta() if voltmeter.doubtful else ""
        values[current] = channel.read_current()
        types[current] = "ba"
        metas[current] = machine.current_meta()

    if not machine.say_set_points:
        return sample

    def sample_and_say_set_point() -> None:
        sample()
        if node.name == "meas_loop_ca":
            machine.put(potential, channel.set_potential, "da")
        else:
            machine.put(current, channel.set_current, "db")

    return sample_and_say_set_point


def _is_destination(node: Measure, operand: Operand) -> bool:
    count = 3 if node.name in ("meas_loop_eis", "meas_loop_geis") else 1 if node.name == "meas_loop_ocp" else 2
    return any(operand is first for first in node.operands[:count])


# -- sweeps


def _sweep(machine: Machine, node: Measure, body: Timed | None, plain: Callable[[], int]) -> Timed:
    channel = machine.channel
    frequency_slot, real_slot, imaginary_slot = (slot_of(operand) for operand in node.operands[:3])

    def run() -> Generator[float, None, int]:
        frequencies, mean_current = _prepare_sweep(machine, node)
        machine.line(LOOP_IDS[node.name])
        channel.rest_at(mean_current)
        start, first, done = channel.now_nanosecond, channel.cell.elements(), list[float]()
        signal = GO
        for frequency in frequencies:
            due = channel.elapsed + max(_PERIODS_PER_POINT / frequency, _SHORTEST_POINT_SECOND)
            machine.held = True
            yield due
            machine.held = False
            channel.sweep_to(due)
            impedance = channel.read_impedance(channel.cell.elements(), frequency)
            meta = encode_metadata(0, channel.current_status()[1])
            machine.put(frequency_slot, frequency, "dc")
            machine.put(real_slot, impedance.real, "cc", meta)
            machine.put(imaginary_slot, impedance.imag, "cd", meta)
            done.append(frequency)
            signal = plain() if body is None else (yield from body())
            if signal == GO and machine.stop is not Stop.NONE:
                signal = _end_early(machine) or BREAK
            if signal:
                break
        channel.write_sweep(node.name.removeprefix("meas_loop_"), start, done, first)
        channel.refresh()
        machine.line("*")
        return ABORT if signal == ABORT else GO

    return run


def _prepare_sweep(machine: Machine, node: Measure) -> tuple[list[float], float]:
    """Check what the sweep was given; its frequencies, and the mean current that flows during it (A)."""
    channel, line, model = machine.channel, node.line, machine.channel.model
    galvanostatic = node.name == "meas_loop_geis"
    if not channel.polarised:
        raise ScriptFault(codes.NEEDS_CELL_ON, line)
    if (channel.mode == Mode.GALVANOSTAT) != galvanostatic:
        raise ScriptFault(codes.INVALID_IN_MODE, line)
    amplitude, first, last, count, mean = (number_of(machine, operand, line, whole=None) for operand in node.operands[3:])
    if not 0.0 < amplitude <= (model.largest_current if galvanostatic else model.largest_amplitude_volt):
        raise ScriptFault(codes.AMPLITUDE_INVALID, line)
    for frequency in (first, last):
        if not model.smallest_frequency_hertz <= frequency <= model.largest_frequency_hertz:
            raise ScriptFault(codes.FREQUENCY_INVALID, line)
    if not isinstance(count, int):
        raise ScriptFault(codes.WRONG_DATATYPE, line)
    if not 1 <= count <= _MOST_POINTS:
        raise ScriptFault(codes.OUT_OF_BOUNDS, line)
    if galvanostatic:
        set_current(machine, mean, line)
    else:
        set_potential(machine, mean, line)
    ratio = math.log(last / first) / max(1, count - 1)
    return [first * math.exp(ratio * place) for place in range(count)], mean if galvanostatic else 0.0


# -- what statements share


def slot_of(operand: Operand) -> int:
    """The slot of a variable the parser has checked."""
    if not isinstance(operand, Variable):
        raise TypeError(f"{operand!r} is not a variable")
    return operand.slot


def number_of(machine: Machine, operand: Operand, line: int, *, whole: bool | None = False) -> Number:
    """The value of a number operand; ``whole`` says which kind it must be, ``None`` either.

    Raises:
        ScriptFault: a whole number where another is needed, or the reverse.
    """
    if isinstance(operand, Variable):
        value = machine.values[operand.slot]
    elif isinstance(operand, Literal):
        value = operand.value
    else:
        raise TypeError(f"{operand!r} is not a number")
    if whole is not None and isinstance(value, int) != whole:
        raise ScriptFault(codes.WRONG_DATATYPE, line)
    if value != value:  # noqa: PLR0124 - not a number
        raise ScriptFault(codes.NOT_A_NUMBER, line)
    return value


def set_current(machine: Machine, current: float, line: int) -> None:
    """The set-point of a galvanostat, within what the instrument can give."""
    if abs(current) > machine.channel.model.largest_current:
        raise ScriptFault(codes.OUT_OF_BOUNDS, line)
    machine.channel.set_current = float(current)


def set_potential(machine: Machine, potential: float, line: int) -> None:
    """The set-point of a potentiostat, within its window."""
    low, high = machine.channel.model.window
    if not low <= potential <= high:
        raise ScriptFault(codes.POTENTIAL_INVALID, line)
    machine.channel.set_potential = float(potential)
