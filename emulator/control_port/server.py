"""The control port: what a test may ask of the emulator and tell it, in HTTP and JSON on 127.0.0.1, apart from the instruments.

Every request needs the token of the ports file in ``X-Emulator-Token``. Moments are ``…_nanosecond`` (simulated, UTC since 1970).
A refusal is a status of 4xx with ``{"what": "<one sentence>"}``.

::

    GET    /time                                        now, and how time runs
    GET    /status                                      channels and their ports, leases
    GET    /speed                                       `emulator.clock.SpeedReport`
    POST   /advance   {second} | {until_nanosecond}     stepped time only; answers when everything up to then has happened
    POST   /lease     {holder, channels?, keep_alive_second?, slack_second?}
    POST   /lease/ID/wait  {until_nanosecond?, traffic?: {channel: [received, sent]}}   answers when the holder has to go on
    POST   /lease/ID/hold                               the holder has something to do; answers with the time, which stands now
    DELETE /lease/ID
    GET    /lease/ID/stream                             the same as WebSocket: `emulator.control_port.leases`
    GET    /channel/NAME/truth                          latent state, as of the moment the channel has reached     [not blind]
    POST   /channel/NAME/snapshot  {deposits?}          answers with a snapshot as soon as there can be one         [not blind]
    POST   /channel/NAME/restore   (a snapshot)
    POST   /channel/NAME/branch    {onto}               the state of one channel onto another
    POST   /fault     {…}                               begins a fault; answers with its id
    DELETE /fault/ID                                    ends it

A look never moves a cell: how often a client asks changes no sample.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from aiohttp import web
from pydantic import Field

from emulator.clocks.clock import NANOSECOND, Clock
from emulator.clocks.virtual_time import SelfAdvancingClock, SteppedClock
from emulator.control_port.channels import add_channel_routes
from emulator.control_port.leases import add_lease_routes
from emulator.control_port.words import Refusal, asked
from emulator.snapshots.snapshot import SnapshotRefused
from emulator.station import Faults, Station
from harness.errors import BadInput
from harness.model.written import Written

TOKEN_HEADER = "X-Emulator-Token"  # noqa: S105 - the name of a header
ENTRY = "@control"
"""Where the ports file has the control port; no channel can be called that."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the control port is, and what opens it."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Controlled:
    """What a control port is about. ``blind`` keeps the truth to itself."""

    seed: int
    clock: Clock
    stations: dict[str, Station]
    faults: Faults | None
    blind: bool


class Advance(Written):
    """How far stepped time is to go."""

    second: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    until_nanosecond: int | None = None

    def moment(self, now: int) -> int:
        """The moment meant.

        Raises:
            Refusal: it is said twice, or not at all.
        """
        if (self.second is None) == (self.until_nanosecond is None):
            raise Refusal(422, "say either second or until_nanosecond")
        return now + round((self.second or 0.0) * NANOSECOND) if self.until_nanosecond is None else self.until_nanosecond


@asynccontextmanager
async def control_port(controlled: Controlled) -> AsyncIterator[Address]:
    """Serve on a free port of loopback while the context lasts."""
    token = secrets.token_urlsafe(32)
    runner = web.AppRunner(_application(controlled, token), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Address(f"http://127.0.0.1:{runner.addresses[0][1]}", token)
    finally:
        await runner.cleanup()


def _application(controlled: Controlled, token: str) -> web.Application:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
            return _refused(403, f"the token is missing or wrong; send that of the ports file in {TOKEN_HEADER}")
        try:
            return await handler(request)
        except Refusal as refusal:
            return _refused(refusal.status, refusal.what)
        except SnapshotRefused as refusal:
            return _refused(409, str(refusal))
        except BadInput as bad:
            return _refused(422, str(bad))

    application = web.Application(middlewares=[guarded], client_max_size=1 << 26)
    general = _General(controlled)
    application.router.add_get("/time", general.time)
    application.router.add_get("/status", general.status)
    application.router.add_get("/speed", general.speed)
    application.router.add_post("/advance", general.advance)
    application.router.add_post("/fault", general.begin_fault)
    application.router.add_delete("/fault/{fault}", general.clear_fault)
    add_channel_routes(application, controlled.seed, controlled.clock, controlled.stations, blind=controlled.blind)
    if isinstance(controlled.clock, SelfAdvancingClock):
        add_lease_routes(application, controlled.clock)
    return application


def _refused(status: int, what: str) -> web.Response:
    return web.json_response({"what": what}, status=status)


class _General:
    """The requests that are about no channel and no lease."""

    def __init__(self, controlled: Controlled) -> None:
        self._about = controlled

    async def time(self, _: web.Request) -> web.Response:
        clock = self._about.clock
        told: dict[str, object] = {"mode": clock.mode.value, "now_nanosecond": clock.now_nanosecond()}
        if isinstance(clock, SelfAdvancingClock):
            told["situation"] = clock.leases.situation().name.lower()
        return web.json_response(told)

    async def status(self, _: web.Request) -> web.Response:
        clock = self._about.clock
        told: dict[str, object] = {
            "mode": clock.mode.value,
            "now_nanosecond": clock.now_nanosecond(),
            "blind": self._about.blind,
            "channels": {name: _channel(station) for name, station in self._about.stations.items()},
        }
        if isinstance(clock, SelfAdvancingClock):
            told["leases"] = [
                {
                    "holder": lease.holder,
                    "waiting": lease.waiting,
                    "until_nanosecond": min(lease.untils.values(), default=None),
                }
                for lease in clock.leases.held.values()
            ]
        return web.json_response(told)

    async def speed(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._about.clock.report()))

    async def advance(self, request: web.Request) -> web.Response:
        clock = self._about.clock
        wanted = await asked(request, Advance)
        if not isinstance(clock, SteppedClock):
            raise Refusal(409, f"time is {clock.mode.value} here and passes by itself; only stepped time is advanced")
        try:
            await clock.advance_to(wanted.moment(clock.now_nanosecond()))
        except ValueError as past:
            raise Refusal(409, str(past)) from None
        return web.json_response({"now_nanosecond": clock.now_nanosecond()})

    async def begin_fault(self, request: web.Request) -> web.Response:
        try:
            wanted = json.loads(await request.read())
        except ValueError as error:
            raise Refusal(422, f"fault: it is no JSON ({error})") from None
        return web.json_response({"fault": self._faults().begin(wanted)})

    async def clear_fault(self, request: web.Request) -> web.Response:
        self._faults().clear(request.match_info["fault"])
        return web.json_response({})

    def _faults(self) -> Faults:
        if self._about.faults is None:
            raise Refusal(501, "this emulator begins no faults by request; write them into the scenario's events")
        return self._about.faults


def _channel(station: Station) -> dict[str, object]:
    session, link = station.session, station.link
    return {
        "url": link.url,
        "serial": session.identity.serial,
        "cell": session.channel.cell_name,
        "connected": link.present,
        "running": session.running.is_set(),
        "polarised": session.channel.polarised,
        "reached_nanosecond": session.channel.now_nanosecond,
        "sent_bytes": link.sent_bytes,
        "received_bytes": link.received_bytes,
        "dropped_bytes": link.dropped_bytes,
    }
