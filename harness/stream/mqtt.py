"""A connection to an MQTT broker that heals itself: the one door to `aiomqtt`.

Sessions are clean, so that a broker owes us nothing after an outage: subscriptions and retained messages are given again at
every connect. An acknowledgement by the broker means that the broker has the message, nothing more.

`aiomqtt` needs ``loop.add_reader``: on Windows run it on an `asyncio.SelectorEventLoop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiomqtt
import structlog
from paho.mqtt.reasoncodes import ReasonCode

from harness.clock import wall_nanosecond
from harness.errors import BadInput, BrokerError

CALL_TIMEOUT_SECOND = 5.0
KEEPALIVE_SECOND = 15
BACKOFF_FIRST_SECOND = 0.2
BACKOFF_LONGEST_SECOND = 10.0
_PENDING_CALLS = 10_000
_PORTS = {"mqtt": 1883, "mqtts": 8883}

log = structlog.get_logger()

Handler = Callable[[str, bytes], None]
"""Takes topic and payload of a message; must be quick, and must not raise."""


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is, and who we are there. ``ca_file`` replaces the system's certificates."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """For people: without the password."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LastWill:
    """What the broker says, retained, when we vanish."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class LinkState:
    """The link now, and its last outage; ``None`` where there was none, or it still lasts."""

    connected: bool = False
    last_outage_start_nanosecond: int | None = None
    last_outage_end_nanosecond: int | None = None
    last_outage_reason: str = ""


def parse_url(url: str, username: str | None = None, password: str | None = None, ca_file: Path | None = None) -> MqttSettings:
    """Settings from ``mqtt://host[:port]`` or ``mqtts://…``; the password never stands in the URL.

    Raises:
        BadInput: another scheme, no host, a path, or a user in the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise BadInput("mqtt.url", f'"{url}" is not a URL ({error})') from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise BadInput("mqtt.url", f'"{url}" is not a broker; write "mqtt://host:1883" or "mqtts://host:8883"')
    if parts.username is not None or parts.password is not None:
        raise BadInput("mqtt.url", "a user or password in the URL; write them in their own keys")
    return MqttSettings(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts", username, password, ca_file)


def connection(
    settings: MqttSettings, *, will: LastWill | None = None, now_nanosecond: Callable[[], int] = wall_nanosecond
) -> Connection:
    """A `Connection` to be entered; ``now_nanosecond`` stamps its outages.

    Raises:
        BadInput: the certificate authority's file cannot be used.
    """
    return Connection(settings, _tls_context(settings), will, now_nanosecond)


async def check(settings: MqttSettings, *, timeout_second: float = CALL_TIMEOUT_SECOND) -> None:
    """Connect once and leave.

    Raises:
        BrokerError: the broker cannot be reached, or refuses us.
    """
    try:
        async with _entered(_client(settings, _tls_context(settings), None, timeout_second)):
            pass
    except aiomqtt.MqttError as error:
        raise BrokerError(settings.url, f"it cannot be reached ({error})") from error


class Connection:
    """A link that is tried for ever; an async context manager. Entering does not wait for the broker."""

    def __init__(
        self, settings: MqttSettings, tls: ssl.SSLContext | None, will: LastWill | None, now_nanosecond: Callable[[], int]
    ) -> None:
        self.settings = settings
        self._tls = tls
        self._will = will
        self._now = now_nanosecond
        self._state = LinkState()
        self._handlers: dict[str, list[Handler]] = {}
        self._retained: dict[str, bytes] = {}
        self._client: aiomqtt.Client | None = None
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep(), name=f"mqtt {self.settings.url}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def state(self) -> LinkState:
        """The link now."""
        return self._state

    async def wait_connected(self) -> None:
        """Return while the broker is connected."""
        await self._up.wait()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Return when the broker has the message (``qos`` 1), or it was sent (0).

        Raises:
            BrokerError: there is no connection, or it was lost before the broker said so.
        """
        client = self._client
        if client is None:
            raise BrokerError(
                self.settings.url, f"nothing can be published: {self._state.last_outage_reason or 'not connected yet'}"
            )
        sending = asyncio.create_task(client.publish(topic, payload, qos=qos, retain=retain, timeout=CALL_TIMEOUT_SECOND))
        lost = asyncio.create_task(self._down.wait())
        try:
            await asyncio.wait({sending, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise BrokerError(self.settings.url, "the connection was lost while publishing")
            await sending
        except aiomqtt.MqttError as error:
            raise BrokerError(self.settings.url, f"publishing to {topic} failed ({error})") from error
        finally:
            for task in (sending, lost):
                task.cancel()
            await asyncio.gather(sending, lost, return_exceptions=True)

    async def retain(self, topic: str, payload: bytes) -> None:
        """Let ``payload`` stand at ``topic`` from now on, through every outage. Waits for no broker, and raises nothing."""
        self._retained[topic] = payload
        if self._client is not None:
            with contextlib.suppress(BrokerError):
                await self.publish(topic, payload, retain=True)

    async def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Give every message that matches to ``handler``, now and after every outage. Waits for no broker, and raises nothing."""
        self._handlers.setdefault(topic_filter, []).append(handler)
        if self._client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._ask(self._client, [topic_filter])

    async def unsubscribe(self, topic_filter: str, handler: Handler) -> None:
        """The opposite of `subscribe`."""
        handlers = self._handlers[topic_filter]
        handlers.remove(handler)
        if handlers:
            return
        del self._handlers[topic_filter]
        if self._client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._client.unsubscribe(topic_filter)

    async def _keep(self) -> None:
        attempt = 0
        while True:
            try:
                async with _entered(_client(self.settings, self._tls, self._will)) as client:
                    await self._greet(client)
                    attempt = 0
                    async for message in client.messages:
                        self._deal(message)
            except aiomqtt.MqttError as error:
                self._note_outage(str(error))
            finally:
                self._client = None
                self._up.clear()
                self._down.set()
            await asyncio.sleep(random.uniform(0, min(BACKOFF_LONGEST_SECOND, BACKOFF_FIRST_SECOND * 2**attempt)))  # noqa: S311 - jitter, no secret
            attempt = min(attempt + 1, 16)

    async def _greet(self, client: aiomqtt.Client) -> None:
        if self._handlers:
            await self._ask(client, list(self._handlers))
        for topic, payload in self._retained.items():
            await client.publish(topic, payload, qos=1, retain=True)
        self._client = client
        self._down.clear()
        self._up.set()
        if self._state.last_outage_start_nanosecond is not None and self._state.last_outage_end_nanosecond is None:
            log.info("broker connected again", url=self.settings.url)
            self._state = replace(self._state, connected=True, last_outage_end_nanosecond=self._now())
        else:
            self._state = replace(self._state, connected=True)

    async def _ask(self, client: aiomqtt.Client, filters: list[str]) -> None:
        answers = await client.subscribe([(topic_filter, 1) for topic_filter in filters])
        for topic_filter, answer in zip(filters, answers, strict=False):
            if isinstance(answer, ReasonCode) and answer.is_failure:
                log.error("subscription refused by the broker", url=self.settings.url, filter=topic_filter)

    def _note_outage(self, reason: str) -> None:
        lasting = not self._state.connected and self._state.last_outage_start_nanosecond is not None
        if not lasting or self._state.last_outage_end_nanosecond is not None:
            log.warning("broker not connected", url=self.settings.url, reason=reason)
            self._state = LinkState(connected=False, last_outage_start_nanosecond=self._now(), last_outage_reason=reason)
        else:
            self._state = replace(self._state, last_outage_reason=reason)

    def _deal(self, message: aiomqtt.Message) -> None:
        for topic_filter, handlers in list(self._handlers.items()):
            if message.topic.matches(topic_filter):
                for handler in tuple(handlers):
                    handler(message.topic.value, message.payload)


def _tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None
    except OSError as error:
        raise BadInput("mqtt.ca_file", f"{settings.ca_file} holds no certificates that can be used ({error})") from error


def _client(
    settings: MqttSettings, tls: ssl.SSLContext | None, will: LastWill | None, timeout_second: float = CALL_TIMEOUT_SECOND
) -> aiomqtt.Client:
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password,
        tls_context=tls,
        will=None if will is None else aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        clean_session=True,
        keepalive=KEEPALIVE_SECOND,
        timeout=timeout_second,
        max_inflight_messages=100,
    )
    client.pending_calls_threshold = _PENDING_CALLS
    return client


@contextlib.asynccontextmanager
async def _entered(client: aiomqtt.Client) -> AsyncIterator[aiomqtt.Client]:
    """Like ``async with client``, but a failure or a cancellation while connecting leaves no socket behind."""
    entering = asyncio.create_task(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except (aiomqtt.MqttError, asyncio.CancelledError):
        await _abandon(client, entering)
        raise
    try:
        yield client
    finally:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def _abandon(client: aiomqtt.Client, entering: asyncio.Task[aiomqtt.Client]) -> None:
    """Close the socket of a connection that did not come about; `aiomqtt` would leave it open until the keepalive.

    It is waited for until it fails by itself, which a timeout ends: until then a thread may be opening the socket.
    """
    await asyncio.gather(entering, return_exceptions=True)
    paho = client._client  # noqa: SLF001 - there is no public way to the socket before the broker has answered
    paho.disconnect()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while paho.socket() is not None:  # noqa: ASYNC110 - closed by a callback that tells nobody
                await asyncio.sleep(0.001)
