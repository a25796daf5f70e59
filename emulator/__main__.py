"""``python -m emulator scenario.yaml [--ports FILE]``: instruments that are not there, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from emulator.scenario.file import Scenario, read_scenario
from emulator.scenario.library import directory_for, find_scenario, ready_scenarios
from emulator.server import serve
from harness.errors import BadInput


def main(arguments: list[str] | None = None) -> int:
    """Serve a scenario; the exit status is 0 after a signal and 2 for a file that cannot be used."""
    started = time.time_ns()
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    parser.add_argument("scenario", help=f"a file, or one of {', '.join(ready_scenarios())}")
    parser.add_argument("--ports", type=Path, default=None, help="where to write the channels' addresses as JSON")
    given = parser.parse_args(arguments)
    try:
        path = find_scenario(given.scenario)
        asyncio.run(_until_signalled(read_scenario(path), directory_for(path), given.ports, started))
    except (BadInput, OSError) as bad:
        print(bad, file=sys.stderr)
        return 2
    return 0


async def _until_signalled(scenario: Scenario, directory: Path, ports: Path | None, started: int) -> None:
    loop = asyncio.get_running_loop()
    serving = loop.create_task(serve(scenario, directory, ports, _say, started), name="serve")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
