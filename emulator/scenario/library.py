"""The scenarios that come with the emulator, by name: ``python -m emulator knee``."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BadInput

DIRECTORY = Path(__file__).parents[1] / "scenarios"


def ready_scenarios() -> list[str]:
    """The names, sorted."""
    return sorted(path.stem for path in DIRECTORY.glob("*.yaml"))


def find_scenario(text: str) -> Path:
    """The scenario file that a person means: a path, or the name of a ready one; a file of that very name wins.

    Raises:
        BadInput: it is neither.
    """
    path = Path(text)
    if path.is_file():
        return path
    if text in ready_scenarios():
        return DIRECTORY / f"{text}.yaml"
    raise BadInput(text, f"it is no file and no ready scenario; ready are {', '.join(ready_scenarios())}")


def directory_for(path: Path) -> Path:
    """Where what a scenario writes belongs: beside its file, for a ready one where the person is."""
    parent = path.resolve().parent
    return Path.cwd() if parent == DIRECTORY.resolve() else parent
