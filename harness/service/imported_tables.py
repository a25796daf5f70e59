"""What was found in a file measured elsewhere, for people at a terminal: tables, footnotes, findings in sentences. Views only.

A flag that all rows share is said once; the others are footnotes, numbered as they come. Efficiencies are in percent here, and
nowhere below. What is missing is a dash, and its footnote the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np
import polars as pl
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.analysis.coulombic import mean_coulombic_efficiency, pairings
from harness.analysis.pulses import TOLERANCE, PulseResistance
from harness.analysis.resistance import interfaces_of
from harness.interop.cycles import AnalyzedCell
from harness.interop.finding import Finding
from harness.interop.imported import Imported
from harness.interop.judged import JudgedSpectrum
from harness.interop.validation import UNCHECKED
from harness.model.flags import DOUBTS
from harness.model.run import Geometry
from harness.service.tables import headed

FLAGS = {
    **DOUBTS,
    "incomplete": "the cycle lacks a whole half",
    "formation": "first cycle, left out of the average: films form in it",
    "above_one": "more came back than was put in: other lithium, a soft short, or another pairing",
    "offset_unknown": "nothing says the current's offset, so the errors leave it out; --accuracy-offset states it",
    "offset_from_set_current": "the current's offset was read from measured against set current; the errors hold it whole",
    "offset_from_rest": "the current's offset was read from rests on the same range; the errors hold it whole",
    "wrong_sign": "a half cycle's charge has the sign of the other",
    "range_change": "its halves were measured on different current ranges",
    "strip_incomplete": "the removal ended on time, not on voltage: the efficiency is a lower bound",
    "plate_limited": "the deposit ended on voltage before its charge was reached",
    "counter_mismatch": "the instrument's counter and the integral of its current differ by more than their errors",
    "minor_charge_left_out": "pulses and half cycles of less than 0.1 % of the largest count in no cycle",
    "cycle_count_unusable": "the file's own cycle counts were not used: they are not whole, or do not rise",
    "time_derived": "the file has no test time; it was put together from its other clocks",
    "time_repaired": "rows with an impossible time took that of the row before",
    "time_disagrees": "step time and test time differ by more than 1 % over a step",
    "clock_jump": "a clock of the file jumped; the instrument's own was used",
    "end_unseen": "the file ends in this half cycle, with nothing to compare its end with: it may be cut short",
    "gap": "rows are missing inside a half cycle or at its edge; its error holds what may have passed",
    "missing_values": "rows without a current were left out",
    "backward_time": "rows with an impossible time were not integrated over",
    "duplicate_time": "rows with the stamp of the row before add nothing",
    "no_samples": "a half cycle without a usable row",
    "poor_fit": "the circuit does not describe the sweep",
    "poorly_identified": "the sweep does not say how large its arc is",
    "no_series_resistance": "the arcs took the high-frequency end: the series resistance is not in this sweep",
    "no_arc": "the sweep has no arc",
    "open_arc": "the arc is not closed within the sweep",
    "inductance_added": "the fast points are inductive: an inductance L0 was put in series",
    "on_a_bound": "a parameter rests on the bound of its range",
    "begun_anew": "begun from nothing, as the spectrum before it was no good place to begin",
    "not_converged": "the search for the best parameters did not come to its end",
    "tail_left_out": "the low-frequency rise is counted in no resistance; an arc that has not closed looks alike",
}
"""In words, for people."""

NEXT_DISCHARGE = "next discharge / %"

_MARKS = "¹²³⁴⁵⁶⁷⁸⁹"
_ROWS_NAMED = 3
_PULSES_SHOWN = 40
_CIRCUITS_SHOWN = 6
_DRIFT_TOLD = 0.01
_LARGEST_DIGITS = 7


def imported_parts(one: Imported) -> Iterator[RenderableType]:
    """Everything there is to say of one cell, from top to bottom."""
    yield Text(_heading(one), style="bold")
    if one.cell is not None:
        yield from _cycle_parts(one.cell)
    if one.pulses:
        yield from _pulse_parts(one)
    if one.spectra:
        yield from _spectrum_parts(one)
        yield from _circuit_parts(one)
    yield from _finding_parts(one.findings)


def cycle_table(cell: AnalyzedCell, marks: Sequence[str]) -> Table:
    """The cycle table of one cell, efficiencies in percent, with the marks of its footnotes behind each row.

    Charges are per area where the area is known.
    """
    rows, full = cell.rows, cell.geometry is Geometry.FULL
    following = [pairing.next_removal for pairing in pairings(rows)]
    names = ("charged", "discharged") if full else ("plated", "stripped")
    columns = {"cycle #": [str(row.cycle_count) for row in rows]}
    unit, scale = ("mAh", 1e3) if cell.area_cm2 is None else ("mAh/cm²", 1e3 / cell.area_cm2)
    columns[f"{names[0]} / {unit}"] = _column([(row.plating_capacity_ah, row.plating_capacity_ah_std) for row in rows], scale)
    columns[f"{names[1]} / {unit}"] = _column([(row.stripping_capacity_ah, row.stripping_capacity_ah_std) for row in rows], scale)
    if cell.geometry is not Geometry.SYMMETRIC:
        columns["efficiency / %"] = _column([(row.coulombic_efficiency, row.coulombic_efficiency_std) for row in rows], 1e2)
    if full and any(one.value is not None for one in following):
        columns[NEXT_DISCHARGE] = _column([(one.value, one.std) for one in following], 1e2)
    table = headed("", *columns, "", tight=True)
    for shown in zip(*columns.values(), marks, strict=True):
        table.add_row(*shown)
    return table


def rows_in_words(rows: Sequence[int]) -> str:
    """``rows 3, 8, 12 … (19)``, counted from 1 as people and spreadsheets do."""
    if not rows:
        return ""
    named = ", ".join(str(row + 1) for row in rows[:_ROWS_NAMED])
    more = f" … ({len(rows)})" if len(rows) > _ROWS_NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {named}{more}"


def _heading(one: Imported) -> str:
    rows = f"{one.frame.height} row{'s' if one.frame.height != 1 else ''}"
    parts = [one.name, *([f"{one.geometry.value} cell"] if one.cell is not None else []), rows, *_extent(one)]
    return " · ".join(parts if one.area_cm2 is None else [*parts, f"{one.area_cm2:g} cm²"])


def _extent(one: Imported) -> Iterator[str]:
    """How long it lasted, and between which voltages, where no table says it."""
    time = one.frame.get_column("test_time_second", default=None) if one.cell is None else pl.Series(one.cell.time_second)
    if time is not None and time.dtype.is_numeric() and time.count():
        yield _span(float(np.ptp(time.drop_nulls().to_numpy())))
    volt = one.frame.get_column("voltage_volt", default=None)
    if one.cell is None and volt is not None and volt.count():
        yield f"{volt.min():.4g} … {volt.max():.4g} V"


def _span(second: float) -> str:
    return f"{second / 3600:.1f} h" if second >= 3600 else f"{second:.1f} s"


def _cycle_parts(cell: AnalyzedCell) -> Iterator[RenderableType]:
    if not cell.rows:
        yield Text("no cycle: the current never turns, or never flows", style="dim")
        return
    shared = cell.shared_flags()
    own = [[flag for flag in row.flags.split() if flag not in shared] for row in cell.rows]
    notes = list(dict.fromkeys(flag for flags in own for flag in flags))
    mark = {flag: _MARKS[place] if place < len(_MARKS) else f"({place + 1})" for place, flag in enumerate(notes)}
    table = cycle_table(cell, ["".join(mark[flag] for flag in notes if flag in flags) for flags in own])
    yield table
    for flag in notes:
        yield _note(mark[flag], FLAGS.get(flag, flag.replace("_", " ")))
    for flag in sorted(shared):
        yield _note("all", FLAGS.get(flag, flag.replace("_", " ")))
    if any(column.header == NEXT_DISCHARGE for column in table.columns):
        yield _note(
            "", "efficiency: discharge over the charge of its own cycle; next discharge: that of the next cycle over the charge"
        )
    yield from _averages(cell)


def _averages(cell: AnalyzedCell) -> Iterator[RenderableType]:
    mean = mean_coulombic_efficiency(cell.rows)
    if mean.coulombic_efficiency is not None and mean.cycles > 1:
        shown = _column([(mean.coulombic_efficiency, mean.coulombic_efficiency_std)], 1e2)[0]
        yield Text(f"mean efficiency {shown} % (charge-weighted, {mean.cycles} cycles after formation)")
    if cell.offset_ampere.value is not None:
        shown = _column([(cell.offset_ampere.value, cell.offset_ampere.std)], 1e9)[0]
        yield Text(f"current offset {shown} nA, as the file itself reveals; the charges are not corrected for it")


def _pulse_parts(one: Imported) -> Iterator[RenderableType]:
    """The first pulses with their resistances at the times that some pulse has a reading at, else at their first and last one."""
    shown, (unit, scale) = one.pulses[:_PULSES_SHOWN], ("Ω", 1.0) if one.area_cm2 is None else ("Ω cm²", one.area_cm2)
    times = [place for place in range(len(shown[0].at)) if any(pulse.at[place].sample_second is not None for pulse in shown)]
    names = [f"{shown[0].at[place].wanted_second:g} s" for place in times] or ["first", "last"]
    table = headed(
        "", "pulse #", "start / s #", "step / mA", *(f"{name} / {unit}" for name in names), f"± / {unit}", "", tight=True
    )
    told = [[pulse.at[place] for place in times] or [pulse.first, pulse.last] for pulse in shown]
    for number, (pulse, readings) in enumerate(zip(shown, told, strict=True), start=1):
        resistances = [reading.resistance_ohm for reading in readings]
        values = ["—" if one.value is None else f"{one.value * scale:#.5g}" for one in resistances]
        std = max((one.std for one in resistances if one.std is not None), default=None)
        head = str(number), f"{pulse.start_second:.1f}", f"{pulse.step_ampere * 1e3:.5g}"
        mark = "¹" if _drift(readings) > _DRIFT_TOLD else ""
        table.add_row(*head, *values, "—" if std is None else f"{std * scale:.2g}", mark)
    yield table
    yield from _pulse_notes(one, told)


def _pulse_notes(one: Imported, told: Sequence[Sequence[PulseResistance]]) -> Iterator[RenderableType]:
    """How a resistance was read, and by how much a cell that had not come to rest may have moved it."""
    most, readings = max(map(_drift, told)), [reading for row in told for reading in row]
    if most > _DRIFT_TOLD:
        yield _note("¹", f"the cell was still relaxing: had that gone on, it would be up to {100 * most:.0f} % of a resistance")
    if any(reading.resistance_ohm.value is None for reading in readings):
        yield _note(
            "—", f"no reading within {100 * TOLERANCE:g} % of that time after the switch, or too few before it to see the noise"
        )
    if readings[0].wanted_second is None:
        first, last = (max(row[end].sample_second or 0.0 for row in told) for end in (0, -1))
        yield _note("", f"first: at most {first:.3g} s after the switch; last: at most {last:.3g} s after it")
    yield _note("", "against the last reading before the pulse; ± is the largest of the row, without the gain of the current")
    if one.area_cm2 is not None and interfaces_of(one.geometry) > 1:
        yield _note("", "of the whole cell, which has two electrodes")
    if len(one.pulses) > len(told):
        yield _note("", f"{len(one.pulses) - len(told)} more pulses are in what --json prints")


def _drift(readings: Sequence[PulseResistance]) -> float:
    """The largest share of a resistance that is certainly more than none of the cell's own drift."""
    return max((_certain_share(reading) for reading in readings), default=0.0)


