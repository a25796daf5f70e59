"""Cells of one store compared by what they were made from: the frames of a comparison, and their text.

Each cell is one value in one group; the comparison itself is `harness.analysis.cohort`, and that of cycle lives
`harness.analysis.survival`. A cell that has no value, or of which the fact is not known, is left out with its reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from harness.analysis.cohort import CellValue, GroupMean, GroupPair, check_groups, compare_groups, holm, pairs_of
from harness.analysis.estimate import Estimate
from harness.analysis.survival import Lifetime, LogRank, SurvivalCurve, kaplan_meier, log_rank
from harness.errors import AnalysisError, BadInput
from harness.lab.cell import CellView
from harness.lab.life import LIFE, life_of
from harness.lab.metrics import Measured, Metric, metric_named

Kind = type[pl.DataType]


def _schema(*parts: dict[str, Kind]) -> pl.Schema:
    return pl.Schema([column for part in parts for column in part.items()])


def _texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, pl.String)


def _counts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, pl.Int64)


def _numbers(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, pl.Float64)


def _intervals(*names: str) -> dict[str, Kind]:
    return _numbers(*(f"{name}{end}" for name in names for end in ("", "_std", "_low", "_high")))


CELLS = _schema(
    _texts("cell", "group"),
    _numbers("value", "value_std", "value_offset_std"),
    _texts("channel"),
    _counts("cycles"),
    {"used": pl.Boolean},
    _texts("reason"),
)
"""One row per cell that was asked for. ``reason``: why it is not ``used``, or (cycle life) what ended it or the watch over it."""

GROUPS = _schema(_texts("group"), _counts("cells", "cycles"), _intervals("mean"), _numbers("between_std"), _texts("note"))
PAIRS = _schema(
    _texts("group", "baseline"),
    _intervals("difference", "ratio"),
    _numbers("p_value", "p_value_holm", "detectable_difference"),
    _texts("note"),
)
LIFE_GROUPS = _schema(_texts("group"), _counts("cells", "failed"), _intervals("median", "hazard"), _texts("censored", "note"))
LIFE_PAIRS = _schema(
    _texts("group", "baseline"),
    _numbers("statistic", "p_value", "p_value_holm", "least_p_value"),
    _intervals("hazard_ratio"),
    _texts("note"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """``groups`` and ``pairs`` (`GROUPS`, `PAIRS`; of cycle life `LIFE_GROUPS`, `LIFE_PAIRS`) and the ``cells`` behind them.

    ``curves`` are the survival curves of a comparison of cycle life by group. ``method_version`` is that of the comparison.
    """

    by: str
    metric: str
    unit: str
    baseline: str | None
    groups: pl.DataFrame
    pairs: pl.DataFrame
    cells: pl.DataFrame
    notes: tuple[str, ...]
    method_version: str
    curves: Mapping[str, SurvivalCurve] | None = None

    def __str__(self) -> str:
        left = self.cells.filter(~pl.col("used"))
        lines = [f"{self.metric}{f' / {self.unit}' if self.unit else ''} by {self.by}"]
        lines += [_line(row) for frame in (self.groups, self.pairs) for row in frame.iter_rows(named=True)]
        lines += [f"left out: {row['cell']} ({row['reason']})" for row in left.iter_rows(named=True)]
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True, slots=True)
class Member:
    """A cell and the group it belongs to, ``None`` where the fact is not known."""

    cell: CellView
    group: str | None


def compare_cells(
    members: Sequence[Member], by: str, metric: str, *, baseline: str | None = None, at_cycle: int | None = None
) -> Comparison:
    """Compare ``members`` by a metric, or by their cycle life.

    Raises:
        BadInput: there is no such metric, or it has no value at a cycle.
        AnalysisError: the cells are of several geometries, fewer than two groups have cells with a value, the baseline is none of
            them, or no cell has failed.
    """
    _check_geometry(members)
    if metric == LIFE:
        if at_cycle is not None:
            raise BadInput("at_cycle", f"{LIFE} is of all cycles")
        return _compared_lives(members, by, baseline)
    return _compared_values(members, by, metric_named(metric, at_cycle), baseline, at_cycle)


def _check_geometry(members: Sequence[Member]) -> None:
    """An efficiency of a half cell and one of a full cell are two quantities, and so are their resistances."""
    found = {member.cell.geometry.value: member.cell.cell for member in members if member.group is not None}
    if len(found) > 1:
        told = ", ".join(f"{geometry} ({cell})" for geometry, cell in found.items())
        raise AnalysisError(f"cells of {told} cannot be compared with each other; choose one, as in geometry=deposit")


def _compared_values(
    members: Sequence[Member], by: str, metric: Metric, baseline: str | None, at_cycle: int | None
) -> Comparison:
    used: list[CellValue] = []
    rows: list[tuple[object, ...]] = []
    unknown: list[str] = []
    for member in members:
        cell, group = member.cell, member.group
        found = Measured(None, reason=f"no {by} is known") if group is None else _measured(metric, cell, at_cycle)
        shown = (found.value, found.std, found.offset_std, cell.channel, found.cycles, found.value is not None, found.reason)
        rows.append((cell.cell, group, *shown))
        if group is not None and found.value is not None:
            offset = found.offset_std or 0.0
            used.append(CellValue(cell.cell, group, found.value, found.std, offset, cell.channel, found.cycles))
            unknown += [cell.cell] if found.offset_std is None else []
    cells = pl.DataFrame(rows, CELLS, orient="row")
    with _naming_left_out(cells):
        compared = compare_groups(used, baseline=baseline)
    return Comparison(
        by=by,
        metric=metric.name,
        unit=metric.unit,
        baseline=baseline,
        groups=pl.DataFrame([_group_row(one) for one in compared.groups], GROUPS, orient="row"),
        pairs=pl.DataFrame([_pair_row(one) for one in compared.pairs], PAIRS, orient="row"),
        cells=cells,
        notes=(*compared.notes, *_offset_note(unknown)),
        method_version=compared.method_version,
    )


def _offset_note(unknown: Sequence[str]) -> tuple[str, ...]:
    if not unknown:
        return ()
    told = ", ".join(unknown)
    return (f"nothing says the current's offset of {told}: their errors leave it out, and channels may differ by it",)


def _measured(metric: Metric, cell: CellView, at_cycle: int | None) -> Measured:
    """A cell of which the analysis can make nothing is left out like one without a value."""
    try:
        return metric.measure(cell, at_cycle)
    except AnalysisError as error:
        return Measured(None, reason=str(error))


@contextlib.contextmanager
def _naming_left_out(cells: pl.DataFrame) -> Iterator[None]:
    """Let an error say which cells had no part, too: they may be why."""
    try:
        yield
    except AnalysisError as error:
        left = [f"{row['cell']} ({row['reason']})" for row in cells.filter(~pl.col("used")).iter_rows(named=True)]
        told = ", ".join(left)
        raise AnalysisError(f"{error}; left out: {told}" if left else str(error)) from None


def _compared_lives(members: Sequence[Member], by: str, baseline: str | None) -> Comparison:
    lives: dict[str, list[Lifetime]] = {}
    rows: list[tuple[object, ...]] = []
    for member in members:
        found = f"no {by} is known" if member.group is None else _life(member.cell)
        if isinstance(found, str) or member.group is None:
            rows.append((member.cell.cell, member.group, None, None, None, member.cell.channel, 0, False, found))
            continue
        lives.setdefault(member.group, []).append(found)
        shown = (found.duration, None, None, member.cell.channel, int(found.duration), True, found.reason)
        rows.append((member.cell.cell, member.group, *shown))
    cells = pl.DataFrame(rows, CELLS, orient="row")
    with _naming_left_out(cells):
        check_groups([group for group, own in lives.items() for _ in own], baseline)
        if not any(life.failed for own in lives.values() for life in own):
            raise AnalysisError(f"no cell has failed yet: all {cells['used'].sum()} are censored, and lives cannot be compared")
    curves = {group: kaplan_meier(own) for group, own in lives.items()}
    chosen = pairs_of(list(lives), baseline)
    tests = [_tested(lives[one], lives[other]) for one, other in chosen]
    together = holm([test.p_value if test else None for test in tests])
    pairs = [_life_pair(*names, test, p_value) for names, test, p_value in zip(chosen, tests, together, strict=True)]
    return Comparison(
        by=by,
        metric=LIFE,
        unit="cycles",
        baseline=baseline,
        groups=pl.DataFrame([_life_group(group, curve) for group, curve in curves.items()], LIFE_GROUPS, orient="row"),
        pairs=pl.DataFrame(pairs, LIFE_PAIRS, orient="row"),
        cells=cells,
        notes=(),
        method_version=next(iter(curves.values())).method_version,
        curves=curves,
    )


def _life(cell: CellView) -> Lifetime | str:
    try:
        return life_of(cell)
    except AnalysisError as error:
        return str(error)


def _tested(first: Sequence[Lifetime], second: Sequence[Lifetime]) -> LogRank | None:
    failed = any(life.failed for life in [*first, *second])
    return log_rank(first, second) if failed else None


def _four(one: Estimate) -> tuple[float | None, float | None, float | None, float | None]:
    return one.value, one.std, one.low, one.high


def _group_row(one: GroupMean) -> tuple[object, ...]:
    return one.group, one.cells, one.cycles, *_four(one.mean), one.between_std, one.mean.refusal


def _pair_row(one: GroupPair) -> tuple[object, ...]:
    note = one.difference.refusal or one.ratio.refusal
    sides = (*_four(one.difference), *_four(one.ratio))
    return one.group, one.baseline, *sides, one.p_value, one.p_value_holm, one.detectable_difference, note


def _life_group(group: str, curve: SurvivalCurve) -> tuple[object, ...]:
    censored = ", ".join(f"{count} {reason}" for reason, count in curve.censored.items())
    note = "; ".join(one.refusal for one in (curve.median, curve.hazard) if one.refusal)
    failed = int(curve.failures.sum())
    _, *spread = _four(curve.median)
    return group, curve.cells, failed, curve.half, *spread, *_four(curve.hazard), censored, note


def _life_pair(group: str, baseline: str, test: LogRank | None, p_value: float | None) -> tuple[object, ...]:
    if test is None:
        return group, baseline, None, None, None, None, None, None, None, None, "no cell of either group has failed"
    shown = (test.statistic, test.p_value, p_value, test.least_p_value, *_four(test.hazard_ratio))
    return group, baseline, *shown, test.hazard_ratio.refusal


def _line(row: Mapping[str, object]) -> str:
    """One row in words: names, then every number that is there with its interval."""
    parts = [str(row["group"]) + (f" − {row['baseline']}" if "baseline" in row else "")]
    for name, value in row.items():
        if not isinstance(value, float | int) or name.endswith(("_std", "_low", "_high")):
            continue
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        interval = f" ({low:.4g} to {high:.4g})" if isinstance(low, float) and isinstance(high, float) else ""
        parts.append(f"{name} {value:.4g}{interval}")
    note = str(row.get("note") or "")
    return "  ".join([*parts, *([note] if note else [])])
