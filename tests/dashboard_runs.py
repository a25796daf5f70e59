"""Three small runs as a database holds them, for the dashboards' queries to ask for."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from harness.model.claims import Verdict
from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import ImpedancePoint, Incident, RunStarted, Sample, StepEnded
from harness.model.run import Role, RunContext
from harness.stream.codec import encode_derived, encode_record
from tests import facts

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
CYCLES = 6
AREA_CM2 = 1.27
CELLS = {"cu-01": "bare", "cu-02": "bare", "cu-03": "gold-5nm"}
BUILDS = {
    "bare": facts.with_build(facts.FACTS, facts.BARE, {1: Verdict.DOES_NOT, 2: Verdict.DOES_NOT}),
    "gold-5nm": facts.with_build(facts.FACTS, facts.STACK, {1: Verdict.MEETS, 2: Verdict.DOES_NOT}),
}


def efficiency(cell: str, cycle: int) -> float:
    return 0.99 + 0.001 * list(CELLS).index(cell) + 0.0001 * cycle


def interface(cell: str, cycle: int) -> float:
    return 40.0 + (1.0 + list(CELLS).index(cell)) * cycle


def lines_of_run(channel: str, cell: str, build_id: str) -> list[str]:
    """A small run: samples, two sweeps, incidents, closed cycles and fits."""
    run = f"{cell}-20260101t000000"
    context = RunContext("lab3", channel, cell, build_id, run)
    seq = itertools.count()
    stamp = itertools.count(START, SECOND)
    records: list[Any] = [RunStarted(run, next(seq), next(stamp), BUILDS[build_id])]
    records += [
        Sample(run, next(seq), next(stamp), float(i), float(i), 0.03 * (-1) ** (i // 60), -5e-4, i // 120, 1, "steps[0]",
               Role.PLATE, 1e-3, "") for i in range(600)
    ]  # fmt: skip
    for sweep, frequency in itertools.product((1, 2), range(12)):
        records.append(
            ImpedancePoint(run, next(seq), next(stamp), 1.0, 1.0, frequency, 10.0 ** (5 - frequency / 2), 5.0 * sweep + frequency,
                           -float(frequency), sweep, sweep, 2, "steps[1]", Role.PROBE, "")
        )  # fmt: skip
    for severity in ("info", "warning", "alarm"):
        records.append(Incident(run, next(seq), next(stamp), severity, "limit", f"a {severity} of {cell}"))
    records.append(StepEnded(run, next(seq), next(stamp), 1, 1, "steps[0]", Role.PLATE, "duration", 3600.0))
    lines = [encode_record(context, record) for record in records]
    rows = [row for cycle in range(1, CYCLES + 1) for row in derived_of_cycle(run, cell, cycle)]
    return lines + [encode_derived(context, row, seq) for seq, row in enumerate([*withdrawn(run), *rows])]


def withdrawn(run: str) -> list[DerivedRow]:
    """What the last cycle had, before it was derived again."""
    when = START + CYCLES * 60 * SECOND
    efficient = CycleRow(run, CYCLES, when, "cycle", *(None,) * 4, 0.5, *(None,) * 7, "", "0")
    return [efficient, ImpedanceFitRow(run, CYCLES, when + 1, CYCLES, 0.5, 0.1, 1.0, 0.1, 1.27, 0.1, 0.01, "", "0")]


def derived_of_cycle(run: str, cell: str, cycle: int) -> list[DerivedRow]:
    """A closed cycle, the fit of its sweep, and its halves; the last cycle has neither efficiency nor resistances."""
    when = START + cycle * 60 * SECOND
    closed = CycleRow(run, cycle, when, "cycle", 1e-3, 1e-6, 9.9e-4, 1e-6, efficiency(cell, cycle), 5e-4, 2e-4, 30.0, 0.5,
                      31.0, 0.5, 120.0, "", "1")  # fmt: skip
    resistance = interface(cell, cycle)
    fitted = ImpedanceFitRow(run, cycle, when + 1, cycle, 5.0, 0.1, resistance, 0.4, AREA_CM2 * resistance, 0.5, 0.01, "", "1",
                             "good", "", 0.003, 9, "R-RQ", "{}", 5.0 + resistance, 0.4)  # fmt: skip
    halves: list[DerivedRow] = [
        HalfCycleRow(run, cycle, when + second, role, -5e-4, 1e-3, 1e-6, 60.0, 0.09, 1e-3, 0.05, 1e-4, 0.06, 1e-3, 0.2, 0.01,
                     1e-5, 79.0, 0.5, "suspect" if cell == "cu-02" and cycle == 4 else "", "[]", "", "1")
        for second, role in enumerate(("plate", "strip"))
    ]  # fmt: skip
    if cycle < CYCLES:
        return [closed, fitted, *halves]
    refused = ImpedanceFitRow(run, cycle, when + 1, cycle, *(None,) * 7, "", "1", "refused", "Kramers–Kronig leaves 4 %", 0.04, 9)
    withheld = replace(closed, coulombic_efficiency=None, coulombic_efficiency_std=None, coulombic_efficiency_offset_std=None)
    return [withheld, refused, *halves]
