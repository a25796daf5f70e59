"""Delivery until confirmed: from an outbox to the broker, again and again until the store has it.

The publisher decides nothing about data and keeps none: the outbox has it, `delivery` knows how far each run has come, and a
batch that is not answered in time is read and sent again. Runs take turns, batch by batch, and one run never holds more than a
quarter of what may be under way, so that a run whose batches nobody answers does not stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.errors import BrokerError
from harness.model.run import RunContext
from harness.stream import codec, topics
from harness.stream.delivery import Flight, RunDelivery
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import Connection

Acknowledge = Literal["store", "broker", "committed"]
"""What counts as delivered: ingest's answer, the broker's, or being in the journal (no store is configured)."""

_ANSWERS = 10_000


class Outbox(Protocol):
    """What is to be delivered, by run and by number. Its calls come from a worker thread, one at a time, but for `wait`.

    A number that is missing between two that `read` returns, or before the first, needs no delivery; the last of a run is there.
    """

    @property
    def kind(self) -> codec.Kind:
        """The last word of its topics."""

    def runs(self) -> list[tuple[RunContext, int, int]]:
        """Runs with their last number and the last delivered one, −1 for none. Runs delivered whole may be left out."""

    def read(self, run_id: str, from_seq: int, limit: int) -> list[tuple[int, str]]:
        """At most ``limit`` numbers of a run from ``from_seq`` on, each with its lines."""

    def set_delivered(self, run_id: str, through: int) -> None:
        """Everything of the run up to ``through`` is delivered."""

    async def wait(self) -> None:
        """Return when there may be something new since the last call."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The last numbers of a run that were sent and confirmed, −1 for none."""

    sent: int
    confirmed: int


class JournalOutbox:
    """The journal's records. ``reader`` is used from a worker thread."""

    def __init__(self, journal: Journal, reader: JournalReader) -> None:
        self._journal = journal
        self._reader = reader
        self._contexts: dict[str, RunContext] = {}

    @property
    def kind(self) -> codec.Kind:
        """Records."""
        return "records"

    def runs(self) -> list[tuple[RunContext, int, int]]:
        """The runs with durable records that are not delivered."""
        delivered = self._journal.delivered()
        self._contexts = {context.run_id: context for context in self._journal.contexts()}
        every = (
            (context, self._journal.committed_seq(run_id), delivered.get(run_id, -1))
            for run_id, context in self._contexts.items()
        )
        return [(context, last, through) for context, last, through in every if last > through]

    def read(self, run_id: str, from_seq: int, limit: int) -> list[tuple[int, str]]:
        """Durable records as lines."""
        context = self._contexts[run_id]
        return [(record.seq, codec.encode_record(context, record)) for record in self._reader.records(run_id, from_seq, limit)]

    def set_delivered(self, run_id: str, through: int) -> None:
        """Move the journal's cursor."""
        self._journal.set_delivered(run_id, through)

    async def wait(self) -> None:
        """Return when records were committed since the last call."""
        await self._journal.wait_committed()


