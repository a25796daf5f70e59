"""The dashboards are what their source builds, and every query in them is answered by a real InfluxDB."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from grafana import build
from harness.model.anode_facts import claim_name
from harness.model.claims import CLAIMS
from harness.model.derived import CycleRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import ImpedancePoint, Incident, Sample, StepEnded
from harness.model.run import RunFacts
from tests.dashboard_runs import AREA_CM2, CELLS, CYCLES, START, efficiency, interface, lines_of_run
from tests.services import Influxd

GRAFANA = Path(build.__file__).parent
TAGS = {"station", "channel", "cell", "build", "run"}
DASHBOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in build.built().items()}
QUERIES = [
    pytest.param(name, panel, target, id=f"{name}-{panel['title']}-{target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel["targets"]
]
VARIABLES = [
    pytest.param(variable["query"], id=f"{name}-{variable['name']}")
    for name, dashboard in DASHBOARDS.items()
    for variable in dashboard["templating"]["list"]
    if variable["type"] == "query"
]
SUBSTITUTES = {
    "$timeFilter": f"time >= {START // 10**6}ms AND time <= {START // 10**6 + 3_600_000}ms",
    "${cell:regex}": "(" + "|".join(re.escape(cell) for cell in CELLS) + ")",
    "${build:regex}": "(bare|gold-5nm)",
    "${claim}": "1",
    "${verdict:regex}": "(does_not|meets)",
    "${substrate:regex}": "(metal_foil|none)",
    "${lithium_origin:regex}": "(deposited|foil)",
    "${lithium_thickness_band:regex}": "20_to_50um",
    "${co_deposition_gas:regex}": "(C2H2\\+CO2|none)",
    "${layer_count:regex}": "(0|3)",
    "${counter:regex}": "Cu",
    "${electrolyte:regex}": "1 M LiPF6 EC:DMC, 10 % FEC",
    "${batch:regex}": "b-7",
    "$first_cycle": "3",
    "$__interval_ms": "10000",
    "$__interval": "10s",
    "$sweep": "1",
    "$cell": "cu-01",
    "$run": "cu-01-20260101t000000",
}

Series = dict[str, Any]


class Influx:
    """A database of a real influxd."""

    def __init__(self, url: str, database: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False)
        self._database = database

    def write(self, lines: list[str]) -> None:
        self._client.post("/query", params={"q": f"CREATE DATABASE {self._database}"}).raise_for_status()
        answer = self._client.post("/write", params={"db": self._database, "precision": "ns"}, content="\n".join(lines).encode())
        assert answer.status_code == 204, answer.text

    def ask(self, query: str) -> list[Series]:
        answer = self._client.post("/query", params={"db": self._database, "epoch": "ms"}, data={"q": query})
        answer.raise_for_status()
        result = answer.json()["results"][0]
        assert "error" not in result, f"{result['error']}: {query}"
        return list(result.get("series", []))

    def close(self) -> None:
        self._client.close()


def substituted(query: str) -> str:
    """The query as Grafana sends it."""
    for name, value in SUBSTITUTES.items():
        query = query.replace(name, value)
    assert "$" not in query.replace("$/", ""), f"an unknown variable is left in {query}"
    return query


def rows_of(series: list[Series]) -> list[dict[str, Any]]:
    """Rows as Grafana's table format has them: columns, and the tags of GROUP BY."""
    return [dict(zip(one["columns"], row, strict=True)) | one.get("tags", {}) for one in series for row in one["values"]]


@pytest.fixture(scope="module")
def influx(influxd: Influxd) -> Iterator[Influx]:
    """A database of a real influxd, filled with three small runs through the codec."""
    database = Influx(influxd.url, "dashboards")
    for number, (cell, build_id) in enumerate(CELLS.items()):
        database.write(lines_of_run(f"a{number + 1}", cell, build_id))
    yield database
    database.close()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_committed_is_what_its_source_builds(name: str) -> None:
    """The committed JSON is byte for byte what the source builds."""
    assert (build.DIRECTORY / name).read_text() == build.built()[name]


def test_dashboard_build_is_the_same_under_any_hash_seed() -> None:
    """Another process with another hash seed agrees with the committed files."""
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, "-m", "grafana.build", "--check"], check=True, env=environment, cwd=GRAFANA.parent)


