"""A run beside the truth: differences in their errors, arcs at a sweep's edge, faults and incidents, expectations, picture."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from harness.cli.main import app, main
from harness.comparison.cycles import HalfCycleWindow, clock_shift, joined
from harness.comparison.judging import judge
from harness.comparison.run import Beside, MeasuredRun, RecordCount, TruthComparison, compare_run, sides
from harness.comparison.truth_rows import TrueArc, TrueFault, TrueHalfCycle, TrueSweep, TruthRows, read_truth
from harness.errors import BadInput
from harness.model.derived import CycleRow, ImpedanceFitRow
from harness.model.records import Incident, Record, RunEnded, RunStarted, Sample, StepEnded, StepStarted
from harness.model.run import Geometry, Role, RunContext
from harness.rollup import roll_up_once
from harness.service.compare_figure import comparison_figure, draw_comparison
from harness.service.compare_report import comparison_json, comparison_tables, count_records
from harness.service.figures import save_figure
from harness.store.derived import DerivedStore
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournalReader
from tests.facts import FACTS

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
HOUR = 3600
CONTEXT = RunContext("lab", "a1", "cu-01", "bare", "cu-01-20260101t000000")


def at(second: float) -> int:
    return START + round(second * SECOND)


def window(cycle: int, begin: float, *, deposits: bool, second: float = HOUR) -> HalfCycleWindow:
    return HalfCycleWindow("a1", cycle, deposits, not deposits, at(begin), at(begin + second))


def windows(cycles: int) -> list[HalfCycleWindow]:
    """Cycle n begins n × (10 000 + n) s after the start, so that no two cycles are apart by the same time."""
    found = []
    for cycle in range(1, cycles + 1):
        begin = cycle * (10_000.0 + 100.0 * cycle)
        found += [window(cycle, begin, deposits=True), window(cycle, begin + 4000, deposits=False, second=0.95 * HOUR)]
    return found


def true_rows(halves: list[HalfCycleWindow], shift: float = 0.0, efficiency: float = 0.95) -> list[TrueHalfCycle]:
    return [
        TrueHalfCycle(
            "a1",
            half.start_nanosecond + round(shift * SECOND),
            half.end_nanosecond + round(shift * SECOND),
            -3.6 if half.deposits else 3.6 * efficiency,
            None if half.deposits else efficiency - 1e-3,
            None,
            1e-15,
        )
        for half in halves
    ]


def cycle_row(cycle: int, efficiency: float, std: float = 1e-4, flags: str = "") -> CycleRow:
    whole = (1e-3, 1e-7, efficiency * 1e-3, 1e-7, efficiency, std, std / 2)
    return CycleRow(CONTEXT.run_id, cycle, at(10_000.0 * cycle), "cycle", *whole, 90.0, 1.0, 90.0, 1.0, 9000.0, flags, "ce-1")


def fit_row(sweep: int, series: float, interface: float) -> ImpedanceFitRow:
    values = (series, 0.05, interface, 0.5, interface * 1.27, 0.6, 1e-3)
    return ImpedanceFitRow(CONTEXT.run_id, sweep, at(10_000.0 * sweep), sweep, *values, "", "eis-1")


def measured(cycles: int = 6, efficiency: float = 0.9502, **changes: object) -> MeasuredRun:
    run = MeasuredRun(
        context=CONTEXT,
        facts=FACTS,
        windows=windows(cycles),
        cycles=[cycle_row(cycle, efficiency) for cycle in range(1, cycles + 1)],
        fits=[],
        incidents=[],
        count=RecordCount(1000, 900, 0, 0),
        completed=True,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def truth(cycles: int = 6, shift: float = 0.0, **changes: object) -> TruthRows:
    rows = TruthRows(half_cycles=true_rows(windows(cycles), shift))
    return replace(rows, **changes)  # type: ignore[arg-type]


def expecting(**expect: object) -> TruthRows:
    return truth(scenarios=[{"kind": "scenario", "seed": 1, "channels": {}, "expect": expect}])


# -- joins


@settings(max_examples=60, deadline=None)
@given(
    shift=st.one_of(st.floats(-900.0, 900.0), st.floats(-1e6, 1e6)),
    cuts=st.lists(st.integers(10, 990).map(lambda thousandth: thousandth / 1000), max_size=3, unique=True),
    cycles=st.integers(3, 9),
)
def test_join_does_not_depend_on_clocks_or_interruptions(shift: float, cuts: list[float], cycles: int) -> None:
    """Whatever the emulator's clock says and however often a current was interrupted, each cycle has its own efficiency."""
    halves = windows(cycles)
    rows = []
    for place, row in enumerate(true_rows(halves, shift)):
        edges = [0.0, *sorted(cuts), 1.0]
        span = row.end_nanosecond - row.start_nanosecond
        charge = row.charge_coulomb * (1.0 if row.charge_coulomb < 0 else 1.0 - 0.001 * place)
        for begin, end in itertools.pairwise(edges):
            first, last = row.start_nanosecond + round(begin * span), row.start_nanosecond + round(end * span)
            rows.append(TrueHalfCycle("a1", first, last, charge * (end - begin)))
    found = joined(rows, halves, clock_shift(rows, halves))
    assert found.unmatched == 0
    for number, cycle in enumerate(found.cycles):
        expected = 0.95 * (1.0 - 0.001 * (2 * number + 1))
        assert cycle.true_coulombic_efficiency == pytest.approx(expected)