def _certain_share(reading: PulseResistance) -> float:
    drift, value = reading.drift_ohm, reading.resistance_ohm.value
    if not value or drift.value is None or (drift.low or 0.0) * (drift.high or 0.0) <= 0:
        return 0.0
    return abs(drift.value / value)


def _spectrum_parts(one: Imported) -> Iterator[RenderableType]:
    per_area = one.area_cm2 is not None
    ohm = "Ω cm²" if per_area else "Ω"
    columns = ("sweep #", "points #", "KK / %", f"series / {ohm}", f"interface / {ohm}", f"total / {ohm}")
    table = headed("", *columns, "verdict", tight=True)
    notes: dict[str, str] = {}
    for judged in one.spectra:
        said = [*judged.verdict.reasons, *({judged.refusal} - {"", judged.verdict.reason})]
        said += [FLAGS.get(flag, flag.replace("_", " ")) for flag in sorted(judged.fit.flags if judged.fit else ())]
        for text in said:
            notes.setdefault(text, _MARKS[len(notes)] if len(notes) < len(_MARKS) else f"({len(notes) + 1})")
        table.add_row(
            *_spectrum_row(judged, one.area_cm2), f"{judged.verdict.verdict.value}{''.join(notes[text] for text in said)}"
        )
    yield table
    if per_area and interfaces_of(one.geometry) > 1:
        yield _note("all", "resistances are those of the cell; each of its two electrodes has half of the interface's")
    for text, mark in notes.items():
        yield _note(mark, text)
    shared = set.intersection(*(set(judged.verdict.notes) for judged in one.spectra))
    for text in sorted(shared):
        yield _note("all", text)


