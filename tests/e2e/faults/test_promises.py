"""Every fault against three promises: the cell is not harmed, nothing is lost without a word, no number is wrong unflagged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.faults.cases import CASES, STATIONS
from tests.e2e.faults.findings import CURRENT_AMPERE, PLATE_SECOND, SCALE, Finding, second_of, staged
from tests.e2e.faults.table import Row

pytestmark = pytest.mark.timeout(240)

PLANNED_COULOMB = CURRENT_AMPERE * PLATE_SECOND
WALL_SECOND = 1e9 * SCALE
"""Nanoseconds of station time that pass in a second of the wall."""

Find = Callable[[str], Finding]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Find]:
    """The finding of a case; its station runs when the first of its cases is asked for."""
    done: dict[str, dict[str, Finding]] = {}
    with ExitStack() as stack:

        def find(key: str) -> Finding:
            station, case = CASES[key]
            if station not in done:
                directory: Path = tmp_path_factory.mktemp(station)
                with staged(directory, STATIONS[station]) as findings:
                    done[station] = findings
            return done[station][case.name]

        yield find
        stack.close()


@pytest.mark.parametrize("key", [key for key, (_, case) in CASES.items() if case.do])
def test_fault_keeps_the_three_promises(found: Find, key: str, fault_row: Callable[[Row], None]) -> None:
    """Whatever happens on the way, the cell ends open, gaps are told, and an efficiency is true or flagged or absent."""
    finding = found(key)
    case = finding.case
    assert {row["fault"] for row in finding.rows("fault")} == set(case.faults), "the fault did not happen"
    assert_promises(finding)
    fault_row(Row(" + ".join(case.faults), case.shows, finding.harness_did(), finding.data_say(), case.varies))


def assert_promises(finding: Finding) -> None:
    """The three promises."""
    assert_cell_unharmed(finding)
    if finding.holes():
        assert finding.kinds & {"gap", "damaged", "limit"}, finding.holes()
    assert finding.wrong_currents() == []
    assert finding.wrong_cycles() == []


def assert_cell_unharmed(finding: Finding) -> None:
    """No deposit is larger than planned, and no current flows after the run; unless the fault itself holds it, with an alarm."""
    if finding.case.harms:
        assert any(incident.severity == "alarm" for incident in finding.incidents)
        return
    looks = 1.03
    assert all(plated <= PLANNED_COULOMB * looks for plated in finding.plated_coulomb().values()), finding.plated_coulomb()
    rows = finding.rows("half_cycle")
    late = [row for row in rows if row["end_unix_time_nanosecond"] > finding.ended.unix_time_nanosecond + 3 * WALL_SECOND]
    assert late == []
    assert all(second_of(row) <= 7200.0 + 60.0 for row in rows)
