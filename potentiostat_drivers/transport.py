"""The serial door: lines of bytes to and from an instrument, whatever the cable. The one module that imports `serial`.

``/dev/ttyACM0`` or ``COM3``   pyserial, opened exclusively, one reader thread per port that never waits for its consumer
``/dev/ttyUSB0?baud=230400``   the same with another speed (default 921600; USB-CDC instruments ignore it)
``rfc2217://host:port``        pyserial's own client in the same thread
``socket://host:port``         asyncio, with keep-alive, so that a dead peer is noticed

All end the same way: a port that cannot be opened is `PortUnavailable`, one that was open and has ended is `PortGone`. Modem
lines are never set by us. What is not here: the meaning of a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self, TextIO
from urllib.parse import parse_qs, urlsplit

import serial

from potentiostat_drivers.clock import Clock
from potentiostat_drivers.errors import PortGone, PortUnavailable
from potentiostat_drivers.lines import LineSplitter

DEFAULT_BAUD = 921_600
WRITE_TIMEOUT_SECOND = 5.0
_OPEN_TIMEOUT_SECOND = 10.0
_POLL_SECOND = 0.2
_KEEPALIVE_IDLE_SECOND = 20
_KEEPALIVE_INTERVAL_SECOND = 5
_KEEPALIVE_COUNT = 4
_USER_TIMEOUT_MILLISECOND = 40_000
_READ_BYTE = 65_536

Hook = Callable[[str, bytes], None]
"""Called with ``"rx"`` or ``"tx"`` and the bytes as they passed."""


class LineTransport(Protocol):
    """A cable with an instrument at its end. Opened once, closed once."""

    @property
    def url(self) -> str:
        """What it was opened with; names it in errors."""

    async def open(self) -> None:
        """Connect. Raises `PortUnavailable`."""

    async def write(self, data: bytes, timeout_second: float = WRITE_TIMEOUT_SECOND) -> None:
        """Send all of ``data``; concurrent calls are sent in the order of calling. Raises `PortGone`, also when it takes
        longer than ``timeout_second``: an instrument that takes nothing is as good as gone.
        """

    def lines(self) -> AsyncIterator[bytes]:
        """The lines that arrive, without their line feeds; one consumer. Ends when closed by us, raises `PortGone` when the
        other end goes, `WireError` when what comes has no lines.
        """

    async def close(self) -> None:
        """Let go of the port; idempotent, raises nothing, leaves no thread and no task."""


class Capture:
    """Everything that passes a transport, byte for byte, as JSON lines ``{"time", "direction", "data"}``.

    ``time`` is the clock's monotonic second; ``data`` maps each byte to the character of the same number (Latin-1).
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __call__(self, direction: str, data: bytes) -> None:
        """Record ``data``; nothing is recorded before entering and after leaving."""
        if self._file is not None:
            record = {"time": self._clock.monotonic(), "direction": direction, "data": data.decode("latin-1")}
            self._file.write(json.dumps(record) + "\n")


def together(*hooks: Hook | None) -> Hook | None:
    """One hook for all that are there."""
    present = [hook for hook in hooks if hook is not None]
    if len(present) < 2:
        return present[0] if present else None

    def each(direction: str, data: bytes) -> None:
        for hook in present:
            hook(direction, data)

    return each


