"""The live page's three plots as ECharts options. Pure: frames and traces in, dictionaries out.

Colours are Okabe and Ito's (Color Universal Design, 2008), which people with any colour vision can tell apart, two of them
darkened for a white ground; beyond eight series dashes and symbols tell them apart. Greys are readable on light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from harness.service.traces import Stamps, Values

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#9A8500")
DASHES = ("solid", "dashed", "dotted")
SYMBOLS = ("circle", "triangle", "rect", "diamond")
GREY = "#7d8896"
GRID = "rgba(125,136,150,0.22)"
POINT_BUDGET = 12_000
"""Points of one plot in one message, whatever the number of series."""
BREAK = "-"

Options = dict[str, object]


@dataclass(frozen=True, slots=True)
class Style:
    """How a channel looks in every plot and in the table."""

    colour: str
    dash: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One run of one cell in one plot. ``std`` is one standard deviation of ``y``, NaN where it is unknown."""

    name: str
    style: Style
    x: Values
    y: Values
    std: Values


def style_of(position: int) -> Style:
    """The look of the channel at ``position``: 96 of them are all different."""
    colour, turn = position % len(COLOURS), position // len(COLOURS)
    return Style(COLOURS[colour], DASHES[turn % len(DASHES)], SYMBOLS[turn % len(SYMBOLS)])


