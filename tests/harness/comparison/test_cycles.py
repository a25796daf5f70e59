"""The truth against a run: joined by channel, direction and overlap, whatever the clocks say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.comparison.cycles import HalfCycleWindow, half_cycle_windows, true_cycles
from harness.comparison.truth_rows import check_channel, read_truth
from harness.errors import BadInput
from harness.model.records import Record, StepEnded, StepStarted
from harness.model.run import Geometry, Role, RunContext

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def line(start: float, end: float, charge: float, channel: str = "a1", kind: str = "half_cycle") -> str:
    return json.dumps(
        {
            "kind": kind,
            "channel": channel,
            "start_unix_time_nanosecond": START + round(start * SECOND),
            "end_unix_time_nanosecond": START + round(end * SECOND),
            "charge_coulomb": charge,
        }
    )


def window(cycle: int, start: float, end: float, *, deposits: bool, channel: str = "a1") -> HalfCycleWindow:
    return HalfCycleWindow(channel, cycle, deposits, not deposits, START + round(start * SECOND), START + round(end * SECOND))


def three_cycles() -> list[HalfCycleWindow]:
    halves = []
    for cycle in (1, 2, 3):
        begin = 10_000.0 * cycle
        halves += [window(cycle, begin, begin + 3600, deposits=True), window(cycle, begin + 4000, begin + 7500, deposits=False)]
    return halves


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def truth_lines(shift: float) -> list[str]:
    lines = ['{"kind":"scenario","seed":1}', line(0, 1e6, 9.9, channel="a2")]
    for cycle, stripped in ((1, 1.8), (2, 1.96), (3, 1.9)):
        begin = 10_000.0 * cycle + shift
        lines += [line(begin, begin + 3600, -2.0), line(begin + 4000, begin + 7500, stripped)]
    return lines


@pytest.mark.parametrize("shift", [-300.0, -0.02, 0.0, 50.0, 300.0])
def test_truth_joins_though_clocks_differ(shift: float, tmp_path: Path) -> None:
    """Windows that are minutes off still find their own half cycles; the mean is charge-weighted from the second cycle."""
    found = true_cycles(written(tmp_path / "truth.jsonl", truth_lines(shift)), three_cycles())
    assert [cycle.true_coulombic_efficiency for cycle in found.cycles] == [pytest.approx(v) for v in (0.9, 0.98, 0.95)]
    assert found.mean_coulombic_efficiency == pytest.approx(3.86 / 4.0)
    assert (found.mean_cycles, found.unmatched) == (2, 0)


def test_truth_rows_of_one_half_cycle_add_up(tmp_path: Path) -> None:
    """A half cycle that was interrupted is several rows of truth."""
    lines = [line(0, 1000, -1.0), line(1100, 2000, -0.8), line(2100, 3600, -0.2), line(4000, 7000, 1.9)]
    halves = [window(1, 0, 3600, deposits=True), window(1, 4000, 7000, deposits=False)]
    (cycle,) = true_cycles(written(tmp_path / "t", lines), halves).cycles
    assert cycle.true_plating_capacity_ah == pytest.approx(2.0 / 3600)
    assert cycle.true_coulombic_efficiency == pytest.approx(0.95)


def test_truth_of_the_other_direction_or_another_time_is_counted_apart(tmp_path: Path) -> None:
    """A row that overlaps no window of its direction belongs nowhere, and is counted."""
    lines = [line(0, 3500, -2.0), line(3500, 3600, 0.5), line(90_000, 90_100, -1.0)]
    found = true_cycles(written(tmp_path / "t", lines), [window(1, 0, 3600, deposits=True)])
    assert found.unmatched == 2
    assert found.cycles[0].true_coulombic_efficiency is None
    assert found.mean_coulombic_efficiency is None


def test_truth_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A last line without its end is not there yet."""
    path = tmp_path / "t"
    path.write_text(line(0, 1, 1.0) + "\n" + line(1, 2, 1.0)[:20])
    assert len(read_truth(path).half_cycles) == 1


