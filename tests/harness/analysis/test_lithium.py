"""Lithium books: turnover, losses and what is left by geometry, their σ, and the knee that follows from them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.estimate import Estimate
from harness.analysis.lithium import (
    Ended,
    LithiumBooks,
    build_lithium,
    lithium_books,
    lithium_losses,
    review_knee,
)
from harness.errors import AnalysisError
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from tests.measured_rows import Instrument, measured_rows

MAH = 1e-3


def lithium_on_copper(cycles: int = 20, efficiency: float = 0.98, instrument: Instrument | None = None) -> list[CycleRow]:
    return measured_rows([2 * MAH] * cycles, [2 * efficiency * MAH] * cycles, instrument=instrument)


def full(charges: list[float], discharges: list[float], instrument: Instrument | None = None) -> list[CycleRow]:
    return measured_rows(charges, discharges, instrument=instrument, deposit_sign=1)


def test_turnover_of_a_cell_that_used_its_lithium_up_gives_its_efficiency() -> None:
    """Q_Li 20, Q_c 2, 500 cycles: FOM 50 and 1 − 1/FOM = 0.98, ±5 % of thickness being ±5 % of FOM."""
    rows = measured_rows([2 * MAH] * 500, [2 * MAH] * 500)
    books = lithium_books(rows, Geometry.FULL, Estimate.normal(20 * MAH, MAH), ended=Ended.LITHIUM)
    assert books.turnover.value == pytest.approx(50.0, rel=1e-9)
    assert books.turnover.std == pytest.approx(2.5, rel=1e-6)
    assert books.mean_efficiency.value == pytest.approx(0.98, rel=1e-9)
    assert books.mean_efficiency.std == pytest.approx(0.001, rel=1e-6)
    total = lithium_books(rows, Geometry.FULL, Estimate.exact(20 * MAH), cathode_ah=Estimate.exact(5 * MAH), ended=Ended.LITHIUM)
    assert total.turnover_total.value == pytest.approx(40.0, rel=1e-9)
    assert books.turnover_total.value is None


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Ended.RUNNING, "the cell still runs"),
        (Ended.SHORT, "a short ended it"),
        (Ended.DRY_OUT, "a dry-out ended it"),
        (Ended.STOPPED, "the test was ended"),
    ],
)
def test_a_count_that_ended_before_the_lithium_is_a_lower_bound(ended: Ended, reason: str) -> None:
    """Turnover and mean efficiency have no upper end, and say why."""
    books = lithium_books(lithium_on_copper(50), Geometry.DEPOSIT, Estimate.normal(20 * MAH, MAH), ended=ended)
    for found in (books.turnover, books.mean_efficiency):
        assert (found.high, found.refusal) == (None, reason)
    assert books.turnover.low == pytest.approx(5 - 1.96 * 0.25, rel=1e-3)
    assert books.mean_efficiency.low == pytest.approx(1 - 1 / books.turnover.low)  # type: ignore[operator]


def test_lithium_on_copper_loses_plate_less_strip() -> None:
    """Per cycle and in sum, left in the counter, and gone when it cannot give one more plate: (20 − 0.8 − 2)/0.04 cycles on."""
    books = lithium_books(lithium_on_copper(), Geometry.DEPOSIT, Estimate.exact(20 * MAH))
    assert books.losses is not None
    assert books.losses.lost_ah == pytest.approx(0.04 * MAH, rel=1e-9)
    assert books.lost_ah.value == pytest.approx(0.8 * MAH, rel=1e-9)
    assert books.left_ah.value == pytest.approx(19.2 * MAH, rel=1e-9)
    assert books.knee_cycle.value == pytest.approx(20 + 17.2 / 0.04, rel=1e-9)


def test_a_full_cell_with_excess_tells_nothing_without_an_efficiency() -> None:
    """The charges balance: losses, what is left and the knee are refused, the turnover is not."""
    books = lithium_books(full([2 * MAH] * 20, [2 * MAH] * 20), Geometry.FULL, Estimate.exact(4 * MAH))
    for found in (books.lost_ah, books.left_ah, books.knee_cycle):
        assert "state the lithium's efficiency" in found.refusal
    assert books.turnover.value == pytest.approx(10.0)


def test_a_full_cell_with_a_stated_efficiency_has_books() -> None:
    """The cathode took 0.1 more in the first cycle; the rest drains 2 (1 − CE) a cycle; σ(CE) is one error for all of them."""
    rows = full([2 * MAH] * 20, [2.1 * MAH, *[2 * MAH] * 19])
    books = lithium_books(rows, Geometry.FULL, Estimate.exact(4 * MAH), efficiency=Estimate.normal(0.98, 0.002))
    assert books.lost_ah.value == pytest.approx(0.8 * MAH, rel=1e-9)
    assert books.lost_ah.std == pytest.approx(20 * 2 * 0.002 * MAH, rel=1e-9)
    assert books.left_ah.value == pytest.approx((4 - 0.1 - 0.8) * MAH, rel=1e-9)
    assert books.knee_cycle.value == pytest.approx(3.9 / 0.04, rel=1e-9)
    assert books.knee_cycle.low == pytest.approx(3.9 / (0.04 + 1.96 * 0.004), rel=1e-3)


def test_an_anode_free_cell_shows_its_losses_and_lives_on_the_cathode() -> None:
    """Inventory 0: Q_charge − Q_discharge is lost from what the cathode brought; its turnover counts the cathode's."""
    charges = [2 * MAH * 0.99**n for n in range(20)]
    rows = full(charges, [0.99 * charge for charge in charges])
    books = lithium_books(rows, Geometry.FULL, Estimate.exact(0.0), cathode_ah=Estimate.exact(4 * MAH))
    assert books.lost_ah.value == pytest.approx(0.01 * sum(charges), rel=1e-9)
    assert books.left_ah.value == pytest.approx(4 * MAH - 0.01 * sum(charges), rel=1e-9)
    assert "began without lithium" in books.turnover.refusal
    assert "no knee: the capacity fades from the first cycle" in books.knee_cycle.refusal
    assert books.turnover_total.value == pytest.approx(sum(charges) / (4 * MAH))


