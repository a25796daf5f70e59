"""The closed form against the step kernel, against an ODE solver, and against itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from emulator.cell import program, state
from emulator.cell.cells import Cell, no_chance
from emulator.cell.effective import Counter, effective
from emulator.cell.parameters import PresetName, preset_parameters
from emulator.cell.segments import Batch, NotInClosedForm, Step, Trace, cycle, segment, voltages
from emulator.noise import Normals

Recorder = Callable[[str, object], None]

AREA = 1.267
BOOKS = ("fresh", "bulk", "dead", "film", "surface", "oxidised")
REST = Step(0.0, 600.0, points=10)
PLATE, STRIP = Step(-1.0, 3600.0, lowest_volt=-1.0), Step(1.0, 5400.0, highest_volt=1.0)
CU = (PLATE, REST, STRIP)
RESERVOIR = (PLATE, REST, replace(STRIP, longest_second=3500.0))
LI = (PLATE, replace(STRIP, longest_second=3600.0), REST)
FULL = (Step(0.8, 36000.0, highest_volt=4.2), REST, Step(-1.5, 36000.0, lowest_volt=3.5), REST)
SULFUR = (Step(-0.8, 36000.0, lowest_volt=1.85), REST, Step(0.8, 36000.0, highest_volt=2.6), REST)
LFP = (Step(0.8, 36000.0, highest_volt=3.7), Step(-1.5, 36000.0, lowest_volt=2.9))


@dataclass(frozen=True)
class Kind:
    """A cell and how it is cycled."""

    counter: Counter
    preset: PresetName
    lithium_mah_cm2: float
    steps: tuple[Step, ...]
    overrides: tuple[tuple[str, float], ...] = ()

    @property
    def streams(self) -> tuple[Normals, Normals]:
        return Normals(3, "a1", "cell"), Normals(3, "a1", "counter")

    def cell(self) -> Cell:
        parameters = preset_parameters(self.preset, {"cathode_capacity_mah_cm2": 2.8, **dict(self.overrides)})
        one, other = self.streams
        return Cell(self.counter, parameters, AREA, (one.value, other.value, no_chance, no_chance), self.lithium_mah_cm2)

    def batch(self, cells: int = 1) -> Batch:
        cell = self.cell()
        par = effective(cell.parameters, self.counter, AREA, cell.parameters.temperature_kelvin)
        one, other = self.streams
        return Batch([par] * cells, [state.from_bytes(cell.snapshot())] * cells, [(one.value, other.value)] * cells)


KINDS = {
    "copper, FEC": Kind("Cu", "bare_fec", 0.0, CU),
    "copper, carbonate": Kind("Cu", "bare_lp30", 0.0, CU),
    "copper, layers that crack": Kind(
        "Cu", "claim1_stack", 0.0, CU, (("crack_per_cycle", 0.02), ("bare_deposit_diameter_um", 1.0))
    ),
    "copper, corrosion, long way": Kind(
        "Cu", "bare_ether", 0.0, CU, (("corrosion_ma_cm2", 0.002), ("dead_layer_stretch_per_mah_cm2", 0.5))
    ),
    "copper, nucleation": Kind("Cu", "bare_fec", 0.0, CU, (("nucleation_exponent", 1.0),)),
    "copper, 45 °C": Kind("Cu", "lhce", 0.0, CU, (("temperature_kelvin", 318.15),)),
    "reservoir": Kind("Cu", "bare_fec", 4.0, RESERVOIR),
    "lithium foils": Kind("Li", "bare_lp30", 20.0, LI),
    "thin lithium foils": Kind("Li", "bare_fec", 1.3, LI),
    "full cell, NMC532": Kind("NMC532", "bare_fec", 2.0, FULL),
    "anode-free, NMC532": Kind("NMC532", "zero_excess", 0.0, FULL),
    "full cell, NMC811": Kind("NMC811", "lhce", 1.0, FULL),
    "full cell, sulfur without shuttle": Kind("S", "bare_ether", 2.0, SULFUR, (("shuttle_per_second", 0.0),)),
    "full cell, LFP": Kind("LFP", "co_deposited_co2", 1.0, LFP),
}


def stepped(batch: Batch, steps: Sequence[Step], repeats: int, interval: float) -> list[tuple[NDArray[np.float64], ...]]:
    """Per step, the kernel's (times, voltages, state after it), a sample every ``interval``."""
    made, par = list(batch.states[0]), list(batch.parameters[0])
    one, other = batch.normals[0]
    normals = [number for index in range(4 * repeats + 4) for number in (one(index), other(index), 0.0, 0.0)]
    results: list[tuple[NDArray[np.float64], ...]] = []
    for step in list(steps) * repeats:
        count = int(step.longest_second / interval) + 3
        time, volt = [0.0] * count, [0.0] * count
        low, high = max(step.lowest_volt, -1e3), min(step.highest_volt, 1e3)
        density = step.density_ma_cm2 * 1e-3
        written = program.run_segment(made, par, normals, density, step.longest_second, low, high, interval, time, volt)
        assert written > 0
        results.append((np.array(time[:written]), np.array(volt[:written]), np.array(made)))
    return results


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_both_solvers_agree(kind: Kind, record_property: Recorder) -> None:
    """At every sample of three cycles to 0.1 mV, in the charge of every step and in every book to 5e-6 of what passed.

    Where no lithium is left the voltage rises by 1 V in 1.5 s, so there it is the time that is compared, not the voltage.
    """
    worst_volt = worst_book = 0.0
    batch, interval = kind.batch(), 2.0 if kind.counter in {"Cu", "Li"} else 10.0
    for index, (time, volt, made) in enumerate(stepped(batch, kind.steps, 3, interval)):
        step = kind.steps[index % len(kind.steps)]
        before, (trace, batch) = batch, segment(batch, step)
        assert trace.ended[0, 0] == made[state.ENDED]
        allowed = 5e-6 * float(made[state.TRACKED + state.THROUGHPUT])
        assert trace.elapsed_second[0, 0] == pytest.approx(made[state.ELAPSED], rel=5e-6)
        for name in (f"{side}.{book}" for side in ("tracked", "other") for book in BOOKS):
            place = state.index_of(name)
            assert batch.states[0][place] == pytest.approx(made[place], abs=allowed), name
            worst_book = max(worst_book, 5e-6 * abs(batch.states[0][place] - float(made[place])) / allowed)
        there = time <= min(trace.elapsed_second[0, 0], with_lithium(before, step))
        ours = voltages(before, step, time)[0, there]
        np.testing.assert_allclose(ours, volt[there], rtol=0.0, atol=1e-4)
        worst_volt = max(worst_volt, float(np.max(np.abs(ours - volt[there]), initial=0.0)))
    record_property("worst voltage, mV", worst_volt * 1e3)
    record_property("worst book, part of the charge that passed", worst_book)


