# ruff: noqa: S608 - InfluxQL made of this file's constants; Grafana fills in and escapes its own variables
"""The fleet dashboard: all cells at one glance, and the builds compared."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries, trend
from grafana_foundation_sdk.models import dashboard as models

from grafana.influxql import given, series
from grafana.influxql import table as frame
from grafana.panels import (
    board,
    by_cycle,
    first_cycle_variable,
    grade_colours,
    lines,
    number,
    per_value,
    properties,
    renamed,
    rows,
    several_variable,
    severity_colours,
    transformation,
    without,
)

_CHOSEN = '"cell" =~ /^${cell:regex}$/ AND "build" =~ /^${build:regex}$/ AND $timeFilter'


def fleet() -> dashboard.Dashboard:
    """Every cell: state, efficiency, interface, incidents, and how fast records arrive."""
    return (
        board(
            "Harness: all cells",
            "Every cell of every station, and the builds compared.",
            uid="harness-fleet",
            since="now-7d",
            refresh="10s",
        )
        .with_variable(several_variable("build", "Build", 'SHOW TAG VALUES FROM "cell" WITH KEY = "build"'))
        .with_variable(
            several_variable("cell", "Cell", 'SHOW TAG VALUES FROM "cell" WITH KEY = "cell" WHERE "build" =~ /^${build:regex}$/')
        )
        .with_variable(first_cycle_variable())
        .with_panel(_reporting().span(4).height(4))
        .with_panel(_cycles_closed().span(4).height(4))
        .with_panel(_alarms().span(4).height(4))
        .with_panel(_record_rate().span(12).height(4))
        .with_panel(_state().span(24).height(10))
        .with_panel(_efficiency().span(15).height(10))
        .with_panel(_efficiency_by_build().span(9).height(10))
        .with_panel(_resistance().span(15).height(10))
        .with_panel(_growth_by_build().span(9).height(10))
        .with_panel(_shorts().span(24).height(8))
        .with_panel(_incidents().span(24).height(9))
    )


def _reporting() -> stat.Panel:
    query = f'SELECT count("v") FROM (SELECT last("voltage_volt") AS "v" FROM "sample" WHERE {_CHOSEN} GROUP BY "cell")'
    return number("Cells", "Cells with a reading in this time range.", "none", frame(query))


def _cycles_closed() -> stat.Panel:
    query = f'SELECT count("coulombic_efficiency") FROM "cycle" WHERE {given("coulombic_efficiency")} AND {_CHOSEN}'
    return number("Cycles closed", "Cycles whose efficiency was computed in this time range.", "none", frame(query))


def _alarms() -> stat.Panel:
    query = f'SELECT count("message") FROM "event" WHERE "severity" = \'alarm\' AND {_CHOSEN}'
    thresholds = (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=None, color="text"), models.Threshold(value=1, color="dark-red")])
    )
    panel = number("Alarms", "Incidents of severity alarm in this time range.", "none", frame(query))
    return panel.thresholds(thresholds)


def _record_rate() -> timeseries.Panel:
    query = (
        'SELECT count("seq") * 1000 / $__interval_ms AS "records_per_second" FROM "sample" '
        f'WHERE {_CHOSEN} GROUP BY time($__interval), "station" fill(0)'
    )
    panel = lines("Samples stored", "How fast samples arrive in InfluxDB, per station.", "short", series(query, "$tag_station"))
    return panel.fill_opacity(15).axis_label("1/s").min(0).interval("1s")


_STATE_COLUMNS = {
    "channel": "channel",
    "cell": "cell",
    "build": "build",
    "role": "role",
    "step_path": "step",
    "cycle_count": "cycle",
    "voltage_volt": "voltage",
    "current_ampere": "current",
    "coulombic_efficiency": "last efficiency",
    "coulombic_efficiency_std": "± std",
    "interface_resistance_ohm": "interface",
    "short_grade": "short",
    "Time": "last reading",
    "station": "station",
}


def _state() -> table.Panel:
    reading = (
        'SELECT last("voltage_volt") AS "voltage_volt", "current_ampere", "cycle_count", "role", "step_path" '
        f'FROM "sample" WHERE {_CHOSEN} GROUP BY "station", "channel", "cell", "build"'
    )
    efficiency = (
        'SELECT last("coulombic_efficiency") AS "coulombic_efficiency", "coulombic_efficiency_std" '
        f'FROM "cycle" WHERE {given("coulombic_efficiency")} AND {_CHOSEN} GROUP BY "cell"'
    )
    interface = (
        'SELECT last("interface_resistance_ohm") AS "interface_resistance_ohm" '
        f'FROM "impedance_fit" WHERE {given("interface_resistance_ohm")} AND {_CHOSEN} GROUP BY "cell"'
    )
    short = f'SELECT last("short_grade") AS "short_grade" FROM "half_cycle" WHERE {_CHOSEN} GROUP BY "cell"'
    link = {"title": "Open ${__value.text}", "url": "/d/harness-cell?var-cell=${__value.text}&${__url_time_range}"}
    return (
        rows(
            "State of all cells",
            "The last reading, closed cycle, impedance fit and half cycle of every cell.",
            frame(reading, "A"),
            frame(efficiency, "B"),
            frame(interface, "C"),
            frame(short, "D"),
        )
        .transformations(
            [
                *(without("Time", only=query) for query in "BCD"),
                transformation("joinByField", {"byField": "cell", "mode": "outer"}),
                renamed(_STATE_COLUMNS),
            ]
        )
        .override_by_name("voltage", properties({"unit": "volt", "decimals": 4}))
        .override_by_name("current", properties({"unit": "amp", "decimals": 3}))
        .override_by_name("last efficiency", properties({"unit": "percentunit", "decimals": 2}))
        .override_by_name("± std", properties({"unit": "percentunit", "decimals": 2}))
        .override_by_name("interface", properties({"unit": "ohm", "decimals": 1}))
        .override_by_name("short", properties(grade_colours()))
        .override_by_name("cell", properties({"links": [link]}))
    )


def _efficiency() -> trend.Panel:
    query = (
        'SELECT "cycle_count", "coulombic_efficiency" FROM "cycle" '
        f'WHERE "cycle_count" > 0 AND {given("coulombic_efficiency")} AND {_CHOSEN} GROUP BY "run"'
    )
    return (
        by_cycle(
            "Coulombic efficiency",
            "Stripping over plating capacity of each closed cycle; one line per run.",
            "percentunit",
            frame(query),
        )
        .transformations(per_value("run", "cycle_count"))
        .decimals(2)
        .display_name("${__field.labels.run}")
    )


def _efficiency_by_build() -> table.Panel:
    query = (
        'SELECT mean("m") AS "mean", stddev("m") AS "std", count("m") AS "cells" FROM '
        '(SELECT mean("coulombic_efficiency") AS "m" FROM "cycle" '
        f'WHERE "cycle_count" >= $first_cycle AND {given("coulombic_efficiency")} AND {_CHOSEN} '
        'GROUP BY "cell", "build") GROUP BY "build"'
    )
    return (
        rows("Efficiency by build", "Mean over cells of each cell's mean efficiency; the std is between cells.", frame(query))
        .transformations([renamed({"build": "build", "mean": "efficiency", "std": "± std", "cells": "cells"}, drop=["Time"])])
        .override_by_name("efficiency", properties({"unit": "percentunit", "decimals": 3}))
        .override_by_name("± std", properties({"unit": "percentunit", "decimals": 3}))
    )


def _resistance() -> trend.Panel:
    query = (
        'SELECT "cycle_count", "interface_resistance_ohm" FROM "impedance_fit" '
        f'WHERE {given("interface_resistance_ohm")} AND {_CHOSEN} GROUP BY "run"'
    )
    return (
        by_cycle("Interface resistance", "R_i of the fit of each complete sweep; one line per run.", "ohm", frame(query))
        .transformations(per_value("run", "cycle_count"))
        .display_name("${__field.labels.run}")
    )


def _growth_by_build() -> table.Panel:
    query = (
        'SELECT mean("g") AS "mean", stddev("g") AS "std", count("g") AS "cells" FROM '
        '(SELECT (last("interface_resistance_ohm") - first("interface_resistance_ohm")) / '
        '(last("cycle_count") - first("cycle_count")) AS "g" FROM "impedance_fit" '
        f'WHERE {given("interface_resistance_ohm")} AND {_CHOSEN} GROUP BY "cell", "build") GROUP BY "build"'
    )
    description = "Ω per cycle between the first and last sweep of the range; a regression with its error is in harness.query."
    return (
        rows("Interface growth by build", description, frame(query))
        .transformations(
            [renamed({"build": "build", "mean": "growth per cycle", "std": "± std", "cells": "cells"}, drop=["Time"])]
        )
        .override_by_name("growth per cycle", properties({"unit": "ohm", "decimals": 3}))
        .override_by_name("± std", properties({"unit": "ohm", "decimals": 3}))
    )


def _shorts() -> table.Panel:
    query = (
        'SELECT "short_grade", "cycle_count", "role", "short_evidence" FROM "half_cycle" WHERE "short_grade" =~ /./ '
        f'AND {_CHOSEN} GROUP BY "channel", "cell" ORDER BY time DESC LIMIT 1'
    )
    names = {
        "Time": "when",
        "short_grade": "short",
        "channel": "channel",
        "cell": "cell",
        "cycle_count": "cycle",
        "role": "half",
        "short_evidence": "evidence",
    }
    return (
        rows("Cells with signs of a short", "The newest half cycle of each cell that shows any, and what it shows.", frame(query))
        .transformations([transformation("sortBy", {"fields": {}, "sort": [{"field": "Time", "desc": True}]}), renamed(names)])
        .override_by_name("short", properties(grade_colours()))
    )


def _incidents() -> table.Panel:
    query = (
        'SELECT "severity", "incident", "message" FROM "event" WHERE ("severity" = \'warning\' OR "severity" = \'alarm\') '
        f'AND {_CHOSEN} GROUP BY "channel", "cell" ORDER BY time DESC LIMIT 200'
    )
    names = {
        "Time": "when",
        "severity": "severity",
        "channel": "channel",
        "cell": "cell",
        "incident": "kind",
        "message": "message",
    }
    return (
        rows("Incidents", "Warnings and alarms, newest first.", frame(query))
        .transformations(
            [
                renamed(names),
                transformation("sortBy", {"fields": {}, "sort": [{"field": "when", "desc": True}]}),
            ]
        )
        .override_by_name("severity", properties(severity_colours()))
    )
