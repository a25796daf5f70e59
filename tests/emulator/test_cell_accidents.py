"""What happens to a cell: shorts, heat, contacts, drying out. The books hold, and what ends leaves no trace but its charge."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from emulator.cell import cycling, state
from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.cell.effective import Counter
from emulator.cell.parameters import preset_parameters
from emulator.cell.state import COULOMB_PER_MAH
from emulator.noise import Normals

Recorder = Callable[[str, object], None]

STEADY = {"loss_scatter": 0.0, "cell_scatter": 0.0}


def quiet(_index: int) -> float:
    return 0.0


def cell_of(counter: Counter, lithium: float = 4.0, **overrides: float) -> Cell:
    parameters = preset_parameters("claim1_stack", {**STEADY, **overrides})
    return Cell(counter, parameters, 1.267, (quiet, quiet, quiet, quiet), lithium)


COUNTERS: tuple[Counter, ...] = ("Cu", "Li", "NMC532", "NMC811", "LFP", "S")


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("integrity", [1.0, 0.8])
def test_direct_current_resistance_is_the_low_frequency_limit(
    counter: Counter, integrity: float, record_property: Recorder
) -> None:
    """With short, contact, substrate, cracks and heat: Z at 1 µHz is dV/dI, but for the charge a slow current moves."""
    still = {"film_growth_nm2_per_second": 0.0, "bare_film_growth_nm2_per_second": 0.0, "shuttle_per_second": 0.0}
    cell = cell_of(counter, substrate_resistance_ohm=2.0, **still)
    current = -1e-3 if cell.removes_when_oxidising else 1e-3
    cell.advance(current, 3600.0)
    cell.advance(-current, 600.0)
    cell.set_temperature(305.0)
    cell.set_integrity(integrity)
    cell.set_contact_resistance(3.0)
    cell.advance(0.0, 1e6)
    elements = cell.elements()
    small, second = -2e-9 if current > 0.0 else 2e-9, 400_000.0
    cell.advance(small, second)
    loaded = cell.voltage(small)
    cell.advance(0.0, 1e6)
    slope = (loaded - cell.voltage(0.0)) / small
    record_property(f"{counter}, integrity {integrity:g}: dV/dI over Z", slope / elements.direct_ohm)
    assert slope == pytest.approx(elements.direct_ohm, rel=2e-3)
    assert elements.impedance(1e-9).real == pytest.approx(elements.direct_ohm, rel=1e-4)


@pytest.mark.parametrize("conductance", [1e-5, 1e-3, 0.1, 10.0])
def test_short_shunts_the_cell(conductance: float) -> None:
    """dV/dI of a shorted cell is that of its impedance: the cell's own in parallel with the short, contact outside."""
    cell = SymmetricCell(preset_parameters("bare_fec", STEADY), 2.0, quiet, quiet)
    cell.set_contact_resistance(0.5)
    open_ohm = cell.elements().direct_ohm - 0.5
    cell.set_short(conductance)
    shorted = cell.elements()
    assert shorted.direct_ohm == pytest.approx(0.5 + 1.0 / (1.0 / open_ohm + conductance * 2.0))
    quick = shorted.direct_ohm - shorted.diffusion_ohm
    slope = (cell.voltage(1e-7) - cell.voltage(-1e-7)) / 2e-7
    assert quick < slope <= shorted.direct_ohm


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("conductance", [1e-4, 1e-2, 5.0])
def test_shorted_cell_discharges_itself_and_the_books_know(counter: Counter, conductance: float) -> None:
    """At rest, what goes through the short leaves one electrode and enters the other; a hard short brings the voltage to zero."""
    cell = cell_of(counter)
    cell.advance(-1e-3 if cell.removes_when_oxidising else 1e-3, 1800.0)
    before, volt = cell.latent(), cell.voltage(0.0)
    cell.set_short(conductance)
    cell.advance(0.0, 50_000.0)
    after = cell.latent()
    through = after["short_mah_cm2"]
    assert after["net_mah_cm2"] == before["net_mah_cm2"]
    assert abs(cell.voltage(0.0)) <= abs(volt) + 1e-9
    if counter in ("Cu", "Li"):
        assert through == pytest.approx(0.0, abs=1e-3)
        return
    assert through > 0.0
    inserted = (after["cathode_stoichiometry"] - before["cathode_stoichiometry"]) * cell.parameters.cathode_capacity_mah_cm2
    inserted -= after["cathode_other_mah_cm2"] - before["cathode_other_mah_cm2"]
    assert inserted == pytest.approx(through + after["shuttle_mah_cm2"] - before["shuttle_mah_cm2"], abs=1e-9)
    if conductance == 5.0:
        assert abs(cell.voltage(0.0)) < 0.05


