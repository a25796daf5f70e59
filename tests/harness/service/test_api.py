"""The data server over real HTTP: frames whole and exact, commands guarded, one sentence for every refusal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from harness.errors import BadInput, JournalError
from harness.service import api
from harness.service.control import ControlClient
from harness.service.server import LOOPBACK_NAMES, create_app, new_token, serve
from harness.store.base import RUNS, Store
from harness.store.http import HttpStore
from harness.store.local import LocalStore

TOKEN = new_token()
RUN = "cu-01-20260114t000000"
ARROW = {"Accept": api.ARROW}
WITH_TOKEN = {api.TOKEN_HEADER: TOKEN}
TABLES = ("documents", "samples", "impedance", "events", "cycles", "impedance_fits", "half_cycles")


@contextlib.asynccontextmanager
async def server(
    directory: Path, factory: Callable[[], Store] | None = None, allowed_hosts: frozenset[str] = LOOPBACK_NAMES
) -> AsyncIterator[httpx.AsyncClient]:
    """A data server without a page on a free port, and a client of it."""
    app = create_app(
        factory or (lambda: LocalStore(directory)),
        ControlClient(directory),
        token=TOKEN,
        allowed_hosts=allowed_hosts,
        with_page=False,
    )
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, announce=url.set_result))
    try:
        async with httpx.AsyncClient(base_url=await url, trust_env=False, timeout=20) as client:
            yield client
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def answered(directory: Path, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    """The answers to requests (method, path, arguments) sent one after another."""

    async def main() -> list[httpx.Response]:
        async with server(directory) as client:
            return [await client.request(method, path, **arguments) for method, path, arguments in requests]

    return asyncio.run(main())


def sentence(answer: httpx.Response) -> str:
    """The one sentence of an error."""
    content = answer.json()
    assert content.keys() == {"detail"}
    assert isinstance(content["detail"], str)
    assert "\n" not in content["detail"]
    return content["detail"]


@pytest.fixture
def directory(small_station: Any) -> Path:
    """The state directory of three cells whose journal grows."""
    small_station.commands.clear()
    path = small_station.directory
    assert isinstance(path, Path)
    return path


def test_api_frames_are_the_stores_own_bit_for_bit(directory: Path) -> None:
    """What HttpStore reads over Arrow equals what LocalStore reads from the files, for every table."""

    async def main() -> None:
        async with server(directory) as client:
            remote, local = HttpStore(str(client.base_url)), LocalStore(directory)
            ids = local.runs()["run_id"].to_list()
            await asyncio.to_thread(compare, remote, local, ids)
            remote.close()
            local.close()

    def compare(remote: HttpStore, local: LocalStore, ids: list[str]) -> None:
        assert remote.runs().drop("ended_nanosecond").equals(local.runs().drop("ended_nanosecond"))
        assert len(ids) == 3
        newest = {run: local.samples([run])["seq"].max() for run in ids}
        for table in TABLES:
            known = getattr(local, table)(ids)
            found = getattr(remote, table)(ids)
            assert found.schema == known.schema
            if "seq" in known.columns:
                found = found.filter(pl.col("seq") <= pl.col("run_id").replace_strict(newest))
                known = known.filter(pl.col("seq") <= pl.col("run_id").replace_strict(newest))
            assert found.equals(known), table
        assert local.samples(ids).height > 800
        assert local.cycles(ids).height >= 12

    asyncio.run(main())


def test_api_json_has_the_same_rows_and_says_when_it_cut(directory: Path) -> None:
    """JSON is an array of objects, limited on request, after a seq on request, and the header tells of rows left out."""
    few, later, runs = answered(
        directory,
        ("GET", "/api/samples", {"params": {"run": RUN, "limit": 5}}),
        ("GET", "/api/samples", {"params": {"run": RUN, "after_seq": 100, "limit": 1}}),
        ("GET", "/api/runs", {}),
    )
    store = LocalStore(directory)
    assert few.json() == store.samples([RUN]).head(5).to_dicts()
    assert few.headers[api.MORE_ROWS_HEADER] == "true"
    assert few.headers["content-type"] == "application/json"
    assert [row["seq"] for row in later.json()] == [101]
    assert len(runs.json()) == 3
    assert runs.headers[api.MORE_ROWS_HEADER] == "false"
    store.close()


def test_api_arrow_is_whole_without_a_limit(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON is cut at its default, Arrow never is."""
    monkeypatch.setattr(api, "JSON_ROWS", 7)
    text, arrow = answered(
        directory,
        ("GET", "/api/samples", {"params": {"run": RUN}}),
        ("GET", "/api/samples", {"params": {"run": RUN}, "headers": ARROW}),
    )
    assert len(text.json()) == 7
    assert arrow.headers["content-type"] == api.ARROW
    assert pl.read_ipc_stream(io.BytesIO(arrow.content)).height > 250


