"""How many shorts are found, by how much of the current they take and how long; and how many sound cells are accused.

Cells are emulated with a typical instrument; presets, currents, sampling and voltage noise differ from cell to cell. A short
is a conductance that takes the stated share of the current where it begins, at a moment drawn evenly from the third half
cycle of its kind, and heals after the stated part of that or never. *Found* is a grade of suspect or more. Sound cells are
cycled from their first, forming cycle on; some until no lithium is left.

Sizes and certainties of the signs were chosen on seeds 1 to 100; the figures come from seeds after `FIRST_SEED`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from emulator.cell.parameters import PresetName
from harness.analysis.estimate import Estimate
from harness.analysis.shape import HalfCycleShape, half_cycle_shape
from harness.analysis.short_signs import ShortContext, usual_second
from harness.analysis.shorts import ShortVerdict, judge_short
from tests.benchmarks.figure import Figure
from tests.studies.generated import spread
from tests.studies.shorted import Short, cycled

PRESETS: tuple[PresetName, ...] = get_args(PresetName)
FIRST_SEED = 7001
Kind = Literal["plate", "strip", "symmetric", "charge", "discharge"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GEOMETRY = {"plate": "deposit", "strip": "deposit", "symmetric": "symmetric", "charge": "full", "discharge": "full"}
Sizes = tuple[tuple[float, float], ...]
SIZES: Sizes = tuple((share, part) for share in (0.05, 0.1, 0.2, 0.4, 0.8) for part in (0.01, 0.03, 0.1, 0.25, 0.5))
"""Share of the current where a short begins, and part of the half cycle it lasts."""
UNHEALED: Sizes = tuple((share, 0.1) for share in (0.05, 0.1, 0.4, 0.8))
HARDEST = (0.2, 0.1)
SHORTED_CYCLE = 3
POLARISED_1 = 0.02
"""Of a discharge: so much earlier it ends because the current through the cell is larger with a short."""
REST: dict[str, object] = {"step": "rest", "for": "10 min"}
OFFSET_AMPERE = 2e-6
"""Two ten-thousandths of the 10 mA range, one standard deviation: what the typical instrument's current is off by."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A half cycle and what was said of it."""

    cycle: int
    kind: str
    verdict: ShortVerdict
    shape: HalfCycleShape


def scenario(geometry: str, preset: str, seed: int, cycles: int, **cell: object) -> dict[str, Any]:
    """Everything that differs between cells comes from the seed."""
    draw = np.random.default_rng([seed, 77])
    current = float(draw.choice([0.3, 0.5, 1.0, 2.0]))
    size = current * float(draw.choice([0.5, 1.0, 2.0]))
    every = str(draw.choice(["10 s", "30 s", "60 s"]))
    noise = float(10.0 ** draw.uniform(-4.7, -3.3))
    rate = str(draw.choice(["C/5", "C/3", "C/2"]))
    steps = _steps(geometry, f"{current} mA/cm^2", f"{size} mAh/cm^2", rate)
    schedule = {
        "schedule": "study",
        "version": 1,
        "sampling": {"every": every, "on_change": "5 mV", "check": "1 s"},
        "steps": [{"step": "repeat", "count": cycles, "steps": steps}],
    }
    instrument = {
        "serial": "EMU1",
        "imperfections": {"base": "typical", "voltage_noise_volt": noise},
        "channels": [{"name": "a1", "cell": {"name": "cell", "geometry": geometry, "preset": preset, "area_cm2": 1.0, **cell}}],
    }
    return {"schedule": schedule, "instruments": [instrument]}


def _steps(geometry: str, current: str, size: str, rate: str) -> list[dict[str, object]]:
    plate: dict[str, object] = {"step": "plate", "current": current, "until": {"charge": size}}
    if geometry == "deposit":
        strip: dict[str, object] = {"step": "strip", "current": current, "until": {"voltage_above": "1 V"}, "longest": "24 h"}
        return [plate, REST, strip, REST]
    if geometry == "symmetric":
        return [plate, REST, {"step": "strip", "current": current, "until": {"charge": size}}, REST]
    return [
        {"step": "charge", "current": rate, "until": {"voltage_above": "4.2 V"}, "longest": "30 h"},
        {"step": "hold", "voltage": "4.2 V", "until": {"current_below": "C/20"}, "longest": "9 h"},
        REST,
        {"step": "discharge", "current": rate, "until": {"voltage_below": "3 V"}, "longest": "30 h"},
        REST,
    ]


def judged(samples: pl.DataFrame, *, full: bool) -> list[Judged]:
    """Every half cycle, judged as rollup would: after each other, with what came before."""
    history: dict[bool, list[HalfCycleShape]] = {True: [], False: []}
    found, rest, plated = [], None, 0.0
    for cycle, deposits, rows in _halves(samples):
        time, volt, current = (rows[name].to_numpy() for name in ("test_time_second", "voltage_volt", "current_ampere"))
        if deposits is None:
            rest = float(volt[-1])
            continue
        usual = usual_second(history[deposits])
        open_volt = None if full else 0.0
        shape = half_cycle_shape(time, volt, current, open_voltage_volt=open_volt, rest_voltage_volt=rest, usual_second=usual)
        charge = abs(float(np.trapezoid(current, time)))
        efficiency = None
        if deposits:
            plated = charge
        elif "plate" not in rows["role"] and plated > 0.0:
            error = 2.0 * OFFSET_AMPERE / abs(float(np.median(current)))
            efficiency = Estimate.normal(charge / plated, error * charge / plated)
        verdict = judge_short(shape, history[deposits], ShortContext(coulombic_efficiency=efficiency))
        history[deposits].append(replace(shape, short_grade=verdict.grade))
        found.append(Judged(cycle, rows["role"][0], verdict, shape))
        rest = None
    return found


