"""One cell through all its runs, as a scientist asks for it: frames of what was measured and derived, and what follows from them.

What needs readings was derived as they came and is read here; what follows from those rows (growth laws, books of lithium, ends
of cycles) is computed when it is asked for, by the pure functions of `harness.analysis`. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import polars as pl

from harness.analysis.coulombic import pairings
from harness.analysis.endpoints import slippages
from harness.analysis.estimate import Estimate
from harness.analysis.fade import CapacitySeries, Knee, capacity_series, end_of_life, knee
from harness.analysis.growth import GrowthReport, growth_laws
from harness.analysis.impedance.fit import FLAG_OPEN_ARC
from harness.analysis.impedance.relaxation import Relaxations
from harness.analysis.inventory import build_inventory
from harness.analysis.lithium import UNKNOWN, Ended, KneeReview, LithiumBooks, lithium_books, review_knee
from harness.analysis.reservoir import ReservoirBlock, blocks_of_rows
from harness.analysis.resistance import Agreement, cross_check
from harness.errors import BadInput
from harness.lab.rows import apparent_resistances, cycle_rows, last_resistances, spectrum_resistances, swept_cycles, throughput
from harness.lab.spectra import Spectrum, relaxations_of, spectra_of
from harness.model.anode import AnodeBuild
from harness.model.anode_facts import findings_from
from harness.model.derived import CycleRow
from harness.model.run import Geometry
from harness.store.base import Store

Array = npt.NDArray[np.float64]

RUNNING = "running"
FATAL = "hard"
"""The grade of a short after which a cell is none."""

_VERDICTS = pl.Schema(
    {"claim": pl.Int64, "strict": pl.String, "broad": pl.String, "reason": pl.String, "broad_reason": pl.String}
)
_PAIRINGS = pl.Schema(
    {
        "run_id": pl.String,
        "cycle_count": pl.Int64,
        "same_cycle": pl.Float64,
        "same_cycle_std": pl.Float64,
        "same_cycle_refusal": pl.String,
        "next_removal": pl.Float64,
        "next_removal_std": pl.Float64,
        "next_removal_refusal": pl.String,
    }
)
_GROWTH_COLUMNS = (
    "interface_resistance_ohm",
    "interface_resistance_ohm_std",
    "area_specific_resistance_ohm_cm2",
    "area_specific_resistance_ohm_cm2_std",
)


class Resistance(StrEnum):
    """What can grow. The apparent resistance is that of each half cycle of a cycle, its polarity told apart."""

    INTERFACE = "interface_resistance_ohm"
    AREA_SPECIFIC = "area_specific_resistance_ohm_cm2"
    SERIES = "series_resistance_ohm"
    APPARENT = "apparent_resistance_ohm"


@dataclass(frozen=True, slots=True, eq=False)
class Fade:
    """The capacity that came back against the cell's cycle, when it was below ``threshold`` of its first, and where it bent."""

    capacity: CapacitySeries
    threshold: float
    end_of_life: Estimate
    knee: Knee

    @property
    def has_ended(self) -> bool:
        """Whether the end of life has come: the estimate is a cycle, and not only a bound of one that is still to come."""
        return self.end_of_life.value is not None and (
            self.end_of_life.high is not None or self.end_of_life.low != self.end_of_life.value
        )


