"""``python -m tests.fault_table``: run the fault tests and write the fault table from what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.faults.conftest import ROWS_VARIABLE
from tests.e2e.faults.not_shown import NOT_SHOWN, PIPELINE
from tests.e2e.faults.table import TABLE, Row, written


def main() -> int:
    """Status 1, and an unchanged table, when a test failed."""
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent / "e2e" / "faults")]
        done = subprocess.run(command, check=False, env=os.environ | {ROWS_VARIABLE: str(rows)})
        if done.returncode != 0:
            return 1
        found = [Row(**json.loads(line)) for line in rows.read_text(encoding="utf-8").splitlines()]
    TABLE.write_text(written(found, NOT_SHOWN, PIPELINE), encoding="utf-8")
    print(f"{len(found)} rows in {TABLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
