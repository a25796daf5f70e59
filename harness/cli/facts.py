"""``FACT=VALUE``, as the commands take it that choose cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from harness.errors import BadInput

WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Only cells with this: claim_12=meets, substrate=metal_foil, … (repeat it; the same fact again adds a value)",
        metavar="FACT=VALUE",
    ),
]


def parse_facts(texts: Sequence[str]) -> dict[str, list[str]]:
    """The facts of ``--where``, as `harness.query.Lab.cells` takes them; a fact that is given again allows another value.

    Raises:
        BadInput: a text is not ``FACT=VALUE``, or cells have no such column.
    """
    from harness.query import COLUMNS  # noqa: PLC0415 - help must not wait for frames

    facts: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise BadInput("--where", f'"{text}" is not FACT=VALUE; write for example claim_12=meets')
        if name not in COLUMNS:
            raise BadInput("--where", f'cells have no column "{name}"; they have {", ".join(COLUMNS)}')
        facts.setdefault(name, []).append(value)
    return facts
