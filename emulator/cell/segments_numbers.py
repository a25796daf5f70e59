"""What the closed form needs of numerical mathematics, for one number and for arrays alike.

Every equation of the closed form is written once, in terms of an `Arithmetic`:
`SCALARS` works on plain floats (some 50 ns an operation, for the recursion of one cell), `ARRAYS` on numpy arrays of one number
per cell, `SAMPLES` on those with a last axis of rising times.

Small integrals over a segment are taken at four Gauss-Legendre points, and their course within it is the polynomial of degree
four that these points define.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Number: TypeAlias = Any
"""A float, or a float64 array; within one call all of one kind (arrays of shapes that broadcast)."""

Truth: TypeAlias = Any
"""A bool, or a boolean array."""

Function: TypeAlias = Any
"""Of numbers: a function of `math` or of this module, or a ufunc."""

Fields = TypeVar("Fields", bound=tuple[Any, ...])

NODES: tuple[float, ...] = tuple(float(x) for x in 0.5 * (1.0 + np.polynomial.legendre.leggauss(4)[0]))
"""Where an integrand is taken, as fractions of the interval."""


def _courses() -> tuple[tuple[float, ...], ...]:
    """Row k: the coefficient of x^(k+1) of the integral from 0 to x, for an integrand of 1 at one node and 0 at the others."""
    powers = np.vander(np.array(NODES), 4, increasing=True)
    lagrange = np.linalg.inv(powers)
    return tuple(tuple(float(value) for value in lagrange[power] / (power + 1)) for power in range(4))


_COURSES = _courses()
_UNTIL = tuple(
    tuple(sum(row[node] * place ** (power + 1) for power, row in enumerate(_COURSES)) for node in range(4))
    for place in (*NODES, 1.0)
)
"""Row i: weights of the four nodes in the integral from 0 to node i, and, last, to the end."""

Four: TypeAlias = tuple[Number, Number, Number, Number]
"""One number per node."""

Course: TypeAlias = tuple[Number, Number, Number, Number]
"""Coefficients of x, x², x³, x⁴: an integral as a function of the fraction x of its interval, 0 at 0."""


def integrate(values: Four, span: Number) -> Course:
    """The integral over an interval of length ``span`` of what has ``values`` at the `NODES`."""
    first, second, third, fourth = values
    one, two, three, four = _COURSES
    return (
        span * (one[0] * first + one[1] * second + one[2] * third + one[3] * fourth),
        span * (two[0] * first + two[1] * second + two[2] * third + two[3] * fourth),
        span * (three[0] * first + three[1] * second + three[2] * third + three[3] * fourth),
        span * (four[0] * first + four[1] * second + four[2] * third + four[3] * fourth),
    )


def course_at(course: Course, x: Number) -> Number:
    """The integral from 0 to the fraction ``x``."""
    return x * (course[0] + x * (course[1] + x * (course[2] + x * course[3])))


def until_nodes(values: Four, span: Number) -> Four:
    """The integral from 0 to each of the `NODES` of what has ``values`` there."""
    a, b, c, d = values
    (p, q, r, s), (t, u, v, w), (e, f, g, h), (i, j, k, m), _ = _UNTIL
    return (
        span * (p * a + q * b + r * c + s * d),
        span * (t * a + u * b + v * c + w * d),
        span * (e * a + f * b + g * c + h * d),
        span * (i * a + j * b + k * c + m * d),
    )


def until_end(values: Four, span: Number) -> Number:
    """The whole integral."""
    a, b, c, d = values
    p, q, r, s = _UNTIL[4]
    return span * (p * a + q * b + r * c + s * d)


def _choose(condition: Truth, yes: Number, no: Number) -> Number:
    return yes if condition else no


def _smaller(one: float, other: float) -> float:
    return one if one < other else other  # noqa: FURB136 - twice as fast as min


def _larger(one: float, other: float) -> float:
    return one if one > other else other  # noqa: FURB136 - twice as fast as max


def _decay(x: NDArray[np.float64]) -> NDArray[np.float64]:
    decayed: NDArray[np.float64] = np.exp(np.maximum(x, -600.0))
    return decayed


def _asinh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(x + np.sqrt(x * x + 1.0))


def _atanh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * np.log((1.0 + x) / (1.0 - x))


def _itself(x: Number) -> Number:
    return x


def _first(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x[..., :1]


def _last(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x[..., -1:]


class Functions:
    """The functions that differ between a float and an array. ``asinh`` takes what is not negative.

    ``decay`` is exp of x ≤ 0, not computed exactly where it is below 1e-260: numpy's underflow is ten times slower than its exp.
    ``earliest`` and ``latest`` give of times, which rise along the last axis of samples, the first and the last of every cell.
    """

    exp: ClassVar[Function]
    decay: ClassVar[Function]
    log: ClassVar[Function]
    sqrt: ClassVar[Function]
    asinh: ClassVar[Function]
    atanh: ClassVar[Function]
    smaller: ClassVar[Function]
    larger: ClassVar[Function]
    where: ClassVar[Function]
    some: ClassVar[Function]
    earliest: ClassVar[Function] = _itself
    latest: ClassVar[Function] = _itself


class SCALARS(Functions):
    """For floats."""

    exp = decay = math.exp
    log, sqrt, asinh, atanh = math.log, math.sqrt, math.asinh, math.atanh
    smaller, larger = _smaller, _larger
    where, some = _choose, bool


class ARRAYS(Functions):
    """For one number per cell."""

    exp, decay = np.exp, _decay
    log, sqrt, asinh, atanh = np.log, np.sqrt, _asinh, _atanh
    smaller, larger = np.minimum, np.maximum
    where, some = np.where, np.any


class SAMPLES(ARRAYS):
    """For times along the last axis."""

    earliest, latest = _first, _last


Arithmetic: TypeAlias = type[Functions]
"""One of the three: a class that is never made into an object, because Python finds the functions of a class fastest."""


def choose(arithmetic: Arithmetic, condition: Truth, yes: Fields, no: Fields) -> Fields:
    """Field by field: that of ``yes`` where ``condition`` holds, else that of ``no``."""
    where = arithmetic.where
    if condition is True:
        return yes
    return type(no)(*(a if a is b else where(condition, a, b) for a, b in zip(yes, no, strict=True)))


def crossing(
    arithmetic: Arithmetic,
    error: Callable[[Number], Number],
    bracket: tuple[Number, Number],
    errors: tuple[Number, Number],
    tolerance: float,
) -> Number:
    """Where ``error`` is 0 within ``bracket``, to ``tolerance`` of ``error`` or to the last digits of the place.

    The errors at the two ends have opposite signs, or the bracket is a point (then that point is returned). Regula falsi with
    the Illinois rule, all lanes at once.
    """
    where, some = arithmetic.where, arithmetic.some
    (low, high), (low_error, high_error) = bracket, errors
    trial, side = low, 0.0 * low
    for _ in range(200):
        spread = high_error - low_error
        flat = spread == 0.0
        trial = where(flat, low, high - high_error * (high - low) / where(flat, 1.0, spread))
        found = error(trial)
        going = (abs(found) > tolerance) & (high - low > 4e-16 * high)
        if not some(going):
            break
        same = (found > 0.0) == (high_error > 0.0)
        low_error = where(same, where(side > 0.0, 0.5 * low_error, low_error), found)
        high_error = where(same, found, where(side < 0.0, 0.5 * high_error, high_error))
        low, high = where(same, low, trial), where(same, trial, high)
        side = where(same, 1.0, -1.0)
    return trial
