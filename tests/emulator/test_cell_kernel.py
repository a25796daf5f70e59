"""The step kernel: one state, two engines, and data that do not depend on how time was cut."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest

from emulator.cell import compiled, cycling, state
from emulator.cell.cells import Cell
from emulator.cell.effective import Counter
from emulator.cell.engine import PYTHON, Engine
from emulator.cell.parameters import preset_parameters
from emulator.cell.state import COULOMB_PER_MAH
from emulator.noise import Normals

COUNTERS: tuple[Counter, ...] = ("Cu", "Li", "NMC532", "NMC811", "LFP", "S")
LIVELY = {
    "crack_per_cycle": 0.01,
    "crack_event_per_cycle": 0.3,
    "short_onset_per_second": 1e-4,
    "dead_layer_stretch_per_mah_cm2": 0.05,
    "lithium_nitrate": False,
    "nucleation_exponent": 0.5,
}
"""Everything that is off by default, on."""

Recorder = Callable[[str, object], None]


def make_cell(
    counter: Counter,
    overrides: dict[str, float] | None = None,
    *,
    engine: Engine = PYTHON,
    seed: int = 1,
    lithium: float = 2.0,
) -> Cell:
    streams = tuple(Normals(seed, "a1", stream).value for stream in ("cell", "counter", "crack", "short"))
    first, second, third, fourth = streams
    parameters = preset_parameters("claim1_stack", overrides)
    return Cell(counter, parameters, 1.267, (first, second, third, fourth), lithium, engine=engine)


def wander(cell: Cell, steps: int, seed: int) -> list[float]:
    """Random currents for random times; voltages and regulated currents seen on the way."""
    chance, seen = random.Random(seed), list[float]()
    for _ in range(steps):
        current, second = chance.choice((-1e-3, -5e-4, 0.0, 1e-3, 6e-4)), chance.choice((0.3, 1.0, 10.0, 700.0, 3000.0))
        cell.advance(current, second)
        seen += [cell.voltage(current), cell.voltage(-current, 1.0), cell.current_for(1.0, 1.0, 0.1)]
    return seen


@pytest.mark.parametrize("counter", COUNTERS)
def test_restored_cell_goes_on_bit_for_bit(counter: Counter) -> None:
    """Snapshot, another cell made alike, restore, continue: every number equals that of the cell that never stopped."""
    one, other = make_cell(counter, LIVELY), make_cell(counter, LIVELY)
    one.set_temperature(310.0)
    one.set_contact_resistance(3.0)
    wander(one, 150, 7)
    other.restore(one.snapshot())
    assert wander(other, 150, 8) == wander(one, 150, 8)
    assert other.snapshot() == one.snapshot()
    assert other.latent() == one.latent()


def test_snapshot_of_something_else_is_refused() -> None:
    """Other bytes, or a snapshot cut short, change nothing and say so."""
    cell = make_cell("Cu")
    before = cell.snapshot()
    for data in (b"", b"x" * len(before), before[:-8]):
        with pytest.raises(state.NotASnapshot):
            cell.restore(data)
    assert cell.snapshot() == before


def test_state_has_a_name_for_every_number() -> None:
    """Names are unique, indices are theirs, and a state is named without loss."""
    assert len(set(state.STATE_FIELDS)) == state.STATE_SIZE
    assert len(set(state.PARAMETER_FIELDS)) == state.PARAMETER_SIZE
    assert state.index_of("other.integrity") == state.OTHER + state.INTEGRITY
    assert state.index_of("elapsed_second") == state.ELAPSED == state.STATE_SIZE - 1
    assert state.PARAMETER_FIELDS.index("decay_1") == state.P_DECAY
    with pytest.raises(KeyError):
        state.index_of("no such thing")


@pytest.mark.parametrize("counter", COUNTERS)
def test_seed_makes_the_cell(counter: Counter) -> None:
    """The same seed gives the same cell, another seed another one."""
    seen = [wander(make_cell(counter, LIVELY, seed=seed), 60, 5) for seed in (1, 1, 2)]
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


@pytest.mark.skipif(not compiled.installed(), reason='no numba: pip install "anode-harness[compiled]"')
@pytest.mark.parametrize("counter", COUNTERS)
def test_compiled_kernel_equals_plain_python(counter: Counter, record_property: Recorder) -> None:
    """Lists in Python and arrays in machine code: every number of state and terminals within 1e-12."""
    plain, fast = make_cell(counter, LIVELY), make_cell(counter, LIVELY, engine=compiled.engine())
    worst = 0.0
    for seed in range(5):
        for cell in (plain, fast):
            cell.set_short(1e-3 if seed == 3 else 0.0)
            cell.set_temperature(298.15 + 5.0 * seed)
        pairs = [*zip(wander(plain, 60, seed), wander(fast, 60, seed), strict=True)]
        pairs += zip(plain.latent().values(), fast.latent().values(), strict=True)
        worst = max(worst, *(abs(one - other) / (1.0 + abs(one)) for one, other in pairs))
    record_property("largest difference", worst)
    assert worst < 1e-12
    assert state.from_bytes(fast.snapshot()) == pytest.approx(state.from_bytes(plain.snapshot()), rel=1e-12, abs=1e-12)


def test_compiled_kernel_says_that_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba the engine is refused in a sentence that says what to do."""
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.engine.cache_clear()
    with pytest.raises(compiled.NotInstalled, match="pip install"):
        compiled.engine()
    compiled.engine.cache_clear()


