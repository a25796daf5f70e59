"""The voltages between the ends of segments: all samples of many segments at once, in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emulator.cell.segments_cell import CellConstants, ElectrodePath, Geometry, Path, voltage
from emulator.cell.segments_numbers import ARRAYS, Fields, Number

Floats: TypeAlias = NDArray[np.float64]

_PIECE = 4096


def sample(
    geometry: Geometry, c: CellConstants, paths: Sequence[Path], ends: Sequence[Number], points: int
) -> tuple[Floats, Floats]:
    """(time, voltage), both (cells, segments, points), at the ends of ``points`` equal parts of every segment."""
    fractions = np.arange(1, points + 1) / points
    length = np.array(ends, dtype=np.float64)
    if length.ndim == 2:
        return _side_by_side(geometry, c, paths, length, fractions)
    time = length[:, None] * fractions
    volt = np.empty_like(time)
    for piece in _pieces(paths, max(1, _PIECE // points)):
        columns = _columns([paths[index] for index in piece])
        volt[piece] = voltage(ARRAYS, geometry, c, columns, time[piece])
    return time[None], volt[None]


def _side_by_side(
    geometry: Geometry, c: CellConstants, paths: Sequence[Path], length: Floats, fractions: Floats
) -> tuple[Floats, Floats]:
    time = length.T[:, :, None] * fractions
    volt = np.empty_like(time)
    constants = CellConstants(_column(c.lithium), _column(c.counter))
    for index, path in enumerate(paths):
        volt[:, index] = voltage(ARRAYS, geometry, constants, _columns([path]), time[:, index])
    return time, volt


def _pieces(paths: Sequence[Path], size: int) -> list[list[int]]:
    """Indices of paths of one shape (with or without a shared phase of either electrode), at most ``size`` together."""
    shapes: dict[tuple[bool, bool], list[int]] = {}
    for index, path in enumerate(paths):
        shape = (path.tracked.sharing is None, path.other is None or path.other.sharing is None)
        shapes.setdefault(shape, []).append(index)
    return [alike[first : first + size] for alike in shapes.values() for first in range(0, len(alike), size)]


def _columns(paths: list[Path]) -> Path:
    """The paths as one, every number a column to broadcast against times."""
    first = paths[0]
    return Path(
        density=_stack([path.density for path in paths]),
        size=_stack([path.size for path in paths]),
        tracked=_electrodes([path.tracked for path in paths]),
        other=None if first.other is None else _electrodes([path.other for path in paths if path.other is not None]),
        diffusion=_fields([path.diffusion for path in paths]),
        insertion=None if first.insertion is None else _fields([path.insertion for path in paths if path.insertion is not None]),
        state=first.state._replace(between=_fields([path.state.between for path in paths])),
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
    kind: Any = type(tuples[0])
    return kind(*np.array(tuples).T[:, :, None])


def _column(numbers: Fields) -> Fields:
    kind: Any = type(numbers)
    return kind(*(number[:, None] if isinstance(number, np.ndarray) else number for number in numbers))


def _stack(numbers: list[Number]) -> Number:
    if len(numbers) == 1:
        return numbers[0][:, None] if isinstance(numbers[0], np.ndarray) else numbers[0]
    return np.array(numbers)[:, None]
