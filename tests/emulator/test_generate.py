"""Measurements without a wire: a schedule's exact ends, its samples and counts, populations, files that the analysis reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emulator.command_line import main
from emulator.generation import generate
from emulator.scenario.population import Variation
from harness.errors import BadInput
from harness.interop.cycles import analyze_file
from harness.model.run import Geometry

PLATE = {"step": "plate", "current": "1 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}}
STRIP = {"step": "strip", "current": "1 mA/cm^2", "until": {"voltage_above": "1 V"}, "longest": "2 h"}
REST = {"step": "rest", "for": "10 min"}
EIS = {"step": "eis", "from": "200 kHz", "to": "1 Hz", "points_per_decade": 4, "amplitude": "10 mV", "longest": "30 min"}
FULL = [
    {"step": "charge", "current": "C/2", "until": {"voltage_above": "4.2 V"}, "longest": "4 h"},
    {"step": "hold", "voltage": "4.2 V", "until": {"current_below": "C/10"}, "longest": "9 h"},
    {"step": "discharge", "current": "C/2", "until": {"voltage_below": "3 V"}, "longest": "4 h"},
]
Rows = list[dict[str, object]]


def cycling(*steps: Mapping[str, object], count: int = 2, **extra: object) -> dict[str, Any]:
    return {"schedule": "test", "version": 1, "steps": [{"step": "repeat", "count": count, "steps": list(steps)}], **extra}


def scenario(schedule: object, cell: Mapping[str, object] | None = None, **extra: object) -> dict[str, Any]:
    made = {"name": "cu-01", "geometry": "deposit", "preset": "bare_fec", "area_cm2": 1.0, **(cell or {})}
    imperfections = extra.pop("imperfections", "none")
    instrument = {"serial": "EMU1", "imperfections": imperfections, "channels": [{"name": "a1", "cell": made}]}
    return {"seed": 3, "schedule": schedule, "instruments": [instrument], **extra}


def generated(tmp_path: Path, content: Mapping[str, object], name: str = "out") -> Path:
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(content), encoding="utf-8")
    generate.run(file, tmp_path / name)
    return tmp_path / name


def truth(out: Path, kind: str) -> Rows:
    rows = [json.loads(line) for line in (out / "truth.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def true_efficiencies(out: Path, cell: str = "cu-01") -> list[float]:
    rows = [row for row in truth(out, "half_cycle") if row["cell"] == cell and not row["deposits"]]
    return [float(str(row["coulombic_efficiency_external"])) for row in rows]


def test_a_perfect_instrument_gives_the_true_efficiency(tmp_path: Path) -> None:
    """Analysed, a file without imperfections has the truth's efficiency to 1e-9, and ends where the voltage is reached."""
    out = generated(tmp_path, scenario(cycling(PLATE, REST, STRIP, count=3)))
    [cell] = analyze_file(out / "cu-01.bdf.parquet", geometry=Geometry.DEPOSIT)
    assert cell.name == "cu-01"
    assert [cycle.coulombic_efficiency for cycle in cell.rows] == pytest.approx(true_efficiencies(out), abs=1e-9)
    samples = pl.read_parquet(out / "cu-01.bdf.parquet")
    ends = samples.filter(pl.col("role") == "strip").group_by("cycle_count").agg(pl.col("voltage_volt").last())
    assert ends["voltage_volt"].to_list() == pytest.approx([1.0] * 3, abs=1e-5)
    plated = samples.filter(pl.col("role") == "plate").group_by("cycle_count").agg(pl.col("step_time_second").last())
    assert plated["step_time_second"].to_list() == pytest.approx([1800.0] * 3, abs=1e-6)


def test_an_imperfect_instrument_gives_it_within_its_error(tmp_path: Path) -> None:
    """With offset, converter and noise the analysis finds the offset in the measured rests; the efficiency is off by no more."""
    small = {"offset": 2e-5, "gain": 2e-4, "adc_bits": 18}
    content = scenario(cycling(PLATE, REST, STRIP, count=4), imperfections=small, population={"count": 6})
    out = generated(tmp_path, content)
    deviations = []
    for number in range(1, 7):
        cell = f"cu-01-{number:04d}"
        [found] = analyze_file(out / f"{cell}.bdf.parquet", geometry=Geometry.DEPOSIT)
        for cycle, true in zip(found.rows, true_efficiencies(out, cell), strict=True):
            assert cycle.coulombic_efficiency is not None
            assert cycle.coulombic_efficiency_std is not None
            assert "offset_from_rest" in cycle.flags
            deviations.append((cycle.coulombic_efficiency - true) / cycle.coulombic_efficiency_std)
    assert max(map(abs, deviations)) < 3.5
    assert max(map(abs, deviations)) > 0.1