def test_a_symmetric_cell_has_a_turnover_only() -> None:
    """Its schedule sets both charges."""
    books = lithium_books(lithium_on_copper(), Geometry.SYMMETRIC, Estimate.exact(20 * MAH))
    assert books.losses is None
    assert "symmetric" in books.lost_ah.refusal
    assert books.turnover.value == pytest.approx(2.0)


def test_loss_std_agrees_with_simulated_instruments() -> None:
    """Of one cycle and of ten together, offset, gain and random charge drawn 2000 times: within 5 %. The offset adds up."""
    noise = np.random.default_rng(13)
    kind = Instrument(offset_ampere=1e-7, gain=2e-3, random_coulomb=1e-3)
    found = [lithium_losses(lithium_on_copper(10, 0.95, kind.drawn(noise)), Geometry.DEPOSIT) for _ in range(2000)]
    losses = [one for one in found if one is not None]
    for value, std in (("lost_ah", "std_ah"), ("cumulative_ah", "cumulative_std_ah")):
        drawn = np.array([getattr(one, value)[-1] for one in losses])
        stated = np.array([getattr(one, std)[-1] for one in losses])
        assert float(np.sqrt(np.mean(stated**2))) == pytest.approx(float(drawn.std()), rel=0.05)
    assert losses[0].common_ah[:, 0] == pytest.approx([1e-7 * 2 * 1.95, 2e-3 * 0.1 * MAH], rel=0.02)


def test_loss_of_a_reservoir_block_keeps_its_offset_and_loses_its_gain() -> None:
    """5 + 10 × 1 mAh on, 14.9 off: σ_o over all 29.9 h, and the gain of what is lost only, though single cycles keep 4 mAh."""
    kind = Instrument(offset_ampere=1e-7, gain=1e-3)
    rows = measured_rows([5 * MAH, *[MAH] * 10], [*[MAH] * 10, 4.9 * MAH], instrument=kind)
    losses = lithium_losses(rows, Geometry.DEPOSIT)
    assert losses is not None
    assert losses.cumulative_std_ah[-1] == pytest.approx(math.hypot(1e-7 * 29.9, 1e-3 * 0.1 * MAH), rel=1e-6)
    assert losses.cumulative_std_ah[0] == pytest.approx(math.hypot(1e-7 * 6, 1e-3 * 4 * MAH), rel=1e-6)


def test_throughput_std_agrees_with_simulated_instruments() -> None:
    """Gain and offset add up, the rest averages: within 5 %."""
    noise = np.random.default_rng(14)
    kind = Instrument(offset_ampere=1e-7, gain=5e-4, random_coulomb=5e-3)
    found = [lithium_books(lithium_on_copper(10, 0.95, kind.drawn(noise)), Geometry.DEPOSIT).throughput_ah for _ in range(2000)]
    values, stds = (np.array([getattr(one, name) for one in found]) for name in ("value", "std"))
    assert float(np.sqrt(np.mean(stds**2))) == pytest.approx(float(values.std()), rel=0.05)


def without_efficiency(row: CycleRow) -> CycleRow:
    return replace(row, coulombic_efficiency=None, coulombic_efficiency_std=None, coulombic_efficiency_offset_std=None)


