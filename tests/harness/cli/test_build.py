"""``harness build``: what a person sees of builds and claims, and what is said about a file with a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.model.anode import load_build, parse_build, ready_build, ready_builds
from harness.model.claims import WORDING, assess

RUNNER = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"})


def printed(*arguments: str) -> str:
    done = RUNNER.invoke(app, ["build", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def joined(text: str) -> str:
    """Without the line breaks of the table's cells."""
    return " ".join(text.split())


def test_check_prints_the_verdict_table() -> None:
    """Twenty rows, both readings, a reason each, in a hundred columns."""
    shown = printed("check", "misses-07-crystalline")
    assert all(len(line) <= 100 for line in shown.splitlines())
    rows = [line.split() for line in shown.splitlines() if line[:2].strip().isdigit()]
    assert [int(row[0]) for row in rows] == list(range(1, 21))
    assert (
        "7 listed glass does not meets layers[2] (outer LiPON): composition[0], lithium phosphorus oxynitride, is not"
        in joined(shown)
    )
    assert "broadly: layers[0] (inner LiPON): composition[0], lithium phosphorus oxynitride, is a glass" in joined(shown)
    assert "14 with CO2 does not does not claim 13 is not met" in joined(shown)
    assert "17 listed gases does not – claim 16 is not met" in joined(shown)
    assert "not legal advice" in shown


def test_check_prints_parameters_and_assumptions_when_asked() -> None:
    """Layers with their resistance and arc, factors, and what was assumed."""
    shown = joined(printed("check", "three-layers", "--parameters"))
    assert "inner LiPON 0.3 2e-06 0.55 15 217" in shown
    assert "deposit_diameter_factor 2.7" in shown
    assert "assumed, as typical of lithium phosphorus oxynitride" in shown


def test_check_prints_json() -> None:
    """Every claim with wording, both findings and full reasons; the parameters beside them."""
    answer = json.loads(printed("check", "co2-deposited", "--json"))
    assert answer["build"] == "co2-deposited"
    assert [claim["claim"] for claim in answer["claims"]] == list(range(1, 21))
    found = assess(load_build("co2-deposited"))
    for claim, finding in zip(answer["claims"], found, strict=True):
        assert claim["wording"] == WORDING[finding.claim]
        assert claim["strict"] == {"verdict": finding.strict.verdict, "reason": finding.strict.reason}
        assert (claim["broad"] is None) is (finding.broad is None)
    assert answer["parameters"]["dead_fraction_factor"] == 0.5
    assert answer["parameters"]["assumptions"]


def test_check_reads_a_file_of_ones_own(tmp_path: Path) -> None:
    """Copied from a ready build and changed."""
    path = tmp_path / "mine.yaml"
    path.write_text(printed("show", "three-layers").replace("id: three-layers", "id: mine"), encoding="utf-8")
    assert "mine · LiPON, acrylate, LiPON" in printed("check", str(path))


def test_check_shows_brackets_of_a_title_as_they_are(tmp_path: Path) -> None:
    """Nothing in a file is taken for the terminal's markup."""
    path = tmp_path / "mine.yaml"
    text = "id: mine\ntitle: '[bold]Build[/bold] [7]'\nactive: {origin: foil}\nlayers: [{kind: alloy, name: '[red]tin[/red]'}]\n"
    path.write_text(text, encoding="utf-8")
    shown = printed("check", str(path))
    assert "[bold]Build[/bold] [7]" in shown
    assert "layers[0] ([red]tin[/red])" in shown
    assert "[red]tin[/red]" in printed("diff", "bare-foil", str(path))


def test_diff_prints_facts_verdicts_and_parameters() -> None:
    """Field paths, both verdicts with both reasons, and sizes."""
    shown = joined(printed("diff", "three-layers", "misses-04-thick-stack"))
    assert "layers[1].thickness.value_um 1.0 12.0" in shown
    assert "4 stack 0.5-10 µm both meets does not" in shown
    assert "5 stack 1-5 µm both meets does not" in shown
    assert "acrylate: resistance_ohm_cm2 8.55 102.6 × 12" in shown
    assert "resistance_ohm_cm2 38.55 132.6 × 3.44" in shown


