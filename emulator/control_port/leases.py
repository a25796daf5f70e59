"""Leases on the control port, as requests for anybody and as a stream for those who wait often.

The stream is a WebSocket of JSON texts. The holder says

* ``{"wait": {<name>: <ns from now>}, "traffic": {channel: [received, sent]}}``; a name that it has said before keeps its moment,
  one it does not say any more is forgotten;
* ``{"hold": <number>}``, rising; an answer is one to all holds up to its number.

It hears ``{"now": …, "sent": {channel: bytes}, "hold": <number or null>, "over": [<name>]}`` after each ``hold``, at a moment it
waited for, and whenever time stands because something has been sent to it. Silence is noticed by pings.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import pydantic
from aiohttp import WSMsgType, web
from pydantic import Field

from emulator.clocks.clock import NANOSECOND
from emulator.clocks.leases import Lease, Told, Traffic
from emulator.clocks.virtual_time import SelfAdvancingClock
from emulator.control_port.words import Nothing, Refusal, asked
from harness.model.written import Written

KEEP_ALIVE_SECOND = 30.0

_Counts = dict[str, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]]


class LeaseWanted(Written):
    """Who wants a lease, and for which channels; all of them when none is named."""

    holder: Annotated[str, Field(min_length=1, max_length=100)]
    channels: frozenset[str] | None = None
    keep_alive_second: Annotated[float, Field(ge=1.0, le=3600.0)] = KEEP_ALIVE_SECOND
    slack_second: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0


class WaitWanted(Written):
    """Until when, and what has been received from and sent to each channel."""

    until_nanosecond: int | None = None
    traffic: Annotated[_Counts, Field(default_factory=dict)]


class _Said(Written):
    """One message of a stream."""

    wait: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(default_factory=dict)]
    traffic: Annotated[_Counts, Field(default_factory=dict)]
    hold: int | None = None


def add_lease_routes(application: web.Application, clock: SelfAdvancingClock) -> None:
    """Put everything under ``/lease`` into ``application``."""
    routes = _LeaseRoutes(clock)
    application.router.add_post("/lease", routes.take)
    application.router.add_post("/lease/{lease}/wait", routes.wait)
    application.router.add_post("/lease/{lease}/hold", routes.hold)
    application.router.add_delete("/lease/{lease}", routes.give_back)
    application.router.add_get("/lease/{lease}/stream", routes.stream)


class _LeaseRoutes:
    """The requests, and the clock they are about."""

    def __init__(self, clock: SelfAdvancingClock) -> None:
        self._clock = clock

    async def take(self, request: web.Request) -> web.Response:
        wanted = await asked(request, LeaseWanted)
        leases = self._clock.leases
        unknown = sorted((wanted.channels or frozenset()) - set(leases.ports))
        if unknown:
            raise Refusal(422, f'channels: there is no channel "{unknown[0]}"')
        slack = round(wanted.slack_second * NANOSECOND)
        lease = leases.take(wanted.holder, wanted.channels, wanted.keep_alive_second, slack)
        self._clock.settle()
        return web.json_response({"lease": lease.name, "now_nanosecond": self._clock.now_nanosecond()})

    async def wait(self, request: web.Request) -> web.Response:
        lease = self._lease(request)
        wanted = await asked(request, WaitWanted)
        _forget_news(lease)
        lease.told = self._clock.leases.sent(lease)
        lease.wait({} if wanted.until_nanosecond is None else {"": wanted.until_nanosecond}, _traffic(wanted.traffic))
        return _time(await self._news(lease))

    async def hold(self, request: web.Request) -> web.Response:
        lease = self._lease(request)
        await asked(request, Nothing)
        _forget_news(lease)
        lease.hold()
        return _time(await self._news(lease))

    async def give_back(self, request: web.Request) -> web.Response:
        self._end(self._lease(request))
        return web.json_response({})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The lease lives as long as this connection."""
        lease = self._lease(request)
        socket = web.WebSocketResponse(heartbeat=lease.keep_alive_second / 2.0)
        await socket.prepare(request)
        lease.keep_alive_second = float("inf")
        telling = asyncio.get_running_loop().create_task(_tell(socket, lease), name=f"lease {lease.holder}")
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(lease, message.data)
        except pydantic.ValidationError as error:
            await socket.close(code=1003, message=error.errors()[0]["msg"].encode())
        finally:
            telling.cancel()
            self._end(lease)
        return socket

    def _end(self, lease: Lease) -> None:
        self._clock.leases.give_back(lease)
        self._clock.settle()

    def _hear(self, lease: Lease, text: str) -> None:
        said = _Said.model_validate_json(text)
        if said.hold is not None:
            lease.hold(said.hold)
            return
        now = self._clock.now_nanosecond()
        untils = {name: lease.untils.get(name, now + ahead) for name, ahead in said.wait.items()}
        lease.wait(untils, _traffic(said.traffic))

    async def _news(self, lease: Lease) -> Told:
        """What the holder hears next; as long as it listens it lives."""
        patience, lease.keep_alive_second = lease.keep_alive_second, float("inf")
        try:
            return await lease.news.get()
        finally:
            lease.keep_alive_second = patience
            lease.waiting = False
            lease.renew()

    def _lease(self, request: web.Request) -> Lease:
        lease = self._clock.leases.held.get(request.match_info["lease"])
        if lease is None:
            raise Refusal(410, "this lease has ended: it was given back, or nothing was heard of its holder; take a new one")
        return lease


def _forget_news(lease: Lease) -> None:
    """What was told after the holder's last request: it asks anew."""
    while not lease.news.empty():
        lease.news.get_nowait()


async def _tell(socket: web.WebSocketResponse, lease: Lease) -> None:
    while True:
        told = await lease.news.get()
        await socket.send_json({"now": told.now_nanosecond, "sent": told.sent_bytes, "hold": told.answers, "over": told.over})


def _traffic(counts: _Counts) -> dict[str, Traffic]:
    return {name: Traffic(received, sent) for name, (received, sent) in counts.items()}


def _time(told: Told) -> web.Response:
    return web.json_response({"now_nanosecond": told.now_nanosecond, "sent_bytes": told.sent_bytes})
