"""Ingest against a real broker and a real InfluxDB, and its inbox by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness.errors import StoreError
from harness.ingest import Inbox, run_ingest
from harness.model.records import Incident, RunStarted, Sample
from harness.model.run import Role, RunContext
from harness.service.broker import BrokerKind, EmbeddedBroker
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream import codec, topics
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import Connection, MqttSettings, connection
from harness.stream.publisher import JournalOutbox, Publisher
from tests import facts
from tests.services import Influxd

EPOCH = 1_767_225_600_000_000_000
CONTEXT = RunContext("lab3", "a1", "cu-01", "bare", "cu-01-20260101t000000")
RUN = CONTEXT.run_id
FACTS = replace(facts.FACTS, accuracy_offset=None, accuracy_gain=None)
DEADLINE_SECOND = 60.0
ROOT = Path(__file__).parents[2]


async def until(true: Callable[[], bool]) -> None:
    """Wait for another process to make it so; the test's own deadline ends it."""
    while not true():  # noqa: ASYNC110 - what other processes do sets no event here
        await asyncio.sleep(0.01)


def sample(seq: int) -> Sample:
    return Sample(RUN, seq, EPOCH + seq, 0.0, 0.0, seq / 3, -0.1, 1, 1, "s", Role.PLATE, None, "")


def lines_of(first: int, last: int) -> list[tuple[int, str]]:
    return [(seq, codec.encode_record(CONTEXT, sample(seq))) for seq in range(first, last + 1)]


def batch_of(first: int, last: int) -> codec.Batch:
    return next(codec.split_batches(RUN, lines_of(first, last)))


class MemoryWriter:
    """A store in memory: refuses lines that hold ``bad``, and fails while ``down``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.writes: list[int] = []
        self.down = False
        self.tried = 0

    async def write(self, lines: list[str]) -> list[int]:
        self.tried += 1
        if self.down:
            raise StoreError("memory", "down")
        self.writes.append(len(lines))
        refused = [index for index, line in enumerate(lines) if "bad" in line]
        self.lines += [line for index, line in enumerate(lines) if index not in refused]
        return refused


@asynccontextmanager
async def ingesting(kind: str = "mosquitto", **bounds: int) -> AsyncIterator[tuple[MemoryWriter, Connection, list[codec.Ack]]]:
    """An ingest that runs, its store, a link to its broker, and the answers it gave."""
    writer, acks = MemoryWriter(), list[codec.Ack]()
    async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(cast("BrokerKind", kind)) as broker:
        ready = asyncio.Event()
        task = asyncio.create_task(run_ingest(broker.settings, writer, "lab3", on_ready=ready.set, **bounds))
        async with connection(broker.settings) as link:
            await link.wait_connected()
            await link.subscribe("harness/lab3/run/+/ack", lambda _, payload: acks.append(codec.decode_ack(payload)))
            await ready.wait()
            yield writer, link, acks
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def records_topic(run_id: str = RUN) -> str:
    return topics.run("lab3", run_id, "records")


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_ingest_answers_after_the_write_and_names_what_was_refused(kind: str) -> None:
    """Each batch gets one answer, with the numbers of its own refused lines; what is no batch gets none and harms nothing."""

    async def main() -> None:
        async with ingesting(kind) as (writer, link, acks):
            incident = codec.encode_record(CONTEXT, Incident(RUN, 7, EPOCH + 7, "info", "bad", 'bad\n"bad"'))
            spoiled = [*lines_of(5, 6), (7, incident), *lines_of(8, 9)]
            await link.publish(records_topic(), batch_of(0, 4).payload())
            await link.publish(records_topic(), b"noise")
            await link.publish(records_topic("cu 01"), batch_of(0, 4).payload())
            await link.publish(records_topic(), next(codec.split_batches(RUN, spoiled)).payload())
            await link.publish(topics.run("lab3", RUN, "derived"), batch_of(0, 1).payload())
            await until(lambda: len(acks) == 3)
            assert sorted(acks, key=lambda ack: (ack.kind, ack.first)) == [
                codec.Ack(0, 1, (), "derived"),
                codec.Ack(0, 4),
                codec.Ack(5, 9, (7,)),
            ]
            assert sorted(codec.line_seq(line) for line in writer.lines) == [0, 0, 1, 1, 2, 3, 4, 5, 6, 8, 9]

    asyncio.run(main())


def test_ingest_answers_nothing_while_its_store_is_down_and_everything_afterwards() -> None:
    """Batches wait in memory, each once however often it comes; when the store is back they are written together."""

    async def main() -> None:
        async with ingesting() as (writer, link, acks):
            writer.down = True
            await link.publish(records_topic(), batch_of(0, 9).payload())
            await until(lambda: writer.tried > 0)
            for _ in range(3):
                for start in range(0, 100, 10):
                    await link.publish(records_topic(), batch_of(start, start + 9).payload())
            await until(lambda: writer.tried > 2)
            assert acks == []
            writer.down = False
            await until(lambda: len(acks) >= 10)
            assert {(ack.first, ack.last) for ack in acks} == {(start, start + 9) for start in range(0, 100, 10)}
            assert {codec.line_seq(line) for line in writer.lines} == set(range(100))
            assert max(writer.writes) > 10

    asyncio.run(main())


def test_ingests_share_the_load_of_one_broker() -> None:
    """Two ingests on mosquitto get different batches, and together all of them."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker("mosquitto") as broker:
            writers = [MemoryWriter(), MemoryWriter()]
            ready = [asyncio.Event(), asyncio.Event()]
            tasks = [
                asyncio.create_task(run_ingest(broker.settings, writer, "lab3", on_ready=event.set))
                for writer, event in zip(writers, ready, strict=True)
            ]
            for event in ready:
                await event.wait()
            async with connection(broker.settings) as link:
                await link.wait_connected()
                for start in range(0, 400, 10):
                    await link.publish(records_topic(), batch_of(start, start + 9).payload())
                await until(lambda: sum(len(writer.lines) for writer in writers) == 400)
                assert all(writer.lines for writer in writers)
                assert sorted(codec.line_seq(line) for writer in writers for line in writer.lines) == list(range(400))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_inbox_holds_a_bounded_part_and_takes_dropped_batches_again() -> None:
    """Beyond its bytes it drops whole batches, counts them, and has room again when batches are taken."""

    async def main() -> None:
        payloads = [batch_of(start, start + 9).payload() for start in range(0, 100, 10)]
        inbox = Inbox(len(payloads[0]) * 3 + 100)
        for payload in payloads:
            inbox.take(records_topic(), payload)
        assert inbox.dropped == 7
        taken = await inbox.next(20)
        assert [batch.first for batch in taken.values()] == [0, 10]
        inbox.take(records_topic(), payloads[0])
        inbox.take(records_topic(), payloads[5])
        assert [batch.first for batch in (await inbox.next(1000)).values()] == [20, 50]
        inbox.done(set(taken))
        inbox.take(records_topic(), payloads[0])
        assert [batch.first for batch in (await inbox.next(5)).values()] == [0]

    asyncio.run(main())


