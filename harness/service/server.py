"""How the data server is put together, protected and run: loopback only, no foreign page, no request that leaves the machine."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.errors import BadInput, HarnessError
from harness.service import page
from harness.service.api import Control, add_routes
from harness.service.live import Live
from harness.service.readers import StoreFactory, StoreReader, StoreReaders

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
READERS = 2
"""Heavy questions answered at once; the live page has a reader of its own."""


def new_token() -> str:
    """A token for one session of the server."""
    return secrets.token_urlsafe(32)


def create_app(
    store_factory: StoreFactory,
    control: Control,
    *,
    token: str,
    allowed_hosts: frozenset[str] = LOOPBACK_NAMES,
    with_page: bool = True,
) -> FastAPI:
    """The data server: the API, its documentation at ``/docs``, and the live page at ``/``.

    ``store_factory`` is called in the threads that use what it returns. A request is answered when its ``Host`` is one of
    ``allowed_hosts`` with the port that is listened on (an entry with a port of its own is taken as it stands), and when its
    ``Origin``, if a browser sent one, is too. A process can have one app with a page: the page's framework is global.
    """
    readers = StoreReaders(store_factory, READERS)
    live = Live(StoreReader(store_factory), control)

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with readers, contextlib.AsyncExitStack() as stack:
            if with_page:
                await stack.enter_async_context(live)
            yield

    app: FastAPI = FastAPIOffline(
        title="Harness data server",
        description="Runs, samples, impedance, cycles, fits as JSON or Arrow; pause, resume and stop with the session's token.",
        lifespan=life,
    )
    add_routes(app, readers, control, token)
    app.add_middleware(Guard, allowed_hosts=allowed_hosts)
    if with_page:
        page.mount(app, live, token)
    return app


async def serve(app: FastAPI, host: str, port: int, *, announce: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then return: the process may end with status 0. A cancellation ends it as cleanly.

    ``port`` 0 takes a free one; ``announce`` is told the URL once connections are accepted.

    Raises:
        BadInput: ``host`` is not a loopback address, or cannot be listened on at ``port``.
        HarnessError: the application did not start.
    """
    listener = _listener(host, port)
    name = f"[{host}]" if ":" in host else host
    if announce is not None:
        announce(f"http://{name}:{listener.getsockname()[1]}")
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, proxy_headers=False,
                                    lifespan="on", timeout_graceful_shutdown=2))  # fmt: skip
    with listener, _until_signalled(server):
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http-server")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
    if not server.started:
        raise HarnessError(f"The data server at {name}:{port} did not start; the log says why.")


class Guard:
    """Refuses requests that another site made a browser send (rebound names, foreign origins), and fences the page in.

    The content security policy lets nothing be loaded from, or sent to, any host but this one.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or websocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        complaint = self._complaint(headers, scope)
        if complaint is None:
            await self._app(scope, receive, _fenced(send, headers["host"]))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": complaint})
        else:
            await JSONResponse({"detail": complaint}, 403)(scope, receive, send)

    def _complaint(self, headers: Headers, scope: Scope) -> str | None:
        host = headers.get("host", "")
        if not self._knows(host, scope):
            return f'This server does not answer to the name "{host}"; use the address it was started with.'
        origin = headers.get("origin")
        if origin is None:
            return None
        parts = urlsplit(origin)
        if parts.scheme in ("http", "https") and self._knows(parts.netloc, scope):
            return None
        return f'A page of "{origin}" may not use this server; use the live page.'

    def _knows(self, host: str, scope: Scope) -> bool:
        host = host.lower()
        name, separator, port = host.rpartition(":")
        if not separator or port.endswith("]"):
            name, port = host, "80"
        listening = scope.get("server") or ("", None)
        return f"{name}:{port}" in self._allowed or (name in self._allowed and port == str(listening[1]))


class _Server(uvicorn.Server):
    """uvicorn, but a signal that ended it is not raised again: stopping a service is not a failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _until_signalled(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT end ``server``; where signals belong to somebody else, leave them alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def finish(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    loop = asyncio.get_running_loop()
    previous = {number: signal.signal(number, finish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _listener(host: str, port: int) -> socket.socket:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise BadInput("serve.host", f'"{host}" is not an IP address; write 127.0.0.1') from None
    if not address.is_loopback:
        raise BadInput("serve.host", f"{host} can be reached from outside; listen on 127.0.0.1 and come by an ssh tunnel")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((str(address), port), family=family)
    except OSError as error:
        raise BadInput("serve.port", f"cannot listen on {host}:{port} ({error.strerror}); choose another port") from None


def _fenced(send: Send, host: str) -> Send:
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
        "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    )

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
        await send(message)

    return sending
