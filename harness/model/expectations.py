"""What a staged experiment is expected to show, written beside its events, and whether it did. Pure.

The emulator's scenario carries the expectations and writes them into the truth; whoever compares truth and record gathers the
`Facts` and asks `unmet`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from harness.model.written import Written

Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]


class Expectations(Written):
    """Bounds and lists; what is absent is not expected.

    ``records_lost`` and ``duplicate_points`` are the most that may be; ``ce_abs_error_max`` bounds |CE − truth| of every cycle
    that has a CE; ``soft_short_flagged`` are the channels whose cycles must carry a flag of a short, and no others may;
    ``alarms`` the channels that must have raised an alarm, and no others may; ``completed`` the channels whose runs must
    have reached the end of their schedule; ``incidents`` kinds that must be found at least once on a channel.
    """

    records_lost: Count | None = None
    duplicate_points: Count | None = None
    ce_abs_error_max: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    soft_short_flagged: tuple[Name, ...] | None = None
    alarms: tuple[Name, ...] | None = None
    completed: tuple[Name, ...] | None = None
    incidents: Annotated[dict[Name, tuple[str, ...]], Field(default_factory=dict)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. Channels by name; ``ce_abs_error`` is the largest of each channel, of cycles that carry no flag."""

    records_lost: int = 0
    duplicate_points: int = 0
    ce_abs_error: Mapping[str, float] = field(default_factory=dict)
    soft_short_flagged: frozenset[str] = frozenset()
    alarms: frozenset[str] = frozenset()
    completed: frozenset[str] = frozenset()
    incidents: Mapping[str, frozenset[str]] = field(default_factory=dict)


def unmet(expected: Expectations, facts: Facts) -> tuple[str, ...]:
    """One sentence for each expectation that was not met, in the order of the fields."""
    found = [
        *_at_most("records_lost", expected.records_lost, facts.records_lost),
        *_at_most("duplicate_points", expected.duplicate_points, facts.duplicate_points),
    ]
    if expected.ce_abs_error_max is not None:
        found += [
            f"ce_abs_error_max: {channel} is off by {error:.2g}, more than {expected.ce_abs_error_max:g}"
            for channel, error in sorted(facts.ce_abs_error.items())
            if not error <= expected.ce_abs_error_max
        ]
    found += _exactly("soft_short_flagged", expected.soft_short_flagged, facts.soft_short_flagged)
    found += _exactly("alarms", expected.alarms, facts.alarms)
    found += [f"completed: {name} was not" for name in expected.completed or () if name not in facts.completed]
    for channel, kinds in expected.incidents.items():
        missing = sorted(set(kinds) - facts.incidents.get(channel, frozenset()))
        found += [f"incidents: {channel} has no {kind}" for kind in missing]
    return tuple(found)


def _at_most(name: str, limit: int | None, found: int) -> list[str]:
    return [] if limit is None or found <= limit else [f"{name}: {found}, more than {limit}"]


def _exactly(name: str, wanted: Sequence[str] | None, found: frozenset[str]) -> list[str]:
    if wanted is None:
        return []
    missing, extra = sorted(set(wanted) - found), sorted(found - set(wanted))
    return [f"{name}: {channel} was not" for channel in missing] + [f"{name}: {channel} was, unexpectedly" for channel in extra]
