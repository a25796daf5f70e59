"""Scenario files: what is accepted, and where a complaint points."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from emulator.assembly import make_cell
from emulator.scenario.cells import CellSettings
from emulator.scenario.file import Scenario, parse_scenario, read_scenario
from harness.errors import BadInput
from harness.model.anode import load_build, ready_build, ready_builds

CELL: dict[str, object] = {"geometry": "deposit"}
CHANNEL: dict[str, object] = {"name": "a1", "cell": CELL}
INSTRUMENT: dict[str, object] = {"serial": "EMU1", "channels": [CHANNEL]}
GOOD: dict[str, object] = {"instruments": [INSTRUMENT]}
PLACE = "instruments[0].channels[0].cell"
SHORT: dict[str, object] = {"at": {"channel": "a1", "cycle": 1}, "do": "C1_soft_short"}
FOIL: dict[str, object] = {"id": "foil", "active": {"origin": "foil"}, "layers": []}


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
        ({"instruments": 3}, "instruments", "should be a list"),
        ({**GOOD, "sed": 1}, "sed", "check its spelling"),
        ({**GOOD, "clock": {"scale": 0}}, "clock.scale", "greater than 0"),
        ({**GOOD, "clock": {"scale": 10}}, "clock", "needs a start"),
        ({**GOOD, "clock": {"mode": "stepped"}}, "clock", "stepped time needs a start"),
        ({**GOOD, "clock": {"mode": "stepped", "scale": 10}}, "clock", "stepped time has no scale"),
        ({**GOOD, "clock": {"mode": "autojump"}}, "clock.mode", "self_advancing"),
        ({"instruments": [{**INSTRUMENT, "serial": "ES4HR1"}]}, "instruments[0].serial", "begin with EMU"),
        ({"instruments": [{**INSTRUMENT, "imperfections": {"offset": -1}}]}, "instruments[0].imperfections.offset", "greater"),
        (with_cell(geometry="round"), "instruments[0].channels[0].cell.geometry", "deposit"),
        (with_cell(overrides={"dead_fraction": 2}), "instruments[0].channels[0].cell.overrides.dead_fraction", "less than 1"),
        (with_cell(overrides={"magic": 2}), "instruments[0].channels[0].cell.overrides.magic", "check its spelling"),
        (with_cell(geometry="symmetric", excess_mah_cm2=0), "instruments[0].channels[0].cell", "needs lithium"),
        (
            {"instruments": [INSTRUMENT, INSTRUMENT]},
            "instruments[1].channels[0].name",
            '"a1" is the name of instruments[0].channels[0] too',
        ),
        (
            {"instruments": [INSTRUMENT, {**INSTRUMENT, "channels": [{**CHANNEL, "name": "a2"}]}]},
            "instruments[1].channels[0].serial",
            "EMU1",
        ),
        (
            {"instruments": [{**INSTRUMENT, "channels": [{**CHANNEL, "listen": "tcp:99999"}]}]},
            "instruments[0].channels[0].listen",
            "1 to 65535",
        ),
        ({**GOOD, "truth": {"file": ""}}, "truth.file", "at least 1"),
        ({**GOOD, "events": [{"at": "noon", "do": "T9_reset"}]}, "events[0].at", "'noon' does not fit; it should hold keys"),
        ({**GOOD, "events": [{**SHORT, "for": "ever"}]}, "events[0].for", "one of count, duration, wall and cycles"),
        ({**GOOD, "events": [{**SHORT, "for": {"count": 1, "cycles": 1}}]}, "events[0].for", "it needs one of count, duration"),
        (
            {**GOOD, "population": {"count": 2, "vary": {"area_cm2": {"scatter": 1e200}}}},
            "population.vary.area_cm2.scatter",
            "10",
        ),
        (with_cell(counter="Li"), f"{PLACE}.counter", "makes no cell of geometry deposit"),
        (with_cell(counter="Na"), f"{PLACE}.counter", "'Cu', 'Li', 'NMC532'"),
        (with_cell(build="bare-foil", preset="lhce"), f"{PLACE}.preset", "one or the other"),
        (with_cell(build="no-such-build"), f"{PLACE}.build", "neither a ready build"),
        (with_cell(build={"id": "x", "layers": []}), f"{PLACE}.build.active", "missing"),
        (with_cell(build={**FOIL, "layers": "polymer"}), f"{PLACE}.build.layers", "should be a list"),
        (with_cell(build={**FOIL, "layers": [{"kind": "cheese"}]}), f"{PLACE}.build.layers[0].kind", "cheese"),
        (with_cell(build={**FOIL, "active": {"thickness": {"value_um": -3}}}), f"{PLACE}.build.active.thickness.value_um", "-3"),
        (with_cell(temperature_celsius=900), f"{PLACE}.temperature_celsius", "less than 120"),
        (with_cell(electrolyte="water"), f"{PLACE}.electrolyte", "lhce"),
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


def settings_of(cell: dict[str, object]) -> CellSettings:
    scenario = parse_scenario({"instruments": [{**INSTRUMENT, "channels": [{**CHANNEL, "cell": cell}]}]})
    return scenario.instruments[0].channels[0].cell


@pytest.mark.parametrize(
    ("cell", "geometry", "electrode", "excess"),
    [
        ({"geometry": "full"}, "full", "NMC811", 4.0),
        ({"geometry": "symmetric"}, "symmetric", "Li", 20.0),
        ({"counter": "LFP"}, "full", "LFP", 4.0),
        ({"build": "three-layers-tin"}, "deposit", "Cu", 0.0),
        ({"build": "bare-foil", "counter": "Li"}, "symmetric", "Li", 50 * 0.2062),
        ({"build": "three-layers", "counter": "S", "excess_mah_cm2": 1}, "full", "S", 1.0),
    ],
)
def test_counter_electrode_settles_the_geometry(cell: dict[str, object], geometry: str, electrode: str, excess: float) -> None:
    """Copper, lithium or a cathode opposite make the three geometries; lithium is that of the build unless stated."""
    found = settings_of(cell)
    assert (found.geometry, found.electrode) == (geometry, electrode)
    assert found.excess == pytest.approx(excess, rel=1e-3)


def test_build_in_a_file_beside_the_scenario_is_read(tmp_path: Path) -> None:
    """A file's name is relative to the scenario; what the build says reaches the cell, and overrides win."""
    (tmp_path / "mine.yaml").write_text(ready_build("three-layers"))
    text = "instruments: [{serial: EMU1, channels: [{name: a1, cell: {build: mine.yaml, overrides: {dead_fraction: '0.2'}}}]}]"
    (tmp_path / "scenario.yaml").write_text(text)
    scenario = read_scenario(tmp_path / "scenario.yaml")
    cell = scenario.instruments[0].channels[0].cell
    assert cell.build == load_build("three-layers")
    assert len(cell.parameters().layers) == 3
    assert cell.parameters().dead_fraction == 0.2
    (tmp_path / "mine.yaml").write_text("id: x\nactive: {origin: foil}\nlayers: polymer\n")
    with pytest.raises(BadInput, match=r"mine.yaml: layers: .*list"):
        read_scenario(tmp_path / "scenario.yaml")


@pytest.mark.parametrize("name", ready_builds())
def test_every_ready_build_makes_a_cell(name: str) -> None:
    """Each build of the library cycles in each electrolyte, with finite voltage and a layer for each that ions must pass."""
    for electrolyte in ("lp30", "fec", "ether", "lhce"):
        settings = settings_of({"build": name, "counter": "NMC532", "electrolyte": electrolyte})
        cell = make_cell(settings, lambda _: lambda _: 0.0)
        cell.advance(1e-3, 60.0)
        assert math.isfinite(cell.voltage(1e-3))
        assert settings.parameters().deposit_diameter_um > 0.0
