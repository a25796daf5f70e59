"""The ready scenarios: each is sound, and is found by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.scenario.file import read_scenario
from emulator.scenario.library import directory_for, find_scenario, ready_scenarios
from harness.errors import BadInput

ROOT = Path(__file__).parents[2]


def test_library_has_a_scenario_for_each_thing_people_look_for() -> None:
    """Well, worn out, shorted, rested, overheated, exchanged, cut off, and everything at once."""
    assert ready_scenarios() == [
        "calendar", "chamber-failure", "chaos", "eight-channel-swap", "knee", "nominal", "power-cut", "soft-short",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ready_scenarios())
def test_ready_scenario_is_sound_and_says_what_it_is(name: str) -> None:
    """It is read without a complaint, writes its truth under its own name, expects something, and begins with a sentence."""
    path = find_scenario(name)
    scenario = read_scenario(path)
    assert scenario.truth is not None
    assert scenario.truth.file == f"{name}-truth.jsonl"
    assert scenario.expect is not None
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert directory_for(path) == Path.cwd()


def test_file_of_a_ready_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person wrote is never hidden by what comes along."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "knee").write_text("")
    assert find_scenario("knee") == Path("knee")
    assert directory_for(Path("knee")) == tmp_path


def test_name_of_nothing_is_refused_with_those_there_are() -> None:
    """The complaint lists the ready scenarios."""
    with pytest.raises(BadInput, match="no ready scenario; ready are calendar, chamber-failure"):
        find_scenario("kneee")


@pytest.mark.parametrize("name", ready_scenarios())
def test_ready_scenario_is_served_by_its_name(name: str, tmp_path: Path) -> None:
    """One line per channel, then the end by a signal; the truth lies where it was started, and holds what was asked for."""
    command = [sys.executable, "-m", "emulator", name]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        for channel in read_scenario(find_scenario(name)).channels:
            assert process.stdout.readline().startswith(f"{channel} socket://")
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")
    assert '"kind":"scenario"' in (tmp_path / f"{name}-truth.jsonl").read_text(encoding="utf-8")
