"""A parsed script as closures: compiled once, then run statement by statement without looking at text again.

A block whose statements take no time is one plain function; a block with a statement that takes time is a generator function.
Comparing a whole number and another kind is refused while running, as the language's types suggest; hardware
may be more lenient, so a script that passes here passes there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Sequence

from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptFault
from emulator.instruments.methodscript.machine import ABORT, GO, Machine, Step, Stop, Timed
from emulator.instruments.methodscript.measuring import compile_measurement, number_of, slot_of
from emulator.instruments.methodscript.statements import compile_simple, word_of
from emulator.instruments.methodscript.syntax import Condition, If, Literal, Measure, Node, Script, Simple, Variable, While
from emulator.instruments.methodscript.wire import Number

Test = Callable[[], bool]

_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


class Compiled:
    """A statement or block: ``plain`` when it takes no time, else ``timed``."""

    __slots__ = ("plain", "timed")

    def __init__(self, plain: Step | None, timed: Timed | None = None) -> None:
        self.plain = plain
        self.timed = timed


def compile_script(script: Script, machine: Machine) -> tuple[Timed, Timed]:
    """The script's body and its ``on_finished:`` section, ready to run on ``machine``."""
    return _as_timed(_block(script.body, machine)), _as_timed(_block(script.finish, machine))


def _as_timed(compiled: Compiled) -> Timed:
    if compiled.timed is not None:
        return compiled.timed
    plain = compiled.plain

    def run() -> Generator[float, None, int]:
        yield from ()
        return plain() if plain is not None else GO

    return run


def _block(nodes: Sequence[Node], machine: Machine) -> Compiled:
    parts = [_node(node, machine) for node in nodes]
    if any(part.timed is not None for part in parts):
        return Compiled(None, _timed_block(parts))
    steps = tuple(part.plain for part in parts if part.plain is not None)
    if len(steps) == 1:
        return Compiled(steps[0])

    def run() -> int:
        for step in steps:
            signal = step()
            if signal:
                return signal
        return GO

    return Compiled(run)


def _timed_block(parts: list[Compiled]) -> Timed:
    def run() -> Generator[float, None, int]:
        for part in parts:
            signal = part.plain() if part.plain is not None else GO
            if part.timed is not None:
                signal = yield from part.timed()
            if signal:
                return signal
        return GO

    return run


def _node(node: Node, machine: Machine) -> Compiled:
    match node:
        case If():
            return _if(node, machine)
        case While():
            return Compiled(None, _while(node, machine))
        case Measure():
            body = _block(node.body, machine)
            return Compiled(None, compile_measurement(machine, node, body.timed, body.plain or _nothing))
        case Simple(name="wait" | "meas"):
            return Compiled(None, _waiting(node, machine))
        case Simple():
            return Compiled(compile_simple(node, machine))


def _nothing() -> int:
    return GO


# -- flow


def _if(node: If, machine: Machine) -> Compiled:
    tests = [_test(branch.condition, machine) for branch in node.branches]
    bodies = [_block(branch.body, machine) for branch in node.branches]
    otherwise = _block(node.otherwise, machine)
    if any(body.timed is not None for body in (*bodies, otherwise)):
        timed = [_as_timed(body) for body in bodies]
        return Compiled(None, _timed_if(tests, timed, _as_timed(otherwise)))
    plain = [body.plain or _nothing for body in bodies]
    last = otherwise.plain or _nothing
    if len(tests) == 1:
        only_test, only_body = tests[0], plain[0]
        return Compiled(lambda: only_body() if only_test() else last())
    pairs = tuple(zip(tests, plain, strict=True))

    def run() -> int:
        for test, body in pairs:
            if test():
                return body()
        return last()

    return Compiled(run)


def _timed_if(tests: list[Test], bodies: list[Timed], otherwise: Timed) -> Timed:
    def run() -> Generator[float, None, int]:
        for test, body in zip(tests, bodies, strict=True):
            if test():
                return (yield from body())
        return (yield from otherwise())

    return run


def _while(node: While, machine: Machine) -> Timed:
    test = _test(node.condition, machine)
    body = _as_timed(_block(node.body, machine))
    channel = machine.channel

    def run() -> Generator[float, None, int]:
        machine.line("L")
        signal = GO
        while test():
            yield channel.elapsed
            if machine.stop is Stop.ABORT:
                signal = ABORT
                break
            signal = yield from body()
            if signal:
                break
        machine.line("+")
        return ABORT if signal == ABORT else GO

    return run


def _test(condition: Condition, machine: Machine) -> Test:
    values, compare, line = machine.values, _COMPARISONS[condition.operator], condition.line
    left, right = condition.left, condition.right
    if isinstance(left, Variable) and isinstance(right, Literal):
        slot, value, kind = left.slot, right.value, type(right.value)

        def against_literal() -> bool:
            found = values[slot]
            if found.__class__ is not kind:
                raise ScriptFault(codes.NO_COMPARISON, line)
            return compare(found, value)

        return against_literal
    if isinstance(left, Variable) and isinstance(right, Variable):
        first, second = left.slot, right.slot

        def variables() -> bool:
            one, other = values[first], values[second]
            if one.__class__ is not other.__class__:
                raise ScriptFault(codes.NO_COMPARISON, line)
            return compare(one, other)

        return variables

    def general() -> bool:
        one, other = number_of(machine, left, line, whole=None), number_of(machine, right, line, whole=None)
        if one.__class__ is not other.__class__:
            raise ScriptFault(codes.NO_COMPARISON, line)
        return compare(one, other)

    return general


def _waiting(node: Simple, machine: Machine) -> Timed:
    channel, line = machine.channel, node.line

    def run() -> Generator[float, None, int]:
        second = number_of(machine, node.operands[0], line)
        if second < 0.0:
            raise ScriptFault(codes.MUST_BE_POSITIVE, line)
        due = channel.elapsed + second / channel.timer.rate
        yield due
        if machine.stop is Stop.ABORT:
            channel.advance(machine.stop_elapsed)
            return ABORT
        machine.stop = Stop.NONE
        channel.advance(due)
        if node.name == "meas":
            _measure_once(node, machine)
        return GO

    return run


def _measure_once(node: Simple, machine: Machine) -> None:
    match word_of(node.operands[2]):
        case "ab":
            machine.measure_voltage(slot_of(node.operands[1]))
        case "ba":
            machine.measure_current(slot_of(node.operands[1]))
        case _:
            raise ScriptFault(codes.NOT_SUPPORTED, node.line)
