"""Impedance spectra in files: Battery Data Format columns, three columns without names, ZPlot's text. Reads; fits nothing.

The imaginary part is negative where the cell is capacitive. A column that says it holds −Z″ is turned; one that merely looks so
is left as it is, and a finding says so. What decides is causality, not custom: where the real part falls from R₀ at low to R∞ at
high frequency, ∫ Z″ d ln ω = −π/2 (R₀ − R∞), a Kramers–Kronig relation; where the real part says nothing, an imaginary part that
grows towards low frequencies is a capacitor's.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from harness.errors import AnalysisError, BadInput
from harness.interop.bdf import cell_name, read_cells
from harness.interop.column_names import machine_name
from harness.interop.columns import Columns
from harness.interop.finding import Finding
from harness.interop.text_table import encoding_of

IMAGINARY_SIGN = "imaginary_sign"
LEFT_OUT = "points_left_out"

FREQUENCY, REAL, IMAGINARY = "frequency_hertz", "real_impedance_ohm", "imaginary_impedance_ohm"
_MAGNITUDE, _PHASE = "absolute_impedance_ohm", "phase_degree"
_COUNTS = ("spectrum_count", "sweep_count")
_WHERE = ("cycle_count", "step_count")
_RESTART = 3.0
"""Neighbours whose frequency goes back by more than this factor belong to two sweeps."""
_SAME = 1e-3
_FEWEST_TO_TURN = 4
_LEAST_CHANGE = 0.05
_SLOW_SHARE = 2 / 3
"""The fastest third of a sweep, in decades, may be the leads' inductance."""
_LARGEST_TEXT_BYTE = 2**26


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSpectrum:
    """One sweep of a file: ``rows`` are its rows there, in the sweep's order; ``voltage_volt`` the bias where it was written.

    ``sweep_count`` is the file's own count, or its place in the file. ``repeated_first_ohm`` is the impedance of the first
    frequency where it was measured once more at the end; it is in no sweep.
    """

    cell: str
    sweep_count: int
    sweep: Sweep
    rows: Array
    voltage_volt: Array | None
    repeated_first_ohm: complex | None
    findings: tuple[Finding, ...]


def read_spectra(path: Path, *, repair: bool = False) -> list[ImportedSpectrum]:
    """Every sweep in a file, in the order of recording.

    ``repair`` turns the sign of an imaginary part that looks turned.

    Raises:
        BadInput: the file cannot be read, holds no spectrum, or one that no circuit can have.
    """
    frames = text_spectrum(path) or read_cells(path)
    found = [spectrum for cell, frame in frames for spectrum in spectra_of(cell, frame, str(path), repair=repair)]
    if not found:
        raise BadInput(str(path), f"it holds no spectrum; it needs the columns {FREQUENCY}, {REAL} and {IMAGINARY}")
    return found


def spectra_of(cell: str, frame: pl.DataFrame, where: str, *, repair: bool = False) -> list[ImportedSpectrum]:
    """The sweeps among a cell's rows (machine names): those with a frequency. None where there is no impedance.

    Raises:
        BadInput: no sweep has usable points at positive frequencies. One that has none beside others is a finding of theirs.
    """
    complete = FREQUENCY in frame.columns and (
        {REAL, IMAGINARY} <= set(frame.columns) or {_MAGNITUDE, _PHASE} <= set(frame.columns)
    )
    if not complete:
        return []
    frame = frame.with_row_index("row")
    frequency = frame[FREQUENCY].cast(pl.Float64).fill_null(math.nan).to_numpy()
    probed = frame.filter(np.isfinite(frequency) & (frequency != 0)) if "current_ampere" in frame.columns else frame
    made, lost = [], []
    for count, part in _sweeps(probed):
        try:
            made.append(_spectrum(cell, count, part, repair))
        except AnalysisError as error:
            lost.append(f"{error} (sweep {count})")
    if lost and not made:
        raise BadInput(where, lost[0])
    if lost:
        dead = tuple(Finding(LEFT_OUT, REAL, f"a sweep was left out: {reason}") for reason in lost)
        made[0] = replace(made[0], findings=(*made[0].findings, *dead))
    return made


