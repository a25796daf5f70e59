"""The README tells the truth: its commands exist, every command is in it, and its files are accepted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from harness.cli.main import app
from harness.config import load_site
from harness.model.anode import parse_build
from harness.model.cell import Cell
from harness.model.claims import Verdict, assess
from harness.model.schedule import parse_schedule
from harness.store.registry import cell_from

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def block(language: str, beginning: str) -> str:
    return str(next(text for kind, text in BLOCKS if kind == language and text.startswith(beginning)))


def commands() -> list[tuple[str, ...]]:
    """Every command of the command line, groups spelled out."""
    group = typer.main.get_command(app)
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # click's group, as typer returns it
        subcommands = getattr(command, "commands", None)
        found += [(name, sub) for sub in subcommands] if subcommands else [(name,)]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_readme_names_every_command(command: tuple[str, ...]) -> None:
    """Each command is shown, or named in the sentence beside its group."""
    words = README.replace("`", " ")
    shown = f"harness {' '.join(command)}" in words
    named = len(command) == 2 and re.search(rf"harness {command[0]} \w+.*# and .*\b{command[1]}\b", words)
    assert shown or named


def test_readme_commands_exist() -> None:
    """What the README types is a command."""
    known = commands()
    for line in block("sh", "harness up").splitlines():
        words = line.split("#")[0].split()
        assert any(tuple(words[1 : 1 + len(command)]) == command for command in known), line


def test_readme_site_file_is_accepted(tmp_path: Path) -> None:
    """The site file of the README can be loaded."""
    path = tmp_path / "site.toml"
    path.write_text(block("toml", "station"), encoding="utf-8")
    assert load_site(path).channel[0].window == (-0.5, 4.5)


def test_readme_cell_and_schedule_are_accepted() -> None:
    """The cell and the schedule of the README are what the software reads."""
    assert isinstance(cell_from(yaml.safe_load(block("yaml", "id: cu-01")), "cell"), Cell)
    assert parse_schedule(block("yaml", "schedule:"), "README.md").schedule == "my-plate-strip"


def test_readme_build_is_accepted() -> None:
    """The build of the README is what the software reads, meets claim 1, and is the one its cell is made of."""
    build = parse_build(block("yaml", "id: stack-7"), "README.md")
    assert assess(build)[0].strict.verdict is Verdict.MEETS
    assert build.id == yaml.safe_load(block("yaml", "id: cu-01"))["build"]


def test_make_targets_of_the_readme_exist() -> None:
    """Every ``make …`` in the README is a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (demo|test|referee|bench|dashboards)\b", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_pins_satisfy_what_is_declared() -> None:
    """Every direct dependency has its pin."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = [*declared["dependencies"], *declared["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=\[]", name)[0].lower() for name in wanted}
    assert names <= pins
