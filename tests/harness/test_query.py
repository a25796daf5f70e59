"""What a scientist asks, of a station's directory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.analysis.coulombic import mean_coulombic_efficiency
from harness.errors import BadInput
from harness.model.derived import CycleRow, ImpedanceFitRow
from harness.model.records import ImpedancePoint, Incident, Record, RunEnded, RunStarted, Sample, SweepEnded
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.query import COLUMNS, Lab, cycle_rows
from harness.store.derived import DerivedStore
from harness.store.http import HttpStore
from harness.store.influx_query import InfluxStore
from harness.stream.journal import Journal

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_767_225_600 * SECOND
LATER = RunContext("lab3", "b2", "cu-01", "thin", "cu-01-20260102t000000")
EARLIER = RunContext("lab3", "a1", "cu-01", "thick", "cu-01-20260101t000000")
OTHER = RunContext("lab3", "a2", "station-2", "thin", "station-2-20260101t000000")
STATION = RunContext("lab3", "station", "station", "none", "station-20260101t000000")
FACTS = RunFacts(
    geometry=Geometry.DEPOSIT,
    area_cm2=1.27,
    nominal_capacity_ah=None,
    cell_revision=1,
    build_revision=1,
    description="",
    schedule_name="plain",
    schedule_text="",
    schedule_sha256="",
    plan="{}",
    driver="methodscript",
    instrument_model="EmStat4S HR",
    instrument_serial="EMU0001",
    instrument_firmware="1.3",
    software_version="0.1.0",
    accuracy_offset=2e-4,
    accuracy_gain=2e-4,
    adc_bits=16,
    time_scale=1.0,
)


def sweep(run_id: str, begin: int, seq: int, count: int, points: int, *, complete: bool) -> list[Record]:
    made: list[Record] = [
        ImpedancePoint(
            run_id,
            seq + index,
            begin + seq + index,
            1.0,
            1.0,
            index,
            1e5 / 10**index,
            5.0 + index,
            -1.0 * index,
            count,
            count,
            1,
            "eis",
            Role.PROBE,
            "",
        )
        for index in range(points)
    ]
    made.append(SweepEnded(run_id, seq + points, begin + seq + points, count, count, 1, points, complete))
    return made


def records_of(context: RunContext, begin: int) -> list[Record]:
    run_id = context.run_id
    if context is STATION:
        return [Incident(run_id, 1, begin + 1, "info", "started", "")]
    made: list[Record] = [Sample(run_id, 1, begin + 1, 0.0, 0.0, 0.5, -1e-3, 1, 1, "plate", Role.PLATE, 1e-3, "")]
    made += sweep(run_id, begin, 2, 1, 4, complete=True)
    made += sweep(run_id, begin, 7, 2, 2, complete=False)
    if context is EARLIER:
        made.append(RunEnded(run_id, 10, begin + 10, completed=False, reason="stopped"))
    return made


def cycle(context: RunContext, count: int, plated: float, stripped: float | None) -> CycleRow:
    value = None if stripped is None else stripped / plated
    known = None if value is None else 1e-3
    offset = None if value is None else 6e-4
    half = (plated, 1e-7, stripped, None if stripped is None else 1e-7)
    stamp = START + count * HOUR
    flags = "incomplete" if stripped is None else "formation" if count == 1 else ""
    return CycleRow(context.run_id, count, stamp, "cycle", *half, value, known, offset, *(None,) * 5, flags, "1")


def fit(context: RunContext, count: int, stamp: int, resistance: float | None) -> ImpedanceFitRow:
    area = None if resistance is None else 1.27 * resistance
    return ImpedanceFitRow(context.run_id, count, stamp, count, 5.0, 0.1, resistance, 0.2, area, 0.3, 1e-3, "", "1")


CYCLES = [cycle(EARLIER, 1, 1e-3, 0.8e-3), cycle(EARLIER, 2, 1e-3, 0.98e-3), cycle(EARLIER, 3, 3e-3, 2.97e-3)]
CYCLES_LATER = [cycle(LATER, 1, 1e-3, 0.9e-3), cycle(LATER, 2, 2e-3, 1.98e-3), cycle(LATER, 3, 1e-3, None)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab3")

    async def main() -> None:
        async with Journal(path / "journal.sqlite") as journal:
            for context, begin in ((LATER, START + 24 * HOUR), (EARLIER, START), (OTHER, START + HOUR), (STATION, START)):
                facts = replace(FACTS, geometry=Geometry.SYMMETRIC if context is OTHER else Geometry.DEPOSIT)
                journal.begin_run(context, RunStarted(context.run_id, 0, begin, facts))
                for record in records_of(context, begin):
                    journal.append(record)
            await journal.flush()

    asyncio.run(main())
    with DerivedStore(path / "derived.sqlite") as derived:
        derived.put(LATER, [*CYCLES_LATER, fit(LATER, 1, START + 26 * HOUR, 40.0)])
        derived.put(EARLIER, [*CYCLES, fit(EARLIER, 1, START + HOUR, 20.0), fit(EARLIER, 2, START + 2 * HOUR, None)])
    return path


@pytest.fixture
def lab(directory: Path) -> Iterator[Lab]:
    with Lab.open(directory) as opened:
        yield opened


def test_lab_lists_cells_by_their_newest_run(lab: Lab) -> None:
    """A moved cell is one row: what its newest run says, when its first began; the station's own run is no cell."""
    cells = lab.cells()
    assert cells["cell"].to_list() == ["cu-01", "station-2"]
    row = cells.row(0, named=True)
    assert (row["build"], row["channel"], row["runs"], row["run_id"]) == ("thin", "b2", 2, LATER.run_id)
    assert (row["started_nanosecond"], row["ended_nanosecond"]) == (START, None)
    assert cells["geometry"].to_list() == ["deposit", "symmetric"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"claim": 0}, "claim: 0 is not a claim; they are 1 to 20"),
        ({"claim": 21}, "claim: 21 is not a claim"),
        ({"claim": 1, "verdict": "yes"}, 'verdict: "yes" is not a verdict; say one of meets, does_not, cannot_tell'),
        ({"verdict": "does_not"}, 'verdict: "does_not" is said of a claim; say of which, as in claim=12'),
        ({"colour": "red"}, "colour: cells have no such column; they have cell, build, "),
        ({"layer_count": "three"}, "layer_count: 'three' is no value of this column, which holds Int64"),
        ({"layer_count": ["1", "three"]}, "layer_count: 'three' is no value of this column, which holds Int64"),
        ({"claim_1": ["meets", "yes"]}, 'verdict: "yes" is not a verdict; say one of meets, does_not, cannot_tell'),
        ({"substrate": 3}, "substrate: 3 is no value of this column, which holds String"),
    ],
)
def test_cells_refuses_a_question_it_cannot_answer(lab: Lab, asked: dict[str, Any], complaint: str) -> None:
    """A claim, a verdict, a column or a value that cannot be is said so in one sentence."""
    with pytest.raises(BadInput) as caught:
        lab.cells(**asked)
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("asked", "cells"),
    [
        ({"runs": "2"}, ["cu-01"]),
        ({"runs": ["1", "2"]}, ["cu-01", "station-2"]),
        ({"area_cm2": "1.270"}, ["cu-01", "station-2"]),
        ({"cell": ["station-2", "none"], "geometry": ["symmetric"]}, ["station-2"]),
        ({"geometry": Geometry.DEPOSIT}, ["cu-01"]),
        ({"replicate": ["1", None]}, ["cu-01", "station-2"]),
    ],
)
def test_cells_are_chosen_by_text_of_any_column(lab: Lab, asked: dict[str, Any], cells: list[str]) -> None:
    """Text is read as what the column holds, alone or in a list."""
    assert lab.cells(**asked)["cell"].to_list() == cells


