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


async def run(site: Path) -> list[tuple[float, float]]:
    """Run the daemon until SIGTERM; the monotonic time of every look, and how late it was in milliseconds."""
    late: list[tuple[float, float]] = []
    probe = asyncio.create_task(_probe(late), name="probe")
    try:
        await run_daemon(load_site(site))
    finally:
        probe.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probe
    return late


async def _probe(late: list[tuple[float, float]]) -> None:
    while True:
        due = time.monotonic() + EVERY_SECOND
        await asyncio.sleep(EVERY_SECOND)
        now = time.monotonic()
        late.append((now, 1e3 * (now - due)))


if __name__ == "__main__":
    looks = asyncio.run(run(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(looks), encoding="utf-8")
