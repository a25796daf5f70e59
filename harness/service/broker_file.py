"""Where the broker is, and what its delivery means.

The broker is the site file's, or the embedded one that ``harness up`` started and described in ``broker.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.config import EMBEDDED, Site
from harness.service.control import write_secret
from harness.stream.mqtt import MqttSettings, parse_url
from harness.stream.publisher import Acknowledge

FILE = "broker.json"


def broker_settings(site: Site) -> MqttSettings | None:
    """The broker a process of this site talks to; ``None`` when it is the embedded one and none was started."""
    if site.mqtt.url != EMBEDDED:
        return parse_url(site.mqtt.url, site.mqtt.user, site.secret(site.mqtt.password_file))
    try:
        told = json.loads((site.state_directory / FILE).read_text(encoding="utf-8"))
    except OSError:
        return None
    return MqttSettings(host=told["host"], port=told["port"], username=told["username"], password=told["password"])


def acknowledgement(site: Site) -> Acknowledge:
    """What counts as delivered: with no store configured, being in the journal."""
    return "committed" if site.influx is None else site.mqtt.acknowledge


def describe_broker(state_directory: Path, settings: MqttSettings) -> None:
    """Tell the other processes where the embedded broker is; the file holds its password and is readable by us alone."""
    told = {"host": settings.host, "port": settings.port, "username": settings.username, "password": settings.password}
    write_secret(state_directory / FILE, json.dumps(told))


def forget_broker(state_directory: Path) -> None:
    """The embedded broker is gone."""
    (state_directory / FILE).unlink(missing_ok=True)