def test_clock_shift_is_zero_where_nothing_overlaps_at_all() -> None:
    """No rows, no windows, or rows of another channel: nothing to bring together."""
    halves = windows(2)
    assert clock_shift([], halves) == clock_shift(true_rows(halves), []) == 0
    assert clock_shift([replace(row, channel="b1") for row in true_rows(halves, 1e6)], halves) == 0


def test_a_run_among_others_on_its_channel_is_compared_with_its_own_rows() -> None:
    """An emulator serves many runs; rows before and after this one are no rows without a window."""
    late = windows(3)
    before = [TrueHalfCycle("a1", at(-50_000 + 5000 * n), at(-48_000 + 5000 * n), (-1) ** n * 1.0) for n in range(6)]
    found = compare_run(TruthRows(half_cycles=[*before, *true_rows(late)]), measured(3))
    assert (found.rows_without_window, found.half_cycles_without_truth) == (0, 0)


def test_a_charge_and_its_hold_are_one_half_cycle() -> None:
    """One row of truth covers both steps, and neither of them is without truth."""
    steps = [window(1, 10_000, deposits=True), window(1, 13_600, deposits=True, second=600), window(1, 20_000, deposits=False)]
    rows = [
        TrueHalfCycle("a1", at(10_000), at(14_200), -4.2),
        TrueHalfCycle("a1", at(20_000), at(23_600), 4.0),
    ]
    found = compare_run(TruthRows(half_cycles=rows), replace(measured(), windows=steps, cycles=[cycle_row(1, 0.95)]))
    assert (found.rows_without_window, found.half_cycles_without_truth) == (0, 0)
    assert found.cycles[0].coulombic_efficiency.true_low == pytest.approx(4.0 / 4.2)


# -- values


def test_each_cycle_has_its_difference_in_its_own_error() -> None:
    """Measured 0.9502 ± 0.0001 beside 0.95 is off by two standard deviations; the other definitions stand beside it."""
    found = compare_run(truth(), measured())
    assert [one.cycle_count for one in found.cycles] == [1, 2, 3, 4, 5, 6]
    for one in found.cycles:
        assert one.coulombic_efficiency.difference == pytest.approx(2e-4)
        assert one.coulombic_efficiency.deviation == pytest.approx(2.0)
        assert one.true_coulombic_efficiency_lithium == pytest.approx(0.949)
        assert one.true_coulombic_efficiency_adams is None
    assert found.mean_true_coulombic_efficiency == pytest.approx(0.95)
    assert found.residual_max_mah_cm2 == pytest.approx(1e-15)


def test_a_cycle_that_was_not_derived_is_told() -> None:
    """The truth of a cycle stands there even where the pipeline has no row of it."""
    found = compare_run(truth(), replace(measured(), cycles=[cycle_row(1, 0.95)]))
    assert [one.flags for one in found.cycles] == ["", *["not_derived"] * 5]
    assert found.cycles[3].coulombic_efficiency.true_low == pytest.approx(0.95)
    assert found.cycles[3].coulombic_efficiency.difference is None


