"""The truth: books that close row by row, three efficiencies, what a sweep cannot see, and the state of every sample."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.cell.cells import Cell, DepositCell, FullCell, SymmetricCell
from emulator.cell.impedance import Arc, Elements
from emulator.cell.parameters import preset_parameters
from emulator.instruments import efficiencies
from emulator.instruments.ledger import Ledger
from emulator.instruments.sweep_truth import share_above, sweep_row
from emulator.truth import LatentFile, TruthFile

SECOND = 1_000_000_000
Row = dict[str, object]


def steady(_: int) -> float:
    return 0.0


def deposit_cell(**overrides: float) -> DepositCell:
    quiet = {"loss_scatter": 0.0, "cell_scatter": 0.0, "run_in_factor": 1.0}
    return DepositCell(preset_parameters("bare_ether", {**quiet, **overrides}), 2.0, steady)


class Account:
    """A ledger over a cell without an instrument: currents in, rows out."""

    def __init__(self, cell: Cell, path: Path) -> None:
        self.cell = cell
        self.path = path
        self.now = 1_700_000_000 * SECOND
        self._file = TruthFile(path)
        self.ledger = Ledger("a1", "cu-01", cell, self._file, self.now)

    def flow(self, current: float, second: float) -> None:
        self.ledger.direct(current, self.now)
        self.cell.advance(current, second)
        self.ledger.carry(current * second)
        self.now += round(second * SECOND)

    def flow_until(self, current: float, volt: float) -> None:
        while self.cell.voltage(current) < volt:
            self.flow(current, 0.5)

    def rows(self) -> list[Row]:
        """Everything that was written; nothing can follow."""
        self.ledger.close(self.now)
        self._file.close()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def shorted() -> Cell:
    cell = deposit_cell()
    cell.set_short(1e-3)
    return cell


def sulfur() -> Cell:
    return FullCell(preset_parameters("bare_ether"), 1.3, steady, 2.0, "S")


CELLS: list[Callable[[], Cell]] = [
    deposit_cell,
    shorted,
    sulfur,
    lambda: SymmetricCell(preset_parameters("bare_lp30"), 0.8, steady, steady, 4.0),
    lambda: FullCell(preset_parameters("lhce"), 1.3, steady, 2.0),
]


@settings(max_examples=40, deadline=None)
@given(
    make=st.sampled_from(CELLS),
    flows=st.lists(st.tuples(st.floats(-3e-3, 3e-3), st.floats(1.0, 2000.0)), min_size=1, max_size=8),
)
def test_books_close_in_every_row(
    make: Callable[[], Cell], flows: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever flows, each row's books gained what crossed, and increments of all rows are everything that was lost."""
    account = Account(make(), tmp_path_factory.mktemp("truth") / "t.jsonl")
    for current, second in flows:
        account.flow(current, second)
    rows = account.rows()
    assert math.fsum(float(str(row["charge_coulomb"])) for row in rows) == pytest.approx(
        math.fsum(current * second for current, second in flows), abs=1e-9
    )
    for row in rows:
        assert abs(float(str(row["residual_mah_cm2"]))) < 1e-6
    if rows:
        names = ("sei_lithium_mah_cm2", "calendar_lithium_mah_cm2", "dead_lithium_mah_cm2")
        lost = math.fsum(float(str(row[name])) for row in rows for name in names)
        books = rows[-1]["books_after"]
        assert isinstance(books, dict)
        assert lost == pytest.approx(books["film_lithium_mah_cm2"] + books["dead_lithium_mah_cm2"], abs=1e-9)


def test_a_rest_between_rows_is_calendar_loss(tmp_path: Path) -> None:
    """What the film took at rest stands in the next row, apart from what it took under current."""
    account = Account(deposit_cell(), tmp_path / "t")
    account.flow(-2e-3, 3600.0)
    account.flow(0.0, 86_400.0)
    account.flow(2e-3, 600.0)
    plated, stripped = account.rows()
    assert plated["calendar_lithium_mah_cm2"] == 0.0
    assert float(str(stripped["calendar_lithium_mah_cm2"])) > 10 * abs(float(str(stripped["sei_lithium_mah_cm2"]))) > 0.0
    assert (stripped["deposits"], stripped["direction"]) == (False, "oxidation")


