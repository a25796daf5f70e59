"""Where the rows of the fault table go: into a file where one is named, else they must be those of the committed table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.faults.table import TABLE, Row, is_in

ROWS_VARIABLE = "FAULT_ROWS"


@pytest.fixture
def fault_row() -> Callable[[Row], None]:
    """Takes the row that a test found."""
    path = os.environ.get(ROWS_VARIABLE)

    def take(row: Row) -> None:
        if path is not None:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row.to_json()) + "\n")
        else:
            assert is_in(row, TABLE.read_text(encoding="utf-8")), f"not in the committed table: {row.line}"

    return take