def line_transport(url: str, hook: Hook | None = None) -> LineTransport:
    """The transport for ``url``, not yet open.

    Raises:
        PortUnavailable: ``url`` names a kind of port that does not exist, or lacks host or port.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    match scheme:
        case "":
            return SerialTransport(url, hook)
        case "rfc2217":
            _host_and_port(url)
            return SerialTransport(url, hook)
        case "socket":
            return SocketTransport(url, hook)
        case _:
            raise PortUnavailable(
                url, f"{scheme}:// is no kind of port; use a device path, socket://host:port or rfc2217://host:port"
            )


class SocketTransport:
    """A TCP connection."""

    def __init__(self, url: str, hook: Hook | None = None) -> None:
        self.url = url
        self._host, self._port = _host_and_port(url)
        self._hook = hook
        self._lock = asyncio.Lock()
        self._closing = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Connect, with keep-alive switched on."""
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_SECOND):
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        except TimeoutError:
            raise PortUnavailable(self.url, f"no answer within {_OPEN_TIMEOUT_SECOND:g} s") from None
        except OSError as error:
            raise PortUnavailable(self.url, _why_not_open(error)) from error
        _keep_alive(self._writer)

    async def write(self, data: bytes, timeout_second: float = WRITE_TIMEOUT_SECOND) -> None:
        """Send all of ``data``."""
        async with self._lock:
            if self._writer is None or self._closing:
                raise PortGone(self.url, "the port is closed")
            if self._hook:
                self._hook("tx", data)
            try:
                async with asyncio.timeout(timeout_second):
                    self._writer.write(data)
                    await self._writer.drain()
            except TimeoutError:
                raise PortGone(self.url, f"nothing was taken within {timeout_second:g} s") from None
            except OSError as error:
                raise PortGone(self.url, f"the connection ended ({error})") from error

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines that arrive."""
        splitter = LineSplitter()
        while (data := await self._receive()) is not None:
            for line in splitter.feed(data):
                yield line

    async def close(self) -> None:
        """Let go of the connection."""
        self._closing = True
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(WRITE_TIMEOUT_SECOND):
                await writer.wait_closed()

    async def _receive(self) -> bytes | None:
        """What comes next; None after our own close."""
        if self._reader is None:
            raise PortGone(self.url, "the port is closed")
        try:
            data = await self._reader.read(_READ_BYTE)
        except OSError as error:
            data, why = b"", f"the connection ended ({error})"
        else:
            why = "the other end closed the connection"
        if data:
            if self._hook:
                self._hook("rx", data)
            return data
        if self._closing:
            return None
        raise PortGone(self.url, why)


class SerialTransport:
    """A serial device, or one behind an RFC 2217 server, read by one thread and written by another."""

    def __init__(self, url: str, hook: Hook | None = None) -> None:
        self.url = url
        self._hook = hook
        self._arrived: asyncio.Queue[bytes | PortGone | None] = asyncio.Queue()
        self._closing = threading.Event()
        self._port: serial.Serial | None = None
        self._reader: threading.Thread | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"{url} writer")

    async def open(self) -> None:
        """Open the device for us alone and start its reader."""
        loop = asyncio.get_running_loop()
        try:
            self._port = await loop.run_in_executor(self._executor, _open_serial, self.url)
        except (OSError, ValueError) as error:
            self._executor.shutdown(wait=False)
            raise PortUnavailable(self.url, _why_not_open(error)) from error
        self._reader = threading.Thread(target=self._read, args=(self._port, loop), name=f"{self.url} reader", daemon=True)
        self._reader.start()

    async def write(self, data: bytes, timeout_second: float = WRITE_TIMEOUT_SECOND) -> None:
        """Send all of ``data``."""
        if self._port is None or self._closing.is_set():
            raise PortGone(self.url, "the port is closed")
        loop = asyncio.get_running_loop()
        if self._hook:
            self._hook("tx", data)
        try:
            async with asyncio.timeout(timeout_second + 1.0):
                await loop.run_in_executor(self._executor, self._write, self._port, data, timeout_second)
        except (TimeoutError, serial.SerialTimeoutException):
            raise PortGone(self.url, f"nothing was taken within {timeout_second:g} s") from None
        except OSError as error:
            raise PortGone(self.url, f"the device has gone ({error})") from error

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines that arrive."""
        splitter = LineSplitter()
        while (arrived := await self._arrived.get()) is not None:
            if isinstance(arrived, PortGone):
                raise arrived
            if self._hook:
                self._hook("rx", arrived)
            for line in splitter.feed(arrived):
                yield line

    async def close(self) -> None:
        """Stop the reader, then let go of the device."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._port is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._let_go, self._port)
        self._executor.shutdown(wait=False)
        self._arrived.put_nowait(None)

    def _write(self, port: serial.Serial, data: bytes, timeout_second: float) -> None:
        """In the writer thread. RFC 2217 ports know no write timeout; there the caller's own one holds."""
        if not self.url.startswith("rfc2217://"):
            port.write_timeout = timeout_second
        port.write(data)

    def _read(self, port: serial.Serial, loop: asyncio.AbstractEventLoop) -> None:
        """In the reader thread: hands over what comes, and the one reason for ending."""
        why = "the port was closed"
        while not self._closing.is_set():
            try:
                data = port.read(port.in_waiting or 1)
            except (OSError, TypeError) as error:
                why = f"the device has gone ({error})"
                break
            if data:
                loop.call_soon_threadsafe(self._arrived.put_nowait, bytes(data))
        if not self._closing.is_set():
            loop.call_soon_threadsafe(self._arrived.put_nowait, PortGone(self.url, why))

    def _let_go(self, port: serial.Serial) -> None:
        """In the writer thread, so after every write that was begun."""
        if hasattr(port, "cancel_read"):
            port.cancel_read()
        if self._reader is not None:
            self._reader.join()
        with contextlib.suppress(OSError):
            port.close()


def _open_serial(url: str) -> serial.Serial:
    if url.startswith("rfc2217://"):
        port: serial.Serial = serial.serial_for_url(url, timeout=_POLL_SECOND)
        return port
    path, _, query = url.partition("?")
    baud = int(parse_qs(query).get("baud", [str(DEFAULT_BAUD)])[0])
    return serial.Serial(path, baud, timeout=_POLL_SECOND, write_timeout=WRITE_TIMEOUT_SECOND, exclusive=True)


def _why_not_open(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    match number:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            return "there is no such device; is it plugged in and switched on?"
        case errno.EAGAIN | errno.EBUSY | errno.EWOULDBLOCK:
            return "the device is in use by another process"
        case errno.EACCES | errno.EPERM:
            return "permission denied; add the user to the group that owns the device (usually dialout)"
        case errno.ECONNREFUSED:
            return "the connection was refused; does the server run, and is the port right?"
        case _:
            return f"it could not be opened ({error})"


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise PortUnavailable(url, f"it lacks a host or a port; write {parts.scheme}://host:port")
    return host, port


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A peer that vanished without a word is noticed within about 40 s, idle or writing, where the platform can."""
    link: socket.socket = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_SECOND),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_SECOND),
        ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", _USER_TIMEOUT_MILLISECOND),
        ("TCP_NODELAY", 1),
    ):
        if (option := getattr(socket, name, None)) is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)
