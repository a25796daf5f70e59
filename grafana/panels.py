"""The panels the dashboards are made of. A panel here knows its shape; what it asks stands in the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import barchart, dashboard, stat, table, timeseries, trend, xychart
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import xychart as xychart_models

from grafana.influxql import DATASOURCE, Target

Properties = Mapping[str, object]


def transformation(kind: str, options: Properties, only: str = "") -> models.DataTransformerConfig:
    """One transformation of the frames, of the query ``only`` if that is given."""
    matcher = models.MatcherConfig(id_val="byRefId", options=only) if only else None
    return models.DataTransformerConfig(id_val=kind, options=dict(options), filter_val=matcher)


def without(*columns: str, only: str = "") -> models.DataTransformerConfig:
    """Drop ``columns``."""
    return transformation("organize", {"excludeByName": dict.fromkeys(columns, True)}, only)


def renamed(names: Mapping[str, str], *, drop: Sequence[str] = ()) -> models.DataTransformerConfig:
    """Give columns a person's names, in that order, and drop some: InfluxDB's answer has its tags in random order."""
    return transformation(
        "organize",
        {
            "excludeByName": dict.fromkeys(drop, True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": dict(names),
        },
    )


def per_value(field: str, x: str) -> list[models.DataTransformerConfig]:
    """One column per value of the tag ``field`` over a common, ascending ``x``: what a trend panel can draw."""
    return [
        without("Time"),
        transformation("partitionByValues", {"fields": [field], "keepFields": False, "naming": {"asLabels": True}}),
        transformation("joinByField", {"byField": x, "mode": "outer"}),
    ]


def properties(values: Properties) -> list[models.DynamicConfigValue]:
    """An override's list of properties."""
    return [models.DynamicConfigValue(id_val=key, value=value) for key, value in values.items()]


def lines(title: str, description: str, unit: str, *targets: Target) -> timeseries.Panel:
    """Values against time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .line_width(1.5)
        .show_points(common.VisibilityMode.AUTO)
        .span_nulls(False)
        .legend(_legend())
        .tooltip(_tooltip())
    )
    for target in targets:
        panel.with_target(target)
    return panel


def by_cycle(title: str, description: str, unit: str, *targets: Target) -> trend.Panel:
    """Values against the cycle number; the caller adds the transformation that leaves one ascending frame."""
    panel = (
        trend.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .x_field("cycle_count")
        .line_width(1.5)
        .point_size(5)
        .show_points(common.VisibilityMode.ALWAYS)
        .span_nulls(True)
        .legend(_legend())
        .tooltip(_tooltip())
        .override_by_name("cycle_count", properties({"unit": "none", "decimals": 0, "displayName": "cycle"}))
    )
    for target in targets:
        panel.with_target(target)
    return panel


def rows(title: str, description: str, *targets: Target) -> table.Panel:
    """A table."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .filterable(True)
        .cell_height(common.TableCellHeight.SM)
    )
    for target in targets:
        panel.with_target(target)
    return panel


