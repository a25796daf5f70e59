"""The live page in a real browser: against a real journal, a real control port, and no other host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, expect

from harness.model.status import ChannelState, LinkStatus
from tests.browsing import Visit, open_page

INK = """(canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  let inked = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] > 200) { inked += 1; colours.add((pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2]); }
  }
  return { inked, colours: [...colours] };
}"""

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def open_once(browser: Browser, served: Any) -> Iterator[Visit]:
    """The page of the eight channels, opened once."""
    made = open_page(browser, served.url)
    yield made
    made.leave()


@pytest.fixture
def shown(open_once: Visit) -> Iterator[Visit]:
    """The page of the eight channels; no test may leave a complaint behind."""
    yield open_once
    assert open_once.complaints == []


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Visit]]:
    """Open a page of one's own; at the end it has complained of nothing."""
    opened: list[Visit] = []

    def opening(url: str) -> Visit:
        opened.append(open_page(browser, url))
        return opened[-1]

    yield opening
    for made in opened:
        made.leave()
    assert [complaint for made in opened for complaint in made.complaints if "ERR_CONNECTION_REFUSED" not in complaint] == []


def ink(plot: Locator) -> dict[str, Any]:
    """How many opaque pixels a plot's canvas has, and which colours."""
    found = plot.locator("canvas").first.evaluate(INK)
    assert isinstance(found, dict)
    return found


def has_colour(found: dict[str, Any], colour: str) -> bool:
    return int(colour.lstrip("#"), 16) in found["colours"]


def test_page_shows_every_channel_with_its_cell(shown: Visit) -> None:
    """Eight channels: name, cell, build, state in words, role, and the efficiency of the last cycle with its std."""
    page = shown.page
    expect(page.locator("tbody tr")).to_have_count(8)
    row = page.locator("tbody tr").first
    for text in ("a1", "cu-01", "bare-cu"):
        expect(row).to_contain_text(text)
    expect(page.locator(".state")).to_have_count(8)
    expect(row.locator("td.efficiency")).to_have_text(re.compile(r"\d\d\.\d\d ± 0\.\d\d %"))
    expect(page.locator(".station-name")).to_have_text("lab3")
    expect(page.locator(".clock")).to_have_text(re.compile(r"2026-01-1\d  \d\d:\d\d:\d\d UTC   ×600"))
    links: list[str | re.Pattern[str]] = ["broker connected", "influx connected", "journal healthy", re.compile("record")]
    expect(page.locator(".link > div")).to_have_text(links)


def test_page_updates_the_row_in_place(shown: Visit) -> None:
    """The voltage of a running channel changes within seconds in the same element: nothing is rebuilt, nothing flickers."""
    page = shown.page
    voltage = page.locator("tbody tr").first.locator("td.voltage")
    expect(voltage).to_have_text(re.compile(r"−?\d\.\d{4} V"))
    voltage.evaluate("(cell) => { cell.mark = 'same element'; }")
    before = voltage.inner_text()
    expect(voltage).not_to_have_text(before)
    assert voltage.evaluate("(cell) => cell.mark") == "same element"


def test_page_draws_all_three_plots(shown: Visit) -> None:
    """Each plot has ink in the colours of all channels."""
    page = shown.page
    for name in ("voltage", "efficiency", "resistance"):
        plot = page.locator(f".plot-{name}")
        expect(plot.locator("canvas").first).to_be_visible()
        expect(plot.locator(".nothing")).to_be_hidden()
        page.wait_for_function(
            f"([selector]) => {{ const found = ({INK})(document.querySelector(selector)); return found.colours.length > 20; }}",
            arg=[f".plot-{name} canvas"],
        )
        found = ink(plot)
        assert found["inked"] > 2000
        for colour in ("#0072B2", "#D55E00", "#009E73", "#CC79A7"):
            assert has_colour(found, colour), f"{colour} is missing in the plot of {name}"


