"""The names of MQTT topics. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ANY = "+"
"""Stands for every station or run in a filter."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class RunTopic:
    """A topic of one run, taken apart."""

    station: str
    run_id: str
    kind: Literal["records", "derived", "ack"]


def status(station: str) -> str:
    """Retained: the station's status as JSON, or ``offline``."""
    return f"harness/{station}/status"


def channel_state(station: str, channel: str) -> str:
    """Retained: a channel's status as JSON, at most once a second."""
    return f"harness/{station}/channel/{channel}/state"


def alarm(station: str) -> str:
    """Alarms, one message each."""
    return f"harness/{station}/alarm"


def run(station: str, run_id: str, kind: Literal["records", "derived", "ack"]) -> str:
    """Batches of records or derived rows of a run, and the acknowledgements of both."""
    return f"harness/{station}/run/{run_id}/{kind}"


def shared(group: str, topic_filter: str) -> str:
    """A filter whose messages are dealt among all subscribers of ``group``."""
    return f"$share/{group}/{topic_filter}"


def parse_run(topic: str) -> RunTopic | None:
    """The inverse of `run`; ``None`` for any other topic."""
    match topic.split("/"):
        case ["harness", station, "run", run_id, ("records" | "derived" | "ack") as kind]:
            return RunTopic(station, run_id, kind) if is_name(station) and is_name(run_id) else None
        case _:
            return None


def is_name(text: str) -> bool:
    """Whether ``text`` can be a level of a topic."""
    return _NAME.fullmatch(text) is not None
