"""What a killed or stopped daemon leaves behind: open cells, and a gap that the data own up to."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from harness.model.status import ChannelState
from harness.query import Lab
from tests.e2e.conftest import Bench

pytestmark = pytest.mark.timeout(180)

SCHEDULE = """
schedule: accident
version: 1
on_gap: {on_gap}
sampling: {{every: 10 s, check: 2 s}}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - {{step: plate, current: 0.5 mA/cm^2, until: {{charge: 1 mAh/cm^2}}}}
  - {{step: rest, for: 10 min}}
  - {{step: strip, current: 0.5 mA/cm^2, until: {{voltage_above: 1 V}}, longest: 4 h}}
"""
LONGEST_PERIOD_SECOND = 100.0
SWEEP = """
schedule: sweep
version: 1
steps:
  - {step: rest, for: 1 min}
  - {step: eis, from: 1 Hz, to: 10 mHz, points_per_decade: 2, amplitude: 10 mV, longest: 1 h}
"""
PLATE_SECOND = 7200.0
CHECK_SECOND = 2.0
AREA_CM2 = 1.267


def half_cycles(bench: Bench) -> list[dict[str, Any]]:
    """What really passed."""
    lines = bench.truth.read_text(encoding="utf-8").splitlines()
    return [row for line in lines if (row := json.loads(line))["kind"] == "half_cycle"]


def incidents(lab: Lab) -> list[str]:
    """What was said to have happened to the cell's run."""
    kinds: list[str] = lab.cell("cu-1").events()["incident"].drop_nulls().to_list()
    return kinds


def mid_plate(bench: Bench) -> bool:
    channel = bench.channel("a1")
    return channel.role == "plate" and channel.voltage_volt is not None


def test_killed_daemon_leaves_the_instrument_to_open_the_cell(bench: Bench) -> None:
    """The instrument ends its own step, and a daemon restarted afterwards finds the gap and ends the run."""
    bench.scale = 2000.0
    bench_daemon = start(bench)
    run = plating_run(bench, "abort")
    bench.wait(lambda: mid_plate(bench))
    bench.end(bench_daemon, signal.SIGKILL)
    bench.wait(lambda: len(half_cycles(bench)) == 1)
    plated = half_cycles(bench)[0]
    expected = -0.5e-3 * AREA_CM2 * PLATE_SECOND
    assert plated["charge_coulomb"] == pytest.approx(expected, rel=1e-6)
    bench.start_daemon()
    bench.wait_ended(run)
    assert len(half_cycles(bench)) == 1
    with Lab.open(bench.state) as lab:
        assert "gap" in incidents(lab)


def start(bench: Bench) -> Any:
    preset = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": AREA_CM2}
    bench.start_emulator([{"name": "a1", "listen": "tcp", "cell": preset}])
    bench.write_site()
    bench.register("cu-1")
    return bench.start_daemon()


def plating_run(bench: Bench, on_gap: str) -> str:
    return bench.run_cell("cu-1", "a1", SCHEDULE.format(on_gap=on_gap))


@pytest.mark.parametrize("on_gap", ["abort", "continue", "adopt"])
def test_restarted_daemon_does_what_the_schedule_says(bench: Bench, on_gap: str) -> None:
    """Restarted in mid-plate: abort stops and ends, continue stops and plates the rest, adopt never interrupts the current."""
    bench.scale = 500.0
    daemon = start(bench)
    run = plating_run(bench, on_gap)
    bench.wait(lambda: mid_plate(bench))
    bench.end(daemon, signal.SIGKILL)
    bench.start_daemon()
    bench.wait_ended(run)
    rows = half_cycles(bench)
    plated = [row["charge_coulomb"] for row in rows if row["direction"] == "reduction"]
    wanted = -0.5e-3 * AREA_CM2 * PLATE_SECOND
    match on_gap:
        case "abort":
            assert len(rows) == 1
            assert wanted < plated[0] < 0.0
        case "continue":
            assert len(plated) == 2
            assert sum(plated) == pytest.approx(wanted, rel=0.05)
        case _:
            assert len(plated) == 1
            assert plated[0] == pytest.approx(wanted, rel=1e-6)
    with Lab.open(bench.state) as lab:
        assert "gap" in incidents(lab)


def test_stopped_daemon_opens_and_verifies_every_cell(bench: Bench) -> None:
    """SIGTERM: the screen says each cell is open and verified, within ten seconds, and status 0."""
    bench.scale = 200.0
    daemon = start(bench)
    plating_run(bench, "abort")
    bench.wait(lambda: mid_plate(bench))
    began = time.monotonic()
    assert bench.end(daemon) == 0, bench.logs()
    assert time.monotonic() - began < 10.0
    assert "a1: cell open, verified" in (bench.directory / "daemon.log").read_text()
    assert len(half_cycles(bench)) == 1


def test_stopped_daemon_waits_for_the_frequency_being_measured(bench: Bench) -> None:
    """SIGTERM in a sweep: the point is finished, then the cell is opened and verified; the sweep counts as not whole."""
    bench.scale = 50.0
    daemon = start(bench)
    bench.run_cell("cu-1", "a1", SWEEP)
    bench.wait(lambda: bench.channel("a1").step_path == "eis")
    began = time.monotonic()
    assert bench.end(daemon) == 0, bench.logs()
    assert time.monotonic() - began < 10.0 + 2 * LONGEST_PERIOD_SECOND / bench.scale
    assert "a1: cell open, verified" in (bench.directory / "daemon.log").read_text()
    with Lab.open(bench.state) as lab:
        ended = lab.cell("cu-1").events()
        assert ended["complete"].drop_nulls().to_list() == [False]


def test_paused_run_goes_on_with_what_remains(bench: Bench) -> None:
    """A pause opens the cell, a resume plates the rest: together as much as was asked for, and all of it is accounted for."""
    bench.scale = 1000.0
    start(bench)
    bench.start("rollup")
    run = plating_run(bench, "abort")
    bench.wait(lambda: mid_plate(bench))
    assert bench.harness("run", "pause", run, "--site", str(bench.site)).returncode == 0
    bench.wait(lambda: bench.channel("a1").state is ChannelState.PAUSED)
    assert len(half_cycles(bench)) == 1
    again = bench.harness("run", "pause", run, "--site", str(bench.site))
    assert (again.returncode, again.stderr) == (2, f"harness: run {run} is paused already\n")
    assert bench.harness("run", "resume", run, "--site", str(bench.site)).returncode == 0
    bench.wait_ended(run)
    plated = [row["charge_coulomb"] for row in half_cycles(bench) if row["direction"] == "reduction"]
    assert len(plated) == 2
    two_looks = 2 * CHECK_SECOND / PLATE_SECOND
    assert sum(plated) == pytest.approx(-0.5e-3 * AREA_CM2 * PLATE_SECOND, rel=two_looks * 1.01)
    with Lab.open(bench.state) as lab:
        bench.wait(lambda: lab.cell("cu-1").cycles()["stripping_capacity_ah"].drop_nulls().len() == 1)
        measured = lab.cell("cu-1").cycles()["plating_capacity_ah"].item()
    assert measured * 3600.0 == pytest.approx(-sum(plated), rel=1e-6)
