"""Real servers for tests: own directories, own ports on loopback, ended with whoever started them."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

READY_SECOND = 20.0

_INFLUXD = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{root}/meta"
[data]
  dir = "{root}/data"
  wal-dir = "{root}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
"""

_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""


def required(program: str, package: str) -> str:
    """The path of a program; without it the test fails in CI and is skipped elsewhere."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        missing = f"{program} is missing: sudo apt install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Server(ABC):
    """One server process. It can be stopped and started again on the same port."""

    program: str
    root: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def scheme(self) -> str:
        """How its address begins."""

    @abstractmethod
    def configured(self) -> str:
        """What its configuration file holds."""

    @abstractmethod
    def option(self) -> str:
        """How it is told of that file."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is ready."""

    def start(self) -> None:
        """Start, and return when it answers."""
        configuration, log = self.root / "server.conf", self.root / "server.log"
        configuration.write_text(self.configured())
        with log.open("ab") as output:
            command = [self.program, self.option(), str(configuration)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + READY_SECOND
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.program} did not start: {log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; what it has on disk stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=READY_SECOND)
            self.process = None


@dataclass(slots=True)
class Influxd(Server):
    """One influxd."""

    rpc_port: int = field(default_factory=free_port)

    @property
    def scheme(self) -> str:
        return "http"

    def configured(self) -> str:
        return _INFLUXD.format(root=self.root, http=self.port, rpc=self.rpc_port)

    def option(self) -> str:
        return "-config"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=1.0):
                return True
        except OSError:
            return False


@dataclass(slots=True)
class Mosquitto(Server):
    """One mosquitto without a password; it keeps nothing."""

    @property
    def scheme(self) -> str:
        return "mqtt"

    def configured(self) -> str:
        return _MOSQUITTO.format(port=self.port)

    def option(self) -> str:
        return "-c"

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False


def new_influxd(root: Path) -> Influxd:
    """A running influxd with its files in ``root``."""
    server = Influxd(required("influxd", "influxdb"), root, free_port())
    server.start()
    return server


def new_mosquitto(root: Path) -> Mosquitto:
    """A running mosquitto with its files in ``root``."""
    server = Mosquitto(required("mosquitto", "mosquitto"), root, free_port())
    server.start()
    return server


@asynccontextmanager
async def gateway(url: str, version: str = "v1.8.10") -> AsyncIterator[str]:
    """A server that speaks ``/api/v2/write`` in front of one that does not, and says what version it is."""

    async def write(request: web.Request) -> web.Response:
        target = {"db": request.query["bucket"], "precision": request.query["precision"]}
        async with session.post(f"{url}/write", params=target, data=io.BytesIO(await request.read())) as answer:
            text = await answer.text()
        return web.Response(status=answer.status, text=text and json.dumps({"code": "invalid", "message": text}))

    async def ping(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": version})

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/api/v2/write", write)
    app.router.add_get("/ping", ping)
    async with aiohttp.ClientSession() as session, TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
