"""Statements that take no time, each as a closure over the machine it runs on.

Adding a whole number and another kind is refused while running, as the language's types suggest; hardware may be more
lenient, so a script that passes here passes there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from emulator.instruments.channel import Mode
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptFault
from emulator.instruments.methodscript.machine import ABORT, BREAK, GO, Machine, Step
from emulator.instruments.methodscript.measuring import number_of, set_current, set_potential, slot_of
from emulator.instruments.methodscript.syntax import PLACEHOLDER, Literal, Operand, Simple, Word
from emulator.instruments.methodscript.wire import Number

_INT32 = 2**31


def compile_simple(node: Simple, machine: Machine) -> Step:
    """The closure of one statement."""
    return _MAKERS[node.name](node, machine)


def word_of(operand: Operand) -> str:
    """The text of a bare word or string the parser has checked."""
    if not isinstance(operand, Word):
        raise TypeError(f"{operand!r} is not a word")
    return operand.text


def _store(node: Simple, machine: Machine) -> Step:
    slot, source, vartype = slot_of(node.operands[0]), node.operands[1], word_of(node.operands[2])
    values, types, metas = machine.values, machine.types, machine.metas
    literal = source.value if isinstance(source, Literal) else None

    def run() -> int:
        values[slot] = literal if literal is not None else number_of(machine, source, node.line, whole=None)
        types[slot] = vartype
        metas[slot] = ""
        return GO

    return run


def _copy(node: Simple, machine: Machine) -> Step:
    source, target = slot_of(node.operands[0]), slot_of(node.operands[1])
    values, types, metas = machine.values, machine.types, machine.metas

    def run() -> int:
        values[target] = values[source]
        types[target] = types[source]
        metas[target] = metas[source]
        return GO

    return run


def _arithmetic(node: Simple, machine: Machine) -> Step:
    slot, source, line, values = slot_of(node.operands[0]), node.operands[1], node.line, machine.values
    combine = _ARITHMETIC[node.name]

    def run() -> int:
        other = number_of(machine, source, line, whole=None)
        value = values[slot]
        if value.__class__ is not other.__class__:
            raise ScriptFault(codes.WRONG_DATATYPE, line)
        try:
            result = combine(value, other)
        except ZeroDivisionError:
            raise ScriptFault(codes.DIVISION_BY_ZERO, line) from None
        if result.__class__ is int and not -_INT32 <= result < _INT32:
            raise ScriptFault(codes.OVERFLOW, line)
        values[slot] = result
        return GO

    return run


def _divide(value: Number, other: Number) -> Number:
    if isinstance(value, int) and isinstance(other, int):
        quotient = abs(value) // abs(other)
        return quotient if (value < 0) == (other < 0) else -quotient
    return value / other


_ARITHMETIC: dict[str, Callable[[Number, Number], Number]] = {
    "add_var": operator.add,
    "sub_var": operator.sub,
    "mul_var": operator.mul,
    "div_var": _divide,
}


def _alter_type(node: Simple, machine: Machine) -> Step:
    slot, vartype = slot_of(node.operands[0]), word_of(node.operands[1])

    def run() -> int:
        machine.types[slot] = vartype
        return GO

    return run


def _array(node: Simple, machine: Machine) -> Step:
    cells = machine.arrays[slot_of(node.operands[0])]

    def run() -> int:
        place = number_of(machine, node.operands[1], node.line, whole=True)
        if not 0 <= place < len(cells):
            raise ScriptFault(codes.ARRAY_INDEX, node.line)
        if node.name == "array_set":
            cells[int(place)] = number_of(machine, node.operands[2], node.line, whole=None)
        else:
            machine.put(slot_of(node.operands[2]), cells[int(place)], "ja")
        return GO

    return run


def _packet_add(node: Simple, machine: Machine) -> Step:
    slot, line, add = slot_of(node.operands[0]), node.line, machine.add_to_packet

    def run() -> int:
        add(slot, line)
        return GO

    return run


def _packet_end(node: Simple, machine: Machine) -> Step:
    line, end = node.line, machine.end_packet

    def run() -> int:
        end(line)
        return GO

    return run


def _timer_get(node: Simple, machine: Machine) -> Step:
    slot, channel = slot_of(node.operands[0]), machine.channel
    values, types, metas = machine.values, machine.types, machine.metas

    def run() -> int:
        values[slot] = channel.timer.second(channel.elapsed)
        types[slot] = "eb"
        metas[slot] = ""
        return GO

    return run


def _timer_start(_node: Simple, machine: Machine) -> Step:
    def run() -> int:
        machine.channel.timer.start(machine.channel.elapsed)
        return GO

    return run


def _send_string(node: Simple, machine: Machine) -> Step:
    text = word_of(node.operands[0])
    formatted, inner = text.startswith("f"), text.removeprefix("f")[1:-1]

    def run() -> int:
        shown = PLACEHOLDER.sub(lambda found: f"{machine.values[machine.names[found[1]]]:g}", inner) if formatted else inner
        machine.line("T" + shown)
        return GO

    return run


def _set_output(node: Simple, machine: Machine) -> Step:
    def run() -> int:
        machine.output = number_of(machine, node.operands[0], node.line) in (1.0, 3.0)
        return GO

    return run


def _set_mode(node: Simple, machine: Machine) -> Step:
    channel = machine.channel

    def run() -> int:
        number = number_of(machine, node.operands[0], node.line)
        if number not in tuple(Mode):
            raise ScriptFault(codes.MODE_INVALID, node.line)
        if number == Mode.GALVANOSTAT and not channel.model.galvanostat:
            raise ScriptFault(codes.NOT_SUPPORTED, node.line)
        channel.mode = Mode(int(number))
        if channel.polarised and channel.mode == Mode.OFF:
            channel.switch_off()
        return GO

    return run


def _set_point(node: Simple, machine: Machine) -> Step:
    apply = set_potential if node.name == "set_e" else set_current

    def run() -> int:
        apply(machine, number_of(machine, node.operands[0], node.line), node.line)
        if machine.channel.polarised and (machine.channel.mode == Mode.GALVANOSTAT) == (node.name == "set_i"):
            machine.channel.refresh()
        return GO

    return run


def _set_range(node: Simple, machine: Machine) -> Step:
    """Ranges of ``ba``/``db`` choose the ammeter's range; ``set_autoranging ab`` lets the voltmeter choose its own."""
    channel, quantity = machine.channel, word_of(node.operands[0])

    def run() -> int:
        numbers = [number_of(machine, operand, node.line) for operand in node.operands[1:]]
        ammeter = channel.ammeter
        if quantity in ("ba", "db"):
            places = [ammeter.place_for(number) for number in numbers]
            if node.name == "set_autoranging":
                channel.current_autorange = (min(places), max(places))
                ammeter.choose(min(max(ammeter.range, min(places)), max(places)))
            else:
                channel.current_autorange = None
                ammeter.choose(max(places))
        elif quantity == "ab":
            channel.voltage_autorange = node.name == "set_autoranging"
        return GO

    return run


