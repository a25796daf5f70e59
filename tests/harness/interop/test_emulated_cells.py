"""Efficiencies of emulated cells against their truth, on few cells; ``python -m tests.studies efficiency`` does it on many."""

from __future__ import annotations

import math

import pytest

from harness.model.run import Geometry
from tests.studies import study_efficiency as study
from tests.studies.generated import generated

SEEDS = 12


@pytest.mark.parametrize("cell", ["Li||Cu, bare_fec", "full cell, CCCV"])
@pytest.mark.parametrize("instrument", list(study.INSTRUMENTS))
def test_efficiencies_of_emulated_cells_scatter_as_their_std_says(cell: str, instrument: str) -> None:
    """Twelve instruments drawn from one accuracy: errors over σ have a mean square near 1, and none is far out."""
    geometry = Geometry(study.CELLS[cell][0]["geometry"])
    scenario, known = study.scenario(cell, instrument), study.INSTRUMENTS[instrument]
    found = [study.deviation(known, geometry, made)[0] for seed in range(1, SEEDS + 1) for made in generated(scenario, seed)]
    assert len(found) == SEEDS
    assert 0.5 < math.sqrt(sum(off**2 for off in found) / SEEDS) < 1.5
    assert max(map(abs, found)) < 3.5
