"""The broker of a station that has none: a child process on 127.0.0.1, with a port and a password of its own.

Debian's mosquitto where it is installed (as nobody, when we are root), else `amqtt` in a Python of its own, which is this
module's ``__main__``. The child keeps nothing on disk but its configuration, and ends when its parent does. One that ends by
itself is started again on the same port with the same password, so that every client finds it again without being told.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Literal, Self

import structlog

from harness.errors import BrokerError
from harness.stream.mqtt import MqttSettings, check

BrokerKind = Literal["mosquitto", "amqtt"]

START_SECOND = 10.0
STOP_SECOND = 5.0
_ANSWER_SECOND = 1.0
_BACKOFF_SECOND = 1.0
_PORT_ATTEMPTS = 5
_USERNAME = "harness"
_HASH_ROUNDS = 101
_NOBODY = "nobody"

log = structlog.get_logger()


def find_mosquitto() -> str | None:
    """The path of mosquitto; Debian installs it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class EmbeddedBroker:
    """A broker beside this process; an async context manager. Inside, it is kept running, and `settings` lead to it.

    Raises:
        BrokerError: on entering, it does not start.
    """

    def __init__(self, kind: BrokerKind | None = None) -> None:
        self._mosquitto = find_mosquitto()
        self.kind: BrokerKind = kind or ("amqtt" if self._mosquitto is None else "mosquitto")
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._answering = asyncio.Event()

    @property
    def settings(self) -> MqttSettings:
        """How clients reach it; the same as long as it lives."""
        return MqttSettings("127.0.0.1", self._port, username=_USERNAME, password=self._password)

    @property
    def pid(self) -> int | None:
        """The child's process id; ``None`` while there is none."""
        return None if self._child is None or self._child.returncode is not None else self._child.pid

    async def __aenter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="harness-broker-")
        try:
            for attempt in range(_PORT_ATTEMPTS):
                self._port = _free_port()
                try:
                    await self._start()
                    break
                except BrokerError:
                    if attempt == _PORT_ATTEMPTS - 1:
                        raise
        except BaseException:
            self._directory.cleanup()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="broker")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._stop()
        if self._directory is not None:
            self._directory.cleanup()

    async def restart(self) -> None:
        """End the child and return when the next one answers."""
        self._answering.clear()
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
        await self._answering.wait()

    async def _keep(self) -> None:
        while True:
            if self._child is not None:
                status = await self._child.wait()
                log.warning("broker ended; starting it again", kind=self.kind, status=status)
            try:
                await self._start()
            except BrokerError as error:
                log.error("broker does not start", reason=str(error))
                await asyncio.sleep(_BACKOFF_SECOND)

    async def _start(self) -> None:
        """Start the child and return when it lets us in."""
        self._child = await (self._spawn_mosquitto() if self.kind == "mosquitto" else self._spawn_amqtt())
        try:
            async with asyncio.timeout(START_SECOND):
                await self._wait_until_it_answers(self._child)
        except (BrokerError, TimeoutError) as error:
            await self._stop()
            raise BrokerError(self.settings.url, f"the {self.kind} beside us does not start: {self._last_words()}") from error
        except asyncio.CancelledError:
            await self._stop()
            raise
        self._answering.set()

    async def _wait_until_it_answers(self, child: asyncio.subprocess.Process) -> None:
        while True:
            try:
                await check(self.settings, timeout_second=_ANSWER_SECOND)
            except BrokerError:
                if child.returncode is not None:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            try:
                async with asyncio.timeout(STOP_SECOND):
                    await child.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def _spawn_mosquitto(self) -> asyncio.subprocess.Process:
        if self._mosquitto is None:
            raise BrokerError(self.settings.url, "mosquitto is not installed; install it, or let amqtt take its place")
        passwords, configuration = self._path("passwords"), self._path("mosquitto.conf")
        _write_private(passwords, f"{_USERNAME}:{_mosquitto_hash(self._password)}\n")
        _write_private(configuration, _mosquitto_configuration(self._port, passwords))
        command = [self._mosquitto, "-c", str(configuration)]
        setpriv = shutil.which("setpriv")
        if setpriv is not None:
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        user = None
        if _is_root():
            user = _NOBODY
            for path in (configuration, passwords, configuration.parent):
                shutil.chown(path, _NOBODY)
        with self._path("log").open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, user=user, cwd=configuration.parent
            )

    async def _spawn_amqtt(self) -> asyncio.subprocess.Process:
        with self._path("log").open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "harness.service.broker", stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output
            )
        if child.stdin is not None:
            told = {"port": self._port, "username": _USERNAME, "password": self._password, "file": str(self._path("passwords"))}
            child.stdin.write(json.dumps(told).encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                await child.stdin.drain()
        return child

    def _path(self, name: str) -> Path:
        if self._directory is None:
            raise BrokerError(self.settings.url, "the broker was not entered")
        return Path(self._directory.name) / name

    def _last_words(self) -> str:
        lines = self._path("log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _mosquitto_hash(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512. The password is random, so that few rounds do."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS)
    return f"$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _mosquitto_configuration(port: int, passwords: Path) -> str:
    user = f"user {_NOBODY}\n" if _is_root() else ""
    return (
        f"{user}listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        "persistence false\nset_tcp_nodelay true\nlog_dest stderr\nlog_type error\nlog_type warning\n"
    )


async def _serve_amqtt(port: int, username: str, password: str, file: Path) -> None:
    """Be the broker until the parent closes our input."""
    from amqtt.broker import Broker  # noqa: PLC0415 - needed in the child only
    from pwdlib.hashers.argon2 import Argon2Hasher  # noqa: PLC0415 - likewise; what amqtt reads passwords with

    hasher = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1)
    _write_private(file, f"{username}:{hasher.hash(password)}\n")
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(file)}},
        }
    )
    await broker.start()
    try:
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        await broker.shutdown()


def main() -> None:
    """Run `amqtt` with what the first line of standard input says."""
    told = json.loads(sys.stdin.buffer.readline())
    asyncio.run(_serve_amqtt(int(told["port"]), str(told["username"]), str(told["password"]), Path(told["file"])))


if __name__ == "__main__":
    main()
