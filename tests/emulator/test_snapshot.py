"""Snapshots: what goes on from one goes on as the original did, bit for bit, in the same process, in another, in a branch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.scenario.file import read_scenario
from emulator.snapshots.branch import branched
from harness.model.anode import load_build, ready_build
from harness.model.schedule import ready_schedule
from tests.emulated import PLATE, START, Emulator, Host, Refused, leased, running, scenario

PLATING = PLATE.format(current="-500u", second=1800)
STRIPPING = PLATE.format(current="500u", second=1500)
CYCLES = (PLATING, STRIPPING, PLATING, STRIPPING)
Original = tuple[bytes, list[bytes], list[dict[str, Any]]]
"""A snapshot after two cycles, what the programs of the next two say, and the truth about those."""

SHIFTED = ("start_unix_time_nanosecond", "end_unix_time_nanosecond")


def rows(emulator: Emulator) -> list[dict[str, Any]]:
    """The rows of the truth about currents, without their moments, which differ."""
    return [
        {key: value for key, value in row.items() if key not in SHIFTED}
        for row in emulator.truth()
        if row["kind"] == "half_cycle"
    ]


def original(directory: Path) -> Original:
    """See `Original`."""
    with running(directory, scenario("self_advancing")) as emulator, leased(emulator) as host:
        for program in CYCLES:
            host.run(program)
        kept = json.dumps(emulator.ask("POST", "/channel/a1/snapshot", {"deposits": 2})).encode()
        before = len(rows(emulator))
        said = [host.run(program) for program in CYCLES]
        emulator.end()
        return kept, said, rows(emulator)[before:]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return original(tmp_path_factory.mktemp("original"))


def test_another_process_goes_on_bit_for_bit(tmp_path: Path, first: Original) -> None:
    """A scenario that starts from the snapshot, at another date, says the same bytes and tells the same truth."""
    kept, said, truth = first
    (tmp_path / "a1.snapshot").write_bytes(kept)
    given = scenario("self_advancing", clock={"mode": "self_advancing", "start": "2026-05-01T12:00:00Z"})
    given["instruments"][0]["channels"][0]["start_from"] = {"snapshot": "a1.snapshot"}
    with running(tmp_path, given) as emulator, leased(emulator) as host:
        assert [host.run(program) for program in CYCLES] == said
        emulator.end()
        assert rows(emulator) == truth


def test_the_same_process_goes_back_and_on_again(tmp_path: Path, first: Original) -> None:
    """Restored by request twice, the channel says the same bytes twice; while a program runs it cannot be."""
    kept, said, _ = first
    with running(tmp_path, scenario("self_advancing")) as emulator, leased(emulator) as host:
        for _ in range(2):
            emulator.ask("POST", "/channel/a1/restore", kept)
            assert [host.run(program) for program in CYCLES] == said
        host.say(f"e\n{PLATING}\n")
        host.hear(b"e\n")
        with pytest.raises(Refused, match="a program runs on channel a1"):
            emulator.ask("POST", "/channel/a1/restore", kept)


def test_a_branch_under_another_scenario_has_the_same_cell(tmp_path: Path, first: Original) -> None:
    """The command writes a scenario with start_from; with perfect instruments the cell goes on as in the original's truth."""
    kept, _, truth = first
    (tmp_path / "kept.snapshot").write_bytes(kept)
    given = scenario("self_advancing")
    given["instruments"][0]["imperfections"] = "none"
    (tmp_path / "base.yaml").write_text(json.dumps(given))
    command = [sys.executable, "-m", "emulator", "branch", "base.yaml", "kept.snapshot", "--out", "branched.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    made = yaml.safe_load((tmp_path / "branched.yaml").read_text())
    assert made["instruments"][0]["channels"][0]["start_from"] == {"snapshot": "kept.snapshot"}
    with running(tmp_path, json.loads(json.dumps(made, default=str)) | {"clock": given["clock"]}) as emulator:
        with leased(emulator) as host:
            for program in CYCLES:
                host.run(program)
        emulator.end()
        assert rows(emulator) == truth


def test_a_branch_in_another_directory_finds_the_files_of_the_original(tmp_path: Path, first: Original) -> None:
    """Names of builds, calibrations, schedules and snapshots are written anew; those of ready ones stay."""
    (tmp_path / "kept.snapshot").write_bytes(first[0])
    base, out = tmp_path / "base", tmp_path / "out"
    base.mkdir()
    out.mkdir()
    (base / "mine.yaml").write_text(ready_build("three-layers"))
    (base / "own.yaml").write_text(ready_schedule("demo-li-cu"))
    (base / "a2.yaml").write_text("current: []\n")
    given = scenario("self_advancing", channels=3, schedule="own.yaml")
    _, second, third = given["instruments"][0]["channels"]
    second |= {"cell": {"build": "mine.yaml"}, "calibration": "a2.yaml", "start_from": {"snapshot": "../kept.snapshot"}}
    third["cell"] = {"build": "three-layers"}
    (base / "base.yaml").write_text(json.dumps(given))
    text = branched(base / "base.yaml", [tmp_path / "kept.snapshot"], "a1", out / "branched.yaml")
    (out / "branched.yaml").write_text(text)
    made = yaml.safe_load(text)
    one, two, three = made["instruments"][0]["channels"]
    assert one["start_from"] == two["start_from"] == {"snapshot": "../kept.snapshot"}
    assert (two["cell"]["build"], two["calibration"]) == ("../base/mine.yaml", "../base/a2.yaml")
    assert (three["cell"]["build"], made["schedule"]) == ("three-layers", "../base/own.yaml")
    assert read_scenario(out / "branched.yaml").channels["a2"].cell.build == load_build("three-layers")


def test_state_of_one_channel_goes_onto_another(tmp_path: Path) -> None:
    """After a branch both cells have carried the same charge."""
    with running(tmp_path, scenario("stepped", 2)) as emulator, Host(emulator) as host:
        host.say(f"e\n{PLATING}\n")
        host.hear(b"\n")
        emulator.ask("POST", "/advance", {"second": 1800})
        host.hear(b"*\n\n")
        assert emulator.ask("POST", "/channel/a1/branch", {"onto": "a2"})["from"]["channel"] == "a1"
        one, other = (emulator.ask("GET", f"/channel/{name}/truth") for name in ("a1", "a2"))
        assert other["net_charge_coulomb"] == one["net_charge_coulomb"] != 0.0
        assert {key: value for key, value in other.items() if key not in ("channel", "cell")} == {
            key: value for key, value in one.items() if key not in ("channel", "cell")
        }


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda kept: kept[: len(kept) // 2], "is not a snapshot"),
        (lambda kept: kept.replace(b'"deposit_count":2', b'"deposit_count":3'), "does not have the hash"),
        (lambda _: b"{}", "sha256: Field required"),
    ],
)
def test_a_damaged_snapshot_is_found_out(tmp_path: Path, first: Original, damage: Any, sentence: str) -> None:
    """Status 2 and one sentence with the file."""
    kept = json.dumps(json.loads(first[0]), separators=(",", ":")).encode()
    (tmp_path / "bad.snapshot").write_bytes(damage(kept))
    (tmp_path / "base.yaml").write_text(json.dumps(scenario("stepped")))
    command = [sys.executable, "-m", "emulator", "branch", "base.yaml", "bad.snapshot"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("bad.snapshot: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_snapshot_of_another_cell_is_refused(tmp_path: Path, first: Original) -> None:
    """A scenario whose cell has another area cannot start from it: one sentence, status 2."""
    (tmp_path / "a1.snapshot").write_bytes(first[0])
    given = scenario("self_advancing", clock={"mode": "self_advancing", "start": START})
    channel = given["instruments"][0]["channels"][0]
    channel["start_from"], channel["cell"] = {"snapshot": "a1.snapshot"}, channel["cell"] | {"area_cm2": 2.0}
    (tmp_path / "scenario.yaml").write_text(json.dumps(given))
    command = [sys.executable, "-m", "emulator", "scenario.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "channel a1: start_from.snapshot: the snapshot is of another cell: its area_cm2 is 1.0, here it is 2.0" in done.stderr
