"""One cell through its runs: numbering, growth, and the books and ends that follow from its rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis.endpoints import slippages
from harness.analysis.estimate import Estimate
from harness.analysis.growth import Axis, Law
from harness.analysis.lithium import Ended
from harness.analysis.survival import Lifetime
from harness.errors import AnalysisError, BadInput
from harness.lab.cell import Resistance
from harness.lab.life import life_of
from harness.model.run import Geometry, RunContext
from harness.query import Lab
from harness.store.derived import DerivedStore
from tests.cohort_station import MadeRun, cycle, fit, half_cycle, made_facts, run_id, write_station
from tests.facts import BARE, with_build

FOIL = made_facts()


def test_a_moved_cell_counts_through_its_runs(tmp_path: Path) -> None:
    """The second run's cycles come after the first's: their growth is one line, on both channels."""
    first = [cycle("foil-0", n) for n in range(1, 5)] + [fit("foil-0", n, 20.0 + n) for n in range(1, 5)]
    later = [cycle("foil-0", n, day=3) for n in range(1, 5)] + [fit("foil-0", n, 24.0 + n, day=3) for n in range(1, 5)]
    runs = [MadeRun("foil-0", first, FOIL), MadeRun("foil-0", later, FOIL, "a2", 3)]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        cell = lab.cell("foil-0")
        assert [row.cycle_count for row in cell.cycle_rows()] == list(range(1, 9))
        best = cell.growth_laws().best
        assert best is not None
        assert best.law is Law.LINEAR
        assert best.parameters["growth"].value == pytest.approx(1.0)
        assert cell.channel == "a1 (EMU0001)+a2 (EMU0001)"


def test_runs_without_a_whole_cycle_are_counted_on(tmp_path: Path) -> None:
    """A run with nothing but a sweep, or a deposit, goes on from the cycles before it and is one itself."""
    runs = [
        MadeRun("foil-0", [cycle("foil-0", n) for n in range(1, 11)] + [fit("foil-0", n, 20.0 + n) for n in range(1, 11)], FOIL),
        MadeRun("foil-0", [fit("foil-0", 1, 31.0, day=3)], FOIL, day=3),
        MadeRun("foil-0", [replace(half_cycle("foil-0", 1, "plate", grade="hard"), run_id=run_id("foil-0", 5))], FOIL, day=5),
        MadeRun("foil-0", [cycle("foil-0", 1, day=7)], FOIL, day=7),
    ]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        cell = lab.cell("foil-0")
        assert list(cell.cycles_before().values()) == [0, 10, 11, 12]
        assert cell.numbered(cell.impedance())["cycle_count"].to_list() == list(range(1, 12))
        assert cell.growth_laws().rate(Axis.CYCLE).value == pytest.approx(1.0)
        assert cell.cycle_rows()[-1].cycle_count == 13
        assert life_of(cell) == Lifetime("foil-0", 12.0, failed=True, reason="hard short")


def test_a_view_is_of_one_state(tmp_path: Path) -> None:
    """Rows that come while it is used are in the next one, and the store is asked once."""
    path = write_station(tmp_path / "station", [MadeRun("foil-0", [cycle("foil-0", 1)], FOIL)])
    with Lab.open(path) as lab:
        cell = lab.cell("foil-0")
        assert cell.cycles().height == 1
        with DerivedStore(path / "derived.sqlite") as store:
            store.put(RunContext("lab", "a1", "foil-0", "build", run_id("foil-0")), [cycle("foil-0", 2)])
        assert cell.cycles().height == 1
        assert lab.cell("foil-0").cycles().height == 2


def test_growth_leaves_refused_spectra_out_and_tells_polarities_apart(tmp_path: Path) -> None:
    """A refused sweep is counted and not used; apparent resistances of both half cycles carry a polarity term."""
    rows = [cycle("foil-0", n) for n in range(1, 9)] + [fit("foil-0", n, 20.0 + n) for n in range(1, 8)]
    rows.append(fit("foil-0", 8, 90.0, verdict="refused"))
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", rows, FOIL)])) as lab:
        report = lab.cell("foil-0").growth_laws()
        assert (report.points, report.left_out) == (7, {"refused": 1})
        apparent = lab.cell("foil-0").growth_laws("apparent_resistance_ohm")
        best = apparent.best
        assert best is not None
        assert best.covariates == ("polarity",)
        assert best.parameters["polarity"].value == pytest.approx(-5.0)
        with pytest.raises(BadInput, match='quantity: "height" is no resistance of a cell; there are interface_resistance_ohm'):
            lab.cell("foil-0").growth_laws("height")


def test_growth_tells_what_noise_made_of_it(tmp_path: Path) -> None:
    """The slope's part from the spectra's noise, per area like the slope; half cycles state no noise of their resistance."""
    rows = [cycle("foil-0", n) for n in range(1, 9)] + [fit("foil-0", n, 20.0 + n) for n in range(1, 9)]
    known = 0.05 / math.sqrt(42.0)
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", rows, FOIL)])) as lab:
        cell = lab.cell("foil-0")
        laws = [cell.growth_laws(name).law(Law.LINEAR, Axis.CYCLE) for name in Resistance]
    noises = {name: law.noise_std for name, law in zip(Resistance, laws, strict=True) if law is not None}
    gain = cell.gain_std
    assert noises[Resistance.INTERFACE]["growth"] == pytest.approx(math.hypot(known, gain))
    assert noises[Resistance.AREA_SPECIFIC]["growth"] == pytest.approx(1.27 * math.hypot(known, gain))
    assert noises[Resistance.APPARENT] == {}


def test_a_direct_current_stands_beside_the_last_spectrum(tmp_path: Path) -> None:
    """The deposit of its cycle, whichever cycles came after; without a spectrum, or one that holds a total, nothing does."""
    cycles = [cycle("foil-0", n) for n in range(1, 5)]
    fits = [replace(fit("foil-0", n, 60.0), total_resistance_ohm=60.0 + n, total_resistance_ohm_std=0.5) for n in (1, 3)]
    runs = [
        MadeRun("foil-0", [*cycles, *fits, fit("foil-0", 4, None)], FOIL),
        MadeRun("foil-1", [replace(row, run_id="foil-1-20260101t000000") for row in cycles], FOIL, "a2"),
    ]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.cell("foil-0").dc_beside_impedance()
        assert found.agrees is True
        assert found.ratio_1.value == pytest.approx(1.0)
        assert lab.cell("foil-1").dc_beside_impedance().agrees is None


def test_ends_of_cycles_begin_anew_in_each_run(tmp_path: Path) -> None:
    """Slippages are those of each run, named by it; a symmetric cell has none."""
    days = [[cycle("foil-0", n, day=day) for n in range(1, 5)] for day in (0, 3)]
    runs = [MadeRun("foil-0", rows, FOIL, day=day) for rows, day in zip(days, (0, 3), strict=True)]
    runs.append(MadeRun("sym-0", [cycle("sym-0", 1)], made_facts(geometry=Geometry.SYMMETRIC)))
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.cell("foil-0").slippages()
        assert found["run_id"].unique(maintain_order=True).to_list() == [run.run_id for run in runs[:2]]
        one = found.filter(run_id=runs[1].run_id).drop("run_id")
        assert one.equals(slippages(days[1], Geometry.DEPOSIT))
        with pytest.raises(AnalysisError, match="symmetric"):
            lab.cell("sym-0").slippages()


def test_both_pairings_stay_within_their_run(tmp_path: Path) -> None:
    """The removal of a cycle and that of the next over one deposit; nothing follows the last cycle of a run."""
    days = [[cycle("foil-0", n, day=day, efficiency=0.9 + 0.01 * n) for n in (1, 2)] for day in (0, 3)]
    runs = [MadeRun("foil-0", rows, FOIL, day=day) for rows, day in zip(days, (0, 3), strict=True)]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        found = lab.cell("foil-0").pairings()
    assert found["same_cycle"].to_list() == pytest.approx([0.91, 0.92, 0.91, 0.92])
    assert found["next_removal_refusal"].to_list() == [None, "no cycle follows it"] * 2
    assert found["next_removal"].drop_nulls().to_list() == pytest.approx([0.92, 0.92])


def test_fade_counts_through_the_runs(tmp_path: Path) -> None:
    """Capacity that halves in the second run ends the life at the cell's cycle, not at the run's."""
    first = [cycle("foil-0", n) for n in range(1, 13)]
    later = [cycle("foil-0", n, day=3, efficiency=0.98 if n < 4 else 0.5) for n in range(1, 13)]
    runs = [MadeRun("foil-0", first, FOIL), MadeRun("foil-0", later, FOIL, day=3), MadeRun("new-0", [], FOIL)]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        fade = lab.cell("foil-0").fade()
        assert (fade.end_of_life.value, fade.has_ended) == (16.0, True)
        assert lab.cell("foil-0").fade(threshold=0.4).end_of_life.low == 24.0
        assert not lab.cell("foil-0").fade(threshold=0.4).has_ended
        with pytest.raises(AnalysisError, match="there are no cycles"):
            lab.cell("new-0").fade()


def test_shorts_are_the_half_cycles_with_a_grade(tmp_path: Path) -> None:
    """The others stay in the frame of half cycles."""
    halves = [half_cycle("foil-0", n, role, grade="likely" if n == 2 else "") for n in (1, 2) for role in ("plate", "strip")]
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", halves, FOIL)])) as lab:
        cell = lab.cell("foil-0")
        assert cell.half_cycles().height == 4
        assert cell.shorts().select("cycle_count", "role", "short_grade").rows() == [
            (2, "plate", "likely"),
            (2, "strip", "likely"),
        ]


def test_reservoir_blocks_are_found_in_the_rows(tmp_path: Path) -> None:
    """A reservoir, short cycles and a final strip: one block with its efficiency from the sums."""
    rows = [replace(cycle("foil-0", 1, plated=5e-3, efficiency=0.2), flags="strip_incomplete")]
    rows += [replace(cycle("foil-0", n, efficiency=1.0), flags="strip_incomplete") for n in range(2, 10)]
    rows.append(cycle("foil-0", 10, efficiency=4.8))
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", rows, FOIL)])) as lab:
        [block] = lab.cell("foil-0").reservoir()
    assert block.coulombic_efficiency.value == pytest.approx(13.8 / 14.0)


def test_books_of_lithium_know_the_build_and_the_end(tmp_path: Path) -> None:
    """The inventory is the pinned build's; a running, a stopped and a shorted cell have bounds, one without a build a refusal."""
    foil = with_build(FOIL, BARE, {})
    rows = [cycle("foil-0", n) for n in range(1, 9)]
    renamed = [replace(row, run_id=row.run_id.replace("foil-0", "bad-0")) for row in rows]
    runs = [
        MadeRun("foil-0", rows, foil, reason=None),
        MadeRun("bad-0", [*renamed, half_cycle("bad-0", 8, "plate", grade="hard")], foil),
        MadeRun("old-0", [replace(row, run_id=row.run_id.replace("foil-0", "old-0")) for row in rows], FOIL),
    ]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        books = lab.cell("foil-0").lithium()
        assert books.ended is Ended.RUNNING
        assert books.inventory_ah.value == pytest.approx(50 * 0.206e-3 * 1.27, rel=5e-3)
        assert books.turnover.high is None
        assert 0.9 < (books.turnover.low or 0.0) * (books.inventory_ah.value or 0.0) / 8e-3 < 1.0
        assert lab.cell("bad-0").lithium().ended is Ended.SHORT
        assert lab.cell("bad-0").lithium(ended=Ended.LITHIUM).turnover.high is not None
        old = lab.cell("old-0").lithium()
        assert old.ended is Ended.STOPPED
        assert old.inventory_ah == Estimate.refused("its run pinned no build")


