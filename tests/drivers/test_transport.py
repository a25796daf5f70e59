import asyncio
import contextlib
import json
import os
import socket
import threading
import tty
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from potentiostat_drivers.clock import SystemClock
from potentiostat_drivers.errors import PortGone, PortUnavailable, WireError
from potentiostat_drivers.lines import LONGEST_LINE_BYTE
from potentiostat_drivers.transport import Capture, LineTransport, line_transport

posix_only = pytest.mark.skipif(not hasattr(os, "openpty"), reason="pseudo-terminals exist on POSIX only")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, and see that it leaves neither task nor thread behind."""
    before = set(threading.enumerate())

    async def watched() -> None:
        async with asyncio.timeout(20):
            await main
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(watched())
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"{thread.name} still runs"


@contextmanager
def device() -> Iterator[tuple[int, str]]:
    """A serial device: the file descriptor of its far end, and its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    try:
        yield master, path
    finally:
        with contextlib.suppress(OSError):  # a test may have unplugged it
            os.close(master)


@asynccontextmanager
async def opened(url: str, hook: Capture | None = None) -> AsyncIterator[LineTransport]:
    transport = line_transport(url, hook)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()
        await transport.close()


@asynccontextmanager
async def server(*chunks: bytes) -> AsyncIterator[tuple[str, list[bytes], asyncio.Event]]:
    """A TCP server that sends ``chunks`` and hangs up when told to; its URL, what it was sent, and the telling."""
    heard: list[bytes] = []
    hang_up = asyncio.Event()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        while not hang_up.is_set():
            data = await reader.readline()
            if not data:
                break
            heard.append(data)
            hang_up.set()
        writer.close()
        done.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"socket://127.0.0.1:{port}", heard, hang_up
        await done.wait()


@posix_only
def test_serial_device_carries_lines_both_ways() -> None:
    """What is written arrives as it is, and what comes is cut into lines, without flow control, spaces kept."""

    async def main() -> None:
        with device() as (master, path):
            async with opened(path) as transport:
                await transport.write(b"t\n")
                assert os.read(master, 10) == b"t\n"
                lines = aiter(transport.lines())
                os.write(master, b"\x11tes4_hr")
                os.write(master, b"1500\nPeb8000000 \n\n")
                assert [await anext(lines), await anext(lines), await anext(lines)] == [b"tes4_hr1500", b"Peb8000000 ", b""]

    run(main())


@posix_only
def test_serial_reader_never_waits_for_its_consumer() -> None:
    """Ten thousand lines are taken from the device while nobody asks for them, and none is lost."""

    async def main() -> None:
        with device() as (master, path):
            async with opened(path) as transport:
                sent = b"".join(b"P%06d\n" % number for number in range(10_000))

                def fill() -> None:
                    left = memoryview(sent)
                    while left:
                        left = left[os.write(master, left) :]

                await asyncio.get_running_loop().run_in_executor(None, fill)
                lines = aiter(transport.lines())
                got = [await anext(lines) for _ in range(10_000)]
                assert b"\n".join(got) + b"\n" == sent

    run(main())


@posix_only
def test_vanished_device_is_port_gone_for_reader_and_writer() -> None:
    """A device that is unplugged ends the lines with one error; so does writing to it afterwards."""

    async def main() -> None:
        with device() as (master, path):
            async with opened(path) as transport:
                lines = aiter(transport.lines())
                os.write(master, b"P1\nP2")
                assert await anext(lines) == b"P1"
                os.close(master)
                with pytest.raises(PortGone, match="the device has gone") as caught:
                    await anext(lines)
                assert caught.value.url == path
                with pytest.raises(PortGone):
                    await transport.write(b"Z\n")

    run(main())


@posix_only
def test_second_opening_is_refused() -> None:
    """One process, one owner: the second one is told so."""

    async def main() -> None:
        with device() as (_, path):
            async with opened(path):
                with pytest.raises(PortUnavailable, match="in use by another process"):
                    await line_transport(path).open()
            async with opened(path):
                pass

    run(main())


@posix_only
def test_closing_ends_the_lines_without_an_error() -> None:
    """Our own closing is not a loss."""

    async def main() -> None:
        with device() as (_, path):
            transport = line_transport(path)
            await transport.open()
            reading = asyncio.create_task(_drain(transport))
            await asyncio.sleep(0)
            await transport.close()
            assert await reading == []
            with pytest.raises(PortGone, match="closed"):
                await transport.write(b"t\n")

    run(main())


@posix_only
def test_device_that_takes_nothing_is_gone() -> None:
    """A write that blocks, as after an XOFF, does not block for ever."""

    async def main() -> None:
        with device() as (_, path):
            async with opened(path) as transport:
                with pytest.raises(PortGone, match=r"nothing was taken within 0\.2 s"):
                    await transport.write(b"x" * 1_000_000, 0.2)

    run(main())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/dev/no-such-device", "there is no such device"),
        ("/dev/no-such-device?baud=fast", "could not be opened"),
        ("socket://127.0.0.1", "lacks a host or a port"),
        ("socket://127.0.0.1:notaport", "lacks a host or a port"),
        ("rfc2217://", "lacks a host or a port"),
        ("http://127.0.0.1:80", "http:// is no kind of port"),
    ],
)
def test_unusable_url_is_one_sentence(url: str, why: str) -> None:
    """What cannot be opened says what it was and why."""

    async def main() -> None:
        with pytest.raises(PortUnavailable, match=why) as caught:
            await line_transport(url).open()
        assert str(caught.value).startswith(f"{url}: ")

    run(main())


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_refused_connection_is_unavailable(scheme: str) -> None:
    """A port at which nobody listens says so."""

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(PortUnavailable, match=r"refused"):
                await line_transport(url).open()

    run(main())


