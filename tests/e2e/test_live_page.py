"""The live page of a whole station, driven as a person drives it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import open_page
from tests.e2e.conftest import Bench
from tests.services import free_port

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

CHANNELS = tuple(f"a{number}" for number in range(1, 9))


def test_live_page_follows_and_commands_eight_channels(bench: Bench, browser: Browser) -> None:
    """Eight channels update, a channel is paused and resumed through the dialog, and nothing is asked of another host."""
    bench.scale = 300.0
    cell = {"geometry": "deposit", "preset": "claim1_stack", "area_cm2": 1.267}
    bench.start_emulator([{"name": name, "listen": "tcp", "cell": cell} for name in CHANNELS])
    port = free_port()
    bench.write_site(f"[serve]\nport = {port}")
    for name in CHANNELS:
        bench.register(f"cell-{name}")
    for process in ("daemon", "rollup", "serve"):
        bench.start(process)
    bench.wait((bench.state / "control.json").exists)
    site = ("--site", str(bench.site))
    for name in CHANNELS:
        started = bench.harness("run", "start", "--cell", f"cell-{name}", "--channel", name, "--schedule", "demo-li-cu", *site)
        assert started.returncode == 0, started.stderr
    bench.wait(lambda: "page" in (bench.directory / "serve.log").read_text())

    visit = open_page(browser, f"http://127.0.0.1:{port}/")
    page = visit.page
    for name in CHANNELS:
        expect(visit.row(f"cell-{name}").locator(".state")).to_contain_text("running")
    shown = visit.row("cell-a1").inner_text()
    expect(visit.row("cell-a1")).not_to_have_text(shown)
    expect(page.locator("canvas").first).to_be_visible()

    dialog = page.locator(".question")
    page.get_by_label("Pause cell-a3").click()
    dialog.get_by_role("button", name="Pause cell-a3").click()
    expect(visit.row("cell-a3").locator(".state")).to_contain_text("paused")
    told = json.loads(bench.harness("status", "--json", *site).stdout)
    assert [channel["channel"] for channel in told["channels"] if channel["state"] == "paused"] == ["a3"]
    page.get_by_label("Resume cell-a3").click()
    dialog.get_by_role("button", name="Resume cell-a3").click()
    expect(visit.row("cell-a3").locator(".state")).to_have_text(re.compile("running"))

    assert {urlsplit(url).netloc for url in visit.requests} == {f"127.0.0.1:{port}"}
    assert visit.complaints == []
    visit.leave()
