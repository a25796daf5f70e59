"""What really happened, as JSON lines: appended at once, flushed, never rewritten.

Rows by ``kind``:

* ``scenario``    once per start: seed, hash of every channel's parameters, the offsets and gains that were drawn.
* ``half_cycle``  one uninterrupted direction of current, closed when the direction changes, the current stops or the cell opens.
* ``impedance``   one sweep, with the resistances behind it.
* ``event``       a fault that was switched on.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

Value = str | int | float | bool | None | dict[str, "Value"] | list["Value"]


class TruthFile:
    """A file of rows, or nothing at all when ``path`` is ``None``."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def append(self, row: dict[str, Value]) -> None:
        """Write one row and flush it."""
        if self._file is not None:
            self._file.write(json.dumps(row, allow_nan=False, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """No row after this one."""
        if self._file is not None:
            self._file.close()
            self._file = None


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
