"""Faults that the emulator stages and the system causes, seen through the daemon's own process."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.model.status import ChannelState
from harness.query import Lab
from tests.e2e.conftest import Bench

pytestmark = pytest.mark.timeout(90)

SCHEDULE = """
schedule: fault
version: 1
on_gap: {on_gap}
sampling: {{every: 10 s, check: 2 s}}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - {{step: plate, current: 0.5 mA, for: 1 h}}
  - {{step: rest, for: 10 min}}
"""
CELL = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0}


def start(bench: Bench, channels: list[dict[str, Any]], *events: dict[str, Any]) -> subprocess.Popen[bytes]:
    bench.start_emulator([{"cell": CELL} | channel for channel in channels], events=events)
    bench.write_site()
    for number in range(len(channels)):
        bench.register(f"cu-{number + 1}", area_cm2=1.0)
    return bench.start_daemon()


def plating(bench: Bench, channel: str) -> bool:
    now = bench.channel(channel)
    return now.role == "plate" and now.voltage_volt is not None


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


def seconds(bench: Bench) -> float:
    """How long the emulator's time has run."""
    return (datetime.now(UTC) - bench.origin).total_seconds() * bench.scale


def half_cycles(bench: Bench) -> list[dict[str, Any]]:
    lines = bench.truth.read_text(encoding="utf-8").splitlines()
    return [row for line in lines if (row := json.loads(line))["kind"] == "half_cycle"]


def events(bench: Bench, cell: str = "cu-1") -> list[str]:
    with Lab.open(bench.state) as lab:
        found: list[str] = lab.cell(cell).events()["incident"].drop_nulls().to_list()
    return found


def test_channel_over_a_pseudo_terminal_runs_to_its_end(bench: Bench) -> None:
    """A serial device: opened exclusively, run, and idle again."""
    start(bench, [{"name": "a1", "listen": "pty"}])
    run = bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap="abort"))
    bench.wait_ended(run, second=20.0)
    assert events(bench) == []
    bench.wait(lambda: bench.channel("a1").state is ChannelState.IDLE)


def test_dead_instrument_does_not_disturb_the_others(bench: Bench) -> None:
    """One instrument goes away for good in mid-run: its run waits and its channel says so, the other one ends as planned."""
    drop = {"at": {"channel": "a1", "time": "5000 s"}, "do": "T10_refuse", "for": {"wall": "60 s"}}
    daemon = start(bench, [{"name": "a1"}, {"name": "a2"}], drop)
    dead = bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap="continue"))
    other = bench.run_cell("cu-2", "a2", SCHEDULE.format(on_gap="abort"))
    bench.wait(lambda: bench.channel("a1").state is ChannelState.LOST, 20.0)
    bench.wait_ended(other, second=20.0)
    assert daemon.poll() is None
    assert events(bench, "cu-2") == []
    assert "link_lost" in events(bench, "cu-1")
    assert bench.channel("a1").run_id == dead
    assert not next(link for link in bench.status().links if link.name == "channel a1").connected


@pytest.mark.parametrize("on_gap", ["abort", "continue", "adopt"])
def test_dropped_link_in_mid_plate_does_what_the_schedule_says(bench: Bench, on_gap: str) -> None:
    """Abort ends the run, continue plates the rest, adopt never interrupts the current; each says that there was a gap."""
    drop = {"at": {"channel": "a1", "time": "6000 s"}, "do": "T10_refuse", "for": {"wall": "1 s"}}
    start(bench, [{"name": "a1"}], drop)
    bench.wait(lambda: seconds(bench) > 3500.0)
    run = bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap=on_gap))
    bench.wait_ended(run, second=30.0)
    said = events(bench)
    assert {"link_lost", "gap"} <= set(said)
    with Lab.open(bench.state) as lab:
        assert lab.runs()["completed"].to_list() == [on_gap != "abort"]
    passed = [row["charge_coulomb"] for row in half_cycles(bench)]
    match on_gap:
        case "abort":
            assert -1.8 < sum(passed) < 0.0
        case "continue":
            assert sum(passed) == pytest.approx(-1.8, rel=0.05)
        case _:
            assert passed == pytest.approx([-1.8], rel=1e-6)


def test_full_disk_for_a_while_loses_no_record(bench: Bench) -> None:
    """Commits fail for longer than a flush may take: the daemon says so, goes on, and writes everything afterwards."""
    daemon = start(bench, [{"name": "a1"}])
    run = bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap="abort"))
    bench.wait(lambda: plating(bench, "a1"))
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1024, limits[1]))
    bench.wait(lambda: not bench.status().journal_healthy)
    bench.wait(lambda: bench.channel("a1").state is ChannelState.IDLE or bench.channel("a1").role == "rest", 20.0)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, limits)
    bench.wait(lambda: bench.status().journal_healthy)
    bench.wait_ended(run, second=20.0)
    assert daemon.poll() is None
    with Lab.open(bench.state) as lab:
        sequence = lab.store.samples([run])["seq"].to_list()
        assert sequence == sorted(set(sequence))
        assert lab.runs()["completed"].to_list() == [True]


@pytest.mark.parametrize("obstacle", ["journal.sqlite", "station.lock", "registry.sqlite"])
def test_daemon_without_a_journal_opens_every_cell_and_ends_with_status_2(bench: Bench, obstacle: str) -> None:
    """A cell left polarised by a killed daemon is opened even though nothing can be written."""
    bench.scale = 200.0
    daemon = start(bench, [{"name": "a1"}])
    bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap="abort"))
    bench.wait(lambda: plating(bench, "a1"))
    bench.end(daemon, signal.SIGKILL)
    for file in bench.state.glob(f"{obstacle}*"):
        file.unlink()
    (bench.state / obstacle).mkdir()
    assert '"half_cycle"' not in bench.truth.read_text(encoding="utf-8")
    done = bench.harness("daemon", str(bench.site))
    assert done.returncode == 2, done
    assert "a1: cell open, verified" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("harness: ")
    assert "Traceback" not in done.stderr
    assert '"half_cycle"' in bench.truth.read_text(encoding="utf-8")


def test_sigterm_while_connecting_ends_the_daemon(bench: Bench) -> None:
    """An instrument that accepts the connection and never answers does not keep a daemon that is told to stop."""
    start(bench, [{"name": "a1"}]).terminate()
    assert bench.emulator is not None
    bench.end(bench.processes[-1])
    bench.emulator.send_signal(signal.SIGSTOP)
    try:
        daemon = bench.start("daemon")
        bench.wait(lambda: catches(daemon.pid, signal.SIGTERM))
        began = time.monotonic()
        bench.end(daemon)
        assert time.monotonic() - began < 10.0
        assert "a1: NOT CONFIRMED" in (bench.directory / "daemon.log").read_text()
    finally:
        bench.emulator.send_signal(signal.SIGCONT)
