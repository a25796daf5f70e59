"""What goes wrong in an instrument, against the same three promises, and what must be said of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.faults.cases import Case
from tests.e2e.faults.channel_cases import CHANNEL_CASES, CHANNEL_STATIONS, Said
from tests.e2e.faults.findings import CURRENT_AMPERE, PLATE_SECOND, SCALE, Finding, staged
from tests.e2e.faults.table import Row

pytestmark = pytest.mark.timeout(240)

PLANNED_COULOMB = CURRENT_AMPERE * PLATE_SECOND
NOTICED_COULOMB = CURRENT_AMPERE * SCALE * 0.5
"""What flows in half a second of the wall, while a host that is wrong about an instrument finds out."""
OXIDISED_MAH_CM2 = 0.05
"""Of copper and electrolyte: what may go after the lithium is gone. A limit that nobody holds takes twenty times this."""
NANOSECOND_PER_WALL_SECOND = 1e9 * SCALE

Find = Callable[[str], Finding]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """The finding of a case; its station runs when the first of its cases is asked for."""
    done: dict[str, dict[str, Finding]] = {}

    def find(key: str) -> Finding:
        station, case, _ = CHANNEL_CASES[key]
        if station not in done:
            with staged(tmp_path_factory.mktemp(station), [one for one, _ in CHANNEL_STATIONS[station]]) as findings:
                done[station] = findings
        return done[station][case.name]

    return find


@pytest.mark.parametrize("key", CHANNEL_CASES)
def test_instrument_fault_keeps_the_promises_and_is_told(found: Find, key: str, fault_row: Callable[[Row], None]) -> None:
    """The cell is not harmed, no reading is lost and no number wrong without a word, and the word is the right one."""
    finding, (_, case, what) = found(key), CHANNEL_CASES[key]
    assert {row["fault"] for row in finding.rows("fault")} == set(case.faults), "the fault did not happen"
    assert_unharmed(finding)
    assert not finding.holes() or finding.kinds & {"gap", "damaged", "limit"}, finding.holes()
    assert finding.wrong_currents() == []
    assert finding.wrong_cycles() == []
    assert_said(finding, what)
    if case.do:
        fault_row(Row(" + ".join(case.faults), case.shows, finding.harness_did(), finding.data_say(), case.varies))


def assert_unharmed(finding: Finding) -> None:
    """No deposit is larger than planned, nothing but lithium is oxidised to speak of, and nothing flows after the run."""
    plated = finding.plated_coulomb()
    assert all(one <= PLANNED_COULOMB + NOTICED_COULOMB for one in plated.values()), plated
    rows = finding.rows("half_cycle")
    assert all(row["books_after"]["other_reactions_mah_cm2"] <= OXIDISED_MAH_CM2 for row in rows)
    end = finding.ended.unix_time_nanosecond + 3 * NANOSECOND_PER_WALL_SECOND
    assert [row for row in rows if row["end_unix_time_nanosecond"] > end] == []


def assert_said(finding: Finding, what: Said) -> None:
    """The run ended as it should, for that reason; flags and incidents are there."""
    assert finding.ended.completed == (not what.ends), finding.ended.reason
    assert what.ends in finding.ended.reason
    of_readings = {flag for _, samples, _ in finding.steps() for sample in samples for flag in sample.flags.split()}
    of_cycles = {flag for cycle in finding.cycles for flag in cycle.flags}
    assert what.flags <= of_readings | of_cycles
    assert what.kinds <= finding.kinds


def test_cables_of_like_cells_can_be_swapped_unseen(tmp_path: Path) -> None:
    """Two cells that are alike look alike: what each channel measured is right, and belongs to the other cell."""
    swap = {"I6_channels_swapped": {"with": "c1"}}
    like = Case("like", swap, at={"cycle": 1, "step": "plate", "q": 0.05}, lasts={"duration": "20 h"})
    with staged(tmp_path, [like, Case("other", "")]) as findings:
        for finding in findings.values():
            assert finding.ended.completed
            assert finding.wrong_currents() == []
        cells = {row["cell"] for row in findings["like"].rows("half_cycle")}
    assert len(cells) == 2
