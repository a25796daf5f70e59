# ruff: noqa: S608 - InfluxQL made of this file's constants; Grafana fills in and escapes its own variables
"""The builds dashboard: anode builds compared, chosen by what the claims say of them and by their main facts.

InfluxQL cannot join, so the verdicts never meet the cycles in a query: the variables above choose among the points of ``cell``,
whose tags are verdicts and facts, and the last of them, the cells, is what every other query asks for.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import barchart, dashboard, stat, table, trend
from grafana_foundation_sdk.models import dashboard as models

from grafana.influxql import given
from grafana.influxql import table as frame
from grafana.panels import (
    bars,
    board,
    by_cycle,
    choice_variable,
    first_cycle_variable,
    number,
    properties,
    renamed,
    rows,
    several_variable,
    transformation,
    verdict_words,
    without,
)

_CLAIMS = tuple(map(str, range(1, 21)))
_FACTS = {
    "substrate": "Substrate",
    "lithium_origin": "Lithium",
    "lithium_thickness_band": "Thickness",
    "co_deposition_gas": "Co-deposited gas",
    "layer_count": "Layers",
    "counter": "Counter-electrode",
    "electrolyte": "Electrolyte",
    "batch": "Batch",
}
_VERDICT = '"claim_${claim}" =~ /^${verdict:regex}$/'
_BY_FACTS = " AND ".join(f'"{name}" =~ /^${{{name}:regex}}$/' for name in _FACTS)
_CELLS = '"cell" =~ /^${cell:regex}$/'
_CHOSEN = f"{_CELLS} AND $timeFilter"


def builds() -> dashboard.Dashboard:
    """Builds compared: efficiency, interface, verdicts and facts of the cells that the variables choose."""
    made = (
        board(
            "Harness: builds compared",
            "Anode builds compared, chosen by the verdicts on a claim and by the facts of build and cell.",
            uid="harness-builds",
            since="now-90d",
            refresh="1m",
        )
        .with_variable(choice_variable("claim", "Claim", _CLAIMS, "1"))
        .with_variable(several_variable("verdict", "Verdict", 'SHOW TAG VALUES FROM "cell" WITH KEY = "claim_${claim}"'))
    )
    for name, label in _FACTS.items():
        made.with_variable(several_variable(name, label, f'SHOW TAG VALUES FROM "cell" WITH KEY = "{name}" WHERE {_VERDICT}'))
    chosen = f'SHOW TAG VALUES FROM "cell" WITH KEY = "cell" WHERE {_VERDICT} AND {_BY_FACTS}'
    return (
        made.with_variable(several_variable("cell", "Cell", chosen))
        .with_variable(first_cycle_variable())
        .with_panel(_cell_count().span(3).height(4))
        .with_panel(_build_count().span(3).height(4))
        .with_panel(_cycle_count().span(3).height(4))
        .with_panel(_by_verdict().span(15).height(4))
        .with_panel(_compared().span(24).height(9))
        .with_panel(_efficiency().span(12).height(11))
        .with_panel(_resistance().span(12).height(11))
        .with_panel(_cells().span(24).height(11))
    )


def _cell_count() -> stat.Panel:
    query = f'SELECT count("n") FROM (SELECT last("area_cm2") AS "n" FROM "cell" WHERE {_CELLS} GROUP BY "cell")'
    return number("Cells", "Cells that the variables above choose.", "none", frame(query))


def _build_count() -> stat.Panel:
    query = f'SELECT count("n") FROM (SELECT last("area_cm2") AS "n" FROM "cell" WHERE {_CELLS} GROUP BY "build")'
    return number("Builds", "Builds these cells were made from.", "none", frame(query))


def _cycle_count() -> stat.Panel:
    query = f'SELECT count("coulombic_efficiency") FROM "cycle" WHERE {given("coulombic_efficiency")} AND {_CHOSEN}'
    return number("Cycles", "Cycles of these cells whose efficiency was computed in this time range.", "none", frame(query))


def _by_verdict() -> barchart.Panel:
    query = (
        'SELECT count("n") AS "cells" FROM (SELECT last("area_cm2") AS "n" FROM "cell" '
        f'WHERE {_BY_FACTS} GROUP BY "cell", "claim_${{claim}}") GROUP BY "claim_${{claim}}"'
    )
    description = (
        "How many cells with the chosen facts meet claim $claim by its strict reading, whatever verdict is chosen above."
    )
    return (
        bars("Cells by verdict on claim $claim", description, "none", frame(query))
        .decimals(0)
        .transformations([without("Time")])
        .override_by_field_type("string", properties({"mappings": verdict_words()}))
    )


_COMPARED = {
    "build": "build",
    "substrate": "substrate",
    "lithium_origin": "lithium",
    "lithium_thickness_um": "thickness",
    "layer_count": "layers",
    "co_deposition_gas": "co-deposited gas",
    "mean_efficiency": "efficiency",
    "std_efficiency": "± std",
    "cells": "cells",
    "mean_interface": "interface",
    "std_interface": "± std Ω",
    "growth": "growth per cycle",
}


def _compared() -> table.Panel:
    facts = '"build", "substrate", "lithium_origin", "layer_count", "co_deposition_gas"'
    described = f'SELECT last("lithium_thickness_um") AS "lithium_thickness_um" FROM "cell" WHERE {_CELLS} GROUP BY {facts}'
    efficiency = (
        'SELECT mean("m") AS "mean_efficiency", stddev("m") AS "std_efficiency", count("m") AS "cells" FROM '
        '(SELECT mean("coulombic_efficiency") AS "m" FROM "cycle" '
        f'WHERE "cycle_count" >= $first_cycle AND {given("coulombic_efficiency")} AND {_CHOSEN} '
        'GROUP BY "cell", "build") GROUP BY "build"'
    )
    interface = (
        'SELECT mean("r") AS "mean_interface", stddev("r") AS "std_interface", mean("g") AS "growth" FROM '
        '(SELECT last("area_specific_resistance_ohm_cm2") AS "r", '
        '(last("area_specific_resistance_ohm_cm2") - first("area_specific_resistance_ohm_cm2")) / '
        '(last("cycle_count") - first("cycle_count")) AS "g" FROM "impedance_fit" '
        f'WHERE {given("area_specific_resistance_ohm_cm2")} AND {_CHOSEN} GROUP BY "cell", "build") GROUP BY "build"'
    )
    description = (
        "Mean over the cells of a build of each cell's mean efficiency, and of its last interface resistance times area; the std "
        "is between cells. Growth is between the first and the last sweep of the range."
    )
    panel = rows("Builds compared", description, frame(described, "A"), frame(efficiency, "B"), frame(interface, "C"))
    return (
        panel.transformations(
            [
                *(without("Time", only=query) for query in "ABC"),
                transformation("joinByField", {"byField": "build", "mode": "outer"}),
                renamed(_COMPARED),
            ]
        )
        .override_by_name("thickness", properties({"unit": "suffix:µm", "decimals": 1}))
        .override_by_name("efficiency", properties({"unit": "percentunit", "decimals": 3}))
        .override_by_name("± std", properties({"unit": "percentunit", "decimals": 3}))
        .override_by_name("cells", properties({"decimals": 0, "custom.width": 70}))
        .override_by_name("interface", properties({"unit": "suffix:Ω cm²", "decimals": 1}))
        .override_by_name("± std Ω", properties({"unit": "suffix:Ω cm²", "decimals": 1}))
        .override_by_name("growth per cycle", properties({"unit": "suffix:Ω cm²", "decimals": 2}))
    )


def _per_build(column: str) -> list[models.DataTransformerConfig]:
    """One column per build over the cycle number: the mean over its cells."""
    grouped = {
        "build": {"operation": "groupby", "aggregations": []},
        "cycle_count": {"operation": "groupby", "aggregations": []},
        column: {"operation": "aggregate", "aggregations": ["mean"]},
    }
    return [
        transformation("groupBy", {"fields": grouped}),
        transformation("partitionByValues", {"fields": ["build"], "keepFields": False, "naming": {"asLabels": True}}),
        transformation("joinByField", {"byField": "cycle_count", "mode": "outer"}),
    ]


def _efficiency() -> trend.Panel:
    query = (
        'SELECT "cycle_count", "coulombic_efficiency" FROM "cycle" '
        f'WHERE "cycle_count" > 0 AND {given("coulombic_efficiency")} AND {_CHOSEN} GROUP BY "build"'
    )
    return (
        by_cycle(
            "Coulombic efficiency by build",
            "Mean over the chosen cells of each build, cycle by cycle. A cell that ends early leaves the mean.",
            "percentunit",
            frame(query),
        )
        .transformations(_per_build("coulombic_efficiency"))
        .decimals(2)
        .display_name("${__field.labels.build}")
    )


def _resistance() -> trend.Panel:
    query = (
        'SELECT "cycle_count", "area_specific_resistance_ohm_cm2" FROM "impedance_fit" '
        f'WHERE {given("area_specific_resistance_ohm_cm2")} AND {_CHOSEN} GROUP BY "build"'
    )
    return (
        by_cycle(
            "Interface resistance by build",
            "R_i × area of the fit of each complete sweep: mean over the chosen cells of each build, cycle by cycle.",
            "suffix:Ω cm²",
            frame(query),
        )
        .transformations(_per_build("area_specific_resistance_ohm_cm2"))
        .decimals(1)
        .display_name("${__field.labels.build}")
    )


_DESCRIBED = {
    "cell": "cell",
    "build": "build",
    "batch": "batch",
    "counter": "counter",
    "electrolyte": "electrolyte",
    "substrate": "substrate",
    "lithium_origin": "lithium",
    "lithium_thickness_um": "thickness",
    "layer_count": "layers",
    "co_deposition_gas": "gas",
    "area_cm2": "area",
}


def _cells() -> table.Panel:
    verdicts = {f"claim_{claim}": claim for claim in _CLAIMS}
    numbers = ("lithium_thickness_um", "area_cm2")
    tags = ", ".join(f'"{name}"' for name in (*_DESCRIBED, *verdicts) if name not in numbers)
    query = (
        'SELECT last("area_cm2") AS "area_cm2", "lithium_thickness_um" '
        f'FROM "cell" WHERE {_CELLS} GROUP BY {tags} ORDER BY time DESC'
    )
    link = {"title": "Open ${__value.text}", "url": "/d/harness-cell?var-cell=${__value.text}&${__url_time_range}"}
    sign = {"mappings": verdict_words(short=True), "custom.cellOptions": {"type": "color-text"}, "custom.width": 38,
            "custom.align": "center", "custom.filterable": False}  # fmt: skip
    return (
        rows("Cells, their facts and their verdicts", "✓ meets, ✗ does not meet, ? cannot tell; claims 1 to 20, strict reading.",
             frame(query))
        .transformations([renamed(_DESCRIBED | verdicts, drop=["Time"])])
        .override_by_regexp("^[0-9]+$", properties(sign))
        .override_by_name("cell", properties({"links": [link]}))
        .override_by_name("thickness", properties({"unit": "suffix:µm", "decimals": 1}))
        .override_by_name("area", properties({"unit": "suffix:cm²", "decimals": 3}))
    )  # fmt: skip
