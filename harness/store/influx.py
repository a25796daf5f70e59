"""Writing to InfluxDB, and the one door to `influxdb_client`.

Lines go to ``/api/v2/write`` by `influxdb_client` (1.8, 2.x, 3.x), and to ``/write`` where the server is 1.6 or 1.7, which is
what Debian and Ubuntu install. The server is asked which one it is. Writing the same line twice leaves one point, so that a
write of unknown outcome is simply done again.

What a server says of bad lines cannot be relied on: a partial write stores the good lines, names one reason, and may count
wrongly. So the refused ones are found by writing ever smaller parts again.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self
from urllib.parse import quote

import aiohttp

from harness.errors import StoreError

Api = Literal["v1", "v2"]

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_FOR_CONTENT = frozenset({400, 413, 422})
_AT_ONCE = 4
PORTION_BYTES = 8_000_000
"""No request is larger: InfluxDB 1.x cuts the connection at 25 MB, without a word."""


@dataclass(frozen=True, slots=True)
class InfluxSettings:
    """Where the data go. ``database`` is the bucket on 2.x; ``token`` is ``user:password`` on 1.x, and ``None`` is no login."""

    url: str
    database: str
    token: str | None = field(default=None, repr=False)
    org: str = ""
    timeout_second: float = 30.0

    @property
    def headers(self) -> dict[str, str]:
        """The login as HTTP headers, as every version takes it on its 1.x paths."""
        if self.token is None:
            return {}
        if ":" in self.token:
            return {"Authorization": f"Basic {base64.b64encode(self.token.encode()).decode()}"}
        return {"Authorization": f"Token {self.token}"}

    def at(self, path: str) -> str:
        """The URL of ``path`` on this server."""
        return self.url.rstrip("/") + path


@dataclass(frozen=True, slots=True)
class ServerKind:
    """What a server says it is, and how to write to it."""

    version: str
    api: Api


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said to a write: ``reason`` is empty when all of it was stored."""

    refused: bool
    reason: str


async def detect(url: str, *, timeout_second: float = 10.0) -> ServerKind:
    """Ask the server at ``url`` for its version: ``/write`` for 1.6 and 1.7, ``/api/v2/write`` for all later ones.

    Raises:
        StoreError: it cannot be reached, or does not answer as an InfluxDB.
    """
    settings = InfluxSettings(url, "")
    async with _session(timeout_second) as session:
        return await _detect(session, settings)


class InfluxWriter:
    """Writes lines to one database; an async context manager. Several writes may be under way.

    The server is asked for its version at the first write that reaches it, so that it may come up later than the writer.
    """

    def __init__(self, settings: InfluxSettings, *, force_api: Api | None = None) -> None:
        self._settings = settings
        self._force_api = force_api
        self._session: aiohttp.ClientSession | None = None
        self._sender: _Sender | None = None
        self._detecting = asyncio.Lock()
        self._reason = ""

    @property
    def reason(self) -> str:
        """What the server said of the last refused line; empty before any."""
        return self._reason

    async def __aenter__(self) -> Self:
        self._session = _session(self._settings.timeout_second)
        return self

    async def __aexit__(self, *exc: object) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def write(self, lines: Sequence[str]) -> list[int]:
        """Write ``lines``, and return once they are stored: the indexes of those that were refused for their content.

        Raises:
            StoreError: the server cannot be reached, fails, or lacks the database; nothing is known of ``lines``.
        """
        if not lines:
            return []
        refused: list[int] = []
        parts = _portions(lines)
        sender = await self._sender_now()
        while parts:
            parts = await self._write_parts(sender, lines, parts, refused)
        return sorted(refused)

    async def create_database(self) -> None:
        """Create the database on a 1.x server; an existing one is left as it is.

        Raises:
            StoreError: the server cannot be reached or refuses.
        """
        form = {"q": f"CREATE DATABASE {quoted_identifier(self._settings.database)}"}
        settings = self._settings
        try:
            async with self._open_session().post(settings.at("/query"), data=form, headers=settings.headers) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(settings.url, error) from error
        if answer.status != 200 or '"error"' in text:
            raise StoreError(settings.url, f'creating the database "{settings.database}" was refused: {text.strip()}')

    async def _write_parts(self, sender: _Sender, lines: Sequence[str], parts: list[range], refused: list[int]) -> list[range]:
        """Write every part; halves of those that hold a refused line are what remains to be written."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def send(part: range) -> _Answer:
            async with limit:
                return await sender.send("\n".join(lines[part.start : part.stop]))

        remaining: list[range] = []
        for part, answer in zip(parts, await _all_of([send(part) for part in parts]), strict=True):
            if not answer.refused:
                continue
            if len(part) == 1:
                self._reason = answer.reason
                refused.append(part.start)
            else:
                middle = part.start + len(part) // 2
                remaining += [range(part.start, middle), range(middle, part.stop)]
        return remaining

    async def _sender_now(self) -> _Sender:
        async with self._detecting:
            if self._sender is None:
                session = self._open_session()
                api = self._force_api or (await _detect(session, self._settings)).api
                self._sender = _Version1(session, self._settings) if api == "v1" else _Version2(self._settings)
            return self._sender

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("InfluxWriter is used outside its async with block")
        return self._session


class _Sender(Protocol):
    async def send(self, body: str) -> _Answer: ...

    async def close(self) -> None: ...


class _Version1:
    """``/write`` of InfluxDB 1.x."""

    def __init__(self, session: aiohttp.ClientSession, settings: InfluxSettings) -> None:
        self._session = session
        self._settings = settings
        self._url = settings.at(f"/write?db={quote(settings.database, safe='')}&precision=ns")

    async def send(self, body: str) -> _Answer:
        """Write ``body``; a connection that ends early is an outage, whatever was stored."""
        data = io.BytesIO(body.encode())  # sent in pieces, so that a large one does not hold up the event loop
        try:
            async with self._session.post(self._url, data=data, headers=self._settings.headers) as answer:
                text = "" if answer.status == 204 else await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(self._settings.url, error) from error
        return _judged(self._settings, answer.status, text)

    async def close(self) -> None:
        """Nothing of its own is open."""


class _Version2:
    """``/api/v2/write`` by influxdb-client, whose calls block and therefore run in threads."""

    def __init__(self, settings: InfluxSettings) -> None:
        # Imported here: it takes 0.3 s and 50 MB, which a 1.6 server and every reader can do without.
        from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415 - see above
        from influxdb_client.client.write_api import SYNCHRONOUS  # noqa: PLC0415 - see above

        self._settings = settings
        milliseconds = round(settings.timeout_second * 1000)
        self._client = InfluxDBClient(url=settings.url, token=settings.token or "", org=settings.org, timeout=milliseconds)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    async def send(self, body: str) -> _Answer:
        """Write ``body`` in a thread."""
        return await asyncio.to_thread(self._send, body.encode())

    async def close(self) -> None:
        """Close the client's connections."""
        await asyncio.to_thread(self._client.close)

    def _send(self, body: bytes) -> _Answer:
        from influxdb_client.rest import ApiException  # noqa: PLC0415 - see the constructor
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - what the client lets through when there is no answer

        try:
            self._api.write(bucket=self._settings.database, org=self._settings.org, record=body)
        except ApiException as error:
            return _judged(self._settings, error.status or 0, str(error.body or error.reason))
        except HTTPError as error:
            raise unreachable(self._settings.url, error) from error
        return _Answer(refused=False, reason="")


