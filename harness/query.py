"""The scientist's one import: questions about cells, answered as frames wherever the data are.

::

    from harness.query import Lab

    with Lab.open("site.toml") as lab:
        print(lab.cells(claim=12, substrate="metal_foil"))
        cycles = lab.cell("cu-01").cycles()
        print(lab.coulombic_efficiency("cu-01"))

`Lab.open` reads a station's own directory, `Lab.connect` an InfluxDB or a data server; all answer with the same frames, whose
columns `harness.store.base` declares. A cell that was moved to another channel has several runs; its views join them in time.
Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from harness.analysis.coulombic import MeanEfficiency, mean_coulombic_efficiency
from harness.config import load_site
from harness.errors import BadInput
from harness.model.anode import AnodeBuild
from harness.model.anode_facts import claim_name, findings_from
from harness.model.claims import CLAIMS, Verdict
from harness.model.derived import CycleRow
from harness.store.base import Store
from harness.store.http import HttpStore
from harness.store.influx import InfluxSettings
from harness.store.influx_query import InfluxStore
from harness.store.local import JOURNAL_NAME, LocalStore

Array = npt.NDArray[np.float64]

_INFLUX_SCHEMES = {"influxdb": "http", "influxdbs": "https"}
_STATION_RUN = r"^station-\d{8}t\d{6}$"
_CELL_COLUMNS = ("build", "geometry", "area_cm2", "channel", "schedule_name", "description", "run_id")
_ANODE_COLUMNS = (
    "build_revision",
    "substrate",
    "lithium_origin",
    "lithium_thickness_um",
    "layer_count",
    "co_deposition_gas",
    "counter",
    "electrolyte",
    "electrolyte_volume_ul",
    "separator",
    "stack_pressure_kpa",
    "assembled_at",
    "batch",
    "replicate",
    *map(claim_name, CLAIMS),
)
_VERDICTS = pl.Schema(
    {"claim": pl.Int64, "strict": pl.String, "broad": pl.String, "reason": pl.String, "broad_reason": pl.String}
)
_GROWTH_COLUMNS = (
    "interface_resistance_ohm",
    "interface_resistance_ohm_std",
    "area_specific_resistance_ohm_cm2",
    "area_specific_resistance_ohm_cm2_std",
)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """One sweep, in the order it was measured: three arrays of one length, in hertz and ohm.

    ``imaginary_impedance_ohm`` is negative when capacitive. ``complete`` is false for a sweep that was cut short or is still
    running. ``unix_time_nanosecond`` is the stamp of its first point.
    """

    run_id: str
    sweep_count: int
    cycle_count: int
    unix_time_nanosecond: int
    frequency_hertz: Array
    real_impedance_ohm: Array
    imaginary_impedance_ohm: Array
    complete: bool


class Lab:
    """All cells of one store. A context manager; closing it closes the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def open(cls, site_or_directory: str | Path, *, engine: Literal["sqlite3", "adbc"] = "sqlite3") -> Self:
        """The station of a site file, or of a state directory.

        ``engine="adbc"`` reads three times as fast; never use it in a process that also writes the journal (see `LocalStore`).

        Raises:
            BadInput: there is no such file or directory, or no journal in it.
        """
        path = Path(site_or_directory)
        directory = load_site(path).state_directory if path.suffix == ".toml" else path
        if not (directory / JOURNAL_NAME).is_file():
            raise BadInput(str(directory), f"there is no {JOURNAL_NAME} in it; name a site file or a station's directory")
        return cls(LocalStore(directory, engine=engine))

    @classmethod
    def connect(cls, url: str, *, token: str | None = None) -> Self:
        """A store on the network: ``influxdb://host:port/database`` (``influxdbs`` with TLS), or ``http(s)://`` of a data server.

        Raises:
            BadInput: ``url`` is neither.
        """
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            return cls(HttpStore(url, token=token))
        database = parts.path.strip("/")
        if parts.scheme not in _INFLUX_SCHEMES or not parts.netloc or not database:
            raise BadInput("url", f'"{url}" is no store; write influxdb://host:8086/database or http://host:8080')
        return cls(InfluxStore(InfluxSettings(f"{_INFLUX_SCHEMES[parts.scheme]}://{parts.netloc}", database, token)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def runs(self) -> pl.DataFrame:
        """Every run of a cell, in the order of their starts; the station's own are left out."""
        return self.store.runs().filter(~pl.col("run_id").str.contains(_STATION_RUN))

    def cells(self, *, claim: int | None = None, verdict: str | None = None, **facts: object) -> pl.DataFrame:
        """One row per cell, sorted by ``cell``: what its newest run says of it, how many runs it had, and when.

        ``claim`` keeps the cells whose build meets that claim by its strict reading, or has another ``verdict`` (``does_not``,
        ``cannot_tell``). Every further argument names a column and the value it must have, or a list of values to choose from:
        ``substrate="metal_foil"``, ``counter=["Cu", "Li"]``, ``batch=None``. A cell whose run pinned no build has no verdict.

        Raises:
            BadInput: there is no such claim, verdict or column, or a verdict without a claim.
        """
        cells = (
            self.runs()
            .group_by("cell")
            .agg(
                pl.col(_CELL_COLUMNS).last(),
                pl.len().cast(pl.Int64).alias("runs"),
                pl.col("started_nanosecond").min(),
                pl.col("ended_nanosecond").last(),
                pl.col(_ANODE_COLUMNS).last(),
            )
            .sort("cell")
        )
        if claim is not None:
            facts = {**facts, _claim_column(claim): _known_verdict(verdict or Verdict.MEETS)}
        elif verdict is not None:
            raise BadInput("verdict", f'"{verdict}" is said of a claim; say of which, as in claim=12')
        for name, wanted in facts.items():
            if name.startswith("claim_") and isinstance(wanted, str):
                _known_verdict(wanted)
            cells = _having(cells, name, wanted)
        return cells

    def cell(self, cell: str) -> CellView:
        """What is known of one cell.

        Raises:
            BadInput: no run of such a cell is in the store.
        """
        runs = self.runs()
        mine = runs.filter(pl.col("cell") == cell)
        if mine.is_empty():
            known = ", ".join(sorted(set(runs["cell"].to_list()))) or "none at all"
            raise BadInput("cell", f'"{cell}" has no run here; there are {known}')
        return CellView(self.store, cell, mine)

    def coulombic_efficiency(self, cell: str) -> MeanEfficiency:
        """The charge-weighted mean over the complete cycles of ``cell`` from the second on, with its standard deviation."""
        return mean_coulombic_efficiency(cycle_rows(self.cell(cell).cycles()))


class CellView:
    """One cell through all its runs. Every call asks the store anew, for the runs known when the view was made."""

    def __init__(self, store: Store, cell: str, runs: pl.DataFrame) -> None:
        self._store = store
        self._runs = runs
        self._run_ids: list[str] = runs["run_id"].to_list()
        self.cell = cell

    @property
    def build(self) -> str:
        """The id of its anode's build, as its newest run has it."""
        return str(self._runs["build"][-1])

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
        text = self._store.documents(self._run_ids[-1:])[name][0]
        if text is None:
            run = self._run_ids[-1]
            raise BadInput("cell", f'"{self.cell}" has no pinned build: run {run} was started before builds were registered')
        return str(text)

    def runs(self) -> pl.DataFrame:
        """Its runs, as `RUNS`."""
        return self._runs

    def samples(self) -> pl.DataFrame:
        """Its samples, as `SAMPLES`."""
        return self._store.samples(self._run_ids)

    def events(self) -> pl.DataFrame:
        """What happened, as `EVENTS`."""
        return self._store.events(self._run_ids)

    def cycles(self) -> pl.DataFrame:
        """Its cycles, as `CYCLES`."""
        return self._store.cycles(self._run_ids)

    def impedance(self) -> pl.DataFrame:
        """The fits of its spectra, as `IMPEDANCE_FITS`."""
        return self._store.impedance_fits(self._run_ids)

    def spectra(self) -> list[Spectrum]:
        """Its spectra in the order they were measured."""
        points = self._store.impedance(self._run_ids)
        ended = self._store.events(self._run_ids).filter(pl.col("complete"))
        whole = set(ended.select("run_id", "sweep_count").iter_rows())
        sweeps = points.partition_by("run_id", "sweep_count", maintain_order=True)
        return [_spectrum(sweep, whole) for sweep in sweeps]

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


def _claim_column(claim: int) -> str:
    if claim not in CLAIMS:
        raise BadInput("claim", f"{claim} is not a claim; they are {CLAIMS[0]} to {CLAIMS[-1]}")
    return claim_name(claim)


def _known_verdict(verdict: str) -> str:
    if verdict not in list(Verdict):
        raise BadInput("verdict", f'"{verdict}" is not a verdict; say one of {", ".join(Verdict)}')
    return str(verdict)


def _having(cells: pl.DataFrame, name: str, wanted: object) -> pl.DataFrame:
    """The rows whose column ``name`` has the value ``wanted``, or one of them."""
    if name not in cells.columns:
        raise BadInput(name, f"cells have no such column; they have {', '.join(cells.columns)}")
    values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    matches = [pl.col(name).eq_missing(pl.lit(value)) for value in values]
    try:
        return cells.filter(pl.any_horizontal(pl.lit(value=False), *matches))
    except PolarsError:
        raise BadInput(name, f"{wanted!r} is no value of this column, which holds {cells.schema[name]}") from None


def cycle_rows(frame: pl.DataFrame) -> list[CycleRow]:
    """The rows of a frame of cycles, as what the analysis takes."""
    return [CycleRow(*row) for row in frame.select([field.name for field in fields(CycleRow)]).iter_rows()]


def _spectrum(sweep: pl.DataFrame, whole: set[tuple[str, int]]) -> Spectrum:
    identity = (str(sweep["run_id"][0]), int(sweep["sweep_count"][0]))
    return Spectrum(
        *identity,
        int(sweep["cycle_count"][0]),
        int(sweep["unix_time_nanosecond"][0]),
        sweep["frequency_hertz"].to_numpy(),
        sweep["real_impedance_ohm"].to_numpy(),
        sweep["imaginary_impedance_ohm"].to_numpy(),
        complete=identity in whole,
    )
