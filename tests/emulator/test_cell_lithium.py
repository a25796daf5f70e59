"""What the cell must hold of lithium: anchors from publications, each with the figure it reaches."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from emulator.cell import cycling, state
from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.cell.effective import Counter
from emulator.cell.parameters import CellParameters, PresetName, preset_parameters
from emulator.cell.state import COULOMB_PER_MAH, UM_PER_COULOMB
from emulator.noise import Normals

Recorder = Callable[[str, object], None]

STEADY = {"loss_scatter": 0.0, "cell_scatter": 0.0}


def quiet(_index: int) -> float:
    return 0.0


def full_cycles(cell: Cell, cycles: int, current: float, low: float, high: float) -> list[tuple[float, float]]:
    """(charged, discharged) in mAh of cycles that end both ways at a constant voltage, down to a twentieth of the current."""
    steps = (
        cycling.Carry(current, 1e6, high_volt=high),
        cycling.Hold(high, 7200.0, current / 20.0, 2.0 * current),
        cycling.Carry(-current, 1e6, low_volt=low),
        cycling.Hold(low, 7200.0, current / 20.0, 2.0 * current),
    )
    outcomes, _ = cycling.run(cell, steps, cycles, 120.0)
    charges = [outcome.charge_coulomb / COULOMB_PER_MAH for outcome in outcomes]
    taken = [charges[place] + charges[place + 1] for place in range(0, len(charges), 4)]
    given = [-charges[place + 2] - charges[place + 3] for place in range(0, len(charges), 4)]
    return list(zip(taken, given, strict=True))


def test_micrometre_of_lithium_holds_its_charge(record_property: Recorder) -> None:
    """1 µm of dense lithium is 0.206 mAh/cm²."""
    held = 1.0 / (UM_PER_COULOMB * COULOMB_PER_MAH)
    record_property("mAh/cm2 per um", held)
    assert held == pytest.approx(0.206, abs=5e-4)


@pytest.mark.parametrize("preset", ["calendar", "bare_fec", "bare_lp30", "bare_ether"])
def test_day_of_rest_costs_what_was_measured(preset: PresetName, record_property: Recorder) -> None:
    """24 h after plating 1 mAh/cm², 2 … 3 % of it is in the film; no charge has crossed the terminals."""
    cell = DepositCell(preset_parameters(preset, STEADY), 1.0, quiet)
    cell.advance(-5e-4, 144.0)
    cell.advance(-5e-4, 7200.0)
    fresh, net = cell.tracked().fresh, cell.net_coulomb
    cell.advance(0.0, 86_400.0)
    lost = (fresh - cell.tracked().fresh) / COULOMB_PER_MAH
    record_property(f"lost in 24 h, {preset}", lost)
    assert 0.02 <= lost <= 0.03
    assert cell.net_coulomb == net


def test_galvanic_corrosion_takes_lithium_beside_bare_copper_only() -> None:
    """The optional corrosion current binds its charge on copper, and none on a foil."""
    lost = {}
    for rate in (0.0, 1e-3):
        for bulk in (0.0, 1.0):
            parameters = preset_parameters("calendar", {**STEADY, "corrosion_ma_cm2": rate})
            cell = DepositCell(parameters, 1.0, quiet, bulk)
            cell.advance(-5e-4, 7200.0)
            cell.advance(0.0, 3600.0)
            lost[rate, bulk] = cell.latent()["grown_mah_cm2"]
    assert lost[1e-3, 0.0] - lost[0.0, 0.0] == pytest.approx(3e-3, rel=0.02)
    assert lost[1e-3, 1.0] == lost[0.0, 1.0]


@pytest.mark.parametrize("preset", ["bare_fec", "lhce", "claim1_stack"])
def test_reservoir_schedule_recovers_the_books(preset: PresetName, record_property: Recorder) -> None:
    """Adams 2018: plate a reservoir, cycle a part of it, strip all: the efficiency equals that of the books within 1e-5."""
    cell = DepositCell(preset_parameters(preset, {**STEADY, "formation_mah_cm2": 0.0}), 1.0, quiet)
    part = (cycling.Carry(1e-3, 3600.0), cycling.Carry(-1e-3, 3600.0))
    cycling.trace(cell, cycling.Carry(-1e-3, 5.0 * 3600.0), 60.0)
    cycling.run(cell, part, 10, 60.0)
    last = cycling.trace(cell, cycling.Carry(1e-3, 1e6, high_volt=1.0), 60.0)
    plated = (10.0 + 5.0) * COULOMB_PER_MAH
    measured = (10.0 * COULOMB_PER_MAH + last.charge_coulomb) / plated
    lost = cell.tracked().dead + cell.tracked().film
    record_property(f"reservoir efficiency, {preset}", measured)
    record_property(f"less that of lithium, {preset}", measured - (1.0 - lost / plated))
    assert measured == pytest.approx(1.0 - (lost - cell.tracked().surface) / plated, abs=1e-9)
    assert measured == pytest.approx(1.0 - lost / plated, abs=3e-5)


def test_gas_while_depositing_doubles_the_cycle_life(record_property: Recorder) -> None:
    """CO2 during deposition about doubles the cycles an excess of lithium lasts, within 30 %."""
    lives = {}
    for preset in ("bare_fec", "co_deposited_co2"):
        cell = FullCell(preset_parameters(preset, STEADY), 1.0, quiet, 1.0)
        rows = full_cycles(cell, 90, 1.5e-3, 3.0, 4.2)
        lives[preset] = next(place for place, (_, given) in enumerate(rows) if given < 0.8 * rows[0][1])
    ratio = lives["co_deposited_co2"] / lives["bare_fec"]
    record_property("cycles to 80 %", lives)
    record_property("ratio of cycle lives", ratio)
    assert 1.4 <= ratio <= 2.6


def test_anode_free_cell_reaches_eighty_percent_when_it_did(record_property: Recorder) -> None:
    """Weber et al. 2019: without excess lithium 80 % of the first discharge is left after 90 ± 5 cycles (scatter off)."""
    parameters = preset_parameters("zero_excess", {**STEADY, "cathode_capacity_mah_cm2": 2.6})
    cell = FullCell(parameters, 1.0, quiet, 0.0, "NMC532")
    rows = full_cycles(cell, 96, 1.3e-3, 3.0, 4.2)
    reached = next(place + 1 for place, (_, given) in enumerate(rows) if given < 0.8 * rows[0][1])
    record_property("cycles to 80 %", reached)
    record_property("efficiency at cycle 50", rows[49][1] / rows[49][0])
    assert 85 <= reached <= 95


def test_excess_lithium_hides_the_losses_until_the_knee(record_property: Recorder) -> None:
    """Li||NMC532: efficiency above 0.9999 from the second cycle while lithium is in excess, then that of lithium itself."""
    parameters = preset_parameters("bare_fec", {**STEADY, "cathode_capacity_mah_cm2": 2.6})
    cell = FullCell(parameters, 1.0, quiet, 2.0, "NMC532")
    efficiencies, lithium, left = list[float](), list[float](), list[float]()
    for _ in range(45):
        ((taken, given),) = full_cycles(cell, 1, 4e-4, 3.0, 4.2)
        efficiencies.append(given / taken)
        left.append(cell.latent()["bulk_mah_cm2"] + cell.latent()["fresh_mah_cm2"])
        lithium.append(cell.tracked().lithium_efficiency() or 0.0)
    knee = next(place for place, excess in enumerate(left) if excess < 1e-3)
    record_property("cycle in which the excess is gone", knee + 1)
    record_property(
        "lowest and highest efficiency before, from the second", (min(efficiencies[1:knee]), max(efficiencies[1:knee]))
    )
    record_property("efficiency in it, after it", efficiencies[knee : knee + 2])
    record_property("lithium's own after it", lithium[knee + 1])
    assert 25 < knee < 40
    assert min(efficiencies[1:knee]) > 0.9999
    assert max(efficiencies[1:knee]) < 1.0003
    assert efficiencies[knee + 1 :] == pytest.approx(lithium[knee + 1 :], abs=1e-4)
    assert max(efficiencies[knee + 1 :]) < 0.98


WOOD = {
    **STEADY,
    "run_in_factor": 1.0,
    "dead_fraction": 0.3,
    "nucleation_area_ratio": 0.05,
    "exchange_current_bulk_ma_cm2": 0.02,
    "pit_area_ratio_max": 5.0,
    "pit_charge_mah_cm2": 0.2,
    "lost_lithium_resistance_ohm_cm2_per_mah_cm2": 5.0,
    "dead_layer_stretch_per_mah_cm2": 0.3,
    "diffusion_time_second": 100.0,
}
"""Carbonate at 1 mA/cm² with much dead lithium, and a dead layer that hinders the salt."""


def half_cycles(count: int) -> list[list[float]]:
    """|V| in mV of Li||Li half cycles of 1 mAh/cm², every 30 s."""
    cell = SymmetricCell(preset_parameters("bare_lp30", WOOD), 1.0, quiet, quiet, 60.0)
    found = []
    for half in range(count):
        current = -1e-3 if half % 2 == 0 else 1e-3
        found.append([1e3 * abs(volt) for volt in cycling.trace(cell, cycling.Carry(current, 3600.0), 30.0).voltage_volt])
    return found


def maximum_after_the_minimum(volts: list[float]) -> tuple[int, float, float]:
    """Where the voltage is highest behind its minimum, how far above that, and how far it falls again."""
    lowest = volts.index(min(volts[:60]))
    place = max(range(lowest, len(volts)), key=volts.__getitem__)
    return place, volts[place] - volts[lowest], volts[place] - volts[-1]


def test_symmetric_cell_peaks_then_arcs(record_property: Recorder) -> None:
    """Wood 2016: a spike, then a maximum inside each strip that falls again; Chen 2017: dead lithium moves it to the end."""
    halves = half_cycles(62)
    record_property("spike over minimum", halves[0][0] / min(halves[0]))
    assert halves[0][0] > 2.0 * min(halves[0])
    early, late = maximum_after_the_minimum(halves[1]), maximum_after_the_minimum(halves[61])
    record_property("maximum (place of 120, rise mV, fall mV), second half cycle", early)
    record_property("the same, 62nd", late)
    assert 60 < early[0] < 100
    assert early[1] > 20.0
    assert early[2] > 5.0
    assert late[0] == len(halves[61]) - 1


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_nuclei_shrink_with_overpotential(exponent: float, record_property: Recorder) -> None:
    """Pei 2017: with the exponent on, size falls as η^−m over 0.025 … 10 mA/cm² (between the smallest and the largest)."""
    overrides = {**STEADY, "nucleation_exponent": exponent, "nucleation_reference_volt": 0.1, "formation_mah_cm2": 0.0}
    parameters = preset_parameters("bare_fec", overrides)
    points = []
    for density in (0.025, 0.1, 0.4, 1.0, 3.0, 10.0):
        cell = DepositCell(parameters, 1.0, quiet)
        overpotential = -cell.voltage(-density * 1e-3) + DepositCell(parameters, 1.0, quiet).voltage(0.0)
        cell.advance(-density * 1e-3, 1e-3)
        reach, limit = cell.read(state.TRACKED + state.REACH), cell.read(state.TRACKED + state.AREA_LIMIT)
        nucleus = 2.0 * 0.0256926 * math.asinh(0.5 * density / (0.3 * 0.2))
        assert 0.0 < nucleus < overpotential
        points.append((math.log(nucleus), math.log(4.0 * UM_PER_COULOMB * reach / limit)))
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(points)]
    record_property(f"slope of ln d over ln overpotential, exponent {exponent:g}", sum(slopes) / len(slopes))
    assert slopes == pytest.approx([-exponent] * len(slopes), rel=1e-3)


COUNTERS: tuple[Counter, ...] = ("Cu", "Li", "NMC532", "NMC811", "LFP", "S")
WINDOWS: dict[Counter, tuple[float, float]] = {"NMC532": (3.5, 4.2), "NMC811": (3.0, 4.2), "LFP": (2.5, 3.8), "S": (1.8, 2.6)}


@pytest.mark.parametrize("counter", COUNTERS)
def test_books_close_over_five_hundred_cycles(counter: Counter, record_property: Recorder) -> None:
    """500 cycles with cracks, shorts and shuttle: every electrode's books equal the charge that crossed it, to 1e-6 mAh/cm²."""
    cell = lively(counter)
    steps = swing(counter)
    start = cell.latent()
    cycling.run(cell, steps, 500, 600.0)
    found = cell.latent()
    inside = found["net_mah_cm2"] - found["short_mah_cm2"] - found.get("shuttle_mah_cm2", 0.0)
    worst = abs(inventory(found, "") - inventory(start, "") - inside * (1.0 if counter in WINDOWS else -1.0))
    if counter == "Li":
        worst = max(worst, abs(inventory(found, "counter_") - inventory(start, "counter_") - inside))
    if counter in WINDOWS:
        capacity = cell.parameters.cathode_capacity_mah_cm2
        taken = (start["cathode_stoichiometry"] - found["cathode_stoichiometry"]) * capacity + found["cathode_other_mah_cm2"]
        worst = max(worst, abs(taken - inside))
    record_property(f"residual after 500 cycles, {counter}, mAh/cm2", worst)
    record_property(f"charge through shorts, {counter}, mAh/cm2", found["short_mah_cm2"])
    assert worst < 1e-6
    assert found["integrity"] < 1.0
    assert found["short_mah_cm2"] != 0.0


