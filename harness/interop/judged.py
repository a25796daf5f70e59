"""Whether each spectrum of a file may be believed, and what is fitted to it. Judges and fits by `harness.analysis.impedance`.

As in a run (`harness.analysis.run_sweep`), nothing is fitted to a refused sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.impedance.circuit_fit import CircuitFit, fit_circuit
from harness.analysis.impedance.circuits import Circuit
from harness.analysis.impedance.fit import FLAG_POOR_FIT, POOR_RESIDUAL, ImpedanceFit, fit_impedance
from harness.analysis.impedance.validity import SpectrumVerdict, Verdict, judge_spectrum
from harness.errors import AnalysisError
from harness.interop.spectra import ImportedSpectrum


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSpectrum:
    """A sweep, whether it may be believed, and what was fitted to it; ``refusal`` says why nothing was. ``named`` is the circuit
    that was asked for by its name, ``named_refusal`` why it is missing then.
    """

    spectrum: ImportedSpectrum
    verdict: SpectrumVerdict
    fit: ImpedanceFit | None
    refusal: str
    named: CircuitFit | None = None
    named_refusal: str = ""


def judged_spectra(spectra: Sequence[ImportedSpectrum], circuit: Circuit | None) -> list[JudgedSpectrum]:
    """Every spectrum of a file, with ``circuit`` fitted to each, from where the one before ended."""
    judged = list(map(_judged, spectra))
    return judged if circuit is None else list(_with_circuit(judged, circuit))


def _with_circuit(judged: Sequence[JudgedSpectrum], circuit: Circuit) -> Iterator[JudgedSpectrum]:
    """A fit that does not describe its spectrum is no place to begin the next one's."""
    before = None
    for one in judged:
        if one.verdict.verdict is Verdict.REFUSED:
            yield replace(one, named_refusal=one.refusal)
            continue
        try:
            found = fit_circuit(circuit, one.verdict.usable, previous=before)
        except AnalysisError as error:
            yield replace(one, named_refusal=str(error))
            continue
        poor = found.rms > POOR_RESIDUAL
        before = None if poor else found
        yield replace(one, named=replace(found, flags=found.flags | {FLAG_POOR_FIT}) if poor else found)


def _judged(spectrum: ImportedSpectrum) -> JudgedSpectrum:
    before = after = None
    if spectrum.voltage_volt is not None and bool(np.isfinite(spectrum.voltage_volt).all()):
        in_time = spectrum.voltage_volt[np.argsort(spectrum.rows)]
        before, after = float(in_time[0]), float(in_time[-1])
    verdict = judge_spectrum(spectrum.sweep, bias_before=before, bias_after=after, repeated_first=spectrum.repeated_first_ohm)
    if verdict.verdict is Verdict.REFUSED:
        return JudgedSpectrum(spectrum, verdict, None, verdict.reason)
    try:
        fit = fit_impedance(verdict.usable.frequency_hertz, verdict.usable.impedance_ohm)
    except AnalysisError as error:
        return JudgedSpectrum(spectrum, verdict, None, str(error))
    return JudgedSpectrum(spectrum, verdict, fit, "")
