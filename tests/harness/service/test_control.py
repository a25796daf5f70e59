"""The control port: whom it answers, what it refuses, and in which words."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from harness.clock import StationClock
from harness.errors import BadInput, Refused
from harness.model.status import StationStatus
from harness.service.control import FILE, TOKEN_HEADER, ControlAddress, ControlClient, ControlUnavailable, control_server
from harness.service.station import RunRequest, Station
from harness.store.registry import Registry
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader

STATUS = StationStatus(
    station="bench",
    software_version="1",
    unix_time_nanosecond=1,
    time_scale=1.0,
    journal_healthy=True,
    channels=(),
    runs=(),
    links=(),
)


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[ControlAddress]:
    """A station without channels behind a control port."""
    async with Journal(directory / "journal.sqlite") as journal:
        reader = JournalReader(directory / "journal.sqlite")
        station = Station("bench", "1", StationClock(), journal, reader, Registry(directory), {}, lambda _where, _what: None)
        try:
            async with control_server(station, lambda: STATUS, directory) as address:
                yield address
        finally:
            reader.close()


async def ask(address: ControlAddress, method: str, path: str, content: bytes = b"", token: str | None = None) -> httpx.Response:
    headers = {TOKEN_HEADER: address.token if token is None else token}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, address.url + path, content=content, headers=headers)


def test_control_file_is_secret_and_lives_as_long_as_the_server(tmp_path: Path) -> None:
    """Address and token are readable by their owner alone, and gone afterwards; the client then says that no daemon runs."""

    async def main() -> None:
        client = ControlClient(tmp_path)
        async with served(tmp_path):
            assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
            assert await client.status() == STATUS
        assert not (tmp_path / FILE).exists()
        with pytest.raises(ControlUnavailable, match="no daemon runs here"):
            await client.status()

    asyncio.run(main())


def test_control_file_that_a_killed_daemon_left_is_no_daemon(tmp_path: Path) -> None:
    """Nobody listens there: the sentence says so."""
    left = ControlAddress(url="http://127.0.0.1:9", token="t", pid=1)
    (tmp_path / FILE).write_text(left.model_dump_json(), encoding="utf-8")
    with pytest.raises(ControlUnavailable, match="does not answer"):
        asyncio.run(ControlClient(tmp_path).status())


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_control_refuses_who_does_not_know_the_token(tmp_path: Path, token: str) -> None:
    """Whatever the token, the answer is a refusal and not a failure."""

    async def main() -> None:
        async with served(tmp_path) as address:
            headers = {TOKEN_HEADER.encode(): token.encode()}
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(address.url + "/status", headers=headers)
            assert answer.status_code == 403

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/runs", b""),
        ("/runs", b"[]"),
        ("/runs", b"{"),
        ("/runs", b'{"cell": "a"}'),
        ("/runs", json.dumps({"cell": 1, "channel": "a1", "schedule_name": "s", "schedule_text": ""}).encode()),
        ("/runs", json.dumps({"cell": "a", "channel": "a1", "schedule_name": "s", "schedule_text": "", "count": "x"}).encode()),
        ("/runs/a/stop", b""),
        ("/runs/a/stop", b'{"whom": 1}'),
        ("/runs/a/pause", b"\xff"),
    ],
)
def test_control_answers_nonsense_with_a_sentence(tmp_path: Path, path: str, content: bytes) -> None:
    """A request that is none is bad input, and never an error of the daemon's."""

    async def main() -> None:
        async with served(tmp_path) as address:
            answer = await ask(address, "POST", path, content)
            assert answer.status_code == 422
            assert set(answer.json()) == {"where", "what"}

    asyncio.run(main())


def test_control_client_raises_what_the_station_raised(tmp_path: Path) -> None:
    """Bad input and refusals cross the port with their sentences."""

    async def main() -> None:
        client = ControlClient(tmp_path)
        async with served(tmp_path):
            with pytest.raises(BadInput, match='"a1" is not a channel of this station') as bad:
                await client.start(RunRequest("cu-1", "a1", "s", "", None))
            assert bad.value.where == "channel"
            for command in (client.pause, client.resume, client.stop):
                with pytest.raises(Refused, match="run cu-1 is not running on this station"):
                    await command("cu-1", "somebody")

    asyncio.run(main())
