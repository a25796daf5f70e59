"""What the page says: numbers as a person reads them, alarms before losses, consequences before commands."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import main as cli
from harness.model.status import ChannelState, ChannelStatus, LinkStatus, RunStatus, StationStatus
from harness.service import words
from harness.service.charts import style_of
from harness.store.base import CYCLES

NOW = 1_768_348_800_000_000_000
SECOND = 1_000_000_000


def channel(**changes: Any) -> ChannelStatus:
    facts: dict[str, Any] = {
        "channel": "a1", "driver": "methodscript", "url": "socket://x:1", "serial": None, "message": "",
        "state": ChannelState.RUNNING,
        "cell": "cu-01", "build": "bare", "run_id": "cu-01-x", "unix_time_nanosecond": NOW - 5 * SECOND,
        "voltage_volt": -0.03, "current_ampere": -5.65e-4,
    }  # fmt: skip
    return ChannelStatus(**{**facts, **changes})


def station(*channels: ChannelStatus, **changes: Any) -> StationStatus:
    facts: dict[str, Any] = {
        "station": "lab3", "software_version": "0", "unix_time_nanosecond": NOW, "time_scale": 1.0, "journal_healthy": True,
        "channels": channels, "runs": (), "links": (),
    }  # fmt: skip
    return StationStatus(**{**facts, **changes})


def row(status: StationStatus) -> words.Row:
    return words.rows(status, CYCLES.to_frame(), {"a1": style_of(0)}, frozenset())[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(-5.65e-4, "−565 µA"), (0.0, "0 A"), (1.5, "1.5 A"), (2e-3, "2 mA"), (-3.2e-8, "−32 nA"), (4e-12, "0.004 nA"), (None, "–")],
)
def test_ampere_has_a_prefix(value: float | None, text: str) -> None:
    """Currents from ampere to picoampere are readable, zero is zero and absent is a dash."""
    assert words.ampere(value) == text


@pytest.mark.parametrize(
    ("second", "text"), [(0.2, "now"), (5, "5 s"), (119, "119 s"), (130, "2 min"), (7300, "2 h"), (86_400 * 9, "9 d")]
)
def test_age_has_one_unit(second: float, text: str) -> None:
    """How long ago is said in one unit."""
    assert words.age(second) == text


@pytest.mark.parametrize(
    ("fraction", "std", "text"),
    [(0.99123, 5e-4, "99.12 ± 0.05 %"), (0.999123, 2e-5, "99.912 ± 0.002 %"), (0.9, None, "90.00 %")],
)
def test_percent_has_the_digits_its_std_allows(fraction: float, std: float | None, text: str) -> None:
    """An efficiency is never shown without its std where it is known."""
    assert words.percent(fraction, std) == text


@pytest.mark.parametrize(
    ("state", "pause", "resume", "stop"),
    [
        (ChannelState.RUNNING, True, False, True),
        (ChannelState.PAUSED, False, True, True),
        (ChannelState.STOPPING, False, False, False),
        (ChannelState.LOST, False, False, True),
        (ChannelState.ALARM, False, False, True),
    ],
)
def test_row_offers_only_commands_that_make_sense(state: ChannelState, pause: bool, resume: bool, stop: bool) -> None:
    """A run is paused when it runs, resumed when it is paused, and stopped unless it stops already."""
    found = row(station(channel(state=state)))
    assert (found["can_pause"], found["can_resume"], found["can_stop"]) == (pause, resume, stop)


def test_row_without_a_run_offers_nothing() -> None:
    """An idle channel has dashes and no commands."""
    idle = channel(state=ChannelState.IDLE, cell=None, build=None, run_id=None, unix_time_nanosecond=None, voltage_volt=None)
    found = row(station(idle))
    assert (found["cell"], found["voltage"], found["age"]) == ("–", "–", "–")
    assert [found[name] for name in ("can_pause", "can_resume", "can_stop")] == [False] * 3


def test_row_marks_an_old_reading_in_wall_time() -> None:
    """Two minutes without a reading are marked, but not when station time runs a thousand times as fast."""
    old = channel(unix_time_nanosecond=NOW - 120 * SECOND)
    assert row(station(old))["stale"] is True
    assert row(station(old, time_scale=1000.0))["stale"] is False
    assert row(station(channel()))["stale"] is False


def test_banners_come_by_urgency_and_once() -> None:
    """Alarm, journal and silence come before losses; the instrument of a lost channel is not told twice."""
    links = (
        LinkStatus(name="broker", connected=False, last_outage_start_nanosecond=NOW, last_outage_reason="refused"),
        LinkStatus(name="channel a2", connected=False),
    )
    status = station(
        channel(channel="a1", state=ChannelState.ALARM),
        channel(channel="a2", state=ChannelState.LOST, message="No answer."),
        journal_healthy=False,
        links=links,
    )
    found = words.banners(status, "", "", 0.0)
    assert [banner.severity for banner in found] == ["alarm", "alarm", "warning", "warning"]
    assert "treat it as polarised" in found[0].text
    assert found[2].text == "Channel a2, cell cu-01: link lost, the cell counts as polarised. No answer."
    assert found[3].text == "broker lost since 00:00:00 UTC: refused"


def test_banners_tell_a_silent_daemon() -> None:
    """No news is an alarm, whether a reason is known or not; news within ten seconds is none."""
    assert words.banners(station(), "", "", 9.0) == []
    assert [banner.severity for banner in words.banners(station(), "", "", 11.0)] == ["alarm"]
    assert "Nothing is known of the channels. No daemon." in words.banners(None, "No daemon.", "", 2.0)[0].text


def test_link_chips_put_instruments_together() -> None:
    """64 instruments are one chip, which counts the lost ones."""
    links = (
        LinkStatus(name="broker", connected=True),
        *(LinkStatus(name=f"channel a{number}", connected=number != 7) for number in range(64)),
    )
    behind = RunStatus(run_id="r", channel="a1", cell="c", ended=False, journaled=100, sent=90, confirmed=88)
    assert words.link_chips(station(links=links, runs=(behind,))) == [
        (True, "broker connected"),
        (False, "1 of 64 channels lost"),
        (True, "journal healthy"),
        (True, "12 records to deliver"),
    ]


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_question_names_cell_channel_and_consequence(action: str) -> None:
    """Nobody confirms a command without reading which cell it is for and what will happen to it."""
    question = words.question(action, row(station(channel(step_path="steps[1]"))))
    assert "cu-01 on channel a1?" in question.title
    assert "cu-01" in question.answer
    assert question.consequence.endswith(".")


def test_how_to_start_is_what_the_command_line_takes() -> None:
    """The command that the empty page shows exists, with these options."""
    *command, _cell, _, _channel, _, _schedule, _ = words.HOW_TO_START.split()
    helped = CliRunner().invoke(cli.app, [*command[1:], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert helped.exit_code == 0
    for option in (_cell, _channel, _schedule):
        assert option in helped.output
