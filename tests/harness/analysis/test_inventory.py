"""Inventory: the lithium that a thickness or a build stands for, and how surely."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.inventory import build_inventory, lithium_inventory
from harness.errors import AnalysisError
from harness.model.anode import AnodeBuild, load_build

MAH = 1e-3


@pytest.mark.parametrize(
    ("thickness", "area", "capacity"), [(1.0, 1.0, 0.20622), (2.0, 1.0, 0.41244), (100.0, 1.0, 20.622), (25.0, 1.267, 6.5320)]
)
def test_inventory_is_0_206_mah_per_cm2_and_um(thickness: float, area: float, capacity: float) -> None:
    """0.534 g/cm³ × 96485.33 C/mol / 6.94 g/mol."""
    found = lithium_inventory(thickness, 0.0, area)
    assert found.value == pytest.approx(capacity * MAH, rel=1e-4)
    assert found.value == pytest.approx(0.534 * 96485.33212 / 6.94 / 3600 * thickness * 1e-4 * area, rel=1e-12)


def test_inventory_std_agrees_with_drawn_foils() -> None:
    """5 % of thickness and 2 % of area, within 5 %."""
    noise = np.random.default_rng(12)
    drawn = (
        noise.normal(25.0, 1.25, 20_000) * noise.normal(1.267, 0.02534, 20_000) * (lithium_inventory(1.0, 0.0, 1.0).value or 0.0)
    )
    assert lithium_inventory(25.0, 1.25, 1.267, 0.02534).std == pytest.approx(float(drawn.std()), rel=0.05)


def test_a_build_says_what_can_cycle() -> None:
    """Thickness with its σ, less what tin takes up; refused where nobody knows."""
    bare = load_build("bare-foil")
    thickness = bare.active.thickness
    assert thickness is not None
    assert build_inventory(bare, 2.0).value == pytest.approx(lithium_inventory(thickness.value_um, 0.0, 2.0).value)
    tin = load_build("three-layers-tin")
    assert tin.active.thickness is not None
    whole = lithium_inventory(tin.active.thickness.value_um, 0.0, 1.0).value or 0.0
    assert 0 < (build_inventory(tin, 1.0).value or 0.0) < whole
    unknown = AnodeBuild(id="unknown", active={"origin": "foil"}, layers=None)
    assert "neither a thickness nor a capacity" in build_inventory(unknown, 1.0).refusal


def test_bad_input_is_one_clear_error_each() -> None:
    """No area, no thickness, negative errors."""
    for thickness, area in ((25.0, 0.0), (25.0, -1.0), (25.0, math.nan)):
        with pytest.raises(AnalysisError, match="an area must be positive"):
            lithium_inventory(thickness, 1.0, area)
    with pytest.raises(AnalysisError, match="a thickness of lithium must be positive"):
        lithium_inventory(0.0, 1.0, 1.0)
    with pytest.raises(AnalysisError, match="a standard deviation of thickness or area is negative"):
        lithium_inventory(25.0, -1.0, 1.0)