def test_counts_roles_and_paths_are_those_of_a_run(tmp_path: Path) -> None:
    """Two deposits in a row are one cycle, what comes before the first is cycle 0, steps never reset, ``every`` skips passes."""
    steps: list[Mapping[str, object]] = [PLATE, {**PLATE, "name": "more"}, {**REST, "every": 2}, STRIP]
    content = cycling(*steps)
    content["steps"] = [REST, *content["steps"]]
    samples = pl.read_parquet(generated(tmp_path, scenario(content)) / "cu-01.bdf.parquet")
    steps_seen = samples.unique("step_count", keep="first", maintain_order=True)
    assert steps_seen.select("step_count", "cycle_count", "role", "step_path").rows() == [
        (1, 0, "rest", "rest"),
        (2, 1, "plate", "repeat[1]/plate"),
        (3, 1, "plate", "repeat[1]/more"),
        (4, 1, "rest", "repeat[1]/rest"),
        (5, 1, "strip", "repeat[1]/strip"),
        (6, 2, "plate", "repeat[2]/plate"),
        (7, 2, "plate", "repeat[2]/more"),
        (8, 2, "strip", "repeat[2]/strip"),
    ]
    assert samples["record_index"].to_list() == list(range(1, samples.height + 1))
    assert samples["test_time_second"].is_sorted()


def test_samples_come_as_the_sampling_rule_says(tmp_path: Path) -> None:
    """At the start, the end, after ``every``, and at the first look after the voltage has moved; never between looks."""
    sampling = {"every": "100 s", "on_change": "3 mV", "check": "4 s"}
    samples = pl.read_parquet(generated(tmp_path, scenario(cycling(PLATE, count=1, sampling=sampling))) / "cu-01.bdf.parquet")
    time, volt = samples["step_time_second"].to_numpy(), samples["voltage_volt"].to_numpy()
    assert (time[0], time[-1]) == (0.0, pytest.approx(1800.0, abs=1e-6))
    looks = time[1:-1] / 4.0
    intervals = np.diff(time)
    early = intervals[:-1] < 99.9
    assert np.all(np.abs(looks[early] - np.round(looks[early])) < 1e-6)
    assert np.all(intervals <= 100.0 + 1e-6)
    assert np.all(np.abs(np.diff(volt))[:-1][early] >= 3e-3)
    assert early.any()
    assert not early.all()


def test_a_hold_goes_on_from_its_charge_and_ends_at_its_current(tmp_path: Path) -> None:
    """Constant current, then constant voltage without opening the cell: one row of truth, whose charge the samples hold."""
    often = cycling(*FULL, sampling={"every": "10 s"})
    out = generated(tmp_path, scenario(often, {"geometry": "full", "excess_mah_cm2": 4}))
    rows = truth(out, "half_cycle")
    assert [row["deposits"] for row in rows] == [True, False, True, False]
    samples = pl.read_parquet(out / "cu-01.bdf.parquet")
    hold = samples.filter(pl.col("step_path") == "repeat[1]/hold")
    assert hold["voltage_volt"].to_numpy() == pytest.approx(np.full(hold.height, 4.2), abs=1e-6)
    assert hold["current_ampere"][-1] == pytest.approx(4.8e-4, rel=1e-6)
    assert hold["current_ampere"].is_sorted(descending=True)
    [cell] = analyze_file(out / "cu-01.bdf.parquet", geometry=Geometry.FULL)
    for cycle, row in zip(cell.rows, rows[::2], strict=True):
        assert cycle.plating_capacity_ah == pytest.approx(float(str(row["charge_coulomb"])) / 3600.0, rel=1e-5)


