from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from harness.cli.main import Table, app
from harness.errors import BadInput
from harness.rollup import roll_up_once
from harness.store.derived import DerivedStore
from harness.stream.journal_reader import JournalReader
from tests.run_writer import RunWriter, write

RUNNER = CliRunner()


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """One Li||Cu cycle measured elsewhere: an hour of plating at 1 mA, then stripping for 98 % of it."""
    rows = ["test_time_second,voltage_volt,current_ampere,cycle_count,step_count"]
    rows += [f"{second},-0.05,-0.001,1,1" for second in range(0, 3601, 60)]
    rows += [f"{3601 + second},0.05,0.001,1,2" for second in range(0, 3529, 56)]
    path = tmp_path / "measured.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("area", ["1.5", "1.5 cm^2", "150 mm^2"])
def test_analyze_prints_cells_and_cycles_as_json(measured: Path, area: str) -> None:
    """The shape of the JSON, with an area in any unit, or bare in cm²."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--geometry", "deposit", "--area", area, "--json"])
    assert done.exit_code == 0, done.output
    [cell] = json.loads(done.stdout)["cells"]
    assert cell["cell"] == "measured"
    [cycle] = cell["cycles"]
    assert set(cycle) >= {"cycle_count", "coulombic_efficiency", "coulombic_efficiency_std", "flags"}
    assert cycle["coulombic_efficiency"] == pytest.approx(0.98, abs=2e-4)


@pytest.mark.parametrize("area", ["1,5 cm^2", "1 V", "0 cm^2"])
def test_analyze_refuses_what_is_no_area(measured: Path, area: str) -> None:
    """An area with a decimal comma, of another kind, or of nothing is bad input."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--area", area])
    assert isinstance(done.exception, BadInput)