def test_dashboard_check_names_a_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check exits with 1 and names what differs, and a build then repairs it."""
    monkeypatch.setattr(build, "DIRECTORY", tmp_path)
    (tmp_path / "cell.json").write_text(build.built()["cell.json"])
    assert build.main(["--check"]) == 1
    assert "fleet.json" in capsys.readouterr().err
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_panels_have_ids_and_do_not_overlap(name: str) -> None:
    """Every panel has its own id and its own place on the 24 columns."""
    panels = DASHBOARDS[name]["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) == 23


@pytest.mark.service
@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_dashboard_query_is_answered(influx: Influx, name: str, panel: dict[str, Any], target: dict[str, Any]) -> None:
    """Every query of every panel brings rows, and each of its columns has a value in some row."""
    assert target["rawQuery"] is True
    assert target["datasource"] == {"type": "influxdb", "uid": "${datasource}"}
    series = influx.ask(substituted(target["query"]))
    rows = rows_of(series)
    assert rows, f"{name}, {panel['title']}: no rows for {target['query']}"
    empty = {column for column in rows[0] if all(row[column] is None for row in rows)}
    assert not empty, f"{name}, {panel['title']}: {empty} are always empty"


@pytest.mark.service
@pytest.mark.parametrize("query", VARIABLES)
def test_dashboard_variable_has_values(influx: Influx, query: str) -> None:
    """Every variable lists values."""
    assert rows_of(influx.ask(substituted(query)))


@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_dashboard_query_names_only_fields_that_exist(name: str, panel: dict[str, Any], target: dict[str, Any]) -> None:
    """Every quoted name is a tag, an alias, or a field of a dataclass behind the query's measurement."""
    known = {
        "sample": (Sample,),
        "spectrum": (ImpedancePoint,),
        "cycle": (CycleRow,),
        "impedance_fit": (ImpedanceFitRow,),
        "half_cycle": (HalfCycleRow,),
        "event": (Incident, StepEnded),
        "cell": (RunFacts,),
    }
    query = target["query"]
    measurement = re.search(r'FROM "(\w+)"', query)
    assert measurement is not None, f"{name}, {panel['title']} reads no measurement"
    fields = {field.name for made in known[measurement[1]] for field in dataclasses.fields(made)}
    tags = {"spectrum": {"frequency_index"}, "event": {"incident"}, "cell": {"lithium_thickness_band", *map(claim_name, CLAIMS)}}
    extra = tags.get(measurement[1], set()) | (
        {"absent"} if measurement[1] in ("cycle", "impedance_fit", "half_cycle") else set()
    )
    aliases = set(re.findall(r'AS "(\w+)"', query))
    unknown = set(re.findall(r'"(\w+)"', query)) - fields - extra - aliases - TAGS - {measurement[1]}
    assert not unknown, f"{name}, {panel['title']}: {unknown}"


@pytest.mark.service
@pytest.mark.parametrize(("name", "panel"), [(name, panel) for name, made in DASHBOARDS.items() for panel in made["panels"]])
def test_dashboard_transformations_name_columns_that_come(influx: Influx, name: str, panel: dict[str, Any]) -> None:
    """What a panel renames, orders, joins or partitions by is a column of its answers, so that no typo hides a number."""
    columns = {"Time"}
    for target in panel["targets"]:
        for row in rows_of(influx.ask(substituted(target["query"]))):
            columns |= row.keys()
    for step in panel.get("transformations", []):
        options = step["options"]
        named = {*options.get("renameByName", {}), *options.get("excludeByName", {}), *options.get("fields", [])}
        named |= {options["byField"]} if "byField" in options else set()
        assert named <= columns, f"{name}, {panel['title']}: {named - columns}"
        renamed = {**dict.fromkeys(columns), **options.get("renameByName", {})}
        shown = {new or old for old, new in renamed.items()} - options.get("excludeByName", {}).keys()
    overridden = [one["matcher"] for one in panel["fieldConfig"]["overrides"] if one["matcher"]["id"] == "byName"]
    if panel["type"] == "table":
        missing = {matcher["options"] for matcher in overridden} - shown
        assert not missing, f"{name}, {panel['title']}: {missing} are overridden and never shown"


