"""What a station left behind after its faults: the record of the harness and the truth of the emulator, side by side."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.comparison.cycles import half_cycle_windows, true_cycles
from harness.model import records as journaled
from harness.query import Lab
from harness.stream.journal_reader import JournalReader
from harness.units import NANOSECOND
from tests.e2e.conftest import Bench, running_bench
from tests.e2e.faults.cases import Case

CURRENT_AMPERE = 0.5e-3
PLATE_SECOND = 1800.0
INTERVAL_SECOND, CHECK_SECOND = 10.0, 2.0
SCALE = 500.0
SCHEDULE = """
schedule: staged
version: 1
on_gap: {on_gap}
sampling: {{every: 10 s, check: 2 s}}
limits: {{voltage: [-0.5 V, 3.3 V]}}
steps:
  - step: repeat
    name: cycle
    count: 2
    steps:
      - {{step: plate, current: 0.5 mA, until: {{charge: 0.25 mAh}}}}
      - {{step: rest, for: 5 min}}
      - {{step: strip, current: 0.5 mA, until: {{voltage_above: 1 V}}, longest: 2 h}}
"""
CELL = {"geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0, "overrides": {"cell_scatter": 0}}
HARMLESS_FLAGS = {"formation", "offset_unknown", "above_one"}


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle as the harness reports it, and as it was."""

    efficiency: float | None
    flags: frozenset[str]
    true_efficiency: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything about one case."""

    case: Case
    records: Sequence[journaled.Record]
    cycles: Sequence[Cycle]
    truth: Sequence[dict[str, Any]]

    @property
    def ended(self) -> journaled.RunEnded:
        last = self.records[-1]
        assert isinstance(last, journaled.RunEnded), last
        return last

    @property
    def incidents(self) -> list[journaled.Incident]:
        return [record for record in self.records if isinstance(record, journaled.Incident)]

    @property
    def kinds(self) -> set[str]:
        return {incident.kind for incident in self.incidents}

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.truth if row["kind"] == kind]

    def steps(self) -> Iterator[tuple[journaled.StepStarted, list[journaled.Sample], journaled.StepEnded | None]]:
        """Each step with its samples and its end."""
        started: journaled.StepStarted | None = None
        samples: list[journaled.Sample] = []
        for record in self.records:
            if isinstance(record, journaled.StepStarted):
                if started is not None:
                    yield started, samples, None
                started, samples = record, []
            elif isinstance(record, journaled.Sample):
                samples.append(record)
            elif isinstance(record, journaled.StepEnded) and started is not None:
                yield started, samples, record
                started = None

    def holes(self) -> list[str]:
        """Where the readings of a step are further apart than the rule of sampling allows."""
        found = []
        for started, samples, ended in self.steps():
            times = [0.0, *(sample.step_time_second for sample in samples)]
            if ended is not None and ended.duration_second is not None and ended.reason != "aborted":
                times.append(ended.duration_second)
            apart = max((after - before for before, after in itertools.pairwise(times)), default=0.0)
            if apart > INTERVAL_SECOND + CHECK_SECOND + 1.0:
                found.append(f"{started.step_path}: {apart:g} s")
        return found

    def wrong_currents(self) -> list[journaled.Sample]:
        """Unflagged readings of a current that the instrument did not apply."""
        return [
            sample
            for _, samples, _ in self.steps()
            for sample in samples
            if sample.role.value in ("plate", "strip") and sample.flags in ("", "held")
            and abs(abs(sample.current_ampere) - CURRENT_AMPERE) > 0.03 * CURRENT_AMPERE
        ]  # fmt: skip

    def wrong_cycles(self) -> list[Cycle]:
        """Cycles with an efficiency that is neither flagged nor the truth."""
        return [
            cycle
            for cycle in self.cycles
            if cycle.efficiency is not None
            and not cycle.flags - HARMLESS_FLAGS
            and (cycle.true_efficiency is None or abs(cycle.efficiency - cycle.true_efficiency) > 2e-5)
        ]

    def plated_coulomb(self) -> dict[int, float]:
        """What each deposit of the cell took, by its number."""
        plated: dict[int, float] = defaultdict(float)
        for row in self.rows("half_cycle"):
            if row["charge_coulomb"] < 0.0:
                plated[row["deposit_count"]] -= row["charge_coulomb"]
        return plated

    def harness_did(self) -> str:
        """For the table: how the run went on, and what was said."""
        ended = self.ended
        how = "run completed" if ended.completed else f"run ended ({_kind_of_end(self)})"
        said = sorted(self.kinds - {"made_safe", "bridged"})
        return f"{how}; said: {', '.join(said)}" if said else f"{how}; nothing to say"

    def data_say(self) -> str:
        """For the table: what the efficiencies are worth."""
        words = []
        for number, cycle in enumerate(self.cycles, 1):
            flags = sorted(cycle.flags - HARMLESS_FLAGS)
            told = "no CE" if cycle.efficiency is None else "CE" if flags else "CE is the truth"
            words.append(f"cycle {number}: {told}{' (' + ', '.join(flags) + ')' if flags else ''}")
        return "; ".join(words) or "no cycle"


def _kind_of_end(finding: Finding) -> str:
    alarms = [incident.kind for incident in finding.incidents if incident.severity == "alarm"]
    return alarms[-1] if alarms else "given up"


@contextmanager
def staged(directory: Path, cases: Sequence[Case], seed: int = 1) -> Iterator[dict[str, Finding]]:
    """Run every case on a channel of its own of one station, to the end of every run; what was found, by case."""
    with running_bench(directory) as bench:
        bench.scale = SCALE
        names = {case.name: f"c{number}" for number, case in enumerate(cases)}
        channels = [{"name": names[case.name], "listen": case.listen, "cell": CELL | (case.cell or {})} for case in cases]
        alone = [names[case.name] for case in cases if case.alone]
        bench.start_emulator(
            channels, events=[event for case in cases for event in case.events(names[case.name])], alone=alone, seed=seed
        )
        bench.write_site()
        for case in cases:
            bench.register(f"cell-{names[case.name]}", area_cm2=1.0)
        bench.start_daemon()
        bench.start("rollup")
        runs = {
            case.name: bench.run_cell(f"cell-{names[case.name]}", names[case.name], SCHEDULE.format(on_gap=case.on_gap))
            for case in cases
        }
        bench.wait_ended(*runs.values(), second=100.0)
        yield _findings(bench, cases, names, runs)


def _findings(bench: Bench, cases: Sequence[Case], names: dict[str, str], runs: dict[str, str]) -> dict[str, Finding]:
    reader = JournalReader(bench.state / "journal.sqlite")
    made: dict[str, Finding] = {}
    truth = [json.loads(line) for line in bench.truth.read_text(encoding="utf-8").splitlines()]
    contexts = {run.context.run_id: run for run in reader.runs()}
    with Lab.open(bench.state) as lab:
        for case in cases:
            run_id, channel = runs[case.name], names[case.name]
            history = list(reader.all_records(run_id))
            last = max((record.cycle_count for record in history if isinstance(record, journaled.CycleEnded)), default=0)
            bench.wait(lambda run_id=run_id, last=last: _rolled_up(lab, run_id, last))  # type: ignore[misc]
            run = contexts[run_id]
            true = true_cycles(bench.truth, half_cycle_windows(run.context, run.facts.geometry, history))
            by_count = {cycle.cycle_count: cycle.true_coulombic_efficiency for cycle in true.cycles}
            cycles = [
                Cycle(row["coulombic_efficiency"], frozenset(row["flags"].split()), by_count.get(row["cycle_count"]))
                for row in lab.store.cycles([run_id]).iter_rows(named=True)
            ]
            mine = [row for row in truth if row.get("channel") == channel]
            made[case.name] = Finding(case, history, cycles, mine)
    reader.close()
    return made


def _rolled_up(lab: Lab, run_id: str, last: int) -> bool:
    done = lab.store.cycles([run_id])
    return last == 0 or (done.height >= last and done["cycle_duration_second"].null_count() == 0)


def second_of(row: dict[str, Any]) -> float:
    """How long a row of the truth lasted, s."""
    return float(row["end_unix_time_nanosecond"] - row["start_unix_time_nanosecond"]) / NANOSECOND
