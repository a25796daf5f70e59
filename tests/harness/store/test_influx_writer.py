"""`InfluxWriter` against the real server of Debian's package, by both of its paths."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.errors import StoreError
from harness.store.influx import Api, InfluxSettings, InfluxWriter, detect
from tests.services import Influxd, gateway

START = 1_767_225_600_000_000_000
BATCH = 5000
pytestmark = pytest.mark.service
_names = itertools.count()


def lines(count: int = BATCH) -> list[str]:
    return [f"sample,run=cu-01 seq={seq}i,voltage_volt={seq / 7!r} {START + seq}" for seq in range(count)]


def with_writer(influxd: Influxd, api: Api, use: Callable[[InfluxWriter, InfluxWriter], Awaitable[None]]) -> str:
    """Give ``use`` a writer by ``api`` and one by the plain path, to a fresh database whose name is returned."""
    database = f"test{next(_names)}"

    async def main() -> None:
        settings = InfluxSettings(influxd.url, database)
        async with gateway(influxd.url) as other, InfluxWriter(settings) as plain:
            await plain.create_database()
            chosen = settings if api == "v1" else InfluxSettings(other, database)
            async with InfluxWriter(chosen) as writer:
                await use(writer, plain)

    asyncio.run(main())
    return database


async def count(influxd: Influxd, database: str, field: str = "seq") -> int:
    query = {"db": database, "q": f'SELECT count("{field}") FROM "sample"'}
    async with aiohttp.ClientSession() as session, session.get(f"{influxd.url}/query", params=query) as answer:
        series = (await answer.json())["results"][0].get("series")
    return int(series[0]["values"][0][1]) if series else 0


apis = pytest.mark.parametrize("api", ["v1", "v2"])


def test_detect_reads_debians_version(influxd: Influxd) -> None:
    """Debian's 1.6.7 is written to by /write, although its version is no number that a parser of versions takes."""
    kind = asyncio.run(detect(influxd.url))
    assert (kind.version, kind.api) == ("1.6.7~rc0", "v1")


@pytest.mark.parametrize(
    ("version", "api"), [("1.7.11", "v1"), ("1.8.10", "v2"), ("v1.12.2", "v2"), ("v2.7.6", "v2"), ("3.0.1", "v2")]
)
def test_detect_chooses_the_path_by_version(influxd: Influxd, version: str, api: Api) -> None:
    """Up to 1.7 it is /write, from 1.8 on /api/v2/write."""

    async def main() -> None:
        async with gateway(influxd.url, version) as url:
            assert (await detect(url)).api == api

    asyncio.run(main())


@apis
def test_writer_stores_a_whole_batch_once(influxd: Influxd, api: Api) -> None:
    """Every line of a batch is stored and none refused; writing them again changes nothing."""

    async def use(writer: InfluxWriter, _: InfluxWriter) -> None:
        assert await writer.write(lines()) == []
        assert await writer.write(lines()) == []
        assert writer.reason == ""

    database = with_writer(influxd, api, use)
    assert asyncio.run(count(influxd, database)) == BATCH


@apis
def test_writer_names_the_refused_lines_and_stores_the_others(influxd: Influxd, api: Api) -> None:
    """Lines with a wrong type, no syntax, not-a-number or an empty tag are found among 5000; the 4994 others are stored."""
    batch = lines()
    bad = {
        0: f'sample,run=cu-01 seq=0i,voltage_volt="high" {START}',
        17: "not a line",
        18: f"sample,run=cu-01 seq=18i,voltage_volt=nan {START + 18}",
        2500: f"sample,run= seq=2500i,voltage_volt=1.0 {START + 2500}",
        4000: f"sample,run=cu-01 seq=4000i,voltage_volt=1u {START + 4000}",
        4999: f"sample,run=cu-01 seq=4999i,voltage_volt=7i {START + 4999}",
    }
    for index, line in bad.items():
        batch[index] = line

    async def use(writer: InfluxWriter, plain: InfluxWriter) -> None:
        await plain.write([f"sample,run=other voltage_volt=1.0 {START}"])
        assert await writer.write(batch) == sorted(bad)
        assert "field type conflict" in writer.reason or "unable to parse" in writer.reason

    database = with_writer(influxd, api, use)
    assert asyncio.run(count(influxd, database)) == BATCH - len(bad)


def test_writer_answers_when_every_line_is_refused(influxd: Influxd) -> None:
    """A field whose type is wrong in the whole batch makes every line a refused one, and nothing raises."""
    conflicting = [line.replace("voltage_volt=", "voltage_volt=true,unused=") for line in lines(300)]

    async def use(writer: InfluxWriter, _: InfluxWriter) -> None:
        await writer.write(lines(1))
        assert await writer.write(conflicting) == list(range(300))

    with_writer(influxd, "v1", use)


