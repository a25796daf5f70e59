"""What the station says of itself: the answer of the daemon's ``/status``, and the retained MQTT messages.

Pydantic models, since they cross process borders as JSON in both directions.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class ChannelState(StrEnum):
    """The life of a channel, as a person would say it."""

    CONNECTING = "connecting"
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    LOST = "lost"
    """The link is down; the cell counts as polarised."""
    ALARM = "alarm"
    """The cell could not be shown to be open."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChannelStatus(_Message):
    """One channel now. Times are station time in nanoseconds; values are those of the last reading, ``None`` before any."""

    channel: str
    driver: str
    url: str
    serial: str | None
    state: ChannelState
    message: str
    cell: str | None = None
    build: str | None = None
    run_id: str | None = None
    schedule: str | None = None
    step_path: str | None = None
    role: str | None = None
    cycle_count: int | None = None
    voltage_volt: float | None = None
    current_ampere: float | None = None
    unix_time_nanosecond: int | None = None


class RunStatus(_Message):
    """How far a run's records have come: the last ``seq`` at each station of the journey, −1 for none."""

    run_id: str
    channel: str
    cell: str
    ended: bool
    journaled: int
    sent: int
    confirmed: int


class LinkStatus(_Message):
    """One link; outage times are station time in nanoseconds, ``None`` when there was none, or it still lasts."""

    name: str
    connected: bool
    last_outage_start_nanosecond: int | None = None
    last_outage_end_nanosecond: int | None = None
    last_outage_reason: str = ""


class StationStatus(_Message):
    """The whole station."""

    station: str
    software_version: str
    unix_time_nanosecond: int
    time_scale: float
    journal_healthy: bool
    channels: tuple[ChannelStatus, ...]
    runs: tuple[RunStatus, ...]
    links: tuple[LinkStatus, ...]
