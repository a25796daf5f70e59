"""The broker beside the daemon: both kinds, as real processes."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BrokerError
from harness.service.broker import BrokerKind, EmbeddedBroker, find_mosquitto
from harness.stream.mqtt import MqttSettings, check, connection

DEADLINE_SECOND = 30.0
ROOT = Path(__file__).parents[3]

KINDS = [
    pytest.param(
        "mosquitto",
        marks=pytest.mark.skipif(
            find_mosquitto() is None and os.environ.get("CI") != "true",
            reason="mosquitto is not installed: apt-get install mosquitto",
        ),
    ),
    "amqtt",
]


async def until(true: Callable[[], bool]) -> None:
    """Wait for another process to make it so; the test's own deadline ends it."""
    while not true():  # noqa: ASYNC110 - what other processes do sets no event here
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def owner(pid: int) -> int:
    """The user a process runs as."""
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.parametrize("kind", KINDS)
def test_broker_lets_in_only_who_has_its_password(kind: BrokerKind) -> None:
    """It listens on 127.0.0.1 only, and refuses a wrong password and nobody."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(kind) as broker:
            settings = broker.settings
            assert settings.host == "127.0.0.1"
            assert settings.password is not None
            assert len(settings.password) >= 32
            await check(settings)
            for wrong in (replace(settings, password="x"), replace(settings, username=None, password=None)):
                with pytest.raises(BrokerError, match="Not authorized"):
                    await check(wrong)
            with socket.socket() as outside, pytest.raises(OSError, match="refused"):
                outside.connect(("127.0.0.2", settings.port))
            pid = broker.pid
            assert pid is not None
            if kind == "mosquitto" and os.geteuid() == 0:
                assert owner(pid) == pwd.getpwnam("nobody").pw_uid
        assert not alive(pid)
        assert broker.pid is None
        with pytest.raises(BrokerError, match="refused"):
            await check(settings)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_broker_comes_back_at_the_same_place(kind: BrokerKind) -> None:
    """Killed or restarted, it is there again with the same port and password, and clients find it."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(kind) as broker, connection(broker.settings) as link:
            await link.wait_connected()
            first, settings = broker.pid, broker.settings
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: broker.pid not in (None, first))
            await until(lambda: link.state.last_outage_end_nanosecond is not None)
            second = broker.pid
            await broker.restart()
            assert broker.pid not in (None, first, second)
            assert broker.settings == settings
            await check(settings)

    asyncio.run(main())


PARENT = """
import asyncio, sys
from harness.service.broker import EmbeddedBroker

async def main():
    async with EmbeddedBroker(sys.argv[1]) as broker:
        print(broker.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
def test_broker_ends_when_its_parent_is_killed(kind: BrokerKind) -> None:
    """A parent that dies without a word leaves no broker behind."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND):
            parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, kind, stdout=subprocess.PIPE, cwd=ROOT)
            assert parent.stdout is not None
            pid = int(await parent.stdout.readline())
            assert alive(pid)
            parent.kill()
            await parent.wait()
            await until(lambda: not alive(pid))

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_broker_that_cannot_start_says_why(kind: BrokerKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every port it tries is taken, entering fails with the broker's last words, and nothing is left running."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), await asyncio.start_server(hang_up, "127.0.0.1", 0) as taken:
            port = int(taken.sockets[0].getsockname()[1])
            monkeypatch.setattr("harness.service.broker._free_port", lambda: port)
            monkeypatch.setattr("harness.service.broker._PORT_ATTEMPTS", 1)
            broker = EmbeddedBroker(kind)
            with pytest.raises(BrokerError, match=rf"the {kind} beside us does not start: .*\w"):
                async with broker:
                    pass
            assert broker.pid is None

    asyncio.run(main())


def test_broker_address_is_no_secret_but_its_password_is() -> None:
    """What is logged of the settings does not hold the password."""
    assert "secret" not in repr(MqttSettings("127.0.0.1", 1, username="harness", password="secret"))