def _halves(samples: pl.DataFrame) -> Iterator[tuple[int, bool | None, pl.DataFrame]]:
    """(cycle, whether it deposits, its samples); a charge and its hold are one, ``None`` is a rest."""
    role = pl.col("role")
    kind = pl.when(role == "rest").then(None).otherwise(role.is_in(["plate", "charge"]))
    marked = samples.with_columns(kind.alias("deposits"))
    marked = marked.with_columns(pl.struct("cycle_count", "deposits").rle_id().alias("half"))
    for _, rows in marked.group_by("half", maintain_order=True):
        yield rows["cycle_count"][0], rows["deposits"][0], rows


def shorted(kind: Kind, seed: int, share: float, part: float, *, heals: bool = True) -> Judged:
    """The half cycle of a cell in which it shorts, for at least ``part`` of it."""
    made, wanted, step, lasts = _without_short(kind, seed)
    last = (1.0 - part) / (1.0 + part * share) - POLARISED_1 if kind == "discharge" else 1.0 - part
    begin = float(np.random.default_rng([seed, 78]).uniform(0.0, last)) * lasts
    samples, _ = cycled(made, seed, Short(step, begin, begin + part * lasts if heals else math.inf, share))
    halves = judged(samples, full=GEOMETRY[kind] == "full")
    return next(one for one in halves if one.cycle == SHORTED_CYCLE and one.kind == wanted)


@functools.lru_cache(maxsize=4)
def _without_short(kind: Kind, seed: int) -> tuple[dict[str, Any], str, int, float]:
    """A cell's scenario, the role of the half cycle that shall short, its step and how long it lasts without."""
    geometry = GEOMETRY[kind]
    full = {"excess_mah_cm2": 4} if geometry == "full" else {}
    made = scenario(geometry, PRESETS[seed % len(PRESETS)], seed, SHORTED_CYCLE, **full)
    samples, _ = cycled(made, seed)
    wanted = ("plate" if seed % 2 else "strip") if kind == "symmetric" else kind
    rows = samples.filter((pl.col("cycle_count") == SHORTED_CYCLE) & pl.col("step_path").str.ends_with(f"/{wanted}"))
    return made, wanted, int(rows["step_count"][0]), float(rows["step_time_second"][-1])


def sound(geometry: str, preset: str, seed: int, cycles: int = 25) -> list[Judged]:
    """The half cycles of a cell without a short; every fourth full cell has little lithium and runs out of it."""
    few = {"excess_mah_cm2": 0.3 if seed % 4 == 0 else 4} if geometry == "full" else {}
    samples, _ = cycled(scenario(geometry, preset, seed, cycles, **few), seed)
    return judged(samples, full=geometry == "full")


def study(seeds: int) -> list[Figure]:
    """Power in the hardest corner of what must be found, false alarms, and the power curve around the corner."""
    few = max(8, seeds // 20)
    corner = [_figures(kind, seeds, (HARDEST,), heals=heals)[0] for kind in KINDS for heals in (True, False)]
    alarms = [_false_alarms(geometry, max(1, seeds // 25)) for geometry in ("deposit", "symmetric", "full")]
    curve = [figure for kind in KINDS for figure in _figures(kind, few, SIZES)]
    unhealed = [figure for kind in KINDS for figure in _figures(kind, few, UNHEALED, heals=False)]
    return [*corner, *alarms, *curve, *unhealed]


def _figures(kind: Kind, count: int, sizes: Sizes, *, heals: bool = True) -> list[Figure]:
    found = spread(functools.partial(_found, kind, sizes, heals), range(FIRST_SEED, FIRST_SEED + count))
    return [_power(kind, size, [each[place] for each in found], heals=heals) for place, size in enumerate(sizes)]


def _power(kind: Kind, size: tuple[float, float], hits: list[bool], *, heals: bool) -> Figure:
    share, part = size
    lasting = f"for {part:.0%} of the half cycle" if heals else f"until it ends, {part:.0%} of it or more"
    what = f"{kind}: {share:.0%} of the current {lasting}, found of {len(hits)}"
    wanted = "≥ 95 %" if share >= HARDEST[0] and part >= HARDEST[1] else ""
    return Figure(what, 100.0 * float(np.mean(hits)), "%", wanted)


def _false_alarms(geometry: str, count: int) -> Figure:
    cells = [(geometry, preset, FIRST_SEED + one) for preset in PRESETS for one in range(count)]
    found = spread(_alarms, cells)
    cycles = sum(one[0] for one in found)
    return Figure(f"{geometry}: false alarms in {cycles} sound cycles", sum(one[1] for one in found), "", f"≤ {cycles // 1000}")


def _found(kind: Kind, sizes: Sizes, heals: bool, seed: int) -> list[bool]:
    return [bool(shorted(kind, seed, *size, heals=heals).verdict.grade) for size in sizes]


def _alarms(cell: tuple[str, str, int]) -> tuple[int, int]:
    halves = sound(*cell)
    return len({one.cycle for one in halves}), sum(bool(one.verdict.grade) for one in halves)
