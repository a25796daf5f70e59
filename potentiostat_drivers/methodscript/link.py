"""One reader for one port: turns lines into events and gives each to whoever holds the conversation.

There is at most one holder at a time, the owner of the newest `Inbox`. Who takes a new inbox overtakes the old holder, and owes
it what is still its own: the events up to the moment its program was stopped, then `Overtaken`. Because one task reads, and
handing over is one assignment, no line can be lost or seen twice between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

from potentiostat_drivers.errors import DriverError, PortError, PortGone, ReplyTimeout, WireError
from potentiostat_drivers.methodscript.wire import Event, parse_line
from potentiostat_drivers.transport import LineTransport


@dataclass(frozen=True, slots=True)
class Garbled:
    """A line that could not be read."""

    error: WireError


class Overtaken(Exception):
    """Another conversation took the port and stopped what ran; ``failure`` says why that could not be shown, if so."""

    def __init__(self, failure: DriverError | None) -> None:
        super().__init__("the conversation was overtaken")
        self.failure = failure


class Deadline:
    """A moment in wall time, ``total_second`` from its making; shared by the waits of one exchange."""

    def __init__(self, total_second: float) -> None:
        self.total_second = total_second
        self.when = asyncio.get_running_loop().time() + total_second

    def left(self) -> float:
        """Seconds until then, not below zero."""
        return max(0.0, self.when - asyncio.get_running_loop().time())


class Inbox:
    """The events of one conversation, in order."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: asyncio.Queue[Event | Garbled | DriverError | Overtaken] = asyncio.Queue()

    def put(self, arrived: Event | Garbled | DriverError | Overtaken) -> None:
        """Add what arrived; an error is raised to the reader, in its turn."""
        self._queue.put_nowait(arrived)

    async def next(self, request: str, deadline: Deadline) -> Event | Garbled:
        """What arrives next.

        Raises:
            ReplyTimeout: nothing before ``deadline``; ``request`` names what was waited for.
            PortError: the link has ended.
            Overtaken: another conversation took over.
        """
        try:
            async with asyncio.timeout_at(deadline.when):
                arrived = await self._queue.get()
        except TimeoutError:
            raise ReplyTimeout(self._url, request, deadline.total_second) from None
        if isinstance(arrived, DriverError):
            self._queue.put_nowait(arrived)
            raise arrived
        if isinstance(arrived, Overtaken):
            raise arrived
        return arrived

    def drain(self) -> None:
        """Forget what has arrived, but not that the link has ended."""
        while not self._queue.empty():
            arrived = self._queue.get_nowait()
            if isinstance(arrived, DriverError):
                self._queue.put_nowait(arrived)
                return


class Link:
    """A transport, its reader task, and the present holder's inbox."""

    def __init__(self, transport: LineTransport) -> None:
        self._transport = transport
        self._task: asyncio.Task[None] | None = None
        self._ended: DriverError | None = None
        self.current = Inbox(transport.url)

    @property
    def url(self) -> str:
        """The port, for errors."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        await self._transport.open()
        self._task = asyncio.create_task(self._read(), name=f"{self.url} events")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._transport.close()
        self._finish(PortGone(self.url, "the port was closed"))

    def take(self) -> Inbox:
        """A new conversation, which receives everything from now on."""
        self.current = Inbox(self.url)
        if self._ended is not None:
            self.current.put(self._ended)
        return self.current

    async def write(self, data: bytes) -> None:
        """Send ``data``. Raises `PortGone`."""
        await self._transport.write(data)

    async def _read(self) -> None:
        try:
            async for line in self._transport.lines():
                self.current.put(_event(line))
        except (PortError, WireError) as error:
            self._finish(error)
        else:
            self._finish(PortGone(self.url, "the port was closed"))

    def _finish(self, why: DriverError) -> None:
        if self._ended is None:
            self._ended = why if isinstance(why, PortError) else PortGone(self.url, str(why))
            self.current.put(self._ended)


def _event(line: bytes) -> Event | Garbled:
    try:
        return parse_line(line)
    except WireError as error:
        return Garbled(error)