def looks_turned(sweep: Sweep) -> bool:
    """Whether the imaginary part has the sign that no passive, causal system gives it (module docstring)."""
    log_omega = np.log(sweep.omega)
    slow = log_omega <= log_omega[-1] + _SLOW_SHARE * (log_omega[0] - log_omega[-1])
    log_omega, impedance = log_omega[slow], sweep.impedance_ohm[slow]
    real, imaginary = impedance.real, impedance.imag
    area = float(np.trapezoid(imaginary[::-1], log_omega[::-1]))
    change = float(real[-1] - real[0])
    scale = float(np.median(np.abs(impedance)))
    if abs(change) > _LEAST_CHANGE * scale:
        return area * change > 0 and abs(area) > 0.1 * abs(change)
    low, middle = float(imaginary[-1]), float(np.median(np.abs(imaginary)))
    return low > 0 and abs(low) > 2 * middle


def _spectrum(cell: str, count: int, part: pl.DataFrame, repair: bool) -> ImportedSpectrum:  # noqa: FBT001
    columns = Columns(part)
    with np.errstate(invalid="ignore"):
        if REAL in columns and IMAGINARY in columns:
            impedance = columns[REAL] + 1j * columns[IMAGINARY]
        else:
            impedance = columns[_MAGNITUDE] * np.exp(1j * np.deg2rad(columns[_PHASE]))
    frequency, time = columns[FREQUENCY], columns.get("test_time_second")
    once = slice(None, -1) if _ends_with_its_first(frequency) else slice(None)
    sweep = sweep_of(frequency[once], impedance[once], None if time is None else time[once])
    findings = []
    rows = columns["row"]
    if sweep.order.size < impedance[once].size:
        left = np.setdiff1d(np.arange(impedance[once].size), sweep.order)
        said = f"{left.size} point{'s' if left.size > 1 else ''} without an impedance left out"
        findings.append(Finding(LEFT_OUT, REAL, said, tuple(rows[left].astype(int).tolist())))
    turned = looks_turned(sweep)
    if turned:
        said = f"sweep {count}: the imaginary part looks turned: no passive cell has it positive where the real part rises"
        done = "; repaired: multiplied by -1" if repair else ""
        findings.append(Finding(IMAGINARY_SIGN, IMAGINARY, said + done, factor=-1.0, repaired=repair))
    if turned and repair:
        impedance = impedance.conj()
        sweep = Sweep(sweep.frequency_hertz, sweep.impedance_ohm.conj(), sweep.time_second, sweep.order)
    voltage, again = columns.get("voltage_volt"), complex(impedance[-1]) if once.stop else None
    bias = None if voltage is None else voltage[sweep.order]
    return ImportedSpectrum(cell, count, sweep, rows[sweep.order], bias, again, tuple(findings))


def _ends_with_its_first(frequency: Array) -> bool:
    """Whether the last point repeats the first one's frequency, far from the one before it."""
    if frequency.size < _FEWEST_TO_TURN:
        return False
    first, before, last = (abs(float(frequency[place])) for place in (0, -2, -1))
    return math.isclose(first, last, rel_tol=0.01) and not 1 / _RESTART < before / last < _RESTART


