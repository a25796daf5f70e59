"""The shape of a plan: steps in blocks, blocks in repeats; and finding the n-th block of a run without unrolling it.

A block is what one program does. The blocks of a run are numbered from 0, and that number is where the run is. How many
blocks the first p passes of a repeat hold has a closed form, even where items come only every n passes, so the pass that
holds a number is found by bisection: ten thousand cycles of ten thousand cycles cost nothing.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.model.run import Role
from potentiostat_drivers.program import Sampling, Until


@dataclass(frozen=True, slots=True)
class Open:
    """Nothing: the cell is open."""

    act: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Current:
    """A constant current: a magnitude whose direction the stepper chooses by role, or, for a probe, signed as written."""

    current_ampere: float
    act: Literal["current"] = "current"


@dataclass(frozen=True, slots=True)
class Voltage:
    """A constant voltage."""

    voltage_volt: float
    act: Literal["voltage"] = "voltage"


@dataclass(frozen=True, slots=True)
class Sweep:
    """An impedance sweep."""

    frequency_max_hertz: float
    frequency_min_hertz: float
    points: int
    amplitude_volt: float
    act: Literal["sweep"] = "sweep"


Act = Annotated[Open | Current | Voltage | Sweep, Field(discriminator="act")]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step: one command. ``longest_second`` is a hard limit, ``until`` what is wanted; ``where`` its place in the file."""

    label: str
    kind: str
    role: Role
    where: str
    act: Act
    sampling: Sampling
    until: Until
    longest_second: float

    @property
    def charge_ah(self) -> float:
        """The largest charge the step can pass; 0 for voltage steps, whose current only the limit bounds."""
        if not isinstance(self.act, Current):
            return 0.0
        duration = self.longest_second if self.until.duration_second is None else self.until.duration_second
        return abs(self.act.current_ampere) * duration / 3600


@dataclass(frozen=True, slots=True)
class PlanBlock:
    """Steps that are one program: a step and the holds that follow it."""

    steps: tuple[PlanStep, ...]
    every: int = 1
    item: Literal["block"] = "block"


@dataclass(frozen=True, slots=True)
class PlanRepeat:
    """Items done ``count`` times; those with ``every`` n in the passes 1, 1 + n, 1 + 2n and so on."""

    label: str
    count: int
    items: tuple[PlanItem, ...]
    every: int = 1
    item: Literal["repeat"] = "repeat"


PlanItem = Annotated[PlanBlock | PlanRepeat, Field(discriminator="item")]


@dataclass(frozen=True, slots=True)
class Totals:
    """What the whole plan comes to. ``duration_worst_second`` is every step at its longest, ``command_longest_second`` the
    longest single step; ``charge_largest_ah`` the largest charge that one constant-current step can pass.
    """

    duration_worst_second: float
    charge_largest_ah: float
    block_count: int
    step_count: int
    sweep_count: int
    command_longest_second: float


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block with the path that leads to it: ``cycle[3]/`` or nothing."""

    prefix: str
    block: PlanBlock


def block_at(items: Sequence[PlanItem], index: int) -> PlacedBlock:
    """The block number ``index`` of the run, counted from 0; `IndexError` beyond the last."""
    count = block_count(items)
    if not 0 <= index < count:
        raise IndexError(f"the plan has {count} blocks, and none of number {index}")
    return _find(items, 1, index, "")


def block_count(items: Sequence[PlanItem]) -> int:
    """How many blocks the whole run has."""
    return _block_count(items, 1)


def totals_of(items: Sequence[PlanItem]) -> Totals:
    """The totals of a plan with these items."""
    blocks = tuple(_blocks(items))
    return Totals(
        duration_worst_second=_sum(items, 1, lambda block: sum(step.longest_second for step in block.steps)),
        charge_largest_ah=max((step.charge_ah for block in blocks for step in block.steps), default=0.0),
        block_count=_block_count(items, 1),
        step_count=round(_sum(items, 1, lambda block: len(block.steps))),
        sweep_count=round(_sum(items, 1, lambda block: sum(isinstance(step.act, Sweep) for step in block.steps))),
        command_longest_second=max((step.longest_second for block in blocks for step in block.steps), default=0.0),
    )


def _find(items: Sequence[PlanItem], passes: int, index: int, prefix: str, label: str = "") -> PlacedBlock:
    done = bisect.bisect_right(range(passes + 1), index, key=lambda count: _block_count(items, count)) - 1
    rest = index - _block_count(items, done)
    inside = f"{prefix}{label}[{done + 1}]/" if label else prefix
    for item in items:
        if done % item.every != 0:
            continue
        size = _size(item)
        if rest < size:
            match item:
                case PlanBlock():
                    return PlacedBlock(inside, item)
                case PlanRepeat():
                    return _find(item.items, item.count, rest, inside, item.label)
        rest -= size
    raise IndexError(f"no block {index} below {inside or 'the plan'}")


def _visits(every: int, passes: int) -> int:
    """How often an item with ``every`` comes in the first ``passes`` passes."""
    return -(-passes // every)


def _block_count(items: Sequence[PlanItem], passes: int) -> int:
    return sum(_visits(item.every, passes) * _size(item) for item in items)


def _size(item: PlanItem) -> int:
    match item:
        case PlanBlock():
            return 1
        case PlanRepeat():
            return _block_count(item.items, item.count)


def _sum(items: Sequence[PlanItem], passes: int, value: Callable[[PlanBlock], float]) -> float:
    total: float = 0
    for item in items:
        match item:
            case PlanBlock():
                each = value(item)
            case PlanRepeat():
                each = _sum(item.items, item.count, value)
        total += _visits(item.every, passes) * each
    return total


def _blocks(items: Sequence[PlanItem]) -> Iterator[PlanBlock]:
    for item in items:
        match item:
            case PlanBlock():
                yield item
            case PlanRepeat():
                yield from _blocks(item.items)