def test_analyze_takes_a_circuit_by_its_name(measured: Path) -> None:
    """A name that is none lists all of them; a file without spectra has nothing to fit one to."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--circuit", "R9"])
    assert isinstance(done.exception, BadInput)
    assert 'there is no circuit "R9"; there are R0-p(R1,CPE1)' in str(done.exception)
    told = RUNNER.invoke(app, ["analyze", str(measured), "--circuit", "R0-p(R1,CPE1)"])
    assert told.exit_code == 0
    assert "there is no spectrum that R0-p(R1,CPE1) could be fitted to" in " ".join(told.output.split())


def test_analyze_writes_the_cycle_table_by_its_ending(measured: Path, tmp_path: Path) -> None:
    """Beside what is shown, with deviations and areal charges."""
    for ending in ("csv", "parquet", "json"):
        out = tmp_path / f"cycles.{ending}"
        arguments = ["analyze", str(measured), "--geometry", "deposit", "--area", "2", "--out", str(out)]
        assert RUNNER.invoke(app, arguments).exit_code == 0
        assert out.stat().st_size > 0
    frame = pl.read_csv(tmp_path / "cycles.csv")
    assert frame["coulombic_efficiency"][0] == pytest.approx(0.98, abs=2e-4)
    assert frame["areal_plating_capacity_mah_per_cm2"][0] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "relative"),
    [(["--accuracy-offset", "1 uA"], 1.98e-3), (["--accuracy-offset", "20 nA", "--accuracy-gain", "0.1 %"], 3.96e-5)],
)
def test_analyze_takes_the_accuracy_of_the_instrument(measured: Path, arguments: list[str], relative: float) -> None:
    """An offset of σ on a current I costs 2 CE σ/I; a gain that both halves share costs nothing."""
    done = RUNNER.invoke(app, ["analyze", str(measured), "--geometry", "deposit", "--json", *arguments])
    [cycle] = json.loads(done.stdout)["cells"][0]["cycles"]
    assert cycle["coulombic_efficiency_offset_std"] == pytest.approx(relative * 0.98 / 0.99, rel=0.02)
    assert "offset_unknown" not in cycle["flags"]


@pytest.mark.parametrize(
    "arguments",
    [["--accuracy-offset", "-1 nA"], ["--accuracy-offset", "1 V"], ["--accuracy-gain", "1 A"], ["--accuracy-gain", "some"]],
)
def test_analyze_refuses_what_is_no_accuracy(measured: Path, arguments: list[str]) -> None:
    """Negative, of another kind, or no number."""
    done = RUNNER.invoke(app, ["analyze", str(measured), *arguments])
    assert isinstance(done.exception, BadInput)
    assert arguments[0] in str(done.exception)


def test_analyze_says_what_it_found_and_ends_well(measured: Path, tmp_path: Path) -> None:
    """Findings are told in sentences, and are no failure; a repair says what it did."""
    frame = pl.read_csv(measured).with_columns(
        pl.col("current_ampere") * -1,
        net_capacity_ah=(pl.col("current_ampere") / 60).cum_sum() - pl.col("current_ampere").first() / 60,
    )
    path = tmp_path / "turned.csv"
    pl.concat([frame.with_columns(pl.col("^(test_time_second|step_count)$") + n * 10_000) for n in range(3)]).write_csv(path)
    done = RUNNER.invoke(app, ["analyze", str(path), "--geometry", "deposit"])
    assert done.exit_code == 0, done.output
    assert "current_ampere has the wrong sign" in " ".join(done.stdout.split())
    done = RUNNER.invoke(app, ["analyze", str(path), "--geometry", "deposit", "--repair"])
    assert "repaired: multiplied by -1" in " ".join(done.stdout.split())


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_demo_refuses_what_is_no_port(port: str) -> None:
    """Before anything is started."""
    done = RUNNER.invoke(app, ["demo", "--exit", "--port", port])
    assert done.exit_code == 2
    assert "Invalid value for '--port'" in done.output


def test_every_command_has_help() -> None:
    """Each command says what it does."""
    for command in (["--help"], ["cell", "--help"], ["run", "--help"], ["run", "start", "--help"], ["query", "--help"]):
        done = RUNNER.invoke(app, command)
        assert done.exit_code == 0
        assert "Usage:" in done.stdout


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's directory with one cycle of one cell, rolled up."""
    path = tmp_path_factory.mktemp("station")
    writer = RunWriter("cu-01")
    writer.cycle(1, 0.9, last=True)
    write(path / "journal.sqlite", writer)
    with closing(JournalReader(path / "journal.sqlite")) as reader, DerivedStore(path / "derived.sqlite") as store:
        roll_up_once(reader, store)
    return path


@pytest.mark.parametrize("table", Table)
def test_query_has_every_table(station: Path, table: Table, tmp_path: Path) -> None:
    """Each of them has a row of a run that had a cycle with a sweep in it."""
    done = RUNNER.invoke(app, ["query", table, "--source", str(station), "--out", str(tmp_path / "found.json")])
    assert done.exit_code == 0, done.output
    assert len(json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))) > 0


@pytest.mark.parametrize(("values", "found"), [(["cu-01"], 1), (["cu-02", "cu-01"], 1), (["cu-02"], 0)])
def test_query_keeps_every_value_of_a_fact(station: Path, values: list[str], found: int, tmp_path: Path) -> None:
    """A fact given twice allows both."""
    where = [word for value in values for word in ("--where", f"cell={value}")]
    done = RUNNER.invoke(app, ["query", "cells", *where, "--source", str(station), "--out", str(tmp_path / "found.json")])
    assert done.exit_code == 0, done.output
    assert len(json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))) == found


@pytest.mark.parametrize(
    "command", [["query", "cells"], ["compare", "--by", "batch", "--metric", "lithium_turnover"], ["report"]]
)
@pytest.mark.parametrize("name", ["baseline", "by", "self", "claim"])
def test_argument_of_a_question_is_no_fact(command: list[str], name: str, station: Path) -> None:
    """One sentence that lists the columns."""
    with pytest.raises(BadInput, match=f'cells have no column "{name}"; they have cell, build, '):
        RUNNER.invoke(app, [*command, "--where", f"{name}=12", "--source", str(station)], catch_exceptions=False)