def test_throughput_of_a_symmetric_cell_is_no_surer_than_a_cycle() -> None:
    """Its rows have no efficiency that would tell gain and offset from the rest: σ/Q of 1000 cycles is that of one."""
    kind = Instrument(offset_ampere=1e-7, gain=1e-3)
    rows = measured_rows([MAH] * 1000, [MAH] * 1000, instrument=kind)
    for known in (rows, [without_efficiency(row) for row in rows]):
        books = lithium_books(known, Geometry.SYMMETRIC, Estimate.exact(20 * MAH))
        assert books.throughput_ah.std == pytest.approx(1000 * MAH * math.hypot(1e-3, 1e-4), rel=1e-6)
        assert books.turnover.std == pytest.approx(50 * math.hypot(1e-3, 1e-4), rel=1e-6)


def test_a_sum_over_cycles_that_were_cut_short_takes_their_errors_as_common() -> None:
    """Nine of them: what one σ may do to both halves, nine times."""
    rows = measured_rows([MAH] * 9, [MAH] * 9, instrument=Instrument(offset_ampere=1e-7, gain=1e-3))
    losses = lithium_losses([without_efficiency(row) for row in rows], Geometry.DEPOSIT)
    assert losses is not None
    assert losses.cumulative_std_ah[-1] == pytest.approx(9 * 2 * MAH * math.hypot(1e-3, 1e-4), rel=1e-6)


def test_a_deposit_that_is_not_stripped_yet_is_turned_over_but_not_lost() -> None:
    """The cycle in progress; one that was cut short counts with what passed, and what follows takes up the rest."""
    rows = lithium_on_copper(4)
    last = replace(
        rows[3], stripping_capacity_ah=None, stripping_capacity_ah_std=None, coulombic_efficiency=None, flags="incomplete"
    )
    books = lithium_books([*rows[:3], last], Geometry.DEPOSIT, Estimate.exact(20 * MAH))
    assert books.lost_ah.value == pytest.approx(0.12 * MAH)
    assert books.turnover.value == pytest.approx(0.4)
    halves = measured_rows([2 * MAH] * 3, [1.96 * MAH, 1 * MAH, 2.92 * MAH])
    cut = replace(halves[1], coulombic_efficiency=None, coulombic_efficiency_std=None, flags="incomplete current_off")
    books = lithium_books([halves[0], cut, halves[2]], Geometry.DEPOSIT)
    assert books.lost_ah.value == pytest.approx(0.12 * MAH)
    assert books.doubted_cycles == (2,)


def test_a_removal_before_any_deposit_loses_nothing() -> None:
    """What lay there is moved: the first row of a cell that begins with its discharge."""
    first, second = full([2 * MAH] * 2, [1.5 * MAH, 2 * MAH])
    alone = replace(first, plating_capacity_ah=None, plating_capacity_ah_std=None, coulombic_efficiency=None, flags="incomplete")
    books = lithium_books([alone, second], Geometry.FULL, Estimate.exact(4 * MAH), efficiency=Estimate.exact(0.98))
    assert books.lost_ah.value == pytest.approx(0.04 * MAH)
    assert books.left_ah.value == pytest.approx((4 - 1.5 - 0.04) * MAH)
    free = lithium_losses([alone, second], Geometry.FULL)
    assert free is not None
    assert free.lost_ah == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize(
    ("rows", "inventory", "reason"),
    [
        (lithium_on_copper(), Estimate.refused("no thickness"), "is not known (no thickness)"),
        (lithium_on_copper(5), Estimate.exact(20 * MAH), "4 cycles after the formation are fewer than 5"),
        (lithium_on_copper(20, 1.0), Estimate.exact(20 * MAH), "show no loss"),
        (lithium_on_copper(20), Estimate.exact(2 * MAH), "no excess lithium left"),
        (
            measured_rows([2 * MAH] * 20, [(1.9 + 0.004 * n) * MAH for n in range(20)]),
            Estimate.exact(20 * MAH),
            "the loss per cycle still changes: by -",
        ),
    ],
    ids=["unknown inventory", "few cycles", "no loss", "gone", "changing"],
)
def test_a_knee_that_nothing_predicts_is_refused(rows: list[CycleRow], inventory: Estimate, reason: str) -> None:
    """One clause says why."""
    assert reason in lithium_books(rows, Geometry.DEPOSIT, inventory).knee_cycle.refusal


