"""Journal → MQTT → InfluxDB with real servers, through their outages: nothing missing, nothing twice."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from collections.abc import Iterator

import httpx
import pytest
from polars.testing import assert_frame_equal

from harness.model.status import LinkStatus
from harness.query import Lab
from harness.store.base import Store
from harness.stream.codec import BATCH_LINES
from tests.e2e.conftest import Bench
from tests.services import Influxd, Mosquitto, gateway

pytestmark = [pytest.mark.service, pytest.mark.timeout(400)]

CELLS = {f"a{number}": f"cu-{number}" for number in range(1, 9)}
WAITING_RECORDS = 200 * BATCH_LINES
CHATTY = """
schedule: chatty
version: 1
on_gap: adopt
sampling: {every: 1 s, check: 1 s}
limits: {voltage: [-0.5 V, 3.3 V]}
steps:
  - step: repeat
    name: cycle
    count: 1000
    steps:
      - {step: plate, current: 0.5 mA/cm^2, until: {charge: 0.5 mAh/cm^2}}
      - {step: rest, for: 10 min}
      - {step: eis, from: 200 kHz, to: 1 Hz, points_per_decade: 6, amplitude: 10 mV, longest: 30 min}
      - {step: strip, current: 0.5 mA/cm^2, until: {voltage_above: 1 V}, longest: 2 h}