def test_a_cycle_without_an_efficiency_still_has_its_truth() -> None:
    """A cycle that was cut short has none measured, and the truth is told; a symmetric cell has neither."""
    rows = [replace(cycle_row(n, 0.95), coulombic_efficiency=None) for n in range(1, 7)]
    cut = compare_run(truth(), replace(measured(), cycles=rows)).cycles[0].coulombic_efficiency
    assert cut.true_low == pytest.approx(0.95)
    assert cut.measured is cut.difference is None
    symmetric = compare_run(truth(), replace(measured(), cycles=rows, facts=replace(FACTS, geometry=Geometry.SYMMETRIC)))
    assert symmetric.cycles[0].coulombic_efficiency.true_low is symmetric.mean_true_coulombic_efficiency is None


@pytest.mark.parametrize(
    ("value", "difference"), [(5.0, -1.0), (6.0, 0.0), (7.5, 0.0), (8.0, 0.0), (8.5, 0.5)], ids=["below", "", "in", "", "above"]
)
def test_difference_from_an_interval_is_the_distance(value: float, difference: float) -> None:
    """Zero inside, signed outside."""
    one = Beside(value, 0.5, 6.0, 8.0)
    assert one.difference == pytest.approx(difference)
    assert one.deviation == pytest.approx(difference / 0.5)


@pytest.mark.parametrize(
    ("above", "below", "series", "interface", "across"),
    [
        (0.0, 0.0, (8.0, 8.0), (50.0, 50.0), ()),
        (1.0, 0.0, (58.0, 58.0), (0.0, 0.0), ()),
        (0.65, 0.0, (8.0, 58.0), (0.0, 50.0), ("layers",)),
        (0.0, 0.5, (8.0, 8.0), (0.0, 50.0), ("layers",)),
        (0.0, 1.0, (8.0, 8.0), (0.0, 0.0), ()),
    ],
    ids=["inside", "hidden above", "across the top", "across the bottom", "below"],
)
def test_an_arc_counts_where_the_sweep_sees_it(
    above: float, below: float, series: tuple[float, float], interface: tuple[float, float], across: tuple[str, ...]
) -> None:
    """In the interface, in the series resistance, in neither; and in an interval where the sweep cuts it."""
    sweep = TrueSweep("a1", 0, 1, 8.0, (TrueArc("layers", 50.0, above, below), TrueArc("none", 0.0, 0.5, 0.0)))
    assert sides(sweep) == (series, interface, across)


def test_fits_find_their_sweeps() -> None:
    """Each fit meets the nearest sweep of its channel, and one sweep is not used twice."""
    arcs = (TrueArc("film", 40.0, 0.0, 0.0),)
    sweeps = [TrueSweep("a1", at(10_000.0 * n + 7), at(10_000.0 * n + 90), 8.0 + n, arcs) for n in (1, 2)]
    sweeps.append(TrueSweep("b1", at(30_000), at(30_001), 99.0, arcs))
    fits = [fit_row(n, 8.0 + n + 0.1, 41.0) for n in (1, 2, 3)]
    found = compare_run(truth(sweeps=sweeps), measured(fits=fits)).sweeps
    assert [one.series_resistance_ohm.deviation for one in found] == [pytest.approx(2.0), pytest.approx(2.0), None]
    assert [one.interface_resistance_ohm.difference for one in found] == [pytest.approx(1.0), pytest.approx(1.0), None]


def test_a_sweep_of_a_shorted_cell_is_compared_with_nothing() -> None:
    """No part of what it shows has a truth of its own, and the row says why."""
    sweep = TrueSweep("a1", at(10_007), at(10_090), 9.0, (TrueArc("film", 40.0, 0.0, 0.0),), shunt_siemens=1e-3)
    (found,) = compare_run(truth(sweeps=[sweep]), measured(fits=[fit_row(1, 9.1, 41.0)])).sweeps
    assert (found.series_resistance_ohm.difference, found.interface_resistance_ohm.difference) == (None, None)
    assert "shorted" in found.flags.split()


# -- what was done on purpose


def incident(second: float, kind: str, severity: str = "warning") -> Incident:
    return Incident(CONTEXT.run_id, 7, at(second), severity, kind, "something happened")


def test_incidents_follow_the_latest_fault_that_explains_them() -> None:
    """Within the fault and a little after it; what nothing explains is told apart; other channels are left out."""
    faults = [
        TrueFault("a1", "T9_reset", at(20_000), at(20_100)),
        TrueFault("a1", "C1_soft_short", at(20_050), at(23_000)),
        TrueFault("b1", "T9_reset", at(20_000)),
        TrueFault("a1", "I12_reboot", at(40_000)),
    ]
    incidents = [incident(20_020, "link_lost"), incident(20_090, "gap"), incident(30_000, "limit"), incident(40_060, "rebooted")]
    found = compare_run(truth(faults=faults), measured(incidents=incidents))
    assert [(one.fault, [(r.kind, r.delay_second) for r in one.reactions]) for one in found.faults] == [
        ("T9_reset", [("link_lost", 20.0)]),
        ("C1_soft_short", [("gap", 40.0)]),
        ("I12_reboot", [("rebooted", 60.0)]),
    ]
    assert [one.kind for one in found.unexplained] == ["limit"]


