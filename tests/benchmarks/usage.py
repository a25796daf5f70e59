"""What a process uses of the machine, as Linux tells it under /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time of all threads of a process since it began, its resident memory, and when that was."""

    cpu_second: float
    resident_megabyte: float
    at_second: float


def usage_of(pid: int) -> Usage:
    """What the process ``pid`` has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # user and system
    return Usage(ticks / _TICKS_PER_SECOND, int(fields[21]) * _PAGE_BYTES / 1e6, time.monotonic())


def cpu_percent(before: Usage, after: Usage) -> float:
    """CPU time per time between two looks; 100 is one core."""
    return 100 * (after.cpu_second - before.cpu_second) / (after.at_second - before.at_second)