def number(title: str, description: str, unit: str, target: Target) -> stat.Panel:
    """One big number; nothing counted is 0, not "no data"."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .no_value("0")
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["sum"]).values(False))
        .with_target(target)
    )


def nyquist(title: str, description: str, target: Target) -> xychart.Panel:
    """−Im Z against Re Z, columns by name because the order of columns is not defined."""
    mapped = (
        xychart.XYSeriesConfig()
        .x(xychart.XychartXYSeriesConfigX().matcher(_by_name("real_impedance_ohm")))
        .y(xychart.XychartXYSeriesConfigY().matcher(_by_name("negative_imaginary_impedance_ohm")))
        .name(xychart.XychartXYSeriesConfigName().fixed("impedance"))
        .frame(xychart.XychartXYSeriesConfigFrame().matcher(xychart.MatcherConfig().id("byIndex").options(0)))
    )
    return (
        xychart.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("ohm")
        .mapping(xychart_models.SeriesMapping.MANUAL)
        .series([mapped])
        .show(xychart_models.XYShowMode.POINTS_AND_LINES)
        .point_size(xychart.XychartFieldConfigPointSize().fixed(6))
        .override_by_name("real_impedance_ohm", properties({"custom.axisLabel": "Re Z"}))
        .override_by_name("negative_imaginary_impedance_ohm", properties({"custom.axisLabel": "−Im Z"}))
        .tooltip(_tooltip())
        .with_target(target)
    )


def severity_colours() -> dict[str, object]:
    """The override of a ``severity`` column: words stay, colours help."""
    return _coloured({"alarm": "dark-red", "warning": "dark-orange", "info": "dark-blue"})


def grade_colours() -> dict[str, object]:
    """The override of a ``short_grade`` column; the empty grade is a word, too."""
    coloured = _coloured({"hard": "dark-red", "likely": "dark-orange", "suspect": "dark-yellow"})
    none = {"type": "special", "options": {"match": "empty", "result": {"text": "none", "index": 3}}}
    return {**coloured, "mappings": [*coloured["mappings"], none]}


def spectrum_colours() -> dict[str, object]:
    """The override of a column of verdicts on spectra."""
    return _coloured({"refused": "dark-red", "suspect": "dark-yellow", "good": "dark-green"})


def _coloured(words: Mapping[str, str]) -> dict[str, Any]:
    shown = {word: {"color": colour, "index": index, "text": word} for index, (word, colour) in enumerate(words.items())}
    return {
        "mappings": [{"type": "value", "options": shown}],
        "custom.cellOptions": {"type": "color-background", "mode": "basic"},
        "custom.width": 100,
    }


def board(title: str, description: str, *, uid: str, since: str, refresh: str) -> dashboard.Dashboard:
    """An empty dashboard of ours, which asks the InfluxDB that is chosen in it."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["harness"])
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("InfluxDB").type("influxdb"))
    )


def tag_variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable whose values InfluxDB lists; asked again whenever the time range changes."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def several_variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable of which several values may be chosen, and all are at first."""
    everything = models.VariableOption(text="All", value="$__all", selected=True)
    return tag_variable(name, label, query).multi(True).include_all(True).current(everything)


def choice_variable(name: str, label: str, values: Sequence[str], first: str) -> dashboard.CustomVariable:
    """A variable with one of ``values``; ``first`` is chosen at first."""
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .values(",".join(values))
        .options([models.VariableOption(text=value, value=value, selected=value == first) for value in values])
        .current(models.VariableOption(text=first, value=first, selected=True))
    )


def first_cycle_variable() -> dashboard.CustomVariable:
    """From which cycle on means are taken."""
    what = "Formation cycles before this one stay out of the means over builds."
    return choice_variable("first_cycle", "Means from cycle", ("1", "2", "3", "5", "10", "20", "50"), "3").description(what)


def bars(title: str, description: str, unit: str, target: Target) -> barchart.Panel:
    """One bar per row: its name is the only column of text, its length the only one of numbers."""
    return (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .orientation(common.VizOrientation.HORIZONTAL)
        .show_value(common.VisibilityMode.ALWAYS)
        .bar_width(0.7)
        .fill_opacity(75)
        .line_width(0)
        .axis_grid_show(False)
        .legend(_legend().show_legend(False))
        .tooltip(_tooltip())
        .with_target(target)
    )


def verdict_words(*, short: bool = False) -> list[dict[str, object]]:
    """The mappings of a column of verdicts: words or signs that can be told apart without their colours."""
    shown = {
        "meets": ("✓" if short else "✓ meets", "dark-green"),
        "does_not": ("✗" if short else "✗ does not", "dark-red"),
        "cannot_tell": ("?" if short else "? cannot tell", "dark-yellow"),
    }
    words = {word: {"text": text, "color": colour, "index": index} for index, (word, (text, colour)) in enumerate(shown.items())}
    return [{"type": "value", "options": words}]


def _by_name(name: str) -> xychart.MatcherConfig:
    return xychart.MatcherConfig().id("byName").options(name)


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )


def _tooltip() -> common_builders.VizTooltipOptions:
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.NONE)
