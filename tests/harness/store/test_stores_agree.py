"""The same question gives the same frame from every store, to the last bit."""

from __future__ import annotations

import asyncio
import io
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.errors import StoreError
from harness.model.derived import DerivedRow
from harness.query import Lab
from harness.store import influx_query
from harness.store.base import CYCLES, DOCUMENTS, EVENTS, HALF_CYCLES, IMPEDANCE, IMPEDANCE_FITS, RUNS, SAMPLES, Store
from harness.store.derived import DerivedStore
from harness.store.http import ARROW_STREAM, HttpStore
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.store.influx_query import InfluxStore
from harness.store.local import LocalStore
from harness.stream import codec
from tests import facts

pytestmark = pytest.mark.service

QUESTIONS: dict[str, tuple[Callable[[Store, list[str]], pl.DataFrame], pl.Schema]] = {
    "documents": (lambda store, run_ids: store.documents(run_ids), DOCUMENTS),
    "samples": (lambda store, run_ids: store.samples(run_ids), SAMPLES),
    "samples_after": (lambda store, run_ids: store.samples(run_ids, after_seq=5), SAMPLES),
    "impedance": (lambda store, run_ids: store.impedance(run_ids), IMPEDANCE),
    "events": (lambda store, run_ids: store.events(run_ids), EVENTS),
    "cycles": (lambda store, run_ids: store.cycles(run_ids), CYCLES),
    "impedance_fits": (lambda store, run_ids: store.impedance_fits(run_ids), IMPEDANCE_FITS),
    "half_cycles": (lambda store, run_ids: store.half_cycles(run_ids), HALF_CYCLES),
}
FIRST, MOVED, OTHER, EMPTY = (
    "cu-01-20260101t000000",
    "cu-01-20260102t000000",
    "li-07-20260101t000000",
    "nmc-1-20260101t000001",
)


class Influxd(Protocol):
    """What these tests use of the fixture."""

    url: str


async def fill(settings: InfluxSettings, lines: list[str]) -> None:
    async with InfluxWriter(settings) as writer:
        await writer.create_database()
        assert await writer.write(lines) == []


@pytest.fixture(scope="module")
def local(station: tuple[Path, list[str]]) -> Iterator[LocalStore]:
    store = LocalStore(station[0])
    yield store
    store.close()


@pytest.fixture(scope="module")
def influx(station: tuple[Path, list[str]], influxd: Influxd) -> Iterator[InfluxStore]:
    settings = InfluxSettings(influxd.url, "agree")
    asyncio.run(fill(settings, station[1]))
    store = InfluxStore(settings)
    yield store
    store.close()


class Serving(BaseHTTPRequestHandler):
    """A data server over ``store``."""

    store: Store
    wrong_frame = False

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        question, run_ids = parts.path.removeprefix("/api/"), query.get("run", [])
        if question == "runs":
            frame = self.store.runs()
        elif question == "samples":
            frame = self.store.samples(run_ids, after_seq=int(query.get("after_seq", ["-1"])[0]))
        else:
            frame = QUESTIONS[question][0](self.store, run_ids)
        body = io.BytesIO()
        (frame.drop("run_id") if self.wrong_frame else frame).write_ipc_stream(body)
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Accept"])
        self.end_headers()
        self.wfile.write(body.getvalue())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def served(local: LocalStore) -> Iterator[str]:
    with serving(type("Handler", (Serving,), {"store": local})) as url:
        yield url


def assert_identical(left: pl.DataFrame, right: pl.DataFrame) -> None:
    """Equal in schema, order and every bit: also the sign of a zero."""
    assert_frame_equal(left, right, check_exact=True)
    for name, kind in left.schema.items():
        if kind == pl.Float64:
            assert [repr(value) for value in left[name]] == [repr(value) for value in right[name]], name


def test_influx_and_journal_know_the_same_runs(local: LocalStore, influx: InfluxStore) -> None:
    """Runs come in the order of their starts, with their facts, from both."""
    assert local.runs().schema == RUNS
    assert local.runs()["run_id"].to_list() == [FIRST, OTHER, "station-20260101t000000", EMPTY, MOVED]
    assert local.runs()["completed"].to_list() == [True, True, None, None, None]
    assert_identical(local.runs(), influx.runs())


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("run_ids", [[MOVED, FIRST, OTHER, FIRST], [FIRST], [EMPTY], ["absent"], []])
def test_influx_and_journal_agree(local: LocalStore, influx: InfluxStore, question: str, run_ids: list[str]) -> None:
    """Every question has the same answer from journal and InfluxDB, whatever the runs, and also where it is empty."""
    ask, schema = QUESTIONS[question]
    found = ask(local, run_ids)
    assert found.schema == schema
    assert_identical(found, ask(influx, run_ids))