def cycle(interval: float, cycles: int = 2) -> tuple[list[float], int]:
    """Li||Cu at 0.5 mA, 1 mAh/cm2 to 1 V: efficiency of every cycle and of its lithium, and samples per cycle."""
    cell = make_cell("Cu", {"loss_scatter": 0.0, "layer_resistance_ohm_cm2": 0.0}, lithium=0.0)
    steps = (cycling.Carry(-5e-4, 7200.0), cycling.Carry(5e-4, 1e5, high_volt=1.0))
    found, total = list[float](), 0
    for _ in range(cycles):
        (plated, stripped), count = cycling.run(cell, steps, 1, interval)
        lithium = cell.tracked().lithium_efficiency()
        assert lithium is not None
        found += [-stripped.charge_coulomb / plated.charge_coulomb, lithium]
        total += count
    return found, total // cycles


def test_efficiency_does_not_depend_on_the_number_of_points(record_property: Recorder) -> None:
    """100 to 20 000 points per cycle: efficiencies of the terminals and of the lithium move by no more than 5e-6."""
    fine, count = cycle(0.7)
    assert count > 20_000
    for interval in (5.0, 30.0, 144.0):
        found, points = cycle(interval)
        worst = max(abs(one - other) for one, other in zip(found, fine, strict=True))
        record_property(f"efficiency moves at {points} points per cycle", worst)
        assert worst < 5e-6
    assert points < 102


def test_cut_off_is_met_at_its_voltage() -> None:
    """A segment ends on the voltage of its limit, and its charge is current × time; a hold ends on its current."""
    cell = make_cell("NMC811", lithium=4.0)
    before = cell.net_coulomb
    charged = cycling.trace(cell, cycling.Carry(1e-3, 1e5, high_volt=4.2), 60.0)
    assert charged.ending is cycling.Ending.HIGH_VOLT
    assert charged.voltage_volt[-1] == pytest.approx(4.2, abs=1e-6)
    assert charged.second[-1] == charged.duration_second
    assert cell.net_coulomb - before == pytest.approx(charged.charge_coulomb, rel=1e-12)
    held = cycling.trace(cell, cycling.Hold(4.2, 7200.0, 1e-4, 2e-3), 10.0)
    assert held.ending is cycling.Ending.CURRENT
    assert held.current_ampere[-1] == pytest.approx(1e-4, rel=1e-4)
    assert cell.net_coulomb - before == pytest.approx(charged.charge_coulomb + held.charge_coulomb, rel=1e-12)


def test_held_voltage_is_the_voltage_of_the_cell() -> None:
    """At every sample of a hold, the current it tells is the one that has this voltage."""
    cell = make_cell("NMC532", lithium=4.0)
    cycling.trace(cell, cycling.Carry(1e-3, 1e5, high_volt=4.1), 60.0)
    falling = list[float]()
    for _ in range(20):
        held = cycling.trace(cell, cycling.Hold(4.1, 30.0, 0.0, 2e-3), 10.0)
        falling.append(held.current_ampere[-1])
        assert cell.voltage(falling[-1]) == pytest.approx(4.1, abs=1e-6)
    assert falling == sorted(falling, reverse=True)


def test_lithium_that_is_exhausted_ends_a_segment() -> None:
    """A thin Li||Li pair whose one side is empty says so, instead of creeping in ever smaller steps."""
    cell = make_cell("Li", lithium=0.5)
    ended = cycling.trace(cell, cycling.Carry(1e-3, 1e5, -10.0, 10.0), 30.0)
    assert ended.ending is cycling.Ending.EXHAUSTION
    assert ended.duration_second == pytest.approx(0.5 * COULOMB_PER_MAH * cell.area / 1e-3, rel=0.05)
    assert cell.latent()["lithium_exhausted"] == 1.0


def test_buffer_without_room_stops_a_segment_and_says_so() -> None:
    """The plain function writes no sample beyond its buffer and none silently less."""
    cell = make_cell("Cu", lithium=0.0)
    times, volts = cell.vector([0.0] * 10), cell.vector([0.0] * 10)
    count = cell.execute(lambda engine, *vectors: engine.run_segment(*vectors, -4e-4, 3600.0, -9.0, 9.0, 10.0, times, volts))
    assert (count, cell.read(state.ENDED), cell.read(state.ELAPSED)) == (10, state.BY_FULL_BUFFER, 100.0)
