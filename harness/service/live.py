"""What the live page shows, gathered once for all who look: the daemon's status every second, the store's news behind it.

Memory is bounded by the number of channels: one trace, one table of cycles and one of fits for the run that each channel
has now or had last. Nothing here draws; nothing here blocks the loop.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import structlog

from harness.errors import HarnessError
from harness.model.status import StationStatus
from harness.service.api import Control
from harness.service.readers import StoreReader
from harness.service.traces import Trace
from harness.store.base import CYCLES, IMPEDANCE_FITS, Store

PERIOD_SECOND = 1.0
DERIVED_PERIOD_SECOND = 4.0
STATUS_DEADLINE_SECOND = 5.0
REST_FACTOR = 10.0
"""After reading the store for a while, rest that many times as long: a slow disk or many channels must not fill a core."""
CATCH_UP_RECORDS = 10_000
"""How far back a trace begins when the server starts: what came before is for Grafana and `harness.query`."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LiveRun:
    """A run that is shown: its trace, and the highest ``seq`` that is in it."""

    run_id: str
    channel: str
    cell: str
    build: str
    cursor: int | None = None
    trace: Trace = field(default_factory=Trace)


class Live:
    """The shared picture. Readers look at its attributes; the ``…_version`` counters rise when something changed."""

    def __init__(self, reader: StoreReader, control: Control) -> None:
        self.status: StationStatus | None = None
        self.daemon_trouble = ""
        self.store_trouble = ""
        self.runs: dict[str, LiveRun] = {}
        self.cycles: pl.DataFrame = CYCLES.to_frame()
        self.fits: pl.DataFrame = IMPEDANCE_FITS.to_frame()
        self.samples_version = 0
        self.derived_version = 0
        self._heard = time.monotonic()
        self._reader = reader
        self._control = control
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._reader.__aenter__()
        for name, work in (("live-status", self._watch_status()), ("live-store", self._watch_store())):
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(_tell)
            self._tasks.append(task)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._reader.__aexit__(kind, error, trace)

    def silence_second(self) -> float:
        """Seconds of wall time since the daemon was last heard."""
        return time.monotonic() - self._heard

    async def _watch_status(self) -> None:
        while True:
            try:
                async with asyncio.timeout(STATUS_DEADLINE_SECOND):
                    self.status = await self._control.status()
                self.daemon_trouble = ""
                self._heard = time.monotonic()
            except TimeoutError:
                self.daemon_trouble = f"The daemon did not answer within {STATUS_DEADLINE_SECOND:g} s."
            except HarnessError as error:
                self.daemon_trouble = str(error)
            await asyncio.sleep(PERIOD_SECOND)

    async def _watch_store(self) -> None:
        derived_at = -DERIVED_PERIOD_SECOND
        while True:
            now = time.monotonic()
            try:
                if now - derived_at >= DERIVED_PERIOD_SECOND or self._unknown_runs():
                    await self._read_runs()
                    await self._read_derived()
                    derived_at = now
                await self._read_samples()
                self.store_trouble = ""
            except HarnessError as error:
                self.store_trouble = str(error)
            await asyncio.sleep(max(PERIOD_SECOND, REST_FACTOR * (time.monotonic() - now)))

    def _unknown_runs(self) -> bool:
        return self.status is not None and any(
            channel.run_id is not None and channel.run_id not in self.runs for channel in self.status.channels
        )

    async def _read_runs(self) -> None:
        """Choose the run that each channel of this station has now, or had last."""
        runs = await self._reader.ask(lambda store: store.runs())
        if self.status is not None:
            runs = runs.filter(pl.col("station") == self.status.station)
        of_cells = runs.filter(pl.col("geometry").is_not_null())
        newest = of_cells.unique("channel", keep="last", maintain_order=True).sort("channel")
        chosen = newest.select("run_id", "channel", "cell", "build").rows()
        self.runs = {
            run_id: self.runs.get(run_id) or LiveRun(run_id, channel, cell, build) for run_id, channel, cell, build in chosen
        }

    async def _read_derived(self) -> None:
        ids = list(self.runs)
        cycles, fits = await self._reader.ask(lambda store: (store.cycles(ids), store.impedance_fits(ids)))
        if not (cycles.equals(self.cycles) and fits.equals(self.fits)):
            self.cycles, self.fits = cycles, fits
            self.derived_version += 1

    async def _read_samples(self) -> None:
        """Append what is new; a run whose last record is already known is not asked for."""
        journaled = {} if self.status is None else {run.run_id: run.journaled for run in self.status.runs}
        wanted = [run for run in self.runs.values() if run.cursor is None or journaled.get(run.run_id, -1) > run.cursor]
        for run in wanted:
            frame, cursor = await self._reader.ask(functools.partial(_news, run.run_id, run.cursor, journaled.get(run.run_id)))
            run.cursor = cursor
            if frame.height:
                run.trace.extend(
                    frame["unix_time_nanosecond"].to_numpy().astype(np.int64), frame["voltage_volt"].to_numpy().astype(np.float64)
                )
                self.samples_version += 1


def _news(run_id: str, cursor: int | None, journaled: int | None, store: Store) -> tuple[pl.DataFrame, int]:
    """The samples after ``cursor``, and the new cursor; without a cursor, the last `CATCH_UP_RECORDS` records."""
    if cursor is None:
        last = _last_seq(store, run_id) if journaled is None else journaled
        cursor = max(-1, last - CATCH_UP_RECORDS)
    frame = store.samples([run_id], after_seq=cursor)
    newest = frame["seq"].max()
    return frame, newest if isinstance(newest, int) else cursor


def _last_seq(store: Store, run_id: str) -> int:
    """The highest ``seq`` that an event of the run has: of an ended run, its last."""
    last = store.events([run_id])["seq"].max()
    return last if isinstance(last, int) else -1


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the live page is no longer fed", task=task.get_name(), exc_info=error)
