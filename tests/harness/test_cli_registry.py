"""Builds and cells registered from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli.main import app
from harness.config import load_site
from harness.errors import BadInput, Refused
from harness.store.registry import Registry

RUNNER = CliRunner(env={"COLUMNS": "200"})
BUILD = "id: ours\nactive: {origin: foil, thickness: {value_um: 50}}\nlayers: []\n"
CELL = "id: cu-01\nbuild: ours\ngeometry: deposit\ncounter: Cu\narea_cm2: 1.267\nbatch: nov\nreplicate: 1\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file whose station has no channel that anybody would ask."""
    path = tmp_path / "site.toml"
    channel = '[[channel]]\nname = "a1"\ndriver = "methodscript"\nurl = "socket://127.0.0.1:1"\nserial = "EMU1"\n'
    path.write_text(f'station = "lab3"\n{channel}window = ["-1 V", "4 V"]\ncurrent = "1 mA"\n', encoding="utf-8")
    return path


def run(site: Path, *arguments: str, text: str = "") -> Result:
    """One command; ``text`` is what the file FILE in ``arguments`` holds."""
    file = site.parent / "described.yaml"
    file.write_text(text, encoding="utf-8")
    named = [str(file) if argument == "FILE" else argument for argument in arguments]
    return RUNNER.invoke(app, [*named, "--site", str(site)])


def test_build_is_registered_corrected_and_shown(site: Path) -> None:
    """A build gets revisions, a correction after a run wants a reason, and the history says who, why and what changed."""
    assert "ours is registered, revision 1" in run(site, "build", "add", "FILE", text=BUILD).output
    assert "cu-01 is registered, revision 1" in run(site, "cell", "add", "FILE", text=CELL).output
    registry = Registry(load_site(site).state_directory)
    registry.use(registry.pinned("cu-01"), "cu-01-20260101t000000")
    thicker = BUILD.replace("50", "52")
    refused = run(site, "build", "add", "FILE", text=thicker)
    assert isinstance(refused.exception, Refused)
    assert "say why they are corrected (--why)" in str(refused.exception)
    assert "revision 2" in run(site, "build", "add", "FILE", "--why", "weighed again", text=thicker).output
    shown = run(site, "build", "history", "ours").output.splitlines()
    first, second = (next(line.split() for line in shown if line.split()[:1] == [number]) for number in ("1", "2"))
    assert first[3] == "1"
    assert second[3:] == ["0", "active", "weighed", "again"]


def test_cell_is_shown_with_batch_replicate_and_runs(site: Path) -> None:
    """The list of cells says what each was made from and how often it ran."""
    run(site, "build", "add", "FILE", text=BUILD)
    run(site, "cell", "add", "FILE", text=CELL)
    row = next(line.split() for line in run(site, "cell", "list").output.splitlines() if "cu-01" in line)
    run(site, "cell", "add", "FILE", text=CELL.replace("replicate: 1", "replicate: 2"))
    assert "replicate" in run(site, "cell", "history", "cu-01").output
    assert row == ["cu-01", "ours", "nov", "#1", "deposit", "Cu", "1.267", "1", "0"]


@pytest.mark.parametrize(
    ("arguments", "text", "complaint"),
    [
        (("cell", "add", "FILE"), CELL, '"ours" is neither registered (known: none yet) nor a ready build'),
        (("cell", "add", "FILE"), CELL.replace("area_cm2: 1.267", "area_cm2: -1"), "area_cm2: -1 does not fit"),
        (("build", "add", "FILE"), BUILD.replace("[]", "polymer"), "layers"),
        (("build", "add", "FILE"), BUILD.replace("50", "-50"), "active.thickness.value_um"),
        (("build", "add", "no-such-build"), "", "neither a ready build"),
        (("build", "history", "ours"), "", '"ours" is not registered (known: none yet)'),
    ],
)
def test_registering_says_in_one_sentence_what_is_wrong(
    site: Path, arguments: tuple[str, ...], text: str, complaint: str
) -> None:
    """A mistake in a file or a name that is not known is bad input with its place."""
    done = run(site, *arguments, text=text)
    assert isinstance(done.exception, BadInput)
    assert complaint in str(done.exception)
