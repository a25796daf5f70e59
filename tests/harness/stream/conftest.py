"""Runs and records for the tests of this folder, and the real broker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from harness.model.records import RunStarted, Sample
from harness.model.run import Role, RunContext
from harness.service.broker import find_mosquitto
from tests import facts

EPOCH = 1_767_225_600_000_000_000


@pytest.fixture
def context() -> Callable[[str], RunContext]:
    """Makes the context of a run."""
    return lambda run_id: RunContext("lab3", "a1", run_id.partition("-")[0], "bare", run_id)


@pytest.fixture
def started() -> Callable[[str], RunStarted]:
    """Makes the first record of a run."""

    def make(run_id: str) -> RunStarted:
        return RunStarted(run_id, 0, EPOCH, facts.FACTS)

    return make


@pytest.fixture
def sample() -> Callable[[str, int], Sample]:
    """Makes a run's sample with a given ``seq``; its voltage tells the ``seq``."""

    def make(run_id: str, seq: int) -> Sample:
        stamp = EPOCH + seq * 1_000_000_000
        return Sample(
            run_id, seq, stamp, float(seq), seq % 7 + 0.1, seq / 3, -0.001, seq // 100, 1, "steps[0]", Role.PLATE, None, ""
        )

    return make


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker_kind(request: pytest.FixtureRequest) -> str:
    """Both brokers, one after the other; mosquitto must be there in continuous integration."""
    kind = str(request.param)
    if kind == "mosquitto" and find_mosquitto() is None and os.environ.get("CI") != "true":
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return kind


@pytest.fixture
def openssl() -> str:
    """The path of openssl, to make certificates with."""
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    return found
