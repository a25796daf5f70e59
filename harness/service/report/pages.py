"""Which pages are written where: one per cell, or one for a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import BadInput
from harness.query import Lab
from harness.service.report.cell import cell_document
from harness.service.report.cohort import cohort_document
from harness.service.report.document import write

ENDING = ".html"


def write_cell_pages(lab: Lab, cells: Sequence[str], out: Path) -> Iterator[Path]:
    """Write a page for each of ``cells`` and say its path when it stands: ``<cell>.html`` in the folder ``out``, which is made
    where it is missing, or for one cell the file ``out``.

    Raises:
        BadInput: one of the cells is not in the store, or a page cannot be written; nothing is written when a cell is missing.
    """
    views = [lab.cell(cell) for cell in cells]
    if out.suffix == ENDING and len(views) != 1:
        raise BadInput("--out", f"{out} is one file for {len(views)} cells; name a folder")
    for view in views:
        path = _place(out, view.cell)
        write(cell_document(view), path)
        yield path


def write_cohort_page(lab: Lab, cells: Sequence[str], by: str, out: Path) -> Path:
    """Write the page that compares ``cells`` by a fact, ``by-<fact>.html`` in the folder ``out`` or the file ``out``.

    Raises:
        BadInput: there is no such fact or cell, no group of cells to compare, or the page cannot be written.
    """
    document = cohort_document(lab, cells, by)
    path = _place(out, f"by-{by}")
    write(document, path)
    return path


def _place(out: Path, name: str) -> Path:
    if out.suffix == ENDING:
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("--out", f"the folder {out} cannot be made ({error.strerror})") from None
    return out / f"{name}{ENDING}"
