"""The study of lithium books with few cells: every interval holds the truth in most of them."""

from __future__ import annotations

import pytest

from tests.benchmarks.figure import Figure
from tests.studies import study_lithium


@pytest.mark.parametrize(
    ("part", "cells"),
    [(study_lithium.losses, 6), (study_lithium.reservoirs, 6), (study_lithium.own_knees, 6), (study_lithium.full_knees, 3)],
)
def test_intervals_hold_what_happened_to_emulated_cells(part: object, cells: int) -> None:
    """By chance alone an interval of 95 % misses half of six once in 460 times, two of three once in 140."""
    assert callable(part)
    figures: list[Figure] = part(cells)
    shares = [one.figure for one in figures if one.what.endswith("holds it")]
    assert shares
    assert min(shares) > 50.0
