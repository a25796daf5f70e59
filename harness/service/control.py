"""The control port, both ends: a small HTTP server on loopback in the daemon, and the client that everything else uses.

``control.json`` in the state directory (mode 0600) holds address and token; it exists while the daemon runs. Requests and
answers are JSON; a refusal is a status of 409 or 422 with one sentence.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import httpx
from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from harness.errors import BadInput, HarnessError, Refused
from harness.model.status import StationStatus
from harness.service.station import RunRequest, Station

FILE = "control.json"
TOKEN_HEADER = "X-Harness-Token"  # noqa: S105 - the name of a header
_CONNECT_SECOND = 5.0
_ANSWER_SECOND = 120.0
"""A stop may wait for one period of the frequency being measured."""


class ControlUnavailable(HarnessError):
    """No daemon answers for a state directory."""

    def __init__(self, state_directory: Path, what: str) -> None:
        super().__init__(f"{state_directory}: {what}; start it with harness up SITE")
        self.state_directory = state_directory


class ControlAddress(BaseModel):
    """What ``control.json`` holds."""

    model_config = ConfigDict(frozen=True)

    url: str
    token: str
    pid: int


class ControlClient:
    """Asks the daemon of a state directory. Finds it anew for each request, so that a restarted daemon is found again."""

    def __init__(self, state_directory: Path) -> None:
        self._state_directory = state_directory

    async def status(self) -> StationStatus:
        """The whole station now."""
        return StationStatus.model_validate(await self._ask("GET", "/status"))

    async def start(self, request: RunRequest) -> str:
        """Start a run; its id."""
        answer = await self._ask("POST", "/runs", asdict(request))
        return str(answer["run_id"])

    async def pause(self, run_id: str, who: str) -> None:
        """Open the run's cell; its step keeps what remains."""
        await self._ask("POST", f"/runs/{run_id}/pause", {"who": who})

    async def resume(self, run_id: str, who: str) -> None:
        """Go on with a paused run."""
        await self._ask("POST", f"/runs/{run_id}/resume", {"who": who})

    async def stop(self, run_id: str, who: str) -> None:
        """Open the run's cell and end the run."""
        await self._ask("POST", f"/runs/{run_id}/stop", {"who": who})

    async def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
        address = self._address()
        timeout = httpx.Timeout(_ANSWER_SECOND, connect=_CONNECT_SECOND)
        try:
            async with httpx.AsyncClient(timeout=timeout, trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP on loopback
                answer = await client.request(method, address.url + path, json=body, headers={TOKEN_HEADER: address.token})
        except httpx.ReadTimeout:
            raise Refused(
                f"the daemon is still busy with {method} {path} after {_ANSWER_SECOND:g} s; see harness status"
            ) from None
        except httpx.HTTPError as error:
            raise ControlUnavailable(self._state_directory, f"the daemon does not answer ({type(error).__name__})") from None
        try:
            content = answer.json()
        except ValueError:
            raise Refused(f"the daemon failed over {method} {path} (status {answer.status_code}); see its log") from None
        if answer.status_code == web.HTTPUnprocessableEntity.status_code:
            raise BadInput(content["where"], content["what"])
        if answer.is_error:
            raise Refused(content["what"])
        return dict(content)

    def _address(self) -> ControlAddress:
        try:
            return ControlAddress.model_validate_json((self._state_directory / FILE).read_bytes())
        except (OSError, ValueError):
            raise ControlUnavailable(self._state_directory, "no daemon runs here") from None


class Command(BaseModel):
    """What is said with a command: who gives it."""

    who: str


Asked = TypeVar("Asked")
_RUN_REQUEST = TypeAdapter(RunRequest)
_COMMAND = TypeAdapter(Command)

Status = Callable[[], StationStatus]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def control_server(station: Station, status: Status, state_directory: Path) -> AsyncIterator[ControlAddress]:
    """Serve ``station`` on an ephemeral port of loopback while the context lasts, and say where in ``control.json``."""
    token = secrets.token_urlsafe(32)
    runner = web.AppRunner(_application(station, status, token), access_log=None, shutdown_timeout=_CONNECT_SECOND)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    address = ControlAddress(url=f"http://127.0.0.1:{port}", token=token, pid=os.getpid())
    path = state_directory / FILE
    write_secret(path, address.model_dump_json())
    try:
        yield address
    finally:
        path.unlink(missing_ok=True)
        await runner.cleanup()


def write_secret(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that nobody else can read it at any moment, and nobody sees half of it."""
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _read(kind: TypeAdapter[Asked], body: bytes) -> Asked:
    """What a request asks for; `BadInput` for anything else."""
    try:
        return kind.validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(".".join(map(str, first["loc"])) or "request", first["msg"]) from None


def _application(station: Station, status: Status, token: str) -> web.Application:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not secrets.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
            return web.json_response({"what": "the token is missing or wrong"}, status=403)
        try:
            return await handler(request)
        except BadInput as complaint:
            return web.json_response({"where": complaint.where, "what": complaint.what}, status=422)
        except HarnessError as refusal:
            return web.json_response({"what": str(refusal)}, status=409)

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=status().model_dump_json(), content_type="application/json")

    async def start(request: web.Request) -> web.Response:
        asked = _read(_RUN_REQUEST, await request.read())
        async with station.clock.standing():
            return web.json_response({"run_id": await station.start_run(asked)})

    async def command(request: web.Request) -> web.Response:
        run_id, action = request.match_info["run_id"], request.match_info["action"]
        who = _read(_COMMAND, await request.read()).who
        match action:
            case "pause":
                await station.pause(run_id, who)
            case "resume":
                await station.resume(run_id, who)
            case _:
                await station.stop(run_id, who)
        return web.json_response({"run_id": run_id})

    application = web.Application(middlewares=[guarded])
    application.router.add_get("/status", show)
    application.router.add_post("/runs", start)
    application.router.add_post("/runs/{run_id}/{action:pause|resume|stop}", command)
    return application
