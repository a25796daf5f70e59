"""Everything that can be said of a file measured elsewhere: its cycles, its spectra, and what is odd about it. One call per file.

The parts are `cycles`, `spectra`, `validation` and the analysis beneath them; here they meet, so that the command line, a report
and a program say the same. A file need not hold everything: what is missing is a finding, and only a file that holds nothing is
refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from harness.analysis.charge import Accuracy
from harness.analysis.collapses import find_excursions
from harness.analysis.coulombic import efficiency_of, mean_coulombic_efficiency, pairings
from harness.analysis.estimate import Estimate
from harness.analysis.impedance.circuit_fit import CircuitFit
from harness.analysis.impedance.circuits import Circuit
from harness.analysis.impedance.circuits import circuit as circuit_of
from harness.analysis.impedance.fit import ImpedanceFit
from harness.analysis.integrals import CurrentKind
from harness.analysis.pulses import Pulse
from harness.analysis.resistance import area_specific, interfaces_of
from harness.analysis.short_words import short_sentence
from harness.errors import AnalysisError, BadInput
from harness.interop.bdf import columns_not_used, read_cells
from harness.interop.columns import Columns
from harness.interop.cycles import AnalyzedCell, analyze_frame
from harness.interop.finding import Finding
from harness.interop.half_cycles import JudgedHalf, judged_halves
from harness.interop.judged import JudgedSpectrum, judged_spectra
from harness.interop.pulsed import pulses_of
from harness.interop.spectra import spectra_of, text_spectrum
from harness.interop.timeline import FIND_APART, FIND_JUMP
from harness.interop.validation import UNIT, UNIT_LIKELY, repaired, validate
from harness.interop.witnesses import TIMES
from harness.model.run import Geometry

FEWEST_ROWS = 2
NO_CURRENT = "no_current"
NO_TIME = "no_time"
NO_CYCLES = "no_cycles"
NO_SPECTRUM = "no_spectrum"
SHORT = "short"
COLLAPSE = "voltage_collapse"


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What one cell of a file holds. ``cell`` is ``None`` where there is no current or no time, and a finding says so.

    ``frame`` is what was read (and repaired, if that was asked for), under machine names.
    """

    path: Path
    name: str
    geometry: Geometry
    area_cm2: float | None
    frame: pl.DataFrame
    cell: AnalyzedCell | None
    halves: list[JudgedHalf]
    pulses: list[Pulse]
    spectra: list[JudgedSpectrum]
    findings: list[Finding]


def import_file(
    path: Path,
    *,
    geometry: Geometry,
    area_cm2: float | None = None,
    current: Literal["point", "mean"] | None = None,
    accuracy: Accuracy | None = None,
    repair: bool = False,
    circuit: str | None = None,
) -> list[Imported]:
    """Every cell of a file, analysed.

    Args:
        path: Parquet or text in Battery Data Format columns, Neware's own files, or a spectrum as text.
        geometry: what a positive current does; never guessed.
        area_cm2: of the electrode, for areal values.
        current: what a row's current is; ``None``: as the file's own counter says, else the value at the stamp.
        accuracy: what is known of the instrument.
        repair: set right what is certainly wrong (units, signs, impossible times); every repair is a finding.
        circuit: the name of a circuit (`harness.analysis.impedance.circuits.LIBRARY`) to be fitted to the spectra, too.

    Raises:
        BadInput: the file cannot be read, or holds nothing that could be analysed; the area is not positive, or there is no such
            circuit.
    """
    if area_cm2 is not None and not (math.isfinite(area_cm2) and area_cm2 > 0):
        raise BadInput("area_cm2", f"{area_cm2!r} is not a positive area")
    kind, named = None if current is None else CurrentKind(current), None if circuit is None else _circuit(circuit)
    how = _How(geometry, area_cm2, kind, accuracy, repair, named)
    return [_imported(path, name, frame, how) for name, frame in text_spectrum(path) or read_cells(path)]


@dataclass(frozen=True, slots=True)
class _How:
    """What `import_file` was told of a file."""

    geometry: Geometry
    area_cm2: float | None
    kind: CurrentKind | None
    accuracy: Accuracy | None
    repair: bool
    circuit: Circuit | None


def _circuit(name: str) -> Circuit:
    try:
        return circuit_of(name)
    except AnalysisError as error:
        raise BadInput("circuit", str(error)) from None


