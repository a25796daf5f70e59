"""A channel with its leads, its clock and its regulator: what an instrument adds, and what the truth says of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.cell.cells import Cell, DepositCell, SymmetricCell
from emulator.cell.parameters import preset_parameters
from emulator.instruments.channel import Channel, Mode
from emulator.instruments.converter import PERFECT, TYPICAL, Disturbance, Imperfections
from emulator.instruments.leads import Sense
from emulator.instruments.models import MODELS
from emulator.noise import Normals
from emulator.truth import TruthFile

HOUR = 3600.0
CURRENT = 0.6e-3
START = 1_767_225_600_000_000_000
PARAMETERS = preset_parameters("bare_fec")


def streams(stream: str) -> Callable[[int], float]:
    return Normals(1, "a1", stream).value


def deposit() -> DepositCell:
    return DepositCell(PARAMETERS, 1.0, streams("cell"), 4.0)


def symmetric() -> SymmetricCell:
    return SymmetricCell(PARAMETERS, 1.0, streams("cell"), streams("counter"))


def channel(imperfections: Imperfections = PERFECT, cell: Cell | None = None, truth: TruthFile | None = None) -> Channel:
    made = Channel(
        "a1",
        MODELS["es4_hr"],
        cell or deposit(),
        imperfections=imperfections,
        normal=streams,
        truth=truth or TruthFile(None),
        now_nanosecond=START,
    )
    made.ammeter.choose(made.ammeter.place_for(1e-3))
    return made


def drive(made: Channel, current: float) -> None:
    made.mode, made.set_current = Mode.GALVANOSTAT, current
    made.switch_on()


def hold(made: Channel, volt: float) -> None:
    made.mode, made.set_potential = Mode.HIGH_SPEED, volt
    made.switch_on()


@pytest.fixture
def truth(tmp_path: Path) -> Iterator[TruthFile]:
    file = TruthFile(tmp_path / "truth.jsonl")
    yield file
    file.close()


def rows(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "truth.jsonl").read_text().splitlines()]


def measured(made: Channel, second: float, interval: float = 10.0) -> float:
    """The charge a host computes from readings at ``interval``."""
    total = 0.0
    for _ in range(round(second / interval)):
        made.advance(made.elapsed + interval)
        total += made.read_current() * interval
    return total


def test_offset_moves_an_efficiency_by_twice_its_part_of_the_current(tmp_path: Path, truth: TruthFile) -> None:
    """The bias is 2 I_os / I: 0.2 µA of 0.6 mA are 0.067 points, through a whole cycle against the truth."""
    offset = 2e-7
    made = channel(PERFECT, truth=truth)
    made.ammeter.disturb(Disturbance(offset=offset))
    drive(made, -CURRENT)
    plated = measured(made, HOUR)
    made.set_current = CURRENT
    made.refresh()
    stripped = measured(made, HOUR)
    made.switch_off()
    true = [row["charge_coulomb"] for row in rows(tmp_path)]
    assert true == pytest.approx([-CURRENT * HOUR, CURRENT * HOUR], rel=1e-12)
    efficiency, true_efficiency = stripped / -plated, true[1] / -true[0]
    assert efficiency == pytest.approx(true_efficiency * (1 + offset / CURRENT) / (1 - offset / CURRENT), rel=1e-12)
    assert efficiency - true_efficiency == pytest.approx(2 * offset / CURRENT, rel=offset / CURRENT * 1.01)


def test_drawn_offset_biases_every_cycle_alike() -> None:
    """With the default imperfections the bias is that of the range's own offset, to half a converter step."""
    made = channel(Imperfections())
    offset = made.ammeter.offsets[made.ammeter.range]
    drive(made, -CURRENT)
    plated = measured(made, HOUR)
    made.set_current = CURRENT
    made.refresh()
    stripped = measured(made, HOUR)
    step = 6e-3 / 2**16
    assert stripped / -plated - 1.0 == pytest.approx(2 * offset / CURRENT, abs=step / CURRENT)