def test_influx_shows_no_value_that_was_withdrawn(station: tuple[Path, list[str]], influxd: Influxd, tmp_path: Path) -> None:
    """A row that is written again without some of its values has none of them in InfluxDB either."""
    shutil.copytree(station[0], tmp_path, dirs_exist_ok=True)
    settings = InfluxSettings(influxd.url, "withdrawn")
    with DerivedStore(tmp_path / "derived.sqlite") as derived:
        [(context, last, _)] = [one for one in derived.runs() if one[0].run_id == FIRST]
        changed: list[DerivedRow] = [
            replace(derived.cycles(FIRST)[0], coulombic_efficiency=None, coulombic_efficiency_std=None, flags="refused"),
            replace(derived.fits(FIRST)[0], interface_resistance_ohm=None, kramers_kronig_order=None, verdict="refused"),
            replace(derived.half_cycles(FIRST)[0], nucleation_overpotential_volt=None),
        ]
        derived.put(context, changed)
        lines = [codec.encode_derived(context, row, seq) for seq, row in derived.read(FIRST, last + 1, 10)]
    assert len(lines) == 3
    asyncio.run(fill(settings, station[1]))
    asyncio.run(fill(settings, lines))
    local, influx = LocalStore(tmp_path), InfluxStore(settings)
    for question in ("cycles", "impedance_fits", "half_cycles"):
        assert_identical(QUESTIONS[question][0](local, [FIRST]), QUESTIONS[question][0](influx, [FIRST]))
    assert (
        influx.cycles([FIRST])["coulombic_efficiency"].null_count()
        == local.cycles([MOVED])["coulombic_efficiency"].null_count() + 1
    )
    local.close()
    influx.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_is_answered_by_nothing(local: LocalStore, question: str) -> None:
    """The frames that are compared do hold something, of both runs of the cell that was moved."""
    found = QUESTIONS[question][0](local, [FIRST, MOVED])
    assert found["run_id"].unique(maintain_order=True).to_list() == [FIRST, MOVED]


