"""The language of events: what is accepted, where a complaint points, and when an event happens."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.faults.fault import Lasting
from emulator.faults.registry import FAULTS
from emulator.faults.stages import Direction
from emulator.scenario.events import Counted, ForCycles, ForTime, ForWall, Message, Moment, Place
from emulator.scenario.file import Scenario, parse_scenario
from emulator.scenario.predicates import parse_predicate
from harness.errors import BadInput

CHANNELS = [
    {"name": "a1", "cell": {"geometry": "deposit"}},
    {"name": "a2", "listen": "pty", "cell": {"geometry": "deposit"}},
]
AT = {"channel": "a1", "time": "1 h"}
FOR = {"duration": "5 s"}
STUCK = "I20_relay_stuck"


def scenario(*events: dict[str, Any]) -> Scenario:
    return parse_scenario({"instruments": [{"serial": "EMU1", "channels": CHANNELS}], "events": list(events)})


def test_every_form_of_an_event_is_read() -> None:
    """Triggers, deeds with and without parameters, and ends, as they are written."""
    events = scenario(
        {"at": AT, "do": "T10_refuse", "for": {"wall": "5 s"}},
        {"at": {"channel": "a1", "cycle": 6, "step": "strip", "q": "0.4"}, "do": {"C1_soft_short": {"conductance_s_cm2": "5e-4"}},
         "for": {"cycles": 3}},
        {"at": {"channel": "a1", "message": 40, "direction": "from_host"}, "do": "P2_truncated", "for": {"count": 2}},
        {"when": "dead_mah_cm2 > 1.0", "once": True, "channel": ["a1", "a2"], "do": "C3_dry_out"},
        {"every": {"mean": "2 h"}, "do": ["T1_latency", {"T13_bit_flip": {"probability": "0.5"}}], "for": {"duration": "30 s"}},
        {"name": "stuck", "at": AT, "do": STUCK},
        {"at": {"channel": "a1", "time": "2 h"}, "clear": "stuck"},
    ).events  # fmt: skip
    assert events[0].at == Moment.model_validate({"channel": "a1", "time": "1 h"})
    assert events[1].at == Place(channel="a1", cycle=6, step="strip", q=0.4)
    assert events[2].at == Message(channel="a1", message=40, direction=Direction.FROM_HOST)
    assert events[1].do[0].parameters.model_dump() == {"conductance_s_cm2": 5e-4}
    assert [deed.fault for deed in events[4].do] == ["T1_latency", "T13_bit_flip"]
    ends = [event.for_ for event in events]
    assert ends[:3] == [ForWall.model_validate({"wall": "5 s"}), ForCycles(cycles=3), Counted(count=2)]
    assert ends[4] == ForTime.model_validate({"duration": "30 s"})
    assert (events[3].channel, events[3].once, events[6].clear) == (("a1", "a2"), True, "stuck")


@pytest.mark.parametrize(
    ("event", "where", "what"),
    [
        ({"at": {"channel": "b", "time": "1 h"}, "do": STUCK, "for": FOR}, "at.channel", 'no channel "b"'),
        ({"at": {"channel": "a1", "time": "1 m"}, "do": STUCK, "for": FOR}, "at.time", "unit"),
        ({"at": {"channel": "a1", "time": "-1 h"}, "do": STUCK, "for": FOR}, "at.time", "negative"),
        ({"at": {"channel": "a1", "time": 5}, "do": STUCK, "for": FOR}, "at.time", "has no unit"),
        ({"at": {"channel": "a1"}, "do": STUCK, "for": FOR}, "at", "one of time, cycle and message"),
        ({"at": {"channel": "a1", "cycle": 0}, "do": STUCK, "for": FOR}, "at.cycle", "greater than or equal to 1"),
        ({"at": {"channel": "a1", "cycle": 1, "step": "plait"}, "do": STUCK, "for": FOR}, "at.step", "plate"),
        ({"do": STUCK, "for": FOR}, "", "exactly one of at, when and every"),
        ({"at": AT, "when": "dead_mah_cm2 > 1", "do": STUCK, "for": FOR}, "", "exactly one of at, when and every"),
        ({"at": AT}, "", "either do or clear"),
        ({"at": AT, "do": []}, "do", "names no fault"),
        ({"at": AT, "do": "T1_latancy", "for": FOR}, "do", 'no fault "T1_latancy"'),
        ({"at": AT, "do": [STUCK, "T1_latancy"], "for": FOR}, "do[1]", 'no fault "T1_latancy"'),
        ({"at": AT, "do": {"T1_latency": {"delay": "1"}}, "for": FOR}, "do.T1_latency.delay", "no unit"),
        ({"at": AT, "do": [{"T1_latency": {"dely": "1 s"}}], "for": FOR}, "do[0].T1_latency.dely", "check its spelling"),
        ({"at": AT, "do": STUCK}, "for", "lasts and has no end"),
        ({"name": "stuck", "at": AT, "do": STUCK}, "for", "lasts and has no end"),
        ({"at": AT, "do": "C3_dry_out", "for": FOR}, "for", "over in an instant"),
        ({"at": AT, "do": STUCK, "for": {"count": 3}}, "for.count", "does not act message by message"),
        ({"at": AT, "do": STUCK, "for": {"days": 3}}, "for", "one of count, duration, wall and cycles"),
        ({"at": AT, "do": STUCK, "for": {"duration": "0 s"}}, "for.duration", "greater than 0"),
        ({"at": AT, "clear": "nobody"}, "clear", 'no event is named "nobody"'),
        ({"when": "dead_mah_cm2 ~ 1", "do": "C3_dry_out"}, "when", "not a condition"),
        ({"when": "film_nm > 3 mm^2", "do": "C3_dry_out"}, "when", "expected something like nm"),
        ({"every": {"mean": "0 s"}, "do": "C3_dry_out"}, "every.mean", "greater than 0"),
        ({"at": AT, "channel": "a2", "do": "T15_steal", "for": FOR}, "do", "listens on pty"),
    ],
)  # fmt: skip
def test_mistake_in_an_event_is_one_sentence_at_its_place(event: dict[str, Any], where: str, what: str) -> None:
    """Every mistake is named with its path in the file."""
    with pytest.raises(BadInput) as caught:
        scenario(event)
    assert caught.value.where == f"events[0]{'.' if where else ''}{where}"
    assert what in caught.value.what


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.lasting is Lasting.LASTING])
def test_no_fault_that_lasts_is_accepted_without_an_end(fault: str) -> None:
    """A fault without an end is a mistake in the file, whichever it is."""
    parameters = {"with": "a2"} if fault in ("C9_wrong_cell", "I6_channels_swapped") else {}
    with pytest.raises(BadInput, match="has no end"):
        scenario({"at": AT, "do": {fault: parameters}})


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("dead_mah_cm2 > 1.0", 1.0, False),
        ("dead_mah_cm2 >= 1.0 mAh/cm^2", 1.0, True),
        ("dead_mah_cm2<1000 uAh/cm^2", 0.999, True),
        ("dead_mah_cm2 <= -1e-3", 0.0, False),
    ],
)
def test_condition_compares_in_the_unit_of_its_state(text: str, value: float, holds: bool) -> None:
    """A unit given is converted to the one the state is kept in; without one it is that one."""
    assert parse_predicate(text).holds({"dead_mah_cm2": value}) is holds
