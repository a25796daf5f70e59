"""``harness compare-truth``: a run read from its station, and its comparison with the truth as tables. Joins nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import polars as pl
from rich.table import Table

from harness.clock import iso_from_nanosecond
from harness.comparison.cycles import half_cycle_windows
from harness.comparison.judging import Judgement
from harness.comparison.run import Beside, CycleComparison, FaultComparison, MeasuredRun, Reaction, RecordCount, TruthComparison
from harness.errors import BadInput
from harness.lab.rows import rows_of
from harness.model.derived import CycleRow, ImpedanceFitRow
from harness.model.records import Incident, Record, RunEnded
from harness.query import Lab
from harness.service.tables import headed, plus_minus
from harness.store.local import JOURNAL_NAME
from harness.stream.journal_reader import JournaledRun, JournalReader

COLUMNS = ("unix_time_nanosecond", "cycle_count", "voltage_volt", "current_ampere", "role")


def read_run(state_directory: Path, name: str) -> tuple[MeasuredRun, pl.DataFrame]:
    """The run called ``name``, or the newest run of the cell of that name; and its samples (`COLUMNS`).

    Raises:
        BadInput: there is no journal, or no such run or cell in it.
    """
    if not (state_directory / JOURNAL_NAME).is_file():
        raise BadInput("--site", f"there is no {JOURNAL_NAME} in {state_directory}; name the site of the run")
    reader = JournalReader(state_directory / JOURNAL_NAME)
    try:
        found = _run_called(name, reader.runs())
        records = list(reader.all_records(found.context.run_id))
    finally:
        reader.close()
    with Lab.open(state_directory) as lab:
        run_ids = [found.context.run_id]
        cycles, fits = lab.store.cycles(run_ids), lab.store.impedance_fits(run_ids)
        samples = lab.store.samples(run_ids).select(COLUMNS)
    return _measured(found, records, cycles, fits, samples.height), samples


def _run_called(name: str, runs: Sequence[JournaledRun]) -> JournaledRun:
    mine = [run for run in runs if name in (run.context.run_id, run.context.cell)]
    if not mine:
        known = ", ".join(run.context.run_id for run in runs if not run.context.run_id.startswith("station-"))
        raise BadInput("RUN", f'"{name}" is neither a run nor a cell of this station; there are {known or "none at all"}')
    return mine[-1]


def _measured(
    found: JournaledRun, records: Sequence[Record], cycles: pl.DataFrame, fits: pl.DataFrame, samples: int
) -> MeasuredRun:
    ended = [record for record in records if isinstance(record, RunEnded)]
    return MeasuredRun(
        found.context,
        found.facts,
        half_cycle_windows(found.context, found.facts.geometry, records),
        rows_of(cycles, CycleRow),
        rows_of(fits, ImpedanceFitRow),
        [record for record in records if isinstance(record, Incident)],
        count_records(records, samples),
        ended[-1].completed if ended else None,
    )


def count_records(records: Sequence[Record], samples: int) -> RecordCount:
    """Holes and doubles among a run's records, by ``seq`` and by stamp."""
    seqs = [record.seq for record in records]
    stamps = {record.unix_time_nanosecond for record in records}
    known = set(seqs)
    lost = max(known, default=-1) + 1 - len(known)
    return RecordCount(len(records), samples, lost, max(len(seqs) - len(known), len(seqs) - len(stamps)))


def comparison_json(found: TruthComparison) -> dict[str, object]:
    """The comparison as plain values, differences and deviations included."""
    return {field.name: _plain(getattr(found, field.name)) for field in fields(found)}


def _plain(value: object) -> object:
    if isinstance(value, Beside):
        return {**asdict(value), "difference": value.difference, "deviation": value.deviation}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


# -- for people --------------------------------------------------------------------------------------------------------


def comparison_tables(found: TruthComparison, judged: Sequence[Judgement]) -> Iterator[Table]:
    """Cycles, sweeps, what was done on purpose, and the judgement; each only where there is something to show."""
    yield _cycle_table(found)
    if found.sweeps:
        yield _sweep_table(found)
    yield _record_table(found)
    if found.faults or found.unexplained:
        yield _fault_table(found)
    if judged:
        yield _judgement_table(judged)


