"""The data server of a state directory, as a process: prints its URL, ends with status 0 on SIGTERM."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from harness.service.control import ControlClient
from harness.service.server import create_app, new_token, serve
from harness.store.local import LocalStore


def announce(url: str) -> None:
    print(url, flush=True)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    app = create_app(lambda: LocalStore(directory, engine="adbc"), ControlClient(directory), token=new_token())
    asyncio.run(serve(app, "127.0.0.1", 0, announce=announce))
