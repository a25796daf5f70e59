"""Neware's own files: units, signs and counters as the rest of the harness names them, and files that are none."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import zipfile
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.interop.bdf import read_cells
from harness.interop.cycles import analyze_file
from harness.interop.ndax import read_neware
from harness.interop.validation import UNCHECKED, validate
from harness.model.run import Geometry
from tests.neware_bytes import CC_CHARGE, CC_DISCHARGE, REST, Record, nda, ndax_of_one_member, ndax_of_three_members

CURRENT = 0.0005


def cycle(charge_second: int = 3600, discharge_second: int = 3528) -> list[Record]:
    """A rest, an hour of charge at 0.5 mA, and a discharge of 98 % of it, a reading every 36 s."""
    made = [Record(1, REST, 1, float(second), 3.0, 0.0) for second in range(0, 121, 60)]
    for second in range(0, charge_second + 1, 36):
        amount = CURRENT * second / 3600
        made.append(Record(2, CC_CHARGE, 1, second, 3.5, CURRENT, charged_ah=amount, charged_wh=3.5 * amount))
    for second in range(0, discharge_second + 1, 36):
        amount = CURRENT * second / 3600
        made.append(Record(3, CC_DISCHARGE, 1, second, 3.4, -CURRENT, discharged_ah=amount, discharged_wh=3.4 * amount))
    return made


@pytest.mark.parametrize("written", [ndax_of_three_members, ndax_of_one_member, nda])
def test_neware_file_comes_in_ampere_volt_and_step_counters(written: object, tmp_path: Path) -> None:
    """Three generations of the format: milliampere become ampere, positive charges, each step counts from zero."""
    assert callable(written)
    path = tmp_path / ("a.nda" if written is nda else "a.ndax")
    path.write_bytes(written(cycle()))
    frame = read_neware(path)
    assert frame.height == len(cycle())
    charge = frame.filter(frame["step_count"] == 2)
    assert charge["current_ampere"].to_list() == [CURRENT] * 101
    assert charge["step_charging_capacity_ah"].to_list() == pytest.approx([CURRENT * n / 100 for n in range(101)], rel=1e-6)
    assert frame["step_discharging_capacity_ah"].max() == pytest.approx(CURRENT * 0.98, rel=1e-6)
    assert frame["voltage_volt"].unique().sort().to_list() == pytest.approx([3.0, 3.4, 3.5], rel=1e-7)
    assert frame["test_time_second"].is_sorted()
    assert frame["test_time_second"].max() == 120 + 3600 + 3528
    assert frame["step_type"].unique(maintain_order=True).to_list() == ["Rest", "CC_Chg", "CC_DChg"]


def test_neware_file_gives_the_efficiency_that_was_written(tmp_path: Path) -> None:
    """Through the one door of all files: 0.98, from the tester's counters, to their single precision."""
    path = tmp_path / "cell-4.ndax"
    path.write_bytes(ndax_of_three_members(cycle()))
    assert {finding.kind for finding in validate(read_neware(path))} <= {UNCHECKED}
    [cell] = analyze_file(path, geometry=Geometry.FULL)
    assert cell.name == "cell-4"
    assert cell.rows[0].coulombic_efficiency == pytest.approx(0.98, rel=2e-7)


def test_neware_step_in_both_directions_keeps_its_net_charge(tmp_path: Path) -> None:
    """Two counters cannot be told from the net charge of a step that went both ways."""
    both = [Record(1, CC_CHARGE, 1, float(second), 3.5, CURRENT, charged_ah=amount) for second, amount in ((0, 0.0), (60, 1e-5))]
    both += [Record(1, CC_CHARGE, 1, 120.0, 3.5, -CURRENT, charged_ah=1e-5, discharged_ah=2e-5)]
    (tmp_path / "a.ndax").write_bytes(ndax_of_three_members(both))
    frame = read_neware(tmp_path / "a.ndax")
    assert frame["step_net_capacity_ah"].to_list() == pytest.approx([0.0, 1e-5, -1e-5])
    assert "step_charging_capacity_ah" not in frame.columns


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all", bytes(9000)])
@pytest.mark.parametrize("ending", ["ndax", "nda"])
def test_what_is_no_neware_file_is_one_sentence(content: bytes, ending: str, tmp_path: Path) -> None:
    """Whatever the bytes: the path, what is wrong, in one line."""
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_cells(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_truncated_neware_file_is_one_sentence(tmp_path: Path) -> None:
    """Cut anywhere, a zip has lost its directory."""
    whole = ndax_of_three_members(cycle())
    path = tmp_path / "a.ndax"
    for size in range(1, len(whole), len(whole) // 17):
        path.write_bytes(whole[:size])
        with pytest.raises(BadInput, match="whole Neware file"):
            read_cells(path)


def test_version_nobody_reads_says_what_to_do(tmp_path: Path) -> None:
    """An unknown version names itself and the way round."""
    path = tmp_path / "a.ndax"
    path.write_bytes(ndax_of_three_members(cycle(), version=99))
    with pytest.raises(BadInput, match=r"version 99 .* export it from BTSDA as CSV"):
        read_cells(path)


def test_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fastnda is not installed, the sentence holds the command."""
    monkeypatch.setitem(sys.modules, "fastnda", None)
    (tmp_path / "a.ndax").write_bytes(ndax_of_three_members(cycle()))
    with pytest.raises(BadInput, match=r'pip install "anode-harness\[neware\]"'):
        read_cells(tmp_path / "a.ndax")


def test_missing_neware_file_is_said(tmp_path: Path) -> None:
    """A path that is not there is no damaged file."""
    with pytest.raises(BadInput, match="cannot be read"):
        read_cells(tmp_path / "none.ndax")


def test_neware_file_with_damaged_members_is_read_or_one_sentence(tmp_path: Path) -> None:
    """Bytes changed, cut or missing inside a whole zip: no other exception leaves the door."""
    draw = random.Random(7)
    wholes = [zipfile.ZipFile(io.BytesIO(written(cycle()))) for written in (ndax_of_three_members, ndax_of_one_member)]
    path = tmp_path / "a.ndax"
    for _ in range(60):
        source = draw.choice(wholes)
        with zipfile.ZipFile(path, "w") as archive:
            for name in source.namelist():
                content = bytearray(source.read(name))
                for _ in range(20):
                    content[draw.randrange(len(content))] = draw.randrange(256)
                kept = draw.choice([0, 1, draw.random()])
                archive.writestr(name, bytes(content[: round(kept * len(content))]))
        with contextlib.suppress(BadInput):
            read_cells(path)
