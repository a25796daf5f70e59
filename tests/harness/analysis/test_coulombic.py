"""Coulombic efficiency: pairs, nulls, flags and an error bar that is tested against simulated instruments."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Accuracy, Charge, RangePart, step_charge
from harness.analysis.coulombic import (
    HalfCycle,
    cycle_row,
    efficiency,
    efficiency_of,
    is_formation,
    known_efficiency,
    mean_coulombic_efficiency,
    pairings,
)
from harness.model.derived import CycleRow
from harness.model.run import Role

CURRENT = 6.3e-4
UNKNOWN = Accuracy()
KNOWN = Accuracy(offset_of_range=2e-4)


def constant(current: float, duration: float, range_ampere: float | None = 1e-3) -> Charge:
    return step_charge(np.array([0.0, duration]), np.full(2, current), range_ampere=range_ampere)


def half(role: Role, charge: Charge, *, whole: bool = True) -> HalfCycle:
    return HalfCycle(role, 1_000, charge, whole)


def row(efficiency_value: float, count: int, accuracy: Accuracy = UNKNOWN) -> CycleRow:
    plate = half(Role.PLATE, constant(-CURRENT, 3600.0))
    strip = half(Role.STRIP, constant(CURRENT, 3600.0 * efficiency_value))
    return cycle_row("cu-01", count, plate, strip, accuracy)


def test_efficiency_of_constant_currents_is_the_ratio_of_times() -> None:
    """CE = t_strip / t_plate at equal currents, to 1e-12."""
    found = efficiency(constant(-CURRENT, 3600.0), constant(CURRENT, 3564.0), Accuracy())
    assert found is not None
    assert found.coulombic_efficiency == pytest.approx(0.99, rel=1e-12)


def test_efficiency_offset_adds_and_gain_cancels_on_one_range() -> None:
    """On one range σ_CE = 2 CE σ_o / I, whatever the gain."""
    found = efficiency(constant(-CURRENT, 3600.0), constant(CURRENT, 3564.0), Accuracy(offset_of_range=2e-4, gain=0.05))
    assert found is not None
    expected = 2 * 0.99 * 2e-7 / CURRENT
    assert found.coulombic_efficiency_std == pytest.approx(expected, rel=1e-9)
    assert found.coulombic_efficiency_offset_std == pytest.approx(expected, rel=1e-9)


def test_efficiency_gain_counts_once_ranges_differ() -> None:
    """With its halves on two ranges, two independent gains of 1000 ppm give 1414 ppm."""
    found = efficiency(constant(-CURRENT, 3600.0), constant(CURRENT, 3600.0, 1e-2), Accuracy(gain=1e-3))
    assert found is not None
    assert found.coulombic_efficiency_std == pytest.approx(math.sqrt(2) * 1e-3, rel=1e-9)


@pytest.mark.parametrize("ranges", [(1e-3, 1e-3), (1e-3, 1e-2)])
def test_efficiency_std_agrees_with_simulated_instruments(ranges: tuple[float, float]) -> None:
    """20 000 simulated instruments scatter as the formula says, to 5 %, on one range and on two."""
    generator = np.random.default_rng(7)
    size, relative, gain = 20_000, 5e-4, 1e-3
    offset = {value: relative * value * generator.normal(size=size) for value in set(ranges)}
    factor = {value: 1 + gain * generator.normal(size=size) for value in set(ranges)}
    plated = (-CURRENT * factor[ranges[0]] + offset[ranges[0]]) * 3600
    stripped = (CURRENT * factor[ranges[1]] + offset[ranges[1]]) * 3528
    found = efficiency(
        constant(-CURRENT, 3600.0, ranges[0]), constant(CURRENT, 3528.0, ranges[1]), Accuracy(offset_of_range=relative, gain=gain)
    )
    assert found is not None
    assert found.coulombic_efficiency_std == pytest.approx(float(np.std(stripped / -plated)), rel=0.05)


def test_row_without_its_removal_has_no_efficiency() -> None:
    """A cycle without its removal is null, never zero, and says why."""
    found = cycle_row("cu-01", 3, half(Role.PLATE, constant(-CURRENT, 3600.0)), None, Accuracy(offset_of_range=1e-4))
    assert found.coulombic_efficiency is None
    assert found.coulombic_efficiency_std is None
    assert found.plating_capacity_ah == pytest.approx(CURRENT, rel=1e-12)
    assert found.stripping_capacity_ah is None
    assert found.flags == "incomplete"


@pytest.mark.parametrize("whole", [(True, False), (False, True), (False, False)])
def test_row_with_a_half_cut_short_has_no_efficiency(whole: tuple[bool, bool]) -> None:
    """Both halves must be whole."""
    plate = half(Role.PLATE, constant(-CURRENT, 3600.0), whole=whole[0])
    strip = half(Role.STRIP, constant(CURRENT, 3000.0), whole=whole[1])
    found = cycle_row("cu-01", 3, plate, strip, Accuracy(offset_of_range=1e-4))
    assert found.coulombic_efficiency is None
    assert "incomplete" in found.flags.split()


def test_row_whose_strip_passed_nothing_has_no_efficiency() -> None:
    """A removal of zero charge is no efficiency of zero."""
    found = cycle_row("a", 2, half(Role.PLATE, constant(-CURRENT, 3600.0)), half(Role.STRIP, constant(CURRENT, 0.0)), Accuracy())
    assert found.coulombic_efficiency is None
    assert "incomplete" in found.flags.split()


def test_row_flags_say_what_a_reader_must_know() -> None:
    """Formation, an efficiency above one and an unknown offset are named; an unknown offset has no offset part."""
    found = row(1.01, 1)
    assert found.flags.split() == ["above_one", "formation", "offset_unknown"]
    assert found.coulombic_efficiency == pytest.approx(1.01, rel=1e-12)
    assert found.coulombic_efficiency_offset_std is None
    assert "formation" not in row(0.99, 2).flags


def test_row_of_two_equal_directions_is_flagged() -> None:
    """A strip that plates is a wiring or a schedule fault, not an efficiency to believe."""
    plate, strip = half(Role.PLATE, constant(-CURRENT, 10.0)), half(Role.STRIP, constant(-CURRENT, 10.0))
    assert "wrong_sign" in cycle_row("a", 2, plate, strip, Accuracy()).flags.split()


def test_row_of_a_symmetric_cell_has_charges_and_no_efficiency() -> None:
    """Li||Li has no efficiency, and its cycles are not incomplete for that."""
    plate, strip = half(Role.PLATE, constant(-CURRENT, 10.0)), half(Role.STRIP, constant(CURRENT, 10.0))
    found = cycle_row("li", 2, plate, strip, Accuracy(offset_of_range=1e-4), has_efficiency=False)
    assert found.coulombic_efficiency is None
    assert found.flags == ""


def test_mean_is_weighted_by_charge_from_the_second_cycle() -> None:
    """Σ Q_strip / Σ Q_plate over the whole cycles, the first one and null ones left out."""
    rows = [row(0.5, 1), row(0.98, 2), row(0.99, 3)]
    rows.append(cycle_row("cu-01", 4, half(Role.PLATE, constant(-CURRENT, 3600.0)), None, Accuracy()))
    found = mean_coulombic_efficiency(rows)
    assert found.cycles == 2
    assert found.coulombic_efficiency == pytest.approx(0.985, rel=1e-12)


@pytest.mark.parametrize(("flag", "counted"), [("current_off", 1), ("clock", 1), ("overload", 1), ("noisy", 2), ("gap", 2)])
def test_mean_leaves_out_cycles_whose_charge_is_in_doubt(flag: str, counted: int) -> None:
    """A current or a time that cannot be true is kept with its flag, and out of the average; other flags are no reason."""
    doubted = replace(row(0.5, 3), flags=flag)
    assert mean_coulombic_efficiency([row(0.98, 2), doubted]).cycles == counted


def test_mean_of_nothing_is_nothing() -> None:
    """Without a whole cycle from the second on there is no mean."""
    found = mean_coulombic_efficiency([row(0.9, 1)])
    assert (found.coulombic_efficiency, found.coulombic_efficiency_std, found.cycles) == (None, None, 0)


def test_mean_keeps_the_offset_and_averages_the_rest() -> None:
    """100 cycles make the independent part ten times smaller and leave the offset's part as it is."""
    parts = (RangePart(1e-3, -2.268, 3600.0), RangePart(1e-3, 2.268, 3600.0))
    noisy = [Charge(part.charge_coulomb, 3600.0, 2.268e-3, (part,)) for part in parts]
    accuracy = Accuracy(offset_of_range=2e-4)
    rows = [cycle_row("a", n, half(Role.PLATE, noisy[0]), half(Role.STRIP, noisy[1]), accuracy) for n in range(2, 102)]
    offset, independent = 2 * 2e-7 / CURRENT, math.sqrt(2) * 1e-3
    assert rows[0].coulombic_efficiency_std == pytest.approx(math.hypot(offset, independent), rel=1e-9)
    found = mean_coulombic_efficiency(rows)
    assert found.coulombic_efficiency_std == pytest.approx(math.hypot(offset, independent / 10), rel=1e-9)