def test_short_that_is_taken_away_leaves_the_voltage_of_before() -> None:
    """A soft short lowers the voltage under load; without it the cell is what its charge makes it."""
    cell, other = (FullCell(preset_parameters("bare_fec", STEADY), 1.0, quiet, 4.0) for _ in range(2))
    for one in (cell, other):
        one.advance(1e-3, 1800.0)
    whole = cell.voltage(1e-3)
    cell.set_short(1e-3)
    assert cell.voltage(1e-3) < whole - 0.02
    cell.set_short(0.0)
    assert cell.voltage(1e-3) == whole


def test_chance_opens_and_closes_shorts(record_property: Recorder) -> None:
    """The telegraph: shorts begin while plating and end again, one at a time, and the charge that went through is counted."""
    streams = [Normals(4, "a1", name).value for name in ("cracks", "shorts")]
    overrides = {**STEADY, "short_onset_per_second": 3e-4, "short_close_per_second": 1e-3, "short_conductance_s_cm2": 1e-3}
    cell = SymmetricCell(preset_parameters("bare_fec", overrides), 1.0, quiet, quiet, chance=(streams[0], streams[1]))
    seen = [0.0]
    for step in range(4000):
        cell.advance(-1e-3 if step // 120 % 2 == 0 else 1e-3, 30.0)
        seen.append(cell.latent()["short_s_cm2"])
    opened = sum(before == 0.0 < now for before, now in pairwise(seen))
    closed = sum(now == 0.0 < before for before, now in pairwise(seen))
    assert all(before == now for before, now in pairwise(seen) if before > 0.0 and now > 0.0)
    record_property("shorts begun and ended in 33 h", (opened, closed))
    assert opened >= 3
    assert closed in (opened, opened - 1)
    assert cell.latent()["short_mah_cm2"] != 0.0


def test_time_of_a_random_short_does_not_depend_on_the_steps() -> None:
    """Chance is spent with the hazard that passed: steps of 5 s and of 60 s see the first short at the same time, to a step."""
    begun = []
    for second in (5.0, 60.0):
        streams = [Normals(9, "a1", name).value for name in ("cracks", "shorts")]
        overrides = {**STEADY, "short_onset_per_second": 3e-4}
        cell = DepositCell(preset_parameters("bare_fec", overrides), 1.0, quiet, chance=(streams[0], streams[1]))
        elapsed = 0.0
        while cell.latent()["short_s_cm2"] == 0.0:
            cell.advance(-1e-3, second)
            elapsed += second
        begun.append(elapsed)
    assert begun[1] == pytest.approx(begun[0], abs=61.0)


def test_contact_and_shift_move_the_voltage_only() -> None:
    """A contact adds I R, a shifted reference a constant; both to what is regulated as well; neither touches the books."""
    cell = FullCell(preset_parameters("bare_fec", STEADY), 2.0, quiet, 4.0)
    cell.advance(1e-3, 600.0)
    books, volt, rest = cell.books(), cell.voltage(1e-3), cell.voltage(0.0)
    cell.set_contact_resistance(10.0)
    cell.set_potential_shift(0.05)
    assert cell.voltage(1e-3) == pytest.approx(volt + 0.01 + 0.05)
    assert cell.voltage(0.0) == pytest.approx(rest + 0.05)
    assert cell.elements().contact_ohm == 10.0
    assert cell.current_for(volt + 0.06, 0.0, 0.1) == pytest.approx(1e-3, rel=1e-6)
    assert cell.books() == books


def test_dried_out_cell_dies_at_once_and_can_be_wetted_again() -> None:
    """Drying out sends the voltage beyond any window at a usual current; wetting brings the old voltage back."""
    cell = FullCell(preset_parameters("bare_fec", STEADY), 1.267, quiet, 4.0)
    cell.advance(-1e-3, 300.0)
    volt = cell.voltage(-1e-3)
    cell.dry_out()
    assert cell.voltage(-1e-3) < volt - 3.0
    cell.dry_out(1.0)
    assert cell.voltage(-1e-3) == volt


def test_heat_speeds_calendar_loss(record_property: Recorder) -> None:
    """A day at 45 °C costs more than one at 25 °C, by less than growth's Arrhenius factor (δ² grows, not δ)."""
    lost = {}
    for celsius in (25.0, 45.0):
        cell = DepositCell(preset_parameters("calendar", STEADY), 1.0, quiet)
        cell.advance(-5e-4, 7344.0)
        cell.set_temperature(celsius + 273.15)
        fresh = cell.tracked().fresh
        cell.advance(0.0, 86_400.0)
        lost[celsius] = (fresh - cell.tracked().fresh) / COULOMB_PER_MAH
    record_property("lost in a day at 25 and 45 C", lost)
    assert 1.3 < lost[45.0] / lost[25.0] < math.exp(0.5 / 8.617e-5 * (1.0 / 298.15 - 1.0 / 318.15))


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (Cell.set_temperature, -5.0),
        (Cell.set_temperature, math.nan),
        (Cell.set_short, -1.0),
        (Cell.set_short, math.inf),
        (Cell.set_contact_resistance, -1.0),
        (Cell.set_integrity, 1.5),
        (Cell.dry_out, 0.0),
    ],
)
def test_impossible_accidents_are_refused(change: Callable[[Cell, float], None], value: float) -> None:
    """A number that no cell can have is refused, and nothing has changed."""
    cell = cell_of("Cu")
    before = cell.snapshot()
    with pytest.raises(ValueError, match=r"is no|between"):
        change(cell, value)
    assert cell.snapshot() == before


