"""The voltages between the ends of segments: all samples of many at once, in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from emulator.cell.segments_cell import CellConstants, ElectrodePath, Geometry, Path, voltage
from emulator.cell.segments_numbers import SAMPLES, Number

Floats: TypeAlias = NDArray[np.float64]

Fields = TypeVar("Fields")
"""A named tuple or a slotted dataclass of numbers."""

_PIECE = 4096
_BUFFER = 64
"""Elements. Into a buffer of the usual size numpy copies every column that it broadcasts; that takes as long as the operation."""


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
        self._waiting: defaultdict[tuple[bool, bool], list[tuple[int, Path]]] = defaultdict(list)
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
            waiting = self._waiting[path.tracked.sharing is None, path.other is None or path.other.sharing is None]
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
        return self._voltages([path], np.broadcast_to(second, (len(self.elapsed), second.size)))

    def _one_cell(self, waiting: list[tuple[int, Path]]) -> None:
        places = [place for place, _ in waiting]
        time = self.elapsed[0, places, None] * self._fractions
        self.voltage[0, places] = self._voltages([path for _, path in waiting], time)

    def _all_cells(self, path: Path, end: Floats) -> None:
        time = end[:, None] * self._fractions
        self.voltage[:, self._added] = self._voltages([path], time)

    def _voltages(self, paths: list[Path], time: Floats) -> Floats:
        with np.errstate():
            np.setbufsize(_BUFFER)
            return np.asarray(voltage(SAMPLES, self._geometry, self._constants, _columns(paths), time))


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


def _fields(rows: list[Fields]) -> Fields:
    """Records of numbers as one of columns."""
    if len(rows) == 1:
        return _column(rows[0])
    kind = type(rows[0])
    table = np.fromiter(chain.from_iterable(map(_reader(kind), rows)), np.float64).reshape(len(rows), -1)
    return kind(*table.T[:, :, None])


def _column(row: Fields) -> Fields:
    kind = type(row)
    return kind(*(number[:, None] if isinstance(number, np.ndarray) else number for number in _reader(kind)(row)))


def _reader(kind: Any) -> Callable[[Any], tuple[Number, ...]]:  # noqa: ANN401 - a class, but no base class has its fields
    """What gives the numbers of a record in the order of its fields."""
    return attrgetter(*(kind._fields if issubclass(kind, tuple) else kind.__slots__))


def _stack(numbers: list[Number]) -> Number:
    if len(numbers) == 1:
        return numbers[0][:, None] if isinstance(numbers[0], np.ndarray) else numbers[0]
    return np.array(numbers)[:, None]
