"""From the journal to InfluxDB through mosquitto and an ingest process, beside bare writes of the same lines.

The publisher runs in this process, alone with the journal, as it would in a daemon that comes back from a long outage.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import aiohttp

from harness.model.records import Sample
from harness.store.influx import InfluxSettings, InfluxWriter
from harness.stream import codec
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from harness.stream.mqtt import connection, parse_url
from harness.stream.publisher import JournalOutbox, Publisher
from tests.benchmarks.figure import Figure
from tests.benchmarks.many_runs import RUNS, begin_runs, context_of, samples_of_all
from tests.benchmarks.usage import usage_of
from tests.services import Influxd, Mosquitto, new_influxd, new_mosquitto

PER_RUN = 3500
RAW_BATCH_LINES = 5000
RAW_IN_FLIGHT = 2
_READY_SECOND = 30.0
_SITE = """
station = "bench"
[mqtt]
url = "{mosquitto}"
[influx]
url = "{influxd}"
[[channel]]
name = "a1"
driver = "methodscript"
url = "socket://127.0.0.1:9"
window = ["-1 V", "4.6 V"]
current = "10 mA"
"""


def measure() -> list[Figure]:
    """Samples per second end to end, and bare; every sample is counted in InfluxDB."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for name in ("influxd", "mosquitto"):
            (directory / name).mkdir()
        influxd = new_influxd(directory / "influxd")
        stack.callback(influxd.stop)
        mosquitto = new_mosquitto(directory / "mosquitto")
        stack.callback(mosquitto.stop)
        return asyncio.run(_measure(directory, influxd, mosquitto))


async def _measure(directory: Path, influxd: Influxd, mosquitto: Mosquitto) -> list[Figure]:
    samples = samples_of_all(PER_RUN)
    bodies = list(_bodies(samples))
    await _fill(directory / "journal.sqlite", samples)
    before = await _bare(influxd, "before", bodies, len(samples))
    with _ingest(directory, influxd, mosquitto) as ingest:
        await _create(influxd, "harness")
        processes = {"publisher": os.getpid(), "mosquitto": _pid(mosquitto), "ingest": ingest.pid, "influxd": _pid(influxd)}
        looks = {name: usage_of(pid) for name, pid in processes.items()}
        spent = await _deliver(directory / "journal.sqlite", mosquitto)
        used = {name: usage_of(pid).cpu_second - looks[name].cpu_second for name, pid in processes.items()}
        resident = usage_of(ingest.pid).resident_megabyte
    assert counted(influxd, "harness") == len(samples), "InfluxDB has not what the journal has"
    after = await _bare(influxd, "after", bodies, len(samples))
    rate, bare = len(samples) / spent, (before + after) / 2
    shares = ", ".join(f"{name} {1e6 * second / len(samples):.0f}" for name, second in used.items())
    how = f"batches of {RAW_BATCH_LINES}, {RAW_IN_FLIGHT} in flight; {before:,.0f} before, {after:,.0f} after"
    return [
        Figure(
            f"journal → InfluxDB, {len(samples):,} samples", rate, "samples/s", f"count exact; µs of CPU per sample: {shares}"
        ),
        Figure("the same lines written bare", bare, "samples/s", how),
        Figure("ratio end to end / bare", rate / bare, "", f"{RUNS} channels at 10 Hz need {10 * RUNS / rate:.1%} of it"),
        Figure("ingest, memory", resident, "MB", "at the end of it"),
    ]


def counted(influxd: Influxd, database: str) -> int:
    """How many samples InfluxDB has."""
    query = urllib.parse.urlencode({"db": database, "q": 'SELECT count("seq") FROM "sample"'})
    with urllib.request.urlopen(f"{influxd.url}/query?{query}", timeout=60.0) as answer:
        (result,) = json.load(answer)["results"]
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def ready(log: Path, process: subprocess.Popen[bytes], sentence: str) -> None:
    """Wait until a process has logged ``sentence``."""
    deadline = time.monotonic() + _READY_SECOND
    while sentence not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{log.stem} did not start: {log.read_text(errors='replace')}")
        time.sleep(0.02)


def _pid(server: Influxd | Mosquitto) -> int:
    assert server.process is not None
    return server.process.pid


def _bodies(samples: list[Sample]) -> Iterator[bytes]:
    """All lines, in requests such as ingest makes: batches of one run after those of another."""
    contexts = {context.run_id: context for context in map(context_of, range(RUNS))}
    ordered = sorted(samples, key=lambda sample: (sample.seq // codec.BATCH_LINES, sample.run_id, sample.seq))
    lines = [codec.encode_record(contexts[sample.run_id], sample) for sample in ordered]
    return ("\n".join(lines[first : first + RAW_BATCH_LINES]).encode() for first in range(0, len(lines), RAW_BATCH_LINES))


async def _fill(path: Path, samples: list[Sample]) -> None:
    async with Journal(path, flush_deadline_second=_READY_SECOND) as journal:
        begin_runs(journal)
        for sample in samples:
            journal.append(sample)
        await journal.flush()


async def _create(influxd: Influxd, database: str) -> None:
    async with InfluxWriter(InfluxSettings(influxd.url, database)) as writer:
        await writer.create_database()


async def _bare(influxd: Influxd, database: str, bodies: list[bytes], samples: int) -> float:
    """Samples per second of requests without any of our code."""
    await _create(influxd, database)
    waiting = iter(bodies)

    async def write(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(f"{influxd.url}/write?db={database}&precision=ns", data=body) as answer:
                assert answer.status == 204, await answer.text()

    async with aiohttp.ClientSession() as session:
        begun = time.perf_counter()
        await asyncio.gather(*(write(session) for _ in range(RAW_IN_FLIGHT)))
        spent = time.perf_counter() - begun
    assert counted(influxd, database) == samples
    return samples / spent


@contextmanager
def _ingest(directory: Path, influxd: Influxd, mosquitto: Mosquitto) -> Iterator[subprocess.Popen[bytes]]:
    """The ingest process of a site, subscribed."""
    site, log = directory / "site.toml", directory / "ingest.log"
    site.write_text(_SITE.format(mosquitto=mosquitto.url, influxd=influxd.url))
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "harness", "ingest", str(site)], stdout=output, stderr=output)
    try:
        ready(log, process, "ingest subscribed")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=_READY_SECOND)


async def _deliver(path: Path, mosquitto: Mosquitto) -> float:
    """Seconds until everything in the journal is confirmed."""
    async with Journal(path) as journal, connection(parse_url(mosquitto.url, None, None)) as link:
        with closing(JournalReader(path)) as reader:
            await link.wait_connected()
            publisher = Publisher(JournalOutbox(journal, reader), link, station="bench", acknowledge="store")
            begun = time.perf_counter()
            running = asyncio.create_task(publisher.run())
            await publisher.wait_delivered()
            spent = time.perf_counter() - begun
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert all(run.confirmed == PER_RUN for run in publisher.progress().values())
    return spent