def test_three_efficiencies_of_plain_cycling(tmp_path: Path) -> None:
    """Stripped to the cut-off, the charges that crossed and the lithium's own books tell the same; there is no reservoir."""
    account = Account(deposit_cell(formation_mah_cm2=0.0), tmp_path / "t")
    for _ in range(2):
        account.flow(-2e-3, 3600.0)
        account.flow_until(2e-3, 1.0)
    rows = account.rows()
    assert rows[0]["coulombic_efficiency_external"] is None
    assert rows[0]["not_applicable"] == dict.fromkeys(("external", "lithium", "adams"), efficiencies.IS_DEPOSIT)
    last = rows[-1]
    assert last["coulombic_efficiency_external"] == pytest.approx(last["coulombic_efficiency_lithium"], abs=5e-4)
    assert last["coulombic_efficiency_adams"] is None
    assert last["not_applicable"] == {"adams": efficiencies.ONE_DEPOSIT}
    assert last["lithium_exhausted"] is True


@pytest.mark.parametrize("make", CELLS)
def test_lithium_efficiency_is_the_cell_s_own(make: Callable[[], Cell], tmp_path: Path) -> None:
    """Kept from the books alone, it equals what the cell keeps of its present deposit."""
    account = Account(make(), tmp_path / "t")
    sign = -1.0 if account.cell.removes_when_oxidising else 1.0
    for _ in range(3):
        account.flow(sign * 2e-3, 2000.0)
        account.flow(0.0, 600.0)
        account.flow(-sign * 2e-3, 1200.0)
    own = account.cell.tracked().lithium_efficiency()
    assert account.rows()[-1]["coulombic_efficiency_lithium"] == pytest.approx(own, abs=2e-3 if make is shorted else 1e-9)


def test_reservoir_recovers_the_books(tmp_path: Path) -> None:
    """Over a whole block Σ stripped / Σ plated is 1 − lost / plated, and stands in the row that ends it only."""
    account = Account(deposit_cell(formation_mah_cm2=0.0), tmp_path / "t")
    account.flow(-2e-3, 18_000.0)
    for _ in range(5):
        account.flow(2e-3, 3600.0)
        account.flow(-2e-3, 3600.0)
    account.flow_until(2e-3, 1.0)
    rows = account.rows()
    removals = [row for row in rows if not row["deposits"]]
    assert {str(row["not_applicable"]) for row in removals[:-1]} == {str({"adams": efficiencies.NOT_USED_UP})}
    books = removals[-1]["books_after"]
    assert isinstance(books, dict)
    plated = math.fsum(float(str(row["deposited_mah_cm2"])) for row in rows if row["deposits"])
    lost = books["dead_lithium_mah_cm2"] + books["film_lithium_mah_cm2"]
    stored = books["surface_charge_mah_cm2"]
    found = float(str(removals[-1]["coulombic_efficiency_adams"]))
    assert found - stored / plated == pytest.approx(1.0 - lost / plated, abs=1e-7)


def test_an_interrupted_half_cycle_is_one_pair(tmp_path: Path) -> None:
    """A rest inside a strip makes two rows; the second one's efficiency holds both. A faint current begins no pair."""
    account = Account(deposit_cell(), tmp_path / "t")
    account.flow(-2e-3, 3600.0)
    for _ in range(2):
        account.flow(2e-3, 900.0)
        account.flow(0.0, 60.0)
        account.flow(-2e-9, 1.0)
    rows = [row for row in account.rows() if row["coulombic_efficiency_external"] is not None]
    assert [row["coulombic_efficiency_external"] for row in rows] == [pytest.approx(0.25), pytest.approx(0.5)]


