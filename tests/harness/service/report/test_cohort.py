"""A cohort's report: what its figures share."""

from __future__ import annotations

from pathlib import Path

from harness.model.derived import DerivedRow
from harness.query import Lab
from harness.service.charts import COLOURS
from harness.service.report.cohort import cohort_document
from tests.cohort_station import MadeRun, fit, half_cycle, made_facts, noisy_cycles, write_station


def test_pairs_of_which_nothing_can_be_said_have_no_table(tmp_path: Path) -> None:
    """One cell of each: the sentence says why, and no empty table stands under it."""
    runs = [MadeRun(f"{group}-0", noisy_cycles(f"{group}-0", 0.98, 1, 8), made_facts(batch=group), group) for group in "ab"]
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        [section, *_] = cohort_document(lab, [run.cell for run in runs], "batch").sections
    assert section.grid is None
    assert any("nothing can be said about spread" in sentence for sentence in section.sentences)


def test_a_group_has_one_colour_on_the_page(tmp_path: Path) -> None:
    """Of three groups the first has no spectrum, so that it is in some figures and not in others."""
    runs: list[MadeRun] = []
    for group in ("a", "b", "c"):
        for cell in (f"{group}-0", f"{group}-1"):
            rows: list[DerivedRow] = [*noisy_cycles(cell, 0.98, len(runs), 8), half_cycle(cell, 7, "plate", grade="hard")]
            rows += [] if group == "a" else [fit(cell, n, 20.0 + n + len(runs)) for n in range(1, 9)]
            runs.append(MadeRun(cell, rows, made_facts(batch=group), f"a{len(runs)}"))
    with Lab.open(write_station(tmp_path / "station", runs)) as lab:
        page = cohort_document(lab, [run.cell for run in runs], "batch")
    shown = [
        (section.title, "".join(colour for colour in COLOURS if colour.lower() in drawn.svg))
        for section in page.sections
        for drawn in section.pictures
    ]
    of_all, of_two = "".join(COLOURS[:3]), "".join(COLOURS[1:3])
    assert shown == [
        ("Coulombic efficiency", of_all),
        ("Coulombic inefficiency per hour", of_all),
        ("Area specific resistance growth", of_two),
        ("Area specific resistance", of_two),
        ("Cycle by cycle", of_all),
        ("Cycle by cycle", of_two),
        ("Cycle life", of_all),
    ]
