# ruff: noqa: S608 - InfluxQL made of this file's constants; Grafana fills in and escapes its own variables
"""The cell dashboard: one run of one cell, from its voltage to its impedance."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, table, timeseries, trend, xychart
from grafana_foundation_sdk.models import dashboard as models

from grafana.influxql import series
from grafana.influxql import table as frame
from grafana.panels import (
    board,
    by_cycle,
    lines,
    nyquist,
    properties,
    renamed,
    rows,
    severity_colours,
    tag_variable,
    without,
)

_RUN = "\"cell\" = '$cell' AND \"run\" = '$run' AND $timeFilter"


def cell() -> dashboard.Dashboard:
    """One run: voltage, current, efficiency with its error, capacities, resistances, spectra and events."""
    return (
        board(
            "Harness: one cell",
            "One run of one cell. The newest run of the cell is shown first.",
            uid="harness-cell",
            since="now-7d",
            refresh="10s",
        )
        .with_variable(tag_variable("cell", "Cell", 'SHOW TAG VALUES FROM "cell" WITH KEY = "cell"'))
        .with_variable(
            tag_variable("run", "Run", 'SHOW TAG VALUES FROM "cell" WITH KEY = "run" WHERE "cell" = \'$cell\'').sort(
                models.VariableSort.ALPHABETICAL_DESC
            )
        )
        .with_variable(
            tag_variable("sweep", "Sweep", f'SELECT distinct("sweep_count") FROM "spectrum" WHERE {_RUN}').sort(
                models.VariableSort.NUMERICAL_DESC
            )
        )
        .with_panel(_voltage().span(24).height(8))
        .with_panel(_current().span(24).height(6))
        .with_panel(_efficiency().span(12).height(9))
        .with_panel(_capacities().span(12).height(9))
        .with_panel(_dc_resistance().span(12).height(9))
        .with_panel(_fits().span(12).height(9))
        .with_panel(_latest_nyquist().span(12).height(11))
        .with_panel(_chosen_nyquist().span(12).height(11))
        .with_panel(_events().span(24).height(9))
    )


def _voltage() -> timeseries.Panel:
    query = f'SELECT mean("voltage_volt") FROM "sample" WHERE {_RUN} GROUP BY time($__interval) fill(none)'
    return lines("Voltage", "Mean over the time of one pixel.", "volt", series(query, "voltage")).decimals(4)


def _current() -> timeseries.Panel:
    query = f'SELECT mean("current_ampere") FROM "sample" WHERE {_RUN} GROUP BY time($__interval) fill(none)'
    description = "I > 0 is oxidation at the working electrode. Mean over the time of one pixel."
    return lines("Current", description, "amp", series(query, "current"))


def _efficiency() -> trend.Panel:
    query = (
        'SELECT "cycle_count", "coulombic_efficiency", '
        '"coulombic_efficiency" - "coulombic_efficiency_std" AS "lower", '
        '"coulombic_efficiency" + "coulombic_efficiency_std" AS "upper" '
        f'FROM "cycle" WHERE "cycle_count" > 0 AND {_RUN}'
    )
    return (
        by_cycle("Coulombic efficiency", "With the band of one standard deviation.", "percentunit", frame(query))
        .transformations([without("Time")])
        .decimals(2)
        .override_by_name("upper", properties({**_BAND, "custom.fillBelowTo": "lower"}))
        .override_by_name("lower", properties(_BAND))
    )


_BAND: dict[str, object] = {
    "custom.lineWidth": 0,
    "custom.showPoints": "never",
    "custom.fillOpacity": 20,
    "color": {"mode": "fixed", "fixedColor": "semi-dark-blue"},
}


def _capacities() -> trend.Panel:
    query = f'SELECT "cycle_count", "plating_capacity_ah", "stripping_capacity_ah" FROM "cycle" WHERE {_RUN}'
    return (
        by_cycle("Capacities", "Charge deposited and removed in each cycle.", "amph", frame(query))
        .transformations([without("Time")])
        .override_by_name("plating_capacity_ah", properties({"displayName": "deposited"}))
        .override_by_name("stripping_capacity_ah", properties({"displayName": "removed"}))
    )


def _dc_resistance() -> trend.Panel:
    query = f'SELECT "cycle_count", "plating_resistance_ohm", "stripping_resistance_ohm" FROM "cycle" WHERE {_RUN}'
    description = "Apparent DC resistance, median |V − V_open| / |I| over the middle of each half cycle."
    return (
        by_cycle("DC resistance", description, "ohm", frame(query))
        .transformations([without("Time")])
        .override_by_name("plating_resistance_ohm", properties({"displayName": "deposit"}))
        .override_by_name("stripping_resistance_ohm", properties({"displayName": "removal"}))
    )


def _fits() -> trend.Panel:
    query = f'SELECT "cycle_count", "series_resistance_ohm", "interface_resistance_ohm" FROM "impedance_fit" WHERE {_RUN}'
    return (
        by_cycle("Impedance fits", "R_s and R_i of the one-arc fit of each complete sweep.", "ohm", frame(query))
        .transformations([without("Time")])
        .override_by_name("series_resistance_ohm", properties({"displayName": "series R_s"}))
        .override_by_name("interface_resistance_ohm", properties({"displayName": "interface R_i"}))
    )


_NYQUIST = 'SELECT "frequency_hertz", "real_impedance_ohm", 0 - "imaginary_impedance_ohm" AS "negative_imaginary_impedance_ohm"'


def _latest_nyquist() -> xychart.Panel:
    query = f'{_NYQUIST} FROM "spectrum" WHERE {_RUN} GROUP BY "frequency_index" ORDER BY time DESC LIMIT 1'
    return nyquist("Latest impedance", "The newest point at each frequency: a sweep appears while it is measured.", frame(query))


def _chosen_nyquist() -> xychart.Panel:
    query = f'{_NYQUIST} FROM "spectrum" WHERE "sweep_count" = $sweep AND {_RUN}'
    return nyquist("Impedance of sweep $sweep", "The sweep chosen above.", frame(query))


def _events() -> table.Panel:
    columns = '"severity", "kind", "incident", "step_path", "reason", "message"'
    query = f'SELECT {columns} FROM "event" WHERE {_RUN} ORDER BY time DESC LIMIT 500'
    names = {
        "Time": "when",
        "severity": "severity",
        "kind": "record",
        "incident": "incident",
        "step_path": "step",
        "reason": "reason",
        "message": "message",
    }
    return (
        rows("Events", "What happened to this run, newest first.", frame(query))
        .transformations([renamed(names)])
        .override_by_name("severity", properties(severity_colours()))
    )
