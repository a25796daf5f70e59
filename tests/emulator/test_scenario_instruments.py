"""Imperfections and calibrations as they are written: what is accepted, what it means, and where a complaint points."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from emulator.instruments.converter import PERFECT, TYPICAL, Imperfections, Known
from emulator.scenario.instruments import ImperfectionSettings, InstrumentSettings, with_calibrations
from harness.errors import BadInput
from harness.model.yaml_text import Plain

CHANNEL: dict[str, Plain] = {"name": "a1", "cell": {"geometry": "deposit"}}
CALIBRATION = """
current:
  - {range: 1 mA, offset: 0.21 uA, gain: 1.0002, noise: 12 nA}
voltage:
  - {range: 1 V, offset: -0.1 mV}
"""


def instrument(**changes: object) -> InstrumentSettings:
    return InstrumentSettings.model_validate({"serial": "EMU1", "channels": [CHANNEL]} | changes)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("none", PERFECT),
        ("typical", TYPICAL),
        ({}, Imperfections()),
        ({"base": "none", "gain": "1e-4"}, Imperfections(0.0, 1e-4, 0, 0.0, 0.0, 0.0)),
        ({"offset": 1e-3, "wires": 2}, Imperfections(offset=1e-3, wires=2)),
    ],
)
def test_imperfections_are_a_name_a_mapping_or_both(written: object, meant: Imperfections) -> None:
    """A mapping changes the default, or the base that it names."""
    assert instrument(imperfections=written).measured_with() == meant


def test_every_imperfection_can_be_written() -> None:
    """The settings have a field for each, with the same default."""
    assert set(ImperfectionSettings.model_fields) == {field.name for field in fields(Imperfections)}
    assert instrument().measured_with() == Imperfections()


@pytest.mark.parametrize(
    ("written", "place", "what"),
    [
        ("perfect", "imperfections", "is no set of imperfections"),
        ({"base": "best"}, "imperfections", "is no set of imperfections"),
        ({"offset": -1e-4}, "imperfections.offset", "greater than or equal to 0"),
        ({"clock_ppm": 1e6}, "imperfections.clock_ppm", "less than or equal to 1000"),
        ({"wires": 3}, "imperfections.wires", "2 or 4"),
        ({"regulator_second": 0}, "imperfections.regulator_second", "greater than 0"),
        ({"ofset": 1e-4}, "imperfections.ofset", "not permitted"),
    ],
)
def test_impossible_imperfection_is_refused_at_its_place(written: object, place: str, what: str) -> None:
    """Pydantic's place is that in the file."""
    with pytest.raises(ValidationError) as caught:
        instrument(imperfections=written)
    (error,) = caught.value.errors()
    assert ".".join(str(part) for part in error["loc"]) == place
    assert what in error["msg"]


def test_calibration_file_gives_a_channel_its_errors(tmp_path: Path) -> None:
    """The file is found beside the scenario; its ranges are those of the model."""
    (tmp_path / "ch1.yaml").write_text(CALIBRATION)
    raw: dict[str, Plain] = {"instruments": [{"serial": "EMU1", "channels": [CHANNEL | {"calibration": "ch1.yaml"}]}]}
    read = with_calibrations(raw, tmp_path)["instruments"]
    assert isinstance(read, list)
    found = InstrumentSettings.model_validate(read[0]).calibration_of(0)
    assert found.current == {1e-3: Known(pytest.approx(2.1e-7), 1.0002, pytest.approx(1.2e-8))}  # type: ignore[arg-type]
    assert found.voltage == {1.0: Known(-1e-4)}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (None, "ch1.yaml", "cannot be read"),
        ("current: [", "ch1.yaml: line 1, column 11", "not YAML"),
        ("current: [{range: 1}]", "ch1.yaml: current[0].range", "unit"),
        ("current: [{range: 1 mA, gain: 3}]", "ch1.yaml: current[0].gain", "less than"),
        ("voltage: [{range: 1 V, noise: -1 mV}]", "ch1.yaml: voltage[0].noise", "negative"),
        ("power: []", "ch1.yaml: power", "not known"),
    ],
)
def test_complaint_about_a_calibration_names_file_and_place(tmp_path: Path, text: str | None, where: str, what: str) -> None:
    """It is the calibration that must be corrected, not the scenario."""
    if text is not None:
        (tmp_path / "ch1.yaml").write_text(text)
    with pytest.raises(BadInput) as caught:
        with_calibrations({"instruments": [{"channels": [{"calibration": "ch1.yaml"}]}]}, tmp_path)
    assert caught.value.where.endswith(where)
    assert what in caught.value.what


@pytest.mark.parametrize(("ranges", "what"), [(["3 mA"], "no range of this model"), (["1 mA", "1 mA"], "stands twice")])
def test_calibration_of_a_range_that_is_not_there_is_refused(ranges: list[str], what: str) -> None:
    """A range is named once, and is one of the model's."""
    with pytest.raises(ValidationError, match=what):
        instrument(channels=[CHANNEL | {"calibration": {"current": [{"range": one} for one in ranges]}}])
