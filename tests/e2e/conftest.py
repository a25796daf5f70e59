"""A station of emulated instruments, made of the very processes a lab runs, in a directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.model.schedule import ready_schedule
from harness.model.status import ChannelStatus, StationStatus
from harness.service.control import ControlClient, ControlUnavailable
from harness.service.station import RunRequest

PATIENCE_SECOND = 60.0
LEASED_START = "2026-01-01T00:00:00Z"


@dataclass
class Bench:
    """Emulated channels, a site, registered cells, and processes to start and kill."""

    directory: Path
    scale: float = 1000.0
    slack_second: float | None = None
    """Not ``None``: the emulator's time advances by itself, the daemon has a lease with this slack, and there is no scale."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    origin: datetime = field(default_factory=lambda: datetime.now(UTC))
    ports: dict[str, dict[str, str]] = field(default_factory=dict)
    emulator: subprocess.Popen[bytes] | None = None

    @property
    def site(self) -> Path:
        return self.directory / "site.toml"

    @property
    def state(self) -> Path:
        return self.directory / "bench"

    @property
    def truth(self) -> Path:
        return self.directory / "truth.jsonl"

    @property
    def client(self) -> ControlClient:
        return ControlClient(self.state)

    def start_emulator(
        self,
        channels: list[dict[str, Any]],
        *,
        imperfections: Any = "none",
        seed: int = 1,
        events: Sequence[dict[str, Any]] = (),
        alone: Sequence[str] = (),
    ) -> None:
        """Serve ``channels``, those named in ``alone`` on an instrument of their own; afterwards `ports` says where."""
        groups = [[one for one in channels if one["name"] not in alone], *([one] for one in channels if one["name"] in alone)]
        scenario = {
            "seed": seed,
            "clock": self._clock() if self.slack_second is None else {"mode": "self_advancing", "start": LEASED_START},
            "truth": {"file": "truth.jsonl"},
            "instruments": [
                {"serial": f"EMU4HR{number:04d}", "model": "es4_hr", "imperfections": imperfections, "channels": group}
                for number, group in enumerate(groups, 1)
                if group
            ],
            "events": list(events),
        }
        (self.directory / "scenario.yaml").write_text(json.dumps(scenario), encoding="utf-8")
        ports = self.directory / "ports.json"
        self.emulator = self._spawn("emulator", "-m", "emulator", str(self.directory / "scenario.yaml"), "--ports", str(ports))
        self.wait_ports(ports)

    def wait_ports(self, file: Path) -> None:
        """Wait until the emulator says where its channels are, and keep it."""
        self.wait(file.exists)
        told = json.loads(file.read_text(encoding="utf-8"))
        self.ports = {name: port for name, port in told.items() if not name.startswith("@")}

    def write_site(self, extra: str = "", channel: str = "") -> None:
        """A site file for all emulated channels; ``extra`` is put before them, ``channel`` into each."""
        clock = self._clock()
        if self.slack_second is not None:
            clock = {"mode": '"leased"', "control": '"ports.json"', "slack_second": self.slack_second}
        lines = ['station = "bench"', "[clock]", *(f"{key} = {value}" for key, value in clock.items()), extra]
        for name, port in self.ports.items():
            lines += ["[[channel]]", f'name = "{name}"', 'driver = "methodscript"', f'url = "{port["url"]}"']
            lines += [f'serial = "{port["serial"]}"', 'window = ["-1 V", "4.6 V"]', 'current = "10 mA"', channel]
        self.site.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def register(self, cell: str, **facts: object) -> None:
        described = {"id": cell, "build": "bare-foil", "geometry": "deposit", "counter": "Li", "area_cm2": 1.267} | facts
        file = self.directory / f"{cell}.yaml"
        file.write_text(yaml.safe_dump(described), encoding="utf-8")
        done = self.harness("cell", "add", str(file), "--site", str(self.site))
        assert done.returncode == 0, done.stderr

    def harness(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECOND, cwd=self.directory)

    def start(self, process: str) -> subprocess.Popen[bytes]:
        """Start one of the station's processes."""
        return self._spawn(process, "-m", "harness", process, str(self.site))

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Start the daemon and wait until it answers."""
        daemon = self.start("daemon")
        self.wait(lambda: self._answers(daemon))
        return daemon

    def run_cell(self, cell: str, channel: str, schedule: str, count: int | None = None) -> str:
        """Start a run of a ready schedule or of a schedule's text."""
        text = schedule if "\n" in schedule else ready_schedule(schedule)
        return asyncio.run(self.client.start(RunRequest(cell, channel, "schedule", text, count)))

    def status(self) -> StationStatus:
        return asyncio.run(self.client.status())

    def channel(self, name: str) -> ChannelStatus:
        return next(channel for channel in self.status().channels if channel.channel == name)

    def wait(self, condition: Callable[[], bool], second: float = PATIENCE_SECOND) -> None:
        """Poll ``condition`` until it holds."""
        deadline = time.monotonic() + second
        while not condition():
            assert time.monotonic() < deadline, f"{condition} did not come true in {second} s; see {self.logs()}"
            if self.emulator is not None and self.emulator.poll() is not None:
                pytest.fail(f"the emulator ended: {self.logs()}")
            time.sleep(0.02)

    def wait_ended(self, *runs: str, second: float = PATIENCE_SECOND) -> None:
        """Wait until runs are over."""
        self.wait(lambda: set(runs) <= {run.run_id for run in self.status().runs if run.ended}, second)

    def logs(self) -> str:
        """What the processes printed."""
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in sorted(self.directory.glob("*.log"))
        )

    def end(self, process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout=PATIENCE_SECOND)

    def _answers(self, daemon: subprocess.Popen[bytes]) -> bool:
        assert daemon.poll() is None, self.logs()
        with contextlib.suppress(ControlUnavailable):
            return bool(self.status().channels)
        return False

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=os.environ | {"COLUMNS": "200"},
            )
        self.processes.append(process)
        return process

    def _clock(self) -> dict[str, Any]:
        start = self.origin - timedelta(days=60)
        return {"scale": self.scale, "start": start.isoformat(), "origin": self.origin.isoformat()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty bench; every process it started is ended afterwards."""
    with running_bench(tmp_path) as made:
        yield made


@contextlib.contextmanager
def running_bench(directory: Path) -> Iterator[Bench]:
    """An empty bench in ``directory``; every process it started is ended afterwards."""
    made = Bench(directory)
    try:
        yield made
    finally:
        _end_all(made.processes)


def _end_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(processes):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
        if process.poll() is None:
            process.kill()
            process.wait()
