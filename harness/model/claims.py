"""The twenty claims, decided for a build: *meets*, *does not*, or *cannot tell*, each with the reason in one sentence.

This is a data model of the claims' wording, not legal advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.anode import AnodeBuild

CLAIMS = tuple(range(1, 21))


class Verdict(StrEnum):
    """What can be said of a build and a claim."""

    MEETS = "meets"
    DOES_NOT = "does_not"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and why, in one sentence naming layer and field."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """What is found for one claim. ``broad`` is there where the wording allows two readings; ``strict`` counts otherwise."""

    claim: int
    strict: Finding
    broad: Finding | None = None


def assess(build: AnodeBuild) -> tuple[ClaimFinding, ...]:
    """The findings for all twenty claims, in order."""
    raise NotImplementedError
