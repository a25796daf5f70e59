"""The committed fault table: complete, and naming only tests that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.faults.registry import FAULTS
from tests.e2e.faults.not_shown import NOT_SHOWN, PIPELINE
from tests.e2e.faults.table import TABLE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS)
def test_table_has_a_row_for_every_fault(fault: str) -> None:
    """What can be staged has been staged, and what came of it is written down."""
    assert f"`{fault}" in TABLE.read_text(encoding="utf-8") or f"+ {fault}`" in TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("test", sorted({test for _, _, test in PIPELINE}))
def test_pipeline_faults_name_tests_that_exist(test: str) -> None:
    """A row of the pipeline points to a test of that name."""
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
    assert f"`{test}`" in TABLE.read_text(encoding="utf-8")


def test_catalogue_is_covered() -> None:
    """Every number of the catalogue is a fault, a row of the pipeline, or has a reason why it cannot be shown."""
    numbers = {"T": 15, "P": 14, "I": 19, "C": 11, "D": 8}
    wanted = {f"{letter}{number}" for letter, last in numbers.items() for number in range(1, last + 1)}
    named = {name.split("_")[0] for name in FAULTS}
    named |= {name.split()[0] for name, *_ in (*NOT_SHOWN, *PIPELINE)}
    assert wanted <= named, wanted - named
