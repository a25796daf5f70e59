"""Where hosts connect: a TCP port or a pseudo-terminal, behind one face. Bytes only; nothing here knows a language.

A link never blocks its channel: what nobody takes beyond a bounded backlog is dropped whole (`reader_absent: drop`), or the
channel asks `Link.ready` and stalls (`stall`). Of two TCP clients the newer one has the port, as after a half-open connection.

What can go wrong with a port is here as plain commands (`Link.drop`, `Link.mute`, `Link.unplug`, …); who says when is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import struct
import tempfile
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

BACKLOG_BYTES = 1 << 20
_PEER_POLL_SECOND = 0.02
_READ_BYTES = 65_536


class Link(ABC):
    """One port. ``received`` and ``lost`` are set by whoever owns it, before `open`. ``onlookers`` are told of
    all bytes, ``from_host`` and ``to_host``.
    """

    def __init__(self) -> None:
        self.received: Callable[[bytes], None] = _ignore
        self.onlookers: list[Callable[[str, bytes], None]] = []
        self.lost: Callable[[], None] = _nothing
        self.dropped_bytes = 0
        self.refusing = False
        self.sent_bytes = 0
        self.received_bytes = 0
        self._able = asyncio.Event()
        self._muted = False

    @property
    @abstractmethod
    def url(self) -> str:
        """How a host reaches it."""

    @property
    @abstractmethod
    def present(self) -> bool:
        """Whether a host is there. ``sent_bytes`` and ``received_bytes`` count what its connection has carried."""

    @abstractmethod
    async def open(self) -> None:
        """Begin to listen."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening and let the host go."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Give bytes to the host, or drop them when nobody takes them."""

    @abstractmethod
    def blocked(self) -> bool:
        """Whether nobody takes bytes now."""

    @abstractmethod
    def drop(self) -> None:
        """Cut the present connection, at once and without a farewell."""

    @abstractmethod
    def unplug(self) -> None:
        """Cut the connection and have no port any more."""

    @abstractmethod
    def plug(self, *, elsewhere: bool = False) -> None:
        """Have a port again, after `unplug`: the same one, or another."""

    def mute(self) -> None:
        """Nothing passes on the present connection any more, either way, and neither side is told. The next one is sound."""
        self._muted = True

    async def ready(self) -> bool:
        """Wait while `blocked`; whether there was anything to wait for."""
        waited = False
        while self.blocked():
            waited = True
            self._able.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PEER_POLL_SECOND):
                    await self._able.wait()
        return waited

    def _take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        for onlooker in self.onlookers:
            onlooker("from_host", data)
        self.received(data)

    def _note_sent(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        for onlooker in self.onlookers:
            onlooker("to_host", data)

    def _count_anew(self) -> None:
        self.sent_bytes = self.received_bytes = 0


def _ignore(_data: bytes) -> None:
    """Nobody owns this link yet."""


def _nothing() -> None:
    """Nobody owns this link yet."""


class TcpLink(Link):
    """A port on 127.0.0.1, chosen by the system unless one is given."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self._port = port
        self._server: asyncio.Server | None = None
        self._transport: asyncio.Transport | None = None
        self._opening: tuple[asyncio.Task[None], socket.socket] | None = None

    @property
    def url(self) -> str:
        """See `Link.url`."""
        return f"socket://127.0.0.1:{self._port}"

    @property
    def present(self) -> bool:
        """See `Link.present`."""
        return self._transport is not None

    async def open(self) -> None:
        """See `Link.open`."""
        await self._listen(self._bound(self._port))

    def close(self) -> None:
        """See `Link.close`."""
        self.unplug()

    def unplug(self) -> None:
        """See `Link.unplug`."""
        if self._opening is not None:
            task, listener = self._opening
            task.cancel()
            listener.close()
            self._opening = None
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def plug(self, *, elsewhere: bool = False) -> None:
        """See `Link.plug`. The port is taken at once; `url` stays what it was at first."""
        listener = self._bound(0 if elsewhere else self._port)
        task = asyncio.get_running_loop().create_task(self._listen(listener), name=f"listen for {self.url}")
        self._opening = (task, listener)

    def _bound(self, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            raise
        if not self._port:
            self._port = listener.getsockname()[1]
        return listener

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=listener)
        self._opening = None

    def send(self, data: bytes) -> None:
        """See `Link.send`."""
        transport = self._transport
        if transport is None or self._muted or transport.get_write_buffer_size() > BACKLOG_BYTES:
            self.dropped_bytes += len(data)
        else:
            self._note_sent(data)
            transport.write(data)

    def blocked(self) -> bool:
        """See `Link.blocked`."""
        return self._transport is None or self._transport.get_write_buffer_size() > BACKLOG_BYTES // 16

    def drop(self) -> None:
        """See `Link.drop`: a reset, as a router or a dying process sends it."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                peer = self._transport.get_extra_info("socket")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def hang_up(self) -> None:
        """End the connection politely, after what is still to be sent."""
        if self._transport is not None:
            self._transport.close()

    def connected(self, transport: asyncio.Transport) -> None:
        """A client came."""
        if self.refusing:
            transport.close()
            return
        if self._transport is not None:
            self._transport.abort()
            self.lost()
        self._transport = transport
        self._muted = False
        self._count_anew()
        self._able.set()

    def disconnected(self, transport: asyncio.BaseTransport | None) -> None:
        """A client went."""
        if transport is self._transport:
            self._transport = None
            self.lost()

    def data(self, transport: asyncio.BaseTransport | None, data: bytes) -> None:
        """A client sent bytes."""
        if transport is self._transport and not self._muted:
            self._take(data)


class _Connection(asyncio.Protocol):
    """One client of a `TcpLink`."""

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._link.connected(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._link.disconnected(self._transport)

    def data_received(self, data: bytes) -> None:
        self._link.data(self._transport, data)


class PtyLink(Link):
    """A pseudo-terminal. The host opens the path; as long as it has not, or has closed it, output is dropped.

    The path is a symbolic link, as serial devices have by their id, and stays the same over reconnections and unplugging. Whether
    somebody holds the other end is polled, because the kernel only tells about it by an error that repeats for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._directory = Path(tempfile.mkdtemp(prefix="emulated-"))
        self._path = self._directory / "serial"
        self._poll = select.poll()
        self._master = -1
        self._present = False
        self._pending = b""
        self._task: asyncio.Task[None] | None = None
        self.plug()

    @property
    def url(self) -> str:
        """See `Link.url`."""
        return str(self._path)

    @property
    def present(self) -> bool:
        """See `Link.present`."""
        return self._present

    async def open(self) -> None:
        """See `Link.open`."""
        self._task = asyncio.get_running_loop().create_task(self._watch(), name=f"watch {self._path}")

    def close(self) -> None:
        """See `Link.close`."""
        if self._task is not None:
            self._task.cancel()
        self.unplug()
        with contextlib.suppress(OSError):
            self._directory.rmdir()

    def unplug(self) -> None:
        """See `Link.unplug`: the device is gone, and so is its name."""
        self._leave()
        if self._master >= 0:
            self._poll.unregister(self._master)
            os.close(self._master)
            self._master = -1
        for name in self._directory.iterdir():
            name.unlink()

    def plug(self, *, elsewhere: bool = False) -> None:
        """See `Link.plug`."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        (self._directory / "moved" if elsewhere else self._path).symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll.register(self._master, 0)

    async def _watch(self) -> None:
        while True:
            hung_up = any(event & select.POLLHUP for _, event in self._poll.poll(0))
            if self._master >= 0 and not hung_up and not self._present and not self.refusing:
                self._present = True
                self._muted = False
                self._count_anew()
                asyncio.get_running_loop().add_reader(self._master, self._readable)
                self._able.set()
            await asyncio.sleep(_PEER_POLL_SECOND)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and not self._muted:
            self._take(data)
        elif not data:
            self._leave()

    def _leave(self) -> None:
        if self._present:
            self._present = False
            self._pending = b""
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            self.lost()

    def send(self, data: bytes) -> None:
        """See `Link.send`."""
        if not self._present or self._muted or len(self._pending) > BACKLOG_BYTES:
            self.dropped_bytes += len(data)
            return
        self._note_sent(data)
        self._pending += data
        self._writable()

    def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            written = os.write(self._master, self._pending)
        except BlockingIOError:
            written = 0
        except OSError:
            self._leave()
            return
        self._pending = self._pending[written:]
        if self._pending:
            loop.add_writer(self._master, self._writable)
        else:
            loop.remove_writer(self._master)
            self._able.set()

    def blocked(self) -> bool:
        """See `Link.blocked`."""
        return not self._present or len(self._pending) > BACKLOG_BYTES // 16

    def drop(self) -> None:
        """See `Link.drop`: the device goes and comes back at once, as after a bus reset."""
        self.unplug()
        self.plug()
