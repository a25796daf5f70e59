"""Spectra of a cell as arrays, a few of many, and the resistance that their relaxation times hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.lab.spectra import Spectrum, chosen, relaxations_of
from harness.query import Lab
from harness.service.report.cell_figures import relaxation_figure
from harness.service.report.pages import write_cell_pages
from harness.store.derived import DerivedStore
from tests.cohort_station import fit
from tests.run_writer import RunWriter, write

SERIES, ARC, TAU = 8.0, 60.0, 1e-3
FREQUENCY = np.logspace(5, 0, 41)


def spectrum(sweep: int, arc: float = ARC, points: int = 41) -> Spectrum:
    """A resistance and one arc of 1 ms, with noise of 0.1 %."""
    frequency = FREQUENCY[:points]
    noise = 1e-3 * np.random.default_rng(sweep).standard_normal((2, points))
    impedance = (SERIES + arc / (1 + 2j * np.pi * frequency * TAU)) * (1 + noise[0] + 1j * noise[1])
    return Spectrum("run", sweep, sweep, sweep, frequency, impedance.real, impedance.imag, complete=True)


@pytest.mark.parametrize(
    ("count", "most", "places"), [(0, 6, []), (1, 6, [0]), (3, 6, [0, 1, 2]), (11, 6, [0, 2, 4, 6, 8, 10]), (100, 2, [0, 99])]
)
def test_a_few_of_many_hold_the_first_and_the_last(count: int, most: int, places: list[int]) -> None:
    """Evenly spread places."""
    assert chosen(count, most) == places


def test_a_band_of_relaxation_times_holds_its_arc() -> None:
    """Two decades on either side of τ hold each spectrum's arc within 2 %, and one smoothing holds for all."""
    found = relaxations_of([spectrum(1), spectrum(2, 1.5 * ARC)], set(), 6)
    assert [one.sweep_count for one, _ in found] == [1, 2]
    bands = [one.resistance(1e-5, 1e-1).value for _, one in found]
    assert bands == pytest.approx([ARC, 1.5 * ARC], rel=0.02)
    assert found[0][1].regularisation == found[1][1].regularisation


def test_unusable_spectra_take_no_place() -> None:
    """Every second of eleven has too few points: of the others, the first and the last are among the chosen."""
    spectra = [spectrum(number, points=41 if number % 2 else 7) for number in range(12)]
    assert [one.sweep_count for one, _ in relaxations_of(spectra, set(), 3)] == [1, 5, 11]


def test_a_cell_shows_those_whose_arcs_its_sweeps_hold(tmp_path: Path) -> None:
    """A refused spectrum and one with an open arc are left out; where all are, the page says why there is no figure."""
    writer = RunWriter("cu-01")
    for number in (1, 2, 3):
        writer.cycle(number, 0.98, last=number == 3)
    write(tmp_path / "journal.sqlite", writer)
    rows = [replace(fit("cu-01", number, 60.0 + number), run_id="cu-01") for number in (1, 2, 3)]
    rows[0], rows[1] = replace(rows[0], verdict="refused"), replace(rows[1], flags="no_series_resistance open_arc")
    with DerivedStore(tmp_path / "derived.sqlite") as store:
        store.put(writer.context, rows)
    with Lab.open(tmp_path) as lab:
        found = lab.cell("cu-01").relaxations()
        [page] = write_cell_pages(lab, ["cu-01"], tmp_path / "pages")
    assert [one.sweep_count for one, _ in found] == [3]
    assert found[0][1].resistance(1e-5, 1e-1).value == pytest.approx(63.0, rel=0.03)
    assert "the area under a stretch of a curve" in page.read_text(encoding="utf-8")
    with DerivedStore(tmp_path / "derived.sqlite") as store:
        store.put(writer.context, [replace(row, flags="open_arc") for row in rows])
    with Lab.open(tmp_path) as lab:
        [page] = write_cell_pages(lab, ["cu-01"], tmp_path / "pages")
    assert "No relaxation times are shown" in page.read_text(encoding="utf-8")
    assert "the area under a stretch of a curve" not in page.read_text(encoding="utf-8")


def test_spectra_that_nobody_believes_are_left_out() -> None:
    """Refused, cut short, or of too few points: none of them is in a distribution, nor is anything drawn of nothing."""
    spectra = [spectrum(1), replace(spectrum(2), complete=False), spectrum(3), spectrum(4, points=7)]
    found = relaxations_of(spectra, {("run", 3)}, 6)
    assert [one.sweep_count for one, _ in found] == [1]
    assert relaxations_of(spectra[1:], {("run", 3)}, 6) == []
    assert relaxation_figure([], 1.27) is None


def test_a_figure_shows_distributions_within_their_sweeps() -> None:
    """One line per spectrum, by cycle, per area, and nothing where no frequency was."""
    figure = relaxation_figure(relaxations_of([spectrum(1), spectrum(2)], set(), 6), 2.0)
    assert figure is not None
    [axes] = figure.axes
    assert [line.get_label() for line in axes.lines] == ["cycle 1", "cycle 2"]
    times, heights = np.asarray(axes.lines[0].get_xdata()), np.asarray(axes.lines[0].get_ydata())
    assert times.min() >= 0.999 / (2 * np.pi * 1e5)
    assert times.max() <= 1.001 / (2 * np.pi * 1.0)
    assert float(np.trapezoid(heights, np.log(times))) == pytest.approx(2.0 * ARC, rel=0.05)
