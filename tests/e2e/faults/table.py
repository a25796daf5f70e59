"""The fault table: one row per case, made of what a run of that case showed; the committed table is those rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator.faults.registry import FAULTS

TABLE = Path(__file__).parents[3] / "emulator" / "faults" / "README.md"
_HEAD = """# What goes wrong on purpose, and what the harness does about it

Made by `python -m tests.fault_table` from the runs of `tests/e2e/faults` and never written by hand: each row is what the record
of a real station said after the emulator had staged the fault, and each run of those tests compares its findings with it.
Two cycles of Li||Cu; the fault comes in the first. *CE is the truth*: it equals the charge that crossed the cell within 2e-5.
A word in brackets is a flag of that cycle. `*`: how fast the machine is decides which of several outcomes it is.
"""
_COLUMNS = ("fault", "staged", "what the harness did", "what the data say")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    fault: str
    staged: str
    harness: str
    data: str
    varies: bool = False

    @property
    def line(self) -> str:
        """As it stands in the table."""
        cells = (f"`{self.fault}`", f"{self.staged}{' *' if self.varies else ''}", self.harness, self.data)
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    def to_json(self) -> dict[str, object]:
        """For handing it from the tests to the table's maker."""
        return asdict(self)


def is_in(row: Row, table: str) -> bool:
    """Whether the committed table has this row; of one that varies, its fault and how it was staged."""
    lines = table.splitlines()
    if row.varies:
        return any(line.startswith(row.line[: row.line.index(" *")]) for line in lines)
    return row.line in lines


def written(rows: Iterable[Row], not_shown: Sequence[tuple[str, str]], pipeline: Sequence[tuple[str, str, str]]) -> str:
    """The whole page."""
    ordered = sorted(rows, key=lambda row: (_layer(row.fault), _number(row.fault), row.staged))
    parts = [_HEAD]
    for layer in ("link", "wire", "instrument", "cell"):
        lines = [row.line for row in ordered if _layer(row.fault) == layer]
        if lines:
            parts.append(
                f"\n## {layer.capitalize()}\n\n| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n" + "\n".join(lines) + "\n"
            )
    parts.append("\n## Pipeline\n\n| fault | what happens | shown by |\n|---|---|---|\n")
    parts += [f"| {name} | {what} | `{test}` |\n" for name, what, test in pipeline]
    parts.append("\n## What this family of instruments cannot show\n\n| fault | why |\n|---|---|\n")
    parts += [f"| {name} | {why} |\n" for name, why in not_shown]
    return "".join(parts)


def _layer(fault: str) -> str:
    return FAULTS[fault.split(" + ", maxsplit=1)[0]].layer.value


def _number(fault: str) -> tuple[str, int]:
    first = fault.split("_", maxsplit=1)[0]
    return first[0], int(first[1:])
