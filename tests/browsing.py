"""A real browser for tests: headless Chromium, and a page that remembers what it asked for and complained about."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Browser, Locator, Page, expect

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visit:
    """One browser page, and everything it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def leave(self) -> None:
        if not self.page.is_closed():
            self.page.close()

    def row(self, cell: str) -> Locator:
        return self.page.locator("tbody tr", has_text=cell)


def open_page(browser: Browser, url: str) -> Visit:
    """Open the page at a URL and listen to all it does."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    made = Visit(page)
    page.set_default_timeout(PATIENCE_MS)
    page.on("request", lambda request: made.requests.append(request.url))
    page.on("websocket", lambda socket: made.requests.append(socket.url))
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("console", lambda message: made.complaints.append(message.text) if message.type == "error" else None)
    page.goto(url)
    return made
