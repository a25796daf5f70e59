"""A whole run beside the emulator's truth: efficiency, resistance, records and faults, each with its difference. Judges nothing.

Everything measured is what the pipeline stored: cycles and fits from ``derived.sqlite``, steps, incidents and sequence numbers
from the journal. A resistance behind an arc that lies across the edge of a sweep has no single true value: a fit may count it to
either side, so the truth of such a resistance is an interval, and the difference is the distance from it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.comparison.cycles import HalfCycleWindow, TrueCycle, Truth, WindowIndex, clock_shift, joined
from harness.comparison.truth_rows import TrueFault, TrueHalfCycle, TrueSweep, TruthRows
from harness.model.derived import CycleRow, ImpedanceFitRow
from harness.model.records import Incident
from harness.model.run import Geometry, RunContext, RunFacts
from harness.units import NANOSECOND

EDGE_SHARE = 0.05
"""An arc with more than this on either side of a sweep's end lies across it."""
FLAG_SHORTED = "shorted"
"""A short lay across the cell during the sweep."""
REACTION_SECOND = 60.0
REACTION_WALL_SECOND = 10.0
"""An incident this long after a fault (in the run's time, and on the wall) is still its consequence."""


@dataclass(frozen=True, slots=True)
class RecordCount:
    """What is in the journal: holes in ``seq``, and records or stamps that stand there twice."""

    records: int
    samples: int
    lost: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run as the pipeline stored it. ``completed`` is ``None`` while it lasts."""

    context: RunContext
    facts: RunFacts
    windows: list[HalfCycleWindow]
    cycles: list[CycleRow]
    fits: list[ImpedanceFitRow]
    incidents: list[Incident]
    count: RecordCount
    completed: bool | None


@dataclass(frozen=True, slots=True)
class Beside:
    """A measured value beside its truth, which is an interval where a method cannot do better, and mostly a point.

    ``difference`` is the distance from the interval, signed; ``deviation`` the same in standard deviations. ``None`` is unknown.
    """

    measured: float | None
    std: float | None
    true_low: float | None
    true_high: float | None

    @property
    def difference(self) -> float | None:
        """Measured less true; 0 inside the interval."""
        if self.measured is None or self.true_low is None or self.true_high is None:
            return None
        return self.measured - min(max(self.measured, self.true_low), self.true_high)

    @property
    def deviation(self) -> float | None:
        """The difference over its standard deviation."""
        difference = self.difference
        return None if difference is None or not self.std else difference / self.std


@dataclass(frozen=True, slots=True)
class CycleComparison:
    """One cycle. The efficiency's truth is external (charges that crossed the cell); the others are told beside it."""

    cycle_count: int
    coulombic_efficiency: Beside
    plating_capacity_ah: Beside
    true_coulombic_efficiency_lithium: float | None
    true_coulombic_efficiency_adams: float | None
    flags: str


@dataclass(frozen=True, slots=True)
class SweepComparison:
    """One sweep; ``across`` names the arcs that lie across the sweep's ends. Of a shorted cell no part has a truth of its own."""

    cycle_count: int
    sweep_count: int
    series_resistance_ohm: Beside
    interface_resistance_ohm: Beside
    across: tuple[str, ...]
    flags: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """An incident of the run, ``delay_second`` after the fault it followed."""

    kind: str
    severity: str
    message: str
    unix_time_nanosecond: int
    delay_second: float | None


@dataclass(frozen=True, slots=True)
class FaultComparison:
    """Something done on purpose, in the run's time, and the incidents that followed it."""

    fault: str
    start_nanosecond: int
    end_nanosecond: int | None
    acts: int
    reactions: tuple[Reaction, ...]


@dataclass(frozen=True, slots=True)
class TruthComparison:
    """Everything. ``clock_shift_second`` is how far the emulator's clock was ahead after ``clock_shift`` was taken out whole."""

    run_id: str
    cell: str
    channel: str
    geometry: str
    area_cm2: float
    completed: bool | None
    seed: object
    parameters_sha256: object
    clock_set_apart_second: float
    clock_ahead_second: float | None
    cycles: tuple[CycleComparison, ...]
    mean_true_coulombic_efficiency: float | None
    sweeps: tuple[SweepComparison, ...]
    records: RecordCount
    rows_without_window: int
    half_cycles_without_truth: int
    faults: tuple[FaultComparison, ...]
    unexplained: tuple[Reaction, ...]
    residual_max_mah_cm2: float | None
    expect: object