def _circuit_parts(one: Imported) -> Iterator[RenderableType]:
    """The parameters of the circuit that was asked for, of each spectrum; where one says nothing by itself, why."""
    asked = [judged for judged in one.spectra if judged.named is not None or judged.named_refusal not in {"", judged.refusal}]
    for judged in asked[:_CIRCUITS_SHOWN]:
        sweep, fit = judged.spectrum.sweep_count, judged.named
        if fit is None:
            yield _note("•", f"sweep {sweep} has no such circuit: {judged.named_refusal}", "yellow")
            continue
        yield Text(f"{fit.circuit.name} on sweep {sweep}, residuals {fit.rms * 100:.2g} % of |Z|")
        table = headed("", "parameter", "value #", "± σ #", "unit", "says nothing by itself, as", tight=True)
        for parameter, number in zip(fit.circuit.parameters, fit.parameters.values(), strict=True):
            std = "—" if number.std is None else f"{number.std:.2g}"
            table.add_row(parameter.name, f"{number.value:.5g}", std, parameter.unit, number.unidentified)
        yield table
        for flag in sorted(fit.flags):
            yield _note("•", FLAGS.get(flag, flag.replace("_", " ")), "yellow")
    if asked and one.area_cm2 is not None:
        yield _note("", "circuits are of the whole cell, not per area")
    if len(asked) > _CIRCUITS_SHOWN:
        yield _note("", f"the circuits of {len(asked) - _CIRCUITS_SHOWN} more spectra are in what --json prints")


