"""Cells cycled in closed form: the second solver of the cell model, beside the step kernel that it tests and is tested by.

A batch is cells of one geometry, each with its own parameters and chance, side by side. A recipe of constant-current steps is
repeated; every step gives a `Trace`: when and why it ended on each cell, and the voltage at equally spaced times. First the ends
of all steps are found one after the other (a recursion of states), then the voltages between them are computed, all samples of
many steps at once. With few cells the recursion runs on plain floats, with many on arrays, by the same equations.

Not in closed form, and refused: shorts, the polysulfide shuttle, chance events of the layers, constant voltage. The temperature
is constant. For these there is `emulator.cell.program`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emulator.cell import segments_cell, state
from emulator.cell.segments_cell import CellConstants, CellState, Geometry, Path
from emulator.cell.segments_counter import Between, CounterConstants
from emulator.cell.segments_lithium import Electrode, LithiumConstants
from emulator.cell.segments_numbers import ARRAYS, SCALARS, Arithmetic, Number
from emulator.cell.segments_samples import Floats, Sampler

_FEW = 6
_SPARE = 1.1
_WASTED = 0.5


class NotInClosedForm(ValueError):
    """This cell does something that only steps can follow."""


@dataclass(frozen=True, slots=True)
class Step:
    """Constant current: ``density_ma_cm2`` > 0 oxidises the working electrode, 0 is rest.

    It ends after ``longest_second``, at ``highest_volt`` while oxidising, at ``lowest_volt`` while reducing, or when no lithium
    is left to strip. Its samples stand at the ends of ``points`` equal parts of its length.
    """

    density_ma_cm2: float
    longest_second: float
    lowest_volt: float = -math.inf
    highest_volt: float = math.inf
    points: int = 200


@dataclass(frozen=True, slots=True)
class Trace:
    """One step of the recipe: all arrays (cells, repeats), and (cells, repeats, points) for the samples.

    ``ended`` holds `state.BY_TIME`, `BY_LOW_VOLT`, `BY_HIGH_VOLT` or `BY_EXHAUSTION`; ``charge_mah_cm2`` is what crossed the
    cell, oxidation positive; the books are those of the followed electrode at the end of the step, in mAh/cm².
    """

    time_second: Floats
    voltage_volt: Floats
    elapsed_second: Floats
    ended: Floats
    charge_mah_cm2: Floats
    fresh_mah_cm2: Floats
    bulk_mah_cm2: Floats
    dead_mah_cm2: Floats
    film_mah_cm2: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """Cells of one geometry. ``parameters`` and ``states`` are vectors of `emulator.cell.state`, one per cell.

    ``normals`` are, per cell, the streams of standard normal numbers of the followed and of the other lithium electrode.
    """

    parameters: Sequence[Sequence[float]]
    states: Sequence[Sequence[float]]
    normals: Sequence[tuple[Callable[[int], float], Callable[[int], float]]]

    def __post_init__(self) -> None:
        kinds = {(par[state.P_COUNTER], par[state.P_MATERIAL]) for par in self.parameters}
        if len(kinds) != 1:
            raise NotInClosedForm("the cells of a batch have one kind of counter-electrode")
        for par, made in zip(self.parameters, self.states, strict=True):
            chance = par[state.P_SHORT_RATE] + par[state.P_CRACK_EVENTS] + made[state.SHORT]
            if chance > 0.0 or par[state.P_SHUTTLE_RATE] > 0.0:
                raise NotInClosedForm("a short, a shuttle or an event of chance has no closed form; step through it instead")

    @property
    def geometry(self) -> Geometry:
        """What the cells have in common."""
        counter = self.parameters[0][state.P_COUNTER]
        material = int(self.parameters[0][state.P_MATERIAL]) if counter == state.COUNTER_CATHODE else None
        return Geometry(counter == state.COUNTER_LITHIUM, material)


def segment(batch: Batch, step: Step) -> tuple[Trace, Batch]:
    """One step once, and the batch after it."""
    traces, after = cycle(batch, (step,), 1)
    return traces[0], after


def voltages(batch: Batch, step: Step, second: Floats) -> Floats:
    """The voltages of ``step`` at any times within it: (cells, times)."""
    run = _Run(batch, (step,), 1)
    path, _, _ = run.one(run.first(), step, step.longest_second)
    sampler = Sampler(run.geometry, run.constants, (len(batch.states), 1, len(second)))
    return sampler.voltages(path, second)


def cycle(batch: Batch, steps: Sequence[Step], repeats: int) -> tuple[list[Trace], Batch]:
    """The ``steps`` one after the other, ``repeats`` times; a trace per step, and the batch after the last."""
    cells = len(batch.states)
    if cells > _FEW:
        return _Run(batch, steps, repeats).traces()
    single = [
        _Run(Batch((par,), (made,), (normal,)), steps, repeats).traces()
        for par, made, normal in zip(batch.parameters, batch.states, batch.normals, strict=True)
    ]
    if cells == 1:
        return single[0]
    traces = [_side_by_side([result[0][index] for result in single]) for index in range(len(steps))]
    states = [result[1].states[0] for result in single]
    return traces, Batch(batch.parameters, states, batch.normals)


def _side_by_side(traces: list[Trace]) -> Trace:
    return Trace(*(np.concatenate([getattr(trace, name) for trace in traces]) for name in Trace.__slots__))


class _Run:
    """The recursion over all steps: states, ends and paths."""

    def __init__(self, batch: Batch, steps: Sequence[Step], repeats: int) -> None:
        self._batch, self._steps, self._repeats = batch, steps, repeats
        self.geometry = batch.geometry
        self._arithmetic: Arithmetic = SCALARS if len(batch.states) == 1 else ARRAYS
        self.constants = CellConstants(
            LithiumConstants(*self._parameters(LithiumConstants.__slots__)),
            CounterConstants(*self._parameters(CounterConstants.__slots__)),
        )
        self._draws = (self._deposits(0), self._deposits(1))

    def traces(self) -> tuple[list[Trace], Batch]:
        """Everything."""
        now = self.first()
        cells, repeats = len(self._batch.states), self._repeats
        samplers = [Sampler(self.geometry, self.constants, (cells, repeats, step.points)) for step in self._steps]
        rows: list[list[tuple[Number, ...]]] = [[] for _ in self._steps]
        ends: list[Number] = [step.longest_second for step in self._steps]
        for _ in range(repeats):
            for place, (step, sampler, row) in enumerate(zip(self._steps, samplers, rows, strict=True)):
                path, end, ended = self.one(now, step, ends[place])
                ends[place] = end
                now = segments_cell.after(self._arithmetic, self.constants, path, end)
                sampler.add(path, end)
                lithium = now.tracked
                row.append((end, ended, lithium.fresh, lithium.bulk, lithium.dead, lithium.film))
        traces = [_trace(step, sampler, row) for step, sampler, row in zip(self._steps, samplers, rows, strict=True)]
        return traces, self._after(now, traces)

    def one(self, now: CellState, step: Step, last: Number) -> tuple[Path, Number, Number]:
        """The path of a step, its end and why; ``last`` is how long it took before, so that nodes lie where they are needed."""
        nothing = 0.0 * now.tracked.fresh
        longest = step.longest_second + nothing
        smaller, where, some = self._arithmetic.smaller, self._arithmetic.where, self._arithmetic.some
        span = smaller(longest, _SPARE * last)
        path, end, ended = self._try(now, step, span)
        short = (ended == state.BY_TIME) & (span < longest)
        if some(short):
            span = where(short, longest, span)
            path, end, ended = self._try(now, step, span)
        if some((end < _WASTED * span) & (ended != state.BY_TIME)):
            span = where(ended == state.BY_TIME, span, smaller(longest, _SPARE * end + 1.0))
            path, end, ended = self._try(now, step, span)
        return path, end, ended

    def _try(self, now: CellState, step: Step, span: Number) -> tuple[Path, Number, Number]:
        a, geometry, c = self._arithmetic, self.geometry, self.constants
        nothing = 0.0 * now.tracked.fresh
        path = segments_cell.begin(a, geometry, c, now, step.density_ma_cm2 * 1e-3 + nothing, span, self._draws)
        limit = step.highest_volt if step.density_ma_cm2 > 0.0 else step.lowest_volt
        return path, *segments_cell.finish(a, geometry, c, path, span, limit)

    # -- to and from the vectors of the step kernel

    def _lanes(self, vectors: Sequence[Sequence[float]], place: int) -> Number:
        values = [float(vector[place]) for vector in vectors]
        return values[0] if self._arithmetic is SCALARS else np.array(values)

    def _parameters(self, names: Sequence[str]) -> list[Number]:
        return [self._lanes(self._batch.parameters, state.PARAMETER_FIELDS.index(name)) for name in names]

    def _deposits(self, which: int) -> Callable[[Number], Number]:
        """The normal number of the deposit after so many, on each cell."""
        streams = [pair[which] for pair in self._batch.normals]
        if self._arithmetic is SCALARS:
            return lambda deposits: streams[0](int(deposits) + 1)
        begun = max(made[(state.TRACKED, state.OTHER)[which] + state.DEPOSITS] for made in self._batch.states)
        count = int(begun) + self._repeats * len(self._steps) + 2
        table = np.array([[stream(index) for index in range(count)] for stream in streams])
        cells = np.arange(len(streams))
        return lambda deposits: table[cells, np.asarray(deposits, dtype=np.int64) + 1]

    def first(self) -> CellState:
        states = self._batch.states
        electrodes = [
            Electrode(*(self._lanes(states, base + place) for place in range(state.ELECTRODE_SIZE)))
            for base in (state.TRACKED, state.OTHER)
        ]
        between = Between(*(self._lanes(states, state.STATE_FIELDS.index(name)) for name in Between._fields))
        return CellState(electrodes[0], electrodes[1] if self.geometry.lithium_counter else None, between)

    def _after(self, now: CellState, traces: Sequence[Trace]) -> Batch:
        lived = sum(trace.elapsed_second.sum(axis=1) for trace in traces)
        charge = sum(trace.charge_mah_cm2.sum(axis=1) for trace in traces) * state.COULOMB_PER_MAH
        states = []
        for lane, before in enumerate(self._batch.states):
            made = [float(value) for value in before]
            made[state.TRACKED : state.TRACKED + state.ELECTRODE_SIZE] = _lane(now.tracked, lane)
            if now.other is not None:
                made[state.OTHER : state.OTHER + state.ELECTRODE_SIZE] = _lane(now.other, lane)
            for name, value in zip(Between._fields, _lane(now.between, lane), strict=True):
                made[state.STATE_FIELDS.index(name)] = value
            made[state.CLOCK] += float(lived[lane])
            made[state.CELL_NET] += float(charge[lane])
            states.append(made)
        return Batch(self._batch.parameters, states, self._batch.normals)


def _trace(step: Step, sampler: Sampler, rows: list[tuple[Number, ...]]) -> Trace:
    time, volt = sampler.finish()
    table = np.array(rows, dtype=np.float64)
    table = table[..., None] if table.ndim == 2 else table
    elapsed, ended, fresh, bulk, dead, film = (table[:, column].T for column in range(6))
    charge = elapsed * step.density_ma_cm2 / 3600.0
    mah = state.COULOMB_PER_MAH
    return Trace(time, volt, elapsed, ended, charge, fresh / mah, bulk / mah, dead / mah, film / mah)


def _lane(numbers: tuple[Number, ...], lane: int) -> list[float]:
    return [float(number[lane]) if isinstance(number, np.ndarray) else float(number) for number in numbers]
