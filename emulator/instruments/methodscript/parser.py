"""From the text of a script to its parts, refusing what an instrument refuses, with the code, line and column it names.

The column is the one after the offending word. Which code an instrument gives for a missing ``endloop`` or a stray ``else`` is
our reading of the code's description; every other code is documented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptRefused
from emulator.instruments.methodscript.syntax import (
    MEASUREMENTS,
    OPERATORS,
    PLACEHOLDER,
    RANGED_TYPES,
    SIGNATURES,
    Branch,
    Condition,
    If,
    Literal,
    Measure,
    Node,
    Operand,
    Script,
    Simple,
    Variable,
    While,
    Word,
)
from emulator.instruments.methodscript.wire import PREFIX_POWER, Number

_TOKEN = re.compile(r'f?"[^"]*"|[^ \t]+')
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TYPE = re.compile(r"[a-z]{2}")
_LITERAL = re.compile(r"([+-]?)(\d+)([afpnumkMGTPEi]?)")
_BITS = re.compile(r"(0x[0-9A-Fa-f]+|0b[01]+)i?")
_DEEPEST = 16
_LONGEST_ARRAY = 100_000
_INT32 = 2**31
_POTENTIALS = ("set_e", "ab", "da")
_SETUP = frozenset(
    {"var", "array", "set_pgstat_mode", "set_pgstat_chan", "set_max_bandwidth", "cell_on", "cell_off", "timer_reset"}
)
_RANGES = frozenset({"set_range", "set_range_minmax", "set_autoranging"})
_CLOSERS = frozenset({"endloop", "endif", "else", "elseif"})


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    column: int

    def refuse(self, code: str) -> ScriptRefused:
        return ScriptRefused(code, self.line, self.column)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    tokens: tuple[_Token, ...]
    end: int

    @property
    def name(self) -> str:
        return self.tokens[0].text


def parse_script(text: str) -> Script:
    """The parts of a script (lines without the blank one that ends it).

    Raises:
        ScriptRefused: with the code, line and column of the first fault.
    """
    return _Parser(text.split("\n") if text else []).script()


def parse_literal(text: str) -> Number:
    """The value of a literal: an integer, an SI prefix or ``i``. Hexadecimal and binary are whole numbers with or without ``i``,
    as the maker's examples write them (``set_gpio_cfg 0b111 1``); ``f`` after them is a digit, so they take no prefix.

    Raises:
        ValueError: not a literal (a decimal point, an unknown prefix).
        OverflowError: beyond 32 bits.
    """
    if (bits := _BITS.fullmatch(text)) is not None:
        sign, digits, suffix = "", str(int(bits[1], 0)), "i"
    elif (match := _LITERAL.fullmatch(text)) is not None:
        sign, digits, suffix = match.groups()
    else:
        raise ValueError(text)
    mantissa = int(digits)
    if mantissa >= _INT32 + (sign == "-"):
        raise OverflowError(text)
    mantissa = -mantissa if sign == "-" else mantissa
    if suffix == "i":
        return mantissa
    power = PREFIX_POWER.get(suffix, 0)
    return mantissa / 10.0**-power if power < 0 else mantissa * 10.0**power


class _Parser:
    """Recursive descent over lines; the state is where we are and what is declared."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = [line for number, text in enumerate(lines, 1) if (line := _tokenise(number, text)) is not None]
        self._last = _Token("", max(1, len(lines)), len(lines[-1]) + 1 if lines else 1)
        self._place = 0
        self._slots: dict[str, int] = {}
        self._arrays: dict[int, int] = {}
        self._depth = 0
        self._loops = 0
        self._measuring = False

    def script(self) -> Script:
        body = self._block(())
        finish: tuple[Node, ...] = ()
        if self._place < len(self._lines):
            self._place += 1
            finish = self._block(())
            if self._place < len(self._lines):
                raise self._lines[self._place].tokens[0].refuse(codes.WRONG_PLACE)
        return Script(body, finish, self._slots, self._arrays)

    def _block(self, closers: tuple[str, ...]) -> tuple[Node, ...]:
        """Statements up to one of ``closers`` (not taken), or up to the end or ``on_finished:`` where there are none."""
        nodes: list[Node] = []
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if line.name in closers or (line.name == "on_finished:" and not closers):
                return tuple(nodes)
            if line.name in _CLOSERS or line.name == "on_finished:":
                raise line.tokens[0].refuse(codes.WRONG_PLACE if not closers else codes.ENDED_UNEXPECTEDLY)
            self._place += 1
            node = self._statement(line)
            if node is not None:
                nodes.append(node)
        if closers:
            raise self._last.refuse(codes.ENDED_UNEXPECTEDLY)
        return tuple(nodes)

    def _statement(self, line: _Line) -> Node | None:
        name = line.name
        if name == "if":
            return self._if(line)
        if name == "loop":
            return self._while(line)
        if name in MEASUREMENTS:
            return self._measure(line)
        if name not in SIGNATURES:
            file_statement = name.startswith("file_")
            raise line.tokens[0].refuse(codes.FILES_NOT_SUPPORTED if file_statement else codes.UNKNOWN_STATEMENT)
        self._check_place(line)
        operands = self._operands(line, SIGNATURES[name])
        if name in ("var", "array"):
            self._declare(line, operands)
            return None
        return Simple(name, operands, line.number)

    def _check_place(self, line: _Line) -> None:
        name, token = line.name, line.tokens[0]
        if name == "breakloop" and self._loops == 0:
            raise token.refuse(codes.ONLY_INSIDE_LOOPS)
        if name in ("var", "array") and self._loops:
            raise token.refuse(codes.NOT_INSIDE_LOOP)
        if not self._measuring:
            return
        if name in ("set_e", "set_i") or name in _RANGES:
            kind = name if name not in _RANGES or len(line.tokens) < 2 else line.tokens[1].text
            raise token.refuse(codes.POTENTIAL_IN_LOOP if kind in _POTENTIALS else codes.CURRENT_IN_LOOP)
        if name in _SETUP:
            raise token.refuse(codes.NOT_INSIDE_LOOP)

    def _declare(self, line: _Line, operands: tuple[Operand, ...]) -> None:
        token, name = line.tokens[1], line.tokens[1].text
        if name in self._slots:
            raise token.refuse(codes.DUPLICATE_VARIABLE)
        slot = self._slots[name] = len(self._slots)
        if line.name == "array":
            size = operands[1]
            if not isinstance(size, Literal) or not 0 < size.value <= _LONGEST_ARRAY:
                raise line.tokens[2].refuse(codes.OUT_OF_BOUNDS)
            self._arrays[slot] = int(size.value)

    # -- blocks

    def _enter(self, line: _Line) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise line.tokens[0].refuse(codes.SCOPE_TOO_DEEP)

    def _if(self, line: _Line) -> If:
        self._enter(line)
        branches: list[Branch] = []
        otherwise: tuple[Node, ...] = ()
        condition = self._condition(line)
        while True:
            branches.append(Branch(condition, self._block(("elseif", "else", "endif"))))
            closer = self._close()
            if closer.name != "elseif":
                break
            condition = self._condition(closer)
        if closer.name == "else":
            _nothing_more(closer)
            otherwise = self._block(("endif",))
            closer = self._close()
        _nothing_more(closer)
        self._depth -= 1
        return If(tuple(branches), otherwise)

    def _while(self, line: _Line) -> While:
        condition = self._condition(line)
        return While(condition, self._loop_body(line))

    def _measure(self, line: _Line) -> Measure:
        if self._measuring:
            raise line.tokens[0].refuse(codes.NESTED_MEASUREMENT)
        operands = self._operands(line, MEASUREMENTS[line.name])
        self._measuring = True
        body = self._loop_body(line)
        self._measuring = False
        return Measure(line.name, operands, body, line.number)

    def _loop_body(self, line: _Line) -> tuple[Node, ...]:
        self._enter(line)
        self._loops += 1
        body = self._block(("endloop",))
        _nothing_more(self._close())
        self._loops -= 1
        self._depth -= 1
        return body

    def _close(self) -> _Line:
        line = self._lines[self._place]
        self._place += 1
        return line

    # -- arguments

    def _condition(self, line: _Line) -> Condition:
        if len(line.tokens) < 4:
            raise ScriptRefused(codes.ARGUMENT_MISSING, line.number, line.end)
        if len(line.tokens) > 4:
            raise line.tokens[4].refuse(codes.UNEXPECTED_ARGUMENT)
        if line.tokens[2].text not in OPERATORS:
            raise line.tokens[2].refuse(codes.UNEXPECTED_ARGUMENT)
        left, right = self._number(line.tokens[1]), self._number(line.tokens[3])
        if isinstance(left, Literal) and isinstance(right, Literal) and type(left.value) is not type(right.value):
            raise line.tokens[3].refuse(codes.NO_COMPARISON)
        return Condition(left, line.tokens[2].text, right, line.number)

    def _operands(self, line: _Line, signature: str) -> tuple[Operand, ...]:
        arguments = line.tokens[1:]
        made = tuple(self._operand(kind, token, line) for kind, token in zip(signature, arguments, strict=False))
        if len(arguments) < len(signature):
            raise ScriptRefused(codes.ARGUMENT_MISSING, line.number, line.end)
        if len(arguments) > len(signature):
            raise arguments[len(signature)].refuse(codes.UNEXPECTED_ARGUMENT)
        return made

    def _operand(self, kind: str, token: _Token, line: _Line) -> Operand:
        match kind:
            case "d" | "v" | "a":
                return self._variable(token, array=kind == "a")
            case "n":
                return self._number(token)
            case "i":
                literal = self._literal(token)
                if not isinstance(literal.value, int):
                    raise token.refuse(codes.WRONG_DATATYPE)
                return literal
            case "t":
                return _vartype(token, line)
            case "w":
                if _NAME.fullmatch(token.text) is None:
                    raise token.refuse(codes.BAD_NAME)
                return Word(token.text)
            case _:
                return self._string(token)

    def _variable(self, token: _Token, *, array: bool = False) -> Variable:
        if _NAME.fullmatch(token.text) is None:
            raise token.refuse(codes.WRONG_DATATYPE)
        slot = self._slots.get(token.text)
        if slot is None:
            raise token.refuse(codes.UNDECLARED)
        if array != (slot in self._arrays):
            raise token.refuse(codes.WRONG_DATATYPE)
        return Variable(slot)

    def _number(self, token: _Token) -> Variable | Literal:
        if _NAME.fullmatch(token.text) is not None:
            return self._variable(token)
        return self._literal(token)

    def _string(self, token: _Token) -> Word:
        text = token.text.removeprefix("f")
        if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
            raise token.refuse(codes.WRONG_DATATYPE)
        if token.text.startswith("f") and any(name not in self._slots for name in PLACEHOLDER.findall(text)):
            raise token.refuse(codes.UNDECLARED)
        return Word(token.text)

    def _literal(self, token: _Token) -> Literal:
        try:
            return Literal(parse_literal(token.text))
        except ValueError:
            raise token.refuse(codes.BAD_LITERAL) from None
        except OverflowError:
            raise token.refuse(codes.OVERFLOW) from None


def _tokenise(number: int, text: str) -> _Line | None:
    """The words of a line, or ``None`` for a comment."""
    for place, character in enumerate(text):
        if not (" " <= character <= "~" or character == "\t"):
            raise ScriptRefused(codes.BAD_CHARACTER, number, place + 1)
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        if match.group().startswith("#"):
            break
        tokens.append(_Token(match.group(), number, match.end() + 1))
    return _Line(number, tuple(tokens), tokens[-1].column) if tokens else None


def _nothing_more(line: _Line) -> None:
    if len(line.tokens) > 1:
        raise line.tokens[1].refuse(codes.UNEXPECTED_ARGUMENT)


def _vartype(token: _Token, line: _Line) -> Word:
    if _TYPE.fullmatch(token.text) is None or (line.name in _RANGES and token.text not in RANGED_TYPES):
        raise token.refuse(codes.UNEXPECTED_ARGUMENT)
    return Word(token.text)
