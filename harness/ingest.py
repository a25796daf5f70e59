"""From MQTT to the store: takes batches, writes their lines, and says what is stored. Keeps no state.

A batch is answered after its lines were written, and only then, so that a crash at any instant costs a second delivery and
nothing else; writing a line twice leaves one point. While the store does not answer, batches wait in memory up to a bound and
the rest is dropped: whoever sent them sends them again. Batches that wait together are written together.

Several ingests share the load where the broker deals messages among them, which is tried, not asked: some brokers accept a shared
subscription and deliver nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable
from typing import Protocol

import structlog

from harness.errors import BrokerError, StoreError
from harness.stream import codec, topics
from harness.stream.mqtt import Connection, MqttSettings, connection

WRITE_LINES = 5000
WAITING_BYTES = 64 * 1024 * 1024
WRITERS = 2
PROBE_SECOND = 2.0
BACKOFF_FIRST_SECOND = 0.5
BACKOFF_LONGEST_SECOND = 10.0
_GROUP = "ingest"
_KINDS: tuple[codec.Kind, ...] = ("records", "derived")

log = structlog.get_logger()


class LineWriter(Protocol):
    """What a store must offer."""

    async def write(self, lines: list[str]) -> list[int]:
        """Store ``lines`` of line protocol; the indexes of those that were refused for their content.

        Raises:
            StoreError: the store cannot be reached, or fails; any of the lines may have been stored.
        """


async def run_ingest(
    settings: MqttSettings,
    writer: LineWriter,
    station: str = topics.ANY,
    *,
    write_lines: int = WRITE_LINES,
    waiting_bytes: int = WAITING_BYTES,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Move batches of ``station`` (any by default) to ``writer`` until cancelled; ``on_ready`` is called once subscribed."""
    async with connection(settings) as link:
        shares = await _deals_among_a_group(link)
        inbox = Inbox(waiting_bytes)
        for kind in _KINDS:
            topic_filter = topics.run(station, topics.ANY, kind)
            await link.subscribe(topics.shared(_GROUP, topic_filter) if shares else topic_filter, inbox.take)
        log.info("ingest subscribed", url=settings.url, shared=shares)
        if on_ready is not None:
            on_ready()
        async with asyncio.TaskGroup() as tasks:
            for number in range(WRITERS):
                tasks.create_task(_work(link, inbox, writer, write_lines), name=f"ingest[{number}]")


class Inbox:
    """Batches that wait, each once, oldest first, at most ``most_bytes`` of them; further ones are dropped.

    A batch that is being written still counts as here, so that its repetition does not wait behind it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: dict[tuple[str, int, int], codec.Batch] = {}
        self._taken: set[tuple[str, int, int]] = set()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self.dropped = 0

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come. What is not a batch is logged and left unanswered."""
        found = topics.parse_run(topic)
        if found is None:
            return
        if self._bytes + len(payload) > self._most_bytes and self._waiting:
            self.dropped += 1
            return
        try:
            batch = codec.decode_batch(found.run_id, payload)
        except codec.CodecError as error:
            log.warning("message ignored", topic=topic, reason=str(error))
            return
        key = (topic, batch.first, batch.last)
        if key not in self._waiting and key not in self._taken:
            self._waiting[key] = batch
            self._bytes += len(payload)
            self._arrived.set()

    async def next(self, lines: int) -> dict[tuple[str, int, int], codec.Batch]:
        """The oldest batches by (topic, first, last), of about ``lines`` lines together; waits for one at least."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        found: dict[tuple[str, int, int], codec.Batch] = {}
        count = 0
        while self._waiting and (not found or count + len(next(iter(self._waiting.values())).lines) <= lines):
            key = next(iter(self._waiting))
            batch = found[key] = self._waiting.pop(key)
            count += len(batch.lines)
            self._bytes -= len(batch.payload())
        self._taken |= found.keys()
        return found

    def done(self, keys: set[tuple[str, int, int]]) -> None:
        """The batches ``keys`` are written: a repetition is written again."""
        self._taken -= keys


async def _work(link: Connection, inbox: Inbox, writer: LineWriter, write_lines: int) -> None:
    while True:
        batches = await inbox.next(write_lines)
        lines = [line for batch in batches.values() for line in batch.lines]
        refused = await _write(writer, lines)
        inbox.done(set(batches))
        start = 0
        for (topic, _, _), batch in batches.items():
            end = start + len(batch.lines)
            turned_down = sorted({codec.line_seq(lines[index]) for index in refused if start <= index < end})
            await _answer(link, topic, batch, tuple(turned_down))
            start = end


async def _write(writer: LineWriter, lines: list[str]) -> list[int]:
    """Write until the store has taken or refused every line."""
    attempt = 0
    while True:
        try:
            refused = await writer.write(lines)
        except StoreError as error:
            if attempt == 0:
                log.warning("store does not take data", reason=str(error))
            await asyncio.sleep(random.uniform(0, min(BACKOFF_LONGEST_SECOND, BACKOFF_FIRST_SECOND * 2**attempt)))  # noqa: S311 - jitter, no secret
            attempt = min(attempt + 1, 16)
            continue
        if attempt:
            log.info("store takes data again", lines=len(lines))
        return refused


async def _answer(link: Connection, topic: str, batch: codec.Batch, refused: tuple[int, ...]) -> None:
    """Say what is stored; an answer that is lost is asked for again by the batch's repetition."""
    found = topics.parse_run(topic)
    if found is None or found.kind == "ack":
        return
    ack = codec.Ack(batch.first, batch.last, refused, found.kind)
    with contextlib.suppress(BrokerError):
        await link.publish(topics.run(found.station, found.run_id, "ack"), ack.payload())


async def _deals_among_a_group(link: Connection) -> bool:
    """Whether a message to a shared subscription arrives."""
    topic = f"harness/-/probe/{secrets.token_hex(8)}"
    arrived = asyncio.Event()

    def note(_topic: str, _payload: bytes) -> None:
        arrived.set()

    topic_filter = topics.shared(secrets.token_hex(8), topic)
    await link.wait_connected()
    await link.subscribe(topic_filter, note)
    try:
        async with asyncio.timeout(PROBE_SECOND):
            await link.publish(topic, b"probe")
            await arrived.wait()
    except (TimeoutError, BrokerError):
        return False
    finally:
        await link.unsubscribe(topic_filter, note)
    return True
