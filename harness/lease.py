"""The lease on an emulator's self-advancing time: its time jumps only while this process has nothing to do. The client's side.

Who runs a station in such time needs `QuietLoop`. Each time the loop is about to block, every task waits; the emulator is then
told up to which bytes of each port everything has been dealt with, and until when nothing will be done unless something arrives.
It jumps, and says what time it has become. Bytes on their way and whatever stands in `Lease.held` keep time from moving, so a
slow machine makes a run take longer and changes nothing in it.

Instrument time goes by jumps; wall time that somebody has to wait for (a pause on the wire, a reply that does not come) passes
while emulated time stands. A lost emulator is a connection that ends: the lease is taken anew until it is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from harness.errors import BadInput
from harness.units import NANOSECOND

ENTRY = "@control"
"""Where an emulator's ports file has its control port."""
TOKEN_HEADER = "X-Emulator-Token"  # noqa: S105 - the name of a header
_AGAIN_SECOND = 0.5
_LATER = 10 * 365 * 86_400 * NANOSECOND
_ANSWER_SECOND = 10.0


class _Selector(selectors.DefaultSelector):
    """Asks before it would block; ``True`` means that the answer made something runnable."""

    asked: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.asked is not None and (timeout is None or timeout > 0.0) and self.asked():
            timeout = 0.0
        return super().select(timeout)


class QuietLoop(asyncio.SelectorEventLoop):
    """asyncio's selector loop, which says when it is about to block."""

    def __init__(self) -> None:
        self._asking = _Selector()
        super().__init__(self._asking)

    def when_quiet(self, asked: Callable[[], bool] | None) -> None:
        """``asked`` is called each time the loop is about to block, and says whether it made something runnable."""
        self._asking.asked = asked


@dataclass(frozen=True, slots=True)
class EmulatorAddress:
    """Where an emulator's control port is, what opens it, and which of its channels has which address."""

    url: str
    token: str
    channels: Mapping[str, str]