def test_impedance_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Every point of every sweep, capacitive below zero, in the cycle it was measured in; its truth in the truth."""
    out = generated(tmp_path, scenario(cycling(PLATE, EIS, STRIP)))
    points = pl.read_parquet(out / "cu-01.impedance.parquet")
    assert points.group_by("sweep_count", "cycle_count", "role", maintain_order=True).len().rows() == [
        (1, 1, "probe", 22),
        (2, 2, "probe", 22),
    ]
    [first, _] = truth(out, "impedance")
    total = float(str(first["series_resistance_ohm"])) + float(str(first["interface_resistance_ohm"]))
    assert points["real_impedance_ohm"][0] < points["real_impedance_ohm"][21] < total * 1.2
    assert points["imaginary_impedance_ohm"].min() < -1.0  # type: ignore[operator]
    assert points["frequency_hertz"][0] == pytest.approx(2e5)


def test_symmetric_cells_have_no_external_efficiency(tmp_path: Path) -> None:
    """Both charges are set by the schedule; the lithium's own efficiency is known."""
    strip = {**STRIP, "until": {"charge": "0.5 mAh/cm^2"}}
    out = generated(tmp_path, scenario(cycling(PLATE, strip), {"geometry": "symmetric"}))
    removals = [row for row in truth(out, "half_cycle") if not row["deposits"]]
    assert [row["coulombic_efficiency_external"] for row in removals] == [None, None]
    assert all(0.5 < float(str(row["coulombic_efficiency_lithium"])) < 1.0 for row in removals)


def test_the_same_scenario_gives_the_same_bytes(tmp_path: Path) -> None:
    """Files and truth are equal byte by byte; another seed gives others."""
    content = scenario(cycling(PLATE, EIS, STRIP), imperfections={"offset": 1e-4})
    outs = [generated(tmp_path, content, "one"), generated(tmp_path, content, "two")]
    outs.append(generated(tmp_path, {**content, "seed": 4}, "three"))
    for name in ("cu-01.bdf.parquet", "cu-01.impedance.parquet", "truth.jsonl"):
        first, second, other = ((out / name).read_bytes() for out in outs)
        assert first == second
        assert first != other


def test_a_member_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    """The second cell of two is the second of three; what varies differs between cells and stands in the truth's hash."""
    vary = {"dead_fraction": {"scatter": 0.5}, "area_cm2": {"uniform": [1.0, 2.0]}}
    outs = []
    for count in (2, 3):
        content = scenario(cycling(PLATE, STRIP, count=1), population={"count": count, "vary": vary})
        outs.append(generated(tmp_path, content, f"out{count}"))
    files = [(out / "cu-01-0002.bdf.parquet").read_bytes() for out in outs]
    assert files[0] == files[1]
    [head] = truth(outs[1], "scenario")
    channels = head["channels"]
    assert isinstance(channels, dict)
    assert len({entry["parameters_sha256"] for entry in channels.values()}) == 3
    assert all(1.0 <= entry["area_cm2"] <= 2.0 for entry in channels.values())


@pytest.mark.parametrize(
    ("variation", "low", "high", "middle"),
    [
        (Variation(scatter=0.2), 4.0, 21.0, 10.0 / math.sqrt(1.04)),
        (Variation(uniform=(2.0, 6.0)), 2.0, 6.0, 4.0),
        (Variation(choose=(1.0, 2.0, 3.0)), 1.0, 3.0, 2.0),
    ],
)
def test_variations_stay_within_their_description(variation: Variation, low: float, high: float, middle: float) -> None:
    """From −3.5 σ to +3.5 σ inside the bounds, rising, with the median in the middle."""
    values = [variation.drawn(10.0, normal) for normal in np.linspace(-3.5, 3.5, 71)]
    assert values == sorted(values)
    assert low <= values[0] < values[-1] <= high
    assert values[35] == pytest.approx(middle)


def test_a_hard_limit_stops_the_schedule(tmp_path: Path) -> None:
    """A schedule whose limit is reached says where; what was measured until then is written."""
    content = scenario(cycling({**PLATE, "until": {"charge": "2 mAh/cm^2"}}, STRIP, limits={"voltage": ["-0.05 V", "3.3 V"]}))
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(content))
    made = generate.run(file, tmp_path / "out")
    assert made.stopped == {"cu-01": "repeat[1]/plate: limit_voltage"}
    samples = pl.read_parquet(tmp_path / "out" / "cu-01.bdf.parquet")
    assert samples["voltage_volt"][-1] <= -0.05