def test_lone_sweeps_leave_their_cycles_out_of_fade(tmp_path: Path) -> None:
    """A cycle with a sweep is of another kind where most have none; with a sweep in each, all are alike."""

    def made(name: str, sweeps: Iterable[int]) -> MadeRun:
        cycles = [cycle(name, n, efficiency=0.98 if n % 5 else 0.7) for n in range(1, 31)]
        return MadeRun(name, [*cycles, *(fit(name, n, 20.0) for n in sweeps)], FOIL)

    runs = [made("foil-0", range(5, 31, 5)), made("foil-1", range(1, 31))]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        apart = lab.cell("foil-0").fade().capacity
        assert set(range(5, 31, 5)).isdisjoint(apart.cycle.tolist())
        assert len(apart.cycle) == 24
        assert lab.cell("foil-1").slippages()["left_out"].to_list().count("named") == 0


def test_books_of_a_build_are_the_sum_of_its_cells(tmp_path: Path) -> None:
    """Two cells of one build: twice the lithium, twice the throughput; a cell without a cycle has no part in it."""
    facts = with_build(FOIL, BARE, {})
    runs = [MadeRun(name, [cycle(name, n) for n in range(1, 5)], facts) for name in ("foil-0", "foil-1")]
    runs.append(MadeRun("foil-2", [], facts))
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        one, together = lab.cell("foil-0").lithium(), lab.lithium(build="build")
        assert together.cells == 2
        assert together.inventory_ah.value == pytest.approx(2 * (one.inventory_ah.value or 0.0))
        assert together.throughput_ah.value == pytest.approx(2 * (one.throughput_ah.value or 0.0))
        with pytest.raises(AnalysisError, match="no books"):
            lab.lithium(build="build", cell="foil-2")
