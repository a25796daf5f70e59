"""The live page: how the shared picture is laid out, and how a click becomes a confirmed command.

Each visitor has elements of their own; what they show comes from the one `Live`. A command goes back through the HTTP API with
the session's token, like everybody else's.
"""

from __future__ import annotations

import json
from importlib import resources

from fastapi import FastAPI
from nicegui import events, ui
from nicegui.element import Element

from harness.service import charts, words
from harness.service.charts import Style, style_of
from harness.service.live import Live
from harness.units import NANOSECOND

REFRESH_SECOND = 1.0
PLOT_PERIODS = 3
"""The voltages of many channels are drawn at every third refresh: they are the larger part of the traffic."""
WINDOWS = {"10 min": 600, "1 h": 3600, "6 h": 21_600, "1 d": 86_400, "all": None}
COMMAND_SECOND = 130.0
"""As long as the daemon may take: a stop waits for one period of the frequency being measured."""
HISTORY_MESSAGES = 20
"""Messages kept for a browser that reconnects: each may hold a plot, and their number times visitors is memory."""

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect x="4" y="8" width="22" height="16" rx="3" fill="none" '
    'stroke="#0072B2" stroke-width="3"/><rect x="27" y="13" width="3" height="6" fill="#0072B2"/>'
    '<path d="M8 20l4-7 4 5 5-8" fill="none" stroke="#009E73" stroke-width="3"/></svg>'
)


def mount(app: FastAPI, live: Live, token: str) -> None:
    """Put the page at ``/`` of ``app``. Its framework is global: once per process."""
    style = resources.files("harness.service").joinpath("page.css").read_text("utf-8")
    script = resources.files("harness.service").joinpath("page.js").read_text("utf-8")

    @ui.page("/", title="Harness", dark=None)
    def index() -> None:
        ui.add_css(style)
        ui.colors(primary="#0072b2", negative="#b3261e", positive="#00694c")
        ui.add_head_html(f'<meta name="harness-token" content="{token}"><script>{script}</script>')
        LivePage(live).build()

    ui.run_with(
        app,
        title="Harness",
        favicon=_ICON,
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        message_history_length=HISTORY_MESSAGES,
        reconnect_timeout=10.0,
    )