def with_lithium(batch: Batch, step: Step) -> float:
    """For how many seconds of ``step`` lithium is left on the electrode that is stripped."""
    if step.density_ma_cm2 <= 0.0 or batch.parameters[0][state.P_COUNTER] == state.COUNTER_CATHODE:
        return math.inf
    after = segment(batch, step)[1].states[0]
    surface = after[state.TRACKED + state.SURFACE]
    return (
        math.inf if surface == 0.0 else after[state.CLOCK] - batch.states[0][state.CLOCK] - surface / (step.density_ma_cm2 * 1e-3)
    )


# -- a third solver


@dataclass(frozen=True)
class Oracle:
    """The differential equations of one lithium electrode, as they stand in the physics notes, for an ODE solver.

    y = fresh, film thickness × area, bulk, pitted; ``j`` > 0 plates, A/cm².
    """

    par: dict[str, float]
    made: dict[str, float]
    j: float

    def area(self, fresh: float) -> float:
        limit, reach = self.made["tracked.area_limit"], self.made["tracked.reach"]
        return limit * (1.0 - math.exp(-max(fresh, 0.0) / reach))

    def exchange(self, y: Sequence[float]) -> tuple[float, float]:
        """Of the fresh lithium, and of the bulk with its pits."""
        fresh = self.par["exchange_fresh"] * (self.area(y[0]) + self.par["nucleation_area"])
        pits = self.par["exchange_fresh"] * self.par["pit_area"] * (1.0 - math.exp(-y[3] / self.par["pit_charge"]))
        return fresh, (self.par["exchange_bulk"] + pits) if y[2] > 0.0 else 0.0

    def __call__(self, second: float, y: Sequence[float]) -> list[float]:
        area, growth, per_nm = self.area(y[0]), self.par["growth_nm2_s"], state.FILM_COULOMB_PER_NM
        below = growth / (2.0 * math.sqrt(self.made["tracked.bulk_film_nm"] ** 2 + growth * second)) if y[2] > 0.0 else 0.0
        limit, reach, new = (self.made[f"tracked.{name}"] for name in ("area_limit", "reach", "new_film_nm"))
        thick = y[1] / area if area > 0.0 else new
        grown = area * growth / (2.0 * thick)
        if self.j > 0.0:
            cost = self.made["tracked.loss_factor"] * new * per_nm
            steep = limit / reach * math.exp(-y[0] / reach)
            fresh = (self.j - per_nm * grown) / (1.0 + cost * steep)
            return [fresh, new * steep * fresh + grown, -per_nm * below, 0.0]
        ours, theirs = self.exchange(y)
        share = ours / (ours + theirs)
        dead = min(0.5, self.made["tracked.loss_factor"] * self.made["tracked.dead_fraction"])
        fresh = share * self.j / (1.0 - dead) - per_nm * grown
        steep = limit / reach * math.exp(-y[0] / reach)
        lost = (1.0 - share) * self.j
        return [fresh, thick * steep * fresh + grown, lost - per_nm * below, -lost]


