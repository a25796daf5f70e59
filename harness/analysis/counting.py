"""What a device's charge counter says row by row, whichever kind it is. Counter values in, increments out; no files, no steps.

Increments are summed as they are. Monotone counters give Σ ΔC, and after a reset the new value itself, first row included; signed
net counters give Σ ΔC (module `harness.analysis.charge`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from harness.analysis.missing import Array, Index, filled_forward

FEW = 50
"""Values that mostly tell already that a decimal step is not theirs."""
NOWHERE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RunningTotal:
    """A counter that only rises and may reset. After a reset, at a row of ``resets``, the new value itself is what was added.

    ``before_first`` is the counter's value before the first row.
    """

    values: Array
    before_first: float
    resets: Index

    @classmethod
    def of(cls, counter: Array, before_first: float = 0.0, edges: Index = NOWHERE, expected: Array | float = 0.0) -> Self:
        """A fall to less than half is a reset; a smaller one is jitter and is kept as the negative difference it is. Missing
        values repeat the one before.

        At the rows ``edges`` a step begins, and the counter may begin again without falling: it did if its value, rather than
        its difference, is near to what the row is ``expected`` to add.
        """
        values = filled_forward(counter, before_first)
        fallen = np.flatnonzero(values[1:] < values[:-1]) + 1
        fallen = fallen[values[fallen] < 0.5 * values[fallen - 1]]
        if values.size and values[0] < 0.5 * before_first:
            fallen = np.append(0, fallen)
        begun = np.abs(values[edges] - expected) < np.abs(values[edges] - values[edges - 1] - expected)
        return cls(values, before_first, np.union1d(fallen, edges[begun]) if edges.size else fallen)

    def added(self, first: Index, stop: Index) -> Array:
        """What was added in the rows [first, stop) of each step, ``stop`` > ``first``."""
        before = np.where(first > 0, self.values[first - 1], self.before_first)
        lost = np.where(self.resets > 0, self.values[self.resets - 1], self.before_first)
        sums = np.append(0.0, np.cumsum(lost))
        resets = np.searchsorted(self.resets, stop), np.searchsorted(self.resets, first)
        total: Array = self.values[stop - 1] - before + (sums[resets[0]] - sums[resets[1]])
        return total


def signed_increments(counter: Array, expected: Array, before_first: float) -> Array:
    """ΔC of a signed net counter; where it jumps by what the current cannot explain, it was reset and the new value counts.

    ``expected`` is each row's own estimate of its increment (current × interval), in the counter's unit.
    """
    filled = filled_forward(counter, before_first)
    difference = np.diff(filled, prepend=before_first)
    span = float(np.max(np.abs(filled), initial=0.0))
    jump = np.abs(difference - expected) > 10 * np.abs(expected) + 0.01 * span
    return np.where(jump & (np.abs(filled) < 0.01 * span + 10 * np.abs(expected)), filled, difference)


def decimal_resolution(values: Array, finest: int = 9) -> float:
    """The coarsest decimal step (1, 0.1, … 10⁻ᶠⁱⁿᵉˢᵗ) on which all values lie, 0 when they lie on none: how finely a file was
    written. Values that went through single precision are judged with its rounding.
    """
    sample = values[:: max(1, values.size // 2000)]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0
    single = bool(np.all(sample.astype(np.float32) == sample))
    rounding = 2 * float(np.finfo(np.float32 if single else np.float64).eps)
    size = np.abs(sample)
    largest = float(size.max())
    for digits in range(finest + 1):
        factor = 10.0**digits
        if 1e-6 + rounding * largest * factor > 0.1:
            break
        if all(_on_grid(some * factor, rounding) for some in (size[:FEW], size)):
            return 1.0 / factor
    return 0.0


def _on_grid(scaled: Array, rounding: float) -> bool:
    """Whether all are whole numbers within their rounding, and none but 0 so small that it is lost in it."""
    nearest = np.round(scaled)
    return bool(np.all((np.abs(scaled - nearest) <= 1e-6 + rounding * scaled) & ((nearest > 0) | (scaled == 0))))
