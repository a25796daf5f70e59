"""What is odd about an imported file, where, and by which factor: said beside the numbers, so that nobody trusts them blindly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``kind`` is a name for programs (``time_backward``, ``charge_unit``, …), ``text`` one sentence for people.

    ``rows`` are the places in the file (0 is the first row) that show it, in order; empty when it is about the whole.
    ``factor`` is what the column would have to be multiplied with, where the file holds a second witness for it.
    ``repaired`` says that the numbers beside it were computed with the repair.
    """

    kind: str
    column: str
    text: str
    rows: tuple[int, ...] = ()
    factor: float | None = None
    repaired: bool = False