def test_columns_of_cells_are_those_that_can_be_asked_for(lab: Lab) -> None:
    """None is missing from the list that a wrong name is answered with."""
    assert lab.cells().columns == list(COLUMNS)


def test_cell_of_an_old_run_has_no_build_to_show(lab: Lab) -> None:
    """What the first version did not pin cannot be answered, and the run is named; no cell meets a claim by it."""
    for question in (lambda: lab.cell("cu-01").anode, lambda: lab.cell("cu-01").verdicts()):
        with pytest.raises(BadInput, match=f"run {LATER.run_id} was started before builds were registered"):
            question()
    assert lab.cells(claim=1).is_empty()
    assert lab.cells(substrate=None).height == 2


def test_cell_joins_its_runs_in_time(lab: Lab) -> None:
    """Samples, events and cycles of both runs come in the order in which they happened."""
    cell = lab.cell("cu-01")
    assert cell.build == "thin"
    order = [EARLIER.run_id, LATER.run_id]
    assert cell.runs()["run_id"].to_list() == order
    for frame in (cell.samples(), cell.events(), cell.cycles(), cell.impedance()):
        assert frame["run_id"].unique(maintain_order=True).to_list() == order
    assert cycle_rows(cell.cycles()) == CYCLES + CYCLES_LATER


def test_unknown_cell_is_refused_with_the_known_ones(lab: Lab) -> None:
    """A misspelt cell names those that are there, and the station is not one of them."""
    with pytest.raises(BadInput, match=r'"cu-1" has no run here; there are cu-01, station-2$'):
        lab.cell("cu-1")
    with pytest.raises(BadInput, match='"station" has no run'):
        lab.cell("station")