def sulfur(**overrides: float | bool) -> Cell:
    values = {**STEADY, "cathode_capacity_mah_cm2": 3.0, **overrides}
    return Cell("S", preset_parameters("bare_ether", values), 1.0, (quiet, quiet, quiet, quiet), 10.0)


def test_sulfur_discharges_on_two_plateaus(record_property: Recorder) -> None:
    """A quarter of the charge near 2.35 V, the rest near 2.10 V, with a dip where the second begins."""
    cell = sulfur()
    found = cycling.trace(cell, cycling.Carry(-1e-4, 1e6, low_volt=1.8), 300.0)
    part = found.second / found.duration_second
    high = found.voltage_volt[(part > 0.05) & (part < 0.18)]
    low = found.voltage_volt[(part > 0.4) & (part < 0.9)]
    dip = found.voltage_volt[(part > 0.2) & (part < 0.35)].min()
    record_property("plateaus and dip, V", (float(high.mean()), float(low.mean()), float(dip)))
    assert high.mean() == pytest.approx(2.35, abs=0.05)
    assert low.mean() == pytest.approx(2.10, abs=0.05)
    assert dip < low[0]
    assert 0.9 * 3.0 < -found.charge_coulomb / COULOMB_PER_MAH < 3.0


def test_shuttle_makes_charge_exceed_discharge_unless_nitrate_stops_it(record_property: Recorder) -> None:
    """Without LiNO3 more is charged than comes back, and a fast shuttle never lets the charge end; with it both agree."""
    ratios = {}
    for nitrate in (True, False):
        cell = sulfur(lithium_nitrate=nitrate)
        steps = (cycling.Carry(-6e-4, 1e6, low_volt=1.8), cycling.Carry(6e-4, 40_000.0, high_volt=2.55))
        outcomes, _ = cycling.run(cell, steps, 3, 60.0)
        ratios[nitrate] = -outcomes[3].charge_coulomb / outcomes[4].charge_coulomb
        record_property(f"charge over discharge, LiNO3 {nitrate}", ratios[nitrate])
        record_property(f"shuttled mAh/cm2, LiNO3 {nitrate}", cell.latent()["shuttle_mah_cm2"])
    assert ratios[True] == pytest.approx(1.0, abs=0.01)
    assert ratios[False] > 1.03


def test_shuttle_discharges_at_rest_by_its_rate() -> None:
    """Q_high falls as exp(−k t) at rest, and lithium with it."""
    cell = sulfur(lithium_nitrate=False)
    fresh = cell.latent()
    before = 0.25 - cell.read(state.STOICHIOMETRY)
    cell.advance(0.0, 3600.0)
    after = 0.25 - cell.read(state.STOICHIOMETRY)
    assert after / before == pytest.approx(math.exp(-5e-5 * 3600.0), rel=1e-9)
    lost = fresh["bulk_mah_cm2"] - cell.latent()["bulk_mah_cm2"] - (cell.latent()["film_mah_cm2"] - fresh["film_mah_cm2"])
    assert lost == pytest.approx(cell.latent()["shuttle_mah_cm2"], abs=1e-9)
