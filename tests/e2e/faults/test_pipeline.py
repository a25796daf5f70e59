"""Faults between journal and store, against a real broker and a real InfluxDB: every record is one point, in any order."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Sequence

import pytest

from harness.cycling.recorder import Recorder
from harness.cycling.stepper import PlannedStep
from harness.ingest import run_ingest
from harness.model import records
from harness.model.run import Role, RunContext
from harness.service.broker import EmbeddedBroker
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream import codec, topics
from harness.stream.mqtt import connection
from potentiostat_drivers.program import Reading
from tests.services import Influxd

EPOCH = 1_767_225_600_000_000_000
DEADLINE_SECOND = 30.0
STEP = PlannedStep("plate", "cc", Role.PLATE, 1, 1, 0, is_sweep=False, sweep_points=0, sweep_count=0)


def context(run: str) -> RunContext:
    return RunContext("lab3", "a1", "cu-01", "bare", run)


def batch(run: str, first: int, last: int) -> bytes:
    """Samples ``first`` to ``last`` of a run, as the publisher sends them."""
    lines = [
        (seq, codec.encode_record(
            context(run), records.Sample(run, seq, EPOCH + seq, 0.0, 0.0, seq / 3, -0.1, 1, 1, "s", Role.PLATE, None, "")
        ))
        for seq in range(first, last + 1)
    ]  # fmt: skip
    return next(codec.split_batches(run, lines)).payload()


def stored(url: str, run: str) -> list[list[object]]:
    query = f"SELECT seq, voltage_volt FROM sample WHERE run = '{run}'"
    asked = urllib.parse.urlencode({"db": "harness", "q": query, "epoch": "ns"})
    with urllib.request.urlopen(f"{url}/query?{asked}", timeout=30) as answer:
        found = json.load(answer)
    return [row for series in found["results"][0].get("series", []) for row in series["values"]]


PARTS = ((1, 4), (5, 9), (10, 12))
LAST = (13, 13)
"""Sent behind everything else; once it is answered, so is everything before it."""


@pytest.mark.service
@pytest.mark.parametrize(
    ("name", "retained", "sent"),
    [
        ("d2-retained", ((1, 4),), PARTS),
        ("d3-duplicate", (), (*PARTS, *PARTS, PARTS[0])),
        ("d4-order", (), tuple(reversed(PARTS))),
        ("d8-late", (), (PARTS[0], PARTS[2], PARTS[1])),
    ],
)
def test_every_record_is_one_point_whatever_the_order(
    influxd: Influxd, name: str, retained: Sequence[tuple[int, int]], sent: Sequence[tuple[int, int]]
) -> None:
    """A stale retained batch, one that comes twice, backwards, or late changes nothing of what is stored; each is answered."""
    topic = topics.run("lab3", name, "records")

    async def main() -> None:
        acks: list[codec.Ack] = []
        async with (
            asyncio.timeout(DEADLINE_SECOND),
            EmbeddedBroker("mosquitto") as broker,
            connection(broker.settings) as link,
            InfluxWriter(InfluxSettings(influxd.url, "harness")) as writer,
        ):
            await writer.create_database()
            await link.wait_connected()
            await link.subscribe("harness/lab3/run/+/ack", lambda _, payload: acks.append(codec.decode_ack(payload)))
            for part in retained:
                await link.publish(topic, batch(name, *part), retain=True)
            ready = asyncio.Event()
            task = asyncio.create_task(run_ingest(broker.settings, writer, "lab3", on_ready=ready.set))
            await ready.wait()
            for part in (*sent, LAST):
                await link.publish(topic, batch(name, *part))
            while LAST not in {(ack.first, ack.last) for ack in acks}:  # noqa: ASYNC110 - answers come by a callback
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert {(ack.first, ack.last) for ack in acks} == {*PARTS, LAST}
        assert all(ack.refused == () for ack in acks)

    asyncio.run(main())
    assert stored(influxd.url, name) == [[EPOCH + seq, seq, seq / 3] for seq in range(1, 14)]


class _Kept:
    def __init__(self) -> None:
        self.records: list[records.Record] = []

    def begin_run(self, context: RunContext, started: records.RunStarted) -> None:
        del context
        self.records.append(started)

    def append(self, record: records.Record) -> None:
        self.records.append(record)

    async def flush(self) -> None:
        """Nothing waits."""


def test_equal_stamps_of_an_instrument_become_different_points() -> None:
    """D7: readings that the instrument stamps alike, or that lie before the last one, keep an identity of their own."""
    kept = _Kept()
    recorder = Recorder(kept, context("d7"), lambda: EPOCH, EPOCH)
    wanted = [EPOCH + 10, EPOCH + 10, EPOCH + 5, EPOCH + 11]
    stamps = [recorder.sample(STEP, Reading(0, 1.0, 0.1, -1e-3, None), 1.0, moment) for moment in wanted]
    assert stamps == [EPOCH + 10, EPOCH + 11, EPOCH + 12, EPOCH + 13]
    assert [record.seq for record in kept.records] == [0, 1, 2, 3]