def test_spectra_are_whole_sweeps(lab: Lab) -> None:
    """Points are joined by sweep, in the order measured, and a cut sweep is told from a complete one."""
    spectra = lab.cell("cu-01").spectra()
    found = [(one.run_id, one.sweep_count, one.cycle_count, one.complete, len(one.frequency_hertz)) for one in spectra]
    assert found == [(run.run_id, n, n, n == 1, 6 - 2 * n) for run in (EARLIER, LATER) for n in (1, 2)]
    first = spectra[0]
    assert first.frequency_hertz.tolist() == [1e5, 1e4, 1e3, 1e2]
    assert first.real_impedance_ohm.tolist() == [5.0, 6.0, 7.0, 8.0]
    assert first.imaginary_impedance_ohm.tolist() == [0.0, -1.0, -2.0, -3.0]
    assert first.unix_time_nanosecond == START + 2


def test_what_a_page_asks_twice_is_read_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spectra are drawn, their relaxation times sought, and incidents listed: one view reads points and events once."""
    cell = lab.cell("cu-01")
    store, asked = type(cell._store), []

    def counted(name: str) -> Callable[..., Any]:
        ask = getattr(store, name)

        def asking(*given: Any) -> Any:
            asked.append(name)
            return ask(*given)

        return asking

    for name in ("impedance", "events"):
        monkeypatch.setattr(store, name, counted(name))
    for _ in range(2):
        assert len(cell.spectra()) == 4
        assert cell.relaxations() == []
        assert not cell.events().is_empty()
    assert sorted(asked) == ["events", "impedance"]


def test_growth_counts_from_the_first_fit(lab: Lab) -> None:
    """Time and ratio are relative to the first sweep with a resistance; one without is left out."""
    growth = lab.cell("cu-01").growth()
    assert growth["elapsed_second"].to_list() == [0.0, 25 * 3600.0]
    assert growth["interface_resistance_growth"].to_list() == [1.0, 2.0]
    assert growth["interface_resistance_ohm_std"].to_list() == [0.2, 0.2]


def test_cell_without_derived_rows_has_empty_tables(lab: Lab) -> None:
    """Nothing derived is no error: tables are empty, and there is no efficiency."""
    cell = lab.cell("station-2")
    assert cell.cycles().is_empty()
    assert cell.growth().is_empty()
    assert cell.growth().schema["elapsed_second"] == pl.Float64
    found = lab.coulombic_efficiency("station-2")
    assert (found.coulombic_efficiency, found.coulombic_efficiency_std, found.cycles) == (None, None, 0)


def test_efficiency_weighs_by_charge_and_keeps_the_offset_whole(lab: Lab) -> None:
    """ΣQ_strip/ΣQ_plate over the complete cycles after formation; the common offset does not average out."""
    found = lab.coulombic_efficiency("cu-01")
    assert found == mean_coulombic_efficiency(CYCLES + CYCLES_LATER)
    assert found.cycles == 3
    assert found.coulombic_efficiency == pytest.approx((0.98 + 2.97 + 1.98) / 6, rel=1e-12)
    assert found.coulombic_efficiency_std is not None
    independent = math.sqrt(1e-3**2 - 6e-4**2)
    assert 6e-4 < found.coulombic_efficiency_std < math.hypot(6e-4, independent)


def test_lab_opens_a_site_file(directory: Path, tmp_path: Path) -> None:
    """A site file leads to the state directory of its station."""
    site = tmp_path / "site.toml"
    site.write_text(
        f"""
station = "lab3"
state = "{directory}"

[[channel]]
name = "a1"
driver = "methodscript"
url = "socket://127.0.0.1:1"
window = ["-0.5 V", "4.5 V"]
current = "5 mA"
"""
    )
    with Lab.open(str(site)) as lab:
        assert lab.cells().height == 2


def test_lab_refuses_a_place_without_journal(tmp_path: Path) -> None:
    """A directory that is no station's says what to name instead."""
    with pytest.raises(BadInput, match=r"there is no journal\.sqlite in it"):
        Lab.open(tmp_path)


def test_lab_connects_by_the_scheme() -> None:
    """influxdb:// is an InfluxDB with its database, http:// a data server."""
    with Lab.connect("influxdb://127.0.0.1:8086/harness", token="a:b") as lab:
        assert isinstance(lab.store, InfluxStore)
    with Lab.connect("http://127.0.0.1:8080/") as lab:
        assert isinstance(lab.store, HttpStore)


@pytest.mark.parametrize("url", ["influxdb://127.0.0.1:8086", "influxdb:///harness", "ftp://127.0.0.1/x", "lab3", ""])
def test_lab_refuses_what_is_no_store(url: str) -> None:
    """Anything else names both forms."""
    with pytest.raises(BadInput, match="is no store; write influxdb://"):
        Lab.connect(url)


@pytest.mark.parametrize("host", ["nohost:99x", "nohost:65536", "[bad", ":8086", "a\x00b", "exa\N{ACCOUNT OF}mple", "user@"])
@pytest.mark.parametrize("scheme", ["influxdb", "influxdbs", "http", "https"])
def test_lab_refuses_a_url_that_names_no_host_and_port(scheme: str, host: str) -> None:
    """One sentence with both forms, whatever is wrong with it."""
    with pytest.raises(BadInput, match="is no store; write influxdb://"):
        Lab.connect(f"{scheme}://{host}/db")
