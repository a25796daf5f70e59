"""The publisher against real brokers, with a store that answers well, badly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from harness.errors import BrokerError
from harness.model.records import Incident, RunStarted, Sample
from harness.model.run import RunContext
from harness.service.broker import BrokerKind, EmbeddedBroker
from harness.stream import codec, topics
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import Connection, MqttSettings, connection
from harness.stream.publisher import Acknowledge, JournalOutbox, Publisher

MakeContext = Callable[[str], RunContext]
MakeStarted = Callable[[str], RunStarted]
MakeSample = Callable[[str, int], Sample]

RUN = "cu-01"
DEADLINE_SECOND = 30.0


async def until(true: Callable[[], bool]) -> None:
    """Wait for another process to make it so; the test's own deadline ends it."""
    while not true():  # noqa: ASYNC110 - what other processes do sets no event here
        await asyncio.sleep(0.005)


@dataclass
class Station:
    """A journal, and the things around it that deliver it."""

    broker: EmbeddedBroker
    journal: Journal
    publisher: Publisher
    refusals: list[tuple[str, tuple[int, ...]]]

    async def delivered(self, run_id: str, seq: int) -> None:
        """Wait until the journal's cursor is there."""
        await until(lambda: self.journal.delivered()[run_id] >= seq)


@dataclass
class Store:
    """What has arrived, by run and number, how often; ``answer`` decides what is said of a batch."""

    link: Connection
    answer: Callable[[codec.Batch], list[codec.Ack]]
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    lines: dict[tuple[str, int], str] = field(default_factory=dict)
    batches: asyncio.Queue[codec.Batch] = field(default_factory=asyncio.Queue)

    def take(self, topic: str, payload: bytes) -> None:
        found = topics.parse_run(topic)
        assert found is not None
        batch = codec.decode_batch(found.run_id, payload)
        for line in batch.lines:
            key = (found.run_id, codec.line_seq(line))
            self.counts[key] = self.counts.get(key, 0) + 1
            self.lines[key] = line
        self.batches.put_nowait(batch)

    async def keep_answering(self) -> None:
        while True:
            batch = await self.batches.get()
            for ack in self.answer(batch):
                with contextlib.suppress(BrokerError):
                    await self.link.publish(topics.run("lab3", batch.run_id, "ack"), ack.payload())


def stored(batch: codec.Batch) -> list[codec.Ack]:
    return [codec.Ack(batch.first, batch.last)]


@asynccontextmanager
async def delivering(
    path: Path, kind: str = "mosquitto", acknowledge: Acknowledge = "store", resend: float = 0.3
) -> AsyncIterator[Station]:
    """A broker, a journal, and a publisher between them."""
    refusals: list[tuple[str, tuple[int, ...]]] = []
    async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(cast("BrokerKind", kind)) as broker, Journal(path) as journal:
        reader = JournalReader(path)
        async with connection(broker.settings) as link:
            publisher = Publisher(
                JournalOutbox(journal, reader),
                link,
                station="lab3",
                acknowledge=acknowledge,
                resend_after_second=resend,
                linger_second=0.01,
                on_refused=lambda run_id, seqs: refusals.append((run_id, seqs)),
            )
            task = asyncio.create_task(publisher.run())
            yield Station(broker, journal, publisher, refusals)
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        reader.close()