def test_socket_carries_lines_however_they_are_cut() -> None:
    """Pieces of lines are joined; what is left without a line feed at the end is dropped with the link."""

    async def main() -> None:
        async with server(b"tes4", b"_hr1500\nR*\nhalf") as (url, heard, _), opened(url) as transport:
            lines = aiter(transport.lines())
            assert [await anext(lines), await anext(lines)] == [b"tes4_hr1500", b"R*"]
            await transport.write(b"t\n")
            with pytest.raises(PortGone, match="the other end closed"):
                await anext(lines)
            assert heard == [b"t\n"]

    run(main())


def test_socket_closing_ends_the_lines_without_an_error() -> None:
    """Our own closing is not a loss."""

    async def main() -> None:
        async with server() as (url, _, _):
            transport = line_transport(url)
            await transport.open()
            reading = asyncio.create_task(_drain(transport))
            await asyncio.sleep(0)
            await transport.close()
            assert await reading == []
            with pytest.raises(PortGone, match="closed"):
                await transport.write(b"t\n")

    run(main())


def test_socket_keeps_alive() -> None:
    """A half-open link is noticed without any traffic of ours."""

    async def main() -> None:
        async with server() as (url, _, _), opened(url) as transport:
            link: socket.socket = transport._writer.get_extra_info("socket")  # type: ignore[attr-defined]  # a look inside
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 40_000

    run(main())


def test_socket_noise_is_a_wire_error() -> None:
    """A peer that never sends a line feed does not fill the memory."""

    async def main() -> None:
        async with server(b"x" * (LONGEST_LINE_BYTE + 10)) as (url, _, _), opened(url) as transport:
            with pytest.raises(WireError, match="no line feed"):
                await anext(aiter(transport.lines()))

    run(main())


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5 starts its thread the old way
def test_rfc2217_carries_lines_and_ends() -> None:
    """A serial port behind a server works like one of our own, and its loss is noticed."""

    async def main() -> None:
        with _SerialServer() as (url, end):
            async with opened(url) as transport:
                await transport.write(b"tes4_hr\xff\nR*\n")
                lines = aiter(transport.lines())
                assert [await anext(lines), await anext(lines)] == [b"tes4_hr\xff", b"R*"]
                end()
                with pytest.raises(PortGone):
                    await anext(lines)

    run(main())


def test_capture_records_every_byte_both_ways(tmp_path: Path) -> None:
    """The recording holds the bytes as they passed, with their times, and can be replayed."""

    async def main() -> None:
        path = tmp_path / "raw.jsonl"
        with Capture(path, SystemClock()) as capture:
            async with server(b"\xff\x11P\n") as (url, _, _), opened(url, capture) as transport:
                lines = aiter(transport.lines())
                assert await anext(lines) == b"\xffP"
                await transport.write(b"Z\n")
        capture("rx", b"too late")
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [(record["direction"], record["data"].encode("latin-1")) for record in records] == [
            ("rx", b"\xff\x11P\n"),
            ("tx", b"Z\n"),
        ]
        assert records[0]["time"] <= records[1]["time"]

    run(main())


async def _drain(transport: LineTransport) -> list[bytes]:
    return [line async for line in transport.lines()]


class _SerialServer:
    """An RFC 2217 server on this machine with a serial port whose output is its input; pyserial's own server side."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._link: socket.socket | None = None
        self._port = serial.serial_for_url("loop://", timeout=0.05)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> tuple[str, Any]:
        self._threads[0].start()
        return f"rfc2217://127.0.0.1:{self._listening.getsockname()[1]}", self._end

    def __exit__(self, *exc: object) -> None:
        self._end()
        self._listening.close()
        for thread in self._threads:
            thread.join(5)
        self._port.close()

    def _end(self) -> None:
        self._ended.set()
        if self._link is not None:
            try:
                self._link.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def write(self, data: bytes) -> None:
        """Called by the manager to answer negotiations."""
        assert self._link is not None
        self._link.sendall(data)

    def _serve(self) -> None:
        self._link, _ = self._listening.accept()
        manager = serial.rfc2217.PortManager(self._port, self)  # type: ignore[arg-type]  # the stubs ask for too much
        self._threads.append(threading.Thread(target=self._forward, args=(manager,)))
        self._threads[1].start()
        try:
            while data := self._link.recv(1024):
                self._port.write(b"".join(manager.filter(data)))
        except OSError:
            return
        finally:
            self._ended.set()
            self._link.close()

    def _forward(self, manager: Any) -> None:
        while not self._ended.is_set():
            data = self._port.read(self._port.in_waiting or 1)
            try:
                if data:
                    self.write(b"".join(manager.escape(data)))
            except OSError:
                return