@pytest.mark.parametrize(
    ("flags", "std", "low", "high"),
    [("", 1e-3, True, True), ("strip_incomplete", 1e-3, True, False), ("offset_unknown", None, False, False),
     ("offset_unknown strip_incomplete", None, True, False)],
)  # fmt: skip
def test_efficiency_says_what_is_known_of_it(flags: str, std: float | None, *, low: bool, high: bool) -> None:
    """No deviation without the offset's; and without an upper end, whatever is known, where the removal ended on time."""
    found = known_efficiency(replace(row(0.98, 3), coulombic_efficiency_std=1e-3, flags=flags))
    assert (found.value, found.std) == (row(0.98, 3).coulombic_efficiency, std)
    assert (found.low is not None, found.high is not None) == (low, high)


def test_mean_with_an_unknown_offset_averages_nothing_away() -> None:
    """What is the same in every cycle is not known, so that all of the error may be; and it is said."""
    rows = [replace(row(0.98, n), coulombic_efficiency_std=1e-3, coulombic_efficiency_offset_std=None) for n in range(2, 102)]
    found = mean_coulombic_efficiency(rows)
    assert found.coulombic_efficiency_std == pytest.approx(1e-3)
    assert found.offset_std is None
    known = [replace(one, coulombic_efficiency_offset_std=6e-4) for one in rows]
    assert mean_coulombic_efficiency(known).offset_std == pytest.approx(6e-4)


