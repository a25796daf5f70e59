"""What a person can get wrong, on the command line and in files: one clear sentence, status 2, and nothing half done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Bench, running_bench

pytestmark = pytest.mark.timeout(120)

SCHEDULE = """
schedule: bad
version: 1
sampling: {every: 10 s, check: 2 s}
limits: {voltage: [-0.5 V, 3.3 V]}
steps:
  - {step: plate, current: 0.5 mA/cm^2, until: {charge: 1 mAh/cm^2}}
  - {step: strip, current: 0.5 mA/cm^2, until: {voltage_above: 1 V}, longest: 4 h}
"""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One daemon for the whole table, with one channel in use."""
    with running_bench(tmp_path_factory.mktemp("bad")) as bench:
        bench.scale = 100.0
        cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.267}
        bench.start_emulator([{"name": name, "cell": cell} for name in ("a1", "a2")])
        bench.write_site()
        bench.register("cu-1")
        bench.register("cu-2")
        bench.start_daemon()
        bench.run_cell("cu-1", "a1", SCHEDULE)
        yield bench


def starting(station: Bench, text: str, cell: str = "cu-2", channel: str = "a2") -> subprocess.CompletedProcess[str]:
    file = station.directory / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    options = ("--cell", cell, "--channel", channel, "--schedule", str(file), "--site", str(station.site))
    return station.harness("run", "start", *options)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The single line on standard error of a command that ended with status 2 and printed nothing else."""
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("harness: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-0.5 V, 3.3 V", "-0.5 V, 9 V", "9 V"),
        ("until: {charge: 1 mAh/cm^2}", "name: endless", "steps[0]"),
        ("voltage_above: 1 V", 'voltage_above: "1,5 V"', "decimal comma"),
        ("current: 0.5 mA/cm^2, until: {charge", "current: 0.5 mA/furlung, until: {charge", "furlung"),
        ("current: 0.5 mA/cm^2, until: {charge", "current: 50 mA, until: {charge", "steps[0]"),
        ("step: strip", "step: stripp", "stripp"),
        ("longest: 4 h", "longest: 4 h, colour: red", "colour"),
        ("version: 1", "version: [1", "YAML"),
    ],
)
def test_schedule_that_is_wrong_begins_no_run(station: Bench, old: str, new: str, said: str) -> None:
    """A limit outside the channel's window, a step without an end, a decimal comma, an unknown unit, and their like."""
    assert old in SCHEDULE
    before = station.status().runs
    assert said in one_sentence(starting(station, SCHEDULE.replace(old, new)))
    assert {run.run_id for run in station.status().runs} == {run.run_id for run in before}
    assert station.channel("a2").run_id is None


@pytest.mark.parametrize(
    ("cell", "channel", "said"),
    [
        ("cu-2", "a1", "channel a1 is in use by cell cu-1"),
        ("cu-1", "a2", "cell cu-1 is already running on channel a1"),
        ("cu-9", "a2", '"cu-9" is not registered (known: cu-1, cu-2)'),
        ("cu-2", "b7", '"b7" is not a channel of this station (known: a1, a2)'),
    ],
)
def test_start_that_cannot_be_begins_no_run(station: Bench, cell: str, channel: str, said: str) -> None:
    """A channel in use, a cell in use, an unknown cell, an unknown channel."""
    before = station.status().runs
    assert said in one_sentence(starting(station, SCHEDULE, cell, channel))
    assert len(station.status().runs) == len(before)


def test_cell_that_has_run_is_corrected_only_with_a_reason(station: Bench) -> None:
    """Its facts stand once a run pinned them; and a build that nobody knows makes no cell."""
    file = station.directory / "cu-1.yaml"
    described = file.read_text(encoding="utf-8")
    add = ("cell", "add", str(file), "--site", str(station.site))
    for old, new, said in (
        ("1.267", "1.3", "cell cu-1 has been used by a run, so its facts stand; say why"),
        ("bare-foil", "bare-foul", '"bare-foul" is neither registered (known: bare-foil) nor a ready build'),
    ):
        file.write_text(described.replace(old, new), encoding="utf-8")
        assert said in one_sentence(station.harness(*add))
    file.write_text(described.replace("1.267", "1.3"), encoding="utf-8")
    done = station.harness(*add, "--why", "measured with a caliper")
    assert (done.returncode, done.stdout) == (0, "cu-1 is registered, revision 2\n")


def test_command_for_an_unknown_run_is_refused(station: Bench) -> None:
    """Stopping what does not run says so."""
    assert "is not running" in one_sentence(station.harness("run", "stop", "cu-7-20260101t000000", "--site", str(station.site)))


def test_schedule_that_is_not_there_is_named(station: Bench) -> None:
    """Neither a file nor a ready schedule: the ready ones are listed."""
    options = ("--cell", "cu-2", "--channel", "a2", "--schedule", "absent.yaml", "--site", str(station.site))
    assert "absent.yaml" in one_sentence(station.harness("run", "start", *options))


def test_second_daemon_on_one_state_directory_is_refused(station: Bench) -> None:
    """The second one leaves the first and its cells alone."""
    said = one_sentence(station.harness("daemon", str(station.site)))
    assert "another daemon is running here" in said
    assert station.channel("a1").run_id is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('window = ["-1 V", "4.6 V"]', 'window = ["4.6 V", "-1 V"]', "empty"),
        ('current = "10 mA"', 'current = "10 mV"', "current"),
        ('current = "10 mA"', 'current = "1,5 mA"', "comma"),
        ('name = "a2"', 'name = "a1"', "a1"),
        ("[clock]", "[clok]", "clok"),
    ],
)
def test_site_file_that_is_wrong_starts_no_daemon(station: Bench, old: str, new: str, said: str) -> None:
    """The sentence names what is wrong in the site file."""
    text = station.site.read_text(encoding="utf-8")
    assert old in text
    file = station.directory / "wrong.toml"
    file.write_text(text.replace(old, new).replace('station = "bench"', 'station = "wrong"'), encoding="utf-8")
    assert said in one_sentence(station.harness("daemon", str(file)))


@pytest.mark.parametrize(("what", "said"), [("port", "a2"), ("serial", "EMU4HR0001CH002"), ("driver", "nonesuch")])
def test_instrument_that_is_not_as_written_starts_no_daemon(tmp_path: Path, what: str, said: str) -> None:
    """A port that does not exist, a wrong serial number, an unknown driver: one sentence that names the channel."""
    with running_bench(tmp_path) as bench:
        cell = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.267}
        bench.start_emulator([{"name": name, "cell": cell} for name in ("a1", "a2")])
        port = bench.ports["a2"]
        changed = {"port": {"url": "/dev/does-not-exist"}, "serial": {"serial": "EMU4HR0009CH002"}}.get(what, {})
        bench.ports["a2"] = port | changed
        bench.write_site()
        if what == "driver":
            bench.site.write_text(bench.site.read_text().replace('driver = "methodscript"', 'driver = "nonesuch"'))
        done = bench.harness("daemon", str(bench.site))
        assert done.returncode == 2, done
        [sentence] = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
        assert "channel a2" in sentence
        assert said in sentence
        assert "Traceback" not in done.stderr
