"""A number, how sure it is, and why there is none: what every analysis answers with.

A refusal is a value, not an exception: of ten cells of a cohort, nine have a knee that can be dated and the tenth has a reason.
`AnalysisError` is for input that no answer could belong to (an empty spectrum, a negative frequency).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

NORMAL_95 = 1.959963984540054
"""Half width of a 95 % interval in standard deviations, when those are known."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``value`` with one standard deviation and a 95 % interval, or none of them and a ``refusal``: one clause that says why.

    ``low`` and ``high`` need not lie symmetrically. One of them may be missing: then ``value`` is itself a bound
    (``low`` = value, no ``high``: at least; ``high`` = value, no ``low``: at most) and ``refusal`` says why it is no more.
    """

    value: float | None
    std: float | None
    low: float | None
    high: float | None
    refusal: str = ""

    @classmethod
    def normal(cls, value: float, std: float) -> Self:
        """A value with a known standard deviation: the interval is ± 1.96 σ."""
        return cls(value, std, value - NORMAL_95 * std, value + NORMAL_95 * std)

    @classmethod
    def student(cls, value: float, std: float, freedom: float) -> Self:
        """A value whose standard deviation was estimated with ``freedom`` degrees of freedom: the interval takes Student's t."""
        from scipy.special import stdtrit  # noqa: PLC0415 - the import costs what a query should not wait for

        half = float(stdtrit(freedom, 0.975)) * std
        return cls(value, std, value - half, value + half)

    @classmethod
    def lognormal(cls, value: float, relative_std: float) -> Self:
        """A positive value whose logarithm has the standard deviation ``relative_std``."""
        factor = math.exp(NORMAL_95 * relative_std)
        return cls(value, value * relative_std, value / factor, value * factor)

    @classmethod
    def exact(cls, value: float) -> Self:
        """A value that is known without error: a count."""
        return cls(value, 0.0, value, value)

    @classmethod
    def at_least(cls, value: float, reason: str) -> Self:
        """A lower bound: what was counted until ``reason`` ended the count."""
        return cls(value, None, value, None, reason)

    @classmethod
    def refused(cls, reason: str) -> Self:
        """No number, for ``reason``."""
        return cls(None, None, None, None, reason)

    def scaled(self, factor: float) -> Self:
        """A multiple of it: its error and its ends with it, exchanged by a negative one."""
        if self.value is None:
            return self
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        ends = (low, high) if factor >= 0 else (high, low)
        return replace(
            self, value=factor * self.value, std=None if self.std is None else abs(factor) * self.std, low=ends[0], high=ends[1]
        )