"""


@pytest.fixture
def gateway_url(own_influxd: Influxd) -> Iterator[str]:
    """A server in front of influxd that takes ``/api/v2/write`` and says it is 1.8, so that influxdb-client is used."""
    told: queue.Queue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        stop = asyncio.Event()
        async with gateway(own_influxd.url) as url:
            told.put((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    url, loop, stop = told.get(timeout=10)
    yield url
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def station(bench: Bench, mosquitto: Mosquitto, influx_url: str, cells: dict[str, str]) -> None:
    """Cells on a site that writes to both servers."""
    bench.scale = 1000.0
    preset = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.267}
    bench.start_emulator([{"name": name, "listen": "tcp", "cell": preset} for name in cells])
    bench.write_site(f'[mqtt]\nurl = "{mosquitto.url}"\n[influx]\nurl = "{influx_url}"\ndatabase = "harness"')
    for cell in cells.values():
        bench.register(cell)


def all_confirmed(bench: Bench) -> bool:
    """Whether every run is over and every record of it confirmed."""
    runs = bench.status().runs
    return all(run.ended and run.confirmed == run.journaled for run in runs)


def link(bench: Bench, name: str) -> LinkStatus:
    return next(one for one in bench.status().links if one.name == name)


def command_all(bench: Bench, action: str) -> None:
    """Pause, resume or stop every run."""

    async def ask() -> None:
        commands = {"pause": bench.client.pause, "resume": bench.client.resume, "stop": bench.client.stop}
        runs = (await bench.client.status()).runs
        await asyncio.gather(*(commands[action](run.run_id, "test") for run in runs))

    asyncio.run(ask())


def waiting(bench: Bench) -> int:
    """How many records wait for confirmation."""
    return sum(run.journaled - run.confirmed for run in bench.status().runs)


def frames_agree(local: Store, influx: Store) -> bool:
    """Whether both stores answer everything with the same frames; derived rows and their last values may be on their way."""
    runs = local.runs()["run_id"].to_list()
    derived = ("cycles", "impedance_fits", "half_cycles")
    if not all(getattr(local, name)(runs).equals(getattr(influx, name)(runs)) for name in derived):
        return False
    assert_frame_equal(local.runs(), influx.runs())
    for name in ("samples", "impedance", "events", *derived):
        ours, theirs = getattr(local, name)(runs), getattr(influx, name)(runs)
        assert ours.height > 0, name
        assert_frame_equal(ours, theirs)
    return True


def assert_stores_agree(bench: Bench, influxd: Influxd) -> None:
    """Wait until the derived rows have arrived, then compare every frame; nothing is there twice."""
    host = influxd.url.removeprefix("http://")
    with Lab.open(bench.state) as local, Lab.connect(f"influxdb://{host}/harness") as influx:
        bench.wait(lambda: frames_agree(local.store, influx.store))
        samples = influx.store.samples(local.runs()["run_id"].to_list())
        assert samples.select("run_id", "seq").is_duplicated().sum() == 0


def test_stores_agree_through_influxdb_client(
    bench: Bench, own_mosquitto: Mosquitto, own_influxd: Influxd, gateway_url: str
) -> None:
    """The same data come out when they were written by influxdb-client to /api/v2/write."""
    cells = {"a1": "cu-1", "a2": "cu-2"}
    station(bench, own_mosquitto, gateway_url, cells)
    httpx.post(f"{own_influxd.url}/query", params={"q": "CREATE DATABASE harness"}).raise_for_status()
    bench.start_daemon()
    bench.start("rollup")
    bench.start("ingest")
    runs = [bench.run_cell(cell, channel, CHATTY, 2) for channel, cell in cells.items()]
    bench.wait_ended(*runs)
    bench.wait(lambda: all_confirmed(bench))
    assert_stores_agree(bench, own_influxd)


def test_store_named_later_gets_the_whole_history(bench: Bench, own_mosquitto: Mosquitto, own_influxd: Influxd) -> None:
    """A lab that began without InfluxDB finds everything there once its site file names one."""
    cells = {"a1": "cu-1"}
    station(bench, own_mosquitto, own_influxd.url, cells)
    grown = bench.site.read_text(encoding="utf-8")
    bench.write_site(f'[mqtt]\nurl = "{own_mosquitto.url}"')
    before = [bench.start_daemon(), bench.start("rollup")]
    bench.wait_ended(bench.run_cell("cu-1", "a1", CHATTY, 2))
    bench.wait(lambda: all_confirmed(bench))
    for process in before:
        assert bench.end(process) == 0, bench.logs()

    bench.site.write_text(grown, encoding="utf-8")
    bench.start("ingest")
    bench.start("rollup")
    bench.start_daemon()
    bench.wait(lambda: all_confirmed(bench))
    assert_stores_agree(bench, own_influxd)


def test_stores_agree_after_every_outage(bench: Bench, own_mosquitto: Mosquitto, own_influxd: Influxd) -> None:
    """With broker and store down for 200 batches each and ingest killed, InfluxDB and the journal hold the same."""
    station(bench, own_mosquitto, own_influxd.url, CELLS)
    bench.start_daemon()
    bench.start("rollup")
    ingest = bench.start("ingest")
    for channel, cell in CELLS.items():
        bench.run_cell(cell, channel, CHATTY)
    bench.wait(lambda: any(run.confirmed > 100 for run in bench.status().runs))

    own_mosquitto.stop()
    bench.wait(lambda: not link(bench, "broker").connected)
    bench.wait(lambda: waiting(bench) >= WAITING_RECORDS, 90.0)
    command_all(bench, "pause")
    own_mosquitto.start()
    bench.wait(lambda: waiting(bench) == 0, 120.0)

    own_influxd.stop()
    command_all(bench, "resume")
    bench.wait(lambda: waiting(bench) >= WAITING_RECORDS, 90.0)
    bench.wait(lambda: not link(bench, "store").connected)
    bench.end(ingest, signal.SIGKILL)
    bench.start("ingest")
    command_all(bench, "stop")
    own_influxd.start()
    bench.wait(lambda: all_confirmed(bench), 120.0)

    status = bench.status()
    for name in ("broker", "store"):
        told = link(bench, name)
        assert told.connected
        assert told.last_outage_start_nanosecond is not None
        assert told.last_outage_end_nanosecond is not None
    assert all(run.journaled == run.sent == run.confirmed for run in status.runs)
    assert_stores_agree(bench, own_influxd)