def test_mean_over_a_reservoir_block_is_the_reservoir_efficiency() -> None:
    """Strips that stop on charge leave lithium for later; the sums give (n Q_c + Q_s) / (n Q_c + Q_t)."""
    charges = [(5.0, 1.0)] + [(1.0, 1.0)] * 9 + [(1.0, 4.7)]
    rows = [
        cycle_row("a", count, half(Role.PLATE, constant(-1.0, plate)), half(Role.STRIP, constant(1.0, strip)), Accuracy())
        for count, (plate, strip) in enumerate(charges, start=2)
    ]
    assert mean_coulombic_efficiency(rows).coulombic_efficiency == pytest.approx((10 + 4.7) / (10 + 5), rel=1e-12)


@given(st.lists(st.floats(0.2, 1.2), min_size=1, max_size=20))
def test_mean_lies_between_the_worst_and_the_best(values: list[float]) -> None:
    """A charge-weighted mean is a mean."""
    found = mean_coulombic_efficiency([row(value, count) for count, value in enumerate(values, start=2)])
    assert found.coulombic_efficiency is not None
    assert min(values) - 1e-9 <= found.coulombic_efficiency <= max(values) + 1e-9
    assert found.cycles == len(values)


def test_formation_is_the_flag_whatever_the_count() -> None:
    """A file whose counts begin with 7 has its formation in cycle 7, and its mean begins with cycle 8."""
    first = replace(row(0.8, 7), flags="formation")
    assert is_formation(first)
    assert not is_formation(row(0.98, 8))
    assert mean_coulombic_efficiency([first, row(0.98, 8)]).coulombic_efficiency == pytest.approx(0.98, rel=1e-12)


