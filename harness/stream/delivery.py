"""How far a run has been delivered: what to send next, what is under way, what is confirmed. Pure: sends nothing, is told time.

A *flight* is a batch under way. It covers the numbers from the one after the flight before it, so that numbers missing in front
of its first line (superseded derived rows) are settled with it. Confirmed ranges may come in any order, twice, or in other pieces
than were sent; they are joined, and the cursor moves only over what is confirmed without a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.stream.codec import BATCH_LINES, Batch


class Ranges:
    """A set of integers as disjoint ranges, both ends included, rising."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """Add ``first`` … ``last``; nothing if that is empty."""
        if first > last:
            return
        before = [pair for pair in self._ranges if pair[1] < first - 1]
        after = [pair for pair in self._ranges if pair[0] > last + 1]
        touched = self._ranges[len(before) : len(self._ranges) - len(after)]
        joined = (min([first, *(pair[0] for pair in touched)]), max([last, *(pair[1] for pair in touched)]))
        self._ranges = [*before, joined, *after]

    def covers(self, first: int, last: int) -> bool:
        """Whether all of ``first`` … ``last`` is in the set."""
        return any(pair[0] <= first and last <= pair[1] for pair in self._ranges)

    def through(self, first: int) -> int:
        """The last number of the unbroken stretch that begins at ``first``; ``first - 1`` if ``first`` is not in the set."""
        return next((pair[1] for pair in self._ranges if pair[0] <= first <= pair[1]), first - 1)

    def forget(self, through: int) -> None:
        """Drop every range that ends at or before ``through``."""
        self._ranges = [pair for pair in self._ranges if pair[1] > through]

    def __len__(self) -> int:
        return len(self._ranges)


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch under way: ``line_first`` … ``line_last`` are its lines, ``first`` … ``last`` what they settle.

    ``quiet`` are the numbers whose refusal is not to be reported.
    """

    first: int
    line_first: int
    line_last: int
    last: int
    quiet: frozenset[int]
    sent_at: float


class RunDelivery:
    """One run's delivery, from the seq after ``delivered`` on."""

    def __init__(self, run_id: str, delivered: int) -> None:
        self.run_id = run_id
        self.confirmed = delivered
        self.sent = delivered
        self._known = Ranges()
        self._refused: set[int] = set()
        self._flights: dict[int, Flight] = {}
        self._again: dict[int, Flight] = {}

    @property
    def in_flight(self) -> int:
        """How many batches are under way."""
        return len(self._flights)

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest batch under way was sent; ``None`` if there is none."""
        return min((flight.sent_at for flight in self._flights.values()), default=None)

    def wanted(self, last_seq: int) -> tuple[int, int] | None:
        """The next numbers to send, both ends included: unanswered ones first, then new ones up to ``last_seq``."""
        if self._again:
            flight = self._again[min(self._again)]
            return flight.first, flight.last
        if self.sent < last_seq:
            return self.sent + 1, min(last_seq, self.sent + BATCH_LINES)
        return None

    def depart(self, first: int, last: int, batch: Batch, *, quiet: frozenset[int], now: float) -> Flight:
        """``batch`` is sent now, the first of the lines of ``first`` … ``last`` that were wanted; it settles up to ``last``."""
        flight = Flight(first, batch.first, batch.last, last, quiet, now)
        self._replace(first, last)
        self._flights[first] = flight
        return flight

    def settle(self, first: int, last: int) -> None:
        """There is nothing to deliver in ``first`` … ``last``."""
        self._replace(first, last)
        self._confirm(first, last)

    def fail(self, flight: Flight) -> None:
        """``flight`` did not reach the broker."""
        if self._flights.get(flight.first) is flight:
            del self._flights[flight.first]
            self._again[flight.first] = flight

    def expire(self, sent_before: float) -> None:
        """Whatever was sent before then and is unanswered is to be sent again."""
        for flight in [flight for flight in self._flights.values() if flight.sent_at <= sent_before]:
            self.fail(flight)

    def acknowledge(self, first: int, last: int, refused: Iterable[int] = ()) -> tuple[int, ...]:
        """The lines ``first`` … ``last`` are stored but for ``refused``; those refusals that are new and worth a report.

        What was never sent is ignored: it may be the answer to another journal.
        """
        news: list[int] = []
        turned_down = frozenset(refused)
        for flight in (*self._flights.values(), *self._again.values()):
            begin, end = max(first, flight.line_first), min(last, flight.line_last)
            if begin > end:
                continue
            fresh = {seq for seq in turned_down if begin <= seq <= end} - self._refused
            self._refused |= fresh
            news += sorted(fresh - flight.quiet)
            self._confirm(
                flight.first if begin == flight.line_first else begin,
                flight.last if end == flight.line_last else end,
            )
        return tuple(news)

    def _replace(self, first: int, last: int) -> None:
        """Take ``first`` … ``last`` from what is to be sent."""
        old = self._again.pop(first, None)
        if old is not None and last < old.last:
            line_first, line_last = max(old.line_first, last + 1), max(old.line_last, last + 1)
            self._again[last + 1] = Flight(last + 1, line_first, line_last, old.last, old.quiet, old.sent_at)
        self.sent = max(self.sent, last)

    def _confirm(self, first: int, last: int) -> None:
        self._known.add(first, last)
        self.confirmed = max(self.confirmed, self._known.through(self.confirmed + 1))
        self._known.forget(self.confirmed)
        self._refused = {seq for seq in self._refused if seq > self.confirmed}
        for waiting in (self._flights, self._again):
            for flight in list(waiting.values()):
                if flight.last <= self.confirmed or self._known.covers(flight.first, flight.last):
                    del waiting[flight.first]
