"""Kleene's strong three-valued logic: true, false, or not known (``None``).

What is not known never becomes known by being combined, except where it cannot matter: false decides a conjunction and true a
disjunction, whatever the rest is. So a verdict that was reached stays when a gap elsewhere is filled, and filling a gap never
turns true into false.
"""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None
"""True, false, or not known."""

_DECIMAL_SLACK = 1e-9
"""Limits are compared as the decimals people write: 0.7 − 2 × 0.1 is not below 0.5."""


def all_of(truths: Iterable[Truth]) -> Truth:
    """The conjunction: false if any is false, else not known if any is not known. Of nothing: true."""
    seen = set(truths)
    return False if False in seen else None if None in seen else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """The disjunction: true if any is true, else not known if any is not known. Of nothing: false."""
    seen = set(truths)
    return True if True in seen else None if None in seen else False


def negated(truth: Truth) -> Truth:
    """The negation; what is not known stays so."""
    return None if truth is None else not truth


def lies_within(value: float | None, std: float | None, low: float, high: float) -> Truth:
    """Whether ``value`` ± 2 ``std`` lies within ``low`` to ``high``, both included.

    True if the whole interval lies inside, false if it lies outside, not known if it straddles a limit. An unknown ``std`` may be
    of any size, so it is never known then.
    """
    if value is None or std is None:
        return None
    bottom, top = value - 2 * std, value + 2 * std
    slack_low, slack_high = low * (1 - _DECIMAL_SLACK), high * (1 + _DECIMAL_SLACK)
    if top < slack_low or bottom > slack_high:
        return False
    return True if bottom >= slack_low and top <= slack_high else None
