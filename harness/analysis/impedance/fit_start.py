"""Where the fit of a run's next spectrum begins, as text: what a stopped process must know to go on as one that never stopped.

Of the spectrum before, `family` uses the circuits of its members, where each one's fit ended, and how good it was. All is written
to the last bit, so that a run's fits are the same however often it was taken up again between them.
"""

from __future__ import annotations

import json

import numpy as np

from harness.analysis.impedance.family import Family, Member, member_circuits
from harness.analysis.impedance.minimum import Minimum
from harness.errors import AnalysisError

_NOTHING = np.empty(0)


def start_text(found: Family) -> str:
    """One line of JSON."""
    members = [[one.circuit.name, one.minimum.place.tolist(), one.squares, one.penalty] for one in found.members]
    return json.dumps([found.rms, found.slowest_second, members])


def start_from(text: str) -> Family:
    """What `start_text` wrote; its members have no residuals.

    Raises:
        AnalysisError: it is other text.
    """
    circuits = member_circuits()
    try:
        rms, slowest_second, members = json.loads(text)
        found = [
            Member(circuits[name], _ended_at(np.array(place, dtype=np.float64)), float(squares), float(penalty))
            for name, place, squares, penalty in members
        ]
        return Family(tuple(found), float(rms), float(slowest_second))
    except (ValueError, TypeError, KeyError) as error:
        raise AnalysisError(f"this is not where a fit ended ({error!r}): {text[:80]!r}") from None


def _ended_at(place: np.ndarray) -> Minimum:
    return Minimum(place, _NOTHING, _NOTHING, np.zeros(place.size, dtype=np.bool_), converged=True, steps=0)
