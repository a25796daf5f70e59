"""Runs as their runner would record them, and journals of them, for tests of what is derived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from harness.model.records import (
    CycleEnded,
    ImpedancePoint,
    Incident,
    Record,
    RunEnded,
    RunStarted,
    Sample,
    StepEnded,
    StepStarted,
    SweepEnded,
)
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.stream.journal import Journal

CURRENT = 6.3e-4
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START = 1_700_006_400 * SECOND
"""2023-11-15 in UTC, when a run of day 0 begins."""


def facts(geometry: Geometry = Geometry.DEPOSIT, offset: float | None = 2e-4) -> RunFacts:
    return RunFacts(
        geometry, 1.27, None, 1, 1, "", "test", "", "0" * 64, "{}", "methodscript", "ES4", "EMU1", "1", "0", offset, 2e-4, 16, 1.0
    )


class RunWriter:
    """Makes the records of one run, as the runner would."""

    def __init__(self, run_id: str, geometry: Geometry = Geometry.DEPOSIT, offset: float | None = 2e-4, day: int = 0) -> None:
        self.context = RunContext("lab", "a1", run_id, "build-1", run_id)
        self.records: list[Record] = []
        self._seq = count()
        self._steps = count(1)
        self._sweeps = count(1)
        self._now = START + day * DAY
        self.records.append(RunStarted(run_id, next(self._seq), self._now, facts(geometry, offset)))

    def _place(self, second: float = 0.0) -> tuple[str, int, int]:
        self._now += round(second * SECOND) + 1
        return self.context.run_id, next(self._seq), self._now

    def step(  # noqa: PLR0917 - as a schedule's line is read
        self,
        role: Role,
        cycle: int,
        current: float,
        duration: float,
        reason: str,
        voltage: float | Callable[[float], float] = 0.05,
        shares: Sequence[float] = (0.001, 0.25, 0.5, 0.75, 1.0),
    ) -> None:
        """One step, read at ``shares`` of its duration; ``voltage`` may change with the share that is over."""
        number = next(self._steps)
        run_id, seq, stamp = self._place()
        self.records.append(StepStarted(run_id, seq, stamp, stamp, cycle, number, "steps[0]", "cc", role, 0, "{}"))
        last = 0.0
        for index, share in enumerate(shares):
            second = duration * share
            run_id, seq, stamp = self._place(second - last)
            last = second
            flags = "held" if index == len(shares) - 1 else ""
            self.records.append(
                Sample(
                    run_id,
                    seq,
                    stamp,
                    (stamp - self.records[0].unix_time_nanosecond) / SECOND,
                    second,
                    voltage(share) if callable(voltage) else voltage,
                    current,
                    cycle,
                    number,
                    "steps[0]",
                    role,
                    None if current == 0.0 else 1e-3,
                    flags,
                )
            )
        known = None if reason == "lost" else duration
        self.records.append(StepEnded(*self._place(), cycle, number, "steps[0]", role, reason, known))

    def sweep(self, cycle: int, resistance: float, *, complete: bool = True) -> None:
        sweep, number = next(self._sweeps), next(self._steps)
        run_id, seq, stamp = self._place()
        self.records.append(StepStarted(run_id, seq, stamp, stamp, cycle, number, "steps[2]", "eis", Role.PROBE, 0, "{}"))
        for index in range(41):
            frequency = 10 ** (5 - index * 0.15)
            impedance = 5 + resistance / (1 + (2j * 3.141592653589793 * frequency * resistance * 3e-6) ** 0.9)
            self.records.append(
                ImpedancePoint(
                    *self._place(1.0),
                    0.0,
                    float(index),
                    index,
                    frequency,
                    impedance.real,
                    impedance.imag,
                    sweep,
                    cycle,
                    number,
                    "steps[2]",
                    Role.PROBE,
                    "",
                )
            )
        self.records.append(SweepEnded(*self._place(), sweep, cycle, number, 41, complete))
        self.records.append(StepEnded(*self._place(), cycle, number, "steps[2]", Role.PROBE, "sweep_done", 41.0))

    def cycle(self, number: int, efficiency: float, *, last: bool = False) -> None:
        self.step(Role.PLATE, number, -CURRENT, 3600.0, "duration", -0.04)
        self.step(Role.REST, number, 0.0, 600.0, "duration", 0.0)
        self.sweep(number, 60.0 + number)
        self.step(Role.STRIP, number, CURRENT, 3600.0 * efficiency, "voltage_above")
        self.records.append(CycleEnded(*self._place(), number))
        if last:
            self.end()

    def end(self) -> None:
        self.records.append(RunEnded(*self._place(), completed=True, reason="done"))

    def incident(self, kind: str) -> None:
        self.records.append(Incident(*self._place(), "warning", kind, "something happened"))


def write(path: Path, *writers: RunWriter, part: slice = slice(None)) -> None:
    """Put records into a journal, the runs' turn by turn."""

    async def main() -> None:
        async with Journal(path) as journal:
            for turn in zip(*(writer.records[part] for writer in writers), strict=True):
                for writer, record in zip(writers, turn, strict=True):
                    if isinstance(record, RunStarted):
                        journal.begin_run(writer.context, record)
                    else:
                        journal.append(record)

    asyncio.run(main())