def test_inbox_takes_a_batch_that_is_larger_than_itself_when_it_is_empty() -> None:
    """A single large record must pass whatever the bound."""

    async def main() -> None:
        inbox = Inbox(10)
        inbox.take(records_topic(), batch_of(0, 9).payload())
        inbox.take("harness/lab3/alarm", b"x")
        assert [batch.last for batch in (await inbox.next(1)).values()] == [9]

    asyncio.run(main())


@pytest.fixture(scope="module")
def influx_url(influxd: Influxd) -> str:
    """A real InfluxDB 1.x with our database."""

    async def create() -> None:
        async with InfluxWriter(InfluxSettings(influxd.url, "harness")) as writer:
            await writer.create_database()

    asyncio.run(create())
    return influxd.url


def select(url: str, query: str) -> list[list[object]]:
    """All rows of a query, over all series, with nanosecond stamps."""
    asked = urllib.parse.urlencode({"db": "harness", "q": query, "epoch": "ns"})
    with urllib.request.urlopen(f"{url}/query?{asked}", timeout=30) as answer:
        found = json.load(answer)
    return [row for series in found["results"][0].get("series", []) for row in series["values"]]


INGEST = """
import asyncio, sys
from harness.ingest import run_ingest
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream.mqtt import MqttSettings
from tests import facts

async def main():
    settings = MqttSettings("127.0.0.1", int(sys.argv[1]), False, sys.argv[2], sys.argv[3])
    async with InfluxWriter(InfluxSettings(sys.argv[4], "harness")) as writer:
        await run_ingest(settings, writer, write_lines=1000)

asyncio.run(main())
"""


def start_ingest(where: MqttSettings, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", INGEST, str(where.port), str(where.username), str(where.password), url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.service
def test_ingest_killed_again_and_again_loses_and_repeats_nothing(tmp_path: Path, influx_url: str) -> None:
    """From journal to InfluxDB, while broker and ingests are killed: each record is one point, to the last bit."""
    last = 12_000
    path = tmp_path / "journal.sqlite"

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker() as broker, Journal(path) as journal:
            reader = JournalReader(path)
            async with connection(broker.settings) as link:
                publisher = Publisher(
                    JournalOutbox(journal, reader), link, station="lab3", acknowledge="store", resend_after_second=1.0
                )
                task = asyncio.create_task(publisher.run())
                journal.begin_run(CONTEXT, RunStarted(RUN, 0, EPOCH, FACTS))
                for seq in range(1, last + 1):
                    journal.append(sample(seq))
                ingest = start_ingest(broker.settings, influx_url)
                for share in (0.1, 0.4, 0.7):
                    await until(lambda share=share: journal.delivered()[RUN] > last * share)  # type: ignore[misc] # bound now
                    ingest.kill()
                    ingest.wait()
                    if share == 0.4 and broker.pid is not None:
                        os.kill(broker.pid, signal.SIGKILL)
                    ingest = start_ingest(broker.settings, influx_url)
                await until(lambda: journal.delivered()[RUN] == last)
                ingest.kill()
                ingest.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            reader.close()

    asyncio.run(main())
    rows = select(influx_url, f"SELECT seq, voltage_volt FROM sample WHERE run = '{RUN}'")
    assert rows == [[EPOCH + seq, seq, seq / 3] for seq in range(1, last + 1)]
    assert len(select(influx_url, f"SELECT facts FROM cell WHERE run = '{RUN}'")) == 1


@pytest.mark.service
def test_every_text_a_record_may_hold_comes_back_from_influxdb(influx_url: str) -> None:
    """Quotes, backslashes, newlines, commas and signs of any script: a real server stores what was written."""
    texts = ['a "b" c', "a\\", "\\\\", '\\"', "a\nb\n", "tab\tcr\rnul\x00", "a,b=c d", "µ−Ω 锂 🔋", "", " ", "'", "\\n"]
    lines = [codec.encode_record(CONTEXT, Incident(RUN, seq, EPOCH + seq, "info", "x", text)) for seq, text in enumerate(texts)]

    async def main() -> list[int]:
        async with InfluxWriter(InfluxSettings(influx_url, "harness")) as writer:
            return await writer.write(lines)

    assert asyncio.run(main()) == []
    rows = select(influx_url, f"SELECT seq, message FROM event WHERE run = '{RUN}' AND kind = 'incident'")
    assert rows == [[EPOCH + seq, seq, text] for seq, text in enumerate(texts)]
