"""Sand's time: textbook values, ratios with their scatter, and the onset of a runaway."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.estimate import Estimate
from harness.analysis.sand import FARADAY, Electrolyte, depletion_onset, sand_time
from harness.errors import AnalysisError

EXACT = Electrolyte(Estimate.exact(2.5e-6), Estimate.exact(1.0), Estimate.exact(0.35))


@pytest.mark.parametrize(("density", "second", "capacity"), [(1.0, 43264.0, 12.0), (5.0, 1731.0, 2.40), (10.0, 433.0, 1.20)])
def test_textbook_values(density: float, second: float, capacity: float) -> None:
    """1 M, D = 2.5e-6 cm²/s, t₊ = 0.35 at 1, 5 and 10 mA/cm²."""
    found = sand_time(EXACT, Estimate.exact(density), 3600.0)
    assert found.sand_time_second.value == pytest.approx(second, abs=0.5)
    assert found.sand_capacity_mah_per_cm2.value == pytest.approx(capacity, abs=0.02)
    assert found.time_ratio_1.value == pytest.approx((found.sand_time_second.value or 0.0) / 3600.0, rel=1e-12)


def test_the_limiting_current_is_two_z_f_d_c_over_t_l() -> None:
    """25 µm of free liquid carry 297 mA/cm²; a tenth of the current is a tenth of the ratio."""
    limiting = 1e3 * 2 * FARADAY * 2.5e-6 * 1e-3 / (0.65 * 25e-4)
    assert limiting == pytest.approx(297, abs=1)
    found = sand_time(EXACT, Estimate.exact(limiting / 10), 3600.0, Estimate.exact(25e-4))
    assert found.current_ratio_1.value == pytest.approx(0.1, rel=1e-9)


def test_std_is_the_scatter() -> None:
    """All four numbers against 200 000 draws of what they are made of, to 5 %."""
    generator = np.random.default_rng(1)
    values = {"d": (2.5e-6, 5e-8), "c": (1.0, 0.01), "t": (0.35, 0.02), "j": (5.0, 0.1), "l": (0.01, 2e-4)}
    drawn = {name: generator.normal(value, std, 200_000) for name, (value, std) in values.items()}
    d, c, t, j, l = (drawn[name] for name in "dctjl")  # noqa: E741 - the letters of the equations
    time = np.pi * d * (FARADAY * c * 1e-3 / (2e-3 * j * (1 - t))) ** 2
    ratio = j * 1e-3 * (1 - t) * l / (2 * FARADAY * d * c * 1e-3)
    stated = {name: Estimate.normal(*pair) for name, pair in values.items()}
    found = sand_time(Electrolyte(stated["d"], stated["c"], stated["t"]), stated["j"], 1800.0, stated["l"])
    for estimate, draws in (
        (found.sand_time_second, time),
        (found.time_ratio_1, time / 1800.0),
        (found.sand_capacity_mah_per_cm2, j * time / 3600),
        (found.current_ratio_1, ratio),
    ):
        assert estimate.std == pytest.approx(float(np.std(draws)), rel=0.05)


@pytest.mark.parametrize(
    ("density", "path", "statement"),
    [
        (1.0, Estimate.normal(25e-4, 1e-4), "below it the salt is never used up, and Sand's time does not apply"),
        (10.0, Estimate.normal(0.2, 0.01), "above it the salt is used up after Sand's time"),
        (10.0, Estimate.normal(0.0742, 0.004), "whether Sand's time applies cannot be told"),
        (1.0, None, "whether J is above it is not known: the path between the electrodes is not known"),
    ],
)
def test_what_the_ratio_allows_is_said(density: float, path: Estimate | None, statement: str) -> None:
    """Below, above, on the limiting current, and without a path."""
    assert sand_time(EXACT, Estimate.exact(density), 3600.0, path).statement.endswith(statement)


@pytest.mark.parametrize(
    ("electrolyte", "second", "sentence"),
    [
        (
            Electrolyte(Estimate.exact(0.0), Estimate.exact(1.0), Estimate.exact(0.3)),
            1.0,
            "the diffusion coefficient must be a positive",
        ),
        (
            Electrolyte(Estimate.exact(1e-6), Estimate.refused("no"), Estimate.exact(0.3)),
            1.0,
            "the concentration must be a positive",
        ),
        (Electrolyte(Estimate.exact(1e-6), Estimate.exact(1.0), Estimate.exact(1.0)), 1.0, "transference number of 1 was given"),
        (EXACT, 0.0, "a plating time of 0 s was given"),
    ],
)
def test_numbers_that_cannot_be_are_errors(electrolyte: Electrolyte, second: float, sentence: str) -> None:
    """Zero, missing, or a transference number of one."""
    with pytest.raises(AnalysisError, match=sentence):
        sand_time(electrolyte, Estimate.exact(1.0), second)


def test_the_onset_is_where_the_slope_is_five_times_the_plateaus() -> None:
    """η = 50 mV + b t + c (t − t₁)²: the slope is 5 b at t₁ + 2 b/c; found within a window, noise or not."""
    time = np.linspace(0.0, 3600.0, 1801)
    slope, bend, begin = 2e-6, 1e-7, 2400.0
    truth = begin + 2 * slope / bend
    eta = 0.05 + slope * time + bend * np.maximum(time - begin, 0.0) ** 2 + 0.1 * np.exp(-time / 40)
    clean = depletion_onset(time, eta)
    assert clean.value == pytest.approx(truth, abs=72.0)
    noisy = depletion_onset(time, eta + 2e-5 * np.random.default_rng(1).normal(size=time.size))
    assert noisy.value == pytest.approx(truth, abs=144.0)


def test_no_onset_is_a_refusal() -> None:
    """A flat plateau with noise over a hundred seeds, a steady rise, an overpotential below zero, too few readings."""
    time = np.linspace(0.0, 3600.0, 721)
    for seed in range(100):
        flat = 0.05 + 1e-4 * np.random.default_rng(seed).normal(size=time.size)
        assert depletion_onset(time, flat).value is None
    assert depletion_onset(time, 0.05 + 1e-5 * time).refusal == "dη/dt nowhere stays above 5 times its plateau value"
    assert depletion_onset(time, -0.5 + 1e-12 * time**3).value is None
    assert depletion_onset(time[:10], time[:10]).refusal == "10 readings were given; an onset needs 60"


def test_readings_out_of_order_are_an_error() -> None:
    """And so are lengths that differ."""
    time = np.linspace(0.0, 3600.0, 721)
    with pytest.raises(AnalysisError, match="time does not rise"):
        depletion_onset(time[::-1], time)
    with pytest.raises(AnalysisError, match="721 times and 720 overpotentials"):
        depletion_onset(time, time[:-1])