def _imported(path: Path, name: str, frame: pl.DataFrame, how: _How) -> Imported:
    findings = [*validate(frame), *columns_not_used(frame)]
    if how.repair:
        frame, findings = repaired(frame, findings)
    spectra = spectra_of(name, frame, str(path), repair=how.repair)
    findings += [finding for spectrum in spectra for finding in spectrum.findings]
    if frame.height < FEWEST_ROWS and not spectra:
        raise BadInput(str(path), f"it holds {frame.height} row of {name}; no charge passes in fewer than {FEWEST_ROWS}")
    cell, lacking = None, _lacking(frame)
    if lacking is None:
        try:
            cell = _cell(path, name, frame, how)
            findings += _not_explained(cell.findings, findings)
        except BadInput as error:
            if not spectra:
                raise
            findings.append(Finding(NO_CYCLES, "", f"no cycles beside the spectra: {error.what}"))
    elif not spectra:
        findings = [_without_cycles(frame, lacking, str(path)), *findings, *_collapses(frame)]
    halves = [] if cell is None else judged_halves(cell)
    findings += _shorts(halves)
    pulses, no_pulses = ([], []) if cell is None else pulses_of(cell)
    judged = judged_spectra(spectra, how.circuit)
    if how.circuit is not None and not spectra:
        findings.append(Finding(NO_SPECTRUM, "", f"there is no spectrum that {how.circuit.name} could be fitted to"))
    return Imported(path, name, how.geometry, how.area_cm2, frame, cell, halves, pulses, judged, [*findings, *no_pulses])


def _cell(path: Path, name: str, frame: pl.DataFrame, how: _How) -> AnalyzedCell:
    return analyze_frame(
        name, frame, how.geometry, how.kind, str(path), area_cm2=how.area_cm2, accuracy=how.accuracy, repair=how.repair
    )


def _not_explained(further: Sequence[Finding], known: Sequence[Finding]) -> list[Finding]:
    """Findings that do not merely follow from a clock that is known to be in another unit: beside it, every stamp is a jump."""
    wrong = {finding.column for finding in known if finding.kind in {UNIT, UNIT_LIKELY} and not finding.repaired}
    return [finding for finding in further if not (finding.kind in {FIND_APART, FIND_JUMP} and wrong & set(TIMES))]


def _lacking(frame: pl.DataFrame) -> str | None:
    """What cycles need and the frame has not."""
    if "current_ampere" not in frame.columns:
        return "current"
    return None if any(name in frame.columns for name in TIMES) else "time"


def _without_cycles(frame: pl.DataFrame, lacking: str, where: str) -> Finding:
    """The one sentence about a file without cycles.

    Raises:
        BadInput: it holds no voltage over time either.
    """
    needed = 'it needs "current_ampere" or "Current / A"' if lacking == "current" else f"it needs {', '.join(TIMES)}"
    if "voltage_volt" not in frame.columns or (lacking == "current" and not any(name in frame.columns for name in TIMES)):
        raise BadInput(where, f"no column holds the {lacking}; {needed}")
    text = f"no column holds the {lacking}, so there is no charge and no efficiency ({needed})"
    return Finding(NO_CURRENT if lacking == "current" else NO_TIME, "", text)


def _shorts(halves: Sequence[JudgedHalf]) -> list[Finding]:
    """The half cycles that show a short, each with its signs in words."""
    return [
        Finding(
            SHORT,
            "voltage_volt",
            short_sentence(
                half.verdict.grade,
                half.verdict.evidence,
                role=half.span.role.value,
                cycle_count=half.span.cycle_count,
                duration_second=half.shape.duration_second,
            ),
            (half.span.rows.start,),
        )
        for half in halves
        if half.verdict.grade
    ]


def _collapses(frame: pl.DataFrame) -> list[Finding]:
    """Where a voltage without a current beside it leaves its quiet and collapses, as a short within a cell does."""
    columns = Columns(frame)
    if "test_time_second" not in columns:
        return []
    try:
        found = find_excursions(columns["test_time_second"], columns["voltage_volt"])
    except AnalysisError:
        return []
    return [
        Finding(
            COLLAPSE,
            "voltage_volt",
            f"the voltage leaves {one.quiet_volt:.3g} V from {one.from_second:.10g} to {one.to_second:.10g} s, reaches "
            f"{one.peak_volt:.3g} V and collapses {len(one.collapses)} times, as it does where a short forms",
        )
        for one in found
        if one.collapses
    ]


# -- as JSON -----------------------------------------------------------------------------------------------------------


