"""Numbers as people write them: rounded to their error, with a unit, or the reason why there is none. Computes nothing."""

from __future__ import annotations

import math
import re

from harness.analysis.estimate import Estimate

NONE = "–"


def with_error(value: float | None, std: float | None, unit: str = "", scale: float = 1.0) -> str:
    """``97.29 ± 0.03 %``: both to the second digit of the error, one digit where the error begins with 3 or more."""
    if value is None or not math.isfinite(value):
        return NONE
    if std is None or not std > 0.0:
        return _joined(f"{value * scale:.4g}", unit)
    places = decimals(std * scale)
    return _joined(f"{value * scale:.{places}f} ± {std * scale:.{places}f}", unit)


def decimals(std: float) -> int:
    """How many decimals an error of this size leaves meaningful."""
    first = math.floor(math.log10(abs(std)))
    digits = 2 if abs(std) / 10.0**first < 3.0 else 1
    return max(0, digits - 1 - first)


def estimate_text(estimate: Estimate, unit: str = "", scale: float = 1.0) -> str:
    """An estimate as text: with its error, as a bound, or a dash."""
    if estimate.value is None:
        return NONE
    if estimate.high is None and estimate.low is not None:
        return "≥ " + with_error(estimate.low, None, unit, scale)
    if estimate.low is None and estimate.high is not None:
        return "≤ " + with_error(estimate.high, None, unit, scale)
    return with_error(estimate.value, estimate.std, unit, scale)


def interval_text(estimate: Estimate, unit: str = "", scale: float = 1.0) -> str:
    """Its 95 % interval in words, or why it is a bound or missing."""
    if estimate.refusal:
        return estimate.refusal
    if estimate.low is None or estimate.high is None or not estimate.std:
        return ""
    places = decimals(estimate.std * scale)
    return "95 %: " + _joined(f"{estimate.low * scale:.{places}f} … {estimate.high * scale:.{places}f}", unit)


def _joined(number: str, unit: str) -> str:
    text = re.sub(r"(?<![\d.e])-(?=\d)", "−", number)
    return f"{text} {unit}" if unit else text
