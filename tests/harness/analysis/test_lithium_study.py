"""The study of lithium books with few cells: every interval holds the truth in most of them."""

from __future__ import annotations

import pytest

from tests.benchmarks.figure import Figure
from tests.studies import study_lithium


@pytest.mark.parametrize(
    "part", [study_lithium.losses, study_lithium.reservoirs, study_lithium.own_knees, study_lithium.full_knees]
)
def test_intervals_hold_what_happened_to_emulated_cells(part: object) -> None:
    """Six cells each: by chance alone an interval of 95 % misses three of six once in 460 times."""
    assert callable(part)
    figures: list[Figure] = part(6)
    shares = [one.figure for one in figures if one.what.endswith("holds it")]
    assert shares
    assert min(shares) > 50.0
