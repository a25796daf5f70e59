"""What really happened, as JSON lines: appended at once, flushed, never rewritten. `LatentFile` holds the state per sample.

Rows by ``kind``; a stamp is simulated UTC in integer nanoseconds, a book is in mAh/cm² of the electrode that is followed:

* ``scenario``    once per start: seed, versions, hash of every channel's parameters, the offsets and gains that were drawn, and
                  the scenario's expectations.
* ``half_cycle``  one uninterrupted direction of current, closed when it turns or stops: see `emulator.instruments.ledger`.
* ``impedance``   one sweep, with the resistances behind it: see `emulator.instruments.sweep_truth`.
* ``fault``       something done on purpose: ``phase`` is ``begin``, ``act`` (with the bytes ``before`` and ``after``, in
                  hexadecimal, where bytes were changed) or ``end``; ``fault``, ``channel``, ``event`` and ``activation`` say
                  which: see `emulator.engine`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import polars as pl

Value = str | int | float | bool | None | dict[str, "Value"] | list["Value"]

BLOCK_ROWS = 20_000


class TruthFile:
    """A file of rows, or nothing at all when ``path`` is ``None``; with ``latent``, the state of every sample beside it."""

    def __init__(self, path: Path | None, latent: LatentFile | None = None) -> None:
        self._file: IO[str] | None = None
        self.latent = latent
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def append(self, row: Mapping[str, Value]) -> None:
        """Write one row and flush it."""
        if self._file is not None:
            self._file.write(json.dumps(row, allow_nan=False, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """No row after this one."""
        if self.latent is not None:
            self.latent.close()
        if self._file is not None:
            self._file.close()
            self._file = None


class LatentFile:
    """The latent state of every sample, as numbered Parquet files in ``directory``, one block of rows each.

    `add` only appends to a list; a thread of its own turns full blocks into files, so that no loop waits for a disk. Read all of
    them with ``polars.read_parquet(directory / "*.parquet")``. Cells of different kinds have different columns: absent is null.
    """

    def __init__(self, directory: Path, block_rows: int = BLOCK_ROWS) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._block_rows = block_rows
        self._rows: list[dict[str, str | int | float | None]] = []
        self._count = 1 + max((int(path.stem) for path in directory.glob("*.parquet") if path.stem.isdigit()), default=0)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent")
        self._writing: list[Future[None]] = []

    def add(self, row: dict[str, str | int | float | None]) -> None:
        """Take one row."""
        self._rows.append(row)
        if len(self._rows) >= self._block_rows:
            self._hand_over()

    def close(self) -> None:
        """Write what is left and wait until all of it is on the disk; `OSError` when it could not be written."""
        self._hand_over()
        self._thread.shutdown(wait=True)
        for written in self._writing:
            written.result()
        self._writing = []

    def _hand_over(self) -> None:
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        path = self._directory / f"{self._count:06d}.parquet"
        self._count += 1
        self._writing.append(self._thread.submit(_write_block, rows, path))


def _write_block(rows: list[dict[str, str | int | float | None]], path: Path) -> None:
    unfinished = path.with_suffix(".unfinished")
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(unfinished)
    unfinished.replace(path)