def test_page_plots_the_chosen_channels_only(shown: Visit) -> None:
    """A click on a row leaves its curve alone in the plots, and "Show all" brings the others back."""
    made = shown
    made.row("cu-02").click()
    expect(made.page.locator("tr.picked")).to_have_count(1)
    gone = f"""() => {{
      const found = ({INK})(document.querySelector(".plot-efficiency canvas"));
      return found.colours.includes(0xD55E00) && !found.colours.includes(0x0072B2);
    }}"""
    made.page.wait_for_function(gone)
    made.page.get_by_role("button", name="Show all").click()
    made.page.wait_for_function(gone.replace("!found", "found"))
    expect(made.page.locator("tr.picked")).to_have_count(0)


def test_page_command_is_confirmed_before_it_is_sent(shown: Visit, served: Any) -> None:
    """Pause asks with cell, channel and consequence; Cancel sends nothing; the confirmed command reaches the daemon once."""
    made = shown
    page, commands = made.page, served.station.commands
    commands.clear()
    page.get_by_label("Pause cu-03").click()
    dialog = page.locator(".question")
    expect(dialog).to_contain_text("Pause cell cu-03 on channel a3?")
    expect(dialog).to_contain_text("The cell is opened now and rests.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.get_by_label("Pause cu-03").click()
    dialog.get_by_label("Your name").fill("anna")
    assert commands == []
    dialog.get_by_role("button", name="Pause cu-03").click()
    expect(page.locator(".q-notification.bg-positive")).to_contain_text("pause cu-03-20260114t000000")
    expect(made.row("cu-03").locator(".state")).to_contain_text("paused")
    assert commands == [("pause", "cu-03-20260114t000000", "anna")]
    page.get_by_label("Resume cu-03").click()
    expect(dialog).to_contain_text("Current flows through the cell again")
    dialog.get_by_role("button", name="Resume cu-03").click()
    expect(made.row("cu-03").locator(".state")).to_contain_text("running")
    assert commands[1:] == [("resume", "cu-03-20260114t000000", "anna")]


def test_page_says_why_the_daemon_refused(shown: Visit, served: Any) -> None:
    """A refusal is shown as the sentence that the daemon gave, and stays until it is closed."""
    made = shown
    served.station.refusal = "run cu-04-20260114t000000 is in a sweep that cannot be paused"
    try:
        made.page.get_by_label("Stop cu-04").click()
        expect(made.page.locator(".question")).to_contain_text("it cannot be resumed")
        made.page.locator(".question").get_by_role("button", name="Stop cu-04").click()
        expect(made.page.locator(".q-notification.bg-negative")).to_contain_text(served.station.refusal)
    finally:
        served.station.refusal = ""
    made.complaints[:] = [text for text in made.complaints if "409" not in text]


def test_page_asks_no_other_host(served: Any, visit: Callable[[str], Visit]) -> None:
    """Page, plots, fonts and API documentation come from the server itself: a lab without internet misses nothing."""
    made = visit(served.url)
    expect(made.page.locator("tbody tr")).to_have_count(8)
    made.page.goto(f"{served.url}/docs")
    expect(made.page.locator(".opblock")).to_have_count(11)
    hosts = {urlsplit(url).netloc for url in made.requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(served.url).netloc}
    assert any(url.startswith("ws:") for url in made.requests)


def test_page_fits_a_narrow_window(shown: Visit) -> None:
    """At 900 pixels nothing is cut off at the side: the last button is inside the window."""
    shown.page.set_viewport_size({"width": 900, "height": 1000})
    try:
        button = shown.page.get_by_label("Stop cu-01").bounding_box()
        assert button is not None
        assert button["x"] + button["width"] <= 900
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 900
    finally:
        shown.page.set_viewport_size({"width": 1600, "height": 1000})


def test_page_holds_the_token_that_commands_need(shown: Visit, served: Any) -> None:
    """The page's own token is accepted from a script of the page, and a wrong one is not."""
    send = """async ([token]) => (await fetch("/api/runs/cu-05-20260114t000000/pause",
        { method: "POST", headers: { "X-Harness-Token": token, "Content-Type": "application/json" },
          body: JSON.stringify({ who: "script" }) })).status"""
    token = shown.page.locator("meta[name=harness-token]").get_attribute("content")
    served.station.commands.clear()
    assert shown.page.evaluate(send, ["wrong"]) == 403
    assert served.station.commands == []
    assert shown.page.evaluate(send, [token]) == 200
    assert served.station.commands == [("pause", "cu-05-20260114t000000", "script")]
    shown.complaints[:] = [text for text in shown.complaints if "403" not in text]


def test_page_socket_is_closed_to_other_origins(served: Any) -> None:
    """A page of another origin can neither open the live page's socket nor poll it."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        for transport, headers in (("websocket", upgrade), ("polling", {})):
            path = f"/_nicegui_ws/socket.io/?EIO=4&transport={transport}"
            answer = client.get(path, headers={**headers, "Origin": "http://evil.example"})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


def test_page_without_a_run_says_how_to_start_one(
    make_station: Callable[..., Any], serve: Callable[..., Any], visit: Callable[[str], Visit]
) -> None:
    """A station whose channels are idle shows them, says what to do, and explains empty plots; SIGTERM then ends it with 0."""
    station = make_station(2)
    for cell in station.cells:
        cell.state = ChannelState.IDLE
    idle = serve(station)
    made = visit(idle.url)
    page = made.page
    expect(page.locator(".empty")).to_contain_text("harness run start")
    expect(page.locator("tbody tr")).to_have_count(2)
    for name, text in (("voltage", "first readings"), ("efficiency", "first cycle"), ("resistance", "first sweep")):
        expect(page.locator(f".plot-{name} .nothing")).to_contain_text(text)
    stops = page.locator("td.actions button").all()
    assert len(stops) == 4
    for button in stops:
        expect(button).to_be_disabled()
    assert idle.stop() == 0
    made.leave()


def test_page_shows_alarms_and_lost_links_until_they_are_over(
    make_station: Callable[..., Any], serve: Callable[..., Any], visit: Callable[[str], Visit]
) -> None:
    """An unproven open cell, a lost instrument and a lost InfluxDB each have a banner, the alarm first; a silent daemon too."""
    station = make_station(3, links=(LinkStatus(name="influx", connected=False, last_outage_reason="connection refused"),))
    page = visit(serve(station).url).page
    banners, (_, second, third) = page.locator(".banner"), station.cells
    expect(banners).to_have_text(re.compile("influx lost: connection refused"))
    second.message, third.message = "the cell could not be shown to be open", "no answer since 00:12 UTC"
    second.state, third.state = ChannelState.ALARM, ChannelState.LOST
    expect(banners).to_have_count(3)
    expect(banners.first).to_contain_text("Channel a2, cell cu-02: the cell could not be shown to be open")
    expect(banners.nth(1)).to_contain_text("Channel a3, cell cu-03: link lost, the cell counts as polarised")
    second.state = third.state = ChannelState.RUNNING
    expect(banners).to_have_count(1)
    station.halt()
    expect(page.locator(".banner-alarm")).to_contain_text("No news of the daemon")


def test_page_carries_sixty_four_channels(
    make_station: Callable[..., Any], serve: Callable[..., Any], visit: Callable[[str], Visit]
) -> None:
    """64 channels are all listed and drawn, still update, and no message to the browser is larger than half a megabyte."""
    sizes: list[int] = []
    made = visit("about:blank")
    made.page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(len(data))))
    made.page.goto(serve(make_station(64, history=160, period_second=1.0)).url)
    expect(made.page.locator("tbody tr")).to_have_count(64)
    made.page.wait_for_function(f"() => ({INK})(document.querySelector('.plot-efficiency canvas')).colours.length > 50")
    voltage = made.row("cu-64").locator("td.voltage")
    expect(voltage).not_to_have_text(voltage.inner_text())
    assert 20_000 < max(sizes) < 500_000