def test_faults_of_the_truth_file_hold_their_acts_and_ends(tmp_path: Path) -> None:
    """Acts and ends join the activation they belong to, also where one fault runs twice at once."""
    which = {"kind": "fault", "fault": "P1_bad_crc", "channel": "a1", "event": "events[0]"}
    lines = [
        which | {"phase": "begin", "activation": 1, "unix_time_nanosecond": 5},
        which | {"phase": "begin", "activation": 2, "unix_time_nanosecond": 6},
        which | {"phase": "act", "activation": 1, "unix_time_nanosecond": 7, "before": "00", "after": "01"},
        which | {"phase": "end", "activation": 1, "unix_time_nanosecond": 9, "why": "count"},
        {"kind": "something_new"},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_truth(path).faults
    assert (first.start_nanosecond, first.end_nanosecond, [act["after"] for act in first.acts]) == (5, 9, ["01"])
    assert (second.start_nanosecond, second.end_nanosecond, second.acts) == (6, None, ())
    path.write_text(json.dumps(lines[3]) + "\n")
    with pytest.raises(BadInput, match="goes on without having begun"):
        read_truth(path)


# -- expectations


@pytest.mark.parametrize(
    ("expect", "holds"),
    [
        ({"records_lost": 0, "duplicate_points": 0}, [True, True]),
        ({"records_lost": 1}, [False]),
        ({"cycles_min": 6}, [True]),
        ({"cycles_min": 7}, [False]),
        ({"ce_abs_error_max": 2.1e-4, "ce_deviation_max": 1.9}, [True, False]),
        ({"resistance_deviation_max": 3.0}, [False]),
        ({"residual_max_mah_cm2": 1e-6, "completed": True}, [True, True]),
        ({"completed": False}, [False]),
        ({"incidents": ["gap"], "no_incidents": ["alarm"]}, [True, True]),
        ({"incidents": ["alarm"], "no_incidents": ["gap"]}, [False, False]),
        ({"soft_short_flagged": ["a2"]}, [True]),
        ({"soft_short_flagged": ["a1", "a2"]}, [False]),
    ],
    ids=str,
)
def test_expectations_are_judged(expect: dict[str, object], holds: list[bool]) -> None:
    """Each stated line by itself; what could not be measured does not hold."""
    found = compare_run(expecting(**expect), measured(incidents=[incident(20_000, "gap")]))
    assert [one.holds for one in judge(found)] == holds


def test_a_flagged_short_is_what_the_scenario_expects() -> None:
    """The channel of the run carries a flag of a short."""
    cycles = [cycle_row(1, 0.95), cycle_row(2, 0.95, flags="soft_short_suspect")]
    found = compare_run(expecting(soft_short_flagged=["a1"]), replace(measured(), cycles=cycles))
    assert [one.holds for one in judge(found)] == [True]


def test_an_unknown_expectation_is_refused() -> None:
    """A truth whose expectations this program does not know is bad input, not a success."""
    with pytest.raises(BadInput, match="records_missing"):
        judge(compare_run(expecting(records_missing=0), measured()))


def test_nothing_expected_is_nothing_to_judge() -> None:
    """Neither a truth without a scenario nor a scenario without expectations is judged."""
    assert judge(compare_run(truth(), measured())) == []
    assert judge(compare_run(truth(scenarios=[{"seed": 1, "expect": None}]), measured())) == []


# -- for people


def samples(cycles: int = 6) -> pl.DataFrame:
    rows = []
    for half in windows(cycles):
        sign = -1.0 if half.deposits else 1.0
        for share in range(21):
            stamp = half.start_nanosecond + share * (half.end_nanosecond - half.start_nanosecond) // 20
            rows.append((stamp, half.cycle_count, sign * 0.1, sign * 1e-3, "plate" if half.deposits else "strip"))
    columns = ["unix_time_nanosecond", "cycle_count", "voltage_volt", "current_ampere", "role"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def compared() -> TruthComparison:
    arcs = (TrueArc("film", 40.0, 0.0, 0.0), TrueArc("layers", 50.0, 0.6, 0.0))
    sweeps = [TrueSweep("a1", at(10_000.0 * n + 7), at(10_000.0 * n + 90), 8.0, arcs) for n in range(1, 7)]
    faults = [TrueFault("a1", "C1_soft_short", at(21_000), at(22_000))]
    rows = truth(sweeps=sweeps, faults=faults, scenarios=[{"expect": {"records_lost": 0}}])
    fits = [fit_row(n, 8.0, 70.0) for n in range(1, 7)]
    return compare_run(rows, measured(fits=fits, incidents=[incident(21_500, "gap")]))


def test_tables_fit_eighty_columns() -> None:
    """Every table of a comparison with everything in it."""
    console = Console(width=80, record=True, file=io.StringIO())
    for table in comparison_tables(compared(), judge(compared())):
        console.print(table)
    text = console.export_text()
    for word in ("95.020 ± 0.010", "95.000", "+2.0", "C1_soft_short", "gap after 500.0 s", "layers", "records_lost", "yes"):
        assert word in text


def test_tables_lose_no_digit_where_there_is_no_room() -> None:
    """In sixty columns numbers wrap; none of them is cut off into another number."""
    console = Console(width=60, record=True, file=io.StringIO())
    for table in comparison_tables(compared(), judge(compared())):
        console.print(table)
    printed = set(console.export_text().split())
    assert {"95.020", "0.010", "95.000", "70.0", "40.0", "90.0"} <= printed


def test_json_holds_differences() -> None:
    """What is derived from measured and true is there too, and all of it is JSON."""
    plain = json.loads(json.dumps(comparison_json(compared())))
    assert plain["cycles"][1]["coulombic_efficiency"]["deviation"] == pytest.approx(2.0)
    assert plain["sweeps"][0]["interface_resistance_ohm"]["true_high"] == pytest.approx(90.0)
    assert plain["faults"][0]["reactions"][0]["kind"] == "gap"


def test_picture_shows_measured_beside_true(tmp_path: Path) -> None:
    """Five plots with their labels, error bars, truth, the fault and the incident; the file is a picture, twice the same."""
    figure = comparison_figure(compared(), samples())
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["CE / %", "R / Ω cm²", "off / σ", "off / σ", "E / V"]
    efficiency, resistance, _, _, voltage = figure.axes
    assert efficiency.get_legend_handles_labels()[1] == ["true: lithium's books", "true: charge", "measured ± σ"]
    assert resistance.get_legend_handles_labels()[1] == ["true", "interface ± σ", "series ± σ"]
    assert efficiency.containers
    assert {text.get_text() for text in voltage.texts} >= {"plate", "strip", "C1_soft_short", "gap"}
    save_figure(figure, tmp_path / "a.png")
    for name in ("c.svg", "d.svg"):
        draw_comparison(compared(), samples(), tmp_path / name)
    assert (tmp_path / "c.svg").read_bytes() == (tmp_path / "d.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "a.png").stat().st_size > 30_000
    assert "Coulombic efficiency" in (tmp_path / "c.svg").read_text(encoding="utf-8")


def test_picture_of_a_symmetric_cell_shows_its_charge() -> None:
    """Without an efficiency the plated charge is compared; without sweeps and readings the plots say so."""
    rows = [replace(cycle_row(n, 1.0), coulombic_efficiency=None) for n in range(1, 7)]
    facts = replace(FACTS, geometry=Geometry.SYMMETRIC)
    found = compare_run(truth(), replace(measured(), cycles=rows, facts=facts))
    figure = comparison_figure(found, samples().clear())
    assert figure.axes[0].get_ylabel() == "charge / mAh cm⁻²"
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no sweep was fitted", "no reading is stored"]


# -- the command


def write_station(directory: Path) -> None:
    """A journal with one run of two cycles, rolled up; and the truth of it, ``truth.jsonl``."""
    seq = count()
    now = START

    def place(second: float = 0.0) -> tuple[str, int, int]:
        nonlocal now
        now += round(second * SECOND) + 1
        return CONTEXT.run_id, next(seq), now

    records: list[Record] = [RunStarted(CONTEXT.run_id, next(seq), now, FACTS)]
    lines = []
    for step in range(4):
        cycle, role = 1 + step // 2, (Role.PLATE, Role.STRIP)[step % 2]
        current, duration = (-1e-3, 3600.0) if role is Role.PLATE else (1e-3, 3420.0)
        run_id, number, stamp = place()
        records.append(StepStarted(run_id, number, stamp, stamp, cycle, step + 1, "s", "cc", role, 0, "{}"))
        truth_row = {"kind": "half_cycle", "channel": "a1", "charge_coulomb": current * duration}
        lines.append(
            truth_row | {"start_unix_time_nanosecond": stamp, "end_unix_time_nanosecond": stamp + round(duration * SECOND)}
        )
        for share in (0.0, 0.5, 1.0):
            where = place(0.0 if share == 0.0 else duration / 2)
            second = share * duration
            records.append(Sample(*where, second, second, current * 50, current, cycle, step + 1, "s", role, 1e-2, ""))
        records.append(StepEnded(*place(), cycle, step + 1, "s", role, "voltage_above", duration))
    records.append(RunEnded(*place(), completed=True, reason="done"))

    async def fill() -> None:
        async with Journal(directory / "journal.sqlite") as journal:
            for record in records:
                if isinstance(record, RunStarted):
                    journal.begin_run(CONTEXT, record)
                else:
                    journal.append(record)

    asyncio.run(fill())
    reader = JournalReader(directory / "journal.sqlite")
    with DerivedStore(directory / "derived.sqlite") as store:
        roll_up_once(reader, store)
    reader.close()
    (directory / "truth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def with_expectation(directory: Path, **expect: object) -> Path:
    path = directory / "truth.jsonl"
    path.write_text(json.dumps({"kind": "scenario", "seed": 1, "expect": expect}) + "\n" + path.read_text())
    return path


@pytest.mark.parametrize(("expect", "status"), [({"ce_deviation_max": 3}, 0), ({"records_lost": 5}, 1)], ids=["met", "unmet"])
def test_command_ends_as_the_expectations_hold(expect: dict[str, object], status: int, tmp_path: Path) -> None:
    """0 where all hold, 1 where one does not; by the run's name or the cell's, from a station's directory."""
    write_station(tmp_path)
    path = with_expectation(tmp_path, **expect)
    done = CliRunner().invoke(app, ["compare-truth", str(path), "cu-01", "--site", str(tmp_path), "--json"])
    assert done.exit_code == status, done.output
    found = json.loads(done.stdout)
    assert found["run_id"] == CONTEXT.run_id
    assert [one["coulombic_efficiency"]["measured"] for one in found["cycles"]] == [pytest.approx(0.95)] * 2
    assert [one["coulombic_efficiency"]["difference"] for one in found["cycles"]] == [pytest.approx(0.0, abs=1e-9)] * 2
    assert (found["records"]["lost"], found["records"]["samples"]) == (0, 12)
    assert [one["holds"] for one in found["judgements"]] == [status == 0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.jsonl", "cu-01"], "none.jsonl: the truth file cannot be read"),
        (["truth.jsonl", "cu-77"], 'RUN: "cu-77" is neither a run nor a cell of this station; there are cu-01-20260101t000000'),
        (["truth.jsonl", "cu-01", "--figure", "a.bmp"], "--figure: a.bmp ends with none of .png, .svg, .pdf"),
        (["truth.jsonl", "cu-01", "--figure", "no/a.png"], "--figure: the folder of no/a.png does not exist"),
        (["truth.jsonl", "cu-01", "--site", "elsewhere"], "--site: there is no journal.sqlite in elsewhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_command_says_what_is_wrong(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on standard error, status 2."""
    write_station(tmp_path)
    monkeypatch.chdir(tmp_path)
    site = [] if "--site" in arguments else ["--site", "."]
    monkeypatch.setattr(sys, "argv", ["harness", "compare-truth", *arguments, *site])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"harness: {sentence}")


def test_records_are_counted_by_number_and_stamp() -> None:
    """A hole in the numbers is lost, a number or a stamp that stands twice is a double."""
    records = [incident(second, "gap") for second in range(5)]
    numbered: list[Record] = [replace(record, seq=seq) for record, seq in zip(records, (0, 1, 3, 3, 5), strict=True)]
    assert count_records(numbered, 0) == RecordCount(5, 0, 2, 1)
    same: list[Record] = [replace(record, seq=seq, unix_time_nanosecond=at(1)) for seq, record in enumerate(records)]
    assert count_records(same, 0) == RecordCount(5, 0, 0, 4)
