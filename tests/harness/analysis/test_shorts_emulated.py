"""Emulated shorts are found and sound cells are not accused: the study of shorts with few seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.studies.shorted import Short, cycled
from tests.studies.study_shorts import KINDS, Kind, scenario, shorted, sound


@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_the_current_for_a_tenth_of_the_half_cycle_is_found(kind: Kind, record_property: Callable[..., None]) -> None:
    """Two of two cells of each kind, each with its own preset, current, sampling and noise."""
    grades = [shorted(kind, seed, 0.2, 0.1).verdict.grade for seed in (101, 102)]
    record_property("grades", grades)
    assert all(grades)


@pytest.mark.parametrize(("kind", "seed", "share"), [("discharge", 102, 0.2), ("discharge", 115, 0.2), ("strip", 3, 0.2),
                                                     ("strip", 1, 0.8), ("charge", 9, 0.2), ("charge", 1, 0.4)])  # fmt: skip
def test_one_that_never_heals_is_found(kind: Kind, seed: int, share: float) -> None:
    """In a discharge by the charge that it took; a strip or a charge that it keeps from ending is judged by the usual length."""
    assert shorted(kind, seed, share, 0.1, heals=False).verdict.grade


def test_a_short_that_takes_next_to_nothing_is_not_found() -> None:
    """The same cells with a hundredth of the current: what is found above is the short."""
    assert not any(shorted("strip", seed, 0.01, 0.1).verdict.grade for seed in (101, 102, 103))


@pytest.mark.parametrize(
    ("geometry", "preset", "seed"),
    [("deposit", "bare_lp30", 104), ("deposit", "bare_lp30", 5006), ("symmetric", "bare_fec", 104), ("full", "zero_excess", 104)],
)
def test_sound_cells_are_not_accused(geometry: str, preset: str, seed: int) -> None:
    """Eight cycles from forming on; one nucleates within a few readings, and the full cell has little lithium."""
    halves = sound(geometry, preset, seed, 8)
    assert len(halves) >= 16
    assert [(one.cycle, one.verdict) for one in halves if one.verdict.grade] == []


def test_the_short_takes_the_stated_share_of_the_current() -> None:
    """At its onset by choice, and nearly so until it heals: charge through it over the charge that flowed meanwhile."""
    made = scenario("symmetric", "bare_fec", 5, 1)
    samples, none = cycled(made, 5)
    plating = samples.filter(samples["role"] == "plate")
    lasts = float(plating["step_time_second"][-1])
    _, leaked = cycled(made, 5, Short(1, 0.5 * lasts, 0.7 * lasts, 0.4))
    assert none == 0.0
    assert abs(leaked) == pytest.approx(0.4 * 0.2 * lasts * abs(float(plating["current_ampere"].median())), rel=0.05)  # type: ignore[arg-type]