@pytest.mark.parametrize(
    ("cell", "absent"),
    [
        (SymmetricCell(preset_parameters("bare_fec"), 1.0, steady, steady, 4.0), {"external", "adams"}),
        (FullCell(preset_parameters("bare_fec"), 1.0, steady, 4.0), {"adams"}),
        (DepositCell(preset_parameters("bare_fec"), 1.0, steady, 4.0), {"adams"}),
    ],
)
def test_a_definition_that_does_not_apply_says_why(cell: Cell, absent: set[str], tmp_path: Path) -> None:
    """No number without a meaning: a sentence stands in its place."""
    account = Account(cell, tmp_path / "t")
    sign = -1.0 if cell.removes_when_oxidising else 1.0
    account.flow(sign * 1e-3, 3600.0)
    account.flow(-sign * 1e-3, 1800.0)
    reasons = account.rows()[-1]["not_applicable"]
    assert isinstance(reasons, dict)
    assert set(reasons) == absent
    assert all(len(str(reason).split()) > 4 for reason in reasons.values())


@given(exponent=st.floats(0.5, 0.99), ratio=st.floats(0.01, 100.0))
def test_share_above_is_the_distribution_integrated(exponent: float, ratio: float) -> None:
    """The closed form equals the numerical integral of Cole and Cole's distribution of relaxation times."""
    arc = Arc("layers", 50.0, 1e-6, exponent)
    frequency = ratio / (2.0 * math.pi * arc.second)
    logs = np.linspace(-60.0 / exponent, -math.log(ratio), 40_001)
    angle = (1.0 - exponent) * math.pi
    density = math.sin(angle) / (np.cosh(exponent * logs) - math.cos(angle)) / (2.0 * math.pi)
    assert share_above(arc, frequency) == pytest.approx(float(np.trapezoid(density, logs)), abs=2e-4)


def test_a_layer_faster_than_the_sweep_hides_in_the_series_resistance() -> None:
    """1 µm of LiPON (50 Ω cm², 217 kHz): mostly hidden from a sweep that starts at 200 kHz, seen from 10 MHz."""
    tau = 1.0 / (2.0 * math.pi * 217e3)
    elements = Elements(0.0, 8.0, (Arc("layers", 50.0, tau, 0.95), Arc("charge_transfer", 30.0, 1e-3, 0.8)), ((4.0, 10.0),))
    low, high = sweep_row(elements, [200e3, 0.1]), sweep_row(elements, [1e7, 0.1])
    assert low["shunt_siemens"] == 0.0
    assert 25.0 < float(str(low["hidden_resistance_ohm"])) < 40.0
    assert float(str(high["hidden_resistance_ohm"])) < 1.5
    for row in (low, high):
        seen = float(str(row["apparent_series_resistance_ohm"])) + float(str(row["visible_interface_resistance_ohm"]))
        assert seen == pytest.approx(88.0)


@pytest.mark.parametrize("exponent", [1.0, 0.8])
def test_an_arc_far_from_the_edge_is_on_one_side(exponent: float) -> None:
    """Far above f_max all of an arc is hidden, far below none; in a perfect arc it is one or the other."""
    shares = [share_above(Arc("film", 1.0, second, exponent), 1e3) for second in (1e-12, 1e3)]
    assert shares == [pytest.approx(1.0, abs=1e-4), pytest.approx(0.0, abs=1e-4)]


def test_latent_state_is_written_in_blocks(tmp_path: Path) -> None:
    """Every sample is in one of the files, in order; columns that only some cells have are null for the others."""
    latent = LatentFile(tmp_path / "latent", block_rows=10)
    for index in range(25):
        latent.add({"unix_time_nanosecond": index, "channel": "a1", **({"cathode": 0.5} if index == 12 else {})})
    latent.close()
    files = sorted((tmp_path / "latent").glob("*"))
    assert [path.name for path in files] == ["000001.parquet", "000002.parquet", "000003.parquet"]
    frame = pl.concat([pl.read_parquet(path) for path in files], how="diagonal")
    assert frame["unix_time_nanosecond"].to_list() == list(range(25))
    assert frame["cathode"].drop_nulls().to_list() == [0.5]


def test_latent_state_of_a_second_start_goes_beside_the_first(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    for _ in range(2):
        latent = LatentFile(tmp_path)
        latent.add({"unix_time_nanosecond": 1})
        latent.close()
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_truth_that_is_not_asked_for_costs_no_file(tmp_path: Path) -> None:
    """Without a path nothing is written."""
    truth = TruthFile(None)
    truth.append({"kind": "event"})
    truth.close()
    assert list(tmp_path.iterdir()) == []