@pytest.mark.parametrize(
    "kind", [KINDS["copper, carbonate"], KINDS["reservoir"], KINDS["copper, 45 °C"]], ids=("copper", "reservoir", "45 °C")
)
@pytest.mark.parametrize("density", [1.0, -1.0], ids=("strip", "plate"))
def test_ode_solver_agrees(kind: Kind, density: float) -> None:
    """LSODA at 1e-11 gives the voltage of a half cycle to 1e-6 V, and its lithium to 1e-6 of it."""
    _, batch = cycle(kind.batch(), kind.steps[:2], 1)
    if density < 0.0:
        _, batch = cycle(kind.batch(), kind.steps, 1)
    made, step = state.named(batch.states[0]), Step(density, 3000.0)
    _, after = segment(batch, step)
    begun = state.named(after.states[0]) if density < 0.0 else made
    par = dict(zip(state.PARAMETER_FIELDS, batch.parameters[0], strict=True))
    oracle = Oracle(par, {**made, **{k: begun[k] for k in begun if k.endswith(LATER)}}, -1e-3 * density)
    bare = made["tracked.surface"] / 1e-3 if density < 0.0 else 0.0
    first = [made["tracked.fresh"], made["tracked.film_nm"] * oracle.area(made["tracked.fresh"]), made["tracked.bulk"], 0.0]
    times = np.linspace(bare + 1.0, 3000.0, 50)
    solved = solve_ivp(oracle, (0.0, 3000.0 - bare), first, "LSODA", times - bare, rtol=1e-11, atol=1e-13)
    ours = voltages(batch, step, times)[0]
    np.testing.assert_allclose(
        ours, [seen(oracle, made, y, t) for t, y in zip(times, solved.y.T, strict=True)], rtol=0.0, atol=1e-6
    )
    assert state.named(after.states[0])["tracked.fresh"] == pytest.approx(solved.y[0, -1], abs=3e-6)


LATER = ("area_limit", "reach", "new_film_nm", "loss_factor", "dead_fraction")


def seen(oracle: Oracle, made: dict[str, float], y: Sequence[float], second: float) -> float:
    """The voltage of Li||Cu, from its parts; for the electrolyte, modes from rest."""
    par, j, thermal = oracle.par, oracle.j, oracle.par["thermal_volt"]
    area, size = oracle.area(y[0]), abs(oracle.j)
    film_nm = math.sqrt(made["tracked.bulk_film_nm"] ** 2 + (par["growth_nm2_s"] * second if y[2] > 0.0 else 0.0))
    books = ("tracked.dead", "tracked.film", "tracked.fresh", "tracked.bulk")
    lost = sum(made[name] for name in books) - made["tracked.surface"] + j * second - y[0] - y[2]
    ohm = par["film_resistivity"] / (area * area / y[1] + 1.0 / film_nm) + par["lost_resistivity"] * lost
    ohm += par["layer_ohm_cm2"] + par["electrolyte_ohm_cm2"] + par["counter_film_ohm_cm2"]
    over = math.asinh(0.5 * size / sum(oracle.exchange(y))) + math.asinh(0.5 * size / par["counter_exchange"])
    relative = size / par["limiting"]
    shift = relative
    for index in range(3):
        n = math.pi * (index + 0.5)
        begun = made[f"electrolyte_{index + 1}"] * (-1.0 if j > 0.0 else 1.0)
        shift += (begun - 2.0 / n**2 * relative) * math.exp(-(n**2) * second / par["electrolyte_time"])
    return -math.copysign(1.0, j) * (2.0 * thermal * over + size * ohm + par["concentration_volt"] * math.atanh(shift))


# -- what holds by itself