def unreachable(url: str, error: Exception) -> StoreError:
    """The complaint about a server that gave no answer."""
    return StoreError(url, f"InfluxDB did not answer ({str(error) or type(error).__name__}); check that it runs and the address")


def quoted_identifier(name: str) -> str:
    """``name`` as an InfluxQL identifier, whatever is in it."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _judged(settings: InfluxSettings, status: int, text: str) -> _Answer:
    """What a status means: stored, refused for content, or a `StoreError`."""
    reason = " ".join(text.split())
    if 200 <= status < 300:
        return _Answer(refused=False, reason="")
    if status in _FOR_CONTENT:
        return _Answer(refused=True, reason=reason)
    if status == 404:
        raise StoreError(settings.url, f'the database "{settings.database}" is not there ({reason}); create it')
    if status in (401, 403):
        raise StoreError(settings.url, f"the login was refused ({reason}); check the token file")
    raise StoreError(settings.url, f"a write was answered with HTTP {status} ({reason}); it will have to be repeated")


def _session(timeout_second: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_second))


async def _detect(session: aiohttp.ClientSession, settings: InfluxSettings) -> ServerKind:
    try:
        async with session.get(settings.at("/ping"), headers=settings.headers) as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unreachable(settings.url, error) from error
    if answer.status not in (200, 204):
        raise StoreError(settings.url, f"asked for its version it answered HTTP {answer.status}; check that this is an InfluxDB")
    version = answer.headers.get("X-Influxdb-Version", "")
    found = _VERSION.search(version) or _VERSION.search(text)
    if found is None:
        raise StoreError(settings.url, "it does not tell its version; check that this is an InfluxDB")
    numbers = (int(found[1]), int(found[2]))
    return ServerKind(version or found[0], "v1" if numbers < (1, 8) else "v2")


def _portions(lines: Sequence[str]) -> list[range]:
    """Consecutive indexes of all ``lines``, each portion small enough for one request."""
    starts, size = [0], 0
    for index, line in enumerate(lines):
        size += len(line.encode()) + 1
        if size > PORTION_BYTES and index > starts[-1]:
            starts.append(index)
            size = len(line.encode()) + 1
    return [range(start, stop) for start, stop in itertools.pairwise([*starts, len(lines)]) if stop > start]


async def _all_of(sends: Sequence[Coroutine[None, None, _Answer]]) -> list[_Answer]:
    """All answers in order; the first complaint ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(send, name="write to InfluxDB") for send in sends]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
