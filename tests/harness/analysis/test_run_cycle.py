"""What a cycle takes from its readings beside their charge."""

from __future__ import annotations

import pytest

from harness.analysis.charge import Accuracy
from harness.analysis.run_cycle import OpenCycle
from harness.model.records import Sample, StepEnded, StepStarted
from harness.model.run import Geometry, Role


def step(cycle: OpenCycle, role: Role, current: float, flags: str = "") -> None:
    cycle.start_step(StepStarted("run", 0, 0, 0, 1, 1, "step", "plate", role, 0, ""))
    for second in (0.0, 60.0):
        cycle.take_sample(Sample("run", 1, 1, second, second, 0.1, current, 1, 1, "step", role, 1e-3, flags))
    cycle.end_step(StepEnded("run", 2, 2, 1, 1, "step", role, "duration", 60.0))


@pytest.mark.parametrize(("flags", "kept"), [("voltage_step", True), ("unresponsive held", True), ("underload", False)])
def test_doubts_about_a_rest_belong_to_its_cycle(flags: str, kept: bool) -> None:
    """A voltmeter that cannot be believed at rest held the limits of the half cycles too; its range is no doubt."""
    cycle = OpenCycle("run", 1, Geometry.DEPOSIT)
    step(cycle, Role.PLATE, -1e-3)
    step(cycle, Role.REST, 0.0, flags)
    row = cycle.row(Accuracy())
    assert row is not None
    assert bool({"voltage_step", "unresponsive", "underload"} & set(row.flags.split())) == kept
