"""The map of the analysis names every method with the version that is stored with its numbers."""

from __future__ import annotations

import re
from pathlib import Path

ANALYSIS = Path(__file__).parents[3] / "harness" / "analysis"
MAP = (ANALYSIS / "README.md").read_text(encoding="utf-8")


def test_map_names_every_method_version() -> None:
    """What stands in the table is what the modules say, no more and no less."""
    stated = {
        version
        for path in ANALYSIS.rglob("*.py")
        for version in re.findall(r'^METHOD_VERSION = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    told = {version for row in re.findall(r"\| ([\w, -]+) \|$", MAP, re.MULTILINE) for version in row.split(", ")}
    assert told - {"version"} == stated


def test_map_leads_to_files() -> None:
    """Every link is a file."""
    links = re.findall(r"\]\((.+?)\)", MAP)
    assert [link for link in links if not (ANALYSIS / link).exists()] == []
    assert len(links) > 20
