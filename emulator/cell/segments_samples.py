"""The voltages between the ends of segments: all samples of many at once, in pieces that stay in the processor's cache."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emulator.cell.segments_cell import CellConstants, ElectrodePath, Geometry, Path, voltage
from emulator.cell.segments_numbers import SAMPLES, Fields, Number

Floats: TypeAlias = NDArray[np.float64]

_PIECE = 4096


class Sampler:
    """The samples of one step of a recipe, at the ends of ``points`` equal parts of every repeat; paths are added in order.

    Those of one cell wait until a piece of them is together, so few are kept at a time.
    """

    __slots__ = ("_added", "_constants", "_fractions", "_geometry", "_size", "_waiting", "elapsed", "voltage")

    def __init__(self, geometry: Geometry, c: CellConstants, shape: tuple[int, int, int]) -> None:
        cells, repeats, points = shape
        self._geometry = geometry
        self._constants = CellConstants(_column(c.lithium), _column(c.counter))
        self._fractions = np.arange(1, points + 1) / points
        self._waiting: dict[tuple[bool, bool], list[tuple[int, Path]]] = {}
        self._added = 0
        self._size = max(1, _PIECE // points)
        self.elapsed: Floats = np.empty((cells, repeats))
        self.voltage: Floats = np.empty(shape)

    def add(self, path: Path, end: Number) -> None:
        """The path of the next repeat, and when it ended on each cell."""
        if isinstance(end, np.ndarray):
            self.elapsed[:, self._added] = end
            self._all_cells(path, end)
        else:
            self.elapsed[0, self._added] = end
            shape = (path.tracked.sharing is None, path.other is None or path.other.sharing is None)
            waiting = self._waiting.setdefault(shape, [])
            waiting.append((self._added, path))
            if len(waiting) >= self._size:
                self._one_cell(waiting)
                waiting.clear()
        self._added += 1

    def finish(self) -> tuple[Floats, Floats]:
        """(time, voltage), both (cells, repeats, points)."""
        for waiting in self._waiting.values():
            if waiting:
                self._one_cell(waiting)
        self._waiting.clear()
        return self.elapsed[..., None] * self._fractions, self.voltage

    def voltages(self, path: Path, second: Floats) -> Floats:
        """Of one path, which is not added, at rising times: (cells, times)."""
        columns = _columns([path])
        volt = voltage(
            SAMPLES, self._geometry, self._constants, columns, np.broadcast_to(second, (len(self.elapsed), second.size))
        )
        return np.asarray(volt)

    def _one_cell(self, waiting: list[tuple[int, Path]]) -> None:
        places = [place for place, _ in waiting]
        time = self.elapsed[0, places, None] * self._fractions
        columns = _columns([path for _, path in waiting])
        self.voltage[0, places] = voltage(SAMPLES, self._geometry, self._constants, columns, time)

    def _all_cells(self, path: Path, end: Floats) -> None:
        time = end[:, None] * self._fractions
        self.voltage[:, self._added] = voltage(SAMPLES, self._geometry, self._constants, _columns([path]), time)


def _columns(paths: list[Path]) -> Path:
    """The paths as one, every number a column to broadcast against times."""
    first = paths[0]
    return Path(
        flow=first.flow,
        size=_stack([path.size for path in paths]),
        tracked=_electrodes([path.tracked for path in paths]),
        other=None if first.other is None else _electrodes([path.other for path in paths if path.other is not None]),
        diffusion=_fields([path.diffusion for path in paths]),
        insertion=None if first.insertion is None else _fields([path.insertion for path in paths if path.insertion is not None]),
        state=first.state,
    )


def _electrodes(paths: list[ElectrodePath]) -> ElectrodePath:
    first = paths[0]
    rests = first.plating is None and first.stripping is None
    return ElectrodePath(
        start=_fields([path.start for path in paths]) if rests else first.start,
        begun=first.begun,
        layer=_stack([path.layer for path in paths]),
        plating=None if first.plating is None else _fields([path.plating for path in paths if path.plating is not None]),
        stripping=None if first.stripping is None else _fields([path.stripping for path in paths if path.stripping is not None]),
        sharing=None if first.sharing is None else _fields([path.sharing for path in paths if path.sharing is not None]),
    )


def _fields(tuples: list[Fields]) -> Fields:
    """Named tuples of numbers as one of columns."""
    if len(tuples) == 1:
        return _column(tuples[0])
    return type(tuples[0])(*np.array(tuples).T[:, :, None])


def _column(numbers: Fields) -> Fields:
    return type(numbers)(*(number[:, None] if isinstance(number, np.ndarray) else number for number in numbers))


def _stack(numbers: list[Number]) -> Number:
    if len(numbers) == 1:
        return numbers[0][:, None] if isinstance(numbers[0], np.ndarray) else numbers[0]
    return np.array(numbers)[:, None]