@pytest.mark.parametrize("name", ["copper, FEC", "reservoir", "lithium foils", "full cell, NMC532"])
def test_books_close_over_500_cycles(name: str) -> None:
    """Fresh, bulk, dead and bound lithium, minus surface charge, are what there was and what came, to 1e-6 mAh/cm²."""
    kind = KINDS[name]
    traces, after = cycle(kind.batch(), [replace(step, points=1) for step in kind.steps], 500)
    made = state.named(after.states[0])
    for side in ("tracked", "other") if kind.counter == "Li" else ("tracked",):
        held = sum(made[f"{side}.{book}"] for book in ("fresh", "bulk", "dead", "film"))
        held -= made[f"{side}.surface"] + made[f"{side}.oxidised"]
        assert held == pytest.approx(made[f"{side}.initial"] + made[f"{side}.net"], abs=1e-6 * 3.6)
    passed = sum(float(trace.charge_mah_cm2.sum()) for trace in traces)
    assert made["net"] / 3.6 == pytest.approx(passed, abs=1e-9)
    sign = 1.0 if kind.counter == "NMC532" else -1.0
    assert made["tracked.net"] == pytest.approx(sign * made["net"], abs=1e-6 * 3.6)


@pytest.mark.parametrize("name", ["copper, FEC", "reservoir", "thin lithium foils", "full cell, NMC811"])
def test_cells_side_by_side_are_cells_alone(name: str) -> None:
    """Eight cells on arrays give what one cell on plain floats gives, to 1e-9 V and 1e-9 of every charge."""
    kind = KINDS[name]
    alone, _ = cycle(kind.batch(), kind.steps, 5)
    together, _ = cycle(kind.batch(8), kind.steps, 5)
    for one, eight in zip(alone, together, strict=True):
        for field in Trace.__slots__:
            expected = np.broadcast_to(getattr(one, field), getattr(eight, field).shape)
            np.testing.assert_allclose(getattr(eight, field), expected, rtol=1e-9, atol=1e-9)


def test_cells_differ_by_their_streams() -> None:
    """Cells of one batch with streams of their own lose differently, each as it would alone."""
    kind = KINDS["copper, FEC"]
    streams = [(Normals(5, f"c{index}", "cell").value, no_chance) for index in range(8)]
    alike = kind.batch(8)
    traces, _ = cycle(replace(alike, normals=streams), CU, 4)
    efficiency = -traces[2].charge_mah_cm2 / traces[0].charge_mah_cm2
    assert np.ptp(efficiency[:, -1]) > 1e-4
    single, _ = cycle(Batch(alike.parameters[:1], alike.states[:1], streams[5:6]), CU, 4)
    np.testing.assert_allclose(-single[2].charge_mah_cm2 / single[0].charge_mah_cm2, efficiency[5:6], rtol=1e-12)


def test_number_of_samples_changes_no_end() -> None:
    """From 1 to 20 000 points per step the charges are bit for bit the same."""
    results = [
        cycle(KINDS["copper, FEC"].batch(), [replace(step, points=points) for step in CU], 3)[0] for points in (1, 100, 20000)
    ]
    for other in results[1:]:
        for one, more in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one.charge_mah_cm2, more.charge_mah_cm2)


