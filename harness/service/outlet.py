"""What the daemon tells the world: the journal's records, the state of every channel, and alarms. Copies, all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog

from harness.clock import StationClock
from harness.cycling.rack import Outage
from harness.errors import BrokerError, HarnessError
from harness.model.status import ChannelStatus, LinkStatus
from harness.stream import topics
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import Connection, LastWill, MqttSettings, connection
from harness.stream.publisher import Acknowledge, JournalOutbox, Progress, Publisher

STATE_EVERY_SECOND = 1.0
DRAIN_SECOND = 3.0
"""How long a daemon that stops waits for the store; what is not confirmed then is delivered by the next one."""

SILENT_STORE_SECOND = 10.0
"""Something sent and not confirmed for so long means that the store is out."""
RETRY_SECOND = 5.0

Alarm = tuple[str, str]

log = structlog.get_logger(__name__)


class Outlet:
    """Publishes while it is entered. ``settings`` ``None``: there is no broker, and the journal is the only store."""

    def __init__(
        self,
        settings: MqttSettings | None,
        *,
        station: str,
        acknowledge: Acknowledge,
        clock: StationClock,
        journal: Journal,
        journal_path: Path,
        channels: Callable[[], tuple[ChannelStatus, ...]],
        alarms: asyncio.Queue[Alarm],
        on_refused: Callable[[str, tuple[int, ...]], None],
    ) -> None:
        self._station = station
        self._clock = clock
        self._journal = journal
        self._channels = channels
        self._alarms = alarms
        self._acknowledge = acknowledge
        self._store_outage = Outage()
        self._tasks: list[asyncio.Task[None]] = []
        self._connection: Connection | None = None
        self._publisher: Publisher | None = None
        if settings is None:
            return
        will = LastWill(topics.status(station), b'{"state": "offline"}')
        self._connection = connection(settings, will=will, now_nanosecond=clock.now_nanosecond)
        self._reader = JournalReader(journal_path)
        self._publisher = Publisher(
            JournalOutbox(journal, self._reader),
            self._connection,
            station=station,
            acknowledge=acknowledge,
            on_refused=on_refused,
        )

    async def __aenter__(self) -> Self:
        if self._connection is not None and self._publisher is not None:
            await self._connection.__aenter__()
            await self._connection.retain(topics.status(self._station), b'{"state": "online"}')
            self._tasks = [
                asyncio.create_task(self._deliver(self._publisher), name="publisher"),
                asyncio.create_task(self._watch_store(self._publisher, self._connection), name="watch-store"),
                asyncio.create_task(self._tell_states(self._connection), name="channel-states"),
                asyncio.create_task(self._tell_alarms(self._connection), name="alarms"),
            ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            await self._connection.retain(topics.status(self._station), b'{"state": "offline"}')
            await self._connection.__aexit__(*exc)
            self._reader.close()

    async def drain(self) -> None:
        """Wait a moment for what is on its way."""
        if self._publisher is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECOND):
                    await self._publisher.wait_delivered()

    def sent(self, run_id: str) -> int:
        """The last record of a run that was sent; what was delivered before this process began counts as sent."""
        return self._progress(run_id).sent

    def confirmed(self, run_id: str) -> int:
        """The last record of a run up to which everything is confirmed."""
        return self._progress(run_id).confirmed

    def _progress(self, run_id: str) -> Progress:
        """How far a run has come, by the publisher, or where it has not begun with it by the journal's cursor."""
        known = None if self._publisher is None else self._publisher.progress().get(run_id)
        if known is not None:
            return known
        delivered = self._journal.delivered().get(run_id, -1)
        return Progress(delivered, delivered)

    def links(self) -> tuple[LinkStatus, ...]:
        """The links to the broker, if there is one, and to the store behind it, if one is to confirm."""
        if self._connection is None:
            return ()
        state = self._connection.state
        store = (self._store_outage.status("store"),) if self._acknowledge == "store" else ()
        return (
            LinkStatus(
                name="broker",
                connected=state.connected,
                last_outage_start_nanosecond=state.last_outage_start_nanosecond,
                last_outage_end_nanosecond=state.last_outage_end_nanosecond,
                last_outage_reason=state.last_outage_reason,
            ),
            *store,
        )

    async def _deliver(self, publisher: Publisher) -> None:
        """Deliver for ever: what the publisher cannot read now it may read later, and no reading waits for it."""
        while True:
            try:
                await publisher.run()
            except* HarnessError as group:
                log.error("delivery stopped", reason="; ".join(map(str, group.exceptions)), again_in_second=RETRY_SECOND)
            await self._clock.sleep(RETRY_SECOND)

    async def _watch_store(self, publisher: Publisher, link: Connection) -> None:
        """The store is out when the broker is there and something sent has not been confirmed for a while."""
        confirmed, since = -1, self._clock.monotonic()
        while True:
            progress = publisher.progress().values()
            now_confirmed = sum(run.confirmed for run in progress)
            waits = link.state.connected and any(run.sent > run.confirmed for run in progress)
            if now_confirmed != confirmed or not waits:
                confirmed, since = now_confirmed, self._clock.monotonic()
                self._store_outage.end(self._clock.now_nanosecond())
            elif self._clock.monotonic() - since > SILENT_STORE_SECOND:
                reason = f"nothing was confirmed for {SILENT_STORE_SECOND:g} s; does ingest run, and does InfluxDB answer?"
                self._store_outage.begin(self._clock.now_nanosecond(), reason)
            await self._clock.sleep(STATE_EVERY_SECOND)

    async def _tell_states(self, link: Connection) -> None:
        told: dict[str, bytes] = {}
        while True:
            for channel in self._channels():
                state = channel.model_dump_json().encode()
                if told.get(channel.channel) != state:
                    told[channel.channel] = state
                    await link.retain(topics.channel_state(self._station, channel.channel), state)
            await self._clock.sleep(STATE_EVERY_SECOND)

    async def _tell_alarms(self, link: Connection) -> None:
        while True:
            where, sentence = await self._alarms.get()
            payload = json.dumps(
                {"where": where, "what": sentence, "unix_time_nanosecond": self._clock.now_nanosecond()}
            ).encode()
            with contextlib.suppress(BrokerError):
                await link.publish(topics.alarm(self._station), payload)


def due_again(path: Path, acknowledge: Acknowledge) -> bool:
    """Whether a store was named since the last start: then what counted as delivered without one has still to reach it.

    ``path`` remembers what counted as delivered.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else acknowledge
    path.write_text(acknowledge, encoding="utf-8")
    return before == "committed" != acknowledge
