"""The parts of a parsed script, and which arguments each statement takes. No behaviour."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emulator.instruments.methodscript.wire import Number


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable, by its slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A number written in the script; ``int`` for those that end with i."""

    value: Number


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: a variable type, a name, or the text of a string."""

    text: str


Operand = Variable | Literal | Word


@dataclass(frozen=True, slots=True)
class Condition:
    """``left operator right``."""

    left: Variable | Literal
    operator: str
    right: Variable | Literal
    line: int


@dataclass(frozen=True, slots=True)
class Simple:
    """A statement without a body."""

    name: str
    operands: tuple[Operand, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """``if``/``elseif``: condition and body."""

    condition: Condition
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class If:
    """``if … elseif … else … endif``."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class While:
    """``loop condition … endloop``."""

    condition: Condition
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement loop and what it does with every point."""

    name: str
    operands: tuple[Operand, ...]
    body: tuple[Node, ...]
    line: int


Node = Simple | If | While | Measure


@dataclass(frozen=True, slots=True)
class Script:
    """A script that passed every check made before running: ``names`` by slot, ``arrays`` with their lengths by slot."""

    body: tuple[Node, ...]
    finish: tuple[Node, ...]
    names: dict[str, int]
    arrays: dict[int, int]


SIGNATURES: dict[str, str] = {
    "var": "w",
    "array": "wi",
    "store_var": "dnt",
    "copy_var": "vd",
    "add_var": "dn",
    "sub_var": "dn",
    "mul_var": "dn",
    "div_var": "dn",
    "alter_vartype": "dt",
    "array_set": "ann",
    "array_get": "and",
    "set_pgstat_chan": "n",
    "set_pgstat_mode": "n",
    "set_max_bandwidth": "n",
    "set_acquisition_frac": "n",
    "set_acquisition_frac_autoadjust": "n",
    "set_range": "tn",
    "set_range_minmax": "tnn",
    "set_autoranging": "tnn",
    "set_e": "n",
    "set_i": "n",
    "cell_on": "",
    "cell_off": "",
    "wait": "n",
    "timer_start": "",
    "timer_get": "d",
    "meas": "ndt",
    "pck_start": "",
    "pck_add": "v",
    "pck_end": "",
    "send_string": "s",
    "set_script_output": "n",
    "breakloop": "",
    "abort": "",
}
"""Kinds of arguments: w new name, d variable to write, v variable to read, n number, i whole-number literal, t variable type,
a array, s string."""

MEASUREMENTS: dict[str, str] = {
    "meas_loop_cp": "ddnnn",
    "meas_loop_ca": "ddnnn",
    "meas_loop_ocp": "dnn",
    "meas_loop_eis": "dddnnnnn",
    "meas_loop_geis": "dddnnnnn",
}

OPERATORS = ("==", "!=", "<=", ">=", "<", ">")
RANGED_TYPES = ("ba", "ab", "da", "db")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A variable inside a formatted string."""