def lively(counter: Counter) -> Cell:
    """A stack that cracks, with shorts that come and go."""
    overrides = {
        "crack_per_cycle": 2e-4,
        "crack_event_per_cycle": 0.02,
        "crack_event_size": 0.02,
        "short_onset_per_second": 5e-5,
        "short_close_per_second": 1e-2,
        "short_conductance_s_cm2": 1e-4,
        "short_spread": 0.5,
        "lithium_nitrate": False,
        "cathode_capacity_mah_cm2": 1.0,
    }
    losses, others, cracks, shorts = (Normals(3, counter, stream).value for stream in ("cell", "counter", "crack", "short"))
    lithium = 0.0 if counter == "Cu" else 40.0
    return Cell(counter, preset_parameters("claim1_stack", overrides), 1.0, (losses, others, cracks, shorts), lithium)


def swing(counter: Counter) -> tuple[cycling.Step, ...]:
    if counter in WINDOWS:
        low, high = WINDOWS[counter]
        return cycling.Carry(1e-3, 1e4, high_volt=high), cycling.Carry(-1e-3, 1e4, low_volt=low)
    return cycling.Carry(-1e-3, 3600.0), cycling.Carry(1e-3, 3600.0 if counter == "Li" else 5000.0, high_volt=1.0)


def inventory(found: dict[str, float], prefix: str) -> float:
    """mAh/cm² in the books of an electrode."""
    held = [found[f"{prefix}{name}_mah_cm2"] for name in ("fresh", "bulk", "dead", "film")]
    return math.fsum(held) - found[f"{prefix}surface_mah_cm2"] - found[f"{prefix}oxidised_mah_cm2"]


def test_parameters_are_checked() -> None:
    """An impossible number is refused."""
    with pytest.raises(ValueError, match="dead_fraction"):
        CellParameters(dead_fraction=1.5)
