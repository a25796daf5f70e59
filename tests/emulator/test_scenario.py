"""Scenario files: what is accepted, and where a complaint points."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.scenario.file import Scenario, parse_scenario, read_scenario
from harness.errors import BadInput

CELL: dict[str, object] = {"geometry": "deposit"}
CHANNEL: dict[str, object] = {"name": "a1", "cell": CELL}
INSTRUMENT: dict[str, object] = {"serial": "EMU1", "channels": [CHANNEL]}
GOOD: dict[str, object] = {"instruments": [INSTRUMENT]}


def with_cell(**changes: object) -> dict[str, object]:
    return {"instruments": [{**INSTRUMENT, "channels": [{**CHANNEL, "cell": {**CELL, **changes}}]}]}


def test_smallest_scenario_has_defaults() -> None:
    """An instrument, a channel and a geometry are enough."""
    scenario = parse_scenario(GOOD)
    assert isinstance(scenario, Scenario)
    assert (scenario.clock.scale, scenario.reader_absent, scenario.truth) == (1.0, "drop", None)
    (instrument,) = scenario.instruments
    assert instrument.serial_of(0) == "EMU1CH001"
    assert instrument.measured_with().adc_bits == 16


def test_imperfections_can_be_none() -> None:
    """The word none makes a perfect instrument."""
    scenario = parse_scenario({"instruments": [{**INSTRUMENT, "imperfections": "none"}]})
    assert scenario.instruments[0].measured_with().offset == 0.0


@pytest.mark.parametrize(
    ("raw", "where", "what"),
    [
        ({}, "instruments", "it is missing"),
        ({"instruments": []}, "instruments", "at least 1"),
        ({"instruments": 3}, "instruments", "valid tuple"),
        ({**GOOD, "sed": 1}, "sed", "check its spelling"),
        ({**GOOD, "clock": {"scale": 0}}, "clock.scale", "greater than 0"),
        ({**GOOD, "clock": {"scale": 10}}, "clock", "needs a start"),
        ({"instruments": [{**INSTRUMENT, "serial": "ES4HR1"}]}, "instruments[0].serial", "begin with EMU"),
        ({"instruments": [{**INSTRUMENT, "imperfections": {"offset": -1}}]}, "instruments[0].imperfections.offset", "greater"),
        (with_cell(geometry="round"), "instruments[0].channels[0].cell.geometry", "deposit"),
        (with_cell(overrides={"dead_fraction": 2}), "instruments[0].channels[0].cell.overrides.dead_fraction", "less than 1"),
        (with_cell(overrides={"magic": 2}), "instruments[0].channels[0].cell.overrides.magic", "not permitted"),
        (with_cell(geometry="symmetric", excess_mah_cm2=0), "instruments[0].channels[0].cell", "needs lithium"),
        ({"instruments": [INSTRUMENT, INSTRUMENT]}, "", '"a1" stands twice'),
        ({**GOOD, "expect": {"records_lost": -1}}, "expect.records_lost", "greater"),
        ({**GOOD, "expect": {"alarm": []}}, "expect.alarm", "check its spelling"),
    ],
)
def test_complaint_names_the_place(raw: object, where: str, what: str) -> None:
    """Every fault is one sentence at its path in the file."""
    with pytest.raises(BadInput) as caught:
        parse_scenario(raw)
    assert caught.value.where == where
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not YAML"),
        ("a: &x 1\nb: *x\n", "alias"),
        ("#" * (1 << 20) + "\n", "over 1 MiB"),
        ("- a\n", "keys and values at the top level"),
    ],
)
def test_unreadable_files_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """Broken YAML, aliases and huge files are named by their path."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=what):
        read_scenario(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_scenario(tmp_path / "absent.yaml")