@asynccontextmanager
async def storing(
    settings: MqttSettings, answer: Callable[[codec.Batch], list[codec.Ack]] = stored, run_id: str = topics.ANY
) -> AsyncIterator[Store]:
    """Something that listens, and answers as told."""
    async with connection(settings) as link:
        store = Store(link, answer)
        await link.wait_connected()
        await link.subscribe(topics.run("lab3", run_id, "records"), store.take)
        task = asyncio.create_task(store.keep_answering())
        yield store
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def check(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def test_publisher_delivers_everything_once_and_remembers(
    tmp_path: Path, broker_kind: str, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """With a store that answers, each record arrives once, as its line, and the cursor reaches the end."""

    async def main() -> None:
        async with delivering(tmp_path / "j", broker_kind, resend=10.0) as station, storing(station.broker.settings) as store:
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 1701):
                station.journal.append(sample(RUN, seq))
            await station.delivered(RUN, 1700)
            assert store.counts == {(RUN, 0): 2, **{(RUN, seq): 1 for seq in range(1, 1701)}}
            assert store.lines[RUN, 7] == codec.encode_record(context(RUN), sample(RUN, 7))
            progress = station.publisher.progress()[RUN]
            assert (progress.sent, progress.confirmed) == (1700, 1700)
            await station.publisher.wait_delivered()

    check(main)


def test_publisher_sends_again_what_is_not_answered(
    tmp_path: Path, broker_kind: str, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Answers that are lost, come twice, late or out of order: everything arrives, and the cursor ends at the end."""
    late: list[codec.Ack] = []
    seen: set[tuple[int, int]] = set()

    def answer(batch: codec.Batch) -> list[codec.Ack]:
        ack = codec.Ack(batch.first, batch.last)
        first_time = (batch.first, batch.last) not in seen
        seen.add((batch.first, batch.last))
        match batch.first // 500 % 4:
            case 0 if first_time:
                return []
            case 1 if first_time:
                late.append(ack)
                return []
            case 2:
                return [ack, ack, *late[::-1]]
            case _:
                return [codec.Ack(batch.first + 1, batch.last) if batch.last > batch.first else ack, ack]

    async def main() -> None:
        async with delivering(tmp_path / "j", broker_kind) as station, storing(station.broker.settings, answer) as store:
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 5001):
                station.journal.append(sample(RUN, seq))
            await station.delivered(RUN, 5000)
            assert {seq for _, seq in store.counts} == set(range(5001))
            assert max(store.counts.values()) > 1
            assert station.refusals == []

    check(main)


def test_publisher_outlives_its_broker(
    tmp_path: Path, broker_kind: str, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """The broker is killed while records flow, more are written while it is away, and all of them arrive."""

    async def main() -> None:
        async with delivering(tmp_path / "j", broker_kind) as station, storing(station.broker.settings) as store:
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 3001):
                station.journal.append(sample(RUN, seq))
                if seq % 1000 == 0:
                    await station.journal.flush()
                    await store.link.wait_connected()
                    pid = station.broker.pid
                    if pid is not None:
                        os.kill(pid, signal.SIGKILL)
            await station.delivered(RUN, 3000)
            assert {seq for _, seq in store.counts} == set(range(3001))

    check(main)


def test_publisher_moves_no_cursor_without_an_answer(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """A broker's own acknowledgement is not storage, nor is an answer about derived rows, another run or other numbers."""

    def answer(batch: codec.Batch) -> list[codec.Ack]:
        return [codec.Ack(batch.first, batch.last, kind="derived"), codec.Ack(5000, 6000)]

    async def main() -> None:
        async with delivering(tmp_path / "j") as station, storing(station.broker.settings, answer) as store:
            station.journal.begin_run(context(RUN), started(RUN))
            station.journal.append(sample(RUN, 1))
            await until(lambda: store.counts.get((RUN, 1), 0) >= 3)
            await store.link.publish(topics.run("lab3", RUN, "ack"), b"noise")
            await store.link.publish(topics.run("lab3", "cu-99", "ack"), codec.Ack(0, 1).payload())
            assert station.journal.delivered()[RUN] == -1
            store.answer = stored
            await station.delivered(RUN, 1)

    check(main)


def test_publisher_reports_refused_lines_and_goes_on(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """A refused line blocks nothing and is reported once; that of an incident is not reported, or it would go on for ever."""

    def answer(batch: codec.Batch) -> list[codec.Ack]:
        refused = tuple(seq for seq in (3, 5) if batch.first <= seq <= batch.last)
        return [codec.Ack(batch.first, batch.last, refused)] * 2

    async def main() -> None:
        async with delivering(tmp_path / "j") as station, storing(station.broker.settings, answer):
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 10):
                stamp = sample(RUN, seq).unix_time_nanosecond
                incident = Incident(RUN, seq, stamp, "warning", "refused", "the store refused it")
                station.journal.append(incident if seq == 5 else sample(RUN, seq))
            await station.delivered(RUN, 9)
            assert station.refusals == [(RUN, (3,))]

    check(main)


def test_publisher_lets_no_run_starve_the_others(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Runs whose batches nobody ever answers fill the line, and still the one that is answered gets through."""

    def answer(batch: codec.Batch) -> list[codec.Ack]:
        return stored(batch) if batch.run_id == RUN else []

    async def main() -> None:
        async with delivering(tmp_path / "j", resend=0.2) as station, storing(station.broker.settings, answer):
            others = [f"stuck-{number}" for number in range(40)]
            for run_id in others:
                station.journal.begin_run(context(run_id), started(run_id))
                station.journal.append(sample(run_id, 1))
            for seq in range(1, 5001):
                station.journal.append(sample(others[0], seq + 1))
            await station.journal.flush()
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 5001):
                station.journal.append(sample(RUN, seq))
            await station.delivered(RUN, 5000)
            assert all(station.journal.delivered()[run_id] == -1 for run_id in others)

    check(main)


def test_publisher_takes_the_brokers_word_where_the_site_says_so(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """With acknowledge = "broker" the cursor moves with the broker's acknowledgement, and nobody has to answer."""

    async def main() -> None:
        async with (
            delivering(tmp_path / "j", acknowledge="broker") as station,
            storing(station.broker.settings, lambda _: []) as store,
        ):
            station.journal.begin_run(context(RUN), started(RUN))
            for seq in range(1, 2001):
                station.journal.append(sample(RUN, seq))
            await station.delivered(RUN, 2000)
            await until(lambda: len(store.counts) == 2001)

    check(main)


def test_publisher_without_a_store_needs_no_broker(
    tmp_path: Path, context: MakeContext, started: MakeStarted, sample: MakeSample
) -> None:
    """Where no store is configured, committed counts as delivered, whether the broker is there or not."""

    async def main() -> None:
        path = tmp_path / "j"
        async with asyncio.timeout(DEADLINE_SECOND), Journal(path) as journal, connection(MqttSettings("127.0.0.1", 9)) as link:
            reader = JournalReader(path)
            publisher = Publisher(
                JournalOutbox(journal, reader), link, station="lab3", acknowledge="committed", linger_second=0.01
            )
            task = asyncio.create_task(publisher.run())
            journal.begin_run(context(RUN), started(RUN))
            journal.append(sample(RUN, 1))
            await until(lambda: journal.delivered()[RUN] == 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            reader.close()

    check(main)