@apis
def test_writer_takes_nothing_for_an_answer_to_nothing(influxd: Influxd, api: Api) -> None:
    """An empty batch needs no server and refuses nothing."""

    async def use(writer: InfluxWriter, _: InfluxWriter) -> None:
        assert await writer.write([]) == []

    with_writer(influxd, api, use)


@apis
def test_writer_complains_about_a_missing_database(influxd: Influxd, api: Api) -> None:
    """A database that is not there is an outage of the store, not a refusal of the lines."""

    async def main() -> None:
        async with gateway(influxd.url) as other:
            url = influxd.url if api == "v1" else other
            async with InfluxWriter(InfluxSettings(url, "absent")) as writer:
                with pytest.raises(StoreError, match='database "absent" is not there'):
                    await writer.write(lines(3))

    asyncio.run(main())


@apis
def test_writer_complains_about_a_server_that_is_down(influxd: Influxd, api: Api) -> None:
    """Where nothing listens a write raises at once, whichever path was to be taken."""

    async def main() -> None:
        async with gateway(influxd.url) as gone:
            pass
        async with InfluxWriter(InfluxSettings(gone, "any"), force_api=api) as writer:
            with pytest.raises(StoreError, match="did not answer"):
                await writer.write(lines(3))
            with pytest.raises(StoreError, match="did not answer"):
                await writer.create_database()

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 403, 500, 503])
@apis
def test_writer_calls_no_line_refused_when_the_server_fails(influxd: Influxd, api: Api, status: int) -> None:
    """A refused login or a failing server says nothing about the lines."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text='{"code": "internal error", "message": "no"}')

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        async with TestServer(app) as server:
            settings = InfluxSettings(str(server.make_url("")).rstrip("/"), "any", token="secret")
            async with InfluxWriter(settings, force_api=api) as writer:
                with pytest.raises(StoreError) as caught:
                    await writer.write(lines(3))
        assert "secret" not in str(caught.value)
        assert "secret" not in repr(settings)

    asyncio.run(main())
    assert influxd.url


def test_writer_goes_on_when_the_server_returns(own_influxd: Influxd) -> None:
    """One writer outlives a restart of the server: it raises during the outage and writes after it."""

    async def main() -> None:
        async with InfluxWriter(InfluxSettings(own_influxd.url, "lab")) as writer:
            await writer.create_database()
            assert await writer.write(lines(10)) == []
            await asyncio.to_thread(own_influxd.stop)
            with pytest.raises(StoreError, match="did not answer"):
                await writer.write(lines(20))
            await asyncio.to_thread(own_influxd.start)
            assert await writer.write(lines(20)) == []
            assert await count(own_influxd, "lab") == 20

    asyncio.run(main())


@apis
def test_writer_takes_several_batches_at_once(influxd: Influxd, api: Api) -> None:
    """Batches written side by side by one writer, from its first moment on, are all stored."""
    batch = lines(4000)

    async def use(writer: InfluxWriter, _: InfluxWriter) -> None:
        portions = [batch[first : first + 500] for first in range(0, 4000, 500)]
        assert await asyncio.gather(*(writer.write(portion) for portion in portions)) == [[]] * 8

    database = with_writer(influxd, api, use)
    assert asyncio.run(count(influxd, database)) == 4000


@apis
def test_writer_divides_what_no_server_takes_at_once(influxd: Influxd, api: Api) -> None:
    """More bytes than a request may have, in lines far longer than usual, are stored all the same, and the bad one is found."""
    text = "x" * 1_000_000
    batch = [f'sample,run=cu-01 seq={seq}i,note="{text}" {START + seq}' for seq in range(30)]
    batch[20] = f"sample,run=cu-01 seq=20i,note=1.0 {START + 20}"

    async def use(writer: InfluxWriter, plain: InfluxWriter) -> None:
        await plain.write(batch[:1])
        assert await writer.write(batch) == [20]

    database = with_writer(influxd, api, use)
    assert asyncio.run(count(influxd, database)) == 29


def test_database_names_are_quoted(influxd: Influxd) -> None:
    """A database may be called anything: its name is never read as a statement."""
    name = 'lab "x"; DROP DATABASE lab'

    async def main() -> None:
        async with InfluxWriter(InfluxSettings(influxd.url, name)) as writer:
            await writer.create_database()
            await writer.create_database()
            assert await writer.write(lines(5)) == []
        assert await count(influxd, name) == 5

    asyncio.run(main())
