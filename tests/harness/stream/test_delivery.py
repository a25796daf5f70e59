"""Joining ranges and moving the cursor, against a plain set."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stream.codec import BATCH_LINES, Batch
from harness.stream.delivery import Flight, Ranges, RunDelivery

PAIR = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(PAIR, max_size=30), st.integers(-1, 70))
def test_ranges_are_a_set(pairs: list[tuple[int, int]], forgotten: int) -> None:
    """Whatever is added in whatever order, the ranges answer as the set of its numbers does, and are as few as can be."""
    ranges, model = Ranges(), set[int]()
    for first, last in pairs:
        ranges.add(first, last)
        model |= set(range(first, last + 1))
    for first in range(80):
        through = first - 1
        while through + 1 in model:
            through += 1
        assert ranges.through(first) == through
        for last in range(first, first + 6):
            assert ranges.covers(first, last) == (set(range(first, last + 1)) <= model)
    assert len(ranges) == sum(number - 1 not in model for number in model)
    ranges.forget(forgotten)
    assert all(ranges.covers(number, number) for number in model if number > forgotten)


def test_an_empty_range_adds_nothing() -> None:
    """A range that ends before it begins is none."""
    ranges = Ranges()
    ranges.add(5, 4)
    assert len(ranges) == 0


def batch(first: int, last: int) -> Batch:
    return Batch("r", first, last, ())


def send(run: RunDelivery, last_seq: int, lines: int = 3, now: float = 0.0) -> Flight | None:
    """Send the next batch of a journal without holes."""
    wanted = run.wanted(last_seq)
    if wanted is None:
        return None
    through = min(wanted[1], wanted[0] + lines - 1)
    return run.depart(wanted[0], through, batch(wanted[0], through), quiet=frozenset(), now=now)


class World:
    """A run's delivery, what the store has of it, and what was ever sent."""

    def __init__(self, data: st.DataObject, last_seq: int, delivered: int) -> None:
        self.data = data
        self.last_seq = last_seq
        self.run = RunDelivery("r", delivered)
        self.stored = set(range(delivered + 1))
        self.sent: list[Flight] = []

    def send(self, now: int) -> None:
        flight = send(self.run, self.last_seq, self.data.draw(st.integers(1, 5)), float(now))
        self.sent += [flight] if flight is not None else []

    def answer(self, event: str) -> None:
        """Something happens to a batch that was once sent: an answer is only given for what is stored."""
        flight = self.data.draw(st.sampled_from(self.sent))
        lines = range(flight.line_first, flight.line_last + 1)
        if event == "fail":
            self.run.fail(flight)
        elif event == "store":
            self.stored |= set(lines)
        else:
            first = lines.start if event == "whole" else self.data.draw(st.sampled_from(lines))
            if set(range(first, lines.stop)) <= self.stored:
                self.run.acknowledge(first, lines[-1])

    def happen(self, event: str, now: int) -> None:
        if event == "send":
            self.send(now)
        elif event == "expire":
            self.run.expire(now - self.data.draw(st.floats(0, 5)))
        elif event == "stray":
            self.run.acknowledge(self.last_seq + 1, self.last_seq + 50)
        elif self.sent:
            self.answer(event)


EVENTS = ["send", "store", "whole", "part", "fail", "expire", "stray"]


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(0, 40), st.integers(-1, 10))
def test_the_cursor_moves_only_over_what_is_stored(data: st.DataObject, last_seq: int, delivered: int) -> None:
    """Answers may be lost, late, repeated, in pieces and out of order: the cursor never passes what is not stored, never
    falls, and reaches the end once answers come.
    """
    world = World(data, last_seq, min(delivered, last_seq))
    run = world.run
    before = run.confirmed
    for now, event in enumerate(data.draw(st.lists(st.sampled_from(EVENTS), max_size=40))):
        world.happen(event, now)
        assert set(range(run.confirmed + 1)) <= world.stored
        assert before <= run.confirmed <= run.sent <= last_seq
        before = run.confirmed
    run.expire(1e9)
    while (flight := send(run, last_seq)) is not None:
        run.acknowledge(flight.line_first, flight.line_last)
    assert run.confirmed == last_seq
    assert run.in_flight == 0
    assert run.oldest_sent_at is None


def test_a_flight_settles_the_numbers_that_are_missing_around_its_lines() -> None:
    """Derived rows that were superseded leave holes: they are confirmed with the lines beside them."""
    run = RunDelivery("r", -1)
    run.depart(0, 20, batch(4, 17), quiet=frozenset(), now=0.0)
    run.acknowledge(5, 17)
    assert run.confirmed == -1
    run.acknowledge(4, 17)
    assert run.confirmed == 20
    run.settle(21, 30)
    assert run.confirmed == 30


def test_what_is_unanswered_is_wanted_again_before_anything_new() -> None:
    """An expired batch comes first, with exactly its own numbers, and may be sent in smaller pieces."""
    run = RunDelivery("r", -1)
    run.depart(0, 9, batch(0, 9), quiet=frozenset(), now=0.0)
    run.depart(10, 19, batch(10, 19), quiet=frozenset(), now=5.0)
    run.expire(0.0)
    assert (run.in_flight, run.oldest_sent_at) == (1, 5.0)
    assert run.wanted(1000) == (0, 9)
    run.depart(0, 3, batch(0, 3), quiet=frozenset(), now=6.0)
    assert run.wanted(1000) == (4, 9)
    run.acknowledge(0, 9)
    assert run.confirmed == 9
    assert run.wanted(1000) == (20, 20 + BATCH_LINES - 1)


def test_a_refusal_is_news_once_and_an_incidents_never() -> None:
    """A refused line counts as delivered; it is reported at the first answer only, and not at all where that is unwanted."""
    run = RunDelivery("r", -1)
    run.depart(0, 9, batch(0, 9), quiet=frozenset({4}), now=0.0)
    run.depart(10, 19, batch(10, 19), quiet=frozenset(), now=0.0)
    assert run.acknowledge(10, 19, [12, 15]) == (12, 15)
    assert run.acknowledge(10, 19, [12, 15]) == ()
    assert run.acknowledge(0, 9, [3, 4, 12]) == (3,)
    assert run.confirmed == 19
