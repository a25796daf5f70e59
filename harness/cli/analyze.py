"""``harness analyze``: what measurements made elsewhere say, as tables or JSON. Findings are no failure: exit status 0."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from harness.errors import BadInput
from harness.model.run import Geometry

if TYPE_CHECKING:
    from harness.analysis.charge import Accuracy
    from harness.interop.imported import Imported


def analyze(  # noqa: PLR0917 - a command's options are its parameters
    files: Annotated[
        list[Path],
        typer.Argument(help="Battery Data Format (Parquet, CSV), Neware .ndax, or spectra (.csv, .z).", metavar="FILE…"),
    ],
    geometry: Annotated[Geometry, typer.Option(help="Which way lithium goes.")] = Geometry.FULL,
    area: Annotated[str | None, typer.Option(help='Electrode area, for example "1.267 cm^2"; a bare number is in cm².')] = None,
    current: Annotated[
        Literal["point", "mean"] | None, typer.Option(help="Whether currents are point samples or interval means.")
    ] = None,
    accuracy_offset: Annotated[
        str | None, typer.Option(help='The current offset, one standard deviation: "20 nA", or "0.02 %" of the range.')
    ] = None,
    accuracy_gain: Annotated[
        str | None, typer.Option(help='The gain error, one standard deviation: "0.05 %" of the reading.')
    ] = None,
    circuit: Annotated[
        str | None,
        typer.Option(help='Fit this circuit to the spectra, too, for example "R0-p(R1,CPE1)-W1"; any other name lists all.'),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the cycle table to this .csv, .parquet or .json file.")] = None,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Set right what is certainly wrong, and say so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute cycles, efficiencies, pulses and impedances of measurements made elsewhere, and check what their columns claim."""
    from harness.interop.imported import import_file  # noqa: PLC0415 - help must not wait for frames

    area_cm2, accuracy = _area(area), _accuracy(accuracy_offset, accuracy_gain)
    how = partial(
        import_file, geometry=geometry, area_cm2=area_cm2, current=current, accuracy=accuracy, repair=repair, circuit=circuit
    )
    found = [one for file in files for one in how(file)]
    _show(found, as_json=as_json)
    if out is not None:
        _write_cycles(found, area_cm2, out)


def _show(found: Sequence[Imported], *, as_json: bool) -> None:
    from harness.interop.imported import imported_json  # noqa: PLC0415
    from harness.service.imported_tables import imported_parts  # noqa: PLC0415

    if as_json:
        print(json.dumps(imported_json(found), indent=2, allow_nan=False))
        return
    console = Console(highlight=False)
    for one in found:
        for part in imported_parts(one):
            console.print(part)
        console.print()


def _write_cycles(found: Sequence[Imported], area_cm2: float | None, out: Path) -> None:
    import polars as pl  # noqa: PLC0415

    from harness.interop.export import cycle_frame, write_table  # noqa: PLC0415

    frames = [cycle_frame(one.cell.rows, area_cm2=area_cm2) for one in found if one.cell is not None]
    if not frames:
        raise BadInput("--out", "none of the files holds cycles, so there is no cycle table to write")
    write_table(pl.concat(frames), out)


def _area(text: str | None) -> float | None:
    from harness.units import parse_quantity  # noqa: PLC0415 - pint

    if text is None:
        return None
    bare = re.fullmatch(r"\d+\.?\d*", text) is not None
    return parse_quantity(f"{text} cm^2" if bare else text, "cm^2", "--area")


def _accuracy(offset: str | None, gain: str | None) -> Accuracy:
    """What was stated of the instrument: an offset in ampere or as a share of the range, a gain as a share of the reading."""
    from harness.analysis.charge import Accuracy  # noqa: PLC0415
    from harness.units import has_kind  # noqa: PLC0415 - pint

    ampere = offset is not None and has_kind(offset, "A")
    return Accuracy(
        offset_ampere=_not_negative(offset, "A", "--accuracy-offset") if ampere else None,
        offset_of_range=None if ampere else _not_negative(offset, "%", "--accuracy-offset"),
        gain=_not_negative(gain, "%", "--accuracy-gain"),
    )


def _not_negative(text: str | None, unit: str, where: str) -> float | None:
    from harness.units import parse_quantity  # noqa: PLC0415 - pint

    if text is None:
        return None
    value = parse_quantity(text, unit, where) / (100 if unit == "%" else 1)
    if value < 0:
        raise BadInput(where, f'"{text}" is negative; a standard deviation is not')
    return value