def imported_json(cells: Sequence[Imported]) -> dict[str, object]:
    """Everything that was found, in the shape that is written as JSON: a missing number is null, never NaN."""
    return {"cells": [_cell_json(one) for one in cells]}


def _cell_json(one: Imported) -> dict[str, object]:
    told: dict[str, object] = {"cell": one.name, "file": str(one.path), "geometry": one.geometry.value, "area_cm2": one.area_cm2}
    told["cycles"] = [] if one.cell is None else _cycles_json(one.cell)
    if one.cell is not None:
        mean = mean_coulombic_efficiency(one.cell.rows)
        told["mean_coulombic_efficiency"] = dataclasses.asdict(mean)
        told["steps"] = [{**step._asdict(), "role": step.role.value} for step in one.cell.steps]
        for name in ("rest_charge_ah", "probe_charge_ah", "offset_ampere"):
            told[name] = _estimate_json(getattr(one.cell, name))
    told["half_cycles"] = [_half_json(half) for half in one.halves]
    told["pulses"] = [dataclasses.asdict(pulse) for pulse in one.pulses]
    told["spectra"] = [_spectrum_json(judged, one) for judged in one.spectra]
    told["findings"] = [dataclasses.asdict(finding) for finding in one.findings]
    return told


def _cycles_json(cell: AnalyzedCell) -> list[dict[str, object]]:
    following = {pairing.cycle_count: pairing.next_removal for pairing in pairings(cell.rows)}
    told = []
    for row in cell.rows:
        values = {**dataclasses.asdict(row), "flags": row.flags.split(), "refusal": efficiency_of(row).refusal}
        if cell.geometry is Geometry.FULL:
            after = following[row.cycle_count]
            values |= {"next_removal_efficiency": after.value, "next_removal_efficiency_std": after.std}
        told.append(values)
    return told


def _half_json(half: JudgedHalf) -> dict[str, object]:
    estimates = ("nucleation_overpotential_volt", "plateau_overpotential_volt", "end_overpotential_volt", "arcing_1")
    told: dict[str, object] = {"role": half.span.role.value, "cycle_count": half.span.cycle_count}
    for name in (*estimates, "apparent_resistance_ohm"):
        estimate = getattr(half.shape, name)
        told |= {name: estimate.value, f"{name}_std": estimate.std}
    told |= {"short_grade": half.verdict.grade, "short_evidence": [dataclasses.asdict(one) for one in half.verdict.evidence]}
    return told


def _spectrum_json(judged: JudgedSpectrum, one: Imported) -> dict[str, object]:
    tested, verdict = judged.verdict.kramers_kronig, judged.verdict
    told: dict[str, object] = {
        "sweep_count": judged.spectrum.sweep_count,
        "points": int(judged.spectrum.sweep.frequency_hertz.size),
        "verdict": verdict.verdict.value,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "kramers_kronig_rms_1": None if tested is None else tested.residual_rms_1,
        "refusal": judged.refusal,
    }
    if judged.named_refusal:
        told["circuit_refusal"] = judged.named_refusal
    if judged.fit is not None:
        told |= _fit_json(judged.fit)
        if one.area_cm2 is not None and judged.fit.interface.value is not None:
            specific = area_specific(judged.fit.interface, one.area_cm2, interfaces=interfaces_of(one.geometry))
            told |= {"area_specific_resistance_ohm_cm2": specific.value, "area_specific_resistance_ohm_cm2_std": specific.std}
    if judged.named is not None:
        told["circuit"] = _circuit_json(judged.named)
    return told


def _circuit_json(fit: CircuitFit) -> dict[str, object]:
    parameters = {
        name: {"value": one.value, "std": one.std, "unit": parameter.unit, "unidentified": one.unidentified}
        for parameter, (name, one) in zip(fit.circuit.parameters, fit.parameters.items(), strict=True)
    }
    return {"name": fit.circuit.name, "rms": fit.rms, "flags": sorted(fit.flags), "parameters": parameters}


def _fit_json(fit: ImpedanceFit) -> Mapping[str, object]:
    names = ("series_resistance_ohm", "interface_resistance_ohm", "total_resistance_ohm")
    endings = ("", "_std", "_noise_std")
    values: dict[str, Any] = {name + ending: getattr(fit, name + ending) for name in names for ending in endings}
    return {**values, "residual_rms": fit.residual_rms, "flags": sorted(fit.flags)}


def _estimate_json(estimate: Estimate) -> dict[str, object]:
    return dataclasses.asdict(estimate)
