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
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import polars as pl

Value = str | int | float | bool | None | dict[str, "Value"] | list["Value"]

Row = dict[str, str | int | float | None]

BLOCK_ROWS = 20_000
PORTION_ROWS = 1000


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

    `add` only appends to a list; a thread of its own turns rows into tables, in small portions because that holds the
    interpreter, and tables into files, which does not. No loop waits for a disk. Read all of them with
    ``polars.read_parquet(directory / "*.parquet")``. Cells of different kinds have different columns: absent is null.
    """

    def __init__(self, directory: Path, block_rows: int = BLOCK_ROWS) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._block_rows = block_rows
        self._portion_rows = min(PORTION_ROWS, block_rows)
        self._rows: list[Row] = []
        self._block: list[pl.DataFrame] = []
        self._count = 1 + max((int(path.stem) for path in directory.glob("*.parquet") if path.stem.isdigit()), default=0)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="latent")
        self._last: Future[None] | None = None

    def add(self, row: Row) -> None:
        """Take one row; `OSError` when rows before it could not be written."""
        self._rows.append(row)
        if len(self._rows) >= self._portion_rows:
            self._hand_over(self._block_rows)

    def close(self) -> None:
        """Write what is left and wait until all of it is on the disk; `OSError` when it could not be written."""
        self._hand_over(0)
        self._thread.shutdown(wait=True)
        if self._last is not None:
            self._last.result()

    def _hand_over(self, enough_rows: int) -> None:
        if self._last is not None and self._last.done():
            self._last.result()
        rows, self._rows = self._rows, []
        self._last = self._thread.submit(self._take, rows, enough_rows, self._last)

    def _take(self, rows: list[Row], enough_rows: int, before: Future[None] | None) -> None:
        """In the thread: one more portion, and a file when the block holds ``enough_rows``."""
        if before is not None:
            before.result()
        if rows:
            self._block.append(pl.DataFrame(rows, infer_schema_length=None))
        if not self._block or sum(frame.height for frame in self._block) < enough_rows:
            return
        path = self._directory / f"{self._count:06d}.parquet"
        unfinished = path.with_suffix(".unfinished")
        pl.concat(self._block, how="diagonal").write_parquet(unfinished)
        unfinished.replace(path)
        self._block.clear()
        self._count += 1


class SealedTruth(TruthFile):
    """A truth that nobody can look at before the end: it is written to a file without a name, and gets one when it is closed.

    The named file is for its owner alone (mode 0600); an older one of the same name goes on with it. An emulator that is killed
    takes its truth with it.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(None)
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent)  # noqa: SIM115 - `close` closes it

    def close(self) -> None:
        """No row after this one, and from now on it can be read."""
        if self._file is not None and self._path is not None:
            self._file.flush()
            self._file.seek(0)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.fchmod(handle, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as named:
                shutil.copyfileobj(self._file, named)
        super().close()