def test_fast_clock_shortens_charges_and_no_efficiency() -> None:
    """An instrument's hour is 3600 / (1 + ε) s of truth; what its timer says is right on its own clock."""
    made = channel(replace(PERFECT, clock_ppm=50.0))
    rate = made.timer.rate
    assert 1e-7 < abs(rate - 1.0) < 3e-4
    made.timer.start(made.elapsed)
    made.advance(HOUR / rate)
    assert made.timer.second(made.elapsed) == pytest.approx(HOUR, rel=1e-12)
    assert made.second() == pytest.approx(HOUR / rate, rel=1e-12)


def test_clock_that_jumps_moves_the_timer_and_nothing_else() -> None:
    """The next restart of the timer forgets the jump."""
    made = channel()
    made.timer.start(made.elapsed)
    made.advance(10.0)
    made.timer.shift(3600.0)
    assert (made.timer.second(made.elapsed), made.elapsed) == (3610.0, 10.0)
    made.timer.start(made.elapsed)
    assert made.timer.second(made.elapsed) == 0.0


def test_relay_opens_late_and_the_charge_is_in_the_truth(tmp_path: Path, truth: TruthFile) -> None:
    """10 ms of 0.6 mA that no host can see."""
    made = channel(replace(PERFECT, relay_second=0.01), truth=truth)
    drive(made, -CURRENT)
    made.advance(100.0)
    made.switch_off()
    (row,) = rows(tmp_path)
    assert row["charge_coulomb"] == pytest.approx(-CURRENT * 100.01, rel=1e-12)


@pytest.mark.parametrize(("wires", "seen"), [(4, 0.5), (2, 2.5)])
def test_leads_are_in_the_voltage_with_two_wires_only(wires: int, seen: float) -> None:
    """The contact always is; each current lead of 1 Ω only where the voltage is sensed at the instrument."""
    perfect = channel(cell=symmetric())
    made = channel(replace(PERFECT, wires=wires, lead_ohm=1.0, contact_ohm=0.5), cell=symmetric())  # type: ignore[arg-type]
    for one in (perfect, made):
        drive(one, CURRENT)
    difference = made.read_voltage() - perfect.read_voltage()
    assert difference == pytest.approx(CURRENT * seen, rel=1e-9)
    assert made.terminal_volt - perfect.terminal_volt == pytest.approx(CURRENT * 2.5, rel=1e-9)
    impedance = made.read_impedance(made.cell.elements(), 1e3) - perfect.read_impedance(perfect.cell.elements(), 1e3)
    assert impedance == pytest.approx(seen, rel=1e-9)


def test_potentiostat_holds_what_it_senses() -> None:
    """With a contact resistance the sensed voltage is the set one, and the cell has less."""
    made = channel(replace(PERFECT, contact_ohm=20.0), cell=symmetric())
    hold(made, 0.05)
    assert made.read_voltage() == pytest.approx(0.05, abs=1e-7)
    assert made.cell.voltage(made.current) == pytest.approx(0.05 - 20.0 * made.current, abs=1e-7)
    assert made.current > 1e-5


def test_leakage_flows_at_rest_and_is_kept_apart(tmp_path: Path, truth: TruthFile) -> None:
    """1 nA for a day at rest, 86.4 µC through the cell, no row of the truth, no reading of the ammeter."""
    made = channel(replace(PERFECT, leakage_ampere=1e-9), truth=truth)
    made.advance(86_400.0)
    assert made.leakage_coulomb == pytest.approx(8.64e-5)
    assert made.cell.net_coulomb == pytest.approx(8.64e-5)
    assert made.read_current() == 0.0
    made.close_row()
    assert rows(tmp_path) == []
    drive(made, -CURRENT)
    made.advance(made.elapsed + 100.0)
    made.switch_off()
    (row,) = rows(tmp_path)
    assert row["charge_coulomb"] == pytest.approx((-CURRENT + 1e-9) * 100.0, rel=1e-12)


def test_galvanostat_gives_way_at_its_compliance() -> None:
    """Through a contact of 20 kΩ 8 V drive 0.4 mA, not the 0.6 mA that are asked for."""
    made = channel(replace(PERFECT, compliance="clip", contact_ohm=20e3), cell=symmetric())
    drive(made, CURRENT)
    made.advance(10.0)
    made.read_voltage()
    assert made.terminal_volt == pytest.approx(made.model.compliance, rel=1e-6)
    assert made.read_current() == pytest.approx(4e-4, rel=0.03)


