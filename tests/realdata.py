"""Real measurements that are not part of the project, and what is known of them: tests read them where they lie, or skip."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

REALDATA = Path(os.environ.get("HARNESS_REALDATA", Path(__file__).parents[2] / "shared" / "realdata"))
real = pytest.mark.skipif(not REALDATA.is_dir(), reason=f"the real measurements are not at {REALDATA}; set HARNESS_REALDATA")


def expected(file: str) -> dict[str, Any]:
    """What ``expected.json`` says of a file."""
    known: dict[str, Any] = json.loads((REALDATA / "expected.json").read_text(encoding="utf-8"))[file]
    return known
