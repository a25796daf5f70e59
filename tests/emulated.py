"""The emulator as a process, its control port, and a host that can hold a lease: what tests of time, truth and replay share."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

DEADLINE_SECOND = 20.0
START = "2026-01-01T00:00:00Z"
START_NANOSECOND = 1_767_225_600_000_000_000

PLATE = (
    "var p\nvar c\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\nmeas_loop_cp p c {current} 10 {second}\n"
    "pck_start\npck_add p\npck_add c\npck_end\nendloop\non_finished:\ncell_off\n"
)
"""A program: constant current, a reading every 10 s."""


def scenario(mode: str, channels: int = 1, **extra: Any) -> dict[str, Any]:
    """A scenario of Li||Cu cells with ordinary instruments; ``extra`` replaces or adds entries."""
    cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0}
    made = [{"name": f"a{number}", "cell": cell} for number in range(1, channels + 1)]
    given: dict[str, Any] = {
        "seed": 7,
        "clock": {"mode": mode, "start": START},
        "truth": {"file": "truth.jsonl"},
        "instruments": [{"serial": "EMU1", "model": "es4_hr", "channels": made}],
    }
    return given | extra


class Refused(Exception):
    """The control port said no."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{status}: {what}")
        self.status = status
        self.what = what


@dataclass
class Emulator:
    """A running emulator."""

    process: subprocess.Popen[str]
    directory: Path
    ports: dict[str, dict[str, str]]
    url: str
    token: str

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> dict[str, Any]:
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        headers = {"X-Emulator-Token": self.token if token is None else token}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECOND) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, json.load(error)["what"]) from None

    def now(self) -> float:
        """Emulated seconds since the scenario's start."""
        return (int(self.ask("GET", "/time")["now_nanosecond"]) - START_NANOSECOND) / 1e9

    def truth(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "truth.jsonl").read_text().splitlines()]

    def end(self) -> tuple[str, str]:
        """Stop it; what it printed and complained."""
        self.process.terminate()
        said, complained = self.process.communicate(timeout=DEADLINE_SECOND)
        assert self.process.returncode == 0, complained
        return said, complained


@contextlib.contextmanager
def running(directory: Path, given: dict[str, Any], *options: str) -> Iterator[Emulator]:
    """The emulator with a scenario, until the context ends."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scenario.yaml").write_text(json.dumps(given))
    ports = directory / "ports.json"
    ports.unlink(missing_ok=True)
    command = [sys.executable, "-m", "emulator", "serve", str(directory / "scenario.yaml"), "--ports", str(ports), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), process.stderr and process.stderr.read()
        told = json.loads(ports.read_text())
        control = told.pop("@control")
        yield Emulator(process, directory, told, control["url"], control["token"])
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_SECOND)


@dataclass
class Host:
    """A client of one channel that counts its bytes. With a lease it can let time go."""

    emulator: Emulator
    channel: str = "a1"
    lease: str | None = None
    heard: bytes = b""
    said: int = 0
    _socket: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        host, port = self.emulator.ports[self.channel]["url"].removeprefix("socket://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=DEADLINE_SECOND)
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def say(self, text: str) -> None:
        data = text.encode()
        self._socket.sendall(data)
        self.said += len(data)

    def hear(self, ending: bytes) -> bytes:
        """Everything up to ``ending``; time is let go for it when there is a lease."""
        deadline = time.monotonic() + DEADLINE_SECOND
        before = len(self.heard)
        while not self.heard[before:].endswith(ending):
            assert time.monotonic() < deadline, self.heard[before:]
            if self.lease is not None:
                traffic = {self.channel: [len(self.heard), self.said]}
                self.emulator.ask("POST", f"/lease/{self.lease}/wait", {"traffic": traffic})
            self.heard += self._socket.recv(65_536)
        return self.heard[before:]

    def run(self, script: str) -> bytes:
        """Run a script; what it says, to the empty line."""
        self.say(f"e\n{script}\n")
        return self.hear(b"\n\n")


@contextlib.contextmanager
def leased(emulator: Emulator, channel: str = "a1", **wanted: Any) -> Iterator[Host]:
    """A host with a lease of its own."""
    lease = emulator.ask("POST", "/lease", {"holder": "test"} | wanted)["lease"]
    with Host(emulator, channel, lease) as host:
        yield host