class LivePage:
    """One visitor's page. ``selected`` channels are plotted; none selected means all."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._selected: frozenset[str] = frozenset()
        self._window: int | None = None
        self._ticks = 0
        self._drawn: dict[str, object] = {}

    def build(self) -> None:
        """Make the elements and keep them up to date."""
        self._banner_box = ui.element("div").classes("banners")
        with ui.element("header").classes("station"):
            self._station = ui.label("…").classes("station-name")
            self._links = ui.element("div").classes("links")
            self._clock = ui.label("").classes("clock")
        self._build_table()
        with ui.element("main").classes("plots"):
            self._voltage = self._build_plot("Voltage", "voltage", with_windows=True)
            self._efficiency = self._build_plot("Coulombic efficiency", "efficiency")
            self._resistance = self._build_plot("Interface resistance", "resistance")
        self._build_dialog()
        self._refresh()
        ui.timer(REFRESH_SECOND, self._refresh)

    # -- elements ------------------------------------------------------------------------------------------------------

    def _build_table(self) -> None:
        self._empty = ui.label("").classes("empty")
        self._table = _Rows()
        self._table.on("pick", self._pick)
        self._table.on("command", self._ask)

    def _build_plot(self, title: str, name: str, *, with_windows: bool = False) -> _Plot:
        with ui.element("section").classes(f"plot plot-{name}"):
            with ui.element("div").classes("plot-head"):
                ui.label(title).classes("plot-title")
                note = ui.label("").classes("plot-note")
                if with_windows:
                    self._all = ui.button("Show all", on_click=self._show_all).props("flat dense no-caps")
                    ui.toggle(list(WINDOWS), value="all", on_change=self._choose_window).props("flat dense no-caps")
            chart = ui.echart({"series": []}).classes("chart")
            nothing = ui.label("").classes("nothing")
        return _Plot(chart, note, nothing)

    def _build_dialog(self) -> None:
        with ui.dialog() as self._dialog, ui.card().classes("question"):
            self._question = ui.label("").classes("question-title")
            self._consequence = ui.label("").classes("question-text")
            self._who = ui.input("Your name", value="").props('maxlength=64 outlined autocomplete="name"').classes("question-who")
            with ui.element("div").classes("question-buttons"):
                ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps size=lg").classes("question-no")
                self._answer = ui.button("", on_click=self._command).props("unelevated no-caps size=lg").classes("question-yes")
        self._asked: tuple[str, str] = ("", "")

    # -- what the visitor does -----------------------------------------------------------------------------------------

    def _pick(self, event: events.GenericEventArguments) -> None:
        self._selected ^= {str(event.args)}
        self._ticks = 0
        self._refresh()

    def _show_all(self) -> None:
        self._selected = frozenset()
        self._ticks = 0
        self._refresh()

    def _choose_window(self, event: events.ValueChangeEventArguments[str]) -> None:
        self._window = WINDOWS[event.value]
        self._ticks = 0
        self._refresh()

    def _ask(self, event: events.GenericEventArguments) -> None:
        action, row = str(event.args["action"]), event.args["row"]
        question = words.question(action, row)
        self._asked = (str(row["run_id"]), action)
        self._question.set_text(question.title)
        self._consequence.set_text(question.consequence)
        self._answer.set_text(question.answer)
        self._answer.props(f"color={'negative' if action == 'stop' else 'primary'}")
        self._dialog.open()

    async def _command(self) -> None:
        """Send what was confirmed through the API, with the token that stands in this visitor's page."""
        self._dialog.close()
        run_id, action = self._asked
        arguments = ", ".join(json.dumps(text) for text in (run_id, action, self._who.value or "live page"))
        result = await ui.run_javascript(f"return await harnessCommand({arguments})", timeout=COMMAND_SECOND)
        if result["ok"]:
            ui.notify(f"Done: {action} {run_id}", type="positive", position="top")
        else:
            ui.notify(str(result["detail"]), type="negative", position="top", timeout=0, close_button="Close", multi_line=True)

    # -- what the visitor sees -----------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        styles = self._styles()
        self._show_station()
        self._show_banners()
        self._show_rows(styles)
        self._show_voltage(styles)
        self._show_cycles(styles)
        self._ticks += 1

    def _styles(self) -> dict[str, Style]:
        """Channel → its look, from the station's own order of channels."""
        status = self._live.status
        names = [channel.channel for channel in status.channels] if status is not None else []
        names += sorted({run.channel for run in self._live.runs.values()} - set(names))
        return {name: style_of(position) for position, name in enumerate(names)}

    def _show_station(self) -> None:
        status = self._live.status
        if status is None:
            return
        self._station.set_text(status.station)
        scale = "" if status.time_scale == 1 else f"   ×{status.time_scale:g}"
        self._clock.set_text(words.clock(status) + scale)
        chips = words.link_chips(status)
        if self._changed("links", chips):
            self._links.clear()
            with self._links:
                for good, text in chips:
                    with ui.element("div").classes("link" if good else "link link-lost"):
                        ui.icon("check_circle" if good else "error").props("aria-hidden=true")
                        ui.label(text)

    def _show_banners(self) -> None:
        live = self._live
        found = words.banners(live.status, live.daemon_trouble, live.store_trouble, live.silence_second())
        if self._changed("banners", found):
            self._banner_box.clear()
            with self._banner_box:
                for banner in found:
                    with ui.element("div").classes(f"banner banner-{banner.severity}").props('role="alert"'):
                        ui.icon("warning" if banner.severity == "alarm" else "link_off").props("aria-hidden=true")
                        ui.label(banner.text)

    def _show_rows(self, styles: dict[str, Style]) -> None:
        status = self._live.status
        rows = [] if status is None else words.rows(status, self._live.cycles, styles, self._selected)
        if self._changed("rows", rows):
            self._table.show(rows)
        self._table.set_visibility(bool(rows))
        self._all.set_visibility(bool(self._selected))
        if status is None:
            self._empty.set_text("Waiting for the daemon.")
        elif not rows:
            self._empty.set_text("This station has no channels; add a [[channel]] to the site file.")
        elif not any(channel.run_id for channel in status.channels):
            self._empty.set_text(f"No cell is running. Start one with: {words.HOW_TO_START}")
        else:
            self._empty.set_text("")
        self._empty.set_visibility(bool(self._empty.text))

    def _show_voltage(self, styles: dict[str, Style]) -> None:
        live = self._live
        shown = [run for run in live.runs.values() if (not self._selected or run.channel in self._selected) and len(run.trace)]
        many = len(shown) > 16
        if (many and self._ticks % PLOT_PERIODS) or not self._changed("voltage", (live.samples_version, self._view(styles))):
            return
        newest = max((run.trace.last_stamp() or 0 for run in shown), default=0)
        since = None if self._window is None else newest - self._window * NANOSECOND
        points = charts.points_each(len(shown))
        curves = [(run.cell, styles[run.channel], *run.trace.since(since, points)) for run in shown]
        self._voltage.draw(charts.voltage_options(curves), "", "" if shown else "Voltages appear here with the first readings.")

    def _show_cycles(self, styles: dict[str, Style]) -> None:
        live = self._live
        if not self._changed("cycles", (live.derived_version, self._view(styles))):
            return
        wanted = {
            run.run_id: styles[run.channel] for run in live.runs.values() if not self._selected or run.channel in self._selected
        }
        efficiency = charts.efficiency_curves(live.cycles, wanted)
        resistance = charts.resistance_curves(live.fits, wanted)
        nothing = ("Efficiencies appear here when the first cycle is closed.", "Resistances appear here with the first sweep.")
        for plot, curves, unit, text in (
            (self._efficiency, efficiency, "%", nothing[0]),
            (self._resistance, resistance, "Ω", nothing[1]),
        ):
            options, outside = charts.by_cycle_options(curves, unit)
            note = f"± 1 std · {outside} outside" if outside else "± 1 std"
            plot.draw(options, note if curves else "", "" if curves else text)

    def _view(self, styles: dict[str, Style]) -> object:
        return (self._selected, self._window, tuple(self._live.runs), tuple(styles))

    def _changed(self, name: str, value: object) -> bool:
        """Whether ``value`` is another one than at the last call for ``name``."""
        if self._drawn.get(name) == value:
            return False
        self._drawn[name] = value
        return True


class _Rows(Element, component="rows.js"):
    """The table of channels: one element, whose rows the browser compares and changes in place."""

    def show(self, rows: list[words.Row]) -> None:
        self._props["rows"] = rows
        self.update()


class _Plot:
    """A chart with its note, and what stands in its place while there is nothing to draw."""

    def __init__(self, chart: ui.echart, note: ui.label, nothing: ui.label) -> None:
        self._chart, self._note, self._nothing = chart, note, nothing

    def draw(self, options: charts.Options, note: str, nothing: str) -> None:
        self._note.set_text(note)
        self._nothing.set_text(nothing)
        self._nothing.set_visibility(bool(nothing))
        self._chart.options.clear()
        self._chart.options.update(options)
        self._chart.update()
