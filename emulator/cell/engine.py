"""Who computes: the step kernel's functions and the kind of vector they run on. Plain Python on lists unless told otherwise.

`emulator.cell.compiled` makes another engine of the same source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.cell import kernel, program
from emulator.cell.state import Vector


@dataclass(frozen=True, slots=True)
class Engine:
    """The functions of `emulator.cell.kernel` and `emulator.cell.program` that a cell calls; ``vector`` makes what they take."""

    name: str
    vector: Callable[[Sequence[float]], Vector]
    advance: Callable[[Vector, Vector, Vector, float, float], int]
    voltage_ahead: Callable[[Vector, Vector, float, float], float]
    current_for: Callable[[Vector, Vector, float, float, float, float], float]
    run_segment: Callable[[Vector, Vector, Vector, float, float, float, float, float, Vector, Vector], int]
    run_hold: Callable[[Vector, Vector, Vector, float, float, float, float, float, Vector, Vector, Vector], int]
    run_program: Callable[[Vector, Vector, Vector, Vector, int, float, Vector, Vector, Vector, Vector], int]


PYTHON = Engine(
    name="python",
    vector=list,
    advance=kernel.advance,
    voltage_ahead=kernel.voltage_ahead,
    current_for=kernel.current_for,
    run_segment=program.run_segment,
    run_hold=program.run_hold,
    run_program=program.run_program,
)
