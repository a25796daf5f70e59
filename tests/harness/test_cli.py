from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import BadInput

RUNNER = CliRunner()


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """One Li||Cu cycle measured elsewhere: an hour of plating at 1 mA, then stripping for 98 % of it."""
    rows = ["test_time_second,voltage_volt,current_ampere,cycle_count,step_count"]
    rows += [f"{second},-0.05,-0.001,1,1" for second in range(0, 3601, 60)]
    rows += [f"{3601 + second},0.05,0.001,1,2" for second in range(0, 3529, 56)]
    path = tmp_path / "measured.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("area", ["1.5", "1.5 cm^2", "150 mm^2"])
def test_analyze_prints_cells_and_cycles_as_json(measured: Path, area: str) -> None:
    """The shape of the JSON, with an area in any unit, or bare in cm²."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--geometry", "deposit", "--area", area, "--json"])
    assert done.exit_code == 0, done.output
    [cell] = json.loads(done.stdout)["cells"]
    assert cell["cell"] == "measured"
    [cycle] = cell["cycles"]
    assert set(cycle) == {"cycle_count", "coulombic_efficiency", "coulombic_efficiency_std", "flags"}
    assert cycle["coulombic_efficiency"] == pytest.approx(0.98, abs=2e-4)


@pytest.mark.parametrize("area", ["1,5 cm^2", "1 V", "0 cm^2"])
def test_analyze_refuses_what_is_no_area(measured: Path, area: str) -> None:
    """An area with a decimal comma, of another kind, or of nothing is bad input."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--area", area])
    assert isinstance(done.exception, BadInput)


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_demo_refuses_what_is_no_port(port: str) -> None:
    """Before anything is started."""
    done = RUNNER.invoke(app, ["demo", "--exit", "--port", port])
    assert done.exit_code == 2
    assert "Invalid value for '--port'" in done.output


def test_every_command_has_help() -> None:
    """Each command says what it does."""
    for command in (["--help"], ["cell", "--help"], ["run", "--help"], ["run", "start", "--help"], ["query", "--help"]):
        done = RUNNER.invoke(app, command)
        assert done.exit_code == 0
        assert "Usage:" in done.stdout
