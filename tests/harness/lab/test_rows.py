"""What follows from a cell's stored rows without a store."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from harness.lab.rows import last_asymmetry
from harness.model.derived import HalfCycleRow
from tests.cohort_station import half_cycle


def half(count: int, role: str, plateau: float | None) -> HalfCycleRow:
    current = -1e-3 if role == "plate" else 1e-3
    std = None if plateau is None else 1e-3
    row = half_cycle("li-0", count, role)
    return replace(row, current_ampere=current, plateau_overpotential_volt=plateau, plateau_overpotential_volt_std=std)


def test_the_asymmetry_is_that_of_the_last_whole_pair() -> None:
    """2 (η − η') / (η + η') of the deposit and the removal of one cycle, in whatever order; a deposit alone is no pair."""
    rows = [half(1, "plate", 0.05), half(1, "strip", 0.05), half(2, "strip", 0.04), half(2, "plate", 0.06), half(3, "plate", 0.9)]
    found = last_asymmetry(pl.DataFrame(rows))
    assert found is not None
    assert found[0] == 2
    assert found[1].value == pytest.approx(0.4)
    assert found[1].std == pytest.approx(4 * 1e-3 * (0.04**2 + 0.06**2) ** 0.5 / 0.1**2)
    assert last_asymmetry(pl.DataFrame(rows[-1:])) is None


def test_without_a_plateau_an_earlier_cycle_speaks() -> None:
    """A full cell's overpotentials are unknown; one missing plateau hides its own cycle only."""
    without = [half(2, "plate", None), half(2, "strip", 0.05)]
    assert last_asymmetry(pl.DataFrame(without)) is None
    found = last_asymmetry(pl.DataFrame([half(1, "plate", 0.06), half(1, "strip", 0.04), *without]))
    assert found is not None
    assert found[0] == 1
