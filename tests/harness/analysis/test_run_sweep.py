"""A sweep as a row: believed or not, and what its fit says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.run_sweep import method_version, sweep_row
from harness.model.records import ImpedancePoint
from tests.run_writer import RunWriter

AREA_CM2 = 1.27


@pytest.fixture
def points() -> list[ImpedancePoint]:
    """One arc of 60 Ω behind 5 Ω."""
    writer = RunWriter("cu-01")
    writer.sweep(3, 60.0)
    return [record for record in writer.records if isinstance(record, ImpedancePoint)]


def scattered(points: Sequence[ImpedancePoint], share: float) -> list[ImpedancePoint]:
    """The same points with noise of a share of |Z|."""
    noise = np.random.default_rng(1).normal(0.0, share, (len(points), 2))
    size = [abs(complex(point.real_impedance_ohm, point.imaginary_impedance_ohm)) for point in points]
    return [
        replace(point, real_impedance_ohm=point.real_impedance_ohm + size[index] * float(noise[index, 0]),
                imaginary_impedance_ohm=point.imaginary_impedance_ohm + size[index] * float(noise[index, 1]))
        for index, point in enumerate(points)
    ]  # fmt: skip


def test_sweep_is_judged_and_fitted(points: list[ImpedancePoint]) -> None:
    """Resistances with their errors, per area too, the circuit with its parameters, and the test of Kramers and Kronig."""
    row, start = sweep_row(points, AREA_CM2)
    assert row.series_resistance_ohm == pytest.approx(5.0, rel=1e-3)
    assert row.interface_resistance_ohm == pytest.approx(60.0, rel=1e-3)
    assert row.total_resistance_ohm == pytest.approx(65.0, rel=1e-3)
    assert row.area_specific_resistance_ohm_cm2 == pytest.approx(60.0 * AREA_CM2, rel=1e-3)
    assert row.area_specific_resistance_ohm_cm2_std == pytest.approx((row.interface_resistance_ohm_std or 0.0) * AREA_CM2)
    assert (row.verdict, row.verdict_reason, row.flags) == ("good", "", "")
    assert row.kramers_kronig_rms_1 is not None
    assert row.kramers_kronig_rms_1 < 1e-3
    assert (row.cycle_count, row.sweep_count, row.unix_time_nanosecond) == (3, 1, points[0].unix_time_nanosecond)
    parameters = json.loads(row.parameters)
    assert parameters["R0"][0] == pytest.approx(5.0, rel=1e-2)
    assert all(len(one) == 3 and isinstance(one[2], bool) for one in parameters.values())
    assert row.circuit.startswith("L0-R0")
    assert start is not None
    assert (start.sweep_count, start.method_version) == (1, row.method_version) == (1, method_version())


def test_two_interfaces_share_a_resistance(points: list[ImpedancePoint]) -> None:
    """Per area it is that of one of them; the cell's own stays what it is."""
    (alone, _), (shared, _) = sweep_row(points, AREA_CM2), sweep_row(points, AREA_CM2, interfaces=2)
    halves = (shared.area_specific_resistance_ohm_cm2 or 0.0, shared.area_specific_resistance_ohm_cm2_std or 0.0)
    assert (2 * halves[0], 2 * halves[1]) == (alone.area_specific_resistance_ohm_cm2, alone.area_specific_resistance_ohm_cm2_std)
    assert shared.interface_resistance_ohm == alone.interface_resistance_ohm


def test_sweep_that_is_refused_has_no_resistance(points: list[ImpedancePoint]) -> None:
    """A verdict and its reason, no number of a fit, and the next fit begins where the last one ended."""
    _, start = sweep_row(points, AREA_CM2)
    row, after = sweep_row(scattered(points, 0.08), AREA_CM2, start)
    assert row.verdict == "refused"
    assert "Kramers–Kronig leaves" in row.verdict_reason
    assert row.kramers_kronig_rms_1 is not None
    assert row.kramers_kronig_rms_1 > 0.02
    fitted = (row.series_resistance_ohm, row.interface_resistance_ohm, row.area_specific_resistance_ohm_cm2, row.residual_rms)
    assert fitted == (None,) * 4
    assert (row.flags, row.circuit, row.parameters) == ("not_fitted", "", "")
    assert after == start


def test_sweep_that_is_suspect_keeps_its_numbers(points: list[ImpedancePoint]) -> None:
    """It stands in the tables with the reason for the doubt."""
    row, _ = sweep_row(scattered(points, 0.006), AREA_CM2)
    assert row.verdict == "suspect"
    assert row.verdict_reason != ""
    assert row.interface_resistance_ohm == pytest.approx(60.0, rel=0.03)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_sweep_of_few_points_is_refused(points: list[ImpedancePoint], count: int) -> None:
    """One reason, and no number."""
    row, start = sweep_row(points[:count], AREA_CM2)
    assert (row.verdict, row.flags, start) == ("refused", "not_fitted", None)
    assert row.verdict_reason != ""


def test_flags_of_the_points_stay_with_the_sweep(points: list[ImpedancePoint]) -> None:
    """What the instrument said of one point is said of its sweep."""
    row, _ = sweep_row([replace(points[0], flags="overload"), *points[1:]], AREA_CM2)
    assert row.flags == "overload"
