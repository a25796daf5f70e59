"""The import contracts of pyproject.toml hold, and each of them catches the violation it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "potentiostat_drivers", "emulator")

VIOLATIONS = {
    "layers": ("harness/model/cell.py", "import harness.service.control"),
    "siblings": ("potentiostat_drivers/errors.py", "import potentiostat_drivers.program"),
    "drivers_alone": ("potentiostat_drivers/clock.py", "import harness.clock"),
    "emulator_behind_a_port": ("harness/comparison/cycles.py", "import emulator.truth"),
    "emulator_of_ours": ("emulator/scenario/file.py", "import harness.clock"),
    "wire_code_apart": ("emulator/server.py", "import potentiostat_drivers.methodscript.wire"),
    "pure": ("potentiostat_drivers/methodscript/wire.py", "import asyncio"),
    "door_serial": ("harness/cycling/rack.py", "import serial"),
    "door_serial_drivers": ("potentiostat_drivers/methodscript/driver.py", "import serial"),
    "door_mqtt": ("harness/ingest.py", "import aiomqtt"),
    "door_influx": ("harness/query.py", "import influxdb_client"),
    "door_pint": ("harness/model/schedule.py", "import pint"),
    "site": ("harness/rollup.py", "import harness.config"),
}


def _lint(tree: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    if contract is not None:
        arguments += ["--contract", contract]
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {program}", *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_hold() -> None:
    """Every import contract is kept by the code as it is."""
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_a_planted_violation() -> None:
    """No contract is without a test that breaks it."""
    import tomllib  # noqa: PLC0415

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in contracts} == set(VIOLATIONS)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_contract_catches_a_planted_violation(contract: str, tmp_path: Path) -> None:
    """A copy of the tree with one forbidden import breaks exactly the contract that forbids it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file, line = VIOLATIONS[contract]
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("from __future__ import annotations\n", f"from __future__ import annotations\n\n{line}\n", 1))
    done = _lint(tmp_path, contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
