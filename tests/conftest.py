"""Real servers that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browsing import FLAGS
from tests.services import Influxd, Mosquitto, new_influxd, new_mosquitto, required


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """An influxd that runs throughout; each test takes a database of its own."""
    server = new_influxd(tmp_path_factory.mktemp("influxd"))
    yield server
    server.stop()


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Influxd]:
    """An influxd that a test may stop and start."""
    root = tmp_path / "influxd"
    root.mkdir()
    server = new_influxd(root)
    yield server
    server.stop()


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto that a test may stop and start."""
    root = tmp_path / "mosquitto"
    root.mkdir()
    server = new_mosquitto(root)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=required("chromium", "chromium"), args=list(FLAGS))
        yield started
        started.close()