def test_predicted_knee_holds_the_truth_in_95_percent() -> None:
    """Foil ±5 %, offset, gain and cycles that scatter by 10 %, drawn 1000 times: from 30 cycles, 93 to 97 %."""
    noise = np.random.default_rng(15)
    kind = Instrument(offset_ampere=1e-7, gain=5e-4, random_coulomb=1e-3)
    held = 0
    for _ in range(1000):
        lithium, loss = 20 * (1 + noise.normal(0.0, 0.05)), 0.08 * (1 + noise.normal(0.0, 0.1, 600))
        truth = float(np.interp(lithium - 2.0, np.cumsum(loss), np.arange(1, 601)))
        rows = measured_rows([2 * MAH] * 30, [(2 - one) * MAH for one in loss[:30]], instrument=kind.drawn(noise))
        found = lithium_books(rows, Geometry.DEPOSIT, Estimate.normal(20 * MAH, MAH)).knee_cycle
        held += (found.low or 0.0) <= truth <= (found.high or math.inf)
    assert 930 <= held <= 970


def with_excess(lithium: float, cycles: int) -> list[CycleRow]:
    """A full cell of 2 mAh that loses 2 % of its lithium a cycle: complete discharges until ``lithium`` (mAh) is gone."""
    left, charge, charges, discharges = lithium, 2.0, [], []
    for _ in range(cycles):
        left -= 0.02 * charge
        discharge = charge + min(left, 0.0)
        left = max(left, 0.0)
        charges.append(charge * MAH)
        discharges.append(discharge * MAH)
        charge = discharge
    return full(charges, discharges)


def test_a_knee_that_came_is_reviewed_with_what_could_have_been_predicted() -> None:
    """2 mAh last 50 cycles; a foil that was half as thick as stated is found out; a cell that is too young decides nothing."""
    efficiency = Estimate.normal(0.98, 0.001)
    for lithium, verdict in ((2.0, "agrees"), (1.0, "earlier")):
        found = review_knee(with_excess(lithium, 90), Geometry.FULL, Estimate.normal(2 * MAH, 0.1 * MAH), efficiency=efficiency)
        assert found.predicted.value == pytest.approx(50.0, rel=1e-6)
        assert found.observed.value == pytest.approx(25 * lithium, abs=4)
        assert found.comparison.verdict == verdict
    young = review_knee(with_excess(2.0, 30), Geometry.FULL, Estimate.exact(2 * MAH), efficiency=efficiency)
    assert (young.comparison.verdict, young.observed.value, young.observed.high) == ("undecided", 30.0, None)


def books_of(throughput: float, *, ended: Ended = Ended.LITHIUM) -> LithiumBooks:
    rows = measured_rows([throughput / 10] * 10, [throughput / 10 * 0.9] * 10)
    return lithium_books(rows, Geometry.DEPOSIT, Estimate.normal(10 * MAH, MAH), ended=ended)


def test_books_of_a_build_are_sums_over_its_cells() -> None:
    """Foils of one build err together; one cell that still runs makes the turnover a bound."""
    build = build_lithium([books_of(100 * MAH), books_of(200 * MAH)])
    assert (build.cells, build.censored) == (2, 0)
    assert build.inventory_ah.value == pytest.approx(20 * MAH)
    assert build.inventory_ah.std == pytest.approx(2 * MAH)
    assert build.lost_ah.value == pytest.approx(30 * MAH)
    assert build.turnover.value == pytest.approx(15.0)
    assert build.turnover.std == pytest.approx(1.5, rel=1e-3)
    assert build_lithium([books_of(100 * MAH), books_of(50 * MAH, ended=Ended.SHORT)]).turnover.high is None


def test_bad_input_is_one_clear_error_each() -> None:
    """No cycles, no cells, impossible inventories and efficiencies."""
    rows = lithium_on_copper(3)
    with pytest.raises(AnalysisError, match="no cycles"):
        lithium_losses([], Geometry.DEPOSIT)
    with pytest.raises(AnalysisError, match="no cycles"):
        lithium_books([], Geometry.SYMMETRIC)
    with pytest.raises(AnalysisError, match="no cycle is whole"):
        review_knee([replace(rows[0], stripping_capacity_ah=None)], Geometry.DEPOSIT, Estimate.exact(1.0))
    with pytest.raises(AnalysisError, match="without cells"):
        build_lithium([])
    with pytest.raises(AnalysisError, match="less than no lithium"):
        lithium_books(rows, Geometry.DEPOSIT, Estimate.exact(-1.0))
    for wrong in (Estimate.exact(98.5), Estimate.exact(0.0), Estimate.refused("unknown")):
        with pytest.raises(AnalysisError, match="must be a fraction"):
            lithium_losses(full([1.0], [1.0]), Geometry.FULL, efficiency=wrong)