def test_overshoot_dies_away_with_its_time_constant() -> None:
    """5 % of the step at first, e⁻¹ of that after one time constant, nothing after eight."""
    made = channel(replace(PERFECT, overshoot=0.05, regulator_second=0.02), cell=symmetric())
    hold(made, 0.1)
    found = []
    for moment in (0.0, 0.02, 0.2):
        made.advance(moment)
        found.append(made.read_voltage() - 0.1)
    assert found[0] == pytest.approx(0.005, rel=1e-4)
    assert found[1] == pytest.approx(0.005 / math.e, rel=1e-3)
    assert found[2] == pytest.approx(0.0, abs=1e-8)


def test_jitter_belongs_to_the_sample_and_is_bounded() -> None:
    """Two channels of one seed jitter alike; never by more than a quarter of the interval."""
    one, other = channel(TYPICAL), channel(TYPICAL)
    assert [one.timer.jitter(1.0) for _ in range(50)] == [other.timer.jitter(1.0) for _ in range(50)]
    assert all(abs(one.timer.jitter(0.004)) <= 0.001 for _ in range(200))
    assert channel(PERFECT).timer.jitter(1.0) == 0.0


# -- what faults do to it


def test_swapped_leads_turn_current_and_voltage() -> None:
    """What the instrument calls plating strips, and the voltage it reads has the other sign."""
    right, swapped = channel(cell=symmetric()), channel(cell=symmetric())
    swapped.leads.polarity = -1.0
    swapped.leads.look()
    drive(right, CURRENT)
    drive(swapped, -CURRENT)
    assert swapped.read_voltage() == pytest.approx(-right.read_voltage(), rel=1e-12)
    swapped.advance(10.0)
    assert swapped.cell.net_coulomb == pytest.approx(CURRENT * 10.0)


def test_open_current_lead_carries_nothing() -> None:
    """The set-point stands, no current flows, the voltage is that of the open circuit."""
    made = channel()
    rest = made.read_voltage()
    made.leads.open = True
    made.leads.look()
    drive(made, -CURRENT)
    made.advance(100.0)
    assert (made.read_current(), made.cell.net_coulomb) == (0.0, 0.0)
    assert made.read_voltage() == pytest.approx(rest, abs=1e-3)


@pytest.mark.parametrize(("sense", "seen"), [(Sense.FLOATING, 0.0), (Sense.HIGH, 6.0), (Sense.LOW, -6.0)])
def test_open_sense_lead_shows_no_cell(sense: Sense, seen: float) -> None:
    """A galvanostat drives its current all the same; a potentiostat drives to its limit."""
    made = channel(cell=symmetric())
    made.leads.sense = sense
    made.leads.look()
    drive(made, CURRENT)
    assert (made.read_voltage(), made.read_current()) == (seen, CURRENT)
    hold(made, 0.05)
    assert abs(made.current) == pytest.approx(3e-3)


def test_interrupted_relay_lets_no_charge_through() -> None:
    """Half a second of ten is lost to the bounce, and the current is back after it."""
    made = channel()
    drive(made, -CURRENT)
    made.interrupt(0.5)
    assert made.read_current() == 0.0
    made.advance(10.0)
    assert made.read_current() == -CURRENT
    assert made.cell.net_coulomb == pytest.approx(-CURRENT * 9.5, rel=1e-12)


def test_derated_instrument_gives_what_it_can() -> None:
    """Half of the largest current is 0.1 A for one that is asked for 0.15 A."""
    made = channel(cell=symmetric())
    made.ammeter.choose(6)
    made.derating = 0.5
    drive(made, 0.15)
    assert made.read_current() == pytest.approx(0.1)


def test_two_channels_can_exchange_their_cells(tmp_path: Path, truth: TruthFile) -> None:
    """The rows of both are closed with the cells that were on them; what follows belongs to the others."""
    made, other = channel(truth=truth), channel(truth=truth)
    other.cell_name = "other"
    drive(made, -CURRENT)
    made.advance(10.0)
    made.exchange_cell(other)
    made.advance(30.0)
    made.switch_off()
    found = [(row["cell"], round(row["charge_coulomb"] / CURRENT)) for row in rows(tmp_path)]
    assert found == [("a1", -10), ("other", -20)]
    assert other.cell_name == "a1"
