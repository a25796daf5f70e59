"""Charges of many steps at once: what one step at a time gives, whatever the columns hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.analysis import integrals
from harness.analysis.charge import charges_of, columns_of, step_charge, total_charge
from harness.analysis.integrals import Array, CurrentKind, Edges, Ranges, integrate, longest_regular
from harness.analysis.spread import MOST_ROWS, Spread, medians_by_step

STEPS = st.lists(
    st.lists(
        st.tuples(st.floats(-1.0, 300.0), st.sampled_from([math.nan, 1e-3, 0.0]) | st.floats(-1e-2, 1e-2), st.integers(0, 2)),
        min_size=1, max_size=14,
    ),
    min_size=1, max_size=6,
)  # fmt: skip
KNOWN = st.sampled_from([math.nan, 0.0, 5.0])


@settings(max_examples=300)
@given(STEPS, st.sampled_from(CurrentKind), KNOWN, KNOWN)
def test_many_steps_have_the_charges_of_each(
    blocks: list[list[tuple[float, float, int]]], kind: CurrentKind, before: float, after: float
) -> None:
    """Rows of several steps in one array give what each step gives by itself: charge, time, σ, ranges and flags."""
    sizes = np.array([1e-3, 1e-2, math.nan])
    times = [np.cumsum([row[0] for row in block]) for block in blocks]
    currents = [np.array([row[1] for row in block]) for block in blocks]
    places = [np.array([row[2] for row in block], dtype=np.int64) for block in blocks]
    starts = np.cumsum([0, *(len(block) for block in blocks[:-1])])
    reach = np.array([time[0] - before for time in times]), np.array([time[-1] + after for time in times])
    edges = Edges(*reach, np.full(len(blocks), 2.0), 1.0)
    ranges = Ranges(np.concatenate(places), sizes)
    found = charges_of(integrate(np.concatenate(times), np.concatenate(currents), starts, edges, kind=kind, ranges=ranges))
    for place, (time, current, own) in enumerate(zip(times, currents, places, strict=True)):
        start, end = float(edges.start_second[place]), float(edges.end_second[place])
        alone = step_charge(
            time, current, kind=kind, range_ampere=sizes[own], time_resolution_second=1.0, unknown_edge_second=2.0,
            start_second=None if math.isnan(start) else start, end_second=None if math.isnan(end) else end,
        )  # fmt: skip
        assert found[place].charge_coulomb == pytest.approx(alone.charge_coulomb, rel=1e-12, abs=1e-15)
        assert found[place].duration_second == pytest.approx(alone.duration_second, rel=1e-12, abs=1e-12)
        assert found[place].random_std_coulomb == pytest.approx(alone.random_std_coulomb, rel=1e-9, abs=1e-15)
        assert found[place].flags == alone.flags
        held = {part.range_ampere: part.duration_second for part in found[place].parts if part.duration_second > 0}
        assert held == {
            part.range_ampere: pytest.approx(part.duration_second) for part in alone.parts if part.duration_second > 0
        }


def test_blocks_of_rows_do_not_show_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are looked at together, every charge is the same to the last bit."""
    generator = np.random.default_rng(2)
    time, current = np.cumsum(generator.random(5000)), generator.normal(size=5000)
    starts = np.concatenate(([0], np.sort(generator.choice(np.arange(1, 5000), 40, replace=False))))
    edges = Edges(np.full(41, math.nan), np.full(41, math.nan), np.zeros(41))
    whole = integrate(time, current, starts, edges)
    monkeypatch.setattr(integrals, "ROWS_AT_ONCE", 300)
    parts = integrate(time, current, starts, edges)
    assert np.array_equal(whole.coulomb, parts.coulomb)
    assert np.array_equal(whole.random_std_coulomb, parts.random_std_coulomb)


def test_joined_charges_are_the_total_of_their_steps() -> None:
    """Columns join as objects do: charges and times by range, random errors in squares, flags together."""
    time = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 11.0])
    current = np.array([1.0, 2.0, 3.0, -1.0, -1.0, -1.0])
    each = [step_charge(time[part], current[part], range_ampere=size) for part, size in ((slice(3), 1e-3), (slice(3, 6), 1e-2))]
    joined = charges_of(columns_of(each).joined(np.array([0])))[0]
    total = total_charge(each)
    assert joined.charge_coulomb == pytest.approx(total.charge_coulomb, rel=1e-12)
    assert joined.parts == total.parts
    assert joined.flags == total.flags


@given(st.lists(st.integers(0, 3 * MOST_ROWS), min_size=1, max_size=12))
def test_medians_by_step_are_those_of_evenly_spread_rows(lengths: list[int]) -> None:
    """Exact for short steps, NaN for empty ones, and of long ones that of every second or third row."""
    values: Array = np.random.default_rng(0).normal(size=sum(lengths) + 1)
    first: NDArray[np.int64] = np.cumsum([0, *lengths[:-1]])
    found = medians_by_step(Spread(first, first + lengths), lambda rows: values[rows])
    for begin, length, median in zip(first.tolist(), lengths, found.tolist(), strict=True):
        own = values[begin : begin + length : max(1, -(-length // MOST_ROWS))]
        assert math.isnan(median) if length == 0 else median == pytest.approx(float(np.median(own)), rel=1e-12)


@pytest.mark.parametrize(
    ("interval", "limit"), [([1.0] * 50, 60.0), ([10.0] * 50, 100.0), ([300.0] * 20, 3000.0), ([5.0], math.inf), ([], math.inf)]
)
def test_hole_is_longer_than_ten_regular_intervals_and_a_minute(interval: list[float], limit: float) -> None:
    """max(10 × the median, 60 s); where there is no regularity there is no hole."""
    assert longest_regular(np.array(interval)) == limit
