# ruff: noqa: S608 - InfluxQL made of this file's constants; Grafana fills in and escapes its own variables
"""The cell dashboard: one run of one cell, from its voltage to its impedance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grafana_foundation_sdk.builders import dashboard, table, timeseries, trend, xychart
from grafana_foundation_sdk.models import dashboard as models

from grafana.influxql import Target, given, series
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
    spectrum_colours,
    tag_variable,
    transformation,
    without,
)

_RUN = "\"cell\" = '$cell' AND \"run\" = '$run' AND $timeFilter"


def cell() -> dashboard.Dashboard:
    """One run: voltage, current, efficiency with its error, capacities, resistances, shapes, spectra and events."""
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
        .with_panel(_overpotential().span(12).height(9))
        .with_panel(_arcing().span(12).height(9))
        .with_panel(_latest_nyquist().span(12).height(11))
        .with_panel(_chosen_nyquist().span(12).height(11))
        .with_panel(_verdicts().span(24).height(9))
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
        f'FROM "cycle" WHERE "cycle_count" > 0 AND {given("coulombic_efficiency")} AND {_RUN}'
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
    names = {"plating_resistance_ohm": "deposit", "stripping_resistance_ohm": "removal"}
    description = "Apparent DC resistance, median |V − V_open| / |I| over the middle of each half cycle."
    return _columns("DC resistance", description, "ohm", names, *_each("cycle", names))


def _fits() -> trend.Panel:
    names = {
        "total_resistance_ohm": "total",
        "interface_resistance_ohm": "interface R_i",
        "series_resistance_ohm": "series R_s",
    }
    description = "Resistances of each complete sweep that may be believed; where an arc is not closed, its border is not known."
    return _columns("Impedance fits", description, "ohm", names, *_each("impedance_fit", names))


_DEPOSIT = "(\"role\" = 'plate' OR \"role\" = 'charge')"
_REMOVAL = "(\"role\" = 'strip' OR \"role\" = 'discharge')"


def _overpotential() -> trend.Panel:
    names = {
        "deposit_nucleation": "deposit, nucleation",
        "deposit_plateau": "deposit, plateau",
        "removal_plateau": "removal, plateau",
    }
    targets = (
        _half("A", "nucleation_overpotential_volt", "deposit_nucleation", _DEPOSIT),
        _half("B", "plateau_overpotential_volt", "deposit_plateau", _DEPOSIT),
        _half("C", "plateau_overpotential_volt", "removal_plateau", _REMOVAL),
    )
    description = "The highest overpotential at the start of a half cycle, and the median over its middle."
    return _columns("Overpotential", description, "volt", names, *targets)


def _arcing() -> trend.Panel:
    names = {"deposit_arcing": "deposit", "removal_arcing": "removal"}
    description = "(η at the end − η of the plateau) / η of the plateau; none after earlier arcing is a sign of a short."
    targets = (_half("A", "arcing_1", "deposit_arcing", _DEPOSIT), _half("B", "arcing_1", "removal_arcing", _REMOVAL))
    return _columns("Arcing", description, "none", names, *targets)


def _half(ref_id: str, column: str, alias: str, which: str) -> Target:
    query = f'SELECT "cycle_count", "{column}" AS "{alias}" FROM "half_cycle" WHERE {which} AND {given(column)} AND {_RUN}'
    return frame(query, ref_id)


def _each(measurement: str, columns: Iterable[str]) -> list[Target]:
    """One query per column, for each has its own rows in which it is absent."""
    return [
        frame(f'SELECT "cycle_count", "{column}" FROM "{measurement}" WHERE {given(column)} AND {_RUN}', ref_id)
        for ref_id, column in zip("ABC", columns, strict=False)
    ]


def _columns(title: str, description: str, unit: str, names: Mapping[str, str], *targets: Target) -> trend.Panel:
    """Columns of several queries against the cycle number, under a person's names."""
    joined = transformation("joinByField", {"byField": "cycle_count", "mode": "outer"})
    panel = by_cycle(title, description, unit, *targets).transformations([without("Time"), joined])
    for column, name in names.items():
        panel.override_by_name(column, properties({"displayName": name}))
    return panel


def _verdicts() -> table.Panel:
    columns = '"sweep_count", "cycle_count", "verdict", "verdict_reason", "kramers_kronig_rms_1", "circuit", "flags"'
    query = f'SELECT {columns} FROM "impedance_fit" WHERE {_RUN} ORDER BY time DESC LIMIT 500'
    names = {
        "Time": "when",
        "sweep_count": "sweep",
        "cycle_count": "cycle",
        "verdict": "verdict",
        "verdict_reason": "because",
        "kramers_kronig_rms_1": "Kramers–Kronig rms",
        "circuit": "circuit",
        "flags": "flags",
    }
    return (
        rows("Spectra and their verdicts", "Whether each complete sweep may be believed, newest first.", frame(query))
        .transformations([renamed(names)])
        .override_by_name("verdict", properties(spectrum_colours()))
        .override_by_name("Kramers–Kronig rms", properties({"unit": "percentunit", "decimals": 2}))
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