class Publisher:
    """Delivers one outbox over one connection. ``on_refused`` is told each refused number once, but never an incident's: to
    record one for it could go on for ever.
    """

    def __init__(
        self,
        outbox: Outbox,
        connection: Connection,
        *,
        station: str,
        acknowledge: Acknowledge,
        resend_after_second: float = 10.0,
        max_in_flight: int = 32,
        linger_second: float = 0.25,
        on_refused: Callable[[str, tuple[int, ...]], None] | None = None,
        clock_monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._connection = connection
        self._station = station
        self._acknowledge = acknowledge
        self._resend_after_second = resend_after_second
        self._max_in_flight = max_in_flight
        self._max_per_run = max(1, max_in_flight // 4)
        self._linger_second = linger_second
        self._on_refused = on_refused
        self._now = clock_monotonic
        self._runs: dict[str, RunDelivery] = {}
        self._saved: dict[str, int] = {}
        self._turn = 0
        self._answers: deque[tuple[RunDelivery, codec.Ack]] = deque(maxlen=_ANSWERS)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Deliver for ever. Raises what the outbox raises."""
        ack_filter = topics.run(self._station, topics.ANY, "ack")
        await self._connection.subscribe(ack_filter, self._on_ack)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(), name=f"outbox {self._outbox.kind}")
                while True:
                    if self._acknowledge != "committed":
                        await self._connection.wait_connected()
                    crowded = await self._round(tasks)
                    await self._pause(crowded=crowded)
        finally:
            await self._connection.unsubscribe(ack_filter, self._on_ack)
            self._take_answers()
            self._save_cursors()

    def progress(self) -> dict[str, Progress]:
        """How far each run has come since this publisher began to deliver it."""
        return {run_id: Progress(run.sent, run.confirmed) for run_id, run in self._runs.items()}

    async def wait_delivered(self) -> None:
        """Return when everything that was in the outbox at the last look is confirmed; takes as long as the store does."""
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()

    async def _round(self, tasks: asyncio.TaskGroup) -> bool:
        """Send what may be sent, the runs taking turns; whether there is more than may be under way."""
        self._wake.clear()
        self._take_answers()
        await asyncio.to_thread(self._save_cursors)
        last = {context.run_id: (seq, through) for context, seq, through in await asyncio.to_thread(self._outbox.runs)}
        for run_id, (_, through) in last.items():
            if run_id not in self._runs:
                self._runs[run_id] = RunDelivery(run_id, through)
                self._saved[run_id] = through
        for run in self._runs.values():
            run.expire(self._now() - self._resend_after_second)
        waiting = [(run, last[run.run_id][0]) for run in self._runs.values() if run.run_id in last]
        crowded = await self._take_turns(tasks, waiting)
        if not crowded and all(run.confirmed >= seq for run, seq in waiting):
            self._idle.set()
        return crowded

    async def _take_turns(self, tasks: asyncio.TaskGroup, waiting: list[tuple[RunDelivery, int]]) -> bool:
        """One batch for each run that wants one, then again; whether some run still wants."""
        start = self._turn % max(1, len(waiting))
        waiting = waiting[start:] + waiting[:start]
        while wanting := [(run, seq) for run, seq in waiting if run.wanted(seq) is not None]:
            served = False
            for run, seq in wanting:
                if self._in_flight() >= self._max_in_flight:
                    return True
                if run.in_flight < self._max_per_run:
                    await self._serve(tasks, run, seq)
                    self._turn += 1
                    served = True
            if not served:
                return True
        return False

    async def _serve(self, tasks: asyncio.TaskGroup, run: RunDelivery, last_seq: int) -> None:
        wanted = run.wanted(last_seq)
        if wanted is None:
            return
        first, last = wanted
        found = await asyncio.to_thread(self._outbox.read, run.run_id, first, last - first + 1)
        batches = list(codec.split_batches(run.run_id, [(seq, text) for seq, text in found if seq <= last]))
        if run.wanted(last_seq) != wanted:
            return
        if not batches:
            run.settle(first, last)
            return
        batch = batches[0]
        through = last if len(batches) == 1 else batch.last
        quiet = frozenset(codec.line_seq(line) for line in batch.lines if codec.is_incident(line))
        flight = run.depart(first, through, batch, quiet=quiet, now=self._now())
        tasks.create_task(self._send(run, flight, batch), name=f"send {run.run_id} {first}")

    async def _send(self, run: RunDelivery, flight: Flight, batch: codec.Batch) -> None:
        topic = topics.run(self._station, run.run_id, self._outbox.kind)
        try:
            await self._connection.publish(topic, batch.payload())
        except BrokerError:
            if self._acknowledge != "committed":
                run.fail(flight)
                self._wake.set()
                return
        if self._acknowledge != "store":
            run.acknowledge(batch.first, batch.last)
            self._wake.set()

    def _on_ack(self, topic: str, payload: bytes) -> None:
        found = topics.parse_run(topic)
        if found is None or self._acknowledge != "store":
            return
        try:
            ack = codec.decode_ack(payload)
        except codec.CodecError:
            return
        if ack.kind == self._outbox.kind and found.run_id in self._runs:
            self._answers.append((self._runs[found.run_id], ack))
            self._wake.set()

    def _take_answers(self) -> None:
        while self._answers:
            run, ack = self._answers.popleft()
            news = run.acknowledge(ack.first, ack.last, ack.refused)
            if news and self._on_refused is not None:
                self._on_refused(run.run_id, news)

    async def _follow(self) -> None:
        while True:
            await self._outbox.wait()
            self._wake.set()

    async def _pause(self, *, crowded: bool) -> None:
        """Wait for something new, an answer, or the time to send something again. New records are let gather for a moment."""
        oldest = min((at for run in self._runs.values() if (at := run.oldest_sent_at) is not None), default=None)
        patience = None if oldest is None else max(0.0, oldest + self._resend_after_second - self._now()) + 0.001
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()
                if not crowded:
                    await asyncio.sleep(self._linger_second)

    def _in_flight(self) -> int:
        return sum(run.in_flight for run in self._runs.values())

    def _save_cursors(self) -> None:
        for run_id, run in list(self._runs.items()):
            if run.confirmed > self._saved[run_id]:
                self._outbox.set_delivered(run_id, run.confirmed)
                self._saved[run_id] = run.confirmed