def test_latent_state_of_every_sample_is_written_when_asked_for(tmp_path: Path) -> None:
    """One row per sample, with the true voltage beside the state."""
    content = scenario(cycling(PLATE, STRIP, count=1), truth={"file": "truth.jsonl", "latent": True})
    out = generated(tmp_path, content)
    samples, latent = pl.read_parquet(out / "cu-01.bdf.parquet"), pl.read_parquet(out / "truth.latent" / "*.parquet")
    assert latent["true_voltage_volt"].to_list() == pytest.approx(samples["voltage_volt"].to_list())
    assert latent["dead_mah_cm2"].is_sorted()
    assert float(latent["temperature_kelvin"][0]) == pytest.approx(298.15)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schedule": None}, r"schedule: it is missing; name a ready one"),
        ({"schedule": "no-such"}, r'"no-such" is neither a ready schedule \(.*\) nor a readable file'),
        ({"schedule": {"schedule": "x", "version": 1, "steps": []}}, r"schedule: steps"),
        ({"schedule": cycling({**PLATE, "current": "0,5 mA"})}, r"steps\[0\]\.steps\[0\]\.current: .*decimal comma"),
        ({"schedule": cycling({**PLATE, "current": "C/3"})}, r"steps\[0\]\.steps\[0\]\.current: .*only a full cell"),
        ({"schedule": cycling(*FULL)}, r"steps\[0\]\.steps\[0\]\.step: a deposit cell has no charge"),
        (
            {"population": {"count": 2, "vary": {"colour": {"scatter": 1}}}},
            r'population\.vary\.colour: there is no number "colour"',
        ),
        ({"population": {"count": 2, "vary": {"area_cm2": {}}}}, r"population\.vary\.area_cm2: state one of"),
        (
            {"population": {"count": 2, "vary": {"dead_fraction": {"uniform": [2, 3]}}}},
            r"population\.vary: the draw for cu-01-0001",
        ),
        ({"population": {"count": 0}}, r"population\.count"),
        (
            {
                "instruments": [
                    {
                        "serial": "EMU1",
                        "channels": [{"name": "a", "cell": {"geometry": "deposit"}, "start_from": {"snapshot": "x"}}],
                    }
                ]
            },
            r"scenario\.yaml: instruments\[0\]\.channels\[0\]\.start_from: a generated cell is always a new one",
        ),
        ({"expect": {"records_missing": 0}}, r"expect\.records_missing"),
        ({"expect": {"ce_abs_error_max": -1}}, r"expect\.ce_abs_error_max"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    """Nothing is written, and the sentence names the place in the file."""
    with pytest.raises(BadInput, match=sentence):
        generated(tmp_path, {**scenario(cycling(PLATE, STRIP)), **change})
    assert not (tmp_path / "out").exists()


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2, the sentence stands on standard error, and nothing is touched."""
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(scenario(cycling(PLATE, count=1))))
    assert main(["generate", str(file), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"--out: {tmp_path} is not empty; name another directory\n"
    assert main(["generate", str(file), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("1 cells, ")


def test_command_says_what_was_written_and_what_was_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How much, which cell stopped early, and that events need a wire."""
    short = {"at": {"channel": "a1", "cycle": 1}, "do": "C1_soft_short", "for": {"cycles": 1}}
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(scenario(cycling(PLATE, count=1), events=[short])))
    assert main(["generate", str(file), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("1 cells, ")
    assert "the scenario's 1 events did not happen" in told


def test_command_finds_a_ready_scenario_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One without a schedule is told so, by its file."""
    assert main(["generate", "knee", "--out", str(tmp_path / "out")]) == 2
    assert "knee.yaml: schedule: it is missing" in capsys.readouterr().err


def test_two_cells_of_one_name_are_refused(tmp_path: Path) -> None:
    """Each cell has a file of its own."""
    content = scenario(cycling(PLATE, count=1))
    channel = content["instruments"][0]["channels"][0]
    content["instruments"][0]["channels"] = [channel, {**channel, "name": "a2"}]
    with pytest.raises(BadInput, match='two cells are called "cu-01"'):
        generated(tmp_path, content)
