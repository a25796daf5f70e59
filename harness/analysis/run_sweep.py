"""One complete sweep of a run as a row: whether it may be believed, and its fit. Takes records, gives a row; stores nothing.

A refused sweep is not fitted: no resistances of it stand in any table, only the verdict and its reason.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from harness.analysis.estimate import Estimate
from harness.analysis.impedance import fit, validity
from harness.analysis.impedance.fit import ImpedanceFit
from harness.analysis.impedance.fit_start import start_from, start_text
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from harness.analysis.impedance.validity import SpectrumVerdict, Verdict, judge_spectrum
from harness.analysis.resistance import METHOD_VERSION as RESISTANCE_VERSION
from harness.analysis.resistance import area_specific
from harness.errors import AnalysisError
from harness.model.derived import FitStart, ImpedanceFitRow
from harness.model.records import ImpedancePoint

FLAG_NOT_FITTED = "not_fitted"


def method_version() -> str:
    """Of a sweep's row, which is superseded when one of its three methods is."""
    return f"{fit.METHOD_VERSION} {validity.METHOD_VERSION} {RESISTANCE_VERSION}"


def is_fitted(row: ImpedanceFitRow) -> bool:
    """Whether the row's sweep was fitted, so that the next fit begins where its own ended."""
    return FLAG_NOT_FITTED not in row.flags.split()


def sweep_row(
    points: Sequence[ImpedancePoint], area_cm2: float, start: FitStart | None = None, *, interfaces: int = 1
) -> tuple[ImpedanceFitRow, FitStart | None]:
    """The row of one complete sweep, and where the next fit begins. Without a fit it has no numbers and the flag ``not_fitted``.

    ``start`` is where the run's last fit ended; a sweep that is not fitted leaves it as it is. ``interfaces`` share the
    resistance (`harness.analysis.resistance.interfaces_of`).
    """
    verdict, reason = _judged(points)
    found = None if verdict is None or verdict.verdict is Verdict.REFUSED else _fitted(verdict.usable, start)
    interface = Estimate.refused(FLAG_NOT_FITTED) if found is None else found.interface
    specific = area_specific(interface, area_cm2, interfaces=interfaces)
    row = _row(points, specific, verdict, reason, found)
    return row, start if found is None else FitStart(row.sweep_count, method_version(), start_text(found.family))


def _row(
    points: Sequence[ImpedancePoint],
    specific: Estimate,
    verdict: SpectrumVerdict | None,
    reason: str,
    found: ImpedanceFit | None,
) -> ImpedanceFitRow:
    first = points[0]
    flags = {name for point in points for name in point.flags.split()}
    tested = None if verdict is None else verdict.kramers_kronig
    flags |= {FLAG_NOT_FITTED} if found is None else found.flags
    return ImpedanceFitRow(
        run_id=first.run_id,
        cycle_count=first.cycle_count,
        unix_time_nanosecond=first.unix_time_nanosecond,
        sweep_count=first.sweep_count,
        series_resistance_ohm=None if found is None else found.series_resistance_ohm,
        series_resistance_ohm_std=None if found is None else found.series_resistance_ohm_std,
        interface_resistance_ohm=None if found is None else found.interface_resistance_ohm,
        interface_resistance_ohm_std=None if found is None else found.interface_resistance_ohm_std,
        area_specific_resistance_ohm_cm2=specific.value,
        area_specific_resistance_ohm_cm2_std=specific.std,
        residual_rms=None if found is None else found.residual_rms,
        flags=" ".join(sorted(flags)),
        method_version=method_version(),
        verdict=Verdict.REFUSED.value if verdict is None else verdict.verdict.value,
        verdict_reason=reason,
        kramers_kronig_rms_1=None if tested is None else tested.residual_rms_1,
        kramers_kronig_order=None if tested is None else tested.order,
        circuit="" if found is None else found.circuit,
        parameters="" if found is None else _parameters_json(found),
        total_resistance_ohm=None if found is None else found.total_resistance_ohm,
        total_resistance_ohm_std=None if found is None else found.total_resistance_ohm_std,
        interface_resistance_ohm_noise_std=None if found is None else found.interface_resistance_ohm_noise_std,
    )


def _judged(points: Sequence[ImpedancePoint]) -> tuple[SpectrumVerdict | None, str]:
    """The verdict and why it is not good; ``None`` where not even that can be said."""
    frequency = np.array([point.frequency_hertz for point in points])
    impedance = np.array([complex(point.real_impedance_ohm, point.imaginary_impedance_ohm) for point in points])
    time = np.array([point.step_time_second for point in points])
    try:
        verdict = judge_spectrum(sweep_of(frequency, impedance, time))
    except AnalysisError as error:
        return None, str(error)
    return verdict, verdict.reason


def _fitted(sweep: Sweep, start: FitStart | None) -> ImpedanceFit | None:
    previous = None if start is None else start_from(start.text)
    try:
        return fit.fit_impedance(sweep.frequency_hertz, sweep.impedance_ohm, previous=previous)
    except AnalysisError:
        return None


def _parameters_json(found: ImpedanceFit) -> str:
    return json.dumps({name: [one.value, one.std, not one.unidentified] for name, one in found.parameters.items()})