def _sweeps(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Rows by the file's own count, else cut where rows are missing, the step changes or the frequency starts anew."""
    for name in _COUNTS:
        if name in frame.columns:
            for part in frame.partition_by(name, maintain_order=True):
                if part[name][0] is not None:
                    yield int(part[name][0]), part
            return
    if frame.height == 0:
        return
    columns = Columns(frame)
    cut = np.concatenate(([True], _starts_anew(columns[FREQUENCY])))
    cut[1:] |= np.diff(columns["row"]) > 1
    for name in _WHERE:
        if name in columns:
            cut[1:] |= columns.changes(name)
    starts = [*np.flatnonzero(cut).tolist(), frame.height]
    for count, (first, stop) in enumerate(itertools.pairwise(starts)):
        yield count, frame.slice(first, stop - first)


def _starts_anew(frequency: Array) -> NDArray[np.bool_]:
    """Before which points but the first another sweep begins: after a leap back, or where the way turns and stays turned.

    A single point after a leap back is the first frequency once more: it stays with its sweep, and the next begins behind it.
    """
    change = np.diff(np.log(np.maximum(np.abs(np.nan_to_num(frequency)), np.finfo(float).tiny)))
    step = np.sign(change) * (np.abs(change) > _SAME)
    begins = np.zeros(step.size + 1, dtype=np.bool_)
    way = 0.0
    for place, now in enumerate(step):
        following = step[place + 1] if place + 1 < step.size else 0.0
        if begins[place]:
            way = following if now == 0 else float(now)
        elif way == 0:
            way = float(now)
        elif now * way < 0 and abs(change[place]) > math.log(_RESTART):
            begins[place if following == way else place + 1] = True
            way = way if following == way else 0.0
        elif now * way < 0 and np.count_nonzero(step[place : place + _FEWEST_TO_TURN - 1] == now) == _FEWEST_TO_TURN - 1:
            begins[place - 1 if step[place - 1] == 0 else place] = True
            way = float(now)
    return begins[:-1]


# -- text --------------------------------------------------------------------------------------------------------------


def text_spectrum(path: Path) -> list[tuple[str, pl.DataFrame]]:
    """A ZPlot file or one of three numbers a line; nothing for every other file."""
    try:
        if path.stat().st_size > _LARGEST_TEXT_BYTE or path.suffix.lower() in {".parquet", ".ndax", ".nda"}:
            return []
        content = path.read_bytes()
    except OSError:
        return []
    if content.startswith(b"PAR1") or not content.strip():
        return []
    text = content.decode(encoding_of(content[: 2**16], str(path)), errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    frame = _zplot(lines, str(path)) if lines[0].lstrip('"').upper().startswith("ZPLOT") else _three_columns(lines)
    return [] if frame is None else [(cell_name(path), frame)]


def _zplot(lines: list[str], where: str) -> pl.DataFrame:
    """ZPlot's table: the line that names Freq, then everything below the end of the comments."""
    heading = next((place for place, line in enumerate(lines) if re.match(r'"?\s*Freq', line, re.IGNORECASE)), None)
    if heading is None:
        raise BadInput(where, "it is a ZPlot file without a line that names its columns; save it again")
    separator = "\t" if "\t" in lines[heading] else ","
    names, factors = zip(*(machine_name(cell.strip().strip('"')) for cell in lines[heading].split(separator)), strict=True)
    rows = []
    for line in lines[heading + 1 :]:
        values = _floats(line.split(separator))
        if values is not None and len(values) == len(names):
            rows.append([value * factor for value, factor in zip(values, factors, strict=True)])
    if not rows:
        raise BadInput(where, "it is a ZPlot file without a point; save it again")
    return pl.DataFrame(rows, schema=list(names), orient="row")


def _three_columns(lines: list[str]) -> pl.DataFrame | None:
    """Frequency, real and imaginary part, if every line holds three numbers and the first never is 0 or less."""
    rows = []
    for line in filter(None, lines):
        separator = next((mark for mark in "\t;," if mark in line), None)
        values = _floats(line.split(separator))
        if values is None or len(values) != 3 or not values[0] > 0:
            return None
        rows.append(values)
    return pl.DataFrame(rows, schema=[FREQUENCY, REAL, IMAGINARY], orient="row")


def _floats(cells: list[str]) -> list[float] | None:
    try:
        return [float(cell.replace(",", ".")) for cell in cells]
    except ValueError:
        return None
