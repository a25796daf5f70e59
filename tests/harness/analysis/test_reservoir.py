"""Reservoir efficiency: blocks found by how strips end, sums of measured charges, and what is refused or only a bound."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.charge import Accuracy, Charge, RangePart
from harness.analysis.coulombic import HalfCycle
from harness.analysis.reservoir import (
    BlockHalf,
    End,
    blocks_of_rows,
    lowest_efficiency,
    reservoir_blocks,
    reservoir_efficiency,
)
from harness.errors import AnalysisError
from harness.model.run import Role
from tests.measured_rows import Instrument, measured_rows

MAH = 1e-3
CURRENT = 1e-3
UNKNOWN = Accuracy()
CONDITIONING = [("plate", 5.0, End.CHARGE), ("strip", 4.8, End.VOLTAGE)]
Step = tuple[str, float, End]


def adams(cycles: int = 10, short: float = 1.0, reservoir: float = 5.0, final: float = 4.55) -> list[Step]:
    """Strip first: the reservoir, n × (strip, plate), the final strip."""
    middle = [("strip", short, End.CHARGE), ("plate", short, End.CHARGE)] * cycles
    return [("plate", reservoir, End.CHARGE), *middle, ("strip", final, End.VOLTAGE)]


def aurbach(cycles: int = 10, short: float = 1.0, reservoir: float = 5.0, final: float = 4.55) -> list[Step]:
    """Plate first."""
    middle = [("plate", short, End.CHARGE), ("strip", short, End.CHARGE)] * cycles
    return [("plate", reservoir, End.CHARGE), *middle, ("strip", final, End.VOLTAGE)]


def halves(steps: list[Step], *, instrument: Instrument | None = None, whole: bool = True) -> list[BlockHalf]:
    using, made, start = instrument or Instrument(), [], 0.0
    for count, (name, mah, end) in enumerate(steps):
        role = Role(name)
        charge = using.charge(mah * MAH, -CURRENT if role is Role.PLATE else CURRENT)
        made.append(BlockHalf(HalfCycle(role, round(start * 1e9), charge, whole), end, count))
        start += charge.duration_second + 60.0
    return made


def without_ends(steps: list[Step]) -> list[Step]:
    return [(name, mah, End.UNKNOWN) for name, mah, _ in steps]


@pytest.mark.parametrize("block", [adams, aurbach])
@pytest.mark.parametrize("known", [True, False], ids=["ends known", "ends found"])
def test_reservoir_is_the_ratio_of_all_charges_in_either_order(block: object, *, known: bool) -> None:
    """(n Q_c + Q_s) / (n Q_c + Q_t) to 1e-12, n counted, the conditioning apart."""
    assert callable(block)
    steps = [*CONDITIONING, *block()]
    [found] = reservoir_blocks(halves(steps if known else without_ends(steps)), UNKNOWN)
    assert found.coulombic_efficiency.value == pytest.approx(14.55 / 15.0, rel=1e-12)
    assert found.cycles == 10
    assert (found.reservoir_ah, found.short_ah, found.final_ah) == pytest.approx((5 * MAH, MAH, 4.55 * MAH), rel=1e-9)
    assert found.conditioning.value == pytest.approx(0.96, rel=1e-12)
    assert found.lowest_1 == pytest.approx(10 / 15, rel=1e-12)
    assert found.flags == {"offset_unknown"}


def test_reservoir_hours_run_from_the_first_plate_to_the_end_of_the_last_strip() -> None:
    """29.55 h of current and a minute between 22 half cycles."""
    [found] = reservoir_blocks(halves(adams()), UNKNOWN)
    assert found.duration_hour == pytest.approx(29.55 + 21 / 60, rel=1e-9)
    assert found.conditioning.refusal == "no cycle to the cut-off came before the block"


@pytest.mark.parametrize(
    ("cycles", "short", "reservoir", "lowest"),
    [(10, 1.0, 5.0, 2 / 3), (10, 0.5, 5.0, 0.5), (1, 1.0, 1.0, 0.5), (20, 1.0, 4.0, 5 / 6)],
)
def test_lowest_efficiency_of_a_block_is_that_without_a_final_strip(
    cycles: int, short: float, reservoir: float, lowest: float
) -> None:
    """Ten cycles of 1 on 5 show no less than 0.667."""
    assert lowest_efficiency(cycles, short, reservoir) == pytest.approx(lowest, rel=1e-12)


def test_reservoir_std_divides_the_cut_off_and_keeps_the_offset() -> None:
    """2 µAh of the final strip are 133 ppm of 15 mAh; an offset of 100 ppm of the current stays 2 CE × 100 ppm."""
    steps = adams(final=5.0)
    plates = [half.half.charge for half in halves(steps) if half.half.role is Role.PLATE]
    strips = [half.half.charge for half in halves(steps) if half.half.role is Role.STRIP]
    last = Charge(strips[-1].charge_coulomb, strips[-1].duration_second, 2e-6 * 3600.0, strips[-1].parts)
    random = reservoir_efficiency(plates, [*strips[:-1], last], UNKNOWN)
    assert random.coulombic_efficiency_std == pytest.approx(2e-3 / 15, rel=1e-9)
    offset = reservoir_efficiency(plates, strips, Accuracy(offset_ampere=1e-4 * CURRENT))
    assert offset.coulombic_efficiency_std == pytest.approx(2e-4, rel=1e-9)


def test_nominal_short_charges_matter_little() -> None:
    """All short charges wrong by 0.2 % move an efficiency of 0.99 by 13 ppm: n (1 − CE) Q_c/D × 0.2 %."""
    right, wrong = (reservoir_blocks(halves(adams(short=short, final=4.85)), UNKNOWN)[0] for short in (1.0, 1.002))
    assert right.coulombic_efficiency.value == pytest.approx(0.99)
    moved = (wrong.coulombic_efficiency.value or 0.0) - (right.coulombic_efficiency.value or 0.0)
    assert moved == pytest.approx(10 * 0.01 / 15 * 2e-3, rel=0.01)
    assert moved == pytest.approx(13e-6, abs=0.5e-6)


def test_reservoir_std_agrees_with_simulated_instruments() -> None:
    """Offset, gain and random errors together, within 5 %; in rows as in half cycles."""
    noise = np.random.default_rng(1)
    kind = Instrument(offset_ampere=5e-8, gain=1e-3, random_coulomb=2e-3)
    found = [reservoir_blocks(halves(adams(), instrument=kind.drawn(noise)), kind.accuracy)[0] for _ in range(2000)]
    values = np.array([one.coulombic_efficiency.value for one in found])
    assert found[0].coulombic_efficiency.std == pytest.approx(float(values.std()), rel=0.05)
    assert found[0].offset_std == pytest.approx(2 * 0.97 * 5e-5, rel=1e-3)


@pytest.mark.parametrize("flagged", [True, False], ids=["flagged", "found"])
def test_rows_give_the_same_block_as_half_cycles(*, flagged: bool) -> None:
    """Value and offset part to 1e-9; the random part within 1 %, since rows do not say which half erred."""
    kind = Instrument(offset_ampere=5e-8, gain=1e-3, random_coulomb=2e-3)
    deposits, removals = [5.0, *[1.0] * 10], [*[1.0] * 10, 4.55]
    flags = [*["strip_incomplete"] * 10, ""] if flagged else None
    rows = measured_rows([5.0 * MAH, *(q * MAH for q in deposits)], [4.8 * MAH, *(q * MAH for q in removals)],
                         instrument=kind, flags=["", *flags] if flags else None)  # fmt: skip
    [expected] = reservoir_blocks(halves([*CONDITIONING, *adams()], instrument=kind), kind.accuracy)
    [found] = blocks_of_rows(rows)
    assert (found.first_cycle, found.last_cycle, found.cycles) == (2, 12, 10)
    assert found.coulombic_efficiency.value == pytest.approx(expected.coulombic_efficiency.value, rel=1e-12)
    assert found.offset_std == pytest.approx(expected.offset_std, rel=1e-9)
    assert found.coulombic_efficiency.std == pytest.approx(expected.coulombic_efficiency.std, rel=0.01)
    assert found.conditioning.value == pytest.approx(0.96, rel=1e-9)


@pytest.mark.parametrize("random_coulomb", [0.0, 2e-3])
def test_sums_of_a_block_err_by_gain_and_offset_in_rows_as_in_half_cycles(random_coulomb: float) -> None:
    """15 mAh on and 14.9 off at a gain of 1e-3 and 0.1 µA: σ/Q stays that of a cycle, and the random part averages."""
    kind = Instrument(offset_ampere=1e-7, gain=1e-3, random_coulomb=random_coulomb)
    [expected] = reservoir_blocks(halves(adams(final=4.9), instrument=kind), kind.accuracy)
    [found] = blocks_of_rows(measured_rows([5 * MAH, *[MAH] * 10], [*[MAH] * 10, 4.9 * MAH], instrument=kind))
    for one, other in ((found.plated_ah, expected.plated_ah), (found.stripped_ah, expected.stripped_ah)):
        assert one.std == pytest.approx(other.std, rel=1e-9)
        assert one.std == pytest.approx((one.value or 0.0) * math.hypot(1e-3, 1e-4), rel=0.01)


@pytest.mark.parametrize("offset_ampere", [1e-7, None], ids=["offset known", "offset unknown"])
def test_a_row_that_was_cut_short_keeps_its_error_in_the_sums_of_its_block(offset_ampere: float | None) -> None:
    """Its σ holds a gain that the other rows tell, and what is left is common where a common error is known."""
    kind = Instrument(offset_ampere=offset_ampere or 0.0, gain=1e-3)
    rows = measured_rows([5 * MAH, *[MAH] * 10], [*[MAH] * 10, 4.9 * MAH], instrument=kind)
    if offset_ampere is None:
        rows = [replace(row, coulombic_efficiency_offset_std=None) for row in rows]
    last = replace(rows[-1], coulombic_efficiency=None, coulombic_efficiency_std=None, flags="incomplete")
    [whole], [cut] = blocks_of_rows(rows), blocks_of_rows([*rows[:-1], last])
    assert "cut short or lost" in cut.coulombic_efficiency.refusal
    assert cut.plated_ah.std == pytest.approx(whole.plated_ah.std, rel=1e-9)
    assert cut.stripped_ah.std == pytest.approx(whole.stripped_ah.std, rel=1e-9)


def test_plates_in_a_row_that_came_joined_change_n_but_no_sum() -> None:
    """A table of cycles joins the reservoir with the first short plate, and the last short strip with the final one."""
    [found] = blocks_of_rows(measured_rows([6 * MAH, *[MAH] * 9], [*[MAH] * 9, 5.55 * MAH]))
    assert found.cycles == 9
    assert found.coulombic_efficiency.value == pytest.approx(14.55 / 15.0, rel=1e-12)


def ran_out() -> list[Step]:
    """The fourth short strip finds 0.3 mAh only, and the schedule goes on."""
    steps = adams(3, reservoir=1.5, final=0.3)
    return [*steps, ("plate", 1.0, End.CHARGE), ("strip", 0.85, End.VOLTAGE)]


def test_a_reservoir_that_ran_out_gives_a_lower_bound() -> None:
    """What came back until then over what was put on, in rows as in half cycles."""
    [found] = reservoir_blocks(halves(ran_out()), UNKNOWN)
    assert "reservoir_ran_out" in found.flags
    assert found.coulombic_efficiency.high is None
    assert found.coulombic_efficiency.value == found.coulombic_efficiency.low == pytest.approx(3.3 / 4.5)
    assert "in short cycle 4" in found.coulombic_efficiency.refusal
    [of_rows] = blocks_of_rows(measured_rows([1.5 * MAH, MAH, MAH, MAH, MAH], [MAH, MAH, MAH, 0.3 * MAH, 0.85 * MAH]))
    assert of_rows.coulombic_efficiency.high is None
    assert of_rows.coulombic_efficiency.low == pytest.approx(3.3 / 4.5)


def test_a_short_final_strip_is_final_where_the_schedule_says_so() -> None:
    """Less than Q_c at the end of all programmed cycles is a result, not an exhausted reservoir."""
    [found] = reservoir_blocks(halves(ran_out()), UNKNOWN, programmed_cycles=3)
    assert found.coulombic_efficiency.high is not None
    assert not found.flags & {"reservoir_ran_out", "fewer_than_programmed"}


def test_fewer_cycles_than_programmed_are_counted_and_flagged() -> None:
    """The formula takes those that were run."""
    [found] = reservoir_blocks(halves(adams(7, final=4.6)), UNKNOWN, programmed_cycles=10)
    assert (found.cycles, "fewer_than_programmed" in found.flags) == (7, True)
    assert found.coulombic_efficiency.value == pytest.approx(11.6 / 12)


def test_more_than_was_deposited_is_flagged_and_not_clipped() -> None:
    """An efficiency above one is data: a short, or lithium from before."""
    [found] = reservoir_blocks(halves(adams(final=5.2)), UNKNOWN)
    assert found.coulombic_efficiency.value == pytest.approx(15.2 / 15)
    assert "above_one" in found.flags


@pytest.mark.parametrize(
    ("steps", "whole", "reason"),
    [
        (adams()[:-1], True, "no final strip"),
        ([*adams()[:-1], ("strip", 1.0, End.TIME)], True, "no final strip"),
        (adams(), False, "cut short or lost"),
    ],
)
def test_a_block_that_is_not_whole_is_refused_with_the_reason(steps: list[Step], *, whole: bool, reason: str) -> None:
    """Nothing is guessed of what lay on the electrode at its end."""
    [found] = reservoir_blocks(halves(steps, whole=whole), UNKNOWN)
    assert found.coulombic_efficiency.value is None
    assert reason in found.coulombic_efficiency.refusal


def test_two_blocks_of_one_run_are_two() -> None:
    """Each with the cycle before it as its conditioning, where that went to the cut-off."""
    first, second = reservoir_blocks(halves([*CONDITIONING, *adams(), *CONDITIONING, *adams(5, final=4.7)]), UNKNOWN)
    assert (first.cycles, second.cycles) == (10, 5)
    assert second.conditioning.value == pytest.approx(0.96)


@given(
    ratios=st.lists(st.floats(0.9, 1.02), min_size=1, max_size=30), first=st.sampled_from([1.0, 2.0, 5.0]), known=st.booleans()
)
def test_conventional_cycling_holds_no_block(ratios: list[float], first: float, *, known: bool) -> None:
    """Whatever the efficiencies, and with a larger first deposit: strips to the cut-off leave nothing on purpose."""
    deposits = [first, *[1.0] * (len(ratios) - 1)]
    steps = [step for deposit, ratio in zip(deposits, ratios, strict=True)
             for step in (("plate", deposit, End.CHARGE), ("strip", deposit * ratio, End.VOLTAGE))]  # fmt: skip
    assert reservoir_blocks(halves(steps if known else without_ends(steps)), UNKNOWN) == []


def test_equal_charges_both_ways_are_no_reservoir() -> None:
    """A cell whose strips end on their charge never showed what it holds: there is no block to refuse either."""
    assert reservoir_blocks(halves([("plate", 1.0, End.CHARGE), ("strip", 1.0, End.CHARGE)] * 5), UNKNOWN) == []


def test_a_strip_that_timed_out_once_makes_no_reservoir() -> None:
    """What it left is stripped with the next deposit, which is no part of a block."""
    steps = [("plate", 1.0, End.CHARGE), ("strip", 0.5, End.TIME), ("plate", 1.0, End.CHARGE), ("strip", 1.4, End.VOLTAGE)]
    assert reservoir_blocks(halves(steps), UNKNOWN) == []


def test_bad_input_is_one_clear_error_each() -> None:
    """Empty sums, half cycles out of order, impossible blocks; no half cycles are no blocks."""
    assert reservoir_blocks([], UNKNOWN) == []
    assert blocks_of_rows([]) == []
    nothing = Charge(0.0, 0.0, 0.0, (RangePart(None, 0.0, 0.0),))
    for deposits in ([], [nothing]):
        with pytest.raises(AnalysisError, match="needs charge that was deposited"):
            reservoir_efficiency(deposits, [nothing], UNKNOWN)
    with pytest.raises(AnalysisError, match="in the order of time"):
        reservoir_blocks(halves(adams())[::-1], UNKNOWN)
    for wrong in ((0, 1.0, 5.0), (10, 0.0, 5.0), (10, 1.0, -5.0), (10, math.nan, 5.0)):
        with pytest.raises(AnalysisError, match="its charges are positive"):
            lowest_efficiency(*wrong)
