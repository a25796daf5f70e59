"""Chaos by seed: many faults at random on every channel, and the promises that need no knowledge of which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.faults.cases import Case
from tests.e2e.faults.findings import staged
from tests.e2e.faults.test_promises import assert_promises

pytestmark = pytest.mark.timeout(240)

BEGIN = {"cycle": 1, "step": "plate", "q": 0.02}
MIX: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"T5_drop_reply": {"probability": 0.02}}, {"P2_truncated": {"probability": 0.02}}),
    ({"T13_bit_flip": {"probability": 3e-5}}, {"T9_reset": {"probability": 0.002}}),
    ({"T13_bit_flip": {"probability": 1e-3, "direction": "from_host"}}, {"P2_truncated": {"probability": 0.005}}),
    ({"T14_framing": {"count": 5, "probability": 0.01}}, {"T6_duplicate_reply": {"probability": 0.2}}, {"T3_split": {"size": 3}}),
    ({"P14_unsolicited": {"what": "blank", "probability": 0.002}}, {"P13_partial_package": {"probability": 0.01}}),
    ({"P9_bad_field": {"variable": "eb", "probability": 0.01}}, {"P11_unit_text": {"probability": 0.01}}, {"P8_stale_reply": {}}),
    ({"P10_wrong_scale": {"variable": "eb", "probability": 0.005}}, {"T4_drop_request": {"probability": 0.1}}),
    ({"P10_wrong_scale": {"variable": "ba", "probability": 0.02}}, {"C1_soft_short": {}}, {"T1_latency": {"jitter": "200 ms"}}),
)
"""Faults of each channel, all of them from its first deposit on to the end of the run."""


@pytest.mark.parametrize("seed", [1])
def test_chaos_breaks_no_promise(tmp_path: Path, seed: int) -> None:
    """Whatever comes together: no cell is plated more than planned, no gap is silent, no efficiency is wrong and unflagged."""
    cases = [Case(f"chaos{number}", list(mix), at=BEGIN, lasts={"duration": "20 h"}) for number, mix in enumerate(MIX)]
    with staged(tmp_path, cases, seed=seed) as findings:
        happened = {row["fault"] for finding in findings.values() for row in finding.rows("fault")}
        assert len(happened) > 8
        for finding in findings.values():
            print(finding.case.name, "|", finding.harness_did(), "|", finding.data_say(), "|", finding.ended.reason)
        for finding in findings.values():
            assert_promises(finding)
