"""How many cycles a cell lived, and what ended it: its capacity, a short, or only the watch over it."""

from __future__ import annotations

import polars as pl

from harness.analysis.survival import Lifetime
from harness.lab.cell import FATAL, CellView

LIFE = "cycle_life"
END_OF_LIFE = 0.8
"""Of the capacity of its cycles 3 to 5."""


def life_of(cell: CellView) -> Lifetime | str:
    """The cell's life in cycles through all its runs, or why it has none.

    It failed with its first hard short, or when the capacity that came back stayed below 80 % of that of cycles 3 to 5; a cell
    that did neither lived at least until its last cycle, for the reason its last run ended, or "running".
    """
    rows = cell.cycle_rows()
    if not rows:
        return "no cycle"
    shorted = cell.numbered(cell.shorts()).filter(pl.col("short_grade") == FATAL)["cycle_count"].min()
    fade = cell.fade(threshold=END_OF_LIFE)
    faded = fade.end_of_life.value if fade.has_ended else None
    if isinstance(shorted, int) and (faded is None or shorted <= faded):
        return Lifetime(cell.cell, float(shorted), failed=True, reason="hard short")
    if faded is not None:
        return Lifetime(cell.cell, faded, failed=True, reason=f"capacity below {END_OF_LIFE:.0%}")
    return Lifetime(cell.cell, float(rows[-1].cycle_count), failed=False, reason=cell.ended)