@pytest.mark.parametrize(
    "text", ["[1]", "nonsense", '{"kind":"half_cycle"}', '{"kind":"half_cycle","channel":"a","start_unix_time_nanosecond":"x"}']
)
def test_truth_that_is_none_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    """A damaged file is named with the line."""
    with pytest.raises(BadInput, match=r":2: this line"):
        read_truth(written(tmp_path / "t", ["{}", text]))


def test_truth_of_two_emulators_in_one_file_is_refused(tmp_path: Path) -> None:
    """Both of them lived through the same time; added up they would be a current that never flowed."""
    session = ['{"kind":"scenario"}', line(0, 3600, -2.0), line(4000, 7000, 1.9)]
    with pytest.raises(BadInput, match="channel a1 overlap in time"):
        read_truth(written(tmp_path / "t", session + session))
    assert (
        len(read_truth(written(tmp_path / "t", [*session, line(7000, 8000, -1.0), line(0, 9000, -1.0, "a2")])).half_cycles) == 4
    )


def test_truth_of_other_channels_is_refused(tmp_path: Path) -> None:
    """A comparison with nothing says so, and what there is."""
    path = written(tmp_path / "t", [line(0, 1, 1.0, "a2")])
    check_channel(read_truth(path), "a2", path)
    with pytest.raises(BadInput, match="nothing of channel a1, only of a2"):
        check_channel(read_truth(path), "a1", path)
    with pytest.raises(BadInput, match="no channel at all"):
        check_channel(read_truth(written(tmp_path / "e", [])), "a1", path)


def test_truth_that_is_absent_is_refused(tmp_path: Path) -> None:
    """No file, one sentence."""
    with pytest.raises(BadInput, match="cannot be read"):
        read_truth(tmp_path / "none")


@pytest.mark.parametrize(
    ("geometry", "roles", "oxidises"),
    [
        (Geometry.DEPOSIT, (Role.PLATE, Role.STRIP), (False, True)),
        (Geometry.SYMMETRIC, (Role.PLATE, Role.STRIP), (False, True)),
        (Geometry.FULL, (Role.CHARGE, Role.DISCHARGE), (True, False)),
    ],
)
def test_windows_come_from_steps_with_the_sign_of_their_geometry(
    geometry: Geometry, roles: tuple[Role, Role], oxidises: tuple[bool, bool]
) -> None:
    """Deposits and removals become windows from anchor to anchor + duration; rests do not; an unknown end is its record's."""
    context = RunContext("lab", "a1", "c", "b", "r")
    records: list[Record] = []
    for number, (role, duration) in enumerate([(roles[0], 3600.0), (Role.REST, 60.0), (roles[1], None)], start=1):
        begin = START + number * 5000 * SECOND
        records.append(StepStarted("r", 2 * number, begin, begin, 1, number, "s", "cc", role, 0, "{}"))
        reason = "lost" if duration is None else "duration"
        records.append(StepEnded("r", 2 * number + 1, begin + 3700 * SECOND, 1, number, "s", role, reason, duration))
    found = half_cycle_windows(context, geometry, records)
    assert [(item.deposits, item.oxidises) for item in found] == [(True, oxidises[0]), (False, oxidises[1])]
    assert [(item.end_nanosecond - item.start_nanosecond) // SECOND for item in found] == [3600, 3700]


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=8), st.floats(-100.0, 100.0))
def test_truth_conserves_charge(charges: list[float], shift: float) -> None:
    """What is joined adds up to what was written, whatever the shift of the clocks."""
    halves = [window(1, 0, 3600, deposits=True)]
    rows = [line(400.0 * index + shift + 150, 400.0 * index + shift + 450, -charge) for index, charge in enumerate(charges)]
    path = Path("/tmp") / f"truth-{abs(hash((tuple(charges), shift)))}.jsonl"
    try:
        (cycle,) = true_cycles(written(path, rows), halves).cycles
    finally:
        path.unlink(missing_ok=True)
    assert cycle.true_plating_capacity_ah == pytest.approx(sum(charges) / 3600)