@pytest.mark.service
def test_dashboard_latest_spectrum_is_the_newest_sweep_in_order(influx: Influx) -> None:
    """The latest spectrum comes point by point from the second sweep, by rising frequency index."""
    rows = rows_of(influx.ask(substituted(query_of("cell.json", "Latest impedance"))))
    assert sorted(row["real_impedance_ohm"] for row in rows) == [10.0 + index for index in range(12)]
    by_index = sorted(rows, key=lambda row: row["frequency_index"])
    assert [row["negative_imaginary_impedance_ohm"] for row in by_index] == [float(index) for index in range(12)]


@pytest.mark.service
def test_dashboard_efficiency_by_build_is_the_mean_over_cells(influx: Influx) -> None:
    """The mean and the std between cells of each build, formation cycles left out, are those of the numbers written."""
    rows = {row["build"]: row for row in rows_of(influx.ask(substituted(query_of("fleet.json", "Efficiency by build"))))}
    means = [statistics.mean(efficiency(cell, cycle) for cycle in range(3, CYCLES)) for cell in ("cu-01", "cu-02")]
    assert rows["bare"]["mean"] == pytest.approx(statistics.mean(means), abs=1e-12)
    assert rows["bare"]["std"] == pytest.approx(statistics.stdev(means), rel=1e-9)
    assert rows["bare"]["cells"] == 2
    assert rows["gold-5nm"]["cells"] == 1


@pytest.mark.service
def test_dashboard_counts_cells_by_verdict(influx: Influx) -> None:
    """Each verdict on the chosen claim has its cells, one by one claim and three by another."""
    query = query_of("builds.json", "Cells by verdict on claim $claim")
    rows = {row["claim_1"]: row["cells"] for row in rows_of(influx.ask(substituted(query)))}
    assert rows == {"does_not": 2, "meets": 1}
    rows = {row["claim_2"]: row["cells"] for row in rows_of(influx.ask(substituted(query.replace("${claim}", "2"))))}
    assert rows == {"does_not": 3}


@pytest.mark.service
@pytest.mark.parametrize(
    ("replaced", "cells"),
    [
        ({}, ["cu-01", "cu-02", "cu-03"]),
        ({"${verdict:regex}": "meets"}, ["cu-03"]),
        ({"${claim}": "2", "${verdict:regex}": "meets"}, []),
        ({"${substrate:regex}": "none"}, ["cu-01", "cu-02"]),
        ({"${co_deposition_gas:regex}": "C2H2\\+CO2", "${claim}": "2"}, ["cu-03"]),
        ({"${layer_count:regex}": "0", "${verdict:regex}": "meets"}, []),
    ],
)
def test_dashboard_of_builds_chooses_cells_by_verdict_and_facts(
    influx: Influx, replaced: dict[str, str], cells: list[str]
) -> None:
    """The variable that every panel of the builds dashboard asks for holds the cells that verdict and facts leave."""
    [query] = [variable["query"] for variable in DASHBOARDS["builds.json"]["templating"]["list"] if variable["name"] == "cell"]
    for name, value in replaced.items():
        query = query.replace(name, value)
    assert [row["value"] for row in rows_of(influx.ask(substituted(query)))] == cells


@pytest.mark.service
def test_dashboard_of_builds_compares_means_over_cells(influx: Influx) -> None:
    """Efficiency, interface and growth of a build are means over its cells, in Ω cm², and joined with its facts by its id."""
    panel = next(panel for panel in DASHBOARDS["builds.json"]["panels"] if panel["title"] == "Builds compared")
    facts_of, efficiencies, interfaces = (
        {row["build"]: row for row in rows_of(influx.ask(substituted(target["query"])))} for target in panel["targets"]
    )
    assert (facts_of["bare"]["substrate"], facts_of["gold-5nm"]["layer_count"]) == ("none", "3")
    means = [statistics.mean(efficiency(cell, cycle) for cycle in range(3, CYCLES)) for cell in ("cu-01", "cu-02")]
    assert efficiencies["bare"]["mean_efficiency"] == pytest.approx(statistics.mean(means), abs=1e-12)
    assert efficiencies["bare"]["std_efficiency"] == pytest.approx(statistics.stdev(means), rel=1e-9)
    assert interfaces["gold-5nm"]["mean_interface"] == pytest.approx(AREA_CM2 * interface("cu-03", CYCLES - 1), rel=1e-12)
    assert interfaces["gold-5nm"]["growth"] == pytest.approx(AREA_CM2 * 3.0, rel=1e-12)