def points_each(series: int) -> int:
    """How many points one of ``series`` series may have."""
    return max(60, min(1500, POINT_BUDGET // max(series, 1)))


def voltage_options(curves: Sequence[tuple[str, Style, Stamps, Values]]) -> Options:
    """Voltage against station time."""
    drawn: list[Options] = [
        {
            "name": name,
            "type": "line",
            "data": [[round(stamp / 1e6), float(f"{value:.5g}")] for stamp, value in zip(stamps, values, strict=True)],
            "symbol": "none",
            "lineStyle": {"width": 2, "type": style.dash},
            "itemStyle": {"color": style.colour},
            "emphasis": {"disabled": True},
        }
        for name, style, stamps, values in curves
    ]
    axis = _axis("")
    return _options({**axis, "type": "time", "splitLine": {"show": False}}, _axis("V"), drawn, [name for name, *_ in curves])


def efficiency_curves(cycles: pl.DataFrame, styles: dict[str, Style]) -> list[Curve]:
    """Coulombic efficiency in percent against cycle; ``styles`` say which runs are wanted."""
    frame = cycles.filter(pl.col("kind") != "reservoir")
    return _curves(frame, "coulombic_efficiency", 100.0, styles)


def resistance_curves(fits: pl.DataFrame, styles: dict[str, Style]) -> list[Curve]:
    """Interface resistance in ohm against cycle."""
    return _curves(fits, "interface_resistance_ohm", 1.0, styles)


def by_cycle_options(curves: Sequence[Curve], unit: str) -> tuple[Options, int]:
    """Values with error bars against cycle, and how many of them lie outside the plot.

    The vertical range leaves outliers out, so that a first cycle of 60 % does not flatten all others.
    """
    x = {**_axis(""), "name": "cycle", "nameLocation": "middle", "nameGap": 30, "minInterval": 1, "splitLine": {"show": False}}
    names = [curve.name for curve in curves]
    if not curves:
        return _options(x, _axis(unit), [], names), 0
    low, high, step = _range(curves)
    y = {**_axis(unit), "min": low, "max": high, "interval": step}
    drawn: list[Options] = []
    for curve in curves:
        drawn += [_value_series(curve), _error_series(curve)]
    outside = sum(int(np.count_nonzero((curve.y < low) | (curve.y > high))) for curve in curves)
    return _options(x, y, drawn, names), outside


def _curves(frame: pl.DataFrame, quantity: str, factor: float, styles: dict[str, Style]) -> list[Curve]:
    budget = points_each(len(styles) * 6)
    curves = []
    for run_id, style in styles.items():
        rows = frame.filter((pl.col("run_id") == run_id) & pl.col(quantity).is_not_null())
        if not rows.height:
            continue
        kept = rows.gather_every(max(1, -(-rows.height // budget)), offset=(rows.height - 1) % max(1, -(-rows.height // budget)))
        x = kept["cycle_count"].cast(pl.Float64).to_numpy()
        y = kept[quantity].to_numpy() * factor
        std = kept[f"{quantity}_std"].fill_null(float("nan")).to_numpy() * factor
        curves.append(Curve(rows["cell"][0], style, x, y, std))
    return curves


def _value_series(curve: Curve) -> Options:
    return {
        "name": curve.name,
        "type": "line",
        "data": [[int(x), float(f"{y:.6g}")] for x, y in zip(curve.x, curve.y, strict=True)],
        "symbol": curve.style.symbol,
        "symbolSize": 7 if len(curve.x) <= 80 else 4,
        "showAllSymbol": True,
        "lineStyle": {"width": 1.5, "type": curve.style.dash},
        "itemStyle": {"color": curve.style.colour},
        "emphasis": {"disabled": True},
    }


def _error_series(curve: Curve) -> Options:
    """Error bars: pieces of a line with breaks between them, of the same name so that the legend hides them together."""
    data: list[list[object]] = []
    for x, y, std in zip(curve.x, curve.y, curve.std, strict=True):
        if np.isfinite(std):
            data += [[int(x), float(f"{y - std:.6g}")], [int(x), float(f"{y + std:.6g}")], [int(x), BREAK]]
    return {
        "name": curve.name,
        "type": "line",
        "data": data,
        "symbol": "none",
        "silent": True,
        "tooltip": {"show": False},
        "lineStyle": {"width": 1.5, "opacity": 0.7},
        "itemStyle": {"color": curve.style.colour},
        "emphasis": {"disabled": True},
    }


def _range(curves: Sequence[Curve]) -> tuple[float, float, float]:
    """Lowest and highest value to show, and the distance of the marks between them, all round numbers.

    Values beyond 2.5 interquartile ranges from the quartiles are left out (after Tukey), error bars inside are not.
    """
    values = np.concatenate([curve.y for curve in curves])
    spread = np.concatenate([np.nan_to_num(curve.std) for curve in curves])
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 2.5 * (upper - lower)
    inside = (values >= lower - reach) & (values <= upper + reach)
    low, high = float((values - spread)[inside].min()), float((values + spread)[inside].max())
    least = max(1e-3 * abs(high), 1e-9)
    if high - low < least:
        low, high = low - least, high + least
    step = _round_up((high - low) / 5)
    return _exact(np.floor(low / step) * step), _exact(np.ceil(high / step) * step), step


def _exact(value: float) -> float:
    """Without the last bits, which would be seen at the axis."""
    return float(f"{value:.12g}")


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, … times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return _exact(next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= value * (1 - 1e-9)))


def _axis(unit: str) -> Options:
    return {
        "type": "value",
        "scale": True,
        "axisLabel": {"color": GREY, "fontSize": 14, "hideOverlap": True, "formatter": "{value} " + unit} if unit
        else {"color": GREY, "fontSize": 14, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": GREY}},
        "nameTextStyle": {"color": GREY, "fontSize": 14},
        "splitLine": {"lineStyle": {"color": GRID}},
    }  # fmt: skip


def _options(x: Options, y: Options, series: list[Options], names: list[str]) -> Options:
    return {
        "animation": False,
        "useUTC": True,
        "backgroundColor": "transparent",
        "grid": {"left": 12, "right": 24, "top": 48, "bottom": 10 if "name" not in x else 36, "containLabel": True},
        "legend": {"type": "scroll", "top": 4, "data": names, "itemHeight": 12,
                   "textStyle": {"color": GREY, "fontSize": 14, "lineHeight": 22},
                   "pageTextStyle": {"color": GREY}, "pageIconColor": GREY},
        "tooltip": {"trigger": "item" if len(names) > 12 else "axis", "confine": True, "order": "valueDesc"},
        "xAxis": x,
        "yAxis": y,
        "series": series,
    }  # fmt: skip
