"""A figure: what was measured, how much, in which unit, and what it stands beside."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. ``beside`` is what to compare it with, or what it was measured with; "" for nothing."""

    what: str
    figure: float
    unit: str
    beside: str = ""


def percentile(values: Sequence[float], percent: int) -> float:
    """The ``percent``-th percentile (1 to 99) of two values or more."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
