"""What the error of a row is made of: the parts an instrument has come back from the rows it gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.row_errors import row_errors
from tests.measured_rows import Instrument, measured_rows

KIND = Instrument(offset_ampere=1e-7, gain=1e-3, random_coulomb=1e-3)


@pytest.mark.parametrize("hours", [(1.0, 0.9), (1.0, 1.0), (1.0, 4.9)])
def test_offset_gain_and_random_charge_come_back(hours: tuple[float, float]) -> None:
    """At equal currents each half has its own: σ_o t, the random charge, and the gain; to 1e-9. A reservoir's last row too."""
    hour = np.array(hours)
    errors = row_errors(measured_rows([1e-3 * hour[0]], [1e-3 * hour[1]], instrument=KIND))
    assert [errors.deposit_offset[0], errors.removal_offset[0]] == pytest.approx(1e-7 * hour, rel=1e-9)
    assert errors.random[0] == pytest.approx(1e-3 / 3600, rel=1e-9)
    assert errors.gain[0] == pytest.approx(1e-3, rel=1e-9)


def test_what_a_row_does_not_tell_is_not_a_number() -> None:
    """No efficiency: what a half's own σ is made of is unknown, and only the whole is told."""
    [row] = measured_rows([1e-3], [0.9e-3], instrument=KIND)
    alone = replace(
        row, stripping_capacity_ah=None, stripping_capacity_ah_std=None, coulombic_efficiency=None, coulombic_efficiency_std=None,
        coulombic_efficiency_offset_std=None,
    )  # fmt: skip
    errors = row_errors([alone])
    assert np.isnan([errors.removal[0], errors.removal_std[0], errors.deposit_offset[0], errors.ratio_offset[0]]).all()
    assert np.isnan(errors.random[0])
    assert errors.deposit_std[0] == row.plating_capacity_ah_std
