"""The cell model: charge is conserved, losses do not depend on steps, presets are what they are called."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.cell import state
from emulator.cell.cells import BooksDoNotBalance, Cell, DepositCell, FullCell, SymmetricCell
from emulator.cell.lithium import Lithium
from emulator.cell.parameters import PRESETS, CellParameters, PresetName, preset_parameters
from emulator.cell.state import COULOMB_PER_MAH
from emulator.noise import Normals


def quiet(_index: int) -> float:
    return 0.0


def plate_and_strip(cell: DepositCell, density: float, charge: float, second: float) -> float:
    """One Li||Cu cycle of ``charge`` C/cm² in steps of ``second``, stripped to 1 V; stripped over plated."""
    current = density * cell.area
    for _ in range(round(charge / density / second)):
        cell.advance(-current, second)
    stripped, step = 0.0, second
    while cell.voltage(current) < 1.0:
        if cell.tracked().fresh < 2.0 * density * second:
            step = 0.05
        cell.advance(current, step)
        stripped += density * step
    return stripped / charge


def inventory(electrode: Lithium) -> float:
    return math.fsum((electrode.fresh, electrode.bulk, electrode.dead, electrode.film, -electrode.surface, -electrode.oxidised))


STEPS = st.lists(
    st.tuples(
        st.floats(-5e-3, 5e-3, allow_subnormal=False),
        st.floats(0.0, 5000.0, allow_subnormal=False),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, geometry=st.sampled_from(("deposit", "symmetric", "full")), excess=st.sampled_from((0.5, 4.0)))
def test_cell_conserves_charge_whatever_flows(steps: list[tuple[float, float]], geometry: str, excess: float) -> None:
    """Every coulomb that crosses a cell stands in a book of each electrode, to 1e-9 of what has flowed."""
    parameters = preset_parameters("bare_lp30")
    cell: Cell
    match geometry:
        case "deposit":
            cell = DepositCell(parameters, 2.0, quiet, 0.0)
            electrodes = [(cell.tracked(), -1.0)]
        case "symmetric":
            cell = SymmetricCell(parameters, 2.0, quiet, quiet, excess)
            electrodes = [(cell.tracked(), -1.0), (cell.other(), 1.0)]
        case _:
            cell = FullCell(parameters, 2.0, quiet, excess)
            electrodes = [(cell.tracked(), 1.0)]
    before = [inventory(electrode) for electrode, _ in electrodes]
    net = flowed = 0.0
    for current, second in steps:
        cell.advance(current, second)
        net += current * second
        flowed += abs(current * second)
        assert math.isfinite(cell.voltage(current))
        for electrode, _ in electrodes:
            assert min(electrode.fresh, electrode.bulk, electrode.dead, electrode.film, electrode.surface) >= 0.0
    assert cell.net_coulomb == pytest.approx(net, rel=1e-12, abs=1e-12)
    for (electrode, sign), start in zip(electrodes, before, strict=True):
        assert (inventory(electrode) - start) * cell.area == pytest.approx(sign * net, abs=1e-9 * (1.0 + flowed))
    if isinstance(cell, FullCell):
        books = cell.books()
        first = cell.first_stoichiometry * parameters.cathode_capacity_mah_cm2 * COULOMB_PER_MAH * cell.area
        taken = first - books["cathode_lithium_coulomb"] + books["cathode_other_reactions_coulomb"]
        assert taken == pytest.approx(net, abs=1e-9 * (1.0 + flowed))


def test_electrode_raises_when_a_book_is_wrong() -> None:
    """Charge that appears from nowhere is a fault of the model, and is raised at the next step."""
    cell = DepositCell(preset_parameters("bare_fec"), 1.0, quiet, 1.0)
    cell._state[state.TRACKED + state.BULK] += 1e-3
    with pytest.raises(BooksDoNotBalance):
        cell.advance(1e-3, 1.0)


def test_efficiency_does_not_depend_on_the_steps() -> None:
    """The lithium efficiency of cycles cut into steps of 1 … 60 s agrees within 5e-6."""
    found = []
    for second in (1.0, 4.0, 20.0, 60.0):
        cell = DepositCell(preset_parameters("bare_fec"), 1.0, quiet)
        efficiencies = []
        for _ in range(3):
            measured = plate_and_strip(cell, 5e-4, COULOMB_PER_MAH, second)
            lithium = cell.tracked().lithium_efficiency()
            assert lithium is not None
            efficiencies += [measured, lithium]
        found.append(efficiencies)
    for efficiencies in found[1:]:
        assert efficiencies[1::2] == pytest.approx(found[0][1::2], abs=5e-6)
        assert efficiencies[::2] == pytest.approx(found[0][::2], abs=0.05 / 7200.0 + 5e-6)


def test_symmetric_cell_does_not_depend_on_the_steps() -> None:
    """Where fresh lithium and bulk dissolve side by side, losses and voltages agree as well."""
    ends = []
    for second in (1.0, 10.0, 60.0):
        cell = SymmetricCell(preset_parameters("bare_lp30"), 1.0, quiet, quiet, 4.0)
        for half in range(6):
            for _ in range(round(3600.0 / second)):
                cell.advance(-1e-3 if half % 2 == 0 else 1e-3, second)
        ends.append((cell.tracked().fresh, cell.tracked().dead + cell.tracked().film, cell.voltage(1e-3)))
    for end in ends[1:]:
        assert end == pytest.approx(ends[0], rel=2e-4)


BANDS: dict[PresetName, tuple[float, float]] = {
    "bare_lp30": (0.88, 0.92),
    "bare_fec": (0.96, 0.98),
    "bare_ether": (0.98, 0.99),
    "calendar": (0.96, 0.98),
    "lhce": (0.993, 0.997),
    "claim1_stack": (0.990, 0.998),
    "co_deposited_co2": (0.988, 0.994),
    "zero_excess": (0.9970, 0.9980),
}


def twenty_cycles(parameters: CellParameters, seed: int = 1) -> list[float]:
    cell = DepositCell(parameters, 1.0, Normals(seed, "a1", "cell").value)
    return [plate_and_strip(cell, 5e-4, COULOMB_PER_MAH, 10.0) for _ in range(20)]


@pytest.mark.parametrize("preset", sorted(BANDS))
def test_preset_has_the_efficiency_of_its_kind(preset: PresetName) -> None:
    """1 mAh/cm² at 0.5 mA/cm²: the mean efficiency of cycles 6 … 20 lies in the published band of the kind."""
    efficiencies = twenty_cycles(preset_parameters(preset, {"cell_scatter": 0.0}))
    mean = sum(efficiencies[5:]) / 15
    low, high = BANDS[preset]
    assert low <= mean <= high, efficiencies
    assert efficiencies[0] < mean


def test_presets_cover_every_name() -> None:
    """Every preset has a band that is tested."""
    assert set(PRESETS) == set(BANDS)


def test_efficiency_scatters_from_cycle_to_cycle_and_repeats_with_the_seed() -> None:
    """Losses scatter between cycles and cells, and the same seed gives the same cell."""
    parameters = preset_parameters("bare_fec")
    first, again, other = (twenty_cycles(parameters, seed) for seed in (1, 1, 2))
    assert first == again
    assert abs(first[-1] - other[-1]) > 1e-4
    assert max(first[5:]) - min(first[5:]) > 1e-3


def test_deposit_cell_rises_above_one_volt_by_itself_when_lithium_is_gone() -> None:
    """Stripping ends in a steep rise, not in a switch; beyond it other reactions carry and count the current."""
    cell = DepositCell(preset_parameters("bare_fec"), 1.0, quiet)
    for _ in range(3600):
        cell.advance(-5e-4, 1.0)
    assert cell.voltage(-5e-4) < 0.0
    trace = []
    for _ in range(4000):
        cell.advance(5e-4, 1.0)
        trace.append(cell.voltage(5e-4))
    assert 0.02 < trace[1000] < 0.3
    rise = [volt for volt in trace if 0.4 < volt < 2.0]
    assert len(rise) >= 2
    assert 3.5 < trace[-1] < 5.0
    assert cell.tracked().oxidised > 0.0


def test_nucleation_shows_as_a_dip_that_relaxes() -> None:
    """The first lithium on copper needs more overpotential than the lithium that follows."""
    cell = DepositCell(preset_parameters("bare_fec", {"formation_mah_cm2": 0.0}), 1.0, quiet)
    cell.advance(-5e-4, 0.1)
    first = cell.voltage(-5e-4)
    cell.advance(-5e-4, 1800.0)
    assert first < 1.5 * cell.voltage(-5e-4) < 0.0


def test_resistance_grows_with_cycles() -> None:
    """Lost lithium shows as interface resistance, at the same state of the cycle."""
    cell = DepositCell(preset_parameters("bare_lp30"), 1.0, quiet)
    after = []
    for _ in range(30):
        plate_and_strip(cell, 5e-4, COULOMB_PER_MAH, 20.0)
        cell.advance(-5e-4, 3600.0)
        after.append(cell.elements().interface_ohm)
        cell.advance(5e-4, 3000.0)
    assert after[-1] > after[4] + 20.0


def test_full_cell_hides_its_losses_while_lithium_is_in_excess() -> None:
    """With excess lithium a Li||NMC cell gives back what it took; without, its efficiency is that of lithium."""
    efficiencies = {}
    for excess in (4.0, 0.0):
        cell = FullCell(preset_parameters("bare_fec", {"cell_scatter": 0.0}), 1.0, quiet, excess)
        ratios = []
        for _ in range(4):
            counts = []
            for current, end in ((1e-3, 4.3), (-1e-3, 3.0)):
                count = 0
                while (cell.voltage(current) - end) * current < 0.0:
                    cell.advance(current, 5.0)
                    count += 1
                counts.append(count)
            ratios.append(counts[1] / counts[0])
        efficiencies[excess] = ratios[-1]
    assert 0.995 < efficiencies[4.0] <= 1.002
    assert 0.93 < efficiencies[0.0] < 0.985


def test_film_grows_at_rest() -> None:
    """A day of rest binds lithium (calendar ageing) and costs no external charge."""
    cell = DepositCell(preset_parameters("bare_fec"), 1.0, quiet)
    cell.advance(-5e-4, 7200.0)
    fresh, net = cell.tracked().fresh, cell.net_coulomb
    cell.advance(0.0, 86_400.0)
    assert 0.005 < (fresh - cell.tracked().fresh) / COULOMB_PER_MAH < 0.05
    assert cell.net_coulomb == net
