"""Reports of cells and cohorts from a station's directory, as the command line writes them, looked at in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import AnalysisError, BadInput
from harness.model.run import Geometry
from harness.query import Lab
from harness.service.report.pages import write_cell_pages, write_cohort_page
from tests.browsing import open_page
from tests.cohort_station import MadeRun, cycle, fit, half_cycle, made_facts, noisy_cycles, write_station
from tests.facts import BARE, with_build

FOIL = replace(with_build(made_facts(), BARE, {}), batch="foil")
STACK = made_facts(batch="stack")


def rows(cell: str, mean: float, seed: int) -> list[Any]:
    noise = np.random.default_rng(seed).normal(0, 0.2, 8)
    fits = [fit(cell, n, 20 + 1.1 * n + float(noise[n - 1])) for n in range(1, 9)]
    return [*noisy_cycles(cell, mean, seed, 8), *fits, half_cycle(cell, 3, "plate"), half_cycle(cell, 3, "strip")]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cells of one batch, two of another, a symmetric one, and one that has no cycle yet."""
    runs = [MadeRun(f"foil-{n}", rows(f"foil-{n}", 0.97, n), FOIL, f"a{n}") for n in range(3)]
    runs += [MadeRun(f"stack-{n}", rows(f"stack-{n}", 0.99, 9 + n), STACK, f"b{n}") for n in range(2)]
    symmetric = made_facts(batch="twins", geometry=Geometry.SYMMETRIC)
    runs += [MadeRun("sym-0", rows("sym-0", 0.99, 20), symmetric, "c1"), MadeRun("new-0", [], FOIL, "c2", reason=None)]
    return write_station(tmp_path_factory.mktemp("report") / "station", runs)


def test_a_page_for_every_cell(station: Path, tmp_path: Path) -> None:
    """Each cell has its page, however little is known of it; what cannot be said is absent or has its reason."""
    with Lab.open(station) as lab:
        names = ["foil-0", "sym-0", "new-0"]
        written = list(write_cell_pages(lab, names, tmp_path / "pages"))
    assert [path.name for path in written] == [f"{name}.html" for name in names]
    foil, symmetric, new = (path.read_text(encoding="utf-8") for path in written)
    assert "Coulombic efficiency, charge-weighted" in foil
    assert "The interface grows by" in foil
    assert "the rest is how the spectra wander about it." in foil
    assert "No half cycle shows two signs of a short." in foil
    assert "lithium that can cycle" in foil
    assert "Coulombic efficiency, charge-weighted" not in symmetric
    assert "Ends of the half cycles" not in symmetric
    assert "A symmetric cell has no efficiency" in symmetric
    assert "Resistance of each interface" in symmetric
    assert "no complete cycle from the second on" in new


@pytest.mark.parametrize(
    ("size", "said"), [(1.0, "noise and gain alone would leave ± 0.0"), (0.0, "noise and gain explain that error.")]
)
def test_a_resistance_that_falls_is_said_to_fall(size: float, said: str, tmp_path: Path) -> None:
    """5 Ω less in each cycle, of 1.27 cm², give or take what spectra scatter; the noise's part is never more than the whole."""
    scatter = size * np.array([0.2, -0.3, 0.1, 0.3, -0.2, -0.2, 0.2, 0.1])
    made: list[Any] = [cycle("foil-0", n) for n in range(1, 9)]
    made += [fit("foil-0", n, 60.0 - 5 * n + scatter[n - 1]) for n in range(1, 9)]
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", made, FOIL)])) as lab:
        [path] = write_cell_pages(lab, ["foil-0"], tmp_path / "pages")
    falling = re.search(
        r"falls by 6\.3\d* ± 0\.\d+ Ω cm² per cycle, the slope of the straight line; (.+)", path.read_text("utf-8")
    )
    assert falling is not None
    assert falling.group(1).startswith(said)


def test_a_page_says_how_unlike_its_directions_are(tmp_path: Path) -> None:
    """60 mV to deposit and 50 mV to remove: 18 % of their mean more."""
    halves = [
        replace(half_cycle("foil-0", 1, role), current_ampere=ampere, plateau_overpotential_volt=volt)
        for role, ampere, volt in (("plate", -1e-3, 0.06), ("strip", 1e-3, 0.05))
    ]
    halves = [replace(one, plateau_overpotential_volt_std=1e-4) for one in halves]
    with Lab.open(write_station(tmp_path / "station", [MadeRun("foil-0", [cycle("foil-0", 1), *halves], FOIL)])) as lab:
        [path] = write_cell_pages(lab, ["foil-0"], tmp_path / "pages")
    assert "In cycle 1 the deposit takes 18.18 ± 0.26 % more overpotential than the removal" in path.read_text(encoding="utf-8")