def read_address(ports: Path) -> EmulatorAddress:
    """What an emulator's ports file says.

    Raises:
        BadInput: there is no such file, or it names no control port.
    """
    try:
        told = json.loads(ports.read_text(encoding="utf-8"))
        control = told.pop(ENTRY)
        return EmulatorAddress(control["url"], control["token"], {entry["url"]: name for name, entry in told.items()})
    except OSError as error:
        raise BadInput(
            str(ports), f"the emulator's ports file cannot be read ({error.strerror}); start the emulator first"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(str(ports), "is not a ports file with a control port; start the emulator with --ports") from None


@dataclass(frozen=True, slots=True)
class _Limit:
    """A deadline in emulated time, from when the emulator hears of it."""

    ahead_nanosecond: int
    timeout: asyncio.Timeout


@dataclass(slots=True)
class _Counted:
    """Bytes of one connection."""

    received: int = 0
    sent: int = 0


@dataclass(slots=True, eq=False)
class Lease:
    """One process's lease. Enter `living` before anything else is used."""

    address: EmulatorAddress
    holder: str
    slack_second: float = 0.0
    now_nanosecond: int = 0
    _sent: dict[str, int] = field(default_factory=dict)
    _counted: dict[str, _Counted] = field(default_factory=dict)
    _limits: dict[str, _Limit] = field(default_factory=dict)
    _limit_count: int = 0
    _busy: int = 0
    _said: object = None
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _speaking: asyncio.Event = field(default_factory=asyncio.Event)
    _questions: int = 0
    _answers: dict[int, asyncio.Future[int]] = field(default_factory=dict)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Hold the lease while the context lasts.

        Raises:
            BadInput: nobody answers at the control port, or its time does not advance by itself.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, QuietLoop):
            raise TypeError("a lease needs a QuietLoop")
        async with aiohttp.ClientSession(headers={TOKEN_HEADER: self.address.token}) as session:
            self._socket = await self._taken(session)
            life = loop.create_task(self._live(session), name="lease")
            loop.when_quiet(self._quiet)
            try:
                yield
            finally:
                loop.when_quiet(None)
                life.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await life

    # -- what its users call

    @property
    def latest_nanosecond(self) -> int:
        """The time, if it is known as of everything received; else a moment that is later for certain."""
        behind = any(counted.received > self._sent.get(name, 0) for name, counted in self._counted.items())
        return self.now_nanosecond + _LATER if behind else self.now_nanosecond

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[int]:
        """Emulated time stands while the context lasts; yields what time it is."""
        with self.held():
            yield await self._ask()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Something is being done that does not show by running: time is not let go meanwhile."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    @asynccontextmanager
    async def timeout(self, instrument_second: float) -> AsyncIterator[None]:
        """Raise `TimeoutError` when so much emulated time has passed."""
        async with asyncio.timeout(None) as timeout:
            self._limit_count += 1
            name = str(self._limit_count)
            self._limits[name] = _Limit(round(instrument_second * NANOSECOND), timeout)
            try:
                yield
            finally:
                del self._limits[name]

    def watch(self, url: str) -> Callable[[str, bytes], None] | None:
        """Who counts the bytes of a new connection to ``url``; ``None`` for one that is not the emulator's."""
        name = self.address.channels.get(url)
        if name is None:
            return None
        counted = self._counted[name] = _Counted()
        self._sent.pop(name, None)

        def count(direction: str, data: bytes) -> None:
            if direction == "rx":
                counted.received += len(data)
            else:
                counted.sent += len(data)

        return count

    def forget(self, url: str) -> None:
        """The connection to ``url`` has ended."""
        self._counted.pop(self.address.channels.get(url, ""), None)

    # -- its life

    def _quiet(self) -> bool:
        """Every task waits: say so, if that is news."""
        if self._busy or self._socket is None:
            return False
        saying = self._wait()
        if saying == self._said:
            return False
        self._said = saying
        self._speaking.set()
        return True

    def _wait(self) -> dict[str, object]:
        untils = {name: limit.ahead_nanosecond for name, limit in self._limits.items()}
        return {"wait": untils, "traffic": {name: [counted.received, counted.sent] for name, counted in self._counted.items()}}

    async def _ask(self) -> int:
        """Have time stand, and learn what time it is."""
        if self._socket is None:
            return self.now_nanosecond
        self._questions += 1
        number, self._said = self._questions, None
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_str(json.dumps({"hold": number}))
            return int(await answer)
        except (OSError, aiohttp.ClientError):
            return self.now_nanosecond
        finally:
            del self._answers[number]

    async def _live(self, session: aiohttp.ClientSession) -> None:
        while True:
            if self._socket is not None:
                speaking = asyncio.create_task(self._speak(self._socket), name="lease speaks")
                try:
                    await self._listen(self._socket)
                finally:
                    speaking.cancel()
            self._socket, self._said = None, None
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result(self.now_nanosecond)
            await asyncio.sleep(_AGAIN_SECOND)
            with contextlib.suppress(BadInput):
                self._socket = await self._taken(session)

    async def _taken(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        url = self.address.url
        try:
            async with asyncio.timeout(_ANSWER_SECOND):
                async with session.post(
                    f"{url}/lease", json={"holder": self.holder, "slack_second": self.slack_second}
                ) as answer:
                    told = await answer.json(content_type=None)
                    if answer.status != 200:
                        raise BadInput(url, f"the emulator gives no lease on its time ({told}); its clock must be self_advancing")
                socket = await session.ws_connect(f"{url}/lease/{told['lease']}/stream")
        except (OSError, ValueError, KeyError, TimeoutError, aiohttp.ClientError) as error:
            raise BadInput(url, f"the emulator's control port does not answer ({type(error).__name__}); is it running?") from None
        self.now_nanosecond = max(self.now_nanosecond, int(told["now_nanosecond"]))
        return socket

    async def _speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._speaking.wait()
            self._speaking.clear()
            if self._said is not None:
                await socket.send_str(json.dumps(self._said))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            told = json.loads(message.data)
            self.now_nanosecond = max(self.now_nanosecond, told["now"])
            self._sent = told["sent"]
            self._said = None
            for number, answer in self._answers.items():
                if told["hold"] is not None and number <= told["hold"] and not answer.done():
                    answer.set_result(told["now"])
            for name in told["over"]:
                if name in self._limits:
                    self._limits[name].timeout.reschedule(asyncio.get_running_loop().time())