@pytest.mark.service
def test_dashboard_of_builds_shows_each_cell_with_its_twenty_verdicts(influx: Influx) -> None:
    """Every cell is one row, with all verdicts and its main facts."""
    query = substituted(query_of("builds.json", "Cells, their facts and their verdicts"))
    rows = {row["cell"]: row for row in rows_of(influx.ask(query))}
    assert rows.keys() == CELLS.keys()
    assert [rows["cu-03"][f"claim_{claim}"] for claim in (1, 2, 20)] == ["meets", "does_not", "cannot_tell"]
    assert (rows["cu-03"]["electrolyte"], rows["cu-03"]["lithium_thickness_um"]) == ("1 M LiPF6 EC:DMC, 10 % FEC", 25.0)


@pytest.mark.service
def test_dashboard_growth_by_build_is_ohm_per_cycle(influx: Influx) -> None:
    """Growth is the slope between the first and the last sweep of each cell, averaged over the build."""
    rows = {row["build"]: row for row in rows_of(influx.ask(substituted(query_of("fleet.json", "Interface growth by build"))))}
    assert rows["bare"]["mean"] == pytest.approx(1.5, rel=1e-12)
    assert rows["gold-5nm"]["mean"] == pytest.approx(3.0, rel=1e-12)


@pytest.mark.service
def test_dashboards_show_no_value_that_was_withdrawn(influx: Influx) -> None:
    """The last cycle had an efficiency and a resistance, and was written again without: no panel shows the older values."""
    targets = [target for made in DASHBOARDS.values() for panel in made["panels"] for target in panel["targets"]]
    shown = [row for target in targets for row in rows_of(influx.ask(substituted(target["query"])))]
    assert 0.99 < min(row["coulombic_efficiency"] for row in shown if "coulombic_efficiency" in row) < 1.0
    assert min(row["interface_resistance_ohm"] for row in shown if "interface_resistance_ohm" in row) >= interface("cu-01", 1)


@pytest.mark.service
def test_dashboard_names_cells_with_signs_of_a_short(influx: Influx) -> None:
    """A cell is listed once, with the newest half cycle that is graded; the state of all cells has the grade of the newest."""
    [row] = rows_of(influx.ask(substituted(query_of("fleet.json", "Cells with signs of a short"))))
    assert (row["cell"], row["cycle_count"], row["role"], row["short_grade"]) == ("cu-02", 4, "strip", "suspect")
    panel = next(panel for panel in DASHBOARDS["fleet.json"]["panels"] if panel["title"] == "State of all cells")
    [grades] = [target["query"] for target in panel["targets"] if "short_grade" in target["query"]]
    assert {row["cell"]: row["short_grade"] for row in rows_of(influx.ask(substituted(grades)))} == dict.fromkeys(CELLS, "")


@pytest.mark.service
def test_dashboard_record_rate_is_records_per_second(influx: Influx) -> None:
    """One sample a second from each of three cells is three a second, whatever the width of a pixel."""
    rows = rows_of(influx.ask(substituted(query_of("fleet.json", "Samples stored"))))
    assert max(row["records_per_second"] for row in rows) == 3.0


def query_of(name: str, title: str) -> str:
    panel = next(panel for panel in DASHBOARDS[name]["panels"] if panel["title"] == title)
    return str(panel["targets"][0]["query"])


def test_dashboard_provisioning_and_compose_agree() -> None:
    """What the provisioning reads is mounted and defined by the compose file, and every port is published on loopback."""
    compose = yaml.safe_load((GRAFANA / "compose.yaml").read_text())
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/harness.yaml").read_text())["providers"][0]
    source = (GRAFANA / "provisioning/datasources/harness.yaml").read_text()
    service = compose["services"]["grafana"]
    assert f"./dashboards:{provider['options']['path']}:ro" in service["volumes"]
    assert set(re.findall(r"\$\{(\w+)\}", source)) <= service["environment"].keys()
    assert compose["services"]["influxdb"]["environment"]["INFLUXDB_DB"] == service["environment"]["HARNESS_INFLUX_DATABASE"]
    for one in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in one["ports"])
        for volume in one["volumes"]:
            host = volume.split(":")[0]
            assert not host.startswith(".") or (GRAFANA / host).exists()