def test_pairings_are_the_removal_of_this_or_of_the_next_cycle_over_this_deposit() -> None:
    """Both pairings of whole cycles; where one of them is not whole, or none follows, the reason stands instead."""
    rows = [row(0.98, 2), row(0.96, 3), cycle_row("a", 4, half(Role.PLATE, constant(-CURRENT, 3600.0)), None, UNKNOWN)]
    found = pairings(rows)
    assert [pairing.cycle_count for pairing in found] == [2, 3, 4]
    assert found[0].same_cycle.value == pytest.approx(0.98, rel=1e-12)
    assert found[0].next_removal.value == pytest.approx(0.96, rel=1e-12)
    assert found[1].next_removal.refusal == "the next cycle is not whole"
    assert found[2].same_cycle.refusal == "nothing was removed in this cycle"
    assert found[2].next_removal.refusal == "no cycle follows it"


def test_efficiency_of_a_row_without_one_says_why() -> None:
    """Never zero: a lone half, a half that was cut and a symmetric cell each have their reason."""
    plate, strip = half(Role.PLATE, constant(-CURRENT, 60.0)), half(Role.STRIP, constant(CURRENT, 60.0))
    cut = half(Role.STRIP, constant(CURRENT, 60.0), whole=False)
    assert efficiency_of(cycle_row("a", 0, None, strip, UNKNOWN)).refusal == "nothing was deposited in this cycle"
    assert efficiency_of(cycle_row("a", 2, plate, cut, UNKNOWN)).refusal == "one of its halves is not whole"
    assert efficiency_of(cycle_row("a", 2, plate, strip, UNKNOWN, has_efficiency=False)).refusal == "the cell has none"


def test_efficiency_of_a_strip_that_ended_on_time_has_no_upper_end() -> None:
    """What was left may come off: the lower end is the row's, and both pairings that hold that strip say so."""
    rows = [row(0.98, 2, KNOWN), replace(row(0.5, 3, KNOWN), flags="strip_incomplete"), row(0.98, 4, KNOWN)]
    found, whole = efficiency_of(rows[1]), efficiency_of(replace(rows[1], flags=""))
    assert (found.value, found.std, found.low, found.high) == (whole.value, whole.std, whole.low, None)
    assert found.refusal == "the removal ended on time, not on voltage: more may have come off"
    assert whole.high is not None
    pairs = pairings(rows)
    assert [pair.same_cycle.high is None for pair in pairs] == [False, True, False]
    assert [pair.next_removal.high is None for pair in pairs[:2]] == [True, False]
    assert pairs[0].next_removal.refusal == found.refusal


def test_next_pairing_is_as_sure_as_the_same_one_in_equal_cycles() -> None:
    """Between equal cycles the second pairing has the σ of the first: its offset whole, its random errors of two halves."""
    parts = (RangePart(1e-3, -2.268, 3600.0), RangePart(1e-3, 2.268, 3600.0))
    noisy = [Charge(part.charge_coulomb, 3600.0, 2.268e-3, (part,)) for part in parts]
    accuracy = Accuracy(offset_of_range=2e-4)
    rows = [cycle_row("a", n, half(Role.PLATE, noisy[0]), half(Role.STRIP, noisy[1]), accuracy) for n in (2, 3)]
    found = pairings(rows)[0]
    assert found.next_removal.std == pytest.approx(found.same_cycle.std, rel=1e-12)
