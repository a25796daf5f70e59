"""The daemon with one more task, which notes how late the event loop wakes it: ``probed_daemon.py SITE LATENESS.json``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

from harness.config import load_site
from harness.service.daemon import run_daemon

EVERY_SECOND = 0.05


async def run(site: Path, lateness: Path) -> None:
    """Run the daemon until SIGTERM, then write the lateness of every look, in milliseconds, with its monotonic time."""
    late: list[tuple[float, float]] = []
    probe = asyncio.create_task(_probe(late), name="probe")
    try:
        await run_daemon(load_site(site))
    finally:
        probe.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probe
        lateness.write_text(json.dumps(late), encoding="utf-8")


async def _probe(late: list[tuple[float, float]]) -> None:
    while True:
        due = time.monotonic() + EVERY_SECOND
        await asyncio.sleep(EVERY_SECOND)
        now = time.monotonic()
        late.append((now, 1e3 * (now - due)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), Path(sys.argv[2])))