class CellView:
    """One cell through all its runs, those known when the view was made.

    What was derived or pinned is asked for once, so that everything a view says is of one state; make another for the next.
    """

    def __init__(self, store: Store, cell: str, runs: pl.DataFrame) -> None:
        self._store = store
        self._told: dict[str, pl.DataFrame] = {}
        self._runs = runs
        self._run_ids: list[str] = runs["run_id"].to_list()
        self.cell = cell

    @property
    def build(self) -> str:
        """The id of its anode's build, as its newest run has it."""
        return str(self._runs["build"][-1])

    @property
    def channel(self) -> str:
        """Where it was measured: channel and instrument, several joined by +. Cells of one such place share its offset."""
        places = zip(self._runs["channel"], self._runs["instrument_serial"], strict=True)
        return "+".join(dict.fromkeys(f"{channel} ({serial})" for channel, serial in places))

    @property
    def geometry(self) -> Geometry:
        """Which way lithium goes in it."""
        return Geometry(self._runs["geometry"][-1])

    @property
    def gain_std(self) -> float:
        """What its newest instrument's gain may be off by, relative: in every current, charge and resistance alike."""
        return float(self._runs["accuracy_gain"][-1] or 0.0)

    @property
    def ended(self) -> str:
        """Why its newest run ended, or "running"."""
        return RUNNING if self._runs["ended_nanosecond"][-1] is None else str(self._runs["reason"][-1])

    @property
    def anode(self) -> AnodeBuild:
        """Its anode's build, in the revision that its newest run pinned.

        Raises:
            BadInput: that run was started by a version that pinned no builds.
        """
        return AnodeBuild.model_validate_json(self._pinned("anode"))

    def verdicts(self) -> pl.DataFrame:
        """What was found for each claim as its newest run began: ``claim``, ``strict``, ``broad``, ``reason``, ``broad_reason``.

        ``broad`` and its reason are null where the claim's wording allows one reading only.

        Raises:
            BadInput: that run was started by a version that pinned no builds.
        """
        rows = [
            (one.claim, one.strict.verdict, one.broad and one.broad.verdict, one.strict.reason, one.broad and one.broad.reason)
            for one in findings_from(self._pinned("findings"))
        ]
        return pl.DataFrame(rows, _VERDICTS, orient="row")

    def _pinned(self, name: str) -> str:
        text = self._documents()[name][0]
        if text is None:
            run = self._run_ids[-1]
            raise BadInput("cell", f'"{self.cell}" has no pinned build: run {run} was started before builds were registered')
        return str(text)

    def _documents(self) -> pl.DataFrame:
        """What its newest run pinned whole."""
        return self._once("documents", lambda run_ids: self._store.documents(run_ids[-1:]))

    def _once(self, name: str, ask: Callable[[Sequence[str]], pl.DataFrame]) -> pl.DataFrame:
        if name not in self._told:
            self._told[name] = ask(self._run_ids)
        return self._told[name]

    def runs(self) -> pl.DataFrame:
        """Its runs, as `RUNS`."""
        return self._runs

    def samples(self) -> pl.DataFrame:
        """Its samples, as `SAMPLES`."""
        return self._store.samples(self._run_ids)

    def events(self) -> pl.DataFrame:
        """What happened, as `EVENTS`."""
        return self._once("events", self._store.events)

    def cycles(self) -> pl.DataFrame:
        """Its cycles, as `CYCLES`."""
        return self._once("cycles", self._store.cycles)

    def cycle_rows(self) -> list[CycleRow]:
        """Its cycles numbered through all its runs: a run goes on counting where the one before it ended."""
        return cycle_rows(self.numbered(self.cycles()))

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame of this cell with its ``cycle_count`` going on from run to run, as in `cycle_rows`."""
        shift = pl.col("run_id").replace_strict(self.cycles_before(), return_dtype=pl.Int64)
        return frame.with_columns(pl.col("cycle_count") + shift)

    def cycles_before(self) -> dict[str, int]:
        """How many cycles the cell had begun before each of its runs. One that only deposited or was only swept is one, too."""
        frames = (self.cycles(), self.half_cycles(), self.impedance())
        counted = pl.concat([frame.select("run_id", "cycle_count") for frame in frames]).group_by("run_id").max()
        begun = dict(counted.iter_rows())
        return dict(zip(self._run_ids, accumulate((begun.get(run, 0) for run in self._run_ids), initial=0), strict=False))

    def half_cycles(self) -> pl.DataFrame:
        """The shapes of its half cycles, as `HALF_CYCLES`."""
        return self._once("half_cycles", self._store.half_cycles)

    def impedance(self) -> pl.DataFrame:
        """The fits of its spectra, as `IMPEDANCE_FITS`."""
        return self._once("impedance", self._store.impedance_fits)

    def spectra(self) -> list[Spectrum]:
        """Its spectra in the order they were measured."""
        return spectra_of(self._once("points", self._store.impedance), self.events())

    def relaxations(self, most: int = 6) -> list[tuple[Spectrum, Relaxations]]:
        """Distributions of relaxation times of at most so many spectra, evenly spread from the first to the last, with one
        regularisation for all: a resistance without a circuit. Refused and cut-short spectra are left out, and those with an arc
        that reaches beyond its sweep, a part of which would be missing.
        """
        beyond = pl.col("flags").str.split(" ").list.contains(FLAG_OPEN_ARC)
        unusable = self.impedance().filter((pl.col("verdict") == "refused") | beyond).select("run_id", "sweep_count")
        return relaxations_of(self.spectra(), set(unusable.iter_rows()), most)

    def growth_laws(self, quantity: Resistance | str = Resistance.INTERFACE) -> GrowthReport:
        """How a resistance grew with cycle (numbered through all runs), time since the first run began, and charge put through.

        Sweeps that were refused are left out and counted. What the instrument's gain is off by is in all of them.

        Raises:
            BadInput: there is no such resistance.
        """
        if quantity not in list(Resistance):
            raise BadInput("quantity", f'"{quantity}" is no resistance of a cell; there are {", ".join(Resistance)}')
        cycles = self.cycles()
        apparent = quantity == Resistance.APPARENT
        measured = self.numbered(apparent_resistances(cycles) if apparent else spectrum_resistances(self.impedance()))
        stamps = measured["unix_time_nanosecond"].to_numpy()
        return growth_laws(
            measured[str(quantity)].cast(pl.Float64).to_numpy(),
            measured[f"{quantity}_std"].cast(pl.Float64).to_numpy(),
            cycle=measured["cycle_count"].to_numpy(),
            time_second=(stamps - int(self._runs["started_nanosecond"][0])) / 1e9,
            throughput_ah=throughput(cycles, stamps),
            covariates={"polarity": measured["polarity"].to_numpy()},
            leave_out={} if apparent else {"refused": (measured["verdict"] == "refused").to_numpy()},
            noise_std=measured[noise].to_numpy() if (noise := f"{quantity}_noise_std") in measured.columns else None,
            common_relative_std=self.gain_std,
        )

    def dc_beside_impedance(self) -> Agreement:
        """The apparent resistance of a half cycle beside its cycle's spectrum, the last one (`harness.analysis.resistance`)."""
        return cross_check(*last_resistances(self.cycles(), self.impedance()))

    def pairings(self) -> pl.DataFrame:
        """Both pairings of each cycle's charges (`harness.analysis.coulombic.Pairing`), one row per cycle of each run.

        Columns: ``run_id``, ``cycle_count``, ``same_cycle`` and ``next_removal``, each with ``_std`` and ``_refusal``.
        """
        rows = [
            (run[0].run_id, pair.cycle_count, *(part for one in (pair.same_cycle, pair.next_removal) for part in _told(one)))
            for run in self._rows_by_run()
            for pair in pairings(run)
        ]
        return pl.DataFrame(rows, _PAIRINGS, orient="row")

    def shorts(self) -> pl.DataFrame:
        """The half cycles that look shorted, as `HALF_CYCLES`: ``short_grade`` suspect, likely or hard, and the signs as JSON."""
        return self.half_cycles().filter(pl.col("short_grade") != "")

    def reservoir(self, *, programmed_cycles: int | None = None) -> list[ReservoirBlock]:
        """The reservoir blocks of its runs with their efficiency (`harness.analysis.reservoir`), numbered as in `cycle_rows`."""
        runs = self.numbered(self.cycles()).partition_by("run_id", maintain_order=True)
        return [block for run in runs for block in blocks_of_rows(cycle_rows(run), programmed_cycles=programmed_cycles)]

    def slippages(self, *, left_out: Collection[int] = ()) -> pl.DataFrame:
        """Ends of half cycles, slippages, fade and parasitic currents (`harness.analysis.endpoints`), the axis anew in each run.

        Cycles with a sweep are left out where most have none, as those are that are named.

        Raises:
            AnalysisError: the cell has no cycle, or is symmetric.
        """
        runs = self._rows_by_run() or [[]]
        cycles, fits = self.cycles(), self.impedance()
        frames = []
        for run in runs:
            mine = pl.col("run_id") == (run[0].run_id if run else "")
            swept = swept_cycles(fits.filter(mine), cycles.filter(mine))
            frames.append(slippages(run, self.geometry, left_out={*left_out, *swept}))
        named = [frame.insert_column(0, pl.lit(run[0].run_id).alias("run_id")) for frame, run in zip(frames, runs, strict=True)]
        return pl.concat(named)

    def fade(self, *, threshold: float = 0.8) -> Fade:
        """End of life and knee of the capacity that came back, through all its runs (`harness.analysis.fade`).

        Raises:
            AnalysisError: the cell has no cycle, or ``threshold`` is not between 0 and 1.
        """
        series = capacity_series(self.cycle_rows(), left_out=self._swept())
        if not series.cycle.size:
            refused = Estimate.refused("no cycle tells a capacity")
            return Fade(series, threshold, refused, Knee(refused, refused, refused, refused, None, 0))
        ended = end_of_life(series.cycle, series.capacity_ah, threshold=threshold)
        return Fade(series, threshold, ended, knee(series.cycle, series.capacity_ah))

    def lithium(
        self, *, cathode_ah: Estimate = UNKNOWN, efficiency: Estimate | None = None, ended: Ended | None = None
    ) -> LithiumBooks:
        """Its books of lithium (`harness.analysis.lithium`), the inventory from the build that its newest run pinned.

        ``ended`` is told by its runs unless it is stated: shorted, used up (a full cell whose capacity came to its end of life),
        running, else stopped.

        Raises:
            AnalysisError: the cell has no cycle, or what is stated is impossible.
        """
        rows, inventory = self.cycle_rows(), self._inventory()
        return lithium_books(
            rows, self.geometry, inventory, cathode_ah=cathode_ah, efficiency=efficiency, ended=ended or self._ended_by(rows)
        )

    def knee_review(self, *, efficiency: Estimate | None = None) -> KneeReview:
        """The knee that came beside the one that its first cycles would have predicted (`harness.analysis.lithium`).

        Raises:
            AnalysisError: no cycle is whole, or the efficiency is not one.
        """
        return review_knee(self.cycle_rows(), self.geometry, self._inventory(), efficiency=efficiency, left_out=self._swept())

    def _inventory(self) -> Estimate:
        if not self._has_build():
            return Estimate.refused("its run pinned no build")
        return build_inventory(self.anode, float(self._runs["area_cm2"][-1]))

    def _swept(self) -> frozenset[int]:
        """Cycles with a sweep, where most have none, in the numbers of `cycle_rows`."""
        return swept_cycles(self.numbered(self.impedance()), self.cycles())

    def _ended_by(self, rows: Sequence[CycleRow]) -> Ended:
        if rows and not self.shorts().filter(pl.col("short_grade") == FATAL).is_empty():
            return Ended.SHORT
        if rows and self.geometry is Geometry.FULL and self.fade().has_ended:
            return Ended.LITHIUM
        return Ended.RUNNING if self.ended == RUNNING else Ended.STOPPED

    def _has_build(self) -> bool:
        return self._documents()["anode"][0] is not None

    def _rows_by_run(self) -> list[list[CycleRow]]:
        runs = self.cycles().partition_by("run_id", maintain_order=True)
        return [cycle_rows(run) for run in runs]

    def growth(self) -> pl.DataFrame:
        """Interface resistance against cycle and time: the fits that found one.

        ``elapsed_second`` counts from the first of them; ``*_growth`` is the ratio to the first of them.
        """
        fits = self.impedance().filter(pl.col("interface_resistance_ohm").is_not_null())
        resistance, stamp = pl.col("interface_resistance_ohm"), pl.col("unix_time_nanosecond")
        return fits.select(
            "run_id",
            "cycle_count",
            "sweep_count",
            "unix_time_nanosecond",
            ((stamp - stamp.first()) / 1e9).alias("elapsed_second"),
            *_GROWTH_COLUMNS,
            (resistance / resistance.first()).alias("interface_resistance_growth"),
        )


def _told(one: Estimate) -> tuple[float | None, float | None, str | None]:
    return one.value, one.std, one.refusal or None
