"""Curves in bounded memory keep their ends, their extremes and their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.service.traces import Trace, decimated

values = st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=400)


@given(values, st.integers(2, 100))
def test_decimated_keeps_ends_and_extremes(found: list[float], points: int) -> None:
    """However few points are left, first, last, lowest and highest are among them, in order, and none is invented."""
    y = np.array(found)
    x = np.arange(len(y), dtype=np.int64)
    stamps, kept = decimated(x, y, points)
    assert (stamps[0], stamps[-1]) == (0, len(y) - 1)
    assert (kept.min(), kept.max()) == (y.min(), y.max())
    assert (np.diff(stamps) > 0).all()
    assert (kept == y[stamps]).all()
    assert len(stamps) <= max(points, 4) + 2


@given(st.lists(st.integers(0, 90), min_size=1, max_size=60))
def test_trace_is_bounded_and_keeps_the_newest_half_whole(pieces: list[int]) -> None:
    """Whatever the pieces it grows by, a trace is never longer than its capacity and its newest readings are all there."""
    trace, capacity, count = Trace(100), 100, 0
    for piece in pieces:
        stamps = np.arange(count, count + piece, dtype=np.int64)
        trace.extend(stamps, np.sin(stamps / 7.0))
        count += piece
        assert len(trace) <= capacity
    kept, _ = trace.since(None, 10_000)
    newest = min(count, 40)
    assert kept[len(kept) - newest :].tolist() == list(range(count - newest, count))
    assert trace.last_stamp() == (count - 1 if count else None)
    if count:
        assert kept[0] == 0


def test_trace_since_starts_at_the_stamp() -> None:
    """A window holds the readings from its stamp on."""
    trace = Trace()
    trace.extend(np.arange(0, 1000, 10, dtype=np.int64), np.zeros(100))
    stamps, _ = trace.since(905, 50)
    assert stamps.tolist() == list(range(910, 1000, 10))
