"""Journal → MQTT → InfluxDB with real servers, through their outages: nothing missing, nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from harness.query import Lab
from harness.store.base import Store
from tests.e2e.conftest import Bench
from tests.services import Influxd, Mosquitto, new_influxd, new_mosquitto

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

CELLS = {"a1": "cu-1", "a2": "cu-2", "a3": "cu-3", "a4": "cu-4"}
CHATTY = """
schedule: chatty
version: 1
on_gap: adopt
sampling: {every: 2 s, check: 2 s}
limits: {voltage: [-0.5 V, 3.3 V]}
steps:
  - step: repeat
    name: cycle
    count: 2
    steps:
      - {step: plate, current: 0.5 mA/cm^2, until: {charge: 0.5 mAh/cm^2}}
      - {step: rest, for: 10 min}
      - {step: eis, from: 200 kHz, to: 1 Hz, points_per_decade: 6, amplitude: 10 mV, longest: 30 min}
      - {step: strip, current: 0.5 mA/cm^2, until: {voltage_above: 1 V}, longest: 2 h}
"""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    root = tmp_path / "mosquitto"
    root.mkdir()
    server = new_mosquitto(root)
    yield server
    server.stop()


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    root = tmp_path / "influxd"
    root.mkdir()
    server = new_influxd(root)
    yield server
    server.stop()


def station(bench: Bench, mosquitto: Mosquitto, influxd: Influxd) -> None:
    """Four cells on a site that writes to both servers."""
    bench.scale = 400.0
    preset = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.267}
    bench.start_emulator([{"name": name, "listen": "tcp", "cell": preset} for name in CELLS])
    bench.write_site(f'[mqtt]\nurl = "{mosquitto.url}"\n[influx]\nurl = "{influxd.url}"\ndatabase = "harness"')
    for cell in CELLS.values():
        bench.register(cell)


def all_confirmed(bench: Bench) -> bool:
    """Whether every run is over and every record of it confirmed."""
    runs = bench.status().runs
    return len(runs) == len(CELLS) and all(run.ended and run.confirmed == run.journaled for run in runs)


def waiting(bench: Bench) -> int:
    """How many records wait for confirmation."""
    return sum(run.journaled - run.confirmed for run in bench.status().runs)


def frames_agree(local: Store, influx: Store) -> bool:
    """Whether both stores answer everything with the same frames; the derived rows may still be on their way."""
    runs = local.runs()["run_id"].to_list()
    if local.cycles(runs).height != influx.cycles(runs).height:
        return False
    if local.impedance_fits(runs).height != influx.impedance_fits(runs).height:
        return False
    assert_frame_equal(local.runs(), influx.runs())
    for name in ("samples", "impedance", "events", "cycles", "impedance_fits"):
        ours, theirs = getattr(local, name)(runs), getattr(influx, name)(runs)
        assert ours.height > 0, name
        assert_frame_equal(ours, theirs)
    return True


def test_stores_agree_after_every_outage(bench: Bench, mosquitto: Mosquitto, influxd: Influxd) -> None:
    """With broker and store down for 200 batches each and ingest killed, InfluxDB and the journal hold the same."""
    station(bench, mosquitto, influxd)
    bench.start_daemon()
    bench.start("rollup")
    ingest = bench.start("ingest")
    for channel, cell in CELLS.items():
        bench.run_cell(cell, channel, CHATTY)
    bench.wait(lambda: any(run.confirmed > 100 for run in bench.status().runs))

    mosquitto.stop()
    bench.wait(lambda: not next(link for link in bench.status().links if link.name == "broker").connected)
    before = waiting(bench)
    bench.wait(lambda: waiting(bench) >= before + 1000)
    mosquitto.start()
    bench.wait(lambda: waiting(bench) < 500)

    influxd.stop()
    before = waiting(bench)
    bench.wait(lambda: waiting(bench) >= before + 1000)
    influxd.start()

    bench.end(ingest, signal.SIGKILL)
    bench.start("ingest")
    bench.wait(lambda: all_confirmed(bench), 90.0)

    status = bench.status()
    broker = next(link for link in status.links if link.name == "broker")
    assert broker.connected
    assert broker.last_outage_start_nanosecond is not None
    assert broker.last_outage_end_nanosecond is not None
    assert all(run.journaled == run.sent == run.confirmed for run in status.runs)
    host = influxd.url.removeprefix("http://")
    with Lab.open(bench.state) as local, Lab.connect(f"influxdb://{host}/harness") as influx:
        bench.wait(lambda: frames_agree(local.store, influx.store))
        samples = influx.store.samples(local.runs()["run_id"].to_list())
        assert samples.select("run_id", "seq").is_duplicated().sum() == 0