def test_state_goes_over_to_the_kernel_and_back() -> None:
    """A cell cycled in closed form goes on in steps, with its books in order, as if it had been stepped all the time."""
    kind = KINDS["lithium foils"]
    _, batch = cycle(kind.batch(), kind.steps, 3)
    cell = kind.cell()
    cell.restore(state.to_bytes(batch.states[0]))
    for _ in range(600):
        cell.advance(-1e-3 * AREA, 1.0)
    _, later = segment(batch, Step(-1.0, 600.0))
    stepped_on = state.named(state.from_bytes(cell.snapshot()))
    for name, value in state.named(later.states[0]).items():
        if name.split(".")[-1] in {
            *BOOKS,
            "net",
            "throughput",
            "deposits",
            "loss_factor",
            "clock_second",
            "plated",
            "loss_start",
        }:
            assert stepped_on[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_limit_inside_a_half_cycle_is_met_first() -> None:
    """Where the voltage passes a maximum (peaking), a limit just below it ends the step before the maximum, not after it."""
    _, batch = segment(Kind("Cu", "bare_lp30", 4.0, ()).batch(), PLATE)
    step = Step(1.0, 7200.0)
    trace, _ = segment(batch, step)
    volt = trace.voltage_volt[0, 0]
    peak = int(np.argmax(volt))
    assert 10 < peak < len(volt) - 10
    limit = float(volt[peak]) - 5e-4
    assert volt[-1] < limit - 1e-3
    ended, _ = segment(batch, replace(step, highest_volt=limit))
    assert ended.ended[0, 0] == state.BY_HIGH_VOLT
    assert ended.elapsed_second[0, 0] < trace.time_second[0, 0, peak]
    assert ended.voltage_volt[0, 0, -1] == pytest.approx(limit, abs=1e-8)


def test_limit_that_is_met_only_later_is_met() -> None:
    """Where a step ends by time in the first cycles and by voltage in later ones, every cycle ends as it would alone."""
    kind = KINDS["copper, carbonate"]
    free, _ = cycle(kind.batch(), [replace(CU[0], lowest_volt=-math.inf), *CU[1:]], 30)
    lowest = free[0].voltage_volt[0].min(axis=1)
    limit = float(lowest[20])
    assert lowest[:10].min() > limit > lowest[29]
    steps = (replace(CU[0], lowest_volt=limit), *CU[1:])
    traces, _ = cycle(kind.batch(), steps, 30)
    batch = kind.batch()
    for repeat in range(30):
        for step, trace in zip(steps, traces, strict=True):
            alone, batch = segment(batch, step)
            assert trace.ended[0, repeat] == alone.ended[0, 0]
            assert trace.elapsed_second[0, repeat] == pytest.approx(alone.elapsed_second[0, 0], rel=1e-6, abs=1e-6)
    assert {state.BY_TIME, state.BY_LOW_VOLT} == set(traces[0].ended[0].astype(int).tolist())


def test_step_that_begins_beyond_its_limit_takes_no_time() -> None:
    """It ends at once, by that limit, and no charge passes."""
    trace, after = segment(KINDS["lithium foils"].batch(), Step(1.0, 100.0, highest_volt=1e-3))
    assert (trace.elapsed_second[0, 0], trace.ended[0, 0]) == (0.0, state.BY_HIGH_VOLT)
    assert after.states[0][state.CELL_NET] == 0.0


def test_exhausted_lithium_ends_a_step() -> None:
    """Without a limit, stripping ends where other reactions would carry the current, and says so."""
    kind = KINDS["thin lithium foils"]
    trace, after = segment(kind.batch(), Step(1.0, 36000.0))
    assert trace.ended[0, 0] == state.BY_EXHAUSTION
    made = state.named(after.states[0])
    assert made["tracked.fresh"] == made["tracked.bulk"] == made["tracked.oxidised"] == 0.0
    assert trace.charge_mah_cm2[0, 0] == pytest.approx(1.3, abs=0.02)


def test_rest_relaxes_to_zero_on_lithium() -> None:
    """After current the voltage of Li||Li decays with the electrolyte's slowest mode, and the film keeps growing."""
    kind = KINDS["lithium foils"]
    _, batch = segment(kind.batch(), PLATE)
    trace, after = segment(batch, Step(0.0, 60.0, points=60))
    slowest = kind.cell().parameters.diffusion_time_second / (math.pi / 2) ** 2
    late = np.log(np.abs(trace.voltage_volt[0, 0, 5:40]))
    assert np.diff(late) == pytest.approx(np.full(34, -1.0 / slowest), rel=1e-3)
    assert after.states[0][state.index_of("tracked.film")] > batch.states[0][state.index_of("tracked.film")]


@pytest.mark.parametrize(
    ("place", "value"),
    [("short_s_cm2", 1e-3), ("P_SHORT_RATE", 1e-5), ("P_CRACK_EVENTS", 0.1), ("P_SHUTTLE_RATE", 1e-5)],
)
def test_what_has_no_closed_form_is_refused(place: str, value: float) -> None:
    """A short, chance events and the shuttle raise; they are never left out silently."""
    batch = KINDS["copper, FEC"].batch()
    par, made = list(batch.parameters[0]), list(batch.states[0])
    if place.startswith("P_"):
        par[getattr(state, place)] = value
    else:
        made[state.index_of(place)] = value
    with pytest.raises(NotInClosedForm):
        Batch([par], [made], batch.normals)


def test_batch_of_different_geometries_is_refused() -> None:
    """Copper and foil cells do not go into one batch."""
    one, other = KINDS["copper, FEC"].batch(), KINDS["lithium foils"].batch()
    with pytest.raises(NotInClosedForm):
        Batch([*one.parameters, *other.parameters], [*one.states, *other.states], [*one.normals, *other.normals])