def _cell(node: Simple, machine: Machine) -> Step:
    channel = machine.channel

    def run() -> int:
        if node.name == "cell_off":
            channel.switch_off()
        elif channel.mode == Mode.OFF:
            raise ScriptFault(codes.INVALID_IN_MODE, node.line)
        else:
            channel.switch_on()
        return GO

    return run


def _checked_number(node: Simple, machine: Machine) -> Step:
    """A setting that changes nothing here (bandwidth, acquisition window, channel 0), but whose argument is checked."""

    def run() -> int:
        if number_of(machine, node.operands[0], node.line) < 0.0:
            raise ScriptFault(codes.OUT_OF_BOUNDS, node.line)
        return GO

    return run


_MAKERS: dict[str, Callable[[Simple, Machine], Step]] = {
    "store_var": _store,
    "copy_var": _copy,
    "add_var": _arithmetic,
    "sub_var": _arithmetic,
    "mul_var": _arithmetic,
    "div_var": _arithmetic,
    "alter_vartype": _alter_type,
    "array_set": _array,
    "array_get": _array,
    "pck_start": lambda _node, machine: machine.start_packet,
    "pck_add": _packet_add,
    "pck_end": _packet_end,
    "timer_start": _timer_start,
    "timer_get": _timer_get,
    "send_string": _send_string,
    "set_script_output": _set_output,
    "set_pgstat_mode": _set_mode,
    "set_pgstat_chan": _checked_number,
    "set_max_bandwidth": _checked_number,
    "set_acquisition_frac": _checked_number,
    "set_acquisition_frac_autoadjust": _checked_number,
    "set_e": _set_point,
    "set_i": _set_point,
    "set_range": _set_range,
    "set_range_minmax": _set_range,
    "set_autoranging": _set_range,
    "cell_on": _cell,
    "cell_off": _cell,
    "breakloop": lambda _node, _machine: lambda: BREAK,
    "abort": lambda _node, _machine: lambda: ABORT,
}