def compare_run(truth: TruthRows, run: MeasuredRun) -> TruthComparison:
    """``run`` beside ``truth``, joined by channel and time."""
    shift = clock_shift(truth.half_cycles, run.windows)
    mine = _within(truth.half_cycles, run, shift)
    found = joined(mine, run.windows, shift)
    index = WindowIndex(run.windows)
    matched = [(row, index.of(row, shift)) for row in mine]
    faults, unexplained = _faults(truth, run, shift)
    last = truth.scenarios[-1] if truth.scenarios else {}
    symmetric = run.facts.geometry is Geometry.SYMMETRIC
    residuals = [abs(row.residual_mah_cm2) for row in mine if row.residual_mah_cm2 is not None]
    return TruthComparison(
        run_id=run.context.run_id,
        cell=run.context.cell,
        channel=run.context.channel,
        geometry=run.facts.geometry.value,
        area_cm2=run.facts.area_cm2,
        completed=run.completed,
        seed=last.get("seed"),
        parameters_sha256=_of_channel(last, run.context.channel).get("parameters_sha256"),
        clock_set_apart_second=shift / NANOSECOND,
        clock_ahead_second=_ahead(matched, shift),
        cycles=_cycles(found, run, matched),
        mean_true_coulombic_efficiency=None if symmetric else found.mean_coulombic_efficiency,
        sweeps=_sweeps(truth.sweeps, run, shift),
        records=run.count,
        rows_without_window=sum(window is None for _, window in matched),
        half_cycles_without_truth=len(
            {_half(one) for one in run.windows} - {_half(one) for _, one in matched if one is not None}
        ),
        faults=faults,
        unexplained=unexplained,
        residual_max_mah_cm2=max(residuals, default=None),
        expect=last.get("expect"),
    )


# -- efficiency


def _within(rows: Sequence[TrueHalfCycle], run: MeasuredRun, shift: int) -> list[TrueHalfCycle]:
    """The rows of the run's channel while it lasted: an emulator may have served other runs before and after."""
    if not run.windows:
        return []
    first = min(window.start_nanosecond for window in run.windows) + shift
    last = max(window.end_nanosecond for window in run.windows) + shift
    mine = [row for row in rows if row.channel == run.context.channel]
    return [row for row in mine if row.end_nanosecond > first and row.start_nanosecond < last]


Matched = list[tuple[TrueHalfCycle, HalfCycleWindow | None]]


def _half(window: HalfCycleWindow) -> tuple[int, bool]:
    """Which half cycle a step belongs to: a charge and its hold are one, and one row of the truth."""
    return window.cycle_count, window.deposits


def _ahead(matched: Matched, shift: int) -> float | None:
    """Median of how much later the emulator says a half cycle began than the run does, s."""
    found = {}
    for row, window in matched:
        if window is not None and window not in found:
            found[window] = row.start_nanosecond - shift - window.start_nanosecond
    return statistics.median(found.values()) / NANOSECOND if found else None


def _cycles(found: Truth, run: MeasuredRun, matched: Matched) -> tuple[CycleComparison, ...]:
    true = {cycle.cycle_count: cycle for cycle in found.cycles}
    books: dict[int, TrueHalfCycle] = {}
    for row, window in matched:
        if window is not None and not window.deposits:
            books[window.cycle_count] = row
    counts = sorted(true.keys() | {row.cycle_count for row in run.cycles})
    measured = {row.cycle_count: row for row in run.cycles}
    wanted = run.facts.geometry is not Geometry.SYMMETRIC
    return tuple(_cycle(count, measured.get(count), true.get(count), books.get(count), has_efficiency=wanted) for count in counts)


def _cycle(
    count: int,
    measured: CycleRow | None,
    true: TrueCycle | None,
    removal: TrueHalfCycle | None,
    *,
    has_efficiency: bool,
) -> CycleComparison:
    efficiency = None if true is None or not has_efficiency else true.true_coulombic_efficiency
    plating = None if true is None else true.true_plating_capacity_ah
    if measured is None:
        nothing = Beside(None, None, efficiency, efficiency)
        return CycleComparison(count, nothing, Beside(None, None, plating, plating), None, None, "not_derived")
    return CycleComparison(
        count,
        Beside(measured.coulombic_efficiency, measured.coulombic_efficiency_std, efficiency, efficiency),
        Beside(measured.plating_capacity_ah, measured.plating_capacity_ah_std, plating, plating),
        None if removal is None else removal.coulombic_efficiency_lithium,
        None if removal is None else removal.coulombic_efficiency_adams,
        measured.flags,
    )


# -- resistance


def _sweeps(truth: Sequence[TrueSweep], run: MeasuredRun, shift: int) -> tuple[SweepComparison, ...]:
    mine = [sweep for sweep in truth if sweep.channel == run.context.channel]
    return tuple(_sweep(fit, _partner(fit, run.fits, mine, shift)) for fit in run.fits)


def _partner(fit: ImpedanceFitRow, fits: Sequence[ImpedanceFitRow], sweeps: Sequence[TrueSweep], shift: int) -> TrueSweep | None:
    """The sweep that is nearest to the fit and has no nearer fit; ``None`` if there is none."""
    if not sweeps:
        return None

    def distance(one: ImpedanceFitRow, sweep: TrueSweep) -> int:
        return abs(one.unix_time_nanosecond + shift - sweep.start_nanosecond)

    nearest = min(sweeps, key=lambda sweep: distance(fit, sweep))
    return nearest if min(fits, key=lambda one: distance(one, nearest)) is fit else None