def _cycle_table(found: TruthComparison) -> Table:
    title = f"{found.run_id} on {found.channel}: efficiency (CE) beside the truth"
    if all(cycle.coulombic_efficiency.measured is None for cycle in found.cycles):
        title = f"{found.run_id} on {found.channel}: plated charge beside the truth"
        table = headed(title, "n #", "plated / mAh", "true / mAh", "off #", "off/σ #", "true Li CE %", "flags", tight=True)
        for cycle in found.cycles:
            table.add_row(
                str(cycle.cycle_count), *_shown(cycle.plating_capacity_ah, 1e3, 5), _percent_lithium(cycle), cycle.flags
            )
        return table
    table = headed(title, "n #", "CE %", "true %", "off #", "off/σ #", "true Li %", "true Adams %", "flags", tight=True)
    for cycle in found.cycles:
        adams = plus_minus(cycle.true_coulombic_efficiency_adams, None, 100.0, 3)
        shown = _shown(cycle.coulombic_efficiency, 100.0, 3)
        table.add_row(str(cycle.cycle_count), *shown, _percent_lithium(cycle), adams, cycle.flags)
    return table


def _percent_lithium(cycle: CycleComparison) -> str:
    return plus_minus(cycle.true_coulombic_efficiency_lithium, None, 100.0, 3)


def _shown(one: Beside, scale: float, digits: int) -> tuple[str, str, str, str]:
    """Measured ± σ, true, difference and deviation; an interval as ``low … high``."""
    true = plus_minus(one.true_low, None, scale, digits)
    if one.true_low is not None and one.true_high is not None and one.true_high > one.true_low:
        true = f"{true} … {one.true_high * scale:.{digits}f}"
    difference, deviation = one.difference, one.deviation
    return (
        plus_minus(one.measured, one.std, scale, digits),
        true,
        "–" if difference is None else f"{difference * scale:+.{digits}f}",
        "–" if deviation is None else f"{deviation:+.1f}",
    )


def _sweep_table(found: TruthComparison) -> Table:
    columns = ("series Ω", "true Ω", "off/σ #", "interface Ω", "true Ω", "off/σ #")
    table = headed("Resistances of the fits beside the truth", "n #", *columns, "flags", tight=True)
    if across := sorted({arc for sweep in found.sweeps for arc in sweep.across}):
        table.caption = f"across the end of a sweep lie the arcs of {', '.join(across)}: truth in intervals"
        table.caption_justify = "left"
    for sweep in found.sweeps:
        series, interface = _shown(sweep.series_resistance_ohm, 1.0, 2), _shown(sweep.interface_resistance_ohm, 1.0, 1)
        table.add_row(
            str(sweep.cycle_count), series[0], series[1], series[3], interface[0], interface[1], interface[3], sweep.flags
        )
    return table


def _record_table(found: TruthComparison) -> Table:
    table = headed("Records, clocks, books", "what", "found #", tight=True)
    count = found.records
    ahead = found.clock_ahead_second
    rows = {
        "records (samples)": f"{count.records} ({count.samples})",
        "lost": str(count.lost),
        "twice": str(count.duplicates),
        "true half cycles in no step": str(found.rows_without_window),
        "half cycles without truth": str(found.half_cycles_without_truth),
        "emulator's clock ahead / s": "–" if ahead is None else f"{found.clock_set_apart_second + ahead:+.3f}",
        "largest residual of the books / mAh cm⁻²": (
            "–" if found.residual_max_mah_cm2 is None else f"{found.residual_max_mah_cm2:.1e}"
        ),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _fault_table(found: TruthComparison) -> Table:
    table = headed("Done on purpose, and what the run said", "when", "what", "lasted / s", "acts #", "incidents", tight=True)
    for fault in found.faults:
        end = fault.end_nanosecond
        lasted = "–" if end is None else f"{(end - fault.start_nanosecond) / 1e9:.1f}"
        table.add_row(iso_from_nanosecond(fault.start_nanosecond), fault.fault, lasted, str(fault.acts), _reactions(fault))
    for one in found.unexplained:
        table.add_row(iso_from_nanosecond(one.unix_time_nanosecond), "[dim]nothing on purpose[/]", "", "", _reaction(one))
    return table


def _reactions(fault: FaultComparison) -> str:
    return "\n".join(_reaction(one) for one in fault.reactions) or "[dim]none[/]"


def _reaction(one: Reaction) -> str:
    style = {"alarm": "bold red", "warning": "yellow"}.get(one.severity, "")
    kind = f"[{style}]{one.kind}[/]" if style else one.kind
    return kind if one.delay_second is None else f"{kind} after {one.delay_second:.1f} s"


def _judgement_table(judged: Sequence[Judgement]) -> Table:
    table = headed("What the scenario expects", "expectation", "expected", "found", "holds", tight=True)
    for one in judged:
        table.add_row(one.name, one.expected, one.found, "[green]yes[/]" if one.holds else "[bold red]NO[/]")
    return table
