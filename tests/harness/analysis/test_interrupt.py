"""Current interrupt: the line in √t gives back what made it, with its scatter; refusals where there is no line."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.charge import Array
from harness.analysis.interrupt import Interrupt, interrupts
from harness.errors import AnalysisError

RESISTANCE, COEFFICIENT = 15.0, 2.5


def record(interval: float = 0.1, current: float = 1e-3, pause: float = 10.0) -> tuple[Array, Array, Array]:
    """60 s of current, then a pause whose voltage relaxes with √t."""
    before, after = np.arange(-60.0, 1e-9, 1.0), np.arange(1, round(pause / interval) + 1) * interval
    time = np.concatenate((before, after))
    flowing = np.where(time <= 0, current, 0.0)
    relaxed = -current * (RESISTANCE + COEFFICIENT * np.sqrt(np.maximum(time, 0.0)))
    return time, 3.7 + np.where(time <= 0, 0.0, relaxed), flowing


def single(found: list[Interrupt]) -> Interrupt:
    [stop] = found
    return stop


@pytest.mark.parametrize("current", [1e-3, -1e-3])
def test_the_line_gives_back_what_made_it(current: float) -> None:
    """R and k to 1e-9, charging and discharging."""
    found = single(interrupts(*record(current=current)))
    assert found.stop_second == pytest.approx(0.0)
    assert found.current_ampere == pytest.approx(current)
    assert found.resistance_ohm.value == pytest.approx(RESISTANCE, rel=1e-9)
    assert found.diffusion_ohm_per_root_second.value == pytest.approx(COEFFICIENT, rel=1e-9)
    assert found.readings == 41


def test_fast_relaxation_before_the_window_does_not_matter() -> None:
    """What has decayed within a second is part of R."""
    time, voltage, current = record()
    fast = np.where(time > 0, 5.0 * 1e-3 * (np.exp(-np.maximum(time, 0.0) / 0.02) - 1), 0.0)
    found = single(interrupts(time, voltage + fast, current))
    assert found.resistance_ohm.value == pytest.approx(RESISTANCE + 5.0, rel=1e-9)
    assert found.diffusion_ohm_per_root_second.value == pytest.approx(COEFFICIENT, rel=1e-9)


def test_both_std_are_the_scatter() -> None:
    """Over 4000 noisy records, to 5 %; the 95 % interval holds the truth in 93 to 97 %."""
    generator = np.random.default_rng(7)
    time, voltage, current = record()
    found = [single(interrupts(time, voltage + 5e-5 * generator.normal(size=time.size), current)) for _ in range(4000)]
    for truth, estimates in (
        (RESISTANCE, [item.resistance_ohm for item in found]),
        (COEFFICIENT, [item.diffusion_ohm_per_root_second for item in found]),
    ):
        numbers = np.array([(item.value, item.std, item.low, item.high) for item in estimates], dtype=np.float64)
        assert np.mean(numbers[:, 1]) == pytest.approx(np.std(numbers[:, 0]), rel=0.05)
        assert np.mean((numbers[:, 2] <= truth) & (truth <= numbers[:, 3])) == pytest.approx(0.95, abs=0.02)


def test_a_stop_that_is_not_known_well_widens_both() -> None:
    """A current that is logged every second hides when a pause that is logged every 0.1 s began."""
    time, voltage, current = record()
    known = single(interrupts(time, voltage, current))
    early = np.flatnonzero(current != 0)[-1]
    kept = np.arange(time.size) != early
    hidden = single(interrupts(time[kept], voltage[kept], current[kept]))
    assert known.resistance_ohm.std == pytest.approx(0.0, abs=1e-9)
    assert hidden.stop_second == pytest.approx(0.05)
    assert hidden.resistance_ohm.std is not None
    assert 0.01 < hidden.resistance_ohm.std < 0.1
    assert hidden.resistance_ohm.value == pytest.approx(RESISTANCE, abs=3 * hidden.resistance_ohm.std)


@pytest.mark.parametrize(
    ("interval", "pause", "reason"),
    [
        (0.1, 3.0, "the current stopped for 3 s only; the line needs 5 s"),
        (1.5, 30.0, "2 readings lie in the window after the stop; a line with its error needs 4"),
    ],
)
def test_where_there_is_no_line_there_is_a_reason(interval: float, pause: float, reason: str) -> None:
    """A pause that is too short, or sampled too rarely."""
    found = single(interrupts(*record(interval, pause=pause)))
    assert found.resistance_ohm.value is None
    assert found.resistance_ohm.refusal == found.diffusion_ohm_per_root_second.refusal == reason


def test_every_stop_is_found_and_nothing_else() -> None:
    """Two pauses in one record; a change to a smaller current is none."""
    time, voltage, current = record()
    twice = tuple(np.concatenate((column, column + shift)) for column, shift in ((time, 100.0), (voltage, 0.0), (current, 0.0)))
    assert [stop.stop_second for stop in interrupts(*twice)] == pytest.approx([0.0, 100.0])
    assert interrupts(time, voltage, np.where(current > 0, current, 5e-4)) == []


@pytest.mark.parametrize("window", [(5.0, 1.0), (-1.0, 5.0)])
def test_a_window_that_is_none_is_an_error(window: tuple[float, float]) -> None:
    """It must begin at the stop or later, and end after it begins."""
    with pytest.raises(AnalysisError, match=r"the window of .* s is none"):
        interrupts(*record(), window_second=window)