def test_api_cells_sum_up_the_runs(directory: Path) -> None:
    """One row per cell with its build, its last run, and where it runs now."""
    (answer,) = answered(directory, ("GET", "/api/cells", {}))
    rows = answer.json()
    assert [row["cell"] for row in rows] == ["cu-01", "cu-02", "cu-03"]
    assert rows[0]["last_run_id"] == RUN
    assert {row["running_on"] for row in rows} == {"a1", "a2", "a3"}
    assert rows[1]["build"] == "gold-5nm"
    assert all(row["runs"] == 1 for row in rows)


def test_cells_of_keeps_the_last_run_of_a_cell_that_ran_twice() -> None:
    """The facts are those of the last run, and a station's own run is no cell."""
    common: dict[str, Any] = dict.fromkeys(RUNS, None) | {"cell": "cu-01", "channel": "a1", "geometry": "deposit"}
    runs = pl.DataFrame(
        [
            common | {"run_id": "second", "build": "new", "started_nanosecond": 20},
            common | {"run_id": "first", "build": "old", "started_nanosecond": 10, "ended_nanosecond": 15},
            common | {"run_id": "station", "cell": "", "channel": "", "geometry": None, "started_nanosecond": 1},
        ],
        RUNS,
    )
    (row,) = api.cells_of(runs).to_dicts()
    assert (row["build"], row["last_run_id"], row["runs"], row["running_on"]) == ("new", "second", 2, "a1")
    assert row["first_started_nanosecond"] == 10


def test_api_status_is_the_daemons(directory: Path) -> None:
    """The status is what the daemon says of itself."""
    (answer,) = answered(directory, ("GET", "/api/status", {}))
    status = answer.json()
    assert status["station"] == "lab3"
    assert [channel["channel"] for channel in status["channels"]] == ["a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/api/samples", 422, "query.run"),
        ("GET", "/api/samples?run=Not!An!Id", 422, "query.run.0"),
        ("GET", f"/api/samples?run={RUN}&limit=0", 422, "query.limit"),
        ("GET", f"/api/samples?run={RUN}&after_seq=x", 422, "query.after_seq"),
        ("GET", "/api/nothing", 404, "There is no /api/nothing"),
        ("POST", f"/api/runs/{RUN}/explode", 422, "path.action"),
        ("PUT", "/api/runs", 405, "Method Not Allowed"),
    ],
)
def test_api_complains_in_one_sentence(directory: Path, method: str, path: str, status: int, says: str) -> None:
    """Each unusable request has the right status and one sentence that names the place."""
    (answer,) = answered(directory, (method, path, {"headers": WITH_TOKEN}))
    assert answer.status_code == status
    assert says in sentence(answer)


def test_api_unknown_run_has_no_rows(directory: Path) -> None:
    """A run that nobody knows is an empty frame, as in every store."""
    (answer,) = answered(directory, ("GET", "/api/samples", {"params": {"run": "nobody-knows"}}))
    assert answer.status_code == 200
    assert answer.json() == []


def test_api_commands_reach_the_daemon_with_the_name_of_who_sent_them(directory: Path, small_station: Any) -> None:
    """With the token each of the three commands is carried out; without a name it is "http"."""
    answers = answered(
        directory,
        ("POST", f"/api/runs/{RUN}/pause", {"headers": WITH_TOKEN, "json": {"who": "anna"}}),
        ("POST", f"/api/runs/{RUN}/resume", {"headers": WITH_TOKEN}),
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == {"run_id": RUN, "action": "pause"}
    assert small_station.commands == [("pause", RUN, "anna"), ("resume", RUN, "http")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {api.TOKEN_HEADER: "wrong"},
        {api.TOKEN_HEADER: "ünïcode".encode()},
        {**WITH_TOKEN, "Origin": "http://evil.example"},
        {**WITH_TOKEN, "Origin": "null"},
        {**WITH_TOKEN, "Origin": "http://127.0.0.1:1"},
        {**WITH_TOKEN, "Host": "evil.example"},
        {**WITH_TOKEN, "Host": "127.0.0.1:1"},
        {**WITH_TOKEN, "Host": "localhost"},
    ],
    ids=lambda headers: ", ".join(f"{name}={value}" for name, value in headers.items() if value != TOKEN) or "no token",
)
def test_api_refuses_commands_of_others(directory: Path, small_station: Any, headers: dict[str, Any]) -> None:
    """Without the token, from another page's origin or under another name nothing reaches the daemon."""
    (answer,) = answered(directory, ("POST", f"/api/runs/{RUN}/stop", {"headers": headers}))
    assert answer.status_code == 403
    assert sentence(answer)
    assert small_station.commands == []


