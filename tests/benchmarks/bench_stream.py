"""How fast the data path is: ``python tests/benchmarks/bench_stream.py [samples]``. Asserts only that nothing is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.errors import StoreError
from harness.ingest import run_ingest
from harness.model.records import RunStarted, Sample
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.service.broker import EmbeddedBroker
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import connection
from harness.stream.publisher import JournalOutbox, Publisher

RUNS = 64
EPOCH = 1_767_225_600_000_000_000
FACTS = RunFacts(
    geometry=Geometry.DEPOSIT,
    area_cm2=1.0,
    nominal_capacity_ah=None,
    cell_revision=1,
    build_revision=1,
    description="",
    schedule_name="bench",
    schedule_text="",
    schedule_sha256="",
    plan="{}",
    driver="methodscript",
    instrument_model="",
    instrument_serial="EMU0001",
    instrument_firmware="",
    software_version="",
    accuracy_offset=None,
    accuracy_gain=None,
    adc_bits=None,
    time_scale=1.0,
)


def context(run: int) -> RunContext:
    return RunContext("bench", f"a{run}", f"cu-{run:02d}", "bare", f"cu-{run:02d}-20260101t000000")


def sample(run: int, seq: int) -> Sample:
    run_id = context(run).run_id
    values = (seq * 0.1, seq * 0.1, seq / 3, -0.001)
    return Sample(run_id, seq, EPOCH + seq * 100_000_000, *values, seq // 1000, 1, "steps[0].plate", Role.PLATE, 0.001, "")


def begin(journal: Journal) -> None:
    for run in range(RUNS):
        journal.begin_run(context(run), RunStarted(context(run).run_id, 0, EPOCH - 1, FACTS))


async def fill(path: Path, samples: int) -> None:
    """Rows per second when they come as fast as they can, and bytes per row."""
    records = [sample(index % RUNS, index // RUNS + 1) for index in range(samples)]
    async with Journal(path) as journal:
        begin(journal)
        await journal.flush()
        start = time.perf_counter()
        for first in range(0, samples, 1000):
            for record in records[first : first + 1000]:
                journal.append(record)
            await asyncio.sleep(0)
        await journal.flush()
        spent = time.perf_counter() - start
    print(f"journal, {RUNS} runs         {samples / spent:10,.0f} rows/s")


async def latency(path: Path) -> None:
    """What a flush costs while 640 rows/s arrive."""
    times: list[float] = []
    async with Journal(path) as journal:
        begin(journal)
        for tick in range(1, 101):
            for run in range(RUNS):
                journal.append(sample(run, tick))
            start = time.perf_counter()
            await journal.flush()
            times.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.05)
    cuts = statistics.quantiles(times, n=100)
    print(f"flush of 64 records      p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(times):.1f} ms")


def size_of(path: Path) -> int:
    return path.stat().st_size


def read(path: Path, samples: int) -> None:
    """Records per second that a reader makes of one run, and of all in order."""
    reader = JournalReader(path)
    start = time.perf_counter()
    count = sum(1 for _ in reader.all_records(context(7).run_id))
    print(f"one run of {RUNS}            {count / (time.perf_counter() - start):10,.0f} records/s")
    start, position, found = time.perf_counter(), 0, 0
    while position < reader.position():
        page, position = reader.tail(position)
        found += len(page)
    assert found == samples + RUNS
    print(f"tail of all runs         {found / (time.perf_counter() - start):10,.0f} records/s")
    reader.close()


async def deliver(path: Path, samples: int, url: str) -> None:
    """Records per second from journal to InfluxDB and back to the cursor, everything but the servers in one process."""
    async with EmbeddedBroker() as broker, Journal(path) as journal, InfluxWriter(InfluxSettings(url, "bench")) as writer:
        reader = JournalReader(path)
        ready = asyncio.Event()
        ingest = asyncio.create_task(run_ingest(broker.settings, writer, on_ready=ready.set))
        await ready.wait()
        async with connection(broker.settings) as link:
            publisher = Publisher(JournalOutbox(journal, reader), link, station="bench", acknowledge="store")
            start = time.perf_counter()
            task = asyncio.create_task(publisher.run())
            await publisher.wait_delivered()
            spent = time.perf_counter() - start
            for running in (task, ingest):
                running.cancel()
            await asyncio.gather(task, ingest, return_exceptions=True)
        reader.close()
        assert all(run.confirmed == samples // RUNS for run in publisher.progress().values())
    print(f"journal → broker → store {samples / spent:10,.0f} records/s (640/s are 64 channels at 10 Hz)")


def start_influxd(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    influxd = shutil.which("influxd")
    if influxd is None:
        sys.exit("influxd is not installed: apt-get install influxdb")
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            ports.append(int(listener.getsockname()[1]))
    configuration = directory / "influxdb.conf"
    configuration.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{ports[0]}"\n'
        f'[meta]\ndir = "{directory}/meta"\n[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{ports[1]}"\nlog-enabled = false\n'
    )
    server = subprocess.Popen([influxd, "-config", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return server, f"http://127.0.0.1:{ports[1]}"


async def wait_for_influxd(url: str) -> None:
    async with InfluxWriter(InfluxSettings(url, "bench")) as writer:
        while True:
            try:
                await writer.create_database()
            except StoreError:
                await asyncio.sleep(0.1)
            else:
                return


async def main(samples: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = Path(directory) / "journal.sqlite"
        print(f"{samples:,} samples, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        await latency(Path(directory) / "latency.sqlite")
        await fill(path, samples)
        await asyncio.to_thread(read, path, samples)
        print(f"size                     {size_of(path) / samples:10,.0f} bytes per row")
        server, url = start_influxd(Path(directory))
        try:
            await wait_for_influxd(url)
            await deliver(path, samples, url)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) // RUNS * RUNS if len(sys.argv) > 1 else 192_000))
