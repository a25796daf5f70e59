"""The connection against real brokers that come and go."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from harness.errors import BadInput, BrokerError
from harness.service.broker import BrokerKind, EmbeddedBroker, find_mosquitto
from harness.stream.mqtt import LinkState, MqttSettings, check, connection, parse_url

DEADLINE_SECOND = 20.0


async def until(true: Callable[[], bool]) -> None:
    """Wait for another process to make it so; the test's own deadline ends it."""
    while not true():  # noqa: ASYNC110 - what other processes do sets no event here
        await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_url_gives_host_port_and_encryption() -> None:
    """The two schemes have their usual ports; the password is not shown."""
    assert parse_url("mqtt://lab") == MqttSettings("lab", 1883)
    found = parse_url("mqtts://10.0.0.2:9000", "me", "secret", Path("ca.pem"))
    assert found == MqttSettings("10.0.0.2", 9000, tls=True, username="me", password="secret", ca_file=Path("ca.pem"))
    assert found.url == "mqtts://10.0.0.2:9000"
    assert "secret" not in repr(found)
    assert parse_url("mqtt://[::1]:1884").host == "::1"


NO_BROKERS = ["", "lab:1883", "http://lab", "mqtt://", "mqtt://lab:x", "mqtt://lab:99999", "mqtt://a:b@lab", "mqtt://lab/x"]


@pytest.mark.parametrize("url", [*NO_BROKERS, "mqtt://" + "a" * 70])
def test_url_that_is_no_broker_is_refused(url: str) -> None:
    """Another scheme, no host, no port, a password in the URL: refused with the key's name."""
    with pytest.raises(BadInput, match=r"^mqtt\.url: "):
        parse_url(url)


def test_certificates_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    """A missing file of certificates is bad input, not an outage."""

    async def main() -> None:
        with pytest.raises(BadInput, match=r"mqtt\.ca_file"):
            connection(parse_url("mqtts://lab", ca_file=tmp_path / "absent.pem"))

    asyncio.run(main())


def test_connection_finds_its_broker_again(broker_kind: str) -> None:
    """After the broker was killed, subscriptions work, retained messages stand, and the outage is on record."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(cast("BrokerKind", broker_kind)) as broker:
            heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
            stamps = iter(range(1000, 2000))
            async with connection(broker.settings, now_nanosecond=lambda: next(stamps)) as link:
                await link.wait_connected()
                assert link.state == LinkState(connected=True)
                await link.retain("harness/lab/status", b"online")
                await link.subscribe("run/+/ack", lambda topic, payload: heard.put_nowait((topic, payload)))
                await link.publish("run/1/ack", b"before")
                assert await heard.get() == ("run/1/ack", b"before")
                pid = broker.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await until(lambda: not link.state.connected)
                with pytest.raises(BrokerError):
                    await link.publish("run/1/ack", b"meanwhile")
                assert (link.state.last_outage_start_nanosecond, link.state.last_outage_end_nanosecond) == (1000, None)
                await link.wait_connected()
                assert (link.state.last_outage_start_nanosecond, link.state.last_outage_end_nanosecond) == (1000, 1001)
                assert link.state.last_outage_reason
                await link.publish("run/1/ack", b"after")
                assert await heard.get() == ("run/1/ack", b"after")
                async with connection(broker.settings) as other:
                    seen: asyncio.Queue[bytes] = asyncio.Queue()
                    await other.subscribe("harness/lab/status", lambda _, payload: seen.put_nowait(payload))
                    assert await seen.get() == b"online"

    asyncio.run(main())


VANISHING = """
import asyncio, sys
from harness.stream.mqtt import LastWill, MqttSettings, connection

async def main():
    settings = MqttSettings("127.0.0.1", int(sys.argv[1]), False, sys.argv[2], sys.argv[3])
    async with connection(settings, will=LastWill("harness/lab/status", b"offline")) as link:
        await link.wait_connected()
        await link.retain("harness/lab/status", b"online")
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_last_will_is_left_standing(broker_kind: str) -> None:
    """When a client's process vanishes, the broker says so to everybody, also to those who come later."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), EmbeddedBroker(cast("BrokerKind", broker_kind)) as broker:
            where = broker.settings
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", VANISHING, str(where.port), str(where.username), str(where.password)),
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[3],
            )
            assert child.stdout is not None
            assert await child.stdout.readline() == b"up\n"
            async with connection(where) as link:
                heard: asyncio.Queue[bytes] = asyncio.Queue()
                await link.subscribe("harness/+/status", lambda _, payload: heard.put_nowait(payload))
                assert await heard.get() == b"online"
                child.kill()
                await child.wait()
                while await heard.get() != b"offline":
                    pass
            async with connection(where) as late:
                await late.subscribe("harness/lab/status", lambda _, payload: heard.put_nowait(payload))
                assert await heard.get() == b"offline"

    asyncio.run(main())


def test_connection_waits_for_a_broker_that_is_not_there() -> None:
    """Entering does not fail without a broker; publishing does, with the reason, and leaving is quick."""
    settings = MqttSettings("127.0.0.1", free_port())

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), connection(settings) as link:
            await until(lambda: link.state.last_outage_reason != "")
            with pytest.raises(BrokerError, match="refused"):
                await link.publish("a", b"b")
            await link.retain("a", b"b")
            assert not link.state.connected
        with pytest.raises(BrokerError, match="refused"):
            await check(settings)

    asyncio.run(main())


def test_leaving_while_a_dead_host_is_asked_leaves_nothing_behind() -> None:
    """A host that takes the connection and says nothing holds up the end no longer than a call may take, and no socket stays."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND):
            accepted, hung_up = asyncio.Event(), asyncio.Event()

            async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                accepted.set()
                await reader.read()
                writer.close()
                hung_up.set()

            async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
                async with connection(MqttSettings("127.0.0.1", server.sockets[0].getsockname()[1])):
                    await accepted.wait()
                gc.collect()
                await hung_up.wait()

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # paho leaves a socket that failed to collect
def test_connection_is_encrypted_and_checks_the_certificate(tmp_path: Path, openssl: str) -> None:
    """With the authority's certificate an encrypted broker is reached, without it it is not."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate), *subject]
    subprocess.run([openssl, *made], check=True, capture_output=True)
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"certfile {certificate}\nkeyfile {key}\nlog_dest none\n"
    )
    broker = subprocess.Popen([mosquitto, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trusted = parse_url(f"mqtts://127.0.0.1:{port}", ca_file=certificate)

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECOND), connection(trusted) as link:
            await link.wait_connected()
            await link.publish("a", b"b")
            with pytest.raises(BrokerError, match="certificate verify failed"):
                await check(parse_url(f"mqtts://127.0.0.1:{port}"))

    try:
        asyncio.run(main())
    finally:
        broker.terminate()
        broker.wait()
        gc.collect()