def test_api_is_not_read_under_a_rebound_name(directory: Path) -> None:
    """A foreign name that points at this machine is refused for reading too, localhost and its own origin are not."""

    async def main() -> None:
        async with server(directory) as client:
            port = client.base_url.port
            for host, status in (("rebound.example", 403), (f"localhost:{port}", 200), (f"[::1]:{port}", 200)):
                assert (await client.get("/api/runs", headers={"Host": host})).status_code == status
            own = {**WITH_TOKEN, "Origin": f"http://localhost:{port}"}
            assert (await client.post("/api/runs/nobody/explode", headers=own)).status_code == 422

    asyncio.run(main())


def test_api_takes_an_allowed_host_with_its_own_port_as_it_stands(directory: Path) -> None:
    """Behind a proxy the public name and port can be allowed."""

    async def main() -> None:
        async with server(directory, allowed_hosts=frozenset({"lab.example:443"})) as client:
            assert (await client.get("/api/runs", headers={"Host": "lab.example:443"})).status_code == 200
            assert (await client.get("/api/runs", headers={"Host": "lab.example:444"})).status_code == 403
            assert (await client.get("/api/runs")).status_code == 403

    asyncio.run(main())


def test_api_passes_a_refusal_on(directory: Path, small_station: Any) -> None:
    """What the daemon refuses is a conflict, in the daemon's words."""
    small_station.refusal = "run cu-01-20260114t000000 is paused already"
    try:
        (answer,) = answered(directory, ("POST", f"/api/runs/{RUN}/pause", {"headers": WITH_TOKEN}))
    finally:
        small_station.refusal = ""
    assert answer.status_code == 409
    assert sentence(answer) == "run cu-01-20260114t000000 is paused already"


def test_api_says_that_the_daemon_does_not_run(tmp_path: Path) -> None:
    """Without a daemon, status and commands are unavailable, and nothing pretends otherwise."""
    status, command = answered(tmp_path, ("GET", "/api/status", {}), ("POST", f"/api/runs/{RUN}/stop", {"headers": WITH_TOKEN}))
    assert (status.status_code, command.status_code) == (503, 503)
    assert "no daemon runs here" in sentence(status)


def test_api_opens_a_store_again_that_failed(directory: Path) -> None:
    """A store that cannot be opened is a 503 with its sentence; the next request opens it anew."""
    opened: list[str] = []

    def factory() -> Store:
        opened.append("x")
        if len(opened) == 1:
            raise JournalError("journal.sqlite", "it cannot be read")
        return LocalStore(directory)

    async def main() -> None:
        async with server(directory, factory) as client:
            first = await client.get("/api/runs")
            assert first.status_code == 503
            assert sentence(first) == "journal.sqlite: it cannot be read"
            assert (await client.get("/api/runs")).status_code == 200

    asyncio.run(main())


class PatientStore(LocalStore):
    """A journal so large that `runs` takes until it is let go."""

    def __init__(self, directory: Path, entered: threading.Semaphore, let_go: threading.Event) -> None:
        super().__init__(directory)
        self._entered, self._let_go = entered, let_go

    def runs(self) -> pl.DataFrame:
        self._entered.release()
        assert self._let_go.wait(20)
        return super().runs()


def test_api_heavy_reads_do_not_block_the_loop(directory: Path) -> None:
    """While every reader is busy the daemon's status is still answered, and the reads then end."""
    entered, let_go = threading.Semaphore(0), threading.Event()

    async def main() -> None:
        async with server(directory, lambda: PatientStore(directory, entered, let_go)) as client:
            reads = [asyncio.create_task(client.get("/api/runs")) for _ in range(4)]
            for _ in range(2):
                assert await asyncio.to_thread(entered.acquire, timeout=10)
            assert (await client.get("/api/status")).status_code == 200
            assert not any(read.done() for read in reads)
            let_go.set()
            assert [(await read).status_code for read in reads] == [200] * 4

    asyncio.run(main())


def test_api_pages_name_no_other_host(directory: Path) -> None:
    """The documentation loads from here, the browser is told to ask nobody else, and every route is described."""
    docs, schema = answered(directory, ("GET", "/docs", {}), ("GET", "/openapi.json", {}))
    assert not re.findall(r'(?:src|href)="https?://', docs.text)
    assert "default-src 'self'" in docs.headers["content-security-policy"]
    assert set(schema.json()["paths"]) == {f"/api/{name}" for name in ("runs", "cells", "status", *TABLES)} | {
        "/api/runs/{run_id}/{action}"
    }


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_serve_listens_on_loopback_only(directory: Path, host: str) -> None:
    """An address that others can reach is refused before anything is opened."""
    app = create_app(lambda: LocalStore(directory), ControlClient(directory), token=TOKEN, with_page=False)
    with pytest.raises(BadInput, match=r"serve\.host"):
        asyncio.run(serve(app, host, 0))


def test_serve_says_when_the_port_is_taken(directory: Path) -> None:
    """A taken port is a sentence that names it."""
    app = create_app(lambda: LocalStore(directory), ControlClient(directory), token=TOKEN, with_page=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"cannot listen on 127.0.0.1:{port}"):
            asyncio.run(serve(app, "127.0.0.1", port))