def _spectrum_row(judged: JudgedSpectrum, area_cm2: float | None) -> list[str]:
    tested, fit, scale = judged.verdict.kramers_kronig, judged.fit, area_cm2 or 1.0
    shown = [str(judged.spectrum.sweep_count), str(judged.spectrum.sweep.frequency_hertz.size)]
    shown.append("—" if tested is None else f"{tested.residual_rms_1 * 100:.2f}")
    if fit is None:
        return [*shown, *"———"]
    pairs = [[getattr(fit, f"{name}_resistance_ohm{end}") for end in ("", "_std")] for name in ("series", "interface", "total")]
    series, interface, total = (_column([(value, std)], scale)[0] for value, std in pairs)
    return [*shown, series, interface, total]


def _finding_parts(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """Findings in sentences; the columns nobody can check in one of them."""
    told = [finding for finding in findings if finding.kind != UNCHECKED]
    for finding in told:
        where = rows_in_words(finding.rows)
        style = "green" if finding.repaired else "yellow"
        yield _note("•", finding.text + (f"; {where}" if where else ""), style)
    unchecked = [finding.column for finding in findings if finding.kind == UNCHECKED]
    if unchecked:
        yield _note("•", f"not checked, as no other column says the same in another way: {', '.join(unchecked)}", "dim")


def _note(mark: str, text: str, style: str = "dim") -> RenderableType:
    """A sentence behind its mark, its further lines below its first."""
    words = Text(text, style=style if style == "dim" else "")
    if not mark:
        return words
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style=style)
    grid.add_column(overflow="fold")
    grid.add_row(mark, words)
    return grid


def _column(values: Sequence[tuple[float | None, float | None]], scale: float) -> list[str]:
    """A column of values ± deviations with one number of digits: what the typical deviation deserves, at most seven in all."""
    known = [(abs(value) * scale, (std or 0.0) * scale) for value, std in values if value is not None]
    if not known:
        return ["—"] * len(values)
    size, std = max(value for value, _ in known), median(std for _, std in known)
    digits = max(0, min(_LARGEST_DIGITS - max(_order(size), 1), 6 if std == 0 else 2 - _order(std)))
    return [_measured(value, std, scale, digits) for value, std in values]


def _measured(value: float | None, std: float | None, scale: float, digits: int) -> str:
    """``98.41 ± 0.04``; a deviation too small for the digits is written as a power."""
    if value is None:
        return "—"
    shown = f"{value * scale:.{digits}f}"
    if not std:
        return shown
    deviation = f"{std * scale:.{digits}f}"
    return f"{shown} ± {deviation if float(deviation) else format(std * scale, '.0e')}"


def _order(value: float) -> int:
    """How many digits stand before the point: 2 for 12.3, 0 for 0.12, −1 for 0.012."""
    return int(f"{value:e}".split("e")[1]) + 1 if value else 0