def _sweep(fit: ImpedanceFitRow, true: TrueSweep | None) -> SweepComparison:
    series: tuple[float | None, float | None] = (None, None)
    interface = series
    across: tuple[str, ...] = ()
    shorted = true is not None and true.shunt_siemens > 0.0
    if true is not None and not shorted:
        series, interface, across = sides(true)
    return SweepComparison(
        fit.cycle_count,
        fit.sweep_count,
        Beside(fit.series_resistance_ohm, fit.series_resistance_ohm_std, *series),
        Beside(fit.interface_resistance_ohm, fit.interface_resistance_ohm_std, *interface),
        across,
        f"{fit.flags} {FLAG_SHORTED}".strip() if shorted else fit.flags,
    )


Interval = tuple[float, float]


def sides(sweep: TrueSweep) -> tuple[Interval, Interval, tuple[str, ...]]:
    """What a fit may call series and interface resistance (lowest, highest), and the arcs that lie across an end of the sweep."""
    series = [sweep.series_resistance_ohm] * 2
    interface = [0.0, 0.0]
    across = []
    for arc in sweep.arcs:
        if arc.resistance_ohm == 0.0:
            continue
        hidden, unseen = arc.share_above, arc.share_below
        if hidden > 1.0 - EDGE_SHARE:
            series = [value + arc.resistance_ohm for value in series]
        elif hidden > EDGE_SHARE or EDGE_SHARE < unseen <= 1.0 - EDGE_SHARE:
            across.append(arc.name)
            series[1] += arc.resistance_ohm if hidden > EDGE_SHARE else 0.0
            interface[1] += arc.resistance_ohm
        elif unseen <= EDGE_SHARE:
            interface = [value + arc.resistance_ohm for value in interface]
    return (series[0], series[1]), (interface[0], interface[1]), tuple(across)


# -- what was done on purpose


def _faults(truth: TruthRows, run: MeasuredRun, shift: int) -> tuple[tuple[FaultComparison, ...], tuple[Reaction, ...]]:
    """The faults of the run's channel with the incidents that followed; and the incidents that followed none."""
    mine = [fault for fault in truth.faults if fault.channel == run.context.channel and _during(fault, run, shift)]
    reach = (REACTION_SECOND + REACTION_WALL_SECOND * run.facts.time_scale) * NANOSECOND
    reactions: dict[int, list[Reaction]] = {index: [] for index in range(len(mine))}
    unexplained: list[Reaction] = []
    for incident in run.incidents:
        cause = _cause(incident, mine, shift, reach)
        begun = None if cause is None else mine[cause].start_nanosecond - shift
        delay = None if begun is None else (incident.unix_time_nanosecond - begun) / NANOSECOND
        reaction = Reaction(incident.kind, incident.severity, incident.message, incident.unix_time_nanosecond, delay)
        (unexplained if cause is None else reactions[cause]).append(reaction)
    compared = tuple(
        FaultComparison(
            fault.fault,
            fault.start_nanosecond - shift,
            None if fault.end_nanosecond is None else fault.end_nanosecond - shift,
            len(fault.acts),
            tuple(reactions[index]),
        )
        for index, fault in enumerate(mine)
    )
    return compared, tuple(unexplained)


def _during(fault: TrueFault, run: MeasuredRun, shift: int) -> bool:
    if not run.windows:
        return True
    first = min(window.start_nanosecond for window in run.windows)
    last = max(window.end_nanosecond for window in run.windows)
    end = fault.start_nanosecond if fault.end_nanosecond is None else fault.end_nanosecond
    return end - shift >= first and fault.start_nanosecond - shift <= last


def _cause(incident: Incident, faults: Sequence[TrueFault], shift: int, reach: float) -> int | None:
    """The latest fault that had begun by the incident and was over for no longer than ``reach``."""
    best: int | None = None
    for index, fault in enumerate(faults):
        begun = fault.start_nanosecond - shift
        over = begun if fault.end_nanosecond is None else fault.end_nanosecond - shift
        if begun <= incident.unix_time_nanosecond <= over + reach and (
            best is None or fault.start_nanosecond >= faults[best].start_nanosecond
        ):
            best = index
    return best


def _of_channel(scenario: Mapping[str, object], channel: str) -> Mapping[str, object]:
    channels = scenario.get("channels")
    found = channels.get(channel) if isinstance(channels, dict) else None
    return found if isinstance(found, dict) else {}


def worst(values: Sequence[float | None]) -> float | None:
    """The largest magnitude among the known ones."""
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    return max(known, default=None)
