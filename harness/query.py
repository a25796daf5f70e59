"""The scientist's one import: questions about cells, answered as frames wherever the data are.

::

    from harness.query import Lab

    with Lab.open("site.toml") as lab:
        print(lab.cells(claim=12, substrate="metal_foil"))
        cycles = lab.cell("cu-01").cycles()
        print(lab.coulombic_efficiency("cu-01"))
        print(lab.compare(by="claim_12", metric="area_specific_resistance_growth", baseline="does_not"))

`Lab.open` reads a station's own directory, `Lab.connect` an InfluxDB or a data server; all answer with the same frames, whose
columns `harness.store.base` declares. A cell that was moved to another channel has several runs; its views join them in time.
Nothing here writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

import httpx
import polars as pl
from polars.exceptions import PolarsError

from harness.analysis.coulombic import MeanEfficiency, mean_coulombic_efficiency
from harness.analysis.lithium import BuildLithium, build_lithium
from harness.config import load_site
from harness.errors import BadInput
from harness.lab.cell import CellView
from harness.lab.cohort import Comparison, Member, compare_cells
from harness.lab.rows import cycle_rows
from harness.lab.spectra import Spectrum
from harness.model.anode_facts import claim_name
from harness.model.claims import CLAIMS, Verdict
from harness.store.base import Store
from harness.store.http import HttpStore
from harness.store.influx import InfluxSettings
from harness.store.influx_query import InfluxStore
from harness.store.local import JOURNAL_NAME, LocalStore

__all__ = ["CellView", "Comparison", "Lab", "Spectrum", "cycle_rows"]

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
COLUMNS = ("cell", *_CELL_COLUMNS, "runs", "started_nanosecond", "ended_nanosecond", *_ANODE_COLUMNS)
"""Those of `Lab.cells`, by each of which cells can be chosen."""


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
            BadInput: ``url`` is neither, or names no host or an impossible port.
        """
        parts = _parts_of(url)
        if parts.scheme in ("http", "https"):
            return cls(HttpStore(url, token=token))
        database = parts.path.strip("/")
        if parts.scheme not in _INFLUX_SCHEMES or not database:
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
        ``substrate="metal_foil"``, ``counter=["Cu", "Li"]``, ``batch=None``. Text is read as what the column holds
        (``replicate="1"``). A cell whose run pinned no build has no verdict.

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

    def compare(
        self, by: str, metric: str, *, baseline: object = None, at_cycle: int | None = None, **facts: object
    ) -> Comparison:
        """Groups of cells compared on one number per cell: what a build changes, and what difference could have been seen.

        ``by`` is a column of `cells`: a fact of the build or the cell (``substrate``, ``batch``), or the verdict on a claim
        (``claim_12``). ``metric`` is one of `harness.lab.metrics.METRICS`, some of which can be asked for ``at_cycle``, or
        ``cycle_life``. Every group is compared with ``baseline``, or every pair of groups. ``facts`` choose the cells, as in
        `cells`. A cell of which ``by`` is not known, or that has no value, is left out with its reason.

        Raises:
            BadInput: there is no such column, metric or value.
            AnalysisError: the cells are of several geometries, fewer than two groups have cells with a value, ``baseline`` is
                none of them, or no cell has failed yet.
        """
        members = self.members(by, **facts)
        return compare_cells(members, by, metric, baseline=_group_name(baseline), at_cycle=at_cycle)

    def members(self, by: str, **facts: object) -> list[Member]:
        """The cells that have ``facts`` (as in `cells`), each with its group by the column ``by``.

        Raises:
            BadInput: there is no such column or value.
        """
        cells = self.cells(**facts)  # type: ignore[arg-type]
        if by not in cells.columns:
            raise BadInput("by", f'cells have no column "{by}"; they have {", ".join(cells.columns)}')
        runs = self.runs()
        return [
            Member(CellView(self.store, cell, runs.filter(pl.col("cell") == cell)), _group_name(value))
            for cell, value in cells.select("cell", pl.col(by).alias("group")).iter_rows()
        ]

    def lithium(self, **facts: object) -> BuildLithium:
        """The books of lithium of the cells that have ``facts`` (as in `cells`), summed: ``lab.lithium(build="stack-7")``.

        Raises:
            BadInput: there is no such column or value.
            AnalysisError: no such cell has a cycle.
        """
        views = [self.cell(cell) for cell in self.cells(**facts)["cell"]]  # type: ignore[arg-type]
        return build_lithium([view.lithium() for view in views if view.cycles().height])

    def coulombic_efficiency(self, cell: str) -> MeanEfficiency:
        """The charge-weighted mean over the complete cycles of ``cell`` after formation, with its standard deviation."""
        return mean_coulombic_efficiency(cycle_rows(self.cell(cell).cycles()))


def _parts_of(url: str) -> SplitResult:
    """The parts of a URL that names a host and no impossible port; all of them empty for every other text."""
    nothing = urlsplit("")
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        port = parts.port
    except (httpx.InvalidURL, ValueError):
        return nothing
    return parts if parts.hostname and port != 0 else nothing


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
    matches = [pl.col(name).eq_missing(pl.lit(_value_of(value, name, cells.schema[name]))) for value in values]
    try:
        return cells.filter(pl.any_horizontal(pl.lit(value=False), *matches))
    except PolarsError:
        raise _no_value(wanted, name, cells.schema[name]) from None


def _value_of(wanted: object, name: str, kind: pl.DataType) -> object:
    """``wanted`` as the column ``name`` of the ``kind`` holds it: text may be a number, and of a claim it is a verdict."""
    if not isinstance(wanted, str):
        return wanted
    if name.startswith("claim_"):
        return _known_verdict(wanted)
    value = pl.Series([str(wanted)]).cast(kind, strict=False)[0]
    if value is None:
        raise _no_value(wanted, name, kind)
    return value


def _no_value(wanted: object, name: str, kind: pl.DataType) -> BadInput:
    return BadInput(name, f"{wanted!r} is no value of this column, which holds {kind}")


def _group_name(value: object) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