@pytest.mark.parametrize("rows", [1, 3, 4, 8])
def test_influx_pages_join_without_seam(
    local: LocalStore, influx: InfluxStore, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows a page has, also exactly as many as there are, none is lost or doubled."""
    monkeypatch.setattr(influx_query, "PAGE_ROWS", rows)
    assert_identical(local.samples([FIRST, MOVED]), influx.samples([FIRST, MOVED]))
    assert_identical(local.samples([FIRST], after_seq=4), influx.samples([FIRST], after_seq=4))


class BreakingOff(BaseHTTPRequestHandler):
    """An InfluxDB whose CSV ends after ``lines`` lines, as it does when a query fails in the middle."""

    url: str
    lines: int

    def do_GET(self) -> None:
        request = urllib.request.Request(self.url + self.path, headers={"Accept": self.headers["Accept"]})
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
        if self.headers["Accept"] == "application/csv":
            body = b"".join(body.splitlines(keepends=True)[: self.lines])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.mark.parametrize("lines", [0, 1, 2, 4])
def test_influx_reader_never_takes_a_broken_answer_for_a_whole_one(
    local: LocalStore, influx: InfluxStore, influxd: Influxd, lines: int
) -> None:
    """A CSV that ends early is continued where it ended; one that never comes is an error, not an empty frame."""
    handler = type("Handler", (BreakingOff,), {"url": influxd.url, "lines": lines})
    with serving(handler) as url:
        store = InfluxStore(InfluxSettings(url, "agree"))
        if lines > 1:
            assert_identical(local.samples([FIRST, MOVED]), store.samples([FIRST, MOVED]))
        else:
            with pytest.raises(StoreError, match="breaks off"):
                store.samples([FIRST])
        assert store.samples([EMPTY]).is_empty()
        store.close()
    assert influx.runs().height == 5


def test_influx_reader_takes_no_statement_from_a_run_id(influx: InfluxStore) -> None:
    """Text of a user is a value, never part of a statement."""
    assert influx._rows("event", ("kind",), "run", "x' OR 'a'='a") == []
    assert influx._rows("event", ("kind",), "run", '"; DROP DATABASE agree') == []
    assert influx.runs().height == 5


def test_influx_reader_tells_a_missing_database(influxd: Influxd) -> None:
    """A database that is not there raises, it does not look empty."""
    store = InfluxStore(InfluxSettings(influxd.url, "absent"))
    for ask in (store.runs, lambda: store.samples([FIRST]), lambda: store._pages("sample", FIRST, SAMPLES, -1)):
        with pytest.raises(StoreError, match="database not found"):
            ask()
    store.close()


def test_lab_answers_alike_wherever_the_data_are(station: tuple[Path, list[str]], influx: InfluxStore, served: str) -> None:
    """A scientist's script gives the same cells, cycles, efficiency and spectra from directory, InfluxDB and data server."""
    port = influx.runs().height and urlsplit(influx._settings.url).port
    with (
        Lab.open(station[0]) as here,
        Lab.connect(f"influxdb://127.0.0.1:{port}/agree") as database,
        Lab.connect(served) as server,
    ):
        for lab in (database, server):
            assert_identical(here.cells(), lab.cells())
            one, other = here.cell("cu-01"), lab.cell("cu-01")
            assert_identical(one.growth(), other.growth())
            assert_identical(one.cycles(), other.cycles())
            assert here.coulombic_efficiency("cu-01") == lab.coulombic_efficiency("cu-01")
            spectra = list(zip(one.spectra(), other.spectra(), strict=True))
            assert [mine.complete for mine, _ in spectra] == [True, False, True, False]
            for mine, theirs in spectra:
                assert (mine.real_impedance_ohm == theirs.real_impedance_ohm).all()
                assert (mine.imaginary_impedance_ohm == theirs.imaginary_impedance_ohm).all()


CHOICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "meets": ({"claim": 1}, ["li-07", "nmc-1"]),
    "meets_the_dependent_claim": ({"claim": 2}, ["nmc-1"]),
    "does_not": ({"claim": 1, "verdict": "does_not"}, ["cu-01"]),
    "cannot_tell": ({"claim": 14, "verdict": "cannot_tell"}, ["cu-01", "nmc-1"]),
    "fact": ({"substrate": "metal_foil"}, ["li-07", "nmc-1"]),
    "fact_and_claim": ({"substrate": "metal_foil", "claim": 14}, ["li-07"]),
    "count": ({"layer_count": 0}, ["cu-01"]),
    "number": ({"lithium_thickness_um": 50}, ["cu-01"]),
    "one_of": ({"co_deposition_gas": ["none", "C2H2+CO2"], "batch": "b-7"}, ["cu-01", "li-07", "nmc-1"]),
    "none_of": ({"substrate": []}, []),
    "absent": ({"batch": None}, []),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_lab_chooses_the_same_cells_wherever_the_data_are(
    station: tuple[Path, list[str]], influx: InfluxStore, served: str, choice: str
) -> None:
    """Cells are chosen by verdict and by facts of their build, and the three stores give the very same frame."""
    asked, wanted = CHOICES[choice]
    assert influx.runs().height == 5
    with Lab.open(station[0]) as here, Lab(InfluxStore(influx._settings)) as database, Lab.connect(served) as server:
        found = here.cells(**asked)
        assert found["cell"].to_list() == wanted
        assert_identical(found, database.cells(**asked))
        assert_identical(found, server.cells(**asked))


def test_lab_gives_the_pinned_build_and_verdicts_wherever_the_data_are(
    station: tuple[Path, list[str]], influx: InfluxStore, served: str
) -> None:
    """The build of the pinned revision is the one that was registered, and each verdict has its reasons, from every store."""
    with Lab.open(station[0]) as here, Lab(InfluxStore(influx._settings)) as database, Lab.connect(served) as server:
        for lab in (here, database, server):
            assert lab.cell("li-07").anode == facts.STACK
            assert lab.cell("cu-01").anode == facts.BARE
            verdicts = lab.cell("li-07").verdicts()
            assert verdicts["claim"].to_list() == list(range(1, 21))
            assert verdicts.row(13) == (14, "meets", None, 'claim 14: "why", Ω', None)
            assert verdicts.row(19) == (20, "cannot_tell", "meets", 'claim 20: "why", Ω', "read broadly")
            assert_identical(verdicts, here.cell("li-07").verdicts())


def test_http_store_gives_the_frames_of_the_server(local: LocalStore, served: str) -> None:
    """What a data server sends arrives unchanged."""
    store = HttpStore(served, token="any")
    assert_identical(local.runs(), store.runs())
    for ask, _ in QUESTIONS.values():
        for run_ids in ([FIRST, MOVED], [EMPTY], []):
            assert_identical(ask(local, run_ids), ask(store, run_ids))
    store.close()


def test_http_store_refuses_other_columns(served: str, local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of another version is named as such."""
    monkeypatch.setattr(Serving, "wrong_frame", True)
    store = HttpStore(served)
    with pytest.raises(StoreError, match="use the same version"):
        store.runs()
    store.close()
    assert local.runs().height == 5


@pytest.mark.parametrize("kind", ["text/html", ARROW_STREAM])
def test_http_store_refuses_what_is_no_frame(kind: str) -> None:
    """A page, or bytes that are no frame, are an error of the store."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(b"<html></html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with serving(Handler) as url:
        store = HttpStore(url)
        with pytest.raises(StoreError, match="frame"):
            store.runs()
        store.close()


def test_network_stores_tell_that_nothing_listens(influxd: Influxd) -> None:
    """A server that is down is a StoreError from either."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        gone = f"http://127.0.0.1:{server.server_port}"
    stores: list[Store] = [HttpStore(gone), InfluxStore(InfluxSettings(gone, "agree"))]
    for store in stores:
        with pytest.raises(StoreError, match="did not answer"):
            store.runs()
        store.close()
    assert influxd.url != gone