def test_diff_says_when_nothing_follows() -> None:
    """No difference, or one that changes neither verdicts nor parameters."""
    assert "do not differ in any fact" in printed("diff", "bare-foil", "bare-foil")
    shown = printed("diff", "three-layers", "misses-07-crystalline")
    assert "No parameter changes." in shown


def test_list_shows_every_ready_build_with_its_claims() -> None:
    """Name, title, and the claims met; those met only broadly in brackets."""
    shown = printed("list")
    assert all(len(line) <= 100 for line in shown.splitlines())
    for name in ready_builds():
        assert f"\n{name} " in shown
    assert "1-5, 7-9, 11, 12, 15" in shown
    assert "16-19 (20)" in shown
    assert "none (1)" in shown


@pytest.mark.parametrize("name", ready_builds())
def test_show_prints_the_yaml_to_copy(name: str) -> None:
    """Byte for byte, and it parses."""
    shown = printed("show", name)
    assert shown == ready_build(name)
    assert parse_build(shown, "").id == name


HEAD = "id: mine\nactive: {origin: foil}\nlayers: "
MISTAKES = {
    "unknown material": (
        f"{HEAD}[{{kind: alloy, composition: [{{material: unobtainium}}]}}]",
        'layers[0].composition[0].material: "un',
    ),
    "negative thickness": (
        f"{HEAD}[{{kind: other, thickness: {{value_um: -1.5}}}}]",
        'layers[0].thickness.value_um: "-1.5" does not',
    ),
    "layers no list": (f"{HEAD}glass", 'layers: "glass" does not fit; it should be a list'),
    "unknown kind": (f"{HEAD}[{{kind: paper}}]", 'layers[0].kind: "paper" does not fit: input should be'),
    "unknown monomer class": (
        f"{HEAD}[{{kind: polymer, polymer: {{monomers: [{{name: a, class: vinyl}}]}}}}]",
        'layers[0].polymer.monomers[0].class: "vinyl" does not fit',
    ),
    "unknown substrate": ("id: mine\nsubstrate: {class: wood}\nactive: {}\nlayers: []", 'substrate.class: "wood" does not fit'),
    "misspelt key": ("id: mine\nactiv: {}\nlayers: []", "active: it is missing"),
    "not YAML": ("id: [mine", "it is not YAML"),
}


@pytest.mark.parametrize("command", ["check", "diff"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_a_file_is_one_sentence_with_its_place(mistake: str, command: str, tmp_path: Path) -> None:
    """File and path within it, what stands there, and what instead."""
    text, expected = MISTAKES[mistake]
    path = tmp_path / "mine.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    done = RUNNER.invoke(app, ["build", command, *(["bare-foil"] if command == "diff" else []), str(path)])
    told = str(done.exception)
    assert told.startswith(f"{path}: ")
    assert expected in told
    assert "\n" not in told
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["check", "nonesuch"], ["show", "nonesuch"], ["diff", "bare-foil", "nonesuch"]])
def test_unknown_name_exits_with_status_2(arguments: list[str]) -> None:
    """As typed: one sentence on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "build", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith('harness: build: "nonesuch" is ')
    assert done.stderr.count("\n") == 1


def test_mistake_exits_with_status_2(tmp_path: Path) -> None:
    """As typed: one sentence with the place on standard error."""
    path = tmp_path / "mine.yaml"
    path.write_text(MISTAKES["negative thickness"][0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "build", "check", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f'harness: {path}: layers[0].thickness.value_um: "-1.5" does not fit: input should be greater than 0\n'


@pytest.mark.parametrize("command", [[], ["check"], ["diff"], ["list"], ["show"]])
def test_build_commands_have_help(command: list[str]) -> None:
    """Each says what it does."""
    done = RUNNER.invoke(app, ["build", *command, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.stdout