def test_a_page_counts_cycles_through_all_runs(tmp_path: Path) -> None:
    """The newest spectrum is of the cell's last cycle, not of its last run's; only the cell's first cycles are its transient."""
    days = (0, 5)
    made: list[list[Any]] = [
        [*(cycle("moved-0", n, day=day) for n in range(1, 13)), fit("moved-0", 12, 30.0 + day, day=day)] for day in days
    ]
    runs = [MadeRun("moved-0", own, FOIL, day=day) for own, day in zip(made, days, strict=True)]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        [path] = write_cell_pages(lab, ["moved-0"], tmp_path / "pages")
    page = path.read_text(encoding="utf-8")
    assert "over 17 cycles" in page
    assert re.search(r"in cycle 24; 38\.1\d* ± 0\.\d+ in cycle 12", page)


def test_a_page_puts_a_direct_current_beside_the_last_spectrum(tmp_path: Path) -> None:
    """Where both are known: 61 Ω of a deposit, 59 Ω of its cycle's spectrum."""
    spectrum = replace(fit("foil-0", 1, 55.0), total_resistance_ohm=59.0, total_resistance_ohm_std=0.5)
    runs = [MadeRun("foil-0", [cycle("foil-0", 1), spectrum], FOIL)]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        [path] = write_cell_pages(lab, ["foil-0"], tmp_path / "pages")
    assert "In the last cycle with a spectrum, DC is 1.03 × the impedance" in path.read_text(encoding="utf-8")


def test_a_resistance_on_the_page_errs_by_the_instruments_gain(tmp_path: Path) -> None:
    """2 % of 50.8 Ω cm² beside the 0.3 of its fit."""
    runs = [MadeRun("foil-0", [cycle("foil-0", 1), fit("foil-0", 1, 40.0)], replace(FOIL, accuracy_gain=0.02))]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        [path] = write_cell_pages(lab, ["foil-0"], tmp_path / "pages")
    assert "50.8 ± 1.1 Ω cm²" in path.read_text(encoding="utf-8")


def test_a_cohort_is_one_page(station: Path, tmp_path: Path) -> None:
    """Groups, pairs and their figures; what no metric could compare is said."""
    with Lab.open(station) as lab:
        cells = ["foil-0", "foil-1", "foil-2", "stack-0", "stack-1"]
        page = write_cohort_page(lab, cells, "batch", tmp_path / "cohort.html").read_text(encoding="utf-8")
        with pytest.raises(AnalysisError, match="geometry=deposit"):
            write_cohort_page(lab, [*cells, "sym-0"], "batch", tmp_path / "mixed.html")
    assert "stack − foil" in page
    assert "Holm" in page
    assert "Lives are not compared: no cell has failed yet" in page
    assert not (tmp_path / "mixed.html").exists()


def test_one_file_is_for_one_page(station: Path, tmp_path: Path) -> None:
    """Two cells do not fit into one file: refused before anything is drawn."""
    with Lab.open(station) as lab, pytest.raises(BadInput, match="one file for 2 cells"):
        list(write_cell_pages(lab, ["foil-0", "foil-1"], tmp_path / "two.html"))


def test_command_line_writes_and_says_where(station: Path, tmp_path: Path) -> None:
    """Named cells, those a fact chooses, and a cohort."""
    runner = CliRunner()
    for arguments, made in (
        (["foil-0"], ["foil-0.html"]),
        (["--where", "batch=stack"], ["stack-0.html", "stack-1.html"]),
        (["--where", "cell=foil-1", "--where", "cell=stack-0"], ["foil-1.html", "stack-0.html"]),
        (["--where", "replicate=2", "--where", "cell=foil-2"], ["foil-2.html"]),
        (["--by", "batch", "--where", "geometry=deposit"], ["by-batch.html"]),
    ):
        out = tmp_path / arguments[-1]
        done = runner.invoke(app, ["report", *arguments, "--source", str(station), "--out", str(out)], catch_exceptions=False)
        assert done.exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == made
        assert all(name in done.stdout.replace("\n", "") for name in made)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], '"nobody" has no run here'),
        (["--where", "batch=none"], "no cell has all of this"),
        (["--where", "x"], "is not FACT"),
        (["--where", "self=x"], 'cells have no column "self"'),
        (["--where", "replicate=one"], "'one' is no value of this column"),
    ],
)
def test_command_line_complains_in_one_sentence(station: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """An unknown cell, a fact nobody has, and what is no fact: nothing is written."""
    with pytest.raises(BadInput, match=sentence):
        CliRunner().invoke(app, ["report", *arguments, "--source", str(station), "--out", str(tmp_path)], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.service
def test_a_page_asks_for_nothing_but_itself(station: Path, tmp_path: Path, browser: Browser) -> None:
    """In a browser the page shows its figures, complains of nothing, and sends no request."""
    with Lab.open(station) as lab:
        [path] = write_cell_pages(lab, ["foil-0"], tmp_path)
    visit = open_page(browser, path.as_uri())
    assert visit.page.locator("figure svg").count() == 4
    assert visit.page.locator("h1").inner_text() == "foil-0"
    assert all(request.startswith("file://") for request in visit.requests)
    assert visit.complaints == []
    visit.leave()
