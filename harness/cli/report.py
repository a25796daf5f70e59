"""``harness report``: one HTML page per cell, or one that compares the cells of a cohort. Every page needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from harness.cli.facts import WhereOption, parse_facts
from harness.errors import BadInput

if TYPE_CHECKING:
    from harness.query import Lab


CellArguments = Annotated[
    list[str] | None, typer.Argument(help="Cells; without any, all that --where leaves.", metavar="[CELL]…")
]
ByOption = Annotated[
    str | None, typer.Option(help="Compare the cells by this fact on one page: build, substrate, claim_12, …", metavar="FACT")
]


def report(
    cells: CellArguments = None,
    where: WhereOption = None,
    by: ByOption = None,
    source: Annotated[str, typer.Option(help="Site file, state directory, influxdb://… or http://…")] = "site.toml",
    out: Annotated[Path, typer.Option(help="The folder to write into; or, for one page, its .html file.")] = Path(),
) -> None:
    """Write what is known of cells as HTML pages with figures: one page per cell, with --by one for the cohort."""
    from harness.query import Lab  # noqa: PLC0415 - help must not wait for frames
    from harness.service.report.pages import write_cell_pages, write_cohort_page  # noqa: PLC0415

    console = Console()
    with Lab.connect(source) if "://" in source else Lab.open(Path(source)) as lab:
        names = _chosen(lab, cells or [], where or [])
        if by is not None:
            written = [write_cohort_page(lab, names, by, out)]
        else:
            written = []
            with console.status("drawing …") as status:
                for path in write_cell_pages(lab, names, out):
                    written.append(path)
                    status.update(f"drawing … {len(written)} of {len(names)}")
    for path in written:
        console.print(str(path), highlight=False)


def _chosen(lab: Lab, cells: list[str], where: list[str]) -> list[str]:
    """The cells that are named and have what ``where`` asks for, in the order of their names."""
    known = lab.cells()["cell"].to_list()
    if missing := [cell for cell in cells if cell not in known]:
        raise BadInput("CELL", f'"{missing[0]}" has no run here; there are {", ".join(known) or "none at all"}')
    having = lab.cells(**parse_facts(where))["cell"].to_list()  # type: ignore[arg-type]
    chosen = [cell for cell in having if not cells or cell in cells]
    if not chosen:
        raise BadInput("--where", "no cell has all of this; harness query cells shows what there is")
    return chosen
